/*
 * delivery_test.c - claims about what a delivery that the MTA reports proves: of evidence
 * (policy/delivery) and to the memory (memory/remember). Pure.
 */
#include "engine/facts/age.h"
#include "engine/memory/remember.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S    (LIMIT_CLOCK_FIRST_S + INT64_C(86400) * 500)
#define NOW_MS   UINT64_C(500000000)
#define BEGAN_MS (NOW_MS - 30 * 60000)

static struct certificate leaf;
static struct evidence evidence;
static struct delivery delivery;

static struct name named(const char *text)
{
    struct name name;

    ck_assert_int_eq(name_parse(&name, text, strlen(text)), NAME_OK);
    return name;
}

/* An endpoint with a certificate that PKIX trusts, and a delivery that shows the same key. */
static void set_up(void)
{
    memset(&leaf, 0, sizeof leaf);
    memset(leaf.spki_sha256, 7, SHA256_BYTES);
    memset(&evidence, 0, sizeof evidence);
    evidence.key.port = DELIVERY_PORT;
    evidence.key.server_name = named("mx.example.org");
    ck_assert(address_parse(&evidence.key.address, "192.0.2.1", 9));
    evidence.began_ms = BEGAN_MS;
    evidence.outcome = OUTCOME_TLS_OK;
    evidence.tls_version = 0x0304;
    evidence.chain_count = 1;
    evidence.chain[0] = &leaf;
    delivery = (struct delivery){.host = evidence.key.server_name,
                                 .address = evidence.key.address,
                                 .port = DELIVERY_PORT,
                                 .tls_version = 0x0304,
                                 .trust = DELIVERY_ENCRYPTED,
                                 .has_key = true,
                                 .at_s = NOW_S - 60};
    memcpy(delivery.key_sha256, leaf.spki_sha256, SHA256_BYTES);
}

static enum delivery_effect effect(void)
{
    return delivery_effect(&delivery, &evidence, delivery_began_ms(&delivery, NOW_MS, NOW_S));
}

START_TEST(the_same_key_renews_and_is_as_old_as_its_handshake_may_be)
{
    ck_assert_int_eq(effect(), DELIVERY_RENEWS);
    ck_assert_uint_eq(delivery_began_ms(&delivery, NOW_MS, NOW_S),
                      NOW_MS - (60 + DELIVERY_BEGAN_S) * 1000);
}
END_TEST

START_TEST(a_foreign_key_renews_nothing_even_if_verified)
{
    delivery.key_sha256[0] ^= 1;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
    delivery.trust = DELIVERY_VERIFIED;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
}
END_TEST

START_TEST(without_a_key_a_certificate_that_counts_must_have_been_verified)
{
    delivery.has_key = false;
    for (unsigned trust = DELIVERY_ENCRYPTED; trust < DELIVERY_TRUST_COUNT; trust++) {
        delivery.trust = (enum delivery_trust)trust;
        ck_assert_int_eq(effect(),
                         trust == DELIVERY_VERIFIED ? DELIVERY_RENEWS : DELIVERY_SAYS_NOTHING);
    }
    evidence.pkix = 18; /* self-signed: it only encrypts */
    delivery.trust = DELIVERY_ENCRYPTED;
    ck_assert_int_eq(effect(), DELIVERY_RENEWS);
    evidence.tlsa_count = 1;
    evidence.tlsa[0].fate = TLSA_MATCH;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
}
END_TEST

START_TEST(what_fails_its_tlsa_records_is_never_renewed_FRESH_02)
{
    evidence.tlsa_count = 1;
    evidence.tlsa[0].fate = TLSA_NO_MATCH;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
}
END_TEST

START_TEST(another_version_name_address_or_port_renews_nothing_FRESH_04)
{
    struct delivery good = delivery;

    delivery.tls_version = 0x0303;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
    delivery = good;
    delivery.host = named("mx2.example.org");
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
    delivery = good;
    delivery.address.bytes[3] = 2;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
    delivery = good;
    delivery.port = 587;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
    ck_assert_int_eq(delivery_fault(&delivery, NOW_S), DELIVERY_OTHER_PORT);
}
END_TEST

