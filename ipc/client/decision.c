/*
 * decision.c - see decision.h. What a later daemon says and we do not know never becomes "send".
 */
#include "ipc/client/decision.h"

#include "shm/answer.h"
#include "shm/letters.h"
#include "shm/level.h"
#include "shm/phrase.h"

#include <string.h>

static const char *level_word(unsigned level)
{
    return level <= LEVEL_AUTHENTICATED ? level_name((enum level)level) : "?";
}

/* A word of a later daemon says nothing of a key that we could use. */
static int key_read(uint8_t key, const char **name)
{
    const enum mail_key known = key < MAIL_KEY_COUNT ? (enum mail_key)key : MAIL_KEY_UNKNOWN;

    *name = mail_key_name(known);
    return (int)known;
}

void decision_read(struct mxw_decision *out, const struct frame_answer *in)
{
    const enum tls_class class =
        in->class < CLASS_COUNT ? (enum tls_class)in->class : CLASS_UNKNOWN;

    memset(out->reserved, 0, sizeof out->reserved);
    out->size = sizeof *out;
    /* An action that we do not know, of a later daemon, must not become "send". */
    out->action = in->action < ACTION_COUNT ? in->action : MXW_DEFER;
    out->would = in->would < ACTION_COUNT ? in->would : MXW_DEFER;
    out->observed = in->observed;
    out->action_name = action_name((enum action)out->action);
    out->would_name = action_name((enum action)out->would);
    out->demand_name = level_word(in->demand);
    out->source_name =
        in->source < DEMAND_SOURCE_COUNT ? demand_source_name((enum demand_source)in->source) : "?";
    out->exemption_name =
        in->exemption < EXEMPTION_COUNT ? exemption_name((enum exemption)in->exemption) : "?";
    out->alarm = in->alarm;
    out->policy_kind = in->policy_answer <= MXW_POLICY_NONE ? in->policy_answer : MXW_POLICY_NONE;
    text_copy(out->policy, sizeof out->policy, in->policy);
    out->guarantees = in->guarantees;
    out->guarantees_name = level_word(in->guarantees);
    out->smtp_code = in->smtp_code;
    text_copy(out->code, sizeof out->code, in->code);
    text_copy(out->text, sizeof out->text, in->text);
    text_copy(out->profile, sizeof out->profile, in->profile);
    out->class_name = in->class < CLASS_COUNT ? class_name(class) : "?";
    out->level_name = level_word(in->level);
    out->sign = sign_name(class_sign(class));
    out->cause = in->cause;
    decision_evidence(out, in->host, in->began_ms != 0, in->age_ms);
    out->limited = in->limited;
    out->from_table = in->from_table;
    out->refuse_at_rcpt = in->refuse_at_rcpt;
    out->insecure = in->insecure;
    out->openpgp = key_read(in->openpgp, &out->openpgp_name);
    out->smime = key_read(in->smime, &out->smime_name);
}

void decision_evidence(struct mxw_decision *out, const char host[DECISION_HOST_BYTES], bool there,
                       uint64_t age_ms)
{
    letters_copy(out->host, host, sizeof out->host);
    out->age_ms = there ? (int64_t)age_ms : -1;
}

void decision_hold(struct mxw_decision *out)
{
    if (out->action != MXW_STOP)
        return;
    out->action = out->would = MXW_DEFER;
    out->action_name = out->would_name = action_name(ACTION_DEFER);
    out->smtp_code = 451;
    out->code[0] = '4'; /* RFC 3463: the same, but it may pass */
    out->limited = 1;
}
