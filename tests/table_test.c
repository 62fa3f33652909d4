/*
 * table_test.c - the table: what was put is read; what was not is never read; full, it keeps what
 * is dear, and what the ledger holds last of all; opened again, everything is there.
 */
#include "tests/table_support.h"

#include "shm/table_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

static struct scratch scratch;

static void set_up(void)
{
    scratch = scratch_make();
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

static enum table_outcome read_number(const struct table_reader *reader, uint64_t number,
                                      struct verdict *verdict)
{
    struct numbered numbered;

    numbered_key(&numbered, number);
    return table_read(reader, &numbered.key, scratch.clock.boot_ms, verdict);
}

static int put_number(struct table_writer *writer, uint64_t number, uint32_t version)
{
    return value_put(writer, number, version);
}

static bool remove_number(struct table_writer *writer, uint64_t number)
{
    return value_remove(writer, number);
}

static void expect(const struct table_reader *reader, uint64_t number, uint32_t version)
{
    uint32_t read;

    CLAIM(value_read(reader, number, scratch.clock.boot_ms, &read) == TABLE_HIT);
    CLAIM(read == version);
}

static void expect_miss(const struct table_reader *reader, uint64_t number)
{
    uint32_t read;
    CLAIM(value_read(reader, number, scratch.clock.boot_ms, &read) == TABLE_MISS);
}

/* --- putting and reading --- */

START_TEST(what_was_put_is_read_and_nothing_else)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);

    for (uint64_t number = 0; number < 10000; number++)
        CLAIM(put_number(writer, number, 1) == 0);
    for (uint64_t number = 0; number < 10000; number++)
        expect(reader, number, 1);
    for (uint64_t number = 10000; number < 20000; number++)
        expect_miss(reader, number);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(a_place_holds_until_its_record_is_another)
{
    struct table_opened opened;
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_place place;
    struct numbered key, other;

    numbered_key(&key, 1);
    numbered_key(&other, 2);
    ck_assert(!table_place_find(reader, &key.key, scratch.clock.boot_ms, &place));
    put_number(writer, 1, 1);
    ck_assert(!table_place_find(reader, &other.key, scratch.clock.boot_ms, &place));
    ck_assert(table_place_find(reader, &key.key, scratch.clock.boot_ms, &place));
    ck_assert(table_place_holds(&place));
    put_number(writer, 2, 1); /* of another key */
    ck_assert(table_place_holds(&place));
    for (uint32_t version = 2; version < 300; version++) { /* its slot is used again, too */
        put_number(writer, 1, version);
        ck_assert(!table_place_holds(&place));
    }
    ck_assert(table_place_find(reader, &key.key, scratch.clock.boot_ms, &place));
    ck_assert(table_place_holds(&place));
    remove_number(writer, 1);
    ck_assert(!table_place_holds(&place));
    ck_assert(!table_place_find(reader, &key.key, scratch.clock.boot_ms, &place));
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(a_place_in_a_line_of_the_group_is_found_too)
{
    struct table_opened opened;
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_place place;
    struct numbered key;
    unsigned found = 0;

    for (uint64_t number = 0; number < 20000; number++)
        put_number(writer, number, 1);
    for (uint64_t number = 0; number < 20000; number++) {
        struct verdict verdict;

        if (number_is_account(number))
            continue;
        numbered_key(&key, number);
        const bool there = read_number(reader, number, &verdict) == TABLE_HIT;
        CLAIM(table_place_find(reader, &key.key, scratch.clock.boot_ms, &place) == there);
        CLAIM(!there || table_place_holds(&place));
        found += there;
    }
    ck_assert_uint_gt(found, 10000);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(nothing_is_found_where_the_clocks_disagree)
{
    struct table_opened opened;
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_clock other = scratch.clock;
    struct table_place place;
    struct numbered key;

    numbered_key(&key, 1);
    put_number(writer, 1, 1);
    other.boot_id[0] ^= 1;
    table_reader_refresh(reader, &other);
    ck_assert(!table_place_find(reader, &key.key, scratch.clock.boot_ms, &place));
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(the_epoch_follows_settings_and_rulings)
{
    struct table_opened opened;
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    struct table_reader *reader = scratch_reader(&scratch);

    ck_assert_uint_eq(table_reader_epoch(reader), 0); /* not told yet: nothing is fresh */
    table_writer_set_rulings(writer, 5);
    ck_assert_uint_eq(table_reader_epoch(reader), 0);
    table_writer_set_settings(writer, 8);
    const uint32_t first = table_reader_epoch(reader);
    ck_assert_uint_ne(first, 0);
    table_writer_set_rulings(writer, 9);
    ck_assert_uint_ne(table_reader_epoch(reader), first);
    table_writer_set_rulings(writer, 5);
    ck_assert_uint_eq(table_reader_epoch(reader), first);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(a_replacement_is_what_is_read_from_then_on)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_facts facts;

    for (uint32_t version = 1; version < 20; version++) {
        for (uint64_t number = 0; number < 2000; number++)
            CLAIM(put_number(writer, number, version) == 0);
        for (uint64_t number = 0; number < 2000; number++)
            expect(reader, number, version);
    }
    table_writer_facts(writer, &facts);
    CLAIM(facts.records == 2000);
    CLAIM(facts.evicted == 0);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(what_was_removed_is_a_miss_and_can_come_back)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);

    for (unsigned round = 1; round <= 3; round++) {
        for (uint64_t number = 0; number < 5000; number++)
            CLAIM(put_number(writer, number, round) == 0);
        for (uint64_t number = 0; number < 5000; number += 2)
            CLAIM(remove_number(writer, number));
        CLAIM(!remove_number(writer, 4));
        for (uint64_t number = 0; number < 5000; number++) {
            if (number % 2 == 0)
                expect_miss(reader, number);
            else
                expect(reader, number, round);
        }
    }
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

static void put_class(struct table_writer *writer, uint64_t number, enum tls_class class,
                      uint64_t began_ms)
{
    struct numbered numbered;
    const struct verdict verdict = {.class = class,
                                    .level = class == CLASS_DANE ? LEVEL_AUTHENTICATED : LEVEL_NONE,
                                    .began_ms = began_ms};
    numbered_key(&numbered, number);
    table_writer_put(writer, &numbered.key, &verdict);
}

/* No line is lost when a group runs full: keys live in lines that are not their home. */
START_TEST(keys_that_overflow_their_line_are_found)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    const struct table_geometry geometry = table_geometry_fit(TABLE_BYTES_SMALL);
    struct table_map map;
    char why[256];
    unsigned overflowing = 0;

    uint64_t number = 0;
    for (; number < TABLE_PARTITIONS * geometry.lines * 2; number++)
        put_class(writer, number, CLASS_NONE, number);
    const int descriptor =
        table_file_map(&map, table_writer_path(writer), 1, false, why, sizeof why);
    ck_assert_int_ge(descriptor, 0);
    for (uint64_t line = 0; line < TABLE_PARTITIONS * geometry.lines; line++)
        overflowing += (table_load(&map.lines[line].head) & TABLE_HEAD_COUNTS) != 0;
    ck_assert_uint_gt(overflowing, 0);
    for (uint64_t i = 0; i < number; i++) {
        struct verdict verdict;
        CLAIM(read_number(reader, i, &verdict) == TABLE_HIT);
        CLAIM(verdict.began_ms == i);
    }
    for (uint64_t i = 0; i < number; i++) {
        struct numbered numbered;
        numbered_key(&numbered, i);
        table_writer_remove(writer, &numbered.key);
    }
    for (uint64_t line = 0; line < TABLE_PARTITIONS * geometry.lines; line++)
        CLAIM((table_load(&map.lines[line].head) & TABLE_HEAD_COUNTS) == 0);
    table_file_unmap(&map);
    close(descriptor);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

static uint64_t number_of(const union record *record)
{
    unsigned long long number;
    char text[TABLE_KEY_MAX + 1];
    struct table_key key;

    CLAIM(record_key(record, &key));
    memcpy(text, key.text, key.length);
    text[key.length] = '\0';
    CLAIM(sscanf(text, "d%llu.example.org", &number) == 1 ||
          sscanf(text, "au%llu@example.org", &number) == 1);
    return number;
}

static void count_visit(void *context, const union record *record)
{
    uint32_t version;

    CLAIM(value_version(record, number_of(record), &version));
    CLAIM(version == 3);
    (*(uint64_t *)context)++;
}

START_TEST(for_each_visits_every_record_once)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    uint64_t visited = 0, returned = 0;

    for (uint64_t number = 0; number < 3000; number++)
        put_number(writer, number, 3);
    for (uint16_t partition = 0; partition < TABLE_PARTITIONS; partition++)
        returned += table_writer_for_each(writer, partition, count_visit, &visited);
    CLAIM(visited == 3000);
    CLAIM(returned == 3000);
    table_writer_close(writer);
}
END_TEST

static void remove_odd(void *context, const union record *record)
{
    struct table_key key;

    if (number_of(record) % 2 == 1)
        CLAIM(record_key(record, &key) && table_writer_remove(context, &key));
}

/* What the ledger no longer holds is taken out like that, after attaching. */
START_TEST(a_visitor_may_remove_what_it_is_shown)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    uint64_t visited = 0;

    for (uint64_t number = 0; number < 3000; number++)
        put_number(writer, number, 3);
    for (uint16_t partition = 0; partition < TABLE_PARTITIONS; partition++)
        CLAIM(table_writer_for_each(writer, partition, remove_odd, writer) > 0);
    for (uint64_t number = 0; number < 3000; number++) {
        if (number % 2 == 1)
            expect_miss(reader, number);
        else
            expect(reader, number, 3);
    }
    for (uint16_t partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_for_each(writer, partition, count_visit, &visited);
    CLAIM(visited == 1500);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

/* --- floors --- */

static void put_verdict(struct table_writer *writer, const struct table_key *key,
                        const struct verdict *verdict)
{
    CLAIM(table_writer_put(writer, key, verdict) == 0);
}

START_TEST(putting_a_floor_leaves_the_verdict_as_it_is)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);

    for (uint64_t number = 0; number < 2000; number++) {
        struct numbered numbered;
        struct verdict verdict, read;
        struct floor floor;
        numbered_key(&numbered, number);
        value_of(&verdict, number, 1);
        floor_of(&floor, scramble(number));
        put_verdict(writer, &numbered.key, &verdict);
        CLAIM(table_writer_put_floor(writer, &numbered.key, &floor) == 0);
        CLAIM(table_read(reader, &numbered.key, scratch.clock.boot_ms, &read) == TABLE_HIT);
        verdict.floor = floor;
        CLAIM(verdict_same(&verdict, &read));
    }
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(a_floor_without_a_verdict_has_an_unknown_one_that_is_never_fresh)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    const struct floor floor = {.level = LEVEL_ENCRYPT, .seen_at_s = 77}, none = {0};
    struct numbered numbered;
    struct verdict read;

    numbered_key(&numbered, 1);
    CLAIM(table_writer_put_floor(writer, &numbered.key, &none) == 0);
    CLAIM(read_number(reader, 1, &read) == TABLE_MISS);
    CLAIM(table_writer_put_floor(writer, &numbered.key, &floor) == 0);
    CLAIM(read_number(reader, 1, &read) == TABLE_HIT);
    CLAIM(floor_same(&read.floor, &floor));
    CLAIM(read.cause == CAUSE_NOT_LOOKED && read.conclusion == CONCLUSION_INCONCLUSIVE);
    CLAIM(read.class == CLASS_UNKNOWN && read.level == LEVEL_NONE);
    CLAIM(read.enforce == ENFORCE_NOTHING && read.began_ms == 0 && read.valid_until_ms == 0);
    /* Without its floor it says nothing. */
    CLAIM(table_writer_put_floor(writer, &numbered.key, &none) == 0);
    CLAIM(read_number(reader, 1, &read) == TABLE_MISS);
    /* A verdict that says something stays without a floor. */
    put_verdict(writer, &numbered.key, &(struct verdict){.class = CLASS_DANE, .floor = floor});
    CLAIM(table_writer_put_floor(writer, &numbered.key, &none) == 0);
    CLAIM(read_number(reader, 1, &read) == TABLE_HIT);
    CLAIM(read.class == CLASS_DANE && floor_is_empty(&read.floor));
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(what_cannot_be_packed_changes_nothing)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    const struct floor floor = {.level = LEVEL_AUTHENTICATED + 1};
    char text[TABLE_KEY_MAX];
    struct numbered numbered;
    struct verdict verdict = {.class = CLASS_DANE}, read;
    struct table_key key;

    numbered_key(&numbered, 1);
    put_verdict(writer, &numbered.key, &verdict);
    CLAIM(table_writer_put_floor(writer, &numbered.key, &floor) == -EINVAL);
    verdict.class = CLASS_COUNT;
    CLAIM(table_writer_put(writer, &numbered.key, &verdict) == -EINVAL);
    CLAIM(table_writer_get(writer, &numbered.key, &read));
    CLAIM(read.class == CLASS_DANE && floor_is_empty(&read.floor));
    memset(text, 'k', sizeof text);
    CLAIM(table_key_make(&key, text, VERDICT_KEY_MAX + 1));
    verdict.class = CLASS_DANE;
    CLAIM(table_writer_put(writer, &key, &verdict) == -EINVAL);
    table_writer_close(writer);
}
END_TEST

/* --- when full --- */

START_TEST(when_full_what_is_cheapest_to_learn_again_goes_first)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_facts facts;
    struct verdict verdict;
    const uint64_t dear = 20000;

    table_writer_facts(writer, &facts);
    ck_assert_uint_gt(facts.capacity, 2 * dear);
    for (uint64_t number = 0; number < dear; number++)
        put_class(writer, number, CLASS_DANE, 1);
    for (uint64_t number = dear; number < 3 * facts.capacity; number++)
        put_class(writer, number, CLASS_NONE, number);
    for (uint64_t number = 0; number < dear; number++)
        CLAIM(read_number(reader, number, &verdict) == TABLE_HIT);
    table_writer_facts(writer, &facts);
    ck_assert_uint_gt(facts.evicted, facts.capacity);
    ck_assert_uint_gt(facts.records, facts.capacity / 2);
    /* Among equals the oldest: of those that stay, nearly all are from the end. */
    uint64_t early = 0;
    for (uint64_t number = dear; number < facts.capacity; number++)
        early += read_number(reader, number, &verdict) == TABLE_HIT;
    CLAIM(early == 0);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(a_record_cheaper_than_all_others_is_refused_when_full)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_facts facts;
    struct numbered numbered;
    struct verdict verdict = {.class = CLASS_DANE};

    table_writer_facts(writer, &facts);
    uint64_t number = 0;
    for (; number < 3 * facts.capacity; number++)
        put_class(writer, number, CLASS_DANE, 1);
    unsigned refused = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        const struct verdict cheap = {.class = CLASS_NONE};
        numbered_key(&numbered, number + i);
        refused += table_writer_put(writer, &numbered.key, &cheap) == -ENOSPC;
    }
    ck_assert_uint_ge(refused, 900); /* larger classes have room for a few */
    /* A replacement finds room: nothing obsolete stays readable. */
    for (uint64_t i = 0; i < number; i++) {
        const struct verdict lowered = {.class = CLASS_NONE, .config_epoch = 5};
        if (read_number(reader, i, &verdict) != TABLE_HIT)
            continue;
        numbered_key(&numbered, i);
        CLAIM(table_writer_put(writer, &numbered.key, &lowered) == 0);
        CLAIM(read_number(reader, i, &verdict) == TABLE_HIT);
        CLAIM(verdict.config_epoch == 5);
    }
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(every_size_finds_room_in_a_full_partition)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_facts facts;

    table_writer_facts(writer, &facts);
    for (uint64_t number = 0; number < 3 * facts.capacity; number++)
        put_class(writer, number, CLASS_NONE, number);
    for (size_t size = 50; size < VERDICT_MATCH_MAX; size += 100) {
        struct verdict verdict = {.class = CLASS_DANE, .config_epoch = (uint32_t)size}, read;
        memset(verdict.host, 'h', 250);
        memset(verdict.match, 'm', size);
        for (uint64_t number = 0; number < 300; number++) {
            struct numbered numbered;
            numbered_key(&numbered, (size << 32) + number);
            CLAIM(table_writer_put(writer, &numbered.key, &verdict) == 0);
            CLAIM(table_read(reader, &numbered.key, scratch.clock.boot_ms, &read) == TABLE_HIT);
            CLAIM(verdict_same(&verdict, &read));
        }
    }
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

