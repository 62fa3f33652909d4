/*
 * delivery.h - what a delivery that the MTA reports proves. Pure; any thread.
 *
 *   delivery ─► can it count at all? ─► evidence held of the endpoint: renewed, disproved, or as is
 *
 * A delivery only ever raises: it renews the age of evidence that says the same, and has the next
 * question look anew where it says more than the evidence. What it says less of (clear text, old
 * TLS, failures) teaches nothing: a log is no proof of absence (law 2). What it teaches the memory,
 * beside evidence of our own that says the same, stands in memory/remember.h. DESIGN.md section 3:
 * it counts as fresh evidence and saves the probe.
 */
#ifndef MXWARD_POLICY_DELIVERY_H
#define MXWARD_POLICY_DELIVERY_H

#include "engine/facts/evidence.h"

#define DELIVERY_PORT      25   /* others belong to no MX host */
#define DELIVERY_AGE_S     3600 /* as long as a completed handshake is good (facts/age.h) */
#define DELIVERY_BEGAN_S   10   /* a handshake is reported when it is over; it began after this */
#define DELIVERY_RENEWS_MS (24ull * 60 * 60 * 1000) /* evidence is looked at anew after so long */

/* What the MTA says of the certificate. Postfix: "Anonymous" and "Untrusted" are ENCRYPTED. */
enum delivery_trust {
    DELIVERY_CLEAR,
    DELIVERY_ENCRYPTED,
    DELIVERY_TRUSTED,  /* issued under an authority that the MTA trusts, whoever it names */
    DELIVERY_VERIFIED, /* meets the policy that the MTA enforced */
    DELIVERY_TRUST_COUNT
};

struct delivery {
    struct name host; /* MX host as the MTA knows it */
    struct address address;
    uint16_t port;
    uint16_t tls_version; /* 0x0304: TLS 1.3; 0: none */
    enum delivery_trust trust;
    bool has_key;
    uint8_t key_sha256[SHA256_BYTES]; /* of SubjectPublicKeyInfo */
    int64_t at_s;                     /* wall clock: when the handshake was complete */
};

enum delivery_fault {
    DELIVERY_GOOD,
    DELIVERY_NO_TLS, /* none, or below 1.2 */
    DELIVERY_OTHER_PORT,
    DELIVERY_OLD,    /* more than DELIVERY_AGE_S */
    DELIVERY_FUTURE, /* later than our clock */
    DELIVERY_CLOCK,  /* our clock cannot be right (FRESH-06) */
    DELIVERY_FAULT_COUNT
};
/* Whether anything can be learned of it at `now_s` by our wall clock. */
enum delivery_fault delivery_fault(const struct delivery *delivery, int64_t now_s);
const char *delivery_fault_text(enum delivery_fault fault); /* a sentence for people */

/* Boot time at which its handshake had not begun yet; of one that is good at `now_s`. */
uint64_t delivery_began_ms(const struct delivery *delivery, uint64_t now_ms, int64_t now_s);

enum delivery_effect {
    DELIVERY_SAYS_NOTHING, /* not proved: another key, another version, another name; or no news */
    DELIVERY_RENEWS,
    DELIVERY_DISPROVES, /* TLS where the evidence says that there is none: look anew */
};
/*
 * Of a delivery that is good, for evidence of its address. Evidence that says "it encrypts" and no
 * more is renewed by TLS of the same version. Where its certificate counts (trusted by PKIX, or
 * matched by a TLSA record), the delivery must show the same public key, or be VERIFIED: the policy
 * that the MTA enforced was made from such evidence, and is enforced again at the next delivery.
 * TRUSTED is less than that: it names nobody. Never renewed: what fails its TLSA records
 * (FRESH-02), what was looked at by another name than the delivery's, what DELIVERY_RENEWS_MS have
 * passed for.
 */
enum delivery_effect delivery_effect(const struct delivery *delivery,
                                     const struct evidence *evidence, uint64_t began_ms);

#endif
