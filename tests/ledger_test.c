/*
 * ledger_test.c - claims about the rules of the memory.
 *
 * All entries of a small world times all observations, against a statement of the rules that knows
 * nothing of how ledger.c goes about it (`expected`); the properties that the laws ask for, on the
 * same; the laws of merging, on random histories of several ledgers; and a random history whose
 * whole course is read again after each step to say what must be demanded at least (`demanded`).
 */
#include "engine/memory/ledger.h"

#include "engine/base/limits.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define HOUR         INT64_C(3600)
#define DAY          (24 * HOUR)
#define NOW          (LIMIT_CLOCK_FIRST_S + 1000 * DAY)
#define BIT(proof)   LEDGER_PROOF(proof)

/* A claim made a million times: Check itself writes a message for each assertion, even a true one.
 */
#define claim(condition, ...)          \
    do {                               \
        if (!(condition))              \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)

static const struct ledger_settings *const standard = &ledger_standard;
static struct ledger_settings yielding; /* with the option of MEM-05: after three days */

/* --- pieces --- */

static bool same(const struct ledger_entry *a, const struct ledger_entry *b)
{
    return a->kind == b->kind && a->proofs == b->proofs && a->set_level == b->set_level &&
           a->flags == b->flags && a->contradiction == b->contradiction && a->rule == b->rule &&
           a->rule_level == b->rule_level && a->epoch == b->epoch &&
           a->rule_epoch == b->rule_epoch && a->handshakes == b->handshakes &&
           a->absences == b->absences && a->first_seen_s == b->first_seen_s &&
           a->last_seen_s == b->last_seen_s && a->used_s == b->used_s &&
           a->lowered_s == b->lowered_s && a->contradicted_s == b->contradicted_s &&
           a->absence_s == b->absence_s && a->insecure_s == b->insecure_s &&
           a->rule_until_s == b->rule_until_s;
}

static bool same_rule(const struct ledger_entry *a, const struct ledger_entry *b)
{
    return a->rule == b->rule && a->rule_level == b->rule_level && a->rule_epoch == b->rule_epoch &&
           a->rule_until_s == b->rule_until_s &&
           (a->flags & LEDGER_OBSERVE) == (b->flags & LEDGER_OBSERVE);
}

static const char *text_of(const struct ledger_entry *e)
{
    static char texts[3][400];
    static unsigned which;
    char *text = texts[which++ % 3];

    snprintf(text, sizeof texts[0],
             "{%s proofs %x set %u flags %x cause %u rule %u/%u/%lld epoch %u/%u handshakes %u "
             "absences %u first %lld last %lld used %lld lowered %lld contradicted %lld absence "
             "%lld insecure %lld}",
             e->kind == LEDGER_HOST ? "host" : "domain", e->proofs, e->set_level, e->flags,
             e->contradiction, e->rule, e->rule_level, (long long)e->rule_until_s, e->epoch,
             e->rule_epoch, e->handshakes, e->absences, (long long)e->first_seen_s,
             (long long)e->last_seen_s, (long long)e->used_s, (long long)e->lowered_s,
             (long long)e->contradicted_s, (long long)e->absence_s, (long long)e->insecure_s);
    return text;
}

static const char *observation_text(const struct observation *o)
{
    static char text[128];

    snprintf(text, sizeof text, "(seen %u said %u reached %s, evidence %lld s old)",
             (unsigned)o->seen, (unsigned)o->said, level_name(o->reached),
             (long long)(o->at_s - o->evidence_s));
    return text;
}

/* Until it has nothing more to say; the events as bits. */
static unsigned take(struct ledger_entry *entry, const struct observation *observation,
                     const struct ledger_settings *settings)
{
    unsigned events = 0, turns = 0;

    for (;;) {
        struct ledger_entry before = *entry;
        enum ledger_event event = ledger_observe(entry, observation, settings, NULL);

        claim((event == LEDGER_UNCHANGED) == same(&before, entry), "%s says %s", text_of(entry),
              ledger_event_name(event));
        if (event == LEDGER_UNCHANGED)
            return events;
        events |= 1u << event;
        claim(++turns <= LEDGER_TURNS, "%s does not end", observation_text(observation));
    }
}

static bool had(unsigned events, enum ledger_event event)
{
    return (events >> event & 1) != 0;
}

/* --- the rules, stated again --- */

static bool is_lasting(int64_t since_s, const struct observation *o, int64_t for_s)
{
    return since_s != 0 && o->at_s >= since_s + for_s;
}

static bool counts_apart(int64_t last_s, const struct observation *o, int64_t apart_s)
{
    return o->evidence_s >= LIMIT_CLOCK_FIRST_S && o->evidence_s <= o->at_s &&
           (last_s == 0 || o->evidence_s >= last_s + apart_s);
}

static enum level maximum(enum level a, enum level b)
{
    return a > b ? a : b;
}

static enum level expected_level(const struct ledger_entry *e)
{
    enum level level = (enum level)e->set_level;

    if ((e->proofs & BIT(PROOF_HANDSHAKES)) != 0 || (e->flags & LEDGER_UNREADABLE) != 0)
        level = maximum(level, LEVEL_ENCRYPT);
    if ((e->proofs & (BIT(PROOF_DANE) | BIT(PROOF_STS))) != 0)
        level = LEVEL_AUTHENTICATED;
    return level;
}

static enum level expected_reach(const struct observation *o)
{
    if (o->seen == OBSERVED_DANE || o->seen == OBSERVED_STS)
        return LEVEL_AUTHENTICATED;
    if (o->seen == OBSERVED_HANDSHAKES)
        return maximum(o->reached, LEVEL_ENCRYPT);
    return o->seen == OBSERVED_BELOW && o->reached >= LEVEL_ENCRYPT ? LEVEL_NONE : o->reached;
}

/* Level, proofs and contradiction afterwards. Times are the business of other claims. */
struct expectation {
    bool dane, sts, handshakes, pending, lowered;
    enum level level;
    uint32_t sightings;
};

static bool expect_to_give_way(const struct ledger_entry *e, const struct observation *o,
                               const struct ledger_settings *settings)
{
    unsigned looks =
        e->absences + (unsigned)counts_apart(e->absence_s, o, settings->sightings_apart_s);

    return settings->give_way_s > 0 && e->proofs == BIT(PROOF_HANDSHAKES) &&
           e->set_level == LEVEL_NONE && e->flags == 0 && o->seen != OBSERVED_NOTHING &&
           expected_reach(o) < LEVEL_ENCRYPT &&
           is_lasting(e->contradicted_s, o, settings->give_way_s) && looks >= 4;
}

static struct expectation expected(const struct ledger_entry *e, const struct observation *o,
                                   const struct ledger_settings *settings)
{
    const bool domain = e->kind == LEDGER_DOMAIN;
    const bool tls = o->seen >= OBSERVED_HANDSHAKES, no_tls = !tls && o->seen != OBSERVED_NOTHING;
    const bool waiting = (e->proofs & BIT(PROOF_HANDSHAKES)) == 0;
    struct expectation x = {.dane = (e->proofs & BIT(PROOF_DANE)) != 0,
                            .sts = (e->proofs & BIT(PROOF_STS)) != 0,
                            .handshakes = !waiting,
                            .sightings = e->handshakes};
    struct ledger_entry after = *e;

    /* What takes back, unless it is seen to be met at this very moment. */
    if (o->said == STATED_TLSA_DENIED ||
        (o->said == STATED_INSECURE && is_lasting(e->insecure_s, o, settings->cool_down_s)))
        x.dane = false;
    if (o->said == STATED_STS_NONE)
        x.sts = false;
    if (expect_to_give_way(e, o, settings)) {
        x.handshakes = false;
        x.sightings = 0;
    }
    /* What proves. */
    x.dane |= domain && o->seen == OBSERVED_DANE;
    x.sts |= domain && o->seen == OBSERVED_STS;
    if (tls && (counts_apart(e->last_seen_s, o, settings->sightings_apart_s) ||
                (x.sightings == 0 && (!domain || o->seen != OBSERVED_HANDSHAKES))))
        x.sightings++;
    if (no_tls && waiting)
        x.sightings = 0;
    x.handshakes |= tls && (!domain || o->seen != OBSERVED_HANDSHAKES || x.sightings >= 2);

    after.proofs = (uint8_t)((x.dane ? BIT(PROOF_DANE) : 0) | (x.sts ? BIT(PROOF_STS) : 0) |
                             (x.handshakes ? BIT(PROOF_HANDSHAKES) : 0));
    x.level = expected_level(&after);
    x.lowered = x.level < expected_level(e);
    x.pending = o->seen == OBSERVED_NOTHING
                    ? e->contradicted_s != 0 && !x.lowered
                    : x.level >= LEVEL_ENCRYPT && expected_reach(o) < x.level;
    return x;
}

/* --- all entries of a small world --- */

typedef void (*trial)(const struct ledger_entry *entry, const struct observation *observation,
                      const struct ledger_settings *settings);
static unsigned long tried;

static void every_observation(const struct ledger_entry *entry, trial trial_)
{
    for (unsigned n = 0; n < OBSERVED_COUNT * STATEMENT_COUNT * 6 * 3; n++) {
        static const int64_t ages[] = {0, 45 * 60, -2 * DAY};
        struct observation o = {.seen = (enum observed)(n % OBSERVED_COUNT),
                                .said = (enum statement)(n / OBSERVED_COUNT % STATEMENT_COUNT),
                                .reached = (enum level)(n / OBSERVED_COUNT / STATEMENT_COUNT % 6),
                                .cause = CAUSE_NO_STARTTLS,
                                .at_s = NOW};

        o.evidence_s = NOW - ages[n / OBSERVED_COUNT / STATEMENT_COUNT / 6];
        trial_(entry, &o, standard);
        trial_(entry, &o, &yielding);
        tried += 2;
    }
}

