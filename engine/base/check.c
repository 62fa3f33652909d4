/*
 * check.c - the end of the program when a condition of ours is broken.
 *
 * Called by CHECK only, from any thread and in any state, so it uses write(2) and nothing that
 * allocates or locks. Returns never: the core file and the line are the report. Weakness: what the
 * log still holds back for its rate limit is lost.
 */
#include "engine/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void check_failed(const char *file, int line, const char *condition)
{
    char text[512];
    int length = snprintf(text, sizeof(text), "mxward: %s:%d: our mistake: %s does not hold\n",
                          file, line, condition);
    if (length >= (int)sizeof(text))
        length = (int)sizeof(text) - 1;
    /* Nothing is left to do if standard error is gone. */
    ssize_t ignored = write(STDERR_FILENO, text, length > 0 ? (size_t)length : 0);
    (void)ignored;
    abort();
}
