/*
 * domain.c - the domain job (see domain.h): MX, hosts, verdict, publish, answer.
 *
 *   domains_ask ─► round_begin ─► domains_dns ─► hosts_ask_missing ─► domains_host ─► round_end
 *
 * One shard's thread; no lock. What a round asks is embedded in it and always comes home
 * (resolver.h, host.h), so a round needs no timer and cannot be lost; a job has one, for waiters
 * whose time is up before. The rules of MX stand in
 * policy/route, those of the verdict in policy/finding and policy/verdict; here is only the order
 * of events.
 *
 * Out of jobs, rounds or memory: the request is answered at once with "unknown, ours".
 */
#include "engine/domain.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/base/log.h"
#include "engine/base/reference.h"
#include "engine/dns/asking.h"
#include "engine/keeper.h"
#include "engine/loop/pool.h"
#include "engine/loop/registry.h"
#include "engine/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct domain_job {
    struct registry_entry entry; /* first: see registry.h */
    struct next_hop next_hop;
    struct join join;
    const struct domain_facts *facts; /* of the last round that ended; NULL: none */
    struct wheel_timer timer;         /* rings for the waiter with the earliest deadline */
    uint64_t taught, taught_ms;       /* remembered_digest of the last note, and when; 0: none */
};

struct domain_round {
    struct join_round join;
    struct domain_job *job;
    uint64_t began_us;
    uint64_t disproved_ms; /* when a delivery disproved what was known, meanwhile; 0: none did */
    bool in_full; /* without resumed sessions: for the second time, or because what is remembered
                     was contradicted when it began */
    uint8_t in_flight;
    struct domain_facts *facts; /* being gathered */
    union {                     /* one after the other */
        struct dns_question question;
        struct host_request requests[LIMIT_MX_HOSTS];
        struct floors_question floors;
    };
};

struct domains {
    struct mailbox *mailbox;
    struct wheel *wheel;
    struct owners owners;
    struct publisher *publisher;
    struct domain_settings settings;
    struct registry *jobs;
    struct pool *rounds;
    struct pool *notes;             /* struct memory_note: on their way to the keeper and back */
    struct domain_facts *exhausted; /* the answer when nothing can be taken */
    bool stopping;
    struct domains_counts counts;
};

/* --- facts --- */

const struct domain_facts *domain_facts_hold(const struct domain_facts *facts)
{
    reference_hold(&facts->references);
    return facts;
}

void domain_facts_drop(const struct domain_facts *facts)
{
    if (facts == NULL || !reference_drop(&facts->references))
        return;
    for (unsigned i = 0; i < LIMIT_MX_HOSTS; i++)
        host_facts_drop(facts->hosts[i]);
    free((struct domain_facts *)(uintptr_t)facts);
}

static struct domain_facts *facts_begin(const struct next_hop *next_hop, uint32_t settings_epoch)
{
    struct domain_facts *facts = calloc(1, sizeof *facts);

    if (facts == NULL)
        return NULL;
    atomic_init(&facts->references, 1);
    facts->next_hop = *next_hop;
    facts->settings_epoch = settings_epoch;
    return facts;
}

/* --- answering --- */

/* A round is of several questions, and the facts are shared: how fresh they had to be is each one's
 * own. */
static bool facts_are_limited(const struct domain_facts *facts, uint64_t not_before_ms)
{
    return facts->incomplete || facts->verdict.began_ms < not_before_ms;
}

static void request_answer(struct domains *domains, struct waiter *waiter,
                           const struct domain_facts *facts)
{
    struct domain_request *request = container_of(waiter, struct domain_request, waiter);
    uint16_t asker = request->message.from;

    request->facts = domain_facts_hold(facts);
    request->limited = facts_are_limited(facts, request->not_before_ms);
    request->message.kind = MESSAGE_DOMAIN_DONE;
    mailbox_send(domains->mailbox, asker, &request->message);
}

static bool facts_serve(const struct domains *domains, const struct domain_facts *facts,
                        uint64_t not_before_ms, uint64_t now_ms)
{
    const uint32_t epoch = publisher_epoch(domains->publisher, domains->settings.config_epoch);

    return facts != NULL && verdict_serves_now(&facts->verdict, epoch, not_before_ms, now_ms);
}

/* --- the end of a request's time --- */

static void job_watch(struct domains *domains, struct domain_job *job, uint64_t deadline_ms)
{
    const uint64_t due_ms = deadline_ms > LIMIT_AHEAD_MS ? deadline_ms - LIMIT_AHEAD_MS : 0;

    if (!wheel_armed(&job->timer) || due_ms < job->timer.due_ms)
        wheel_arm(domains->wheel, &job->timer, due_ms);
}

