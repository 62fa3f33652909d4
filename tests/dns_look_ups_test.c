/*
 * dns_look_ups_test.c - the way of a question through a resolver, without servers and with a clock
 * of the test's own (standards.md DNS-09, DNS-13; design: a deadline becomes a finding about the
 * peer only if we were on time).
 *
 * The last test plays random sequences against the promise: every question is replied exactly once,
 * by its deadline, and nothing is left over.
 */
#include "engine/dns/look_ups.h"

#include "engine/base/limits.h"
#include "engine/dns/kept.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the world --- */

enum { BEGUN_MAX = 8192 };

static struct fixture {
    struct look_ups *look_ups;
    struct wheel *wheel;
    struct resolver_counts counts;
    uint64_t now_ms;
    struct look_up *begun[BEGUN_MAX]; /* in order; NULL once answered */
    unsigned begun_count, replies;
    enum { LATER, AT_ONCE, REFUSE } manner; /* of beginning */
} f;

static struct name named(const char *text)
{
    struct name name = {.length = (uint8_t)strlen(text)};
    memcpy(name.text, text, strlen(text));
    return name;
}

/* Any answer will do that is no failure: one made by hand. */
static const struct dns_answer *good_answer(const struct look_up *look_up)
{
    struct dns_answer *answer = calloc(1, sizeof *answer);
    atomic_init(&answer->references, 1);
    answer->kind = DNS_SECURE_NODATA;
    answer->type = look_up->type;
    answer->owner = look_up->name;
    answer->at_ms = f.now_ms;
    return answer;
}

static const struct dns_answer *failure(const struct look_up *look_up, enum dns_trouble trouble)
{
    return dns_answer_failure(&look_up->name, look_up->type, trouble, 2, f.now_ms, "as told");
}

static int begin(void *context, struct look_up *look_up)
{
    ck_assert_ptr_eq(context, &f);
    ck_assert_ptr_eq(look_up->context, &f);
    if (f.manner == REFUSE)
        return -ENOMEM;
    if (f.manner == AT_ONCE) {
        look_up_answer(look_up, good_answer(look_up));
        return 0;
    }
    ck_assert_uint_lt(f.begun_count, BEGUN_MAX);
    f.begun[f.begun_count++] = look_up;
    return 0;
}

static void reply(void *context, struct dns_question *question)
{
    ck_assert_ptr_eq(context, &f);
    ck_assert_ptr_nonnull(question->answer);
    ck_assert_ptr_null(question->look_up);
    f.replies++;
}

static void open_world(uint32_t held, uint32_t inside, uint32_t abandoned)
{
    struct look_ups_limits limits = {held, inside, abandoned};
    struct look_ups_world world = {&f, begin, reply};
    memset(&f, 0, sizeof f);
    f.now_ms = 1000000;
    ck_assert_int_eq(wheel_create(&f.wheel, f.now_ms), 0);
    ck_assert_int_eq(look_ups_create(&f.look_ups, &limits, &world, f.wheel, &f.counts), 0);
}

static void close_world(void)
{
    look_ups_stop(f.look_ups, f.now_ms);
    look_ups_destroy(f.look_ups);
    wheel_destroy(f.wheel);
}

static void ask(struct dns_question *question, const char *name, enum dns_type type,
                uint64_t budget_ms)
{
    *question = (struct dns_question){
        .name = named(name), .type = type, .deadline_ms = f.now_ms + budget_ms};
    look_ups_ask(f.look_ups, question, f.now_ms);
}

static void go(void) /* one turn of a loop */
{
    while (look_ups_begin(f.look_ups, f.now_ms))
        ;
    look_ups_reply(f.look_ups);
}

static void answer_begun(unsigned index, const struct dns_answer *answer)
{
    struct look_up *look_up = f.begun[index];
    ck_assert_ptr_nonnull(look_up);
    f.begun[index] = NULL;
    look_up_answer(look_up, answer);
    go();
}

/* Time goes on, noticed `late_ms` too late. */
static void pass(uint64_t ms, uint64_t late_ms)
{
    struct wheel_timer *timer;
    f.now_ms += ms + late_ms;
    while ((timer = wheel_take_due(f.wheel, f.now_ms)))
        look_ups_due(f.look_ups, timer, f.now_ms);
    go();
}

