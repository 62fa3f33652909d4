/*
 * base_check_test.c - CHECK ends the program where our own mistake is, and clocks only go forward.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

START_TEST(a_condition_that_holds_is_evaluated_once)
{
    int evaluated = 0;
    CHECK(++evaluated == 1);
    ck_assert_int_eq(evaluated, 1);
}
END_TEST

START_TEST(a_condition_that_does_not_hold_aborts)
{
    CHECK(getpid() < 0);
}
END_TEST

START_TEST(an_abort_says_file_line_and_condition)
{
    int ends[2];
    char said[512] = "";
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        check_failed("engine/some.c", 42, "the_sky_is_up");
    }
    close(ends[1]);
    ck_assert_int_gt(read(ends[0], said, sizeof(said) - 1), 0);
    ck_assert_str_eq(said, "mxward: engine/some.c:42: our mistake: the_sky_is_up does not hold\n");
}
END_TEST

START_TEST(clocks_agree_with_the_kernel_and_go_forward)
{
    uint64_t us = clock_boot_us(), ms = clock_boot_ms();
    ck_assert_uint_ge(ms, us / 1000);
    ck_assert_uint_lt(ms - us / 1000, 5000);
    ck_assert_uint_ge(clock_boot_us(), us);
    struct timespec now;
    ck_assert_int_eq(clock_gettime(CLOCK_BOOTTIME, &now), 0);
    ck_assert_uint_ge((uint64_t)now.tv_sec * 1000 + 1000, ms);
    int64_t wall = clock_wall_s();
    ck_assert_int_le(llabs(wall - (int64_t)time(NULL)), 2);
}
END_TEST

START_TEST(the_boot_id_is_the_kernels_and_stays)
{
    uint8_t id[16], again[16];
    char text[64] = "", expected[64];
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    fclose(file);
    clock_boot_id(id);
    clock_boot_id(again);
    ck_assert_mem_eq(id, again, sizeof(id));
    snprintf(expected, sizeof(expected),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n", id[0], id[1],
             id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13],
             id[14], id[15]);
    ck_assert_str_eq(text, expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/check and clock");
    TCase *check = tcase_create("check");
    tcase_add_test(check, a_condition_that_holds_is_evaluated_once);
    tcase_add_test_raise_signal(check, a_condition_that_does_not_hold_aborts, SIGABRT);
    tcase_add_test(check, an_abort_says_file_line_and_condition);
    suite_add_tcase(suite, check);
    TCase *clock = tcase_create("clock");
    tcase_add_test(clock, clocks_agree_with_the_kernel_and_go_forward);
    tcase_add_test(clock, the_boot_id_is_the_kernels_and_stays);
    suite_add_tcase(suite, clock);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
