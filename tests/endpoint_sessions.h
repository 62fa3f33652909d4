/*
 * endpoint_sessions.h - part of endpoint_test.c: looks one after the other at peers that give
 * sessions. DANE-40, TLS-24.
 *
 * All peers here show `served`, which a test may change between two looks; the looks go to port and
 * address of one listener, with the TLSA record of the key of `certificate`.
 */
#ifndef MXWARD_TESTS_ENDPOINT_SESSIONS_H
#define MXWARD_TESTS_ENDPOINT_SESSIONS_H

static SSL_CTX *_Atomic served;
static _Atomic unsigned asked_to_resume;   /* ClientHellos that offered a session */
static _Atomic unsigned early_data;        /* … that announced early data */
static _Atomic unsigned resumed;           /* handshakes, as the peer has it */
static atomic_bool hangs_up, stays_silent; /* where a session is offered */

/* RFC 8446 section 4.2.11: the identities behind their length. RFC 5077: not empty. */
static int hello_offers(SSL *ssl, int *alert, void *nothing)
{
    const unsigned char *extension;
    size_t size = 0;
    (void)nothing;
    bool offers =
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &extension, &size) == 1 ||
        (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &extension, &size) == 1 &&
         size > 0);
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_early_data, &extension, &size) == 1)
        atomic_fetch_add(&early_data, 1);
    if (!offers)
        return SSL_CLIENT_HELLO_SUCCESS;
    atomic_fetch_add(&asked_to_resume, 1);
    if (stays_silent)
        usleep(2500000);
    if (hangs_up)
        shutdown(SSL_get_fd(ssl), SHUT_RDWR);
    *alert = SSL_AD_HANDSHAKE_FAILURE;
    return hangs_up || stays_silent ? SSL_CLIENT_HELLO_ERROR : SSL_CLIENT_HELLO_SUCCESS;
}

/* Alerts at a session that is offered. */
static int hello_refused(SSL *ssl, int *alert, void *nothing)
{
    const unsigned before = atomic_load(&asked_to_resume);
    int result = hello_offers(ssl, alert, nothing);
    return atomic_load(&asked_to_resume) > before ? SSL_CLIENT_HELLO_ERROR : result;
}

static SSL_CTX *served_ctx(void)
{
    SSL_CTX *ctx = server_ctx(NULL);
    SSL_CTX_set_client_hello_cb(ctx, hello_offers, NULL);
    SSL_CTX_set_options(ctx, SSL_OP_NO_ANTI_REPLAY); /* else it forgets its sessions */
    SSL_CTX_set_max_early_data(ctx, 16384);
    return ctx;
}

static void play_served(struct peer *peer)
{
    if (!to_starttls(peer) || !start_tls(peer, served))
        return;
    atomic_fetch_add(&resumed, (unsigned)SSL_session_reused(peer->ssl));
    inside_tls(peer);
}

/* What it says behind a resumed handshake is no TLS; or it says nothing. */
static void play_breaks_where_resumed(struct peer *peer)
{
    static const char noise[] = "\x17\x03\x03\x00\x20this is not what a key was used for";
    if (!to_starttls(peer) || !start_tls(peer, served))
        return;
    if (!SSL_session_reused(peer->ssl)) {
        inside_tls(peer);
        return;
    }
    hear(peer, "EHLO");
    if (stays_silent)
        usleep(2500000);
    if (stays_silent || hangs_up)
        return;
    (void)!write(SSL_get_fd(peer->ssl), noise, sizeof noise - 1);
    usleep(300000); /* closing at once would take the noise back */
}

static void play_served_refuses_inside(struct peer *peer)
{
    if (!to_starttls(peer) || !start_tls(peer, served))
        return;
    hear(peer, "EHLO");
    say(peer, "502 what?\r\n");
    if (hear(peer, "QUIT"))
        say(peer, "221 bye\r\n");
}

/* STARTTLS is offered to the first only. */
static void play_stripped(struct peer *peer)
{
    if (peer->connection == 0)
        play_served(peer);
    else
        play_no_starttls(peer);
}

static void key_digest(X509 *x509, uint8_t digest[SHA256_BYTES])
{
    unsigned size = SHA256_BYTES;
    unsigned char *spki = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
    EVP_Digest(spki, (size_t)length, digest, &size, EVP_sha256(), NULL);
    OPENSSL_free(spki);
}

