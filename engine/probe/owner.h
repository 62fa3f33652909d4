/*
 * owner.h - which thread owns what. Pure arithmetic over the numbers fixed at start.
 *
 * Threads of the exchange are numbered: shards first, then resolvers, the front, the keeper.
 * Domains and hosts hash by name, endpoints by prefix, so that the connections, rate and back-off
 * of an address and of its /24 or /48 are local to one shard. A domain's shard is also the writer
 * of its partition of the table.
 */
#ifndef MXWARD_PROBE_OWNER_H
#define MXWARD_PROBE_OWNER_H

#include "engine/names/address.h"
#include "engine/names/name.h"
#include "engine/names/nexthop.h"
#include "shm/key.h"

struct owners {
    uint16_t shards, resolvers;
};

static inline uint16_t owner_of_partition(const struct owners *o, uint16_t partition)
{
    return partition % o->shards;
}
static inline uint16_t owner_of_next_hop(const struct owners *o, const struct next_hop *next_hop)
{
    char text[NEXT_HOP_TEXT_MAX];
    size_t length = next_hop_text(next_hop, text);

    return owner_of_partition(o, table_key_partition(text, length));
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
static inline uint16_t owner_keeper(const struct owners *o)
{
    return (uint16_t)(o->shards + o->resolvers + 1);
}
static inline uint16_t owner_threads(const struct owners *o)
{
    return (uint16_t)(o->shards + o->resolvers + 2);
}

#endif
