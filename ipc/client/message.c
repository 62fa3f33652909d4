/*
 * message.c - from the caller's structs to the wire's, and back: see handle.h. Pure, but for the
 * reason of the handle.
 *
 * The caller may be of another version than the library (LAYOUT in mxward.h): what he gives is read
 * by his size, and what is not in it is the default.
 */
#include "ipc/client/handle.h"

#include "ipc/client/decision.h"
#include "shm/answer.h"
#include "shm/level.h"

#include <stdio.h>
#include <string.h>

/* Sizes of the first version, and from where on they grow: none of them ends in padding, which an
 * old caller would leave as it is. */
#define QUESTION_LEAST sizeof(struct mxw_question)
#define MESSAGE_LEAST  sizeof(struct mxw_message)
#define STRUCT_MOST    4096 /* bytes: more is no size */

bool layout_take(void *ours, size_t size, size_t least, const void *given)
{
    const char *theirs = given;
    size_t given_size;

    memcpy(&given_size, given, sizeof given_size);
    if (given_size < least || given_size > STRUCT_MOST)
        return false;
    memcpy(ours, given, given_size < size ? given_size : size);
    for (size_t i = size; i < given_size; i++)
        if (theirs[i] != 0)
            return false;
    return true;
}

size_t layout_size(const void *given)
{
    size_t given_size;

    memcpy(&given_size, given, sizeof given_size);
    return given_size >= sizeof given_size && given_size <= STRUCT_MOST ? given_size : 0;
}

/* Refuses here what the daemon would refuse, so that a bad name costs nothing. */
int question_encode(struct mxw *m, struct frame_question *wire, struct next_hop *next_hop,
                    const struct mxw_question *given)
{
    struct mxw_question question = MXW_QUESTION_INIT;
    enum name_status status;
    const char *text;

    if (!layout_take(&question, sizeof question, QUESTION_LEAST, given))
        return handle_fail(m, MXW_USAGE, LAYOUT_UNKNOWN);
    text = question.next_hop ? question.next_hop : "";
    status = next_hop_parse(next_hop, text, strlen(text));
    if (status == NAME_NO_MEMORY) /* says nothing about the name (law 3) */
        return handle_fail(m, MXW_MEMORY, "%s", name_status_text(status));
    if (status != NAME_OK || strlen(text) >= sizeof wire->next_hop)
        return handle_fail(m, MXW_INVALID, "%s", name_status_text(status));
    if (question.freshness < MXW_ANY || question.freshness > MXW_LIVE)
        return handle_fail(m, MXW_USAGE, "there is no freshness %d", question.freshness);
    memset(wire, 0, sizeof *wire);
    next_hop_text(next_hop, wire->next_hop); /* local parts of addresses stay here */
    wire->freshness = (uint8_t)question.freshness;
    wire->priority = question.scan ? FRAME_SCAN : FRAME_ASKED;
    wire->max_age_ms = question.max_age_ms;
    wire->deadline_ms = question.deadline_ms;
    return MXW_OK;
}

void verdict_read(struct mxw_verdict *out, const struct frame_verdict *in)
{
    const struct verdict *v = &in->verdict;

    memset(out, 0, sizeof *out);
    out->size = sizeof *out;
    memcpy(out->next_hop, in->next_hop, sizeof in->next_hop);
    out->tls_class = v->class;
    out->level = v->level;
    out->conclusion = v->conclusion;
    out->cause = v->cause;
    out->enforce = v->enforce;
    out->class_name = (unsigned)v->class < CLASS_COUNT ? class_name(v->class) : "?";
    out->level_name = (unsigned)v->level <= LEVEL_AUTHENTICATED ? level_name(v->level) : "?";
    out->sign = sign_name((unsigned)v->class < CLASS_COUNT ? class_sign(v->class) : SIGN_UNKNOWN);
    out->conclusion_name = frame_conclusion_name(v->conclusion);
    out->enforce_name = frame_enforce_name(v->enforce);
    memcpy(out->cause_name, in->cause, sizeof in->cause);
    out->flags = v->flags;
    out->tls_version = v->tls_version;
    out->tls_name = frame_tls_name(v->tls_version);
    out->hosts = v->hosts;
    out->hosts_good = v->hosts_good;
    out->smtp_code = v->smtp_code;
    out->age_ms = in->now_ms > v->began_ms ? in->now_ms - v->began_ms : 0;
    out->valid_for_ms = (int64_t)(v->valid_until_ms - in->now_ms);
    out->ended_s = in->ended_wall_s;
    out->config_epoch = v->config_epoch;
    memcpy(out->host, v->host, sizeof v->host);
    memcpy(out->match, v->match, sizeof v->match);
    memcpy(out->sentence, in->sentence, sizeof in->sentence);
    memcpy(out->status_code, in->status_code, sizeof in->status_code);
    memcpy(out->policy, in->policy, sizeof in->policy);
    out->limited = in->limited;
    out->from_table = in->from_table;
}

