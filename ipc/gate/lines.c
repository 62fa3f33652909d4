/*
 * lines.c - the line protocol: for Exim's ${readsocket}, and for scripts (mxward-gate(8) has the
 * words). One request a line, one answer a line; a connection may ask many.
 *
 *   decide recipient=… [sender=… sasl=… next_hop=… profile=… facts=a,b live=yes keys=yes]
 *   policy next_hop=…        what Postfix's map would say, and the same for Exim's transports
 *   guarantee profile=… next_hop=…
 *   sender sender=…          the profile that the sender's mail goes under
 *   inbound recipient=… client_address=… tls=TLSv1.3
 *   observe host=… address=… [next_hop=… port=25 tls=TLSv1.3 trust=verified cipher=… key=…
 *           delivered=SECONDS]   what was delivered (gate.observe); told to the daemon, whose
 *                                verdict nobody waits for
 *   ping                     is the gate there, and the daemon?
 *
 * What is not of the request is refused: a key that we did not read might have demanded something.
 *
 * Every answer has `status`: ok, temporary (ask again, or defer) or invalid (what was asked is no
 * name, no profile, no request). Without a status of ok there is no action: who fails to look at it
 * finds nothing that says "send".
 */
#include "ipc/gate/gate_internal.h"

#include "ipc/wire/delegation.h"
#include "ipc/wire/line.h"

#include <stdio.h>
#include <string.h>

#define OBSERVED_PORT 25 /* unless the request says another: which teaches nothing */

static size_t status_line(char *out, size_t size, const char *status, const char *text)
{
    struct line_answer answer;

    line_begin(&answer, out, size);
    line_put(&answer, "status", status);
    line_put(&answer, "text", text);
    return line_end(&answer);
}

static void say_status(struct gate *gate, struct stream *stream, const char *status,
                       const char *text)
{
    char reply[GATE_ANSWER];

    asking_say(gate, stream, reply, status_line(reply, sizeof reply, status, text));
}

/* --- a decision --- */

/* A list of keys stands in for DANE where Postfix cannot do it (shm/postfix.c), and others can;
 * only behind an unsigned MX record they cannot either, and what is left is encryption. */
static const char *keys_word(const struct mxw_decision *decision)
{
    if (decision->guarantees >= LEVEL_AUTHENTICATED)
        return "dane";
    return strcmp(decision->demand_name, level_name(LEVEL_DANE_INSECURE_MX)) == 0
               ? "hold"
               : "encrypt-try-dane";
}

/* The policy in words that a mail program without Postfix's table can act on: Exim's transports
 * (tools/exim) are called so. */
static const char *delivery_word(const struct mxw_decision *decision)
{
    static const struct {
        const char *level, *word;
    } words[] = {
        {"may", "may"},        {"encrypt", "encrypt"}, {"dane", "try-dane"},
        {"dane-only", "dane"}, {"secure", "verified"},
    };
    const size_t length = strcspn(decision->policy, " ");

    if (decision->policy_kind == MXW_POLICY_NONE)
        return "hold";
    if (decision->policy_kind == MXW_POLICY_DEFAULT)
        return "default";
    if (strncmp(decision->policy, "fingerprint ", sizeof "fingerprint " - 1) == 0)
        return keys_word(decision);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].level) == length &&
            memcmp(decision->policy, words[i].level, length) == 0)
            return words[i].word;
    return "hold";
}

/* The names in "secure match=a:b …". */
static void names_put(struct line_answer *answer, const struct mxw_decision *decision)
{
    static const char prefix[] = "secure match=";
    char names[sizeof decision->policy];

    if (strncmp(decision->policy, prefix, sizeof prefix - 1) != 0)
        return;
    snprintf(names, sizeof names, "%s", decision->policy + sizeof prefix - 1);
    names[strcspn(names, " ")] = '\0';
    line_put(answer, "names", names);
}

