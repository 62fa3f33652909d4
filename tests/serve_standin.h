/*
 * serve_standin.h - an engine for the tests of the native socket: one thread that answers domain
 * requests by what the domain is called (engine_standin.h).
 *
 *   slow-MS.…    answered after that many milliseconds
 *   hold.…       answered when the test clears `hold`
 *   big.…        unknown; explaining it takes more than the buffers of a socket hold
 *
 * The thread is a shard as the front sees it: a ring, a mailbox, requests that always travel home.
 * It is the resolver, too: of keys it says what the test has set, when the test lets it; and the
 * keeper, who takes lines for the report and knows of nothing that an order asks for.
 * While a request is kept, its waiter.not_before_ms says when it is to be answered.
 */
#ifndef MXWARD_TESTS_SERVE_STANDIN_H
#define MXWARD_TESTS_SERVE_STANDIN_H

#include "engine/keeper.h"
#include "ipc/serve/serve.h"
#include "ipc/wire/frame.h"
#include "tests/engine_standin.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the thread --- */

static bool standin_is_due(struct engine *engine, const struct domain_request *request)
{
    unsigned long wait_ms = 0;

    if (strncmp(request->next_hop.name.text, "hold", 4) == 0)
        return !atomic_load(&engine->hold);
    if (sscanf(request->next_hop.name.text, "slow-%lu", &wait_ms) == 1)
        return clock_boot_ms() >= request->waiter.not_before_ms;
    return true;
}

static void standin_answer(struct engine *engine, struct domain_request *request)
{
    request->facts = standin_facts(&request->next_hop);
    request->message.kind = MESSAGE_DOMAIN_DONE;
    mailbox_send(engine->mailbox, request->message.from, &request->message);
}

static void standin_take(struct engine *engine, struct domain_request *request)
{
    unsigned long wait_ms = 0;

    sscanf(request->next_hop.name.text, "slow-%lu", &wait_ms);
    request->waiter.not_before_ms = clock_boot_ms() + wait_ms;
    atomic_fetch_add(&engine->asked, 1);
    if (request->priority == PRIORITY_SCAN) {
        atomic_store(&engine->scan_not_before_ms, request->not_before_ms);
        atomic_fetch_add(&engine->scans, 1);
    }
    if (request->priority == PRIORITY_REFRESH)
        atomic_fetch_add(&engine->refreshes, 1);
    request->next = engine->first_kept;
    engine->first_kept = request;
    atomic_fetch_add(&engine->kept, 1);
}

static void standin_turn(struct engine *engine)
{
    struct domain_request **link = &engine->first_kept;

    while (*link) {
        struct domain_request *request = *link;

        if (!standin_is_due(engine, request)) {
            link = &request->next;
            continue;
        }
        *link = request->next;
        atomic_fetch_sub(&engine->kept, 1);
        standin_answer(engine, request);
    }
}

static const struct dns_tlsa standin_certificate = {
    .usage = 3, .size = 2, .data = (const uint8_t *)"c"};

static void standin_resolve(struct engine *engine, struct dns_question *question)
{
    const int kind = atomic_load(question->type == DNS_SMIMEA ? &engine->smime : &engine->openpgp);
    struct dns_answer *answer = calloc(1, sizeof *answer);

    atomic_init(&answer->references, 1);
    answer->kind = (enum dns_kind)kind;
    answer->type = question->type;
    answer->owner = question->name;
    if (dns_has_data(answer->kind)) {
        answer->count = 1;
        answer->tlsa = &standin_certificate;
    }
    question->answer = answer;
    mailbox_send(engine->resolver_mailbox, question->message.from, &question->message);
}

static void standin_turn_resolver(struct engine *engine)
{
    struct dns_question *question;
    struct message *message;

    while ((message = mailbox_receive(engine->resolver_mailbox))) {
        question = (struct dns_question *)(void *)message;
        TAILQ_INSERT_TAIL(&engine->keys, question, entry);
        snprintf(engine->key_names[question->type == DNS_SMIMEA], sizeof engine->key_names[0], "%s",
                 question->name.text);
        atomic_fetch_add(&engine->keys_kept, 1);
        atomic_fetch_add(&engine->keys_asked, 1);
    }
    while (!atomic_load(&engine->hold_keys) && (question = TAILQ_FIRST(&engine->keys))) {
        TAILQ_REMOVE(&engine->keys, question, entry);
        atomic_fetch_sub(&engine->keys_kept, 1);
        standin_resolve(engine, question);
    }
    mailbox_flush(engine->resolver_mailbox);
}

/* All shards at once: the evidence is renewed. */
static void standin_delivers(struct engine *engine, struct delivery_report *report)
{
    atomic_fetch_add(&engine->delivered, 1);
    report->effect = DELIVERY_RENEWS;
    report->wants_look = atomic_load(&engine->wants_looks);
    report->host_aged = atomic_load(&engine->aged);
    report->message.kind = MESSAGE_DELIVERY_DONE;
    mailbox_send(engine->mailbox, report->message.from, &report->message);
}

static void standin_turn_deliveries(struct engine *engine)
{
    for (unsigned i = atomic_load(&engine->held_count);
         i > 0 && !atomic_load(&engine->hold_deliveries); i--) {
        standin_delivers(engine, engine->held_deliveries[i - 1]);
        atomic_store(&engine->held_count, i - 1);
    }
}

static void standin_take_delivery(struct engine *engine, struct delivery_report *report)
{
    unsigned count = atomic_load(&engine->held_count);

    engine->held_deliveries[count] = report; /* the front has no more of them */
    atomic_store(&engine->held_count, count + 1);
}