/* Nobody waits: it may be forgotten any moment. */
static void job_rests(struct domains *domains, struct domain_job *job)
{
    if (join_idle(&job->join))
        wheel_disarm(domains->wheel, &job->timer);
}

/* What a round has by now: one reference for the caller. NULL: no memory. */
static struct domain_facts *facts_part(const struct domain_facts *gathering)
{
    struct domain_facts *facts = malloc(sizeof *facts);

    if (facts == NULL)
        return NULL;
    memcpy(facts, gathering, sizeof *facts);
    atomic_init(&facts->references, 1);
    for (unsigned i = 0; i < LIMIT_MX_HOSTS; i++)
        if (facts->hosts[i] != NULL)
            host_facts_hold(facts->hosts[i]);
    facts->incomplete = true;
    return facts;
}

/* The last verdict, as it is given to who asked for a fresher one. NULL: there is none that is
 * good. */
static const struct domain_facts *job_older_facts(struct domains *domains,
                                                  const struct domain_job *job)
{
    return facts_serve(domains, job->facts, 0, clock_boot_ms()) ? job->facts : NULL;
}

static void facts_judge(const struct domains *domains, struct domain_facts *facts)
{
    facts->ended_ms = clock_boot_ms();
    facts->ended_wall_s = clock_wall_s();
    for (unsigned i = 0; i < facts->route.host_count; i++)
        if (facts->hosts[i] != NULL)
            finding_of_host(&facts->findings[i], &facts->route, facts->hosts[i],
                            facts->ended_wall_s);
    verdict_of_domain(&facts->verdict, &facts->route, facts->hosts, facts->findings,
                      facts->ended_ms);
    facts->verdict.config_epoch = publisher_epoch(domains->publisher, facts->settings_epoch);
}

/* --- the end of a round: finding of each host, verdict, publish, answer --- */

static void round_begin(struct domains *domains, struct domain_job *job, struct waiters *waiters);

static void round_judge(struct domains *domains, struct domain_round *round)
{
    struct domain_facts *facts = round->facts;

    route_without_loops(&facts->route, facts->hosts, &domains->settings.own);
    facts_judge(domains, facts);
    counter_add(&domains->counts.classes[facts->verdict.class], 1);
    counter_add(&domains->counts.conclusions[facts->verdict.conclusion], 1);
    histogram_add(&domains->counts.round_us, clock_boot_us() - round->began_us);
}

static bool host_is_partly_ours(const struct host_facts *host)
{
    if (host->ours || host->addresses_unseen_ours)
        return true;
    for (unsigned i = 0; i < host->endpoint_count; i++) {
        const struct evidence *evidence = host->endpoints[i].evidence;

        if (outcome_says(evidence->outcome) == SAYS_OURS || evidence->naming == NAMING_OURS)
            return true;
    }
    return false;
}

/* Nothing was learned but that we failed; or part of it failed (`partly`: that much is known), and
 * the whole looks worse for it than what is known and still valid. `none` and `weak` are said of
 * what was seen alone. */
static bool facts_are_our_failure(struct domains *domains, const struct domain_job *job,
                                  const struct domain_facts *facts, bool partly)
{
    struct verdict known;

    if (facts->verdict.cause == CAUSE_OURS)
        return true;
    for (unsigned i = 0; i < facts->route.host_count; i++)
        partly |= facts->hosts[i] != NULL && host_is_partly_ours(facts->hosts[i]);
    return partly && facts->verdict.class > CLASS_WEAK &&
           publisher_get(domains->publisher, &job->next_hop, &known) &&
           facts->ended_ms < known.valid_until_ms && facts->verdict.class < known.class;
}

/* Whether something may be remembered or ruled under its key: domains and hosts, for the port of
 * mail. "[mx.example.org]" is the mail host's own entry. */
static bool has_floor(const struct next_hop *next_hop)
{
    return next_hop->kind != NEXT_HOP_ADDRESS && next_hop->port == REMEMBERED_PORT;
}

/* A look at a domain teaches, of it and of its hosts. */
static bool is_remembered(const struct next_hop *next_hop)
{
    return next_hop->kind == NEXT_HOP_DOMAIN && next_hop->port == REMEMBERED_PORT;
}

/* False: no room. */
static bool round_teach(struct domains *domains, const struct next_hop *next_hop,
                        const struct remembered *taught)
{
    struct memory_note *note = pool_take(domains->notes);

    if (note == NULL) { /* what it teaches is seen again at the next look */
        counter_add(&domains->counts.notes_dropped, 1);
        return false;
    }
    note->next_hop = *next_hop;
    note->taught = *taught;
    note->message.kind = MESSAGE_NOTE_ASK;
    counter_add(&domains->counts.notes, 1);
    mailbox_send(domains->mailbox, owner_keeper(&domains->owners), &note->message);
    return true;
}

