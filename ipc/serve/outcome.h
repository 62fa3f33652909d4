/*
 * outcome.h - what the daemon does with a decision beside answering it. Front thread; pure.
 */
#ifndef MXWARD_SERVE_OUTCOME_H
#define MXWARD_SERVE_OUTCOME_H

#include "engine/memory/store.h"
#include "ipc/decide/decide.h"

/* Makes ready for looking up keys of the recipient, which takes no time but some arithmetic. */
void decide_digest(struct decision *decision, const char *recipient);
/* True: it is worth a line in the report, which is filled. */
bool decide_report(struct store_report *report, const struct decision *decision,
                   const struct answer *answer, const struct verdict *verdict);
/* derivation.c: the whole derivation as JSON. Returns the length. */
size_t decide_explain(char *out, size_t size, const struct decision *decision,
                      const struct answer *answer, const struct verdict *verdict, bool stale,
                      uint64_t now_ms);

#endif
