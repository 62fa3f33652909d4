/*
 * questions.c - a question's life, and how it is answered: verdict, document, sentence or fault.
 *
 * Called by the front's other files, and by native.c when there is room to write (front_write) or a
 * client has gone (front_drop). Owns the document buffers. Failure: no slot and no buffer is
 * "busy".
 */
#include "ipc/serve/front_internal.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "ipc/serve/explain.h"
#include "ipc/serve/reply.h"
#include "ipc/serve/status.h"

#include <stdio.h>
#include <string.h>

/* --- questions --- */

struct question *question_of(struct native_answer *answer)
{
    return (struct question *)(void *)((char *)answer - offsetof(struct question, answer));
}

struct native_client *question_client(struct front *front, const struct question *question)
{
    return native_client_find(front->native, question->request.token);
}

/* Gives the slot back if nobody has it any more. */
void question_settle(struct front *front, struct question *question)
{
    if (!question->home || question->queued || !question->settled)
        return;
    if (question->request.facts)
        domain_facts_drop(question->request.facts);
    document_give(front, question); /* of one that ended as a fault */
    order_forget(front, question);
    delivery_forget(front, question);
    keys_forget(front, question);
    wheel_disarm(front->wheel, &question->timer);
    native_user_count(question->user, -1);
    pool_give(front->questions, question);
    counter_add(&front->counts.outstanding, (uint64_t)-1);
}

/* To its client, or nowhere if that has gone. After it the question may be gone too. */
void question_answer(struct front *front, struct question *question)
{
    struct native_client *client = question_client(front, question);

    if (client && !question->settled) {
        question->queued = true;
        native_answer(front->native, client, &question->answer);
        return;
    }
    if (!question->settled)
        counter_add(&front->counts.vanished, 1);
    question->settled = true;
    question_settle(front, question);
}

void question_fault(struct front *front, struct question *question, enum frame_error fault,
                    const char *why)
{
    question->fault = fault;
    question->why = why;
    question_answer(front, question);
}

/* --- documents --- */

/* Who reads slowly keeps a buffer for long (of a full one five minutes, before he is cut off). So
 * the last ones are for administrators alone; and a user may have no more of each kind than he
 * leaves to others. */
static bool document_allowed(const struct front *front, const struct question *question)
{
    unsigned left = 0, mine = 0, kept = question->administers ? 0 : LIMIT_FRONT_DOCUMENTS_ADMIN;

    for (unsigned i = 0; i < LIMIT_FRONT_DOCUMENTS; i++) {
        const struct question *other = front->document_of[i];

        left += other == NULL;
        mine += other != NULL && other->user == question->user &&
                other->administers == question->administers;
    }
    return left > kept && mine < left - kept;
}

bool document_take(struct front *front, struct question *question)
{
    if (!document_allowed(front, question)) {
        front->documents_wanted = true;
        return false;
    }
    for (uint8_t i = 0; question->document == LIMIT_FRONT_DOCUMENTS; i++)
        if (front->document_of[i] == NULL)
            question->document = i;
    front->document_of[question->document] = question;
    question->text = front->documents + (size_t)question->document * FRAME_DOCUMENT_MAX;
    counter_add(&front->counts.documents, 1);
    return true;
}

/* The text is no longer needed: it was sent, or nobody wants it. */
void document_give(struct front *front, struct question *question)
{
    if (question->document == LIMIT_FRONT_DOCUMENTS)
        return;
    front->document_of[question->document] = NULL;
    counter_add(&front->counts.documents, (uint64_t)-1);
    front->documents_freed = true;
    question->document = LIMIT_FRONT_DOCUMENTS;
    question->text = NULL;
}

static bool document_make(struct front *front, struct question *question)
{
    char *out;

    if (!document_take(front, question))
        return false;
    out = front->documents + (size_t)question->document * FRAME_DOCUMENT_MAX;
    if (question->kind == FRAME_EXPLAIN)
        question->size = (uint32_t)explain_write(out, FRAME_DOCUMENT_MAX, question->request.facts,
                                                 question->request.limited, clock_boot_ms());
    else if (question->kind == FRAME_DECIDE)
        question->size = (uint32_t)document_of_decision(front, question, out, FRAME_DOCUMENT_MAX);
    else
        question->size =
            (uint32_t)status_write(out, FRAME_DOCUMENT_MAX, front->engine,
                                   native_counts(front->native), &front->counts, clock_boot_ms());
    return true;
}

