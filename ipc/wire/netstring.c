/*
 * netstring.c - the reader and the writer of netstrings.
 *
 * Used by ipc/wire/socketmap; owns nothing, any thread. Failure is a return value.
 */
#include "ipc/wire/netstring.h"

#include <string.h>

#define LENGTH_DIGITS_MAX 20 /* of 64 bits */

enum take_status netstring_take(const char **payload, size_t *length, const char *bytes,
                                size_t size, size_t most, size_t *used)
{
    size_t at = 0, value = 0;

    *used = 0;
    for (; at < size && bytes[at] != ':'; at++) {
        if (bytes[at] < '0' || bytes[at] > '9')
            return TAKE_LOST;
        size_t digit = (size_t)(bytes[at] - '0');
        /* Behind a leading zero only the colon may come. */
        if ((at > 0 && value == 0) || digit > most || value > (most - digit) / 10)
            return TAKE_LOST;
        value = value * 10 + digit;
    }
    if (at == size)
        return TAKE_MORE;
    if (at == 0)
        return TAKE_LOST;
    at++;
    if (size - at <= value)
        return TAKE_MORE;
    if (bytes[at + value] != ',')
        return TAKE_LOST;
    *payload = bytes + at;
    *length = value;
    *used = at + value + 1;
    return TAKE_WHOLE;
}

size_t netstring_put(char *out, size_t size, const char *payload, size_t length)
{
    char digits[LENGTH_DIGITS_MAX];
    size_t first = sizeof digits, rest = length;

    do {
        digits[--first] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    size_t count = sizeof digits - first;
    if (size < count + 2 || size - count - 2 < length)
        return 0;
    memcpy(out, digits + first, count);
    out[count] = ':';
    if (length > 0)
        memcpy(out + count + 1, payload, length);
    out[count + 1 + length] = ',';
    return count + length + 2;
}
