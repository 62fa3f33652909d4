/*
 * socketmap_fuzz.c - any bytes as a stream of socketmap requests, and as a text to answer with.
 *
 * Properties: a request that was taken and is put again has the same bytes (lengths are canonical);
 * every beginning of it is not all there; nothing is used that was not given; a result comes back
 * as it was, a reason comes back printable; protocol_of() knows what was taken for what it is.
 */
#include "ipc/wire/netstring.h"
#include "ipc/wire/protocol.h"
#include "ipc/wire/socketmap.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* In memory of exactly `given` bytes, so that a read beyond it is caught. */
static enum take_status take_exactly(const char *bytes, size_t given, size_t *used)
{
    struct socketmap_request request;
    char *copy = malloc(given + 1);
    must(copy != NULL);
    memcpy(copy + 1, bytes, given);
    enum take_status status = socketmap_take(&request, copy + 1, given, used);
    if (status == TAKE_WHOLE && request.key)
        must(request.key == request.name + request.name_length + 1 &&
             request.key + request.key_length + 1 == copy + 1 + *used);
    free(copy);
    must(*used <= given);
    return status;
}

static void taken_again(const char *bytes, size_t used)
{
    static char again[SOCKETMAP_REQUEST_BYTES_MAX];
    struct socketmap_request request;
    size_t used_again;
    must(socketmap_take(&request, bytes, used, &used_again) == TAKE_WHOLE && used_again == used);
    size_t length = request.name_length + (request.key ? request.key_length + 1 : 0);
    must(netstring_put(again, sizeof again, request.name, length) == used);
    must(memcmp(again, bytes, used) == 0);
    must(protocol_of(bytes, used) == PROTOCOL_SOCKETMAP);
}

static void answered(const char *text)
{
    static char reply[SOCKETMAP_REPLY_MAX];
    for (int status = SOCKETMAP_OK; status <= SOCKETMAP_PERM; status++) {
        size_t size = socketmap_put(reply, sizeof reply, (enum socketmap_status)status, text);
        const char *payload;
        size_t length, used;
        if (size == 0) {
            must(status == SOCKETMAP_OK && (!text[0] || strlen(text) > SOCKETMAP_TEXT_MAX));
            continue;
        }
        must(netstring_take(&payload, &length, reply, size, sizeof reply, &used) == TAKE_WHOLE);
        must(used == size);
        if (status == SOCKETMAP_OK)
            must(length == strlen(text) + 3 && memcmp(payload + 3, text, length - 3) == 0);
        for (size_t i = 0; status != SOCKETMAP_OK && i < length; i++)
            must(payload[i] >= ' ' && payload[i] <= '~');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    size_t at = 0, used, cut;

    for (size_t i = 0; i < size && i <= PROTOCOL_WORD_MAX; i++) /* once told, it stays */
        must(protocol_of(bytes, i) == PROTOCOL_MORE ||
             protocol_of(bytes, i) == protocol_of(bytes, size));
    for (;;) {
        enum take_status status = take_exactly(bytes + at, size - at, &used);
        size_t most = status == TAKE_WHOLE ? used : size - at;
        for (size_t given = 0; given < most; given += 1 + given / 16) {
            enum take_status early = take_exactly(bytes + at, given, &cut);
            must(early == TAKE_MORE || (early == TAKE_LOST && status == TAKE_LOST));
        }
        if (status != TAKE_WHOLE)
            break;
        must(used > 0);
        taken_again(bytes + at, used);
        at += used;
    }
    char *text = malloc(size + 1);
    must(text != NULL);
    memcpy(text, bytes, size);
    text[size] = '\0';
    answered(text);
    free(text);
    return 0;
}
