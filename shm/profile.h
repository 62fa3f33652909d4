/*
 * profile.h - what a sender can ask for: plain data, fixed size, published in the users' table so
 * that a library decides like the daemon. The configuration fills it (section `profile`).
 */
#ifndef MXWARD_SHM_PROFILE_H
#define MXWARD_SHM_PROFILE_H

#include "shm/level.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PROFILE_NAME_MAX 32 /* bytes with NUL: a-z, 0-9, '-' and '_' */

/* What becomes of mail whose demand is seen not to be met. */
enum unmet {
    UNMET_HOLD, /* the mail waits, the sender is told when its time is over */
    UNMET_STOP, /* the sender is told at once */
};

/* What is told at RCPT when mxward cannot tell what becomes of the message: the stricter first. */
enum trouble {
    TROUBLE_TEMPORARY, /* the client comes again */
    TROUBLE_PASS,      /* it is let in, and the delivery decides */
};

/* How a secure alias works (S13): `off` it is an address like any other, `on` it sends under the
 * alias profile and takes mail over encrypted connections only, `expert` each of the two is set by
 * itself. */
enum alias_mode { ALIAS_NONE, ALIAS_OFF, ALIAS_ON, ALIAS_EXPERT, ALIAS_MODE_COUNT };

struct profile {
    char name[PROFILE_NAME_MAX];
    enum level minimum; /* LEVEL_NONE: demands nothing itself; memory, DANE and rules still do */
    enum unmet unmet;
    uint32_t window_ms;         /* evidence may be so old; 0: a live look for every message (S3) */
    bool observe;               /* decide and record, enforce nothing */
    bool exempt_auto_replies;   /* S8; only by facts that the MTA asserts (MSG-05) */
    bool exempt_forwards;       /* S8 */
    bool allow_tls_required_no; /* RTLS-07: `TLS-Required: No` of its senders is honoured */
    bool refuse_at_rcpt;        /* say no at RCPT already, where the MTA asks there */
    enum trouble trouble;
};

/* In all that it says. What is behind the end of a name may differ, too: then they are taken for
 * different. */
static inline bool profile_is(const struct profile *a, const struct profile *b)
{
    return memcmp(a->name, b->name, sizeof a->name) == 0 && a->minimum == b->minimum &&
           a->unmet == b->unmet && a->window_ms == b->window_ms && a->observe == b->observe &&
           a->exempt_auto_replies == b->exempt_auto_replies &&
           a->exempt_forwards == b->exempt_forwards &&
           a->allow_tls_required_no == b->allow_tls_required_no &&
           a->refuse_at_rcpt == b->refuse_at_rcpt && a->trouble == b->trouble;
}
static_assert(sizeof(struct profile) == 56, "what is added is compared, too");

#endif
