/*
 * join.h - who waits for which round of a job: the freshness contract of domains and hosts. Pure.
 *
 * A request may share a round if the round's not_before is at least its own: the round's evidence
 * will have begun late enough; who asks for it in full (probe/request.h) shares only with rounds
 * that are. At most JOIN_ROUNDS rounds of a job overlap (the current and the next); what neither
 * serves gathers.
 *
 * Endpoints are probed one after the other, so a round that runs may not have begun to look yet,
 * and its evidence may serve who came after it. So whoever is served when a round ends is answered,
 * wherever he waits (join_serve); and who is left goes on gathering while a round runs that is as
 * urgent and no more patient, and becomes one further round when none does, like a group commit. A
 * thousand live requests a second cost a round for each probe, and each waits for two at the most:
 * all that it waits for began before it, but its own.
 */
#ifndef MXWARD_PROBE_JOIN_H
#define MXWARD_PROBE_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#define JOIN_ROUNDS 2

struct waiter {
    struct waiter *next;
    uint64_t not_before_ms;
    uint64_t deadline_ms;
    uint8_t priority; /* less is more urgent (probe/request.h) */
    bool in_full;     /* no resumed session serves it (probe/sessions.h) */
};

struct waiters { /* first in, first out */
    struct waiter *first, *last;
    uint64_t not_before_ms;          /* greatest of all; 0 if empty */
    uint64_t earliest_ms, latest_ms; /* deadlines; empty: nothing */
    uint8_t priority;                /* of the most urgent; empty: nothing */
    bool in_full;                    /* for one of them at least */
};

void waiters_add(struct waiters *waiters, struct waiter *waiter);
struct waiter *waiters_take(struct waiters *waiters); /* NULL: empty */
void waiters_move(struct waiters *to, struct waiters *from);

/* The part of a round that joining needs; the round's owner embeds it. */
struct join_round {
    uint64_t not_before_ms;
    uint64_t deadline_ms; /* of the most patient who waited when it began */
    uint8_t priority;
    bool in_full;
    struct waiters waiters;
};

struct join {
    struct join_round *rounds[JOIN_ROUNDS]; /* running; NULL: free */
    struct waiters gathering;
};

enum join_place {
    JOIN_SHARED,   /* waits in a running round */
    JOIN_GATHERED, /* waits for the next one */
    JOIN_START,    /* a place is free: the caller starts a round (join_begin) and adds the waiter */
};

/* Where a request goes; adds it there unless JOIN_START. */
enum join_place join_request(struct join *join, struct waiter *waiter);
/* Enters a round; what it is asked for is what the waiters want that it was given. There must be a
 * place. */
void join_begin(struct join *join, struct join_round *round);
/* What a round brought serves this waiter of another one. */
typedef bool join_serves(void *context, const struct waiter *waiter);
/* Moves whoever is served, in running rounds and gathering, behind *served. */
void join_serve(struct join *join, join_serves *serves, void *context, struct waiters *served);
/* The round has ended: leaves its place. Returns true if gathered waiters want a new round now:
 * they have been moved to *next. */
bool join_end(struct join *join, struct join_round *round, struct waiters *next);
bool join_idle(const struct join *join);

#endif
