/*
 * join.c - see join.h. No clock, no allocation; one thread.
 */
#include "engine/probe/join.h"

#include "engine/base/check.h"

#include <stddef.h>

/* What `from`, which is not empty, wants, too. */
static void waiters_want(struct waiters *waiters, const struct waiters *from)
{
    if (from->not_before_ms > waiters->not_before_ms)
        waiters->not_before_ms = from->not_before_ms;
    if (from->earliest_ms < waiters->earliest_ms)
        waiters->earliest_ms = from->earliest_ms;
    if (from->latest_ms > waiters->latest_ms)
        waiters->latest_ms = from->latest_ms;
    if (from->priority < waiters->priority)
        waiters->priority = from->priority;
    waiters->in_full |= from->in_full;
}

void waiters_add(struct waiters *waiters, struct waiter *waiter)
{
    struct waiters one = {.first = waiter,
                          .last = waiter,
                          .not_before_ms = waiter->not_before_ms,
                          .earliest_ms = waiter->deadline_ms,
                          .latest_ms = waiter->deadline_ms,
                          .priority = waiter->priority,
                          .in_full = waiter->in_full};

    waiter->next = NULL;
    waiters_move(waiters, &one);
}

struct waiter *waiters_take(struct waiters *waiters)
{
    struct waiter *waiter = waiters->first;

    if (waiter == NULL)
        return NULL;
    waiters->first = waiter->next;
    if (waiters->first == NULL)
        *waiters = (struct waiters){0};
    waiter->next = NULL;
    return waiter;
}

void waiters_move(struct waiters *to, struct waiters *from)
{
    if (from->first == NULL)
        return;
    if (to->last == NULL) {
        *to = *from;
    } else {
        to->last->next = from->first;
        to->last = from->last;
        waiters_want(to, from);
    }
    *from = (struct waiters){0};
}

static bool round_serves(const struct join_round *round, const struct waiter *waiter)
{
    return round->not_before_ms >= waiter->not_before_ms && (round->in_full || !waiter->in_full);
}

enum join_place join_request(struct join *join, struct waiter *waiter)
{
    bool room = false;

    for (int i = 0; i < JOIN_ROUNDS; i++) {
        struct join_round *round = join->rounds[i];

        if (round == NULL)
            room = true;
        else if (round_serves(round, waiter)) {
            waiters_add(&round->waiters, waiter);
            return JOIN_SHARED;
        }
    }
    if (room)
        return JOIN_START;
    waiters_add(&join->gathering, waiter);
    return JOIN_GATHERED;
}

void join_begin(struct join *join, struct join_round *round)
{
    round->not_before_ms = round->waiters.not_before_ms;
    round->deadline_ms = round->waiters.latest_ms;
    round->priority = round->waiters.priority;
    round->in_full = round->waiters.in_full;
    for (int i = 0; i < JOIN_ROUNDS; i++) {
        if (join->rounds[i] == NULL) {
            join->rounds[i] = round;
            return;
        }
    }
    CHECK(!"a round begins only where there is a place");
}

static void waiters_serve(struct waiters *waiters, join_serves *serves, void *context,
                          struct waiters *served)
{
    struct waiters all = {0};
    struct waiter *waiter;

    waiters_move(&all, waiters);
    while ((waiter = waiters_take(&all)) != NULL)
        waiters_add(serves(context, waiter) ? served : waiters, waiter);
}

void join_serve(struct join *join, join_serves *serves, void *context, struct waiters *served)
{
    for (int i = 0; i < JOIN_ROUNDS; i++)
        if (join->rounds[i] != NULL)
            waiters_serve(&join->rounds[i]->waiters, serves, context, served);
    waiters_serve(&join->gathering, serves, context, served);
}

/* A round that runs may serve who gathers, and is no longer under way than a round of their own
 * would be. */
static bool any_may_serve(const struct join *join, const struct waiters *gathering)
{
    for (int i = 0; i < JOIN_ROUNDS; i++) {
        const struct join_round *round = join->rounds[i];

        if (round != NULL && round->priority <= gathering->priority &&
            round->deadline_ms <= gathering->earliest_ms && (round->in_full || !gathering->in_full))
            return true;
    }
    return false;
}

bool join_end(struct join *join, struct join_round *round, struct waiters *next)
{
    *next = (struct waiters){0};
    for (int i = 0; i < JOIN_ROUNDS; i++) {
        if (join->rounds[i] == round) {
            join->rounds[i] = NULL;
            if (!any_may_serve(join, &join->gathering))
                waiters_move(next, &join->gathering);
            return next->first != NULL;
        }
    }
    CHECK(!"only a running round ends");
    return false;
}

bool join_idle(const struct join *join)
{
    for (int i = 0; i < JOIN_ROUNDS; i++)
        if (join->rounds[i] != NULL)
            return false;
    return join->gathering.first == NULL;
}
