/*
 * bench.c - see bench.h. Owns the count of fallen bars, and memory that was planted.
 */
#include "bench/common/bench.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static unsigned fallen;

static uint64_t clock_ns(clockid_t which)
{
    struct timespec now;

    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct bench_spent spent_so_far(void)
{
    return (struct bench_spent){.wall_ns = clock_ns(CLOCK_MONOTONIC),
                                .cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
                                .thread_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID)};
}

static double environment_number(const char *name, double otherwise)
{
    const char *text = getenv(name);
    return text ? strtod(text, NULL) : otherwise;
}

static cpu_set_t at_first;

static void processors_read(void)
{
    sched_getaffinity(0, sizeof at_first, &at_first);
}

void bench_pin(unsigned number)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const int processors = (pthread_once(&once, processors_read), CPU_COUNT(&at_first));
    cpu_set_t one;

    for (size_t cpu = 0, seen = 0; processors > 0 && cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &at_first) || seen++ != number % (unsigned)processors)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
}

unsigned bench_pairs_wanted(void)
{
    double wanted = environment_number("BENCH_PAIRS", BENCH_PAIRS_LEAST);

    if (wanted < 1)
        wanted = 1;
    return wanted > BENCH_PAIRS_MOST ? BENCH_PAIRS_MOST : (unsigned)wanted;
}

enum bench_side bench_side(unsigned pair, unsigned turn)
{
    return (pair + turn) % 2 == 0 ? BENCH_OURS : BENCH_FLOOR;
}

/* The share by which our side is to be slower; 0: not at all. */
static double planted(void)
{
    return environment_number("BENCH_PLANT_SLOWDOWN", 0) / 100;
}

unsigned bench_planted_count(unsigned count)
{
    return (unsigned)lround(count * (1 + planted()));
}

void bench_plant_memory(uint64_t bytes)
{
    size_t size = (size_t)((double)bytes * planted());
    char *memory = size == 0 ? NULL
                             : mmap(NULL, size, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (memory == MAP_FAILED)
        bench_say("no memory to plant");
}

struct bench_watch bench_start(enum bench_side side)
{
    return (struct bench_watch){.side = side, .start = spent_so_far()};
}

static struct bench_spent since(const struct bench_spent *start)
{
    struct bench_spent now = spent_so_far();

    now.wall_ns -= start->wall_ns;
    now.cpu_ns -= start->cpu_ns;
    now.thread_ns -= start->thread_ns;
    return now;
}

/* Really works and really waits, in the caller's thread, so that whatever is measured sees it. */
static void plant(const struct bench_watch *watch, double share)
{
    struct bench_spent so_far = since(&watch->start);
    uint64_t cpu_ns = so_far.cpu_ns + (uint64_t)((double)so_far.cpu_ns * share);
    uint64_t wall_ns = so_far.wall_ns + (uint64_t)((double)so_far.wall_ns * share);

    while (since(&watch->start).cpu_ns < cpu_ns)
        ;
    so_far = since(&watch->start);
    if (so_far.wall_ns < wall_ns)
        usleep((useconds_t)((wall_ns - so_far.wall_ns) / 1000));
}

struct bench_spent bench_stop(const struct bench_watch *watch)
{
    double share = planted();

    if (watch->side == BENCH_OURS && share > 0)
        plant(watch, share);
    return since(&watch->start);
}

void bench_add(struct bench_pairs *pairs, enum bench_side side, double value)
{
    if (pairs->counts[side] < BENCH_PAIRS_MOST)
        pairs->values[side][pairs->counts[side]++] = value;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(const double *values, unsigned count)
{
    double sorted[BENCH_PAIRS_MOST];

    if (count == 0 || count > BENCH_PAIRS_MOST)
        return NAN;
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* A number as JSON has it: not every double is one. */
static const char *number(double value, char text[32])
{
    if (!isfinite(value))
        return "null";
    (void)snprintf(text, 32, "%.6g", value);
    return text;
}

struct spread {
    double least, most; /* of the pairs' ratios; NaN: there are none */
};
static const struct spread no_spread = {NAN, NAN};

static bool report(const struct bench_case *what, double value, double floor, double judged,
                   struct spread spread)
{
    char texts[5][32], must[48] = "null";
    bool holds = true; /* NaN makes every comparison false: no bar holds */

    if (what->sense == BENCH_AT_MOST)
        holds = judged <= what->must;
    if (what->sense == BENCH_AT_LEAST)
        holds = judged >= what->must;
    if (what->sense != BENCH_JUST_SAY)
        (void)snprintf(must, sizeof must, "\"%s %.6g\"",
                       what->sense == BENCH_AT_MOST ? "<=" : ">=", what->must);
    printf("{\"bench\":\"%s\",\"case\":\"%s\",\"value\":%s,\"unit\":\"%s\",\"floor\":%s,"
           "\"ratio\":%s,\"spread\":[%s,%s],\"must\":%s,\"holds\":%s}\n",
           what->bench, what->name, number(value, texts[0]), what->unit, number(floor, texts[1]),
           number(floor > 0 ? judged : NAN, texts[2]), number(spread.least, texts[3]),
           number(spread.most, texts[4]), must, holds ? "true" : "false");
    (void)fflush(stdout);
    fallen += !holds;
    return holds;
}

bool bench_report(const struct bench_case *what, const struct bench_pairs *pairs)
{
    double ratios[BENCH_PAIRS_MOST];
    struct spread spread = no_spread;
    unsigned count = pairs->counts[BENCH_OURS];

    if (pairs->counts[BENCH_FLOOR] < count)
        count = pairs->counts[BENCH_FLOOR];
    for (unsigned i = 0; i < count; i++) {
        ratios[i] = pairs->values[BENCH_OURS][i] / pairs->values[BENCH_FLOOR][i];
        spread.least = fmin(spread.least, ratios[i]); /* fmin and fmax pass over NaN */
        spread.most = fmax(spread.most, ratios[i]);
    }
    if (count < BENCH_PAIRS_LEAST)
        bench_say("%s %s: only %u pairs, nine are needed to say anything", what->bench, what->name,
                  count);
    return report(what, bench_median(pairs->values[BENCH_OURS], count),
                  bench_median(pairs->values[BENCH_FLOOR], count), bench_median(ratios, count),
                  spread);
}

bool bench_report_once(const struct bench_case *what, double value, double floor)
{
    return report(what, value, floor, floor > 0 ? value / floor : value, no_spread);
}

bool bench_unmeasured(const struct bench_case *what, const char *why)
{
    bench_say("%s: %s", what->name, why);
    return report(what, NAN, NAN, NAN, no_spread);
}

int bench_finish(void)
{
    return fallen == 0 ? 0 : 1;
}

void bench_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
}

int bench_impossible(const char *why)
{
    bench_say("this benchmark cannot run here: %s", why);
    return 77;
}

uint64_t bench_resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (!file)
        return 0;
    if (fscanf(file, "%*s %lu", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
