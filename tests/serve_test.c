/*
 * serve_test.c - the native socket, driven by raw clients, over an engine that a test can hold.
 *
 * Everything is real but the engine: socket file, ring, front thread, frames. Bounds are made small
 * so that they are reached. Waiting is always for a thing that happens, with a limit of some
 * seconds; nothing depends on being quick.
 */
#include "tests/serve_standin.h"

#include "ipc/serve/explain.h"
#include "ipc/serve/front.h"
#include "ipc/socket/listener.h"
#include "ipc/serve/rights.h"

#include <check.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define WAIT_MS 10000

/* --- a raw client --- */

struct client {
    int fd;
    size_t start, end;
    uint8_t bytes[4 * FRAME_ANSWER_MAX];
};

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -errno;
    }
    return fd;
}

static void client_open(struct client *client, const struct standin *s)
{
    client->fd = connect_to(s->socket);
    client->start = client->end = 0;
    ck_assert_int_ge(client->fd, 0);
}

static void client_write(struct client *client, const void *bytes, size_t size)
{
    size_t sent = 0;

    while (sent < size) {
        ssize_t n = send(client->fd, (const uint8_t *)bytes + sent, size - sent, MSG_NOSIGNAL);

        ck_assert_int_gt(n, 0);
        sent += (size_t)n;
    }
}

static void client_ask(struct client *client, uint8_t kind, uint64_t id, const void *message)
{
    uint8_t bytes[FRAME_REQUEST_MAX];
    size_t size = frame_encode(bytes, sizeof bytes, kind, 0, id, message);

    ck_assert_uint_gt(size, 0);
    client_write(client, bytes, size);
}

static void client_question(struct client *client, uint8_t kind, uint64_t id, const char *domain)
{
    struct frame_question question = {.deadline_ms = 30000};

    snprintf(question.next_hop, sizeof question.next_hop, "%s", domain);
    client_ask(client, kind, id, &question);
}

/* 1: more bytes; 0: end of stream; -1: nothing in time. */
static int client_fill(struct client *client, int wait_ms)
{
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    ssize_t n;

    memmove(client->bytes, client->bytes + client->start, client->end - client->start);
    client->end -= client->start;
    client->start = 0;
    if (poll(&poll_fd, 1, wait_ms) <= 0)
        return -1;
    n = recv(client->fd, client->bytes + client->end, sizeof client->bytes - client->end, 0);
    if (n <= 0)
        return 0;
    client->end += (size_t)n;
    return 1;
}

/* The next frame; false: end of stream. Fails the test when nothing comes. */
static bool client_next(struct client *client, struct frame *frame)
{
    size_t used;

    for (;;) {
        enum frame_status status = frame_take(frame, client->bytes + client->start,
                                              client->end - client->start, FRAME_ANSWER_MAX, &used);
        int filled;

        ck_assert_int_ne(status, FRAME_LOST);
        if (status == FRAME_WHOLE) {
            client->start += used;
            return true;
        }
        filled = client_fill(client, WAIT_MS);
        ck_assert_msg(filled >= 0, "nothing came in time");
        if (filled == 0)
            return false;
    }
}

static void expect_end(struct client *client)
{
    struct frame frame;

    ck_assert(!client_next(client, &frame));
    close(client->fd);
}

