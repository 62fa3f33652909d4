/*
 * status.c - the daemon's state as JSON: sums over the threads, and each thread's vital signs.
 *
 * Called by front.c; owns nothing. Counters are read relaxed while their owners go on counting, so
 * sums may be a moment apart. What counters there are stands in rows beside their names. Failure:
 * none; what does not fit is left out and the document says "truncated".
 */
#include "ipc/serve/status.h"

#include "engine/alarm.h"
#include "engine/base/clock.h"
#include "engine/keeper.h"
#include "ipc/wire/json.h"
#include "ipc/wire/version.h"
#include "shm/writer.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct row {
    const char *name;
    size_t offset; /* of a counter in its struct */
};
#define ROW(s, m)                 \
    {                             \
#m, offsetof(struct s, m) \
    }
#define COUNT_OF(rows) (sizeof rows / sizeof rows[0])

static const struct row domain_rows[] = {
    ROW(domains_counts, asked),         ROW(domains_counts, served),
    ROW(domains_counts, joined),        ROW(domains_counts, rounds),
    ROW(domains_counts, no_room),       ROW(domains_counts, limited),
    ROW(domains_counts, given_up),      ROW(domains_counts, again_in_full),
    ROW(domains_counts, floors_asked),  ROW(domains_counts, notes),
    ROW(domains_counts, notes_dropped), ROW(domains_counts, notes_spared),
};
static const struct row memory_rows[] = {
    ROW(keeper_counts, notes),         ROW(keeper_counts, questions), ROW(keeper_counts, orders),
    ROW(keeper_counts, reports),       ROW(keeper_counts, raised),    ROW(keeper_counts, waiting),
    ROW(keeper_counts, contradicted),  ROW(keeper_counts, met_again), ROW(keeper_counts, lowered),
    ROW(keeper_counts, expired),       ROW(keeper_counts, pending),   ROW(keeper_counts, refused),
    ROW(keeper_counts, dropped),       ROW(keeper_counts, broken),    ROW(keeper_counts, batches),
    ROW(keeper_counts, changes),       ROW(keeper_counts, failed),    ROW(keeper_counts, copies),
    ROW(keeper_counts, copy_failures), ROW(keeper_counts, unsaved),   ROW(keeper_counts, evicted),
};
static const struct row host_rows[] = {
    ROW(hosts_counts, rounds),
    ROW(hosts_counts, joined),
    ROW(hosts_counts, served_from_facts),
    ROW(hosts_counts, no_room),
    ROW(hosts_counts, dns_trouble),
};
static const struct row endpoint_rows[] = {
    ROW(endpoints_counts, asked),
    ROW(endpoints_counts, served),
    ROW(endpoints_counts, shared),
    ROW(endpoints_counts, probes),
    ROW(endpoints_counts, limited),
    ROW(endpoints_counts, late),
    ROW(endpoints_counts, no_room),
    ROW(endpoints_counts, opted_out),
    ROW(endpoints_counts, waiting_for_politeness),
    ROW(endpoints_counts, waiting_for_room),
    ROW(endpoints_counts, renewed),
    ROW(endpoints_counts, disproved),
};
static const struct row prober_rows[] = {
    ROW(prober_counts, started),
    ROW(prober_counts, in_flight),
    ROW(prober_counts, handshakes),
    ROW(prober_counts, resumed),
    ROW(prober_counts, resumption_failed),
    ROW(prober_counts, bytes_in),
    ROW(prober_counts, bytes_out),
    ROW(prober_counts, stale_completions),
    ROW(prober_counts, timeouts_ours),
    ROW(prober_counts, weak_checks),
    ROW(prober_counts, weak_checks_left_out),
};
static const struct row resolver_rows[] = {
    ROW(resolver_counts, asked),           ROW(resolver_counts, answered),
    ROW(resolver_counts, look_ups),        ROW(resolver_counts, shared),
    ROW(resolver_counts, cached_failures), ROW(resolver_counts, refused),
    ROW(resolver_counts, timed_out),       ROW(resolver_counts, bogus),
    ROW(resolver_counts, failed),          ROW(resolver_counts, late),
};
static const struct row native_rows[] = {
    ROW(native_counts, connections),    ROW(native_counts, accepted),
    ROW(native_counts, refused_full),   ROW(native_counts, refused_user),
    ROW(native_counts, refused_rights), ROW(native_counts, malformed),
    ROW(native_counts, lost),           ROW(native_counts, cut_off),
    ROW(native_counts, idle),           ROW(native_counts, frames_in),
    ROW(native_counts, bytes_in),       ROW(native_counts, bytes_out),
};
static const struct row front_rows[] = {
    ROW(front_counts, questions),      ROW(front_counts, explains),
    ROW(front_counts, statuses),       ROW(front_counts, reloads),
    ROW(front_counts, configs),        ROW(front_counts, from_table),
    ROW(front_counts, answered),       ROW(front_counts, refused_name),
    ROW(front_counts, refused_rights), ROW(front_counts, shed),
    ROW(front_counts, late),           ROW(front_counts, vanished),
    ROW(front_counts, late_turns),     ROW(front_counts, outstanding),
    ROW(front_counts, documents),      ROW(front_counts, decisions),
    ROW(front_counts, sent),           ROW(front_counts, deferred),
    ROW(front_counts, stopped),        ROW(front_counts, orders),
    ROW(front_counts, deliveries),     ROW(front_counts, kept),
};

