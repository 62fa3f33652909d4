/*
 * native.c - accepting, reading, taking turns, writing, and cutting off.
 *
 * Called by front.c only, in its thread; owns the connections (a fixed pool) and their descriptors.
 * Each connection has at most one receive in flight, and one send where its socket was full; it is
 * released when both are back and it is on no list. The receive is one-shot: it is asked again only
 * when there is room for all it could bring, so a client that sends without reading is stopped by
 * its own socket buffer.
 *
 * What ends a connection: end of stream (after the last answer is out, if somebody is still there
 * to read it), an error, lost framing (after the error frame is out), an unfinished frame older
 * than frame_ms, output taken slower than a whole output buffer in stall_ms, idle_ms without a
 * question. One timer per connection stands at whichever comes first.
 * Weakness: users are found by looking through their list, at accept only.
 */
#include "ipc/serve/native.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/loop/pool.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    OPERATION_ACCEPT = NATIVE_OPERATION_FIRST,
    OPERATION_RECEIVE,
    OPERATION_SEND,
    OPERATION_TIMER,        /* of a connection */
    OPERATION_ACCEPT_AGAIN, /* timer: accepting failed for want of resources */
};
static_assert(OPERATION_ACCEPT_AGAIN <= NATIVE_OPERATION_LAST, "native's share of the operations");

#define OUTPUT_MASK     (LIMIT_CLIENT_OUTPUT - 1)
#define OUTPUT_BYTES    (LIMIT_CLIENT_OUTPUT + NATIVE_ANSWER_ROOM) /* behind the end: native_space */
#define ACCEPT_AGAIN_MS 100
static_assert((LIMIT_CLIENT_OUTPUT & OUTPUT_MASK) == 0, "a ring of bytes");
static_assert(LIMIT_CLIENT_INPUT >= LIMIT_CLIENT_RECEIVE + FRAME_REQUEST_MAX,
              "an unfinished frame and one receive fit");
static_assert(LIMIT_CLIENT_OUTPUT >= FRAME_ANSWER_MAX + NATIVE_ANSWER_ROOM,
              "a part and an answer fit");

struct native_user {
    uid_t uid;
    uint32_t connections, requests; /* both 0: the place is free */
};

/* Apart from their client, so that a new one need not clear them: nothing is read that it has not
 * written. */
struct buffers {
    uint8_t input[LIMIT_CLIENT_INPUT];
    uint8_t output[OUTPUT_BYTES];
};

struct native_client {
    ring_file file;
    struct peer peer;
    struct native_user *user;
    bool receiving, sending; /* in flight */
    bool ended;              /* the client will send no more */
    bool finishing;          /* close when the output is out */
    bool closing;            /* closed but for what is in flight */
    bool ready;              /* on the list of those with frames to take, or answers to write */
    bool starved;            /* what is there is no whole frame: more bytes are needed */
    uint32_t outstanding;    /* requests that wait for their answer */
    uint32_t progress;       /* in the frame that is taken in parts; the owner's */
    bool arriving;           /* bytes came since its last turn, which stamps them */
    uint64_t arrived_ms;     /* the last bytes; what `live` questions are about */
    uint64_t heard_ms;       /* the same, for idleness */
    uint64_t frame_ms;       /* when the unfinished frame began; 0: with what is arriving */
    uint64_t window_ms;      /* since then it took only window_bytes of its output */
    uint32_t window_bytes;
    struct wheel_timer timer;
    struct native_client *next_ready;
    struct native_answer *answers, **answers_end;
    uint32_t in_start, in_end;   /* bytes not yet taken */
    uint32_t out_head, out_used; /* ring of bytes */
    struct buffers *buffers;     /* its own */
};