static void every_contradiction(struct ledger_entry *entry, trial trial_)
{
    static const struct {
        int64_t since_s, last_s;
        uint32_t absences;
    } contradictions[] = {{0, 0, 0},
                          {NOW - 2 * HOUR, NOW - 2 * HOUR, 1},
                          {NOW - 4 * DAY, NOW - 4 * DAY, 1},
                          {NOW - 3 * DAY, NOW - DAY - HOUR, 3},
                          {NOW - 3 * DAY, NOW - HOUR, 4},
                          {NOW - 3 * DAY + HOUR, NOW - HOUR, 4}};

    for (size_t i = 0; i < COUNT(contradictions); i++) {
        entry->contradicted_s = contradictions[i].since_s;
        entry->absence_s = contradictions[i].last_s;
        entry->absences = contradictions[i].absences;
        entry->contradiction = i == 0 ? CAUSE_NONE : CAUSE_NO_STARTTLS;
        if (ledger_is_sound(entry))
            every_observation(entry, trial_);
    }
}

static void every_entry_of(enum ledger_kind kind, trial trial_)
{
    static const struct {
        uint32_t count;
        int64_t last_s;
    } sightings[] = {{0, 0}, {1, NOW - 25 * HOUR}, {1, NOW - HOUR}, {7, NOW - 25 * HOUR}};
    static const int64_t insecure[] = {0, NOW - HOUR, NOW - DAY};
    static const enum level levels[] = {LEVEL_NONE, LEVEL_ENCRYPT, LEVEL_VERIFIED,
                                        LEVEL_AUTHENTICATED};

    for (unsigned n = 0; n < 16 * 4 * 2 * 4 * 3; n++) {
        struct ledger_entry entry = {.kind = (uint8_t)kind,
                                     .proofs = (uint8_t)(n % 16),
                                     .set_level = (uint8_t)levels[n / 16 % 4],
                                     .flags = (uint8_t)(n / 64 % 2 ? LEDGER_UNREADABLE : 0),
                                     .handshakes = sightings[n / 128 % 4].count,
                                     .first_seen_s = sightings[n / 128 % 4].last_s,
                                     .last_seen_s = sightings[n / 128 % 4].last_s,
                                     .insecure_s = insecure[n / 512],
                                     .rule = RULE_PIN,
                                     .rule_level = LEVEL_VERIFIED,
                                     .epoch = 3,
                                     .rule_epoch = 5};

        if (ledger_is_sound(&entry))
            every_contradiction(&entry, trial_);
    }
}

static void every_entry(trial trial_)
{
    tried = 0;
    every_entry_of(LEDGER_DOMAIN, trial_);
    every_entry_of(LEDGER_HOST, trial_);
    ck_assert_uint_gt(tried, 800000);
}

/* --- the rules and their properties --- */

static void rules_hold(const struct ledger_entry *entry, const struct observation *observation,
                       const struct ledger_settings *settings)
{
    const struct expectation x = expected(entry, observation, settings);
    struct ledger_entry after = *entry;

    take(&after, observation, settings);
    claim(ledger_level(&after) == x.level && ledger_is_pending(&after) == x.pending &&
              ((after.proofs & BIT(PROOF_DANE)) != 0) == x.dane &&
              ((after.proofs & BIT(PROOF_STS)) != 0) == x.sts &&
              ((after.proofs & BIT(PROOF_HANDSHAKES)) != 0) == x.handshakes &&
              after.handshakes == x.sightings,
          "%s + %s = %s, expected %s%s, sightings %u", text_of(entry),
          observation_text(observation), text_of(&after), level_name(x.level),
          x.pending ? ", pending" : "", x.sightings);
}

START_TEST(an_entry_and_an_observation_give_what_the_rules_say_MEM_01_to_06)
{
    every_entry(rules_hold);
}
END_TEST

/* MEM-04, MEM-06, and the option of MEM-05. */
static bool may_lower(const struct ledger_entry *entry, const struct observation *observation,
                      const struct ledger_settings *settings)
{
    switch (observation->said) {
    case STATED_TLSA_DENIED:
        if ((entry->proofs & BIT(PROOF_DANE)) != 0)
            return true;
        break;
    case STATED_INSECURE:
        if (is_lasting(entry->insecure_s, observation, settings->cool_down_s))
            return true;
        break;
    case STATED_STS_NONE:
        if ((entry->proofs & BIT(PROOF_STS)) != 0)
            return true;
        break;
    case STATED_NOTHING:
    case STATED_TLSA:
    case STATEMENT_COUNT:
        break;
    }
    return expect_to_give_way(entry, observation, settings);
}

static void lowering_is_listed(const struct ledger_entry *entry,
                               const struct observation *observation,
                               const struct ledger_settings *settings)
{
    struct ledger_entry after = *entry;
    unsigned events = take(&after, observation, settings);
    bool less = ledger_level(&after) < ledger_level(entry);

    if (less || had(events, LEDGER_LOWERED) || after.epoch != entry->epoch)
        claim(less && had(events, LEDGER_LOWERED) && after.epoch == entry->epoch + 1 &&
                  after.lowered_s == NOW && may_lower(entry, observation, settings),
              "%s + %s = %s", text_of(entry), observation_text(observation), text_of(&after));
    claim(!less || ledger_level(&after) >= LEVEL_ENCRYPT || settings->give_way_s > 0,
          "%s lost encryption by itself", text_of(entry));
    claim(after.set_level == entry->set_level && after.flags == entry->flags &&
              same_rule(&after, entry),
          "%s: what an administrator said was changed", text_of(entry));
}

START_TEST(nothing_but_the_listed_statements_lowers_and_never_below_encrypt_MEM_04_MEM_05_MEM_06)
{
    every_entry(lowering_is_listed);
}
END_TEST

static void nothing_is_nothing(const struct ledger_entry *entry,
                               const struct observation *observation,
                               const struct ledger_settings *settings)
{
    static const int64_t cannot_be[] = {
        INT64_MIN, -1, 0, LIMIT_CLOCK_FIRST_S - 1, LIMIT_CLOCK_LAST_S + 1, INT64_MAX};
    struct ledger_entry after = *entry;
    struct observation other = *observation;

    other.seen = OBSERVED_NOTHING;
    other.said = STATED_NOTHING;
    claim(take(&after, &other, settings) == 0 && same(&after, entry), "%s", text_of(entry));
    for (size_t i = 0; i < COUNT(cannot_be); i++) {
        other = *observation;
        other.at_s = cannot_be[i];
        claim(take(&after, &other, settings) == 0 && same(&after, entry), "%s", text_of(entry));
    }
}

START_TEST(nothing_and_a_clock_that_cannot_be_right_change_nothing_law_2_FRESH_05_FRESH_06)
{
    every_entry(nothing_is_nothing);
}
END_TEST

static void stays_sound(const struct ledger_entry *entry, const struct observation *observation,
                        const struct ledger_settings *settings)
{
    struct ledger_entry after = *entry;
    unsigned events = take(&after, observation, settings);

    claim(ledger_is_sound(&after), "%s + %s = %s", text_of(entry), observation_text(observation),
          text_of(&after));
    claim(had(events, LEDGER_RAISED) <= (ledger_level(&after) >= LEVEL_ENCRYPT), "%s",
          text_of(&after));
    claim(!had(events, LEDGER_CONTRADICTED) || ledger_is_pending(&after), "%s", text_of(&after));
    /* Once more changes nothing: neither counts nor times creep. */
    claim(take(&after, observation, settings) == 0, "%s: twice", text_of(&after));
}

START_TEST(an_entry_stays_sound_and_the_same_observation_again_says_nothing_new)
{
    every_entry(stays_sound);
}
END_TEST

/* A raise asks for seen TLS: completed, definite, and as much as it proves. */
static void raising_is_proved(const struct ledger_entry *entry,
                              const struct observation *observation,
                              const struct ledger_settings *settings)
{
    struct ledger_entry after = *entry;

    take(&after, observation, settings);
    if (ledger_level(&after) <= ledger_level(entry))
        return;
    claim(observation->seen >= OBSERVED_HANDSHAKES &&
              (ledger_level(&after) == LEVEL_ENCRYPT || observation->seen != OBSERVED_HANDSHAKES),
          "%s + %s = %s", text_of(entry), observation_text(observation), text_of(&after));
    claim(entry->kind == LEDGER_HOST || observation->seen > OBSERVED_HANDSHAKES ||
              (entry->handshakes > 0 && entry->last_seen_s + DAY <= observation->evidence_s),
          "%s was raised by one sighting", text_of(entry));
    claim(entry->kind == LEDGER_DOMAIN || ledger_level(&after) == LEVEL_ENCRYPT, "%s",
          text_of(&after));
}

/* One address of a host is not all of it; and DANE is not disproved by a delivery that does not say
 * whether it was met. */
START_TEST(a_delivery_is_a_sighting_and_neither_contradicts_nor_ends_a_contradiction_MEM_05)
{
    const struct observation delivered = {.seen = OBSERVED_HANDSHAKES,
                                          .reached = LEVEL_ENCRYPT,
                                          .delivered = true,
                                          .at_s = NOW,
                                          .evidence_s = NOW};
    struct ledger_entry host = {.kind = LEDGER_HOST}, dane = {.kind = LEDGER_DOMAIN};
    struct ledger_entry pending;

    ck_assert_int_eq(ledger_observe(&host, &delivered, standard, NULL), LEDGER_RAISED);
    ck_assert_int_eq(ledger_level(&host), LEVEL_ENCRYPT);
    pending = host;
    pending.contradicted_s = pending.absence_s = NOW;
    pending.absences = 1;
    ledger_observe(&pending, &delivered, standard, NULL);
    ck_assert(ledger_is_pending(&pending));
    dane.proofs = BIT(PROOF_DANE);
    dane.handshakes = 1;
    dane.first_seen_s = dane.last_seen_s = NOW - 2 * DAY;
    for (unsigned i = 0; i < LEDGER_TURNS; i++)
        ledger_observe(&dane, &delivered, standard, NULL);
    ck_assert(!ledger_is_pending(&dane));
    ck_assert_int_eq(ledger_level(&dane), LEVEL_AUTHENTICATED);
}
END_TEST

