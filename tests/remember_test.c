/*
 * remember_test.c - claims about what a round of looking teaches, tried on every combination of up
 * to three hosts (scenes.h), and on every combination of what three hosts' DNS may say about DANE.
 */
#include "engine/memory/remember.h"

#include "tests/scenes.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NOW_S        (LIMIT_CLOCK_FIRST_S + INT64_C(86400) * 500)

static struct remembered taught_by(const struct round_facts *round, const struct verdict *verdict)
{
    struct remembered remembered;

    memset(&remembered, 0xa5, sizeof remembered);
    remember_round(&remembered, &round->route, round->hosts, round->findings, verdict, NOW_MS,
                   NOW_S);
    return remembered;
}

static struct remembered taught_by_scene(const struct scene *scene, const struct verdict *verdict)
{
    struct round_facts round;

    scene_facts(scene, &round);
    return taught_by(&round, verdict);
}

static bool teaches_nothing(const struct remembered *remembered)
{
    bool nothing = observation_is_nothing(&remembered->domain);

    for (unsigned i = 0; i < remembered->host_count; i++)
        nothing = nothing && observation_is_nothing(&remembered->hosts[i].observation) &&
                  remembered->hosts[i].now == HOST_UNSEEN;
    return nothing;
}

/* --- what was seen, on all scenes --- */

/* TLSA records that ask for TLS, and none: `unusable-no-tls` of the scenes. */
static bool lacks_tls(const struct situation *host)
{
    return host->sight == CLEAR || host->sight == WEAK ||
           (host->sight == FAILS && host->tlsa == UNUSABLE);
}

static bool encrypts(const struct situation *host)
{
    return host->sight >= ENCRYPTS;
}

/* Where mail goes if nobody demands anything, as far as was seen; not where records forbid it. */
static enum observed expected_of_domain(const struct scene *scene, const struct verdict *verdict)
{
    unsigned hosts = 0, encrypting = 0, lacking = 0, in_clear = 0;

    for (unsigned i = 0; i < scene->count; i++) {
        const struct situation *host = at(scene, i);

        if (scene->secure && host->kind == FINDING_DANE)
            return OBSERVED_DANE;
        hosts += !host->excluded;
        encrypting += encrypts(host);
        lacking += lacks_tls(host);
        in_clear += lacks_tls(host) && host->sight != FAILS;
    }
    if (verdict->conclusion != CONCLUSION_DEFINITE)
        return OBSERVED_NOTHING;
    if (encrypting == hosts)
        return OBSERVED_HANDSHAKES;
    if (lacking == hosts || (in_clear > 0 && encrypting == 0))
        return OBSERVED_BELOW;
    return encrypting > 0 ? OBSERVED_PARTLY : OBSERVED_NOTHING;
}

static void domain_is_expected(const struct scene *scene, const struct verdict *verdict)
{
    const struct remembered taught = taught_by_scene(scene, verdict);
    const enum observed expected = expected_of_domain(scene, verdict);

    claim(taught.domain.seen == expected, "%s: seen %u, expected %u", scene_text(scene),
          taught.domain.seen, expected);
}

START_TEST(a_domain_teaches_what_mail_would_have_met_there_MEM_01_MEM_02)
{
    all_scenes(domain_is_expected);
}
END_TEST

static enum observed expected_of_host(const struct situation *host)
{
    if (host->no_facts || host->not_conclusive)
        return OBSERVED_NOTHING;
    if (encrypts(host))
        return OBSERVED_HANDSHAKES;
    return lacks_tls(host) ? OBSERVED_BELOW : OBSERVED_NOTHING;
}

static void hosts_are_expected(const struct scene *scene, const struct verdict *verdict)
{
    const struct remembered taught = taught_by_scene(scene, verdict);

    claim(taught.host_count == scene->count, "%s: %u hosts", scene_text(scene), taught.host_count);
    for (unsigned i = 0; i < scene->count; i++) {
        const struct situation *host = at(scene, i);
        const enum observed expected = expected_of_host(host);
        const enum host_now now = host->excluded && host->proved    ? HOST_NONE
                                  : expected == OBSERVED_HANDSHAKES ? HOST_MEETS
                                  : expected == OBSERVED_BELOW      ? HOST_BELOW
                                                                    : HOST_UNSEEN;

        claim(name_equal(&taught.hosts[i].name, &host_names[i]) &&
                  taught.hosts[i].observation.seen == expected &&
                  taught.hosts[i].observation.said == STATED_NOTHING && taught.hosts[i].now == now,
              "%s: host %u: seen %u, now %u", scene_text(scene), i,
              taught.hosts[i].observation.seen, taught.hosts[i].now);
    }
}

