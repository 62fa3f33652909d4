/*
 * log.c - structured lines to standard error, the journal or syslog.
 *
 * Any thread, after log_start (before it: notice and above to standard error). A line is formatted
 * on the stack and leaves with one system call, so lines of different threads never mix. Each event
 * word may speak LOG_PER_EVENT_PER_SECOND times a second; what was kept back is said with the next
 * line of anyone, once the second is over.
 *
 * Nobody who decides about mail waits for who reads the log. A socket that does not take the line
 * (full, gone) is not waited for: the line goes to standard error instead. Standard error that
 * takes nothing now (a pipe or terminal whose reader stands still) loses the line; how many were
 * lost is said with the next one that goes. Its flags are not touched: O_NONBLOCK belongs to the
 * open file, which other programs share.
 *
 * Weakness: a file on a disk that stands still is waited for.
 * Weakness: more than LOG_EVENTS different event words share the last place's limit.
 */
#include "engine/base/log.h"

#include "engine/base/clock.h"
#include "engine/base/limits.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_SOCKET  "/dev/log"
#define SYSLOG_MAIL    (2 << 3)

enum target { TARGET_STDERR, TARGET_STDERR_JOURNAL, TARGET_JOURNAL, TARGET_SYSLOG };

static const struct {
    const char *word;
    int priority; /* of syslog(3) */
} levels[] = {
    [LOG_ERROR_LEVEL] = {"error", 3},   [LOG_WARNING_LEVEL] = {"warning", 4},
    [LOG_NOTICE_LEVEL] = {"notice", 5}, [LOG_INFO_LEVEL] = {"info", 6},
    [LOG_TRACE_LEVEL] = {"trace", 7},
};

