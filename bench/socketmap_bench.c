/*
 * socketmap_bench.c - what does an answer to Postfix cost, beside the same server that only echoes?
 *
 * Twin of tests/gate_test.c. The gate, in a thread as its program runs it, with tables as the
 * daemon writes them, is asked over its Unix socket for domains that it knows, in turn, with one
 * question outstanding and with 32. Beside it, in the same run:
 *
 *   echo      the same server skeleton (ipc/gate/stream, ring, wheel) with the same parser, that
 *             answers each request with bytes made beforehand, as many as the gate's
 *   resolver  Debian's postfix-mta-sts-resolver, its responder unchanged, with all policies in its
 *             own fastest cache (bench/resolver.py)
 *
 * The rate is what the client sees. Everything is pinned to one processor: who asks and who answers
 * take turns, and what is measured is their work. The same is measured once more with the client on
 * the other processor. There each turn begins with waking a processor that sleeps, which takes from
 * 5 to 25 us as the (virtual) machine has it, and is nothing of any server's: so that placement
 * holds bars beside the echo, which waits as well, and only says how many times the resolver's rate
 * it is.
 */
#include "bench/common/bench.h"
#include "bench/common/process.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "ipc/gate/gate.h"
#include "ipc/gate/limits.h"
#include "ipc/gate/stream.h"
#include "ipc/wire/socketmap.h"
#include "shm/account.h"
#include "shm/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    DOMAINS = 1000,
    QUESTIONS = 40000, /* a slice */
    RESOLVER_QUESTIONS = 4000,
    WINDOW = 32,
    SERVERS = 1, /* the processor of all servers, and of the client where nothing else is said */
    ELSEWHERE = 0,
    REQUEST_BYTES = 64,
};

static char directory[] = "/dev/shm/mxward-bench-XXXXXX";
static struct table_writer *verdicts, *users;

/* --- tables --- */

static void tables_beat(void)
{
    struct table_clock now;
    CHECK(table_clock_read(&now) == 0);
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++) {
        table_writer_heartbeat(verdicts, (uint16_t)partition, &now);
        table_writer_heartbeat(users, (uint16_t)partition, &now);
    }
}

static struct table_writer *table_make(const char *where)
{
    struct table_writer *writer;
    struct table_clock now;
    char why[256] = "";
    mkdir(where, 0700);
    if (table_clock_read(&now) != 0 ||
        table_writer_open(&writer, where, 16 << 20, &now, NULL, why, sizeof why) != 0) {
        bench_say("%s", why);
        exit(1);
    }
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(writer, (uint16_t)partition, true);
    return writer;
}

static void tables_make(void)
{
    const struct account_settings settings = {.aliases_known = true, .delimiter = "+"};
    char where[128];
    union record record;
    struct table_key key;
    verdicts = table_make(directory);
    snprintf(where, sizeof where, "%s/users", directory);
    users = table_make(where);
    CHECK(account_settings_pack(&record, &key, &settings, clock_boot_ms()) &&
          table_writer_put_record(users, &key, &record) == 0);
    table_writer_set_settings(verdicts, 1);
    for (unsigned i = 0; i < DOMAINS; i++) {
        const struct verdict verdict = {.class = CLASS_DANE,
                                        .level = LEVEL_AUTHENTICATED,
                                        .conclusion = CONCLUSION_DEFINITE,
                                        .cause = CAUSE_DANE,
                                        .enforce = ENFORCE_DANE_ONLY,
                                        .flags = VERDICT_MX_SECURE | VERDICT_ALL_HOSTS_DANE |
                                                 VERDICT_ALL_HOSTS_TLSA | VERDICT_SOME_HOSTS_DANE |
                                                 VERDICT_SOME_HOSTS_TLSA,
                                        .tls_version = 0x304,
                                        .hosts = 2,
                                        .hosts_good = 2,
                                        .began_ms = clock_boot_ms(),
                                        .valid_until_ms = clock_boot_ms() + 3600000,
                                        .config_epoch = 1,
                                        .host = "mx1.mail.example.net"};
        char name[32];
        snprintf(name, sizeof name, "d%u.example", i);
        CHECK(table_key_make(&key, name, strlen(name)) &&
              table_writer_put(verdicts, &key, &verdict) == 0);
    }
    tables_beat();
}

