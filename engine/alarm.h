/*
 * alarm.h - what an administrator must look at: held mail, a contradicted memory, a failing
 * self-test, a store that cannot be written, a profile that is missing.
 *
 * Each alarm raises a counter of its kind, one log event with a message id of its own, a line in
 * `mxwardctl status`, and (section `alarm`) runs a command. Any thread raises; nobody waits. Only
 * the main thread runs the command, at most one at a time and not more often than the pause: what
 * came meanwhile is said by the number of alarms since.
 */
#ifndef MXWARD_ALARM_H
#define MXWARD_ALARM_H

#include "engine/base/counter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum alarm_kind {
    ALARM_HELD,         /* mail is held or stopped because of what is remembered */
    ALARM_CONTRADICTED, /* evidence below what is remembered: the review queue has one more */
    ALARM_SELF_TEST,
    ALARM_STORE,
    ALARM_PROFILE, /* accounts have one that is not configured: their mail is deferred */
    ALARM_KINDS
};

struct alarm {
    enum alarm_kind kind;
    int64_t at_s;
    char domain[256]; /* "": none in particular */
    char sentence[256];
};

/* `domain` is canonical or empty. Repeats of kind and domain within a minute count, and no more. */
void alarm_raise(enum alarm_kind kind, const char *domain, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t alarm_count(enum alarm_kind kind); /* since start */
/* The newest `most`, newest first; returns how many. */
size_t alarm_recent(struct alarm *alarms, size_t most);
const char *alarm_name(enum alarm_kind kind);

/* Main thread, about once a second: runs `command` (NULL: none) for what is new. */
void alarm_turn(const char *command, uint64_t pause_ms, uint64_t now_ms);

#endif