START_TEST(a_host_teaches_what_was_conclusively_seen_there_whatever_the_others_MEM_01)
{
    all_scenes(hosts_are_expected);
}
END_TEST

/* Law 2, MEM-09: what raises, and what contradicts, was seen and holds; `failing` raises nothing.
 */
static void nothing_from_the_inconclusive(const struct scene *scene, const struct verdict *verdict)
{
    const struct observation domain_ = taught_by_scene(scene, verdict).domain;

    if (verdict->conclusion != CONCLUSION_DEFINITE && domain_.seen != OBSERVED_NOTHING)
        claim(domain_.seen == OBSERVED_DANE && verdict->level == LEVEL_AUTHENTICATED &&
                  verdict->hosts_good > 0 && scene->secure,
              "%s", scene_text(scene));
    if (domain_.seen >= OBSERVED_HANDSHAKES)
        claim(verdict->class != CLASS_FAILING && verdict->level >= LEVEL_ENCRYPT &&
                  verdict->hosts_good > 0,
              "%s: raised", scene_text(scene));
    if (domain_.seen == OBSERVED_DANE)
        claim(verdict->level == LEVEL_AUTHENTICATED && domain_.reached == LEVEL_AUTHENTICATED, "%s",
              scene_text(scene));
    if (domain_.seen == OBSERVED_BELOW)
        claim(domain_.reached < LEVEL_ENCRYPT && domain_.cause == verdict->cause, "%s",
              scene_text(scene));
    if (domain_.seen == OBSERVED_PARTLY)
        claim(domain_.reached == verdict->level && domain_.reached >= LEVEL_ENCRYPT, "%s",
              scene_text(scene));
}

START_TEST(the_inconclusive_teaches_nothing_and_a_failing_policy_raises_nothing_MEM_09_PIT_21)
{
    all_scenes(nothing_from_the_inconclusive);
}
END_TEST

/* Making one host unseen: nobody learns a raise from that, and nobody a contradiction. */
static void hiding_teaches_nothing(const struct scene *scene, const struct verdict *verdict)
{
    const enum observed seen = taught_by_scene(scene, verdict).domain.seen;

    for (unsigned i = 0; i < scene->count; i++) {
        struct scene hidden = *scene;
        struct verdict less;
        enum observed then;

        hidden.which[i] = 0; /* "unknown" */
        less = verdict_of(&hidden);
        then = taught_by_scene(&hidden, &less).domain.seen;
        claim(then == OBSERVED_NOTHING || (then == OBSERVED_DANE && seen == OBSERVED_DANE),
              "%s: hiding host %u teaches %u", scene_text(scene), i, then);
    }
}

START_TEST(hiding_a_host_from_the_probe_teaches_nothing_PIT_03)
{
    all_scenes(hiding_teaches_nothing);
}
END_TEST

#define LOOKED_S (NOW_S - 7200)

static void deliveries_renew(bool renew)
{
    for (unsigned h = 0; h < HOSTS_MAX; h++) {
        makings[h].encrypts.looked_ms = renew ? NOW_MS - 7200000 : 0;
        makings[h].encrypts.looked_wall_s = LOOKED_S;
    }
}

/* Whatever deliveries have kept good since a look: TLS is not seen again by it. What was seen not
 * to do TLS was seen by us, and what DANE proves was looked at by us, only not now. */
static void renewing_is_no_sighting(const struct scene *scene, const struct verdict *verdict)
{
    const struct remembered looked = taught_by_scene(scene, verdict);
    struct remembered renewed;

    deliveries_renew(true);
    renewed = taught_by_scene(scene, verdict);
    deliveries_renew(false);
    claim(renewed.domain.seen ==
              (looked.domain.seen == OBSERVED_HANDSHAKES ? OBSERVED_NOTHING : looked.domain.seen),
          "%s: seen %u", scene_text(scene), renewed.domain.seen);
    claim(renewed.domain.delivered == (looked.domain.seen == OBSERVED_DANE), "%s: delivered",
          scene_text(scene));
    claim(renewed.domain.seen != OBSERVED_DANE || renewed.domain.evidence_s == LOOKED_S,
          "%s: evidence of another time", scene_text(scene));
    claim(renewed.domain.said == looked.domain.said, "%s: said", scene_text(scene));
    for (unsigned i = 0; i < scene->count; i++) {
        const enum observed seen = looked.hosts[i].observation.seen;

        claim(renewed.hosts[i].observation.seen ==
                      (seen == OBSERVED_HANDSHAKES ? OBSERVED_NOTHING : seen) &&
                  renewed.hosts[i].now == looked.hosts[i].now,
              "%s: host %u", scene_text(scene), i);
    }
}

