/*
 * asking.c - the one way from a question to its answer.
 *
 * In order: what the tables know, if that is enough; what the daemon says; and by the deadline what
 * the tables know then. A daemon that is away, or silent, is not waited for where the tables have
 * an answer under which the mail may go: it is enforced at the delivery (law 1). Where they have
 * none the question waits for the daemon until its deadline, and then the trouble is told as ours
 * (law 3).
 *
 * Answers of one connection go out in the order of the requests: one that is there early waits in
 * its question for those before it.
 */
#include "ipc/gate/gate_internal.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "shm/freshness.h"

#include <stdio.h>
#include <string.h>

#define NO_ROOM "too many questions wait at mxward-gate; ask again in a moment"

/* --- answers in order --- */

static struct question **sent_at(struct gate *gate, uint64_t id)
{
    struct question **at = &gate->by_id[id % IDS];

    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next_id;
    return at;
}

/* Its answer is here, or wanted by nobody any more. */
static void question_home(struct gate *gate, struct question *question)
{
    struct question **at = sent_at(gate, question->id);

    if (question->sent && *at == question)
        *at = question->next_id;
    question->sent = false;
}

static void question_free(struct gate *gate, struct question *question)
{
    wheel_disarm(gate->wheel, &question->timer);
    question_home(gate, question);
    pool_give(gate->questions, question);
}

/* Those at the head that have their answers go out. */
static void client_flush(struct gate *gate, struct stream *stream)
{
    struct client *client = stream_state(stream);

    while (client->first != NULL && client->first->answered &&
           stream_room(stream) >= client->first->reply_size) {
        struct question *question = client->first;

        stream_put(gate->streams, stream, question->reply, question->reply_size);
        client->first = question->next;
        stream_waits(gate->streams, stream, -1);
        question_free(gate, question);
    }
}

static struct question *question_append(struct gate *gate, struct stream *stream)
{
    struct client *client = stream_state(stream);
    struct question *question = pool_take(gate->questions);

    if (question == NULL)
        return NULL;
    question->stream = stream;
    if (client->first == NULL)
        client->first = question;
    else
        client->last->next = question;
    client->last = question;
    stream_waits(gate->streams, stream, 1);
    return question;
}

void asking_say(struct gate *gate, struct stream *stream, const char *bytes, size_t size)
{
    struct client *client = stream_state(stream);
    struct question *question;

    if (client->first == NULL) {
        stream_put(gate->streams, stream, bytes, size);
        return;
    }
    question = question_append(gate, stream);
    if (question == NULL) { /* no place to wait in: an answer out of order would be a wrong one */
        stream_close_when_sent(stream);
        return;
    }
    memcpy(question->reply, bytes, size);
    question->reply_size = (uint32_t)size;
    question->answered = true;
}

void asking_room(struct gate *gate, struct stream *stream)
{
    client_flush(gate, stream);
}

void asking_gone(struct gate *gate, struct stream *stream)
{
    struct client *client = stream_state(stream);

    while (client->first != NULL) {
        struct question *question = client->first;

        client->first = question->next;
        question_free(gate, question);
    }
}

/* --- rendering --- */

/* By what an answer can be kept that is made from a record: taken before the record is read, so
 * that what changes meanwhile makes it void. */
struct mark {
    struct table_place place;
    uint32_t epoch, moved; /* of the table that it is in */
    bool there;
};

/* What is ruled of the next hop's own domain stands in another record, which nobody watches. */
static bool may_be_kept(const struct local_answer *local, const struct mark *mark)
{
    struct next_hop own;

    return local != NULL && mark != NULL && mark->there &&
           !decide_goes_elsewhere(&local->asked.decision, &own);
}

/* An answer of a policy map may only become stricter for some seconds. Our trouble tells nothing of
 * the next hop: that it is not to be sent now holds for now alone (law 3). */
