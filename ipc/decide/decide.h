/*
 * decide.h - one message to one recipient: from a request to an answer. Pure, but for reading the
 * users' table; the same in daemon and library.
 *
 *   request + users' table ─► decision: whose demand, which next hop, how fresh
 *   decision + what is known of the next hop ─► answer (shm/answer)
 *
 * Whatever becomes of the question at the engine, there is an answer: evidence that did not come in
 * time, or could not be asked for, is missing evidence, and law 1 says what that means.
 */
#ifndef MXWARD_DECIDE_DECIDE_H
#define MXWARD_DECIDE_DECIDE_H

#include "engine/names/nexthop.h"
#include "engine/names/places.h"
#include "ipc/wire/frame.h"
#include "shm/account.h"
#include "shm/answer.h"

#define DECISION_DIGEST_BYTES 28 /* of the recipient's local part (DANE-43) */

struct decision {
    /* Cleared before it is filled: */
    bool has_recipient_floor;
    bool has_profile, has_alias, switched_off, observe; /* has_alias: one that demands as sender */
    enum alias_mode alias_mode;
    enum account_by by;
    bool explain, enforced;
    bool is_own; /* the next hop is the recipient's own: no other was asked about */
    uint32_t facts;
    uint64_t not_before_ms; /* 0: whatever is still good */
    int64_t now_s;
    bool want_keys;  /* look for keys of the recipient, whatever the answer is */
    bool has_digest; /* the recipient is an address: its keys can be looked up (DANE-43) */
    enum mail_key openpgp, smime;
    /* Always filled, or only where it is said above that they are there: */
    struct next_hop next_hop;
    char domain[256]; /* the recipient's, canonical; for the exceptions and the report */
    /* What is ruled of that domain, where the next hop is another and it is known. */
    struct floor recipient_floor;
    struct profile profile, alias;
    uint8_t digest[DECISION_DIGEST_BYTES];
};

/* An address as the users' table knows it: with A-labels; it is `address` itself where that is so
 * already, or in `ascii`. One whose domain cannot be a domain is in no record of it; ".invalid" is
 * nobody's (RFC 2606), and the account's and the standard profile hold still. NULL: no memory. */
const char *decide_address(char ascii[FRAME_ADDRESS_MAX], const char *address);

/* FRAME_ERROR_NONE, or what to answer instead, with a constant sentence. `users` NULL: there is no
 * users' table, so who demands what is unknown. What is demanded is read as of now; how fresh the
 * evidence must be counts from the arrival. */
enum frame_error decide_begin(struct decision *decision, const struct frame_decide *asked,
                              const struct table_reader *users, uint64_t arrived_ms,
                              uint64_t now_ms, int64_t now_s, const char **why);
/* The same in parts, for who wants to look the recipient up in between: what is asked about; who
 * sends it, with what is known of him on its way, in two steps (shm/account); and who demands what.
 */
struct decide_sender {
    bool known;       /* there was memory for his name */
    const char *sasl; /* of the request, or in `sasl_ascii` */
    struct account_ahead account;
    char sender_ascii[FRAME_ADDRESS_MAX], sasl_ascii[FRAME_ADDRESS_MAX];
};
enum frame_error decide_asked(struct decision *decision, const struct frame_decide *asked,
                              const char **why);
void decide_sent_by(struct decide_sender *sender, const struct frame_decide *asked,
                    const struct table_reader *users, struct account_kept *kept);
void decide_sender_fetch(struct decide_sender *sender, const struct table_reader *users,
                         uint64_t now_ms);
enum frame_error decide_demand(struct decision *decision, struct decide_sender *sender,
                               const struct frame_decide *asked, const struct table_reader *users,
                               uint64_t arrived_ms, uint64_t now_ms, int64_t now_s,
                               const char **why);

/* The usual way: where the recipient's domain says, and nobody asked about another. */
static inline bool decide_goes_direct(const struct decision *decision)
{
    return decision->is_own && next_hop_is_plain(&decision->next_hop);
}
/* Is mail for the domain sent by another way than its own mail hosts (a transport map)? Then `own`
 * is where it would go, and what is ruled there holds too (PIT-14). */
bool decide_goes_elsewhere(const struct decision *decision, struct next_hop *own);

/* `verdict` NULL: nothing is known of the next hop. `stale`: not as fresh as was asked for. */
void decide_answer(struct answer *answer, const struct decision *decision,
                   const struct verdict *verdict, bool stale, uint64_t now_ms);
void decide_reply(struct frame_answer *reply, const struct decision *decision,
                  const struct answer *answer, const struct verdict *verdict, uint64_t now_ms);
/* What is asked of shm/answer; it points into `decision`. */
struct answer_question decide_question(const struct decision *decision,
                                       const struct verdict *verdict, bool stale, uint64_t now_ms);
/* Of what is done, not of what would be. */
const char *decide_code(const struct answer *answer);
uint16_t decide_smtp_code(const struct answer *answer);

/* Mail that comes in for a recipient here (S13): answered at once. Below DECIDE_INBOUND_TLS
 * (TLS 1.2, as `client_tls` has it) a connection encrypts nothing that one could rely on (RFC
 * 8996). */
#define DECIDE_INBOUND_TLS 0x0303
enum frame_error decide_inbound(struct frame_answer *reply, const struct frame_decide *asked,
                                const struct table_reader *users, const struct places *trusted,
                                uint64_t now_ms, const char **why);

#endif
