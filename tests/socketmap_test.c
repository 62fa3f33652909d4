/*
 * socketmap_test.c - netstrings, the socketmap protocol in them, and how the MTAs' protocols are
 * told apart. Every input is given cut at every byte, in a piece of memory of exactly its size.
 */
#include "ipc/wire/socketmap.h"

#include "ipc/wire/netstring.h"
#include "ipc/wire/protocol.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* What `bytes` come to; until its outcome is known, each beginning of it must be TAKE_MORE.
 * *known is how many bytes were needed. */
static enum take_status take(const char *bytes, size_t size, size_t most, size_t *known)
{
    for (size_t given = 0; given <= size; given++) {
        char *copy = malloc(given + 1);
        const char *payload = NULL;
        size_t length = 0, used = 1;
        ck_assert_ptr_nonnull(copy);
        memcpy(copy + 1, bytes, given); /* ends where the memory ends */
        enum take_status status = netstring_take(&payload, &length, copy + 1, given, most, &used);
        ck_assert_uint_eq(used, status == TAKE_WHOLE ? given : 0);
        free(copy);
        *known = given;
        if (status != TAKE_MORE)
            return status;
    }
    return TAKE_MORE;
}

static void lost_at(const char *bytes, size_t most, size_t needed)
{
    size_t known;
    ck_assert_msg(take(bytes, strlen(bytes), most, &known) == TAKE_LOST, "taken: %s", bytes);
    ck_assert_uint_eq(known, needed);
}

START_TEST(a_netstring_is_taken_when_its_comma_is_there)
{
    size_t known;
    ck_assert_int_eq(take("5:a b\0c,", 8, 5, &known), TAKE_WHOLE);
    ck_assert_uint_eq(known, 8);
    ck_assert_int_eq(take("0:,5", 4, 0, &known), TAKE_WHOLE);
    ck_assert_uint_eq(known, 3);
    ck_assert_int_eq(take("12:hello", 8, 100, &known), TAKE_MORE);
    ck_assert_int_eq(take("", 0, 100, &known), TAKE_MORE);
}
END_TEST

START_TEST(a_wrong_length_is_lost_at_the_first_byte_that_shows_it)
{
    lost_at("01:a,", 100, 2);
    lost_at("00:,", 100, 2);
    lost_at(":,", 100, 1);
    lost_at("-1:,", 100, 1);
    lost_at(" 1:a,", 100, 1);
    lost_at("1 :a,", 100, 2);
    lost_at("101:", 100, 3);
    lost_at("11:", 10, 2);
    lost_at("9", 8, 1);
    lost_at("1:", 0, 1);
    lost_at("1:ab", 100, 4);
    lost_at("18446744073709551616:", SIZE_MAX, 20); /* one more than there are */
    size_t known;
    ck_assert_int_eq(take("18446744073709551615:", 21, SIZE_MAX, &known), TAKE_MORE);
}
END_TEST

START_TEST(a_netstring_is_put_whole_or_not)
{
    char out[16];
    ck_assert_uint_eq(netstring_put(out, 13, "0123456789", 10), 0);
    ck_assert_uint_eq(netstring_put(out, 14, "0123456789", 10), 14);
    ck_assert_mem_eq(out, "10:0123456789,", 14);
    ck_assert_uint_eq(netstring_put(out, 3, NULL, 0), 3);
    ck_assert_mem_eq(out, "0:,", 3);
    ck_assert_uint_eq(netstring_put(out, 2, NULL, 0), 0);
}
END_TEST

