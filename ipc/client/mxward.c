/*
 * mxward.c - the client of the native socket: see mxward.h.
 *
 * Blocking for its caller, but never for the socket: the descriptor is non-blocking and `pump`
 * always reads while it writes, because the daemon stops reading a client that does not read.
 * Memory is the handle (buffers included) and one text buffer for documents, made when first used.
 *
 * Ids only grow. What is answered to an id below `expect_from` belongs to a call that gave up, and
 * is dropped. Failure of the connection itself closes it, sets the reason, and forgets what was
 * outstanding. Includes ipc/wire, shm and engine/names only.
 */
#include "ipc/client/mxward.h"

#include "ipc/client/decision.h"
#include "ipc/wire/frame.h"
#include "shm/answer.h"
#include "shm/level.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define INPUT_BYTES   (2 * FRAME_ANSWER_MAX)
#define OUTPUT_BYTES  (16 * FRAME_REQUEST_MAX)
#define FLUSH_BYTES   4096 /* queued requests are sent at once from here on */
#define CONNECT_MS    5000
#define WINDOW        128 /* of mxw_check_many, unless told */
#define WINDOW_MAX    4096
#define BUSY_TRIES    100 /* a busy question is asked again that often */
#define BUSY_SLEEP_MS 50

struct mxw {
    char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    char program[FRAME_WORD_MAX];
    int connect_ms;
    int fd;        /* -1: not connected */
    bool greeting; /* the daemon's welcome is still to come */
    bool patient;  /* false: after mxw_start, nothing waits for room */
    uint64_t next_id, expect_from;
    unsigned outstanding;
    struct mxw_daemon about;
    char reason[FRAME_SENTENCE_MAX];
    char *text; /* FRAME_DOCUMENT_MAX + 1 bytes, or NULL */
    size_t text_size;
    uint32_t in_start, in_end, out_start, out_end;
    uint8_t input[INPUT_BYTES], output[OUTPUT_BYTES];
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

__attribute__((format(printf, 3, 4))) static int fail(struct mxw *m, int status, const char *format,
                                                      ...)
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

unsigned mxw_outstanding(const struct mxw *m)
{
    return m->outstanding;
}

int mxw_descriptor(const struct mxw *m)
{
    return m->fd;
}

int mxw_open(struct mxw **handle, const struct mxw_options *options)
{
    struct mxw *m = calloc(1, sizeof *m);
    const char *path = options && options->socket ? options->socket : MXW_STANDARD_SOCKET;

    if (!m)
        return MXW_MEMORY;
    m->fd = -1;
    m->next_id = m->expect_from = 1;
    m->patient = true;
    m->connect_ms = options && options->connect_ms > 0 ? options->connect_ms : CONNECT_MS;
    if (strlen(path) >= sizeof m->socket) {
        free(m);
        return MXW_USAGE;
    }
    snprintf(m->socket, sizeof m->socket, "%s", path);
    snprintf(m->program, sizeof m->program, "%s",
             options && options->program ? options->program : "libmxward");
    *handle = m;
    return MXW_OK;
}

void mxw_disconnect(struct mxw *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
    m->greeting = false;
    m->outstanding = 0;
    m->expect_from = m->next_id;
    m->in_start = m->in_end = m->out_start = m->out_end = 0;
}

void mxw_close(struct mxw *m)
{
    if (!m)
        return;
    mxw_disconnect(m);
    free(m->text);
    free(m);
}

/* --- bytes --- */

static int lost(struct mxw *m, const char *what)
{
    mxw_disconnect(m);
    return fail(m, MXW_UNREACHABLE, "%s: %s; is the daemon being restarted?", m->socket, what);
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
    int64_t left = until_ms - now_ms();
    int status = write_some(m), n;

    if (status != MXW_OK)
        return status;
    if (m->out_start < m->out_end)
        wait.events |= POLLOUT;
    n = poll(&wait, 1, left < 0 ? 0 : left > 1 << 30 ? 1 << 30 : (int)left);
    if (n < 0 && errno != EINTR)
        return lost(m, strerror(errno));
    if (n <= 0)
        return left > 0 && n < 0 ? MXW_OK : fail(m, MXW_TIMEOUT, "nothing came in time");
    status = write_some(m);
    if (status == MXW_OK && (wait.revents & (POLLIN | POLLHUP | POLLERR)))
        status = read_some(m);
    return status;
}

/* --- frames --- */

static int status_of(uint8_t code)
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

