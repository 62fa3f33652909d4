/*
 * line_fuzz.c - any bytes as a stream of lines.
 *
 * Properties: a beginning of a line is not all there; nothing is used that was not given; keys and
 * values lie terminated in the request's own text; what was read and is written by the answer's
 * writer reads the same; a line that cannot be read has a sentence, no command and no field.
 */
#include "ipc/wire/line.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* In memory of exactly `given` bytes, so that a read beyond it is caught. */
static enum take_status take_exactly(struct line_request *request, const char *bytes, size_t given,
                                     bool ended, size_t *used, const char **why)
{
    char *copy = malloc(given + 1);
    must(copy != NULL);
    memcpy(copy + 1, bytes, given);
    enum take_status status = line_take(request, copy + 1, given, ended, used, why);
    free(copy);
    must(*used <= given && (*used > 0) == (status == TAKE_WHOLE));
    return status;
}

static void lies_in_text(const struct line_request *r, const char *text)
{
    must(text >= r->text && text < r->text + sizeof r->text);
    must(memchr(text, '\0', (size_t)(r->text + sizeof r->text - text)) != NULL);
}

/* Written escapes may be longer than what was read: then the line is too long for a request. */
static void taken_again(const struct line_request *r)
{
    static char out[4 * LINE_REQUEST_MAX + LINE_FIELDS_MAX * 8];
    static struct line_request back;
    struct line_answer answer;
    const char *why;
    size_t used, head = strlen(r->command);

    must(head > 0 && head < LINE_COMMAND_MAX && r->count <= LINE_FIELDS_MAX);
    memcpy(out, r->command, head);
    out[head++] = ' ';
    line_begin(&answer, out + head, sizeof out - head);
    for (unsigned i = 0; i < r->count; i++) {
        lies_in_text(r, r->fields[i].key);
        lies_in_text(r, r->fields[i].value);
        must(line_value(r, r->fields[i].key) == r->fields[i].value);
        line_put(&answer, r->fields[i].key, r->fields[i].value);
    }
    size_t size = head + line_end(&answer);
    must(size > head && !answer.full);
    if (size > LINE_REQUEST_MAX)
        return;
    must(line_take(&back, out, size, false, &used, &why) == TAKE_WHOLE && used == size && !why);
    must(back.count == r->count && strcmp(back.command, r->command) == 0);
    for (unsigned i = 0; i < r->count; i++)
        must(strcmp(back.fields[i].key, r->fields[i].key) == 0 &&
             strcmp(back.fields[i].value, r->fields[i].value) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct line_request request, early;
    const char *bytes = (const char *)data, *why, *ignored;
    size_t at = 0, used, cut;

    for (;;) {
        enum take_status status = take_exactly(&request, bytes + at, size - at, true, &used, &why);
        size_t most = status == TAKE_WHOLE ? used : size - at;
        for (size_t given = 0; given < most; given += 1 + given / 16)
            must(take_exactly(&early, bytes + at, given, false, &cut, &ignored) == TAKE_MORE ||
                 given >= LINE_REQUEST_MAX);
        if (status != TAKE_WHOLE)
            break;
        if (why)
            must(why[0] != '\0' && request.command[0] == '\0' && request.count == 0);
        else
            taken_again(&request);
        at += used;
    }
    return 0;
}
