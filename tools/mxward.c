/*
 * mxward.c - the daemon's main: arguments, configuration, signals, and the order of life.
 *
 *   load (read and judge) ─► engine_start ─► serve_start ─► wait for signals ─►
 *   engine_drain, serve_stop, engine_stop
 *
 * Stays in the foreground and logs to where the configuration says; a service manager does the rest
 * (readiness and watchdog by NOTIFY_SOCKET). SIGHUP reloads: a bad file leaves the old settings in
 * force and says so. SIGTERM and SIGINT stop.
 *
 * Exit codes (sysexits): 0 stopped as asked, 64 usage, 69 the system lacks what mxward needs
 * (io_uring …), 70 work was left when it had to end, 75 another mxward has the table, 77 not
 * permitted, 78 bad configuration.
 */
#include "engine/alarm.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/signals.h"
#include "engine/engine.h"
#include "ipc/serve/serve.h"
#include "ipc/wire/version.h"
#include "ipc/socket/notify.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

struct arguments {
    const char *file; /* NULL: the standard one if it exists */
    bool test_only;
};

struct running {
    const char *file;
    struct configuration *configuration; /* in force, but for what needs a restart */
    struct option_origin *origin;
    struct configuration
        *started; /* what the daemon was started with; never freed before the end */
    struct option_origin *started_origin;
    struct engine *engine;
    struct serve *serve;
    bool self_test_failed[LIMIT_RESOLVERS];
};

#define STANDARD_FILE "/etc/mxward/mxward.conf"

static void print_usage(FILE *out)
{
    fputs("usage: mxward [-c FILE] [-t]\n"
          "  -c, --config FILE   settings (default " STANDARD_FILE ", if it exists)\n"
          "  -t, --test          only check the settings: 0 good, 78 bad\n"
          "      --sample        print a commented file with every setting and its default\n"
          "      --manual        print the settings as mdoc, for mxward.conf(5)\n"
          "      --version       print the version\n"
          "  -h, --help          print this and every setting\n",
          out);
}

static void print_and_leave(int what)
{
    switch (what) {
    case 'S':
        option_print_sample(&configuration_table, stdout);
        break;
    case 'M':
        option_print_manual(&configuration_table, stdout);
        break;
    case 'V':
        puts("mxward " MXWARD_VERSION);
        break;
    default:
        print_usage(stdout);
        putchar('\n');
        option_print_help(&configuration_table, stdout);
    }
    exit(EX_OK);
}

static void parse_arguments(struct arguments *arguments, int count, char **texts)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"test", no_argument, NULL, 't'},
        {"sample", no_argument, NULL, 'S'},
        {"manual", no_argument, NULL, 'M'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int letter;

    *arguments = (struct arguments){0};
    while ((letter = getopt_long(count, texts, "c:th", longs, NULL)) != -1) {
        switch (letter) {
        case 'c':
            arguments->file = optarg;
            break;
        case 't':
            arguments->test_only = true;
            break;
        case '?':
            print_usage(stderr);
            exit(EX_USAGE);
        default:
            print_and_leave(letter);
        }
    }
    if (optind != count) {
        print_usage(stderr);
        exit(EX_USAGE);
    }
    if (arguments->file == NULL && access(STANDARD_FILE, F_OK) == 0)
        arguments->file = STANDARD_FILE;
}

static int exit_code_of(int error)
{
    switch (-error) {
    case EBUSY:
    case EADDRINUSE:
        return EX_TEMPFAIL;
    case EACCES:
        return EX_NOPERM;
    case ENOSYS:
    case EPERM: /* io_uring refused by a filter or a sysctl; the sentence says which */
        return EX_UNAVAILABLE;
    case EINVAL:
    case ENOKEY: /* no usable trust anchor */
        return EX_CONFIG;
    default:
        return EX_UNAVAILABLE;
    }
}

/* Reads and judges: what passes here is wrong for nobody but the machine. The only way in, for -t,
 * the start and a reload. */
