/*
 * endpoint_test.c - the endpoint script against real peers on loopback, over a real ring.
 *
 * A peer is a function that plays one connection with blocking calls in a thread of its own. Each
 * test says what the peer does and what must be found; TLS-03..11, TLS-16, TLS-19, law 3, and the
 * outcome of every misbehaviour have their test here.
 */
#include "engine/probe/endpoint.h"

#include "engine/base/clock.h"
#include "engine/policy/dane.h"
#include "tests/pki.h"

#include <check.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- peers --- */

struct peer {
    int socket;
    SSL *ssl;
    unsigned connection; /* the how-manieth of this listener, from 0 */
    char heard[256];     /* the last line */
};
typedef void peer_plays(struct peer *peer);

struct listener {
    int socket; /* IPv4, or IPv6 if the address has a colon */
    uint16_t port;
    const char *address;
    peer_plays *play;
    pthread_t thread;
    _Atomic unsigned connections, quits;
};

/* Never given back: a connection of a stopped listener may still be played. */
static struct listener listeners[128];
static unsigned listener_count;
static _Atomic unsigned playing; /* connections now */

static SSL_CTX *good, *tls12, *tls10, *weak_dh, *no_common, *wants_certificate, *fat_leaf,
    *with_issuer;
static X509 *certificate;
static EVP_PKEY *key;

static void say(struct peer *peer, const char *text)
{
    size_t size = strlen(text);
    if (peer->ssl != NULL)
        SSL_write(peer->ssl, text, (int)size);
    else
        (void)!send(peer->socket, text, size, MSG_NOSIGNAL);
}

/* One byte; -1 at the end, or after five seconds of nothing. */
static int hear_byte(struct peer *peer)
{
    unsigned char byte;
    struct pollfd wait = {.fd = peer->socket, .events = POLLIN};
    if (peer->ssl != NULL)
        return SSL_read(peer->ssl, &byte, 1) == 1 ? byte : -1;
    if (poll(&wait, 1, 5000) != 1)
        return -1;
    return recv(peer->socket, &byte, 1, 0) == 1 ? byte : -1;
}

static bool hear(struct peer *peer, const char *expected)
{
    size_t size = 0;
    int byte;
    while ((byte = hear_byte(peer)) >= 0 && byte != '\n' && size + 1 < sizeof peer->heard) {
        if (byte != '\r')
            peer->heard[size++] = (char)byte;
    }
    peer->heard[size] = '\0';
    return byte == '\n' && strncmp(peer->heard, expected, strlen(expected)) == 0;
}

static bool start_tls(struct peer *peer, SSL_CTX *ctx)
{
    peer->ssl = SSL_new(ctx);
    SSL_set_fd(peer->ssl, peer->socket);
    return SSL_accept(peer->ssl) == 1;
}

/* Until the other side closes; true if nothing came before that. */
static bool wait_for_close(struct peer *peer)
{
    int byte = hear_byte(peer);
    bool quiet = byte < 0;
    while (byte >= 0)
        byte = hear_byte(peer);
    return quiet;
}

static void reset(struct peer *peer)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(peer->socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

struct accepted {
    struct listener *listener;
    struct peer peer;
};

static void *serve_one(void *argument)
{
    struct accepted *a = argument;
    struct timeval patience = {.tv_sec = 8};
    setsockopt(a->peer.socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    a->listener->play(&a->peer);
    if (strcmp(a->peer.heard, "QUIT") == 0)
        atomic_fetch_add(&a->listener->quits, 1);
    SSL_free(a->peer.ssl);
    close(a->peer.socket);
    free(a);
    atomic_fetch_sub(&playing, 1);
    return NULL;
}

static void *serve(void *argument)
{
    struct listener *listener = argument;
    int socket;
    while ((socket = accept(listener->socket, NULL, NULL)) >= 0) {
        struct accepted *a = calloc(1, sizeof *a);
        pthread_t thread;
        a->listener = listener;
        a->peer.socket = socket;
        a->peer.connection = atomic_fetch_add(&listener->connections, 1);
        atomic_fetch_add(&playing, 1);
        pthread_create(&thread, NULL, serve_one, a);
        pthread_detach(thread);
    }
    return NULL;
}

static struct listener *listen_on(const char *text, peer_plays *play)
{
    struct listener *listener = &listeners[listener_count++];
    struct address address;
    struct sockaddr_storage local;
    ck_assert_uint_le(listener_count, 128);
    ck_assert(address_parse(&address, text, strlen(text)));
    socklen_t size = address_to_socket(&address, 0, &local);
    listener->socket = socket(local.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener->socket, (struct sockaddr *)&local, size), 0);
    ck_assert_int_eq(listen(listener->socket, 64), 0);
    getsockname(listener->socket, (struct sockaddr *)&local, &size);
    listener->port = ntohs(((struct sockaddr_in *)&local)->sin_port); /* the same place in IPv6 */
    listener->address = text;
    listener->play = play;
    pthread_create(&listener->thread, NULL, serve, listener);
    return listener;
}

static void stop_listening(struct listener *listener)
{
    shutdown(listener->socket, SHUT_RDWR);
    pthread_join(listener->thread, NULL);
    close(listener->socket);
}

static SSL_CTX *server_ctx(const char *ciphers)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_use_certificate(ctx, certificate);
    SSL_CTX_use_PrivateKey(ctx, key);
    if (ciphers != NULL)
        SSL_CTX_set_cipher_list(ctx, ciphers);
    return ctx;
}

/* Over LIMIT_CERTIFICATE_BYTES, and within what the library takes. */
static X509 *fat_certificate(void)
{
    static unsigned char padding[LIMIT_CERTIFICATE_BYTES + 5000];
    X509 *fat = pki_certificate(&(struct pki_spec){.common_name = "mx.example",
                                                   .alternative = "DNS:mx.example",
                                                   .key = key,
                                                   .not_before_s = time(NULL) - 3600,
                                                   .not_after_s = time(NULL) + PKI_YEAR_S});
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *name = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
    ASN1_OCTET_STRING_set(value, padding, sizeof padding);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, name, 0, value);
    X509_add_ext(fat, extension, -1);
    X509_sign(fat, key, EVP_sha256());
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(name);
    ASN1_OCTET_STRING_free(value);
    return fat;
}

