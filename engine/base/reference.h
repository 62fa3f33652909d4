/*
 * reference.h - the count of holders of an immutable object: answers, certificates, evidence,
 * facts.
 *
 * Made with one reference; any thread may hold and drop; the last to drop frees. The count is the
 * one thing in such an object that changes, hence the casts. A count that was zero already is a
 * mistake of ours and is caught.
 */
#ifndef MXWARD_BASE_REFERENCE_H
#define MXWARD_BASE_REFERENCE_H

#include "engine/base/check.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Returns how many there were before. */
static inline unsigned reference_hold(const atomic_uint *references)
{
    /* Relaxed: who holds has a reference already, so nothing is published by this one. */
    unsigned before =
        atomic_fetch_add_explicit((atomic_uint *)(uintptr_t)references, 1, memory_order_relaxed);

    CHECK(before > 0);
    return before;
}

/* Returns how many are left. */
static inline unsigned reference_give(const atomic_uint *references)
{
    /* Acquire-release: every holder's reads happen before the free; the partner of each drop is the
     * last one. */
    unsigned before =
        atomic_fetch_sub_explicit((atomic_uint *)(uintptr_t)references, 1, memory_order_acq_rel);

    CHECK(before > 0);
    return before - 1;
}

/* True: it was the last, the caller frees. */
static inline bool reference_drop(const atomic_uint *references)
{
    return reference_give(references) == 0;
}

#endif