START_TEST(raising_needs_completed_handshakes_and_a_domain_two_apart_or_an_authenticated_one_MEM_02)
{
    every_entry(raising_is_proved);
}
END_TEST

/* --- single rules --- */

static struct observation see(enum observed seen, int64_t at_s)
{
    static const enum level reach[OBSERVED_COUNT] = {
        [OBSERVED_PARTLY] = LEVEL_ENCRYPT,
        [OBSERVED_HANDSHAKES] = LEVEL_ENCRYPT,
        [OBSERVED_DANE] = LEVEL_AUTHENTICATED,
        [OBSERVED_STS] = LEVEL_AUTHENTICATED,
    };

    return (struct observation){.seen = seen,
                                .reached = reach[seen],
                                .cause = seen == OBSERVED_BELOW ? CAUSE_NO_STARTTLS : CAUSE_NONE,
                                .at_s = at_s,
                                .evidence_s = at_s};
}

static struct observation hear(enum statement said, int64_t at_s)
{
    return (struct observation){.said = said, .at_s = at_s, .evidence_s = at_s};
}

static unsigned sees(struct ledger_entry *entry, enum observed seen, int64_t at_s)
{
    struct observation observation = see(seen, at_s);

    return take(entry, &observation, standard);
}

static unsigned hears(struct ledger_entry *entry, enum statement said, int64_t at_s)
{
    struct observation observation = hear(said, at_s);

    return take(entry, &observation, standard);
}

START_TEST(a_domain_waits_for_a_second_sighting_a_day_later_MEM_02)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};

    ck_assert_uint_eq(sees(&entry, OBSERVED_HANDSHAKES, NOW), 1u << LEDGER_WAITING);
    ck_assert_uint_eq(sees(&entry, OBSERVED_HANDSHAKES, NOW + DAY - 1), 0);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_NONE);
    ck_assert_uint_eq(sees(&entry, OBSERVED_HANDSHAKES, NOW + DAY), 1u << LEDGER_RAISED);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    ck_assert_int_eq(ledger_proof(&entry), PROOF_HANDSHAKES);
    ck_assert_int_eq(entry.first_seen_s, NOW);
    ck_assert_int_eq(entry.last_seen_s, NOW + DAY);
}
END_TEST

START_TEST(one_handshake_looked_at_twice_is_one_sighting_MEM_02)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};
    struct observation again = see(OBSERVED_HANDSHAKES, NOW + DAY + HOUR);

    sees(&entry, OBSERVED_HANDSHAKES, NOW + HOUR);
    again.evidence_s = NOW + DAY + HOUR - 1; /* not a day after the first was judged */
    ck_assert_uint_eq(take(&entry, &again, standard), 0);
    again.evidence_s = 0; /* seen by a clock that was wrong */
    ck_assert_uint_eq(take(&entry, &again, standard), 0);
    again.evidence_s = NOW + 9 * DAY; /* from the future */
    ck_assert_uint_eq(take(&entry, &again, standard), 0);
    again.evidence_s = NOW + DAY + HOUR;
    ck_assert_uint_eq(take(&entry, &again, standard), 1u << LEDGER_RAISED);
}
END_TEST

START_TEST(a_sighting_that_is_disproved_before_the_second_does_not_count_PIT_09)
{
    static const enum observed disproof[] = {OBSERVED_BELOW, OBSERVED_PARTLY};
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};

    sees(&entry, OBSERVED_HANDSHAKES, NOW);
    ck_assert_uint_eq(sees(&entry, disproof[_i], NOW + HOUR), 1u << LEDGER_DISMISSED);
    ck_assert(ledger_is_empty(&entry));
    ck_assert_uint_eq(sees(&entry, OBSERVED_HANDSHAKES, NOW + 2 * DAY), 1u << LEDGER_WAITING);
}
END_TEST

START_TEST(a_host_is_remembered_from_its_first_handshake_and_never_as_more_than_encrypt_MEM_02)
{
    for (enum observed seen = OBSERVED_HANDSHAKES; seen < OBSERVED_COUNT; seen++) {
        struct ledger_entry entry = {.kind = LEDGER_HOST};

        ck_assert_uint_eq(sees(&entry, seen, NOW), 1u << LEDGER_RAISED);
        ck_assert_uint_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    }
}
END_TEST

START_TEST(authenticated_evidence_raises_at_once_and_leaves_encrypt_behind_MEM_02_MEM_04)
{
    static const struct {
        enum observed seen;
        enum statement said;
        enum proof proof;
    } cases[] = {{OBSERVED_DANE, STATED_TLSA_DENIED, PROOF_DANE},
                 {OBSERVED_STS, STATED_STS_NONE, PROOF_STS}};
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};

    ck_assert_uint_eq(sees(&entry, cases[_i].seen, NOW), 1u << LEDGER_RAISED);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_AUTHENTICATED);
    ck_assert_int_eq(ledger_proof(&entry), cases[_i].proof);
    /* The other statement is not about it. */
    ck_assert_uint_eq(hears(&entry, cases[1 - _i].said, NOW + 1), 0);
    ck_assert_uint_eq(hears(&entry, cases[_i].said, NOW + 2), 1u << LEDGER_LOWERED);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    for (enum statement said = STATED_TLSA; said < STATEMENT_COUNT; said++)
        ck_assert_uint_eq(hears(&entry, said, NOW + 400 * DAY), 0);
}
END_TEST

START_TEST(what_takes_back_one_proof_leaves_the_others_MEM_04)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};

    sees(&entry, OBSERVED_DANE, NOW);
    ck_assert_uint_eq(sees(&entry, OBSERVED_STS, NOW + 1), 1u << LEDGER_CONFIRMED);
    ledger_set(&entry, LEVEL_AUTHENTICATED, NOW + 2);
    ck_assert_uint_eq(hears(&entry, STATED_TLSA_DENIED, NOW + 3), 1u << LEDGER_CONFIRMED);
    ck_assert_int_eq(ledger_proof(&entry), PROOF_STS);
    ck_assert_uint_eq(hears(&entry, STATED_STS_NONE, NOW + 4), 1u << LEDGER_CONFIRMED);
    ck_assert_int_eq(ledger_proof(&entry), PROOF_ADMINISTRATOR);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_AUTHENTICATED);
    ck_assert_int_eq(ledger_set(&entry, LEVEL_ENCRYPT, NOW + 5), LEDGER_LOWERED);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_ENCRYPT);
}
END_TEST

START_TEST(a_zone_must_be_unsigned_for_the_whole_cool_down_without_a_break_MEM_06)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};

    sees(&entry, OBSERVED_DANE, NOW);
    ck_assert_uint_eq(hears(&entry, STATED_INSECURE, NOW + HOUR), 1u << LEDGER_CONFIRMED);
    ck_assert_uint_eq(hears(&entry, STATED_INSECURE, NOW + DAY), 0);
    ck_assert_uint_eq(hears(&entry, STATED_TLSA, NOW + DAY), 1u << LEDGER_CONFIRMED); /* signed */
    ck_assert_uint_eq(hears(&entry, STATED_INSECURE, NOW + DAY + 2 * HOUR), 1u << LEDGER_CONFIRMED);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_AUTHENTICATED);
    ck_assert_uint_eq(hears(&entry, STATED_INSECURE, NOW + 2 * DAY + 2 * HOUR - 1), 0);
    ck_assert_uint_eq(hears(&entry, STATED_INSECURE, NOW + 2 * DAY + 2 * HOUR),
                      1u << LEDGER_LOWERED);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_ENCRYPT);
}
END_TEST

START_TEST(what_ends_together_is_said_one_after_the_other)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};
    struct observation observation = see(OBSERVED_BELOW, NOW + HOUR);
    char reason[LEDGER_REASON];

    sees(&entry, OBSERVED_DANE, NOW);
    observation.said = STATED_TLSA_DENIED;
    ck_assert_int_eq(ledger_observe(&entry, &observation, standard, reason), LEDGER_LOWERED);
    ck_assert_str_eq(reason, "signed answers deny its TLSA records");
    ck_assert_int_eq(ledger_observe(&entry, &observation, standard, reason), LEDGER_CONTRADICTED);
    ck_assert_str_eq(reason, "remembered is encrypt, seen is none: mail is held");
    ck_assert_int_eq(entry.contradiction, CAUSE_NO_STARTTLS);
    ck_assert_int_eq(ledger_observe(&entry, &observation, standard, reason), LEDGER_UNCHANGED);
    ck_assert_str_eq(reason, "");
}
END_TEST

START_TEST(a_contradiction_ends_when_the_level_is_met_again_and_only_then_MEM_05)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};

    sees(&entry, OBSERVED_DANE, NOW);
    ck_assert_uint_eq(sees(&entry, OBSERVED_HANDSHAKES, NOW + HOUR), 1u << LEDGER_CONTRADICTED);
    ck_assert_uint_eq(sees(&entry, OBSERVED_BELOW, NOW + 2 * HOUR), 0);
    ck_assert_uint_eq(sees(&entry, OBSERVED_NOTHING, NOW + 3 * HOUR), 0);
    ck_assert_uint_eq(sees(&entry, OBSERVED_PARTLY, NOW + 4 * HOUR), 0);
    ck_assert(ledger_is_pending(&entry));
    ck_assert_int_eq(entry.contradicted_s, NOW + HOUR);
    ck_assert_uint_eq(sees(&entry, OBSERVED_DANE, NOW + 5 * HOUR), 1u << LEDGER_MET_AGAIN);
    ck_assert(!ledger_is_pending(&entry));
}
END_TEST

