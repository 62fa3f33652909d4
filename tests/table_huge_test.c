/*
 * table_huge_test.c - a table on a hugetlbfs: everything is as on a tmpfs, in pages that were set
 * aside before.
 *
 * Needs a mount namespace of its own, and to be allowed to set pages aside: as root on a machine
 * that has 2 MiB to spare a few times. Where that is not so it says so and exits 77.
 */
#include "tests/small_disk.h"
#include "tests/table_support.h"

#include <errno.h>

#define PAGES_FILE "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define PAGES      48 /* two tables of 16 MiB, and some */

static struct scratch scratch;

static void mount_huge(const char *pages)
{
    char options[64];

    scratch = scratch_make();
    snprintf(options, sizeof options, "pagesize=2M,mode=0700,size=%s", pages);
    CLAIM(mount("hugetlbfs", scratch.directory, "hugetlbfs", 0, options) == 0);
}

static void unmount_huge(void)
{
    CLAIM(small_disk_unmount(scratch.directory));
    rmdir(scratch.directory);
}

static void expect_all(const struct table_reader *reader, uint64_t numbers)
{
    for (uint64_t number = 0; number < numbers; number++) {
        uint32_t version;
        CLAIM(value_read(reader, number, scratch.clock.boot_ms, &version) == TABLE_HIT);
        CLAIM(version == 1);
    }
}

START_TEST(a_table_on_hugetlbfs_is_put_read_and_attached_to)
{
    struct table_opened opened;
    struct table_facts facts;

    mount_huge("64M");
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    for (uint64_t number = 0; number < 10000; number++)
        CLAIM(value_put(writer, number, 1) == 0);
    expect_all(reader, 10000);
    table_reader_facts(reader, &facts);
    ck_assert_str_eq(table_pages_name(&facts), "huge");
    ck_assert_uint_gt(facts.chunks, 2);
    table_writer_close(writer);
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    ck_assert(opened.attached);
    ck_assert_uint_eq(opened.kept, 10000);
    expect_all(reader, 10000);
    table_reader_close(reader);
    table_writer_close(writer);
    unmount_huge();
}
END_TEST

START_TEST(its_successor_is_told_and_followed)
{
    struct table_opened opened;

    mount_huge("96M");
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    for (uint64_t number = 0; number < 10000; number++)
        CLAIM(value_put(writer, number, 1) == 0);
    table_writer_close(writer);
    writer = scratch_writer(&scratch, 2 * TABLE_BYTES_SMALL, &opened);
    ck_assert_uint_eq(opened.kept, 10000);
    ck_assert(table_reader_is_over(reader));
    expect_all(reader, 10000);
    ck_assert_int_eq(table_reader_refresh(reader, &scratch.clock), 1);
    expect_all(reader, 10000);
    table_reader_close(reader);
    table_writer_close(writer);
    unmount_huge();
}
END_TEST

/* Allocated before it is touched, as on a tmpfs: an error code, and no SIGBUS. */
START_TEST(too_few_pages_are_enospc_or_evict)
{
    struct table_writer *writer;
    struct table_facts facts;
    char why[256];

    mount_huge("4M");
    CLAIM(table_writer_open(&writer, scratch.directory, 64u << 20, &scratch.clock, NULL, why,
                            sizeof why) == -ENOSPC);
    unmount_huge();
    mount_huge("10M");
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    for (uint64_t number = 0; number < 60000; number++) {
        const int status = value_put(writer, number, 1);
        CLAIM(status == 0 || status == -ENOSPC);
    }
    table_writer_facts(writer, &facts);
    ck_assert_uint_gt(facts.evicted + facts.refused, 0);
    ck_assert_uint_lt(facts.allocated_bytes, facts.file_bytes);
    table_writer_close(writer);
    unmount_huge();
}
END_TEST

/* --- pages, given back at the end --- */

static long pages_now(void)
{
    FILE *file = fopen(PAGES_FILE, "re");
    long pages = -1;

    if (file == NULL)
        return -1;
    if (fscanf(file, "%ld", &pages) != 1)
        pages = -1;
    (void)fclose(file);
    return pages;
}

static bool pages_set(long pages)
{
    char text[32];

    snprintf(text, sizeof text, "%ld", pages);
    return small_disk_text(PAGES_FILE, text) && pages_now() >= pages;
}

static int run(void)
{
    Suite *suite = suite_create("table_huge");
    TCase *cases = tcase_create("hugetlbfs");

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, a_table_on_hugetlbfs_is_put_read_and_attached_to);
    tcase_add_test(cases, its_successor_is_told_and_followed);
    tcase_add_test(cases, too_few_pages_are_enospc_or_evict);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}

int main(void)
{
    const long before = pages_now();
    int status = 77;

    if (before >= 0 && geteuid() == 0 && small_disk_allow() && pages_set(before + PAGES))
        status = run();
    else
        fprintf(stderr, "no huge pages can be set aside here\n");
    if (before >= 0 && geteuid() == 0)
        pages_set(before);
    return status;
}
