/*
 * ledger.h - the rules of the TLS memory: MEM-01..09, PIT-08..12, FRESH-05. Pure: no clock, no
 * database; any thread.
 *
 *   entry + observation ─► entry, and what happened
 *
 * An entry is what is remembered of one mail domain or one mail host. It is a set of proofs, each
 * of which demands a level until the one thing that takes it back:
 *
 *   proof          demands        gained by                       taken back by
 *   handshakes     encrypt        host: one completed handshake;  an administrator, long disuse,
 *                                 domain: two, spaced (MEM-02)    the option `give_way`; no room
 *   DANE           authenticated  signed MX, usable TLSA, met     signed denial of TLSA; a zone
 *                                                                 proved unsigned for a while
 *   STS            authenticated  a policy in force, met          `mode: none`, validly fetched
 *   administrator  what he says   him                             him
 *
 * The level remembered is the greatest of them. So what takes back one proof never takes what
 * another one demands, and DANE or STS, when they go, leave `encrypt` behind: they were completed
 * handshakes too. Nothing else lowers, neither silence nor absence, however long it lasts (law 2,
 * MEM-05). What is definitely seen to be below what is remembered is a contradiction: mail is held,
 * an administrator is told, and it ends when the level is met again or he decides.
 *
 * A host's entry belongs to the host's name: who moves to other hosts leaves it behind (PIT-10).
 */
#ifndef MXWARD_MEMORY_LEDGER_H
#define MXWARD_MEMORY_LEDGER_H

#include "engine/names/name.h"
#include "shm/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ledger_kind { LEDGER_DOMAIN, LEDGER_HOST, LEDGER_KIND_COUNT };

enum {
    LEDGER_UNREADABLE = 1 << 0, /* was broken when read: TLS required, level unknown (MEM-08) */
    LEDGER_OBSERVE = 1 << 1,    /* an administrator only observes this domain; goes with the rule */
};

/* What was seen to prove something, as bits of ledger_entry.proofs. */
#define LEDGER_PROOF(proof) (1u << (proof))

/*
 * All times are wall clock seconds since 1970; 0: never. A zeroed entry remembers nothing.
 *
 * Two parts are merged apart: what an administrator ruled (rule…, LEDGER_OBSERVE), and all the
 * rest. Each has an epoch, because taking something back must win over those who still have it.
 */
struct ledger_entry {
    uint8_t kind;          /* enum ledger_kind */
    uint8_t proofs;        /* LEDGER_PROOF of HANDSHAKES, DANE, STS */
    uint8_t set_level;     /* enum level, by an administrator; a host's at most ENCRYPT */
    uint8_t flags;         /* LEDGER_… */
    uint8_t contradiction; /* enum cause of the first of `absences` */
    uint8_t rule, rule_level;
    uint32_t epoch;      /* grows with each lowering */
    uint32_t rule_epoch; /* grows with each order about the rule */
    uint32_t handshakes; /* spaced looks that saw TLS (all hosts; with DANE, STS: it) */
    uint32_t absences;   /* spaced looks that contradicted, since contradicted_s */
    int64_t first_seen_s, last_seen_s; /* the first and last of `handshakes` */
    int64_t used_s;                    /* somebody wanted to know; LEDGER_USE_S coarse */
    int64_t lowered_s;                 /* the last lowering */
    int64_t contradicted_s;            /* since when; 0: not. In the review queue (MEM-05) */
    int64_t absence_s;                 /* the last of `absences` */
    int64_t insecure_s;                /* since when the zone is proved unsigned (MEM-06) */
    int64_t rule_until_s;              /* 0: without end */
};

enum level ledger_level(const struct ledger_entry *entry);
/* The strongest of those that demand the level; of equal ones the one that a policy can express. */
enum proof ledger_proof(const struct ledger_entry *entry);
static inline bool ledger_is_pending(const struct ledger_entry *entry)
{
    return entry->contradicted_s != 0;
}
/* Nothing is in it that must be kept. */
bool ledger_is_empty(const struct ledger_entry *entry);
/* False: no history leads to such an entry. For what comes from disk or from other machines. */
bool ledger_is_sound(const struct ledger_entry *entry);
/* What a value reads as that cannot be read (MEM-08). */
void ledger_unreadable(struct ledger_entry *entry, enum ledger_kind kind);

/* --- observations --- */

/* What was seen of TLS, ordered by what it proves. Only definite evidence is anything but NOTHING.
 */
