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
                                      const struct frame *frame, const struct frame_decide *asked,
                                      uint64_t arrived_ms)
{
    struct frame_answer reply;
    const char *why = "";
    enum frame_error error =
        decide_inbound(&reply, asked, front->users, front->terms->trusted, arrived_ms, &why);

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
    struct decision decision;
    struct known known;
    struct answer answer; /* as of what is known */
    struct kept_question kept;
};

/* With what is known, and without what would have to be looked up. */
static enum native_taken answer_now(struct front *front, const struct asking *asking)
{
    struct frame_answer reply;

    reply_make(&reply, &asking->decision, &asking->known, &asking->answer, asking->arrived_ms);
    if (asking->decision.want_keys && asking->decision.has_digest)
        reply.openpgp = reply.smime = MAIL_KEY_UNKNOWN;
    reply.from_table = true;
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

    if (asking->answer.would != ACTION_SEND || asking->answer.alarm || decision->want_keys ||
        (asking->asked.next_hop[0] != '\0' && decide_goes_elsewhere(decision, &own)))
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
    question->request.deadline_ms = deadline_of(asking->asked.deadline_ms, asking->arrived_ms);
    question->home = true;
    question->from_table = true;
    if (!keys_wait(front, question))
        question_answer(front, question);
    return NATIVE_WAITS;
}

static enum native_taken answer_later(struct front *front, struct asking *asking)
{
    struct decision *decision = &asking->decision;
    const enum priority priority =
        decision->not_before_ms == asking->arrived_ms ? PRIORITY_LIVE : PRIORITY_ASKED;
    struct question *question = question_try(front, asking->client, asking->frame, priority);

    decide_digest(decision, asking->asked.recipient);
    if (!question) /* no room: what is known must do */
        return answer_now(front, asking);
    question->decision = *decision;
    question_send(front, question, &decision->next_hop, decision->not_before_ms,
                  deadline_of(asking->asked.deadline_ms, asking->arrived_ms));
    if (decision->want_keys)
        keys_begin(front, question);
    return NATIVE_WAITS;
}

enum native_taken take_decide(struct front *front, struct native_client *client,
                              const struct frame *frame, uint64_t arrived_ms)
{
    struct asking asking = {.client = client, .frame = frame, .arrived_ms = arrived_ms};
    char sentence[FRAME_SENTENCE_MAX];
    const char *why = "";
    enum frame_error error;

    if (!frame_decode(&asking.asked, frame, sentence)) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, sentence);
        return NATIVE_ANSWERED;
    }
    counter_add(&front->counts.decisions, 1);
    if (asking.asked.inbound && asking.asked.explain) {
        put_fault(
            front, client, frame, FRAME_ERROR_MALFORMED,
            "only mail that leaves has a derivation; of mail that comes in the text says why");
        return NATIVE_ANSWERED;
    }
    if (asking.asked.inbound)
        return take_inbound(front, client, frame, &asking.asked, arrived_ms);
    kept_begin(&asking.kept, front, client, frame);
    error = known_begin(&asking.decision, &asking.asked, front->users, front->table, arrived_ms,
                        arrived_ms, front->now_s, &why);
    if (error) {
        put_fault(front, client, frame, error, why);
        return NATIVE_ANSWERED;
    }
    kept_look(&asking.kept, front, &asking.decision.next_hop);
    known_recipient(&asking.decision, front->table, arrived_ms);
    known_now(front, &asking.decision, arrived_ms, &asking.known);
    answer_make(&asking.answer, &asking.decision, &asking.known, arrived_ms);
    if (asking.decision.explain || !asking.known.there || asking.known.stale)
        return answer_later(front, &asking);
    if (wants_keys(&asking.decision, &asking.answer))
        return answer_with_keys(front, &asking);
    asking.kept.until_ms = given_again_until(&asking);
    return answer_now(front, &asking);
}
