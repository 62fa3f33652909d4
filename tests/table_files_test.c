/*
 * table_files_test.c - files that are truncated, of another version, or filled with anything: a
 * clear error for a reader, a fresh or repaired table for a writer, never a crash, never a wrong
 * record. TABLE_TORTURE=1: the writer meets every truncation and every byte, and not only some.
 */
#include "tests/table_support.h"

#include "shm/table_file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define KEYS 2000

static struct scratch scratch;

static void set_up(void)
{
    struct table_writer *writer;

    scratch = scratch_make();
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    for (uint64_t number = 0; number < KEYS; number++)
        CLAIM(value_put(writer, number, 1) == 0);
    table_writer_close(writer);
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

/* The first table's file, writable, as bytes. */
static char *open_bytes(size_t *size)
{
    char path[128];
    struct stat status;

    snprintf(path, sizeof path, "%s/table.1", scratch.directory);
    const int descriptor = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(descriptor, 0);
    CLAIM(fstat(descriptor, &status) == 0);
    char *bytes =
        mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ck_assert_ptr_ne(bytes, MAP_FAILED);
    close(descriptor);
    *size = (size_t)status.st_size;
    return bytes;
}

static void truncate_to(off_t size)
{
    char path[128];

    snprintf(path, sizeof path, "%s/table.1", scratch.directory);
    CLAIM(truncate(path, size) == 0);
}

/* Every hit is a value that was put. Returns the hits. */
static unsigned read_all(const struct table_reader *reader, unsigned *unknown)
{
    unsigned hits = 0;

    *unknown = 0;
    for (uint64_t number = 0; number < KEYS + 100; number++) {
        uint32_t version;
        const enum table_outcome outcome =
            value_read(reader, number, scratch.clock.boot_ms, &version);
        *unknown += outcome == TABLE_UNKNOWN;
        if (outcome != TABLE_HIT)
            continue;
        ck_assert_uint_lt(number, KEYS);
        CLAIM(version == 1);
        hits++;
    }
    return hits;
}

static void expect_reader_refuses(const char *reason)
{
    struct table_reader *reader;
    char why[256];

    CLAIM(table_reader_open(&reader, scratch.directory, &scratch.clock, why, sizeof why) ==
          -EPROTO);
    ck_assert_msg(strstr(why, reason) != NULL, "'%s' does not say '%s'", why, reason);
}

/* The writer makes a new file, which works, and the bad one is gone. */
static void expect_fresh(uint64_t kept)
{
    struct table_opened opened;
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    struct table_reader *reader = scratch_reader(&scratch);
    char path[128];
    unsigned unknown;

    CLAIM(!opened.attached);
    CLAIM(opened.kept == kept);
    CLAIM(read_all(reader, &unknown) == kept);
    CLAIM(unknown == 0);
    snprintf(path, sizeof path, "%s/table.1", scratch.directory);
    CLAIM(access(path, F_OK) == -1);
    table_reader_close(reader);
    table_writer_close(writer);
}

START_TEST(a_truncated_file_is_refused_and_replaced)
{
    static const off_t sizes[] = {0, 1, 63, 4095, 4096, 2 << 20, 5 << 20};

    truncate_to(sizes[_i]);
    expect_reader_refuses("is truncated");
    expect_fresh(0);
}
END_TEST

static bool torture(void)
{
    return getenv("TABLE_TORTURE") != NULL;
}

/* The only file: this header, and nothing behind it. */
static void write_header_alone(const struct table_header *header, off_t size)
{
    char path[128];

    snprintf(path, sizeof path, "%s/table.2", scratch.directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/table.1", scratch.directory);
    const int descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    CLAIM(descriptor >= 0);
    CLAIM(pwrite(descriptor, header, sizeof *header, 0) == (ssize_t)sizeof *header);
    CLAIM(ftruncate(descriptor, size) == 0);
    close(descriptor);
}

/* And one that is a page too long. */
START_TEST(a_file_truncated_at_any_page_is_refused_and_replaced)
{
    struct table_header header;
    size_t size;
    char *bytes = open_bytes(&size);
    const off_t page = sizeof header, pages = (off_t)size / page;

    memcpy(&header, bytes, sizeof header);
    munmap(bytes, size);
    for (off_t at = 0; at <= pages + 1; at++) {
        if (at == pages)
            continue;
        write_header_alone(&header, at * page);
        expect_reader_refuses("is truncated");
        if (at < 8 || at >= pages - 1 || at % 251 == 0 || torture())
            expect_fresh(0);
    }
}
END_TEST

/* Readers read right or nothing. The writer goes on with it, or makes another, and then all is in
 * order. */
static void expect_survived(void)
{
    struct table_reader *reader = NULL;
    struct table_opened opened;
    char why[256];
    unsigned unknown;

    const int status =
        table_reader_open(&reader, scratch.directory, &scratch.clock, why, sizeof why);
    CLAIM(status == 0 || status == -EPROTO);
    if (status == 0)
        read_all(reader, &unknown);
    table_reader_close(reader);
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    reader = scratch_reader(&scratch);
    CLAIM(read_all(reader, &unknown) == opened.kept);
    CLAIM(unknown == 0);
    CLAIM(opened.kept == KEYS || opened.kept == 0);
    CLAIM(!table_reader_is_over(reader));
    table_reader_close(reader);
    table_writer_close(writer);
}

/* Also the words that change, which no checksum covers. */
START_TEST(every_byte_of_the_header_may_be_flipped)
{
    struct scratch sound = scratch_make();
    char from[128], to[128];

    snprintf(from, sizeof from, "%s/table.1", sound.directory);
    snprintf(to, sizeof to, "%s/table.1", scratch.directory);
    copy_file(to, from);
    for (size_t at = 0; at < sizeof(struct table_header); at++) {
        if (at >= 192 && at % 509 != 0 && !torture())
            continue; /* unused */
        size_t size;
        char path[128];
        snprintf(path, sizeof path, "%s/table.2", scratch.directory);
        unlink(path);
        copy_file(from, to);
        char *bytes = open_bytes(&size);
        bytes[at] = (char)(bytes[at] ^ (at % 2 == 0 ? 0xff : 1 << at / 2 % 8));
        munmap(bytes, size);
        expect_survived();
    }
    scratch_remove(&sound);
}
END_TEST

START_TEST(a_sound_header_before_random_bytes_gives_no_record)
{
    struct table_reader *reader;
    size_t size;
    unsigned unknown;
    char *bytes = open_bytes(&size);

    for (size_t i = sizeof(struct table_header); i < size; i += 8) {
        const uint64_t word = scramble(i + (uint64_t)_i);
        memcpy(bytes + i, &word, 8);
    }
    munmap(bytes, size);
    reader = scratch_reader(&scratch);
    CLAIM(read_all(reader, &unknown) == 0);
    table_reader_close(reader);
    expect_fresh(0);
}
END_TEST

/* "A greater minor: only appended fields." */
START_TEST(a_greater_minor_is_read_and_gone_on_with)
{
    size_t size;
    char *bytes = open_bytes(&size);
    struct table_header *header = (void *)bytes;
    char covered[32 + 56];
    struct table_opened opened;
    unsigned unknown;

    header->minor = TABLE_MINOR + 1;
    memcpy(covered, bytes, 32);
    memcpy(covered + 32, bytes + 64, 56);
    header->checksum = XXH3_64bits(covered, sizeof covered);
    munmap(bytes, size);
    struct table_reader *reader = scratch_reader(&scratch);
    CLAIM(read_all(reader, &unknown) == KEYS);
    table_reader_close(reader);
    table_writer_close(scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened));
    CLAIM(opened.attached && opened.kept == KEYS);
}
END_TEST

START_TEST(another_major_is_refused_and_told_its_successor)
{
    size_t size;
    char *bytes = open_bytes(&size);
    struct table_header *header = (void *)bytes;

    header->major = TABLE_MAJOR + 1;
    expect_reader_refuses("another layout");
    expect_fresh(0);
    CLAIM(table_load(&header->successor) == 2);
    munmap(bytes, size);
}
END_TEST

START_TEST(another_format_is_refused)
{
    size_t size;
    char *bytes = open_bytes(&size);

    ((struct table_header *)(void *)bytes)->format ^= 1ULL << 20;
    expect_reader_refuses("another layout");
    expect_fresh(0);
    munmap(bytes, size);
}
END_TEST

START_TEST(a_flipped_bit_in_the_constant_header_is_noticed)
{
    size_t size;
    char *bytes = open_bytes(&size);
    struct table_reader *reader;
    char why[256];

    for (size_t bit = 0; bit < sizeof(struct table_header) * 8 && bit < 1024; bit++) {
        if (bit / 8 >= offsetof(struct table_header, successor) &&
            bit / 8 < offsetof(struct table_header, format))
            continue; /* not constant, not used */
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        CLAIM(table_reader_open(&reader, scratch.directory, &scratch.clock, why, sizeof why) ==
              -EPROTO);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
    reader = scratch_reader(&scratch);
    table_reader_close(reader);
    munmap(bytes, size);
}
END_TEST

START_TEST(a_file_of_random_bytes_is_not_a_table)
{
    size_t size;
    char *bytes = open_bytes(&size);

    for (size_t i = 0; i < size; i += 8) {
        const uint64_t word = scramble(i + (uint64_t)_i);
        memcpy(bytes + i, &word, 8);
    }
    munmap(bytes, size);
    expect_reader_refuses("is not a table");
    expect_fresh(0);
}
END_TEST

START_TEST(other_kinds_of_files_are_refused)
{
    char path[128];
    struct table_reader *reader;
    struct table_writer *writer;
    char why[256];

    snprintf(path, sizeof path, "%s/table.2", scratch.directory);
    CLAIM(mkfifo(path, 0640) == 0);
    CLAIM(table_reader_open(&reader, scratch.directory, &scratch.clock, why, sizeof why) ==
          -EPROTO);
    unlink(path);
    CLAIM(symlink("/etc/passwd", path) == 0);
    ck_assert_int_lt(table_reader_open(&reader, scratch.directory, &scratch.clock, why, sizeof why),
                     0);
    ck_assert_int_lt(table_writer_open(&writer, scratch.directory, TABLE_BYTES_SMALL,
                                       &scratch.clock, NULL, why, sizeof why),
                     0);
    unlink(path);
    /* Names that only look like generations are not considered. */
    static const char *const others[] = {"table.", "table.0", "table.-1", "table.1x", "table.01"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(path, sizeof path, "%s/%s", scratch.directory, others[i]);
        CLAIM(close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0640)) == 0);
    }
    reader = scratch_reader(&scratch);
    unsigned unknown;
    CLAIM(read_all(reader, &unknown) == KEYS);
    table_reader_close(reader);
}
END_TEST

