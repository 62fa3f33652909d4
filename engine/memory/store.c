/*
 * store.c - see store.h: LMDB's environment, batches, and what all databases have in common.
 */
#include "engine/memory/store_internal.h"

#include "engine/base/check.h"
#include "engine/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DISK_FULL_BYTES (1u << 20) /* less is free: a write that came short was one too many */

static const char *const database_names[DATABASE_COUNT] = {
    [DATABASE_STATE] = "state",         [DATABASE_DOMAIN] = "domain",
    [DATABASE_HOST] = "host",           [DATABASE_ACCOUNT] = "account",
    [DATABASE_EXCEPTION] = "exception", [DATABASE_AUDIT] = "audit",
    [DATABASE_REPORT] = "report",       [DATABASE_QUARANTINE] = "quarantine",
};

const char *store_database_name(enum store_database database)
{
    return database_names[database];
}

int store_status(int result)
{
    switch (result) {
    case MDB_SUCCESS:
        return 0;
    case MDB_MAP_FULL:
        return -EAGAIN;
    case MDB_NOTFOUND:
        return -ENOENT;
    case MDB_KEYEXIST:
        return -EEXIST;
    case MDB_TXN_FULL:
        return -E2BIG;
    case MDB_VERSION_MISMATCH:
        return -EPROTO;
    default:
        return result > 0 ? -result : -EBADMSG;
    }
}

const char *store_path(const struct store *store, char path[PATH_MAX], const char *name)
{
    const int length = snprintf(path, PATH_MAX, "%s/%s", store->settings.directory, name);

    CHECK(length > 0 && length < PATH_MAX);
    return path;
}

void store_why(char *why, size_t why_size, const char *format, ...)
{
    va_list arguments;

    if (why_size == 0)
        return;
    va_start(arguments, format);
    vsnprintf(why, why_size, format, arguments);
    va_end(arguments);
}

void store_say(struct store *store, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(store->trouble, sizeof store->trouble, format, arguments);
    va_end(arguments);
    log_error("memory-trouble", "directory=%s %s", store->settings.directory, store->trouble);
}

const char *store_trouble(const struct store *store)
{
    return store->trouble;
}

/* --- the environment --- */

/* A handle for each database, made if `fresh`. The first batch then has the number 1. */
static int open_databases(struct store *store, bool fresh)
{
    MDB_txn *transaction;
    int result = mdb_txn_begin(store->env, NULL, fresh ? 0 : MDB_RDONLY, &transaction);

    if (result != 0)
        return store_status(result);
    result = mdb_dbi_open(transaction, NULL, 0, &store->databases[DATABASE_STATE]);
    for (unsigned i = DATABASE_STATE + 1; i < DATABASE_COUNT && result == 0; i++)
        result = mdb_dbi_open(transaction, database_names[i], fresh ? MDB_CREATE : 0,
                              &store->databases[i]);
    if (result != 0) {
        mdb_txn_abort(transaction);
        return store_status(result);
    }
    if (!fresh)
        return store_status(mdb_txn_commit(transaction));
    store->batch = transaction;
    store->changes = 1;
    store->spoiled = 0;
    return store_commit(store);
}

int store_environment_open(struct store *store, const char *name, bool fresh)
{
    char path[PATH_MAX];
    int status = store_status(mdb_env_create(&store->env));

    if (status != 0) {
        store->env = NULL;
        return status;
    }
    status = store_status(mdb_env_set_maxdbs(store->env, DATABASE_COUNT));
    if (status == 0)
        status = store_status(mdb_env_set_mapsize(store->env, store->map_bytes));
    if (status == 0)
        status = store_status(mdb_env_open(store->env, store_path(store, path, name),
                                           MDB_NOSUBDIR | MDB_NOLOCK, STORE_MODE));
    if (status == 0)
        status = open_databases(store, fresh);
    if (status == 0)
        status = store_status(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader));
    if (status == 0)
        mdb_txn_reset(store->reader);
    else
        store_environment_close(store);
    return status;
}

void store_environment_close(struct store *store)
{
    if (store->batch != NULL)
        mdb_txn_abort(store->batch);
    if (store->reader != NULL)
        mdb_txn_abort(store->reader);
    if (store->env != NULL)
        mdb_env_close(store->env);
    store->batch = store->reader = NULL;
    store->env = NULL;
    store->report_known = store->audit_known = false;
}

/* --- batches --- */

/* So much address space that no batch can run out of it. */
static int make_room(struct store *store)
{
    MDB_envinfo info;
    MDB_stat stat;

    mdb_env_info(store->env, &info);
    mdb_env_stat(store->env, &stat);
    const uint64_t wanted = store->room_bytes != 0
                                ? store->room_bytes
                                : (uint64_t)(LIMIT_STORE_CHANGES + LIMIT_STORE_EXCEPTIONS) *
                                      LIMIT_STORE_CHANGE_PAGES * stat.ms_psize;
    const uint64_t used = (info.me_last_pgno + 1) * stat.ms_psize;
    if (!store->grow && used + wanted <= info.me_mapsize)
        return 0;
    const uint64_t bytes = info.me_mapsize * 2 + wanted;
    if (bytes > LIMIT_STORE_FILE_BYTES)
        return -EFBIG;
    /* It unmaps first: after an error there is no map, and nothing may be done but close. */
    const int status = store_status(mdb_env_set_mapsize(store->env, bytes));
    if (status != 0) {
        store_environment_close(store);
        return status;
    }
    store->map_bytes = bytes;
    store->grow = false;
    return 0;
}

