/*
 * ledger.c - the rules of the TLS memory (see ledger.h). Pure.
 *
 * The way through it: ledger_observe goes through `rules` in their order; each function there is
 * one rule, changes the entry or leaves it alone, and says what happened. Everything that lowers
 * ends in entry_lowered, and is called from four places: statement_lowers, gives_way, forget
 * (disuse), and ledger_set (the administrator); ledger_evict empties an entry where there is no
 * room.
 */
#include "engine/memory/ledger.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <stdio.h>
#include <string.h>

#define HANDSHAKES     LEDGER_PROOF(PROOF_HANDSHAKES)
#define DANE           LEDGER_PROOF(PROOF_DANE)
#define STS            LEDGER_PROOF(PROOF_STS)
#define SIGHTINGS      2                     /* completed handshakes that raise a domain (MEM-02) */
#define TIME_MOST      INT64_C(253402300799) /* the year 9999 */
#define SUFFIX_LETTERS 3                     /* of "co" in co.uk */

const struct ledger_settings ledger_standard = {
    .sightings_apart_s = 86400,
    .cool_down_s = 86400,
    .disuse_s = INT64_C(365) * 86400,
    .give_way_s = 0,
    .spare_s = INT64_C(30) * 86400,
    .entries = 2000000,
    .per_registrable = 256,
    .per_suffix = 65536,
};

/* --- what an entry demands --- */

static enum level greater(enum level a, enum level b)
{
    return a > b ? a : b;
}

static enum level proofs_level(uint8_t proofs)
{
    if ((proofs & (DANE | STS)) != 0)
        return LEVEL_AUTHENTICATED;
    return (proofs & HANDSHAKES) != 0 ? LEVEL_ENCRYPT : LEVEL_NONE;
}

enum level ledger_level(const struct ledger_entry *entry)
{
    enum level unreadable =
        (entry->flags & LEDGER_UNREADABLE) != 0 ? LEVEL_ENCRYPT : LEVEL_NONE; /* MEM-08 */

    return greater(greater(proofs_level(entry->proofs), (enum level)entry->set_level), unreadable);
}

enum proof ledger_proof(const struct ledger_entry *entry)
{
    enum level level = ledger_level(entry);

    if (level == LEVEL_AUTHENTICATED && (entry->proofs & DANE) != 0)
        return PROOF_DANE; /* `dane-only` says it without names */
    if (level == LEVEL_AUTHENTICATED && (entry->proofs & STS) != 0)
        return PROOF_STS;
    if (level == LEVEL_ENCRYPT && (entry->proofs & HANDSHAKES) != 0)
        return PROOF_HANDSHAKES;
    return level != LEVEL_NONE && entry->set_level == level ? PROOF_ADMINISTRATOR : PROOF_NONE;
}

/* An epoch is kept too: it says that something was taken back, to those who still have it. */
bool ledger_is_empty(const struct ledger_entry *entry)
{
    return entry->proofs == 0 && entry->set_level == LEVEL_NONE && entry->flags == 0 &&
           entry->handshakes == 0 && entry->rule == RULE_NONE && entry->epoch == 0 &&
           entry->rule_epoch == 0;
}

void ledger_unreadable(struct ledger_entry *entry, enum ledger_kind kind)
{
    *entry = (struct ledger_entry){.kind = (uint8_t)kind, .flags = LEDGER_UNREADABLE};
}

/* --- is it one of ours? --- */

static bool times_are_sound(const struct ledger_entry *entry)
{
    const int64_t times[] = {entry->first_seen_s, entry->last_seen_s,    entry->used_s,
                             entry->lowered_s,    entry->contradicted_s, entry->absence_s,
                             entry->insecure_s,   entry->rule_until_s};

    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i] < 0 || times[i] > TIME_MOST)
            return false;
    return true;
}

