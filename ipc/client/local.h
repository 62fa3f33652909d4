/*
 * local.h - answers from the tables alone: what the library knows without the daemon.
 *
 * Two tables in shared memory (shm/layout.h): verdicts, and users if this process may read them. A
 * handle belongs to one thread. Looking up takes no lock, no system call, no wait; local_refresh,
 * off the hot path, finds tables that came, or came anew. Where a table is missing the answer is
 * "unknown", never "nothing is demanded" (law 2).
 */
#ifndef MXWARD_CLIENT_LOCAL_H
#define MXWARD_CLIENT_LOCAL_H

#include "ipc/client/mxward.h"
#include "ipc/decide/known.h"

struct local;

/* `directory`: that of the daemon (daemon.run_directory). 0 or -ENOMEM; that there are no tables
 * is no error. */
int local_open(struct local **local, const char *directory);
void local_close(struct local *local);
/* At least every TABLE_REFRESH_MS: so long may a table that has a successor still be read. Costs a
 * handful of system calls. */
void local_refresh(struct local *local);

/* NULL: not there. Valid until the next local_refresh. */
const struct table_reader *local_users(const struct local *local);
const struct table_reader *local_verdicts(const struct local *local);

/* What the tables say of one message; kept by the caller. */
struct local_answer {
    struct decision decision;
    struct known known;
    struct answer answer;
};

/* FRAME_ERROR_NONE, or what is wrong with a constant sentence, as the daemon would say it.
 * `arrived_ms`: by which it is judged whether the evidence is fresh; at most now. */
enum frame_error local_decide(const struct local *local, struct local_answer *out,
                              const struct frame_decide *asked, uint64_t arrived_ms,
                              uint64_t now_ms, int64_t now_s, const char **why);
/* The same as the daemon's answer would be. */
void local_read(struct mxw_decision *decision, const struct local_answer *answer, uint64_t now_ms);
/* Nothing that the daemon could say would be of use: the evidence is as fresh as was asked for, the
 * mail may go, and there is nothing that an administrator must be told. */
bool local_is_enough(const struct local_answer *answer);

#endif
