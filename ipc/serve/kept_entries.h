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
 * Entries stand one behind the other in one block, which is begun anew when all in it are void
 * (that is once a second at least) or no more fit: so those that are used stand on few pages, and
 * looking for one costs no walk through the page tables. Nothing is written over before.
 *
 * Questions are compared byte by byte, so that hashes and tags decide only how quick it is. Pure
 * but for the table's words; one thread. The functions of the hot path stand here, to be inlined.
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
#define KEPT_LINE         64   /* bytes; entries begin at one */
#define KEPT_LINES        4    /* that an entry takes, about */
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
    char bytes[];
};
static_assert(offsetof(struct kept_entry, bytes) == KEPT_LINE, "one line says whether it holds");
static_assert(KEPT_PATTERNS <= 16 && KEPT_RUNS < 16, "four bits");
static_assert((KEPT_QUESTION_MAX + KEPT_ANSWER_MAX) / KEPT_LINE < UINT8_MAX, "eight");

struct kept_pattern {
    uint16_t size; /* 0: there is none */
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

/* A quarter of a line: where to look for some questions. */
struct kept_set {
    uint16_t tags[KEPT_WAYS]; /* 0: free */
    uint16_t lines[KEPT_WAYS];
};

struct kept_entries {
    uint32_t sets; /* a power of two */
    uint32_t lines, used;
    bool full;
    uint32_t moved; /* of all that is there */
    struct kept_set *index;
    char *block; /* of so many lines */
    void *mapping;
    struct kept_pattern patterns[KEPT_PATTERNS];
};

/* For about so many. 0 or -ENOMEM. */
int kept_entries_create(struct kept_entries **entries, uint32_t count);
void kept_entries_destroy(struct kept_entries *entries); /* NULL is allowed */
/* Before any are looked for: those that were found before are not to be looked at any more. `moved`
 * never becomes less. */
void kept_entries_begin(struct kept_entries *entries, uint32_t moved);
uint64_t kept_hash(const void *question, size_t size); /* never 0 */
/* Not one that is longer than may be, nor if it is full. `hash` is its question's. */
void kept_entries_put(struct kept_entries *entries, uint64_t hash,
                      const struct kept_answer *answer);

/* Above those that kept.c counts by. */
static inline uint16_t kept_tag(uint64_t hash)
{
    return (uint16_t)(hash >> 48 | 1);
}

static inline struct kept_set *kept_set(const struct kept_entries *entries, uint64_t hash)
{
    return &entries->index[(size_t)hash & (entries->sets - 1)];
}

static inline struct kept_entry *kept_at(const struct kept_entries *entries, uint32_t line)
{
    return (struct kept_entry *)(void *)(entries->block + (size_t)line * KEPT_LINE);
}

static inline void kept_fetch_set(const struct kept_entries *entries, uint64_t hash)
{
    __builtin_prefetch(kept_set(entries, hash));
}

/* Probably the one of this question; NULL: it has none. */
static inline struct kept_entry *kept_find(const struct kept_entries *entries, uint64_t hash)
{
    const struct kept_set *set = kept_set(entries, hash);
    const uint16_t tag = kept_tag(hash);
    unsigned found = 0; /* all are looked at: nobody can foresee which it is */

    for (unsigned way = 0; way < KEPT_WAYS; way++)
        found |= (unsigned)(set->tags[way] == tag) << way;
    return found != 0 ? kept_at(entries, set->lines[__builtin_ctz(found)]) : NULL;
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
        __builtin_prefetch(entry->bytes + (size_t)line * KEPT_LINE);
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
