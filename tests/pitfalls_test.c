/*
 * pitfalls_test.c - the attacks and mishaps of standards.md section 14 that the memory is about,
 * each told as a story with a clock of its own: PIT-01, 03, 05, 07..11, 13, 20, 21, MEM-05..08,
 * FRESH-05.
 *
 * A node of the stories has a ledger (a hash of entries) and looks at domains: hosts in the
 * situations of scenes.h make findings, a verdict, what it teaches, the entries, and the floor, all
 * by the daemon's own functions. What becomes of mail is stated here once more, in a few lines: it
 * is held if what is remembered is definitely not met; else it leaves under a policy that enforces
 * what is remembered, and only without any such demand can it leave in clear. Each look holds the
 * daemon's own answer, to a sender who demands nothing, against that.
 */
#include "engine/memory/remember.h"
#include "shm/answer.h"

#include "tests/scenes.h"

#define HOUR     INT64_C(3600)
#define DAY      (24 * HOUR)
#define NODE_MAX (1u << 18) /* entries; a power of two */

/* --- a node --- */

struct record {
    bool taken;
    struct name name;
    struct ledger_entry entry;
};

static struct {
    struct record records[NODE_MAX];
    struct {
        enum ledger_kind kind;
        struct name ancestor;
        uint32_t count;
    } counted[16]; /* the quotas that a story is about */
    unsigned counted_count;
    struct name looked_at; /* last */
    enum level hosts_level;
    int64_t now_s;
    struct ledger_settings settings;
    unsigned events[LEDGER_EVENT_COUNT], refused;
} node;

static void node_begin(void)
{
    memset(&node, 0, sizeof node);
    node.settings = ledger_standard;
    node.now_s = LIMIT_CLOCK_FIRST_S + 300 * DAY;
    makings_seen_at(node.now_s);
}

static void wait_for(int64_t seconds)
{
    node.now_s += seconds;
}

static struct record *record_of(enum ledger_kind kind, const struct name *name)
{
    size_t at = (name_hash(name) + kind) % NODE_MAX;

    while (node.records[at].taken &&
           (node.records[at].entry.kind != kind || !name_equal(&node.records[at].name, name)))
        at = (at + 1) % NODE_MAX;
    return &node.records[at];
}

static uint32_t *count_of(enum ledger_kind kind, const struct name *ancestor)
{
    for (unsigned i = 0; i < node.counted_count; i++)
        if (node.counted[i].kind == kind && name_equal(&node.counted[i].ancestor, ancestor))
            return &node.counted[i].count;
    ck_assert_uint_lt(node.counted_count, sizeof node.counted / sizeof *node.counted);
    node.counted[node.counted_count].kind = kind;
    node.counted[node.counted_count].ancestor = *ancestor;
    return &node.counted[node.counted_count++].count;
}

static bool has_room(enum ledger_kind kind, const struct name *name)
{
    struct ledger_quota quotas[2];
    unsigned count = ledger_quotas(quotas, kind, name, &node.settings);

    for (unsigned i = 0; i < count; i++)
        if (*count_of(kind, &quotas[i].ancestor) >= quotas[i].most)
            return false;
    return true;
}

static void count_one(enum ledger_kind kind, const struct name *name)
{
    struct ledger_quota quotas[2];
    unsigned count = ledger_quotas(quotas, kind, name, &node.settings);

    for (unsigned i = 0; i < count; i++)
        ++*count_of(kind, &quotas[i].ancestor);
}

/* As a keeper does it: the name is used, then what was observed is taken until it says no more. */
static void learn(enum ledger_kind kind, const struct name *name,
                  const struct observation *observation, int64_t used_s)
{
    struct record *record = record_of(kind, name);
    struct ledger_entry entry =
        record->taken ? record->entry : (struct ledger_entry){.kind = (uint8_t)kind};
    enum ledger_event event;

    node.events[ledger_use(&entry, used_s)]++;
    while ((event = ledger_observe(&entry, observation, &node.settings, NULL)) != LEDGER_UNCHANGED)
        node.events[event]++;
    if (!record->taken && (ledger_is_empty(&entry) || !has_room(kind, name))) {
        node.refused += !ledger_is_empty(&entry);
        return;
    }
    if (!record->taken)
        count_one(kind, name);
    record->taken = true;
    record->name = *name;
    record->entry = entry;
}

static struct ledger_entry *entry_of(enum ledger_kind kind, const char *name)
{
    struct name key = name_of(name);
    struct record *record = record_of(kind, &key);

    if (!record->taken) {
        record->taken = true;
        record->name = key;
        record->entry = (struct ledger_entry){.kind = (uint8_t)kind};
    }
    return &record->entry;
}

static enum level remembered_of(enum ledger_kind kind, const char *name)
{
    struct name key = name_of(name);
    const struct record *record = record_of(kind, &key);

    return record->taken ? ledger_level(&record->entry) : LEVEL_NONE;
}

/* --- looking --- */

struct there {
    const char *host, *situation;
    bool signed_zone; /* only asked for where there are no TLSA records */
};

struct world {
    const char *domain;
    bool signed_mx;
    enum route_state state; /* ROUTE_BOGUS: its signatures are gone or wrong */
    struct there hosts[3];
};

struct effect {
    struct verdict verdict;
    enum level demand; /* of the memory */
    bool held;         /* what is remembered is definitely not met */
    bool alarm;
};

static void facts_of(struct host_facts *host, const struct there *there, bool secure_mx,
                     struct finding *finding)
{
    unsigned which = scene_of(false, there->situation, NULL).which[0];

    *host = facts[0][which];
    host->port = REMEMBERED_PORT;
    *finding = findings[secure_mx][which];
    if (situations[which].excluded || situations[which].trouble)
        return;
    host->secure = there->signed_zone || situations[which].tlsa != NO_TLSA;
    if (situations[which].tlsa == NO_TLSA) {
        host->tlsa_state = there->signed_zone ? TLSA_ABSENT : TLSA_NOT_LOOKED;
        host->tlsa_denied = there->signed_zone;
    }
}

