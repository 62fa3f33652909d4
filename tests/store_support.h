/*
 * store_support.h - what the tests of the store share: a directory, opening with a sentence when it
 * fails, and entries and accounts that describe themselves.
 *
 * The entry of number k in version v is a pure function of k and v, and v can be read from it
 * (handshakes). So whoever reads one can tell whether exactly that was ever written.
 */
#ifndef MXWARD_TESTS_STORE_SUPPORT_H
#define MXWARD_TESTS_STORE_SUPPORT_H

#include "engine/base/log.h"
#include "engine/memory/store_internal.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For what is claimed a hundred thousand times: Check writes a message for each of its assertions.
 */
#define CLAIM(condition)                            \
    do {                                            \
        if (!(condition))                           \
            ck_abort_msg("not so: %s", #condition); \
    } while (0)

/* These tests bring about what the store is loud about. STORE_TEST_LOG=1 lets it be heard. */
static inline void log_quietly(void)
{
    log_start(LOG_ERROR_LEVEL, "stderr");
    if (getenv("STORE_TEST_LOG") != NULL)
        return;
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ck_assert(nowhere >= 0 && dup2(nowhere, STDERR_FILENO) == STDERR_FILENO);
    close(nowhere);
}

struct scratch {
    char directory[64];
};

static inline struct scratch scratch_make(const char *parent)
{
    struct scratch scratch;

    snprintf(scratch.directory, sizeof scratch.directory, "%s/mxward-store-XXXXXX", parent);
    ck_assert_msg(mkdtemp(scratch.directory) != NULL, "%s", scratch.directory);
    return scratch;
}

static inline void scratch_empty(const struct scratch *scratch)
{
    DIR *files = opendir(scratch->directory);

    for (struct dirent *entry; files != NULL && (entry = readdir(files)) != NULL;) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", scratch->directory, entry->d_name);
        unlink(path);
    }
    if (files != NULL)
        closedir(files);
}

static inline void scratch_remove(const struct scratch *scratch)
{
    scratch_empty(scratch);
    rmdir(scratch->directory);
}

static inline const char *scratch_path(const struct scratch *scratch, const char *name)
{
    static char path[400];

    snprintf(path, sizeof path, "%s/%s", scratch->directory, name);
    return path;
}

/* How many files begin so. */
static inline unsigned scratch_count(const struct scratch *scratch, const char *prefix)
{
    DIR *files = opendir(scratch->directory);
    unsigned count = 0;

    for (struct dirent *entry; files != NULL && (entry = readdir(files)) != NULL;)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    if (files != NULL)
        closedir(files);
    return count;
}

static char scratch_why[512];

static inline int scratch_try(const struct scratch *scratch, struct store **store,
                              struct store_opened *opened, bool accept_loss)
{
    /* Less address space than usual: sanitizers shadow it, each time it is mapped. */
    const struct store_settings settings = {.directory = scratch->directory,
                                            .map_bytes = 512 << 20,
                                            .copies = 3,
                                            .accept_loss = accept_loss};

    *store = NULL;
    return store_open(store, &settings, opened, scratch_why, sizeof scratch_why);
}

static inline struct store *scratch_open(const struct scratch *scratch, struct store_opened *opened)
{
    struct store_opened ignored;
    struct store *store;
    const int status = scratch_try(scratch, &store, opened != NULL ? opened : &ignored, false);

    if (status != 0) /* Check keeps a message of each assertion that it has seen to hold */
        ck_abort_msg("%s", scratch_why);
    return store;
}

/* --- entries and accounts by number --- */

static inline uint64_t scramble(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ULL;
    return x ^ x >> 32;
}

struct numbered {
    char name[64];
};

static inline const char *numbered_domain(struct numbered *numbered, uint64_t number)
{
    snprintf(numbered->name, sizeof numbered->name, "mx%llu.d%llu.example",
             (unsigned long long)number % 7, (unsigned long long)number);
    return numbered->name;
}

static inline const char *numbered_account(struct numbered *numbered, uint64_t number)
{
    snprintf(numbered->name, sizeof numbered->name, "user%llu@example.org",
             (unsigned long long)number);
    return numbered->name;
}