START_TEST(giving_way_is_off_and_when_on_needs_absence_at_every_look_of_every_day_MEM_05)
{
    struct ledger_entry entry = {.kind = LEDGER_HOST}, other;
    struct observation below;

    sees(&entry, OBSERVED_HANDSHAKES, NOW);
    for (int day = 1; day <= 3; day++) {
        below = see(OBSERVED_BELOW, NOW + day * DAY);
        ck_assert(!had(take(&entry, &below, &yielding), LEDGER_LOWERED));
    }
    other = entry; /* one good look in between: from the beginning */
    sees(&other, OBSERVED_HANDSHAKES, NOW + 3 * DAY + HOUR);
    below = see(OBSERVED_BELOW, NOW + 4 * DAY);
    ck_assert(!had(take(&other, &below, &yielding), LEDGER_LOWERED));
    other = entry; /* off: never */
    for (int day = 4; day < 4000; day++)
        ck_assert(!had(sees(&other, OBSERVED_BELOW, NOW + day * DAY), LEDGER_LOWERED));
    other = entry; /* what an administrator set does not give way */
    ledger_set(&other, LEVEL_ENCRYPT, NOW);
    for (int day = 4; day < 400; day++) {
        below = see(OBSERVED_BELOW, NOW + day * DAY);
        ck_assert(!had(take(&other, &below, &yielding), LEDGER_LOWERED));
    }
    below = see(OBSERVED_BELOW, NOW + 4 * DAY);
    ck_assert(had(take(&entry, &below, &yielding), LEDGER_LOWERED));
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_NONE);
    ck_assert(!ledger_is_pending(&entry));
}
END_TEST

START_TEST(two_looks_far_apart_are_no_consistent_absence_MEM_05)
{
    struct ledger_entry entry = {.kind = LEDGER_HOST};
    struct observation below = see(OBSERVED_BELOW, NOW + DAY);

    sees(&entry, OBSERVED_HANDSHAKES, NOW);
    take(&entry, &below, &yielding);
    below = see(OBSERVED_BELOW, NOW + 30 * DAY);
    ck_assert_uint_eq(take(&entry, &below, &yielding), 1u << LEDGER_CONFIRMED);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_ENCRYPT);
}
END_TEST

/* --- time --- */

START_TEST(disuse_forgets_what_was_never_contradicted_and_nothing_else_MEM_05)
{
    const int64_t later = NOW + standard->disuse_s;
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN}, other;

    sees(&entry, OBSERVED_DANE, NOW);
    other = entry;
    ck_assert_int_eq(ledger_age(&other, later - 1, standard, NULL), LEDGER_UNCHANGED);
    ck_assert_int_eq(ledger_age(&other, later, standard, NULL), LEDGER_EXPIRED);
    ck_assert(ledger_is_empty(&other));
    other = entry;
    sees(&other, OBSERVED_BELOW, NOW + DAY); /* in the review queue for ever */
    ck_assert_int_eq(ledger_age(&other, later + 20 * 365 * DAY, standard, NULL), LEDGER_UNCHANGED);
    other = entry;
    ledger_set(&other, LEVEL_VERIFIED, NOW);
    ck_assert_int_eq(ledger_age(&other, later, standard, NULL), LEDGER_UNCHANGED);
    ledger_unreadable(&other, LEDGER_DOMAIN);
    ck_assert_int_eq(ledger_use(&other, NOW), LEDGER_CONFIRMED);
    ck_assert_int_eq(ledger_age(&other, later, standard, NULL), LEDGER_UNCHANGED);
    ck_assert_uint_eq(ledger_level(&other), LEVEL_ENCRYPT);
}
END_TEST

START_TEST(who_asks_keeps_it_whatever_the_looks_come_to_PIT_03)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};
    unsigned written = 0;

    sees(&entry, OBSERVED_DANE, NOW);
    for (int64_t s = NOW; s < NOW + 3 * standard->disuse_s; s += 6 * HOUR) {
        enum ledger_event event = ledger_use(&entry, s);

        ck_assert(event == LEDGER_CONFIRMED || event == LEDGER_UNCHANGED);
        written += event == LEDGER_CONFIRMED;
        ck_assert_uint_eq(sees(&entry, OBSERVED_NOTHING, s), 0); /* blocked, for three years */
    }
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_AUTHENTICATED);
    ck_assert_uint_eq(written, 3 * 365); /* one write a day */
}
END_TEST

START_TEST(a_waiting_entry_that_is_too_old_goes_without_an_alarm)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};

    sees(&entry, OBSERVED_HANDSHAKES, NOW);
    ck_assert_int_eq(ledger_age(&entry, NOW + standard->disuse_s, standard, NULL),
                     LEDGER_DISMISSED);
    ck_assert(ledger_is_empty(&entry));
}
END_TEST

START_TEST(a_clock_that_cannot_be_right_ages_nothing_and_uses_nothing_FRESH_05_FRESH_06)
{
    static const int64_t cannot_be[] = {INT64_MIN, 0, LIMIT_CLOCK_FIRST_S - 1,
                                        LIMIT_CLOCK_LAST_S + 1, INT64_C(3786912000) /* 2090 */};
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN}, before;

    sees(&entry, OBSERVED_DANE, NOW);
    ledger_rule(&entry, RULE_PIN, LEVEL_VERIFIED, NOW + DAY);
    before = entry;
    for (size_t i = 0; i < COUNT(cannot_be); i++) {
        ck_assert_int_eq(ledger_age(&entry, cannot_be[i], standard, NULL), LEDGER_UNCHANGED);
        ck_assert_int_eq(ledger_use(&entry, cannot_be[i]), LEDGER_UNCHANGED);
        ck_assert(same(&entry, &before));
    }
}
END_TEST

START_TEST(times_from_a_future_that_was_none_begin_again_and_the_level_stays_FRESH_05)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN}, waiting = {.kind = LEDGER_DOMAIN};

    sees(&entry, OBSERVED_DANE, NOW + 3000 * DAY);
    hears(&entry, STATED_INSECURE, NOW + 3000 * DAY);
    sees(&entry, OBSERVED_BELOW, NOW + 3000 * DAY);
    ledger_use(&entry, NOW + 3000 * DAY);
    hears(&entry, STATED_INSECURE, NOW);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_AUTHENTICATED);
    ck_assert_int_eq(entry.insecure_s, NOW);
    ck_assert_int_eq(entry.contradicted_s, NOW);
    ck_assert_int_eq(entry.last_seen_s, NOW);
    ck_assert_int_eq(entry.used_s, NOW);
    ck_assert(had(hears(&entry, STATED_INSECURE, NOW + DAY), LEDGER_LOWERED));

    sees(&waiting, OBSERVED_HANDSHAKES, NOW + 3000 * DAY);
    ck_assert_uint_eq(sees(&waiting, OBSERVED_HANDSHAKES, NOW), 1u << LEDGER_CONFIRMED);
    ck_assert_uint_eq(sees(&waiting, OBSERVED_HANDSHAKES, NOW + DAY), 1u << LEDGER_RAISED);
}
END_TEST

/* --- rules and settings by hand --- */

START_TEST(a_rule_runs_out_by_itself_and_outlives_what_is_forgotten)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};
    char reason[LEDGER_REASON];

    sees(&entry, OBSERVED_DANE, NOW);
    ledger_rule(&entry, RULE_EXEMPT, LEVEL_AUTHENTICATED, NOW + 800 * DAY);
    ck_assert_int_eq(entry.rule_level, LEVEL_NONE); /* only a pin has one */
    ck_assert_int_eq(ledger_age(&entry, NOW + 799 * DAY, standard, reason), LEDGER_EXPIRED);
    ck_assert_int_eq(entry.rule, RULE_EXEMPT);
    ck_assert(!ledger_is_empty(&entry));
    ck_assert_int_eq(ledger_age(&entry, NOW + 799 * DAY, standard, reason), LEDGER_UNCHANGED);
    ck_assert_int_eq(ledger_age(&entry, NOW + 800 * DAY, standard, reason), LEDGER_RULE_OVER);
    ck_assert_str_eq(reason, "the rule has run out");
    ck_assert_int_eq(entry.rule, RULE_NONE);
    ck_assert(ledger_is_sound(&entry));
    ledger_rule(&entry, RULE_REFUSE, LEVEL_NONE, 0);
    ck_assert_int_eq(ledger_age(&entry, LIMIT_CLOCK_LAST_S, standard, reason), LEDGER_UNCHANGED);
}
END_TEST

START_TEST(an_entry_whose_rule_was_taken_back_is_forgotten_whole)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};

    sees(&entry, OBSERVED_DANE, NOW);
    ledger_rule(&entry, RULE_REFUSE, LEVEL_NONE, 0);
    ledger_rule(&entry, RULE_NONE, LEVEL_NONE, 0);
    ck_assert_int_eq(ledger_age(&entry, NOW + standard->disuse_s, standard, NULL), LEDGER_EXPIRED);
    ck_assert(ledger_is_empty(&entry));
    sees(&entry, OBSERVED_DANE, NOW);
    ledger_rule_observe(&entry, true);
    ck_assert_int_eq(ledger_age(&entry, NOW + standard->disuse_s, standard, NULL), LEDGER_EXPIRED);
    ck_assert_uint_eq(entry.flags, LEDGER_OBSERVE);
    ck_assert_uint_eq(entry.rule_epoch, 1);
}
END_TEST

