/*
 * evidence.h - what one probe saw at one endpoint: facts, never opinions.
 *
 * An endpoint is (address, port, name sent as SNI, TLSA set, TLS profile). Evidence knows no
 * recipient domain: reference identifiers are matched later, by policy, per domain and host. It is
 * immutable once the probe has ended, counted, and held by any thread; the last to drop frees it.
 */
#ifndef MXWARD_FACTS_EVIDENCE_H
#define MXWARD_FACTS_EVIDENCE_H

#include "engine/base/limits.h"
#include "engine/certificate/certificate.h"
#include "engine/dns/answer.h"
#include "engine/names/address.h"
#include "engine/names/name.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * How the dialogue ended. Each has its own name for people and machines, what it says about the
 * host, and its TLS-RPT result type (RPT-01..12; NONE: not to be reported). "inconclusive" never
 * counts as an absence of TLS; a deadline of ours is always that, in the handshake too (TLS-18).
 *
 *   NAME, text (kebab case), says, TLS-RPT
 */
#define OUTCOMES(X)                                                                        \
    X(TLS_OK, "tls-ok", ENCRYPTS, NONE)                                                    \
    X(TLS_WEAK, "tls-weak", WEAK, VALIDATION_FAILURE)                                      \
    X(NO_STARTTLS, "starttls-not-offered", CLEAR, STARTTLS_NOT_SUPPORTED)                  \
    X(STARTTLS_MASKED, "starttls-masked", CLEAR, STARTTLS_NOT_SUPPORTED)                   \
    X(EHLO_REFUSED, "ehlo-refused", CLEAR, STARTTLS_NOT_SUPPORTED)                         \
    X(STARTTLS_TEMPORARY, "starttls-temporarily-refused", REFUSES, STARTTLS_NOT_SUPPORTED) \
    X(STARTTLS_REFUSED, "starttls-refused", REFUSES, STARTTLS_NOT_SUPPORTED)               \
    X(INJECTION, "starttls-injection", BROKEN, VALIDATION_FAILURE)                         \
    X(TLS_PLAINTEXT, "plaintext-after-starttls", BROKEN, VALIDATION_FAILURE)               \
    X(TLS_CLOSED, "closed-in-handshake", BROKEN, VALIDATION_FAILURE)                       \
    X(TLS_ALERT, "alert-in-handshake", BROKEN, VALIDATION_FAILURE)                         \
    X(TLS_FAILED, "handshake-failed", BROKEN, VALIDATION_FAILURE)                          \
    X(TLS_TOO_LARGE, "handshake-too-large", BROKEN, VALIDATION_FAILURE)                    \
    X(TLS_COSTLY, "handshake-too-costly", INCONCLUSIVE, NONE)                              \
    X(TLS_TIMEOUT, "handshake-timeout", INCONCLUSIVE, NONE)                                \
    X(GREETING_TEMPORARY, "greeting-temporary", INCONCLUSIVE, NONE)                        \
    X(GREETING_REFUSED, "greeting-refused", INCONCLUSIVE, NONE)                            \
    X(GREETING_TIMEOUT, "greeting-timeout", INCONCLUSIVE, NONE)                            \
    X(EHLO_TEMPORARY, "ehlo-temporary", INCONCLUSIVE, NONE)                                \
    X(RATE_LIMITED, "rate-limited", INCONCLUSIVE, NONE)                                    \
    X(SMTP_MALFORMED, "smtp-malformed", INCONCLUSIVE, NONE)                                \
    X(SMTP_TOO_LONG, "smtp-too-long", INCONCLUSIVE, NONE)                                  \
    X(SMTP_TIMEOUT, "smtp-timeout", INCONCLUSIVE, NONE)                                    \
    X(SMTP_CLOSED, "smtp-closed", INCONCLUSIVE, NONE)                                      \
    X(CONNECT_REFUSED, "connection-refused", INCONCLUSIVE, NONE)                           \
    X(CONNECT_UNREACHABLE, "unreachable", INCONCLUSIVE, NONE)                              \
    X(CONNECT_TIMEOUT, "connection-timeout", INCONCLUSIVE, NONE)                           \
    X(RESERVED_ADDRESS, "reserved-address", INCONCLUSIVE, NONE)                            \
    X(OPTED_OUT, "opted-out", INCONCLUSIVE, NONE)                                          \
    X(LIMITED, "politeness-limited", OURS, NONE)                                           \
    X(OURS_LATE, "ours-late", OURS, NONE)                                                  \
    X(OURS_RESOURCES, "ours-resources", OURS, NONE)                                        \
    X(OURS_CANCELLED, "ours-cancelled", OURS, NONE)

