/*
 * join.c - see join.h. No clock, no allocation; one thread.
 */
#include "engine/probe/join.h"

#include "engine/base/check.h"

#include <stddef.h>

void waiters_add(struct waiters *waiters, struct waiter *waiter)
{
    waiter->next = NULL;
    if (waiters->last == NULL)
        waiters->first = waiter;
    else
        waiters->last->next = waiter;
    waiters->last = waiter;
    if (waiter->not_before_ms > waiters->not_before_ms)
        waiters->not_before_ms = waiter->not_before_ms;
    waiters->in_full |= waiter->in_full;
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
        if (from->not_before_ms > to->not_before_ms)
            to->not_before_ms = from->not_before_ms;
        to->in_full |= from->in_full;
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
    round->in_full = round->waiters.in_full;
    for (int i = 0; i < JOIN_ROUNDS; i++) {
        if (join->rounds[i] == NULL) {
            join->rounds[i] = round;
            return;
        }
    }
    CHECK(!"a round begins only where there is a place");
}

bool join_end(struct join *join, struct join_round *round, struct waiters *next)
{
    *next = (struct waiters){0};
    for (int i = 0; i < JOIN_ROUNDS; i++) {
        if (join->rounds[i] == round) {
            join->rounds[i] = NULL;
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
