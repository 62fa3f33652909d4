/*
 * serve_play.c - the native socket while the n-th allocation fails, alone or with all after it, and
 * while the n-th operation of its ring fails: at the start, and while a client asks everything
 * there is to ask.
 *
 * A start without memory says why and leaves nothing behind: no socket, no descriptor, no memory. A
 * running front never ends: a client gets the answer, an error that says "ask again", or loses its
 * connection; and the next client is served as if nothing had been (law 3).
 *
 * The socket, its clients and their frames are real; ring and clock are the world's, and everybody
 * else (the client, the engine, the main thread that reloads) is played between the turns of the
 * front's ring, in its thread.
 */
#include "ipc/serve/serve.h"

#include "ipc/wire/frame.h"
#include "tests/engine_standin.h"
#include "tests/pki.h"
#include "tests/plays/world/world.h"

#include "engine/base/check.h"
#include "engine/base/container.h"
#include "engine/base/log.h"
#include "shm/key.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 120000

/* --- what a client asks, and is told --- */

static const struct asked {
    uint8_t kind;
    const char *next_hop; /* of a question */
    uint8_t answer;       /* the kind of frame it gets */
    uint8_t batch;        /* sent when all of the batch before are answered */
} asks[] = {
    {FRAME_HELLO, NULL, FRAME_WELCOME, 0},
    {FRAME_CHECK, "dane.example", FRAME_VERDICT, 0},
    {FRAME_CHECK, "verified.in-table.example", FRAME_VERDICT, 0},
    {FRAME_CHECK, "no name at all", FRAME_ERROR, 0},
    {FRAME_EXPLAIN, "dane.example", FRAME_DOCUMENT, 0},
    {FRAME_STATUS, NULL, FRAME_DOCUMENT, 0},
    {FRAME_CONFIG, NULL, FRAME_DOCUMENT, 0},
    {FRAME_RELOAD, NULL, FRAME_DONE, 1},
    {FRAME_CHECK, "none.example", FRAME_VERDICT, 1},
};
#define ASKS (sizeof asks / sizeof *asks)

static const enum tls_class classes[] = {[1] = CLASS_DANE, [2] = CLASS_VERIFIED, [8] = CLASS_NONE};

struct told {
    uint8_t kind; /* 0: nothing */
    uint8_t code; /* of an error */
    enum tls_class class;
    unsigned times;
};

struct client {
    int descriptor; /* -1: not connected */
    bool connected, closed;
    uint8_t batch; /* sent so far, and this one */
    struct told told[ASKS];
    size_t filled;
    uint8_t bytes[2 * FRAME_ANSWER_MAX];
};

static struct {
    char directory[64], socket[80];
    struct configuration configuration;
    struct engine engine;
    struct serve *serve;
    struct client clients[2]; /* the one in trouble, and the next */
    unsigned now;             /* which of them asks */
    sem_t go, done;
    bool begun, over;
    uint64_t began_ms, fail_allocation;
    bool lasting;
    uint64_t allocations;
    unsigned operations;
    bool failed;
    struct host_facts *host;
} stage;