_Static_assert(sizeof(((struct mxw_verdict *)0)->next_hop) >= NEXT_HOP_TEXT_MAX, "next_hop");
_Static_assert(sizeof(((struct mxw_verdict *)0)->match) >= VERDICT_MATCH_MAX, "match");
_Static_assert(sizeof(((struct mxw_verdict *)0)->sentence) >= FRAME_SENTENCE_MAX, "sentence");
_Static_assert(sizeof(((struct mxw_verdict *)0)->policy) >= FRAME_POLICY_MAX, "policy");

_Static_assert((int)MXW_STOP == (int)ACTION_STOP && (int)MXW_DEFER == (int)ACTION_DEFER, "actions");
_Static_assert((int)MXW_POLICY_NONE == (int)POSTFIX_HOLD &&
                   (int)MXW_POLICY_TEXT == (int)POSTFIX_POLICY,
               "policies");
_Static_assert((int)MXW_AUTO_SUBMITTED == (int)FACT_AUTO_SUBMITTED &&
                   (int)MXW_TLS_REQUIRED_NO == (int)FACT_TLS_REQUIRED_NO &&
                   (int)MXW_REQUIRETLS == (int)FACT_REQUIRETLS &&
                   (int)MXW_TLS_REPORT == (int)FACT_TLS_REPORT,
               "facts");

bool text_put(char *out, size_t size, const char *text)
{
    size_t length = text ? strlen(text) : 0;

    if (length >= size)
        return false;
    memcpy(out, text ? text : "", length + 1);
    return true;
}

int message_encode(struct mxw *m, struct frame_decide *wire, const struct mxw_message *given)
{
    struct mxw_message message = MXW_MESSAGE_INIT;

    if (!layout_take(&message, sizeof message, MESSAGE_LEAST, given))
        return handle_fail(m, MXW_USAGE, LAYOUT_UNKNOWN);
    memset(wire, 0, sizeof *wire);
    if (!text_put(wire->sender, sizeof wire->sender, message.sender) ||
        !text_put(wire->sasl, sizeof wire->sasl, message.sasl) ||
        !text_put(wire->recipient, sizeof wire->recipient, message.recipient) ||
        !text_put(wire->next_hop, sizeof wire->next_hop, message.next_hop) ||
        !text_put(wire->profile, sizeof wire->profile, message.profile) ||
        !text_put(wire->client_address, sizeof wire->client_address, message.client_address) ||
        wire->recipient[0] == 0)
        return handle_fail(m, MXW_INVALID, "an address is too long, or the recipient is missing");
    if (message.freshness > MXW_LIVE)
        return handle_fail(m, MXW_USAGE, "there is no freshness %d", message.freshness);
    wire->own_freshness = message.freshness >= 0;
    wire->freshness = (uint8_t)(message.freshness >= 0 ? message.freshness : 0);
    wire->max_age_ms = message.max_age_ms;
    wire->deadline_ms = message.deadline_ms;
    wire->facts = message.facts;
    wire->accepted_s = message.accepted_s;
    wire->inbound = message.inbound != 0;
    wire->client_tls = (uint16_t)message.client_tls;
    wire->want_keys = message.want_keys != 0;
    wire->enforced = message.enforced != 0;
    return MXW_OK;
}

void decision_temporary(struct mxw_decision *out, const char *why)
{
    struct frame_answer answer = {.action = ACTION_DEFER,
                                  .would = ACTION_DEFER,
                                  .policy_answer = POSTFIX_HOLD,
                                  .smtp_code = 451,
                                  .code = "4.3.0",
                                  .class = CLASS_UNKNOWN,
                                  .limited = true};

    snprintf(answer.text, sizeof answer.text, "%s", why);
    decision_read(out, &answer);
}

_Static_assert((int)MXW_KEY_PRESENT == (int)MAIL_KEY_PRESENT &&
                   (int)MXW_KEY_UNKNOWN == (int)MAIL_KEY_UNKNOWN &&
                   (int)MXW_KEY_NONE == (int)MAIL_KEY_NONE,
               "keys");
_Static_assert(sizeof(((struct mxw_decision *)0)->policy) >= FRAME_POLICY_MAX, "policy");
_Static_assert(sizeof(((struct mxw_decision *)0)->text) >= FRAME_SENTENCE_MAX, "text");