/* How often an event spoke in the current second. Guarded by `lock`. */
struct speaker {
    char event[LOG_EVENT_WORD];
    int64_t second;
    uint32_t lines, kept_back;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct speaker speakers[LOG_EVENTS];
static size_t speaker_count;
static atomic_int current_level = LOG_NOTICE_LEVEL;
/* Written by log_start before there are other threads. */
static enum target target = TARGET_STDERR;
static int target_socket = -1;

static int connect_datagram(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* "name" or "name:path": the path, or NULL if `text` is another target. */
static const char *target_path(const char *text, const char *name, const char *standard)
{
    size_t length = strlen(name);
    if (text == NULL || strncmp(text, name, length) != 0)
        return NULL;
    if (text[length] == ':')
        return text + length + 1;
    return text[length] == '\0' ? standard : NULL;
}

int log_target_is_known(const char *text)
{
    return text == NULL || strcmp(text, "stderr") == 0 ||
           target_path(text, "journal", JOURNAL_SOCKET) != NULL ||
           target_path(text, "syslog", SYSLOG_SOCKET) != NULL;
}

void log_start(enum log_level level, const char *text)
{
    log_set_level(level);
    if (target_socket >= 0)
        close(target_socket);
    target_socket = -1;
    /* systemd reads "<N>" at the start of a line on standard error and stamps the time itself. */
    target = getenv("JOURNAL_STREAM") != NULL ? TARGET_STDERR_JOURNAL : TARGET_STDERR;
    const char *journal = target_path(text, "journal", JOURNAL_SOCKET);
    const char *syslog = target_path(text, "syslog", SYSLOG_SOCKET);
    if (journal != NULL || syslog != NULL)
        target_socket = connect_datagram(journal != NULL ? journal : syslog);
    if (target_socket >= 0)
        target = journal != NULL ? TARGET_JOURNAL : TARGET_SYSLOG;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

int log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

size_t log_escape(char *out, size_t size, const void *bytes, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *in = bytes;
    size_t used = 0;
    if (size == 0)
        return 0;
    for (size_t i = 0; i < length; i++) {
        bool plain = in[i] >= 0x20 && in[i] < 0x7f && in[i] != '\\';
        size_t need = plain ? 1 : 4;
        if (used + need >= size)
            break; /* cut between characters, never inside an escape */
        if (plain) {
            out[used++] = (char)in[i];
            continue;
        }
        out[used++] = '\\';
        out[used++] = 'x';
        out[used++] = digits[in[i] >> 4];
        out[used++] = digits[in[i] & 15];
    }
    out[used] = '\0';
    return used;
}

static size_t clamp(int length, size_t size)
{
    if (length < 0)
        return 0;
    return (size_t)length < size ? (size_t)length : size - 1;
}

static size_t format_stamp(char *out, size_t size)
{
    struct tm when;
    time_t now = (time_t)clock_wall_s();
    if (gmtime_r(&now, &when) == NULL)
        return 0;
    return strftime(out, size, "%Y-%m-%dT%H:%M:%SZ ", &when);
}

/* Guards what is asked of standard error until it is written: a pipe that can be written to has
 * room for PIPE_BUF bytes, one line, not for one of each thread. */
static pthread_mutex_t stderr_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t stderr_lost; /* lines since the last that was written */

_Static_assert(LOG_LINE + 128 <= PIPE_BUF, "a line fits where poll(2) says that there is room");

/* Under `stderr_lock`. */
static bool write_if_taken(const char *line, size_t length)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0 &&
           write(STDERR_FILENO, line, length) == (ssize_t)length;
}

static size_t stderr_line(char *line, size_t size, enum log_level level, const char *event,
                          const char *text)
{
    size_t used = 0;
    if (target == TARGET_STDERR_JOURNAL)
        used = clamp(snprintf(line, size, "<%d>", levels[level].priority), size);
    else
        used = format_stamp(line, size);
    return used +
           clamp(snprintf(line + used, size - used, "%s %s: %s\n", levels[level].word, event, text),
                 size - used);
}

static void write_stderr(enum log_level level, const char *event, const char *text)
{
    char line[LOG_LINE + 128], count[32];
    size_t length;
    pthread_mutex_lock(&stderr_lock);
    if (stderr_lost > 0) {
        snprintf(count, sizeof(count), "lines=%u", stderr_lost);
        length = stderr_line(line, sizeof(line), LOG_WARNING_LEVEL, "log-lost", count);
        if (write_if_taken(line, length))
            stderr_lost = 0;
    }
    length = stderr_line(line, sizeof(line), level, event, text);
    if (!write_if_taken(line, length))
        stderr_lost++;
    pthread_mutex_unlock(&stderr_lock);
}

static bool send_line(enum log_level level, const char *event, const char *text)
{
    char line[LOG_LINE + 256];
    int length;
    /* Of the event word alone: the same in every version, so that a catalogue and filters can name
     * it (mxward(8) lists those of the alarms). */
    const XXH128_hash_t id = XXH3_128bits(event, strlen(event));

    if (target == TARGET_JOURNAL)
        length = snprintf(line, sizeof(line),
                          "PRIORITY=%d\nSYSLOG_IDENTIFIER=mxward\nMXWARD_EVENT=%s\n"
                          "MESSAGE_ID=%016llx%016llx\nMESSAGE=%s: %s\n",
                          levels[level].priority, event, (unsigned long long)id.high64,
                          (unsigned long long)id.low64, event, text);
    else
        length = snprintf(line, sizeof(line), "<%d>mxward[%d]: %s: %s: %s",
                          SYSLOG_MAIL | levels[level].priority, (int)getpid(), levels[level].word,
                          event, text);
    return send(target_socket, line, clamp(length, sizeof(line)), MSG_NOSIGNAL) >= 0;
}

static void emit(enum log_level level, const char *event, char *text)
{
    /* Whatever a format let through: a line stays one line. */
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    if (target_socket < 0 || !send_line(level, event, text))
        write_stderr(level, event, text);
}

/* Under `lock`: the place that counts for `event`. */
static struct speaker *find_speaker(const char *event)
{
    for (size_t i = 0; i < speaker_count; i++)
        if (strncmp(speakers[i].event, event, LOG_EVENT_WORD - 1) == 0)
            return &speakers[i];
    if (speaker_count == LOG_EVENTS)
        return &speakers[LOG_EVENTS - 1];
    struct speaker *speaker = &speakers[speaker_count++];
    snprintf(speaker->event, sizeof(speaker->event), "%s", event);
    return speaker;
}

/* Under `lock`: takes one event that was kept back in an earlier second. */
static bool take_kept_back(int64_t second, struct speaker *kept)
{
    for (size_t i = 0; i < speaker_count; i++) {
        if (speakers[i].kept_back == 0 || speakers[i].second == second)
            continue;
        *kept = speakers[i];
        speakers[i].kept_back = 0;
        return true;
    }
    return false;
}

static bool may_speak(const char *event, int64_t second)
{
    pthread_mutex_lock(&lock);
    struct speaker *speaker = find_speaker(event);
    if (speaker->second != second && speaker->kept_back == 0) {
        speaker->second = second;
        speaker->lines = 0;
    }
    bool may = speaker->second == second && speaker->lines < LOG_PER_EVENT_PER_SECOND;
    if (may)
        speaker->lines++;
    else
        speaker->kept_back++;
    pthread_mutex_unlock(&lock);
    return may;
}

static void say_what_was_kept_back(int64_t second)
{
    for (size_t i = 0; i < LOG_EVENTS; i++) {
        struct speaker kept;
        char text[64];
        pthread_mutex_lock(&lock);
        bool found = take_kept_back(second, &kept);
        pthread_mutex_unlock(&lock);
        if (!found)
            return;
        snprintf(text, sizeof(text), "kept_back=%u", kept.kept_back);
        emit(LOG_NOTICE_LEVEL, kept.event, text);
    }
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int64_t second = (int64_t)(clock_boot_ms() / 1000);
    say_what_was_kept_back(second);
    if (!may_speak(event, second))
        return;
    char text[LOG_LINE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    emit(level, event, text);
}
