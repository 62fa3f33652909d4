/*
 * kept_entries.h - answers as they were sent, by the bytes of their questions: the memory of
 * kept.c, which says when one of them may be given again.
 *
 * One that is asked for costs as little memory as it can, for while thousands of questions are
 * answered the kernel moves more bytes than the nearer caches hold: a tag of two bytes finds the
 * entry, a line of the cache says whether it holds, and behind it stand the question and of the
 * answer what is its own. What it has in common with others of the same time (sentences, policies,
 * numbers) stands once, in a pattern: some whole answer that was kept before it. Most take three
 * lines with their question, instead of seven.
 *
 * A fixed number of entries, four to a set, in memory that is there from the start. Questions are
 * compared byte by byte, so that hashes and tags decide only how quick it is. Pure but for the
 * table's words; one thread. The functions of the hot path stand here, to be inlined.
 */
#ifndef MXWARD_SERVE_KEPT_ENTRIES_H
#define MXWARD_SERVE_KEPT_ENTRIES_H

#include "ipc/wire/frame.h"
#include "shm/reader.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEPT_QUESTION_MAX 320  /* bytes; answers to longer ones are not kept */
#define KEPT_ANSWER_MAX   1024 /* bytes of a whole frame; longer ones are not kept */
#define KEPT_WAYS         4    /* entries of a set */
#define KEPT_PATTERNS     16   /* by their longest field */
#define KEPT_RUNS         3    /* in an answer, that stand in its pattern */
#define KEPT_STEP         32   /* bytes that are copied at once; so many may be written behind */
#define KEPT_HOLDS_MS     2000 /* at most, whatever its maker says (shm/reader: table_place) */

#define KEPT_AGE_MAX_MS (UINT32_C(1) << 31) /* of the evidence */

/* A part of an answer: first bytes of its own, then some of the pattern's. */
struct kept_run {
    uint16_t own, at, same; /* bytes; `at` is their place in the pattern */
};

struct kept_entry {
    _Alignas(64) const _Atomic uint64_t *cell; /* as long as it has this value, the record is */
    uint64_t cell_value;                       /* the same */
    uint32_t published;          /* as of when that was looked at (table_writer_changes) */
    uint32_t began_ms, until_ms; /* their low bits */
    uint32_t moved, epoch;
    uint16_t question_size, answer_size;
    uint16_t now_at, age_at; /* of eight bytes in the answer; 0: not in it */
    uint8_t pattern : 4, runs : 4;
    uint8_t lines; /* behind the first */
    struct kept_run run[KEPT_RUNS];
    /* The question, then what is the answer's own; what is behind the last run is, too. */
    char bytes[KEPT_QUESTION_MAX + KEPT_ANSWER_MAX + KEPT_STEP];
};
static_assert(offsetof(struct kept_entry, bytes) == 64, "one line says whether it holds");
static_assert(sizeof(struct kept_entry) / 64 % 2 == 1, "first lines are spread over all sets");
static_assert(KEPT_PATTERNS <= 16 && KEPT_RUNS < 16, "four bits");
static_assert(sizeof(struct kept_entry) / 64 <= UINT8_MAX, "eight");

struct kept_pattern {
    bool there;
    uint32_t moved; /* whoever uses it has the same: so it is never changed under one who holds */
    uint16_t size;
    char bytes[KEPT_ANSWER_MAX + KEPT_STEP];
};

/* Read before the question is looked up, and before what a new answer would be made of. */
struct kept_when {
    uint32_t moved, epoch; /* as long as both are the same, so is all but the record */
    uint32_t published;    /* as long as this is, no record is another */
    uint64_t now_ms;
};

/* What an answer is kept with. */
struct kept_answer {
    const char *question, *frame;
    size_t question_size, frame_size;
    struct table_place place; /* of the record that it was made from */
    uint64_t began_ms, until_ms;
    struct kept_when when;
    uint16_t now_at, age_at;
};

