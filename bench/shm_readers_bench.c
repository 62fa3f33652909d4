/*
 * shm_readers_bench.c - what do others at the table cost a reader: a writer that updates 50,000
 * records a second, and another process that reads, too?
 *
 * Twin of tests/table_threads_test.c and tests/table_torture_test.c. A million domains, names in
 * random order, each made from the last answer (as in shm_lookup).
 *
 *   with a writer   Every look-up is timed by itself, by the processor's counter; the figure of a
 *                   slice is the median, or the 99.9th per cent, of its 200,000. The other side is
 *                   the same without updates; the writer's thread wakes up on the other processor
 *                   on both sides, so that only what it stores makes the difference. What it puts
 *                   are records of the same domains, one for every 20 us since it last woke up. It
 *                   sleeps in between: a thread that spins has used up its share wherever others
 *                   run, and gets nothing when it has something to do. A slice in which it did not
 *                   come to nine tenths of its updates is measured again.
 *   two processes   How much of the rate of two readers that did not know of each other is left
 *                   when two processes read at once, each on a processor of its own: both rates
 *                   together, over twice the rate of one alone. The floor is the same of two
 *                   processes that do two dependent loads, so what memory itself loses is in both.
 *
 * Needs two processors.
 */
#include "bench/common/bench.h"
#include "bench/common/table_world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define DOMAINS  1000000u
#define STEPS    200000u
#define MEDIAN   (STEPS / 2)
#define LATE     (STEPS - STEPS / 1000) /* p99.9 */
#define EVERY_NS 20000u                 /* 50,000 updates a second */
#define CHUNK    1000u                  /* steps between two looks at what to do */
#define SLEEP_NS 100000                 /* the writer's */
#define LEAST    (0.9 * 1e9 / EVERY_NS) /* updates a second, to count as that */
#define AGAIN    30u                    /* slices that may be measured again, in all */
/* What the writer missed while it did not run it catches up with, unless it is more than that. */
#define MOST_LATE_NS 1000000000u

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* In what unit does not matter: figures are ratios, and `ns_of_tick` is measured. */
static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    unsigned unused;
    return __builtin_ia32_rdtscp(&unused);
#else
    return now_ns();
#endif
}

static double ns_of_tick(void)
{
    const uint64_t ns = now_ns(), tick = ticks();

    usleep(20000);
    return (double)(now_ns() - ns) / (double)(ticks() - tick);
}

/* --- looking up --- */

static inline uint64_t look_up(const struct table_reader *reader, uint64_t value, uint64_t step)
{
    static struct verdict verdict;
    char name[WORLD_NAME_BYTES + 1];
    struct table_key key;

    world_name(name, (uint32_t)world_next(value, step, DOMAINS));
    table_key_make(&key, name, WORLD_NAME_BYTES);
    if (table_read(reader, &key, world_now.boot_ms, &verdict) != TABLE_HIT) {
        bench_say("a miss among the hits");
        exit(1);
    }
    return world_value(&verdict);
}

static uint64_t steps_ours(const struct table_reader *reader, uint64_t value, unsigned steps)
{
    for (unsigned step = 0; step < steps; step++)
        value = look_up(reader, value, step);
    return value;
}

static uint64_t steps_floor(uint64_t value, unsigned steps)
{
    for (unsigned step = 0; step < steps; step++) {
        const uint64_t line = world_next(value, step, world_bare.line_count);
        const uint64_t slot = world_bare.lines[line * 8 + line % 8];
        value = world_bare.slots[slot * 16];
    }
    return value;
}

/* --- a writer --- */

static _Atomic int writing; /* 0: it spins; 1: it updates; -1: it ends */
static _Atomic uint64_t updates;

static void *writer_run(void *unused)
{
    uint64_t due = now_ns();

    (void)unused;
    bench_pin(1);
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* ns; it would be 50 us */
    for (uint64_t number = 0; atomic_load(&writing) >= 0;) {
        struct verdict verdict;
        struct table_key key;
        char name[WORLD_NAME_BYTES + 1];
        const uint64_t now = now_ns();
        if (now < due) {
            nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
            continue;
        }
        due = due + MOST_LATE_NS < now ? now : due + EVERY_NS;
        if (atomic_load(&writing) == 0)
            continue;
        number = (number + 7919) % DOMAINS;
        world_name(name, (uint32_t)number);
        table_key_make(&key, name, WORLD_NAME_BYTES);
        world_verdict(&verdict, number);
        table_writer_put(world_writer, &key, &verdict);
        atomic_fetch_add(&updates, 1);
    }
    return NULL;
}

static uint32_t times[STEPS];

