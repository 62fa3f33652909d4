/*
 * local.c - see local.h.
 *
 * A daemon that was stopped takes its folder away, and the next one begins a table that the old one
 * knows nothing of. So a table whose file is gone, or whose writer shows no life, is looked for
 * again by its name.
 */
#include "ipc/client/local.h"

#include "ipc/client/decision.h"
#include "ipc/client/usual.h"
#include "ipc/decide/verdict_reply.h"
#include "shm/layout.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENT_MS 5000 /* a writer shows life once a second */

struct local {
    struct table_reader *verdicts, *users; /* NULL: not there */
    struct account_kept kept;              /* of `users`, until the next refresh */
    struct usual usual;
    const struct places *trusted;
    bool knows_trusted;
    char directory[PATH_MAX], users_directory[PATH_MAX];
};

int local_open(struct local **out, const char *directory)
{
    struct local *local = calloc(1, sizeof *local);

    if (local == NULL)
        return -ENOMEM;
    /* What does not fit is no folder that a table could be in. */
    snprintf(local->directory, sizeof local->directory, "%s", directory);
    if (snprintf(local->users_directory, sizeof local->users_directory, "%s/users", directory) >=
        (int)sizeof local->users_directory)
        local->users_directory[0] = '\0';
    local_refresh(local);
    *out = local;
    return 0;
}

void local_close(struct local *local)
{
    if (local == NULL)
        return;
    if (local->verdicts != NULL)
        table_reader_close(local->verdicts);
    if (local->users != NULL)
        table_reader_close(local->users);
    free(local);
}

static uint64_t heartbeat_of(const struct table_reader *reader)
{
    struct table_facts facts;

    table_reader_facts(reader, &facts);
    return facts.heartbeat_ms;
}

/* A daemon is at work whose table cannot be read here (a layout or a group of another time, no
 * descriptor). What another one before it left says nothing of what holds now. */
static bool is_of_the_past(const struct table_reader *reader, int error)
{
    return reader != NULL && error != -ENOENT && table_reader_is_gone(reader);
}

/* `facts_of_now`: what is in it has no age that tells how far it may be believed. */
static void table_refresh(struct table_reader **reader, const char *directory,
                          const struct table_clock *clock, bool facts_of_now)
{
    struct table_reader *other;
    char why[256];
    int error;

    if (*reader != NULL) {
        table_reader_refresh(*reader, clock);
        if (heartbeat_of(*reader) + SILENT_MS > clock->boot_ms && !table_reader_is_gone(*reader))
            return;
    }
    error = table_reader_open(&other, directory, clock, why, sizeof why);
    if (error != 0 && facts_of_now && is_of_the_past(*reader, error)) {
        table_reader_close(*reader);
        *reader = NULL; /* unknown: the daemon is asked, or it is temporary (law 3) */
    }
    if (error != 0)
        return; /* an older table is better than none: its ages are in it */
    if (*reader == NULL || heartbeat_of(other) > heartbeat_of(*reader)) {
        if (*reader != NULL)
            table_reader_close(*reader);
        *reader = other;
    } else {
        table_reader_close(other);
    }
}

void local_refresh(struct local *local)
{
    struct table_clock clock;

    account_kept_clear(&local->kept);
    if (table_clock_read(&clock) != 0)
        return;
    table_refresh(&local->verdicts, local->directory, &clock, false);
    table_refresh(&local->users, local->users_directory, &clock, true);
}

/* Once for each successor: afterwards they are the next ones. */
bool local_follow(struct local *local)
{
    if ((local->verdicts == NULL || !table_reader_is_over(local->verdicts)) &&
        (local->users == NULL || !table_reader_is_over(local->users)))
        return false;
    local_refresh(local);
    return true;
}

const struct table_reader *local_users(const struct local *local)
{
    return local->users;
}

const struct table_reader *local_verdicts(const struct local *local)
{
    return local->verdicts;
}

void local_trust(struct local *local, const struct places *trusted)
{
    local->trusted = trusted;
    local->knows_trusted = true;
}

/* --- messages --- */

static enum frame_error look_inbound(const struct local *local, struct local_outcome *out,
                                     const struct frame_decide *asked)
{
    enum frame_error error =
        decide_inbound(&out->reply, asked, local->users, local->trusted, out->now_ms, &out->why);

    out->settled = local->knows_trusted || out->reply.would == ACTION_SEND;
    if (error == FRAME_ERROR_NONE) {
        out->reply.from_table = true;
        decision_read(&out->decision, &out->reply);
    }
    return error;
}

/* That keys were looked for and not found, only the daemon can say. */
static void keys_unknown(struct decision *decision, const struct frame_decide *asked)
{
    if (asked->want_keys && strchr(asked->recipient, '@') != NULL)
        decision->openpgp = decision->smime = MAIL_KEY_UNKNOWN;
}

