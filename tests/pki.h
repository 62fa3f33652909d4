/*
 * pki.h - certificates for tests, made on the spot: any key, any name, any defect.
 *
 * Header only, for test programs; it aborts where OpenSSL fails, because then the test itself is
 * broken. Times are fixed: PKI_NOW_S is the "now" of every test, so nothing here ever expires.
 */
#ifndef MXWARD_TESTS_PKI_H
#define MXWARD_TESTS_PKI_H

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PKI_NOW_S  INT64_C(1800000000) /* 2027-01-15 */
#define PKI_YEAR_S INT64_C(31536000)

#define PKI_NEEDS(condition)                                                          \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: test PKI: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

struct pki_spec {
    const char *common_name;      /* NULL: none */
    const char *alternative;      /* as in openssl.cnf: "DNS:a.example,IP:192.0.2.1"; NULL: none */
    bool ca;                      /* basicConstraints CA:TRUE */
    const char *constraints;      /* the whole basicConstraints instead, "" for none */
    const char *extended_usage;   /* "serverAuth"; NULL: none */
    const char *key_usage;        /* NULL: none */
    const char *name_constraints; /* "permitted;DNS:example" */
    int64_t not_before_s, not_after_s; /* 0: a year around PKI_NOW_S */
    EVP_PKEY *key;
    X509 *issuer; /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    const EVP_MD *digest; /* NULL: SHA-256 */
    GENERAL_NAMES *names; /* raw SAN instead of `alternative` */
};

static inline EVP_PKEY *pki_key_ec(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    PKI_NEEDS(key != NULL);
    return key;
}

static inline EVP_PKEY *pki_key_rsa(size_t bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);

    PKI_NEEDS(key != NULL);
    return key;
}

static inline void pki_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    PKI_NEEDS(extension != NULL && X509_add_ext(x509, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static inline void pki_extensions(X509 *x509, const struct pki_spec *spec)
{
    X509 *issuer = spec->issuer != NULL ? spec->issuer : x509;

    if (spec->constraints == NULL)
        pki_extension(x509, issuer, NID_basic_constraints,
                      spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    else if (spec->constraints[0] != '\0')
        pki_extension(x509, issuer, NID_basic_constraints, spec->constraints);
    if (spec->alternative != NULL)
        pki_extension(x509, issuer, NID_subject_alt_name, spec->alternative);
    if (spec->names != NULL)
        PKI_NEEDS(X509_add1_ext_i2d(x509, NID_subject_alt_name, spec->names, 0, 0) == 1);
    if (spec->extended_usage != NULL)
        pki_extension(x509, issuer, NID_ext_key_usage, spec->extended_usage);
    if (spec->key_usage != NULL)
        pki_extension(x509, issuer, NID_key_usage, spec->key_usage);
    if (spec->name_constraints != NULL)
        pki_extension(x509, issuer, NID_name_constraints, spec->name_constraints);
}

static inline X509 *pki_certificate(const struct pki_spec *spec)
{
    static long serial = 1;
    X509 *x509 = X509_new();
    X509_NAME *subject;
    int signer;

    PKI_NEEDS(x509 != NULL && X509_set_version(x509, 2) == 1);
    PKI_NEEDS(ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++) == 1);
    subject = X509_get_subject_name(x509);
    PKI_NEEDS(X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const uint8_t *)"mxward test",
                                         -1, -1, 0) == 1);
    if (spec->common_name != NULL)
        PKI_NEEDS(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                             (const uint8_t *)spec->common_name, -1, -1, 0) == 1);
    PKI_NEEDS(X509_set_issuer_name(x509, spec->issuer != NULL ? X509_get_subject_name(spec->issuer)
                                                              : subject) == 1);
    PKI_NEEDS(ASN1_TIME_set(
        X509_getm_notBefore(x509),
        (time_t)(spec->not_before_s != 0 ? spec->not_before_s : PKI_NOW_S - PKI_YEAR_S)));
    PKI_NEEDS(ASN1_TIME_set(
        X509_getm_notAfter(x509),
        (time_t)(spec->not_after_s != 0 ? spec->not_after_s : PKI_NOW_S + PKI_YEAR_S)));
    PKI_NEEDS(X509_set_pubkey(x509, spec->key) == 1);
    pki_extensions(x509, spec);
    signer = EVP_PKEY_get_base_id(spec->issuer_key != NULL ? spec->issuer_key : spec->key);
    PKI_NEEDS(X509_sign(x509, spec->issuer_key != NULL ? spec->issuer_key : spec->key,
                        signer == EVP_PKEY_ED25519 || signer == EVP_PKEY_ED448 ? NULL
                        : spec->digest != NULL                                 ? spec->digest
                                                                               : EVP_sha256()) > 0);
    return x509;
}

/* The DER, to be freed with OPENSSL_free. */
static inline uint8_t *pki_der(X509 *x509, size_t *size)
{
    uint8_t *der = NULL;
    int length = i2d_X509(x509, &der);

    PKI_NEEDS(length > 0);
    *size = (size_t)length;
    return der;
}

#endif