static bool document_write(struct front *front, struct native_client *client,
                           struct question *question)
{
    uint8_t bytes[DOCUMENT_ROOM];
    struct frame_document part = {.form = question->kind == FRAME_CONFIG ? DOCUMENT_TEXT
                                                                         : DOCUMENT_JSON};

    /* A buffer is taken only when all before it is with the kernel: so one that fits into the
     * output is given back at once, and who does not read holds none. */
    if (question->sent == 0 && native_room(client) < LIMIT_CLIENT_OUTPUT)
        return false;
    if (!question->text && !document_make(front, question))
        return false;
    part.size = question->size;
    do {
        uint32_t left = question->size - question->sent;
        bool last = left <= FRAME_DOCUMENT_PART;
        size_t size;

        if (native_room(client) < DOCUMENT_ROOM)
            return false;
        part.part = question->text + question->sent;
        part.part_size = (uint16_t)(last ? left : FRAME_DOCUMENT_PART);
        size = frame_encode(bytes, sizeof bytes, FRAME_DOCUMENT, last ? 0 : FRAME_GOES_ON,
                            question->request.client_id, &part);
        CHECK(size > 0);
        native_put(front->native, client, bytes, size);
        question->sent += part.part_size;
    } while (question->sent < question->size);
    document_give(front, question);
    return true;
}

/* --- writing answers (native's `write` and `drop`) --- */

bool put(struct front *front, struct native_client *client, uint8_t kind, uint64_t id,
         const void *message)
{
    size_t room;
    char *out = native_space(front->native, client, &room);
    const size_t size = frame_encode(out, room, kind, 0, id, message);

    CHECK(size > 0 || room < NATIVE_ANSWER_ROOM);
    if (size == 0)
        return false;
    native_wrote(front->native, client, size);
    return true;
}

bool put_fault(struct front *front, struct native_client *client, const struct frame *frame,
               enum frame_error code, const char *sentence)
{
    struct frame_fault fault = {.code = (uint8_t)code, .kind = frame->kind};

    if (code == FRAME_ERROR_BUSY)
        fault.retry_ms = RETRY_MS;
    snprintf(fault.sentence, sizeof fault.sentence, "%s", sentence);
    return put(front, client, FRAME_ERROR, frame->id, &fault);
}

static bool write_verdict(struct front *front, struct native_client *client,
                          const struct question *question)
{
    struct frame_verdict reply;

    reply_facts(&reply, question->request.facts, question->request.limited, clock_boot_ms());
    return put(front, client, FRAME_VERDICT, question->request.client_id, &reply);
}

/* What the main thread answered to a reload; without its words if there was no room for them. */
static bool write_reload(struct front *front, struct native_client *client,
                         struct question *question)
{
    struct frame frame = {.kind = FRAME_RELOAD, .id = question->request.client_id};
    const char *words = question->good ? "the settings are in force; the log says more"
                                       : "the settings are refused; the log says why";
    struct frame_done done = {0};
    bool written;

    snprintf(done.sentence, sizeof done.sentence, "%s", question->text ? question->text : words);
    written = question->good
                  ? put(front, client, FRAME_DONE, frame.id, &done)
                  : put_fault(front, client, &frame, FRAME_ERROR_CONFIGURATION, done.sentence);
    if (written)
        document_give(front, question);
    return written;
}

static bool write_order(struct front *front, struct native_client *client,
                        const struct question *question)
{
    struct frame_done done = {0};

    snprintf(done.sentence, sizeof done.sentence, "%s", question->order->request.done.sentence);
    return put(front, client, FRAME_DONE, question->request.client_id, &done);
}

static bool write_delivery(struct front *front, struct native_client *client,
                           const struct question *question)
{
    struct frame_done done = {0};

    delivery_say(done.sentence, sizeof done.sentence, &question->delivery->report);
    return put(front, client, FRAME_DONE, question->request.client_id, &done);
}

static bool write_answer(struct front *front, struct native_client *client,
                         struct question *question)
{
    struct frame frame = {.kind = question->kind, .id = question->request.client_id};

