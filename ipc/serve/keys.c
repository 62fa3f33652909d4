/*
 * keys.c - looking up the keys that a recipient publishes in the DNS (DANE-43, DANE-44).
 *
 * Called by the front's other files. Both names are asked of their resolver at once; the question
 * is answered when both are known, or without them after LIMIT_KEY_LOOK_UP_MS, or at its own
 * deadline. A look-up always comes home, maybe when nobody waits for it any more.
 *
 * Failure: without a slot, without time, without memory the key is "unknown". Nothing else depends
 * on it.
 */
#include "ipc/serve/front_internal.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/policy/mail_key.h"

/* What is known of the key so far. */
static enum mail_key key_ask(struct front *front, struct front_keys *keys,
                             struct dns_question *asked, enum dns_type type, uint64_t deadline_ms)
{
    const struct decision *decision = &keys->question->decision;
    const enum name_status status =
        mail_key_owner(&asked->name, type, decision->digest, decision->domain);

    if (status != NAME_OK)
        return status == NAME_LONG ? MAIL_KEY_NONE : MAIL_KEY_UNKNOWN;
    asked->message.kind = MESSAGE_DNS_FRONT;
    asked->token = keys->timer.token;
    asked->type = type;
    asked->deadline_ms = deadline_ms;
    keys->out++;
    mailbox_send(front->mailbox, owner_resolver(&front->peer.owners, &asked->name),
                 &asked->message);
    return MAIL_KEY_UNKNOWN;
}

void keys_begin(struct front *front, struct question *question)
{
    struct decision *decision = &question->decision;
    const uint64_t now_ms = clock_boot_ms();
    uint64_t deadline_ms = now_ms + LIMIT_KEY_LOOK_UP_MS;
    struct front_keys *keys;

    if (!decision->has_digest)
        return;
    if (deadline_ms > question->request.deadline_ms)
        deadline_ms = question->request.deadline_ms;
    decision->openpgp = decision->smime = MAIL_KEY_UNKNOWN;
    keys = now_ms < deadline_ms ? pool_take(front->keys) : NULL;
    if (!keys)
        return;
    keys->question = question;
    keys->timer.token = (struct ring_token){OPERATION_KEYS, pool_slot(front->keys, keys),
                                            pool_generation(front->keys, keys)};
    decision->openpgp = key_ask(front, keys, &keys->openpgp, DNS_OPENPGPKEY, deadline_ms);
    decision->smime = key_ask(front, keys, &keys->smime, DNS_SMIMEA, deadline_ms);
    if (keys->out == 0) {
        pool_give(front->keys, keys);
        return;
    }
    question->keys = keys;
    wheel_arm(front->wheel, &keys->timer, deadline_ms);
}

bool keys_wait(struct front *front, struct question *question)
{
    CHECK(question->home);
    if (question->settled)
        return false;
    if (!question->keys && decision_lacks_keys(front, question))
        keys_begin(front, question);
    if (!question->keys)
        return false;
    question->known_ms = clock_boot_ms();
    return true;
}

/* Nobody waits for these look-ups any more. */
void keys_forget(struct front *front, struct question *question)
{
    if (!question->keys)
        return;
    wheel_disarm(front->wheel, &question->keys->timer);
    question->keys->question = NULL;
    question->keys = NULL;
}

/* All is known that will be. After it the question may be gone. */
static void keys_end(struct front *front, struct question *question)
{
    keys_forget(front, question);
    if (question->home && !question->queued)
        question_answer(front, question);
}

void keys_home(struct front *front, struct dns_question *found)
{
    struct front_keys *keys = pool_find(front->keys, found->token.slot, found->token.generation);
    struct question *question;

    CHECK(keys && keys->out > 0 && found->answer);
    question = keys->question;
    if (question && found == &keys->openpgp)
        question->decision.openpgp = mail_key_of(found->answer);
    else if (question)
        question->decision.smime = mail_key_of(found->answer);
    dns_answer_drop(found->answer);
    found->answer = NULL;
    if (--keys->out > 0)
        return;
    if (question)
        keys_end(front, question);
    pool_give(front->keys, keys);
}

void keys_late(struct front *front, struct wheel_timer *timer)
{
    struct front_keys *keys = pool_find(front->keys, timer->token.slot, timer->token.generation);

    CHECK(keys && keys->question);
    keys_end(front, keys->question);
}
