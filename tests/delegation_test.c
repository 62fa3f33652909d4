/*
 * delegation_test.c - Postfix's policy delegation protocol, as SMTPD_POLICY_README has it.
 */
#include "ipc/wire/delegation.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes a whole request; each beginning of it must be TAKE_MORE. */
static struct delegation_request taken(const char *bytes, size_t size)
{
    struct delegation_request request;
    size_t used;
    for (size_t given = 0; given < size; given++) {
        ck_assert_int_eq(delegation_take(&request, bytes, given, &used), TAKE_MORE);
        ck_assert_uint_eq(used, 0);
    }
    ck_assert_int_eq(delegation_take(&request, bytes, size, &used), TAKE_WHOLE);
    ck_assert_uint_eq(used, size);
    return request;
}

static struct delegation_request taken_text(const char *text)
{
    return taken(text, strlen(text));
}

#define HEAD "request=smtpd_access_policy\n"

START_TEST(what_postfix_sends_is_understood)
{
    struct delegation_request r =
        taken_text(HEAD "protocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.1\n"
                        "client_name=c.example\nhelo_name=h=1.example\nsender=a=b@s.example\n"
                        "recipient=r@d.example\nrecipient_count=3\nqueue_id=8045F2AB23\n"
                        "instance=123.456.7\nsasl_username=user@s.example\nencryption_protocol="
                        "TLSv1.3\npolicy_context=outbound guarantee\ntls_sni=\n\n");
    ck_assert(r.understood && !r.bad && !r.too_long && !r.repeated);
    ck_assert_str_eq(r.protocol_state, "RCPT");
    ck_assert_str_eq(r.client_address, "192.0.2.1");
    ck_assert_str_eq(r.sender, "a=b@s.example");
    ck_assert_str_eq(r.recipient, "r@d.example");
    ck_assert_uint_eq(r.recipient_count, 3);
    ck_assert_str_eq(r.queue_id, "8045F2AB23");
    ck_assert_str_eq(r.instance, "123.456.7");
    ck_assert_str_eq(r.sasl_username, "user@s.example");
    ck_assert_str_eq(r.encryption_protocol, "TLSv1.3");
    ck_assert_str_eq(r.policy_context, "outbound guarantee");
}
END_TEST

START_TEST(an_empty_line_ends_a_request_and_leaves_the_next)
{
    static const char two[] = HEAD "sender=a\n\n" HEAD "sender=b\n\n";
    struct delegation_request r;
    size_t used, first = (sizeof two - 1) / 2;
    ck_assert_int_eq(delegation_take(&r, two, sizeof two - 1, &used), TAKE_WHOLE);
    ck_assert_uint_eq(used, first);
    ck_assert_str_eq(r.sender, "a");
    ck_assert_int_eq(delegation_take(&r, two + first, first, &used), TAKE_WHOLE);
    ck_assert_str_eq(r.sender, "b");
    r = taken_text("request=smtpd_access_policy\r\nsender=c\r\n\r\n");
    ck_assert(r.understood && !r.bad);
    ck_assert_str_eq(r.sender, "c");
}
END_TEST

START_TEST(another_kind_of_request_is_not_understood)
{
    ck_assert(!taken_text("\n").understood);
    ck_assert(!taken_text("sender=a\n\n").understood);
    ck_assert(!taken_text("request=smtpd_access_polic\n\n").understood);
    ck_assert(!taken_text("request=smtpd_access_policy2\n\n").understood);
    ck_assert(!taken_text("request=other\n" HEAD "\n").understood);
}
END_TEST

START_TEST(the_first_of_two_counts_and_the_second_is_told)
{
    struct delegation_request r = taken_text(HEAD "sender=a\nsender=b\n\n");
    ck_assert_str_eq(r.sender, "a");
    ck_assert(r.repeated && !r.bad);
    r = taken_text(HEAD "sasl_username=\nsasl_username=b\n\n");
    ck_assert_str_eq(r.sasl_username, "");
    ck_assert(r.repeated);
    r = taken_text(HEAD "recipient_count=1\nrecipient_count=2\n\n");
    ck_assert_uint_eq(r.recipient_count, 1);
    ck_assert(!taken_text(HEAD "size=1\nsize=2\n\n").repeated); /* nothing of ours */
}
END_TEST