static void make_servers(void)
{
    key = pki_key_rsa(2048);
    certificate = pki_certificate(&(struct pki_spec){.common_name = "mx.example",
                                                     .alternative = "DNS:mx.example",
                                                     .key = key,
                                                     .not_before_s = time(NULL) - 3600,
                                                     .not_after_s = time(NULL) + PKI_YEAR_S});
    good = server_ctx(NULL);
    tls12 = server_ctx(NULL);
    SSL_CTX_set_max_proto_version(tls12, TLS1_2_VERSION);
    tls10 = server_ctx("ALL:@SECLEVEL=0");
    SSL_CTX_set_max_proto_version(tls10, TLS1_VERSION);
    weak_dh = server_ctx("AES128-SHA:@SECLEVEL=0");
    SSL_CTX_set_max_proto_version(weak_dh, TLS1_2_VERSION);
    no_common = server_ctx("PSK-AES128-CBC-SHA:@SECLEVEL=0");
    SSL_CTX_set_max_proto_version(no_common, TLS1_2_VERSION);
    X509 *fat = fat_certificate();
    fat_leaf = server_ctx(NULL);
    SSL_CTX_use_certificate(fat_leaf, fat);
    X509_free(fat);
    EVP_PKEY *issuer_key = pki_key_ec();
    struct pki_spec spec = {.common_name = "an issuer",
                            .ca = true,
                            .key = issuer_key,
                            .not_before_s = time(NULL) - 3600,
                            .not_after_s = time(NULL) + PKI_YEAR_S};
    X509 *issuer = pki_certificate(&spec);
    spec = (struct pki_spec){.alternative = "DNS:mx.example",
                             .key = key,
                             .issuer = issuer,
                             .issuer_key = issuer_key,
                             .not_before_s = time(NULL) - 3600,
                             .not_after_s = time(NULL) + PKI_YEAR_S};
    X509 *issued = pki_certificate(&spec);
    with_issuer = server_ctx(NULL);
    SSL_CTX_use_certificate(with_issuer, issued);
    SSL_CTX_add_extra_chain_cert(with_issuer, issuer); /* takes it */
    X509_free(issued);
    EVP_PKEY_free(issuer_key);
    wants_certificate = server_ctx(NULL);
    SSL_CTX_set_verify(wants_certificate, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

/* --- the prober and its loop --- */

struct world {
    struct ring *ring;
    struct wheel *wheel;
    struct certificate_store *store;
    struct prober *prober;
    struct probe_settings settings;
    const struct evidence *evidence[64]; /* by job */
    unsigned ended;
};
static struct world *world;
static bool budget_is_spent;

static bool may_again(void *context, uint64_t job)
{
    (void)context, (void)job;
    return !budget_is_spent;
}

static void world_open(void)
{
    struct ring_limits limits = {
        .submissions = 256, .files = 256, .receive_buffers = 64, .receive_bytes = 4096};
    char why[256] = "";
    world = calloc(1, sizeof *world);
    world->settings = (struct probe_settings){.ehlo_name = (char *)"probe.example",
                                              .connect_ms = 1500,
                                              .greeting_ms = 1500,
                                              .command_ms = 1500,
                                              .handshake_ms = 1500,
                                              .goodbye_ms = 500,
                                              .whole_ms = 10000,
                                              .heavy_per_turn = 4,
                                              .ipv4 = true,
                                              .ipv6 = true,
                                              .allow_reserved = true,
                                              .weak_check = true};
    ck_assert_int_eq(ring_create(&world->ring, &limits), 0);
    ck_assert_int_eq(wheel_create(&world->wheel, clock_boot_ms()), 0);
    ck_assert_int_eq(certificate_store_create(&world->store, 1 << 20), 0);
    ck_assert_int_eq(certificate_trust_load(world->store, NULL, NULL), 0);
    ck_assert_msg(prober_create(&world->prober, world->ring, world->wheel, world->store,
                                &world->settings, 64, 8, why, sizeof why) == 0,
                  "%s", why);
    prober_ask_again(world->prober, may_again, NULL);
}

static void completed(void *context, const struct ring_completion *done)
{
    struct world *w = context;
    prober_completed(w->prober, done);
}

static void turn(void)
{
    struct wheel_timer *timer;
    const struct evidence *evidence;
    uint64_t job;
    bool busy = prober_run_heavy(world->prober);
    ck_assert_int_ge(ring_turn(world->ring, busy ? 0 : clock_boot_ms() + 20, completed, world), 0);
    while ((timer = wheel_take_due(world->wheel, clock_boot_ms())) != NULL)
        prober_due(world->prober, timer);
    while ((evidence = prober_take_ended(world->prober, &job)) != NULL) {
        ck_assert_uint_lt(job, 64);
        ck_assert_ptr_null(world->evidence[job]);
        world->evidence[job] = evidence;
        world->ended++;
    }
}

static void run_until(unsigned ended)
{
    uint64_t patience_ms = clock_boot_ms() + 30000;
    while (world->ended < ended) {
        turn();
        ck_assert_uint_lt(clock_boot_ms(), patience_ms);
    }
}

static void world_close(void)
{
    prober_cancel_all(world->prober);
    while (prober_running(world->prober) > 0)
        turn();
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->in_flight), 0);
    ck_assert_uint_eq(ring_in_flight(world->ring), 0);
    for (unsigned i = 0; i < 64; i++) {
        if (world->evidence[i] != NULL)
            evidence_drop(world->evidence[i]);
    }
    for (int i = 0; i < 2000 && atomic_load(&playing) > 0; i++) {
        turn();
        usleep(1000);
    }
    prober_destroy(world->prober);
    ck_assert_msg(certificate_store_counts(world->store).held_bytes == 0,
                  "a certificate of some evidence was not given back");
    certificate_store_destroy(world->store);
    wheel_destroy(world->wheel);
    ring_destroy(world->ring);
    free(world);
}

static struct endpoint_key key_of(const char *address, uint16_t port)
{
    struct endpoint_key k = {.port = port};
    ck_assert(address_parse(&k.address, address, strlen(address)));
    ck_assert_int_eq(name_parse(&k.server_name, "mx.example", 10), NAME_OK);
    return k;
}

static void start(const struct listener *listener, uint64_t job)
{
    struct endpoint_key k = key_of(listener->address, listener->port);
    ck_assert_int_eq(prober_start(world->prober, &k, NULL, job), 0);
}

/* One probe of a peer that plays so; job 0. Connections and QUITs are left in the globals. */
static unsigned connections, quits;

static const struct evidence *probe(peer_plays *play)
{
    struct listener *listener = listen_on("127.0.0.1", play);
    start(listener, 0);
    run_until(1);
    /* The peer's thread needs a moment to read our last words. */
    for (int i = 0; i < 3 || (i < 10 && atomic_load(&listener->quits) == 0); i++) {
        turn(); /* hands the closing to the kernel */
        usleep(1000);
    }
    connections = atomic_load(&listener->connections);
    quits = atomic_load(&listener->quits);
    stop_listening(listener);
    return world->evidence[0];
}

static void found(const struct evidence *e, enum outcome outcome)
{
    ck_assert_msg(e->outcome == outcome, "found %s (%s), not %s\n%s", outcome_name(e->outcome),
                  e->detail, outcome_name(outcome), e->transcript);
    ck_assert_uint_ge(e->ended_ms, e->began_ms);
    ck_assert_uint_gt(strlen(e->detail) + (outcome == OUTCOME_TLS_OK), 0);
}

/* --- a host in order --- */

static bool to_starttls(struct peer *peer)
{
    say(peer, "220 mx.example ESMTP\r\n");
    if (!hear(peer, "EHLO probe.example"))
        return false;
    say(peer, "250-mx.example\r\n250-REQUIRETLS\r\n250-SIZE 100\r\n250 STARTTLS\r\n");
    if (!hear(peer, "STARTTLS"))
        return false;
    say(peer, "220 2.0.0 go\r\n");
    return true;
}

static void inside_tls(struct peer *peer)
{
    if (!hear(peer, "EHLO probe.example"))
        return;
    say(peer, "250-mx.example\r\n250-DSN\r\n250 SMTPUTF8\r\n");
    if (hear(peer, "QUIT"))
        say(peer, "221 bye\r\n");
    char last[sizeof peer->heard];
    strcpy(last, peer->heard);
    wait_for_close(peer);
    strcpy(peer->heard, last);
}

static void play_good(struct peer *peer)
{
    if (to_starttls(peer) && start_tls(peer, good))
        inside_tls(peer);
}

