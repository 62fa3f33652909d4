/*
 * decide.c - `mxwardctl decide`, and `check --forward`: may this mail leave, one line a recipient.
 *
 * Called by main and check. Recipients are asked at once and told in the order given. The exit code
 * is the gravest: stopped before must wait before may leave.
 */
#include "tools/mxwardctl/derivation.h"
#include "tools/mxwardctl/document.h"

#include "ipc/wire/json.h"
#include "tools/mxwardctl/result.h"

#include <stdlib.h>
#include <string.h>

#define FORWARD_PROFILE "posteo" /* what a forward is tested against, unless another is named */

struct decide {
    const struct invocation *invocation;
    struct screen screen;
    struct mxw *handle;
    char **recipients;
    size_t count;
    int columns;
};

static void message_fill(const struct decide *decide, size_t place, struct mxw_message *message)
{
    const struct invocation *invocation = decide->invocation;

    *message = (struct mxw_message)MXW_MESSAGE_INIT;
    message->recipient = decide->recipients[place];
    message->sender = invocation->forward ? NULL : invocation->words[0];
    message->sasl = invocation->sasl;
    message->next_hop = invocation->next_hop;
    message->profile = invocation->profile;
    if (invocation->forward && !message->profile)
        message->profile = FORWARD_PROFILE;
    message->facts = invocation->facts;
    message->inbound = invocation->inbound;
    message->client_tls = invocation->client_tls;
    message->client_address = invocation->client;
    message->want_keys = invocation->keys;
    message->deadline_ms = (uint32_t)invocation->wait_ms;
    if (invocation->live) {
        message->freshness = MXW_LIVE;
    } else if (invocation->max_age_ms >= 0) {
        message->freshness = MXW_MAX_AGE;
        message->max_age_ms = (uint32_t)invocation->max_age_ms;
    }
}

/* --- telling --- */

static int exit_code_of_action(const char *action)
{
    return strcmp(action, "stop") == 0 ? NOT_MET : strcmp(action, "send") == 0 ? DONE : UNDECIDED;
}

static int exit_code_of(const struct mxw_result *result)
{
    if (result->status != MXW_OK)
        return ask_exit_code(result->status);
    return result->decision.action == MXW_STOP    ? NOT_MET
           : result->decision.action == MXW_DEFER ? UNDECIDED
                                                  : DONE;
}

static void tell_text(const struct decide *decide, const char *recipient,
                      const struct mxw_result *result)
{
    static const enum style styles[] = {STYLE_GOOD, STYLE_DOUBT, STYLE_BAD};
    const struct mxw_decision *decision = &result->decision;
    const struct screen *screen = &decide->screen;

    if (result->status != MXW_OK) {
        screen_style(screen, STYLE_DOUBT);
        screen_column(screen, "error", 7);
        screen_style(screen, STYLE_PLAIN);
        screen_column(screen, recipient, decide->columns);
        screen_text(screen, result->sentence);
        fputc('\n', screen->out);
        return;
    }
    screen_style(screen, styles[decision->action]);
    screen_column(screen, decision->action_name, 7);
    screen_style(screen, STYLE_PLAIN);
    screen_column(screen, recipient, decide->columns);
    fprintf(screen->out, "%s ", decision->code);
    screen_text(screen, decision->text);
    if (decide->invocation->keys)
        fprintf(screen->out, " [OpenPGP key: %s, S/MIME certificate: %s]", decision->openpgp_name,
                decision->smime_name);
    if (decision->observed)
        fprintf(screen->out, " [only observed: would %s]", decision->would_name);
    fputc('\n', screen->out);
}

