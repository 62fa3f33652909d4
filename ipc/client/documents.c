/*
 * documents.c - documents and orders, and deliveries that are reported: see mxward.h. One request
 * at a time, and none while questions are outstanding.
 */
#include "ipc/client/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes of the first version. */
#define OBSERVATION_LEAST sizeof(struct mxw_observation)
#define ORDER_LEAST       sizeof(struct mxw_order)

static int observation_encode(struct mxw *m, struct frame_observe *wire,
                              const struct mxw_observation *given)
{
    struct mxw_observation observation = MXW_OBSERVATION_INIT;

    if (!layout_take(&observation, sizeof observation, OBSERVATION_LEAST, given))
        return handle_fail(m, MXW_USAGE, LAYOUT_UNKNOWN);
    *wire = (struct frame_observe){.port = (uint16_t)observation.port,
                                   .tls_version = (uint16_t)observation.tls_version,
                                   .trust = (uint8_t)observation.trust,
                                   .delivered_s = observation.delivered_s};
    if (observation.port > UINT16_MAX || observation.tls_version > UINT16_MAX ||
        observation.trust < MXW_CLEAR || observation.trust > MXW_VERIFIED ||
        !text_put(wire->domain, sizeof wire->domain, observation.domain) ||
        !text_put(wire->host, sizeof wire->host, observation.host) || wire->host[0] == 0 ||
        !text_put(wire->address, sizeof wire->address, observation.address) ||
        wire->address[0] == 0 || !text_put(wire->cipher, sizeof wire->cipher, observation.cipher) ||
        !text_put(wire->key_sha256, sizeof wire->key_sha256, observation.key_sha256))
        return handle_fail(m, MXW_INVALID,
                           "a mail host and an address are needed, and no text too long");
    return MXW_OK;
}

int mxw_send_observation(struct mxw *m, const struct mxw_observation *observation, uint64_t *id)
{
    HANDLE_ENTER(m, MXW_USAGE);
    struct frame_observe wire;
    int status = observation_encode(m, &wire, observation);

    if (status != MXW_OK)
        return status;
    handle_own(m);
    return handle_send(m, FRAME_OBSERVE, &wire, id, handle_now_ms() + m->connect_ms);
}

/* --- documents and orders --- */

static int document_part(struct mxw *m, const struct frame *frame, bool *whole)
{
    struct frame_document part;
    char why[FRAME_SENTENCE_MAX];

    if (!frame_decode(&part, frame, why) || m->text_size + part.part_size > FRAME_DOCUMENT_MAX) {
        handle_disconnect(m);
        return handle_fail(m, MXW_PROTOCOL, "%s: a document was not understood", m->socket);
    }
    if (part.part_size)
        memcpy(m->text + m->text_size, part.part, part.part_size);
    m->text_size += part.part_size;
    m->text[m->text_size] = 0;
    *whole = !(frame->flags & FRAME_GOES_ON);
    return MXW_OK;
}

/* Takes what is answered to the one request that is out. */
static int take_answer(struct mxw *m, int64_t until_ms)
{
    bool whole = false;

    while (!whole) {
        struct frame_fault fault;
        struct frame_done done;
        struct frame frame;
        int status = handle_next(m, &frame, until_ms);

        if (status != MXW_OK)
            return status;
        if (frame.kind == FRAME_DOCUMENT) {
            status = document_part(m, &frame, &whole);
            if (status != MXW_OK)
                return status;
        } else if (frame.kind == FRAME_DONE && frame_decode(&done, &frame, NULL)) {
            return handle_fail(m, MXW_OK, "%s", done.sentence);
        } else if (frame.kind == FRAME_ERROR && frame_decode(&fault, &frame, NULL)) {
            return handle_fail(m, status_of_fault(fault.code), "%s", fault.sentence);
        } else {
            handle_disconnect(m);
            return handle_fail(m, MXW_PROTOCOL, "%s: an answer was not understood", m->socket);
        }
    }
    return MXW_OK;
}

