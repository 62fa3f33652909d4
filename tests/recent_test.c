/*
 * recent_test.c - answers given lately: only stricter for some seconds, and kept as long as the
 * record that they were made from.
 */
#include "ipc/decide/recent.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define STEADY_MS 5000
#define KEY       "policy a.example"

static struct recent *recent;
static _Atomic uint64_t cell;
static struct table_place place;

static void set_up(void)
{
    ck_assert_int_eq(recent_create(&recent, 64, STEADY_MS), 0);
    atomic_store(&cell, 7);
    place = (struct table_place){&cell, 7};
}

static void tear_down(void)
{
    recent_destroy(recent);
}

/* What is said at `now_ms` of `text`, so strict. */
static const char *said(const char *key, const char *text, uint8_t strictness, uint64_t now_ms)
{
    const struct recent_answer answer = {text, strlen(text), strictness};
    const struct recent_answer *given =
        recent_stricter(recent, key, strlen(key), &answer, NULL, 1, 1, 0, now_ms);
    static char out[2000];

    snprintf(out, sizeof out, "%.*s", (int)given->size, given->bytes);
    return out;
}

static void keep(const char *key, const char *text, uint64_t until_ms, uint64_t now_ms)
{
    const struct recent_answer answer = {text, strlen(text), STRICTNESS_OK};

    recent_stricter(recent, key, strlen(key), &answer, &place, 1, 1, until_ms, now_ms);
}

static bool is_served(const char *key, uint32_t moved, uint32_t epoch, uint64_t now_ms)
{
    return recent_served(recent, recent_hash(recent, key, strlen(key)), key, strlen(key), moved,
                         epoch, now_ms) != NULL;
}

START_TEST(a_milder_answer_gives_way_to_the_stricter_one_for_its_time)
{
    ck_assert_str_eq(said(KEY, "strict", 3, 1000), "strict");
    ck_assert_str_eq(said(KEY, "mild", 1, 1001), "strict");
    ck_assert_str_eq(said(KEY, "mild", 1, 1000 + STEADY_MS - 1), "strict");
    ck_assert_str_eq(said("policy b.example", "mild", 1, 1001), "mild");
    ck_assert_str_eq(said("guarantee/x a.example", "mild", 1, 1001), "mild");
    ck_assert_str_eq(said(KEY, "mild", 1, 1000 + STEADY_MS), "mild");
}
END_TEST

START_TEST(a_stricter_answer_holds_at_once_and_begins_the_time_anew)
{
    ck_assert_str_eq(said(KEY, "mild", 1, 1000), "mild");
    ck_assert_str_eq(said(KEY, "strict", 3, 2000), "strict");
    ck_assert_str_eq(said(KEY, "failed", STRICTNESS_FAIL, 3000), "failed");
    ck_assert_str_eq(said(KEY, "strict", 3, 3000 + STEADY_MS - 1), "failed");
    ck_assert_str_eq(said(KEY, "strict", 3, 3000 + STEADY_MS), "strict");
}
END_TEST

START_TEST(of_two_that_are_as_strict_the_new_one_is_said)
{
    said(KEY, "old", 3, 1000);
    ck_assert_str_eq(said(KEY, "new", 3, 1001), "new");
    ck_assert_str_eq(said(KEY, "mild", 2, 1002), "new");
}
END_TEST

START_TEST(a_kept_answer_ends_with_record_time_table_and_epoch)
{
    keep(KEY, "kept", 2000, 1000);
    ck_assert(is_served(KEY, 1, 1, 1999));
    ck_assert(!is_served(KEY, 1, 1, 2000));
    ck_assert(!is_served(KEY, 2, 1, 1999)); /* the place is void: it must not be looked at */
    ck_assert(!is_served(KEY, 1, 2, 1999));
    ck_assert(!is_served("policy a.exampl", 1, 1, 1999));
    ck_assert(!is_served("policy a.example.", 1, 1, 1999));
    atomic_store(&cell, 8);
    ck_assert(!is_served(KEY, 1, 1, 1999));
}
END_TEST

