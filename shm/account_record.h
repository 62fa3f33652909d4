/*
 * account_record.h - the records of the users' table, packed. Pure; any thread.
 */
#ifndef MXWARD_SHM_ACCOUNT_RECORD_H
#define MXWARD_SHM_ACCOUNT_RECORD_H

#include "shm/account.h"
#include "shm/record.h"

#define ACCOUNT_KEY_MAX (1 + ACCOUNT_NAME_MAX + 1 + 256)

/* The key of a record: its kind ('a', 'x', 'p', 's'), the name, and of an exception the domain.
 * False: too long. `text` (ACCOUNT_KEY_MAX) must live as long as the key. */
bool account_key(struct table_key *key, char *text, char kind, const char *name,
                 const char *domain);

bool account_pack(union record *record, const struct table_key *key, const struct account *account,
                  uint64_t now_ms);
bool account_pack_exception(union record *record, const struct table_key *key,
                            const struct account_exception *exception, uint64_t now_ms);
bool account_pack_profile(union record *record, const struct table_key *key,
                          const struct profile *profile, uint64_t now_ms);
bool account_pack_settings(union record *record, const struct table_key *key,
                           const struct account_settings *settings, uint64_t now_ms);
bool account_unpack(const union record *record, struct account *account);
bool account_unpack_exception(const union record *record, struct account_exception *exception);
bool account_unpack_profile(const union record *record, struct profile *profile);
bool account_unpack_settings(const union record *record, struct account_settings *settings);

#endif