/* As a domain's round makes it, with what was published before. */
static void floor_of(struct floor *floor, const struct remembered *taught, const struct name *name)
{
    struct floor floors[LIMIT_MX_HOSTS];
    struct ledger_host hosts[LIMIT_MX_HOSTS];
    const struct record *record = record_of(LEDGER_DOMAIN, name);
    const struct ledger_entry nothing = {0};

    ledger_floor(floor, record->taken ? &record->entry : &nothing);
    for (unsigned i = 0; i < taught->host_count; i++) {
        record = record_of(LEDGER_HOST, &taught->hosts[i].name);
        ledger_floor(&floors[i], record->taken ? &record->entry : &nothing);
        hosts[i] = (struct ledger_host){&floors[i], taught->hosts[i].now};
    }
    if (!taught->hosts_unknown)
        node.hosts_level = ledger_hosts_level(hosts, taught->host_count, node.now_s);
    else if (!name_equal(name, &node.looked_at))
        node.hosts_level = LEVEL_NONE;
    node.looked_at = *name;
    floor->hosts_level = (uint8_t)node.hosts_level;
}

static void answer_is_as_stated(const struct effect *outcome, const struct floor *floor)
{
    struct verdict verdict = outcome->verdict;
    const struct answer_question question = {
        .verdict = &verdict, .now_ms = NOW_MS, .now_s = node.now_s};
    struct answer answer;

    verdict.floor = *floor;
    answer_decide(&answer, &question);
    ck_assert_int_ne(answer.action, ACTION_STOP); /* the memory holds, and stops nobody at once */
    if (outcome->held)
        ck_assert_int_eq(answer.action, ACTION_DEFER);
    if (outcome->demand < LEVEL_ENCRYPT)
        return;
    ck_assert_int_ge(answer.demand, (int)outcome->demand);
    if (answer.action == ACTION_SEND)
        ck_assert_msg(answer.policy.answer == POSTFIX_POLICY &&
                          answer.policy.guarantees >= outcome->demand,
                      "%s", answer.policy.text);
    ck_assert(answer.alarm || !outcome->held);
}

/* One look at a domain, by the clock of the node. */
static struct effect look(const struct world *world)
{
    struct round_facts round = {.route = {.state = world->state,
                                          .secure = world->signed_mx && world->state != ROUTE_BOGUS,
                                          .domain = name_of(world->domain)}};
    struct host_facts hosts[3];
    struct remembered taught;
    struct effect outcome;
    struct floor floor;

    makings_seen_at(node.now_s);
    for (unsigned i = 0; world->state == ROUTE_MX && i < 3 && world->hosts[i].host != NULL; i++) {
        round.route.hosts[i].name = name_of(world->hosts[i].host);
        facts_of(&hosts[i], &world->hosts[i], round.route.secure, &round.findings[i]);
        round.hosts[i] = &hosts[i];
        round.route.host_count++;
    }
    verdict_of_domain(&outcome.verdict, &round.route, round.hosts, round.findings, NOW_MS);
    remember_round(&taught, &round.route, round.hosts, round.findings, &outcome.verdict, NOW_MS,
                   node.now_s);
    learn(LEDGER_DOMAIN, &round.route.domain, &taught.domain, taught.at_s);
    for (unsigned i = 0; i < taught.host_count; i++)
        learn(LEDGER_HOST, &taught.hosts[i].name, &taught.hosts[i].observation, taught.at_s);
    floor_of(&floor, &taught, &round.route.domain);
    outcome.demand = floor.level > floor.hosts_level ? floor.level : floor.hosts_level;
    outcome.held =
        outcome.verdict.conclusion == CONCLUSION_DEFINITE && outcome.verdict.level < outcome.demand;
    outcome.alarm = (floor.flags & FLOOR_CONTRADICTED) != 0;
    answer_is_as_stated(&outcome, &floor);
    return outcome;
}

/* A look each `every_s`, for so long; true if mail was held (or not) every time. */
static bool look_for(const struct world *world, int64_t seconds, int64_t every_s, bool held,
                     enum level demand)
{
    bool always = true;

    for (int64_t passed = 0; passed < seconds; passed += every_s) {
        struct effect outcome;

        wait_for(every_s);
        outcome = look(world);
        always = always && outcome.held == held && outcome.demand == demand;
    }
    return always;
}

static bool can_leave_in_clear(const struct effect *outcome)
{
    return !outcome->held && outcome->demand < LEVEL_ENCRYPT;
}

#define ONE(situation)                              \
    {                                               \
        {                                           \
            "mx.provider.example", situation, false \
        }                                           \
    }
#define ONE_SIGNED(situation)                      \
    {                                              \
        {                                          \
            "mx.provider.example", situation, true \
        }                                          \
    }

static const struct world tls_domain = {"domain.example", false, ROUTE_MX, ONE("encrypted")};
static const struct world stripped_domain = {"domain.example", false, ROUTE_MX, ONE("clear")};
static const struct world hidden_domain = {"domain.example", false, ROUTE_MX, ONE("unknown")};
static const struct world plain_domain = {
    "notls.example", false, ROUTE_MX, {{"mx.notls.example", "clear", false}}};
static const struct world dane_domain = {"domain.example", true, ROUTE_MX, ONE("dane")};
static const struct world bogus_domain = {"domain.example", true, ROUTE_BOGUS, ONE("dane")};

/* Seen to do TLS on two days. */
static void remember_tls(void)
{
    look(&tls_domain);
    wait_for(DAY);
    look(&tls_domain);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_ENCRYPT);
    ck_assert_uint_eq(remembered_of(LEDGER_HOST, "mx.provider.example"), LEVEL_ENCRYPT);
}

static void remember_dane(void)
{
    look(&dane_domain);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_AUTHENTICATED);
}

/* --- the stories --- */

