/*
 * store.h - the durable store: LMDB in the state directory, one writer. What must survive a restart
 * of the machine: the ledger, accounts and their exceptions, the audit, the report.
 *
 * All functions block on the disk: they are the keeper thread's (engine/memory/keeper), or those of
 * a tool while no daemon runs (an OFD lock on DIRECTORY/lock keeps a second writer out). Everything
 * written belongs to a batch; nothing is durable before store_commit has returned 0, and after an
 * error nothing of the batch is.
 *
 * Every value ends with the XXH3-64 of its key and of what is before it. A value that fails it, or
 * says what this build does not know, is BROKEN: an entry of the ledger then reads as "TLS
 * required, level unknown" (MEM-08); an account's as "on, with the strictest profile known". LMDB
 * itself gives errors for a page that cannot be: the environment's, and said loudly
 * (store_trouble).
 *
 * Only default flags: data is fdatasync'd before the meta page (never MDB_NOSYNC, MDB_WRITEMAP).
 */
#ifndef MXWARD_MEMORY_STORE_H
#define MXWARD_MEMORY_STORE_H

#include "engine/memory/ledger.h"
#include "shm/account.h"

#include <stddef.h>

struct store;

struct store_settings {
    const char *directory; /* of the database; made if it is missing */
    uint64_t map_bytes;    /* virtual; grows by itself when full */
    unsigned copies;       /* nightly copies kept */
};
struct store_opened {
    bool fresh;     /* made now: there was none */
    bool recovered; /* the database could not be read; the newest copy took its place */
    uint64_t entries, accounts;
    uint64_t broken; /* values that failed their checksum, in the quarantine now */
};

/* Opens, checks every value, moves broken ones to the quarantine. -EBUSY: another has it. `why`
 * gets a sentence. */
int store_open(struct store **store, const struct store_settings *settings,
               struct store_opened *opened, char *why, size_t why_size);
void store_close(struct store *store);

/* --- batches: at most one at a time --- */
int store_begin(struct store *store);
/* 0: durable. Otherwise nothing of the batch is; -ENOSPC: the disk is full. */
int store_commit(struct store *store);
void store_abort(struct store *store);

enum store_read { STORE_FOUND, STORE_ABSENT, STORE_BROKEN, STORE_ERROR };

/* --- the ledger; `name` canonical --- */
enum store_read store_entry_get(struct store *store, enum ledger_kind kind, const char *name,
                                struct ledger_entry *entry);
int store_entry_put(struct store *store, enum ledger_kind kind, const char *name,
                    const struct ledger_entry *entry);
int store_entry_remove(struct store *store, enum ledger_kind kind, const char *name);
/* Entries of `kind` at or below the registrable domain of `name`, counted up to `most`. */
uint32_t store_entry_count(struct store *store, enum ledger_kind kind, const char *name,
                           uint32_t most);
/* In the order of the reversed name. `each` returns false to end. A broken one is given as it
 * reads. After `after` (NULL: from the beginning). */
typedef bool store_each_entry(void *context, enum ledger_kind kind, const char *name,
                              const struct ledger_entry *entry);
int store_each(struct store *store, enum ledger_kind kind, const char *after,
               store_each_entry *each, void *context);

/* --- accounts --- */
enum store_read store_account_get(struct store *store, const char *name, struct account *account);
int store_account_put(struct store *store, const char *name, const struct account *account);
int store_account_remove(struct store *store, const char *name); /* with its exceptions */
int store_exception_put(struct store *store, const char *name, const char *domain,
                        const struct account_exception *exception);
int store_exception_remove(struct store *store, const char *name, const char *domain);
typedef bool store_each_account(void *context, const char *name, const struct account *account);
typedef bool store_each_exception(void *context, const char *name, const char *domain,
                                  const struct account_exception *exception);
int store_accounts_each(struct store *store, const char *after, store_each_account *each,
                        void *context);
/* Of one account, or of all (`name` NULL). */
int store_exceptions_each(struct store *store, const char *name, store_each_exception *each,
                          void *context);

/* --- audit: who lowered what, and why (MEM-05) --- */
struct store_audit {
    int64_t at_s;
    char who[64];  /* "uid 1000", "ledger" */
    char what[32]; /* "lowered", "rule", "user-off", … */
    char name[ACCOUNT_NAME_MAX];
    char reason[256]; /* printable */
};
int store_audit_add(struct store *store, const struct store_audit *audit);
typedef bool store_each_audit(void *context, uint64_t number, const struct store_audit *audit);
/* The newest first, at most `most`. */
int store_audit_each(struct store *store, uint64_t most, store_each_audit *each, void *context);

/* --- report: what was, or would have been, stopped or held --- */
struct store_report {
    uint32_t day;     /* since 1970, UTC */
    uint8_t action;   /* enum action (shm/answer.h) */
    uint8_t observed; /* 1: only would have been */
    uint8_t cause;    /* enum cause */
    uint8_t source;   /* enum demand_source */
    char domain[256];
    uint64_t count;
};
/* Adds `count` to the row; rows over a bound, and of days long past, go. */
int store_report_add(struct store *store, const struct store_report *report);
typedef bool store_each_report(void *context, const struct store_report *report);
int store_report_each(struct store *store, uint32_t from_day, store_each_report *each,
                      void *context);

/* A compact copy beside the database; keeps the newest `copies`. Not inside a batch. */
int store_copy(struct store *store, int64_t now_s, char *why, size_t why_size);

#endif