struct native {
    struct ring *ring;
    struct wheel *wheel;
    int listener;
    bool accepting, stopping;
    struct wheel_timer accept_again;
    struct native_settings settings;
    const struct rights *rights;
    struct native_owner owner;
    struct pool *clients;
    struct buffers *buffers;   /* by slot; touched when used */
    struct native_user *users; /* as many as connections */
    struct native_client *ready, **ready_end;
    uint32_t again;  /* where native_write_again begins */
    uint64_t now_ms; /* of this turn (native_set_now) */
    struct native_counts counts;
    /* The output of the client whose turn it is: nearly always all of it goes out at its end, and
     * then the same lines of the cache serve the next client. */
    struct native_client *at_desk; /* NULL: nobody's */
    uint8_t desk[OUTPUT_BYTES];
};

/* --- users --- */

/* NULL: all places are taken by users whose requests outlived their connections. */
static struct native_user *user_find(struct native *native, uid_t uid)
{
    struct native_user *place = NULL;

    for (uint32_t i = 0; i < native->settings.connections; i++) {
        struct native_user *user = &native->users[i];
        bool used = user->connections || user->requests;

        if (used && user->uid == uid)
            return user;
        if (!used && !place)
            place = user;
    }
    if (place)
        place->uid = uid;
    return place;
}

struct native_user *native_client_user(const struct native_client *client)
{
    return client->user;
}

uint32_t native_user_requests(const struct native_user *user)
{
    return user->requests;
}

void native_user_count(struct native_user *user, int32_t requests)
{
    user->requests += (uint32_t)requests;
}

/* --- a connection's small parts --- */

static struct ring_token token_of(struct native *native, const struct native_client *client,
                                  uint8_t operation)
{
    return (struct ring_token){operation, pool_slot(native->clients, client),
                               pool_generation(native->clients, client)};
}

struct ring_token native_client_token(struct native *native, const struct native_client *client)
{
    return token_of(native, client, 0);
}

struct native_client *native_client_find(struct native *native, struct ring_token token)
{
    struct native_client *client = pool_find(native->clients, token.slot, token.generation);

    return client && !client->closing ? client : NULL;
}

const struct peer *native_client_peer(const struct native_client *client)
{
    return &client->peer;
}

size_t native_room(const struct native_client *client)
{
    return LIMIT_CLIENT_OUTPUT - client->out_used;
}

static bool may_take_frames(const struct native *native, const struct native_client *client)
{
    return !client->closing && !client->finishing &&
           client->outstanding < native->settings.requests &&
           native_room(client) >= NATIVE_ANSWER_ROOM;
}

uint32_t *native_client_progress(struct native_client *client)
{
    return &client->progress;
}

void native_expects(struct native_client *client, int32_t answers)
{
    client->outstanding += (uint32_t)answers;
}

/* Amid a request, which is counted already. */
bool native_has_room(const struct native *native, const struct native_client *client)
{
    return !client->closing && !client->finishing &&
           client->outstanding <= native->settings.requests &&
           native_room(client) >= NATIVE_ANSWER_ROOM;
}

static void make_ready(struct native *native, struct native_client *client)
{
    if (client->ready)
        return;
    client->ready = true;
    client->next_ready = NULL;
    *native->ready_end = client;
    native->ready_end = &client->next_ready;
}

/* The one place where a connection's slot is given back. */
static void client_release(struct native *native, struct native_client *client)
{
    if (!client->closing || client->receiving || client->sending || client->ready)
        return;
    if (native->at_desk == client)
        native->at_desk = NULL;
    ring_close(native->ring, client->file);
    client->user->connections--;
    counter_add(&native->counts.connections, (uint64_t)-1);
    pool_give(native->clients, client);
}

static void client_close(struct native *native, struct native_client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    wheel_disarm(native->wheel, &client->timer);
    while (client->answers) {
        struct native_answer *answer = client->answers;

        client->answers = answer->next;
        native->owner.drop(native->owner.context, answer);
    }
    /* A full submission queue leaves them to end by themselves: the shutdown ends both. */
    shutdown(client->file, SHUT_RDWR);
    if (client->receiving)
        ring_cancel(native->ring, token_of(native, client, OPERATION_RECEIVE));
    if (client->sending)
        ring_cancel(native->ring, token_of(native, client, OPERATION_SEND));
    client_release(native, client);
}

