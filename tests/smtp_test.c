/*
 * smtp_test.c - the pure SMTP machine against TLS-01..09 and the misbehaviours seen in the field.
 *
 * Every dialogue is played three ways (in one piece, byte by byte, and in pieces of three) and must
 * give the same lines, replies and leftovers.
 */
#include "engine/probe/smtp.h"

#include "engine/base/limits.h"
#include "engine/facts/evidence.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* What one reply came to. */
struct outcome_of_feed {
    enum smtp_event event;
    struct smtp smtp;
    unsigned lines_seen;
    size_t left;      /* bytes behind the end of the reply */
    char joined[512]; /* all texts, a space between */
};

static void note_text(struct outcome_of_feed *o)
{
    size_t size = strlen(o->joined);
    const char *text = smtp_text(&o->smtp);
    if (size + strlen(text) + 2 < sizeof o->joined) {
        if (size > 0)
            o->joined[size++] = ' ';
        strcpy(o->joined + size, text);
    }
}

/* Feeds `bytes` in pieces of `piece` until something ends. */
static void play_in_pieces(struct outcome_of_feed *o, enum smtp_question question,
                           const char *bytes, size_t size, size_t piece)
{
    memset(o, 0, sizeof *o);
    smtp_start(&o->smtp);
    if (question != SMTP_GREETING)
        smtp_expect(&o->smtp, question);
    size_t at = 0;
    o->event = SMTP_MORE;
    while (at < size && (o->event == SMTP_MORE || o->event == SMTP_LINE)) {
        size_t give = size - at < piece ? size - at : piece, used = 0;
        o->event = smtp_feed(&o->smtp, (const uint8_t *)bytes + at, give, &used);
        ck_assert_uint_le(used, give);
        at += used;
        if (o->event == SMTP_LINE || o->event == SMTP_REPLY) {
            o->lines_seen++;
            note_text(o);
        }
    }
    o->left = size - at;
}

static struct outcome_of_feed play_bytes(enum smtp_question question, const char *bytes,
                                         size_t size)
{
    static const size_t pieces[] = {1, 3, 7, 1u << 20};
    struct outcome_of_feed first, other;
    play_in_pieces(&first, question, bytes, size, pieces[0]);
    for (size_t i = 1; i < sizeof pieces / sizeof *pieces; i++) {
        play_in_pieces(&other, question, bytes, size, pieces[i]);
        ck_assert_int_eq(first.event, other.event);
        ck_assert_uint_eq(first.left, other.left);
        ck_assert_uint_eq(first.lines_seen, other.lines_seen);
        ck_assert_str_eq(first.joined, other.joined);
        ck_assert_uint_eq(first.smtp.code, other.smtp.code);
        ck_assert_uint_eq(first.smtp.keywords, other.smtp.keywords);
        ck_assert_int_eq(first.smtp.bare_lf, other.smtp.bare_lf);
        ck_assert_int_eq(first.smtp.masked, other.smtp.masked);
    }
    return first;
}

static struct outcome_of_feed play(enum smtp_question question, const char *text)
{
    return play_bytes(question, text, strlen(text));
}

static void refused(enum smtp_question question, const char *text)
{
    struct outcome_of_feed o = play(question, text);
    ck_assert_msg(o.event == SMTP_MALFORMED, "accepted: %s", text);
    ck_assert_ptr_nonnull(o.smtp.why);
}

START_TEST(a_reply_is_three_digits_and_perhaps_a_text_TLS_01)
{
    struct outcome_of_feed o = play(SMTP_GREETING, "220 mx.example ESMTP ready\r\n");
    ck_assert_int_eq(o.event, SMTP_REPLY);
    ck_assert_uint_eq(o.smtp.code, 220);
    ck_assert_str_eq(o.joined, "mx.example ESMTP ready");
    ck_assert(o.smtp.says_esmtp);
    ck_assert_uint_eq(o.left, 0);

    static const char *const bare[] = {"250\r\n", "250 \r\n", "250\n", "250 \n"};
    for (size_t i = 0; i < 4; i++) {
        o = play(SMTP_OTHER, bare[i]);
        ck_assert_int_eq(o.event, SMTP_REPLY);
        ck_assert_uint_eq(o.smtp.code, 250);
        ck_assert_str_eq(o.joined, "");
    }
    o = play(SMTP_GREETING, "220 laposte\r\n");
    ck_assert_int_eq(o.event, SMTP_REPLY);
    ck_assert(!o.smtp.says_esmtp);
}
END_TEST