static void set_complete(struct table_writer *writer, bool complete)
{
    for (uint16_t partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(writer, partition, complete);
}

static unsigned complete_partitions(const struct table_reader *reader)
{
    struct table_facts facts;

    table_reader_facts(reader, &facts);
    return facts.complete;
}

static void put_floor(struct table_writer *writer, uint64_t number, const struct floor *floor)
{
    struct numbered numbered;

    numbered_key(&numbered, number);
    table_writer_put_floor(writer, &numbered.key, floor);
}

START_TEST(evicting_a_floor_takes_back_completeness)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    const struct floor floor = {.level = LEVEL_ENCRYPT};
    struct table_facts facts;
    struct numbered numbered;

    set_complete(writer, true);
    CLAIM(complete_partitions(reader) == TABLE_PARTITIONS);
    table_reader_facts(reader, &facts);
    const uint64_t many = 3 * facts.capacity;
    for (uint64_t number = 0; number < many; number++)
        put_class(writer, number, number % 2 == 0 ? CLASS_NONE : CLASS_DANE, 1);
    for (uint64_t number = 0; number < 1000; number++) /* refused: no floor is lost by that */
        put_class(writer, many + number, CLASS_UNKNOWN, 1);
    table_reader_facts(reader, &facts);
    ck_assert_uint_gt(facts.evicted, 0);
    ck_assert_uint_gt(facts.refused, 0);
    CLAIM(facts.complete == TABLE_PARTITIONS); /* no floor was among them */
    for (uint64_t number = 0; number < many; number++)
        put_floor(writer, many + number, &floor);
    CLAIM(complete_partitions(reader) == 0);
    numbered_key(&numbered, 1);
    CLAIM(!table_reader_complete(reader, &numbered.key));
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

/* Of floors and rules, with what was seen of a million domains that somebody made up. */
START_TEST(floors_survive_any_number_of_verdicts_MEM_07)
{
    static const struct floor floors[] = {
        {.level = LEVEL_ENCRYPT},       {.hosts_level = LEVEL_ENCRYPT},
        {.level = LEVEL_AUTHENTICATED}, {.rule = RULE_PIN, .rule_level = LEVEL_ENCRYPT},
        {.rule = RULE_EXEMPT},          {.flags = FLOOR_OBSERVE}};
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    const uint64_t remembered = 10000, made_up = 1000000;
    struct table_facts facts;
    struct verdict verdict;

    for (uint64_t number = 0; number < remembered; number++)
        put_floor(writer, number, &floors[number % (sizeof floors / sizeof *floors)]);
    set_complete(writer, true);
    for (uint64_t number = 0; number < made_up; number++)
        put_class(writer, remembered + number, number % 3 == 0 ? CLASS_DANE : CLASS_ENCRYPTED, 1);
    table_reader_facts(reader, &facts);
    ck_assert_uint_gt(facts.evicted, 3 * facts.capacity);
    CLAIM(facts.complete == TABLE_PARTITIONS);
    for (uint64_t number = 0; number < remembered; number++) {
        CLAIM(read_number(reader, number, &verdict) == TABLE_HIT);
        CLAIM(floor_same(&verdict.floor, &floors[number % (sizeof floors / sizeof *floors)]));
    }
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(authenticated_floors_and_rules_survive_any_number_of_others_MEM_07)
{
    static const struct floor dear[] = {
        {.level = LEVEL_AUTHENTICATED}, {.rule = RULE_REFUSE}, {.flags = FLOOR_UNREADABLE}};
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    const struct floor cheap = {.level = LEVEL_ENCRYPT, .seen_at_s = 1};
    const uint64_t remembered = 5000;
    struct verdict verdict;

    for (uint64_t number = 0; number < remembered; number++)
        put_floor(writer, number, &dear[number % 3]);
    set_complete(writer, true);
    for (uint64_t number = 0; number < 200000; number++)
        put_floor(writer, remembered + number, &cheap);
    CLAIM(complete_partitions(reader) == 0);
    for (uint64_t number = 0; number < remembered; number++) {
        CLAIM(read_number(reader, number, &verdict) == TABLE_HIT);
        CLAIM(floor_same(&verdict.floor, &dear[number % 3]));
    }
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

/* --- what a miss means --- */

START_TEST(only_where_everything_is_a_miss_means_absent)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch), *own;
    struct verdict verdict;
    struct numbered numbered, other;

    numbered_key(&numbered, 1);
    numbered_key(&other, 2);
    CLAIM(table_writer_reader(writer, &own) == 0);
    CLAIM(numbered.key.partition != other.key.partition);
    CLAIM(read_number(reader, 1, &verdict) == TABLE_MISS);
    table_writer_set_complete(writer, numbered.key.partition, true);
    table_writer_set_complete(writer, numbered.key.partition, true);
    CLAIM(read_number(reader, 1, &verdict) == TABLE_ABSENT);
    CLAIM(read_number(own, 1, &verdict) == TABLE_ABSENT);
    CLAIM(read_number(reader, 2, &verdict) == TABLE_MISS);
    table_writer_set_complete(writer, numbered.key.partition, false);
    table_writer_set_complete(writer, numbered.key.partition, false);
    CLAIM(read_number(reader, 1, &verdict) == TABLE_MISS);
    table_writer_set_complete(writer, numbered.key.partition, true);
    CLAIM(read_number(reader, 1, &verdict) == TABLE_ABSENT);

    /* A restarted writer has to make sure again. */
    table_reader_close(own);
    table_writer_close(writer);
    CLAIM(read_number(reader, 1, &verdict) == TABLE_ABSENT);
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    CLAIM(read_number(reader, 1, &verdict) == TABLE_MISS);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

/* Until it refreshes, a reader has the old file, which learns nothing new. */
START_TEST(a_table_that_is_over_says_of_nothing_that_it_is_absent)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    const struct floor floor = {.level = LEVEL_ENCRYPT};
    struct verdict verdict;

    set_complete(writer, true);
    CLAIM(!table_reader_is_over(reader));
    CLAIM(read_number(reader, 1, &verdict) == TABLE_ABSENT);
    table_writer_close(writer);
    writer = scratch_writer(&scratch, 2 * TABLE_BYTES_SMALL, NULL);
    put_floor(writer, 1, &floor);
    set_complete(writer, true);
    CLAIM(table_reader_is_over(reader));
    CLAIM(read_number(reader, 1, &verdict) == TABLE_MISS);
    CLAIM(table_reader_refresh(reader, &scratch.clock) == 1);
    CLAIM(!table_reader_is_over(reader));
    CLAIM(read_number(reader, 1, &verdict) == TABLE_HIT);
    CLAIM(read_number(reader, 2, &verdict) == TABLE_ABSENT);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

/* The same slots over and over, and one key whose old record a reader could still hold. */
START_TEST(a_reused_slot_never_answers_for_its_earlier_key)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_facts facts;
    uint32_t version;

    table_writer_facts(writer, &facts);
    for (uint32_t round = 1; round < 8; round++) {
        for (uint64_t i = 0; i < facts.capacity; i++)
            put_number(writer, round * facts.capacity + i, round);
        for (uint64_t i = 0; i < (round + 1) * facts.capacity; i += 13) {
            const enum table_outcome outcome =
                value_read(reader, i, scratch.clock.boot_ms, &version);
            CLAIM(outcome == TABLE_HIT || outcome == TABLE_MISS);
        }
    }
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

/* --- restart --- */

START_TEST(a_restarted_writer_finds_everything)
{
    struct table_opened opened;
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    struct table_reader *reader = scratch_reader(&scratch);

    CLAIM(!opened.attached);
    for (uint64_t number = 0; number < 8000; number++)
        put_number(writer, number, 1);
    for (uint32_t round = 2; round < 6; round++) {
        table_writer_close(writer);
        expect(reader, 17, round - 1); /* nobody writes, readers read */
        writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
        CLAIM(opened.attached);
        CLAIM(opened.kept == 8000);
        CLAIM(opened.dropped + opened.repeated == 0);
        for (uint64_t number = 0; number < 8000; number++) {
            uint32_t version;
            CLAIM(value_get(writer, number, &version) && version == round - 1);
            expect(reader, number, round - 1);
            put_number(writer, number, round);
        }
    }
    CLAIM(table_reader_refresh(reader, &scratch.clock) == 0);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(another_size_is_a_successor_with_the_same_records)
{
    struct table_opened opened;
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_facts facts;
    char first[4096];

    snprintf(first, sizeof first, "%s", table_writer_path(writer));
    for (uint64_t number = 0; number < 8000; number++)
        put_number(writer, number, 1);
    table_writer_close(writer);
    writer = scratch_writer(&scratch, 3 * TABLE_BYTES_SMALL, &opened);
    CLAIM(!opened.attached);
    CLAIM(opened.kept == 8000);
    ck_assert_str_ne(first, table_writer_path(writer));
    CLAIM(access(first, F_OK) == -1);

    put_number(writer, 5, 2);
    expect(reader, 5, 1); /* still the old file, whole */
    CLAIM(table_reader_refresh(reader, &scratch.clock) == 1);
    expect(reader, 5, 2);
    for (uint64_t number = 6; number < 8000; number++)
        expect(reader, number, 1);
    table_reader_facts(reader, &facts);
    CLAIM(facts.generation == 2);
    ck_assert_uint_gt(facts.file_bytes, 2 * TABLE_BYTES_SMALL);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(a_reader_follows_a_chain_of_successors)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);

    put_number(writer, 1, 1);
    for (unsigned i = 1; i < 12; i++) {
        table_writer_close(writer);
        writer = scratch_writer(&scratch, TABLE_BYTES_SMALL + i % 2 * TABLE_BYTES_SMALL, NULL);
    }
    put_number(writer, 1, 2);
    expect(reader, 1, 1);
    CLAIM(table_reader_refresh(reader, &scratch.clock) == 1);
    expect(reader, 1, 2);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

/* --- two daemons --- */

START_TEST(a_second_writer_is_told_that_it_is_busy)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL), *second;
    char why[256];

    CLAIM(table_writer_open(&second, scratch.directory, TABLE_BYTES_SMALL, &scratch.clock, NULL,
                            why, sizeof why) == -EBUSY);
    ck_assert_ptr_nonnull(strstr(why, "another daemon"));
    /* Also when somebody cleaned the directory. */
    char path[128];
    snprintf(path, sizeof path, "%s/table.lock", scratch.directory);
    CLAIM(unlink(path) == 0);
    CLAIM(table_writer_open(&second, scratch.directory, 2 * TABLE_BYTES_SMALL, &scratch.clock, NULL,
                            why, sizeof why) == -EBUSY);
    CLAIM(put_number(writer, 1, 1) == 0);
    table_writer_close(writer);
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    table_writer_close(writer);
}
END_TEST

/* --- clocks --- */

START_TEST(a_reader_of_another_boot_answers_unknown)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_clock other = scratch.clock;
    struct verdict verdict;

    put_number(writer, 1, 1);
    other.boot_id[0] ^= 1;
    CLAIM(table_reader_refresh(reader, &other) == 0);
    CLAIM(read_number(reader, 1, &verdict) == TABLE_UNKNOWN);
    CLAIM(read_number(reader, 2, &verdict) == TABLE_UNKNOWN);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(clocks_that_disagree_make_unknown_until_the_next_heartbeat)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_clock stepped = scratch.clock, namespaced = scratch.clock;
    struct verdict verdict;

    put_number(writer, 1, 1);
    stepped.wall_ms -= 3600000;
    table_reader_refresh(reader, &stepped);
    CLAIM(read_number(reader, 1, &verdict) == TABLE_UNKNOWN);
    for (uint16_t partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_heartbeat(writer, partition, &stepped);
    table_reader_refresh(reader, &stepped);
    expect(reader, 1, 1);
    namespaced.boot_ms -= 60000; /* a time namespace with its own boot clock */
    namespaced.wall_ms = stepped.wall_ms - 60000;
    table_reader_refresh(reader, &namespaced);
    CLAIM(read_number(reader, 1, &verdict) == TABLE_UNKNOWN);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(a_record_from_the_future_is_not_believed)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader = scratch_reader(&scratch);
    struct numbered numbered;
    struct verdict verdict = {.began_ms = scratch.clock.boot_ms + 60000};

    numbered_key(&numbered, 1);
    CLAIM(table_writer_put(writer, &numbered.key, &verdict) == 0);
    CLAIM(table_read(reader, &numbered.key, scratch.clock.boot_ms, &verdict) == TABLE_UNKNOWN);
    CLAIM(table_read(reader, &numbered.key, scratch.clock.boot_ms + 60000, &verdict) == TABLE_HIT);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

START_TEST(after_another_boot_nothing_is_taken_over)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_opened opened;

    put_number(writer, 1, 1);
    table_writer_close(writer);
    scratch.clock.boot_id[3] ^= 1;
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    CLAIM(!opened.attached);
    CLAIM(opened.kept == 0);
    table_writer_close(writer);
}
END_TEST

/* --- facts --- */

START_TEST(the_file_is_sparse_0640_and_of_its_final_size)
{
    struct table_writer *writer = scratch_writer(&scratch, 64u << 20, NULL);
    struct stat before, after;

    CLAIM(stat(table_writer_path(writer), &before) == 0);
    CLAIM((before.st_mode & 07777) == 0640);
    for (uint64_t number = 0; number < 20000; number++)
        put_number(writer, number, 1);
    CLAIM(stat(table_writer_path(writer), &after) == 0);
    CLAIM(before.st_size == after.st_size);
    ck_assert_int_le(after.st_size, 64 << 20);
    ck_assert_int_lt(before.st_blocks, after.st_blocks);
    ck_assert_int_lt(after.st_blocks * 512, after.st_size / 2);
    table_writer_close(writer);
}
END_TEST

/* What the kernel says of all mappings of a file: KiB that one page-table entry maps in 2 MiB. */
static uint64_t kib_in_huge_pages(const char *path)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char line[512];
    uint64_t total = 0, kib;
    bool ours = false;

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        if (line[0] >= '0' && line[0] <= 'f' && strchr(line, '-') != NULL && line[0] != 'S')
            ours = strstr(line, path) != NULL;
        if (ours && sscanf(line, "ShmemPmdMapped: %lu", &kib) == 1)
            total += kib;
    }
    (void)fclose(maps);
    return total;
}

