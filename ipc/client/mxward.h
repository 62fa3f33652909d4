/*
 * mxward.h - asking mxward, for C and C++. The manual is libmxward(3).
 *
 * A handle reads the daemon's tables in shared memory, and has one connection to its native socket.
 * What the table knows, as fresh as is asked for, is answered from it: no system call, no wait.
 * Else the daemon is asked; and if it is away, or silent, the answer is what the table knows, as
 * far as the mail may go with that, or under a policy that enforces the demand. What is left is
 * temporary, never "send" and never "bounce": only the daemon stops mail.
 *
 * One message at a time:           Many at once, one call:
 *
 *   mxw_open(&m, NULL);              mxw_decide_many(m, messages, count, 5000,
 *   mxw_decide(m, &message,                          answer, context);
 *              &decision, 5000);
 *   mxw_close(m);                  Event loops: mxw_start.
 *
 * The handle connects when the daemon is first needed, and again after it went away. A call that
 * fails has a status, and mxw_reason says in a sentence what happened and what to do.
 *
 * THREADS. Nothing is global. A handle belongs to one thread at a time; open as many as you like.
 * Different handles never wait for each other. A call amid another one of the same handle, from
 * another thread or from a callback, does nothing and gives MXW_USAGE; mxw_reason, and what else
 * has the handle as const, is not looked after.
 *
 * FORK. After fork a handle may be used on both sides, and closed on both. The connection, and what
 * is outstanding on it, stays with the process that made it; another process connects anew when it
 * first needs to, and shares with the other only the table, which nobody writes to. A handle that
 * another thread was inside of at the fork is lost for the child: every call gives MXW_USAGE. A
 * child made by vfork or clone(CLONE_VM) must not use one.
 *
 * LAYOUT. Structs of the caller begin with their size: set it, and every default, with the
 * MXW_…_INIT macros. They only grow at the end. Structs that the library fills have room for later
 * fields (`reserved`, 0 until then). So a program runs with every later libmxward.so.0, and with an
 * earlier one as long as it uses nothing that is newer (else MXW_USAGE). Numbers of later daemons
 * that this library does not know are told as "?", and an action that it does not know as "defer".
 * A table that a later daemon writes in another way is not read: then the daemon is asked.
 */
#ifndef MXWARD_CLIENT_MXWARD_H
#define MXWARD_CLIENT_MXWARD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define MXW_STANDARD_SOCKET "/run/mxward/mxward.sock"

struct mxw; /* a handle */

enum mxw_status {
    MXW_OK = 0,
    MXW_UNREACHABLE = 1,   /* no daemon there, or it went away: ask again later */
    MXW_NOT_PERMITTED = 2, /* this user may not connect, or may not ask that */
    MXW_TIMEOUT = 3,       /* nothing came within the time given to the call */
    MXW_BUSY = 4,          /* the daemon turned the question away: ask again after retry_ms */
    MXW_LATE = 5,          /* not known before the question's deadline: temporary */
    MXW_TROUBLE = 6,       /* the daemon could not, for want of resources: temporary */
    MXW_INVALID = 7,       /* not a domain, address or next hop: final */
    MXW_REFUSED = 8,       /* reload: the new configuration is bad, the old one goes on */
    MXW_PROTOCOL = 9,      /* we and the daemon do not understand each other */
    MXW_USAGE = 10,        /* the call is not possible now, see mxw_reason */
    MXW_MEMORY = 11, /* this program has none left: temporary, and says nothing about the domain */
    MXW_FULL = 12,   /* mxw_send: receive some answers first; nothing was sent */
    MXW_ABSENT = 13  /* mxw_order: there is no such account, entry or rule */
};

enum mxw_freshness {
    MXW_ANY = 0,     /* whatever is still good */
    MXW_MAX_AGE = 1, /* probes that began at most max_age_ms ago */
    MXW_LIVE = 2     /* probes that begin after the question came */
};

enum mxw_right {
    MXW_MAY_QUERY = 1,
    MXW_MAY_SWITCH = 2,
    MXW_MAY_ADMINISTER = 4,
    MXW_MAY_OBSERVE = 8
};