static int order(struct mxw *m, uint8_t kind, const void *message, int wait_ms)
{
    int64_t until_ms = handle_now_ms() + wait_ms;
    bool was_connected;
    int status = MXW_UNREACHABLE;

    handle_own(m);
    was_connected = m->fd >= 0;
    if (m->outstanding > 0)
        return handle_fail(m, MXW_USAGE, "questions are outstanding");
    if (!m->text)
        m->text = malloc(FRAME_DOCUMENT_MAX + 1);
    if (!m->text)
        return handle_fail(m, MXW_MEMORY, "no memory");
    for (int tries = 0; tries < 2 && status == MXW_UNREACHABLE; tries++) {
        if (tries > 0 && !was_connected)
            break;
        m->text_size = 0;
        m->text[0] = 0;
        status = handle_connect(m, INT64_MAX);
        if (status == MXW_OK)
            status = handle_put(m, kind, m->next_id++, message, until_ms);
        if (status == MXW_OK)
            status = take_answer(m, until_ms);
    }
    m->expect_from = m->next_id;
    return status;
}

static int document(struct mxw *m, uint8_t kind, const void *message, const char **text,
                    size_t *length, int wait_ms)
{
    int status = order(m, kind, message, wait_ms);

    *text = m->text;
    *length = m->text_size;
    return status;
}

int mxw_explain(struct mxw *m, const struct mxw_question *question, const char **text,
                size_t *length, int wait_ms)
{
    HANDLE_ENTER(m, MXW_USAGE);
    struct frame_question wire;
    struct next_hop next_hop;
    int status = question_encode(m, &wire, &next_hop, question);

    return status == MXW_OK ? document(m, FRAME_EXPLAIN, &wire, text, length, wait_ms) : status;
}

int mxw_explain_message(struct mxw *m, const struct mxw_message *message, const char **text,
                        size_t *length, int wait_ms)
{
    HANDLE_ENTER(m, MXW_USAGE);
    struct frame_decide wire;
    int status = message_encode(m, &wire, message);

    wire.explain = 1;
    return status == MXW_OK ? document(m, FRAME_DECIDE, &wire, text, length, wait_ms) : status;
}

int mxw_order(struct mxw *m, const struct mxw_order *given, const char **text, size_t *length,
              int wait_ms)
{
    HANDLE_ENTER(m, MXW_USAGE);
    struct mxw_order order = MXW_ORDER_INIT;
    struct frame_order_request wire = {0};

    if (!layout_take(&order, sizeof order, ORDER_LEAST, given))
        return handle_fail(m, MXW_USAGE, LAYOUT_UNKNOWN);
    wire.order = (uint8_t)order.order;
    wire.level = (uint8_t)order.level;
    wire.until_s = order.until_s;
    wire.most = order.most;
    if (!text_put(wire.name, sizeof wire.name, order.name) ||
        !text_put(wire.domain, sizeof wire.domain, order.domain) ||
        !text_put(wire.profile, sizeof wire.profile, order.profile) ||
        !text_put(wire.after, sizeof wire.after, order.after) ||
        !text_put(wire.reason, sizeof wire.reason, order.reason) ||
        !text_put(wire.text, sizeof wire.text, order.text))
        return handle_fail(m, MXW_INVALID, "a name, the reason or the text is too long");
    return document(m, FRAME_ORDER, &wire, text, length, wait_ms);
}

int mxw_daemon_status(struct mxw *m, const char **text, size_t *length, int wait_ms)
{
    HANDLE_ENTER(m, MXW_USAGE);
    struct frame_empty nothing = {0};

    return document(m, FRAME_STATUS, &nothing, text, length, wait_ms);
}

int mxw_config(struct mxw *m, int sample, const char **text, size_t *length, int wait_ms)
{
    HANDLE_ENTER(m, MXW_USAGE);
    struct frame_config config = {.form = sample ? CONFIG_SAMPLE : CONFIG_EFFECTIVE};

    return document(m, FRAME_CONFIG, &config, text, length, wait_ms);
}

int mxw_observe(struct mxw *m, const struct mxw_observation *observation, int wait_ms)
{
    HANDLE_ENTER(m, MXW_USAGE);
    struct frame_observe wire;
    int status = observation_encode(m, &wire, observation);

    return status == MXW_OK ? order(m, FRAME_OBSERVE, &wire, wait_ms) : status;
}

int mxw_reload(struct mxw *m, int wait_ms)
{
    HANDLE_ENTER(m, MXW_USAGE);
    struct frame_empty nothing = {0};

    return order(m, FRAME_RELOAD, &nothing, wait_ms);
}
