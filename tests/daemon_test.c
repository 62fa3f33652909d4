/*
 * daemon_test.c - the real mxward: what -t, a start and a reload say about wrong settings, and what
 * a start does about the limit of open files.
 *
 * The three must agree, word for word: what is wrong is found by one judgement, before anything was
 * done. The daemon that is reloaded has a forwarder that does not answer, so it asks nobody.
 */
#include "tests/run_program.h"

#include <sys/resource.h>
#include <sys/stat.h>

#define WAIT_MS 20000

static char daemon_program[4096], ctl_program[4096];
static char folder[64], file[128], run_folder[128];
static struct ran ran;

/* What every row needs to be good otherwise; three lines, so the row's text begins on line 4. */
static void write_settings(const char *text)
{
    FILE *out = fopen(file, "w");

    ck_assert_ptr_nonnull(out);
    fprintf(out,
            "daemon { run_directory = %s shards = 1 resolvers = 1 table_size = 16m }\n"
            "dns { forwarder = '127.0.0.1@9' trust_anchor = %s/anchor }\n\n%s\n",
            run_folder, folder, text);
    ck_assert_int_eq(fclose(out), 0);
}

static void write_file(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
}

static void set_up(void)
{
    char path[160];

    snprintf(folder, sizeof folder, "/tmp/mxward-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/mxward.conf", folder);
    snprintf(run_folder, sizeof run_folder, "%s/run", folder);
    snprintf(path, sizeof path, "%s/mxward.sock", run_folder);
    setenv("MXWARD_SOCKET", path, 1);
    ck_assert_int_eq(chdir(folder), 0);
    write_file("anchor", ". IN DS 20326 8 2 "
                         "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n");
    write_file("nothing", "nothing that anybody could use\n");
    ran = (struct ran){0};
}

