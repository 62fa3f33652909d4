/*
 * reply.c - a verdict and its words as one message. Called by front.c and explain.c; owns nothing
 * and cannot fail: a text that is too long for the wire is cut.
 */
#include "ipc/serve/reply.h"

#include "shm/postfix.h"
#include "shm/sentence.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static_assert(POSTFIX_TEXT_MAX <= FRAME_POLICY_MAX, "a policy fits");

void reply_verdict(struct frame_verdict *reply, const struct next_hop *next_hop,
                   const struct verdict *verdict, uint64_t now_ms)
{
    struct postfix_policy policy;

    memset(reply, 0, sizeof *reply);
    reply->verdict = *verdict;
    reply->now_ms = now_ms;
    next_hop_text(next_hop, reply->next_hop);
    snprintf(reply->cause, sizeof reply->cause, "%s", cause_name(verdict->cause));
    snprintf(reply->status_code, sizeof reply->status_code, "%s", verdict_status_code(verdict));
    verdict_sentence(verdict, reply->sentence, sizeof reply->sentence);
    postfix_policy(&policy, verdict, LEVEL_NONE);
    if (policy.answer == POSTFIX_POLICY)
        snprintf(reply->policy, sizeof reply->policy, "%s", policy.text);
}

void reply_facts(struct frame_verdict *reply, const struct domain_facts *facts, uint64_t now_ms)
{
    reply_verdict(reply, &facts->next_hop, &facts->verdict, now_ms);
    reply->ended_wall_s = facts->ended_wall_s;
    reply->limited = facts->limited;
}
