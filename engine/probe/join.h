/*
 * join.h - who waits for which round of a job: the freshness contract of domains and hosts. Pure.
 *
 * A request may share a round if the round's not_before is at least its own: the round's evidence
 * will have begun late enough; who asks for it in full (probe/request.h) shares only with rounds
 * that are. At most JOIN_ROUNDS rounds of a job overlap (the current and the
 * next); what neither serves gathers, and becomes one further round when a place is free, like a
 * group commit. So a thousand live requests a second cost two rounds at a time, and each waits for
 * two at the most.
 */
#ifndef MXWARD_PROBE_JOIN_H
#define MXWARD_PROBE_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#define JOIN_ROUNDS 2

struct waiter {
    struct waiter *next;
    uint64_t not_before_ms;
    bool in_full; /* no resumed session serves it (probe/sessions.h) */
};

struct waiters { /* first in, first out */
    struct waiter *first, *last;
    uint64_t not_before_ms; /* greatest of all; 0 if empty */
    bool in_full;           /* for one of them at least */
};

void waiters_add(struct waiters *waiters, struct waiter *waiter);
struct waiter *waiters_take(struct waiters *waiters); /* NULL: empty */
void waiters_move(struct waiters *to, struct waiters *from);

/* The part of a round that joining needs; the round's owner embeds it. */
struct join_round {
    uint64_t not_before_ms;
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
/* Enters a round; not_before and in_full are those of the waiters it was given. There must be a
 * place. */
void join_begin(struct join *join, struct join_round *round);
/* The round has ended: leaves its place. Returns true if gathered waiters want a new round now:
 * they have been moved to *next. */
bool join_end(struct join *join, struct join_round *round, struct waiters *next);
bool join_idle(const struct join *join);

#endif
