/*
 * ctl_feed_test.c - claims about `mxwardctl feed`: what it reports, and what becomes of deliveries
 * while the daemon is away. The real program, against a socket with a stand-in engine behind it.
 */
#include "tests/ctl_run.h"
#include "tools/mxwardctl/backlog.h"

#include <check.h>
#include <time.h>

static struct standin standin;
static char log_path[128];
static struct ran ran;

static void set_up(void)
{
    ctl_find_program();
    standin_prepare(&standin);
    snprintf(log_path, sizeof log_path, "%s/log", standin.directory);
}

static void tear_down(void)
{
    ran_free(&ran);
    unlink(log_path);
    if (standin.engine)
        standin_close(&standin);
    else
        rmdir(standin.directory);
}

/* What Postfix writes of one delivery, by process `number`, `ago_s` before now. */
static void put_delivery(FILE *log, unsigned number, long ago_s)
{
    const long at_s = (long)time(NULL) - ago_s;

    fprintf(log,
            "%ld.0 mx0 postfix/smtp[%u]: Verified TLS connection established to "
            "mx%u.example.org[192.0.2.1]:25: TLSv1.3 with cipher X (256/256 bits)\n",
            at_s, number, number);
    fprintf(log,
            "%ld.0 mx0 postfix/smtp[%u]: 4XyZ12: to=<b@example.org>, "
            "relay=mx%u.example.org[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, "
            "status=sent (ok)\n",
            at_s, number, number);
}

static void write_log(unsigned first, unsigned count, long ago_s)
{
    FILE *log = fopen(log_path, "ae");

    ck_assert_ptr_nonnull(log);
    for (unsigned i = 0; i < count; i++)
        put_delivery(log, first + i, ago_s);
    fclose(log);
}

static void expect_taken(unsigned wanted)
{
    for (unsigned i = 0; i < 1000 && atomic_load(&standin.engine->delivered) < wanted; i++)
        usleep(10000);
    ck_assert_uint_eq(atomic_load(&standin.engine->delivered), wanted);
}

static void expect_said(const char *words)
{
    char path[128];
    char *text = NULL;

    snprintf(path, sizeof path, "%s/err", standin.directory);
    for (unsigned i = 0; i < 500; i++) {
        text = ctl_slurp(path);
        if (strstr(text, words))
            break;
        usleep(10000);
        if (i < 499)
            free(text);
    }
    expect_in(text, words);
    free(text);
}

static pid_t start_following(void)
{
    static const char *words[] = {"feed", "-f", "--from-start", "--socket", NULL, NULL, NULL};

    words[4] = standin.socket;
    words[5] = log_path;
    return ctl_start(standin.directory, NULL, words);
}

static void end(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ran = ctl_wait(standin.directory, pid);
    expect_code(&ran, 0);
}

START_TEST(it_shows_without_a_daemon_what_it_would_report)
{
    FILE *log;

    write_log(1, 1, 0);
    log = fopen(log_path, "ae");
    fputs("2026-11-30T07:01:25+00:00 mx0 postfix/smtp[43]: 4XyZ13: to=<b@clear.example>, "
          "relay=mx.example.org[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent "
          "(ok)\n",
          log);
    fclose(log);
    ran = ctl(standin.directory, "feed", "--dry-run", "--json", "--socket", "/nowhere", log_path);
    expect_code(&ran, 0);
    expect_in(ran.out, "\"domain\":\"example.org\",\"host\":\"mx1.example.org\"");
    expect_not_in(ran.out, "clear.example");
    ck_assert_uint_eq(count_of(ran.out, "\n"), 1);
    expect_in(ran.err, "deliveries 1,");
}
END_TEST

START_TEST(a_file_is_reported_to_its_end_but_for_what_is_old)
{
    standin_open(&standin, 64);
    write_log(1, 100, 0);
    write_log(200, 1, 3700);
    write_log(1, 1, 0);
    ran = ctl(standin.directory, "feed", "--socket", standin.socket, log_path);
    expect_code(&ran, 0);
    expect_in(ran.err, "deliveries 102, reported 100, too old 1, repeated 1, dropped 0\n");
    expect_taken(100);
}
END_TEST

