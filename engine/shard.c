/*
 * shard.c - see shard.h. The order of a turn is shard_turn; who gets which message is
 * shard_message; both are meant to be read first.
 *
 * Law 3 at work: the clock is looked at before every completion, message and timer. If more than
 * LIMIT_LATE_MS passed since the last look (stopped, swapped, starved), the prober is told before
 * it sees anything else, and what fails in that time is ours. Timers count only after all
 * completions that were there have been taken.
 *
 * The main thread controls a shard by one atomic word, read once a turn (at least every
 * LIMIT_SLEEP_MS): run, drain (answer everything, start nothing), exit.
 */
#include "engine/shard.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/base/log.h"
#include "engine/dns/kept.h"
#include "engine/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct shard {
    struct shard_start start;
    struct shard_report report;
    pthread_t thread;
    struct ring *ring;
    struct mailbox *mailbox;
    struct wheel *wheel;
    struct politeness *politeness;
    struct prober *prober;
    struct endpoints *endpoints;
    struct hosts *hosts;
    struct domains *domains;
    struct kept_answers *answers; /* of hosts and domains */
    struct table_reader *table;   /* for what is remembered; NULL: none */
    uint64_t seen_ms;             /* the last look at the clock */
    uint64_t turn_began_us;       /* first completion, or message, after the sleep; 0: not yet */
    uint64_t heartbeat_due_ms;
    uint32_t config_epoch; /* of the settings that were taken last */
    bool drained;          /* the last ring turn took everything that was there */
    bool draining;

    /* Start: the creator waits under the lock until `state` says how it went. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum { STARTING, RUNNING, FAILED } state; /* under the lock */
    int error;
    char why[256];

    /* Release by the main thread, acquire by the shard, once a turn. */
    _Atomic(uint32_t) control; /* enum shard_wish */
    _Atomic(const struct configuration *)
        fresh;                     /* release: main; exchanged for NULL by the shard */
    _Atomic(uint32_t) fresh_epoch; /* of `fresh`, which is stored after it */
    _Atomic(const struct configuration *) taken; /* the last one; release, partner: main */
    _Atomic(uint32_t) idle;                      /* nothing in work; release, partner: main */
};

/* --- the turn --- */

static void shard_look(struct shard *shard)
{
    uint64_t now_ms = clock_boot_ms();

    if (now_ms - shard->seen_ms > LIMIT_LATE_MS) {
        prober_loop_was_late(shard->prober, shard->seen_ms, now_ms);
        counter_add(&shard->report.late_turns, 1);
        log_warning("loop-late", "shard=%u late_ms=%llu", shard->start.index,
                    (unsigned long long)(now_ms - shard->seen_ms));
    }
    shard->seen_ms = now_ms;
}

static void shard_completed(void *context, const struct ring_completion *completion)
{
    struct shard *shard = context;
    uint8_t operation = completion->token.operation;

    if (shard->turn_began_us == 0)
        shard->turn_began_us = clock_boot_us();
    shard_look(shard);
    CHECK(operation >= PROBER_OPERATION_FIRST && operation <= PROBER_OPERATION_LAST);
    prober_completed(shard->prober, completion);
}

static void shard_delivery(struct shard *shard, struct delivery_report *report)
{
    const uint16_t asker = report->message.from;

    report->effect = endpoints_delivery(shard->endpoints, &report->key, &report->delivery);
    report->message.kind = MESSAGE_DELIVERY_SEEN;
    mailbox_send(shard->mailbox, asker, &report->message);
}