void domains_note(struct domains *domains, struct memory_note *note)
{
    pool_give(domains->notes, note);
}

/* What the remembered hosts demand of the whole. `floors`: the domain's, then in the order of the
 * route. */
static enum level round_hosts_level(const struct remembered *taught, const struct floor *floors,
                                    int64_t now_s)
{
    struct ledger_host hosts[LIMIT_MX_HOSTS];

    if (taught->hosts_unknown)
        return (enum level)floors[0].hosts_level;
    for (unsigned i = 0; i < taught->host_count; i++)
        hosts[i] = (struct ledger_host){.floor = &floors[1 + i], .now = taught->hosts[i].now};
    return ledger_hosts_level(hosts, taught->host_count, now_s);
}

/* Floors into the verdict; false: nothing is taught about such a next hop. */
static bool facts_take_floors(struct domain_facts *facts, const struct floor *floors,
                              struct remembered *taught)
{
    if (!has_floor(&facts->next_hop))
        return false;
    facts->verdict.floor = floors[0]; /* a put without it would take it away (shm/writer.h) */
    if (!is_remembered(&facts->next_hop))
        return false;
    remember_round(taught, &facts->route, facts->hosts, facts->findings, &facts->verdict,
                   facts->ended_ms, facts->ended_wall_s);
    facts->verdict.floor.hosts_level =
        (uint8_t)round_hosts_level(taught, floors, facts->ended_wall_s);
    return true;
}

/* A domain that is asked about many times a second teaches the same each time. */
static void round_remember(struct domains *domains, const struct domain_round *round,
                           const struct floor *floors)
{
    struct domain_job *job = round->job;
    const uint64_t now_ms = round->facts->ended_ms;
    struct remembered taught;
    uint64_t digest;

    if (!facts_take_floors(round->facts, floors, &taught))
        return;
    digest = remembered_digest(&taught, floors);
    if (job->taught_ms != 0 && digest == job->taught && now_ms < job->taught_ms + LIMIT_TAUGHT_MS) {
        counter_add(&domains->counts.notes_spared, 1);
        return;
    }
    if (!round_teach(domains, &round->facts->next_hop, &taught))
        return;
    job->taught = digest;
    job->taught_ms = now_ms;
}

/* --- what a session may not say: that what is remembered is not met (TLS-24, MEM-05) --- */

static void hosts_ask_missing(struct domains *domains, struct domain_round *round);

/* Since the start of this round: then a session would only be asked to accuse it once more. */
static bool is_contradicted(const struct domains *domains, const struct next_hop *next_hop)
{
    struct floor floor;

    return has_floor(next_hop) &&
           publisher_floor(domains->settings.table, next_hop, clock_boot_ms(), &floor) &&
           (floor.flags & FLOOR_CONTRADICTED) != 0;
}

/* What was found of the host hangs on a certificate that was seen some minutes ago: of the endpoint
 * that decided, or, where TLSA records are met, of any that may vouch for the domain too. */
static bool rests_on_a_session(const struct host_facts *host, const struct finding *finding)
{
    for (unsigned i = 0; host != NULL && i < host->endpoint_count; i++)
        if (host->endpoints[i].evidence->resumed &&
            (i == finding->endpoint || finding->kind == FINDING_DANE))
            return true;
    return false;
}

/* The hosts that have the round fall short of what is remembered, and rest on a session. The level
 * is the best of all hosts, so whoever rests on one may be the one that should reach more. */
static bool sessions_accuse(const struct domain_round *round, const struct floor *floor,
                            bool accused[LIMIT_MX_HOSTS])
{
    const struct domain_facts *facts = round->facts;
    const struct verdict *verdict = &facts->verdict;
    bool any = false;

    if (verdict->conclusion != CONCLUSION_DEFINITE ||
        (verdict->level >= floor->level && verdict->level >= floor->hosts_level))
        return false;
    for (unsigned i = 0; i < LIMIT_MX_HOSTS; i++) {
        accused[i] =
            i < facts->route.host_count && rests_on_a_session(facts->hosts[i], &facts->findings[i]);
        any |= accused[i];
    }
    return any;
}

