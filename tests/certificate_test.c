/*
 * certificate_test.c - claims about the certificate store, names, and PKIX results.
 *
 * Certificates are made on the spot (pki.h). Where OpenSSL has a say of its own (host names), it is
 * asked too, and every difference is listed.
 */
#include "engine/certificate/certificate.h"

#include "tests/pki.h"

#include <check.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <unistd.h>

static struct certificate_store *store;
static EVP_PKEY *leaf_key, *ca_key, *root_key;

static void keys_make(void)
{
    leaf_key = pki_key_ec();
    ca_key = pki_key_ec();
    root_key = pki_key_ec();
}

static void keys_free(void)
{
    EVP_PKEY_free(leaf_key);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(root_key);
}

static void store_make(void)
{
    ck_assert_int_eq(certificate_store_create(&store, 16 << 20), 0);
}

static void store_free(void)
{
    certificate_store_destroy(store);
}

/* Takes the X509 away. */
static const struct certificate *intern_into(struct certificate_store *into, X509 *x509)
{
    size_t size;
    uint8_t *der = pki_der(x509, &size);
    int error;
    const struct certificate *certificate = certificate_intern(into, der, size, &error);

    ck_assert_int_eq(error, 0);
    ck_assert_ptr_nonnull(certificate);
    OPENSSL_free(der);
    X509_free(x509);
    return certificate;
}

static const struct certificate *intern(const struct pki_spec *spec)
{
    struct pki_spec complete = *spec;

    if (complete.key == NULL)
        complete.key = leaf_key;
    return intern_into(store, pki_certificate(&complete));
}

/* --- the store --- */

START_TEST(the_same_der_is_parsed_once_and_kept_once)
{
    X509 *x509 = pki_certificate(&(struct pki_spec){.key = leaf_key, .common_name = "a.example"});
    size_t size;
    uint8_t *der = pki_der(x509, &size);
    int error;
    const struct certificate *a = certificate_intern(store, der, size, &error);
    const struct certificate *b = certificate_intern(store, der, size, &error);
    struct certificate_store_counts counts = certificate_store_counts(store);

    ck_assert_ptr_eq(a, b);
    ck_assert_uint_eq(counts.kept, 1);
    ck_assert_uint_eq(counts.parsed, 1);
    ck_assert_uint_eq(counts.interned, 2);
    ck_assert_uint_gt(counts.bytes, size);
    ck_assert_uint_eq(a->der_bytes, size);
    ck_assert_mem_eq(a->der, der, size);
    certificate_drop(a);
    certificate_drop(b);
    OPENSSL_free(der);
    X509_free(x509);
}
END_TEST

START_TEST(what_is_no_certificate_is_a_finding_and_not_our_error)
{
    X509 *x509 = pki_certificate(&(struct pki_spec){.key = leaf_key, .common_name = "a.example"});
    static uint8_t big[LIMIT_CERTIFICATE_BYTES + 1];
    uint8_t longer[4096] = {0};
    size_t size;
    uint8_t *der = pki_der(x509, &size);
    int error = 1;

    ck_assert_ptr_null(certificate_intern(store, (const uint8_t *)"garbage", 7, &error));
    ck_assert_int_eq(error, 0);
    ck_assert_ptr_null(certificate_intern(store, der, 0, &error));
    ck_assert_int_eq(error, 0);
    ck_assert_ptr_null(certificate_intern(store, big, sizeof big, &error));
    ck_assert_int_eq(error, 0);
    memcpy(longer, der, size);
    ck_assert_ptr_null(certificate_intern(store, longer, size + 1, &error)); /* something follows */
    ck_assert_int_eq(error, 0);
    for (size_t cut = 1; cut < size; cut++) {
        ck_assert_ptr_null(certificate_intern(store, der, cut, &error));
        ck_assert_int_eq(error, 0);
    }
    ck_assert_uint_eq(certificate_store_counts(store).kept, 0);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    OPENSSL_free(der);
    X509_free(x509);
}
END_TEST

START_TEST(any_damaged_byte_is_either_refused_or_another_certificate)
{
    X509 *x509 = pki_certificate(&(struct pki_spec){.key = leaf_key,
                                                    .common_name = "a.example",
                                                    .alternative = "DNS:a.example,DNS:*.b.example",
                                                    .extended_usage = "serverAuth"});
    size_t size;
    uint8_t *der = pki_der(x509, &size);

    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            const struct certificate *certificate;
            int error;

            der[i] ^= (uint8_t)(1u << bit);
            certificate = certificate_intern(store, der, size, &error);
            ck_assert_int_eq(error, 0);
            for (unsigned n = 0; certificate != NULL && n < certificate->name_count; n++)
                ck_assert_uint_eq(
                    strspn(certificate->names[n], "abcdefghijklmnopqrstuvwxyz0123456789-_.*"),
                    strlen(certificate->names[n]));
            certificate_drop(certificate);
            der[i] ^= (uint8_t)(1u << bit);
        }
    OPENSSL_free(der);
    X509_free(x509);
}
END_TEST

START_TEST(a_full_store_lets_go_of_what_nobody_holds_and_keeps_the_rest)
{
    const struct certificate *eight[8];
    struct certificate_store_counts counts;
    struct certificate_store *small;

    ck_assert_int_eq(certificate_store_create(&small, 96 << 10), 0);
    for (unsigned i = 0; i < 8; i++)
        eight[i] = intern_into(small, pki_certificate(&(struct pki_spec){.key = leaf_key}));
    for (unsigned i = 0; i < 500; i++)
        certificate_drop(intern_into(small, pki_certificate(&(struct pki_spec){.key = leaf_key})));
    counts = certificate_store_counts(small);
    ck_assert_uint_le(counts.bytes, 96 << 10);
    ck_assert_uint_gt(counts.evicted, 100);
    for (unsigned i = 0; i < 8; i++) { /* still the same object: never evicted while held */
        int error;
        const struct certificate *again =
            certificate_intern(small, eight[i]->der, eight[i]->der_bytes, &error);

        ck_assert_ptr_eq(again, eight[i]);
        certificate_drop(again);
    }
    certificate_store_destroy(small);
    for (unsigned i = 0; i < 8; i++) { /* and they outlive the store */
        ck_assert_int_eq(eight[i]->der[0], 0x30);
        certificate_drop(eight[i]);
    }
}
END_TEST

