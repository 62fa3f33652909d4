/*
 * admission_test.c - the window of running jobs under lag, and who waits first.
 */
#include "engine/schedule/admission.h"

#include <check.h>
#include <stdlib.h>

static struct admission admission;
static uint64_t now_ms;

static void set_up(void)
{
    now_ms = 5000;
    admission_start(&admission, 1000, now_ms);
}

static uint32_t live(void)
{
    return admission_allowed(&admission, ADMIT_LIVE);
}

/* Turns of 1 ms for so long, all with this lag, the window full. */
static void pass(uint64_t span_ms, uint64_t lag_ms)
{
    for (uint64_t i = 0; i < span_ms; i++)
        admission_observe(&admission, lag_ms, live(), ++now_ms);
}

START_TEST(without_lag_everything_may_run)
{
    pass(60000, 3);
    ck_assert_uint_eq(live(), 1000);
}
END_TEST

START_TEST(lag_shrinks_the_window_to_a_floor_and_never_to_nothing)
{
    pass(200, 150);
    ck_assert_uint_lt(live(), 800);
    pass(10000, 150);
    ck_assert_uint_eq(live(), 1000 / 64);
    for (int c = 0; c < ADMIT_CLASSES; c++)
        ck_assert_uint_ge(admission_allowed(&admission, (enum admission_class)c), 1);
    admission_start(&admission, 1, now_ms);
    pass(10000, 10000);
    ck_assert_uint_eq(admission_allowed(&admission, ADMIT_SCAN), 1);
}
END_TEST

START_TEST(severe_lag_halves)
{
    now_ms += 1000;
    admission_observe(&admission, 10000, 1000, now_ms);
    ck_assert_uint_eq(live(), 500);
    admission_observe(&admission, 10000, 1000, now_ms + 1); /* the same event, seen again */
    ck_assert_uint_eq(live(), 500);
}
END_TEST

START_TEST(it_grows_back_much_slower_than_it_shrank)
{
    uint64_t began_ms = now_ms;
    while (live() > 1000 / 64)
        pass(1, 1000);
    uint64_t shrank_ms = now_ms - began_ms;
    began_ms = now_ms;
    while (live() < 1000)
        pass(1, 0);
    ck_assert_uint_gt(now_ms - began_ms, 10 * shrank_ms);
    ck_assert_uint_lt(now_ms - began_ms, 30000); /* and yet it comes back */
}
END_TEST

START_TEST(a_middling_lag_keeps_the_window)
{
    pass(1000, 200);
    uint32_t window = live();
    pass(10000, 75);
    ck_assert_uint_eq(live(), window);
}
END_TEST

START_TEST(a_window_nobody_fills_does_not_grow)
{
    pass(5000, 1000);
    uint32_t window = live();
    for (int i = 0; i < 10000; i++)
        admission_observe(&admission, 0, window / 4, ++now_ms);
    ck_assert_uint_eq(live(), window);
}
END_TEST

START_TEST(scans_wait_first_then_refreshes_then_the_asked_and_live_last)
{
    for (int round = 0; round < 20; round++) {
        for (int c = ADMIT_LIVE; c < ADMIT_SCAN; c++)
            ck_assert_uint_gt(admission_allowed(&admission, (enum admission_class)c),
                              admission_allowed(&admission, (enum admission_class)(c + 1)));
        if (live() > 50)
            pass(200, 150);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule/admission");
    TCase *tests = tcase_create("admission");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, without_lag_everything_may_run);
    tcase_add_test(tests, lag_shrinks_the_window_to_a_floor_and_never_to_nothing);
    tcase_add_test(tests, severe_lag_halves);
    tcase_add_test(tests, it_grows_back_much_slower_than_it_shrank);
    tcase_add_test(tests, a_middling_lag_keeps_the_window);
    tcase_add_test(tests, a_window_nobody_fills_does_not_grow);
    tcase_add_test(tests, scans_wait_first_then_refreshes_then_the_asked_and_live_last);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