START_TEST(a_host_in_order_is_found_in_order)
{
    const struct evidence *e = probe(play_good);
    found(e, OUTCOME_TLS_OK);
    ck_assert_uint_eq(connections, 1);
    ck_assert_uint_eq(quits, 1);
    ck_assert_uint_eq(e->tls_version, 0x0304);
    ck_assert_str_eq(e->cipher, "TLS_AES_256_GCM_SHA384");
    ck_assert_str_eq(e->group, "x25519");
    ck_assert_str_eq(e->signature, "RSA-PSS-SHA256");
    ck_assert_uint_eq(e->chain_count, 1);
    ck_assert_str_eq(e->chain[0]->names[0], "mx.example");
    ck_assert_int_eq(e->pkix, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
    ck_assert(e->offered_starttls && e->greeted_esmtp && !e->multiline_greeting);
    ck_assert_str_eq(e->greeting, "mx.example ESMTP");
    ck_assert_uint_eq(e->smtp_code, 0);
    for (unsigned step = 0; step < ENDPOINT_STEP_COUNT; step++)
        ck_assert_msg(e->step_us[step] > 0, "no time in %s", endpoint_step_name(step));
    ck_assert_uint_eq(e->step, ENDPOINT_STEP_COUNT - 1);
    ck_assert_str_eq(e->transcript, "S: 220 mx.example ESMTP\n"
                                    "C: EHLO probe.example\n"
                                    "S: 250-mx.example\n"
                                    "S: 250-REQUIRETLS\n"
                                    "S: 250-SIZE 100\n"
                                    "S: 250 STARTTLS\n"
                                    "C: STARTTLS\n"
                                    "S: 220 2.0.0 go\n"
                                    "-- TLSv1.3, TLS_AES_256_GCM_SHA384, x25519, RSA-PSS-SHA256\n"
                                    "C: EHLO probe.example\n"
                                    "S: 250-mx.example\n"
                                    "S: 250-DSN\n"
                                    "S: 250 SMTPUTF8\n"
                                    "C: QUIT\n"
                                    "S: 221 bye\n");
}
END_TEST

START_TEST(only_the_keywords_inside_TLS_count_TLS_09)
{
    const struct evidence *e = probe(play_good);
    ck_assert_uint_eq(e->keywords, KEYWORD_DSN | KEYWORD_SMTPUTF8);
}
END_TEST

static void play_tls12(struct peer *peer)
{
    if (to_starttls(peer) && start_tls(peer, tls12))
        inside_tls(peer);
}

START_TEST(tls_12_is_enough_TLS_14)
{
    const struct evidence *e = probe(play_tls12);
    found(e, OUTCOME_TLS_OK);
    ck_assert_uint_eq(e->tls_version, 0x0303);
    ck_assert_uint_eq(connections, 1);
    ck_assert_uint_eq(quits, 1);
}
END_TEST

static const struct evidence *probe_with_tlsa(const uint8_t *digest, peer_plays *play)
{
    static struct dns_tlsa record = {
        .usage = 3, .selector = 1, .matching_type = 1, .size = SHA256_BYTES};
    struct dns_answer *answer = calloc(1, sizeof *answer);
    atomic_init(&answer->references, 1);
    record.data = digest;
    answer->kind = DNS_SECURE_DATA;
    answer->type = DNS_TLSA;
    answer->count = 1;
    answer->tlsa = &record;
    struct listener *listener = listen_on("127.0.0.1", play);
    struct endpoint_key k = key_of("127.0.0.1", listener->port);
    ck_assert_int_eq(prober_start(world->prober, &k, answer, 0), 0);
    ck_assert_uint_eq(atomic_load(&answer->references), 2);
    run_until(1);
    ck_assert_uint_eq(atomic_load(&answer->references), 1);
    free(answer);
    stop_listening(listener);
    return world->evidence[0];
}

START_TEST(tlsa_records_meet_the_chain_DANE_26)
{
    uint8_t digest[SHA256_BYTES];
    unsigned size = sizeof digest;
    unsigned char *spki = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
    EVP_Digest(spki, (size_t)length, digest, &size, EVP_sha256(), NULL);
    OPENSSL_free(spki);
    const struct evidence *e = probe_with_tlsa(digest, play_good);
    found(e, OUTCOME_TLS_OK);
    ck_assert_uint_eq(e->tlsa_count, 1);
    ck_assert_int_eq(e->tlsa[0].fate, TLSA_MATCH);
}
END_TEST

START_TEST(tlsa_records_that_do_not_match_are_a_fact_not_a_failure)
{
    uint8_t digest[SHA256_BYTES] = {1};
    const struct evidence *e = probe_with_tlsa(digest, play_good);
    found(e, OUTCOME_TLS_OK);
    ck_assert_int_eq(e->tlsa[0].fate, TLSA_NO_MATCH);
}
END_TEST

static void play_fat_leaf(struct peer *peer)
{
    if (to_starttls(peer) && start_tls(peer, fat_leaf))
        inside_tls(peer);
}

START_TEST(a_leaf_too_large_to_keep_is_matched_by_nothing_and_ends_nothing)
{
    uint8_t digest[SHA256_BYTES] = {1};
    const struct evidence *e = probe_with_tlsa(digest, play_fat_leaf);
    found(e, OUTCOME_TLS_OK);
    ck_assert_uint_eq(e->chain_count, 0);
    ck_assert_uint_eq(e->tlsa_count, 0);
    ck_assert_int_lt(e->pkix, 0);
}
END_TEST

static void play_with_issuer(struct peer *peer)
{
    if (to_starttls(peer) && start_tls(peer, with_issuer))
        inside_tls(peer);
}

#define FILLERS_MAX 4000
static const struct certificate *fillers[FILLERS_MAX];
static unsigned filler_count;

/* Somebody else holds this many certificates at most; stops when `refusals` in a row had no room.
 */
static void others_hold(unsigned most, unsigned refusals)
{
    EVP_PKEY *small_key = pki_key_ec();

    for (unsigned refused = 0; refused < refusals && filler_count < most;) {
        X509 *x509 = pki_certificate(&(struct pki_spec){.key = small_key});
        size_t size;
        uint8_t *der = pki_der(x509, &size);
        int error;

        fillers[filler_count] = certificate_intern(world->store, der, size, &error);
        refused = fillers[filler_count] == NULL ? refused + 1 : 0;
        filler_count += fillers[filler_count] != NULL;
        OPENSSL_free(der);
        X509_free(x509);
    }
    EVP_PKEY_free(small_key);
}

static void others_let_go(void)
{
    while (filler_count > 0)
        certificate_drop(fillers[--filler_count]);
}

START_TEST(where_certificates_are_crowded_all_are_judged_and_the_leaf_is_kept)
{
    uint8_t digest[SHA256_BYTES] = {1};
    while (!certificate_store_is_crowded(world->store))
        others_hold(filler_count + 1, 1);
    const struct evidence *e = probe_with_tlsa(digest, play_with_issuer);
    found(e, OUTCOME_TLS_OK);
    ck_assert_uint_eq(e->chain_count, 1);
    ck_assert(!e->chain_cut);
    ck_assert_str_eq(e->chain[0]->names[0], "mx.example");
    ck_assert_str_eq(e->detail,
                     "sent 2 certificates, 2 of them looked at and one kept: there is little room");
    ck_assert_int_eq(e->pkix, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN); /* the second was seen */
    ck_assert_uint_eq(e->tlsa_count, 1);
    ck_assert_int_eq(e->tlsa[0].fate, TLSA_NO_MATCH);
    others_let_go();
}
END_TEST

START_TEST(with_room_the_whole_chain_is_kept)
{
    const struct evidence *e = probe(play_with_issuer);
    found(e, OUTCOME_TLS_OK);
    ck_assert_uint_eq(e->chain_count, 2);
    ck_assert_int_eq(e->pkix, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
}
END_TEST

START_TEST(without_room_it_is_ours_law_3)
{
    others_hold(FILLERS_MAX, 400);
    ck_assert_uint_lt(filler_count, FILLERS_MAX);
    const struct evidence *e = probe(play_good);
    found(e, OUTCOME_OURS_RESOURCES);
    ck_assert_str_eq(e->detail, "cannot verify the chain: no room for its certificates now");
    ck_assert_int_eq(outcome_says(e->outcome), SAYS_OURS);
    ck_assert_uint_eq(e->chain_count, 0);
    ck_assert_uint_eq(quits, 1);
    others_let_go();
    struct listener *listener = listen_on("127.0.0.1", play_good);
    start(listener, 1);
    run_until(2);
    found(world->evidence[1], OUTCOME_TLS_OK);
    stop_listening(listener);
}
END_TEST

static void play_pieces(struct peer *peer)
{
    static const char greeting[] = "220-mx\r\n220 x ESMTP\r\n";
    static const char reply[] = "250-mx\r\n250 STARTTLS\r\n";
    char byte[2] = "";
    for (size_t i = 0; i < sizeof greeting - 1; i++) {
        byte[0] = greeting[i];
        say(peer, byte);
        usleep(2000);
    }
    hear(peer, "EHLO");
    for (size_t i = 0; i < sizeof reply - 1; i++) {
        byte[0] = reply[i];
        say(peer, byte);
        usleep(2000);
    }
    if (!hear(peer, "STARTTLS"))
        return;
    say(peer, "220-x\n");
    usleep(20000);
    say(peer, "220 y\n");
    if (start_tls(peer, good))
        inside_tls(peer);
}

START_TEST(the_cut_of_the_bytes_changes_nothing)
{
    const struct evidence *e = probe(play_pieces);
    found(e, OUTCOME_TLS_OK);
    ck_assert(e->multiline_greeting);
    ck_assert(e->greeted_esmtp);
}
END_TEST

/* --- greeting --- */

static void play_421(struct peer *peer)
{
    say(peer, "421 4.7.0 too many connections from you\r\n");
    hear(peer, "QUIT");
}
static void play_450(struct peer *peer)
{
    say(peer, "450 4.3.2 not now\r\n");
    hear(peer, "QUIT");
}
static void play_554(struct peer *peer)
{
    say(peer, "554-no\r\n554 mail \x01here\r\n");
    hear(peer, "QUIT");
}

START_TEST(refusing_greetings_are_inconclusive_and_get_a_quit_TLS_03_TLS_19)
{
    const struct evidence *e = probe(play_421);
    found(e, OUTCOME_RATE_LIMITED);
    ck_assert_uint_eq(e->smtp_code, 421);
    ck_assert_str_eq(e->smtp_text, "4.7.0 too many connections from you");
    ck_assert_uint_eq(quits, 1);
    ck_assert_uint_eq(connections, 1);
}
END_TEST

START_TEST(a_temporary_greeting_is_inconclusive_TLS_03)
{
    found(probe(play_450), OUTCOME_GREETING_TEMPORARY);
    ck_assert_uint_eq(quits, 1);
}
END_TEST

START_TEST(remote_text_is_escaped_CODE_12)
{
    const struct evidence *e = probe(play_554);
    found(e, OUTCOME_GREETING_REFUSED);
    ck_assert_str_eq(e->smtp_text, "no mail \\x01here");
    ck_assert_uint_eq(quits, 1);
}
END_TEST

static atomic_bool was_quiet;
static void play_silent(struct peer *peer)
{
    atomic_store(&was_quiet, wait_for_close(peer));
}
static bool nothing_was_said(void)
{
    for (int i = 0; i < 200 && !atomic_load(&was_quiet); i++)
        usleep(5000);
    return atomic_load(&was_quiet);
}

START_TEST(a_silent_host_is_left_in_time_and_nothing_is_said_to_it)
{
    const struct evidence *e = probe(play_silent);
    found(e, OUTCOME_GREETING_TIMEOUT);
    ck_assert_str_eq(e->detail, "timed out while waiting for the greeting");
    ck_assert_str_eq(e->transcript, "");
    ck_assert_uint_lt(e->ended_ms - e->began_ms, 1500 + 200);
    ck_assert(nothing_was_said());
    ck_assert_uint_eq(quits, 0);
}
END_TEST

static void play_drip(struct peer *peer)
{
    for (int i = 0; i < 60; i++) {
        say(peer, i == 0 ? "2" : i < 3 ? "0" : i == 3 ? " " : "x");
        usleep(100000);
    }
}

START_TEST(dripping_bytes_does_not_buy_time)
{
    world->settings.greeting_ms = 700;
    const struct evidence *e = probe(play_drip);
    found(e, OUTCOME_GREETING_TIMEOUT);
    ck_assert_uint_lt(e->ended_ms - e->began_ms, 700 + 200);
}
END_TEST

static void play_slow_everywhere(struct peer *peer)
{
    usleep(400000);
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    usleep(400000);
    say(peer, "250-x\r\n250 STARTTLS\r\n");
    hear(peer, "STARTTLS");
    usleep(400000);
    say(peer, "220 x\r\n");
    wait_for_close(peer);
}

START_TEST(the_whole_probe_has_a_deadline_too)
{
    world->settings.whole_ms = 1000;
    const struct evidence *e = probe(play_slow_everywhere);
    found(e, OUTCOME_SMTP_TIMEOUT);
    ck_assert_str_eq(e->detail,
                     "timed out while waiting for the reply to STARTTLS, the time of the "
                     "whole probe");
}
END_TEST

static void play_closes(struct peer *peer)
{
    (void)peer;
}
static void play_resets(struct peer *peer)
{
    reset(peer);
}
static void play_web(struct peer *peer)
{
    say(peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
    wait_for_close(peer);
}
static void play_twice(struct peer *peer)
{
    say(peer, "220 x\r\n250 y\r\n");
    wait_for_close(peer);
}
static void play_endless_line(struct peer *peer)
{
    char text[4097] = "220 ";
    memset(text + 4, 'x', sizeof text - 5);
    for (int i = 0; i < 100; i++)
        say(peer, text);
}
static void play_250(struct peer *peer)
{
    say(peer, "250 welcome\r\n");
    hear(peer, "QUIT");
}

START_TEST(closing_before_the_greeting_is_inconclusive)
{
    found(probe(play_closes), OUTCOME_SMTP_CLOSED);
}
END_TEST
START_TEST(resetting_before_the_greeting_is_inconclusive)
{
    const struct evidence *e = probe(play_resets);
    found(e, OUTCOME_SMTP_CLOSED);
    ck_assert_int_eq(e->error, ECONNRESET);
}
END_TEST
START_TEST(what_is_no_mail_host_is_malformed_TLS_01)
{
    const struct evidence *e = probe(play_web);
    found(e, OUTCOME_SMTP_MALFORMED);
    ck_assert_str_eq(e->transcript, "S: HTTP/1.1 400 Bad Request\\x0D\\x0A\\x0D\\x0A\n");
}
END_TEST
START_TEST(speaking_out_of_turn_is_malformed)
{
    found(probe(play_twice), OUTCOME_SMTP_MALFORMED);
}
END_TEST
START_TEST(an_endless_line_is_cut_off_TLS_02)
{
    found(probe(play_endless_line), OUTCOME_SMTP_TOO_LONG);
}
END_TEST
START_TEST(only_220_is_a_greeting_TLS_03)
{
    found(probe(play_250), OUTCOME_SMTP_MALFORMED);
}
END_TEST

/* --- EHLO --- */

static void play_no_starttls(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    say(peer, "250-STARTTLS\r\n250-XSTARTTLS\r\n250 DSN\r\n");
    hear(peer, "QUIT");
}
static void play_masked(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    say(peer, "250-x\r\n250-XXXXXXXA\r\n250 SIZE\r\n");
    hear(peer, "QUIT");
}
static void play_masked_greeting(struct peer *peer)
{
    say(peer, "220 *************0****\r\n");
    hear(peer, "EHLO");
    say(peer, "250-x\r\n250 SIZE\r\n");
    hear(peer, "QUIT");
}
static void play_helo_only(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    say(peer, "500 5.5.1 what\r\n");
    hear(peer, "HELO probe.example");
    say(peer, "250 x\r\n");
    hear(peer, "QUIT");
}
static void play_refuses_both(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    say(peer, "550 5.7.1 go away\r\n");
    hear(peer, "HELO");
    say(peer, "550 5.7.1 go away\r\n");
    hear(peer, "QUIT");
}
static void play_ehlo_550_rate(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    say(peer, "550 5.7.1 Too many connections\r\n");
    hear(peer, "QUIT");
}
static void play_ehlo_451(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    say(peer, "451 4.3.0 later\r\n");
    hear(peer, "QUIT");
}
static void play_ehlo_closes(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
}
static void play_ehlo_silent(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    atomic_store(&was_quiet, wait_for_close(peer));
}

START_TEST(no_starttls_is_found_and_the_first_line_is_no_keyword_TLS_05)
{
    const struct evidence *e = probe(play_no_starttls);
    found(e, OUTCOME_NO_STARTTLS);
    ck_assert(!e->offered_starttls);
    ck_assert_uint_eq(e->keywords, 0); /* those of inside TLS */
    ck_assert_uint_eq(quits, 1);
}
END_TEST
START_TEST(a_masked_keyword_is_told_from_none)
{
    found(probe(play_masked), OUTCOME_STARTTLS_MASKED);
    ck_assert_uint_eq(quits, 1);
}
END_TEST
START_TEST(a_masked_greeting_is_a_mask_too)
{
    found(probe(play_masked_greeting), OUTCOME_STARTTLS_MASKED);
}
END_TEST
START_TEST(a_host_that_takes_only_helo_offers_no_TLS_04)
{
    const struct evidence *e = probe(play_helo_only);
    found(e, OUTCOME_EHLO_REFUSED);
    ck_assert_uint_eq(e->smtp_code, 500); /* what decided */
    ck_assert_str_eq(e->smtp_text, "5.5.1 what");
    ck_assert_uint_eq(quits, 1);
}
END_TEST
START_TEST(a_host_that_refuses_helo_too_says_nothing_about_TLS_04)
{
    const struct evidence *e = probe(play_refuses_both);
    found(e, OUTCOME_GREETING_REFUSED);
    ck_assert_uint_eq(e->smtp_code, 550);
    ck_assert_uint_eq(quits, 1);
}
END_TEST
START_TEST(a_rate_limit_in_disguise_is_inconclusive)
{
    found(probe(play_ehlo_550_rate), OUTCOME_RATE_LIMITED);
    ck_assert_uint_eq(quits, 1);
}
END_TEST
START_TEST(a_temporary_refusal_of_ehlo_is_inconclusive)
{
    found(probe(play_ehlo_451), OUTCOME_EHLO_TEMPORARY);
}
END_TEST
START_TEST(closing_at_ehlo_is_inconclusive)
{
    const struct evidence *e = probe(play_ehlo_closes);
    found(e, OUTCOME_SMTP_CLOSED);
    ck_assert_str_eq(e->detail, "the peer closed the connection while waiting for the reply to "
                                "EHLO");
}
END_TEST
START_TEST(silence_at_ehlo_is_inconclusive_and_nothing_is_piled_up_on_it)
{
    found(probe(play_ehlo_silent), OUTCOME_SMTP_TIMEOUT);
    ck_assert(nothing_was_said());
}
END_TEST

/* --- STARTTLS --- */

static const char *starttls_reply;
static void play_starttls_reply(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    say(peer, "250-x\r\n250 STARTTLS\r\n");
    hear(peer, "STARTTLS");
    say(peer, starttls_reply);
    if (!hear(peer, "QUIT"))
        wait_for_close(peer);
}

static const struct evidence *probe_starttls(const char *reply)
{
    starttls_reply = reply;
    return probe(play_starttls_reply);
}

START_TEST(a_454_is_a_temporary_refusal_even_with_470_TLS_07)
{
    const struct evidence *e = probe_starttls("454 4.7.0 TLS not available\r\n");
    found(e, OUTCOME_STARTTLS_TEMPORARY);
    ck_assert(e->offered_starttls);
    ck_assert_uint_eq(e->smtp_code, 454);
    ck_assert_uint_eq(quits, 1);
    ck_assert_uint_eq(connections, 1);
}
END_TEST
START_TEST(a_501_is_a_refusal_TLS_07)
{
    found(probe_starttls("501 5.5.4 syntax\r\n"), OUTCOME_STARTTLS_REFUSED);
    ck_assert_uint_eq(quits, 1);
}
END_TEST
START_TEST(a_554_is_a_refusal_TLS_07)
{
    found(probe_starttls("554 5.7.3 no\r\n"), OUTCOME_STARTTLS_REFUSED);
}
END_TEST
START_TEST(a_250_is_no_220_TLS_07)
{
    found(probe_starttls("250 ok\r\n"), OUTCOME_STARTTLS_REFUSED);
}
END_TEST
START_TEST(a_421_for_rate_is_inconclusive)
{
    found(probe_starttls("421 too many connections\r\n"), OUTCOME_RATE_LIMITED);
}
END_TEST
START_TEST(bytes_behind_the_220_are_an_injection_TLS_08_PIT_20)
{
    const struct evidence *e = probe_starttls("220 go\r\n250-evil\r\n250 REQUIRETLS\r\n");
    found(e, OUTCOME_INJECTION);
    ck_assert_uint_eq(e->keywords, 0);
    ck_assert_uint_eq(quits, 0); /* nothing more in clear text */
    ck_assert_uint_eq(connections, 1);
}
END_TEST
START_TEST(half_a_line_behind_the_220_is_an_injection_TLS_08)
{
    found(probe_starttls("220 go\r\n2"), OUTCOME_INJECTION);
}
END_TEST
START_TEST(a_bare_lf_does_not_hide_an_injection_TLS_08)
{
    found(probe_starttls("220 go\n\r\n"), OUTCOME_INJECTION);
}
END_TEST

/* --- handshake --- */

static const char *after_220;
static bool silent_after, reset_after;
static void play_after_220(struct peer *peer)
{
    if (!to_starttls(peer))
        return;
    (void)hear_byte(peer); /* our hello is here */
    usleep(20000);
    say(peer, after_220);
    if (silent_after)
        wait_for_close(peer);
    else
        usleep(50000);
    if (reset_after)
        reset(peer);
}

START_TEST(clear_text_after_220_is_told_from_a_failed_handshake)
{
    after_220 = "454 TLS is broken today\r\n";
    silent_after = true;
    const struct evidence *e = probe(play_after_220);
    found(e, OUTCOME_TLS_PLAINTEXT);
    ck_assert_str_eq(e->detail, "454 TLS is broken today");
    ck_assert_uint_eq(connections, 1);
    ck_assert_uint_eq(e->smtp_code, 0);
}
END_TEST
START_TEST(garbage_after_220_is_a_failed_handshake)
{
    after_220 = "\x8f\x1b\xe2";
    silent_after = true;
    found(probe(play_after_220), OUTCOME_TLS_FAILED);
}
END_TEST
START_TEST(silence_after_220_is_a_timeout_of_the_handshake)
{
    after_220 = "";
    silent_after = true;
    found(probe(play_after_220), OUTCOME_TLS_TIMEOUT);
    ck_assert_uint_eq(connections, 1);
}
END_TEST
START_TEST(closing_after_220_is_asked_about_once_more_and_stays_what_it_was)
{
    after_220 = "";
    const struct evidence *e = probe(play_after_220);
    found(e, OUTCOME_TLS_CLOSED);
    ck_assert_uint_eq(connections, 2);
    ck_assert_ptr_nonnull(strstr(e->transcript, "-- once more"));
}
END_TEST
START_TEST(no_second_connection_unless_wanted)
{
    after_220 = "";
    world->settings.weak_check = false;
    found(probe(play_after_220), OUTCOME_TLS_CLOSED);
    ck_assert_uint_eq(connections, 1);
}
END_TEST
START_TEST(a_reset_after_220_is_a_closed_handshake)
{
    after_220 = "";
    reset_after = true;
    found(probe(play_after_220), OUTCOME_TLS_CLOSED);
}
END_TEST

static void play_no_common(struct peer *peer)
{
    if (to_starttls(peer))
        start_tls(peer, no_common);
}
static void play_tls10(struct peer *peer)
{
    if (to_starttls(peer) && start_tls(peer, tls10))
        inside_tls(peer);
}
static void play_static_rsa(struct peer *peer)
{
    if (to_starttls(peer) && start_tls(peer, weak_dh))
        inside_tls(peer);
}

START_TEST(no_common_cipher_is_an_alert_RPT_11)
{
    const struct evidence *e = probe(play_no_common);
    found(e, OUTCOME_TLS_ALERT);
    ck_assert_uint_eq(e->alert, 40);
    ck_assert_str_eq(e->detail, "alert: handshake failure");
    ck_assert_uint_eq(connections, 2);
    ck_assert_uint_eq(e->tls_version, 0);
    ck_assert_int_eq(e->naming, NAMING_ANSWERED);
}
END_TEST
START_TEST(an_old_version_is_weak_and_named_TLS_16)
{
    const struct evidence *e = probe(play_tls10);
    found(e, OUTCOME_TLS_WEAK);
    ck_assert_uint_eq(e->tls_version, 0x0301);
    ck_assert_str_eq(e->cipher, "ECDHE-RSA-AES256-SHA");
    ck_assert_uint_eq(connections, 2);
    ck_assert_int_eq(e->naming, NAMING_ANSWERED);
    ck_assert_uint_eq(e->chain_count, 0);
}
END_TEST
START_TEST(without_a_budget_there_is_no_second_connection_and_the_version_is_not_known)
{
    budget_is_spent = true;
    const struct evidence *e = probe(play_tls10);
    found(e, OUTCOME_TLS_ALERT);
    ck_assert_uint_eq(connections, 1);
    ck_assert_int_eq(e->naming, NAMING_OURS);
    ck_assert_uint_eq(e->tls_version, 0);
    ck_assert_ptr_nonnull(strstr(e->detail, "what it would take is not known"));
    ck_assert_ptr_nonnull(strstr(e->transcript, "-- not once more"));
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->weak_checks), 0);
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->weak_checks_left_out), 1);
}
END_TEST
START_TEST(a_weak_suite_of_tls_12_is_weak_and_named_TLS_15)
{
    const struct evidence *e = probe(play_static_rsa);
    found(e, OUTCOME_TLS_WEAK);
    ck_assert_uint_eq(e->tls_version, 0x0303);
    ck_assert_str_eq(e->cipher, "AES128-SHA");
}
END_TEST

