/*
 * phrase.c - see phrase.h.
 */
#include "shm/phrase.h"

#include "shm/must.h"

#include <stdio.h>

size_t phrase_fill(char *text, size_t size, const struct phrase *phrase, const char *a,
                   const char *b)
{
    int length =
        snprintf(text, size, "%s%s%s%s%s", phrase->before, a, phrase->between, b, phrase->after);

    MUST(length >= 0 && size > 0);
    return (size_t)length < size ? (size_t)length : size - 1;
}