static size_t steady(struct gate *gate, const struct ask *ask, const struct outcome *outcome,
                     const struct local_answer *local, const struct mark *mark, char *out,
                     size_t size)
{
    const struct recent_answer fresh = {out, size, ask->strictness};
    const bool keep = may_be_kept(local, mark);
    const struct recent_answer *given;

    if (ask->strictness == STRICTNESS_FAIL && outcome->trouble)
        return size;
    given = recent_stricter(
        gate->recent, ask->key, ask->key_size, &fresh, keep ? &mark->place : NULL,
        keep ? mark->moved : 0, keep ? mark->epoch : 0,
        keep ? verdict_keeps_until(&local->known.verdict, local->asked.decision.not_before_ms,
                                   gate->now_ms)
             : 0,
        gate->now_ms);
    if (given->strictness > ask->strictness)
        counter_add(&gate->counts.steadied, 1);
    if (given->bytes != out)
        memcpy(out, given->bytes, given->size);
    return given->size;
}

static size_t render(struct gate *gate, struct ask *ask, const struct outcome *outcome,
                     const struct local_answer *local, const struct mark *mark, char *out)
{
    size_t size = ask->render(gate, ask, outcome, out, GATE_ANSWER);

    if (ask->is_policy && size > 0)
        size = steady(gate, ask, outcome, local, mark, out, size);
    CHECK(size > 0 && size <= GATE_ANSWER);
    return size;
}

static void question_answer(struct gate *gate, struct question *question,
                            const struct outcome *outcome)
{
    struct stream *stream = question->stream;

    question->reply_size =
        (uint32_t)render(gate, &question->ask, outcome, NULL, NULL, question->reply);
    question->answered = true;
    wheel_disarm(gate->wheel, &question->timer);
    client_flush(gate, stream);
    stream_go_on(gate->streams, stream);
}

/* --- what the tables know --- */

struct from_tables {
    struct local_outcome local;
    struct outcome outcome;
};

static void tables_look(struct gate *gate, const struct ask *ask, uint64_t arrived_ms,
                        struct from_tables *from)
{
    struct local_outcome *local = &from->local;

    local_look(gate->local, local, &ask->asked, arrived_ms, gate->now_ms, gate->now_s);
    from->outcome = (struct outcome){
        .decision = local->error == FRAME_ERROR_NONE ? &local->decision : NULL,
        .invalid = local->error == FRAME_ERROR_NAME,
        .why = local->why,
    };
}

static void tables_of_now(struct gate *gate)
{
    gate->moved += local_follow(gate->local);
}

const struct table_reader *asking_users(struct gate *gate)
{
    tables_of_now(gate);
    return local_users(gate->local);
}

static void ask_tables(struct gate *gate, const struct ask *ask, uint64_t arrived_ms,
                       struct from_tables *from)
{
    tables_of_now(gate);
    tables_look(gate, ask, arrived_ms, from);
}

/* Somebody who could tell more was asked in vain, or not at all. */
static void in_trouble(struct gate *gate, struct from_tables *from, const char *why)
{
    from->outcome.trouble = true;
    from->outcome.why = why;
    counter_add(&gate->counts.trouble, 1);
}

/* --- the daemon --- */

static void message_of(struct mxw_message *message, const struct gate *gate, const struct ask *ask,
                       uint64_t arrived_ms)
{
    const struct frame_decide *asked = &ask->asked;
    const uint64_t gone_ms = gate->now_ms - arrived_ms;
    const uint64_t whole_ms = gate->options->deadline_ms;
    const uint64_t left_ms = whole_ms > gone_ms ? whole_ms - gone_ms : 1;

    *message = (struct mxw_message)MXW_MESSAGE_INIT;
    message->sender = asked->sender;
    message->sasl = asked->sasl;
    message->recipient = asked->recipient;
    message->next_hop = asked->next_hop;
    message->profile = asked->profile;
    message->facts = asked->facts;
    message->accepted_s = asked->accepted_s;
    message->freshness = asked->own_freshness ? asked->freshness : -1;
    message->max_age_ms = asked->max_age_ms;
    /* It answers in time by itself, with what it knows by then; a little is for the way. */
    message->deadline_ms = (uint32_t)(left_ms > 3 * GATE_DAEMON_LATE_MS / 2
                                          ? left_ms - left_ms / 8 - GATE_DAEMON_LATE_MS
                                      : left_ms > 400 ? left_ms - left_ms / 8
                                                      : left_ms);
    message->inbound = asked->inbound;
    message->client_tls = asked->client_tls;
    message->client_address = asked->client_address;
    message->want_keys = asked->want_keys;
    message->enforced = asked->enforced;
}