/* Takes the X509 away. NULL: there was no room, and nothing else was wrong. */
static const struct certificate *intern_or_refused(struct certificate_store *into, X509 *x509)
{
    size_t size;
    uint8_t *der = pki_der(x509, &size);
    int error = 1;
    const struct certificate *certificate = certificate_intern(into, der, size, &error);

    ck_assert_int_eq(error, certificate == NULL ? -ENOBUFS : 0);
    OPENSSL_free(der);
    X509_free(x509);
    return certificate;
}

/* About `names` times 60 bytes, twice: in the DER and among the facts. */
static X509 *certificate_of_many_names(unsigned names)
{
    GENERAL_NAMES *made = GENERAL_NAMES_new();
    char text[64];
    X509 *x509;

    for (unsigned i = 0; i < names; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *value = ASN1_IA5STRING_new();

        snprintf(text, sizeof text, "a-name-that-is-rather-long-for-what-it-says-%05u.example", i);
        ASN1_STRING_set(value, text, -1);
        GENERAL_NAME_set0_value(name, GEN_DNS, value);
        sk_GENERAL_NAME_push(made, name);
    }
    x509 = pki_certificate(&(struct pki_spec){.key = leaf_key, .names = made});
    GENERAL_NAMES_free(made);
    return x509;
}

#define HELD_MAX 4000
static const struct certificate *held[HELD_MAX];
static unsigned held_count;

/* Holds always new ones until `refusals` in a row were refused: then every stripe is full. */
static void hold_until_refused(struct certificate_store *into, unsigned names, unsigned refusals)
{
    for (unsigned refused = 0; refused < refusals && held_count < HELD_MAX;) {
        held[held_count] = intern_or_refused(
            into, names == 0 ? pki_certificate(&(struct pki_spec){.key = leaf_key})
                             : certificate_of_many_names(names));
        refused = held[held_count] == NULL ? refused + 1 : 0;
        held_count += held[held_count] != NULL;
    }
}

static void let_all_go(void)
{
    while (held_count > 0)
        certificate_drop(held[--held_count]);
}

/* What the process has got from malloc; 0: this build does not know. */
static size_t allocated(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#else
    return mallinfo2().uordblks + mallinfo2().hblkhd;
#endif
}

START_TEST(all_that_are_alive_stay_within_the_bound_and_more_are_refused)
{
    enum { BOUND = 2 << 20 };
    struct certificate_store *small;
    struct certificate_store_counts counts;
    size_t before;

    ck_assert_int_eq(certificate_store_create(&small, BOUND), 0);
    before = allocated();
    ck_assert(!certificate_store_is_crowded(small));
    hold_until_refused(small, 200, 300);
    hold_until_refused(small, 0, 300);
    counts = certificate_store_counts(small);
    ck_assert_uint_ge(counts.refused, 600);
    ck_assert_uint_le(counts.bytes, BOUND);
    ck_assert_uint_eq(counts.held_bytes, counts.bytes);
    ck_assert_uint_gt(counts.held_bytes, BOUND / 10 * 9);
    ck_assert(certificate_store_is_crowded(small));
    ck_assert_uint_le(allocated() - before, BOUND + BOUND / 5); /* of the allocator */
    for (unsigned i = 0; i < held_count; i += 97) { /* what is there already needs no room */
        int error;
        const struct certificate *again =
            certificate_intern(small, held[i]->der, held[i]->der_bytes, &error);

        ck_assert_ptr_eq(again, held[i]);
        certificate_drop(again);
    }
    let_all_go();
    ck_assert_uint_eq(certificate_store_counts(small).held_bytes, 0);
    ck_assert(!certificate_store_is_crowded(small));
    for (unsigned i = 0; i < 100; i++) /* and there is room for others again */
        certificate_drop(intern_into(small, pki_certificate(&(struct pki_spec){.key = leaf_key})));
    certificate_store_destroy(small);
}
END_TEST

START_TEST(large_certificates_never_take_the_room_of_usual_ones)
{
    enum { BOUND = 8 << 20 };
    struct certificate_store *small;
    size_t large;

    ck_assert_int_eq(certificate_store_create(&small, BOUND), 0);
    hold_until_refused(small, 500, 300); /* 64 KiB or so each */
    large = certificate_store_counts(small).held_bytes;
    ck_assert_uint_gt(large, BOUND / 4);
    ck_assert_uint_le(large, BOUND / 2);
    ck_assert(certificate_store_is_crowded(small)); /* before the usual ones feel it */
    for (unsigned i = 0; i < 2000; i++) {
        const struct certificate *usual = intern_or_refused(
            small,
            pki_certificate(&(struct pki_spec){.key = leaf_key, .common_name = "a.example"}));

        ck_assert_ptr_nonnull(usual);
        held[held_count++] = usual;
    }
    let_all_go();
    certificate_store_destroy(small);
}
END_TEST

/* Also when those that are held were asked for longest ago, and are many. */
START_TEST(what_nobody_holds_makes_room_wherever_it_stands)
{
    struct certificate_store *small;

    ck_assert_int_eq(certificate_store_create(&small, 16 << 20), 0);
    for (unsigned i = 0; i < 3000; i++) /* some 200 a stripe, a quarter of its room */
        held[held_count++] =
            intern_into(small, pki_certificate(&(struct pki_spec){.key = leaf_key}));
    for (unsigned i = 0; i < 1000; i++)
        certificate_drop(intern_into(small, certificate_of_many_names(200)));
    ck_assert_uint_eq(certificate_store_counts(small).refused, 0);
    ck_assert_uint_gt(certificate_store_counts(small).evicted, 300);
    let_all_go();
    certificate_store_destroy(small);
}
END_TEST

#define THREADS      4
#define THREAD_DERS  24
#define THREAD_TURNS 2000
static uint8_t *thread_ders[THREAD_DERS];
static size_t thread_sizes[THREAD_DERS];

static void *thread_interns(void *argument)
{
    struct certificate_store *shared = argument;
    const struct certificate *mine[4] = {NULL};
    uint32_t random = (uint32_t)(uintptr_t)&mine;

    for (unsigned i = 0; i < THREAD_TURNS; i++) {
        unsigned which, error_index = i % 4;
        int error;

        random = random * 1664525u + 1013904223u;
        which = (random >> 16) % THREAD_DERS;
        certificate_drop(mine[error_index]);
        mine[error_index] =
            certificate_intern(shared, thread_ders[which], thread_sizes[which], &error);
        if (mine[error_index] == NULL && error == -ENOBUFS)
            continue;
        if (mine[error_index] == NULL ||
            memcmp(mine[error_index]->der, thread_ders[which], thread_sizes[which]) != 0)
            abort();
    }
    for (unsigned i = 0; i < 4; i++)
        certificate_drop(mine[i]);
    return NULL;
}