struct mxw_options {
    size_t size;
    const char *socket;  /* NULL: MXW_STANDARD_SOCKET */
    const char *program; /* who asks, for the daemon's log; may be NULL */
    /* Folder of the tables (daemon.run_directory); NULL: the one that the socket is in; "": none,
     * then only the daemon answers. A table that is not there, or may not be read, is no error. */
    const char *tables;
    int connect_ms; /* for the connection and the first greeting, at most; 0: 5000 */
    int reserved;   /* 0 */
};
#define MXW_OPTIONS_INIT                                   \
    {                                                      \
        sizeof(struct mxw_options), NULL, NULL, NULL, 0, 0 \
    }

struct mxw_question {
    size_t size;
    const char *next_hop; /* domain, domain:port, [host], [address] or user@domain */
    int freshness;        /* enum mxw_freshness */
    uint32_t max_age_ms;
    uint32_t deadline_ms; /* the daemon's, from the question's arrival; 0: its own */
    int scan;             /* not 0: in bulk; served after all others */
};
#define MXW_QUESTION_INIT                                   \
    {                                                       \
        sizeof(struct mxw_question), NULL, MXW_ANY, 0, 0, 0 \
    }

/* What is known of a domain. Numbers and their words; words of later daemons may be "?". The
 * *_name pointers are constants of the library. */
struct mxw_verdict {
    size_t size;
    char next_hop[272]; /* canonical */
    unsigned tls_class, level, conclusion, cause, enforce;
    const char *class_name;      /* none weak unknown failing encrypted verified sts dane */
    const char *level_name;      /* none opportunistic encrypt … authenticated */
    const char *sign;            /* for people: "no SSL", "SSL ok", "DANE ok", "SSL ?" */
    const char *conclusion_name; /* definite inconclusive temporary undeliverable */
    const char *enforce_name;    /* nothing encrypt dane dane-only secure … */
    char cause_name[64];
    uint32_t flags;       /* mxw_flag_name tells their names */
    uint16_t tls_version; /* 0x0304 is TLSv1.3; 0: none */
    const char *tls_name;
    unsigned hosts, hosts_good, smtp_code;
    uint64_t age_ms;      /* of the oldest evidence in it */
    int64_t valid_for_ms; /* of its DNS part */
    int64_t ended_s;      /* when it was known, UTC; 0: not told */
    uint32_t config_epoch;
    char host[256];       /* that decided; "" if none */
    char match[512];      /* names for enforce_name "secure" */
    char sentence[512];   /* why, for people */
    char status_code[64]; /* "4.7.4", …: goes with it if mail is held or stopped */
    char policy[768];     /* for Postfix; "" when there is none to give */
    int limited;          /* not as fresh as asked: the politeness budget is spent */
    int from_table;
    uint64_t reserved[16];
};

/* --- one message to one recipient: may it leave, and how? --- */

/* What the mail program knows of the message. Asserted facts are of its own doing, nobody outside
 * can bring them about; claimed ones stand in the message and lower nothing by themselves. */
enum mxw_fact {
    MXW_AUTHENTICATED = 1 << 0,  /* asserted: submitted by the account in `sasl` */
    MXW_LOCAL_ORIGIN = 1 << 1,   /* asserted: made on this system */
    MXW_FORWARD = 1 << 2,        /* asserted: a standing forward of the sender hands it on */
    MXW_TLS_REPORT = 1 << 3,     /* asserted: carries a TLS report */
    MXW_NULL_SENDER = 1 << 4,    /* asserted: the envelope sender is <> */
    MXW_REQUIRETLS = 1 << 5,     /* asserted: came with REQUIRETLS */
    MXW_AUTO_SUBMITTED = 1 << 8, /* claimed: Auto-Submitted, see mxw_is_automatic */
    MXW_TLS_REQUIRED_NO = 1 << 9 /* claimed: TLS-Required: No, see mxw_says_tls_not_required */
};

/* For MXW_AUTO_SUBMITTED, from the value of the field Auto-Submitted (NULL: there is none): not 0
 * if it is any word but "no" (RFC 3834). For MXW_TLS_REQUIRED_NO, from that of TLS-Required (RFC
 * 8689); a message with several such fields says nothing. */
int mxw_is_automatic(const char *auto_submitted);
int mxw_says_tls_not_required(const char *tls_required);

enum mxw_action { MXW_SEND = 0, MXW_DEFER = 1, MXW_STOP = 2 };
/* Does the recipient publish a key for end-to-end encryption in the DNS? */
enum mxw_key {
    MXW_KEY_NOT_ASKED = 0,
    MXW_KEY_NONE = 1,    /* none, or none that DNSSEC vouches for */
    MXW_KEY_PRESENT = 2, /* it does, and DNSSEC vouches for it */
    MXW_KEY_UNKNOWN = 3  /* the look-up failed, or took too long */
};
enum mxw_policy { MXW_POLICY_DEFAULT = 0, MXW_POLICY_TEXT = 1, MXW_POLICY_NONE = 2 };

