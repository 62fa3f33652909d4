/*
 * maps.c - Postfix's socketmaps: which map is asked, with which key, and what it is told.
 *
 * - QUERY, QUERYwithTLSRPT, policy. Key: next hop. Policy text, or not found (the MTA's default).
 * - guarantee/PROFILE. Key: next hop. A policy that cannot be less than encryption, or an error;
 *   never "not found".
 * - sender. Key: address. Transport of the sender's profile, or not found.
 * - sender/only. The same, but DUNNO instead of not found: no other map is asked.
 * - dsn/PROFILE. Key: status and text of a failure. Final, temporary, or not found.
 * - dsn. Key: status and text of any delivery. Temporary, or not found; nobody is asked.
 * - requiretls. Key: next hop. How REQUIRETLS is dealt with; by it dsn knows of which next hop the
 *   failure is.
 *
 * Names of maps are case-sensitive but for the first two, which users of another program have in
 * their main.cf. QUERYwithTLSRPT says no more than QUERY: what is added there is about MTA-STS.
 *
 * Postfix takes every error of a policy map for "4.7.5 client TLS configuration problem" and defers
 * (DEC-05); the reason is in its log alone, so it says what happened.
 */
#include "ipc/gate/gate_internal.h"

#include "engine/base/log.h"
#include "ipc/wire/socketmap.h"
#include "shm/freshness.h"

#include <stdio.h>
#include <string.h>

/* --- replies --- */

static size_t reply_put(char *out, size_t size, enum socketmap_status status, const char *text)
{
    const size_t length = socketmap_put(out, size, status, text);

    return length > 0 ? length
                      : socketmap_put(out, size, SOCKETMAP_TEMP, "an answer that cannot be said");
}

/* The most frequent of all. */
static void say_not_found(struct gate *gate, struct stream *stream)
{
    static const char reply[] = "9:NOTFOUND ,";

    asking_say(gate, stream, reply, sizeof reply - 1);
}

static void say(struct gate *gate, struct stream *stream, enum socketmap_status status,
                const char *text)
{
    char reply[GATE_ANSWER];

    asking_say(gate, stream, reply, reply_put(reply, sizeof reply, status, text));
}

/* --- policies --- */

bool gate_is_mandatory(const char *policy)
{
    static const char *const levels[] = {"encrypt ", "dane-only ", "fingerprint ", "verify ",
                                         "secure "};

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strncmp(policy, levels[i], strlen(levels[i])) == 0)
            return true;
    return false;
}

/* Not sent, and not because a demand is seen not to be met, for which there is a policy that
 * enforces it: refused by an administrator, or a look-up failed. */
static bool is_held(const struct mxw_decision *decision)
{
    return decision->action != MXW_SEND && !decision->insecure;
}

/* It begins when it asks: a look that was made for its question is fresh for it. */
static void note_delivery(struct gate *gate, const struct ask *ask, bool is_text)
{
    if (ask->guaranteed)
        deliveries_note(gate->deliveries, ask->process, ask->asked.profile,
                        is_text ? ask->asked.recipient : NULL, ask->arrived_ms, gate->now_ms);
}

static size_t render_policy(struct gate *gate, struct ask *ask, const struct outcome *outcome,
                            char *out, size_t size)
{
    const struct mxw_decision *decision = outcome->decision;

    ask->strictness = STRICTNESS_FAIL;
    note_delivery(gate, ask, decision != NULL && decision->policy_kind == MXW_POLICY_TEXT);
    if (decision == NULL && outcome->invalid && !ask->guaranteed) { /* no domain of ours */
        ask->strictness = STRICTNESS_NONE;
        return reply_put(out, size, SOCKETMAP_NOTFOUND, NULL);
    }
    if (decision == NULL)
        return reply_put(out, size, outcome->invalid ? SOCKETMAP_PERM : SOCKETMAP_TEMP,
                         outcome->why);
    if (is_held(decision) || decision->policy_kind == MXW_POLICY_NONE)
        return reply_put(out, size, SOCKETMAP_TEMP, decision->text);
    if (ask->guaranteed &&
        (decision->policy_kind != MXW_POLICY_TEXT || !gate_is_mandatory(decision->policy)))
        return reply_put(out, size, SOCKETMAP_TEMP,
                         "the profile demands less than encryption: such a profile has no map");
    if (decision->policy_kind == MXW_POLICY_TEXT) {
        ask->strictness = (uint8_t)(STRICTNESS_OK + decision->guarantees);
        return reply_put(out, size, SOCKETMAP_OK, decision->policy);
    }
    ask->strictness = STRICTNESS_NONE;
    return reply_put(out, size, SOCKETMAP_NOTFOUND, NULL);
}