START_TEST(threads_share_the_store_while_it_evicts)
{
    struct certificate_store *shared;
    pthread_t threads[THREADS];

    ck_assert_int_eq(certificate_store_create(&shared, 24 << 10), 0);
    for (unsigned i = 0; i < THREAD_DERS; i++) {
        X509 *x509 = pki_certificate(&(struct pki_spec){.key = leaf_key});

        thread_ders[i] = pki_der(x509, &thread_sizes[i]);
        X509_free(x509);
    }
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_interns, shared), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_gt(certificate_store_counts(shared).evicted, 0);
    ck_assert_uint_eq(certificate_store_counts(shared).held_bytes, 0);
    certificate_store_destroy(shared);
    for (unsigned i = 0; i < THREAD_DERS; i++)
        OPENSSL_free(thread_ders[i]);
}
END_TEST

/* --- facts --- */

START_TEST(the_facts_are_those_of_the_certificate)
{
    EVP_PKEY *rsa = pki_key_rsa(2048);
    X509 *root =
        pki_certificate(&(struct pki_spec){.key = root_key, .common_name = "root", .ca = true});
    X509 *x509 = pki_certificate(&(struct pki_spec){.key = rsa,
                                                    .common_name = "mx.example",
                                                    .not_before_s = 1700000000,
                                                    .not_after_s = 1900000000,
                                                    .issuer = root,
                                                    .issuer_key = root_key});
    uint8_t spki_sha256[SHA256_BYTES], *spki = NULL;
    int spki_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
    const struct certificate *leaf = intern_into(store, x509);
    const struct certificate *ca = intern_into(store, root);

    ck_assert_int_eq(leaf->not_before_s, 1700000000);
    ck_assert_int_eq(leaf->not_after_s, 1900000000);
    ck_assert_int_eq(leaf->key_type, KEY_RSA);
    ck_assert_uint_eq(leaf->key_bits, 2048);
    ck_assert(!leaf->is_ca && !leaf->self_issued && ca->is_ca && ca->self_issued);
    ck_assert_int_eq(ca->key_type, KEY_EC);
    ck_assert_uint_eq(ca->key_bits, 256);
    ck_assert_str_eq(leaf->subject, "O = mxward test, CN = mx.example");
    ck_assert_str_eq(leaf->issuer, "O = mxward test, CN = root");
    ck_assert_str_eq(leaf->signature, "ecdsa-with-SHA256");
    EVP_Digest(spki, (size_t)spki_size, spki_sha256, NULL, EVP_sha256(), NULL);
    ck_assert_mem_eq(leaf->spki_sha256, spki_sha256, SHA256_BYTES);
    certificate_drop(leaf);
    certificate_drop(ca);
    OPENSSL_free(spki);
    EVP_PKEY_free(rsa);
}
END_TEST

START_TEST(texts_for_people_are_printable_whatever_the_subject_holds_CODE_12)
{
    const struct certificate *certificate =
        intern(&(struct pki_spec){.common_name = "a\r\n250 \x1b[31mevil \xc3\xbc"});

    for (const char *c = certificate->subject; *c != '\0'; c++)
        ck_assert(*c >= 0x20 && *c < 0x7f);
    certificate_drop(certificate);
}
END_TEST

/* --- names --- */

static void san_add(GENERAL_NAMES *names, const void *bytes, int length)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *string = ASN1_IA5STRING_new();

    ck_assert_int_eq(ASN1_STRING_set(string, bytes, length), 1);
    GENERAL_NAME_set0_value(name, GEN_DNS, string);
    sk_GENERAL_NAME_push(names, name);
}

START_TEST(odd_names_are_dropped_and_others_lower_cased_NAME_05)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    const struct certificate *certificate;

    san_add(names, "MX.Example", 10);
    san_add(names, "good.example\0.evil.example", 26);
    san_add(names, "mx\xfc.example", 10);
    san_add(names, "two words.example", 17);
    san_add(names, "m*.example.org", 14);
    san_add(names, "*.*.example", 11);
    san_add(names, "*.example", 9);
    san_add(names, ".example.org", 12);
    san_add(names, "mx.example.org.", 15);
    san_add(names, "", 0);
    san_add(names, "*.Example.ORG", 13);
    san_add(names, "xn--bcher-kva.example", 21);
    certificate = intern(&(struct pki_spec){.names = names, .common_name = "cn.example"});
    ck_assert_uint_eq(certificate->name_count, 3);
    ck_assert_str_eq(certificate->names[0], "mx.example");
    ck_assert_str_eq(certificate->names[1], "*.example.org");
    ck_assert_str_eq(certificate->names[2], "xn--bcher-kva.example");
    ck_assert(certificate->has_alternative_names);
    certificate_drop(certificate);
    GENERAL_NAMES_free(names);
}
END_TEST

START_TEST(the_common_name_counts_only_without_a_dns_name_and_only_if_allowed_DANE_34)
{
    const struct certificate *plain = intern(&(struct pki_spec){.common_name = "cn.example"});
    const struct certificate *both =
        intern(&(struct pki_spec){.common_name = "cn.example", .alternative = "DNS:san.example"});
    const struct certificate *address =
        intern(&(struct pki_spec){.common_name = "cn.example", .alternative = "IP:192.0.2.1"});
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    const struct certificate *rubbish;

    san_add(names, "\xff\xfe", 2); /* a dNSName, if not a usable one */
    rubbish = intern(&(struct pki_spec){.common_name = "cn.example", .names = names});
    ck_assert(certificate_names_host(plain, "cn.example", true));
    ck_assert(!certificate_names_host(plain, "cn.example", false));
    ck_assert(!certificate_names_host(both, "cn.example", true));
    ck_assert(certificate_names_host(both, "san.example", false));
    ck_assert(certificate_names_host(address, "cn.example", true));
    ck_assert(!certificate_names_host(rubbish, "cn.example", true));
    certificate_drop(plain);
    certificate_drop(both);
    certificate_drop(address);
    certificate_drop(rubbish);
    GENERAL_NAMES_free(names);
}
END_TEST

START_TEST(names_over_the_limit_are_counted_not_forgotten)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    const struct certificate *certificate;

    for (unsigned i = 0; i < LIMIT_CERTIFICATE_NAMES + 7; i++) {
        char name[32];

        san_add(names, name, snprintf(name, sizeof name, "h%u.example", i));
    }
    certificate = intern(&(struct pki_spec){.names = names});
    ck_assert_uint_eq(certificate->name_count, LIMIT_CERTIFICATE_NAMES);
    ck_assert_uint_eq(certificate->names_dropped, 7);
    certificate_drop(certificate);
    GENERAL_NAMES_free(names);
}
END_TEST

