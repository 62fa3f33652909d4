/*
 * look_ups.h - questions on their way through a resolver: shared, bounded, and always answered.
 *
 * Pure: no socket, no clock. Whoever really looks up (libunbound in resolver.c, the tests) is given
 * as two functions. A question belongs here from look_ups_ask until it is replied, exactly once:
 * with the look-up's answer, a remembered failure, its deadline, or a refusal.
 *
 *   ask ─► remembered failure? ─► join the look-up of that name and type, or make one ─► waiting
 *   waiting ─► inside (begun; at most `inside` that somebody waits for) ─► done ─► replied
 *   inside ─► abandoned, when the last asker's deadline has passed: it goes on, because libunbound
 *             cannot stop it, and what comes of it is remembered; at most `abandoned` of these
 *
 * Nothing is begun from within an answer, and nothing is replied from within a begin: libunbound
 * answers inside its own calls whenever it likes. No registrable domain takes all places (turns.h).
 */
#ifndef MXWARD_DNS_LOOK_UPS_H
#define MXWARD_DNS_LOOK_UPS_H

#include "engine/base/keymap.h"
#include "engine/dns/resolver.h"

#include <sys/queue.h>

enum look_up_state { LOOK_UP_WAITING, LOOK_UP_INSIDE, LOOK_UP_ABANDONED, LOOK_UP_DONE };

struct look_up {
    struct keymap_link link;
    TAILQ_ENTRY(look_up) entry;  /* in its domain's line or in `done` */
    struct turns_domain *domain; /* whose turn it takes */
    TAILQ_HEAD(dns_question_list, dns_question) askers;
    struct look_ups *owner;
    void *context; /* the world's */
    struct name name;
    enum dns_type type;
    enum look_up_state state;
    uint64_t begun_ms;
    const struct dns_answer *answer; /* when done */
};

struct look_ups_limits {
    uint32_t held;      /* questions */
    uint32_t inside;    /* look-ups begun that somebody waits for */
    uint32_t abandoned; /* look-ups begun that nobody waits for */
};

struct look_ups_world {
    void *context;
    /* Begins it; look_up_answer comes later, or from inside. Negative errno: it will not come. */
    int (*begin)(void *context, struct look_up *look_up);
    void (*reply)(void *context, struct dns_question *question);
};

struct look_ups;

int look_ups_create(struct look_ups **look_ups, const struct look_ups_limits *limits,
                    const struct look_ups_world *world, struct wheel *wheel,
                    struct resolver_counts *counts);
void look_ups_destroy(struct look_ups *look_ups); /* after look_ups_stop */

/* The operation of the deadlines' timers. */
enum { LOOK_UPS_OPERATION_DEADLINE = 3 };

void look_ups_ask(struct look_ups *look_ups, struct dns_question *question, uint64_t now_ms);
/* Begins what is waiting, as far as there is room, LIMIT_DNS_STARTS at most. True: call again. */
bool look_ups_begin(struct look_ups *look_ups, uint64_t now_ms);
/* Takes over one reference. */
void look_up_answer(struct look_up *look_up, const struct dns_answer *answer);
/* The thread has just been found to have stood still (stopped, swapped out) until now: failures of
 * look-ups begun before, and for LIMIT_DNS_STILL_GRACE_MS after, are ours. */
void look_ups_stood_still(struct look_ups *look_ups, uint64_t now_ms);
void look_ups_reply(struct look_ups *look_ups); /* to the askers of all that is done */
void look_ups_due(struct look_ups *look_ups, struct wheel_timer *timer, uint64_t now_ms);
/* Whatever was remembered of its failure no longer counts. */
void look_ups_forget_failure(struct look_ups *look_ups, const struct name *name,
                             enum dns_type type);
/* Replies to every question held; begun look-ups stay, to be destroyed. */
void look_ups_stop(struct look_ups *look_ups, uint64_t now_ms);

#endif