START_TEST(the_key_is_everything_behind_the_first_blank)
{
    struct socketmap_request r;
    size_t used;
    ck_assert_int_eq(socketmap_take(&r, "17:QUERY example.com,9:", 23, &used), TAKE_WHOLE);
    ck_assert_uint_eq(used, 21);
    ck_assert_uint_eq(r.name_length, 5);
    ck_assert_mem_eq(r.name, "QUERY", 5);
    ck_assert_uint_eq(r.key_length, 11);
    ck_assert_mem_eq(r.key, "example.com", 11);

    ck_assert_int_eq(socketmap_take(&r, "9:dsn 4.7 a,", 12, &used), TAKE_WHOLE);
    ck_assert_uint_eq(r.key_length, 5);
    ck_assert_mem_eq(r.key, "4.7 a", 5);

    ck_assert_int_eq(socketmap_take(&r, "4:map ,", 7, &used), TAKE_WHOLE);
    ck_assert_ptr_nonnull(r.key);
    ck_assert_uint_eq(r.key_length, 0);
}
END_TEST

START_TEST(a_request_without_a_blank_has_no_key)
{
    struct socketmap_request r;
    size_t used;
    ck_assert_int_eq(socketmap_take(&r, "3:map,", 6, &used), TAKE_WHOLE);
    ck_assert_uint_eq(r.name_length, 3);
    ck_assert_ptr_null(r.key);
    ck_assert_uint_eq(r.key_length, 0);
    ck_assert_int_eq(socketmap_take(&r, "0:,", 3, &used), TAKE_WHOLE);
    ck_assert_uint_eq(r.name_length, 0);
    ck_assert_ptr_null(r.key);
}
END_TEST

START_TEST(a_request_is_bounded)
{
    static char bytes[SOCKETMAP_REQUEST_BYTES_MAX];
    struct socketmap_request r;
    size_t used;
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes, "10000:", 6);
    bytes[sizeof bytes - 1] = ',';
    ck_assert_int_eq(socketmap_take(&r, bytes, sizeof bytes, &used), TAKE_WHOLE);
    ck_assert_uint_eq(used, SOCKETMAP_REQUEST_BYTES_MAX);
    ck_assert_int_eq(socketmap_take(&r, "10001", 5, &used), TAKE_LOST);
}
END_TEST

static void replies(enum socketmap_status status, const char *text, const char *expected)
{
    char out[SOCKETMAP_REPLY_MAX];
    size_t size = socketmap_put(out, sizeof out, status, text);
    ck_assert_uint_eq(size, strlen(expected));
    ck_assert_mem_eq(out, expected, size);
}

START_TEST(replies_have_the_words_of_socketmap_table)
{
    replies(SOCKETMAP_OK, "secure match=a:.b", "20:OK secure match=a:.b,");
    replies(SOCKETMAP_NOTFOUND, NULL, "9:NOTFOUND ,");
    replies(SOCKETMAP_NOTFOUND, "x", "9:NOTFOUND ,");
    replies(SOCKETMAP_TEMP, "ask later", "14:TEMP ask later,");
    replies(SOCKETMAP_TEMP, NULL, "5:TEMP ,");
    replies(SOCKETMAP_TIMEOUT, "late", "12:TIMEOUT late,");
    replies(SOCKETMAP_PERM, "no map", "11:PERM no map,");
}
END_TEST

START_TEST(an_empty_result_is_never_said)
{
    char out[64];
    ck_assert_uint_eq(socketmap_put(out, sizeof out, SOCKETMAP_OK, NULL), 0);
    ck_assert_uint_eq(socketmap_put(out, sizeof out, SOCKETMAP_OK, ""), 0);
    ck_assert_uint_eq(socketmap_put(out, 6, SOCKETMAP_OK, "a"), 0);
    ck_assert_uint_eq(socketmap_put(out, 7, SOCKETMAP_OK, "a"), 7);
}
END_TEST

