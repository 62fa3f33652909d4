/*
 * table_deaths.h - what the tests share in which a table's writer dies: the table that everything
 * starts from, what the writer does when it dies, and what must hold afterwards.
 *
 * For a program that has compiled shm/writer.c into itself.
 */
#ifndef MXWARD_TESTS_TABLE_DEATHS_H
#define MXWARD_TESTS_TABLE_DEATHS_H

#include "tests/table_support.h"

#define KEYS  120
#define BYTES (12u << 20) /* the least: attaching happens thousands of times here */
#define GONE  20          /* keys that were removed again */

static struct scratch scratch;
static struct table_writer *writer; /* who is speaking now: parent or child */

static void set_up(void)
{
    scratch = scratch_make();
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

static void put(uint64_t number, uint32_t version)
{
    CLAIM(value_put(writer, number, version) == 0);
}

static bool take(uint64_t number)
{
    return value_remove(writer, number);
}

/* --- the state that everything starts from --- */

/* Keys with one home line, more than it has cells. The first CROWD of them are put; CROWD_HOME in
 * the home line, the others elsewhere in the group. */
#define CROWD (TABLE_CELLS + 2)
static uint64_t crowd[CROWD + 3];

static void find_crowd(void)
{
    const struct table_line *home = NULL;
    unsigned found = 0;

    for (uint64_t number = 1000000; found < sizeof crowd / sizeof *crowd; number++) {
        struct numbered numbered;
        value_key(&numbered, number);
        const struct place place = place_of(writer, &numbered.key);
        if (home != NULL && place.home != home)
            continue;
        home = place.home;
        crowd[found++] = number;
    }
}

/* A key in a partition that has no segment yet. */
static uint64_t growing;

static void find_growing(void)
{
    struct numbered numbered;

    growing = 3000000;
    do {
        value_key(&numbered, ++growing);
    } while (writer->partitions[numbered.key.partition].segments > 0);
}

/* Version 1 of KEYS keys and of the crowd, after some replacing and removing. Leaves the writer
 * open. */
static void prepare(void)
{
    writer = scratch_writer(&scratch, BYTES, NULL);
    find_crowd();
    for (uint64_t number = 0; number < KEYS + GONE; number++)
        put(number, 0);
    for (uint64_t number = 0; number < KEYS; number++)
        put(number, 1);
    for (uint64_t number = KEYS; number < KEYS + GONE; number++)
        CLAIM(take(number));
    for (unsigned i = 0; i < CROWD; i++)
        put(crowd[i], 1);
    find_growing();
}

static void close_writer(void)
{
    table_writer_close(writer);
    writer = NULL;
}

/* --- operations --- */

/* The key an operation is about may have its old or its new version meanwhile, or none if it is
 * inserted or removed. Every other key is as it was. */
struct operation {
    const char *name;
    void (*run)(void);
    const uint64_t *subject;
    uint32_t old_version, new_version; /* 0: none */
    uint64_t bytes;                    /* to open with; 0: as before */
    bool opens;                        /* opening is the operation */
    unsigned long stride;              /* of the stores tried; the last ones are all tried */
};

static const uint64_t present = 6, account = 7, absent = KEYS + 3;

static void insert_absent(void)
{
    put(absent, 2);
}
static void insert_overflowing(void)
{
    put(crowd[CROWD], 2);
}
static void replace_present(void)
{
    put(present, 2);
}
static void replace_overflowed(void)
{
    put(crowd[CROWD - 1], 2);
}
/* Until every slot of the size classes concerned was used again. */
static void replace_often(void)
{
    for (unsigned i = 0; i < 80; i++)
        put(present, i % 2 + 1);
}
static void replace_account(void)
{
    put(account, 2);
}
/* The verdict stays, which is what check_key looks at. */
static void put_floor_alone(void)
{
    struct numbered numbered;
    struct verdict verdict;

    numbered_key(&numbered, present);
    value_of(&verdict, present, 1);
    CLAIM(table_writer_put_floor(writer, &numbered.key, &verdict.floor) == 0);
}
static void remove_present(void)
{
    take(present);
}
static void remove_overflowed(void)
{
    take(crowd[CROWD - 1]);
}
static void evict_number(uint64_t number)
{
    struct numbered numbered;
    struct place place;
    union record record;

    value_key(&numbered, number);
    if (find(writer, &numbered.key, &place, &record))
        evict(writer, numbered.key.partition, place.slot);
}
static void evict_present(void)
{
    evict_number(present);
}
static void evict_account(void)
{
    evict_number(account);
}
/* The partition of the account. */
static void complete(bool is)
{
    struct numbered numbered;

    value_key(&numbered, account);
    table_writer_set_complete(writer, numbered.key.partition, is);
}
static void evict_account_of_all(void)
{
    uint32_t version;

    complete(value_get(writer, account, &version));
    evict_account();
}
/* The next segment is the first that lies beyond what is allocated. */
static void grow_and_insert(void)
{
    const struct table_map *map = &writer->map;

    writer->next_segment =
        (table_load(&map->header->allocated) - map->geometry.records_offset) / TABLE_SEGMENT_BYTES;
    put(growing, 2);
}
static void open_again(void)
{
    writer = scratch_writer(&scratch, BYTES, NULL);
}
static void open_larger(void)
{
    writer = scratch_writer(&scratch, 2 * BYTES, NULL);
}

static const struct operation operations[] = {
    {"insert", insert_absent, &absent, 0, 2, 0, false, 1},
    {"insert that overflows its line", insert_overflowing, &crowd[CROWD], 0, 2, 0, false, 1},
    {"replace", replace_present, &present, 1, 2, 0, false, 1},
    {"replace in another line", replace_overflowed, &crowd[CROWD - 1], 1, 2, 0, false, 1},
    {"replace until slots are reused", replace_often, &present, 1, 2, 0, false, 23},
    {"replace an account", replace_account, &account, 1, 2, 0, false, 1},
    {"put a floor", put_floor_alone, &present, 1, 1, 0, false, 1},
    {"remove", remove_present, &present, 1, 0, 0, false, 1},
    {"remove from another line", remove_overflowed, &crowd[CROWD - 1], 1, 0, 0, false, 1},
    {"evict", evict_present, &present, 1, 0, 0, false, 1},
    {"evict an account", evict_account_of_all, &account, 1, 0, 0, false, 1},
    {"grow", grow_and_insert, &growing, 0, 2, 0, false, 1},
    {"attach", open_again, &present, 1, 1, 0, true, 53},
    {"make a successor", open_larger, &present, 1, 1, 2 * BYTES, true, 127},
};
#define OPERATIONS (sizeof operations / sizeof *operations)

static bool version_is_allowed(const struct operation *operation, uint32_t version)
{
    return version == operation->old_version || version == operation->new_version;
}

/* --- what must hold after a death --- */

static void check_key(const struct table_reader *reader, const struct operation *operation,
                      uint64_t number, uint32_t version)
{
    uint32_t read;

    const enum table_outcome outcome = value_read(reader, number, scratch.clock.boot_ms, &read);
    if (outcome == TABLE_UNKNOWN)
        ck_abort_msg("%s: unknown", operation->name);
    /* Its subject is still in the ledger, whatever happens in the table. */
    if (outcome == TABLE_ABSENT && (number == *operation->subject || version != 0))
        ck_abort_msg("%s: absent", operation->name);
    const bool right =
        number == *operation->subject ? version_is_allowed(operation, read) : read == version;
    if (!right)
        ck_abort_msg("%s: %llu has %u", operation->name, (unsigned long long)number, read);
}

static void check_all(const struct table_reader *reader, const struct operation *operation)
{
    for (uint64_t number = 0; number < KEYS; number++)
        check_key(reader, operation, number, 1);
    for (uint64_t number = KEYS; number < KEYS + GONE; number++)
        check_key(reader, operation, number, 0);
    for (unsigned i = 0; i < sizeof crowd / sizeof *crowd; i++)
        check_key(reader, operation, crowd[i], i < CROWD);
    check_key(reader, operation, growing, 0);
}

static uint64_t bytes_of(const struct operation *operation)
{
    return operation->bytes != 0 ? operation->bytes : BYTES;
}

/* A new writer finds everything in order, does the operation again, and that holds. */
static void take_over(const struct operation *operation)
{
    struct table_opened opened;
    struct table_facts facts;

    writer = scratch_writer(&scratch, bytes_of(operation), &opened);
    struct table_reader *reader = scratch_reader(&scratch);
    CLAIM(opened.dropped == 0);
    CLAIM(opened.repeated == 0);
    table_writer_facts(writer, &facts);
    CLAIM(facts.records == opened.kept);
    check_all(reader, operation);
    if (!operation->opens) {
        struct operation done = *operation;
        done.run();
        done.old_version = done.new_version;
        check_all(reader, &done);
    }
    table_reader_close(reader);
    close_writer();
}

/* --- again and again from the same table --- */

/* The prepared table, and nothing else, in the directory. */
static void restore(const struct scratch *original)
{
    char from[128], to[128];

    for (unsigned generation = 1; generation < 4; generation++) {
        snprintf(to, sizeof to, "%s/table.%u", scratch.directory, generation);
        unlink(to);
    }
    snprintf(from, sizeof from, "%s/table.1", original->directory);
    snprintf(to, sizeof to, "%s/table.1", scratch.directory);
    copy_file(from, to);
}

/* A table in `scratch`, closed, and its copy, for `before_death`. */
static struct scratch prepared(void)
{
    struct scratch original = scratch_make();
    char from[128], to[128];

    prepare();
    close_writer();
    snprintf(from, sizeof from, "%s/table.1", scratch.directory);
    snprintf(to, sizeof to, "%s/table.1", original.directory);
    copy_file(from, to);
    return original;
}

/* The table is again as it was, and somebody reads it. */
static struct table_reader *before_death(const struct scratch *original)
{
    restore(original);
    return scratch_reader(&scratch);
}

/* For who read before, for who comes now, and for the next writer. */
static void after_death(const struct operation *operation, struct table_reader *early)
{
    check_all(early, operation);
    struct table_reader *late = scratch_reader(&scratch);
    check_all(late, operation);
    table_reader_close(late);
    take_over(operation);
    ck_assert_int_ge(table_reader_refresh(early, &scratch.clock), 0);
    check_all(early, operation);
    table_reader_close(early);
}

#endif