    mxw_disconnect(m); /* the frame stays readable in our buffer */
    if (!frame_decode(&fault, frame, NULL))
        return fail(m, MXW_PROTOCOL, "%s: not understood", m->socket);
    status = status_of(fault.code);
    return fail(m, status, "%s: %s", m->socket, fault.sentence);
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
            mxw_disconnect(m);
            status = fail(m, MXW_PROTOCOL, "%s: what came is no frame; is this mxward's socket?",
                          m->socket);
            break;
        }
        if (status != MXW_OK)
            return status;
    }
}

/* Queues one request, to be sent with others; waits for room, reading meanwhile what fits. */
static int put_frame(struct mxw *m, uint8_t kind, uint64_t id, const void *message,
                     int64_t until_ms)
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
            return fail(m, MXW_INVALID, "the question is too long");
        if (!m->patient || m->in_end - m->in_start > INPUT_BYTES - FRAME_ANSWER_MAX)
            return fail(m, MXW_FULL, "answers must be received before more can be sent");
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
        return fail(m, MXW_UNREACHABLE,
                    "%s does not exist: is mxward running (systemctl status mxward), and is this "
                    "its socket (listen.socket)?",
                    m->socket);
    case ECONNREFUSED:
        return fail(m, MXW_UNREACHABLE,
                    "nobody listens at %s: mxward is not running (systemctl start mxward)",
                    m->socket);
    case EACCES:
    case EPERM:
        return fail(m, MXW_NOT_PERMITTED,
                    "no permission for %s: be a member of its group (listen.group; ls -l %s)",
                    m->socket, m->socket);
    case EAGAIN:
        return fail(m, MXW_BUSY, "%s: too many clients are waiting to connect", m->socket);
    default:
        return fail(m, MXW_UNREACHABLE, "cannot connect to %s: %s", m->socket, strerror(error));
    }
}

static int hello_put(struct mxw *m, int64_t until_ms)
{
    struct frame_hello hello = {{0}};

    memcpy(hello.program, m->program, sizeof hello.program);
    m->greeting = true;
    return put_frame(m, FRAME_HELLO, m->next_id++, &hello, until_ms);
}

static int welcome_read(struct mxw *m, const struct frame *frame)
{
    struct frame_welcome welcome;
    char why[FRAME_SENTENCE_MAX];

    m->greeting = false;
    if (frame->kind == FRAME_ERROR)
        return refused(m, frame);
    if (frame->kind != FRAME_WELCOME || !frame_decode(&welcome, frame, why))
        return fail(m, MXW_PROTOCOL, "%s: another version of mxward is there", m->socket);
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
                   ? fail(m, MXW_UNREACHABLE, "%s: mxward does not answer", m->socket)
                   : status;
    return welcome_read(m, &frame);
}

/* The next answer. After mxw_start the welcome comes first. */
static int next_frame(struct mxw *m, struct frame *frame, int64_t until_ms)
{
    int status = take_frame(m, frame, until_ms);

    if (status != MXW_OK || !m->greeting)
        return status;
    status = welcome_read(m, frame);
    if (status == MXW_OK)
        return take_frame(m, frame, until_ms);
    mxw_disconnect(m);
    return status;
}

static int link_open(struct mxw *m)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    m->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (m->fd < 0)
        return fail(m, MXW_MEMORY, "cannot make a socket: %s", strerror(errno));
    memcpy(address.sun_path, m->socket, sizeof m->socket);
    if (connect(m->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int error = errno;

        mxw_disconnect(m);
        return cannot_connect(m, error);
    }
    m->expect_from = m->next_id;
    return MXW_OK;
}

