/*
 * reply.c - see reply.h. Called by questions.c and explain.c.
 */
#include "ipc/serve/reply.h"

#include "ipc/decide/verdict_reply.h"

void reply_facts(struct frame_verdict *reply, const struct domain_facts *facts, bool limited,
                 uint64_t now_ms)
{
    verdict_reply(reply, &facts->next_hop, &facts->verdict, now_ms);
    reply->ended_wall_s = facts->ended_wall_s;
    reply->limited = limited;
}