static void shard_message(struct shard *shard, struct message *message)
{
    shard_look(shard);
    counter_add(&shard->report.messages, 1);
    switch ((enum message_kind)message->kind) {
    case MESSAGE_DOMAIN_ASK:
        domains_ask(shard->domains, container_of(message, struct domain_request, message));
        return;
    case MESSAGE_DNS_DOMAIN:
        domains_dns(shard->domains, container_of(message, struct dns_question, message));
        return;
    case MESSAGE_HOST_ASK:
        hosts_ask(shard->hosts, container_of(message, struct host_request, message));
        return;
    case MESSAGE_DNS_HOST:
        hosts_dns(shard->hosts, container_of(message, struct dns_question, message));
        return;
    case MESSAGE_ENDPOINT_ASK:
        endpoints_ask(shard->endpoints, container_of(message, struct endpoint_request, message));
        return;
    case MESSAGE_ENDPOINT_DONE:
        hosts_endpoint(shard->hosts, container_of(message, struct endpoint_request, message));
        return;
    case MESSAGE_HOST_DONE:
        domains_host(shard->domains, container_of(message, struct host_request, message));
        return;
    case MESSAGE_FLOORS_DONE:
        domains_floors(shard->domains, container_of(message, struct floors_question, message));
        return;
    case MESSAGE_NOTE_DONE:
        domains_note(shard->domains, container_of(message, struct memory_note, message));
        return;
    case MESSAGE_FLOOR_ASK:
        domains_publish_floor(shard->domains, container_of(message, struct floor_publish, message));
        return;
    case MESSAGE_DELIVERY_HOST:
        hosts_delivery(shard->hosts, container_of(message, struct delivery_report, message));
        return;
    case MESSAGE_DELIVERY_ENDPOINT:
        shard_delivery(shard, container_of(message, struct delivery_report, message));
        return;
    case MESSAGE_DELIVERY_SEEN:
        hosts_delivery_seen(shard->hosts, container_of(message, struct delivery_report, message));
        return;
    case MESSAGE_DELIVERY_DOMAIN:
        domains_delivery(shard->domains, container_of(message, struct delivery_report, message));
        return;
    case MESSAGE_DOMAIN_DONE:
    case MESSAGE_DELIVERY_DONE:
    case MESSAGE_CONTROL:
    case MESSAGE_FLOORS_ASK:
    case MESSAGE_NOTE_ASK:
    case MESSAGE_FLOOR_DONE:
    case MESSAGE_ORDER_ASK:
    case MESSAGE_ORDER_DONE:
    case MESSAGE_REPORT_ASK:
    case MESSAGE_REPORT_DONE:
    case MESSAGE_DNS_FRONT:
        break;
    }
    CHECK(!"a message that no shard gets");
}

static void shard_timers(struct shard *shard)
{
    struct wheel_timer *timer;

    for (unsigned i = 0; i < LIMIT_TURN_TIMERS; i++) {
        shard_look(shard);
        timer = wheel_take_due(shard->wheel, shard->seen_ms);
        if (timer == NULL)
            return;
        if (timer->token.operation == ENDPOINTS_OPERATION_TIMER)
            endpoints_due(shard->endpoints, timer);
        else if (timer->token.operation == DOMAINS_OPERATION_TIMER)
            domains_due(shard->domains, timer);
        else
            prober_due(shard->prober, timer);
    }
}

static void shard_heartbeat(struct shard *shard)
{
    if (shard->seen_ms < shard->heartbeat_due_ms)
        return;
    shard->heartbeat_due_ms = shard->seen_ms + 1000;
    atomic_store_explicit(&shard->report.heartbeat_ms, shard->seen_ms, memory_order_relaxed);
    publisher_heartbeat(shard->start.publisher, shard->start.index, shard->start.owners.shards);
}

static uint32_t shard_in_work(const struct shard *shard)
{
    return domains_running(shard->domains) + hosts_running(shard->hosts) +
           prober_running(shard->prober);
}

static void shard_take_configuration(struct shard *shard);

enum shard_wish { WISH_RUN, WISH_DRAIN, WISH_EXIT };

/* True: the thread ends. */
static bool shard_obey(struct shard *shard)
{
    enum shard_wish wish = atomic_load_explicit(&shard->control, memory_order_acquire);

    if (atomic_load_explicit(&shard->fresh, memory_order_acquire) != NULL)
        shard_take_configuration(shard);
    if (wish != WISH_RUN && !shard->draining) {
        shard->draining = true;
        domains_stop(shard->domains);
        hosts_stop(shard->hosts);
        endpoints_stop(shard->endpoints);
    }
    atomic_store_explicit(&shard->idle, shard_in_work(shard) == 0, memory_order_release);
    return wish == WISH_EXIT && shard_in_work(shard) == 0;
}

