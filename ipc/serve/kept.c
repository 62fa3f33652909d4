/*
 * kept.c - answers that were made from the table, given again while nothing in them could change.
 *
 * The same question comes again and again: mail of a list to one domain, a message at RCPT and at
 * each try to deliver it. When it comes the second time its answer is kept as bytes for a second at
 * most, by all that was asked (most questions never do: keeping their answers would cost a tenth of
 * making them, and push those out that are asked for), and given again as long as a new one would
 * be the same:
 *
 *   the record      is the one that is in its place (one load)
 *   who demands     the users' table has not changed since (its writer's count)
 *   the settings    are the same (the epoch)
 *   the wall clock  is in the same second, in which everything that runs out is counted
 *   freshness       the evidence is still as young as was asked for (verdict_keeps_until)
 *
 * All of it is read before the answer is made, so that what changes meanwhile makes it void. Ids
 * and the times of the answer are written into the bytes each time. Nothing is kept that must be
 * told to anybody, and never what was asked with `live`.
 *
 * Front thread only; the memory is there from the start (ipc/decide/recent).
 */
#include "ipc/serve/front_internal.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "shm/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ID_AT       8          /* bytes from a frame's begin */
#define WIDE        UINT64_MAX /* a number that takes all eight bytes */
#define USUAL_BYTES 360        /* of a head and an answer */
#define SEEN        (4 * LIMIT_FRONT_KEPT)
static_assert((SEEN & (SEEN - 1)) == 0, "a power of two");

/* Of one kind. */
struct kept {
    struct recent *recent;
    uint16_t seen[SEEN]; /* by a part of a question's hash another: it came lately, probably */
};

/* Before the frame, in what is kept. */
struct head {
    uint64_t began_ms;
    uint16_t now_at, age_at; /* of eight bytes in the frame; 0: not in it */
};

static int create(struct kept **kept)
{
    *kept = calloc(1, sizeof **kept);
    return *kept != NULL ? recent_create(&(*kept)->recent, LIMIT_FRONT_KEPT, 0) : -ENOMEM;
}

static void destroy(struct kept *kept)
{
    if (kept != NULL)
        recent_destroy(kept->recent);
    free(kept);
}

int kept_create(struct front *front)
{
    int error = create(&front->kept_verdicts);

    return error ? error : create(&front->kept_answers);
}

void kept_destroy(struct front *front)
{
    destroy(front->kept_verdicts);
    destroy(front->kept_answers);
    front->kept_verdicts = front->kept_answers = NULL;
}

static struct kept *kept_of(const struct front *front, uint8_t kind)
{
    return kind == FRAME_DECIDE ? front->kept_answers : front->kept_verdicts;
}

static struct recent *recent_of(const struct front *front, uint8_t kind)
{
    return kept_of(front, kind)->recent;
}

/* True: not for the first time. */
static bool comes_again(struct kept *kept, uint64_t hash)
{
    uint16_t *seen = &kept->seen[(hash >> 32) & (SEEN - 1)];
    const uint16_t mark = (uint16_t)(hash >> 16);
    const bool again = *seen == mark;

    *seen = mark;
    return again;
}

static bool is_kept_kind(const struct frame *frame)
{
    return (frame->kind == FRAME_CHECK || frame->kind == FRAME_DECIDE) &&
           frame->size <= RECENT_KEY_MAX;
}

/* Both counts only grow, so that the sum is the same only while both are. */
static uint32_t moved_now(const struct front *front)
{
    const struct table_writer *users = engine_users(front->engine);

    return front->seconds + (users != NULL ? table_writer_changes(users) : 0);
}

void kept_begin(struct kept_question *question, const struct front *front,
                struct native_client *client, const struct frame *frame)
{
    const bool ahead = frame == &front->frames[front->ahead_at]; /* not one of many recipients */

    *question = (struct kept_question){.client = client,
                                       .frame = frame,
                                       .moved = front->moved,
                                       .epoch = front->epoch,
                                       .hash = ahead ? front->ahead[front->ahead_at].hash : 0};
}

void kept_look(struct kept_question *question, const struct front *front,
               const struct table_key *key)
{
    question->there = table_place_find(front->table, key, front->now_ms, &question->place);
}

static void write_number(char *frame, size_t at, uint64_t value)
{
    if (at > 0)
        memcpy(frame + at, &value, sizeof value); /* little endian: see frame.c */
}

/* What stands in the client's space: with its id, as of now. */
static void give(struct front *front, struct native_client *client, uint64_t id, char *frame,
                 size_t size, const struct head *head)
{
    memcpy(frame + ID_AT, &id, sizeof id);
    write_number(frame, head->now_at, front->now_ms);
    write_number(frame, head->age_at,
                 front->now_ms > head->began_ms ? front->now_ms - head->began_ms : 0);
    native_wrote(front->native, client, size);
}

static void count(struct front *front, uint8_t kind)
{
    if (kind == FRAME_DECIDE) {
        counter_add(&front->counts.decisions, 1);
        counter_add(&front->counts.sent, 1);
    } else {
        counter_add(&front->counts.questions, 1);
        counter_add(&front->counts.from_table, 1);
    }
    counter_add(&front->counts.kept, 1);
}

/* All of it is read before the answers that are made with it, and after their questions came. */
static void mark(struct front *front)
{
    front->moved = moved_now(front);
    front->epoch = engine_config_epoch(front->engine);
}

