/*
 * tls_test.c - the TLS client of probe/tls.c against OpenSSL as a server, in memory, in one thread.
 *
 * TLS-08, TLS-10, TLS-14..17, TLS-24, DANE-35, DANE-36 and the bounds of memory.
 */
#include "engine/probe/tls.h"

#include "engine/base/limits.h"
#include "engine/probe/tls_hello.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <check.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a server --- */

struct server {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    char asked_name[256]; /* SNI as it arrived */
};

/* By kind: keys are slow to make, so each is made once a process. */
enum key_kind { P256, RSA2048, RSA1024, ED, PSS, KEY_KINDS };

static EVP_PKEY *make_pss_key(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    EVP_PKEY_keygen_init(make);
    EVP_PKEY_CTX_set_rsa_keygen_bits(make, 2048);
    EVP_PKEY_generate(make, &key);
    EVP_PKEY_CTX_free(make);
    return key;
}

static EVP_PKEY *make_key(enum key_kind kind)
{
    switch (kind) {
    case P256:
        return EVP_EC_gen("P-256");
    case RSA2048:
        return EVP_RSA_gen(2048);
    case RSA1024:
        return EVP_RSA_gen(1024);
    case ED:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case PSS:
        return make_pss_key();
    case KEY_KINDS:
        break;
    }
    return NULL;
}

static EVP_PKEY *key_of(enum key_kind kind)
{
    static EVP_PKEY *keys[KEY_KINDS];

    if (keys[kind] == NULL)
        keys[kind] = make_key(kind);
    ck_assert_ptr_nonnull(keys[kind]);
    return keys[kind];
}

/* A certificate of `key` named mx.example, self-signed, `padding` bytes of comment in it. */
static X509 *make_certificate(EVP_PKEY *key, unsigned number, size_t padding)
{
    X509 *x509 = X509_new();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), (long)number + 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)"mx.example", -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_set_pubkey(x509, key);
    if (padding > 0) {
        char *text = malloc(padding + 1);
        memset(text, 'p', padding);
        text[padding] = '\0';
        X509_EXTENSION *comment = X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, text);
        ck_assert_ptr_nonnull(comment);
        X509_add_ext(x509, comment, -1);
        X509_EXTENSION_free(comment);
        free(text);
    }
    bool own_digest = EVP_PKEY_is_a(key, "ED25519");
    ck_assert_int_gt(X509_sign(x509, key, own_digest ? NULL : EVP_sha256()), 0);
    return x509;
}

static int name_asked(SSL *ssl, int *alert, void *argument)
{
    struct server *server = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    snprintf(server->asked_name, sizeof server->asked_name, "%s", name == NULL ? "" : name);
    return SSL_TLSEXT_ERR_OK;
}

static struct server *server_new(enum key_kind kind)
{
    struct server *server = calloc(1, sizeof *server);
    server->ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(server->ctx, 0);
    SSL_CTX_set_min_proto_version(server->ctx, TLS1_VERSION);
    SSL_CTX_set_tlsext_servername_callback(server->ctx, name_asked);
    SSL_CTX_set_tlsext_servername_arg(server->ctx, server);
    X509 *x509 = make_certificate(key_of(kind), 0, 0);
    ck_assert_int_eq(SSL_CTX_use_certificate(server->ctx, x509), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(server->ctx, key_of(kind)), 1);
    X509_free(x509);
    return server;
}

static void server_begin(struct server *server)
{
    SSL_free(server->ssl);
    server->ssl = SSL_new(server->ctx);
    server->in = BIO_new(BIO_s_mem());
    server->out = BIO_new(BIO_s_mem());
    SSL_set_bio(server->ssl, server->in, server->out);
    SSL_set_accept_state(server->ssl);
}

static void server_free(struct server *server)
{
    SSL_free(server->ssl);
    SSL_CTX_free(server->ctx);
    free(server);
}

static void add_chain(struct server *server, unsigned count, size_t padding)
{
    for (unsigned i = 1; i <= count; i++)
        ck_assert_int_eq(
            SSL_CTX_add0_chain_cert(server->ctx, make_certificate(key_of(P256), i, padding)), 1);
}

/* --- the client --- */

static struct tls_context *context;
static const struct name mx = {.length = 10, .text = "mx.example"};

static void context_open(void)
{
    char why[128] = "";
    ck_assert_msg(tls_context_create(&context, false, why, sizeof why) == 0, "%s", why);
}

static void context_close(void)
{
    tls_context_destroy(context);
}

/* Client to server: everything that waits, in pieces of at most `piece`. */
static void carry_out(struct tls *tls, struct server *server, size_t piece)
{
    size_t size = 0;
    const uint8_t *out;
    while ((out = tls_out(tls, &size)) != NULL) {
        size_t give = size < piece ? size : piece;
        ck_assert_int_eq(BIO_write(server->in, out, (int)give), (int)give);
        tls_sent(tls, give);
    }
}

/* Server to client; returns how many bytes. */
static size_t carry_in(struct tls *tls, struct server *server, size_t piece, int *error)
{
    uint8_t bytes[16384];
    size_t total = 0;
    int got;
    *error = 0;
    while (*error == 0 && (got = BIO_read(server->out, bytes, (int)piece)) > 0) {
        *error = tls_take(tls, bytes, (size_t)got);
        total += (size_t)got;
    }
    return total;
}

static enum tls_status shake_in_pieces(struct tls *tls, struct server *server, size_t piece)
{
    enum tls_status status = tls_handshake(tls);
    for (int turns = 0; turns < 40000 && status == TLS_WAIT; turns++) {
        uint8_t bytes[16384];
        carry_out(tls, server, piece);
        ERR_clear_error();
        SSL_do_handshake(server->ssl);
        int got = BIO_read(server->out, bytes, (int)piece);
        if (got <= 0)
            break;
        if (tls_take(tls, bytes, (size_t)got) != 0)
            return TLS_BROKEN;
        status = tls_handshake(tls);
    }
    carry_out(tls, server, piece);
    ERR_clear_error();
    SSL_do_handshake(server->ssl);
    return status;
}

