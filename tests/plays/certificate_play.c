/*
 * certificate_play.c - certificates are parsed, verified and matched against TLSA records while the
 * n-th allocation fails, alone or with all after it, for every n; and once more when there is
 * memory again.
 *
 * Without memory nothing is said about the peer: a signature that could not be checked is not a bad
 * one, a key that could not be read is not a weak one, a record that could not be compared is not
 * one without a match (law 3, DANE-38). And nothing of it is remembered.
 */
#include "engine/certificate/certificate.h"

#include "engine/policy/dane.h"
#include "tests/pki.h"
#include "tests/plays/world/world.h"

#include <openssl/pem.h>
#include <openssl/sha.h>

#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

enum { LEAF, AUTHORITY, ROOT, OTHER_LEAF, CERTIFICATES };

static X509 *x509[CERTIFICATES];
static uint8_t *der[CERTIFICATES];
static size_t der_bytes[CERTIFICATES];
static char roots[] = "/tmp/mxward-play-XXXXXX";

static void set_up(void)
{
    EVP_PKEY *root_key = pki_key_ec(), *key = pki_key_rsa(2048);
    FILE *file = fdopen(mkstemp(roots), "w");

    x509[ROOT] =
        pki_certificate(&(struct pki_spec){.common_name = "root", .ca = true, .key = root_key});
    x509[AUTHORITY] = pki_certificate(&(struct pki_spec){.common_name = "authority",
                                                         .ca = true,
                                                         .key = key,
                                                         .issuer = x509[ROOT],
                                                         .issuer_key = root_key});
    x509[LEAF] = pki_certificate(&(struct pki_spec){.common_name = "mx.example",
                                                    .alternative = "DNS:mx.example,DNS:b.example",
                                                    .key = root_key,
                                                    .issuer = x509[AUTHORITY],
                                                    .issuer_key = key});
    x509[OTHER_LEAF] = pki_certificate(&(struct pki_spec){.common_name = "other.example",
                                                          .key = root_key,
                                                          .issuer = x509[AUTHORITY],
                                                          .issuer_key = key});
    for (unsigned i = 0; i < CERTIFICATES; i++)
        der[i] = pki_der(x509[i], &der_bytes[i]);
    PKI_NEEDS(file != NULL && PEM_write_X509(file, x509[ROOT]) == 1 && fclose(file) == 0);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(key);
}

static void tear_down(void)
{
    unlink(roots);
    for (unsigned i = 0; i < CERTIFICATES; i++) {
        OPENSSL_free(der[i]);
        X509_free(x509[i]);
    }
}

static struct certificate_store *store_make(void)
{
    struct certificate_store *store;

    ck_assert_int_eq(certificate_store_create(&store, 1 << 20), 0);
    ck_assert_int_eq(certificate_trust_load(store, roots, NULL), 0);
    return store;
}

/* The next n: each of the first hundreds, then fewer; with MXWARD_PLAYS=whole each. */
static uint64_t after(uint64_t n)
{
    return n + 1 + (world_plays_whole() ? 0 : n / 100);
}

/* Fails the n-th allocation from here on; `lasting`: and all after it. */
static void begin(uint64_t n, bool lasting)
{
    world_allocations_begin(n);
    if (lasting)
        world_allocations_last();
}

/* --- PKIX --- */

struct seen {
    int error, pkix; /* of the first certificate that could not be had; -1: not asked */
    bool whole;      /* the facts of the leaf are its facts */
};

static struct seen look(struct certificate_store *store)
{
    const struct certificate *chain[2] = {NULL, NULL};
    struct seen seen = {.pkix = -1};

    for (unsigned i = 0; i < 2 && seen.error == 0; i++)
        chain[i] = certificate_intern(store, der[i], der_bytes[i], &seen.error);
    if (chain[0] != NULL)
        seen.whole = chain[0]->name_count == 2 && chain[0]->key_type == KEY_EC &&
                     chain[0]->key_bits == 256 && !chain[0]->is_ca;
    if (chain[0] != NULL && chain[1] != NULL)
        seen.pkix = certificate_pkix(store, chain, 2, PKI_NOW_S);
    certificate_drop(chain[0]);
    certificate_drop(chain[1]);
    return seen;
}

/* Another leaf below the same authority: what stands above it is known from then on. */
static void know_the_path(struct certificate_store *store)
{
    const struct certificate *chain[2];
    int error;

    for (unsigned i = 0; i < 2; i++)
        chain[i] = certificate_intern(store, der[i == 0 ? OTHER_LEAF : AUTHORITY],
                                      der_bytes[i == 0 ? OTHER_LEAF : AUTHORITY], &error);
    ck_assert_int_eq(certificate_pkix(store, chain, 2, PKI_NOW_S), X509_V_OK);
    certificate_drop(chain[0]);
    certificate_drop(chain[1]);
}

/* Rows 2 and 3: where the path above the leaf is known. */
START_TEST(without_memory_nothing_is_said_about_a_chain_law_3)
{
    struct certificate_store *store;
    struct seen seen;
    uint64_t n = 0;
    do {
        store = store_make();
        if (_i >= 2)
            know_the_path(store);
        begin(n = after(n), _i % 2 == 1);
        seen = look(store);
        world_allocations_end();
        ck_assert_msg(seen.error == 0 || seen.error == -ENOMEM, "allocation %lu: error %d",
                      (unsigned long)n, seen.error);
        ck_assert_msg(seen.error != 0 || seen.pkix == -ENOMEM || seen.pkix == X509_V_OK,
                      "allocation %lu: %s", (unsigned long)n, certificate_pkix_text(seen.pkix));
        ck_assert_msg(seen.error != 0 || seen.whole, "allocation %lu: facts are missing",
                      (unsigned long)n);
        seen = look(store); /* and nothing of it has stayed */
        ck_assert_msg(seen.error == 0 && seen.pkix == X509_V_OK && seen.whole,
                      "after allocation %lu: %s", (unsigned long)n,
                      certificate_pkix_text(seen.pkix));
        if (_i >= 2)
            ck_assert_uint_gt(certificate_store_counts(store).pkix_known_paths, 0);
        certificate_store_destroy(store);
    } while (world_allocation_failed());
    ck_assert_uint_gt(n, 100);
}
END_TEST

