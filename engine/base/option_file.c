/*
 * option_file.c - reads a configuration and its includes, checks what libconfuse would let through,
 * and hands out one text (see option_file.h for the reasons).
 *
 * Called by option_load on the main thread. Owns what it allocates in struct option_file_text.
 * Every failure, the operator's or the machine's, is one sentence with file and line; nothing here
 * aborts. Bounds: bytes, files and depth of limits.h, so a file that includes itself ends. Only
 * regular files are read: a FIFO or terminal cannot make the daemon wait.
 *
 * include("PATTERN") stands on a line of its own, outside of sections. A pattern is relative to the
 * file it stands in; its files come in the order of their names; one that matches nothing is empty,
 * but a plain name must exist.
 */
#include "engine/base/option_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One file being read. */
struct scan {
    struct option_file_text *out;
    uint32_t file, line;
    unsigned nesting;                           /* of includes */
    unsigned depth;                             /* of braces */
    uint32_t opened[LIMIT_CONFIGURATION_DEPTH]; /* the lines of those braces */
    uint32_t comment_line;                      /* where an open comment began; 0: none */
    char *why;
    size_t why_size;
};

static int refuse(struct scan *scan, uint32_t line, const char *sentence)
{
    snprintf(scan->why, scan->why_size, "%s:%u: %s", scan->out->files[scan->file], line, sentence);
    return -1;
}

/* ------------------------------------------------------------------ what comes out */

static int grow(void **memory, size_t *capacity, size_t need, size_t element)
{
    if (need <= *capacity)
        return 0;
    size_t fresh = *capacity * 2 > need ? *capacity * 2 : need + 256;
    void *moved = realloc(*memory, fresh * element); /* both bounded by limits.h */
    if (moved == NULL)
        return -1;
    *memory = moved;
    *capacity = fresh;
    return 0;
}

static int emit(struct scan *scan, char c)
{
    struct option_file_text *out = scan->out;
    if (out->length >= LIMIT_CONFIGURATION_BYTES)
        return refuse(scan, scan->line, "the configuration is too large");
    if (grow((void **)&out->text, &out->capacity, out->length + 2, 1) != 0)
        return refuse(scan, scan->line, "out of memory");
    out->text[out->length++] = c;
    out->text[out->length] = '\0';
    return 0;
}

static int end_line(struct scan *scan)
{
    struct option_file_text *out = scan->out;
    if (emit(scan, '\n') != 0)
        return -1;
    if (grow((void **)&out->lines, &out->line_capacity, out->line_count + 1, sizeof(*out->lines)) !=
        0)
        return refuse(scan, scan->line, "out of memory");
    out->lines[out->line_count++] = (struct option_position){scan->file, scan->line};
    return 0;
}

/* ------------------------------------------------------------------ one line */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_word(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && strchr("#\"'={}()+,*", c) == NULL;
}

static int scan_brace(struct scan *scan, char c)
{
    if (c == '}') {
        if (scan->depth == 0)
            return refuse(scan, scan->line, "this '}' closes nothing");
        scan->depth--;
        return emit(scan, c);
    }
    if (scan->depth == LIMIT_CONFIGURATION_DEPTH)
        return refuse(scan, scan->line, "braces are nested too deep");
    scan->opened[scan->depth++] = scan->line;
    return emit(scan, c);
}

/* A quoted text from its opening quote; returns the bytes taken, 0 on refusal. */
static size_t scan_quoted(struct scan *scan, const char *line, size_t length)
{
    char quote = line[0];
    size_t i = 1;
    int failed = emit(scan, quote);
    while (failed == 0 && i < length && line[i] != quote) {
        if ((unsigned char)line[i] < ' ' && line[i] != '\t')
            failed = refuse(scan, scan->line, "a control character in a quoted text");
        else if (quote == '"' && line[i] == '$' && i + 1 < length && line[i + 1] == '{')
            failed = refuse(scan, scan->line,
                            "the environment is not looked into; write '${' in single quotes");
        else if (line[i] == '\\' &&
                 (i + 1 >= length || (line[i + 1] != '\\' && line[i + 1] != quote)))
            failed = refuse(scan, scan->line,
                            "only \\\\ and the quote itself can be escaped in a quoted text");
        else if (line[i] == '\\')
            failed = emit(scan, line[i++]);
        if (failed == 0)
            failed = emit(scan, line[i++]);
    }
    if (failed == 0 && i >= length)
        failed = refuse(scan, scan->line, "a quoted text must end on its line");
    if (failed == 0)
        failed = emit(scan, quote);
    return failed == 0 ? i + 1 : 0;
}

