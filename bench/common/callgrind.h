/*
 * callgrind.h - the instructions of a program, counted by valgrind's callgrind. Unlike time they
 * are the same on a busy machine, so that a bar on them can be tight.
 *
 *     pid_t child = callgrind_start(words, NULL, report, NULL);
 *     … make it work and end …
 *     double instructions = callgrind_end(child, report);
 *
 * What a program does once is not wanted: count it with few and with many operations and divide the
 * difference, or let it say itself when to count (valgrind/callgrind.h, "--instr-atstart=no").
 */
#ifndef MXWARD_BENCH_COMMON_CALLGRIND_H
#define MXWARD_BENCH_COMMON_CALLGRIND_H

#include <sys/types.h>

/* Starts words[0] (a path) under callgrind; at most eight words. `option`: one of callgrind's, or
 * NULL. `report`: a file for what callgrind says. `output`: as of process_start. */
pid_t callgrind_start(const char *const *words, const char *option, const char *report,
                      int *output);
/* Waits for it. Of all its threads; 0: it did not end well, or there is no valgrind. */
double callgrind_end(pid_t child, const char *report);

/* `self`, a benchmark's own program, with a number as its only word and not counted until it says
 * so (CALLGRIND_START_INSTRUMENTATION): its instructions; 0: there is no valgrind, or it failed. */
double callgrind_count(const char *self, unsigned number);

#endif