START_TEST(a_hyphen_continues_and_the_last_line_ends_TLS_01)
{
    struct outcome_of_feed o = play(SMTP_GREETING, "220-mail.example\r\n220-wait\r\n220 go\r\n");
    ck_assert_int_eq(o.event, SMTP_REPLY);
    ck_assert_uint_eq(o.lines_seen, 3);
    ck_assert_str_eq(o.joined, "mail.example wait go");

    /* A bare code may end a reply of many lines, or continue it. */
    o = play(SMTP_EHLO, "250-mx\r\n250-\r\n250-STARTTLS\r\n250\r\n");
    ck_assert_int_eq(o.event, SMTP_REPLY);
    ck_assert_uint_eq(o.lines_seen, 4);
    ck_assert_uint_eq(o.smtp.keywords, KEYWORD_STARTTLS);

    o = play(SMTP_GREETING, "220-mail.example teaser\r\n");
    ck_assert_int_eq(o.event, SMTP_LINE);
    o = play(SMTP_GREETING, "220-mail.example teaser\r\n220 not yet");
    ck_assert_int_eq(o.event, SMTP_MORE);
}
END_TEST

START_TEST(lines_of_one_reply_share_the_code_TLS_01)
{
    refused(SMTP_EHLO, "250-mx.example\r\n251 STARTTLS\r\n");
    refused(SMTP_EHLO, "250-mx.example\r\n550-no\r\n");
}
END_TEST

START_TEST(codes_outside_two_to_five_are_fatal_TLS_01)
{
    refused(SMTP_OTHER, "150 hm\r\n");
    refused(SMTP_OTHER, "650 hm\r\n");
    refused(SMTP_OTHER, "050 hm\r\n");
    refused(SMTP_OTHER, "999 hm\r\n");
}
END_TEST

START_TEST(what_is_not_a_reply_is_refused_at_its_first_wrong_byte_TLS_01)
{
    refused(SMTP_GREETING, "SSH-2.0-OpenSSH_9");
    refused(SMTP_GREETING, "HTTP/1.1 400 Bad Request\r\n");
    refused(SMTP_GREETING, "* OK IMAP4rev1\r\n");
    refused(SMTP_GREETING, "+OK POP3\r\n");
    refused(SMTP_GREETING, "\r\n220 late\r\n");
    refused(SMTP_GREETING, "\n");
    refused(SMTP_GREETING, " 220 hm\r\n");
    refused(SMTP_GREETING, "22\r\n");
    refused(SMTP_GREETING, "2x");
    refused(SMTP_GREETING, "2200 hm\r\n");
    refused(SMTP_GREETING, "220:");
    refused(SMTP_GREETING, "220\thm\r\n");
    refused(SMTP_GREETING, "220\rx\r\n");
    refused(SMTP_GREETING, "\x16\x03\x01");
    struct outcome_of_feed o = play_bytes(SMTP_GREETING, "\0\0\0", 3);
    ck_assert_int_eq(o.event, SMTP_MALFORMED);
    o = play(SMTP_GREETING, "22");
    ck_assert_int_eq(o.event, SMTP_MORE);
}
END_TEST

/* `count` bytes of 'a' behind `head`, then `tail`; freed by the caller. */
static char *long_text(const char *head, size_t count, const char *tail)
{
    size_t head_size = strlen(head);
    char *text = malloc(head_size + count + strlen(tail) + 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, head, head_size);
    memset(text + head_size, 'a', count);
    strcpy(text + head_size + count, tail);
    return text;
}

START_TEST(a_line_may_be_longer_than_512_and_not_than_the_limit_TLS_02)
{
    char *text = long_text("250 ", LIMIT_SMTP_LINE - 6, "\r\n");
    ck_assert_int_eq(play(SMTP_OTHER, text).event, SMTP_REPLY);
    free(text);
    text = long_text("250 ", LIMIT_SMTP_LINE - 5, "\r\n");
    ck_assert_int_eq(play(SMTP_OTHER, text).event, SMTP_TOO_LONG);
    free(text);
    text = long_text("250 ", 1u << 20, "");
    struct outcome_of_feed o = play(SMTP_OTHER, text);
    ck_assert_int_eq(o.event, SMTP_TOO_LONG);
    ck_assert_uint_eq(o.left, (1u << 20) + 4 - LIMIT_SMTP_LINE - 1); /* stopped at the limit */
    free(text);
}
END_TEST

