/*
 * store_ledger.c - see store.h: entries of the ledger.
 */
#include "engine/memory/store_internal.h"

#include "engine/base/check.h"
#include "engine/names/name.h"

#include <errno.h>
#include <string.h>

static enum store_database database_of(enum ledger_kind kind)
{
    return kind == LEDGER_HOST ? DATABASE_HOST : DATABASE_DOMAIN;
}

enum store_read store_entry_get(struct store *store, enum ledger_kind kind, const char *name,
                                struct ledger_entry *entry)
{
    const enum store_database database = database_of(kind);
    struct store_key key;
    struct store_value value;
    struct store_value_view view;
    enum store_read read = STORE_ERROR;

    if (store_key_name(&key, name))
        read = store_find(store, database, &key, &value, &view);
    if (read == STORE_FOUND && store_value_to_entry(view.payload, kind, entry) == VALUE_SOUND)
        return STORE_FOUND;
    if (read == STORE_FOUND)
        read = STORE_BROKEN;
    if (read == STORE_ABSENT)
        *entry = (struct ledger_entry){.kind = (uint8_t)kind};
    else
        store_value_unreadable_entry(entry, kind);
    return read;
}

int store_entry_put(struct store *store, enum ledger_kind kind, const char *name,
                    const struct ledger_entry *entry)
{
    struct store_key key;
    struct store_value value;

    if (store_change(store) != 0)
        return store->spoiled;
    if (!store_key_name(&key, name) || !store_value_takes_entry(entry))
        return store_spoil(store, -EINVAL);
    store_value_of_entry(&value, kind, &key, entry);
    return store_put_value(store, database_of(kind), &key, &value);
}

int store_entry_remove(struct store *store, enum ledger_kind kind, const char *name)
{
    struct store_key key;

    if (store_change(store) != 0)
        return store->spoiled;
    if (!store_key_name(&key, name))
        return store_spoil(store, -EINVAL);
    return store_delete(store, database_of(kind), store_key_bytes(&key));
}

/* --- counting --- */

uint64_t store_entries(struct store *store, enum ledger_kind kind)
{
    return store_rows(store, database_of(kind));
}

struct counting {
    struct store_bytes beginning;
    uint32_t count, most;
};

static bool count_one(void *context, struct store_bytes key, struct store_bytes value)
{
    struct counting *counting = context;

    (void)value;
    if (!store_bytes_begin(key, counting->beginning))
        return false;
    return ++counting->count < counting->most;
}

uint32_t store_entry_count(struct store *store, enum ledger_kind kind, const char *ancestor,
                           uint32_t most)
{
    struct counting counting = {.most = most};
    struct store_key key;

    if (most == 0 || !store_key_name(&key, ancestor))
        return 0;
    counting.beginning = store_key_bytes(&key);
    /* What cannot be counted is too much: nothing more is learned. */
    if (store_walk(store, database_of(kind), counting.beginning, true, count_one, &counting) != 0)
        return most;
    return counting.count;
}

/* --- all of them --- */

struct each {
    enum ledger_kind kind;
    store_each_entry *call;
    void *context;
};

static bool give_entry(void *context, struct store_bytes key, struct store_bytes value)
{
    const struct each *each = context;
    const enum store_database database = database_of(each->kind);
    struct store_value_view view;
    struct ledger_entry entry;
    char name[NAME_BYTES_MAX + 1];
    enum store_value_state state = store_value_open(&view, database, value);

    /* Whose value it is, the value knows better than LMDB's key does. */
    if (!store_key_to_name(state != VALUE_DAMAGED ? view.key : key, name))
        return true;
    if (state == VALUE_SOUND)
        state = store_value_to_entry(view.payload, each->kind, &entry);
    if (state != VALUE_SOUND)
        store_value_unreadable_entry(&entry, each->kind);
    return each->call(each->context, each->kind, name, &entry);
}

int store_each(struct store *store, enum ledger_kind kind, const char *after,
               store_each_entry *each, void *context)
{
    struct each all = {kind, each, context};
    struct store_key key = {0};

    if (after != NULL && !store_key_name(&key, after))
        return -EINVAL;
    return store_walk(store, database_of(kind), store_key_bytes(&key), false, give_entry, &all);
}
