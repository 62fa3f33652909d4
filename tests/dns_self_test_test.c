/*
 * dns_self_test_test.c - when the self-test of validation passes, fails, or says nothing, and when
 * it tries again (standards.md DNS-08). No servers, and a clock of the test's own.
 */
#include "engine/dns/self_test.h"

#include "engine/base/log.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct self_test test;
static struct look_ups *look_ups;
static struct wheel *wheel;
static struct resolver_counts counts;
static uint64_t now_ms;
static struct look_up *root, *bogus;
static unsigned tops;

static int begin(void *context, struct look_up *look_up)
{
    (void)context;
    if (look_up->name.length == 0)
        root = look_up;
    else if (look_up->type == DNS_A)
        bogus = look_up;
    else
        tops++;
    return 0;
}

static void reply(void *context, struct dns_question *question)
{
    (void)context;
    ck_assert(self_test_takes(&test, question));
}

static void turn(void)
{
    struct wheel_timer *timer;
    look_ups_reply(look_ups);
    while ((timer = wheel_take_due(wheel, now_ms)))
        look_ups_due(look_ups, timer, now_ms);
    (void)self_test_turn(&test, now_ms);
    (void)look_ups_begin(look_ups, now_ms);
    look_ups_reply(look_ups);
}

static void open_test(const char *bogus_name)
{
    struct look_ups_limits limits = {50, 50, 50};
    struct look_ups_world world = {NULL, begin, reply};
    now_ms = 1000000;
    memset(&counts, 0, sizeof counts);
    root = bogus = NULL;
    tops = 0;
    ck_assert_int_eq(wheel_create(&wheel, now_ms), 0);
    ck_assert_int_eq(look_ups_create(&look_ups, &limits, &world, wheel, &counts), 0);
    ck_assert_int_eq(self_test_create(&test, look_ups, bogus_name, &counts), 0);
    turn();
    ck_assert_ptr_nonnull(root);
}

static void close_test(void)
{
    look_ups_stop(look_ups, now_ms);
    look_ups_destroy(look_ups);
    wheel_destroy(wheel);
}

/* The look-up ends so; DNS_BOGUS and DNS_ERROR are failures. */
static void end(struct look_up **look_up, enum dns_kind kind)
{
    struct look_up *ended = *look_up;
    ck_assert_ptr_nonnull(ended);
    *look_up = NULL;
    struct dns_answer *answer = calloc(1, sizeof *answer);
    atomic_init(&answer->references, 1);
    answer->kind = kind;
    answer->trouble = kind == DNS_ERROR ? DNS_TROUBLE_SERVFAIL : DNS_TROUBLE_NONE;
    answer->type = ended->type;
    answer->owner = ended->name;
    answer->at_ms = now_ms;
    answer->ttl_s = 60;
    look_up_answer(ended, answer);
    turn();
}

static enum resolver_self_test result(void)
{
    return (enum resolver_self_test)atomic_load(&counts.self_test);
}

/* How long until it asks the root again. */
static uint64_t pause_s(void)
{
    for (uint64_t s = 1; s < 1000; s++) {
        now_ms += 1000;
        turn();
        if (root)
            return s;
    }
    return UINT64_MAX;
}

START_TEST(a_secure_root_and_a_bogus_name_that_is_bogus_pass)
{
    open_test("bogus.example");
    ck_assert_int_eq(result(), SELF_TEST_PENDING);
    end(&root, DNS_SECURE_DATA);
    ck_assert_int_eq(result(), SELF_TEST_PENDING); /* half of it */
    ck_assert_uint_eq(tops, SELF_TEST_TOPS);
    end(&bogus, DNS_BOGUS);
    ck_assert_int_eq(result(), SELF_TEST_PASSED);
    ck_assert_uint_ge(pause_s(), 590);
    close_test();
}
END_TEST

START_TEST(without_a_bogus_name_the_root_decides_and_the_text_says_so)
{
    open_test(NULL);
    end(&root, DNS_SECURE_DATA);
    ck_assert_ptr_null(bogus);
    ck_assert_int_eq(result(), SELF_TEST_PASSED);
    ck_assert_ptr_nonnull(strstr(atomic_load(&test.text), "no bogus name"));
    close_test();
}
END_TEST