struct mxw_message {
    size_t size;
    const char *sender;    /* envelope sender; "<>": the null sender; NULL: nobody's demand */
    const char *sasl;      /* account that submitted it; NULL: none */
    const char *recipient; /* address, or its domain */
    const char *next_hop;  /* where it will be sent; NULL: the recipient's domain */
    const char *profile;   /* demands this profile, whoever sends; NULL: the sender's own */
    uint32_t facts;        /* enum mxw_fact, added */
    int64_t accepted_s;    /* when the message was accepted, seconds since 1970; 0: now */
    int freshness;         /* enum mxw_freshness; -1: as the profile says */
    uint32_t max_age_ms;
    uint32_t deadline_ms; /* the daemon's; 0: its own */
    /* Mail coming in for a recipient here: is it allowed over this connection? */
    int inbound;
    unsigned client_tls;        /* 0x0303: TLS 1.2; 0: none */
    const char *client_address; /* NULL: not known */
    /* Not 0: look for keys that the recipient publishes, whatever the answer is; without it they
     * are looked for when the mail is not sent for want of security. It takes two seconds at most
     * and changes no answer. */
    int want_keys;
    /* Not 0: as if nothing were only observed, for who enforces the policy whatever is. */
    int enforced;
};
#define MXW_MESSAGE_INIT                                                                           \
    {                                                                                              \
        sizeof(struct mxw_message), NULL, NULL, NULL, NULL, NULL, 0, 0, -1, 0, 0, 0, 0, NULL, 0, 0 \
    }

/* The *_name pointers are constants of the library. */
struct mxw_decision {
    size_t size;
    int action, would;       /* enum mxw_action; `would`: if nothing were only observed */
    int observed;            /* not 0: nothing of it is to be enforced */
    const char *action_name; /* send defer stop */
    const char *would_name;
    const char *demand_name; /* level: none … authenticated */
    const char
        *source_name; /* whose demand: nobody memory sts dane rule requiretls alias profile */
    const char *exemption_name; /* why a stricter demand was left out; "none" */
    int alarm;                  /* what is remembered is contradicted */
    int policy_kind;            /* enum mxw_policy */
    char policy[768];           /* right-hand side of smtp_tls_policy_maps */
    int guarantees; /* what the policy guarantees for the whole domain; a level, greater is more */
    const char *guarantees_name;
    /* Both of `action`: only observed, they are 250 and 2.0.0; the text is of `would`. */
    unsigned smtp_code; /* 250, 451, 550, 556, …: where it is said in an SMTP dialogue */
    char code[64];      /* "4.7.4" */
    char text[512];     /* for people */
    char profile[64];
    const char *class_name, *level_name, *sign; /* of what was seen */
    unsigned cause;
    char host[256];
    int64_t age_ms; /* of the evidence; -1: there is none */
    int limited, from_table, refuse_at_rcpt;
    int insecure;                          /* `would`: because a demand is seen not to be met */
    int openpgp, smime;                    /* enum mxw_key */
    const char *openpgp_name, *smime_name; /* not-asked none present unknown */
    uint64_t reserved[16];
};

struct mxw_result {
    size_t size;
    uint64_t id; /* as mxw_send gave it */
    /* MXW_OK: verdict or decision is filled. Else `sentence` says why, and `decision` is temporary
     * ("defer", 451). */
    int status;
    uint32_t retry_ms;
    char sentence[512]; /* also of an observation that is taken: what was taken of it */
    struct mxw_verdict verdict;
    int decided; /* not 0: it answers a message */
    int taken;   /* not 0: it answers mxw_send_observation, and there is neither of them */
    struct mxw_decision decision;
    uint64_t reserved[16];
};

struct mxw_daemon { /* what the daemon told about itself; grows at the end */
    size_t size;
    char version[64];
    uint32_t rights;   /* enum mxw_right, added */
    uint32_t requests; /* that may be outstanding on this connection; more wait in the socket */
    uint32_t config_epoch;
    uint32_t process;
};

