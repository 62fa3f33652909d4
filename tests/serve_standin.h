/*
 * serve_standin.h - an engine for the tests of the native socket: one thread that answers domain
 * requests by what the domain is called. Defining its functions here keeps the real engine.o out.
 *
 *   dane… verified… encrypted… none… weak… failing… unknown… null…   the verdict, by first letters
 *   slow-MS.…    answered after that many milliseconds
 *   hold.…       answered when the test clears `hold`
 *   big.…        unknown; explaining it takes more than the buffers of a socket hold
 *
 * The thread is a shard as the front sees it: a ring, a mailbox, requests that always travel home.
 * It is the resolver, too: of keys it says what the test has set, when the test lets it; and the
 * keeper, who takes lines for the report.
 * While a request is kept, its waiter.not_before_ms says when it is to be answered.
 */
#ifndef MXWARD_TESTS_SERVE_STANDIN_H
#define MXWARD_TESTS_SERVE_STANDIN_H

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/dns/look_ups.h"
#include "engine/engine.h"
#include "engine/loop/mailbox.h"
#include "engine/loop/ring.h"
#include "ipc/serve/serve.h"
#include "ipc/wire/frame.h"
#include "shm/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct engine {
    struct exchange *exchange;
    struct owners owners;
    int ring_descriptors[LIMIT_THREADS];
    struct ring *ring;
    struct mailbox *mailbox, *resolver_mailbox, *keeper_mailbox;
    pthread_t thread;
    atomic_bool started, stop, hold;
    atomic_bool hold_keys;
    atomic_int openpgp, smime; /* enum dns_kind */
    atomic_uint keys_asked, keys_kept;
    struct dns_question_list keys;
    atomic_uint asked, kept; /* ever; now */
    atomic_uint scans;       /* asked with PRIORITY_SCAN */
    struct domain_request *first_kept;
    struct shard_report report;
    struct prober_counts prober;
    struct endpoints_counts endpoints;
    struct hosts_counts hosts;
    struct domains_counts domains;
    struct resolver_counts resolver;
    struct table_writer *table, *users; /* NULL unless a test opens one before the front starts */
    char key_names[2][NAME_BYTES_MAX + 1]; /* asked last for OPENPGPKEY, SMIMEA */
};

struct engine_front engine_front(struct engine *engine)
{
    return (struct engine_front){engine->exchange, owner_front(&engine->owners), engine->owners,
                                 engine->ring_descriptors};
}
void engine_front_ring(struct engine *engine, int ring_descriptor)
{
    engine->ring_descriptors[owner_front(&engine->owners)] = ring_descriptor;
}
struct owners engine_owners(const struct engine *engine)
{
    return engine->owners;
}
const struct shard_report *engine_shard_report(const struct engine *engine, uint16_t shard)
{
    (void)shard;
    return &engine->report;
}
const struct resolver_counts *engine_resolver_counts(const struct engine *engine, uint16_t resolver)
{
    (void)resolver;
    return &engine->resolver;
}
const char *engine_self_test_text(const struct engine *engine, uint16_t resolver)
{
    (void)engine;
    (void)resolver;
    return "the root's keys validate, and a bogus name is refused";
}
struct certificate_store_counts engine_certificate_counts(const struct engine *engine)
{
    (void)engine;
    return (struct certificate_store_counts){.kept = 3, .bytes = 4000};
}
int64_t engine_started_wall_s(const struct engine *engine)
{
    (void)engine;
    return clock_wall_s() - 90;
}
const struct keeper_counts *engine_keeper_counts(const struct engine *engine)
{
    (void)engine;
    return NULL;
}

const struct table_writer *engine_users(const struct engine *engine)
{
    return engine->users;
}

const struct table_writer *engine_table(const struct engine *engine)
{
    return engine->table;
}
uint32_t engine_config_epoch(const struct engine *engine)
{
    (void)engine;
    return 7;
}

/* --- verdicts --- */

static const struct standin_row {
    const char *begin;
    enum tls_class class;
    enum level level;
    enum conclusion conclusion;
    enum cause cause;
    enum enforce enforce;
} standin_rows[] = {
    {"dane", CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE, ENFORCE_DANE_ONLY},
    {"verified", CLASS_VERIFIED, LEVEL_VERIFIED, CONCLUSION_DEFINITE, CAUSE_VERIFIED,
     ENFORCE_SECURE_MATCH},
    {"encrypted", CLASS_ENCRYPTED, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_ENCRYPTED,
     ENFORCE_ENCRYPT},
    {"weak", CLASS_WEAK, LEVEL_NONE, CONCLUSION_DEFINITE, CAUSE_WEAK_TLS, ENFORCE_NOTHING},
    {"none", CLASS_NONE, LEVEL_NONE, CONCLUSION_DEFINITE, CAUSE_NO_STARTTLS, ENFORCE_NOTHING},
    {"failing", CLASS_FAILING, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE_FAILS,
     ENFORCE_DANE_ONLY},
    {"null", CLASS_FAILING, LEVEL_NONE, CONCLUSION_UNDELIVERABLE, CAUSE_NULL_MX, ENFORCE_NOTHING},
    {"", CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_INCONCLUSIVE, CAUSE_UNREACHABLE, ENFORCE_NOTHING},
};

