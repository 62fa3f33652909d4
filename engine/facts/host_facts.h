/*
 * host_facts.h - what is known of one MX host (or other next-hop host) and port: its DNS, its TLSA
 * set with the base domain, and the evidence of its endpoints. Immutable, counted, any thread.
 *
 * Which TLSA base domain, and whether to look at all, is decided in probe/host.c by DANE-01..10 and
 * DNS-04/05; here are the results.
 */
#ifndef MXWARD_FACTS_HOST_FACTS_H
#define MXWARD_FACTS_HOST_FACTS_H

#include "engine/facts/evidence.h"

/* The state of TLSA discovery at a host. */
enum tlsa_state {
    TLSA_NOT_LOOKED, /* address records insecure: no query at all (DANE-02, DANE-09) */
    TLSA_ABSENT,     /* secure denial, or an insecure RRset (DANE-14) */
    TLSA_TROUBLE,    /* error, timeout, bogus: the host must not be used (DANE-15, DANE-10) */
    TLSA_PRESENT,    /* secure RRset; `usable` tells DANE-11 from DANE-12 */
};

/* The state of the address look-ups of a host. */
enum host_state {
    HOST_RESOLVED,   /* at least one usable address (DANE-16: of a family that validated) */
    HOST_NO_ADDRESS, /* NXDOMAIN or NODATA for both families */
    HOST_TROUBLE,    /* temporary: no family could be resolved; or the extra CNAME query failed
                        (DNS-05) */
    HOST_UNUSABLE,   /* not a host name, or nothing but reserved addresses */
};

struct host_endpoint {
    const struct evidence *evidence; /* never NULL */
    bool secure;                     /* its address RRset was secure */
};

struct host_facts {
    atomic_uint references;
    struct name name; /* as in the MX record */
    uint16_t port;
    uint64_t began_ms; /* least of the endpoints' began_ms; the round's not_before if none */
    uint64_t ended_ms;
    uint32_t ttl_s;        /* least over A, AAAA, CNAME, TLSA used (MX-17) */
    uint64_t dns_until_ms; /* boot time: when the first of them runs out; UINT64_MAX: none used */

    enum host_state state;
    bool secure;          /* the whole chain of the used address records (or, DANE-08, the alias);
                             HOST_NO_ADDRESS: of all its denials */
    bool alias;           /* the name is a CNAME */
    struct name expanded; /* end of the CNAME chain if every hop is secure, else length 0 */
    struct name base;     /* TLSA base domain, if TLSA_PRESENT; sent as SNI if `usable` */
    enum tlsa_state tlsa_state;
    bool tlsa_denied; /* TLSA_ABSENT: signed answers deny them at every base domain, which is a
                         statement of the host's owner (MEM-04) */
    uint8_t usable;   /* usable TLSA records */
    bool ours;        /* the trouble was our own: no room, our deadline, lateness */
    bool bogus;       /* the trouble was a DNSSEC validation failure (RPT-06) */
    const struct dns_answer *tlsa; /* held; NULL if not TLSA_PRESENT */
    char why[160];                 /* of a look-up that failed: which, and what happened */

    /* The look-up of one family failed (DANE-16): there may be addresses that are not among the
     * endpoints; and whether it failed for reasons of our own. */
    bool addresses_unseen, addresses_unseen_ours;
    uint8_t endpoint_count;
    uint8_t endpoints_dropped; /* addresses over LIMIT_ADDRESSES, or private: not probed */
    struct host_endpoint endpoints[LIMIT_ADDRESSES];
};

const struct host_facts *host_facts_hold(const struct host_facts *facts);
void host_facts_drop(const struct host_facts *facts); /* drops what it holds */

#endif
