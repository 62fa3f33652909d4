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
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/publish.h"
#include "ipc/wire/recipients.h"
#include "shm/freshness.h"

#include <stdio.h>
#include <string.h>

static void known_now(const struct front *front, const struct decision *decision, uint64_t now_ms,
                      struct known *known)
{
    known_from_table(known, front->table, decision, engine_config_epoch(front->engine), now_ms);
}

/* What the engine brought home counts unless it is our own failure. */
static void known_of_question(const struct front *front, const struct question *question,
                              uint64_t now_ms, struct known *known)
{
    const struct domain_facts *facts = question->home ? question->request.facts : NULL;

    if (facts == NULL || facts->verdict.cause == CAUSE_OURS) {
        known_now(front, &question->decision, now_ms, known);
        if (facts != NULL && known_memory_is_unknown(known)) /* that much it has found out */
            known->verdict.floor = facts->verdict.floor;
        return;
    }
    struct known table;

    *known = (struct known){.verdict = facts->verdict, .there = true, .stale = facts->limited};
    /* What is remembered and ruled may have changed since that look: the table has it. */
    known_now(front, &question->decision, now_ms, &table);
    if (table.there && !known_memory_is_unknown(&table))
        known->verdict.floor = table.verdict.floor;
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

/* A message on its way to its answer. */
struct asking {
    struct native_client *client;
    const struct frame *frame;
    uint64_t arrived_ms;
    struct frame_decide asked;
    uint16_t place; /* among many recipients; 0: it is the only one */
    struct decision decision;
    struct known known;
    struct answer answer; /* as of what is known */
    struct kept_question kept;
};

/* With what is known, and without what would have to be looked up. */
static enum native_taken answer_now(struct front *front, const struct asking *asking)
{
    struct frame_answer reply;

    reply_make(&reply, &asking->decision, &asking->known, &asking->answer, front->now_ms);
    if (asking->decision.want_keys && asking->decision.has_digest)
        reply.openpgp = reply.smime = MAIL_KEY_UNKNOWN;
    reply.from_table = true;
    reply.place = asking->place;
    answer_tell(front, &asking->decision, &asking->answer, &asking->known);
    kept_put_answer(front, &asking->kept, &reply);
    return NATIVE_ANSWERED;
}

/* Fresh and wholly known, so it is what the engine would say; and nobody need be told of it. What
 * is ruled of the recipient's own domain stands in a second record, which nobody watches. */
static uint64_t given_again_until(const struct asking *asking)
{
    const struct decision *decision = &asking->decision;
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

    decide_digest(&asking->decision, asking->asked.recipient);
    if (asking->decision.has_digest)
        question = question_try(front, asking->client, asking->frame, PRIORITY_ASKED);
    if (!question)
        return answer_now(front, asking);
    question->decision = asking->decision;
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
    if (asking->decision.not_before_ms == asking->arrived_ms)
        return PRIORITY_LIVE;
    return asking->known.there && !known_memory_is_unknown(&asking->known) &&
                   asking->decision.not_before_ms == 0 && !asking->decision.explain
               ? PRIORITY_REFRESH
               : PRIORITY_ASKED;
}

static enum native_taken answer_later(struct front *front, struct asking *asking)
{
    struct decision *decision = &asking->decision;
    struct question *question =
        question_try(front, asking->client, asking->frame, priority_of(asking));

    decide_digest(decision, asking->asked.recipient);
    if (!question) /* no room: what is known must do */
        return answer_now(front, asking);
    question->decision = *decision;
    question->place = asking->place;
    question_send(front, question, &decision->next_hop, decision->not_before_ms,
                  deadline_of(asking->asked.deadline_ms, asking->arrived_ms));
    if (decision->want_keys)
        keys_begin(front, question);
    return NATIVE_WAITS;
}

static enum native_taken refuse(struct front *front, const struct asking *asking,
                                enum frame_error error, const char *why)
{
    struct frame_fault fault = {
        .code = (uint8_t)error, .kind = asking->frame->kind, .place = asking->place};

    snprintf(fault.sentence, sizeof fault.sentence, "%s", why);
    put(front, asking->client, FRAME_ERROR, asking->frame->id, &fault);
    return NATIVE_ANSWERED;
}

/* One message to one recipient, whoever asked for how many. A question may have waited: how fresh
 * the evidence must be goes by its arrival, all else by now. */
static enum native_taken decide(struct front *front, struct asking *asking)
{
    const uint64_t now_ms = front->now_ms;
    const char *why = "";
    enum frame_error error;

    counter_add(&front->counts.decisions, 1);
    kept_begin(&asking->kept, front, asking->client, asking->frame);
    error = known_begin(&asking->decision, &asking->asked, front->users, front->table,
                        asking->arrived_ms, now_ms, front->now_s, &why);
    if (error)
        return refuse(front, asking, error, why);
    kept_look(&asking->kept, front, &asking->decision.next_hop);
    known_recipient(&asking->decision, front->table, now_ms);
    known_now(front, &asking->decision, now_ms, &asking->known);
    answer_make(&asking->answer, &asking->decision, &asking->known, now_ms);
    if (asking->decision.explain || !asking->known.there || asking->known.stale)
        return answer_later(front, asking);
    if (wants_keys(&asking->decision, &asking->answer))
        return answer_with_keys(front, asking);
    asking->kept.until_ms = given_again_until(asking);
    return answer_now(front, asking);
}

enum native_taken take_decide(struct front *front, struct native_client *client,
                              const struct frame *frame, uint64_t arrived_ms)
{
    struct asking asking = {.client = client, .frame = frame, .arrived_ms = arrived_ms};
    char sentence[FRAME_SENTENCE_MAX];

    if (!frame_decode(&asking.asked, frame, sentence)) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, sentence);
        return NATIVE_ANSWERED;
    }
    if (asking.asked.inbound && asking.asked.explain) {
        put_fault(
            front, client, frame, FRAME_ERROR_MALFORMED,
            "only mail that leaves has a derivation; of mail that comes in the text says why");
        return NATIVE_ANSWERED;
    }
    if (!asking.asked.inbound)
        return decide(front, &asking);
    counter_add(&front->counts.decisions, 1);
    return take_inbound(front, client, frame, &asking.asked);
}

