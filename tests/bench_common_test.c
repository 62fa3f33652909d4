/*
 * bench_common_test.c - what the benchmarks' bars are worth: equal work holds a bar of 1.1, and the
 * same with a planted slowdown of 20 % does not (bench/common/bench.h).
 *
 * The benchmark code is no library, so it is included whole.
 */
#include "bench/common/bench.c"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

static void work(void)
{
    uint64_t x = 88172645463325252u;
    for (unsigned i = 0; i < 4000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    ck_assert_uint_ne(x, 0); /* so that the compiler does not drop the work */
}

/* Runs `report` with standard output in a file, and gives back what it printed. */
static bool printed(const struct bench_case *what, const struct bench_pairs *pairs, char *line,
                    size_t size)
{
    char path[] = "/tmp/mxward-bench-XXXXXX";
    int file = mkstemp(path), kept = dup(STDOUT_FILENO);
    ck_assert_int_ge(file, 0);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    bool holds = bench_report(what, pairs);
    dup2(kept, STDOUT_FILENO);
    ssize_t got = pread(file, line, size - 1, 0);
    ck_assert_int_gt(got, 0);
    line[got] = '\0';
    close(file);
    close(kept);
    unlink(path);
    return holds;
}

static struct bench_pairs equal_work(void)
{
    struct bench_pairs pairs = {0};
    for (unsigned pair = 0; pair < bench_pairs_wanted(); pair++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            enum bench_side side = bench_side(pair, turn);
            struct bench_watch watch = bench_start(side);
            work();
            struct bench_spent spent = bench_stop(&watch);
            bench_add(&pairs, side, (double)spent.cpu_ns);
        }
    }
    return pairs;
}

static const struct bench_case equal = {"self", "equal work", "ns", BENCH_AT_MOST, 1.1};

START_TEST(equal_work_holds_and_a_planted_slowdown_falls)
{
    char line[512];
    unsetenv("BENCH_PLANT_SLOWDOWN");
    struct bench_pairs pairs = equal_work();
    ck_assert(printed(&equal, &pairs, line, sizeof line));
    ck_assert_ptr_nonnull(strstr(line, "\"must\":\"<= 1.1\",\"holds\":true}\n"));
    ck_assert_int_eq(bench_finish(), 0);

    setenv("BENCH_PLANT_SLOWDOWN", "20", 1);
    pairs = equal_work();
    ck_assert(!printed(&equal, &pairs, line, sizeof line));
    ck_assert_ptr_nonnull(strstr(line, "\"holds\":false}\n"));
    ck_assert_int_eq(bench_finish(), 1);
}
END_TEST

/* What no watch measures is planted by doing more of it. */
START_TEST(what_is_counted_is_planted_with_real_operations_and_real_memory)
{
    const uint64_t bytes = 100 << 20, noise = 2 << 20;
    unsetenv("BENCH_PLANT_SLOWDOWN");
    ck_assert_uint_eq(bench_planted_count(300), 300);
    uint64_t before = bench_resident_bytes();
    bench_plant_memory(bytes);
    ck_assert_uint_lt(bench_resident_bytes(), before + noise);

    setenv("BENCH_PLANT_SLOWDOWN", "20", 1);
    ck_assert_uint_eq(bench_planted_count(300), 360);
    ck_assert_uint_eq(bench_planted_count(1), 1);
    before = bench_resident_bytes();
    bench_plant_memory(bytes);
    ck_assert_uint_ge(bench_resident_bytes(), before + bytes / 5);
    ck_assert_uint_lt(bench_resident_bytes(), before + bytes / 5 + noise);
}
END_TEST

START_TEST(the_ratio_is_the_median_of_the_pairs_ratios)
{
    struct bench_pairs pairs = {0};
    char line[512];
    for (unsigned i = 1; i <= 9; i++) { /* the machine gets slower and slower; the ratio does not */
        bench_add(&pairs, BENCH_OURS, i * 100.0 * (i == 5 ? 50 : 1)); /* one slice disturbed */
        bench_add(&pairs, BENCH_FLOOR, i * 200.0);
    }
    ck_assert(printed(&equal, &pairs, line, sizeof line));
    ck_assert_str_eq(
        line,
        "{\"bench\":\"self\",\"case\":\"equal work\",\"value\":600,\"unit\":\"ns\","
        "\"floor\":1000,\"ratio\":0.5,\"spread\":[0.5,25],\"must\":\"<= 1.1\",\"holds\":true}\n");
}
END_TEST

