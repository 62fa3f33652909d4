/*
 * netstring.h - LENGTH ":" PAYLOAD ",": the frame of the socketmap protocol. Pure.
 *
 * The length is decimal and canonical: no zeros in front, no sign, no blank. Postfix's own reader
 * takes more, but two readers that differ over where a request ends are a way to smuggle one.
 */
#ifndef MXWARD_WIRE_NETSTRING_H
#define MXWARD_WIRE_NETSTRING_H

#include "ipc/wire/take.h"

#include <stddef.h>

/* Takes one netstring whose payload has at most `most` bytes; *payload points into `bytes`. A
 * length that is wrong or too great is TAKE_LOST at the first byte that shows it, so that nobody
 * makes us wait for what we would not take. */
enum take_status netstring_take(const char **payload, size_t *length, const char *bytes,
                                size_t size, size_t most, size_t *used);

/* Writes a whole netstring without NUL. Returns its bytes; 0: no room. The payload must not lie in
 * `out`. */
size_t netstring_put(char *out, size_t size, const char *payload, size_t length);

#endif
