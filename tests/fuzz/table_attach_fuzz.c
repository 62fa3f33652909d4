/*
 * table_attach_fuzz.c - a table's file with anything in it: opened by a reader, taken over by a
 * writer.
 *
 * The input is a list of changes to a sound file, because random bytes never pass its header:
 *
 *   kind (1 byte)  place (3 bytes)  length (1 byte)  bytes
 *
 * Kinds say where the place counts from, and whether checksums are made right again afterwards, so
 * that what stands behind them is reached. A last kind cuts the file. Properties: neither side
 * crashes or hangs; every hit is a value that was put, unless the input forged a record; after the
 * writer has opened the table, all that is readable is in order, and a second attach drops nothing.
 */
#include "shm/table_file.c"

#include "shm/account.h"
#include "shm/verdict_record.h"
#include "shm/writer.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS        64
#define TABLE_BYTES (12u << 20)

#define MUST(condition)                                                     \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

enum kind {
    KIND_HEADER,        /* and its checksum is made right */
    KIND_HEADER_BROKEN, /* it is not */
    KIND_PARTITIONS,
    KIND_SEGMENTS,
    KIND_LINE,   /* place: n-th line in use, and byte of it */
    KIND_RECORD, /* place: n-th record, and byte of it; its checksum is made right */
    KIND_RECORD_BROKEN,
    KIND_ANYWHERE, /* among the records */
    KIND_CUT,
    KIND_COUNT
};

static char directory[] = "/dev/shm/mxward-fuzz-XXXXXX";
static char path[64];
static struct table_clock now;
static struct table_geometry geometry;
/* The sound file, and where it has something. */
static char *sound;
static uint64_t sound_bytes;
static uint64_t lines[KEYS], records[KEYS];
static struct table_key keys[KEYS];
static char texts[KEYS][32];

/* Every fourth record is an account's, the others are verdicts, some with floor and pins. */
static bool is_account(unsigned number)
{
    return number % 4 == 3;
}

static void verdict_of(struct verdict *verdict, unsigned number)
{
    memset(verdict, 0, sizeof *verdict);
    verdict->class = (enum tls_class)(number % CLASS_COUNT);
    verdict->level = (enum level)(number % (LEVEL_AUTHENTICATED + 1));
    verdict->config_epoch = number;
    snprintf(verdict->host, sizeof verdict->host, "mx%u.example.org", number);
    memset(verdict->match, 'm', number * 7);
    if (number % 4 == 1)
        verdict->floor = (struct floor){.level = LEVEL_ENCRYPT, .seen_at_s = number};
    if (number % 4 == 2)
        verdict->floor = (struct floor){.rule = RULE_PIN, .rule_until_s = number};
    if (number % 8 == 0)
        verdict->pins.count = number / 8 % (VERDICT_PINS_MAX + 1);
}

static void account_of(struct account *account, unsigned number)
{
    *account = (struct account){.changed_s = number, .before_s = number};
    account->flags = (number & 1 ? ACCOUNT_ON : 0) | (number & 2 ? ACCOUNT_ON_BEFORE : 0) |
                     (number & 4 ? ACCOUNT_EXCEPTIONS : 0);
    if (number & 8)
        snprintf(account->before, sizeof account->before, "before-%u", number);
    else
        account->before_s = 0;
    snprintf(account->profile, sizeof account->profile, "profile-%u", number);
}

static bool is_verdict_of(const union record *record, unsigned number)
{
    struct verdict verdict, expected;

    verdict_of(&expected, number);
    return verdict_unpack(record, &verdict) && verdict.class == expected.class &&
           verdict.level == expected.level && verdict.config_epoch == number &&
           verdict.pins.count == expected.pins.count && strcmp(verdict.host, expected.host) == 0 &&
           strcmp(verdict.match, expected.match) == 0 &&
           verdict.floor.level == expected.floor.level &&
           verdict.floor.rule == expected.floor.rule &&
           verdict.floor.seen_at_s == expected.floor.seen_at_s;
}

static bool is_value(const union record *record, unsigned number)
{
    struct account account, expected;

    if (!is_account(number))
        return is_verdict_of(record, number);
    account_of(&expected, number);
    return account_unpack(record, &account) && account.flags == expected.flags &&
           account.changed_s == number && strcmp(account.profile, expected.profile) == 0 &&
           account.before_s == expected.before_s && strcmp(account.before, expected.before) == 0;
}