static const char *const pattern_names[] = {
    "mx.s.test",    "*.s.test",     "MX.S.TEST",   "m*.s.test",   "*x.s.test",
    "mx.*.test",    "*.test",       "*",           "s.test",      "*.a.s.test",
    "xn--a.s.test", "*.xn--a.test", "mx_1.s.test", "*._x.test",   "a.b.s.test",
    "mx.s.test.",   ".s.test",      "192.0.2.1",   "*.mx.s.test", "mx-1.s.test"};
static const char *const host_names[] = {
    "mx.s.test",    "s.test",      "a.b.s.test", "b.a.s.test",  "test",      "xn--a.s.test",
    "b.xn--a.test", "mx_1.s.test", "b._x.test",  "mx-1.s.test", "192.0.2.1", "a.mx.s.test"};

START_TEST(names_match_as_openssl_matches_them_with_whole_wildcards_TLS_22)
{
    unsigned matches = 0;

    for (size_t p = 0; p < sizeof pattern_names / sizeof *pattern_names; p++) {
        GENERAL_NAMES *names = GENERAL_NAMES_new();
        X509 *x509;
        const struct certificate *certificate;

        san_add(names, pattern_names[p], (int)strlen(pattern_names[p]));
        x509 = pki_certificate(&(struct pki_spec){.key = leaf_key, .names = names});
        X509_up_ref(x509);
        certificate = intern_into(store, x509);
        for (size_t h = 0; h < sizeof host_names / sizeof *host_names; h++) {
            bool ours = certificate_names_host(certificate, host_names[h], false);
            bool theirs = X509_check_host(x509, host_names[h], 0,
                                          X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;

            ck_assert_msg(ours == theirs, "%s against %s: ours %d, OpenSSL %d", pattern_names[p],
                          host_names[h], ours, theirs);
            matches += ours;
        }
        certificate_drop(certificate);
        X509_free(x509);
        GENERAL_NAMES_free(names);
    }
    ck_assert_uint_gt(matches, 10);
}
END_TEST

START_TEST(a_wildcard_is_one_whole_label_DANE_34)
{
    const struct certificate *certificate =
        intern(&(struct pki_spec){.alternative = "DNS:*.s.test"});

    ck_assert(certificate_names_host(certificate, "mx.s.test", false));
    ck_assert(!certificate_names_host(certificate, "a.b.s.test", false));
    ck_assert(!certificate_names_host(certificate, "s.test", false));
    ck_assert(!certificate_names_host(certificate, ".s.test", false));
    ck_assert(!certificate_names_host(certificate, "", false));
    certificate_drop(certificate);
}
END_TEST

/* --- PKIX --- */

static char roots_path[] = "/tmp/mxward-roots-XXXXXX";

static void roots_write(X509 *root)
{
    FILE *file;
    int descriptor;

    memcpy(roots_path + sizeof roots_path - 7, "XXXXXX", 6);
    descriptor = mkstemp(roots_path);
    ck_assert_int_ge(descriptor, 0);
    file = fdopen(descriptor, "w");
    fprintf(file, "a comment\n");
    PKI_NEEDS(PEM_write_X509(file, root) == 1);
    fclose(file);
}

static X509 *root_make(void)
{
    return pki_certificate(&(struct pki_spec){.key = root_key,
                                              .common_name = "root",
                                              .ca = true,
                                              .key_usage = "critical,keyCertSign",
                                              .not_after_s = PKI_NOW_S + 10 * PKI_YEAR_S});
}

/* A store that trusts one root, and an intermediate below it. */
static X509 *pki_root, *pki_ca;

static void pkix_make(void)
{
    store_make();
    pki_root = root_make();
    pki_ca = pki_certificate(&(struct pki_spec){.key = ca_key,
                                                .common_name = "intermediate",
                                                .ca = true,
                                                .key_usage = "critical,keyCertSign",
                                                .not_after_s = PKI_NOW_S + 5 * PKI_YEAR_S,
                                                .issuer = pki_root,
                                                .issuer_key = root_key});
    roots_write(pki_root);
    ck_assert_int_eq(certificate_trust_load(store, roots_path, NULL), 0);
}

static void pkix_free(void)
{
    unlink(roots_path);
    X509_free(pki_root);
    X509_free(pki_ca);
    store_free();
}

static int pkix_of(struct pki_spec spec, bool with_ca, int64_t now_s)
{
    const struct certificate *chain[2];
    uint8_t count = 1;
    int result;

    if (spec.issuer == NULL && spec.issuer_key == NULL) {
        spec.issuer = pki_ca;
        spec.issuer_key = ca_key;
    }
    chain[0] = intern(&spec);
    if (with_ca) {
        X509_up_ref(pki_ca);
        chain[count++] = intern_into(store, pki_ca);
    }
    result = certificate_pkix(store, chain, count, now_s);
    for (unsigned i = 0; i < count; i++)
        certificate_drop(chain[i]);
    return result;
}

START_TEST(a_chain_to_a_trusted_root_verifies)
{
    ck_assert_int_eq(pkix_of((struct pki_spec){.common_name = "x"}, true, PKI_NOW_S), X509_V_OK);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(every_defect_has_its_own_code_TLS_25)
{
    EVP_PKEY *weak = pki_key_rsa(1024);
    const struct {
        struct pki_spec spec;
        bool with_ca;
        int expected;
    } rows[] = {
        {{.not_after_s = PKI_NOW_S - 1}, true, X509_V_ERR_CERT_HAS_EXPIRED},
        {{.not_before_s = PKI_NOW_S + 1}, true, X509_V_ERR_CERT_NOT_YET_VALID},
        {{.common_name = "x"}, false, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY},
        {{.issuer_key = leaf_key}, false, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT},
        {{.extended_usage = "clientAuth"}, true, X509_V_ERR_INVALID_PURPOSE},
        {{.extended_usage = "serverAuth"}, true, X509_V_OK},
        {{.key = weak}, true, X509_V_ERR_EE_KEY_TOO_SMALL},
        {{.digest = EVP_sha1()}, true, X509_V_ERR_CA_MD_TOO_WEAK},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int result = pkix_of(rows[i].spec, rows[i].with_ca, PKI_NOW_S);

        ck_assert_msg(result == rows[i].expected, "row %zu: %d (%s), expected %d", i, result,
                      certificate_pkix_text(result), rows[i].expected);
        ck_assert_uint_gt(strlen(certificate_pkix_text(result)), 0);
    }
    EVP_PKEY_free(weak);
}
END_TEST

START_TEST(an_intermediate_is_no_anchor_and_a_leaf_signs_nothing)
{
    X509 *leaf = pki_certificate(&(struct pki_spec){
        .key = leaf_key, .common_name = "leaf", .issuer = pki_ca, .issuer_key = ca_key});
    X509 *below = pki_certificate(&(struct pki_spec){
        .key = leaf_key, .common_name = "below", .issuer = leaf, .issuer_key = leaf_key});
    const struct certificate *chain[3];

    X509_up_ref(pki_ca);
    chain[0] = intern_into(store, below);
    chain[1] = intern_into(store, leaf);
    chain[2] = intern_into(store, pki_ca);
    ck_assert_int_eq(certificate_pkix(store, chain, 3, PKI_NOW_S), X509_V_ERR_INVALID_CA);
    for (unsigned i = 0; i < 3; i++)
        certificate_drop(chain[i]);
}
END_TEST

START_TEST(a_chain_is_verified_once_but_never_past_a_change_of_validity)
{
    const int64_t ends_s = PKI_NOW_S + 1000;
    const struct certificate *chain[2];
    uint64_t before;

    chain[0] = intern(&(struct pki_spec){
        .common_name = "x", .not_after_s = ends_s, .issuer = pki_ca, .issuer_key = ca_key});
    X509_up_ref(pki_ca);
    chain[1] = intern_into(store, pki_ca);
    before = certificate_store_counts(store).pkix_verified;
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(certificate_pkix(store, chain, 2, PKI_NOW_S), X509_V_OK);
    ck_assert_int_eq(certificate_pkix(store, chain, 2, ends_s - 1), X509_V_OK);
    ck_assert_uint_eq(certificate_store_counts(store).pkix_verified, before + 1);
    ck_assert_int_eq(certificate_pkix(store, chain, 2, ends_s), X509_V_ERR_CERT_HAS_EXPIRED);
    ck_assert_uint_eq(certificate_store_counts(store).pkix_verified, before + 2);
    ck_assert_int_eq(certificate_pkix(store, chain, 2, PKI_NOW_S), X509_V_OK); /* clock went back */
    ck_assert_uint_eq(certificate_store_counts(store).pkix_verified, before + 3);
    ck_assert_int_eq(certificate_trust_load(store, roots_path, NULL), 0); /* other roots, maybe */
    ck_assert_int_eq(certificate_pkix(store, chain, 2, PKI_NOW_S), X509_V_OK);
    ck_assert_uint_eq(certificate_store_counts(store).pkix_verified, before + 4);
    certificate_drop(chain[0]);
    certificate_drop(chain[1]);
}
END_TEST

START_TEST(the_expiry_of_the_root_bounds_what_is_remembered_too)
{
    X509 *root = pki_certificate(&(struct pki_spec){
        .key = root_key, .common_name = "root", .ca = true, .not_after_s = PKI_NOW_S + 50});
    const struct certificate *chain[1];

    chain[0] = intern(&(struct pki_spec){.issuer = root, .issuer_key = root_key});
    unlink(roots_path);
    roots_write(root);
    ck_assert_int_eq(certificate_trust_load(store, roots_path, NULL), 0);
    ck_assert_int_eq(certificate_pkix(store, chain, 1, PKI_NOW_S), X509_V_OK);
    ck_assert_int_eq(certificate_pkix(store, chain, 1, PKI_NOW_S + 50),
                     X509_V_ERR_CERT_HAS_EXPIRED);
    certificate_drop(chain[0]);
    X509_free(root);
}
END_TEST

START_TEST(many_chains_do_not_outgrow_the_memory_of_results)
{
    const struct certificate *chain[2];

    X509_up_ref(pki_ca);
    chain[1] = intern_into(store, pki_ca);
    for (unsigned i = 0; i < 300; i++) {
        chain[0] = intern(&(struct pki_spec){.issuer = pki_ca, .issuer_key = ca_key});
        ck_assert_int_eq(certificate_pkix(store, chain, 2, PKI_NOW_S), X509_V_OK);
        ck_assert_int_eq(certificate_pkix(store, chain, 2, PKI_NOW_S + 1), X509_V_OK);
        certificate_drop(chain[0]);
    }
    ck_assert_uint_eq(certificate_store_counts(store).pkix_verified, 300);
    certificate_drop(chain[1]);
}
END_TEST

/* --- what was signed above the leaf is remembered, and nothing else --- */

/* Interns the leaf and the authority, both taken, and verifies. `damaged`: the last byte of the DER
 * of that one, which is its signature's, is another. */
static int pkix_of_pair(X509 *leaf, X509 *authority, int damaged, int64_t now_s)
{
    X509 *const both[2] = {leaf, authority};
    const struct certificate *chain[2];
    int result, error;

    for (int i = 0; i < 2; i++) {
        size_t size;
        uint8_t *der = pki_der(both[i], &size);

        if (i == damaged)
            der[size - 1] ^= 1;
        chain[i] = certificate_intern(store, der, size, &error);
        ck_assert_ptr_nonnull(chain[i]);
        OPENSSL_free(der);
        X509_free(both[i]);
    }
    result = certificate_pkix(store, chain, 2, now_s);
    certificate_drop(chain[0]);
    certificate_drop(chain[1]);
    return result;
}

static X509 *leaf_below(X509 *issuer, EVP_PKEY *issuer_key)
{
    return pki_certificate(&(struct pki_spec){.key = leaf_key,
                                              .alternative = "DNS:a.example",
                                              .not_before_s = PKI_NOW_S - 10 * PKI_YEAR_S,
                                              .not_after_s = PKI_NOW_S + 20 * PKI_YEAR_S,
                                              .issuer = issuer,
                                              .issuer_key = issuer_key});
}

static X509 *one_more(X509 *x509)
{
    X509_up_ref(x509);
    return x509;
}

static uint64_t known_paths(void)
{
    return certificate_store_counts(store).pkix_known_paths;
}

/* Three leaves of one authority, so that the path above them is known in each that follows. */
static void know_the_path(void)
{
    uint64_t before = known_paths();

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(pkix_of_pair(leaf_below(pki_ca, ca_key), one_more(pki_ca), -1, PKI_NOW_S),
                         X509_V_OK);
    ck_assert_uint_eq(known_paths(), before + 2);
}

START_TEST(under_a_known_path_the_signature_on_the_leaf_is_checked)
{
    know_the_path();
    uint64_t before = known_paths();
    ck_assert_int_eq(pkix_of_pair(leaf_below(pki_ca, ca_key), one_more(pki_ca), 0, PKI_NOW_S),
                     X509_V_ERR_CERT_SIGNATURE_FAILURE);
    ck_assert_int_eq(pkix_of_pair(leaf_below(pki_ca, root_key), one_more(pki_ca), -1, PKI_NOW_S),
                     X509_V_ERR_CERT_SIGNATURE_FAILURE);
    ck_assert_uint_eq(known_paths(), before);
}
END_TEST

START_TEST(a_signature_above_the_leaf_that_fails_fails_each_time)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i == 2)
            know_the_path(); /* of the undamaged one */
        uint64_t before = known_paths();
        ck_assert_int_eq(pkix_of_pair(leaf_below(pki_ca, ca_key), one_more(pki_ca), 1, PKI_NOW_S),
                         X509_V_ERR_CERT_SIGNATURE_FAILURE);
        ck_assert_uint_eq(known_paths(), before);
    }
}
END_TEST