static void tear_down(void)
{
    char command[128];

    ran_free(&ran);
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void run(const char *program, const char *const *words)
{
    ran_free(&ran);
    ran = program_wait(folder, program_start(program, folder, NULL, words));
}

#define RUN(program, ...) run(program, (const char *const[]){__VA_ARGS__, NULL})

/* --- what is wrong, and what is said --- */

static const struct row {
    const char *text, *said;
} rows[] = {
    {"daemon { own = {\n  a.example,\n  'two words' } }",
     "mxward.conf:6: daemon.own: \"two words\" is neither"},
    {"daemon { log_target = sylog }", "mxward.conf:4: daemon.log_target: \"sylog\" is none of"},
    {"daemon { run_directory = /dev/null }",
     "mxward.conf:4: daemon.run_directory: /dev/null is not a directory"},
    {"daemon { run_directory = /nonexistent/here }",
     "mxward.conf:4: daemon.run_directory: there is no directory to make /nonexistent/here in"},
    {"dns { forwarder = 'resolver.example' }",
     "mxward.conf:4: dns.forwarder: \"resolver.example\""},
    {"dns { forwarder = '192.0.2.1@70000' }", "mxward.conf:4: dns.forwarder: \"192.0.2.1@70000\""},
    {"dns { trust_anchor = /nonexistent }",
     "mxward.conf:4: dns.trust_anchor: cannot read /nonexistent"},
    {"dns { trust_anchor = nothing }", "mxward.conf:4: dns.trust_anchor: nothing has no DS"},
    {"dns {\n\n  root_hints = nothing }", "mxward.conf:6: dns.root_hints: "},
    {"dns { bogus_name = 'a b' }", "mxward.conf:4: dns.bogus_name: \"a b\" is no domain name"},
    {"probe { source_ipv4 = '::1' }",
     "mxward.conf:4: probe.source_ipv4: \"::1\" is not an IPv4 address"},
    {"probe {\n  source_ipv6 = '192.0.2.1' }",
     "mxward.conf:5: probe.source_ipv6: \"192.0.2.1\" is not an IPv6 address"},
    {"probe { ehlo_name = 'not a name' }", "mxward.conf:4: probe.ehlo_name: \"not a name\""},
    {"probe { ca_file = /nonexistent }", "mxward.conf:4: probe.ca_file: no certificate"},
    {"probe { ca_file = nothing }", "mxward.conf:4: probe.ca_file: no certificate"},
    {"probe { ca_directory = /nonexistent }", "mxward.conf:4: probe.ca_directory: no certificate"},
    {"politeness { opt_out = { example.org, 192.0.2.0/33 } }",
     "mxward.conf:4: politeness.opt_out: \"192.0.2.0/33\" is neither"},
    {"politeness { back_off_max = 1s }", "mxward.conf:4: politeness.back_off_max is less than"},
    {"listen { query_users = { no-such-user-here } }",
     "mxward.conf:4: listen.query_users: there is no user 'no-such-user-here'"},
    {"listen { switch_users = { '@no-such-group-here' } }",
     "mxward.conf:4: listen.switch_users: there is no group '@no-such-group-here'"},
    {"listen { admin_users = { no-such-user-here } }",
     "mxward.conf:4: listen.admin_users: there is no user 'no-such-user-here'"},
    {"listen { group = no-such-group-here }",
     "mxward.conf:4: listen.group: there is no group 'no-such-group-here'"},
    {"listen { socket = /nonexistent/socket }",
     "mxward.conf:4: listen.socket: there is no directory to make /nonexistent/socket in"},
    {"listen { socket = /dev/null }", "mxward.conf:4: listen.socket: /dev/null is there and is no"},
    {"listen { mode = 4660 }", "mxward.conf:4: option 'mode': out of range: 0000..0777"},
};
#define ROWS (sizeof rows / sizeof *rows)

START_TEST(a_bad_value_is_refused_by_the_test_and_by_the_start_alike)
{
    const struct row *row = &rows[_i];

    write_settings(row->text);
    RUN(daemon_program, "-t", "-c", "mxward.conf");
    expect_code(&ran, 78);
    expect_in(ran.err, row->said);
    RUN(daemon_program, "-c", "mxward.conf");
    expect_code(&ran, 78);
    expect_in(ran.err, row->said);
    ck_assert_msg(access(run_folder, F_OK) != 0, "something was done before it was refused");
}
END_TEST

START_TEST(good_settings_are_good_and_nothing_is_done)
{
    write_settings("daemon { own = { mx.example, 192.0.2.1, '2001:db8::1' } log_target = "
                   "'syslog:/dev/log' }\n"
                   "dns { bogus_name = bogus.example }\n"
                   "probe { source_ipv4 = 127.0.0.2 source_ipv6 = '::1' ehlo_name = me.example }\n"
                   "politeness { opt_out = { 192.0.2.0/24, '2001:db8::/48', example.org } }\n"
                   "listen { query_users = { '*' } admin_users = { '@0', 1, root } group = 0 }\n");
    RUN(daemon_program, "-t", "-c", "mxward.conf");
    expect_code(&ran, 0);
    expect_in(ran.out, "mxward.conf is good");
    ck_assert_str_eq(ran.err, "");
    ck_assert_int_ne(access(run_folder, F_OK), 0);
}
END_TEST

/* Nobody set anything wrong: the machine lacks something. */
START_TEST(a_machine_without_certificate_authorities_is_not_a_bad_value)
{
    write_settings("");
    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    for (int start = 0; start < 2; start++) {
        if (start)
            RUN(daemon_program, "-c", "mxward.conf");
        else
            RUN(daemon_program, "-t", "-c", "mxward.conf");
        expect_code(&ran, 69);
        expect_in(ran.err, "install ca-certificates, or set probe.ca_file");
    }
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
}
END_TEST

/* --- a running one --- */

/* Its output is beside that of mxwardctl, which runs meanwhile. */
static pid_t start_daemon(const char *said)
{
    const char *const words[] = {"-c", "mxward.conf", NULL};
    pid_t daemon;
    ck_assert_int_eq(mkdir(said, 0700), 0);
    daemon = program_start(daemon_program, said, NULL, words);
    for (int i = 0; i < WAIT_MS / 50; i++, usleep(50000)) {
        RUN(ctl_program, "config");
        if (ran.code == 0)
            return daemon;
    }
    expect_code(&ran, 0);
    return daemon;
}

static void stop_daemon(pid_t daemon)
{
    ck_assert_int_eq(kill(daemon, SIGTERM), 0);
    ran_free(&ran);
    ran = program_wait("said", daemon);
    expect_code(&ran, 0);
}

static void allow_files(rlim_t soft, rlim_t hard)
{
    const struct rlimit files = {.rlim_cur = soft, .rlim_max = hard};

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

/* One for each probe (also of kernels that know no registered files), client and DNS question: it
 * takes what it may have, and never learns under load that a peer looks dead for want of one. */
START_TEST(a_start_allows_itself_the_files_that_its_settings_need)
{
    struct rlimit before, now;
    pid_t daemon;

    write_settings("probe { parallel = 700 } listen { connections = 90 }");
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    allow_files(200, before.rlim_max);
    daemon = start_daemon("said");
    ck_assert_int_eq(prlimit(daemon, RLIMIT_NOFILE, NULL, &now), 0);
    ck_assert_uint_ge(now.rlim_cur, 700 + 90 + 512);
    ck_assert_uint_lt(now.rlim_cur, 2 * (700 + 90 + 512));
    ck_assert_uint_eq(now.rlim_max, before.rlim_max);
    stop_daemon(daemon);
}
END_TEST

START_TEST(a_start_that_may_not_open_enough_files_is_refused_with_the_remedy)
{
    write_settings("");
    allow_files(200, 900);
    RUN(daemon_program, "-c", "mxward.conf");
    expect_code(&ran, 69);
    expect_in(ran.err, "900 files may be open here");
    expect_in(ran.err, "LimitNOFILE=");
    ck_assert_int_ne(access(run_folder, F_OK), 0);
    write_settings("probe { parallel = 40 } listen { connections = 20 }"); /* the other remedy */
    stop_daemon(start_daemon("said"));
}
END_TEST

/* --- reload --- */

START_TEST(a_reload_with_a_bad_value_is_refused_whole_and_the_old_settings_stay)
{
    char text[512], *before;
    pid_t daemon;

    write_settings("probe { command = 1600ms }");
    daemon = start_daemon("said");
    RUN(ctl_program, "config");
    expect_code(&ran, 0);
    before = strdup(ran.out);
    expect_in(before, "command = 1600ms");
    for (size_t i = 0; i < ROWS; i++) {
        snprintf(text, sizeof text, "%s\nprobe { command = 1700ms }", rows[i].text);
        write_settings(text);
        RUN(ctl_program, "reload");
        ck_assert_msg(ran.code != 0, "taken: %s", rows[i].text);
        expect_in(ran.err, rows[i].said);
        RUN(ctl_program, "config");
        ck_assert_str_eq(ran.out, before);
    }
    write_settings("probe { command = 1800ms }"); /* and it is not deaf */
    RUN(ctl_program, "reload");
    expect_code(&ran, 0);
    RUN(ctl_program, "config");
    expect_in(ran.out, "command = 1800ms");
    free(before);
    stop_daemon(daemon);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon");
    TCase *settings = tcase_create("settings");

    program_find(daemon_program, "mxward");
    program_find(ctl_program, "mxwardctl");
    tcase_add_checked_fixture(settings, set_up, tear_down);
    tcase_set_timeout(settings, 180);
    tcase_add_loop_test(settings, a_bad_value_is_refused_by_the_test_and_by_the_start_alike, 0,
                        (int)ROWS);
    tcase_add_test(settings, good_settings_are_good_and_nothing_is_done);
    tcase_add_test(settings, a_machine_without_certificate_authorities_is_not_a_bad_value);
    tcase_add_test(settings, a_start_allows_itself_the_files_that_its_settings_need);
    tcase_add_test(settings, a_start_that_may_not_open_enough_files_is_refused_with_the_remedy);
    tcase_add_test(settings, a_reload_with_a_bad_value_is_refused_whole_and_the_old_settings_stay);
    suite_add_tcase(suite, settings);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
