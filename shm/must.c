/*
 * must.c - see must.h.
 */
#include "shm/must.h"

#include <stdio.h>
#include <stdlib.h>

void must_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "mxward: %s:%d: must be: %s\n", file, line, condition);
    abort();
}
