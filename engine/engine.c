/*
 * engine.c - the daemon as one object (see engine.h): who is started in which order, and ended.
 *
 *   table ─► certificates ─► memory ─► exchange ─► keeper ─► resolvers ─► shards ─► (the front)
 *
 * Called by the main thread only. Stopping goes backwards, and nothing is freed before everything
 * that was asked is home: drain (shards answer all and start nothing), front, shards, resolvers,
 * keeper.
 */
#include "engine/engine.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/keeper.h"
#include "engine/publish.h"
#include "engine/shard.h"

#include <errno.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

struct engine {
    struct owners owners;
    int64_t started_wall_s;
    _Atomic uint32_t config_epoch;
    struct publisher *publisher;
    struct certificate_store *certificates;
    struct exchange *exchange;
    struct keeper *keeper;
    int ring_descriptors[LIMIT_THREADS];
    uint16_t resolvers_started, shards_started;
    struct resolver *resolvers[LIMIT_RESOLVERS];
    struct shard *shards[LIMIT_SHARDS];
};

static uint32_t settings_epoch(const struct engine *engine)
{
    return atomic_load_explicit(&engine->config_epoch, memory_order_relaxed);
}

static uint16_t count_or_processors(uint64_t wanted, uint64_t limit)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t count = wanted != 0 ? wanted : processors > 0 ? (uint64_t)processors : 1;

    return (uint16_t)(count < limit ? count : limit);
}

static struct owners owners_of(const struct daemon_settings *daemon)
{
    struct owners owners = {.shards = count_or_processors(daemon->shards, LIMIT_SHARDS)};

    owners.resolvers = count_or_processors(
        daemon->resolvers != 0 ? daemon->resolvers : owners.shards, LIMIT_RESOLVERS);
    return owners;
}

static struct resolver_options resolver_options_of(const struct dns_settings *dns, uint16_t count)
{
    return (struct resolver_options){
        .forwarder = dns->forwarder,
        .root_hints = dns->root_hints,
        .trust_anchor = dns->trust_anchor,
        .bogus_name = dns->bogus_name,
        .outstanding = (uint32_t)(dns->outstanding / count + 1),
        .cache_mib = (uint32_t)((dns->cache_bytes / count >> 20) + 1), /* 0 would mean its own */
        .ipv6 = dns->ipv6,
    };
}

/* --- judging settings: everything that a start would find wrong --- */

static bool is_directory(const char *path)
{
    struct stat status;

    /* What we may not look at (as somebody else who asks for the test) is not judged. */
    return stat(path, &status) != 0 ? errno == EACCES : S_ISDIR(status.st_mode);
}

/* It is there, or can be made in one step. */
static int judge_run_directory(const char *directory, char *why, size_t why_size)
{
    char copy[LIMIT_RUN_DIRECTORY + 1]; /* dirname writes into it */
    bool missing = access(directory, F_OK) != 0 && errno == ENOENT;

    snprintf(copy, sizeof copy, "%s", directory);
    if (!missing && !is_directory(directory)) {
        snprintf(why, why_size, "daemon.run_directory: %s is not a directory", directory);
        return -EINVAL;
    }
    if (missing && !is_directory(dirname(copy))) {
        snprintf(why, why_size, "daemon.run_directory: there is no directory to make %s in",
                 directory);
        return -EINVAL;
    }
    return 0;
}

static int judge_daemon(const struct daemon_settings *daemon, char *why, size_t why_size)
{
    struct own own;
    int error = judge_run_directory(daemon->run_directory, why, why_size);

    if (error == 0)
        error = own_read(&own, &daemon->own, why, why_size);
    if (error == 0 && !log_target_is_known(daemon->log_target)) {
        snprintf(why, why_size, "daemon.log_target: \"%s\" is none of stderr, journal and syslog",
                 daemon->log_target);
        error = -EINVAL;
    }
    return error;
}

int engine_judge(const struct configuration *configuration, char *why, size_t why_size)
{
    struct owners owners = owners_of(&configuration->daemon);
    struct resolver_options options = resolver_options_of(&configuration->dns, owners.resolvers);
    const struct probe_settings *probe = &configuration->probe;
    int error = judge_daemon(&configuration->daemon, why, why_size);

    if (error == 0)
        error = prober_judge(probe, why, why_size);
    if (error == 0)
        error = politeness_judge(&configuration->politeness, why, why_size);
    if (error == 0)
        error = certificate_trust_judge(probe->ca_file, probe->ca_directory, why, why_size);
    if (error == 0)
        error = resolver_judge(&options, why, why_size);
    if (error == 0)
        error = memory_settings_judge(&configuration->guarantee, &configuration->profiles, why,
                                      why_size);
    return error;
}

/* --- start --- */

