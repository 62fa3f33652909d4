/*
 * decisions.c - messages to be decided: from the frame to the answer, with or without the engine.
 *
 * What is known and fresh is answered on the spot. Otherwise the engine is asked, and whatever
 * comes of it (late, no room, our own failure) the answer is made of what is known then: evidence
 * that is older than asked for shapes the policy and stops nobody (law 1).
 *
 * Each answer is told once to the report, and to the alarm if memory is contradicted.
 */
#include "ipc/serve/front_internal.h"

#include "engine/alarm.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/publish.h"
#include "ipc/wire/recipients.h"
#include "shm/freshness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `ahead`: what was found of the next hop, just now; NULL: nothing. */
static void known_now(const struct front *front, const struct decision *decision,
                      struct known_ahead *ahead, uint64_t now_ms, struct known *known)
{
    known_from_table(known, front->table, decision, ahead, engine_config_epoch(front->engine),
                     now_ms);
}

/* The engine did not look at the hosts, for reasons of its own; who they are, and which have TLSA
 * records, it may know all the same. That is no evidence, and shapes the policy where the table
 * knows less (law 3). */
static bool is_more(const struct verdict *verdict, const struct known *known)
{
    return verdict->hosts > 0 && (!known->there || known->verdict.hosts == 0);
}

/* What the engine brought home counts, unless it is our own failure; what is remembered and ruled
 * may have changed since that look, and the table has it. */
static void known_of_question(const struct front *front, const struct question *question,
                              uint64_t now_ms, struct known *known)
{
    const struct domain_facts *facts = question->home ? question->request.facts : NULL;
    const bool ours = facts != NULL && facts->verdict.cause == CAUSE_OURS;

    known_now(front, &question->decision, NULL, now_ms, known);
    if (facts == NULL)
        return;
    const bool remembered = known->there && !known_memory_is_unknown(known);
    const struct floor floor = remembered ? known->verdict.floor : facts->verdict.floor;

    if (!ours || is_more(&facts->verdict, known))
        *known = (struct known){
            .verdict = facts->verdict, .there = true, .stale = ours || question->request.limited};
    if (known->there)
        known->verdict.floor = floor;
}

/* --- telling --- */

static void report_tell(struct front *front, const struct decision *decision,
                        const struct answer *answer, const struct known *known)
{
    struct store_report report;
    struct report_note *note;

    if (!decide_report(&report, decision, answer, known_verdict(known)))
        return;
    note = pool_take(front->reports);
    if (!note)
        return; /* a line of statistics: counted by front_counts all the same */
    note->report = report;
    note->message.kind = MESSAGE_REPORT_ASK;
    mailbox_send(front->mailbox, owner_keeper(&front->peer.owners), &note->message);
}

void report_home(struct front *front, struct report_note *note)
{
    pool_give(front->reports, note);
}

static void answer_tell(struct front *front, const struct decision *decision,
                        const struct answer *answer, const struct known *known)
{
    counter *counts[ACTION_COUNT] = {[ACTION_SEND] = &front->counts.sent,
                                     [ACTION_DEFER] = &front->counts.deferred,
                                     [ACTION_STOP] = &front->counts.stopped};

    counter_add(counts[answer->would], 1);
    report_tell(front, decision, answer, known);
    if (answer->alarm && !answer->observed)
        alarm_raise(ALARM_HELD, decision->domain, "%s", answer->text);
}

/* --- answering --- */

static void answer_make(struct answer *answer, const struct decision *decision,
                        const struct known *known, uint64_t now_ms)
{
    decide_answer(answer, decision, known_verdict(known), known->stale, now_ms);
}

static void reply_make(struct frame_answer *reply, const struct decision *decision,
                       const struct known *known, const struct answer *answer, uint64_t now_ms)
{
    decide_reply(reply, decision, answer, known_verdict(known), now_ms);
    reply->limited = known->stale;
}

static uint64_t known_ms_of(const struct question *question)
{
    return question->known_ms != 0 ? question->known_ms : clock_boot_ms();
}

/* S14: on request, and as the way out for who is told that mail is not sent. */
static bool wants_keys(const struct decision *decision, const struct answer *answer)
{
    return decision->want_keys || (answer->insecure && !answer->observed);
}

bool decision_lacks_keys(const struct front *front, const struct question *question)
{
    const struct decision *decision = &question->decision;
    const uint64_t now_ms = clock_boot_ms();
    struct answer answer;
    struct known known;

    if (!decision->has_digest || decision->openpgp != MAIL_KEY_NOT_ASKED)
        return false;
    known_of_question(front, question, now_ms, &known);
    answer_make(&answer, decision, &known, now_ms);
    return wants_keys(decision, &answer);
}

