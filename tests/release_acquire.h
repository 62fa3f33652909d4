/*
 * release_acquire.h - all executions of one reader beside one writer under C11's release/acquire:
 * stateless model checking of real code, by depth-first search with replay.
 *
 * The writer's stores are numbered 1..N in program order (sequenced-before); with one writer that
 * is also the modification order of every word. All are release, all loads acquire. Then what the
 * reader knows is one number, `seen`: the stores that happen-before its next load are exactly
 * 1..seen, because a load that reads store k synchronizes with it, and so with all before it. A
 * load of word x may read
 *
 *     the last store to x that is not after `seen`: what coherence still allows of the past, or
 *     any later store k to x; then seen = k.
 *
 * Nothing else is allowed (write-read and read-read coherence), and all of this is: the model is
 * exact, and not an approximation. Out-of-thin-air values and load buffering cannot occur: the
 * reader stores nothing that the writer reads. It also follows that whatever a reader can see is an
 * interleaving of whole stores and loads. Nobody gets that for nothing: a load or store told to be
 * relaxed here (ra_load) leaves `seen` alone, keeps only the coherence of its own word, and shows
 * what the release and the acquire buy.
 *
 * A writer that dies is a log that ends; what its heir stores goes on in the same log, because it
 * took the lock that death released (happens-before by the kernel).
 *
 * Not covered: several writers of one word (there is none that look-ups read, but `allocated`; see
 * table_model_test.c), compilers that break C11, processors that break their manuals.
 *
 * Use: ra_record() every store; ra_index(); then ra_explore() runs the reader again and again, from
 * every start (which stores happened before it), and every load goes through ra_load(). Executions
 * that come to a state seen before (same values read since the last ra_merge(), same `seen`) are
 * cut off there: what follows is the same. What is claimed of an execution must allow to an earlier
 * start all that it allows to a later one. States are kept as 64-bit hashes.
 */
#ifndef MXWARD_TESTS_RELEASE_ACQUIRE_H
#define MXWARD_TESTS_RELEASE_ACQUIRE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RA_STORES_MAX 1023
#define RA_WORDS_MAX  1023
#define RA_TRAIL_MAX  8192
#define RA_STATES     (1u << 20) /* slots of the set; it forgets all when half full */

struct ra_store {
    uint64_t value;
    unsigned word;
};

struct ra {
    struct ra_store log[RA_STORES_MAX + 1]; /* from 1 */
    unsigned stores, words;
    uint64_t initial[RA_WORDS_MAX];
    /* Of each word: where its stores are, one word after the other. */
    unsigned first[RA_WORDS_MAX + 1], positions[RA_STORES_MAX];

    /* The execution that is running. */
    unsigned seen, loads, depth;
    unsigned floor[RA_WORDS_MAX]; /* of words read relaxed: coherence alone */
    bool any_floor;
    bool frozen; /* no choice: memory as after store `seen` */
    uint64_t history, relaxed;

    /* The search. */
    struct {
        unsigned chosen, of;
    } trail[RA_TRAIL_MAX];
    unsigned trail_length, known_count;
    uint64_t epoch, *known;
    jmp_buf cut;
    const char *fault; /* the first; NULL: none */
    unsigned long executions, states;
};

static inline uint64_t ra_mix(uint64_t x)
{
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
    x = (x ^ x >> 29) * 0x9e3779b97f4a7c15ULL;
    return x ^ x >> 32;
}

static inline void ra_fault(struct ra *ra, const char *fault)
{
    if (ra->fault == NULL)
        ra->fault = fault;
}

/* --- the log --- */

/* A number for a word that is about to be stored to for the first time. */
static inline unsigned ra_word(struct ra *ra, uint64_t initial)
{
    if (ra->words == RA_WORDS_MAX)
        abort();
    ra->initial[ra->words] = initial;
    return ra->words++;
}

static inline void ra_record(struct ra *ra, unsigned word, uint64_t value)
{
    if (ra->stores == RA_STORES_MAX)
        abort();
    ra->log[++ra->stores] = (struct ra_store){value, word};
}

/* After the last store, and after every change of the log. */
static inline void ra_index(struct ra *ra)
{
    unsigned at = 0;

    for (unsigned word = 0; word < ra->words; word++) {
        ra->first[word] = at;
        for (unsigned i = 1; i <= ra->stores; i++) {
            if (ra->log[i].word == word)
                ra->positions[at++] = i;
        }
    }
    ra->first[ra->words] = at;
}

/* --- a load --- */

