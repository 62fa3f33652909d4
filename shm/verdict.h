/*
 * verdict.h - the verdict of a domain as it is published and sent: plain data, fixed size, no
 * pointers. verdict_record.h has its packed form in the table; wire/frame its form on the socket.
 *
 * The policy is structured, not text: what an MTA must enforce so that delivery to the domain has
 * at least `level`. The text for Postfix is made from it in shm/postfix.
 */
#ifndef MXWARD_SHM_VERDICT_H
#define MXWARD_SHM_VERDICT_H

#include "shm/level.h"

#include <stdbool.h>
#include <stdint.h>

#define VERDICT_MATCH_MAX \
    512 /* bytes of names for `match=`; a set that does not fit is not claimed */

/* How sure, for the next look: decides the age at which it must be looked at again. */
enum conclusion {
    CONCLUSION_DEFINITE,      /* evidence from every host that matters */
    CONCLUSION_INCONCLUSIVE,  /* some host did not let us see, or we were late: temporary */
    CONCLUSION_TEMPORARY,     /* MX, address or TLSA look-up failed: temporary error (law 1) */
    CONCLUSION_UNDELIVERABLE, /* null MX, NXDOMAIN, no usable host: final, see `cause` */
    CONCLUSION_COUNT
};

/* Why, in one word: the row that decided. Text with parameters is made by shm/sentence. Append
 * only. */
enum cause {
    CAUSE_NONE = 0,
    CAUSE_NOT_LOOKED,
    CAUSE_DANE, /* every host that can get mail authenticates by DANE, MX secure */
    CAUSE_DANE_INSECURE_MX,
    CAUSE_VERIFIED,
    CAUSE_ENCRYPTED,
    CAUSE_ENCRYPTED_TLSA_UNUSABLE, /* DANE-12 */
    CAUSE_WEAK_TLS,
    CAUSE_NO_STARTTLS,
    CAUSE_STARTTLS_REFUSED,
    CAUSE_TLS_BROKEN,
    CAUSE_DANE_FAILS,  /* usable TLSA, no host matches: failing */
    CAUSE_DANE_NO_TLS, /* TLSA says TLS, host does not do it: failing */
    CAUSE_UNREACHABLE,
    CAUSE_RATE_LIMITED,
    CAUSE_OURS, /* late, resources, limited */
    CAUSE_MX_TROUBLE,
    CAUSE_MX_BOGUS,
    CAUSE_ADDRESS_TROUBLE,
    CAUSE_TLSA_TROUBLE,
    CAUSE_DNS_BOGUS,
    CAUSE_NULL_MX,    /* 5.1.10 */
    CAUSE_NO_DOMAIN,  /* NXDOMAIN: 5.1.2 */
    CAUSE_NO_HOST,    /* no address for any MX host: 5.4.4, deferred as 4.4.4 */
    CAUSE_ALIAS_LOOP, /* 4.4.6 */
    CAUSE_STS,
    CAUSE_STS_FAILS, /* with the MTA-STS issue */
    CAUSE_LOOP,      /* the best mail host is the sender's own (MX-15): 5.4.6 */
    CAUSE_COUNT
};

/* What the MTA is to enforce. */
enum enforce {
    ENFORCE_NOTHING = 0,  /* leave the MTA's default */
    ENFORCE_ENCRYPT,      /* encrypt, TLS >= 1.2 */
    ENFORCE_DANE,         /* dane: hosts without TLSA fall to the MTA's opportunistic level */
    ENFORCE_DANE_ONLY,    /* only hosts with usable TLSA; needs a secure MX */
    ENFORCE_SECURE_MATCH, /* PKIX, certificate names one of `match` */
    /* DANE at hosts with usable TLSA, TLS >= 1.2 at all others; Postfix cannot say that, Exim and
     * libmxward can (shm/postfix says what Postfix gets instead) */
    ENFORCE_DANE_ELSE_ENCRYPT,
    ENFORCE_COUNT
};

enum {
    VERDICT_MX_SECURE = 1 << 0,
    VERDICT_IMPLICIT_MX = 1 << 1,
    VERDICT_ALL_HOSTS_DANE = 1 << 2, /* every host that may get mail has usable TLSA */
    VERDICT_SOME_HOSTS_DANE = 1 << 3,
    VERDICT_HOSTS_CUT = 1 << 4,      /* MX-18: more hosts than evaluated */
    VERDICT_REQUIRETLS_ALL = 1 << 5, /* every host offers REQUIRETLS inside TLS */
    VERDICT_REQUIRETLS_SOME = 1 << 6,
    VERDICT_MIXED = 1 << 7, /* hosts differ in what they reach */
    VERDICT_POSTFIX_UNSAFE_TLSA =
        1 << 8, /* a TLSA record without data: Postfix 3.7.11 aborts on it */
    VERDICT_TLS13_ALL = 1 << 9,
    VERDICT_TLS12_ONLY_SOME = 1 << 10,
    VERDICT_SOME_HOSTS_FAIL_DANE = 1 << 11, /* usable TLSA, and seen not to meet it */
    VERDICT_TLSA_UNKNOWN_SOME = 1 << 12,    /* a host's TLSA look-up failed, or was not made */
    VERDICT_ALL_HOSTS_TLSA = 1 << 13, /* as ALL_HOSTS_DANE, unusable TLSA counted: TLS everywhere */
    VERDICT_SOME_HOSTS_TLSA = 1 << 14, /* as SOME_HOSTS_DANE, unusable TLSA counted */
    VERDICT_RESUMED = 1 << 15, /* at some host a TLS session was resumed: its certificate is that of
                                  the last full handshake, some minutes ago at most */
};

