/*
 * verdict_test.c - claims about verdicts, tried on every combination of up to four hosts.
 *
 * The oracle (scenes.h) knows nothing of how verdict.c decides: it plays the policies out. Level
 * and enforcement must then be the strongest policy that is sound, respects DANE, and either
 * delivers to a host that was seen or asks no more than the TLSA records do anyway. Properties of
 * the four laws are tried on the same combinations.
 */
#include "shm/freshness.h"
#include "shm/sentence.h"

#include "tests/scenes.h"

struct enforcement {
    enum level level;
    enum enforce enforce;
};

static struct enforcement expected_enforcement(const struct scene *scene)
{
    /* Of equal level the simpler first. */
    static const enum enforce policies[] = {ENFORCE_DANE_ONLY, ENFORCE_SECURE_MATCH,
                                            ENFORCE_ENCRYPT, ENFORCE_DANE_ELSE_ENCRYPT};
    struct enforcement best = {LEVEL_NONE, ENFORCE_NOTHING};

    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        enum level level = guaranteed(policies[i], scene);
        bool compelled = guaranteed(ENFORCE_NOTHING, scene) >= level;

        if (level > best.level && respects(policies[i], scene) &&
            (compelled || delivers(policies[i], scene)))
            best = (struct enforcement){level, policies[i]};
    }
    if (best.level > LEVEL_NONE)
        return best;
    if (any(scene, USABLE) || any(scene, UNUSABLE))
        return (struct enforcement){LEVEL_OPPORTUNISTIC, ENFORCE_DANE};
    if (any_sight(scene, WEAK))
        best.level = LEVEL_OPPORTUNISTIC;
    return best;
}

/* What somebody without a demand meets at worst, as far as was seen. */
static unsigned expected_class(const struct scene *scene)
{
    bool seen = false, failing = false, unseen = scene->cut, unproved = false;
    unsigned least = CLASS_DANE;

    for (unsigned i = 0; i < scene->count; i++) {
        const struct situation *host = at(scene, i);
        unsigned here;

        unproved |= host->excluded && !host->proved;
        failing |= host->sight == FAILS;
        if (host->excluded || host->sight == FAILS)
            continue;
        seen |= host->sight != UNSEEN;
        unseen |= host->sight == UNSEEN;
        if (host->sight == CLEAR)
            here = CLASS_NONE;
        else if (host->sight == WEAK)
            here = CLASS_WEAK;
        else if (host->sight == ENCRYPTS)
            here = CLASS_ENCRYPTED;
        else if (host->sight == VERIFIES)
            here = CLASS_VERIFIED;
        else if (host->tlsa == USABLE) /* met, or bound to be */
            here = scene->secure ? CLASS_DANE : CLASS_ENCRYPTED;
        else
            here = host->tlsa == UNUSABLE ? CLASS_ENCRYPTED : CLASS_UNKNOWN;
        if (here < least)
            least = here;
    }
    if (!seen)
        least = failing && !unseen ? CLASS_FAILING : CLASS_UNKNOWN;
    if (scene->cut || unproved)
        return least < CLASS_UNKNOWN ? least : CLASS_UNKNOWN;
    return least;
}

static void enforcement_is_expected(const struct scene *scene, const struct verdict *verdict)
{
    struct enforcement expected = expected_enforcement(scene);

    claim(verdict->level == expected.level && verdict->enforce == expected.enforce,
          "%s: %s/%s, expected %s/%s", scene_text(scene), level_name(verdict->level),
          enforce_name(verdict->enforce), level_name(expected.level),
          enforce_name(expected.enforce));
}

START_TEST(the_level_is_the_strongest_policy_that_is_sound_and_delivers_or_is_asked_for_anyway)
{
    all_scenes(enforcement_is_expected);
}
END_TEST

START_TEST(so_it_is_with_four_hosts)
{
    tried = 0;
    every_scene(4, enforcement_is_expected);
    ck_assert_uint_gt(tried, 400000);
}
END_TEST

static void class_is_expected(const struct scene *scene, const struct verdict *verdict)
{
    unsigned expected = expected_class(scene);

    claim(verdict->class == expected, "%s: %s, expected %s", scene_text(scene),
          class_name(verdict->class), class_name((enum tls_class)expected));
}

START_TEST(the_class_is_the_worst_that_a_sender_without_a_demand_meets)
{
    all_scenes(class_is_expected);
}
END_TEST

/* --- the laws --- */