/* --- time --- */

/* When, and in `why` for what, this connection is to be ended if nothing happens. */
static uint64_t client_due(const struct native *native, const struct native_client *client,
                           const char **why)
{
    if (client->out_used) {
        *why = "stalled";
        return client->window_ms + native->settings.stall_ms;
    }
    if (client->outstanding || client->ready)
        return UINT64_MAX;
    if (client->in_end > client->in_start) {
        *why = "unfinished";
        return client->frame_ms + native->settings.frame_ms;
    }
    *why = "idle";
    return client->heard_ms + native->settings.idle_ms;
}

static void client_schedule(struct native *native, struct native_client *client)
{
    const char *why;
    uint64_t due = client->closing ? UINT64_MAX : client_due(native, client, &why);

    if (due == UINT64_MAX)
        wheel_disarm(native->wheel, &client->timer);
    else if (!wheel_armed(&client->timer) || client->timer.due_ms > due)
        wheel_arm(native->wheel, &client->timer, due); /* later ones are found when it fires */
}

static void client_timer(struct native *native, struct native_client *client)
{
    const char *why = "";
    uint64_t due = client_due(native, client, &why);

    if (due > native->now_ms) {
        client_schedule(native, client);
        return;
    }
    if (why[0] == 'i') {
        counter_add(&native->counts.idle, 1);
    } else {
        counter_add(&native->counts.cut_off, 1);
        log_notice("client-cut-off", "uid=%u pid=%d why=%s waiting=%u", client->peer.uid,
                   client->peer.pid, why, client->out_used);
    }
    client_close(native, client);
}

/* --- output --- */

static uint8_t *output_of(struct native *native, struct native_client *client)
{
    return native->at_desk == client ? native->desk : client->buffers->output;
}

static void desk_take(struct native *native, struct native_client *client)
{
    if (client->out_used == 0 && !client->sending)
        native->at_desk = client;
}

/* What did not go out stays in the client's own memory, where a send of the ring finds it. */
static void desk_leave(struct native *native, struct native_client *client)
{
    const uint32_t straight = LIMIT_CLIENT_OUTPUT - client->out_head;
    const uint32_t first = client->out_used < straight ? client->out_used : straight;

    if (native->at_desk != client)
        return;
    native->at_desk = NULL;
    memcpy(client->buffers->output, native->desk + client->out_head, first);
    memcpy(client->buffers->output + first, native->desk, client->out_used - first);
    client->out_head = 0;
}

/* Where the next byte goes. */
static uint32_t output_tail(struct native *native, struct native_client *client)
{
    if (client->out_used == 0) {
        client->window_ms = native->now_ms;
        client->window_bytes = 0;
        client->out_head = 0; /* what is answered in one turn goes out in one piece */
    }
    return (client->out_head + client->out_used) & OUTPUT_MASK;
}

void native_put(struct native *native, struct native_client *client, const void *bytes, size_t size)
{
    uint32_t tail;
    size_t first;

    CHECK(size <= native_room(client));
    tail = output_tail(native, client);
    first = LIMIT_CLIENT_OUTPUT - tail < size ? LIMIT_CLIENT_OUTPUT - tail : size;
    memcpy(output_of(native, client) + tail, bytes, first);
    memcpy(output_of(native, client), (const uint8_t *)bytes + first, size - first);
    client->out_used += (uint32_t)size;
    counter_add(&native->counts.bytes_out, size);
}

void *native_space(struct native *native, struct native_client *client, size_t *bytes)
{
    const uint32_t tail = output_tail(native, client);
    const size_t straight = OUTPUT_BYTES - tail, room = native_room(client);

    *bytes = straight < room ? straight : room;
    return output_of(native, client) + tail;
}

