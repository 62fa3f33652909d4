/*
 * gate_program_test.c - the real mxward-gate: its settings, its sockets, how it starts and ends.
 */
#include "tests/run_program.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define WAIT_MS 10000

static char program[4096], folder[64], file[100], socket_path[100], second_path[100];
static struct ran ran;
static pid_t running;

/* The socket's folder and the daemon's are in it; `more` begins on line 3. */
static void write_settings(const char *more)
{
    FILE *out = fopen(file, "we");

    ck_assert_ptr_nonnull(out);
    fprintf(out,
            "daemon { run_directory = %s/run state_directory = %s }\n"
            "gate { sockets = { %s } deadline = 300ms }\n%s\n",
            folder, folder, socket_path, more);
    ck_assert_int_eq(fclose(out), 0);
}

static void set_up(void)
{
    snprintf(folder, sizeof folder, "/tmp/mxward-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/mxward.conf", folder);
    snprintf(socket_path, sizeof socket_path, "%s/gate.sock", folder);
    snprintf(second_path, sizeof second_path, "%s/second.sock", folder);
    write_settings("");
    ran = (struct ran){0};
    running = 0;
}

static void tear_down(void)
{
    char command[100];

    if (running > 0) {
        kill(running, SIGKILL);
        waitpid(running, NULL, 0);
    }
    ran_free(&ran);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void run(const char *const *words)
{
    ran_free(&ran);
    ran = program_wait(folder, program_start(program, folder, NULL, words));
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static int client_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

static bool answers(const char *path, const char *request, const char *beginning)
{
    const int client = client_of(path);
    char text[1000] = "";
    struct pollfd wait = {.fd = client, .events = POLLIN};
    bool good;

    if (client < 0)
        return false;
    good = send(client, request, strlen(request), MSG_NOSIGNAL) > 0 &&
           poll(&wait, 1, WAIT_MS) == 1 && recv(client, text, sizeof text - 1, 0) > 0 &&
           strncmp(text, beginning, strlen(beginning)) == 0;
    close(client);
    return good;
}

/* Until the socket answers. */
static void start(void)
{
    static const char *const words[] = {"-c", file, NULL};
    const uint64_t until_ms = clock_boot_ms() + WAIT_MS;

    running = program_start(program, folder, NULL, words);
    while (!answers(socket_path, "ping\n", "status=ok ")) {
        ck_assert_int_eq(waitpid(running, NULL, WNOHANG), 0);
        ck_assert_uint_lt(clock_boot_ms(), until_ms);
        usleep(5000);
    }
}

static void stop(int signal)
{
    ck_assert_int_eq(kill(running, signal), 0);
    ran_free(&ran);
    ran = program_wait(folder, running);
    running = 0;
}

/* --- settings --- */

START_TEST(good_settings_are_said_to_be_good_and_nothing_is_done)
{
    RUN("-t", "-c", file);
    expect_code(&ran, 0);
    expect_in(ran.out, "is good");
    ck_assert_int_ne(access(socket_path, F_OK), 0);
}
END_TEST

START_TEST(bad_settings_end_with_78_and_the_place)
{
    static const struct {
        const char *more, *where, *what;
    } rows[] = {
        {"gate { deadline = 1ms }", ":3", "deadline"},
        {"gate { connections = 0 }", ":3", "connections"},
        {"gate { mode = 01777 }", ":3", "mode"},
        {"\ngate { group = no-such-group }", ":4", "gate.group"},
        {"gate { owner = no-such-user }", ":3", "gate.owner"},
        {"gate { nonsense = 1 }", ":3", "nonsense"},
        {"guarantee { trusted_hops = { 'not an address!' } }", ":3", "guarantee.trusted_hops"},
        {"gate { sockets = { /nowhere/at/all/gate.sock } }", ":3", "gate.sockets"},
        {"gate { sockets = { /etc/passwd } }", ":3", "gate.sockets"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_settings(rows[i].more);
        RUN("-t", "-c", file);
        expect_code(&ran, 78);
        expect_in(ran.err, rows[i].where);
        expect_in(ran.err, rows[i].what);
        RUN("-c", file);
        expect_code(&ran, 78);
        expect_in(ran.err, rows[i].where);
    }
    RUN("-c", "/no/such/file");
    expect_code(&ran, 78);
}
END_TEST

START_TEST(wrong_arguments_end_with_64)
{
    RUN("--what");
    expect_code(&ran, 64);
    RUN("-t", "word");
    expect_code(&ran, 64);
    RUN("--help");
    expect_code(&ran, 0);
    expect_in(ran.out, "usage: mxward-gate");
    RUN("--version");
    expect_code(&ran, 0);
    expect_in(ran.out, "mxward-gate ");
}
END_TEST

/* --- running --- */

START_TEST(it_starts_without_a_daemon_answers_and_ends_with_0_when_asked)
{
    const int signals[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < 2; i++) {
        start();
        ck_assert(answers(socket_path, "15:policy .example,", "9:NOTFOUND ,"));
        ck_assert(answers(socket_path, "16:policy a.example,", "")); /* by the deadline */
        ck_assert_int_eq(kill(running, SIGHUP), 0);                  /* no reason to end */
        ck_assert(answers(socket_path, "ping\n", "status=ok daemon=no verdicts=no users=no "));
        stop(signals[i]);
        expect_code(&ran, 0);
        ck_assert_int_ne(access(socket_path, F_OK), 0); /* nothing is left */
    }
}
END_TEST

/* Signals are taken by the main thread, options by another: so it is not there at once. */
static bool comes_to_answer(const char *request, const char *beginning)
{
    for (uint64_t until_ms = clock_boot_ms() + WAIT_MS; clock_boot_ms() < until_ms; usleep(5000))
        if (answers(socket_path, request, beginning))
            return true;
    return false;
}

static bool is_logged(const char *text)
{
    char path[120], *err = NULL;
    bool there = false;

    snprintf(path, sizeof path, "%s/err", folder);
    for (uint64_t until_ms = clock_boot_ms() + WAIT_MS; !there && clock_boot_ms() < until_ms;) {
        err = program_slurp(path);
        there = strstr(err, text) != NULL;
        free(err);
        usleep(5000);
    }
    return there;
}

static void reload_with(const char *more)
{
    write_settings(more);
    ck_assert_int_eq(kill(running, SIGHUP), 0);
}

#define OBSERVE "observe host=mx.example address=192.0.2.1 tls=TLSv1.3\n"

START_TEST(SIGHUP_takes_new_settings_and_says_what_needs_a_restart)
{
    char more[300];

    start();
    ck_assert(answers(socket_path, OBSERVE, "status=invalid ")); /* not taken here */
    reload_with("gate { observe = yes }");
    ck_assert(
        comes_to_answer(OBSERVE, "status=temporary ")); /* but for the daemon, which is away */
    ck_assert(is_logged("all settings are in force"));
    snprintf(more, sizeof more,
             "gate { sockets = { %s } connections = 7 }\nlisten { socket = %s/other.sock }",
             second_path, folder);
    reload_with(more);
    ck_assert(comes_to_answer(OBSERVE, "status=invalid "));
    ck_assert(is_logged("in force, but 3 settings need a restart"));
    ck_assert(is_logged("gate.connections = 7 needs a restart; running with 1024"));
    ck_assert(is_logged("gate.sockets"));
    ck_assert(is_logged("listen.socket"));
    ck_assert_int_ne(access(second_path, F_OK), 0);
    stop(SIGTERM);
    expect_code(&ran, 0);
}
END_TEST

START_TEST(a_bad_file_leaves_the_old_settings_in_force)
{
    write_settings("gate { observe = yes }");
    start();
    reload_with("gate { observe = no deadline = 1ms }");
    ck_assert(is_logged(":3: "));
    ck_assert(is_logged("the old settings stay in force"));
    ck_assert(answers(socket_path, OBSERVE, "status=temporary "));
    reload_with("guarantee { trusted_hops = { 'not an address!' } }");
    ck_assert(is_logged("guarantee.trusted_hops"));
    ck_assert(answers(socket_path, OBSERVE, "status=temporary "));
    reload_with("");
    ck_assert(comes_to_answer(OBSERVE, "status=invalid "));
    stop(SIGTERM);
    expect_code(&ran, 0);
}
END_TEST

START_TEST(a_second_gate_on_the_same_socket_ends_with_75_and_harms_nobody)
{
    start();
    const pid_t first = running;
    char other[100];

    snprintf(other, sizeof other, "%s/other", folder);
    ck_assert_int_eq(mkdir(other, 0700), 0);
    ran = program_wait(
        other, program_start(program, other, NULL, (const char *const[]){"-c", file, NULL}));
    expect_code(&ran, 75);
    expect_in(ran.err, "another program listens there");
    running = first;
    ck_assert(answers(socket_path, "ping\n", "status=ok "));
    stop(SIGTERM);
    expect_code(&ran, 0);
}
END_TEST

START_TEST(a_socket_that_nobody_listens_at_any_more_is_replaced)
{
    start();
    ck_assert_int_eq(kill(running, SIGKILL), 0);
    ck_assert_int_eq(waitpid(running, NULL, 0), running);
    running = 0;
    ck_assert_int_eq(access(socket_path, F_OK), 0);
    start();
    stop(SIGTERM);
    expect_code(&ran, 0);
}
END_TEST

START_TEST(what_is_no_socket_is_left_where_it_is)
{
    FILE *out = fopen(socket_path, "we");

    fputs("precious", out);
    fclose(out);
    RUN("-c", file);
    expect_code(&ran, 78);
    expect_in(ran.err, "is no socket");
    ck_assert_int_eq(access(socket_path, F_OK), 0);
}
END_TEST

START_TEST(sockets_have_the_mode_and_group_of_the_settings)
{
    char more[300];
    struct stat st;
    gid_t groups[64];
    const int count = getgroups(64, groups);
    const gid_t gid = geteuid() == 0 ? 1 : count > 0 ? groups[count - 1] : getegid();

    snprintf(more, sizeof more, "gate { sockets = { %s, %s } mode = 0620 group = %u }", socket_path,
             second_path, (unsigned)gid);
    write_settings(more);
    start();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(stat(i == 0 ? socket_path : second_path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0620);
        ck_assert_uint_eq(st.st_gid, gid);
    }
    ck_assert(answers(second_path, "ping\n", "status=ok "));
    stop(SIGTERM);
    expect_code(&ran, 0);
    ck_assert_int_ne(access(second_path, F_OK), 0);
}
END_TEST

START_TEST(if_one_socket_cannot_be_had_none_is_left)
{
    char more[300];

    snprintf(more, sizeof more, "gate { sockets = { %s, %s/closed/x.sock } }", second_path, folder);
    write_settings(more);
    RUN("-c", file);
    expect_code(&ran, 78);
    ck_assert_int_ne(access(second_path, F_OK), 0);
}
END_TEST

START_TEST(without_a_folder_for_so_long_a_path_it_says_what_to_change)
{
    char more[300], path[200];

    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    snprintf(more, sizeof more, "gate { sockets = { %s } }", path);
    write_settings(more);
    RUN("-t", "-c", file);
    expect_code(&ran, 78);
    expect_in(ran.err, "gate.sockets");
    snprintf(more, sizeof more, "daemon { run_directory = %s }", path);
    write_settings(more);
    RUN("-c", file);
    expect_code(&ran, 78);
    expect_in(ran.err, "run_directory");
}
END_TEST

/* Starting again may help; the settings are good. */
START_TEST(want_of_descriptors_is_the_machines_trouble_and_no_setting)
{
    struct rlimit before;
    unsigned unavailable = 0;

    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* it needs descriptors of its own */
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (rlim_t most = 5; most < 11; most++) {
        const struct rlimit few = {most, before.rlim_max};

        ran_free(&ran);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        running = program_start(program, folder, NULL, (const char *const[]){"-c", file, NULL});
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        usleep(200000);
        kill(running, SIGTERM);
        ran = program_wait(folder, running);
        running = 0;
        ck_assert_msg(ran.code == 0 || ran.code == 69, "%u: %d %s", (unsigned)most, ran.code,
                      ran.err);
        unavailable += ran.code == 69;
    }
    ck_assert_uint_gt(unavailable, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mxward-gate");
    TCase *settings = tcase_create("settings"), *life = tcase_create("running");
    SRunner *runner;
    int failed;

    program_find(program, "mxward-gate");
    tcase_set_timeout(settings, 60);
    tcase_set_timeout(life, 60);
    tcase_add_checked_fixture(settings, set_up, tear_down);
    tcase_add_checked_fixture(life, set_up, tear_down);
    tcase_add_test(settings, good_settings_are_said_to_be_good_and_nothing_is_done);
    tcase_add_test(settings, bad_settings_end_with_78_and_the_place);
    tcase_add_test(settings, wrong_arguments_end_with_64);
    tcase_add_test(settings, without_a_folder_for_so_long_a_path_it_says_what_to_change);
    tcase_add_test(life, it_starts_without_a_daemon_answers_and_ends_with_0_when_asked);
    tcase_add_test(life, SIGHUP_takes_new_settings_and_says_what_needs_a_restart);
    tcase_add_test(life, a_bad_file_leaves_the_old_settings_in_force);
    tcase_add_test(life, a_second_gate_on_the_same_socket_ends_with_75_and_harms_nobody);
    tcase_add_test(life, a_socket_that_nobody_listens_at_any_more_is_replaced);
    tcase_add_test(life, what_is_no_socket_is_left_where_it_is);
    tcase_add_test(life, sockets_have_the_mode_and_group_of_the_settings);
    tcase_add_test(life, want_of_descriptors_is_the_machines_trouble_and_no_setting);
    tcase_add_test(life, if_one_socket_cannot_be_had_none_is_left);
    suite_add_tcase(suite, settings);
    suite_add_tcase(suite, life);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
