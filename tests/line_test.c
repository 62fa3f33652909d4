/*
 * line_test.c - the line protocol. What Exim 4.96 writes with ${quote:…} and reads with ${extract}
 * was tried with the program itself; the expectations here are what it did.
 */
#include "ipc/wire/line.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes a line, with its end or with the peer's; each beginning must be TAKE_MORE. */
static const char *take_bytes(struct line_request *request, const char *line, size_t size)
{
    const char *why;
    size_t used;
    for (size_t given = 0; given < size; given++) {
        ck_assert_int_eq(line_take(request, line, given, false, &used, &why), TAKE_MORE);
        ck_assert_uint_eq(used, 0);
    }
    bool has_end = size > 0 && line[size - 1] == '\n';
    ck_assert_int_eq(line_take(request, line, size, !has_end, &used, &why), TAKE_WHOLE);
    ck_assert_uint_eq(used, size);
    ck_assert(!why || (request->command[0] == '\0' && request->count == 0));
    return why;
}

static void reads(struct line_request *request, const char *line)
{
    const char *why = take_bytes(request, line, strlen(line));
    ck_assert_msg(!why, "%s: %s", line, why);
}

static void refuses(const char *line, const char *part)
{
    struct line_request request;
    const char *why = take_bytes(&request, line, strlen(line));
    ck_assert_msg(why && strstr(why, part), "%s: %s", line, why ? why : "(read)");
}

static void has_value(const struct line_request *request, const char *key, const char *value)
{
    const char *there = line_value(request, key);
    ck_assert_ptr_nonnull(there);
    ck_assert_str_eq(there, value);
}

START_TEST(a_line_is_a_command_and_fields)
{
    struct line_request r;
    reads(&r, "verdict sender=a=b@c.example  recipient=\"d e\"\tempty= also=\"\" \n");
    ck_assert_str_eq(r.command, "verdict");
    ck_assert_uint_eq(r.count, 4);
    ck_assert_str_eq(r.fields[0].key, "sender");
    has_value(&r, "sender", "a=b@c.example");
    has_value(&r, "recipient", "d e");
    has_value(&r, "empty", "");
    has_value(&r, "also", "");
    ck_assert_ptr_null(line_value(&r, "Sender"));
    reads(&r, "status\r\n");
    ck_assert_str_eq(r.command, "status");
    ck_assert_uint_eq(r.count, 0);
}
END_TEST

START_TEST(the_end_of_the_peer_ends_a_line)
{
    struct line_request r;
    const char *why;
    size_t used;
    reads(&r, "a b=c");
    has_value(&r, "b", "c");
    reads(&r, "a b=c\r");
    has_value(&r, "b", "c");
    ck_assert_int_eq(line_take(&r, "a\nb", 3, true, &used, &why), TAKE_WHOLE);
    ck_assert_uint_eq(used, 2);
    ck_assert_str_eq(r.command, "a");
    ck_assert_int_eq(line_take(&r, "", 0, true, &used, &why), TAKE_MORE); /* no request */
}
END_TEST

START_TEST(what_exim_quotes_comes_back_exactly)
{
    struct line_request r;
    /* ${quote:a<tab>b<LF>c<CR>d<1>e<DEL>f ü} */
    reads(&r, "c k=\"a\tb\\nc\\rd\001e\177f \xc3\xbc\"\n");
    has_value(&r, "k", "a\tb\nc\rd\001e\177f \xc3\xbc");
    reads(&r, "c k=\"a b\\\"c\\\\d\"\n"); /* ${quote:a b"c\d} */
    has_value(&r, "k", "a b\"c\\d");
}
END_TEST

START_TEST(escapes_are_read_as_exim_reads_them)
{
    struct line_request r;
    reads(&r, "c k=\"x\\\\y\\\"z\\nq\\tt\\0017\\1778\\013\\8\\q\\x41\\x4g\\b\\f\\v\\r\"\n");
    has_value(&r, "k", "x\\y\"z\nq\tt\001\067\177\070\v8qA\004g\b\f\v\r");
    reads(&r, "c k=x\\ny\n"); /* without quotes it is what it is */
    has_value(&r, "k", "x\\ny");
}
END_TEST

START_TEST(what_cannot_be_read_is_said)
{
    refuses("\n", "no command");
    refuses("\r\n", "no command");
    refuses(" a b=c\n", "no command");
    refuses("a=b\n", "does not begin with a command");
    refuses("\"a\" b=c\n", "does not begin with a command");
    refuses("abcdefghijklmnop b=c\n", "such a long name");
    refuses("a b\n", "no '='");
    refuses("a b c=d\n", "no '='");
    refuses("a b =d\n", "no '='");
    refuses("a =d\n", "no key");
    refuses("a b\"c=d\n", "something else");
    refuses("a b.c=d\n", "something else");
    refuses("a b=c b=d\n", "twice");
    refuses("a b= b=\n", "twice");
    refuses("a b=c\"d\n", "quote it whole");
    refuses("a b=\"c\n", "no end");
    refuses("a b=\"c\\\"\n", "no end");
    refuses("a b=\"c\\\n", "no end");
    refuses("a b=\"c\"d=e\n", "no blank");
    refuses("a b=c\x01\n", "control byte");
    refuses("a b=c\rd\n", "control byte");
    refuses("a b=\"\\0\"\n", "NUL");
    refuses("a b=\"\\x\"\n", "NUL");
    refuses("a b=\"\\400\"\n", "NUL");
    struct line_request r;
    ck_assert_ptr_nonnull(strstr(take_bytes(&r, "a b=c\0d\n", 8), "NUL"));
    ck_assert_ptr_nonnull(strstr(take_bytes(&r, "a b=\"c\0d\"\n", 10), "NUL"));
    reads(&r, "abcdefghijklmno b=c\n");
}
END_TEST

