/*
 * host_facts.c - the life of the facts of a host.
 *
 * Made by probe/host (calloc, one reference), given back by the last host_facts_drop, on whatever
 * thread that is, together with the references they hold: the TLSA answer and the evidence of each
 * endpoint. Nothing here can fail.
 */
#include "engine/facts/host_facts.h"

#include "engine/base/check.h"

#include <stdlib.h>

const struct host_facts *host_facts_hold(const struct host_facts *facts)
{
    /* Relaxed: see evidence_hold. */
    unsigned before = atomic_fetch_add_explicit(
        &((struct host_facts *)(uintptr_t)facts)->references, 1, memory_order_relaxed);

    CHECK(before > 0);
    return facts;
}

void host_facts_drop(const struct host_facts *facts)
{
    struct host_facts *mine = (struct host_facts *)(uintptr_t)facts;
    unsigned before;

    if (mine == NULL)
        return;
    /* Acquire-release: every holder's reads happen before the free; the partner of each drop is
     * the last one. */
    before = atomic_fetch_sub_explicit(&mine->references, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    CHECK(mine->endpoint_count <= LIMIT_ADDRESSES);
    for (unsigned i = 0; i < mine->endpoint_count; i++)
        evidence_drop(mine->endpoints[i].evidence);
    dns_answer_drop(mine->tlsa);
    free(mine);
}