bool write_decision(struct front *front, struct native_client *client, struct question *question)
{
    const uint64_t now_ms = known_ms_of(question);
    struct frame_answer reply;
    struct answer answer;
    struct known known;

    known_of_question(front, question, now_ms, &known);
    answer_make(&answer, &question->decision, &known, now_ms);
    reply_make(&reply, &question->decision, &known, &answer, now_ms);
    reply.from_table = question->from_table;
    reply.place = question->place;
    if (!question->told)
        answer_tell(front, &question->decision, &answer, &known);
    question->told = true;
    return put(front, client, FRAME_ANSWER, question->request.client_id, &reply);
}

size_t document_of_decision(struct front *front, struct question *question, char *out, size_t size)
{
    const struct decision *decision = &question->decision;
    const uint64_t now_ms = known_ms_of(question);
    struct answer answer;
    struct known known;
    const struct verdict *verdict;

    known_of_question(front, question, now_ms, &known);
    verdict = known_verdict(&known);
    decide_answer(&answer, decision, verdict, known.stale, now_ms);
    return decide_explain(out, size, decision, &answer, verdict, known.stale, now_ms);
}

/* --- taking --- */

static enum native_taken take_inbound(struct front *front, struct native_client *client,
                                      const struct frame *frame, const struct frame_decide *asked)
{
    struct frame_answer reply;
    const char *why = "";
    enum frame_error error =
        decide_inbound(&reply, asked, front->users, front->terms->trusted, front->now_ms, &why);

    if (error)
        put_fault(front, client, frame, error, why);
    else
        put(front, client, FRAME_ANSWER, frame->id, &reply);
    return NATIVE_ANSWERED;
}

/* A message on its way to its answer; filled step by step, so nothing of it is cleared. */
struct asking {
    const struct frame *frame;
    bool readable; /* else `sentence` says why it is not; and nothing behind has a meaning */
    char sentence[FRAME_SENTENCE_MAX];
    struct frame_decide asked;
    uint16_t place; /* among many recipients; 0: it is the only one */
    /* What is asked about, of mail that leaves; and what was fetched for it. */
    struct known_begun begun;
    /* Its turn. */
    struct native_client *client;
    uint64_t arrived_ms;
    struct known known;
    struct answer answer; /* as of what is known */
    struct kept_question kept;
};

/* Those that are made ready together: of single messages, and of one to many recipients. */
struct askings {
    unsigned count; /* single ones */
    struct asking single[LIMIT_CLIENT_AHEAD], many[LIMIT_CLIENT_AHEAD];
};

int decisions_create(struct front *front)
{
    front->askings = calloc(1, sizeof *front->askings);
    return front->askings != NULL ? 0 : -ENOMEM;
}

void decisions_destroy(struct front *front)
{
    free(front->askings);
}

/* With what is known, and without what would have to be looked up. */
static enum native_taken answer_now(struct front *front, const struct asking *asking)
{
    struct frame_answer reply;

    reply_make(&reply, &asking->begun.decision, &asking->known, &asking->answer, front->now_ms);
    if (asking->begun.decision.want_keys && asking->begun.decision.has_digest)
        reply.openpgp = reply.smime = MAIL_KEY_UNKNOWN;
    reply.from_table = true;
    reply.place = asking->place;
    answer_tell(front, &asking->begun.decision, &asking->answer, &asking->known);
    kept_put_answer(front, &asking->kept, &reply);
    return NATIVE_ANSWERED;
}

/* Fresh and wholly known, so it is what the engine would say; and nobody need be told of it. What
 * is ruled of the recipient's own domain stands in a second record, which nobody watches. */
static uint64_t given_again_until(const struct asking *asking)
{
    const struct decision *decision = &asking->begun.decision;
    struct next_hop own;

    if (asking->place != 0 || asking->answer.would != ACTION_SEND || asking->answer.alarm ||
        decision->want_keys || decide_goes_elsewhere(decision, &own))
        return 0;
    return verdict_keeps_until(&asking->known.verdict, decision->not_before_ms, asking->arrived_ms);
}

/* What is known will do, but the recipient's keys are to be looked up. */
static enum native_taken answer_with_keys(struct front *front, struct asking *asking)
{
    struct question *question = NULL;

