/*
 * store.h - the durable store: LMDB in the state directory, one writer. What must survive a restart
 * of the machine: the ledger, accounts and their exceptions, the audit, the report.
 *
 *   DIRECTORY/lock                 held (OFD) as long as the store is open: one process at a time
 *   DIRECTORY/memory.mdb           the database
 *   DIRECTORY/copy.N.YYYYMMDDTHHMMSSZ   compact copies, N grows (store_copy)
 *   DIRECTORY/broken.N             damaged databases that were replaced, for people to look at
 *   DIRECTORY/…new                 half made; whoever opens the store removes it
 *
 * All functions block on the disk: they are the keeper thread's (engine/memory/keeper), or those of
 * a tool while no daemon runs. One thread at a time. Everything written belongs to a batch; nothing
 * is durable before store_commit has returned 0, and after an error nothing of the batch is.
 *
 * Every value ends with the XXH3-64 of its key and of what is before it. A value that fails it, or
 * says what this build does not know, is BROKEN: an entry of the ledger then reads as "TLS
 * required, level unknown" (MEM-08); an account's as "on, with the strictest profile known"; an
 * exception is not one. LMDB itself has no checksums and trusts its pages: so each is looked at
 * before LMDB is let near it (store_pages), and what is damaged is mended from what is sound
 * (store_mend).
 *
 * Only default flags: data is fdatasync'd before the meta page (never MDB_NOSYNC, MDB_WRITEMAP).
 * MDB_NOLOCK: the lock above is ours, and there is no lock file in memory to touch on a full disk.
 */
#ifndef MXWARD_MEMORY_STORE_H
#define MXWARD_MEMORY_STORE_H

#include "engine/memory/ledger.h"
#include "shm/account.h"

#include <stddef.h>

struct store;

struct store_settings {
    const char *directory; /* of the database; made if it is missing (not those above it) */
    uint64_t map_bytes;    /* virtual; grows by itself when full; 0: LIMIT_STORE_MAP_BYTES */
    unsigned copies;       /* nightly copies kept: 1 to LIMIT_STORE_COPIES */
    /* Go on without what is lost for good (an administrator's decision, for one start). Without it
     * a database that cannot be mended is an error: an empty memory would lower everybody. */
    bool accept_loss;
};
struct store_opened {
    bool fresh; /* made now: there was none, nor a copy of one */
    /* The database was damaged, or gone, and was made again from what is sound in it, from its own
     * state a batch ago, and from the newest good copy, in this order. `why` has the sentence. */
    bool recovered;
    uint32_t gaps;      /* ranges of it that could not be read … */
    uint32_t lost;      /* … and of these, that stand nowhere else (only with accept_loss) */
    uint64_t from_copy; /* values taken from the copy: as old as it is */
    uint64_t entries, accounts;
    uint64_t broken;   /* values that failed their checksum, in the quarantine now */
    uint64_t repaired; /* of these: only the key was damaged; they stand under their own again */
    uint64_t later;    /* written by a later mxward: read as broken, left where they are */
};

/* Opens, checks every page and every value, mends, moves broken values to the quarantine. -EBUSY:
 * another has it. -EBADMSG: damaged, and there is no good copy. -EPROTO: a later mxward's. `why`
 * gets a sentence with every error, and whenever `recovered` or `broken` is set; otherwise "". */
int store_open(struct store **store, const struct store_settings *settings,
               struct store_opened *opened, char *why, size_t why_size);
/* In any state; a batch that is not committed is gone. NULL: nothing. */
void store_close(struct store *store);
/* What is wrong with it since the last batch that was committed; "": nothing. For the status. */
const char *store_trouble(const struct store *store);

/* --- batches: at most one at a time --- */
/*
 * What a caller does: begin; change; commit. A change that fails spoils its batch: the commit gives
 * the same error again, so the results of single changes need not be looked at. Then:
 *
 *   0            durable: publish, acknowledge
 *   -EAGAIN      the map was full, which store_begin makes room against: the map has grown, do the
 *                whole batch again, from store_begin
 *   -E2BIG       more than LIMIT_STORE_CHANGES changes: a mistake; do it in two
 *   -ENOSPC      the disk is full: nothing is lost, try again later, acknowledge nothing
 *   -EINVAL      a name or a number that cannot be: leave that change out
 *   -EDQUOT      more than LIMIT_STORE_EXCEPTIONS of one account: likewise
 *   -EEXIST      two names too long for LMDB with the same hash: likewise
 *   others       (-EIO, -ENOMEM, -EBADMSG): as with -ENOSPC
 *
 * A batch without changes is not written. A batch reads what it has changed. Whoever was refused
 * waits a second before he tries again: after an error on the disk, store_begin may look through
 * the whole file and mend it, and until it has, reading gives ERROR.
 */
