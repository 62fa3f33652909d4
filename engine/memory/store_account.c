/*
 * store_account.c - see store.h: accounts and their exceptions.
 */
#include "engine/memory/store_internal.h"

#include "engine/base/check.h"
#include "engine/names/name.h"

#include <errno.h>
#include <string.h>

enum store_read store_account_get(struct store *store, const char *name, struct account *account)
{
    struct store_key key;
    struct store_value value;
    struct store_value_view view;
    enum store_read read = STORE_ERROR;

    if (store_key_account(&key, name))
        read = store_find(store, DATABASE_ACCOUNT, &key, &value, &view);
    if (read == STORE_FOUND && store_value_to_account(view.payload, account) == VALUE_SOUND)
        return STORE_FOUND;
    if (read == STORE_FOUND)
        read = STORE_BROKEN;
    if (read == STORE_ABSENT)
        *account = (struct account){0};
    else
        store_value_unreadable_account(account);
    return read;
}

int store_account_put(struct store *store, const char *name, const struct account *account)
{
    struct store_key key;
    struct store_value value;

    if (store_change(store) != 0)
        return store->spoiled;
    if (!store_key_account(&key, name) ||
        memchr(account->profile, '\0', sizeof account->profile) == NULL ||
        memchr(account->before, '\0', sizeof account->before) == NULL)
        return store_spoil(store, -EINVAL);
    store_value_of_account(&value, &key, account);
    return store_put_value(store, DATABASE_ACCOUNT, &key, &value);
}

/* --- the exceptions of an account, which are one range of keys --- */

struct range {
    struct store_bytes beginning;
    unsigned count;
    size_t first_length; /* of the first key */
    uint8_t first[STORE_KEY_SHORT];
};

static bool note_first(void *context, struct store_bytes key, struct store_bytes value)
{
    struct range *range = context;

    (void)value;
    if (store_bytes_begin(key, range->beginning)) {
        range->first_length = key.length;
        memcpy(range->first, key.bytes, key.length);
    }
    return false;
}

static bool count_one(void *context, struct store_bytes key, struct store_bytes value)
{
    struct range *range = context;

    (void)value;
    if (!store_bytes_begin(key, range->beginning))
        return false;
    range->count++;
    return range->count < LIMIT_STORE_EXCEPTIONS;
}

/* At most LIMIT_STORE_EXCEPTIONS, because no more are taken. */
static int remove_exceptions(struct store *store, const struct store_key *beginning)
{
    for (unsigned i = 0; i <= LIMIT_STORE_EXCEPTIONS; i++) {
        struct range range = {.beginning = store_key_bytes(beginning)};
        int status =
            store_walk(store, DATABASE_EXCEPTION, range.beginning, true, note_first, &range);
        if (status != 0 || range.first_length == 0)
            return store_spoil(store, status);
        store->changes++;
        status = store_delete(store, DATABASE_EXCEPTION,
                              (struct store_bytes){range.first, range.first_length});
        if (status != 0)
            return status;
    }
    return 0;
}

int store_account_remove(struct store *store, const char *name)
{
    struct store_key key, beginning;

    if (store_change(store) != 0)
        return store->spoiled;
    if (!store_key_account(&key, name) || !store_key_exceptions(&beginning, name))
        return store_spoil(store, -EINVAL);
    const int status = remove_exceptions(store, &beginning);
    return status == 0 ? store_delete(store, DATABASE_ACCOUNT, store_key_bytes(&key)) : status;
}

/* May this exception be put? Not in place of another long name with the same hash, and not as one
 * more than an account may have. */
static int may_put(struct store *store, const struct store_key *key, const char *name)
{
    struct range range = {0};
    struct store_key beginning;
    uint8_t room[STORE_KEY_SHORT];
    struct store_value old;
    struct store_value_view view;
    const struct store_bytes whole = store_key_bytes(key);
    int status = store_get(store, DATABASE_EXCEPTION, store_key_short(whole, room), &old);

    if (status < 0)
        return status;
    if (status > 0) {
        const bool another =
            store_value_open(&view, DATABASE_EXCEPTION, store_value_bytes(&old)) != VALUE_DAMAGED &&
            !store_bytes_equal(view.key, whole);
        return another ? -EEXIST : 0;
    }
    store_key_exceptions(&beginning, name);
    range.beginning = store_key_bytes(&beginning);
    status = store_walk(store, DATABASE_EXCEPTION, range.beginning, true, count_one, &range);
    if (status != 0)
        return status;
    return range.count < LIMIT_STORE_EXCEPTIONS ? 0 : -EDQUOT;
}

