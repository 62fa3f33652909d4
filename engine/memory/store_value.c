/*
 * store_value.c - see store_value.h.
 */
#include "engine/memory/store_value.h"

#include "engine/base/check.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <endian.h>
#include <stddef.h>
#include <string.h>

#define HEAD_BYTES     4
#define CHECKSUM_BYTES 8

/* A new field must be packed here, in a new version of the layout. */
_Static_assert(sizeof(struct ledger_entry) == 88, "all of an entry is packed");
_Static_assert(offsetof(struct account, exceptions_until_s) == 104 &&
                   sizeof(struct account) == 104 + sizeof(int64_t),
               "all of an account is packed, but for what only the users' table says");
_Static_assert(sizeof(struct account_exception) == 16, "all of an exception is packed");

/* --- packing --- */

static void put(struct store_value *value, const void *bytes, size_t length)
{
    CHECK(length <= sizeof value->bytes - value->length);
    if (length > 0)
        memcpy(value->bytes + value->length, bytes, length);
    value->length += length;
}

static void put_8(struct store_value *value, uint8_t number)
{
    put(value, &number, sizeof number);
}

static void put_16(struct store_value *value, uint16_t number)
{
    const uint16_t little = htole16(number);
    put(value, &little, sizeof little);
}

static void put_32(struct store_value *value, uint32_t number)
{
    const uint32_t little = htole32(number);
    put(value, &little, sizeof little);
}

static void put_64(struct store_value *value, uint64_t number)
{
    const uint64_t little = htole64(number);
    put(value, &little, sizeof little);
}

static void put_text(struct store_value *value, const char *text, size_t size)
{
    const size_t length = strnlen(text, size - 1);

    put_16(value, (uint16_t)length);
    put(value, text, length);
}

static void begin(struct store_value *value, enum store_database database,
                  const struct store_key *key)
{
    value->length = 0;
    put_8(value, (uint8_t)database);
    put_8(value, STORE_VALUE_VERSION);
    put_16(value, (uint16_t)key->length);
    put(value, key->bytes, key->length);
}

static void seal(struct store_value *value)
{
    put_64(value, XXH3_64bits(value->bytes, value->length));
}

static enum store_database database_of(enum ledger_kind kind)
{
    return kind == LEDGER_HOST ? DATABASE_HOST : DATABASE_DOMAIN;
}

void store_value_of_entry(struct store_value *value, enum ledger_kind kind,
                          const struct store_key *key, const struct ledger_entry *entry)
{
    begin(value, database_of(kind), key);
    put_8(value, entry->proofs);
    put_8(value, entry->set_level);
    put_8(value, entry->flags);
    put_8(value, entry->contradiction);
    put_8(value, entry->rule);
    put_8(value, entry->rule_level);
    put_32(value, entry->epoch);
    put_32(value, entry->rule_epoch);
    put_32(value, entry->handshakes);
    put_32(value, entry->absences);
    put_64(value, (uint64_t)entry->first_seen_s);
    put_64(value, (uint64_t)entry->last_seen_s);
    put_64(value, (uint64_t)entry->used_s);
    put_64(value, (uint64_t)entry->lowered_s);
    put_64(value, (uint64_t)entry->contradicted_s);
    put_64(value, (uint64_t)entry->absence_s);
    put_64(value, (uint64_t)entry->insecure_s);
    put_64(value, (uint64_t)entry->rule_until_s);
    seal(value);
}

void store_value_of_account(struct store_value *value, const struct store_key *key,
                            const struct account *account)
{
    begin(value, DATABASE_ACCOUNT, key);
    put_text(value, account->profile, sizeof account->profile);
    put_32(value, account->flags);
    put_64(value, (uint64_t)account->changed_s);
    put_64(value, (uint64_t)account->off_since_s);
    put_64(value, (uint64_t)account->off_until_s);
    if (account->before[0] != '\0') { /* else it is not there, as it was not at first */
        put_text(value, account->before, sizeof account->before);
        put_64(value, (uint64_t)account->before_s);
    }
    seal(value);
}

void store_value_of_exception(struct store_value *value, const struct store_key *key,
                              const struct account_exception *exception)
{
    begin(value, DATABASE_EXCEPTION, key);
    put_64(value, (uint64_t)exception->since_s);
    put_64(value, (uint64_t)exception->until_s);
    seal(value);
}

