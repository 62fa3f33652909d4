/*
 * tls_hello.h - asks a peer that refused TLS 1.2 what it would do instead, to give the weakness a
 * name. Pure: no library, no clock, no socket.
 *
 * A ClientHello is sent that offers what no mail should rely on: versions up to 1.2 in the old way,
 * and the suites of the last thirty years. The ServerHello that answers names version and suite,
 * and there it ends: nothing below the floor is ever completed, so the weak arithmetic (SSL 3.0,
 * RC4, 3DES, export keys) need not be in the program, and no answer can count as TLS (TLS-14..16).
 */
#ifndef MXWARD_PROBE_TLS_HELLO_H
#define MXWARD_PROBE_TLS_HELLO_H

#include "engine/names/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_HELLO_MAX 640 /* bytes of the longest ClientHello */

/* Writes one record with a ClientHello; returns its size. `server_name`: SNI, if its length is not
 * 0. `random` is not secret and need not be good. */
size_t tls_hello_write(uint8_t out[TLS_HELLO_MAX], const struct name *server_name,
                       const uint8_t random[32]);

enum tls_answer {
    TLS_ANSWER_MORE,    /* not enough bytes yet */
    TLS_ANSWER_HELLO,   /* version and suite stand */
    TLS_ANSWER_REFUSED, /* an alert: `alert` */
    TLS_ANSWER_OTHER,   /* not the beginning of a TLS answer */
};

/* What has come so far; zeroed before the first byte. */
struct tls_hello {
    uint8_t kept;
    uint8_t
        bytes[5 + 4 + 2 + 32 + 1 + 32 + 2]; /* record, message, version, random, session, suite */
    uint8_t alert;
    uint16_t version, suite;
};
enum tls_answer tls_hello_read(struct tls_hello *hello, const uint8_t *bytes, size_t size);

/* A suite without forward secrecy, authentication, or 112 bits: weak with any version. */
bool tls_suite_is_weak(uint16_t suite);
/* The library's name for a suite that was offered here, else NULL. */
const char *tls_suite_name(uint16_t suite);

#endif