/* Which struct of a shard's report. */
typedef const void *report_part(const struct shard_report *report);
static const void *domains_part(const struct shard_report *report)
{
    return report->domains;
}
static const void *hosts_part(const struct shard_report *report)
{
    return report->hosts;
}
static const void *endpoints_part(const struct shard_report *report)
{
    return report->endpoints;
}
static const void *prober_part(const struct shard_report *report)
{
    return report->prober;
}

static uint64_t counter_at(const void *counts, size_t offset)
{
    return counter_read((const counter *)(const void *)((const char *)counts + offset));
}

static void write_rows(struct json *json, const char *key, const struct row *rows, size_t count,
                       const void *counts)
{
    json_put_object(json, key);
    for (size_t i = 0; i < count; i++)
        json_put_unsigned(json, rows[i].name, counter_at(counts, rows[i].offset));
    json_end(json);
}

/* --- sums over the shards --- */

static uint64_t sum(const struct engine *engine, report_part *part, size_t offset)
{
    uint16_t shards = engine_owners(engine).shards;
    uint64_t total = 0;

    for (uint16_t i = 0; i < shards; i++) {
        const void *counts = part(engine_shard_report(engine, i));

        if (counts)
            total += counter_at(counts, offset);
    }
    return total;
}

static void write_sums(struct json *json, const char *key, const struct row *rows, size_t count,
                       const struct engine *engine, report_part *part)
{
    json_put_object(json, key);
    for (size_t i = 0; i < count; i++)
        json_put_unsigned(json, rows[i].name, sum(engine, part, rows[i].offset));
    json_end(json);
}

static void write_classes(struct json *json, const struct engine *engine)
{
    json_put_object(json, "classes");
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        json_put_unsigned(json, class_name((enum tls_class)i),
                          sum(engine, domains_part,
                              offsetof(struct domains_counts, classes) + i * sizeof(counter)));
    json_end(json);
    json_put_object(json, "conclusions");
    for (unsigned i = 0; i < CONCLUSION_COUNT; i++)
        json_put_unsigned(json, frame_conclusion_name(i),
                          sum(engine, domains_part,
                              offsetof(struct domains_counts, conclusions) + i * sizeof(counter)));
    json_end(json);
    json_put_object(json, "outcomes");
    for (unsigned i = 0; i < OUTCOME_COUNT; i++)
        json_put_unsigned(
            json, outcome_name((enum outcome)i),
            sum(engine, prober_part, offsetof(struct prober_counts, ended) + i * sizeof(counter)));
    json_end(json);
}

/* --- times --- */

static void write_histogram(struct json *json, const char *name,
                            const struct histogram *const *parts, size_t count)
{
    struct histogram all;
    uint64_t number;

    memset(&all, 0, sizeof all);
    for (size_t i = 0; i < count; i++)
        if (parts[i])
            histogram_merge(&all, parts[i]);
    number = histogram_count(&all);
    json_put_object(json, NULL);
    json_put_text(json, "name", name);
    json_put_unsigned(json, "count", number);
    json_put_unsigned(json, "mean_us", number ? counter_read(&all.total_us) / number : 0);
    json_put_unsigned(json, "p50_us", histogram_quantile_us(&all, 0.5));
    json_put_unsigned(json, "p90_us", histogram_quantile_us(&all, 0.9));
    json_put_unsigned(json, "p99_us", histogram_quantile_us(&all, 0.99));
    json_put_unsigned(json, "p999_us", histogram_quantile_us(&all, 0.999));
    json_end(json);
}

/* The histogram at `offset` of a part of every shard's report. */
static void write_shards_histogram(struct json *json, const char *name, const struct engine *engine,
                                   report_part *part, size_t offset)
{
    const struct histogram *parts[LIMIT_SHARDS];
    uint16_t shards = engine_owners(engine).shards;

    for (uint16_t i = 0; i < shards; i++) {
        const char *counts = part(engine_shard_report(engine, i));

        parts[i] = counts ? (const struct histogram *)(const void *)(counts + offset) : NULL;
    }
    write_histogram(json, name, parts, shards);
}

