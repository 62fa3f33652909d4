/*
 * table_record_test.c - a record in a slot: what goes in comes out, and nothing else ever does.
 */
#include "tests/table_support.h"

/* As a writer would leave it in a slot. */
static size_t pack(union record *record, uint64_t sequence, const struct table_key *key,
                   const struct verdict *verdict)
{
    CLAIM(verdict_pack(record, key, verdict));
    return record_finish(record, sequence);
}

static size_t bytes_of(const struct table_key *key, const struct verdict *verdict)
{
    union record record;

    pack(&record, 1, key, verdict);
    return record.head.record_bytes;
}

START_TEST(a_verdict_comes_back_as_it_went_in)
{
    for (uint64_t number = 0; number < 20000; number++) {
        struct numbered numbered;
        struct verdict in, out;
        union record record;
        memset(&record, 0x55, sizeof record);
        numbered_key(&numbered, number);
        value_of(&in, number, (uint32_t)number * 7);
        const size_t words = pack(&record, number, &numbered.key, &in);
        CLAIM(words == (record.head.record_bytes + 7u) / 8);
        CLAIM(words == record_words(&record.head));
        CLAIM(record_is_sound(&record) && record_is_known(&record));
        CLAIM(record_has_key(&record, &numbered.key));
        CLAIM(verdict_unpack(&record, &out));
        CLAIM(verdict_same(&in, &out));
        CLAIM(record.head.stamp_ms == in.began_ms);
        CLAIM(record.head.ledger == !floor_is_empty(&in.floor));
    }
}
END_TEST

/* What an unpacked verdict does not hold is empty, not what was there before. */
START_TEST(the_hosts_address_is_not_kept)
{
    struct numbered numbered;
    struct verdict in = {.address = "192.0.2.1", .port = 25}, out;
    union record record;

    numbered_key(&numbered, 1);
    pack(&record, 1, &numbered.key, &in);
    memset(&out, 0x55, sizeof out);
    CLAIM(verdict_unpack(&record, &out));
    ck_assert_str_eq(out.address, "");
    ck_assert_uint_eq(out.port, 0);
    ck_assert_str_eq(out.host, "");
    ck_assert_str_eq(out.match, "");
    CLAIM(out.pins.count == 0 && floor_is_empty(&out.floor) && out.smtp_code == 0);
}
END_TEST

START_TEST(the_longest_verdict_fits_the_largest_slot)
{
    char text[VERDICT_KEY_MAX + 1];
    struct table_key key;
    struct verdict in = {.smtp_code = 554, .pins.count = VERDICT_PINS_MAX}, out;
    union record record;

    in.floor = (struct floor){.level = LEVEL_AUTHENTICATED, .rule_until_s = 1};
    memset(text, 'k', sizeof text);
    memset(in.host, 'h', sizeof in.host - 1);
    memset(in.match, 'm', sizeof in.match - 1);
    memset(in.pins.sha256, 'p', sizeof in.pins.sha256);
    CLAIM(table_key_make(&key, text, VERDICT_KEY_MAX));
    const size_t words = pack(&record, 1, &key, &in);
    CLAIM(words <= RECORD_WORDS_MAX);
    CLAIM(record_is_sound(&record) && verdict_unpack(&record, &out));
    CLAIM(verdict_same(&in, &out));
    CLAIM(table_key_make(&key, text, VERDICT_KEY_MAX + 1));
    CLAIM(!verdict_pack(&record, &key, &in));
}
END_TEST

START_TEST(keys_are_as_long_as_an_exception_of_the_longest_names)
{
    char text[TABLE_KEY_MAX + 1];
    struct table_key key;

    memset(text, 'k', sizeof text);
    CLAIM(table_key_make(&key, text, TABLE_KEY_MAX));
    CLAIM(!table_key_make(&key, text, sizeof text));
    CLAIM(!table_key_make(&key, text, 0));
}
END_TEST

