/*
 * loop_pool_test.c - the pool against a naive model: lives, generations, zeroed memory.
 */
#include "engine/loop/pool.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}

START_TEST(a_slot_taken_is_zeroed_also_in_its_second_life)
{
    struct pool *pool;
    ck_assert_int_eq(pool_create(&pool, "test", 100, 2), 0);
    for (int life = 0; life < 3; life++) {
        uint8_t *object = pool_take(pool);
        for (size_t i = 0; i < 100; i++)
            ck_assert_uint_eq(object[i], 0);
        memset(object, 0xff, 100);
        pool_give(pool, object);
    }
    pool_destroy(pool);
}
END_TEST

START_TEST(running_out_is_null_and_ends_with_the_next_give)
{
    struct pool *pool;
    void *objects[3];
    ck_assert_int_eq(pool_create(&pool, "test", 8, 3), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(objects[i] = pool_take(pool));
    ck_assert_ptr_null(pool_take(pool));
    ck_assert_uint_eq(pool_used(pool), 3);
    pool_give(pool, objects[1]);
    ck_assert_ptr_eq(pool_take(pool), objects[1]);
    ck_assert_ptr_null(pool_take(pool));
    pool_destroy(pool);
}
END_TEST

START_TEST(a_generation_names_one_life_and_is_never_zero)
{
    struct pool *pool;
    ck_assert_int_eq(pool_create(&pool, "test", 64, 1), 0);
    uint32_t before = 0;
    for (int life = 0; life < 1000; life++) {
        void *object = pool_take(pool);
        uint32_t generation = pool_generation(pool, object);
        ck_assert_uint_ne(generation, 0);
        ck_assert_uint_ne(generation, before);
        ck_assert_ptr_null(pool_find(pool, 0, before));
        ck_assert_ptr_eq(pool_find(pool, 0, generation), object);
        pool_give(pool, object);
        ck_assert_ptr_null(pool_find(pool, 0, generation));
        ck_assert_ptr_null(pool_at(pool, 0));
        before = generation;
    }
    pool_destroy(pool);
}
END_TEST

/* Random takes and gives, compared with two plain arrays. */
START_TEST(random_takes_and_gives_agree_with_a_plain_array)
{
    enum { SLOTS = 37, STEPS = 20000 };
    struct pool *pool;
    struct thing {
        uint64_t mark;
    } * taken[SLOTS] = {0};
    uint32_t generations[SLOTS] = {0}, used = 0;
    random_state = 7;
    ck_assert_int_eq(pool_create(&pool, "test", sizeof(struct thing), SLOTS), 0);
    ck_assert_uint_eq(pool_slots(pool), SLOTS);
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint32_t slot = random_below(SLOTS);
        if (random_below(2) == 0) {
            struct thing *thing = pool_take(pool);
            ck_assert_int_eq(thing == NULL, used == SLOTS);
            if (thing == NULL)
                continue;
            ck_assert_uint_eq(thing->mark, 0);
            slot = pool_slot(pool, thing);
            ck_assert_ptr_null(taken[slot]);
            ck_assert_uint_ne(pool_generation(pool, thing), generations[slot]);
            thing->mark = slot + 1;
            generations[slot] = pool_generation(pool, thing);
            taken[slot] = thing;
            used++;
        } else if (taken[slot] != NULL) {
            ck_assert_uint_eq(taken[slot]->mark, slot + 1);
            pool_give(pool, taken[slot]);
            taken[slot] = NULL;
            used--;
        }
        ck_assert_uint_eq(pool_used(pool), used);
        ck_assert_ptr_eq(pool_at(pool, slot), taken[slot]);
        ck_assert_ptr_eq(pool_find(pool, slot, generations[slot]), taken[slot]);
    }
    ck_assert_ptr_null(pool_at(pool, SLOTS));
    ck_assert_ptr_null(pool_find(pool, UINT32_MAX, 1));
    pool_destroy(pool);
}
END_TEST

START_TEST(giving_back_twice_is_our_mistake_and_aborts)
{
    struct pool *pool;
    ck_assert_int_eq(pool_create(&pool, "test", 8, 2), 0);
    void *object = pool_take(pool);
    pool_give(pool, object);
    pool_give(pool, object);
}
END_TEST

START_TEST(giving_a_stranger_is_our_mistake_and_aborts)
{
    struct pool *pool;
    uint64_t stranger = 0;
    ck_assert_int_eq(pool_create(&pool, "test", 8, 2), 0);
    (void)pool_take(pool);
    pool_give(pool, &stranger);
}
END_TEST

START_TEST(a_pool_larger_than_memory_costs_nothing_until_it_is_used)
{
    struct pool *pool;
    /* 1 TiB of address space: more than any test machine has. */
    ck_assert_int_eq(pool_create(&pool, "test", 1 << 20, 1 << 20), 0);
    char *object = pool_take(pool);
    object[0] = 1;
    pool_give(pool, object);
    pool_destroy(pool);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("pool");
    tcase_add_test(tests, a_slot_taken_is_zeroed_also_in_its_second_life);
    tcase_add_test(tests, running_out_is_null_and_ends_with_the_next_give);
    tcase_add_test(tests, a_generation_names_one_life_and_is_never_zero);
    tcase_add_test(tests, random_takes_and_gives_agree_with_a_plain_array);
    tcase_add_test_raise_signal(tests, giving_back_twice_is_our_mistake_and_aborts, SIGABRT);
    tcase_add_test_raise_signal(tests, giving_a_stranger_is_our_mistake_and_aborts, SIGABRT);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* A sanitizer poisons or shadows the whole address space of the pool. */
    tcase_add_test(tests, a_pool_larger_than_memory_costs_nothing_until_it_is_used);
#else
    (void)a_pool_larger_than_memory_costs_nothing_until_it_is_used;
#endif
    Suite *suite = suite_create("loop/pool");
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
