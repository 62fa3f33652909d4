/*
 * document.h - reading the daemon's JSON documents: members that may be missing, never a crash.
 *
 * A member that is not there, or not of the kind asked for, is NULL, 0 or false: an older or newer
 * daemon is shown as far as it is understood.
 */
#ifndef MXWARDCTL_DOCUMENT_H
#define MXWARDCTL_DOCUMENT_H

#include "tools/mxwardctl/screen.h"

#include <jansson.h>

json_t *document_parse(const char *text, size_t length);    /* NULL, said on standard error */
const char *text_of(const json_t *object, const char *key); /* NULL */
const char *text_or(const json_t *object, const char *key, const char *otherwise);
json_int_t number_of(const json_t *object, const char *key);
bool truth_of(const json_t *object, const char *key);
bool is_there(const json_t *object, const char *key); /* and not null */

/* "84 ms", "12 s", "3 min", "5 h", "67 days" */
const char *span_text(int64_t ms, char text[32]);
/* "1,234,567" */
const char *number_text(uint64_t number, char text[32]);

#endif
