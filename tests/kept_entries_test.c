/*
 * kept_entries_test.c - answers kept as what is their own beside a pattern come out as they went
 * in, to the same question alone, and only while nothing they were made of is another.
 */
#include "ipc/serve/kept_entries.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define ENTRIES 64

static struct kept_entries *entries;
static _Atomic uint64_t cell;
static struct kept_when when;

static void set_up(void)
{
    ck_assert_int_eq(kept_entries_create(&entries, ENTRIES), 0);
    atomic_store(&cell, 7);
    when = (struct kept_when){.moved = 1, .epoch = 1, .published = 1, .now_ms = 100000};
    kept_entries_begin(entries, when.moved);
}

static void tear_down(void)
{
    kept_entries_destroy(entries);
}

/* A frame as the front sends it. */
static size_t frame_make(char *out, const struct frame_answer *answer)
{
    const size_t size = frame_encode(out, KEPT_ANSWER_MAX, FRAME_ANSWER, 0, 0, answer);

    ck_assert_uint_gt(size, 0);
    return size;
}

static void keep(const char *question, const char *frame, size_t size, uint64_t until_ms)
{
    const struct kept_answer answer = {.question = question,
                                       .question_size = strlen(question),
                                       .frame = frame,
                                       .frame_size = size,
                                       .place = {&cell, 7},
                                       .until_ms = until_ms,
                                       .when = when};

    kept_entries_put(entries, kept_hash(question, strlen(question)), &answer);
}

/* The entry that answers it now; NULL: none does. */
static struct kept_entry *held(const char *question)
{
    const size_t size = strlen(question);
    struct kept_entry *entry = kept_find(entries, kept_hash(question, size));

    return entry != NULL && kept_holds(entry, question, size, &when) ? entry : NULL;
}

static void keep_some(const char *question, const char *policy, uint64_t until_ms)
{
    struct frame_answer answer = {.action = 1};
    char frame[KEPT_ANSWER_MAX];

    snprintf(answer.policy, sizeof answer.policy, "%s", policy);
    keep(question, frame, frame_make(frame, &answer), until_ms);
}

static void text_make(char *out, size_t size, unsigned kinds)
{
    const unsigned kind = (unsigned)rand() % kinds, length = kind * 37 % (unsigned)size;

    memset(out, 'a' + (int)(kind % 26), length);
    out[length] = '\0';
}

/* Any mixture of what is there and what is not, equal and different, short and long. */
static void answer_make(struct frame_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->action = (uint8_t)(rand() % 3);
    answer->demand = (uint8_t)(rand() % 3);
    answer->smtp_code = rand() % 2 ? 250 : 0;
    answer->class = (uint8_t)(rand() % 9);
    answer->cause = (uint16_t)(rand() % 2 ? 0 : rand());
    answer->began_ms = (uint64_t)(rand() % 3) << (rand() % 60);
    answer->now_ms = rand() % 4 ? UINT64_MAX : 0;
    answer->from_table = rand() % 2;
    text_make(answer->policy, 200, 4);
    text_make(answer->code, sizeof answer->code, 3);
    text_make(answer->text, 300, 8);
    text_make(answer->profile, sizeof answer->profile, 3);
    text_make(answer->host, sizeof answer->host, 40);
}

START_TEST(an_answer_comes_out_as_it_went_in_whatever_was_kept_before)
{
    for (unsigned i = 0; i < 100000; i++) {
        char frame[KEPT_ANSWER_MAX], out[KEPT_ANSWER_MAX + KEPT_STEP], question[32];
        struct frame_answer answer;
        struct kept_entry *entry;
        size_t size;

        when.moved += i % 10 == 0; /* patterns are made anew */
        kept_entries_begin(entries, when.moved);
        answer_make(&answer);
        size = frame_make(frame, &answer);
        snprintf(question, sizeof question, "question %d", rand() % 200);
        keep(question, frame, size, when.now_ms + 1000);
        entry = held(question);
        ck_assert_ptr_nonnull(entry);
        memset(out, 0x55, sizeof out);
        ck_assert_uint_eq(kept_write(entries, entry, out), size);
        ck_assert_int_eq(memcmp(out, frame, size), 0);
    }
}
END_TEST

START_TEST(what_was_kept_is_not_changed_by_what_is_kept_behind_it)
{
    char frames[ENTRIES][KEPT_ANSWER_MAX], question[ENTRIES][32];
    size_t sizes[ENTRIES];
    unsigned still = 0;

    for (unsigned round = 0; round < 200; round++) {
        kept_entries_begin(entries, ++when.moved);
        for (unsigned i = 0; i < ENTRIES / 2; i++) {
            struct frame_answer answer;

            answer_make(&answer);
            sizes[i] = frame_make(frames[i], &answer);
            snprintf(question[i], sizeof question[i], "%u of round %u", i, round);
            keep(question[i], frames[i], sizes[i], when.now_ms + 1000);
        }
        for (unsigned i = 0; i < ENTRIES / 2; i++) {
            char out[KEPT_ANSWER_MAX + KEPT_STEP];
            const struct kept_entry *entry = held(question[i]);

            if (entry == NULL) /* its set was full */
                continue;
            still++;
            ck_assert_uint_eq(kept_write(entries, entry, out), sizes[i]);
            ck_assert_int_eq(memcmp(out, frames[i], sizes[i]), 0);
        }
    }
    ck_assert_uint_gt(still, 200 * ENTRIES / 4);
}
END_TEST