static struct dns_answer *met_record(void)
{
    static uint8_t digest[SHA256_BYTES];
    static struct dns_tlsa record = {
        .usage = 3, .selector = 1, .matching_type = 1, .size = SHA256_BYTES, .data = digest};
    static struct dns_answer answer = {
        .kind = DNS_SECURE_DATA, .type = DNS_TLSA, .count = 1, .tlsa = &record};
    key_digest(certificate, digest);
    atomic_store(&answer.references, 1);
    return &answer;
}

static unsigned looks;

static const struct evidence *look_by(const struct endpoint_key *k, const struct dns_answer *tlsa)
{
    ck_assert_int_eq(prober_start(world->prober, k, tlsa, looks), 0);
    run_until(++looks);
    return world->evidence[looks - 1];
}

static const struct evidence *look(const struct listener *listener)
{
    struct endpoint_key k = key_of(listener->address, listener->port);
    return look_by(&k, met_record());
}

static const struct evidence *look_and_resume(const struct listener *listener)
{
    const struct evidence *e = look(listener);
    found(e, OUTCOME_TLS_OK);
    ck_assert_msg(e->resumed, "not resumed, asked %u: %s", atomic_load(&asked_to_resume),
                  e->transcript);
    return e;
}

static const struct evidence *look_in_full(const struct listener *listener)
{
    const struct evidence *e = look(listener);
    found(e, OUTCOME_TLS_OK);
    ck_assert(!e->resumed);
    ck_assert_uint_eq(e->proved_ms, 0);
    return e;
}

static struct listener *listen_and_keep(peer_plays *play)
{
    served = served_ctx();
    world->settings.resumption = true;
    world->settings.full_handshake_ms = 180000;
    return listen_on("127.0.0.1", play);
}

static void the_second_look_is_resumed(uint16_t version)
{
    struct listener *listener = listen_and_keep(play_served);
    SSL_CTX_set_max_proto_version(served, version);
    const struct evidence *first = look_in_full(listener);
    usleep(2000);
    for (unsigned i = 0; i < 3; i++) {
        const struct evidence *e = look_and_resume(listener);
        ck_assert_uint_eq(e->proved_ms, first->began_ms);
        ck_assert_uint_gt(e->began_ms, first->began_ms);
        ck_assert_uint_eq(e->tls_version, version);
        ck_assert_str_eq(e->cipher, first->cipher);
        ck_assert_str_eq(e->group, first->group);
        ck_assert_str_eq(e->signature, first->signature);
        ck_assert_int_eq(e->pkix, first->pkix);
        ck_assert_uint_eq(e->chain_count, 1);
        ck_assert_ptr_eq(e->chain[0], first->chain[0]);
        ck_assert_uint_eq(e->tlsa_count, 1);
        ck_assert_int_eq(e->tlsa[0].fate, TLSA_MATCH);
        ck_assert_uint_eq(e->keywords, KEYWORD_DSN | KEYWORD_SMTPUTF8);
        ck_assert_ptr_nonnull(strstr(e->detail, "resumed"));
    }
    ck_assert_uint_eq(atomic_load(&resumed), 3);
    ck_assert_uint_eq(atomic_load(&early_data), 0);
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->resumed), 3);
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->handshakes), 4);
    stop_listening(listener);
}

START_TEST(a_second_look_resumes_with_the_certificate_of_the_first_TLS_24)
{
    the_second_look_is_resumed(TLS1_3_VERSION);
}
END_TEST

START_TEST(a_session_of_tls_12_is_resumed_too_TLS_24)
{
    the_second_look_is_resumed(TLS1_2_VERSION);
}
END_TEST

START_TEST(nothing_is_resumed_where_it_is_switched_off)
{
    struct listener *listener = listen_and_keep(play_served);
    world->settings.resumption = false;
    look_in_full(listener);
    look_in_full(listener);
    world->settings.resumption = true;
    look_in_full(listener); /* nothing was kept either */
    world->settings.resumption = false;
    look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 0);
    stop_listening(listener);
}
END_TEST