/* Whatever it is and says: no unpacking looks beyond it. */
static void unpack_all(const union record *record)
{
    char name[ACCOUNT_NAME_MAX], domain[ACCOUNT_DOMAIN_MAX];
    struct verdict verdict;
    struct account account;
    struct account_exception exception;
    struct account_settings settings;
    struct account_alias alias;
    struct profile profile;

    if (verdict_unpack(record, &verdict))
        MUST(strlen(verdict.host) < sizeof verdict.host &&
             strlen(verdict.match) < sizeof verdict.match);
    if (account_unpack(record, &account))
        MUST(strlen(account.profile) < sizeof account.profile &&
             strlen(account.before) < sizeof account.before);
    if (account_settings_unpack(record, &settings))
        MUST(strlen(settings.alias_profile) < sizeof settings.alias_profile);
    if (account_alias_unpack(record, &alias))
        MUST(strlen(alias.profile) < sizeof alias.profile);
    if (account_profile_unpack(record, &profile))
        MUST(strlen(profile.name) < sizeof profile.name);
    account_exception_unpack(record, &exception);
    if (account_record_names(record, name, domain))
        MUST(strlen(name) < sizeof name && strlen(domain) < sizeof domain);
}

static int put(struct table_writer *writer, unsigned number)
{
    struct verdict verdict;
    struct account account;
    struct table_key key;
    union record record;

    if (!is_account(number)) {
        verdict_of(&verdict, number);
        return table_writer_put(writer, &keys[number], &verdict);
    }
    account_of(&account, number);
    MUST(account_pack(&record, &key, texts[number] + 1, &account, 1));
    return table_writer_put_record(writer, &key, &record);
}

static void remove_files(void)
{
    DIR *files = opendir(directory);

    for (struct dirent *entry; files != NULL && (entry = readdir(files)) != NULL;) {
        char name[400];
        snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
        unlink(name);
    }
    if (files != NULL)
        closedir(files);
}

static void remove_all(void)
{
    remove_files();
    rmdir(directory);
}

static void make_sound(void)
{
    struct table_writer *writer;
    struct table_map map;
    char why[200];

    MUST(table_writer_open(&writer, directory, TABLE_BYTES, &now, NULL, why, sizeof why) == 0);
    for (unsigned i = 0; i < KEYS; i++) {
        const int length = snprintf(texts[i], sizeof texts[i], "%s%u%cexample.org",
                                    is_account(i) ? "au" : "d", i, is_account(i) ? '@' : '.');
        MUST(table_key_make(&keys[i], texts[i], (size_t)length));
        MUST(put(writer, i) == 0);
    }
    table_writer_close(writer);
    const int descriptor = table_file_map(&map, path, 1, false, why, sizeof why);
    MUST(descriptor >= 0);
    geometry = map.geometry;
    sound_bytes = table_load(&map.header->allocated);
    sound = malloc(sound_bytes);
    MUST(sound != NULL);
    memcpy(sound, map.base, sound_bytes);
    unsigned count = 0;
    for (uint64_t i = 0; i < TABLE_PARTITIONS * geometry.lines * TABLE_CELLS && count < KEYS; i++) {
        const uint64_t cell = table_load(&map.lines[i / TABLE_CELLS].cells[i % TABLE_CELLS]);
        if (cell == 0)
            continue;
        lines[count] = geometry.index_offset + i / TABLE_CELLS * sizeof(struct table_line);
        records[count++] = table_cell_offset(cell);
    }
    MUST(count == KEYS);
    table_file_unmap(&map);
    close(descriptor);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    MUST(mkdtemp(directory) != NULL);
    atexit(remove_all);
    MUST(table_clock_read(&now) == 0);
    snprintf(path, sizeof path, "%s/table.1", directory);
    make_sound();
    return 0;
}

/* --- one input --- */

/* Where a change goes; nothing beyond `sound_bytes` is ever changed. */
static uint64_t place_of(enum kind kind, uint32_t place)
{
    switch (kind) {
    case KIND_HEADER:
    case KIND_HEADER_BROKEN:
        return place % 192;
    case KIND_PARTITIONS:
        return sizeof(struct table_header) + place % (TABLE_PARTITIONS * 64);
    case KIND_SEGMENTS:
        return geometry.segments_offset + place % (geometry.segments * 4);
    case KIND_LINE:
        return lines[place % KEYS] / 512 * 512 + place / KEYS % 512;
    case KIND_RECORD:
    case KIND_RECORD_BROKEN:
        return records[place % KEYS] + place / KEYS % TABLE_SLOT_MIN;
    case KIND_ANYWHERE:
    case KIND_CUT:
    case KIND_COUNT:
        break;
    }
    return geometry.records_offset + place % (sound_bytes - geometry.records_offset);
}

static void mend_record(char *bytes, uint64_t offset)
{
    union record record;
    const uint64_t left = sound_bytes - offset;

    memcpy(&record, bytes + offset, left < sizeof record ? left : sizeof record);
    const size_t words = record_words(&record.head);
    if (words < 3 || words * 8 > left)
        return;
    record_finish(&record, record.head.sequence);
    memcpy(bytes + offset, &record, words * 8);
}

