/*
 * base_counter_test.c - histograms know every quantile to 12.5 %, and never flatter.
 */
#include "engine/base/counter.h"

#include <check.h>
#include <stdlib.h>

static struct histogram histogram; /* large, and zero at the start of each forked test */

START_TEST(an_empty_histogram_says_zero)
{
    ck_assert_uint_eq(histogram_count(&histogram), 0);
    ck_assert_uint_eq(histogram_quantile_us(&histogram, 0.5), 0);
}
END_TEST

START_TEST(a_value_comes_back_within_an_eighth_and_never_smaller)
{
    for (unsigned bit = 0; bit < 33; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t us = ((uint64_t)1 << bit) + (uint64_t)(int64_t)delta;
            struct histogram *one = calloc(1, sizeof(*one));
            ck_assert_ptr_nonnull(one);
            histogram_add(one, us);
            uint64_t back = histogram_quantile_us(one, 0.5);
            ck_assert_uint_ge(back, us);
            ck_assert_uint_le(back, us + us / 8);
            free(one);
        }
    }
}
END_TEST

START_TEST(small_values_are_exact)
{
    for (uint64_t us = 0; us < 16; us++) {
        struct histogram *one = calloc(1, sizeof(*one));
        ck_assert_ptr_nonnull(one);
        histogram_add(one, us);
        ck_assert_uint_eq(histogram_quantile_us(one, 1.0), us);
        free(one);
    }
}
END_TEST

START_TEST(values_beyond_the_range_count_in_the_last_bucket)
{
    histogram_add(&histogram, UINT64_MAX);
    histogram_add(&histogram, (uint64_t)1 << 40);
    ck_assert_uint_eq(histogram_count(&histogram), 2);
    ck_assert_uint_eq(counter_read(&histogram.buckets[HISTOGRAM_BUCKETS - 1]), 2);
}
END_TEST

START_TEST(quantiles_are_in_order_and_right)
{
    for (uint64_t us = 1; us <= 10000; us++)
        histogram_add(&histogram, us);
    static const double quantiles[] = {0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0};
    uint64_t last = 0;
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        uint64_t us = histogram_quantile_us(&histogram, quantiles[i]);
        double exact = quantiles[i] * 10000;
        ck_assert_uint_ge(us, last);
        ck_assert_double_ge((double)us, exact);
        ck_assert_double_le((double)us, exact * 1.126 + 1);
        last = us;
    }
    ck_assert_uint_eq(counter_read(&histogram.total_us), 10000u * 10001u / 2u);
}
END_TEST

START_TEST(merging_is_adding)
{
    struct histogram *other = calloc(1, sizeof(*other));
    ck_assert_ptr_nonnull(other);
    for (uint64_t i = 0; i < 100; i++)
        histogram_add(&histogram, 10), histogram_add(other, 1000000);
    histogram_merge(&histogram, other);
    ck_assert_uint_eq(histogram_count(&histogram), 200);
    ck_assert_uint_le(histogram_quantile_us(&histogram, 0.49), 11);
    ck_assert_uint_ge(histogram_quantile_us(&histogram, 0.51), 1000000);
    ck_assert_uint_eq(counter_read(&histogram.total_us), 100u * 1000010u);
    free(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/counter");
    TCase *histograms = tcase_create("histograms");
    tcase_add_test(histograms, an_empty_histogram_says_zero);
    tcase_add_test(histograms, a_value_comes_back_within_an_eighth_and_never_smaller);
    tcase_add_test(histograms, small_values_are_exact);
    tcase_add_test(histograms, values_beyond_the_range_count_in_the_last_bucket);
    tcase_add_test(histograms, quantiles_are_in_order_and_right);
    tcase_add_test(histograms, merging_is_adding);
    suite_add_tcase(suite, histograms);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