/* --- damage behind a sound header --- */

/* Where the table really has something: damage elsewhere proves little. */
static void damage(char *bytes, uint64_t seed, unsigned count)
{
    const struct table_geometry geometry = table_geometry_fit(TABLE_BYTES_SMALL);
    const struct table_header *header = (const void *)bytes;
    const uint64_t allocated = table_load(&header->allocated);
    const uint64_t starts[] = {sizeof *header, geometry.segments_offset, geometry.index_offset,
                               geometry.index_offset, geometry.records_offset};
    const uint64_t ends[] = {geometry.segments_offset,
                             geometry.segments_offset + geometry.segments * 4,
                             geometry.records_offset, geometry.records_offset, allocated};

    for (unsigned i = 0; i < count; i++) {
        const uint64_t random = scramble(seed * 1000 + i);
        const unsigned region = (unsigned)(random % 5);
        /* Segment words only now and then: one bad word condemns the file. */
        if (region == 1 && random >> 60 != 0)
            continue;
        const uint64_t at = starts[region] + (random >> 8) % (ends[region] - starts[region]);
        if (region == 2) /* a whole cell of nonsense in place of what is there */
            memcpy(bytes + at / 8 * 8, &random, 8);
        else
            bytes[at] = (char)(bytes[at] ^ (char)(random >> 3 | 1));
    }
}

