/*
 * shm_lookup_bench.c - what does a look-up in the table cost, beside the misses it cannot avoid?
 *
 * Twin of tests/table_test.c. A million domains, the table at 80 % load; domains in random order,
 * the next name made from the last answer, so that nothing can be fetched ahead. The floor of a hit
 * is two dependent loads, of a miss one, in files of the same size, on the same filesystem, with
 * the same kind of pages as the index and the records. Ours includes making the name, hashing it,
 * checking the record and unpacking the verdict; the floor includes nothing but choosing the next
 * address.
 *
 * A miss brings no value that the next name could be made from, and a processor would guess the
 * outcome and go ahead: so on both sides of the miss case a load fence stands between two steps.
 *
 * BENCH_DOMAINS=10000000 measures with ten million. One thread, pinned to where it started.
 */
#include "bench/common/bench.h"

#include "shm/table_file.h"
#include "shm/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DIRECTORY "/dev/shm/mxward-bench-XXXXXX"
#define STEPS     1000000u
#define GOLDEN    0x9e3779b97f4a7c15ULL

static char directory[] = DIRECTORY;
static uint64_t domains = 1000000;
static struct table_clock now;
static struct table_writer *writer;
static struct table_reader *reader;

/* --- names --- */

#define NAME_BYTES 23

/* "company-xxxxxxxx.org.de": a name of ordinary length in a few instructions. */
static inline void name_make(char name[NAME_BYTES + 1], uint32_t number)
{
    uint64_t digits = number;

    memcpy(name, "company-xxxxxxxx.org.de", NAME_BYTES + 1);
    digits = (digits | digits << 16) & 0x0000ffff0000ffffULL;
    digits = (digits | digits << 8) & 0x00ff00ff00ff00ffULL;
    digits = ((digits & 0x00f000f000f000f0ULL) << 4) | (digits & 0x000f000f000f000fULL);
    digits += 0x6161616161616161ULL; /* 'a' … 'p' */
    memcpy(name + 8, &digits, 8);
}

static inline uint64_t next_of(uint64_t value, uint64_t step, uint64_t range)
{
    return (((value + step) * GOLDEN) >> 32) * range >> 32;
}

