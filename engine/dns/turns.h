/*
 * turns.h - whose look-up is begun next: registrable domains in turn, each with its own line.
 *
 * Used by look_ups.c alone, on a resolver's thread; keeps no time and begins nothing. The rule of
 * fairness: a domain may have as many look-ups under way as places are left free. Alone it gets
 * half of all places; one with nothing under way never waits behind those that have, and as others
 * come the places are shared among them evenly. Domains are taken in turn, look-ups of one domain
 * in their order.
 *
 * A domain is here while it has look-ups. There is a place for as many domains as look-ups, so
 * nothing but turns_create can fail (memory).
 *
 * Weakness: below a public suffix of two labels (co.uk) all domains count as one.
 */
#ifndef MXWARD_DNS_TURNS_H
#define MXWARD_DNS_TURNS_H

#include "engine/dns/look_ups.h"

struct turns_domain {
    struct keymap_link link;
    TAILQ_ENTRY(turns_domain) entry; /* in the queue while any of its look-ups waits */
    TAILQ_HEAD(turns_line, look_up) waiting;
    struct name name;
    uint32_t look_ups;  /* here, of any state */
    uint32_t inside;    /* the caller counts, as for all: LOOK_UP_INSIDE */
    uint32_t abandoned; /* and LOOK_UP_ABANDONED */
};

struct turns;

int turns_create(struct turns **turns, uint32_t look_ups);
void turns_destroy(struct turns *turns); /* NULL is fine */

/* At the end of its domain's line; sets its domain. */
void turns_join(struct turns *turns, struct look_up *look_up);
/* Out of the line, before its turn. */
void turns_cancel(struct turns *turns, struct look_up *look_up);
/* The next that may begin, taken out of the line; NULL: none may. Free are the places for look-ups
 * that somebody waits for, and all places together. */
struct look_up *turns_next(struct turns *turns, uint32_t free_inside, uint32_t free_all);
/* It is over: in no line, and no longer counted as inside or abandoned. */
void turns_leave(struct turns *turns, struct look_up *look_up);

#endif
