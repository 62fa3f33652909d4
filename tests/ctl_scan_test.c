/*
 * ctl_scan_test.c - the real `mxwardctl scan`: every name once, lines that are no names and no
 * text, resuming, stopping, a daemon that goes away, and one that is busy.
 */
#include "tests/ctl_run.h"

#define COUNT 3000

static struct standin standin;
static struct ran ran;
static char list[128], results[128];

static void set_up(void)
{
    standin_prepare(&standin);
    setenv("MXWARD_SOCKET", standin.socket, 1);
    snprintf(list, sizeof list, "%s/list", standin.directory);
    snprintf(results, sizeof results, "%s/results", standin.directory);
    standin_open(&standin, 64);
}

static void tear_down(void)
{
    ran_free(&ran);
    unlink(list);
    unlink(results);
    standin_close(&standin);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* COUNT names, a third of each class. */
static void write_list(const char *extra)
{
    FILE *file = fopen(list, "w");

    for (int i = 0; i < COUNT; i++)
        fprintf(file, "%s%d.example\n", i % 3 == 0 ? "dane" : i % 3 == 1 ? "none" : "encrypted", i);
    fputs(extra, file);
    fclose(file);
}

/* Every name of the list is in the results, and none of them twice. */
static void expect_each_once(const char *text)
{
    char part[64];

    for (int i = 0; i < COUNT; i++) {
        snprintf(part, sizeof part, "{\"domain\":\"%s%d.example\",",
                 i % 3 == 0   ? "dane"
                 : i % 3 == 1 ? "none"
                              : "encrypted",
                 i);
        ck_assert_msg(count_of(text, part) == 1, "%s is there %zu times", part,
                      count_of(text, part));
    }
}

static size_t line_count(const char *text)
{
    return count_of(text, "\n");
}

START_TEST(every_name_is_asked_once)
{
    write_list("# a comment\n\n  DANE0.Example. \r\nuser@dane0.example\nnot a name\na..b\na..b\n");
    ran = ctl(standin.directory, "scan", list);
    expect_code(&ran, 0);
    ck_assert_uint_eq(line_count(ran.out), COUNT + 2);
    expect_each_once(ran.out);
    ck_assert_uint_eq(count_of(ran.out, "\"kind\":\"invalid\""), 2);
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), COUNT);
    ck_assert_uint_eq(atomic_load(&standin.engine->scans), COUNT);
    expect_in(ran.err, "3,002 answers in ");
    expect_in(ran.err, "  dane                 1,000   33.33 %");
    expect_in(ran.err, "  invalid                  2");
    expect_in(ran.err, "  repeated                 3");
}
END_TEST

START_TEST(a_pipe_is_read_as_it_comes)
{
    char command[512];

    snprintf(command, sizeof command, "%s/fifo", standin.directory);
    ck_assert_int_eq(mkfifo(command, 0600), 0);
    {
        const char *const words[] = {"scan", "-", NULL};
        pid_t feeder = fork(), pid;

        if (feeder == 0) {
            int fd = open(command, O_WRONLY);

            for (int i = 0; i < 5; i++) {
                if (dprintf(fd, "dane%d.example\nnone%d.exam", i, i) < 0)
                    _exit(1);
                usleep(100000);
                if (dprintf(fd, "ple\n") < 0)
                    _exit(1);
            }
            _exit(0);
        }
        pid = ctl_start(standin.directory, command, words);
        ran = ctl_wait(standin.directory, pid);
        waitpid(feeder, NULL, 0);
    }
    unlink(command);
    expect_code(&ran, 0);
    ck_assert_uint_eq(line_count(ran.out), 10);
    expect_in(ran.out, "{\"domain\":\"none4.example\"");
}
END_TEST

START_TEST(the_required_class_decides_the_exit_code)
{
    write_file(list, "dane.example\nverified.example\n");
    ran = ctl(standin.directory, "scan", "--require", "verified", list);
    expect_code(&ran, 0);
    ran_free(&ran);
    ran = ctl(standin.directory, "scan", "--require", "dane", list);
    expect_code(&ran, 1);
    expect_in(ran.err, "below the class required");
}
END_TEST