/* Plays `count` equal lines and then `last`. */
static enum smtp_event play_lines(size_t count, const char *line, const char *last)
{
    size_t size = strlen(line);
    char *text = malloc(count * size + strlen(last) + 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * size, line, size);
    strcpy(text + count * size, last);
    enum smtp_event event = play(SMTP_EHLO, text).event;
    free(text);
    return event;
}

START_TEST(lines_and_bytes_of_a_reply_are_bounded_TLS_02)
{
    ck_assert_int_eq(play_lines(LIMIT_SMTP_LINES - 1, "250-x\r\n", "250 y\r\n"), SMTP_REPLY);
    ck_assert_int_eq(play_lines(LIMIT_SMTP_LINES, "250-x\r\n", "250 y\r\n"), SMTP_TOO_LONG);

    char *line = long_text("250-", 1500, "\r\n");
    ck_assert_int_eq(play_lines(60, line, "250 y\r\n"), SMTP_TOO_LONG);
    ck_assert_int_eq(play_lines(40, line, "250 y\r\n"), SMTP_REPLY);
    free(line);
}
END_TEST

START_TEST(a_dialogue_is_bounded_over_its_replies_TLS_02)
{
    struct smtp smtp;
    smtp_start(&smtp);
    char *text = long_text("250 ", 1000, "\r\n");
    enum smtp_event event = SMTP_REPLY;
    size_t fed = 0;
    while (event == SMTP_REPLY && fed < 2 * LIMIT_SMTP_DIALOGUE) {
        size_t used = 0;
        smtp_expect(&smtp, SMTP_OTHER);
        event = smtp_feed(&smtp, (const uint8_t *)text, strlen(text), &used);
        fed += used;
    }
    free(text);
    ck_assert_int_eq(event, SMTP_TOO_LONG);
    ck_assert_uint_eq(fed, LIMIT_SMTP_DIALOGUE + 1);
}
END_TEST

START_TEST(a_bare_line_feed_ends_a_line_and_is_noted_TLS_02)
{
    struct outcome_of_feed o = play(SMTP_EHLO, "250-mx\n250 STARTTLS\n");
    ck_assert_int_eq(o.event, SMTP_REPLY);
    ck_assert_uint_eq(o.smtp.keywords, KEYWORD_STARTTLS);
    ck_assert(o.smtp.bare_lf);
    o = play(SMTP_EHLO, "250-mx\r\n250 STARTTLS\r\r\n");
    ck_assert_int_eq(o.event, SMTP_REPLY);
    ck_assert_uint_eq(o.smtp.keywords, KEYWORD_STARTTLS);
    ck_assert(!o.smtp.bare_lf);
}
END_TEST

static uint32_t keywords_of(const char *line)
{
    char text[128] = "250-mx.example\r\n";
    strcat(text, line);
    struct outcome_of_feed o = play(SMTP_EHLO, text);
    ck_assert_int_eq(o.event, SMTP_REPLY);
    return o.smtp.keywords;
}

START_TEST(starttls_is_a_whole_keyword_on_its_own_line_TLS_05)
{
    ck_assert_uint_eq(keywords_of("250 STARTTLS\r\n"), KEYWORD_STARTTLS);
    ck_assert_uint_eq(keywords_of("250 starttls\r\n"), KEYWORD_STARTTLS);
    ck_assert_uint_eq(keywords_of("250 StartTLS and more\r\n"), KEYWORD_STARTTLS);
    ck_assert_uint_eq(keywords_of("250-STARTTLS\r\n250 DSN\r\n"), KEYWORD_STARTTLS | KEYWORD_DSN);
    ck_assert_uint_eq(keywords_of("250 STARTTLS \r\n"), KEYWORD_STARTTLS);
    ck_assert_uint_eq(keywords_of("250 STARTTLS\tx\r\n"), KEYWORD_STARTTLS);
    ck_assert_uint_eq(keywords_of("250 XSTARTTLS\r\n"), 0);
    ck_assert_uint_eq(keywords_of("250 STARTTLSX\r\n"), 0);
    ck_assert_uint_eq(keywords_of("250 STARTTL\r\n"), 0);
    ck_assert_uint_eq(keywords_of("250 STARTTLS.example\r\n"), 0);
    ck_assert_uint_eq(keywords_of("250  STARTTLS\r\n"), 0);
    ck_assert_uint_eq(keywords_of("250 HELP STARTTLS\r\n"), 0);
    ck_assert_uint_eq(keywords_of("250\r\n"), 0);
}
END_TEST

