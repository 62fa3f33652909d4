/*
 * politeness.c - budgets and back-off of each address and of its /24 or /48, in one bounded table.
 *
 * Called by one shard before and after each probe; times come from the caller. An address and its
 * prefix are two entries of the same kind, and a probe needs the permission of both.
 *
 * Rate: one number an entry, the time at which its bucket would be full again (GCRA, the virtual
 * scheduling form of ITU-T I.371): a probe may start if that lies at most burst - 1 intervals
 * ahead, and moves it one interval on.
 *
 * Back-off: a rate signal (politeness_is_rate_signal) forbids probes for back_off_ms, doubled with
 * each signal that a probe begun after the last one brings, up to back_off_max_ms. A signal from a
 * probe that was under way already says nothing new. A prefix backs off when a second address of it
 * signals while the first one still backs off: one over-loaded customer of a hosting provider is
 * not the provider. Doubling is taken back by one for each probe that went well, and for each span
 * of the last back-off's length in which nothing was heard.
 *
 * Memory: entries come from a pool of fixed size. Those that hold a connection or a doubling are on
 * one list, all others on a second one in the order of their last use. The oldest quiet entry is
 * forgotten first (at most its bucket is lost); then a held one whose back-off is over; never one
 * with a connection or an active back-off: then the answer is "later".
 *
 * Weakness: LATER is an estimate for one asker; if many wait for one prefix all are told the same
 * time and the first to ask again wins.
 */
#include "engine/schedule/politeness.h"

#include "engine/base/check.h"
#include "engine/base/container.h"
#include "engine/base/keymap.h"
#include "engine/loop/pool.h"
#include "engine/names/places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MINUTE_US         UINT64_C(60000000)
#define LOOKS_MAX         64   /* held entries looked at to find one that may be forgotten */
#define NO_ROOM_MS        1000 /* the table is full of what must not be forgotten: ask again then */
#define DURATION_FIRST_MS 1500 /* of a connection, before any was seen */
#define DURATION_MAX_MS   60000
#define DOUBLINGS_MAX     30
#define ESTIMATE_LEAST_MS 10

struct entry {
    struct keymap_link link;
    TAILQ_ENTRY(entry) order; /* in `quiet` or `held` */
    struct address address;   /* of a prefix: host bits zero */
    bool is_prefix;
    bool on_held;
    uint8_t doublings;     /* 0: no rate signal is remembered */
    uint16_t open;         /* connections now */
    uint64_t full_us;      /* when the bucket is full again */
    uint64_t signalled_ms; /* the last rate signal that counted */
    uint64_t back_off_until_ms;
    uint64_t signaller; /* of a prefix: hash of the last address that signalled */
};

TAILQ_HEAD(entries, entry);

struct politeness {
    struct politeness_settings settings; /* its opt_out list is not used: see opt_out */
    struct places *opt_out;
    struct pool *pool;
    struct keymap index;
    struct entries quiet; /* no connection, no doubling; least recently used first */
    struct entries held;
    uint64_t duration_ms; /* of a connection, moving average */
};

/* --- settings --- */

#define DAY_MS UINT64_C(86400000)

