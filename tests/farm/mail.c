/*
 * mail.c - the connections of the farm. Contract: mail.h.
 *
 * A connection is a small machine: it plays a reply (with its stage directions), then does what
 * comes after that reply. step() is run until it would block. Everything a client does that an
 * honest and polite one would not is counted on the way (counters.h).
 */
#include "tests/farm/mail.h"
#include "tests/farm/tls.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024 /* of a command */
#define RECIPIENT_MAX  128  /* bytes with NUL */
#define EVENTS         256
#define TICK_MS        50
#define WHEEL_SLOTS    8192 /* times TICK_MS: about 400 s, more than any lifetime */
#define FILL_BYTES     (1 << 20)
#define DRIP_MS        1000
#define GOODBYE_MS     2000 /* for the client to close after us */

/* What a connection does now; in SPEAKING, `then` is what comes after the reply. */
enum state {
    SPEAKING,
    LISTENING,      /* for a command */
    AWAITING_HELLO, /* for the ClientHello that row->instead answers */
    SHAKING_HANDS,
    TAKING, /* a message, up to the dot */
    SILENT, /* reads and drops, until the client goes */
    GONE,
};

enum progress { BLOCKED, GOING_ON };

struct connection {
    int descriptor;
    enum state state, then;
    const struct behaviour *row; /* what is played */
    unsigned played;             /* its number */
    unsigned number, variant;    /* of the address: counted, and written down, under it */
    unsigned ordinal;
    SSL *ssl;
    struct reply reply;
    size_t at;         /* in reply */
    size_t fill_left;  /* of DIRECTION_FILL */
    uint64_t pause_ms; /* speak again at; 0: now */
    uint64_t end_ms;   /* lifetime or goodbye */
    bool ipv6, dripping, quit, early, handshake_failed, counted_out, requires_tls;
    unsigned ending; /* bytes of end_of_message seen so far */
    char recipient[RECIPIENT_MAX];
    uint16_t line_size;
    char line[LINE_MAX_BYTES];
    uint64_t timer_ms; /* when the wheel looks at it again; 0: not in the wheel */
    struct connection *timer_next, **timer_link;
    uint64_t answer_ms; /* its answer waits until then, in `answers`; 0: it does not */
    bool answers;       /* it has waited */
    TAILQ_ENTRY(connection) answer;
};

struct server {
    const struct mail_options *options;
    int epoll;
    uint64_t now_ms, wheel_ms;
    size_t timers;
    struct connection *wheel[WHEEL_SLOTS];
    TAILQ_HEAD(, connection) answers; /* all wait equally long: the first is due first */
};

static const struct reply good_greeting = SAY("220 mx.farm.lab ESMTP\r\n");
static const struct reply good_ehlo =
    SAY("250-mx.farm.lab\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-STARTTLS\r\n"
        "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n");
static const struct reply plain_ehlo =
    SAY("250-mx.farm.lab\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
        "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n");
static const struct reply good_helo = SAY("250 mx.farm.lab\r\n");
static const struct reply good_ready = SAY("220 2.0.0 Ready to start TLS\r\n");
static const struct reply too_many =
    SAY("421 4.7.0 mx.farm.lab Error: too many connections from 127.0.0.1\r\n" HANG_UP);
static const struct reply good_bye = SAY("221 2.0.0 Bye\r\n" HANG_UP);
static const struct reply unknown_command = SAY("502 5.5.2 Error: command not recognized\r\n");
static const struct reply no_mail = SAY("554 5.7.1 No mail here, this is a farm\r\n");
static const struct reply taken = SAY("250 2.0.0 Ok\r\n");
static const struct reply go_ahead = SAY("354 End data with <CR><LF>.<CR><LF>\r\n");
static const char end_of_message[] = "\r\n.\r\n";
static const struct reply bad_sequence = SAY("503 5.5.1 Error: TLS already active\r\n");
static const struct reply synchronization = SAY("554 SMTP synchronization error\r\n" HANG_UP);

static uint64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct behaviour_counts *counts(const struct server *server, const struct connection *c)
{
    return &server->options->counters->behaviour[c->number];
}

/* --- timers: a hashed wheel --- */

static void timer_remove(struct server *server, struct connection *c)
{
    if (c->timer_ms == 0)
        return;
    *c->timer_link = c->timer_next;
    if (c->timer_next)
        c->timer_next->timer_link = c->timer_link;
    c->timer_ms = 0;
    server->timers--;
}

