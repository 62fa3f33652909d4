/*
 * decide.c - see decide.h. Owns nothing, keeps nothing.
 *
 * Failure: what is wrong with the request is a fault for who asked; what is not known of the sender
 * (the users' table is being filled, a record cannot be read) is temporary, never "demands
 * nothing" (law 2).
 */
#include "ipc/decide/decide.h"

#include "engine/names/mail_address.h"
#include "ipc/decide/verdict_reply.h"
#include "shm/freshness.h"
#include "shm/phrase.h"

#include <stdio.h>
#include <string.h>

/* --- what is asked --- */

static enum frame_error recipient_read(struct decision *decision, const struct frame_decide *asked,
                                       const char **why)
{
    struct next_hop *recipient = &decision->next_hop; /* unless another is asked about */
    enum name_status status = next_hop_parse(recipient, asked->recipient, strlen(asked->recipient));

    if (asked->next_hop[0] ==
        '\0') { /* decide_demand gives the domain: what it is was just written */
        decision->is_own = true;
    } else if (status == NAME_OK) {
        name_text_give(decision->domain, &recipient->name);
        status = next_hop_parse(&decision->next_hop, asked->next_hop, strlen(asked->next_hop));
    }
    if (status != NAME_OK) {
        *why = name_status_text(status);
        return status == NAME_NO_MEMORY ? FRAME_ERROR_OURS : FRAME_ERROR_NAME;
    }
    return FRAME_ERROR_NONE;
}
static_assert(sizeof((struct decision *)NULL)->domain > NAME_BYTES_MAX, "every name fits");

/* Of the demands that look for evidence the most impatient counts; who demands nothing takes what
 * is still good. */
static uint64_t window_not_before(const struct decision *decision, uint64_t arrived_ms)
{
    uint64_t window_ms = UINT64_MAX;

    if (decision->has_profile && !decision->switched_off)
        window_ms = decision->profile.window_ms;
    if (decision->has_alias && decision->alias.window_ms < window_ms)
        window_ms = decision->alias.window_ms;
    if (window_ms == UINT64_MAX)
        return 0;
    return arrived_ms > window_ms ? arrived_ms - window_ms : 1;
}

const char *decide_address(char ascii[FRAME_ADDRESS_MAX], const char *address)
{
    if (mail_address_is_ascii(address) && strlen(address) < FRAME_ADDRESS_MAX)
        return address;
    const enum name_status status = mail_address_to_ascii(ascii, FRAME_ADDRESS_MAX, address);
    if (status == NAME_NO_MEMORY)
        return NULL;
    if (status != NAME_OK)
        snprintf(ascii, FRAME_ADDRESS_MAX, "nobody@invalid");
    return ascii;
}

void decide_sent_by(struct decide_sender *sender, const struct frame_decide *asked,
                    const struct table_reader *users, struct account_kept *kept)
{
    const char *address;

    sender->known = false;
    if (asked->profile[0] != '\0') /* then nobody is asked about */
        return;
    if (!account_ask_usual(&sender->account, asked->sender, users, kept)) {
        address = decide_address(sender->sender_ascii, asked->sender);
        if (address == NULL)
            return;
        account_ask(&sender->account, address, users, kept);
    }
    sender->sasl = "";
    if (asked->sasl[0] != '\0')
        sender->sasl = decide_address(sender->sasl_ascii, asked->sasl);
    sender->known = sender->sasl != NULL;
}

void decide_sender_fetch(struct decide_sender *sender, const struct table_reader *users,
                         uint64_t now_ms)
{
    if (sender->known)
        account_fetch(&sender->account, users, now_ms);
}

static enum frame_error sender_read(struct decision *decision, struct decide_sender *sender,
                                    const struct frame_decide *asked,
                                    const struct table_reader *users, uint64_t now_ms,
                                    const char **why)
{
    struct account_demand demand;
    bool there = true;

    demand.known = demand.profile_absent = false;
    if (asked->profile[0] != '\0')
        account_demand_of_profile(&demand, users, asked->profile, now_ms, &there);
    else if (sender->known)
        account_demand_ahead(&demand, users, &sender->account, sender->sasl, decision->domain,
                             asked->accepted_s, now_ms, decision->now_s);
    if (!there) {
        *why = "there is no such profile; see mxwardctl config";
        return FRAME_ERROR_NAME;
    }
    if (!demand.known) {
        *why = demand.profile_absent
                   ? "the sender's profile is not configured here; see mxwardctl status"
                   : "what the sender demands is not known now; ask again in a moment";
        return FRAME_ERROR_OURS;
    }
    decision->has_profile = demand.guaranteed;
    if (demand.guaranteed)
        decision->profile = demand.profile;
    decision->by = demand.by;
    decision->has_alias = demand.alias_sends;
    decision->alias_mode = demand.alias;
    if (demand.alias_sends)
        decision->alias = demand.alias_profile;
    decision->switched_off = demand.switched_off;
    decision->observe = demand.observe;
    return FRAME_ERROR_NONE;
}