static int load(struct running *running, char *why, size_t why_size)
{
    void *configuration;
    int error;

    if (option_load(&configuration_table, running->file, &configuration, &running->origin, why,
                    why_size) != 0)
        return EX_CONFIG;
    error = engine_judge(configuration, why, why_size);
    if (error == 0)
        error = serve_judge(configuration, why, why_size);
    if (error != 0) {
        option_locate(&configuration_table, running->origin, why, why_size);
        option_free(&configuration_table, configuration, running->origin);
        return exit_code_of(error);
    }
    running->configuration = configuration;
    return EX_OK;
}

static int start(struct running *running)
{
    char why[512] = "";
    int error;

    log_start((enum log_level)running->configuration->daemon.log_level,
              running->configuration->daemon.log_target);
    error = engine_start(&running->engine, running->configuration, why, sizeof why);
    if (error == 0) {
        error =
            serve_start(&running->serve, running->engine, running->configuration, why, sizeof why);
        if (error != 0) {
            engine_stop(running->engine);
            running->engine = NULL;
        }
    }
    if (error != 0) {
        option_locate(&configuration_table, running->origin, why, sizeof why);
        fprintf(stderr, "mxward: cannot start: %s\n", why[0] != '\0' ? why : strerror(-error));
        return exit_code_of(error);
    }
    return EX_OK;
}

/* Loads to a new object, and swaps only if it is good and taken. `why` says how it went. */
static bool reload(struct running *running, char *why, size_t why_size)
{
    struct running fresh = {.file = running->file};
    char sentence[256];
    size_t restart;

    if (load(&fresh, why, why_size) != EX_OK)
        return false;
    /* First what can refuse and changes nothing then: the rights. */
    if (serve_reload(running->serve, fresh.configuration, why, why_size) != 0) {
        option_free(&configuration_table, fresh.configuration, fresh.origin);
        return false;
    }
    if (engine_reload(running->engine, fresh.configuration, sentence, sizeof sentence) != 0) {
        /* A shard may still look at either: both are kept. */
        snprintf(why, why_size, "taken in part only, restart mxward: %s", sentence);
        return false;
    }
    restart = option_compare(&daemon_settings_table, running->started, fresh.configuration, stderr);
    if (running->configuration != running->started)
        option_free(&configuration_table, running->configuration, running->origin);
    running->configuration = fresh.configuration;
    running->origin = fresh.origin;
    log_set_level((enum log_level)running->configuration->daemon.log_level);
    if (restart == 0)
        snprintf(why, why_size, "all settings are in force");
    else
        snprintf(why, why_size, "in force, but %zu settings need a restart (see the log)", restart);
    return true;
}

static bool reload_and_say(struct running *running, char *why, size_t why_size)
{
    bool good;

    notify("RELOADING=1\n");
    good = reload(running, why, why_size);
    if (good)
        log_notice("reloaded", "epoch=%u %s", engine_config_epoch(running->engine), why);
    else
        log_error("reload-refused", "%s", why);
    notify(good ? "READY=1\nSTATUS=serving\n"
                : "READY=1\nSTATUS=reload refused, the old settings stay in force\n");
    return good;
}

/* What a client asked of the main thread: a reload, or the settings as text. */
static void work(struct running *running)
{
    enum serve_work what = serve_work_take(running->serve);
    char why[512] = "", *text = NULL;
    size_t size = 0;
    FILE *out;
    bool good;

    if (what == SERVE_NOTHING)
        return;
    if (what == SERVE_RELOAD) {
        good = reload_and_say(running, why, sizeof why);
        serve_work_done(running->serve, good, why, strlen(why));
        return;
    }
    out = open_memstream(&text, &size);
    if (out == NULL) {
        serve_work_done(running->serve, false, "out of memory", strlen("out of memory"));
        return;
    }
    if (what == SERVE_CONFIG_SAMPLE)
        option_print_sample(&configuration_table, out);
    else
        option_print_effective(&configuration_table, running->configuration, running->origin, out);
    good = fclose(out) == 0;
    serve_work_done(running->serve, good, text, size);
    free(text);
}