START_TEST(evidence_never_grows_older_and_is_looked_at_anew_after_a_day)
{
    evidence.began_ms = NOW_MS - 1000;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
    evidence.began_ms = BEGAN_MS;
    evidence.looked_ms = NOW_MS - DELIVERY_RENEWS_MS - 100000;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
    evidence.looked_ms = NOW_MS - DELIVERY_RENEWS_MS + 100000;
    ck_assert_int_eq(effect(), DELIVERY_RENEWS);
}
END_TEST

START_TEST(tls_where_the_evidence_says_none_has_it_looked_at_anew)
{
    static const enum outcome none[] = {OUTCOME_NO_STARTTLS, OUTCOME_TLS_WEAK,
                                        OUTCOME_STARTTLS_REFUSED, OUTCOME_TLS_CLOSED};

    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        evidence.outcome = none[i];
        ck_assert_int_eq(effect(), DELIVERY_DISPROVES);
    }
    evidence.outcome = OUTCOME_CONNECT_TIMEOUT;
    ck_assert_int_eq(effect(), DELIVERY_SAYS_NOTHING);
}
END_TEST

START_TEST(
    clear_text_old_tls_old_and_future_times_and_a_wrong_clock_count_for_nothing_law_2_FRESH_06)
{
    struct delivery good = delivery;

    ck_assert_int_eq(delivery_fault(&delivery, NOW_S), DELIVERY_GOOD);
    delivery.trust = DELIVERY_CLEAR;
    ck_assert_int_eq(delivery_fault(&delivery, NOW_S), DELIVERY_NO_TLS);
    delivery = good;
    delivery.tls_version = 0x0302;
    ck_assert_int_eq(delivery_fault(&delivery, NOW_S), DELIVERY_NO_TLS);
    delivery = good;
    delivery.at_s = NOW_S + 1;
    ck_assert_int_eq(delivery_fault(&delivery, NOW_S), DELIVERY_FUTURE);
    delivery.at_s = NOW_S - DELIVERY_AGE_S - 1;
    ck_assert_int_eq(delivery_fault(&delivery, NOW_S), DELIVERY_OLD);
    ck_assert_int_eq(delivery_fault(&good, 0), DELIVERY_CLOCK);
}
END_TEST

START_TEST(renewed_evidence_says_the_same_and_remembers_when_it_was_looked_at)
{
    const struct evidence *once, *twice;

    atomic_init(&evidence.references, 1);
    evidence.chain_count = 0;
    once = evidence_renew(&evidence, NOW_MS - 5000, NOW_S);
    twice = evidence_renew(once, NOW_MS, NOW_S);
    ck_assert_uint_eq(twice->began_ms, NOW_MS);
    ck_assert_uint_eq(evidence_looked_ms(twice), BEGAN_MS);
    ck_assert_int_eq(twice->ended_wall_s, NOW_S);
    ck_assert_int_eq(evidence_looked_wall_s(twice), evidence.ended_wall_s);
    ck_assert_int_ne(evidence_looked_wall_s(twice), NOW_S);
    ck_assert_int_eq(twice->outcome, OUTCOME_TLS_OK);
    ck_assert_uint_eq(evidence_good_until_ms(twice), NOW_MS + AGE_GOOD_MS);
    evidence_drop(once);
    evidence_drop(twice);
}
END_TEST

/* --- the memory --- */

static struct route route;
static struct finding findings[2];
static struct verdict verdict;
static const struct remembered_look look = {&route, findings, &verdict};

static struct remembered taught(bool host_seen, const struct remembered_look *at)
{
    struct remembered remembered;

    remember_delivery(&remembered, &delivery, host_seen, at, NOW_MS, NOW_S);
    return remembered;
}

static bool teaches_no_domain(void)
{
    const struct remembered remembered = taught(true, &look);

    return observation_is_nothing(&remembered.domain);
}

/* The last look saw one mail host, and TLS there. */
static void set_up_look(void)
{
    set_up();
    memset(&route, 0, sizeof route);
    memset(findings, 0, sizeof findings);
    route.state = ROUTE_MX;
    route.host_count = 1;
    route.hosts[0].name = delivery.host;
    findings[0].kind = FINDING_ENCRYPTED;
    findings[0].conclusive = true;
    verdict = (struct verdict){.conclusion = CONCLUSION_DEFINITE, .valid_until_ms = NOW_MS + 1};
}