int mxw_connect(struct mxw *m)
{
    int64_t until_ms = now_ms() + m->connect_ms;
    int status;

    if (m->fd >= 0)
        return MXW_OK;
    status = link_open(m);
    if (status == MXW_OK)
        status = greet(m, until_ms);
    if (status != MXW_OK)
        mxw_disconnect(m);
    return status;
}

int mxw_start(struct mxw *m)
{
    int status = MXW_OK;

    m->patient = false;
    if (m->fd >= 0)
        return MXW_OK;
    status = link_open(m);
    if (status == MXW_OK)
        status = hello_put(m, now_ms()); /* the buffer is empty: there is room */
    if (status == MXW_OK)
        status = write_some(m);
    if (status != MXW_OK)
        mxw_disconnect(m);
    return status;
}

int mxw_process(struct mxw *m)
{
    struct frame frame;
    int status;

    if (m->fd < 0 || m->outstanding > 0)
        return fail(m, MXW_USAGE, "not connected, or questions are outstanding");
    status = take_frame(m, &frame, now_ms());
    if (status == MXW_OK && m->greeting)
        status = welcome_read(m, &frame);
    if (status != MXW_OK && status != MXW_TIMEOUT) {
        mxw_disconnect(m);
        return status;
    }
    return MXW_OK; /* an answer that nobody waits for is dropped */
}

/* --- questions --- */

/* Refuses here what the daemon would refuse, so that a bad name costs nothing. */
static int question_encode(struct mxw *m, struct frame_question *wire,
                           const struct mxw_question *question)
{
    const char *text = question->next_hop ? question->next_hop : "";
    size_t length = strlen(text);
    struct next_hop next_hop;
    enum name_status status = next_hop_parse(&next_hop, text, length);

    if (status == NAME_NO_MEMORY) /* says nothing about the name (law 3) */
        return fail(m, MXW_MEMORY, "%s", name_status_text(status));
    if (status != NAME_OK || length >= sizeof wire->next_hop)
        return fail(m, MXW_INVALID, "%s", name_status_text(status));
    if (question->freshness < MXW_ANY || question->freshness > MXW_LIVE)
        return fail(m, MXW_USAGE, "there is no freshness %d", question->freshness);
    memset(wire, 0, sizeof *wire);
    next_hop_text(&next_hop, wire->next_hop); /* local parts of addresses stay here */
    wire->freshness = (uint8_t)question->freshness;
    wire->priority = question->scan ? FRAME_SCAN : FRAME_ASKED;
    wire->max_age_ms = question->max_age_ms;
    wire->deadline_ms = question->deadline_ms;
    return MXW_OK;
}

static void verdict_read(struct mxw_verdict *out, const struct frame_verdict *in)
{
    const struct verdict *v = &in->verdict;

    memset(out, 0, sizeof *out);
    out->size = sizeof *out;
    memcpy(out->next_hop, in->next_hop, sizeof in->next_hop);
    out->tls_class = v->class;
    out->level = v->level;
    out->conclusion = v->conclusion;
    out->cause = v->cause;
    out->enforce = v->enforce;
    out->class_name = (unsigned)v->class < CLASS_COUNT ? class_name(v->class) : "?";
    out->level_name = (unsigned)v->level <= LEVEL_AUTHENTICATED ? level_name(v->level) : "?";
    out->sign = sign_name((unsigned)v->class < CLASS_COUNT ? class_sign(v->class) : SIGN_UNKNOWN);
    out->conclusion_name = frame_conclusion_name(v->conclusion);
    out->enforce_name = frame_enforce_name(v->enforce);
    memcpy(out->cause_name, in->cause, sizeof in->cause);
    out->flags = v->flags;
    out->tls_version = v->tls_version;
    out->tls_name = frame_tls_name(v->tls_version);
    out->hosts = v->hosts;
    out->hosts_good = v->hosts_good;
    out->smtp_code = v->smtp_code;
    out->age_ms = in->now_ms > v->began_ms ? in->now_ms - v->began_ms : 0;
    out->valid_for_ms = (int64_t)(v->valid_until_ms - in->now_ms);
    out->ended_s = in->ended_wall_s;
    out->config_epoch = v->config_epoch;
    memcpy(out->host, v->host, sizeof v->host);
    memcpy(out->match, v->match, sizeof v->match);
    memcpy(out->sentence, in->sentence, sizeof in->sentence);
    memcpy(out->status_code, in->status_code, sizeof in->status_code);
    memcpy(out->policy, in->policy, sizeof in->policy);
    out->limited = in->limited;
    out->from_table = in->from_table;
}

