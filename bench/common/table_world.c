/*
 * table_world.c - see table_world.h. Owns the directory, the table and the bare files.
 */
#include "bench/common/table_world.h"

#include "bench/common/bench.h"
#include "shm/table_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

char world_directory[64];
struct table_clock world_now;
uint64_t world_domains;
struct table_writer *world_writer;
struct table_reader *world_reader;
struct world_bare world_bare;

static struct table_map bare_lines, bare_slots;

/* 144 bytes a domain at full load, and a reserve for what the partitions differ. */
static uint64_t table_bytes(uint64_t domains)
{
    return domains * 180 + (16u << 20);
}

uint64_t world_bytes(uint64_t domains)
{
    return 2 * table_bytes(domains);
}

/* --- the table --- */

void world_verdict(struct verdict *verdict, uint64_t number)
{
    *verdict = (struct verdict){.class = CLASS_DANE,
                                .level = LEVEL_AUTHENTICATED,
                                .conclusion = CONCLUSION_DEFINITE,
                                .cause = CAUSE_DANE,
                                .enforce = ENFORCE_DANE_ONLY,
                                .tls_version = 0x304,
                                .began_ms = 1,
                                .valid_until_ms = (1u << 31) + (number * WORLD_GOLDEN >> 40),
                                .config_epoch = WORLD_EPOCH};
    snprintf(verdict->host, sizeof verdict->host, "mx1.mail-%u.example.org",
             (unsigned)(number % 997));
}

static void table_fill(void)
{
    for (uint64_t i = 0; i < world_domains; i++) {
        char name[WORLD_NAME_BYTES + 1];
        struct table_key key;
        struct verdict verdict;
        world_name(name, (uint32_t)i);
        table_key_make(&key, name, WORLD_NAME_BYTES);
        world_verdict(&verdict, i);
        table_writer_put(world_writer, &key, &verdict);
    }
}

/* --- bare files --- */

/* A file like the table's, of this many bytes, and as the table a mapping aligned to 2 MiB. */
static uint64_t *like_the_table(struct table_map *map, uint64_t bytes, uint64_t *huge)
{
    char path[128];
    const uint64_t size = table_round_up(bytes, TABLE_CHUNK_BYTES);

    snprintf(path, sizeof path, "%s/bare", world_directory);
    const int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0 || ftruncate(descriptor, (off_t)size) != 0 ||
        table_file_allocate(descriptor, 0, size) < 0) {
        bench_say("%s: %s", path, strerror(errno));
        exit(1);
    }
    char *reserved = mmap(NULL, size + TABLE_CHUNK_BYTES, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *base = (void *)table_round_up((uint64_t)(uintptr_t)reserved, TABLE_CHUNK_BYTES);
    if (reserved == MAP_FAILED || mmap(base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                                       descriptor, 0) == MAP_FAILED) {
        bench_say("no address space");
        exit(1);
    }
    *map = (struct table_map){.base = base, .geometry.file_bytes = size};
    *huge += table_file_huge(map, descriptor, 0, size);
    close(descriptor);
    unlink(path);
    return (void *)base;
}

static uint64_t bare_fill(const struct table_geometry *geometry, uint64_t record_bytes)
{
    uint64_t huge = 0;

    world_bare.line_count = geometry->lines * TABLE_PARTITIONS;
    world_bare.slot_count = record_bytes / TABLE_SLOT_MIN;
    world_bare.lines = like_the_table(&bare_lines, world_bare.line_count * 64, &huge);
    world_bare.slots = like_the_table(&bare_slots, record_bytes, &huge);
    for (uint64_t i = 0; i < world_bare.line_count; i++)
        world_bare.lines[i * 8 + i % 8] = world_next(i, 77, world_bare.slot_count);
    for (uint64_t i = 0; i < world_bare.slot_count; i++)
        world_bare.slots[i * 16] = i * WORLD_GOLDEN >> 40;
    return huge * TABLE_CHUNK_BYTES;
}

/* --- all of it --- */

const char *world_make(uint64_t domains)
{
    static char why[256];
    struct table_facts facts;

    snprintf(world_directory, sizeof world_directory, "/dev/shm/mxward-bench-XXXXXX");
    world_domains = domains;
    if (mkdtemp(world_directory) == NULL || table_clock_read(&world_now) < 0)
        return "no /dev/shm";
    bench_pin(0);
    if (table_writer_open(&world_writer, world_directory, table_bytes(domains), &world_now, NULL,
                          why, sizeof why) < 0)
        return why;
    table_fill();
    if (table_reader_open(&world_reader, world_directory, &world_now, why, sizeof why) < 0)
        return why;
    table_reader_facts(world_reader, &facts);
    const struct table_geometry geometry = table_geometry_fit(facts.file_bytes);
    const uint64_t huge = bare_fill(&geometry, facts.allocated_bytes - geometry.records_offset);
    bench_say("%llu records of %llu, %.0f bytes each; huge pages: table %llu of %llu MiB, floor "
              "%llu MiB",
              (unsigned long long)facts.records, (unsigned long long)facts.capacity,
              (double)facts.file_bytes / (double)facts.records,
              (unsigned long long)(facts.huge * TABLE_CHUNK_BYTES >> 20),
              (unsigned long long)((facts.allocated_bytes - geometry.index_offset) >> 20),
              (unsigned long long)(huge >> 20));
    return NULL;
}

void world_end(void)
{
    char path[256];

    table_reader_close(world_reader);
    if (world_writer != NULL) {
        unlink(table_writer_path(world_writer));
        snprintf(path, sizeof path, "%s/table.lock", world_directory);
        unlink(path);
    }
    table_writer_close(world_writer);
    world_reader = NULL;
    world_writer = NULL;
    table_file_unmap(&bare_lines);
    table_file_unmap(&bare_slots);
    rmdir(world_directory);
}