/* What was seen of the others is definite, whatever the second look comes to. */
static void round_teach_of_others(struct domains *domains, const struct domain_round *round,
                                  const bool accused[LIMIT_MX_HOSTS])
{
    const struct domain_facts *facts = round->facts;
    struct remembered taught;
    bool any = false;

    if (!is_remembered(&facts->next_hop))
        return;
    remember_round(&taught, &facts->route, facts->hosts, facts->findings, &facts->verdict,
                   facts->ended_ms, facts->ended_wall_s);
    taught.domain = (struct observation){0};
    for (unsigned i = 0; i < taught.host_count; i++) {
        if (accused[i])
            taught.hosts[i].observation = (struct observation){0};
        any |= !observation_is_nothing(&taught.hosts[i].observation);
    }
    if (any)
        round_teach(domains, &facts->next_hop, &taught);
}

/* These hosts once more, in full; what is known of the others stays. */
static void round_again_in_full(struct domains *domains, struct domain_round *round,
                                const bool accused[LIMIT_MX_HOSTS])
{
    struct domain_facts *facts = round->facts;

    counter_add(&domains->counts.again_in_full, 1);
    round_teach_of_others(domains, round, accused);
    for (unsigned i = 0; i < LIMIT_MX_HOSTS; i++) {
        if (!accused[i])
            continue;
        host_facts_drop(facts->hosts[i]);
        facts->hosts[i] = NULL;
    }
    round->in_full = true;
    hosts_ask_missing(domains, round);
}

/* Nobody could look in full: then it is no finding. */
static void facts_accuse_nobody(struct domain_facts *facts)
{
    facts->incomplete = true;
    facts->verdict.conclusion = CONCLUSION_INCONCLUSIVE;
}

struct job_now {
    const struct domains *domains;
    const struct domain_facts *facts; /* of the round that ends */
    uint64_t now_ms;
};

static bool round_serves(void *context, const struct waiter *waiter)
{
    const struct job_now *now = context;

    return facts_serve(now->domains, now->facts, waiter->not_before_ms, now->now_ms);
}

/* The waiters of the round, and who is served by it as well. */
static void round_waiters(const struct domains *domains, struct domain_round *round,
                          struct waiters *served)
{
    struct domain_job *job = round->job;

    *served = (struct waiters){0};
    waiters_move(served, &round->join.waiters);
    if (job->facts == round->facts && !round->facts->incomplete)
        join_serve(&job->join, round_serves,
                   &(struct job_now){domains, round->facts, clock_boot_ms()}, served);
}

/* What it brought is to be known by others. Not if it rests on evidence that a delivery disproved
 * meanwhile; nor if a round that ran beside it, and ended before, has younger evidence, or is of
 * the settings that hold now. One that began later knows better in any case what the DNS says, and
 * which evidence holds. */
static bool round_is_news(const struct domains *domains, const struct domain_round *round)
{
    const struct domain_facts *facts = round->facts, *known = round->job->facts;

    if (facts->verdict.began_ms < round->disproved_ms)
        return false;
    if (known == NULL || round->began_us / 1000 > known->ended_ms)
        return true;
    if (facts->settings_epoch != known->settings_epoch)
        return facts->settings_epoch == domains->settings.config_epoch;
    return facts->verdict.began_ms >= known->verdict.began_ms;
}

/* Floors are known: the first is the domain's, then those of its hosts. */
static void round_end(struct domains *domains, struct domain_round *round,
                      const struct floor *floors)
{
    struct domain_job *job = round->job;
    struct domain_facts *facts = round->facts;
    struct waiters served, next;
    struct waiter *waiter;
    bool accused[LIMIT_MX_HOSTS], accuses = sessions_accuse(round, &floors[0], accused), more;

    if (accuses && !round->in_full) {
        round_again_in_full(domains, round, accused);
        return;
    }
    if (accuses)
        facts_accuse_nobody(facts);
    if (facts_are_limited(facts, round->join.not_before_ms))
        counter_add(&domains->counts.limited, 1);
    round_remember(domains, round, floors);
    if (round_is_news(domains, round) &&
        !facts_are_our_failure(domains, job, facts,
                               accuses)) { /* which replaces nothing we knew (law 3) */
        publisher_put(domains->publisher, &job->next_hop, &facts->verdict);
        domain_facts_drop(job->facts);
        job->facts = domain_facts_hold(facts);
    }
    round_waiters(domains, round, &served);
    more = join_end(&job->join, &round->join, &next);
    while ((waiter = waiters_take(&served)) != NULL)
        request_answer(domains, waiter, facts);
    domain_facts_drop(facts);
    pool_give(domains->rounds, round);
    if (more)
        round_begin(domains, job, &next);
    job_rests(domains, job);
}

