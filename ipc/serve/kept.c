/*
 * kept.c - answers that were made from the table, given again while nothing in them could change.
 *
 * The same question comes again and again: mail of a list to one domain, a message at RCPT and at
 * each try to deliver it. When it comes the second time its answer is kept as bytes for a second at
 * most, by all that was asked (most questions never do: keeping their answers would cost a tenth of
 * making them, and push those out that are asked for), and given again as long as a new one would
 * be the same:
 *
 *   the record      is the one that is in its place (one load, and none where the table has not
 *                   changed at all since the last)
 *   who demands     the users' table has not changed since (its writer's count)
 *   the settings    are the same (the epoch)
 *   the wall clock  is in the same second, in which everything that runs out is counted
 *   freshness       the evidence is still as young as was asked for (verdict_keeps_until)
 *
 * All of it is read before the answer is made, so that what changes meanwhile makes it void. Ids
 * and the times of the answer are written into the bytes each time. Nothing is kept that must be
 * told to anybody, and never what was asked with `live`.
 *
 * Front thread only; the memory is there from the start (kept_entries).
 */
#include "ipc/serve/front_internal.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "shm/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ID_AT        8          /* bytes from a frame's begin */
#define WIDE         UINT64_MAX /* a number that takes all eight bytes */
#define FETCHED      16         /* answers that are on their way from memory */
#define FETCHED_REST 8          /* of them, those of which the first lines are there */
#define SEEN         (4 * LIMIT_FRONT_KEPT)
static_assert((SEEN & (SEEN - 1)) == 0, "a power of two");
static_assert(LIMIT_FRONT_KEPT * KEPT_LINES <= UINT16_MAX + 1, "lines are numbered");
static_assert(KEPT_ANSWER_MAX + KEPT_STEP <= NATIVE_ANSWER_ROOM, "there is room for one");

/* Of one kind. */
struct kept {
    struct kept_entries *entries;
    uint16_t seen[SEEN]; /* by a part of a question's hash another: it came lately, probably */
};

static int create(struct kept **kept)
{
    *kept = calloc(1, sizeof **kept);
    return *kept != NULL ? kept_entries_create(&(*kept)->entries, LIMIT_FRONT_KEPT) : -ENOMEM;
}