static struct tls *meet(struct server *server, enum tls_status expected)
{
    server_begin(server);
    struct tls *tls = tls_open(context, &mx);
    ck_assert_ptr_nonnull(tls);
    enum tls_status status = shake_in_pieces(tls, server, 16384);
    ck_assert_msg(status == expected, "status %d, %s", status, tls_facts(tls)->why);
    return tls;
}

static struct tls_facts meet_and_leave(struct server *server, enum tls_status expected)
{
    struct tls *tls = meet(server, expected);
    struct tls_facts facts = *tls_facts(tls);
    tls_close(tls);
    return facts;
}

/* --- versions and ciphers --- */

START_TEST(tls_13_and_12_are_enough_TLS_14)
{
    struct server *server = server_new(P256);
    struct tls_facts facts = meet_and_leave(server, TLS_DONE);
    ck_assert_uint_eq(facts.version, 0x0304);
    ck_assert_str_eq(facts.cipher, "TLS_AES_256_GCM_SHA384");
    ck_assert_str_eq(facts.group, "x25519");
    ck_assert_str_eq(facts.signature, "ECDSA-SHA256");
    ck_assert_int_eq(facts.failure, TLS_FAILURE_NONE);

    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    facts = meet_and_leave(server, TLS_DONE);
    ck_assert_uint_eq(facts.version, 0x0303);
    ck_assert_str_eq(facts.cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
    ck_assert_str_eq(facts.group, "x25519");
    server_free(server);
}
END_TEST

/* Asks as tls_hello.h does; the server answers for real. */
static struct tls_hello ask(struct server *server, enum tls_answer expected)
{
    static const uint8_t random[32] = "not secret, and need not be good";
    uint8_t out[TLS_HELLO_MAX], bytes[4096];
    struct tls_hello hello = {0};
    server_begin(server);
    size_t size = tls_hello_write(out, &mx, random);
    ck_assert_int_eq(BIO_write(server->in, out, (int)size), (int)size);
    ERR_clear_error();
    SSL_do_handshake(server->ssl);
    int got = BIO_read(server->out, bytes, sizeof bytes);
    ck_assert_int_gt(got, 0);
    ck_assert_int_eq(tls_hello_read(&hello, bytes, (size_t)got), expected);
    return hello;
}

/* --- what is offered --- */

struct offer {
    unsigned char suites[256], groups[64], signatures[128];
    size_t suites_size, groups_size, signatures_size;
};

static void copy_extension(SSL *ssl, unsigned type, unsigned char *out, size_t *size)
{
    const unsigned char *bytes;
    ck_assert_int_eq(SSL_client_hello_get0_ext(ssl, type, &bytes, size), 1);
    ck_assert_uint_le(*size, 64);
    memcpy(out, bytes, *size);
}

static int hello_seen(SSL *ssl, int *alert, void *argument)
{
    struct offer *offer = argument;
    const unsigned char *suites;
    (void)alert;
    offer->suites_size = SSL_client_hello_get0_ciphers(ssl, &suites);
    ck_assert_uint_le(offer->suites_size, sizeof offer->suites);
    memcpy(offer->suites, suites, offer->suites_size);
    copy_extension(ssl, TLSEXT_TYPE_supported_groups, offer->groups, &offer->groups_size);
    copy_extension(ssl, TLSEXT_TYPE_signature_algorithms, offer->signatures,
                   &offer->signatures_size);
    return SSL_CLIENT_HELLO_SUCCESS;
}

static bool offers(const unsigned char *list, size_t size, unsigned number)
{
    for (size_t i = 0; i + 1 < size; i += 2) {
        if (((unsigned)list[i] << 8 | list[i + 1]) == number)
            return true;
    }
    return false;
}

static void offer_of_default_library(struct server *server, struct offer *offer)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_client_hello_cb(server->ctx, hello_seen, offer);
    server_begin(server);
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    uint8_t bytes[4096];
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    int size = BIO_read(out, bytes, sizeof bytes);
    ck_assert_int_eq(BIO_write(server->in, bytes, size), size);
    SSL_do_handshake(server->ssl);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

/* The library context is cut down (certificate/openssl_library.c); that must not be seen from
 * outside. */
START_TEST(what_is_offered_is_what_the_whole_library_offers_but_for_what_is_weak_TLS_15_PIT_02)
{
    static const unsigned suites[] = {0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0xc02b, 0xc02f,
                                      0xcca9, 0xcca8, 0x009f, 0x009e, 0xccaa, 0xc024, 0xc028,
                                      0xc023, 0xc027, 0xc00a, 0xc014, 0xc009, 0xc013, 0x006b,
                                      0x0067, 0x0039, 0x0033, 0x00ff};
    struct offer ours = {0}, whole = {0};
    struct server *server = server_new(RSA2048);
    SSL_CTX_set_client_hello_cb(server->ctx, hello_seen, &ours);
    meet_and_leave(server, TLS_DONE);
    ck_assert_uint_eq(ours.suites_size, sizeof suites / sizeof *suites * 2);
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        ck_assert_msg(offers(ours.suites, ours.suites_size, suites[i]), "%04x is missing",
                      suites[i]);
    offer_of_default_library(server, &whole);
    ck_assert_uint_eq(ours.groups_size, whole.groups_size);
    ck_assert_mem_eq(ours.groups, whole.groups, ours.groups_size);
    /* DSA keys are not in a mail host's certificate, nor in our library. */
    static const unsigned dsa[] = {0x0402, 0x0502, 0x0602, 0x0302};
    for (size_t i = 2; i + 1 < whole.signatures_size; i += 2) {
        unsigned signature = (unsigned)whole.signatures[i] << 8 | whole.signatures[i + 1];
        bool is_dsa = false;
        for (size_t j = 0; j < 4; j++)
            is_dsa |= signature == dsa[j];
        ck_assert_msg(is_dsa != offers(ours.signatures, ours.signatures_size, signature), "%04x",
                      signature);
    }
    server_free(server);
}
END_TEST

START_TEST(older_versions_are_never_completed_but_named_TLS_14)
{
    static const int old[] = {TLS1_VERSION, TLS1_1_VERSION};
    for (size_t i = 0; i < 2; i++) {
        struct server *server = server_new(RSA2048);
        SSL_CTX_set_cipher_list(server->ctx, "ALL:@SECLEVEL=0");
        SSL_CTX_set_max_proto_version(server->ctx, old[i]);
        struct tls_facts facts = meet_and_leave(server, TLS_BROKEN);
        /* This server knows TLS 1.3's way of offering versions, so it says why; see below for one
         * that just answers. */
        ck_assert_int_eq(facts.failure, TLS_FAILURE_ALERT);
        ck_assert_uint_eq(facts.alert, SSL_AD_PROTOCOL_VERSION);
        ck_assert_uint_eq(facts.version, 0);

        struct tls_hello hello = ask(server, TLS_ANSWER_HELLO);
        ck_assert_uint_eq(hello.version, (unsigned)old[i]);
        ck_assert_str_eq(tls_suite_name(hello.suite), "ECDHE-RSA-AES256-SHA");
        ck_assert(!tls_suite_is_weak(hello.suite)); /* the version is */
        ck_assert_str_eq(server->asked_name, "mx.example");
        server_free(server);
    }
}
END_TEST

START_TEST(no_key_exchange_without_forward_secrecy_unless_configured_TLS_15)
{
    struct server *server = server_new(RSA2048);
    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(server->ctx, "AES256-GCM-SHA384");
    struct tls_facts facts = meet_and_leave(server, TLS_BROKEN);
    ck_assert_int_eq(facts.failure, TLS_FAILURE_ALERT);
    ck_assert_uint_eq(facts.alert, SSL_AD_HANDSHAKE_FAILURE);

    struct tls_hello hello = ask(server, TLS_ANSWER_HELLO);
    ck_assert_uint_eq(hello.version, 0x0303);
    ck_assert(tls_suite_is_weak(hello.suite));
    ck_assert_str_eq(tls_suite_name(hello.suite), "AES256-GCM-SHA384");

    struct tls_context *strict = context;
    char why[128];
    ck_assert_int_eq(tls_context_create(&context, true, why, sizeof why), 0);
    facts = meet_and_leave(server, TLS_DONE);
    ck_assert_str_eq(facts.group, "");
    ck_assert_str_eq(facts.signature, "");
    tls_context_destroy(context);
    context = strict;
    server_free(server);
}
END_TEST

/* 1024 bits, as old hosts have it; the library can be a server with no less. */
static EVP_PKEY *oakley_group_2(void)
{
    EVP_PKEY *key = NULL;
    BIGNUM *p = BN_get_rfc2409_prime_1024(NULL), *g = BN_new();
    BN_set_word(g, 2);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_P, p);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_G, g);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    ck_assert_int_eq(EVP_PKEY_fromdata_init(make), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(make, &key, EVP_PKEY_KEY_PARAMETERS, parameters), 1);
    EVP_PKEY_CTX_free(make);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    BN_free(p);
    BN_free(g);
    return key;
}