START_TEST(the_first_line_is_a_name_and_never_a_keyword_TLS_05)
{
    ck_assert_uint_eq(play(SMTP_EHLO, "250 STARTTLS\r\n").smtp.keywords, 0);
    ck_assert_uint_eq(play(SMTP_EHLO, "250-STARTTLS\r\n250 DSN\r\n").smtp.keywords, KEYWORD_DSN);
    /* Nor is the text of a refusal, of a greeting or of any other reply. */
    ck_assert_uint_eq(play(SMTP_EHLO, "550-no\r\n550 STARTTLS\r\n").smtp.keywords, 0);
    ck_assert_uint_eq(play(SMTP_GREETING, "220-x\r\n220 STARTTLS\r\n").smtp.keywords, 0);
    ck_assert_uint_eq(play(SMTP_OTHER, "250-x\r\n250 STARTTLS\r\n").smtp.keywords, 0);
}
END_TEST

START_TEST(every_keyword_of_the_evidence_is_recognised)
{
    struct outcome_of_feed o =
        play(SMTP_EHLO, "250-mx\r\n250-REQUIRETLS\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n"
                        "250-PIPELINING\r\n250-SIZE 1000\r\n250-CHUNKING\r\n250-DSN\r\n"
                        "250-AUTH PLAIN\r\n250-ENHANCEDSTATUSCODES\r\n250-MT-PRIORITY MIXER\r\n"
                        "250-LIMITS RCPTMAX=5\r\n250-X-SOMETHING\r\n250 STARTTLS\r\n");
    ck_assert_uint_eq(o.smtp.keywords, (1u << 12) - 1);
    ck_assert_uint_eq(keywords_of("250 AUTH=LOGIN\r\n"), KEYWORD_AUTH);
    ck_assert_uint_eq(keywords_of("250 SIZE=5\r\n"), 0);
}
END_TEST

START_TEST(a_masked_keyword_is_seen_as_a_mask_not_as_an_extension)
{
    struct outcome_of_feed o = play(SMTP_EHLO, "250-mx\r\n250-SIZE 1\r\n250 XXXXXXXA\r\n");
    ck_assert(o.smtp.masked);
    ck_assert_uint_eq(o.smtp.keywords, KEYWORD_SIZE);
    ck_assert(play(SMTP_EHLO, "250-mx\r\n250 XXXXXXXX\r\n").smtp.masked);
    ck_assert(play(SMTP_EHLO, "250-mx\r\n250-XXXXXXXXXXXXXXXXXXB\r\n250 X\r\n").smtp.masked);
    ck_assert(!play(SMTP_EHLO, "250-mx\r\n250-XEXCH50\r\n250 X-ANONYMOUSTLS\r\n").smtp.masked);
    ck_assert(!play(SMTP_EHLO, "250-mx\r\n250 XXX\r\n").smtp.masked);
    ck_assert(!play(SMTP_EHLO, "250 XXXXXXXA\r\n").smtp.masked); /* the name line */

    ck_assert(play(SMTP_GREETING, "220 ****************0*2**0*\r\n").smtp.masked);
    ck_assert(!play(SMTP_GREETING, "220 *** welcome ***\r\n").smtp.masked);
    ck_assert(!play(SMTP_GREETING, "220\r\n").smtp.masked);
}
END_TEST

