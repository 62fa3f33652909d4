/*
 * follow_test.c - claims about following a log: where it begins, and what it reads when the file is
 * rotated or cut, or has lines that are too long.
 */
#include "tools/mxwardctl/follow.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct follow follow;
static char directory[64], path[80], other[80];

static void set_up(void)
{
    snprintf(directory, sizeof directory, "/tmp/mxward-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/log", directory);
    snprintf(other, sizeof other, "%s/log.1", directory);
}

static void tear_down(void)
{
    follow_close(&follow);
    unlink(path);
    unlink(other);
    rmdir(directory);
}

static void put(const char *text)
{
    FILE *file = fopen(path, "ae");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void expect(const char *wanted)
{
    const char *line;
    size_t size;

    ck_assert_int_eq(follow_line(&follow, &line, &size, 0), FOLLOW_LINE);
    ck_assert_msg(size == strlen(wanted) && memcmp(line, wanted, size) == 0, "'%.*s', not '%s'",
                  (int)size, line, wanted);
}

static void expect_nothing(void)
{
    const char *line;
    size_t size;

    ck_assert_int_eq(follow_line(&follow, &line, &size, 0), FOLLOW_NOTHING);
}

START_TEST(a_file_is_read_to_its_end)
{
    const char *line;
    size_t size;

    put("one\n\ntwo\nno end");
    ck_assert_int_eq(follow_open(&follow, path, false, false), 0);
    expect("one");
    expect("");
    expect("two");
    ck_assert_int_eq(follow_line(&follow, &line, &size, 1000), FOLLOW_END);
    ck_assert_int_eq(errno, 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_told_from_an_end)
{
    const char *line;
    size_t size;

    ck_assert_int_eq(follow_open(&follow, path, true, false), -ENOENT);
    ck_assert_int_eq(follow_open(&follow, directory, false, false), 0);
    ck_assert_int_eq(follow_line(&follow, &line, &size, 0), FOLLOW_END);
    ck_assert_int_eq(errno, EISDIR);
}
END_TEST

START_TEST(following_begins_at_the_end_and_takes_whole_lines_only)
{
    put("old\nhalf");
    ck_assert_int_eq(follow_open(&follow, path, true, false), 0);
    expect_nothing();
    put(" a line\nnew");
    expect_nothing(); /* its first half was there before */
    put("er\n");
    expect("newer");
    follow_close(&follow);
    ck_assert_int_eq(follow_open(&follow, path, true, false), 0);
    put("first\n");
    expect("first"); /* what was there ended with a line */
}
END_TEST

START_TEST(from_the_start_everything_is_read)
{
    put("old\n");
    ck_assert_int_eq(follow_open(&follow, path, true, true), 0);
    expect("old");
    expect_nothing();
    put("new\n");
    expect("new");
}
END_TEST

START_TEST(a_rotated_file_is_read_to_its_end_and_then_the_new_one)
{
    put("one\n");
    ck_assert_int_eq(follow_open(&follow, path, true, true), 0);
    expect("one");
    put("two\nlost");
    ck_assert_int_eq(rename(path, other), 0);
    expect("two");
    expect_nothing(); /* nothing stands at the path yet */
    put("three\n");
    expect("three");
    put("four\n");
    expect("four");
}
END_TEST

START_TEST(a_file_that_was_cut_is_read_from_its_beginning)
{
    put("one\ntwo\nhalf");
    ck_assert_int_eq(follow_open(&follow, path, true, true), 0);
    expect("one");
    expect("two");
    expect_nothing();
    ck_assert_int_eq(truncate(path, 0), 0);
    expect_nothing();
    put("three\n");
    expect("three");
}
END_TEST

START_TEST(a_line_that_is_too_long_is_skipped_whole)
{
    static char text[3 * FOLLOW_BYTES];

    memset(text, 'x', sizeof text - 1);
    put(text);
    put("\ngood\n");
    text[FOLLOW_LINE_MAX] = 0;
    put(text);
    put("\n");
    text[FOLLOW_LINE_MAX - 1] = 0;
    put(text);
    put("\nlast\n");
    ck_assert_int_eq(follow_open(&follow, path, true, true), 0);
    expect("good");
    expect(text);
    expect("last");
    expect_nothing();
}
END_TEST

START_TEST(a_pipe_is_waited_for_and_ends)
{
    const char *line;
    int ends[2];
    size_t size;

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    ck_assert_int_eq(follow_open(&follow, "-", true, false), 0);
    expect_nothing();
    ck_assert_int_eq(write(ends[1], "one\ntw", 6), 6);
    expect("one");
    expect_nothing();
    ck_assert_int_eq(write(ends[1], "o\n", 2), 2);
    expect("two");
    close(ends[1]);
    ck_assert_int_eq(follow_line(&follow, &line, &size, 1000), FOLLOW_END);
    ck_assert_int_eq(errno, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("following a log");
    TCase *cases = tcase_create("lines");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, a_file_is_read_to_its_end);
    tcase_add_test(cases, what_cannot_be_read_is_told_from_an_end);
    tcase_add_test(cases, following_begins_at_the_end_and_takes_whole_lines_only);
    tcase_add_test(cases, from_the_start_everything_is_read);
    tcase_add_test(cases, a_rotated_file_is_read_to_its_end_and_then_the_new_one);
    tcase_add_test(cases, a_file_that_was_cut_is_read_from_its_beginning);
    tcase_add_test(cases, a_line_that_is_too_long_is_skipped_whole);
    tcase_add_test(cases, a_pipe_is_waited_for_and_ends);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
