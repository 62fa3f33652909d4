/*
 * certificate.h - the certificates we have seen, each kept once, named by the SHA-256 of its DER.
 *
 * A certificate is immutable and counted; any thread may hold it. The store is shared by the
 * shards: its buckets have small locks, taken once a probe and never across a system call (the one
 * lock of the engine, because 10,000 domains of a provider show the same chain to every shard). A
 * chain's PKIX result is remembered by the digest of the whole chain for CERTIFICATE_PKIX_MS:
 * verified once. Names are kept as the certificate has them and matched later, by policy/dane
 * (names of recipients are not facts about an endpoint).
 */
#ifndef MXWARD_CERTIFICATE_CERTIFICATE_H
#define MXWARD_CERTIFICATE_CERTIFICATE_H

#include "engine/base/limits.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

enum key_type { KEY_OTHER, KEY_RSA, KEY_EC, KEY_ED25519, KEY_ED448, KEY_DSA };

struct certificate {
    atomic_uint references;            /* the store's own counts as one */
    uint8_t sha256[SHA256_BYTES];      /* of the DER */
    uint8_t spki_sha256[SHA256_BYTES]; /* of SubjectPublicKeyInfo */
    int64_t not_before_s, not_after_s; /* UTC */
    enum key_type key_type;
    uint16_t key_bits;
    bool is_ca, self_issued;
    bool has_alternative_names; /* >= 1 SAN dNSName: then the CN does not count (DANE-34) */
    uint8_t name_count;
    uint16_t names_dropped; /* over LIMIT_CERTIFICATE_NAMES: not matched */
    uint32_t der_bytes;
    const char
        *names[LIMIT_CERTIFICATE_NAMES]; /* lower case A-labels, or one CN; odd bytes: dropped */
    const char *subject, *issuer;        /* one line, printable, escaped */
    const char *signature;               /* algorithm of the signature on it, OpenSSL's long name */
    const uint8_t *der;
};

struct certificate_store;

int certificate_store_create(struct certificate_store **store, size_t bytes_max);
void certificate_store_destroy(struct certificate_store *store);

/* Finds or parses and adds. NULL: not a certificate (a finding), or no memory (*error = -ENOMEM).
 */
const struct certificate *certificate_intern(struct certificate_store *store, const uint8_t *der,
                                             size_t size, int *error);
const struct certificate *certificate_hold(const struct certificate *certificate);
void certificate_drop(const struct certificate *certificate);

/*
 * PKIX: does `chain` (leaf first, as sent) lead to a root that the system trusts, for a TLS server,
 * at `now_s`? Returns an X509_V_* code (0: yes), no names involved; remembered per chain. Negative
 * errno: ours. The trust store is loaded once from `ca_file` or `ca_directory` (both NULL:
 * OpenSSL's defaults).
 */
int certificate_trust_load(struct certificate_store *store, const char *ca_file,
                           const char *ca_directory);
int certificate_pkix(struct certificate_store *store, const struct certificate *const *chain,
                     uint8_t count, int64_t now_s);
const char *certificate_pkix_text(int result); /* OpenSSL's words */

/* Does the certificate name `host` (DANE-34, TLS-22, STS-22)? Whole left-most wildcard label only;
 * the CN only when there is no dNSName and `allow_common_name`. Pure. */
bool certificate_names_host(const struct certificate *certificate, const char *host,
                            bool allow_common_name);

struct certificate_store_counts {
    uint64_t kept, bytes, interned, parsed, pkix_asked, pkix_verified;
};
struct certificate_store_counts certificate_store_counts(struct certificate_store *store);

#endif
