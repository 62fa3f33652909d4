/*
 * check.h - our own mistakes, caught.
 *
 * CHECK is for conditions that only a mistake of ours can break: it prints where, and aborts, in
 * every build. What the environment does (no memory, no descriptor) is a negative errno; what a
 * peer does is a finding. Neither is ever a CHECK.
 */
#ifndef MXWARD_BASE_CHECK_H
#define MXWARD_BASE_CHECK_H

#include <assert.h>

#define CHECK(condition)                                  \
    do {                                                  \
        if (__builtin_expect(!(condition), 0))            \
            check_failed(__FILE__, __LINE__, #condition); \
    } while (0)

_Noreturn void check_failed(const char *file, int line, const char *condition);

#endif