START_TEST(a_file_needs_a_daemon_at_once)
{
    write_log(1, 1, 0);
    ran = ctl(standin.directory, "feed", "--socket", standin.socket, log_path);
    expect_code(&ran, 69);
}
END_TEST

START_TEST(deliveries_wait_for_a_daemon_that_is_away)
{
    pid_t pid;

    write_log(1, 2, 0);
    pid = start_following();
    expect_said("deliveries wait");
    write_log(11, 2, 0);
    standin_open(&standin, 64);
    expect_taken(4);
    expect_said("is there again");
    serve_stop(standin.serve); /* and away again, in the middle */
    serve_free(standin.serve);
    write_log(21, 3, 0);
    usleep(600000);
    standin_open(&standin, 64);
    expect_taken(7);
    end(pid);
    expect_in(ran.err, "deliveries 7, reported 7, too old 0, repeated 0, dropped 0\n");
}
END_TEST

START_TEST(the_oldest_go_when_too_many_wait)
{
    pid_t pid = 0;

    write_log(1, BACKLOG_MAX + 5, 0);
    pid = start_following();
    expect_said("deliveries wait");
    sleep(1); /* all are read long before */
    standin_open(&standin, 64);
    expect_taken(BACKLOG_MAX);
    end(pid);
    expect_in(ran.err, "deliveries 10005, reported 10000, too old 0, repeated 0, dropped 5\n");
}
END_TEST

/* Others have taken all the room that the daemon has for deliveries. */
static struct mxw *fill_the_daemon(void)
{
    struct mxw_options options = MXW_OPTIONS_INIT;
    struct mxw_observation observation = MXW_OBSERVATION_INIT;
    struct mxw *mxw;
    uint64_t id;

    options.socket = standin.socket;
    observation.host = "mx.example.org";
    observation.address = "192.0.2.1";
    observation.tls_version = 0x0304;
    observation.trust = MXW_VERIFIED;
    observation.delivered_s = (int64_t)time(NULL);
    ck_assert_int_eq(mxw_open(&mxw, &options), MXW_OK);
    for (unsigned i = 0; i < LIMIT_FRONT_DELIVERIES; i++)
        ck_assert_int_eq(mxw_send_observation(mxw, &observation, &id), MXW_OK);
    ck_assert_int_eq(mxw_flush(mxw), MXW_OK);
    for (unsigned i = 0; i < 500; i++) {
        if (atomic_load(&standin.engine->held_count) == LIMIT_FRONT_DELIVERIES)
            return mxw;
        usleep(10000);
    }
    ck_abort_msg("the daemon took less");
    return NULL;
}

START_TEST(a_busy_daemon_is_told_again)
{
    struct mxw *others;
    pid_t pid;

    standin.configuration.listen.requests_per_connection = 2 * LIMIT_FRONT_DELIVERIES;
    standin_open(&standin, 64);
    atomic_store(&standin.engine->hold_deliveries, true);
    others = fill_the_daemon();
    write_log(1, 3, 0);
    pid = start_following();
    usleep(500000);
    ck_assert_uint_eq(atomic_load(&standin.engine->delivered), 0);
    atomic_store(&standin.engine->hold_deliveries, false);
    expect_taken(LIMIT_FRONT_DELIVERIES + 3);
    end(pid);
    expect_in(ran.err, "deliveries 3, reported 3, too old 0, repeated 0, dropped 0\n");
    expect_not_in(ran.err, "there again");
    mxw_close(others);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mxwardctl feed");
    TCase *cases = tcase_create("feed");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, it_shows_without_a_daemon_what_it_would_report);
    tcase_add_test(cases, a_file_is_reported_to_its_end_but_for_what_is_old);
    tcase_add_test(cases, a_file_needs_a_daemon_at_once);
    tcase_add_test(cases, deliveries_wait_for_a_daemon_that_is_away);
    tcase_add_test(cases, the_oldest_go_when_too_many_wait);
    tcase_add_test(cases, a_busy_daemon_is_told_again);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
