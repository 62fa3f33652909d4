/*
 * pending.c - messages that were sent to the daemon without waiting, until they are answered: so
 * that its trouble (busy, late, no memory) is made good from the tables, as mxw_decide does.
 *
 * Each is kept as the frame that it was sent in; the handle owns it. Where there is no memory for
 * one, or PENDING later ones are out while it still is, its trouble is told as it came.
 */
#include "ipc/client/handle.h"

#include <stdlib.h>
#include <string.h>

#define PENDING 4096 /* places, by id; a power of two, and as many as a connection may have out */

struct pending {
    uint64_t id, arrived_ms; /* boot clock */
    size_t size;
    uint8_t frame[];
};

static struct pending **place_of(const struct mxw *m, uint64_t id)
{
    return &m->pending[id % PENDING];
}

void pending_keep(struct mxw *m, uint64_t id, const struct frame_decide *asked, uint64_t arrived_ms)
{
    uint8_t bytes[sizeof *asked + 256]; /* of texts no more than there is room in the struct */
    const size_t size = frame_encode(bytes, sizeof bytes, FRAME_DECIDE, 0, id, asked);
    struct pending *pending, **place;

    if (m->pending == NULL)
        m->pending = calloc(PENDING, sizeof *m->pending);
    pending = m->pending != NULL && size > 0 ? malloc(sizeof *pending + size) : NULL;
    if (pending == NULL)
        return;
    *pending = (struct pending){.id = id, .arrived_ms = arrived_ms, .size = size};
    memcpy(pending->frame, bytes, size);
    place = place_of(m, id);
    free(*place);
    *place = pending;
}

static bool asked_of(struct frame_decide *asked, const struct pending *pending)
{
    struct frame frame;
    size_t used;

    return frame_take(&frame, pending->frame, pending->size, FRAME_REQUEST_MAX, &used) ==
               FRAME_WHOLE &&
           frame_decode(asked, &frame, NULL);
}

static void make_good(struct mxw *m, struct mxw_result *result, const struct pending *pending)
{
    char why[sizeof result->sentence];
    struct frame_decide asked;

    if (!asked_of(&asked, pending))
        return;
    memcpy(why, result->sentence, sizeof why);
    result->status =
        tables_instead(m, &result->decision, &asked, pending->arrived_ms, result->status, why);
    result->decided = result->status == MXW_OK;
    if (result->decided)
        result->sentence[0] = 0;
}

void pending_settle(struct mxw *m, struct mxw_result *result)
{
    struct pending **place = m->pending != NULL ? place_of(m, result->id) : NULL;

    if (place == NULL || *place == NULL || (*place)->id != result->id)
        return;
    if (handle_is_trouble(result->status))
        make_good(m, result, *place);
    free(*place);
    *place = NULL;
}

void pending_forget(struct mxw *m)
{
    if (m->pending == NULL)
        return;
    for (size_t i = 0; i < PENDING; i++)
        free(m->pending[i]);
    free(m->pending);
    m->pending = NULL;
}