/* A mistake of ours never becomes a record that says something else. */
START_TEST(what_a_record_cannot_hold_is_not_packed)
{
    struct numbered numbered;
    struct verdict verdict;
    union record record;

    numbered_key(&numbered, 3);
    uint8_t *const numbers[] = {&verdict.floor.level,      &verdict.floor.hosts_level,
                                &verdict.floor.proof,      &verdict.floor.rule,
                                &verdict.floor.rule_level, &verdict.floor.flags,
                                &verdict.pins.count};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        verdict = (struct verdict){0};
        CLAIM(verdict_pack(&record, &numbered.key, &verdict));
        *numbers[i] = 16; /* half a byte would make 0 of it */
        CLAIM(!verdict_pack(&record, &numbered.key, &verdict));
    }
    verdict = (struct verdict){.class = (enum tls_class)16};
    CLAIM(!verdict_pack(&record, &numbered.key, &verdict));
    verdict = (struct verdict){.level = (enum level)16};
    CLAIM(!verdict_pack(&record, &numbered.key, &verdict));
}
END_TEST

/* Names from ordinary life, all of them remembered: the average stays below 192 bytes a domain at
 * 80 % load, index included. */
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
        struct verdict verdict = {
            .class = CLASS_DANE,
            .floor = {LEVEL_ENCRYPT, LEVEL_ENCRYPT, PROOF_HANDSHAKES, .seen_at_s = 1800000000}};
        table_key_make(&key, names[i][0], strlen(names[i][0]));
        snprintf(verdict.host, sizeof verdict.host, "%s", names[i][1]);
        small += bytes_of(&key, &verdict) <= table_class_bytes[0];
    }
    const size_t slots = small * table_class_bytes[0] + (count - small) * table_class_bytes[1];
    const size_t index = sizeof(struct table_line) / 4;
    ck_assert_uint_ge(small, count - 1);
    ck_assert_uint_le((slots / count + index) * 10 / 8, 192);
}
END_TEST