static void expect_trouble(struct dns_question *question, enum dns_trouble trouble)
{
    ck_assert_ptr_nonnull(question->answer);
    ck_assert_str_eq(dns_trouble_name(question->answer->trouble), dns_trouble_name(trouble));
    dns_answer_drop(question->answer);
    question->answer = NULL;
}

static void expect_good(struct dns_question *question)
{
    ck_assert_ptr_nonnull(question->answer);
    ck_assert_str_eq(dns_kind_name(question->answer->kind), dns_kind_name(DNS_SECURE_NODATA));
    ck_assert_str_eq(question->answer->owner.text, question->name.text);
    dns_answer_drop(question->answer);
    question->answer = NULL;
}

/* --- sharing --- */

START_TEST(questions_for_one_name_and_type_share_a_look_up)
{
    struct dns_question q[4];
    open_world(10, 5, 5);
    ask(&q[0], "a.example", DNS_MX, 1000);
    ask(&q[1], "a.example", DNS_MX, 1000); /* while it waits */
    go();
    ask(&q[2], "a.example", DNS_MX, 1000); /* while it is inside */
    ask(&q[3], "a.example", DNS_A, 1000);  /* another type */
    go();
    ck_assert_uint_eq(f.begun_count, 2);
    answer_begun(0, good_answer(f.begun[0]));
    ck_assert_uint_eq(f.replies, 3);
    for (int i = 0; i < 3; i++)
        expect_good(&q[i]);
    answer_begun(1, good_answer(f.begun[1]));
    expect_good(&q[3]);
    ask(&q[0], "a.example", DNS_MX, 1000); /* it is over: a new one */
    go();
    ck_assert_uint_eq(f.begun_count, 3);
    answer_begun(2, good_answer(f.begun[2]));
    expect_good(&q[0]);
    close_world();
}
END_TEST

START_TEST(answers_from_inside_a_begin_are_replied_after_it)
{
    struct dns_question q[200];
    open_world(300, 5, 5);
    f.manner = AT_ONCE;
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d.example", i);
        ask(&q[i], name, DNS_A, 1000);
    }
    ck_assert_uint_eq(f.replies, 0);
    ck_assert(look_ups_begin(f.look_ups, f.now_ms)); /* more than one turn's share */
    ck_assert_uint_eq(f.replies, 0);
    go();
    ck_assert_uint_eq(f.replies, 200);
    for (int i = 0; i < 200; i++)
        expect_good(&q[i]);
    close_world();
}
END_TEST

START_TEST(a_look_up_that_cannot_be_begun_is_our_own_failure)
{
    struct dns_question q[2];
    open_world(10, 5, 5);
    f.manner = REFUSE;
    ask(&q[0], "a.example", DNS_A, 1000);
    go();
    expect_trouble(&q[0], DNS_TROUBLE_OURS);
    f.manner = AT_ONCE;
    ask(&q[1], "a.example", DNS_A, 1000); /* and is not remembered */
    go();
    expect_good(&q[1]);
    close_world();
}
END_TEST

/* --- bounds --- */

START_TEST(only_so_many_are_inside_and_the_rest_follow_in_order)
{
    struct dns_question q[10];
    open_world(10, 3, 5);
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d.example", i);
        ask(&q[i], name, DNS_A, 1000);
    }
    go();
    ck_assert_uint_eq(f.begun_count, 3);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert_str_eq(f.begun[i]->name.text, q[i].name.text);
        answer_begun(i, good_answer(f.begun[i]));
        ck_assert_uint_eq(f.begun_count, i + 4 < 10 ? i + 4 : 10);
        expect_good(&q[i]);
    }
    close_world();
}
END_TEST

enum { DEAD = 200 };
static struct dns_question dead[DEAD];

/* Asks for many names of one domain. */
static void ask_dead(const char *domain, unsigned count, uint64_t budget_ms)
{
    for (unsigned i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "n%u.%s", i, domain);
        ask(&dead[i], name, DNS_A, budget_ms);
    }
}