void store_value_of_audit(struct store_value *value, const struct store_key *key,
                          const struct store_audit *audit)
{
    begin(value, DATABASE_AUDIT, key);
    put_64(value, (uint64_t)audit->at_s);
    put_text(value, audit->who, sizeof audit->who);
    put_text(value, audit->what, sizeof audit->what);
    put_text(value, audit->name, sizeof audit->name);
    put_text(value, audit->reason, sizeof audit->reason);
    seal(value);
}

void store_value_of_number(struct store_value *value, enum store_database database,
                           const struct store_key *key, uint64_t number)
{
    begin(value, database, key);
    put_64(value, number);
    seal(value);
}

void store_value_of_quarantine(struct store_value *value, const struct store_key *key,
                               enum store_database database, struct store_bytes old_key,
                               struct store_bytes old_value)
{
    const size_t kept = old_value.length < LIMIT_STORE_QUARANTINE_BYTES
                            ? old_value.length
                            : LIMIT_STORE_QUARANTINE_BYTES;

    begin(value, DATABASE_QUARANTINE, key);
    put_8(value, (uint8_t)database);
    put_16(value, (uint16_t)old_key.length);
    put(value, old_key.bytes, old_key.length);
    put_16(value, (uint16_t)kept);
    put(value, old_value.bytes, kept);
    seal(value);
}

/* --- unpacking --- */

/* Takes from the front; once it ran short it gives zeros, and is not at its end. */
struct taker {
    const uint8_t *at;
    size_t left;
    bool ran_short;
};

static const uint8_t *take(struct taker *taker, size_t length)
{
    const uint8_t *const at = taker->at;

    if (taker->ran_short || taker->left < length) {
        taker->ran_short = true;
        return NULL;
    }
    taker->at += length;
    taker->left -= length;
    return at;
}

static uint8_t take_8(struct taker *taker)
{
    const uint8_t *const at = take(taker, 1);
    return at != NULL ? *at : 0;
}

static uint16_t take_16(struct taker *taker)
{
    uint16_t little = 0;
    const uint8_t *const at = take(taker, sizeof little);

    if (at != NULL)
        memcpy(&little, at, sizeof little);
    return le16toh(little);
}

static uint32_t take_32(struct taker *taker)
{
    uint32_t little = 0;
    const uint8_t *const at = take(taker, sizeof little);

    if (at != NULL)
        memcpy(&little, at, sizeof little);
    return le32toh(little);
}

static uint64_t take_64(struct taker *taker)
{
    uint64_t little = 0;
    const uint8_t *const at = take(taker, sizeof little);

    if (at != NULL)
        memcpy(&little, at, sizeof little);
    return le64toh(little);
}

static void take_text(struct taker *taker, char *text, size_t size)
{
    const size_t length = take_16(taker);
    const uint8_t *const at = length < size ? take(taker, length) : NULL;

    taker->ran_short |= at == NULL;
    if (at != NULL)
        memcpy(text, at, length);
    text[at != NULL ? length : 0] = '\0';
}

static struct store_bytes take_bytes(struct taker *taker, size_t most)
{
    const size_t length = take_16(taker);
    const uint8_t *const at = length <= most ? take(taker, length) : NULL;

    taker->ran_short |= at == NULL;
    return (struct store_bytes){at, at != NULL ? length : 0};
}

/* A right checksum over a wrong length: nobody writes that in this version. */
static enum store_value_state state_of(const struct taker *taker, bool known)
{
    if (taker->ran_short || taker->left > 0)
        return VALUE_DAMAGED;
    return known ? VALUE_SOUND : VALUE_LATER;
}

enum store_value_state store_value_open(struct store_value_view *view, enum store_database database,
                                        struct store_bytes value)
{
    struct taker taker = {value.bytes, 0, false};
    uint64_t little;

