/*
 * join_test.c - who shares which round (engine/probe/join): the freshness contract as arithmetic.
 */
#include "engine/probe/join.h"

#include <check.h>
#include <stdlib.h>

START_TEST(a_request_shares_a_round_that_begins_late_enough_FRESH_03)
{
    struct join join = {0};
    struct join_round round = {0};
    struct waiter first = {.not_before_ms = 100}, older = {.not_before_ms = 50},
                  same = {.not_before_ms = 100};

    ck_assert_int_eq(join_request(&join, &first), JOIN_START);
    waiters_add(&round.waiters, &first);
    join_begin(&join, &round);
    ck_assert_uint_eq(round.not_before_ms, 100);
    ck_assert_int_eq(join_request(&join, &older), JOIN_SHARED);
    ck_assert_int_eq(join_request(&join, &same), JOIN_SHARED);
    ck_assert_ptr_eq(waiters_take(&round.waiters), &first);
    ck_assert_ptr_eq(waiters_take(&round.waiters), &older);
    ck_assert_ptr_eq(waiters_take(&round.waiters), &same);
    ck_assert_ptr_null(waiters_take(&round.waiters));
}
END_TEST

START_TEST(work_that_began_earlier_does_not_serve_a_live_request_FRESH_03)
{
    struct join join = {0};
    struct join_round round = {0};
    struct waiter first = {.not_before_ms = 100}, live = {.not_before_ms = 101};

    waiters_add(&round.waiters, &first);
    join_begin(&join, &round);
    ck_assert_int_eq(join_request(&join, &live), JOIN_START);
}
END_TEST

START_TEST(who_wants_it_in_full_shares_no_round_that_is_not_TLS_24)
{
    struct join join = {0};
    struct join_round rounds[2] = {0}, third = {0};
    struct waiter first = {.not_before_ms = 100}, full = {.not_before_ms = 100, .in_full = true},
                  older = {.not_before_ms = 50},
                  older_full = {.not_before_ms = 50, .in_full = true},
                  last = {.not_before_ms = 101},
                  last_full = {.not_before_ms = 101, .in_full = true};
    struct waiters next;

    waiters_add(&rounds[0].waiters, &first);
    join_begin(&join, &rounds[0]);
    ck_assert(!rounds[0].in_full);
    ck_assert_int_eq(join_request(&join, &full), JOIN_START);
    waiters_add(&rounds[1].waiters, &full);
    join_begin(&join, &rounds[1]);
    ck_assert(rounds[1].in_full);
    ck_assert_int_eq(join_request(&join, &older), JOIN_SHARED);
    ck_assert_int_eq(join_request(&join, &older_full), JOIN_SHARED);
    ck_assert_ptr_eq(rounds[1].waiters.last, &older_full);
    ck_assert_int_eq(join_request(&join, &last_full), JOIN_GATHERED);
    ck_assert_int_eq(join_request(&join, &last), JOIN_GATHERED);
    ck_assert(join_end(&join, &rounds[1], &next)); /* the other one is not in full */
    waiters_move(&third.waiters, &next);
    join_begin(&join, &third);
    ck_assert(third.in_full); /* for one of them */
    ck_assert(!join_end(&join, &rounds[0], &next));
    ck_assert(!join_end(&join, &third, &next));
}
END_TEST

static bool began_at(void *context, const struct waiter *waiter)
{
    return waiter->not_before_ms <= *(const uint64_t *)context;
}

START_TEST(whoever_is_served_when_a_round_ends_is_answered_wherever_he_waits_FRESH_03)
{
    struct join join = {0};
    struct join_round rounds[2] = {0};
    struct waiter waiters[5] = {0};
    struct waiters served = {0}, next;
    uint64_t began_ms = 103;

    for (unsigned i = 0; i < 5; i++) {
        waiters[i].not_before_ms = 100 + i;
        if (join_request(&join, &waiters[i]) == JOIN_START) {
            waiters_add(&rounds[i].waiters, &waiters[i]);
            join_begin(&join, &rounds[i]);
        }
    }
    waiters_move(&served, &rounds[0].waiters);
    join_serve(&join, began_at, &began_ms, &served);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_ptr_eq(waiters_take(&served), &waiters[i]);
    ck_assert_ptr_null(waiters_take(&served));
    ck_assert(!join_end(&join, &rounds[0], &next)); /* the other round may serve the last one */
    ck_assert(join_end(&join, &rounds[1], &next));
    ck_assert_ptr_eq(waiters_take(&next), &waiters[4]);
    ck_assert(join_idle(&join));
}
END_TEST