static void expect_dead(unsigned begin, unsigned end, enum dns_trouble trouble)
{
    for (unsigned i = begin; i < end; i++)
        expect_trouble(&dead[i], trouble);
}

START_TEST(one_domain_leaves_half_of_the_places_to_others)
{
    struct dns_question q[21];
    open_world(500, 40, 40);
    ask_dead("dead.example", DEAD, 5000);
    go();
    ck_assert_uint_eq(f.begun_count, 20);
    for (unsigned i = 0; i < 21; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%u.example", i);
        ask(&q[i], name, DNS_A, 5000);
    }
    go();
    ck_assert_uint_eq(f.begun_count, 40); /* all places are used */
    for (unsigned i = 0; i < 20; i++)
        ck_assert_str_eq(f.begun[20 + i]->name.text, q[i].name.text);
    answer_begun(0, good_answer(f.begun[0])); /* the next place is the one's that has none */
    expect_good(&dead[0]);
    ck_assert_uint_eq(f.begun_count, 41);
    ck_assert_str_eq(f.begun[40]->name.text, q[20].name.text);
    for (unsigned i = 20; i < 41; i++) {
        answer_begun(i, good_answer(f.begun[i]));
        expect_good(&q[i - 20]);
    }
    ck_assert_uint_eq(f.begun_count, 42); /* back to its half */
    close_world();
    expect_dead(1, DEAD, DNS_TROUBLE_OURS);
}
END_TEST

START_TEST(one_domain_leaves_places_to_others_also_when_nobody_waits_for_its_names)
{
    struct dns_question q;
    open_world(500, 40, 40);
    for (unsigned round = 0; round < 10; round++) {
        char domain[32];
        snprintf(domain, sizeof domain, "r%u.dead.example", round);
        ask_dead(domain, DEAD, 100);
        go();
        ck_assert_uint_le(atomic_load(&f.counts.inside), 40);
        pass(100, 0);
        for (unsigned i = 0; i < DEAD; i++) {
            dns_answer_drop(dead[i].answer);
            dead[i].answer = NULL;
        }
    }
    ck_assert_uint_eq(f.begun_count, 40);
    ask(&q, "a.example", DNS_A, 1000);
    go();
    ck_assert_uint_eq(f.begun_count, 41);
    answer_begun(40, good_answer(f.begun[40]));
    expect_good(&q);
    close_world();
}
END_TEST

START_TEST(domains_are_taken_in_turn)
{
    struct dns_question q[2];
    open_world(500, 8, 8);
    ask_dead("dead.example", 4, 5000);
    ask(&q[0], "x.a.example", DNS_A, 5000);
    ask(&q[1], "y.a.example", DNS_A, 5000);
    static const char *const order[] = {"n0.dead.example", "x.a.example", "n1.dead.example",
                                        "y.a.example", "n2.dead.example"};
    go();
    ck_assert_uint_eq(f.begun_count, 5); /* three of the first, and three places free */
    for (unsigned i = 0; i < 5; i++)
        ck_assert_str_eq(f.begun[i]->name.text, order[i]);
    close_world();
    expect_dead(0, 4, DNS_TROUBLE_OURS);
    expect_trouble(&q[0], DNS_TROUBLE_OURS);
    expect_trouble(&q[1], DNS_TROUBLE_OURS);
}
END_TEST

START_TEST(a_question_over_the_cap_is_refused_at_once)
{
    struct dns_question q[5];
    open_world(3, 3, 5);
    ask(&q[0], "a.example", DNS_A, 1000);
    ask(&q[1], "a.example", DNS_A, 1000);
    ask(&q[2], "b.example", DNS_A, 1000);
    ask(&q[3], "c.example", DNS_A, 1000);
    ask(&q[4], "a.example", DNS_A, 1000); /* also one that could share */
    ck_assert_uint_eq(f.replies, 2);
    expect_trouble(&q[3], DNS_TROUBLE_OURS);
    expect_trouble(&q[4], DNS_TROUBLE_OURS);
    go();
    answer_begun(0, good_answer(f.begun[0]));
    expect_good(&q[0]);
    expect_good(&q[1]);
    ask(&q[3], "c.example", DNS_A, 1000);
    go();
    ck_assert_uint_eq(f.begun_count, 3);
    close_world();
    expect_trouble(&q[2], DNS_TROUBLE_OURS);
    expect_trouble(&q[3], DNS_TROUBLE_OURS);
}
END_TEST

