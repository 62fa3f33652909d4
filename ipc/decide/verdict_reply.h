/*
 * verdict_reply.h - a verdict and its words as one message. Pure, but for reading the table; the
 * same in daemon and library.
 */
#ifndef MXWARD_DECIDE_VERDICT_REPLY_H
#define MXWARD_DECIDE_VERDICT_REPLY_H

#include "engine/names/nexthop.h"
#include "ipc/wire/frame.h"
#include "shm/reader.h"

/* Everything but where it came from, when it ended, and whether it is limited. */
void verdict_reply(struct frame_verdict *reply, const struct next_hop *next_hop,
                   const struct verdict *verdict, uint64_t now_ms);
/* False: the table has none that serves; the reply is then as it was. `epoch`: of now
 * (table_epoch). */
bool verdict_reply_from_table(struct frame_verdict *reply, const struct table_reader *table,
                              const struct next_hop *next_hop, uint32_t epoch,
                              uint64_t not_before_ms, uint64_t now_ms, int64_t now_s);
/* From when on evidence must have begun; 0: whatever is still good. By enum freshness. */
uint64_t question_not_before(uint8_t freshness, uint32_t max_age_ms, uint64_t arrived_ms);

#endif