int store_begin(struct store *store);
int store_commit(struct store *store);
int store_abort(struct store *store); /* what had spoiled it; 0: nothing had */

enum store_read { STORE_FOUND, STORE_ABSENT, STORE_BROKEN, STORE_ERROR };

/* --- the ledger; `name` canonical --- */
/* Unless ABSENT or FOUND, the entry reads as what is broken does: that is safe to go on with. */
enum store_read store_entry_get(struct store *store, enum ledger_kind kind, const char *name,
                                struct ledger_entry *entry);
int store_entry_put(struct store *store, enum ledger_kind kind, const char *name,
                    const struct ledger_entry *entry);
int store_entry_remove(struct store *store, enum ledger_kind kind, const char *name);
/* All of `kind`. */
uint64_t store_entries(struct store *store, enum ledger_kind kind);
/* Entries of `kind` at or below the domain `ancestor`, counted up to `most` (ledger_quotas). */
uint32_t store_entry_count(struct store *store, enum ledger_kind kind, const char *ancestor,
                           uint32_t most);
/*
 * In the order of the reversed name. `each` returns false to end. A broken one is given as it
 * reads. After `after` (NULL: from the beginning), which need not be there. Inside of any `each`
 * the store may be read, but no batch begins or ends and nothing is changed.
 */
typedef bool store_each_entry(void *context, enum ledger_kind kind, const char *name,
                              const struct ledger_entry *entry);
int store_each(struct store *store, enum ledger_kind kind, const char *after,
               store_each_entry *each, void *context);

/* --- accounts; names and domains canonical --- */
/* Removing what is not there is no error. */
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
/* Those of all accounts, behind this one. */
int store_exceptions_after(struct store *store, const char *name, const char *domain,
                           store_each_exception *each, void *context);
/* Of one account, or of all (`name` NULL). */
int store_exceptions_each(struct store *store, const char *name, store_each_exception *each,
                          void *context);

/* --- audit: who lowered what, and why (MEM-05) --- */
/* Each kind has a quota of its own, so that none pushes out another's rows. */
enum audit_kind { AUDIT_ADMINISTRATOR, AUDIT_USER, AUDIT_LEDGER, AUDIT_KINDS };
struct store_audit {
    enum audit_kind kind;
    int64_t at_s;
    char who[64];  /* "uid 1000", "ledger" */
    char what[32]; /* "lowered", "rule", "user-off", … */
    char name[ACCOUNT_NAME_MAX];
    char reason[256]; /* printable */
};
int store_audit_add(struct store *store, const struct store_audit *audit);
typedef bool store_each_audit(void *context, uint64_t number, const struct store_audit *audit);
/* Of all kinds together, the newest first: numbers below `before` (0: all), at most `most`. */
int store_audit_each(struct store *store, uint64_t before, uint64_t most, store_each_audit *each,
                     void *context);

/* --- report: what was, or would have been, stopped or held --- */
struct store_report {
    uint32_t day;     /* since 1970, UTC */
    uint8_t action;   /* enum action (shm/answer.h) */
    uint8_t observed; /* 1: only would have been */
    uint8_t cause;    /* enum cause */
    uint8_t source;   /* enum demand_source */
    char domain[256]; /* "": all further ones of that day, over LIMIT_STORE_REPORT_DAY rows */
    uint64_t count;
};
/* Adds `count` to the row; rows over a bound, and of days long past, go. */
int store_report_add(struct store *store, const struct store_report *report);
typedef bool store_each_report(void *context, const struct store_report *report);
/* From a day on, behind the row `after` (NULL: from the first). */
int store_report_each(struct store *store, uint32_t from_day, const struct store_report *after,
                      store_each_report *each, void *context);

/* --- the quarantine: values that failed their checksum when the store was opened --- */
struct store_quarantined {
    const char *database; /* "domain", "account", … */
    const uint8_t *key;   /* as it stood in LMDB */
    size_t key_bytes;
    const uint8_t *value; /* the first LIMIT_STORE_QUARANTINE_BYTES of it */
    size_t value_bytes;
};
typedef bool store_each_quarantined(void *context, uint64_t number,
                                    const struct store_quarantined *quarantined);
int store_quarantine_each(struct store *store, store_each_quarantined *each, void *context);

/* A compact copy beside the database, on the disk and checked when this returns 0; keeps the newest
 * `copies`. `now_s` only gives it a name. Not inside a batch. `why` gets a sentence. */
int store_copy(struct store *store, int64_t now_s, char *why, size_t why_size);

#endif
