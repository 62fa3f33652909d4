/*
 * stage.c - see stage.h. Two threads, never at once: the test's, which waits, and the shard's, in
 * which everything of the world is played (stage_turn, called from the ring).
 */
#include "tests/plays/world/stage.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/keeper.h"
#include "engine/shard.h"
#include "tests/plays/world/servers.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS      60000
#define AGAIN_MS         (2 * 3600 * 1000u) /* all that was seen is too old, and nobody is annoyed */
#define SETTLE_MS        20                 /* a loop that slept so long knows it was late */
#define SCENE_MS_MAX     (15 * 60 * 1000u)
#define SERIES_TURNS_MAX 10000000u /* a shard has a turn at least every 100 ms: eleven days */

enum { SHARD, RESOLVER, FRONT, KEEPER, THREADS }; /* as engine/probe/owner.h numbers them */
enum phase { FIRST, AGAIN, OVER };

struct asked {
    struct domain_request request;
    bool sent;
    uint64_t sent_ms;
};

static struct {
    const struct stage_run *run;
    struct stage_result *result;
    struct configuration configuration;
    struct exchange *exchange;
    struct mailbox *resolver, *front, *keeper;
    struct shard *shard;
    sem_t go, done, end;
    enum phase phase;
    bool begun, ended;
    uint64_t began_ms;
    struct asked asked[STAGE_ASKS];
    unsigned heard; /* of a series */
    char *own;
} stage;

/* --- asking, and what comes home --- */

static struct stage_answer *answers(void)
{
    return stage.phase == FIRST ? stage.result->answers : stage.result->again;
}

static unsigned ask_count(void)
{
    unsigned count = 0;

    while (count < STAGE_ASKS && stage.run->scene->asks[count].next_hop != NULL)
        count++;
    return count;
}

static void send_request(unsigned n)
{
    const struct stage_ask *ask = &stage.run->scene->asks[n];
    struct asked *asked = &stage.asked[n];
    uint64_t now_ms = clock_boot_ms();

    *asked =
        (struct asked){.request = {.message.kind = MESSAGE_DOMAIN_ASK,
                                   .client_id = n,
                                   .not_before_ms = ask->live ? now_ms : 0,
                                   .deadline_ms = now_ms + (ask->patience_ms != 0 ? ask->patience_ms
                                                                                  : PATIENCE_MS),
                                   .priority = ask->priority},
                       .sent = true,
                       .sent_ms = now_ms};
    CHECK(next_hop_parse(&asked->request.next_hop, ask->next_hop, strlen(ask->next_hop)) ==
          NAME_OK);
    mailbox_send(stage.front, SHARD, &asked->request.message);
}

static void take_home(struct domain_request *request)
{
    struct stage_answer *answer = &answers()[request->client_id];
    const struct domain_facts *facts = request->facts;
    const struct host_facts *host = facts != NULL ? facts->hosts[0] : NULL;

    if (request->message.kind != MESSAGE_DOMAIN_DONE || facts == NULL) {
        world_fail("a request came home without an answer");
        return;
    }
    answer->home++;
    answer->took_ms = clock_boot_ms() - stage.asked[request->client_id].sent_ms;
    answer->verdict = facts->verdict;
    answer->limited = request->limited;
    answer->route = facts->route;
    answer->finding = facts->findings[0];
    if (host != NULL && host->endpoint_count > 0)
        memcpy(answer->detail, host->endpoints[0].evidence->detail, sizeof answer->detail);
    domain_facts_drop(facts);
    if (stage.run->series != NULL) {
        stage.run->series->heard(stage.heard++, clock_boot_ms() - stage.began_ms, answer);
        stage.asked[0].sent = stage.heard == stage.run->series->count;
    }
}

static uint64_t ask_at_ms(unsigned n)
{
    const struct stage_series *series = stage.run->series;

    return stage.began_ms + stage.run->scene->asks[n].at_ms +
           (series != NULL ? stage.heard * series->apart_ms : 0);
}

static void play_front(void)
{
    struct message *message;

    for (unsigned n = 0; n < ask_count(); n++)
        if (!stage.asked[n].sent && clock_boot_ms() >= ask_at_ms(n))
            send_request(n);
    while ((message = mailbox_receive(stage.front)) != NULL)
        take_home(container_of(message, struct domain_request, message));
    (void)mailbox_flush(stage.front);
}

/* A keeper who remembers of the domain what the scene says, of others nothing, and learns nothing.
 */
