/*
 * store_key.c - see store_key.h.
 */
#include "engine/memory/store_key.h"

#include "engine/names/name.h"
#include "shm/account.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <endian.h>
#include <string.h>

#define HASH_BYTES sizeof(XXH128_canonical_t)

_Static_assert(STORE_KEY_MAX >= ACCOUNT_NAME_MAX + NAME_BYTES_MAX, "an exception's key fits");
_Static_assert(STORE_KEY_SHORT - HASH_BYTES >= ACCOUNT_NAME_MAX,
               "only the domain of an exception is hashed: those of an account stay one range");

int store_bytes_compare(struct store_bytes a, struct store_bytes b)
{
    const size_t common = a.length < b.length ? a.length : b.length;
    const int order = common > 0 ? memcmp(a.bytes, b.bytes, common) : 0;

    if (order != 0)
        return order;
    return a.length == b.length ? 0 : a.length < b.length ? -1 : 1;
}

bool store_bytes_equal(struct store_bytes a, struct store_bytes b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

bool store_bytes_begin(struct store_bytes bytes, struct store_bytes beginning)
{
    return bytes.length >= beginning.length &&
           (beginning.length == 0 || memcmp(bytes.bytes, beginning.bytes, beginning.length) == 0);
}

/* Labels from the last to the first, a dot after each. Of "mx.example.com": "com.example.mx.". */
bool store_key_name(struct store_key *key, const char *name)
{
    size_t end = strnlen(name, NAME_BYTES_MAX + 1);
    size_t used = 0;

    if (end == 0 || end > NAME_BYTES_MAX)
        return false;
    for (;;) {
        const char *const dot = memrchr(name, '.', end);
        const size_t begin = dot != NULL ? (size_t)(dot - name) + 1 : 0;
        memcpy(key->bytes + used, name + begin, end - begin);
        used += end - begin;
        key->bytes[used++] = '.';
        if (dot == NULL)
            break;
        end = begin - 1;
    }
    key->length = used;
    return true;
}

bool store_key_to_name(struct store_bytes key, char *name)
{
    size_t end = key.length;
    size_t used = 0;

    if (end < 2 || end > NAME_BYTES_MAX + 1 || key.bytes[end - 1] != '.' ||
        memchr(key.bytes, '\0', end) != NULL)
        return false;
    while (end > 0) {
        const uint8_t *const dot = memrchr(key.bytes, '.', end - 1);
        const size_t begin = dot != NULL ? (size_t)(dot - key.bytes) + 1 : 0;
        if (used > 0)
            name[used++] = '.';
        memcpy(name + used, key.bytes + begin, end - 1 - begin);
        used += end - 1 - begin;
        end = begin;
    }
    name[used] = '\0';
    return true;
}

bool store_key_account(struct store_key *key, const char *account)
{
    key->length = strnlen(account, ACCOUNT_NAME_MAX);
    if (key->length == 0 || key->length >= ACCOUNT_NAME_MAX)
        return false;
    memcpy(key->bytes, account, key->length);
    return true;
}

bool store_key_to_account(struct store_bytes key, char *account)
{
    if (key.length == 0 || key.length >= ACCOUNT_NAME_MAX ||
        memchr(key.bytes, '\0', key.length) != NULL)
        return false;
    memcpy(account, key.bytes, key.length);
    account[key.length] = '\0';
    return true;
}

bool store_key_exceptions(struct store_key *key, const char *account)
{
    if (!store_key_account(key, account))
        return false;
    key->bytes[key->length++] = '\0';
    return true;
}

bool store_key_exception(struct store_key *key, const char *account, const char *domain)
{
    const size_t length = strnlen(domain, NAME_BYTES_MAX + 1);

    if (length == 0 || length > NAME_BYTES_MAX || !store_key_exceptions(key, account))
        return false;
    memcpy(key->bytes + key->length, domain, length);
    key->length += length;
    return true;
}

bool store_key_to_exception(struct store_bytes key, char *account, char *domain)
{
    const uint8_t *const end = key.length > 0 ? memchr(key.bytes, '\0', key.length) : NULL;

    if (end == NULL)
        return false;
    const size_t first = (size_t)(end - key.bytes);
    const size_t second = key.length - first - 1;
    if (!store_key_to_account((struct store_bytes){key.bytes, first}, account) || second == 0 ||
        second > NAME_BYTES_MAX || memchr(end + 1, '\0', second) != NULL)
        return false;
    memcpy(domain, end + 1, second);
    domain[second] = '\0';
    return true;
}

void store_key_number(struct store_key *key, uint64_t number)
{
    const uint64_t big = htobe64(number);

    memcpy(key->bytes, &big, sizeof big);
    key->length = sizeof big;
}

bool store_key_to_number(struct store_bytes key, uint64_t *number)
{
    uint64_t big;

    if (key.length != sizeof big)
        return false;
    memcpy(&big, key.bytes, sizeof big);
    *number = be64toh(big);
    return true;
}

struct store_bytes store_key_short(struct store_bytes whole, uint8_t room[STORE_KEY_SHORT])
{
    XXH128_canonical_t hash;

    if (whole.length <= STORE_KEY_SHORT)
        return whole;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(whole.bytes, whole.length));
    memcpy(room, whole.bytes, STORE_KEY_SHORT - HASH_BYTES);
    memcpy(room + STORE_KEY_SHORT - HASH_BYTES, hash.digest, HASH_BYTES);
    return (struct store_bytes){room, STORE_KEY_SHORT};
}
