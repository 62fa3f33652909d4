/*
 * postfix_log_test.c - claims about what is read from Postfix's log, with lines as Postfix 3.7
 * to 3.11 write them, and with lines that others had a hand in.
 */
#include "tools/mxwardctl/postfix_log.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "2026-11-30T07:01:23.123456+00:00 mx0 postfix/guarantee/smtp[4242]: "
#define PEER "mx.example.org[192.0.2.1]:25"
#define LINKED                                          \
    HEAD "Verified TLS connection established to " PEER \
         ": TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519"
#define FIELDS ", delay=0.4, delays=0.1/0.01/0.2/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)"
#define SENT   HEAD "4XyZ12abc: to=<bert@example.org>, relay=" PEER FIELDS
#define AT_S   INT64_C(1796022083)

static struct postfix_log log_state;
static struct postfix_delivery delivery;

static bool line(const char *text)
{
    return postfix_log_line(&log_state, text, strlen(text), AT_S + 5, &delivery);
}

static void set_up(void)
{
    memset(&log_state, 0, sizeof log_state);
    setenv("TZ", "UTC", 1);
}

START_TEST(a_delivery_right_behind_its_connection_is_read)
{
    ck_assert(!line(LINKED));
    ck_assert(line(SENT));
    ck_assert_str_eq(delivery.domain, "example.org");
    ck_assert_str_eq(delivery.connection.host, "mx.example.org");
    ck_assert_str_eq(delivery.connection.address, "192.0.2.1");
    ck_assert_uint_eq(delivery.connection.port, 25);
    ck_assert_uint_eq(delivery.connection.tls_version, 0x0304);
    ck_assert_int_eq(delivery.connection.trust, MXW_VERIFIED);
    ck_assert_str_eq(delivery.connection.cipher, "TLS_AES_256_GCM_SHA384");
    ck_assert_int_eq(delivery.connection.at_s, AT_S);
    ck_assert(line(SENT)); /* another recipient of the same message */
}
END_TEST

START_TEST(one_ehlo_inside_tls_belongs_to_its_connection)
{
    static const char discards[] = HEAD "discarding EHLO keywords: PIPELINING";

    ck_assert(!line(LINKED));
    ck_assert(!line(discards));
    ck_assert(line(SENT));
    ck_assert(!line(discards)); /* of the next connection */
    ck_assert(!line(SENT));
    set_up();
    ck_assert(!line(LINKED));
    ck_assert(!line(discards));
    ck_assert(!line(discards));
    ck_assert(!line(SENT));
}
END_TEST

/* Since 3.11: of the connection, and of what was asked beside TLS. */
START_TEST(what_postfix_says_of_tls_may_be_less_than_was_wanted)
{
    static const char *const words[] = {"dane", "dane:encrypt", "dane/requiretls",
                                        "may/requiretls:none", "encrypt/requiretls:nocertmatch"};
    char text[1024];

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        set_up();
        ck_assert(!line(LINKED));
        snprintf(text, sizeof text,
                 HEAD "4XyZ12abc: to=<b@example.org>, relay=" PEER
                      ", delay=1, delays=0/0/0/0, tls=%s, dsn=2.0.0, status=sent (250 ok)",
                 words[i]);
        ck_assert_msg(line(text), "%s", words[i]);
    }
}
END_TEST

START_TEST(what_may_have_come_in_clear_is_not_taken)
{
    static const char *const lines[] = {
        HEAD "4XyZ12abc: host " PEER " said: 450 4.2.0 later (in reply to RCPT TO command)",
        HEAD "4XyZ12abc: lost connection with mx.example.org[192.0.2.1] while sending MAIL FROM",
        HEAD "5AbC98xyz: to=<bert@example.org>, relay=" PEER FIELDS,
        HEAD "4XyZ12abc: to=<bert@example.org>, relay=" PEER ", conn_use=2" FIELDS,
        HEAD "4XyZ12abc: to=<bert@example.org>, relay=mx.example.org[192.0.2.2]:25" FIELDS,
        HEAD "Trusted TLS connection reused to " PEER ": TLSv1.3 with cipher X (256/256 bits)",
        HEAD "4XyZ12abc: to=<b@example.org>, relay=" PEER ", delay=1, tls=may/!x, dsn=2.0.0,"
             " status=sent (250 ok)",
        HEAD "4XyZ12abc: to=<b@example.org>, relay=" PEER ", delay=1, tls=may:none, dsn=2.0.0,"
             " status=sent (250 ok)",
        HEAD "4XyZ12abc: to=<b@example.org>, relay=" PEER ", delay=1, tls=may?/requiretls?,"
             " dsn=2.0.0, status=sent (250 ok)",
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        set_up();
        ck_assert(!line(LINKED));
        ck_assert(line(SENT));
        ck_assert_msg(!line(lines[i]), "%s", lines[i]);
        ck_assert_msg(!line(SENT), "after %s", lines[i]);
    }
    set_up();
    ck_assert(!line(SENT));
}
END_TEST