_Static_assert(sizeof(((struct mxw_verdict *)0)->next_hop) >= NEXT_HOP_TEXT_MAX, "next_hop");
_Static_assert(sizeof(((struct mxw_verdict *)0)->match) >= VERDICT_MATCH_MAX, "match");
_Static_assert(sizeof(((struct mxw_verdict *)0)->sentence) >= FRAME_SENTENCE_MAX, "sentence");
_Static_assert(sizeof(((struct mxw_verdict *)0)->policy) >= FRAME_POLICY_MAX, "policy");

/* A question, sent with others. */
static int send_frame(struct mxw *m, uint8_t kind, const void *wire, uint64_t *id)
{
    int status = m->patient ? mxw_connect(m) : mxw_start(m);

    if (status != MXW_OK)
        return status;
    status = put_frame(m, kind, m->next_id, wire, now_ms() + m->connect_ms);
    if (status != MXW_OK)
        return status;
    *id = m->next_id++;
    m->outstanding++;
    return MXW_OK;
}

int mxw_send(struct mxw *m, const struct mxw_question *question, uint64_t *id)
{
    struct frame_question wire;
    int status = question_encode(m, &wire, question);

    return status == MXW_OK ? send_frame(m, FRAME_CHECK, &wire, id) : status;
}

int mxw_flush(struct mxw *m)
{
    return m->fd >= 0 ? write_some(m) : MXW_OK;
}

/* --- messages --- */

_Static_assert((int)MXW_STOP == (int)ACTION_STOP && (int)MXW_DEFER == (int)ACTION_DEFER, "actions");
_Static_assert((int)MXW_POLICY_NONE == (int)POSTFIX_HOLD &&
                   (int)MXW_POLICY_TEXT == (int)POSTFIX_POLICY,
               "policies");
_Static_assert((int)MXW_AUTO_SUBMITTED == (int)FACT_AUTO_SUBMITTED &&
                   (int)MXW_TLS_REQUIRED_NO == (int)FACT_TLS_REQUIRED_NO &&
                   (int)MXW_REQUIRETLS == (int)FACT_REQUIRETLS &&
                   (int)MXW_TLS_REPORT == (int)FACT_TLS_REPORT,
               "facts");

static bool text_put(char *out, size_t size, const char *text)
{
    size_t length = text ? strlen(text) : 0;

    if (length >= size)
        return false;
    memcpy(out, text ? text : "", length + 1);
    return true;
}

static int message_encode(struct mxw *m, struct frame_decide *wire,
                          const struct mxw_message *message)
{
    memset(wire, 0, sizeof *wire);
    if (!text_put(wire->sender, sizeof wire->sender, message->sender) ||
        !text_put(wire->sasl, sizeof wire->sasl, message->sasl) ||
        !text_put(wire->recipient, sizeof wire->recipient, message->recipient) ||
        !text_put(wire->next_hop, sizeof wire->next_hop, message->next_hop) ||
        !text_put(wire->profile, sizeof wire->profile, message->profile) ||
        !text_put(wire->client_address, sizeof wire->client_address, message->client_address) ||
        wire->recipient[0] == 0)
        return fail(m, MXW_INVALID, "an address is too long, or the recipient is missing");
    if (message->freshness > MXW_LIVE)
        return fail(m, MXW_USAGE, "there is no freshness %d", message->freshness);
    wire->own_freshness = message->freshness >= 0;
    wire->freshness = (uint8_t)(message->freshness >= 0 ? message->freshness : 0);
    wire->max_age_ms = message->max_age_ms;
    wire->deadline_ms = message->deadline_ms;
    wire->facts = message->facts;
    wire->accepted_s = message->accepted_s;
    wire->inbound = message->inbound != 0;
    wire->client_tls = (uint16_t)message->client_tls;
    wire->want_keys = message->want_keys != 0;
    wire->enforced = message->enforced != 0;
    return MXW_OK;
}

