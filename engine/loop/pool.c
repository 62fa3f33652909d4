/*
 * pool.c - a fixed number of equal slots with generations.
 *
 * Called by the one thread that owns what is in the pool. One mapping holds the slots, then a small
 * record for each; neither is touched before its slot is first taken, so a large pool that is
 * hardly used costs address space only. Slots given back are taken again last in, first out, while
 * they are warm in the cache.
 *
 * Failure: pool_create returns a negative errno; pool_take returns NULL when all are out. A pointer
 * that is not of the pool, or given back twice, is our mistake (CHECK). Under AddressSanitizer a
 * slot that is not taken is poisoned.
 *
 * Weakness: memory once touched is not handed back to the kernel.
 */
#include "engine/loop/pool.h"

#include "engine/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define FORBID(address, size) ASAN_POISON_MEMORY_REGION(address, size)
#define ALLOW(address, size)  ASAN_UNPOISON_MEMORY_REGION(address, size)
#else
#define FORBID(address, size) ((void)(address), (void)(size))
#define ALLOW(address, size)  ((void)(address), (void)(size))
#endif

#define SLOT_ALIGNMENT 64u /* a cache line, in bytes */
#define NO_SLOT        UINT32_MAX
#define TAKEN          (UINT32_MAX - 1)
#define SLOTS_MAX      (UINT32_MAX - 2)

struct life {
    uint32_t given;     /* how often it was given back; the generation is one more */
    uint32_t next_free; /* TAKEN, or the next free slot, or NO_SLOT at the end of the list */
};

struct pool {
    const char *name;
    uint8_t *slots;
    struct life *lives;
    size_t slot_bytes; /* rounded up to SLOT_ALIGNMENT */
    size_t mapped_bytes;
    uint32_t count, used;
    uint32_t first_free; /* of those given back */
    uint32_t untouched;  /* slots from here on were never taken */
};

int pool_create(struct pool **out, const char *name, size_t slot_bytes, uint32_t slots)
{
    size_t rounded, total;

    CHECK(slot_bytes > 0 && slots > 0 && slots <= SLOTS_MAX);
    if (__builtin_add_overflow(slot_bytes, SLOT_ALIGNMENT - 1, &rounded))
        return -ENOMEM;
    rounded &= ~(size_t)(SLOT_ALIGNMENT - 1);
    if (__builtin_mul_overflow(rounded + sizeof(struct life), (size_t)slots, &total))
        return -ENOMEM;
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    void *memory = mmap(NULL, total, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        int error = errno;
        free(pool);
        return -error;
    }
    *pool = (struct pool){.name = name,
                          .slots = memory,
                          .lives = (void *)((uint8_t *)memory + rounded * slots),
                          .slot_bytes = rounded,
                          .mapped_bytes = total,
                          .count = slots,
                          .first_free = NO_SLOT};
    FORBID(pool->slots, rounded * slots);
    *out = pool;
    return 0;
}

void pool_destroy(struct pool *pool)
{
    if (pool == NULL)
        return;
    ALLOW(pool->slots, pool->slot_bytes * pool->count);
    munmap(pool->slots, pool->mapped_bytes);
    free(pool);
}

static void *address_of(const struct pool *pool, uint32_t slot)
{
    return pool->slots + pool->slot_bytes * slot;
}

void *pool_take(struct pool *pool)
{
    uint32_t slot = pool->first_free;
    void *object;

    if (slot != NO_SLOT) {
        pool->first_free = pool->lives[slot].next_free;
        object = address_of(pool, slot);
        ALLOW(object, pool->slot_bytes);
        memset(object, 0, pool->slot_bytes);
    } else if (pool->untouched < pool->count) {
        slot = pool->untouched++;
        object = address_of(pool, slot); /* still zero, as mapped */
        ALLOW(object, pool->slot_bytes);
    } else {
        return NULL;
    }
    pool->lives[slot].next_free = TAKEN;
    pool->used++;
    return object;
}

void pool_give(struct pool *pool, void *object)
{
    uint32_t slot = pool_slot(pool, object);
    struct life *life = &pool->lives[slot];

    CHECK(life->next_free == TAKEN);
    /* The generation is given + 1 and must never be 0: UINT32_MAX is left out. */
    life->given = life->given == UINT32_MAX - 1 ? 0 : life->given + 1;
    life->next_free = pool->first_free;
    pool->first_free = slot;
    pool->used--;
    FORBID(object, pool->slot_bytes);
}

uint32_t pool_slot(const struct pool *pool, const void *object)
{
    uintptr_t offset = (uintptr_t)object - (uintptr_t)pool->slots;

    CHECK(offset % pool->slot_bytes == 0 && offset / pool->slot_bytes < pool->untouched);
    return (uint32_t)(offset / pool->slot_bytes);
}

uint32_t pool_generation(const struct pool *pool, const void *object)
{
    return pool->lives[pool_slot(pool, object)].given + 1;
}

void *pool_find(struct pool *pool, uint32_t slot, uint32_t generation)
{
    void *object = pool_at(pool, slot);

    return object != NULL && pool->lives[slot].given + 1 == generation ? object : NULL;
}

void *pool_at(struct pool *pool, uint32_t slot)
{
    if (slot >= pool->untouched || pool->lives[slot].next_free != TAKEN)
        return NULL;
    return address_of(pool, slot);
}

uint32_t pool_used(const struct pool *pool)
{
    return pool->used;
}

uint32_t pool_slots(const struct pool *pool)
{
    return pool->count;
}
