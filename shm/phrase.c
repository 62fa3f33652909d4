/*
 * phrase.c - see phrase.h.
 */
#include "shm/phrase.h"

size_t phrase_fill(char *text, size_t size, const struct phrase *phrase, const char *a,
                   const char *b)
{
    const char *const parts[] = {phrase->before, a, phrase->between, b, phrase->after};
    size_t used = 0;

    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
        used = text_add(text, size, used, parts[i], strlen(parts[i]));
    return used;
}