void native_wrote(struct native *native, struct native_client *client, size_t size)
{
    const uint32_t end = output_tail(native, client) + (uint32_t)size;
    uint8_t *output = output_of(native, client);

    CHECK(size <= native_room(client) && end <= OUTPUT_BYTES);
    if (end > LIMIT_CLIENT_OUTPUT)
        memcpy(output, output + LIMIT_CLIENT_OUTPUT, end - LIMIT_CLIENT_OUTPUT);
    client->out_used += (uint32_t)size;
    counter_add(&native->counts.bytes_out, size);
}

static void output_went(struct native *native, struct native_client *client, uint32_t size)
{
    client->out_head = (client->out_head + size) & OUTPUT_MASK;
    client->out_used -= size;
    client->window_bytes += size;
    if (client->window_bytes >= LIMIT_CLIENT_OUTPUT) {
        client->window_ms = native->now_ms;
        client->window_bytes = 0;
    }
}

/* What the client's socket has room for goes out at once: nearly always all, and an operation of
 * the ring would come home only to say so, which costs another turn. False: ours, the submission
 * queue is full and stays so. */
static bool client_send(struct native *native, struct native_client *client)
{
    while (!client->sending && client->out_used > 0) {
        const uint8_t *from = output_of(native, client) + client->out_head;
        const uint32_t straight = LIMIT_CLIENT_OUTPUT - client->out_head;
        const uint32_t size = client->out_used < straight ? client->out_used : straight;
        const ssize_t sent = send(client->file, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            output_went(native, client, (uint32_t)sent);
            continue;
        }
        desk_leave(native, client);
        client->sending =
            ring_send(native->ring, token_of(native, client, OPERATION_SEND), client->file,
                      client->buffers->output + client->out_head, size) == 0;
        return client->sending;
    }
    return true;
}

static bool client_receive(struct native *native, struct native_client *client)
{
    if (client->receiving || client->ended || client->finishing ||
        LIMIT_CLIENT_INPUT - client->in_end < LIMIT_CLIENT_RECEIVE)
        return true;
    client->receiving =
        ring_receive(native->ring, token_of(native, client, OPERATION_RECEIVE), client->file) == 0;
    return client->receiving;
}

/* Nothing more will ever be said to this client. */
static bool is_finished(const struct native_client *client)
{
    if (client->out_used || client->closing)
        return false;
    return client->finishing || (client->ended && client->outstanding == 0 && !client->ready);
}

static void write_answers(struct native *native, struct native_client *client)
{
    while (client->answers) {
        struct native_answer *answer = client->answers, *next = answer->next;

        if (!native->owner.write(native->owner.context, client, answer))
            return;
        client->answers = next;
        if (!next)
            client->answers_end = &client->answers;
        client->outstanding--;
        client->heard_ms = native->now_ms; /* what took long was us */
    }
}

/* What waits for room in the output, as far as there is: what is left has its turn again as soon as
 * this went out, so that one with much to get takes no more of a turn than others. */
static bool client_write(struct native *native, struct native_client *client)
{
    bool written, goes;

    write_answers(native, client);
    written = client->out_used > 0;
    goes = client_send(native, client);
    if (written && client->answers && client->out_used == 0)
        make_ready(native, client);
    return goes;
}

/* Moves on whatever can move: waiting answers, send, frames, receive, timer. After it the client
 * may be gone. */
static void client_pump(struct native *native, struct native_client *client)
{
    bool goes;

    if (client->closing)
        return;
    goes = client_write(native, client);
    if (!client->starved && client->in_end > client->in_start && may_take_frames(native, client))
        make_ready(native, client);
    if (!goes || is_finished(client) || !client_receive(native, client))
        client_close(native, client);
    else
        client_schedule(native, client);
}

void native_answer(struct native *native, struct native_client *client,
                   struct native_answer *answer)
{
    CHECK(client->outstanding > 0 && !client->closing);
    answer->next = NULL;
    *client->answers_end = answer;
    client->answers_end = &answer->next;
    if (client->answers == answer) /* else it waits for room, or has its turn anyway */
        make_ready(native, client);
}

