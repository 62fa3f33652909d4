/*
 * follow.h - the lines of a file to its end, or of a log that goes on: as `tail -F` does it.
 *
 *   file ─► whole lines ─► nothing yet ─► … ─► another file at its path, or a shorter one ─► begin
 *
 * Rotation: another file stands at the path; what was written to the old one before that is read
 * first. Truncation: the file is shorter than what was read; it is read from its beginning. What
 * was truncated and has grown beyond that between two looks is not noticed: its first line is
 * taken for the rest of one, and is lost with what was there before. While nothing stands at the
 * path the old file is read. One thread; waits no longer than it is told.
 */
#ifndef MXWARDCTL_FOLLOW_H
#define MXWARDCTL_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOLLOW_LINE_MAX 4096  /* bytes with the line's end; a longer line is skipped whole */
#define FOLLOW_BYTES    65536 /* read at once */
#define FOLLOW_LOOK_MS  250   /* between two looks at a file that has not grown */

struct follow {
    const char *path; /* the caller's; "-": standard input */
    int fd;
    bool goes_on, skipping; /* skipping: the rest of a line that is too long */
    uint64_t offset;        /* in the file, of what was read */
    size_t start, end;      /* of what was read and not taken */
    char bytes[FOLLOW_BYTES];
};

/* `goes_on`: wait for more at its end, and then begin there unless `from_start`. Negative errno. */
int follow_open(struct follow *follow, const char *path, bool goes_on, bool from_start);
void follow_close(struct follow *follow);

enum follow_got { FOLLOW_LINE, FOLLOW_NOTHING, FOLLOW_END };
/*
 * The next line, without its end, valid until the next call. NOTHING: none came within `wait_ms`,
 * or a signal did. END: a file that does not go on is over, as is a pipe; or it cannot be read
 * (errno; 0: it is over).
 */
enum follow_got follow_line(struct follow *follow, const char **line, size_t *size, int wait_ms);

#endif
