/*
 * delegate.c - Postfix's policy delegation (SMTPD_POLICY_README): what smtpd asks at RCPT.
 *
 *   inbound      the recipient is here: a secure alias takes mail over encrypted connections only
 *   submission   somebody hands mail in: refused at once only where the sender's profile asks for
 *                it, because most mail programs then drop the whole message. In clear text for a
 *                secure alias of ours it is judged as inbound, whoever has logged in
 *   route        one recipient of a message that was split for it: the transport that the sender's
 *                demand has for this recipient (FILTER)
 *
 * policy_context says which it is; without one an authenticated client submits, and every other one
 * hands mail in. What is none of our business is DUNNO. Trouble of ours is what the profile says
 * (`trouble`), and temporary where there is none to ask. The connection is never closed by us for
 * an answer that we could not give. An address that is too long for us is longer than any may be
 * (RFC 5321 section 4.5.3.1.3): who does not need it does not mind, and for the others nobody can
 * tell what it demands.
 */
#include "ipc/gate/gate_internal.h"

#include "engine/base/log.h"
#include "engine/names/address.h"
#include "ipc/decide/decide.h"
#include "ipc/wire/delegation.h"

#include <stdio.h>
#include <string.h>

#define DUNNO     "DUNNO"
#define TEMPORARY "DEFER_IF_PERMIT 4.3.0 "

static void say(struct gate *gate, struct stream *stream, const char *action)
{
    char reply[GATE_ANSWER];

    asking_say(gate, stream, reply, delegation_put(reply, sizeof reply, action));
}

static size_t render_action(char *out, size_t size, const char *action, const char *text)
{
    char whole[DELEGATION_ANSWER_MAX - 16];

    snprintf(whole, sizeof whole, "%s%s", action, text);
    return delegation_put(out, size, whole);
}

static void ask_begin(struct ask *ask, const struct delegation_request *request)
{
    memset(ask, 0, sizeof *ask);
    snprintf(ask->asked.recipient, sizeof ask->asked.recipient, "%s", request->recipient);
    snprintf(ask->asked.sender, sizeof ask->asked.sender, "%s",
             request->sender[0] != '\0' ? request->sender : "<>");
    snprintf(ask->asked.sasl, sizeof ask->asked.sasl, "%s", request->sasl_username);
}

/* --- inbound --- */

static size_t render_inbound(struct gate *gate, struct ask *ask, const struct outcome *outcome,
                             char *out, size_t size)
{
    const struct mxw_decision *decision = outcome->decision;
    char reply[32];

    (void)gate, (void)ask;
    if (decision == NULL && outcome->invalid) /* no address: whose ever it is, no alias of ours */
        return render_action(out, size, DUNNO, "");
    if (decision == NULL)
        return render_action(out, size, TEMPORARY, outcome->why);
    if (decision->action == MXW_SEND)
        return render_action(out, size, DUNNO, "");
    snprintf(reply, sizeof reply, "%u %s ", decision->smtp_code, decision->code);
    return render_action(out, size, reply, decision->text);
}

static void inbound_ask(struct gate *gate, struct stream *stream,
                        const struct delegation_request *request)
{
    struct ask ask;

    if (request->too_long & DELEGATION_LONG_RECIPIENT) { /* it may be an alias with an extension */
        say(gate, stream, "501 5.1.3 Path too long (RFC 5321 section 4.5.3.1.3)");
        return;
    }
    ask_begin(&ask, request);
    ask.asked.inbound = 1;
    ask.asked.client_tls = (uint16_t)delegation_tls(request);
    snprintf(ask.asked.client_address, sizeof ask.asked.client_address, "%s",
             request->client_address);
    ask.render = render_inbound;
    asking_answer(gate, stream, &ask);
}

/* --- submission --- */

/* Seen not to be met, and the profile asks for it: only then. */
static bool is_refused_here(const struct mxw_decision *decision)
{
    return decision->action == MXW_STOP && decision->insecure && decision->refuse_at_rcpt &&
           !decision->limited;
}

/* Who asks for a refusal here wants to know here: if nobody can tell, it is as his profile says. */
static size_t render_submission(struct gate *gate, struct ask *ask, const struct outcome *outcome,
                                char *out, size_t size)
{
    const struct mxw_decision *decision = outcome->decision;
    char reply[32];

    if (decision == NULL && outcome->invalid)
        return render_action(out, size, DUNNO, "");
    if (decision == NULL || outcome->trouble)
        return ask->passes_trouble ? render_action(out, size, DUNNO, "")
                                   : render_action(out, size, TEMPORARY, outcome->why);
    if (!is_refused_here(decision))
        return render_action(out, size, DUNNO, "");
    counter_add(&gate->counts.refused, 1);
    snprintf(reply, sizeof reply, "%u %s ", decision->smtp_code, decision->code);
    return render_action(out, size, reply, decision->text);
}

