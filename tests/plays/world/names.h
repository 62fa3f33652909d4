/*
 * names.h - the resolver and the table of plays: what is at the far ends of a shard's mailbox and
 * of its publisher.
 *
 * The resolver answers from a zone, a text of one RRset a line. Aliases are as the real resolver
 * has them: followed already. A question that the zone does not know fails the play.
 *
 *     mx.example  A     secure 192.0.2.1 192.0.2.2
 *     mx.example  AAAA  secure-nodata
 *     example     MX    insecure 10 mx.example 20 mx2.example     ("." is the root)
 *     _25._tcp.mx.example TLSA secure 3 1 1 leaf                  (a blob: world_blob)
 *     alias.example A   insecure alias=mx.example 192.0.2.1
 *     alias.example CNAME secure mx.example
 *     gone.example  MX  secure-nxdomain
 *     bad.example   MX  servfail             also: bogus, timeout (the deadline passes)
 *
 * The table (the symbols of engine/publish.h) keeps what was put, in order.
 *
 * One thread: that of the shard; a play looks at the table when it has ended.
 */
#ifndef MXWARD_TESTS_PLAYS_WORLD_NAMES_H
#define MXWARD_TESTS_PLAYS_WORLD_NAMES_H

#include "engine/dns/resolver.h"
#include "engine/names/nexthop.h"
#include "shm/verdict.h"

#include <stdbool.h>
#include <stdint.h>

/* What happens to the n-th question. */
enum dns_deed {
    DNS_DEED_NONE,
    DNS_DEED_SERVFAIL, /* at once */
    DNS_DEED_BOGUS,
    DNS_DEED_OURS,      /* as if the resolver had no room */
    DNS_DEED_EXHAUSTED, /* … no memory: the one answer of its type that always suffices */
    DNS_DEED_TIMEOUT,   /* at its deadline: the servers did not answer */
    DNS_DEED_LATE,      /* at its deadline: the resolver was late itself */
    DNS_DEED_SLOW,      /* answered well, right before its deadline */
    DNS_DEED_COUNT
};
const char *dns_deed_name(enum dns_deed deed);

struct names_options {
    const char *zone;
    struct mailbox *mailbox; /* the resolver's end */
    enum dns_deed deed;
    unsigned deed_at; /* n of the question, from 1; 0: never */
    bool forgets;     /* of what is put into the table only the last is kept */
    /* Of domains the table holds what is remembered, this level, and of hosts that nothing is; else
     * it holds no floors, and the shard asks the keeper (stage.c). */
    bool holds_floors;
    enum level floor;
};

/* Forgets everything before, the table too. */
void names_begin(const struct names_options *options);
void names_calm(void); /* no more deeds */
void names_play(void); /* takes questions, answers what is due */
uint64_t names_next_ms(void);
unsigned names_asked(void);
unsigned names_held(void); /* questions not answered yet */

/* `size` bytes that a TLSA line may name. */
void world_blob(const char *name, const uint8_t *bytes, size_t size);

/* What was put into the table, in order; NULL: no more. */
struct table_put {
    struct next_hop next_hop;
    struct verdict verdict;
};
const struct table_put *table_put_at(unsigned n);

#endif