START_TEST(PIT_01_who_lets_the_probe_through_and_strips_the_delivery_gets_no_clear_text)
{
    const struct observation reported = {.seen = OBSERVED_BELOW,
                                         .cause = CAUSE_NO_STARTTLS,
                                         .at_s = node.now_s + 2 * DAY,
                                         .evidence_s = node.now_s + 2 * DAY};
    const struct name host = name_of("mx.provider.example");
    struct effect outcome;

    remember_tls();
    wait_for(DAY);
    outcome = look(&tls_domain); /* the probe is let through */
    ck_assert(!outcome.held);
    ck_assert_uint_eq(outcome.demand, LEVEL_ENCRYPT); /* so the policy fails closed */
    learn(LEDGER_HOST, &host, &reported, node.now_s); /* what the MTA met */
    ck_assert_uint_eq(node.events[LEDGER_CONTRADICTED], 1);
    ck_assert_uint_eq(remembered_of(LEDGER_HOST, "mx.provider.example"), LEVEL_ENCRYPT);
}
END_TEST

START_TEST(PIT_03_blocking_the_probe_for_a_week_changes_nothing_and_mail_leaves_encrypted)
{
    remember_tls();
    ck_assert(look_for(&hidden_domain, 7 * DAY, 30 * 60, false, LEVEL_ENCRYPT));
    ck_assert_uint_eq(node.events[LEDGER_CONTRADICTED] + node.events[LEDGER_LOWERED] +
                          node.events[LEDGER_EXPIRED],
                      0);
    wait_for(HOUR);
    ck_assert(!look(&tls_domain).alarm);
}
END_TEST

START_TEST(PIT_03_blocking_it_for_two_years_does_not_make_it_grow_old)
{
    remember_tls();
    ck_assert(look_for(&hidden_domain, 730 * DAY, 3 * DAY, false, LEVEL_ENCRYPT));
    ck_assert_int_eq(
        ledger_age(entry_of(LEDGER_DOMAIN, "domain.example"), node.now_s, &node.settings, NULL),
        LEDGER_UNCHANGED);
}
END_TEST

START_TEST(PIT_05_a_forged_mx_to_a_host_with_perfect_dane_of_its_own_authenticates_nothing)
{
    static const struct world forged = {
        "domain.example", false, ROUTE_MX, {{"mx.attacker.example", "dane", true}}};

    ck_assert(look_for(&forged, 30 * DAY, DAY, false, LEVEL_ENCRYPT));
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_ENCRYPT);
    ck_assert_uint_eq(remembered_of(LEDGER_HOST, "mx.attacker.example"), LEVEL_ENCRYPT);
}
END_TEST

static const struct world forged_tls = {
    "notls.example", false, ROUTE_MX, {{"mx.attacker.example", "verified", true}}};

START_TEST(PIT_09_one_forged_mx_makes_no_domain_remembered_that_cannot_do_tls)
{
    look(&plain_domain);
    look(&forged_tls);
    wait_for(HOUR);
    ck_assert_uint_eq(look(&plain_domain).demand, LEVEL_NONE);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "notls.example"), LEVEL_NONE);
    ck_assert_uint_eq(remembered_of(LEDGER_HOST, "mx.notls.example"), LEVEL_NONE);
}
END_TEST

START_TEST(PIT_09_forging_now_and_then_does_not_either_because_the_truth_is_seen_in_between)
{
    for (unsigned day = 0; day < 100; day++) {
        look(&forged_tls);
        wait_for(DAY / 2);
        ck_assert(!look(&plain_domain).held);
        wait_for(DAY / 2);
    }
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "notls.example"), LEVEL_NONE);
    ck_assert_uint_eq(node.events[LEDGER_DISMISSED], 100);
}
END_TEST

/* The price of MEM-02: whoever forges without a break for a day makes mail wait, visibly, until an
 * administrator takes it back. It is said at the first look at the truth. */
START_TEST(PIT_09_who_forges_for_a_whole_day_is_found_out_at_once_and_purged_by_an_administrator)
{
    struct effect outcome;

    look(&forged_tls);
    wait_for(DAY);
    look(&forged_tls);
    wait_for(HOUR);
    outcome = look(&plain_domain);
    ck_assert(outcome.held && outcome.alarm);
    ck_assert_uint_eq(node.events[LEDGER_CONTRADICTED], 1);
    ledger_set(entry_of(LEDGER_DOMAIN, "notls.example"), LEVEL_NONE, node.now_s);
    outcome = look(&plain_domain);
    ck_assert(!outcome.held && can_leave_in_clear(&outcome));
}
END_TEST

/* The same for the address of a host: one handshake is enough (MEM-02), and one look to find out.
 */
START_TEST(PIT_09_a_forged_address_of_a_host_that_cannot_do_tls_is_found_out_and_purged_likewise)
{
    static const struct world forged = {
        "notls.example", false, ROUTE_MX, {{"mx.notls.example", "encrypted", false}}};
    struct effect outcome;

    look(&forged);
    wait_for(HOUR);
    outcome = look(&plain_domain);
    ck_assert(outcome.held);
    ck_assert_uint_eq(node.events[LEDGER_CONTRADICTED], 1);
    ledger_set(entry_of(LEDGER_HOST, "mx.notls.example"), LEVEL_NONE, node.now_s);
    outcome = look(&plain_domain);
    ck_assert(!outcome.held && can_leave_in_clear(&outcome));
}
END_TEST

START_TEST(PIT_08_who_strips_from_the_first_contact_on_is_not_found_out_and_nothing_is_claimed)
{
    struct effect outcome;

    ck_assert(look_for(&stripped_domain, 30 * DAY, DAY, false, LEVEL_NONE));
    outcome = look(&stripped_domain);
    ck_assert_uint_eq(outcome.verdict.class, CLASS_NONE); /* shown as what it is */
    remember_tls(); /* and as soon as he lets go, it is remembered */
    ck_assert(look_for(&stripped_domain, DAY, HOUR, true, LEVEL_ENCRYPT));
}
END_TEST

START_TEST(PIT_08_what_an_administrator_knew_before_protects_the_first_contact)
{
    struct ledger_entry imported = {.kind = LEDGER_DOMAIN};

    ledger_set(&imported, LEVEL_ENCRYPT, node.now_s);
    ledger_merge(entry_of(LEDGER_DOMAIN, "domain.example"), &imported);
    ck_assert(look_for(&stripped_domain, 30 * DAY, DAY, true, LEVEL_ENCRYPT));
}
END_TEST

