/*
 * table_record_test.c - a verdict in a slot: what goes in comes out, and nothing else ever does.
 */
#include "tests/table_support.h"

#include "shm/record.h"

START_TEST(a_verdict_comes_back_as_it_went_in)
{
    for (uint64_t number = 0; number < 20000; number++) {
        struct numbered numbered;
        struct verdict in, out;
        union record record;
        memset(&record, 0x55, sizeof record);
        numbered_key(&numbered, number);
        value_of(&in, number, (uint32_t)number * 7);
        const size_t words = record_pack(&record, number, &numbered.key, &in);
        CLAIM(words == (record_bytes(&numbered.key, &in) + 7) / 8);
        CLAIM(words == record_words(&record.fixed));
        CLAIM(record_is_sound(&record));
        CLAIM(record_has_key(&record, &numbered.key));
        CLAIM(record_unpack(&record, &out));
        CLAIM(verdict_same(&in, &out));
    }
}
END_TEST

START_TEST(the_longest_verdict_fits_the_largest_slot)
{
    char text[TABLE_KEY_MAX + 1];
    struct table_key key;
    struct verdict in = {0}, out;
    union record record;

    memset(text, 'k', sizeof text);
    memset(in.host, 'h', sizeof in.host - 1);
    memset(in.match, 'm', sizeof in.match - 1);
    CLAIM(!table_key_make(&key, text, sizeof text));
    CLAIM(!table_key_make(&key, text, 0));
    CLAIM(table_key_make(&key, text, TABLE_KEY_MAX));
    const size_t words = record_pack(&record, 1, &key, &in);
    CLAIM(words <= RECORD_WORDS_MAX);
    CLAIM(record_is_sound(&record) && record_unpack(&record, &out));
    CLAIM(verdict_same(&in, &out));
}
END_TEST

/* Names from ordinary life: the average stays below 192 bytes a domain at 80 % load, index
 * included. */
START_TEST(typical_domains_take_the_smallest_slot)
{
    static const char *const names[][2] = {
        {"posteo.de", "mx01.posteo.de"},
        {"gmail.com", "gmail-smtp-in.l.google.com"},
        {"kirchenkreis-hamburg-ost.de", "kirchenkreis-hamburg-ost-de.mail.protection.outlook.com"},
        {"mailbox.org", "mxext1.mailbox.org"},
        {"example-company.co.uk", "examplecompany-co-uk.mail.protection.outlook.com"},
        {"musterfirma.de", "mx00.kundenserver.de"},
        {"uni-tuebingen.de", "mx03.uni-tuebingen.de"},
        {"verein-der-freunde.example.org", "mail.verein-der-freunde.example.org"},
        {"web.de", "mx-ha02.web.de"},
        {"t-online.de", "mx03.t-online.de"},
        {"handwerkskammer-ulm.de", "mail.handwerkskammer-ulm.de.mx.antispameurope.com"},
    };
    const size_t count = sizeof names / sizeof *names;
    size_t small = 0;

    for (size_t i = 0; i < count; i++) {
        struct table_key key;
        struct verdict verdict = {.class = CLASS_DANE};
        table_key_make(&key, names[i][0], strlen(names[i][0]));
        snprintf(verdict.host, sizeof verdict.host, "%s", names[i][1]);
        small += record_bytes(&key, &verdict) <= table_class_bytes[0];
    }
    const size_t slots = small * table_class_bytes[0] + (count - small) * table_class_bytes[1];
    const size_t index = sizeof(struct table_line) / 4;
    ck_assert_uint_le((slots / count + index) * 10 / 8, 192);
}
END_TEST

START_TEST(validity_beyond_49_days_is_cut_never_wrapped)
{
    struct numbered numbered;
    struct verdict in = {.began_ms = 1000, .valid_until_ms = 1000 + (1ULL << 40)}, out;
    union record record;

    numbered_key(&numbered, 1);
    record_pack(&record, 1, &numbered.key, &in);
    CLAIM(record_unpack(&record, &out));
    CLAIM(out.valid_until_ms == 1000 + (uint64_t)UINT32_MAX);
    in.valid_until_ms = 10;
    record_pack(&record, 1, &numbered.key, &in);
    CLAIM(record_unpack(&record, &out));
    CLAIM(out.valid_until_ms == in.began_ms);
}
END_TEST

START_TEST(one_flipped_bit_anywhere_makes_it_unsound)
{
    struct numbered numbered;
    struct verdict in;
    union record record;

    numbered_key(&numbered, 7);
    value_of(&in, 7, 4);
    record_pack(&record, 99, &numbered.key, &in);
    for (size_t bit = 0; bit < (size_t)record.fixed.record_bytes * 8; bit++) {
        union record flipped = record;
        flipped.bytes[bit / 8] = (char)(flipped.bytes[bit / 8] ^ 1 << bit % 8);
        ck_assert_msg(!record_is_sound(&flipped), "bit %zu", bit);
    }
}
END_TEST

START_TEST(a_record_of_another_use_of_the_slot_is_another_record)
{
    struct numbered numbered;
    struct verdict in;
    union record record;

    numbered_key(&numbered, 7);
    value_of(&in, 7, 4);
    record_pack(&record, 99, &numbered.key, &in);
    record.fixed.sequence = 100;
    CLAIM(!record_is_sound(&record));
}
END_TEST

