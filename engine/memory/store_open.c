/*
 * store_open.c - see store.h: opening, and putting broken values into the quarantine.
 */
#include "engine/memory/store_internal.h"

#include "engine/base/check.h"
#include "engine/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY_MODE 0700
#define NAME_BYTES     64 /* of the longest name of a file in the directory */
#define PART           64 /* broken values that go into the quarantine in one batch */

/* --- what is broken --- */

struct broken {
    size_t key_length;
    uint8_t key[STORE_KEY_SHORT];
};

/* A look through one database: collects broken keys, until there are PART of them. */
struct look {
    enum store_database database;
    struct store_opened *opened;
    bool unknown; /* a value of which nobody knows whose it is: the file is to be mended */
    unsigned count;
    struct broken broken[PART];
};

static bool look_at(void *context, struct store_bytes key, struct store_bytes value)
{
    struct look *look = context;
    struct store_value_view view;
    uint8_t room[STORE_KEY_SHORT];
    const enum store_value_state state = store_value_check(&view, look->database, value);

    if (state != VALUE_DAMAGED && store_bytes_equal(key, store_key_short(view.key, room))) {
        look->opened->later += state == VALUE_LATER;
        return true;
    }
    struct store_key whole = {.length = key.length};
    struct store_value copy;
    memcpy(whole.bytes, key.bytes, key.length);
    store_value_copy(&copy, value);
    look->unknown |= store_value_pair(look->database, &whole, &copy) == PAIR_UNKNOWN;
    struct broken *broken = &look->broken[look->count++];
    broken->key_length = key.length;
    memcpy(broken->key, key.bytes, key.length);
    return look->count < PART && !look->unknown;
}

/* What takes the place of a broken value, so that it reads as broken from now on, and not as
 * absent. An exception, a row of the audit or the report has nothing that could. */
static int put_unreadable(struct store *store, enum store_database database, struct store_bytes key)
{
    struct store_key whole = {.length = key.length};
    struct store_value value;
    struct ledger_entry entry;
    struct account account;
    char text[ACCOUNT_NAME_MAX];

    memcpy(whole.bytes, key.bytes, key.length);
    switch (database) {
    case DATABASE_DOMAIN:
    case DATABASE_HOST: {
        const enum ledger_kind kind = database == DATABASE_HOST ? LEDGER_HOST : LEDGER_DOMAIN;
        if (!store_key_to_name(key, text))
            return 0;
        store_value_unreadable_entry(&entry, kind);
        store_value_of_entry(&value, kind, &whole, &entry);
        break;
    }
    case DATABASE_ACCOUNT:
        if (!store_key_to_account(key, text))
            return 0;
        store_value_unreadable_account(&account);
        store_value_of_account(&value, &whole, &account);
        break;
    case DATABASE_STATE:
    case DATABASE_EXCEPTION:
    case DATABASE_AUDIT:
    case DATABASE_REPORT:
    case DATABASE_QUARANTINE:
    case DATABASE_COUNT:
        return 0;
    }
    return store_put_value(store, database, &whole, &value);
}

static int put_quarantined(struct store *store, enum store_database database,
                           struct store_bytes key, struct store_bytes value)
{
    struct store_value packed;
    struct store_key number;

    if (store_rows(store, DATABASE_QUARANTINE) >= LIMIT_STORE_QUARANTINE)
        return 0;
    store_key_number(&number, mdb_txn_id(store->batch) << 16 | store->changes);
    store_value_of_quarantine(&packed, &number, database, key, value);
    return store_put_value(store, DATABASE_QUARANTINE, &number, &packed);
}

static int mend_value(struct store *store, struct look *look, const struct broken *broken)
{
    const struct store_bytes key = {broken->key, broken->key_length};
    struct store_key whole = {.length = key.length};
    struct store_value value;
    uint8_t room[STORE_KEY_SHORT];
    int status = store_get(store, look->database, key, &value);

    if (status < 0)
        return status;
    store_change(store);
    if (look->database != DATABASE_QUARANTINE)
        put_quarantined(store, look->database, key, store_value_bytes(&value));
    status = store_delete(store, look->database, key);
    look->opened->broken++;
    if (status != 0)
        return status;
    memcpy(whole.bytes, key.bytes, key.length);
    if (store_value_pair(look->database, &whole, &value) == PAIR_VALUE_DAMAGED)
        return put_unreadable(store, look->database, key);
    status = store_put(store, look->database, store_key_short(store_key_bytes(&whole), room),
                       store_value_bytes(&value), MDB_NOOVERWRITE);
    look->opened->repaired += status == 0;
    return status == -EEXIST ? 0 : status;
}

/* One database. Where nothing can be written, what is broken stays where it is and reads so. */
static int look_through(struct store *store, struct look *look)
{
    struct broken last = {0};
    int status = 0;

    do {
        look->count = 0;
        status = store_walk(store, look->database, (struct store_bytes){last.key, last.key_length},
                            false, look_at, look);
        if (look->unknown)
            return -EUCLEAN;
        if (status != 0 || look->count == 0)
            return status;
        last = look->broken[look->count - 1];
        status = store_begin(store);
        for (unsigned i = 0; i < look->count && status == 0; i++)
            status = mend_value(store, look, &look->broken[i]);
        if (store->batch != NULL)
            status = store_commit(store);
        if (status != 0)
            store_say(store, "broken values stay where they are: %s", strerror(-status));
    } while (look->count == PART);
    return 0;
}

