/*
 * mxward-gate.c - the gate's main: arguments, settings, sockets, signals.
 *
 *   load ─► listeners ─► gate_run in a thread ─► wait for signals ─► gate_stop
 *
 * Reads the daemon's file (section `gate`, and where the daemon's socket and tables are). Starts
 * and serves without the daemon: then it answers from the tables that were left, and with temporary
 * errors where those say nothing. Stays in the foreground; SIGTERM and SIGINT stop it.
 * SIGHUP reloads: a bad file leaves the old settings in force and says so.
 *
 * Exit codes (sysexits): 0 stopped as asked, 64 usage, 69 the system lacks what it needs, 75
 * another one listens there, 77 not permitted, 78 bad configuration.
 */
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/signals.h"
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

/* One reading of the file, and what was made of it. */
struct settings {
    struct configuration *configuration;
    struct option_origin *origin;
    struct places *trusted;
    struct gate_options options;
};

struct running {
    const char *file; /* NULL: none */
    struct settings
        *started;         /* its sockets are open, its tables are read; freed at the end alone */
    struct settings *now; /* in force, but for what needs a restart; may be `started` */
    struct listener listeners[LISTENERS];
    int descriptors[LISTENERS];
    uint32_t count;
    char daemon_socket[128];
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

static size_t socket_count(const struct gate_settings *gate)
{
    return gate->sockets.count > 0 ? gate->sockets.count : 1;
}

static int judge(struct settings *settings, char *why, size_t why_size)
{
    const struct configuration *configuration = settings->configuration;
    int error = places_create(&settings->trusted, &configuration->guarantee.trusted_hops,
                              "guarantee.trusted_hops", why, why_size);

    for (size_t i = 0; error == 0 && i < socket_count(&configuration->gate); i++) {
        const struct listener_wish wish = wish_of(&configuration->gate, i);

        error = listener_judge(&wish, false, why, why_size);
    }
    return error;
}

static void settings_free(struct settings *settings)
{
    if (settings == NULL)
        return;
    places_destroy(settings->trusted);
    if (settings->configuration != NULL)
        option_free(&configuration_table, settings->configuration, settings->origin);
    free(settings);
}

/* Reads and judges: the only way in, for -t, the start and a reload. EX_OK, or a code with a
 * sentence, and there are none. */
static int load(struct settings **out, const char *file, char *why, size_t why_size)
{
    struct settings *settings = calloc(1, sizeof *settings);
    void *configuration;
    int error;

    *out = NULL;
    if (settings == NULL) {
        snprintf(why, why_size, "out of memory");
        return EX_UNAVAILABLE;
    }
    if (option_load(&configuration_table, file, &configuration, &settings->origin, why, why_size) !=
        0) {
        free(settings);
        return EX_CONFIG;
    }
    settings->configuration = configuration;
    error = judge(settings, why, why_size);
    if (error == 0) {
        *out = settings;
        return EX_OK;
    }
    option_locate(&configuration_table, settings->origin, why, why_size);
    settings_free(settings);
    return exit_code_of(error);
}

static void daemon_socket_of(char *out, size_t size, const struct configuration *configuration)
{
    if (configuration->listen.socket != NULL)
        snprintf(out, size, "%s", configuration->listen.socket);
    else
        snprintf(out, size, "%.100s/mxward.sock", configuration->daemon.run_directory);
}

/* What needs a restart is as it was started with. */
static void options_make(const struct running *running, struct settings *settings)
{
    const struct configuration *started = running->started->configuration;
    const struct gate_settings *gate = &settings->configuration->gate;

    settings->options = (struct gate_options){
        .run_directory = started->daemon.run_directory,
        .daemon_socket = running->daemon_socket,
        .listeners = running->descriptors,
        .listener_count = running->count,
        .trusted = settings->trusted,
        .connections = (uint32_t)started->gate.connections,
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

/* --- reload --- */

/* Of what is the daemon's, too, and needs a restart here: how many, each said. */
static unsigned compare_shared(const struct running *running, const struct configuration *fresh)
{
    const struct configuration *started = running->started->configuration;
    char socket[sizeof running->daemon_socket];
    unsigned count = 0;

    daemon_socket_of(socket, sizeof socket, fresh);
    if (strcmp(socket, running->daemon_socket) != 0 && ++count > 0)
        fprintf(stderr, "listen.socket = %s needs a restart; running with %s\n", socket,
                running->daemon_socket);
    if (strcmp(fresh->daemon.run_directory, started->daemon.run_directory) != 0 && ++count > 0)
        fprintf(stderr, "daemon.run_directory = %s needs a restart; running with %s\n",
                fresh->daemon.run_directory, started->daemon.run_directory);
    if (strcmp(fresh->daemon.log_target, started->daemon.log_target) != 0 && ++count > 0)
        fprintf(stderr, "daemon.log_target = %s needs a restart; running with %s\n",
                fresh->daemon.log_target, started->daemon.log_target);
    return count;
}

/* Loads to a new object, and swaps only if it is good and taken. `why` says how it went. */
static bool reload(struct running *running, char *why, size_t why_size)
{
    struct settings *fresh;
    size_t restart;

    if (load(&fresh, running->file, why, why_size) != EX_OK || fresh == NULL)
        return false;
    options_make(running, fresh);
    if (gate_reload(running->gate, &fresh->options) != 0) {
        snprintf(why, why_size, "the loop does not turn");
        settings_free(fresh);
        return false;
    }
    if (running->now != running->started)
        settings_free(running->now);
    running->now = fresh;
    log_set_level((enum log_level)fresh->configuration->daemon.log_level);
    restart = option_compare(&gate_settings_table, running->started->configuration,
                             fresh->configuration, stderr) +
              compare_shared(running, fresh->configuration);
    if (restart == 0)
        snprintf(why, why_size, "all settings are in force");
    else
        snprintf(why, why_size, "in force, but %zu settings need a restart (see the log)", restart);
    return true;
}

static void reload_and_say(struct running *running)
{
    char why[512] = "";
    bool good;

    notify("RELOADING=1\n");
    good = reload(running, why, sizeof why);
    if (good)
        log_notice("reloaded", "%s", why);
    else
        log_error("reload-refused", "%s; the old settings stay in force", why);
    notify(good ? "READY=1\nSTATUS=serving\n"
                : "READY=1\nSTATUS=reload refused, the old settings stay in force\n");
}

/* --- running --- */

static int open_listeners(struct running *running, char *why, size_t why_size)
{
    for (uint32_t i = 0; i < running->count; i++) {
        const struct listener_wish wish = wish_of(&running->started->configuration->gate, i);
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

    running->error = gate_create(&running->gate, &running->started->options);
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
        if (poll(&wait, 1, 1000) > 0 && read(signals, &signal, sizeof signal) == sizeof signal) {
            if (signal.ssi_signo != SIGHUP)
                return;
            reload_and_say(running);
        }
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

static int run(struct running *running, char *why, size_t why_size)
{
    const struct configuration *configuration = running->started->configuration;
    int signals, error, code;

    log_start((enum log_level)configuration->daemon.log_level, configuration->daemon.log_target);
    signals = signals_open();
    sem_init(&running->created, 0, 0);
    daemon_socket_of(running->daemon_socket, sizeof running->daemon_socket, configuration);
    running->count = (uint32_t)socket_count(&configuration->gate);
    options_make(running, running->started);
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
    option_locate(&configuration_table, running->started->origin, why, why_size);
    fprintf(stderr, "mxward-gate: cannot go on: %s\n", why);
    return code;
}

int main(int count, char **texts)
{
    struct running running = {0};
    bool test_only;
    char why[512] = "";
    int code;

    running.file = parse_arguments(count, texts, &test_only);
    code = load(&running.started, running.file, why, sizeof why);
    running.now = running.started;
    if (running.started == NULL)
        fprintf(stderr, "mxward-gate: %s\n", why);
    else if (test_only)
        printf("mxward-gate: %s is good\n",
               running.file != NULL ? running.file : "the standard configuration");
    else
        code = run(&running, why, sizeof why);
    gate_destroy(running.gate);
    if (running.now != running.started)
        settings_free(running.now);
    settings_free(running.started);
    return code;
}
