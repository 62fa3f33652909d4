/*
 * asking.c - see asking.h.
 */
#include "engine/dns/asking.h"

#include "engine/base/clock.h"

#include <stddef.h>

void dns_ask(struct mailbox *mine, struct kept_answers *kept, uint16_t resolver,
             struct dns_question *question)
{
    const struct dns_answer *answer =
        kept == NULL ? NULL
                     : kept_answers_find(kept, &question->name, question->type, clock_boot_ms());

    question->answer = answer == NULL ? NULL : dns_answer_hold(answer);
    mailbox_send(mine, answer == NULL ? resolver : mailbox_me(mine), &question->message);
}

void dns_told(const struct mailbox *mine, struct kept_answers *kept,
              const struct dns_question *question)
{
    const struct dns_answer *answer = question->answer;

    if (question->message.from == mailbox_me(mine)) /* from here */
        return;
    if (kept != NULL && !dns_is_trouble(answer->kind) && answer->ttl_s > 0)
        kept_answers_put(kept, answer);
}
