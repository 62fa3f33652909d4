/*
 * frame.h - what is said on the native socket: frames, and the messages in them. Pure.
 *
 * A frame is a header of 16 bytes and a body, all numbers little endian:
 *
 *   0  u32  size of the whole frame, header included
 *   4  u8   version (FRAME_VERSION); this header is the same in every version
 *   5  u8   kind
 *   6  u16  flags (FRAME_GOES_ON)
 *   8  u64  id: the client's number for its request; every answer to it carries it
 *  16       fields: u16 tag, u16 size, then `size` bytes; each tag at most once, in any order
 *
 * Requests may be sent without waiting for answers, and answers come in any order. A request gets
 * exactly one answer (a document may be spread over several frames: all but its last carry
 * FRAME_GOES_ON), and one about many recipients one for each, with its place. Unknown tags below
 * FRAME_TAG_CRITICAL are skipped, so both sides can append fields; an unknown one above is a fault.
 * Numbers take 1, 2, 4 or 8 bytes; a number that is 0 and a text that is empty may be left out.
 * What each message holds is a table of rows in frame.c, read by one encoder and one decoder;
 * mxward-socket(7) is the specification for people.
 *
 * Encoding and decoding are total: any bytes end in a message or in a fault with a sentence, and
 * nothing outside the given bounds is read or written. Only a size outside its limits loses the
 * framing; then the connection must be closed.
 */
#ifndef MXWARD_WIRE_FRAME_H
#define MXWARD_WIRE_FRAME_H

#include "engine/names/nexthop.h"
#include "shm/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_VERSION       1
#define FRAME_HEADER_BYTES  16
#define FRAME_TAG_BYTES     2          /* a field begins with its tag */
#define FRAME_REQUEST_MAX   28672      /* bytes of a whole frame, client to daemon */
#define FRAME_ANSWER_MAX    16384      /* bytes of a whole frame, daemon to client */
#define FRAME_DOCUMENT_MAX  (1u << 20) /* bytes of a document, all its frames together */
#define FRAME_DOCUMENT_PART 12288      /* bytes of a document in one frame */
#define FRAME_NEXT_HOP_MAX  2049   /* bytes with NUL: a next hop or address as people write it */
#define FRAME_SENTENCE_MAX  512    /* bytes with NUL */
#define FRAME_POLICY_MAX    768    /* bytes with NUL: the text for Postfix */
#define FRAME_PATH_MAX      256    /* bytes with NUL */
#define FRAME_WORD_MAX      64     /* bytes with NUL: a version, a program's name, a cause */
#define FRAME_ADDRESS_MAX   512    /* bytes with NUL: a mail address or account */
#define FRAME_AFTER_MAX     608    /* where a list goes on: an account and a domain */
#define FRAME_ENTRY_MAX     768    /* bytes with NUL: an entry of the memory as text */
#define FRAME_KEY_MAX       65     /* bytes with NUL: a SHA-256 in hex digits */
#define FRAME_TAG_CRITICAL  0x8000 /* an unknown tag from here on is a fault */

enum frame_kind {
    /* Requests. 11 … 63 are kept. */
    FRAME_HELLO = 1,
    FRAME_CHECK = 2,
    FRAME_EXPLAIN = 3,
    FRAME_STATUS = 4,
    FRAME_RELOAD = 5,
    FRAME_CONFIG = 6,
    FRAME_DECIDE = 7,  /* may this mail leave (or come in), and how? */
    FRAME_ORDER = 8,   /* accounts, memory, rules, report: enum frame_order */
    FRAME_OBSERVE = 9, /* the MTA delivered mail; answered by FRAME_DONE */
    FRAME_DECIDE_MANY =
        10, /* the same as FRAME_DECIDE for each of many recipients of one message */
    /* Answers. */
    FRAME_WELCOME = 0x81,
    FRAME_VERDICT = 0x82,
    FRAME_DOCUMENT = 0x83,
    FRAME_DONE = 0x84,
    FRAME_ANSWER = 0x85,
    FRAME_ERROR = 0xff,
};

enum { FRAME_GOES_ON = 1 }; /* flags: more frames of this answer follow */

/* What a client may do; the daemon tells in its welcome. */
enum {
    RIGHT_QUERY = 1 << 0,
    RIGHT_SWITCH = 1 << 1,
    RIGHT_ADMIN = 1 << 2,
    RIGHT_OBSERVE = 1 << 3, /* report deliveries: what they teach can stop mail later */
};

