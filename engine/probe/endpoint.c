/*
 * endpoint.c - the endpoint script. Read the table, then the driver, then the steps in table order.
 *
 * A step is two adjacent functions: x_begin submits, x_resume digests one completion. Neither
 * changes the step: they return a turn, and the driver (probe_drive) alone decides where that
 * leads. At most one operation of a probe is in flight; a step is left only when none is (the
 * kernel may still read or write the probe's memory): the turn is parked in `leaving` and taken
 * when the cancelled operation has come home. Steps only grow, but for two ways back, each taken
 * once at most: what fails with a session of an earlier handshake is done again on a new connection
 * and in full, before anything is said of the peer; and a peer that refuses TLS 1.2 is connected to
 * once more, to name what it would take (tls_hello.h).
 *
 * What was found is said by probe_find, nowhere else. A failure becomes a finding about the peer
 * only if we were on time (law 3): probe_end turns it into OURS_LATE if the loop overslept while
 * the probe was running, if a timer fired late, or if the peer's bytes were waiting for us.
 *
 * Failure: of the peer is an outcome; of ours is OUTCOME_OURS_*; of starting is a negative errno.
 */
#include "engine/probe/endpoint.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/loop/pool.h"
#include "engine/policy/dane.h"
#include "engine/probe/note.h"
#include "engine/probe/sessions.h"
#include "engine/probe/smtp.h"
#include "engine/probe/tls.h"
#include "engine/probe/tls_hello.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

/* What a step tells the driver. */
enum turn {
    TURN_WAIT,  /* an operation is in flight, or heavy work waits for its turn */
    TURN_NEXT,  /* this step is done: begin the next row */
    TURN_QUIT,  /* enough is known: to the goodbye, if there is still a way to say it */
    TURN_AGAIN, /* connect once more: in full, or to name what is below the floor */
    TURN_END,   /* nothing more can be said on this connection */
};

/* clang-format off */
/*
 * The life of a probe, in order. What a timeout and a closed connection mean; TLS_OK: they take
 * nothing away, TLS was completed before.
 *
 *    step       functions  budget        doing                                       timeout           closed
 */
#define ENDPOINT_STEPS(X) \
    X(CONNECT,   connect,   connect_ms,   "connecting",                               CONNECT_TIMEOUT,  CONNECT_REFUSED) \
    X(GREETING,  greeting,  greeting_ms,  "waiting for the greeting",                 GREETING_TIMEOUT, SMTP_CLOSED)     \
    X(EHLO,      ehlo,      command_ms,   "waiting for the reply to EHLO",            SMTP_TIMEOUT,     SMTP_CLOSED)     \
    X(STARTTLS,  starttls,  command_ms,   "waiting for the reply to STARTTLS",        SMTP_TIMEOUT,     SMTP_CLOSED)     \
    X(HANDSHAKE, handshake, handshake_ms, "in the TLS handshake",                     TLS_TIMEOUT,      TLS_CLOSED)      \
    X(VERIFY,    verify,    handshake_ms, "verifying the certificate",                TLS_OK,           TLS_OK)          \
    X(HELLO,     hello,     command_ms,   "waiting for the reply to EHLO inside TLS", TLS_OK,           TLS_OK)          \
    X(GOODBYE,   goodbye,   goodbye_ms,   "saying goodbye",                           TLS_OK,           TLS_OK)
/* clang-format on */

enum step {
#define X(NAME, name, budget, doing, late, closed) STEP_##NAME,
    ENDPOINT_STEPS(X)
#undef X
        STEP_END
};
static_assert(STEP_END == ENDPOINT_STEP_COUNT, "evidence has a time for each step");

/* Each step at most three times, and the end. */
enum { TURNS_MAX = 3 * STEP_END + 1 };

enum operation {
    OPERATION_NONE,
    OPERATION_OPEN = PROBER_OPERATION_FIRST,
    OPERATION_CONNECT,
    OPERATION_RECEIVE,
    OPERATION_SEND,
    OPERATION_TIMER,
};
static_assert((int)OPERATION_TIMER <= (int)PROBER_OPERATION_LAST, "the prober's share of numbers");

struct probe {
    struct prober *prober;
    struct evidence *evidence;
    const struct dns_answer *tlsa; /* held; NULL: none */
    const struct evidence *proof;  /* held, while its session is offered or resumed; NULL: none */
    struct tls *tls;               /* from the first heavy step of the handshake on */
    uint64_t job;
    uint64_t whole_due_ms, step_began_us, began_us;
    struct wheel_timer timer;
    TAILQ_ENTRY(probe) queue; /* of the parked ones, or of the ended ones */
    ring_file file;
    enum step step;
    enum turn leaving;     /* not WAIT: taken when the operation in flight has come home */
    enum operation flying; /* the one that is in flight */
    bool parked;           /* in the queue for heavy work */
    bool decided;          /* the outcome stands */
    bool late;             /* we were; see the head of the file */
    bool unheard;          /* TLS was completed, and nothing was heard inside */
    bool heard_inside;     /* EHLO was answered inside TLS, as it should be */
    bool leaf_only;        /* of the chain, for want of room */
    bool in_full;          /* the second connection, after a session that came to nothing */
    bool my_turn;          /* the peer has answered what was asked, and nothing more */
    bool last_words;       /* what waits to be sent is the last: close after it */
    bool helo;             /* EHLO was refused, HELO was sent */
    bool naming;           /* the last connection: to name what is weak */
    bool masked_greeting;  /* overwritten with asterisks */
    bool ended;            /* in the queue of the ended ones */
    struct smtp smtp;
    struct tls_hello answer; /* of the second connection */
    uint16_t out_at, out_size;
    union {
        struct sockaddr_storage address; /* while connecting */
        uint8_t out[TLS_HELLO_MAX];      /* clear text that waits to be sent */
    };
};
TAILQ_HEAD(probes, probe);

/* An address to connect from; size 0: any. */
struct source {
    struct sockaddr_storage address;
    socklen_t size;
};

struct prober {
    struct ring *ring;
    struct wheel *wheel;
    struct certificate_store *certificates;
    const struct probe_settings *settings;
    struct tls_context *tls;
    struct sessions *sessions;
    prober_may_again *may_again; /* NULL: nobody may */
    void *may_again_context;
    struct pool *pool;
    struct probes parked, ended;
    uint64_t late_until_ms; /* the loop's last lateness */
    uint64_t reloaded_ms;   /* proofs must have begun later; 0: no reload yet */
    struct source source4, source6;
    char ehlo_name[NAME_BYTES_MAX + 3];
    struct prober_counts counts;
};

struct step_row {
    const char *name, *doing;
    enum turn (*begin)(struct probe *);
    enum turn (*resume)(struct probe *, const struct ring_completion *);
    size_t budget; /* offset of the setting */
    enum outcome late, closed;
};

#define X(NAME, name, budget, doing, late, closed)  \
    static enum turn name##_begin(struct probe *p); \
    static enum turn name##_resume(struct probe *p, const struct ring_completion *done);
ENDPOINT_STEPS(X)
#undef X