START_TEST(MEM_05_a_persistent_stripper_for_a_year_gets_nothing_but_held_mail_and_one_alarm)
{
    struct effect outcome;

    remember_tls();
    ck_assert(look_for(&stripped_domain, 400 * DAY, DAY / 2, true, LEVEL_ENCRYPT));
    ck_assert_uint_eq(node.events[LEDGER_CONTRADICTED], 2); /* the domain, and its host */
    ck_assert_uint_eq(node.events[LEDGER_LOWERED] + node.events[LEDGER_EXPIRED], 0);
    ck_assert_int_eq(ledger_age(entry_of(LEDGER_DOMAIN, "domain.example"), node.now_s + 4000 * DAY,
                                &node.settings, NULL),
                     LEDGER_UNCHANGED); /* not by age either */
    outcome = look(&tls_domain);
    ck_assert(!outcome.held && !outcome.alarm);
    ck_assert_uint_eq(node.events[LEDGER_MET_AGAIN], 2);
    ck_assert_uint_eq(outcome.demand, LEVEL_ENCRYPT);
}
END_TEST

/* Stripping, then hiding what he strips: the last that was seen still holds. */
START_TEST(MEM_05_a_stripper_who_then_blocks_the_probe_gets_no_clear_text)
{
    struct effect outcome;

    remember_tls();
    wait_for(HOUR);
    ck_assert(look(&stripped_domain).held);
    wait_for(HOUR);
    outcome = look(&hidden_domain);
    ck_assert_uint_eq(outcome.demand, LEVEL_ENCRYPT);
    ck_assert(outcome.alarm);
    ck_assert(!can_leave_in_clear(&outcome));
}
END_TEST

START_TEST(PIT_11_a_forged_mode_none_is_nothing_and_a_true_one_leaves_encrypt)
{
    const struct name domain_ = name_of("domain.example");
    struct observation observation = {.seen = OBSERVED_STS,
                                      .reached = LEVEL_AUTHENTICATED,
                                      .at_s = node.now_s,
                                      .evidence_s = node.now_s};

    learn(LEDGER_DOMAIN, &domain_, &observation, node.now_s);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_AUTHENTICATED);
    /* A forged TXT record and an HTTPS host with a certificate that nobody trusts: no statement. */
    for (unsigned day = 0; day < 60; day++) {
        wait_for(DAY);
        observation = (struct observation){.at_s = node.now_s, .evidence_s = node.now_s};
        learn(LEDGER_DOMAIN, &domain_, &observation, node.now_s);
    }
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_AUTHENTICATED);
    observation.said = STATED_STS_NONE; /* valid PKIX */
    learn(LEDGER_DOMAIN, &domain_, &observation, node.now_s);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_ENCRYPT);
    ck_assert_uint_eq(node.events[LEDGER_LOWERED], 1);
}
END_TEST

START_TEST(PIT_11_a_true_mode_none_takes_nothing_from_what_dane_proved)
{
    const struct name domain_ = name_of("domain.example");
    const struct observation none = {
        .said = STATED_STS_NONE, .at_s = node.now_s, .evidence_s = node.now_s};

    remember_dane();
    learn(LEDGER_DOMAIN, &domain_, &none, node.now_s);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_AUTHENTICATED);
}
END_TEST

/* --- PIT-10: it changed for good reasons, in several ways --- */

START_TEST(PIT_10_to_another_provider_that_does_tls_nothing_is_held)
{
    static const struct world moved = {
        "domain.example", false, ROUTE_MX, {{"mx.other.example", "verified", false}}};

    remember_tls();
    wait_for(HOUR);
    ck_assert(!look(&moved).held);
    ck_assert_uint_eq(node.events[LEDGER_CONTRADICTED], 0);
}
END_TEST

START_TEST(PIT_10_by_a_signed_mx_to_signed_hosts_without_tlsa_dane_ends_at_once)
{
    static const struct world moved = {
        "domain.example", true, ROUTE_MX, {{"mx.other.example", "verified", true}}};
    struct effect outcome;

    remember_dane();
    wait_for(HOUR);
    outcome = look(&moved);
    ck_assert(!outcome.held && !outcome.alarm);
    ck_assert_uint_eq(outcome.demand, LEVEL_ENCRYPT);
    ck_assert_uint_eq(node.events[LEDGER_LOWERED], 1);
}
END_TEST

START_TEST(PIT_10_by_a_signed_mx_to_unsigned_hosts_mail_waits_for_the_cool_down_and_no_longer)
{
    static const struct world moved = {
        "domain.example", true, ROUTE_MX, {{"mx.other.example", "verified", false}}};
    struct effect outcome;

    remember_dane();
    ck_assert(look_for(&moved, DAY, HOUR, true, LEVEL_AUTHENTICATED)); /* deferred, and said */
    ck_assert_uint_eq(node.events[LEDGER_CONTRADICTED], 1);
    wait_for(HOUR);
    outcome = look(&moved);
    ck_assert(!outcome.held && !outcome.alarm);
    ck_assert_uint_eq(outcome.demand, LEVEL_ENCRYPT);
}
END_TEST

START_TEST(PIT_10_host_memory_stays_behind_and_the_floor_of_the_domain_moves_along)
{
    static const struct world moved = {
        "domain.example", true, ROUTE_MX, {{"mx.other.example", "clear", true}}};
    struct effect outcome;

    look(&(const struct world){"domain.example", true, ROUTE_MX, ONE_SIGNED("encrypted")});
    wait_for(HOUR);
    outcome = look(&moved); /* one sighting: only the old host is remembered */
    ck_assert(!outcome.held && can_leave_in_clear(&outcome));
    ck_assert_uint_eq(remembered_of(LEDGER_HOST, "mx.provider.example"), LEVEL_ENCRYPT);

    remember_tls(); /* now the domain itself */
    wait_for(HOUR);
    outcome = look(&moved);
    ck_assert(outcome.held && outcome.alarm);
    ledger_set(entry_of(LEDGER_DOMAIN, "domain.example"), LEVEL_NONE, node.now_s);
    outcome = look(&moved);
    ck_assert(!outcome.held && !outcome.alarm);
}
END_TEST