enum outcome {
#define X(NAME, text, says, report) OUTCOME_##NAME,
    OUTCOMES(X)
#undef X
        OUTCOME_COUNT
};

enum outcome_says {
    SAYS_ENCRYPTS, /* a TLS >= 1.2 handshake completed */
    SAYS_WEAK,     /* only below the floor; `tls_version` says what */
    SAYS_CLEAR,    /* answers, and offers no TLS */
    SAYS_REFUSES,  /* offered STARTTLS, then refused it: a downgrade signal (TLS-07) */
    SAYS_BROKEN,   /* TLS promised and not completed: an opportunistic sender falls back to clear */
    SAYS_INCONCLUSIVE, /* the peer did not let us see */
    SAYS_OURS,         /* we did not look, or could not */
};

enum tls_report {
    REPORT_NONE,
    REPORT_STARTTLS_NOT_SUPPORTED,
    REPORT_CERTIFICATE_HOST_MISMATCH,
    REPORT_CERTIFICATE_EXPIRED,
    REPORT_CERTIFICATE_NOT_TRUSTED,
    REPORT_VALIDATION_FAILURE,
    REPORT_TLSA_INVALID,
    REPORT_DNSSEC_INVALID,
    REPORT_DANE_REQUIRED,
    REPORT_STS_POLICY_FETCH_ERROR,
    REPORT_STS_POLICY_INVALID,
    REPORT_STS_WEBPKI_INVALID,
};

const char *outcome_name(enum outcome outcome);
enum outcome_says outcome_says(enum outcome outcome);
enum tls_report outcome_report(enum outcome outcome);
const char *tls_report_name(enum tls_report report); /* RFC 8460 section 4.3 words, "" for NONE */

/* ESMTP keywords of the EHLO reply inside TLS (only that one counts, TLS-09). */
enum {
    KEYWORD_STARTTLS = 1 << 0,
    KEYWORD_REQUIRETLS = 1 << 1,
    KEYWORD_SMTPUTF8 = 1 << 2,
    KEYWORD_8BITMIME = 1 << 3,
    KEYWORD_PIPELINING = 1 << 4,
    KEYWORD_SIZE = 1 << 5,
    KEYWORD_CHUNKING = 1 << 6,
    KEYWORD_DSN = 1 << 7,
    KEYWORD_AUTH = 1 << 8,
    KEYWORD_ENHANCEDSTATUSCODES = 1 << 9,
    KEYWORD_MT_PRIORITY = 1 << 10,
    KEYWORD_LIMITS = 1 << 11,
};

/* Steps of the endpoint script, for times and for saying where it ended (order of the script). */
#define ENDPOINT_STEP_COUNT 8 /* probe/endpoint.c asserts it */

/* One TLSA record's fate against the chain. */
enum tlsa_fate {
    TLSA_UNUSABLE,   /* DANE-21..23 */
    TLSA_OUTCLASSED, /* digest agility: a stronger digest of the same usage and selector exists */
    TLSA_NO_MATCH,
    TLSA_MATCH,       /* EE: the leaf; TA: see depth; names not yet checked */
    TLSA_CHAIN_FAILS, /* TA: its certificate is there, but the path below it does not verify */
};
struct tlsa_result {
    enum tlsa_fate fate;
    uint8_t depth; /* of the matching certificate in the verified path; 0: the leaf */
    uint8_t usage, selector, matching_type;
    int verify; /* X509_V_* for TLSA_CHAIN_FAILS */
};

/* A peer that refuses our TLS is connected to once more, to name what it takes (probe/tls_hello).
 */
enum naming {
    NAMING_NONE,     /* there was no need to */
    NAMING_ANSWERED, /* it named that, or refused the second one as well */
    NAMING_UNSEEN,   /* it did not let us see */
    NAMING_SLOWED,   /* … because we come too often */
    NAMING_OURS,     /* there was no second one, or it failed, for reasons of our own */
};

