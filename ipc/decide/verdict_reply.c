/*
 * verdict_reply.c - see verdict_reply.h. Owns nothing and cannot fail: a text that is too long for
 * the wire is cut.
 */
#include "ipc/decide/verdict_reply.h"

#include "shm/freshness.h"
#include "shm/postfix.h"
#include "shm/sentence.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static_assert(POSTFIX_TEXT_MAX <= FRAME_POLICY_MAX, "a policy fits");

void verdict_reply(struct frame_verdict *reply, const struct next_hop *next_hop,
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

bool verdict_reply_from_table(struct frame_verdict *reply, const struct table_reader *table,
                              const struct next_hop *next_hop, uint32_t epoch,
                              uint64_t not_before_ms, uint64_t now_ms, int64_t now_s)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct verdict verdict = {0}; /* a record does not hold all of it */
    struct table_key key;

    if (!table_key_make(&key, text, next_hop_text(next_hop, text)) ||
        table_read(table, &key, now_ms, &verdict) != TABLE_HIT ||
        !verdict_serves_now(&verdict, epoch, not_before_ms, now_ms))
        return false;
    verdict_reply(reply, next_hop, &verdict, now_ms);
    reply->from_table = true;
    reply->ended_wall_s = now_s - (int64_t)((now_ms - verdict.began_ms) / 1000);
    return true;
}

uint64_t question_not_before(uint8_t freshness, uint32_t max_age_ms, uint64_t arrived_ms)
{
    if (freshness == FRESHNESS_LIVE)
        return arrived_ms;
    if (freshness == FRESHNESS_MAX_AGE)
        return arrived_ms > max_age_ms ? arrived_ms - max_age_ms : 1;
    return 0;
}
