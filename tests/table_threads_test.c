/*
 * table_threads_test.c - four writer threads, each with its partitions, and two readers on the same
 * mapping: what ThreadSanitizer is shown. Without it the same checks hold.
 *
 * The partitions are dealt to the threads anew after each round, as after a restart with another
 * number of shards.
 */
#include <stdio.h>
#include <stdlib.h>

/* In threads of its own, where Check cannot be told. */
#define SUPPORT_MUST(condition, ...)      \
    do {                                  \
        if (!(condition)) {               \
            fprintf(stderr, __VA_ARGS__); \
            abort();                      \
        }                                 \
    } while (0)
#include "tests/table_support.h"

#include <pthread.h>
#include <stdatomic.h>

#define WRITERS 4
#define READERS 2
#define KEYS    4000
#define ROUNDS  3

static struct table_writer *writer;
static struct scratch scratch;
static atomic_bool over;
static atomic_ulong hits, misses, unknowns;

struct job {
    pthread_t thread;
    unsigned number, shift;
    uint32_t version;
};

/* Everything of the thread's partitions: put, put again, remove some, heartbeat. */
static void *write_partitions(void *argument)
{
    const struct job *job = argument;

    for (uint32_t version = job->version; version < job->version + 10; version++) {
        for (uint64_t number = 0; number < KEYS; number++) {
            struct numbered numbered;
            value_key(&numbered, number);
            if ((numbered.key.partition + job->shift) % WRITERS != job->number)
                continue;
            if (value_put(writer, number, version) != 0)
                abort();
            if (scramble(number + version) % 8 == 0)
                table_writer_remove(writer, &numbered.key);
            if (scramble(number) % 64 == 0)
                table_writer_heartbeat(writer, numbered.key.partition, &scratch.clock);
            if (scramble(number) % 32 == 1)
                table_writer_set_complete(writer, numbered.key.partition, version % 2 == 0);
        }
    }
    return NULL;
}

static void *read_all(void *argument)
{
    struct table_reader *reader;
    const struct job *job = argument;

    if (table_writer_reader(writer, &reader) != 0)
        abort();
    for (uint64_t i = job->number; !atomic_load(&over); i++) {
        struct table_facts facts;
        uint32_t version;
        switch (value_read(reader, scramble(i) % KEYS, scratch.clock.boot_ms, &version)) {
        case TABLE_HIT:
            atomic_fetch_add(&hits, 1);
            break;
        case TABLE_MISS:
        case TABLE_ABSENT:
            atomic_fetch_add(&misses, 1);
            break;
        case TABLE_UNKNOWN:
            atomic_fetch_add(&unknowns, 1);
            break;
        }
        if (i % 1024 == 0)
            table_reader_facts(reader, &facts);
    }
    table_reader_close(reader);
    return NULL;
}

START_TEST(writers_of_different_partitions_and_readers_do_not_race)
{
    struct job readers[READERS], writers[WRITERS];

    scratch = scratch_make();
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct job){.number = i};
        ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]), 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < WRITERS; i++) {
            writers[i] = (struct job){.number = i, .shift = round, .version = 1 + round * 10};
            ck_assert_int_eq(
                pthread_create(&writers[i].thread, NULL, write_partitions, &writers[i]), 0);
        }
        for (unsigned i = 0; i < WRITERS; i++)
            pthread_join(writers[i].thread, NULL);
    }
    atomic_store(&over, true);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(readers[i].thread, NULL);
    ck_assert_uint_gt(atomic_load(&hits), 0);
    ck_assert_uint_le(atomic_load(&unknowns), atomic_load(&hits) / 1000);

    struct table_facts facts;
    struct table_opened opened;
    table_writer_facts(writer, &facts);
    table_writer_close(writer);
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    ck_assert_uint_eq(opened.kept, facts.records);
    ck_assert_uint_eq(opened.dropped, 0);
    table_writer_close(writer);
    scratch_remove(&scratch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table threads");
    TCase *cases = tcase_create("threads");

    tcase_set_timeout(cases, 240);
    tcase_add_test(cases, writers_of_different_partitions_and_readers_do_not_race);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
