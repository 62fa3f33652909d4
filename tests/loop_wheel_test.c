/*
 * loop_wheel_test.c - the timer wheel against a naive model (an array searched whole), with random
 * operations and random leaps of the clock.
 */
#include "engine/loop/wheel.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* For inner loops: ck_assert writes down every assertion that holds. */
#define REQUIRE(condition)                                     \
    do {                                                       \
        if (!(condition))                                      \
            ck_abort_msg("line %d: %s", __LINE__, #condition); \
    } while (0)

static uint64_t random_state;

static uint64_t random_word(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    uint64_t high = random_state >> 32;
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return high << 32 | random_state >> 32;
}

/* Small values mostly, of every order of magnitude sometimes. */
static uint64_t random_span(unsigned bits_max)
{
    return random_word() >> (64 - 1 - random_word() % bits_max);
}

enum { TIMERS = 64 };

struct model {
    struct wheel *wheel;
    struct wheel_timer timers[TIMERS];
    bool armed[TIMERS];
    uint64_t due_ms[TIMERS], now_ms;
};

static uint64_t model_next(const struct model *model)
{
    uint64_t next = UINT64_MAX;

    for (int i = 0; i < TIMERS; i++)
        if (model->armed[i] && model->due_ms[i] < next)
            next = model->due_ms[i];
    return next;
}

/* Takes what is due from the wheel and compares it with what the model says is due. */
static void model_take_due(struct model *model)
{
    struct wheel_timer *timer;

    while ((timer = wheel_take_due(model->wheel, model->now_ms)) != NULL) {
        long i = timer - model->timers;
        REQUIRE(i >= 0 && i < TIMERS && model->armed[i]);
        REQUIRE(timer->due_ms == model->due_ms[i]);
        REQUIRE(timer->due_ms <= model->now_ms);
        REQUIRE(!wheel_armed(timer));
        model->armed[i] = false;
    }
    for (int i = 0; i < TIMERS; i++)
        if (model->armed[i])
            REQUIRE(model->due_ms[i] > model->now_ms);
}

static void model_step(struct model *model, unsigned span_bits)
{
    unsigned i = (unsigned)(random_word() % TIMERS);

    switch (random_word() % 8) {
    case 0: /* time goes on, by any amount */
        model->now_ms += random_span(span_bits);
        model_take_due(model);
        break;
    case 1: /* exactly to the next timer, as the loop does */
        if (model_next(model) != UINT64_MAX && model_next(model) > model->now_ms)
            model->now_ms = model_next(model);
        model_take_due(model);
        break;
    case 2:
        wheel_disarm(model->wheel, &model->timers[i]);
        model->armed[i] = false;
        break;
    case 3: /* in the past, or now */
        model->due_ms[i] = model->now_ms - random_word() % (model->now_ms % 1000 + 1);
        model->armed[i] = true;
        wheel_arm(model->wheel, &model->timers[i], model->due_ms[i]);
        break;
    default:
        model->due_ms[i] = model->now_ms + random_span(span_bits);
        model->armed[i] = true;
        wheel_arm(model->wheel, &model->timers[i], model->due_ms[i]);
        break;
    }
    for (int j = 0; j < TIMERS; j++)
        REQUIRE(wheel_armed(&model->timers[j]) == model->armed[j]);
    /* "may be early, never late"; for what is overdue, now is right. */
    uint64_t latest_ms = model_next(model) > model->now_ms ? model_next(model) : model->now_ms;
    REQUIRE(wheel_next_ms(model->wheel) <= latest_ms);
    if (model_next(model) == UINT64_MAX)
        REQUIRE(wheel_next_ms(model->wheel) == UINT64_MAX);
}

static const struct {
    uint64_t start_ms;
    unsigned span_bits;
} plays[] = {
    {0, 8}, {1, 14}, {123456789, 20}, {(UINT64_C(1) << 36) - 5, 12}, {UINT64_C(1) << 40, 44},
};

START_TEST(random_operations_agree_with_a_naive_model)
{
    struct model model = {.now_ms = plays[_i].start_ms};
    random_state = (uint64_t)_i + 1;
    ck_assert_int_eq(wheel_create(&model.wheel, model.now_ms), 0);
    for (int step = 0; step < 200000; step++)
        model_step(&model, plays[_i].span_bits);
    wheel_destroy(model.wheel);
}
END_TEST

START_TEST(a_wheel_with_nothing_armed_never_wakes)
{
    struct wheel *wheel;
    ck_assert_int_eq(wheel_create(&wheel, 5), 0);
    ck_assert_uint_eq(wheel_next_ms(wheel), UINT64_MAX);
    ck_assert_ptr_null(wheel_take_due(wheel, 1000000));
    ck_assert_uint_eq(wheel_next_ms(wheel), UINT64_MAX);
    wheel_destroy(wheel);
}
END_TEST

START_TEST(a_timer_far_ahead_or_at_the_end_of_time_is_kept)
{
    struct wheel *wheel;
    struct wheel_timer far = {0}, never = {0};
    ck_assert_int_eq(wheel_create(&wheel, 1000), 0);
    wheel_arm(wheel, &far, UINT64_C(1) << 50);
    wheel_arm(wheel, &never, UINT64_MAX);
    ck_assert_ptr_null(wheel_take_due(wheel, (UINT64_C(1) << 50) - 1));
    ck_assert_ptr_eq(wheel_take_due(wheel, UINT64_C(1) << 50), &far);
    ck_assert_ptr_null(wheel_take_due(wheel, UINT64_MAX - 1));
    ck_assert_ptr_eq(wheel_take_due(wheel, UINT64_MAX), &never);
    wheel_destroy(wheel);
}
END_TEST

START_TEST(waking_at_next_ms_reaches_a_timer_in_a_bounded_number_of_turns)
{
    struct wheel *wheel;
    struct wheel_timer timer = {0};
    random_state = 3;
    for (int round = 0; round < 1000; round++) {
        uint64_t now_ms = random_span(50), due_ms = now_ms + 1 + random_span(40);
        unsigned turns = 0;
        ck_assert_int_eq(wheel_create(&wheel, now_ms), 0);
        wheel_arm(wheel, &timer, due_ms);
        while (wheel_take_due(wheel, now_ms) == NULL) {
            ck_assert_uint_gt(wheel_next_ms(wheel), now_ms);
            now_ms = wheel_next_ms(wheel);
            ck_assert_uint_lt(++turns, 12); /* one a level */
        }
        ck_assert_uint_eq(now_ms, due_ms);
        wheel_destroy(wheel);
    }
}
END_TEST

START_TEST(an_earlier_tick_comes_out_before_a_later_one)
{
    struct wheel *wheel;
    struct wheel_timer timers[200] = {0};
    random_state = 4;
    ck_assert_int_eq(wheel_create(&wheel, 0), 0);
    for (int i = 0; i < 200; i++)
        wheel_arm(wheel, &timers[i], 1 + random_word() % 100000);
    uint64_t before_ms = 0;
    for (int i = 0; i < 200; i++) {
        struct wheel_timer *timer = wheel_take_due(wheel, 100000);
        ck_assert_ptr_nonnull(timer);
        ck_assert_uint_ge(timer->due_ms, before_ms);
        before_ms = timer->due_ms;
    }
    wheel_destroy(wheel);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("wheel");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, random_operations_agree_with_a_naive_model, 0,
                        sizeof plays / sizeof *plays);
    tcase_add_test(tests, a_wheel_with_nothing_armed_never_wakes);
    tcase_add_test(tests, a_timer_far_ahead_or_at_the_end_of_time_is_kept);
    tcase_add_test(tests, waking_at_next_ms_reaches_a_timer_in_a_bounded_number_of_turns);
    tcase_add_test(tests, an_earlier_tick_comes_out_before_a_later_one);
    Suite *suite = suite_create("loop/wheel");
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