static bool is_null_sender(const char *sender)
{
    return sender[0] == '<' && sender[1] == '>' && sender[2] == '\0';
}

enum frame_error decide_asked(struct decision *decision, const struct frame_decide *asked,
                              const char **why)
{
    memset(decision, 0, offsetof(struct decision, next_hop));
    decision->facts = asked->facts & FACTS_KNOWN;
    if (is_null_sender(asked->sender)) /* whoever submits it (MSG-01) */
        decision->facts |= FACT_NULL_SENDER;
    decision->explain = asked->explain;
    decision->want_keys = asked->want_keys;
    decision->enforced = asked->enforced;
    return recipient_read(decision, asked, why);
}

enum frame_error decide_demand(struct decision *decision, struct decide_sender *sender,
                               const struct frame_decide *asked, const struct table_reader *users,
                               uint64_t arrived_ms, uint64_t now_ms, int64_t now_s,
                               const char **why)
{
    decision->now_s = now_s;
    if (decision->is_own)
        name_text_give(decision->domain, &decision->next_hop.name);
    const enum frame_error error = sender_read(decision, sender, asked, users, now_ms, why);

    decision->not_before_ms =
        asked->own_freshness ? question_not_before(asked->freshness, asked->max_age_ms, arrived_ms)
                             : window_not_before(decision, arrived_ms);
    return error;
}

enum frame_error decide_begin(struct decision *decision, const struct frame_decide *asked,
                              const struct table_reader *users, uint64_t arrived_ms,
                              uint64_t now_ms, int64_t now_s, const char **why)
{
    struct decide_sender sender;
    const enum frame_error error = decide_asked(decision, asked, why);

    if (error != FRAME_ERROR_NONE)
        return error;
    decide_sent_by(&sender, asked, users, NULL);
    decide_sender_fetch(&sender, users, now_ms);
    return decide_demand(decision, &sender, asked, users, arrived_ms, now_ms, now_s, why);
}

bool decide_goes_elsewhere(const struct decision *decision, struct next_hop *own)
{
    char own_text[NEXT_HOP_TEXT_MAX], text[NEXT_HOP_TEXT_MAX];

    if (decide_goes_direct(decision) || decision->domain[0] == '\0' ||
        next_hop_is_domain(&decision->next_hop, decision->domain) ||
        next_hop_parse(own, decision->domain, strlen(decision->domain)) != NAME_OK)
        return false;
    next_hop_text(own, own_text);
    next_hop_text(&decision->next_hop, text);
    return strcmp(own_text, text) != 0;
}

/* --- the answer --- */

struct answer_question decide_question(const struct decision *decision,
                                       const struct verdict *verdict, bool stale, uint64_t now_ms)
{
    return (struct answer_question){
        .profile = decision->has_profile ? &decision->profile : NULL,
        .alias = decision->has_alias ? &decision->alias : NULL,
        .alias_mode = decision->alias_mode,
        .switched_off = decision->switched_off,
        .observe = decision->observe,
        .enforced = decision->enforced,
        .facts = decision->facts,
        .verdict = verdict,
        .next_hop = decision->next_hop.name.text,
        .recipient_floor = decision->has_recipient_floor ? &decision->recipient_floor : NULL,
        .stale = stale,
        .openpgp = decision->openpgp,
        .smime = decision->smime,
        .now_ms = now_ms,
        .now_s = decision->now_s,
    };
}

void decide_answer(struct answer *answer, const struct decision *decision,
                   const struct verdict *verdict, bool stale, uint64_t now_ms)
{
    const struct answer_question question = decide_question(decision, verdict, stale, now_ms);

    answer_decide(answer, &question);
}

/* What is said in an SMTP dialogue is about what is done: with observe both codes say that the
 * message goes. `would` and the text tell what would have been. */
const char *decide_code(const struct answer *answer)
{
    return answer->action == ACTION_SEND ? "2.0.0" : answer->code;
}

/* CODE-01: a deferral is 451; RFC 7505, section 4.1: a null MX is 556. */
uint16_t decide_smtp_code(const struct answer *answer)
{
    switch (answer->action) {
    case ACTION_STOP:
        return strcmp(answer->code, "5.1.10") == 0 ? 556 : 550;
    case ACTION_DEFER:
        return 451;
    case ACTION_SEND:
    case ACTION_COUNT:
        break;
    }
    return 250;
}

