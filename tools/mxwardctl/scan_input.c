/*
 * scan_input.c - lines of a file or pipe as canonical names, each once.
 *
 * Used by scan.c. One name a line, blanks around it do not count, empty lines and lines that begin
 * with # are passed over. Never waits for a pipe: what is not there yet is SCAN_NOTHING.
 */
#include "tools/mxwardctl/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int scan_input_open(struct scan_input *input, const char *path)
{
    struct stat st;

    memset(input, 0, offsetof(struct scan_input, bytes));
    input->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0 || fstat(input->fd, &st) != 0)
        return -errno;
    input->regular = S_ISREG(st.st_mode);
    input->total_bytes = input->regular ? (uint64_t)st.st_size : 0;
    input->seen = seen_create();
    return input->seen ? 0 : -ENOMEM;
}

void scan_input_close(struct scan_input *input)
{
    if (input->fd > STDIN_FILENO)
        close(input->fd);
    seen_free(input->seen);
    input->seen = NULL;
}

/* SCAN_NAME: there are more bytes now. */
static enum scan_line fill(struct scan_input *input)
{
    struct pollfd wait = {.fd = input->fd, .events = POLLIN};
    ssize_t n;

    memmove(input->bytes, input->bytes + input->start, input->end - input->start);
    input->end -= input->start;
    input->start = 0;
    if (!input->regular && poll(&wait, 1, 0) == 0)
        return SCAN_NOTHING;
    do
        n = read(input->fd, input->bytes + input->end, sizeof input->bytes - input->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return SCAN_FAILED;
    input->ended = n == 0;
    input->end += (size_t)n;
    input->read_bytes += (uint64_t)n;
    return SCAN_NAME;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* One line, trimmed, not empty, no comment; cut to what fits, then *whole is false. */
static enum scan_line next_line(struct scan_input *input, char line[SCAN_LINE_MAX], bool *whole)
{
    for (;;) {
        char *begin = input->bytes + input->start;
        size_t there = input->end - input->start, length;
        char *newline = memchr(begin, '\n', there);

        if (!newline && !input->ended && there < sizeof input->bytes) {
            enum scan_line filled = fill(input);

            if (filled != SCAN_NAME)
                return filled;
            continue;
        }
        if (there == 0)
            return SCAN_END;
        length = newline ? (size_t)(newline - begin) : there;
        input->start += length + (newline != NULL);
        while (length > 0 && is_blank(begin[length - 1]))
            length--;
        while (length > 0 && is_blank(begin[0])) {
            begin++;
            length--;
        }
        if (length == 0 || begin[0] == '#')
            continue;
        *whole = length < SCAN_LINE_MAX;
        length = *whole ? length : SCAN_LINE_MAX - 1;
        memcpy(line, begin, length);
        line[length] = 0;
        *whole = *whole && !memchr(line, 0, length);
        return SCAN_NAME;
    }
}

enum scan_line scan_input_next(struct scan_input *input, struct scan_counts *counts,
                               char name[SCAN_LINE_MAX], const char **why)
{
    for (;;) {
        struct next_hop next_hop;
        enum name_status status;
        enum scan_line got;
        bool whole;
        int added;

        got = next_line(input, name, &whole);
        if (got != SCAN_NAME)
            return got;
        status = whole ? next_hop_parse(&next_hop, name, strlen(name)) : NAME_LONG;
        if (status == NAME_OK)
            next_hop_text(&next_hop, name);
        added = seen_add(input->seen, name);
        if (added < 0) {
            errno = ENOMEM;
            return SCAN_FAILED;
        }
        if (added == 0) {
            counts->repeated++;
            continue;
        }
        *why = status == NAME_OK ? "" : name_status_text(status);
        return status == NAME_OK ? SCAN_NAME : SCAN_INVALID;
    }
}