static bool learned_is_sound(const struct ledger_entry *entry)
{
    unsigned may = entry->kind == LEDGER_HOST ? HANDSHAKES : HANDSHAKES | DANE | STS;
    enum level most = entry->kind == LEDGER_HOST ? LEVEL_ENCRYPT : LEVEL_AUTHENTICATED;
    bool counted = entry->handshakes > 0;

    return (entry->proofs & ~may) == 0 && entry->set_level <= most &&
           ((entry->proofs & (DANE | STS)) == 0 || (entry->proofs & HANDSHAKES) != 0) &&
           ((entry->proofs & HANDSHAKES) == 0 || counted) && (entry->first_seen_s > 0) == counted &&
           (entry->last_seen_s > 0) == counted &&
           (entry->insecure_s == 0 || (entry->proofs & DANE) != 0);
}

static bool contradiction_is_sound(const struct ledger_entry *entry)
{
    bool pending = ledger_is_pending(entry);

    return entry->contradiction < CAUSE_COUNT && (entry->absences > 0) == pending &&
           (entry->absence_s > 0) == pending && (entry->contradiction == CAUSE_NONE || pending) &&
           (!pending || ledger_level(entry) >= LEVEL_ENCRYPT);
}

static bool rule_is_sound(const struct ledger_entry *entry)
{
    return entry->rule < RULE_COUNT && entry->rule_level <= LEVEL_AUTHENTICATED &&
           (entry->rule_level == LEVEL_NONE || entry->rule == RULE_PIN) &&
           (entry->rule_until_s == 0 || entry->rule != RULE_NONE);
}

bool ledger_is_sound(const struct ledger_entry *entry)
{
    return entry->kind < LEDGER_KIND_COUNT &&
           (entry->flags & ~(LEDGER_UNREADABLE | LEDGER_OBSERVE)) == 0 && times_are_sound(entry) &&
           learned_is_sound(entry) && contradiction_is_sound(entry) && rule_is_sound(entry);
}

/* --- lowering --- */

static void add_one(uint32_t *count)
{
    if (*count < UINT32_MAX)
        ++*count;
}

static void contradiction_clear(struct ledger_entry *entry)
{
    entry->contradicted_s = entry->absence_s = 0;
    entry->absences = 0;
    entry->contradiction = CAUSE_NONE;
}

static void sightings_clear(struct ledger_entry *entry)
{
    entry->handshakes = 0;
    entry->first_seen_s = entry->last_seen_s = 0;
}

static void proofs_drop(struct ledger_entry *entry, unsigned proofs)
{
    entry->proofs &= (uint8_t)~proofs;
    if ((entry->proofs & DANE) == 0)
        entry->insecure_s = 0;
}

/* If the level is less than it was: the one way down. What contradicted the old level says nothing
 * yet about the new one. */
static bool entry_lowered(struct ledger_entry *entry, enum level before, int64_t now_s)
{
    if (ledger_level(entry) >= before)
        return false;
    contradiction_clear(entry);
    add_one(&entry->epoch);
    if (clock_is_sane(now_s))
        entry->lowered_s = now_s;
    return true;
}

/* --- one observation, rule by rule --- */

struct turn {
    struct ledger_entry *entry;
    const struct observation *observation;
    const struct ledger_settings *settings;
    char *reason; /* NULL, or LEDGER_REASON bytes */
};

static void say(const struct turn *turn, const char *sentence)
{
    if (turn->reason != NULL)
        snprintf(turn->reason, LEDGER_REASON, "%s", sentence);
}

/* DNSSEC speaks at once, except that "no longer signed" must stay so for a cool-down (MEM-06); an
 * STS policy ends by its own word (MEM-04). */
static unsigned taken_back(const struct turn *turn)
{
    const int64_t insecure_s = turn->entry->insecure_s;

    switch (turn->observation->said) {
    case STATED_TLSA_DENIED:
        return DANE;
    case STATED_INSECURE:
        if (insecure_s != 0 && turn->observation->at_s - insecure_s >= turn->settings->cool_down_s)
            return DANE;
        break;
    case STATED_STS_NONE:
        return STS;
    case STATED_NOTHING:
    case STATED_TLSA:
    case STATEMENT_COUNT:
        break;
    }
    return 0;
}

