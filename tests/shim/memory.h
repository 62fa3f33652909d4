/*
 * memory.h - memory that runs out when it is told to, and is counted: memory.c defines malloc and
 * its family in the test program, so that libraries get them, too. Not where a sanitizer has its
 * own: then nothing fails and nothing is counted, and memory_can_fail() says so.
 */
#ifndef MXWARD_TESTS_SHIM_MEMORY_H
#define MXWARD_TESTS_SHIM_MEMORY_H

#include <stdbool.h>

bool memory_can_fail(void);
/* The `nth` allocation from now on fails, and `more` after it. 0: none. */
void memory_fail(unsigned nth, unsigned more);
bool memory_failed(void);
/* From now on the allocations of all threads but the caller's are counted, whose own are the
 * test's; from 0. */
void memory_count(void);
unsigned memory_counted(void);

#endif