START_TEST(damage_behind_the_header_never_gives_a_wrong_record)
{
    size_t size;
    char *bytes = open_bytes(&size);
    struct table_reader *reader = scratch_reader(&scratch);
    struct table_opened opened;
    unsigned unknown;

    damage(bytes, (uint64_t)_i + 1, 50u << _i);
    const unsigned hits = read_all(reader, &unknown);
    ck_assert_uint_lt(hits, KEYS + 1);
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    ck_assert_int_ge(table_reader_refresh(reader, &scratch.clock), 0);
    ck_assert_uint_ge(read_all(reader, &unknown), hits);
    CLAIM(unknown == 0);
    /* Repaired: what is put is read, and the next attach has nothing to drop. */
    for (uint64_t number = 0; number < KEYS; number++)
        CLAIM(value_put(writer, number, 1) == 0);
    CLAIM(read_all(reader, &unknown) == KEYS);
    table_writer_close(writer);
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    CLAIM(opened.attached);
    CLAIM(opened.kept == KEYS);
    CLAIM(opened.dropped + opened.repeated == 0);
    table_writer_close(writer);
    table_reader_close(reader);
    munmap(bytes, size);
}
END_TEST

START_TEST(an_impossible_allocation_is_not_followed)
{
    static const uint64_t lies[] = {UINT64_MAX, UINT64_MAX - 100, 1ULL << 40, 0,
                                    100,        (2 << 20) + 1};
    size_t size;
    char *bytes = open_bytes(&size);
    struct table_header *header = (void *)bytes;
    const struct table_geometry geometry = table_geometry_fit(TABLE_BYTES_SMALL);
    struct table_line *lines = (void *)(bytes + geometry.index_offset);
    unsigned unknown;

    table_store(&header->allocated, lies[_i]);
    for (uint64_t i = 0; i < TABLE_PARTITIONS * geometry.lines; i++) {
        for (unsigned cell = 0; cell < TABLE_CELLS; cell += 2) {
            const uint64_t value = table_load(&lines[i].cells[cell]);
            if (value != 0) /* to and beyond the end */
                table_store(&lines[i].cells[cell],
                            (value & ~0xffffffffULL) | (geometry.file_bytes / 64 - 3 + i % 8));
        }
    }
    struct table_reader *reader = scratch_reader(&scratch);
    read_all(reader, &unknown);
    table_reader_close(reader);
    struct table_opened opened;
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    CLAIM(!opened.attached);
    table_writer_close(writer);
    munmap(bytes, size);
}
END_TEST