START_TEST(text_of_peers_and_senders_is_never_taken_for_postfix_own)
{
    static const char *const lines[] = {
        HEAD "4XyZ12abc: to=<a, relay=" PEER FIELDS "@example.org>, relay=none, dsn=5.0.0,"
             " status=bounced (x)",
        HEAD "4XyZ12abc: to=<\"a, relay=" PEER FIELDS "\"@example.org>, relay=none",
        HEAD "4XyZ12abc: to=<b@example.org>, relay=" PEER ", delay=1, dsn=4.0.0,"
             " status=deferred (said: dsn=2.0.0, status=sent (250 ok))",
        HEAD "x Verified TLS connection established to " PEER ": TLSv1.3 with cipher X (1/1 bits)",
        "2026-11-30T07:01:23+00:00 mx0 postfix/smtpd[4242]: 4XyZ12abc: to=<bert@example.org>,"
        " relay=" PEER FIELDS,
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        set_up();
        ck_assert(!line(LINKED));
        ck_assert_msg(!line(lines[i]), "%s", lines[i]);
    }
}
END_TEST

START_TEST(the_key_stands_at_the_end_whatever_names_the_peer_shows)
{
#define K                                                                                        \
    "0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9:0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:" \
    "E8:F9"
#define F                                                                                        \
    "FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:" \
    "FF:FF"
    ck_assert(!line(HEAD PEER ": subject_CN=x, pkey_fingerprint=" F ", issuer_CN=y, fingerprint=" F
                              ", pkey_fingerprint=" K));
    ck_assert(!line(LINKED));
    ck_assert(line(SENT));
    ck_assert_str_eq(delivery.connection.key_sha256,
                     "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9");
    set_up(); /* since Postfix 3.9 */
    ck_assert(!line(HEAD PEER ": subject_CN=x, issuer=y, pkey fingerprint=" F
                              ", cert fingerprint=" F ", pkey fingerprint=" K));
    ck_assert(!line(LINKED));
    ck_assert(line(SENT));
    ck_assert_str_eq(delivery.connection.key_sha256,
                     "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9");
}
END_TEST

START_TEST(what_is_no_sha256_of_a_key_is_not_taken_for_one)
{
    static const char *const ends[] = {
        ": subject_CN=x, issuer_CN=y, fingerprint=AA:BB, pkey_fingerprint=AA:BB",
        ": subject_CN=x, issuer=y, cert fingerprint=AA:BB, pkey fingerprint=AA:BB",
        ": subject_CN=x, issuer=y, cert fingerprint=" F,
        ": subject_CN=x, issuer=y, pkey fingerprint=" F ", cert fingerprint=" F,
        ": raw public key fingerprint=" F,
    };
    char text[1024];

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        set_up();
        snprintf(text, sizeof text, HEAD PEER "%s", ends[i]);
        ck_assert(!line(text));
        ck_assert(!line(LINKED));
        ck_assert(line(SENT));
        ck_assert_str_eq(delivery.connection.key_sha256, "");
    }
}
END_TEST

START_TEST(times_are_read_in_every_form_and_a_connection_ends_with_time)
{
    static const char *const times[] = {"2026-11-30T07:01:23Z", "2026-11-30T08:01:23+0100",
                                        "1796022083.123456", "Nov 30 07:01:23"};
    const char *rest = &LINKED[strlen("2026-11-30T07:01:23.123456+00:00")];
    char text[1024];

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        set_up();
        snprintf(text, sizeof text, "%s%s", times[i], rest);
        ck_assert(!line(text));
        ck_assert_msg(line(SENT), "%s", times[i]);
        ck_assert_int_eq(delivery.connection.at_s, AT_S);
    }
    set_up();
    snprintf(text, sizeof text, "1796021000.5%s", rest);
    ck_assert(!line(text));
    ck_assert(!line(SENT));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("Postfix's log");
    TCase *cases = tcase_create("lines");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, set_up, NULL);
    tcase_add_test(cases, a_delivery_right_behind_its_connection_is_read);
    tcase_add_test(cases, one_ehlo_inside_tls_belongs_to_its_connection);
    tcase_add_test(cases, what_postfix_says_of_tls_may_be_less_than_was_wanted);
    tcase_add_test(cases, what_may_have_come_in_clear_is_not_taken);
    tcase_add_test(cases, text_of_peers_and_senders_is_never_taken_for_postfix_own);
    tcase_add_test(cases, the_key_stands_at_the_end_whatever_names_the_peer_shows);
    tcase_add_test(cases, what_is_no_sha256_of_a_key_is_not_taken_for_one);
    tcase_add_test(cases, times_are_read_in_every_form_and_a_connection_ends_with_time);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