START_TEST(small_dh_and_sha1_signatures_are_below_the_floor_TLS_15)
{
    struct server *server = server_new(RSA2048);
    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(server->ctx, "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0");
    ck_assert_int_eq(SSL_CTX_set0_tmp_dh_pkey(server->ctx, oakley_group_2()), 1);
    struct tls_facts facts = meet_and_leave(server, TLS_BROKEN);
    ck_assert_int_eq(facts.failure, TLS_FAILURE_BELOW);
    ck_assert_str_eq(facts.why, "dh key too small");
    ck_assert_uint_eq(facts.chosen, 0x0303);
    ck_assert_str_eq(facts.chosen_name, "DHE-RSA-AES128-GCM-SHA256");
    server_free(server);

    server = server_new(RSA2048);
    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    SSL_CTX_set1_sigalgs_list(server->ctx, "RSA+SHA1");
    facts = meet_and_leave(server, TLS_BROKEN);
    ck_assert(facts.failure == TLS_FAILURE_ALERT || facts.failure == TLS_FAILURE_BELOW);
    /* 2048 bits are enough. */
    server_free(server);
    server = server_new(RSA2048);
    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(server->ctx, "DHE-RSA-AES128-GCM-SHA256");
    SSL_CTX_set_dh_auto(server->ctx, 1);
    facts = meet_and_leave(server, TLS_DONE);
    ck_assert_str_eq(facts.group, "DH 2048");
    server_free(server);
}
END_TEST

/* A prime that nobody knows: any odd number will do. */
static EVP_PKEY *group_of_its_own(int bits)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *p = BN_new(), *g = BN_new();
    BN_rand(p, bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
    BN_set_word(g, 2);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_P, p);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_G, g);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
    ck_assert_int_eq(EVP_PKEY_fromdata_init(make), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(make, &key, EVP_PKEY_KEY_PARAMETERS, parameters), 1);
    EVP_PKEY_CTX_free(make);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    BN_free(p);
    BN_free(g);
    return key;
}

static EVP_PKEY *known_group(const char *name)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)name, 0),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    EVP_PKEY *key = NULL;
    ck_assert_int_eq(EVP_PKEY_fromdata_init(make), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(make, &key, EVP_PKEY_KEY_PARAMETERS, parameters), 1);
    EVP_PKEY_CTX_free(make);
    return key;
}

static struct tls_facts met_with_group(EVP_PKEY *group, enum tls_status expected)
{
    struct server *server = server_new(RSA2048);
    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(server->ctx, "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0");
    ck_assert_int_eq(SSL_CTX_set0_tmp_dh_pkey(server->ctx, group), 1);
    struct tls_facts facts = meet_and_leave(server, expected);
    server_free(server);
    return facts;
}

