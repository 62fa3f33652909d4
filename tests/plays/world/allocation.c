/*
 * allocation.c - the n-th allocation of the code under test fails, and pools are as small as a play
 * wants them.
 *
 * Plays are linked with --wrap for the functions below; OpenSSL, which is a library of its own, is
 * told by certificate/openssl_memory.c to use the same ones. Outside of world_allocations_begin …
 * _end, and while paused, nothing is counted and nothing fails.
 */
#include "tests/plays/world/world.h"

#include "engine/loop/pool.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__real_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
FILE *__real_open_memstream(char **text, size_t *size);
int __real_CRYPTO_set_mem_functions(CRYPTO_malloc_fn allocate, CRYPTO_realloc_fn again,
                                    CRYPTO_free_fn give_back);
int __real_pool_create(struct pool **pool, const char *name, size_t slot_bytes, uint32_t slots);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
FILE *__wrap_open_memstream(char **text, size_t *size);
int __wrap_CRYPTO_set_mem_functions(CRYPTO_malloc_fn allocate, CRYPTO_realloc_fn again,
                                    CRYPTO_free_fn give_back);
int __wrap_pool_create(struct pool **pool, const char *name, size_t slot_bytes, uint32_t slots);

static bool counting, failed, lasting, next_fails;
static _Thread_local bool in_openssl;
static unsigned paused;
static enum world_memory whose;
static uint64_t counts[WORLD_MEMORY_COUNT], fail_at;

static bool fails(void)
{
    enum world_memory of = in_openssl ? WORLD_MEMORY_OPENSSL : WORLD_MEMORY_OWN;

    if (next_fails) {
        next_fails = false;
        return true;
    }
    if (!counting || paused > 0)
        return false;
    counts[of]++;
    counts[WORLD_MEMORY_ALL]++;
    if ((whose != WORLD_MEMORY_ALL && whose != of) ||
        !(counts[whose] == fail_at || (lasting && fail_at > 0 && counts[whose] > fail_at)))
        return false;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t number, size_t size)
{
    return fails() ? NULL : __real_calloc(number, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    if (!fails())
        return __real_mmap(at, size, protection, flags, file, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

FILE *__wrap_open_memstream(char **text, size_t *size)
{
    return fails() ? NULL : __real_open_memstream(text, size);
}

/* --- OpenSSL: what certificate/openssl_memory.c gives it, and that it is OpenSSL who asks --- */

static CRYPTO_malloc_fn library_malloc;
static CRYPTO_realloc_fn library_realloc;

static void *openssl_malloc(size_t size, const char *file, int line)
{
    in_openssl = true;
    void *memory = library_malloc(size, file, line);
    in_openssl = false;
    return memory;
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
    in_openssl = true;
    void *memory = library_realloc(old, size, file, line);
    in_openssl = false;
    return memory;
}

int __wrap_CRYPTO_set_mem_functions(CRYPTO_malloc_fn allocate, CRYPTO_realloc_fn again,
                                    CRYPTO_free_fn give_back)
{
    library_malloc = allocate;
    library_realloc = again;
    return __real_CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, give_back);
}

void world_allocations_begin(uint64_t n)
{
    world_allocations_begin_of(WORLD_MEMORY_ALL, n);
}

void world_allocations_begin_of(enum world_memory of, uint64_t n)
{
    counting = true;
    failed = lasting = false;
    whose = of;
    memset(counts, 0, sizeof counts);
    fail_at = n;
}

void world_allocations_last(void)
{
    lasting = true;
}

uint64_t world_allocations_end(void)
{
    counting = false;
    return counts[whose];
}

bool world_allocation_failed(void)
{
    return failed;
}

void world_allocation_fails_next(void)
{
    next_fails = true;
}

void world_allocations_pause(void)
{
    paused++;
}

void world_allocations_resume(void)
{
    if (paused > 0)
        paused--;
}

bool world_plays_whole(void)
{
    const char *how = getenv("MXWARD_PLAYS");

    return how != NULL && strcmp(how, "whole") == 0;
}

/* --- pools --- */

static const char *small_pool; /* NULL: each is as its owner wants it; "": all are small */

void world_pool_of_one(const char *name)
{
    small_pool = name;
}

int __wrap_pool_create(struct pool **pool, const char *name, size_t slot_bytes, uint32_t slots)
{
    bool small = small_pool != NULL && (small_pool[0] == '\0' || strcmp(small_pool, name) == 0);

    return __real_pool_create(pool, name, slot_bytes, small ? 1 : slots);
}