static const struct evidence *standin_evidence(bool talkative)
{
    struct evidence *evidence = calloc(1, sizeof *evidence);

    atomic_init(&evidence->references, 1);
    evidence->key.port = 25;
    address_parse(&evidence->key.address, "192.0.2.25", 10);
    evidence->began_ms = clock_boot_ms() - 40;
    evidence->ended_ms = clock_boot_ms();
    evidence->ended_wall_s = clock_wall_s();
    evidence->outcome = OUTCOME_TLS_OK;
    evidence->tls_version = 0x0304;
    evidence->pkix = -1;
    snprintf(evidence->cipher, sizeof evidence->cipher, "TLS_AES_256_GCM_SHA384");
    snprintf(evidence->greeting, sizeof evidence->greeting, "mx1 ESMTP");
    evidence->transcript_size = (uint16_t)snprintf(
        evidence->transcript, sizeof evidence->transcript,
        "S: 220 mx1 ESMTP\nC: EHLO mxward.example\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n");
    if (talkative) {
        memset(evidence->transcript, '"', sizeof evidence->transcript); /* two bytes each in JSON */
        evidence->transcript_size = sizeof evidence->transcript;
    }
    return evidence;
}

/* Enough to explain: one endpoint, or all there can be. */
static const struct host_facts *standin_host(const char *name, bool big)
{
    struct host_facts *host = calloc(1, sizeof *host);

    atomic_init(&host->references, 1);
    name_parse(&host->name, name, strlen(name));
    host->port = 25;
    host->state = HOST_RESOLVED;
    host->secure = true;
    host->tlsa_state = TLSA_ABSENT;
    host->endpoint_count = big ? LIMIT_ADDRESSES : 1;
    for (unsigned i = 0; i < host->endpoint_count; i++)
        host->endpoints[i].evidence = standin_evidence(big);
    return host;
}

static const struct domain_facts *standin_facts(const struct next_hop *next_hop)
{
    struct domain_facts *facts = calloc(1, sizeof *facts);
    const struct standin_row *row = standin_rows;
    bool big = strncmp(next_hop->name.text, "big", 3) == 0;

    while (strncmp(next_hop->name.text, row->begin, strlen(row->begin)) != 0)
        row++;
    atomic_init(&facts->references, 1);
    facts->next_hop = *next_hop;
    facts->route.state = ROUTE_MX;
    facts->route.secure = true;
    facts->route.domain = next_hop->name;
    facts->route.host_count = big ? LIMIT_MX_HOSTS : 1;
    for (unsigned i = 0; i < facts->route.host_count; i++) {
        facts->route.hosts[i].preference = 10;
        name_parse(&facts->route.hosts[i].name, "mx1.example.net", 15);
        facts->hosts[i] = standin_host("mx1.example.net", big);
        facts->findings[i].kind = FINDING_ENCRYPTED;
        facts->findings[i].endpoint = 0;
    }
    facts->verdict = (struct verdict){.class = row->class,
                                      .level = row->level,
                                      .conclusion = row->conclusion,
                                      .cause = row->cause,
                                      .enforce = row->enforce,
                                      .flags = VERDICT_MX_SECURE,
                                      .tls_version = 0x0304,
                                      .hosts = 1,
                                      .hosts_good = 1,
                                      .began_ms = clock_boot_ms() - 40,
                                      .valid_until_ms = clock_boot_ms() + 60000,
                                      .config_epoch = 7,
                                      .host = "mx1.example.net"};
    facts->ended_ms = clock_boot_ms();
    facts->ended_wall_s = clock_wall_s();
    return facts;
}

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
    if (request->priority == PRIORITY_SCAN)
        atomic_fetch_add(&engine->scans, 1);
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

static void standin_turn_keeper(struct engine *engine)
{
    struct message *message;

    while ((message = mailbox_receive(engine->keeper_mailbox))) {
        if (message->kind != MESSAGE_REPORT_ASK)
            abort();
        message->kind = MESSAGE_REPORT_DONE;
        mailbox_send(engine->keeper_mailbox, message->from, message);
    }
    mailbox_flush(engine->keeper_mailbox);
}

static void standin_wake(void *context, uint16_t to)
{
    struct engine *engine = context;

    ring_wake(engine->ring, engine->ring_descriptors[to]);
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
            standin_take(engine, (struct domain_request *)(void *)message);
        standin_turn(engine);
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
