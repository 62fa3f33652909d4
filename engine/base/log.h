/*
 * log.h - one structured record, one line: what happened, to whom, in key=value (mail.log manner).
 *
 * Any thread; a line is one write(2) to standard error or one datagram to the journal or syslog.
 * Lines of an event are limited to LOG_PER_EVENT_PER_SECOND, what was kept back is counted and
 * said. Remote text goes through log_escape first. Local parts of addresses are never logged.
 */
#ifndef MXWARD_BASE_LOG_H
#define MXWARD_BASE_LOG_H

#include <stddef.h>

enum log_level {
    LOG_ERROR_LEVEL,
    LOG_WARNING_LEVEL,
    LOG_NOTICE_LEVEL,
    LOG_INFO_LEVEL,
    LOG_TRACE_LEVEL
};

/* "stderr", "journal" or "syslog"; "journal:PATH" and "syslog:PATH" for a socket elsewhere. What
 * cannot be reached is replaced by standard error. Before other threads start. */
void log_start(enum log_level level, const char *target);
int log_target_is_known(const char *target); /* one of those; whether it can be reached or not */
void log_set_level(enum log_level level);
int log_enabled(enum log_level level);
/* `event` is a short constant word ("probe-ended"): the unit of rate limiting and of grep. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Printable ASCII, everything else as \xNN; always terminated; returns the length. */
size_t log_escape(char *out, size_t size, const void *bytes, size_t length);

#define log_error(event, ...)   log_event(LOG_ERROR_LEVEL, event, __VA_ARGS__)
#define log_warning(event, ...) log_event(LOG_WARNING_LEVEL, event, __VA_ARGS__)
#define log_notice(event, ...)  log_event(LOG_NOTICE_LEVEL, event, __VA_ARGS__)
#define log_info(event, ...)    log_event(LOG_INFO_LEVEL, event, __VA_ARGS__)
#define log_trace(event, ...)                               \
    do {                                                    \
        if (log_enabled(LOG_TRACE_LEVEL))                   \
            log_event(LOG_TRACE_LEVEL, event, __VA_ARGS__); \
    } while (0)

#endif
