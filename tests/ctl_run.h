/*
 * ctl_run.h - running the real mxwardctl from a test, against the stand-in's socket.
 */
#ifndef MXWARD_TESTS_CTL_RUN_H
#define MXWARD_TESTS_CTL_RUN_H

#include "tests/run_program.h"
#include "tests/serve_standin.h"

static char ctl_program[4096];

static void ctl_find_program(void)
{
    program_find(ctl_program, "mxwardctl");
}

/* Starts it with `words` (NULL-terminated, without the program); standard input from `input`. */
static pid_t ctl_start(const char *directory, const char *input, const char *const *words)
{
    return program_start(ctl_program, directory, input, words);
}

static struct ran ctl_wait(const char *directory, pid_t pid)
{
    return program_wait(directory, pid);
}

static char *ctl_slurp(const char *path)
{
    return program_slurp(path);
}

#define ctl(directory, ...) \
    ctl_wait(directory,     \
             ctl_start(directory, NULL, (const char *const[]){__VA_ARGS__, (const char *)NULL}))

static void expect_not_in(const char *text, const char *part)
{
    ck_assert_msg(!strstr(text, part), "'%s' is in:\n%s", part, text);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

#endif
