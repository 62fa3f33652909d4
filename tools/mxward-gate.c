/*
 * mxward-gate.c - the gate's main: arguments, settings, sockets, signals.
 *
 *   load ─► listeners ─► gate_run in a thread ─► wait for signals ─► gate_stop
 *
 * Reads the daemon's file (section `gate`, and where the daemon's socket and tables are). Starts
 * and serves without the daemon: then it answers from the tables that were left, and with temporary
 * errors where those say nothing. Stays in the foreground; SIGTERM and SIGINT stop it.
 *
 * Exit codes (sysexits): 0 stopped as asked, 64 usage, 69 the system lacks what it needs, 75
 * another one listens there, 77 not permitted, 78 bad configuration.
 */
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/engine.h"
#include "ipc/gate/gate.h"
#include "ipc/socket/listener.h"
#include "ipc/socket/notify.h"
#include "ipc/wire/version.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#define STANDARD_FILE   "/etc/mxward/mxward.conf"
#define STANDARD_SOCKET "/run/mxward-gate/gate.sock"
#define LISTENERS       16
#define BACKLOG         512
#define SILENT_MS       10000 /* a gate without a turn: the watchdog is not fed */

struct running {
    struct configuration *configuration;
    struct option_origin *origin;
    struct listener listeners[LISTENERS];
    int descriptors[LISTENERS];
    uint32_t count;
    struct places *trusted;
    char daemon_socket[128];
    struct gate_options options;
    struct gate *gate;
    pthread_t thread;
    sem_t created; /* posted by the thread: `gate` and `error` may be looked at */
    int error;
};

static void print_usage(FILE *out)
{
    fputs("usage: mxward-gate [-c FILE] [-t]\n"
          "  -c, --config FILE   settings (default " STANDARD_FILE ", if it exists)\n"
          "  -t, --test          only check the settings: 0 good, 78 bad\n"
          "      --version       print the version\n"
          "  -h, --help          print this\n",
          out);
}

/* The file, or NULL for none; ends the program where that is all that was asked. */
static const char *parse_arguments(int count, char **texts, bool *test_only)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"test", no_argument, NULL, 't'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *file = access(STANDARD_FILE, F_OK) == 0 ? STANDARD_FILE : NULL;
    int letter;

    *test_only = false;
    while ((letter = getopt_long(count, texts, "c:th", longs, NULL)) != -1) {
        if (letter == 'c') {
            file = optarg;
        } else if (letter == 't') {
            *test_only = true;
        } else if (letter == 'V') {
            puts("mxward-gate " MXWARD_VERSION);
            exit(EX_OK);
        } else {
            print_usage(letter == 'h' ? stdout : stderr);
            exit(letter == 'h' ? EX_OK : EX_USAGE);
        }
    }
    if (optind != count) {
        print_usage(stderr);
        exit(EX_USAGE);
    }
    return file;
}

static int exit_code_of(int error)
{
    switch (-error) {
    case 0:
        return EX_OK;
    case EADDRINUSE:
        return EX_TEMPFAIL;
    case EACCES:
        return EX_NOPERM;
    case EINVAL:
        return EX_CONFIG;
    default:
        return EX_UNAVAILABLE;
    }
}

/* --- settings --- */

static const char *socket_of(const struct gate_settings *gate, size_t index)
{
    return gate->sockets.count > 0 ? gate->sockets.texts[index] : STANDARD_SOCKET;
}

static struct listener_wish wish_of(const struct gate_settings *gate, size_t index)
{
    return (struct listener_wish){
        .path = socket_of(gate, index),
        .path_setting = "gate.sockets",
        .owner_setting = "gate.owner",
        .group_setting = "gate.group",
        .mode = (mode_t)gate->mode,
        .owner = gate->owner,
        .group = gate->group,
        .backlog = BACKLOG,
    };
}

static int judge(struct running *running, char *why, size_t why_size)
{
    const struct configuration *configuration = running->configuration;
    const size_t sockets = configuration->gate.sockets.count;
    int error = places_create(&running->trusted, &configuration->guarantee.trusted_hops,
                              "guarantee.trusted_hops", why, why_size);

    running->count = (uint32_t)(sockets > 0 ? sockets : 1);
    for (uint32_t i = 0; error == 0 && i < running->count; i++) {
        const struct listener_wish wish = wish_of(&configuration->gate, i);

        error = listener_judge(&wish, false, why, why_size);
    }
    return error;
}

static int load(struct running *running, const char *file, char *why, size_t why_size)
{
    void *configuration;
    int error;

    if (option_load(&configuration_table, file, &configuration, &running->origin, why, why_size) !=
        0)
        return EX_CONFIG;
    running->configuration = configuration;
    error = judge(running, why, why_size);
    if (error == 0)
        return EX_OK;
    option_locate(&configuration_table, running->origin, why, why_size);
    return exit_code_of(error);
}