/* --- many recipients --- */

static void decide_recipient(struct front *front, struct native_client *client,
                             const struct frame *frame, const struct frame_decide_many *many,
                             const struct recipient *recipient, uint16_t place, uint64_t arrived_ms)
{
    struct frame one = *frame;
    struct asking asking = {.client = client,
                            .frame = &one,
                            .arrived_ms = arrived_ms,
                            .asked = many->message,
                            .place = place};

    one.kind = FRAME_DECIDE; /* as if it had come alone */
    memcpy(asking.asked.recipient, recipient->address, recipient->address_size);
    memcpy(asking.asked.next_hop, recipient->next_hop, recipient->next_hop_size);
    native_expects(client, 1);
    if (decide(front, &asking) == NATIVE_ANSWERED)
        native_expects(client, -1);
}

/* Some recipients a turn, as of other clients frames; each as if it had been asked for alone. */
enum native_taken take_decide_many(struct front *front, struct native_client *client,
                                   const struct frame *frame, uint64_t arrived_ms)
{
    uint32_t *progress = native_client_progress(client);
    char why[FRAME_SENTENCE_MAX] = "the recipients cannot be read, or are too many";
    struct frame_decide_many many;
    struct recipient recipient;
    unsigned count = 0;
    size_t at = 0;

    if (frame_decode(&many, frame, why))
        count = recipients_count(many.recipients, many.recipients_size, FRAME_ADDRESS_MAX - 1);
    if (count == 0) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, why);
        return NATIVE_ANSWERED;
    }
    for (uint32_t i = 0; i < *progress; i++)
        (void)recipients_take(&recipient, many.recipients, many.recipients_size, &at);
    for (unsigned taken = 0; taken < LIMIT_CLIENT_BATCH && *progress < count; taken++) {
        if (!native_has_room(front->native, client))
            return NATIVE_GOES_ON;
        (void)recipients_take(&recipient, many.recipients, many.recipients_size, &at);
        ++*progress;
        decide_recipient(front, client, frame, &many, &recipient, (uint16_t)*progress, arrived_ms);
    }
    return *progress < count ? NATIVE_GOES_ON : NATIVE_ANSWERED;
}
