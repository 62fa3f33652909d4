/*
 * resolver.h - validating look-ups: resolver threads on libunbound's event base over io_uring.
 *
 * A question is a message: the asker embeds it in its job, sends it, and gets the same message back
 * with the answer. Questions go to the resolver that the registrable domain hashes to. Every
 * question comes back by deadline_ms, whatever the servers and libunbound do; with too many held
 * already it comes back at once with DNS_TROUBLE_OURS. Questions for the same name and type share a
 * look-up. Failures are remembered 60 s (DNS-09), the rest is libunbound's cache. Aliases are
 * followed by libunbound; a caller that needs per-hop security (DNS-04) asks type CNAME for the
 * name as a question of its own.
 *
 * A deadline that passes is DNS_TROUBLE_TIMEOUT only if the servers really had the question and
 * this thread was on time; otherwise it is DNS_TROUBLE_OURS. Nor is anybody blamed for what may
 * come of a standstill of this thread, until libunbound has forgotten it
 * (LIMIT_DNS_STILL_GRACE_MS).
 *
 * Until validation has been seen to work (the root's keys, at most RESOLVER_GRACE_MS) questions
 * wait. If the root turns out not to be secure, an insecure answer is DNS_TROUBLE_OURS from then
 * on: it may be insecure only because we cannot validate (DNS-08).
 */
#ifndef MXWARD_DNS_RESOLVER_H
#define MXWARD_DNS_RESOLVER_H

#include "engine/base/counter.h"
#include "engine/dns/answer.h"
#include "engine/loop/mailbox.h"
#include "engine/loop/ring.h"
#include "engine/loop/wheel.h"

#include <sys/queue.h>

struct dns_question {
    struct message message;  /* kind is the asker's to choose; comes back unchanged */
    struct ring_token token; /* whose question it is, for the asker */
    struct name name;
    enum dns_type type;
    uint64_t deadline_ms;            /* boot time */
    const struct dns_answer *answer; /* NULL on the way out; one reference for the asker on the
                                        way back, never NULL */
    /* The resolver's while it has the question. */
    TAILQ_ENTRY(dns_question) entry;
    struct wheel_timer timer;
    struct look_up *look_up;
    uint64_t arrived_us;
};

#define RESOLVER_GRACE_MS 2000

struct resolver_options {
    const char *forwarder;    /* NULL: recursive; else "address@port" */
    const char *root_hints;   /* NULL: the built-in ones */
    const char *trust_anchor; /* file; default /usr/share/dns/root.key */
    const char *bogus_name; /* must validate as bogus in the self-test (DNS-08); NULL: not tried */
    uint32_t outstanding;   /* questions held at once; the next is refused. 0: 4096 */
    uint32_t cache_mib;     /* of libunbound's caches together. 0: 64 */
    bool ipv6;              /* ask servers over IPv6 too */
    /* Of every thread's ring, by thread number, to wake it; the entry of a thread is in place
     * before that thread sends its first question. */
    const int *ring_descriptors;
};

struct resolver_counts { /* written by the resolver, read by anyone (relaxed) */
    counter asked, answered;
    counter look_ups;        /* handed to libunbound */
    counter shared;          /* questions that joined a look-up under way */
    counter cached_failures; /* answered from the memory of failures */
    counter refused;         /* over the cap, or no time was left */
    counter timed_out, bogus, failed;
    counter late;            /* deadlines that passed because this thread was late or stood still */
    _Atomic uint32_t held;   /* questions here now */
    _Atomic uint32_t inside; /* look-ups in libunbound now, abandoned ones included */
    _Atomic uint32_t self_test; /* enum resolver_self_test */
    struct histogram answer_us; /* from the question's arrival to its answer, cache hits included */
};

enum resolver_self_test { SELF_TEST_PENDING, SELF_TEST_PASSED, SELF_TEST_FAILED };

struct resolver;

/* `me` and `exchange`: its address for mailbox_send. Starts the thread. 0 or -errno; `why` gets a
 * sentence (256 bytes). -ENOKEY: no usable trust anchor (DNS-06). */
int resolver_start(struct resolver **resolver, const struct resolver_options *options,
                   struct exchange *exchange, uint16_t me, char *why);
/* What resolver_start would say to these options: makes a context of libunbound and throws it away.
 * 0, -EINVAL or -ENOKEY with a sentence that begins with the setting, or our own trouble. */
int resolver_judge(const struct resolver_options *options, char *why, size_t why_size);
int resolver_descriptor(const struct resolver *resolver); /* its ring, for ring_wake */
/* Answers what it holds with DNS_TROUBLE_OURS, joins, frees. Nobody may ask from then on; askers
 * must still take what comes home, or be past caring (their exchange outlives this call). */
void resolver_stop(struct resolver *resolver);
const struct resolver_counts *resolver_counts(const struct resolver *resolver);
/* A sentence for `status`; any thread. */
const char *resolver_self_test_text(const struct resolver *resolver);

#endif
