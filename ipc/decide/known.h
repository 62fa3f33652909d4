/*
 * known.h - what the table of verdicts knows of a decision's next hop. Pure, but for reading the
 * table; the same in daemon and library.
 */
#ifndef MXWARD_DECIDE_KNOWN_H
#define MXWARD_DECIDE_KNOWN_H

#include "ipc/decide/decide.h"
#include "shm/reader.h"

/* What is known of a next hop, and of what is remembered of it. */
struct known {
    struct verdict verdict;
    bool there; /* else: nothing is known, and nothing remembered */
    bool stale; /* older than was asked for, or past its time */
};

/* decide_begin, with what is in the table of verdicts about the next hop on its way meanwhile, so
 * that the misses of both tables overlap. Either table may be NULL. */
enum frame_error known_begin(struct decision *decision, const struct frame_decide *asked,
                             const struct table_reader *users, const struct table_reader *verdicts,
                             uint64_t arrived_ms, uint64_t now_ms, int64_t now_s, const char **why);

/* `table` NULL: there is none, and nobody can tell what is remembered. `epoch`: of now
 * (table_epoch); a verdict with another one is stale. */
void known_from_table(struct known *known, const struct table_reader *table,
                      const struct decision *decision, uint32_t epoch, uint64_t now_ms);
/* What is ruled of the recipient's own domain, where the next hop is another, into the decision.
 * Where nothing is known of it (the table is being filled) nothing is refused: the way that the
 * mail goes has its own floor. */
void known_recipient(struct decision *decision, const struct table_reader *table, uint64_t now_ms);
bool known_memory_is_unknown(const struct known *known);
/* NULL: nothing is known. */
const struct verdict *known_verdict(const struct known *known);

#endif
