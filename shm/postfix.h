/*
 * postfix.h - from a verdict to what Postfix is told: the right-hand side of smtp_tls_policy_maps.
 * Pure; any thread.
 *
 * The policy text is a table: MX secure or not, all / some / no hosts with usable TLSA records,
 * what the sender demands. Each row says the exact text and what that text guarantees, whatever the
 * hosts turn out to be at the delivery; Postfix enforces it there, which is the check that counts
 * (law 1, DEC-06). The grammar is that of Postfix 3.7 (DEC-09).
 *
 * Two things Postfix cannot say: "DANE here, TLS there" (a row then takes the stricter, or holds
 * the mail), and DANE for a host with a TLSA record without data, on which 3.7.11 aborts.
 */
#ifndef MXWARD_SHM_POSTFIX_H
#define MXWARD_SHM_POSTFIX_H

#include "shm/verdict.h"

#define POSTFIX_TEXT_MAX (VERDICT_MATCH_MAX + 96)

enum postfix_answer {
    POSTFIX_DEFAULT, /* no policy (NOTFOUND): the MTA's own default; only where nothing is demanded
                      */
    POSTFIX_POLICY,  /* `text` */
    POSTFIX_HOLD,    /* no text can express it, or a look-up failed: temporary error (TEMP) */
};

struct postfix_policy {
    enum postfix_answer answer;
    enum level guarantees; /* for the whole domain, at the delivery */
    const char *rule;      /* which row, in words */
    char text[POSTFIX_TEXT_MAX];
};

/* `demand`: the least that the sender accepts; up to LEVEL_OPPORTUNISTIC: the sender demands
 * nothing, and gets nothing less than without us (`policy`). */
void postfix_policy(struct postfix_policy *policy, const struct verdict *verdict,
                    enum level demand);
const char *postfix_answer_name(enum postfix_answer answer);

#endif