static const struct option_row politeness_rows[] = {
    {.name = "per_address",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct politeness_settings, per_address),
     .minimum = 1,
     .maximum = 1000,
     .standard = "2",
     .help = "Connections at once to one address.",
     .live = true},
    {.name = "per_prefix",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct politeness_settings, per_prefix),
     .minimum = 1,
     .maximum = 10000,
     .standard = "20",
     .help = "Connections at once to all addresses of one IPv4 /24 or IPv6 /48.",
     .live = true},
    {.name = "rate_address",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct politeness_settings, rate_address),
     .maximum = 1000000,
     .standard = "60",
     .help = "Connections a minute to one address, on average. 0 means no limit, for a lab.",
     .live = true},
    {.name = "burst_address",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct politeness_settings, burst_address),
     .minimum = 1,
     .maximum = 100000,
     .standard = "10",
     .help = "Connections to one address that may follow each other at once after a pause.",
     .live = true},
    {.name = "rate_prefix",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct politeness_settings, rate_prefix),
     .maximum = 1000000,
     .standard = "600",
     .help = "Connections a minute to one IPv4 /24 or IPv6 /48, on average. 0 means no limit, for "
             "a lab.",
     .live = true},
    {.name = "burst_prefix",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct politeness_settings, burst_prefix),
     .minimum = 1,
     .maximum = 100000,
     .standard = "60",
     .help = "Connections to one /24 or /48 that may follow each other at once after a pause.",
     .live = true},
    {.name = "back_off",
     .type = OPTION_DURATION,
     .offset = offsetof(struct politeness_settings, back_off_ms),
     .minimum = 1,
     .maximum = DAY_MS,
     .standard = "1m",
     .help = "How long an address is left alone after it said that we come too often (421, 450, "
             "4.7.x). Doubled each time it says so again.",
     .live = true},
    {.name = "back_off_max",
     .type = OPTION_DURATION,
     .offset = offsetof(struct politeness_settings, back_off_max_ms),
     .minimum = 1,
     .maximum = 7 * DAY_MS,
     .standard = "4h",
     .help = "The longest time an address is left alone. Not less than back_off.",
     .live = true},
    {.name = "opt_out",
     .type = OPTION_LIST,
     .offset = offsetof(struct politeness_settings, opt_out),
     .help =
         "Who asked not to be probed: prefixes (192.0.2.0/24, 2001:db8::/48), addresses, and mail "
         "host names with all below them (example.org). A host is meant by each of its names: the "
         "one in the MX record, and every alias from there on. Domains of recipients are not.",
     .live = true},
};

const struct option_module politeness_option_module = {
    .section = "politeness",
    .help = "How often, and how many at once, mail hosts are probed.",
    .rows = politeness_rows,
    .row_count = sizeof politeness_rows / sizeof *politeness_rows,
};

struct budget {
    uint64_t connections, rate, burst;
};

static struct budget budget_of(const struct politeness *politeness, const struct entry *entry)
{
    const struct politeness_settings *s = &politeness->settings;

    if (entry->is_prefix)
        return (struct budget){s->per_prefix, s->rate_prefix, s->burst_prefix};
    return (struct budget){s->per_address, s->rate_address, s->burst_address};
}

/* --- create, reload --- */

/* What can be wrong with the settings is found here, and nowhere else. */
static int read_settings(struct places **opt_out, const struct politeness_settings *settings,
                         char *why, size_t why_size)
{
    if (settings->back_off_max_ms < settings->back_off_ms) {
        snprintf(why, why_size, "politeness.back_off_max is less than politeness.back_off");
        return -EINVAL;
    }
    return places_create(opt_out, &settings->opt_out, "politeness.opt_out", why, why_size);
}

int politeness_judge(const struct politeness_settings *settings, char *why, size_t why_size)
{
    struct places *opt_out;
    int error = read_settings(&opt_out, settings, why, why_size);

    if (error == 0)
        places_destroy(opt_out);
    return error;
}

int politeness_reload(struct politeness *politeness, const struct politeness_settings *settings,
                      char *why, size_t why_size)
{
    struct places *opt_out;
    int error = read_settings(&opt_out, settings, why, why_size);

    if (error != 0)
        return error;
    places_destroy(politeness->opt_out);
    politeness->opt_out = opt_out;
    politeness->settings = *settings;
    politeness->settings.opt_out = (struct option_list){0}; /* the configuration's, not kept */
    return 0;
}

int politeness_create(struct politeness **out, const struct politeness_settings *settings,
                      uint32_t addresses_max, char *why, size_t why_size)
{
    struct politeness *politeness = calloc(1, sizeof *politeness);
    uint32_t entries = addresses_max < 2 ? 2 : addresses_max; /* an address and its prefix */

    if (politeness == NULL)
        return -ENOMEM;
    TAILQ_INIT(&politeness->quiet);
    TAILQ_INIT(&politeness->held);
    politeness->duration_ms = DURATION_FIRST_MS;
    int error = politeness_reload(politeness, settings, why, why_size);
    if (error == 0)
        error = pool_create(&politeness->pool, "politeness", sizeof(struct entry), entries);
    if (error == 0)
        error = keymap_create(&politeness->index, entries);
    if (error != 0) {
        politeness_destroy(politeness);
        return error;
    }
    *out = politeness;
    return 0;
}

void politeness_destroy(struct politeness *politeness)
{
    if (politeness == NULL)
        return;
    if (politeness->index.buckets != NULL)
        keymap_destroy(&politeness->index);
    pool_destroy(politeness->pool);
    places_destroy(politeness->opt_out);
    free(politeness);
}

