/*
 * native.h - the connections of the native socket: bytes in, frames to their owner, answers out.
 *
 * Front thread only. Native knows frames and bounds, not what they mean: for each whole frame it
 * calls its owner, who answers at once (native_put) or later (native_answer). Everything a client
 * can do ends here: malformed frames get an error frame, lost framing and slow readers lose the
 * connection, and a client that vanishes takes its waiting answers with it.
 *
 * Backpressure instead of queues: a connection is not read while it has `requests` outstanding, or
 * while there is no room for one more answer. Answers that came wait in their requests' slots until
 * there is room, so a connection's memory is fixed. Connections with work take turns, by
 * LIMIT_CLIENT_BATCH frames.
 */
#ifndef MXWARD_SERVE_NATIVE_H
#define MXWARD_SERVE_NATIVE_H

#include "engine/base/counter.h"
#include "engine/loop/ring.h"
#include "engine/loop/wheel.h"
#include "ipc/serve/rights.h"
#include "ipc/wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct native;
struct native_client;
struct native_user; /* everything of one uid; lives while it has connections or requests */

/* Embedded in whatever the owner answers with; native's while it waits to be written. */
struct native_answer {
    struct native_answer *next;
};

enum native_taken {
    NATIVE_ANSWERED, /* by native_put, or not at all: nothing more will come */
    NATIVE_WAITS,    /* one native_answer follows (or was already given), unless the client goes */
    NATIVE_GOES_ON,  /* not done: the same frame comes again, when there is room and others had
                        their turn */
};

/* The owner's side. `context` is passed to each. */
struct native_owner {
    void *context;
    /* `arrived_ms`: of the turn in which the frame's last bytes came, not before they were reaped.
     * There is room for one answer. */
    enum native_taken (*request)(void *context, struct native_client *client,
                                 const struct frame *frame, uint64_t arrived_ms);
    /* The frames that `request` gets next, in this order, as far as there is room for answers and
     * it is done with each: to make them ready together. They stay where they are until then. May
     * be NULL; at most LIMIT_CLIENT_BATCH. */
    void (*ahead)(void *context, struct native_client *client, const struct frame *frames,
                  unsigned count);
    /* Of those, which come next: answers the first ones that it can at once, one behind the other,
     * and says how many. `request` gets what comes then. There is room as for `request`. May be
     * NULL. */
    unsigned (*at_once)(void *context, struct native_client *client, const struct frame *frames,
                        unsigned count);
    /* Puts as much of the answer as there is room for. True: that was all, it is the owner's. */
    bool (*write)(void *context, struct native_client *client, struct native_answer *answer);
    /* The client has gone: the answer is the owner's again. */
    void (*drop)(void *context, struct native_answer *answer);
};

struct native_settings {
    uint32_t connections, connections_per_user, requests; /* bounded by limits.h */
    uint64_t idle_ms, frame_ms, stall_ms;
};

struct native_counts {   /* written by the front, read by anyone */
    counter connections; /* now */
    counter accepted, refused_full, refused_user, refused_rights, malformed, lost, cut_off, idle;
    counter frames_in, bytes_in, bytes_out;
};

#define NATIVE_ANSWER_ROOM 4096 /* bytes: every answer but a document */

/* Operations of the front's ring tokens and timers that belong to native. */
#define NATIVE_OPERATION_FIRST 1
#define NATIVE_OPERATION_LAST  7

int native_create(struct native **native, struct ring *ring, struct wheel *wheel, int listener,
                  const struct native_settings *settings, const struct rights *rights,
                  const struct native_owner *owner);
/* After native_stop, when native_running is 0. */
void native_destroy(struct native *native);
/* No new clients; closes all. Turn the ring until native_running is 0. */
void native_stop(struct native *native);
uint32_t native_running(const struct native *native); /* connections and operations in flight */
void native_set_rights(struct native *native, const struct rights *rights);

void native_completed(struct native *native, const struct ring_completion *completion);
void native_due(struct native *native, struct wheel_timer *timer);
/* The loop stood still for so long: no client's time ran meanwhile. */
void native_was_late(struct native *native, uint64_t gap_ms);
/* Once a turn, after the ring was turned: the boot clock, for all that is done until the next. */
void native_set_now(struct native *native, uint64_t now_ms);
/* One round over the connections that have frames to take: LIMIT_CLIENT_BATCH of each, and what is
 * answered to one goes out together. True: some still have. */
bool native_turn(struct native *native);

/* A client by what native_client_token gave; NULL: it has gone. */
struct ring_token native_client_token(struct native *native, const struct native_client *client);
struct native_client *native_client_find(struct native *native, struct ring_token token);
const struct peer *native_client_peer(const struct native_client *client);

/* For frames that are answered in parts. How far it has come, the owner's; 0 with each new frame.
 */
uint32_t *native_client_progress(struct native_client *client);
/* So many more, or less, native_answers will follow. */
void native_expects(struct native_client *client, int32_t answers);
/* There is room for one more answer, and for one more to wait. */
bool native_has_room(const struct native *native, const struct native_client *client);

/* Requests are counted by user as well, because they may outlive their connection. */
struct native_user *native_client_user(const struct native_client *client);
uint32_t native_user_requests(const struct native_user *user);
void native_user_count(struct native_user *user, int32_t requests);

/* Room in the output; at least NATIVE_ANSWER_ROOM when `request` is called. */
size_t native_room(const struct native_client *client);
void native_put(struct native *native, struct native_client *client, const void *bytes,
                size_t size); /* size <= native_room */
/* The same for who writes answers where they are to be: `*bytes` in one piece, NATIVE_ANSWER_ROOM
 * or more if there is room for so many, until the next call of native; then, how many. */
void *native_space(struct native *native, struct native_client *client, size_t *bytes);
void native_wrote(struct native *native, struct native_client *client, size_t size);
/* For a request that waits. Written in the client's next turn (native_turn), with all others that
 * are there by then, or when there is room. */
void native_answer(struct native *native, struct native_client *client,
                   struct native_answer *answer);
/* Calls `write` again for every client whose answers wait for the owner, not for room. */
void native_write_again(struct native *native);
const struct native_counts *native_counts(const struct native *native);

#endif
