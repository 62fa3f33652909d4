/*
 * tls.c - see tls.h.
 */
#include "tests/farm/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#define ROW_WRONG_NAME 32

static SSL_CTX *contexts[BEHAVIOUR_COUNT];
static bool all_keep_tickets;
static EVP_PKEY *issuer_key; /* NULL: leaves are shown as they are */

static int name_warning(SSL *ssl, int *alert, void *unused)
{
    (void)ssl, (void)unused;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_WARNING;
}

/* Knows names that begin with "sni."; to all others it shows what the row `wrong-name` shows. */
static int needs_name(SSL *ssl, int *alert, void *unused)
{
    (void)alert, (void)unused;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name || strncmp(name, "sni.", 4) != 0)
        SSL_set_SSL_CTX(ssl, contexts[ROW_WRONG_NAME]);
    return SSL_TLSEXT_ERR_OK;
}

static int few_ciphers(SSL *ssl, int *alert, void *unused)
{
    (void)unused;
    const unsigned char *suites;
    if (SSL_client_hello_get0_ciphers(ssl, &suites) / 2 <= 64)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_HANDSHAKE_FAILURE;
    return SSL_CLIENT_HELLO_ERROR;
}

static int no_tls13(SSL *ssl, int *alert, void *unused)
{
    (void)unused;
    const unsigned char *extension;
    size_t size;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &extension, &size))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_PROTOCOL_VERSION;
    return SSL_CLIENT_HELLO_ERROR;
}

static int old_extensions(SSL *ssl, int *alert, void *unused)
{
    (void)unused;
    int *types, known = SSL_CLIENT_HELLO_SUCCESS;
    size_t count;
    if (SSL_client_hello_get1_extensions_present(ssl, &types, &count) != 1)
        return SSL_CLIENT_HELLO_ERROR;
    for (size_t i = 0; i < count; i++)
        if (types[i] > TLSEXT_TYPE_signature_algorithms && types[i] != TLSEXT_TYPE_session_ticket &&
            types[i] != TLSEXT_TYPE_renegotiate)
            known = SSL_CLIENT_HELLO_ERROR;
    OPENSSL_free(types);
    *alert = SSL_AD_UNSUPPORTED_EXTENSION;
    return known;
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
    (void)ok, (void)store;
    return 1;
}

static int use_certificate(SSL_CTX *context, const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.pem", directory, name);
    if (SSL_CTX_use_certificate_chain_file(context, path) == 1 &&
        SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1)
        return 0;
    fprintf(stderr, "farm: %s: %s\n", path, ERR_error_string(ERR_peek_error(), NULL));
    return -1;
}

static void set_flags(SSL_CTX *context, unsigned flags)
{
    if (flags & FARM_ASKS_CERTIFICATE)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any);
    if (flags & FARM_NEEDS_CERTIFICATE)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
    if (flags & FARM_NO_TLS13)
        SSL_CTX_set_client_hello_cb(context, no_tls13, NULL);
    if (flags & FARM_NAME_WARNING)
        SSL_CTX_set_tlsext_servername_callback(context, name_warning);
    if (flags & FARM_NEEDS_NAME)
        SSL_CTX_set_tlsext_servername_callback(context, needs_name);
    if (flags & FARM_FEW_CIPHERS)
        SSL_CTX_set_client_hello_cb(context, few_ciphers, NULL);
    if (flags & FARM_OLD_EXTENSIONS)
        SSL_CTX_set_client_hello_cb(context, old_extensions, NULL);
    if (!(flags & FARM_KEEPS_TICKETS) && !all_keep_tickets) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
    }
}

/* Nobody checks that it is a prime, so any odd number will do. */
static int use_own_prime(SSL_CTX *context, int bits)
{
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *prime = BN_new(), *generator = BN_new();
    OSSL_PARAM *parameters = NULL;
    EVP_PKEY *group = NULL;
    int made = make && build && BN_rand(prime, bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD) &&
               BN_set_word(generator, 2) &&
               OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_P, prime) &&
               OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_G, generator) &&
               (parameters = OSSL_PARAM_BLD_to_param(build)) != NULL &&
               EVP_PKEY_fromdata_init(make) == 1 &&
               EVP_PKEY_fromdata(make, &group, EVP_PKEY_KEY_PARAMETERS, parameters) == 1 &&
               SSL_CTX_set0_tmp_dh_pkey(context, group) == 1;

    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    BN_free(prime);
    BN_free(generator);
    EVP_PKEY_CTX_free(make);
    return made ? 0 : -1;
}

