/*
 * delegation_fuzz.c - any bytes as a stream of policy requests, and as an action to answer with.
 *
 * Properties: a beginning of a request is not all there; nothing is used that was not given; texts
 * are terminated and free of control bytes; a request written again from what was understood, and
 * taken, is the same; an answer has exactly two line ends, both last.
 */
#include "ipc/wire/delegation.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* In memory of exactly `given` bytes, so that a read beyond it is caught. */
static enum take_status take_exactly(struct delegation_request *request, const char *bytes,
                                     size_t given, size_t *used)
{
    char *copy = malloc(given + 1);
    must(copy != NULL);
    memcpy(copy + 1, bytes, given);
    enum take_status status = delegation_take(request, copy + 1, given, used);
    free(copy);
    must(*used <= given && (*used > 0) == (status == TAKE_WHOLE));
    return status;
}

static const char *clean(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    must(end != NULL);
    for (const char *at = text; at < end; at++)
        must((unsigned char)*at >= ' ' && *at != 0x7f);
    return text;
}
#define CLEAN(r, member) clean((r)->member, sizeof(r)->member)

static bool same_bytes(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

static void taken_again(const struct delegation_request *r)
{
    static char again[8192];
    struct delegation_request back, same = *r;
    size_t used;
    int size =
        snprintf(again, sizeof again,
                 "request=%s\nprotocol_state=%s\nsender=%s\nrecipient=%s\nsasl_username=%s\n"
                 "client_address=%s\nencryption_protocol=%s\npolicy_context=%s\ninstance=%s\n"
                 "queue_id=%s\nrecipient_count=%u\n\n",
                 r->understood ? "smtpd_access_policy" : "", CLEAN(r, protocol_state),
                 CLEAN(r, sender), CLEAN(r, recipient), CLEAN(r, sasl_username),
                 CLEAN(r, client_address), CLEAN(r, encryption_protocol), CLEAN(r, policy_context),
                 CLEAN(r, instance), CLEAN(r, queue_id), r->recipient_count);
    must(delegation_take(&back, again, (size_t)size, &used) == TAKE_WHOLE);
    must(used == (size_t)size);
    same.bad = same.repeated = false; /* what was left out does not come again */
    same.too_long = 0;
    must(same_bytes(&back, &same, sizeof same)); /* zeroed before they are filled */
    unsigned version = delegation_tls(r);
    must((version == 0) == (r->encryption_protocol[0] == '\0') && version < 0x0400);
}

static void answered(const char *text)
{
    static char answer[16384];
    size_t size = delegation_put(answer, sizeof answer, text);
    if (size == 0) {
        must(text[0] == '\0' || strlen(text) + 9 > sizeof answer);
        return;
    }
    must(size == strlen(text) + 9 && memcmp(answer, "action=", 7) == 0);
    for (size_t i = 0; i < size - 2; i++)
        must(answer[i] >= ' ' && answer[i] <= '~');
    must(answer[size - 2] == '\n' && answer[size - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct delegation_request request, early;
    size_t at = 0, used, cut;

    for (;;) {
        enum take_status status = take_exactly(&request, bytes + at, size - at, &used);
        size_t most = status == TAKE_WHOLE ? used : size - at;
        for (size_t given = 0; given < most; given += 1 + given / 16)
            must(take_exactly(&early, bytes + at, given, &cut) == TAKE_MORE ||
                 given >= DELEGATION_REQUEST_MAX);
        if (status != TAKE_WHOLE)
            break;
        taken_again(&request);
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