static void standin_turn_keeper(struct engine *engine)
{
    struct message *message;

    while ((message = mailbox_receive(engine->keeper_mailbox))) {
        if (message->kind == MESSAGE_ORDER_ASK) {
            struct order_request *request = (struct order_request *)(void *)message;

            request->done = (struct order_done){.result = ORDER_ABSENT, .sentence = "not here"};
            message->kind = MESSAGE_ORDER_DONE;
        } else if (message->kind == MESSAGE_REPORT_ASK) {
            message->kind = MESSAGE_REPORT_DONE;
        } else {
            abort();
        }
        mailbox_send(engine->keeper_mailbox, message->from, message);
    }
    mailbox_flush(engine->keeper_mailbox);
}

static void standin_wake(void *context, uint16_t to)
{
    struct engine *engine = context;

    ring_wake(engine->ring, __atomic_load_n(&engine->ring_descriptors[to], __ATOMIC_ACQUIRE));
}

static void standin_completed(void *context, const struct ring_completion *completion)
{
    (void)context;
    (void)completion;
}

static void *standin_run(void *context)
{
    struct engine *engine = context;
    struct ring_limits limits = {.submissions = 64};
    struct message *message;

    if (ring_create(&engine->ring, &limits) != 0)
        abort();
    engine->mailbox = mailbox_open(engine->exchange, 0, standin_wake, engine);
    engine->resolver_mailbox = mailbox_open(engine->exchange, 1, standin_wake, engine);
    engine->keeper_mailbox =
        mailbox_open(engine->exchange, owner_keeper(&engine->owners), standin_wake, engine);
    engine->ring_descriptors[0] = engine->ring_descriptors[1] =
        engine->ring_descriptors[owner_keeper(&engine->owners)] = ring_descriptor(engine->ring);
    atomic_store(&engine->started, true);
    while (!atomic_load(&engine->stop)) {
        const bool keeps = engine->first_kept || !TAILQ_EMPTY(&engine->keys);
        uint64_t until_ms = clock_boot_ms() + (keeps ? 2 : 50);

        while ((message = mailbox_receive(engine->mailbox)))
            if (message->kind == MESSAGE_DELIVERY_HOST)
                standin_take_delivery(engine, (struct delivery_report *)(void *)message);
            else
                standin_take(engine, (struct domain_request *)(void *)message);
        standin_turn(engine);
        standin_turn_deliveries(engine);
        standin_turn_resolver(engine);
        standin_turn_keeper(engine);
        mailbox_flush(engine->mailbox);
        if (!mailbox_may_sleep(engine->mailbox) || !mailbox_may_sleep(engine->resolver_mailbox) ||
            !mailbox_may_sleep(engine->keeper_mailbox))
            until_ms = 0;
        ring_turn(engine->ring, until_ms, standin_completed, NULL);
        mailbox_awake(engine->mailbox);
        mailbox_awake(engine->resolver_mailbox);
        mailbox_awake(engine->keeper_mailbox);
    }
    ring_destroy(engine->ring);
    return NULL;
}

static struct engine *standin_start(uint32_t capacity)
{
    struct engine *engine = calloc(1, sizeof *engine);

    engine->owners = (struct owners){.shards = 1, .resolvers = 1};
    TAILQ_INIT(&engine->keys);
    engine->report = (struct shard_report){.prober = &engine->prober,
                                           .endpoints = &engine->endpoints,
                                           .hosts = &engine->hosts,
                                           .domains = &engine->domains};
    atomic_store(&engine->resolver.self_test, SELF_TEST_PASSED);
    if (exchange_create(&engine->exchange, owner_threads(&engine->owners), capacity) != 0 ||
        pthread_create(&engine->thread, NULL, standin_run, engine) != 0)
        abort();
    while (!atomic_load(&engine->started))
        usleep(1000);
    return engine;
}

static void standin_stop(struct engine *engine)
{
    atomic_store(&engine->stop, true);
    pthread_join(engine->thread, NULL);
    exchange_destroy(engine->exchange);
    free(engine);
}

/* --- the socket --- */

struct standin {
    char directory[64], socket[80];
    struct configuration configuration;
    struct engine *engine;
    struct serve *serve;
};

/* Settings may be changed between the two calls. */
static void standin_prepare(struct standin *s)
{
    memset(s, 0, sizeof *s);
    snprintf(s->directory, sizeof s->directory, "/tmp/mxward-test-XXXXXX");
    if (!mkdtemp(s->directory) || chmod(s->directory, 0755) != 0)
        abort();
    snprintf(s->socket, sizeof s->socket, "%s/mxward.sock", s->directory);
    s->configuration.daemon.run_directory = s->directory;
    s->configuration.listen = (struct listen_settings){.mode = 0660,
                                                       .connections = 64,
                                                       .connections_per_user = 64,
                                                       .requests_per_connection = 256,
                                                       .idle_ms = 60000};
}

static void standin_open(struct standin *s, uint32_t capacity)
{
    char why[512] = "";

    if (!s->engine)
        s->engine = standin_start(capacity);
    if (serve_start(&s->serve, s->engine, &s->configuration, why, sizeof why) != 0) {
        fprintf(stderr, "serve_start: %s\n", why);
        abort();
    }
}

static void standin_close(struct standin *s)
{
    atomic_store(&s->engine->hold, false);
    atomic_store(&s->engine->hold_keys, false);
    serve_stop(s->serve);
    standin_stop(s->engine);
    serve_free(s->serve);
    s->engine = NULL;
    rmdir(s->directory);
}

#endif