START_TEST(results_are_never_overwritten)
{
    write_file(list, "dane.example\n");
    write_file(results, "precious\n");
    ran = ctl(standin.directory, "scan", "--output", results, list);
    expect_code(&ran, 64);
    expect_in(ran.err, "holds results already");
    ran_free(&ran);
    ran = ctl(standin.directory, "scan", "--output", results, "--resume", list);
    expect_code(&ran, 64);
    expect_in(ran.err, "results:1 is not a scan's result; not touched");
    ran_free(&ran);
    ran = ctl(standin.directory, "scan", "--resume", list);
    expect_code(&ran, 64);
    ran_free(&ran);
    ran = ctl(standin.directory, "scan", "/no/such/list");
    expect_code(&ran, 64);
    ran_free(&ran);
    ran.out = ctl_slurp(results);
    ran.err = calloc(1, 1);
    ck_assert_str_eq(ran.out, "precious\n");
}
END_TEST

START_TEST(resume_asks_only_what_is_missing)
{
    char *text;

    write_list("");
    /* two results, an error (asked again), and a line that was cut off */
    write_file(results,
               "{\"domain\":\"dane0.example\",\"kind\":\"verdict\",\"conclusion\":\"definite\"}\n"
               "{\"domain\":\"none1.example\",\"kind\":\"verdict\",\"conclusion\":\"definite\"}\n"
               "{\"domain\":\"encrypted2.example\",\"kind\":\"error\"}\n"
               "{\"domain\":\"dane3.exa");
    ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
    expect_code(&ran, 0);
    expect_in(ran.err, "resuming behind 2 results");
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), COUNT - 2);
    text = ctl_slurp(results);
    ck_assert_uint_eq(line_count(text), COUNT + 1);
    expect_not_in(text, "dane3.exa{");
    ck_assert_uint_eq(count_of(text, "{\"domain\":\"dane3.example\","), 1);
    free(text);
    ran_free(&ran);
    ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
    expect_code(&ran, 0);
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), COUNT - 2);
}
END_TEST

START_TEST(a_stopped_scan_says_how_to_go_on_and_does)
{
    const char *const words[] = {"scan", "--output", results, list, NULL};
    char *text;
    pid_t pid;

    write_list("hold.example\n");
    atomic_store(&standin.engine->hold, true);
    pid = ctl_start(standin.directory, NULL, words);
    for (int i = 0; i < 2000 && atomic_load(&standin.engine->asked) <= COUNT; i++)
        usleep(5000);
    usleep(300000); /* until the last but one is answered and written */
    kill(pid, SIGINT);
    ran = ctl_wait(standin.directory, pid);
    expect_code(&ran, 75);
    expect_in(ran.err, "stopped; go on with: mxwardctl scan --resume --output ");
    expect_in(ran.err, "3,000 answers in ");
    ran_free(&ran);
    atomic_store(&standin.engine->hold, false);
    ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
    expect_code(&ran, 0);
    text = ctl_slurp(results);
    ck_assert_uint_eq(line_count(text), COUNT + 1);
    expect_each_once(text);
    free(text);
}
END_TEST

START_TEST(a_daemon_that_is_restarted_is_waited_for)
{
    const char *const words[] = {"scan", "--output", results, list, NULL};
    char why[512], *text;
    pid_t pid;

    write_list("hold.example\n");
    atomic_store(&standin.engine->hold, true);
    pid = ctl_start(standin.directory, NULL, words);
    for (int i = 0; i < 2000 && atomic_load(&standin.engine->asked) < COUNT / 2; i++)
        usleep(1000);
    atomic_store(&standin.engine->hold, false);
    serve_stop(standin.serve);
    standin_stop(standin.engine);
    serve_free(standin.serve);
    usleep(800000);
    standin.engine = standin_start(64);
    ck_assert_int_eq(
        serve_start(&standin.serve, standin.engine, &standin.configuration, why, sizeof why), 0);
    ran = ctl_wait(standin.directory, pid);
    expect_code(&ran, 0);
    text = ctl_slurp(results);
    ck_assert_uint_eq(line_count(text), COUNT + 1);
    expect_each_once(text);
    free(text);
}
END_TEST

