/*
 * phrase.h - sentences from tables. Pure; any thread.
 *
 * A phrase has room for two texts of ours: names in canonical form, addresses, OpenSSL's words,
 * outcomes. Nothing that a peer said goes through here (CODE-12).
 */
#ifndef MXWARD_SHM_PHRASE_H
#define MXWARD_SHM_PHRASE_H

#include <stddef.h>

struct phrase {
    const char *before, *between, *after;
};

/* before, a, between, b, after; an empty text stands for itself. Cut to `size`, terminated;
 * returns the length. */
size_t phrase_fill(char *text, size_t size, const struct phrase *phrase, const char *a,
                   const char *b);

#endif
