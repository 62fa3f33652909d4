/*
 * run_program.h - running the real programs from a test, and what they said.
 *
 * A program is the one of the same build folder: BUILD/tests/X_test runs BUILD/NAME.
 */
#ifndef MXWARD_TESTS_RUN_PROGRAM_H
#define MXWARD_TESTS_RUN_PROGRAM_H

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM_TEXT_MAX (8 << 20)

struct ran {
    int code; /* exit code; 1000 + signal */
    char *out, *err;
};

static void program_find(char path[4096], const char *name)
{
    ssize_t length = readlink("/proc/self/exe", path, 4096 - 20);

    if (length <= 0)
        abort();
    path[length] = 0;
    for (int i = 0; i < 2; i++)
        *strrchr(path, '/') = 0;
    strcat(path, "/");
    strcat(path, name);
    if (access(path, X_OK) != 0) {
        fprintf(stderr, "%s is not built\n", path);
        exit(77);
    }
}

static char *program_slurp(const char *path)
{
    char *text = calloc(1, PROGRAM_TEXT_MAX);
    FILE *file = fopen(path, "r");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_lt(fread(text, 1, PROGRAM_TEXT_MAX - 1, file), PROGRAM_TEXT_MAX - 1);
    fclose(file);
    return text;
}

/* Starts it with `words` (NULL-terminated, without the program); standard input from `input`, what
 * it says to `directory`/out and err. */
static pid_t program_start(const char *program, const char *directory, const char *input,
                           const char *const *words)
{
    posix_spawn_file_actions_t actions;
    char *texts[64] = {(char *)(uintptr_t)program};
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
    error = posix_spawn(&pid, program, &actions, NULL, texts, environ);
    posix_spawn_file_actions_destroy(&actions);
    ck_assert_int_eq(error, 0);
    return pid;
}

static struct ran program_wait(const char *directory, pid_t pid)
{
    struct ran ran;
    char path[128];
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    snprintf(path, sizeof path, "%s/out", directory);
    ran.out = program_slurp(path);
    unlink(path);
    snprintf(path, sizeof path, "%s/err", directory);
    ran.err = program_slurp(path);
    unlink(path);
    return ran;
}

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

#endif
