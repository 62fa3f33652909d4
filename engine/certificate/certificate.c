/*
 * certificate.c - one certificate: from DER to facts, its names, its life.
 *
 * Parsed once, by the store; everything it needs lies in one allocation behind the entry (pointers,
 * names, texts, DER), so that the last certificate_drop frees it on any thread. The bytes come from
 * a mail host: sizes are bounded by LIMIT_CERTIFICATE_BYTES and LIMIT_CERTIFICATE_NAMES, names with
 * bytes that no host name has are dropped here (NAME-05), and texts for people are escaped here.
 */
#include "engine/certificate/x509.h"

#include "engine/base/check.h"
#include "engine/base/reference.h"
#include "engine/base/log.h"
#include "engine/certificate/openssl_library.h"
#include "engine/certificate/openssl_memory.h"
#include "engine/names/name.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_BYTES 256  /* of subject and issuer, NUL included */
#define DER_KEPT   8192 /* bytes; a larger one is decoded again for each verification */

/* --- names --- */

/*
 * The form in which a certificate's name is compared: lower case, LDH and '_', labels of 1..63. A
 * '*' only as the whole first label, with two more labels behind it, and never beside an
 * underscore: so OpenSSL's comparison has it, which is the one the MTA delivers by. Returns the
 * length, 0 if it is no such name. `out` has room for `length` + 1 bytes.
 */
static size_t name_accept(const uint8_t *in, size_t length, char *out)
{
    bool wildcard = length > 2 && in[0] == '*' && in[1] == '.';
    size_t label = 0, dots = 0;

    if (length == 0 || length > NAME_BYTES_MAX)
        return 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = in[i];

        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + ('a' - 'A'));
        if (c == '.') {
            if (label == 0 || label > 63)
                return 0;
            label = 0;
            dots++;
        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                   (c == '_' && !wildcard) || (c == '*' && wildcard && i == 0)) {
            label++;
        } else {
            return 0;
        }
        out[i] = (char)c;
    }
    if (label == 0 || label > 63 || (wildcard && dots < 2))
        return 0;
    out[length] = '\0';
    return length;
}

static bool wildcard_matches(const char *pattern, const char *host)
{
    const char *dot = strchr(host, '.');
    const char *underscore = strchr(host, '_');

    if (dot == NULL || dot == host || (underscore != NULL && underscore < dot))
        return false;
    return strcmp(pattern + 1, dot) == 0;
}

bool certificate_names_host(const struct certificate *certificate, const char *host,
                            bool allow_common_name)
{
    if (!certificate->has_alternative_names && !allow_common_name)
        return false;
    for (unsigned i = 0; i < certificate->name_count; i++) {
        const char *name = certificate->names[i];

        if (name[0] == '*' ? wildcard_matches(name, host) : strcmp(name, host) == 0)
            return true;
    }
    return false;
}

/* --- reading: OpenSSL's view --- */

/* Set once, under the lock. Release and acquire: who sees them sees what they point to. */
static _Atomic(struct openssl_library *) library_for_all, library_for_usual;

/* Under the lock. */
static int library_open(_Atomic(struct openssl_library *) *library, enum openssl_purpose purpose)
{
    struct openssl_library *opened = atomic_load_explicit(library, memory_order_relaxed);

    if (opened == NULL)
        opened = openssl_library_open(purpose);
    atomic_store_explicit(library, opened, memory_order_release);
    return opened == NULL ? -ENOMEM : 0;
}

int x509_library_open(void)
{
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    int error;

    pthread_mutex_lock(&opening);
    error = library_open(&library_for_all, OPENSSL_ALL_CERTIFICATES);
    if (error == 0)
        error = library_open(&library_for_usual, OPENSSL_USUAL_CERTIFICATES);
    pthread_mutex_unlock(&opening);
    return error;
}

static OSSL_LIB_CTX *library_context(_Atomic(struct openssl_library *) *library)
{
    const struct openssl_library *opened = atomic_load_explicit(library, memory_order_acquire);

    return opened == NULL ? NULL : openssl_library_context(opened);
}

OSSL_LIB_CTX *x509_library(void)
{
    return library_context(&library_for_all);
}

/* Not d2i_X509: given a certificate to fill, that one refuses what has an extension that it cannot
 * read. Such a certificate is one all the same; what it is worth, verification says. */