/* Law 4: no promise beyond what the policy does at any host, seen or not. */
static void claims_no_more(const struct scene *scene, const struct verdict *verdict)
{
    if (verdict->level >= LEVEL_ENCRYPT)
        claim(guaranteed(verdict->enforce, scene) >= verdict->level, "%s", scene_text(scene));
    claim(respects(verdict->enforce, scene), "%s", scene_text(scene));
    if (verdict->enforce == ENFORCE_DANE_ONLY)
        claim(scene->secure, "%s", scene_text(scene));
    if (verdict->class == CLASS_DANE)
        claim(scene->secure && any_sight(scene, MEETS_DANE) && !scene->cut, "%s",
              scene_text(scene));
    if (!scene->secure)
        claim(verdict->level != LEVEL_AUTHENTICATED, "%s", scene_text(scene)); /* MX-13, PIT-05 */
}

START_TEST(no_more_is_claimed_than_is_enforced)
{
    all_scenes(claims_no_more);
}
END_TEST

static unsigned situation_like(enum tlsa tlsa, enum sight sight, unsigned from)
{
    for (unsigned i = 0; i < SITUATIONS; i++)
        if (situations[i].tlsa == tlsa && situations[i].sight == sight && !situations[i].excluded &&
            !situations[i].trouble && !situations[i].no_facts && !situations[i].not_conclusive)
            return i;
    return from;
}

/* Law 2, one half: what is not seen stands for nothing. */
static void hiding_raises_nothing(const struct scene *scene, const struct verdict *verdict)
{
    for (unsigned i = 0; i < scene->count; i++) {
        struct scene hidden = *scene;
        struct verdict then;

        if (at(scene, i)->excluded || at(scene, i)->sight == UNSEEN)
            continue;
        hidden.which[i] = situation_like(at(scene, i)->tlsa, UNSEEN, scene->which[i]);
        then = verdict_of(&hidden);
        claim(then.level <= verdict->level, "hiding %u of %s: %s above %s", i, scene_text(scene),
              level_name(then.level), level_name(verdict->level));
        claim(then.class <= verdict->class || then.class <= CLASS_UNKNOWN, "hiding %u of %s: %s", i,
              scene_text(scene), class_name(then.class));
        claim(then.conclusion != CONCLUSION_DEFINITE || then.class == verdict->class,
              "hiding %u of %s", i, scene_text(scene));
    }
}

START_TEST(making_a_host_inconclusive_never_raises_class_or_level)
{
    all_scenes(hiding_raises_nothing);
}
END_TEST

/* The class is that of hosts that get mail: one that failed and now does not may be the weakest of
 * them, so only its level is bound. */
static void strength_lowers_nothing(const struct scene *scene, const struct verdict *verdict)
{
    for (unsigned i = 0; i < scene->count; i++)
        for (enum sight sight = at(scene, i)->sight; sight <= VERIFIES; sight++) {
            struct scene stronger = *scene;
            struct verdict then;

            if (at(scene, i)->excluded || at(scene, i)->trouble || at(scene, i)->no_facts ||
                (at(scene, i)->sight == UNSEEN && sight < ENCRYPTS))
                continue;
            stronger.which[i] = situation_like(at(scene, i)->tlsa, sight, scene->which[i]);
            if (!scene_is_possible(&stronger))
                continue;
            then = verdict_of(&stronger);
            claim(then.level >= verdict->level, "%u to %s in %s", i, at(&stronger, i)->name,
                  scene_text(scene));
            if (at(scene, i)->sight != FAILS)
                claim(then.class >= verdict->class, "%u to %s in %s", i, at(&stronger, i)->name,
                      scene_text(scene));
        }
}

START_TEST(evidence_of_strength_never_lowers)
{
    all_scenes(strength_lowers_nothing);
}
END_TEST

/* A verdict is definite only if nothing that hides could make it another. */
static void definite_is_definite(const struct scene *scene, const struct verdict *verdict)
{
    if (verdict->class == CLASS_UNKNOWN)
        claim(verdict->conclusion != CONCLUSION_DEFINITE, "%s", scene_text(scene));
    if (verdict->conclusion != CONCLUSION_DEFINITE)
        return;
    for (unsigned i = 0; i < scene->count; i++)
        claim(!at(scene, i)->not_conclusive, "%s", scene_text(scene));
    for (unsigned i = 0; i < scene->count; i++) {
        if (at(scene, i)->sight != UNSEEN || !may_exist(at(scene, i)))
            continue;
        for (enum sight sight = FAILS; sight <= VERIFIES; sight++) {
            struct scene seen = *scene;
            struct verdict then;

            seen.which[i] = situation_like(at(scene, i)->tlsa, sight, scene->which[i]);
            if (!scene_is_possible(&seen))
                continue;
            then = verdict_of(&seen);
            claim(then.class == verdict->class && then.level == verdict->level, "%u as %s in %s", i,
                  at(&seen, i)->name, scene_text(scene));
        }
    }
}

