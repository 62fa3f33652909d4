/*
 * seen.c - open addressing over offsets into one arena of texts. Used by scan.c.
 *
 * Names are compared whole; the hash only says where to look; it is keyed, because a list of
 * domains may be made by somebody who wants the scan slow. At most three quarters of the places are
 * taken, so every search ends.
 */
#include "tools/mxwardctl/seen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xxhash.h>

#define PLACES_FIRST 4096 /* a power of two */

struct seen {
    uint64_t *places; /* offset + 1 into the arena; 0: free */
    size_t place_count, count;
    char *arena;
    size_t used, size;
    uint64_t secret; /* of the hash */
};

struct seen *seen_create(void)
{
    struct seen *seen = calloc(1, sizeof *seen);

    if (!seen)
        return NULL;
    seen->place_count = PLACES_FIRST;
    seen->places = calloc(PLACES_FIRST, sizeof *seen->places);
    if (!seen->places ||
        getrandom(&seen->secret, sizeof seen->secret, 0) != (ssize_t)sizeof seen->secret) {
        free(seen->places);
        free(seen);
        return NULL;
    }
    return seen;
}

void seen_free(struct seen *seen)
{
    if (!seen)
        return;
    free(seen->places);
    free(seen->arena);
    free(seen);
}

/* The place of `name`, or the free one where it belongs. */
static size_t place_of(const struct seen *seen, const char *name)
{
    uint64_t hash = XXH3_64bits_withSeed(name, strlen(name), seen->secret);
    size_t place = hash & (seen->place_count - 1);

    while (seen->places[place] && strcmp(seen->arena + seen->places[place] - 1, name) != 0)
        place = (place + 1) & (seen->place_count - 1);
    return place;
}

static bool grow_places(struct seen *seen)
{
    uint64_t *old = seen->places;
    size_t old_count = seen->place_count;

    seen->places = calloc(old_count * 2, sizeof *seen->places);
    if (!seen->places) {
        seen->places = old;
        return false;
    }
    seen->place_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            seen->places[place_of(seen, seen->arena + old[i] - 1)] = old[i];
    free(old);
    return true;
}

static bool grow_arena(struct seen *seen, size_t more)
{
    size_t size = seen->size ? seen->size : 65536;
    char *arena;

    while (size - seen->used < more)
        size *= 2;
    if (size == seen->size)
        return true;
    if (size > SEEN_BYTES_MAX)
        return false;
    arena = realloc(seen->arena, size);
    if (!arena)
        return false;
    seen->arena = arena;
    seen->size = size;
    return true;
}

int seen_add(struct seen *seen, const char *name)
{
    size_t length = strlen(name) + 1, place;

    if (seen_has(seen, name))
        return 0;
    if (!grow_arena(seen, length) ||
        ((seen->count + 1) * 4 > seen->place_count * 3 && !grow_places(seen)))
        return -1;
    place = place_of(seen, name);
    memcpy(seen->arena + seen->used, name, length);
    seen->places[place] = seen->used + 1;
    seen->used += length;
    seen->count++;
    return 1;
}

bool seen_has(const struct seen *seen, const char *name)
{
    return seen->places[place_of(seen, name)] != 0;
}

size_t seen_count(const struct seen *seen)
{
    return seen->count;
}