static void destroy(struct kept *kept)
{
    if (kept != NULL)
        kept_entries_destroy(kept->entries);
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

static struct kept_entries *entries_of(const struct front *front, uint8_t kind)
{
    return kept_of(front, kind)->entries;
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

static bool may_be_kept(const struct frame *frame)
{
    return (frame->kind == FRAME_CHECK || frame->kind == FRAME_DECIDE) &&
           frame->version == FRAME_VERSION && frame->size <= KEPT_QUESTION_MAX;
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
                                       .when = front->when,
                                       .hash = ahead ? front->ahead[front->ahead_at].hash : 0};
}

void kept_look(struct kept_question *question, const struct front *front,
               const struct table_key *key)
{
    question->there = table_place_find(front->table, key, front->now_ms, &question->place);
}

/* All of it is read before the answers that are made with it, and after their questions came. */
static void mark(struct front *front)
{
    const struct table_writer *table = engine_table(front->engine);

    front->when = (struct kept_when){.moved = moved_now(front),
                                     .epoch = engine_config_epoch(front->engine),
                                     .published = table != NULL ? table_writer_changes(table) : 0,
                                     .now_ms = front->now_ms};
}

/* --- answers --- */

static void write_number(char *frame, size_t at, uint64_t value)
{
    if (at > 0)
        memcpy(frame + at, &value, sizeof value); /* little endian: see frame.c */
}

/* With its id, as of now. */
static void write_times(const struct front *front, uint64_t id, char *frame, uint64_t age_ms,
                        size_t now_at, size_t age_at)
{
    memcpy(frame + ID_AT, &id, sizeof id);
    write_number(frame, now_at, front->now_ms);
    write_number(frame, age_at, age_ms);
}

/* Writes its answer, if there is one; its size, or 0. */
static size_t answer_again(const struct front *front, const struct ahead *ahead,
                           const struct frame *frame, char *out)
{
    struct kept_entry *entry = ahead->entry;
    size_t size;

    if (entry == NULL || !kept_holds(entry, frame->body, frame->size, &front->when))
        return 0;
    size = kept_write(entries_of(front, frame->kind), entry, out);
    write_times(front, frame->id, out, (uint32_t)front->now_ms - entry->began_ms, entry->now_at,
                entry->age_at);
    return size;
}

static void count(struct front *front, unsigned checks, unsigned decisions)
{
    counter_add(&front->counts.questions, checks);
    counter_add(&front->counts.from_table, checks);
    counter_add(&front->counts.decisions, decisions);
    counter_add(&front->counts.sent, decisions);
    counter_add(&front->counts.kept, checks + decisions);
}

/* --- ahead --- */

static void fetch(const struct front *front, unsigned at)
{
    if (at < front->ahead_count && front->ahead[at].entry != NULL)
        kept_fetch(front->ahead[at].entry);
}

static void fetch_rest(const struct front *front, unsigned at)
{
    if (at < front->ahead_count && front->ahead[at].entry != NULL)
        kept_fetch_rest(front->ahead[at].entry, &front->when);
}

/* Who may not ask is told so by front.c. */
void kept_ahead(void *context, struct native_client *client, const struct frame *frames,
                unsigned count)
{
    struct front *front = context;
    const bool permitted = (native_client_peer(client)->rights & RIGHT_QUERY) != 0;

    mark(front);
    kept_entries_begin(front->kept_verdicts->entries, front->when.moved);
    kept_entries_begin(front->kept_answers->entries, front->when.moved);
    front->frames = frames;
    front->ahead_count = count;
    front->ahead_at = front->ahead_read = 0;
    for (unsigned i = 0; i < count; i++) {
        struct ahead *ahead = &front->ahead[i];

        *ahead = (struct ahead){0};
        if (!permitted || !may_be_kept(&frames[i]))
            continue;
        ahead->hash = kept_hash(frames[i].body, frames[i].size);
        kept_fetch_set(entries_of(front, frames[i].kind), ahead->hash);
    }
    for (unsigned i = 0; i < count; i++)
        if (front->ahead[i].hash != 0)
            front->ahead[i].entry =
                kept_find(entries_of(front, frames[i].kind), front->ahead[i].hash);
    for (unsigned i = 0; i < FETCHED; i++)
        fetch(front, i);
    for (unsigned i = 0; i < FETCHED_REST; i++)
        fetch_rest(front, i);
}

/* Those of this kind among the next frames that must be answered anew. */
static unsigned select_ahead(const struct front *front, const struct frame **frames, uint8_t kind)
{
    unsigned count = 0;

    for (unsigned i = front->ahead_at; i < front->ahead_read; i++)
        if (front->frames[i].kind == kind && front->ahead[i].entry == NULL)
            frames[count++] = &front->frames[i];
    return count;
}

/* The next one is answered anew: what it and some of those behind it need comes from memory
 * together. */
static void read_ahead(struct front *front)
{
    const struct frame *frames[LIMIT_CLIENT_AHEAD];
    const unsigned left = front->ahead_count - front->ahead_at;

    front->ahead_read = front->ahead_at + (left < LIMIT_CLIENT_AHEAD ? left : LIMIT_CLIENT_AHEAD);
    decisions_ahead(front, frames, select_ahead(front, frames, FRAME_DECIDE));
    checks_ahead(front, frames, select_ahead(front, frames, FRAME_CHECK));
}

/* Each frame comes here once: the first one, or behind those that were answered. */
unsigned kept_answers(void *context, struct native_client *client, const struct frame *frames,
                      unsigned most)
{
    struct front *front = context;
    const unsigned first = (unsigned)(frames - front->frames);
    unsigned answered = 0, decisions = 0;
    size_t bytes, used = 0, size;
    char *out = native_space(front->native, client, &bytes);

    for (; answered < most && bytes - used >= NATIVE_ANSWER_ROOM; answered++, used += size) {
        const unsigned at = first + answered;

        fetch(front, at + FETCHED);
        fetch_rest(front, at + FETCHED_REST);
        size = answer_again(front, &front->ahead[at], &front->frames[at], out + used);
        if (size == 0)
            break;
        decisions += front->frames[at].kind == FRAME_DECIDE;
    }
    front->ahead_at = first + answered;
    if (answered > 0) {
        native_wrote(front->native, client, used);
        count(front, answered - decisions, decisions);
    }
    if (answered < most && front->ahead_at >= front->ahead_read)
        read_ahead(front);
    return answered;
}

/* --- keeping --- */

static void remember(struct front *front, const struct kept_question *question, const char *reply,
                     size_t size, uint64_t began_ms, size_t now_at, size_t age_at)
{
    const struct frame *frame = question->frame;
    const struct kept_answer answer = {.question = (const char *)frame->body,
                                       .question_size = frame->size,
                                       .frame = reply,
                                       .frame_size = size,
                                       .place = question->place,
                                       .began_ms = began_ms,
                                       .until_ms = question->until_ms,
                                       .when = question->when,
                                       .now_at = (uint16_t)now_at,
                                       .age_at = (uint16_t)age_at};
    struct kept *kept = kept_of(front, frame->kind);

    if (question->hash != 0 && question->there && question->until_ms > front->now_ms &&
        comes_again(kept, question->hash))
        kept_entries_put(kept->entries, question->hash, &answer);
}

/* Encoded with room for any time, kept, and given the same way as next time. */
static void keep(struct front *front, const struct kept_question *question, uint8_t kind,
                 const void *reply, uint64_t began_ms, size_t now_member, size_t age_member)
{
    const uint64_t id = question->frame->id;
    size_t bytes, size, now_at, age_at;
    char *out = native_space(front->native, question->client, &bytes);

    size = frame_encode(out, bytes, kind, 0, id, reply);
    CHECK(size > 0);
    now_at = frame_number_place(out, size, now_member);
    age_at = frame_number_place(out, size, age_member);
    remember(front, question, out, size, began_ms, now_at, age_at);
    write_times(front, id, out, front->now_ms > began_ms ? front->now_ms - began_ms : 0, now_at,
                age_at);
    native_wrote(front->native, question->client, size);
}

void kept_put_verdict(struct front *front, const struct kept_question *question,
                      struct frame_verdict *reply)
{
    reply->now_ms = WIDE;
    keep(front, question, FRAME_VERDICT, reply, 0, offsetof(struct frame_verdict, now_ms),
         SIZE_MAX);
}

void kept_put_answer(struct front *front, const struct kept_question *question,
                     struct frame_answer *reply)
{
    reply->now_ms = WIDE;
    if (reply->began_ms != 0)
        reply->age_ms = WIDE;
    keep(front, question, FRAME_ANSWER, reply, reply->began_ms,
         offsetof(struct frame_answer, now_ms), offsetof(struct frame_answer, age_ms));
}