static void expect_fault(struct client *client, uint64_t id, enum frame_error code)
{
    struct frame frame;
    struct frame_fault fault;

    ck_assert(client_next(client, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_ERROR);
    ck_assert_uint_eq(frame.id, id);
    ck_assert(frame_decode(&fault, &frame, NULL));
    ck_assert_str_eq(frame_error_name(fault.code), frame_error_name((uint8_t)code));
    ck_assert_str_ne(fault.sentence, "");
}

static enum tls_class expect_verdict(struct client *client, uint64_t id)
{
    struct frame frame;
    struct frame_verdict verdict;

    ck_assert(client_next(client, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_VERDICT);
    ck_assert_uint_eq(frame.id, id);
    ck_assert(frame_decode(&verdict, &frame, NULL));
    return verdict.verdict.class;
}

/* All parts of a document, NUL-terminated; the caller frees. */
static char *expect_document(struct client *client, uint64_t id)
{
    char *text = calloc(1, FRAME_DOCUMENT_MAX + 1);
    size_t size = 0;
    struct frame_document part;
    struct frame frame;

    do {
        ck_assert(client_next(client, &frame));
        ck_assert_uint_eq(frame.kind, FRAME_DOCUMENT);
        ck_assert_uint_eq(frame.id, id);
        ck_assert(frame_decode(&part, &frame, NULL));
        ck_assert_uint_le(size + part.part_size, part.size);
        memcpy(text + size, part.part, part.part_size);
        size += part.part_size;
    } while (frame.flags & FRAME_GOES_ON);
    ck_assert_uint_eq(size, part.size);
    return text;
}

static void expect_round_trip(struct client *client, uint64_t id)
{
    client_question(client, FRAME_CHECK, id, "dane.example");
    ck_assert_int_eq(expect_verdict(client, id), CLASS_DANE);
}

/* A number in the status document, by the text before it. */
static unsigned long status_number(const struct standin *s, const char *object, const char *key)
{
    struct client *client = malloc(sizeof *client);
    struct frame_empty nothing = {0};
    char *text, *at, quoted[64];
    unsigned long number;

    client_open(client, s);
    client_ask(client, FRAME_STATUS, 1, &nothing);
    text = expect_document(client, 1);
    snprintf(quoted, sizeof quoted, "\"%s\":{", object);
    at = strstr(text, quoted);
    ck_assert_msg(at, "%s not in %s", quoted, text);
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    at = strstr(at, quoted);
    ck_assert_ptr_nonnull(at);
    number = strtoul(at + strlen(quoted), NULL, 10);
    free(text);
    close(client->fd);
    free(client);
    return number;
}

static void wait_until_status(const struct standin *s, const char *object, const char *key,
                              unsigned long value)
{
    unsigned long seen = 0;

    for (int i = 0; i < WAIT_MS / 10; i++, usleep(10000)) {
        seen = status_number(s, object, key);
        if (seen == value)
            return;
    }
    ck_abort_msg("%s.%s is %lu, not %lu", object, key, seen, value);
}

static void wait_until_kept(const struct standin *s, unsigned count)
{
    for (int i = 0; i < WAIT_MS && atomic_load(&s->engine->kept) != count; i++)
        usleep(1000);
    ck_assert_uint_eq(atomic_load(&s->engine->kept), count);
}

static struct standin standin;
static struct client one, two;

static void set_up(void)
{
    standin_prepare(&standin);
}

static void tear_down(void)
{
    standin_close(&standin);
}

/* --- questions and answers --- */

START_TEST(the_welcome_tells_rights_and_bounds)
{
    struct frame_hello hello = {.program = "serve_test"};
    struct frame_welcome welcome;
    struct frame frame;

    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_ask(&one, FRAME_HELLO, 99, &hello);
    ck_assert(client_next(&one, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_WELCOME);
    ck_assert_uint_eq(frame.id, 99);
    ck_assert(frame_decode(&welcome, &frame, NULL));
    ck_assert_uint_eq(welcome.rights, RIGHT_QUERY | RIGHT_SWITCH | RIGHT_OBSERVE | RIGHT_ADMIN);
    ck_assert_uint_eq(welcome.requests, 256);
    ck_assert_uint_eq(welcome.config_epoch, 7);
    ck_assert_uint_eq(welcome.process, (uint32_t)getpid());
    close(one.fd);
}
END_TEST

START_TEST(answers_come_by_id_in_the_order_they_are_known)
{
    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_question(&one, FRAME_CHECK, 1, "slow-1500.example");
    client_question(&one, FRAME_CHECK, 2, "user@dane.example");
    client_question(&one, FRAME_CHECK, 3, "slow-500.example");
    ck_assert_int_eq(expect_verdict(&one, 2), CLASS_DANE);
    client_question(&one, FRAME_CHECK, 4, "none.example");
    ck_assert_int_eq(expect_verdict(&one, 4), CLASS_NONE);
    ck_assert_int_eq(expect_verdict(&one, 3), CLASS_UNKNOWN);
    ck_assert_int_eq(expect_verdict(&one, 1), CLASS_UNKNOWN);
    close(one.fd);
}
END_TEST

START_TEST(a_verdict_carries_all_its_fields_and_words)
{
    struct frame_verdict v;
    struct frame frame;

    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_question(&one, FRAME_CHECK, 5, "DANE.Example.");
    ck_assert(client_next(&one, &frame));
    ck_assert(frame_decode(&v, &frame, NULL));
    ck_assert_str_eq(v.next_hop, "dane.example");
    ck_assert_int_eq(v.verdict.level, LEVEL_AUTHENTICATED);
    ck_assert_int_eq(v.verdict.enforce, ENFORCE_DANE_ONLY);
    ck_assert_uint_eq(v.verdict.flags, VERDICT_MX_SECURE);
    ck_assert_uint_eq(v.verdict.tls_version, 0x0304);
    ck_assert_str_eq(v.verdict.host, "mx1.example.net");
    ck_assert_str_ne(v.cause, "");
    ck_assert_str_ne(v.sentence, "");
    ck_assert_uint_ge(v.now_ms, v.verdict.began_ms);
    ck_assert(!v.from_table);
    close(one.fd);
}
END_TEST

START_TEST(a_thousand_questions_with_queues_of_one_all_come_back)
{
    uint8_t seen[1000] = {0};
    int asked = 0, got = 0;

    standin_open(&standin, 1);
    client_open(&one, &standin);
    while (got < 1000) {
        struct frame frame;

        for (; asked < 1000 && asked - got < 200; asked++)
            client_question(&one, FRAME_CHECK, (uint64_t)asked, "dane.example");
        ck_assert(client_next(&one, &frame));
        ck_assert_uint_eq(frame.kind, FRAME_VERDICT);
        ck_assert_uint_lt(frame.id, 1000);
        ck_assert_uint_eq(seen[frame.id]++, 0);
        got++;
    }
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), 1000);
    close(one.fd);
}
END_TEST

START_TEST(a_client_that_writes_no_more_still_gets_its_answers)
{
    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_question(&one, FRAME_CHECK, 1, "slow-200.example");
    client_question(&one, FRAME_CHECK, 2, "dane.example");
    shutdown(one.fd, SHUT_WR);
    expect_verdict(&one, 2);
    expect_verdict(&one, 1);
    expect_end(&one);
}
END_TEST

START_TEST(a_question_out_after_its_deadline_is_answered_late)
{
    struct frame_question question = {.next_hop = "hold.example", .deadline_ms = 50};

    standin_open(&standin, 64);
    atomic_store(&standin.engine->hold, true);
    client_open(&one, &standin);
    client_ask(&one, FRAME_CHECK, 1, &question);
    expect_fault(&one, 1, FRAME_ERROR_LATE);
    expect_round_trip(&one, 2);
    ck_assert_uint_eq(status_number(&standin, "front", "outstanding"), 2); /* it, and status */
    atomic_store(&standin.engine->hold, false);
    wait_until_status(&standin, "front", "outstanding", 1);
    expect_round_trip(&one, 3); /* and nothing came of the late one */
    close(one.fd);
}
END_TEST

/* --- the table --- */

static void put_in_table(const char *domain, uint64_t began_ms, uint64_t valid_until_ms,
                         uint32_t epoch)
{
    struct verdict verdict = {.class = CLASS_VERIFIED,
                              .level = LEVEL_VERIFIED,
                              .cause = CAUSE_VERIFIED,
                              .enforce = ENFORCE_SECURE_MATCH,
                              .match = "mx.example.net",
                              .began_ms = began_ms,
                              .valid_until_ms = valid_until_ms,
                              .config_epoch = epoch};
    struct table_key key;

    ck_assert(table_key_make(&key, domain, strlen(domain)));
    ck_assert_int_eq(table_writer_put(standin.engine->table, &key, &verdict), 0);
}

static void check_fresh(uint64_t id, const char *domain, uint8_t freshness, uint32_t max_age_ms,
                        bool from_table)
{
    struct frame_question question = {.freshness = freshness, .max_age_ms = max_age_ms};
    struct frame_verdict verdict;
    struct frame frame;

    snprintf(question.next_hop, sizeof question.next_hop, "%s", domain);
    client_ask(&one, FRAME_CHECK, id, &question);
    ck_assert(client_next(&one, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_VERDICT);
    ck_assert_uint_eq(frame.id, id);
    ck_assert(frame_decode(&verdict, &frame, NULL));
    ck_assert_msg(verdict.from_table == from_table, "question %u: %d", (unsigned)id,
                  verdict.from_table);
    if (from_table) {
        ck_assert_int_eq(verdict.verdict.class, CLASS_VERIFIED);
        ck_assert_str_eq(verdict.verdict.match, "mx.example.net");
        ck_assert_str_ne(verdict.sentence, "");
    }
}

START_TEST(a_hit_in_the_table_is_answered_without_a_shard_FRESH_02)
{
    uint64_t now_ms = clock_boot_ms();
    struct table_clock clock;
    struct table_opened opened;
    char why[256], command[128];

    standin.engine = standin_start(64);
    ck_assert_int_eq(table_clock_read(&clock), 0);
    ck_assert_int_eq(table_writer_open(&standin.engine->table, standin.directory, 64u << 20, &clock,
                                       &opened, why, sizeof why),
                     0);
    put_in_table("good.example", now_ms - 5000, now_ms + 600000, 7);
    put_in_table("expired.example", now_ms - 5000, now_ms - 1, 7);
    put_in_table("settings.example", now_ms - 5000, now_ms + 600000, 6);
    put_in_table("[mx.example]:587", now_ms - 5000, now_ms + 600000, 7);
    standin_open(&standin, 64);
    client_open(&one, &standin);
    check_fresh(1, "someone@GOOD.example.", FRESHNESS_ANY, 0, true);
    check_fresh(2, "[mx.example]:587", FRESHNESS_ANY, 0, true);
    check_fresh(3, "good.example", FRESHNESS_MAX_AGE, 60000, true);
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), 0);
    check_fresh(4, "good.example", FRESHNESS_MAX_AGE, 1000, false);
    check_fresh(5, "good.example", FRESHNESS_LIVE, 0, false);
    check_fresh(6, "expired.example", FRESHNESS_ANY, 0, false);
    check_fresh(7, "settings.example", FRESHNESS_ANY, 0, false);
    check_fresh(8, "good.example:587", FRESHNESS_ANY, 0, false);
    check_fresh(9, "other.example", FRESHNESS_ANY, 0, false);
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), 6);
    client_question(&one, FRAME_EXPLAIN, 10, "good.example"); /* needs the facts */
    free(expect_document(&one, 10));
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), 7);
    ck_assert_uint_eq(status_number(&standin, "front", "from_table"), 3);
    ck_assert_uint_eq(status_number(&standin, "table", "records"), 4);
    ck_assert_uint_ge(status_number(&standin, "table", "chunks"), 2); /* index, and records */
    ck_assert_uint_le(status_number(&standin, "table", "huge_chunks"),
                      status_number(&standin, "table", "chunks"));
    close(one.fd);
    serve_stop(standin.serve);
    table_writer_close(standin.engine->table);
    standin.engine->table = NULL;
    snprintf(command, sizeof command, "rm -f %s/table.*", standin.directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* --- what is malformed --- */

START_TEST(a_malformed_frame_gets_an_error_and_the_connection_lives)
{
    uint8_t bytes[64] = {20, 0, 0, 0, FRAME_VERSION, FRAME_CHECK, 0, 0, 42};

    standin_open(&standin, 64);
    client_open(&one, &standin);
    bytes[16] = 1; /* a field that reaches beyond its frame */
    bytes[18] = 200;
    client_write(&one, bytes, 20);
    expect_fault(&one, 42, FRAME_ERROR_MALFORMED);
    bytes[5] = FRAME_STATUS;
    bytes[17] = 0x80; /* a field that must be understood */
    bytes[18] = 0;
    client_write(&one, bytes, 20);
    expect_fault(&one, 42, FRAME_ERROR_MALFORMED);
    bytes[5] = 0x3f;
    client_write(&one, bytes, 20);
    expect_fault(&one, 42, FRAME_ERROR_KIND);
    bytes[5] = FRAME_VERDICT; /* an answer is no request */
    client_write(&one, bytes, 20);
    expect_fault(&one, 42, FRAME_ERROR_KIND);
    bytes[4] = FRAME_VERSION + 1;
    client_write(&one, bytes, 20);
    expect_fault(&one, 42, FRAME_ERROR_VERSION);
    client_question(&one, FRAME_CHECK, 7, "a..b");
    expect_fault(&one, 7, FRAME_ERROR_NAME);
    client_question(&one, FRAME_EXPLAIN, 8, "[192.0.2.300]");
    expect_fault(&one, 8, FRAME_ERROR_NAME);
    expect_round_trip(&one, 9);
    close(one.fd);
}
END_TEST

START_TEST(lost_framing_gets_an_error_and_closes)
{
    static const uint8_t sizes[][4] = {{0, 0, 0, 0}, {15, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}};

    standin_open(&standin, 64);
    for (size_t i = 0; i < 3; i++) {
        client_open(&one, &standin);
        expect_round_trip(&one, 1);
        client_write(&one, sizes[i], 4);
        expect_fault(&one, 0, FRAME_ERROR_LOST);
        expect_end(&one);
    }
    ck_assert_uint_eq(status_number(&standin, "socket", "lost"), 3);
}
END_TEST

START_TEST(a_frame_may_come_byte_by_byte)
{
    struct frame_question question = {.next_hop = "dane.example"};
    uint8_t bytes[FRAME_REQUEST_MAX];
    size_t size = frame_encode(bytes, sizeof bytes, FRAME_CHECK, 0, 3, &question);

    standin_open(&standin, 64);
    client_open(&one, &standin);
    for (size_t i = 0; i < size; i++) {
        client_write(&one, bytes + i, 1);
        usleep(500);
    }
    ck_assert_int_eq(expect_verdict(&one, 3), CLASS_DANE);
    close(one.fd);
}
END_TEST

/* Frames of random kinds with random bodies, some of them cut off, some preceded by rubbish. */
START_TEST(random_bytes_never_disturb_another_client)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    uint8_t bytes[600];

    standin_open(&standin, 64);
    client_open(&two, &standin);
    for (int round = 0; round < 300; round++) {
        client_open(&one, &standin);
        for (int frame = 0; frame < 20; frame++) {
            uint32_t size = FRAME_HEADER_BYTES + (uint32_t)(seed % 500);

            for (size_t i = 0; i < sizeof bytes; i++) {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                bytes[i] = (uint8_t)seed;
            }
            if (frame < 19 || round % 3)
                memcpy(bytes, &size, 4);
            bytes[4] = FRAME_VERSION;
            bytes[5] &= 7;
            if (bytes[16] % 2) /* a field that fits, so that decoding goes on behind it */
                memcpy(bytes + 16, (const uint8_t[]){1, 0, 3, 0, 'a', '.', 'b'}, 7);
            if (send(one.fd, bytes, size, MSG_NOSIGNAL) < 0)
                break;
        }
        client_fill(&one, 0);
        close(one.fd);
        expect_round_trip(&two, (uint64_t)round);
    }
    close(two.fd);
    for (int i = 0; i < 100; i++, usleep(1000)) /* some asked for a reload by chance */
        if (serve_work_take(standin.serve) != SERVE_NOTHING)
            serve_work_done(standin.serve, true, "", 0);
    wait_until_status(&standin, "front", "outstanding", 1);
}
END_TEST

