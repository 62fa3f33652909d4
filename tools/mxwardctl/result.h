/*
 * result.h - one answer as a line: for people, or as JSON.
 */
#ifndef MXWARDCTL_RESULT_H
#define MXWARDCTL_RESULT_H

#include "tools/mxwardctl/command.h"
#include "tools/mxwardctl/screen.h"

/* What an answer means for the exit code, and for a scan's counts. */
enum result_kind {
    RESULT_DECIDED,   /* definite, or definitely undeliverable */
    RESULT_UNDECIDED, /* a verdict that says: ask again */
    RESULT_INVALID,   /* not a domain */
    RESULT_ERROR,     /* no verdict: busy, late, trouble */
};
enum result_kind result_kind(const struct mxw_result *result);
/* DONE, NOT_MET, USAGE or UNDECIDED for one answer. `required`: class number or -1. */
int result_exit_code(const struct mxw_result *result, int required);
/* The graver of two exit codes. */
int exit_code_worse(int a, int b);

/* `name`: as it was asked, for answers without a verdict. */
void result_print(const struct screen *screen, const char *name, int name_columns,
                  const struct mxw_result *result);
/* What tells one line of input that is no name from another, when its text cannot be printed as it
 * is: it may be no UTF-8, and of any length. */
struct input_line {
    uint64_t bytes;  /* without the blanks before it, and those behind one that fits in memory */
    char xxh128[33]; /* of those bytes, in hexadecimal */
};

/* One line into `line`; returns its length, with the newline. The schema is in mxwardctl(8). Of a
 * name that is none, the beginning is enough. `input`: NULL unless it was a line of a file. */
#define RESULT_LINE_MAX 8192
#define RESULT_NAME_MAX 512 /* bytes of a name that are printed */
size_t result_json(char line[RESULT_LINE_MAX], const char *name, const struct input_line *input,
                   const struct mxw_result *result);

#endif
