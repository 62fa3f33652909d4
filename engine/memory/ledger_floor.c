/*
 * ledger_floor.c - what the memory demands, as readers of the table get it, and its words (see
 * ledger.h). Pure.
 */
#include "engine/memory/ledger.h"

#include "engine/base/clock.h"

#include <assert.h>
#include <string.h>

static_assert(RULE_CLOCK_FIRST_S == LIMIT_CLOCK_FIRST_S && RULE_CLOCK_LAST_S == LIMIT_CLOCK_LAST_S,
              "daemon and library believe the same clocks");

/* A table's times have 32 bits, which end in 2106. */
static uint32_t seconds_of(int64_t time_s)
{
    return time_s > UINT32_MAX ? UINT32_MAX : (uint32_t)time_s;
}

void ledger_floor(struct floor *floor, const struct ledger_entry *entry)
{
    memset(floor, 0, sizeof *floor); /* also what lies between the fields */
    floor->level = (uint8_t)ledger_level(entry);
    floor->proof = (uint8_t)ledger_proof(entry);
    if (ledger_is_pending(entry))
        floor->flags |= FLOOR_CONTRADICTED;
    if ((entry->flags & LEDGER_UNREADABLE) != 0)
        floor->flags |= FLOOR_UNREADABLE;
    if ((entry->flags & LEDGER_OBSERVE) != 0)
        floor->flags |= FLOOR_OBSERVE;
    floor->rule = entry->rule;
    floor->rule_level = entry->rule_level;
    floor->rule_until_s = seconds_of(entry->rule_until_s);
    floor->contradicted_at_s = seconds_of(entry->contradicted_s);
    floor->seen_at_s = seconds_of(entry->last_seen_s);
}

/* An exemption that may have run out, for all that the clock says, is none. */
static bool exempt(const struct floor *floor, int64_t now_s)
{
    return floor->rule == RULE_EXEMPT &&
           (floor->rule_until_s == 0 || (clock_is_sane(now_s) && now_s < floor->rule_until_s));
}

static bool is_demanding(const struct floor *floor, int64_t now_s)
{
    if (floor == NULL || exempt(floor, now_s))
        return false;
    return floor->level >= LEVEL_ENCRYPT ||
           (floor->rule == RULE_PIN && floor->rule_level >= LEVEL_ENCRYPT);
}

/* What is known of the host now; what was seen last holds until something else is seen. */
static bool is_contradicted(const struct ledger_host *host)
{
    return host->now == HOST_BELOW ||
           (host->now == HOST_UNSEEN && (host->floor->flags & FLOOR_CONTRADICTED) != 0);
}

/*
 *   hosts that may get mail                              demanded of the whole
 *   none is remembered                                   nothing
 *   a remembered one is seen below, or was last          encrypt: a drop stops the mail (S10)
 *   remembered ones, and one seen without TLS that was   nothing: it never could, and gets what it
 *     never remembered                                     always got (S11), the others too
 *   remembered ones, and others that nobody saw          encrypt: unknown never lowers (law 2)
 *
 * `encrypt` at most: that a host authenticates itself says nothing about the domain (PIT-05).
 */
enum level ledger_hosts_level(const struct ledger_host *hosts, unsigned count, int64_t now_s)
{
    bool remembered = false, contradicted = false, never_could = false;

    for (unsigned i = 0; i < count; i++) {
        if (hosts[i].now == HOST_NONE)
            continue;
        if (is_demanding(hosts[i].floor, now_s)) {
            remembered = true;
            contradicted |= is_contradicted(&hosts[i]);
        } else {
            never_could |= hosts[i].now == HOST_BELOW;
        }
    }
    return contradicted || (remembered && !never_could) ? LEVEL_ENCRYPT : LEVEL_NONE;
}

/* --- words --- */

const char *ledger_event_name(enum ledger_event event)
{
    static const char *const names[LEDGER_EVENT_COUNT] = {
        [LEDGER_UNCHANGED] = "unchanged", [LEDGER_CONFIRMED] = "confirmed",
        [LEDGER_WAITING] = "waiting",     [LEDGER_DISMISSED] = "dismissed",
        [LEDGER_RAISED] = "raised",       [LEDGER_CONTRADICTED] = "contradicted",
        [LEDGER_MET_AGAIN] = "met-again", [LEDGER_LOWERED] = "lowered",
        [LEDGER_EXPIRED] = "expired",     [LEDGER_RULE_OVER] = "rule-over",
    };

    return (unsigned)event < LEDGER_EVENT_COUNT ? names[event] : "?";
}

const char *proof_name(enum proof proof)
{
    static const char *const names[PROOF_COUNT] = {
        [PROOF_NONE] = "none", [PROOF_HANDSHAKES] = "handshakes",       [PROOF_DANE] = "dane",
        [PROOF_STS] = "sts",   [PROOF_ADMINISTRATOR] = "administrator",
    };

    return (unsigned)proof < PROOF_COUNT ? names[proof] : "?";
}

const char *rule_name(enum rule rule)
{
    static const char *const names[RULE_COUNT] = {[RULE_NONE] = "none",
                                                  [RULE_PIN] = "pin",
                                                  [RULE_EXEMPT] = "exempt",
                                                  [RULE_REFUSE] = "refuse"};

    return (unsigned)rule < RULE_COUNT ? names[rule] : "?";
}