/* --- time limits --- */

START_TEST(an_idle_connection_is_closed)
{
    standin.configuration.listen.idle_ms = 200;
    standin_open(&standin, 64);
    client_open(&one, &standin);
    expect_round_trip(&one, 1);
    expect_end(&one);
    ck_assert_uint_eq(status_number(&standin, "socket", "idle"), 1);
}
END_TEST

START_TEST(an_unfinished_frame_is_cut_off)
{
    standin.configuration.listen.idle_ms = 200;
    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_write(&one, "\x14\0\0\0\x01", 5);
    expect_end(&one);
    ck_assert_uint_eq(status_number(&standin, "socket", "cut_off"), 1);
}
END_TEST

START_TEST(a_question_that_takes_long_is_not_idleness)
{
    standin.configuration.listen.idle_ms = 200;
    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_question(&one, FRAME_CHECK, 1, "slow-900.example");
    expect_verdict(&one, 1);
    expect_end(&one);
}
END_TEST

/* It asks and never reads; meanwhile the others are served, and it loses its connection. */
START_TEST(a_slow_reader_is_cut_off_and_nobody_else_notices)
{
    int size = 4096;
    bool closed = false;

    standin.configuration.listen.idle_ms = 400;
    standin_open(&standin, 64);
    client_open(&one, &standin);
    setsockopt(one.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    for (uint64_t id = 0; !closed && id < 20000; id++) {
        struct frame_question question = {.next_hop = "dane.example"};
        uint8_t bytes[FRAME_REQUEST_MAX];
        size_t length = frame_encode(bytes, sizeof bytes, FRAME_EXPLAIN, 0, id, &question);
        struct pollfd writable = {.fd = one.fd, .events = POLLOUT};

        if (poll(&writable, 1, 50) > 0 && (writable.revents & (POLLHUP | POLLERR)))
            closed = true;
        else if (send(one.fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE)
            closed = true;
        if (id % 500 == 0) {
            client_open(&two, &standin);
            expect_round_trip(&two, id);
            close(two.fd);
        }
    }
    ck_assert(closed);
    close(one.fd);
    wait_until_status(&standin, "socket", "connections", 1); /* the one that asks for status */
    wait_until_status(&standin, "front", "outstanding", 1);
    ck_assert_uint_ge(status_number(&standin, "socket", "cut_off"), 1);
}
END_TEST

/* The daemon is another process, stopped for longer than every limit: nobody is blamed for it. */
START_TEST(a_standstill_of_ours_is_nobodys_slowness)
{
    static const uint8_t begin[] = {40, 0, 0, 0, FRAME_VERSION};
    struct frame_question question = {.next_hop = "slow-1000.example", .deadline_ms = 1500};
    uint8_t bytes[FRAME_REQUEST_MAX];
    size_t size;
    pid_t daemon = fork();

    if (daemon == 0) {
        standin.configuration.listen.idle_ms = 2500;
        standin_open(&standin, 64);
        pause();
        _exit(0);
    }
    for (int i = 0; i < 1000 && (one.fd = connect_to(standin.socket)) < 0; i++)
        usleep(5000);
    one.start = one.end = 0;
    client_open(&two, &standin);
    size = frame_encode(bytes, sizeof bytes, FRAME_CHECK, 0, 1, &question);
    client_write(&one, bytes, size);
    question.next_hop[0] = 0;
    client_write(&two, begin, sizeof begin);
    usleep(200000);
    kill(daemon, SIGSTOP);
    usleep(5000000);
    kill(daemon, SIGCONT);
    expect_verdict(&one, 1); /* not "late" */
    snprintf(question.next_hop, sizeof question.next_hop, "dane.ex");
    size = frame_encode(bytes, sizeof bytes, FRAME_CHECK, 0, 2, &question);
    ck_assert_uint_eq(size, 16 + 4 + 7 + 4 + 2);
    memset(bytes + size, 0, 8); /* one more field, to make it 40 bytes: tag 99 of 3 bytes */
    bytes[size] = 99;
    bytes[size + 2] = 3;
    client_write(&two, bytes + sizeof begin, 40 - sizeof begin);
    ck_assert_int_eq(expect_verdict(&two, 2), CLASS_DANE); /* and not cut off */
    close(one.fd);
    close(two.fd);
    kill(daemon, SIGKILL);
    waitpid(daemon, NULL, 0);
    unlink(standin.socket);
    rmdir(standin.directory);
}
END_TEST

/* --- bounds --- */

START_TEST(outstanding_requests_of_a_connection_are_bounded_by_not_reading_it)
{
    standin.configuration.listen.requests_per_connection = 4;
    standin_open(&standin, 64);
    atomic_store(&standin.engine->hold, true);
    client_open(&one, &standin);
    for (uint64_t id = 0; id < 100; id++)
        client_question(&one, FRAME_CHECK, id, "hold.example");
    wait_until_kept(&standin, 4);
    usleep(100000);
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), 4);
    atomic_store(&standin.engine->hold, false);
    for (int i = 0; i < 100; i++) {
        struct frame frame;

        ck_assert(client_next(&one, &frame));
        ck_assert_uint_eq(frame.kind, FRAME_VERDICT);
    }
    close(one.fd);
}
END_TEST

