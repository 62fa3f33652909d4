/*
 * shard_test.c - a real shard, with its real ring and prober, against a mail host that shows a
 * large certificate, another one at each connection.
 *
 * The test is the host job that asks: it sends endpoint requests and takes the answers. There is no
 * resolver: addresses are given. The store of certificates is small, so that its bound is reached.
 */
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/shard.h"
#include "tests/pki.h"

#include <check.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BOUND = 8 << 20, ENDPOINTS = 600, NAMES = 200 };
#define WAIT_MS 60000

/* --- the mail host --- */

static struct {
    int socket;
    uint16_t port;
    pthread_t thread;
    SSL_CTX *tls;
    EVP_PKEY *key;
    X509 *certificate;
} host;

static GENERAL_NAMES *many_names(void)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    char text[64];

    for (unsigned i = 0; i < NAMES; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *value = ASN1_IA5STRING_new();

        snprintf(text, sizeof text, "a-name-that-is-rather-long-for-what-it-says-%05u.example", i);
        ASN1_STRING_set(value, text, -1);
        GENERAL_NAME_set0_value(name, GEN_DNS, value);
        sk_GENERAL_NAME_push(names, name);
    }
    return names;
}

static void say(int socket, const char *text)
{
    (void)!send(socket, text, strlen(text), MSG_NOSIGNAL);
}

/* Until the end of a line. */
static bool hear(int socket)
{
    char byte = 0;

    while (byte != '\n')
        if (recv(socket, &byte, 1, 0) != 1)
            return false;
    return true;
}

static void host_talks_tls(int socket)
{
    static long serial = 1000000;
    SSL *ssl = SSL_new(host.tls);
    char bytes[512];

    ASN1_INTEGER_set(X509_get_serialNumber(host.certificate), serial++);
    PKI_NEEDS(X509_sign(host.certificate, host.key, EVP_sha256()) > 0);
    SSL_use_certificate(ssl, host.certificate);
    SSL_use_PrivateKey(ssl, host.key);
    SSL_set_fd(ssl, socket);
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, bytes, sizeof bytes) > 0) {
        SSL_write(ssl, "250 mx\r\n", 8);
        if (SSL_read(ssl, bytes, sizeof bytes) > 0)
            SSL_write(ssl, "221 bye\r\n", 9);
    }
    SSL_free(ssl);
}

static void *host_serves(void *nothing)
{
    struct timeval patience = {.tv_sec = 10};
    int socket, one = 1;

    while ((socket = accept(host.socket, NULL, NULL)) >= 0) {
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        say(socket, "220 mx ESMTP\r\n");
        if (hear(socket)) {
            say(socket, "250-mx\r\n250 STARTTLS\r\n");
            if (hear(socket)) {
                say(socket, "220 go\r\n");
                host_talks_tls(socket);
            }
        }
        close(socket);
    }
    return nothing;
}

