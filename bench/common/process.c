/*
 * process.c - see process.h. Owns nothing.
 */
#include "bench/common/process.h"

#include "engine/base/check.h"

#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t process_start(const char *const *words, int *output)
{
    int ends[2] = {-1, -1};
    CHECK(output == NULL || pipe(ends) == 0);
    pid_t parent = getpid(), child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(1);
        dup2(output != NULL ? ends[1] : STDERR_FILENO, STDOUT_FILENO);
        if (output != NULL) {
            close(ends[0]);
            close(ends[1]);
        }
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    if (output != NULL) {
        close(ends[1]);
        *output = ends[0];
    }
    return child;
}

int process_wait(pid_t child)
{
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int process_run(const char *const *words)
{
    return process_wait(process_start(words, NULL));
}

void process_stop(pid_t child)
{
    if (child <= 0)
        return;
    kill(child, SIGTERM);
    process_wait(child);
}