START_TEST(connections_of_a_user_are_bounded)
{
    struct client *clients = calloc(4, sizeof *clients);

    standin.configuration.listen.connections_per_user = 3;
    standin_open(&standin, 64);
    for (int i = 0; i < 3; i++) {
        client_open(&clients[i], &standin);
        expect_round_trip(&clients[i], 1);
    }
    client_open(&clients[3], &standin);
    expect_fault(&clients[3], 0, FRAME_ERROR_BUSY);
    expect_end(&clients[3]);
    close(clients[0].fd);
    for (int i = 0; i < WAIT_MS / 10; i++) { /* until the place is free again */
        struct frame frame;

        usleep(10000);
        client_open(&clients[3], &standin);
        client_question(&clients[3], FRAME_CHECK, 5, "dane.example");
        ck_assert(client_next(&clients[3], &frame));
        close(clients[3].fd);
        if (frame.kind == FRAME_VERDICT)
            break;
        ck_assert_uint_eq(frame.kind, FRAME_ERROR);
        ck_assert_int_lt(i, WAIT_MS / 10 - 1);
    }
    close(clients[1].fd);
    close(clients[2].fd);
    free(clients);
}
END_TEST

START_TEST(connections_in_all_are_bounded)
{
    standin.configuration.listen.connections = 1;
    standin_open(&standin, 64);
    client_open(&one, &standin);
    expect_round_trip(&one, 1);
    client_open(&two, &standin);
    expect_fault(&two, 0, FRAME_ERROR_BUSY);
    expect_end(&two);
    expect_round_trip(&one, 2);
    close(one.fd);
}
END_TEST

/* A front with few slots, so that all thresholds are near. */
static struct small_front {
    struct listener listener;
    struct work work;
    struct front *front;
    pthread_t thread;
} small;

static int open_at(struct listener *listener, const char *path, mode_t mode, const char *group,
                   char *why, size_t why_size)
{
    const struct listener_wish wish = {.path = path,
                                       .path_setting = "listen.socket",
                                       .group_setting = "listen.group",
                                       .mode = mode,
                                       .group = group,
                                       .backlog = 8};

    return listener_open(listener, &wish, why, why_size);
}

static void small_front_open(uint32_t slots)
{
    struct front_settings settings = {.native = {.connections = 8,
                                                 .connections_per_user = 8,
                                                 .requests = 1000,
                                                 .idle_ms = 60000,
                                                 .frame_ms = 10000,
                                                 .stall_ms = 10000},
                                      .requests = slots,
                                      .requests_per_user = 1000};
    struct front_terms *terms = calloc(1, sizeof *terms);
    char why[256];

    ck_assert_ptr_nonnull(terms);
    standin.engine = standin_start(64);
    atomic_store(&standin.engine->hold, true);
    ck_assert_int_eq(rights_load(&terms->rights, &standin.configuration.listen, why, sizeof why),
                     0);
    ck_assert_int_eq(work_open(&small.work), 0);
    ck_assert_int_eq(open_at(&small.listener, standin.socket, 0666, NULL, why, sizeof why), 0);
    ck_assert_int_eq(front_create(&small.front, standin.engine, &settings,
                                  small.listener.descriptor, terms, &small.work),
                     0);
    ck_assert_int_eq(pthread_create(&small.thread, NULL, front_run, small.front), 0);
    ck_assert_int_eq(front_started(small.front, why, sizeof why), 0);
}

static void small_front_close(void)
{
    front_stop(small.front);
    pthread_join(small.thread, NULL);
    front_destroy(small.front);
    listener_close(&small.listener);
    work_close(&small.work);
    standin_stop(standin.engine);
    rmdir(standin.directory);
}

START_TEST(overload_sheds_scans_first_and_answers_at_once)
{
    struct frame_question scan = {.next_hop = "hold.example", .priority = FRAME_SCAN};
    struct frame_question asked = {.next_hop = "hold.example"};
    struct frame_question live = {.next_hop = "hold.example", .freshness = FRESHNESS_LIVE};

    small_front_open(16);
    client_open(&one, &standin);
    for (uint64_t id = 0; id < 13; id++) /* three quarters of 16 are 12 */
        client_ask(&one, FRAME_CHECK, id, &scan);
    expect_fault(&one, 12, FRAME_ERROR_BUSY);
    for (uint64_t id = 20; id < 24; id++) /* fifteen sixteenths are 15 */
        client_ask(&one, FRAME_CHECK, id, &asked);
    expect_fault(&one, 23, FRAME_ERROR_BUSY);
    client_ask(&one, FRAME_CHECK, 30, &live);
    client_ask(&one, FRAME_CHECK, 31, &live);
    expect_fault(&one, 31, FRAME_ERROR_BUSY);
    wait_until_kept(&standin, 16);
    ck_assert_uint_eq(atomic_load(&standin.engine->scans), 12);
    atomic_store(&standin.engine->hold, false);
    for (int i = 0; i < 16; i++) {
        struct frame frame;

        ck_assert(client_next(&one, &frame));
        ck_assert_uint_eq(frame.kind, FRAME_VERDICT);
    }
    expect_round_trip(&one, 40);
    close(one.fd);
    small_front_close();
}
END_TEST

START_TEST(the_last_places_for_questions_are_kept_for_administrators)
{
    struct frame_question live = {.next_hop = "hold.example", .freshness = FRESHNESS_LIVE};

    small_front_open(64);
    client_open(&one, &standin);
    for (uint64_t id = 0; id < 64; id++)
        client_ask(&one, FRAME_CHECK, id, &live);
    expect_fault(&one, 63, FRAME_ERROR_BUSY);
    wait_until_kept(&standin, 63);
    ck_assert_uint_eq(status_number(&standin, "front", "outstanding"), 64);
    atomic_store(&standin.engine->hold, false);
    wait_until_kept(&standin, 0);
    close(one.fd);
    small_front_close();
}
END_TEST

START_TEST(requests_of_a_user_are_bounded_also_after_it_vanished)
{
    struct frame_fault fault;
    struct frame frame;
    unsigned busy = 0;

    standin.configuration.listen.requests_per_connection = LIMIT_CLIENT_REQUESTS;
    standin_open(&standin, 1024);
    atomic_store(&standin.engine->hold, true);
    for (int i = 0; i < 2; i++) { /* twice 4096 are half of all: what one user may have */
        client_open(&one, &standin);
        for (uint64_t id = 0; id < LIMIT_CLIENT_REQUESTS; id++)
            client_question(&one, FRAME_CHECK, id, "hold.example");
        wait_until_kept(&standin, (unsigned)(i + 1) * LIMIT_CLIENT_REQUESTS);
        close(one.fd);
    }
    client_open(&one, &standin);
    client_question(&one, FRAME_CHECK, 1, "dane.example");
    ck_assert(client_next(&one, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_ERROR);
    ck_assert(frame_decode(&fault, &frame, NULL));
    busy = fault.code;
    ck_assert_uint_eq(busy, FRAME_ERROR_BUSY);
    ck_assert_uint_gt(fault.retry_ms, 0);
    atomic_store(&standin.engine->hold, false);
    wait_until_kept(&standin, 0);
    wait_until_status(&standin, "front", "outstanding", 1);
    expect_round_trip(&one, 2);
    close(one.fd);
}
END_TEST

START_TEST(the_front_shows_that_it_lives)
{
    uint64_t before_ms = clock_boot_ms();

    standin_open(&standin, 64);
    client_open(&one, &standin);
    expect_round_trip(&one, 1);
    ck_assert_uint_ge(serve_heartbeat_ms(standin.serve), before_ms);
    before_ms = clock_boot_ms();
    usleep(2100000); /* nothing happens, but the tick */
    ck_assert_uint_gt(serve_heartbeat_ms(standin.serve), before_ms);
    close(one.fd);
}
END_TEST

START_TEST(one_that_floods_does_not_keep_another_waiting)
{
    struct frame_hello hello = {.program = "flood"};
    uint8_t bytes[64];
    size_t size = frame_encode(bytes, sizeof bytes, FRAME_HELLO, 0, 1, &hello);
    uint64_t before_ms;

    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_open(&two, &standin);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 200; i++) /* until its socket is full */
            if (send(one.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) <= 0)
                break;
        before_ms = clock_boot_ms();
        expect_round_trip(&two, (uint64_t)round);
        ck_assert_uint_lt(clock_boot_ms() - before_ms, 1000);
        client_fill(&one, 0);
        one.start = one.end = 0;
    }
    close(one.fd);
    close(two.fd);
}
END_TEST

/* --- clients that vanish --- */