START_TEST(an_administrator_sets_the_level_exactly_and_ends_a_contradiction_MEM_05)
{
    for (enum level level = LEVEL_NONE; level <= LEVEL_AUTHENTICATED; level++) {
        struct ledger_entry entry = {.kind = LEDGER_DOMAIN}, host = {.kind = LEDGER_HOST};

        sees(&entry, OBSERVED_DANE, NOW);
        sees(&entry, OBSERVED_BELOW, NOW + 1);
        entry.flags |= LEDGER_UNREADABLE;
        ck_assert_int_eq(ledger_set(&entry, level, NOW + 2),
                         level < LEVEL_AUTHENTICATED ? LEDGER_LOWERED : LEDGER_CONFIRMED);
        ck_assert_uint_eq(ledger_level(&entry), level);
        ck_assert(!ledger_is_pending(&entry));
        ck_assert_uint_eq(entry.flags, 0);
        ck_assert_uint_eq(entry.handshakes, level >= LEVEL_ENCRYPT); /* what it does not exceed */
        ck_assert_uint_eq(entry.epoch, level < LEVEL_AUTHENTICATED);
        ck_assert(ledger_is_sound(&entry));
        ck_assert(!ledger_is_empty(&entry)); /* the epoch must be kept, or a merge undoes it */
        ck_assert_int_eq(ledger_set(&host, level, NOW),
                         level > LEVEL_NONE ? LEDGER_RAISED : LEDGER_CONFIRMED);
        ck_assert_uint_eq(ledger_level(&host), level < LEVEL_ENCRYPT ? level : LEVEL_ENCRYPT);
        ck_assert(ledger_is_sound(&host));
    }
}
END_TEST

START_TEST(what_was_set_to_none_is_learned_again_like_anything_else)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};

    sees(&entry, OBSERVED_HANDSHAKES, NOW);
    sees(&entry, OBSERVED_HANDSHAKES, NOW + DAY);
    ledger_set(&entry, LEVEL_NONE, NOW + DAY);
    ck_assert_uint_eq(sees(&entry, OBSERVED_HANDSHAKES, NOW + 9 * DAY), 1u << LEDGER_WAITING);
    ck_assert_uint_eq(sees(&entry, OBSERVED_HANDSHAKES, NOW + 10 * DAY), 1u << LEDGER_RAISED);
}
END_TEST

START_TEST(a_broken_record_demands_encrypt_until_an_administrator_decides_MEM_08)
{
    struct ledger_entry entry;
    struct floor floor;

    ledger_unreadable(&entry, LEDGER_DOMAIN);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    sees(&entry, OBSERVED_DANE, NOW);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_AUTHENTICATED);
    hears(&entry, STATED_TLSA_DENIED, NOW);
    ledger_floor(&floor, &entry);
    ck_assert_uint_eq(floor.level, LEVEL_ENCRYPT);
    ck_assert_uint_eq(floor.flags, FLOOR_UNREADABLE);
    ck_assert_int_eq(ledger_set(&entry, LEVEL_NONE, NOW), LEDGER_LOWERED);
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_NONE);
}
END_TEST

START_TEST(only_what_a_history_can_lead_to_is_sound)
{
    static const struct ledger_entry wrong[] = {
        {.kind = LEDGER_KIND_COUNT},
        {.proofs = BIT(PROOF_DANE), .handshakes = 1, .first_seen_s = 1, .last_seen_s = 1},
        {.proofs = BIT(PROOF_HANDSHAKES)},
        {.proofs = BIT(PROOF_NONE)},
        {.proofs = BIT(PROOF_ADMINISTRATOR)},
        {.proofs = 128},
        {.kind = LEDGER_HOST,
         .proofs = BIT(PROOF_DANE) | BIT(PROOF_HANDSHAKES),
         .handshakes = 1,
         .first_seen_s = 1,
         .last_seen_s = 1},
        {.kind = LEDGER_HOST, .set_level = LEVEL_VERIFIED},
        {.set_level = LEVEL_AUTHENTICATED + 1},
        {.flags = 4},
        {.handshakes = 1, .last_seen_s = 1},
        {.first_seen_s = 1},
        {.set_level = LEVEL_ENCRYPT, .contradicted_s = 1},
        {.contradicted_s = 1, .absence_s = 1, .absences = 1},
        {.contradiction = CAUSE_NO_STARTTLS},
        {.set_level = LEVEL_ENCRYPT,
         .contradicted_s = 1,
         .absence_s = 1,
         .absences = 1,
         .contradiction = CAUSE_COUNT},
        {.insecure_s = 1},
        {.rule = RULE_COUNT},
        {.rule = RULE_PIN, .rule_level = LEVEL_AUTHENTICATED + 1},
        {.rule = RULE_EXEMPT, .rule_level = LEVEL_ENCRYPT},
        {.rule_until_s = 1},
        {.used_s = -1},
        {.used_s = INT64_MAX},
    };
    struct ledger_entry right = {.kind = LEDGER_HOST};

    ck_assert(ledger_is_sound(&right));
    for (size_t i = 0; i < COUNT(wrong); i++)
        ck_assert_msg(!ledger_is_sound(&wrong[i]), "%zu: %s", i, text_of(&wrong[i]));
}
END_TEST

/* --- quotas --- */

static struct name parsed(const char *text)
{
    struct name name;

    ck_assert_int_eq(name_parse(&name, text, strlen(text)), NAME_OK);
    return name;
}

START_TEST(own_subdomains_share_one_quota_and_a_country_is_no_domain_MEM_02)
{
    static const struct {
        const char *name;
        enum ledger_kind kind;
        const char *ancestors[2];
    } cases[] = {
        {"example.org", LEDGER_DOMAIN, {"example.org", NULL}},
        {"x1.evil.example.org", LEDGER_DOMAIN, {"example.org", NULL}},
        {"shop.example.co.uk", LEDGER_DOMAIN, {"example.co.uk", "co.uk"}},
        {"example.com.br", LEDGER_DOMAIN, {"example.com.br", "com.br"}},
        {"x1.firma.info.pl", LEDGER_DOMAIN, {"firma.info.pl", "info.pl"}},
        {"x1.example.asso.fr", LEDGER_DOMAIN, {"example.asso.fr", "asso.fr"}},
        {"x1.infos.pl", LEDGER_DOMAIN, {"infos.pl", NULL}},
        {"x1.posteo.de", LEDGER_DOMAIN, {"posteo.de", NULL}},
        {"a.gmx.de", LEDGER_DOMAIN, {"a.gmx.de", "gmx.de"}},
        {"contoso-com.mail.protection.outlook.com", LEDGER_HOST, {"outlook.com", NULL}},
        {"mx.example.co.uk", LEDGER_HOST, {"co.uk", NULL}},
        {"org", LEDGER_DOMAIN, {"org", NULL}},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct name name = parsed("placeholder.example");
        struct ledger_quota quotas[2];
        unsigned count;

        name = (struct name){.length = (uint8_t)strlen(cases[i].name)};
        memcpy(name.text, cases[i].name, name.length);
        count = ledger_quotas(quotas, cases[i].kind, &name, standard);
        ck_assert_uint_eq(count, cases[i].ancestors[1] != NULL ? 2 : 1);
        for (unsigned k = 0; k < count; k++)
            ck_assert_str_eq(quotas[k].ancestor.text, cases[i].ancestors[k]);
        ck_assert_uint_eq(quotas[0].most, cases[i].kind == LEDGER_HOST ? standard->per_suffix
                                                                       : standard->per_registrable);
        if (count == 2)
            ck_assert_uint_eq(quotas[1].most, standard->per_suffix);
    }
}
END_TEST

/* --- what makes room --- */

static enum ledger_worth worth_with(void (*change)(struct ledger_entry *), int64_t unused_s)
{
    const int64_t now_s = LIMIT_CLOCK_FIRST_S + INT64_C(1000) * 86400;
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN,
                                 .proofs = LEDGER_PROOF(PROOF_HANDSHAKES),
                                 .handshakes = 2,
                                 .first_seen_s = now_s - unused_s - 86400,
                                 .last_seen_s = now_s - unused_s - 60,
                                 .used_s = now_s - unused_s};

    if (change != NULL)
        change(&entry);
    return ledger_worth(&entry, now_s, standard);
}

static void waits(struct ledger_entry *entry)
{
    entry->proofs = 0;
    entry->handshakes = 1;
}
static void has_dane(struct ledger_entry *entry)
{
    entry->proofs |= LEDGER_PROOF(PROOF_DANE);
}
static void has_sts(struct ledger_entry *entry)
{
    entry->proofs |= LEDGER_PROOF(PROOF_STS);
}
static void is_set(struct ledger_entry *entry)
{
    entry->set_level = LEVEL_ENCRYPT;
}
static void is_ruled(struct ledger_entry *entry)
{
    ledger_rule(entry, RULE_EXEMPT, LEVEL_NONE, 0);
}
static void is_observed(struct ledger_entry *entry)
{
    ledger_rule_observe(entry, true);
}
static void is_broken(struct ledger_entry *entry)
{
    entry->flags |= LEDGER_UNREADABLE;
}
static void is_contradicted(struct ledger_entry *entry)
{
    entry->contradicted_s = entry->absence_s = entry->used_s;
    entry->absences = 1;
}

START_TEST(only_what_demands_little_and_nobody_uses_makes_room_MEM_07)
{
    static void (*const kept[])(struct ledger_entry *) = {
        has_dane, has_sts, is_set, is_ruled, is_observed, is_broken, is_contradicted};
    const int64_t long_s = standard->spare_s;
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN, .handshakes = 1, .epoch = 3};
    char reason[LEDGER_REASON];

    ck_assert_int_eq(worth_with(waits, 0), LEDGER_CHEAP);
    ck_assert_int_eq(worth_with(NULL, long_s - 1), LEDGER_KEPT);
    ck_assert_int_eq(worth_with(NULL, long_s), LEDGER_SPARE);
    for (size_t i = 0; i < COUNT(kept); i++)
        ck_assert_int_eq(worth_with(kept[i], 10 * long_s), LEDGER_KEPT);
    ck_assert_int_eq(ledger_evict(&entry, reason), LEDGER_DISMISSED); /* nothing was demanded */
    ck_assert(ledger_is_empty(&entry));
    entry.proofs = LEDGER_PROOF(PROOF_HANDSHAKES);
    ck_assert_int_eq(ledger_evict(&entry, reason), LEDGER_EXPIRED);
    ck_assert(ledger_is_empty(&entry) && reason[0] != '\0');
    entry.proofs = LEDGER_PROOF(PROOF_HANDSHAKES);
    entry.used_s = 1;
    ck_assert_int_eq(ledger_worth(&entry, 0, standard), LEDGER_KEPT); /* nobody knows the time */
}
END_TEST