/* --- deadlines --- */

START_TEST(a_question_whose_time_is_up_is_refused)
{
    struct dns_question q;
    open_world(3, 3, 5);
    ask(&q, "a.example", DNS_A, 0);
    expect_trouble(&q, DNS_TROUBLE_OURS);
    close_world();
}
END_TEST

START_TEST(a_deadline_is_the_servers_fault_only_if_they_had_the_question)
{
    struct dns_question q[2];
    open_world(10, 1, 5);
    ask(&q[0], "a.example", DNS_A, 1000);
    ask(&q[1], "b.example", DNS_A, 900);
    go();
    ck_assert_uint_eq(f.begun_count, 1);
    pass(900, 0);
    expect_trouble(&q[1], DNS_TROUBLE_OURS); /* it waited for us */
    pass(100, 0);
    expect_trouble(&q[0], DNS_TROUBLE_TIMEOUT);
    ck_assert_uint_eq(f.begun_count, 1); /* b is forgotten, not begun for nobody */
    close_world();
}
END_TEST

START_TEST(a_deadline_noticed_too_late_is_our_own_fault)
{
    struct dns_question q[2];
    open_world(10, 5, 5);
    ask(&q[0], "a.example", DNS_A, 5000);
    ask(&q[1], "b.example", DNS_A, 5000);
    go();
    pass(5000, LIMIT_DNS_LATE_MS + 1); /* stopped, or a long callback */
    expect_trouble(&q[0], DNS_TROUBLE_OURS);
    expect_trouble(&q[1], DNS_TROUBLE_OURS);
    ck_assert_uint_eq(counter_read(&f.counts.late), 2);
    ck_assert_uint_eq(counter_read(&f.counts.timed_out), 0);
    f.manner = LATER;
    ask(&q[0], "a.example", DNS_A, 5000); /* nothing is remembered of it */
    ck_assert_ptr_null(q[0].answer);
    pass(5000, LIMIT_DNS_LATE_MS);
    expect_trouble(&q[0], DNS_TROUBLE_TIMEOUT);
    close_world();
}
END_TEST

/* --- standstills --- */

/* This thread does nothing for a while, as resolver.c notices it: before its timers run. */
static void stand_still(uint64_t ms)
{
    f.now_ms += ms;
    look_ups_stood_still(f.look_ups, f.now_ms);
    pass(0, 0);
}

static void expect_ours(struct dns_question *question)
{
    ck_assert_ptr_nonnull(question->answer);
    ck_assert_str_eq(dns_kind_name(question->answer->kind), dns_kind_name(DNS_ERROR));
    ck_assert_uint_eq(question->answer->ttl_s, 0);
    expect_trouble(question, DNS_TROUBLE_OURS);
}

START_TEST(time_in_which_we_stood_still_is_not_the_servers_patience)
{
    static const uint64_t stops_ms[] = {2000, 2950, 3000, 3100, 3300};
    struct dns_question q;
    open_world(10, 5, 5);
    ask(&q, "a.example", DNS_A, 3000);
    go();
    stand_still(stops_ms[_i]);
    if (stops_ms[_i] < 3000)
        pass(3000 - stops_ms[_i], 0);
    expect_ours(&q);
    ck_assert_uint_eq(counter_read(&f.counts.late), 1);
    ck_assert_uint_eq(counter_read(&f.counts.timed_out), 0);
    ask(&q, "a.example", DNS_A, 3000); /* nothing is remembered of it */
    ck_assert_ptr_null(q.answer);
    go();
    answer_begun(0, good_answer(f.begun[0]));
    expect_good(&q);
    close_world();
}
END_TEST

/* Kinds of failure that libunbound's own timers, run out at once, look like. */
static const enum dns_trouble of_silence[] = {DNS_TROUBLE_SERVFAIL, DNS_TROUBLE_NONE /* bogus */};