/* Bytes of a comment that begins here and ends on this line (C comments may go on), else 0. */
static size_t comment_length(struct scan *scan, const char *line, size_t length)
{
    if (line[0] == '#' || (length >= 2 && line[0] == '/' && line[1] == '/'))
        return length;
    if (length < 2 || line[0] != '/' || line[1] != '*')
        return 0;
    const char *end = length >= 4 ? memmem(line + 2, length - 2, "*/", 2) : NULL;
    if (end != NULL)
        return (size_t)(end - line) + 2;
    scan->comment_line = scan->line;
    return length;
}

/* One character, or a whole comment, word or quoted text, at the start of `line`; returns the bytes
 * taken, 0 on refusal. */
static size_t scan_token(struct scan *scan, const char *line, size_t length)
{
    char c = line[0];
    size_t taken = comment_length(scan, line, length);
    if (taken > 0)
        return emit(scan, ' ') == 0 ? taken : 0;
    if (c == '"' || c == '\'')
        return scan_quoted(scan, line, length);
    if (c == '{' || c == '}')
        return scan_brace(scan, c) == 0 ? 1 : 0;
    if (is_blank(c))
        return emit(scan, ' ') == 0 ? 1 : 0;
    if (c == '$' && length > 1 && line[1] == '{')
        return refuse(scan, scan->line, "the environment is not looked into: '${' must be quoted"),
               0;
    if (c == '=' || c == ',' || c == '(' || c == ')')
        return emit(scan, c) == 0 ? 1 : 0;
    if (c == '+' && length > 1 && line[1] == '=')
        return emit(scan, '+') == 0 && emit(scan, '=') == 0 ? 2 : 0;
    if (!is_word(c))
        return refuse(scan, scan->line,
                      (unsigned char)c < ' ' || c == 0x7f
                          ? "a control character"
                          : "'*' and '+' must be in quotes, as in \"*\""),
               0;
    while (taken < length && is_word(line[taken]) &&
           !(line[taken] == '$' && taken + 1 < length && line[taken + 1] == '{')) {
        if (emit(scan, line[taken]) != 0)
            return 0;
        taken++;
    }
    return taken;
}

static int scan_line(struct scan *scan, const char *line, size_t length)
{
    size_t at = 0;
    if (scan->comment_line != 0) {
        const char *end = memmem(line, length, "*/", 2);
        if (end == NULL)
            return end_line(scan);
        scan->comment_line = 0;
        at = (size_t)(end - line) + 2;
    }
    while (at < length) {
        size_t taken = scan_token(scan, line + at, length - at);
        if (taken == 0)
            return -1;
        at += taken;
    }
    return end_line(scan);
}

/* ------------------------------------------------------------------ includes */

static int scan_file(struct option_file_text *out, const char *path, unsigned nesting,
                     struct scan *from);

/* The pattern of `include("...")` on this line: its length at *pattern; 0 if the line is not an
 * include; -1 after refusal. */
static int find_include(struct scan *scan, const char *line, size_t length, const char **pattern)
{
    static const char word[] = "include";
    size_t at = 0;
    while (at < length && is_blank(line[at]))
        at++;
    if (length - at < sizeof(word) - 1 || memcmp(line + at, word, sizeof(word) - 1) != 0)
        return 0;
    at += sizeof(word) - 1;
    while (at < length && is_blank(line[at]))
        at++;
    if (at >= length || line[at] != '(')
        return 0;
    const char *end = memchr(line + at, ')', length - at);
    if (end == NULL)
        return refuse(scan, scan->line, "include(\"FILE\") must end on its line");
    const char *begin = line + at + 1, *rest = end + 1, *line_end = line + length;
    while (begin < end && is_blank(*begin))
        begin++;
    while (end > begin && is_blank(end[-1]))
        end--;
    if (end - begin < 3 || (*begin != '"' && *begin != '\'') || end[-1] != *begin ||
        memchr(begin + 1, *begin, (size_t)(end - begin) - 2) != NULL)
        return refuse(scan, scan->line, "include() takes one name in quotes");
    while (rest < line_end && is_blank(*rest))
        rest++;
    if (rest < line_end && *rest != '#' &&
        !(rest + 1 < line_end && rest[0] == '/' && rest[1] == '/'))
        return refuse(scan, scan->line, "include() stands on a line of its own");
    if (scan->depth > 0)
        return refuse(scan, scan->line, "include() stands outside of sections");
    *pattern = begin + 1;
    return (int)(end - begin) - 2;
}

/* Relative patterns are relative to the folder of the file they stand in. */
static int resolve_pattern(struct scan *scan, const char *pattern, int length, char path[4096])
{
    const char *file = scan->out->files[scan->file], *slash = strrchr(file, '/');
    int folder = pattern[0] == '/' || slash == NULL ? 0 : (int)(slash - file) + 1;
    int size = snprintf(path, 4096, "%.*s%.*s", folder, file, length, pattern);
    if (size < 0 || size >= 4096)
        return refuse(scan, scan->line, "the name is too long");
    return 0;
}