START_TEST(validity_beyond_49_days_is_cut_never_wrapped)
{
    struct numbered numbered;
    struct verdict in = {.began_ms = 1000, .valid_until_ms = 1000 + (1ULL << 40)}, out;
    union record record;

    numbered_key(&numbered, 1);
    pack(&record, 1, &numbered.key, &in);
    CLAIM(verdict_unpack(&record, &out));
    CLAIM(out.valid_until_ms == 1000 + (uint64_t)UINT32_MAX);
    in.valid_until_ms = 10;
    pack(&record, 1, &numbered.key, &in);
    CLAIM(verdict_unpack(&record, &out));
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
    pack(&record, 99, &numbered.key, &in);
    for (size_t bit = 0; bit < record_words(&record.head) * 64; bit++) {
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
    pack(&record, 99, &numbered.key, &in);
    record.head.sequence = 100;
    CLAIM(!record_is_sound(&record));
}
END_TEST

/* As memcmp and memcpy have it, wherever a key or a text lies, and not a byte more. */
START_TEST(what_is_put_together_from_words_is_what_lies_there)
{
    static char text[TABLE_KEY_MAX];
    union record record;
    uint64_t state = 3;

    for (size_t i = 0; i < sizeof record.words / 8; i++)
        record.words[i] = scramble(++state);
    for (size_t at = RECORD_HEAD_BYTES; at < UINT8_MAX; at++) {
        for (size_t bytes = 1; bytes <= 70; bytes++) {
            struct table_key key;
            char to[80];
            record.head.key_at = (uint8_t)at;
            record.head.key_bytes = bytes & 0x3ffu;
            memcpy(text, record.bytes + at, bytes);
            memset(text + bytes, 'x', 8);
            CLAIM(table_key_make(&key, text, bytes) && record_has_key(&record, &key));
            const size_t changed = scramble(++state) % bytes;
            text[changed] = (char)(text[changed] ^ (1 << scramble(++state) % 8));
            CLAIM(!record_has_key(&record, &key));
            memset(to, 'x', sizeof to);
            record_take(&record, at, to, bytes);
            CLAIM(memcmp(to, record.bytes + at, bytes) == 0 && to[bytes] == 'x');
        }
    }
    for (size_t bytes = 0; bytes <= 40; bytes++) { /* to the last byte of the largest slot */
        char to[48];
        memset(to, 'x', sizeof to);
        record_take(&record, TABLE_SLOT_MAX - bytes, to, bytes);
        CLAIM(memcmp(to, record.bytes + TABLE_SLOT_MAX - bytes, bytes) == 0 && to[bytes] == 'x');
    }
}
END_TEST

/* Lengths that lie are refused before anything is read by them. */
START_TEST(hostile_lengths_are_refused)
{
    uint64_t state = 1;

    for (unsigned round = 0; round < 300000; round++) {
        union record record;
        struct verdict out;
        struct table_key key;
        struct account account;
        struct account_settings settings;
        for (size_t i = 0; i < RECORD_WORDS_MAX; i++)
            record.words[i] = scramble(++state);
        record.head.record_bytes &= 0x7ff;
        record.head.key_at &= 0x7f;
        record.head.key_bytes &= 0xff;
        record.head.kind = round % 8 & 7;
        const size_t words = record_words(&record.head);
        CLAIM(words <= RECORD_WORDS_MAX);
        if (words == 0)
            continue;
        CLAIM(record.head.record_bytes >= RECORD_HEAD_BYTES);
        if (verdict_unpack(&record, &out)) {
            CLAIM(strlen(out.match) < sizeof out.match);
            CLAIM(strlen(out.host) < sizeof out.host);
            CLAIM(out.pins.count <= VERDICT_PINS_MAX);
        }
        if (account_unpack(&record, &account))
            CLAIM(strlen(account.profile) < sizeof account.profile);
        if (account_settings_unpack(&record, &settings))
            CLAIM(strlen(settings.alias_profile) < sizeof settings.alias_profile);
        record_key(&record, &key);
    }
}
END_TEST

/* What a newer daemon appends to the fixed part or to the tail, an older reader passes over. */
START_TEST(appended_fields_are_passed_over)
{
    struct numbered numbered;
    struct verdict in, out;
    union record record, longer = {0};
    const size_t appended = 16, tail = 5;

    numbered_key(&numbered, 3);
    value_of(&in, 3, 1);
    const size_t words = pack(&record, 5, &numbered.key, &in);
    const size_t key_at = record.head.key_at;
    memcpy(longer.bytes, record.bytes, key_at);
    memset(longer.bytes + key_at, 0xee, appended);
    memcpy(longer.bytes + key_at + appended, record.bytes + key_at, words * 8 - key_at);
    longer.head.key_at = (uint8_t)(key_at + appended);
    longer.head.record_bytes = (record.head.record_bytes + appended + tail) & 0xffff;
    ck_assert_uint_ne(record_words(&longer.head), 0);
    CLAIM(record_has_key(&longer, &numbered.key));
    CLAIM(verdict_unpack(&longer, &out));
    CLAIM(verdict_same(&in, &out));
}
END_TEST

START_TEST(a_record_without_its_fixed_part_or_tail_is_unreadable)
{
    struct numbered numbered;
    struct verdict in, out;
    union record record;

    numbered_key(&numbered, 3);
    value_of(&in, 3, 1);
    pack(&record, 5, &numbered.key, &in);
    record.head.record_bytes--;
    CLAIM(!verdict_unpack(&record, &out));
    record.head.record_bytes++;
    CLAIM(verdict_unpack(&record, &out));
    record.head.key_at--;
    CLAIM(!verdict_unpack(&record, &out));
}
END_TEST

static size_t floor_at(const union record *record)
{
    return (size_t)record->head.key_at + record->head.key_bytes;
}

START_TEST(numbers_of_a_later_build_are_unreadable_not_guessed)
{
    struct numbered numbered;
    const struct verdict in = {.floor = {.level = LEVEL_ENCRYPT}};
    struct verdict out;
    union record record;

    numbered_key(&numbered, 3);
    pack(&record, 5, &numbered.key, &in);
    /* class and level, conclusion and enforce, cause; then the floor's levels, proof and rule, rule
     * level, flags */
    const size_t numbers[] = {
        RECORD_HEAD_BYTES + 14, RECORD_HEAD_BYTES + 15, RECORD_HEAD_BYTES + 16, floor_at(&record),
        floor_at(&record) + 1,  floor_at(&record) + 2,  floor_at(&record) + 3};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char *number = &record.bytes[numbers[i]];
        const char before = *number;
        CLAIM(verdict_unpack(&record, &out));
        for (unsigned shift = 0; shift < 8; shift += 4) {
            *number = (char)(before & ~(15 << shift));
            *number = (char)(*number | 15 << shift);
            CLAIM(!verdict_unpack(&record, &out) || (i == 2 && shift == 0));
            *number = before;
        }
    }
}
END_TEST

