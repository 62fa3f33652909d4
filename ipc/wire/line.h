/*
 * line.h - the line protocol: for Exim's ${readsocket}, for shells and scripts. Pure.
 *
 *   COMMAND key=value key="quoted value" …    one line asks, ended by LF (or CR LF)
 *   key=value key="quoted value" …            one line answers, ended by LF
 *
 * Between them stand blanks (space, tab). A command and a key are made of letters, digits, '_' and
 * '-', and their case counts. A value without quotes runs to the next blank; it may be empty, and
 * holds no '"' and no control byte. One in quotes is read as Exim's ${extract{key}{…}} does, so
 * that what ${quote:…} writes comes back exactly: \" \\ \b \f \n \r \t \v, \ooo (octal, one to
 * three digits), \xhh (one or two), and any other byte behind a backslash is itself. Only a line
 * end and a NUL cannot stand there as they are. A value may thus hold line ends: it is hostile.
 *
 * In Exim every value that is not a constant needs ${quote:…}: a local part with a blank in it
 * would else be read as a field of its own (RFC 5321 has such a local part in quotes, and an
 * unquoted value with '"' is refused, but do not build on that).
 */
#ifndef MXWARD_WIRE_LINE_H
#define MXWARD_WIRE_LINE_H

#include "ipc/wire/take.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_REQUEST_MAX 4096 /* bytes of a request, its line end included */
#define LINE_FIELDS_MAX  24
#define LINE_COMMAND_MAX 16 /* bytes with NUL */

/* Points into itself: not to be copied. Everything ends with NUL. */
struct line_request {
    char command[LINE_COMMAND_MAX];
    unsigned count; /* of fields */
    struct {
        const char *key, *value; /* in `text` */
    } fields[LINE_FIELDS_MAX];
    char text[LINE_REQUEST_MAX];
};

/*
 * Takes one line. `ended`: the peer has closed its side, as Exim does after its request; then what
 * is there is the whole line, with or without its end (no bytes at all are TAKE_MORE: no request).
 * *why is NULL, or a constant sentence: the line cannot be read, and is TAKE_WHOLE with an empty
 * command and no fields, so that the caller says so and goes on with the next. TAKE_LOST: the line
 * has no end within LINE_REQUEST_MAX bytes.
 */
enum take_status line_take(struct line_request *request, const char *bytes, size_t size, bool ended,
                           size_t *used, const char **why);

/* NULL: there is no such key. */
const char *line_value(const struct line_request *request, const char *key);

/* An answer that is being written into the caller's buffer. */
struct line_answer {
    char *out;
    size_t size, length; /* bytes: there, written */
    bool full;           /* something did not fit, and nothing is written any more */
};
void line_begin(struct line_answer *answer, char *out, size_t size);
/* The key is ours and is written as it is (Exim compares keys without regard to case). The value
 * is put in quotes where Exim needs it: when it is empty (Exim would take the next field for it) or
 * holds anything but [A-Za-z0-9._:@/+-]. NULL is as "". */
void line_put(struct line_answer *answer, const char *key, const char *value);
void line_number(struct line_answer *answer, const char *key, uint64_t number);
/* Ends the line. Returns its bytes, LF included, without NUL; 0: it did not fit. */
size_t line_end(struct line_answer *answer);

#endif
