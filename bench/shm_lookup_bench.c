/*
 * shm_lookup_bench.c - what does a look-up in the table cost, beside the misses it cannot avoid?
 *
 * Twin of tests/table_test.c. A million domains and ten million, the table at 80 % load; domains in
 * random order, the next name made from the last answer, so that nothing can be fetched ahead. The
 * floor of a hit is two dependent loads, of a miss one, in files of the same size, on the same
 * filesystem, with the same kind of pages as the index and the records. Ours includes making the
 * name, hashing it, checking the record and unpacking the verdict; the floor includes nothing but
 * choosing the next address.
 *
 * A miss brings no value that the next name could be made from, and a processor would guess the
 * outcome and go ahead: so on both sides of the miss case a load fence stands between two steps.
 *
 * BENCH_DOMAINS=n measures with so many instead. One thread, pinned.
 */
#include "bench/common/bench.h"
#include "bench/common/table_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STEPS 400000u

/* --- ours --- */

static uint64_t ours_hit(uint64_t value)
{
    static struct verdict verdict;
    uint64_t missed = 0;

    for (uint64_t step = 0; step < STEPS; step++) {
        char name[WORLD_NAME_BYTES + 1];
        struct table_key key;
        world_name(name, (uint32_t)world_next(value, step, world_domains));
        table_key_make(&key, name, WORLD_NAME_BYTES);
        missed += table_read(world_reader, &key, world_now.boot_ms, &verdict) != TABLE_HIT;
        value = world_value(&verdict);
    }
    if (missed > STEPS / 100)
        bench_say("%llu misses among the hits", (unsigned long long)missed);
    return value;
}

static uint64_t ours_miss(uint64_t value)
{
    static struct verdict verdict;
    uint64_t hits = 0;

    for (uint64_t step = 0; step < STEPS; step++) {
        char name[WORLD_NAME_BYTES + 1];
        struct table_key key;
        world_name(name, (uint32_t)(world_domains + world_next(value, step, world_domains)));
        table_key_make(&key, name, WORLD_NAME_BYTES);
        hits += table_read(world_reader, &key, world_now.boot_ms, &verdict) != TABLE_MISS;
        value = hits;
        world_wait_for_loads();
    }
    if (hits > 0)
        bench_say("%llu hits among the misses", (unsigned long long)hits);
    return value;
}

/* --- the floor --- */

static uint64_t floor_hit(uint64_t value)
{
    for (uint64_t step = 0; step < STEPS; step++) {
        const uint64_t line = world_next(value, step, world_bare.line_count);
        const uint64_t slot = world_bare.lines[line * 8 + line % 8];
        value = world_bare.slots[slot * 16];
    }
    return value;
}

static uint64_t floor_miss(uint64_t value)
{
    for (uint64_t step = 0; step < STEPS; step++) {
        const uint64_t line = world_next(value, step, world_bare.line_count);
        value = world_bare.lines[line * 8 + line % 8];
        world_wait_for_loads();
    }
    return value;
}

/* --- measuring --- */

static void measure(const char *name, double must, uint64_t (*ours)(uint64_t),
                    uint64_t (*floor)(uint64_t))
{
    static volatile uint64_t sink;
    struct bench_pairs pairs = {0};
    char text[48];

    sink = ours(1) + floor(1); /* page tables */
    for (unsigned pair = 0; pair < bench_pairs_wanted(); pair++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            const enum bench_side side = bench_side(pair, turn);
            const struct bench_watch watch = bench_start(side);
            sink += side == BENCH_OURS ? ours(pair) : floor(pair);
            const struct bench_spent spent = bench_stop(&watch);
            bench_add(&pairs, side, (double)spent.thread_ns / STEPS);
        }
    }
    snprintf(text, sizeof text, "%s %llu domains", name, (unsigned long long)world_domains);
    bench_report(&(struct bench_case){"shm_lookup", text, "ns", BENCH_AT_MOST, must}, &pairs);
}

/* Both files, and as much for whoever else is here. */
static bool has_room_for(uint64_t domains)
{
    const uint64_t free_bytes =
        (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    return world_bytes(domains) < free_bytes / 2;
}

static const char *measure_with(uint64_t domains)
{
    const char *why = world_make(domains);

    if (why == NULL) {
        measure("hit", 1.3, ours_hit, floor_hit);
        measure("miss", 1.3, ours_miss, floor_miss);
    }
    world_end();
    return why;
}

int main(void)
{
    static const uint64_t sizes[] = {1000000, 10000000};
    const char *wanted = getenv("BENCH_DOMAINS"), *why = NULL;

    if (wanted != NULL)
        why = measure_with(strtoull(wanted, NULL, 10));
    for (unsigned i = 0; wanted == NULL && why == NULL && i < 2; i++) {
        if (i > 0 && !has_room_for(sizes[i]))
            bench_say("not measured with %llu domains: too little memory is free",
                      (unsigned long long)sizes[i]);
        else
            why = measure_with(sizes[i]);
    }
    return why == NULL ? bench_finish() : bench_impossible(why);
}
