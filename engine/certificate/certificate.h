/*
 * certificate.h - the certificates we have seen, each kept once, named by the SHA-256 of its DER.
 *
 * A certificate is immutable and counted; any thread may hold it. The store is shared by the
 * shards: its buckets have small locks, never held across a system call, a parse or a signature
 * (the one lock of the engine, because 10,000 domains of a provider show the same chain to every
 * shard). What nobody holds leaves the store when it is full, least recently asked for first. All
 * that are alive are in it, so its bound is the bound of all: if what is held leaves no room, a new
 * certificate is refused, and large ones are before small ones are. Before it comes to that the
 * store calls itself crowded, and who keeps certificates for later only should let some go. A
 * chain's PKIX result is remembered
 * by the digest of the whole chain for CERTIFICATE_PKIX_S, and never past the moment at which one
 * of its certificates begins or ends to be valid: verified once. What authorities have signed for
 * each other is checked once for all leaves below them (signed_paths.h).
 *
 * Names are kept as the certificate has them and matched later, by policy/finding (names of
 * recipients are not facts about an endpoint).
 *
 * Failure: what is not a certificate is NULL without an error (the peer's), no memory is -ENOMEM
 * and no room is -ENOBUFS (both ours). Nothing here looks at revocation (TLS-25: optional).
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
    int64_t not_before_s, not_after_s; /* UTC; invalid from not_after_s on */
    enum key_type key_type;
    uint16_t key_bits;
    bool is_ca, self_issued;
    bool has_alternative_names; /* >= 1 SAN dNSName: then the CN does not count (DANE-34) */
    uint16_t name_count;
    uint16_t names_dropped; /* over LIMIT_CERTIFICATE_NAMES: not matched, so nothing is certain */
    uint32_t der_bytes;
    const char *const *names;     /* lower case, LDH and '_', or "*." before that; else one CN */
    const char *subject, *issuer; /* one line, printable, escaped, cut */
    const char *signature;        /* algorithm of the signature on it, OpenSSL's long name */
    const uint8_t *der;
};

struct certificate_store;

int certificate_store_create(struct certificate_store **store, size_t bytes_max);
/* Certificates that others hold outlive the store; none may be held or dropped meanwhile. */
void certificate_store_destroy(struct certificate_store *store);

/* Finds or parses and adds; one reference for the caller. NULL with *error = 0: not a certificate,
 * or one over LIMIT_CERTIFICATE_BYTES (a finding); with *error = -ENOMEM or -ENOBUFS: ours. */
const struct certificate *certificate_intern(struct certificate_store *store, const uint8_t *der,
                                             size_t size, int *error);
const struct certificate *certificate_hold(const struct certificate *certificate);
void certificate_drop(const struct certificate *certificate); /* NULL is fine */

/*
 * Loads the roots, whole, into memory, from `ca_file` and all files in `ca_directory` (both NULL:
 * the system's: SSL_CERT_FILE, OpenSSL's default file, Debian's bundle, OpenSSL's default
 * directory). Replaces those loaded before, and forgets all PKIX results. The errors of
 * certificate_trust_judge, or -ENOMEM: then the old ones stay.
 */
int certificate_trust_load(struct certificate_store *store, const char *ca_file,
                           const char *ca_directory);
/* The same reading, kept nowhere. 0; -EINVAL with a sentence that begins with the setting: one of
 * those given holds no certificate; -ENOENT with a sentence: nor does the system. */
int certificate_trust_judge(const char *ca_file, const char *ca_directory, char *why,
                            size_t why_size);
/*
 * PKIX: does `chain` (leaf first, as sent) lead to a root that the system trusts, for a TLS server,
 * at `now_s`? Returns an X509_V_* code (0: yes), no names involved; remembered per chain. Negative
 * errno: ours (no memory, no roots).
 */
int certificate_pkix(struct certificate_store *store, const struct certificate *const *chain,
                     uint8_t count, int64_t now_s);
const char *certificate_pkix_text(int result); /* OpenSSL's words */

/* What is wrong, in the kinds that are told apart (TLS-25). */
enum pkix_defect {
    PKIX_FINE,
    PKIX_EXPIRED,
    PKIX_NOT_YET_VALID,
    PKIX_SELF_SIGNED,
    PKIX_WRONG_PURPOSE,
    PKIX_REVOKED,
    PKIX_WEAK,
    PKIX_UNTRUSTED,  /* no path to a root, or a broken one */
    PKIX_NOT_LOOKED, /* negative: ours */
};
enum pkix_defect certificate_pkix_defect(int result);
const char *pkix_defect_name(enum pkix_defect defect); /* kebab case */

static inline bool certificate_valid_at(const struct certificate *certificate, int64_t now_s)
{
    return certificate->not_before_s <= now_s && now_s < certificate->not_after_s;
}

/*
 * Does the certificate name `host`, a canonical name (DANE-34, TLS-22, STS-22)? A wildcard is the
 * whole left-most label, stands for exactly one, and at least two labels follow it; the CN counts
 * only when there is no dNSName and `allow_common_name`. Pure.
 */
bool certificate_names_host(const struct certificate *certificate, const char *host,
                            bool allow_common_name);

/* What is held comes near to the bound somewhere: what is only kept for later should go. */
bool certificate_store_is_crowded(struct certificate_store *store);

struct certificate_store_counts {
    uint64_t kept, bytes; /* now */
    uint64_t held_bytes;  /* of those, what others than the store have */
    uint64_t interned, parsed, evicted, refused, pkix_asked, pkix_verified;
    uint64_t pkix_known_paths; /* of those verified: the signatures above the leaf were known */
};
struct certificate_store_counts certificate_store_counts(struct certificate_store *store);

#endif
