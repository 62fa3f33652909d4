/*
 * mxward.c - the connection to the native socket, and questions on it: see mxward.h.
 *
 * Blocking for its caller, but never for the socket: the descriptor is non-blocking and `pump`
 * always reads while it writes, because the daemon stops reading a client that does not read.
 * Memory is the handle (buffers included) and one text buffer for documents, made when first used.
 *
 * Ids only grow. What is answered to an id below `expect_from` belongs to a call that gave up, and
 * is dropped. Failure of the connection itself closes it, sets the reason, and forgets what was
 * outstanding. The library includes ipc/decide, ipc/wire, shm and engine/names only.
 */
#include "ipc/client/handle.h"

#include "ipc/client/decision.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPTIONS_LEAST sizeof(struct mxw_options) /* of the first version */

int64_t handle_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int handle_fail(struct mxw *m, int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(m->reason, sizeof m->reason, format, arguments);
    va_end(arguments);
    return status;
}

const char *mxw_reason(const struct mxw *m)
{
    return m->reason;
}

const char *mxw_status_name(int status)
{
    static const char *const names[] = {
        "ok",      "unreachable", "not-permitted", "timeout", "busy",   "late", "trouble",
        "invalid", "refused",     "protocol",      "usage",   "memory", "full", "absent"};

    return status >= 0 && (size_t)status < sizeof names / sizeof names[0] ? names[status] : "?";
}

const char *mxw_flag_name(unsigned index, uint32_t *bit)
{
    return frame_flag_name(index, bit);
}

const struct mxw_daemon *mxw_about(const struct mxw *m)
{
    return &m->about;
}

static bool is_own(const struct mxw *m)
{
    return m->process == getpid();
}

unsigned mxw_outstanding(const struct mxw *m)
{
    return is_own(m) ? m->outstanding : 0;
}

unsigned mxw_ready(const struct mxw *m)
{
    return is_own(m) ? m->ready_count : 0;
}

int mxw_descriptor(const struct mxw *m)
{
    return is_own(m) ? m->fd : -1;
}

/* --- the handle --- */

static int tables_open(struct mxw *m, const char *directory)
{
    char folder[sizeof m->socket];
    char *end;

    if (directory == NULL) {
        snprintf(folder, sizeof folder, "%s", m->socket);
        end = strrchr(folder, '/');
        snprintf(end ? end : folder, end ? sizeof folder - (size_t)(end - folder) : sizeof folder,
                 "%s", end ? "" : ".");
        directory = folder[0] ? folder : "/";
    }
    return local_open(&m->local, directory) == 0 ? MXW_OK : MXW_MEMORY;
}

static int options_use(struct mxw *m, const struct mxw_options *options)
{
    const char *path = options->socket ? options->socket : MXW_STANDARD_SOCKET;

    if (strlen(path) >= sizeof m->socket)
        return MXW_USAGE;
    snprintf(m->socket, sizeof m->socket, "%s", path);
    snprintf(m->program, sizeof m->program, "%s",
             options->program ? options->program : "libmxward");
    m->connect_ms = options->connect_ms > 0 ? options->connect_ms : CONNECT_MS;
    if (options->tables && options->tables[0] == 0)
        return MXW_OK;
    return tables_open(m, options->tables);
}

int mxw_open(struct mxw **handle, const struct mxw_options *given)
{
    struct mxw_options options = MXW_OPTIONS_INIT;
    struct mxw *m;
    int status;

    if (given && !layout_take(&options, sizeof options, OPTIONS_LEAST, given))
        return MXW_USAGE;
    m = calloc(1, sizeof *m);
    if (!m)
        return MXW_MEMORY;
    m->fd = -1;
    m->process = getpid();
    m->next_id = m->expect_from = 1;
    m->patient = true;
    status = options_use(m, &options);
    if (status != MXW_OK) {
        mxw_close(m);
        return status;
    }
    m->looked_ms = tables_now_ms();
    *handle = m;
    return MXW_OK;
}

void handle_give_up(struct mxw *m)
{
    pending_forget(m);
    m->outstanding = m->ready_count;
    m->expect_from = m->next_id;
}

/* What was sent is forgotten; what the table has answered is not. */
static void link_close(struct mxw *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
    m->greeting = m->alone = false;
    m->in_start = m->in_end = m->out_start = m->out_end = 0;
    handle_give_up(m);
}

void handle_disconnect(struct mxw *m)
{
    handle_own(m);
    m->ready_count = 0;
    m->ready_start = m->ready_end = 0;
    link_close(m);
}