/* --- duplicates --- */

/* A second, weaker or stronger, record of a key, as no writer of ours leaves it. */
static void plant_duplicate(char *bytes, const struct table_key *key, const struct verdict *verdict,
                            uint64_t free_slot)
{
    const struct table_geometry geometry = table_geometry_fit(TABLE_BYTES_SMALL);
    const struct table_header *header = (const void *)bytes;
    struct table_line *lines = (void *)(bytes + geometry.index_offset);
    struct table_line *home = &lines[key->partition * geometry.lines +
                                     table_home(key->hash, header->seed, geometry.lines)];
    union record record;

    memset(&record, 0, sizeof record);
    CLAIM(verdict_pack(&record, key, verdict));
    record_finish(&record, 1);
    memcpy(bytes + free_slot, &record, TABLE_SLOT_MIN);
    for (unsigned i = TABLE_CELLS; i-- > 0;) {
        if (table_load(&home->cells[i]) == 0) {
            table_store(&home->cells[i], table_cell(free_slot, table_tag(key->hash), 1));
            return;
        }
    }
    ck_abort_msg("no free cell");
}

/* A slot of the smallest class that no record of the partition was ever in. */
static uint64_t virgin_slot(char *bytes, uint16_t partition)
{
    const struct table_geometry geometry = table_geometry_fit(TABLE_BYTES_SMALL);
    const uint32_t *segments = (const void *)(bytes + geometry.segments_offset);

    for (uint64_t segment = 0; segment < geometry.segments; segment++) {
        if (segments[segment] != table_segment_word(0, partition))
            continue;
        for (unsigned place = TABLE_SEGMENT_SLOTS; place-- > 0;) {
            const uint64_t offset =
                geometry.records_offset + segment * TABLE_SEGMENT_BYTES + place * TABLE_SLOT_MIN;
            uint64_t sequence;
            memcpy(&sequence, bytes + offset + 8, 8);
            if (sequence == 0)
                return offset;
        }
    }
    ck_abort_msg("no free slot");
}

