/*
 * backlog.h - deliveries that wait for the daemon, oldest first. Bounded: a new one pushes out the
 * oldest, which proves least. Pure; one thread.
 */
#ifndef MXWARDCTL_BACKLOG_H
#define MXWARDCTL_BACKLOG_H

#include "tools/mxwardctl/postfix_log.h"

#define BACKLOG_MAX 10000 /* deliveries; about eight megabytes */

struct backlog {
    uint32_t first, count;
    struct postfix_delivery waiting[BACKLOG_MAX];
};

/* Begins zeroed. False: it was full, and the oldest is gone. */
bool backlog_add(struct backlog *backlog, const struct postfix_delivery *delivery);
const struct postfix_delivery *backlog_first(const struct backlog *backlog); /* NULL: none waits */
void backlog_drop_first(struct backlog *backlog);

#endif