static const struct step_row rows[STEP_END] = {
#define X(NAME, name, budget, doing, late, closed)            \
    [STEP_##NAME] = {#name,                                   \
                     doing,                                   \
                     name##_begin,                            \
                     name##_resume,                           \
                     offsetof(struct probe_settings, budget), \
                     OUTCOME_##late,                          \
                     OUTCOME_##closed},
    ENDPOINT_STEPS(X)
#undef X
};

/* --- what was found --- */

static void set_detail(struct probe *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void set_detail(struct probe *p, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    note_detail(p->evidence, format, arguments);
    va_end(arguments);
}

/* What the second connection came to; the first that is said counts. */
static void naming_comes_to(struct probe *p, enum outcome outcome)
{
    uint16_t code = p->smtp.code;

    if (p->evidence->naming != NAMING_UNSEEN)
        return;
    switch (outcome_says(outcome)) {
    case SAYS_OURS:
        p->evidence->naming = NAMING_OURS;
        return;
    case SAYS_ENCRYPTS:
    case SAYS_WEAK:
    case SAYS_BROKEN:
        p->evidence->naming = NAMING_ANSWERED;
        return;
    case SAYS_CLEAR:
    case SAYS_REFUSES:
    case SAYS_INCONCLUSIVE:
        break;
    }
    if (code == 421 || code == 450 || smtp_is_rate_signal(&p->smtp, smtp_text(&p->smtp)))
        p->evidence->naming = NAMING_SLOWED;
}

/* The outcome, and one sentence. Returns `turn`, so that a step can say both in one line. On the
 * second connection only the name of what is weak counts: all else was found on the first. */
static enum turn probe_find(struct probe *p, enum outcome outcome, enum turn turn,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));
static enum turn probe_find(struct probe *p, enum outcome outcome, enum turn turn,
                            const char *format, ...)
{
    va_list arguments;

    if (p->naming)
        naming_comes_to(p, outcome);
    if (p->naming && outcome != OUTCOME_TLS_WEAK)
        return turn;
    p->decided = true;
    p->evidence->outcome = outcome;
    p->evidence->step = (uint8_t)p->step;
    va_start(arguments, format);
    note_detail(p->evidence, format, arguments);
    va_end(arguments);
    return turn;
}

/* A failure of the dialogue. Inside TLS it takes nothing away from what was seen there, unless it
 * is ours: then we did not hear whether the peer really goes on (tls_broke says how it may not). */
static enum turn probe_fails(struct probe *p, enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum turn probe_fails(struct probe *p, enum outcome outcome, const char *format, ...)
{
    char text[sizeof p->evidence->detail];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (p->step < STEP_VERIFY || (p->step < STEP_GOODBYE && outcome_says(outcome) == SAYS_OURS))
        return probe_find(p, outcome, TURN_END, "%s", text);
    if (p->step < STEP_GOODBYE) {
        set_detail(p, "%s", text);
        p->unheard = true;
    }
    return TURN_END;
}

/* --- the driver --- */

static uint64_t budget_ms(const struct probe *p)
{
    const char *settings = (const char *)p->prober->settings;
    uint64_t ms;

    memcpy(&ms, settings + rows[p->step].budget, sizeof ms);
    return ms;
}

static struct ring_token token_of(const struct probe *p, enum operation operation)
{
    const struct pool *pool = p->prober->pool;

    return (struct ring_token){.operation = (uint8_t)operation,
                               .slot = pool_slot(pool, p),
                               .generation = pool_generation(pool, p)};
}

static void probe_arm(struct probe *p, uint64_t due_ms)
{
    p->timer.token = token_of(p, OPERATION_TIMER);
    wheel_arm(p->prober->wheel, &p->timer, due_ms);
}

static void step_begins(struct probe *p, enum step step, uint64_t now_us)
{
    p->step = step;
    p->step_began_us = now_us;
    uint64_t due_ms = now_us / 1000 + budget_ms(p);
    probe_arm(p, due_ms < p->whole_due_ms ? due_ms : p->whole_due_ms);
}

static void step_ends(struct probe *p, uint64_t now_us)
{
    uint64_t us = now_us - p->step_began_us;

    p->evidence->step_us[p->step] += (uint32_t)(us < UINT32_MAX ? us : UINT32_MAX);
    histogram_add(&p->prober->counts.step_us[p->step], us);
}

static void forget_connection(struct probe *p)
{
    if (p->file != RING_FILE_NONE)
        ring_close(p->prober->ring, p->file);
    p->file = RING_FILE_NONE;
    tls_close(p->tls);
    p->tls = NULL;
    p->my_turn = p->last_words = p->helo = false;
    p->out_at = p->out_size = 0;
}

/* Where a turn leads. The whole control flow of a probe is in these lines. */
static enum step probe_where(const struct probe *p, enum turn turn)
{
    bool can_talk = p->step < STEP_GOODBYE && (p->my_turn || p->last_words);

    CHECK(turn != TURN_WAIT);
    switch (turn) {
    case TURN_NEXT:
        return (enum step)(p->step + 1);
    case TURN_QUIT:
        return can_talk ? STEP_GOODBYE : STEP_END;
    case TURN_AGAIN:
        return STEP_CONNECT;
    case TURN_END:
    case TURN_WAIT:
        break;
    }
    return STEP_END;
}

static void probe_enter(struct probe *p, enum step to)
{
    uint64_t now_us = clock_boot_us();

    CHECK(to > p->step || (to == STEP_CONNECT && p->naming && p->step == STEP_HANDSHAKE) ||
          (to == STEP_CONNECT && p->in_full && p->step <= STEP_HELLO));
    log_trace("probe-step", "name=%s from=%s to=%s", p->evidence->key.server_name.text,
              rows[p->step].name, to == STEP_END ? "end" : rows[to].name);
    step_ends(p, now_us);
    if (to == STEP_CONNECT)
        forget_connection(p);
    if (to != STEP_END)
        step_begins(p, to, now_us);
}

/* Cannot leave yet: asks for the operation's end, and goes on when it has come. */
static void probe_hold(struct probe *p, enum turn turn)
{
    p->leaving = turn;
    wheel_disarm(p->prober->wheel, &p->timer);
    if (ring_cancel(p->prober->ring, token_of(p, p->flying)) != 0)
        probe_arm(p, clock_boot_ms() + 1); /* no room: asks again */
}

static void unpark(struct probe *p)
{
    if (p->parked)
        TAILQ_REMOVE(&p->prober->parked, p, queue);
    p->parked = false;
}

static void probe_end(struct probe *p);
static bool is_resuming(const struct probe *p);
static void session_failed(struct probe *p);
static enum turn once_more_in_full(struct probe *p, const char *why);

static void probe_drive(struct probe *p, enum turn turn)
{
    for (unsigned turns = 0; turn != TURN_WAIT; turns++) {
        CHECK(turns < TURNS_MAX);
        if (p->flying != OPERATION_NONE) {
            probe_hold(p, turn);
            return;
        }
        unpark(p);
        enum step to = probe_where(p, turn);
        probe_enter(p, to);
        if (to == STEP_END) {
            probe_end(p);
            return;
        }
        turn = rows[to].begin(p);
    }
    CHECK(p->flying != OPERATION_NONE || p->parked); /* else it would wait for ever */
}

void prober_completed(struct prober *prober, const struct ring_completion *done)
{
    struct probe *p = pool_find(prober->pool, done->token.slot, done->token.generation);

    if (p == NULL || p->flying != (enum operation)done->token.operation) {
        counter_add(&prober->counts.stale_completions, 1);
        return;
    }
    if (p->flying == OPERATION_OPEN && done->result >= 0)
        p->file = done->result; /* even if nobody wants it any more: it must be closed */
    p->flying = OPERATION_NONE;
    counter_add(&prober->counts.in_flight, UINT64_MAX);
    if (p->leaving != TURN_WAIT) {
        enum turn turn = p->leaving;
        p->leaving = TURN_WAIT;
        probe_drive(p, turn);
        return;
    }
    if (clock_boot_ms() > p->timer.due_ms + LIMIT_PROBE_LATE_MS)
        p->late = true; /* the deadline has passed long ago, and we did not notice */
    probe_drive(p, rows[p->step].resume(p, done));
}

/* The step's time is up. */
static enum turn probe_is_late(struct probe *p)
{
    const struct step_row *row = &rows[p->step];

    if (is_resuming(p) && !p->late) {
        if (p->timer.due_ms < p->whole_due_ms)
            return once_more_in_full(p, "it took too long");
        session_failed(p);
    }
    return probe_fails(p, row->late, "timed out while %s%s", row->doing,
                       p->timer.due_ms >= p->whole_due_ms ? ", the time of the whole probe" : "");
}

void prober_due(struct prober *prober, struct wheel_timer *timer)
{
    struct probe *p = pool_find(prober->pool, timer->token.slot, timer->token.generation);

    CHECK(p != NULL && timer == &p->timer); /* an ended probe's timer is not armed */
    if (p->leaving != TURN_WAIT) {
        probe_hold(p, p->leaving);
        return;
    }
    if (p->parked || clock_boot_ms() > timer->due_ms + LIMIT_PROBE_LATE_MS)
        p->late = true; /* the peer has answered and we did not look, or we looked too late */
    probe_drive(p, probe_is_late(p));
}

/* --- bytes to and from the peer --- */

/* The end of each function that submits: `result` is the ring's. */
static enum turn fly(struct probe *p, enum operation operation, int result)
{
    if (result != 0)
        return probe_find(p, OUTCOME_OURS_RESOURCES, TURN_END, "the ring has no room: %s",
                          strerror(-result));
    p->flying = operation;
    counter_add(&p->prober->counts.in_flight, 1);
    return TURN_WAIT;
}

static enum turn receive(struct probe *p)
{
    return fly(p, OPERATION_RECEIVE,
               ring_receive(p->prober->ring, token_of(p, OPERATION_RECEIVE), p->file));
}

static const uint8_t *waiting_bytes(const struct probe *p, size_t *size)
{
    if (p->tls != NULL)
        return tls_out(p->tls, size);
    *size = (size_t)(p->out_size - p->out_at);
    return *size == 0 ? NULL : p->out + p->out_at;
}

static enum turn send_waiting(struct probe *p)
{
    size_t size = 0;
    const uint8_t *bytes = waiting_bytes(p, &size);

    if (size == 0)
        return p->last_words ? TURN_END : receive(p);
    return fly(p, OPERATION_SEND,
               ring_send(p->prober->ring, token_of(p, OPERATION_SEND), p->file, bytes, size));
}

/* Errors that are ours: no descriptor, no memory, no local port. */
static bool is_ours(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case ECANCELED:
    case EINTR:
        return true;
    default:
        return false;
    }
}

/* What losing the connection means. An error of our own machine says nothing about the peer, one of
 * the way to it no more than a timeout does. */
static enum outcome outcome_of_loss(const struct probe *p, int error)
{
    if (is_ours(error))
        return OUTCOME_OURS_RESOURCES;
    switch (error) {
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return rows[p->step].late;
    default:
        return rows[p->step].closed;
    }
}

/* The connection is gone: `result` 0 for its orderly end, else a negative errno. */
static enum turn lost(struct probe *p, int result)
{
    if (is_resuming(p) && !is_ours(-result))
        return once_more_in_full(p, result == 0 ? "closed" : strerror(-result));
    p->evidence->error = -result;
    return probe_fails(p, outcome_of_loss(p, -result), "%s while %s",
                       result == 0 ? "the peer closed the connection" : strerror(-result),
                       rows[p->step].doing);
}

static enum turn sent(struct probe *p, int result)
{
    if (result <= 0)
        return lost(p, result);
    counter_add(&p->prober->counts.bytes_out, (uint64_t)result);
    if (p->tls != NULL)
        tls_sent(p->tls, (size_t)result);
    else
        p->out_at = (uint16_t)(p->out_at + result);
    return send_waiting(p);
}

static enum turn tls_broke(struct probe *p);

/* Says a command, in clear or inside TLS, and expects its reply. */
static enum turn say(struct probe *p, const char *verb, const char *argument,
                     enum smtp_question question)
{
    char command[NAME_BYTES_MAX + 16];
    size_t size = smtp_command(command, sizeof command, verb, argument);

    CHECK(size > 0 && size <= sizeof p->out); /* our own words always fit */
    p->my_turn = false;
    smtp_expect(&p->smtp, question);
    if (!p->naming && !p->helo && p->step != STEP_GOODBYE)
        note_reply_begins(p->evidence);
    command[size - 2] = '\0';
    note_line(p->evidence, NOTE_CLIENT, command);
    command[size - 2] = '\r';
    if (p->tls != NULL)
        return tls_write(p->tls, command, size) == 0 ? send_waiting(p) : tls_broke(p);
    memcpy(p->out, command, size);
    p->out_at = 0;
    p->out_size = (uint16_t)size;
    return send_waiting(p);
}

/* One line of a reply was heard. */
static void heard(struct probe *p)
{
    const char *text = smtp_text(&p->smtp);

    note_line(p->evidence, NOTE_SERVER, smtp_line(&p->smtp));
    /* What decided stays: not the reply to QUIT, to HELO after EHLO, or on the second connection.
     */
    if (p->naming || p->helo || p->step == STEP_GOODBYE)
        return;
    note_reply_line(p->evidence, p->smtp.code, text);
    if (p->step == STEP_GREETING) {
        note_greeting(p->evidence, text);
        p->evidence->greeted_esmtp |= p->smtp.says_esmtp;
        p->evidence->multiline_greeting |= p->smtp.lines > 1;
    }
}

/* Something that is no reply: its beginning goes to the transcript. */
static void heard_nonsense(struct probe *p, const uint8_t *bytes, size_t size)
{
    char text[64];
    size_t kept = size < sizeof text - 1 ? size : sizeof text - 1;

    memcpy(text, bytes, kept);
    text[kept] = '\0';
    note_line(p->evidence, NOTE_SERVER, text);
}

/* The reply is complete; `left` bytes came behind it that nobody asked for. */
typedef enum turn replied(struct probe *p, size_t left);

/* TURN_WAIT with nothing in flight: the reply goes on. */
static enum turn hear(struct probe *p, const uint8_t *bytes, size_t size, replied *then)
{
    enum smtp_event event = SMTP_LINE;
    size_t at = 0, used = 0;

    while (event == SMTP_LINE) {
        at += used;
        event = smtp_feed(&p->smtp, bytes + at, size - at, &used);
        if (event == SMTP_LINE || event == SMTP_REPLY)
            heard(p);
    }
    switch (event) {
    case SMTP_REPLY:
        p->my_turn = at + used == size;
        return then(p, size - at - used);
    case SMTP_MALFORMED:
        heard_nonsense(p, bytes + at, size - at);
        return probe_fails(p, OUTCOME_SMTP_MALFORMED, "malformed reply while %s: %s",
                           rows[p->step].doing, p->smtp.why);
    case SMTP_TOO_LONG:
        return probe_fails(p, OUTCOME_SMTP_TOO_LONG, "endless reply while %s: %s",
                           rows[p->step].doing, p->smtp.why);
    case SMTP_MORE:
    case SMTP_LINE:
        break;
    }
    return TURN_WAIT;
}

/* Ciphertext came: hears what is in it. */
static enum turn hear_tls(struct probe *p, const uint8_t *bytes, size_t size, replied *then)
{
    uint8_t text[2048];
    size_t got = 0;
    enum turn turn = TURN_WAIT;

    if (tls_take(p->tls, bytes, size) == -ENOMEM)
        return probe_find(p, OUTCOME_OURS_RESOURCES, TURN_END, "no memory for received bytes");
    while (turn == TURN_WAIT && p->flying == OPERATION_NONE) {
        switch (tls_read(p->tls, text, sizeof text, &got)) {
        case TLS_DONE:
            turn = hear(p, text, got, then);
            break;
        case TLS_WAIT:
            return TURN_WAIT;
        case TLS_ENDED:
            return lost(p, 0);
        case TLS_BROKEN:
            return tls_broke(p);
        }
    }
    return turn;
}

/* What every step that talks does with a completion. */
static enum turn talk(struct probe *p, const struct ring_completion *done, replied *then)
{
    if (done->token.operation == OPERATION_SEND)
        return sent(p, done->result);
    if (done->result == -ENOBUFS)
        return receive(p);
    if (done->result <= 0)
        return lost(p, done->result);
    size_t size = (size_t)done->result;
    counter_add(&p->prober->counts.bytes_in, size);
    enum turn turn =
        p->tls != NULL ? hear_tls(p, done->data, size, then) : hear(p, done->data, size, then);
    return turn == TURN_WAIT && p->flying == OPERATION_NONE ? send_waiting(p) : turn;
}

/* Bytes behind a reply, before anything was asked: the dialogue is out of step. */
static enum turn spoke_out_of_turn(struct probe *p)
{
    return probe_fails(p, OUTCOME_SMTP_MALFORMED, "the peer spoke out of turn while %s",
                       rows[p->step].doing);
}

/* --- connect --- */

/* Linux answers so where IPv6 is switched off: there is no route, as with any other machine that
 * has no IPv6. (In IPv4 it is a lack of local ports.) */
static bool lacks_ipv6(const struct probe *p, int error)
{
    return error == EADDRNOTAVAIL && p->evidence->key.address.family == 6 &&
           p->prober->source6.size == 0;
}

static enum turn connect_failed(struct probe *p, int error)
{
    enum outcome outcome = OUTCOME_CONNECT_UNREACHABLE;

    p->evidence->error = error;
    if (is_ours(error) && !lacks_ipv6(p, error))
        outcome = OUTCOME_OURS_RESOURCES;
    else if (error == ECONNREFUSED || error == ECONNRESET)
        outcome = OUTCOME_CONNECT_REFUSED;
    else if (error == ETIMEDOUT)
        outcome = OUTCOME_CONNECT_TIMEOUT;
    return probe_find(p, outcome, TURN_END, "%s while connecting", strerror(error));
}

static enum turn connect_now(struct probe *p)
{
    const struct endpoint_key *key = &p->evidence->key;
    socklen_t size = address_to_socket(&key->address, key->port, &p->address);

    return fly(p, OPERATION_CONNECT,
               ring_connect(p->prober->ring, token_of(p, OPERATION_CONNECT), p->file,
                            (const struct sockaddr *)&p->address, size));
}

static enum turn connect_begin(struct probe *p)
{
    struct prober *prober = p->prober;
    bool ipv4 = p->evidence->key.address.family == 4;
    int family = ipv4 ? AF_INET : AF_INET6;
    const struct source *source = ipv4 ? &prober->source4 : &prober->source6;

    if (address_is_reserved(&p->evidence->key.address) && !prober->settings->allow_reserved)
        return probe_find(p, OUTCOME_RESERVED_ADDRESS, TURN_END, "the address is reserved");
    if (source->size == 0)
        return fly(p, OPERATION_OPEN, ring_open(prober->ring, token_of(p, OPERATION_OPEN), family));
    ring_file file = ring_open_bound(prober->ring, family,
                                     (const struct sockaddr *)&source->address, source->size);
    if (file < 0)
        return probe_find(p, OUTCOME_OURS_RESOURCES, TURN_END,
                          "cannot connect from the configured address: %s", strerror(-file));
    p->file = file;
    return connect_now(p);
}

static enum turn connect_resume(struct probe *p, const struct ring_completion *done)
{
    if (done->result < 0)
        return connect_failed(p, -done->result);
    return done->token.operation == OPERATION_OPEN ? connect_now(p) : TURN_NEXT;
}

/* --- greeting: nothing is said before it (pregreet traps) --- */

static enum turn greeting_begin(struct probe *p)
{
    smtp_start(&p->smtp);
    return receive(p);
}

/* TLS-03. A refusal for rate is no refusal. */
static enum turn greeting_refused(struct probe *p)
{
    uint16_t code = p->smtp.code;

    if (smtp_is_rate_signal(&p->smtp, p->evidence->smtp_text))
        return probe_find(p, OUTCOME_RATE_LIMITED, TURN_QUIT, "greeted with %u: too often", code);
    if (code / 100 == 4)
        return probe_find(p, OUTCOME_GREETING_TEMPORARY, TURN_QUIT, "greeted with %u", code);
    if (code / 100 == 5)
        return probe_find(p, OUTCOME_GREETING_REFUSED, TURN_QUIT, "greeted with %u", code);
    return probe_find(p, OUTCOME_SMTP_MALFORMED, TURN_QUIT, "greeted with %u", code);
}

static enum turn greeting_replied(struct probe *p, size_t left)
{
    if (left > 0)
        return spoke_out_of_turn(p);
    return p->smtp.code == 220 ? TURN_NEXT : greeting_refused(p);
}

static enum turn greeting_resume(struct probe *p, const struct ring_completion *done)
{
    return talk(p, done, greeting_replied);
}

/* --- EHLO --- */

static enum turn ehlo_begin(struct probe *p)
{
    p->masked_greeting = p->smtp.masked;
    return say(p, "EHLO", p->prober->ehlo_name, SMTP_EHLO);
}

static enum turn ehlo_accepted(struct probe *p)
{
    if (p->helo)
        return probe_find(p, OUTCOME_EHLO_REFUSED, TURN_QUIT,
                          "refuses EHLO and takes HELO: TLS cannot be offered");
    if ((p->smtp.keywords & KEYWORD_STARTTLS) != 0) {
        p->evidence->offered_starttls = true;
        return TURN_NEXT;
    }
    if (p->smtp.masked || p->masked_greeting)
        return probe_find(p, OUTCOME_STARTTLS_MASKED, TURN_QUIT,
                          "something on the way has overwritten the %s",
                          p->smtp.masked ? "keywords" : "greeting");
    return probe_find(p, OUTCOME_NO_STARTTLS, TURN_QUIT, "does not offer STARTTLS");
}

/* TLS-04. Only a host that takes HELO instead has said that it knows no EHLO. */
static enum turn ehlo_refused(struct probe *p)
{
    uint16_t code = p->smtp.code;

    if (!p->helo && smtp_is_rate_signal(&p->smtp, p->evidence->smtp_text))
        return probe_find(p, OUTCOME_RATE_LIMITED, TURN_QUIT, "%u to EHLO: too often", code);
    if (code / 100 == 4)
        return probe_find(p, OUTCOME_EHLO_TEMPORARY, TURN_QUIT, "%u to %s", code,
                          p->helo ? "HELO after EHLO was refused" : "EHLO");
    if (p->helo)
        return probe_find(p, OUTCOME_GREETING_REFUSED, TURN_QUIT, "refuses EHLO and HELO");
    p->helo = true;
    return say(p, "HELO", p->prober->ehlo_name, SMTP_OTHER);
}

static enum turn ehlo_replied(struct probe *p, size_t left)
{
    if (left > 0)
        return spoke_out_of_turn(p);
    switch (p->smtp.code / 100) {
    case 2:
        return ehlo_accepted(p);
    case 4:
    case 5:
        return ehlo_refused(p);
    default:
        return probe_find(p, OUTCOME_SMTP_MALFORMED, TURN_QUIT, "%u to EHLO", p->smtp.code);
    }
}

static enum turn ehlo_resume(struct probe *p, const struct ring_completion *done)
{
    return talk(p, done, ehlo_replied);
}

/* --- STARTTLS --- */

static enum turn starttls_begin(struct probe *p)
{
    return say(p, "STARTTLS", NULL, SMTP_OTHER);
}

/* TLS-07: offered, then refused. Every refusal counts, but for one that names our rate: 4.7.0 is
 * what hosts say whose certificate is missing. */
static enum turn starttls_refused(struct probe *p)
{
    uint16_t code = p->smtp.code;

    if (code == 421 && smtp_is_rate_signal(&p->smtp, p->evidence->smtp_text))
        return probe_find(p, OUTCOME_RATE_LIMITED, TURN_QUIT, "421 to STARTTLS: too often");
    return probe_find(p, code / 100 == 4 ? OUTCOME_STARTTLS_TEMPORARY : OUTCOME_STARTTLS_REFUSED,
                      TURN_QUIT, "offers STARTTLS and answers it with %u", code);
}

/* TLS-08: after the 220 nothing may have come in clear text. What has is never looked at. */
static enum turn starttls_replied(struct probe *p, size_t left)
{
    if (p->smtp.code != 220)
        return starttls_refused(p);
    if (left > 0)
        return probe_find(p, OUTCOME_INJECTION, TURN_END,
                          "%zu bytes in clear text behind the 220 to STARTTLS", left);
    return TURN_NEXT;
}

static enum turn starttls_resume(struct probe *p, const struct ring_completion *done)
{
    return talk(p, done, starttls_replied);
}

/* --- handshake: the heavy step; its parts wait in the prober's queue for their turn --- */

static enum turn park(struct probe *p)
{
    CHECK(!p->parked);
    p->parked = true;
    TAILQ_INSERT_TAIL(&p->prober->parked, p, queue);
    return TURN_WAIT;
}

/* The second connection: a hello of our own making, and no library. */
static enum turn naming_begin(struct probe *p)
{
    uint8_t random[32];
    uint64_t seed = clock_boot_us();

    for (size_t i = 0; i < sizeof random; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        random[i] = (uint8_t)(seed >> 56);
    }
    p->out_at = 0;
    p->out_size = (uint16_t)tls_hello_write(p->out, &p->evidence->key.server_name, random);
    return send_waiting(p);
}

static enum turn handshake_begin(struct probe *p)
{
    smtp_forget(&p->smtp); /* TLS-09 */
    p->my_turn = false;
    if (!p->naming)
        note_reply_begins(p->evidence); /* from here on no reply decides */
    return p->naming ? naming_begin(p) : park(p);
}

/* What happens may still be for the session of an earlier handshake: nothing was heard since. (In
 * TLS 1.3 we are done before the peer says what it makes of it.) */
static bool is_resuming(const struct probe *p)
{
    return p->proof != NULL && p->step <= STEP_HELLO;
}

static void forget_proof(struct probe *p)
{
    evidence_drop(p->proof);
    p->proof = NULL;
}

static bool may_connect_again(struct probe *p)
{
    const struct prober *prober = p->prober;

    return prober->may_again != NULL && prober->may_again(prober->may_again_context, p->job);
}

/* Sessions that may be resumed, and failures that forbid it, are of this time or later. */
static uint64_t resumption_since_ms(const struct prober *prober)
{
    const uint64_t now_ms = clock_boot_ms(), apart_ms = prober->settings->full_handshake_ms;

    return now_ms > apart_ms ? now_ms - apart_ms : 0;
}

/* For a while this endpoint is looked at in full. */
static void session_failed(struct probe *p)
{
    counter_add(&p->prober->counts.resumption_failed, 1);
    sessions_failed(p->prober->sessions, &p->evidence->key, clock_boot_ms());
}

/* As if no certificate had been looked at: also one that a session vouched for. */
static void forget_certificate(struct evidence *e)
{
    while (e->chain_count > 0)
        certificate_drop(e->chain[--e->chain_count]);
    e->chain_cut = false;
    e->pkix = -1;
    e->tlsa_count = 0;
    memset(e->tlsa, 0, sizeof e->tlsa);
    e->proved_ms = 0;
}

/* What a peer makes of a session is its own affair, and a delivery offers none: nothing is found
 * before the same was tried in full. */
static enum turn once_more_in_full(struct probe *p, const char *why)
{
    struct evidence *e = p->evidence;
    char text[160];

    session_failed(p);
    forget_proof(p);
    snprintf(text, sizeof text, "with a session of an earlier look it failed: %s", why);
    note_line(e, NOTE_REMARK, text);
    if (!may_connect_again(p))
        return probe_find(p, OUTCOME_LIMITED, TURN_END,
                          "no budget to do in full the handshake that failed with a session (%s)",
                          why);
    p->in_full = true;
    forget_certificate(e);
    p->decided = e->resumed = e->offered_starttls = false;
    p->masked_greeting = e->greeted_esmtp = e->multiline_greeting = false;
    e->outcome = OUTCOME_OURS_CANCELLED; /* as at the beginning */
    e->alert = 0;
    e->tls_version = 0;
    e->detail[0] = e->cipher[0] = e->group[0] = e->signature[0] = '\0';
    note_line(e, NOTE_REMARK, "once more, in full");
    return TURN_AGAIN;
}

/* Offers the session that is kept for this endpoint, if it may be. */
static void offer_session(struct probe *p)
{
    struct prober *prober = p->prober;
    uint8_t bytes[LIMIT_SESSION_BYTES];
    size_t size = 0;

    if (!prober->settings->resumption)
        return;
    if (!p->in_full)
        size = sessions_take(prober->sessions, &p->evidence->key, resumption_since_ms(prober),
                             clock_wall_s(), bytes, &p->proof);
    if (!tls_resume(p->tls, bytes, size))
        forget_proof(p);
    explicit_bzero(bytes, size);
}

/* Version and suite that a weak peer would take. */
static enum turn found_weak(struct probe *p, enum turn turn, uint16_t version, uint16_t suite,
                            const char *suite_name, const char *why)
{
    char number[16];

    snprintf(number, sizeof number, "suite %04x", suite);
    p->evidence->tls_version = version;
    snprintf(p->evidence->cipher, sizeof p->evidence->cipher, "%s",
             suite_name == NULL || suite_name[0] == '\0' ? number : suite_name);
    return probe_find(p, OUTCOME_TLS_WEAK, turn, "offers only %s with %s (%s)",
                      tls_version_name(version), p->evidence->cipher, why);
}

/* A refusal that may be for what we do not offer: worth one more connection. What the peer named by
 * itself needs none. */
static bool may_be_weak(const struct probe *p, const struct tls_facts *facts)
{
    static const uint8_t alerts[] = {40, 47, 70, 71, 80}; /* RFC 8446 section 6: handshake_failure,
                                   illegal_parameter, protocol_version, insufficient_security,
                                   internal_error */
    if (!p->prober->settings->weak_check || p->naming || p->late || facts->chosen != 0)
        return false;
    if (facts->failure == TLS_FAILURE_NONE)
        return !facts->answered; /* closed right after our hello */
    return facts->failure == TLS_FAILURE_ALERT &&
           memchr(alerts, facts->alert, sizeof alerts) != NULL;
}

/* The first connection's finding stands; the second may only put a name to it. `otherwise`: the
 * turn if there must not be one. */
static enum turn name_what_is_weak(struct probe *p, enum turn otherwise)
{
    struct prober *prober = p->prober;

    if (!may_connect_again(p)) {
        p->evidence->naming = NAMING_OURS;
        note_line(p->evidence, NOTE_REMARK, "not once more: no budget to name what it would take");
        set_detail(p, "%s; what it would take is not known: no budget for a second connection",
                   p->evidence->detail);
        counter_add(&prober->counts.weak_checks_left_out, 1);
        return otherwise;
    }
    p->naming = true;
    p->evidence->naming = NAMING_UNSEEN; /* until it comes to something */
    note_line(p->evidence, NOTE_REMARK, "once more, to name what is below the floor");
    counter_add(&prober->counts.weak_checks, 1);
    return TURN_AGAIN;
}

static enum outcome outcome_of_failure(enum tls_failure failure)
{
    switch (failure) {
    case TLS_FAILURE_PLAINTEXT:
        return OUTCOME_TLS_PLAINTEXT;
    case TLS_FAILURE_ALERT:
        return OUTCOME_TLS_ALERT;
    case TLS_FAILURE_BELOW:
        return OUTCOME_TLS_WEAK;
    case TLS_FAILURE_TOO_LARGE:
        return OUTCOME_TLS_TOO_LARGE;
    case TLS_FAILURE_COSTLY:
        return OUTCOME_TLS_COSTLY;
    case TLS_FAILURE_OURS:
        return OUTCOME_OURS_RESOURCES;
    case TLS_FAILURE_GARBLED:
    case TLS_FAILURE_NONE:
        break;
    }
    return OUTCOME_TLS_FAILED;
}

/* In the handshake, or behind it: a TLS 1.3 server that wants a certificate of ours, for one, says
 * so only after we think that all is done. */
static enum turn tls_broke(struct probe *p)
{
    const struct tls_facts facts = *tls_facts(p->tls);
    enum outcome outcome = outcome_of_failure(facts.failure);
    size_t size = 0;

    if (p->step == STEP_GOODBYE)
        return TURN_END;
    if (is_resuming(p) && facts.failure != TLS_FAILURE_OURS)
        return once_more_in_full(p, facts.why);
    p->evidence->alert = facts.alert;
    note_line(p->evidence, NOTE_REMARK, facts.why);
    /* An alert of ours may wait to be sent. Nothing in clear text follows it (TLS-11). */
    p->my_turn = false;
    p->last_words = tls_out(p->tls, &size) != NULL;
    if (outcome == OUTCOME_TLS_WEAK)
        return found_weak(p, TURN_QUIT, facts.chosen, facts.chosen_suite, facts.chosen_name,
                          facts.why);
    if (p->step == STEP_HELLO && outcome == OUTCOME_TLS_TOO_LARGE)
        return probe_fails(p, outcome, "%s", facts.why);
    probe_find(p, outcome, TURN_QUIT, "%s%s", outcome == OUTCOME_TLS_ALERT ? "alert: " : "",
               facts.why);
    return may_be_weak(p, &facts) ? name_what_is_weak(p, TURN_QUIT) : TURN_QUIT;
}

static enum turn tls_completed(struct probe *p)
{
    const struct tls_facts *facts = tls_facts(p->tls);
    struct evidence *e = p->evidence;
    char text[160];

    e->tls_version = facts->version;
    e->resumed = facts->resumed;
    snprintf(e->cipher, sizeof e->cipher, "%s", facts->cipher);
    snprintf(e->group, sizeof e->group, "%s", facts->group);
    snprintf(e->signature, sizeof e->signature, "%s", facts->signature);
    if (!e->resumed)
        forget_proof(p); /* the peer preferred a full one */
    snprintf(text, sizeof text, "%s, %s, %s, %s", tls_version_name(e->tls_version), e->cipher,
             e->group, e->resumed ? "resumed" : e->signature);
    note_line(e, NOTE_REMARK, text);
    counter_add(&p->prober->counts.handshakes, 1);
    counter_add(&p->prober->counts.resumed, e->resumed);
    p->my_turn = true;
    /* Our Finished may still wait in tls_out; it goes out together with the next words. */
    return probe_find(p, OUTCOME_TLS_OK, TURN_NEXT, "%s with %s%s",
                      tls_version_name(e->tls_version), e->cipher, e->resumed ? ", resumed" : "");
}

/* Called when it is this probe's turn for heavy work. */
static enum turn handshake_heavy(struct probe *p)
{
    if (p->tls == NULL) {
        p->tls = tls_open(p->prober->tls, &p->evidence->key.server_name);
        if (p->tls == NULL)
            return probe_find(p, OUTCOME_OURS_RESOURCES, TURN_END, "no memory for TLS");
        offer_session(p);
    }
    switch (tls_handshake(p->tls)) {
    case TLS_WAIT:
        return send_waiting(p);
    case TLS_DONE:
        return tls_completed(p);
    case TLS_ENDED:
    case TLS_BROKEN:
        break;
    }
    return tls_broke(p);
}

static enum turn naming_received(struct probe *p, const uint8_t *bytes, size_t size)
{
    static const uint8_t never_mind[] = {21, 3, 1, 0, 2, 2, 40}; /* fatal, handshake_failure */
    const struct tls_hello *answer = &p->answer;

    switch (tls_hello_read(&p->answer, bytes, size)) {
    case TLS_ANSWER_MORE:
        return receive(p);
    case TLS_ANSWER_REFUSED:
    case TLS_ANSWER_OTHER:
        p->evidence->naming = NAMING_ANSWERED;
        return TURN_END;
    case TLS_ANSWER_HELLO:
        break;
    }
    p->evidence->naming = NAMING_ANSWERED;
    memcpy(p->out, never_mind, sizeof never_mind);
    p->out_at = 0;
    p->out_size = sizeof never_mind;
    p->last_words = true;
    /* A good suite with a good version is not what the first connection was refused for. */
    if (answer->version >= 0x0303 && !tls_suite_is_weak(answer->suite))
        return TURN_QUIT;
    return found_weak(p, TURN_QUIT, answer->version, answer->suite, tls_suite_name(answer->suite),
                      "named by its ServerHello, not completed");
}

static enum turn handshake_received(struct probe *p, const uint8_t *bytes, size_t size)
{
    counter_add(&p->prober->counts.bytes_in, size);
    if (p->naming)
        return naming_received(p, bytes, size);
    switch (tls_take(p->tls, bytes, size)) {
    case 0:
        return park(p);
    case -ENOMEM:
        return probe_find(p, OUTCOME_OURS_RESOURCES, TURN_END, "no memory for received bytes");
    default:
        return tls_broke(p);
    }
}

static enum turn handshake_lost(struct probe *p, int result)
{
    enum turn turn = lost(p, result);

    if (turn == TURN_AGAIN)
        return turn;
    return p->tls != NULL && may_be_weak(p, tls_facts(p->tls)) ? name_what_is_weak(p, turn) : turn;
}

static enum turn handshake_resume(struct probe *p, const struct ring_completion *done)
{
    if (done->result == -ENOBUFS && done->token.operation == OPERATION_RECEIVE)
        return receive(p);
    if (done->result <= 0)
        return handshake_lost(p, done->result);
    if (done->token.operation == OPERATION_SEND)
        return sent(p, done->result);
    return handshake_received(p, done->data, (size_t)done->result);
}

/* --- verify: what was sent is judged; names are matched later, per domain (TLS-21) --- */

/* All were looked at, and the results stay; of the certificates only the leaf is needed later, for
 * its names. The others are for `explain`, when there is room. */
static void keep_the_leaf(struct probe *p, unsigned sent)
{
    struct evidence *e = p->evidence;

    if (e->chain_count <= 1 || !certificate_store_is_crowded(p->prober->certificates))
        return;
    p->leaf_only = true;
    set_detail(p, "sent %u certificates, %u of them looked at and one kept: there is little room",
               sent, e->chain_count);
    while (e->chain_count > 1)
        certificate_drop(e->chain[--e->chain_count]);
}

static enum turn verify_fails(struct probe *p, int error)
{
    return probe_find(p, OUTCOME_OURS_RESOURCES, TURN_QUIT, "cannot verify the chain: %s",
                      error == -ENOBUFS ? "no room for its certificates now" : strerror(-error));
}

/* TLS-24: whoever has the session's secret is whom the certificate was seen of. It was asked before
 * the session was offered whether that certificate may still stand for it. */
static enum turn verify_carried(struct probe *p)
{
    const struct evidence *proof = p->proof;
    struct evidence *e = p->evidence;

    e->proved_ms = proof->began_ms;
    for (e->chain_count = 0; e->chain_count < proof->chain_count; e->chain_count++)
        e->chain[e->chain_count] = certificate_hold(proof->chain[e->chain_count]);
    e->pkix = proof->pkix;
    e->tlsa_count = proof->tlsa_count;
    memcpy(e->tlsa, proof->tlsa, sizeof e->tlsa);
    memcpy(e->signature, proof->signature, sizeof e->signature);
    if (e->group[0] == '\0') /* TLS 1.2 has no key exchange of its own then */
        memcpy(e->group, proof->group, sizeof e->group);
    return TURN_NEXT;
}

static enum turn verify_begin(struct probe *p)
{
    struct prober *prober = p->prober;
    struct evidence *e = p->evidence;
    if (e->resumed)
        return verify_carried(p);
    int64_t now_s = clock_wall_s();
    unsigned sent_count = 0;
    int count = tls_chain(p->tls, prober->certificates, e->chain, &sent_count);

    if (count < 0)
        return verify_fails(p, count);
    e->chain_count = (uint8_t)count;
    e->chain_cut = sent_count > e->chain_count;
    if (sent_count > 0 &&
        count == 0) { /* then nothing is claimed: pkix -1, no fate of any record */
        set_detail(p, "sent a certificate that cannot be read, or of more than %u bytes",
                   LIMIT_CERTIFICATE_BYTES);
        return TURN_NEXT;
    }
    if (count == 0)
        return TURN_NEXT;
    e->pkix = certificate_pkix(prober->certificates, e->chain, e->chain_count, now_s);
    if (e->pkix < 0)
        return verify_fails(p, e->pkix);
    if (e->chain_cut)
        set_detail(p, "sent %u certificates, %u of them looked at", sent_count, e->chain_count);
    int results =
        p->tlsa == NULL ? 0 : dane_match(p->tlsa, e->chain, e->chain_count, now_s, e->tlsa);
    if (results < 0) /* DANE-38: an error of ours is temporary, never "no match" */
        return probe_find(p, OUTCOME_OURS_RESOURCES, TURN_QUIT, "cannot match TLSA records: %s",
                          strerror(-results));
    e->tlsa_count = (uint8_t)results;
    keep_the_leaf(p, sent_count);
    return TURN_NEXT;
}

static enum turn verify_resume(struct probe *p, const struct ring_completion *done)
{
    (void)p;
    CHECK(done == NULL); /* nothing is ever in flight here */
    return TURN_END;
}

/* --- EHLO inside TLS: only what is said here counts (TLS-09, TLS-10) --- */

static enum turn hello_begin(struct probe *p)
{
    return say(p, "EHLO", p->prober->ehlo_name, SMTP_EHLO);
}

static enum turn hello_replied(struct probe *p, size_t left)
{
    (void)left; /* inside TLS there is nobody to inject it */
    if (p->smtp.code / 100 == 2) {
        p->evidence->keywords = p->smtp.keywords;
        p->heard_inside = true;
        note_reply_begins(p->evidence);
    } else {
        set_detail(p, "%u to EHLO inside TLS", p->smtp.code);
    }
    p->my_turn = true;
    return TURN_QUIT;
}

static enum turn hello_resume(struct probe *p, const struct ring_completion *done)
{
    return talk(p, done, hello_replied);
}

/* --- goodbye: always QUIT, where there is still a way to say it (TLS-19) --- */

static enum turn goodbye_begin(struct probe *p)
{
    return p->last_words ? send_waiting(p) : say(p, "QUIT", NULL, SMTP_OTHER);
}

static enum turn goodbye_replied(struct probe *p, size_t left)
{
    (void)left;
    if (p->tls == NULL)
        return TURN_END;
    tls_say_goodbye(p->tls);
    p->last_words = true;
    return send_waiting(p);
}

static enum turn goodbye_resume(struct probe *p, const struct ring_completion *done)
{
    return talk(p, done, goodbye_replied);
}

/* --- the end of a probe --- */

/* Law 3. What a peer said in so many words stays; what may only be our own slowness goes. */
static void blame_ourselves(struct probe *p)
{
    struct evidence *e = p->evidence;
    enum outcome_says says = outcome_says(e->outcome);

    if (p->began_us / 1000 > p->prober->late_until_ms && !p->late)
        return;
    if (says != SAYS_INCONCLUSIVE && says != SAYS_BROKEN && says != SAYS_REFUSES && !p->unheard)
        return;
    counter_add(&p->prober->counts.timeouts_ours, 1);
    set_detail(p, "we were late; it looked like %s", outcome_name(e->outcome));
    e->outcome = OUTCOME_OURS_LATE;
}

/* Judged under the settings that hold now: roots, and what is offered, may have been others before.
 * (One of the same millisecond may be of either side.) */
static bool is_of_these_settings(const struct prober *prober, const struct evidence *proof)
{
    return prober->reloaded_ms == 0 || proof->began_ms > prober->reloaded_ms;
}

/* For the next look, if this one left nothing to ask. */
static void keep_session(struct probe *p)
{
    struct prober *prober = p->prober;
    const struct evidence *proof = p->evidence->resumed ? p->proof : p->evidence;
    uint8_t bytes[LIMIT_SESSION_BYTES];
    size_t size;

    if (!prober->settings->resumption || p->evidence->outcome != OUTCOME_TLS_OK ||
        !p->heard_inside || p->leaf_only || !evidence_may_be_resumed(proof) ||
        !is_of_these_settings(prober, proof) || certificate_store_is_crowded(prober->certificates))
        return;
    size = tls_session(p->tls, bytes);
    if (size > 0)
        sessions_keep(prober->sessions, proof, resumption_since_ms(prober), bytes, size);
    explicit_bzero(bytes, size);
}

static void probe_end(struct probe *p)
{
    struct prober *prober = p->prober;
    struct evidence *e = p->evidence;

    wheel_disarm(prober->wheel, &p->timer);
    if (e->outcome == OUTCOME_TLS_OK)
        e->step = (uint8_t)p->step;
    blame_ourselves(p);
    keep_session(p);
    forget_connection(p);
    forget_proof(p);
    dns_answer_drop(p->tlsa);
    p->tlsa = NULL;
    uint64_t now_us = clock_boot_us();
    e->ended_ms = now_us / 1000;
    e->ended_wall_s = clock_wall_s();
    counter_add(&prober->counts.ended[e->outcome], 1);
    histogram_add(&prober->counts.whole_us, now_us - p->began_us);
    log_trace("probe-ended", "name=%s outcome=%s detail=%s", e->key.server_name.text,
              outcome_name(e->outcome), e->detail);
    p->ended = true;
    TAILQ_INSERT_TAIL(&prober->ended, p, queue);
}

const struct evidence *prober_take_ended(struct prober *prober, uint64_t *job)
{
    struct probe *p = TAILQ_FIRST(&prober->ended);

    if (p == NULL)
        return NULL;
    const struct evidence *evidence = p->evidence;
    *job = p->job;
    TAILQ_REMOVE(&prober->ended, p, queue);
    pool_give(prober->pool, p);
    return evidence;
}

/* --- the prober --- */

int prober_start(struct prober *prober, const struct endpoint_key *key,
                 const struct dns_answer *tlsa, uint64_t job)
{
    struct evidence *evidence = calloc(1, sizeof *evidence);
    struct probe *p = evidence == NULL ? NULL : pool_take(prober->pool);

    if (p == NULL) {
        free(evidence);
        return evidence == NULL ? -ENOMEM : -EAGAIN;
    }
    uint64_t now_us = clock_boot_us();
    atomic_init(&evidence->references, 1);
    evidence->key = *key;
    evidence->began_ms = now_us / 1000;
    evidence->outcome = OUTCOME_OURS_CANCELLED; /* until something was found */
    evidence->pkix = -1;
    p->prober = prober;
    p->evidence = evidence;
    p->tlsa = tlsa == NULL ? NULL : dns_answer_hold(tlsa);
    p->job = job;
    p->file = RING_FILE_NONE;
    p->began_us = now_us;
    p->whole_due_ms = now_us / 1000 + prober->settings->whole_ms;
    counter_add(&prober->counts.started, 1);
    step_begins(p, STEP_CONNECT, now_us);
    probe_drive(p, connect_begin(p));
    return 0;
}

bool prober_run_heavy(struct prober *prober)
{
    uint64_t until_ms = clock_boot_ms() + LIMIT_HEAVY_MS;
    struct probe *p;

    for (uint64_t i = 0; i < prober->settings->heavy_per_turn && clock_boot_ms() <= until_ms; i++) {
        if ((p = TAILQ_FIRST(&prober->parked)) == NULL)
            return false;
        unpark(p);
        probe_drive(p, handshake_heavy(p));
    }
    return !TAILQ_EMPTY(&prober->parked);
}

void prober_loop_was_late(struct prober *prober, uint64_t since_ms, uint64_t until_ms)
{
    CHECK(since_ms <= until_ms);
    prober->late_until_ms = until_ms; /* whoever began before and is not ended was running then */
}

/* What was found so far is not all: there is something to cancel. */
static bool is_unfinished(const struct probe *p)
{
    bool inside_tls = p->evidence->outcome == OUTCOME_TLS_OK && p->step < STEP_GOODBYE;

    return !p->decided || p->naming || (inside_tls && p->leaving == TURN_WAIT);
}

void prober_ask_again(struct prober *prober, prober_may_again *may, void *context)
{
    prober->may_again = may;
    prober->may_again_context = context;
}

void prober_cancel_all(struct prober *prober)
{
    uint32_t slots = pool_slots(prober->pool);

    for (uint32_t slot = 0; slot < slots; slot++) {
        struct probe *p = pool_at(prober->pool, slot);
        if (p == NULL || p->ended)
            continue;
        if (is_unfinished(p))
            probe_find(p, OUTCOME_OURS_CANCELLED, TURN_END, "mxward is stopping");
        if (p->leaving == TURN_WAIT)
            probe_drive(p, TURN_END);
        else
            p->leaving = TURN_END;
    }
}

uint32_t prober_running(const struct prober *prober)
{
    return pool_used(prober->pool);
}

const struct prober_counts *prober_counts(const struct prober *prober)
{
    return &prober->counts;
}

const char *endpoint_step_name(unsigned step)
{
    return step < STEP_END ? rows[step].name : "end";
}

/* --- settings, start and stop --- */

/* The address that connections to the world would come from, as a literal (RFC 5321 section 4.1.3):
 * what a machine without a name of its own says. Asking the kernel sends nothing. */
static void address_literal(char *out, size_t size)
{
    struct sockaddr_in world = {.sin_family = AF_INET, .sin_port = htons(25)};
    struct sockaddr_in here = {.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t here_size = sizeof here;
    char text[INET_ADDRSTRLEN];
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, "192.0.32.1", &world.sin_addr);
    if (descriptor >= 0 && connect(descriptor, (const struct sockaddr *)&world, sizeof world) == 0)
        (void)getsockname(descriptor, (struct sockaddr *)&here, &here_size);
    if (descriptor >= 0)
        close(descriptor);
    snprintf(out, size, "[%s]", inet_ntop(AF_INET, &here.sin_addr, text, sizeof text));
}

/* The configured name, else the machine's, else its address: never a name that is none (TLS-04). */
static void say_the_machine(char *out, size_t size)
{
    char host[256] = "";
    struct name name;

    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    enum name_status status = name_parse(&name, host, strlen(host));
    if (status == NAME_OK) {
        snprintf(out, size, "%s", name.text);
        return;
    }
    address_literal(out, size);
    log_notice("ehlo-name", "the host name \"%s\" is none for EHLO (%s); saying %s", host,
               name_status_text(status), out);
}

/* `out` is empty if no name is configured. */
static int read_ehlo_name(struct name *out, const char *configured, char *why, size_t why_size)
{
    *out = (struct name){0};
    if (configured == NULL)
        return 0;
    enum name_status status = name_parse(out, configured, strlen(configured));
    if (status == NAME_OK)
        return 0;
    if (status == NAME_NO_MEMORY) {
        snprintf(why, why_size, "probe.ehlo_name: no memory for it");
        return -ENOMEM;
    }
    snprintf(why, why_size, "probe.ehlo_name: \"%s\" is no name to say in EHLO: %s", configured,
             name_status_text(status));
    return -EINVAL;
}

static int choose_source(struct source *source, const char *text, uint8_t family,
                         const char *setting, char *why, size_t why_size)
{
    struct address address;

    source->size = 0;
    if (text == NULL)
        return 0;
    if (!address_parse(&address, text, strlen(text)) || address.family != family) {
        snprintf(why, why_size, "probe.%s: \"%s\" is not an IPv%u address", setting, text, family);
        return -EINVAL;
    }
    source->size = address_to_socket(&address, 0, &source->address);
    return 0;
}

/* What the settings say in words; what can be wrong with them is found here, and nowhere else. */
struct words {
    struct name ehlo_name; /* empty: none is configured */
    struct source source4, source6;
};

static int read_words(struct words *words, const struct probe_settings *settings, char *why,
                      size_t why_size)
{
    int error = read_ehlo_name(&words->ehlo_name, settings->ehlo_name, why, why_size);

    if (error == 0)
        error =
            choose_source(&words->source4, settings->source_ipv4, 4, "source_ipv4", why, why_size);
    if (error == 0)
        error =
            choose_source(&words->source6, settings->source_ipv6, 6, "source_ipv6", why, why_size);
    return error;
}

int prober_judge(const struct probe_settings *settings, char *why, size_t why_size)
{
    struct words words;

    return read_words(&words, settings, why, why_size);
}

static int take_settings(struct prober *prober, const struct probe_settings *settings, char *why,
                         size_t why_size)
{
    struct words words;
    int error = read_words(&words, settings, why, why_size);

    prober->settings = settings; /* budgets and switches in any case: the old ones go away */
    if (error != 0)
        return error;
    if (words.ehlo_name.length > 0)
        snprintf(prober->ehlo_name, sizeof prober->ehlo_name, "%s", words.ehlo_name.text);
    else
        say_the_machine(prober->ehlo_name, sizeof prober->ehlo_name);
    prober->source4 = words.source4;
    prober->source6 = words.source6;
    return 0;
}

void prober_reload(struct prober *prober, const struct probe_settings *settings)
{
    char why[256];

    sessions_forget_all(prober->sessions); /* what they prove was judged by the old ones */
    prober->reloaded_ms = clock_boot_ms(); /* as well what is on its way */
    if (take_settings(prober, settings, why, sizeof why) != 0)
        log_error("reload", "kept the EHLO name and source addresses: %s", why);
}

void prober_forget_session(struct prober *prober, const struct endpoint_key *key)
{
    sessions_drop(prober->sessions, key);
}

uint32_t prober_forget_sessions(struct prober *prober, uint32_t most)
{
    return sessions_forget(prober->sessions, most);
}

int prober_create(struct prober **out, struct ring *ring, struct wheel *wheel,
                  struct certificate_store *certificates, const struct probe_settings *settings,
                  uint32_t probes_max, uint32_t sessions_max, char *why, size_t why_size)
{
    struct prober *prober = calloc(1, sizeof *prober);

    if (prober == NULL)
        return -ENOMEM;
    prober->ring = ring;
    prober->wheel = wheel;
    prober->certificates = certificates;
    TAILQ_INIT(&prober->parked);
    TAILQ_INIT(&prober->ended);
    int error = take_settings(prober, settings, why, why_size);
    if (error == 0)
        error = tls_context_create(&prober->tls, settings->static_rsa, why, why_size);
    if (error == 0)
        error = sessions_create(&prober->sessions, sessions_max);
    if (error == 0)
        error = pool_create(&prober->pool, "probes", sizeof(struct probe), probes_max);
    if (error == 0) {
        *out = prober;
        return 0;
    }
    sessions_destroy(prober->sessions);
    tls_context_destroy(prober->tls);
    free(prober);
    return error;
}

void prober_destroy(struct prober *prober)
{
    const struct evidence *evidence;
    uint64_t job;

    if (prober == NULL)
        return;
    while ((evidence = prober_take_ended(prober, &job)) != NULL)
        evidence_drop(evidence);
    CHECK(prober_running(prober) == 0);
    pool_destroy(prober->pool);
    sessions_destroy(prober->sessions);
    tls_context_destroy(prober->tls);
    free(prober);
}
