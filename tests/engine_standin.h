/*
 * engine_standin.h - what the native socket sees of an engine, for its tests: the engine's
 * functions over a struct of the test's, and verdicts by what a domain is called. Defining the
 * functions here keeps the real engine.o out.
 *
 *   dane… verified… encrypted… none… weak… failing… unknown… null…   the verdict, by first letters
 *   big.…        unknown; explaining it takes more than the buffers of a socket hold
 */
#ifndef MXWARD_TESTS_ENGINE_STANDIN_H
#define MXWARD_TESTS_ENGINE_STANDIN_H

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/dns/look_ups.h"
#include "engine/engine.h"
#include "engine/loop/mailbox.h"
#include "engine/loop/ring.h"
#include "shm/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct engine {
    struct exchange *exchange;
    struct owners owners;
    int ring_descriptors[LIMIT_THREADS];
    struct ring *ring;
    struct mailbox *mailbox, *resolver_mailbox, *keeper_mailbox;
    pthread_t thread;
    atomic_bool started, stop, hold;
    atomic_bool hold_keys, hold_deliveries;
    atomic_int openpgp, smime; /* enum dns_kind */
    atomic_uint keys_asked, keys_kept;
    struct dns_question_list keys;
    atomic_uint asked, kept;          /* ever; now */
    atomic_uint scans;                /* asked with PRIORITY_SCAN */
    atomic_uint refreshes;            /* asked with PRIORITY_REFRESH */
    atomic_uint delivered;            /* reports of deliveries */
    atomic_bool wants_looks;          /* each of these: it is to be looked at */
    atomic_bool aged;                 /* … though something is held that is good */
    atomic_ullong scan_not_before_ms; /* of the last scan */
    struct delivery_report *held_deliveries[LIMIT_FRONT_DELIVERIES];
    atomic_uint held_count;
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
    __atomic_store_n(&engine->ring_descriptors[owner_front(&engine->owners)], ring_descriptor,
                     __ATOMIC_RELEASE); /* partner: standin_wake */
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
    {"ours", CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_INCONCLUSIVE, CAUSE_OURS, ENFORCE_NOTHING},
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

#endif
