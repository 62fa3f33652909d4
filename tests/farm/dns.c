/*
 * dns.c - see dns.h. One thread, poll over one socket a row and one towards the backend.
 */
#include "tests/farm/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_MX = 15, TYPE_AAAA = 28, TYPE_TLSA = 52, TYPE_ANY = 0 };
enum {
    RCODE_FORMERR = 1,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5
};

enum treatment {
    ANSWER_RCODE,
    ANSWER_NOTHING,
    ANSWER_GARBAGE,   /* the right id, then noise */
    ANSWER_TRUNCATED, /* TC, and nobody listens on TCP */
    ANSWER_WRONG_ID,  /* as if somebody guessed: must be ignored */
    ANSWER_UNSIGNED,  /* passes the question on without DO: signatures are gone */
    ANSWER_SHORT,     /* cut in the middle of a record, counts unchanged */
    ANSWER_LATE,      /* the truth, but late */
};

struct row {
    const char *label, *what;
    uint16_t type; /* caught; TYPE_ANY: every question */
    enum treatment treatment;
    uint8_t rcode;
};

/* The address is 127.53.(index + 1).1, so rows are only ever appended. */
static const struct row rows[] = {
    {"servfail", "SERVFAIL to everything", TYPE_ANY, ANSWER_RCODE, RCODE_SERVFAIL},
    {"refused", "REFUSED to everything", TYPE_ANY, ANSWER_RCODE, RCODE_REFUSED},
    {"silent", "answers nothing", TYPE_ANY, ANSWER_NOTHING, 0},
    {"garbage", "noise", TYPE_ANY, ANSWER_GARBAGE, 0},
    {"mx-servfail", "SERVFAIL to MX", TYPE_MX, ANSWER_RCODE, RCODE_SERVFAIL},
    {"mx-silent", "no answer to MX", TYPE_MX, ANSWER_NOTHING, 0},
    {"tlsa-servfail", "SERVFAIL to TLSA", TYPE_TLSA, ANSWER_RCODE, RCODE_SERVFAIL},
    {"tlsa-refused", "REFUSED to TLSA", TYPE_TLSA, ANSWER_RCODE, RCODE_REFUSED},
    {"tlsa-notimp", "NOTIMP to TLSA, as Outlook's old names", TYPE_TLSA, ANSWER_RCODE,
     RCODE_NOTIMP},
    {"tlsa-silent", "no answer to TLSA", TYPE_TLSA, ANSWER_NOTHING, 0},
    {"tlsa-formerr", "FORMERR to TLSA", TYPE_TLSA, ANSWER_RCODE, RCODE_FORMERR},
    {"tlsa-garbage", "noise to TLSA", TYPE_TLSA, ANSWER_GARBAGE, 0},
    {"tlsa-truncated", "TC to TLSA, no TCP", TYPE_TLSA, ANSWER_TRUNCATED, 0},
    {"tlsa-unsigned", "strips the signatures off TLSA", TYPE_TLSA, ANSWER_UNSIGNED, 0},
    {"tlsa-nxdomain", "NXDOMAIN without proof to TLSA", TYPE_TLSA, ANSWER_RCODE, RCODE_NXDOMAIN},
    {"aaaa-servfail", "SERVFAIL to AAAA", TYPE_AAAA, ANSWER_RCODE, RCODE_SERVFAIL},
    {"aaaa-silent", "no answer to AAAA", TYPE_AAAA, ANSWER_NOTHING, 0},
    {"a-servfail", "SERVFAIL to A", TYPE_A, ANSWER_RCODE, RCODE_SERVFAIL},
    {"mx-unsigned", "strips the signatures off MX", TYPE_MX, ANSWER_UNSIGNED, 0},
    {"mx-short", "MX answers cut in the middle", TYPE_MX, ANSWER_SHORT, 0},
    {"mx-wrong-id", "MX answers with another id", TYPE_MX, ANSWER_WRONG_ID, 0},
    {"mx-late", "MX answers late", TYPE_MX, ANSWER_LATE, 0},
    {"aaaa-unsigned", "strips the signatures off AAAA", TYPE_AAAA, ANSWER_UNSIGNED, 0},
    {"mx-nxdomain", "NXDOMAIN without proof to MX", TYPE_MX, ANSWER_RCODE, RCODE_NXDOMAIN},
};
#define ROWS    (sizeof rows / sizeof *rows)
#define MESSAGE 4096
#define PENDING 4096 /* questions at the backend; the oldest is forgotten */
#define LATE    64
#define LATE_MS 600

