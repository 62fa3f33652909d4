/*
 * alarm.c - see alarm.h. One list for the process, under one mutex that is held for a copy.
 *
 * The command gets kind, domain, sentence and the number of alarms since its last run as arguments,
 * an empty standard input, and our standard error; it is not a shell's line. What it does not
 * finish within a pause is left running, and no second one is started beside it.
 */
#include "engine/alarm.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define QUIET_S 60 /* the same alarm again within this is only counted */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct alarm alarms[LIMIT_ALARMS]; /* a ring; guarded by lock */
static uint64_t raised;                   /* all, also those that only counted; guarded by lock */
static uint64_t kept;                     /* in the ring so far; guarded by lock */
static counter counts[ALARM_KINDS];       /* written under lock */

/* The main thread's. */
static uint64_t told;
static pid_t child;
static uint64_t next_ms, give_up_ms;

const char *alarm_name(enum alarm_kind kind)
{
    static const char *const names[] = {
        [ALARM_HELD] = "held",           [ALARM_CONTRADICTED] = "contradicted",
        [ALARM_SELF_TEST] = "self-test", [ALARM_STORE] = "store",
        [ALARM_PROFILE] = "profile",
    };

    CHECK((size_t)kind < ALARM_KINDS);
    return names[kind];
}

/* Under the lock. */
static bool is_repeated(enum alarm_kind kind, const char *domain, int64_t now_s)
{
    const uint64_t count = kept < LIMIT_ALARMS ? kept : LIMIT_ALARMS;

    for (uint64_t i = 1; i <= count; i++) {
        const struct alarm *alarm = &alarms[(kept - i) % LIMIT_ALARMS];

        if (alarm->kind == kind && now_s - alarm->at_s < QUIET_S && now_s >= alarm->at_s &&
            strcmp(alarm->domain, domain) == 0)
            return true;
    }
    return false;
}

static const char *event_word(enum alarm_kind kind)
{
    static const char *const words[] = {
        [ALARM_HELD] = "alarm-held",           [ALARM_CONTRADICTED] = "alarm-contradicted",
        [ALARM_SELF_TEST] = "alarm-self-test", [ALARM_STORE] = "alarm-store",
        [ALARM_PROFILE] = "alarm-profile",
    };

    return words[kind];
}

void alarm_raise(enum alarm_kind kind, const char *domain, const char *format, ...)
{
    struct alarm alarm = {.kind = kind, .at_s = clock_wall_s()};
    va_list arguments;
    bool repeated;

    CHECK((size_t)kind < ALARM_KINDS);
    snprintf(alarm.domain, sizeof alarm.domain, "%s", domain);
    va_start(arguments, format);
    vsnprintf(alarm.sentence, sizeof alarm.sentence, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&lock);
    counter_add(&counts[kind], 1);
    repeated = is_repeated(kind, alarm.domain, alarm.at_s);
    if (!repeated) {
        raised++;
        alarms[kept++ % LIMIT_ALARMS] = alarm;
    }
    pthread_mutex_unlock(&lock);
    if (!repeated)
        log_warning(event_word(kind), "domain=%s %s", domain[0] != '\0' ? domain : "-",
                    alarm.sentence);
}

uint64_t alarm_count(enum alarm_kind kind)
{
    CHECK((size_t)kind < ALARM_KINDS);
    return counter_read(&counts[kind]);
}

size_t alarm_recent(struct alarm *out, size_t most)
{
    size_t count;

    pthread_mutex_lock(&lock);
    count = kept < LIMIT_ALARMS ? (size_t)kept : LIMIT_ALARMS;
    if (count > most)
        count = most;
    for (size_t i = 0; i < count; i++)
        out[i] = alarms[(kept - 1 - i) % LIMIT_ALARMS];
    pthread_mutex_unlock(&lock);
    return count;
}

/* --- the command --- */

static void command_run(const char *command, const struct alarm *alarm, uint64_t since)
{
    char kind[32], count[32], domain[256], sentence[256], program[4096];
    char *words[] = {program, kind, domain, sentence, count, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int error;

    snprintf(program, sizeof program, "%s", command);
    snprintf(kind, sizeof kind, "%s", alarm_name(alarm->kind));
    snprintf(domain, sizeof domain, "%s", alarm->domain);
    snprintf(sentence, sizeof sentence, "%s", alarm->sentence);
    snprintf(count, sizeof count, "%llu", (unsigned long long)since);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none); /* ours are blocked for signalfd */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    error = posix_spawn(&child, program, &actions, &attributes, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        child = 0;
        log_error("alarm-command", "cannot run %s: %s (alarm.command)", program, strerror(error));
    }
}

void alarm_turn(const char *command, uint64_t pause_ms, uint64_t now_ms)
{
    struct alarm newest = {0};
    uint64_t all;
    int status;

    if (child != 0 && waitpid(child, &status, WNOHANG) == child) {
        if (status != 0)
            log_warning("alarm-command", "ended with status %d", status);
        child = 0;
    }
    if (child != 0 && now_ms >= give_up_ms) { /* one that hangs must not keep the next from us */
        log_warning("alarm-command", "is not done after %d s: killed",
                    LIMIT_ALARM_COMMAND_MS / 1000);
        kill(child, SIGKILL);
        give_up_ms = UINT64_MAX;
    }
    pthread_mutex_lock(&lock);
    all = raised;
    if (all > 0)
        newest = alarms[(kept - 1) % LIMIT_ALARMS];
    pthread_mutex_unlock(&lock);
    if (all == told || now_ms < next_ms || child != 0)
        return;
    if (command != NULL) {
        command_run(command, &newest, all - told);
        give_up_ms = now_ms + LIMIT_ALARM_COMMAND_MS;
        next_ms = now_ms + pause_ms;
    }
    told = all;
}
