/*
 * ctl_check_test.c - the real mxwardctl: check, explain, status, reload, config, help, completion,
 * exit codes, and what it says when something is wrong.
 */
#include "engine/memory/users.h"
#include "tests/ctl_run.h"
#include "tests/idn_memory.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define WAIT_MS 10000

static struct standin standin;
static struct ran ran;

static void set_up(void)
{
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    standin_prepare(&standin);
    setenv("MXWARD_SOCKET", standin.socket, 1);
    standin_open(&standin, 64);
}

static void tear_down(void)
{
    ran_free(&ran);
    standin_close(&standin);
}

static void again(void)
{
    ran_free(&ran);
    ran = (struct ran){0};
}

START_TEST(check_says_one_line_a_domain_in_the_order_given)
{
    ran = ctl(standin.directory, "check", "slow-200.example", "someone@DANE.example.",
              "none.example");
    expect_code(&ran, 75);
    ck_assert_uint_eq(count_of(ran.out, "\n"), 3);
    ck_assert(strncmp(ran.out, "? slow-200.example  ", 20) == 0);
    expect_in(ran.out, "\n◆ dane.example ");
    expect_in(ran.out, "  dane       authenticated     DANE ok  ");
    expect_in(ran.out, "\n⊘ none.example ");
    expect_in(ran.out, "  none       none              no SSL   ");
    ck_assert_str_eq(ran.err, "");
    expect_not_in(ran.out, "\033");
}
END_TEST

