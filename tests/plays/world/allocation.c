/*
 * allocation.c - the n-th allocation of the code under test fails.
 *
 * Plays are linked with --wrap for the functions below; OpenSSL, which is a library of its own, is
 * told to use the same ones. Outside of world_allocations_begin … _end, and while paused, nothing
 * is counted and nothing fails.
 */
#include "tests/plays/world/world.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

static bool counting, failed;
static unsigned paused;
static uint64_t count, fail_at;

static bool fails(void)
{
    if (!counting || paused > 0)
        return false;
    count++;
    if (count != fail_at)
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

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : __real_realloc(memory, size);
}

static void openssl_free(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

/* Before main, because OpenSSL takes these only before its first allocation. */
__attribute__((constructor)) static void own_openssl_memory(void)
{
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
        abort();
}

void world_allocations_begin(uint64_t n)
{
    counting = true;
    failed = false;
    paused = 0;
    count = 0;
    fail_at = n;
}

uint64_t world_allocations_end(void)
{
    counting = false;
    return count;
}

bool world_allocation_failed(void)
{
    return failed;
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
