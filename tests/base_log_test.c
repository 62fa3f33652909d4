/*
 * base_log_test.c - lines stay lines, floods stay small, and what was kept back is said.
 *
 * Standard error is a pipe; the journal and syslog are datagram sockets of the test's own.
 */
#include "engine/base/limits.h"
#include "engine/base/log.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int said; /* the reading end of what went to standard error */

static void capture(void)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    close(ends[1]);
    said = ends[0];
    unsetenv("JOURNAL_STREAM");
}

static const char *heard(void)
{
    static char text[1 << 18];
    size_t used = 0;
    ssize_t length;
    while ((length = read(said, text + used, sizeof(text) - 1 - used)) > 0)
        used += (size_t)length;
    text[used] = '\0';
    return text;
}

static size_t count_of(const char *text, const char *needle)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at += strlen(needle))
        count++;
    return count;
}

START_TEST(a_line_has_time_level_event_and_text)
{
    log_start(LOG_INFO_LEVEL, "stderr");
    log_info("probe-ended", "host=%s outcome=%s", "mx.example.org", "tls");
    const char *text = heard();
    ck_assert_int_eq(text[4], '-');
    ck_assert_int_eq(text[19], 'Z');
    ck_assert_str_eq(text + 20, " info probe-ended: host=mx.example.org outcome=tls\n");
}
END_TEST

START_TEST(below_the_level_nothing_is_said)
{
    log_start(LOG_WARNING_LEVEL, "stderr");
    log_notice("a", "x");
    log_trace("b", "x");
    ck_assert_str_eq(heard(), "");
    ck_assert(!log_enabled(LOG_NOTICE_LEVEL));
    log_set_level(LOG_TRACE_LEVEL);
    ck_assert(log_enabled(LOG_TRACE_LEVEL));
    log_trace("b", "y");
    ck_assert_ptr_nonnull(strstr(heard(), "trace b: y\n"));
}
END_TEST

START_TEST(a_text_with_line_breaks_is_still_one_line)
{
    log_start(LOG_INFO_LEVEL, "stderr");
    log_error("greeting", "said=%s", "220 a\r\n2026 error forged: x\x1b[2J\x7f");
    const char *text = heard();
    ck_assert_uint_eq(count_of(text, "\n"), 1);
    ck_assert_ptr_null(strchr(text, '\x1b'));
    ck_assert_ptr_null(strchr(text, '\x7f'));
}
END_TEST

START_TEST(a_text_that_is_too_long_is_cut_not_lost)
{
    char big[2 * LOG_LINE];
    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    log_start(LOG_INFO_LEVEL, "stderr");
    log_info("big", "%s", big);
    const char *text = heard();
    ck_assert_uint_eq(count_of(text, "\n"), 1);
    ck_assert_uint_ge(strlen(text), LOG_LINE);
    ck_assert_uint_lt(strlen(text), LOG_LINE + 128);
}
END_TEST

START_TEST(a_flood_of_one_event_is_limited_and_counted)
{
    log_start(LOG_INFO_LEVEL, "stderr");
    for (int i = 0; i < 1000; i++)
        log_info("flood", "i=%d", i);
    log_info("other", "still heard");
    sleep(1);
    usleep(50000);
    log_info("later", "x");
    const char *text = heard();
    size_t lines = count_of(text, "flood: i=");
    ck_assert_uint_ge(lines, LOG_PER_EVENT_PER_SECOND);
    ck_assert_uint_le(lines, 3 * LOG_PER_EVENT_PER_SECOND); /* a second may have ended meanwhile */
    ck_assert_uint_eq(count_of(text, "other: still heard"), 1);
    unsigned kept_back = 0, sum = 0;
    for (const char *at = text; (at = strstr(at, "flood: kept_back=")) != NULL; at++) {
        ck_assert_int_eq(sscanf(at, "flood: kept_back=%u", &kept_back), 1);
        sum += kept_back;
    }
    ck_assert_uint_eq(lines + sum, 1000);
    ck_assert_uint_eq(count_of(text, "later: x"), 1);
}
END_TEST