/* --- servers --- */

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    CHECK(descriptor >= 0 && bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0 &&
          listen(descriptor, 16) == 0);
    return descriptor;
}

static char gate_path[128], echo_path[128], resolver_path[128], nowhere[128];
static struct gate *_Atomic gate;

static void *gate_thread(void *context)
{
    struct gate_options *options = context;
    struct gate *made;
    bench_pin(SERVERS);
    CHECK(gate_create(&made, options) == 0);
    atomic_store(&gate, made);
    CHECK(gate_run(made) == 0);
    return NULL;
}

static struct echo {
    struct ring *ring;
    struct wheel *wheel;
    struct streams *streams;
    int listener;
    char replies[2][128]; /* for a domain, for its parent: as the gate's */
    size_t reply_sizes[2];
    _Atomic bool stop;
} echo;

static struct stream_taken echo_take(void *context, struct stream *stream, const char *bytes,
                                     size_t size, bool ended)
{
    struct socketmap_request request;
    size_t used = 0;
    bool parent;
    (void)context, (void)ended;
    switch (socketmap_take(&request, bytes, size, &used)) {
    case TAKE_WHOLE:
        parent = request.key != NULL && request.key[0] == '.';
        stream_put(echo.streams, stream, echo.replies[parent], echo.reply_sizes[parent]);
        return (struct stream_taken){.used = used, .requests = 1};
    case TAKE_LOST:
        return (struct stream_taken){.lost = true};
    case TAKE_MORE:
        break;
    }
    return (struct stream_taken){0};
}

static void echo_nothing(void *context, struct stream *stream)
{
    (void)context, (void)stream;
}

static void echo_completed(void *context, const struct ring_completion *completion)
{
    (void)context;
    streams_completed(echo.streams, completion);
}

/* As gate.c's loop, but for what it does besides. */
static void *echo_thread(void *context)
{
    static const struct ring_limits limits = {
        .submissions = 1024, .receive_buffers = 256, .receive_bytes = GATE_RECEIVE};
    const struct stream_settings settings = {.connections = 16, .idle_ms = 3600000};
    const struct stream_owner owner = {
        .take = echo_take, .room = echo_nothing, .gone = echo_nothing, .state_bytes = 64};
    struct wheel_timer *timer;
    bool busy = false;
    (void)context;
    bench_pin(SERVERS);
    CHECK(ring_create(&echo.ring, &limits) == 0 &&
          wheel_create(&echo.wheel, clock_boot_ms()) == 0 &&
          streams_create(&echo.streams, echo.ring, echo.wheel, &settings, &owner) == 0);
    streams_listen(echo.streams, echo.listener);
    while (!atomic_load(&echo.stop)) {
        const uint64_t until_ms = clock_boot_ms() + 500;
        CHECK(ring_turn(echo.ring, busy ? 0 : until_ms, echo_completed, NULL) >= 0);
        while ((timer = wheel_take_due(echo.wheel, clock_boot_ms())) != NULL)
            streams_due(echo.streams, timer);
        busy = streams_turn(echo.streams);
    }
    return NULL;
}

/* --- the client --- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    CHECK(descriptor >= 0);
    for (int i = 0; connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0; i++) {
        CHECK(i < 500);
        usleep(10000);
    }
    return descriptor;
}

struct client {
    int descriptor;
    char input[65536];
    size_t held;
};

/* Reads until `count` more replies came. Their status is looked at: an error is no answer. */
static void replies_read(struct client *client, unsigned count, bool found)
{
    while (count > 0) {
        const ssize_t n = recv(client->descriptor, client->input + client->held,
                               sizeof client->input - client->held, 0);
        size_t start = 0;
        CHECK(n > 0);
        client->held += (size_t)n;
        for (;;) {
            const char *colon = memchr(client->input + start, ':', client->held - start);
            size_t length;
            if (colon == NULL)
                break;
            length = strtoul(client->input + start, NULL, 10);
            if ((size_t)(colon + 1 - client->input) + length + 1 > client->held)
                break;
            if (memcmp(colon + 1, found ? "OK " : "NO", 2) != 0) {
                bench_say("unexpected: %.*s", (int)length, colon + 1);
                exit(1);
            }
            start = (size_t)(colon + 1 - client->input) + length + 1;
            count--;
        }
        memmove(client->input, client->input + start, client->held - start);
        client->held -= start;
    }
}