static void decision_put(struct line_answer *answer, const struct mxw_decision *decision)
{
    line_put(answer, "action", decision->action_name);
    line_put(answer, "delivery", delivery_word(decision));
    names_put(answer, decision);
    line_put(answer, "code", decision->code);
    line_number(answer, "smtp", decision->smtp_code);
    line_put(answer, "demand", decision->demand_name);
    line_put(answer, "source", decision->source_name);
    line_put(answer, "profile", decision->profile);
    line_put(answer, "class", decision->class_name);
    line_put(answer, "level", decision->level_name);
    line_put(answer, "host", decision->host);
    line_put(answer, "insecure", decision->insecure ? "yes" : "no");
    line_put(answer, "limited", decision->limited ? "yes" : "no");
    line_put(answer, "refuse_at_rcpt", decision->refuse_at_rcpt ? "yes" : "no");
    if (decision->observed)
        line_put(answer, "would", decision->would_name);
    if (decision->exemption_name != NULL && strcmp(decision->exemption_name, "none") != 0)
        line_put(answer, "exemption", decision->exemption_name);
    if (decision->age_ms >= 0)
        line_number(answer, "age", (uint64_t)decision->age_ms / 1000);
    line_put(answer, "from", decision->from_table ? "table" : "daemon");
    line_put(answer, "text", decision->text);
    line_put(answer, "policy", decision->policy);
}

static size_t decision_line(char *out, size_t size, const struct mxw_decision *decision)
{
    struct line_answer answer;

    line_begin(&answer, out, size);
    line_put(&answer, "status", "ok");
    decision_put(&answer, decision);
    return line_end(&answer);
}

/* As in Postfix's map: of a profile is told what cannot be less than encryption, or that there is
 * nothing to tell. */
static bool is_too_mild(const struct ask *ask, const struct mxw_decision *decision)
{
    return ask->guaranteed && decision->policy_kind != MXW_POLICY_NONE &&
           (decision->policy_kind != MXW_POLICY_TEXT || !gate_is_mandatory(decision->policy));
}

static size_t render_line(struct gate *gate, struct ask *ask, const struct outcome *outcome,
                          char *out, size_t size)
{
    const struct mxw_decision *decision = outcome->decision;
    const char *why = outcome->why;
    size_t length = 0;

    (void)gate;
    if (decision != NULL && is_too_mild(ask, decision)) {
        decision = NULL;
        why = "the profile demands less than encryption";
    }
    if (decision != NULL) {
        length = decision_line(out, size, decision);
        why = "an answer that cannot be said";
    }
    return length > 0 ? length
                      : status_line(out, size, outcome->invalid ? "invalid" : "temporary", why);
}

/* --- requests --- */

static bool text_read(char *out, size_t size, const struct line_request *request, const char *key)
{
    const char *value = line_value(request, key);

    return value == NULL || (size_t)snprintf(out, size, "%s", value) < size;
}

/* "authenticated,forward": a word that we do not know is refused, for facts lower. */
static bool facts_read(uint32_t *facts, const char *text)
{
    static const struct {
        const char *word;
        uint32_t fact;
    } words[] = {
        {"authenticated", FACT_AUTHENTICATED},
        {"local", FACT_LOCAL_ORIGIN},
        {"forward", FACT_FORWARD},
        {"tls-report", FACT_TLS_REPORT},
        {"requiretls", FACT_REQUIRETLS},
        {"auto-submitted", FACT_AUTO_SUBMITTED},
        {"tls-required-no", FACT_TLS_REQUIRED_NO},
    };

    while (text != NULL && *text != '\0') {
        const size_t length = strcspn(text, ",");
        bool known = false;

        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            if (strlen(words[i].word) == length && memcmp(text, words[i].word, length) == 0) {
                *facts |= words[i].fact;
                known = true;
            }
        }
        if (!known && length > 0)
            return false;
        text += length + (text[length] == ',');
    }
    return true;
}

static bool is_yes(const struct line_request *request, const char *key)
{
    const char *value = line_value(request, key);

    return value != NULL && strcmp(value, "yes") == 0;
}