START_TEST(a_group_that_costs_a_second_is_not_computed_with)
{
    struct tls_facts facts = met_with_group(group_of_its_own(LIMIT_DH_BITS + 8), TLS_BROKEN);
    ck_assert_int_eq(facts.failure, TLS_FAILURE_COSTLY);
    ck_assert_str_eq(facts.why, "a Diffie-Hellman prime of its own, of 4104 bits");
    facts = met_with_group(group_of_its_own(3072), TLS_DONE);
    ck_assert_str_eq(facts.group, "DH 3072");
    /* Well known, and gone about with a short exponent; but checked with one of full length. */
    static const char *const fine[] = {"ffdhe6144", "modp_6144"};
    static const char *const costly[] = {"ffdhe8192", "modp_8192"};
    for (size_t i = 0; i < 2; i++) {
        facts = met_with_group(known_group(fine[i]), TLS_DONE);
        ck_assert_int_eq(facts.failure, TLS_FAILURE_NONE);
        facts = met_with_group(known_group(costly[i]), TLS_BROKEN);
        ck_assert_int_eq(facts.failure, TLS_FAILURE_COSTLY);
        ck_assert_str_eq(facts.why, "a Diffie-Hellman prime of 8192 bits");
    }
}
END_TEST

START_TEST(anonymous_and_null_suites_are_not_offered_DANE_36)
{
    static const char *const suites[] = {"ADH-AES256-GCM-SHA384:@SECLEVEL=0",
                                         "NULL-SHA256:@SECLEVEL=0"};
    static const char *const names[] = {"ADH-AES256-GCM-SHA384", "NULL-SHA256"};
    for (size_t i = 0; i < 2; i++) {
        struct server *server = server_new(RSA2048);
        SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
        ck_assert_int_eq(SSL_CTX_set_cipher_list(server->ctx, suites[i]), 1);
        SSL_CTX_set_dh_auto(server->ctx, 1);
        struct tls_facts facts = meet_and_leave(server, TLS_BROKEN);
        ck_assert_int_eq(facts.failure, TLS_FAILURE_ALERT);
        struct tls_hello hello = ask(server, TLS_ANSWER_HELLO);
        ck_assert(tls_suite_is_weak(hello.suite));
        ck_assert_str_eq(tls_suite_name(hello.suite), names[i]);
        server_free(server);
    }
}
END_TEST

START_TEST(every_kind_of_key_authenticates_the_handshake)
{
    static const char *const signatures[KEY_KINDS] = {
        [P256] = "ECDSA-SHA256", [RSA2048] = "RSA-PSS-SHA256", [ED] = "Ed25519"};
    for (int kind = 0; kind < KEY_KINDS; kind++) {
        if (signatures[kind] == NULL)
            continue;
        struct server *server = server_new((enum key_kind)kind);
        struct tls_facts facts = meet_and_leave(server, TLS_DONE);
        ck_assert_str_eq(facts.signature, signatures[kind]);
        SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
        facts = meet_and_leave(server, TLS_DONE);
        ck_assert_uint_eq(facts.version, 0x0303);
        server_free(server);
    }
    struct server *server = server_new(PSS);
    struct tls_facts facts = meet_and_leave(server, TLS_DONE);
    ck_assert_str_eq(facts.signature, "RSA-PSS-SHA256");
    server_free(server);
    /* Whether a short key is good enough is for policy, who sees its length; TLS is done. */
    server = server_new(RSA1024);
    meet_and_leave(server, TLS_DONE);
    server_free(server);
}
END_TEST

/* A peer whose certificate is not of the key it signs with must not pass (the point of it all). */
START_TEST(a_forged_signature_breaks_the_handshake)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (int kind = P256; kind <= RSA2048; kind++) {
            struct server *server = server_new((enum key_kind)kind);
            SSL_CTX_set_max_proto_version(server->ctx, version);
            EVP_PKEY *other = make_key((enum key_kind)kind);
            /* The library refuses a key that does not fit its certificate, so the certificate is
             * exchanged under it: same memory, another public key. */
            X509 *x509 = SSL_CTX_get0_certificate(server->ctx);
            X509_set_pubkey(x509, other);
            X509_sign(x509, other, EVP_sha256());
            struct tls_facts facts = meet_and_leave(server, TLS_BROKEN);
            ck_assert_int_eq(facts.failure, TLS_FAILURE_GARBLED);
            EVP_PKEY_free(other);
            server_free(server);
        }
    }
}
END_TEST

/* --- names --- */

START_TEST(the_server_name_is_sent_and_an_empty_one_is_not_TLS_17_DANE_35)
{
    struct server *server = server_new(P256);
    tls_close(meet(server, TLS_DONE));
    ck_assert_str_eq(server->asked_name, "mx.example");

    server_begin(server);
    struct name none = {.length = 0};
    struct tls *tls = tls_open(context, &none);
    ck_assert_int_eq(shake_in_pieces(tls, server, 16384), TLS_DONE);
    ck_assert_str_eq(server->asked_name, "");
    tls_close(tls);
    server_free(server);
}
END_TEST

/* RFC 7685 section 1: hosts are known that hang at a record of 256 to 511 bytes, and mail programs
 * pad theirs. Whoever breaks at a long one is to be seen as they see it: 512 bytes, no more. */
START_TEST(the_hello_has_a_size_that_mail_programs_send_too)
{
    struct name name = {.length = 0};
    for (unsigned length = 0; length <= NAME_BYTES_MAX; length++) {
        memset(name.text, 'a', length);
        name.length = (uint8_t)length;
        struct tls *tls = tls_open(context, &name);
        size_t size = 0;
        ck_assert_int_eq(tls_handshake(tls), TLS_WAIT);
        const uint8_t *out = tls_out(tls, &size);
        size_t record = (size_t)(out[3] << 8 | out[4]);
        ck_assert_uint_eq(size, 5 + record);
        ck_assert_msg(record < 256 || record == 512 || (record > 512 && length > 200),
                      "%zu bytes with a name of %u", record, length);
        tls_close(tls);
    }
}
END_TEST

static int name_unknown(SSL *ssl, int *alert, void *argument)
{
    (void)ssl, (void)argument;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_WARNING;
}

START_TEST(a_warning_about_the_name_is_no_failure)
{
    struct server *server = server_new(P256);
    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    SSL_CTX_set_tlsext_servername_callback(server->ctx, name_unknown);
    struct tls_facts facts = meet_and_leave(server, TLS_DONE);
    ck_assert_uint_eq(facts.alert, 0);
    server_free(server);
}
END_TEST

