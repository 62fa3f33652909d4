/*
 * deliveries.c - what mail programs report to have delivered: from the frame to the shards, and
 * home. Of what none of our own looks says the same the front has a look made, which nobody waits
 * for: what it sees teaches the memory (memory/remember.h).
 *
 * The front only forwards: what a delivery proves is engine/policy/delivery's, what it teaches
 * memory/remember's. A delivery has a slot of its own until its question is settled. Failure: no
 * slot is "busy"; what cannot be read is malformed; what counts for nothing is answered with the
 * reason, and is no error: a log has many such lines.
 */
#include "ipc/serve/front_internal.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"

#include <stdio.h>
#include <string.h>

static_assert((int)DELIVERY_CLEAR == (int)OBSERVED_CLEAR &&
                  (int)DELIVERY_ENCRYPTED == (int)OBSERVED_ENCRYPTED &&
                  (int)DELIVERY_TRUSTED == (int)OBSERVED_TRUSTED &&
                  (int)DELIVERY_VERIFIED == (int)OBSERVED_VERIFIED,
              "the engine's trust is the wire's");

static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != 0 ? strchr(digits, c | 0x20) : NULL;

    return at != NULL && (c >= '0' && (c <= '9' || c >= 'A')) ? (int)(at - digits) : -1;
}

static bool key_read(struct delivery *delivery, const char *text)
{
    delivery->has_key = text[0] != 0;
    if (!delivery->has_key)
        return true;
    if (strlen(text) != 2 * SHA256_BYTES)
        return false;
    for (unsigned i = 0; i < SHA256_BYTES; i++) {
        const int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        delivery->key_sha256[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* NULL, or what cannot be read. */
static const char *delivery_read(struct delivery_report *report,
                                 const struct frame_observe *observed)
{
    struct delivery *delivery = &report->delivery;

    *delivery = (struct delivery){.port = observed->port,
                                  .tls_version = observed->tls_version,
                                  .trust = (enum delivery_trust)observed->trust,
                                  .at_s = observed->delivered_s};
    if (name_parse(&delivery->host, observed->host, strlen(observed->host)) != NAME_OK)
        return "the mail host is not a name";
    if (!address_parse(&delivery->address, observed->address, strlen(observed->address)))
        return "the address is none";
    if (!key_read(delivery, observed->key_sha256))
        return "the key is not a SHA-256 of 64 hex digits";
    report->next_hop =
        (struct next_hop){.kind = NEXT_HOP_HOST, .port = DELIVERY_PORT, .name = delivery->host};
    if (observed->domain[0] == 0)
        return NULL;
    report->next_hop.kind = NEXT_HOP_DOMAIN;
    return name_parse(&report->next_hop.name, observed->domain, strlen(observed->domain)) == NAME_OK
               ? NULL
               : "the domain is none";
}

static enum native_taken fault_of_name(struct front *front, struct native_client *client,
                                       const struct frame *frame, const char *what)
{
    counter_add(&front->counts.refused_name, 1);
    put_fault(front, client, frame, FRAME_ERROR_NAME, what);
    return NATIVE_ANSWERED;
}

enum native_taken take_delivery(struct front *front, struct native_client *client,
                                const struct frame *frame, uint64_t arrived_ms)
{
    char why[FRAME_SENTENCE_MAX];
    struct frame_observe observed;
    struct delivery_report report = {0};
    struct question *question;
    const char *what;

    if (!frame_decode(&observed, frame, why)) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, why);
        return NATIVE_ANSWERED;
    }
    what = delivery_read(&report, &observed);
    if (what != NULL)
        return fault_of_name(front, client, frame, what);
    question = question_take(front, client, frame, PRIORITY_SCAN);
    if (!question)
        return NATIVE_ANSWERED;
    counter_add(&front->counts.deliveries, 1);
    question->delivery = pool_take(front->deliveries);
    if (!question->delivery) {
        question->home = true;
        question_fault(front, question, FRAME_ERROR_BUSY,
                       "too many deliveries are being looked at; report it again in a moment");
        return NATIVE_WAITS;
    }
    question->delivery->question = question;
    question->delivery->report = report;
    if (delivery_fault(&report.delivery, clock_wall_s()) != DELIVERY_GOOD) {
        question->home = true;
        question_answer(front, question);
        return NATIVE_WAITS;
    }
    question->delivery->report.message.kind = MESSAGE_DELIVERY_HOST;
    wheel_arm(front->wheel, &question->timer, arrived_ms + LIMIT_QUESTION_MS);
    mailbox_send(front->mailbox, owner_of_host(&front->peer.owners, &report.delivery.host),
                 &question->delivery->report.message);
    return NATIVE_WAITS;
}

/* The question is at the engine again, with its own request; its answer does not wait for that.
 * What is held and good is enough, but for what nothing but deliveries has kept good. Where too
 * many are, the next one who asks about the host has it looked at. */
static void look_begin(struct front *front, struct question *question)
{
    struct domain_request *request = &question->request;

    if (front->delivery_looks >= LIMIT_FRONT_DELIVERY_LOOKS)
        return;
    front->delivery_looks++;
    question->looks = true;
    question->home = false;
    request->message.kind = MESSAGE_DOMAIN_ASK;
    request->next_hop = question->delivery->report.next_hop;
    request->not_before_ms = question->delivery->report.host_aged ? clock_boot_ms() : 0;
    request->deadline_ms = clock_boot_ms() + LIMIT_QUESTION_MS;
    mailbox_send(front->mailbox, owner_of_next_hop(&front->peer.owners, &request->next_hop),
                 &request->message);
}

void delivery_looked(struct front *front, struct question *question)
{
    if (question->looks)
        front->delivery_looks--;
    question->looks = false;
}

void delivery_home(struct front *front, struct delivery_report *report)
{
    struct question *question = ((struct front_delivery *)(void *)report)->question;

    CHECK(question && !question->home);
    question->home = true;
    wheel_disarm(front->wheel, &question->timer);
    if (report->wants_look)
        look_begin(front, question);
    if (question->settled) { /* "late" was said already */
        question_settle(front, question);
        return;
    }
    if (question->queued) /* what is late was not written yet: so it is not late */
        question->fault = FRAME_ERROR_NONE;
    else
        question_answer(front, question);
}

void delivery_say(char *sentence, size_t size, const struct delivery_report *report)
{
    static const char *const effects[] = {
        [DELIVERY_SAYS_NOTHING] = "nothing that is held grows younger by it",
        [DELIVERY_RENEWS] = "what was seen there is fresh evidence again",
        [DELIVERY_DISPROVES] = "it disproves what was seen there, which will be looked at anew",
    };
    const enum delivery_fault fault = delivery_fault(&report->delivery, clock_wall_s());

    if (fault != DELIVERY_GOOD) {
        snprintf(sentence, size, "it counts for nothing: %s", delivery_fault_text(fault));
        return;
    }
    snprintf(sentence, size, "%s; %s", effects[report->effect],
             report->teaches_domain ? "a sighting for the domain and its mail host"
             : report->teaches_host ? "a sighting for the mail host"
             : report->wants_look   ? "no sighting for the memory before mxward has seen it itself"
                                    : "no sighting for the memory");
}

void delivery_forget(struct front *front, struct question *question)
{
    if (question->delivery)
        pool_give(front->deliveries, question->delivery);
    question->delivery = NULL;
}