static void host_opens(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    GENERAL_NAMES *names = many_names();
    socklen_t size = sizeof here;

    host.key = pki_key_ec();
    host.certificate = pki_certificate(&(struct pki_spec){.key = host.key, .names = names});
    GENERAL_NAMES_free(names);
    host.tls = SSL_CTX_new(TLS_server_method());
    host.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(host.socket, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(listen(host.socket, 1000), 0);
    getsockname(host.socket, (struct sockaddr *)&here, &size);
    host.port = ntohs(here.sin_port);
    ck_assert_int_eq(pthread_create(&host.thread, NULL, host_serves, NULL), 0);
}

static void host_closes(void)
{
    shutdown(host.socket, SHUT_RDWR);
    pthread_join(host.thread, NULL);
    close(host.socket);
    X509_free(host.certificate);
    SSL_CTX_free(host.tls);
    EVP_PKEY_free(host.key);
}

/* --- the shard --- */

static char folder[64];
static struct configuration *configuration;
static struct option_origin *origin;
static struct exchange *exchange;
static struct ring *ring;
static struct mailbox *front, *keeper;
static struct publisher *publisher;
static struct certificate_store *store;
static struct shard *shard;
static int ring_descriptors[LIMIT_THREADS];
static const struct owners owners = {.shards = 1, .resolvers = 1};

static void wake_shard(void *context, uint16_t to)
{
    (void)context;
    ring_wake(ring, ring_descriptors[to]);
}

static void nothing_completed(void *context, const struct ring_completion *completion)
{
    (void)context, (void)completion;
}

static void load_configuration(void)
{
    char why[256];
    void *loaded;

    ck_assert_int_eq(option_load(&configuration_table, NULL, &loaded, &origin, why, sizeof why), 0);
    configuration = loaded;
    configuration->daemon.jobs = 16;
    configuration->probe.parallel = 64;
    configuration->probe.allow_reserved = true;
    configuration->probe.weak_check = false;
    configuration->politeness.per_address = configuration->politeness.per_prefix = 1000;
    configuration->politeness.rate_address = configuration->politeness.rate_prefix = 0;
}

static void set_up(void)
{
    static const struct ring_limits limits = {.submissions = 64};
    char why[256] = "";

    snprintf(folder, sizeof folder, "/tmp/mxward-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    host_opens();
    load_configuration();
    ck_assert_int_eq(certificate_store_create(&store, BOUND), 0);
    ck_assert_int_eq(certificate_trust_load(store, NULL, NULL), 0);
    ck_assert_int_eq(publisher_open(&publisher, folder, 16 << 20, why, sizeof why), 0);
    ck_assert_int_eq(exchange_create(&exchange, owner_threads(&owners), 64), 0);
    ck_assert_int_eq(ring_create(&ring, &limits), 0);
    ring_descriptors[owner_front(&owners)] = ring_descriptors[owner_keeper(&owners)] =
        ring_descriptor(ring);
    front = mailbox_open(exchange, owner_front(&owners), wake_shard, NULL);
    keeper = mailbox_open(exchange, owner_keeper(&owners), wake_shard, NULL);
    struct shard_start start = {.owners = owners,
                                .exchange = exchange,
                                .ring_descriptors = ring_descriptors,
                                .certificates = store,
                                .publisher = publisher,
                                .configuration = configuration};
    ck_assert_msg(shard_start(&shard, &start, why, sizeof why) == 0, "%s", why);
    ring_descriptors[0] = shard_descriptor(shard);
}

static void tear_down(void)
{
    char command[128];

    shard_drain(shard);
    while (!shard_is_idle(shard))
        usleep(1000);
    shard_stop(shard);
    exchange_destroy(exchange);
    publisher_close(publisher);
    ring_destroy(ring);
    certificate_store_destroy(store);
    host_closes();
    option_free(&configuration_table, configuration, origin);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* --- asking --- */

static struct endpoint_request requests[ENDPOINTS];
static const struct evidence *answers[ENDPOINTS];

static void ask(unsigned which, unsigned round)
{
    struct endpoint_request *request = &requests[which];
    char name[64];

    snprintf(name, sizeof name, "mx%u.round%u.example", which, round);
    *request = (struct endpoint_request){
        .message.kind = MESSAGE_ENDPOINT_ASK,
        .key = {.address = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = host.port},
        .deadline_ms = clock_boot_ms() + WAIT_MS,
        .priority = PRIORITY_ASKED,
    };
    ck_assert_int_eq(name_parse(&request->key.server_name, name, strlen(name)), NAME_OK);
    mailbox_send(front, 0, &request->message);
}

/* Takes answers until all of the first `count` are home, keeps them, and looks at the bound. */
static void take_answers(unsigned count)
{
    uint64_t patience_ms = clock_boot_ms() + WAIT_MS;

    for (unsigned home = 0; home < count;) {
        struct message *message = mailbox_receive(front);

        mailbox_flush(front);
        ck_assert_int_ge(
            ring_turn(ring, clock_boot_ms() + (message == NULL), nothing_completed, NULL), 0);
        ck_assert_uint_le(certificate_store_counts(store).bytes, BOUND);
        if (message == NULL) {
            ck_assert_uint_lt(clock_boot_ms(), patience_ms);
            continue;
        }
        struct endpoint_request *request = container_of(message, struct endpoint_request, message);
        ck_assert_int_eq(message->kind, MESSAGE_ENDPOINT_DONE);
        answers[request - requests] = request->evidence;
        home++;
    }
}

/* --- deliveries --- */

static unsigned notes; /* that the memory was sent */

static void keeper_takes_notes(void)
{
    struct message *message;

    while ((message = mailbox_receive(keeper)) != NULL) {
        ck_assert_int_eq(message->kind, MESSAGE_NOTE_ASK);
        message->kind = MESSAGE_NOTE_DONE;
        mailbox_send(keeper, message->from, message);
        notes++;
    }
    mailbox_flush(keeper);
}

/* Sends the report to the shard as `kind`, and waits for it. */
static int comes_back_as(struct delivery_report *report, enum message_kind kind)
{
    const uint64_t patience_ms = clock_boot_ms() + WAIT_MS;
    struct message *message;

    report->message.kind = (uint8_t)kind;
    mailbox_send(front, 0, &report->message);
    while ((message = mailbox_receive(front)) == NULL) {
        ck_assert_uint_lt(clock_boot_ms(), patience_ms);
        mailbox_flush(front);
        ck_assert_int_ge(ring_turn(ring, clock_boot_ms() + 1, nothing_completed, NULL), 0);
        keeper_takes_notes();
    }
    ck_assert_ptr_eq(message, &report->message);
    keeper_takes_notes();
    return message->kind;
}

/* How many of the first `count` say so; drops all. */
static unsigned count_and_drop(unsigned count, enum outcome outcome)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++) {
        found += answers[i]->outcome == outcome;
        evidence_drop(answers[i]);
        answers[i] = NULL;
    }
    return found;
}

/* What the process has got from malloc; 0: this build does not know. */
static size_t allocated(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#else
    return mallinfo2().uordblks + mallinfo2().hblkhd;
#endif
}

/* --- claims --- */

/* Each of some 26 KiB: together four times the bound. Some may find the share of their stripe
 * taken, and are seen later. */
START_TEST(many_endpoints_with_always_new_large_chains_are_seen_within_the_bound)
{
    enum { AT_ONCE = 20, ROUNDS = 60, EVIDENCE = 5 << 10 };
    unsigned seen = 0;
    size_t before = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round == 1) /* what is made once has been made */
            before = allocated();
        for (unsigned i = 0; i < AT_ONCE; i++)
            ask(i, round);
        take_answers(AT_ONCE);
        seen += count_and_drop(AT_ONCE, OUTCOME_TLS_OK);
    }
    ck_assert_uint_ge(seen, ROUNDS * AT_ONCE / 20 * 19);
    ck_assert_uint_lt(allocated() - before, BOUND + BOUND / 5 + ROUNDS * AT_ONCE * EVIDENCE);
}
END_TEST