/* A host that fails by chance the first time is not weak for it. */
static void play_fails_once(struct peer *peer)
{
    if (!to_starttls(peer))
        return;
    if (peer->connection == 0)
        start_tls(peer, no_common);
    else if (start_tls(peer, tls12))
        inside_tls(peer);
}
START_TEST(a_host_that_fails_by_chance_is_broken_not_weak)
{
    const struct evidence *e = probe(play_fails_once);
    found(e, OUTCOME_TLS_ALERT);
    ck_assert_uint_eq(connections, 2);
    ck_assert_uint_eq(e->tls_version, 0);
}
END_TEST

/* What the second connection says about rate, or anything else, does not replace the first's
 * finding. */
static void play_limits_the_second(struct peer *peer)
{
    if (peer->connection == 0) {
        if (to_starttls(peer))
            start_tls(peer, no_common);
    } else {
        play_421(peer);
    }
}
START_TEST(the_second_connection_only_names)
{
    const struct evidence *e = probe(play_limits_the_second);
    found(e, OUTCOME_TLS_ALERT);
    ck_assert_uint_eq(connections, 2);
    ck_assert_uint_eq(quits, 1);
    ck_assert_uint_eq(e->smtp_code, 0);
    ck_assert_str_eq(e->greeting, "mx.example ESMTP");
    ck_assert_int_eq(e->naming, NAMING_SLOWED); /* but it is heard */
}
END_TEST

