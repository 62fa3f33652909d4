/*
 * reply.h - from what the engine knows to what the wire says: a verdict with its words. Pure.
 */
#ifndef MXWARD_SERVE_REPLY_H
#define MXWARD_SERVE_REPLY_H

#include "engine/domain.h"
#include "ipc/wire/frame.h"

/* Everything but where it came from, when it ended, and whether it is limited. */
void reply_verdict(struct frame_verdict *reply, const struct next_hop *next_hop,
                   const struct verdict *verdict, uint64_t now_ms);
void reply_facts(struct frame_verdict *reply, const struct domain_facts *facts, uint64_t now_ms);

#endif