static void floors_names(struct floors_question *question, const struct domain_facts *facts)
{
    question->count = 0;
    question->next_hops[question->count++] = facts->next_hop;
    for (unsigned i = 0; i < facts->route.host_count; i++)
        question->next_hops[question->count++] = (struct next_hop){
            .kind = NEXT_HOP_HOST, .port = 25, .name = facts->route.hosts[i].name};
}

/* What the table holds of them; false: it does not hold all, and is not complete. */
static bool floors_read(const struct domains *domains, struct floors_question *question,
                        uint64_t now_ms)
{
    for (unsigned i = 0; i < question->count; i++)
        if (!publisher_floor(domains->settings.table, &question->next_hops[i], now_ms,
                             &question->floors[i]))
            return false;
    return true;
}

/* Everything about the hosts is home: judge, then find out what is remembered. */
static void round_gathered(struct domains *domains, struct domain_round *round)
{
    static const struct floor nothing[1 + LIMIT_MX_HOSTS];
    struct floors_question *question = &round->floors;

    round_judge(domains, round);
    if (!has_floor(&round->facts->next_hop)) {
        round_end(domains, round, nothing);
        return;
    }
    *question =
        (struct floors_question){.message.kind = MESSAGE_FLOORS_ASK,
                                 .token = {.slot = pool_slot(domains->rounds, round),
                                           .generation = pool_generation(domains->rounds, round)}};
    floors_names(question, round->facts);
    if (floors_read(domains, question, round->facts->ended_ms)) {
        round_end(domains, round, question->floors);
        return;
    }
    counter_add(&domains->counts.floors_asked, 1);
    round->in_flight = 1;
    mailbox_send(domains->mailbox, owner_keeper(&domains->owners), &question->message);
}

void domains_floors(struct domains *domains, struct floors_question *question)
{
    struct domain_round *round =
        pool_find(domains->rounds, question->token.slot, question->token.generation);

    CHECK(round != NULL && round->in_flight == 1);
    round->in_flight = 0;
    verdict_answers_now(&round->facts->verdict, clock_boot_ms()); /* the keeper took its time */
    round_end(domains, round, question->floors);
}

void domains_publish_floor(struct domains *domains, struct floor_publish *publish)
{
    if (publisher_put_floor(domains->publisher, &publish->next_hop, &publish->floor) != 0)
        log_warning("table-full", "no room for what is remembered of %s",
                    publish->next_hop.name.text);
    publish->message.kind = MESSAGE_FLOOR_DONE;
    mailbox_send(domains->mailbox, publish->message.from, &publish->message);
}

/* --- what can be told at a deadline --- */

/* What is remembered of them, as far as this shard's table holds it. */
static void facts_read_floors(const struct domains *domains, struct domain_facts *facts)
{
    struct floors_question question;
    struct remembered taught; /* by no look that has ended: nobody is told */

    floors_names(&question, facts);
    facts->verdict.floor = (struct floor){.flags = FLOOR_UNKNOWN};
    if (!has_floor(&facts->next_hop))
        facts->verdict.floor = (struct floor){0};
    else if (floors_read(domains, &question, facts->ended_ms))
        (void)facts_take_floors(facts, question.floors, &taught);
}

/* What a round under way has found so far, the older one's first: a host that is not home was not
 * looked at. One reference for the caller; NULL: not even who the hosts are. */
static const struct domain_facts *job_part(const struct domains *domains,
                                           const struct domain_job *job)
{
    struct domain_facts *facts = NULL;

    for (unsigned i = 0; i < JOIN_ROUNDS && facts == NULL; i++) {
        const struct domain_facts *part =
            job->join.rounds[i] == NULL
                ? NULL
                : container_of(job->join.rounds[i], struct domain_round, join)->facts;

        if (part != NULL && part->route.host_count > 0)
            facts = facts_part(part);
    }
    if (facts == NULL)
        return NULL;
    facts_judge(domains, facts);
    facts_read_floors(domains, facts);
    /* A host that is not home may have a TLSA record that ends Postfix. */
    for (unsigned i = 0; i < facts->route.host_count; i++)
        if (facts->hosts[i] == NULL)
            facts->verdict.flags |= VERDICT_POSTFIX_UNSAFE_TLSA;
    return facts;
}

/* Answers those of `waiters` whose time is up, by `facts`, or by `part` if that will do; the others
 * are watched. */