static void play_wants_certificate(struct peer *peer)
{
    if (to_starttls(peer))
        start_tls(peer, wants_certificate);
}
START_TEST(an_alert_behind_the_handshake_counts)
{
    const struct evidence *e = probe(play_wants_certificate);
    found(e, OUTCOME_TLS_ALERT);
    ck_assert_uint_eq(e->alert, SSL_AD_CERTIFICATE_REQUIRED);
}
END_TEST

/* --- inside TLS: nothing takes back what was seen --- */

static const char *inside_reply;
static void play_inside(struct peer *peer)
{
    if (!to_starttls(peer) || !start_tls(peer, good) || !hear(peer, "EHLO"))
        return;
    if (inside_reply == NULL)
        return;
    say(peer, inside_reply);
    if (hear(peer, "QUIT"))
        say(peer, "221\r\n");
    char last[sizeof peer->heard];
    strcpy(last, peer->heard);
    wait_for_close(peer);
    strcpy(peer->heard, last);
}

START_TEST(a_refusal_inside_TLS_is_still_TLS)
{
    inside_reply = "421 4.7.0 too many connections\r\n";
    const struct evidence *e = probe(play_inside);
    found(e, OUTCOME_TLS_OK);
    ck_assert_uint_eq(e->smtp_code, 421);
    ck_assert_str_eq(e->detail, "421 to EHLO inside TLS");
    ck_assert_uint_eq(quits, 1);
}
END_TEST
START_TEST(closing_inside_TLS_is_still_TLS)
{
    inside_reply = NULL;
    const struct evidence *e = probe(play_inside);
    found(e, OUTCOME_TLS_OK);
    ck_assert_uint_eq(e->chain_count, 1);
}
END_TEST
START_TEST(nonsense_inside_TLS_is_still_TLS)
{
    inside_reply = "what\r\n";
    found(probe(play_inside), OUTCOME_TLS_OK);
}
END_TEST
START_TEST(silence_inside_TLS_is_still_TLS)
{
    inside_reply = "";
    const struct evidence *e = probe(play_inside);
    found(e, OUTCOME_TLS_OK);
    ck_assert_str_eq(e->detail, "timed out while waiting for the reply to EHLO inside TLS");
}
END_TEST
START_TEST(starttls_offered_again_inside_TLS_is_ignored_TLS_10)
{
    inside_reply = "250-x\r\n250 STARTTLS\r\n";
    const struct evidence *e = probe(play_inside);
    found(e, OUTCOME_TLS_OK);
    ck_assert_uint_eq(e->keywords, KEYWORD_STARTTLS);
    ck_assert_uint_eq(quits, 1);
}
END_TEST