/* A tag has 15 bits and a set is few: another question is told by its bytes. */
START_TEST(a_question_with_the_same_hash_is_another_question)
{
    struct kept_entry *entry;

    keep_some("question a", "encrypt", when.now_ms + 1000);
    entry = held("question a");
    ck_assert_ptr_nonnull(entry);
    ck_assert(!kept_holds(entry, "question b", strlen("question b"), &when));
    ck_assert(!kept_holds(entry, "question", strlen("question"), &when));
}
END_TEST

START_TEST(another_record_or_demand_or_setting_makes_it_void)
{
    keep_some("a", "encrypt", when.now_ms + 1000);
    ck_assert_ptr_nonnull(held("a"));
    when.moved++;
    ck_assert_ptr_null(held("a"));
    when.moved--;
    when.epoch++;
    ck_assert_ptr_null(held("a"));
    when.epoch--;
    atomic_store(&cell, 8);
    when.published++;
    ck_assert_ptr_null(held("a"));
    ck_assert_ptr_null(held("a")); /* seen once, it is not believed the next time */
}
END_TEST

START_TEST(what_others_publish_does_not_make_it_void)
{
    keep_some("a", "encrypt", when.now_ms + 1000);
    for (unsigned i = 0; i < 10; i++) {
        when.published++;
        ck_assert_ptr_nonnull(held("a"));
        ck_assert_ptr_nonnull(held("a"));
    }
}
END_TEST

START_TEST(what_is_full_is_begun_anew_and_not_before)
{
    unsigned kept = 0;
    char question[32];

    for (unsigned i = 0; i < 10000; i++) {
        snprintf(question, sizeof question, "question %u", i);
        keep_some(question, question, when.now_ms + 1000);
        kept += held(question) != NULL;
    }
    ck_assert_uint_ge(kept, ENTRIES / 4);
    ck_assert_uint_le(kept, ENTRIES * KEPT_LINES);
    ck_assert_ptr_null(held(question));
    kept_entries_begin(entries, when.moved);
    keep_some(question, question, when.now_ms + 1000);
    ck_assert_ptr_nonnull(held(question));
    ck_assert_ptr_null(held("question 0"));
}
END_TEST

START_TEST(it_holds_until_its_time_and_never_longer_than_two_seconds)
{
    const uint64_t began_ms = when.now_ms = (UINT64_C(1) << 32) - 500; /* low bits turn over */

    keep_some("a", "encrypt", began_ms + 1000);
    keep_some("b", "encrypt", UINT64_MAX);
    keep_some("c", "encrypt", began_ms);
    ck_assert_ptr_null(held("c"));
    when.now_ms = began_ms + 999;
    ck_assert_ptr_nonnull(held("a"));
    when.now_ms = began_ms + 1000;
    ck_assert_ptr_null(held("a"));
    ck_assert_ptr_nonnull(held("b"));
    when.now_ms = began_ms + KEPT_HOLDS_MS;
    ck_assert_ptr_null(held("b"));
}
END_TEST

START_TEST(what_is_too_long_or_has_evidence_too_old_is_not_kept)
{
    char question[KEPT_QUESTION_MAX + 2];
    struct kept_answer old = {
        .question = "old", .question_size = 3, .place = {&cell, 7}, .began_ms = 1, .age_at = 16};
    struct frame_answer answer = {.action = 1};
    char frame[KEPT_ANSWER_MAX];

    memset(question, 'q', sizeof question);
    question[KEPT_QUESTION_MAX + 1] = '\0';
    keep_some(question, "encrypt", when.now_ms + 1000);
    ck_assert_ptr_null(kept_find(entries, kept_hash(question, strlen(question))));
    question[KEPT_QUESTION_MAX] = '\0';
    keep_some(question, "encrypt", when.now_ms + 1000);
    ck_assert_ptr_nonnull(held(question));

    old.frame = frame;
    old.frame_size = frame_make(frame, &answer);
    when.now_ms = KEPT_AGE_MAX_MS;
    old.until_ms = when.now_ms + 1000;
    old.when = when;
    kept_entries_put(entries, kept_hash("old", 3), &old);
    ck_assert_ptr_nonnull(held("old"));
    when.now_ms++;
    old.when = when;
    old.question = "odd";
    kept_entries_put(entries, kept_hash("odd", 3), &old);
    ck_assert_ptr_null(held("odd"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answers kept as bytes");
    TCase *claims = tcase_create("claims");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(claims, set_up, tear_down);
    tcase_add_test(claims, an_answer_comes_out_as_it_went_in_whatever_was_kept_before);
    tcase_add_test(claims, what_was_kept_is_not_changed_by_what_is_kept_behind_it);
    tcase_add_test(claims, a_question_with_the_same_hash_is_another_question);
    tcase_add_test(claims, another_record_or_demand_or_setting_makes_it_void);
    tcase_add_test(claims, what_others_publish_does_not_make_it_void);
    tcase_add_test(claims, what_is_full_is_begun_anew_and_not_before);
    tcase_add_test(claims, it_holds_until_its_time_and_never_longer_than_two_seconds);
    tcase_add_test(claims, what_is_too_long_or_has_evidence_too_old_is_not_kept);
    suite_add_tcase(suite, claims);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
