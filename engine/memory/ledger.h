/*
 * ledger.h - the rules of the TLS memory: MEM-01..09, PIT-08..12. Pure: no clock, no database.
 *
 *   entry + observation ─► entry, and what happened
 *
 * An entry is what is remembered of one mail domain or one mail host. Observations come from
 * verdicts, deliveries and administrators. Raising needs a completed, validated handshake; lowering
 * needs an authenticated statement, an administrator, or long disuse without contradiction.
 */
#ifndef MXWARD_MEMORY_LEDGER_H
#define MXWARD_MEMORY_LEDGER_H

#include "shm/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ledger_kind { LEDGER_DOMAIN, LEDGER_HOST };

enum {
    LEDGER_PENDING = 1 << 0,    /* contradicted: in the review queue until an administrator decides,
                                   or until it is met again (MEM-05) */
    LEDGER_UNREADABLE = 1 << 1, /* was broken when read (MEM-08) */
    LEDGER_IMPORTED = 1 << 2,
};

/* All times are wall clock seconds since 1970; 0: never. A zeroed entry remembers nothing. */
struct ledger_entry {
    uint8_t kind;  /* enum ledger_kind */
    uint8_t level; /* enum level: NONE, ENCRYPT or AUTHENTICATED; others by an administrator only */
    uint8_t proof; /* enum proof of `level` */
    uint8_t flags;
    uint8_t contradiction; /* enum cause */
    uint8_t rule, rule_level;
    uint32_t epoch; /* grows with each lowering: the higher wins whole when ledgers are merged */
    uint32_t handshakes; /* spaced sightings counted for MEM-02; saturates */
    int64_t first_seen_s, last_seen_s;
    int64_t sighting_s;       /* the last handshake counted */
    int64_t contradicted_s;   /* since when; 0: not */
    int64_t insecure_since_s; /* the zone is proved to be no longer signed (MEM-06) */
    int64_t rule_until_s;     /* 0: without end */
};

/* What was seen, or said. */
enum observation_kind {
    OBSERVED_NOTHING,          /* inconclusive, ours: changes nothing, ever (law 2) */
    OBSERVED_HANDSHAKES,       /* every host that may get mail (a host: it) did TLS >= 1.2 */
    OBSERVED_DANE,             /* signed MX, usable TLSA, seen to be met */
    OBSERVED_STS,              /* a policy in force, seen to be met */
    OBSERVED_BELOW,            /* definite, and no TLS >= 1.2: `cause` says how */
    OBSERVED_TLSA_DENIED,      /* signed MX, absence of TLSA proved at a host; with handshakes */
    OBSERVED_ZONE_INSECURE,    /* validly insecure, was signed: proved by the parent (MEM-06) */
    OBSERVED_STS_NONE,         /* `mode: none`, fetched with a valid certificate (MEM-04) */
    OBSERVED_KIND_COUNT
};
struct observation {
    enum observation_kind kind;
    bool handshakes; /* besides: TLS >= 1.2 was completed */
    enum cause cause;
    int64_t at_s;
};

enum ledger_event {
    LEDGER_UNCHANGED,    /* nothing to write */
    LEDGER_CONFIRMED,    /* to be written now and then: only times changed */
    LEDGER_WAITING,      /* a first sighting; a second, later one raises */
    LEDGER_RAISED,
    LEDGER_CONTRADICTED, /* newly: alarm, review queue */
    LEDGER_MET_AGAIN,    /* a contradiction ended */
    LEDGER_LOWERED,      /* durable and audited before anybody acts on it */
    LEDGER_EXPIRED,      /* long disuse without contradiction */
    LEDGER_EVENT_COUNT
};

struct ledger_settings {
    int64_t sightings_apart_s; /* MEM-02: 24 h */
    int64_t cool_down_s;       /* MEM-06: 24 h, the longest TTL believed */
    int64_t disuse_s;          /* MEM-05: 1 year */
    int64_t give_way_s; /* lower plain `encrypt` after so long of consistent absence; 0: never */
    uint32_t per_registrable; /* learned entries of one registrable domain */
};
extern const struct ledger_settings ledger_standard;

/* Changes `entry` in place. `reason` (NULL or 128 bytes) gets the sentence for log and audit. */
enum ledger_event ledger_observe(struct ledger_entry *entry, const struct observation *observation,
                                 const struct ledger_settings *settings, char *reason,
                                 size_t reason_size);
/* At look-up, without an observation: what time alone changes (disuse, rules that ran out). */
enum ledger_event ledger_age(struct ledger_entry *entry, int64_t now_s,
                             const struct ledger_settings *settings);

/* An administrator: sets the level (also lower), ends the contradiction, starts a new epoch. */
enum ledger_event ledger_set(struct ledger_entry *entry, enum level level, int64_t now_s);
void ledger_rule(struct ledger_entry *entry, enum rule rule, enum level level, int64_t until_s);

/* Two ledgers' entries of one name, by maximum: commutative, associative, idempotent. */
void ledger_merge(struct ledger_entry *entry, const struct ledger_entry *other);

/* What a reader of the table gets. `hosts`: the remembered entries of the hosts of the route that
 * may get mail (NULL: nothing remembered of it), and whether each is seen below now. */
void ledger_floor(struct floor *floor, const struct ledger_entry *domain);
enum level ledger_hosts_level(const struct ledger_entry *const *hosts, const bool *below,
                              unsigned count);

/* The observation that a verdict amounts to, for its domain; and what it says of each host is
 * made by policy (engine/remember). */
const char *ledger_event_name(enum ledger_event event);
const char *proof_name(enum proof proof);
const char *rule_name(enum rule rule);

#endif