/* --- connecting --- */

START_TEST(a_closed_port_is_refused)
{
    struct listener *listener = listen_on("127.0.0.1", play_closes);
    uint16_t port = listener->port;
    stop_listening(listener);
    struct endpoint_key k = key_of("127.0.0.1", port);
    ck_assert_int_eq(prober_start(world->prober, &k, NULL, 0), 0);
    run_until(1);
    found(world->evidence[0], OUTCOME_CONNECT_REFUSED);
    ck_assert_int_eq(world->evidence[0]->error, ECONNREFUSED);
}
END_TEST

/* A listener with a full backlog does not answer a SYN. */
START_TEST(a_dropped_syn_is_a_timeout)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof local;
    int full = socket(AF_INET, SOCK_STREAM, 0), fill[3];
    ck_assert_int_eq(bind(full, (struct sockaddr *)&local, sizeof local), 0);
    ck_assert_int_eq(listen(full, 0), 0);
    getsockname(full, (struct sockaddr *)&local, &size);
    for (int i = 0; i < 3; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fill[i], (struct sockaddr *)&local, sizeof local);
    }
    struct endpoint_key k = key_of("127.0.0.1", ntohs(local.sin_port));
    ck_assert_int_eq(prober_start(world->prober, &k, NULL, 0), 0);
    run_until(1);
    found(world->evidence[0], OUTCOME_CONNECT_TIMEOUT);
    for (int i = 0; i < 3; i++)
        close(fill[i]);
    close(full);
}
END_TEST