static X509 *read_in(OSSL_LIB_CTX *context, const uint8_t **at, size_t size)
{
    ASN1_VALUE *x509 = (ASN1_VALUE *)X509_new_ex(context, NULL);

    if (x509 != NULL && ASN1_item_d2i(&x509, at, (long)size, ASN1_ITEM_rptr(X509)) == NULL) {
        X509_free((X509 *)x509);
        return NULL;
    }
    return (X509 *)x509;
}

/* Are its key and the signature on it of those that the small context knows? */
static bool is_usual(const X509 *x509)
{
    switch (X509_get_signature_nid(x509)) {
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
        return X509_get0_pubkey(x509) != NULL;
    default:
        return false;
    }
}

X509 *x509_read(const uint8_t **at, size_t size)
{
    const uint8_t *begin = *at;
    X509 *x509 = read_in(library_context(&library_for_usual), at, size);

    if (x509 == NULL || is_usual(x509))
        return x509;
    X509_free(x509);
    *at = begin;
    return read_in(x509_library(), at, size);
}

EVP_PKEY *x509_read_key(const uint8_t **at, size_t size)
{
    return d2i_PUBKEY_ex(NULL, at, (long)size, x509_library(), NULL);
}

/* --- gathering what an allocation must hold --- */

struct parts {
    X509 *x509;
    GENERAL_NAMES *alternative; /* may be NULL */
    char subject[TEXT_BYTES], issuer[TEXT_BYTES];
    char *names; /* accepted names, each with its NUL */
    size_t names_bytes;
    uint16_t name_count, names_dropped;
    bool has_alternative_names;
};

static void parts_free(struct parts *parts)
{
    GENERAL_NAMES_free(parts->alternative);
    X509_free(parts->x509);
    free(parts->names);
}

static void names_add(struct parts *parts, const uint8_t *bytes, size_t length)
{
    size_t accepted;

    if (parts->name_count == LIMIT_CERTIFICATE_NAMES) {
        if (parts->names_dropped < UINT16_MAX)
            parts->names_dropped++;
        return;
    }
    accepted = name_accept(bytes, length, parts->names + parts->names_bytes);
    if (accepted == 0)
        return;
    parts->names_bytes += accepted + 1;
    parts->name_count++;
}

/* The most specific CN, the last; a CN that is not plain ASCII is no host name. */
static void names_from_common_name(struct parts *parts)
{
    const X509_NAME *subject = X509_get_subject_name(parts->x509);
    int at = -1, next;
    uint8_t *utf8 = NULL;
    int length;

    while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
        at = next;
    if (at < 0)
        return;
    length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (length > 0)
        names_add(parts, utf8, (size_t)length);
    OPENSSL_free(utf8);
}

/* Has the CN no say because there is, or may be, a dNSName? */
static void alternative_names_read(struct parts *parts)
{
    int critical;

    parts->alternative = X509_get_ext_d2i(parts->x509, NID_subject_alt_name, &critical, NULL);
    if (parts->alternative == NULL && critical != -1) /* several extensions, or unreadable */
        parts->has_alternative_names = true;
}

static int names_gather(struct parts *parts, size_t der_bytes)
{
    int count;

    /* Every name is in the DER, except that a CN may grow from Latin-1 to UTF-8: twice. */
    parts->names = malloc(2 * der_bytes + 2);
    if (parts->names == NULL)
        return -ENOMEM;
    alternative_names_read(parts);
    count = parts->alternative == NULL ? 0 : sk_GENERAL_NAME_num(parts->alternative);
    for (int i = 0; i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(parts->alternative, i);

        if (name->type != GEN_DNS)
            continue;
        parts->has_alternative_names = true;
        names_add(parts, ASN1_STRING_get0_data(name->d.dNSName),
                  (size_t)ASN1_STRING_length(name->d.dNSName));
    }
    if (!parts->has_alternative_names)
        names_from_common_name(parts);
    return 0;
}

static int text_of_name(char text[TEXT_BYTES], const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    long size;

    if (bio == NULL)
        return -ENOMEM;
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE) < 0) {
        BIO_free(bio);
        return -ENOMEM;
    }
    size = BIO_get_mem_data(bio, &bytes);
    log_escape(text, TEXT_BYTES, bytes, size > 0 ? (size_t)size : 0);
    BIO_free(bio);
    return 0;
}

/* --- facts --- */