START_TEST(nothing_measured_holds_no_bar)
{
    struct bench_pairs none = {0};
    char line[512];
    ck_assert(!printed(&equal, &none, line, sizeof line));
    ck_assert_ptr_nonnull(strstr(line, "\"value\":null"));
    struct bench_case least = {"self", "rate", "per s", BENCH_AT_LEAST, 1.0};
    ck_assert(!printed(&least, &none, line, sizeof line));
    ck_assert(!bench_unmeasured(&equal, "no such machine"));
    ck_assert_int_eq(bench_finish(), 1);
}
END_TEST

START_TEST(each_side_begins_every_other_pair)
{
    unsigned ours_first = 0;
    for (unsigned pair = 0; pair < 10; pair++) {
        ck_assert_int_ne(bench_side(pair, 0), bench_side(pair, 1));
        ours_first += bench_side(pair, 0) == BENCH_OURS;
    }
    ck_assert_uint_eq(ours_first, 5);
}
END_TEST

/* bench/keep, with `command` as the benchmark; its exit status. What was kept is in `kept`. */
static int keep(const char *directory, const char *command, char *kept, size_t size)
{
    char line[512];

    (void)snprintf(line, sizeof line,
                   "BENCH_RESULTS=%s bench/keep sh -c '%s' >/dev/null 2>&1; code=$?;"
                   " cat %s/*.jsonl >%s/all 2>/dev/null; exit $code",
                   directory, command, directory, directory);
    int status = system(line);
    (void)snprintf(line, sizeof line, "%s/all", directory);
    int file = open(line, O_RDONLY);
    ck_assert_int_ge(file, 0);
    ssize_t got = read(file, kept, size - 1);
    ck_assert_int_ge(got, 0);
    kept[got] = '\0';
    close(file);
    return WEXITSTATUS(status);
}

START_TEST(what_a_benchmark_says_is_kept_behind_a_line_about_the_machine)
{
    char directory[] = "/tmp/mxward-keep-XXXXXX", kept[4096], remove[64];

    ck_assert_ptr_nonnull(mkdtemp(directory));
    unsetenv("BENCH_PLANT_SLOWDOWN");
    ck_assert_int_eq(keep(directory, "echo one; echo said >&2; exit 3", kept, sizeof kept), 3);
    ck_assert_int_eq(keep(directory, "echo two", kept, sizeof kept), 0);
    ck_assert_int_eq(strncmp(kept, "{\"commit\":\"", 11), 0);
    ck_assert_ptr_nonnull(strstr(kept, "\"kernel\":\"Linux "));
    ck_assert_ptr_nonnull(strstr(kept, "\"processor\":\""));
    ck_assert_str_eq(strchr(kept, '\n'), "\none\ntwo\n"); /* one such line suffices */
    setenv("BENCH_PLANT_SLOWDOWN", "20", 1);              /* is no result */
    ck_assert_int_eq(keep(directory, "echo three; exit 1", kept, sizeof kept), 1);
    ck_assert_ptr_null(strstr(kept, "three"));
    unsetenv("BENCH_PLANT_SLOWDOWN");
    (void)snprintf(remove, sizeof remove, "rm -r %s", directory);
    ck_assert_int_eq(system(remove), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench");
    TCase *tests = tcase_create("bench");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_a_benchmark_says_is_kept_behind_a_line_about_the_machine);
    tcase_add_test(tests, equal_work_holds_and_a_planted_slowdown_falls);
    tcase_add_test(tests, what_is_counted_is_planted_with_real_operations_and_real_memory);
    tcase_add_test(tests, the_ratio_is_the_median_of_the_pairs_ratios);
    tcase_add_test(tests, nothing_measured_holds_no_bar);
    tcase_add_test(tests, each_side_begins_every_other_pair);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
