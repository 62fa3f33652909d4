/*
 * kept.h - answers that are kept within their time. One thread; no clock of its own.
 *
 * A resolver's thread keeps failures: libunbound asks the servers five times anew for each
 * repetition, and a bogus answer's TTL cannot be trusted, so a failure's ttl_s is ours (DNS-09). A
 * shard keeps what it was told for as long as the TTL says, so that a re-check does not go to
 * another thread four times for what libunbound would take from its cache.
 *
 * A fixed number of places; the oldest of a set of four makes room, which costs one question more,
 * never a wrong answer.
 */
#ifndef MXWARD_DNS_KEPT_H
#define MXWARD_DNS_KEPT_H

#include "engine/dns/answer.h"

struct kept_answers;

/* `most` > 0. -ENOMEM. */
int kept_answers_create(struct kept_answers **kept, uint32_t most);
void kept_answers_destroy(struct kept_answers *kept); /* NULL is fine */
/* Takes a reference of its own; in place of what is kept of the same question. */
void kept_answers_put(struct kept_answers *kept, const struct dns_answer *answer);
void kept_answers_forget(struct kept_answers *kept, const struct name *name, enum dns_type type);
/* A borrowed reference, or NULL: nothing, or its ttl_s is over. */
const struct dns_answer *kept_answers_find(struct kept_answers *kept, const struct name *name,
                                           enum dns_type type, uint64_t now_ms);

#endif
