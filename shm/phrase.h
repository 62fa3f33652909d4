/*
 * phrase.h - sentences from tables. Pure; any thread.
 *
 * A phrase has room for two texts of ours: names in canonical form, addresses, OpenSSL's words,
 * outcomes. Nothing that a peer said goes through here (CODE-12).
 */
#ifndef MXWARD_SHM_PHRASE_H
#define MXWARD_SHM_PHRASE_H

#include "shm/must.h"

#include <stddef.h>
#include <string.h>

/* `more` after the first `used` bytes of `text`, cut to `size`, terminated; returns the new length.
 * What snprintf("%s") does, in a tenth of the time: for texts that are made for every message. */
static inline size_t text_add(char *text, size_t size, size_t used, const char *more, size_t length)
{
    MUST(used < size);
    if (length > size - 1 - used)
        length = size - 1 - used;
    memcpy(text + used, more, length);
    text[used + length] = '\0';
    return used + length;
}

/* All of `text`, cut to `size`; returns the length. */
static inline size_t text_copy(char *to, size_t size, const char *text)
{
    return text_add(to, size, 0, text, strlen(text));
}

struct phrase {
    const char *before, *between, *after;
};

/* before, a, between, b, after; an empty text stands for itself. Cut to `size`, terminated;
 * returns the length. */
size_t phrase_fill(char *text, size_t size, const struct phrase *phrase, const char *a,
                   const char *b);

#endif
