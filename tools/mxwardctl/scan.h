/*
 * scan.h - the parts of `mxwardctl scan`: input, output, counts and progress.
 */
#ifndef MXWARDCTL_SCAN_H
#define MXWARDCTL_SCAN_H

#include "tools/mxwardctl/result.h"
#include "tools/mxwardctl/seen.h"

#include "engine/names/nexthop.h"
#include "shm/level.h"

#include <stdint.h>
#include <stdio.h>

#define SCAN_LINE_MAX   2048  /* bytes of one line of input; a longer one is invalid */
#define SCAN_BUFFER_MAX 65536 /* bytes of input in memory; of a longer line, only its beginning */

struct scan_counts {
    uint64_t classes[CLASS_COUNT]; /* verdicts */
    uint64_t undecided;            /* of them */
    uint64_t invalid, errors;      /* answers without a verdict */
    uint64_t repeated;             /* lines not asked: seen before, or in the output already */
    uint64_t not_met;              /* below the class required */
};

/* --- input: scan_input.c --- */

enum scan_line {
    SCAN_NAME,    /* a name not seen before */
    SCAN_INVALID, /* not a name; `why` says what is wrong, `line` which line it was */
    SCAN_NOTHING, /* nothing there yet (a pipe) */
    SCAN_END,
    SCAN_FAILED, /* errno */
};

struct scan_input {
    int fd;
    bool ended, regular;
    uint64_t read_bytes, total_bytes; /* total: 0 when not known */
    struct seen *seen;                /* names that were taken, and those in the output */
    struct XXH3_state_s *hash;
    uint64_t long_bytes;      /* gone by of a line longer than the buffer; 0: not inside one */
    char head[SCAN_LINE_MAX]; /* its beginning */
    size_t start, end;
    char bytes[SCAN_BUFFER_MAX];
};

struct scan_found {
    char name[SCAN_LINE_MAX]; /* canonical; for SCAN_INVALID the beginning of the line */
    const char *why;
    struct input_line line;
};

/* "-": standard input. 0 or negative errno. */
int scan_input_open(struct scan_input *input, const char *path);
void scan_input_close(struct scan_input *input);
/* The next that has no result yet; what was seen before is counted and passed over. */
enum scan_line scan_input_next(struct scan_input *input, struct scan_counts *counts,
                               struct scan_found *found);

/* What stands in `seen` for a line that is no name. No name begins with a blank. */
#define SCAN_KEY_MAX 64
void scan_line_key(const struct input_line *line, char key[SCAN_KEY_MAX]);

/* --- output: scan_output.c --- */

/* The final results of an earlier run, which this one does not ask for again. */
struct scan_resumed {
    uint64_t count, invalid, not_met; /* as in scan_counts */
};

/* NULL: said on standard error. With --resume, what is in the file goes into `seen`. */
FILE *scan_output_open(const struct invocation *invocation, struct seen *seen,
                       struct scan_resumed *resumed);

/* --- progress: scan_progress.c --- */

struct scan_progress {
    struct screen screen; /* standard error */
    int64_t began_ms, told_ms, rate_ms;
    uint64_t rate_done;
    double rate; /* answers a second, lately */
    bool line_open;
};

int64_t scan_now_ms(void);
uint64_t scan_done(const struct scan_counts *counts);
void scan_progress_begin(struct scan_progress *progress, const struct invocation *invocation);
/* A line that is rewritten, on a terminal; else one each ten seconds. */
void scan_progress_tick(struct scan_progress *progress, const struct scan_counts *counts,
                        const struct scan_input *input, unsigned outstanding, const char *remark);
void scan_progress_end(struct scan_progress *progress);
void scan_summary(struct scan_progress *progress, const struct scan_counts *counts);

#endif