START_TEST(what_follows_the_reply_is_left_to_the_caller_TLS_08)
{
    struct outcome_of_feed o = play(SMTP_OTHER, "220 go\r\n250-evil\r\n");
    ck_assert_int_eq(o.event, SMTP_REPLY);
    ck_assert_uint_eq(o.left, strlen("250-evil\r\n"));
    ck_assert_uint_eq(play(SMTP_OTHER, "220 go\r\n\n").left, 1);
    ck_assert_uint_eq(play(SMTP_OTHER, "220 go\n\r\n").left, 2); /* bare LF hides nothing */
    ck_assert_uint_eq(play(SMTP_OTHER, "220 go\r\n").left, 0);
}
END_TEST

static void feed_all(struct smtp *smtp, const char *text)
{
    size_t at = 0, size = strlen(text);
    while (at < size) {
        size_t used = 0;
        enum smtp_event event = smtp_feed(smtp, (const uint8_t *)text + at, size - at, &used);
        ck_assert(event == SMTP_LINE || event == SMTP_REPLY);
        at += used;
    }
}

START_TEST(everything_learned_in_clear_is_forgotten_when_TLS_starts_TLS_09)
{
    struct smtp smtp;
    smtp_start(&smtp);
    feed_all(&smtp, "220 mx ESMTP\n");
    smtp_expect(&smtp, SMTP_EHLO);
    feed_all(&smtp, "250-mx\r\n250-REQUIRETLS\r\n250-XXXXXXXA\r\n250 AUTH PLAIN\r\n");
    ck_assert_uint_eq(smtp.keywords, KEYWORD_REQUIRETLS | KEYWORD_AUTH);
    smtp_forget(&smtp);
    struct smtp fresh;
    smtp_start(&fresh);
    ck_assert_mem_eq(&smtp, &fresh, sizeof smtp);
    smtp_expect(&smtp, SMTP_EHLO);
    feed_all(&smtp, "250-mx\r\n250 DSN\r\n");
    ck_assert_uint_eq(smtp.keywords, KEYWORD_DSN);
}
END_TEST

START_TEST(a_second_ehlo_reply_replaces_the_first)
{
    struct smtp smtp;
    smtp_start(&smtp);
    smtp_expect(&smtp, SMTP_EHLO);
    feed_all(&smtp, "250-mx\r\n250-XXXXXXXA\r\n250 STARTTLS\r\n");
    smtp_expect(&smtp, SMTP_EHLO);
    feed_all(&smtp, "250 mx\r\n");
    ck_assert_uint_eq(smtp.keywords, 0);
    ck_assert(!smtp.masked);
}
END_TEST

static void enhanced_is(const char *text, unsigned class, unsigned subject, unsigned detail)
{
    struct outcome_of_feed o = play(SMTP_OTHER, text);
    ck_assert_int_eq(o.event, SMTP_REPLY);
    ck_assert_uint_eq(o.smtp.enhanced_class, class);
    ck_assert_uint_eq(o.smtp.enhanced_subject, subject);
    ck_assert_uint_eq(o.smtp.enhanced_detail, detail);
}

START_TEST(enhanced_codes_agree_with_the_class_or_are_text)
{
    enhanced_is("454 4.7.0 TLS not available\r\n", 4, 7, 0);
    enhanced_is("550 5.7.30 x\r\n", 5, 7, 30);
    enhanced_is("550-5.7.1 x\r\n550 5.9.9 y\r\n", 5, 7, 1);
    enhanced_is("250 2.0.0\r\n", 2, 0, 0);
    enhanced_is("550 4.7.1 x\r\n", 0, 0, 0);
    enhanced_is("550 5.7 x\r\n", 0, 0, 0);
    enhanced_is("550 5.7.1x\r\n", 0, 0, 0);
    enhanced_is("550 5.7777.1 x\r\n", 0, 0, 0);
    enhanced_is("550 5..1 x\r\n", 0, 0, 0);
    enhanced_is("500 #5.5.1\r\n", 0, 0, 0);
}
END_TEST

static bool rate(const char *text)
{
    struct outcome_of_feed o = play(SMTP_GREETING, text);
    ck_assert_int_eq(o.event, SMTP_REPLY);
    return smtp_is_rate_signal(&o.smtp, o.joined);
}

