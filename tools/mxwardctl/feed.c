/*
 * feed.c - `mxwardctl feed`: deliveries from Postfix's log, to the daemon.
 *
 *   follow (lines) ─► postfix_log (deliveries) ─► backlog ─► the daemon, one after the other
 *
 * What the lines mean is postfix_log's, what a delivery proves the daemon's. While the daemon is
 * away deliveries wait in the backlog, whose oldest go first when it is full: they only save
 * probes. Reading never stops for longer than one answer takes. Called by main.
 */
#include "tools/mxwardctl/backlog.h"
#include "tools/mxwardctl/command.h"
#include "tools/mxwardctl/follow.h"

#include "ipc/wire/json.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define OLD_S      3600 /* the daemon takes nothing older */
#define AGAIN_S    10   /* the same delivery is reported only so often */
#define RECENT     256
#define OBSERVE_MS 5000
#define IDLE_MS    1000 /* waiting for a line, while nothing else is to be done */
#define AWAY_MS    1000 /* between two attempts to reach the daemon */
#define BUSY_MS    50   /* until a delivery is reported again that the daemon turned away */
#define TRIES      3    /* of a delivery that the daemon fails at */

struct feed {
    const struct invocation *invocation;
    struct mxw *handle;
    struct follow follow;
    struct postfix_log log;
    struct backlog backlog;
    struct {
        char host[256], address[64], domain[256];
        int64_t at_s;
    } recent[RECENT];
    unsigned next;
    uint64_t read, reported, old, repeated, dropped;
    int64_t again_ms; /* monotonic: the daemon is not asked before */
    unsigned tries;   /* of the first in the backlog */
    bool away;        /* and that was said */
    int status;       /* that ends it */
};

static atomic_int stopped; /* set by the signal handler only; relaxed, it orders nothing */

static void on_signal(int signal)
{
    (void)signal;
    atomic_store_explicit(&stopped, 1, memory_order_relaxed);
}