/* What of the sender's demands has to be looked at here; false: nothing, the delivery does it. */
static bool is_looked_at(const struct account_demand *demand)
{
    const bool observed = demand->observe || (demand->guaranteed && demand->profile.observe) ||
                          (demand->alias_sends && demand->alias_profile.observe);

    if (!demand->known)
        return true; /* perhaps the daemon knows */
    if (!demand->alias_sends && (!demand->guaranteed || demand->switched_off))
        return false;
    return observed || (demand->guaranteed && demand->profile.refuse_at_rcpt) ||
           (demand->alias_sends && demand->alias_profile.refuse_at_rcpt);
}

/* No profile that is in force and refuses here wants the client to come again. */
static bool passes_trouble(const struct account_demand *demand)
{
    const struct profile *const profiles[] = {
        demand->guaranteed && !demand->switched_off ? &demand->profile : NULL,
        demand->alias_sends ? &demand->alias_profile : NULL,
    };

    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (profiles[i] != NULL && !profiles[i]->observe && profiles[i]->refuse_at_rcpt &&
            profiles[i]->trouble != TROUBLE_PASS)
            return demand->observe;
    return demand->known;
}

/*
 * The transport is chosen by the envelope sender, as it is written: <> has no switch, and
 * alice%example.org@here is in no record, while Postfix's check of the sender against the login
 * lets both pass. So who demands something by his login, and would send by an address that does
 * not, is told so: the mail would leave without what he relies on.
 */
static bool sheds_guarantee(struct gate *gate, const char *sender, const char *sasl,
                            const struct next_hop *recipient)
{
    const char *domain = recipient->name.text;
    struct account_path demanded, chosen;

    if (sasl[0] == '\0')
        return false;
    account_way_of_message(&demanded, asking_users(gate), sender, sasl, domain, 0, gate->now_ms,
                           gate->now_s);
    account_way_of_message(&chosen, asking_users(gate), sender, NULL, domain, 0, gate->now_ms,
                           gate->now_s);
    /* What cannot be told now refuses nobody for good (law 3). */
    return demanded.known && chosen.known && demanded.way == WAY_PROFILE &&
           (chosen.way == WAY_ORDINARY || strcmp(chosen.profile, demanded.profile) != 0);
}

/* A login does not encrypt: what crosses the network in clear text for a secure alias is what the
 * alias is there to refuse (S13). A webmail on this machine crosses none. Also true where whether
 * it is an alias cannot be told now. */
static bool is_inbound(struct gate *gate, const struct delegation_request *request)
{
    struct frame_answer reply;
    struct address client;
    struct ask ask;
    const char *why;

    if (delegation_tls(request) >= DECIDE_INBOUND_TLS ||
        (address_parse(&client, request->client_address, strlen(request->client_address)) &&
         address_is_loopback(&client)))
        return false;
    ask_begin(&ask, request);
    return decide_inbound(&reply, &ask.asked, asking_users(gate), NULL, gate->now_ms, &why) !=
               FRAME_ERROR_NONE ||
           reply.would != ACTION_SEND;
}

static void submission_ask(struct gate *gate, struct stream *stream,
                           const struct delegation_request *request)
{
    char sender_ascii[FRAME_ADDRESS_MAX], sasl_ascii[FRAME_ADDRESS_MAX];
    const char *sender, *sasl;
    struct account_demand demand = {0};
    struct next_hop recipient;
    enum name_status status;
    struct ask ask;
    const bool inbound = is_inbound(gate, request);

    ask_begin(&ask, request);
    status = next_hop_parse(&recipient, ask.asked.recipient, strlen(ask.asked.recipient));
    if (status != NAME_OK && !inbound) { /* a local recipient, or none that mail could be sent to */
        say(gate, stream,
            status == NAME_NO_MEMORY ? TEMPORARY "mxward-gate has no memory left" : DUNNO);
        return;
    }
    sender = decide_address(sender_ascii, ask.asked.sender);
    sasl = decide_address(sasl_ascii, ask.asked.sasl);
    if (status == NAME_OK && sender != NULL && sasl != NULL) {
        if (sheds_guarantee(gate, sender, sasl, &recipient)) {
            say(gate, stream,
                "550 5.7.1 This account has the sending guarantee, which does not go with this"
                " sender address: send from the account's own");
            return;
        }
        account_demand(&demand, asking_users(gate), sender, sasl, recipient.name.text, 0,
                       gate->now_ms, gate->now_s);
    }
    if (inbound) {
        inbound_ask(gate, stream, request);
        return;
    }
    if (!is_looked_at(&demand)) {
        say(gate, stream, DUNNO);
        return;
    }
    if (request->sasl_username[0] != '\0')
        ask.asked.facts = FACT_AUTHENTICATED;
    ask.passes_trouble = passes_trouble(&demand);
    ask.render = render_submission;
    asking_answer(gate, stream, &ask);
}