/* --- what readers get --- */

START_TEST(the_floor_says_level_proof_rule_and_since_when_and_times_fit_into_it)
{
    struct ledger_entry entry = {.kind = LEDGER_DOMAIN};
    struct floor floor, zero = {0};

    ledger_floor(&floor, &entry);
    ck_assert_mem_eq(&floor, &zero, sizeof floor);
    sees(&entry, OBSERVED_DANE, NOW);
    sees(&entry, OBSERVED_BELOW, NOW + 5);
    ledger_rule(&entry, RULE_PIN, LEVEL_VERIFIED, INT64_C(5000000000));
    ledger_rule_observe(&entry, true);
    ledger_floor(&floor, &entry);
    ck_assert_uint_eq(floor.level, LEVEL_AUTHENTICATED);
    ck_assert_uint_eq(floor.hosts_level, LEVEL_NONE);
    ck_assert_uint_eq(floor.proof, PROOF_DANE);
    ck_assert_uint_eq(floor.flags, FLOOR_CONTRADICTED | FLOOR_OBSERVE);
    ck_assert_uint_eq(floor.rule, RULE_PIN);
    ck_assert_uint_eq(floor.rule_level, LEVEL_VERIFIED);
    ck_assert_uint_eq(floor.rule_until_s, UINT32_MAX); /* late, but not "without end" */
    ck_assert_uint_eq(floor.contradicted_at_s, NOW + 5);
    ck_assert_uint_eq(floor.seen_at_s, NOW);
    ledger_rule_observe(&entry, false);
    ledger_floor(&floor, &entry);
    ck_assert_uint_eq(floor.flags, FLOOR_CONTRADICTED);
}
END_TEST

/* In words: a remembered host that is (or was last) below stops the mail; else they demand it if
 * no host is seen without TLS that never did it. */
static enum level expected_hosts(const struct ledger_host *hosts, unsigned count)
{
    unsigned remembered = 0, fallen = 0, never = 0;

    for (unsigned i = 0; i < count; i++) {
        bool known = hosts[i].floor != NULL && hosts[i].floor->level >= LEVEL_ENCRYPT;
        bool was_below = known && (hosts[i].floor->flags & FLOOR_CONTRADICTED) != 0;

        if (hosts[i].now == HOST_NONE)
            continue;
        remembered += known;
        fallen +=
            known && (hosts[i].now == HOST_BELOW || (hosts[i].now != HOST_MEETS && was_below));
        never += !known && hosts[i].now == HOST_BELOW;
    }
    if (fallen > 0)
        return LEVEL_ENCRYPT;
    return remembered > 0 && never == 0 ? LEVEL_ENCRYPT : LEVEL_NONE;
}

START_TEST(hosts_demand_encrypt_unless_one_never_could_and_none_has_fallen_S10_S11)
{
    static const struct floor floors[] = {{0},
                                          {.level = LEVEL_ENCRYPT},
                                          {.level = LEVEL_ENCRYPT, .flags = FLOOR_CONTRADICTED},
                                          {.level = LEVEL_ENCRYPT, .flags = FLOOR_UNREADABLE},
                                          {.flags = FLOOR_OBSERVE}};
    const unsigned states = (COUNT(floors) + 1) * 4;

    ck_assert_int_eq(ledger_hosts_level(NULL, 0, NOW), LEVEL_NONE);
    for (unsigned n = 0; n < states * states * states; n++) {
        struct ledger_host hosts[3];
        unsigned rest = n;

        for (unsigned i = 0; i < 3; i++, rest /= states) {
            unsigned which = rest % states / 4;

            hosts[i].floor = which < COUNT(floors) ? &floors[which] : NULL;
            hosts[i].now = (enum host_now)(rest % 4);
        }
        for (unsigned count = 1; count <= 3; count++)
            ck_assert_int_eq(ledger_hosts_level(hosts, count, NOW), expected_hosts(hosts, count));
    }
}
END_TEST

START_TEST(a_host_is_exempt_until_the_date_and_not_by_a_clock_that_cannot_be_right)
{
    static const struct floor exempt = {.level = LEVEL_ENCRYPT,
                                        .flags = FLOOR_CONTRADICTED,
                                        .rule = RULE_EXEMPT,
                                        .rule_until_s = (uint32_t)NOW},
                              pinned = {.rule = RULE_PIN, .rule_level = LEVEL_VERIFIED};
    struct ledger_host host = {&exempt, HOST_BELOW};

    ck_assert_int_eq(ledger_hosts_level(&host, 1, NOW - 1), LEVEL_NONE);
    ck_assert_int_eq(ledger_hosts_level(&host, 1, NOW), LEVEL_ENCRYPT);
    ck_assert_int_eq(ledger_hosts_level(&host, 1, 0), LEVEL_ENCRYPT);
    host.floor = &pinned;
    ck_assert_int_eq(ledger_hosts_level(&host, 1, NOW), LEVEL_ENCRYPT); /* and no more: PIT-05 */
}
END_TEST

START_TEST(a_raise_that_only_the_table_knew_is_taken_over_and_no_lowering_undone)
{
    struct ledger_entry raised = {.kind = LEDGER_DOMAIN}, entry = {.kind = LEDGER_DOMAIN},
                        host = {.kind = LEDGER_HOST};
    struct floor floor;

    sees(&raised, OBSERVED_DANE, NOW);
    ledger_floor(&floor, &raised);
    ck_assert(ledger_take_over(&entry, &floor));
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_AUTHENTICATED);
    ck_assert_int_eq(ledger_proof(&entry), PROOF_DANE);
    ck_assert(ledger_is_sound(&entry));
    ck_assert(!ledger_take_over(&entry, &floor)); /* it has it already */
    hears(&entry, STATED_TLSA_DENIED, NOW + 1);
    ck_assert(!ledger_take_over(&entry, &floor)); /* lowered since */
    ck_assert_uint_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    ck_assert(!ledger_take_over(&host, &floor)); /* a host has no DANE of its own */
    ck_assert(ledger_is_empty(&host));
    floor.proof = PROOF_ADMINISTRATOR; /* was durable before it was visible */
    entry = (struct ledger_entry){.kind = LEDGER_DOMAIN};
    ck_assert(!ledger_take_over(&entry, &floor));
    ck_assert(ledger_is_empty(&entry));
    floor = (struct floor){
        .level = LEVEL_ENCRYPT, .proof = PROOF_HANDSHAKES, .seen_at_s = (uint32_t)NOW};
    ck_assert(ledger_take_over(&host, &floor));
    ck_assert_uint_eq(ledger_level(&host), LEVEL_ENCRYPT);
    ck_assert(ledger_is_sound(&host));
}
END_TEST

START_TEST(every_event_proof_and_rule_has_a_word_of_its_own)
{
    for (int a = 0; a <= LEDGER_EVENT_COUNT; a++)
        for (int b = 0; b < a; b++)
            ck_assert_str_ne(ledger_event_name((enum ledger_event)a),
                             ledger_event_name((enum ledger_event)b));
    for (int a = 0; a <= PROOF_COUNT; a++)
        for (int b = 0; b < a; b++)
            ck_assert_str_ne(proof_name((enum proof)a), proof_name((enum proof)b));
    for (int a = 0; a <= RULE_COUNT; a++)
        for (int b = 0; b < a; b++)
            ck_assert_str_ne(rule_name((enum rule)a), rule_name((enum rule)b));
}
END_TEST

/* --- random histories --- */

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}

static struct observation random_observation(int64_t at_s)
{
    struct observation o = see((enum observed)random_below(OBSERVED_COUNT), at_s);

    if (random_below(3) == 0)
        o.said = (enum statement)random_below(STATEMENT_COUNT);
    if (random_below(4) == 0)
        o.reached = (enum level)random_below(LEVEL_AUTHENTICATED + 1);
    o.evidence_s = at_s - random_below(3600);
    return o;
}

static void random_rule(struct ledger_entry *entry, int64_t now_s)
{
    enum rule rule = (enum rule)random_below(RULE_COUNT);

    if (random_below(4) == 0)
        ledger_rule_observe(entry, random_below(2) == 0);
    else
        ledger_rule(entry, rule, (enum level)random_below(LEVEL_AUTHENTICATED + 1),
                    random_below(2) == 0 ? 0 : now_s + random_below(100) * DAY);
}

static void random_step(struct ledger_entry *entry, int64_t now_s,
                        const struct ledger_settings *settings)
{
    const struct observation observation = random_observation(now_s);

    switch (random_below(20)) {
    case 0:
        ledger_set(entry, (enum level)random_below(LEVEL_AUTHENTICATED + 1), now_s);
        return;
    case 1:
    case 2:
        random_rule(entry, now_s);
        return;
    case 3:
        ledger_age(entry, now_s + random_below(500) * DAY, settings, NULL);
        return;
    case 4:
        ledger_use(entry, now_s);
        return;
    case 5:
        if (random_below(10) == 0)
            ledger_unreadable(entry, (enum ledger_kind)entry->kind);
        return;
    default:
        ledger_observe(entry, &observation, settings, NULL);
        return;
    }
}

#define NODES 3

/* A few ledgers of one name, each with a history of its own, that hear of each other now and then:
 * epochs meet that are equal, and others. */