    if (value.length < HEAD_BYTES + CHECKSUM_BYTES || value.length > STORE_VALUE_MAX)
        return VALUE_DAMAGED;
    taker.left = value.length - CHECKSUM_BYTES;
    memcpy(&little, value.bytes + taker.left, sizeof little);
    if (le64toh(little) != XXH3_64bits(value.bytes, taker.left))
        return VALUE_DAMAGED;
    const uint8_t kind = take_8(&taker);
    const uint8_t version = take_8(&taker);
    view->key = take_bytes(&taker, STORE_KEY_MAX);
    view->payload = (struct store_bytes){taker.at, taker.left};
    if (kind != database || version == 0 || taker.ran_short)
        return VALUE_DAMAGED;
    return version == STORE_VALUE_VERSION ? VALUE_SOUND : VALUE_LATER;
}

bool store_value_takes_entry(const struct ledger_entry *entry)
{
    return ledger_is_sound(entry);
}

enum store_value_state store_value_to_entry(struct store_bytes payload, enum ledger_kind kind,
                                            struct ledger_entry *entry)
{
    struct taker taker = {payload.bytes, payload.length, false};
    struct ledger_entry read = {.kind = (uint8_t)kind};

    read.proofs = take_8(&taker);
    read.set_level = take_8(&taker);
    read.flags = take_8(&taker);
    read.contradiction = take_8(&taker);
    read.rule = take_8(&taker);
    read.rule_level = take_8(&taker);
    read.epoch = take_32(&taker);
    read.rule_epoch = take_32(&taker);
    read.handshakes = take_32(&taker);
    read.absences = take_32(&taker);
    read.first_seen_s = (int64_t)take_64(&taker);
    read.last_seen_s = (int64_t)take_64(&taker);
    read.used_s = (int64_t)take_64(&taker);
    read.lowered_s = (int64_t)take_64(&taker);
    read.contradicted_s = (int64_t)take_64(&taker);
    read.absence_s = (int64_t)take_64(&taker);
    read.insecure_s = (int64_t)take_64(&taker);
    read.rule_until_s = (int64_t)take_64(&taker);
    const enum store_value_state state = state_of(&taker, store_value_takes_entry(&read));
    if (state == VALUE_SOUND)
        *entry = read;
    return state;
}

enum store_value_state store_value_to_account(struct store_bytes payload, struct account *account)
{
    struct taker taker = {payload.bytes, payload.length, false};
    struct account read = {0};

    take_text(&taker, read.profile, sizeof read.profile);
    read.flags = take_32(&taker);
    read.changed_s = (int64_t)take_64(&taker);
    read.off_since_s = (int64_t)take_64(&taker);
    read.off_until_s = (int64_t)take_64(&taker);
    if (!taker.ran_short && taker.left > 0) {
        take_text(&taker, read.before, sizeof read.before);
        read.before_s = (int64_t)take_64(&taker);
    }
    const enum store_value_state state = state_of(&taker, true);
    if (state == VALUE_SOUND)
        *account = read;
    return state;
}

enum store_value_state store_value_to_exception(struct store_bytes payload,
                                                struct account_exception *exception)
{
    struct taker taker = {payload.bytes, payload.length, false};
    struct account_exception read;

    read.since_s = (int64_t)take_64(&taker);
    read.until_s = (int64_t)take_64(&taker);
    const enum store_value_state state = state_of(&taker, true);
    if (state == VALUE_SOUND)
        *exception = read;
    return state;
}

enum store_value_state store_value_to_audit(struct store_bytes payload, struct store_audit *audit)
{
    struct taker taker = {payload.bytes, payload.length, false};
    struct store_audit read = {0};

    read.at_s = (int64_t)take_64(&taker);
    take_text(&taker, read.who, sizeof read.who);
    take_text(&taker, read.what, sizeof read.what);
    take_text(&taker, read.name, sizeof read.name);
    take_text(&taker, read.reason, sizeof read.reason);
    const enum store_value_state state = state_of(&taker, true);
    if (state == VALUE_SOUND)
        *audit = read;
    return state;
}

enum store_value_state store_value_to_number(struct store_bytes payload, uint64_t *number)
{
    struct taker taker = {payload.bytes, payload.length, false};
    const uint64_t read = take_64(&taker);
    const enum store_value_state state = state_of(&taker, true);

    if (state == VALUE_SOUND)
        *number = read;
    return state;
}

enum store_value_state store_value_to_quarantine(struct store_bytes payload,
                                                 enum store_database *database,
                                                 struct store_bytes *old_key,
                                                 struct store_bytes *old_value)
{
    struct taker taker = {payload.bytes, payload.length, false};
    const uint8_t kind = take_8(&taker);

