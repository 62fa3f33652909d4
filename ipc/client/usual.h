/*
 * usual.h - messages that are no different from one that was answered before.
 *
 * Nearly every message is sent, under one of a few policies, for one of a few reasons. Everything
 * that is said of such a one follows from a profile and some twenty numbers of verdict and request,
 * its case; only the host that decided and the age of the evidence are the domain's own. So that it
 * cannot be otherwise the answer to a case is made from the case, by the functions that make every
 * answer (ipc/decide), with nothing else of the message at hand. It is kept, and said of the next
 * message of that case, too. What does not fit in a case, or is not plainly sent, is answered by
 * itself.
 *
 * Holds no fact about anybody: what is kept never grows old, and is of no table in particular.
 * Belongs to one thread; all zero before it is used.
 */
#ifndef MXWARD_CLIENT_USUAL_H
#define MXWARD_CLIENT_USUAL_H

#include "ipc/client/mxward.h"
#include "ipc/decide/known.h"

struct usual_case {
    uint64_t message, verdict, memory; /* numbers, packed: see usual.c */
    struct profile profile;            /* that is demanded; all zero: none */
};

struct usual_answer {
    uint64_t number; /* of its making; 0: there is none */
    bool plain;      /* who is of this case is sent, and `decision` is what is said; else no more */
    struct usual_case what;
    size_t policy_bytes, text_bytes; /* with NUL */
    struct mxw_decision decision;
};

#define USUAL_BITS 3
#define USUAL_WAYS 4
struct usual {
    struct usual_answer answers[1 << USUAL_BITS][USUAL_WAYS]; /* each case has its row */
    uint64_t made;
    const struct usual_answer *last; /* that was given; NULL: none */
};

/* Fills `out` as decide_answer, decide_reply and decision_read would. False: it is not usual, and
 * `out` means nothing. `expected`: what usual_expect said of `out`; 0: nothing. */
bool usual_decide(struct usual *usual, struct mxw_decision *out, uint64_t expected,
                  const struct decision *decision, const struct known *known, uint64_t now_ms);
/* For who has time while records come: writes what was said last, which is most of what will be
 * said if the next message is like that one. */
uint64_t usual_expect(const struct usual *usual, struct mxw_decision *out);

#endif