START_TEST(a_definite_verdict_depends_on_nothing_unseen)
{
    all_scenes(definite_is_definite);
}
END_TEST

static void conclusion_is_expected(const struct scene *scene, const struct verdict *verdict)
{
    unsigned may_go = 0, trouble = 0;

    for (unsigned i = 0; i < scene->count; i++) {
        may_go += !at(scene, i)->excluded;
        trouble += at(scene, i)->trouble;
    }
    claim((verdict->conclusion == CONCLUSION_UNDELIVERABLE) == (may_go == 0 && !scene->cut), "%s",
          scene_text(scene));
    claim((verdict->conclusion == CONCLUSION_TEMPORARY) == (may_go > 0 && may_go == trouble), "%s",
          scene_text(scene));
}

START_TEST(look_up_trouble_is_temporary_and_only_all_hosts_excluded_is_final_MX_07)
{
    all_scenes(conclusion_is_expected);
}
END_TEST

static void order_is_nothing(const struct scene *scene, const struct verdict *verdict)
{
    struct scene other = *scene;
    struct verdict then;

    for (unsigned i = 0; i < scene->count; i++)
        other.which[i] = scene->which[scene->count - 1 - i];
    then = verdict_of(&other);
    claim(then.class == verdict->class && then.level == verdict->level &&
              then.enforce == verdict->enforce && then.conclusion == verdict->conclusion &&
              then.flags == verdict->flags && then.hosts_good == verdict->hosts_good,
          "%s", scene_text(scene));
}

START_TEST(preference_changes_nothing_because_an_attacker_chooses_it_DANE_17_PIT_13)
{
    all_scenes(order_is_nothing);
}
END_TEST

static void the_rest_fits(const struct scene *scene, const struct verdict *verdict)
{
    bool good = false;
    char text[1024];

    if (verdict->cause == CAUSE_NOT_LOOKED)
        claim(scene->cut || verdict->host[0] != '\0', "%s", scene_text(scene));
    else
        claim(verdict->host[0] != '\0', "%s", scene_text(scene));
    for (unsigned i = 0; i < scene->count; i++)
        good |= goes(verdict->enforce, at(scene, i), scene->secure);
    if (verdict->level >= LEVEL_ENCRYPT)
        claim((verdict->hosts_good > 0) == good, "%s: %u good", scene_text(scene),
              verdict->hosts_good);
    claim((verdict->flags & VERDICT_ALL_HOSTS_DANE) == 0 || any(scene, USABLE), "%s",
          scene_text(scene));
    claim(verdict_sentence(verdict, text, sizeof text) > 5 && strlen(text) < 512, "%s", text);
    claim(verdict_explain(verdict, text, sizeof text) > 5, "%s", scene_text(scene));
    for (const char *c = text; *c != '\0'; c++)
        claim(*c >= 0x20 && *c < 0x7f, "%s", text);
    claim(strspn(verdict->match, "abcdefghijklmnopqrstuvwxyz0123456789-_.:") ==
              strlen(verdict->match),
          "%s", verdict->match);
    claim(verdict->valid_until_ms >= NOW_MS && verdict->valid_until_ms <= NOW_MS + 200000, "%s",
          scene_text(scene));
}

START_TEST(host_counts_flags_and_texts_fit_the_rest)
{
    all_scenes(the_rest_fits);
}
END_TEST

/* --- single claims --- */

START_TEST(an_unsigned_mx_to_a_signed_host_is_half_dane_and_never_dane_only_MX_13)
{
    struct verdict verdict = verdict_for(false, "dane", NULL);

    ck_assert_int_eq(verdict.class, CLASS_ENCRYPTED);
    ck_assert_int_eq(verdict.level, LEVEL_DANE_INSECURE_MX);
    ck_assert_int_eq(verdict.enforce, ENFORCE_DANE_ELSE_ENCRYPT);
    ck_assert_int_eq(verdict.cause, CAUSE_DANE_INSECURE_MX);
}
END_TEST

START_TEST(a_dead_backup_host_is_unknown_unless_its_records_protect_it)
{
    ck_assert_int_eq(verdict_for(true, "dane", "unknown").class, CLASS_UNKNOWN);
    ck_assert_int_eq(verdict_for(true, "dane", "dane-enforced").class, CLASS_DANE);
    ck_assert_int_eq(verdict_for(true, "dane", "dane-enforced").conclusion, CONCLUSION_DEFINITE);
    ck_assert_int_eq(verdict_for(true, "encrypted", "unknown").class, CLASS_UNKNOWN);
}
END_TEST