static char requests[2][DOMAINS][REQUEST_BYTES]; /* known domains; their parents */
static size_t request_bytes[2][DOMAINS];

static void requests_make(void)
{
    char text[48];
    for (unsigned i = 0; i < DOMAINS; i++) {
        for (unsigned parent = 0; parent < 2; parent++) {
            const int length =
                snprintf(text, sizeof text, parent ? "QUERY .d%u.example" : "QUERY d%u.example", i);
            request_bytes[parent][i] =
                (size_t)snprintf(requests[parent][i], REQUEST_BYTES, "%d:%s,", length, text);
        }
    }
}

static void ask(struct client *client, unsigned questions, unsigned window, bool parent, bool found)
{
    char batch[WINDOW * REQUEST_BYTES];
    for (unsigned done = 0; done < questions; done += window) {
        size_t size = 0;
        for (unsigned i = 0; i < window; i++) {
            const unsigned domain = (done + i) % DOMAINS;
            memcpy(batch + size, requests[parent][domain], request_bytes[parent][domain]);
            size += request_bytes[parent][domain];
        }
        CHECK(send(client->descriptor, batch, size, MSG_NOSIGNAL) == (ssize_t)size);
        replies_read(client, window, found);
    }
}

/* --- cases --- */

static struct client ours, floors;

struct socketmap_case {
    const char *name;
    unsigned window; /* questions outstanding */
    bool parent;     /* ".d7.example", which is answered at once */
    unsigned client; /* its processor */
    double must;     /* 0: only says */
};

/* Questions a second: the floor's is the echo's, or the resolver's. */
static void measure(const struct socketmap_case *what, unsigned floor_questions)
{
    struct bench_pairs pairs = {0};
    bench_pin(what->client);
    ask(&ours, DOMAINS, 1, what->parent, !what->parent);
    ask(&floors, DOMAINS, 1, what->parent, !what->parent);
    for (unsigned pair = 0; pair < bench_pairs_wanted(); pair++) {
        tables_beat();
        for (unsigned turn = 0; turn < 2; turn++) {
            const enum bench_side side = bench_side(pair, turn);
            const unsigned questions = side == BENCH_OURS ? QUESTIONS : floor_questions;
            const struct bench_watch watch = bench_start(side);
            ask(side == BENCH_OURS ? &ours : &floors, questions, what->window, what->parent,
                !what->parent);
            const struct bench_spent spent = bench_stop(&watch);
            bench_add(&pairs, side, questions * 1e9 / (double)spent.wall_ns);
        }
    }
    bench_report(&(struct bench_case){"socketmap", what->name, "answers/s",
                                      what->must > 0 ? BENCH_AT_LEAST : BENCH_JUST_SAY, what->must},
                 &pairs);
}

static pid_t resolver_start(void)
{
    const char *build = getenv("BUILD");
    char folder[200], python[256], libraries[256], domains[16], ready[8];
    const char *get[] = {"bench/get-resolver", folder, NULL};
    const char *words[] = {"python3", "bench/resolver.py", resolver_path, domains, NULL};
    int output;
    pid_t child;
    snprintf(folder, sizeof folder, "%s/bench/resolver", build != NULL ? build : "build");
    CHECK(mkdir(folder, 0755) == 0 || errno == EEXIST);
    if (process_run(get) != 0)
        return 0;
    snprintf(python, sizeof python, "%s/usr/lib/python3/dist-packages", folder);
    snprintf(libraries, sizeof libraries, "%s/usr/lib/x86_64-linux-gnu", folder);
    setenv("PYTHONPATH", python, 1);
    setenv("LD_LIBRARY_PATH", libraries, 1);
    snprintf(domains, sizeof domains, "%d", DOMAINS);
    bench_pin(SERVERS);
    child = process_start(words, &output);
    unsetenv("LD_LIBRARY_PATH");
    if (child > 0 && read(output, ready, sizeof ready) <= 0) {
        process_stop(child);
        return 0;
    }
    return child;
}

