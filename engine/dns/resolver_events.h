/*
 * resolver_events.h - libunbound's pluggable event base, on a ring and a wheel.
 *
 * One resolver thread owns all of it. libunbound makes events (a socket to watch, a timer) and
 * calls the base through a table of functions; the owner hands in what the ring and the wheel
 * report, and only then do libunbound's callbacks run. Nothing here is called from a callback's
 * callback: libunbound's look-ups are never started from inside.
 */
#ifndef MXWARD_DNS_RESOLVER_EVENTS_H
#define MXWARD_DNS_RESOLVER_EVENTS_H

#include "engine/loop/ring.h"
#include "engine/loop/wheel.h"

struct resolver_events;
struct ub_event_base;

/* The operations of this module among the owner's tokens. */
enum { RESOLVER_OPERATION_POLL = 1, RESOLVER_OPERATION_TIMER = 2 };

/* `sockets`: how many libunbound may watch at once. */
int resolver_events_create(struct resolver_events **events, struct ring *ring, struct wheel *wheel,
                           uint32_t sockets);
/* After ub_ctx_delete, which frees every event. */
void resolver_events_destroy(struct resolver_events *events);
struct ub_event_base *resolver_events_base(struct resolver_events *events);

void resolver_events_completed(struct resolver_events *events,
                               const struct ring_completion *completion);
void resolver_events_due(struct resolver_events *events, struct wheel_timer *timer);
/* Once a turn: what the submission queue had no room for is tried again. */
void resolver_events_retry(struct resolver_events *events);

#endif