_Static_assert((int)MXW_KEY_PRESENT == (int)MAIL_KEY_PRESENT &&
                   (int)MXW_KEY_UNKNOWN == (int)MAIL_KEY_UNKNOWN &&
                   (int)MXW_KEY_NONE == (int)MAIL_KEY_NONE,
               "keys");
_Static_assert(sizeof(((struct mxw_decision *)0)->policy) >= FRAME_POLICY_MAX, "policy");
_Static_assert(sizeof(((struct mxw_decision *)0)->text) >= FRAME_SENTENCE_MAX, "text");

int mxw_send_message(struct mxw *m, const struct mxw_message *message, uint64_t *id)
{
    struct frame_decide wire;
    int status = message_encode(m, &wire, message);

    return status == MXW_OK ? send_frame(m, FRAME_DECIDE, &wire, id) : status;
}

static int observation_encode(struct mxw *m, struct frame_observe *wire,
                              const struct mxw_observation *observation)
{
    *wire = (struct frame_observe){.port = (uint16_t)observation->port,
                                   .tls_version = (uint16_t)observation->tls_version,
                                   .trust = (uint8_t)observation->trust,
                                   .delivered_s = observation->delivered_s};
    if (observation->port > UINT16_MAX || observation->tls_version > UINT16_MAX ||
        observation->trust < MXW_CLEAR || observation->trust > MXW_VERIFIED ||
        !text_put(wire->domain, sizeof wire->domain, observation->domain) ||
        !text_put(wire->host, sizeof wire->host, observation->host) || wire->host[0] == 0 ||
        !text_put(wire->address, sizeof wire->address, observation->address) ||
        wire->address[0] == 0 ||
        !text_put(wire->cipher, sizeof wire->cipher, observation->cipher) ||
        !text_put(wire->key_sha256, sizeof wire->key_sha256, observation->key_sha256))
        return fail(m, MXW_INVALID, "a mail host and an address are needed, and no text too long");
    return MXW_OK;
}

int mxw_send_observation(struct mxw *m, const struct mxw_observation *observation, uint64_t *id)
{
    struct frame_observe wire;
    int status = observation_encode(m, &wire, observation);

    return status == MXW_OK ? send_frame(m, FRAME_OBSERVE, &wire, id) : status;
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
    result->decided = frame->kind == FRAME_ANSWER;
    result->taken = frame->kind == FRAME_DONE;
    if (frame->kind == FRAME_ANSWER && frame_decode(&wire.answer, frame, m->reason)) {
        result->status = MXW_OK;
        decision_read(&result->decision, &wire.answer);
    } else if (frame->kind == FRAME_VERDICT && frame_decode(&wire.verdict, frame, m->reason)) {
        result->status = MXW_OK;
        verdict_read(&result->verdict, &wire.verdict);
    } else if (frame->kind == FRAME_DONE && frame_decode(&wire.done, frame, m->reason)) {
        result->status = MXW_OK;
        memcpy(result->sentence, wire.done.sentence, sizeof wire.done.sentence);
    } else if (frame->kind == FRAME_ERROR && frame_decode(&wire.fault, frame, m->reason)) {
        result->status = status_of(wire.fault.code);
        result->retry_ms = wire.fault.retry_ms;
        memcpy(result->sentence, wire.fault.sentence, sizeof wire.fault.sentence);
    } else {
        mxw_disconnect(m);
        return fail(m, MXW_PROTOCOL, "%s: an answer of kind %u was not understood", m->socket,
                    (unsigned)frame->kind);
    }
    return MXW_OK;
}