static void ask_line(struct gate *gate, struct stream *stream, const struct line_request *request,
                     struct ask *ask)
{
    struct frame_decide *asked = &ask->asked;

    ask->render = render_line;
    if (!text_read(asked->sender, sizeof asked->sender, request, "sender") ||
        !text_read(asked->sasl, sizeof asked->sasl, request, "sasl") ||
        !text_read(asked->recipient, sizeof asked->recipient, request, "recipient") ||
        !text_read(asked->next_hop, sizeof asked->next_hop, request, "next_hop") ||
        !text_read(asked->profile, sizeof asked->profile, request, "profile") ||
        !text_read(asked->client_address, sizeof asked->client_address, request,
                   "client_address")) {
        say_status(gate, stream, "invalid", "a value is too long");
        return;
    }
    if (asked->recipient[0] == '\0') {
        say_status(gate, stream, "invalid", "the recipient or the next hop is missing");
        return;
    }
    if (!facts_read(&asked->facts, line_value(request, "facts"))) {
        say_status(gate, stream, "invalid", "facts has a word that is none");
        return;
    }
    if (is_yes(request, "live")) {
        asked->own_freshness = 1;
        asked->freshness = FRESHNESS_LIVE;
    }
    asked->want_keys = is_yes(request, "keys");
    asking_answer(gate, stream, ask);
}

static void decide_line(struct gate *gate, struct stream *stream,
                        const struct line_request *request)
{
    const char *sender = line_value(request, "sender");
    struct ask ask;

    memset(&ask, 0, sizeof ask);
    if (sender != NULL && sender[0] == '\0') /* so Exim says the null sender */
        snprintf(ask.asked.sender, sizeof ask.asked.sender, "<>");
    ask_line(gate, stream, request, &ask);
}

/* Of a next hop, whoever sends. */
static void policy_line(struct gate *gate, struct stream *stream,
                        const struct line_request *request, bool guaranteed)
{
    const char *next_hop = line_value(request, "next_hop");
    const char *profile = line_value(request, "profile");
    struct ask ask;

    memset(&ask, 0, sizeof ask);
    if (next_hop == NULL || strlen(next_hop) >= sizeof ask.asked.recipient ||
        guaranteed != (profile != NULL)) {
        say_status(gate, stream, "invalid",
                   "policy has next_hop, guarantee has next_hop and profile");
        return;
    }
    snprintf(ask.asked.recipient, sizeof ask.asked.recipient, "%s", next_hop);
    ask.guaranteed = guaranteed;
    ask.asked.enforced = guaranteed;
    ask.at_once = next_hop[0] == '['; /* as the map: an administrator chose it */
    ask_line(gate, stream, request, &ask);
}

static void sender_line(struct gate *gate, struct stream *stream,
                        const struct line_request *request)
{
    const char *sender = line_value(request, "sender");
    char ascii[FRAME_ADDRESS_MAX];
    struct account_path path = {0};
    struct line_answer answer;
    char reply[GATE_ANSWER];

    if (sender == NULL || strlen(sender) >= sizeof ascii) {
        say_status(gate, stream, "invalid", "the sender is missing, or too long");
        return;
    }
    sender = decide_address(ascii, sender);
    if (sender != NULL)
        account_way_of_sender(&path, asking_users(gate), sender, gate->now_ms, gate->now_s);
    if (!path.known) {
        say_status(gate, stream, "temporary", "what the sender demands is not known now");
        return;
    }
    line_begin(&answer, reply, sizeof reply);
    line_put(&answer, "status", "ok");
    line_put(&answer, "profile", path.way == WAY_ORDINARY ? "" : path.profile);
    line_put(&answer, "exceptions", path.way == WAY_BY_RECIPIENT ? "yes" : "no");
    asking_say(gate, stream, reply, line_end(&answer));
}

