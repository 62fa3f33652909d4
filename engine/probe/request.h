/*
 * request.h - the messages between jobs: domain → host → endpoint, and back.
 *
 * Each is embedded in the job that asks, travels to the owner, and comes back as the same message
 * with its result, always, exactly once: nobody waits for a message that was lost. The token names
 * the asker's job by generation, so an asker that has gone (or gave up) just drops what comes home,
 * with the reference it carries. not_before is the freshness contract: the result's probes began at
 * or after it (0: whatever is still good). in_full: a resumed session is not enough, because what
 * it would say speaks against what is remembered.
 */
#ifndef MXWARD_PROBE_REQUEST_H
#define MXWARD_PROBE_REQUEST_H

#include "engine/facts/host_facts.h"
#include "engine/loop/mailbox.h"
#include "engine/loop/ring.h"
#include "engine/probe/join.h"
#include "engine/names/nexthop.h"
#include "engine/policy/delivery.h"

/* message.kind, everywhere in the daemon. The answer travels under the kind of the question; who
 * receives it knows by direction (a shard is never the answerer of its own QUESTION …): the pairs
 * are spelt out so that dispatch is one switch. */
enum message_kind {
    MESSAGE_DNS_HOST = 1,  /* dns_question asked by a host job */
    MESSAGE_DNS_DOMAIN,    /* dns_question asked by a domain job */
    MESSAGE_ENDPOINT_ASK,  /* endpoint_request, host job → endpoint job */
    MESSAGE_ENDPOINT_DONE, /* … and back */
    MESSAGE_HOST_ASK,      /* host_request, domain job → host job */
    MESSAGE_HOST_DONE,
    MESSAGE_DOMAIN_ASK, /* domain_request (engine/domain.h), front → domain job */
    MESSAGE_DOMAIN_DONE,
    MESSAGE_CONTROL,  /* main → shard: reload, stop */
    MESSAGE_NOTE_ASK, /* memory_note (engine/keeper.h), domain job → keeper */
    MESSAGE_NOTE_DONE,
    MESSAGE_FLOORS_ASK, /* floors_question, domain job → keeper */
    MESSAGE_FLOORS_DONE,
    MESSAGE_FLOOR_ASK, /* floor_publish, keeper → the shard that writes the partition */
    MESSAGE_FLOOR_DONE,
    MESSAGE_ORDER_ASK, /* order_request, front → keeper */
    MESSAGE_ORDER_DONE,
    MESSAGE_REPORT_ASK, /* report_note, front → keeper */
    MESSAGE_REPORT_DONE,
    MESSAGE_DNS_FRONT,         /* dns_question asked by the front */
    MESSAGE_DELIVERY_HOST,     /* delivery_report, front → host job */
    MESSAGE_DELIVERY_ENDPOINT, /* … → endpoint job */
    MESSAGE_DELIVERY_SEEN,     /* … and back */
    MESSAGE_DELIVERY_DOMAIN,   /* … → domain job */
    MESSAGE_DELIVERY_DONE,     /* … → front */
};

/* Who is served first when there is not room for all. */
enum priority { PRIORITY_LIVE, PRIORITY_ASKED, PRIORITY_REFRESH, PRIORITY_SCAN };
#define PRIORITIES (PRIORITY_SCAN + 1)

struct endpoint_request {
    struct message message;
    struct ring_token token; /* the asker's */
    struct endpoint_key key;
    const struct dns_answer *tlsa;  /* held by the asker until it is back; NULL: none */
    const struct dns_answer *found; /* … too: where the address is from; NULL: a literal */
    uint64_t not_before_ms;
    uint64_t deadline_ms;
    enum priority priority;
    bool in_full;                    /* no resumed session serves (probe/sessions.h) */
    const struct evidence *evidence; /* on the way back: never NULL, one reference for the asker */
    struct waiter waiter;            /* the endpoint job's, while it waits there */
};

struct host_request {
    struct message message;
    struct ring_token token;
    struct name host;
    uint16_t port;
    bool literal; /* [address]: no look-up at all, `address` is it (NAME-07) */
    struct address address;
    uint64_t not_before_ms;
    uint64_t deadline_ms;
    enum priority priority;
    bool in_full;                   /* as in endpoint_request */
    const struct host_facts *facts; /* on the way back: never NULL, one reference */
    struct waiter waiter;           /* the host job's, while it waits there */
};

/*
 * What the MTA delivered, on its way through those who hold something about it:
 *
 *   front ─► host job ─► endpoint job ─► host job ─► domain job ─► front
 *              which endpoint  evidence      what it disproved   the memory
 */
struct delivery_report {
    struct message message;
    struct delivery delivery;
    struct next_hop next_hop; /* the domain, for the port of mail; else the host */
    struct endpoint_key key;  /* set by the host job */
    bool host_seen;           /* a look of ours says the same: see remember_delivery */
    bool host_aged;           /* … did, but so long ago that only deliveries have kept it good */
    enum delivery_effect effect;
    bool teaches_host, teaches_domain; /* a note is on its way to the memory */
    bool wants_look;                   /* none of ours says the same: the front has it looked at */
};

#endif