START_TEST(who_gathers_waits_behind_no_round_that_is_less_urgent_or_more_patient)
{
    static const struct {
        uint8_t priority;
        uint64_t deadline_ms;
        bool in_full, waits;
    } rows[] = {/* the round that still runs */
                {1, 5000, false, true},  {0, 5000, false, true},  {1, 4999, false, true},
                {2, 5000, false, false}, {1, 5001, false, false}, {1, 5000, true, true}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct join join = {0};
        struct join_round ends = {0}, runs = {0};
        struct waiter first = {.not_before_ms = 100},
                      second = {.not_before_ms = 101,
                                .priority = rows[i].priority,
                                .deadline_ms = rows[i].deadline_ms,
                                .in_full = rows[i].in_full},
                      urgent = {.not_before_ms = 102, .priority = 1, .deadline_ms = 6000},
                      hasty = {.not_before_ms = 102, .priority = 3, .deadline_ms = 5000};
        struct waiters next;

        waiters_add(&ends.waiters, &first);
        join_begin(&join, &ends);
        waiters_add(&runs.waiters, &second);
        join_begin(&join, &runs);
        ck_assert_int_eq(join_request(&join, &urgent), JOIN_GATHERED);
        ck_assert_int_eq(join_request(&join, &hasty), JOIN_GATHERED);
        ck_assert_int_eq(join_end(&join, &ends, &next), !rows[i].waits);
        ck_assert_ptr_eq(next.first, rows[i].waits ? NULL : &urgent);
        ck_assert_int_eq(join_end(&join, &runs, &next), rows[i].waits);
    }
}
END_TEST

START_TEST(a_thousand_live_requests_cost_two_rounds_at_a_time_and_one_after)
{
    struct join join = {0};
    struct join_round rounds[3] = {0};
    struct waiter waiters[1000] = {0};
    struct waiters next;
    unsigned gathered = 0;

    for (unsigned i = 0; i < 1000; i++) {
        waiters[i].not_before_ms = 100 + i;
        switch (join_request(&join, &waiters[i])) {
        case JOIN_START:
            ck_assert_uint_lt(i, 2);
            waiters_add(&rounds[i].waiters, &waiters[i]);
            join_begin(&join, &rounds[i]);
            break;
        case JOIN_GATHERED:
            gathered++;
            break;
        case JOIN_SHARED:
            ck_abort_msg("a later request must not share an earlier round");
        }
    }
    ck_assert_uint_eq(gathered, 998);
    ck_assert(!join_end(&join, &rounds[0], &next));
    ck_assert(join_end(&join, &rounds[1], &next));
    ck_assert_uint_eq(next.not_before_ms, 1099);
    waiters_move(&rounds[2].waiters, &next);
    join_begin(&join, &rounds[2]);
    ck_assert(!join_idle(&join));
    ck_assert(!join_end(&join, &rounds[2], &next));
    ck_assert(join_idle(&join));
    for (unsigned i = 2; i < 1000; i++)
        ck_assert_ptr_eq(waiters_take(&rounds[2].waiters), &waiters[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("join");
    TCase *cases = tcase_create("rounds");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_test(cases, a_request_shares_a_round_that_begins_late_enough_FRESH_03);
    tcase_add_test(cases, work_that_began_earlier_does_not_serve_a_live_request_FRESH_03);
    tcase_add_test(cases, who_wants_it_in_full_shares_no_round_that_is_not_TLS_24);
    tcase_add_test(cases,
                   whoever_is_served_when_a_round_ends_is_answered_wherever_he_waits_FRESH_03);
    tcase_add_test(cases, who_gathers_waits_behind_no_round_that_is_less_urgent_or_more_patient);
    tcase_add_test(cases, a_thousand_live_requests_cost_two_rounds_at_a_time_and_one_after);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
