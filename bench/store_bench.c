/*
 * store_bench.c - what does the store cost, beside LMDB bare?
 *
 * A million entries with names of ordinary length, on the disk of the working directory. The floor
 * is LMDB with the same keys and values of the same size, without checksums, packing or pages
 * looked at: a cursor that touches every value; mdb_get; transactions of as many puts. Both sync.
 *
 * What is measured once is held to a bar of its own: all entries in order, and opening, which looks
 * at every page and every value, must let a daemon begin (issue 3: a million entries in the table
 * in under two seconds).
 *
 * BENCH_ENTRIES=100000 measures with fewer.
 */
#include "bench/common/bench.h"

#include "engine/base/log.h"
#include "engine/memory/store_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GETS    100000u
#define BATCHES 4u
#define SINGLES 100u
#define GOLDEN  0x9e3779b97f4a7c15ULL

static char directory[] = "store-bench-XXXXXX";
static char bare_path[64];
static uint64_t entries = 1000000;
static struct store *store;
static MDB_env *bare;
static MDB_dbi bare_database;
static uint64_t sum; /* of what was read, so that it is read */

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    bench_say("this failed: %s", what);
    exit(70);
}

static const char *name_make(char name[64], uint64_t number)
{
    snprintf(name, 64, "mail%llu.company-%08x.org.de", (unsigned long long)number % 3,
             (unsigned)(number * GOLDEN >> 32));
    return name;
}

static struct ledger_entry entry_make(uint64_t number)
{
    return (struct ledger_entry){.proofs = LEDGER_PROOF(PROOF_HANDSHAKES),
                                 .handshakes = 1 + (uint32_t)(number % 1000),
                                 .first_seen_s = 1767225600,
                                 .last_seen_s = 1767225600 + (int64_t)number};
}

/* --- the floor --- */

static size_t bytes_besides_key; /* of a value of ours */

static void learn_size(void)
{
    const struct ledger_entry entry = entry_make(1);
    struct store_value value;
    struct store_key key;

    must(store_key_name(&key, "example.org"), "a name");
    store_value_of_entry(&value, LEDGER_DOMAIN, &key, &entry);
    bytes_besides_key = value.length - key.length;
}

static void bare_value(struct store_key *key, struct store_value *value, uint64_t number)
{
    const struct ledger_entry entry = entry_make(number);
    char name[64];

    must(store_key_name(key, name_make(name, number)), "a name");
    memset(value->bytes, 0, sizeof value->bytes);
    memcpy(value->bytes, &entry, sizeof entry);
    value->length = key->length + bytes_besides_key;
}

static void bare_open(void)
{
    MDB_txn *transaction;

    snprintf(bare_path, sizeof bare_path, "%s/bare", directory);
    must(mdb_env_create(&bare) == 0, "mdb_env_create");
    must(mdb_env_set_mapsize(bare, UINT64_C(16) << 30) == 0, "mdb_env_set_mapsize");
    must(mdb_env_open(bare, bare_path, MDB_NOSUBDIR | MDB_NOLOCK, 0600) == 0, "mdb_env_open");
    must(mdb_txn_begin(bare, NULL, 0, &transaction) == 0, "mdb_txn_begin");
    must(mdb_dbi_open(transaction, NULL, 0, &bare_database) == 0, "mdb_dbi_open");
    must(mdb_txn_commit(transaction) == 0, "mdb_txn_commit");
}

static void bare_batch(uint64_t first, unsigned count)
{
    MDB_txn *transaction;

    must(mdb_txn_begin(bare, NULL, 0, &transaction) == 0, "mdb_txn_begin");
    for (unsigned i = 0; i < count; i++) {
        struct store_key key;
        struct store_value value;
        bare_value(&key, &value, first + i);
        MDB_val place = store_lmdb(store_key_bytes(&key));
        MDB_val content = store_lmdb(store_value_bytes(&value));
        must(mdb_put(transaction, bare_database, &place, &content, 0) == 0, "mdb_put");
    }
    must(mdb_txn_commit(transaction) == 0, "mdb_txn_commit");
}

static void bare_each(void)
{
    MDB_txn *transaction;
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t count = 0;

    must(mdb_txn_begin(bare, NULL, MDB_RDONLY, &transaction) == 0, "mdb_txn_begin");
    must(mdb_cursor_open(transaction, bare_database, &cursor) == 0, "mdb_cursor_open");
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        const uint8_t *bytes = value.mv_data;
        sum += bytes[0] + (uint64_t)bytes[value.mv_size - 1];
        count++;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(transaction);
    must(count >= entries, "all entries");
}

static void bare_gets(uint64_t seed)
{
    for (unsigned i = 0; i < GETS; i++) {
        MDB_txn *transaction;
        struct store_key key;
        char name[64];
        MDB_val value;
        must(store_key_name(&key, name_make(name, (seed + i * GOLDEN) % entries)), "a name");
        MDB_val place = store_lmdb(store_key_bytes(&key));
        must(mdb_txn_begin(bare, NULL, MDB_RDONLY, &transaction) == 0, "mdb_txn_begin");
        must(mdb_get(transaction, bare_database, &place, &value) == 0, "mdb_get");
        sum += *(const uint8_t *)value.mv_data;
        mdb_txn_abort(transaction);
    }
}

/* --- ours --- */

static double open_ours(void)
{
    const struct store_settings settings = {.directory = directory, .copies = 2};
    struct store_opened opened;
    char why[512];

    const struct bench_watch watch = bench_start(BENCH_OURS);
    const int status = store_open(&store, &settings, &opened, why, sizeof why);
    const struct bench_spent spent = bench_stop(&watch);
    must(status == 0, why);
    bench_say("opened in %.0f ms", (double)spent.wall_ns / 1e6);
    return (double)spent.cpu_ns / 1e6;
}