static void write_histograms(struct json *json, const struct engine *engine,
                             const struct front_counts *front)
{
    const struct histogram *answer = &front->answer_us, *parts[LIMIT_RESOLVERS];
    uint16_t resolvers = engine_owners(engine).resolvers;

    json_put_array(json, "times");
    write_histogram(json, "answer to a client", &answer, 1);
    if (engine_keeper_counts(engine)) {
        const struct histogram *commit = &engine_keeper_counts(engine)->commit_us;

        write_histogram(json, "commit of the memory", &commit, 1);
    }
    write_shards_histogram(json, "domain round", engine, domains_part,
                           offsetof(struct domains_counts, round_us));
    for (uint16_t i = 0; i < resolvers; i++)
        parts[i] = &engine_resolver_counts(engine, i)->answer_us;
    write_histogram(json, "DNS question", parts, resolvers);
    write_shards_histogram(json, "probe", engine, prober_part,
                           offsetof(struct prober_counts, whole_us));
    for (unsigned i = 0; i < ENDPOINT_STEP_COUNT; i++) {
        char name[40];

        snprintf(name, sizeof name, "probe: %s", endpoint_step_name(i));
        write_shards_histogram(json, name, engine, prober_part,
                               offsetof(struct prober_counts, step_us) +
                                   i * sizeof(struct histogram));
    }
    json_end(json);
}

/* --- threads --- */

static void write_shards(struct json *json, const struct engine *engine, uint64_t now_ms)
{
    uint16_t shards = engine_owners(engine).shards;

    json_put_array(json, "shards");
    for (uint16_t i = 0; i < shards; i++) {
        const struct shard_report *report = engine_shard_report(engine, i);
        uint64_t beat_ms = counter_read(&report->heartbeat_ms);

        json_put_object(json, NULL);
        json_put_unsigned(json, "silent_ms", beat_ms < now_ms ? now_ms - beat_ms : 0);
        json_put_unsigned(json, "turns", counter_read(&report->turns));
        json_put_unsigned(json, "messages", counter_read(&report->messages));
        json_put_unsigned(json, "late_turns", counter_read(&report->late_turns));
        json_put_unsigned(json, "longest_turn_us", counter_read(&report->longest_turn_us));
        json_put_unsigned(json, "probes_in_flight",
                          report->prober ? counter_read(&report->prober->in_flight) : 0);
        json_end(json);
    }
    json_end(json);
}

static void write_resolvers(struct json *json, const struct engine *engine)
{
    uint16_t resolvers = engine_owners(engine).resolvers;

    json_put_object(json, "dns");
    for (size_t row = 0; row < COUNT_OF(resolver_rows); row++) {
        uint64_t total = 0;

        for (uint16_t i = 0; i < resolvers; i++)
            total += counter_at(engine_resolver_counts(engine, i), resolver_rows[row].offset);
        json_put_unsigned(json, resolver_rows[row].name, total);
    }
    json_end(json);
    json_put_array(json, "resolvers");
    for (uint16_t i = 0; i < resolvers; i++) {
        const struct resolver_counts *counts = engine_resolver_counts(engine, i);

        json_put_object(json, NULL);
        json_put_unsigned(json, "held", atomic_load_explicit(&counts->held, memory_order_relaxed));
        json_put_unsigned(json, "inside",
                          atomic_load_explicit(&counts->inside, memory_order_relaxed));
        json_put_unsigned(json, "answered", counter_read(&counts->answered));
        json_end(json);
    }
    json_end(json);
}

/* What was tried at the start; null: not known yet. */
static void write_self_tests(struct json *json, const struct engine *engine)
{
    uint16_t resolvers = engine_owners(engine).resolvers;

    json_put_array(json, "self_tests");
    for (uint16_t i = 0; i < resolvers; i++) {
        const struct resolver_counts *counts = engine_resolver_counts(engine, i);
        uint32_t state = atomic_load_explicit(&counts->self_test, memory_order_relaxed);

        json_put_object(json, NULL);
        json_put_text(json, "name", "DNSSEC validation");
        json_put_unsigned(json, "resolver", i);
        if (state == SELF_TEST_PENDING)
            json_put_null(json, "good");
        else
            json_put_boolean(json, "good", state == SELF_TEST_PASSED);
        json_put_text(json, "text", engine_self_test_text(engine, i));
        json_end(json);
    }
    json_end(json);
}