void handle_own(struct mxw *m)
{
    struct stat file;

    if (is_own(m))
        return;
    m->process = getpid();
    /* Many programs close all files after a fork: the number may be another file's by now. */
    if (m->fd >= 0 &&
        (fstat(m->fd, &file) != 0 || file.st_dev != m->fd_device || file.st_ino != m->fd_inode))
        m->fd = -1;
    m->silent_ms = 0;
    handle_disconnect(m);
}

void mxw_disconnect(struct mxw *m)
{
    HANDLE_ENTER(m, );
    handle_disconnect(m);
}

void mxw_close(struct mxw *m)
{
    if (!m)
        return;
    handle_disconnect(m);
    local_close(m->local);
    free(m->text);
    free(m);
}

/* --- bytes --- */

static int lost(struct mxw *m, const char *what)
{
    link_close(m);
    return handle_fail(m, MXW_UNREACHABLE, "%s: %s; is the daemon being restarted?", m->socket,
                       what);
}

static int write_some(struct mxw *m)
{
    while (m->out_start < m->out_end) {
        ssize_t n = send(m->fd, m->output + m->out_start, m->out_end - m->out_start,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return MXW_OK;
        if (n < 0) {
            /* What the daemon said before it closed may still be there to read. */
            m->out_start = m->out_end;
            return errno == EPIPE || errno == ECONNRESET ? MXW_OK : lost(m, strerror(errno));
        }
        m->out_start += (uint32_t)n;
    }
    m->out_start = m->out_end = 0;
    return MXW_OK;
}

static int read_some(struct mxw *m)
{
    ssize_t n;

    if (m->in_start > 0) {
        memmove(m->input, m->input + m->in_start, m->in_end - m->in_start);
        m->in_end -= m->in_start;
        m->in_start = 0;
    }
    if (m->in_end == INPUT_BYTES)
        return MXW_OK; /* frames are there to be taken first */
    do
        n = recv(m->fd, m->input + m->in_end, INPUT_BYTES - m->in_end, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return lost(m, "the daemon closed the connection");
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? MXW_OK : lost(m, strerror(errno));
    m->in_end += (uint32_t)n;
    return MXW_OK;
}

/* Writes what there is, waits until something can be read (or more written), and does it. */
static int pump(struct mxw *m, int64_t until_ms)
{
    struct pollfd wait = {.fd = m->fd, .events = POLLIN};
    int64_t left = until_ms - handle_now_ms();
    int status = write_some(m), n;

    if (status != MXW_OK)
        return status;
    if (m->out_start < m->out_end)
        wait.events |= POLLOUT;
    n = poll(&wait, 1, left < 0 ? 0 : left > 1 << 30 ? 1 << 30 : (int)left);
    if (n < 0 && errno != EINTR)
        return lost(m, strerror(errno));
    if (n <= 0)
        return left > 0 && n < 0 ? MXW_OK : handle_fail(m, MXW_TIMEOUT, "nothing came in time");
    status = write_some(m);
    if (status == MXW_OK && (wait.revents & (POLLIN | POLLHUP | POLLERR)))
        status = read_some(m);
    return status;
}

/* --- frames --- */

int status_of_fault(uint8_t code)
{
    switch ((enum frame_error)code) {
    case FRAME_ERROR_BUSY:
        return MXW_BUSY;
    case FRAME_ERROR_LATE:
        return MXW_LATE;
    case FRAME_ERROR_OURS:
        return MXW_TROUBLE;
    case FRAME_ERROR_NAME:
        return MXW_INVALID;
    case FRAME_ERROR_NOT_PERMITTED:
        return MXW_NOT_PERMITTED;
    case FRAME_ERROR_CONFIGURATION:
        return MXW_REFUSED;
    case FRAME_ERROR_ABSENT:
        return MXW_ABSENT;
    case FRAME_ERROR_NONE:
    case FRAME_ERROR_MALFORMED:
    case FRAME_ERROR_LOST:
    case FRAME_ERROR_VERSION:
    case FRAME_ERROR_KIND:
        break;
    }
    return MXW_PROTOCOL;
}

/* An error frame that is about the connection, not about a question. */
static int refused(struct mxw *m, const struct frame *frame)
{
    struct frame_fault fault;
    int status = MXW_PROTOCOL;

    link_close(m); /* the frame stays readable in our buffer */
    if (!frame_decode(&fault, frame, NULL))
        return handle_fail(m, MXW_PROTOCOL, "%s: not understood", m->socket);
    status = status_of_fault(fault.code);
    return handle_fail(m, status, "%s: %s", m->socket, fault.sentence);
}

/* The next frame that somebody waits for, the welcome included. */
static int take_frame(struct mxw *m, struct frame *frame, int64_t until_ms)
{
    for (;;) {
        size_t used = 0;
        int status = MXW_OK;

        switch (frame_take(frame, m->input + m->in_start, m->in_end - m->in_start, FRAME_ANSWER_MAX,
                           &used)) {
        case FRAME_WHOLE:
            m->in_start += (uint32_t)used;
            if (frame->kind == FRAME_ERROR && frame->id == 0)
                return refused(m, frame);
            if (frame->id >= m->expect_from)
                return MXW_OK;
            break; /* of a call that gave up */
        case FRAME_MORE:
            status = pump(m, until_ms);
            break;
        case FRAME_LOST:
            link_close(m);
            status = handle_fail(m, MXW_PROTOCOL,
                                 "%s: what came is no frame; is this mxward's socket?", m->socket);
            break;
        }
        if (status != MXW_OK)
            return status;
    }
}

/* Queues one request, to be sent with others; waits for room, reading meanwhile what fits. */
int handle_put(struct mxw *m, uint8_t kind, uint64_t id, const void *message, int64_t until_ms)
{
    for (;;) {
        size_t size =
            frame_encode(m->output + m->out_end, OUTPUT_BYTES - m->out_end, kind, 0, id, message);
        int status;

        if (size > 0) {
            m->out_end += (uint32_t)size;
            return m->out_end - m->out_start >= FLUSH_BYTES ? write_some(m) : MXW_OK;
        }
        if (m->out_start > 0) {
            memmove(m->output, m->output + m->out_start, m->out_end - m->out_start);
            m->out_end -= m->out_start;
            m->out_start = 0;
            continue;
        }
        if (m->out_end == 0)
            return handle_fail(m, MXW_INVALID, "the question is too long");
        if (!m->patient || m->in_end - m->in_start > INPUT_BYTES - FRAME_ANSWER_MAX)
            return handle_fail(m, MXW_FULL, "answers must be received before more can be sent");
        status = pump(m, until_ms);
        if (status != MXW_OK)
            return status;
    }
}

/* --- connecting --- */

static int cannot_connect(struct mxw *m, int error)
{
    switch (error) {
    case ENOENT:
        return handle_fail(
            m, MXW_UNREACHABLE,
            "%s does not exist: is mxward running (systemctl status mxward), and is this "
            "its socket (listen.socket)?",
            m->socket);
    case ECONNREFUSED:
        return handle_fail(m, MXW_UNREACHABLE,
                           "nobody listens at %s: mxward is not running (systemctl start mxward)",
                           m->socket);
    case EACCES:
    case EPERM:
        return handle_fail(
            m, MXW_NOT_PERMITTED,
            "no permission for %s: be a member of its group (listen.group; ls -l %s)", m->socket,
            m->socket);
    case EAGAIN:
        return handle_fail(m, MXW_BUSY, "%s: too many clients are waiting to connect", m->socket);
    default:
        return handle_fail(m, MXW_UNREACHABLE, "cannot connect to %s: %s", m->socket,
                           strerror(error));
    }
}

static int hello_put(struct mxw *m, int64_t until_ms)
{
    struct frame_hello hello = {{0}};

    memcpy(hello.program, m->program, sizeof hello.program);
    m->greeting = true;
    return handle_put(m, FRAME_HELLO, m->next_id++, &hello, until_ms);
}

static int welcome_read(struct mxw *m, const struct frame *frame)
{
    struct frame_welcome welcome;
    char why[FRAME_SENTENCE_MAX];

    m->greeting = false;
    if (frame->kind == FRAME_ERROR)
        return refused(m, frame);
    if (frame->kind != FRAME_WELCOME || !frame_decode(&welcome, frame, why))
        return handle_fail(m, MXW_PROTOCOL, "%s: another version of mxward is there", m->socket);
    m->about = (struct mxw_daemon){.size = sizeof m->about,
                                   .rights = welcome.rights,
                                   .requests = welcome.requests,
                                   .config_epoch = welcome.config_epoch,
                                   .process = welcome.process};
    memcpy(m->about.version, welcome.version, sizeof m->about.version);
    return MXW_OK;
}

static int greet(struct mxw *m, int64_t until_ms)
{
    struct frame frame;
    int status = hello_put(m, until_ms);

    if (status == MXW_OK)
        status = take_frame(m, &frame, until_ms);
    if (status != MXW_OK)
        return status == MXW_TIMEOUT
                   ? handle_fail(m, MXW_UNREACHABLE, "%s: mxward does not answer", m->socket)
                   : status;
    return welcome_read(m, &frame);
}

/* The next answer. After mxw_start the welcome comes first. */
int handle_next(struct mxw *m, struct frame *frame, int64_t until_ms)
{
    int status = take_frame(m, frame, until_ms);

    if (status != MXW_OK || !m->greeting)
        return status;
    status = welcome_read(m, frame);
    if (status == MXW_OK)
        return take_frame(m, frame, until_ms);
    link_close(m);
    return status;
}

static int link_open(struct mxw *m)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat file;

    m->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (m->fd < 0 || fstat(m->fd, &file) != 0) {
        link_close(m);
        return handle_fail(m, MXW_MEMORY, "cannot make a socket: %s", strerror(errno));
    }
    m->fd_device = file.st_dev;
    m->fd_inode = file.st_ino;
    memcpy(address.sun_path, m->socket, sizeof m->socket);
    if (connect(m->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int error = errno;

        link_close(m);
        return cannot_connect(m, error);
    }
    m->expect_from = m->next_id;
    return MXW_OK;
}

int handle_connect(struct mxw *m, int64_t until_ms)
{
    const int64_t greeted_ms = handle_now_ms() + m->connect_ms;
    const int64_t last_ms = until_ms < greeted_ms ? until_ms : greeted_ms;
    int status;

    if (m->fd >= 0)
        return MXW_OK;
    status = link_open(m);
    if (status == MXW_OK)
        status = greet(m, last_ms);
    if (status == MXW_UNREACHABLE && handle_now_ms() >= last_ms)
        m->silent_ms = last_ms + SILENCE_MS;
    if (status != MXW_OK)
        link_close(m);
    return status;
}

bool handle_await(struct mxw *m, int64_t until_ms)
{
    const struct timespec pause = {.tv_nsec = RESTART_PAUSE_MS * 1000000L};
    const int64_t now_ms = handle_now_ms();

    if (m->away_ms == 0)
        m->away_ms = now_ms;
    if (now_ms - m->away_ms >= RESTART_MS || now_ms + RESTART_PAUSE_MS >= until_ms)
        return false;
    nanosleep(&pause, NULL);
    return true;
}

int mxw_connect(struct mxw *m)
{
    HANDLE_ENTER(m, MXW_USAGE);
    handle_own(m);
    return handle_connect(m, INT64_MAX);
}

static int start(struct mxw *m)
{
    int status = MXW_OK;

    m->patient = false;
    if (m->fd >= 0)
        return MXW_OK;
    status = link_open(m);
    if (status == MXW_OK)
        status = hello_put(m, handle_now_ms()); /* the buffer is empty: there is room */
    if (status == MXW_OK)
        status = write_some(m);
    if (status != MXW_OK)
        link_close(m);
    return status;
}

int mxw_start(struct mxw *m)
{
    HANDLE_ENTER(m, MXW_USAGE);
    handle_own(m);
    return start(m);
}

int mxw_process(struct mxw *m)
{
    struct frame frame;
    int status;

    HANDLE_ENTER(m, MXW_USAGE);
    handle_own(m);
    if (m->fd < 0 || m->outstanding > 0)
        return handle_fail(m, MXW_USAGE, "not connected, or questions are outstanding");
    status = take_frame(m, &frame, handle_now_ms());
    if (status == MXW_OK && m->greeting)
        status = welcome_read(m, &frame);
    if (status != MXW_OK && status != MXW_TIMEOUT) {
        link_close(m);
        return status;
    }
    return MXW_OK; /* an answer that nobody waits for is dropped */
}

/* --- questions --- */

int handle_send(struct mxw *m, uint8_t kind, const void *wire, uint64_t *id, int64_t until_ms)
{
    int status = m->patient ? handle_connect(m, until_ms) : start(m);

    if (status != MXW_OK)
        return status;
    status = handle_put(m, kind, m->next_id, wire, until_ms);
    if (status != MXW_OK)
        return status;
    *id = m->next_id++;
    m->outstanding++;
    return MXW_OK;
}

int mxw_flush(struct mxw *m)
{
    HANDLE_ENTER(m, MXW_USAGE);
    handle_own(m);
    return m->fd >= 0 ? write_some(m) : MXW_OK;
}

static int result_read(struct mxw *m, struct mxw_result *result, const struct frame *frame)
{
    union {
        struct frame_verdict verdict;
        struct frame_answer answer;
        struct frame_fault fault;
        struct frame_done done;
    } wire;

    result->id = frame->id;
    result->retry_ms = 0;
    result->sentence[0] = 0;
    m->place = 0;
    m->fault = FRAME_ERROR_NONE;
    memset(result->reserved, 0, sizeof result->reserved);
    result->decided = frame->kind == FRAME_ANSWER;
    result->taken = frame->kind == FRAME_DONE;
    if (frame->kind == FRAME_ANSWER && frame_decode(&wire.answer, frame, m->reason)) {
        result->status = MXW_OK;
        m->place = wire.answer.place;
        decision_read(&result->decision, &wire.answer);
    } else if (frame->kind == FRAME_VERDICT && frame_decode(&wire.verdict, frame, m->reason)) {
        result->status = MXW_OK;
        verdict_read(&result->verdict, &wire.verdict);
    } else if (frame->kind == FRAME_DONE && frame_decode(&wire.done, frame, m->reason)) {
        result->status = MXW_OK;
        memcpy(result->sentence, wire.done.sentence, sizeof wire.done.sentence);
    } else if (frame->kind == FRAME_ERROR && frame_decode(&wire.fault, frame, m->reason)) {
        result->status = status_of_fault(wire.fault.code);
        result->retry_ms = wire.fault.retry_ms;
        m->place = wire.fault.place;
        m->fault = wire.fault.code;
        memcpy(result->sentence, wire.fault.sentence, sizeof wire.fault.sentence);
        decision_temporary(&result->decision, result->sentence);
    } else {
        link_close(m);
        return handle_fail(m, MXW_PROTOCOL, "%s: an answer of kind %u was not understood",
                           m->socket, (unsigned)frame->kind);
    }
    return MXW_OK;
}

/* What the table has answered meanwhile. */
static bool ready_take(struct mxw *m, struct frame *frame)
{
    size_t used = 0;

    if (m->ready_count == 0 ||
        frame_take(frame, m->ready + m->ready_start, m->ready_end - m->ready_start,
                   FRAME_ANSWER_MAX, &used) != FRAME_WHOLE)
        return false;
    m->ready_start += (uint32_t)used;
    if (--m->ready_count == 0)
        m->ready_start = m->ready_end = 0; /* the bytes stay readable */
    return true;
}

int handle_receive(struct mxw *m, struct mxw_result *result, int64_t until_ms)
{
    struct frame frame;
    int status = MXW_OK;

    if (m->outstanding == 0)
        return handle_fail(m, MXW_USAGE, "no question is outstanding");
    if (!ready_take(m, &frame)) {
        status = handle_next(m, &frame, until_ms);
        if (status == MXW_OK) /* not by its greeting alone: a question may be what ends it */
            m->away_ms = 0;
    }
    if (status == MXW_OK)
        status = result_read(m, result, &frame);
    if (status == MXW_OK)
        m->outstanding--;
    return status;
}

int mxw_receive(struct mxw *m, struct mxw_result *result, int wait_ms)
{
    HANDLE_ENTER(m, MXW_USAGE);
    int status;

    handle_own(m);
    status = handle_receive(m, result, handle_now_ms() + wait_ms);
    if (status == MXW_OK)
        pending_settle(m, result);
    return status;
}

static int ask_once(struct mxw *m, uint8_t kind, const void *wire, struct mxw_result *result,
                    int64_t until_ms)
{
    uint64_t id;
    int status = handle_send(m, kind, wire, &id, until_ms);

    if (status == MXW_OK)
        status = handle_receive(m, result, until_ms);
    if (status == MXW_TIMEOUT) /* its answer will be dropped when it comes */
        handle_give_up(m);
    return status;
}

int handle_ask(struct mxw *m, uint8_t kind, const void *wire, struct mxw_result *result,
               int64_t until_ms)
{
    bool was_connected = m->fd >= 0;
    int status;

    if (m->outstanding > 0)
        return handle_fail(m, MXW_USAGE, "other questions are outstanding: use mxw_send");
    status = ask_once(m, kind, wire, result, until_ms);
    if (status == MXW_UNREACHABLE && was_connected)
        status = ask_once(m, kind, wire, result, until_ms);
    if (status != MXW_OK)
        return status;
    return result->status == MXW_OK ? MXW_OK
                                    : handle_fail(m, result->status, "%s", result->sentence);
}

bool handle_is_trouble(int status)
{
    switch ((enum mxw_status)status) {
    case MXW_UNREACHABLE:
    case MXW_NOT_PERMITTED:
    case MXW_TIMEOUT:
    case MXW_BUSY:
    case MXW_LATE:
    case MXW_TROUBLE:
    case MXW_PROTOCOL:
    case MXW_MEMORY:
        return true;
    case MXW_OK:
    case MXW_INVALID:
    case MXW_REFUSED:
    case MXW_USAGE:
    case MXW_FULL:
    case MXW_ABSENT:
        break;
    }
    return false;
}