START_TEST(one_broken_host_does_not_stop_a_domain)
{
    struct verdict verdict = verdict_for(true, "dane", "tlsa-trouble");

    ck_assert_int_eq(verdict.level, LEVEL_AUTHENTICATED);
    ck_assert_int_eq(verdict.enforce, ENFORCE_DANE_ONLY);
    ck_assert_int_eq(verdict.conclusion, CONCLUSION_INCONCLUSIVE);
    ck_assert_int_eq(verdict_for(true, "tlsa-trouble", NULL).conclusion, CONCLUSION_TEMPORARY);
}
END_TEST

START_TEST(a_name_whose_absence_is_not_proved_forbids_dane_only_for_everybody)
{
    struct verdict proved = verdict_for(true, "dane", "excluded");
    struct verdict not_proved = verdict_for(true, "dane", "excluded, not proved");

    ck_assert_int_eq(proved.class, CLASS_DANE);
    ck_assert_uint_ne(proved.flags & VERDICT_ALL_HOSTS_DANE, 0);
    ck_assert_int_eq(not_proved.class, CLASS_UNKNOWN);
    ck_assert_uint_eq(not_proved.flags & VERDICT_ALL_HOSTS_DANE, 0);
    ck_assert_int_eq(not_proved.cause, CAUSE_NO_HOST);
}
END_TEST

static const char *const unproved[] = {"excluded, not proved", "reserved, not proved"};

/* As if that host were there and hidden: an attacker forges its denial, or 127.0.0.1, for us. */
static void denial_raises_nothing(const struct scene *scene, const struct verdict *verdict)
{
    static const uint32_t all =
        VERDICT_ALL_HOSTS_DANE | VERDICT_ALL_HOSTS_TLSA | VERDICT_REQUIRETLS_ALL;
    unsigned others = 0;

    for (unsigned i = 0; i < scene->count; i++)
        others += !at(scene, i)->excluded;
    for (unsigned i = 0; i < scene->count && others > 0; i++) {
        struct scene there = *scene;
        struct verdict then;

        if (!at(scene, i)->excluded || at(scene, i)->proved)
            continue;
        there.which[i] = 0; /* unknown, no TLSA */
        then = verdict_of(&there);
        claim(verdict->class <= then.class && verdict->level <= then.level &&
                  verdict->enforce == then.enforce && (verdict->flags & all & ~then.flags) == 0,
              "%s", scene_text(scene));
        claim(verdict->conclusion != CONCLUSION_DEFINITE, "%s", scene_text(scene));
    }
}

START_TEST(a_host_denied_without_a_signature_is_worth_no_more_than_one_unseen)
{
    ck_assert_str_eq(situations[0].name, "unknown");
    all_scenes(denial_raises_nothing);
}
END_TEST

START_TEST(a_forged_useless_address_makes_no_domain_encrypted_or_verified)
{
    for (size_t i = 0; i < 2; i++) {
        struct scene scene = {.count = 3, .secure = true};
        struct verdict verdict;

        for (unsigned n = 0; n < SITUATIONS; n++) {
            scene.which[0] = strcmp(situations[n].name, "dane") == 0 ? n : scene.which[0];
            scene.which[1] = strcmp(situations[n].name, unproved[i]) == 0 ? n : scene.which[1];
            scene.which[2] =
                strcmp(situations[n].name, "encrypted+unusable") == 0 ? n : scene.which[2];
        }
        verdict = verdict_of(&scene);
        ck_assert_int_eq(verdict.class, CLASS_UNKNOWN);
        ck_assert_int_eq(verdict.conclusion, CONCLUSION_INCONCLUSIVE);
        ck_assert_uint_eq(verdict.flags & (VERDICT_ALL_HOSTS_DANE | VERDICT_ALL_HOSTS_TLSA), 0);
        ck_assert_str_eq(verdict.host, "mx2.host.example");
        ck_assert_int_eq(verdict_for(true, "verified", unproved[i]).class, CLASS_UNKNOWN);
        ck_assert_int_eq(verdict_for(false, "encrypted", unproved[i]).class, CLASS_UNKNOWN);
        ck_assert_int_eq(verdict_for(true, "clear", unproved[i]).class, CLASS_NONE);
        ck_assert_int_eq(verdict_for(true, "encrypted", "reserved").class, CLASS_ENCRYPTED);
        ck_assert_int_eq(verdict_for(true, "encrypted", "reserved").conclusion,
                         CONCLUSION_DEFINITE);
    }
}
END_TEST

