/*
 * line.c - the reader and the writer of the line protocol.
 *
 * Used by whoever answers Exim and scripts; owns nothing, any thread. What cannot be read ends in a
 * sentence. Keys and values are kept in the request's own text, which they always fit: a field's
 * bytes are at most those of its line with the '=' and the end of the value as two NULs, and the
 * end of the last value stands for the blank behind the command if the line has no LF.
 */
#include "ipc/wire/line.h"

#include <stdio.h>
#include <string.h>

struct reader {
    const char *at, *end; /* of the line, without its end */
    char *out;            /* in request->text */
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_control(char byte)
{
    return (unsigned char)byte < ' ' || byte == 0x7f;
}

static bool is_letter_or_digit(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

static bool is_word(char byte)
{
    return is_letter_or_digit(byte) || byte == '_' || byte == '-';
}

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : 16;
}

static unsigned char read_digits(struct reader *r, int base, int most)
{
    unsigned value = 0;

    for (int i = 0; i < most && r->at < r->end && digit_of(*r->at) < base; i++)
        value = value * (unsigned)base + (unsigned)digit_of(*r->at++);
    return (unsigned char)value; /* \777 is more than a byte: Exim cuts it, too */
}

/* Behind a backslash, at a byte that is there: as Exim's string_interpret_escape(). */
static char read_escape(struct reader *r)
{
    static const char letters[] = "bfnrtv", bytes[] = "\b\f\n\r\t\v";
    const char *letter = memchr(letters, *r->at, sizeof letters - 1);

    if (digit_of(*r->at) < 8)
        return (char)read_digits(r, 8, 3);
    if (*r->at == 'x') {
        r->at++;
        return (char)read_digits(r, 16, 2);
    }
    r->at++;
    return letter ? bytes[letter - letters] : r->at[-1];
}

/* The readers of parts return NULL, or why it cannot be read. */
static const char *read_quoted(struct reader *r)
{
    r->at++;
    while (r->at < r->end && *r->at != '"') {
        char byte = *r->at++;
        if (byte == '\\') {
            if (r->at == r->end)
                break;
            byte = read_escape(r);
        }
        if (byte == '\0')
            return "a value has a NUL in it";
        *r->out++ = byte;
    }
    if (r->at == r->end)
        return "a quoted value has no end: there is no second '\"'";
    r->at++;
    if (r->at < r->end && !is_blank(*r->at))
        return "there is no blank behind a quoted value";
    *r->out++ = '\0';
    return NULL;
}

static const char *read_plain(struct reader *r)
{
    while (r->at < r->end && !is_blank(*r->at)) {
        if (*r->at == '"')
            return "a value without quotes has a '\"' in it: quote it whole";
        if (is_control(*r->at))
            return "a value without quotes has a control byte in it: quote it";
        *r->out++ = *r->at++;
    }
    *r->out++ = '\0';
    return NULL;
}

static const char *read_key(struct reader *r)
{
    const char *begin = r->at;

    while (r->at < r->end && is_word(*r->at))
        *r->out++ = *r->at++;
    if (r->at == r->end || is_blank(*r->at))
        return "a field is not key=value: there is no '='";
    if (*r->at != '=')
        return "a key has something else than letters, digits, '_' and '-' in it";
    if (r->at == begin)
        return "a field has no key before its '='";
    r->at++;
    *r->out++ = '\0';
    return NULL;
}

static const char *read_field(struct line_request *request, struct reader *r)
{
    const char *key = r->out, *value;
    const char *why = read_key(r);

    if (why)
        return why;
    if (line_value(request, key))
        return "a key is there twice";
    if (request->count == LINE_FIELDS_MAX)
        return "there are too many fields";
    value = r->out;
    why = r->at < r->end && *r->at == '"' ? read_quoted(r) : read_plain(r);
    if (why)
        return why;
    request->fields[request->count].key = key;
    request->fields[request->count++].value = value;
    return NULL;
}

static const char *read_command(struct line_request *request, struct reader *r)
{
    size_t length = 0;

    while (r->at + length < r->end && is_word(r->at[length]))
        length++;
    if (r->at + length < r->end && !is_blank(r->at[length]))
        return "the line does not begin with a command of letters, digits, '_' and '-'";
    if (length == 0)
        return "there is no command";
    if (length >= sizeof request->command)
        return "there is no command with such a long name";
    memcpy(request->command, r->at, length);
    request->command[length] = '\0';
    r->at += length;
    return NULL;
}

static const char *read_request(struct line_request *request, const char *line, size_t length)
{
    struct reader r = {.at = line, .end = line + length, .out = request->text};

    if (memchr(line, '\0', length))
        return "there is a NUL in the line";
    const char *why = read_command(request, &r);
    while (!why) {
        while (r.at < r.end && is_blank(*r.at))
            r.at++;
        if (r.at == r.end)
            return NULL;
        why = read_field(request, &r);
    }
    return why;
}

enum take_status line_take(struct line_request *request, const char *bytes, size_t size, bool ended,
                           size_t *used, const char **why)
{
    size_t most = size < LINE_REQUEST_MAX ? size : LINE_REQUEST_MAX;
    const char *end = most > 0 ? memchr(bytes, '\n', most) : NULL;
    size_t length = end ? (size_t)(end - bytes) : size;

    *used = 0;
    *why = NULL;
    if (!end && size >= LINE_REQUEST_MAX)
        return TAKE_LOST;
    if (!end && (!ended || size == 0))
        return TAKE_MORE;
    *used = end ? length + 1 : size;
    if (length > 0 && bytes[length - 1] == '\r')
        length--;
    request->command[0] = '\0';
    request->count = 0;
    *why = read_request(request, bytes, length);
    if (*why) {
        request->command[0] = '\0';
        request->count = 0;
    }
    return TAKE_WHOLE;
}

const char *line_value(const struct line_request *request, const char *key)
{
    for (unsigned i = 0; i < request->count; i++)
        if (strcmp(request->fields[i].key, key) == 0)
            return request->fields[i].value;
    return NULL;
}

/* --- the answer --- */

static void append(struct line_answer *answer, const char *bytes, size_t size)
{
    if (answer->full || answer->size - answer->length < size) {
        answer->full = true;
        return;
    }
    memcpy(answer->out + answer->length, bytes, size);
    answer->length += size;
}

static bool is_plain(const char *value)
{
    for (const char *at = value; *at != '\0'; at++)
        if (!is_letter_or_digit(*at) && !memchr("._:@/+-", *at, 7))
            return false;
    return value[0] != '\0';
}

static void append_quoted_byte(struct line_answer *answer, char byte)
{
    char escaped[5] = {'\\', byte};

    if (byte == '"' || byte == '\\') {
        append(answer, escaped, 2);
    } else if (is_control(byte)) { /* three digits always, since a digit may follow */
        snprintf(escaped, sizeof escaped, "\\%03o", (unsigned)(unsigned char)byte);
        append(answer, escaped, 4);
    } else {
        append(answer, &byte, 1);
    }
}

void line_begin(struct line_answer *answer, char *out, size_t size)
{
    *answer = (struct line_answer){.out = out, .size = size};
}

void line_put(struct line_answer *answer, const char *key, const char *value)
{
    const char *text = value ? value : "";

    if (answer->length > 0)
        append(answer, " ", 1);
    append(answer, key, strlen(key));
    append(answer, "=", 1);
    if (is_plain(text)) {
        append(answer, text, strlen(text));
        return;
    }
    append(answer, "\"", 1);
    for (const char *at = text; *at != '\0' && !answer->full; at++)
        append_quoted_byte(answer, *at);
    append(answer, "\"", 1);
}

void line_number(struct line_answer *answer, const char *key, uint64_t number)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    line_put(answer, key, digits);
}

size_t line_end(struct line_answer *answer)
{
    append(answer, "\n", 1);
    return answer->full ? 0 : answer->length;
}
