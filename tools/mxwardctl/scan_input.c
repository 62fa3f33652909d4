/*
 * scan_input.c - lines of a file or pipe as canonical names, each once.
 *
 * Used by scan.c. One name a line, blanks around it do not count, empty lines and lines that begin
 * with # are passed over. Never waits for a pipe: what is not there yet is SCAN_NOTHING.
 *
 * A line that is no name is known again by its length and hash, here and by --resume: two such
 * lines may look alike when they are printed. One that is longer than the buffer goes through it in
 * pieces, but is still one line.
 */
#include "tools/mxwardctl/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

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
    input->hash = XXH3_createState();
    return input->seen && input->hash ? 0 : -ENOMEM;
}

void scan_input_close(struct scan_input *input)
{
    if (input->fd > STDIN_FILENO)
        close(input->fd);
    seen_free(input->seen);
    XXH3_freeState(input->hash);
    input->seen = NULL;
    input->hash = NULL;
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

void scan_line_key(const struct input_line *line, char key[SCAN_KEY_MAX])
{
    snprintf(key, SCAN_KEY_MAX, " %" PRIu64 " %s", line->bytes, line->xxh128);
}

static void identify(struct input_line *line, uint64_t bytes, XXH128_hash_t hash)
{
    line->bytes = bytes;
    snprintf(line->xxh128, sizeof line->xxh128, "%016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64,
             (uint64_t)hash.low64);
}

static void copy_beginning(char to[SCAN_LINE_MAX], const char *from, size_t length)
{
    length = length < SCAN_LINE_MAX ? length : SCAN_LINE_MAX - 1;
    memcpy(to, from, length);
    to[length] = 0;
}

/* --- lines longer than the buffer --- */

/* Takes what is there of it. True: it is at its end. */
static bool long_take(struct scan_input *input)
{
    char *begin = input->bytes + input->start;
    size_t there = input->end - input->start;
    char *newline = memchr(begin, '\n', there);
    size_t length = newline ? (size_t)(newline - begin) : there;

    XXH3_128bits_update(input->hash, begin, length);
    input->long_bytes += length;
    input->start += length + (newline != NULL);
    return newline || input->ended;
}

/* SCAN_INVALID: it is in `found`. SCAN_NAME: it was a comment, and does not count. */
static enum scan_line long_line(struct scan_input *input, struct scan_found *found)
{
    if (input->long_bytes == 0) {
        copy_beginning(input->head, input->bytes + input->start, input->end - input->start);
        XXH3_128bits_reset(input->hash);
    }
    while (!long_take(input)) {
        enum scan_line filled = fill(input);

        if (filled != SCAN_NAME)
            return filled;
    }
    memcpy(found->name, input->head, sizeof found->name);
    found->why = name_status_text(NAME_LONG);
    identify(&found->line, input->long_bytes, XXH3_128bits_digest(input->hash));
    input->long_bytes = 0;
    return found->name[0] == '#' ? SCAN_NAME : SCAN_INVALID;
}

/* --- lines --- */

/* What a line of these bytes, without blanks around them, is. */
static enum scan_line judge(struct scan_found *found, const char *begin, size_t length)
{
    struct next_hop next_hop;
    enum name_status status =
        length < SCAN_LINE_MAX ? next_hop_parse(&next_hop, begin, length) : NAME_LONG;

    if (status == NAME_NO_MEMORY) { /* says nothing about the name */
        errno = ENOMEM;
        return SCAN_FAILED;
    }
    if (status == NAME_OK) {
        next_hop_text(&next_hop, found->name);
        return SCAN_NAME;
    }
    copy_beginning(found->name, begin, length);
    found->why = name_status_text(status);
    identify(&found->line, length, XXH3_128bits(begin, length));
    return SCAN_INVALID;
}

/* The next line that is not empty and no comment. */
static enum scan_line next_line(struct scan_input *input, struct scan_found *found)
{
    for (;;) {
        char *begin, *newline;
        size_t length;
        enum scan_line got = SCAN_NAME;

        while (!input->long_bytes && input->start < input->end &&
               is_blank(input->bytes[input->start]))
            input->start++;
        begin = input->bytes + input->start;
        length = input->end - input->start;
        newline = memchr(begin, '\n', length);
        if (input->long_bytes || (!newline && length == sizeof input->bytes)) {
            got = long_line(input, found);
            if (got != SCAN_NAME)
                return got;
            continue;
        }
        if (!newline && !input->ended) {
            got = fill(input);
            if (got != SCAN_NAME)
                return got;
            continue;
        }
        if (length == 0)
            return SCAN_END;
        length = newline ? (size_t)(newline - begin) : length;
        input->start += length + (newline != NULL);
        while (length > 0 && is_blank(begin[length - 1]))
            length--;
        if (length > 0 && begin[0] != '#')
            return judge(found, begin, length);
    }
}

enum scan_line scan_input_next(struct scan_input *input, struct scan_counts *counts,
                               struct scan_found *found)
{
    for (;;) {
        char key[SCAN_KEY_MAX];
        enum scan_line got = next_line(input, found);
        int added;

        if (got != SCAN_NAME && got != SCAN_INVALID)
            return got;
        if (got == SCAN_INVALID)
            scan_line_key(&found->line, key);
        added = seen_add(input->seen, got == SCAN_NAME ? found->name : key);
        if (added < 0) {
            errno = ENOMEM;
            return SCAN_FAILED;
        }
        if (added > 0)
            return got;
        counts->repeated++;
    }
}