START_TEST(PIT_10_tls_really_switched_off_is_held_until_an_administrator_decides)
{
    struct effect outcome;

    remember_tls();
    ck_assert(look_for(&stripped_domain, 10 * DAY, HOUR, true, LEVEL_ENCRYPT));
    ledger_set(entry_of(LEDGER_DOMAIN, "domain.example"), LEVEL_NONE, node.now_s);
    ck_assert(look(&stripped_domain).held); /* its host is remembered too */
    ledger_set(entry_of(LEDGER_HOST, "mx.provider.example"), LEVEL_NONE, node.now_s);
    outcome = look(&stripped_domain);
    ck_assert(!outcome.held && can_leave_in_clear(&outcome));
    ck_assert(look_for(&stripped_domain, 10 * DAY, HOUR, false, LEVEL_NONE));
}
END_TEST

START_TEST(PIT_10_with_the_option_plain_encrypt_gives_way_after_days_and_dane_never_does)
{
    static const struct world no_dane = {
        "dane.example", true, ROUTE_MX, {{"mx.dane.example", "unusable-no-tls", true}}};

    node.settings.give_way_s = 3 * DAY;
    remember_tls();
    look(
        &(const struct world){"dane.example", true, ROUTE_MX, {{"mx.dane.example", "dane", true}}});
    ck_assert(look_for(&stripped_domain, 3 * DAY, HOUR, true, LEVEL_ENCRYPT));
    look_for(&stripped_domain, DAY + HOUR, HOUR, false, LEVEL_NONE);
    ck_assert(look_for(&stripped_domain, DAY, HOUR, false, LEVEL_NONE));
    look_for(&no_dane, 30 * DAY, HOUR, true, LEVEL_AUTHENTICATED);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "dane.example"), LEVEL_AUTHENTICATED);
}
END_TEST

/* --- DNSSEC comes and goes --- */

START_TEST(MEM_06_when_the_ds_is_removed_properly_dane_ends_after_the_cool_down_and_encrypt_stays)
{
    struct effect outcome;

    remember_dane();
    ck_assert(look_for(&tls_domain, DAY, HOUR, true, LEVEL_AUTHENTICATED));
    wait_for(HOUR);
    outcome = look(&tls_domain);
    ck_assert(!outcome.held);
    ck_assert_uint_eq(outcome.demand, LEVEL_ENCRYPT);
    ck_assert(look_for(&stripped_domain, 10 * DAY, HOUR, true, LEVEL_ENCRYPT));
}
END_TEST

START_TEST(MEM_06_stripped_signatures_are_bogus_and_lower_nothing_however_long)
{
    struct effect outcome;

    remember_dane();
    for (unsigned day = 0; day < 60; day++) {
        wait_for(DAY);
        outcome = look(&bogus_domain);
        ck_assert_uint_eq(outcome.verdict.conclusion, CONCLUSION_TEMPORARY);
        ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_AUTHENTICATED);
    }
    ck_assert_uint_eq(node.events[LEDGER_CONTRADICTED] + node.events[LEDGER_LOWERED], 0);
    ck_assert(!look(&dane_domain).held);
}
END_TEST

START_TEST(MEM_06_signed_again_within_the_cool_down_begins_it_anew)
{
    remember_dane();
    for (unsigned turn = 0; turn < 20; turn++) {
        ck_assert(look_for(&tls_domain, DAY - HOUR, HOUR, true, LEVEL_AUTHENTICATED));
        wait_for(HOUR / 2);
        ck_assert(!look(&dane_domain).held);
    }
    ck_assert_uint_eq(node.events[LEDGER_LOWERED], 0);
}
END_TEST

START_TEST(PIT_12_hiding_the_tlsa_records_of_one_host_does_not_let_the_other_speak_for_it)
{
    static const struct world two = {
        "domain.example",
        true,
        ROUTE_MX,
        {{"mx.provider.example", "dane", true}, {"mx2.provider.example", "encrypted", true}}};
    static const struct world hidden = {"domain.example",
                                        true,
                                        ROUTE_MX,
                                        {{"mx.provider.example", "tlsa-trouble", true},
                                         {"mx2.provider.example", "encrypted", true}}};
    static const struct world unreachable = {"domain.example",
                                             true,
                                             ROUTE_MX,
                                             {{"mx.provider.example", "dane-enforced", true},
                                              {"mx2.provider.example", "encrypted", true}}};
    static const struct world denied = {
        "domain.example",
        true,
        ROUTE_MX,
        {{"mx.provider.example", "encrypted", true}, {"mx2.provider.example", "encrypted", true}}};

    look(&two);
    look_for(&hidden, 30 * DAY, HOUR, false, LEVEL_AUTHENTICATED);
    look_for(&unreachable, 30 * DAY, HOUR, false, LEVEL_AUTHENTICATED);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_AUTHENTICATED);
    look(&denied); /* both deny them */
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_ENCRYPT);
}
END_TEST

START_TEST(PIT_13_blocking_the_strong_host_leaves_no_mail_to_the_weak_one)
{
    static const struct world two = {
        "domain.example",
        true,
        ROUTE_MX,
        {{"mx.provider.example", "dane", true}, {"backup.provider.example", "clear", true}}};
    static const struct world blocked = {"domain.example",
                                         true,
                                         ROUTE_MX,
                                         {{"mx.provider.example", "dane-enforced", true},
                                          {"backup.provider.example", "clear", true}}};

    look(&two);
    for (unsigned hour = 0; hour < 100; hour++) {
        struct effect outcome;

        wait_for(HOUR);
        outcome = look(&blocked);
        ck_assert_uint_eq(outcome.demand, LEVEL_AUTHENTICATED); /* `dane-only`: not to the backup */
    }
}
END_TEST

/* --- hosts that differ --- */

