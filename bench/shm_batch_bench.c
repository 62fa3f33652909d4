/*
 * shm_batch_bench.c - what does it save to look up 32 domains at once?
 *
 * Twin of tests/table_batch_test.c. A million domains, the table at 80 % load, names in random
 * order, the names of a batch made from the last batch's answers, so that nothing of the next can
 * be fetched ahead. Two floors:
 *
 *   chained     the single look-up, each name made from the last answer (shm_lookup's own side)
 *   prefetched  the same loads and nothing else: of 32 lines, then of both cache lines of the 32
 *               slots that they name, all fetched ahead (bench/README says what stands between)
 *
 * Ours includes, as in shm_lookup, making names, hashing, checking records and unpacking verdicts.
 * All names of a batch are made before the first is hashed, as a program has them: hashing what was
 * stored a moment ago waits for the store, which says nothing of the table.
 * One thread, pinned.
 */
#include "bench/common/bench.h"
#include "bench/common/callgrind.h"
#include "bench/common/table_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#define BATCH   32u
#define BATCHES 12500u
#define STEPS   (BATCH * BATCHES)

#define BARE_AHEAD 64 /* of the floor: lines; half as many slots */

#define MOST_INSTRUCTIONS 865 /* of a look-up: a tenth above what was counted */

static char names[BATCH][WORLD_NAME_BYTES + 1];
static struct table_key keys[BATCH];
static struct verdict verdicts[BATCH];
static enum table_outcome outcomes[BATCH];

/* --- ours --- */

static uint64_t ours_batch(uint64_t value, unsigned batches)
{
    uint64_t missed = 0;

    for (uint64_t batch = 0; batch < batches; batch++) {
        for (unsigned i = 0; i < BATCH; i++) {
            const uint64_t step = batch * BATCH + i;
            world_name(names[i], (uint32_t)world_next(value, step, world_domains));
        }
        for (unsigned i = 0; i < BATCH; i++)
            table_key_make(&keys[i], names[i], WORLD_NAME_BYTES);
        table_read_many(world_reader, keys, BATCH, world_now.boot_ms, verdicts, outcomes);
        for (unsigned i = 0; i < BATCH; i++) {
            missed += outcomes[i] != TABLE_HIT;
            value += world_value(&verdicts[i]);
        }
    }
    if (missed > STEPS / 100)
        bench_say("%llu misses among the hits", (unsigned long long)missed);
    return value;
}

/* --- floors --- */

static uint64_t floor_chained(uint64_t value)
{
    static struct verdict verdict;

    for (uint64_t step = 0; step < STEPS; step++) {
        char name[WORLD_NAME_BYTES + 1];
        struct table_key key;
        world_name(name, (uint32_t)world_next(value, step, world_domains));
        table_key_make(&key, name, WORLD_NAME_BYTES);
        if (table_read(world_reader, &key, world_now.boot_ms, &verdict) == TABLE_HIT)
            value = world_value(&verdict);
    }
    return value;
}

static uint64_t slot_of(uint64_t line)
{
    return world_bare.lines[line * 8 + line % 8];
}

static uint64_t floor_prefetched(uint64_t value)
{
    uint64_t lines[BATCH];

    for (uint64_t batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < BATCH; i++)
            lines[i] = world_next(value, batch * BATCH + i, world_bare.line_count);
        for (unsigned step = 0; step < BATCH + BARE_AHEAD; step++) {
            if (step < BATCH)
                __builtin_prefetch(&world_bare.lines[lines[step] * 8 + lines[step] % 8]);
            if (step >= BARE_AHEAD / 2 && step - BARE_AHEAD / 2 < BATCH) {
                const uint64_t slot = slot_of(lines[step - BARE_AHEAD / 2]);
                __builtin_prefetch(&world_bare.slots[slot * 16]);
                __builtin_prefetch(&world_bare.slots[slot * 16 + 8]);
            }
            if (step >= BARE_AHEAD) {
                const uint64_t slot = slot_of(lines[step - BARE_AHEAD]);
                value += world_bare.slots[slot * 16] + world_bare.slots[slot * 16 + 8];
            }
        }
    }
    return value;
}

/* --- measuring --- */

static void measure(const char *name, enum bench_sense sense, double must,
                    uint64_t (*floor)(uint64_t))
{
    static volatile uint64_t sink;
    struct bench_pairs pairs = {0};

    sink = ours_batch(1, BATCHES) + floor(1); /* page tables */
    for (unsigned pair = 0; pair < bench_pairs_wanted(); pair++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            const enum bench_side side = bench_side(pair, turn);
            const struct bench_watch watch = bench_start(side);
            sink += side == BENCH_OURS ? ours_batch(pair, BATCHES) : floor(pair);
            const struct bench_spent spent = bench_stop(&watch);
            bench_add(&pairs, side, (double)spent.thread_ns / STEPS);
        }
    }
    bench_report(&(struct bench_case){"shm_batch", name, "ns a domain", sense, must}, &pairs);
}

/* --- instructions --- */

#define COUNTED         100u  /* batches under callgrind */
#define COUNTED_DOMAINS 2000u /* in the table, meanwhile */

static void be_counted(unsigned count)
{
    ours_batch(1, COUNTED); /* what is done once */
    CALLGRIND_START_INSTRUMENTATION;
    ours_batch(2, count);
    CALLGRIND_STOP_INSTRUMENTATION;
}

static void measure_instructions(const char *self)
{
    const struct bench_case what = {"shm_batch", "instructions of a look-up in a batch",
                                    "instructions", BENCH_AT_MOST, MOST_INSTRUCTIONS};
    const double instructions = callgrind_count(self, bench_planted_count(COUNTED));

    if (instructions > 0)
        bench_report_once(&what, instructions / (COUNTED * BATCH), 0);
    else
        bench_unmeasured(&what, "there is no valgrind");
}

/* With a number: for ourselves under callgrind. */
int main(int count, char **words)
{
    const bool is_counted = count > 1;
    const char *why = world_make(is_counted ? COUNTED_DOMAINS : 1000000);

    if (why == NULL && is_counted) {
        be_counted((unsigned)strtoul(words[1], NULL, 10));
    } else if (why == NULL) {
        measure("batch of 32 beside chained", BENCH_AT_MOST, 0.25, floor_chained);
        measure("batch of 32 beside prefetched", BENCH_AT_MOST, 1.5, floor_prefetched);
    }
    world_end();
    if (why != NULL)
        return bench_impossible(why);
    if (!is_counted)
        measure_instructions(words[0]);
    return bench_finish();
}