/* Makes a handle; does not connect yet. `options` may be NULL. */
int mxw_open(struct mxw **handle, const struct mxw_options *options);
void mxw_close(struct mxw *handle); /* NULL is fine */
/* Connects now (also again, after mxw_disconnect), to know who is there. */
int mxw_connect(struct mxw *handle);
/*
 * For event loops: connects without waiting for the daemon's welcome. From then on nothing of this
 * handle waits: mxw_send and mxw_send_message give MXW_FULL where they would. Answers are taken by
 * mxw_receive with wait_ms 0 until MXW_TIMEOUT, when mxw_descriptor is readable, and when mxw_ready
 * says after sending that some are there already (from the table, which no descriptor tells of).
 * While nothing is outstanding, mxw_process is called when the descriptor is readable; it is MXW_OK
 * as long as the daemon is there. Is it lost, start it again when you like: until then messages are
 * answered from the table, or not taken.
 */
int mxw_start(struct mxw *handle);
int mxw_process(struct mxw *handle);
void mxw_disconnect(struct mxw *handle); /* outstanding questions are forgotten */
/* Why the last call failed, in one sentence; valid until the next call. */
const char *mxw_reason(const struct mxw *handle);
const char *mxw_status_name(int status);
const char *mxw_flag_name(unsigned index, uint32_t *bit);     /* index 0, 1, …; NULL: no more */
const struct mxw_daemon *mxw_about(const struct mxw *handle); /* after a connection */

/* One question, and waits. From the table if its verdict is as fresh as is asked for, also while
 * the daemon is away; else the daemon's. Reconnects once if it was restarted meanwhile. */
int mxw_check(struct mxw *handle, const struct mxw_question *question, struct mxw_verdict *verdict,
              int wait_ms);

/* Many: send as many as you like, receive answers in any order. A lost connection gives
 * MXW_UNREACHABLE once; all questions then outstanding are to be asked again. */
int mxw_send(struct mxw *handle, const struct mxw_question *question, uint64_t *id);
int mxw_receive(struct mxw *handle, struct mxw_result *result, int wait_ms);
/* Questions are sent some together, at the latest by mxw_receive, or here. */
int mxw_flush(struct mxw *handle);
unsigned mxw_outstanding(const struct mxw *handle);
/* Of them, those whose answers are here already: mxw_receive gives one without waiting. */
unsigned mxw_ready(const struct mxw *handle);
/* For poll, after mxw_flush: the socket, or -1. Readable: mxw_receive with wait_ms 0, until
 * MXW_TIMEOUT. */
int mxw_descriptor(const struct mxw *handle);

/* All of `questions`, `window` of them outstanding at a time (0: a good number). `answer` is called
 * for each, with the question's place in the array; returning other than 0 stops, and is returned
 * negated. Busy questions are asked again. */
typedef int mxw_answer(void *context, size_t place, const struct mxw_result *result);
int mxw_check_many(struct mxw *handle, const struct mxw_question *questions, size_t count,
                   unsigned window, int wait_ms, mxw_answer *answer, void *context);

/*
 * One message to one recipient, and waits, `wait_ms` at most; 0: the table alone, without asking
 * anybody (also while questions are outstanding). The decision is filled whatever the status is:
 *
 * MXW_OK: to be done. `from_table` and `limited` say what it rests on.
 * MXW_INVALID: not an address, next hop or profile: final.
 * Else: nobody could tell, and it is the status of who was asked. The decision is temporary:
 * "defer", 451 and 4.x.x, with a text that says why. Never send or bounce mail for it.
 *
 * While the daemon is away, or in trouble, the table answers where mail may go: on evidence as
 * fresh as is asked for as the daemon would, on what is older under a policy that enforces the
 * demand (`limited`), where there is one; what is temporary by fresh evidence it says, too. It
 * stops nobody, however fresh its evidence is: a "stop" is temporary until the daemon says it, with
 * the status of who was asked (mxward-gate has the same rule). For that a daemon is away is our
 * failure, never the sender's; it would also have told the administrator, looked for the
 * recipient's keys, and known what was switched or ruled meanwhile; and a notice to the sender
 * cannot be taken back. Of a daemon that does not answer no call waits more than once a second, if
 * the table has an answer. If it has none, a daemon that is away is waited for: it may be starting
 * anew. If it stays away, that costs three seconds in all, and not each time.
 */
int mxw_decide(struct mxw *handle, const struct mxw_message *message, struct mxw_decision *decision,
               int wait_ms);