START_TEST(exit_codes_follow_the_answers)
{
    static const struct {
        int code;
        const char *words[6];
    } rows[] = {
        {0, {"check", "dane.example", "none.example", "null.example"}},
        {75, {"check", "dane.example", "unknown.example"}},
        {0, {"check", "--require", "dane", "dane.example"}},
        {0, {"check", "--require", "encrypted", "dane.example", "verified.example"}},
        {1, {"check", "--require=dane", "dane.example", "verified.example"}},
        {1, {"check", "--require=encrypted", "none.example", "unknown.example"}},
        {1, {"check", "--require=encrypted", "failing.example"}},
        {1, {"check", "--require=encrypted", "null.example"}},
        {75, {"check", "--require=encrypted", "dane.example", "unknown.example"}},
        {64, {"check", "dane.example", "a..b"}},
        {64, {"check"}},
        {64, {"check", "--require", "none", "dane.example"}},
        {64, {"check", "--max-age", "soon", "dane.example"}},
        {64, {"check", "--no-such-option", "dane.example"}},
        {64, {"check", "--output", "x", "dane.example"}}, /* an option of scan only */
        {64, {"check", "dane.example", "--timeout"}},
        {64, {"no-such-command"}},
        {64, {"scan"}},
        {64, {"status", "word"}},
        {64, {"user", "no-such-action"}},
        {64, {"user", "on"}},
        {64, {"user", "on", "anna@here.example", "--domain", "dane.example"}},
        {64, {"user", "on", "anna@here.example", "--until", "1h"}},
        {64, {"user", "off", "anna@here.example", "--domain", "dane.example"}},
        {64, {"rule", "pin", "dane.example"}},
        {0, {"help"}},
        {0, {"help", "scan"}},
        {0, {"check", "--help"}},
        {64, {"help", "no-such-command"}},
        {0, {"--help"}},
        {0, {"--version"}},
        {0, {"version"}},
        {1, {"explain", "--require=dane", "none.example"}},
        {64, {"explain", "a..b"}},
        {75, {"explain", "unknown.example"}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *words[7] = {0};

        memcpy(words, rows[i].words, sizeof rows[i].words);
        ran = ctl_wait(standin.directory, ctl_start(standin.directory, NULL, words));
        ck_assert_msg(ran.code == rows[i].code, "row %zu: exit code %d, not %d\n%s%s", i, ran.code,
                      rows[i].code, ran.out, ran.err);
        if (ran.code == 64)
            ck_assert_msg(strlen(ran.err) > 20 || strstr(ran.out, "invalid"), "row %zu: %s", i,
                          ran.err);
        again();
    }
}
END_TEST

/* An operator reads nothing but this line: it says what is missing, not what else there is. */
START_TEST(an_order_with_a_word_missing_or_too_many_is_told_which)
{
    ran = ctl(standin.directory, "user", "on");
    expect_in(ran.err, "user on takes one word (a name, or a file) behind it, and there are 0");
    again();
    ran = ctl(standin.directory, "rule", "pin", "dane.example");
    expect_in(ran.err, "rule pin takes two words (a name and a level) behind it, and there are 1");
    again();
    ran = ctl(standin.directory, "user", "on", "anna@here.example", "--domain", "dane.example");
    expect_in(ran.err, "--domain goes with off and resume only");
    again();
    ran = ctl(standin.directory, "user", "off", "anna@here.example", "--domain", "dane.example");
    expect_in(ran.err, "off --domain needs --until");
}
END_TEST

/* Law 3. It is this process, the daemon, that has none. */
START_TEST(a_name_that_the_daemon_has_no_memory_for_is_undecided_and_not_invalid)
{
    idn_memory(0);
    ran = ctl(standin.directory, "check", "b\303\274cher.example");
    expect_code(&ran, 75);
    expect_not_in(ran.out, "invalid");
    again();
    ran = ctl(standin.directory, "decide", "carl@example.org", "anna@b\303\274cher.example");
    expect_code(&ran, 75);
    again();
    idn_memory(INT_MAX);
    ran = ctl(standin.directory, "check", "dane.b\303\274cher.example");
    expect_code(&ran, 0);
}
END_TEST

START_TEST(json_is_one_object_a_line_with_stable_keys)
{
    ran = ctl(standin.directory, "check", "--json", "dane.example", "a..b");
    expect_code(&ran, 64);
    ck_assert_uint_eq(count_of(ran.out, "\n"), 2);
    expect_in(ran.out, "{\"domain\":\"dane.example\",\"kind\":\"verdict\",\"class\":\"dane\","
                       "\"level\":\"authenticated\",\"sign\":\"DANE ok\","
                       "\"conclusion\":\"definite\",\"cause\":\"");
    expect_in(ran.out, "\"host\":\"mx1.example.net\"");
    expect_in(ran.out, "\"enforce\":\"dane-only\"");
    expect_in(ran.out, "\"tls\":\"TLSv1.3\"");
    expect_in(ran.out, "\"flags\":[\"mx-secure\"]");
    expect_in(ran.out, "\n{\"domain\":\"a..b\",\"kind\":\"invalid\",\"error\":\"invalid\",");
}
END_TEST

START_TEST(freshness_and_time_reach_the_daemon)
{
    atomic_store(&standin.engine->hold, true);
    ran = ctl(standin.directory, "check", "--timeout", "50ms", "hold.example");
    expect_code(&ran, 75);
    expect_in(ran.out, "not known before the deadline");
    again();
    atomic_store(&standin.engine->hold, false);
    ran = ctl(standin.directory, "check", "--live", "dane.example");
    expect_code(&ran, 0);
    again();
    ran = ctl(standin.directory, "--max-age", "10m", "check", "dane.example");
    expect_code(&ran, 0);
}
END_TEST

START_TEST(colour_is_never_forced_on_who_does_not_want_it)
{
    ran = ctl(standin.directory, "check", "--color=always", "dane.example");
    expect_in(ran.out, "\033[32m");
    again();
    ran = ctl(standin.directory, "check", "--color=never", "dane.example");
    expect_not_in(ran.out, "\033");
    again();
    setenv("LC_ALL", "C", 1);
    ran = ctl(standin.directory, "check", "dane.example", "none.example", "encrypted.example");
    expect_in(ran.out, "# dane.example");
    expect_in(ran.out, "- none.example");
    expect_in(ran.out, "+ encrypted.example");
    for (const char *c = ran.out; *c; c++)
        ck_assert_int_lt((unsigned char)*c, 0x80);
}
END_TEST

START_TEST(explain_shows_the_whole_tree)
{
    ran = ctl(standin.directory, "explain", "dane.example");
    expect_code(&ran, 0);
    expect_in(ran.out, "◆ dane.example  dane  authenticated  DANE ok");
    expect_in(ran.out, "decided by");
    expect_in(ran.out, "enforce    dane-only");
    expect_in(ran.out, "route ");
    expect_in(ran.out, "└─ 10 mx1.example.net");
    expect_in(ran.out, "192.0.2.25 port 25  tls-ok");
    expect_in(ran.out, "TLSv1.3 TLS_AES_256_GCM_SHA384");
    expect_in(ran.out, "dialogue with mx1.example.net 192.0.2.25\n    S: 220 mx1 ESMTP\n"
                       "    C: EHLO mxward.example\n");
    again();
    setenv("LC_ALL", "C", 1);
    ran = ctl(standin.directory, "explain", "dane.example");
    expect_in(ran.out, "`- 10 mx1.example.net");
    again();
    ran = ctl(standin.directory, "explain", "--json", "dane.example");
    expect_code(&ran, 0);
    ck_assert_int_eq(ran.out[0], '{');
    ck_assert_uint_eq(count_of(ran.out, "\n"), 1);
    again();
    ran = ctl(standin.directory, "explain", "\033[31mred.example");
    expect_not_in(ran.err, "\033");
    expect_in(ran.err, "?[31mred.example: ");
}
END_TEST

START_TEST(status_is_a_page)
{
    ran = ctl(standin.directory, "status");
    expect_code(&ran, 0);
    expect_in(ran.out, "passed  DNSSEC validation (resolver 0): the root's keys validate");
    expect_in(ran.out, "1 shards, 1 resolvers");
    expect_in(ran.out, "Times (ms)");
    again();
    atomic_store(&standin.engine->resolver.self_test, SELF_TEST_PENDING);
    ran = ctl(standin.directory, "status");
    expect_code(&ran, 75);
    again();
    atomic_store(&standin.engine->resolver.self_test, SELF_TEST_FAILED);
    ran = ctl(standin.directory, "status");
    expect_code(&ran, 1);
    expect_in(ran.out, "FAILED  DNSSEC validation");
    again();
    ran = ctl(standin.directory, "status", "--json");
    expect_code(&ran, 0);
    expect_in(ran.out, "\"self_tests\":[{");
}
END_TEST

/* Plays the main thread for `count` pieces of work, refusing every second reload. */
static void do_work(pid_t pid, bool good, const char *text)
{
    struct pollfd poll_fd = {.fd = serve_work_descriptor(standin.serve), .events = POLLIN};

    for (int i = 0; i < 100; i++) {
        ck_assert_int_gt(poll(&poll_fd, 1, WAIT_MS), 0);
        if (serve_work_take(standin.serve) == SERVE_NOTHING)
            continue;
        serve_work_done(standin.serve, good, text, strlen(text));
        ran = ctl_wait(standin.directory, pid);
        return;
    }
    ck_abort_msg("no work came");
}

START_TEST(reload_and_config)
{
    const char *const reload[] = {"reload", NULL}, *const config[] = {"config", NULL};

    do_work(ctl_start(standin.directory, NULL, reload), true, "all settings are in force");
    expect_code(&ran, 0);
    ck_assert_str_eq(ran.out, "reloaded: all settings are in force\n");
    again();
    do_work(ctl_start(standin.directory, NULL, reload), false, "x.conf:3: no such option 'soket'");
    expect_code(&ran, 78);
    expect_in(ran.err, "the old settings stay in force: x.conf:3: no such option 'soket'");
    again();
    do_work(ctl_start(standin.directory, NULL, config), true, "listen {\n}\n");
    expect_code(&ran, 0);
    ck_assert_str_eq(ran.out, "listen {\n}\n");
}
END_TEST

START_TEST(completion_and_help_come_from_the_same_tables)
{
    static const char *const names[] = {"check",  "explain",    "scan", "status", "reload",
                                        "config", "completion", "help", "version"};

    ran = ctl(standin.directory, "completion", "bash");
    expect_code(&ran, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expect_in(ran.out, names[i]);
    expect_in(ran.out, "--resume");
    expect_in(ran.out, "encrypted verified sts dane");
    again();
    ran = ctl(standin.directory, "completion", "fish");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expect_in(ran.out, names[i]);
    again();
    ran = ctl(standin.directory, "completion", "tcsh");
    expect_code(&ran, 64);
    again();
    ran = ctl(standin.directory, "help", "scan");
    expect_in(ran.out, "--resume");
    expect_in(ran.out, "usage: mxwardctl scan [options] FILE|-");
}
END_TEST

/* What --help and completion know, the manual must say. Tests run in the tree's root. */
START_TEST(every_command_and_option_is_in_the_manual)
{
    char *manual = ctl_slurp("tools/mxwardctl.8"), *word, *rest;

    ran = ctl(standin.directory, "completion", "fish");
    for (word = strtok_r(ran.out, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        char wanted[64];

        if (strcmp(word, "-l") != 0 && strcmp(word, "-a") != 0)
            continue;
        word = strtok_r(NULL, " \n", &rest);
        if (word[0] == '\'') /* the values of an option */
            continue;
        snprintf(wanted, sizeof wanted, "Fl -%s", word);
        if (!strstr(manual, wanted)) {
            snprintf(wanted, sizeof wanted, "Cm %s", word);
            expect_in(manual, wanted);
        }
    }
    free(manual);
}
END_TEST

START_TEST(without_a_daemon_it_says_what_to_do)
{
    char path[128];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);

    ran = ctl(standin.directory, "check", "--socket", "/nonexistent/mxward.sock", "dane.example");
    expect_code(&ran, 69);
    expect_in(ran.err, "/nonexistent/mxward.sock does not exist: is mxward running");
    again();
    snprintf(path, sizeof path, "%s/stale", standin.directory);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    ck_assert_int_eq(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    ran = ctl(standin.directory, "status", "--socket", path);
    expect_code(&ran, 69);
    expect_in(ran.err, "systemctl start mxward");
    close(stale);
    unlink(path);
}
END_TEST

START_TEST(what_cannot_be_written_is_an_error)
{
    const char *const words[] = {"check", "dane.example", NULL};
    char *texts[] = {ctl_program, (char *)(uintptr_t)words[0], (char *)(uintptr_t)words[1], NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/full", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    ck_assert_int_eq(posix_spawn(&pid, ctl_program, &actions, NULL, texts, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 70);
}
END_TEST

/* --- check --forward --- */

static struct users *users;

/* The daemon knows some profiles, of which "posteo" lets forwards pass that the mail server says
 * are some. */
static void set_up_profiles(void)
{
    static const struct guarantee_settings guarantee = {.alias_profile = (char *)"posteo"};
    static const struct profiles_settings profiles = {
        .all = {{.name = (char *)"posteo",
                 .minimum = 1,
                 .unmet = UNMET_STOP,
                 .window_ms = 3600000,
                 .exempt_forwards = true},
                {.name = (char *)"mailbox", .window_ms = 3600000},
                {.name = (char *)"patient", .minimum = 1, .window_ms = 3600000}},
        .count = 3};
    char why[256] = "";
    bool accounts_wanted;

    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    standin_prepare(&standin);
    setenv("MXWARD_SOCKET", standin.socket, 1);
    standin.engine = standin_start(64);
    ck_assert_msg(users_open(&users, standin.directory, NULL, 16 << 20, why, sizeof why) == 0, "%s",
                  why);
    ck_assert_int_eq(users_configure(users, &guarantee, &profiles, &accounts_wanted), 0);
    users_heartbeat(users);
    users_complete(users, true);
    standin.engine->users = (struct table_writer *)(uintptr_t)users_table(users); /* only read */
    standin_open(&standin, 64);
}

static void tear_down_profiles(void)
{
    char command[100];

    ran_free(&ran);
    standin_close(&standin);
    users_close(users);
    snprintf(command, sizeof command, "rm -rf '%s'", standin.directory);
    ck_assert_int_eq(system(command), 0);
}

/* Each word is a recipient, nobody is the sender, and the profile is "posteo": all of it holds,
 * since it is not yet a forward. */
START_TEST(check_forward_tells_whether_forwarded_mail_would_arrive_S8)
{
    ran = ctl(standin.directory, "check", "--forward", "anna@dane.example", "bert@none.example");
    expect_code(&ran, 1);
    ck_assert_uint_eq(count_of(ran.out, "\n"), 2);
    ck_assert_ptr_eq(strstr(ran.out, "send "), ran.out);
    expect_in(ran.out, " anna@dane.example ");
    expect_in(ran.out, "\nstop ");
    expect_in(ran.out, " bert@none.example ");
    again();
    ran = ctl(standin.directory, "check", "--forward", "--json", "bert@none.example");
    expect_code(&ran, 1);
    expect_in(ran.out,
              "{\"recipient\":\"bert@none.example\",\"status\":\"ok\",\"action\":\"stop\"");
    expect_in(ran.out, "\"demand\":\"encrypt\"");
    expect_in(ran.out, "\"profile\":\"posteo\"");
    again();
    ran = ctl(standin.directory, "check", "--forward", "anna@dane.example");
    expect_code(&ran, 0);
}
END_TEST

START_TEST(check_forward_asks_for_the_profile_that_is_named)
{
    ran = ctl(standin.directory, "check", "--forward", "--profile", "mailbox", "bert@none.example");
    expect_code(&ran, 0);
    ck_assert_ptr_eq(strstr(ran.out, "send "), ran.out);
    again();
    ran = ctl(standin.directory, "check", "--forward", "--profile", "patient", "bert@none.example");
    expect_code(&ran, 75);
    ck_assert_ptr_eq(strstr(ran.out, "defer "), ran.out);
    again();
    ran = ctl(standin.directory, "check", "--forward", "--profile=none", "bert@none.example");
    expect_code(&ran, 64);
    expect_in(ran.out, "there is no such profile");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_check");
    TCase *tcase = tcase_create("ctl"), *profiles;
    SRunner *runner;
    int failed;

    ctl_find_program();
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, check_says_one_line_a_domain_in_the_order_given);
    tcase_add_test(tcase, exit_codes_follow_the_answers);
    tcase_add_test(tcase, an_order_with_a_word_missing_or_too_many_is_told_which);
    tcase_add_test(tcase, a_name_that_the_daemon_has_no_memory_for_is_undecided_and_not_invalid);
    tcase_add_test(tcase, json_is_one_object_a_line_with_stable_keys);
    tcase_add_test(tcase, freshness_and_time_reach_the_daemon);
    tcase_add_test(tcase, colour_is_never_forced_on_who_does_not_want_it);
    tcase_add_test(tcase, explain_shows_the_whole_tree);
    tcase_add_test(tcase, status_is_a_page);
    tcase_add_test(tcase, reload_and_config);
    tcase_add_test(tcase, completion_and_help_come_from_the_same_tables);
    tcase_add_test(tcase, every_command_and_option_is_in_the_manual);
    tcase_add_test(tcase, without_a_daemon_it_says_what_to_do);
    tcase_add_test(tcase, what_cannot_be_written_is_an_error);
    suite_add_tcase(suite, tcase);
    profiles = tcase_create("profiles");
    tcase_add_checked_fixture(profiles, set_up_profiles, tear_down_profiles);
    tcase_add_test(profiles, check_forward_tells_whether_forwarded_mail_would_arrive_S8);
    tcase_add_test(profiles, check_forward_asks_for_the_profile_that_is_named);
    suite_add_tcase(suite, profiles);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
