/*
 * domain_test.c - the domain job: the order of events, who shares a round, what is published. The
 * test plays the resolver, the host jobs, and (at link time) policy and publisher: their rules have
 * tests of their own.
 */
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/domain.h"
#include "engine/keeper.h"
#include "engine/publish.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARD, RESOLVER, FRONT, KEEPER, THREADS };

static struct exchange *exchange;
static struct mailbox *shard, *resolver, *front, *keeper;
static struct domains *domains;
static struct wheel *wheel;
static unsigned mx_asked, hosts_asked, published;
static bool published_before_answer;
static enum route_state next_route;
static uint8_t next_host_count;
static uint64_t next_valid_ms = 60000; /* of verdicts */
static enum cause next_cause;
static enum tls_class next_class; /* where the cause is not ours */
static enum level next_level;
static struct verdict known;    /* in the table; valid_until_ms 0: nothing */
static uint64_t hosts_began_ms; /* 0: now */
static bool hosts_are_ours;
static bool floors_in_table; /* else the keeper is asked */
static struct floor remembered;
static enum next_hop_kind remembered_kind; /* of what it is the floor */
static unsigned floors_asked, notes;
static struct remembered taught[8]; /* by the first notes */
/* What is seen at a host, by its place in the route: the endpoint that decides, and another. */
static struct sight {
    bool resumes, in_clear, resumes_elsewhere;
} sights[2];
static bool conclusive;     /* what is seen at hosts is */
static bool always_resumes; /* whoever is asked in full, as well */
static struct verdict last_published;
static struct host_request *held[64];
static unsigned held_count;
static struct domain_request requests[64];

/* --- the played policy and publisher --- */

void route_from_mx(struct route *route, const struct name *domain, const struct dns_answer *answer,
                   const struct own *own)
{
    (void)answer;
    ck_assert_uint_eq(own->name_count, 1); /* that of the settings */
    *route = (struct route){.state = next_route, .domain = *domain, .host_count = next_host_count};
    for (unsigned i = 0; i < next_host_count; i++)
        route->hosts[i].name = *domain;
}

void route_without_loops(struct route *route, const struct host_facts *const *hosts,
                         const struct own *own)
{
    ck_assert_uint_eq(own->name_count, 1);
    for (unsigned i = 0; i < route->host_count; i++)
        ck_assert_ptr_nonnull(hosts[i]);
}

void finding_of_host(struct finding *finding, const struct route *route,
                     const struct host_facts *host, int64_t now_s)
{
    (void)route, (void)now_s;
    ck_assert_ptr_nonnull(host);
    const bool in_clear = host->endpoints[0].evidence->outcome == OUTCOME_NO_STARTTLS;
    *finding = (struct finding){.kind = in_clear ? FINDING_CLEAR : FINDING_ENCRYPTED,
                                .conclusive = conclusive};
}

void verdict_of_domain(struct verdict *verdict, const struct route *route,
                       const struct host_facts *const *hosts, const struct finding *findings,
                       uint64_t now_ms)
{
    (void)findings;
    *verdict = (struct verdict){.class = next_cause == CAUSE_OURS ? CLASS_UNKNOWN : next_class,
                                .cause = next_cause,
                                .level = next_level,
                                .conclusion = CONCLUSION_DEFINITE,
                                .began_ms = now_ms,
                                .valid_until_ms = now_ms + next_valid_ms};
    for (unsigned i = 0; i < route->host_count; i++) {
        if (hosts[i] == NULL) {
            verdict->conclusion = CONCLUSION_INCONCLUSIVE;
            continue;
        }
        if (hosts[i]->began_ms < verdict->began_ms)
            verdict->began_ms = hosts[i]->began_ms;
        for (unsigned j = 0; j < hosts[i]->endpoint_count; j++)
            if (hosts[i]->endpoints[j].evidence->resumed)
                verdict->flags |= VERDICT_RESUMED;
    }
}

/* As VERDICT_LEAST_MS. */
void verdict_answers_now(struct verdict *verdict, uint64_t now_ms)
{
    if (verdict->valid_until_ms < now_ms + 1000)
        verdict->valid_until_ms = now_ms + 1000;
}

bool verdict_serves_now(const struct verdict *verdict, uint32_t epoch, uint64_t not_before_ms,
                        uint64_t now_ms)
{
    return now_ms < verdict->valid_until_ms && verdict->config_epoch == epoch &&
           verdict->began_ms >= not_before_ms && now_ms < verdict->began_ms + 30000;
}

void publisher_put(struct publisher *publisher, const struct next_hop *next_hop,
                   const struct verdict *verdict)
{
    (void)publisher, (void)next_hop;
    ck_assert_int_ne(verdict->cause, CAUSE_OURS);
    published++;
    last_published = *verdict;
}

int publisher_put_floor(struct publisher *publisher, const struct next_hop *next_hop,
                        const struct floor *floor)
{
    (void)publisher, (void)next_hop;
    remembered = *floor;
    return 0;
}

bool publisher_floor(const struct table_reader *reader, const struct next_hop *next_hop,
                     uint64_t now_ms, struct floor *floor)
{
    (void)reader, (void)now_ms;
    *floor = next_hop->kind == remembered_kind ? remembered : (struct floor){0};
    return floors_in_table;
}

static uint32_t rulings; /* what administrators say of hosts */

uint32_t publisher_epoch(const struct publisher *publisher, uint32_t config_epoch)
{
    (void)publisher;
    return config_epoch + rulings;
}

bool publisher_get(const struct publisher *publisher, const struct next_hop *next_hop,
                   struct verdict *verdict)
{
    (void)publisher, (void)next_hop;
    *verdict = known;
    return known.valid_until_ms != 0;
}