/* As many as can ever be open at once, on every kernel: before 6.13 each probe has a descriptor. */
static uint64_t files_needed(const struct owners *owners, const struct configuration *configuration)
{
    return configuration->probe.parallel + configuration->listen.connections +
           owners->resolvers * (uint64_t)(LIMIT_DNS_UDP_SOCKETS + LIMIT_DNS_TCP_SOCKETS) +
           owner_threads(owners) * (uint64_t)LIMIT_THREAD_FILES + LIMIT_PROCESS_FILES;
}

/* A shell gives 1,024, and may give more. Without a descriptor libunbound takes a name server for
 * dead, which would be a lie about the peer (law 3): what may not be opened is not promised. */
static int allow_files(uint64_t needed, char *why, size_t why_size)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return -errno;
    if (files.rlim_max < needed) {
        snprintf(why, why_size,
                 "%llu files may be open here, and these settings need up to %llu: raise the limit "
                 "(systemd: LimitNOFILE=, a shell: ulimit -Hn), or lower probe.parallel or "
                 "listen.connections",
                 (unsigned long long)files.rlim_max, (unsigned long long)needed);
        return -EMFILE;
    }
    if (files.rlim_cur >= needed)
        return 0;
    files.rlim_cur = needed;
    return setrlimit(RLIMIT_NOFILE, &files) == 0 ? 0 : -errno;
}

static int start_resolvers(struct engine *engine, const struct dns_settings *dns, char *why)
{
    uint16_t count = engine->owners.resolvers;
    struct resolver_options options = resolver_options_of(dns, count);

    options.ring_descriptors = engine->ring_descriptors;
    for (uint16_t i = 0; i < count; i++) {
        uint16_t me = (uint16_t)(engine->owners.shards + i);
        int error = resolver_start(&engine->resolvers[i], &options, engine->exchange, me, why);

        if (error != 0)
            return error;
        engine->resolvers_started++;
        engine->ring_descriptors[me] = resolver_descriptor(engine->resolvers[i]);
    }
    return 0;
}

static int start_keeper(struct engine *engine, char *why, size_t why_size)
{
    int error = keeper_start(engine->keeper, engine->exchange, &engine->owners,
                             engine->ring_descriptors, why, why_size);

    if (error == 0)
        engine->ring_descriptors[owner_keeper(&engine->owners)] = keeper_descriptor(engine->keeper);
    return error;
}

static int start_shards(struct engine *engine, const struct configuration *configuration, char *why,
                        size_t why_size)
{
    struct shard_start start = {
        .owners = engine->owners,
        .exchange = engine->exchange,
        .ring_descriptors = engine->ring_descriptors,
        .certificates = engine->certificates,
        .publisher = engine->publisher,
        .configuration = configuration,
        .config_epoch = settings_epoch(engine),
    };

    for (uint16_t i = 0; i < engine->owners.shards; i++) {
        int error;

        start.index = i;
        error = shard_start(&engine->shards[i], &start, why, why_size);
        if (error != 0)
            return error;
        engine->shards_started++;
        engine->ring_descriptors[i] = shard_descriptor(engine->shards[i]);
    }
    return 0;
}

/* On a disk the table works, but a reader may wait for the disk, and writing wears it. */
static void warn_of_disk(const char *directory)
{
    struct statfs status;

    if (statfs(directory, &status) == 0 && status.f_type != TMPFS_MAGIC &&
        status.f_type != RAMFS_MAGIC && status.f_type != HUGETLBFS_MAGIC)
        log_warning("table-on-disk",
                    "daemon.run_directory %s is not on a tmpfs: readers may wait for a disk",
                    directory);
}

static int open_stores(struct engine *engine, const struct configuration *configuration, char *why,
                       size_t why_size)
{
    const char *directory = configuration->daemon.run_directory;
    int error;

    if (mkdir(directory, 0755) != 0 && errno != EEXIST) {
        error = -errno;
        snprintf(why, why_size, "daemon.run_directory: cannot make %s: %s", directory,
                 strerror(-error));
        return error;
    }
    warn_of_disk(directory);
    error = publisher_open(&engine->publisher, directory, configuration->daemon.table_bytes, why,
                           why_size);
    if (error != 0)
        return error;
    error = certificate_store_create(&engine->certificates, LIMIT_CERTIFICATES_BYTES);
    if (error == 0)
        error = certificate_trust_load(engine->certificates, configuration->probe.ca_file,
                                       configuration->probe.ca_directory);
    if (error != 0)
        snprintf(why, why_size, "cannot load the trusted certificates: %s", strerror(-error));
    return error;
}