static int64_t seconds_of(const ASN1_TIME *time, int64_t if_unreadable)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : if_unreadable;
}

static void key_facts(struct certificate *certificate, X509 *x509)
{
    static const struct {
        int id;
        enum key_type type;
    } types[] = {{EVP_PKEY_RSA, KEY_RSA},     {EVP_PKEY_RSA_PSS, KEY_RSA},
                 {EVP_PKEY_EC, KEY_EC},       {EVP_PKEY_ED25519, KEY_ED25519},
                 {EVP_PKEY_ED448, KEY_ED448}, {EVP_PKEY_DSA, KEY_DSA}};
    EVP_PKEY *key = X509_get0_pubkey(x509);

    if (key == NULL) /* an algorithm that OpenSSL does not know */
        return;
    certificate->key_bits = (uint16_t)EVP_PKEY_get_bits(key);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (EVP_PKEY_get_base_id(key) == types[i].id)
            certificate->key_type = types[i].type;
}

static int spki_digest(uint8_t digest[SHA256_BYTES], X509 *x509)
{
    uint8_t *spki = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
    int done = size > 0 && EVP_Digest(spki, (size_t)size, digest, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(spki);
    return done ? 0 : -ENOMEM;
}

static char *put(char **at, const void *bytes, size_t size)
{
    char *begin = *at;

    memcpy(begin, bytes, size);
    *at += size;
    return begin;
}

/* One allocation: the entry, the pointers to the names, the names, the texts, the DER. */
static struct certificate_entry *entry_build(const struct parts *parts, const uint8_t *der,
                                             size_t size)
{
    size_t pointers = parts->name_count * sizeof(char *);
    size_t subject_bytes = strlen(parts->subject) + 1, issuer_bytes = strlen(parts->issuer) + 1;
    size_t bytes = sizeof(struct certificate_entry) + pointers + parts->names_bytes +
                   subject_bytes + issuer_bytes + size;
    struct certificate_entry *entry = calloc(1, bytes);
    struct certificate *certificate;
    const char **names;
    char *at;

    if (entry == NULL)
        return NULL;
    certificate = &entry->certificate;
    entry->bytes = bytes;
    names = (const char **)(entry + 1);
    at = (char *)entry + sizeof *entry + pointers;
    for (const char *name = put(&at, parts->names, parts->names_bytes);
         certificate->name_count < parts->name_count; name += strlen(name) + 1)
        names[certificate->name_count++] = name;
    certificate->names = names;
    certificate->names_dropped = parts->names_dropped;
    certificate->has_alternative_names = parts->has_alternative_names;
    certificate->subject = put(&at, parts->subject, subject_bytes);
    certificate->issuer = put(&at, parts->issuer, issuer_bytes);
    certificate->der = (const uint8_t *)put(&at, der, size);
    certificate->der_bytes = (uint32_t)size;
    return entry;
}

static void entry_facts(struct certificate_entry *entry, X509 *x509)
{
    struct certificate *certificate = &entry->certificate;

    certificate->not_before_s = seconds_of(X509_get0_notBefore(x509), INT64_MAX);
    certificate->not_after_s = seconds_of(X509_get0_notAfter(x509), INT64_MIN);
    certificate->is_ca = X509_check_ca(x509) == 1;
    certificate->self_issued =
        X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(x509)) == 0;
    certificate->signature = OBJ_nid2ln(X509_get_signature_nid(x509));
    if (certificate->signature == NULL)
        certificate->signature = "unknown";
    key_facts(certificate, x509);
    if (certificate->is_ca && certificate->der_bytes <= DER_KEPT && X509_up_ref(x509) == 1) {
        entry->x509 = x509;
        entry->bytes += 2048 + 3 * (size_t)certificate->der_bytes; /* as measured, roughly */
    }
}

static int parts_gather(struct parts *parts, const uint8_t *der, size_t size)
{
    const uint8_t *at = der;

    parts->x509 = x509_read(&at, size);
    if (parts->x509 == NULL)
        return 0;
    if (at != der + size) { /* something follows: not this certificate's DER */
        X509_free(parts->x509);
        parts->x509 = NULL;
        return 0;
    }
    if (names_gather(parts, size) != 0 ||
        text_of_name(parts->subject, X509_get_subject_name(parts->x509)) != 0 ||
        text_of_name(parts->issuer, X509_get_issuer_name(parts->x509)) != 0)
        return -ENOMEM;
    return 0;
}