/* What was seen to be met just now is in force, whatever else is said. */
static unsigned seen_in_force(const struct observation *observation)
{
    return observation->seen == OBSERVED_DANE ? DANE : observation->seen == OBSERVED_STS ? STS : 0;
}

static enum ledger_event statement_lowers(const struct turn *turn)
{
    static const char *const sentences[STATEMENT_COUNT] = {
        [STATED_TLSA_DENIED] = "signed answers deny its TLSA records",
        [STATED_INSECURE] = "its zone is proved to be no longer signed",
        [STATED_STS_NONE] = "its MTA-STS policy says `mode: none`",
    };
    struct ledger_entry *entry = turn->entry;
    const enum level before = ledger_level(entry);
    const unsigned gone = taken_back(turn) & entry->proofs & ~seen_in_force(turn->observation);

    if (gone == 0)
        return LEDGER_UNCHANGED;
    proofs_drop(entry, gone);
    if (!entry_lowered(entry, before, turn->observation->at_s))
        return LEDGER_CONFIRMED; /* another proof demands as much */
    say(turn, sentences[turn->observation->said]);
    return LEDGER_LOWERED;
}

/* What a sight amounts to at least; `reached` may say more. */
static enum level level_reached(const struct observation *observation)
{
    static const enum level least[OBSERVED_COUNT] = {
        [OBSERVED_HANDSHAKES] = LEVEL_ENCRYPT,
        [OBSERVED_DANE] = LEVEL_AUTHENTICATED,
        [OBSERVED_STS] = LEVEL_AUTHENTICATED,
    };

    if (observation->seen == OBSERVED_BELOW && observation->reached >= LEVEL_ENCRYPT)
        return LEVEL_NONE; /* whatever else it says */
    return greater(observation->reached, least[observation->seen]);
}

/* Definite evidence is below what is remembered. */
static bool is_unmet(const struct turn *turn)
{
    const enum level level = ledger_level(turn->entry);

    return turn->observation->seen != OBSERVED_NOTHING && !turn->observation->delivered &&
           level >= LEVEL_ENCRYPT && level_reached(turn->observation) < level;
}

static enum ledger_event contradiction_ends(const struct turn *turn)
{
    if (!ledger_is_pending(turn->entry) || turn->observation->seen == OBSERVED_NOTHING ||
        turn->observation->delivered || is_unmet(turn))
        return LEDGER_UNCHANGED;
    contradiction_clear(turn->entry);
    say(turn, "it does what is remembered of it again");
    return LEDGER_MET_AGAIN;
}

static enum ledger_event contradiction_begins(const struct turn *turn)
{
    struct ledger_entry *entry = turn->entry;

    if (ledger_is_pending(entry) || !is_unmet(turn))
        return LEDGER_UNCHANGED;
    entry->contradicted_s = entry->absence_s = turn->observation->at_s;
    entry->absences = 1;
    entry->contradiction = (uint8_t)turn->observation->cause;
    if (turn->reason != NULL)
        snprintf(turn->reason, LEDGER_REASON, "remembered is %s, seen is %s: mail is held",
                 level_name(ledger_level(entry)), level_name(level_reached(turn->observation)));
    return LEDGER_CONTRADICTED;
}

/* Looks count only so far apart, from the newest evidence of the one to the oldest of the other. */
static bool is_spaced(const struct turn *turn, int64_t last_s)
{
    const struct observation *observation = turn->observation;

    return clock_is_sane(observation->evidence_s) &&
           observation->evidence_s - LEDGER_CLOCK_S <= observation->at_s &&
           (last_s == 0 || observation->evidence_s - last_s >= turn->settings->sightings_apart_s);
}

