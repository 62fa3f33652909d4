/*
 * ctl_run.h - running the real mxwardctl from a test, against the stand-in's socket.
 *
 * The program is the one of the same build folder: BUILD/tests/X_test runs BUILD/mxwardctl.
 */
#ifndef MXWARD_TESTS_CTL_RUN_H
#define MXWARD_TESTS_CTL_RUN_H

#include "tests/serve_standin.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#define CTL_TEXT_MAX (8 << 20)

struct ran {
    int code; /* exit code; 1000 + signal */
    char *out, *err;
};

static char ctl_program[4096];

static void ctl_find_program(void)
{
    ssize_t length = readlink("/proc/self/exe", ctl_program, sizeof ctl_program - 20);

    if (length <= 0)
        abort();
    ctl_program[length] = 0;
    for (int i = 0; i < 2; i++)
        *strrchr(ctl_program, '/') = 0;
    strcat(ctl_program, "/mxwardctl");
    if (access(ctl_program, X_OK) != 0) {
        fprintf(stderr, "%s is not built\n", ctl_program);
        exit(77);
    }
}

static char *ctl_slurp(const char *path)
{
    char *text = calloc(1, CTL_TEXT_MAX);
    FILE *file = fopen(path, "r");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_lt(fread(text, 1, CTL_TEXT_MAX - 1, file), CTL_TEXT_MAX - 1);
    fclose(file);
    return text;
}

/* Starts it with `words` (NULL-terminated, without the program); standard input from `input`. */
static pid_t ctl_start(const char *directory, const char *input, const char *const *words)
{
    posix_spawn_file_actions_t actions;
    char *texts[64] = {ctl_program};
    char out[128], err[128];
    pid_t pid;
    int error;

    for (int i = 0; words[i]; i++)
        texts[i + 1] = (char *)(uintptr_t)words[i];
    snprintf(out, sizeof out, "%s/out", directory);
    snprintf(err, sizeof err, "%s/err", directory);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, input ? input : "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    error = posix_spawn(&pid, ctl_program, &actions, NULL, texts, environ);
    posix_spawn_file_actions_destroy(&actions);
    ck_assert_int_eq(error, 0);
    return pid;
}

static struct ran ctl_wait(const char *directory, pid_t pid)
{
    struct ran ran;
    char path[128];
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    snprintf(path, sizeof path, "%s/out", directory);
    ran.out = ctl_slurp(path);
    unlink(path);
    snprintf(path, sizeof path, "%s/err", directory);
    ran.err = ctl_slurp(path);
    unlink(path);
    return ran;
}

#define ctl(directory, ...) \
    ctl_wait(directory,     \
             ctl_start(directory, NULL, (const char *const[]){__VA_ARGS__, (const char *)NULL}))

static void ran_free(struct ran *ran)
{
    free(ran->out);
    free(ran->err);
}

static void expect_code(const struct ran *ran, int code)
{
    ck_assert_msg(ran->code == code, "exit code %d, not %d\nout: %s\nerr: %s", ran->code, code,
                  ran->out, ran->err);
}

static void expect_in(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part), "'%s' is not in:\n%s", part, text);
}

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