START_TEST(reasons_are_printable_and_cut_results_are_as_they_are)
{
    char out[SOCKETMAP_REPLY_MAX], text[SOCKETMAP_TEXT_MAX + 2];
    replies(SOCKETMAP_TEMP, "a\nb\x7f\xc3\xbc~", "12:TEMP a?b???~,");
    replies(SOCKETMAP_OK, "\xc3\xbc", "5:OK \xc3\xbc,");
    memset(text, 'a', sizeof text);
    text[SOCKETMAP_REASON_MAX + 1] = '\0';
    ck_assert_uint_eq(socketmap_put(out, sizeof out, SOCKETMAP_PERM, text), 5 + 200 + 5);
    ck_assert_mem_eq(out, "205:PERM a", 10);
    text[SOCKETMAP_REASON_MAX + 1] = 'a';
    text[SOCKETMAP_TEXT_MAX] = '\0';
    ck_assert_uint_eq(socketmap_put(out, sizeof out, SOCKETMAP_OK, text), SOCKETMAP_REPLY_MAX);
    text[SOCKETMAP_TEXT_MAX] = 'a';
    text[SOCKETMAP_TEXT_MAX + 1] = '\0'; /* a cut policy would be another one */
    ck_assert_uint_eq(socketmap_put(out, sizeof out, SOCKETMAP_OK, text), 0);
}
END_TEST

START_TEST(the_first_word_tells_the_protocol)
{
    static const struct {
        const char *bytes;
        enum protocol protocol;
    } rows[] = {
        {"", PROTOCOL_MORE},
        {"1", PROTOCOL_SOCKETMAP},
        {"0:,", PROTOCOL_SOCKETMAP},
        {"request", PROTOCOL_MORE},
        {"request=", PROTOCOL_DELEGATION},
        {"x9=a b\n", PROTOCOL_DELEGATION},
        {"verdict", PROTOCOL_MORE},
        {"verdict ", PROTOCOL_LINE},
        {"verdict\ta=b", PROTOCOL_LINE},
        {"status\n", PROTOCOL_LINE},
        {"status\r\n", PROTOCOL_LINE},
        {"verdict a=b", PROTOCOL_LINE},
        {" 1=", PROTOCOL_LINE},
        {"=", PROTOCOL_LINE},
        {"\n", PROTOCOL_LINE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(protocol_of(rows[i].bytes, strlen(rows[i].bytes)) == rows[i].protocol, "'%s'",
                      rows[i].bytes);
}
END_TEST

START_TEST(a_first_word_without_an_end_is_a_line)
{
    char bytes[PROTOCOL_WORD_MAX + 1];
    memset(bytes, 'a', sizeof bytes);
    bytes[PROTOCOL_WORD_MAX] = '='; /* too late */
    ck_assert_int_eq(protocol_of(bytes, PROTOCOL_WORD_MAX - 1), PROTOCOL_MORE);
    ck_assert_int_eq(protocol_of(bytes, PROTOCOL_WORD_MAX), PROTOCOL_LINE);
    ck_assert_int_eq(protocol_of(bytes, PROTOCOL_WORD_MAX + 1), PROTOCOL_LINE);
    bytes[PROTOCOL_WORD_MAX - 1] = '=';
    ck_assert_int_eq(protocol_of(bytes, PROTOCOL_WORD_MAX), PROTOCOL_DELEGATION);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("socketmap");
    TCase *netstrings = tcase_create("netstrings");
    tcase_add_test(netstrings, a_netstring_is_taken_when_its_comma_is_there);
    tcase_add_test(netstrings, a_wrong_length_is_lost_at_the_first_byte_that_shows_it);
    tcase_add_test(netstrings, a_netstring_is_put_whole_or_not);
    suite_add_tcase(suite, netstrings);
    TCase *maps = tcase_create("maps");
    tcase_add_test(maps, the_key_is_everything_behind_the_first_blank);
    tcase_add_test(maps, a_request_without_a_blank_has_no_key);
    tcase_add_test(maps, a_request_is_bounded);
    tcase_add_test(maps, replies_have_the_words_of_socketmap_table);
    tcase_add_test(maps, an_empty_result_is_never_said);
    tcase_add_test(maps, reasons_are_printable_and_cut_results_are_as_they_are);
    suite_add_tcase(suite, maps);
    TCase *protocols = tcase_create("protocols");
    tcase_add_test(protocols, the_first_word_tells_the_protocol);
    tcase_add_test(protocols, a_first_word_without_an_end_is_a_line);
    suite_add_tcase(suite, protocols);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