START_TEST(refusals_for_rate_are_told_from_refusals)
{
    ck_assert(rate("421 4.7.0 mx.example Error: too many connections from 192.0.2.1\r\n"));
    ck_assert(rate("421 #4.4.5 Too many connections to this host.\r\n"));
    ck_assert(rate("421-mx.example\r\n421 Too many timeouts. Expected removal in 3.2 days\r\n"));
    ck_assert(rate("450 4.7.1 try later\r\n"));
    ck_assert(rate("554 Rate Limit for your address\r\n"));
    ck_assert(rate("421 You are being THROTTLED\r\n"));
    ck_assert(!rate("421 Service not available, closing transmission channel\r\n"));
    ck_assert(!rate("450 4.3.2 system not accepting network messages\r\n"));
    ck_assert(!rate("554 5.7.1 blocked using a list\r\n"));
    ck_assert(!rate("220 mx too many connections\r\n"));
}
END_TEST

START_TEST(a_command_never_carries_a_second_one)
{
    char out[32];
    ck_assert_uint_eq(smtp_command(out, sizeof out, "EHLO", "probe.example"), 20);
    ck_assert_mem_eq(out, "EHLO probe.example\r\n", 20);
    ck_assert_uint_eq(smtp_command(out, sizeof out, "QUIT", NULL), 6);
    ck_assert_mem_eq(out, "QUIT\r\n", 6);
    ck_assert_uint_eq(smtp_command(out, sizeof out, "EHLO", "a\r\nMAIL"), 0);
    ck_assert_uint_eq(smtp_command(out, sizeof out, "EHLO", "a\nb"), 0);
    ck_assert_uint_eq(smtp_command(out, sizeof out, "EHLO", "a b"), 0);
    ck_assert_uint_eq(smtp_command(out, sizeof out, "EHLO", "\x7f"), 0);
    ck_assert_uint_eq(smtp_command(out, sizeof out, "EHLO", "\xc3\xbc"), 0);
    ck_assert_uint_eq(smtp_command(out, 19, "EHLO", "probe.example"), 0);
    ck_assert_uint_eq(smtp_command(out, 20, "EHLO", "probe.example"), 20);
}
END_TEST

START_TEST(the_machine_is_small)
{
    /* A connection held at the greeting has one of these and no other buffer. */
    ck_assert_uint_le(sizeof(struct smtp), 320);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp");
    TCase *replies = tcase_create("replies");
    tcase_add_test(replies, a_reply_is_three_digits_and_perhaps_a_text_TLS_01);
    tcase_add_test(replies, a_hyphen_continues_and_the_last_line_ends_TLS_01);
    tcase_add_test(replies, lines_of_one_reply_share_the_code_TLS_01);
    tcase_add_test(replies, codes_outside_two_to_five_are_fatal_TLS_01);
    tcase_add_test(replies, what_is_not_a_reply_is_refused_at_its_first_wrong_byte_TLS_01);
    tcase_add_test(replies, a_line_may_be_longer_than_512_and_not_than_the_limit_TLS_02);
    tcase_add_test(replies, lines_and_bytes_of_a_reply_are_bounded_TLS_02);
    tcase_add_test(replies, a_dialogue_is_bounded_over_its_replies_TLS_02);
    tcase_add_test(replies, a_bare_line_feed_ends_a_line_and_is_noted_TLS_02);
    suite_add_tcase(suite, replies);
    TCase *ehlo = tcase_create("keywords");
    tcase_add_test(ehlo, starttls_is_a_whole_keyword_on_its_own_line_TLS_05);
    tcase_add_test(ehlo, the_first_line_is_a_name_and_never_a_keyword_TLS_05);
    tcase_add_test(ehlo, every_keyword_of_the_evidence_is_recognised);
    tcase_add_test(ehlo, a_masked_keyword_is_seen_as_a_mask_not_as_an_extension);
    tcase_add_test(ehlo, a_second_ehlo_reply_replaces_the_first);
    suite_add_tcase(suite, ehlo);
    TCase *trust = tcase_create("trust");
    tcase_add_test(trust, what_follows_the_reply_is_left_to_the_caller_TLS_08);
    tcase_add_test(trust, everything_learned_in_clear_is_forgotten_when_TLS_starts_TLS_09);
    tcase_add_test(trust, enhanced_codes_agree_with_the_class_or_are_text);
    tcase_add_test(trust, refusals_for_rate_are_told_from_refusals);
    tcase_add_test(trust, a_command_never_carries_a_second_one);
    tcase_add_test(trust, the_machine_is_small);
    suite_add_tcase(suite, trust);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
