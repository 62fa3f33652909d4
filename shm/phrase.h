/*
 * phrase.h - sentences from tables. Pure; any thread.
 *
 * A phrase has room for two texts of ours: names in canonical form, addresses, OpenSSL's words,
 * outcomes. Nothing that a peer said goes through here (CODE-12).
 */
#ifndef MXWARD_SHM_PHRASE_H
#define MXWARD_SHM_PHRASE_H

#include <stddef.h>

/* `more` after the first `used` bytes of `text`, cut to `size`, terminated; returns the new length.
 * What snprintf("%s") does, in a tenth of the time: for texts that are made for every message. */
size_t text_add(char *text, size_t size, size_t used, const char *more, size_t length);

struct phrase {
    const char *before, *between, *after;
};

/* before, a, between, b, after; an empty text stands for itself. Cut to `size`, terminated;
 * returns the length. */
size_t phrase_fill(char *text, size_t size, const struct phrase *phrase, const char *a,
                   const char *b);

#endif