/* Its ticket keys are others: what it cannot read it ignores, as RFC 8446 section 4.2.11 wants. */
START_TEST(a_peer_that_refuses_a_session_is_simply_looked_at_in_full)
{
    struct listener *listener = listen_and_keep(play_served);
    look_in_full(listener);
    SSL_CTX_free(served);
    served = served_ctx();
    const struct evidence *e = look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 1);
    ck_assert_uint_eq(atomic_load(&listener->connections), 2);
    ck_assert_str_eq(e->signature, "RSA-PSS-SHA256");
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->resumption_failed), 0);
    look_and_resume(listener); /* what it gave instead */
    stop_listening(listener);
}
END_TEST

static void fails_where_resumed(void)
{
    struct listener *listener = listen_and_keep(play_served);
    look_in_full(listener);
    SSL_CTX_set_client_hello_cb(served, hangs_up || stays_silent ? hello_offers : hello_refused,
                                NULL);
    const struct evidence *e = look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 1);
    ck_assert_uint_eq(atomic_load(&listener->connections), 3);
    ck_assert_uint_eq(e->alert, 0);
    ck_assert_int_eq(e->error, 0);
    ck_assert_ptr_nonnull(strstr(e->transcript, "-- once more, in full\n"));
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->resumption_failed), 1);
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->weak_checks), 0);
    for (unsigned i = 0; i < 2; i++) /* it is remembered, and no session kept to fail again */
        look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 1);
    ck_assert_uint_eq(atomic_load(&listener->connections), 5);
    stop_listening(listener);
}

START_TEST(an_alert_at_a_session_is_no_finding_and_the_same_is_tried_in_full)
{
    fails_where_resumed();
}
END_TEST

START_TEST(closing_at_a_session_is_no_finding_and_the_same_is_tried_in_full)
{
    hangs_up = true;
    fails_where_resumed();
}
END_TEST

START_TEST(silence_at_a_session_is_no_finding_and_the_same_is_tried_in_full)
{
    stays_silent = true;
    fails_where_resumed();
}
END_TEST

START_TEST(where_a_session_failed_none_is_offered_for_a_while)
{
    enum { APART_MS = 1500 };
    struct listener *listener = listen_and_keep(play_served);
    world->settings.full_handshake_ms = APART_MS;
    look_in_full(listener);
    SSL_CTX_set_client_hello_cb(served, hello_refused, NULL);
    look_in_full(listener);
    const uint64_t failed_ms = clock_boot_ms(); /* or a little before */
    SSL_CTX_set_client_hello_cb(served, hello_offers, NULL);
    look_in_full(listener);
    look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 1);
    while (clock_boot_ms() <= failed_ms + APART_MS)
        usleep(20000);
    look_in_full(listener);
    look_and_resume(listener); /* the peer has been mended */
    stop_listening(listener);
}
END_TEST

/* It came late, or a session is not to its taste: nothing is said but that it took too long. */
START_TEST(silence_at_a_session_until_the_whole_time_is_up_is_remembered_too)
{
    struct listener *listener = listen_and_keep(play_served);
    look_in_full(listener);
    stays_silent = true;
    world->settings.whole_ms = 1000;
    found(look(listener), OUTCOME_TLS_TIMEOUT);
    world->settings.whole_ms = 10000;
    look_in_full(listener);
    look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 1);
    ck_assert_uint_eq(counter_read(&prober_counts(world->prober)->resumption_failed), 1);
    stop_listening(listener);
}
END_TEST

START_TEST(without_a_budget_to_try_in_full_nothing_is_said_of_the_peer_law_3)
{
    struct listener *listener = listen_and_keep(play_served);
    look_in_full(listener);
    SSL_CTX_set_client_hello_cb(served, hello_refused, NULL);
    budget_is_spent = true;
    const struct evidence *e = look(listener);
    found(e, OUTCOME_LIMITED);
    ck_assert_int_eq(outcome_says(e->outcome), SAYS_OURS);
    ck_assert_uint_eq(atomic_load(&listener->connections), 2);
    budget_is_spent = false;
    look_in_full(listener); /* and the session is gone */
    look_in_full(listener); /* no other one has taken its place */
    stop_listening(listener);
}
END_TEST

