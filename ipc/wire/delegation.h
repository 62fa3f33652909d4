/*
 * delegation.h - Postfix's policy delegation protocol (SMTPD_POLICY_README). Pure.
 *
 * A request is lines "name=value" and an empty line, the answer "action=…" and an empty line. Lines
 * end with LF; CR LF is taken, too. Postfix sends one request at a time and keeps the connection.
 * Attributes that we have no use for are skipped, whatever they hold.
 */
#ifndef MXWARD_WIRE_DELEGATION_H
#define MXWARD_WIRE_DELEGATION_H

#include "ipc/wire/frame.h"
#include "ipc/wire/take.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Bytes of a whole request. Postfix mostly sends 1 to 2 KiB. What clients can blow up is bounded by
 * Postfix: HELO name, sender, recipient and AUTH= at 2 KiB each (line_length_limit), the account at
 * 9 KiB (smtpd_sasl_response_limit), the rest together at some KiB. So no mail, however odd, loses
 * the connection; a value too long for us gets an answer (`too_long`). Addresses are longer than
 * that only where somebody leaves RFC 5321 behind, which ends a path after 256 octets (4.5.3.1.3).
 */
#define DELEGATION_REQUEST_MAX 32768
#define DELEGATION_ACTION_MAX  1024                        /* bytes of an action, without NUL */
#define DELEGATION_ANSWER_MAX  (DELEGATION_ACTION_MAX + 9) /* bytes of an answer with that */

enum {
    DELEGATION_LONG_SENDER = 1,
    DELEGATION_LONG_RECIPIENT = 2,
    DELEGATION_LONG_ACCOUNT = 4,
    DELEGATION_LONG_OTHER = 8, /* of those by which a request is told from others */
};

/* What we use of a request; "" and 0: it was not there, was empty, or is told of below. */
struct delegation_request {
    char protocol_state[32];           /* "RCPT", "DATA", "END-OF-MESSAGE", … */
    char sender[FRAME_ADDRESS_MAX];    /* "" also for the null sender */
    char recipient[FRAME_ADDRESS_MAX]; /* at DATA and later only if there is one */
    char sasl_username[FRAME_ADDRESS_MAX];
    char client_address[FRAME_WORD_MAX];
    char encryption_protocol[32]; /* "TLSv1.3"; "" in clear: delegation_tls() reads it */
    char policy_context[64];      /* main.cf's own word for what the answer is for */
    char instance[128];           /* the same for all requests of one message */
    char queue_id[64];
    unsigned recipient_count; /* at DATA and later */
    bool
        understood; /* request=smtpd_access_policy was there: else nothing of this means anything */
    /* DELEGATION_LONG_…: whose values did not fit and were left out, not cut: a cut address is
     * another one. Who needs one of these does not know it. */
    unsigned too_long;
    bool bad;      /* a value of ours had a NUL or a control byte or was no number and was left
                    * out, or a line was no attribute: Postfix sends none of that */
    bool repeated; /* an attribute of ours came again, with any value: Postfix does not do that */
};

/*
 * Takes one request. It is filled only with TAKE_WHOLE. Of an attribute that comes twice the first
 * counts: what was read is never changed by what follows, so a line that somebody smuggled in
 * through a later value (a certificate's name, say) cannot replace the address or account that
 * Postfix said before; `repeated` tells the caller, who need not trust such a request at all.
 * TAKE_LOST: there is no end within DELEGATION_REQUEST_MAX bytes.
 */
enum take_status delegation_take(struct delegation_request *request, const char *bytes, size_t size,
                                 size_t *used);

/*
 * The TLS version on the wire: 0x0304 for "TLSv1.3"; 0: in clear. Of "TLSv1.N" also those that are
 * yet to come are known (0x0301 + N). What we do not know is 0x0300: encrypted somehow, and never
 * good enough. Of a request that is `bad` or `too_long` the value may have been left out.
 */
unsigned delegation_tls(const struct delegation_request *request);

/*
 * Writes a whole answer without NUL; returns its bytes, 0: no room, or `action` is empty (Postfix
 * would reject the mail for a fault in its configuration). The action is made printable: no line
 * end comes from it, whatever the text in it was made from.
 */
size_t delegation_put(char *out, size_t size, const char *action);

#endif