START_TEST(S11_a_domain_with_a_host_that_never_could_gets_what_it_always_got)
{
    static const struct world mixed = {
        "domain.example",
        false,
        ROUTE_MX,
        {{"mx.provider.example", "encrypted", false}, {"old.provider.example", "clear", false}}};
    static const struct world fallen = {
        "domain.example",
        false,
        ROUTE_MX,
        {{"mx.provider.example", "clear", false}, {"old.provider.example", "clear", false}}};
    static const struct world hidden = {
        "domain.example",
        false,
        ROUTE_MX,
        {{"mx.provider.example", "unknown", false}, {"old.provider.example", "clear", false}}};

    ck_assert(look_for(&mixed, 30 * DAY, DAY, false, LEVEL_NONE));
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_NONE);
    wait_for(HOUR);
    ck_assert(look(&fallen).held); /* S10: a drop stops the mail */
    wait_for(HOUR);
    ck_assert_uint_eq(look(&hidden).demand, LEVEL_ENCRYPT); /* and hiding it does not help */
    wait_for(HOUR);
    ck_assert_uint_eq(look(&mixed).demand, LEVEL_NONE);
}
END_TEST

START_TEST(PIT_03_a_forged_denial_of_a_remembered_host_or_a_forged_host_that_hides_lowers_nothing)
{
    static const struct world denied = {"domain.example", false, ROUTE_MX,
                                        ONE("excluded, not proved")};
    static const struct world added = {
        "domain.example",
        false,
        ROUTE_MX,
        {{"mx.provider.example", "encrypted", false}, {"mx.attacker.example", "unknown", false}}};
    static const struct world added_nowhere = {
        "domain.example",
        false,
        ROUTE_MX,
        {{"mx.provider.example", "encrypted", false},
         {"nowhere.attacker.example", "excluded, not proved", false}}};

    look(&tls_domain); /* one sighting: the host alone is remembered */
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_NONE);
    ck_assert_uint_eq(look(&denied).demand, LEVEL_ENCRYPT);
    ck_assert_uint_eq(look(&added).demand, LEVEL_ENCRYPT);
    ck_assert_uint_eq(look(&added_nowhere).demand, LEVEL_ENCRYPT);
}
END_TEST

START_TEST(PIT_03_neither_a_failed_mx_look_up_nor_a_forged_nowhere_makes_the_hosts_forgotten)
{
    static const enum route_state nowhere[] = {ROUTE_TROUBLE, ROUTE_BOGUS, ROUTE_NO_DOMAIN,
                                               ROUTE_NULL_MX};
    struct world world = {"domain.example", false, nowhere[_i], ONE("encrypted")};

    look(&tls_domain); /* one sighting: the host alone is remembered */
    ck_assert(look_for(&world, 7 * DAY, HOUR, false, LEVEL_ENCRYPT));
    world.signed_mx = true; /* if it is signed, it is so */
    if (nowhere[_i] == ROUTE_NO_DOMAIN || nowhere[_i] == ROUTE_NULL_MX)
        ck_assert_uint_eq(look(&world).demand, LEVEL_NONE);
}
END_TEST

START_TEST(S4_tls_below_1_2_is_a_drop_like_none)
{
    static const struct world weak = {"domain.example", false, ROUTE_MX, ONE("weak")};

    remember_tls();
    wait_for(HOUR);
    ck_assert(look(&weak).held);
    ck_assert_int_eq(entry_of(LEDGER_DOMAIN, "domain.example")->contradiction, CAUSE_WEAK_TLS);
}
END_TEST

/* What a look teaches whose one connection ended so. Its keywords claim everything. */
static struct remembered taught_by(enum outcome outcome, struct verdict *verdict)
{
    static struct evidence evidence;
    struct host_facts host = facts[0][scene_of(false, "encrypted", NULL).which[0]];
    struct round_facts round = {
        .route = {.state = ROUTE_MX, .domain = name_of("domain.example"), .host_count = 1}};
    struct remembered taught;

    memcpy(&evidence, host.endpoints[0].evidence, sizeof evidence);
    evidence.outcome = outcome;
    evidence.offered_starttls = true;
    evidence.keywords = UINT32_MAX;
    host.endpoints[0].evidence = &evidence;
    host.port = REMEMBERED_PORT;
    round.route.hosts[0].name = name_of("mx.provider.example");
    round.hosts[0] = &host;
    finding_of_host(&round.findings[0], &round.route, &host, node.now_s);
    verdict_of_domain(verdict, &round.route, round.hosts, round.findings, NOW_MS);
    remember_round(&taught, &round.route, round.hosts, round.findings, verdict, NOW_MS, node.now_s);
    return taught;
}

START_TEST(PIT_20_what_is_put_in_before_the_handshake_teaches_no_capability)
{
    struct verdict verdict;
    struct remembered taught = taught_by(OUTCOME_TLS_OK, &verdict);

    ck_assert_int_eq(taught.domain.seen, OBSERVED_HANDSHAKES);
    ck_assert(verdict.flags & VERDICT_REQUIRETLS_ALL);
    taught = taught_by(OUTCOME_INJECTION, &verdict);
    ck_assert_int_lt(taught.domain.seen, OBSERVED_HANDSHAKES);
    ck_assert_int_lt(taught.hosts[0].observation.seen, OBSERVED_HANDSHAKES);
    ck_assert_uint_lt(verdict.level, LEVEL_ENCRYPT);
    ck_assert(!(verdict.flags & (VERDICT_REQUIRETLS_ALL | VERDICT_REQUIRETLS_SOME)));
}
END_TEST

START_TEST(PIT_21_a_policy_that_is_published_and_not_met_is_no_protection)
{
    static const struct world failing = {"domain.example", true, ROUTE_MX, ONE("dane-fails")};
    const struct effect outcome = look(&failing);

    ck_assert_int_eq(outcome.verdict.class, CLASS_FAILING); /* no mail leaves, and none is "safe" */
    ck_assert_uint_eq(outcome.verdict.hosts_good, 0);
    ck_assert_uint_eq(node.events[LEDGER_RAISED] + node.events[LEDGER_WAITING], 0);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_NONE);
    wait_for(HOUR);
    ck_assert_uint_eq(look(&dane_domain).demand, LEVEL_AUTHENTICATED); /* met: now it is */
}
END_TEST

/* --- many names --- */