static void waiters_due(struct domains *domains, struct domain_job *job, struct waiters *waiters,
                        const struct domain_facts *facts, const struct domain_facts *part,
                        uint64_t now_ms)
{
    struct waiters waiting = {0};
    struct waiter *waiter;

    waiters_move(&waiting, waiters);
    while ((waiter = waiters_take(&waiting)) != NULL) {
        const struct domain_request *request = container_of(waiter, struct domain_request, waiter);
        const struct domain_facts *given = facts == NULL && request->part_will_do ? part : facts;
        const bool due = request->deadline_ms <= now_ms + LIMIT_AHEAD_MS;

        if (due && given != NULL) {
            counter_add(&domains->counts.given_up, 1);
            request_answer(domains, waiter, given);
            continue;
        }
        waiters_add(waiters, waiter);
        if (!due)
            job_watch(domains, job, request->deadline_ms);
    }
}

void domains_due(struct domains *domains, struct wheel_timer *timer)
{
    struct domain_job *job = container_of(timer, struct domain_job, timer);
    const struct domain_facts *facts = job_older_facts(domains, job),
                              *part = facts == NULL ? job_part(domains, job) : NULL;
    const uint64_t now_ms = clock_boot_ms();

    for (unsigned i = 0; i < JOIN_ROUNDS; i++)
        if (job->join.rounds[i] != NULL)
            waiters_due(domains, job, &job->join.rounds[i]->waiters, facts, part, now_ms);
    waiters_due(domains, job, &job->join.gathering, facts, part, now_ms);
    domain_facts_drop(part);
}

/* --- hosts --- */

static void host_ask(struct domains *domains, struct domain_round *round, unsigned i)
{
    const struct next_hop *next_hop = &round->job->next_hop;
    struct host_request *request = &round->requests[i];

    *request = (struct host_request){
        .message.kind = MESSAGE_HOST_ASK,
        .token = {.operation = (uint8_t)i,
                  .slot = pool_slot(domains->rounds, round),
                  .generation = pool_generation(domains->rounds, round)},
        .host = round->facts->route.hosts[i].name,
        .port = next_hop->port,
        .literal = next_hop->kind == NEXT_HOP_ADDRESS,
        .address = next_hop->address,
        .not_before_ms = round->join.not_before_ms,
        .deadline_ms = round->join.deadline_ms,
        .priority = (enum priority)round->join.priority,
        .in_full = round->in_full,
    };
    round->in_flight++;
    mailbox_send(domains->mailbox, owner_of_host(&domains->owners, &request->host),
                 &request->message);
}

/* Those that nothing is known of yet. */
static void hosts_ask_missing(struct domains *domains, struct domain_round *round)
{
    const struct domain_facts *facts = round->facts;

    CHECK(round->in_flight == 0);
    for (unsigned i = 0; i < facts->route.host_count; i++)
        if (facts->hosts[i] == NULL)
            host_ask(domains, round, i);
    if (round->in_flight == 0)
        round_gathered(domains, round);
}

void domains_host(struct domains *domains, struct host_request *done)
{
    struct domain_round *round =
        pool_find(domains->rounds, done->token.slot, done->token.generation);

    CHECK(round != NULL && round->in_flight > 0);
    round->facts->hosts[done->token.operation] = done->facts; /* the reference moves */
    if (--round->in_flight == 0)
        round_gathered(domains, round);
}

/* --- MX --- */

static void mx_ask(struct domains *domains, struct domain_round *round)
{
    struct dns_question *question = &round->question;

    question->message.kind = MESSAGE_DNS_DOMAIN;
    question->token = (struct ring_token){.slot = pool_slot(domains->rounds, round),
                                          .generation = pool_generation(domains->rounds, round)};
    question->name = round->job->next_hop.name;
    question->type = DNS_MX;
    question->deadline_ms = clock_boot_ms() + domains->settings.dns_ms;
    round->in_flight = 1;
    dns_ask(domains->mailbox, domains->settings.answers,
            owner_resolver(&domains->owners, &question->name), question);
}

void domains_dns(struct domains *domains, struct dns_question *question)
{
    struct domain_round *round =
        pool_find(domains->rounds, question->token.slot, question->token.generation);

    CHECK(round != NULL && round->in_flight == 1);
    round->in_flight = 0;
    dns_told(domains->mailbox, domains->settings.answers, question);
    route_from_mx(&round->facts->route, &question->name, question->answer, &domains->settings.own);
    dns_answer_drop(question->answer); /* the requests take the question's place */
    hosts_ask_missing(domains, round);
}

/* [host] and [address]: no MX look-up; the name is locally trusted (MX-16), an address has none. */
static void route_direct(struct route *route, const struct next_hop *next_hop)
{
    *route = (struct route){.state = ROUTE_HOST, .ttl_s = UINT32_MAX / 1000, .host_count = 1};
    if (next_hop->kind == NEXT_HOP_HOST) {
        route->secure = true;
        route->domain = next_hop->name;
        route->hosts[0].name = next_hop->name;
    }
}