/* [127.0.0.1]:10024, [::1], [localhost]: a content filter, or what else hands mail on. */
static bool is_this_machine(const struct socketmap_request *request)
{
    struct next_hop next_hop;

    if (request->key[0] != '[' ||
        next_hop_parse(&next_hop, request->key, request->key_length) != NAME_OK)
        return false;
    if (next_hop.kind == NEXT_HOP_HOST)
        return strcmp(next_hop.name.text, "localhost") == 0;
    return next_hop.kind == NEXT_HOP_ADDRESS && address_is_loopback(&next_hop.address);
}

/* A key is a next hop. In brackets it is one that an administrator chose: it is answered from what
 * is known, and looked at meanwhile; it waits only if that cannot tell. */
static void policy_ask(struct gate *gate, struct stream *stream,
                       const struct socketmap_request *request, const char *profile)
{
    struct ask ask;

    if (request->key_length == 0 || request->key_length >= sizeof ask.asked.recipient ||
        memchr(request->key, '\0', request->key_length) != NULL) {
        say(gate, stream, profile != NULL ? SOCKETMAP_PERM : SOCKETMAP_NOTFOUND,
            "this is no next hop");
        return;
    }
    if (profile == NULL && is_this_machine(request)) { /* it must not wait for us */
        say_not_found(gate, stream);
        return;
    }
    memset(&ask, 0, sizeof ask);
    memcpy(ask.asked.recipient, request->key, request->key_length);
    ask.render = render_policy;
    ask.at_once = request->key[0] == '[';
    ask.is_policy = true;
    ask.guaranteed = profile != NULL;
    ask.asked.enforced = profile != NULL;
    if (profile != NULL)
        snprintf(ask.asked.profile, sizeof ask.asked.profile, "%s", profile);
    ask.process = stream_process(stream);
    ask.arrived_ms = gate->now_ms;
    ask.key_size =
        (uint16_t)snprintf(ask.key, sizeof ask.key, "%.*s %.*s", (int)request->name_length,
                           request->name, (int)request->key_length, request->key);
    if (ask.key_size >= sizeof ask.key) /* too long a name to be kept: it is answered as it is */
        ask.key_size = 0;
    asking_answer(gate, stream, &ask);
}

/* --- sender --- */

/* No transport. After "not found" Postfix asks once more, for the whole domain (mail_addr_find),
 * and then the maps behind: two questions a message in vain, where there are none. */
static void say_ordinary(struct gate *gate, struct stream *stream, bool only)
{
    if (only)
        say(gate, stream, SOCKETMAP_OK, "DUNNO");
    else
        say_not_found(gate, stream);
}

static void sender_ask(struct gate *gate, struct stream *stream,
                       const struct socketmap_request *request, bool only)
{
    char address[FRAME_ADDRESS_MAX], ascii[FRAME_ADDRESS_MAX], transport[160];
    const char *sender;
    struct account_path path;

    if (request->key_length >= sizeof address) { /* of whom, with an extension? (law 2) */
        say(gate, stream, SOCKETMAP_TEMP, "the address is too long to know what it demands");
        return;
    }
    if (request->key_length == 0 || request->key[0] == '@' ||
        memchr(request->key, '\0', request->key_length) != NULL) {
        say_ordinary(gate, stream, only); /* no account is called so */
        return;
    }
    memcpy(address, request->key, request->key_length);
    address[request->key_length] = '\0';
    if (strcmp(address, "\"<>\"") == 0) /* so Postfix asks for the null sender, too */
        memcpy(address, "<>", sizeof "<>");
    sender = decide_address(ascii, address);
    if (sender == NULL) {
        say(gate, stream, SOCKETMAP_TEMP, "mxward-gate has no memory left");
        return;
    }
    account_way_of_sender(&path, asking_users(gate), sender, gate->now_ms, gate->now_s);
    if (!path.known) {
        say(gate, stream, SOCKETMAP_TEMP,
            "what the sender demands is not known now: is mxward running, and may mxward-gate "
            "read its table of users (guarantee.users_group)?");
        return;
    }
    switch (path.way) {
    case WAY_ORDINARY:
        say_ordinary(gate, stream, only);
        return;
    case WAY_BY_RECIPIENT:
        say(gate, stream, SOCKETMAP_OK, gate->options->split_transport);
        return;
    case WAY_PROFILE:
        break;
    }
    gate_transport(gate, path.profile, transport, sizeof transport);
    say(gate, stream, SOCKETMAP_OK, transport);
}