static enum ledger_event absence_counts(const struct turn *turn)
{
    struct ledger_entry *entry = turn->entry;

    if (!ledger_is_pending(entry) || !is_unmet(turn) || !is_spaced(turn, entry->absence_s))
        return LEDGER_UNCHANGED;
    add_one(&entry->absences);
    entry->absence_s = turn->observation->at_s;
    return LEDGER_CONFIRMED;
}

/* Off by default (MEM-05): TLS was missing at every look for so long, at least one look for each
 * spacing. Only what handshakes alone taught. */
static enum ledger_event gives_way(const struct turn *turn)
{
    struct ledger_entry *entry = turn->entry;
    const struct ledger_settings *settings = turn->settings;
    const enum level before = ledger_level(entry);

    if (settings->give_way_s <= 0 || settings->sightings_apart_s <= 0 ||
        !ledger_is_pending(entry) || !is_unmet(turn) || entry->proofs != HANDSHAKES ||
        entry->set_level != LEVEL_NONE || (entry->flags & LEDGER_UNREADABLE) != 0 ||
        turn->observation->at_s - entry->contradicted_s < settings->give_way_s ||
        entry->absences <= settings->give_way_s / settings->sightings_apart_s)
        return LEDGER_UNCHANGED;
    proofs_drop(entry, HANDSHAKES);
    sightings_clear(entry);
    CHECK(entry_lowered(entry, before, turn->observation->at_s));
    say(turn, "it has not done TLS at any look for as long as `give_way` asks");
    return LEDGER_LOWERED;
}

/* What this look proves, the one being counted included. Hosts learn `encrypt` and no more: a
 * host that authenticates itself says nothing about a domain (PIT-05). */
static unsigned proofs_shown(const struct turn *turn, bool spaced)
{
    const struct ledger_entry *entry = turn->entry;

    switch (turn->observation->seen) {
    case OBSERVED_HANDSHAKES:
        break;
    case OBSERVED_DANE:
        return entry->kind == LEDGER_HOST ? HANDSHAKES : HANDSHAKES | DANE;
    case OBSERVED_STS:
        return entry->kind == LEDGER_HOST ? HANDSHAKES : HANDSHAKES | STS;
    case OBSERVED_NOTHING:
    case OBSERVED_BELOW:
    case OBSERVED_PARTLY:
    case OBSERVED_COUNT:
        return 0;
    }
    if (entry->kind == LEDGER_HOST || entry->handshakes + (uint64_t)spaced >= SIGHTINGS)
        return HANDSHAKES;
    return 0;
}

static bool is_sighting(const struct turn *turn)
{
    return turn->observation->seen >= OBSERVED_HANDSHAKES &&
           is_spaced(turn, turn->entry->last_seen_s);
}

static void sighting_note(const struct turn *turn, bool spaced)
{
    struct ledger_entry *entry = turn->entry;

    if (spaced || entry->handshakes == 0)
        add_one(&entry->handshakes);
    if (entry->first_seen_s == 0)
        entry->first_seen_s = turn->observation->at_s;
    entry->last_seen_s = turn->observation->at_s;
}

/* MEM-02. */
static enum ledger_event proof_raises(const struct turn *turn)
{
    struct ledger_entry *entry = turn->entry;
    const enum level before = ledger_level(entry);
    const bool spaced = is_sighting(turn);
    const unsigned shown = proofs_shown(turn, spaced) & ~(unsigned)entry->proofs;

    if (shown == 0)
        return LEDGER_UNCHANGED;
    entry->proofs |= (uint8_t)shown;
    sighting_note(turn, spaced);
    if (ledger_level(entry) == before)
        return LEDGER_CONFIRMED;
    say(turn, shown & DANE  ? "DANE behind a signed MX record, seen to be met"
              : shown & STS ? "an MTA-STS policy in force, seen to be met"
                            : "completed TLS handshakes");
    return LEDGER_RAISED;
}

