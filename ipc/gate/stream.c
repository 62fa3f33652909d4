/*
 * stream.c - accepting, reading, taking turns, writing, and cutting off. See stream.h.
 *
 * Each connection has at most one receive and one send in flight; its slot is given back when both
 * are home and it is on no list (stream_release, the one place).
 */
#include "ipc/gate/stream.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/loop/pool.h"
#include "ipc/gate/limits.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OPERATION_ACCEPT = STREAM_OPERATION_FIRST,
    OPERATION_RECEIVE,
    OPERATION_SEND,
    OPERATION_TIMER,        /* of a connection */
    OPERATION_ACCEPT_AGAIN, /* timer: accepting failed for want of resources */
};
static_assert(OPERATION_ACCEPT_AGAIN <= STREAM_OPERATION_LAST, "streams' share of the operations");

#define OUTPUT_MASK (GATE_OUTPUT - 1)
static_assert((GATE_OUTPUT & OUTPUT_MASK) == 0, "a ring of bytes");

struct stream {
    ring_file file;
    struct ucred peer;
    bool receiving, sending; /* in flight */
    bool ended;              /* the client sends no more */
    bool finishing;          /* close when the output is out */
    bool closing;            /* closed but for what is in flight */
    bool ready;              /* on the list of those with bytes to take */
    bool starved;            /* what is there is no whole request */
    uint32_t waiting;        /* requests that wait for their answer */
    uint64_t heard_ms, unfinished_ms, stalled_ms;
    struct wheel_timer timer;
    struct stream *next_ready;
    uint32_t in_start, in_end;
    uint32_t out_head, out_used; /* ring of bytes */
    char input[GATE_INPUT];
    char output[GATE_OUTPUT];
    _Alignas(16) char state[];
};

struct listening {
    int descriptor;
    bool accepting;
    struct wheel_timer again;
};

struct streams {
    struct ring *ring;
    struct wheel *wheel;
    bool stopping;
    struct stream_settings settings;
    struct stream_owner owner;
    struct listening listeners[GATE_LISTENERS];
    uint32_t listener_count;
    struct pool *pool;
    struct stream *ready, **ready_end;
    struct stream_counts counts;
};

/* --- small parts --- */

static struct ring_token token_of(struct streams *streams, const struct stream *stream,
                                  uint8_t operation)
{
    return (struct ring_token){operation, pool_slot(streams->pool, stream),
                               pool_generation(streams->pool, stream)};
}

void *stream_state(struct stream *stream)
{
    return stream->state;
}

pid_t stream_process(const struct stream *stream)
{
    return stream->peer.pid;
}

uid_t stream_user(const struct stream *stream)
{
    return stream->peer.uid;
}

size_t stream_room(const struct stream *stream)
{
    return GATE_OUTPUT - stream->out_used;
}

void stream_close_when_sent(struct stream *stream)
{
    stream->finishing = true;
}

void stream_waits(struct streams *streams, struct stream *stream, int change)
{
    (void)streams;
    stream->waiting = (uint32_t)((int)stream->waiting + change);
    stream->heard_ms = clock_boot_ms(); /* what took long was us */
}

bool stream_may_take(const struct stream *stream)
{
    return !stream->closing && !stream->finishing && stream->waiting < GATE_OUTSTANDING &&
           stream_room(stream) >= GATE_ANSWER;
}

static void make_ready(struct streams *streams, struct stream *stream)
{
    if (stream->ready)
        return;
    stream->ready = true;
    stream->next_ready = NULL;
    *streams->ready_end = stream;
    streams->ready_end = &stream->next_ready;
}

static void stream_release(struct streams *streams, struct stream *stream)
{
    if (!stream->closing || stream->receiving || stream->sending || stream->ready)
        return;
    ring_close(streams->ring, stream->file);
    counter_add(&streams->counts.connections, (uint64_t)-1);
    pool_give(streams->pool, stream);
}

static void stream_close(struct streams *streams, struct stream *stream)
{
    if (stream->closing)
        return;
    stream->closing = true;
    wheel_disarm(streams->wheel, &stream->timer);
    streams->owner.gone(streams->owner.context, stream);
    /* A full submission queue leaves them to end by themselves: the shutdown ends both. */
    shutdown(stream->file, SHUT_RDWR);
    if (stream->receiving)
        ring_cancel(streams->ring, token_of(streams, stream, OPERATION_RECEIVE));
    if (stream->sending)
        ring_cancel(streams->ring, token_of(streams, stream, OPERATION_SEND));
    stream_release(streams, stream);
}

