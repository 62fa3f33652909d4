/*
 * decision.h - a decision as libmxward's callers see it, from the wire or from the tables. Pure.
 */
#ifndef MXWARD_CLIENT_DECISION_H
#define MXWARD_CLIENT_DECISION_H

#include "ipc/client/mxward.h"
#include "ipc/wire/frame.h"

void decision_read(struct mxw_decision *out, const struct frame_answer *in);
/* The host that decided, and how old the evidence is, if there is any. */
#define DECISION_HOST_BYTES 256 /* in decision, frame and verdict */
void decision_evidence(struct mxw_decision *out, const char host[DECISION_HOST_BYTES], bool there,
                       uint64_t age_ms);
/* What is a stop becomes temporary: nobody is there whose word it would be (law 3). */
void decision_hold(struct mxw_decision *out);

#endif