START_TEST(what_deliveries_renewed_is_not_seen_again_MEM_02)
{
    all_scenes(renewing_is_no_sighting);
}
END_TEST

START_TEST(one_address_that_only_deliveries_kept_good_is_enough_for_no_sighting_MEM_02)
{
    struct scene scene = scene_of(true, "dane", "dane");
    struct verdict verdict = verdict_of(&scene);
    struct host_facts host;
    struct round_facts round;
    struct remembered taught;
    struct evidence renewed = makings[0].encrypts;

    renewed.looked_ms = NOW_MS - 7200000;
    renewed.looked_wall_s = LOOKED_S;
    scene_facts(&scene, &round);
    host = *round.hosts[0];
    host.endpoint_count = 2;
    host.endpoints[1].evidence = &renewed;
    round.hosts[0] = &host;
    taught = taught_by(&round, &verdict);
    ck_assert_int_eq(taught.hosts[0].observation.seen, OBSERVED_NOTHING);
    ck_assert_int_eq(taught.hosts[1].observation.seen, OBSERVED_HANDSHAKES);
    ck_assert_int_eq(taught.domain.seen, OBSERVED_DANE); /* by a look at the other */
    ck_assert(!taught.domain.delivered);
    ck_assert_int_eq(taught.domain.evidence_s, LOOKED_S);
}
END_TEST

static void stale_and_odd_rounds_teach_nothing(const struct scene *scene,
                                               const struct verdict *verdict)
{
    static const int64_t cannot_be[] = {0, LIMIT_CLOCK_FIRST_S - 1, LIMIT_CLOCK_LAST_S + 1};
    struct remembered remembered;
    struct round_facts round;

    scene_facts(scene, &round);
    remember_round(&remembered, &round.route, round.hosts, round.findings, verdict,
                   verdict->valid_until_ms, NOW_S);
    claim(teaches_nothing(&remembered), "%s: stale", scene_text(scene));
    claim(remembered.at_s == NOW_S, "%s: somebody asked", scene_text(scene)); /* PIT-03 */
    for (size_t i = 0; i < COUNT(cannot_be); i++) {
        remember_round(&remembered, &round.route, round.hosts, round.findings, verdict, NOW_MS,
                       cannot_be[i]);
        claim(teaches_nothing(&remembered) && remembered.at_s == 0, "%s: by a wrong clock",
              scene_text(scene));
    }
}

START_TEST(what_is_stale_or_seen_by_a_wrong_clock_teaches_nothing_FRESH_01_FRESH_06)
{
    all_scenes(stale_and_odd_rounds_teach_nothing);
}
END_TEST

/* --- what the owner states: every combination of three hosts' DNS --- */

static const struct dns_case {
    const char *name;
    struct host_facts host;
    enum { DENIES, UNSIGNED, HAS, SILENT, NO_HOST } says;
    bool no_facts;
} dns_cases[] = {
    {"denied", {.secure = true, .tlsa_state = TLSA_ABSENT, .tlsa_denied = true}, DENIES, false},
    {"unsigned", {.tlsa_state = TLSA_NOT_LOOKED}, UNSIGNED, false},
    {"unsigned TLSA", {.secure = true, .tlsa_state = TLSA_ABSENT}, UNSIGNED, false},
    {"alias into unsigned", {.tlsa_state = TLSA_ABSENT, .tlsa_denied = true}, UNSIGNED, false},
    {"usable", {.secure = true, .tlsa_state = TLSA_PRESENT, .usable = 1}, HAS, false},
    {"unusable", {.secure = true, .tlsa_state = TLSA_PRESENT}, HAS, false},
    {"TLSA trouble", {.secure = true, .tlsa_state = TLSA_TROUBLE}, SILENT, false},
    {"no TLSA name", {.secure = true, .tlsa_state = TLSA_NOT_LOOKED}, SILENT, false},
    {"address trouble", {.state = HOST_TROUBLE, .secure = true}, SILENT, false},
    {"no facts", {.port = 0}, SILENT, true},
    {"proved none", {.state = HOST_NO_ADDRESS, .secure = true}, NO_HOST, false},
    {"none, unsigned", {.state = HOST_NO_ADDRESS}, UNSIGNED, false},
    {"reserved", {.state = HOST_UNUSABLE, .secure = true}, NO_HOST, false},
    {"reserved, unsigned", {.state = HOST_UNUSABLE}, UNSIGNED, false},
};

