/*
 * frame_fuzz.c - any bytes as a stream of frames: taken, decoded, and what was understood must
 * come back the same after encoding. Links the library only.
 */
#include "ipc/wire/frame.h"
#include "ipc/wire/recipients.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* decode(encode(m)) == m, and the encoding is at most as long as what came (unknown fields go). */
static void again(const struct frame *frame, const void *message)
{
    static uint8_t bytes[FRAME_REQUEST_MAX], once[8192], twice[8192];
    size_t size = frame_encode(bytes, sizeof bytes, frame->kind, frame->flags, frame->id, message);
    struct frame back;
    size_t used;

    if (size == 0 || frame_take(&back, bytes, size, sizeof bytes, &used) != FRAME_WHOLE ||
        used != size || !frame_decode(twice, &back, NULL))
        abort();
    if (frame->kind == FRAME_DOCUMENT || frame->kind == FRAME_DECIDE_MANY)
        return; /* its part points into the frame */
    memset(once, 0, sizeof once);
    if (!frame_decode(once, frame, NULL) ||
        memcmp(once, twice, frame_struct_bytes(frame->kind)) != 0)
        abort();
}

/* All that were counted can be taken, and end where the field ends. */
static void recipients(const struct frame_decide_many *many)
{
    const unsigned count = recipients_count(many->recipients, many->recipients_size, 511);
    struct recipient one;
    size_t at = 0;

    for (unsigned i = 0; i < count; i++)
        if (!recipients_take(&one, many->recipients, many->recipients_size, &at) ||
            one.address_size == 0 || one.address_size > 511 || one.next_hop_size > 511)
            abort();
    if (count > 0 && at != many->recipients_size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(struct frame_decide_many) uint8_t message[8192];
    char why[FRAME_SENTENCE_MAX];
    size_t at = 0, used;
    struct frame frame;

    while (frame_take(&frame, data + at, size - at, FRAME_REQUEST_MAX, &used) == FRAME_WHOLE) {
        if (used < FRAME_HEADER_BYTES || used > size - at)
            abort();
        if (frame_decode(message, &frame, why)) {
            again(&frame, message);
            if (frame.kind == FRAME_DECIDE_MANY)
                recipients((const struct frame_decide_many *)(const void *)message);
        } else if (memchr(why, 0, sizeof why) == NULL)
            abort();
        at += used;
    }
    return 0;
}
