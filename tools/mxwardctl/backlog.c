/*
 * backlog.c - see backlog.h.
 */
#include "tools/mxwardctl/backlog.h"

bool backlog_add(struct backlog *backlog, const struct postfix_delivery *delivery)
{
    const bool fits = backlog->count < BACKLOG_MAX;

    if (!fits)
        backlog_drop_first(backlog);
    backlog->waiting[(backlog->first + backlog->count++) % BACKLOG_MAX] = *delivery;
    return fits;
}

const struct postfix_delivery *backlog_first(const struct backlog *backlog)
{
    return backlog->count > 0 ? &backlog->waiting[backlog->first] : NULL;
}

void backlog_drop_first(struct backlog *backlog)
{
    if (backlog->count == 0)
        return;
    backlog->first = (backlog->first + 1) % BACKLOG_MAX;
    backlog->count--;
}