/* What the changes allow to be read that was never put. */
struct applied {
    bool forged;   /* a record with a right checksum */
    bool header;   /* maybe another seed, boot, or size */
    uint64_t size; /* of the file */
};

static struct applied apply(char *bytes, const uint8_t *data, size_t size)
{
    struct applied applied = {.size = geometry.file_bytes};

    for (size_t at = 0; at + 5 <= size;) {
        const enum kind kind = data[at] % KIND_COUNT;
        const uint32_t place =
            data[at + 1] | (uint32_t)data[at + 2] << 8 | (uint32_t)data[at + 3] << 16;
        const uint64_t offset = place_of(kind, place);
        uint64_t length = data[at + 4];
        at += 5;
        length = length < size - at ? length : size - at;
        length = length < sound_bytes - offset ? length : sound_bytes - offset;
        if (kind == KIND_CUT) {
            applied.size = place;
            continue;
        }
        memcpy(bytes + offset, data + at, length);
        at += length;
        applied.header |= kind == KIND_HEADER || offset < 192;
        if (kind == KIND_HEADER)
            ((struct table_header *)(void *)bytes)->checksum = header_checksum((void *)bytes);
        if (kind == KIND_RECORD) {
            mend_record(bytes, records[place % KEYS]);
            applied.forged = true;
        }
    }
    return applied;
}

/* The file of the last input, if the writer went on with it: only what can have changed is put back
 * then, which is what makes this fast. */
static char *file;
static ino_t file_number;

static bool file_is_usable(void)
{
    struct stat status;

    return file != NULL && stat(path, &status) == 0 && status.st_ino == file_number &&
           (uint64_t)status.st_size == geometry.file_bytes;
}

static void file_make(void)
{
    struct stat status;

    if (file != NULL)
        munmap(file, sound_bytes);
    remove_files();
    const int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    MUST(descriptor >= 0 && ftruncate(descriptor, (off_t)geometry.file_bytes) == 0);
    MUST(fstat(descriptor, &status) == 0);
    file_number = status.st_ino;
    file = mmap(NULL, sound_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    MUST(file != MAP_FAILED);
    close(descriptor);
}

/* All that is not zero in the sound file, and all that follows it closely. */
static void file_restore(void)
{
    const uint64_t index_end =
        geometry.index_offset + TABLE_PARTITIONS * geometry.lines * sizeof(struct table_line);
    const uint64_t records_end = sound_bytes;

    memcpy(file, sound, geometry.segments_offset + geometry.segments * sizeof(uint32_t));
    memcpy(file + geometry.index_offset, sound + geometry.index_offset,
           index_end - geometry.index_offset);
    memcpy(file + geometry.records_offset, sound + geometry.records_offset,
           records_end - geometry.records_offset);
}

static void write_file(const uint8_t *data, size_t size, struct applied *applied)
{
    if (!file_is_usable())
        file_make();
    file_restore();
    *applied = apply(file, data, size);
    if (applied->size != geometry.file_bytes)
        MUST(truncate(path, (off_t)applied->size) == 0);
}

static void read_keys(const struct table_reader *reader, const struct applied *applied,
                      bool attached)
{
    for (unsigned i = 0; i < KEYS; i++) {
        union record record;
        const enum table_outcome outcome = table_find(reader, &keys[i], now.boot_ms, &record);
        if (outcome == TABLE_HIT) {
            MUST(applied->forged || is_value(&record, i));
            unpack_all(&record);
        }
        if (attached && !applied->forged)
            MUST(outcome != TABLE_UNKNOWN);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct applied applied;
    struct table_reader *reader;
    struct table_writer *writer;
    struct table_opened opened;
    char why[200];

    write_file(data, size, &applied);
    const bool readable = table_reader_open(&reader, directory, &now, why, sizeof why) == 0;
    MUST(readable || why[0] != '\0');
    if (readable)
        read_keys(reader, &applied, false);

    MUST(table_writer_open(&writer, directory, TABLE_BYTES, &now, &opened, why, sizeof why) == 0);
    if (readable) {
        table_reader_refresh(reader, &now);
        read_keys(reader, &applied, false);
        table_reader_close(reader);
    }
    MUST(table_reader_open(&reader, directory, &now, why, sizeof why) == 0);
    read_keys(reader, &applied, true);
    for (unsigned i = 0; i < KEYS; i += 3) {
        union record record;
        MUST(put(writer, i) == 0);
        MUST(table_find(reader, &keys[i], now.boot_ms, &record) == TABLE_HIT);
        MUST(is_value(&record, i));
    }
    table_reader_close(reader);
    table_writer_close(writer);

    MUST(table_writer_open(&writer, directory, TABLE_BYTES, &now, &opened, why, sizeof why) == 0);
    MUST(opened.attached && opened.dropped == 0 && opened.repeated == 0);
    table_writer_close(writer);
    return 0;
}