static void play_keeper(void)
{
    struct message *message;

    while ((message = mailbox_receive(stage.keeper)) != NULL) {
        if (message->kind == MESSAGE_FLOORS_ASK) {
            struct floors_question *question =
                container_of(message, struct floors_question, message);

            memset(question->floors, 0, sizeof question->floors);
            question->floors[0].level = (uint8_t)stage.run->scene->floor;
            message->kind = MESSAGE_FLOORS_DONE;
        } else if (message->kind == MESSAGE_NOTE_ASK) {
            message->kind = MESSAGE_NOTE_DONE;
        } else {
            world_fail("the keeper gets a message that is none of its");
            return;
        }
        mailbox_send(stage.keeper, message->from, message);
    }
    (void)mailbox_flush(stage.keeper);
}

static bool all_is_home(void)
{
    if (stage.run->series != NULL && stage.heard < stage.run->series->count)
        return false;
    for (unsigned n = 0; n < ask_count(); n++)
        if (answers()[n].home == 0)
            return false;
    return names_held() == 0 && world_in_flight() == 0 && shard_is_idle(stage.shard);
}

/* --- the course of a scene --- */

static void begin_phase(enum phase phase)
{
    stage.phase = phase;
    stage.began_ms = clock_boot_ms();
    memset(stage.asked, 0, sizeof stage.asked);
}

static void first_is_over(void)
{
    struct stage_result *result = stage.result;

    result->allocations = world_allocations_end();
    result->allocation_failed = world_allocation_failed();
    result->operations = world_operations();
    result->questions = names_asked();
    result->connections = world_connections();
    while (table_put_at(result->puts) != NULL)
        result->puts++;
}

static void go_on(void)
{
    if (stage.phase == FIRST) {
        first_is_over();
        if (stage.run->drain_at_turn == 0 && stage.run->series == NULL && world_failed() == NULL) {
            world_calm();
            names_calm();
            stage.result->asked_again = true;
            world_pass(AGAIN_MS);
            begin_phase(AGAIN);
            stage.began_ms += SETTLE_MS;
            return;
        }
    }
    stage.phase = OVER;
    sem_post(&stage.done);
}

static void fail_allocations(const struct stage_run *run)
{
    world_allocations_begin_of(run->memory, run->fail_allocation);
    if (run->lasting)
        world_allocations_last();
}

/* In the shard's first turn; from here on it has all to itself. */
static void begin(void)
{
    const struct stage_run *run = stage.run;

    while (sem_wait(&stage.go) != 0)
        ;
    stage.begun = true;
    begin_phase(FIRST);
    if (!run->fails_at_start)
        fail_allocations(run);
}

static void stage_turn(void *context)
{
    (void)context;
    if (!stage.begun)
        begin();
    if (stage.phase == OVER) { /* the test's thread is about to end the shard's */
        usleep(20);
        return;
    }
    if (stage.phase == FIRST)
        stage.result->turns++;
    names_play();
    play_front();
    play_keeper();
    if (clock_boot_ms() > ask_at_ms(0) + SCENE_MS_MAX)
        world_fail("not all is home after %u ms", SCENE_MS_MAX);
    if (all_is_home() || world_failed() != NULL)
        go_on();
}

/* Trouble of a whole turn, before the world plays on in it. */
static void stage_begins_turn(void *context)
{
    (void)context;
    if (!stage.begun || stage.phase != FIRST)
        return;
    if (stage.result->turns + 1 == stage.run->drain_at_turn)
        shard_drain(stage.shard);
    if (stage.result->turns + 1 == stage.run->stop_at_turn)
        world_pass(STAGE_LATE_MS);
}

static uint64_t stage_next_ms(void *context)
{
    uint64_t next_ms = names_next_ms();

    (void)context;
    for (unsigned n = 0; stage.phase != OVER && n < ask_count(); n++)
        if (!stage.asked[n].sent && ask_at_ms(n) < next_ms)
            next_ms = ask_at_ms(n);
    return next_ms;
}

/* --- the shard and its surroundings --- */

static void wake_shard(void *context, uint16_t to)
{
    (void)context;
    if (to == SHARD)
        world_wake();
}

static uint64_t given_or(uint64_t value, uint64_t standard)
{
    return value != 0 ? value : standard;
}