static void options_make(struct running *running)
{
    const struct configuration *configuration = running->configuration;
    const struct gate_settings *gate = &configuration->gate;

    if (configuration->listen.socket != NULL)
        snprintf(running->daemon_socket, sizeof running->daemon_socket, "%s",
                 configuration->listen.socket);
    else
        snprintf(running->daemon_socket, sizeof running->daemon_socket, "%.100s/mxward.sock",
                 configuration->daemon.run_directory);
    running->options = (struct gate_options){
        .run_directory = configuration->daemon.run_directory,
        .daemon_socket = running->daemon_socket,
        .listeners = running->descriptors,
        .listener_count = running->count,
        .trusted = running->trusted,
        .connections = (uint32_t)gate->connections,
        .deadline_ms = gate->deadline_ms,
        .steady_ms = gate->steady_ms,
        .idle_ms = gate->idle_ms,
        .transport_prefix = gate->transport_prefix,
        .ordinary_transport = gate->ordinary_transport,
        .split_transport = gate->split_transport,
        .observe = gate->observe,
        .help = gate->help,
    };
}

/* --- running --- */

static int open_listeners(struct running *running, char *why, size_t why_size)
{
    for (uint32_t i = 0; i < running->count; i++) {
        const struct listener_wish wish = wish_of(&running->configuration->gate, i);
        int error = listener_open(&running->listeners[i], &wish, why, why_size);

        if (error != 0)
            return error;
        running->descriptors[i] = running->listeners[i].descriptor;
        log_notice("listening", "socket=%s", wish.path);
    }
    return 0;
}

static void close_listeners(struct running *running)
{
    for (uint32_t i = 0; i < running->count; i++)
        if (running->listeners[i].path[0] != '\0')
            listener_close(&running->listeners[i]);
}

/* The ring belongs to the thread that made it. */
static void *gate_thread(void *context)
{
    struct running *running = context;

    running->error = gate_create(&running->gate, &running->options);
    sem_post(&running->created);
    notify(running->error == 0 ? "READY=1\nSTATUS=serving\n" : "STATUS=cannot start\n");
    if (running->error != 0)
        return NULL;
    running->error = gate_run(running->gate);
    if (running->error != 0) /* the ring is of no use any more */
        kill(getpid(), SIGTERM);
    return NULL;
}

static void serve_until_stopped(struct running *running, int signals)
{
    struct pollfd wait = {.fd = signals, .events = POLLIN};
    struct signalfd_siginfo signal;

    for (;;) {
        if (poll(&wait, 1, 1000) > 0 && read(signals, &signal, sizeof signal) == sizeof signal &&
            signal.ssi_signo != SIGHUP)
            return;
        if (gate_heartbeat_ms(running->gate) + SILENT_MS > clock_boot_ms())
            notify("WATCHDOG=1\n");
    }
}

static int serve(struct running *running, int signals)
{
    int error = -pthread_create(&running->thread, NULL, gate_thread, running);

    if (error != 0)
        return error;
    while (sem_wait(&running->created) != 0)
        continue;
    if (running->gate != NULL) {
        serve_until_stopped(running, signals);
        notify("STOPPING=1\n");
        gate_stop(running->gate);
    }
    pthread_join(running->thread, NULL);
    return running->error;
}

static const char *why_not_served(int error)
{
    const bool is_of_the_ring = error == -ENOSYS || error == -EPERM || error == -EINVAL;

    return is_of_the_ring ? ring_why_unavailable(error) : strerror(-error);
}

/* Blocked before any thread starts, so that only the main thread takes them. */
static int block_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int run(struct running *running, char *why, size_t why_size)
{
    int signals, error, code;

    log_start((enum log_level)running->configuration->daemon.log_level,
              running->configuration->daemon.log_target);
    signals = block_signals();
    sem_init(&running->created, 0, 0);
    options_make(running);
    error = open_listeners(running, why, why_size);
    code = exit_code_of(error);
    if (error == 0) {
        error = serve(running, signals);
        code = error != 0 ? EX_UNAVAILABLE : EX_OK; /* whatever it is, no setting mends it */
        if (error != 0)
            snprintf(why, why_size, "%s", why_not_served(error));
    }
    close_listeners(running);
    if (error == 0)
        return EX_OK;
    option_locate(&configuration_table, running->origin, why, why_size);
    fprintf(stderr, "mxward-gate: cannot go on: %s\n", why);
    return code;
}

int main(int count, char **texts)
{
    struct running running = {0};
    bool test_only;
    const char *file = parse_arguments(count, texts, &test_only);
    char why[512] = "";
    int code = load(&running, file, why, sizeof why);

    if (code != EX_OK)
        fprintf(stderr, "mxward-gate: %s\n", why);
    else if (test_only)
        printf("mxward-gate: %s is good\n", file != NULL ? file : "the standard configuration");
    else
        code = run(&running, why, sizeof why);
    gate_destroy(running.gate);
    places_destroy(running.trusted);
    if (running.configuration != NULL)
        option_free(&configuration_table, running.configuration, running.origin);
    return code;
}