static int begin_once(struct store *store)
{
    int status = store->env != NULL ? 0 : store_reopen(store);

    if (status == 0)
        status = make_room(store);
    if (status == 0)
        status = store_status(mdb_txn_begin(store->env, NULL, 0, &store->batch));
    if (status != 0)
        store->batch = NULL;
    return status;
}

int store_begin(struct store *store)
{
    CHECK(store->batch == NULL && store->reading == 0);
    if (store->damaged)
        store_environment_close(store);
    store->damaged = false;
    int status = begin_once(store);
    if (status == -EBADMSG) { /* MDB_PANIC: a meta page was not written */
        store_environment_close(store);
        status = begin_once(store);
    }
    if (status != 0)
        store_say(store, "cannot begin a batch: %s", strerror(-status));
    store->changes = 0;
    store->spoiled = 0;
    return status;
}

int store_spoil(struct store *store, int status)
{
    if (status != 0 && store->spoiled == 0)
        store->spoiled = status;
    return status;
}

int store_change(struct store *store)
{
    CHECK(store->batch != NULL && store->reading == 0);
    if (store->spoiled == 0 && store->changes >= LIMIT_STORE_CHANGES)
        store->spoiled = -E2BIG;
    store->changes++;
    return store->spoiled;
}

/* What the next batch does about it. */
static void batch_failed(struct store *store)
{
    store->report_known = store->audit_known = false;
    store->grow |= store->spoiled == -EAGAIN;
    store->damaged |= store->spoiled == -EBADMSG;
}

int store_abort(struct store *store)
{
    CHECK(store->batch != NULL && store->reading == 0);
    mdb_txn_abort(store->batch);
    store->batch = NULL;
    batch_failed(store);
    return store->spoiled;
}

/* LMDB says EIO of a write that came short, which is how a full disk begins. */
static int with_full_disk(const struct store *store, int status)
{
    struct statvfs disk;

    if (status == -EIO && statvfs(store->settings.directory, &disk) == 0 &&
        disk.f_bavail * disk.f_frsize < DISK_FULL_BYTES)
        return -ENOSPC;
    return status;
}

static int write_number(struct store *store)
{
    struct store_key key = {.length = sizeof STORE_STATE_KEY - 1, .bytes = STORE_STATE_KEY};
    struct store_value value;

    store_value_of_number(&value, DATABASE_STATE, &key, mdb_txn_id(store->batch));
    return store_put(store, DATABASE_STATE, store_key_bytes(&key), store_value_bytes(&value), 0);
}

int store_commit(struct store *store)
{
    CHECK(store->batch != NULL && store->reading == 0);
    if (store->spoiled == 0 && store->changes > 0)
        write_number(store);
    if (store->spoiled != 0 || store->changes == 0) {
        store_abort(store);
    } else {
        const int status = store_status(mdb_txn_commit(store->batch));
        store->batch = NULL;
        store->spoiled = with_full_disk(store, status);
    }
    if (store->spoiled == 0) {
        store->trouble[0] = '\0';
        return 0;
    }
    batch_failed(store);
    if (store->spoiled != -EAGAIN)
        store_say(store, "a batch of %u changes is not written: %s", store->changes,
                  strerror(-store->spoiled));
    return store->spoiled;
}

/* --- reading --- */

int store_read_begin(struct store *store, MDB_txn **transaction)
{
    *transaction = store->batch != NULL ? store->batch : store->reader;
    if (store->env == NULL)
        return -EBADMSG;
    if (store->batch != NULL && store->spoiled != 0)
        return store->spoiled;
    if (store->batch == NULL && store->reading == 0) {
        const int status = store_status(mdb_txn_renew(store->reader));
        store->damaged |= status == -EBADMSG;
        if (status != 0)
            return status;
    }
    store->reading++;
    return 0;
}

void store_read_end(struct store *store)
{
    CHECK(store->reading > 0);
    store->reading--;
    if (store->batch == NULL && store->reading == 0)
        mdb_txn_reset(store->reader);
}

int store_get(struct store *store, enum store_database database, struct store_bytes key,
              struct store_value *value)
{
    MDB_txn *transaction;
    MDB_val wanted = store_lmdb(key), found;
    int status = store_read_begin(store, &transaction);

    if (status != 0)
        return status;
    status = store_status(mdb_get(transaction, store->databases[database], &wanted, &found));
    if (status == 0)
        store_value_copy(value, store_ours(&found));
    store_read_end(store);
    return status == 0 ? 1 : status == -ENOENT ? 0 : status;
}