/* False: this state was here before. */
static inline bool ra_state_is_new(struct ra *ra)
{
    const uint64_t key = ra_mix(ra->history ^ ra_mix(ra->relaxed ^ ra_mix(ra->epoch + ra->seen)) ^
                                ra_mix((uint64_t)ra->loads << 32)) |
                         1;

    if (ra->known_count >= RA_STATES / 2) {
        memset(ra->known, 0, RA_STATES * sizeof *ra->known);
        ra->known_count = 0;
    }
    for (uint64_t i = key >> 8;; i++) {
        uint64_t *slot = &ra->known[i % RA_STATES];
        if (*slot == key)
            return false;
        if (*slot == 0) {
            *slot = key;
            ra->known_count++;
            return true;
        }
    }
}

static inline unsigned ra_choose(struct ra *ra, unsigned of)
{
    if (of == 1)
        return 0;
    if (ra->depth == ra->trail_length) {
        if (!ra_state_is_new(ra))
            longjmp(ra->cut, 1);
        if (ra->trail_length == RA_TRAIL_MAX)
            abort();
        ra->trail[ra->trail_length].chosen = 0;
        ra->trail[ra->trail_length++].of = of;
        ra->states++;
    }
    return ra->trail[ra->depth++].chosen;
}

static inline uint64_t ra_load(struct ra *ra, unsigned word, bool relaxed)
{
    const unsigned past = ra->seen > ra->floor[word] ? ra->seen : ra->floor[word];
    const unsigned begin = ra->first[word], end = ra->first[word + 1];
    unsigned later = begin;

    while (later < end && ra->positions[later] <= past)
        later++;
    const unsigned chosen = ra->frozen ? 0 : ra_choose(ra, end - later + 1);
    const unsigned at = later + chosen; /* after the one that is read */
    const uint64_t value = at == begin ? ra->initial[word] : ra->log[ra->positions[at - 1]].value;
    if (chosen > 0 && relaxed) {
        ra->floor[word] = ra->positions[at - 1];
        ra->any_floor = true;
        ra->relaxed = ra_mix(ra->relaxed ^ ra_mix((uint64_t)word << 32 | ra->floor[word]));
    } else if (chosen > 0)
        ra->seen = ra->positions[at - 1];
    ra->history = ra_mix(ra->history ^ value);
    ra->loads++;
    return value;
}

/* Something else that what is claimed depends on. */
static inline void ra_note(struct ra *ra, uint64_t what)
{
    ra->history = ra_mix(ra->history + what);
}

/* The reader has forgotten all that it read; what it does next depends on `what` alone. */
static inline void ra_merge(struct ra *ra, uint64_t what)
{
    ra->history = ra_mix(what);
    ra->loads = 0;
}

/* The last store that the reader may have read. */
static inline unsigned ra_end(const struct ra *ra)
{
    unsigned end = ra->seen;

    for (unsigned word = 0; ra->any_floor && word < ra->words; word++)
        end = ra->floor[word] > end ? ra->floor[word] : end;
    return end;
}

/* --- the search --- */

static inline void ra_restart(struct ra *ra, unsigned start)
{
    ra->seen = start;
    ra->depth = 0;
    ra->relaxed = 0;
    if (ra->any_floor)
        memset(ra->floor, 0, sizeof ra->floor);
    ra->any_floor = false;
    ra_merge(ra, 0);
}

static inline void ra_once(struct ra *ra, unsigned start, void (*run)(unsigned start))
{
    if (setjmp(ra->cut) != 0)
        return;
    ra_restart(ra, start);
    run(start);
}

/* To the next execution; false: that was all. */
static inline bool ra_next(struct ra *ra)
{
    while (ra->trail_length > 0) {
        const unsigned last = ra->trail_length - 1;
        if (++ra->trail[last].chosen < ra->trail[last].of)
            return true;
        ra->trail_length--;
    }
    return false;
}

/* All executions of a reader that begins when stores 1..start happened before. Ends early at a
 * fault. */
static inline void ra_explore_from(struct ra *ra, unsigned start, void (*run)(unsigned start))
{
    ra->trail_length = 0;
    do {
        ra_once(ra, start, run);
        ra->executions++;
    } while (ra->fault == NULL && ra_next(ra));
}

/* From every start but those before `first`. The last comes first: whoever began earlier and comes
 * to the same state knows no more, and more is allowed to him, so that there is nothing left to
 * find. */
static inline void ra_explore(struct ra *ra, unsigned first, void (*run)(unsigned start))
{
    if (ra->known == NULL)
        ra->known = calloc(RA_STATES, sizeof *ra->known);
    if (ra->known == NULL)
        abort();
    ra->epoch += 1ULL << 32;
    ra->frozen = false;
    for (unsigned start = ra->stores + 1; start-- > first && ra->fault == NULL;)
        ra_explore_from(ra, start, run);
}

/* Memory as it is when the writer rests after `position`. */
static inline void ra_freeze(struct ra *ra, unsigned position)
{
    ra->frozen = true;
    ra_restart(ra, position);
}

#endif
