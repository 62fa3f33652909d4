/*
 * document.c - see document.h. Used by explain and status.
 */
#include "tools/mxwardctl/document.h"

#include <inttypes.h>

json_t *document_parse(const char *text, size_t length)
{
    json_error_t error;
    json_t *root = json_loadb(text, length, 0, &error);

    if (!root)
        fprintf(stderr, "mxwardctl: the daemon's answer is not JSON (%s at %d)\n", error.text,
                error.position);
    return root;
}

const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const char *text_or(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = text_of(object, key);

    return text && text[0] ? text : otherwise;
}

json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool truth_of(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool is_there(const json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);

    return member && !json_is_null(member);
}

const char *span_text(int64_t ms, char text[32])
{
    static const struct {
        int64_t ms, most;
        const char *unit;
    } rows[] = {{1, 2000, "ms"},
                {1000, 120000, "s"},
                {60000, 7200000, "min"},
                {3600000, 172800000, "h"},
                {86400000, INT64_MAX, "days"}};
    int64_t size = ms < 0 ? -ms : ms;
    size_t i = 0;

    while (size >= rows[i].most)
        i++;
    snprintf(text, 32, "%s%" PRId64 " %s", ms < 0 ? "-" : "", size / rows[i].ms, rows[i].unit);
    return text;
}

const char *number_text(uint64_t number, char text[32])
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, number), used = 0;

    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = 0;
    return text;
}
