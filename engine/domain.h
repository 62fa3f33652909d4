/*
 * domain.h - the domain job: MX, fan out to hosts, verdict, publish, answer whoever waits.
 *
 * Domain jobs belong to the shard that writes the domain's partition of the table. Like hosts, a
 * job joins requests by not_before, and at most two rounds overlap. Waiters are the requests
 * themselves, which always travel home; a client that left is found out there, by generation.
 */
#ifndef MXWARD_DOMAIN_H
#define MXWARD_DOMAIN_H

#include "engine/policy/verdict.h"
#include "engine/probe/host.h"

/* Everything that led to a verdict, for `explain`. Immutable, counted, any thread. */
struct domain_facts {
    atomic_uint references;
    struct next_hop next_hop;
    struct route route;
    struct verdict verdict;
    const struct host_facts *hosts[LIMIT_MX_HOSTS]; /* NULL: not evaluated */
    struct finding findings[LIMIT_MX_HOSTS];
    uint64_t ended_ms;
    int64_t ended_wall_s;
    bool limited; /* not as fresh as asked: the politeness budget is spent */
};
const struct domain_facts *domain_facts_hold(const struct domain_facts *facts);
void domain_facts_drop(const struct domain_facts *facts);

struct domain_request {
    struct message message;
    struct ring_token token; /* the front's: connection slot, generation */
    uint64_t client_id;      /* the client's number for this question */
    struct next_hop next_hop;
    uint64_t not_before_ms;
    uint64_t deadline_ms;
    enum priority priority;
    const struct domain_facts *facts; /* on the way back: never NULL, one reference */
    struct waiter waiter;             /* the domain job's, while it waits there */
    struct domain_request *next;      /* the front's */
};

#endif