static const char *profile_of(const struct decision *decision, const struct answer *answer)
{
    if (decision->has_alias && answer->source == DEMAND_ALIAS)
        return decision->alias.name;
    return decision->has_profile ? decision->profile.name : "";
}

/* Of whose demand decides; whatever else decides, the account's says it. */
static bool refuses_at_rcpt(const struct decision *decision, const struct answer *answer)
{
    if (answer->decided_by == DEMAND_ALIAS)
        return decision->has_alias && decision->alias.refuse_at_rcpt;
    return decision->has_profile && decision->profile.refuse_at_rcpt;
}

void decide_reply(struct frame_answer *reply, const struct decision *decision,
                  const struct answer *answer, const struct verdict *verdict, uint64_t now_ms)
{
    memset(reply, 0, offsetof(struct frame_answer, policy));
    reply->action = (uint8_t)answer->action;
    reply->would = (uint8_t)answer->would;
    reply->observed = answer->observed;
    reply->demand = (uint8_t)answer->demand;
    reply->source = (uint8_t)answer->source;
    reply->exemption = (uint8_t)answer->exemption;
    reply->alarm = answer->alarm;
    reply->policy_answer = (uint8_t)answer->policy.answer;
    reply->guarantees = (uint8_t)answer->policy.guarantees;
    reply->smtp_code = decide_smtp_code(answer);
    text_copy(reply->policy, sizeof reply->policy, answer->policy.text);
    text_copy(reply->code, sizeof reply->code, decide_code(answer));
    text_copy(reply->text, sizeof reply->text, answer->text);
    text_copy(reply->profile, sizeof reply->profile, profile_of(decision, answer));
    reply->host[0] = '\0';
    reply->refuse_at_rcpt = refuses_at_rcpt(decision, answer);
    reply->insecure = answer->insecure;
    reply->openpgp = (uint8_t)decision->openpgp;
    reply->smime = (uint8_t)decision->smime;
    reply->now_ms = now_ms;
    reply->class = CLASS_UNKNOWN;
    if (verdict == NULL)
        return;
    reply->class = (uint8_t)verdict->class;
    reply->level = (uint8_t)verdict->level;
    reply->conclusion = (uint8_t)verdict->conclusion;
    reply->cause = (uint16_t)verdict->cause;
    text_copy(reply->host, sizeof reply->host, verdict->host);
    reply->began_ms = verdict->began_ms;
    reply->age_ms = verdict_age_ms(verdict, now_ms);
}

/* --- inbound --- */

static void inbound_say(struct frame_answer *reply, bool observe, uint16_t smtp_code,
                        const char *code, const char *text)
{
    const enum action action = smtp_code < 300 ? ACTION_SEND : ACTION_STOP;

    reply->would = (uint8_t)action;
    reply->action = (uint8_t)(observe ? ACTION_SEND : action);
    reply->observed = observe && action != ACTION_SEND;
    reply->smtp_code = reply->observed ? 250 : smtp_code;
    snprintf(reply->code, sizeof reply->code, "%s", reply->observed ? "2.0.0" : code);
    snprintf(reply->text, sizeof reply->text, "%s", text);
}

/* Mail servers unwind these forms and deliver to another address than the one that is written:
 * @route:me@example.org, me%example.org@here, example.org!me@here, me@example.org@here, the same in
 * quotes, and one in the other. How far, and which of several first, their settings say: so all of
 * them are looked at. */
#define FORMS_MOST 32 /* looked at of one address, itself among them */

struct forms {
    size_t count;
    bool cut; /* there are more */
    char texts[FORMS_MOST][FRAME_ADDRESS_MAX];
};

static size_t local_bytes(const char *address)
{
    const char *at = strrchr(address, '@');

    return at != NULL ? (size_t)(at - address) : strlen(address);
}

static bool is_unwound(const char *recipient)
{
    return strcspn(recipient, "@%!") < local_bytes(recipient);
}

/* "USER@DOMAIN", or the user alone, who has his domain in himself. Once each. */
static void form_add(struct forms *forms, const char *user, size_t user_bytes, const char *domain,
                     size_t domain_bytes)
{
    char text[FRAME_ADDRESS_MAX];

    snprintf(text, sizeof text, "%.*s%s%.*s", (int)user_bytes, user, domain != NULL ? "@" : "",
             (int)domain_bytes, domain != NULL ? domain : "");
    for (size_t i = 0; i < forms->count; i++)
        if (strcmp(forms->texts[i], text) == 0)
            return;
    forms->cut = forms->count == FORMS_MOST;
    if (!forms->cut)
        memcpy(forms->texts[forms->count++], text, strlen(text) + 1);
}