START_TEST(roots_are_loaded_whole_or_not_at_all)
{
    struct certificate_store *store = store_make();
    uint64_t n = 0;
    do {
        begin(n = after(n), _i);
        int result = certificate_trust_load(store, roots, NULL);
        world_allocations_end();
        ck_assert_msg(result == -ENOMEM || (result == 0 && !world_allocation_failed()),
                      "allocation %lu: %d", (unsigned long)n, result);
        struct seen seen = look(store); /* the old ones go on */
        ck_assert_int_eq(seen.pkix, X509_V_OK);
    } while (world_allocation_failed());
    certificate_store_destroy(store);
    ck_assert_uint_gt(n, 20);
}
END_TEST

/* OpenSSL itself leaks where it cannot make a library context: what is allocated meanwhile is not
 * looked for. Our own is given back before, and by a store that is made. */
static int store_create(struct certificate_store **store)
{
#if defined(__SANITIZE_ADDRESS__)
    __lsan_disable();
#endif
    int result = certificate_store_create(store, 1 << 20);
#if defined(__SANITIZE_ADDRESS__)
    __lsan_enable();
#endif
    return result;
}

START_TEST(a_store_is_made_whole_or_not_at_all)
{
    struct certificate_store *store = NULL;
    uint64_t n = 0;
    int result;
    do {
        begin(n = after(n), _i);
        result = store_create(&store);
        world_allocations_end();
        ck_assert_msg(result == -ENOMEM || result == 0, "allocation %lu: %d", (unsigned long)n,
                      result);
        if (result == 0)
            certificate_store_destroy(store);
    } while (world_allocation_failed());
    ck_assert_int_eq(result, 0); /* however often it failed before */
    ck_assert_uint_gt(n, 1000);  /* OpenSSL's library contexts too */
}
END_TEST

/* --- DANE --- */

/* No match that needs a digest; the root, which is not sent; and a bare key of the authority. */
static void records_make(struct dns_tlsa records[3], uint8_t sha512[SHA512_DIGEST_LENGTH],
                         uint8_t **key)
{
    int key_bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509[AUTHORITY]), key);

    PKI_NEEDS(key_bytes > 0);
    SHA512(der[ROOT], der_bytes[ROOT], sha512);
    records[0] = (struct dns_tlsa){.usage = 3,
                                   .selector = 0,
                                   .matching_type = 2,
                                   .size = SHA512_DIGEST_LENGTH,
                                   .data = sha512};
    records[1] =
        (struct dns_tlsa){.usage = 2, .size = (uint16_t)der_bytes[ROOT], .data = der[ROOT]};
    records[2] =
        (struct dns_tlsa){.usage = 2, .selector = 1, .size = (uint16_t)key_bytes, .data = *key};
}

START_TEST(without_memory_nothing_is_said_about_tlsa_records_DANE_38)
{
    struct certificate_store *store = store_make();
    struct dns_tlsa records[3];
    uint8_t sha512[SHA512_DIGEST_LENGTH], *key = NULL;
    struct dns_answer answer = {.type = DNS_TLSA, .count = 3, .tlsa = records};
    const struct certificate *chain[2];
    struct tlsa_result results[LIMIT_TLSA];
    uint64_t n = 0;
    int error;
    records_make(records, sha512, &key);
    for (unsigned i = 0; i < 2; i++)
        chain[i] = certificate_intern(store, der[i], der_bytes[i], &error);
    do {
        begin(n = after(n), _i);
        unsigned usable = dane_usable_count(&answer);
        int count = dane_match(&answer, chain, 2, PKI_NOW_S, results);
        world_allocations_end();
        ck_assert_uint_eq(usable, 3);
        ck_assert_msg(count == 3 || count == -ENOMEM, "allocation %lu: %d", (unsigned long)n,
                      count);
        if (count == -ENOMEM) /* and nothing of it has stayed */
            count = dane_match(&answer, chain, 2, PKI_NOW_S, results);
        ck_assert_int_eq(count, 3);
        ck_assert_int_eq(results[0].fate, TLSA_NO_MATCH);
        for (unsigned i = 1; i < 3; i++)
            ck_assert_msg(results[i].fate == TLSA_MATCH, "allocation %lu: record %u: %d, %s",
                          (unsigned long)n, i, (int)results[i].fate,
                          certificate_pkix_text(results[i].verify));
    } while (world_allocation_failed());
    ck_assert_uint_gt(n, 100);
    certificate_drop(chain[0]);
    certificate_drop(chain[1]);
    certificate_store_destroy(store);
    OPENSSL_free(key);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plays/certificate");
    TCase *tests = tcase_create("memory");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 200);
    tcase_add_loop_test(tests, without_memory_nothing_is_said_about_a_chain_law_3, 0, 4);
    tcase_add_loop_test(tests, roots_are_loaded_whole_or_not_at_all, 0, 2);
    tcase_add_loop_test(tests, a_store_is_made_whole_or_not_at_all, 0, 2);
    tcase_add_loop_test(tests, without_memory_nothing_is_said_about_tlsa_records_DANE_38, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