START_TEST(an_ipv6_address_is_probed_like_any_other)
{
    struct listener *listener = listen_on("::1", play_good);
    start(listener, 0);
    run_until(1);
    found(world->evidence[0], OUTCOME_TLS_OK);
    ck_assert_uint_eq(world->evidence[0]->key.address.family, 6);
    stop_listening(listener);
}
END_TEST

/* Reads the EHLO line of a prober that was given no name. */
static char ehlo_line[256];
static void play_notes_ehlo(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    strcpy(ehlo_line, peer->heard);
    say(peer, "250 x\r\n");
    hear(peer, "QUIT");
}

START_TEST(a_machine_without_a_name_says_its_address_TLS_04)
{
    bool nameless = unshare(CLONE_NEWUTS) == 0 && sethostname("localhost", 9) == 0;
    world->settings.ehlo_name = NULL;
    prober_reload(world->prober, &world->settings);
    found(probe(play_notes_ehlo), OUTCOME_NO_STARTTLS);
    ck_assert_int_eq(strncmp(ehlo_line, "EHLO ", 5), 0);
    ck_assert_uint_gt(strlen(ehlo_line), 5);
    if (nameless) /* needs root; without it the machine's own name was said */
        ck_assert(ehlo_line[5] == '[' && ehlo_line[strlen(ehlo_line) - 1] == ']');
}
END_TEST

START_TEST(a_reserved_address_is_never_connected_to)
{
    struct listener *listener = listen_on("127.0.0.1", play_good);
    world->settings.allow_reserved = false;
    start(listener, 0);
    run_until(1);
    found(world->evidence[0], OUTCOME_RESERVED_ADDRESS);
    usleep(20000);
    ck_assert_uint_eq(atomic_load(&listener->connections), 0);
    stop_listening(listener);
}
END_TEST

/* A network of our own in which IPv6 is switched off; false: this machine lets nobody make one. */
static bool switch_ipv6_off(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    FILE *file = fopen("/proc/sys/net/ipv6/conf/all/disable_ipv6", "w");
    if (file == NULL)
        return false;
    bool written = fputs("1", file) >= 0;
    return (fclose(file) == 0) && written;
}

/* Were it ours, no worse verdict of a host with both families would ever be published. */
START_TEST(where_ipv6_is_switched_off_there_is_no_way)
{
    if (!switch_ipv6_off()) {
        fprintf(stderr, "not played: this machine lets nobody make a network\n");
        return;
    }
    struct endpoint_key k = key_of("2001:db8::25", 25);
    ck_assert_int_eq(prober_start(world->prober, &k, NULL, 0), 0);
    run_until(1);
    found(world->evidence[0], OUTCOME_CONNECT_UNREACHABLE);
    ck_assert_int_eq(world->evidence[0]->error, EADDRNOTAVAIL);
}
END_TEST

START_TEST(a_configured_source_address_is_used)
{
    char why[256];
    world->settings.source_ipv4 = (char *)"127.0.0.77";
    prober_reload(world->prober, &world->settings);
    const struct evidence *e = probe(play_good);
    found(e, OUTCOME_TLS_OK);
    world->settings.source_ipv4 = (char *)"192.0.2.77"; /* not of this machine */
    prober_reload(world->prober, &world->settings);
    struct endpoint_key k = key_of("127.0.0.1", 25);
    ck_assert_int_eq(prober_start(world->prober, &k, NULL, 1), 0);
    run_until(2);
    found(world->evidence[1], OUTCOME_OURS_RESOURCES);

    struct prober *second;
    world->settings.source_ipv4 = (char *)"::1";
    ck_assert_int_lt(prober_create(&second, world->ring, world->wheel, world->store,
                                   &world->settings, 1, 8, why, sizeof why),
                     0);
    ck_assert_ptr_nonnull(strstr(why, "source_ipv4"));
    ck_assert_int_eq(prober_judge(&world->settings, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "probe.source_ipv4: \"::1\" is not an IPv4 address");
    world->settings.source_ipv4 = NULL;
    world->settings.ehlo_name = (char *)"not a name";
    ck_assert_int_lt(prober_create(&second, world->ring, world->wheel, world->store,
                                   &world->settings, 1, 8, why, sizeof why),
                     0);
    ck_assert_ptr_nonnull(strstr(why, "ehlo_name"));
    ck_assert_int_eq(prober_judge(&world->settings, why, sizeof why), -EINVAL);
    ck_assert_ptr_eq(strstr(why, "probe.ehlo_name: \"not a name\" is no name"), why);
    world->settings.ehlo_name = NULL;
    ck_assert_int_eq(prober_judge(&world->settings, why, sizeof why), 0);
}
END_TEST

/* --- many, late, cancelled --- */

START_TEST(many_probes_share_a_loop_and_slots_run_out_cleanly)
{
    struct listener *listener = listen_on("127.0.0.2", play_good);
    for (uint64_t job = 0; job < 64; job++)
        start(listener, job);
    struct endpoint_key k = key_of("127.0.0.2", listener->port);
    ck_assert_int_eq(prober_start(world->prober, &k, NULL, 64), -EAGAIN);
    run_until(64);
    for (unsigned job = 0; job < 64; job++)
        found(world->evidence[job], OUTCOME_TLS_OK);
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->ended[OUTCOME_TLS_OK]), 64);
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->stale_completions), 0);
    ck_assert_uint_eq(prober_running(world->prober), 0);
    stop_listening(listener);
}
END_TEST

START_TEST(cancelling_ends_every_probe_wherever_it_is)
{
    /* Cancelled after more and more turns, so that each step is met. */
    unsigned whole = 0;
    after_220 = "";
    silent_after = true;
    for (unsigned turns = 0; turns < 25; turns++) {
        struct listener *peers[] = {listen_on("127.0.0.3", play_good),
                                    listen_on("127.0.0.3", play_silent),
                                    listen_on("127.0.0.3", play_after_220)};
        for (unsigned i = 0; i < 3; i++)
            start(peers[i], i);
        for (unsigned i = 0; i < turns; i++)
            turn();
        prober_cancel_all(world->prober);
        prober_cancel_all(world->prober); /* twice is not worse */
        while (prober_running(world->prober) > 0)
            turn();
        for (unsigned i = 0; i < 3; i++) {
            ck_assert_ptr_nonnull(world->evidence[i]);
            enum outcome outcome = world->evidence[i]->outcome;
            whole += outcome == OUTCOME_TLS_OK;
            ck_assert_msg(outcome == OUTCOME_OURS_CANCELLED ||
                              (i == 0 && outcome == OUTCOME_TLS_OK),
                          "%s", outcome_name(outcome));
            evidence_drop(world->evidence[i]);
            world->evidence[i] = NULL;
            stop_listening(peers[i]);
        }
        ck_assert_uint_eq(ring_in_flight(world->ring), 0);
    }
    ck_assert_uint_gt(whole, 0);
}
END_TEST

START_TEST(a_deadline_that_we_slept_over_is_ours_law_3)
{
    struct listener *listener = listen_on("127.0.0.1", play_silent);
    world->settings.greeting_ms = 300;
    start(listener, 0);
    turn();
    turn();
    usleep(900000); /* the loop does not turn; nobody tells the prober */
    run_until(1);
    found(world->evidence[0], OUTCOME_OURS_LATE);
    ck_assert_ptr_nonnull(strstr(world->evidence[0]->detail, "greeting-timeout"));
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->timeouts_ours), 1);
    stop_listening(listener);
}
END_TEST

static void play_impatient(struct peer *peer)
{
    say(peer, "220 x\r\n");
    hear(peer, "EHLO");
    say(peer, "250-x\r\n250 STARTTLS\r\n");
    usleep(100000);
    say(peer, "421 timeout, closing\r\n");
}