int mxw_receive(struct mxw *m, struct mxw_result *result, int wait_ms)
{
    struct frame frame;
    int status;

    if (m->outstanding == 0)
        return fail(m, MXW_USAGE, "no question is outstanding");
    status = next_frame(m, &frame, now_ms() + wait_ms);
    if (status != MXW_OK)
        return status;
    status = result_read(m, result, &frame);
    if (status == MXW_OK)
        m->outstanding--;
    return status;
}

static int ask_once(struct mxw *m, uint8_t kind, const void *wire, struct mxw_result *result,
                    int64_t until_ms)
{
    uint64_t id;
    int64_t left;
    int status = send_frame(m, kind, wire, &id);

    if (status != MXW_OK)
        return status;
    left = until_ms - now_ms();
    status = mxw_receive(m, result, left > 0 ? (int)left : 0);
    if (status == MXW_TIMEOUT) { /* its answer will be dropped when it comes */
        m->outstanding = 0;
        m->expect_from = m->next_id;
    }
    return status;
}

/* One question, and waits; again, once, if the daemon was restarted meanwhile. */
static int ask(struct mxw *m, uint8_t kind, const void *wire, struct mxw_result *result,
               int wait_ms)
{
    int64_t until_ms = now_ms() + wait_ms;
    bool was_connected = m->fd >= 0;
    int status;

    if (m->outstanding > 0)
        return fail(m, MXW_USAGE, "other questions are outstanding: use mxw_send");
    status = ask_once(m, kind, wire, result, until_ms);
    if (status == MXW_UNREACHABLE && was_connected)
        status = ask_once(m, kind, wire, result, until_ms);
    if (status != MXW_OK)
        return status;
    return result->status == MXW_OK ? MXW_OK : fail(m, result->status, "%s", result->sentence);
}

int mxw_check(struct mxw *m, const struct mxw_question *question, struct mxw_verdict *verdict,
              int wait_ms)
{
    struct mxw_result result = {.size = sizeof result};
    struct frame_question wire;
    int status = question_encode(m, &wire, question);

    if (status == MXW_OK)
        status = ask(m, FRAME_CHECK, &wire, &result, wait_ms);
    if (status == MXW_OK)
        *verdict = result.verdict;
    return status;
}

int mxw_decide(struct mxw *m, const struct mxw_message *message, struct mxw_decision *decision,
               int wait_ms)
{
    struct mxw_result result = {.size = sizeof result};
    struct frame_decide wire;
    int status = message_encode(m, &wire, message);

    if (status == MXW_OK)
        status = ask(m, FRAME_DECIDE, &wire, &result, wait_ms);
    if (status == MXW_OK)
        *decision = result.decision;
    return status;
}

/* --- many --- */

enum slot_state { SLOT_FREE, SLOT_TO_SEND, SLOT_SENT };

struct slot {
    enum slot_state state;
    size_t place; /* in the questions */
    uint64_t id;
};

struct many {
    struct mxw *m;
    const struct mxw_question *questions;
    size_t count, next, done;
    unsigned window, busy;
    struct slot *slots;
    mxw_answer *answer;
    void *context;
};

static int many_done(struct many *many, struct slot *slot, const struct mxw_result *result)
{
    slot->state = SLOT_FREE;
    many->busy = 0;
    many->done++;
    return -many->answer(many->context, slot->place, result);
}

static int many_send(struct many *many, struct slot *slot)
{
    struct mxw_result result = {.size = sizeof result, .status = MXW_INVALID};
    int status = mxw_send(many->m, &many->questions[slot->place], &slot->id);

    if (status == MXW_OK)
        slot->state = SLOT_SENT;
    if (status != MXW_INVALID)
        return status;
    snprintf(result.sentence, sizeof result.sentence, "%s", mxw_reason(many->m));
    return many_done(many, slot, &result);
}

/* Sends what there is to send, as far as there is room. */
static int many_fill(struct many *many)
{
    for (unsigned i = 0; i < many->window; i++) {
        struct slot *slot = &many->slots[i];
        int status = MXW_OK;

        if (slot->state == SLOT_FREE && many->next < many->count) {
            slot->place = many->next++;
            slot->state = SLOT_TO_SEND;
        }
        if (slot->state == SLOT_TO_SEND)
            status = many_send(many, slot);
        if (status == MXW_FULL)
            return MXW_OK; /* the rest when some answers were received */
        if (status != MXW_OK)
            return status;
    }
    return MXW_OK;
}

