/*
 * wheel.h - timers of one thread: a hierarchical wheel of 1 ms ticks, O(1) to arm and disarm.
 *
 * Timers are embedded in what they time and named by (operation, slot, generation) like
 * completions. The wheel never calls back: the owner takes expired timers one by one, after it has
 * drained the completions of the turn, so that a deadline counts only when the answer really was
 * not there.
 */
#ifndef MXWARD_LOOP_WHEEL_H
#define MXWARD_LOOP_WHEEL_H

#include "engine/loop/ring.h"

#include <stdbool.h>
#include <stdint.h>

struct wheel_timer {
    struct wheel_timer *next, **link; /* link == NULL: not armed */
    uint64_t due_ms;
    struct ring_token token;
};

struct wheel;

int wheel_create(struct wheel **wheel, uint64_t now_ms);
void wheel_destroy(struct wheel *wheel);
void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms); /* re-arms too */
void wheel_disarm(struct wheel *wheel, struct wheel_timer *timer);               /* idempotent */
bool wheel_armed(const struct wheel_timer *timer);

/* The next timer with due_ms <= now_ms, disarmed, or NULL. Order among equal ticks is arbitrary. */
struct wheel_timer *wheel_take_due(struct wheel *wheel, uint64_t now_ms);
/* When to wake at the latest (may be early, never late); UINT64_MAX: nothing armed. */
uint64_t wheel_next_ms(const struct wheel *wheel);

#endif