START_TEST(a_failure_of_a_look_up_that_we_stood_still_in_is_ours)
{
    struct dns_question q;
    open_world(10, 5, 5);
    ask(&q, "a.example", DNS_A, 10000);
    go();
    stand_still(3000);
    pass(4000, 0); /* libunbound tries again before it gives up */
    answer_begun(0, failure(f.begun[0], of_silence[_i]));
    expect_ours(&q);
    ask(&q, "a.example", DNS_A, 10000);
    ck_assert_ptr_null(q.answer);
    close_world();
    expect_ours(&q);
}
END_TEST

START_TEST(a_failure_that_was_there_when_the_standstill_was_noticed_is_ours)
{
    struct dns_question q;
    open_world(10, 5, 5);
    ask(&q, "a.example", DNS_A, 10000);
    go();
    f.now_ms += 3000;
    look_up_answer(f.begun[0], failure(f.begun[0], of_silence[_i]));
    stand_still(0);
    expect_ours(&q);
    close_world();
}
END_TEST

START_TEST(failures_are_ours_until_libunbound_has_forgotten_the_standstill)
{
    struct dns_question q;
    open_world(10, 5, 5);
    stand_still(3000);
    pass(LIMIT_DNS_STILL_GRACE_MS, 0);
    ask(&q, "a.example", DNS_A, 3000);
    go();
    answer_begun(0, failure(f.begun[0], of_silence[_i]));
    expect_ours(&q);
    ask(&q, "b.example", DNS_A, 3000);
    go();
    pass(3000, 0);
    expect_ours(&q);
    ask(&q, "a.example", DNS_A, 3000); /* begun after it: theirs */
    go();
    answer_begun(2, failure(f.begun[2], of_silence[_i]));
    expect_trouble(&q, of_silence[_i]);
    ask(&q, "c.example", DNS_A, 3000);
    go();
    pass(3000, 0);
    expect_trouble(&q, DNS_TROUBLE_TIMEOUT);
    close_world();
}
END_TEST

START_TEST(what_servers_said_themselves_stays_theirs_after_a_standstill)
{
    static const enum dns_trouble troubles[] = {DNS_TROUBLE_MALFORMED, DNS_TROUBLE_ALIASES};
    struct dns_question q;
    open_world(10, 5, 5);
    ask(&q, "a.example", DNS_A, 10000);
    go();
    stand_still(3000);
    answer_begun(0, failure(f.begun[0], troubles[_i]));
    expect_trouble(&q, troubles[_i]);
    ask(&q, "b.example", DNS_A, 10000);
    go();
    stand_still(3000);
    answer_begun(1, good_answer(f.begun[1]));
    expect_good(&q);
    close_world();
}
END_TEST

START_TEST(an_answer_that_is_there_wins_over_the_deadline)
{
    struct dns_question q;
    open_world(10, 5, 5);
    ask(&q, "a.example", DNS_A, 1000);
    go();
    f.now_ms += 1000;
    look_up_answer(f.begun[0], good_answer(f.begun[0]));
    pass(0, 0);
    expect_good(&q);
    close_world();
}
END_TEST

START_TEST(each_asker_has_a_deadline_of_its_own)
{
    struct dns_question q[2];
    open_world(10, 5, 5);
    ask(&q[0], "a.example", DNS_A, 100);
    ask(&q[1], "a.example", DNS_A, 3000);
    go();
    pass(100, 0);
    expect_trouble(&q[0], DNS_TROUBLE_TIMEOUT);
    ck_assert_ptr_null(q[1].answer);
    answer_begun(0, good_answer(f.begun[0]));
    expect_good(&q[1]);
    close_world();
}
END_TEST

/* --- abandoned look-ups --- */