START_TEST(a_delivery_is_a_sighting_of_its_host_at_the_time_of_its_handshake_MEM_02)
{
    struct remembered remembered = taught(true, NULL);

    ck_assert_uint_eq(remembered.host_count, 1);
    ck_assert(name_equal(&remembered.hosts[0].name, &delivery.host));
    ck_assert_int_eq(remembered.hosts[0].observation.seen, OBSERVED_HANDSHAKES);
    ck_assert(remembered.hosts[0].observation.delivered);
    ck_assert_int_eq(remembered.hosts[0].observation.evidence_s, delivery.at_s);
    ck_assert(observation_is_nothing(&remembered.domain));
    remembered = taught(false, &look); /* no look of ours says so: whoever wrote that log */
    ck_assert_uint_eq(remembered.host_count, 0);
    ck_assert(observation_is_nothing(&remembered.domain));
    ck_assert_int_eq(remembered.at_s, NOW_S);
}
END_TEST

START_TEST(a_delivery_is_a_sighting_of_a_domain_only_if_all_its_mail_goes_there_by_tls)
{
    ck_assert_int_eq(taught(true, &look).domain.seen, OBSERVED_HANDSHAKES);
    route.host_count = 2;
    route.hosts[1].name = named("mx2.example.org");
    ck_assert(teaches_no_domain());
    delivery.trust = DELIVERY_VERIFIED;
    ck_assert(teaches_no_domain());
    set_up_look();
    route.hosts[0].name = named("other.example.org");
    ck_assert(teaches_no_domain());
    set_up_look();
    findings[0].kind = FINDING_CLEAR;
    ck_assert(teaches_no_domain());
    set_up_look();
    verdict.valid_until_ms = NOW_MS;
    ck_assert(teaches_no_domain());
    set_up_look();
    route.hosts_cut = true;
    ck_assert(teaches_no_domain());
}
END_TEST

START_TEST(what_counts_for_nothing_teaches_nothing_MEM_05)
{
    delivery.trust = DELIVERY_CLEAR;
    ck_assert_uint_eq(taught(true, &look).host_count, 0);
    ck_assert_int_eq(taught(true, &look).at_s, 0);
    set_up_look();
    delivery.at_s = NOW_S + 1;
    ck_assert_uint_eq(taught(true, &look).host_count, 0);
    set_up_look();
    delivery.port = 2525;
    ck_assert_uint_eq(taught(true, &look).host_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deliveries");
    TCase *held = tcase_create("evidence"), *memory = tcase_create("memory");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(held, set_up, NULL);
    tcase_add_checked_fixture(memory, set_up_look, NULL);
    tcase_add_test(held, the_same_key_renews_and_is_as_old_as_its_handshake_may_be);
    tcase_add_test(held, a_foreign_key_renews_nothing_even_if_verified);
    tcase_add_test(held, without_a_key_a_certificate_that_counts_must_have_been_verified);
    tcase_add_test(held, what_fails_its_tlsa_records_is_never_renewed_FRESH_02);
    tcase_add_test(held, another_version_name_address_or_port_renews_nothing_FRESH_04);
    tcase_add_test(held, evidence_never_grows_older_and_is_looked_at_anew_after_a_day);
    tcase_add_test(held, tls_where_the_evidence_says_none_has_it_looked_at_anew);
    tcase_add_test(
        held,
        clear_text_old_tls_old_and_future_times_and_a_wrong_clock_count_for_nothing_law_2_FRESH_06);
    tcase_add_test(held, renewed_evidence_says_the_same_and_remembers_when_it_was_looked_at);
    tcase_add_test(memory,
                   a_delivery_is_a_sighting_of_its_host_at_the_time_of_its_handshake_MEM_02);
    tcase_add_test(memory,
                   a_delivery_is_a_sighting_of_a_domain_only_if_all_its_mail_goes_there_by_tls);
    tcase_add_test(memory, what_counts_for_nothing_teaches_nothing_MEM_05);
    suite_add_tcase(suite, held);
    suite_add_tcase(suite, memory);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