/* Lengths that lie are refused before anything is read by them. */
START_TEST(hostile_lengths_are_refused)
{
    unsigned state = 1;

    for (unsigned round = 0; round < 300000; round++) {
        union record record;
        struct verdict out;
        struct table_key key;
        for (size_t i = 0; i < sizeof record.fixed / 4; i++) {
            state = state * 1664525 + 1013904223;
            ((uint32_t *)record.words)[i] = state >> 7;
        }
        record.fixed.record_bytes &= 0x7ff;
        record.fixed.fixed_bytes &= 0x7f;
        record.fixed.key_bytes &= 0x1ff;
        record.fixed.match_bytes &= 0x3ff;
        const size_t words = record_words(&record.fixed);
        CLAIM(words <= RECORD_WORDS_MAX);
        if (words == 0)
            continue;
        CLAIM(record.fixed.record_bytes >= RECORD_FIXED_BYTES);
        memset(record.bytes + sizeof record.fixed, 'x', sizeof record - sizeof record.fixed);
        if (record_unpack(&record, &out)) {
            CLAIM(strlen(out.match) < sizeof out.match);
            CLAIM(strlen(out.host) < sizeof out.host);
        }
        record_key(&record, &key);
    }
}
END_TEST

/* What a newer daemon appends, an older reader passes over. */
START_TEST(appended_fields_are_passed_over)
{
    struct numbered numbered;
    struct verdict in, out;
    union record record, longer = {0};
    const size_t appended = 16;

    numbered_key(&numbered, 3);
    value_of(&in, 3, 1);
    const size_t words = record_pack(&record, 5, &numbered.key, &in);
    longer.fixed = record.fixed;
    memset(longer.bytes + RECORD_FIXED_BYTES, 0xee, appended);
    memcpy(longer.bytes + RECORD_FIXED_BYTES + appended, record.bytes + RECORD_FIXED_BYTES,
           words * 8 - RECORD_FIXED_BYTES);
    longer.fixed.fixed_bytes = (uint16_t)(RECORD_FIXED_BYTES + appended);
    longer.fixed.record_bytes = (uint16_t)(record.fixed.record_bytes + appended);
    ck_assert_uint_ne(record_words(&longer.fixed), 0);
    CLAIM(record_has_key(&longer, &numbered.key));
    CLAIM(record_unpack(&longer, &out));
    CLAIM(verdict_same(&in, &out));
}
END_TEST

START_TEST(numbers_of_a_later_build_are_unreadable_not_guessed)
{
    struct numbered numbered;
    struct verdict in, out;
    union record record;

    numbered_key(&numbered, 3);
    value_of(&in, 3, 1);
    record_pack(&record, 5, &numbered.key, &in);
    uint8_t *const numbers[] = {&record.fixed.class, &record.fixed.level, &record.fixed.conclusion,
                                &record.fixed.cause, &record.fixed.enforce};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const uint8_t before = *numbers[i];
        CLAIM(record_unpack(&record, &out));
        *numbers[i] = 200;
        CLAIM(!record_unpack(&record, &out));
        *numbers[i] = before;
    }
}
END_TEST

START_TEST(what_is_dear_to_learn_ranks_higher)
{
    static const enum tls_class order[] = {CLASS_UNKNOWN,   CLASS_NONE,     CLASS_WEAK,
                                           CLASS_ENCRYPTED, CLASS_VERIFIED, CLASS_DANE};
    for (size_t i = 1; i < sizeof order / sizeof *order; i++) {
        const struct verdict less = {.class = order[i - 1]}, more = {.class = order[i]};
        ck_assert_uint_lt(record_rank(&less), record_rank(&more));
    }
    const struct verdict temporary = {.class = CLASS_DANE, .conclusion = CONCLUSION_TEMPORARY};
    CLAIM(record_rank(&temporary) == 0);
}
END_TEST

START_TEST(all_next_hops_of_a_domain_have_one_partition)
{
    static const char *const same[] = {"example.org", "example.org:587", "[example.org]",
                                       "[example.org]:587"};
    const uint16_t partition = table_key_partition(same[0], strlen(same[0]));

    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct table_key key;
        CLAIM(table_key_make(&key, same[i], strlen(same[i])));
        CLAIM(key.partition == partition);
        CLAIM(table_key_partition(same[i], strlen(same[i])) == partition);
    }
    struct table_key literal;
    CLAIM(table_key_make(&literal, "[ipv6:2001:db8::1]:25", 21));
    CLAIM(literal.partition == table_key_partition("[ipv6:2001:db8::1]", 18));
    CLAIM(table_key_make(&literal, "[", 1));
    CLAIM(table_key_make(&literal, ":", 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table record");
    TCase *cases = tcase_create("record");

    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, a_verdict_comes_back_as_it_went_in);
    tcase_add_test(cases, the_longest_verdict_fits_the_largest_slot);
    tcase_add_test(cases, typical_domains_take_the_smallest_slot);
    tcase_add_test(cases, validity_beyond_49_days_is_cut_never_wrapped);
    tcase_add_test(cases, one_flipped_bit_anywhere_makes_it_unsound);
    tcase_add_test(cases, a_record_of_another_use_of_the_slot_is_another_record);
    tcase_add_test(cases, hostile_lengths_are_refused);
    tcase_add_test(cases, appended_fields_are_passed_over);
    tcase_add_test(cases, numbers_of_a_later_build_are_unreadable_not_guessed);
    tcase_add_test(cases, what_is_dear_to_learn_ranks_higher);
    tcase_add_test(cases, all_next_hops_of_a_domain_have_one_partition);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
