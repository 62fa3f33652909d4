/*
 * tls_library.h - a library context of OpenSSL that has what a TLS client needs, and no more.
 *
 * OpenSSL 3.0 walks through every algorithm of the context for each certificate that it parses.
 * With the whole default provider in it that is a third of a client handshake; with a tenth of it,
 * the same code finds the same answer at a tenth of the cost (bench/README.md, probe_storm). The
 * arithmetic, its checks and its refusals are the default provider's own. What is left out cannot
 * be negotiated by mistake either.
 *
 * A library belongs to one tls_context; several do not share locks. Any thread may open one.
 */
#ifndef MXWARD_PROBE_TLS_LIBRARY_H
#define MXWARD_PROBE_TLS_LIBRARY_H

#include <openssl/types.h>

struct tls_library;

struct tls_library *tls_library_open(void); /* NULL: OpenSSL's error queue says why, or no memory */
/* Everything made in its context must be gone. NULL is fine. */
void tls_library_close(struct tls_library *library);
OSSL_LIB_CTX *tls_library_context(const struct tls_library *library);

#endif