/* An entry that some history leads to. The version is `handshakes`. */
static inline struct ledger_entry entry_of(uint64_t number, uint32_t version)
{
    const uint64_t salt = scramble(scramble(number) + version);
    const bool pending = (salt >> 8 & 1) != 0;

    if (version == 0)
        return (struct ledger_entry){.set_level = LEVEL_ENCRYPT, .epoch = (uint32_t)(salt & 0xff)};
    return (struct ledger_entry){
        .kind = LEDGER_DOMAIN,
        .proofs = (uint8_t)(LEDGER_PROOF(PROOF_HANDSHAKES) |
                            (salt % 2 != 0 ? LEDGER_PROOF(PROOF_DANE) : 0)),
        .contradiction = (uint8_t)(pending ? salt / 16 % CAUSE_COUNT : CAUSE_NONE),
        .epoch = (uint32_t)(salt >> 16 & 0xff),
        .handshakes = version,
        .absences = pending,
        .first_seen_s = 1 + (int64_t)(salt >> 24 & 0xffffff),
        .last_seen_s = 1 + (int64_t)number,
        .used_s = (int64_t)(salt >> 20 & 0xffffffff),
        .contradicted_s = pending ? 1 + (int64_t)(salt >> 30 & 0xffff) : 0,
        .absence_s = pending ? 1 + (int64_t)(salt >> 34 & 0xffff) : 0,
    };
}

static inline bool entry_same(const struct ledger_entry *a, const struct ledger_entry *b)
{
    return a->kind == b->kind && a->proofs == b->proofs && a->set_level == b->set_level &&
           a->flags == b->flags && a->contradiction == b->contradiction && a->rule == b->rule &&
           a->rule_level == b->rule_level && a->epoch == b->epoch &&
           a->rule_epoch == b->rule_epoch && a->handshakes == b->handshakes &&
           a->absences == b->absences && a->first_seen_s == b->first_seen_s &&
           a->last_seen_s == b->last_seen_s && a->used_s == b->used_s &&
           a->lowered_s == b->lowered_s && a->contradicted_s == b->contradicted_s &&
           a->absence_s == b->absence_s && a->insecure_s == b->insecure_s &&
           a->rule_until_s == b->rule_until_s;
}

static inline bool entry_is_of(const struct ledger_entry *entry, uint64_t number)
{
    const struct ledger_entry expected = entry_of(number, entry->handshakes);

    return entry_same(entry, &expected);
}

static inline bool entry_is_unreadable(const struct ledger_entry *entry)
{
    return ledger_level(entry) == LEVEL_ENCRYPT && (entry->flags & LEDGER_UNREADABLE) != 0;
}

/* One that demands encryption. */
#define ENTRY_ENCRYPT                                                                 \
    {                                                                                 \
        .proofs = LEDGER_PROOF(PROOF_HANDSHAKES), .handshakes = 1, .first_seen_s = 1, \
        .last_seen_s = 1                                                              \
    }

/* The version is `changed_s`. */
static inline struct account account_of(uint64_t number, uint32_t version)
{
    struct account account = {.flags = version % 2 ? ACCOUNT_ON : ACCOUNT_ON_BEFORE,
                              .changed_s = version,
                              .off_since_s = (int64_t)number};

    snprintf(account.profile, sizeof account.profile, "p%llu", (unsigned long long)number % 9);
    return account;
}

static inline bool account_same(const struct account *a, const struct account *b)
{
    return strcmp(a->profile, b->profile) == 0 && a->flags == b->flags &&
           a->changed_s == b->changed_s && a->off_since_s == b->off_since_s &&
           a->off_until_s == b->off_until_s && a->before_s == b->before_s &&
           strcmp(a->before, b->before) == 0;
}

static inline bool account_is_of(const struct account *account, uint64_t number)
{
    const struct account expected = account_of(number, (uint32_t)account->changed_s);

    return account_same(account, &expected);
}

static inline bool account_is_strict(const struct account *account)
{
    return strcmp(account->profile, "strict") == 0 && (account->flags & ACCOUNT_ON) != 0 &&
           account->off_until_s == 0;
}

static inline void put_numbered(struct store *store, uint64_t number, uint32_t version)
{
    struct numbered numbered;
    const struct ledger_entry entry = entry_of(number, version);

    CLAIM(store_entry_put(store, LEDGER_DOMAIN, numbered_domain(&numbered, number), &entry) == 0);
}

/* Numbers from `first` on, in one batch. */
static inline void put_batch(struct store *store, uint64_t first, unsigned count, uint32_t version)
{
    CLAIM(store_begin(store) == 0);
    for (unsigned i = 0; i < count; i++)
        put_numbered(store, first + i, version);
    CLAIM(store_commit(store) == 0);
}

#endif