START_TEST(a_place_of_another_table_is_never_looked_at)
{
    place.cell = NULL;
    keep(KEY, "kept", 2000, 1000);
    ck_assert(!is_served(KEY, 2, 1, 1001));
}
END_TEST

START_TEST(an_answer_that_gave_way_to_a_stricter_one_is_not_served)
{
    keep(KEY, "kept", 9000, 1000);
    said(KEY, "strict", 3, 1001);
    ck_assert(!is_served(KEY, 1, 1, 1002));
    keep(KEY, "mild", 9000, 1003); /* strict is said instead */
    ck_assert(!is_served(KEY, 1, 1, 1004));
    ck_assert_str_eq(said(KEY, "mild", 1, 1005), "strict");
}
END_TEST

START_TEST(what_is_too_long_is_said_as_it_is)
{
    char key[RECENT_KEY_MAX + 2], text[1100];

    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    said(key, "strict", 3, 1000);
    ck_assert_str_eq(said(key, "mild", 1, 1001), "mild");
    said("", "strict", 3, 1000);
    ck_assert_str_eq(said("", "mild", 1, 1001), "mild");
    key[RECENT_KEY_MAX] = '\0'; /* the longest that is kept */
    said(key, "strict", 3, 1000);
    ck_assert_str_eq(said(key, "mild", 1, 1001), "strict");
    memset(text, 't', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert_str_eq(said(KEY, text, 1, 1000), text);
}
END_TEST

/* Short ones and long ones are kept in different places. */
START_TEST(an_answer_of_any_length_is_kept_whole)
{
    char text[1025];

    for (size_t length = 90; length <= 130; length++) {
        const struct recent_answer *served;

        memset(text, 'a' + (int)(length % 26), length);
        text[length] = '\0';
        keep(KEY, text, 9000, 1000);
        served = recent_served(recent, recent_hash(recent, KEY, strlen(KEY)), KEY, strlen(KEY), 1,
                               1, 1001);
        ck_assert_ptr_nonnull(served);
        ck_assert_uint_eq(served->size, length);
        ck_assert_mem_eq(served->bytes, text, length);
        ck_assert(!is_served("policy b.example", 1, 1, 1001));
    }
}
END_TEST

START_TEST(the_one_that_was_not_used_for_longest_gives_way)
{
    char key[40];
    unsigned strict = 0;

    /* Far more than there is room for: the first one is asked for again and again. */
    said("first", "strict", 3, 1000);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "key %u", i);
        said(key, "strict", 3, 1000 + i);
        ck_assert_str_eq(said("first", "mild", 1, 1001 + i), "strict");
    }
    for (unsigned i = 2000; i-- > 0;) { /* the last ones are there, and all others are not */
        snprintf(key, sizeof key, "key %u", i);
        strict += strcmp(said(key, "mild", 1, 3500), "strict") == 0;
    }
    ck_assert(strict > 16 && strict <= 64);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answers given lately");
    TCase *tests = tcase_create("answers given lately");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_milder_answer_gives_way_to_the_stricter_one_for_its_time);
    tcase_add_test(tests, a_stricter_answer_holds_at_once_and_begins_the_time_anew);
    tcase_add_test(tests, of_two_that_are_as_strict_the_new_one_is_said);
    tcase_add_test(tests, a_kept_answer_ends_with_record_time_table_and_epoch);
    tcase_add_test(tests, a_place_of_another_table_is_never_looked_at);
    tcase_add_test(tests, an_answer_that_gave_way_to_a_stricter_one_is_not_served);
    tcase_add_test(tests, what_is_too_long_is_said_as_it_is);
    tcase_add_test(tests, an_answer_of_any_length_is_kept_whole);
    tcase_add_test(tests, the_one_that_was_not_used_for_longest_gives_way);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