/* False: not now. */
static bool question_send(struct gate *gate, struct question *question)
{
    struct mxw_message message;

    message_of(&message, gate, &question->ask, question->arrived_ms);
    question->sent = link_ask(gate->link, &message, &question->id);
    if (!question->sent)
        return false;
    question->next_id = gate->by_id[question->id % IDS];
    gate->by_id[question->id % IDS] = question;
    return true;
}

static void ask_in_passing(struct gate *gate, const struct ask *ask)
{
    struct mxw_message message;
    uint64_t id;

    message_of(&message, gate, ask, gate->now_ms);
    link_ask(gate->link, &message, &id); /* nobody waits for the answer: the table gets it */
}

/* --- asking --- */

/* A socket that the MTA's process holds open must not be answered twice: a place in the order, or
 * an answer now. */
static void ask_and_wait(struct gate *gate, struct stream *stream, const struct ask *ask,
                         struct from_tables *from)
{
    struct question *question = question_append(gate, stream);
    char reply[GATE_ANSWER];
    struct ask now = *ask;

    if (question != NULL) {
        question->ask = *ask;
        question->arrived_ms = gate->now_ms;
        question->timer.token =
            (struct ring_token){GATE_OPERATION_DEADLINE, pool_slot(gate->questions, question),
                                pool_generation(gate->questions, question)};
        wheel_arm(gate->wheel, &question->timer, gate->now_ms + gate->options->deadline_ms);
        question_send(gate, question);
        return;
    }
    counter_add(&gate->counts.refused, 1);
    log_warning("questions-full", "answering from the tables");
    in_trouble(gate, from, NO_ROOM);
    asking_say(gate, stream, reply, render(gate, &now, &from->outcome, NULL, NULL, reply));
}

static void watched_take(struct gate *gate, struct watched *watched, const char *profile)
{
    const struct table_reader *users = local_users(gate->local);
    char text[TABLE_KEY_MAX];
    struct table_key key;

    snprintf(watched->profile, sizeof watched->profile, "%s", profile);
    watched->moved = gate->moved;
    watched->changes = ++gate->watched_changes;
    watched->there = users != NULL && account_profile_key(&key, text, profile) &&
                     table_place_find(users, &key, gate->now_ms, &watched->place);
}

/* Both counts only grow, so that the sum is the same only while both are. */
uint32_t asking_moved(struct gate *gate, const char *profile)
{
    struct watched *watched = gate->watched;

    if (profile[0] == '\0')
        return gate->moved;
    while (watched < gate->watched + GATE_PROFILES && strcmp(watched->profile, profile) != 0)
        watched++;
    if (watched == gate->watched + GATE_PROFILES)
        watched = &gate->watched[gate->watched_next++ % GATE_PROFILES];
    else if (watched->there && watched->moved == gate->moved && table_place_holds(&watched->place))
        return gate->moved + watched->changes;
    watched_take(gate, watched, profile);
    return gate->moved + watched->changes;
}

static void mark_take(struct mark *mark, struct gate *gate, const struct frame_decide *asked)
{
    const struct table_reader *verdicts = local_verdicts(gate->local);
    char text[NEXT_HOP_TEXT_MAX];
    struct next_hop next_hop;
    struct table_key key;

    mark->moved = asking_moved(gate, asked->profile);
    mark->epoch = verdicts != NULL ? table_reader_epoch(verdicts) : 0;
    mark->there =
        verdicts != NULL &&
        next_hop_parse(&next_hop, asked->recipient, strlen(asked->recipient)) == NAME_OK &&
        table_key_make(&key, text, next_hop_text(&next_hop, text)) &&
        table_place_find(verdicts, &key, gate->now_ms, &mark->place);
}