START_TEST(a_client_may_vanish_with_requests_outstanding)
{
    standin_open(&standin, 64);
    atomic_store(&standin.engine->hold, true);
    for (int i = 0; i < 20; i++) {
        client_open(&one, &standin);
        for (uint64_t id = 0; id < 10; id++)
            client_question(&one, id % 2 ? FRAME_EXPLAIN : FRAME_CHECK, id, "hold.example");
        wait_until_kept(&standin, (unsigned)(i + 1) * 10);
        close(one.fd);
    }
    wait_until_status(&standin, "socket", "connections", 1);
    ck_assert_uint_eq(status_number(&standin, "front", "outstanding"), 201);
    atomic_store(&standin.engine->hold, false);
    wait_until_status(&standin, "front", "outstanding", 1);
    ck_assert_uint_eq(status_number(&standin, "front", "vanished"), 200);
    client_open(&one, &standin);
    expect_round_trip(&one, 1);
    close(one.fd);
}
END_TEST

START_TEST(a_client_may_vanish_in_the_middle_of_a_document)
{
    standin_open(&standin, 64);
    for (int i = 0; i < 40; i++) { /* more often than there are document buffers */
        client_open(&one, &standin);
        for (uint64_t id = 0; id < 40; id++)
            client_question(&one, FRAME_EXPLAIN, id, "dane.example");
        usleep(2000 * (useconds_t)(i % 4));
        close(one.fd);
    }
    wait_until_status(&standin, "front", "outstanding", 1);
    client_open(&one, &standin);
    client_question(&one, FRAME_EXPLAIN, 1, "dane.example");
    free(expect_document(&one, 1));
    close(one.fd);
}
END_TEST

START_TEST(stopping_ends_with_clients_and_questions_there)
{
    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_question(&one, FRAME_CHECK, 1, "slow-300.example");
    client_open(&two, &standin);
    wait_until_kept(&standin, 1);
    serve_stop(standin.serve);
    expect_end(&one);
    expect_end(&two);
    ck_assert_int_lt(connect_to(standin.socket), 0);
}
END_TEST

/* --- documents --- */

START_TEST(explain_is_one_json_object)
{
    char *text;

    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_question(&one, FRAME_EXPLAIN, 6, "dane.example");
    text = expect_document(&one, 6);
    ck_assert_ptr_nonnull(strstr(text, "\"next_hop\":\"dane.example\""));
    ck_assert_ptr_nonnull(strstr(text, "\"class\":\"dane\""));
    ck_assert_ptr_nonnull(strstr(text, "\"address\":\"192.0.2.25\""));
    ck_assert_ptr_nonnull(strstr(text, "S: 220 mx1 ESMTP\\nC: EHLO mxward.example\\n"));
    ck_assert_int_eq(text[strlen(text) - 1], '}');
    free(text);
    close(one.fd);
}
END_TEST

/* An order that shows something takes a buffer before it is known that there is nothing. */
START_TEST(orders_that_find_nothing_give_their_buffers_back)
{
    struct frame_order_request order = {.order = ORDER_MEMORY_SHOW, .name = "nothing.example"};

    standin_open(&standin, 64);
    client_open(&one, &standin);
    for (uint64_t id = 1; id <= 3 * LIMIT_FRONT_DOCUMENTS; id++) {
        client_ask(&one, FRAME_ORDER, id, &order);
        expect_fault(&one, id, FRAME_ERROR_ABSENT);
    }
    for (uint64_t id = 1; id <= 3 * LIMIT_FRONT_DOCUMENTS; id++) /* nobody waits for the answer */
        client_ask(&one, FRAME_ORDER, id, &order);
    close(one.fd);
    wait_until_status(&standin, "front", "outstanding", 1);
    ck_assert_uint_eq(status_number(&standin, "front", "documents"), 1); /* of status itself */
}
END_TEST

