/*
 * answer.h - may this mail leave now, and under which policy? A pure function of what a sender
 * demands, what is remembered, and what was seen; the same in daemon and library. Any thread.
 *
 * Law 1 stands in one place, here: evidence shapes the policy, and only evidence that is definite
 * and fresh stops a mail. Everything else is `send` under a policy that enforces the demand at the
 * delivery, or, where no text can express it, `defer`.
 *
 *   demands (each with a source) ─► the strictest ─► met? ─► send | defer | stop, policy, code,
 * text
 */
#ifndef MXWARD_SHM_ANSWER_H
#define MXWARD_SHM_ANSWER_H

#include "shm/postfix.h"
#include "shm/profile.h"
#include "shm/verdict.h"

#include <stddef.h>

/* From mild to hard. Numbers are part of the wire: append only. */
enum action { ACTION_SEND, ACTION_DEFER, ACTION_STOP, ACTION_COUNT };

/* Who demands. When several demand the same, the last one here is named. Append only. */
enum demand_source {
    DEMAND_NOBODY,
    DEMAND_MEMORY,     /* MEM-01..09, S10 */
    DEMAND_STS,        /* MTA-STS `enforce` */
    DEMAND_DANE,       /* usable TLSA records at every host behind a signed MX record, S9 */
    DEMAND_RULE,       /* an administrator's */
    DEMAND_REQUIRETLS, /* RTLS-02 */
    DEMAND_ALIAS,      /* a secure alias as sender, S13 */
    DEMAND_PROFILE,    /* the sender's account, S1 */
    DEMAND_SOURCE_COUNT
};

/* Why a demand was left out. The exemptions are a table in answer.c. Append only. */
enum exemption {
    EXEMPTION_NONE,
    EXEMPTION_AUTO_REPLY,      /* S8, MSG-05 */
    EXEMPTION_FORWARD,         /* S8 */
    EXEMPTION_TLS_REPORT,      /* RPT-15 */
    EXEMPTION_TLS_REQUIRED_NO, /* RTLS-07 */
    EXEMPTION_USER,            /* switched off by the user, for this domain or all, for a time */
    EXEMPTION_RULE,            /* an administrator's, for what is remembered */
    EXEMPTION_COUNT
};

/* Does the recipient publish a key for end-to-end encryption in the DNS (S14, DANE-44)? Append
 * only.
 */
enum mail_key {
    MAIL_KEY_NOT_ASKED,
    MAIL_KEY_NONE,    /* none, or none that DNSSEC vouches for */
    MAIL_KEY_PRESENT, /* secure */
    MAIL_KEY_UNKNOWN, /* the look-up failed, or took too long */
    MAIL_KEY_COUNT
};

/* What the MTA knows of the message. Asserted: by the MTA itself, of its own doing; nobody outside
 * can bring them about. Claimed: the message says so, which by itself lowers nothing (PIT-19). */
enum {
    FACT_AUTHENTICATED = 1 << 0,  /* asserted: submitted by the authenticated account */
    FACT_LOCAL_ORIGIN = 1 << 1,   /* asserted: made on this system, did not come over the network */
    FACT_FORWARD = 1 << 2,        /* asserted: a standing forward of the account hands it on */
    FACT_TLS_REPORT = 1 << 3,     /* asserted: carries a TLS report (RFC 8460) */
    FACT_NULL_SENDER = 1 << 4,    /* asserted: the envelope sender is <> */
    FACT_REQUIRETLS = 1 << 5,     /* asserted: came with REQUIRETLS (RFC 8689) */
    FACT_AUTO_SUBMITTED = 1 << 8, /* claimed: Auto-Submitted other than "no" (MSG-02) */
    FACT_TLS_REQUIRED_NO = 1 << 9, /* claimed: "TLS-Required: No" */
};
#define FACTS_KNOWN 0x33f

struct answer_question {
    const struct profile
        *profile;                /* of the sender's account; NULL: none, or switched off for good */
    const struct profile *alias; /* of the sender's secure alias, if it demands as sender */
    enum alias_mode alias_mode;  /* for the text alone */
    bool switched_off; /* `profile` is excepted for this recipient and this message, by the user */
    bool observe;      /* everything is only observed */
    bool enforced;     /* as if nothing were: who asks enforces the policy whatever is observed */
    uint32_t facts;
    const struct verdict *verdict; /* NULL: nothing is known of the next hop */
    const char *next_hop; /* its name, canonical; NULL or "": it has none, or it does not matter */
    /* What is ruled of the recipient's domain, where the next hop is another (a transport map);
     * else NULL. A refusal holds whatever the way; levels are demanded of the next hop alone
     * (PIT-14). */
    const struct floor *recipient_floor;
    bool stale; /* the verdict is older than was asked for: it shapes the policy, and no more */
    /* For the text, and for nothing else: a key is no reason to send (DANE-44). */
    enum mail_key openpgp, smime;
    uint64_t now_ms; /* boot clock: for the age in the text */
    int64_t now_s;   /* wall clock: for what runs out */
};

/* One line of the derivation, for `explain`. */
struct demand {
    enum demand_source source;
    enum level level;
    enum unmet unmet;
    enum exemption exemption; /* why it does not count; EXEMPTION_NONE: it counts */
    bool met;                 /* by definite, fresh evidence */
    bool failed;              /* by definite, fresh evidence it is not; neither: not known */
};

#define ANSWER_TEXT_MAX 512 /* bytes with NUL, printable ASCII (CODE-12) */

/* Beyond the terminators of its texts, and beyond the last demand, it is left as it was. */
struct answer {
    enum action action;
    enum action would; /* without observe; the same as `action` where nothing is observed */
    /* Of what would have been not all is enforced: with observe nothing, and where only the profile
     * observes, what a sender without one gets. */
    bool observed;
    enum level demand;         /* the strictest that counts */
    enum demand_source source; /* whose it is; DEMAND_NOBODY: nobody demands anything */
    /* Whose demand stops or holds it, as `would` says: not always the strictest. */
    enum demand_source decided_by;
    enum exemption exemption; /* of the strictest demand that was left out */
    bool insecure;            /* not sent because a demand is seen not to be met */
    bool alarm; /* what is remembered is contradicted: an administrator must look (S10) */
    uint8_t demand_count;
    struct postfix_policy policy; /* to be enforced; there is one also beside defer and stop */
    char code[16];                /* enhanced status code of `would`: "2.0.0", "4.7.4", "5.7.4" */
    char text[ANSWER_TEXT_MAX];   /* of `would`, too */
    struct demand demands[DEMAND_SOURCE_COUNT]; /* all that were raised, in order of the enum */
};

void answer_decide(struct answer *answer, const struct answer_question *question);

/* What would make it another answer, in one or two sentences for people; returns the length. */
size_t answer_change(const struct answer *answer, const struct answer_question *question,
                     char *text, size_t size);

const char *action_name(enum action action);
const char *demand_source_name(enum demand_source source);
const char *exemption_name(enum exemption exemption);
const char *alias_mode_name(enum alias_mode mode); /* "none", "off", "on", "expert" */
const char *mail_key_name(enum mail_key key);      /* "not-asked", "none", "present", "unknown" */

#endif
