/*
 * sessions_test.c - which looks leave a session to resume, for how long, and for whom. TLS-24,
 * DANE-40.
 */
#include "engine/probe/sessions.h"

#include "engine/certificate/x509.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define BEGAN_MS UINT64_C(100000)
#define NOW_S    (LIMIT_CLOCK_FIRST_S + INT64_C(86400) * 500)
#define MOST     4

/* As the store has them: whoever gives one back looks behind its public face. */
static struct certificate_entry leaf_entry, issuer_entry;
#define leaf   leaf_entry.certificate
#define issuer issuer_entry.certificate
static const char *names[] = {"mx.example.org"};
static struct sessions *sessions;

static struct endpoint_key key_of(unsigned number)
{
    struct endpoint_key key = {.address = {.family = 4, .bytes = {192, 0, 2, (uint8_t)number}},
                               .port = 25};

    ck_assert_int_eq(name_parse(&key.server_name, names[0], strlen(names[0])), NAME_OK);
    return key;
}

/* A full handshake in order: trusted, and by the name it was asked for. */
static struct evidence *proof_of(unsigned number)
{
    struct evidence *proof = calloc(1, sizeof *proof);

    atomic_init(&proof->references, 1);
    proof->key = key_of(number);
    proof->began_ms = BEGAN_MS;
    proof->outcome = OUTCOME_TLS_OK;
    proof->chain_count = 2;
    proof->chain[0] = certificate_hold(&leaf);
    proof->chain[1] = certificate_hold(&issuer);
    return proof;
}

static void set_up(void)
{
    leaf = (struct certificate){.references = 1000,
                                .not_before_s = NOW_S - 100,
                                .not_after_s = NOW_S + 100,
                                .has_alternative_names = true,
                                .name_count = 1,
                                .names = names};
    issuer = leaf;
    ck_assert_int_eq(sessions_create(&sessions, MOST), 0);
}

static void tear_down(void)
{
    sessions_destroy(sessions);
    ck_assert_uint_eq(atomic_load(&leaf.references), 1000); /* nothing holds a proof any more */
}

static void keep_after(unsigned number, const char *bytes, uint64_t since_ms)
{
    struct evidence *proof = proof_of(number);

    sessions_keep(sessions, proof, since_ms, (const uint8_t *)bytes, strlen(bytes));
    evidence_drop(proof);
}

static void keep(unsigned number, const char *bytes)
{
    keep_after(number, bytes, 0);
}

/* What is kept for `key`, as text; "" for nothing. */
static const char *take(const struct endpoint_key *key, uint64_t since_ms, int64_t now_s)
{
    static char text[LIMIT_SESSION_BYTES + 1];
    const struct evidence *proof = NULL;
    size_t size = sessions_take(sessions, key, since_ms, now_s, (uint8_t *)text, &proof);

    text[size] = '\0';
    ck_assert_int_eq(proof != NULL, size > 0);
    if (proof != NULL)
        ck_assert(endpoint_key_equal(&proof->key, key));
    evidence_drop(proof);
    return text;
}

static const char *take_of(unsigned number)
{
    struct endpoint_key key = key_of(number);

    return take(&key, 0, NOW_S);
}

START_TEST(a_session_is_handed_out_once_and_to_its_endpoint_alone_DANE_40)
{
    struct endpoint_key key = key_of(1);

    keep(1, "one");
    keep(2, "two");
    key.port = 26;
    ck_assert_str_eq(take(&key, 0, NOW_S), "");
    key = key_of(1);
    key.tlsa_digest[15] = 1;
    ck_assert_str_eq(take(&key, 0, NOW_S), "");
    key = key_of(1);
    ck_assert_int_eq(name_parse(&key.server_name, "mx.example.net", 14), NAME_OK);
    ck_assert_str_eq(take(&key, 0, NOW_S), "");
    ck_assert_str_eq(take_of(3), "");
    ck_assert_str_eq(take_of(1), "one");
    ck_assert_str_eq(take_of(1), "");
    ck_assert_str_eq(take_of(2), "two");
}
END_TEST

START_TEST(endpoints_are_told_apart_by_every_part_of_their_key_DANE_40)
{
    const struct endpoint_key one = key_of(1);
    struct endpoint_key other = one;

    ck_assert(endpoint_key_equal(&one, &other));
    other.tlsa_digest[15] = 1;
    ck_assert(!endpoint_key_equal(&one, &other));
    other = one;
    other.port = 26;
    ck_assert(!endpoint_key_equal(&one, &other));
    other = key_of(2);
    ck_assert(!endpoint_key_equal(&one, &other));
    other = one;
    ck_assert_int_eq(name_parse(&other.server_name, "mx.example.net", 14), NAME_OK);
    ck_assert(!endpoint_key_equal(&one, &other));
}
END_TEST

START_TEST(the_newest_session_takes_the_place_of_the_one_before)
{
    keep(1, "a long one");
    keep(1, "new");
    ck_assert_str_eq(take_of(1), "new");
    ck_assert_str_eq(take_of(1), "");
}
END_TEST

START_TEST(a_full_pool_puts_out_the_oldest)
{
    static const char *const bytes[] = {"0", "1", "2", "3", "4", "5"};

    for (unsigned i = 0; i < MOST; i++)
        keep(i, bytes[i]);
    keep(0, "again");
    keep(4, bytes[4]);
    keep(5, bytes[5]);
    ck_assert_str_eq(take_of(1), "");
    ck_assert_str_eq(take_of(2), "");
    ck_assert_str_eq(take_of(0), "again");
    ck_assert_str_eq(take_of(3), "3");
    ck_assert_str_eq(take_of(4), "4");
    ck_assert_str_eq(take_of(5), "5");
}
END_TEST