/* --- the world around --- */

static void no_wake(void *context, uint16_t to)
{
    (void)context, (void)to;
}

static void set_up(void)
{
    struct owners owners = {.shards = 1, .resolvers = 1};
    struct domain_settings settings = {.dns_ms = 1000, .config_epoch = 7, .own.name_count = 1};

    ck_assert_int_eq(exchange_create(&exchange, THREADS, 64), 0);
    ck_assert_int_eq(wheel_create(&wheel, clock_boot_ms()), 0);
    shard = mailbox_open(exchange, SHARD, no_wake, NULL);
    resolver = mailbox_open(exchange, RESOLVER, no_wake, NULL);
    front = mailbox_open(exchange, FRONT, no_wake, NULL);
    keeper = mailbox_open(exchange, KEEPER, no_wake, NULL);
    floors_in_table = true;
    ck_assert_int_eq(domains_create(&domains, shard, wheel, &owners, NULL, &settings, 16, 16), 0);
    next_route = ROUTE_MX;
    next_host_count = 1;
    next_cause = CAUSE_ENCRYPTED;
    next_class = CLASS_ENCRYPTED;
}

static void tear_down(void)
{
    ck_assert_ptr_null(wheel_take_due(wheel, clock_boot_ms() + 100000)); /* of a job at rest */
    domains_destroy(domains);
    wheel_destroy(wheel);
    exchange_destroy(exchange);
}

static void answer_mx(struct dns_question *question)
{
    struct dns_answer *answer = calloc(1, sizeof *answer);

    atomic_init(&answer->references, 1);
    ck_assert_int_eq(question->type, DNS_MX);
    mx_asked++;
    question->answer = answer;
    mailbox_send(resolver, SHARD, &question->message);
}

static const struct evidence *evidence_made(bool resumed, bool in_clear)
{
    struct evidence *evidence = calloc(1, sizeof *evidence);

    atomic_init(&evidence->references, 1);
    evidence->outcome = in_clear ? OUTCOME_NO_STARTTLS : OUTCOME_TLS_OK;
    evidence->began_ms = clock_boot_ms();
    evidence->ended_wall_s = clock_wall_s();
    evidence->resumed = resumed;
    return evidence;
}

static void answer_host(struct host_request *request)
{
    struct host_facts *facts = calloc(1, sizeof *facts);
    const struct sight *sight = &sights[request->token.operation];
    const bool resumes = !request->in_full || always_resumes;

    atomic_init(&facts->references, 1);
    facts->began_ms = hosts_began_ms != 0 ? hosts_began_ms : clock_boot_ms();
    facts->port = request->port;
    facts->ours = hosts_are_ours;
    facts->endpoint_count = 2;
    facts->endpoints[0].evidence = evidence_made(sight->resumes && resumes, sight->in_clear);
    facts->endpoints[1].evidence = evidence_made(sight->resumes_elsewhere && resumes, false);
    request->facts = facts;
    request->message.kind = MESSAGE_HOST_DONE;
    mailbox_send(shard, SHARD, &request->message);
}

/* The keeper: a question is answered with what is remembered, a note comes home. */
static void keep(struct message *message)
{
    if (message->kind == MESSAGE_FLOORS_ASK) {
        struct floors_question *question = container_of(message, struct floors_question, message);

        floors_asked++;
        ck_assert_uint_eq(question->count, 1u + next_host_count);
        for (unsigned i = 0; i < question->count; i++)
            question->floors[i] = i == 0 ? remembered : (struct floor){0};
        message->kind = MESSAGE_FLOORS_DONE;
    } else {
        ck_assert_int_eq(message->kind, MESSAGE_NOTE_ASK);
        if (notes < sizeof taught / sizeof *taught)
            taught[notes] = container_of(message, struct memory_note, message)->taught;
        notes++;
        message->kind = MESSAGE_NOTE_DONE;
    }
    mailbox_send(keeper, SHARD, message);
}

/* Carries messages until nothing moves; host requests are held until hosts_answer. */
static void run(void)
{
    struct message *message;
    bool moved = true;

    while (moved) {
        moved = false;
        while ((message = mailbox_receive(resolver)) != NULL) {
            answer_mx(container_of(message, struct dns_question, message));
            moved = true;
        }
        while ((message = mailbox_receive(keeper)) != NULL) {
            keep(message);
            moved = true;
        }
        while ((message = mailbox_receive(shard)) != NULL) {
            moved = true;
            if (message->kind == MESSAGE_FLOORS_DONE) {
                domains_floors(domains, container_of(message, struct floors_question, message));
            } else if (message->kind == MESSAGE_NOTE_DONE) {
                domains_note(domains, container_of(message, struct memory_note, message));
            } else if (message->kind == MESSAGE_DOMAIN_ASK) {
                domains_ask(domains, container_of(message, struct domain_request, message));
            } else if (message->kind == MESSAGE_DNS_DOMAIN) {
                domains_dns(domains, container_of(message, struct dns_question, message));
            } else if (message->kind == MESSAGE_HOST_DONE) {
                domains_host(domains, container_of(message, struct host_request, message));
            } else {
                ck_assert_int_eq(message->kind, MESSAGE_HOST_ASK);
                hosts_asked++;
                held[held_count++] = container_of(message, struct host_request, message);
            }
        }
    }
}

static void hosts_answer(void)
{
    while (held_count > 0)
        answer_host(held[--held_count]);
    run();
}

