/*
 * kept.c - answers that were made from the table, given again while nothing in them could change.
 *
 * The same question comes again and again: mail of a list to one domain, a message at RCPT and at
 * each try to deliver it. Its answer is kept as bytes for a second at most, by all that was asked,
 * and given again as long as a new one would be the same:
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

#include <string.h>

#define ID_AT       8          /* bytes from a frame's begin */
#define WIDE        UINT64_MAX /* a number that takes all eight bytes */
#define FETCH_BYTES 448        /* of a question and its answer, usually */

/* Before the frame, in what is kept. */
struct head {
    uint64_t began_ms;
    uint16_t now_at, age_at; /* of eight bytes in the frame; 0: not in it */
};

int kept_create(struct front *front)
{
    int error = recent_create(&front->kept_verdicts, LIMIT_FRONT_KEPT, 0);

    return error ? error : recent_create(&front->kept_answers, LIMIT_FRONT_KEPT, 0);
}

void kept_destroy(struct front *front)
{
    recent_destroy(front->kept_verdicts);
    recent_destroy(front->kept_answers);
    front->kept_verdicts = front->kept_answers = NULL;
}

static struct recent *recent_of(const struct front *front, uint8_t kind)
{
    return kind == FRAME_DECIDE ? front->kept_answers : front->kept_verdicts;
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
    *question = (struct kept_question){.client = client,
                                       .frame = frame,
                                       .moved = moved_now(front),
                                       .epoch = engine_config_epoch(front->engine)};
}

void kept_look(struct kept_question *question, const struct front *front,
               const struct next_hop *next_hop)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct table_key key;

    question->there = front->table != NULL &&
                      table_key_make(&key, text, next_hop_text(next_hop, text)) &&
                      table_place_find(front->table, &key, front->now_ms, &question->place);
}

static void write_number(char *frame, size_t at, uint64_t value)
{
    if (at > 0)
        memcpy(frame + at, &value, sizeof value); /* little endian: see frame.c */
}

/* `bytes`: a head and a frame. */
static void give(struct front *front, struct native_client *client, uint64_t id, char *bytes,
                 size_t size)
{
    char *frame = bytes + sizeof(struct head);
    struct head head;

    memcpy(&head, bytes, sizeof head);
    memcpy(frame + ID_AT, &id, sizeof id);
    write_number(frame, head.now_at, front->now_ms);
    write_number(frame, head.age_at,
                 front->now_ms > head.began_ms ? front->now_ms - head.began_ms : 0);
    native_put(front->native, client, frame, size - sizeof head);
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

bool kept_answer(struct front *front, struct native_client *client, const struct frame *frame)
{
    struct recent *recent = recent_of(front, frame->kind);
    char bytes[RECENT_REPLY_MAX];
    const char *key = (const char *)frame->body;
    const struct recent_answer *kept =
        recent_served(recent, recent_hash(recent, key, frame->size), key, frame->size,
                      moved_now(front), engine_config_epoch(front->engine), front->now_ms);

    if (kept == NULL)
        return false;
    memcpy(bytes, kept->bytes, kept->size);
    give(front, client, frame->id, bytes, kept->size);
    count(front, frame->kind);
    return true;
}

void kept_ahead(void *context, const struct frame *frames, unsigned count)
{
    const struct front *front = context;
    uint64_t hashes[LIMIT_CLIENT_BATCH];

    for (unsigned i = 0; i < count; i++)
        if (frames[i].size <= RECENT_KEY_MAX)
            hashes[i] = recent_hash(recent_of(front, frames[i].kind), (const char *)frames[i].body,
                                    frames[i].size);
    for (unsigned i = 0; i < count; i++)
        if (frames[i].size <= RECENT_KEY_MAX)
            recent_fetch(recent_of(front, frames[i].kind), hashes[i], FETCH_BYTES);
}

/* Encoded with room for any time, kept, and given the same way as next time. */
static void keep(struct front *front, const struct kept_question *question, uint8_t kind,
                 const void *reply, struct head head, size_t now_member, size_t age_member)
{
    const struct frame *frame = question->frame;
    char bytes[sizeof head + NATIVE_ANSWER_ROOM];
    char *out = bytes + sizeof head;
    const size_t size = frame_encode(out, NATIVE_ANSWER_ROOM, kind, 0, frame->id, reply);
    const struct recent_answer answer = {bytes, sizeof head + size, 0};

    CHECK(size > 0);
    head.now_at = (uint16_t)frame_number_place(out, size, now_member);
    head.age_at = (uint16_t)frame_number_place(out, size, age_member);
    memcpy(bytes, &head, sizeof head);
    if (question->there && question->until_ms > front->now_ms)
        (void)recent_stricter(recent_of(front, frame->kind), (const char *)frame->body, frame->size,
                              &answer, &question->place, question->moved, question->epoch,
                              question->until_ms, front->now_ms);
    give(front, question->client, frame->id, bytes, answer.size);
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