void asking_answer(struct gate *gate, struct stream *stream, const struct ask *ask)
{
    struct ask now = *ask;
    struct from_tables from;
    struct mark mark = {0};
    char reply[GATE_ANSWER];
    bool enough, will_do;

    counter_add(&gate->counts.asked, 1);
    tables_of_now(gate);
    if (ask->is_policy)
        mark_take(&mark, gate, &ask->asked);
    tables_look(gate, ask, gate->now_ms, &from);
    enough = local_is_enough(&from.local);
    will_do = local_will_do(&from.local, ask->is_policy);
    if (!enough && !(ask->at_once ? will_do : will_do && !link_is_up(gate->link))) {
        ask_and_wait(gate, stream, ask, &from);
        return;
    }
    if (!enough) {
        ask_in_passing(gate, ask);
        if (!ask->at_once)
            in_trouble(gate, &from, LOCAL_AWAY);
    }
    counter_add(&gate->counts.from_table, 1);
    asking_say(gate, stream, reply,
               render(gate, &now, &from.outcome,
                      enough && !from.outcome.invalid ? &from.local.answer : NULL, &mark, reply));
}

/* --- answers, or none --- */

/* As of what the tables know by now. */
static void answer_from_tables(struct gate *gate, struct question *question, const char *why)
{
    struct from_tables from;

    ask_tables(gate, &question->ask, question->arrived_ms, &from);
    if (!local_is_enough(&from.local))
        in_trouble(gate, &from, why);
    question_answer(gate, question, &from.outcome);
}

static void link_answered(void *context, const struct mxw_result *result)
{
    struct gate *gate = context;
    struct question *question = *sent_at(gate, result->id);
    struct outcome outcome = {.why = result->sentence};

    if (question == NULL)
        return; /* nobody waits for it any more */
    question_home(gate, question);
    if (question->answered)
        return; /* by the deadline; those before it are not */
    if (result->status == MXW_OK && result->decided)
        outcome.decision = &result->decision;
    else if (result->status == MXW_INVALID)
        outcome.invalid = true;
    else { /* busy, late, no memory: its trouble */
        answer_from_tables(gate, question, result->sentence);
        return;
    }
    counter_add(&gate->counts.from_daemon, 1);
    question_answer(gate, question, &outcome);
}

static void link_up(void *context)
{
    struct gate *gate = context;

    for (uint32_t slot = 0; slot < GATE_QUESTIONS; slot++) {
        struct question *question = pool_at(gate->questions, slot);

        if (question != NULL && !question->answered && !question->sent &&
            !question_send(gate, question))
            return; /* the others when there is room */
    }
}

/* What was sent is answered by nobody: those for whom the tables will do go on, the others wait for
 * the next daemon. */
static void link_lost(void *context)
{
    struct gate *gate = context;

    memset(gate->by_id, 0, sizeof gate->by_id);
    for (uint32_t slot = 0; slot < GATE_QUESTIONS; slot++) {
        struct question *question = pool_at(gate->questions, slot);
        struct from_tables from;

        if (question == NULL || !question->sent)
            continue;
        question->sent = false;
        if (question->answered)
            continue;
        ask_tables(gate, &question->ask, question->arrived_ms, &from);
        if (!local_will_do(&from.local, question->ask.is_policy))
            continue;
        if (!local_is_enough(&from.local))
            in_trouble(gate, &from, LOCAL_AWAY);
        question_answer(gate, question, &from.outcome);
    }
}

const struct link_owner asking_link_owner = {
    .answered = link_answered, .up = link_up, .lost = link_lost};

void asking_due(struct gate *gate, struct wheel_timer *timer)
{
    struct question *question =
        pool_find(gate->questions, timer->token.slot, timer->token.generation);

    if (question == NULL || question->answered)
        return;
    counter_add(&gate->counts.late, 1);
    if (question->sent && gate->now_ms < timer->due_ms + GATE_LATE_MS)
        link_is_silent(gate->link);
    answer_from_tables(gate, question, LOCAL_AWAY);
}