START_TEST(an_abandoned_look_up_gives_its_place_away_and_can_be_joined_again)
{
    struct dns_question q[4];
    open_world(10, 1, 5);
    ask(&q[0], "a.example", DNS_A, 100);
    go();
    pass(100, 0);
    expect_trouble(&q[0], DNS_TROUBLE_TIMEOUT);
    ask(&q[1], "b.example", DNS_A, 1000);
    go();
    ck_assert_uint_eq(f.begun_count, 2); /* its place */
    ask(&q[2], "a.example", DNS_A, 1000);
    go();
    ck_assert_uint_eq(f.begun_count, 2); /* joined, not asked again */
    ck_assert_uint_eq(atomic_load(&f.counts.inside), 2);
    answer_begun(1, good_answer(f.begun[1]));
    expect_good(&q[1]);
    ask(&q[3], "c.example", DNS_A, 1000);
    go();
    ck_assert_uint_eq(f.begun_count, 2); /* the place is a's again */
    answer_begun(0, good_answer(f.begun[0]));
    expect_good(&q[2]);
    answer_begun(2, good_answer(f.begun[2]));
    expect_good(&q[3]);
    ck_assert_uint_eq(atomic_load(&f.counts.inside), 0);
    close_world();
}
END_TEST

START_TEST(abandoned_look_ups_are_bounded_and_then_hold_up_new_ones)
{
    struct dns_question q[6];
    open_world(10, 2, 3);
    for (unsigned i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%u.example", i);
        ask(&q[i], name, DNS_A, 100);
        go();
        if (i < 5) {
            ck_assert_uint_eq(f.begun_count, i + 1);
            pass(100, 0);
            expect_trouble(&q[i], DNS_TROUBLE_TIMEOUT);
        }
    }
    ck_assert_uint_eq(f.begun_count, 5); /* 2 + 3: the sixth waits */
    answer_begun(3, good_answer(f.begun[3]));
    ck_assert_uint_eq(f.begun_count, 6);
    answer_begun(5, good_answer(f.begun[5]));
    expect_good(&q[5]);
    close_world();
}
END_TEST

/* --- memory of failures --- */

START_TEST(failures_are_remembered_a_minute_by_our_own_clock_DNS_09)
{
    static const enum dns_trouble troubles[] = {DNS_TROUBLE_NONE /* bogus */, DNS_TROUBLE_SERVFAIL,
                                                DNS_TROUBLE_MALFORMED, DNS_TROUBLE_LIMITED,
                                                DNS_TROUBLE_ALIASES};
    for (size_t t = 0; t < sizeof troubles / sizeof *troubles; t++) {
        struct dns_question q;
        open_world(10, 5, 5);
        ask(&q, "a.example", DNS_A, 1000);
        go();
        answer_begun(0, failure(f.begun[0], troubles[t]));
        expect_trouble(&q, troubles[t]);
        uint64_t failed_ms = f.now_ms;
        for (int i = 0; i < 59; i++) {
            pass(1000, 0);
            ask(&q, "a.example", DNS_A, 1000);
            ck_assert_uint_eq(q.answer->at_ms, failed_ms); /* its true age */
            expect_trouble(&q, troubles[t]);
            ck_assert_uint_eq(f.begun_count, 1);
        }
        ask(&q, "a.example", DNS_AAAA, 1000); /* only this type */
        go();
        ck_assert_uint_eq(f.begun_count, 2);
        pass(1000, 0);
        expect_trouble(&q, DNS_TROUBLE_TIMEOUT);
        ask(&q, "a.example", DNS_A, 1000);
        go();
        ck_assert_uint_eq(f.begun_count, 3);
        close_world();
        expect_trouble(&q, DNS_TROUBLE_OURS);
    }
}
END_TEST

START_TEST(a_timeout_is_remembered_only_after_patience_and_until_it_works)
{
    struct dns_question q;
    open_world(10, 5, 5);
    ask(&q, "a.example", DNS_A, LIMIT_DNS_PATIENCE_MS - 1);
    go();
    pass(LIMIT_DNS_PATIENCE_MS - 1, 0);
    expect_trouble(&q, DNS_TROUBLE_TIMEOUT);
    ask(&q, "a.example", DNS_A, 1);
    ck_assert_ptr_null(q.answer);
    pass(1, 0);
    expect_trouble(&q, DNS_TROUBLE_TIMEOUT);
    ask(&q, "a.example", DNS_A, 1000);
    expect_trouble(&q, DNS_TROUBLE_TIMEOUT); /* from memory */
    ck_assert_uint_eq(counter_read(&f.counts.cached_failures), 1);
    answer_begun(0, good_answer(f.begun[0])); /* the servers were only slow */
    ask(&q, "a.example", DNS_A, 1000);
    ck_assert_ptr_null(q.answer);
    go();
    answer_begun(1, good_answer(f.begun[1]));
    expect_good(&q);
    close_world();
}
END_TEST