static void expect_stricter_stays(enum level level, const struct floor *floor, uint64_t began_ms,
                                  bool replaced)
{
    size_t size;
    char *bytes = open_bytes(&size);
    struct numbered numbered;
    struct verdict original, read;
    struct table_opened opened;
    const struct verdict duplicate = {
        .level = level, .floor = *floor, .began_ms = began_ms, .config_epoch = 99};
    uint64_t number = 0;

    /* A key whose original is in the middle of both orders. */
    do {
        value_of(&original, ++number, 1);
    } while (number_is_account(number) || verdict_strictness(&original) != LEVEL_ENCRYPT);
    numbered_key(&numbered, number);
    plant_duplicate(bytes, &numbered.key, &duplicate, virgin_slot(bytes, numbered.key.partition));
    struct table_writer *writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    CLAIM(opened.attached);
    CLAIM(opened.repeated == 1);
    CLAIM(opened.dropped == 0);
    CLAIM(opened.kept == KEYS);
    CLAIM(table_writer_get(writer, &numbered.key, &read));
    CLAIM(read.config_epoch == (replaced ? 99 : 1));
    CLAIM(table_writer_remove(writer, &numbered.key));
    CLAIM(!table_writer_get(writer, &numbered.key, &read));
    table_writer_close(writer);
    munmap(bytes, size);
}

START_TEST(of_two_records_of_a_key_the_stricter_stays)
{
    expect_stricter_stays(LEVEL_AUTHENTICATED, &(struct floor){0}, 0, true);
}
END_TEST
START_TEST(of_two_records_of_a_key_the_laxer_goes)
{
    expect_stricter_stays(LEVEL_NONE, &(struct floor){0}, 500, false);
}
END_TEST
START_TEST(of_two_equally_strict_records_the_later_stays)
{
    expect_stricter_stays(LEVEL_ENCRYPT, &(struct floor){0}, 500, true);
}
END_TEST
START_TEST(of_two_records_of_a_key_that_with_the_stricter_floor_stays)
{
    expect_stricter_stays(LEVEL_NONE, &(struct floor){.hosts_level = LEVEL_AUTHENTICATED}, 0, true);
}
END_TEST
START_TEST(of_two_records_of_a_key_the_one_that_is_refused_stays)
{
    expect_stricter_stays(LEVEL_NONE, &(struct floor){.rule = RULE_REFUSE}, 0, true);
}
END_TEST

/* --- heads that lie --- */

static void forge(union record *record, unsigned which)
{
    switch (which) {
    case 0:
        record->head.kind = RECORD_NONE;
        return;
    case 1:
        record->head.kind = RECORD_KIND_COUNT;
        return;
    case 2:
        record->head.rank = 15;
        return;
    case 3:
        record->head.key_bytes = 0;
        return;
    default:
        record->head.key_bytes--;
    }
}

/* With a right checksum. Everything that the writer goes by is in the head. */
START_TEST(a_record_with_a_head_that_cannot_be_is_dropped)
{
    const struct table_geometry geometry = table_geometry_fit(TABLE_BYTES_SMALL);
    size_t size;
    char *bytes = open_bytes(&size);
    struct table_line *lines = (void *)(bytes + geometry.index_offset);
    struct table_opened opened;
    uint64_t *slot = NULL;

    for (uint64_t i = 0; slot == NULL; i++) {
        const uint64_t cell = table_load(&lines[i / TABLE_CELLS].cells[i % TABLE_CELLS]);
        if (cell != 0)
            slot = (uint64_t *)(void *)(bytes + table_cell_offset(cell));
    }
    union record record;
    memcpy(&record, slot, TABLE_SLOT_MAX);
    forge(&record, (unsigned)_i / 2);
    record_finish(&record, record.head.sequence);
    memcpy(slot, &record, record_words(&record.head) * 8);
    struct table_writer *writer =
        scratch_writer(&scratch, TABLE_BYTES_SMALL * (_i % 2 == 0 ? 1 : 2), &opened);
    CLAIM(opened.attached == (_i % 2 == 0)); /* into a successor, too */
    CLAIM(opened.dropped == 1 || _i == 9);   /* another key is no harm in another file */
    CLAIM(opened.kept + opened.dropped == KEYS);
    table_writer_close(writer);
    munmap(bytes, size);
}
END_TEST

/* --- running out --- */

static unsigned descriptors_open(void)
{
    DIR *files = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(files) != NULL)
        count++;
    closedir(files);
    return count;
}

/* Opens both sides under a limit; true if both could be. Whatever fails says so and leaks nothing.
 */
