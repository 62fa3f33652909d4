/*
 * sessions.h - TLS sessions of endpoints, kept for a while so that a look soon after need not do
 * the arithmetic of a whole handshake again. Knows no TLS: a session is bytes.
 *
 * A session is kept under its endpoint's key and nothing else: address, port, name sent, TLSA set
 * (DANE-40); those of one host are never offered to another, and another TLSA set is another key.
 * The TLS policy is the prober's, for its whole life; other settings forget all
 * (sessions_forget_all). With a session goes its proof: the evidence of the full handshake that the
 * peer's certificate is from, from which the evidence of a resumed one takes chain, PKIX and TLSA
 * results (TLS-24).
 *
 * What may be kept is evidence_may_be_resumed; what may be offered is judged again each time: a
 * full handshake at least every so often, and no certificate of the chain has run out since. A
 * session is handed out once (RFC 8446 appendix C.4): who offers it brings back what the peer gave
 * instead. Of an endpoint where one came to nothing (sessions_failed) none is kept for as long as a
 * session may be resumed: it would fail again, and cost a connection each time.
 *
 * A fixed pool of LIMIT_SESSION_BYTES each; when it is full the one least recently used goes. Never
 * written to disk, and overwritten before its place is given back. One shard's thread. Failure:
 * what cannot be kept is not kept; then the next handshake is a full one.
 *
 * Known weakness: a server that exchanges its certificate and goes on resuming what it gave before
 * is found out at the next full handshake. Who delivers meets the new certificate, and what is
 * enforced there counts (law 1). What would speak against the memory is never said of a resumed
 * session: engine/domain looks again in full.
 */
#ifndef MXWARD_PROBE_SESSIONS_H
#define MXWARD_PROBE_SESSIONS_H

#include "engine/facts/evidence.h"

struct sessions;

int sessions_create(struct sessions **sessions, uint32_t most); /* 0 or -ENOMEM */
void sessions_destroy(struct sessions *sessions);               /* NULL is fine */

/* The evidence of a full handshake after which the next may be a resumed one: complete, whole
 * chain, and a certificate that counts for the name it was asked by. What fails, or might speak
 * against what is remembered of the host, is always looked at in full. Pure. */
bool evidence_may_be_resumed(const struct evidence *evidence);
/* `proof` may still stand for its chain at `now_s`: no certificate of it has run out. Pure. */
bool evidence_still_proves(const struct evidence *proof, int64_t now_s);

/* Keeps `size` bytes (at most LIMIT_SESSION_BYTES) instead of what there was, with a reference of
 * its own of the proof; nothing if one of this endpoint failed at `since_ms` or later. */
void sessions_keep(struct sessions *sessions, const struct evidence *proof, uint64_t since_ms,
                   const uint8_t *bytes, size_t size);
/* The session that was taken came to nothing at `now_ms`. */
void sessions_failed(struct sessions *sessions, const struct endpoint_key *key, uint64_t now_ms);
/* Takes the session of `key` out. Returns its size, with one reference of the proof for the caller;
 * or 0: there is none, its proof began before `since_ms`, or does not hold at `now_s`. */
size_t sessions_take(struct sessions *sessions, const struct endpoint_key *key, uint64_t since_ms,
                     int64_t now_s, uint8_t bytes[LIMIT_SESSION_BYTES],
                     const struct evidence **proof);
void sessions_drop(struct sessions *sessions, const struct endpoint_key *key);
/* Forgets up to `most`, least recently used first; returns how many. */
uint32_t sessions_forget(struct sessions *sessions, uint32_t most);
void sessions_forget_all(struct sessions *sessions);

#endif
