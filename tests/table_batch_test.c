/*
 * table_batch_test.c - look-ups whose misses overlap: they say what single look-ups say, whatever
 * is in the table, and hints about anything change nothing.
 */
#include "tests/table_support.h"

#include "shm/table_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#define NUMBERS 20000
#define MOST    500 /* keys in a batch */

static struct scratch scratch;
static struct table_writer *writer;
static struct table_reader *reader;

static void set_up(void)
{
    scratch = scratch_make();
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    reader = scratch_reader(&scratch);
}

static void tear_down(void)
{
    table_reader_close(reader);
    table_writer_close(writer);
    scratch_remove(&scratch);
}

/* --- a batch and what single look-ups say --- */

static struct numbered numbers[MOST];
static struct table_key keys[MOST + 1];
static struct verdict verdicts[MOST + 1];
static enum table_outcome outcomes[MOST + 1];

/* Of the key's own kind: an account read as a verdict is unknown. */
static void key_set(size_t at, uint64_t number)
{
    value_key(&numbers[at], number);
    keys[at] = numbers[at].key;
}

/* Returns how many of `count` were of this outcome. */
static size_t batch_is_as_single(size_t count, enum table_outcome counted)
{
    size_t found = 0;

    memset(verdicts, 0xa5, sizeof verdicts);
    memset(outcomes, 0xa5, sizeof outcomes);
    const unsigned char *beyond = (const void *)&verdicts[count];
    const enum table_outcome unset = outcomes[count];
    table_read_many(reader, keys, count, scratch.clock.boot_ms, verdicts, outcomes);
    for (size_t i = 0; i < count; i++) {
        struct verdict single;
        const enum table_outcome outcome =
            table_read(reader, &keys[i], scratch.clock.boot_ms, &single);
        CLAIM(outcomes[i] == outcome);
        CLAIM(outcome != TABLE_HIT || verdict_same(&verdicts[i], &single));
        found += outcome == counted;
    }
    CLAIM(outcomes[count] == unset);
    for (size_t i = 0; i < sizeof *verdicts; i++)
        CLAIM(beyond[i] == 0xa5);
    return found;
}

static const size_t counts[] = {0,
                                1,
                                2,
                                TABLE_AHEAD / 2 - 1,
                                TABLE_AHEAD / 2,
                                TABLE_AHEAD / 2 + 1,
                                TABLE_AHEAD - 1,
                                TABLE_AHEAD,
                                TABLE_AHEAD + 1,
                                3 * TABLE_AHEAD + 7,
                                MOST};
#define COUNTS (sizeof counts / sizeof *counts)

/* Hits, misses, records of another kind, of the future, and keys that come again. */
START_TEST(a_batch_says_what_single_look_ups_say)
{
    const size_t count = counts[_i];
    size_t hits = 0, misses = 0, unknown = 0;

    for (uint64_t number = 0; number < NUMBERS; number++)
        CLAIM(value_put(writer, number, number % 50 == 1 ? UINT32_MAX : 1) == 0);
    scratch.clock.boot_ms = 1000000; /* before the stamps of some */
    for (unsigned round = 0; round < 40; round++) {
        for (size_t i = 0; i < count; i++) {
            if (i % 7 == 6)
                keys[i] = keys[i - 5];
            else
                key_set(i, scramble(round * MOST + i) % (NUMBERS + NUMBERS / 2));
        }
        hits += batch_is_as_single(count, TABLE_HIT);
        misses += batch_is_as_single(count, TABLE_MISS);
        unknown += batch_is_as_single(count, TABLE_UNKNOWN);
    }
    ck_assert_uint_ge(hits, count * 10);
    ck_assert_uint_ge(misses, count * 2);
    ck_assert_uint_ge(unknown, count * 2);
}
END_TEST

START_TEST(a_batch_of_one_key_repeated_is_that_key)
{
    CLAIM(value_put(writer, 1, 1) == 0);
    for (size_t i = 0; i < MOST; i++)
        key_set(i, 1);
    ck_assert_uint_eq(batch_is_as_single(MOST, TABLE_HIT), MOST);
}
END_TEST