static int many_answered(struct many *many, const struct mxw_result *result)
{
    const struct timespec pause = {.tv_nsec = BUSY_SLEEP_MS * 1000000};
    unsigned i = 0;

    while (i < many->window &&
           (many->slots[i].state != SLOT_SENT || many->slots[i].id != result->id))
        i++;
    if (i == many->window)
        return MXW_OK;
    if (result->status == MXW_BUSY && many->busy++ < BUSY_TRIES) {
        many->slots[i].state = SLOT_TO_SEND;
        nanosleep(&pause, NULL);
        return MXW_OK;
    }
    return many_done(many, &many->slots[i], result);
}

static int many_run(struct many *many, int wait_ms)
{
    struct mxw_result result = {.size = sizeof result};
    int status = MXW_OK, losses = 0;

    while (many->done < many->count && status == MXW_OK) {
        status = many_fill(many);
        if (status == MXW_OK && mxw_outstanding(many->m) > 0)
            status = mxw_receive(many->m, &result, wait_ms);
        else if (status == MXW_OK)
            continue;
        if (status == MXW_OK)
            status = many_answered(many, &result);
        if (status != MXW_UNREACHABLE || losses++ > 0)
            continue;
        for (unsigned i = 0; i < many->window; i++) /* those that were out: again, once */
            if (many->slots[i].state == SLOT_SENT)
                many->slots[i].state = SLOT_TO_SEND;
        status = MXW_OK;
    }
    return status;
}

int mxw_check_many(struct mxw *m, const struct mxw_question *questions, size_t count,
                   unsigned window, int wait_ms, mxw_answer *answer, void *context)
{
    struct many many = {.m = m,
                        .questions = questions,
                        .count = count,
                        .window = window == 0           ? WINDOW
                                  : window > WINDOW_MAX ? WINDOW_MAX
                                                        : window,
                        .answer = answer,
                        .context = context};
    int status;

    if (m->outstanding > 0)
        return fail(m, MXW_USAGE, "other questions are outstanding: use mxw_send");
    many.slots = calloc(many.window, sizeof *many.slots);
    if (!many.slots)
        return fail(m, MXW_MEMORY, "no memory");
    status = many_run(&many, wait_ms);
    if (status != MXW_OK) /* what is still out belongs to nobody */
        mxw_disconnect(m);
    free(many.slots);
    return status;
}

/* --- documents and orders --- */

static int document_part(struct mxw *m, const struct frame *frame, bool *whole)
{
    struct frame_document part;
    char why[FRAME_SENTENCE_MAX];

    if (!frame_decode(&part, frame, why) || m->text_size + part.part_size > FRAME_DOCUMENT_MAX) {
        mxw_disconnect(m);
        return fail(m, MXW_PROTOCOL, "%s: a document was not understood", m->socket);
    }
    if (part.part_size)
        memcpy(m->text + m->text_size, part.part, part.part_size);
    m->text_size += part.part_size;
    m->text[m->text_size] = 0;
    *whole = !(frame->flags & FRAME_GOES_ON);
    return MXW_OK;
}

/* Takes what is answered to the one request that is out. */
static int take_answer(struct mxw *m, int64_t until_ms)
{
    bool whole = false;

    while (!whole) {
        struct frame_fault fault;
        struct frame_done done;
        struct frame frame;
        int status = next_frame(m, &frame, until_ms);

        if (status != MXW_OK)
            return status;
        if (frame.kind == FRAME_DOCUMENT) {
            status = document_part(m, &frame, &whole);
            if (status != MXW_OK)
                return status;
        } else if (frame.kind == FRAME_DONE && frame_decode(&done, &frame, NULL)) {
            return fail(m, MXW_OK, "%s", done.sentence);
        } else if (frame.kind == FRAME_ERROR && frame_decode(&fault, &frame, NULL)) {
            return fail(m, status_of(fault.code), "%s", fault.sentence);
        } else {
            mxw_disconnect(m);
            return fail(m, MXW_PROTOCOL, "%s: an answer was not understood", m->socket);
        }
    }
    return MXW_OK;
}