START_TEST(a_record_of_another_kind_is_not_a_verdict)
{
    struct numbered numbered;
    const struct verdict in = {.cause = CAUSE_DANE};
    struct verdict out;
    struct account account;
    union record record;

    numbered_key(&numbered, 3);
    pack(&record, 5, &numbered.key, &in);
    CLAIM(verdict_unpack(&record, &out) && !account_unpack(&record, &account));
    record.head.kind = RECORD_ACCOUNT;
    CLAIM(!verdict_unpack(&record, &out));
    CLAIM(record_is_known(&record));
    record.head.kind = RECORD_KIND_COUNT;
    CLAIM(!record_is_known(&record));
    record.head.kind = RECORD_NONE;
    CLAIM(!record_is_known(&record));
    record.head.kind = RECORD_VERDICT;
    record.head.rank = RECORD_RANKS;
    CLAIM(!record_is_known(&record));
}
END_TEST

/* Nobody believes it, as nobody believes other times to come. */
START_TEST(a_time_beyond_all_times_stays_beyond)
{
    struct numbered numbered;
    const struct verdict in = {.began_ms = UINT64_MAX - 5, .valid_until_ms = UINT64_MAX};
    union record record;

    numbered_key(&numbered, 3);
    pack(&record, 5, &numbered.key, &in);
    CLAIM(record.head.stamp_ms == RECORD_STAMP_MAX_MS);
}
END_TEST

START_TEST(what_is_dear_to_learn_ranks_higher)
{
    static const enum tls_class order[] = {CLASS_UNKNOWN,   CLASS_NONE,     CLASS_WEAK,
                                           CLASS_ENCRYPTED, CLASS_VERIFIED, CLASS_DANE};
    for (size_t i = 1; i < sizeof order / sizeof *order; i++) {
        const struct verdict less = {.class = order[i - 1]}, more = {.class = order[i]};
        ck_assert_uint_lt(verdict_rank(&less), verdict_rank(&more));
    }
    const struct verdict temporary = {.class = CLASS_DANE, .conclusion = CONCLUSION_TEMPORARY};
    CLAIM(verdict_rank(&temporary) == 0);
}
END_TEST

/* Whatever was seen of the domain last. */
START_TEST(floors_rank_above_all_that_can_be_seen_again_MEM_07)
{
    static const struct {
        struct floor floor;
        unsigned rank;
    } rows[] = {
        {{.level = LEVEL_ENCRYPT}, RECORD_RANK_FLOOR},
        {{.hosts_level = LEVEL_ENCRYPT}, RECORD_RANK_FLOOR},
        {{.level = LEVEL_VERIFIED, .proof = PROOF_ADMINISTRATOR}, RECORD_RANK_FLOOR},
        {{.level = LEVEL_ENCRYPT, .flags = FLOOR_CONTRADICTED}, RECORD_RANK_FLOOR},
        {{.level = LEVEL_AUTHENTICATED}, RECORD_RANK_AUTHENTICATED},
        {{.level = LEVEL_ENCRYPT, .hosts_level = LEVEL_AUTHENTICATED}, RECORD_RANK_AUTHENTICATED},
        {{.flags = FLOOR_UNREADABLE}, RECORD_RANK_AUTHENTICATED},
        {{.flags = FLOOR_OBSERVE}, RECORD_RANK_AUTHENTICATED},
        {{.rule = RULE_PIN, .rule_level = LEVEL_ENCRYPT}, RECORD_RANK_AUTHENTICATED},
        {{.rule = RULE_EXEMPT}, RECORD_RANK_AUTHENTICATED},
        {{.rule = RULE_REFUSE}, RECORD_RANK_AUTHENTICATED},
    };
    const struct verdict dearest = {.class = CLASS_DANE, .level = LEVEL_AUTHENTICATED};

    ck_assert_uint_le(verdict_rank(&dearest), RECORD_RANK_SEEN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict verdict = {.class = CLASS_DANE, .floor = rows[i].floor};
        ck_assert_uint_eq(verdict_rank(&verdict), rows[i].rank);
        verdict.conclusion = CONCLUSION_TEMPORARY;
        verdict.class = CLASS_UNKNOWN;
        ck_assert_uint_eq(verdict_rank(&verdict), rows[i].rank);
    }
}
END_TEST