    *database = (enum store_database)kind;
    *old_key = take_bytes(&taker, STORE_KEY_SHORT);
    *old_value = take_bytes(&taker, LIMIT_STORE_QUARANTINE_BYTES);
    return state_of(&taker, kind < DATABASE_COUNT);
}

static enum store_value_state check_payload(enum store_database database,
                                            struct store_bytes payload)
{
    union {
        struct ledger_entry entry;
        struct account account;
        struct account_exception exception;
        struct store_audit audit;
        uint64_t number;
        struct {
            enum store_database database;
            struct store_bytes key, value;
        } quarantine;
    } read;

    switch (database) {
    case DATABASE_DOMAIN:
        return store_value_to_entry(payload, LEDGER_DOMAIN, &read.entry);
    case DATABASE_HOST:
        return store_value_to_entry(payload, LEDGER_HOST, &read.entry);
    case DATABASE_ACCOUNT:
        return store_value_to_account(payload, &read.account);
    case DATABASE_EXCEPTION:
        return store_value_to_exception(payload, &read.exception);
    case DATABASE_AUDIT:
        return store_value_to_audit(payload, &read.audit);
    case DATABASE_STATE:
    case DATABASE_REPORT:
        return store_value_to_number(payload, &read.number);
    case DATABASE_QUARANTINE:
        return store_value_to_quarantine(payload, &read.quarantine.database, &read.quarantine.key,
                                         &read.quarantine.value);
    case DATABASE_COUNT:
        break;
    }
    CHECK(!"a database");
    return VALUE_DAMAGED;
}

enum store_value_state store_value_check(struct store_value_view *view,
                                         enum store_database database, struct store_bytes value)
{
    const enum store_value_state state = store_value_open(view, database, value);

    return state == VALUE_SOUND ? check_payload(database, view->payload) : state;
}

/* --- a key and a value --- */

static void key_copy(struct store_key *key, struct store_bytes bytes)
{
    key->length = bytes.length;
    memcpy(key->bytes, bytes.bytes, bytes.length);
}

/* The value with this key in it instead of its own. */
static void put_key_inside(struct store_value *value, const struct store_key *key)
{
    const uint16_t little = htole16((uint16_t)key->length);

    memcpy(value->bytes + 2, &little, sizeof little);
    memcpy(value->bytes + HEAD_BYTES, key->bytes, key->length);
}

static bool absence_lowers(enum store_database database)
{
    return database == DATABASE_DOMAIN || database == DATABASE_HOST || database == DATABASE_ACCOUNT;
}

enum store_pair store_value_pair(enum store_database database, struct store_key *key,
                                 struct store_value *value)
{
    const struct store_bytes place = store_key_bytes(key);
    uint8_t room[STORE_KEY_SHORT];
    struct store_value_view view;

    if (store_value_check(&view, database, store_value_bytes(value)) != VALUE_DAMAGED) {
        const bool same = store_bytes_equal(store_key_short(view.key, room), place);
        key_copy(key, view.key);
        return same ? PAIR_SOUND : PAIR_MENDED;
    }
    if (value->length < HEAD_BYTES + key->length + CHECKSUM_BYTES)
        return absence_lowers(database) ? PAIR_UNKNOWN : PAIR_VALUE_DAMAGED;
    struct store_value tried = *value;
    put_key_inside(&tried, key);
    if (memcmp(tried.bytes, value->bytes, value->length) == 0)
        return PAIR_VALUE_DAMAGED;
    if (store_value_check(&view, database, store_value_bytes(&tried)) == VALUE_DAMAGED)
        return absence_lowers(database) ? PAIR_UNKNOWN : PAIR_VALUE_DAMAGED;
    *value = tried;
    return PAIR_MENDED;
}

/* --- how what is broken reads --- */

void store_value_unreadable_entry(struct ledger_entry *entry, enum ledger_kind kind)
{
    ledger_unreadable(entry, kind);
}

void store_value_unreadable_account(struct account *account)
{
    *account = (struct account){.profile = "strict", .flags = ACCOUNT_ON | ACCOUNT_ON_BEFORE};
}