static void timer_set(struct server *server, struct connection *c)
{
    uint64_t at = c->pause_ms && c->pause_ms < c->end_ms ? c->pause_ms : c->end_ms;
    timer_remove(server, c);
    /* Never into the slot that turn_wheel may be walking through. */
    c->timer_ms = at > server->wheel_ms + TICK_MS ? at : server->wheel_ms + TICK_MS;
    struct connection **slot = &server->wheel[c->timer_ms / TICK_MS % WHEEL_SLOTS];
    c->timer_next = *slot;
    c->timer_link = slot;
    if (*slot)
        (*slot)->timer_link = &c->timer_next;
    *slot = c;
    server->timers++;
}

/* --- answers that come some milliseconds late --- */

static void answer_leave(struct server *server, struct connection *c)
{
    if (c->answer_ms)
        TAILQ_REMOVE(&server->answers, c, answer);
    c->answer_ms = 0;
}

/* True: not yet; it is run again when it is time. */
static bool answer_waits(struct server *server, struct connection *c)
{
    if (c->answers || server->options->answer_after_ms == 0)
        return false;
    if (c->answer_ms == 0) {
        c->answer_ms = server->now_ms + server->options->answer_after_ms;
        TAILQ_INSERT_TAIL(&server->answers, c, answer);
    }
    if (server->now_ms < c->answer_ms)
        return true;
    answer_leave(server, c);
    c->answers = true;
    return false;
}

/* --- the end of a connection --- */

/* An address has one connection less: the client has gone, or we have hung up. */
static void count_out(struct server *server, struct connection *c)
{
    if (!c->counted_out)
        counters_close(server->options->counters, c->ipv6, c->number, c->variant);
    c->counted_out = true;
}

static void connection_free(struct server *server, struct connection *c)
{
    timer_remove(server, c);
    answer_leave(server, c);
    if (c->ssl) {
        ERR_clear_error();
        if (!(c->row->flags & FARM_NO_CLOSE_NOTIFY) && !c->handshake_failed)
            SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    close(c->descriptor);
    count_out(server, c);
    free(c);
}

/* The client is gone, or talks no more. Whoever was free to say QUIT should have. */
static void client_left(struct server *server, struct connection *c)
{
    bool could_talk = c->state == LISTENING && c->line_size == 0;
    if (could_talk && !c->quit && !(c->row->flags & FARM_MAY_DROP))
        count(&counts(server, c)->missing_quit);
    c->state = GONE;
}

static void hang_up(struct server *server, struct connection *c)
{
    if (c->ssl && !(c->row->flags & FARM_NO_CLOSE_NOTIFY) && !c->handshake_failed) {
        ERR_clear_error();
        SSL_shutdown(c->ssl);
    }
    shutdown(c->descriptor, SHUT_WR);
    count_out(server, c);
    c->state = SILENT;
    c->pause_ms = 0;
    c->end_ms = server->now_ms + GOODBYE_MS;
    timer_set(server, c);
}

static void reset(struct connection *c)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->descriptor, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    c->state = GONE;
}

/* --- bytes --- */