uint32_t politeness_tracked(const struct politeness *politeness)
{
    return pool_used(politeness->pool);
}

/* --- the table --- */

static uint64_t key_hash(const struct address *address, bool is_prefix)
{
    return address_hash(address) + is_prefix; /* x.y.z.0 is not x.y.z.0/24 */
}

static struct entry *find(const struct politeness *politeness, const struct address *address,
                          bool is_prefix)
{
    struct keymap_link *link = keymap_first(&politeness->index, key_hash(address, is_prefix));

    for (; link != NULL; link = keymap_next(link)) {
        struct entry *entry = container_of(link, struct entry, link);
        if (entry->is_prefix == is_prefix && address_equal(&entry->address, address))
            return entry;
    }
    return NULL;
}

static void unlist(struct politeness *politeness, struct entry *entry)
{
    TAILQ_REMOVE(entry->on_held ? &politeness->held : &politeness->quiet, entry, order);
}

/* Puts the entry to the young end of the list where it belongs now. */
static void list(struct politeness *politeness, struct entry *entry)
{
    entry->on_held = entry->open > 0 || entry->doublings > 0;
    TAILQ_INSERT_TAIL(entry->on_held ? &politeness->held : &politeness->quiet, entry, order);
}

static void relist(struct politeness *politeness, struct entry *entry)
{
    unlist(politeness, entry);
    list(politeness, entry);
}

static void forget(struct politeness *politeness, struct entry *entry)
{
    unlist(politeness, entry);
    keymap_remove(&politeness->index, &entry->link);
    pool_give(politeness->pool, entry);
}

/* Frees one entry, but not `keep`. False: all hold connections or active back-offs. */
static bool make_room(struct politeness *politeness, const struct entry *keep, uint64_t now_ms)
{
    struct entry *entry = TAILQ_FIRST(&politeness->quiet);

    if (entry != NULL && entry == keep)
        entry = TAILQ_NEXT(entry, order);
    if (entry != NULL) {
        forget(politeness, entry);
        return true;
    }
    for (unsigned looks = 0; looks < LOOKS_MAX; looks++) {
        entry = TAILQ_FIRST(&politeness->held);
        if (entry == NULL)
            return false;
        if (entry != keep && entry->open == 0 && entry->back_off_until_ms <= now_ms) {
            forget(politeness, entry);
            return true;
        }
        relist(politeness, entry); /* the next search begins behind it */
    }
    return false;
}

static struct entry *find_or_add(struct politeness *politeness, const struct address *address,
                                 bool is_prefix, const struct entry *keep, uint64_t now_ms)
{
    struct entry *entry = find(politeness, address, is_prefix);

    if (entry != NULL)
        return entry;
    entry = pool_take(politeness->pool);
    if (entry == NULL) {
        if (!make_room(politeness, keep, now_ms))
            return NULL;
        entry = pool_take(politeness->pool);
        CHECK(entry != NULL);
    }
    entry->address = *address;
    entry->is_prefix = is_prefix;
    keymap_add(&politeness->index, &entry->link, key_hash(address, is_prefix));
    list(politeness, entry);
    return entry;
}

/* --- back-off --- */

static uint64_t back_off_of(const struct politeness *politeness, unsigned doublings)
{
    const struct politeness_settings *s = &politeness->settings;
    uint64_t most = s->back_off_max_ms, span = s->back_off_ms;

    for (unsigned i = 0; i < doublings && span < most; i++)
        span *= 2;
    return span < most ? span : most;
}

/* Takes back doublings for the time in which nothing was heard. */
static void decay(const struct politeness *politeness, struct entry *entry, uint64_t now_ms)
{
    uint64_t since_ms = entry->back_off_until_ms;

    while (entry->doublings > 0) {
        since_ms += back_off_of(politeness, entry->doublings - 1u);
        if (since_ms > now_ms)
            return;
        entry->doublings--;
        /* What is left of the silence counts for the next. */
        entry->back_off_until_ms = since_ms;
    }
}

/* A rate signal from a probe begun at began_ms. Returns whether it was news. */
static bool back_off(const struct politeness *politeness, struct entry *entry, uint64_t began_ms,
                     uint64_t now_ms)
{
    decay(politeness, entry, now_ms);
    if (entry->signalled_ms > 0 && began_ms < entry->signalled_ms)
        return false;
    uint64_t until_ms = now_ms + back_off_of(politeness, entry->doublings);
    if (entry->doublings < DOUBLINGS_MAX)
        entry->doublings++;
    if (until_ms > entry->back_off_until_ms)
        entry->back_off_until_ms = until_ms;
    entry->signalled_ms = now_ms;
    return true;
}