struct pending {
    struct sockaddr_in client;
    uint16_t id;
    uint8_t row;
    bool used, cut;
};

struct late {
    struct sockaddr_in client;
    int64_t at_ms; /* 0: free */
    size_t size;
    uint8_t row, bytes[MESSAGE];
};

struct relay {
    int sockets[ROWS], backend;
    uint16_t next;
    struct pending pending[PENDING];
    struct late late[LATE];
};

void dns_print(FILE *out)
{
    for (size_t i = 0; i < ROWS; i++)
        fprintf(out, "%s\t127.53.%zu.1\t%s\n", rows[i].label, i + 1, rows[i].what);
}

static int udp_socket(const char *address, unsigned port, bool connected)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        (connected ? connect(s, (struct sockaddr *)&to, sizeof to)
                   : bind(s, (struct sockaddr *)&to, sizeof to)) != 0) {
        fprintf(stderr, "farm: %s:%u: %s\n", address, port, strerror(errno));
        if (s >= 0)
            close(s);
        return -1;
    }
    return s;
}

/* The end of the question section, 0 if there is no single sound question. */
static size_t question_end(const uint8_t *message, size_t size, uint16_t *type)
{
    size_t at = 12;
    if (size < 12 || message[4] != 0 || message[5] != 1)
        return 0;
    while (at < size && message[at] != 0) {
        if (message[at] > 63)
            return 0;
        at += (size_t)message[at] + 1;
    }
    if (at + 5 > size)
        return 0;
    *type = (uint16_t)(message[at + 1] << 8 | message[at + 2]);
    return at + 5;
}

/* Turns the question into an answer with nothing but the question in it. */
static size_t bare_answer(uint8_t *message, size_t question, uint8_t rcode, bool truncated)
{
    message[2] = (uint8_t)((message[2] & 0x79) | 0x84 | (truncated ? 2 : 0)); /* QR, AA, TC */
    message[3] = rcode;
    memset(message + 6, 0, 6); /* no records, no OPT */
    return question;
}

static void pass_on(struct relay *relay, uint8_t *message, size_t size,
                    const struct sockaddr_in *client, uint8_t row, bool cut)
{
    uint16_t slot = relay->next++ % PENDING;
    relay->pending[slot] = (struct pending){.client = *client,
                                            .id = (uint16_t)(message[0] << 8 | message[1]),
                                            .row = row,
                                            .used = true,
                                            .cut = cut};
    message[0] = (uint8_t)(slot >> 8);
    message[1] = (uint8_t)slot;
    send(relay->backend, message, size, 0);
}

/* Without the OPT record there is no DO, and the backend leaves the signatures out. */
static size_t without_opt(uint8_t *message, size_t question)
{
    memset(message + 6, 0, 6);
    return question;
}

static void answer(struct relay *relay, uint8_t index, uint8_t *message, size_t size,
                   const struct sockaddr_in *client)
{
    const struct row *row = &rows[index];
    uint16_t type = 0;
    size_t question = question_end(message, size, &type);
    if (question == 0)
        return;
    if (row->type != TYPE_ANY && row->type != type) {
        pass_on(relay, message, size, client, index, false);
        return;
    }
    switch (row->treatment) {
    case ANSWER_RCODE:
        size = bare_answer(message, question, row->rcode, false);
        break;
    case ANSWER_TRUNCATED:
        size = bare_answer(message, question, 0, true);
        break;
    case ANSWER_WRONG_ID:
        size = bare_answer(message, question, RCODE_NXDOMAIN, false);
        message[0] ^= 0x55;
        break;
    case ANSWER_GARBAGE:
        memset(message + 2, 0xa7, size - 2);
        break;
    case ANSWER_UNSIGNED:
        pass_on(relay, message, without_opt(message, question), client, index, false);
        return;
    case ANSWER_SHORT:
    case ANSWER_LATE:
        pass_on(relay, message, size, client, index, true);
        return;
    case ANSWER_NOTHING:
        return;
    }
    sendto(relay->sockets[index], message, size, 0, (const struct sockaddr *)client,
           sizeof *client);
}