    if (question->fault)
        return put_fault(front, client, &frame, question->fault, question->why);
    if (question->kind == FRAME_CHECK)
        return write_verdict(front, client, question);
    if (question->kind == FRAME_RELOAD)
        return write_reload(front, client, question);
    if (question->kind == FRAME_DECIDE && !question->decision.explain)
        return write_decision(front, client, question);
    if (question->kind == FRAME_ORDER && !question->order->shows)
        return write_order(front, client, question);
    if (question->kind == FRAME_OBSERVE)
        return write_delivery(front, client, question);
    return document_write(front, client, question);
}

bool front_write(void *context, struct native_client *client, struct native_answer *answer)
{
    struct front *front = context;
    struct question *question = question_of(answer);

    if (!write_answer(front, client, question))
        return false;
    histogram_add(&front->counts.answer_us, clock_boot_us() - question->taken_us);
    counter_add(&front->counts.answered, 1);
    question->queued = false;
    question->settled = true;
    question_settle(front, question);
    return true;
}

void front_drop(void *context, struct native_answer *answer)
{
    struct front *front = context;
    struct question *question = question_of(answer);

    if (question->home) /* else the keeper may still write into it (order_home) */
        document_give(front, question);
    counter_add(&front->counts.vanished, 1);
    question->queued = false;
    question->settled = true;
    question_settle(front, question);
}

/* --- taking --- */

/* The one place that says who is shed first: scans, then who only wants renewed what is known, then
 * who waits to know, then live questions; the last places are for administrators. */
uint32_t questions_for(enum priority priority, uint32_t slots)
{
    switch (priority) {
    case PRIORITY_SCAN:
        return slots - slots / 4;
    case PRIORITY_REFRESH:
        return slots - slots / 8;
    case PRIORITY_ASKED:
        return slots - slots / 16;
    case PRIORITY_LIVE:
        break;
    }
    return slots - slots / LIMIT_ADMIN_QUESTIONS;
}

static bool has_room(const struct front *front, const struct native_user *user,
                     enum priority priority, bool administers)
{
    uint32_t used = pool_used(front->questions), slots = front->settings.requests;

    if (administers)
        return used < slots;
    if (native_user_requests(user) >= front->settings.requests_per_user)
        return false;
    return used < questions_for(priority, slots);
}

struct question *question_try(struct front *front, struct native_client *client,
                              const struct frame *frame, enum priority priority)
{
    struct native_user *user = native_client_user(client);
    bool administers = frame->kind != FRAME_CHECK && frame->kind != FRAME_EXPLAIN &&
                       frame->kind != FRAME_DECIDE && frame->kind != FRAME_OBSERVE &&
                       (native_client_peer(client)->rights & RIGHT_ADMIN);
    struct question *question =
        has_room(front, user, priority, administers) ? pool_take(front->questions) : NULL;

    if (!question) {
        counter_add(&front->counts.shed, 1);
        return NULL;
    }
    question->request.token = native_client_token(front->native, client);
    question->request.client_id = frame->id;
    question->request.priority = priority;
    question->user = user;
    question->kind = frame->kind;
    question->administers = administers;
    question->taken_us = clock_boot_us();
    question->document = LIMIT_FRONT_DOCUMENTS;
    question->timer.token =
        (struct ring_token){OPERATION_LATE, pool_slot(front->questions, question),
                            pool_generation(front->questions, question)};
    native_user_count(user, 1);
    counter_add(&front->counts.outstanding, 1);
    return question;
}

struct question *question_take(struct front *front, struct native_client *client,
                               const struct frame *frame, enum priority priority)
{
    struct question *question = question_try(front, client, frame, priority);

    if (!question)
        put_fault(front, client, frame, FRAME_ERROR_BUSY,
                  "too many questions are waiting; ask again in a moment");
    return question;
}

/* To the shard that owns the next hop. */
void question_send(struct front *front, struct question *question, const struct next_hop *next_hop,
                   uint64_t not_before_ms, uint64_t deadline_ms)
{
    question->request.message.kind = MESSAGE_DOMAIN_ASK;
    question->request.next_hop = *next_hop;
    question->request.not_before_ms = not_before_ms;
    question->request.deadline_ms = deadline_ms;
    wheel_arm(front->wheel, &question->timer, deadline_ms + LIMIT_QUESTION_LATE_MS);
    mailbox_send(front->mailbox, owner_of_next_hop(&front->peer.owners, next_hop),
                 &question->request.message);
}