START_TEST(a_bogus_name_that_is_anything_else_fails)
{
    static const enum dns_kind kinds[] = {DNS_SECURE_DATA,     DNS_SECURE_NODATA,
                                          DNS_SECURE_NXDOMAIN, DNS_INSECURE_DATA,
                                          DNS_INSECURE_NODATA, DNS_INSECURE_NXDOMAIN};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        open_test("bogus.example");
        end(&root, DNS_SECURE_DATA);
        end(&bogus, kinds[i]);
        ck_assert_int_eq(result(), SELF_TEST_FAILED);
        ck_assert(!test.root_insecure);
        ck_assert(test.bogus_passes);
        close_test();
    }
}
END_TEST

START_TEST(a_root_that_is_not_secure_fails_and_is_marked)
{
    static const enum dns_kind kinds[] = {DNS_BOGUS, DNS_INSECURE_DATA, DNS_INSECURE_NODATA,
                                          DNS_SECURE_NODATA};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        open_test(NULL);
        end(&root, kinds[i]);
        ck_assert_int_eq(result(), SELF_TEST_FAILED);
        ck_assert_int_eq(test.root_insecure, kinds[i] != DNS_BOGUS);
        ck_assert_uint_le(pause_s(), 10); /* soon again, and it can recover */
        end(&root, DNS_SECURE_DATA);
        ck_assert_int_eq(result(), SELF_TEST_PASSED);
        ck_assert(!test.root_insecure);
        close_test();
    }
}
END_TEST

START_TEST(what_could_not_be_asked_decides_nothing)
{
    open_test("bogus.example");
    end(&root, DNS_ERROR);
    ck_assert_int_eq(result(), SELF_TEST_PENDING);
    ck_assert_ptr_nonnull(strstr(atomic_load(&test.text), "could not be asked"));
    ck_assert_uint_le(pause_s(), 10);
    end(&root, DNS_SECURE_DATA);
    end(&bogus, DNS_ERROR);
    ck_assert_int_eq(result(), SELF_TEST_PENDING);
    ck_assert(test.root_seen);
    ck_assert_uint_le(pause_s(), 20);
    end(&root, DNS_SECURE_DATA); /* although its failure was remembered: asked anew */
    end(&bogus, DNS_BOGUS);
    ck_assert_int_eq(result(), SELF_TEST_PASSED);
    (void)pause_s();
    end(&root, DNS_ERROR); /* a passed test stays passed through a bad moment */
    ck_assert_int_eq(result(), SELF_TEST_PASSED);
    close_test();
}
END_TEST

START_TEST(tries_grow_rarer_but_never_stop)
{
    uint64_t longest = 0;
    open_test(NULL);
    for (int i = 0; i < 20; i++) {
        end(&root, DNS_ERROR);
        uint64_t pause = pause_s();
        ck_assert_uint_ge(pause + 1, longest);
        longest = pause;
    }
    ck_assert_uint_le(longest, 70);
    ck_assert_uint_ge(longest, 55);
    close_test();
}
END_TEST

START_TEST(servers_that_never_answer_do_not_stop_the_test)
{
    open_test(NULL);
    root = NULL; /* the look-up stays inside for ever */
    for (int i = 0; i < 200; i++) {
        now_ms += 1000;
        turn();
    }
    ck_assert_uint_gt(counter_read(&counts.asked), 3);
    ck_assert_int_eq(result(), SELF_TEST_PENDING);
    close_test();
}
END_TEST

START_TEST(a_bogus_name_that_is_no_name_is_refused)
{
    ck_assert_int_lt(self_test_create(&test, NULL, "no name", &counts), 0);
    ck_assert_int_eq(self_test_create(&test, NULL, "", &counts), 0);
    ck_assert(!test.has_bogus);
}
END_TEST

int main(void)
{
    log_start(LOG_ERROR_LEVEL, "stderr");
    Suite *suite = suite_create("dns self-test");
    TCase *tests = tcase_create("self-test");
    tcase_add_test(tests, a_secure_root_and_a_bogus_name_that_is_bogus_pass);
    tcase_add_test(tests, without_a_bogus_name_the_root_decides_and_the_text_says_so);
    tcase_add_test(tests, a_bogus_name_that_is_anything_else_fails);
    tcase_add_test(tests, a_root_that_is_not_secure_fails_and_is_marked);
    tcase_add_test(tests, what_could_not_be_asked_decides_nothing);
    tcase_add_test(tests, tries_grow_rarer_but_never_stop);
    tcase_add_test(tests, servers_that_never_answer_do_not_stop_the_test);
    tcase_add_test(tests, a_bogus_name_that_is_no_name_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