static enum statement expected_statement(const struct dns_case *const *cases, unsigned count,
                                         bool secure, bool cut)
{
    unsigned of[NO_HOST + 1] = {0};

    for (unsigned i = 0; i < count; i++)
        of[cases[i]->says]++;
    if (!secure)
        return STATED_INSECURE;
    if (of[HAS] > 0)
        return STATED_TLSA;
    if (of[SILENT] > 0 || cut || of[NO_HOST] == count)
        return STATED_NOTHING;
    return of[UNSIGNED] > 0 ? STATED_INSECURE : STATED_TLSA_DENIED;
}

static void statement_is_expected(const struct dns_case *const *cases, unsigned count, bool secure,
                                  bool cut, enum route_state state)
{
    struct round_facts round = {.route = {.state = state,
                                          .secure = secure,
                                          .hosts_cut = cut,
                                          .domain = domain,
                                          .host_count = (uint8_t)count}};
    struct verdict verdict = {.conclusion = CONCLUSION_INCONCLUSIVE, .valid_until_ms = NOW_MS + 1};
    struct host_facts hosts[3];
    struct observation taught;

    for (unsigned i = 0; i < count; i++) {
        hosts[i] = cases[i]->host;
        hosts[i].port = REMEMBERED_PORT;
        hosts[i].dns_until_ms = NOW_MS;
        round.route.hosts[i].name = host_names[i];
        round.hosts[i] = cases[i]->no_facts ? NULL : &hosts[i];
    }
    taught = taught_by(&round, &verdict).domain;
    claim(taught.said == expected_statement(cases, count, secure, cut) &&
              taught.seen == OBSERVED_NOTHING,
          "%s, %s%s: said %u, seen %u", cases[0]->name, secure ? "signed" : "unsigned",
          cut ? ", cut" : "", taught.said, taught.seen);
}

/* One host behind a signed MX record, which says this of TLSA, and the ends of both. */
static struct remembered taught_by_ends(const char *name, uint64_t route_until_ms,
                                        uint64_t host_until_ms)
{
    struct round_facts round = {.route = {.state = ROUTE_MX,
                                          .secure = strcmp(name, "unsigned MX") != 0,
                                          .domain = domain,
                                          .until_ms = route_until_ms,
                                          .host_count = 1}};
    const struct verdict verdict = {.conclusion = CONCLUSION_INCONCLUSIVE,
                                    .valid_until_ms = NOW_MS + VERDICT_LEAST_MS};
    struct host_facts host = dns_cases[0].host;

    for (unsigned i = 0; i < COUNT(dns_cases); i++)
        if (strcmp(dns_cases[i].name, name) == 0)
            host = dns_cases[i].host;
    host.port = REMEMBERED_PORT;
    host.began_ms = NOW_MS - 60000;
    host.dns_until_ms = host_until_ms;
    round.route.hosts[0].name = host_names[0];
    round.hosts[0] = &host;
    return taught_by(&round, &verdict);
}

/* A verdict answers the question it was made for, whatever the TTL: but memory is lowered by no
 * absence that nobody vouches for any more. A TTL of 0 is good for a second. */
