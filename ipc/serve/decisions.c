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

#include <stdio.h>
#include <string.h>

/* What is known of a next hop, and of what is remembered of it. */
struct known {
    struct verdict verdict;
    bool there; /* else: nothing is known, and nothing remembered */
    bool stale; /* older than was asked for, or past its time */
};

/* A miss in a table that does not hold all floors, or a record that cannot be read: TLS may be
 * required, and nobody knows (MEM-08). */
static void known_unreadable(struct known *known)
{
    known->there = true;
    known->stale = true;
    known->verdict = (struct verdict){
        .class = CLASS_UNKNOWN,
        .conclusion = CONCLUSION_INCONCLUSIVE,
        .floor = {.level = LEVEL_ENCRYPT, .flags = FLOOR_UNREADABLE},
    };
}

static void known_from_table(const struct front *front, const struct decision *decision,
                             uint64_t now_ms, struct known *known)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct table_key key;

    memset(known, 0, sizeof *known);
    if (!front->table || !table_key_make(&key, text, next_hop_text(&decision->next_hop, text))) {
        known_unreadable(known);
        return;
    }
    switch (table_read(front->table, &key, now_ms, &known->verdict)) {
    case TABLE_HIT:
        known->there = true;
        known->stale = !serves(&known->verdict, engine_config_epoch(front->engine),
                               decision->not_before_ms, now_ms);
        return;
    case TABLE_ABSENT:
        return;
    case TABLE_MISS:
    case TABLE_UNKNOWN:
        known_unreadable(known);
        return;
    }
}

/* What the engine brought home counts unless it is our own failure. */
static void known_of_question(const struct front *front, const struct question *question,
                              uint64_t now_ms, struct known *known)
{
    const struct domain_facts *facts = question->home ? question->request.facts : NULL;

    if (facts == NULL || facts->verdict.cause == CAUSE_OURS) {
        known_from_table(front, &question->decision, now_ms, known);
        return;
    }
    *known = (struct known){.verdict = facts->verdict, .there = true, .stale = facts->limited};
}

/* --- telling --- */

static void report_tell(struct front *front, const struct decision *decision,
                        const struct answer *answer, const struct known *known)
{
    struct store_report report;
    struct report_note *note;

    if (!decide_report(&report, decision, answer, known->there ? &known->verdict : NULL))
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
    if (answer->alarm)
        alarm_raise(ALARM_HELD, decision->domain, "%s", answer->text);
}

/* --- answering --- */

static void reply_make(struct front *front, const struct decision *decision,
                       const struct known *known, uint64_t now_ms, bool tell,
                       struct frame_answer *reply)
{
    const struct verdict *verdict = known->there ? &known->verdict : NULL;
    struct answer answer;

    decide_answer(&answer, decision, verdict, known->stale, now_ms);
    decide_reply(reply, decision, &answer, verdict, now_ms);
    reply->limited = known->stale;
    if (tell)
        answer_tell(front, decision, &answer, known);
}

bool write_decision(struct front *front, struct native_client *client, struct question *question)
{
    const uint64_t now_ms = clock_boot_ms();
    struct frame_answer reply;
    struct known known;

    known_of_question(front, question, now_ms, &known);
    reply_make(front, &question->decision, &known, now_ms, !question->told, &reply);
    question->told = true;
    return put(front, client, FRAME_ANSWER, question->request.client_id, &reply);
}

size_t document_of_decision(struct front *front, struct question *question, char *out, size_t size)
{
    const struct decision *decision = &question->decision;
    const uint64_t now_ms = clock_boot_ms();
    struct answer answer;
    struct known known;
    const struct verdict *verdict;

    known_of_question(front, question, now_ms, &known);
    verdict = known.there ? &known.verdict : NULL;
    decide_answer(&answer, decision, verdict, known.stale, now_ms);
    return decide_explain(out, size, decision, &answer, verdict, known.stale, now_ms);
}

static void answer_now(struct front *front, struct native_client *client, const struct frame *frame,
                       const struct decision *decision, const struct known *known, uint64_t now_ms)
{
    struct frame_answer reply;

    reply_make(front, decision, known, now_ms, true, &reply);
    reply.from_table = true;
    put(front, client, FRAME_ANSWER, frame->id, &reply);
}

/* --- taking --- */

static enum native_taken take_inbound(struct front *front, struct native_client *client,
                                      const struct frame *frame, const struct frame_decide *asked,
                                      uint64_t arrived_ms)
{
    struct frame_answer reply;
    const char *why = "";
    enum frame_error error = decide_inbound(&reply, asked, front->users, front->terms->trusted,
                                            arrived_ms, clock_wall_s(), &why);

    if (error)
        put_fault(front, client, frame, error, why);
    else
        put(front, client, FRAME_ANSWER, frame->id, &reply);
    return NATIVE_ANSWERED;
}

enum native_taken take_decide(struct front *front, struct native_client *client,
                              const struct frame *frame, uint64_t arrived_ms)
{
    char sentence[FRAME_SENTENCE_MAX];
    const char *why = "";
    struct frame_decide asked;
    struct decision decision;
    struct question *question;
    struct known known;
    enum frame_error error;

    if (!frame_decode(&asked, frame, sentence)) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, sentence);
        return NATIVE_ANSWERED;
    }
    counter_add(&front->counts.decisions, 1);
    if (asked.inbound)
        return take_inbound(front, client, frame, &asked, arrived_ms);
    error = decide_begin(&decision, &asked, front->users, arrived_ms, clock_wall_s(), &why);
    if (error) {
        put_fault(front, client, frame, error, why);
        return NATIVE_ANSWERED;
    }
    known_from_table(front, &decision, arrived_ms, &known);
    if (!asked.explain && known.there && !known.stale) {
        answer_now(front, client, frame, &decision, &known, arrived_ms);
        return NATIVE_ANSWERED;
    }
    question = question_try(front, client, frame,
                            decision.not_before_ms == arrived_ms ? PRIORITY_LIVE : PRIORITY_ASKED);
    if (!question) { /* no room: what is known must do */
        answer_now(front, client, frame, &decision, &known, arrived_ms);
        return NATIVE_ANSWERED;
    }
    question->decision = decision;
    question_send(front, question, &decision.next_hop, decision.not_before_ms,
                  deadline_of(asked.deadline_ms, arrived_ms));
    return NATIVE_WAITS;
}
