/*
 * key.c - hashing of keys. See key.h.
 */
#include "shm/key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

/* Nothing but a name, by its ends: nearly every key. */
static bool is_name(const char *text, size_t length)
{
    return text[0] != '[' && (text[length - 1] < '0' || text[length - 1] > '9');
}

/* `[name]`, `[name]:port`, `name:port` or `name`. */
static size_t name_part(const char **name, const char *text, size_t length)
{
    size_t digits = 0;

    *name = text;
    if (length > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', length);
        *name = text + 1;
        return end != NULL ? (size_t)(end - *name) : length - 1;
    }
    while (digits < length && text[length - digits - 1] >= '0' && text[length - digits - 1] <= '9')
        digits++;
    if (digits > 0 && digits < length && text[length - digits - 1] == ':')
        return length - digits - 1;
    return length;
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
    key->partition =
        is_name(text, length) ? (uint16_t)(key->hash >> 56) : table_key_partition(text, length);
    return true;
}
