/*
 * table_world.h - what the benchmarks of the table share: a table of verdicts full of domains, and
 * beside it bare files of the same size, on the same filesystem, with the same kind of pages, whose
 * lines and slots are what a floor reads.
 *
 * One at a time in a process; the calling thread is pinned (bench_pin), so that what it touches and
 * what it measures is on one processor. On /dev/shm.
 */
#ifndef MXWARD_BENCH_COMMON_TABLE_WORLD_H
#define MXWARD_BENCH_COMMON_TABLE_WORLD_H

#include "shm/layout.h"
#include "shm/writer.h"

#include <stdatomic.h>
#include <string.h>

#define WORLD_GOLDEN     0x9e3779b97f4a7c15ULL
#define WORLD_NAME_BYTES 23
#define WORLD_EPOCH      1 /* of all verdicts */

extern char world_directory[64];
extern struct table_clock world_now;
extern uint64_t world_domains;
extern struct table_writer *world_writer;
extern struct table_reader *world_reader;

/* 8 words a line, 16 a slot. Each line has a slot's number in one word, each slot a value in its
 * first, as ours have a time. */
struct world_bare {
    uint64_t *lines, *slots;
    uint64_t line_count, slot_count;
};
extern struct world_bare world_bare;

/* How many bytes a world of so many domains takes. */
uint64_t world_bytes(uint64_t domains);
/* Fills both, 80 % of the table; NULL, or why not. */
const char *world_make(uint64_t domains);
void world_end(void);

/* "company-xxxxxxxx.org.de": a name of ordinary length in a few instructions. */
static inline void world_name(char name[WORLD_NAME_BYTES + 1], uint32_t number)
{
    uint64_t digits = number;

    memcpy(name, "company-xxxxxxxx.org.de", WORLD_NAME_BYTES + 1);
    digits = (digits | digits << 16) & 0x0000ffff0000ffffULL;
    digits = (digits | digits << 8) & 0x00ff00ff00ff00ffULL;
    digits = ((digits & 0x00f000f000f000f0ULL) << 4) | (digits & 0x000f000f000f000fULL);
    digits += 0x6161616161616161ULL; /* 'a' … 'p' */
    memcpy(name + 8, &digits, 8);
}

/* The verdict of a domain, with a value in it that the next name is made from. */
void world_verdict(struct verdict *verdict, uint64_t number);
static inline uint64_t world_value(const struct verdict *verdict)
{
    return verdict->valid_until_ms & 0xffffff;
}

/* In no order, from the last value. */
static inline uint64_t world_next(uint64_t value, uint64_t step, uint64_t range)
{
    return (((value + step) * WORLD_GOLDEN) >> 32) * range >> 32;
}

/* No load begins before all earlier ones have ended. */
static inline void world_wait_for_loads(void)
{
#if defined(__x86_64__)
    __builtin_ia32_lfence();
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
