/*
 * verdict.h - from facts to a verdict. Pure: no clock, no socket, no memory of its own; any thread.
 *
 *   MX answer + facts of each host ─► finding per host ─► verdict of the domain
 *
 * Each rule stands in exactly one place: route.c (MX-01..09, MX-15, MX-18), finding.c (one host:
 * DANE-11..18, 24..33, TLS-21/22, RPT), verdict.c (hosts together: MX-05..13, MX-17, DANE-17,
 * DEC-01..03, FRESH-01/02, classes and levels), pins.c (keys of the hosts together), words.c and
 * shm/sentence (every text).
 *
 * The class is what a sender without a demand experiences at the weakest host that may still get
 * the mail; the level is the highest that can be enforced while some host that reaches it is seen
 * to be there (or where the published TLSA records permit nothing less). What was not seen counts
 * neither as secure nor as insecure: a host that was not seen caps the class at unknown; an address
 * of a seen host that was not seen keeps the class and makes it inconclusive (finding.c says why).
 * How each rule came out this way is said at the rule.
 */
#ifndef MXWARD_POLICY_VERDICT_H
#define MXWARD_POLICY_VERDICT_H

#include "engine/base/option.h"
#include "engine/facts/host_facts.h"
#include "shm/freshness.h"
#include "shm/verdict.h"

/* What the mail routing of a domain looks like: the input besides the hosts. */
enum route_state {
    ROUTE_MX,         /* MX records */
    ROUTE_IMPLICIT,   /* secure or insecure NODATA: the domain itself (MX-05) */
    ROUTE_HOST,       /* [host]: no MX look-up, name locally trusted (MX-16) */
    ROUTE_NULL_MX,    /* MX-08, MX-09 */
    ROUTE_NO_DOMAIN,  /* NXDOMAIN */
    ROUTE_TROUBLE,    /* MX-11 */
    ROUTE_BOGUS,      /* MX-12 */
    ROUTE_ALIAS_LOOP, /* MX-01 */
    ROUTE_UNUSABLE,   /* MX records, none of which can be a host (MX-07) */
    ROUTE_LOOP,       /* the best host is one of our own: mail would come back (MX-15) */
};

struct route {
    enum route_state state;
    bool secure;          /* of the MX answer or its denial; true for ROUTE_HOST */
    bool ours;            /* ROUTE_TROUBLE: our own fault */
    struct name domain;   /* next-hop domain as asked, canonical; length 0: [address] */
    struct name expanded; /* its CNAME-expanded form if secure and different (DANE-31), else 0 */
    bool hosts_cut;       /* more hosts than LIMIT_MX_HOSTS: they are never "ok" (MX-18); or hosts
                             left out as worse than one that only an unsigned address calls ours */
    bool hosts_unusable;  /* MX records that no host can have were left out: nobody can use them */
    uint32_t ttl_s;
    uint64_t until_ms; /* boot time when the MX answer runs out; 0: it does not */
    uint8_t host_count;
    struct {
        uint16_t preference;
        struct name name;
    } hosts[LIMIT_MX_HOSTS]; /* ascending preference, equal ones in canonical order */
    char why[128];
};

/* The mail hosts of this cluster: mail for a domain goes to none of them, nor to one that is not
 * better than one of them (MX-15). */
struct own {
    unsigned name_count, address_count; /* together at most LIMIT_OWN */
    struct name names[LIMIT_OWN];
    struct address addresses[LIMIT_OWN];
};
/* `text` is a host name or an address. 0; -EINVAL: neither, or LIMIT_OWN are there; -ENOMEM. */
int own_add(struct own *own, const char *text);
/* All of the setting daemon.own. 0, or what own_add says, with a sentence that begins with the
 * setting. */
int own_read(struct own *own, const struct option_list *list, char *why, size_t why_size);

/* MX answer → route. `answer` is of type MX for `domain`. `own` NULL: none; its names count here.
 */