static void configure(const struct stage_run *run)
{
    static char ehlo_name[] = "probe.example";
    const struct scene *scene = run->scene;
    uint64_t parallel = given_or(run->parallel, 16) - 1; /* a shard adds one */

    memset(&stage.configuration, 0, sizeof stage.configuration);
    stage.configuration.daemon.jobs = parallel;
    stage.configuration.dns.look_up_ms = STAGE_DNS_MS;
    stage.configuration.probe = (struct probe_settings){.ehlo_name = ehlo_name,
                                                        .connect_ms = 5000,
                                                        .greeting_ms = 10000,
                                                        .command_ms = 6000,
                                                        .handshake_ms = 7000,
                                                        .goodbye_ms = 1000,
                                                        .whole_ms = 40000,
                                                        .parallel = parallel,
                                                        .heavy_per_turn = 2,
                                                        .ipv4 = true,
                                                        .ipv6 = true,
                                                        .allow_reserved = true,
                                                        .weak_check = true,
                                                        .resumption = true,
                                                        .full_handshake_ms = 180000};
    stage.configuration.politeness =
        (struct politeness_settings){.per_address = 2,
                                     .per_prefix = given_or(scene->per_prefix, 20),
                                     .rate_address = given_or(scene->rate_address, 60),
                                     .rate_prefix = given_or(scene->rate_prefix, 600),
                                     .burst_address = given_or(scene->burst_address, 10),
                                     .burst_prefix = given_or(scene->burst_prefix, 60),
                                     .back_off_ms = 60000,
                                     .back_off_max_ms = 3600000};
    stage.own = (char *)(uintptr_t)scene->own;
    if (scene->own != NULL)
        stage.configuration.daemon.own = (struct option_list){.texts = &stage.own, .count = 1};
}

static void surround(const struct stage_run *run)
{
    static const struct world_party party = {
        .begin = stage_begins_turn, .play = stage_turn, .next_ms = stage_next_ms};
    struct world_options options = {.trouble = run->trouble,
                                    .trouble_at = run->trouble_at,
                                    .may_quit = true,
                                    .turns_max = run->series != NULL ? SERIES_TURNS_MAX : 0};

    memcpy(options.addresses, run->scene->addresses, sizeof options.addresses);
    world_begin(&options);
    world_invite(&party);
    CHECK(exchange_create(&stage.exchange, THREADS, run->mailbox != 0 ? run->mailbox : 64) == 0);
    stage.resolver = mailbox_open(stage.exchange, RESOLVER, wake_shard, NULL);
    stage.front = mailbox_open(stage.exchange, FRONT, wake_shard, NULL);
    stage.keeper = mailbox_open(stage.exchange, KEEPER, wake_shard, NULL);
    names_begin(&(struct names_options){.zone = run->scene->zone,
                                        .mailbox = stage.resolver,
                                        .deed = run->deed,
                                        .deed_at = run->deed_at,
                                        .forgets = run->series != NULL,
                                        .holds_floors = run->series != NULL,
                                        .floor = run->scene->floor});
}

static void play_on(void)
{
    sem_post(&stage.go);
    while (sem_wait(&stage.done) != 0)
        ;
    shard_stop(stage.shard);
}

void stage_play(const struct stage_run *run, struct stage_result *result)
{
    static const int descriptors[THREADS];
    struct certificate_store *certificates;

    memset(&stage, 0, sizeof stage);
    memset(result, 0, sizeof *result);
    stage.run = run;
    stage.result = result;
    CHECK(sem_init(&stage.go, 0, 0) == 0 && sem_init(&stage.done, 0, 0) == 0);
    configure(run);
    surround(run);
    CHECK(certificate_store_create(&certificates, 1 << 20) == 0);
    servers_trust(certificates);
    struct shard_start start = {.owners = {.shards = 1, .resolvers = 1},
                                .exchange = stage.exchange,
                                .ring_descriptors = descriptors,
                                .certificates = certificates,
                                .configuration = &stage.configuration,
                                .config_epoch = 7};

    world_pool_of_one(run->small_pool);
    if (run->fails_at_start)
        fail_allocations(run);
    result->error = shard_start(&stage.shard, &start, result->why, sizeof result->why);
    world_pool_of_one(NULL);
    if (run->fails_at_start) {
        result->allocations = world_allocations_end();
        result->allocation_failed = world_allocation_failed();
    }
    if (result->error == 0)
        play_on();
    certificate_store_destroy(certificates);
    exchange_destroy(stage.exchange);
    world_end();
}
