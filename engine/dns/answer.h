/*
 * answer.h - what the DNS said to one question, validated by ourselves.
 *
 * An answer is immutable and counted: the resolver makes it, anybody may hold it (any thread), the
 * last to drop frees it. Kinds are exactly those of DNS-01; there is no other way to read an answer
 * than through its kind.
 */
#ifndef MXWARD_DNS_ANSWER_H
#define MXWARD_DNS_ANSWER_H

#include "engine/names/address.h"
#include "engine/names/name.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_TLSA = 52,
    DNS_SMIMEA = 53,
    DNS_OPENPGPKEY = 61,
};

enum dns_kind {
    DNS_ERROR, /* SERVFAIL, timeout, refused, rate-limited, malformed, ours: temporary, never
                  absence */
    DNS_BOGUS, /* validation failed: temporary, never absence */
    DNS_SECURE_DATA,
    DNS_SECURE_NODATA,
    DNS_SECURE_NXDOMAIN,
    DNS_INSECURE_DATA,
    DNS_INSECURE_NODATA,
    DNS_INSECURE_NXDOMAIN,
};

/* Why a DNS_ERROR: for texts, counters and for knowing whose fault it is. */
enum dns_trouble {
    DNS_TROUBLE_NONE,
    DNS_TROUBLE_SERVFAIL,  /* the servers (or libunbound) say so; rcode in `rcode` */
    DNS_TROUBLE_TIMEOUT,   /* our deadline passed */
    DNS_TROUBLE_MALFORMED, /* a message that our parser refuses */
    DNS_TROUBLE_LIMITED,   /* rate-limited subquery (DNS-14) */
    DNS_TROUBLE_OURS,      /* admission full, out of memory, we were late, resolver stopped */
    DNS_TROUBLE_ALIASES,   /* an alias loop, or more than LIMIT_ALIASES hops (MX-01) */
};

struct dns_mx {
    uint16_t preference;
    struct name exchange; /* length 0: the root, "." (MX-08); if it is a name that no host can have,
                             its escaped text, only for people */
    bool usable; /* false: the root, or a name no host can have (NAME-05/08); counts as present */
};

struct dns_tlsa {
    uint8_t usage, selector, matching_type; /* 255 where the record ends before it (DANE-21) */
    uint16_t size;                          /* 0: malformed, but present (DANE-21) */
    const uint8_t *data;                    /* inside the answer */
};

struct dns_text {
    uint16_t size; /* the strings joined (STS-02) */
    const uint8_t *data;
};

struct dns_answer {
    atomic_uint references;
    enum dns_kind kind;
    enum dns_trouble trouble;
    uint8_t rcode;
    uint32_t
        ttl_s; /* least of all RRsets used, clamped by DNS-10/11; 0: for this use only. libunbound
                  has already cut it to what is left of the earliest RRSIG (MX-17) */
    uint64_t at_ms; /* boot time when it came */
    enum dns_type type;
    struct name owner;       /* as asked; empty in the one answer that memory always suffices for */
    struct name canonical;   /* end of the CNAME chain; equals owner when there is none; of type
                                CNAME: the target */
    uint8_t aliases;         /* CNAME hops followed */
    const struct name *hops; /* inside the answer: the names between owner and canonical, see
                                dns_hop_count; where labels are not of a host name, what follows
                                the last of them */
    uint16_t count;          /* of the array for `type`; CNAME, SOA and OPENPGPKEY have none, just 1
                                or 0 */
    uint16_t dropped;        /* records over the limits of limits.h: never evaluated, never "ok" */
    union {
        const struct dns_mx *mx;
        const struct address *addresses; /* A or AAAA */
        const struct dns_tlsa *tlsa;     /* TLSA, in canonical order whatever the message's was; or
                                            SMIMEA: the same layout (RFC 8162 section 2) */
        const struct dns_text *text;
    };
    char why[128]; /* for people: libunbound's why_bogus or ours; printable ASCII */
};

static inline bool dns_is_secure(enum dns_kind k)
{
    return k == DNS_SECURE_DATA || k == DNS_SECURE_NODATA || k == DNS_SECURE_NXDOMAIN;
}
static inline bool dns_has_data(enum dns_kind k)
{
    return k == DNS_SECURE_DATA || k == DNS_INSECURE_DATA;
}
static inline bool dns_is_trouble(enum dns_kind k)
{
    return k == DNS_ERROR || k == DNS_BOGUS;
}
static inline bool dns_is_absent(enum dns_kind k) /* proved or at least said: NODATA or NXDOMAIN */
{
    return !dns_is_trouble(k) && !dns_has_data(k);
}

static inline unsigned dns_hop_count(const struct dns_answer *answer)
{
    return answer->aliases > 1 ? answer->aliases - 1u : 0;
}

const struct dns_answer *dns_answer_hold(const struct dns_answer *answer);
void dns_answer_drop(const struct dns_answer *answer); /* NULL is fine */
/* The canonical order of a set: 0 for equal records. */
int dns_tlsa_compare(const struct dns_tlsa *a, const struct dns_tlsa *b);
const char *dns_kind_name(enum dns_kind kind);
const char *dns_trouble_name(enum dns_trouble trouble);
const char *dns_type_name(enum dns_type type);

/*
 * An answer without records, owned by the caller: DNS_ERROR for a trouble, DNS_BOGUS for
 * DNS_TROUBLE_NONE. `why` may come from outside. Never NULL: without memory it is a static one that
 * says so.
 */
const struct dns_answer *dns_answer_failure(const struct name *owner, enum dns_type type,
                                            enum dns_trouble trouble, uint8_t rcode,
                                            uint64_t now_ms, const char *why);

#endif