static void signalled(const struct politeness *politeness, struct entry *address,
                      struct entry *prefix, uint64_t began_ms, uint64_t now_ms)
{
    uint64_t who = address_hash(&address->address);
    bool other_backs_off = prefix->signaller != 0 && prefix->signaller != who &&
                           prefix->signalled_ms + politeness->settings.back_off_ms > now_ms;

    if (!back_off(politeness, address, began_ms, now_ms))
        return;
    if (other_backs_off)
        (void)back_off(politeness, prefix, now_ms, now_ms);
    prefix->signaller = who;
    prefix->signalled_ms = now_ms;
}

static void healed(struct entry *entry, uint64_t began_ms)
{
    if (entry->doublings > 0 && began_ms >= entry->signalled_ms)
        entry->doublings--;
}

/* --- who asked not to be probed --- */

bool politeness_opted_out(const struct politeness *politeness, const struct endpoint_key *key,
                          const struct dns_answer *found)
{
    const struct places *opt_out = politeness->opt_out;

    if (places_has_address(opt_out, &key->address) || places_has_name(opt_out, &key->server_name))
        return true;
    if (found == NULL)
        return false;
    if (places_has_name(opt_out, &found->owner) || places_has_name(opt_out, &found->canonical))
        return true;
    for (unsigned i = 0; i < dns_hop_count(found); i++)
        if (places_has_name(opt_out, &found->hops[i]))
            return true;
    return false;
}

/* --- budgets --- */

static uint64_t interval_us(const struct budget *budget)
{
    return budget->rate == 0 ? 0 : MINUTE_US / budget->rate;
}

/* When this entry allows a connection beside `open` others; now_ms or earlier: now. */
static uint64_t allows_at_ms(const struct politeness *politeness, const struct entry *entry,
                             unsigned open, uint64_t now_ms)
{
    struct budget budget = budget_of(politeness, entry);
    uint64_t tolerance_us = (budget.burst - 1) * interval_us(&budget), at_ms = 0;

    if (entry->full_us > tolerance_us)
        at_ms = (entry->full_us - tolerance_us + 999) / 1000;
    if (entry->back_off_until_ms > at_ms)
        at_ms = entry->back_off_until_ms;
    if (open >= budget.connections) {
        /* One of them ends in about this time. */
        uint64_t next_ms = politeness->duration_ms / open;
        next_ms = now_ms + (next_ms < ESTIMATE_LEAST_MS ? ESTIMATE_LEAST_MS : next_ms);
        at_ms = next_ms > at_ms ? next_ms : at_ms;
    }
    return at_ms;
}

static void take_rate(const struct politeness *politeness, struct entry *entry, uint64_t now_ms)
{
    struct budget budget = budget_of(politeness, entry);
    uint64_t now_us = now_ms * 1000;

    if (entry->full_us < now_us)
        entry->full_us = now_us;
    entry->full_us += interval_us(&budget);
}

static void take(struct politeness *politeness, struct entry *entry, uint64_t now_ms)
{
    take_rate(politeness, entry, now_ms);
    CHECK(entry->open < UINT16_MAX);
    entry->open++;
    relist(politeness, entry);
}

enum permission politeness_begin(struct politeness *politeness, const struct address *address,
                                 uint64_t now_ms, uint64_t *at_ms)
{
    struct address prefix_key = address_prefix(address);

    struct entry *prefix = find_or_add(politeness, &prefix_key, true, NULL, now_ms);
    struct entry *entry =
        prefix == NULL ? NULL : find_or_add(politeness, address, false, prefix, now_ms);
    if (entry == NULL) {
        *at_ms = now_ms + NO_ROOM_MS;
        return PERMIT_LATER;
    }
    decay(politeness, prefix, now_ms);
    decay(politeness, entry, now_ms);
    uint64_t first_ms = allows_at_ms(politeness, entry, entry->open, now_ms);
    uint64_t second_ms = allows_at_ms(politeness, prefix, prefix->open, now_ms);
    if (first_ms > now_ms || second_ms > now_ms) {
        *at_ms = first_ms > second_ms ? first_ms : second_ms;
        relist(politeness, prefix);
        relist(politeness, entry);
        return PERMIT_LATER;
    }
    take(politeness, prefix, now_ms);
    take(politeness, entry, now_ms);
    return PERMIT_NOW;
}