static int name_refused(SSL *ssl, int *alert, void *argument)
{
    (void)ssl, (void)argument;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

START_TEST(a_fatal_alert_is_named_RPT_11)
{
    struct server *server = server_new(P256);
    SSL_CTX_set_tlsext_servername_callback(server->ctx, name_refused);
    struct tls_facts facts = meet_and_leave(server, TLS_BROKEN);
    ck_assert_int_eq(facts.failure, TLS_FAILURE_ALERT);
    ck_assert_uint_eq(facts.alert, SSL_AD_UNRECOGNIZED_NAME);
    ck_assert_str_eq(facts.why, "unrecognized name");
    server_free(server);
}
END_TEST

/* --- what is not TLS --- */

static struct tls_facts answered_with(const void *bytes, size_t size)
{
    struct tls *tls = tls_open(context, &mx);
    size_t out = 0;
    ck_assert_int_eq(tls_handshake(tls), TLS_WAIT);
    ck_assert_ptr_nonnull(tls_out(tls, &out));
    tls_sent(tls, out);
    ck_assert_int_eq(tls_take(tls, bytes, size), 0);
    ck_assert_int_eq(tls_handshake(tls), TLS_BROKEN);
    struct tls_facts facts = *tls_facts(tls);
    tls_close(tls);
    return facts;
}

START_TEST(clear_text_instead_of_a_record_is_told_from_garbage)
{
    struct tls_facts facts = answered_with("454 TLS not available\r\n", 23);
    ck_assert_int_eq(facts.failure, TLS_FAILURE_PLAINTEXT);
    ck_assert_str_eq(facts.why, "454 TLS not available");
    ck_assert_int_eq(answered_with("4", 1).failure, TLS_FAILURE_PLAINTEXT);
    ck_assert_int_eq(answered_with("\r\n", 2).failure, TLS_FAILURE_PLAINTEXT);
    ck_assert_int_eq(answered_with("\x80\x2e\x01\x03", 4).failure, TLS_FAILURE_GARBLED);
    ck_assert_int_eq(answered_with("\x00", 1).failure, TLS_FAILURE_GARBLED);
    ck_assert_int_eq(answered_with("\x16\x02xxxxx", 7).failure, TLS_FAILURE_GARBLED);
    ck_assert_int_eq(answered_with("\x16\x03\x03\xff\xff", 5).failure, TLS_FAILURE_GARBLED);
    ck_assert_int_eq(answered_with("\x17\x03\x03\x00\x01x", 6).failure, TLS_FAILURE_GARBLED);
    ck_assert_uint_eq(answered_with("\x15\x03\x01\x00\x02\x02\x28", 7).alert, 40);
}
END_TEST

/* A ServerHello by hand, as of a peer that has never heard of TLS 1.3's way of offering versions,
 * with a suite that this library does not have (RSA with RC4 and SHA). */
START_TEST(a_peer_that_answers_with_an_old_version_is_named_TLS_14)
{
    static const char *const names[] = {"SSLv3", "TLSv1", "TLSv1.1"};
    for (uint8_t minor = 0; minor < 3; minor++) {
        uint8_t hello[5 + 4 + 38] = {0x16, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor};
        hello[5 + 4 + 2 + 32 + 2] = 0x05;
        struct tls_facts facts = answered_with(hello, sizeof hello);
        ck_assert_int_eq(facts.failure, TLS_FAILURE_BELOW);
        ck_assert_uint_eq(facts.chosen, 0x0300u + minor);
        ck_assert_str_eq(facts.why, names[minor]);
        ck_assert_uint_eq(facts.chosen_suite, 0x0005);
        ck_assert_str_eq(facts.chosen_name, "RC4-SHA");
    }
}
END_TEST

/* Whole, and byte by byte. */
static struct tls_hello read_answer(const uint8_t *bytes, size_t size, enum tls_answer expected)
{
    struct tls_hello whole = {0}, cut = {0};
    enum tls_answer answer = TLS_ANSWER_MORE;
    ck_assert_int_eq(tls_hello_read(&whole, bytes, size), expected);
    for (size_t i = 0; i < size && answer == TLS_ANSWER_MORE; i++)
        answer = tls_hello_read(&cut, bytes + i, 1);
    ck_assert_int_eq(answer, expected);
    ck_assert_uint_eq(cut.version, whole.version);
    ck_assert_uint_eq(cut.suite, whole.suite);
    ck_assert_uint_eq(cut.alert, whole.alert);
    return whole;
}

START_TEST(an_answer_to_the_old_hello_is_read_or_refused_at_any_cut)
{
    uint8_t hello[7 + 5 + 4 + 2 + 32 + 1 + 32 + 2 + 1] = {0x15, 3, 0, 0, 2,  1, 112, /* a warning */
                                                          0x16, 3, 0, 0, 74, 2, 0,   0, 70, 3, 0};
    size_t at_session = 7 + 5 + 4 + 2 + 32;
    hello[at_session] = 32;
    hello[at_session + 33] = 0x00;
    hello[at_session + 34] = 0x03;
    struct tls_hello read = read_answer(hello, sizeof hello, TLS_ANSWER_HELLO);
    ck_assert_uint_eq(read.version, 0x0300);
    ck_assert_str_eq(tls_suite_name(read.suite), "EXP-RC4-MD5");
    read_answer(hello, at_session + 34, TLS_ANSWER_MORE);
    hello[at_session] = 33;
    read_answer(hello, sizeof hello, TLS_ANSWER_OTHER);

    read = read_answer((const uint8_t *)"\x15\x03\x01\x00\x02\x02\x28", 7, TLS_ANSWER_REFUSED);
    ck_assert_uint_eq(read.alert, 40);
    read_answer((const uint8_t *)"\x15\x03\x01\x00\x02\x01\x00", 7, TLS_ANSWER_REFUSED);
    read_answer((const uint8_t *)"220 hm", 6, TLS_ANSWER_OTHER);
    read_answer((const uint8_t *)"\x16\x02", 2, TLS_ANSWER_OTHER);
    read_answer((const uint8_t *)"\x16\x03\x01\x00\x05\x0b", 6, TLS_ANSWER_OTHER);
    read_answer((const uint8_t *)"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x07", 10, TLS_ANSWER_OTHER);
}
END_TEST

START_TEST(the_longest_name_fits_the_old_hello)
{
    struct name longest = {.length = NAME_BYTES_MAX};
    uint8_t out[TLS_HELLO_MAX];
    static const uint8_t random[32] = {0};
    memset(longest.text, 'a', NAME_BYTES_MAX);
    ck_assert_uint_le(tls_hello_write(out, &longest, random), TLS_HELLO_MAX);
    longest.length = 0;
    ck_assert_uint_gt(tls_hello_write(out, &longest, random), 100);
}
END_TEST

START_TEST(handshake_bytes_are_bounded)
{
    /* Warnings for ever are legal TLS 1.2 and cost a naive client nothing but time. */
    struct tls *tls = tls_open(context, &mx);
    uint8_t warnings[7 * 100];
    size_t total = 0;
    int error = 0;
    for (size_t i = 0; i < sizeof warnings; i += 7)
        memcpy(warnings + i, "\x15\x03\x03\x00\x02\x01\x5a", 7);
    ck_assert_int_eq(tls_handshake(tls), TLS_WAIT);
    while (error == 0 && total < 2u * LIMIT_HANDSHAKE_BYTES) {
        error = tls_take(tls, warnings, sizeof warnings);
        total += sizeof warnings;
    }
    ck_assert_int_eq(error, -EMSGSIZE);
    ck_assert_uint_le(total, LIMIT_HANDSHAKE_BYTES + sizeof warnings);
    ck_assert_int_eq(tls_handshake(tls), TLS_BROKEN);
    ck_assert_int_eq(tls_facts(tls)->failure, TLS_FAILURE_TOO_LARGE);
    tls_close(tls);
}
END_TEST

/* --- chains --- */

START_TEST(the_chain_is_handed_out_as_sent)
{
    struct certificate_store *store;
    ck_assert_int_eq(certificate_store_create(&store, 1 << 20), 0);
    struct server *server = server_new(P256);
    add_chain(server, 11, 0);
    struct tls *tls = meet(server, TLS_DONE);
    const struct certificate *chain[LIMIT_CHAIN];
    unsigned sent = 0;
    ck_assert_int_eq(tls_chain(tls, store, chain, &sent), LIMIT_CHAIN);
    ck_assert_uint_eq(sent, 12);
    unsigned char *der = NULL;
    int size = i2d_X509(SSL_CTX_get0_certificate(server->ctx), &der);
    ck_assert_uint_eq(chain[0]->der_bytes, (unsigned)size);
    ck_assert_mem_eq(chain[0]->der, der, (size_t)size);
    OPENSSL_free(der);
    for (int i = 0; i < LIMIT_CHAIN; i++)
        certificate_drop(chain[i]);
    tls_close(tls);
    server_free(server);
    certificate_store_destroy(store);
}
END_TEST

START_TEST(a_huge_chain_is_refused_as_mail_programs_refuse_it)
{
    struct server *server = server_new(P256);
    add_chain(server, 8, 15000);
    struct tls_facts facts = meet_and_leave(server, TLS_BROKEN);
    ck_assert_int_eq(facts.failure, TLS_FAILURE_TOO_LARGE);
    server_free(server);
}
END_TEST

/* --- after the handshake --- */

static void expect_read(struct tls *tls, const char *text)
{
    uint8_t bytes[256];
    size_t got = 0;
    ck_assert_int_eq(tls_read(tls, bytes, sizeof bytes, &got), TLS_DONE);
    ck_assert_uint_eq(got, strlen(text));
    ck_assert_mem_eq(bytes, text, got);
}

START_TEST(bytes_go_both_ways_and_closing_is_seen)
{
    struct server *server = server_new(P256);
    struct tls *tls = meet(server, TLS_DONE);
    char bytes[64];
    uint8_t read[64];
    size_t got;
    int error;

    ck_assert_int_eq(tls_write(tls, "EHLO x\r\n", 8), 0);
    carry_out(tls, server, 3);
    ck_assert_int_eq(SSL_read(server->ssl, bytes, sizeof bytes), 8);
    ck_assert_mem_eq(bytes, "EHLO x\r\n", 8);
    ck_assert_int_eq(SSL_write(server->ssl, "250 x\r\n", 7), 7);
    carry_in(tls, server, 5, &error);
    expect_read(tls, "250 x\r\n");
    ck_assert_int_eq(tls_read(tls, read, sizeof read, &got), TLS_WAIT);

    tls_say_goodbye(tls);
    carry_out(tls, server, 64);
    ck_assert_int_le(SSL_read(server->ssl, bytes, sizeof bytes), 0);
    ck_assert_int_eq(SSL_get_shutdown(server->ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    tls_close(tls);

    tls = meet(server, TLS_DONE);
    SSL_shutdown(server->ssl);
    carry_in(tls, server, 64, &error);
    ck_assert_int_eq(tls_read(tls, read, sizeof read, &got), TLS_ENDED);
    tls_close(tls);
    server_free(server);
}
END_TEST

START_TEST(clear_text_behind_the_handshake_is_never_read_TLS_08)
{
    struct server *server = server_new(P256);
    struct tls *tls = meet(server, TLS_DONE);
    uint8_t bytes[64];
    size_t got;
    int error;
    carry_in(tls, server, 64, &error); /* tickets */
    ck_assert_int_eq(tls_take(tls, (const uint8_t *)"250 AUTH\r\n", 10), 0);
    ck_assert_int_eq(tls_read(tls, bytes, sizeof bytes, &got), TLS_BROKEN);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(tls_facts(tls)->failure, TLS_FAILURE_GARBLED);
    tls_close(tls);
    server_free(server);
}
END_TEST

START_TEST(a_renegotiation_is_refused_and_no_session_is_resumed_unasked_TLS_15_TLS_24)
{
    struct server *server = server_new(P256);
    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    struct tls *tls = meet(server, TLS_DONE);
    int error;
    uint8_t bytes[64];
    size_t got;
    ck_assert_ptr_null(SSL_get_current_compression(server->ssl));
    ck_assert_int_eq(SSL_renegotiate(server->ssl), 1);
    SSL_do_handshake(server->ssl);
    ck_assert_uint_gt(carry_in(tls, server, 64, &error), 0);
    ck_assert_int_eq(tls_read(tls, bytes, sizeof bytes, &got), TLS_WAIT);
    carry_out(tls, server, 64);
    SSL_do_handshake(server->ssl);                            /* reads our no_renegotiation */
    ck_assert_int_eq(SSL_num_renegotiations(server->ssl), 1); /* asked, and nothing came of it */
    ck_assert_int_eq(SSL_write(server->ssl, "250 x\r\n", 7), 7);
    carry_in(tls, server, 64, &error);
    expect_read(tls, "250 x\r\n");
    tls_close(tls);

    for (int i = 0; i < 2; i++) {
        tls = meet(server, TLS_DONE);
        ck_assert_int_eq(SSL_session_reused(server->ssl), 0);
        tls_close(tls);
    }
    server_free(server);
}
END_TEST

/* --- sessions --- */

/* A full handshake that asks for a session, and what the peer gave. */
static size_t given_session(struct server *server, const uint8_t *offered, size_t size,
                            uint8_t session[LIMIT_SESSION_BYTES], struct tls_facts *facts)
{
    int error;
    uint8_t bytes[64];
    size_t got;
    server_begin(server);
    struct tls *tls = tls_open(context, &mx);
    ck_assert_ptr_nonnull(tls);
    ck_assert(tls_resume(tls, offered, size));
    ck_assert_int_eq(shake_in_pieces(tls, server, 16384), TLS_DONE);
    ck_assert_int_eq(SSL_write(server->ssl, "250 x\r\n", 7), 7);
    carry_in(tls, server, 16384, &error);
    ck_assert_int_eq(tls_read(tls, bytes, sizeof bytes, &got), TLS_DONE);
    *facts = *tls_facts(tls);
    ck_assert_int_eq(facts->resumed, SSL_session_reused(server->ssl));
    size_t kept = tls_session(tls, session);
    tls_close(tls);
    return kept;
}

START_TEST(a_session_is_resumed_where_it_is_asked_for_TLS_24)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        uint8_t session[LIMIT_SESSION_BYTES];
        struct tls_facts facts;
        struct server *server = server_new(P256);
        SSL_CTX_set_max_proto_version(server->ctx, versions[i]);
        size_t size = given_session(server, NULL, 0, session, &facts);
        ck_assert(!facts.resumed);
        ck_assert_uint_gt(size, 0);
        ck_assert_uint_lt(size, 500); /* without the certificate */
        size = given_session(server, session, size, session, &facts);
        ck_assert(facts.resumed);
        ck_assert_uint_eq(facts.version, (unsigned)versions[i]);
        ck_assert_str_eq(facts.signature, "");
        ck_assert_str_eq(facts.group, "x25519");
        ck_assert_uint_gt(size, 0);
        server_free(server);
    }
}
END_TEST

START_TEST(without_an_extended_master_secret_nothing_is_kept)
{
    uint8_t session[LIMIT_SESSION_BYTES];
    struct tls_facts facts;
    struct server *server = server_new(P256);
    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(server->ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    ck_assert_uint_eq(given_session(server, NULL, 0, session, &facts), 0);
    server_free(server);
}
END_TEST

/* The ticket is as long as the server likes. */
static int long_ticket(SSL *ssl, void *nothing)
{
    static uint8_t data[LIMIT_SESSION_BYTES];
    (void)nothing;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data, sizeof data);
}

START_TEST(a_session_over_its_bound_is_not_kept)
{
    uint8_t session[LIMIT_SESSION_BYTES];
    struct tls_facts facts;
    struct server *server = server_new(P256);
    SSL_CTX_set_session_ticket_cb(server->ctx, long_ticket, NULL, NULL);
    ck_assert_uint_eq(given_session(server, NULL, 0, session, &facts), 0);
    server_free(server);
}
END_TEST

/* What the policy of now does not offer is not resumed either, though the peer would (TLS-15). */
START_TEST(a_session_below_the_floor_is_not_resumed_TLS_24)
{
    uint8_t session[LIMIT_SESSION_BYTES];
    struct tls_facts facts;
    struct tls_context *strict = context;
    struct server *server = server_new(RSA2048);
    char why[128];
    SSL_CTX_set_max_proto_version(server->ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(server->ctx, "AES256-GCM-SHA384");
    ck_assert_int_eq(tls_context_create(&context, true, why, sizeof why), 0);
    size_t size = given_session(server, NULL, 0, session, &facts);
    ck_assert_uint_gt(size, 0);
    ck_assert_str_eq(facts.cipher, "AES256-GCM-SHA384");
    tls_context_destroy(context);
    context = strict;
    server_begin(server);
    struct tls *tls = tls_open(context, &mx);
    ck_assert(tls_resume(tls, session, size));
    ck_assert_int_eq(shake_in_pieces(tls, server, 16384), TLS_BROKEN);
    ck_assert(!tls_facts(tls)->resumed);
    tls_close(tls);
    server_free(server);
}
END_TEST

START_TEST(bytes_that_are_no_session_are_not_offered)
{
    static const uint8_t nonsense[] = "0\003no session";
    struct server *server = server_new(P256);
    server_begin(server);
    struct tls *tls = tls_open(context, &mx);
    ck_assert(!tls_resume(tls, nonsense, sizeof nonsense));
    ck_assert_int_eq(shake_in_pieces(tls, server, 16384), TLS_DONE);
    ck_assert(!tls_facts(tls)->resumed);
    tls_close(tls);
    server_free(server);
}
END_TEST

START_TEST(the_cut_of_the_bytes_changes_nothing)
{
    static const size_t pieces[] = {1, 2, 5, 100, 1000};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct server *server = server_new(P256);
        add_chain(server, 2, 0);
        server_begin(server);
        struct tls *tls = tls_open(context, &mx);
        ck_assert_int_eq(shake_in_pieces(tls, server, pieces[i]), TLS_DONE);
        ck_assert_uint_eq(tls_facts(tls)->version, 0x0304);
        tls_close(tls);
        server_free(server);
    }
}
END_TEST

/* Errors that other connections of the thread left in OpenSSL's queue are not ours. */
START_TEST(a_strangers_error_is_not_read_as_ours)
{
    struct server *server = server_new(P256);
    server_begin(server);
    struct tls *tls = tls_open(context, &mx);
    ERR_raise(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL);
    ck_assert_int_eq(tls_handshake(tls), TLS_WAIT);
    ERR_raise(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL);
    ck_assert_int_eq(shake_in_pieces(tls, server, 16384), TLS_DONE);
    tls_close(tls);
    server_free(server);
}
END_TEST

/* --- memory --- */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { HELD = 64 };

static size_t in_use(void)
{
    return mallinfo2().uordblks;
}

START_TEST(memory_is_bounded_in_the_handshake_and_after_it)
{
    struct server *server = server_new(P256);
    struct tls *held[HELD];
    uint8_t bytes[16384];
    add_chain(server, 1, 0);
    tls_close(meet(server, TLS_DONE)); /* what the library keeps for good */

    size_t before = in_use(), size;
    for (int i = 0; i < HELD; i++) {
        held[i] = tls_open(context, &mx);
        ck_assert_int_eq(tls_handshake(held[i]), TLS_WAIT);
        tls_out(held[i], &size);
        tls_sent(held[i], size);
    }
    size_t waiting = (in_use() - before) / HELD;
    for (int i = 0; i < HELD; i++)
        tls_close(held[i]);

    /* Stalled in the middle of the server's flight. */
    before = in_use();
    for (int i = 0; i < HELD; i++) {
        held[i] = tls_open(context, &mx);
        tls_handshake(held[i]);
        server_begin(server);
        carry_out(held[i], server, 16384);
        SSL_do_handshake(server->ssl);
        int got = BIO_read(server->out, bytes, 700);
        ck_assert_int_eq(tls_take(held[i], bytes, (size_t)got), 0);
        ck_assert_int_eq(tls_handshake(held[i]), TLS_WAIT);
    }
    SSL_free(server->ssl);
    server->ssl = NULL;
    size_t stalled = (in_use() - before) / HELD;
    for (int i = 0; i < HELD; i++)
        tls_close(held[i]);

    before = in_use();
    for (int i = 0; i < HELD; i++)
        held[i] = meet(server, TLS_DONE);
    SSL_free(server->ssl);
    server->ssl = NULL;
    size_t after = (in_use() - before) / HELD;
    for (int i = 0; i < HELD; i++)
        tls_close(held[i]);
    fprintf(stderr, "bytes a connection: waiting %zu, stalled %zu, after %zu\n", waiting, stalled,
            after);
    ck_assert_uint_le(waiting, 60 * 1024);
    ck_assert_uint_le(stalled, 66 * 1024);
    ck_assert_uint_le(after, 30 * 1024);
    server_free(server);
}
END_TEST
#endif

static Suite *suite(void)
{
    Suite *suite = suite_create("tls");
    TCase *floors = tcase_create("floors");
    tcase_add_checked_fixture(floors, context_open, context_close);
    tcase_add_test(floors, tls_13_and_12_are_enough_TLS_14);
    tcase_add_test(
        floors,
        what_is_offered_is_what_the_whole_library_offers_but_for_what_is_weak_TLS_15_PIT_02);
    tcase_add_test(floors, older_versions_are_never_completed_but_named_TLS_14);
    tcase_add_test(floors, no_key_exchange_without_forward_secrecy_unless_configured_TLS_15);
    tcase_add_test(floors, small_dh_and_sha1_signatures_are_below_the_floor_TLS_15);
    tcase_add_test(floors, a_group_that_costs_a_second_is_not_computed_with);
    tcase_add_test(floors, anonymous_and_null_suites_are_not_offered_DANE_36);
    tcase_add_test(floors, every_kind_of_key_authenticates_the_handshake);
    tcase_add_test(floors, a_forged_signature_breaks_the_handshake);
    tcase_set_timeout(floors, 60);
    suite_add_tcase(suite, floors);

    TCase *peers = tcase_create("peers");
    tcase_add_checked_fixture(peers, context_open, context_close);
    tcase_add_test(peers, the_server_name_is_sent_and_an_empty_one_is_not_TLS_17_DANE_35);
    tcase_add_test(peers, a_warning_about_the_name_is_no_failure);
    tcase_add_test(peers, a_fatal_alert_is_named_RPT_11);
    tcase_add_test(peers, clear_text_instead_of_a_record_is_told_from_garbage);
    tcase_add_test(peers, a_peer_that_answers_with_an_old_version_is_named_TLS_14);
    tcase_add_test(peers, an_answer_to_the_old_hello_is_read_or_refused_at_any_cut);
    tcase_add_test(peers, the_longest_name_fits_the_old_hello);
    tcase_add_test(peers, the_hello_has_a_size_that_mail_programs_send_too);
    tcase_add_test(peers, handshake_bytes_are_bounded);
    tcase_add_test(peers, the_chain_is_handed_out_as_sent);
    tcase_add_test(peers, a_huge_chain_is_refused_as_mail_programs_refuse_it);
    suite_add_tcase(suite, peers);

    TCase *use = tcase_create("use");
    tcase_add_checked_fixture(use, context_open, context_close);
    tcase_add_test(use, bytes_go_both_ways_and_closing_is_seen);
    tcase_add_test(use, clear_text_behind_the_handshake_is_never_read_TLS_08);
    tcase_add_test(use, a_renegotiation_is_refused_and_no_session_is_resumed_unasked_TLS_15_TLS_24);
    tcase_add_test(use, a_session_is_resumed_where_it_is_asked_for_TLS_24);
    tcase_add_test(use, without_an_extended_master_secret_nothing_is_kept);
    tcase_add_test(use, a_session_over_its_bound_is_not_kept);
    tcase_add_test(use, a_session_below_the_floor_is_not_resumed_TLS_24);
    tcase_add_test(use, bytes_that_are_no_session_are_not_offered);
    tcase_add_test(use, the_cut_of_the_bytes_changes_nothing);
    tcase_add_test(use, a_strangers_error_is_not_read_as_ours);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_test(use, memory_is_bounded_in_the_handshake_and_after_it);
#endif
    tcase_set_timeout(use, 60);
    suite_add_tcase(suite, use);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
