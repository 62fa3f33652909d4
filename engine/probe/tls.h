/*
 * tls.h - the client's side of a TLS connection over memory: ciphertext in, ciphertext out. The
 * ring owns the socket; nothing here knows one, nor a clock.
 *
 * The order is always: tls_take what was received, tls_handshake (or tls_read), send what tls_out
 * holds, say how much of it was sent with tls_sent. Between tls_out and tls_sent of everything no
 * other function may be called (the kernel is reading that memory).
 *
 * The handshake verifies nothing about the peer's names or issuers: it proves that the peer holds
 * the key of the certificate that it sent, and the chain is handed out as sent, for PKIX and DANE
 * to judge later. Nothing below the floor is completed: TLS 1.2, forward secrecy, 112 bits (TLS-14,
 * TLS-15); what a weaker peer offers instead is named from its ServerHello, or by tls_hello.h. No
 * renegotiation, no compression, never early data. Nothing is resumed unless tls_resume says so
 * (TLS-24, DANE-40): then a peer that goes on with a session that was begun before sends no
 * certificate, and proves that it is the one that did. The floor holds for a resumed session too;
 * in TLS 1.3 with a new key exchange, in TLS 1.2 only with an extended master secret (RFC 7627).
 *
 * A tls_context belongs to one thread at a time. Failure: peers' is enum tls_failure with a
 * sentence, ours is TLS_FAILURE_OURS or a NULL.
 */
#ifndef MXWARD_PROBE_TLS_H
#define MXWARD_PROBE_TLS_H

#include "engine/base/limits.h"
#include "engine/certificate/certificate.h"
#include "engine/names/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_context;
struct tls;

enum tls_status {
    TLS_WAIT,   /* send what tls_out holds, then take more from the peer */
    TLS_DONE,   /* handshake: complete (send what tls_out holds). read: bytes were read */
    TLS_ENDED,  /* read: the peer closed in order (close_notify) */
    TLS_BROKEN, /* see tls_facts: failure and why. An alert of ours may wait in tls_out */
};

enum tls_failure {
    TLS_FAILURE_NONE,
    TLS_FAILURE_PLAINTEXT, /* the peer went on in clear text */
    TLS_FAILURE_ALERT,     /* the peer sent a fatal alert */
    TLS_FAILURE_BELOW,     /* what the peer chose is below the floor (version, key, signature) */
    TLS_FAILURE_TOO_LARGE, /* over LIMIT_HANDSHAKE_BYTES, or a chain over the library's 100 KiB */
    TLS_FAILURE_COSTLY,    /* it asks for arithmetic that would keep everybody else waiting */
    TLS_FAILURE_GARBLED,   /* anything else that is not TLS as it should be */
    TLS_FAILURE_OURS,      /* no memory, or the library refused to begin */
};

/* What is known of the connection; fills up as it goes. Texts are printable. */
struct tls_facts {
    enum tls_failure failure;
    char why[120];                 /* one phrase, for a failure */
    uint8_t alert;                 /* fatal alert received: its description; 0: none */
    uint16_t chosen, chosen_suite; /* what the peer's ServerHello names; 0: none came */
    const char *chosen_name;       /* of the suite; "" if nobody knows it */
    bool answered;                 /* any byte came */
    uint16_t version;              /* of the completed handshake */
    const char *cipher;            /* constant text, "" before completion */
    char group[32];                /* key exchange: "x25519", "DH 2048", "" for static RSA */
    char signature[48];            /* of the handshake: "ECDSA-SHA256", "" for static RSA; or if
                                      `resumed`: it is that of the full handshake */
    bool resumed;                  /* the peer took the session that was offered */
};

/* `static_rsa`: whether key exchange without forward secrecy counts as TLS (TLS-15). */
int tls_context_create(struct tls_context **context, bool static_rsa, char *why, size_t why_size);
void tls_context_destroy(struct tls_context *context);

/* `server_name`: sent as SNI if its length is not 0 (DANE-35, TLS-17). NULL: no memory. */
struct tls *tls_open(struct tls_context *context, const struct name *server_name);
void tls_close(struct tls *tls); /* NULL is fine; says nothing to the peer */
/* Before the first tls_handshake: asks the peer for a session to keep, and offers the one in
 * `bytes`, that tls_session gave for an earlier connection to the same endpoint; size 0: none.
 * False: those bytes cannot be offered, or there is no memory; a full handshake follows. */
bool tls_resume(struct tls *tls, const uint8_t *bytes, size_t size);
/* After TLS_DONE, as late as possible: the session that the peer gave, without its certificates.
 * Its size; 0: none that may be resumed, one over LIMIT_SESSION_BYTES, or no memory. It is as
 * secret as the connection: whoever has it can read that and take the peer's place. */
size_t tls_session(const struct tls *tls, uint8_t bytes[LIMIT_SESSION_BYTES]);
const struct tls_facts *tls_facts(const struct tls *tls);

/* Takes a copy of received ciphertext. 0; -ENOMEM; -EMSGSIZE: over LIMIT_HANDSHAKE_BYTES, which
 * also bounds everything after the handshake. */
int tls_take(struct tls *tls, const uint8_t *bytes, size_t size);
enum tls_status tls_handshake(struct tls *tls);
/* After TLS_DONE. Reads decrypted bytes; TLS_DONE: *got > 0. */
enum tls_status tls_read(struct tls *tls, uint8_t *bytes, size_t size, size_t *got);
/* After TLS_DONE. All or nothing; 0, or -EIO (see tls_facts). */
int tls_write(struct tls *tls, const void *bytes, size_t size);
/* Queues close_notify. */
void tls_say_goodbye(struct tls *tls);

/* Ciphertext that waits to be sent. */
const uint8_t *tls_out(const struct tls *tls, size_t *size);
void tls_sent(struct tls *tls, size_t size);

/* After TLS_DONE: the certificates as sent, leaf first, interned and held for the caller. Returns
 * how many are in `chain` (0: the peer is anonymous), and in *sent how many the peer sent; or
 * -ENOMEM, or -ENOBUFS (the store has no room): then nothing is held. */
int tls_chain(const struct tls *tls, struct certificate_store *store,
              const struct certificate *chain[LIMIT_CHAIN], unsigned *sent);

/* "TLSv1.2", "SSLv3", …; for texts. */
const char *tls_version_name(uint16_t version);
const char *tls_alert_name(uint8_t alert);

#endif