/* Each is one step; of its own forms each has fewer characters that lead on. */
static void unwind(struct forms *forms, const char *text)
{
    const size_t bytes = local_bytes(text);
    const char *end = text + bytes;
    const char *colon = text[0] == '@' ? strchr(text, ':') : NULL;
    const char *bang = memchr(text, '!', bytes), *percent = memrchr(text, '%', bytes);

    if (colon != NULL) {
        form_add(forms, colon + 1, strlen(colon + 1), NULL, 0);
        return;
    }
    if (memchr(text, '@', bytes) != NULL)
        form_add(forms, text, bytes, NULL, 0);
    if (bang != NULL)
        form_add(forms, bang + 1, (size_t)(end - bang) - 1, text, (size_t)(bang - text));
    if (percent != NULL)
        form_add(forms, text, (size_t)(percent - text), percent + 1, (size_t)(end - percent) - 1);
}

static void forms_of(struct forms *forms, const char *recipient)
{
    size_t used = 0;

    forms->count = 1;
    forms->cut = false;
    for (; *recipient != '\0' && used < FRAME_ADDRESS_MAX - 1; recipient++)
        if (*recipient != '"' && *recipient != '\\')
            forms->texts[0][used++] = *recipient;
    forms->texts[0][used] = '\0';
    for (size_t i = 0; i < forms->count && !forms->cut; i++)
        unwind(forms, forms->texts[i]);
}

static void alias_demand(struct account_demand *demand, const struct table_reader *users,
                         const char *recipient, uint64_t now_ms)
{
    char ascii[FRAME_ADDRESS_MAX];
    const char *address = decide_address(ascii, recipient);

    *demand = (struct account_demand){0};
    if (address != NULL)
        account_demand_inbound(demand, users, address, now_ms);
}

/* Of the address as it is written, or of the first secure alias that it may be unwound to. One that
 * goes on for longer than is looked at may be any. */
static void inbound_demand(struct account_demand *demand, const char *recipient,
                           const struct table_reader *users, uint64_t now_ms)
{
    struct account_demand other;
    struct forms forms;

    alias_demand(demand, users, recipient, now_ms);
    if (!demand->known || demand->alias_receives || !is_unwound(recipient))
        return;
    forms_of(&forms, recipient);
    for (size_t i = 0; i < forms.count; i++) {
        alias_demand(&other, users, forms.texts[i], now_ms);
        if (!other.known || other.alias_receives) {
            *demand = other;
            return;
        }
    }
    demand->alias_receives = forms.cut;
}

enum frame_error decide_inbound(struct frame_answer *reply, const struct frame_decide *asked,
                                const struct table_reader *users, const struct places *trusted,
                                uint64_t now_ms, const char **why)
{
    struct account_demand demand;
    struct address client;
    bool observe;

    memset(reply, 0, sizeof *reply);
    reply->now_ms = now_ms;
    reply->class = CLASS_UNKNOWN;
    inbound_demand(&demand, asked->recipient, users, now_ms);
    if (!demand.known) {
        *why = "whether the recipient is a secure alias is not known now; ask again in a moment";
        return FRAME_ERROR_OURS;
    }
    observe = demand.observe || (demand.alias_sends && demand.alias_profile.observe);
    if (!demand.alias_receives) {
        inbound_say(reply, false, 250, "2.0.0",
                    demand.alias == ALIAS_NONE  ? "not a secure alias"
                    : demand.alias == ALIAS_OFF ? "a secure alias that is off"
                                                : "a secure alias that takes mail over any"
                                                  " connection");
        return FRAME_ERROR_NONE;
    }
    reply->source = DEMAND_ALIAS;
    reply->demand = LEVEL_ENCRYPT;
    snprintf(reply->profile, sizeof reply->profile, "%s", demand.alias_profile.name);
    if (asked->client_tls >= DECIDE_INBOUND_TLS)
        inbound_say(reply, false, 250, "2.0.0", "a secure alias, and the connection is encrypted");
    else if (trusted != NULL &&
             address_parse(&client, asked->client_address, strlen(asked->client_address)) &&
             places_has_address(trusted, &client))
        inbound_say(reply, false, 250, "2.0.0", "a secure alias, handed on by a trusted hop");
    else if (asked->client_tls == 0)
        inbound_say(reply, observe, 530, "5.7.0",
                    "Must issue a STARTTLS command first: this recipient takes mail over encrypted "
                    "connections only");
    else
        inbound_say(reply, observe, 550, "5.7.10",
                    "Encryption needed: this recipient takes mail over TLS 1.2 or later only");
    return FRAME_ERROR_NONE;
}