START_TEST(the_stricter_of_two_records_is_that_with_the_stricter_floor_too)
{
    static const struct {
        enum level level;
        struct floor floor;
    } order[] = {
        {LEVEL_NONE, {.seen_at_s = 1}},
        {LEVEL_OPPORTUNISTIC, {0}},
        {LEVEL_NONE, {.flags = FLOOR_UNREADABLE}}, /* TLS required */
        {LEVEL_ENCRYPT, {.hosts_level = LEVEL_VERIFIED}},
        {LEVEL_NONE, {.rule = RULE_PIN, .rule_level = LEVEL_AUTHENTICATED}},
        {LEVEL_NONE, {.rule = RULE_REFUSE}},
    };
    struct numbered numbered;
    union record less, more;

    numbered_key(&numbered, 3);
    for (size_t i = 1; i < sizeof order / sizeof *order; i++) {
        pack(&less, 1, &numbered.key,
             &(struct verdict){
                 .level = order[i - 1].level, .floor = order[i - 1].floor, .began_ms = 100});
        pack(&more, 1, &numbered.key,
             &(struct verdict){.level = order[i].level, .floor = order[i].floor, .began_ms = 50});
        ck_assert_msg(record_is_stricter(&more, &less), "row %zu", i);
        ck_assert_msg(!record_is_stricter(&less, &more), "row %zu", i);
    }
    less = more;
    CLAIM(!record_is_stricter(&less, &more));
    less.head.stamp_ms++;
    CLAIM(record_is_stricter(&less, &more)); /* the later of equals */
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
    tcase_add_test(cases, the_hosts_address_is_not_kept);
    tcase_add_test(cases, the_longest_verdict_fits_the_largest_slot);
    tcase_add_test(cases, keys_are_as_long_as_an_exception_of_the_longest_names);
    tcase_add_test(cases, what_a_record_cannot_hold_is_not_packed);
    tcase_add_test(cases, typical_domains_take_the_smallest_slot);
    tcase_add_test(cases, validity_beyond_49_days_is_cut_never_wrapped);
    tcase_add_test(cases, one_flipped_bit_anywhere_makes_it_unsound);
    tcase_add_test(cases, a_record_of_another_use_of_the_slot_is_another_record);
    tcase_add_test(cases, what_is_put_together_from_words_is_what_lies_there);
    tcase_add_test(cases, hostile_lengths_are_refused);
    tcase_add_test(cases, appended_fields_are_passed_over);
    tcase_add_test(cases, a_record_without_its_fixed_part_or_tail_is_unreadable);
    tcase_add_test(cases, numbers_of_a_later_build_are_unreadable_not_guessed);
    tcase_add_test(cases, a_record_of_another_kind_is_not_a_verdict);
    tcase_add_test(cases, a_time_beyond_all_times_stays_beyond);
    tcase_add_test(cases, what_is_dear_to_learn_ranks_higher);
    tcase_add_test(cases, floors_rank_above_all_that_can_be_seen_again_MEM_07);
    tcase_add_test(cases, the_stricter_of_two_records_is_that_with_the_stricter_floor_too);
    tcase_add_test(cases, all_next_hops_of_a_domain_have_one_partition);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
