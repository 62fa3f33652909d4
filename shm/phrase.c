/*
 * phrase.c - see phrase.h.
 */
#include "shm/phrase.h"

#include "shm/must.h"

#include <string.h>

size_t text_add(char *text, size_t size, size_t used, const char *more, size_t length)
{
    MUST(used < size);
    if (length > size - 1 - used)
        length = size - 1 - used;
    memcpy(text + used, more, length);
    text[used + length] = '\0';
    return used + length;
}

size_t phrase_fill(char *text, size_t size, const struct phrase *phrase, const char *a,
                   const char *b)
{
    const char *const parts[] = {phrase->before, a, phrase->between, b, phrase->after};
    size_t used = 0;

    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
        used = text_add(text, size, used, parts[i], strlen(parts[i]));
    return used;
}