static void random_ledgers(struct ledger_entry nodes[NODES], unsigned steps)
{
    enum ledger_kind kind = (enum ledger_kind)random_below(LEDGER_KIND_COUNT);
    int64_t now_s = NOW;

    for (unsigned i = 0; i < NODES; i++)
        nodes[i] = (struct ledger_entry){.kind = (uint8_t)kind};
    for (unsigned i = 0; i < steps; i++) {
        struct ledger_entry *node = &nodes[random_below(NODES)];

        now_s += random_below(2 * (uint32_t)DAY);
        if (random_below(12) == 0)
            ledger_merge(node, &nodes[random_below(NODES)]);
        else
            random_step(node, now_s, random_below(2) == 0 ? standard : &yielding);
        claim(ledger_is_sound(node), "%s", text_of(node));
    }
}

static struct ledger_entry merged(struct ledger_entry a, const struct ledger_entry *b)
{
    ledger_merge(&a, b);
    return a;
}

static void laws_hold(const struct ledger_entry *a, const struct ledger_entry *b,
                      const struct ledger_entry *c)
{
    const struct ledger_entry ab = merged(*a, b), ba = merged(*b, a), bc = merged(*b, c);
    const struct ledger_entry ab_c = merged(ab, c), a_bc = merged(*a, &bc), aa = merged(*a, a);
    const struct ledger_entry ab_b = merged(ab, b);

    claim(same(&ab, &ba), "%s, %s: not commutative", text_of(a), text_of(b));
    claim(same(&ab_c, &a_bc), "%s, %s, %s: not associative", text_of(a), text_of(b), text_of(c));
    claim(same(&aa, a) && same(&ab_b, &ab), "%s, %s: not idempotent", text_of(a), text_of(b));
    claim(ledger_is_sound(&ab), "%s", text_of(&ab));
}

/* By maximum, and epoch first. */
static void merging_is_by_maximum(const struct ledger_entry *a, const struct ledger_entry *b)
{
    const struct ledger_entry ab = merged(*a, b);
    const enum level la = ledger_level(a), lb = ledger_level(b), l = ledger_level(&ab);

    if (a->epoch == b->epoch)
        claim(l == maximum(la, lb) && (ab.proofs & (a->proofs | b->proofs)) == ab.proofs &&
                  ab.proofs == (a->proofs | b->proofs) &&
                  ledger_is_pending(&ab) == (ledger_is_pending(a) || ledger_is_pending(b)),
              "%s, %s = %s", text_of(a), text_of(b), text_of(&ab));
    else
        claim(l == (a->epoch > b->epoch ? la : lb), "%s, %s = %s", text_of(a), text_of(b),
              text_of(&ab));
    claim(ab.rule_epoch == (a->rule_epoch > b->rule_epoch ? a : b)->rule_epoch &&
              (same_rule(&ab, a) || same_rule(&ab, b)),
          "%s, %s = %s", text_of(a), text_of(b), text_of(&ab));
    claim(a->rule_epoch == b->rule_epoch || same_rule(&ab, a->rule_epoch > b->rule_epoch ? a : b),
          "%s, %s = %s", text_of(a), text_of(b), text_of(&ab));
}

START_TEST(merging_is_commutative_associative_idempotent_and_by_maximum)
{
    unsigned equal = 0, unequal = 0;

    random_state = 20270101;
    for (unsigned i = 0; i < 200000; i++) {
        struct ledger_entry nodes[NODES];

        random_ledgers(nodes, 1 + random_below(40));
        laws_hold(&nodes[0], &nodes[1], &nodes[2]);
        merging_is_by_maximum(&nodes[0], &nodes[1]);
        equal += nodes[0].epoch == nodes[1].epoch;
        unequal += nodes[0].epoch != nodes[1].epoch;
    }
    ck_assert_uint_gt(equal, 20000);
    ck_assert_uint_gt(unequal, 20000);
}
END_TEST

/* Entries that no history leads to either, as long as each is sound by itself. */
static struct ledger_entry random_entry(enum ledger_kind kind)
{
    struct ledger_entry entry;

    do {
        entry = (struct ledger_entry){.kind = (uint8_t)kind,
                                      .proofs = (uint8_t)(random_below(8) * 2),
                                      .set_level = (uint8_t)random_below(6),
                                      .flags = (uint8_t)random_below(4),
                                      .rule = (uint8_t)random_below(RULE_COUNT),
                                      .epoch = random_below(2),
                                      .rule_epoch = random_below(2),
                                      .handshakes = random_below(3),
                                      .used_s = random_below(3),
                                      .lowered_s = random_below(3)};
        if (entry.handshakes > 0) {
            entry.first_seen_s = 1 + random_below(2);
            entry.last_seen_s = 1 + random_below(2);
        }
        if (random_below(2) == 0) {
            entry.contradicted_s = 1 + random_below(2);
            entry.absence_s = 1 + random_below(2);
            entry.absences = 1 + random_below(2);
            entry.contradiction = (uint8_t)random_below(3);
        }
        if ((entry.proofs & BIT(PROOF_DANE)) != 0)
            entry.insecure_s = random_below(3);
        if (entry.rule != RULE_NONE)
            entry.rule_until_s = random_below(3);
        if (entry.rule == RULE_PIN)
            entry.rule_level = (uint8_t)random_below(6);
    } while (!ledger_is_sound(&entry));
    return entry;
}

START_TEST(the_laws_of_merging_hold_for_any_sound_entries)
{
    random_state = 20270102;
    for (unsigned i = 0; i < 1000000; i++) {
        enum ledger_kind kind = (enum ledger_kind)random_below(LEDGER_KIND_COUNT);
        struct ledger_entry a = random_entry(kind), b = random_entry(kind), c = random_entry(kind);

        laws_hold(&a, &b, &c);
        merging_is_by_maximum(&a, &b);
    }
}
END_TEST

START_TEST(of_two_rulings_that_did_not_know_of_each_other_the_strictest_counts)
{
    /* From mild to strict, all of one epoch. */
    static const struct ledger_entry rulings[] = {
        {.rule = RULE_EXEMPT, .flags = LEDGER_OBSERVE},
        {.rule = RULE_EXEMPT},
        {.rule = RULE_EXEMPT, .rule_until_s = 9},
        {.rule = RULE_EXEMPT, .rule_until_s = 5},
        {.rule = RULE_NONE, .flags = LEDGER_OBSERVE},
        {.rule = RULE_NONE},
        {.rule = RULE_PIN, .rule_level = LEVEL_ENCRYPT, .rule_until_s = 5},
        {.rule = RULE_PIN, .rule_level = LEVEL_ENCRYPT},
        {.rule = RULE_PIN, .rule_level = LEVEL_VERIFIED, .rule_until_s = 5},
        {.rule = RULE_REFUSE, .rule_until_s = 5},
        {.rule = RULE_REFUSE},
    };

    for (size_t i = 0; i < COUNT(rulings); i++)
        for (size_t k = 0; k < COUNT(rulings); k++) {
            struct ledger_entry both = merged(rulings[i], &rulings[k]);

            ck_assert(same(&both, &rulings[i > k ? i : k]));
        }
}
END_TEST

START_TEST(an_administrators_lowering_is_not_undone_by_who_has_not_heard_of_it_yet)
{
    struct ledger_entry here = {.kind = LEDGER_DOMAIN}, there;

    sees(&here, OBSERVED_DANE, NOW);
    ledger_rule(&here, RULE_EXEMPT, LEVEL_NONE, NOW + DAY);
    there = here;
    ledger_set(&here, LEVEL_NONE, NOW + 1);
    ledger_rule(&here, RULE_NONE, LEVEL_NONE, 0);
    sees(&there, OBSERVED_DANE, NOW + 2 * DAY);
    ledger_merge(&here, &there);
    ck_assert_uint_eq(ledger_level(&here), LEVEL_NONE);
    ck_assert_int_eq(here.rule, RULE_NONE);
    /* Nor does what the ledger lowered take away a rule, and the other way round. */
    there = (struct ledger_entry){.kind = LEDGER_DOMAIN};
    ledger_rule(&there, RULE_REFUSE, LEVEL_NONE, 0);
    ledger_rule(&there, RULE_REFUSE, LEVEL_NONE, 0);
    ledger_rule(&there, RULE_REFUSE, LEVEL_NONE, 0);
    ledger_merge(&here, &there);
    ck_assert_int_eq(here.rule, RULE_REFUSE);
    ck_assert_uint_eq(here.epoch, 1);
}
END_TEST

/* --- no unauthenticated history lowers, however long --- */

START_TEST(no_sequence_of_unauthenticated_observations_of_any_length_lowers_MEM_05)
{
    random_state = 20270103;
    for (unsigned round = 0; round < 300; round++) {
        struct ledger_entry entry = {.kind = (uint8_t)random_below(LEDGER_KIND_COUNT)};
        enum level highest = LEVEL_NONE;
        int64_t now_s = NOW;

        for (unsigned i = 0; i < 3000; i++) {
            struct observation o = random_observation(now_s);

            now_s += random_below(2 * (uint32_t)DAY);
            if (now_s > LIMIT_CLOCK_LAST_S)
                break;
            o.said = random_below(2) == 0 ? STATED_NOTHING : STATED_TLSA;
            take(&entry, &o, standard);
            claim(ledger_level(&entry) >= highest && entry.epoch == 0, "%s", text_of(&entry));
            highest = ledger_level(&entry);
        }
    }
}
END_TEST

/* --- the strictest still-valid authenticated history --- */

struct moment {
    bool ordered;
    enum level level; /* if ordered */
    struct observation observation;
};

#define MOMENTS 60

