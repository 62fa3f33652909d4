/*
 * host_facts.c - the life of the facts of a host.
 *
 * Made by probe/host (calloc, one reference), given back by the last host_facts_drop, on whatever
 * thread that is, together with the references they hold: the TLSA answer and the evidence of each
 * endpoint. Nothing here can fail.
 */
#include "engine/facts/host_facts.h"

#include "engine/base/check.h"
#include "engine/base/reference.h"

#include <stdlib.h>

const struct host_facts *host_facts_hold(const struct host_facts *facts)
{
    reference_hold(&facts->references);
    return facts;
}

void host_facts_drop(const struct host_facts *facts)
{
    struct host_facts *mine = (struct host_facts *)(uintptr_t)facts;

    if (mine == NULL || !reference_drop(&mine->references))
        return;
    CHECK(mine->endpoint_count <= LIMIT_ADDRESSES);
    for (unsigned i = 0; i < mine->endpoint_count; i++)
        evidence_drop(mine->endpoints[i].evidence);
    dns_answer_drop(mine->tlsa);
    free(mine);
}