static void ask(unsigned which, const char *next_hop, uint64_t not_before_ms)
{
    struct domain_request *request = &requests[which];

    *request = (struct domain_request){.message.kind = MESSAGE_DOMAIN_ASK,
                                       .not_before_ms = not_before_ms,
                                       .deadline_ms = clock_boot_ms() + 10000,
                                       .priority = PRIORITY_LIVE};
    ck_assert_int_eq(next_hop_parse(&request->next_hop, next_hop, strlen(next_hop)), NAME_OK);
    mailbox_send(front, SHARD, &request->message);
    run();
}

/* How many requests came home; checks that each carries facts, and drops them. */
static unsigned came_home(void)
{
    struct message *message;
    unsigned count = 0;

    while ((message = mailbox_receive(front)) != NULL) {
        const struct domain_request *request =
            container_of(message, struct domain_request, message);

        ck_assert_int_eq(message->kind, MESSAGE_DOMAIN_DONE);
        ck_assert_ptr_nonnull(request->facts);
        published_before_answer = published > 0;
        domain_facts_drop(request->facts);
        count++;
    }
    return count;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void timers(void)
{
    struct wheel_timer *timer;

    while ((timer = wheel_take_due(wheel, clock_boot_ms())) != NULL)
        domains_due(domains, timer);
}

START_TEST(a_verdict_is_published_and_then_given_to_whoever_asked)
{
    ask(0, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert(published_before_answer);
    ck_assert_uint_eq(published, 1);
    ck_assert_uint_eq(requests[0].facts->verdict.config_epoch, 7);
    ck_assert_uint_eq(domains_running(domains), 0);
}
END_TEST

START_TEST(forty_askers_cost_one_mx_question_and_one_host_request)
{
    for (unsigned i = 0; i < 40; i++)
        ask(i, i % 2 ? "S.Lab." : "s.lab", 0); /* NAME-02: one key */
    hosts_answer();
    ck_assert_uint_eq(came_home(), 40);
    ck_assert_uint_eq(mx_asked, 1);
    ck_assert_uint_eq(hosts_asked, 1);
}
END_TEST

START_TEST(known_facts_serve_until_they_are_too_old_for_the_request_FRESH_03)
{
    ask(0, "s.lab", 0);
    hosts_answer();
    ask(1, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 2);
    ck_assert_uint_eq(mx_asked, 1);
    sleep_ms(3);
    ask(2, "s.lab", clock_boot_ms());
    ck_assert_uint_eq(came_home(), 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(mx_asked, 2);
}
END_TEST

static void ask_as(unsigned which, uint64_t not_before_ms, uint64_t patience_ms, bool part_will_do)
{
    struct domain_request *request = &requests[which];

    *request = (struct domain_request){.message.kind = MESSAGE_DOMAIN_ASK,
                                       .not_before_ms = not_before_ms,
                                       .deadline_ms = clock_boot_ms() + patience_ms,
                                       .part_will_do = part_will_do,
                                       .priority = PRIORITY_LIVE};
    ck_assert_int_eq(next_hop_parse(&request->next_hop, "s.lab", 5), NAME_OK);
    mailbox_send(front, SHARD, &request->message);
    run();
}

static void ask_until(unsigned which, uint64_t patience_ms)
{
    ask_as(which, clock_boot_ms(), patience_ms, false);
}

START_TEST(who_has_no_time_left_gets_the_last_verdict_and_hears_that_it_is_limited)
{
    ask(0, "s.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    sleep_ms(2);
    ask_until(1, 10000); /* two patient ones, and their rounds */
    sleep_ms(2);
    ask_until(2, 10000);
    sleep_ms(2);
    ask_until(3, 10000); /* gathered behind them */
    ask_until(4, LIMIT_AHEAD_MS + 10);
    ask_until(5, LIMIT_AHEAD_MS + 30);
    timers();
    ck_assert_uint_eq(came_home(), 0);
    for (unsigned home = 4; home < 6; home++) {
        sleep_ms(20);
        timers();
        const struct message *message = mailbox_receive(front);
        ck_assert_ptr_eq(message, &requests[home].message);
        ck_assert(requests[home].limited);
        ck_assert_uint_lt(requests[home].facts->verdict.began_ms, requests[home].not_before_ms);
        ck_assert_uint_le(clock_boot_ms(), requests[home].deadline_ms);
        domain_facts_drop(requests[home].facts);
        ck_assert_ptr_null(mailbox_receive(front));
    }
    ck_assert_uint_eq(counter_read(&domains_counts(domains)->given_up), 2);
    hosts_answer();
    hosts_answer();
    ck_assert_uint_eq(came_home(), 3);
}
END_TEST

/* And nothing of it is published, or kept. With what is remembered, if the table has it (_i). */
START_TEST(who_takes_a_part_gets_the_route_at_the_deadline_if_there_is_no_verdict_yet)
{
    floors_in_table = _i == 1;
    remembered = (struct floor){.level = LEVEL_ENCRYPT};
    next_host_count = 2;
    ask_as(0, 0, LIMIT_AHEAD_MS + 10, false);
    ask_as(1, 0, LIMIT_AHEAD_MS + 10, true);
    ck_assert_uint_eq(held_count, 2);
    answer_host(held[--held_count]); /* one of two */
    run();
    sleep_ms(20);
    timers();
    const struct message *message = mailbox_receive(front);
    ck_assert_ptr_eq(message, &requests[1].message);
    ck_assert_ptr_null(mailbox_receive(front)); /* the other goes on waiting */
    ck_assert(requests[1].limited);
    ck_assert_uint_eq(requests[1].facts->route.host_count, 2);
    ck_assert_int_eq(requests[1].facts->verdict.conclusion, CONCLUSION_INCONCLUSIVE);
    ck_assert_uint_eq(requests[1].facts->verdict.floor.flags, _i == 1 ? 0 : FLOOR_UNKNOWN);
    ck_assert_uint_eq(requests[1].facts->verdict.floor.level, _i == 1 ? LEVEL_ENCRYPT : 0);
    ck_assert((requests[1].facts->hosts[0] == NULL) != (requests[1].facts->hosts[1] == NULL));
    domain_facts_drop(requests[1].facts);
    ck_assert_uint_eq(published, 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert(!requests[0].limited);
    ck_assert_uint_eq(published, 1);
}
END_TEST

START_TEST(without_a_verdict_to_give_who_waits_goes_on_waiting)
{
    ask_until(0, LIMIT_AHEAD_MS + 1);
    sleep_ms(5);
    timers();
    ck_assert_uint_eq(came_home(), 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    rulings++; /* nor is one of other settings */
    ask_until(0, LIMIT_AHEAD_MS + 1);
    sleep_ms(5);
    timers();
    ck_assert_uint_eq(came_home(), 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    rulings = 0;
}
END_TEST

/* What is seen falls short of what is remembered. */
static void accuse(void)
{
    remembered = (struct floor){.level = LEVEL_VERIFIED};
    next_level = LEVEL_ENCRYPT;
    conclusive = true;
}

/* Whether the table knows what is remembered, or the keeper has to be asked. */
START_TEST(a_resumed_session_accuses_nobody_and_the_hosts_are_looked_at_in_full_TLS_24)
{
    accuse();
    sights[0].resumes = true;
    for (unsigned i = 0; i < 2; i++) {
        const unsigned before = hosts_asked;

        floors_in_table = i == 0;
        ask(i, i == 0 ? "s.lab" : "t.lab", 0);
        ck_assert_uint_eq(held_count, 1);
        ck_assert(!held[0]->in_full);
        hosts_answer();
        ck_assert_uint_eq(came_home(), 0);
        ck_assert_uint_eq(held_count, 1);
        ck_assert(held[0]->in_full);
        ck_assert_uint_eq(notes, i);
        hosts_answer(); /* whatever comes of it, it is the end */
        ck_assert_uint_eq(came_home(), 1);
        ck_assert_uint_eq(hosts_asked, before + 2);
    }
    ck_assert_uint_eq(counter_read(&domains_counts(domains)->again_in_full), 2);
    floors_in_table = true;
    next_level = LEVEL_VERIFIED; /* no accusation, no second look */
    ask(2, "u.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    next_level = LEVEL_ENCRYPT;
    sights[0].resumes = false;
    ask(3, "v.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
}
END_TEST

START_TEST(what_others_show_beside_a_session_is_taught_at_once_and_kept_TLS_24_MEM_05)
{
    const struct host_facts *other;

    accuse();
    next_host_count = 2;
    sights[0].resumes = sights[1].in_clear = true;
    ask(0, "s.lab", clock_boot_ms());
    const uint64_t not_before_ms = held[0]->not_before_ms;
    hosts_answer();
    ck_assert_uint_eq(came_home(), 0);
    ck_assert_uint_eq(notes, 1);
    ck_assert_uint_eq(taught[0].host_count, 2);
    ck_assert(observation_is_nothing(&taught[0].domain));
    ck_assert(observation_is_nothing(&taught[0].hosts[0].observation));
    ck_assert_int_eq(taught[0].hosts[1].observation.seen, OBSERVED_BELOW);
    ck_assert_uint_eq(held_count, 1);
    ck_assert_uint_eq(held[0]->token.operation, 0);
    ck_assert(held[0]->in_full);
    /* What one address of it showed in full may serve again. */
    ck_assert_uint_eq(held[0]->not_before_ms, not_before_ms);
    hosts_answer();
    other = requests[0].facts->hosts[1];
    ck_assert_int_eq(other->endpoints[0].evidence->outcome, OUTCOME_NO_STARTTLS);
    ck_assert(!requests[0].facts->hosts[0]->endpoints[0].evidence->resumed);
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(hosts_asked, 3);
    ck_assert_uint_eq(notes, 2);
    ck_assert_int_eq(taught[1].domain.seen, OBSERVED_PARTLY);
    ck_assert_int_eq(taught[1].hosts[0].observation.seen, OBSERVED_HANDSHAKES);
    ck_assert_int_eq(taught[1].hosts[1].observation.seen, OBSERVED_BELOW);
}
END_TEST

/* A session at another address, or at a host that says something else, is no reason to doubt. */
START_TEST(what_was_seen_in_full_is_a_finding_at_once)
{
    accuse();
    sights[0] = (struct sight){.in_clear = true, .resumes_elsewhere = true};
    ask(0, "s.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(hosts_asked, 1);
    ck_assert_int_eq(taught[0].domain.seen, OBSERVED_BELOW);
    ck_assert_int_eq(last_published.conclusion, CONCLUSION_DEFINITE);
    ck_assert_uint_eq(counter_read(&domains_counts(domains)->again_in_full), 0);
}
END_TEST

START_TEST(where_memory_is_contradicted_already_hosts_are_looked_at_in_full_from_the_start)
{
    accuse();
    remembered.flags = FLOOR_CONTRADICTED;
    sights[0].resumes = true;
    ask(0, "s.lab", 0);
    ck_assert(held[0]->in_full);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(hosts_asked, 1);
    ck_assert_uint_eq(counter_read(&domains_counts(domains)->again_in_full), 0);
    ask(1, "s.lab:587", 0); /* of which nothing is remembered */
    ck_assert(!held[0]->in_full);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
}
END_TEST

/* However that may come about. */
START_TEST(a_session_that_is_all_there_is_makes_no_finding_law_2)
{
    const bool better_known = _i != 0;

    accuse();
    sights[0].resumes = always_resumes = true;
    if (better_known)
        known = (struct verdict){.class = CLASS_DANE, .valid_until_ms = clock_boot_ms() + 60000};
    ask(0, "s.lab", 0);
    hosts_answer();
    hosts_answer();
    ck_assert(requests[0].limited);
    ck_assert_int_eq(requests[0].facts->verdict.conclusion, CONCLUSION_INCONCLUSIVE);
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(hosts_asked, 2);
    ck_assert_uint_eq(notes, 1);
    ck_assert_int_eq(taught[0].domain.seen, OBSERVED_NOTHING);
    ck_assert_uint_eq(published, better_known ? 0 : 1);
    ck_assert_uint_eq(counter_read(&domains_counts(domains)->limited), 1);
}
END_TEST

/* A delivery to the domain's only host; the endpoint's owner found `effect`. */
static void delivered(struct delivery_report *report, enum delivery_effect effect, bool seen)
{
    struct message *message;

    *report = (struct delivery_report){
        .effect = effect,
        .host_seen = seen,
        .next_hop = requests[0].next_hop,
        .delivery = {.host = requests[0].next_hop.name, /* its host bears it */
                     .port = 25,
                     .tls_version = 0x0304,
                     .trust = DELIVERY_ENCRYPTED,
                     .at_s = clock_wall_s()}};
    domains_delivery(domains, report);
    run();
    message = mailbox_receive(front);
    ck_assert_ptr_eq(message, &report->message);
    ck_assert_int_eq(message->kind, MESSAGE_DELIVERY_DONE);
}

START_TEST(a_delivery_teaches_its_host_and_what_it_disproves_serves_nobody)
{
    struct delivery_report report;
    unsigned before;

    ask(0, "s.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    before = notes;
    delivered(&report, DELIVERY_SAYS_NOTHING, false);
    ck_assert(!report.teaches_host && report.wants_look);
    ck_assert_uint_eq(notes, before);
    delivered(&report, DELIVERY_RENEWS, true);
    ck_assert(report.teaches_host && !report.wants_look);
    ck_assert(!report.teaches_domain); /* nothing was seen of it by a look */
    ck_assert_uint_eq(notes, before + 1);
    ask(1, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 1); /* what is known still serves */
    known = last_published;
    sleep_ms(2);
    delivered(&report, DELIVERY_DISPROVES, false);
    ck_assert(report.wants_look);
    ck_assert_uint_le(last_published.valid_until_ms, last_published.began_ms); /* nor ever did */
    known.valid_until_ms = 0;
    ask(2, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(mx_asked, 2);
}
END_TEST

/* Answers a request for a host that is held: it was seen at that moment. */
static void host_was_seen(struct host_request *request, uint64_t began_ms)
{
    hosts_began_ms = began_ms;
    answer_host(request);
    hosts_began_ms = 0;
    run();
}

/* Two rounds under way, of an old question and a live one; no host request is held any more. */
static void two_rounds(struct host_request **first, struct host_request **live)
{
    ask(0, "s.lab", clock_boot_ms() - 60000);
    sleep_ms(2);
    ask(1, "s.lab", clock_boot_ms());
    ck_assert_uint_eq(held_count, 2);
    *first = held[0];
    *live = held[1];
    held_count = 0;
}

/* The keeper may be slow to say what is remembered. */
START_TEST(a_verdict_is_good_when_it_is_given_and_not_when_it_was_judged_DNS_11)
{
    struct message *message;

    floors_in_table = false;
    next_valid_ms = 1;
    ask(0, "s.lab", 0);
    answer_host(held[--held_count]);
    domains_host(domains, container_of(mailbox_receive(shard), struct host_request, message));
    message = mailbox_receive(keeper);
    ck_assert_ptr_nonnull(message);
    sleep_ms(10);
    keep(message);
    run();
    next_valid_ms = 60000;
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_gt(last_published.valid_until_ms, clock_boot_ms());
}
END_TEST

START_TEST(what_was_seen_under_other_settings_is_not_of_these_FRESH_01)
{
    struct domain_settings changed = {.dns_ms = 1000, .config_epoch = 8, .own.name_count = 1};

    next_host_count = 2;
    ask(0, "s.lab", 0);
    answer_host(held[--held_count]);
    run();
    domains_reload(domains, &changed); /* between its hosts */
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(last_published.config_epoch, 7);
    ask(1, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(last_published.config_epoch, 8);
}
END_TEST

START_TEST(a_round_of_other_settings_replaces_none_of_these)
{
    struct domain_settings changed = {.dns_ms = 1000, .config_epoch = 8, .own.name_count = 1};
    struct host_request *live;

    ask(0, "s.lab", 0);
    domains_reload(domains, &changed);
    sleep_ms(2);
    ask(1, "s.lab", clock_boot_ms());
    live = held[--held_count];
    host_was_seen(live, clock_boot_ms());
    ck_assert_uint_eq(came_home(), 2); /* it serves both */
    sleep_ms(2);
    hosts_answer();
    ck_assert_uint_eq(published, 1);
    ck_assert_uint_eq(last_published.config_epoch, 8);
}
END_TEST

/* By what each asked for, and not by what the round was asked for by others. */
START_TEST(each_hears_by_his_own_question_whether_it_is_limited_FRESH_03)
{
    struct host_request *first, *live;

    two_rounds(&first, &live);
    ask(2, "s.lab", clock_boot_ms() - 60000);
    ask(3, "s.lab", clock_boot_ms() - 10); /* less fresh than the live one: shares it */
    ck_assert_uint_eq(hosts_asked, 2);
    host_was_seen(live, live->not_before_ms - 1000); /* the politeness budget is spent */
    ck_assert_uint_eq(came_home(), 4);               /* the old question of the other round, too */
    ck_assert(requests[1].limited && requests[3].limited);
    ck_assert(!requests[0].limited && !requests[2].limited);
    ck_assert_uint_eq(counter_read(&domains_counts(domains)->limited), 1);
    host_was_seen(first, clock_boot_ms());
    ask(4, "s.lab", requests[1].not_before_ms - 2000);
    ask(5, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 2); /* what is known serves, in full */
    ck_assert(!requests[4].limited && !requests[5].limited);
}
END_TEST

START_TEST(an_older_round_that_ends_later_replaces_no_newer_evidence_FRESH_03)
{
    struct host_request *first, *live;
    uint64_t newest_ms;

    two_rounds(&first, &live);
    host_was_seen(live, clock_boot_ms());
    newest_ms = last_published.began_ms;
    host_was_seen(first, newest_ms - 1);
    ck_assert_uint_eq(came_home(), 2);
    ck_assert_uint_eq(published, 1);
    ask(2, "s.lab", newest_ms);
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_ge(requests[2].facts->verdict.began_ms, newest_ms);
}
END_TEST

/* It knows what the DNS says now, and which evidence holds there. */
START_TEST(a_round_that_began_later_replaces_what_was_known_whatever_its_evidence)
{
    ask(0, "s.lab", 0);
    hosts_answer();
    sleep_ms(3);
    ask(1, "s.lab", clock_boot_ms());
    host_was_seen(held[--held_count], last_published.began_ms - 5000);
    ck_assert_uint_eq(came_home(), 2);
    ck_assert(requests[1].limited);
    ck_assert_uint_eq(published, 2);
}
END_TEST

START_TEST(what_a_delivery_disproves_is_published_by_no_round_that_was_under_way_FRESH_02)
{
    struct delivery_report report;
    struct host_request *second, *third;
    uint64_t seen_ms;

    ask(0, "s.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    seen_ms = last_published.began_ms;
    sleep_ms(3);
    ask(1, "s.lab", clock_boot_ms());
    second = held[--held_count];
    delivered(&report, DELIVERY_DISPROVES, false);
    sleep_ms(3);
    ask(2, "s.lab", clock_boot_ms());
    third = held[--held_count];
    host_was_seen(second, seen_ms);
    ck_assert_uint_eq(came_home(), 1); /* who waited for it */
    ck_assert_uint_eq(published, 1);
    host_was_seen(third, seen_ms); /* of an endpoint that was not disproved */
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(published, 2);
}
END_TEST

START_TEST(what_is_disproved_is_published_by_no_round_also_where_nothing_else_was_known)
{
    struct delivery_report report;
    uint64_t seen_ms;

    ask(0, "s.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    seen_ms = last_published.began_ms;
    delivered(&report, DELIVERY_DISPROVES, false);
    sleep_ms(3);
    ask(1, "s.lab", clock_boot_ms());
    delivered(&report, DELIVERY_DISPROVES, false); /* nothing is known by now */
    host_was_seen(held[--held_count], seen_ms);
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(published, 1);
}
END_TEST

START_TEST(a_round_under_way_that_looked_since_the_delivery_is_published)
{
    struct delivery_report report;

    ask(0, "s.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    sleep_ms(3);
    ask(1, "s.lab", clock_boot_ms());
    delivered(&report, DELIVERY_DISPROVES, false);
    sleep_ms(3);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(published, 2);
}
END_TEST

START_TEST(live_requests_during_two_rounds_share_the_third)
{
    for (unsigned i = 0; i < 20; i++) {
        if (i == 2) /* the probes of both begin now */
            hosts_began_ms = clock_boot_ms();
        sleep_ms(2);
        ask(i, "s.lab", clock_boot_ms());
    }
    ck_assert_uint_eq(hosts_asked, 2);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 2);
    ck_assert_uint_eq(hosts_asked, 3);
    hosts_began_ms = 0;
    hosts_answer();
    ck_assert_uint_eq(came_home(), 18);
    ck_assert_uint_eq(hosts_asked, 3);
}
END_TEST

START_TEST(a_probe_that_begins_late_serves_all_who_came_before_it_FRESH_03)
{
    for (unsigned i = 0; i < 20; i++) {
        ask(i, "s.lab", clock_boot_ms());
        sleep_ms(2);
    }
    ck_assert_uint_eq(hosts_asked, 2);
    hosts_answer(); /* looked at only now, one after the other */
    ck_assert_uint_eq(came_home(), 20);
    ck_assert_uint_eq(hosts_asked, 2);
}
END_TEST

static void look_anew(unsigned i)
{
    sleep_ms(2);
    ask(i, "s.lab", clock_boot_ms());
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
}

START_TEST(what_was_seen_is_taught_once_in_some_seconds_and_at_once_where_it_differs_MEM_01)
{
    conclusive = true;
    look_anew(0);
    ck_assert_uint_eq(notes, 1);
    look_anew(1);
    look_anew(2);
    ck_assert_uint_eq(notes, 1);
    sights[0].in_clear = true;
    look_anew(3);
    ck_assert_uint_eq(notes, 2);
    sights[0].in_clear = false;
    look_anew(4);
    ck_assert_uint_eq(notes, 3);
    remembered.level = LEVEL_VERIFIED; /* an administrator, or another domain's look */
    look_anew(5);
    ck_assert_uint_eq(notes, 4);
    remembered.seen_at_s++;
    look_anew(6);
    ck_assert_uint_eq(notes, 4);
}
END_TEST

START_TEST(what_serves_nobody_else_is_given_to_its_own_alone_law_3)
{
    ask(0, "s.lab", clock_boot_ms());
    sleep_ms(2);
    ask(1, "s.lab", clock_boot_ms());
    sleep_ms(2);
    ask(2, "s.lab", clock_boot_ms());
    next_cause = CAUSE_OURS;
    hosts_answer();
    ck_assert_uint_eq(came_home(), 2);
    next_cause = CAUSE_ENCRYPTED;
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_int_eq(requests[2].facts->verdict.cause, CAUSE_ENCRYPTED);
}
END_TEST

START_TEST(our_own_failure_replaces_nothing_that_was_known_law_3)
{
    ask(0, "s.lab", 0);
    hosts_answer();
    came_home();
    sleep_ms(3);
    next_cause = CAUSE_OURS;
    ask(1, "s.lab", clock_boot_ms());
    hosts_answer();
    ck_assert_int_eq(requests[1].facts->verdict.cause, CAUSE_OURS);
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(published, 1);
    ask(2, "s.lab", 0);
    ck_assert_int_eq(requests[2].facts->verdict.cause, CAUSE_ENCRYPTED);
    ck_assert_uint_eq(came_home(), 1);
}
END_TEST

START_TEST(what_is_partly_our_failure_replaces_nothing_better_law_3)
{
    known = (struct verdict){.class = CLASS_DANE, .valid_until_ms = clock_boot_ms() + 60000};
    hosts_are_ours = true;
    ask(0, "s.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(published, 0);
    known.class = CLASS_NONE; /* nothing better is known: what was found counts */
    ask(1, "s.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(published, 1);
}
END_TEST

/* Nobody says "none" or "weak" of what was not seen: a table that kept the better class would send
 * mail in clear under its name. */
START_TEST(a_drop_that_was_seen_is_published_whatever_else_we_failed_to_see)
{
    static const enum tls_class dropped[] = {CLASS_NONE, CLASS_WEAK};

    known = (struct verdict){.class = CLASS_DANE, .valid_until_ms = clock_boot_ms() + 60000};
    hosts_are_ours = true;
    next_class = dropped[_i];
    ask(0, "s.lab", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(published, 1);
}
END_TEST

START_TEST(facts_found_under_other_settings_do_not_serve)
{
    struct domain_settings changed = {.dns_ms = 1000, .config_epoch = 8, .own.name_count = 1};

    ask(0, "s.lab", 0);
    hosts_answer();
    domains_reload(domains, &changed);
    ask(1, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 1);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(mx_asked, 2);
}
END_TEST

/* Without a new look: the evidence of the hosts is what it was. */
START_TEST(an_order_about_a_host_reaches_the_domains_behind_it_at_once_S10)
{
    ask(0, "s.lab", 0);
    hosts_answer();
    ask(1, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 2);
    rulings = 1;
    ask(2, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 0);
    ck_assert_uint_eq(held[0]->not_before_ms, 0);
    rulings = 2; /* one more before it is judged: it holds both */
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(last_published.config_epoch, 9);
    ask(3, "s.lab", 0);
    ck_assert_uint_eq(came_home(), 1);
}
END_TEST

START_TEST(a_stopping_daemon_answers_at_once_and_asks_nothing)
{
    domains_stop(domains);
    ask(0, "s.lab", 0);
    ck_assert_int_eq(requests[0].facts->verdict.cause, CAUSE_OURS);
    ck_assert_int_eq(requests[0].facts->verdict.floor.flags, FLOOR_UNKNOWN);
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(mx_asked, 0);
}
END_TEST

START_TEST(a_bracketed_host_is_not_asked_for_mx_MX_16)
{
    ask(0, "[mx.s.lab]:587", 0);
    ck_assert_uint_eq(mx_asked, 0);
    ck_assert_uint_eq(held[0]->port, 587);
    ck_assert_str_eq(held[0]->host.text, "mx.s.lab");
    ck_assert(!held[0]->literal);
    hosts_answer();
    ck_assert_int_eq(requests[0].facts->route.state, ROUTE_HOST);
    ck_assert(requests[0].facts->route.secure);
    ck_assert_uint_eq(came_home(), 1);
}
END_TEST

START_TEST(an_address_literal_has_no_look_up_and_no_secure_name_NAME_07)
{
    ask(0, "[192.0.2.1]", 0);
    ck_assert_uint_eq(mx_asked, 0);
    ck_assert(held[0]->literal);
    ck_assert_uint_eq(held[0]->address.bytes[3], 1);
    hosts_answer();
    ck_assert(!requests[0].facts->route.secure);
    ck_assert_uint_eq(came_home(), 1);
}
END_TEST

START_TEST(a_route_without_hosts_is_answered_without_asking_any_MX_08)
{
    next_route = ROUTE_NULL_MX;
    next_host_count = 0;
    ask(0, "null.lab", 0);
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(hosts_asked, 0);
    ck_assert_uint_eq(published, 1);
}
END_TEST

START_TEST(without_room_the_answer_is_temporary_and_ours)
{
    char name[16];
    unsigned ours = 0;

    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "d%u.lab", i);
        ask(i, name, 0);
        ours += requests[i].facts != NULL && requests[i].facts->verdict.cause == CAUSE_OURS &&
                requests[i].facts->verdict.conclusion == CONCLUSION_TEMPORARY;
    }
    ck_assert_uint_eq(ours, 4);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 20);
}
END_TEST

/* --- what is remembered --- */

static void remembered_is_published(void)
{
    remembered = (struct floor){.level = LEVEL_AUTHENTICATED, .proof = PROOF_DANE};
    ask(0, "example.org", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(published, 1);
    ck_assert_uint_eq(last_published.floor.level, LEVEL_AUTHENTICATED);
    ck_assert_uint_eq(notes, 1);
}

START_TEST(what_is_remembered_stays_beside_every_new_verdict_MEM_01)
{
    remembered_is_published();
    ck_assert_uint_eq(floors_asked, 0);
}
END_TEST

START_TEST(what_the_table_does_not_hold_the_keeper_is_asked_before_anybody_is_answered_MEM_08)
{
    floors_in_table = false;
    remembered_is_published();
    ck_assert_uint_eq(floors_asked, 1);
}
END_TEST

START_TEST(only_domains_at_the_port_of_mail_are_remembered)
{
    remembered = (struct floor){.level = LEVEL_ENCRYPT};
    ask(0, "example.org:587", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(notes, 0);
    ck_assert_uint_eq(last_published.floor.level, LEVEL_NONE);
}
END_TEST

START_TEST(a_look_at_a_host_by_its_name_leaves_what_is_remembered_and_ruled_of_it)
{
    remembered = (struct floor){.level = LEVEL_ENCRYPT, .rule = RULE_REFUSE};
    remembered_kind = NEXT_HOP_HOST;
    ask(0, "[mx.s.lab]", 0);
    hosts_answer();
    ck_assert_uint_eq(came_home(), 1);
    ck_assert_uint_eq(last_published.floor.level, LEVEL_ENCRYPT);
    ck_assert_uint_eq(last_published.floor.rule, RULE_REFUSE);
    ck_assert_uint_eq(notes, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("domain jobs");
    TCase *cases = tcase_create("order of events");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, what_is_remembered_stays_beside_every_new_verdict_MEM_01);
    tcase_add_test(
        cases, what_the_table_does_not_hold_the_keeper_is_asked_before_anybody_is_answered_MEM_08);
    tcase_add_test(cases, only_domains_at_the_port_of_mail_are_remembered);
    tcase_add_test(cases, a_look_at_a_host_by_its_name_leaves_what_is_remembered_and_ruled_of_it);
    tcase_add_test(cases, a_delivery_teaches_its_host_and_what_it_disproves_serves_nobody);
    tcase_add_test(cases, a_verdict_is_published_and_then_given_to_whoever_asked);
    tcase_add_test(cases, forty_askers_cost_one_mx_question_and_one_host_request);
    tcase_add_test(cases, who_has_no_time_left_gets_the_last_verdict_and_hears_that_it_is_limited);
    tcase_add_test(cases,
                   a_resumed_session_accuses_nobody_and_the_hosts_are_looked_at_in_full_TLS_24);
    tcase_add_test(cases,
                   what_others_show_beside_a_session_is_taught_at_once_and_kept_TLS_24_MEM_05);
    tcase_add_test(cases, what_was_seen_in_full_is_a_finding_at_once);
    tcase_add_test(cases,
                   where_memory_is_contradicted_already_hosts_are_looked_at_in_full_from_the_start);
    tcase_add_loop_test(cases, a_session_that_is_all_there_is_makes_no_finding_law_2, 0, 2);
    tcase_add_loop_test(
        cases, who_takes_a_part_gets_the_route_at_the_deadline_if_there_is_no_verdict_yet, 0, 2);
    tcase_add_test(cases, without_a_verdict_to_give_who_waits_goes_on_waiting);
    tcase_add_test(cases, known_facts_serve_until_they_are_too_old_for_the_request_FRESH_03);
    tcase_add_test(cases, a_verdict_is_good_when_it_is_given_and_not_when_it_was_judged_DNS_11);
    tcase_add_test(cases, what_was_seen_under_other_settings_is_not_of_these_FRESH_01);
    tcase_add_test(cases, a_round_of_other_settings_replaces_none_of_these);
    tcase_add_test(cases, each_hears_by_his_own_question_whether_it_is_limited_FRESH_03);
    tcase_add_test(cases, an_older_round_that_ends_later_replaces_no_newer_evidence_FRESH_03);
    tcase_add_test(cases, a_round_that_began_later_replaces_what_was_known_whatever_its_evidence);
    tcase_add_test(cases,
                   what_a_delivery_disproves_is_published_by_no_round_that_was_under_way_FRESH_02);
    tcase_add_test(cases,
                   what_is_disproved_is_published_by_no_round_also_where_nothing_else_was_known);
    tcase_add_test(cases, a_round_under_way_that_looked_since_the_delivery_is_published);
    tcase_add_test(cases, live_requests_during_two_rounds_share_the_third);
    tcase_add_test(cases, a_probe_that_begins_late_serves_all_who_came_before_it_FRESH_03);
    tcase_add_test(
        cases, what_was_seen_is_taught_once_in_some_seconds_and_at_once_where_it_differs_MEM_01);
    tcase_add_test(cases, what_serves_nobody_else_is_given_to_its_own_alone_law_3);
    tcase_add_test(cases, our_own_failure_replaces_nothing_that_was_known_law_3);
    tcase_add_test(cases, what_is_partly_our_failure_replaces_nothing_better_law_3);
    tcase_add_loop_test(cases, a_drop_that_was_seen_is_published_whatever_else_we_failed_to_see, 0,
                        2);
    tcase_add_test(cases, facts_found_under_other_settings_do_not_serve);
    tcase_add_test(cases, an_order_about_a_host_reaches_the_domains_behind_it_at_once_S10);
    tcase_add_test(cases, a_stopping_daemon_answers_at_once_and_asks_nothing);
    tcase_add_test(cases, a_bracketed_host_is_not_asked_for_mx_MX_16);
    tcase_add_test(cases, an_address_literal_has_no_look_up_and_no_secure_name_NAME_07);
    tcase_add_test(cases, a_route_without_hosts_is_answered_without_asking_any_MX_08);
    tcase_add_test(cases, without_room_the_answer_is_temporary_and_ours);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