void native_write_again(struct native *native)
{
    for (uint32_t i = 0; i < native->settings.connections; i++) {
        uint32_t slot = (native->again + i) % native->settings.connections;
        struct native_client *client = pool_at(native->clients, slot);

        if (client && !client->closing && client->answers)
            client_pump(native, client);
    }
    native->again++; /* nobody is always the last */
}

static void send_completed(struct native *native, struct native_client *client, int32_t result)
{
    client->sending = false;
    if (client->closing) {
        client_release(native, client);
        return;
    }
    if (result <= 0) {
        client_close(native, client); /* it has gone */
        return;
    }
    output_went(native, client, (uint32_t)result);
    client_pump(native, client);
}

/* --- input --- */

static void put_fault(struct native *native, struct native_client *client, uint64_t id,
                      enum frame_error code, const char *sentence)
{
    struct frame_fault fault = {.code = (uint8_t)code};
    uint8_t bytes[1024];
    size_t size;

    snprintf(fault.sentence, sizeof fault.sentence, "%s", sentence);
    size = frame_encode(bytes, sizeof bytes, FRAME_ERROR, 0, id, &fault);
    CHECK(size > 0);
    if (size <= native_room(client))
        native_put(native, client, bytes, size);
}

static void framing_lost(struct native *native, struct native_client *client)
{
    counter_add(&native->counts.lost, 1);
    log_notice("client-framing-lost", "uid=%u pid=%d", client->peer.uid, client->peer.pid);
    put_fault(native, client, 0, FRAME_ERROR_LOST,
              "the size of a frame is out of bounds; the connection is closed");
    client->in_start = client->in_end;
    client->finishing = true;
}

struct batch {
    struct frame frames[LIMIT_CLIENT_BATCH];
    unsigned count;
    enum frame_status last; /* what comes behind them; FRAME_WHOLE: perhaps more */
};

static void batch_read(struct batch *batch, const struct native_client *client)
{
    uint32_t at = client->in_start;

    batch->count = 0;
    batch->last = FRAME_WHOLE;
    while (batch->count < LIMIT_CLIENT_BATCH) {
        size_t used;

        batch->last = frame_take(&batch->frames[batch->count], client->buffers->input + at,
                                 client->in_end - at, FRAME_REQUEST_MAX, &used);
        if (batch->last != FRAME_WHOLE)
            return;
        batch->count++;
        at += (uint32_t)used;
    }
}

/* False: it is not done. `weight` grows by the requests that were in it. */
static bool frame_hand_over(struct native *native, struct native_client *client,
                            const struct frame *frame, unsigned *weight)
{
    enum native_taken taken;

    client->outstanding++; /* before: the answer may be there at once */
    taken = native->owner.request(native->owner.context, client, frame, client->arrived_ms);
    if (taken != NATIVE_WAITS)
        client->outstanding--;
    if (taken == NATIVE_GOES_ON)
        return false;
    counter_add(&native->counts.frames_in, 1);
    *weight += client->progress > 0 ? client->progress : 1;
    client->progress = 0;
    client->in_start += (uint32_t)(FRAME_HEADER_BYTES + frame->size);
    client->frame_ms = client->arrived_ms; /* the next one's bytes came no later */
    return true;
}

/* Those that the owner answers at once; returns how many. */
static unsigned frames_at_once(struct native *native, struct native_client *client,
                               const struct frame *frames, unsigned count)
{
    const struct frame *last;

    if (native->owner.at_once)
        count = native->owner.at_once(native->owner.context, client, frames, count);
    if (!native->owner.at_once || count == 0)
        return 0;
    last = &frames[count - 1];
    counter_add(&native->counts.frames_in, count);
    client->in_start = (uint32_t)(last->body + last->size - client->buffers->input);
    client->frame_ms = client->arrived_ms;
    return count;
}