static enum ledger_event sighting_counts(const struct turn *turn)
{
    if (!is_sighting(turn))
        return LEDGER_UNCHANGED;
    sighting_note(turn, true);
    return ledger_level(turn->entry) == LEVEL_NONE ? LEDGER_WAITING : LEDGER_CONFIRMED;
}

/* Whoever is seen without TLS before the second sighting is not one that always does it: who
 * forged the first must go on forging (PIT-09). Lowers nothing, there is nothing yet. */
static enum ledger_event sighting_is_dismissed(const struct turn *turn)
{
    struct ledger_entry *entry = turn->entry;

    if ((turn->observation->seen != OBSERVED_BELOW && turn->observation->seen != OBSERVED_PARTLY) ||
        entry->handshakes == 0 || (entry->proofs & HANDSHAKES) != 0)
        return LEDGER_UNCHANGED;
    sightings_clear(entry);
    return LEDGER_DISMISSED;
}

/* Raising comes first, so that who stops after the first event stops on the safe side. */
static enum ledger_event (*const rules[])(const struct turn *) = {
    proof_raises,   statement_lowers, contradiction_begins, contradiction_ends,
    absence_counts, gives_way,        sighting_counts,      sighting_is_dismissed,
};

/* --- what is put right in passing; changes no level and takes no part in events --- */

/* FRESH-05: a time that has not come yet was written by a clock that was wrong. Nobody knows how
 * long ago that was: it begins again now, and the level stays. */
static bool clock_mend(struct ledger_entry *entry, int64_t now_s)
{
    int64_t *const times[] = {&entry->first_seen_s, &entry->last_seen_s,    &entry->used_s,
                              &entry->lowered_s,    &entry->contradicted_s, &entry->absence_s,
                              &entry->insecure_s};
    bool mended = false;

    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (*times[i] - LEDGER_CLOCK_S > now_s) {
            *times[i] = now_s;
            mended = true;
        }
    return mended;
}

/* "No longer signed" must be so without a break (MEM-06): any proof of the contrary ends it. */
static bool cool_down_mark(struct ledger_entry *entry, const struct observation *observation)
{
    const int64_t before_s = entry->insecure_s;

    if (observation->said == STATED_TLSA || observation->seen == OBSERVED_DANE)
        entry->insecure_s = 0;
    else if (observation->said == STATED_INSECURE && before_s == 0 && (entry->proofs & DANE) != 0)
        entry->insecure_s = observation->at_s;
    return entry->insecure_s != before_s;
}

enum ledger_event ledger_observe(struct ledger_entry *entry, const struct observation *observation,
                                 const struct ledger_settings *settings, char *reason)
{
    const struct turn turn = {entry, observation, settings, reason};
    enum ledger_event event = LEDGER_UNCHANGED;
    bool mended;

    CHECK((unsigned)observation->seen < OBSERVED_COUNT);
    CHECK((unsigned)observation->said < STATEMENT_COUNT);
    if (reason != NULL)
        reason[0] = '\0';
    if (observation_is_nothing(observation) || !clock_is_sane(observation->at_s))
        return LEDGER_UNCHANGED;
    mended = clock_mend(entry, observation->at_s);
    mended |= cool_down_mark(entry, observation);
    for (size_t i = 0; i < sizeof rules / sizeof *rules && event == LEDGER_UNCHANGED; i++)
        event = rules[i](&turn);
    return event == LEDGER_UNCHANGED && mended ? LEDGER_CONFIRMED : event;
}

/* --- time alone --- */

static bool rule_is_over(const struct ledger_entry *entry, int64_t now_s)
{
    return entry->rule != RULE_NONE && entry->rule_until_s != 0 && now_s >= entry->rule_until_s;
}

/* Lowered entries grow old too: their epoch is only for those who still have the old one. */
int64_t ledger_last_use_s(const struct ledger_entry *entry)
{
    int64_t last_s = entry->last_seen_s > entry->used_s ? entry->last_seen_s : entry->used_s;

    return entry->lowered_s > last_s ? entry->lowered_s : last_s;
}

