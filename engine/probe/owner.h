/*
 * owner.h - which thread owns what. Pure arithmetic over the numbers fixed at start.
 *
 * Threads of the exchange are numbered: shards first, then resolvers, then the front. Domains and
 * hosts hash by name, endpoints by prefix, so that the connections, rate and back-off of an address
 * and of its /24 or /48 are local to one shard. A domain's shard is also the writer of its
 * partition of the table.
 */
#ifndef MXWARD_PROBE_OWNER_H
#define MXWARD_PROBE_OWNER_H

#include "engine/names/address.h"
#include "engine/names/name.h"

struct owners {
    uint16_t shards, resolvers;
};

#define OWNER_PARTITIONS 256 /* of the table; fixed, so the number of shards may change */

static inline uint16_t owner_partition(const struct name *domain)
{
    return (uint16_t)(name_hash(domain) >> 56);
}
static inline uint16_t owner_of_domain(const struct owners *o, const struct name *domain)
{
    return (uint16_t)(owner_partition(domain) % o->shards);
}
static inline uint16_t owner_of_host(const struct owners *o, const struct name *host)
{
    return (uint16_t)((name_hash(host) >> 32) % o->shards);
}
static inline uint16_t owner_of_endpoint(const struct owners *o, const struct address *address)
{
    struct address prefix = address_prefix(address);
    return (uint16_t)((address_hash(&prefix) >> 32) % o->shards);
}
static inline uint16_t owner_resolver(const struct owners *o, const struct name *name)
{
    struct name registrable = name_registrable(name);
    return (uint16_t)(o->shards + (name_hash(&registrable) >> 32) % o->resolvers);
}
static inline uint16_t owner_front(const struct owners *o)
{
    return (uint16_t)(o->shards + o->resolvers);
}
static inline uint16_t owner_threads(const struct owners *o)
{
    return (uint16_t)(o->shards + o->resolvers + 1);
}

#endif