/* --- rounds and jobs --- */

static void round_begin(struct domains *domains, struct domain_job *job, struct waiters *waiters)
{
    struct domain_facts *facts = facts_begin(&job->next_hop, domains->settings.config_epoch);
    struct domain_round *round = facts == NULL ? NULL : pool_take(domains->rounds);
    struct waiter *waiter;

    if (round == NULL) {
        free(facts);
        counter_add(&domains->counts.no_room, 1);
        while ((waiter = waiters_take(waiters)) != NULL)
            request_answer(domains, waiter, domains->exhausted);
        return;
    }
    round->job = job;
    round->facts = facts;
    round->began_us = clock_boot_us();
    round->in_full = is_contradicted(domains, &job->next_hop);
    waiters_move(&round->join.waiters, waiters);
    join_begin(&job->join, &round->join);
    counter_add(&domains->counts.rounds, 1);
    if (job->next_hop.kind == NEXT_HOP_DOMAIN) {
        mx_ask(domains, round);
    } else {
        route_direct(&facts->route, &job->next_hop);
        hosts_ask_missing(domains, round);
    }
}

static uint64_t next_hop_hash(const struct next_hop *next_hop)
{
    return name_hash(&next_hop->name) * 31 + next_hop->port + (uint64_t)next_hop->kind * 65537 +
           (next_hop->kind == NEXT_HOP_ADDRESS ? address_hash(&next_hop->address) : 0);
}

static bool next_hop_equal(const struct next_hop *a, const struct next_hop *b)
{
    return a->kind == b->kind && a->port == b->port && name_equal(&a->name, &b->name) &&
           (a->kind != NEXT_HOP_ADDRESS || address_equal(&a->address, &b->address));
}

static bool job_is(const void *object, const void *key)
{
    return next_hop_equal(&((const struct domain_job *)object)->next_hop, key);
}

static void job_begin(void *object, const void *key)
{
    ((struct domain_job *)object)->next_hop = *(const struct next_hop *)key;
}

static bool job_idle(const void *object)
{
    return join_idle(&((const struct domain_job *)object)->join);
}

static void job_forget(void *object)
{
    domain_facts_drop(((struct domain_job *)object)->facts);
}

static const struct registry_kind job_kind = {
    .name = "domain jobs",
    .bytes = sizeof(struct domain_job),
    .is = job_is,
    .begin = job_begin,
    .idle = job_idle,
    .forget = job_forget,
};

static struct domain_job *job_of(struct domains *domains, const struct next_hop *next_hop)
{
    struct domain_job *job = registry_find(domains->jobs, next_hop, next_hop_hash(next_hop));

    if (job != NULL)
        job->timer.token =
            (struct ring_token){.operation = DOMAINS_OPERATION_TIMER,
                                .slot = registry_slot(domains->jobs, job),
                                .generation = registry_generation(domains->jobs, job)};
    return job;
}

void domains_ask(struct domains *domains, struct domain_request *request)
{
    struct domain_job *job = domains->stopping ? NULL : job_of(domains, &request->next_hop);
    struct waiters alone = {0};

    counter_add(&domains->counts.asked, 1);
    request->waiter = (struct waiter){.not_before_ms = request->not_before_ms,
                                      .deadline_ms = request->deadline_ms,
                                      .priority = (uint8_t)request->priority};
    if (job == NULL) {
        counter_add(&domains->counts.no_room, 1);
        request_answer(domains, &request->waiter, domains->exhausted);
    } else if (facts_serve(domains, job->facts, request->not_before_ms, clock_boot_ms())) {
        counter_add(&domains->counts.served, 1);
        request_answer(domains, &request->waiter, job->facts);
    } else if (join_request(&job->join, &request->waiter) == JOIN_START) {
        job_watch(domains, job, request->deadline_ms);
        waiters_add(&alone, &request->waiter);
        round_begin(domains, job, &alone);
        job_rests(domains, job); /* no room */
    } else {
        job_watch(domains, job, request->deadline_ms);
        counter_add(&domains->counts.joined, 1);
    }
}

/* --- deliveries --- */

static bool route_has_host(const struct route *route, const struct name *host)
{
    for (unsigned i = 0; i < route->host_count; i++)
        if (name_equal(&route->hosts[i].name, host))
            return true;
    return false;
}