static void ask(struct client *client, unsigned n)
{
    union {
        struct frame_hello hello;
        struct frame_question question;
        struct frame_config config;
        struct frame_empty nothing;
    } message;
    uint8_t bytes[FRAME_REQUEST_MAX];

    memset(&message, 0, sizeof message);
    if (asks[n].kind == FRAME_HELLO)
        snprintf(message.hello.program, sizeof message.hello.program, "play");
    if (asks[n].next_hop != NULL)
        snprintf(message.question.next_hop, sizeof message.question.next_hop, "%s",
                 asks[n].next_hop);
    size_t size = frame_encode(bytes, sizeof bytes, asks[n].kind, 0, n + 1, &message);
    CHECK(size > 0);
    if (send(client->descriptor, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
        client->closed = true; /* the front has, before */
}

static void ask_batch(struct client *client)
{
    for (unsigned n = 0; n < ASKS && !client->closed; n++)
        if (asks[n].batch == client->batch)
            ask(client, n);
}

static void client_connect(struct client *client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", stage.socket);
    client->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(client->descriptor >= 0);
    CHECK(connect(client->descriptor, (struct sockaddr *)&address, sizeof address) == 0);
    client->connected = true;
    ask_batch(client);
}

static void told(struct client *client, const struct frame *frame)
{
    struct told *told;
    struct frame_verdict verdict;
    struct frame_fault fault;

    if (frame->id == 0 && frame->kind == FRAME_ERROR)
        return; /* of the connection as such: its end follows */
    if (frame->id < 1 || frame->id > ASKS) {
        world_fail("an answer to nothing that was asked");
        return;
    }
    if (frame->flags & FRAME_GOES_ON)
        return;
    told = &client->told[frame->id - 1];
    told->times++;
    told->kind = frame->kind;
    if (frame->kind == FRAME_ERROR && frame_decode(&fault, frame, NULL))
        told->code = fault.code;
    if (frame->kind == FRAME_VERDICT && frame_decode(&verdict, frame, NULL))
        told->class = verdict.verdict.class;
}

static void client_listen(struct client *client)
{
    struct frame frame;
    size_t used;
    ssize_t got = recv(client->descriptor, client->bytes + client->filled,
                       sizeof client->bytes - client->filled, MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN))
        client->closed = true;
    if (got > 0)
        client->filled += (size_t)got;
    while (frame_take(&frame, client->bytes, client->filled, FRAME_ANSWER_MAX, &used) ==
           FRAME_WHOLE) {
        told(client, &frame);
        client->filled -= used;
        memmove(client->bytes, client->bytes + used, client->filled);
    }
}

/* All that was asked so far is answered. */
static bool is_answered(const struct client *client)
{
    for (unsigned n = 0; n < ASKS; n++)
        if (asks[n].batch <= client->batch && client->told[n].times == 0)
            return false;
    return true;
}

/* True: this client is done. */
static bool client_plays(struct client *client)
{
    if (!client->connected)
        client_connect(client);
    if (!client->closed)
        client_listen(client);
    if (!client->closed && is_answered(client) && client->batch == 0) {
        client->batch = 1;
        ask_batch(client);
    }
    return client->closed || is_answered(client);
}

/* --- everybody else --- */

static void no_wake(void *context, uint16_t to)
{
    (void)context, (void)to;
    world_wake();
}

static void engine_plays(void)
{
    struct message *message;

    while ((message = mailbox_receive(stage.engine.mailbox)) != NULL) {
        struct domain_request *request = container_of(message, struct domain_request, message);
        struct domain_facts *facts =
            (struct domain_facts *)(uintptr_t)standin_facts(&request->next_hop);

        host_facts_drop(facts->hosts[0]);
        facts->hosts[0] = host_facts_hold(stage.host);
        request->facts = facts;
        request->message.kind = MESSAGE_DOMAIN_DONE;
        mailbox_send(stage.engine.mailbox, request->message.from, &request->message);
    }
    (void)mailbox_flush(stage.engine.mailbox);
}

static void main_plays(void)
{
    static const char text[] = "settings, or what came of a reload";

    if (serve_work_take(stage.serve) != SERVE_NOTHING)
        serve_work_done(stage.serve, true, text, sizeof text - 1);
}

static void go_on(void)
{
    if (stage.now == 0) {
        stage.allocations = world_allocations_end();
        stage.failed = world_allocation_failed();
        stage.operations = world_operations();
        world_calm();
        stage.now = 1;
        stage.began_ms = clock_boot_ms();
        if (world_failed() == NULL)
            return;
    }
    stage.over = true;
    sem_post(&stage.done);
}

static void party_plays(void *context)
{
    (void)context;
    if (!stage.begun) {
        while (sem_wait(&stage.go) != 0)
            ;
        stage.begun = true;
        stage.began_ms = clock_boot_ms();
        if (stage.fail_allocation > 0) {
            world_allocations_begin(stage.fail_allocation);
            if (stage.lasting)
                world_allocations_last();
        }
    }
    if (stage.over) { /* the test's thread is about to end this one */
        usleep(20);
        return;
    }
    engine_plays();
    main_plays();
    if (clock_boot_ms() > stage.began_ms + PATIENCE_MS)
        world_fail("client %u waits for ever", stage.now);
    if (client_plays(&stage.clients[stage.now]) || world_failed() != NULL)
        go_on();
}

/* --- a run --- */

static struct certificate_store *certificates;
static const struct certificate *leaf;
static struct dns_tlsa record;
static struct dns_answer records;
static struct evidence evidence;
static struct host_facts host;

/* A host with a whole certificate in its TLSA record, which to explain needs OpenSSL. */
static void make_host(void)
{
    static uint8_t *der;
    static size_t size;
    EVP_PKEY *key = pki_key_ec();
    X509 *x509 = pki_certificate(&(struct pki_spec){
        .common_name = "mx.example", .alternative = "DNS:mx.example", .key = key});
    int error;

    der = pki_der(x509, &size);
    ck_assert_int_eq(certificate_store_create(&certificates, 1 << 20), 0);
    leaf = certificate_intern(certificates, der, size, &error);
    record = (struct dns_tlsa){.usage = 2, .size = (uint16_t)size, .data = leaf->der};
    records = (struct dns_answer){.type = DNS_TLSA, .kind = DNS_SECURE_DATA, .count = 1};
    records.tlsa = &record;
    evidence = (struct evidence){.outcome = OUTCOME_TLS_OK,
                                 .tls_version = 0x0304,
                                 .chain_count = 1,
                                 .pkix = 18,
                                 .tlsa_count = 1};
    evidence.chain[0] = leaf;
    host = (struct host_facts){.state = HOST_RESOLVED,
                               .tlsa_state = TLSA_PRESENT,
                               .usable = 1,
                               .tlsa = &records,
                               .endpoint_count = 1};
    host.endpoints[0].evidence = &evidence;
    atomic_init(&host.references, 1); /* ours: nobody frees it */
    stage.host = &host;
    OPENSSL_free(der);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static void open_table(void)
{
    struct verdict verdict = {.class = CLASS_VERIFIED,
                              .level = LEVEL_VERIFIED,
                              .cause = CAUSE_VERIFIED,
                              .enforce = ENFORCE_SECURE_MATCH,
                              .match = "mx.example",
                              .began_ms = clock_boot_ms(),
                              .valid_until_ms = clock_boot_ms() + 1000000000,
                              .config_epoch = 7};
    struct table_clock clock;
    struct table_opened opened;
    struct table_key key;
    char why[256];

    ck_assert_int_eq(table_clock_read(&clock), 0);
    ck_assert_int_eq(table_writer_open(&stage.engine.table, stage.directory, 64u << 20, &clock,
                                       &opened, why, sizeof why),
                     0);
    ck_assert(table_key_make(&key, "verified.in-table.example", 25));
    ck_assert_int_eq(table_writer_put(stage.engine.table, &key, &verdict), 0);
}

static void set_up(void)
{
    log_set_level(LOG_ERROR_LEVEL);
    memset(&stage, 0, sizeof stage);
    snprintf(stage.directory, sizeof stage.directory, "/tmp/mxward-play-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(stage.directory));
    snprintf(stage.socket, sizeof stage.socket, "%s/mxward.sock", stage.directory);
    stage.configuration.daemon.run_directory = stage.directory;
    stage.configuration.listen = (struct listen_settings){.mode = 0660,
                                                          .connections = 8,
                                                          .connections_per_user = 8,
                                                          .requests_per_connection = 16,
                                                          .idle_ms = 600000};
    stage.engine.owners = (struct owners){.shards = 1, .resolvers = 1};
    stage.engine.report = (struct shard_report){.prober = &stage.engine.prober,
                                                .endpoints = &stage.engine.endpoints,
                                                .hosts = &stage.engine.hosts,
                                                .domains = &stage.engine.domains};
    make_host();
    open_table();
    CHECK(sem_init(&stage.go, 0, 0) == 0 && sem_init(&stage.done, 0, 0) == 0);
}

static void tear_down(void)
{
    char command[128];

    table_writer_close(stage.engine.table);
    certificate_drop(leaf);
    certificate_store_destroy(certificates);
    snprintf(command, sizeof command, "rm -rf %s", stage.directory);
    ck_assert_int_eq(system(command), 0);
}

static void surround(const struct world_options *options)
{
    static const struct world_party party = {.play = party_plays};

    world_begin(options);
    world_invite(&party);
    stage.begun = stage.over = stage.failed = false;
    stage.now = 0;
    for (unsigned i = 0; i < 2; i++)
        stage.clients[i] = (struct client){.descriptor = -1};
    CHECK(exchange_create(&stage.engine.exchange, owner_threads(&stage.engine.owners), 64) == 0);
    stage.engine.mailbox = mailbox_open(stage.engine.exchange, 0, no_wake, NULL);
}

static int start(char *why, size_t why_size)
{
    return serve_start(&stage.serve, &stage.engine, &stage.configuration, why, why_size);
}

static void stop(bool started)
{
    if (started) {
        serve_stop(stage.serve);
        serve_free(stage.serve);
    }
    exchange_destroy(stage.engine.exchange);
    for (unsigned i = 0; i < 2; i++)
        if (stage.clients[i].descriptor >= 0)
            close(stage.clients[i].descriptor);
    world_end();
}

static void serve_both(void)
{
    sem_post(&stage.go);
    while (sem_wait(&stage.done) != 0)
        ;
}

/* A whole run: start, both clients, stop. */
static void play(const struct world_options *options)
{
    char why[256] = "";

    surround(options);
    ck_assert_msg(start(why, sizeof why) == 0, "%s", why);
    serve_both();
    stop(true);
}

static unsigned open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    ck_assert_ptr_nonnull(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* --- what holds --- */

static bool is_temporary(const struct told *told)
{
    return told->kind == FRAME_ERROR &&
           (told->code == FRAME_ERROR_OURS || told->code == FRAME_ERROR_BUSY ||
            told->code == FRAME_ERROR_LATE);
}

static bool is_right(const struct told *told, unsigned n)
{
    if (told->times != 1 || told->kind != asks[n].answer)
        return false;
    if (told->kind == FRAME_ERROR)
        return told->code == FRAME_ERROR_NAME;
    return told->kind != FRAME_VERDICT || told->class == classes[n];
}

/* `in_trouble`: an error or the end of the connection will do, a wrong answer never. */
static void check_client(const struct client *client, bool in_trouble, const char *what, uint64_t n)
{
    ck_assert_msg(world_failed() == NULL, "%s %lu: %s", what, (unsigned long)n, world_failed());
    ck_assert_msg(in_trouble || !client->closed, "%s %lu: the next client is cut off", what,
                  (unsigned long)n);
    for (unsigned i = 0; i < ASKS; i++) {
        const struct told *told = &client->told[i];
        bool good = is_right(told, i) ||
                    (in_trouble && (is_temporary(told) || (client->closed && told->times == 0)));

        ck_assert_msg(good, "%s %lu: question %u got %u times %s (%s), class %u", what,
                      (unsigned long)n, i, told->times, frame_kind_name(told->kind),
                      frame_error_name(told->code), told->class);
    }
}

/* --- plays --- */

START_TEST(a_client_gets_all_its_answers)
{
    play(&(struct world_options){0});
    check_client(&stage.clients[0], false, "client", 1);
    check_client(&stage.clients[1], false, "client", 2);
}
END_TEST

START_TEST(a_start_without_memory_says_why_and_leaves_nothing)
{
    struct world_options options = {0};
    unsigned refused = 0;
    for (uint64_t n = 1;; n++) {
        char why[256] = "";
        surround(&options);
        unsigned descriptors = open_descriptors();
        world_allocations_begin(n);
        if (_i > 0)
            world_allocations_last();
        int error = start(why, sizeof why);
        world_allocations_end();
        bool failed = world_allocation_failed();
        if (error == 0)
            serve_both();
        stop(error == 0);
        ck_assert_msg(world_failed() == NULL, "allocation %lu: %s", (unsigned long)n,
                      world_failed());
        ck_assert_uint_eq(open_descriptors(), descriptors);
        ck_assert_int_ne(access(stage.socket, F_OK), 0);
        if (error == 0)
            check_client(&stage.clients[0], false, "started without allocation", n);
        else
            ck_assert_msg(error == -ENOMEM && why[0] != '\0', "allocation %lu: %d '%s'",
                          (unsigned long)n, error, why);
        refused += error != 0;
        if (!failed)
            break;
    }
    ck_assert_uint_ge(refused, 8);
}
END_TEST

START_TEST(an_allocation_that_fails_costs_one_connection_at_most)
{
    uint64_t n = 0;
    stage.lasting = _i > 0;
    do {
        stage.fail_allocation = n = n + 1 + (world_plays_whole() ? 0 : n / 50);
        play(&(struct world_options){0});
        check_client(&stage.clients[0], true, "allocation", n);
        check_client(&stage.clients[1], false, "after allocation", n);
    } while (stage.failed);
    ck_assert_uint_gt(n, 10);
}
END_TEST

/* Not those that only come late: the client would wait as long. */
START_TEST(an_operation_that_fails_costs_one_connection_at_most)
{
    static const enum world_trouble troubles[] = {TROUBLE_REFUSED, TROUBLE_CANCELLED,
                                                  TROUBLE_NO_MEMORY, TROUBLE_NO_BUFFER};
    struct world_options options = {.trouble = troubles[_i]};
    do {
        options.trouble_at++;
        play(&options);
        check_client(&stage.clients[0], true, world_trouble_name(options.trouble),
                     options.trouble_at);
        check_client(&stage.clients[1], false, world_trouble_name(options.trouble),
                     options.trouble_at);
    } while (stage.operations >= options.trouble_at);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plays/serve");
    TCase *tests = tcase_create("serve");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, a_client_gets_all_its_answers);
    tcase_add_loop_test(tests, a_start_without_memory_says_why_and_leaves_nothing, 0, 2);
    tcase_add_loop_test(tests, an_allocation_that_fails_costs_one_connection_at_most, 0, 2);
    tcase_add_loop_test(tests, an_operation_that_fails_costs_one_connection_at_most, 0, 4);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
