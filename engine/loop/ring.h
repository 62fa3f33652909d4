/*
 * ring.h - the io_uring of one thread.
 *
 * One owner thread creates, turns and destroys a ring (SINGLE_ISSUER | DEFER_TASKRUN); ring_wake is
 * the only function that names another thread's ring. An operation is named by a token (operation,
 * slot, generation), never by a pointer: whoever gets the completion compares the generation and so
 * drops what belongs to an earlier owner of the slot. Every submitted operation yields exactly one
 * completion (multishot ones: many, the last without RING_MORE), also after ring_cancel, and the
 * memory it names must live until then.
 *
 * Files are either plain descriptors or registered (direct) ones; a ring_file carries which. Probe
 * sockets are direct. All submitting functions return 0, or -EAGAIN when the submission queue is
 * full even after handing it to the kernel, or -ENFILE when no direct slot is free (a temporary
 * verdict, ours).
 */
#ifndef MXWARD_LOOP_RING_H
#define MXWARD_LOOP_RING_H

#include "engine/base/counter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct ring;

typedef int32_t ring_file; /* -1: none; RING_FILE_DIRECT set: index of a registered file */
#define RING_FILE_NONE   (-1)
#define RING_FILE_DIRECT (1 << 30)

/* operation: 8 bits, meaning by the ring's owner (a table of names); slot: 24 bits; generation: 32.
 */
struct ring_token {
    uint8_t operation;
    uint32_t slot;
    uint32_t generation;
};
#define RING_SLOT_MAX      ((1u << 24) - 1)
#define RING_OPERATION_OWN 255 /* the ring's own; never a caller's */
#define RING_BATCH         256 /* completions handed over in one turn */

enum {
    RING_MORE = 1, /* a multishot operation goes on: further completions carry the same token */
};

struct ring_completion {
    struct ring_token token;
    int32_t result;      /* as the system call's, or a negative errno */
    uint32_t flags;      /* RING_MORE */
    const uint8_t *data; /* receives: `result` bytes, valid until the handler returns */
};

/* Called for each completion, in order; may submit, must not turn the ring. */
typedef void ring_handler(void *context, const struct ring_completion *completion);

struct ring_limits {
    uint32_t submissions;     /* entries of the submission queue; power of two */
    uint32_t files;           /* direct descriptors; 0: ring_open makes plain ones */
    uint32_t receive_buffers; /* provided buffers; power of two */
    uint32_t receive_bytes;   /* size of each */
    bool plain_files;         /* never direct ones (for tests; kernels before 6.13 do the same) */
};

/* Written by the ring's thread, read by any. */
struct ring_counts {
    counter turns, completions;
    counter woken;      /* wake-ups received */
    counter queue_full; /* the submission queue had to be handed over in between */
    counter overflows;  /* turns that found more completions than the queue holds */
    counter no_buffers; /* receives ended by -ENOBUFS */
    counter refused;    /* the kernel could not take a submission or a wake-up; tried again */
};

/* 0, or -errno. ring_why_unavailable() turns that into sentence and remedy for the operator. */
int ring_create(struct ring **ring, const struct ring_limits *limits);
void ring_destroy(struct ring *ring);
const char *ring_why_unavailable(int error);
int ring_descriptor(const struct ring *ring); /* for ring_wake by others */

/*
 * Submits what is queued, sleeps until a completion or `until_ms` (boot time; 0: do not sleep;
 * UINT64_MAX: no limit), and hands over every completion that is there (at most RING_BATCH at
 * once). Returns how many were handed over (0: time is up or a wake-up), or -errno. Less
 * than RING_BATCH means that nothing more was there.
 */
int ring_turn(struct ring *ring, uint64_t until_ms, ring_handler *handler, void *context);

/* The completion's result is the new direct ring_file (flag included). Type is SOCK_STREAM. */
int ring_open(struct ring *ring, struct ring_token token, int family);
/* `source` may be NULL; binds before connecting by plain system calls on a plain descriptor, then
 * registers it. Returns the ring_file at once, or -errno. */
ring_file ring_open_bound(struct ring *ring, int family, const struct sockaddr *source,
                          socklen_t size);
/* `address` must live until the completion. */
int ring_connect(struct ring *ring, struct ring_token token, ring_file file,
                 const struct sockaddr *address, socklen_t size);
/* One receive into a provided buffer. result 0: end of stream. -ENOBUFS: no buffer was free, ask
 * again. */
int ring_receive(struct ring *ring, struct ring_token token, ring_file file);
int ring_receive_multishot(struct ring *ring, struct ring_token token, ring_file file);
/* `bytes` must live until the completion; short sends are possible and the caller goes on. */
int ring_send(struct ring *ring, struct ring_token token, ring_file file, const void *bytes,
              size_t size);
/* Accepts plain descriptors (their peer credentials are wanted). result: descriptor. */
int ring_accept_multishot(struct ring *ring, struct ring_token token, ring_file listener);
/* Once, when one of the poll(2) `events` (or an error) is there; result: the events. For libraries
 * that read and write themselves; the descriptor may be closed by them meanwhile. */
int ring_poll(struct ring *ring, struct ring_token token, ring_file file, short events);
/* Asks that every operation with this token ends early. Its own completion is not reported. */
int ring_cancel(struct ring *ring, struct ring_token token);
/* Closes; no completion is reported. Nothing may be in flight on the file. */
void ring_close(struct ring *ring, ring_file file);

/* Makes the ring_turn of the ring with this descriptor return. Called by another ring's owner. */
int ring_wake(struct ring *mine, int other_descriptor);

/* How many operations are submitted and not completed. */
uint32_t ring_in_flight(const struct ring *ring);
const struct ring_counts *ring_counts(const struct ring *ring);
bool ring_uses_direct_files(const struct ring *ring);

#endif
