/*
 * postfix.h - from a verdict to what Postfix is told: the right-hand side of smtp_tls_policy_maps.
 * Pure; any thread.
 *
 * The policy text is a table (postfix.c, normative): MX secure or not, all / some / no hosts with
 * usable TLSA records, what the sender demands. Each row says the exact text, what it enforces at a
 * host with usable TLSA records and at one without, what that guarantees for the domain whatever
 * the hosts turn out to be at the delivery, and its price in availability. Postfix enforces it
 * there, which is the check that counts (law 1, DEC-06). The grammar is that of Postfix 3.7
 * (DEC-09).
 *
 * Two things Postfix cannot say: "DANE here, TLS there", and DANE for a host with a TLSA record
 * without data, on which 3.7.11 aborts. Where the verdict has pins, a list of keys says both; else
 * a row takes the stricter, or holds the mail.
 */
#ifndef MXWARD_SHM_POSTFIX_H
#define MXWARD_SHM_POSTFIX_H

#include "shm/verdict.h"

#define POSTFIX_TEXT_MAX 768 /* bytes with NUL: all names, or all keys, and the rest */

enum postfix_answer {
    POSTFIX_DEFAULT, /* no policy (NOTFOUND): the MTA's own default; only where nothing is demanded
                      */
    POSTFIX_POLICY,  /* `text` */
    POSTFIX_HOLD,    /* no text can express it, or a look-up failed: temporary error (TEMP) */
};

struct postfix_policy {
    enum postfix_answer answer;
    enum level guarantees; /* for the whole domain, at the delivery */
    const char *row;       /* its name in the table: one word */
    const char *rule;      /* why this row, in words */
    /* What the text does, in words; "" where there is none. */
    const char *with_tlsa;    /* at a host with usable TLSA records */
    const char *without_tlsa; /* at one without */
    const char *price;        /* in availability, and what must be set in main.cf */
    bool names_hosts;         /* there are names or keys of the domain's own in it */
    char text[POSTFIX_TEXT_MAX];
};

/* `demand`: the least that the sender accepts; up to LEVEL_OPPORTUNISTIC: the sender demands
 * nothing, and gets nothing less than without us (`policy`). */
void postfix_policy(struct postfix_policy *policy, const struct verdict *verdict,
                    enum level demand);
/* Nobody has looked up which hosts get its mail, or had an answer yet. Then encryption is not
 * enough to demand: it would pass TLSA records over, which Postfix by itself would not. */
bool postfix_hosts_are_unknown(const struct verdict *verdict);
/* For mail that must arrive whatever the TLS: reports on it (RPT-15), and what a submitter who may
 * has freed of it (RTLS-07). */
void postfix_policy_released(struct postfix_policy *policy);

/* No policy, for a reason that is not in the table. */
void postfix_policy_none(struct postfix_policy *policy, const char *row, const char *rule);

/* The rows, one after the other, without what differs by domain; false: no more. */
bool postfix_policy_row(struct postfix_policy *policy, unsigned index);

const char *postfix_answer_name(enum postfix_answer answer);

#endif
