/*
 * json.h - writes JSON text into a bounded buffer. Pure; there is no parser here.
 *
 * Whatever happens, json_finish leaves one well-formed object: a member that does not fit, or is
 * nested too deep, is left out whole with all that is in it, and the object then ends with
 * "truncated": true. Bytes that are not UTF-8 become U+FFFD, so hostile text cannot break the
 * document. Keys are ours and are written as they are. One thread each. (The functions are called
 * json_put_… because mxwardctl also links a library whose own are called json_….)
 */
#ifndef MXWARD_WIRE_JSON_H
#define MXWARD_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 16
#define JSON_BYTES_MIN 64 /* of a buffer */

struct json {
    char *out;
    size_t size, used; /* size: without what is kept back for the ends */
    uint8_t depth;     /* open objects and arrays, the outermost included */
    uint32_t left_out; /* open ones that are being left out */
    bool truncated;
    bool empty; /* nothing yet in the innermost */
    char ends[JSON_DEPTH_MAX];
};

/* Begins the outermost object. `size` >= JSON_BYTES_MIN. */
void json_start(struct json *json, char *out, size_t size);
/* Ends it; the text ends with NUL. Returns its length. Everything opened must be ended before. */
size_t json_finish(struct json *json);

/* `key` is NULL inside an array. A NULL text is written as null. */
void json_put_object(struct json *json, const char *key);
void json_put_array(struct json *json, const char *key);
void json_end(struct json *json); /* of the innermost */
void json_put_text(struct json *json, const char *key, const char *text);
void json_put_bytes(struct json *json, const char *key, const void *bytes, size_t size);
void json_put_hex(struct json *json, const char *key, const uint8_t *bytes, size_t size);
void json_put_number(struct json *json, const char *key, int64_t number);
void json_put_unsigned(struct json *json, const char *key, uint64_t number);
void json_put_decimal(struct json *json, const char *key, double number); /* not finite: null */
void json_put_boolean(struct json *json, const char *key, bool value);
void json_put_null(struct json *json, const char *key);

#endif