START_TEST(an_absence_that_ran_out_while_we_looked_lowers_nothing_DNS_10_DNS_11)
{
    static const struct {
        const char *name;
        enum statement said;
        bool lowers;
    } rows[] = {{"denied", STATED_TLSA_DENIED, true},
                {"unsigned TLSA", STATED_INSECURE, true},
                {"usable", STATED_TLSA, false}};
    static const uint64_t later_ms = NOW_MS + 100000;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const enum statement over = rows[i].lowers ? STATED_NOTHING : rows[i].said;

#define SAID(route_ms, host_ms) taught_by_ends(rows[i].name, route_ms, host_ms).domain.said
        ck_assert_int_eq(SAID(later_ms, later_ms), rows[i].said);
        ck_assert_int_eq(SAID(0, UINT64_MAX), rows[i].said); /* without a TTL */
        ck_assert_int_eq(SAID(later_ms, NOW_MS - 999), rows[i].said);
        ck_assert_int_eq(SAID(NOW_MS - 999, later_ms), rows[i].said);
        ck_assert_int_eq(SAID(later_ms, NOW_MS - 1000), over);
        ck_assert_int_eq(SAID(NOW_MS - 1000, later_ms), over);
        ck_assert_int_eq(SAID(later_ms, NOW_MS - 40000), over);
#undef SAID
    }
    ck_assert_int_eq(taught_by_ends("unsigned MX", later_ms, NOW_MS - 40000).domain.said,
                     STATED_INSECURE); /* whatever the host says */
    ck_assert_int_eq(taught_by_ends("proved none", later_ms, NOW_MS - 999).hosts[0].now, HOST_NONE);
    ck_assert_int_eq(taught_by_ends("proved none", later_ms, NOW_MS - 1000).hosts[0].now,
                     HOST_UNSEEN);
}
END_TEST

/* A null MX takes from the domain what its hosts demanded; not one that nobody vouches for. */
START_TEST(that_there_are_no_hosts_holds_as_long_as_its_TTL_DNS_11)
{
    struct round_facts round = {
        .route = {.state = ROUTE_NULL_MX, .secure = true, .domain = domain}};
    const struct verdict verdict = {.conclusion = CONCLUSION_UNDELIVERABLE,
                                    .valid_until_ms = NOW_MS + 1000};

    round.route.until_ms = NOW_MS - 999;
    ck_assert(!taught_by(&round, &verdict).hosts_unknown);
    round.route.until_ms = NOW_MS - 1000;
    ck_assert(taught_by(&round, &verdict).hosts_unknown);
}
END_TEST

START_TEST(every_host_there_may_be_must_deny_tlsa_by_signed_answers_MEM_04_MEM_06)
{
    const unsigned states = COUNT(dns_cases);

    for (unsigned count = 1; count <= 3; count++)
        for (unsigned n = 0; n < states * states * states * 4; n++) {
            const struct dns_case *cases[3];
            unsigned rest = n / 4;

            for (unsigned i = 0; i < 3; i++, rest /= states)
                cases[i] = &dns_cases[rest % states];
            statement_is_expected(cases, count, n % 2 != 0, n / 2 % 2 != 0,
                                  n % 3 != 0 ? ROUTE_MX : ROUTE_IMPLICIT);
        }
}
END_TEST

/* --- rounds without a domain, or without mail --- */

START_TEST(a_route_that_leads_nowhere_teaches_nothing_MX_08_MX_11_MX_12)
{
    static const enum route_state states[] = {ROUTE_NULL_MX, ROUTE_NO_DOMAIN,  ROUTE_TROUBLE,
                                              ROUTE_BOGUS,   ROUTE_ALIAS_LOOP, ROUTE_UNUSABLE,
                                              ROUTE_LOOP};

    for (size_t i = 0; i < COUNT(states); i++)
        for (unsigned proved = 0; proved < 4; proved++) {
            const bool secure = (proved & 1) != 0, cut = (proved & 2) != 0;
            struct round_facts round = {
                .route = {
                    .state = states[i], .secure = secure, .hosts_cut = cut, .domain = domain}};
            struct remembered taught;
            struct verdict verdict;

            verdict_of_domain(&verdict, &round.route, round.hosts, round.findings, NOW_MS);
            taught = taught_by(&round, &verdict);
            ck_assert_msg(teaches_nothing(&taught), "%s", route_state_name(states[i]));
            ck_assert_int_eq(taught.hosts_unknown, !secure || cut);
        }
}
END_TEST

START_TEST(a_configured_host_has_no_domain_and_teaches_its_own_entry_PIT_14)
{
    struct scene scene = scene_of(true, "dane", NULL);
    struct round_facts round;
    struct remembered taught;
    struct verdict verdict;

    scene_facts(&scene, &round);
    round.route.state = ROUTE_HOST;
    verdict_of_domain(&verdict, &round.route, round.hosts, round.findings, NOW_MS);
    taught = taught_by(&round, &verdict);
    ck_assert(observation_is_nothing(&taught.domain));
    ck_assert_int_eq(taught.hosts[0].observation.seen, OBSERVED_HANDSHAKES);
}
END_TEST