/* How old the evidence may be. */
enum freshness {
    FRESHNESS_ANY = 0,     /* whatever is still good */
    FRESHNESS_MAX_AGE = 1, /* probes that began at most max_age_ms before the request came */
    FRESHNESS_LIVE = 2,    /* probes that begin after the request came */
};
enum frame_priority { FRAME_ASKED = 0, FRAME_SCAN = 1 };

enum frame_error {
    FRAME_ERROR_NONE = 0,
    FRAME_ERROR_MALFORMED = 1,      /* the frame cannot be read; the sentence says where */
    FRAME_ERROR_LOST = 2,           /* framing is lost: the connection is closed after this */
    FRAME_ERROR_VERSION = 3,        /* not a version we speak */
    FRAME_ERROR_KIND = 4,           /* not a request we know */
    FRAME_ERROR_NAME = 5,           /* not a domain or next hop: final */
    FRAME_ERROR_NOT_PERMITTED = 6,  /* this user may not ask this */
    FRAME_ERROR_BUSY = 7,           /* temporary: ask again, later */
    FRAME_ERROR_LATE = 8,           /* temporary: not known before the deadline */
    FRAME_ERROR_OURS = 9,           /* temporary: memory, descriptors, the daemon stops */
    FRAME_ERROR_CONFIGURATION = 10, /* reload: refused, the old one goes on */
    FRAME_ERROR_ABSENT = 11,        /* order: there is no such account, entry or rule */
};

struct frame {
    uint8_t version, kind;
    uint16_t flags;
    uint64_t id;
    const uint8_t *body; /* in the caller's bytes */
    size_t size;         /* of the body */
};

enum frame_status {
    FRAME_WHOLE, /* *frame is filled, *used bytes are done with */
    FRAME_MORE,  /* not all there yet */
    FRAME_LOST,  /* the size is out of bounds: nothing after this can be read */
};
/* Looks for one frame at the start of `bytes`; `most` is FRAME_REQUEST_MAX or FRAME_ANSWER_MAX. */
enum frame_status frame_take(struct frame *frame, const uint8_t *bytes, size_t size, size_t most,
                             size_t *used);

/* --- the messages --- */
struct frame_hello {
    char program[FRAME_WORD_MAX]; /* who asks, for the log */
};
struct frame_welcome {
    char version[FRAME_WORD_MAX]; /* of the daemon */
    uint32_t rights;
    uint32_t requests; /* may be outstanding on this connection */
    uint64_t now_ms;   /* the daemon's boot time clock */
    uint32_t config_epoch;
    uint32_t process; /* pid of the daemon */
    char table[FRAME_PATH_MAX];
};
struct frame_question { /* FRAME_CHECK and FRAME_EXPLAIN */
    char next_hop[FRAME_NEXT_HOP_MAX];
    uint8_t freshness; /* enum freshness */
    uint8_t priority;  /* enum frame_priority */
    uint32_t max_age_ms;
    uint32_t deadline_ms; /* from its arrival; 0: the daemon's own */
};
struct frame_empty { /* FRAME_STATUS, FRAME_RELOAD */
    char nothing;
};
enum config_form { CONFIG_EFFECTIVE = 0, CONFIG_SAMPLE = 1 };
struct frame_config {
    uint8_t form; /* enum config_form */
};
struct frame_verdict {
    struct verdict verdict;
    char next_hop[NEXT_HOP_TEXT_MAX]; /* canonical: the key */
    char cause[FRAME_WORD_MAX];       /* its name, for clients older than the cause */
    char sentence[FRAME_SENTENCE_MAX];
    char status_code[FRAME_WORD_MAX]; /* "4.7.4": goes with it if mail is held or stopped */
    char policy[FRAME_POLICY_MAX];    /* for Postfix; "" when there is none to give */
    uint64_t now_ms;                  /* the daemon's boot time clock at the answer */
    int64_t ended_wall_s;             /* when the evidence was complete, UTC */
    bool limited;                     /* not as fresh as asked: the politeness budget is spent */
    bool from_table;
};
/* One message to one recipient. Either the sender says who demands, or `profile` does. */
struct frame_decide {
    char sender[FRAME_ADDRESS_MAX];    /* envelope sender; "<>" for the null sender */
    char sasl[FRAME_ADDRESS_MAX];      /* account that submitted it; "" if none */
    char recipient[FRAME_ADDRESS_MAX]; /* address, or only its domain */
    char next_hop[FRAME_ADDRESS_MAX];  /* where the MTA will send it; "": the recipient's domain */
    char profile[FRAME_WORD_MAX];
    uint32_t facts;        /* FACT_* of shm/answer.h */
    int64_t accepted_s;    /* wall clock: when the message was accepted; 0: now */
    uint8_t own_freshness; /* 1: freshness and max_age_ms count, instead of the profile's window */
    uint8_t freshness;     /* enum freshness */
    uint32_t max_age_ms, deadline_ms;
    uint8_t explain;     /* 1: the answer is a document, with the whole derivation */
    uint8_t inbound;     /* 1: the recipient is here, and somebody hands mail in (S13) */
    uint16_t client_tls; /* inbound: version of the client's TLS; 0: none */
    char client_address[FRAME_WORD_MAX]; /* inbound */
    uint8_t want_keys; /* 1: look whether the recipient publishes a key, whatever the answer is */
    uint8_t enforced;  /* 1: as if nothing were only observed; the MTA enforces what is answered */
};
/* One message to many recipients. Of `message` all counts but recipient, next_hop, explain and what
 * is for mail that comes in. */