static void shard_messages(struct shard *shard)
{
    struct message *message;

    for (unsigned i = 0; i < LIMIT_TURN_MESSAGES; i++) {
        if ((message = mailbox_receive(shard->mailbox)) == NULL)
            return;
        shard_message(shard, message);
    }
}

/* What is kept for later goes, oldest first, while certificates have little room: evidence holds
 * them at its endpoint, with its session, and in the facts of hosts and domains. True: do not
 * sleep, more may go. */
static bool shard_makes_room(struct shard *shard)
{
    if (!certificate_store_is_crowded(shard->start.certificates))
        return false;
    return domains_forget(shard->domains, LIMIT_TURN_FORGETS) +
               hosts_forget(shard->hosts, LIMIT_TURN_FORGETS) +
               endpoints_forget(shard->endpoints, LIMIT_TURN_FORGETS) +
               prober_forget_sessions(shard->prober, LIMIT_TURN_FORGETS) >
           0;
}

/* How long this turn took, without the sleep: what anything that arrived meanwhile had to wait. */
static void shard_lag(struct shard *shard)
{
    uint64_t turn_us = clock_boot_us() - shard->turn_began_us;

    shard->turn_began_us = 0;
    endpoints_observe(shard->endpoints, turn_us / 1000);
    counter_add(&shard->report.turns, 1);
    if (turn_us > counter_read(&shard->report.longest_turn_us))
        atomic_store_explicit(&shard->report.longest_turn_us, turn_us, memory_order_relaxed);
}

static bool shard_sleep(struct shard *shard, bool busy)
{
    uint64_t until_ms = wheel_next_ms(shard->wheel);
    int taken;

    if (until_ms > shard->seen_ms + LIMIT_SLEEP_MS)
        until_ms = shard->seen_ms + LIMIT_SLEEP_MS;
    if (busy || !shard->drained || !mailbox_may_sleep(shard->mailbox))
        until_ms = 0;
    taken = ring_turn(shard->ring, until_ms, shard_completed, shard);
    CHECK(taken >= 0);
    mailbox_awake(shard->mailbox);
    return taken < RING_BATCH;
}

/* False: the thread ends. */
static bool shard_turn(struct shard *shard)
{
    bool busy, ends;

    if (shard->turn_began_us == 0)
        shard->turn_began_us = clock_boot_us();
    shard_messages(shard);
    if (shard->drained)
        shard_timers(shard);
    busy = prober_run_heavy(shard->prober);
    endpoints_turn(shard->endpoints);
    busy |= shard_makes_room(shard);
    shard_look(shard);
    shard_heartbeat(shard);
    ends = shard_obey(shard);
    mailbox_flush(shard->mailbox);
    shard_lag(shard);
    shard->drained = shard_sleep(shard, busy);
    return !ends;
}

/* --- start, reload, stop --- */

static void shard_wake(void *context, uint16_t to)
{
    struct shard *shard = context;

    ring_wake(shard->ring, shard->start.ring_descriptors[to]);
}

static uint32_t shard_share(uint64_t whole, uint16_t shards)
{
    uint64_t share = whole / shards + 1;

    return (uint32_t)(share < UINT32_MAX ? share : UINT32_MAX);
}

static struct host_settings host_settings_of(const struct shard *shard,
                                             const struct configuration *configuration)
{
    return (struct host_settings){.ipv4 = configuration->probe.ipv4,
                                  .ipv6 = configuration->probe.ipv6,
                                  .allow_reserved = configuration->probe.allow_reserved,
                                  .dns_ms = configuration->dns.look_up_ms,
                                  .answers = shard->answers};
}

static int domain_settings_of(struct domain_settings *settings, const struct shard *shard,
                              const struct configuration *configuration, uint32_t config_epoch,
                              char *why, size_t why_size)
{
    *settings = (struct domain_settings){.dns_ms = configuration->dns.look_up_ms,
                                         .config_epoch = config_epoch,
                                         .table = shard->table,
                                         .answers = shard->answers};
    return own_read(&settings->own, &configuration->daemon.own, why, why_size);
}

