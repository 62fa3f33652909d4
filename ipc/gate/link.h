/*
 * link.h - the gate's connection to the daemon: asked without waiting, held open, opened again.
 * One thread.
 *
 * The daemon may be away, or there and silent (stopped, or standing still). Both are told by
 * link_is_up, so that nobody waits for it in vain; questions that are still out when the connection
 * is lost are the owner's to send again.
 */
#ifndef MXWARD_GATE_LINK_H
#define MXWARD_GATE_LINK_H

#include "engine/base/counter.h"
#include "engine/loop/ring.h"
#include "engine/loop/wheel.h"
#include "ipc/client/mxward.h"

#include <stdbool.h>
#include <stdint.h>

struct link;

struct link_owner {
    void *context;
    void (*answered)(void *context, const struct mxw_result *result);
    void (*up)(void *context);   /* what was not sent may be now: connected, or there is room */
    void (*lost)(void *context); /* nothing that was sent will be answered */
};

struct link_counts {
    counter connected, lost, asked, answered, observed;
};

/* Operations of the ring's tokens and timers that belong to the link. */
#define LINK_OPERATION_FIRST 8
#define LINK_OPERATION_LAST  9

int link_create(struct link **link, struct ring *ring, struct wheel *wheel, const char *socket,
                const struct link_owner *owner);
void link_stop(struct link *link);
uint32_t link_running(const struct link *link); /* operations in flight */
void link_destroy(struct link *link);

/* It is connected, and answers. */
bool link_is_up(const struct link *link);
/* A question that was sent before its deadline had no answer by then: until something comes, the
 * daemon is silent. */
void link_is_silent(struct link *link);
/* False: not now (it is not there, or takes nothing). Calls nothing of the owner's. */
bool link_ask(struct link *link, const struct mxw_message *message, uint64_t *id);
/* MXW_OK: it is on its way, and the owner need not know the answer. MXW_INVALID. Else not now:
 * deliveries never stand in the way of questions. */
int link_observe(struct link *link, const struct mxw_observation *observation);
/* Once a turn: sends what was asked, takes what came. */
void link_turn(struct link *link);
void link_completed(struct link *link, const struct ring_completion *completion);
void link_due(struct link *link, struct wheel_timer *timer);
const struct link_counts *link_counts(const struct link *link);

#endif