/* As recv and send: -1 with EAGAIN if it would block. */
static ssize_t stream_read(struct connection *c, char *bytes, size_t size)
{
    if (!c->ssl)
        return recv(c->descriptor, bytes, size, 0);
    ERR_clear_error();
    int n = SSL_read(c->ssl, bytes, (int)size);
    if (n > 0)
        return n;
    int error = SSL_get_error(c->ssl, n);
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t stream_write(struct connection *c, const char *bytes, size_t size)
{
    if (!c->ssl)
        return send(c->descriptor, bytes, size, MSG_NOSIGNAL);
    ERR_clear_error();
    int n = SSL_write(c->ssl, bytes, (int)size);
    if (n > 0)
        return n;
    int error = SSL_get_error(c->ssl, n);
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
    return -1;
}

/* Has the client said something before its turn, or left? */
static void look_for_early_talk(struct server *server, struct connection *c)
{
    char byte;
    if (c->ssl || c->state == GONE)
        return;
    ssize_t n = recv(c->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        client_left(server, c);
    else if (n > 0 && !c->early) {
        c->early = true;
        count(&counts(server, c)->early_talk);
    }
}

/* --- speaking --- */

static void speak(struct connection *c, struct reply reply, enum state then)
{
    c->reply = reply;
    c->at = 0;
    c->state = SPEAKING;
    c->then = then;
    c->dripping = c->answers = false;
}

static enum progress pause_until(struct server *server, struct connection *c, uint64_t ms)
{
    c->pause_ms = server->now_ms + ms;
    timer_set(server, c);
    return BLOCKED;
}

static enum progress follow_direction(struct server *server, struct connection *c,
                                      unsigned char direction)
{
    switch (direction) {
    case DIRECTION_PAUSE:
        c->at++;
        return pause_until(server, c, (uint64_t)(unsigned char)c->reply.bytes[c->at++] * 100);
    case DIRECTION_DRIP:
        c->at++;
        c->dripping = true;
        return GOING_ON;
    case DIRECTION_HANG_UP:
        hang_up(server, c);
        return GOING_ON;
    case DIRECTION_RESET:
        reset(c);
        return GOING_ON;
    case DIRECTION_AGAIN:
        c->at = 0;
        return GOING_ON;
    case DIRECTION_FILL:
        c->at++;
        c->fill_left = FILL_BYTES;
        return GOING_ON;
    default:
        c->state = SILENT;
        return GOING_ON;
    }
}

static size_t plain_run(const struct connection *c)
{
    size_t n = 0;
    while (c->at + n < c->reply.size) {
        unsigned char byte = (unsigned char)c->reply.bytes[c->at + n];
        if (byte >= DIRECTION_FIRST && byte <= DIRECTION_LAST)
            break;
        n++;
    }
    return c->dripping && n > 1 ? 1 : n;
}

static enum progress speak_fill(struct server *server, struct connection *c)
{
    static char block[16384];
    memset(block, c->reply.bytes[c->at], sizeof block);
    size_t want = c->fill_left < sizeof block ? c->fill_left : sizeof block;
    ssize_t n = stream_write(c, block, want);
    if (n < 0) {
        if (errno != EAGAIN)
            client_left(server, c);
        return errno == EAGAIN ? BLOCKED : GOING_ON;
    }
    c->fill_left -= (size_t)n;
    if (c->fill_left == 0)
        c->at++;
    return GOING_ON;
}

static enum progress step_speaking(struct server *server, struct connection *c)
{
    bool waits = answer_waits(server, c);
    if (waits || c->pause_ms) {
        look_for_early_talk(server, c);
        if (c->state == GONE)
            return GOING_ON;
        if (waits || server->now_ms < c->pause_ms)
            return BLOCKED;
        c->pause_ms = 0;
    }
    if (c->early && c->row->flags & FARM_CHECKS_EARLY_TALK &&
        c->reply.bytes != synchronization.bytes) {
        speak(c, synchronization, SILENT);
        return GOING_ON;
    }
    if (c->fill_left)
        return speak_fill(server, c);
    if (c->at == c->reply.size) {
        c->state = c->then;
        return GOING_ON;
    }
    size_t run = plain_run(c);
    if (run == 0)
        return follow_direction(server, c, (unsigned char)c->reply.bytes[c->at]);
    ssize_t n = stream_write(c, c->reply.bytes + c->at, run);
    if (n < 0) {
        if (errno != EAGAIN)
            client_left(server, c);
        return errno == EAGAIN ? BLOCKED : GOING_ON;
    }
    c->at += (size_t)n;
    return c->dripping ? pause_until(server, c, DRIP_MS) : GOING_ON;
}

/* --- listening --- */

static bool is_command(const char *line, const char *verb)
{
    size_t n = strlen(verb);
    return strncasecmp(line, verb, n) == 0 && (line[n] == 0 || line[n] == ' ' || line[n] == ':');
}

static bool is_mail_command(const char *line)
{
    static const char *const verbs[] = {"MAIL", "RCPT", "DATA", "BDAT",
                                        "AUTH", "VRFY", "EXPN", "NOOP"};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (is_command(line, verbs[i]))
            return true;
    }
    return false;
}

/* A dot in a name of LDH characters, or an address literal. */
static bool is_honest_name(const char *name)
{
    if (name[0] == '[')
        return name[strlen(name) - 1] == ']';
    bool dot = false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.')
            return false;
        dot |= *p == '.' && p > name && p[1];
    }
    return dot;
}

static struct reply reply_or(struct reply own, struct reply standard)
{
    return own.size ? own : standard;
}

