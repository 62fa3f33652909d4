/*
 * openssl_memory.h - OpenSSL without memory: that it lacked some, and what must not lack it.
 *
 * OpenSSL does not always say that it was memory that it lacked: some calls report something else
 * (a bad signature, a weak key), and some go on without an extension or an algorithm, so that it is
 * the peer who seems to refuse. So whether memory ran short is noted where it happens, for the
 * thread that asked, and whoever calls OpenSSL asks here before believing it.
 *
 * Worse, OpenSSL 3.0 remembers that it has loaded the algorithms of an operation before it has, and
 * does not load those again that failed for want of memory: from then on they do not exist in that
 * library context. So everything is loaded at the start, where a failure is the start's.
 */
#ifndef MXWARD_CERTIFICATE_OPENSSL_MEMORY_H
#define MXWARD_CERTIFICATE_OPENSSL_MEMORY_H

#include <openssl/types.h>

#include <stdbool.h>

/* Did OpenSSL ask for memory in vain, in this thread, since the last time this was asked? */
bool openssl_ran_short(void);
/* Loads all algorithms of the context (NULL: the default one), and starts its random generators for
 * this thread. False: there was not enough memory, here or before since openssl_ran_short was last
 * asked, and the context is of no use any more. */
bool openssl_load_all(OSSL_LIB_CTX *context);

#endif