/* Takes at most LIMIT_CLIENT_BATCH requests, and what is in the frame of the last. True: there may
 * be more to take. */
static bool client_take(struct native *native, struct native_client *client)
{
    unsigned weight = 0, taken;
    struct batch batch;

    if (!may_take_frames(native, client))
        return false; /* whoever makes room makes it ready again */
    batch_read(&batch, client);
    if (batch.count > 0 && native->owner.ahead)
        native->owner.ahead(native->owner.context, client, batch.frames, batch.count);
    for (unsigned i = 0; i < batch.count; i += taken) {
        const unsigned left = batch.count - i, most = LIMIT_CLIENT_BATCH - weight;

        taken = frames_at_once(native, client, &batch.frames[i], left < most ? left : most);
        weight += taken;
        if (taken == 0) {
            if (!frame_hand_over(native, client, &batch.frames[i], &weight))
                return may_take_frames(native, client);
            taken = 1;
        }
        if (!may_take_frames(native, client))
            return false;
        if (weight >= LIMIT_CLIENT_BATCH && i + taken < batch.count)
            return true;
    }
    client->starved = batch.last == FRAME_MORE;
    if (batch.last == FRAME_LOST)
        framing_lost(native, client);
    return batch.last == FRAME_WHOLE;
}

/* After they were reaped: so no probe that began before them is taken for a live one. */
static void input_stamp(struct native_client *client, uint64_t now_ms)
{
    if (!client->arriving)
        return;
    client->arriving = false;
    client->arrived_ms = client->heard_ms = now_ms;
    if (client->frame_ms == 0)
        client->frame_ms = now_ms;
}

static void input_compact(struct native_client *client)
{
    if (client->in_start == 0)
        return;
    memmove(client->buffers->input, client->buffers->input + client->in_start,
            client->in_end - client->in_start);
    client->in_end -= client->in_start;
    client->in_start = 0;
}

bool native_turn(struct native *native)
{
    struct native_client *client = native->ready;

    native->ready = NULL;
    native->ready_end = &native->ready;
    while (client) {
        struct native_client *next = client->next_ready;
        bool more;

        input_stamp(client, native->now_ms);
        desk_take(native, client);
        more = client_take(native, client);
        client->ready = false;
        input_compact(client);
        if (client->closing) {
            client_release(native, client);
        } else {
            if (more)
                make_ready(native, client);
            client_pump(native, client);
        }
        if (native->at_desk == client) /* else it may be gone */
            desk_leave(native, client);
        client = next;
    }
    return native->ready != NULL;
}

/* At the end of the stream: did the client only stop writing, or is nobody there any more? */
static bool has_gone(const struct native_client *client)
{
    struct pollfd look = {.fd = client->file};

    return poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR));
}

/* Its turn comes when all completions were looked at: then it takes, answers and receives again. */
static void input_add(struct native *native, struct native_client *client, const uint8_t *bytes,
                      uint32_t size)
{
    CHECK(size <= LIMIT_CLIENT_INPUT - client->in_end);
    if (client->in_end == client->in_start)
        client->frame_ms = 0;
    memcpy(client->buffers->input + client->in_end, bytes, size);
    client->in_end += size;
    client->arriving = true;
    client->starved = false;
    counter_add(&native->counts.bytes_in, size);
    make_ready(native, client);
}

static void receive_completed(struct native *native, struct native_client *client,
                              const struct ring_completion *completion)
{
    client->receiving = false;
    if (client->closing) {
        client_release(native, client);
        return;
    }
    if (completion->result == -ENOBUFS || completion->result == -EINTR) {
        client_pump(native, client);
        return;
    }
    if (completion->result <= 0 && has_gone(client)) {
        client_close(native, client);
        return;
    }
    if (completion->result <= 0) {
        client->ended = true;
        client_pump(native, client);
        return;
    }
    input_add(native, client, completion->data, (uint32_t)completion->result);
}

/* --- accepting --- */

