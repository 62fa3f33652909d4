/*
 * gate_memory_test.c - a gate that finds no memory says so, and leaves nothing behind: it is the
 * machine's trouble, and never called a mistake in the settings, after which nobody starts it
 * again. What it is asked again and again takes no memory at all, and no line in the log for each.
 */
#include "tests/gate_support.h"

#include "tests/shim/memory.h"

#include <time.h>

static unsigned descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

START_TEST(whichever_allocation_fails_the_gate_says_no_memory_and_leaves_nothing)
{
    unsigned nth = 0, without = 0;
    bool failed = memory_can_fail();
    const unsigned before = descriptors();

    while (failed) {
        struct gate *one = NULL;

        ck_assert_uint_lt(++nth, 500);
        memory_fail(nth, 0);
        const int error = gate_create(&one, &options);
        failed = memory_failed();
        memory_fail(0, 0);
        /* It can do without the tables: they are looked for again. */
        ck_assert_msg(error == 0 || (failed && error == -ENOMEM), "%u: %d", nth, error);
        if (error == 0)
            gate_destroy(one);
        without += error != 0;
        ck_assert_uint_eq(descriptors(), before);
    }
    ck_assert(without > 4 || !memory_can_fail());
}
END_TEST

/* --- what is asked again and again --- */

#define HOT 10000

/* Standard error, where the log goes, goes to a file. Returns what it was. */
static int log_to_file(const char *path)
{
    const int before = dup(STDERR_FILENO);
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

    ck_assert_int_ge(before, 0);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
    close(file);
    log_set_level(LOG_INFO_LEVEL);
    tzset(); /* the C library takes memory for its time zones once, with the first line otherwise */
    return before;
}

static void log_to_file_ends(int before)
{
    log_set_level(LOG_ERROR_LEVEL);
    ck_assert_int_eq(dup2(before, STDERR_FILENO), STDERR_FILENO);
    close(before);
}

static unsigned lines_with(const char *path, const char *word)
{
    FILE *file = fopen(path, "r");
    unsigned count = 0;
    char text[4096];

    ck_assert_ptr_nonnull(file);
    while (fgets(text, sizeof text, file) != NULL)
        count += strstr(text, word) != NULL;
    fclose(file);
    return count;
}

/* One of GATE_SAMPLE requests is logged: of HOT in a row, wherever the count of the gate stands, at
 * most one more than fit. Nothing else is said. */
START_TEST(hot_answers_take_no_memory_and_no_line_in_the_log_for_each)
{
    const unsigned samples_most = HOT / GATE_SAMPLE + 1;
    const int client = client_open(), other = client_open();
    char log_path[90];
    uint64_t kept_before;
    int before;

    see("a.example", "encrypted");
    ask_until_kept(client, other, "QUERY a.example", "OK encrypt ");
    kept_before = kept(other);
    snprintf(log_path, sizeof log_path, "%s/log", directory);
    before = log_to_file(log_path);
    memory_count();
    for (unsigned i = 0; i < HOT; i++) {
        if (i % 500 == 0) { /* else it looks for another daemon's tables, which takes memory */
            table_lives(verdicts);
            table_lives(users);
        }
        claim_begins(query(client, "QUERY a.example"), "OK encrypt ");
    }
    const unsigned allocations = memory_counted();
    log_to_file_ends(before);
    ck_assert_uint_eq(allocations, 0);
    ck_assert_uint_ge(lines_with(log_path, "socketmap-sample"), HOT / GATE_SAMPLE);
    ck_assert_uint_le(lines_with(log_path, ""), samples_most);
    /* They were hot: each second only few are made anew. */
    ck_assert_uint_gt(kept(other) - kept_before, HOT * 9 / 10);
    close(client);
    close(other);
}
END_TEST

/* Else a count of none would prove nothing. */
static void *allocate_once(void *context)
{
    (void)context;
    return malloc(100);
}

START_TEST(an_allocation_of_another_thread_is_counted)
{
    void *allocated = NULL;
    pthread_t thread;

    memory_count();
    ck_assert_int_eq(pthread_create(&thread, NULL, allocate_once, NULL), 0);
    pthread_join(thread, &allocated);
    free(allocated);
    ck_assert(memory_counted() > 0 || !memory_can_fail());
}
END_TEST

static void set_up_here(void)
{
    world_make();
    verdicts_make();
    users_make();
    gate_listener = listen_at(gate_path);
    options.listeners = &gate_listener;
    options.listener_count = 1;
}

static void tear_down_here(void)
{
    close(gate_listener);
    world_end();
}

int main(void)
{
    Suite *suite = suite_create("the gate without memory");
    TCase *tests = tcase_create("memory"), *hot = tcase_create("hot");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up_here, tear_down_here);
    tcase_add_test(tests, whichever_allocation_fails_the_gate_says_no_memory_and_leaves_nothing);
    tcase_add_test(tests, an_allocation_of_another_thread_is_counted);
    tcase_set_timeout(hot, 120);
    tcase_add_checked_fixture(hot, set_up, world_end);
    tcase_add_test(hot, hot_answers_take_no_memory_and_no_line_in_the_log_for_each);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, hot);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
