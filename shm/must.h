/*
 * must.h - our own mistakes, caught: the CHECK of this folder, which includes nothing of the
 * engine.
 *
 * MUST is for conditions that only a mistake of ours, or of the program around the library, can
 * break: it prints where, and aborts, in every build.
 */
#ifndef MXWARD_SHM_MUST_H
#define MXWARD_SHM_MUST_H

#define MUST(condition)                                  \
    do {                                                 \
        if (__builtin_expect(!(condition), 0))           \
            must_failed(__FILE__, __LINE__, #condition); \
    } while (0)

_Noreturn void must_failed(const char *file, int line, const char *condition);

#endif