/* What they have of this host already, or may be given by who does not know it yet, is none. */
static void delivery_disproves_rounds(struct domain_job *job, const struct name *host)
{
    for (unsigned i = 0; i < JOIN_ROUNDS; i++) {
        struct domain_round *round =
            job->join.rounds[i] == NULL
                ? NULL
                : container_of(job->join.rounds[i], struct domain_round, join);

        if (round != NULL &&
            (round->facts->route.host_count == 0 || route_has_host(&round->facts->route, host)))
            round->disproved_ms = clock_boot_ms();
    }
}

/* The verdict stays, with its floor, but serves nobody: it rests on evidence that was disproved.
 * Nor did it ever hold, for who judges as of some moment before (ipc/gate/maps.c). */
static void delivery_disproves(struct domains *domains, struct domain_job *job)
{
    struct verdict known;

    domain_facts_drop(job->facts);
    job->facts = NULL;
    if (!publisher_get(domains->publisher, &job->next_hop, &known) ||
        known.valid_until_ms <= known.began_ms)
        return;
    known.valid_until_ms = known.began_ms;
    publisher_put(domains->publisher, &job->next_hop, &known);
}

void domains_delivery(struct domains *domains, struct delivery_report *report)
{
    struct domain_job *job =
        registry_look(domains->jobs, &report->next_hop, next_hop_hash(&report->next_hop));
    const struct domain_facts *facts = job != NULL ? job->facts : NULL;
    struct remembered_look look;
    struct remembered taught;

    if (facts != NULL)
        look = (struct remembered_look){&facts->route, facts->findings, &facts->verdict};
    remember_delivery(&taught, &report->delivery, report->host_seen, facts != NULL ? &look : NULL,
                      clock_boot_ms(), clock_wall_s());
    if (taught.host_count > 0 && !domains->stopping &&
        round_teach(domains, &report->next_hop, &taught)) {
        report->teaches_host = true;
        report->teaches_domain = taught.domain.seen != OBSERVED_NOTHING;
    }
    report->wants_look = taught.at_s != 0 && !report->host_seen;
    if (job != NULL && report->effect == DELIVERY_DISPROVES)
        delivery_disproves_rounds(job, &report->delivery.host);
    if (facts != NULL && report->effect == DELIVERY_DISPROVES &&
        route_has_host(&facts->route, &report->delivery.host))
        delivery_disproves(domains, job);
    report->message.kind = MESSAGE_DELIVERY_DONE;
    mailbox_send(domains->mailbox, owner_front(&domains->owners), &report->message);
}

/* --- start and stop --- */

int domains_create(struct domains **out, struct mailbox *mailbox, struct wheel *wheel,
                   const struct owners *owners, struct publisher *publisher,
                   const struct domain_settings *settings, uint32_t jobs_max, uint32_t rounds_max)
{
    struct domains *domains = calloc(1, sizeof *domains);
    int error;

    if (domains == NULL)
        return -ENOMEM;
    domains->mailbox = mailbox;
    domains->wheel = wheel;
    domains->owners = *owners;
    domains->publisher = publisher;
    domains->settings = *settings;
    error = registry_create(&domains->jobs, &job_kind, jobs_max);
    if (error == 0)
        error =
            pool_create(&domains->rounds, "domain rounds", sizeof(struct domain_round), rounds_max);
    if (error == 0)
        error = pool_create(&domains->notes, "notes for the memory", sizeof(struct memory_note),
                            LIMIT_NOTES);
    if (error == 0 && (domains->exhausted = facts_begin(&(struct next_hop){0}, 0)) == NULL)
        error = -ENOMEM;
    if (error != 0) {
        domains_destroy(domains);
        return error;
    }
    domains->exhausted->verdict = (struct verdict){
        .class = CLASS_UNKNOWN,
        .conclusion = CONCLUSION_TEMPORARY,
        .cause = CAUSE_OURS,
        .floor.flags = FLOOR_UNKNOWN, /* nobody asked */
    };
    *out = domains;
    return 0;
}

uint32_t domains_forget(struct domains *domains, uint32_t most)
{
    return registry_forget_idle(domains->jobs, most);
}

void domains_destroy(struct domains *domains)
{
    registry_destroy(domains->jobs);
    if (domains->rounds != NULL)
        pool_destroy(domains->rounds);
    if (domains->notes != NULL)
        pool_destroy(domains->notes);
    domain_facts_drop(domains->exhausted);
    free(domains);
}

void domains_stop(struct domains *domains)
{
    domains->stopping = true;
}

void domains_reload(struct domains *domains, const struct domain_settings *settings)
{
    domains->settings = *settings;
}

uint32_t domains_running(const struct domains *domains)
{
    return pool_used(domains->rounds) + pool_used(domains->notes);
}

const struct domains_counts *domains_counts(const struct domains *domains)
{
    return &domains->counts;
}