static bool is_stopped(void)
{
    return atomic_load_explicit(&stopped, memory_order_relaxed) != 0;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_old(const struct postfix_delivery *delivery)
{
    return (int64_t)time(NULL) - delivery->connection.at_s > OLD_S;
}

/* --- lines --- */

static bool is_repeated(struct feed *feed, const struct postfix_delivery *delivery)
{
    const struct postfix_connection *seen = &delivery->connection;
    unsigned i;

    for (i = 0; i < RECENT; i++)
        if (strcmp(feed->recent[i].host, seen->host) == 0 &&
            strcmp(feed->recent[i].address, seen->address) == 0 &&
            strcmp(feed->recent[i].domain, delivery->domain) == 0)
            break;
    if (i < RECENT && seen->at_s - feed->recent[i].at_s < AGAIN_S)
        return true;
    if (i == RECENT)
        i = feed->next++ % RECENT;
    memcpy(feed->recent[i].host, seen->host, sizeof seen->host);
    memcpy(feed->recent[i].address, seen->address, sizeof seen->address);
    memcpy(feed->recent[i].domain, delivery->domain, sizeof delivery->domain);
    feed->recent[i].at_s = seen->at_s;
    return false;
}

static void say(const struct feed *feed, const struct postfix_delivery *delivery)
{
    static const char *const trusts[] = {"clear", "encrypted", "trusted", "verified"};
    const struct postfix_connection *seen = &delivery->connection;
    char line[2048];
    struct json json;

    if (!feed->invocation->json) {
        printf("%s %s[%s]:%u %s\n", delivery->domain, seen->host, seen->address, seen->port,
               trusts[seen->trust]);
        return;
    }
    json_start(&json, line, sizeof line);
    json_put_text(&json, "domain", delivery->domain);
    json_put_text(&json, "host", seen->host);
    json_put_text(&json, "address", seen->address);
    json_put_text(&json, "trust", trusts[seen->trust]);
    json_put_text(&json, "cipher", seen->cipher);
    json_put_text(&json, "key_sha256", seen->key_sha256);
    json_finish(&json);
    puts(line);
}

static void take(struct feed *feed, const char *line, size_t size)
{
    struct postfix_delivery delivery;

    if (!postfix_log_line(&feed->log, line, size, (int64_t)time(NULL), &delivery))
        return;
    feed->read++;
    if (feed->invocation->dry_run) {
        say(feed, &delivery);
    } else if (is_old(&delivery)) {
        feed->old++;
    } else if (is_repeated(feed, &delivery)) {
        feed->repeated++;
    } else if (!backlog_add(&feed->backlog, &delivery)) {
        feed->tries = 0; /* the first is another one */
        feed->dropped++;
    }
}

/* --- reporting --- */

static int observe(const struct feed *feed, const struct postfix_delivery *delivery)
{
    const struct postfix_connection *seen = &delivery->connection;
    struct mxw_observation observation = MXW_OBSERVATION_INIT;

    observation.domain = delivery->domain;
    observation.host = seen->host;
    observation.address = seen->address;
    observation.port = seen->port;
    observation.tls_version = seen->tls_version;
    observation.cipher = seen->cipher;
    observation.trust = seen->trust;
    observation.delivered_s = seen->at_s;
    observation.key_sha256 = seen->key_sha256[0] ? seen->key_sha256 : NULL;
    return mxw_observe(feed->handle, &observation, OBSERVE_MS);
}

static void settle(struct feed *feed, uint64_t *count)
{
    ++*count;
    feed->tries = 0;
    backlog_drop_first(&feed->backlog);
}

static void is_away(struct feed *feed)
{
    feed->again_ms = now_ms() + AWAY_MS;
    if (!feed->away)
        fprintf(stderr, "mxwardctl: %s; deliveries wait, %d at most\n", mxw_reason(feed->handle),
                BACKLOG_MAX);
    feed->away = true;
}

static void is_there(struct feed *feed)
{
    if (feed->away)
        fprintf(stderr, "mxwardctl: mxward is there again; %u deliveries waited\n",
                (unsigned)feed->backlog.count);
    feed->away = false;
}

/* The daemon fails at this one, and may not at others. */
static void is_trouble(struct feed *feed)
{
    feed->again_ms = now_ms() + AWAY_MS;
    if (++feed->tries >= TRIES)
        settle(feed, &feed->dropped);
}

/* A socket that may not be connected to yet is one of a daemon that begins: who follows a log comes
 * again. What the daemon itself does not permit, it will not later. */
static bool is_final(const struct feed *feed, int status)
{
    return status == MXW_PROTOCOL ||
           (status == MXW_NOT_PERMITTED &&
            (mxw_descriptor(feed->handle) >= 0 || !feed->invocation->follow));
}

static void report_first(struct feed *feed)
{
    const struct postfix_delivery *first = backlog_first(&feed->backlog);
    int status;

    if (first == NULL || now_ms() < feed->again_ms)
        return;
    if (is_old(first)) {
        settle(feed, &feed->old);
        return;
    }
    status = observe(feed, first);
    if (is_final(feed, status)) {
        feed->status = status;
    } else if (status == MXW_OK) {
        is_there(feed);
        settle(feed, &feed->reported);
    } else if (status == MXW_INVALID) {
        settle(feed, &feed->dropped);
    } else if (status == MXW_BUSY) {
        feed->again_ms = now_ms() + BUSY_MS;
    } else if (mxw_descriptor(feed->handle) < 0) {
        is_away(feed);
    } else {
        is_trouble(feed);
    }
}

/* How long there is nothing to do but wait for a line. */
static int pause_ms(const struct feed *feed)
{
    const int64_t left_ms = feed->again_ms - now_ms();

    if (feed->backlog.count == 0)
        return IDLE_MS;
    return left_ms <= 0 ? 0 : left_ms < IDLE_MS ? (int)left_ms : IDLE_MS;
}

static bool goes_on(const struct feed *feed)
{
    return feed->status == MXW_OK && !is_stopped();
}

/* False: the input cannot be read. */
static bool take_all(struct feed *feed)
{
    while (goes_on(feed)) {
        const char *line;
        size_t size;
        const enum follow_got got = follow_line(&feed->follow, &line, &size, pause_ms(feed));

        if (got == FOLLOW_LINE)
            take(feed, line, size);
        if (got == FOLLOW_END)
            return errno == 0;
        report_first(feed);
    }
    return true;
}

/* The input is over: what still waits is reported, as long as one would wait for an answer. */
static void report_rest(struct feed *feed)
{
    const int64_t until_ms = now_ms() + feed->invocation->wait_ms;

    while (goes_on(feed) && feed->backlog.count > 0 && now_ms() < until_ms) {
        report_first(feed);
        if (feed->backlog.count > 0)
            poll(NULL, 0, pause_ms(feed));
    }
    feed->dropped += feed->backlog.count;
}

static int conclude(const struct feed *feed)
{
    const bool complete = feed->dropped == 0 || (feed->invocation->follow && is_stopped());

    fprintf(stderr, "deliveries %llu, reported %llu, too old %llu, repeated %llu, dropped %llu\n",
            (unsigned long long)feed->read, (unsigned long long)feed->reported,
            (unsigned long long)feed->old, (unsigned long long)feed->repeated,
            (unsigned long long)feed->dropped);
    if (feed->status != MXW_OK)
        return ask_failed(feed->handle, feed->status);
    return complete ? DONE : UNDECIDED;
}

static int run(struct feed *feed)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    bool readable;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    readable = take_all(feed);
    if (!readable)
        fprintf(stderr, "mxwardctl: %s: %s\n", feed->follow.path, strerror(errno));
    report_rest(feed);
    return readable ? conclude(feed) : USAGE;
}

int feed_run(const struct invocation *invocation)
{
    static struct feed feed;
    const int error =
        follow_open(&feed.follow, invocation->words[0], invocation->follow, invocation->from_start);
    int code = DONE;

    if (error != 0) {
        fprintf(stderr, "mxwardctl: %s: %s\n", invocation->words[0], strerror(-error));
        return USAGE;
    }
    feed.invocation = invocation;
    if (!invocation->dry_run) /* who follows a log waits for the daemon, too */
        code = invocation->follow ? ask_prepare(invocation, &feed.handle)
                                  : ask_open(invocation, &feed.handle);
    if (code == DONE)
        code = run(&feed);
    mxw_close(feed.handle);
    follow_close(&feed.follow);
    return code;
}