struct certificate_entry *certificate_parse(const uint8_t *der, size_t size,
                                            const uint8_t sha256[SHA256_BYTES], X509 **read,
                                            int *error)
{
    struct certificate_entry *entry = NULL;
    struct parts parts = {0};

    *read = NULL;
    x509_begin();
    *error = parts_gather(&parts, der, size);
    if (*error == 0 && parts.x509 != NULL) {
        entry = entry_build(&parts, der, size);
        if (entry == NULL || spki_digest(entry->certificate.spki_sha256, parts.x509) != 0) {
            free(entry);
            entry = NULL;
            *error = -ENOMEM;
        } else {
            atomic_init(&entry->certificate.references, 1);
            memcpy(entry->certificate.sha256, sha256, SHA256_BYTES);
            entry_facts(entry, parts.x509);
        }
    }
    if (entry != NULL && entry->x509 == NULL && size <= DER_KEPT) {
        *read = parts.x509;
        parts.x509 = NULL;
    }
    parts_free(&parts);
    if (x509_out_of_memory() && *error == 0) { /* then nothing read from it is certain */
        certificate_drop(entry == NULL ? NULL : &entry->certificate);
        X509_free(*read);
        *read = NULL;
        entry = NULL;
        *error = -ENOMEM;
    }
    return entry;
}

/* --- life --- */

const struct certificate *certificate_hold(const struct certificate *certificate)
{
    reference_hold(&certificate->references);
    return certificate;
}

void certificate_drop(const struct certificate *certificate)
{
    struct certificate_entry *entry = certificate_entry(certificate);
    _Atomic size_t *held;
    size_t bytes;
    unsigned left;

    if (certificate == NULL)
        return;
    held = entry->held; /* now: when it is the store's alone, the store may free it */
    bytes = entry->bytes;
    /* The store's eviction relies on the release in it (store.c). */
    left = reference_give(&certificate->references);
    if (left == 1 && held != NULL)
        atomic_fetch_sub_explicit(held, bytes, memory_order_relaxed); /* a number, nothing more */
    if (left > 0)
        return;
    X509_free(entry->x509);
    free(entry);
}

/* --- for the verifiers --- */

void x509_begin(void)
{
    ERR_clear_error();
    (void)openssl_ran_short();
}

bool x509_out_of_memory(void)
{
    ERR_clear_error();
    return openssl_ran_short();
}

X509 *certificate_x509(const struct certificate *certificate)
{
    X509 *kept = certificate_entry(certificate)->x509;
    const uint8_t *at = certificate->der;
    X509 *x509;

    if (kept != NULL && X509_up_ref(kept) == 1)
        return kept;
    x509 = x509_read(&at, certificate->der_bytes);
    ERR_clear_error();
    return x509;
}

STACK_OF(X509) *
    certificate_stack(const struct certificate *const *chain, uint8_t first, uint8_t count)
{
    STACK_OF(X509) *stack = sk_X509_new_null();

    for (unsigned i = first; stack != NULL && i < count; i++) {
        X509 *x509 = certificate_x509(chain[i]);

        if (x509 == NULL || sk_X509_push(stack, x509) == 0) {
            X509_free(x509);
            sk_X509_pop_free(stack, X509_free);
            return NULL;
        }
    }
    return stack;
}

int certificate_verify(X509_STORE_CTX *context, int level, int64_t now_s, unsigned long flags)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    int verified, result;

    if (X509_STORE_CTX_set_default(context, "ssl_server") != 1) /* purpose and trust */
        return -ENOMEM;
    X509_VERIFY_PARAM_set_auth_level(param, level);
    X509_VERIFY_PARAM_set_time(param, (time_t)now_s);
    X509_VERIFY_PARAM_set_depth(param, LIMIT_CHAIN + 2);
    if (flags != 0 && X509_VERIFY_PARAM_set_flags(param, flags) != 1)
        return -ENOMEM;
    verified = X509_verify_cert(context);
    result = X509_STORE_CTX_get_error(context);
    if (x509_out_of_memory() || verified < 0 || result == X509_V_ERR_OUT_OF_MEM)
        return -ENOMEM;
    if (verified == 0)
        return result != X509_V_OK ? result : X509_V_ERR_UNSPECIFIED;
    return X509_V_OK;
}