static bool beats(uint64_t beat_ms, uint64_t now_ms)
{
    return beat_ms == 0 || now_ms <= beat_ms + LIMIT_SILENT_MS; /* 0: it has just begun */
}

/* The watchdog is fed only while every shard and the front have turned lately. */
static bool all_alive(const struct running *running)
{
    struct owners owners = engine_owners(running->engine);
    uint64_t now_ms = clock_boot_ms();

    for (uint16_t i = 0; i < owners.shards; i++)
        if (!beats(counter_read(&engine_shard_report(running->engine, i)->heartbeat_ms), now_ms))
            return false;
    return beats(serve_heartbeat_ms(running->serve), now_ms);
}

/* A self-test that fails is an alarm, once for each time that it begins to; one that passes vouches
 * for the clock, which signatures are valid by. */
static void watch_self_tests(struct running *running)
{
    struct owners owners = engine_owners(running->engine);
    bool all_passed = true;

    for (uint16_t i = 0; i < owners.resolvers; i++) {
        const struct resolver_counts *counts = engine_resolver_counts(running->engine, i);
        const uint32_t result = atomic_load_explicit(&counts->self_test, memory_order_relaxed);
        const bool failed = result == SELF_TEST_FAILED;

        if (failed && !running->self_test_failed[i])
            alarm_raise(ALARM_SELF_TEST, "", "DNSSEC validation (resolver %u): %s", i,
                        engine_self_test_text(running->engine, i));
        running->self_test_failed[i] = failed;
        all_passed &= result == SELF_TEST_PASSED;
    }
    engine_vouch(running->engine, all_passed);
}

/* Signals and clients' work, until somebody says stop. */
static void serve_until_stopped(struct running *running, int signals)
{
    struct pollfd waits[] = {
        {.fd = signals, .events = POLLIN},
        {.fd = serve_work_descriptor(running->serve), .events = POLLIN},
    };
    struct signalfd_siginfo signal;
    char why[512];

    for (;;) {
        if (poll(waits, 2, 1000) > 0) {
            if (waits[1].revents != 0)
                work(running);
            if (waits[0].revents != 0 && read(signals, &signal, sizeof signal) == sizeof signal) {
                if (signal.ssi_signo != SIGHUP)
                    return;
                reload_and_say(running, why, sizeof why);
            }
        }
        if (all_alive(running))
            notify("WATCHDOG=1\n");
        watch_self_tests(running);
        alarm_turn(running->configuration->alarm.command, running->configuration->alarm.pause_ms,
                   clock_boot_ms());
    }
}

int main(int count, char **texts)
{
    struct running running = {0};
    struct arguments arguments;
    char why[512];
    int code, signals;

    parse_arguments(&arguments, count, texts);
    running.file = arguments.file;
    code = load(&running, why, sizeof why);
    if (code != EX_OK) {
        fprintf(stderr, "mxward: %s\n", why);
        return code;
    }
    if (arguments.test_only) {
        printf("mxward: %s is good\n",
               arguments.file != NULL ? arguments.file : "the standard configuration");
        option_free(&configuration_table, running.configuration, running.origin);
        return EX_OK;
    }
    running.started = running.configuration;
    running.started_origin = running.origin;
    signals = signals_open();
    code = start(&running);
    if (code != EX_OK) {
        option_free(&configuration_table, running.configuration, running.origin);
        return code;
    }
    log_notice("started", "version=%s", MXWARD_VERSION);
    notify("READY=1\nSTATUS=serving\n");
    serve_until_stopped(&running, signals);
    notify("STOPPING=1\n");
    engine_drain(running.engine);
    serve_stop(running.serve);
    engine_stop(running.engine);
    serve_free(running.serve);
    if (running.configuration != running.started)
        option_free(&configuration_table, running.configuration, running.origin);
    option_free(&configuration_table, running.started, running.started_origin);
    log_notice("stopped", "as asked");
    return EX_OK;
}