START_TEST(all_can_be_forgotten_or_some)
{
    keep(1, "one");
    keep(2, "two");
    ck_assert_uint_eq(sessions_forget(sessions, 1), 1);
    ck_assert_str_eq(take_of(1), "");
    keep(1, "one");
    sessions_forget_all(sessions);
    ck_assert_str_eq(take_of(1), "");
    ck_assert_str_eq(take_of(2), "");
}
END_TEST

START_TEST(after_its_time_a_session_is_gone)
{
    struct endpoint_key key = key_of(1);

    keep(1, "one");
    ck_assert_str_eq(take(&key, BEGAN_MS, NOW_S), "one");
    keep(1, "one");
    ck_assert_str_eq(take(&key, BEGAN_MS + 1, NOW_S), "");
    ck_assert_str_eq(take(&key, BEGAN_MS, NOW_S), "");
}
END_TEST

START_TEST(where_a_session_came_to_nothing_none_is_kept_for_a_while)
{
    const struct endpoint_key key = key_of(1);

    keep(1, "one");
    ck_assert_str_eq(take_of(1), "one");
    sessions_failed(sessions, &key, BEGAN_MS);
    keep_after(1, "again", BEGAN_MS - 1);
    ck_assert_str_eq(take_of(1), "");
    sessions_drop(sessions, &key); /* which is no way round it */
    keep_after(1, "again", BEGAN_MS);
    ck_assert_str_eq(take_of(1), "");
    keep_after(2, "another", BEGAN_MS - 1);
    ck_assert_str_eq(take_of(2), "another");
    keep_after(1, "again", BEGAN_MS + 1);
    ck_assert_str_eq(take_of(1), "again");
}
END_TEST

START_TEST(no_session_outlives_any_certificate_of_its_proof)
{
    struct endpoint_key key = key_of(1);

    issuer.not_after_s = NOW_S + 50;
    keep(1, "one");
    ck_assert_str_eq(take(&key, 0, NOW_S + 49), "one");
    keep(1, "one");
    ck_assert_str_eq(take(&key, 0, NOW_S + 50), "");
    keep(1, "one");
    ck_assert_str_eq(take(&key, 0, NOW_S - 101), ""); /* a clock that was set back */
}
END_TEST

/* Whatever is not in order is looked at in full each time. */
START_TEST(only_a_look_that_leaves_nothing_to_ask_may_be_resumed_TLS_24)
{
    struct evidence *proof = proof_of(1);

    ck_assert(evidence_may_be_resumed(proof));
    proof->resumed = true;
    ck_assert(!evidence_may_be_resumed(proof));
    proof->resumed = false;
    proof->outcome = OUTCOME_TLS_TIMEOUT;
    ck_assert(!evidence_may_be_resumed(proof));
    proof->outcome = OUTCOME_TLS_OK;
    proof->chain_cut = true;
    ck_assert(!evidence_may_be_resumed(proof));
    proof->chain_cut = false;
    proof->pkix = 20;
    ck_assert(!evidence_may_be_resumed(proof));
    proof->pkix = 0;
    ck_assert_int_eq(name_parse(&proof->key.server_name, "mx.example.net", 14), NAME_OK);
    ck_assert(!evidence_may_be_resumed(proof));
    evidence_drop(proof);
}
END_TEST

START_TEST(a_tlsa_record_must_be_met_and_one_of_an_authority_vouches_for_no_name)
{
    struct evidence *proof = proof_of(1);

    proof->pkix = 20;
    proof->tlsa_count = 1;
    proof->tlsa[0] = (struct tlsa_result){.fate = TLSA_MATCH, .usage = 3};
    ck_assert(evidence_may_be_resumed(proof));
    proof->tlsa[0].usage = 2;
    ck_assert(evidence_may_be_resumed(proof));
    ck_assert_int_eq(name_parse(&proof->key.server_name, "mx.example.net", 14), NAME_OK);
    ck_assert(!evidence_may_be_resumed(proof));
    proof->tlsa[0].usage = 3;
    ck_assert(evidence_may_be_resumed(proof));
    proof->key = key_of(1);
    proof->pkix = 0;
    proof->tlsa[0].fate = TLSA_NO_MATCH;
    ck_assert(!evidence_may_be_resumed(proof));
    evidence_drop(proof);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sessions");
    TCase *cases = tcase_create("kept, offered, forgotten");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, a_session_is_handed_out_once_and_to_its_endpoint_alone_DANE_40);
    tcase_add_test(cases, endpoints_are_told_apart_by_every_part_of_their_key_DANE_40);
    tcase_add_test(cases, the_newest_session_takes_the_place_of_the_one_before);
    tcase_add_test(cases, a_full_pool_puts_out_the_oldest);
    tcase_add_test(cases, all_can_be_forgotten_or_some);
    tcase_add_test(cases, after_its_time_a_session_is_gone);
    tcase_add_test(cases, where_a_session_came_to_nothing_none_is_kept_for_a_while);
    tcase_add_test(cases, no_session_outlives_any_certificate_of_its_proof);
    tcase_add_test(cases, only_a_look_that_leaves_nothing_to_ask_may_be_resumed_TLS_24);
    tcase_add_test(cases, a_tlsa_record_must_be_met_and_one_of_an_authority_vouches_for_no_name);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