START_TEST(facts_say_which_pages_the_system_gave)
{
    struct table_writer *writer = scratch_writer(&scratch, 64u << 20, NULL);
    struct table_facts facts;

    for (uint64_t number = 0; number < 100000; number++)
        put_number(writer, number, 1);
    table_writer_facts(writer, &facts);
    const uint64_t huge = kib_in_huge_pages(table_writer_path(writer)) / 2048;
    ck_assert_uint_eq(huge, facts.huge);
    ck_assert_uint_le(facts.huge, facts.chunks);
    ck_assert_str_eq(table_pages_name(&facts), huge == 0              ? "small"
                                               : huge == facts.chunks ? "huge"
                                                                      : "mixed");
    table_writer_close(writer);
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused)
{
    struct table_writer *writer;
    char why[256];

    CLAIM(table_writer_open(&writer, scratch.directory, 1 << 20, &scratch.clock, NULL, why,
                            sizeof why) == -EINVAL);
    for (uint64_t bytes = 1 << 20; bytes < 1ULL << 40; bytes = bytes * 5 / 4) {
        const struct table_geometry geometry = table_geometry_fit(bytes);
        ck_assert_uint_le(geometry.file_bytes, bytes);
        if (geometry.quota == 0)
            continue;
        CLAIM(geometry.lines % TABLE_GROUP == 0);
        /* Offsets must fit a cell, and slot numbers 32 bits. */
        ck_assert_uint_lt(geometry.file_bytes / 64, 1ULL << 32);
        ck_assert_uint_lt(geometry.segments * TABLE_SEGMENT_SLOTS + 1, 1ULL << 32);
        if (geometry.quota < TABLE_QUOTA_MAX)
            ck_assert_uint_gt(table_geometry_of(geometry.quota + 1).file_bytes, bytes);
    }
}
END_TEST