/* --- time --- */

enum end { END_STALLED, END_UNFINISHED, END_IDLE };

/* When, and for what, this connection is to be ended if nothing happens. */
static uint64_t stream_due(const struct streams *streams, const struct stream *stream,
                           enum end *why)
{
    *why = END_STALLED;
    if (stream->out_used > 0)
        return stream->stalled_ms + GATE_STALL_MS;
    if (stream->waiting > 0 || stream->ready)
        return UINT64_MAX;
    *why = END_UNFINISHED;
    if (stream->in_end > stream->in_start)
        return stream->unfinished_ms + GATE_UNFINISHED_MS;
    *why = END_IDLE;
    return stream->heard_ms + streams->settings.idle_ms;
}

static void stream_schedule(struct streams *streams, struct stream *stream)
{
    enum end why;
    const uint64_t due_ms = stream_due(streams, stream, &why);

    if (due_ms == UINT64_MAX)
        wheel_disarm(streams->wheel, &stream->timer);
    else if (!wheel_armed(&stream->timer) || stream->timer.due_ms > due_ms)
        wheel_arm(streams->wheel, &stream->timer, due_ms); /* later ones are found when it fires */
}

static void stream_timer(struct streams *streams, struct stream *stream)
{
    enum end why;

    if (stream_due(streams, stream, &why) > clock_boot_ms()) {
        stream_schedule(streams, stream);
        return;
    }
    counter_add(why == END_IDLE ? &streams->counts.idle : &streams->counts.cut_off, 1);
    if (why != END_IDLE)
        log_notice("client-cut-off", "uid=%u pid=%d why=%s", stream->peer.uid, stream->peer.pid,
                   why == END_STALLED ? "stalled" : "unfinished");
    stream_close(streams, stream);
}

/* --- output --- */

void stream_put(struct streams *streams, struct stream *stream, const void *bytes, size_t size)
{
    const uint32_t tail = (stream->out_head + stream->out_used) & OUTPUT_MASK;
    const size_t first = GATE_OUTPUT - tail < size ? GATE_OUTPUT - tail : size;

    (void)streams;
    CHECK(size <= stream_room(stream));
    if (stream->out_used == 0)
        stream->stalled_ms = clock_boot_ms();
    memcpy(stream->output + tail, bytes, first);
    memcpy(stream->output, (const char *)bytes + first, size - first);
    stream->out_used += (uint32_t)size;
}

static void output_went(struct stream *stream, uint32_t size)
{
    stream->out_head = (stream->out_head + size) & OUTPUT_MASK;
    stream->out_used -= size;
}

/* What the client's socket has room for goes out at once: nearly always all, and an operation of
 * the ring would come home only to say so, which costs another turn. False: ours, the submission
 * queue is full and stays so. */
static bool stream_send(struct streams *streams, struct stream *stream)
{
    while (!stream->sending && stream->out_used > 0) {
        const char *from = stream->output + stream->out_head;
        const uint32_t straight = GATE_OUTPUT - stream->out_head;
        const uint32_t size = stream->out_used < straight ? stream->out_used : straight;
        const ssize_t sent = send(stream->file, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            output_went(stream, (uint32_t)sent);
            if (stream->out_used == 0)
                streams->owner.room(streams->owner.context, stream);
            continue;
        }
        stream->sending = ring_send(streams->ring, token_of(streams, stream, OPERATION_SEND),
                                    stream->file, from, size) == 0;
        return stream->sending;
    }
    return true;
}

static bool stream_receive(struct streams *streams, struct stream *stream)
{
    if (stream->receiving || stream->ended || stream->finishing ||
        GATE_INPUT - stream->in_end < GATE_RECEIVE)
        return true;
    stream->receiving = ring_receive(streams->ring, token_of(streams, stream, OPERATION_RECEIVE),
                                     stream->file) == 0;
    return stream->receiving;
}

static bool is_finished(const struct stream *stream)
{
    if (stream->out_used > 0 || stream->waiting > 0)
        return false;
    return stream->finishing || (stream->ended && !stream->ready);
}

/* Moves on whatever can move. After it the stream may be gone. */
void stream_go_on(struct streams *streams, struct stream *stream)
{
    bool goes;

    if (stream->closing)
        return;
    goes = stream_send(streams, stream);
    if (!stream->starved && stream->in_end > stream->in_start && stream_may_take(stream))
        make_ready(streams, stream);
    if (!goes || is_finished(stream) || !stream_receive(streams, stream))
        stream_close(streams, stream);
    else
        stream_schedule(streams, stream);
}