static int shard_create_jobs(struct shard *shard)
{
    const struct shard_start *start = &shard->start;
    const struct configuration *configuration = start->configuration;
    uint16_t shards = start->owners.shards;
    uint32_t probes = shard_share(configuration->probe.parallel, shards);
    uint32_t jobs = shard_share(configuration->daemon.jobs, shards);
    struct host_settings host;
    struct domain_settings domain;
    int error = kept_answers_create(&shard->answers, LIMIT_KEPT_ANSWERS / shards);

    if (error != 0)
        return error;
    host = host_settings_of(shard, configuration);
    shard->config_epoch = start->config_epoch;
    if (table_writer_reader(publisher_table(start->publisher), &shard->table) != 0)
        shard->table = NULL; /* no memory: the keeper says what is remembered */
    error = domain_settings_of(&domain, shard, configuration, start->config_epoch, shard->why,
                               sizeof shard->why);
    if (error == 0)
        error = prober_create(&shard->prober, shard->ring, shard->wheel, start->certificates,
                              &configuration->probe, probes, LIMIT_KEPT_SESSIONS / shards,
                              shard->why, sizeof shard->why);
    if (error == 0)
        error =
            endpoints_create(&shard->endpoints, shard->mailbox, shard->wheel, shard->prober,
                             shard->politeness, 2 * probes + LIMIT_KEPT_ENDPOINTS / shards, probes);
    if (error == 0)
        error = hosts_create(&shard->hosts, shard->mailbox, &start->owners, &host,
                             2 * jobs + LIMIT_KEPT_HOSTS / shards, 2 * jobs);
    if (error == 0)
        error = domains_create(&shard->domains, shard->mailbox, shard->wheel, &start->owners,
                               start->publisher, &domain, jobs + LIMIT_KEPT_DOMAINS / shards, jobs);
    return error;
}

static int shard_create(struct shard *shard)
{
    const struct configuration *configuration = shard->start.configuration;
    uint32_t probes = shard_share(configuration->probe.parallel, shard->start.owners.shards);
    struct ring_limits limits = {
        .submissions = 4096, .files = probes + 16, .receive_buffers = 1024, .receive_bytes = 4096};
    int error = ring_create(&shard->ring, &limits);

    if (error != 0) {
        snprintf(shard->why, sizeof shard->why, "%s", ring_why_unavailable(error));
        return error;
    }
    shard->seen_ms = clock_boot_ms();
    shard->mailbox = mailbox_open(shard->start.exchange, shard->start.index, shard_wake, shard);
    error = wheel_create(&shard->wheel, shard->seen_ms);
    if (error == 0)
        error = politeness_create(&shard->politeness, &configuration->politeness,
                                  LIMIT_POLITE_ADDRESSES / shard->start.owners.shards, shard->why,
                                  sizeof shard->why);
    if (error == 0)
        error = shard_create_jobs(shard);
    return error;
}

static void shard_destroy_all(struct shard *shard)
{
    if (shard->domains != NULL)
        domains_destroy(shard->domains);
    if (shard->table != NULL)
        table_reader_close(shard->table);
    if (shard->hosts != NULL)
        hosts_destroy(shard->hosts);
    kept_answers_destroy(shard->answers);
    if (shard->endpoints != NULL)
        endpoints_destroy(shard->endpoints);
    if (shard->prober != NULL)
        prober_destroy(shard->prober);
    if (shard->politeness != NULL)
        politeness_destroy(shard->politeness);
    if (shard->wheel != NULL)
        wheel_destroy(shard->wheel);
    if (shard->ring != NULL)
        ring_destroy(shard->ring);
}

static void shard_say(struct shard *shard, int error)
{
    pthread_mutex_lock(&shard->lock);
    shard->error = error;
    shard->state = error == 0 ? RUNNING : FAILED;
    pthread_cond_signal(&shard->changed);
    pthread_mutex_unlock(&shard->lock);
}