START_TEST(no_directory_and_no_table_are_clear_errors)
{
    struct table_writer *writer;
    struct table_reader *reader;
    char why[256];

    CLAIM(table_reader_open(&reader, scratch.directory, &scratch.clock, why, sizeof why) ==
          -ENOENT);
    ck_assert_str_ne(why, "");
    CLAIM(table_reader_open(&reader, "/nonexistent", &scratch.clock, why, sizeof why) == -ENOENT);
    ck_assert_str_ne(why, "");
    CLAIM(table_writer_open(&writer, "/nonexistent", TABLE_BYTES_SMALL, &scratch.clock, NULL, why,
                            sizeof why) == -ENOENT);
    ck_assert_str_ne(why, "");
}
END_TEST

START_TEST(the_writers_own_reader_reads_the_same)
{
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    struct table_reader *reader;

    CLAIM(table_writer_reader(writer, &reader) == 0);
    put_number(writer, 1, 1);
    expect(reader, 1, 1);
    expect_miss(reader, 2);
    CLAIM(table_reader_refresh(reader, &scratch.clock) == 0);
    table_reader_close(reader);
    table_writer_close(writer);
}
END_TEST

static TCase *cases_of(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 120);
    suite_add_tcase(suite, cases);
    return cases;
}

static void add_tests(Suite *suite)
{
    TCase *cases = cases_of(suite, "reading");
    tcase_add_test(cases, what_was_put_is_read_and_nothing_else);
    tcase_add_test(cases, a_place_holds_until_its_record_is_another);
    tcase_add_test(cases, a_place_in_a_line_of_the_group_is_found_too);
    tcase_add_test(cases, nothing_is_found_where_the_clocks_disagree);
    tcase_add_test(cases, the_epoch_follows_settings_and_rulings);
    tcase_add_test(cases, a_replacement_is_what_is_read_from_then_on);
    tcase_add_test(cases, what_was_removed_is_a_miss_and_can_come_back);
    tcase_add_test(cases, keys_that_overflow_their_line_are_found);
    tcase_add_test(cases, for_each_visits_every_record_once);
    tcase_add_test(cases, a_visitor_may_remove_what_it_is_shown);
    tcase_add_test(cases, the_writers_own_reader_reads_the_same);
    cases = cases_of(suite, "floors");
    tcase_add_test(cases, putting_a_floor_leaves_the_verdict_as_it_is);
    tcase_add_test(cases, a_floor_without_a_verdict_has_an_unknown_one_that_is_never_fresh);
    tcase_add_test(cases, what_cannot_be_packed_changes_nothing);
    tcase_add_test(cases, floors_survive_any_number_of_verdicts_MEM_07);
    tcase_add_test(cases, authenticated_floors_and_rules_survive_any_number_of_others_MEM_07);
    tcase_add_test(cases, only_where_everything_is_a_miss_means_absent);
    tcase_add_test(cases, a_table_that_is_over_says_of_nothing_that_it_is_absent);
    cases = cases_of(suite, "full");
    tcase_add_test(cases, when_full_what_is_cheapest_to_learn_again_goes_first);
    tcase_add_test(cases, a_record_cheaper_than_all_others_is_refused_when_full);
    tcase_add_test(cases, every_size_finds_room_in_a_full_partition);
    tcase_add_test(cases, evicting_a_floor_takes_back_completeness);
    tcase_add_test(cases, a_reused_slot_never_answers_for_its_earlier_key);
    cases = cases_of(suite, "opening");
    tcase_add_test(cases, a_restarted_writer_finds_everything);
    tcase_add_test(cases, another_size_is_a_successor_with_the_same_records);
    tcase_add_test(cases, a_reader_follows_a_chain_of_successors);
    tcase_add_test(cases, a_second_writer_is_told_that_it_is_busy);
    tcase_add_test(cases, after_another_boot_nothing_is_taken_over);
    tcase_add_test(cases, the_file_is_sparse_0640_and_of_its_final_size);
    tcase_add_test(cases, facts_say_which_pages_the_system_gave);
    tcase_add_test(cases, sizes_that_cannot_be_are_refused);
    tcase_add_test(cases, no_directory_and_no_table_are_clear_errors);
    cases = cases_of(suite, "clocks");
    tcase_add_test(cases, a_reader_of_another_boot_answers_unknown);
    tcase_add_test(cases, clocks_that_disagree_make_unknown_until_the_next_heartbeat);
    tcase_add_test(cases, a_record_from_the_future_is_not_believed);
}

int main(void)
{
    Suite *suite = suite_create("table");

    add_tests(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