struct kept_entries {
    uint32_t sets; /* a power of two */
    size_t bytes;
    void *mapping;
    struct kept_entry *entries;  /* KEPT_WAYS for each set */
    uint16_t (*tags)[KEPT_WAYS]; /* of each set's; 0: free */
    struct kept_pattern patterns[KEPT_PATTERNS];
};

int kept_entries_create(struct kept_entries **entries, uint32_t count); /* 0 or -ENOMEM */
void kept_entries_destroy(struct kept_entries *entries);                /* NULL is allowed */
uint64_t kept_hash(const void *question, size_t size);                  /* never 0 */
/* Not one that is longer than may be. `hash` is its question's. `moved` never becomes less. */
void kept_entries_put(struct kept_entries *entries, uint64_t hash,
                      const struct kept_answer *answer);

/* Above those that kept.c counts by. */
static inline uint16_t kept_tag(uint64_t hash)
{
    return (uint16_t)(hash >> 48 | 1);
}

static inline size_t kept_set(const struct kept_entries *entries, uint64_t hash)
{
    return (size_t)hash & (entries->sets - 1);
}

/* Probably the one of this question; NULL: it has none. */
static inline struct kept_entry *kept_find(const struct kept_entries *entries, uint64_t hash)
{
    const size_t set = kept_set(entries, hash);
    const uint16_t tag = kept_tag(hash);

    for (unsigned way = 0; way < KEPT_WAYS; way++)
        if (entries->tags[set][way] == tag)
            return &entries->entries[set * KEPT_WAYS + way];
    return NULL;
}

/* First what says more, and with one of these between, when that is here, what it says. */
static inline void kept_fetch(const struct kept_entry *entry)
{
    __builtin_prefetch(entry);
    __builtin_prefetch(entry->bytes);
}

static inline void kept_fetch_rest(const struct kept_entry *entry, const struct kept_when *when)
{
    if (entry->published != when->published)
        __builtin_prefetch((const void *)entry->cell);
    for (unsigned line = 1; line < entry->lines; line++)
        __builtin_prefetch(entry->bytes + (size_t)line * 64);
}

/* Its record is the one that it was made of. Where nothing was published since that was seen, its
 * cell is not needed, which is a line of memory for each. */
static inline bool kept_record_holds(struct kept_entry *entry, const struct kept_when *when)
{
    const struct table_place place = {entry->cell, entry->cell_value};

    if (entry->published == when->published)
        return true;
    if (!table_place_holds(&place))
        return false;
    entry->published = when->published; /* which was read before the cell */
    return true;
}

/* Its answer is what a new one would be. */
static inline bool kept_holds(struct kept_entry *entry, const void *question, size_t size,
                              const struct kept_when *when)
{
    return entry->question_size == size && entry->moved == when->moved &&
           entry->epoch == when->epoch && (int32_t)(entry->until_ms - (uint32_t)when->now_ms) > 0 &&
           memcmp(entry->bytes, question, size) == 0 && kept_record_holds(entry, when);
}

/* In steps: what is too much is written over by what follows, or is behind the answer. */
static inline char *kept_copy(char *out, const char *from, size_t size)
{
    for (size_t at = 0; at < size; at += KEPT_STEP)
        memcpy(out + at, from + at, KEPT_STEP);
    return out + size;
}

/* The whole frame, but for its id and times, into KEPT_ANSWER_MAX + KEPT_STEP bytes; its size. */
static inline size_t kept_write(const struct kept_entries *entries, const struct kept_entry *entry,
                                char *out)
{
    const char *own = entry->bytes + entry->question_size;
    const char *pattern = entries->patterns[entry->pattern].bytes;
    const uint32_t size = entry->answer_size;
    char *end = out + FRAME_HEADER_BYTES;

    memcpy(out, pattern, FRAME_HEADER_BYTES);
    memcpy(out, &size, sizeof size);
    for (unsigned i = 0; i < entry->runs; i++) {
        const struct kept_run *run = &entry->run[i];

        end = kept_copy(end, own, run->own);
        end = kept_copy(end, pattern + run->at, run->same);
        own += run->own;
    }
    kept_copy(end, own, size - (size_t)(end - out));
    return size;
}

#endif
