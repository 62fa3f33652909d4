/*
 * bench.h - measuring, comparing, and saying so in one JSON line a case.
 *
 * A benchmark runs slices of our side and of its floor (the same work done the plainest way, or by
 * whom we must beat) in turn, at least nine pairs, so that what else the machine does falls on
 * both. The result is the median of the pairs' ratios: a pair is measured within seconds, so its
 * ratio means something on a busy machine where neither figure does alone.
 *
 *     for (unsigned i = 0; i < bench_pairs_wanted(); i++)
 *         for (unsigned turn = 0; turn < 2; turn++) {
 *             enum bench_side side = bench_side(i, turn);
 *             struct bench_watch watch = bench_start(side);
 *             … a slice …
 *             struct bench_spent spent = bench_stop(&watch);
 *             bench_add(&cpu, side, (double)spent.cpu_ns / operations);
 *         }
 *     bench_report(&(struct bench_case){"dns_answer", "cold", "ns CPU", BENCH_AT_MOST, 1.0}, &cpu);
 *     return bench_finish();
 *
 * Standard output gets nothing but the JSON lines; say everything else with bench_say. One thread.
 * BENCH_PAIRS=n changes the number of pairs (at least nine count). BENCH_PLANT_SLOWDOWN=20 makes
 * our side cost 20 % more, to show that a bar falls: by real work, real waiting and real memory, so
 * that it is measured as any other. A watch plants by itself; what is counted otherwise is planted
 * with bench_planted_count and bench_plant_memory. bench/planted runs every benchmark so.
 */
#ifndef MXWARD_BENCH_COMMON_BENCH_H
#define MXWARD_BENCH_COMMON_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_PAIRS_LEAST 9
#define BENCH_PAIRS_MOST  99

enum bench_side { BENCH_OURS, BENCH_FLOOR };
enum bench_sense { BENCH_AT_MOST, BENCH_AT_LEAST, BENCH_JUST_SAY };

struct bench_case {
    const char *bench, *name, *unit;
    enum bench_sense sense;
    double must; /* the bound of ratio = ours / floor */
};

struct bench_pairs {
    double values[2][BENCH_PAIRS_MOST]; /* by side */
    unsigned counts[2];
};

struct bench_spent {
    uint64_t wall_ns;
    uint64_t cpu_ns;    /* of all threads of the process; for threads by themselves see below */
    uint64_t thread_ns; /* of the calling thread */
};

struct bench_watch {
    enum bench_side side;
    struct bench_spent start;
};

unsigned bench_pairs_wanted(void);
/* Which side has turn 0 or 1 of pair i: who begins changes from pair to pair. */
enum bench_side bench_side(unsigned pair, unsigned turn);

struct bench_watch bench_start(enum bench_side side);
struct bench_spent bench_stop(const struct bench_watch *watch);

void bench_add(struct bench_pairs *pairs, enum bench_side side, double value);
double bench_median(const double *values, unsigned count);

/* Prints the case's line; true if the bar holds. A line that only says has no bar and holds. */
bool bench_report(const struct bench_case *what, const struct bench_pairs *pairs);
/* For what is measured once: memory, instructions. `floor` 0: none, the bar is on the value. */
bool bench_report_once(const struct bench_case *what, double value, double floor);
/* For a case that cannot be measured here: says why, and its bar does not hold. */
bool bench_unmeasured(const struct bench_case *what, const char *why);
int bench_finish(void); /* the exit status: 0, or 1 if a bar fell */

/* How many operations our side is to do where `count` are accounted for: more, if a slowdown is
 * planted. For what no watch measures, as instructions. */
unsigned bench_planted_count(unsigned count);
/* Takes the planted share of so many bytes more, and keeps them resident. */
void bench_plant_memory(uint64_t bytes);

/* Pins the calling thread to the n-th of the processors that it might use at first, counted round;
 * threads and programs that it starts begin there. */
void bench_pin(unsigned number);
__attribute__((format(printf, 1, 2))) void bench_say(const char *format, ...);
/* Cannot be measured here: says why; exit with what it returns (77). */
int bench_impossible(const char *why);

uint64_t bench_resident_bytes(void); /* of this process */

#endif