/* Says why and closes, without giving the client a slot. */
static void turn_away(int descriptor, enum frame_error code, const char *sentence)
{
    struct frame_fault fault = {.code = (uint8_t)code, .retry_ms = 1000};
    uint8_t bytes[1024];
    size_t size;

    snprintf(fault.sentence, sizeof fault.sentence, "%s", sentence);
    size = frame_encode(bytes, sizeof bytes, FRAME_ERROR, 0, 0, &fault);
    (void)!send(descriptor, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(descriptor);
}

static void welcome_client(struct native *native, int descriptor, const struct peer *peer,
                           struct native_user *user)
{
    struct native_client *client = pool_take(native->clients);

    CHECK(client); /* connections are counted */
    user->connections++;
    client->file = descriptor;
    client->buffers = &native->buffers[pool_slot(native->clients, client)];
    client->peer = *peer;
    client->user = user;
    client->answers_end = &client->answers;
    client->heard_ms = clock_boot_ms();
    client->timer.token = token_of(native, client, OPERATION_TIMER);
    counter_add(&native->counts.accepted, 1);
    counter_add(&native->counts.connections, 1);
    client_pump(native, client);
}

/* The last connections are for administrators, who come to see why there are none left. */
static uint32_t room_for(const struct native *native, const struct peer *peer)
{
    uint32_t all = native->settings.connections;

    return peer->rights & RIGHT_ADMIN ? all : all - all / LIMIT_ADMIN_CONNECTIONS;
}

static void accepted(struct native *native, int descriptor)
{
    struct peer peer;
    struct native_user *user;

    if (native->stopping || rights_of_peer(native->rights, descriptor, &peer) != 0) {
        close(descriptor);
        return;
    }
    if (peer.rights == 0) {
        counter_add(&native->counts.refused_rights, 1);
        log_notice("client-refused", "uid=%u gid=%u pid=%d why=rights", peer.uid, peer.gid,
                   peer.pid);
        turn_away(descriptor, FRAME_ERROR_NOT_PERMITTED,
                  "this user may not ask; see query_users in section listen of mxward.conf");
        return;
    }
    if (pool_used(native->clients) >= room_for(native, &peer)) {
        counter_add(&native->counts.refused_full, 1);
        turn_away(descriptor, FRAME_ERROR_BUSY, "too many connections; see listen.connections");
        return;
    }
    user = user_find(native, peer.uid);
    if (!user || user->connections >= native->settings.connections_per_user) {
        counter_add(&native->counts.refused_user, 1);
        turn_away(descriptor, FRAME_ERROR_BUSY,
                  "too many connections of this user; see listen.connections_per_user");
        return;
    }
    welcome_client(native, descriptor, &peer, user);
}

static void accept_begin(struct native *native)
{
    struct ring_token token = {.operation = OPERATION_ACCEPT};

    if (native->accepting || native->stopping)
        return;
    native->accepting = ring_accept_multishot(native->ring, token, native->listener) == 0;
    if (!native->accepting)
        wheel_arm(native->wheel, &native->accept_again, clock_boot_ms() + ACCEPT_AGAIN_MS);
}

static void accept_completed(struct native *native, const struct ring_completion *completion)
{
    if (!(completion->flags & RING_MORE))
        native->accepting = false;
    if (completion->result >= 0)
        accepted(native, completion->result);
    else if (!native->stopping && completion->result != -ECANCELED)
        log_warning("accept-failed", "error=%d; trying again in %d ms", -completion->result,
                    ACCEPT_AGAIN_MS);
    if (native->accepting || native->stopping)
        return;
    if (completion->result >= 0)
        accept_begin(native);
    else /* most likely out of descriptors: not in a tight loop */
        wheel_arm(native->wheel, &native->accept_again, clock_boot_ms() + ACCEPT_AGAIN_MS);
}

/* --- for the front --- */

void native_completed(struct native *native, const struct ring_completion *completion)
{
    struct ring_token token = completion->token;
    struct native_client *client;

    if (token.operation == OPERATION_ACCEPT) {
        accept_completed(native, completion);
        return;
    }
    client = pool_find(native->clients, token.slot, token.generation);
    CHECK(client); /* a slot is not given back while something is in flight */
    if (token.operation == OPERATION_RECEIVE)
        receive_completed(native, client, completion);
    else
        send_completed(native, client, completion->result);
}

void native_set_now(struct native *native, uint64_t now_ms)
{
    native->now_ms = now_ms;
}

void native_due(struct native *native, struct wheel_timer *timer)
{
    struct native_client *client;

    if (timer->token.operation == OPERATION_ACCEPT_AGAIN) {
        accept_begin(native);
        return;
    }
    client = pool_find(native->clients, timer->token.slot, timer->token.generation);
    if (client && !client->closing)
        client_timer(native, client);
}

void native_was_late(struct native *native, uint64_t gap_ms)
{
    for (uint32_t slot = 0; slot < native->settings.connections; slot++) {
        struct native_client *client = pool_at(native->clients, slot);

        if (!client)
            continue;
        client->heard_ms += gap_ms;
        if (client->frame_ms != 0)
            client->frame_ms += gap_ms;
        client->window_ms += gap_ms;
    }
}

void native_set_rights(struct native *native, const struct rights *rights)
{
    native->rights = rights;
    for (uint32_t slot = 0; slot < native->settings.connections; slot++) {
        struct native_client *client = pool_at(native->clients, slot);

        if (!client || client->closing)
            continue;
        if (rights_of_peer(rights, client->file, &client->peer) != 0 || !client->peer.rights)
            client_close(native, client);
    }
}

static int memory_take(struct native *native)
{
    const uint32_t connections = native->settings.connections;
    void *buffers = mmap(NULL, connections * sizeof *native->buffers, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    native->buffers = buffers != MAP_FAILED ? buffers : NULL;
    native->users = calloc(connections, sizeof *native->users);
    if (native->buffers == NULL || native->users == NULL)
        return -ENOMEM;
    return pool_create(&native->clients, "clients", sizeof(struct native_client), connections);
}

static void memory_give(struct native *native)
{
    if (native->clients)
        pool_destroy(native->clients);
    if (native->buffers)
        munmap(native->buffers, native->settings.connections * sizeof *native->buffers);
    free(native->users);
    free(native);
}

int native_create(struct native **out, struct ring *ring, struct wheel *wheel, int listener,
                  const struct native_settings *settings, const struct rights *rights,
                  const struct native_owner *owner)
{
    struct native *native = calloc(1, sizeof *native);
    int error;

    if (!native)
        return -ENOMEM;
    native->ring = ring;
    native->wheel = wheel;
    native->listener = listener;
    native->settings = *settings;
    native->rights = rights;
    native->owner = *owner;
    native->ready_end = &native->ready;
    native->now_ms = clock_boot_ms();
    native->accept_again.token.operation = OPERATION_ACCEPT_AGAIN;
    error = memory_take(native);
    if (error) {
        memory_give(native);
        return error;
    }
    accept_begin(native);
    *out = native;
    return 0;
}

void native_stop(struct native *native)
{
    native->stopping = true;
    wheel_disarm(native->wheel, &native->accept_again);
    if (native->accepting)
        ring_cancel(native->ring, (struct ring_token){.operation = OPERATION_ACCEPT});
    for (uint32_t slot = 0; slot < native->settings.connections; slot++) {
        struct native_client *client = pool_at(native->clients, slot);

        if (client)
            client_close(native, client);
    }
}

uint32_t native_running(const struct native *native)
{
    return pool_used(native->clients) + native->accepting;
}

void native_destroy(struct native *native)
{
    if (!native)
        return;
    CHECK(native_running(native) == 0);
    memory_give(native);
}

const struct native_counts *native_counts(const struct native *native)
{
    return &native->counts;
}
