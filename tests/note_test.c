/*
 * note_test.c - what goes into the evidence of a dialogue is escaped, bounded, and readable
 * (CODE-12).
 */
#include "engine/probe/note.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct evidence e;

static void clear(void)
{
    memset(&e, 0, sizeof e);
}

START_TEST(lines_say_who_spoke)
{
    note_line(&e, NOTE_SERVER, "220 mx");
    note_line(&e, NOTE_CLIENT, "EHLO x");
    note_line(&e, NOTE_REMARK, "TLS");
    ck_assert_str_eq(e.transcript, "S: 220 mx\nC: EHLO x\n-- TLS\n");
    ck_assert_uint_eq(e.transcript_size, strlen(e.transcript));
}
END_TEST

START_TEST(nothing_remote_can_forge_a_line_CODE_12)
{
    note_line(&e, NOTE_SERVER, "220 a\nC: QUIT\r\x1b[2J\x80\\");
    ck_assert_str_eq(e.transcript, "S: 220 a\\x0AC: QUIT\\x0D\\x1B[2J\\x80\\x5C\n");
}
END_TEST

START_TEST(a_full_transcript_is_cut_once_and_says_so)
{
    char line[201];
    for (size_t size = 1; size < sizeof line; size++) {
        clear();
        memset(line, 'x', size);
        line[size] = '\0';
        for (int i = 0; i < 2000; i++)
            note_line(&e, NOTE_SERVER, line);
        size_t end = strlen(e.transcript);
        ck_assert_uint_eq(e.transcript_size, end);
        ck_assert_uint_lt(end, sizeof e.transcript);
        ck_assert_str_eq(e.transcript + end - 5, "\n...\n");
        ck_assert_ptr_eq(strstr(e.transcript, "...\n"), e.transcript + end - 4);
        ck_assert_uint_gt(end, sizeof e.transcript - size - 16); /* not cut before it is full */
    }
}
END_TEST

START_TEST(a_line_that_looks_like_the_mark_does_not_end_the_transcript)
{
    note_line(&e, NOTE_SERVER, "...");
    note_line(&e, NOTE_SERVER, "\n...\n");
    note_line(&e, NOTE_SERVER, "220 go");
    ck_assert_ptr_nonnull(strstr(e.transcript, "S: 220 go\n"));
}
END_TEST

START_TEST(the_lines_of_a_reply_are_joined_and_cut)
{
    note_reply_begins(&e);
    note_reply_line(&e, 550, "5.7.1 no");
    note_reply_line(&e, 550, "");
    note_reply_line(&e, 550, "never\x01");
    ck_assert_uint_eq(e.smtp_code, 550);
    ck_assert_str_eq(e.smtp_text, "5.7.1 no never\\x01");
    for (int i = 0; i < 200; i++)
        note_reply_line(&e, 550, "again and again");
    ck_assert_uint_lt(strlen(e.smtp_text), sizeof e.smtp_text);
    ck_assert_uint_gt(strlen(e.smtp_text), sizeof e.smtp_text - 17);
    note_reply_begins(&e);
    ck_assert_uint_eq(e.smtp_code, 0);
    ck_assert_str_eq(e.smtp_text, "");
}
END_TEST

START_TEST(the_first_line_of_a_greeting_is_kept)
{
    char line[400];
    memset(line, 0xff, sizeof line - 1);
    line[sizeof line - 1] = '\0';
    note_greeting(&e, "mx.example\tESMTP");
    note_greeting(&e, "another");
    ck_assert_str_eq(e.greeting, "mx.example\\x09ESMTP");
    clear();
    note_greeting(&e, line);
    ck_assert_uint_eq(strlen(e.greeting) % 4, 0); /* no escape is cut in half */
    ck_assert_uint_gt(strlen(e.greeting), sizeof e.greeting - 6);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("note");
    TCase *notes = tcase_create("notes");
    tcase_add_checked_fixture(notes, clear, NULL);
    tcase_add_test(notes, lines_say_who_spoke);
    tcase_add_test(notes, nothing_remote_can_forge_a_line_CODE_12);
    tcase_add_test(notes, a_full_transcript_is_cut_once_and_says_so);
    tcase_add_test(notes, a_line_that_looks_like_the_mark_does_not_end_the_transcript);
    tcase_add_test(notes, the_lines_of_a_reply_are_joined_and_cut);
    tcase_add_test(notes, the_first_line_of_a_greeting_is_kept);
    suite_add_tcase(suite, notes);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