/* Is what was seen at `from` still in force? Reads the history forward, and keeps nothing. */
static bool dane_holds(const struct moment *history, unsigned from, unsigned count)
{
    int64_t unsigned_since_s = 0;

    for (unsigned i = from + 1; i < count; i++) {
        const struct observation *o = &history[i].observation;

        if (history[i].ordered) {
            if (history[i].level < LEVEL_AUTHENTICATED)
                return false;
            continue;
        }
        if (o->seen == OBSERVED_DANE || o->said == STATED_TLSA)
            unsigned_since_s = 0;
        else if (o->said == STATED_TLSA_DENIED)
            return false;
        else if (o->said == STATED_INSECURE && unsigned_since_s == 0)
            unsigned_since_s = o->at_s;
        else if (o->said == STATED_INSECURE && o->at_s - unsigned_since_s >= DAY)
            return false;
    }
    return true;
}

static bool sts_holds(const struct moment *history, unsigned from, unsigned count)
{
    for (unsigned i = from + 1; i < count; i++)
        if (history[i].ordered ? history[i].level < LEVEL_AUTHENTICATED
                               : history[i].observation.said == STATED_STS_NONE &&
                                     history[i].observation.seen != OBSERVED_STS)
            return false;
    return true;
}

static bool encrypt_holds(const struct moment *history, unsigned from, unsigned count)
{
    for (unsigned i = from + 1; i < count; i++)
        if (history[i].ordered && history[i].level < LEVEL_ENCRYPT)
            return false;
    return true;
}

static enum level demanded(const struct moment *history, unsigned count, enum ledger_kind kind)
{
    enum level level = LEVEL_NONE;

    for (unsigned i = 0; i < count; i++) {
        const struct observation *o = &history[i].observation;

        if (history[i].ordered) {
            unsigned later = i + 1;

            while (later < count && !history[later].ordered)
                later++;
            if (later == count) /* the last order stands */
                level = maximum(level, history[i].level);
            continue;
        }
        if (o->seen < OBSERVED_HANDSHAKES)
            continue;
        if (kind == LEDGER_DOMAIN && o->seen == OBSERVED_DANE && dane_holds(history, i, count))
            level = maximum(level, LEVEL_AUTHENTICATED);
        if (kind == LEDGER_DOMAIN && o->seen == OBSERVED_STS && sts_holds(history, i, count))
            level = maximum(level, LEVEL_AUTHENTICATED);
        if ((kind == LEDGER_HOST || o->seen != OBSERVED_HANDSHAKES) &&
            encrypt_holds(history, i, count))
            level = maximum(level, LEVEL_ENCRYPT);
    }
    return level;
}

static void random_moment(struct moment *moment, struct ledger_entry *entry, int64_t now_s)
{
    *moment =
        (struct moment){.ordered = random_below(15) == 0, .observation = random_observation(now_s)};
    if (moment->ordered) {
        moment->level = (enum level)random_below(LEVEL_AUTHENTICATED + 1);
        if (entry->kind == LEDGER_HOST && moment->level > LEVEL_ENCRYPT)
            moment->level = LEVEL_ENCRYPT;
        ledger_set(entry, moment->level, now_s);
    } else if (random_below(2) == 0) {
        take(entry, &moment->observation, standard);
    } else { /* given once only: nothing is lost by it */
        ledger_observe(entry, &moment->observation, standard, NULL);
    }
    ledger_use(entry, now_s);
}

/* Also with turns left out, it never demands less; it may demand more for a while, and handshakes
 * that are spaced raise it, which `demanded` does not count. */
START_TEST(the_floor_is_never_below_the_strictest_authenticated_history_that_still_holds)
{
    unsigned authenticated = 0;

    random_state = 20270104;
    for (unsigned round = 0; round < 20000; round++) {
        struct ledger_entry entry = {.kind = (uint8_t)random_below(LEDGER_KIND_COUNT)};
        struct moment history[MOMENTS];
        int64_t now_s = NOW;

        for (unsigned i = 0; i < MOMENTS; i++) {
            enum level least;
            struct floor floor;

            now_s += random_below(4) == 0 ? random_below(2 * (uint32_t)DAY) : random_below(7200);
            random_moment(&history[i], &entry, now_s);
            least = demanded(history, i + 1, (enum ledger_kind)entry.kind);
            ledger_floor(&floor, &entry);
            claim(floor.level >= least, "round %u, moment %u: %s, demanded is %s", round, i,
                  text_of(&entry), level_name(least));
            authenticated += least == LEVEL_AUTHENTICATED;
        }
    }
    ck_assert_uint_gt(authenticated, 100000);
}
END_TEST

static void add_whole_worlds(TCase *all)
{
    tcase_add_test(all, an_entry_and_an_observation_give_what_the_rules_say_MEM_01_to_06);
    tcase_add_test(
        all, nothing_but_the_listed_statements_lowers_and_never_below_encrypt_MEM_04_MEM_05_MEM_06);
    tcase_add_test(all,
                   nothing_and_a_clock_that_cannot_be_right_change_nothing_law_2_FRESH_05_FRESH_06);
    tcase_add_test(all, an_entry_stays_sound_and_the_same_observation_again_says_nothing_new);
    tcase_add_test(
        all, a_delivery_is_a_sighting_and_neither_contradicts_nor_ends_a_contradiction_MEM_05);
    tcase_add_test(
        all,
        raising_needs_completed_handshakes_and_a_domain_two_apart_or_an_authenticated_one_MEM_02);
}

static void add_rules(TCase *single)
{
    tcase_add_test(single, a_domain_waits_for_a_second_sighting_a_day_later_MEM_02);
    tcase_add_test(single, one_handshake_looked_at_twice_is_one_sighting_MEM_02);
    tcase_add_loop_test(single,
                        a_sighting_that_is_disproved_before_the_second_does_not_count_PIT_09, 0, 2);
    tcase_add_test(
        single,
        a_host_is_remembered_from_its_first_handshake_and_never_as_more_than_encrypt_MEM_02);
    tcase_add_loop_test(
        single, authenticated_evidence_raises_at_once_and_leaves_encrypt_behind_MEM_02_MEM_04, 0,
        2);
    tcase_add_test(single, what_takes_back_one_proof_leaves_the_others_MEM_04);
    tcase_add_test(single, a_zone_must_be_unsigned_for_the_whole_cool_down_without_a_break_MEM_06);
    tcase_add_test(single, what_ends_together_is_said_one_after_the_other);
    tcase_add_test(single, a_contradiction_ends_when_the_level_is_met_again_and_only_then_MEM_05);
    tcase_add_test(single,
                   giving_way_is_off_and_when_on_needs_absence_at_every_look_of_every_day_MEM_05);
    tcase_add_test(single, two_looks_far_apart_are_no_consistent_absence_MEM_05);
    tcase_add_test(single, disuse_forgets_what_was_never_contradicted_and_nothing_else_MEM_05);
    tcase_add_test(single, who_asks_keeps_it_whatever_the_looks_come_to_PIT_03);
    tcase_add_test(single, a_waiting_entry_that_is_too_old_goes_without_an_alarm);
    tcase_add_test(single,
                   a_clock_that_cannot_be_right_ages_nothing_and_uses_nothing_FRESH_05_FRESH_06);
    tcase_add_test(single,
                   times_from_a_future_that_was_none_begin_again_and_the_level_stays_FRESH_05);
    tcase_add_test(single, a_rule_runs_out_by_itself_and_outlives_what_is_forgotten);
    tcase_add_test(single, an_entry_whose_rule_was_taken_back_is_forgotten_whole);
    tcase_add_test(single, an_administrator_sets_the_level_exactly_and_ends_a_contradiction_MEM_05);
    tcase_add_test(single, what_was_set_to_none_is_learned_again_like_anything_else);
    tcase_add_test(single, a_broken_record_demands_encrypt_until_an_administrator_decides_MEM_08);
    tcase_add_test(single, only_what_a_history_can_lead_to_is_sound);
    tcase_add_test(single, own_subdomains_share_one_quota_and_a_country_is_no_domain_MEM_02);
    tcase_add_test(single, only_what_demands_little_and_nobody_uses_makes_room_MEM_07);
    tcase_add_test(single, the_floor_says_level_proof_rule_and_since_when_and_times_fit_into_it);
    tcase_add_test(single, hosts_demand_encrypt_unless_one_never_could_and_none_has_fallen_S10_S11);
    tcase_add_test(single, a_host_is_exempt_until_the_date_and_not_by_a_clock_that_cannot_be_right);
    tcase_add_test(single, a_raise_that_only_the_table_knew_is_taken_over_and_no_lowering_undone);
    tcase_add_test(single, every_event_proof_and_rule_has_a_word_of_its_own);
}

static void add_merging(TCase *merge)
{
    tcase_add_test(merge, merging_is_commutative_associative_idempotent_and_by_maximum);
    tcase_add_test(merge, the_laws_of_merging_hold_for_any_sound_entries);
    tcase_add_test(merge, of_two_rulings_that_did_not_know_of_each_other_the_strictest_counts);
    tcase_add_test(merge, an_administrators_lowering_is_not_undone_by_who_has_not_heard_of_it_yet);
}

static void add_histories(TCase *histories)
{
    tcase_add_test(histories,
                   no_sequence_of_unauthenticated_observations_of_any_length_lowers_MEM_05);
    tcase_add_test(histories,
                   the_floor_is_never_below_the_strictest_authenticated_history_that_still_holds);
}

int main(void)
{
    Suite *suite = suite_create("ledger");
    TCase *all = tcase_create("all entries and observations"), *single = tcase_create("rules");
    TCase *merge = tcase_create("merging"), *histories = tcase_create("histories");
    SRunner *runner;
    int failed;

    yielding = ledger_standard;
    yielding.give_way_s = 3 * DAY;
    add_whole_worlds(all);
    add_rules(single);
    add_merging(merge);
    add_histories(histories);
    tcase_set_timeout(all, 120);
    tcase_set_timeout(merge, 120);
    tcase_set_timeout(histories, 120);
    suite_add_tcase(suite, all);
    suite_add_tcase(suite, single);
    suite_add_tcase(suite, merge);
    suite_add_tcase(suite, histories);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