int engine_start(struct engine **out, const struct configuration *configuration, char *why,
                 size_t why_size)
{
    struct engine *engine = calloc(1, sizeof *engine);
    int error;

    why[0] = '\0';
    if (engine == NULL)
        return -ENOMEM;
    engine->started_wall_s = clock_wall_s();
    atomic_init(&engine->config_epoch, configuration_epoch(configuration));
    engine->owners = owners_of(&configuration->daemon);
    error = allow_files(files_needed(&engine->owners, configuration), why, why_size);
    if (error == 0 && settings_epoch(engine) == 0)
        error = -ENOMEM;
    if (error == 0)
        error = open_stores(engine, configuration, why, why_size);
    if (error == 0)
        error = keeper_open(&engine->keeper, configuration, engine->publisher, why, why_size);
    if (error == 0)
        error = exchange_create(&engine->exchange, owner_threads(&engine->owners),
                                (uint32_t)configuration->daemon.mailbox);
    if (error == 0)
        error = start_keeper(engine, why, why_size);
    if (error == 0)
        error = start_resolvers(engine, &configuration->dns, why);
    if (error == 0)
        error = start_shards(engine, configuration, why, why_size);
    if (error == 0)
        publisher_settings(engine->publisher, settings_epoch(engine));
    if (error != 0) {
        if (why[0] == '\0')
            snprintf(why, why_size, "%s", strerror(-error));
        engine_stop(engine);
        return error;
    }
    *out = engine;
    return 0;
}

int engine_reload(struct engine *engine, const struct configuration *configuration, char *why,
                  size_t why_size)
{
    uint32_t epoch = configuration_epoch(configuration);

    if (epoch == 0) {
        snprintf(why, why_size, "no memory");
        return -ENOMEM;
    }
    for (uint16_t i = 0; i < engine->shards_started; i++) {
        int error = shard_reload(engine->shards[i], configuration, epoch);

        if (error != 0) {
            snprintf(why, why_size, "shard %u did not take the new settings in time", i);
            return error;
        }
    }
    if (keeper_reload(engine->keeper, configuration) != 0) {
        snprintf(why, why_size, "the memory did not take the new settings in time");
        return -ETIMEDOUT;
    }
    atomic_store_explicit(&engine->config_epoch, epoch, memory_order_relaxed);
    publisher_settings(engine->publisher, epoch);
    return 0;
}

static bool all_idle(const struct engine *engine)
{
    for (uint16_t i = 0; i < engine->shards_started; i++)
        if (!shard_is_idle(engine->shards[i]))
            return false;
    return true;
}

void engine_drain(struct engine *engine)
{
    const struct timespec a_little = {.tv_nsec = 5000000};
    uint64_t until_ms = clock_boot_ms() + LIMIT_STOP_MS;

    for (uint16_t i = 0; i < engine->shards_started; i++)
        shard_drain(engine->shards[i]);
    while (!all_idle(engine) && clock_boot_ms() < until_ms)
        nanosleep(&a_little, NULL);
}

void engine_stop(struct engine *engine)
{
    engine_drain(engine);
    if (!all_idle(engine)) { /* something did not come home: nothing may be freed under it */
        log_error("stop-timeout", "work was left after %d ms", LIMIT_STOP_MS);
        _exit(EX_SOFTWARE);
    }
    if (engine->keeper != NULL) /* while shards still publish what becomes durable */
        keeper_stop(engine->keeper);
    for (uint16_t i = 0; i < engine->shards_started; i++)
        shard_stop(engine->shards[i]);
    for (uint16_t i = 0; i < engine->resolvers_started; i++)
        resolver_stop(engine->resolvers[i]);
    if (engine->keeper != NULL)
        keeper_close(engine->keeper);
    if (engine->exchange != NULL)
        exchange_destroy(engine->exchange);
    if (engine->certificates != NULL)
        certificate_store_destroy(engine->certificates);
    if (engine->publisher != NULL)
        publisher_close(engine->publisher);
    free(engine);
}

/* --- what the front and `status` see --- */

struct engine_front engine_front(struct engine *engine)
{
    return (struct engine_front){.exchange = engine->exchange,
                                 .me = owner_front(&engine->owners),
                                 .owners = engine->owners,
                                 .ring_descriptors = engine->ring_descriptors};
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
    return shard_report(engine->shards[shard]);
}

const struct resolver_counts *engine_resolver_counts(const struct engine *engine, uint16_t resolver)
{
    return resolver_counts(engine->resolvers[resolver]);
}

const char *engine_self_test_text(const struct engine *engine, uint16_t resolver)
{
    return resolver_self_test_text(engine->resolvers[resolver]);
}

struct certificate_store_counts engine_certificate_counts(const struct engine *engine)
{
    return certificate_store_counts(engine->certificates);
}

int64_t engine_started_wall_s(const struct engine *engine)
{
    return engine->started_wall_s;
}

const struct table_writer *engine_table(const struct engine *engine)
{
    return publisher_table(engine->publisher);
}

void engine_vouch(struct engine *engine, bool clock_is_right)
{
    keeper_vouch(engine->keeper, clock_is_right);
}

const struct keeper_counts *engine_keeper_counts(const struct engine *engine)
{
    return keeper_counts(engine->keeper);
}

const struct table_writer *engine_users(const struct engine *engine)
{
    return keeper_users(engine->keeper);
}

uint32_t engine_config_epoch(const struct engine *engine)
{
    return publisher_epoch(engine->publisher, settings_epoch(engine));
}
