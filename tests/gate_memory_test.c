/*
 * gate_memory_test.c - a gate that finds no memory says so, and leaves nothing behind: it is the
 * machine's trouble, and never called a mistake in the settings, after which nobody starts it
 * again.
 */
#include "tests/gate_support.h"

#include "tests/shim/memory.h"

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
    TCase *tests = tcase_create("memory");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up_here, tear_down_here);
    tcase_add_test(tests, whichever_allocation_fails_the_gate_says_no_memory_and_leaves_nothing);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