START_TEST(a_miss_in_a_batch_is_absent_where_everything_is_there)
{
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition += 2)
        table_writer_set_complete(writer, (uint16_t)partition, true);
    for (size_t i = 0; i < MOST; i++)
        key_set(i, i);
    const size_t absent = batch_is_as_single(MOST, TABLE_ABSENT);
    ck_assert_uint_ge(absent, MOST / 4);
    ck_assert_uint_eq(absent + batch_is_as_single(MOST, TABLE_MISS), MOST);
}
END_TEST

START_TEST(where_the_clocks_disagree_all_of_a_batch_is_unknown)
{
    struct table_clock other = scratch.clock;

    for (size_t i = 0; i < MOST; i++) {
        CLAIM(value_put(writer, i, 1) == 0);
        key_set(i, i);
    }
    other.boot_id[0] ^= 1;
    table_reader_refresh(reader, &other);
    ck_assert_uint_eq(batch_is_as_single(MOST, TABLE_UNKNOWN), MOST);
}
END_TEST

/* --- hints --- */

static char *file_of_table(size_t *size)
{
    struct stat status;
    const int descriptor = open(table_writer_path(writer), O_RDWR | O_CLOEXEC);

    CLAIM(descriptor >= 0 && fstat(descriptor, &status) == 0);
    char *bytes =
        mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    CLAIM(bytes != MAP_FAILED);
    close(descriptor);
    *size = (size_t)status.st_size;
    return bytes;
}

/* Cells with the tags of the keys, and offsets of the file's end, beyond it, and of anything. */
START_TEST(a_batch_over_a_damaged_index_finds_nothing_and_ends)
{
    const struct table_geometry geometry = table_geometry_fit(TABLE_BYTES_SMALL);
    size_t size, hits = 0;
    char *bytes = file_of_table(&size);
    struct table_line *lines = (void *)(bytes + geometry.index_offset);
    const uint64_t seed = ((struct table_header *)(void *)bytes)->seed;

    for (size_t i = 0; i < MOST; i++) {
        const uint64_t offsets[] = {
            size, size - 64, size - TABLE_SLOT_MIN, size + TABLE_SLOT_MIN, UINT64_MAX, scramble(i)};
        key_set(i, 4 * i);
        struct table_line *line = &lines[keys[i].partition * geometry.lines +
                                         table_home(keys[i].hash, seed, geometry.lines)];
        for (unsigned cell = 0; cell < TABLE_CELLS; cell++)
            atomic_store(&line->cells[cell], table_cell(offsets[(i + cell) % 6] & 0x3fffffffc0ULL,
                                                        table_tag(keys[i].hash), i));
    }
    for (size_t i = 0; i < MOST; i++) {
        struct table_ahead ahead;
        table_prefetch(&ahead, reader, &keys[i]);
        table_prefetch_record(&ahead, reader, &keys[i]);
        const enum table_outcome outcome =
            table_read_ahead(&ahead, reader, &keys[i], scratch.clock.boot_ms, &verdicts[i]);
        CLAIM(outcome == table_read(reader, &keys[i], scratch.clock.boot_ms, &verdicts[i]));
    }
    hits = batch_is_as_single(MOST, TABLE_HIT);
    ck_assert_uint_eq(hits, 0);
    munmap(bytes, size);
}
END_TEST

/* What was seen ahead is believed in nothing: in between records are replaced, removed, and their
 * slots and cells used for others. */
START_TEST(what_changes_after_it_was_seen_ahead_is_looked_up_as_it_is)
{
    struct table_ahead ahead[MOST];
    size_t hits = 0, misses = 0;

    for (unsigned round = 0; round < 50; round++) {
        for (size_t i = 0; i < MOST; i++) {
            key_set(i, i);
            CLAIM(i % 3 == 0 || value_put(writer, i, 2 * round + 1) == 0);
        }
        for (size_t i = 0; i < MOST; i++) {
            table_prefetch(&ahead[i], reader, &keys[i]);
            table_prefetch_record(&ahead[i], reader, &keys[i]);
        }
        for (size_t i = 0; i < MOST; i++) {
            if (scramble(round * MOST + i) % 4 == 0)
                table_writer_remove(writer, &keys[i]);
            else if (scramble(round * MOST + i) % 4 == 1)
                CLAIM(value_put(writer, i, 2 * round + 2) == 0);
        }
        for (size_t i = 0; i < MOST; i++) {
            struct verdict single, seen;
            const enum table_outcome outcome =
                table_read(reader, &keys[i], scratch.clock.boot_ms, &single);
            CLAIM(table_read_ahead(&ahead[i], reader, &keys[i], scratch.clock.boot_ms, &seen) ==
                  outcome);
            CLAIM(outcome != TABLE_HIT || verdict_same(&seen, &single));
            hits += outcome == TABLE_HIT;
            misses += outcome == TABLE_MISS;
        }
    }
    ck_assert_uint_ge(hits, 50 * MOST / 4);
    ck_assert_uint_ge(misses, 50 * MOST / 10);
}
END_TEST