START_TEST(fields_are_bounded)
{
    struct line_request r;
    char line[512] = "a";
    size_t at = 1;
    for (int i = 0; i < LINE_FIELDS_MAX; i++)
        at += (size_t)snprintf(line + at, sizeof line - at, " k%d=", i);
    reads(&r, line);
    ck_assert_uint_eq(r.count, LINE_FIELDS_MAX);
    has_value(&r, "k23", "");
    strcpy(line + at, " more=");
    refuses(line, "too many");
}
END_TEST

START_TEST(a_line_is_bounded)
{
    static char line[LINE_REQUEST_MAX + 1];
    struct line_request r;
    const char *why;
    size_t used;
    memset(line, 'a', sizeof line);
    memcpy(line, "a k=", 4);
    ck_assert_int_eq(line_take(&r, line, LINE_REQUEST_MAX - 1, false, &used, &why), TAKE_MORE);
    ck_assert_int_eq(line_take(&r, line, LINE_REQUEST_MAX - 1, true, &used, &why), TAKE_WHOLE);
    ck_assert_uint_eq(strlen(line_value(&r, "k")), LINE_REQUEST_MAX - 5);
    ck_assert_int_eq(line_take(&r, line, LINE_REQUEST_MAX, false, &used, &why), TAKE_LOST);
    ck_assert_int_eq(line_take(&r, line, LINE_REQUEST_MAX, true, &used, &why), TAKE_LOST);
    line[LINE_REQUEST_MAX] = '\n';
    ck_assert_int_eq(line_take(&r, line, LINE_REQUEST_MAX + 1, false, &used, &why), TAKE_LOST);
    line[LINE_REQUEST_MAX - 1] = '\n';
    ck_assert_int_eq(line_take(&r, line, LINE_REQUEST_MAX + 1, false, &used, &why), TAKE_WHOLE);
    ck_assert_uint_eq(used, LINE_REQUEST_MAX);
}
END_TEST

START_TEST(an_answer_is_what_exim_extracts)
{
    static const char expected[] =
        "action=refuse code=5.7.4 text=\"no \\\"TLS\\\" \\\\ at \\0121\" "
        "none=\"\" null=\"\" age=18446744073709551615 who=a@b.c:1/x+-\n";
    char out[128];
    struct line_answer answer;
    line_begin(&answer, out, sizeof out);
    line_put(&answer, "action", "refuse");
    line_put(&answer, "code", "5.7.4");
    line_put(&answer, "text", "no \"TLS\" \\ at \n1");
    line_put(&answer, "none", "");
    line_put(&answer, "null", NULL);
    line_number(&answer, "age", UINT64_MAX);
    line_put(&answer, "who", "a@b.c:1/x+-");
    ck_assert_uint_eq(line_end(&answer), sizeof expected - 1);
    ck_assert_mem_eq(out, expected, sizeof expected - 1);
}
END_TEST

START_TEST(every_byte_written_is_read_back)
{
    char out[2048] = "a ", value[256];
    struct line_request r;
    struct line_answer answer;
    for (int i = 0; i < 255; i++)
        value[i] = (char)(i + 1);
    value[255] = '\0';
    line_begin(&answer, out + 2, sizeof out - 3);
    line_put(&answer, "k", value);
    size_t size = line_end(&answer);
    ck_assert_uint_gt(size, 0);
    out[2 + size] = '\0';
    reads(&r, out);
    has_value(&r, "k", value);
}
END_TEST

START_TEST(an_answer_that_does_not_fit_is_none)
{
    char out[8];
    struct line_answer answer;
    static const char *const values[] = {"abcdef", "a b", "\n"};
    for (size_t i = 0; i < 3; i++) { /* k=abcdef, k="a b", k="\012" are 8, 7, 8 bytes */
        line_begin(&answer, out, i == 1 ? 7 : 8);
        line_put(&answer, "k", values[i]);
        ck_assert_uint_eq(line_end(&answer), 0);
        ck_assert(answer.full);
    }
    line_begin(&answer, out, 8);
    line_put(&answer, "k", "a b");
    ck_assert_uint_eq(line_end(&answer), 8);
    line_begin(&answer, out, 4);
    line_put(&answer, "k", "abcdef"); /* a later one that fits does not mend it */
    line_put(&answer, "", "a");
    ck_assert_uint_eq(answer.length, 2);
    ck_assert_uint_eq(line_end(&answer), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("line");
    TCase *requests = tcase_create("requests");
    tcase_add_test(requests, a_line_is_a_command_and_fields);
    tcase_add_test(requests, the_end_of_the_peer_ends_a_line);
    tcase_add_test(requests, what_exim_quotes_comes_back_exactly);
    tcase_add_test(requests, escapes_are_read_as_exim_reads_them);
    tcase_add_test(requests, what_cannot_be_read_is_said);
    tcase_add_test(requests, fields_are_bounded);
    tcase_add_test(requests, a_line_is_bounded);
    suite_add_tcase(suite, requests);
    TCase *answers = tcase_create("answers");
    tcase_add_test(answers, an_answer_is_what_exim_extracts);
    tcase_add_test(answers, every_byte_written_is_read_back);
    tcase_add_test(answers, an_answer_that_does_not_fit_is_none);
    suite_add_tcase(suite, answers);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