/* --- dsn: is a failure final? --- */

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* A host that offers STARTTLS and then refuses it. The status code is that of its reply. */
static bool is_refused_starttls(const char *text)
{
    const char *words = strchr(text, ' ');

    return words != NULL && begins_with(words + 1, "TLS is required, but host ");
}

/* What Postfix says when the other side refused what the policy demands. Everything else (its own
 * configuration, look-ups, time-outs, our errors) stays temporary (law 3, CODE-04). */
static bool is_refusal(const char *text)
{
    static const char *const beginnings[] = {
        "4.7.4 TLS is required, but was not offered by host ",
        "4.7.5 Server certificate not trusted",
        "4.7.5 Server certificate not verified",
        "4.7.5 Cannot start TLS: handshake failure",
    };

    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (begins_with(text, beginnings[i]))
            return true;
    return is_refused_starttls(text);
}

/* `local`: what the tables say, as of then. What was ruled or switched by the wall clock is as of
 * now. */
static bool look_says_final(struct gate *gate, const struct delivery *delivery, uint64_t then_ms,
                            struct local_outcome *local)
{
    struct frame_decide asked = {0}; /* what is only observed returns nothing */

    snprintf(asked.recipient, sizeof asked.recipient, "%s", delivery->next_hop);
    snprintf(asked.profile, sizeof asked.profile, "%s", delivery->profile);
    local_look(gate->local, local, &asked, delivery->asked_ms, then_ms, gate->now_s);
    return local->error == FRAME_ERROR_NONE && local->decision.action == MXW_STOP &&
           local->decision.insecure;
}

/* Evidence, as fresh as was asked for when the delivery began, says that every mail host fails the
 * demand, and who demands it wants to be told at once.
 *
 * The delivery went by what held when it was given its policy, so a TTL that ran out while a mail
 * host took its time takes nothing away: what was last seen is judged as of then, too (as of its
 * own beginning, if it was looked at since), as long as a failure is evidence of now (FRESH-02).
 * What a delivery disproved held at no time (engine/domain.c). */
static bool is_final(struct gate *gate, const struct delivery *delivery,
                     struct mxw_decision *decision)
{
    struct local_outcome local;
    bool final = look_says_final(gate, delivery, gate->now_ms, &local);

    if (!final && local.error == FRAME_ERROR_NONE && local.answer.known.there) {
        const uint64_t began_ms = local.answer.known.verdict.began_ms;

        final = gate->now_ms < began_ms + VERDICT_BAD_MS &&
                look_says_final(gate, delivery,
                                began_ms > delivery->answered_ms ? began_ms : delivery->answered_ms,
                                &local);
    }
    if (final)
        *decision = local.decision;
    return final;
}

static void say_final(struct gate *gate, struct stream *stream, const struct delivery *delivery,
                      const struct mxw_decision *decision)
{
    char answer[1024];

    counter_add(&gate->counts.filters_final, 1);
    log_notice("stopped", "profile=%s next_hop=%s code=%s %s", delivery->profile,
               delivery->next_hop, decision->code, decision->text);
    snprintf(answer, sizeof answer, "%s %s%s%s", decision->code, decision->text,
             gate->options->help != NULL ? ". " : "",
             gate->options->help != NULL ? gate->options->help : "");
    say(gate, stream, SOCKETMAP_OK, answer);
}

/* --- dsn: what is said for good, and is no more than a guess --- */

/* Postfix returns a message with REQUIRETLS for what was answered late, too, and for what somebody
 * on the way says in the host's name. That a host promises no REQUIRETLS, or shows another
 * certificate, is no such thing. */