/* The authority lives from a year ago for five years, the root for ten, the leaf longer. */
START_TEST(under_a_known_path_the_dates_of_all_are_checked)
{
    static const struct {
        int64_t now_s;
        int expected;
    } rows[] = {
        {PKI_NOW_S + 5 * PKI_YEAR_S - 1, X509_V_OK},
        {PKI_NOW_S + 5 * PKI_YEAR_S, X509_V_ERR_CERT_HAS_EXPIRED},
        {PKI_NOW_S + 10 * PKI_YEAR_S, X509_V_ERR_CERT_HAS_EXPIRED},
        {PKI_NOW_S + 20 * PKI_YEAR_S, X509_V_ERR_CERT_HAS_EXPIRED},
        {PKI_NOW_S - PKI_YEAR_S, X509_V_OK},
        {PKI_NOW_S - PKI_YEAR_S - 1, X509_V_ERR_CERT_NOT_YET_VALID},
        {PKI_NOW_S, X509_V_OK},
    };

    know_the_path();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(pkix_of_pair(leaf_below(pki_ca, ca_key), one_more(pki_ca), -1,
                                   rows[i].now_s) == rows[i].expected,
                      "row %zu", i);
}
END_TEST

START_TEST(a_known_path_to_a_root_that_is_no_longer_trusted_is_none)
{
    X509 *other = pki_certificate(
        &(struct pki_spec){.key = leaf_key, .common_name = "other root", .ca = true});

    know_the_path();
    unlink(roots_path);
    roots_write(other);
    ck_assert_int_eq(certificate_trust_load(store, roots_path, NULL), 0);
    ck_assert_int_eq(pkix_of_pair(leaf_below(pki_ca, ca_key), one_more(pki_ca), -1, PKI_NOW_S),
                     X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    X509_free(other);
}
END_TEST

/* What an authority may sign is asked for each leaf: names within its constraint, or none at all.
 */
START_TEST(under_a_known_path_the_limits_of_the_authority_hold)
{
    struct pki_spec limited = {.key = ca_key,
                               .common_name = "limited",
                               .ca = true,
                               .name_constraints = "permitted;DNS:example",
                               .issuer = pki_root,
                               .issuer_key = root_key};
    X509 *authority = pki_certificate(&limited);

    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(
            pkix_of_pair(leaf_below(authority, ca_key), one_more(authority), -1, PKI_NOW_S),
            X509_V_OK);
        ck_assert_int_eq(
            pkix_of_pair(pki_certificate(&(struct pki_spec){.key = leaf_key,
                                                            .alternative = "DNS:a.elsewhere",
                                                            .issuer = authority,
                                                            .issuer_key = ca_key}),
                         one_more(authority), -1, PKI_NOW_S),
            X509_V_ERR_PERMITTED_VIOLATION);
    }
    ck_assert_uint_ge(known_paths(), 1);
    X509_free(authority);
    limited.key_usage = "critical,cRLSign";
    limited.name_constraints = NULL;
    authority = pki_certificate(&limited);
    for (unsigned i = 0; i < 2; i++) {
        int result =
            pkix_of_pair(leaf_below(authority, ca_key), one_more(authority), -1, PKI_NOW_S);

        ck_assert(result == X509_V_ERR_KEYUSAGE_NO_CERTSIGN || result == X509_V_ERR_INVALID_CA);
    }
    X509_free(authority);
}
END_TEST