/* Never what is contradicted, what cannot be read, and what an administrator set (MEM-05). */
static bool is_disused(const struct ledger_entry *entry, int64_t now_s, int64_t disuse_s)
{
    return ledger_last_use_s(entry) != 0 && now_s - ledger_last_use_s(entry) >= disuse_s &&
           !ledger_is_pending(entry) && entry->set_level == LEVEL_NONE &&
           (entry->flags & LEDGER_UNREADABLE) == 0;
}

/* With its epoch: another ledger that still uses it may bring it back, and should. */
static void forget(struct ledger_entry *entry)
{
    struct ledger_entry rest = {.kind = entry->kind,
                                .flags = entry->flags,
                                .rule = entry->rule,
                                .rule_level = entry->rule_level,
                                .rule_epoch = entry->rule_epoch,
                                .rule_until_s = entry->rule_until_s};

    if (rest.rule == RULE_NONE && rest.flags == 0)
        rest.rule_epoch = 0;
    *entry = rest;
}

enum ledger_event ledger_age(struct ledger_entry *entry, int64_t now_s,
                             const struct ledger_settings *settings, char *reason)
{
    const struct turn turn = {entry, NULL, settings, reason};
    enum level before;

    if (reason != NULL)
        reason[0] = '\0';
    if (!clock_is_sane(now_s))
        return LEDGER_UNCHANGED;
    if (rule_is_over(entry, now_s)) {
        entry->rule = RULE_NONE;
        entry->rule_level = LEVEL_NONE;
        entry->rule_until_s = 0;
        say(&turn, "the rule has run out");
        return LEDGER_RULE_OVER;
    }
    if (!is_disused(entry, now_s, settings->disuse_s))
        return LEDGER_UNCHANGED;
    before = ledger_level(entry);
    forget(entry);
    say(&turn, "nobody has asked about it for long, and nothing contradicted it");
    return before > LEVEL_NONE ? LEDGER_EXPIRED : LEDGER_DISMISSED;
}

enum ledger_event ledger_use(struct ledger_entry *entry, int64_t now_s)
{
    bool mended;

    if (!clock_is_sane(now_s) || ledger_is_empty(entry))
        return LEDGER_UNCHANGED;
    mended = clock_mend(entry, now_s);
    if (now_s - entry->used_s < LEDGER_USE_S)
        return mended ? LEDGER_CONFIRMED : LEDGER_UNCHANGED;
    entry->used_s = now_s;
    return LEDGER_CONFIRMED;
}

/* --- what makes room --- */

enum ledger_worth ledger_worth(const struct ledger_entry *entry, int64_t now_s,
                               const struct ledger_settings *settings)
{
    if (entry->rule != RULE_NONE || entry->flags != 0 || entry->set_level != LEVEL_NONE ||
        ledger_is_pending(entry))
        return LEDGER_KEPT;
    if (entry->proofs == 0)
        return LEDGER_CHEAP;
    return entry->proofs == HANDSHAKES && clock_is_sane(now_s) &&
                   is_disused(entry, now_s, settings->spare_s)
               ? LEDGER_SPARE
               : LEDGER_KEPT;
}

enum ledger_event ledger_evict(struct ledger_entry *entry, char *reason)
{
    const struct turn turn = {entry, NULL, NULL, reason};
    const enum level before = ledger_level(entry);

    if (reason != NULL)
        reason[0] = '\0';
    *entry = (struct ledger_entry){.kind = entry->kind};
    say(&turn, "the memory is full, and nobody has asked about it for long");
    return before > LEVEL_NONE ? LEDGER_EXPIRED : LEDGER_DISMISSED;
}

/* --- quotas: nobody fills the memory with names of his own (MEM-02, MEM-07) --- */

/* "co.uk", and whatever else is two letters after at most three, or after one of the words that
 * countries sell names below. Who owns such a name himself may fill a larger quota. */