    decide_digest(&asking->begun.decision, asking->asked.recipient);
    if (asking->begun.decision.has_digest)
        question = question_try(front, asking->client, asking->frame, PRIORITY_ASKED);
    if (!question)
        return answer_now(front, asking);
    question->decision = asking->begun.decision;
    question->place = asking->place;
    question->request.deadline_ms = deadline_of(asking->asked.deadline_ms, asking->arrived_ms);
    question->home = true;
    question->from_table = true;
    if (!keys_wait(front, question))
        question_answer(front, question);
    return NATIVE_WAITS;
}

/* Who demands nothing new and would be answered by what is known only has it renewed. */
static enum priority priority_of(const struct asking *asking)
{
    if (asking->begun.decision.not_before_ms == asking->arrived_ms)
        return PRIORITY_LIVE;
    return asking->known.there && !known_memory_is_unknown(&asking->known) &&
                   asking->begun.decision.not_before_ms == 0 && !asking->begun.decision.explain
               ? PRIORITY_REFRESH
               : PRIORITY_ASKED;
}

static enum native_taken answer_later(struct front *front, struct asking *asking)
{
    struct decision *decision = &asking->begun.decision;
    struct question *question =
        question_try(front, asking->client, asking->frame, priority_of(asking));

    decide_digest(decision, asking->asked.recipient);
    if (!question) /* no room: what is known must do */
        return answer_now(front, asking);
    question->decision = *decision;
    question->place = asking->place;
    question->request.part_will_do = true; /* a policy enforces the rest */
    question_send(front, question, &decision->next_hop, decision->not_before_ms,
                  deadline_of(asking->asked.deadline_ms, asking->arrived_ms));
    if (decision->want_keys)
        keys_begin(front, question);
    return NATIVE_WAITS;
}

static enum native_taken refuse(struct front *front, const struct asking *asking,
                                enum frame_error error, const char *why)
{
    struct frame_fault fault = {.code = (uint8_t)error,
                                .kind = asking->place > 0 ? FRAME_DECIDE_MANY : FRAME_DECIDE,
                                .place = asking->place};

    snprintf(fault.sentence, sizeof fault.sentence, "%s", why);
    put(front, asking->client, FRAME_ERROR, asking->frame->id, &fault);
    return NATIVE_ANSWERED;
}

/* --- ahead --- */

static bool asking_leaves(const struct asking *asking)
{
    return asking->readable && !asking->asked.inbound;
}

static struct known_tables tables_of(struct front *front)
{
    return (struct known_tables){front->users, front->table, &front->kept_users};
}

/* What is asked about, and its records' lines on their way. */
static void asking_begin(struct front *front, struct asking *asking)
{
    const struct known_tables tables = tables_of(front);

    known_ask(&asking->begun, &asking->asked, &tables);
}

static void asking_read(struct front *front, struct asking *asking, const struct frame *frame)
{
    asking->frame = frame;
    asking->place = 0;
    asking->readable = frame_decode(&asking->asked, frame, asking->sentence);
    if (asking_leaves(asking))
        asking_begin(front, asking);
}

/* The lines are here: the records. */
static void asking_fetch(struct front *front, struct asking *asking)
{
    const struct known_tables tables = tables_of(front);

    if (asking_leaves(asking))
        known_fetch(&asking->begun, &tables, front->now_ms);
}

void decisions_ahead(struct front *front, const struct frame *const *frames, unsigned count)
{
    CHECK(count <= LIMIT_CLIENT_AHEAD);
    for (unsigned i = 0; i < count; i++)
        asking_read(front, &front->askings->single[i], frames[i]);
    for (unsigned i = 0; i < count; i++)
        asking_fetch(front, &front->askings->single[i]);
    front->askings->count = count;
}

/* --- a message's turn --- */

/* One message to one recipient, whoever asked for how many. A question may have waited: how fresh
 * the evidence must be goes by its arrival, all else by now. */
static enum native_taken decide(struct front *front, struct asking *asking)
{
    struct known_begun *begun = &asking->begun;
    const uint64_t now_ms = front->now_ms;

    counter_add(&front->counts.decisions, 1);
    kept_begin(&asking->kept, front, asking->client, asking->frame);
    if (begun->error == FRAME_ERROR_NONE)
        begun->error = decide_demand(&begun->decision, &begun->sender, &asking->asked, front->users,
                                     asking->arrived_ms, now_ms, front->now_s, &begun->why);
    if (begun->error != FRAME_ERROR_NONE)
        return refuse(front, asking, begun->error, begun->why);
    if (begun->recipient.there)
        kept_look(&asking->kept, front, &begun->recipient.key);
    known_recipient(&begun->decision, front->table, now_ms);
    known_now(front, &begun->decision, &begun->recipient, now_ms, &asking->known);
    answer_make(&asking->answer, &asking->begun.decision, &asking->known, now_ms);
    if (asking->begun.decision.explain || !asking->known.there || asking->known.stale)
        return answer_later(front, asking);
    if (wants_keys(&asking->begun.decision, &asking->answer))
        return answer_with_keys(front, asking);
    asking->kept.until_ms = given_again_until(asking);
    return answer_now(front, asking);
}

