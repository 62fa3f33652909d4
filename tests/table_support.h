/*
 * table_support.h - what the tests of the table share: a directory on a tmpfs, keys by number, and
 * values that describe themselves.
 *
 * The value of key k in version v is a pure function of k and v, and v can be read from it: of
 * every fourth key an account (changed_s), of the others a verdict (config_epoch), many with a
 * floor or pins. So whoever reads a record can tell whether exactly that was ever written, however
 * many versions there were; and its size wanders through all size classes.
 */
#ifndef MXWARD_TESTS_TABLE_SUPPORT_H
#define MXWARD_TESTS_TABLE_SUPPORT_H

#include "shm/account.h"
#include "shm/reader.h"
#include "shm/verdict_record.h"
#include "shm/writer.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define TABLE_BYTES_SMALL (16u << 20)

/* A program that does not run under Check says itself what happens when the ground gives way. */
#ifndef SUPPORT_MUST
#define SUPPORT_MUST(condition, ...) ck_assert_msg(condition, __VA_ARGS__)
#endif

/* For what is claimed a hundred thousand times: Check writes a message for each of its assertions.
 */
#define CLAIM(condition)                            \
    do {                                            \
        if (!(condition))                           \
            ck_abort_msg("not so: %s", #condition); \
    } while (0)

struct scratch {
    char directory[64];
    struct table_clock clock;
};

static inline void scratch_remove(struct scratch *scratch)
{
    DIR *files = opendir(scratch->directory);

    for (struct dirent *entry; files != NULL && (entry = readdir(files)) != NULL;) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", scratch->directory, entry->d_name);
        unlink(path);
    }
    if (files != NULL)
        closedir(files);
    rmdir(scratch->directory);
}

/* /dev/shm is a tmpfs everywhere. */
static inline struct scratch scratch_make(void)
{
    struct scratch scratch = {.directory = "/dev/shm/mxward-table-XXXXXX"};

    SUPPORT_MUST(mkdtemp(scratch.directory) != NULL, "%s", scratch.directory);
    SUPPORT_MUST(table_clock_read(&scratch.clock) == 0, "no boot id");
    return scratch;
}

static inline struct table_writer *scratch_writer(const struct scratch *scratch, uint64_t bytes,
                                                  struct table_opened *opened)
{
    struct table_writer *writer = NULL;
    char why[256];
    const int status = table_writer_open(&writer, scratch->directory, bytes, &scratch->clock,
                                         opened, why, sizeof why);

    SUPPORT_MUST(status == 0, "%s", why);
    return writer;
}

static inline struct table_reader *scratch_reader(const struct scratch *scratch)
{
    struct table_reader *reader = NULL;
    char why[256];
    const int status =
        table_reader_open(&reader, scratch->directory, &scratch->clock, why, sizeof why);

    SUPPORT_MUST(status == 0, "%s", why);
    return reader;
}

/* A sparse file stays sparse. */
static inline void copy_file(const char *from, const char *to)
{
    static char buffer[1 << 16];
    struct stat status;
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

    SUPPORT_MUST(in >= 0 && out >= 0 && fstat(in, &status) == 0, "%s", from);
    SUPPORT_MUST(ftruncate(out, status.st_size) == 0, "%s", to);
    for (off_t at = 0; (at = lseek(in, at, SEEK_DATA)) >= 0 && at < status.st_size;) {
        const ssize_t got = pread(in, buffer, sizeof buffer, at);
        SUPPORT_MUST(got > 0 && pwrite(out, buffer, (size_t)got, at) == got, "%s", to);
        at += got;
    }
    close(in);
    close(out);
}

/* --- keys and values by number --- */

struct numbered {
    char text[64];
    struct table_key key;
};

/* Of a verdict, whatever number_is_account says. */
static inline void numbered_key(struct numbered *numbered, uint64_t number)
{
    const int length = snprintf(numbered->text, sizeof numbered->text, "d%llu.example.org",
                                (unsigned long long)number);
    table_key_make(&numbered->key, numbered->text, (size_t)length);
}

static inline bool number_is_account(uint64_t number)
{
    return number % 4 == 3;
}

/* Of the key's own kind. */
static inline void value_key(struct numbered *numbered, uint64_t number)
{
    if (!number_is_account(number)) {
        numbered_key(numbered, number);
        return;
    }
    const int length = snprintf(numbered->text, sizeof numbered->text, "au%llu@example.org",
                                (unsigned long long)number);
    table_key_make(&numbered->key, numbered->text, (size_t)length);
}

