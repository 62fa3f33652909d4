/*
 * keymap.h - found-or-created by key: an intrusive hash index of one thread.
 *
 * Holds links embedded in the objects; the caller compares whole keys (a 64-bit hash never
 * decides). The bucket is chosen by the hash times a secret odd number of the process, so a peer
 * who knows the hash function cannot aim at one bucket. Fixed number of buckets, taken at start.
 */
#ifndef MXWARD_BASE_KEYMAP_H
#define MXWARD_BASE_KEYMAP_H

#include "engine/base/container.h"

#include <stddef.h>
#include <stdint.h>

struct keymap_link {
    struct keymap_link *next;
    uint64_t hash;
};

struct keymap {
    struct keymap_link **buckets;
    uint64_t secret;
    unsigned shift; /* 64 - log2(buckets) */
    uint32_t count;
};

int keymap_create(struct keymap *map, uint32_t expected);
void keymap_destroy(struct keymap *map);
void keymap_add(struct keymap *map, struct keymap_link *link, uint64_t hash);
void keymap_remove(struct keymap *map, struct keymap_link *link); /* must be in it */
/* The first link with this hash, and the next one after `link`; NULL: no more. */
struct keymap_link *keymap_first(const struct keymap *map, uint64_t hash);
struct keymap_link *keymap_next(const struct keymap_link *link);

#endif