static void tell_json(const char *recipient, const struct mxw_result *result)
{
    const struct mxw_decision *d = &result->decision;
    char line[RESULT_LINE_MAX];
    struct json json;

    json_start(&json, line, sizeof line);
    json_put_text(&json, "recipient", recipient);
    json_put_text(&json, "status", mxw_status_name(result->status));
    if (result->status != MXW_OK) {
        json_put_text(&json, "sentence", result->sentence);
        json_finish(&json);
        puts(line);
        return;
    }
    json_put_text(&json, "action", d->action_name);
    json_put_text(&json, "would", d->would_name);
    json_put_boolean(&json, "observed", d->observed != 0);
    json_put_text(&json, "code", d->code);
    json_put_text(&json, "text", d->text);
    json_put_text(&json, "demand", d->demand_name);
    json_put_text(&json, "source", d->source_name);
    json_put_text(&json, "left_out", d->exemption_name);
    json_put_text(&json, "profile", d->profile[0] ? d->profile : NULL);
    json_put_boolean(&json, "alarm", d->alarm != 0);
    json_put_text(&json, "policy", d->policy_kind == MXW_POLICY_TEXT ? d->policy : NULL);
    json_put_text(&json, "guarantees", d->guarantees_name);
    json_put_text(&json, "class", d->class_name);
    json_put_text(&json, "level", d->level_name);
    json_put_text(&json, "host", d->host[0] ? d->host : NULL);
    json_put_number(&json, "age_ms", d->age_ms);
    json_put_boolean(&json, "limited", d->limited != 0);
    json_put_text(&json, "openpgp", d->openpgp_name);
    json_put_text(&json, "smime", d->smime_name);
    json_finish(&json);
    puts(line);
}

static int tell(const struct decide *decide, size_t place, const struct mxw_result *result)
{
    if (decide->invocation->json)
        tell_json(decide->recipients[place], result);
    else
        tell_text(decide, decide->recipients[place], result);
    return exit_code_of(result);
}

/* --- asking --- */

/* All are sent, then received; told as soon as all before are. */
static int ask_all(struct decide *decide, struct mxw_result *results, uint64_t *ids)
{
    size_t answered = 0;
    int status;

    for (size_t i = 0; i < decide->count; i++) {
        struct mxw_message message;

        message_fill(decide, i, &message);
        status = mxw_send_message(decide->handle, &message, &ids[i]);
        if (status != MXW_OK)
            return status;
    }
    while (answered < decide->count) {
        struct mxw_result result = {.size = sizeof result};

        status = mxw_receive(decide->handle, &result, decide->invocation->wait_ms + 1500);
        if (status != MXW_OK)
            return status;
        for (size_t i = 0; i < decide->count; i++)
            if (ids[i] == result.id)
                results[i] = result;
        answered++;
    }
    return MXW_OK;
}

static int ask(struct decide *decide)
{
    struct mxw_result *results = calloc(decide->count + 1, sizeof *results);
    uint64_t *ids = calloc(decide->count + 1, sizeof *ids);
    int status, code = DONE;

    status = results && ids ? ask_all(decide, results, ids) : MXW_MEMORY;
    for (size_t i = 0; status == MXW_OK && i < decide->count; i++)
        code = exit_code_worse(code, tell(decide, i, &results[i]));
    if (status != MXW_OK)
        code = ask_failed(decide->handle, status);
    free(results);
    free(ids);
    return code;
}

/* --- the derivation --- */

static int explain_all(struct decide *decide)
{
    int code = DONE;

    for (size_t i = 0; i < decide->count; i++) {
        struct mxw_message message;
        const char *text;
        size_t length;
        json_t *root;
        int status;

        message_fill(decide, i, &message);
        status = mxw_explain_message(decide->handle, &message, &text, &length,
                                     decide->invocation->wait_ms + 1500);
        if (status != MXW_OK)
            return ask_failed(decide->handle, status);
        root = document_parse(text, length);
        if (!root)
            return INTERNAL;
        if (decide->invocation->json)
            puts(text);
        else
            derivation_print(&decide->screen, root);
        code = exit_code_worse(code, exit_code_of_action(text_or(root, "action", "")));
        json_decref(root);
    }
    return code;
}

int decide_run(const struct invocation *invocation)
{
    const int before = invocation->forward ? 0 : 1; /* words that are no recipients */
    struct decide decide = {.invocation = invocation,
                            .recipients = invocation->words + before,
                            .count = (size_t)(invocation->word_count - before),
                            .columns = 16};
    int code = DONE;

    if (invocation->explain && invocation->inbound) {
        fputs("mxwardctl: --explain is about mail that leaves; --inbound says why by itself\n",
              stderr);
        return USAGE;
    }
    code = ask_open(invocation, &decide.handle);
    if (code != DONE)
        return code;
    screen_init(&decide.screen, invocation, stdout);
    for (size_t i = 0; i < decide.count; i++) {
        int columns = (int)strlen(decide.recipients[i]) + 1;

        if (columns > decide.columns && columns <= 60)
            decide.columns = columns;
    }
    code = invocation->explain ? explain_all(&decide) : ask(&decide);
    mxw_close(decide.handle);
    return code;
}