static inline uint64_t scramble(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ULL;
    return x ^ x >> 32;
}

static inline void texts_of(struct verdict *verdict, uint64_t number, uint32_t version)
{
    const uint64_t salt = scramble(number * 0x10001 + version);
    const size_t sizes[] = {4, 30, 60, 200, 255};
    const size_t host = sizes[salt % 5] - salt / 8 % 4;
    const size_t match = salt / 32 % 8 == 0 ? salt / 256 % VERDICT_MATCH_MAX : 0;

    for (size_t i = 0; i < host; i++)
        verdict->host[i] = (char)('a' + (salt + i * (salt / 3 % 7 + 1)) % 26);
    verdict->host[host] = '\0';
    for (size_t i = 0; i < match; i++)
        verdict->match[i] = (char)('a' + (salt / 5 + i) % 26);
    verdict->match[match] = '\0';
}

static inline void pins_of(struct pins *pins, uint64_t salt)
{
    pins->count = salt % 8 == 0 ? (uint8_t)(salt / 8 % (VERDICT_PINS_MAX + 1)) : 0;
    for (unsigned i = 0; i < pins->count; i++) {
        for (unsigned byte = 0; byte < sizeof pins->sha256[i]; byte++)
            pins->sha256[i][byte] = (uint8_t)(salt >> (i + byte) % 48);
    }
}

static inline void floor_of(struct floor *floor, uint64_t salt)
{
    *floor = (struct floor){0};
    if (salt % 2 == 0)
        return;
    floor->level = (uint8_t)(salt / 2 % (LEVEL_AUTHENTICATED + 1));
    floor->hosts_level = (uint8_t)(salt / 16 % (LEVEL_AUTHENTICATED + 1));
    floor->proof = (uint8_t)(salt / 128 % PROOF_COUNT);
    floor->flags = (uint8_t)(salt / 1024 % 8);
    floor->seen_at_s = (uint32_t)(salt >> 13);
    if (salt >> 60 != 0)
        return;
    floor->rule = (uint8_t)(salt >> 20) % RULE_COUNT;
    floor->rule_level = (uint8_t)(salt >> 24) % (LEVEL_AUTHENTICATED + 1);
    floor->rule_until_s = (uint32_t)(salt >> 28);
    floor->contradicted_at_s = (uint32_t)(salt >> 3);
}

/* The version is config_epoch; `began_ms` is small enough never to lie in the future. */
static inline void value_of(struct verdict *verdict, uint64_t number, uint32_t version)
{
    const uint64_t salt = scramble(scramble(number) + version);

    verdict->class = (enum tls_class)(salt % CLASS_COUNT);
    verdict->level = (enum level)(salt / 8 % (LEVEL_AUTHENTICATED + 1));
    verdict->conclusion = (enum conclusion)(salt / 64 % CONCLUSION_COUNT);
    verdict->cause = (enum cause)(salt / 256 % CAUSE_COUNT);
    verdict->enforce = (enum enforce)(salt / 16384 % (ENFORCE_SECURE_MATCH + 1));
    verdict->flags = (uint32_t)(salt >> 20 & 0x7ff);
    verdict->tls_version = (uint16_t)(salt >> 8);
    verdict->hosts = (uint8_t)(salt >> 16);
    verdict->hosts_good = (uint8_t)(salt >> 24);
    verdict->smtp_code = (uint16_t)(salt >> 32);
    verdict->began_ms = version;
    verdict->valid_until_ms = version + (salt & 0xfffffff);
    verdict->config_epoch = version;
    texts_of(verdict, number, version);
    pins_of(&verdict->pins, scramble(salt));
    floor_of(&verdict->floor, scramble(salt + 1));
}

static inline bool pins_same(const struct pins *a, const struct pins *b)
{
    return a->count == b->count && memcmp(a->sha256, b->sha256, a->count * 32u) == 0;
}

static inline bool floor_same(const struct floor *a, const struct floor *b)
{
    return a->level == b->level && a->hosts_level == b->hosts_level && a->proof == b->proof &&
           a->flags == b->flags && a->rule == b->rule && a->rule_level == b->rule_level &&
           a->rule_until_s == b->rule_until_s && a->contradicted_at_s == b->contradicted_at_s &&
           a->seen_at_s == b->seen_at_s;
}

