/*
 * engine.h - the daemon as one object: configuration in, threads running, verdicts out.
 *
 * tools/mxward.c is its only user besides tests and benchmarks. ipc/serve attaches its front thread
 * through engine_front.
 */
#ifndef MXWARD_ENGINE_H
#define MXWARD_ENGINE_H

#include "engine/base/option.h"
#include "engine/dns/resolver.h"
#include "engine/domain.h"
#include "engine/endpoints.h"
#include "engine/memory/settings.h"
#include "engine/probe/endpoint.h"
#include "engine/schedule/politeness.h"
#include "shm/writer.h"

struct daemon_settings {
    uint64_t shards;       /* 0: one for each processor */
    uint64_t resolvers;    /* 0: as many as shards */
    char *run_directory;   /* sockets and tables; default /run/mxward */
    char *state_directory; /* default /var/lib/mxward */
    uint64_t log_level;
    char *log_target;
    uint64_t table_bytes;   /* size of the verdict table */
    uint64_t jobs;          /* domains in work at once */
    uint64_t mailbox;       /* messages from one thread to another before parking */
    struct option_list own; /* names and addresses of our own mail hosts (MX-15) */
};
struct dns_settings {
    char *forwarder, *root_hints, *trust_anchor, *bogus_name;
    uint64_t outstanding, cache_bytes, look_up_ms;
    bool ipv6;
};
struct listen_settings {
    char *socket; /* default: run_directory/mxward.sock */
    uint64_t mode;
    char *group;
    struct option_list query_users, switch_users, admin_users,
        observe_users; /* names, "@group", or "*" */
    uint64_t connections, connections_per_user, requests_per_connection;
    uint64_t idle_ms;
};
/* mxward-gate reads the same file. */
struct gate_settings {
    struct option_list sockets;
    uint64_t mode;
    char *owner, *group;
    uint64_t deadline_ms, steady_ms, idle_ms;
    uint64_t connections;
    char *transport_prefix, *ordinary_transport, *split_transport;
    bool observe;
    char *help;
};
struct configuration {
    struct daemon_settings daemon;
    struct dns_settings dns;
    struct probe_settings probe;
    struct politeness_settings politeness;
    struct listen_settings listen;
    struct guarantee_settings guarantee;
    struct profiles_settings profiles;
    struct memory_settings memory;
    struct alarm_settings alarm;
    struct gate_settings gate;
};
extern const struct option_table configuration_table; /* engine/configuration.c */
/* The sections that only the daemon, and only mxward-gate, says the changes of. */
extern const struct option_table daemon_settings_table, gate_settings_table;
/* A number that names the settings under which is looked: equal for equal ones, also after a
 * restart, never 0. Verdicts carry it, so that what was found under other settings is not served.
 * What senders demand is no part of it. 0: no memory. */
uint32_t configuration_epoch(const struct configuration *configuration);

struct engine;

/*
 * What engine_start and engine_reload would find wrong with the settings, by the same functions: 0,
 * or -EINVAL (or -ENOKEY: no usable trust anchor) with a sentence that begins with the setting, see
 * option_locate; anything else is the machine's trouble. Reads the files that the settings name,
 * changes nothing. To be asked first, also before a reload. Main thread; some 100 ms.
 */
int engine_judge(const struct configuration *configuration, char *why, size_t why_size);
int engine_start(struct engine **engine, const struct configuration *configuration, char *why,
                 size_t why_size);
int engine_reload(struct engine *engine, const struct configuration *configuration, char *why,
                  size_t why_size);
/* Every probe is cancelled and every request, also a new one, is answered soon: the front can get
 * everything home. Then the front stops, then engine_stop joins and frees. */
void engine_drain(struct engine *engine);
void engine_stop(struct engine *engine);

/* What the front thread needs: its own mailbox end, and how to find shards. The front opens the
 * mailbox itself (its wake function needs its ring). */
struct engine_front {
    struct exchange *exchange;
    uint16_t me;
    struct owners owners;
    const int *ring_descriptors; /* by thread number, for ring_wake */
};
struct engine_front engine_front(struct engine *engine);
void engine_front_ring(struct engine *engine,
                       int ring_descriptor); /* the front's, before it sends */

/*
 * What `status` shows. The pointers stay valid until engine_stop; counters are read relaxed, from
 * any thread. ipc/serve turns them into JSON.
 */
struct shard_report {
    const struct prober_counts *prober;
    const struct endpoints_counts *endpoints;
    const struct hosts_counts *hosts;
    const struct domains_counts *domains;
    counter turns, messages, late_turns;
    counter longest_turn_us; /* since start */
    counter heartbeat_ms;    /* boot time of the last turn */
};
struct owners engine_owners(const struct engine *engine);
const struct shard_report *engine_shard_report(const struct engine *engine, uint16_t shard);
const struct resolver_counts *engine_resolver_counts(const struct engine *engine,
                                                     uint16_t resolver);
const char *engine_self_test_text(const struct engine *engine, uint16_t resolver);
struct certificate_store_counts engine_certificate_counts(const struct engine *engine);
int64_t engine_started_wall_s(const struct engine *engine);
const struct table_writer *engine_table(const struct engine *engine);
uint32_t engine_config_epoch(const struct engine *engine);
struct keeper_counts; /* engine/keeper.h */
/* The self-tests pass or do not: keeper_vouch (engine/keeper.h). */
void engine_vouch(struct engine *engine, bool clock_is_right);
const struct keeper_counts *engine_keeper_counts(const struct engine *engine);
const struct table_writer *engine_users(const struct engine *engine); /* the users' table */

#endif