START_TEST(a_domain_fails_only_if_no_host_meets_its_records)
{
    ck_assert_int_eq(verdict_for(true, "dane-fails", NULL).class, CLASS_FAILING);
    ck_assert_int_eq(verdict_for(true, "dane-fails", "dane-fails").class, CLASS_FAILING);
    ck_assert_int_eq(verdict_for(true, "dane-fails", "dane").class, CLASS_DANE);
    ck_assert_int_eq(verdict_for(true, "dane-fails", "clear").class, CLASS_NONE);
    ck_assert_int_eq(verdict_for(true, "dane-fails", "dane-enforced").class, CLASS_UNKNOWN);
    ck_assert_int_eq(verdict_for(true, "dane-fails", "excluded").class, CLASS_FAILING);
}
END_TEST

START_TEST(the_names_for_secure_are_the_hosts_of_a_signed_mx_and_else_only_the_domain_PIT_23)
{
    ck_assert_str_eq(verdict_for(true, "verified", "encrypted").match,
                     "mx1.host.example:mx2.host.example:domain.example");
    ck_assert_str_eq(verdict_for(false, "verified", "encrypted").match, "domain.example");
    ck_assert_str_eq(verdict_for(true, "verified", "dane-enforced").match, "");
    ck_assert_str_eq(verdict_for(false, "verified", "dane-fails").match, "");
    ck_assert_str_eq(verdict_for(true, "verified", "excluded").match,
                     "mx1.host.example:domain.example");
}
END_TEST

START_TEST(names_that_do_not_fit_are_not_claimed)
{
    struct scene scene = {.count = 3, .secure = true};
    char text[NAME_BYTES_MAX + 1];
    struct name saved[3];
    struct verdict verdict;

    memcpy(saved, host_names, sizeof saved);
    for (unsigned i = 0; i < 3; i++) {
        memset(text, 'a' + (int)i, sizeof text - 1);
        text[sizeof text - 1] = '\0';
        host_names[i] = name_of(text);
        scene.which[i] = 7; /* verified */
    }
    ck_assert_str_eq(situations[7].name, "verified");
    verdict = verdict_of(&scene);
    ck_assert_str_eq(verdict.match, "");
    ck_assert_int_eq(verdict.level, LEVEL_ENCRYPT);
    ck_assert_int_eq(verdict.class, CLASS_VERIFIED);
    memcpy(host_names, saved, sizeof saved);
}
END_TEST

/* An address that nobody signed makes a loop of a signed MX record: that may be forged. */
START_TEST(a_loop_by_an_unsigned_address_is_not_signed_MX_15_PIT_04)
{
    for (unsigned cut = 0; cut < 2; cut++) {
        const struct route route = {.state = ROUTE_LOOP,
                                    .domain = domain,
                                    .until_ms = NOW_MS + 500000,
                                    .secure = true,
                                    .hosts_cut = cut != 0};
        struct verdict verdict;

        verdict_of_domain(&verdict, &route, NULL, NULL, NOW_MS);
        ck_assert_int_eq(verdict.cause, CAUSE_LOOP);
        ck_assert_int_eq((verdict.flags & VERDICT_MX_SECURE) != 0, cut == 0);
    }
}
END_TEST