static bool is_requiretls_unmet(const char *text)
{
    static const char who[] = "Sender requested REQUIRETLS, but ";
    const char *words = strchr(text, ' ');

    if (words == NULL || !begins_with(words + 1, who))
        return false;
    words += sizeof who;
    return begins_with(words, "my configured TLS security level ") ||
           begins_with(words, "TLS service was not offered by host ") ||
           (begins_with(words, "host ") && strstr(words, " refused to start TLS: ") != NULL);
}

/* Does Postfix compare the certificate under this policy? */
static bool is_matching(const struct mxw_decision *decision)
{
    static const char *const levels[] = {"dane", "fingerprint ", "verify ", "secure "};

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (decision->policy_kind == MXW_POLICY_TEXT && begins_with(decision->policy, levels[i]))
            return true;
    return false;
}

/* Evidence of this delivery's next hop: nothing there proves who its hosts are. */
static bool is_known_to_prove_nothing(struct gate *gate, const struct delivery *delivery)
{
    struct frame_decide asked = {0};
    const struct verdict *verdict;
    struct local_outcome local;

    if (delivery == NULL)
        return false;
    snprintf(asked.recipient, sizeof asked.recipient, "%s", delivery->next_hop);
    snprintf(asked.profile, sizeof asked.profile, "%s", delivery->profile);
    local_look(gate->local, &local, &asked, delivery->asked_ms, gate->now_ms, gate->now_s);
    if (local.error != FRAME_ERROR_NONE || !local.answer.known.there || local.answer.known.stale)
        return false;
    verdict = known_verdict(&local.answer.known);
    return verdict->conclusion == CONCLUSION_DEFINITE && !is_matching(&local.decision);
}

static void say_temporary(struct gate *gate, struct stream *stream, const char *code,
                          const char *text)
{
    char answer[1024];

    snprintf(answer, sizeof answer, "%s%s", code, strchr(text, ' '));
    say(gate, stream, SOCKETMAP_OK, answer);
}

/* Postfix takes the host at its word, and returns the mail for good, but who is on the way can say
 * this, too (TLS-07): only evidence makes it final. Everything else stays what it is. */
static void say_left(struct gate *gate, struct stream *stream, const char *text,
                     const struct delivery *delivery)
{
    if (text[0] == '5' && is_refused_starttls(text))
        say_temporary(gate, stream, "4.7.4", text);
    else if (text[0] == '5' && is_requiretls_unmet(text) &&
             !is_known_to_prove_nothing(gate, delivery))
        say_temporary(gate, stream, "4.7.10", text);
    else
        say_not_found(gate, stream);
}

static void dsn_ask(struct gate *gate, struct stream *stream,
                    const struct socketmap_request *request, const char *profile)
{
    char text[SOCKETMAP_REQUEST_MAX + 1];
    struct mxw_decision decision;
    const struct delivery *delivery =
        deliveries_find(gate->deliveries, stream_process(stream), profile, gate->now_ms);

    snprintf(text, sizeof text, "%.*s", (int)request->key_length, request->key);
    /* Only while the daemon is there: away, it stops nobody (ipc/client/mxward.h). */
    if (delivery != NULL && is_refusal(text) && link_is_up(gate->link) &&
        is_final(gate, delivery, &decision)) {
        say_final(gate, stream, delivery, &decision);
        return;
    }
    counter_add(&gate->counts.filters_left, 1);
    say_left(gate, stream, text, delivery);
}

/* Without a profile, after each delivery. Where it goes is known of one with REQUIRETLS. */
static void dsn_ask_ordinary(struct gate *gate, struct stream *stream,
                             const struct socketmap_request *request)
{
    char text[SOCKETMAP_REQUEST_MAX + 1];

    if (request->key_length == 0 || request->key[0] != '5') {
        say_not_found(gate, stream);
        return;
    }
    snprintf(text, sizeof text, "%.*s", (int)request->key_length, request->key);
    say_left(gate, stream, text,
             deliveries_find(gate->deliveries, stream_process(stream), "", gate->now_ms));
}

/* --- requiretls --- */

/* RFC 8689, section 4.2.1: as the message asks, for everybody. The first question of a delivery
 * with REQUIRETLS; that of a guarantee comes behind it. */
