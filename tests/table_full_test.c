/*
 * table_full_test.c - a tmpfs that runs full is an error code in the writer, and nothing in
 * readers.
 *
 * Needs a small tmpfs of its own: a mount namespace, as root or inside a user namespace. Where
 * neither is allowed it says so and exits 77.
 */
#include "tests/small_disk.h"
#include "tests/table_support.h"

#include <errno.h>

static struct scratch scratch;

static void mount_small(const char *size)
{
    scratch = scratch_make();
    CLAIM(small_disk_mount(scratch.directory, size));
}

static void unmount_small(void)
{
    CLAIM(small_disk_unmount(scratch.directory));
    rmdir(scratch.directory);
}

START_TEST(no_room_for_the_index_is_enospc_and_leaves_nothing)
{
    struct table_writer *writer;
    char why[256], path[128];

    mount_small("3m");
    CLAIM(table_writer_open(&writer, scratch.directory, 64u << 20, &scratch.clock, NULL, why,
                            sizeof why) == -ENOSPC);
    ck_assert_str_ne(why, "");
    snprintf(path, sizeof path, "%s/table.new", scratch.directory);
    CLAIM(access(path, F_OK) == -1);
    unmount_small();
}
END_TEST

/* No SIGBUS, no wrong record, and what is dear still displaces what is cheap. */
START_TEST(a_tmpfs_that_runs_full_evicts_or_refuses)
{
    struct table_facts facts;
    uint64_t hits = 0;
    unsigned refused = 0;

    mount_small("24m");
    struct table_writer *writer = scratch_writer(&scratch, 64u << 20, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    table_reader_facts(reader, &facts);
    for (uint64_t number = 0; number < facts.capacity; number++) {
        const int status = value_put(writer, number, 1);
        CLAIM(status == 0 || status == -ENOSPC);
        refused += status == -ENOSPC;
    }
    for (uint64_t number = 0; number < facts.capacity; number++) {
        uint32_t version;
        const enum table_outcome outcome =
            value_read(reader, number, scratch.clock.boot_ms, &version);
        CLAIM(outcome == TABLE_HIT || outcome == TABLE_MISS);
        hits += outcome == TABLE_HIT;
    }
    table_reader_facts(reader, &facts);
    CLAIM(hits == facts.records);
    ck_assert_uint_gt(hits, 30000);
    ck_assert_uint_lt(facts.allocated_bytes, facts.file_bytes);
    ck_assert_uint_gt(facts.evicted, 1000);
    CLAIM(facts.refused == refused);
    table_reader_close(reader);
    table_writer_close(writer);
    unmount_small();
}
END_TEST

START_TEST(a_successor_that_does_not_fit_leaves_the_old_table_in_place)
{
    struct table_writer *writer;
    char why[256];
    struct numbered numbered;
    struct verdict verdict;

    mount_small("12m");
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    numbered_key(&numbered, 1);
    value_of(&verdict, 1, 1);
    CLAIM(table_writer_put(writer, &numbered.key, &verdict) == 0);
    table_writer_close(writer);
    CLAIM(table_writer_open(&writer, scratch.directory, 256u << 20, &scratch.clock, NULL, why,
                            sizeof why) == -ENOSPC);
    struct table_reader *reader = scratch_reader(&scratch);
    CLAIM(table_read(reader, &numbered.key, scratch.clock.boot_ms, &verdict) == TABLE_HIT);
    table_reader_close(reader);
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    CLAIM(table_writer_get(writer, &numbered.key, &verdict));
    table_writer_close(writer);
    unmount_small();
}
END_TEST

int main(void)
{
    if (!small_disk_allow()) {
        fputs("no mount namespace for a small tmpfs\n", stderr);
        return 77;
    }
    Suite *suite = suite_create("table on a full tmpfs");
    TCase *cases = tcase_create("full");
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, no_room_for_the_index_is_enospc_and_leaves_nothing);
    tcase_add_test(cases, a_tmpfs_that_runs_full_evicts_or_refuses);
    tcase_add_test(cases, a_successor_that_does_not_fit_leaves_the_old_table_in_place);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