START_TEST(a_question_without_an_answer_is_an_error_that_is_asked_again)
{
    char *text;

    write_file(list, "dane.example\nhold.example\n");
    atomic_store(&standin.engine->hold, true);
    ran = ctl(standin.directory, "scan", "--timeout", "50ms", "--output", results, list);
    expect_code(&ran, 75);
    expect_in(ran.err, "  errors                   1");
    text = ctl_slurp(results);
    expect_in(text, "{\"domain\":\"hold.example\",\"kind\":\"error\",\"error\":\"late\",");
    free(text);
    ran_free(&ran);
    atomic_store(&standin.engine->hold, false);
    ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
    expect_code(&ran, 0);
    text = ctl_slurp(results);
    expect_in(text, "{\"domain\":\"hold.example\",\"kind\":\"verdict\",");
    ck_assert_uint_eq(count_of(text, "{\"domain\":\"dane.example\""), 1);
    free(text);
}
END_TEST

/* --- lines that are no names --- */

static void put_long_line(FILE *file, char filler, size_t size, const char *end)
{
    for (size_t i = 0; i < size; i++)
        putc(filler, file);
    fprintf(file, "%s\n", end);
}

/* Lines that look alike or like nothing when they are printed. NOT_NAMES of them, beside two names
 * and a comment that is longer than the buffer. */
#define NOT_NAMES 12

static void write_odd_lines(void)
{
    FILE *file = fopen(list, "w");

    fputs("\xff\xfe.example\n\xff\xfd.example\n", file);
    fputs("\xed\xa0\x80.example\n", file); /* a surrogate: not UTF-8 either */
    fwrite("nul\0l.example\n", 1, 14, file);
    fwrite("nul\0m.example\n", 1, 14, file);
    put_long_line(file, 'a', 3000, "");
    put_long_line(file, 'a', 3000, "b");
    put_long_line(file, '\x01', 2000, ""); /* six bytes of JSON each */
    put_long_line(file, 'e', 511, "\xc3\xa9: cut before a character, not inside");
    /* Longer than the buffer; what follows its length would be a name, and may be none. */
    put_long_line(file, 'b', 65536, "dane9.example");
    put_long_line(file, 'b', 65536, "dane8.example");
    put_long_line(file, ' ', 70000, "dane.example");
    put_long_line(file, '#', 200000, "");
    put_long_line(file, 'c', 200000, " \r");
    fputs("none.example", file);
    fclose(file);
}

static void expect_odd_results(const char *text)
{
    ck_assert_uint_eq(line_count(text), NOT_NAMES + 2);
    ck_assert_uint_eq(count_of(text, "\"kind\":\"invalid\""), NOT_NAMES);
    ck_assert_uint_eq(count_of(text, "{\"domain\":\""), NOT_NAMES + 2);
    ck_assert_uint_eq(count_of(text, "{\"domain\":\"\xef\xbf\xbd\xef\xbf\xbd.example\","), 2);
    ck_assert_uint_eq(count_of(text, "\"input_bytes\":65549,"), 2);
    /* as `xxhsum -H2` has it of "\xff\xfe.example" */
    expect_in(text, "\"input_bytes\":10,\"input_xxh128\":\"7eb1a305ba17bc20e1f30acf9b8979ae\"");
    expect_in(text, "eee\",\"kind\":\"invalid\"");
    expect_not_in(text, "\xff");
    expect_not_in(text, "truncated");
}

START_TEST(every_line_that_is_no_name_has_one_result_and_is_known_again)
{
    char *text, *again;

    write_odd_lines();
    ran = ctl(standin.directory, "scan", "--output", results, list);
    expect_code(&ran, 0);
    expect_in(ran.err, "  invalid                 12");
    ran_free(&ran);
    text = ctl_slurp(results);
    expect_odd_results(text);
    ran = ctl(standin.directory, "scan", "--output", results, "--resume", list);
    expect_code(&ran, 0);
    expect_in(ran.err, "resuming behind 14 results");
    again = ctl_slurp(results);
    ck_assert_str_eq(again, text);
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), 2);
    free(text);
    free(again);
}
END_TEST