static void requiretls_ask(struct gate *gate, struct stream *stream,
                           const struct socketmap_request *request)
{
    char next_hop[NEXT_HOP_TEXT_MAX];
    const bool fits = request->key_length > 0 && request->key_length < sizeof next_hop &&
                      memchr(request->key, '\0', request->key_length) == NULL;

    if (fits)
        snprintf(next_hop, sizeof next_hop, "%.*s", (int)request->key_length, request->key);
    deliveries_note(gate->deliveries, stream_process(stream), "", fits ? next_hop : NULL,
                    gate->now_ms, gate->now_ms);
    say(gate, stream, SOCKETMAP_OK, "enforce");
}

/* --- the maps --- */

enum map {
    MAP_POLICY,
    MAP_GUARANTEE,
    MAP_SENDER,
    MAP_SENDER_ONLY,
    MAP_DSN,
    MAP_DSN_ORDINARY,
    MAP_REQUIRETLS,
    MAP_UNKNOWN
};

static bool name_is(const struct socketmap_request *request, const char *name)
{
    return request->name_length == strlen(name) &&
           memcmp(request->name, name, request->name_length) == 0;
}

static bool ascii_is_like(const char *text, const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((text[i] | 0x20) != (name[i] | 0x20))
            return false;
    return true;
}

static bool name_is_like(const struct socketmap_request *request, const char *name)
{
    return request->name_length == strlen(name) &&
           ascii_is_like(request->name, name, request->name_length);
}

/* Postfix asks for parent domains where it was told "not found": the hottest question of all, and
 * never anything else. With a profile there is always an answer, so it never comes to that. */
static bool is_parent(const struct socketmap_request *request)
{
    return request->key_length > 0 && request->key[0] == '.';
}

/* The profile behind "guarantee/" or "dsn/". */
static bool profile_read(const struct socketmap_request *request, const char *prefix,
                         char profile[PROFILE_NAME_MAX])
{
    const size_t length = strlen(prefix);

    if (request->name_length <= length || request->name_length - length >= PROFILE_NAME_MAX ||
        memcmp(request->name, prefix, length) != 0)
        return false;
    memcpy(profile, request->name + length, request->name_length - length);
    profile[request->name_length - length] = '\0';
    return strlen(profile) == request->name_length - length;
}

static bool is_policy(const struct socketmap_request *request)
{
    return name_is(request, "policy") || name_is_like(request, "QUERY") ||
           name_is_like(request, "QUERYwithTLSRPT");
}

static enum map map_of(const struct socketmap_request *request, char profile[PROFILE_NAME_MAX])
{
    if (is_policy(request))
        return MAP_POLICY;
    if (profile_read(request, "guarantee/", profile))
        return MAP_GUARANTEE;
    if (name_is(request, "sender"))
        return MAP_SENDER;
    if (name_is(request, "sender/only"))
        return MAP_SENDER_ONLY;
    if (profile_read(request, "dsn/", profile))
        return MAP_DSN;
    if (name_is(request, "dsn"))
        return MAP_DSN_ORDINARY;
    return name_is(request, "requiretls") ? MAP_REQUIRETLS : MAP_UNKNOWN;
}

static void request_answer(struct gate *gate, struct stream *stream,
                           const struct socketmap_request *request)
{
    char profile[PROFILE_NAME_MAX];
    const enum map map = map_of(request, profile);

    switch (map) {
    case MAP_POLICY:
        policy_ask(gate, stream, request, NULL);
        return;
    case MAP_GUARANTEE:
        if (is_parent(request))
            say(gate, stream, SOCKETMAP_PERM, "a parent domain is no next hop");
        else
            policy_ask(gate, stream, request, profile);
        return;
    case MAP_SENDER:
    case MAP_SENDER_ONLY:
        sender_ask(gate, stream, request, map == MAP_SENDER_ONLY);
        return;
    case MAP_DSN:
        dsn_ask(gate, stream, request, profile);
        return;
    case MAP_DSN_ORDINARY:
        dsn_ask_ordinary(gate, stream, request);
        return;
    case MAP_REQUIRETLS:
        if (is_parent(request))
            say_not_found(gate, stream);
        else
            requiretls_ask(gate, stream, request);
        return;
    case MAP_UNKNOWN:
        break;
    }
    say(gate, stream, SOCKETMAP_PERM,
        "there is no such map: policy, guarantee/PROFILE, sender, sender/only, dsn/PROFILE, "
        "dsn, requiretls");
}

static size_t whole_length(const struct socketmap_request *request)
{
    return request->name_length + 1 + request->key_length;
}