static int cannot_read(struct store *store, int status)
{
    store->damaged |= status == -EBADMSG;
    store_say(store, "cannot read: %s", strerror(-status));
    return status;
}

enum store_read store_find(struct store *store, enum store_database database,
                           const struct store_key *key, struct store_value *value,
                           struct store_value_view *view)
{
    uint8_t room[STORE_KEY_SHORT];
    const struct store_bytes whole = store_key_bytes(key);
    const struct store_bytes cut = store_key_short(whole, room);
    const int status = store_get(store, database, cut, value);

    if (status < 0)
        cannot_read(store, status);
    if (status <= 0)
        return status == 0 ? STORE_ABSENT : STORE_ERROR;
    if (store_value_open(view, database, store_value_bytes(value)) != VALUE_SOUND)
        return STORE_BROKEN;
    if (store_bytes_equal(view->key, whole))
        return STORE_FOUND;
    /* Another long key with the same hash; otherwise LMDB's key is damaged. */
    return whole.length > STORE_KEY_SHORT && view->key.length > STORE_KEY_SHORT ? STORE_ABSENT
                                                                                : STORE_BROKEN;
}

/* Where a walk begins. */
struct walk_from {
    struct store_bytes key;
    bool inclusive, back;
};

static int walk_first(MDB_cursor *cursor, const struct walk_from *from, MDB_val *key,
                      MDB_val *value)
{
    int status;

    if (from->key.length == 0)
        return store_status(mdb_cursor_get(cursor, key, value, from->back ? MDB_LAST : MDB_FIRST));
    *key = store_lmdb(from->key);
    status = store_status(mdb_cursor_get(cursor, key, value, MDB_SET_RANGE));
    if (from->back && (status == 0 || status == -ENOENT))
        return store_status(mdb_cursor_get(cursor, key, value, status == 0 ? MDB_PREV : MDB_LAST));
    if (status == 0 && !from->inclusive && store_bytes_equal(store_ours(key), from->key))
        status = store_status(mdb_cursor_get(cursor, key, value, MDB_NEXT));
    return status;
}

static int walk(struct store *store, enum store_database database, const struct walk_from *from,
                store_item *item, void *context)
{
    MDB_txn *transaction;
    MDB_cursor *cursor;
    MDB_val key, value;
    int status = store_read_begin(store, &transaction);

    if (status != 0)
        return status;
    status = store_status(mdb_cursor_open(transaction, store->databases[database], &cursor));
    if (status == 0) {
        status = walk_first(cursor, from, &key, &value);
        while (status == 0 && item(context, store_ours(&key), store_ours(&value)))
            status = store_status(
                mdb_cursor_get(cursor, &key, &value, from->back ? MDB_PREV : MDB_NEXT));
        status = status == 0 || status == -ENOENT ? 0 : cannot_read(store, status);
        mdb_cursor_close(cursor);
    }
    store_read_end(store);
    return status;
}

int store_walk(struct store *store, enum store_database database, struct store_bytes from,
               bool inclusive, store_item *item, void *context)
{
    return walk(store, database, &(struct walk_from){from, inclusive, false}, item, context);
}

int store_walk_back(struct store *store, enum store_database database, struct store_bytes below,
                    store_item *item, void *context)
{
    return walk(store, database, &(struct walk_from){below, false, true}, item, context);
}

uint64_t store_rows(struct store *store, enum store_database database)
{
    MDB_txn *transaction;
    MDB_stat stat = {0};

    if (store_read_begin(store, &transaction) != 0)
        return 0;
    if (mdb_stat(transaction, store->databases[database], &stat) != 0)
        stat.ms_entries = 0;
    store_read_end(store);
    return stat.ms_entries;
}

/* --- changing --- */

int store_put(struct store *store, enum store_database database, struct store_bytes key,
              struct store_bytes value, unsigned flags)
{
    MDB_val place = store_lmdb(key), content = store_lmdb(value);

    CHECK(store->batch != NULL && store->reading == 0);
    if (store->spoiled != 0)
        return store->spoiled;
    const int status =
        store_status(mdb_put(store->batch, store->databases[database], &place, &content, flags));
    if (status == -EEXIST && flags == MDB_NOOVERWRITE)
        return status;
    return store_spoil(store, status);
}

int store_delete(struct store *store, enum store_database database, struct store_bytes key)
{
    MDB_val place = store_lmdb(key);

    CHECK(store->batch != NULL && store->reading == 0);
    if (store->spoiled != 0)
        return store->spoiled;
    const int status =
        store_status(mdb_del(store->batch, store->databases[database], &place, NULL));
    return status == -ENOENT ? 0 : store_spoil(store, status);
}

int store_put_value(struct store *store, enum store_database database, const struct store_key *key,
                    const struct store_value *value)
{
    uint8_t room[STORE_KEY_SHORT];
    const struct store_bytes cut = store_key_short(store_key_bytes(key), room);

    return store_put(store, database, cut, store_value_bytes(value), 0);
}
