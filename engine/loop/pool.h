/*
 * pool.h - a fixed number of equal slots with generations; one thread.
 *
 * The memory is one mapping reserved at start (untouched slots cost nothing). A slot's generation
 * grows whenever it is given back, so (slot, generation) names one life of it; it is never 0.
 * pool_take returns zeroed memory, or NULL when all are out: a temporary verdict for the caller.
 */
#ifndef MXWARD_LOOP_POOL_H
#define MXWARD_LOOP_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool;

int pool_create(struct pool **pool, const char *name, size_t slot_bytes, uint32_t slots);
void pool_destroy(struct pool *pool);
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *object);
uint32_t pool_slot(const struct pool *pool, const void *object);
uint32_t pool_generation(const struct pool *pool, const void *object);
void *pool_find(struct pool *pool, uint32_t slot, uint32_t generation); /* NULL: another life */
void *pool_at(struct pool *pool, uint32_t slot);                        /* NULL: not taken */
uint32_t pool_used(const struct pool *pool);
uint32_t pool_slots(const struct pool *pool);

#endif