static int scan_include(struct scan *scan, const char *pattern, int length)
{
    char path[4096], sentence[4200];
    glob_t found = {0};
    int failed = 0;
    if (resolve_pattern(scan, pattern, length, path) != 0)
        return -1;
    int result = glob(path, 0, NULL, &found);
    if (result == GLOB_NOMATCH && strpbrk(path, "*?[") == NULL) {
        snprintf(sentence, sizeof(sentence), "there is no file '%s'", path);
        failed = refuse(scan, scan->line, sentence);
    } else if (result != 0 && result != GLOB_NOMATCH) {
        snprintf(sentence, sizeof(sentence), "cannot search for '%s'", path);
        failed = refuse(scan, scan->line, sentence);
    }
    for (size_t i = 0; failed == 0 && i < found.gl_pathc; i++)
        failed = scan_file(scan->out, found.gl_pathv[i], scan->nesting + 1, scan);
    globfree(&found);
    return failed;
}

/* ------------------------------------------------------------------ files */

/* The whole of a regular file, or NULL with *error set to the reason. */
static char *load_file(const char *path, size_t *length, const char **error)
{
    struct stat status;
    char *bytes = NULL;
    *length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0)
        *error = strerror(errno);
    else if (!S_ISREG(status.st_mode))
        *error = "not a regular file";
    else if (status.st_size > LIMIT_CONFIGURATION_BYTES)
        *error = "the file is too large";
    else if ((bytes = malloc((size_t)status.st_size + 1)) == NULL)
        *error = "out of memory";
    /* What grows while it is read is cut at its first size; a parse error will say so. */
    while (bytes != NULL && *length < (size_t)status.st_size) {
        ssize_t got = read(fd, bytes + *length, (size_t)status.st_size - *length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            *error = strerror(errno);
            free(bytes);
            bytes = NULL;
        }
        if (got <= 0)
            break;
        *length += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    return bytes;
}

static int scan_lines(struct scan *scan, const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        const char *line = bytes + at, *end = memchr(line, '\n', length - at), *pattern = NULL;
        size_t size = end != NULL ? (size_t)(end - line) : length - at;
        scan->line++;
        int include = scan->comment_line == 0 ? find_include(scan, line, size, &pattern) : 0;
        int failed = include > 0 ? scan_include(scan, pattern, include) : include;
        if (include == 0)
            failed = scan_line(scan, line, size);
        if (failed != 0)
            return -1;
        at += size + 1;
    }
    if (scan->comment_line != 0)
        return refuse(scan, scan->comment_line, "the comment that begins here is never closed");
    if (scan->depth > 0)
        return refuse(scan, scan->opened[scan->depth - 1], "the '{' on this line is never closed");
    return 0;
}

/* `from` is the scan that includes this file; it only lends `why` for the first one. */
static int scan_file(struct option_file_text *out, const char *path, unsigned nesting,
                     struct scan *from)
{
    struct scan scan = {
        .out = out, .nesting = nesting, .why = from->why, .why_size = from->why_size};
    const char *error = NULL;
    size_t length;
    if (nesting > LIMIT_CONFIGURATION_DEPTH)
        return refuse(from, from->line, "files include each other too deep");
    if (out->file_count == LIMIT_CONFIGURATION_FILES)
        return refuse(from, from->line, "too many files are included");
    char *bytes = load_file(path, &length, &error);
    if (bytes == NULL || (out->files[out->file_count] = strdup(path)) == NULL) {
        snprintf(from->why, from->why_size, "%s: %s", path,
                 error != NULL ? error : "out of memory");
        free(bytes);
        return -1;
    }
    scan.file = (uint32_t)out->file_count++;
    int failed = scan_lines(&scan, bytes, length);
    free(bytes);
    return failed;
}

int option_file_read(struct option_file_text *text, const char *path, char *why, size_t why_size)
{
    struct scan first = {.out = text, .why = why, .why_size = why_size};
    memset(text, 0, sizeof(*text));
    return scan_file(text, path, 0, &first);
}

void option_file_free(struct option_file_text *text)
{
    for (size_t i = 0; i < text->file_count; i++)
        free(text->files[i]);
    free(text->lines);
    free(text->text);
    memset(text, 0, sizeof(*text));
}

struct option_position option_file_position(const struct option_file_text *text, unsigned line)
{
    if (text->line_count == 0)
        return (struct option_position){0, 1};
    size_t index = line == 0 ? 0 : line - 1;
    return text->lines[index < text->line_count ? index : text->line_count - 1];
}