/* Nothing kept for later can go: somebody still looks at all of it. */
START_TEST(what_has_no_room_is_temporary_and_ours_and_passes_law_3)
{
    unsigned good = 0, ours = 0;

    for (unsigned i = 0; i < ENDPOINTS; i++)
        ask(i, 0);
    take_answers(ENDPOINTS);
    for (unsigned i = 0; i < ENDPOINTS; i++) {
        good += answers[i]->outcome == OUTCOME_TLS_OK;
        ours += answers[i]->outcome == OUTCOME_OURS_RESOURCES;
    }
    ck_assert_uint_eq(good + ours, ENDPOINTS);
    ck_assert_uint_gt(good, 40);
    ck_assert_uint_gt(ours, ENDPOINTS / 2);
    ck_assert_uint_gt(certificate_store_counts(store).refused, 0);
    count_and_drop(ENDPOINTS, OUTCOME_TLS_OK);
    for (unsigned i = 0; i < 10; i++)
        ask(i, 1);
    take_answers(10);
    ck_assert_uint_eq(count_and_drop(10, OUTCOME_TLS_OK), 10);
}
END_TEST

/* Each step of its way goes to who owns it. */
START_TEST(a_delivery_goes_its_way_through_the_shard_and_comes_home)
{
    static const char name[] = "mx0.round0.example";
    struct delivery_report report = {.delivery = {.address = {.family = 4, .bytes = {127, 0, 0, 1}},
                                                  .port = DELIVERY_PORT,
                                                  .tls_version = 0x0304,
                                                  .trust = DELIVERY_VERIFIED,
                                                  .at_s = clock_wall_s()},
                                     .next_hop = {.kind = NEXT_HOP_HOST, .port = DELIVERY_PORT}};

    notes = 0;
    ck_assert_int_eq(name_parse(&report.delivery.host, name, strlen(name)), NAME_OK);
    report.next_hop.name = report.delivery.host;
    /* Of a host nobody looked at: by the domain job, and nothing is taught. */
    ck_assert_int_eq(comes_back_as(&report, MESSAGE_DELIVERY_HOST), MESSAGE_DELIVERY_DONE);
    ck_assert(!report.teaches_host && report.wants_look);
    ck_assert_uint_eq(notes, 0);
    /* To the endpoint job and back to who sent it there. */
    report.key = (struct endpoint_key){.address = report.delivery.address, .port = DELIVERY_PORT};
    report.effect = DELIVERY_DISPROVES;
    ck_assert_int_eq(comes_back_as(&report, MESSAGE_DELIVERY_ENDPOINT), MESSAGE_DELIVERY_SEEN);
    ck_assert_int_eq(report.effect, DELIVERY_SAYS_NOTHING);
    report.host_seen = true;
    ck_assert_int_eq(comes_back_as(&report, MESSAGE_DELIVERY_SEEN), MESSAGE_DELIVERY_DONE);
    ck_assert(report.teaches_host && !report.wants_look);
    ck_assert_uint_eq(notes, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard");
    TCase *certificates = tcase_create("certificates");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, certificates);
    tcase_add_checked_fixture(certificates, set_up, tear_down);
    tcase_set_timeout(certificates, 180);
    tcase_add_test(certificates,
                   many_endpoints_with_always_new_large_chains_are_seen_within_the_bound);
    tcase_add_test(certificates, a_delivery_goes_its_way_through_the_shard_and_comes_home);
    tcase_add_test(certificates, what_has_no_room_is_temporary_and_ours_and_passes_law_3);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