static void ours_batch(uint64_t first, unsigned count)
{
    must(store_begin(store) == 0, "store_begin");
    for (unsigned i = 0; i < count; i++) {
        const struct ledger_entry entry = entry_make(first + i);
        char name[64];
        store_entry_put(store, LEDGER_DOMAIN, name_make(name, first + i), &entry);
    }
    must(store_commit(store) == 0, "store_commit");
}

static bool take_entry(void *context, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry)
{
    (void)kind;
    ++*(uint64_t *)context;
    sum += entry->handshakes + (uint64_t)name[0];
    return true;
}

static void ours_each(void)
{
    uint64_t count = 0;

    must(store_each(store, LEDGER_DOMAIN, NULL, take_entry, &count) == 0, "store_each");
    must(count >= entries, "all entries");
}

static void ours_gets(uint64_t seed)
{
    for (unsigned i = 0; i < GETS; i++) {
        struct ledger_entry entry;
        char name[64];
        name_make(name, (seed + i * GOLDEN) % entries);
        must(store_entry_get(store, LEDGER_DOMAIN, name, &entry) == STORE_FOUND, "an entry");
        sum += entry.handshakes;
    }
}

/* --- in pairs --- */

static void measure_reading(void)
{
    struct bench_pairs each = {0}, gets = {0};

    for (unsigned i = 0; i < bench_pairs_wanted(); i++)
        for (unsigned turn = 0; turn < 2; turn++) {
            const enum bench_side side = bench_side(i, turn);
            struct bench_watch watch = bench_start(side);
            side == BENCH_OURS ? ours_each() : bare_each();
            struct bench_spent spent = bench_stop(&watch);
            bench_add(&each, side, (double)spent.cpu_ns / (double)entries);
            watch = bench_start(side);
            side == BENCH_OURS ? ours_gets(i * 7919) : bare_gets(i * 7919);
            spent = bench_stop(&watch);
            bench_add(&gets, side, (double)spent.cpu_ns / GETS);
        }
    bench_report(&(struct bench_case){"store", "each", "ns CPU", BENCH_JUST_SAY, 0}, &each);
    bench_report(&(struct bench_case){"store", "get", "ns CPU", BENCH_AT_MOST, 2.0}, &gets);
    bench_report_once(
        &(struct bench_case){"store", "all in order", "ms CPU", BENCH_AT_MOST, 500},
        bench_median(each.values[BENCH_OURS], each.counts[BENCH_OURS]) * (double)entries / 1e6, 0);
}

static void measure_writing(void)
{
    struct bench_pairs batches = {0}, singles = {0};
    uint64_t number = 0;

    for (unsigned i = 0; i < bench_pairs_wanted(); i++)
        for (unsigned turn = 0; turn < 2; turn++) {
            const enum bench_side side = bench_side(i, turn);
            const uint64_t first = (uint64_t)i * 50000 % entries;
            struct bench_watch watch = bench_start(side);
            for (unsigned n = 0; n < BATCHES; n++)
                (side == BENCH_OURS ? ours_batch : bare_batch)(
                    first + (uint64_t)n * LIMIT_STORE_CHANGES, LIMIT_STORE_CHANGES);
            struct bench_spent spent = bench_stop(&watch);
            bench_add(&batches, side,
                      (double)spent.wall_ns / (BATCHES * LIMIT_STORE_CHANGES) / 1e3);
            watch = bench_start(side);
            for (unsigned n = 0; n < SINGLES; n++)
                (side == BENCH_OURS ? ours_batch : bare_batch)(++number * 7919 % entries, 1);
            spent = bench_stop(&watch);
            bench_add(&singles, side, (double)spent.wall_ns / SINGLES / 1e6);
        }
    bench_report(&(struct bench_case){"store", "change of 4096", "us", BENCH_AT_MOST, 2.0},
                 &batches);
    bench_report(&(struct bench_case){"store", "change alone", "ms", BENCH_AT_MOST, 2.0}, &singles);
}

static void measure_once(void)
{
    char why[512];

    bench_report_once(&(struct bench_case){"store", "open", "ms CPU", BENCH_AT_MOST, 1000},
                      open_ours(), 0);
    const struct bench_watch watch = bench_start(BENCH_OURS);
    must(store_copy(store, 1767225600, why, sizeof why) == 0, why);
    const struct bench_spent spent = bench_stop(&watch);
    bench_report_once(&(struct bench_case){"store", "copy", "ms CPU", BENCH_JUST_SAY, 0},
                      (double)spent.cpu_ns / 1e6, 0);
}

static void remove_all(void)
{
    DIR *files = opendir(directory);

    for (struct dirent *entry; files != NULL && (entry = readdir(files)) != NULL;) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        unlink(path);
    }
    if (files != NULL)
        closedir(files);
    rmdir(directory);
}

int main(void)
{
    const char *wanted = getenv("BENCH_ENTRIES");

    log_start(LOG_ERROR_LEVEL, "stderr");
    if (wanted != NULL && strtoull(wanted, NULL, 10) >= 100000)
        entries = strtoull(wanted, NULL, 10);
    if (mkdtemp(directory) == NULL)
        return bench_impossible("nothing can be written into the working directory");
    learn_size();
    open_ours();
    bare_open();
    for (uint64_t at = 0; at < entries; at += LIMIT_STORE_CHANGES) {
        ours_batch(at, LIMIT_STORE_CHANGES);
        bare_batch(at, LIMIT_STORE_CHANGES);
    }
    measure_reading();
    store_close(store);
    measure_once();
    measure_writing();
    store_close(store);
    mdb_env_close(bare);
    remove_all();
    bench_say("(read: %llu)", (unsigned long long)sum);
    return bench_finish();
}