static void *shard_run(void *context)
{
    struct shard *shard = context;
    char name[16];
    int error;

    snprintf(name, sizeof name, "shard %u", shard->start.index);
    pthread_setname_np(pthread_self(), name);
    error = shard_create(shard);
    if (error == 0)
        shard->report = (struct shard_report){.prober = prober_counts(shard->prober),
                                              .endpoints = endpoints_counts(shard->endpoints),
                                              .hosts = hosts_counts(shard->hosts),
                                              .domains = domains_counts(shard->domains)};
    if (error != 0 && shard->why[0] == '\0')
        snprintf(shard->why, sizeof shard->why, "cannot start a shard: %s", strerror(-error));
    shard->drained = true;
    shard_say(shard, error);
    if (error == 0)
        while (shard_turn(shard))
            ;
    shard_destroy_all(shard);
    return NULL;
}

int shard_start(struct shard **out, const struct shard_start *start, char *why, size_t why_size)
{
    struct shard *shard = calloc(1, sizeof *shard);
    int error;

    if (shard == NULL)
        return -ENOMEM;
    shard->start = *start;
    pthread_mutex_init(&shard->lock, NULL);
    pthread_cond_init(&shard->changed, NULL);
    error = -pthread_create(&shard->thread, NULL, shard_run, shard);
    if (error == 0) {
        pthread_mutex_lock(&shard->lock);
        while (shard->state == STARTING)
            pthread_cond_wait(&shard->changed, &shard->lock);
        error = shard->error;
        pthread_mutex_unlock(&shard->lock);
        if (error != 0)
            pthread_join(shard->thread, NULL);
    }
    if (error != 0) {
        snprintf(why, why_size, "%s", shard->why);
        pthread_mutex_destroy(&shard->lock);
        pthread_cond_destroy(&shard->changed);
        free(shard);
        return error;
    }
    *out = shard;
    return 0;
}

static void shard_take_configuration(struct shard *shard)
{
    const struct configuration *fresh =
        atomic_exchange_explicit(&shard->fresh, NULL, memory_order_acq_rel);
    /* Released with `fresh`. */
    const uint32_t config_epoch = atomic_load_explicit(&shard->fresh_epoch, memory_order_relaxed);
    struct host_settings host = host_settings_of(shard, fresh);
    struct domain_settings domain;
    char why[256];

    CHECK(domain_settings_of(&domain, shard, fresh, config_epoch, why, sizeof why) ==
          0); /* engine_judge took it */
    prober_reload(shard->prober, &fresh->probe);
    if (config_epoch != shard->config_epoch)
        endpoints_reload(shard->endpoints);
    shard->config_epoch = config_epoch;
    hosts_reload(shard->hosts, &host);
    domains_reload(shard->domains, &domain);
    if (politeness_reload(shard->politeness, &fresh->politeness, why, sizeof why) != 0)
        log_error("reload", "shard=%u kept its politeness: %s", shard->start.index, why);
    atomic_store_explicit(&shard->taken, fresh, memory_order_release);
}

static void sleep_ms(unsigned ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

int shard_reload(struct shard *shard, const struct configuration *configuration,
                 uint32_t config_epoch)
{
    atomic_store_explicit(&shard->fresh_epoch, config_epoch, memory_order_relaxed);
    atomic_store_explicit(&shard->fresh, configuration, memory_order_release);
    for (unsigned waited = 0; waited < LIMIT_STOP_MS; waited += 10) {
        if (atomic_load_explicit(&shard->taken, memory_order_acquire) == configuration)
            return 0;
        sleep_ms(10);
    }
    return -ETIMEDOUT;
}

void shard_drain(struct shard *shard)
{
    atomic_store_explicit(&shard->control, WISH_DRAIN, memory_order_release);
}

bool shard_is_idle(const struct shard *shard)
{
    return atomic_load_explicit(&shard->idle, memory_order_acquire) != 0;
}

void shard_stop(struct shard *shard)
{
    atomic_store_explicit(&shard->control, WISH_EXIT, memory_order_release);
    pthread_join(shard->thread, NULL);
    pthread_mutex_destroy(&shard->lock);
    pthread_cond_destroy(&shard->changed);
    free(shard);
}

int shard_descriptor(const struct shard *shard)
{
    return ring_descriptor(shard->ring);
}

const struct shard_report *shard_report(const struct shard *shard)
{
    return &shard->report;
}