static void measure_echo(void)
{
    static const struct socketmap_case cases[] = {
        {"known domain, 1 outstanding", 1, false, SERVERS, 0.8},
        {"known domain, 32 outstanding", WINDOW, false, SERVERS, 0.8},
        {"parent domain, 1 outstanding", 1, true, SERVERS, 0.9},
        {"parent domain, 32 outstanding", WINDOW, true, SERVERS, 0.9},
        {"known domain, 1 outstanding, two processors", 1, false, ELSEWHERE, 0.8},
        {"known domain, 32 outstanding, two processors", WINDOW, false, ELSEWHERE, 0.8},
        {"parent domain, 1 outstanding, two processors", 1, true, ELSEWHERE, 0.9},
        {"parent domain, 32 outstanding, two processors", WINDOW, true, ELSEWHERE, 0.9},
    };
    floors = (struct client){.descriptor = connect_to(echo_path)};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        measure(&cases[i], QUESTIONS);
    close(floors.descriptor);
}

#define BESIDE "beside postfix-mta-sts-resolver"

static void measure_resolver(void)
{
    static const struct socketmap_case cases[] = {
        {"known domain, 1 outstanding, " BESIDE, 1, false, SERVERS, 0},
        {"known domain, 32 outstanding, " BESIDE, WINDOW, false, SERVERS, 20},
        {"known domain, 1 outstanding, two processors, " BESIDE, 1, false, ELSEWHERE, 0},
        {"known domain, 32 outstanding, two processors, " BESIDE, WINDOW, false, ELSEWHERE, 0},
    };
    const pid_t resolver = resolver_start();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (resolver <= 0) {
            bench_unmeasured(
                &(struct bench_case){"socketmap", cases[i].name, "answers/s",
                                     cases[i].must > 0 ? BENCH_AT_LEAST : BENCH_JUST_SAY,
                                     cases[i].must},
                "postfix-mta-sts-resolver cannot be downloaded here");
            continue;
        }
        floors = (struct client){.descriptor = connect_to(resolver_path)};
        measure(&cases[i], RESOLVER_QUESTIONS);
        close(floors.descriptor);
    }
    if (resolver > 0)
        process_stop(resolver);
}

static void clean(void)
{
    const char *words[] = {"rm", "-rf", directory, NULL};
    table_writer_close(verdicts);
    table_writer_close(users);
    process_run(words);
}

int main(void)
{
    struct gate_options options = {.connections = 16,
                                   .deadline_ms = 6000,
                                   .steady_ms = 5000,
                                   .idle_ms = 3600000,
                                   .transport_prefix = "guarantee-",
                                   .ordinary_transport = "smtp:",
                                   .split_transport = "by-recipient:"};
    pthread_t threads[2];
    int listener;
    if (mkdtemp(directory) == NULL)
        return bench_impossible("no /dev/shm");
    bench_pin(SERVERS);
    log_start(LOG_ERROR_LEVEL, "stderr");
    snprintf(gate_path, sizeof gate_path, "%s/gate.sock", directory);
    snprintf(echo_path, sizeof echo_path, "%s/echo.sock", directory);
    snprintf(resolver_path, sizeof resolver_path, "%s/resolver.sock", directory);
    snprintf(nowhere, sizeof nowhere, "%s/mxward.sock", directory);
    tables_make();
    requests_make();
    listener = listen_at(gate_path);
    options.run_directory = directory;
    options.daemon_socket = nowhere;
    options.listeners = &listener;
    options.listener_count = 1;
    echo.listener = listen_at(echo_path);
    echo.reply_sizes[0] = socketmap_put(echo.replies[0], sizeof echo.replies[0], SOCKETMAP_OK,
                                        "dane-only protocols=>=TLSv1.2");
    echo.reply_sizes[1] =
        socketmap_put(echo.replies[1], sizeof echo.replies[1], SOCKETMAP_NOTFOUND, NULL);
    CHECK(pthread_create(&threads[0], NULL, gate_thread, &options) == 0 &&
          pthread_create(&threads[1], NULL, echo_thread, NULL) == 0);
    ours = (struct client){.descriptor = connect_to(gate_path)};
    measure_echo();
    measure_resolver();
    gate_stop(atomic_load(&gate));
    atomic_store(&echo.stop, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    clean();
    return bench_finish();
}