static bool open_under(int resource, rlim_t limit, uint64_t bytes)
{
    struct table_writer *writer = NULL;
    struct table_reader *reader = NULL;
    struct rlimit before, low;
    char why[256] = "", complaint[256] = "";
    const unsigned descriptors = descriptors_open();

    CLAIM(getrlimit(resource, &before) == 0);
    low = before;
    low.rlim_cur = limit;
    CLAIM(setrlimit(resource, &low) == 0);
    const int reading =
        table_reader_open(&reader, scratch.directory, &scratch.clock, complaint, sizeof complaint);
    const int writing =
        table_writer_open(&writer, scratch.directory, bytes, &scratch.clock, NULL, why, sizeof why);
    CLAIM(setrlimit(resource, &before) == 0);
    CLAIM(reading == 0 || reading == -ENOMEM || reading == -EMFILE);
    CLAIM(reading == 0 || complaint[0] != '\0');
    CLAIM(writing == 0 || writing == -ENOMEM || writing == -EMFILE);
    CLAIM(writing == 0 || why[0] != '\0');
    if (reading == 0)
        table_reader_close(reader);
    if (writing == 0)
        table_writer_close(writer);
    ck_assert_uint_eq(descriptors_open(), descriptors);
    return reading == 0 && writing == 0;
}

START_TEST(running_out_of_descriptors_is_an_error_code)
{
    const uint64_t sizes[] = {TABLE_BYTES_SMALL, 2 * TABLE_BYTES_SMALL};
    rlim_t limit = 3;

    while (!open_under(RLIMIT_NOFILE, limit, sizes[_i]))
        CLAIM(++limit < 64);
    CLAIM(limit > 3); /* it did fail on the way */
    struct table_reader *reader = scratch_reader(&scratch);
    unsigned unknown;
    CLAIM(read_all(reader, &unknown) == KEYS);
    table_reader_close(reader);
}
END_TEST

/* Sanitizers have address space of their own that no limit fits. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    CLAIM(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

START_TEST(running_out_of_address_space_is_an_error_code)
{
    const uint64_t sizes[] = {TABLE_BYTES_SMALL, 2 * TABLE_BYTES_SMALL};
    const rlim_t used = address_space();
    rlim_t more = 0;

    while (!open_under(RLIMIT_AS, used + more, sizes[_i])) {
        more += 1 << 20;
        CLAIM(more < (rlim_t)1 << 30);
    }
    CLAIM(more > 16 << 20);
    struct table_reader *reader = scratch_reader(&scratch);
    unsigned unknown;
    CLAIM(read_all(reader, &unknown) == KEYS);
    table_reader_close(reader);
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("table files");
    TCase *cases = tcase_create("files");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, torture() ? 3600 : 120);
    tcase_add_loop_test(cases, a_truncated_file_is_refused_and_replaced, 0, 7);
    tcase_add_test(cases, a_file_truncated_at_any_page_is_refused_and_replaced);
    tcase_add_test(cases, every_byte_of_the_header_may_be_flipped);
    tcase_add_loop_test(cases, a_sound_header_before_random_bytes_gives_no_record, 0, 2);
    tcase_add_test(cases, a_greater_minor_is_read_and_gone_on_with);
    tcase_add_test(cases, another_major_is_refused_and_told_its_successor);
    tcase_add_test(cases, another_format_is_refused);
    tcase_add_test(cases, a_flipped_bit_in_the_constant_header_is_noticed);
    tcase_add_loop_test(cases, a_file_of_random_bytes_is_not_a_table, 0, 2);
    tcase_add_test(cases, other_kinds_of_files_are_refused);
    tcase_add_loop_test(cases, damage_behind_the_header_never_gives_a_wrong_record, 0, 12);
    tcase_add_loop_test(cases, an_impossible_allocation_is_not_followed, 0, 6);
    tcase_add_loop_test(cases, running_out_of_descriptors_is_an_error_code, 0, 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_loop_test(cases, running_out_of_address_space_is_an_error_code, 0, 2);
#else
    fputs("not under a sanitizer: running_out_of_address_space_is_an_error_code\n", stderr);
#endif
    tcase_add_test(cases, of_two_records_of_a_key_the_stricter_stays);
    tcase_add_test(cases, of_two_records_of_a_key_the_laxer_goes);
    tcase_add_test(cases, of_two_equally_strict_records_the_later_stays);
    tcase_add_test(cases, of_two_records_of_a_key_that_with_the_stricter_floor_stays);
    tcase_add_test(cases, of_two_records_of_a_key_the_one_that_is_refused_stays);
    tcase_add_loop_test(cases, a_record_with_a_head_that_cannot_be_is_dropped, 0, 10);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