/* --- route --- */

/* An address that is no domain's is for Postfix to judge: as the sender's own demand says. */
static void route_of(struct gate *gate, struct account_path *path, const char *sender,
                     const char *recipient)
{
    struct next_hop next_hop;

    if (next_hop_parse(&next_hop, recipient, strlen(recipient)) == NAME_OK)
        account_way_of_message(path, asking_users(gate), sender, NULL, next_hop.name.text, 0,
                               gate->now_ms, gate->now_s);
    else
        account_way_of_sender(path, asking_users(gate), sender, gate->now_ms, gate->now_s);
}

static void route_ask(struct gate *gate, struct stream *stream,
                      const struct delegation_request *request)
{
    char ascii[FRAME_ADDRESS_MAX], action[256], transport[160];
    const char *sender;
    struct account_path path = {0};

    sender = decide_address(ascii, request->sender[0] != '\0' ? request->sender : "<>");
    if (sender != NULL)
        route_of(gate, &path, sender, request->recipient);
    if (!path.known) {
        say(gate, stream, TEMPORARY "what the sender demands is not known now");
        return;
    }
    if (path.way != WAY_ORDINARY)
        gate_transport(gate, path.profile, transport, sizeof transport);
    snprintf(action, sizeof action, "FILTER %s",
             path.way != WAY_ORDINARY ? transport : gate->options->ordinary_transport);
    say(gate, stream, action);
}

/* --- one request --- */

/* Takes it by what was said of whom, all of it; NULL: there is no such context. */
typedef void context_ask(struct gate *gate, struct stream *stream,
                         const struct delegation_request *request);

static context_ask *asked_by_context(const struct delegation_request *request)
{
    const char *context = request->policy_context;
    const bool has_account =
        request->sasl_username[0] != '\0' || (request->too_long & DELEGATION_LONG_ACCOUNT) != 0;

    if (context[0] == '\0')
        return has_account ? submission_ask : inbound_ask;
    return strcmp(context, "route") == 0        ? route_ask
           : strcmp(context, "inbound") == 0    ? inbound_ask
           : strcmp(context, "submission") == 0 ? submission_ask
                                                : NULL;
}

static void request_answer(struct gate *gate, struct stream *stream,
                           const struct delegation_request *request)
{
    context_ask *ask = asked_by_context(request);

    if (!request->understood || request->bad || request->repeated ||
        (request->too_long & DELEGATION_LONG_OTHER) != 0) {
        log_notice("delegation-refused", "understood=%d bad=%d long=%u repeated=%d",
                   request->understood, request->bad, request->too_long, request->repeated);
        say(gate, stream, TEMPORARY "mxward-gate does not understand the mail server's question");
        return;
    }
    if (strcmp(request->protocol_state, "RCPT") != 0 ||
        (request->recipient[0] == '\0' && !(request->too_long & DELEGATION_LONG_RECIPIENT)))
        say(gate, stream, DUNNO);
    else if (ask == NULL)
        say(gate, stream, TEMPORARY "policy_context is none of inbound, submission, route");
    else if (request->too_long != 0 && ask != inbound_ask)
        say(gate, stream, TEMPORARY "an address or account is too long to know what it demands");
    else
        ask(gate, stream, request);
}

struct stream_taken delegate_take(struct gate *gate, struct stream *stream, const char *bytes,
                                  size_t size)
{
    struct delegation_request request;
    size_t used = 0;

    switch (delegation_take(&request, bytes, size, &used)) {
    case TAKE_MORE:
        return (struct stream_taken){0};
    case TAKE_LOST:
        return (struct stream_taken){.lost = true};
    case TAKE_WHOLE:
        break;
    }
    request_answer(gate, stream, &request);
    return (struct stream_taken){.used = used, .requests = 1};
}
