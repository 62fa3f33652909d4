/*
 * process.h - other programs that a benchmark needs. Each ends when the benchmark ends.
 */
#ifndef MXWARD_BENCH_COMMON_PROCESS_H
#define MXWARD_BENCH_COMMON_PROCESS_H

#include <sys/types.h>

/* Starts `words` (NULL-terminated; words[0] is searched for). `output`: the reading end of its
 * standard output; NULL: that goes to standard error, since ours is for the benchmark's lines. What
 * cannot be started ends with 127. */
pid_t process_start(const char *const *words, int *output);
int process_wait(pid_t child); /* its exit status; -1: it was killed */
int process_run(const char *const *words);
void process_stop(pid_t child); /* SIGTERM, and waits; 0: nothing to stop */

#endif
