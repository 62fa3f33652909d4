/*
 * json.c - the bounded JSON writer.
 *
 * Used by ipc/serve and tools; owns nothing. Two kinds of bytes are always kept back, so that the
 * end can be written: one for each open object or array, and TAIL for "truncated". A member is
 * written and, if it did not fit, taken back: `used` returns to where it was.
 */
#include "ipc/wire/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TAIL "\"truncated\":true"
/* A comma, the tail, the last bracket and NUL. */
#define KEPT_BACK (1 + sizeof TAIL - 1 + 2)

/* Appends if there is room; else marks the member as not fitting by returning false. */
static bool put(struct json *json, const char *bytes, size_t size)
{
    if (json->size - json->used < size)
        return false;
    memcpy(json->out + json->used, bytes, size);
    json->used += size;
    return true;
}

static bool put_key(struct json *json, const char *key)
{
    if (!json->empty && !put(json, ",", 1))
        return false;
    if (!key)
        return true;
    return put(json, "\"", 1) && put(json, key, strlen(key)) && put(json, "\":", 2);
}

/* Keeps the member that began at `start`, or takes it back. */
static void settle(struct json *json, size_t start, bool fits)
{
    if (fits) {
        json->empty = false;
    } else {
        json->used = start;
        json->truncated = true;
    }
}

static void put_plain(struct json *json, const char *key, const char *value)
{
    size_t start = json->used;

    if (json->left_out == 0)
        settle(json, start, put_key(json, key) && put(json, value, strlen(value)));
}

void json_start(struct json *json, char *out, size_t size)
{
    *json = (struct json){.out = out, .size = size - KEPT_BACK, .empty = true, .depth = 1};
    json->ends[0] = '}';
    out[json->used++] = '{';
}

size_t json_finish(struct json *json)
{
    while (json->depth > 1)
        json_end(json);
    json->size += KEPT_BACK - 2;
    if (json->truncated) {
        if (!json->empty)
            json->out[json->used++] = ',';
        memcpy(json->out + json->used, TAIL, sizeof TAIL - 1);
        json->used += sizeof TAIL - 1;
    }
    json->out[json->used++] = '}';
    json->out[json->used] = 0;
    return json->used;
}

static void json_open(struct json *json, const char *key, const char *begin, char end)
{
    size_t start = json->used;
    bool fits = json->left_out == 0 && json->depth < JSON_DEPTH_MAX;

    if (fits && json->size - json->used > 1) {
        json->size--; /* for its end */
        fits = put_key(json, key) && put(json, begin, 1);
        settle(json, start, fits);
        if (!fits)
            json->size++;
    } else {
        fits = false;
        json->truncated = true;
    }
    if (!fits) {
        json->left_out++;
        return;
    }
    json->ends[json->depth++] = end;
    json->empty = true;
}

void json_put_object(struct json *json, const char *key)
{
    json_open(json, key, "{", '}');
}

void json_put_array(struct json *json, const char *key)
{
    json_open(json, key, "[", ']');
}

void json_end(struct json *json)
{
    if (json->left_out > 0) {
        json->left_out--;
        return;
    }
    if (json->depth <= 1)
        return;
    json->size++;
    json->out[json->used++] = json->ends[--json->depth];
    json->empty = false;
}

/* The length of the UTF-8 sequence at `s`; 0: it is none (RFC 3629: no surrogates, no overlong). */
static size_t utf8_length(const uint8_t *s, size_t size)
{
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (s[0] > 0xf4 || length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

static bool put_ascii(struct json *json, uint8_t c)
{
    char escaped[8];

    if (c == '"' || c == '\\') {
        escaped[0] = '\\';
        escaped[1] = (char)c;
        return put(json, escaped, 2);
    }
    if (c == '\n')
        return put(json, "\\n", 2);
    if (c >= 0x20 && c != 0x7f)
        return put(json, (const char *)&c, 1);
    snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)c);
    return put(json, escaped, 6);
}

static bool put_text(struct json *json, const uint8_t *s, size_t size)
{
    bool fits = put(json, "\"", 1);

    for (size_t i = 0; i < size && fits;) {
        size_t length = utf8_length(s + i, size - i);

        if (length == 0)
            fits = put(json, "\xef\xbf\xbd", 3);
        else if (length == 1)
            fits = put_ascii(json, s[i]);
        else
            fits = put(json, (const char *)s + i, length);
        i += length ? length : 1;
    }
    return fits && put(json, "\"", 1);
}

void json_put_bytes(struct json *json, const char *key, const void *bytes, size_t size)
{
    size_t start = json->used;

    if (json->left_out == 0)
        settle(json, start, put_key(json, key) && put_text(json, bytes, size));
}

void json_put_text(struct json *json, const char *key, const char *text)
{
    if (text)
        json_put_bytes(json, key, text, strlen(text));
    else
        json_put_null(json, key);
}

void json_put_hex(struct json *json, const char *key, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t start = json->used;
    bool fits;

    if (json->left_out > 0)
        return;
    fits = put_key(json, key) && put(json, "\"", 1);
    for (size_t i = 0; i < size && fits; i++) {
        char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};

        fits = put(json, pair, 2);
    }
    settle(json, start, fits && put(json, "\"", 1));
}

void json_put_number(struct json *json, const char *key, int64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)number);
    put_plain(json, key, text);
}

void json_put_unsigned(struct json *json, const char *key, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    put_plain(json, key, text);
}

void json_put_decimal(struct json *json, const char *key, double number)
{
    char text[40];

    if (!isfinite(number) || fabs(number) > 1e15) {
        json_put_null(json, key);
        return;
    }
    snprintf(text, sizeof text, "%.3f", number);
    put_plain(json, key, text);
}

void json_put_boolean(struct json *json, const char *key, bool value)
{
    put_plain(json, key, value ? "true" : "false");
}

void json_put_null(struct json *json, const char *key)
{
    put_plain(json, key, "null");
}
