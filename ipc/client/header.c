/*
 * header.c - two header fields that a hook may have to read, for the claimed facts of a message
 * (mxward.h). Pure; hostile input: what cannot be read claims nothing, for a claim can only lower.
 */
#include "ipc/client/mxward.h"

#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind blanks and comments, which may be nested and have quoted pairs; NULL: a comment without an
 * end. */
static const char *skip(const char *text)
{
    unsigned depth = 0;

    for (; *text != '\0' && (depth > 0 || *text == '(' || is_blank(*text)); text++) {
        if (*text == '\\' && text[1] != '\0')
            text++;
        else if (*text == '(')
            depth++;
        else if (*text == ')')
            depth--;
    }
    return depth == 0 ? text : NULL;
}

/* The first word of a value, `*rest` behind it; its length, 0: there is none. */
static size_t word_of(const char **word, const char **rest, const char *value)
{
    size_t length;

    *word = value != NULL ? skip(value) : NULL;
    if (*word == NULL)
        return 0;
    length = strcspn(*word, " \t\r\n(;");
    *rest = skip(*word + length);
    return *rest != NULL ? length : 0;
}

static bool is_no(const char *word, size_t length)
{
    return length == 2 && (word[0] | 0x20) == 'n' && (word[1] | 0x20) == 'o';
}

int mxw_is_automatic(const char *auto_submitted)
{
    const char *word, *rest;
    const size_t length = word_of(&word, &rest, auto_submitted);

    return length > 0 && (*rest == '\0' || *rest == ';') && !is_no(word, length);
}

int mxw_says_tls_not_required(const char *tls_required)
{
    const char *word, *rest;
    const size_t length = word_of(&word, &rest, tls_required);

    return is_no(word, length) && *rest == '\0';
}
