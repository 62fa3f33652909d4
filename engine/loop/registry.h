/*
 * registry.h - jobs of one thread, found or created by key.
 *
 * A fixed number of equal objects (a pool) with a hash index and an order of use: when all are
 * taken, the least recently used one that does nothing now is forgotten to make room. The object's
 * first member is a struct registry_entry; its kind tells how to compare keys, whether it is idle,
 * and what it holds.
 */
#ifndef MXWARD_LOOP_REGISTRY_H
#define MXWARD_LOOP_REGISTRY_H

#include "engine/base/keymap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct registry_entry {
    struct keymap_link link;
    TAILQ_ENTRY(registry_entry) used;
};

struct registry_kind {
    const char *name;
    size_t bytes;
    bool (*is)(const void *object, const void *key);
    void (*begin)(void *object, const void *key); /* a zeroed object becomes the one of this key */
    bool (*idle)(const void *object);             /* may be forgotten now */
    void (*forget)(void *object);                 /* drops what it holds */
};

struct registry;

int registry_create(struct registry **registry, const struct registry_kind *kind, uint32_t objects);
void registry_destroy(struct registry *registry); /* forgets all; every one must be idle */
/* The object of this key, made if need be; NULL: no room, and none idle among those looked at. */
void *registry_find(struct registry *registry, const void *key, uint64_t hash);
/* Forgets the idle ones among the `most` least recently used; returns how many. */
uint32_t registry_forget_idle(struct registry *registry, uint32_t most);
/* The same if it is there, else NULL: makes nothing, and is no use of it. */
void *registry_look(const struct registry *registry, const void *key, uint64_t hash);
uint32_t registry_slot(const struct registry *registry, const void *object);
uint32_t registry_generation(const struct registry *registry, const void *object);
void *registry_at(const struct registry *registry, uint32_t slot); /* NULL: not taken */
uint32_t registry_count(const struct registry *registry);
/* Calls for every object, least recently used first; `each` must not find or forget. */
void registry_each(struct registry *registry, void (*each)(void *object, void *context),
                   void *context);

#endif