static inline bool verdict_same(const struct verdict *a, const struct verdict *b)
{
    return a->class == b->class && a->level == b->level && a->conclusion == b->conclusion &&
           a->cause == b->cause && a->enforce == b->enforce && a->flags == b->flags &&
           a->tls_version == b->tls_version && a->hosts == b->hosts &&
           a->hosts_good == b->hosts_good && a->smtp_code == b->smtp_code &&
           a->began_ms == b->began_ms && a->valid_until_ms == b->valid_until_ms &&
           a->config_epoch == b->config_epoch && strcmp(a->host, b->host) == 0 &&
           strcmp(a->match, b->match) == 0 && pins_same(&a->pins, &b->pins) &&
           floor_same(&a->floor, &b->floor);
}

/* Is this a version of the key that could have been written? */
static inline bool value_is_of(const struct verdict *verdict, uint64_t number)
{
    struct verdict expected;

    value_of(&expected, number, verdict->config_epoch);
    return verdict_same(verdict, &expected);
}

/* --- values of either kind --- */

static inline void account_of(struct account *account, uint64_t number, uint32_t version)
{
    const uint64_t salt = scramble(scramble(number + 5) + version);

    *account = (struct account){.flags = (uint32_t)(salt % 16 & ~4ull),
                                .changed_s = version,
                                .off_since_s = (int64_t)(salt >> 30),
                                .off_until_s = (int64_t)scramble(salt)};
    memset(account->profile, (int)('a' + salt / 16 % 26), salt / 512 % PROFILE_NAME_MAX);
    if (salt >> 60 == 0) {
        memset(account->before, (int)('a' + salt / 32 % 26),
               1 + salt / 1024 % (PROFILE_NAME_MAX - 1));
        account->before_s = version;
    }
    if ((account->flags & ACCOUNT_EXCEPTIONS) != 0)
        account->exceptions_until_s = (int64_t)scramble(salt + 1);
}

static inline bool account_same(const struct account *a, const struct account *b)
{
    return strcmp(a->profile, b->profile) == 0 && a->flags == b->flags &&
           a->changed_s == b->changed_s && a->off_since_s == b->off_since_s &&
           a->off_until_s == b->off_until_s && a->before_s == b->before_s &&
           a->exceptions_until_s == b->exceptions_until_s && strcmp(a->before, b->before) == 0;
}

static inline int value_put(struct table_writer *writer, uint64_t number, uint32_t version)
{
    struct numbered numbered;
    struct verdict verdict;
    struct account account;
    struct table_key key;
    union record record;

    value_key(&numbered, number);
    if (!number_is_account(number)) {
        value_of(&verdict, number, version);
        return table_writer_put(writer, &numbered.key, &verdict);
    }
    account_of(&account, number, version);
    SUPPORT_MUST(account_pack(&record, &key, numbered.text + 1, &account, version), "%s",
                 numbered.text);
    return table_writer_put_record(writer, &key, &record);
}

static inline bool value_remove(struct table_writer *writer, uint64_t number)
{
    struct numbered numbered;

    value_key(&numbered, number);
    return table_writer_remove(writer, &numbered.key);
}

/* False: it is not a version of this key that could have been written. */
static inline bool value_version(const union record *record, uint64_t number, uint32_t *version)
{
    struct verdict verdict;
    struct account account, expected;

    if (!number_is_account(number)) {
        const bool right = verdict_unpack(record, &verdict) && value_is_of(&verdict, number);
        *version = verdict.config_epoch;
        return right;
    }
    if (!account_unpack(record, &account))
        return false;
    *version = (uint32_t)account.changed_s;
    account_of(&expected, number, *version);
    return account_same(&account, &expected);
}

/* A hit is a version that could have been written; `*version` is 0 after anything else. */
static inline enum table_outcome value_read(const struct table_reader *reader, uint64_t number,
                                            uint64_t now_ms, uint32_t *version)
{
    struct numbered numbered;
    union record record;

    value_key(&numbered, number);
    *version = 0;
    const enum table_outcome outcome = table_find(reader, &numbered.key, now_ms, &record);
    if (outcome == TABLE_HIT)
        SUPPORT_MUST(value_version(&record, number, version), "a record that was never put: %s",
                     numbered.text);
    return outcome;
}

static inline bool value_get(const struct table_writer *writer, uint64_t number, uint32_t *version)
{
    struct numbered numbered;
    union record record;

    value_key(&numbered, number);
    *version = 0;
    if (!table_writer_get_record(writer, &numbered.key, &record))
        return false;
    SUPPORT_MUST(value_version(&record, number, version), "a record that was never put: %s",
                 numbered.text);
    return true;
}

#endif