/* --- what is remembered and ruled about the domain: the ledger's part of a record --- */

/* How the remembered level was proved (MEM-01). Append only. */
enum proof {
    PROOF_NONE,
    PROOF_HANDSHAKES,    /* completed handshakes, spaced (MEM-02) */
    PROOF_DANE,          /* usable TLSA behind a signed MX record, seen to be met */
    PROOF_STS,           /* an MTA-STS policy in force */
    PROOF_ADMINISTRATOR, /* imported or raised by hand */
    PROOF_COUNT
};

/* What an administrator ruled about the domain. Append only. */
enum rule {
    RULE_NONE,
    RULE_PIN,    /* nothing below `rule_level`, whoever sends */
    RULE_EXEMPT, /* what is remembered demands nothing */
    RULE_REFUSE, /* no mail at all */
    RULE_COUNT
};

/* Wall clocks that can be right are between these, seconds since 1970 (FRESH-06; the same as
 * LIMIT_CLOCK_* in engine/base/limits.h). By another one no rule has run out, and no exemption with
 * an end still holds. */
#define RULE_CLOCK_FIRST_S INT64_C(1767225600)
#define RULE_CLOCK_LAST_S  (RULE_CLOCK_FIRST_S + INT64_C(30) * 31556952)

enum {
    FLOOR_CONTRADICTED = 1 << 0, /* definite evidence is below what is remembered: held, and an
                                    administrator decides (MEM-05) */
    FLOOR_UNREADABLE = 1 << 1,   /* the ledger's record was broken: TLS required, level unknown
                                    (MEM-08) */
    FLOOR_OBSERVE = 1 << 2,      /* this domain is only observed */
    FLOOR_UNKNOWN = 1 << 3,      /* never in a record: nobody could tell in time what is remembered
                                    and ruled; the rest is empty */
};

/* All zero: nothing remembered, nothing ruled. */
struct floor {
    uint8_t level;       /* enum level: remembered of the domain */
    uint8_t hosts_level; /* enum level: what its mail hosts, remembered, add */
    uint8_t proof;       /* enum proof, of `level` */
    uint8_t flags;
    uint8_t rule;               /* enum rule */
    uint8_t rule_level;         /* enum level; RULE_PIN */
    uint32_t rule_until_s;      /* wall clock, since 1970; 0: without end */
    uint32_t contradicted_at_s; /* wall clock: since when; 0: not */
    uint32_t seen_at_s;         /* wall clock: when the level was last confirmed; 0: never */
};

/* The SHA-256 digests of public keys that stand for all hosts that may get mail: TLSA records
 * `3 1 1` where there are usable TLSA records, the leaf seen elsewhere (policy/pins says when).
 * They end with the verdict, and are never part of what is remembered (MEM-03). */
#define VERDICT_PINS_MAX 7
struct pins {
    uint8_t count; /* 0: there is no such set */
    uint8_t sha256[VERDICT_PINS_MAX][32];
};

struct verdict {
    enum tls_class class;
    enum level level; /* the highest that the policy below enforces for the whole domain */
    enum conclusion conclusion;
    enum cause cause;
    enum enforce enforce;
    uint32_t flags;
    uint16_t tls_version;    /* least seen among hosts that encrypt; 0: none */
    uint8_t hosts;           /* evaluated */
    uint8_t hosts_good;      /* reaching `level` now */
    uint16_t smtp_code;      /* of the host in `host`, if a reply decided */
    uint64_t began_ms;       /* boot time: least began_ms of the evidence: what freshness asks */
    uint64_t valid_until_ms; /* boot time: DNS part (MX-17, FRESH-01) */
    uint32_t config_epoch;
    char host[256]; /* the host that decided, canonical; "" if none */
    /* Names that a certificate verified by PKIX may bear to stand for the domain, joined by ':',
     * LDH only (PIT-23): what `secure` needs, given wherever it would lower nothing. */
    char match[VERDICT_MATCH_MAX];
    struct pins pins;
    struct floor floor;
    /* Of the host that decided; only for texts, not kept in the table. */
    char address[46]; /* "" if none */
    uint16_t port;    /* 0: not known */
};

#endif