enum observed {
    OBSERVED_NOTHING,    /* inconclusive, stale, ours, a failing policy: nothing (law 2, MEM-09) */
    OBSERVED_BELOW,      /* no TLS >= 1.2 where mail would go: `cause` says how */
    OBSERVED_PARTLY,     /* some host that may get mail does it, another does not */
    OBSERVED_HANDSHAKES, /* every host that may get mail (of a host's entry: it) did it */
    OBSERVED_DANE,       /* signed MX, usable TLSA records, met by a host that was seen */
    OBSERVED_STS,        /* a policy in force, not `testing`, met by a host that was seen */
    OBSERVED_COUNT
};

/* What the owner of the domain stated, each proved by itself, whatever was seen of TLS. */
enum statement {
    STATED_NOTHING,
    STATED_TLSA,        /* behind a signed MX there are signed TLSA records, at one host at least */
    STATED_TLSA_DENIED, /* signed MX, and signed answers deny TLSA at every host (MEM-04) */
    STATED_INSECURE,    /* validly unsigned: the MX, or, behind a signed MX and without TLSA, a
                           host; the parent proves it, bogus is not this (MEM-06) */
    STATED_STS_NONE,    /* `mode: none`, fetched with a valid certificate (MEM-04) */
    STATEMENT_COUNT
};

struct observation {
    enum observed seen;
    enum statement said;
    bool delivered;     /* a delivery, not a look (it saw one address), or a look of before that
                           deliveries have kept good. A sighting, but nothing is contradicted by
                           it, nor does a contradiction end */
    enum level reached; /* with `seen`: the highest that can be had there now */
    enum cause cause;   /* with `seen`: of what was seen */
    int64_t at_s;       /* when it was judged. Not a time that can be: nothing (FRESH-06) */
    int64_t evidence_s; /* of the oldest handshake it rests on: evidence serves for an hour, and one
                           handshake must not count as two */
};
static inline bool observation_is_nothing(const struct observation *observation)
{
    return observation->seen == OBSERVED_NOTHING && observation->said == STATED_NOTHING;
}

/* --- what happens --- */

enum ledger_event {
    LEDGER_UNCHANGED, /* not a bit of the entry changed */
    LEDGER_CONFIRMED, /* only times and counts, or one more proof of the same level */
    LEDGER_WAITING,   /* a first sighting; a second, later one raises */
    LEDGER_DISMISSED, /* a first sighting was disproved, or is too old */
    LEDGER_RAISED,
    LEDGER_CONTRADICTED, /* newly: alarm, review queue */
    LEDGER_MET_AGAIN,    /* a contradiction ended */
    LEDGER_LOWERED,
    LEDGER_EXPIRED,   /* long disuse without contradiction */
    LEDGER_RULE_OVER, /* a rule ran out */
    LEDGER_EVENT_COUNT
};
/* Must be durable, and audited, before anybody acts on it. */
static inline bool ledger_event_lowers(enum ledger_event event)
{
    return event == LEDGER_LOWERED || event == LEDGER_EXPIRED || event == LEDGER_RULE_OVER;
}

#define LEDGER_USE_S   86400 /* how coarse used_s is: one write a day for who is asked about */
#define LEDGER_CLOCK_S 3600  /* a time so far in the future was written by a wrong clock */
#define LEDGER_REASON  128   /* bytes of a reason */
#define LEDGER_TURNS   6     /* an observation has nothing more to say after so many */

struct ledger_settings {
    int64_t sightings_apart_s; /* MEM-02: 24 h; also between two counted looks */
    int64_t cool_down_s;       /* MEM-06: 24 h, the longest TTL believed */
    int64_t disuse_s;          /* MEM-05: 1 year */
    int64_t give_way_s; /* lower plain `encrypt` after so long of consistent absence; 0: never */
    int64_t spare_s;    /* where there is no room: plain `encrypt` that nobody used for so long */
    uint32_t entries;   /* of each kind, in all */
    uint32_t per_registrable; /* learned domains below one registrable domain */
    uint32_t per_suffix;      /* the same below a suffix like co.uk; hosts below one registrable
                                 domain (a large provider has one for each customer) */
};
extern const struct ledger_settings ledger_standard;

/*
 * Changes `entry` in place, one thing at a time: the same observation may have more to say, and
 * says it when it is given again (until UNCHANGED; LEDGER_TURNS times at most). Who gives it once
 * loses nothing but time. Whether the entry is pending can change with LOWERED too.
 *
 * A new entry begins with a zeroed one of its kind, and only while every quota has room.
 * `reason` (NULL or LEDGER_REASON bytes) gets the sentence for log and audit.
 */
enum ledger_event ledger_observe(struct ledger_entry *entry, const struct observation *observation,
                                 const struct ledger_settings *settings, char *reason);

/*
 * What time alone brings, for a sweep now and then: rules run out, what was not used for long is
 * forgotten. `now_s` is a clock that something vouches for, such as a signed answer that validates
 * with it: one that was set forward by years would forget everything. 0, or a time that cannot be:
 * nothing happens. One thing at a time, as above.
 */