/* What fails in full too is found, as ever, of the second connection alone. */
START_TEST(what_fails_in_full_too_is_found)
{
    struct listener *listener = listen_and_keep(play_served);
    look_in_full(listener);
    SSL_CTX_set_client_hello_cb(served, hello_refused, NULL);
    SSL_CTX_set_cipher_list(served, "PSK-AES128-CBC-SHA:@SECLEVEL=0");
    SSL_CTX_set_max_proto_version(served, TLS1_2_VERSION);
    const struct evidence *e = look(listener);
    found(e, OUTCOME_TLS_ALERT);
    ck_assert_uint_eq(e->alert, SSL_AD_HANDSHAKE_FAILURE);
    ck_assert_uint_eq(e->tls_version, 0);
    ck_assert(!e->resumed && e->offered_starttls);
    stop_listening(listener);
}
END_TEST

static X509 *certificate_until(EVP_PKEY *of, int64_t not_after_s)
{
    return pki_certificate(&(struct pki_spec){.common_name = "mx.example",
                                              .alternative = "DNS:mx.example",
                                              .key = of,
                                              .not_before_s = time(NULL) - 3600,
                                              .not_after_s = not_after_s});
}

/* The certificate that the session vouched for is given back, and counts for nothing. */
static void breaks_behind_a_resumption(bool hangs, bool silent)
{
    struct listener *listener = listen_and_keep(play_breaks_where_resumed);
    const struct evidence *first = look_in_full(listener);
    EVP_PKEY *other = pki_key_rsa(2048);
    SSL_CTX_use_certificate(served, certificate_until(other, time(NULL) + PKI_YEAR_S));
    SSL_CTX_use_PrivateKey(served, other);
    SSL_CTX_set_client_hello_cb(served, NULL, NULL);
    hangs_up = hangs;
    stays_silent = silent;
    const struct evidence *e = look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&listener->connections), 3);
    ck_assert_uint_eq(e->chain_count, 1);
    ck_assert_ptr_ne(e->chain[0], first->chain[0]);
    ck_assert_uint_eq(e->tlsa_count, 1);
    ck_assert_int_eq(e->tlsa[0].fate, TLSA_NO_MATCH);
    ck_assert_uint_eq(e->keywords, KEYWORD_DSN | KEYWORD_SMTPUTF8);
    stop_listening(listener);
}

START_TEST(what_breaks_behind_a_resumption_is_tried_in_full_as_from_the_start)
{
    breaks_behind_a_resumption(false, false);
}
END_TEST

START_TEST(closing_behind_a_resumption_is_no_finding_and_the_same_is_tried_in_full)
{
    breaks_behind_a_resumption(true, false);
}
END_TEST

START_TEST(silence_behind_a_resumption_is_no_finding_and_the_same_is_tried_in_full)
{
    breaks_behind_a_resumption(false, true);
}
END_TEST

/* A server resumes though it shows another certificate by now: until the next full handshake. */
START_TEST(an_exchanged_certificate_is_found_at_the_next_full_handshake)
{
    enum { APART_MS = 2000 };
    struct listener *listener = listen_and_keep(play_served);
    world->settings.full_handshake_ms = APART_MS;
    const struct evidence *first = look_in_full(listener);
    EVP_PKEY *other = pki_key_rsa(2048);
    SSL_CTX_use_certificate(served, certificate_until(other, time(NULL) + PKI_YEAR_S));
    SSL_CTX_use_PrivateKey(served, other);
    const struct evidence *e = look_and_resume(listener);
    ck_assert_ptr_eq(e->chain[0], first->chain[0]);
    while (clock_boot_ms() <= first->began_ms + APART_MS)
        usleep(20000);
    e = look_in_full(listener);
    ck_assert_ptr_ne(e->chain[0], first->chain[0]);
    ck_assert_int_eq(e->tlsa[0].fate, TLSA_NO_MATCH);
    look_in_full(listener); /* what meets no record is looked at in full */
    stop_listening(listener);
}
END_TEST

START_TEST(under_another_tlsa_set_no_session_is_offered_DANE_40)
{
    struct listener *listener = listen_and_keep(play_served);
    struct endpoint_key k = key_of(listener->address, listener->port);
    look_in_full(listener);
    k.tlsa_digest[0] = 1;
    found(look_by(&k, met_record()), OUTCOME_TLS_OK);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 0);
    look_and_resume(listener);
    stop_listening(listener);
}
END_TEST