/* --- keys and signatures of all kinds --- */

static EVP_PKEY *key_of(const char *algorithm, int rsa_bits, const char *group)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
    EVP_PKEY *key = NULL;

    PKI_NEEDS(context != NULL && EVP_PKEY_keygen_init(context) == 1);
    PKI_NEEDS(rsa_bits == 0 || EVP_PKEY_CTX_set_rsa_keygen_bits(context, rsa_bits) == 1);
    PKI_NEEDS(group == NULL || EVP_PKEY_CTX_set_group_name(context, group) == 1);
    PKI_NEEDS(EVP_PKEY_generate(context, &key) == 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *key_dsa(void)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    EVP_PKEY *parameters = NULL, *key = NULL;

    PKI_NEEDS(EVP_PKEY_paramgen_init(context) == 1 &&
              EVP_PKEY_CTX_set_dsa_paramgen_bits(context, 2048) == 1 &&
              EVP_PKEY_paramgen(context, &parameters) == 1);
    EVP_PKEY_CTX_free(context);
    context = EVP_PKEY_CTX_new_from_pkey(NULL, parameters, NULL);
    PKI_NEEDS(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_generate(context, &key) == 1);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(parameters);
    return key;
}

static EVP_PKEY *key_with_explicit_curve(void)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    PKI_NEEDS(context != NULL && EVP_PKEY_keygen_init(context) == 1 &&
              EVP_PKEY_CTX_set_group_name(context, "P-256") == 1 &&
              EVP_PKEY_CTX_set_ec_param_enc(context, OPENSSL_EC_EXPLICIT_CURVE) == 1 &&
              EVP_PKEY_generate(context, &key) == 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

/* What was made knows more of its keys than its bytes say. */
static X509 *read_again(X509 *made)
{
    uint8_t *der = NULL;
    int size = i2d_X509(made, &der);
    const uint8_t *at = der;
    X509 *read = d2i_X509(NULL, &at, size);

    PKI_NEEDS(read != NULL);
    OPENSSL_free(der);
    return read;
}

/* By OpenSSL's default library context, from the same bytes. */
static int whole_library_judges(X509 *made_leaf, X509 *made_authority)
{
    X509 *leaf = read_again(made_leaf), *authority = read_again(made_authority);
    X509_STORE *trusted = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    int result;

    PKI_NEEDS(X509_STORE_add_cert(trusted, pki_root) == 1 && sk_X509_push(untrusted, authority));
    PKI_NEEDS(X509_STORE_CTX_init(context, trusted, leaf, untrusted) == 1 &&
              X509_STORE_CTX_set_default(context, "ssl_server") == 1);
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(context), 2);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context), PKI_NOW_S);
    X509_verify_cert(context);
    result = X509_STORE_CTX_get_error(context);
    sk_X509_free(untrusted);
    X509_STORE_CTX_free(context);
    X509_STORE_free(trusted);
    X509_free(authority);
    X509_free(leaf);
    return result;
}

