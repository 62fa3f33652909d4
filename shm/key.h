/*
 * key.h - the key of a record, whole: of a verdict the canonical next hop.
 *
 * That text is what engine/names/nexthop writes (lower case, A-labels, port only if not 25), those
 * of the users' table are in account.h; here it is bytes. The partition comes from the name part of
 * a next hop alone, so that `example.org`, `example.org:587` and `[example.org]:587` have one
 * writer: whoever owns the domain. Pure, any thread.
 */
#ifndef MXWARD_SHM_KEY_H
#define MXWARD_SHM_KEY_H

#include "shm/layout.h"

struct table_key {
    const char *text; /* the caller's, not terminated; lives as long as the key is used */
    size_t length;
    uint64_t hash; /* XXH3-64 of the text */
    uint16_t partition;
};

/* False if there is no text or it is longer than TABLE_KEY_MAX. */
bool table_key_make(struct table_key *key, const char *text, size_t length);

/* The partition of a canonical next hop: the top 8 bits of the XXH3-64 of its name part. For a
 * plain domain that is the hash that names have everywhere (engine/names/name.h). */
uint16_t table_key_partition(const char *text, size_t length);

#endif