START_TEST(routes_without_hosts_have_their_own_ends_MX_08_MX_11_MX_12)
{
    static const struct {
        enum route_state state;
        enum conclusion conclusion;
        enum cause cause;
        const char *code;
    } rows[] = {
        {ROUTE_NULL_MX, CONCLUSION_UNDELIVERABLE, CAUSE_NULL_MX, "5.1.10"},
        {ROUTE_NO_DOMAIN, CONCLUSION_UNDELIVERABLE, CAUSE_NO_DOMAIN, "5.1.2"},
        {ROUTE_UNUSABLE, CONCLUSION_UNDELIVERABLE, CAUSE_NO_HOST, "4.4.4"},
        {ROUTE_LOOP, CONCLUSION_UNDELIVERABLE, CAUSE_LOOP, "5.4.6"}, /* MX-15 */
        {ROUTE_TROUBLE, CONCLUSION_TEMPORARY, CAUSE_MX_TROUBLE, "4.4.3"},
        {ROUTE_BOGUS, CONCLUSION_TEMPORARY, CAUSE_MX_BOGUS, "4.4.3"},
        {ROUTE_ALIAS_LOOP, CONCLUSION_TEMPORARY, CAUSE_ALIAS_LOOP, "4.4.6"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct route route = {
            .state = rows[i].state, .domain = domain, .until_ms = NOW_MS + 500000, .secure = true};
        struct verdict verdict;
        char text[512];

        verdict_of_domain(&verdict, &route, NULL, NULL, NOW_MS);
        ck_assert_int_eq(verdict.conclusion, rows[i].conclusion);
        ck_assert_int_eq(verdict.cause, rows[i].cause);
        ck_assert_int_eq(verdict.class, CLASS_UNKNOWN);
        ck_assert_int_eq(verdict.level, LEVEL_NONE);
        ck_assert_int_eq(verdict.enforce, ENFORCE_NOTHING);
        ck_assert_str_eq(verdict_status_code(&verdict), rows[i].code);
        ck_assert_uint_gt(verdict_sentence(&verdict, text, sizeof text), 5);
        if (rows[i].conclusion == CONCLUSION_TEMPORARY) /* looked up again soon (DNS-09) */
            ck_assert_uint_le(verdict.valid_until_ms, NOW_MS + 60000);
        route.ours = true;
        if (rows[i].state == ROUTE_TROUBLE) {
            verdict_of_domain(&verdict, &route, NULL, NULL, NOW_MS);
            ck_assert_int_eq(verdict.cause, CAUSE_OURS);
        }
    }
}
END_TEST

START_TEST(a_verdict_ends_with_the_first_record_it_rests_on_MX_17_FRESH_01)
{
    struct verdict verdict = verdict_for(true, "dane", "verified");

    ck_assert_uint_eq(verdict.valid_until_ms, NOW_MS + 200000);
    ck_assert_uint_eq(verdict.began_ms, NOW_MS - 5000);
    facts[1][7].dns_until_ms = NOW_MS + 60000; /* a TLSA record of a minute */
    verdict = verdict_for(true, "dane", "verified");
    ck_assert_uint_eq(verdict.valid_until_ms, NOW_MS + 60000);
    facts[1][7].dns_until_ms = UINT64_MAX;
    facts[0][3].dns_until_ms = UINT64_MAX;
    verdict = verdict_for(true, "dane", "verified");
    ck_assert_uint_eq(verdict.valid_until_ms, NOW_MS + 300000); /* the MX record's */
    makings_make();
}
END_TEST

START_TEST(what_was_just_looked_up_answers_whatever_its_TTL_DNS_11)
{
    static const uint64_t ends_ms[] = {NOW_MS, NOW_MS - 4000, NOW_MS + 1, NOW_MS + 1000};

    for (size_t i = 0; i < sizeof ends_ms / sizeof *ends_ms; i++) {
        facts[1][7].dns_until_ms = ends_ms[i]; /* it ran out while we looked, or at once */
        struct verdict verdict = verdict_for(true, "dane", "verified");

        ck_assert_uint_eq(verdict.valid_until_ms, NOW_MS + 1000);
        ck_assert(verdict_serves_now(&verdict, verdict.config_epoch, verdict.began_ms, NOW_MS));
    }
    facts[1][7].dns_until_ms = NOW_MS + 1001;
    ck_assert_uint_eq(verdict_for(true, "dane", "verified").valid_until_ms, NOW_MS + 1001);
    makings_make();
}
END_TEST

/* No look takes longer than the longest question: what ran out before is of another time, as where
 * the machine was suspended meanwhile. */
START_TEST(what_ran_out_before_any_look_of_now_answers_nothing_FRESH_01_DNS_11)
{
    struct verdict verdict;

    facts[1][7].dns_until_ms = NOW_MS - LIMIT_QUESTION_MOST_MS;
    ck_assert_uint_eq(verdict_for(true, "dane", "verified").valid_until_ms, NOW_MS + 1000);
    facts[1][7].dns_until_ms = NOW_MS - LIMIT_QUESTION_MOST_MS - 1;
    verdict = verdict_for(true, "dane", "verified");
    ck_assert_uint_eq(verdict.valid_until_ms, facts[1][7].dns_until_ms);
    ck_assert(!verdict_serves_now(&verdict, verdict.config_epoch, verdict.began_ms, NOW_MS));
    makings_make();
}
END_TEST

START_TEST(a_verdict_says_that_a_session_was_resumed_TLS_24)
{
    struct verdict full = verdict_for(true, "verified", "dane"), resumed;
    struct evidence *evidence = (struct evidence *)(uintptr_t)facts[1][7].endpoints[0].evidence;

    ck_assert_uint_eq(full.flags & VERDICT_RESUMED, 0);
    evidence->resumed = true;
    resumed = verdict_for(true, "verified", "dane");
    ck_assert_uint_eq(resumed.flags, full.flags | VERDICT_RESUMED);
    ck_assert_int_eq(resumed.class, full.class);
    ck_assert_int_eq(resumed.level, full.level);
    evidence->resumed = false;
}
END_TEST

START_TEST(success_is_looked_at_again_later_than_failure_FRESH_02)
{
    struct verdict good = verdict_for(true, "dane", NULL), bad = verdict_for(true, "clear", NULL),
                   hidden = verdict_for(true, "unknown", NULL),
                   trouble = verdict_for(true, "tlsa-trouble", NULL);

    ck_assert_uint_gt(verdict_refresh_ms(&good), verdict_refresh_ms(&bad));
    ck_assert_uint_eq(verdict_refresh_ms(&bad), verdict_refresh_ms(&hidden));
    ck_assert_uint_lt(verdict_refresh_ms(&trouble), verdict_refresh_ms(&bad));
}
END_TEST

/* Also where evidence may be hours old: an old failure would stop mail of now. */
START_TEST(an_old_success_serves_who_lets_it_be_old_an_old_failure_nobody_FRESH_02)
{
    static const char *const failures[] = {"clear", "unknown", "weak", "dane-fails"};
    const struct verdict good = verdict_for(true, "dane", NULL);
    const uint64_t day_ms = 86400000, began_ms = good.began_ms;

    ck_assert(verdict_serves(&good, 1, began_ms + day_ms));
    ck_assert(!verdict_serves(&good, began_ms + 1, began_ms + 1));
    ck_assert(!verdict_serves(&good, 0, began_ms + day_ms));
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        const struct verdict bad = verdict_for(true, failures[i], NULL);

        ck_assert(verdict_serves(&bad, 1, bad.began_ms + 299999));
        ck_assert_msg(!verdict_serves(&bad, 1, bad.began_ms + 300000), "%s", failures[i]);
        ck_assert(!verdict_serves(&bad, 0, bad.began_ms + 300000));
        ck_assert(!verdict_serves(&bad, bad.began_ms + 1, bad.began_ms + 1));
    }
}
END_TEST