static void inbound_line(struct gate *gate, struct stream *stream,
                         const struct line_request *request)
{
    struct delegation_request connection = {.understood = true};
    struct ask ask;

    memset(&ask, 0, sizeof ask);
    if (!text_read(connection.encryption_protocol, sizeof connection.encryption_protocol, request,
                   "tls")) {
        say_status(gate, stream, "invalid", "a value is too long");
        return;
    }
    ask.asked.inbound = 1;
    ask.asked.client_tls = (uint16_t)delegation_tls(&connection);
    ask_line(gate, stream, request, &ask);
}

/* --- a delivery --- */

static bool number_read(uint64_t *number, const char *text, uint64_t most)
{
    *number = 0;
    for (; *text >= '0' && *text <= '9' && *number <= most; text++)
        *number = *number * 10 + (uint64_t)(*text - '0');
    return *text == '\0' && *number <= most;
}

static int trust_of(const char *word)
{
    static const char *const words[] = {
        [MXW_CLEAR] = "clear",
        [MXW_ENCRYPTED] = "encrypted",
        [MXW_TRUSTED] = "trusted",
        [MXW_VERIFIED] = "verified",
    };

    for (int i = 0; i < (int)(sizeof words / sizeof *words); i++)
        if (word != NULL && strcmp(words[i], word) == 0)
            return i;
    return -1;
}

/* NULL, or what is wrong. What is not said of TLS is taken for none: it teaches nothing then. */
static const char *observation_read(struct mxw_observation *observation,
                                    const struct line_request *request, int64_t now_s)
{
    const char *trust = line_value(request, "trust"), *port = line_value(request, "port");
    const char *delivered = line_value(request, "delivered");
    struct delegation_request connection = {.understood = true};
    uint64_t number = OBSERVED_PORT, delivered_s = (uint64_t)now_s;

    *observation = (struct mxw_observation)MXW_OBSERVATION_INIT;
    observation->domain = line_value(request, "next_hop");
    observation->host = line_value(request, "host");
    observation->address = line_value(request, "address");
    observation->cipher = line_value(request, "cipher");
    observation->key_sha256 = line_value(request, "key");
    observation->trust = trust != NULL ? trust_of(trust) : MXW_CLEAR;
    if (observation->trust < 0)
        return "trust is clear, encrypted, trusted or verified";
    if ((port != NULL && !number_read(&number, port, UINT16_MAX)) ||
        (delivered != NULL && !number_read(&delivered_s, delivered, INT32_MAX * UINT64_C(1000))))
        return "port and delivered are numbers";
    if (!text_read(connection.encryption_protocol, sizeof connection.encryption_protocol, request,
                   "tls"))
        return "a value is too long";
    observation->tls_version = delegation_tls(&connection);
    observation->port = (unsigned)number;
    observation->delivered_s = (int64_t)delivered_s;
    return NULL;
}

static void observe_line(struct gate *gate, struct stream *stream,
                         const struct line_request *request)
{
    struct mxw_observation observation;
    const char *why = observation_read(&observation, request, gate->now_s);

    if (!gate->options->observe)
        why = "deliveries are not taken here (gate.observe)";
    if (why != NULL) {
        say_status(gate, stream, "invalid", why);
        return;
    }
    switch (link_observe(gate->link, &observation)) {
    case MXW_OK:
        say_status(gate, stream, "ok", "the daemon is told");
        return;
    case MXW_INVALID:
        say_status(gate, stream, "invalid", "host or address is missing, or a value too long");
        return;
    default:
        say_status(gate, stream, "temporary", "the daemon cannot be told now");
        return;
    }
}