/* As it was made ready, if it was. */
static struct asking *asking_of(struct front *front, const struct frame *frame)
{
    struct asking *asking = front->askings->single;

    for (unsigned i = 0; i < front->askings->count; i++)
        if (asking[i].frame == frame)
            return &asking[i];
    asking = &front->askings->many[0];
    asking_read(front, asking, frame);
    asking_fetch(front, asking);
    return asking;
}

enum native_taken take_decide(struct front *front, struct native_client *client,
                              const struct frame *frame, uint64_t arrived_ms)
{
    struct asking *asking = asking_of(front, frame);

    asking->client = client;
    asking->arrived_ms = arrived_ms;
    if (!asking->readable) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, asking->sentence);
        return NATIVE_ANSWERED;
    }
    if (asking->asked.inbound && asking->asked.explain) {
        put_fault(
            front, client, frame, FRAME_ERROR_MALFORMED,
            "only mail that leaves has a derivation; of mail that comes in the text says why");
        return NATIVE_ANSWERED;
    }
    if (!asking->asked.inbound)
        return decide(front, asking);
    counter_add(&front->counts.decisions, 1);
    return take_inbound(front, client, frame, &asking->asked);
}

/* --- many recipients --- */

static void recipient_read(struct front *front, struct asking *asking, const struct frame *frame,
                           const struct frame_decide_many *many, const struct recipient *recipient)
{
    asking->frame = frame;
    asking->readable = true;
    asking->asked = many->message;
    memcpy(asking->asked.recipient, recipient->address, recipient->address_size);
    memcpy(asking->asked.next_hop, recipient->next_hop, recipient->next_hop_size);
    asking_begin(front, asking);
}

/* The next ones from `*at` on, made ready together; returns how many. */
static unsigned recipients_ahead(struct front *front, const struct frame *frame,
                                 const struct frame_decide_many *many, size_t *at, unsigned most)
{
    struct asking *askings = front->askings->many;
    struct recipient recipient;
    unsigned count = 0;

    while (count < most && count < LIMIT_CLIENT_AHEAD &&
           recipients_take(&recipient, many->recipients, many->recipients_size, at))
        recipient_read(front, &askings[count++], frame, many, &recipient);
    for (unsigned i = 0; i < count; i++)
        asking_fetch(front, &askings[i]);
    return count;
}

static void recipient_decide(struct front *front, struct asking *asking,
                             struct native_client *client, uint32_t place, uint64_t arrived_ms)
{
    asking->client = client;
    asking->arrived_ms = arrived_ms;
    asking->place = (uint16_t)place;
    native_expects(client, 1);
    if (decide(front, asking) == NATIVE_ANSWERED)
        native_expects(client, -1);
}

/* Some recipients a turn, as of other clients frames; each as if it had been asked for alone. */
enum native_taken take_decide_many(struct front *front, struct native_client *client,
                                   const struct frame *frame, uint64_t arrived_ms)
{
    uint32_t *progress = native_client_progress(client);
    char why[FRAME_SENTENCE_MAX] = "the recipients cannot be read, or are too many";
    struct frame one = *frame; /* as if each had come alone */
    struct frame_decide_many many;
    struct recipient recipient;
    unsigned count = 0, ready;
    size_t at = 0;

    if (frame_decode(&many, frame, why))
        count = recipients_count(many.recipients, many.recipients_size, FRAME_ADDRESS_MAX - 1);
    if (count == 0) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, why);
        return NATIVE_ANSWERED;
    }
    one.kind = FRAME_DECIDE;
    for (uint32_t i = 0; i < *progress; i++)
        (void)recipients_take(&recipient, many.recipients, many.recipients_size, &at);
    for (unsigned taken = 0; taken < LIMIT_CLIENT_BATCH && *progress < count; taken += ready) {
        ready = recipients_ahead(front, &one, &many, &at, LIMIT_CLIENT_BATCH - taken);
        for (unsigned i = 0; i < ready; i++) {
            if (!native_has_room(front->native, client))
                return NATIVE_GOES_ON;
            ++*progress;
            recipient_decide(front, &front->askings->many[i], client, *progress, arrived_ms);
        }
    }
    return *progress < count ? NATIVE_GOES_ON : NATIVE_ANSWERED;
}