static int by_time(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* A planted slowdown: so many thousandths of each look-up's time. */
static void timed_slice(enum bench_side side)
{
    static volatile uint64_t sink;
    const uint64_t thousandths = side == BENCH_OURS ? bench_planted_count(1000) : 1000;
    uint64_t value = 1;

    for (unsigned step = 0; step < STEPS; step++) {
        const uint64_t start = ticks();
        value = look_up(world_reader, value, step);
        uint64_t took = ticks() - start;
        for (const uint64_t planted = took * thousandths / 1000; took < planted;)
            took = ticks() - start;
        times[step] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    }
    sink += value;
    qsort(times, STEPS, sizeof *times, by_time);
}

/* On a processor that others use, too, the writer does not come to it. */
static void report_with_writer(double rate, const struct bench_pairs *median,
                               const struct bench_pairs *late)
{
    const struct bench_case cases[] = {
        {"shm_readers", "hit while a writer updates, median", "ns", BENCH_AT_MOST, 1.15},
        {"shm_readers", "hit while a writer updates, p99.9", "ns", BENCH_AT_MOST, 3}};

    bench_say("%.0f updates a second, or more", rate);
    if (rate < LEAST) {
        bench_unmeasured(&cases[0], "the writer did not come to 45,000 updates a second");
        bench_unmeasured(&cases[1], "nor here");
        return;
    }
    bench_report(&cases[0], median);
    bench_report(&cases[1], late);
}

/* Of one slice; returns the updates a second in it. */
static double slice_with_writer(enum bench_side side)
{
    atomic_store(&writing, side == BENCH_OURS);
    usleep(1000);
    const uint64_t before = atomic_load(&updates), began = now_ns();
    timed_slice(side);
    const double rate = (double)(atomic_load(&updates) - before) * 1e9 / (double)(now_ns() - began);
    atomic_store(&writing, 0);
    return rate;
}

static void measure_with_writer(void)
{
    struct bench_pairs median = {0}, late = {0};
    const double ns = ns_of_tick();
    double slowest = 1e9;
    unsigned again = 0;
    pthread_t thread;

    if (pthread_create(&thread, NULL, writer_run, NULL) != 0)
        exit(bench_impossible("no thread"));
    timed_slice(BENCH_FLOOR); /* page tables */
    for (unsigned pair = 0; pair < bench_pairs_wanted(); pair++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            const enum bench_side side = bench_side(pair, turn);
            double rate = slice_with_writer(side);
            while (side == BENCH_OURS && rate < LEAST && again++ < AGAIN)
                rate = slice_with_writer(side);
            if (side == BENCH_OURS && rate < slowest)
                slowest = rate;
            const uint32_t middle = times[MEDIAN], high = times[LATE];
            bench_add(&median, side, middle * ns);
            bench_add(&late, side, high * ns);
        }
    }
    atomic_store(&writing, -1);
    pthread_join(thread, NULL);
    report_with_writer(slowest, &median, &late);
}

/* --- another process --- */

enum job { JOB_REST, JOB_OURS, JOB_FLOOR, JOB_END };
static struct shared {
    _Atomic int job;
    _Atomic uint64_t steps;
} * shared;

/* Never returns. Its own mapping, as another process has. */
static _Noreturn void other_process(pid_t parent)
{
    struct table_reader *reader;
    uint64_t value = 7;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_pin(1);
    if (getppid() != parent || table_reader_open(&reader, world_directory, &world_now, NULL, 0) < 0)
        _exit(1);
    for (int job; (job = atomic_load(&shared->job)) != JOB_END;) {
        if (job == JOB_REST) {
            usleep(100);
            continue;
        }
        value = job == JOB_OURS ? steps_ours(reader, value, CHUNK) : steps_floor(value, CHUNK);
        atomic_fetch_add(&shared->steps, CHUNK);
    }
    _exit(value == 0);
}

/* Steps a second of both processes (or of this one alone); `side` says whether it is planted. */
static double rate(enum job job, bool both, enum bench_side side)
{
    static volatile uint64_t sink;

    atomic_store(&shared->job, both ? (int)job : JOB_REST);
    usleep(2000);
    const uint64_t before = atomic_load(&shared->steps);
    const struct bench_watch watch = bench_start(side);
    sink += job == JOB_OURS ? steps_ours(world_reader, 1, STEPS) : steps_floor(1, STEPS);
    const uint64_t theirs = atomic_load(&shared->steps) - before;
    const struct bench_spent spent = bench_stop(&watch);
    atomic_store(&shared->job, JOB_REST);
    return (double)(STEPS + (both ? theirs : 0)) * 1e9 / (double)spent.wall_ns;
}

static void measure_two_processes(void)
{
    struct bench_pairs pairs = {0};
    const pid_t self = getpid();

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const pid_t child = shared == MAP_FAILED ? -1 : fork();
    if (child == 0)
        other_process(self);
    if (child < 0)
        exit(bench_impossible("no other process"));
    rate(JOB_OURS, true, BENCH_FLOOR); /* page tables */
    rate(JOB_FLOOR, true, BENCH_FLOOR);
    for (unsigned pair = 0; pair < bench_pairs_wanted(); pair++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            const enum bench_side side = bench_side(pair, turn);
            const enum job job = side == BENCH_OURS ? JOB_OURS : JOB_FLOOR;
            const double alone = rate(job, false, BENCH_FLOOR);
            bench_add(&pairs, side, rate(job, true, side) / (2 * alone));
        }
    }
    atomic_store(&shared->job, JOB_END);
    waitpid(child, NULL, 0);
    bench_report(&(struct bench_case){"shm_readers", "two reader processes", "of twice one's rate",
                                      BENCH_AT_LEAST, 0.95},
                 &pairs);
}

int main(void)
{
    const char *why = world_make(DOMAINS);

    if (why == NULL && sysconf(_SC_NPROCESSORS_ONLN) < 2)
        why = "there is only one processor";
    if (why == NULL) {
        measure_with_writer();
        measure_two_processes();
    }
    world_end();
    return why == NULL ? bench_finish() : bench_impossible(why);
}
