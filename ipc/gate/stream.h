/*
 * stream.h - the gate's connections: bytes in, bytes out. One thread.
 *
 * Streams know bounds and no protocol: they show their owner the bytes that came, who takes what he
 * can and answers at once (stream_put) or later. Everything a client can do ends here: one that
 * sends without reading is stopped by its own socket buffer, for it is not read while there is no
 * room for one more answer or while too many of its requests wait; one that begins a request and
 * does not end it, or takes nothing of its answers, is cut off. Connections with work take turns.
 *
 * MTAs keep their connections for long and open them again by themselves, so an idle one is closed
 * only after the time in the settings.
 */
#ifndef MXWARD_GATE_STREAM_H
#define MXWARD_GATE_STREAM_H

#include "engine/base/counter.h"
#include "engine/loop/ring.h"
#include "engine/loop/wheel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct streams;
struct stream;

/* What the owner does with `size` bytes. */
struct stream_taken {
    size_t used;       /* 0: they are no whole request yet */
    unsigned requests; /* whole ones in them */
    bool lost;         /* nothing behind them can be read: close when the answers are out */
};

struct stream_owner {
    void *context;
    /* `ended`: the client sends no more. There is room for one answer of GATE_ANSWER bytes; who
     * takes several requests asks stream_may_take before each further one. Called again for what is
     * behind, until it takes nothing. */
    struct stream_taken (*take)(void *context, struct stream *stream, const char *bytes,
                                size_t size, bool ended);
    /* Some of what was put has gone out: there is room again. */
    void (*room)(void *context, struct stream *stream);
    /* The connection is gone: nothing can be answered any more. */
    void (*gone)(void *context, struct stream *stream);
    size_t state_bytes; /* of the owner's own, zeroed for each connection: stream_state */
};

struct stream_settings {
    uint32_t connections;
    uint64_t idle_ms;
};

struct stream_counts {
    counter connections; /* now */
    counter accepted, refused_full, cut_off, lost, idle;
};

/* Operations of the ring's tokens and timers that belong to streams. */
#define STREAM_OPERATION_FIRST 1
#define STREAM_OPERATION_LAST  7

int streams_create(struct streams **streams, struct ring *ring, struct wheel *wheel,
                   const struct stream_settings *settings, const struct stream_owner *owner);
/* Accepts from it; at most GATE_LISTENERS. The descriptor stays the caller's. */
void streams_listen(struct streams *streams, int descriptor);
/* Counts from the next time on that a stream has something to say, or is looked at. */
void streams_set_idle(struct streams *streams, uint64_t idle_ms);
/* No new clients; closes all. Turn the ring until streams_running is 0. */
void streams_stop(struct streams *streams);
uint32_t streams_running(const struct streams *streams);
void streams_destroy(struct streams *streams); /* nothing is running, or the ring is gone */

void streams_completed(struct streams *streams, const struct ring_completion *completion);
void streams_due(struct streams *streams, struct wheel_timer *timer);
/* One round over the connections that have something to take. True: some still have. */
bool streams_turn(struct streams *streams);
const struct stream_counts *streams_counts(const struct streams *streams);

void *stream_state(struct stream *stream);
pid_t stream_process(const struct stream *stream); /* at the other end; 0: not known */
uid_t stream_user(const struct stream *stream);
size_t stream_room(const struct stream *stream);
bool stream_may_take(const struct stream *stream); /* one more request */
void stream_put(struct streams *streams, struct stream *stream, const void *bytes,
                size_t size); /* size <= stream_room */
/* One request more, or less, waits for its answer: while it does the stream is not idle. */
void stream_waits(struct streams *streams, struct stream *stream, int change);
/* After answers were put outside of `take`: sends them and goes on. The stream may be gone then. */
void stream_go_on(struct streams *streams, struct stream *stream);
void stream_close_when_sent(struct stream *stream);

#endif