static int order(struct mxw *m, uint8_t kind, const void *message, int wait_ms)
{
    int64_t until_ms = now_ms() + wait_ms;
    bool was_connected = m->fd >= 0;
    int status = MXW_UNREACHABLE;

    if (m->outstanding > 0)
        return fail(m, MXW_USAGE, "questions are outstanding");
    if (!m->text)
        m->text = malloc(FRAME_DOCUMENT_MAX + 1);
    if (!m->text)
        return fail(m, MXW_MEMORY, "no memory");
    for (int tries = 0; tries < 2 && status == MXW_UNREACHABLE; tries++) {
        if (tries > 0 && !was_connected)
            break;
        m->text_size = 0;
        m->text[0] = 0;
        status = mxw_connect(m);
        if (status == MXW_OK)
            status = put_frame(m, kind, m->next_id++, message, until_ms);
        if (status == MXW_OK)
            status = take_answer(m, until_ms);
    }
    m->expect_from = m->next_id;
    return status;
}

static int document(struct mxw *m, uint8_t kind, const void *message, const char **text,
                    size_t *length, int wait_ms)
{
    int status = order(m, kind, message, wait_ms);

    *text = m->text;
    *length = m->text_size;
    return status;
}

int mxw_explain(struct mxw *m, const struct mxw_question *question, const char **text,
                size_t *length, int wait_ms)
{
    struct frame_question wire;
    int status = question_encode(m, &wire, question);

    return status == MXW_OK ? document(m, FRAME_EXPLAIN, &wire, text, length, wait_ms) : status;
}

int mxw_explain_message(struct mxw *m, const struct mxw_message *message, const char **text,
                        size_t *length, int wait_ms)
{
    struct frame_decide wire;
    int status = message_encode(m, &wire, message);

    wire.explain = 1;
    return status == MXW_OK ? document(m, FRAME_DECIDE, &wire, text, length, wait_ms) : status;
}

int mxw_order(struct mxw *m, const struct mxw_order *order, const char **text, size_t *length,
              int wait_ms)
{
    struct frame_order_request wire = {.order = (uint8_t)order->order,
                                       .level = (uint8_t)order->level,
                                       .until_s = order->until_s,
                                       .most = order->most};

    if (!text_put(wire.name, sizeof wire.name, order->name) ||
        !text_put(wire.domain, sizeof wire.domain, order->domain) ||
        !text_put(wire.profile, sizeof wire.profile, order->profile) ||
        !text_put(wire.after, sizeof wire.after, order->after) ||
        !text_put(wire.reason, sizeof wire.reason, order->reason) ||
        !text_put(wire.text, sizeof wire.text, order->text))
        return fail(m, MXW_INVALID, "a name, the reason or the text is too long");
    return document(m, FRAME_ORDER, &wire, text, length, wait_ms);
}

int mxw_daemon_status(struct mxw *m, const char **text, size_t *length, int wait_ms)
{
    struct frame_empty nothing = {0};

    return document(m, FRAME_STATUS, &nothing, text, length, wait_ms);
}

int mxw_config(struct mxw *m, int sample, const char **text, size_t *length, int wait_ms)
{
    struct frame_config config = {.form = sample ? CONFIG_SAMPLE : CONFIG_EFFECTIVE};

    return document(m, FRAME_CONFIG, &config, text, length, wait_ms);
}

int mxw_observe(struct mxw *m, const struct mxw_observation *observation, int wait_ms)
{
    struct frame_observe wire;
    int status = observation_encode(m, &wire, observation);

    return status == MXW_OK ? order(m, FRAME_OBSERVE, &wire, wait_ms) : status;
}

int mxw_reload(struct mxw *m, int wait_ms)
{
    struct frame_empty nothing = {0};

    return order(m, FRAME_RELOAD, &nothing, wait_ms);
}