START_TEST(another_port_than_25_teaches_nothing_FRESH_04)
{
    struct scene scene = scene_of(true, "dane", "encrypted");
    struct verdict verdict = verdict_of(&scene);
    struct host_facts host;
    struct round_facts round;
    struct remembered taught;

    scene_facts(&scene, &round);
    host = *round.hosts[1];
    host.port = 587;
    round.hosts[1] = &host;
    taught = taught_by(&round, &verdict);
    ck_assert(teaches_nothing(&taught));
    ck_assert_uint_eq(taught.host_count, 0); /* nor are the names of it used */
    ck_assert_int_eq(taught.at_s, 0);
}
END_TEST

START_TEST(the_time_of_a_sighting_is_that_of_the_oldest_handshake_it_rests_on_MEM_02)
{
    static struct evidence of[4] = {
        {.outcome = OUTCOME_TLS_OK, .ended_wall_s = NOW_S - 100},
        {.outcome = OUTCOME_CONNECT_TIMEOUT, .ended_wall_s = NOW_S - 900}, /* nothing was seen */
        {.outcome = OUTCOME_OURS_LATE, .ended_wall_s = 0},
        {.outcome = OUTCOME_TLS_OK, .ended_wall_s = NOW_S - 300}};
    struct scene scene = scene_of(false, "verified", "encrypted");
    struct verdict verdict = verdict_of(&scene);
    struct host_facts hosts[2];
    struct round_facts round;
    struct remembered taught;

    scene_facts(&scene, &round);
    for (unsigned i = 0; i < 2; i++) {
        hosts[i] = *round.hosts[i];
        hosts[i].endpoint_count = 2;
        hosts[i].endpoints[0].evidence = &of[2 * i];
        hosts[i].endpoints[1].evidence = &of[2 * i + 1];
        round.hosts[i] = &hosts[i];
    }
    taught = taught_by(&round, &verdict);
    ck_assert_int_eq(taught.domain.seen, OBSERVED_HANDSHAKES);
    ck_assert_int_eq(taught.domain.evidence_s, NOW_S - 300);
    ck_assert_int_eq(taught.domain.at_s, NOW_S);
    ck_assert_int_eq(taught.hosts[0].observation.evidence_s, NOW_S - 100);
    ck_assert_int_eq(taught.hosts[1].observation.evidence_s, NOW_S - 300);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("remember");
    TCase *all = tcase_create("scenes"), *single = tcase_create("rounds");
    SRunner *runner;
    int failed;

    makings_make();
    makings_seen_at(NOW_S - 60);
    tcase_add_test(all, a_domain_teaches_what_mail_would_have_met_there_MEM_01_MEM_02);
    tcase_add_test(all, a_host_teaches_what_was_conclusively_seen_there_whatever_the_others_MEM_01);
    tcase_add_test(
        all, the_inconclusive_teaches_nothing_and_a_failing_policy_raises_nothing_MEM_09_PIT_21);
    tcase_add_test(all, hiding_a_host_from_the_probe_teaches_nothing_PIT_03);
    tcase_add_test(all, what_deliveries_renewed_is_not_seen_again_MEM_02);
    tcase_add_test(all, what_is_stale_or_seen_by_a_wrong_clock_teaches_nothing_FRESH_01_FRESH_06);
    tcase_add_test(all, every_host_there_may_be_must_deny_tlsa_by_signed_answers_MEM_04_MEM_06);
    tcase_set_timeout(all, 60);
    tcase_add_test(single, an_absence_that_ran_out_while_we_looked_lowers_nothing_DNS_10_DNS_11);
    tcase_add_test(single, that_there_are_no_hosts_holds_as_long_as_its_TTL_DNS_11);
    tcase_add_test(single, a_route_that_leads_nowhere_teaches_nothing_MX_08_MX_11_MX_12);
    tcase_add_test(single, a_configured_host_has_no_domain_and_teaches_its_own_entry_PIT_14);
    tcase_add_test(single,
                   one_address_that_only_deliveries_kept_good_is_enough_for_no_sighting_MEM_02);
    tcase_add_test(single, another_port_than_25_teaches_nothing_FRESH_04);
    tcase_add_test(single,
                   the_time_of_a_sighting_is_that_of_the_oldest_handshake_it_rests_on_MEM_02);
    suite_add_tcase(suite, all);
    suite_add_tcase(suite, single);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