START_TEST(what_is_kept_is_bounded_and_the_newest_stays)
{
    struct kept_answers *failures;
    ck_assert_int_eq(kept_answers_create(&failures, LIMIT_DNS_FAILURES), 0);
    enum { MANY = 3 * LIMIT_DNS_FAILURES };
    for (unsigned i = 0; i < MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "n%u.example", i);
        struct name name = named(text);
        const struct dns_answer *answer =
            dns_answer_failure(&name, DNS_A, DNS_TROUBLE_SERVFAIL, 2, 1000 + i, "x");
        kept_answers_put(failures, answer);
        dns_answer_drop(answer);
        ck_assert_ptr_nonnull(kept_answers_find(failures, &name, DNS_A, 1000 + i));
    }
    unsigned found = 0, of_the_last = 0;
    for (unsigned i = 0; i < MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "n%u.example", i);
        struct name name = named(text);
        bool is_there = kept_answers_find(failures, &name, DNS_A, 1000 + MANY) != NULL;
        found += is_there;
        of_the_last += is_there && i >= MANY - 100;
    }
    ck_assert_uint_le(found, LIMIT_DNS_FAILURES);
    ck_assert_uint_gt(found, LIMIT_DNS_FAILURES * 8 / 10);
    ck_assert_uint_eq(of_the_last, 100);
    kept_answers_destroy(failures);
}
END_TEST

START_TEST(stopping_replies_to_every_question_once)
{
    struct dns_question q[9];
    open_world(10, 3, 5);
    ask(&q[0], "a.example", DNS_A, 100);
    go();
    pass(100, 0); /* one abandoned */
    expect_trouble(&q[0], DNS_TROUBLE_TIMEOUT);
    unsigned before = f.replies;
    for (int i = 0; i < 9; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d.example", i / 2);
        ask(&q[i], name, DNS_A, 1000);
    }
    go();
    close_world();
    ck_assert_uint_eq(f.replies, before + 9);
    for (int i = 0; i < 9; i++)
        expect_trouble(&q[i], DNS_TROUBLE_OURS);
}
END_TEST

/* --- any sequence --- */

enum { QUESTIONS = 60, STEPS = 10000, NAMES = 25 };

static struct played {
    struct dns_question question;
    bool out;
} played[QUESTIONS];
static unsigned played_replies;

static void played_reply(void *context, struct dns_question *question)
{
    struct played *p = container_of(question, struct played, question);
    (void)context;
    ck_assert(p->out); /* never twice, never unasked */
    ck_assert_ptr_nonnull(question->answer);
    if (question->answer->kind == DNS_SECURE_NODATA)
        ck_assert_str_eq(question->answer->owner.text, question->name.text);
    dns_answer_drop(question->answer);
    question->answer = NULL;
    p->out = false;
    played_replies++;
}

static void play_ask(void)
{
    struct played *p = &played[rand() % QUESTIONS];
    char name[32];
    if (p->out)
        return;
    int number = rand() % NAMES;
    snprintf(name, sizeof name, "n%d.d%d.example", number, number % 7);
    p->out = true;
    ask(&p->question, name, rand() % 2 ? DNS_A : DNS_TLSA, (uint64_t)(rand() % 4000));
}

static void play_answer(void)
{
    unsigned index = (unsigned)rand() % (f.begun_count + 1);
    for (; index < f.begun_count && !f.begun[index]; index++)
        ;
    if (index >= f.begun_count)
        return;
    struct look_up *look_up = f.begun[index];
    f.begun[index] = NULL;
    look_up_answer(look_up,
                   rand() % 3 ? good_answer(look_up) : failure(look_up, DNS_TROUBLE_SERVFAIL));
    if (rand() % 2)
        look_ups_reply(f.look_ups);
    while (f.begun_count > 0 && !f.begun[f.begun_count - 1])
        f.begun_count--;
}

static void nothing_is_overdue(void)
{
    for (unsigned i = 0; i < QUESTIONS; i++)
        ck_assert(!played[i].out || played[i].question.deadline_ms > f.now_ms);
}

