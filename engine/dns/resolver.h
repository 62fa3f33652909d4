/*
 * resolver.h - validating look-ups: resolver threads on libunbound's event base over io_uring.
 *
 * A question is a message: the asker embeds it in its job, sends it, and gets the same message back
 * with the answer. Questions go to the resolver that the registrable domain hashes to. Every
 * question comes back within deadline_ms, whatever the servers and libunbound do; after too many
 * outstanding ones it comes back at once with DNS_TROUBLE_OURS. Failures are remembered 60 s
 * (DNS-09), the rest is libunbound's cache. Aliases are followed by libunbound; a caller that needs
 * per-hop security (DNS-04) asks type CNAME for the name as a question of its own.
 */
#ifndef MXWARD_DNS_RESOLVER_H
#define MXWARD_DNS_RESOLVER_H

#include "engine/dns/answer.h"
#include "engine/loop/mailbox.h"
#include "engine/loop/ring.h"

struct dns_question {
    struct message message;  /* kind is the asker's to choose; comes back unchanged */
    struct ring_token token; /* whose question it is, for the asker */
    struct name name;
    enum dns_type type;
    uint64_t deadline_ms;            /* boot time */
    const struct dns_answer *answer; /* NULL on the way out; one reference for the asker on the
                                        way back, never NULL */
    /* The resolver's while it has the question. */
    struct dns_question *next;
    int asynchronous_id;
};

struct resolver_options {
    const char *forwarder;    /* NULL: recursive; else "address@port" */
    const char *root_hints;   /* NULL: the built-in ones */
    const char *trust_anchor; /* file; default /usr/share/dns/root.key */
    const char *bogus_name; /* must validate as bogus in the self-test (DNS-08); NULL: not tried */
    uint32_t outstanding;   /* admission cap */
    uint32_t cache_mib;
    bool ipv6;
    /* Rings of all threads by thread number, for waking askers; the caller's array, filled before the
     * first question is sent. */
    const int *ring_descriptors;
};

struct resolver_counts { /* written by the resolver, read by anyone (relaxed) */
    _Atomic uint64_t asked, answered, cached_failures, refused, timed_out, bogus, failed;
    _Atomic uint32_t outstanding;
    _Atomic uint32_t self_test; /* enum resolver_self_test */
};

enum resolver_self_test { SELF_TEST_PENDING, SELF_TEST_PASSED, SELF_TEST_FAILED };

struct resolver;

/* `me` and `exchange`: its address for mailbox_send. Starts the thread. 0 or -errno; `why` gets a
 * sentence (256 bytes). */
int resolver_start(struct resolver **resolver, const struct resolver_options *options,
                   struct exchange *exchange, uint16_t me, char *why);
int resolver_descriptor(const struct resolver *resolver); /* its ring, for ring_wake */
void resolver_stop(struct resolver *resolver); /* answers what is outstanding, joins, frees */
const struct resolver_counts *resolver_counts(const struct resolver *resolver);
const char *resolver_self_test_text(const struct resolver *resolver);

#endif
