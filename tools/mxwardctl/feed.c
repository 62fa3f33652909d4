/*
 * feed.c - `mxwardctl feed`: deliveries from Postfix's log, to the daemon.
 *
 * Reads a file, or standard input, to its end: what follows a log (journalctl -f, tail -F) writes
 * into it. What the lines mean is postfix_log's, what a delivery proves the daemon's. While the
 * daemon is away deliveries are dropped and counted: they only save probes. Called by main.
 */
#include "tools/mxwardctl/command.h"
#include "tools/mxwardctl/postfix_log.h"

#include "ipc/wire/json.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define OLD_S      3600 /* the daemon takes nothing older */
#define AGAIN_S    10   /* the same delivery is reported only so often */
#define RECENT     256
#define OBSERVE_MS 5000

struct feed {
    const struct invocation *invocation;
    struct mxw *handle;
    struct postfix_log log;
    struct {
        char host[256], address[64], domain[256];
        int64_t at_s;
    } recent[RECENT];
    unsigned next;
    uint64_t read, reported, old, repeated, dropped;
    int status; /* that ends it */
};

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

static void report(struct feed *feed, const struct postfix_delivery *delivery)
{
    const struct postfix_connection *seen = &delivery->connection;
    struct mxw_observation observation = MXW_OBSERVATION_INIT;
    int status;

    observation.domain = delivery->domain;
    observation.host = seen->host;
    observation.address = seen->address;
    observation.port = seen->port;
    observation.tls_version = seen->tls_version;
    observation.cipher = seen->cipher;
    observation.trust = seen->trust;
    observation.delivered_s = seen->at_s;
    observation.key_sha256 = seen->key_sha256[0] ? seen->key_sha256 : NULL;
    status = mxw_observe(feed->handle, &observation, OBSERVE_MS);
    feed->reported += status == MXW_OK;
    feed->dropped += status != MXW_OK;
    if (status == MXW_NOT_PERMITTED || status == MXW_PROTOCOL)
        feed->status = status;
}

static void take(struct feed *feed, const char *line, size_t size)
{
    const int64_t now_s = (int64_t)time(NULL);
    struct postfix_delivery delivery;

    if (!postfix_log_line(&feed->log, line, size, now_s, &delivery))
        return;
    feed->read++;
    if (feed->invocation->dry_run) {
        say(feed, &delivery);
    } else if (now_s - delivery.connection.at_s > OLD_S) {
        feed->old++;
    } else if (is_repeated(feed, &delivery)) {
        feed->repeated++;
    } else {
        report(feed, &delivery);
    }
}

/* Lines that do not fit are skipped whole. */
static void take_all(struct feed *feed, FILE *in)
{
    char line[POSTFIX_LOG_LINE];
    bool cut = false;

    while (feed->status == MXW_OK && fgets(line, sizeof line, in) != NULL) {
        size_t size = strcspn(line, "\n");
        const bool ends = line[size] == '\n';

        if (ends && !cut)
            take(feed, line, size);
        cut = !ends;
    }
}

int feed_run(const struct invocation *invocation)
{
    static struct feed feed;
    const char *path = invocation->words[0];
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    int code = DONE;

    if (in == NULL) {
        fprintf(stderr, "mxwardctl: %s: %s\n", path, strerror(errno));
        return USAGE;
    }
    feed.invocation = invocation;
    if (!invocation->dry_run)
        code = ask_open(invocation, &feed.handle);
    if (code == DONE) {
        take_all(&feed, in);
        if (feed.status != MXW_OK)
            code = ask_failed(feed.handle, feed.status);
        else if (feed.dropped > 0)
            code = UNDECIDED;
        fprintf(stderr,
                "deliveries %llu, reported %llu, too old %llu, repeated %llu, dropped %llu\n",
                (unsigned long long)feed.read, (unsigned long long)feed.reported,
                (unsigned long long)feed.old, (unsigned long long)feed.repeated,
                (unsigned long long)feed.dropped);
    }
    mxw_close(feed.handle);
    if (in != stdin)
        fclose(in);
    return code;
}