/* Without waiting; answered by mxw_receive, also if the table has answered. While the daemon is
 * away: as mxw_decide, or the status of who was asked, and nothing is outstanding. Where the daemon
 * answers that it is in trouble (busy, no memory) the result is what the table knows then, as in
 * mxw_decide; for that the library keeps the messages that are out, some hundred bytes each. */
int mxw_send_message(struct mxw *handle, const struct mxw_message *message, uint64_t *id);

/*
 * One message each to up to MXW_MANY recipients, in one call, `wait_ms` at most for all. Those that
 * the table knows are answered first, without the daemon; the others are asked for at once, in one
 * question if they differ in nothing but the recipient and his next hop.
 * `answer` is called exactly once for each, with its place in the array and what mxw_decide would
 * give (status and decision of the result), before the call returns MXW_OK. It must not use the
 * handle; returning other than 0 stops, and is returned negated: the rest is not told.
 */
#define MXW_MANY 500
int mxw_decide_many(struct mxw *handle, const struct mxw_message *messages, size_t count,
                    int wait_ms, mxw_answer *answer, void *context);

/* Documents: the text (NUL-terminated) is the handle's, valid until the next call. JSON, but for
 * mxw_config. None of these while questions are outstanding. */
int mxw_explain(struct mxw *handle, const struct mxw_question *question, const char **text,
                size_t *length, int wait_ms);
/* The whole derivation of a decision. */
int mxw_explain_message(struct mxw *handle, const struct mxw_message *message, const char **text,
                        size_t *length, int wait_ms);
int mxw_daemon_status(struct mxw *handle, const char **text, size_t *length, int wait_ms);
/* `sample` not 0: a commented file of all settings instead of those in force. Administrators. */
int mxw_config(struct mxw *handle, int sample, const char **text, size_t *length, int wait_ms);
/* Accounts, memory, rules, report. `text` is JSON, or empty where nothing is asked for; mxw_reason
 * has the daemon's sentence then. Which orders there are, and the right each needs, is in
 * mxward-socket(7). */
struct mxw_order {
    size_t size;
    int order;        /* its number in mxward-socket(7) */
    const char *name; /* account, domain, or "[host]" */
    const char *domain, *profile;
    int level;
    int64_t until_s;
    const char *after; /* lists: go on behind this name */
    uint32_t most;
    const char *reason, *text;
};
#define MXW_ORDER_INIT                                                           \
    {                                                                            \
        sizeof(struct mxw_order), 0, NULL, NULL, NULL, 0, 0, NULL, 0, NULL, NULL \
    }
int mxw_order(struct mxw *handle, const struct mxw_order *order, const char **text, size_t *length,
              int wait_ms);
/* What the mail program delivered to a mail host: fresh evidence, as far as it proves what is
 * known, and a sighting for the memory if the daemon has seen the same itself (if not, it looks).
 * It only ever raises. MXW_OK: mxw_reason says what was taken of it, which may be nothing. Needs
 * MXW_MAY_OBSERVE (listen.observe_users). */
enum mxw_trust {
    MXW_CLEAR = 0,
    MXW_ENCRYPTED = 1, /* Postfix: Anonymous, Untrusted */
    MXW_TRUSTED = 2,
    MXW_VERIFIED = 3
};
struct mxw_observation {
    size_t size;
    const char *domain; /* that the mail was for; NULL: unknown */
    const char *host;   /* MX host */
    const char *address;
    unsigned port;
    unsigned tls_version;   /* 0x0304: TLS 1.3; 0: none */
    const char *cipher;     /* NULL: unknown */
    int trust;              /* enum mxw_trust */
    int64_t delivered_s;    /* when its handshake was complete, seconds since 1970 */
    const char *key_sha256; /* of SubjectPublicKeyInfo, 64 hex digits; NULL: unknown */
};
#define MXW_OBSERVATION_INIT                                                              \
    {                                                                                     \
        sizeof(struct mxw_observation), NULL, NULL, NULL, 25, 0, NULL, MXW_CLEAR, 0, NULL \
    }
int mxw_observe(struct mxw *handle, const struct mxw_observation *observation, int wait_ms);
/* The same without waiting; answered by mxw_receive. */
int mxw_send_observation(struct mxw *handle, const struct mxw_observation *observation,
                         uint64_t *id);
/* MXW_OK or MXW_REFUSED; mxw_reason has the daemon's sentence in both cases. Administrators. */
int mxw_reload(struct mxw *handle, int wait_ms);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
