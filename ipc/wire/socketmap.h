/*
 * socketmap.h - Postfix's socketmap protocol, socketmap_table(5). Pure.
 *
 * A request is a netstring "NAME key", the reply to it a netstring "STATUS text". Postfix sends one
 * request at a time; others send several, which are answered in their order. Postfix logs the
 * reason of a failure (at most 200 bytes) and shows it to nobody else, so it should say what to do.
 */
#ifndef MXWARD_WIRE_SOCKETMAP_H
#define MXWARD_WIRE_SOCKETMAP_H

#include "ipc/wire/take.h"

#include <stddef.h>

#define SOCKETMAP_REQUEST_MAX       10000 /* bytes of a payload; Postfix 3.12 asks no longer one */
#define SOCKETMAP_REQUEST_BYTES_MAX (SOCKETMAP_REQUEST_MAX + 7) /* "10000:", payload, "," */
#define SOCKETMAP_TEXT_MAX          2048                        /* bytes of a result: a policy */
#define SOCKETMAP_REASON_MAX        200                         /* bytes that Postfix logs */
#define SOCKETMAP_REPLY_MAX         (SOCKETMAP_TEXT_MAX + 9)    /* "2051:", "OK ", text, "," */

struct socketmap_request {
    const char *name; /* of the map, as main.cf has it; in the caller's bytes, without NUL */
    size_t name_length;
    /* Everything behind the first blank, as it came: may be empty, may hold any byte. NULL: there
     * was no blank, and the request is malformed (to be answered with SOCKETMAP_PERM). */
    const char *key;
    size_t key_length;
};

enum take_status socketmap_take(struct socketmap_request *request, const char *bytes, size_t size,
                                size_t *used);

enum socketmap_status {
    SOCKETMAP_OK,
    SOCKETMAP_NOTFOUND,
    SOCKETMAP_TEMP,
    SOCKETMAP_TIMEOUT,
    SOCKETMAP_PERM,
};

/*
 * Writes a whole reply without NUL; returns its bytes, 0: no room, or not to be said: SOCKETMAP_OK
 * with NULL, with "" (Postfix takes an empty result for a fault in its configuration) or with more
 * than SOCKETMAP_TEXT_MAX bytes. A result is written as it is; a reason is made printable and cut
 * at SOCKETMAP_REASON_MAX bytes, and may be NULL. SOCKETMAP_NOTFOUND has no text: it is left out.
 */
size_t socketmap_put(char *out, size_t size, enum socketmap_status status, const char *text);

#endif