START_TEST(a_value_that_does_not_fit_is_left_out_not_cut)
{
    char text[FRAME_ADDRESS_MAX + 64] = HEAD "sender=";
    size_t at = strlen(text);
    memset(text + at, 'a', FRAME_ADDRESS_MAX - 1);
    strcpy(text + at + FRAME_ADDRESS_MAX - 1, "\n\n");
    struct delegation_request r = taken_text(text);
    ck_assert_uint_eq(strlen(r.sender), FRAME_ADDRESS_MAX - 1);
    ck_assert(!r.too_long);
    text[at + FRAME_ADDRESS_MAX - 1] = 'a';
    strcpy(text + at + FRAME_ADDRESS_MAX, "\n\n");
    r = taken_text(text);
    ck_assert_str_eq(r.sender, "");
    ck_assert(r.too_long == DELEGATION_LONG_SENDER && !r.bad);
    memcpy(text + at - 7, "seNder=", 7); /* not ours: as long as it likes */
    ck_assert(!taken_text(text).too_long);
}
END_TEST

START_TEST(what_did_not_fit_is_named)
{
    static const struct {
        const char *name;
        unsigned too_long;
    } rows[] = {
        {"sender", DELEGATION_LONG_SENDER},
        {"recipient", DELEGATION_LONG_RECIPIENT},
        {"sasl_username", DELEGATION_LONG_ACCOUNT},
        {"protocol_state", DELEGATION_LONG_OTHER},
        {"client_address", DELEGATION_LONG_OTHER},
        {"encryption_protocol", DELEGATION_LONG_OTHER},
        {"policy_context", DELEGATION_LONG_OTHER},
        {"instance", 0}, /* nobody decides by these */
        {"queue_id", 0},
    };
    char value[FRAME_ADDRESS_MAX + 1], text[FRAME_ADDRESS_MAX + 128];

    memset(value, 'a', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, HEAD "%s=%s\n\n", rows[i].name, value);
        ck_assert_uint_eq(taken_text(text).too_long, rows[i].too_long);
    }
}
END_TEST

START_TEST(control_bytes_in_what_we_use_are_bad)
{
    static const char nul[] = HEAD "sender=a\0b\n\n", unused[] = HEAD "helo_name=a\0\x01\n\n";
    struct delegation_request r = taken(nul, sizeof nul - 1);
    ck_assert(r.bad && r.understood);
    ck_assert_str_eq(r.sender, "");
    ck_assert(taken_text(HEAD "sender=a\rb\n\n").bad);
    ck_assert(taken_text(HEAD "recipient=a\x7f\n\n").bad);
    ck_assert(taken_text(HEAD "sender=a\r\r\n\n").bad);
    ck_assert(!taken(unused, sizeof unused - 1).bad);
    ck_assert(!taken_text(HEAD "sender=\xc3\xbc@x\n\n").bad);
}
END_TEST

START_TEST(what_is_no_attribute_and_what_is_no_number_is_bad)
{
    ck_assert(taken_text(HEAD "sender\n\n").bad);
    ck_assert(taken_text(HEAD "=a\n\n").bad);
    ck_assert(taken_text(HEAD "recipient_count=-1\n\n").bad);
    ck_assert(taken_text(HEAD "recipient_count=1x\n\n").bad);
    ck_assert(taken_text(HEAD "recipient_count=4294967296\n\n").bad);
    ck_assert(taken_text(HEAD "recipient_count=99999999999999999999\n\n").bad);
    ck_assert_uint_eq(taken_text(HEAD "recipient_count=100000\n\n").recipient_count, 100000);
    ck_assert(!taken_text(HEAD "recipient_count=\n\n").bad);
}
END_TEST

