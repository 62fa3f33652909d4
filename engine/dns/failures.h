/*
 * failures.h - look-ups that failed lately (DNS-09). One thread; no clock of its own.
 *
 * A failure is remembered for its answer's ttl_s by our own clock, because a bogus answer's TTL
 * cannot be trusted and because libunbound asks the servers five times anew for each repetition. A
 * fixed number of places; the oldest of a set of four makes room, which costs one question more,
 * never a wrong answer.
 */
#ifndef MXWARD_DNS_FAILURES_H
#define MXWARD_DNS_FAILURES_H

#include "engine/dns/answer.h"

struct failures;

int failures_create(struct failures **failures);
void failures_destroy(struct failures *failures);
/* Takes a reference of its own. Only troubles, and not our own. */
void failures_remember(struct failures *failures, const struct dns_answer *answer);
/* The look-up has worked since. */
void failures_forget(struct failures *failures, const struct name *name, enum dns_type type);
/* A borrowed reference, or NULL. */
const struct dns_answer *failures_find(struct failures *failures, const struct name *name,
                                       enum dns_type type, uint64_t now_ms);

#endif