struct frame_decide_many {
    struct frame_decide message;
    const void *recipients;   /* ipc/wire/recipients.h; encode: borrowed; decode: in the frame */
    uint16_t recipients_size; /* bytes */
};
struct frame_answer {
    uint8_t action, would, observed;   /* enum action, twice; 1: nothing of it is enforced */
    uint8_t demand, source, exemption; /* enum level, demand_source, exemption */
    uint8_t alarm;
    uint8_t policy_answer, guarantees; /* enum postfix_answer, enum level */
    uint16_t smtp_code; /* for RCPT: 250, 451, 550, 556, …; of `action`, as `code` */
    uint8_t class, level, conclusion; /* of the verdict */
    uint16_t cause;
    uint64_t age_ms; /* of the evidence; with began_ms 0: there is none */
    uint64_t began_ms, now_ms;
    bool limited, from_table, refuse_at_rcpt;
    uint8_t openpgp, smime; /* enum mail_key of shm/answer.h (DANE-44) */
    bool insecure;          /* `would`: not sent because a demand is seen not to be met */
    uint16_t place;         /* of the recipient, from 1; 0: there is only one */
    /* Texts; what is beyond their terminators means nothing. */
    char policy[FRAME_POLICY_MAX];
    char code[FRAME_WORD_MAX];     /* enhanced status code */
    char text[FRAME_SENTENCE_MAX]; /* of `would` */
    char profile[FRAME_WORD_MAX];  /* whose demand was looked at; "" */
    char host[256];
};

/* What an order is about. Rights: user_* need the user switch, all others administration. */
enum frame_order {
    ORDER_USER_SHOW = 1,    /* name */
    ORDER_USER_LIST = 2,    /* after, most */
    ORDER_USER_ON = 3,      /* name, profile (or the profile it had) */
    ORDER_USER_OFF = 4,     /* name, until_s (0: until it is switched on) */
    ORDER_USER_EXCEPT = 5,  /* name, domain, until_s */
    ORDER_USER_RESUME = 6,  /* name, domain (""; all exceptions end) */
    ORDER_USER_REMOVE = 7,  /* name */
    ORDER_USER_IMPORT = 8,  /* text */
    ORDER_USER_EXPORT = 9,  /* after, most: accounts, then exceptions */
    ORDER_MEMORY_SHOW = 16, /* name */
    ORDER_MEMORY_LIST = 17, /* after, most */
    ORDER_MEMORY_PENDING = 18,
    ORDER_MEMORY_SET = 19,    /* name, level, reason */
    ORDER_MEMORY_IMPORT = 20, /* text */
    ORDER_MEMORY_AUDIT = 21,  /* after, most */
    ORDER_MEMORY_COPY = 22,
    ORDER_RULE_LIST = 32,
    ORDER_RULE_PIN = 33,     /* name, level, until_s, reason */
    ORDER_RULE_EXEMPT = 34,  /* name, until_s, reason */
    ORDER_RULE_REFUSE = 35,  /* name, until_s, reason */
    ORDER_RULE_OBSERVE = 36, /* name, until_s, reason */
    ORDER_RULE_REMOVE = 37,  /* name, reason */
    ORDER_REPORT = 48,       /* until_s: from that day on; after, most */
};
struct frame_order_request {
    uint8_t order; /* enum frame_order */
    char name[FRAME_ADDRESS_MAX];
    char domain[FRAME_PATH_MAX];
    char profile[FRAME_WORD_MAX];
    uint8_t level; /* enum level */
    int64_t until_s;
    char after[FRAME_AFTER_MAX];
    uint32_t most;
    char reason[256];
    char text[FRAME_ENTRY_MAX];
};

