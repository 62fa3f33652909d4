/*
 * domain.h - the domain job: MX, fan out to hosts, verdict, publish, answer whoever waits.
 *
 * Domain jobs belong to the shard that writes the domain's partition of the table. Like hosts, a
 * job joins requests by not_before, and at most two rounds overlap. Waiters are the requests
 * themselves, which always travel home; a client that left is found out there, by generation.
 *
 * A request that would be answered too late, because it waits for rounds of more patient ones, is
 * answered LIMIT_AHEAD_MS before its deadline with the last verdict while that is good, and the
 * answer says that it is `limited`. Where there is none it waits; the front says that it is late.
 */
#ifndef MXWARD_DOMAIN_H
#define MXWARD_DOMAIN_H

#include "engine/base/counter.h"
#include "engine/policy/verdict.h"
#include "engine/probe/host.h"

/* Everything that led to a verdict, for `explain`. Immutable, counted, any thread. */
struct domain_facts {
    atomic_uint references;
    struct next_hop next_hop;
    struct route route;
    struct verdict verdict;
    const struct host_facts *hosts[LIMIT_MX_HOSTS]; /* NULL: not evaluated */
    struct finding findings[LIMIT_MX_HOSTS];
    uint64_t ended_ms;
    int64_t ended_wall_s;
    uint32_t settings_epoch; /* when the first question for it was asked */
    bool incomplete; /* part of the way alone, or not in full where it had to be: for nobody as
                        fresh as asked */
};
const struct domain_facts *domain_facts_hold(const struct domain_facts *facts);
void domain_facts_drop(const struct domain_facts *facts);

struct domain_request {
    struct message message;
    struct ring_token token; /* the front's: connection slot, generation */
    uint64_t client_id;      /* the client's number for this question */
    struct next_hop next_hop;
    uint64_t not_before_ms;
    uint64_t deadline_ms;
    enum priority priority;
    /* If by the deadline no verdict is there, what is known of the way will do: who its mail hosts
     * are, and which of them were seen. Then facts->incomplete. */
    bool part_will_do;
    const struct domain_facts *facts; /* on the way back: never NULL, one reference */
    bool limited; /* … not as fresh as asked: the politeness budget is spent, or time was short; or
                     facts->incomplete */
    struct waiter waiter;        /* the domain job's, while it waits there */
    struct domain_request *next; /* the front's */
};

/* Operation of the timers of domain jobs, in the shard's tokens. */
#define DOMAINS_OPERATION_TIMER 17

struct domains; /* all domain jobs of a shard */
struct publisher;
struct floors_question; /* engine/keeper.h, and the next two */
struct memory_note;
struct floor_publish;

struct domain_settings {
    uint64_t dns_ms;       /* budget of the MX look-up */
    uint32_t config_epoch; /* stamped into verdicts */
    struct own own;        /* our own mail hosts (MX-15) */
    /* Over our own writer's mapping, this thread's; lives as long as the jobs. NULL: the keeper is
     * asked what is remembered. */
    const struct table_reader *table;
    struct kept_answers *answers; /* this thread's, as well. NULL: none is kept */
};

struct domains_counts {
    counter asked, served, joined, rounds, no_room, limited;
    counter again_in_full;        /* rounds that a resumed session would have had accuse somebody */
    counter given_up;             /* answered with what was known, because their time was up */
    counter floors_asked;         /* rounds whose floors the table did not hold */
    counter notes, notes_dropped; /* dropped: no room; what they teach is seen again */
    counter notes_spared;         /* the same was taught some seconds ago */
    counter classes[CLASS_COUNT]; /* verdicts formed, by class */
    counter conclusions[CONCLUSION_COUNT];
    struct histogram round_us;
};

int domains_create(struct domains **domains, struct mailbox *mailbox, struct wheel *wheel,
                   const struct owners *owners, struct publisher *publisher,
                   const struct domain_settings *settings, uint32_t jobs_max, uint32_t rounds_max);
void domains_destroy(struct domains *domains);
/* What the keeper answers, and what it has to be published (MESSAGE_FLOORS_DONE, NOTE_DONE,
 * FLOOR_ASK). */
void domains_floors(struct domains *domains, struct floors_question *question);
void domains_note(struct domains *domains, struct memory_note *note);
void domains_publish_floor(struct domains *domains, struct floor_publish *publish);
/* A MESSAGE_DOMAIN_ASK: answered with MESSAGE_DOMAIN_DONE to message.from, maybe at once. */
void domains_ask(struct domains *domains, struct domain_request *request);
void domains_due(struct domains *domains, struct wheel_timer *timer);
void domains_dns(struct domains *domains, struct dns_question *question); /* MESSAGE_DNS_DOMAIN */
void domains_host(struct domains *domains, struct host_request *done);    /* MESSAGE_HOST_DONE */
/* From now on every request is answered at once, as ours. */
void domains_stop(struct domains *domains);
void domains_reload(struct domains *domains, const struct domain_settings *settings);
/* MESSAGE_DELIVERY_DOMAIN: teaches the memory, and goes home to the front. */
void domains_delivery(struct domains *domains, struct delivery_report *report);
uint32_t domains_forget(struct domains *domains, uint32_t most); /* as endpoints_forget */
uint32_t domains_running(const struct domains *domains);
const struct domains_counts *domains_counts(const struct domains *domains);

#endif