static void ping_line(struct gate *gate, struct stream *stream)
{
    struct line_answer answer;
    char reply[GATE_ANSWER];

    line_begin(&answer, reply, sizeof reply);
    line_put(&answer, "status", "ok");
    line_put(&answer, "daemon", link_is_up(gate->link) ? "yes" : "no");
    line_put(&answer, "verdicts", local_verdicts(gate->local) != NULL ? "yes" : "no");
    line_put(&answer, "users", local_users(gate->local) != NULL ? "yes" : "no");
    line_number(&answer, "connections", counter_read(&streams_counts(gate->streams)->connections));
    line_number(&answer, "kept", counter_read(&gate->counts.kept));
    line_number(&answer, "asked", counter_read(&gate->counts.asked));
    line_number(&answer, "from_table", counter_read(&gate->counts.from_table));
    line_number(&answer, "from_daemon", counter_read(&gate->counts.from_daemon));
    line_number(&answer, "late", counter_read(&gate->counts.late));
    line_number(&answer, "trouble", counter_read(&gate->counts.trouble));
    line_number(&answer, "steadied", counter_read(&gate->counts.steadied));
    line_number(&answer, "observed", counter_read(&link_counts(gate->link)->observed));
    line_number(&answer, "stopped", counter_read(&gate->counts.filters_final));
    asking_say(gate, stream, reply, line_end(&answer));
}

static void next_hop_line(struct gate *gate, struct stream *stream,
                          const struct line_request *request)
{
    policy_line(gate, stream, request, false);
}

static void guarantee_line(struct gate *gate, struct stream *stream,
                           const struct line_request *request)
{
    policy_line(gate, stream, request, true);
}

static void ping_request(struct gate *gate, struct stream *stream,
                         const struct line_request *request)
{
    (void)request;
    ping_line(gate, stream);
}

static const struct request_row {
    const char *command;
    const char *keys; /* that it may have, each between blanks */
    void (*answer)(struct gate *gate, struct stream *stream, const struct line_request *request);
} requests[] = {
    {"decide", " recipient sender sasl next_hop profile facts live keys ", decide_line},
    {"policy", " next_hop live ", next_hop_line},
    {"guarantee", " profile next_hop live ", guarantee_line},
    {"sender", " sender ", sender_line},
    {"inbound", " recipient client_address tls ", inbound_line},
    {"observe", " next_hop host address port tls trust cipher key delivered ", observe_line},
    {"ping", " ", ping_request},
};

static bool is_switch(const char *key)
{
    return strcmp(key, "live") == 0 || strcmp(key, "keys") == 0;
}

/* NULL, or what is wrong with it. */
static const char *fields_judge(const struct request_row *row, const struct line_request *request)
{
    for (unsigned i = 0; i < request->count; i++) {
        const char *key = request->fields[i].key, *value = request->fields[i].value;
        char between[LINE_REQUEST_MAX + 3];

        snprintf(between, sizeof between, " %s ", key);
        if (strstr(row->keys, between) == NULL)
            return "a key that this request does not have";
        if (is_switch(key) && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
            return "live and keys are yes or no";
    }
    return NULL;
}

static void request_answer(struct gate *gate, struct stream *stream,
                           const struct line_request *request)
{
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        const char *why;

        if (strcmp(request->command, requests[i].command) != 0)
            continue;
        why = fields_judge(&requests[i], request);
        if (why != NULL)
            say_status(gate, stream, "invalid", why);
        else
            requests[i].answer(gate, stream, request);
        return;
    }
    say_status(gate, stream, "invalid",
               "there is no such request: decide, policy, guarantee, sender, inbound, observe, "
               "ping");
}

struct stream_taken lines_take(struct gate *gate, struct stream *stream, const char *bytes,
                               size_t size, bool ended)
{
    struct line_request request;
    const char *why = NULL;
    size_t used = 0;

    switch (line_take(&request, bytes, size, ended, &used, &why)) {
    case TAKE_MORE:
        return (struct stream_taken){0};
    case TAKE_LOST:
        return (struct stream_taken){.lost = true};
    case TAKE_WHOLE:
        break;
    }
    if (why != NULL)
        say_status(gate, stream, "invalid", why);
    else
        request_answer(gate, stream, &request);
    return (struct stream_taken){.used = used, .requests = 1};
}