enum { KINDS = 14, SIGNING_KINDS = 10 };

static void kinds_make(EVP_PKEY *kinds[KINDS])
{
    EVP_PKEY *const made[KINDS] = {
        key_of("EC", 0, "P-256"),     key_of("EC", 0, "brainpoolP384r1"), key_of("RSA", 2048, NULL),
        key_of("RSA", 1024, NULL),    key_of("RSA-PSS", 2048, NULL),      key_dsa(),
        key_of("ED25519", 0, NULL),   key_of("ED448", 0, NULL),           key_of("SM2", 0, NULL),
        key_with_explicit_curve(),    key_of("X25519", 0, NULL),          key_of("X448", 0, NULL),
        key_of("DH", 0, "ffdhe2048"), key_of("EC", 0, "secp256k1"),
    };

    memcpy(kinds, made, sizeof made);
}

/* Not every digest goes with every key. */
static bool can_sign(EVP_PKEY *key, const EVP_MD *digest)
{
    X509 *x509 = X509_dup(pki_ca);
    bool signs = x509 != NULL && X509_sign(x509, key, digest) > 0;

    X509_free(x509);
    ERR_clear_error();
    return signs;
}

static void judged_alike(EVP_PKEY *key, EVP_PKEY *authority_key, const EVP_MD *digest)
{
    X509 *authority = pki_certificate(&(struct pki_spec){.key = authority_key,
                                                         .common_name = "authority",
                                                         .ca = true,
                                                         .issuer = pki_root,
                                                         .issuer_key = root_key});
    X509 *leaf = pki_certificate(&(struct pki_spec){
        .key = key, .issuer = authority, .issuer_key = authority_key, .digest = digest});
    const struct certificate *certificate = intern_into(store, one_more(leaf));
    int whole = whole_library_judges(leaf, authority);

    for (unsigned i = 0; i < 2; i++) { /* the second time the path is known */
        int ours = pkix_of_pair(one_more(leaf), one_more(authority), -1, PKI_NOW_S - i * 7200);

        ck_assert_msg(ours == whole, "a key of %s signed by %s with %s: %s, not %s",
                      EVP_PKEY_get0_type_name(key), EVP_PKEY_get0_type_name(authority_key),
                      digest == NULL ? "nothing" : EVP_MD_get0_name(digest),
                      certificate_pkix_text(ours), certificate_pkix_text(whole));
    }
    ck_assert_uint_eq(certificate->key_bits, (unsigned)EVP_PKEY_get_bits(key));
    certificate_drop(certificate);
    X509_free(authority);
    X509_free(leaf);
}

/* The library contexts of OpenSSL are cut down (openssl_library.c); that must not be seen. */
START_TEST(keys_and_signatures_of_all_kinds_are_judged_as_the_whole_library_does_TLS_25)
{
    static const char *const digests[] = {"MD5",    "SHA1",   "SHA224",     "SHA256",
                                          "SHA384", "SHA512", "SHA512-256", "SHA3-256"};
    EVP_PKEY *kinds[KINDS];
    unsigned judged = 0;

    kinds_make(kinds);
    for (unsigned j = 0; j < SIGNING_KINDS; j++) {
        bool no_digest = EVP_PKEY_is_a(kinds[j], "ED25519") || EVP_PKEY_is_a(kinds[j], "ED448");
        const EVP_MD *digest = no_digest ? NULL : EVP_sha256();

        for (unsigned i = 0; i < KINDS && can_sign(kinds[j], digest); i++, judged++)
            judged_alike(kinds[i], kinds[j], digest);
        for (unsigned i = 0; i < sizeof digests / sizeof *digests && !no_digest; i++) {
            digest = EVP_get_digestbyname(digests[i]);
            if (can_sign(kinds[j], digest))
                judged_alike(kinds[0], kinds[j], digest), judged++;
        }
    }
    ck_assert_uint_gt(judged, 130);
    for (unsigned i = 0; i < KINDS; i++)
        EVP_PKEY_free(kinds[i]);
}
END_TEST

/* What OpenSSL has read is kept by the store until it is verified: for that certificate only. */
START_TEST(certificates_are_not_mistaken_for_each_other_while_the_store_evicts)
{
    struct certificate_store *usual = store;

    ck_assert_int_eq(certificate_store_create(&store, 96 << 10), 0);
    ck_assert_int_eq(certificate_trust_load(store, roots_path, NULL), 0);
    for (unsigned i = 0; i < 300; i++) {
        const struct certificate *chain[2], *leaves[2];

        chain[1] = intern_into(store, one_more(pki_ca));
        for (unsigned j = 0; j < 2; j++)
            leaves[j] = intern(&(struct pki_spec){.not_after_s = PKI_NOW_S + (j == 0 ? 1000 : -1),
                                                  .issuer = pki_ca,
                                                  .issuer_key = ca_key});
        for (unsigned j = 0; j < 2; j++) {
            chain[0] = leaves[j];
            if (i % 3 != j) /* some are never asked for */
                ck_assert_int_eq(certificate_pkix(store, chain, 2, PKI_NOW_S),
                                 j == 0 ? X509_V_OK : X509_V_ERR_CERT_HAS_EXPIRED);
            certificate_drop(chain[0]);
        }
        certificate_drop(chain[1]);
    }
    ck_assert_uint_gt(certificate_store_counts(store).evicted, 100);
    certificate_store_destroy(store);
    store = usual;
}
END_TEST

static X509 *thread_leaves[THREAD_DERS];

