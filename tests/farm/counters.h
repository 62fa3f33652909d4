/*
 * counters.h - what the farm saw of its clients: the other half of every test of politeness.
 *
 * One mapping shared by all processes of the farm, made before they fork. All counters are relaxed
 * atomics: they are sums, nothing is published through them.
 */
#ifndef MXWARD_FARM_COUNTERS_H
#define MXWARD_FARM_COUNTERS_H

#include "tests/farm/behaviours.h"

#include <stdatomic.h>
#include <stdint.h>

struct behaviour_counts {
    atomic_ulong connections, handshakes, handshakes_failed;
    atomic_ulong early_talk;   /* bytes before a reply was out (population.md: early talk) */
    atomic_ulong missing_quit; /* left although a dialogue was possible (TLS-19) */
    atomic_ulong quits;
    atomic_ulong
        mail_commands;     /* MAIL, RCPT, DATA, AUTH, VRFY: a probe never sends them (TLS-19) */
    atomic_ulong bad_ehlo; /* EHLO name that is neither FQDN nor address literal (TLS-04) */
    atomic_ulong clear_after_fail; /* bytes in clear after a handshake that failed (TLS-11) */
    atomic_ulong second_starttls;  /* STARTTLS inside TLS (TLS-10) */
};

struct address_counts {
    atomic_uint connections, open, open_max;
};

struct counters {
    struct behaviour_counts behaviour[BEHAVIOUR_COUNT];
    struct address_counts address[2][BEHAVIOUR_COUNT][256]; /* family, row, variant */
    struct address_counts good;                             /* all addresses without a row */
    atomic_ulong open, open_max;
};

struct counters *counters_create(void); /* NULL: errno */
void counters_write(const struct counters *counters, FILE *out);

/* A connection begins and ends; returns its number at this address, from 1. */
unsigned counters_open(struct counters *counters, bool ipv6, unsigned number, unsigned variant);
void counters_close(struct counters *counters, bool ipv6, unsigned number, unsigned variant);

static inline void count(atomic_ulong *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

#endif
