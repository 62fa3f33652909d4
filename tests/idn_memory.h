/*
 * idn_memory.h - libidn2 without memory when a test says so: the function is defined in the test
 * program itself, so the name grammar calls this one, and it calls the library's. Any thread.
 */
#ifndef MXWARD_TESTS_IDN_MEMORY_H
#define MXWARD_TESTS_IDN_MEMORY_H

#include <dlfcn.h>
#include <idn2.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

static atomic_int idn_calls_left = INT_MAX;

/* So many conversions go well from now on; INT_MAX: all. */
static void idn_memory(int calls)
{
    atomic_store(&idn_calls_left, calls);
}

int idn2_lookup_u8(const uint8_t *from, uint8_t **to, int flags)
{
    int (*real)(const uint8_t *, uint8_t **, int);
    const int left = atomic_load(&idn_calls_left);

    if (left == 0)
        return IDN2_MALLOC;
    if (left != INT_MAX)
        atomic_fetch_sub(&idn_calls_left, 1);
    *(void **)&real = dlsym(RTLD_NEXT, "idn2_lookup_u8");
    if (real == NULL)
        abort();
    return real(from, to, flags);
}

#endif