/* How often each kind was raised, and the newest ones. */
static void write_alarms(struct json *json)
{
    struct alarm recent[LIMIT_ALARMS];
    const size_t count = alarm_recent(recent, LIMIT_ALARMS);

    json_put_object(json, "alarm_counts");
    for (unsigned kind = 0; kind < ALARM_KINDS; kind++)
        json_put_unsigned(json, alarm_name((enum alarm_kind)kind),
                          alarm_count((enum alarm_kind)kind));
    json_end(json);
    json_put_array(json, "alarms");
    for (size_t i = 0; i < count; i++) {
        json_put_object(json, NULL);
        json_put_text(json, "kind", alarm_name(recent[i].kind));
        json_put_number(json, "at_s", recent[i].at_s);
        json_put_text(json, "domain", recent[i].domain[0] ? recent[i].domain : NULL);
        json_put_text(json, "sentence", recent[i].sentence);
        json_end(json);
    }
    json_end(json);
}

static void write_certificates(struct json *json, const struct engine *engine)
{
    struct certificate_store_counts counts = engine_certificate_counts(engine);

    json_put_object(json, "certificates");
    json_put_unsigned(json, "kept", counts.kept);
    json_put_unsigned(json, "bytes", counts.bytes);
    json_put_unsigned(json, "held_bytes", counts.held_bytes);
    json_put_unsigned(json, "interned", counts.interned);
    json_put_unsigned(json, "parsed", counts.parsed);
    json_put_unsigned(json, "evicted", counts.evicted);
    json_put_unsigned(json, "refused", counts.refused);
    json_put_unsigned(json, "pkix_asked", counts.pkix_asked);
    json_put_unsigned(json, "pkix_verified", counts.pkix_verified);
    json_end(json);
}

static void write_table(struct json *json, const struct engine *engine, uint64_t now_ms)
{
    struct table_facts facts;

    if (!engine_table(engine)) {
        json_put_null(json, "table");
        return;
    }
    table_writer_facts(engine_table(engine), &facts);
    json_put_object(json, "table");
    json_put_text(json, "path", table_writer_path(engine_table(engine)));
    json_put_unsigned(json, "generation", facts.generation);
    json_put_unsigned(json, "file_bytes", facts.file_bytes);
    json_put_unsigned(json, "allocated_bytes", facts.allocated_bytes);
    json_put_text(json, "pages", table_pages_name(&facts));
    json_put_unsigned(json, "chunks", facts.chunks);
    json_put_unsigned(json, "huge_chunks", facts.huge);
    json_put_unsigned(json, "records", facts.records);
    json_put_unsigned(json, "capacity", facts.capacity);
    json_put_unsigned(json, "evicted", facts.evicted);
    json_put_unsigned(json, "refused", facts.refused);
    json_put_unsigned(json, "writers", facts.writers);
    json_put_unsigned(json, "complete_partitions", facts.complete);
    json_put_unsigned(json, "silent_ms",
                      facts.heartbeat_ms < now_ms ? now_ms - facts.heartbeat_ms : 0);
    json_put_boolean(json, "clocks_agree", facts.clocks_agree);
    json_end(json);
}

static void write_head(struct json *json, const struct engine *engine)
{
    struct owners owners = engine_owners(engine);

    json_put_text(json, "version", MXWARD_VERSION);
    json_put_number(json, "process", getpid());
    json_put_number(json, "started", engine_started_wall_s(engine));
    json_put_number(json, "up_s", clock_wall_s() - engine_started_wall_s(engine));
    json_put_unsigned(json, "config_epoch", engine_config_epoch(engine));
    json_put_object(json, "threads");
    json_put_unsigned(json, "shards", owners.shards);
    json_put_unsigned(json, "resolvers", owners.resolvers);
    json_put_unsigned(json, "front", 1);
    json_end(json);
}

size_t status_write(char *out, size_t size, const struct engine *engine,
                    const struct native_counts *native, const struct front_counts *front,
                    uint64_t now_ms)
{
    struct json json;

    json_start(&json, out, size);
    write_head(&json, engine);
    write_self_tests(&json, engine);
    write_alarms(&json);
    write_classes(&json, engine);
    write_sums(&json, "domains", domain_rows, COUNT_OF(domain_rows), engine, domains_part);
    write_sums(&json, "hosts", host_rows, COUNT_OF(host_rows), engine, hosts_part);
    write_sums(&json, "endpoints", endpoint_rows, COUNT_OF(endpoint_rows), engine, endpoints_part);
    write_sums(&json, "probes", prober_rows, COUNT_OF(prober_rows), engine, prober_part);
    write_certificates(&json, engine);
    if (engine_keeper_counts(engine))
        write_rows(&json, "memory", memory_rows, COUNT_OF(memory_rows),
                   engine_keeper_counts(engine));
    write_table(&json, engine, now_ms);
    write_rows(&json, "front", front_rows, COUNT_OF(front_rows), front);
    write_rows(&json, "socket", native_rows, COUNT_OF(native_rows), native);
    write_shards(&json, engine, now_ms);
    write_resolvers(&json, engine);
    write_histograms(&json, engine, front);
    return json_finish(&json);
}