/* --- words --- */

static const char *sentence(enum cause cause, const char *host, const char *address)
{
    static char text[600];
    struct verdict verdict = {.cause = cause, .port = 25};
    size_t length;

    snprintf(verdict.host, sizeof verdict.host, "%s", host);
    snprintf(verdict.address, sizeof verdict.address, "%s", address);
    verdict.smtp_code = 454;
    length = verdict_sentence(&verdict, text, sizeof text);
    ck_assert_uint_eq(length, strlen(text));
    return text;
}

START_TEST(where_postfix_has_words_they_are_used_CODE_01_to_07)
{
    ck_assert_str_eq(sentence(CAUSE_NO_STARTTLS, "mx.example", "192.0.2.1"),
                     "TLS is required, but was not offered by host mx.example[192.0.2.1]");
    ck_assert_str_eq(sentence(CAUSE_STARTTLS_REFUSED, "mx.example", ""),
                     "TLS is required, but host mx.example refused to start TLS: 454");
    ck_assert_ptr_eq(
        strstr(sentence(CAUSE_TLS_BROKEN, "mx.example", ""), "Cannot start TLS: handshake failure"),
        sentence(CAUSE_TLS_BROKEN, "mx.example", ""));
    ck_assert_str_eq(sentence(CAUSE_TLSA_TROUBLE, "mx.example", "192.0.2.1"),
                     "TLSA lookup error for mx.example:25");
    ck_assert_ptr_nonnull(
        strstr(sentence(CAUSE_ENCRYPTED, "mx.example", ""), "Server certificate not verified"));
    ck_assert_ptr_nonnull(
        strstr(sentence(CAUSE_DANE_INSECURE_MX, "mx.example", ""), "non DNSSEC destination"));
    ck_assert_ptr_nonnull(
        strstr(sentence(CAUSE_ENCRYPTED_TLSA_UNUSABLE, "mx.example", ""), "TLSA records unusable"));
}
END_TEST

START_TEST(every_cause_has_words_and_a_code_that_fit_together_CODE_12)
{
    for (unsigned cause = 0; cause < CAUSE_COUNT; cause++) {
        struct verdict verdict = {.cause = (enum cause)cause};
        const char *code = verdict_status_code(&verdict);
        unsigned class_, subject, detail;

        ck_assert_int_eq(sscanf(code, "%u.%u.%u", &class_, &subject, &detail), 3);
        ck_assert(class_ == 4 || class_ == 5);
        ck_assert_uint_le(strlen(code), 6);
        ck_assert((class_ == 5) ==
                  (cause == CAUSE_NULL_MX || cause == CAUSE_NO_DOMAIN || cause == CAUSE_LOOP));
        ck_assert_uint_gt(strlen(sentence((enum cause)cause, "", "")), 5);
        for (unsigned other = 0; other < cause; other++)
            ck_assert_str_ne(cause_name((enum cause)cause), cause_name((enum cause)other));
    }
}
END_TEST

START_TEST(a_small_buffer_gets_a_cut_sentence)
{
    struct verdict verdict = {.cause = CAUSE_NO_STARTTLS};
    char text[20];

    memset(verdict.host, 'a', sizeof verdict.host - 1);
    ck_assert_uint_eq(verdict_sentence(&verdict, text, sizeof text), sizeof text - 1);
    ck_assert_uint_eq(strlen(text), sizeof text - 1);
}
END_TEST