static int look_at_all(struct store *store, struct store_opened *opened)
{
    struct look *look = malloc(sizeof *look);
    int status = look == NULL ? -ENOMEM : 0;

    for (enum store_database database = DATABASE_STATE + 1;
         database < DATABASE_COUNT && status == 0; database++) {
        look->database = database;
        look->opened = opened;
        look->unknown = false;
        status = look_through(store, look);
    }
    free(look);
    opened->entries = store_rows(store, DATABASE_DOMAIN) + store_rows(store, DATABASE_HOST);
    opened->accounts = store_rows(store, DATABASE_ACCOUNT);
    return status;
}

/* --- opening --- */

/* A directory that is made here is on the disk before anything in it is. */
static int make_directory(const struct store *store)
{
    if (mkdir(store->settings.directory, DIRECTORY_MODE) != 0)
        return errno == EEXIST ? 0 : -errno;
    return store_directory_sync(store, "..");
}

static int lock_directory(struct store *store, char *why, size_t why_size)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[PATH_MAX];
    int status = make_directory(store);

    if (status != 0) {
        store_why(why, why_size, "%s: %s", store->settings.directory, strerror(-status));
        return status;
    }
    store->lock = open(store_path(store, path, "lock"),
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, STORE_MODE);
    status = store->lock < 0 ? -errno : 0;
    if (status == 0 && fcntl(store->lock, F_OFD_SETLK, &lock) != 0)
        status = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
    if (status != 0)
        store_why(why, why_size, "%s: %s", path,
                  status == -EBUSY ? "another process has the memory open" : strerror(-status));
    return status;
}

static int make_store(struct store **out, const struct store_settings *settings)
{
    const unsigned copies = settings->copies < 1 ? 1 : settings->copies;
    struct store *store;

    if (strlen(settings->directory) + 1 + NAME_BYTES >= PATH_MAX)
        return -ENAMETOOLONG;
    store = calloc(1, sizeof *store);
    if (store == NULL)
        return -ENOMEM;
    store->lock = -1;
    store->settings = *settings;
    store->settings.copies = copies < LIMIT_STORE_COPIES ? copies : LIMIT_STORE_COPIES;
    store->settings.directory = strdup(settings->directory);
    store->map_bytes = settings->map_bytes != 0 ? settings->map_bytes : LIMIT_STORE_MAP_BYTES;
    if (store->settings.directory == NULL) {
        free(store);
        return -ENOMEM;
    }
    *out = store;
    return 0;
}

static void report(const struct store *store, const struct store_opened *opened, const char *why)
{
    if (opened->recovered)
        log_error("memory-recovered", "%s", why);
    if (opened->broken > 0)
        log_error(
            "memory-broken",
            "directory=%s values=%llu repaired=%llu: the others read as \"TLS required, level "
            "unknown\"",
            store->settings.directory, (unsigned long long)opened->broken,
            (unsigned long long)opened->repaired);
    if (opened->later > 0)
        log_error("memory-later", "directory=%s values=%llu: of a later mxward, read as broken",
                  store->settings.directory, (unsigned long long)opened->later);
}

static int mend_and_look(struct store *store, const char *doubt, struct store_opened *opened,
                         char *why, size_t why_size)
{
    int status = store_mend(store, doubt, opened, why, why_size);

    if (status == 0)
        status = store_environment_open(store, STORE_FILE, false);
    return status == 0 ? look_at_all(store, opened) : status;
}

static int open_locked(struct store *store, struct store_opened *opened, char *why, size_t why_size)
{
    static const char *const half_made[] = {STORE_NEW, STORE_COPY_NEW};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof half_made / sizeof half_made[0]; i++)
        unlink(store_path(store, path, half_made[i]));
    int status = mend_and_look(store, NULL, opened, why, why_size);
    if (status == -EUCLEAN) {
        store_environment_close(store);
        *opened = (struct store_opened){0};
        status = mend_and_look(store, "values and their keys are damaged", opened, why, why_size);
    }
    if (status != 0 && why[0] == '\0') {
        store_why(why, why_size, "%s: %s", store_path(store, path, STORE_FILE), strerror(-status));
    }
    if (status != 0)
        return status;
    store->was_open = true;
    store->settings.accept_loss = false; /* it was for this start */
    if (opened->broken > 0 && !opened->recovered)
        store_why(why, why_size, "%s: %llu values were damaged, and are in the quarantine",
                  store_path(store, path, STORE_FILE), (unsigned long long)opened->broken);
    report(store, opened, why);
    return 0;
}

int store_open(struct store **out, const struct store_settings *settings,
               struct store_opened *opened, char *why, size_t why_size)
{
    struct store *store = NULL;

    *opened = (struct store_opened){0};
    store_why(why, why_size, "%s", "");
    int status = make_store(&store, settings);
    if (status != 0) {
        store_why(why, why_size, "%s: %s", settings->directory, strerror(-status));
        return status;
    }
    status = lock_directory(store, why, why_size);
    if (status == 0)
        status = open_locked(store, opened, why, why_size);
    if (status != 0) {
        store_close(store);
        return status;
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    store_environment_close(store);
    if (store->lock >= 0)
        close(store->lock);
    free((char *)(uintptr_t)store->settings.directory);
    free(store);
}

int store_reopen(struct store *store)
{
    struct store_opened opened = {0};
    char why[512] = "";

    CHECK(store->env == NULL);
    int status = store_mend(store, NULL, &opened, why, sizeof why);
    if (status == 0)
        status = store_environment_open(store, STORE_FILE, false);
    if (status != 0 || opened.recovered)
        store_say(store, "opened again: %s",
                  status != 0 && why[0] == '\0' ? strerror(-status) : why);
    return status;
}