START_TEST(MEM_07_a_million_subdomains_of_ones_own_fill_nothing_but_ones_own_quota)
{
    const unsigned million = 1000000;
    struct observation seen = {.seen = OBSERVED_DANE, .at_s = node.now_s, .evidence_s = node.now_s};
    unsigned domains = 0, hosts = 0;

    remember_tls();
    seen.at_s = seen.evidence_s = node.now_s;
    for (unsigned i = 0; i < million; i++) {
        char text[64];
        struct name name;

        snprintf(text, sizeof text, "x%u.evil.example", i);
        name = name_of(text);
        learn(LEDGER_DOMAIN, &name, &seen, node.now_s);
        snprintf(text, sizeof text, "mx%u.evil.example", i);
        name = name_of(text);
        learn(LEDGER_HOST, &name, &seen, node.now_s);
    }
    for (unsigned i = 0; i < NODE_MAX; i++) {
        const struct name evil = name_of("evil.example");

        if (!node.records[i].taken || !name_is_within(&node.records[i].name, &evil))
            continue;
        domains += node.records[i].entry.kind == LEDGER_DOMAIN;
        hosts += node.records[i].entry.kind == LEDGER_HOST;
    }
    ck_assert_uint_eq(domains, node.settings.per_registrable);
    ck_assert_uint_eq(hosts, node.settings.per_suffix);
    ck_assert_uint_eq(node.refused, 2 * million - domains - hosts);
    /* Those that were there are there, his own too, and others are learned as ever. */
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_ENCRYPT);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "x0.evil.example"), LEVEL_AUTHENTICATED);
    look(&(const struct world){
        "other.example", true, ROUTE_MX, {{"mx.other.example", "dane", true}}});
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "other.example"), LEVEL_AUTHENTICATED);
}
END_TEST

START_TEST(MEM_02_waiting_entries_count_too)
{
    for (unsigned i = 0; i < 2 * node.settings.per_registrable; i++) {
        char text[64];

        snprintf(text, sizeof text, "x%u.evil.example", i);
        look(&(const struct world){text, false, ROUTE_MX, ONE("encrypted")});
    }
    ck_assert_uint_eq(node.events[LEDGER_WAITING], 2 * node.settings.per_registrable);
    ck_assert_uint_eq(node.refused, node.settings.per_registrable);
}
END_TEST

/* --- clocks --- */

START_TEST(FRESH_05_a_clock_at_1970_or_2090_teaches_nothing_and_lowers_nothing)
{
    static const int64_t wrong[] = {0, 86400, INT64_C(3786912000), INT64_C(4102444800)};
    const int64_t right = node.now_s;
    struct ledger_entry before;

    look(&tls_domain); /* waits for its second sighting */
    ledger_rule(entry_of(LEDGER_DOMAIN, "ruled.example"), RULE_PIN, LEVEL_VERIFIED, right + DAY);
    before = *entry_of(LEDGER_DOMAIN, "domain.example");
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        node.now_s = wrong[i];
        look(&tls_domain);                                               /* not a day later */
        ck_assert_uint_eq(look(&stripped_domain).demand, LEVEL_ENCRYPT); /* the host's */
        ck_assert_int_eq(ledger_age(entry_of(LEDGER_HOST, "mx.provider.example"), node.now_s,
                                    &node.settings, NULL),
                         LEDGER_UNCHANGED);
        ck_assert_int_eq(
            ledger_age(entry_of(LEDGER_DOMAIN, "ruled.example"), node.now_s, &node.settings, NULL),
            LEDGER_UNCHANGED);
        ck_assert_int_eq(before.last_seen_s,
                         entry_of(LEDGER_DOMAIN, "domain.example")->last_seen_s);
    }
    node.now_s = right + HOUR;
    look(&tls_domain);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_NONE);
    node.now_s = right + DAY;
    look(&tls_domain);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_ENCRYPT);
}
END_TEST

/* Forward by years that could be: every signature would have expired, so nothing validates, and
 * nobody vouches for the clock (ledger_age gets 0). */
START_TEST(FRESH_05_a_clock_set_forward_by_years_forgets_nothing_and_back_again_all_goes_on)
{
    const int64_t right = node.now_s;
    struct effect outcome;

    remember_dane();
    node.now_s = right + 3000 * DAY;
    look(&bogus_domain);
    ck_assert_int_eq(ledger_age(entry_of(LEDGER_DOMAIN, "domain.example"), 0, &node.settings, NULL),
                     LEDGER_UNCHANGED);
    ck_assert_uint_eq(remembered_of(LEDGER_DOMAIN, "domain.example"), LEVEL_AUTHENTICATED);
    node.now_s = right + HOUR; /* and back: ages that cannot be begin again */
    outcome = look(&dane_domain);
    ck_assert(!outcome.held);
    ck_assert_int_le(entry_of(LEDGER_DOMAIN, "domain.example")->used_s, node.now_s);
    ck_assert_uint_eq(outcome.demand, LEVEL_AUTHENTICATED);
}
END_TEST

/* --- broken records, other nodes --- */

START_TEST(MEM_08_a_broken_record_requires_tls_and_another_nodes_entry_does_not_lower_it)
{
    struct ledger_entry other = {.kind = LEDGER_DOMAIN};

    remember_tls();
    ledger_unreadable(entry_of(LEDGER_DOMAIN, "domain.example"), LEDGER_DOMAIN);
    ledger_set(entry_of(LEDGER_HOST, "mx.provider.example"), LEVEL_NONE, node.now_s);
    wait_for(HOUR);
    ck_assert(look(&stripped_domain).held);
    ledger_merge(entry_of(LEDGER_DOMAIN, "domain.example"), &other);
    ck_assert(look(&stripped_domain).held);
}
END_TEST