START_TEST(a_long_line_that_comes_slowly_is_still_one_line)
{
    const char *const words[] = {"scan", "-", NULL};
    char fifo[128], piece[10000];
    pid_t feeder, pid;

    snprintf(fifo, sizeof fifo, "%s/fifo", standin.directory);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    memset(piece, 'd', sizeof piece);
    feeder = fork();
    if (feeder == 0) {
        int fd = open(fifo, O_WRONLY);

        for (int i = 0; i < 10; i++) {
            if (write(fd, piece, sizeof piece) != (ssize_t)sizeof piece)
                _exit(1);
            usleep(50000);
        }
        _exit(dprintf(fd, "\ndane.example\n") > 0 ? 0 : 1);
    }
    pid = ctl_start(standin.directory, fifo, words);
    ran = ctl_wait(standin.directory, pid);
    waitpid(feeder, NULL, 0);
    unlink(fifo);
    expect_code(&ran, 0);
    ck_assert_uint_eq(line_count(ran.out), 2);
    expect_in(ran.out, "\"input_bytes\":100000,");
}
END_TEST

/* --- resuming --- */

START_TEST(what_is_temporary_is_asked_again)
{
    char *text;

    write_file(list, "dane.example\nunknown.example\nnull.example\nhold.example\n");
    atomic_store(&standin.engine->hold, true);
    ran = ctl(standin.directory, "scan", "--timeout", "50ms", "--output", results, list);
    expect_code(&ran, 75);
    ran_free(&ran);
    atomic_store(&standin.engine->hold, false);
    ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
    expect_code(&ran, 0);
    expect_in(ran.err, "resuming behind 2 results"); /* a null MX is final */
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), 4 + 2);
    text = ctl_slurp(results);
    ck_assert_uint_eq(count_of(text, "{\"domain\":\"unknown.example\",\"kind\":\"verdict\","), 2);
    ck_assert_uint_eq(count_of(text, "{\"domain\":\"hold.example\","), 2);
    free(text);
}
END_TEST

/* Nobody is told "all have it" by a run that asked nothing. */
START_TEST(a_resumed_scan_answers_for_what_the_first_one_found)
{
    write_file(list, "dane.example\nverified.example\n");
    ran = ctl(standin.directory, "scan", "--output", results, list);
    expect_code(&ran, 0);
    ran_free(&ran);
    ran = ctl(standin.directory, "scan", "--resume", "--require=dane", "--output", results, list);
    expect_code(&ran, 1);
    expect_in(ran.err, "1 of them are below the class required");
    ran_free(&ran);
    ran =
        ctl(standin.directory, "scan", "--resume", "--require=verified", "--output", results, list);
    expect_code(&ran, 0);
    ran_free(&ran);
    write_file(list, "dane.example\nnull.example\n"); /* undeliverable: no class is met */
    ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
    expect_code(&ran, 0);
    ran_free(&ran);
    ran = ctl(standin.directory, "scan", "--resume", "--require=encrypted", "--output", results,
              list);
    expect_code(&ran, 1);
    ran_free(&ran);
    write_file(list, "dane.example\na..b\n");
    ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
    expect_code(&ran, 0);
    ran_free(&ran);
    ran = ctl(standin.directory, "scan", "--resume", "--require=encrypted", "--output", results,
              list);
    expect_code(&ran, 64);
}
END_TEST

/* The file of a finished scan, cut at `length`, is whole again after --resume. */
static void expect_healed(const char *whole, size_t length)
{
    char *text;

    ck_assert_int_eq(truncate(results, (off_t)length), 0);
    ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
    expect_code(&ran, 0);
    ran_free(&ran);
    ran = (struct ran){0};
    text = ctl_slurp(results);
    ck_assert_msg(line_count(text) == line_count(whole) && text[strlen(text) - 1] == '\n' &&
                      count_of(text, "{\"domain\":\"dane.example\",") == 1 &&
                      count_of(text, "{\"domain\":\"a..b\",") == 1,
                  "cut at %zu: %s", length, text);
    free(text);
}