START_TEST(what_fails_while_the_loop_stood_still_is_ours_law_3)
{
    struct listener *impatient = listen_on("127.0.0.1", play_impatient);
    struct listener *fine = listen_on("127.0.0.1", play_good);
    struct listener *clear = listen_on("127.0.0.1", play_no_starttls);
    start(impatient, 0);
    start(fine, 1);
    start(clear, 2);
    for (int i = 0; i < 3; i++)
        turn();
    uint64_t since_ms = clock_boot_ms();
    usleep(800000);
    prober_loop_was_late(world->prober, since_ms, clock_boot_ms());
    run_until(3);
    found(world->evidence[0], OUTCOME_OURS_LATE);
    found(world->evidence[1], OUTCOME_TLS_OK);      /* what was seen was seen */
    found(world->evidence[2], OUTCOME_NO_STARTTLS); /* and what was said, said */

    /* A probe that begins afterwards is judged as always. */
    usleep(5000);
    start(impatient, 3);
    run_until(4);
    ck_assert_int_ne(world->evidence[3]->outcome, OUTCOME_OURS_LATE);
    stop_listening(impatient);
    stop_listening(fine);
    stop_listening(clear);
}
END_TEST

#include "tests/endpoint_sessions.h"

struct cases {
    const char *name;
    const TTest *tests[24];
};

static void add_cases(Suite *suite, const struct cases *cases)
{
    TCase *tcase = tcase_create(cases->name);

    tcase_add_checked_fixture(tcase, world_open, world_close);
    tcase_set_timeout(tcase, 60);
    for (size_t j = 0; j < 24 && cases->tests[j] != NULL; j++)
        tcase_add_test(tcase, cases->tests[j]);
    suite_add_tcase(suite, tcase);
}

static void add_session_cases(Suite *suite)
{
    const struct cases cases = {
        "sessions",
        {a_second_look_resumes_with_the_certificate_of_the_first_TLS_24,
         a_session_of_tls_12_is_resumed_too_TLS_24,
         nothing_is_resumed_where_it_is_switched_off,
         a_peer_that_refuses_a_session_is_simply_looked_at_in_full,
         an_alert_at_a_session_is_no_finding_and_the_same_is_tried_in_full,
         closing_at_a_session_is_no_finding_and_the_same_is_tried_in_full,
         silence_at_a_session_is_no_finding_and_the_same_is_tried_in_full,
         what_breaks_behind_a_resumption_is_tried_in_full_as_from_the_start,
         closing_behind_a_resumption_is_no_finding_and_the_same_is_tried_in_full,
         silence_behind_a_resumption_is_no_finding_and_the_same_is_tried_in_full,
         without_a_budget_to_try_in_full_nothing_is_said_of_the_peer_law_3,
         where_a_session_failed_none_is_offered_for_a_while,
         silence_at_a_session_until_the_whole_time_is_up_is_remembered_too,
         what_fails_in_full_too_is_found,
         an_exchanged_certificate_is_found_at_the_next_full_handshake,
         under_another_tlsa_set_no_session_is_offered_DANE_40,
         a_session_is_offered_to_nobody_but_whom_it_is_of_DANE_40_PIT_15,
         when_a_certificate_has_run_out_the_next_look_is_in_full,
         a_stripped_starttls_is_seen_as_ever_PIT_20,
         where_the_certificate_counts_for_nothing_no_session_is_kept,
         after_a_look_that_was_not_conclusive_the_next_is_in_full,
         other_settings_forget_all_sessions,
         no_session_rests_on_what_other_settings_judged_DANE_40_TLS_24}};

    add_cases(suite, &cases);
}

static Suite *suite(void)
{
    Suite *suite = suite_create("endpoint");
    const struct cases cases[] = {
        {"in order",
         {a_host_in_order_is_found_in_order, only_the_keywords_inside_TLS_count_TLS_09,
          a_leaf_too_large_to_keep_is_matched_by_nothing_and_ends_nothing,
          where_certificates_are_crowded_all_are_judged_and_the_leaf_is_kept,
          with_room_the_whole_chain_is_kept, without_room_it_is_ours_law_3, tls_12_is_enough_TLS_14,
          tlsa_records_meet_the_chain_DANE_26,
          tlsa_records_that_do_not_match_are_a_fact_not_a_failure,
          the_cut_of_the_bytes_changes_nothing}},
        {"greeting",
         {refusing_greetings_are_inconclusive_and_get_a_quit_TLS_03_TLS_19,
          a_temporary_greeting_is_inconclusive_TLS_03, remote_text_is_escaped_CODE_12,
          a_silent_host_is_left_in_time_and_nothing_is_said_to_it, dripping_bytes_does_not_buy_time,
          the_whole_probe_has_a_deadline_too, closing_before_the_greeting_is_inconclusive,
          resetting_before_the_greeting_is_inconclusive, what_is_no_mail_host_is_malformed_TLS_01,
          speaking_out_of_turn_is_malformed, an_endless_line_is_cut_off_TLS_02,
          only_220_is_a_greeting_TLS_03}},
        {"ehlo",
         {no_starttls_is_found_and_the_first_line_is_no_keyword_TLS_05,
          a_masked_keyword_is_told_from_none, a_masked_greeting_is_a_mask_too,
          a_host_that_takes_only_helo_offers_no_TLS_04,
          a_host_that_refuses_helo_too_says_nothing_about_TLS_04,
          a_rate_limit_in_disguise_is_inconclusive, a_temporary_refusal_of_ehlo_is_inconclusive,
          closing_at_ehlo_is_inconclusive,
          silence_at_ehlo_is_inconclusive_and_nothing_is_piled_up_on_it}},
        {"starttls",
         {a_454_is_a_temporary_refusal_even_with_470_TLS_07, a_501_is_a_refusal_TLS_07,
          a_554_is_a_refusal_TLS_07, a_250_is_no_220_TLS_07, a_421_for_rate_is_inconclusive,
          bytes_behind_the_220_are_an_injection_TLS_08_PIT_20,
          half_a_line_behind_the_220_is_an_injection_TLS_08,
          a_bare_lf_does_not_hide_an_injection_TLS_08}},
        {"handshake",
         {clear_text_after_220_is_told_from_a_failed_handshake,
          garbage_after_220_is_a_failed_handshake, silence_after_220_is_a_timeout_of_the_handshake,
          closing_after_220_is_asked_about_once_more_and_stays_what_it_was,
          no_second_connection_unless_wanted, a_reset_after_220_is_a_closed_handshake,
          no_common_cipher_is_an_alert_RPT_11, an_alert_behind_the_handshake_counts}},
        {"weak",
         {an_old_version_is_weak_and_named_TLS_16,
          without_a_budget_there_is_no_second_connection_and_the_version_is_not_known,
          a_weak_suite_of_tls_12_is_weak_and_named_TLS_15,
          a_host_that_fails_by_chance_is_broken_not_weak, the_second_connection_only_names}},
        {"inside TLS",
         {a_refusal_inside_TLS_is_still_TLS, closing_inside_TLS_is_still_TLS,
          nonsense_inside_TLS_is_still_TLS, silence_inside_TLS_is_still_TLS,
          starttls_offered_again_inside_TLS_is_ignored_TLS_10}},
        {"connect",
         {a_closed_port_is_refused, a_dropped_syn_is_a_timeout,
          an_ipv6_address_is_probed_like_any_other, where_ipv6_is_switched_off_there_is_no_way,
          a_machine_without_a_name_says_its_address_TLS_04,
          a_reserved_address_is_never_connected_to, a_configured_source_address_is_used}},
        {"loop",
         {many_probes_share_a_loop_and_slots_run_out_cleanly,
          cancelling_ends_every_probe_wherever_it_is, a_deadline_that_we_slept_over_is_ours_law_3,
          what_fails_while_the_loop_stood_still_is_ours_law_3}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        add_cases(suite, &cases[i]);
    add_session_cases(suite);
    return suite;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    make_servers(); /* once, for all the processes that Check forks */
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
