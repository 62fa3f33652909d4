/*
 * openssl_library.h - library contexts of OpenSSL that have what one purpose needs, and no more.
 *
 * OpenSSL 3.0 walks through every algorithm of the context for each certificate that it parses.
 * With the whole default provider in it that is a third of a client handshake; with a tenth of it,
 * the same code finds the same answer at a tenth of the cost (bench/README, probe_storm). The
 * arithmetic, its checks and its refusals are the default provider's own. What is left out cannot
 * be negotiated by mistake either.
 *
 * Several libraries do not share locks. Any thread may open one, and use one.
 */
#ifndef MXWARD_CERTIFICATE_OPENSSL_LIBRARY_H
#define MXWARD_CERTIFICATE_OPENSSL_LIBRARY_H

#include <openssl/types.h>

struct openssl_library;

enum openssl_purpose {
    OPENSSL_TLS_CLIENT,         /* a TLS 1.0 to 1.3 client */
    OPENSSL_USUAL_CERTIFICATES, /* RSA and EC keys, signatures of those with SHA-2 */
    OPENSSL_ALL_CERTIFICATES,   /* any key, any signature */
    OPENSSL_PURPOSES
};

/* NULL: OpenSSL's error queue says why, or no memory. It may be tried again. */
struct openssl_library *openssl_library_open(enum openssl_purpose purpose);
/* Everything made in its context must be gone. NULL is fine. */
void openssl_library_close(struct openssl_library *library);
OSSL_LIB_CTX *openssl_library_context(const struct openssl_library *library);

#endif