START_TEST(a_line_cut_off_anywhere_is_healed)
{
    char *whole;
    size_t length;

    write_file(list, "dane.example\na..b\n");
    ran = ctl(standin.directory, "scan", "--output", results, list);
    expect_code(&ran, 0);
    ran_free(&ran);
    ran = (struct ran){0};
    whole = ctl_slurp(results);
    length = strlen(whole);
    for (size_t cut = 1; cut <= length; cut += cut < 20 || cut > length - 20 ? 1 : 13)
        expect_healed(whole, length - cut);
    free(whole);
}
END_TEST

/* True: the process was killed in the middle of a line. */
static bool kill_while_writing(void)
{
    const char *const words[] = {"scan", "--output", results, list, NULL};
    struct stat st = {0};
    char *text;
    bool torn;
    pid_t pid;

    unlink(results);
    pid = ctl_start(standin.directory, NULL, words);
    for (int i = 0; i < 20000 && (stat(results, &st) != 0 || st.st_size == 0); i++)
        usleep(100);
    kill(pid, SIGKILL);
    ran = ctl_wait(standin.directory, pid);
    expect_code(&ran, 1000 + SIGKILL);
    ran_free(&ran);
    ran = (struct ran){0};
    text = ctl_slurp(results);
    torn = text[0] && text[strlen(text) - 1] != '\n';
    free(text);
    return torn;
}

START_TEST(a_scan_that_was_killed_while_writing_is_healed)
{
    bool torn = false;
    char *text;

    write_list("");
    for (int i = 0; i < 20 && !torn; i++)
        torn = kill_while_writing();
    ck_assert_msg(torn, "never killed in the middle of a line");
    ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
    expect_code(&ran, 0);
    text = ctl_slurp(results);
    ck_assert_uint_eq(line_count(text), COUNT);
    expect_each_once(text);
    free(text);
}
END_TEST

START_TEST(nothing_but_the_beginning_of_a_result_is_cut_off)
{
    static const char *const texts[] = {
        "precious", "{\"domain\":1}", "[{\"domain\":\"a.example\"",
        "{\"domain\":\"dane.example\",\"kind\":\"error\"}\nprecious"};

    write_file(list, "dane.example\n");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *text;

        write_file(results, texts[i]);
        ran = ctl(standin.directory, "scan", "--resume", "--output", results, list);
        expect_code(&ran, 64);
        expect_in(ran.err, "is not a scan's result; not touched");
        ran_free(&ran);
        ran = (struct ran){0};
        text = ctl_slurp(results);
        ck_assert_str_eq(text, texts[i]);
        free(text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_scan");
    TCase *tcase = tcase_create("scan");
    SRunner *runner;
    int failed;

    ctl_find_program();
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, every_name_is_asked_once);
    tcase_add_test(tcase, a_pipe_is_read_as_it_comes);
    tcase_add_test(tcase, the_required_class_decides_the_exit_code);
    tcase_add_test(tcase, results_are_never_overwritten);
    tcase_add_test(tcase, resume_asks_only_what_is_missing);
    tcase_add_test(tcase, a_stopped_scan_says_how_to_go_on_and_does);
    tcase_add_test(tcase, a_daemon_that_is_restarted_is_waited_for);
    tcase_add_test(tcase, a_question_without_an_answer_is_an_error_that_is_asked_again);
    tcase_add_test(tcase, every_line_that_is_no_name_has_one_result_and_is_known_again);
    tcase_add_test(tcase, a_long_line_that_comes_slowly_is_still_one_line);
    tcase_add_test(tcase, what_is_temporary_is_asked_again);
    tcase_add_test(tcase, a_resumed_scan_answers_for_what_the_first_one_found);
    tcase_add_test(tcase, a_line_cut_off_anywhere_is_healed);
    tcase_add_test(tcase, a_scan_that_was_killed_while_writing_is_healed);
    tcase_add_test(tcase, nothing_but_the_beginning_of_a_result_is_cut_off);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
