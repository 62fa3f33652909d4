/*
 * follow.c - see follow.h.
 */
#include "tools/mxwardctl/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_input(const struct follow *follow)
{
    return strcmp(follow->path, "-") == 0;
}

int follow_open(struct follow *follow, const char *path, bool goes_on, bool from_start)
{
    off_t end = 0;

    *follow = (struct follow){.path = path, .goes_on = goes_on};
    follow->fd = is_input(follow) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (follow->fd < 0)
        return -errno;
    if (goes_on && !from_start && !is_input(follow))
        end = lseek(follow->fd, 0, SEEK_END);
    if (end > 0) { /* from the end of its last whole line */
        follow->offset = (uint64_t)end - 1;
        follow->skipping = true;
        lseek(follow->fd, end - 1, SEEK_SET);
    }
    return 0;
}

void follow_close(struct follow *follow)
{
    if (follow->fd > STDIN_FILENO)
        close(follow->fd);
    follow->fd = -1;
}

/* --- taking --- */

static bool take(struct follow *follow, const char **line, size_t *size)
{
    while (follow->start < follow->end) {
        const char *begin = follow->bytes + follow->start;
        const size_t held = follow->end - follow->start;
        const char *newline = memchr(begin, '\n', held);
        const bool skipped = follow->skipping;

        if (newline == NULL && held < FOLLOW_LINE_MAX && !skipped)
            return false;
        follow->skipping = newline == NULL;
        follow->start += newline != NULL ? (size_t)(newline - begin) + 1 : held;
        if (newline == NULL || skipped || newline - begin >= FOLLOW_LINE_MAX)
            continue;
        *line = begin;
        *size = (size_t)(newline - begin);
        return true;
    }
    return false;
}

/* --- reading --- */

/* Bytes that were read; 0: the end; -1: errno. */
static ssize_t read_more(struct follow *follow)
{
    ssize_t n;

    memmove(follow->bytes, follow->bytes + follow->start, follow->end - follow->start);
    follow->end -= follow->start;
    follow->start = 0;
    n = read(follow->fd, follow->bytes + follow->end, sizeof follow->bytes - follow->end);
    if (n > 0) {
        follow->end += (size_t)n;
        follow->offset += (uint64_t)n;
    }
    return n;
}

static void begin_anew(struct follow *follow)
{
    follow->offset = 0;
    follow->start = follow->end = 0;
    follow->skipping = false;
}

/* At the end of the file: is another one at its path, or has this one been cut? */
static bool has_turned(struct follow *follow)
{
    struct stat ours, there;
    int fd;

    if (fstat(follow->fd, &ours) != 0)
        return false;
    if ((uint64_t)ours.st_size < follow->offset && lseek(follow->fd, 0, SEEK_SET) == 0) {
        begin_anew(follow);
        return true;
    }
    if (stat(follow->path, &there) != 0 ||
        (there.st_ino == ours.st_ino && there.st_dev == ours.st_dev) ||
        (uint64_t)ours.st_size > follow->offset) /* it has grown meanwhile: that first */
        return false;
    fd = open(follow->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    close(follow->fd);
    follow->fd = fd;
    begin_anew(follow);
    return true;
}

/* A pipe says when there is more; a file has to be looked at. */
static bool wait_for_input(const struct follow *follow, int wait_ms)
{
    struct pollfd input = {.fd = follow->fd, .events = POLLIN};

    return !is_input(follow) || poll(&input, 1, wait_ms) > 0;
}

enum follow_got follow_line(struct follow *follow, const char **line, size_t *size, int wait_ms)
{
    ssize_t n;

    if (take(follow, line, size))
        return FOLLOW_LINE;
    for (;;) {
        if (!wait_for_input(follow, wait_ms))
            return FOLLOW_NOTHING;
        n = read_more(follow);
        if (n < 0)
            return errno == EINTR || errno == EAGAIN ? FOLLOW_NOTHING : FOLLOW_END;
        if (n > 0 && take(follow, line, size))
            return FOLLOW_LINE;
        if (n > 0)
            continue;
        if (!follow->goes_on || is_input(follow)) {
            errno = 0;
            return FOLLOW_END;
        }
        if (has_turned(follow))
            continue;
        if (wait_ms <= 0 || poll(NULL, 0, wait_ms < FOLLOW_LOOK_MS ? wait_ms : FOLLOW_LOOK_MS) < 0)
            return FOLLOW_NOTHING;
        wait_ms -= FOLLOW_LOOK_MS;
    }
}