static int64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void keep_for_later(struct relay *relay, const struct pending *p, const uint8_t *message,
                           size_t size)
{
    for (size_t i = 0; i < LATE; i++) {
        struct late *late = &relay->late[i];
        if (late->at_ms == 0) {
            *late = (struct late){.client = p->client,
                                  .at_ms = monotonic_ms() + LATE_MS,
                                  .size = size,
                                  .row = p->row};
            memcpy(late->bytes, message, size);
            return;
        }
    }
}

static void pass_back(struct relay *relay, uint8_t *message, size_t size)
{
    struct pending *p = &relay->pending[(message[0] << 8 | message[1]) % PENDING];
    if (size < 12 || !p->used)
        return;
    p->used = false;
    message[0] = (uint8_t)(p->id >> 8);
    message[1] = (uint8_t)p->id;
    if (p->cut && rows[p->row].treatment == ANSWER_LATE) {
        keep_for_later(relay, p, message, size);
        return;
    }
    if (p->cut)
        size -= size / 4;
    sendto(relay->sockets[p->row], message, size, 0, (struct sockaddr *)&p->client,
           sizeof p->client);
}

static void send_late(struct relay *relay)
{
    int64_t now = monotonic_ms();
    for (size_t i = 0; i < LATE; i++) {
        struct late *late = &relay->late[i];
        if (late->at_ms == 0 || late->at_ms > now)
            continue;
        sendto(relay->sockets[late->row], late->bytes, late->size, 0,
               (struct sockaddr *)&late->client, sizeof late->client);
        late->at_ms = 0;
    }
}

static int open_sockets(struct relay *relay, struct pollfd *polled, const char *backend,
                        unsigned port)
{
    for (size_t i = 0; i < ROWS; i++) {
        char address[32];
        snprintf(address, sizeof address, "127.53.%zu.1", i + 1);
        relay->sockets[i] = udp_socket(address, port, false);
        if (relay->sockets[i] < 0)
            return -1;
        polled[i] = (struct pollfd){.fd = relay->sockets[i], .events = POLLIN};
    }
    relay->backend = udp_socket(backend, port, true);
    polled[ROWS] = (struct pollfd){.fd = relay->backend, .events = POLLIN};
    return relay->backend < 0 ? -1 : 0;
}

int dns_run(const char *backend, unsigned port, const volatile sig_atomic_t *stop, FILE *ready)
{
    static struct relay relay;
    struct pollfd polled[ROWS + 1];
    uint8_t message[MESSAGE];
    if (open_sockets(&relay, polled, backend, port) != 0)
        return -1;
    fprintf(ready, "ready\n");
    fflush(ready);
    while (!*stop) {
        if (poll(polled, ROWS + 1, 100) < 0 && errno != EINTR)
            return -1;
        for (size_t i = 0; i <= ROWS; i++) {
            struct sockaddr_in client;
            socklen_t length = sizeof client;
            ssize_t n = polled[i].revents & POLLIN
                            ? recvfrom(polled[i].fd, message, sizeof message, 0,
                                       (struct sockaddr *)&client, &length)
                            : -1;
            if (n > 0 && i == ROWS)
                pass_back(&relay, message, (size_t)n);
            else if (n > 0)
                answer(&relay, (uint8_t)i, message, (size_t)n, &client);
        }
        send_late(&relay);
    }
    return 0;
}
