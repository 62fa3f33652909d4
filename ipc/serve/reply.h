/*
 * reply.h - from what the engine knows to what the wire says. Pure.
 */
#ifndef MXWARD_SERVE_REPLY_H
#define MXWARD_SERVE_REPLY_H

#include "engine/domain.h"
#include "ipc/wire/frame.h"

void reply_facts(struct frame_verdict *reply, const struct domain_facts *facts, bool limited,
                 uint64_t now_ms);

#endif