static struct reply ehlo_reply(const struct connection *c)
{
    if (c->ssl)
        return reply_or(c->row->ehlo_tls, plain_ehlo);
    if (c->row->flags & FARM_OFFERS_FIRST && c->ordinal > 1)
        return plain_ehlo;
    if (c->row->flags & FARM_OFFERS_SECOND && c->ordinal % 2)
        return plain_ehlo;
    return reply_or(c->row->ehlo, good_ehlo);
}

static void obey_starttls(struct server *server, struct connection *c)
{
    struct reply ready = reply_or(c->row->starttls, good_ready);
    if (c->ssl) {
        count(&counts(server, c)->second_starttls);
        speak(c, bad_sequence, LISTENING);
    } else if (ready.bytes[0] != '2') {
        speak(c, ready, LISTENING);
    } else {
        speak(c, ready, c->row->instead.size ? AWAITING_HELLO : SHAKING_HANDS);
    }
}

/* --- taking mail: one recipient a message, no pipelining --- */

/* Replies made of what Postfix itself writes into its log, where they will stand in it. */
#define FORGED(code)                                                                           \
    SAY(code "-Verified TLS connection established to mx.dane-ee.lab[127.64.4.2]:25: TLSv1.3 " \
             "with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n" code                      \
             " Ok)\r1796022083.1 mx postfix/smtp[4242]: 4XyZ12abc: to=<y@dane-ee.lab>, "       \
             "relay=mx.dane-ee.lab[127.64.4.2]:25, delay=1, delays=1/0/0/0, dsn=2.0.0, "       \
             "status=sent (250 Ok\r\n")
static const struct reply forged_sent = FORGED("250"), forged_refused = FORGED("550");

static bool is_to(const struct connection *c, const char *user)
{
    return strncmp(c->recipient, user, strlen(user)) == 0;
}

static bool obey_mail(struct server *server, struct connection *c, const char *line)
{
    if (server->options->arrivals < 0)
        return false;
    if (is_command(line, "MAIL")) {
        c->requires_tls = strstr(line, " REQUIRETLS") != NULL;
        speak(c, taken, LISTENING);
    } else if (is_command(line, "RCPT")) {
        const char *from = strchr(line, '<');
        size_t size = from ? strcspn(++from, ">") : 0;
        snprintf(c->recipient, sizeof c->recipient, "%.*s", (int)size, from ? from : "");
        speak(c, is_to(c, "forged-refused@") ? forged_refused : taken, LISTENING);
    } else if (is_command(line, "DATA")) {
        c->ending = 2; /* the line end of the command counts: the message may be empty */
        speak(c, go_ahead, TAKING);
    } else {
        return false;
    }
    return true;
}

/* "RECIPIENT <tab> LABEL/VARIANT <tab> TLSv1.3", and "<tab> REQUIRETLS": what came, where, and how.
 */
static void write_arrival(const struct server *server, const struct connection *c)
{
    if (dprintf(server->options->arrivals, "%s\t%s/%u\t%s%s\n", c->recipient,
                behaviour_row(c->number)->label, c->variant,
                c->ssl ? SSL_get_version(c->ssl) : "clear",
                c->requires_tls ? "\tREQUIRETLS" : "") < 0)
        perror("farm: arrivals");
}

static enum progress step_taking(struct server *server, struct connection *c)
{
    char bytes[4096];
    ssize_t n = stream_read(c, bytes, sizeof bytes);
    if (n < 0 && errno == EAGAIN)
        return BLOCKED;
    if (n <= 0) {
        client_left(server, c);
        return GOING_ON;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] != end_of_message[c->ending])
            c->ending = 0;
        if (bytes[i] == end_of_message[c->ending])
            c->ending++;
        if (c->ending < sizeof end_of_message - 1)
            continue;
        write_arrival(server, c);
        speak(c, is_to(c, "forged-sent@") ? forged_sent : taken, LISTENING);
        break;
    }
    return GOING_ON;
}

static void obey(struct server *server, struct connection *c)
{
    const char *line = c->line;
    if (is_command(line, "EHLO") || is_command(line, "HELO")) {
        if (!is_honest_name(line[4] ? line + 5 : ""))
            count(&counts(server, c)->bad_ehlo);
        bool extended = toupper((unsigned char)line[0]) == 'E';
        speak(c, extended ? ehlo_reply(c) : reply_or(c->row->helo, good_helo), LISTENING);
    } else if (is_command(line, "STARTTLS")) {
        obey_starttls(server, c);
    } else if (is_command(line, "QUIT")) {
        c->quit = true;
        count(&counts(server, c)->quits);
        speak(c, reply_or(c->row->quit, good_bye), SILENT);
    } else {
        if (is_mail_command(line))
            count(&counts(server, c)->mail_commands);
        if (!obey_mail(server, c, line))
            speak(c, is_mail_command(line) ? no_mail : unknown_command, LISTENING);
    }
}