START_TEST(more_events_than_places_share_the_last_one)
{
    char event[32];
    log_start(LOG_INFO_LEVEL, "stderr");
    for (int i = 0; i < LOG_EVENTS + 50; i++) {
        snprintf(event, sizeof(event), "event-%d", i);
        log_info(event, "x");
    }
    const char *text = heard();
    size_t lines = count_of(text, ": x\n");
    ck_assert_uint_ge(lines, LOG_EVENTS - 1 + LOG_PER_EVENT_PER_SECOND);
    ck_assert_uint_lt(lines, LOG_EVENTS + 50);
}
END_TEST

static void *chatter(void *event)
{
    for (int i = 0; i < 200; i++)
        log_info(event, "event=%s i=%d", (const char *)event, i);
    return NULL;
}

START_TEST(threads_do_not_mix_their_lines)
{
    static char events[4][8] = {"one", "two", "three", "four"};
    pthread_t threads[4];
    log_start(LOG_INFO_LEVEL, "stderr");
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, chatter, events[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    char *text = strdup(heard());
    ck_assert_ptr_nonnull(text);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
        char word[32], same[32];
        int number;
        if (sscanf(line, "%*s info %31[^:]: event=%31s i=%d", word, same, &number) == 3)
            ck_assert_str_eq(word, same);
        else
            ck_assert_ptr_nonnull(strstr(line, "kept_back="));
    }
    free(text);
}
END_TEST

/* Who decides about mail must not stand still because somebody stopped reading the log (law 3). */
START_TEST(a_reader_who_stands_still_loses_lines_and_stops_nobody)
{
    char bytes[4096] = "";
    size_t filled = 0;
    ssize_t length;
    ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 65536), 65536);
    while ((length = write(STDERR_FILENO, bytes, sizeof(bytes))) > 0)
        filled += (size_t)length;
    ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, 0), 0); /* as a service manager leaves it */
    log_start(LOG_INFO_LEVEL, "stderr");
    for (int i = 0; i < 3; i++)
        log_info("nobody-reads", "i=%d", i); /* the test's time limit is the claim */
    while (filled > 0 && (length = read(said, bytes, sizeof(bytes))) > 0)
        filled -= (size_t)length;
    ck_assert_uint_eq(filled, 0);
    log_info("somebody-reads", "x");
    log_info("somebody-reads", "y");
    const char *text = heard();
    ck_assert_ptr_nonnull(strstr(text, " warning log-lost: lines=3\n"));
    ck_assert_uint_eq(count_of(text, "log-lost"), 1);
    ck_assert_uint_eq(count_of(text, "somebody-reads"), 2);
    ck_assert_uint_eq(count_of(text, "nobody-reads"), 0);
}
END_TEST

/* ------------------------------------------------------------------ sockets */

