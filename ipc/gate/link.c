/*
 * link.c - see link.h. The bytes are libmxward's affair (mxw_start); the ring only tells when some
 * came.
 */
#include "ipc/gate/link.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "ipc/gate/limits.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

enum {
    OPERATION_POLL = LINK_OPERATION_FIRST,
    OPERATION_AGAIN, /* timer: connect again */
};

struct link {
    struct ring *ring;
    struct wheel *wheel;
    struct link_owner owner;
    struct mxw *mxw;
    struct wheel_timer again;
    uint64_t pause_ms; /* until the next try */
    uint32_t generation, in_flight;
    bool connected, silent, polling, stopping, told;
    bool broken; /* found when something was asked: said in link_turn, not amid the asking */
    bool full;   /* something was not sent for want of room */
    struct link_counts counts;
    struct mxw_result result; /* of link_turn alone: it is large */
};

static void link_away(struct link *link)
{
    const bool was_connected = link->connected;

    if (link->polling) /* it would hold the closed socket open */
        ring_cancel(link->ring, (struct ring_token){.operation = OPERATION_POLL,
                                                    .generation = link->generation});
    mxw_disconnect(link->mxw);
    link->connected = link->polling = link->broken = link->full = false;
    link->generation++;
    if (!link->stopping)
        wheel_arm(link->wheel, &link->again, clock_boot_ms() + link->pause_ms);
    link->pause_ms =
        link->pause_ms * 2 < GATE_LINK_AGAIN_MOST_MS ? link->pause_ms * 2 : GATE_LINK_AGAIN_MOST_MS;
    if (!link->told)
        log_warning("daemon-away", "%s; answering from the tables", mxw_reason(link->mxw));
    link->told = true;
    if (was_connected) {
        counter_add(&link->counts.lost, 1);
        link->owner.lost(link->owner.context);
    }
}

static void link_connect(struct link *link)
{
    if (link->stopping || link->connected)
        return;
    if (mxw_start(link->mxw) != MXW_OK) {
        link_away(link);
        return;
    }
    link->connected = true;
    link->silent = false;
    counter_add(&link->counts.connected, 1);
    link->owner.up(link->owner.context);
}

bool link_is_up(const struct link *link)
{
    return link->connected && !link->silent && !link->broken;
}

void link_is_silent(struct link *link)
{
    if (link->connected && !link->silent)
        log_warning("daemon-silent", "it does not answer; answering from the tables");
    link->silent = true;
}

bool link_ask(struct link *link, const struct mxw_message *message, uint64_t *id)
{
    int status;

    if (!link->connected || link->broken)
        return false;
    status = mxw_send_message(link->mxw, message, id);
    if (status == MXW_OK)
        counter_add(&link->counts.asked, 1);
    else if (status == MXW_FULL)
        link->full = true;
    else if (status != MXW_INVALID && status != MXW_USAGE)
        link->broken = true;
    return status == MXW_OK;
}

int link_observe(struct link *link, const struct mxw_observation *observation)
{
    uint64_t id;
    int status;

    if (!link_is_up(link) || mxw_outstanding(link->mxw) >= GATE_LINK_OBSERVE)
        return MXW_BUSY;
    status = mxw_send_observation(link->mxw, observation, &id);
    if (status == MXW_OK)
        counter_add(&link->counts.observed, 1);
    else if (status != MXW_INVALID && status != MXW_FULL)
        link->broken = true;
    return status;
}

static void link_poll(struct link *link)
{
    const struct ring_token token = {.operation = OPERATION_POLL, .generation = link->generation};

    if (link->polling || !link->connected)
        return;
    link->polling = ring_poll(link->ring, token, mxw_descriptor(link->mxw), POLLIN) == 0;
    link->in_flight += link->polling;
}

/* Everything that is there. */
static void link_receive(struct link *link)
{
    while (link->connected && mxw_outstanding(link->mxw) > 0) {
        link->result.size = sizeof link->result;
        switch (mxw_receive(link->mxw, &link->result, 0)) {
        case MXW_OK:
            if (link->told)
                log_notice("daemon-back", "asking it again");
            link->silent = link->told = false;
            link->pause_ms = GATE_LINK_AGAIN_MS;
            counter_add(&link->counts.answered, 1);
            link->owner.answered(link->owner.context, &link->result);
            break;
        case MXW_TIMEOUT:
            return;
        default:
            link_away(link);
            return;
        }
    }
}

void link_turn(struct link *link)
{
    if (!link->connected)
        return;
    if (link->broken || mxw_flush(link->mxw) != MXW_OK) {
        link_away(link);
        return;
    }
    if (link->full) {
        link->full = false;
        link->owner.up(link->owner.context);
    }
    link_poll(link);
}

void link_completed(struct link *link, const struct ring_completion *completion)
{
    link->in_flight--;
    if (completion->token.generation != link->generation || !link->connected)
        return;
    link->polling = false;
    if (mxw_outstanding(link->mxw) > 0)
        link_receive(link);
    else if (mxw_process(link->mxw) != MXW_OK)
        link_away(link);
}

void link_due(struct link *link, struct wheel_timer *timer)
{
    (void)timer;
    link_connect(link);
}

int link_create(struct link **out, struct ring *ring, struct wheel *wheel, const char *socket,
                const struct link_owner *owner)
{
    struct mxw_options options = MXW_OPTIONS_INIT;
    struct link *link = calloc(1, sizeof *link);
    int status;

    if (link == NULL)
        return -ENOMEM;
    options.socket = socket;
    options.program = "mxward-gate";
    options.tables = ""; /* the gate has them itself (asking.c) */
    status = mxw_open(&link->mxw, &options);
    if (status != MXW_OK) {
        free(link);
        return status == MXW_MEMORY ? -ENOMEM : -EINVAL;
    }
    link->ring = ring;
    link->wheel = wheel;
    link->owner = *owner;
    link->pause_ms = GATE_LINK_AGAIN_MS;
    link->again.token.operation = OPERATION_AGAIN;
    wheel_arm(wheel, &link->again, clock_boot_ms());
    *out = link;
    return 0;
}

void link_stop(struct link *link)
{
    link->stopping = true;
    wheel_disarm(link->wheel, &link->again);
    link->told = true;
    if (link->connected)
        link_away(link);
}

uint32_t link_running(const struct link *link)
{
    return link->in_flight;
}

void link_destroy(struct link *link)
{
    if (link == NULL)
        return;
    mxw_close(link->mxw);
    free(link);
}

const struct link_counts *link_counts(const struct link *link)
{
    return &link->counts;
}