int store_exception_put(struct store *store, const char *name, const char *domain,
                        const struct account_exception *exception)
{
    struct store_key key;
    struct store_value value;

    if (store_change(store) != 0)
        return store->spoiled;
    if (!store_key_exception(&key, name, domain))
        return store_spoil(store, -EINVAL);
    const int status = may_put(store, &key, name);
    if (status != 0)
        return store_spoil(store, status);
    store_value_of_exception(&value, &key, exception);
    return store_put_value(store, DATABASE_EXCEPTION, &key, &value);
}

int store_exception_remove(struct store *store, const char *name, const char *domain)
{
    struct store_key key;
    struct store_value value;
    struct store_value_view view;
    uint8_t room[STORE_KEY_SHORT];

    if (store_change(store) != 0)
        return store->spoiled;
    if (!store_key_exception(&key, name, domain))
        return store_spoil(store, -EINVAL);
    switch (store_find(store, DATABASE_EXCEPTION, &key, &value, &view)) {
    case STORE_ABSENT: /* or another long name's */
        return 0;
    case STORE_ERROR:
        return store_spoil(store, store->spoiled != 0 ? store->spoiled : -EIO);
    case STORE_FOUND:
    case STORE_BROKEN:
        break;
    }
    return store_delete(store, DATABASE_EXCEPTION, store_key_short(store_key_bytes(&key), room));
}

/* --- all of them --- */

struct each_account {
    store_each_account *call;
    void *context;
};

static bool give_account(void *context, struct store_bytes key, struct store_bytes value)
{
    const struct each_account *each = context;
    struct store_value_view view;
    struct account account;
    char name[ACCOUNT_NAME_MAX];
    enum store_value_state state = store_value_open(&view, DATABASE_ACCOUNT, value);

    if (!store_key_to_account(state != VALUE_DAMAGED ? view.key : key, name))
        return true;
    if (state == VALUE_SOUND)
        state = store_value_to_account(view.payload, &account);
    if (state != VALUE_SOUND)
        store_value_unreadable_account(&account);
    return each->call(each->context, name, &account);
}

int store_accounts_each(struct store *store, const char *after, store_each_account *each,
                        void *context)
{
    struct each_account all = {each, context};
    struct store_key key = {0};

    if (after != NULL && !store_key_account(&key, after))
        return -EINVAL;
    return store_walk(store, DATABASE_ACCOUNT, store_key_bytes(&key), false, give_account, &all);
}

struct each_exception {
    struct store_bytes beginning;
    store_each_exception *call;
    void *context;
};

/* One that cannot be read is none: the guarantee holds. */
static bool give_exception(void *context, struct store_bytes key, struct store_bytes value)
{
    const struct each_exception *each = context;
    struct store_value_view view;
    struct account_exception exception;
    char account[ACCOUNT_NAME_MAX], domain[NAME_BYTES_MAX + 1];

    if (!store_bytes_begin(key, each->beginning))
        return false;
    if (store_value_open(&view, DATABASE_EXCEPTION, value) != VALUE_SOUND ||
        store_value_to_exception(view.payload, &exception) != VALUE_SOUND ||
        !store_bytes_begin(view.key, each->beginning) ||
        !store_key_to_exception(view.key, account, domain))
        return true;
    return each->call(each->context, account, domain, &exception);
}

int store_exceptions_each(struct store *store, const char *name, store_each_exception *each,
                          void *context)
{
    struct each_exception all = {.call = each, .context = context};
    struct store_key key = {0};

    if (name != NULL && !store_key_exceptions(&key, name))
        return -EINVAL;
    all.beginning = store_key_bytes(&key);
    return store_walk(store, DATABASE_EXCEPTION, all.beginning, true, give_exception, &all);
}

int store_exceptions_after(struct store *store, const char *name, const char *domain,
                           store_each_exception *each, void *context)
{
    struct each_exception all = {.call = each, .context = context};
    struct store_key key;
    uint8_t room[STORE_KEY_SHORT];

    if (!store_key_exception(&key, name, domain))
        return -EINVAL;
    return store_walk(store, DATABASE_EXCEPTION, store_key_short(store_key_bytes(&key), room),
                      false, give_exception, &all);
}