START_TEST(a_request_is_bounded)
{
    static char bytes[DELEGATION_REQUEST_MAX + 2];
    struct delegation_request r;
    size_t used;
    memset(bytes, 'a', sizeof bytes);
    bytes[1] = '=';
    ck_assert_int_eq(delegation_take(&r, bytes, DELEGATION_REQUEST_MAX - 1, &used), TAKE_MORE);
    ck_assert_int_eq(delegation_take(&r, bytes, DELEGATION_REQUEST_MAX, &used), TAKE_LOST);
    ck_assert_uint_eq(used, 0);
    memcpy(bytes + DELEGATION_REQUEST_MAX - 1, "\n\n", 2); /* a byte too late */
    ck_assert_int_eq(delegation_take(&r, bytes, sizeof bytes - 1, &used), TAKE_LOST);
    bytes[DELEGATION_REQUEST_MAX - 2] = '\n';
    ck_assert_int_eq(delegation_take(&r, bytes, sizeof bytes, &used), TAKE_WHOLE);
    ck_assert_uint_eq(used, DELEGATION_REQUEST_MAX);
}
END_TEST

START_TEST(an_unknown_TLS_version_never_counts_as_good)
{
    static const struct {
        const char *name;
        unsigned version;
    } rows[] = {
        {"", 0},
        {"SSLv3", 0x0300},
        {"TLSv1", 0x0301},
        {"TLSv1.1", 0x0302},
        {"TLSv1.2", 0x0303},
        {"TLSv1.3", 0x0304},
        {"TLSv1.4", 0x0305},
        {"TLSv1.12", 0x030d},
        {"TLSv1.", 0x0300},
        {"TLSv1.0", 0x0300},
        {"TLSv1.03", 0x0300},
        {"TLSv1.3x", 0x0300},
        {"TLSv1.123", 0x0300},
        {"TLSv1.1x", 0x0300},
        {"TLSv13", 0x0300},
        {"TLSv2", 0x0300},
        {"TLSv2.3", 0x0300},
        {"tlsv1.3", 0x0300},
        {"DTLSv1.2", 0x0300},
        {"unknown", 0x0300},
    };
    struct delegation_request r;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(&r, 0, sizeof r);
        strcpy(r.encryption_protocol, rows[i].name);
        ck_assert_msg(delegation_tls(&r) == rows[i].version, "%s", rows[i].name);
    }
}
END_TEST

START_TEST(an_answer_is_one_action_whatever_is_in_it)
{
    char out[DELEGATION_ANSWER_MAX], action[DELEGATION_ACTION_MAX + 1];
    ck_assert_uint_eq(delegation_put(out, sizeof out, "DUNNO"), 14);
    ck_assert_mem_eq(out, "action=DUNNO\n\n", 14);
    ck_assert_uint_eq(delegation_put(out, 14, "DUNNO"), 14);
    ck_assert_uint_eq(delegation_put(out, 13, "DUNNO"), 0);
    ck_assert_uint_eq(delegation_put(out, 8, "D"), 0);
    ck_assert_uint_eq(delegation_put(out, sizeof out, ""), 0);
    ck_assert_uint_eq(delegation_put(out, sizeof out, NULL), 0);
    ck_assert_uint_eq(delegation_put(out, sizeof out, "a\n\naction=OK\r\x7f\xc3"), 24);
    ck_assert_mem_eq(out, "action=a??action=OK???\n\n", 24);
    memset(action, 'a', sizeof action - 1);
    action[sizeof action - 1] = '\0';
    ck_assert_uint_eq(delegation_put(out, sizeof out, action), DELEGATION_ANSWER_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delegation");
    TCase *requests = tcase_create("requests");
    tcase_add_test(requests, what_postfix_sends_is_understood);
    tcase_add_test(requests, an_empty_line_ends_a_request_and_leaves_the_next);
    tcase_add_test(requests, another_kind_of_request_is_not_understood);
    tcase_add_test(requests, the_first_of_two_counts_and_the_second_is_told);
    tcase_add_test(requests, a_value_that_does_not_fit_is_left_out_not_cut);
    tcase_add_test(requests, what_did_not_fit_is_named);
    tcase_add_test(requests, control_bytes_in_what_we_use_are_bad);
    tcase_add_test(requests, what_is_no_attribute_and_what_is_no_number_is_bad);
    tcase_add_test(requests, a_request_is_bounded);
    tcase_add_test(requests, an_unknown_TLS_version_never_counts_as_good);
    suite_add_tcase(suite, requests);
    TCase *answers = tcase_create("answers");
    tcase_add_test(answers, an_answer_is_one_action_whatever_is_in_it);
    suite_add_tcase(suite, answers);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