static bool looks_like_suffix(const struct name *registrable)
{
    static const char *const words[] = {"info",  "name", "asso", "firm",  "gouv",
                                        "mobi",  "coop", "aero", "press", "priv",
                                        "store", "arts", "shop", "tour",  "school"};
    const char *dot = strchr(registrable->text, '.');
    const size_t letters = dot != NULL ? (size_t)(dot - registrable->text) : 0;

    if (dot == NULL || strlen(dot + 1) != 2)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == letters && memcmp(registrable->text, words[i], letters) == 0)
            return true;
    return letters <= SUFFIX_LETTERS;
}

unsigned ledger_quotas(struct ledger_quota quotas[2], enum ledger_kind kind,
                       const struct name *name, const struct ledger_settings *settings)
{
    const struct name two = name_last_labels(name, 2);

    if (kind == LEDGER_HOST) {
        quotas[0] = (struct ledger_quota){two, settings->per_suffix};
        return 1;
    }
    if (!looks_like_suffix(&two)) {
        quotas[0] = (struct ledger_quota){two, settings->per_registrable};
        return 1;
    }
    quotas[0] = (struct ledger_quota){name_last_labels(name, 3), settings->per_registrable};
    quotas[1] = (struct ledger_quota){two, settings->per_suffix};
    return 2;
}

/* --- the administrator --- */

enum ledger_event ledger_set(struct ledger_entry *entry, enum level level, int64_t now_s)
{
    const enum level before = ledger_level(entry);

    if (entry->kind == LEDGER_HOST && level > LEVEL_ENCRYPT)
        level = LEVEL_ENCRYPT; /* PIT-05 */
    if (level < LEVEL_AUTHENTICATED)
        proofs_drop(entry, DANE | STS);
    if (level < LEVEL_ENCRYPT) {
        proofs_drop(entry, HANDSHAKES);
        sightings_clear(entry);
    }
    entry->flags &= (uint8_t)~LEDGER_UNREADABLE;
    entry->set_level = (uint8_t)level;
    contradiction_clear(entry);
    if (entry_lowered(entry, before, now_s))
        return LEDGER_LOWERED;
    return level > before ? LEDGER_RAISED : LEDGER_CONFIRMED;
}

void ledger_rule(struct ledger_entry *entry, enum rule rule, enum level level, int64_t until_s)
{
    CHECK((unsigned)rule < RULE_COUNT && until_s >= 0);
    entry->rule = (uint8_t)rule;
    entry->rule_level = (uint8_t)(rule == RULE_PIN ? level : LEVEL_NONE);
    entry->rule_until_s = rule == RULE_NONE ? 0 : until_s;
    add_one(&entry->rule_epoch);
}

/* FNV-1a: nobody gains by a collision, an administrator makes the names. */
static uint32_t mix(uint32_t hash, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 16777619u;
    return hash;
}

uint32_t ledger_ruling(const struct ledger_entry *entry, const char *name)
{
    uint32_t hash = 2166136261u;

    if (entry->kind != LEDGER_HOST || (entry->rule_epoch == 0 && entry->rule == RULE_NONE &&
                                       entry->set_level == LEVEL_NONE && entry->epoch == 0))
        return 0;
    hash = mix(hash, name, strlen(name));
    hash = mix(hash, &entry->rule_epoch, sizeof entry->rule_epoch);
    hash = mix(hash, &entry->epoch, sizeof entry->epoch);
    hash = mix(hash, &entry->rule_until_s, sizeof entry->rule_until_s);
    return mix(hash, (const uint8_t[]){entry->set_level, entry->rule, entry->rule_level}, 3);
}

void ledger_rule_observe(struct ledger_entry *entry, bool observe)
{
    entry->flags &= (uint8_t)~LEDGER_OBSERVE;
    if (observe)
        entry->flags |= LEDGER_OBSERVE;
    add_one(&entry->rule_epoch);
}