/* No load begins before all earlier ones have ended. */
static inline void wait_for_loads(void)
{
#if defined(__x86_64__)
    __builtin_ia32_lfence();
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* --- ours --- */

static void table_fill(void)
{
    char why[256];
    /* 144 bytes a domain at full load, and a reserve for what the partitions differ. */
    const uint64_t bytes = domains * 180 + (16u << 20);
    const int status = table_writer_open(&writer, directory, bytes, &now, NULL, why, sizeof why);

    if (status < 0) {
        bench_say("%s", why);
        exit(1);
    }
    for (uint64_t i = 0; i < domains; i++) {
        char name[NAME_BYTES + 1];
        struct table_key key;
        struct verdict verdict = {.class = CLASS_DANE,
                                  .level = LEVEL_AUTHENTICATED,
                                  .cause = CAUSE_DANE,
                                  .enforce = ENFORCE_DANE_ONLY,
                                  .tls_version = 0x304,
                                  .began_ms = 1,
                                  .valid_until_ms = 1000000,
                                  .config_epoch = (uint32_t)(i * GOLDEN >> 40)};
        name_make(name, (uint32_t)i);
        table_key_make(&key, name, NAME_BYTES);
        snprintf(verdict.host, sizeof verdict.host, "mx1.mail-%u.example.org", (unsigned)(i % 997));
        table_writer_put(writer, &key, &verdict);
    }
}

static uint64_t ours_hit(uint64_t value)
{
    static struct verdict verdict;
    uint64_t missed = 0;

    for (uint64_t step = 0; step < STEPS; step++) {
        char name[NAME_BYTES + 1];
        struct table_key key;
        name_make(name, (uint32_t)next_of(value, step, domains));
        table_key_make(&key, name, NAME_BYTES);
        missed += table_read(reader, &key, now.boot_ms, &verdict) != TABLE_HIT;
        value = verdict.config_epoch;
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
        char name[NAME_BYTES + 1];
        struct table_key key;
        name_make(name, (uint32_t)(domains + next_of(value, step, domains)));
        table_key_make(&key, name, NAME_BYTES);
        hits += table_read(reader, &key, now.boot_ms, &verdict) != TABLE_MISS;
        value = hits;
        wait_for_loads();
    }
    if (hits > 0)
        bench_say("%llu hits among the misses", (unsigned long long)hits);
    return value;
}

/* --- the floor --- */

static struct bare {
    uint64_t *lines, *slots; /* 8 words a line, 16 a slot */
    uint64_t line_count, slot_count;
    uint64_t huge; /* chunks */
} bare;

/* A file like the table's, of this many bytes, and as the table a mapping aligned to 2 MiB. */
static uint64_t *like_the_table(uint64_t bytes, const char *name)
{
    char path[128];
    bytes = table_round_up(bytes, TABLE_CHUNK_BYTES);

    snprintf(path, sizeof path, "%s/%s", directory, name);
    const int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0 || ftruncate(descriptor, (off_t)bytes) != 0 ||
        table_file_allocate(descriptor, 0, bytes) < 0) {
        bench_say("%s: %s", path, strerror(errno));
        exit(1);
    }
    char *reserved = mmap(NULL, bytes + TABLE_CHUNK_BYTES, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *base = (void *)table_round_up((uint64_t)(uintptr_t)reserved, TABLE_CHUNK_BYTES);
    if (reserved == MAP_FAILED || mmap(base, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                                       descriptor, 0) == MAP_FAILED) {
        bench_say("no address space");
        exit(1);
    }
    close(descriptor);
    unlink(path);
    const struct table_map map = {.base = base};
    bare.huge += table_file_huge(&map, 0, bytes);
    return (void *)base;
}

static void floor_fill(const struct table_geometry *geometry, uint64_t record_bytes)
{
    bare.line_count = geometry->lines * TABLE_PARTITIONS;
    bare.slot_count = record_bytes / TABLE_SLOT_MIN;
    bare.lines = like_the_table(bare.line_count * 64, "floor-lines");
    bare.slots = like_the_table(record_bytes, "floor-slots");
    for (uint64_t i = 0; i < bare.line_count; i++)
        bare.lines[i * 8 + i % 8] = next_of(i, 77, bare.slot_count);
    for (uint64_t i = 0; i < bare.slot_count; i++)
        bare.slots[i * 16] = i * GOLDEN >> 40;
}

static uint64_t floor_hit(uint64_t value)
{
    for (uint64_t step = 0; step < STEPS; step++) {
        const uint64_t line = next_of(value, step, bare.line_count);
        const uint64_t slot = bare.lines[line * 8 + line % 8];
        value = bare.slots[slot * 16];
    }
    return value;
}

static uint64_t floor_miss(uint64_t value)
{
    for (uint64_t step = 0; step < STEPS; step++) {
        const uint64_t line = next_of(value, step, bare.line_count);
        value = bare.lines[line * 8 + line % 8];
        wait_for_loads();
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
    snprintf(text, sizeof text, "%s %llu domains", name, (unsigned long long)domains);
    bench_report(&(struct bench_case){"shm_lookup", text, "ns", BENCH_AT_MOST, must}, &pairs);
}

static void clean(void)
{
    char path[256];

    table_reader_close(reader);
    if (writer != NULL) {
        unlink(table_writer_path(writer));
        snprintf(path, sizeof path, "%s/table.lock", directory);
        unlink(path);
    }
    table_writer_close(writer);
    rmdir(directory);
}

int main(void)
{
    char why[256];
    struct table_facts facts;
    cpu_set_t here;
    const char *wanted = getenv("BENCH_DOMAINS");

    domains = wanted != NULL ? strtoull(wanted, NULL, 10) : domains;
    if (mkdtemp(directory) == NULL || table_clock_read(&now) < 0)
        return bench_impossible("no /dev/shm");
    CPU_ZERO(&here);
    CPU_SET((size_t)sched_getcpu(), &here);
    sched_setaffinity(0, sizeof here, &here);
    table_fill();
    if (table_reader_open(&reader, directory, &now, why, sizeof why) < 0) {
        bench_say("%s", why);
        return 1;
    }
    table_reader_facts(reader, &facts);
    const struct table_geometry geometry = table_geometry_fit(facts.file_bytes);
    const uint64_t record_bytes = facts.allocated_bytes - geometry.records_offset;
    floor_fill(&geometry, record_bytes);
    const double used =
        (double)facts.records * TABLE_SLOT_MIN + (double)geometry.lines * TABLE_PARTITIONS * 64;
    bench_say("%llu records of %llu, %.0f bytes each with index, %.0f at this load; huge pages: "
              "table %llu of %llu MiB, floor %llu MiB",
              (unsigned long long)facts.records, (unsigned long long)facts.capacity,
              used / (double)facts.records, (double)facts.file_bytes / (double)facts.records,
              (unsigned long long)(facts.huge_bytes >> 20),
              (unsigned long long)((facts.allocated_bytes - geometry.index_offset) >> 20),
              (unsigned long long)(bare.huge * TABLE_CHUNK_BYTES >> 20));
    measure("hit", 1.3, ours_hit, floor_hit);
    measure("miss", 1.3, ours_miss, floor_miss);
    clean();
    return bench_finish();
}