static void *thread_verifies(void *argument)
{
    const struct certificate *ca = argument;

    for (unsigned i = 0; i < THREAD_DERS; i++) {
        const struct certificate *chain[2] = {NULL, ca};
        size_t size;
        uint8_t *der = pki_der(thread_leaves[i], &size);
        int error;

        chain[0] = certificate_intern(store, der, size, &error);
        if (chain[0] == NULL || certificate_pkix(store, chain, 2, PKI_NOW_S) != X509_V_OK)
            abort();
        certificate_drop(chain[0]);
        OPENSSL_free(der);
    }
    return NULL;
}

START_TEST(threads_verify_with_one_set_of_roots_and_intermediates)
{
    const struct certificate *ca;
    pthread_t threads[THREADS];

    X509_up_ref(pki_ca);
    ca = intern_into(store, pki_ca);
    for (unsigned i = 0; i < THREAD_DERS; i++)
        thread_leaves[i] = pki_certificate(
            &(struct pki_spec){.key = leaf_key, .issuer = pki_ca, .issuer_key = ca_key});
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_verifies, (void *)(uintptr_t)ca),
                         0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < THREAD_DERS; i++)
        X509_free(thread_leaves[i]);
    certificate_drop(ca);
}
END_TEST

START_TEST(without_roots_nothing_is_said_about_the_peer)
{
    const struct certificate *chain[1];

    ck_assert_int_eq(certificate_trust_load(store, "/nonexistent", NULL), -EINVAL);
    chain[0] = intern(&(struct pki_spec){.common_name = "x"});
    ck_assert_int_eq(certificate_pkix(store, chain, 1, PKI_NOW_S), -ENOENT);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    certificate_drop(chain[0]);
}
END_TEST

START_TEST(the_system_has_roots_and_a_directory_of_them_serves_as_well)
{
    ck_assert_int_eq(certificate_trust_load(store, NULL, NULL), 0);
    ck_assert_int_eq(certificate_trust_load(store, NULL, "/etc/ssl/certs"), 0);
    ck_assert_int_eq(certificate_trust_load(store, NULL, "/nonexistent"), -EINVAL);
}
END_TEST

/* Also beside the other, which has some: what is asked for and missing would be missed later. */
START_TEST(a_file_or_directory_without_a_root_is_refused_by_its_setting)
{
    static const char directory[] = "/etc/ssl/certs", none[] = "/dev/null";
    char why[256];

    ck_assert_int_eq(certificate_trust_judge(roots_path, directory, why, sizeof why), 0);
    ck_assert_int_eq(certificate_trust_judge(none, directory, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "probe.ca_file: no certificate can be read from /dev/null (PEM, and "
                          "readable for the daemon's user?)");
    ck_assert_int_eq(certificate_trust_judge(roots_path, "/proc/self", why, sizeof why), -EINVAL);
    ck_assert_ptr_eq(strstr(why, "probe.ca_directory: "), why);
    ck_assert_int_eq(certificate_trust_load(store, roots_path, none), -EINVAL);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("certificate");
    TCase *plain = tcase_create("store and names"), *pkix = tcase_create("pkix");
    SRunner *runner;
    int failed;

    keys_make();
    tcase_add_checked_fixture(plain, store_make, store_free);
    tcase_add_test(plain, the_same_der_is_parsed_once_and_kept_once);
    tcase_add_test(plain, what_is_no_certificate_is_a_finding_and_not_our_error);
    tcase_add_test(plain, any_damaged_byte_is_either_refused_or_another_certificate);
    tcase_add_test(plain, a_full_store_lets_go_of_what_nobody_holds_and_keeps_the_rest);
    tcase_add_test(plain, all_that_are_alive_stay_within_the_bound_and_more_are_refused);
    tcase_add_test(plain, large_certificates_never_take_the_room_of_usual_ones);
    tcase_add_test(plain, what_nobody_holds_makes_room_wherever_it_stands);
    tcase_add_test(plain, threads_share_the_store_while_it_evicts);
    tcase_add_test(plain, the_facts_are_those_of_the_certificate);
    tcase_add_test(plain, texts_for_people_are_printable_whatever_the_subject_holds_CODE_12);
    tcase_add_test(plain, odd_names_are_dropped_and_others_lower_cased_NAME_05);
    tcase_add_test(plain,
                   the_common_name_counts_only_without_a_dns_name_and_only_if_allowed_DANE_34);
    tcase_add_test(plain, names_over_the_limit_are_counted_not_forgotten);
    tcase_add_test(plain, names_match_as_openssl_matches_them_with_whole_wildcards_TLS_22);
    tcase_add_test(plain, a_wildcard_is_one_whole_label_DANE_34);
    tcase_add_test(plain, without_roots_nothing_is_said_about_the_peer);
    tcase_add_test(plain, the_system_has_roots_and_a_directory_of_them_serves_as_well);
    tcase_add_test(pkix, a_file_or_directory_without_a_root_is_refused_by_its_setting);
    tcase_set_timeout(plain, 60);
    tcase_add_checked_fixture(pkix, pkix_make, pkix_free);
    tcase_add_test(pkix, a_chain_to_a_trusted_root_verifies);
    tcase_add_test(pkix, every_defect_has_its_own_code_TLS_25);
    tcase_add_test(pkix, an_intermediate_is_no_anchor_and_a_leaf_signs_nothing);
    tcase_add_test(pkix, a_chain_is_verified_once_but_never_past_a_change_of_validity);
    tcase_add_test(pkix, the_expiry_of_the_root_bounds_what_is_remembered_too);
    tcase_add_test(pkix, many_chains_do_not_outgrow_the_memory_of_results);
    tcase_add_test(pkix, under_a_known_path_the_signature_on_the_leaf_is_checked);
    tcase_add_test(pkix, a_signature_above_the_leaf_that_fails_fails_each_time);
    tcase_add_test(pkix, under_a_known_path_the_dates_of_all_are_checked);
    tcase_add_test(pkix, a_known_path_to_a_root_that_is_no_longer_trusted_is_none);
    tcase_add_test(pkix, under_a_known_path_the_limits_of_the_authority_hold);
    tcase_add_test(pkix,
                   keys_and_signatures_of_all_kinds_are_judged_as_the_whole_library_does_TLS_25);
    tcase_add_test(pkix, certificates_are_not_mistaken_for_each_other_while_the_store_evicts);
    tcase_add_test(pkix, threads_verify_with_one_set_of_roots_and_intermediates);
    tcase_set_timeout(pkix, 60);
    suite_add_tcase(suite, plain);
    suite_add_tcase(suite, pkix);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    keys_free();
    return failed == 0 ? 0 : 1;
}