bool politeness_again(struct politeness *politeness, const struct address *address, uint64_t now_ms)
{
    struct address prefix_key = address_prefix(address);
    struct entry *prefix = find(politeness, &prefix_key, true);
    struct entry *entry = find(politeness, address, false);

    /* Who has a connection is never forgotten. */
    CHECK(prefix != NULL && entry != NULL && prefix->open > 0 && entry->open > 0);
    if (allows_at_ms(politeness, entry, entry->open - 1u, now_ms) > now_ms ||
        allows_at_ms(politeness, prefix, prefix->open - 1u, now_ms) > now_ms)
        return false;
    take_rate(politeness, entry, now_ms);
    take_rate(politeness, prefix, now_ms);
    return true;
}

static void learn_duration(struct politeness *politeness, const struct evidence *evidence)
{
    uint64_t lasted_ms = evidence->ended_ms - evidence->began_ms;

    if (evidence->ended_ms >= evidence->began_ms && lasted_ms <= DURATION_MAX_MS)
        politeness->duration_ms = (politeness->duration_ms * 7 + lasted_ms) / 8;
}

/* The peer served us: it is not annoyed. */
static bool heals(const struct evidence *evidence)
{
    enum outcome_says says = outcome_says(evidence->outcome);

    return says != SAYS_INCONCLUSIVE && says != SAYS_OURS;
}

void politeness_ended(struct politeness *politeness, const struct address *address,
                      const struct evidence *evidence, uint64_t now_ms)
{
    struct address prefix_key = address_prefix(address);
    struct entry *prefix = find(politeness, &prefix_key, true);
    struct entry *entry = find(politeness, address, false);

    /* Who has a connection is never forgotten. */
    CHECK(prefix != NULL && entry != NULL && prefix->open > 0 && entry->open > 0);
    prefix->open--;
    entry->open--;
    if (evidence != NULL) {
        learn_duration(politeness, evidence);
        if (politeness_is_rate_signal(evidence)) {
            signalled(politeness, entry, prefix, evidence->began_ms, now_ms);
        } else if (heals(evidence)) {
            healed(entry, evidence->began_ms);
            healed(prefix, evidence->began_ms);
        }
    }
    relist(politeness, prefix);
    relist(politeness, entry);
}

uint64_t politeness_backed_off_until(const struct politeness *politeness,
                                     const struct address *address)
{
    struct address prefix_key = address_prefix(address);
    const struct entry *prefix = find(politeness, &prefix_key, true);
    const struct entry *entry = find(politeness, address, false);
    uint64_t first_ms = entry != NULL ? entry->back_off_until_ms : 0;
    uint64_t second_ms = prefix != NULL ? prefix->back_off_until_ms : 0;

    return first_ms > second_ms ? first_ms : second_ms;
}

/* --- rate signals --- */

/* Words of replies that mean "you come too often", seen with 4xx and 5xx codes alike. Lower case.
 */
static const char *const complaints[] = {
    "too many",  "rate limit", "rate-limit",   "ratelimit", "throttl",
    "slow down", "too fast",   "too frequent", "frequency", "exceeded",
};

/* ASCII only: strcasestr follows the locale. */
static bool begins_with(const char *text, const char *lower_case)
{
    for (; *lower_case != '\0'; text++, lower_case++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text + ('a' - 'A')) : *text;
        if (c != *lower_case)
            return false;
    }
    return true;
}

static bool complains(const char *text)
{
    for (; *text != '\0'; text++)
        for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
            if (begins_with(text, complaints[i]))
                return true;
    return false;
}

bool politeness_is_rate_signal(const struct evidence *evidence)
{
    uint16_t code = evidence->smtp_code;

    if (evidence->outcome == OUTCOME_RATE_LIMITED || evidence->naming == NAMING_SLOWED)
        return true;
    if (outcome_says(evidence->outcome) == SAYS_OURS || code < 400 || code > 599)
        return false;
    if (code == 421 || code == 450)
        return true;
    if (complains(evidence->smtp_text))
        return true;
    /* RFC 3463 X.7.x: policy. But RFC 3207 section 4 itself writes "454 4.7.0 TLS not available",
     * which is about TLS and not about us. */
    return code < 500 && code != 454 && strncmp(evidence->smtp_text, "4.7.", 4) == 0;
}
