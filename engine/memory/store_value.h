/*
 * store_value.h - values of the store's databases, packed. Pure.
 *
 *   offset  0  u8   database (enum store_database), so that no value is read as another kind's
 *           1  u8   version of its layout
 *           2  u16  bytes of the key
 *           4       the whole key (store_key.h)
 *                   the payload
 *   end - 8    u64  XXH3-64 of all before it
 *
 * Little-endian, no padding. What fails its checksum is DAMAGED. What has a right checksum but a
 * version or a number that this build does not know was written by a later one: LATER, read as
 * broken too, but left where it is for the later one.
 */
#ifndef MXWARD_MEMORY_STORE_VALUE_H
#define MXWARD_MEMORY_STORE_VALUE_H

#include "engine/base/limits.h"
#include "engine/memory/store.h"
#include "engine/memory/store_key.h"

#include <string.h>

/* On disk: append only. */
enum store_database {
    DATABASE_STATE, /* one value, in LMDB's main database: which batch this is */
    DATABASE_DOMAIN,
    DATABASE_HOST,
    DATABASE_ACCOUNT,
    DATABASE_EXCEPTION,
    DATABASE_AUDIT,
    DATABASE_REPORT,
    DATABASE_QUARANTINE,
    DATABASE_COUNT
};

#define STORE_VALUE_VERSION 1
/* The largest: a quarantined one with the longest key. LMDB keeps up to 2,038 bytes in a page. */
#define STORE_VALUE_MAX (4 + 8 + 5 + STORE_KEY_SHORT + LIMIT_STORE_QUARANTINE_BYTES + 8)

struct store_value {
    size_t length;
    uint8_t bytes[STORE_VALUE_MAX];
};

enum store_value_state { VALUE_SOUND, VALUE_LATER, VALUE_DAMAGED };

/* The inside of a value; points into it. */
struct store_value_view {
    struct store_bytes key, payload;
};

enum store_value_state store_value_open(struct store_value_view *view, enum store_database database,
                                        struct store_bytes value);
/* The same, and whether the payload can be read. */
enum store_value_state store_value_check(struct store_value_view *view,
                                         enum store_database database, struct store_bytes value);

/*
 * A key and a value as they stand in LMDB, which hold the key twice: so one of both may be damaged,
 * and the pair is whole.
 */
enum store_pair {
    PAIR_SOUND,         /* or later */
    PAIR_MENDED,        /* one of both keys was damaged: `key` and `value` are right now */
    PAIR_VALUE_DAMAGED, /* the value is, the key is not: what it belongs to is known */
    PAIR_UNKNOWN,       /* both are: somebody's value is missing, and nobody knows whose */
};
/* `key` is whole or short, and becomes whole. Exceptions, and rows of the audit and the report, are
 * never UNKNOWN: their absence lowers nobody. */
enum store_pair store_value_pair(enum store_database database, struct store_key *key,
                                 struct store_value *value);

/* Packing cannot fail: what does not fit or is no valid number is a mistake of the caller's, which
 * the functions of store.h have looked for. */
void store_value_of_entry(struct store_value *value, enum ledger_kind kind,
                          const struct store_key *key, const struct ledger_entry *entry);
void store_value_of_account(struct store_value *value, const struct store_key *key,
                            const struct account *account);
void store_value_of_exception(struct store_value *value, const struct store_key *key,
                              const struct account_exception *exception);
void store_value_of_audit(struct store_value *value, const struct store_key *key,
                          const struct store_audit *audit);
void store_value_of_number(struct store_value *value, enum store_database database,
                           const struct store_key *key, uint64_t number);
void store_value_of_quarantine(struct store_value *value, const struct store_key *key,
                               enum store_database database, struct store_bytes old_key,
                               struct store_bytes old_value);

/* What stands in the payload; anything but SOUND leaves the target as it was. */
enum store_value_state store_value_to_entry(struct store_bytes payload, enum ledger_kind kind,
                                            struct ledger_entry *entry);
enum store_value_state store_value_to_account(struct store_bytes payload, struct account *account);
enum store_value_state store_value_to_exception(struct store_bytes payload,
                                                struct account_exception *exception);
enum store_value_state store_value_to_audit(struct store_bytes payload, struct store_audit *audit);
enum store_value_state store_value_to_number(struct store_bytes payload, uint64_t *number);
enum store_value_state store_value_to_quarantine(struct store_bytes payload,
                                                 enum store_database *database,
                                                 struct store_bytes *old_key,
                                                 struct store_bytes *old_value);

/* Are all numbers of it known? */
bool store_value_takes_entry(const struct ledger_entry *entry);

/* How what is broken reads (MEM-08): TLS required, level unknown; on, with the profile "strict". */
void store_value_unreadable_entry(struct ledger_entry *entry, enum ledger_kind kind);
void store_value_unreadable_account(struct account *account);

static inline struct store_bytes store_value_bytes(const struct store_value *value)
{
    return (struct store_bytes){value->bytes, value->length};
}
/* LMDB's bytes; one that is too long is none of ours, and becomes empty: that fails its checksum.
 */
static inline void store_value_copy(struct store_value *value, struct store_bytes bytes)
{
    value->length = bytes.length <= sizeof value->bytes ? bytes.length : 0;
    if (value->length > 0)
        memcpy(value->bytes, bytes.bytes, value->length);
}

#endif