/* Takes one line out of the buffer, if there is one. What stands behind it was said too early. */
static bool take_line(struct server *server, struct connection *c)
{
    char *end = memchr(c->line, '\n', c->line_size);
    if (!end)
        return false;
    size_t rest = c->line_size - (size_t)(end + 1 - c->line);
    if (rest && !c->early) {
        c->early = true;
        count(&counts(server, c)->early_talk);
    }
    c->line_size = 0;
    *end = 0;
    if (end > c->line && end[-1] == '\r')
        end[-1] = 0;
    return true;
}

static enum progress step_listening(struct server *server, struct connection *c)
{
    if (c->line_size == LINE_MAX_BYTES) {
        hang_up(server, c);
        return GOING_ON;
    }
    ssize_t n = stream_read(c, c->line + c->line_size, LINE_MAX_BYTES - c->line_size);
    if (n < 0 && errno == EAGAIN)
        return BLOCKED;
    if (n <= 0) {
        client_left(server, c);
        return GOING_ON;
    }
    c->line_size = (uint16_t)(c->line_size + n);
    if (take_line(server, c))
        obey(server, c);
    return GOING_ON;
}

/* --- TLS --- */

/* The head of the ClientHello's record says how long it is. */
static bool balks_at(const struct behaviour *row, const unsigned char *bytes, ssize_t size)
{
    if (row->hello_to == 0)
        return true;
    unsigned hello = size < 5 ? 0 : (unsigned)(bytes[3] << 8 | bytes[4]);
    return hello >= row->hello_from && hello <= row->hello_to;
}

static enum progress step_awaiting_hello(struct server *server, struct connection *c)
{
    unsigned char bytes[4096];
    ssize_t n = recv(c->descriptor, bytes, sizeof bytes, MSG_PEEK);
    if (n < 0 && errno == EAGAIN)
        return BLOCKED;
    if (n <= 0) {
        client_left(server, c);
        return GOING_ON;
    }
    if (!balks_at(c->row, bytes, n)) {
        c->state = SHAKING_HANDS;
        return GOING_ON;
    }
    recv(c->descriptor, bytes, (size_t)n, 0);
    c->handshake_failed = true;
    count(&counts(server, c)->handshakes_failed);
    speak(c, c->row->instead, SILENT);
    return GOING_ON;
}