/* Even where another host would take it: it would tell the two that it is the same who asks. */
START_TEST(a_session_is_offered_to_nobody_but_whom_it_is_of_DANE_40_PIT_15)
{
    struct listener *listener = listen_and_keep(play_served);
    struct listener *other_port = listen_on("127.0.0.1", play_served);
    struct endpoint_key k = key_of(listener->address, listener->port);
    look_in_full(listener);
    look_in_full(other_port);
    ck_assert_int_eq(name_parse(&k.server_name, "mx2.example", 11), NAME_OK);
    found(look_by(&k, met_record()), OUTCOME_TLS_OK);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 0);
    look_and_resume(listener);
    look_and_resume(other_port);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 2);
    stop_listening(listener);
    stop_listening(other_port);
}
END_TEST

START_TEST(when_a_certificate_has_run_out_the_next_look_is_in_full)
{
    struct listener *listener = listen_and_keep(play_served);
    const time_t end_s = time(NULL) + 2;
    SSL_CTX_use_certificate(served, certificate_until(key, end_s));
    look_in_full(listener);
    while (time(NULL) < end_s)
        usleep(20000);
    look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 0);
    stop_listening(listener);
}
END_TEST

START_TEST(a_stripped_starttls_is_seen_as_ever_PIT_20)
{
    struct listener *listener = listen_and_keep(play_stripped);
    look_in_full(listener);
    const struct evidence *e = look(listener);
    found(e, OUTCOME_NO_STARTTLS);
    ck_assert(!e->resumed);
    stop_listening(listener);
}
END_TEST

/* The test's roots do not know its issuer: it proves nobody, and is looked at anew each time. */
START_TEST(where_the_certificate_counts_for_nothing_no_session_is_kept)
{
    struct listener *listener = listen_and_keep(play_served);
    struct endpoint_key k = key_of(listener->address, listener->port);
    for (int i = 0; i < 2; i++) {
        const struct evidence *e = look_by(&k, NULL);
        found(e, OUTCOME_TLS_OK);
        ck_assert(!e->resumed);
    }
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 0);
    stop_listening(listener);
}
END_TEST

START_TEST(after_a_look_that_was_not_conclusive_the_next_is_in_full)
{
    struct listener *listener = listen_and_keep(play_served_refuses_inside);
    look_in_full(listener);
    look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 0);
    stop_listening(listener);
}
END_TEST

/* A probe that is on its way when the settings change: whoever judged its certificate. */
static void a_reload_comes_between(struct listener *listener, const counter *happened)
{
    const uint64_t before = counter_read(happened), patience_ms = clock_boot_ms() + 10000;
    struct endpoint_key k = key_of(listener->address, listener->port);
    ck_assert_int_eq(prober_start(world->prober, &k, met_record(), looks), 0);
    while (counter_read(happened) == before && clock_boot_ms() < patience_ms)
        turn();
    prober_reload(world->prober, &world->settings);
    ck_assert_uint_eq(world->ended, looks); /* not too late */
    run_until(++looks);
    found(world->evidence[looks - 1], OUTCOME_TLS_OK);
}

START_TEST(no_session_rests_on_what_other_settings_judged_DANE_40_TLS_24)
{
    struct listener *listener = listen_and_keep(play_served);
    a_reload_comes_between(listener, &prober_counts(world->prober)->handshakes);
    look_in_full(listener);
    a_reload_comes_between(listener, &prober_counts(world->prober)->resumed);
    ck_assert(world->evidence[looks - 1]->resumed);
    usleep(2000);
    look_in_full(listener);
    look_and_resume(listener);
    stop_listening(listener);
}
END_TEST

START_TEST(other_settings_forget_all_sessions)
{
    struct listener *listener = listen_and_keep(play_served);
    look_in_full(listener);
    prober_reload(world->prober, &world->settings);
    usleep(2000);
    look_in_full(listener);
    ck_assert_uint_eq(prober_forget_sessions(world->prober, 64), 1);
    look_in_full(listener);
    ck_assert_uint_eq(atomic_load(&asked_to_resume), 0);
    stop_listening(listener);
}
END_TEST

#endif