static void reply_outbound(struct frame_answer *reply, const struct local_answer *known,
                           uint64_t now_ms)
{
    const struct verdict *verdict = known_verdict(&known->known);
    struct answer answer;

    decide_answer(&answer, &known->asked.decision, verdict, known->known.stale, now_ms);
    decide_reply(reply, &known->asked.decision, &answer, verdict, now_ms);
    reply->limited = known->known.stale || !known->known.there;
    reply->from_table = true;
}

/* The recipient's record, which was asked for first, is read first. */
static enum frame_error look_outbound(struct local *local, struct local_outcome *out,
                                      const struct frame_decide *asked, uint64_t arrived_ms,
                                      int64_t now_s)
{
    const struct table_reader *verdicts = local->verdicts;
    const uint32_t epoch = verdicts != NULL ? table_reader_epoch(verdicts) : 0;
    struct known_begun *begun = &out->answer.asked;
    struct decision *decision = &begun->decision;
    struct known *known = &out->answer.known;
    enum frame_error error;

    if (begun->error != FRAME_ERROR_NONE)
        return begun->error;
    known_read(known, verdicts, &begun->recipient, out->now_ms);
    error = decide_demand(decision, &begun->sender, asked, local->users, arrived_ms, out->now_ms,
                          now_s, &begun->why);
    if (error != FRAME_ERROR_NONE)
        return error;
    keys_unknown(decision, asked);
    if (!decide_goes_direct(decision))
        known_recipient(decision, verdicts, out->now_ms);
    known_judge(known, decision, epoch, out->now_ms);
    if (!usual_decide(&local->usual, &out->decision, out->expected, decision, known, out->now_ms)) {
        reply_outbound(&out->reply, &out->answer, out->now_ms);
        decision_read(&out->decision, &out->reply);
    }
    return FRAME_ERROR_NONE;
}

static struct known_tables tables_of(struct local *local)
{
    return (struct known_tables){local->users, local->verdicts, &local->kept};
}

void local_begin(struct local *local, struct local_outcome *out, const struct frame_decide *asked)
{
    const struct known_tables tables = tables_of(local);

    out->inbound = asked->inbound; /* then it is looked at in its turn alone */
    out->settled = false;
    if (!out->inbound)
        known_ask(&out->answer.asked, asked, &tables);
}

void local_fetch(struct local *local, struct local_outcome *out, uint64_t now_ms)
{
    const struct known_tables tables = tables_of(local);

    out->now_ms = now_ms;
    if (out->inbound)
        return;
    known_fetch(&out->answer.asked, &tables, now_ms);
    out->expected = usual_expect(&local->usual, &out->decision);
}

void local_look_on(struct local *local, struct local_outcome *out, const struct frame_decide *asked,
                   uint64_t arrived_ms, int64_t now_s)
{
    out->why = "";
    if (out->inbound) {
        out->error = look_inbound(local, out, asked);
        return;
    }
    out->error = look_outbound(local, out, asked, arrived_ms, now_s);
    out->why = out->answer.asked.why;
}

void local_look(struct local *local, struct local_outcome *out, const struct frame_decide *asked,
                uint64_t arrived_ms, uint64_t now_ms, int64_t now_s)
{
    local_begin(local, out, asked);
    local_fetch(local, out, now_ms);
    local_look_on(local, out, asked, arrived_ms, now_s);
}

void local_reply(const struct local_outcome *out, struct frame_answer *reply)
{
    if (out->inbound)
        *reply = out->reply;
    else
        reply_outbound(reply, &out->answer, out->now_ms);
}

/* --- what they are worth --- */

/* The daemon would decide the same, by the same. */
static bool is_fresh(const struct local_outcome *out)
{
    const struct known *known = &out->answer.known;

    if (out->error != FRAME_ERROR_NONE)
        return false;
    return out->inbound ? out->settled : known->there && !known->stale;
}

bool local_is_enough(const struct local_outcome *out)
{
    if (out->error == FRAME_ERROR_NAME)
        return true;
    return is_fresh(out) &&
           (out->inbound || (out->decision.would == MXW_SEND && !out->decision.alarm &&
                             !out->answer.asked.decision.want_keys));
}

bool local_will_do(const struct local_outcome *out, bool enforces)
{
    const struct mxw_decision *decision = &out->decision;

    if (out->error != FRAME_ERROR_NONE)
        return false;
    return decision->action == MXW_SEND || (decision->action == MXW_DEFER && is_fresh(out)) ||
           (enforces && decision->insecure && decision->policy_kind == MXW_POLICY_TEXT);
}

/* --- verdicts --- */

bool local_verdict(const struct local *local, struct frame_verdict *reply,
                   const struct next_hop *next_hop, uint64_t not_before_ms, uint64_t now_ms,
                   int64_t now_s)
{
    const struct table_reader *verdicts = local->verdicts;

    return verdicts != NULL &&
           verdict_reply_from_table(reply, verdicts, next_hop, table_reader_epoch(verdicts),
                                    not_before_ms, now_ms, now_s);
}
