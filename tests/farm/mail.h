/*
 * mail.h - one process of the farm: accepts on the listening sockets it is given, and lets every
 * connection behave as its local address says.
 *
 * One thread, epoll edge-triggered, no memory per connection but the struct and its TLS session, so
 * ten thousand clients at once are no effort. Only mail_run's caller talks to it, by `stop`.
 */
#ifndef MXWARD_FARM_MAIL_H
#define MXWARD_FARM_MAIL_H

#include "tests/farm/counters.h"

#include <signal.h>

struct mail_options {
    const int *listeners;
    size_t listener_count;
    struct counters *counters;
    unsigned lifetime_s;      /* a connection is closed after it, whatever it does */
    unsigned answer_after_ms; /* every reply, and the answer to a ClientHello */
    int arrivals;             /* where each message taken is written down; -1: none is taken */
    const volatile sig_atomic_t *stop;
};

/* Serves until *stop. 0, or -1 with a message on standard error. */
int mail_run(const struct mail_options *options);

#endif
