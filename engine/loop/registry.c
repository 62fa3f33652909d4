/*
 * registry.c - see registry.h.
 */
#include "engine/loop/registry.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/loop/pool.h"

#include <errno.h>
#include <stdlib.h>

TAILQ_HEAD(registry_entries, registry_entry);

struct registry {
    const struct registry_kind *kind;
    struct keymap map;
    struct registry_entries used; /* least recently used first */
    struct pool *pool;
};

int registry_create(struct registry **out, const struct registry_kind *kind, uint32_t objects)
{
    struct registry *registry = calloc(1, sizeof *registry);
    int error;

    if (registry == NULL)
        return -ENOMEM;
    registry->kind = kind;
    TAILQ_INIT(&registry->used);
    error = keymap_create(&registry->map, objects);
    if (error == 0)
        error = pool_create(&registry->pool, kind->name, kind->bytes, objects);
    if (error != 0) {
        registry_destroy(registry);
        return error;
    }
    *out = registry;
    return 0;
}

static void registry_forget(struct registry *registry, struct registry_entry *entry)
{
    registry->kind->forget(entry);
    keymap_remove(&registry->map, &entry->link);
    TAILQ_REMOVE(&registry->used, entry, used);
    pool_give(registry->pool, entry);
}

void registry_destroy(struct registry *registry)
{
    struct registry_entry *entry;

    if (registry == NULL)
        return;
    while ((entry = TAILQ_FIRST(&registry->used)) != NULL) {
        CHECK(registry->kind->idle(entry));
        registry_forget(registry, entry);
    }
    if (registry->pool != NULL)
        pool_destroy(registry->pool);
    keymap_destroy(&registry->map);
    free(registry);
}

/* Forgets the least recently used one if it is idle. A busy one goes to the end of the order, so
 * that some slow jobs cannot stand at its head and shut the door for all others. */
static bool registry_forget_first(struct registry *registry)
{
    struct registry_entry *entry = TAILQ_FIRST(&registry->used);

    if (registry->kind->idle(entry)) {
        registry_forget(registry, entry);
        return true;
    }
    TAILQ_REMOVE(&registry->used, entry, used);
    TAILQ_INSERT_TAIL(&registry->used, entry, used);
    return false;
}

static void *registry_take(struct registry *registry)
{
    void *object = pool_take(registry->pool);

    for (unsigned looked = 0; object == NULL && looked < LIMIT_EVICTION_LOOKS; looked++)
        if (registry_forget_first(registry))
            return pool_take(registry->pool);
    return object;
}

uint32_t registry_forget_idle(struct registry *registry, uint32_t most)
{
    uint32_t forgotten = 0;

    for (uint32_t looked = 0; looked < most && !TAILQ_EMPTY(&registry->used); looked++)
        forgotten += registry_forget_first(registry);
    return forgotten;
}

void *registry_find(struct registry *registry, const void *key, uint64_t hash)
{
    struct registry_entry *entry;

    for (struct keymap_link *l = keymap_first(&registry->map, hash); l != NULL;
         l = keymap_next(l)) {
        entry = container_of(l, struct registry_entry, link);
        if (registry->kind->is(entry, key)) {
            TAILQ_REMOVE(&registry->used, entry, used);
            TAILQ_INSERT_TAIL(&registry->used, entry, used);
            return entry;
        }
    }
    entry = registry_take(registry);
    if (entry == NULL)
        return NULL;
    registry->kind->begin(entry, key);
    keymap_add(&registry->map, &entry->link, hash);
    TAILQ_INSERT_TAIL(&registry->used, entry, used);
    return entry;
}

void *registry_look(const struct registry *registry, const void *key, uint64_t hash)
{
    for (struct keymap_link *l = keymap_first(&registry->map, hash); l != NULL;
         l = keymap_next(l)) {
        struct registry_entry *entry = container_of(l, struct registry_entry, link);

        if (registry->kind->is(entry, key))
            return entry;
    }
    return NULL;
}

uint32_t registry_slot(const struct registry *registry, const void *object)
{
    return pool_slot(registry->pool, object);
}

uint32_t registry_generation(const struct registry *registry, const void *object)
{
    return pool_generation(registry->pool, object);
}

void *registry_at(const struct registry *registry, uint32_t slot)
{
    return pool_at(registry->pool, slot);
}

uint32_t registry_count(const struct registry *registry)
{
    return pool_used(registry->pool);
}

void registry_each(struct registry *registry, void (*each)(void *object, void *context),
                   void *context)
{
    struct registry_entry *entry;

    TAILQ_FOREACH(entry, &registry->used, used)
    each(entry, context);
}
