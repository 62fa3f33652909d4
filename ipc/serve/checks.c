/*
 * checks.c - what is known of a next hop: `check`, and `explain`, which is told more.
 *
 * A fresh record in the table is answered on the spot; else the shard is asked that owns the next
 * hop. Checks that came together are made ready together, so that the misses of all overlap.
 */
#include "ipc/serve/front_internal.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "ipc/decide/verdict_reply.h"
#include "shm/freshness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A question on its way to its answer. */
struct checking {
    const struct frame *frame;
    bool readable; /* else `why` says why it is not; and nothing behind has a meaning */
    char why[FRAME_SENTENCE_MAX];
    struct frame_question asked;
    enum name_status status; /* NAME_OK: of `next_hop` */
    struct next_hop next_hop;
    struct table_key key;     /* in `text` */
    struct table_ahead ahead; /* a hint: the answer is looked up anew */
    char text[NEXT_HOP_TEXT_MAX];
    bool in_table; /* it has a key, and there is a table */
};

/* The last is of one that comes alone. */
struct checkings {
    unsigned count;
    struct checking of[LIMIT_CLIENT_AHEAD + 1];
};

int checks_create(struct front *front)
{
    front->checkings = calloc(1, sizeof *front->checkings);
    return front->checkings != NULL ? 0 : -ENOMEM;
}

void checks_destroy(struct front *front)
{
    free(front->checkings);
}

static uint64_t not_before(const struct frame_question *asked, uint64_t arrived_ms)
{
    return question_not_before(asked->freshness, asked->max_age_ms, arrived_ms);
}

static enum priority priority_of(const struct frame_question *asked)
{
    if (asked->priority == FRAME_SCAN)
        return PRIORITY_SCAN;
    return asked->freshness == FRESHNESS_LIVE ? PRIORITY_LIVE : PRIORITY_ASKED;
}

/* --- ahead --- */

static void checking_read(const struct front *front, struct checking *checking,
                          const struct frame *frame)
{
    const char *text = checking->asked.next_hop;

    checking->frame = frame;
    checking->in_table = false;
    checking->readable = frame_decode(&checking->asked, frame, checking->why);
    if (!checking->readable)
        return;
    checking->status = next_hop_parse(&checking->next_hop, text, strlen(text));
    checking->in_table = checking->status == NAME_OK && front->table != NULL &&
                         table_key_make(&checking->key, checking->text,
                                        next_hop_text(&checking->next_hop, checking->text));
    if (checking->in_table)
        table_prefetch(&checking->ahead, front->table, &checking->key);
}

void checks_ahead(struct front *front, const struct frame *const *frames, unsigned count)
{
    struct checkings *checkings = front->checkings;

    CHECK(count <= LIMIT_CLIENT_AHEAD);
    for (unsigned i = 0; i < count; i++)
        checking_read(front, &checkings->of[i], frames[i]);
    for (unsigned i = 0; i < count; i++)
        if (checkings->of[i].in_table)
            table_prefetch_record(&checkings->of[i].ahead, front->table, &checkings->of[i].key);
    checkings->count = count;
}

/* As it was made ready, if it was. */
static const struct checking *checking_of(struct front *front, const struct frame *frame)
{
    struct checking *checking = front->checkings->of;

    for (unsigned i = 0; i < front->checkings->count; i++)
        if (checking[i].frame == frame)
            return &checking[i];
    checking = &front->checkings->of[LIMIT_CLIENT_AHEAD];
    checking_read(front, checking, frame);
    return checking;
}

/* --- a check's turn --- */

/* False: ask the shard. */
static bool answer_from_table(struct front *front, struct native_client *client,
                              const struct checking *checking, uint64_t not_before_ms,
                              uint64_t arrived_ms)
{
    struct kept_question question;
    struct frame_verdict reply;

    if (!checking->in_table || checking->frame->kind != FRAME_CHECK)
        return false;
    kept_begin(&question, front, client, checking->frame);
    kept_look(&question, front, &checking->key);
    if (!verdict_reply_from_table(&reply, front->table, &checking->next_hop, question.when.epoch,
                                  not_before_ms, front->now_ms, front->now_s))
        return false;
    counter_add(&front->counts.questions, 1);
    counter_add(&front->counts.from_table, 1);
    question.until_ms = verdict_keeps_until(&reply.verdict, not_before_ms, arrived_ms);
    kept_put_verdict(front, &question, &reply);
    return true;
}

static enum native_taken refuse_name(struct front *front, struct native_client *client,
                                     const struct frame *frame, enum name_status status)
{
    if (status == NAME_NO_MEMORY) { /* says nothing about the name (law 3) */
        put_fault(front, client, frame, FRAME_ERROR_OURS, name_status_text(status));
        return NATIVE_ANSWERED;
    }
    counter_add(&front->counts.refused_name, 1);
    put_fault(front, client, frame, FRAME_ERROR_NAME, name_status_text(status));
    return NATIVE_ANSWERED;
}

enum native_taken take_check(struct front *front, struct native_client *client,
                             const struct frame *frame, uint64_t arrived_ms)
{
    const struct checking *checking = checking_of(front, frame);
    const struct frame_question *asked = &checking->asked;
    struct question *question;

    if (!checking->readable) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, checking->why);
        return NATIVE_ANSWERED;
    }
    if (checking->status != NAME_OK)
        return refuse_name(front, client, frame, checking->status);
    if (answer_from_table(front, client, checking, not_before(asked, arrived_ms), arrived_ms))
        return NATIVE_ANSWERED;
    question = question_take(front, client, frame, priority_of(asked));
    if (!question)
        return NATIVE_ANSWERED;
    counter_add(frame->kind == FRAME_CHECK ? &front->counts.questions : &front->counts.explains, 1);
    question_send(front, question, &checking->next_hop, not_before(asked, arrived_ms),
                  deadline_of(asked->deadline_ms, arrived_ms));
    return NATIVE_WAITS;
}