START_TEST(mailbox_orgs_four_signs_are_those_of_the_design_S12)
{
    static const enum sign signs[] = {
        [CLASS_NONE] = SIGN_NO_SSL,      [CLASS_WEAK] = SIGN_NO_SSL,
        [CLASS_UNKNOWN] = SIGN_UNKNOWN,  [CLASS_FAILING] = SIGN_NO_SSL,
        [CLASS_ENCRYPTED] = SIGN_SSL_OK, [CLASS_VERIFIED] = SIGN_SSL_OK,
        [CLASS_STS] = SIGN_SSL_OK,       [CLASS_DANE] = SIGN_DANE_OK,
    };

    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        ck_assert_int_eq(class_sign((enum tls_class) class), signs[class]);
    ck_assert_str_eq(sign_name(SIGN_UNKNOWN), "SSL ?");
    ck_assert_str_eq(class_name((enum tls_class)CLASS_COUNT), "?"); /* from a newer daemon */
    ck_assert_int_eq(class_sign((enum tls_class)CLASS_COUNT), SIGN_UNKNOWN);
    ck_assert_str_eq(level_name((enum level)99), "?");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verdict");
    TCase *all = tcase_create("every combination"), *single = tcase_create("claims"),
          *words = tcase_create("words");
    SRunner *runner;
    int failed;

    makings_make();
    tcase_add_test(
        all, the_level_is_the_strongest_policy_that_is_sound_and_delivers_or_is_asked_for_anyway);
    tcase_add_test(all, so_it_is_with_four_hosts);
    tcase_add_test(all, the_class_is_the_worst_that_a_sender_without_a_demand_meets);
    tcase_add_test(all, no_more_is_claimed_than_is_enforced);
    tcase_add_test(all, making_a_host_inconclusive_never_raises_class_or_level);
    tcase_add_test(all, evidence_of_strength_never_lowers);
    tcase_add_test(all, a_definite_verdict_depends_on_nothing_unseen);
    tcase_add_test(all, look_up_trouble_is_temporary_and_only_all_hosts_excluded_is_final_MX_07);
    tcase_add_test(all, a_host_denied_without_a_signature_is_worth_no_more_than_one_unseen);
    tcase_add_test(all, preference_changes_nothing_because_an_attacker_chooses_it_DANE_17_PIT_13);
    tcase_add_test(all, host_counts_flags_and_texts_fit_the_rest);
    tcase_set_timeout(all, 120);
    tcase_add_test(single, an_unsigned_mx_to_a_signed_host_is_half_dane_and_never_dane_only_MX_13);
    tcase_add_test(single, a_dead_backup_host_is_unknown_unless_its_records_protect_it);
    tcase_add_test(single, one_broken_host_does_not_stop_a_domain);
    tcase_add_test(single, a_name_whose_absence_is_not_proved_forbids_dane_only_for_everybody);
    tcase_add_test(single, a_forged_useless_address_makes_no_domain_encrypted_or_verified);
    tcase_add_test(single, a_domain_fails_only_if_no_host_meets_its_records);
    tcase_add_test(
        single, the_names_for_secure_are_the_hosts_of_a_signed_mx_and_else_only_the_domain_PIT_23);
    tcase_add_test(single, names_that_do_not_fit_are_not_claimed);
    tcase_add_test(single, a_loop_by_an_unsigned_address_is_not_signed_MX_15_PIT_04);
    tcase_add_test(single, routes_without_hosts_have_their_own_ends_MX_08_MX_11_MX_12);
    tcase_add_test(single, a_verdict_ends_with_the_first_record_it_rests_on_MX_17_FRESH_01);
    tcase_add_test(single, what_was_just_looked_up_answers_whatever_its_TTL_DNS_11);
    tcase_add_test(single, what_ran_out_before_any_look_of_now_answers_nothing_FRESH_01_DNS_11);
    tcase_add_test(single, a_verdict_says_that_a_session_was_resumed_TLS_24);
    tcase_add_test(single, success_is_looked_at_again_later_than_failure_FRESH_02);
    tcase_add_test(single, an_old_success_serves_who_lets_it_be_old_an_old_failure_nobody_FRESH_02);
    tcase_add_test(words, where_postfix_has_words_they_are_used_CODE_01_to_07);
    tcase_add_test(words, every_cause_has_words_and_a_code_that_fit_together_CODE_12);
    tcase_add_test(words, a_small_buffer_gets_a_cut_sentence);
    tcase_add_test(words, mailbox_orgs_four_signs_are_those_of_the_design_S12);
    suite_add_tcase(suite, all);
    suite_add_tcase(suite, single);
    suite_add_tcase(suite, words);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