static void expect_done(struct client *client, uint64_t id, const char *part)
{
    struct frame frame;
    struct frame_done done;

    ck_assert(client_next(client, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_DONE);
    ck_assert_uint_eq(frame.id, id);
    ck_assert(frame_decode(&done, &frame, NULL));
    ck_assert_msg(strstr(done.sentence, part) != NULL, "no '%s' in: %s", part, done.sentence);
}

/* The stand-in is all shards: it says that evidence was renewed. */
START_TEST(a_delivery_goes_round_the_shards_and_is_answered_with_what_was_taken_of_it)
{
    struct frame_observe observed = {.domain = "Example.ORG",
                                     .host = "mx.example.org",
                                     .address = "192.0.2.1",
                                     .port = 25,
                                     .tls_version = 0x0304,
                                     .trust = OBSERVED_VERIFIED,
                                     .delivered_s = clock_wall_s()};
    struct frame_observe other = observed;

    standin_open(&standin, 64);
    client_open(&one, &standin);
    for (uint64_t id = 1; id <= 3 * LIMIT_FRONT_DELIVERIES; id++) {
        client_ask(&one, FRAME_OBSERVE, id, &observed);
        expect_done(&one, id, "fresh evidence again");
    }
    other.trust = OBSERVED_CLEAR;
    client_ask(&one, FRAME_OBSERVE, 1001, &other);
    expect_done(&one, 1001, "counts for nothing: it did not use TLS 1.2");
    other = observed;
    other.delivered_s += 1000;
    client_ask(&one, FRAME_OBSERVE, 1002, &other);
    expect_done(&one, 1002, "has not come yet");
    other = observed;
    strcpy(other.host, "192.0.2.1");
    client_ask(&one, FRAME_OBSERVE, 1003, &other);
    expect_fault(&one, 1003, FRAME_ERROR_NAME);
    other = observed;
    strcpy(other.key_sha256, "12345");
    client_ask(&one, FRAME_OBSERVE, 1004, &other);
    expect_fault(&one, 1004, FRAME_ERROR_NAME);
    close(one.fd);
    wait_until_status(&standin, "front", "outstanding", 1);
}
END_TEST

static struct frame_observe delivery_to(const char *domain)
{
    struct frame_observe observed = {.host = "mx.example.org",
                                     .address = "192.0.2.1",
                                     .port = 25,
                                     .tls_version = 0x0304,
                                     .trust = OBSERVED_VERIFIED,
                                     .delivered_s = clock_wall_s()};

    snprintf(observed.domain, sizeof observed.domain, "%s", domain);
    return observed;
}

/* What none of our looks says is looked at, and nobody waits for it: as many as there may be at
 * once, and after them the report is answered all the same. */
START_TEST(a_delivery_that_no_look_knows_of_has_one_made_and_does_not_wait_for_it)
{
    const struct frame_observe observed = delivery_to("hold.example");

    standin_open(&standin, 64);
    atomic_store(&standin.engine->hold, true);
    atomic_store(&standin.engine->wants_looks, true);
    client_open(&one, &standin);
    for (uint64_t id = 1; id <= 2 * LIMIT_FRONT_DELIVERY_LOOKS; id++) {
        client_ask(&one, FRAME_OBSERVE, id, &observed);
        expect_done(&one, id, "before mxward has seen it itself");
    }
    ck_assert_uint_eq(atomic_load(&standin.engine->scans), LIMIT_FRONT_DELIVERY_LOOKS);
    atomic_store(&standin.engine->hold, false);
    wait_until_status(&standin, "front", "outstanding", 1); /* all are home */
    client_ask(&one, FRAME_OBSERVE, 1001, &observed);
    expect_done(&one, 1001, "before mxward has seen it itself");
    close(one.fd); /* nobody is there any more */
    wait_until_status(&standin, "front", "outstanding", 1);
    ck_assert_uint_eq(atomic_load(&standin.engine->scans), LIMIT_FRONT_DELIVERY_LOOKS + 1);
}
END_TEST

/* Else deliveries would keep it good for a day, and nobody would look. */
START_TEST(what_only_deliveries_have_kept_good_is_looked_at_anew)
{
    const uint64_t before_ms = clock_boot_ms();
    const struct frame_observe observed = delivery_to("dane.example");

    standin_open(&standin, 64);
    atomic_store(&standin.engine->wants_looks, true);
    client_open(&one, &standin);
    for (uint64_t id = 1; id <= 2; id++) {
        atomic_store(&standin.engine->aged, id == 2);
        client_ask(&one, FRAME_OBSERVE, id, &observed);
        expect_done(&one, id, "before mxward has seen it itself");
        wait_until_status(&standin, "front", "outstanding", 1);
        ck_assert_uint_eq(atomic_load(&standin.engine->scans), id);
        if (id == 1)
            ck_assert_uint_eq(atomic_load(&standin.engine->scan_not_before_ms), 0);
        else
            ck_assert_uint_ge(atomic_load(&standin.engine->scan_not_before_ms), before_ms);
    }
}
END_TEST

START_TEST(more_documents_than_buffers_all_arrive)
{
    enum { CLIENTS = 20 };
    struct client *clients = calloc(CLIENTS, sizeof *clients);

    standin_open(&standin, 64);
    for (int i = 0; i < CLIENTS; i++) {
        int size = 4096;

        client_open(&clients[i], &standin);
        setsockopt(clients[i].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        for (uint64_t id = 0; id < 100; id++)
            client_question(&clients[i], FRAME_EXPLAIN, id, "dane.example");
    }
    /* None of them reads, and none of them holds a buffer that others need. */
    ck_assert_uint_eq(status_number(&standin, "front", "documents"), 1);
    for (int i = CLIENTS - 1; i >= 0; i--) {
        for (int k = 0; k < 100; k++) {
            struct frame frame;

            do
                ck_assert(client_next(&clients[i], &frame));
            while (frame.flags & FRAME_GOES_ON);
            ck_assert_uint_eq(frame.kind, FRAME_DOCUMENT);
        }
        close(clients[i].fd);
    }
    free(clients);
    wait_until_status(&standin, "front", "outstanding", 1);
}
END_TEST

/* Plays the main thread. */
static enum serve_work take_work(void)
{
    struct pollfd poll_fd = {.fd = serve_work_descriptor(standin.serve), .events = POLLIN};
    enum serve_work what = SERVE_NOTHING;

    for (int i = 0; what == SERVE_NOTHING && i < 20; i++) {
        ck_assert_int_gt(poll(&poll_fd, 1, WAIT_MS), 0);
        what = serve_work_take(standin.serve);
    }
    return what;
}

START_TEST(reload_and_config_are_done_by_the_main_thread)
{
    struct frame_empty nothing = {0};
    struct frame_config config = {.form = CONFIG_EFFECTIVE};
    struct frame_done done;
    struct frame frame;
    char *big = malloc(300000), *text;

    standin_open(&standin, 64);
    client_open(&one, &standin);
    client_open(&two, &standin);
    client_ask(&one, FRAME_RELOAD, 1, &nothing);
    ck_assert_int_eq(take_work(), SERVE_RELOAD);
    client_ask(&two, FRAME_RELOAD, 2, &nothing);
    expect_fault(&two, 2, FRAME_ERROR_BUSY);
    serve_work_done(standin.serve, true, "all settings are in force", 25);
    ck_assert(client_next(&one, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_DONE);
    ck_assert(frame_decode(&done, &frame, NULL));
    ck_assert_str_eq(done.sentence, "all settings are in force");
    client_ask(&one, FRAME_RELOAD, 3, &nothing);
    ck_assert_int_eq(take_work(), SERVE_RELOAD);
    serve_work_done(standin.serve, false, "x.conf:3: no", 12);
    expect_fault(&one, 3, FRAME_ERROR_CONFIGURATION);
    memset(big, 'c', 300000);
    client_ask(&one, FRAME_CONFIG, 4, &config);
    ck_assert_int_eq(take_work(), SERVE_CONFIG_EFFECTIVE);
    serve_work_done(standin.serve, true, big, 300000);
    text = expect_document(&one, 4);
    ck_assert_uint_eq(strlen(text), 300000);
    free(text);
    client_ask(&one, FRAME_CONFIG, 5, &config); /* asks, and vanishes meanwhile */
    ck_assert_int_eq(take_work(), SERVE_CONFIG_EFFECTIVE);
    close(one.fd);
    wait_until_status(&standin, "socket", "connections", 2);
    serve_work_done(standin.serve, true, big, 300000);
    wait_until_status(&standin, "front", "outstanding", 1);
    client_ask(&two, FRAME_RELOAD, 6, &nothing);
    ck_assert_int_eq(take_work(), SERVE_RELOAD);
    serve_work_done(standin.serve, true, "ok", 2);
    ck_assert(client_next(&two, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_DONE);
    close(two.fd);
    free(big);
}
END_TEST

/* More than its output takes, and it does not read: a buffer is held until it is cut off. */
static void ask_and_not_read(struct client *client, uint8_t kind, const void *message)
{
    int size = 4096;

    client_open(client, &standin);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    client_ask(client, kind, 1, message);
}

START_TEST(an_administrator_who_reads_slowly_keeps_nobody_from_reload_and_config)
{
    enum { SLOW = LIMIT_FRONT_DOCUMENTS / 2 };
    struct client *slow = calloc(SLOW, sizeof *slow);
    struct frame_config config = {.form = CONFIG_EFFECTIVE};
    struct frame_empty nothing = {0};
    struct frame_done done;
    struct frame frame;
    char *big = calloc(1, 300001);

    memset(big, 'c', 300000);
    standin_open(&standin, 64);
    client_open(&one, &standin);
    for (int i = 0; i < SLOW; i++) {
        ask_and_not_read(&slow[i], FRAME_CONFIG, &config);
        ck_assert_int_eq(take_work(), SERVE_CONFIG_EFFECTIVE);
        serve_work_done(standin.serve, true, big, 300000);
        client_ask(&one, FRAME_RELOAD, (uint64_t)i, &nothing);
        ck_assert_int_eq(take_work(), SERVE_RELOAD);
        serve_work_done(standin.serve, true, "as they are", 11);
        ck_assert(client_next(&one, &frame));
        ck_assert_uint_eq(frame.kind, FRAME_DONE);
        ck_assert(frame_decode(&done, &frame, NULL));
        if (i < SLOW - 1)
            ck_assert_str_eq(done.sentence, "as they are");
    }
    /* Now this user has half of the buffers, and gets no more; what was done is said all the same.
     */
    ck_assert_str_eq(done.sentence, "the settings are in force; the log says more");
    client_ask(&one, FRAME_RELOAD, 50, &nothing);
    ck_assert_int_eq(take_work(), SERVE_RELOAD);
    serve_work_done(standin.serve, false, "x.conf:3: no", 12);
    expect_fault(&one, 50, FRAME_ERROR_CONFIGURATION);
    client_ask(&one, FRAME_CONFIG, 51, &config);
    ck_assert_int_eq(take_work(), SERVE_CONFIG_EFFECTIVE);
    serve_work_done(standin.serve, true, big, 300000);
    expect_fault(&one, 51, FRAME_ERROR_BUSY);
    for (int i = 0; i < SLOW; i++) {
        char *text = expect_document(&slow[i], 1);

        ck_assert_str_eq(text, big);
        free(text);
        close(slow[i].fd);
    }
    client_ask(&one, FRAME_CONFIG, 52, &config);
    ck_assert_int_eq(take_work(), SERVE_CONFIG_EFFECTIVE);
    serve_work_done(standin.serve, true, "few", 3);
    free(expect_document(&one, 52));
    close(one.fd);
    free(slow);
    free(big);
}
END_TEST

/* --- the socket's file --- */

START_TEST(the_socket_has_the_mode_and_group_asked_for)
{
    struct stat st;
    char group[16];

    snprintf(group, sizeof group, "%u", getegid());
    standin.configuration.listen.mode = 0620;
    standin.configuration.listen.group = group;
    standin_open(&standin, 64);
    ck_assert_int_eq(stat(standin.socket, &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 0777, 0620);
    ck_assert_uint_eq(st.st_gid, getegid());
    serve_stop(standin.serve);
    ck_assert_int_eq(stat(standin.socket, &st), -1);
}
END_TEST

START_TEST(a_stale_socket_is_replaced_and_nothing_else_is)
{
    struct listener first, second;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char why[512] = "";
    FILE *file;
    int stale;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", standin.socket);
    stale = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale); /* the file stays, nobody listens */
    ck_assert_int_eq(open_at(&first, standin.socket, 0600, NULL, why, sizeof why), 0);
    ck_assert_int_eq(open_at(&second, standin.socket, 0600, NULL, why, sizeof why), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(why, "another program listens"));
    ck_assert_int_ge(stale = connect_to(standin.socket), 0);
    close(stale);
    listener_close(&first);
    file = fopen(standin.socket, "w");
    fclose(file);
    ck_assert_int_eq(open_at(&first, standin.socket, 0600, NULL, why, sizeof why), -EINVAL);
    ck_assert_int_eq(access(standin.socket, F_OK), 0);
    unlink(standin.socket);
    ck_assert_int_eq(open_at(&first, standin.socket, 0600, "no-such-group", why, sizeof why),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "no-such-group"));
    ck_assert_int_ne(access(standin.socket, F_OK), 0);
    ck_assert_int_lt(open_at(&first, "/no/such/directory/s", 0600, NULL, why, sizeof why), 0);
    memset(address.sun_path, 'x', sizeof address.sun_path - 1);
    ck_assert_int_eq(open_at(&first, standin.socket, 0600, NULL, why, sizeof why), 0);
    listener_close(&first);
    rmdir(standin.directory);
}
END_TEST

/* --- rights --- */

static struct option_list list_of(const char *const *texts, size_t count)
{
    return (struct option_list){count, (char **)(uintptr_t)texts};
}

START_TEST(rights_follow_users_groups_and_everybody)
{
    const char *query[] = {"@4242", "1001"}, *switches[] = {"1002"}, *admins[] = {"@4343"},
               *observers[] = {"1003"}, *all[] = {"*"};
    struct listen_settings settings = {.query_users = list_of(query, 2),
                                       .switch_users = list_of(switches, 1),
                                       .observe_users = list_of(observers, 1),
                                       .admin_users = list_of(admins, 1)};
    const uint32_t everything = RIGHT_QUERY | RIGHT_SWITCH | RIGHT_OBSERVE | RIGHT_ADMIN;
    gid_t groups[] = {1, 4242, 7};
    struct rights *rights;
    char why[256];

    ck_assert_int_eq(rights_load(&rights, &settings, why, sizeof why), 0);
    ck_assert_uint_eq(rights_of(rights, 0, 0, NULL, 0), everything);
    ck_assert_uint_eq(rights_of(rights, geteuid(), 9, NULL, 0), everything);
    ck_assert_uint_eq(rights_of(rights, 5555, 5555, NULL, 0), 0);
    ck_assert_uint_eq(rights_of(rights, 1001, 5555, NULL, 0), RIGHT_QUERY);
    ck_assert_uint_eq(rights_of(rights, 5555, 1001, NULL, 0), 0); /* a gid is no uid */
    ck_assert_uint_eq(rights_of(rights, 5555, 4242, NULL, 0), RIGHT_QUERY);
    ck_assert_uint_eq(rights_of(rights, 5555, 5555, groups, 3), RIGHT_QUERY);
    ck_assert_uint_eq(rights_of(rights, 5555, 5555, groups, 1), 0);
    ck_assert_uint_eq(rights_of(rights, 1002, 1, NULL, 0), RIGHT_QUERY | RIGHT_SWITCH);
    ck_assert_uint_eq(rights_of(rights, 1003, 1, NULL, 0), RIGHT_QUERY | RIGHT_OBSERVE);
    ck_assert_uint_eq(rights_of(rights, 5555, 4343, NULL, 0), everything);
    rights_free(rights);
    settings = (struct listen_settings){.query_users = list_of(all, 1)};
    ck_assert_int_eq(rights_load(&rights, &settings, why, sizeof why), 0);
    ck_assert_uint_eq(rights_of(rights, 5555, 5555, NULL, 0), RIGHT_QUERY);
    rights_free(rights);
}
END_TEST

START_TEST(a_name_that_nobody_has_refuses_the_settings)
{
    const char *users[] = {"no-such-user-here"}, *groups[] = {"@no-such-group-here"};
    struct listen_settings settings = {.query_users = list_of(users, 1)};
    struct rights *rights;
    char why[256];

    ck_assert_int_eq(rights_load(&rights, &settings, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "listen.query_users: there is no user 'no-such-user-here'");
    settings = (struct listen_settings){.admin_users = list_of(groups, 1)};
    ck_assert_int_eq(rights_load(&rights, &settings, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "listen.admin_users: there is no group '@no-such-group-here'");
}
END_TEST

/* The machine's trouble, which passes: a service manager may try again (law 3). */
START_TEST(a_name_that_cannot_be_looked_up_is_not_called_unknown)
{
    const char *users[] = {"root"}, *groups[] = {"@no-such-group-here"};
    struct listen_settings settings = {.query_users = list_of(users, 1)};
    struct rlimit before, none;
    struct rights *rights;
    char why[256];

    ck_assert_int_eq(rights_load(&rights, &settings, why, sizeof why), 0); /* loads its libraries */
    rights_free(rights);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_max = before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(rights_load(&rights, &settings, why, sizeof why), -EAGAIN);
    ck_assert_str_eq(why, "listen.query_users: the user 'root' cannot be looked up now");
    settings = (struct listen_settings){.admin_users = list_of(groups, 1)};
    ck_assert_int_eq(rights_load(&rights, &settings, why, sizeof why), -EAGAIN);
    ck_assert_ptr_eq(strstr(why, "listen.admin_users: the group "), why);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

/* By the functions of the start, but nothing is made. */
START_TEST(what_a_start_would_refuse_is_judged_before)
{
    const char *users[] = {"no-such-user-here"};
    struct configuration wrong = standin.configuration;
    char why[256] = "", socket[128], group[] = "no-such-group-here", lost[] = "/nonexistent/socket",
         taken[] = "/dev/null", coming[] = "/nonexistent/run";

    ck_assert_int_eq(serve_judge(&wrong, why, sizeof why), 0);
    ck_assert_int_ne(access(standin.socket, F_OK), 0);
    wrong.listen.query_users = list_of(users, 1);
    ck_assert_int_eq(serve_judge(&wrong, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "listen.query_users: there is no user 'no-such-user-here'");
    wrong = standin.configuration;
    wrong.listen.group = group;
    ck_assert_int_eq(serve_judge(&wrong, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "listen.group: there is no group 'no-such-group-here'");
    wrong = standin.configuration;
    wrong.listen.socket = taken;
    ck_assert_int_eq(serve_judge(&wrong, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "listen.socket: /dev/null is there and is no socket; move it away");
    wrong.listen.socket = lost;
    ck_assert_int_eq(serve_judge(&wrong, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "listen.socket: there is no directory to make /nonexistent/socket in; "
                          "make it, for the user that runs this");
    wrong.daemon.run_directory = coming; /* whose parent engine_judge looks at */
    snprintf(socket, sizeof socket, "%s/socket", coming);
    wrong.listen.socket = socket;
    ck_assert_int_eq(serve_judge(&wrong, why, sizeof why), 0);
    rmdir(standin.directory);
}
END_TEST

/* In a child that is another user: what the daemon answers to `kind` (0: nothing, it closed). */
static int as_user(uid_t uid, uint8_t kind)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct frame_question question = {.next_hop = "dane.example"};
        struct frame_config config = {0};
        uint8_t bytes[FRAME_REQUEST_MAX];
        size_t size = frame_encode(bytes, sizeof bytes, kind, 0, 1,
                                   kind == FRAME_CHECK ? (void *)&question : &config);
        struct frame frame;
        struct frame_fault fault;

        if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
            setresuid(uid, uid, uid) != 0)
            _exit(99);
        client_open(&two, &standin);
        (void)!send(two.fd, bytes, size, MSG_NOSIGNAL); /* may be turned away already */
        if (!client_next(&two, &frame))
            _exit(0);
        if (frame.kind == FRAME_ERROR && frame_decode(&fault, &frame, NULL))
            _exit(100 + fault.code);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A child that is another user, does `plays`, and stays until it is killed. */
static pid_t user_begins(uid_t uid, void (*plays)(void))
{
    int ready[2];
    char byte;
    pid_t child;

    ck_assert_int_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
            setresuid(uid, uid, uid) != 0)
            _exit(99);
        plays();
        (void)!write(ready[1], "", 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void user_ends(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void others_may_ask(void)
{
    static const char *all[] = {"*"};

    standin.configuration.listen.mode = 0666;
    standin.configuration.listen.query_users = list_of(all, 1);
}

static void asks_for_much_and_reads_nothing(void)
{
    struct frame_question question = {.next_hop = "big.example", .deadline_ms = 30000};
    static struct client clients[6];

    for (int i = 0; i < 6; i++)
        ask_and_not_read(&clients[i], FRAME_EXPLAIN, &question);
}

/* Three of them want more than all buffers; their time to read has not run out when we ask. */
START_TEST(users_who_read_nothing_never_keep_an_administrator_from_the_status)
{
    enum { USERS = 3 };
    struct frame_config config = {0};
    pid_t users[USERS];
    uint64_t before_ms;

    others_may_ask();
    standin_open(&standin, 64);
    before_ms = clock_boot_ms();
    for (uid_t i = 0; i < USERS; i++)
        users[i] = user_begins(64001 + i, asks_for_much_and_reads_nothing);
    for (int i = 0; i < WAIT_MS && atomic_load(&standin.engine->asked) < 6 * USERS; i++)
        usleep(1000);
    usleep(200000);                /* until they have what they can get */
    for (int i = 0; i < 20; i++) { /* theirs, and ours */
        ck_assert_uint_le(status_number(&standin, "front", "documents"), LIMIT_FRONT_DOCUMENTS - 1);
        ck_assert_uint_ge(status_number(&standin, "front", "documents"), USERS + 1);
    }
    client_open(&one, &standin);
    client_ask(&one, FRAME_CONFIG, 1, &config);
    ck_assert_int_eq(take_work(), SERVE_CONFIG_EFFECTIVE);
    serve_work_done(standin.serve, true, "few", 3);
    free(expect_document(&one, 1));
    close(one.fd);
    ck_assert_uint_lt(clock_boot_ms() - before_ms, LIMIT_CLIENT_STALL_MS);
    for (int i = 0; i < USERS; i++)
        user_ends(users[i]);
    wait_until_status(&standin, "front", "documents", 1);
}
END_TEST

static void connects_as_often_as_it_can(void)
{
    static struct client clients[16];
    struct frame frame;

    for (int i = 0; i < 15; i++) {
        client_open(&clients[i], &standin);
        client_question(&clients[i], FRAME_CHECK, 1, "dane.example");
        if (!client_next(&clients[i], &frame) || frame.kind != FRAME_VERDICT)
            _exit(1);
    }
    client_open(&clients[15], &standin);
    expect_fault(&clients[15], 0, FRAME_ERROR_BUSY);
}

START_TEST(the_last_connections_are_kept_for_administrators)
{
    pid_t user;

    others_may_ask();
    standin.configuration.listen.connections = 16;
    standin_open(&standin, 64);
    user = user_begins(64001, connects_as_often_as_it_can);
    ck_assert_uint_eq(status_number(&standin, "socket", "connections"), 16);
    user_ends(user);
}
END_TEST

START_TEST(the_kernel_says_who_asks_and_the_lists_what_they_may_know_PIT_18)
{
    const char *query[] = {"64001"}, *both[] = {"64001", "64002"};
    struct configuration changed;
    char why[256];

    standin.configuration.listen.mode = 0666;
    standin.configuration.listen.query_users = list_of(query, 1);
    standin_open(&standin, 64);
    ck_assert_int_eq(as_user(64001, FRAME_CHECK), 1);
    ck_assert_int_eq(as_user(64001, FRAME_RELOAD), 100 + FRAME_ERROR_NOT_PERMITTED);
    ck_assert_int_eq(as_user(64001, FRAME_CONFIG), 100 + FRAME_ERROR_NOT_PERMITTED);
    ck_assert_int_eq(as_user(64002, FRAME_CHECK), 100 + FRAME_ERROR_NOT_PERMITTED);
    changed = standin.configuration;
    changed.listen.query_users = list_of(both, 2);
    ck_assert_int_eq(serve_reload(standin.serve, &changed, why, sizeof why), 0);
    for (int i = 0; i < 100 && as_user(64002, FRAME_CHECK) != 1; i++)
        usleep(10000);
    ck_assert_int_eq(as_user(64002, FRAME_CHECK), 1);
}
END_TEST

static void add(TCase *tcase, Suite *suite)
{
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
}

static void add_questions(Suite *suite)
{
    TCase *tcase = tcase_create("questions");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, the_welcome_tells_rights_and_bounds);
    tcase_add_test(tcase, answers_come_by_id_in_the_order_they_are_known);
    tcase_add_test(tcase, a_verdict_carries_all_its_fields_and_words);
    tcase_add_test(tcase, a_thousand_questions_with_queues_of_one_all_come_back);
    tcase_add_test(tcase, a_client_that_writes_no_more_still_gets_its_answers);
    tcase_add_test(tcase, a_question_out_after_its_deadline_is_answered_late);
    tcase_add_test(tcase, a_hit_in_the_table_is_answered_without_a_shard_FRESH_02);
    tcase_add_test(tcase, a_malformed_frame_gets_an_error_and_the_connection_lives);
    tcase_add_test(tcase, lost_framing_gets_an_error_and_closes);
    tcase_add_test(tcase, a_frame_may_come_byte_by_byte);
    tcase_add_test(tcase, random_bytes_never_disturb_another_client);
    tcase_add_test(tcase, explain_is_one_json_object);
    tcase_add_test(tcase,
                   a_delivery_goes_round_the_shards_and_is_answered_with_what_was_taken_of_it);
    tcase_add_test(tcase, a_delivery_that_no_look_knows_of_has_one_made_and_does_not_wait_for_it);
    tcase_add_test(tcase, what_only_deliveries_have_kept_good_is_looked_at_anew);
    tcase_add_test(tcase, more_documents_than_buffers_all_arrive);
    tcase_add_test(tcase, orders_that_find_nothing_give_their_buffers_back);
    tcase_add_test(tcase, reload_and_config_are_done_by_the_main_thread);
    tcase_add_test(tcase, an_administrator_who_reads_slowly_keeps_nobody_from_reload_and_config);
    add(tcase, suite);
}

static void add_bounds(Suite *suite)
{
    TCase *tcase = tcase_create("bounds");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, an_idle_connection_is_closed);
    tcase_add_test(tcase, an_unfinished_frame_is_cut_off);
    tcase_add_test(tcase, a_question_that_takes_long_is_not_idleness);
    tcase_add_test(tcase, a_slow_reader_is_cut_off_and_nobody_else_notices);
    tcase_add_test(tcase, outstanding_requests_of_a_connection_are_bounded_by_not_reading_it);
    tcase_add_test(tcase, connections_of_a_user_are_bounded);
    tcase_add_test(tcase, connections_in_all_are_bounded);
    tcase_add_test(tcase, requests_of_a_user_are_bounded_also_after_it_vanished);
    tcase_add_test(tcase, the_front_shows_that_it_lives);
    tcase_add_test(tcase, one_that_floods_does_not_keep_another_waiting);
    tcase_add_test(tcase, a_client_may_vanish_with_requests_outstanding);
    tcase_add_test(tcase, a_client_may_vanish_in_the_middle_of_a_document);
    tcase_add_test(tcase, stopping_ends_with_clients_and_questions_there);
    tcase_add_test(tcase, the_socket_has_the_mode_and_group_asked_for);
    if (geteuid() == 0) {
        tcase_add_test(tcase, users_who_read_nothing_never_keep_an_administrator_from_the_status);
        tcase_add_test(tcase, the_last_connections_are_kept_for_administrators);
        tcase_add_test(tcase, the_kernel_says_who_asks_and_the_lists_what_they_may_know_PIT_18);
    } else { /* rights_of is tested for anybody below */
        fputs("NOT TESTED HERE: what the daemon answers to other users; playing them needs root\n",
              stderr);
    }
    add(tcase, suite);
}

static void add_parts(Suite *suite)
{
    TCase *tcase = tcase_create("parts");

    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, overload_sheds_scans_first_and_answers_at_once);
    tcase_add_test(tcase, the_last_places_for_questions_are_kept_for_administrators);
    tcase_add_test(tcase, a_standstill_of_ours_is_nobodys_slowness);
    tcase_add_test(tcase, a_stale_socket_is_replaced_and_nothing_else_is);
    tcase_add_test(tcase, what_a_start_would_refuse_is_judged_before);
    add(tcase, suite);
    tcase = tcase_create("rights");
    tcase_add_test(tcase, rights_follow_users_groups_and_everybody);
    tcase_add_test(tcase, a_name_that_nobody_has_refuses_the_settings);
    tcase_add_test(tcase, a_name_that_cannot_be_looked_up_is_not_called_unknown);
    add(tcase, suite);
}

int main(void)
{
    Suite *suite = suite_create("serve");
    SRunner *runner;
    int failed;

    add_questions(suite);
    add_bounds(suite);
    add_parts(suite);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