/* An answer that is kept, by the whole request. */
static bool answer_kept(struct gate *gate, struct stream *stream,
                        const struct socketmap_request *request, uint64_t hash)
{
    const struct table_reader *verdicts = local_verdicts(gate->local);
    char profile[PROFILE_NAME_MAX] = "", next_hop[NEXT_HOP_TEXT_MAX];
    const struct recent_answer *kept;
    bool guaranteed;

    if (verdicts == NULL)
        return false;
    guaranteed = profile_read(request, "guarantee/", profile);
    kept = recent_served(gate->recent, hash, request->name, whole_length(request),
                         asking_moved(gate, guaranteed ? profile : ""),
                         table_reader_epoch(verdicts), gate->now_ms);
    if (kept == NULL)
        return false;
    counter_add(&gate->counts.kept, 1);
    if (guaranteed && request->key_length < sizeof next_hop) { /* what is kept is a policy */
        memcpy(next_hop, request->key, request->key_length);
        next_hop[request->key_length] = '\0';
        deliveries_note(gate->deliveries, stream_process(stream), profile, next_hop, gate->now_ms,
                        gate->now_ms);
    }
    asking_say(gate, stream, kept->bytes, kept->size);
    return true;
}

/* A line for each would cost more than the answer. */
static void sample_log(struct gate *gate, const struct stream *stream,
                       const struct socketmap_request *request)
{
    char text[2 * RECENT_KEY_MAX];
    const size_t length = whole_length(request);

    gate->sample = 0;
    if (!log_enabled(LOG_INFO_LEVEL))
        return;
    log_escape(text, sizeof text, request->name, length < RECENT_KEY_MAX ? length : RECENT_KEY_MAX);
    log_info("socketmap-sample", "one of %d: pid=%d request=\"%s\"", GATE_SAMPLE,
             stream_process(stream), text);
}

/* A request that is there as a whole. */
struct found {
    struct socketmap_request request;
    uint64_t hash; /* 0: it has no kept answer */
    size_t end;
};

/* The most frequent of all: they have an answer by their looks. */
static bool is_parent_of_policy(const struct socketmap_request *request)
{
    return is_parent(request) && is_policy(request);
}

static void found_answer(struct gate *gate, struct stream *stream, const struct found *found)
{
    const struct socketmap_request *request = &found->request;

    if (request->key == NULL)
        say(gate, stream, SOCKETMAP_PERM, "a request is the name of a map, a blank and a key");
    else if (found->hash == 0)
        say_not_found(gate, stream);
    else if (!answer_kept(gate, stream, request, found->hash))
        request_answer(gate, stream, request);
    if (request->key != NULL && ++gate->sample >= GATE_SAMPLE)
        sample_log(gate, stream, request);
}

/* Those that are there, GATE_AHEAD at most. What each needs from memory is fetched while the others
 * are read: one after the other would wait for it each time. */
static unsigned find(const struct gate *gate, struct found found[GATE_AHEAD], const char *bytes,
                     size_t size, enum take_status *status)
{
    unsigned count = 0;
    size_t at = 0, used;

    for (; count < GATE_AHEAD; count++) {
        struct found *next = &found[count];

        *status = socketmap_take(&next->request, bytes + at, size - at, &used);
        if (*status != TAKE_WHOLE)
            break;
        at += used;
        next->end = at;
        next->hash =
            next->request.key == NULL || is_parent_of_policy(&next->request)
                ? 0
                : recent_hash(gate->recent, next->request.name, whole_length(&next->request));
    }
    for (unsigned i = 0; count > 1 && i < count; i++)
        if (found[i].hash != 0)
            recent_fetch(gate->recent, found[i].hash, 0);
    return count;
}

struct stream_taken maps_take(struct gate *gate, struct stream *stream, const char *bytes,
                              size_t size)
{
    struct stream_taken taken = {0};
    struct found found[GATE_AHEAD];
    enum take_status status;
    const unsigned count = find(gate, found, bytes, size, &status);

    taken.lost = count == 0 && status == TAKE_LOST;
    while (taken.requests < count && (taken.requests == 0 || stream_may_take(stream))) {
        found_answer(gate, stream, &found[taken.requests]);
        taken.used = found[taken.requests++].end;
    }
    return taken;
}