/* The identity of an endpoint; equal keys share one probe. */
struct endpoint_key {
    struct address address;
    uint16_t port;
    struct name server_name; /* SNI: TLSA base domain (DANE-35) or MX host (TLS-17) */
    uint8_t tlsa_digest[16]; /* XXH3-128 of the canonical TLSA RRset; zero: none */
};
uint64_t endpoint_key_hash(const struct endpoint_key *key);
bool endpoint_key_equal(const struct endpoint_key *a, const struct endpoint_key *b);

struct evidence {
    atomic_uint references;
    struct endpoint_key key;

    uint64_t began_ms;  /* boot time, stamped before the connect is submitted; or of a delivery */
    uint64_t looked_ms; /* renewed by a delivery: when the probe itself began; 0: it was not */
    int64_t looked_wall_s; /* … and ended */
    uint64_t proved_ms; /* `resumed`: when the probe began that the certificate is from; else 0 */
    uint64_t ended_ms;
    int64_t ended_wall_s;
    enum outcome outcome;
    uint8_t step;                          /* where it ended */
    uint32_t step_us[ENDPOINT_STEP_COUNT]; /* time spent in each */
    int error;        /* errno of the connection, or X509/SSL detail by outcome */
    char detail[160]; /* one sentence for people, printable ASCII */

    uint16_t smtp_code;  /* of the reply that decided, 0: none */
    char smtp_text[256]; /* its text, escaped (CODE-12), cut */
    char greeting[160];
    bool greeted_esmtp, multiline_greeting;
    bool offered_starttls; /* before TLS */
    uint32_t keywords;     /* after TLS */

    uint16_t tls_version; /* 0x0303 …; 0: none. Also for weak peers */
    char cipher[48], group[32], signature[48];
    /* The peer proved that it is who it was at the last full handshake: chain, signature, pkix and
     * tlsa are from there (probe/sessions.h). */
    bool resumed;
    uint8_t alert; /* TLS alert description received, 0: none */
    enum naming naming;
    uint8_t chain_count;
    bool chain_cut; /* more was sent than was looked at: what is not there proves nothing */
    const struct certificate *chain[LIMIT_CHAIN]; /* as sent, leaf first; where room was scarce
                                                     only the leaf is kept of those looked at */
    int pkix;                                     /* X509_V_* without names; -1: not asked */
    uint8_t tlsa_count;
    struct tlsa_result tlsa[LIMIT_TLSA]; /* in the order of the TLSA answer of the host */

    uint16_t transcript_size;
    char transcript[LIMIT_TRANSCRIPT]; /* "S: …\nC: …\n", escaped, cut */
};

/* The peer refuses our TLS; it may be weak, or not do any: nobody knows. */
static inline bool evidence_is_unnamed(const struct evidence *evidence)
{
    return evidence->naming != NAMING_NONE && evidence->naming != NAMING_ANSWERED;
}

/* Something follows from the certificate, not only from TLS. */
static inline bool evidence_certificate_counts(const struct evidence *evidence)
{
    for (unsigned i = 0; i < evidence->tlsa_count; i++)
        if (evidence->tlsa[i].fate == TLSA_MATCH)
            return true;
    return evidence->pkix == 0;
}

/* When the probe began that saw all this. */
static inline uint64_t evidence_looked_ms(const struct evidence *evidence)
{
    return evidence->looked_ms != 0 ? evidence->looked_ms : evidence->began_ms;
}
/* … and ended, by the wall clock. */
static inline int64_t evidence_looked_wall_s(const struct evidence *evidence)
{
    return evidence->looked_ms != 0 ? evidence->looked_wall_s : evidence->ended_wall_s;
}
/* The same facts, seen again: as of a delivery that began at `began_ms` and proved them at `at_s`
 * by the wall clock (policy/delivery.h). One reference for the caller; NULL: no memory. */
const struct evidence *evidence_renew(const struct evidence *evidence, uint64_t began_ms,
                                      int64_t at_s);

const struct evidence *evidence_hold(const struct evidence *evidence);
void evidence_drop(const struct evidence *evidence);

#endif
