/*
 * account_record.c - see account_record.h. The structs are the layout: both sides are of one build,
 * which the table's format word sees to.
 */
#include "shm/account_record.h"

#include <stdio.h>
#include <string.h>

bool account_key(struct table_key *key, char *text, char kind, const char *name, const char *domain)
{
    const int length = domain != NULL
                           ? snprintf(text, ACCOUNT_KEY_MAX, "%c%s>%s", kind, name, domain)
                           : snprintf(text, ACCOUNT_KEY_MAX, "%c%s", kind, name);

    return length > 0 && length < ACCOUNT_KEY_MAX && table_key_make(key, text, (size_t)length);
}

static bool pack(union record *record, enum record_kind kind, unsigned rank,
                 const struct table_key *key, const void *body, size_t bytes, uint64_t now_ms)
{
    const struct record_about about = {
        .kind = kind, .stamp_ms = now_ms, .rank = rank, .strictness = 0, .ledger = true};

    if (!record_begin(record, &about, key, 0, bytes))
        return false;
    memcpy(record_tail(record), body, bytes);
    return true;
}

static bool unpack(const union record *record, enum record_kind kind, void *body, size_t bytes)
{
    if (record->head.kind != kind || record_tail_bytes(record) != bytes)
        return false;
    memcpy(body, record->bytes + record->head.key_at + record->head.key_bytes, bytes);
    return true;
}

bool account_pack(union record *record, const struct table_key *key, const struct account *account,
                  uint64_t now_ms)
{
    return pack(record, RECORD_ACCOUNT, RECORD_RANK_FLOOR, key, account, sizeof *account, now_ms);
}

bool account_pack_exception(union record *record, const struct table_key *key,
                            const struct account_exception *exception, uint64_t now_ms)
{
    return pack(record, RECORD_EXCEPTION, RECORD_RANK_FLOOR, key, exception, sizeof *exception,
                now_ms);
}

bool account_pack_profile(union record *record, const struct table_key *key,
                          const struct profile *profile, uint64_t now_ms)
{
    return pack(record, RECORD_PROFILE, RECORD_RANK_SETTINGS, key, profile, sizeof *profile,
                now_ms);
}

bool account_pack_settings(union record *record, const struct table_key *key,
                           const struct account_settings *settings, uint64_t now_ms)
{
    return pack(record, RECORD_SETTINGS, RECORD_RANK_SETTINGS, key, settings, sizeof *settings,
                now_ms);
}

bool account_unpack(const union record *record, struct account *account)
{
    return unpack(record, RECORD_ACCOUNT, account, sizeof *account) &&
           memchr(account->profile, 0, sizeof account->profile) != NULL;
}

bool account_unpack_exception(const union record *record, struct account_exception *exception)
{
    return unpack(record, RECORD_EXCEPTION, exception, sizeof *exception);
}

bool account_unpack_profile(const union record *record, struct profile *profile)
{
    return unpack(record, RECORD_PROFILE, profile, sizeof *profile) &&
           memchr(profile->name, 0, sizeof profile->name) != NULL &&
           profile->minimum <= LEVEL_AUTHENTICATED && profile->unmet <= UNMET_STOP;
}

bool account_unpack_settings(const union record *record, struct account_settings *settings)
{
    return unpack(record, RECORD_SETTINGS, settings, sizeof *settings) &&
           memchr(settings->delimiter, 0, sizeof settings->delimiter) != NULL &&
           memchr(settings->standard, 0, sizeof settings->standard) != NULL &&
           memchr(settings->alias_profile, 0, sizeof settings->alias_profile) != NULL;
}