static void send_completed(struct streams *streams, struct stream *stream, int32_t result)
{
    stream->sending = false;
    if (stream->closing) {
        stream_release(streams, stream);
        return;
    }
    if (result <= 0) {
        stream_close(streams, stream); /* it has gone */
        return;
    }
    output_went(stream, (uint32_t)result);
    stream->stalled_ms = clock_boot_ms();
    streams->owner.room(streams->owner.context, stream);
    stream_go_on(streams, stream);
}

/* --- input --- */

static bool stream_take(struct streams *streams, struct stream *stream)
{
    struct stream_taken took;

    for (unsigned taken = 0; stream_may_take(stream); taken += took.requests) {
        if (taken >= GATE_BATCH)
            return true;
        took = streams->owner.take(streams->owner.context, stream, stream->input + stream->in_start,
                                   stream->in_end - stream->in_start, stream->ended);
        if (took.lost) {
            counter_add(&streams->counts.lost, 1);
            log_notice("client-framing-lost", "uid=%u pid=%d", stream->peer.uid, stream->peer.pid);
            stream->in_start = stream->in_end;
            stream->finishing = true;
            return false;
        }
        stream->starved = took.used == 0;
        if (took.used == 0)
            return false;
        stream->in_start += (uint32_t)took.used;
        stream->unfinished_ms = stream->heard_ms;
        if (stream->in_start == stream->in_end)
            return false;
    }
    return false; /* whoever makes room makes it ready again */
}

static void input_compact(struct stream *stream)
{
    memmove(stream->input, stream->input + stream->in_start, stream->in_end - stream->in_start);
    stream->in_end -= stream->in_start;
    stream->in_start = 0;
}

bool streams_turn(struct streams *streams)
{
    struct stream *stream = streams->ready;

    streams->ready = NULL;
    streams->ready_end = &streams->ready;
    while (stream != NULL) {
        struct stream *next = stream->next_ready;
        const bool more = stream_take(streams, stream);

        stream->ready = false;
        input_compact(stream);
        if (stream->closing) {
            stream_release(streams, stream);
        } else {
            if (stream->starved && stream->ended) /* the rest is no request */
                stream->in_end = 0;
            if (more)
                make_ready(streams, stream);
            stream_go_on(streams, stream);
        }
        stream = next;
    }
    return streams->ready != NULL;
}

/* At the end of the stream: did the client only stop writing, or is nobody there any more? */
static bool has_gone(const struct stream *stream)
{
    struct pollfd look = {.fd = stream->file};

    return poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

static void receive_completed(struct streams *streams, struct stream *stream,
                              const struct ring_completion *completion)
{
    stream->receiving = false;
    if (stream->closing) {
        stream_release(streams, stream);
        return;
    }
    if (completion->result == -ENOBUFS || completion->result == -EINTR) {
        stream_go_on(streams, stream);
        return;
    }
    if (completion->result <= 0 && has_gone(stream)) {
        stream_close(streams, stream);
        return;
    }
    if (completion->result <= 0) {
        stream->ended = true;
        stream->starved = false; /* what is there may be a whole line */
    } else {
        const uint32_t size = (uint32_t)completion->result;

        CHECK(size <= GATE_INPUT - stream->in_end);
        stream->heard_ms = clock_boot_ms();
        if (stream->in_end == stream->in_start)
            stream->unfinished_ms = stream->heard_ms;
        memcpy(stream->input + stream->in_end, completion->data, size);
        stream->in_end += size;
        stream->starved = false;
    }
    stream_go_on(streams, stream);
}

/* --- accepting --- */

static void accepted(struct streams *streams, int descriptor)
{
    struct stream *stream = streams->stopping ? NULL : pool_take(streams->pool);
    socklen_t size = sizeof stream->peer;

    if (stream == NULL) { /* the MTA tries again, and takes it for temporary trouble until then */
        counter_add(&streams->counts.refused_full, 1);
        if (!streams->stopping)
            log_warning("too-many-connections", "see gate.connections");
        close(descriptor);
        return;
    }
    stream->file = descriptor;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &stream->peer, &size) != 0)
        stream->peer = (struct ucred){.uid = (uid_t)-1, .gid = (gid_t)-1};
    stream->heard_ms = clock_boot_ms();
    stream->timer.token = token_of(streams, stream, OPERATION_TIMER);
    counter_add(&streams->counts.accepted, 1);
    counter_add(&streams->counts.connections, 1);
    stream_go_on(streams, stream);
}