enum ledger_event ledger_age(struct ledger_entry *entry, int64_t now_s,
                             const struct ledger_settings *settings, char *reason);
/* Somebody asked about it, whatever comes of the look: blocking the probe must not let it grow old
 * (PIT-03). CONFIRMED: to be written, once a day. */
enum ledger_event ledger_use(struct ledger_entry *entry, int64_t now_s);

/*
 * MEM-07: what may make room for a new entry, where the memory or a quota is full. Who fills it
 * with names of his own loses those first: what demands nothing, and of what demands plain
 * `encrypt`, what nobody used for `spare_s`. Never what is more: what DANE, STS or an administrator
 * said, what is contradicted, ruled or unreadable. So a full memory learns less, and forgets
 * nothing that is used.
 */
enum ledger_worth {
    LEDGER_CHEAP, /* demands nothing: a first sighting, or what was lowered */
    LEDGER_SPARE,
    LEDGER_KEPT,
};
/* `now_s` as ledger_age: of a clock that nothing vouches for (0) nothing is SPARE. */
enum ledger_worth ledger_worth(const struct ledger_entry *entry, int64_t now_s,
                               const struct ledger_settings *settings);
/* The last time that it was used or seen. Of equal worth the oldest goes. */
int64_t ledger_last_use_s(const struct ledger_entry *entry);
/* Of what is not KEPT nothing is left. EXPIRED, or DISMISSED if it demanded nothing. */
enum ledger_event ledger_evict(struct ledger_entry *entry, char *reason);

/*
 * Where a new entry counts. At most two; beginning one needs fewer than `most` entries of its kind
 * at or below `ancestor` in each, or one there that may make room.
 *
 * What is a public suffix, and what somebody's domain, is guessed from its form (ledger.c): there
 * is no list of suffixes here that could be old. A wrong guess bounds what is learned, and lowers
 * nothing: below a suffix that is taken for a domain `per_registrable` names are learned, below a
 * domain that is taken for a suffix `per_suffix`. Either fills a part of `entries`, and what nobody
 * uses any more gives way in it.
 */
struct ledger_quota {
    struct name ancestor;
    uint32_t most;
};
unsigned ledger_quotas(struct ledger_quota quotas[2], enum ledger_kind kind,
                       const struct name *name, const struct ledger_settings *settings);

/* --- the administrator --- */

/* Sets the level exactly, also lower, and ends a contradiction. What was taken back begins a new
 * epoch. Always durable and audited; returns which of RAISED, LOWERED, CONFIRMED it was. */
enum ledger_event ledger_set(struct ledger_entry *entry, enum level level, int64_t now_s);
/* `until_s` 0: without end. RULE_NONE takes the rule back. `level` counts for RULE_PIN only. */
void ledger_rule(struct ledger_entry *entry, enum rule rule, enum level level, int64_t until_s);
void ledger_rule_observe(struct ledger_entry *entry, bool observe);

/*
 * A number that is another one (but for one in four thousand millions) when what an administrator
 * said of this host is. Added up over all hosts it says whether verdicts were made with what he
 * says now: they hold what the floors of their hosts demanded. 0: he said nothing, or it is a
 * domain.
 */
uint32_t ledger_ruling(const struct ledger_entry *entry, const char *name);

/* --- several ledgers --- */

/*
 * Two ledgers' entries of one name and kind. Commutative, associative, idempotent: the order in
 * which nodes hear of each other does not matter. In each part the higher epoch wins whole; in the
 * same epoch what is there at one is there afterwards, the strictest counts, and of two
 * contradictions the one that began last.
 */
void ledger_merge(struct ledger_entry *entry, const struct ledger_entry *other);
/* At start: a raise that was visible in the table (`floor`) before it was durable. True: `entry`
 * has it now. */
bool ledger_take_over(struct ledger_entry *entry, const struct floor *floor);

/* --- what readers of the table get --- */

/* All but hosts_level. Of a host's entry too. */
void ledger_floor(struct floor *floor, const struct ledger_entry *entry);

/* What the hosts of a route, remembered, demand of the whole (S10, S11). */
enum host_now {
    HOST_UNSEEN, /* nothing definite, this time */
    HOST_MEETS,
    HOST_BELOW,
    HOST_NONE, /* proved to be no host: no mail goes there */
};
struct ledger_host {
    const struct floor *floor; /* NULL, or all zero: nothing is remembered of it */
    enum host_now now;
};
enum level ledger_hosts_level(const struct ledger_host *hosts, unsigned count, int64_t now_s);

const char *ledger_event_name(enum ledger_event event);
const char *proof_name(enum proof proof);
const char *rule_name(enum rule rule);

#endif
