/*
 * key.c - hashing of keys. See key.h.
 */
#include "shm/key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

/* `[name]:port`, `name:port` or `name`: only a bracketed literal has more than one colon. */
static size_t name_part(const char **name, const char *text, size_t length)
{
    const bool bracketed = length > 0 && text[0] == '[';
    const char *from = bracketed ? text + 1 : text;
    const size_t rest = length - (size_t)(from - text);
    const char *end = memchr(from, bracketed ? ']' : ':', rest);

    *name = from;
    return end != NULL ? (size_t)(end - from) : rest;
}

uint16_t table_key_partition(const char *text, size_t length)
{
    const char *name;
    const size_t name_bytes = name_part(&name, text, length);

    return (uint16_t)(XXH3_64bits(name, name_bytes) >> 56);
}

bool table_key_make(struct table_key *key, const char *text, size_t length)
{
    if (length == 0 || length > TABLE_KEY_MAX)
        return false;
    key->text = text;
    key->length = length;
    key->hash = XXH3_64bits(text, length);

    const char *name;
    const size_t name_bytes = name_part(&name, text, length);
    key->partition =
        name_bytes == length ? (uint16_t)(key->hash >> 56) : table_key_partition(text, length);
    return true;
}
