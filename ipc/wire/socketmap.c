/*
 * socketmap.c - requests and replies of Postfix's socketmap protocol.
 *
 * Used by whoever answers Postfix's tables; owns nothing, any thread. Failure is a return value.
 */
#include "ipc/wire/socketmap.h"

#include "ipc/wire/netstring.h"
#include "ipc/wire/printable.h"

#include <string.h>

/* The blank is part of each, also where no text follows: socketmap_table(5) has "NOTFOUND ". */
static const char *const words[] = {
    [SOCKETMAP_OK] = "OK ",     [SOCKETMAP_NOTFOUND] = "NOTFOUND ", [SOCKETMAP_TEMP] = "TEMP ",
    [SOCKETMAP_PERM] = "PERM ", [SOCKETMAP_TIMEOUT] = "TIMEOUT ",
};

enum take_status socketmap_take(struct socketmap_request *request, const char *bytes, size_t size,
                                size_t *used)
{
    const char *payload;
    size_t length;
    enum take_status status =
        netstring_take(&payload, &length, bytes, size, SOCKETMAP_REQUEST_MAX, used);

    if (status != TAKE_WHOLE)
        return status;
    const char *blank = memchr(payload, ' ', length);
    *request = (struct socketmap_request){.name = payload, .name_length = length};
    if (blank) {
        request->name_length = (size_t)(blank - payload);
        request->key = blank + 1;
        request->key_length = length - request->name_length - 1;
    }
    return TAKE_WHOLE;
}

size_t socketmap_put(char *out, size_t size, enum socketmap_status status, const char *text)
{
    char payload[SOCKETMAP_TEXT_MAX + 3];
    size_t used = strlen(words[status]);
    size_t length = text && status != SOCKETMAP_NOTFOUND ? strlen(text) : 0;

    if (status == SOCKETMAP_OK && (length == 0 || length > SOCKETMAP_TEXT_MAX))
        return 0;
    if (status != SOCKETMAP_OK && length > SOCKETMAP_REASON_MAX)
        length = SOCKETMAP_REASON_MAX;
    memcpy(payload, words[status], used);
    for (size_t i = 0; i < length; i++)
        payload[used++] = status == SOCKETMAP_OK ? text[i] : printable(text[i]);
    return netstring_put(out, size, payload, used);
}
