/*
 * option_file.h - configuration files as one clean text with a map of its lines. For option.c only.
 *
 * libconfuse 3.3 parses what this hands out. Read straight from a file it would: accept a `{` that
 * is never closed, let a quoted text run over many lines, count the line after a comment twice,
 * name no file inside a section, skip characters it does not know ("a = *" takes the next word),
 * and replace ${NAME} from the environment. So comments become blanks here, includes are read in
 * place, and all of that is refused with file and line before libconfuse sees a byte. Main thread
 * only.
 */
#ifndef MXWARD_BASE_OPTION_FILE_H
#define MXWARD_BASE_OPTION_FILE_H

#include "engine/base/limits.h"

#include <stddef.h>
#include <stdint.h>

struct option_position {
    uint32_t file; /* index into `files` */
    uint32_t line; /* from 1 */
};

struct option_file_text {
    char *text; /* what libconfuse parses; NUL after the last byte */
    size_t length, capacity;
    struct option_position *lines; /* where each line of `text` came from */
    size_t line_count, line_capacity;
    char *files[LIMIT_CONFIGURATION_FILES]; /* as they were opened */
    size_t file_count;
};

/* 0, or -1 with a sentence in `why` that begins with file:line. Free in both cases. */
int option_file_read(struct option_file_text *text, const char *path, char *why, size_t why_size);
void option_file_free(struct option_file_text *text);
/* Where line `line` (from 1) of the text came from. */
struct option_position option_file_position(const struct option_file_text *text, unsigned line);

#endif
