/*
 * memory.c - see memory.h.
 */
#include "tests/shim/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAVE_OWN 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define HAVE_OWN 0
#else
#define HAVE_OWN 1
#endif
#else
#define HAVE_OWN 1
#endif

static unsigned fail_in, fail_more;
static bool fail_came;
static _Atomic unsigned counted;
static _Thread_local bool is_not_counted;

bool memory_can_fail(void)
{
    return HAVE_OWN;
}

void memory_fail(unsigned nth, unsigned more)
{
    fail_in = nth;
    fail_more = nth > 0 ? more : 0;
    fail_came = false;
}

bool memory_failed(void)
{
    return fail_came;
}

void memory_count(void)
{
    is_not_counted = true;
    atomic_store(&counted, 0);
}

unsigned memory_counted(void)
{
    return atomic_load(&counted);
}

#if HAVE_OWN
/* glibc's own, by the names that it gives them for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* Asked once by each allocation. */
static bool fails(void)
{
    if (!is_not_counted)
        atomic_fetch_add(&counted, 1);
    if (fail_in == 0)
        return false;
    if (fail_in > 1) {
        fail_in--;
        return false;
    }
    if (fail_came && fail_more-- == 0) {
        fail_in = 0;
        return false;
    }
    fail_came = true;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    if (fails())
        return ENOMEM;
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? ENOMEM : 0;
}
#endif
