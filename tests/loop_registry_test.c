/*
 * loop_registry_test.c - jobs found or created by key, against a naive model.
 */
#include "engine/loop/registry.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define OBJECTS 32
#define KEYS    100

struct thing {
    struct registry_entry entry;
    unsigned key;
    bool busy;
};

static unsigned forgotten[KEYS];

static bool thing_is(const void *object, const void *key)
{
    return ((const struct thing *)object)->key == *(const unsigned *)key;
}

static void thing_begin(void *object, const void *key)
{
    ((struct thing *)object)->key = *(const unsigned *)key;
}

static bool thing_idle(const void *object)
{
    return !((const struct thing *)object)->busy;
}

static void thing_forget(void *object)
{
    forgotten[((struct thing *)object)->key]++;
}

static const struct registry_kind kind = {
    .name = "things",
    .bytes = sizeof(struct thing),
    .is = thing_is,
    .begin = thing_begin,
    .idle = thing_idle,
    .forget = thing_forget,
};

static struct registry *registry;

static void set_up(void)
{
    memset(forgotten, 0, sizeof forgotten);
    ck_assert_int_eq(registry_create(&registry, &kind, OBJECTS), 0);
}

static void tear_down(void)
{
    registry_destroy(registry);
}

static struct thing *find(unsigned key, uint64_t hash)
{
    return registry_find(registry, &key, hash);
}

START_TEST(the_same_key_is_the_same_object_and_an_equal_hash_is_not)
{
    struct thing *one = find(1, 7), *two = find(2, 7);

    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_ne(one, two);
    ck_assert_ptr_eq(find(1, 7), one);
    ck_assert_ptr_eq(find(2, 7), two);
    ck_assert_uint_eq(registry_count(registry), 2);
}
END_TEST

START_TEST(the_least_recently_used_idle_one_makes_room)
{
    for (unsigned key = 0; key < OBJECTS; key++)
        find(key, key);
    find(0, 0)->busy = true;
    find(1, 1);
    ck_assert_ptr_nonnull(find(50, 50)); /* 2 is now the oldest that is idle */
    ck_assert_uint_eq(forgotten[2], 1);
    ck_assert_uint_eq(forgotten[0] + forgotten[1], 0);
    find(0, 0)->busy = false;
}
END_TEST

START_TEST(the_oldest_idle_ones_can_be_forgotten_before_there_is_need)
{
    ck_assert_uint_eq(registry_forget_idle(registry, 4), 0);
    for (unsigned key = 0; key < 10; key++)
        find(key, key)->busy = key % 2 == 0;
    ck_assert_uint_eq(registry_forget_idle(registry, 4), 2); /* of 0, 1, 2 and 3 */
    ck_assert_uint_eq(forgotten[1] + forgotten[3], 2);
    ck_assert_uint_eq(registry_count(registry), 8);
    ck_assert_uint_eq(registry_forget_idle(registry, 100), 3);
    ck_assert_uint_eq(registry_count(registry), 5);
    for (unsigned key = 0; key < 10; key++) {
        ck_assert_uint_eq(forgotten[key], key % 2);
        if (key % 2 == 0)
            find(key, key)->busy = false;
    }
}
END_TEST

START_TEST(when_all_are_busy_there_is_no_room)
{
    for (unsigned key = 0; key < OBJECTS; key++)
        find(key, key)->busy = true;
    ck_assert_ptr_null(find(50, 50));
    ck_assert_ptr_nonnull(find(3, 3));
    for (unsigned key = 0; key < OBJECTS; key++)
        find(key, key)->busy = false;
}
END_TEST

START_TEST(a_slot_names_one_life_by_its_generation)
{
    struct thing *thing = find(5, 5);
    uint32_t slot = registry_slot(registry, thing);
    uint32_t generation = registry_generation(registry, thing);

    ck_assert_ptr_eq(registry_at(registry, slot), thing);
    for (unsigned key = 10; key < 10 + OBJECTS; key++)
        find(key, key);
    thing = registry_at(registry, slot);
    ck_assert_ptr_nonnull(thing);
    ck_assert_uint_ne(registry_generation(registry, thing), generation);
}
END_TEST

/* The model: an array of keys in order of use. */
START_TEST(it_behaves_like_a_list_in_order_of_use)
{
    unsigned order[OBJECTS], count = 0;

    srand(1);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned key = (unsigned)rand() % KEYS, at = 0, lost = KEYS;

        memset(forgotten, 0, sizeof forgotten);
        while (at < count && order[at] != key)
            at++;
        if (at == count && count == OBJECTS) {
            lost = order[0];
            at = 0;
        }
        if (at < count) {
            memmove(&order[at], &order[at + 1], (count - at - 1) * sizeof *order);
            count--;
        }
        order[count++] = key;
        ck_assert_uint_eq(find(key, key / 3)->key, key);
        for (unsigned k = 0; k < KEYS; k++) /* an assertion each would take minutes */
            if (forgotten[k] != (k == lost))
                ck_abort_msg("key %u was forgotten %u times", k, forgotten[k]);
        ck_assert_uint_eq(registry_count(registry), count);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry");
    TCase *cases = tcase_create("find, forget");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, the_same_key_is_the_same_object_and_an_equal_hash_is_not);
    tcase_add_test(cases, the_least_recently_used_idle_one_makes_room);
    tcase_add_test(cases, the_oldest_idle_ones_can_be_forgotten_before_there_is_need);
    tcase_add_test(cases, when_all_are_busy_there_is_no_room);
    tcase_add_test(cases, a_slot_names_one_life_by_its_generation);
    tcase_add_test(cases, it_behaves_like_a_list_in_order_of_use);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