START_TEST(nodes_that_saw_different_things_agree_whatever_order_they_hear_of_each_other)
{
    struct ledger_entry nodes[3], orders[2];

    remember_dane();
    nodes[0] = *entry_of(LEDGER_DOMAIN, "domain.example");
    node_begin();
    remember_tls();
    nodes[1] = *entry_of(LEDGER_DOMAIN, "domain.example");
    node_begin();
    look(&stripped_domain);
    nodes[2] = *entry_of(LEDGER_DOMAIN, "domain.example");
    for (unsigned order = 0; order < 2; order++) {
        orders[order] = nodes[order == 0 ? 0 : 2];
        ledger_merge(&orders[order], &nodes[1]);
        ledger_merge(&orders[order], &nodes[order == 0 ? 2 : 0]);
        ck_assert_uint_eq(ledger_level(&orders[order]), LEVEL_AUTHENTICATED);
    }
    ck_assert_mem_eq(&orders[0], &orders[1], sizeof orders[0]);
}
END_TEST

static void add_attacks(TCase *attacks)
{
    tcase_add_test(attacks,
                   PIT_01_who_lets_the_probe_through_and_strips_the_delivery_gets_no_clear_text);
    tcase_add_test(attacks,
                   PIT_03_blocking_the_probe_for_a_week_changes_nothing_and_mail_leaves_encrypted);
    tcase_add_test(attacks, PIT_03_blocking_it_for_two_years_does_not_make_it_grow_old);
    tcase_add_test(attacks,
                   PIT_05_a_forged_mx_to_a_host_with_perfect_dane_of_its_own_authenticates_nothing);
    tcase_add_test(attacks, PIT_09_one_forged_mx_makes_no_domain_remembered_that_cannot_do_tls);
    tcase_add_test(
        attacks, PIT_09_forging_now_and_then_does_not_either_because_the_truth_is_seen_in_between);
    tcase_add_test(
        attacks,
        PIT_09_who_forges_for_a_whole_day_is_found_out_at_once_and_purged_by_an_administrator);
    tcase_add_test(
        attacks,
        PIT_09_a_forged_address_of_a_host_that_cannot_do_tls_is_found_out_and_purged_likewise);
    tcase_add_test(
        attacks,
        PIT_08_who_strips_from_the_first_contact_on_is_not_found_out_and_nothing_is_claimed);
    tcase_add_test(attacks, PIT_08_what_an_administrator_knew_before_protects_the_first_contact);
    tcase_add_test(
        attacks, MEM_05_a_persistent_stripper_for_a_year_gets_nothing_but_held_mail_and_one_alarm);
    tcase_add_test(attacks, MEM_05_a_stripper_who_then_blocks_the_probe_gets_no_clear_text);
    tcase_add_test(attacks, PIT_11_a_forged_mode_none_is_nothing_and_a_true_one_leaves_encrypt);
    tcase_add_test(attacks, PIT_11_a_true_mode_none_takes_nothing_from_what_dane_proved);
    tcase_add_test(attacks,
                   PIT_12_hiding_the_tlsa_records_of_one_host_does_not_let_the_other_speak_for_it);
    tcase_add_test(attacks, PIT_13_blocking_the_strong_host_leaves_no_mail_to_the_weak_one);
    tcase_add_test(attacks, PIT_20_what_is_put_in_before_the_handshake_teaches_no_capability);
    tcase_add_test(attacks, PIT_21_a_policy_that_is_published_and_not_met_is_no_protection);
    tcase_add_test(
        attacks,
        PIT_03_a_forged_denial_of_a_remembered_host_or_a_forged_host_that_hides_lowers_nothing);
    tcase_add_loop_test(
        attacks, PIT_03_neither_a_failed_mx_look_up_nor_a_forged_nowhere_makes_the_hosts_forgotten,
        0, 4);
    tcase_add_test(attacks, S4_tls_below_1_2_is_a_drop_like_none);
    tcase_add_test(attacks,
                   MEM_07_a_million_subdomains_of_ones_own_fill_nothing_but_ones_own_quota);
    tcase_add_test(attacks, MEM_02_waiting_entries_count_too);
}

static void add_changes(TCase *changes)
{
    tcase_add_test(changes, PIT_10_to_another_provider_that_does_tls_nothing_is_held);
    tcase_add_test(changes, PIT_10_by_a_signed_mx_to_signed_hosts_without_tlsa_dane_ends_at_once);
    tcase_add_test(
        changes,
        PIT_10_by_a_signed_mx_to_unsigned_hosts_mail_waits_for_the_cool_down_and_no_longer);
    tcase_add_test(changes,
                   PIT_10_host_memory_stays_behind_and_the_floor_of_the_domain_moves_along);
    tcase_add_test(changes, PIT_10_tls_really_switched_off_is_held_until_an_administrator_decides);
    tcase_add_test(changes,
                   PIT_10_with_the_option_plain_encrypt_gives_way_after_days_and_dane_never_does);
    tcase_add_test(
        changes,
        MEM_06_when_the_ds_is_removed_properly_dane_ends_after_the_cool_down_and_encrypt_stays);
    tcase_add_test(changes, MEM_06_stripped_signatures_are_bogus_and_lower_nothing_however_long);
    tcase_add_test(changes, MEM_06_signed_again_within_the_cool_down_begins_it_anew);
    tcase_add_test(changes, S11_a_domain_with_a_host_that_never_could_gets_what_it_always_got);
    tcase_add_test(changes, FRESH_05_a_clock_at_1970_or_2090_teaches_nothing_and_lowers_nothing);
    tcase_add_test(
        changes, FRESH_05_a_clock_set_forward_by_years_forgets_nothing_and_back_again_all_goes_on);
    tcase_add_test(changes,
                   MEM_08_a_broken_record_requires_tls_and_another_nodes_entry_does_not_lower_it);
    tcase_add_test(changes,
                   nodes_that_saw_different_things_agree_whatever_order_they_hear_of_each_other);
}

int main(void)
{
    Suite *suite = suite_create("pitfalls");
    TCase *attacks = tcase_create("attacks"), *changes = tcase_create("changes");
    SRunner *runner;
    int failed;

    makings_make();
    tcase_add_checked_fixture(attacks, node_begin, NULL);
    tcase_add_checked_fixture(changes, node_begin, NULL);
    add_attacks(attacks);
    add_changes(changes);
    tcase_set_timeout(attacks, 60);
    tcase_set_timeout(changes, 60);
    suite_add_tcase(suite, attacks);
    suite_add_tcase(suite, changes);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