static int listen_at(char path[108])
{
    char directory[] = "/tmp/mxward-log-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
    strcpy(path, address.sun_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void remove_socket(char *path)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

static const char *received(int fd)
{
    static char text[LOG_LINE + 512];
    ssize_t length = recv(fd, text, sizeof(text) - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

START_TEST(a_target_that_is_none_is_known_as_such)
{
    ck_assert(log_target_is_known(NULL));
    ck_assert(log_target_is_known("stderr"));
    ck_assert(log_target_is_known("journal"));
    ck_assert(log_target_is_known("syslog:/nowhere")); /* it may be there later */
    ck_assert(!log_target_is_known("stdout"));
    ck_assert(!log_target_is_known("sysloog"));
    ck_assert(!log_target_is_known("journald"));
    ck_assert(!log_target_is_known("stderr:"));
}
END_TEST

START_TEST(syslog_gets_facility_mail_and_a_tag)
{
    char path[108], target[128], expected[256];
    int fd = listen_at(path);
    snprintf(target, sizeof(target), "syslog:%s", path);
    log_start(LOG_INFO_LEVEL, target);
    log_warning("slow", "lag=%dms", 7);
    snprintf(expected, sizeof(expected), "<20>mxward[%d]: warning: slow: lag=7ms", (int)getpid());
    ck_assert_str_eq(received(fd), expected);
    ck_assert_str_eq(heard(), "");
    remove_socket(path);
}
END_TEST

START_TEST(the_journal_gets_fields)
{
    char path[108], target[128];
    int fd = listen_at(path);
    snprintf(target, sizeof(target), "journal:%s", path);
    log_start(LOG_INFO_LEVEL, target);
    log_error("broken", "what=%s", "a\nPRIORITY=0");
    ck_assert_str_eq(received(fd), "PRIORITY=3\nSYSLOG_IDENTIFIER=mxward\nMXWARD_EVENT=broken\n"
                                   "MESSAGE_ID=472cb4db85dafae358bb6680b0fe3098\n"
                                   "MESSAGE=broken: what=a?PRIORITY=0\n");
    ck_assert_str_eq(heard(), "");
    remove_socket(path);
}
END_TEST

START_TEST(a_socket_that_is_gone_or_full_is_replaced_by_standard_error)
{
    char path[108], target[128];
    log_start(LOG_INFO_LEVEL, "syslog:/nonexistent/socket");
    log_info("first", "x");
    ck_assert_ptr_nonnull(strstr(heard(), "first: x\n"));

    int fd = listen_at(path);
    snprintf(target, sizeof(target), "syslog:%s", path);
    log_start(LOG_INFO_LEVEL, target);
    char event[32];
    for (int i = 0; i < LOG_EVENTS - 10; i++) { /* more than a datagram socket queues */
        snprintf(event, sizeof(event), "event-%d", i);
        for (int again = 0; again < 10; again++)
            log_info(event, "x");
    }
    ck_assert_ptr_nonnull(strstr(heard(), ": x\n"));
    close(fd);
    log_info("last", "x");
    ck_assert_ptr_nonnull(strstr(heard(), "last: x\n"));
    remove_socket(path);
}
END_TEST

START_TEST(under_systemd_a_line_begins_with_its_priority)
{
    setenv("JOURNAL_STREAM", "8:1", 1);
    log_start(LOG_INFO_LEVEL, "stderr");
    log_warning("slow", "x");
    ck_assert_str_eq(heard(), "<4>warning slow: x\n");
}
END_TEST

/* ------------------------------------------------------------------ remote bytes */

START_TEST(remote_bytes_become_printable)
{
    char out[64];
    ck_assert_uint_eq(log_escape(out, sizeof(out), "220 ok", 6), 6);
    ck_assert_str_eq(out, "220 ok");
    ck_assert_uint_eq(log_escape(out, sizeof(out), "a\0\r\n\\\xff", 6), 21);
    ck_assert_str_eq(out, "a\\x00\\x0D\\x0A\\x5C\\xFF");
    ck_assert_uint_eq(log_escape(out, sizeof(out), "", 0), 0);
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(an_escape_is_never_cut_in_the_middle)
{
    char out[8];
    for (size_t size = 1; size <= sizeof(out); size++) {
        memset(out, 'x', sizeof(out));
        size_t length = log_escape(out, size, "a\nb\nc\n", 6);
        ck_assert_uint_lt(length, size);
        ck_assert_uint_eq(strlen(out), length);
        const char *escape = strrchr(out, '\\');
        ck_assert(escape == NULL || strlen(escape) >= 4);
    }
    ck_assert_uint_eq(log_escape(out, 0, "a", 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/log");
    TCase *lines = tcase_create("lines");
    tcase_add_checked_fixture(lines, capture, NULL);
    tcase_add_test(lines, a_line_has_time_level_event_and_text);
    tcase_add_test(lines, below_the_level_nothing_is_said);
    tcase_add_test(lines, a_text_with_line_breaks_is_still_one_line);
    tcase_add_test(lines, a_text_that_is_too_long_is_cut_not_lost);
    tcase_add_test(lines, a_flood_of_one_event_is_limited_and_counted);
    tcase_add_test(lines, more_events_than_places_share_the_last_one);
    tcase_add_test(lines, threads_do_not_mix_their_lines);
    tcase_add_test(lines, a_reader_who_stands_still_loses_lines_and_stops_nobody);
    tcase_add_test(lines, a_target_that_is_none_is_known_as_such);
    tcase_add_test(lines, syslog_gets_facility_mail_and_a_tag);
    tcase_add_test(lines, the_journal_gets_fields);
    tcase_add_test(lines, a_socket_that_is_gone_or_full_is_replaced_by_standard_error);
    tcase_add_test(lines, under_systemd_a_line_begins_with_its_priority);
    suite_add_tcase(suite, lines);
    TCase *escape = tcase_create("escape");
    tcase_add_test(escape, remote_bytes_become_printable);
    tcase_add_test(escape, an_escape_is_never_cut_in_the_middle);
    suite_add_tcase(suite, escape);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