/* What the MTA says of the certificate. Postfix: "Anonymous" and "Untrusted" are ENCRYPTED. */
enum observed_trust {
    OBSERVED_CLEAR = 0,
    OBSERVED_ENCRYPTED = 1,
    OBSERVED_TRUSTED = 2,
    OBSERVED_VERIFIED = 3,
};
struct frame_observe {
    char domain[FRAME_PATH_MAX]; /* that the mail was for; "": unknown */
    char host[256];              /* MX host */
    char address[FRAME_WORD_MAX];
    uint16_t port;
    uint16_t tls_version; /* 0x0304: TLS 1.3; 0: none */
    char cipher[FRAME_WORD_MAX];
    uint8_t trust;                  /* enum observed_trust */
    int64_t delivered_s;            /* wall clock: when its handshake was complete */
    char key_sha256[FRAME_KEY_MAX]; /* of SubjectPublicKeyInfo, 64 hex digits; "": unknown */
};

struct frame_document {
    uint8_t form;     /* enum document_form */
    uint32_t size;    /* of all parts together */
    const void *part; /* encode: borrowed; decode: inside the frame */
    uint16_t part_size;
};
enum document_form { DOCUMENT_TEXT = 0, DOCUMENT_JSON = 1 };
struct frame_done {
    char sentence[FRAME_SENTENCE_MAX];
};
struct frame_fault {
    uint8_t code;      /* enum frame_error */
    uint8_t kind;      /* of the request it is about; 0: none in particular */
    uint32_t retry_ms; /* FRAME_ERROR_BUSY: not before that */
    uint16_t place;    /* of the recipient it is about, from 1; 0: about the whole request */
    char sentence[FRAME_SENTENCE_MAX];
};

/* Writes a whole frame. Returns its size, or 0 when `size` is too small or a value is not allowed
 * by its row. `message` is the struct that belongs to `kind`. */
size_t frame_encode(void *out, size_t size, uint8_t kind, uint16_t flags, uint64_t id,
                    const void *message);
/* Reads the body of `frame` into the struct that belongs to frame->kind. True, or false with a
 * sentence in `why` (FRAME_SENTENCE_MAX bytes; may be NULL). */
bool frame_decode(void *message, const struct frame *frame, char *why);
/* Where in a frame that frame_encode has just written the number stands whose place in its struct
 * is `member`, if it takes eight bytes there; 0: it does not. For who writes it anew each time. */
size_t frame_number_place(const void *frame, size_t size, size_t member);
/* The bytes of the field that stands at `at` in a frame, its tag and size included; 0: none does.
 * The first stands behind the header, and in what frame_encode writes all fields of a kind keep one
 * order. For who compares frames. */
size_t frame_field_bytes(const void *frame, size_t size, size_t at);
/* The bytes that a message of this kind takes at most as a frame; 0: no such kind. */
size_t frame_bytes_max(uint8_t kind);
size_t frame_struct_bytes(uint8_t kind); /* of the message's struct; 0: no such kind */
const char *frame_kind_name(uint8_t kind);
const char *frame_error_name(uint8_t code); /* "busy", …; "error" for one that we do not know */

/* Words for what shm/verdict.h numbers, for JSON and people; "?" for a number we do not know. */
const char *frame_conclusion_name(unsigned conclusion);
const char *frame_enforce_name(unsigned enforce);
const char *frame_tls_name(unsigned version); /* "TLSv1.3"; "" for 0 */
/* The names of the set bits of verdict.flags, one after the other: call with 0, 1, …; NULL: end. */
const char *frame_flag_name(unsigned index, uint32_t *bit);

#endif
