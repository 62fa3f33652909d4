/*
 * store_key.h - the keys of the store's databases. Pure.
 *
 *   domain, host   the labels reversed, a dot after each: "com.example.mx." so that everything
 * below a domain is one range, and nothing else is in it ("com.example-x." is not) account the name
 *   exception      the account, NUL, the domain: the exceptions of an account are one range
 *   audit          the number, big-endian; quarantine likewise
 *   report         the day, big-endian; action, observed, cause, source; the domain
 *
 * LMDB takes 511 bytes. A longer key goes in under its first 495 and a hash of all of it; each
 * value holds its whole key besides, which is what is compared. Two keys are therefore never taken
 * for one, and what was damaged in LMDB's key is known from the value.
 */
#ifndef MXWARD_MEMORY_STORE_KEY_H
#define MXWARD_MEMORY_STORE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_KEY_SHORT 511 /* bytes: LMDB's limit */
#define STORE_KEY_MAX   576 /* bytes of a whole key: an account, NUL, a domain */

struct store_key {
    size_t length;
    uint8_t bytes[STORE_KEY_MAX];
};

/* Bytes somewhere else. */
struct store_bytes {
    const uint8_t *bytes; /* NULL: none, which is not the same as zero bytes */
    size_t length;
};

/* False: that is no name (empty, or too long). */
bool store_key_name(struct store_key *key, const char *name);
bool store_key_account(struct store_key *key, const char *account);
bool store_key_exception(struct store_key *key, const char *account, const char *domain);
/* What the exceptions of an account begin with. */
bool store_key_exceptions(struct store_key *key, const char *account);
void store_key_number(struct store_key *key, uint64_t number);

/* Back again; false: no such key. `name` has 254 bytes, `account` ACCOUNT_NAME_MAX. */
bool store_key_to_name(struct store_bytes key, char *name);
bool store_key_to_account(struct store_bytes key, char *account);
bool store_key_to_exception(struct store_bytes key, char *account, char *domain);
bool store_key_to_number(struct store_bytes key, uint64_t *number);

/* The key as LMDB gets it; `room` is for those that are too long for it. */
struct store_bytes store_key_short(struct store_bytes whole, uint8_t room[STORE_KEY_SHORT]);

bool store_bytes_equal(struct store_bytes a, struct store_bytes b);
bool store_bytes_begin(struct store_bytes bytes, struct store_bytes beginning);
/* LMDB's order: bytes, and of two that begin alike the shorter first. */
int store_bytes_compare(struct store_bytes a, struct store_bytes b);

static inline struct store_bytes store_key_bytes(const struct store_key *key)
{
    return (struct store_bytes){key->bytes, key->length};
}

#endif
