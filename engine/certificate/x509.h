/*
 * x509.h - what certificate/ and policy/dane share about OpenSSL's view of a certificate.
 *
 * Nobody else includes this: the rest of the program knows certificates only by certificate.h. All
 * functions leave the thread's OpenSSL error queue empty, because the TLS sessions of the same
 * thread read theirs from it, right after the call that fills it.
 */
#ifndef MXWARD_CERTIFICATE_X509_H
#define MXWARD_CERTIFICATE_X509_H

#include "engine/certificate/certificate.h"

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

/* OpenSSL's security levels for signatures and keys in a chain. PKIX: 112 bits, as the public web
 * has it. DANE-TA: the zone's owner vouches for the keys, so only what can be forged by anybody is
 * refused (MD5, SHA-1 signatures, keys under 80 bits); Postfix accepts even those. */
#define X509_LEVEL_PKIX 2
#define X509_LEVEL_DANE 1

struct certificate_entry {
    struct certificate certificate; /* first: the public face */
    struct certificate_entry *next; /* in the bucket */
    struct certificate_entry *newer, *older;
    size_t bytes;         /* what it is accounted with */
    _Atomic size_t *held; /* where those count while others than the store have it; NULL: nowhere */
    X509 *x509; /* kept for CA certificates, which come again in other chains; else NULL */
};

static inline struct certificate_entry *certificate_entry(const struct certificate *certificate)
{
    return (struct certificate_entry *)(uintptr_t)certificate;
}

/* Makes the library contexts in which all certificates of the process are read and verified, once;
 * they stay, as what was read in them may. Until then that is OpenSSL's default context, which
 * finds the same at several times the cost. 0, or negative errno: it may be tried again. Any
 * thread. */
int x509_library_open(void);
OSSL_LIB_CTX *x509_library(void); /* the one that knows everything */
/* As d2i_X509 and d2i_PUBKEY, a certificate in the smallest context that knows its key and the
 * signature on it. NULL: not one, or no memory. */
X509 *x509_read(const uint8_t **at, size_t size);
EVP_PKEY *x509_read_key(const uint8_t **at, size_t size);

/* A new entry with one reference; NULL as certificate_intern. `sha256` is that of the DER. *read is
 * what it was read from, for who verifies it right away, or NULL: kept in the entry, or large. */
struct certificate_entry *certificate_parse(const uint8_t *der, size_t size,
                                            const uint8_t sha256[SHA256_BYTES], X509 **read,
                                            int *error);

/* Around whatever asks OpenSSL: a parser or a verification that ran out of memory looks like one
 * that met rubbish, and only the second is the peer's fault. The first empties the error queue. */
void x509_begin(void);
/* Did anything since x509_begin lack memory? Empties the queue, too, and begins anew. */
bool x509_out_of_memory(void);

/* A reference for the caller, or NULL: no memory. */
X509 *certificate_x509(const struct certificate *certificate);
/* chain[first .. count-1]; the caller frees it with OSSL_STACK_OF_X509_free. NULL: no memory. */
STACK_OF(X509) *
    certificate_stack(const struct certificate *const *chain, uint8_t first, uint8_t count);
/* Runs X509_verify_cert on a context that has leaf, store and untrusted: TLS server, at `now_s`.
 * After x509_begin. Returns X509_V_*, or negative errno: ours. */
int certificate_verify(X509_STORE_CTX *context, int level, int64_t now_s, unsigned long flags);

#endif