START_TEST(whatever_happens_every_question_is_replied_once_and_in_time)
{
    srand((unsigned)_i + 1);
    open_world(20, 4, 6);
    struct look_ups_limits limits = {20, 4, 6};
    struct look_ups_world world = {&f, begin, played_reply};
    look_ups_destroy(f.look_ups);
    ck_assert_int_eq(look_ups_create(&f.look_ups, &limits, &world, f.wheel, &f.counts), 0);
    memset(played, 0, sizeof played);
    for (unsigned step = 0; step < STEPS; step++) {
        f.manner = rand() % 20 == 0 ? REFUSE : rand() % 10 == 0 ? AT_ONCE : LATER;
        switch (rand() % 6) {
        case 0:
        case 1:
        case 2:
            play_ask();
            break;
        case 3:
            play_answer();
            break;
        case 4:
            look_ups_begin(f.look_ups, f.now_ms);
            break;
        default:
            if (rand() % 100 == 0)
                stand_still((uint64_t)(rand() % 5000));
            pass((uint64_t)(rand() % 500), rand() % 50 == 0 ? 1000 : 0);
            nothing_is_overdue();
        }
        ck_assert_uint_le(atomic_load(&f.counts.held), 20);
        ck_assert_uint_le(atomic_load(&f.counts.inside), 10);
    }
    close_world();
    for (unsigned i = 0; i < QUESTIONS; i++)
        ck_assert(!played[i].out);
    ck_assert_uint_eq(counter_read(&f.counts.asked), counter_read(&f.counts.answered));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dns look-ups");
    TCase *tests = tcase_create("look-ups");
    tcase_add_test(tests, questions_for_one_name_and_type_share_a_look_up);
    tcase_add_test(tests, answers_from_inside_a_begin_are_replied_after_it);
    tcase_add_test(tests, a_look_up_that_cannot_be_begun_is_our_own_failure);
    tcase_add_test(tests, only_so_many_are_inside_and_the_rest_follow_in_order);
    tcase_add_test(tests, one_domain_leaves_half_of_the_places_to_others);
    tcase_add_test(tests, one_domain_leaves_places_to_others_also_when_nobody_waits_for_its_names);
    tcase_add_test(tests, domains_are_taken_in_turn);
    tcase_add_test(tests, a_question_over_the_cap_is_refused_at_once);
    tcase_add_test(tests, a_question_whose_time_is_up_is_refused);
    tcase_add_test(tests, a_deadline_is_the_servers_fault_only_if_they_had_the_question);
    tcase_add_test(tests, a_deadline_noticed_too_late_is_our_own_fault);
    tcase_add_loop_test(tests, time_in_which_we_stood_still_is_not_the_servers_patience, 0, 5);
    tcase_add_loop_test(tests, a_failure_of_a_look_up_that_we_stood_still_in_is_ours, 0, 2);
    tcase_add_loop_test(tests, a_failure_that_was_there_when_the_standstill_was_noticed_is_ours, 0,
                        2);
    tcase_add_loop_test(tests, failures_are_ours_until_libunbound_has_forgotten_the_standstill, 0,
                        2);
    tcase_add_loop_test(tests, what_servers_said_themselves_stays_theirs_after_a_standstill, 0, 2);
    tcase_add_test(tests, an_answer_that_is_there_wins_over_the_deadline);
    tcase_add_test(tests, each_asker_has_a_deadline_of_its_own);
    tcase_add_test(tests, an_abandoned_look_up_gives_its_place_away_and_can_be_joined_again);
    tcase_add_test(tests, abandoned_look_ups_are_bounded_and_then_hold_up_new_ones);
    tcase_add_test(tests, failures_are_remembered_a_minute_by_our_own_clock_DNS_09);
    tcase_add_test(tests, a_timeout_is_remembered_only_after_patience_and_until_it_works);
    tcase_add_test(tests, what_is_kept_is_bounded_and_the_newest_stays);
    tcase_add_test(tests, stopping_replies_to_every_question_once);
    tcase_add_loop_test(tests, whatever_happens_every_question_is_replied_once_and_in_time, 0, 8);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