static void accept_begin(struct streams *streams, uint32_t listener)
{
    struct listening *listening = &streams->listeners[listener];
    const struct ring_token token = {.operation = OPERATION_ACCEPT, .slot = listener};

    if (listening->accepting || streams->stopping)
        return;
    listening->accepting = ring_accept_multishot(streams->ring, token, listening->descriptor) == 0;
    if (!listening->accepting)
        wheel_arm(streams->wheel, &listening->again, clock_boot_ms() + GATE_ACCEPT_AGAIN_MS);
}

static void accept_completed(struct streams *streams, const struct ring_completion *completion)
{
    const uint32_t listener = completion->token.slot;
    struct listening *listening = &streams->listeners[listener];

    if ((completion->flags & RING_MORE) == 0)
        listening->accepting = false;
    if (completion->result >= 0)
        accepted(streams, completion->result);
    else if (!streams->stopping && completion->result != -ECANCELED)
        log_warning("accept-failed", "error=%d; trying again in %d ms", -completion->result,
                    GATE_ACCEPT_AGAIN_MS);
    if (listening->accepting || streams->stopping)
        return;
    if (completion->result >= 0)
        accept_begin(streams, listener);
    else /* most likely out of descriptors: not in a tight loop */
        wheel_arm(streams->wheel, &listening->again, clock_boot_ms() + GATE_ACCEPT_AGAIN_MS);
}

/* --- for the gate --- */

void streams_completed(struct streams *streams, const struct ring_completion *completion)
{
    struct stream *stream;

    if (completion->token.operation == OPERATION_ACCEPT) {
        accept_completed(streams, completion);
        return;
    }
    stream = pool_find(streams->pool, completion->token.slot, completion->token.generation);
    CHECK(stream != NULL); /* a slot is not given back while something is in flight */
    if (completion->token.operation == OPERATION_RECEIVE)
        receive_completed(streams, stream, completion);
    else
        send_completed(streams, stream, completion->result);
}

void streams_due(struct streams *streams, struct wheel_timer *timer)
{
    struct stream *stream;

    if (timer->token.operation == OPERATION_ACCEPT_AGAIN) {
        accept_begin(streams, timer->token.slot);
        return;
    }
    stream = pool_find(streams->pool, timer->token.slot, timer->token.generation);
    if (stream != NULL && !stream->closing)
        stream_timer(streams, stream);
}

int streams_create(struct streams **out, struct ring *ring, struct wheel *wheel,
                   const struct stream_settings *settings, const struct stream_owner *owner)
{
    struct streams *streams = calloc(1, sizeof *streams);
    int error;

    if (streams == NULL)
        return -ENOMEM;
    streams->ring = ring;
    streams->wheel = wheel;
    streams->settings = *settings;
    streams->owner = *owner;
    streams->ready_end = &streams->ready;
    error = pool_create(&streams->pool, "streams", sizeof(struct stream) + owner->state_bytes,
                        settings->connections);
    if (error != 0) {
        free(streams);
        return error;
    }
    *out = streams;
    return 0;
}

void streams_listen(struct streams *streams, int descriptor)
{
    const uint32_t listener = streams->listener_count++;

    CHECK(listener < GATE_LISTENERS);
    streams->listeners[listener] =
        (struct listening){.descriptor = descriptor,
                           .again.token = {.operation = OPERATION_ACCEPT_AGAIN, .slot = listener}};
    accept_begin(streams, listener);
}

void streams_set_idle(struct streams *streams, uint64_t idle_ms)
{
    streams->settings.idle_ms = idle_ms;
}

void streams_stop(struct streams *streams)
{
    streams->stopping = true;
    for (uint32_t i = 0; i < streams->listener_count; i++) {
        wheel_disarm(streams->wheel, &streams->listeners[i].again);
        if (streams->listeners[i].accepting)
            ring_cancel(streams->ring,
                        (struct ring_token){.operation = OPERATION_ACCEPT, .slot = i});
    }
    for (uint32_t slot = 0; slot < streams->settings.connections; slot++) {
        struct stream *stream = pool_at(streams->pool, slot);

        if (stream != NULL)
            stream_close(streams, stream);
    }
}

uint32_t streams_running(const struct streams *streams)
{
    uint32_t running = pool_used(streams->pool);

    for (uint32_t i = 0; i < streams->listener_count; i++)
        running += streams->listeners[i].accepting;
    return running;
}

void streams_destroy(struct streams *streams)
{
    if (streams == NULL)
        return;
    pool_destroy(streams->pool);
    free(streams);
}

const struct stream_counts *streams_counts(const struct streams *streams)
{
    return &streams->counts;
}