static SSL_CTX *context_of_row(const struct behaviour *row, const char *directory)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        return NULL;
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_dh_auto(context,
                        row->own_prime_bits ? 0 : 2); /* 1024 bits, if there is nothing better */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_min_proto_version(context, row->tls_minimum ? row->tls_minimum : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(context, row->tls_maximum ? row->tls_maximum : TLS1_3_VERSION);
    if (use_certificate(context, directory, row->certificate ? row->certificate : "good") != 0 ||
        (row->second && use_certificate(context, directory, row->second) != 0) ||
        (row->ciphers && SSL_CTX_set_cipher_list(context, row->ciphers) != 1) ||
        (row->groups && SSL_CTX_set1_groups_list(context, row->groups) != 1) ||
        (row->own_prime_bits && use_own_prime(context, row->own_prime_bits) != 0)) {
        SSL_CTX_free(context);
        return NULL;
    }
    set_flags(context, row->flags);
    return context;
}

void farm_tls_keep_tickets(void)
{
    all_keep_tickets = true;
}

int farm_tls_load(const char *directory)
{
    for (unsigned n = 0; n < BEHAVIOUR_COUNT; n++) {
        const struct behaviour *row = behaviour_row(n);
        if (!row)
            continue;
        contexts[n] = context_of_row(row, directory);
        if (!contexts[n]) {
            fprintf(stderr, "farm: cannot make TLS for %s: %s\n", row->label,
                    ERR_error_string(ERR_peek_error(), NULL));
            return -1;
        }
    }
    return 0;
}

int farm_tls_new_leaves(const char *directory)
{
    char path[512];
    snprintf(path, sizeof path, "%s/issuer.key", directory);
    FILE *file = fopen(path, "re");
    if (file) {
        issuer_key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        fclose(file);
    }
    if (!issuer_key)
        fprintf(stderr, "farm: no key can be read from %s\n", path);
    return issuer_key ? 0 : -1;
}

/* So that a new leaf is as long to read as one of a public authority. */
static bool add_usual_extensions(X509 *leaf)
{
    static const struct {
        int nid;
        const char *value;
    } usual[] = {
        {NID_key_usage, "critical,digitalSignature,keyEncipherment"},
        {NID_ext_key_usage, "serverAuth,clientAuth"},
        {NID_info_access,
         "OCSP;URI:http://ocsp.farm.lab,caIssuers;URI:http://issuer.farm.lab/i.der"},
        {NID_crl_distribution_points, "URI:http://lists.farm.lab/revoked.crl"},
        {NID_certificate_policies, "DER:30:0a:30:08:06:06:67:81:0c:01:02:01"},
    };
    uint8_t stamps[240] = {4, 0x81, 237}; /* an OCTET STRING as long as that of two logs */
    bool added = true;
    X509V3_CTX context = {0};
    X509V3_set_ctx(&context, leaf, leaf, NULL, NULL, 0);
    for (size_t i = 0; i < sizeof usual / sizeof *usual && added; i++) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, &context, usual[i].nid, usual[i].value);
        added = extension && X509_add_ext(leaf, extension, -1) == 1;
        X509_EXTENSION_free(extension);
    }
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    if (added && octets && ASN1_OCTET_STRING_set(octets, stamps, sizeof stamps) == 1)
        extension = X509_EXTENSION_create_by_NID(NULL, NID_ct_precert_scts, 0, octets);
    added = extension && X509_add_ext(leaf, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
    return added;
}

static bool show_new_leaf(SSL *ssl)
{
    X509 *leaf = X509_dup(SSL_get_certificate(ssl));
    uint8_t serial[16];
    bool shown = leaf && RAND_bytes(serial, sizeof serial) == 1 && add_usual_extensions(leaf);
    serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and always as long */
    shown = shown && ASN1_STRING_set(X509_get_serialNumber(leaf), serial, sizeof serial) == 1 &&
            X509_sign(leaf, issuer_key, EVP_sha256()) > 0 && SSL_use_certificate(ssl, leaf) == 1;
    X509_free(leaf);
    return shown;
}

SSL *farm_tls_session(unsigned number, int descriptor)
{
    SSL *ssl = SSL_new(contexts[number]);
    if (!ssl || SSL_set_fd(ssl, descriptor) != 1 || (issuer_key && !show_new_leaf(ssl))) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