void route_from_mx(struct route *route, const struct name *domain, const struct dns_answer *answer,
                   const struct own *own);
/* The same for its addresses, once the hosts are known: `hosts` as for verdict_of_domain. Those
 * left out are the last of the route. */
void route_without_loops(struct route *route, const struct host_facts *const *hosts,
                         const struct own *own);

/* What one host is worth for this route. Zero is "unknown". */
enum finding_kind {
    FINDING_UNKNOWN,       /* inconclusive, or ours, or not looked at */
    FINDING_DANE,          /* usable TLSA, matched; with an insecure MX: half */
    FINDING_DANE_ENFORCED, /* usable TLSA, inconclusive probe: the MTA will enforce, we did not see
                            */
    FINDING_DANE_FAILS,    /* TLSA asks for more than the host does: no mail will go there */
    FINDING_VERIFIED,      /* PKIX and a name that is vouched for */
    FINDING_ENCRYPTED,
    FINDING_WEAK,
    FINDING_CLEAR,    /* no TLS, or TLS that fails so that an opportunistic sender goes in clear */
    FINDING_EXCLUDED, /* no mail goes there: no address, not a host name */
    FINDING_TROUBLE,  /* address or TLSA look-up failed: must not be used now */
    FINDING_KIND_COUNT
};

#define FINDING_NO_ENDPOINT 255

struct finding {
    enum finding_kind kind;
    enum level level; /* what can be enforced at this host */
    enum cause cause;
    enum outcome outcome;   /* of the endpoint that decided (the weakest that was seen) */
    enum tls_report report; /* TLS-RPT result type of a failure, REPORT_NONE if it is none */
    uint8_t endpoint;       /* index of the endpoint that decided; FINDING_NO_ENDPOINT: none */
    bool conclusive;
    bool requiretls, tls_required_by_tlsa; /* DANE-12: TLSA present, unusable */
    uint16_t tls_version;                  /* least among its endpoints; 0: none encrypts */
    struct name name; /* the reference identifier that its certificate bears, if that counted */
    char why[200];    /* one sentence: which record, which name, which error */
};

/* Reference identifiers of a host for this route (DANE-31..33, TLS-21). */
struct reference_names {
    uint8_t count;
    struct name names[4];
};
void reference_names(struct reference_names *names, const struct route *route,
                     const struct host_facts *host);

/* `host` NULL: it has no facts. */
void finding_of_host(struct finding *finding, const struct route *route,
                     const struct host_facts *host, int64_t now_s);

/* However short the TTLs: one of 0 is good for the transaction in progress (RFC 1035 section
 * 3.2.1), which is this look and the answer that is made of it; and a resolver says 0 in the last
 * second of every TTL (DNS-11). */
#define VERDICT_LEAST_MS UINT64_C(1000)

/* `hosts` and `findings`: route->host_count each, same order; a host that has no facts is NULL (its
 * finding is not looked at). */
void verdict_of_domain(struct verdict *verdict, const struct route *route,
                       const struct host_facts *const *hosts, const struct finding *findings,
                       uint64_t now_ms);

/* Whatever its TTLs, it is good for VERDICT_LEAST_MS from now on, unless it ended before any look
 * of now began. For the verdict of a look that ends now, once it is given. */
void verdict_answers_now(struct verdict *verdict, uint64_t now_ms);

/* The same for the keys that stand for all its hosts; pins.c says when there are any. */
void pins_of_hosts(struct pins *pins, const struct route *route,
                   const struct host_facts *const *hosts, const struct finding *findings);

/* --- words --- */

/* Which rule decided about one host: for `explain`. Returns the length. What is said of a verdict
 * stands in shm/sentence. */
size_t finding_explain(const struct finding *finding, char *text, size_t size);
const char *finding_kind_name(enum finding_kind kind);
const char *route_state_name(enum route_state state);

#endif
