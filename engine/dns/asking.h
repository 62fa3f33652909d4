/*
 * asking.h - a shard's questions to a resolver, and what it keeps of the answers.
 *
 * An answer serves within its TTL (MX-17), whoever keeps it: libunbound's cache in the resolver's
 * thread, or the asker. Failures are asked for anew, and may be remembered there (DNS-09).
 */
#ifndef MXWARD_DNS_ASKING_H
#define MXWARD_DNS_ASKING_H

#include "engine/dns/kept.h"
#include "engine/dns/resolver.h"

/* The question is filled in. It comes home as a message, with its answer, from the resolver's
 * thread or from the asker's own. `kept` NULL: nothing is. */
void dns_ask(struct mailbox *mine, struct kept_answers *kept, uint16_t resolver,
             struct dns_question *question);
/* It is home: what may be kept of the answer is, if it was not kept already. */
void dns_told(const struct mailbox *mine, struct kept_answers *kept,
              const struct dns_question *question);

#endif
