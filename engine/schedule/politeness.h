/*
 * politeness.h - may a probe start now? Per address and per prefix, one shard, no I/O, no clock of
 * its own.
 *
 * Budgets: connections at once to an address and to its /24 or /48; a token bucket of connections
 * per address and per prefix; back-off after 421/450 and other rate signals (doubling, bounded,
 * decaying). The answer is "now" or "at" a time; a live request whose deadline lies before that
 * time is answered LIMITED by the caller. Beside them an opt-out list of prefixes and names:
 * budgets are of an address, but opting out is a matter of the names that led to it, so it is asked
 * for each request, and first.
 */
#ifndef MXWARD_SCHEDULE_POLITENESS_H
#define MXWARD_SCHEDULE_POLITENESS_H

#include "engine/base/option.h"
#include "engine/facts/evidence.h"

struct politeness_settings {
    uint64_t per_address, per_prefix;   /* connections at once */
    uint64_t rate_address, rate_prefix; /* connections per minute */
    uint64_t burst_address, burst_prefix;
    uint64_t back_off_ms, back_off_max_ms;
    struct option_list opt_out; /* "192.0.2.0/24", "2001:db8::/48", "example.org" (and below) */
};
extern const struct option_module politeness_option_module; /* section "politeness" */

enum permission { PERMIT_NOW, PERMIT_LATER };

struct politeness;

int politeness_create(struct politeness **politeness, const struct politeness_settings *settings,
                      uint32_t addresses_max, char *why, size_t why_size);
/* 0; -EINVAL or -ENOMEM with a sentence that begins with the setting: what create and reload say.
 */
int politeness_judge(const struct politeness_settings *settings, char *why, size_t why_size);
void politeness_destroy(struct politeness *politeness);
int politeness_reload(struct politeness *politeness, const struct politeness_settings *settings,
                      char *why, size_t why_size);

/* True: this endpoint must not be probed for whoever came to its address by `found` (A or AAAA;
 * NULL: no name did). Any of its names is enough: the host's own as in the MX record, each alias on
 * the way, the one at the end; and the name that would be sent. */
bool politeness_opted_out(const struct politeness *politeness, const struct endpoint_key *key,
                          const struct dns_answer *found);
/* PERMIT_NOW takes the budget: politeness_ended must follow. PERMIT_LATER: *at_ms says when to ask
 * again (an estimate when connections must end first). */
enum permission politeness_begin(struct politeness *politeness, const struct address *address,
                                 uint64_t now_ms, uint64_t *at_ms);
/* One more connection of a probe that was begun, now that its first one is closed: it takes the
 * place of that, and the rate of another. False: it must not be made. */
bool politeness_again(struct politeness *politeness, const struct address *address,
                      uint64_t now_ms);
/* The connection is closed. Evidence teaches: rate signals back off, success heals. NULL: neither.
 */
void politeness_ended(struct politeness *politeness, const struct address *address,
                      const struct evidence *evidence, uint64_t now_ms);
/* True if the outcome means "slow down" (421, 450, 4.7.x texts, RATE_LIMITED). Pure. */
bool politeness_is_rate_signal(const struct evidence *evidence);
uint32_t politeness_tracked(const struct politeness *politeness);
/* For tests and `status`: when a back-off of the address or its prefix ends (0 or past: none). */
uint64_t politeness_backed_off_until(const struct politeness *politeness,
                                     const struct address *address);

#endif
