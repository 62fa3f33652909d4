/*
 * store_internal.h - what the files of the store share. Only for engine/memory/store*.c and tests
 * that look inside.
 *
 * LMDB's results are turned into negative errnos in one place, store_status. MDB_MAP_FULL is
 * -EAGAIN; what says that the file is not what it must be is -EBADMSG.
 */
#ifndef MXWARD_MEMORY_STORE_INTERNAL_H
#define MXWARD_MEMORY_STORE_INTERNAL_H

#include "engine/memory/store.h"
#include "engine/memory/store_value.h"

#include <limits.h>
#include <lmdb.h>

#define STORE_FILE     "memory.mdb"
#define STORE_NEW      "memory.new"
#define STORE_COPY_NEW "copy.new"
#define STORE_MODE     0600

/* The key of the one value in LMDB's main database. Each batch writes its own number there, so a
 * meta page that says another is damaged. */
#define STORE_STATE_KEY "state"

struct store {
    struct store_settings settings; /* `directory` is ours */
    int lock;                       /* the OFD lock's descriptor */
    MDB_env *env;                   /* NULL: closed after an error; store_begin opens it again */
    MDB_dbi databases[DATABASE_COUNT];
    MDB_txn *reader;  /* reset between two reads */
    unsigned reading; /* reads under way, one inside of the other */
    MDB_txn *batch;
    unsigned changes;    /* of the batch */
    int spoiled;         /* the first error of the batch */
    uint64_t room_bytes; /* kept free in the map for a batch; 0: by LIMIT_STORE_CHANGE_PAGES */
    uint64_t map_bytes;
    bool was_open; /* if the database is gone now, then it is not a first start */
    bool grow;     /* the map was full */
    bool damaged; /* LMDB met a page that cannot be: the next batch closes, mends and opens again */
    /* Rows of `report_day`, while `report_known`. */
    uint32_t report_day, report_rows;
    bool report_known;
    /* Rows of each kind, while `audit_known`. */
    uint64_t audit_rows[AUDIT_KINDS];
    bool audit_known;
    char trouble[256];
};

/* --- store.c --- */
int store_status(int result);
const char *store_database_name(enum store_database database);
/* DIRECTORY/name; CHECKs that it fits, which store_open has looked at. */
const char *store_path(const struct store *store, char path[PATH_MAX], const char *name);
void store_why(char *why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Says it in the log and remembers it for store_trouble. */
void store_say(struct store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Opens LMDB's environment on that file; `fresh`: makes it and its databases. */
int store_environment_open(struct store *store, const char *name, bool fresh);
void store_environment_close(struct store *store);

/* The transaction to read with: the batch's, if there is one. A negative errno or 0. */
int store_read_begin(struct store *store, MDB_txn **transaction);
void store_read_end(struct store *store);

/* A value by its key, copied. 1: found, 0: there is none, or a negative errno. */
int store_get(struct store *store, enum store_database database, struct store_bytes key,
              struct store_value *value);
/* In order from `from` on, its own included if `inclusive`. `item` returns false to end. */
typedef bool store_item(void *context, struct store_bytes key, struct store_bytes value);
int store_walk(struct store *store, enum store_database database, struct store_bytes from,
               bool inclusive, store_item *item, void *context);
/* From the last one below `below` on (empty: of all), backwards. */
int store_walk_back(struct store *store, enum store_database database, struct store_bytes below,
                    store_item *item, void *context);
/* Inside a batch. What fails spoils it. `flags`: 0 or MDB_NOOVERWRITE, which then gives -EEXIST
 * and spoils nothing. */
int store_put(struct store *store, enum store_database database, struct store_bytes key,
              struct store_bytes value, unsigned flags);
int store_delete(struct store *store, enum store_database database, struct store_bytes key);
uint64_t store_rows(struct store *store, enum store_database database);

/* Counts a change of the caller's: 0, or what has spoiled the batch. */
int store_change(struct store *store);
int store_spoil(struct store *store, int status);

/* A packed value under its own key, cut if it is too long for LMDB. */
int store_put_value(struct store *store, enum store_database database, const struct store_key *key,
                    const struct store_value *value);
/* The value of a whole key, checked: FOUND (and `view` into `value`), ABSENT, BROKEN or ERROR. */
enum store_read store_find(struct store *store, enum store_database database,
                           const struct store_key *key, struct store_value *value,
                           struct store_value_view *view);

/* --- store_files.c --- */
struct store_files { /* of one kind, the newest first */
    unsigned count;
    struct {
        uint64_t number;
        char name[64];
    } files[LIMIT_STORE_COPIES];
};
/* Those of the names PREFIX.NUMBER or PREFIX.NUMBER.…; the newest LIMIT_STORE_COPIES of them. */
int store_files_list(const struct store *store, const char *prefix, struct store_files *files);
/* Removes all but the newest `keep`. */
void store_files_trim(const struct store *store, const char *prefix, unsigned keep);
/* The names in the directory `name`, seen from the store's: "." or "..". */
int store_directory_sync(const struct store *store, const char *name);

/* --- store_mend.c --- */
/* Makes sure that there is a database and that LMDB can be let near it. `doubt` (NULL: none) says
 * what was seen to be wrong in a file that is sound in its pages. `why` as store_open. */
int store_mend(struct store *store, const char *doubt, struct store_opened *opened, char *why,
               size_t why_size);

/* pages_check, with the names of the store's databases. */
struct pages;
int store_pages_check(struct pages *pages, unsigned slot, char *why, size_t why_size);

/* --- store_open.c --- */
/* Closes the environment and opens it again, mended if need be: after an error that LMDB cannot go
 * on from. */
int store_reopen(struct store *store);

static inline MDB_val store_lmdb(struct store_bytes bytes)
{
    return (MDB_val){bytes.length, (void *)(uintptr_t)bytes.bytes};
}
static inline struct store_bytes store_ours(const MDB_val *value)
{
    return (struct store_bytes){value->mv_data, value->mv_size};
}

#endif