static uint64_t hash_of(const struct front *front, const struct frame *frame)
{
    return recent_hash(recent_of(front, frame->kind), (const char *)frame->body, frame->size);
}

/* --- ahead --- */

/* The next ones: what they need comes from memory while others are answered. */
static void fetch(struct front *front)
{
    const unsigned first = front->ahead_ready;
    const unsigned left = front->ahead_count - first;

    front->ahead_ready += left < LIMIT_CLIENT_AHEAD ? left : LIMIT_CLIENT_AHEAD;
    for (unsigned i = first; i < front->ahead_ready; i++)
        front->ahead[i].kept =
            front->ahead[i].hash != 0 &&
            recent_fetch(recent_of(front, front->frames[i].kind), front->ahead[i].hash,
                         front->frames[i].size + USUAL_BYTES);
}

void kept_ahead(void *context, const struct frame *frames, unsigned count)
{
    struct front *front = context;

    mark(front);
    front->frames = frames;
    front->ahead_count = count;
    front->ahead_at = front->ahead_ready = front->ahead_read = 0;
    for (unsigned i = 0; i < count; i++)
        front->ahead[i].hash = is_kept_kind(&frames[i]) ? hash_of(front, &frames[i]) : 0;
    fetch(front);
}

/* Those of this kind among the next frames that must be answered anew. */
static unsigned select_ahead(const struct front *front, const struct frame **frames, uint8_t kind)
{
    unsigned count = 0;

    for (unsigned i = front->ahead_read; i < front->ahead_ready; i++)
        if (front->frames[i].kind == kind && !front->ahead[i].kept)
            frames[count++] = &front->frames[i];
    return count;
}

static void read_ahead(struct front *front)
{
    const struct frame *frames[LIMIT_CLIENT_AHEAD];

    decisions_ahead(front, frames, select_ahead(front, frames, FRAME_DECIDE));
    checks_ahead(front, frames, select_ahead(front, frames, FRAME_CHECK));
    front->ahead_read = front->ahead_ready;
}

/* Frames come in their order, but some are answered without a look here. */
static const struct ahead *ahead_of(struct front *front, const struct frame *frame)
{
    while (front->frames + front->ahead_at != frame) {
        front->ahead_at++;
        CHECK(front->ahead_at < front->ahead_count);
    }
    while (front->ahead_at >= front->ahead_read) {
        read_ahead(front);
        fetch(front);
    }
    return &front->ahead[front->ahead_at];
}

/* --- answers --- */

bool kept_answer(struct front *front, struct native_client *client, const struct frame *frame)
{
    const struct ahead *ahead = ahead_of(front, frame);
    const struct recent_answer *kept;
    struct head head;
    char *out;

    if (!ahead->kept)
        return false;
    kept = recent_served(recent_of(front, frame->kind), ahead->hash, (const char *)frame->body,
                         frame->size, front->moved, front->epoch, front->now_ms);
    if (kept == NULL)
        return false;
    out = native_space(front->native, client);
    memcpy(&head, kept->bytes, sizeof head);
    memcpy(out, kept->bytes + sizeof head, kept->size - sizeof head);
    give(front, client, frame->id, out, kept->size - sizeof head, &head);
    count(front, frame->kind);
    return true;
}

static void remember(struct front *front, const struct kept_question *question,
                     const struct head *head, const char *reply, size_t size)
{
    const struct frame *frame = question->frame;
    char bytes[RECENT_REPLY_MAX];
    const struct recent_answer answer = {bytes, sizeof *head + size, 0};

    if (sizeof *head + size > sizeof bytes)
        return;
    memcpy(bytes, head, sizeof *head);
    memcpy(bytes + sizeof *head, reply, size);
    (void)recent_stricter(recent_of(front, frame->kind), (const char *)frame->body, frame->size,
                          &answer, &question->place, question->moved, question->epoch,
                          question->until_ms, front->now_ms);
}

/* Encoded with room for any time, kept, and given the same way as next time. */
static void keep(struct front *front, const struct kept_question *question, uint8_t kind,
                 const void *reply, struct head head, size_t now_member, size_t age_member)
{
    const struct frame *frame = question->frame;
    char *out = native_space(front->native, question->client);
    const size_t size = frame_encode(out, NATIVE_ANSWER_ROOM, kind, 0, frame->id, reply);

    CHECK(size > 0);
    head.now_at = (uint16_t)frame_number_place(out, size, now_member);
    head.age_at = (uint16_t)frame_number_place(out, size, age_member);
    if (question->hash != 0 && question->there && question->until_ms > front->now_ms &&
        comes_again(kept_of(front, frame->kind), question->hash))
        remember(front, question, &head, out, size);
    give(front, question->client, frame->id, out, size, &head);
}

void kept_put_verdict(struct front *front, const struct kept_question *question,
                      struct frame_verdict *reply)
{
    reply->now_ms = WIDE;
    keep(front, question, FRAME_VERDICT, reply, (struct head){0},
         offsetof(struct frame_verdict, now_ms), SIZE_MAX);
}

void kept_put_answer(struct front *front, const struct kept_question *question,
                     struct frame_answer *reply)
{
    reply->now_ms = WIDE;
    if (reply->began_ms != 0)
        reply->age_ms = WIDE;
    keep(front, question, FRAME_ANSWER, reply, (struct head){.began_ms = reply->began_ms},
         offsetof(struct frame_answer, now_ms), offsetof(struct frame_answer, age_ms));
}