static enum progress step_handshake(struct server *server, struct connection *c)
{
    char byte;
    if (!c->ssl && server->options->answer_after_ms &&
        recv(c->descriptor, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN)
        return BLOCKED; /* for the ClientHello, which is answered late */
    if (!c->ssl) {
        c->ssl = farm_tls_session(c->played, c->descriptor);
        c->answers = false;
    }
    if (!c->ssl) {
        c->state = GONE;
        return GOING_ON;
    }
    if (answer_waits(server, c))
        return BLOCKED;
    ERR_clear_error();
    int result = SSL_accept(c->ssl);
    if (result == 1) {
        count(&counts(server, c)->handshakes);
        c->line_size = 0;
        c->state = LISTENING;
        return GOING_ON;
    }
    int error = SSL_get_error(c->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return BLOCKED;
    count(&counts(server, c)->handshakes_failed);
    c->handshake_failed = true;
    hang_up(server, c);
    return GOING_ON;
}

/* After a failed handshake nothing may come in clear: TLS records begin with 20..23. */
static enum progress step_silent(struct server *server, struct connection *c)
{
    char bytes[4096];
    ssize_t n = recv(c->descriptor, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN)
        return BLOCKED;
    if (n > 0 && c->handshake_failed && isalpha((unsigned char)bytes[0]))
        count(&counts(server, c)->clear_after_fail);
    if (n <= 0)
        c->state = GONE;
    return GOING_ON;
}

/* --- the loop --- */

static enum progress step(struct server *server, struct connection *c)
{
    switch (c->state) {
    case SPEAKING:
        return step_speaking(server, c);
    case LISTENING:
        return step_listening(server, c);
    case AWAITING_HELLO:
        return step_awaiting_hello(server, c);
    case SHAKING_HANDS:
        return step_handshake(server, c);
    case TAKING:
        return step_taking(server, c);
    case SILENT:
        return step_silent(server, c);
    case GONE:
        break;
    }
    return BLOCKED;
}

static void run(struct server *server, struct connection *c)
{
    if (server->now_ms >= c->end_ms)
        c->state = GONE;
    while (c->state != GONE && step(server, c) == GOING_ON) {
    }
    if (c->state == GONE)
        connection_free(server, c);
}

static void welcome(struct server *server, int descriptor, const struct sockaddr_storage *client)
{
    struct sockaddr_storage local = {0};
    socklen_t size = sizeof local;
    struct connection *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (!c || getsockname(descriptor, (struct sockaddr *)&local, &size) != 0 ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        close(descriptor);
        free(c);
        return;
    }
    int one = 1; /* a reply does not wait until the one before is acknowledged */
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->descriptor = descriptor;
    c->ipv6 = local.ss_family == AF_INET6;
    c->number = behaviour_of_address(&local, &c->variant);
    c->played = behaviour_toward(c->number, client);
    c->row = behaviour_row(c->played);
    c->ordinal = counters_open(server->options->counters, c->ipv6, c->number, c->variant);
    c->end_ms = server->now_ms + (uint64_t)server->options->lifetime_s * 1000;
    timer_set(server, c);
    if (c->row->flags & FARM_LIMITS_RATE && c->ordinal > 2)
        speak(c, too_many, SILENT);
    else
        speak(c, reply_or(c->row->greeting, good_greeting), LISTENING);
    look_for_early_talk(server, c);
    run(server, c);
}

static void accept_all(struct server *server, int listener)
{
    for (int i = 0; i < EVENTS; i++) {
        struct sockaddr_storage client = {0};
        socklen_t size = sizeof client;
        int descriptor =
            accept4(listener, (struct sockaddr *)&client, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0)
            return;
        welcome(server, descriptor, &client);
    }
}

static void give_answers(struct server *server)
{
    struct connection *c;
    while ((c = TAILQ_FIRST(&server->answers)) != NULL && c->answer_ms <= server->now_ms)
        run(server, c); /* it leaves the list, whatever it does */
}

/* How long nothing happens by itself. */
static int patience_ms(const struct server *server)
{
    const struct connection *c = TAILQ_FIRST(&server->answers);
    uint64_t now_ms = monotonic_ms(), until_ms = now_ms + (server->timers ? TICK_MS : 1000);
    if (c && c->answer_ms < until_ms)
        until_ms = c->answer_ms;
    return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

static void turn_wheel(struct server *server)
{
    while (server->wheel_ms + TICK_MS <= server->now_ms) {
        struct connection *c = server->wheel[server->wheel_ms / TICK_MS % WHEEL_SLOTS];
        while (c) {
            struct connection *next = c->timer_next;
            if (c->timer_ms < server->wheel_ms + TICK_MS) {
                timer_remove(server, c);
                if (server->now_ms < c->end_ms)
                    timer_set(server, c);
                run(server, c); /* may free it, and only it */
            }
            c = next;
        }
        server->wheel_ms += TICK_MS;
    }
}

int mail_run(const struct mail_options *options)
{
    struct server *server = calloc(1, sizeof *server);
    struct epoll_event events[EVENTS];
    if (!server || (server->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) {
        perror("farm: epoll");
        free(server);
        return -1;
    }
    server->options = options;
    TAILQ_INIT(&server->answers);
    server->now_ms = monotonic_ms();
    server->wheel_ms = server->now_ms / TICK_MS * TICK_MS;
    for (size_t i = 0; i < options->listener_count; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = 2 * i + 1}; /* odd: no pointer is */
        if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, options->listeners[i], &e) != 0)
            perror("farm: listener");
    }
    while (!*options->stop) {
        int n = epoll_wait(server->epoll, events, EVENTS, patience_ms(server));
        server->now_ms = monotonic_ms();
        for (int i = 0; i < n; i++) /* who has left is counted out before who comes is counted in */
            if (!(events[i].data.u64 & 1))
                run(server, events[i].data.ptr);
        for (int i = 0; i < n; i++)
            if (events[i].data.u64 & 1)
                accept_all(server, options->listeners[events[i].data.u64 / 2]);
        give_answers(server);
        turn_wheel(server);
    }
    close(server->epoll);
    free(server);
    return 0;
}
