/*
 * endpoints.h - the endpoint jobs of a shard: one probe for everybody who wants to know.
 *
 * An endpoint job is found or created by its key (address, port, name sent, TLSA set) and belongs
 * to the shard of its prefix. Requests that the last evidence serves are answered at once. The
 * others wait; those that arrive while a probe runs share the next one, like a group commit
 * (FRESH-03). Before a probe starts, politeness and the budget of parallel probes are asked; a
 * request whose deadline lies before the time allowed is answered with older evidence, or with
 * LIMITED.
 *
 * Every request is answered, exactly once, at its deadline at the latest.
 */
#ifndef MXWARD_ENDPOINTS_H
#define MXWARD_ENDPOINTS_H

#include "engine/base/counter.h"
#include "engine/policy/delivery.h"
#include "engine/probe/endpoint.h"
#include "engine/probe/request.h"
#include "engine/schedule/politeness.h"

struct endpoints;

/* Operation of the timers of endpoint jobs, in the shard's tokens. */
#define ENDPOINTS_OPERATION_TIMER 16

struct endpoints_counts {
    counter asked, served, shared, probes, limited, late, no_room, opted_out;
    counter waiting_for_politeness, waiting_for_room; /* jobs now */
    counter renewed, disproved; /* evidence, by deliveries that the MTA reported */
};

int endpoints_create(struct endpoints **endpoints, struct mailbox *mailbox, struct wheel *wheel,
                     struct prober *prober, struct politeness *politeness, uint32_t jobs_max,
                     uint32_t probes_max);
void endpoints_destroy(struct endpoints *endpoints);
void endpoints_ask(struct endpoints *endpoints, struct endpoint_request *request);
/* What the MTA delivered to this endpoint is fresh evidence, as far as it proves what is held of
 * it; what it disproves is dropped, so that the next question looks anew. Makes no probe and no
 * job, and answers nobody who waits. */
enum delivery_effect endpoints_delivery(struct endpoints *endpoints, const struct endpoint_key *key,
                                        const struct delivery *delivery);
void endpoints_due(struct endpoints *endpoints, struct wheel_timer *timer);
/* Takes the probes that have ended and answers; starts what may start now. Once a turn. */
void endpoints_turn(struct endpoints *endpoints);
/* How long the loop let something wait in this turn: fewer probes may run as it grows. Once a turn.
 */
void endpoints_observe(struct endpoints *endpoints, uint64_t lag_ms);
/* Other settings from now on (source address, offer, budgets): what was looked at before, or is
 * being looked at, is evidence of the old ones and serves nobody any more. */
void endpoints_reload(struct endpoints *endpoints);
/* From now on every request is answered at once with OURS_CANCELLED, and so are those waiting. */
void endpoints_stop(struct endpoints *endpoints);
/* Forgets what nobody waits for among the `most` least recently used jobs, with the evidence that
 * is kept there; returns how many. */
uint32_t endpoints_forget(struct endpoints *endpoints, uint32_t most);
const struct endpoints_counts *endpoints_counts(const struct endpoints *endpoints);

#endif
