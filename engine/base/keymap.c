/*
 * keymap.c - see keymap.h.
 */
#include "engine/base/keymap.h"

#include "engine/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

int keymap_create(struct keymap *map, uint32_t expected)
{
    unsigned bits = 4;

    while (bits < 31 && (1u << bits) < expected)
        bits++;
    *map = (struct keymap){.shift = 64 - bits};
    if (getrandom(&map->secret, sizeof map->secret, 0) != (ssize_t)sizeof map->secret)
        return -EIO;
    map->secret |= 1;
    map->buckets = calloc((size_t)1 << bits, sizeof(struct keymap_link *));
    return map->buckets == NULL ? -ENOMEM : 0;
}

void keymap_destroy(struct keymap *map)
{
    free(map->buckets);
    *map = (struct keymap){0};
}

static struct keymap_link **keymap_bucket(const struct keymap *map, uint64_t hash)
{
    return &map->buckets[(hash * map->secret) >> map->shift];
}

void keymap_add(struct keymap *map, struct keymap_link *link, uint64_t hash)
{
    struct keymap_link **bucket = keymap_bucket(map, hash);

    link->hash = hash;
    link->next = *bucket;
    *bucket = link;
    map->count++;
}

void keymap_remove(struct keymap *map, struct keymap_link *link)
{
    struct keymap_link **at = keymap_bucket(map, link->hash);

    while (*at != link) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = link->next;
    link->next = NULL;
    map->count--;
}

static struct keymap_link *keymap_same(struct keymap_link *link, uint64_t hash)
{
    while (link != NULL && link->hash != hash)
        link = link->next;
    return link;
}

struct keymap_link *keymap_first(const struct keymap *map, uint64_t hash)
{
    return keymap_same(*keymap_bucket(map, hash), hash);
}

struct keymap_link *keymap_next(const struct keymap_link *link)
{
    return keymap_same(link->next, link->hash);
}