/* --- what it costs in memory --- */

/* The whole file, at its final size, index and words included, when it is 80 % full of domains as
 * they are: names of ordinary length, a host at a provider, DANE or encryption, and a floor for
 * some. Not the smallest table: there partitions differ more, and each size class has its segment
 * of a small share. */
START_TEST(at_most_192_bytes_a_domain_at_four_fifths_of_the_load)
{
    struct table_facts facts;
    struct stat status;
    uint64_t domains = 0;

    table_writer_close(writer);
    writer = scratch_writer(&scratch, 4 * TABLE_BYTES_SMALL, NULL);
    table_writer_facts(writer, &facts);
    for (; domains < facts.capacity * 4 / 5; domains++) {
        char name[64];
        struct table_key key;
        struct verdict verdict = {
            .class = domains % 4 == 0 ? CLASS_DANE : CLASS_ENCRYPTED,
            .level = domains % 4 == 0 ? LEVEL_AUTHENTICATED : LEVEL_ENCRYPT,
            .enforce = domains % 4 == 0 ? ENFORCE_DANE_ONLY : ENFORCE_ENCRYPT,
            .tls_version = 0x304,
            .hosts = 1,
            .hosts_good = 1,
            .began_ms = 1,
            .valid_until_ms = 1000000,
            .config_epoch = 7,
            .floor = {.level = domains % 8 == 0 ? LEVEL_ENCRYPT : LEVEL_NONE,
                      .proof = domains % 8 == 0 ? PROOF_HANDSHAKES : PROOF_NONE}};
        const int length =
            snprintf(name, sizeof name, "company-%06llu.org.de", (unsigned long long)domains);
        CLAIM(table_key_make(&key, name, (size_t)length));
        snprintf(verdict.host, sizeof verdict.host, "mx%02u.provider-%u.example",
                 (unsigned)(domains % 10), (unsigned)(domains % 997));
        CLAIM(table_writer_put(writer, &key, &verdict) == 0);
    }
    table_writer_facts(writer, &facts);
    ck_assert_uint_eq(facts.evicted, 0);
    ck_assert_uint_eq(facts.records, domains);
    CLAIM(stat(table_writer_path(writer), &status) == 0);
    ck_assert_uint_le((uint64_t)status.st_blocks * 512, facts.file_bytes);
    const uint64_t each = (facts.file_bytes + domains - 1) / domains;
    ck_assert_msg(each <= 192, "%llu bytes a domain", (unsigned long long)each);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table_batch");
    TCase *batches = tcase_create("batches"), *size = tcase_create("size");

    tcase_add_checked_fixture(batches, set_up, tear_down);
    tcase_set_timeout(batches, 60);
    tcase_add_loop_test(batches, a_batch_says_what_single_look_ups_say, 0, COUNTS);
    tcase_add_test(batches, a_batch_of_one_key_repeated_is_that_key);
    tcase_add_test(batches, a_miss_in_a_batch_is_absent_where_everything_is_there);
    tcase_add_test(batches, where_the_clocks_disagree_all_of_a_batch_is_unknown);
    tcase_add_test(batches, a_batch_over_a_damaged_index_finds_nothing_and_ends);
    tcase_add_test(batches, what_changes_after_it_was_seen_ahead_is_looked_up_as_it_is);
    suite_add_tcase(suite, batches);
    tcase_add_checked_fixture(size, set_up, tear_down);
    tcase_set_timeout(size, 60);
    tcase_add_test(size, at_most_192_bytes_a_domain_at_four_fifths_of_the_load);
    suite_add_tcase(suite, size);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
