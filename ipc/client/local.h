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

/* What the sender of mail is told when nobody can tell. */
#define LOCAL_AWAY "mxward is away, and what it left behind is not enough; ask again in a moment"

struct local;

/* `directory`: that of the daemon (daemon.run_directory). 0 or -ENOMEM; that there are no tables
 * is no error. */
int local_open(struct local **local, const char *directory);
void local_close(struct local *local);
/* At least every TABLE_REFRESH_MS: so long may a table that has a successor still be read. Costs a
 * handful of system calls. */
void local_refresh(struct local *local);
/* Before each question. A daemon that has just started made the next tables: who waits for the
 * refresh that comes anyway would call it trouble until then. True: they were looked for. Costs two
 * loads while there are none. */
bool local_follow(struct local *local);

/* NULL: not there. Valid until the next local_refresh. */
const struct table_reader *local_users(const struct local *local);
const struct table_reader *local_verdicts(const struct local *local);

/* Whose word counts for mail that comes in by them (guarantee.trusted_hops); kept by the caller,
 * NULL: nobody's. Until this is called it is not known here, and only the daemon can refuse. */
void local_trust(struct local *local, const struct places *trusted);

/* What the tables know of a message that leaves. */
struct local_answer {
    struct known_begun asked;
    struct known known;
};

/* What the tables say of one message; kept by the caller. */
struct local_outcome {
    enum frame_error error;     /* FRAME_ERROR_NONE: `decision` is good */
    const char *why;            /* a constant sentence, as the daemon would say it; "" */
    bool inbound, settled;      /* of mail that comes in: whether the daemon could say otherwise */
    uint64_t now_ms;            /* of when it was looked */
    uint64_t expected;          /* what was written already (usual.h) */
    struct local_answer answer; /* of mail that leaves */
    struct frame_answer reply;  /* of mail that comes in; of all: local_reply */
    struct mxw_decision decision;
};

/*
 * What the tables say, in three steps: what is needed is asked of memory in the first, before
 * clocks are read, and in the second, which waits for what the first one asked for. For who has
 * several messages at hand: first local_begin of all, then local_fetch of all, then local_look_on
 * of each, so that all wait together. No refresh in between; outcome and `asked` stay where they
 * are.
 *
 * `arrived_ms`: by which it is judged whether the evidence is fresh; at most now.
 */
#define LOCAL_AHEAD 4 /* at hand at once, for who has them on his stack */
void local_begin(struct local *local, struct local_outcome *out, const struct frame_decide *asked);
void local_fetch(struct local *local, struct local_outcome *out, uint64_t now_ms);
void local_look_on(struct local *local, struct local_outcome *out, const struct frame_decide *asked,
                   uint64_t arrived_ms, int64_t now_s);
/* All of it. */
void local_look(struct local *local, struct local_outcome *out, const struct frame_decide *asked,
                uint64_t arrived_ms, uint64_t now_ms, int64_t now_s);

/* The same as the daemon's answer would be. Only without error. */
void local_reply(const struct local_outcome *out, struct frame_answer *reply);
/* Nothing that the daemon could say would be of use: not a name; or the evidence is as fresh as was
 * asked for, the mail may go, and there is nothing that an administrator must be told. */
bool local_is_enough(const struct local_outcome *out);
/*
 * Nobody who could tell more is there: good enough to go on with? It is where mail may go, under
 * its policy (law 1); where it is temporary by evidence as fresh as was asked for; also where mail
 * would be stopped for want of security, and who asks enforces the policy at the delivery
 * (`enforces`). Where mail would be stopped it is not, however fresh the
 * evidence: that the daemon is away is ours, and temporary (law 3). It would look for the
 * recipient's keys, tell the administrator, and know what was switched or ruled meanwhile; a notice
 * to the sender cannot be taken back. The same for library and gate.
 */
bool local_will_do(const struct local_outcome *out, bool enforces);

/* The verdict of a next hop, as the daemon would tell it; false: not as fresh as was asked for, or
 * nothing is known. `not_before_ms` 0: whatever is still good. */
bool local_verdict(const struct local *local, struct frame_verdict *reply,
                   const struct next_hop *next_hop, uint64_t not_before_ms, uint64_t now_ms,
                   int64_t now_s);

#endif
