/*
 * mailbox.h - messages between the daemon's threads, without a lock and without waiting.
 *
 * An exchange connects N threads, each to each, by single-producer single-consumer queues of
 * a fixed number of pointers. A message is embedded in the job that sends it and belongs to the
 * receiver from mailbox_send until it is sent back; there is no allocation. A send never waits:
 * when the queue is full the message parks on the sender's own list for that peer and goes out, in
 * order, when the peer has taken some (credit); mailbox_flush is called once a turn. So no two
 * threads can block each other, with any capacity >= 1.
 *
 * Sleeping: a thread calls mailbox_may_sleep right before it would block; that stores `sleeping`,
 * executes a full fence and looks again. A sender publishes, executes a full fence, loads
 * `sleeping` and, if set, calls the wake function (ring_wake on its own ring). The receiver calls
 * mailbox_awake after it woke.
 */
#ifndef MXWARD_LOOP_MAILBOX_H
#define MXWARD_LOOP_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct message {
    struct message *next; /* the mailbox's, while it is parked */
    uint16_t kind;        /* enum message_kind of the engine */
    uint16_t from;        /* thread that sent it; set by mailbox_send: the address of a reply */
};

struct exchange;
struct mailbox; /* one thread's end of the exchange */

/* Wakes thread `to`; called in the sender's thread. `context` is the sender's (mailbox_open). */
typedef void mailbox_wake(void *context, uint16_t to);

int exchange_create(struct exchange **exchange, uint16_t threads, uint32_t capacity);
void exchange_destroy(struct exchange *exchange);

struct mailbox *mailbox_open(struct exchange *exchange, uint16_t me, mailbox_wake *wake,
                             void *context);
uint16_t mailbox_me(const struct mailbox *mine); /* the thread whose end it is */
void mailbox_send(struct mailbox *mine, uint16_t to, struct message *message);
/* The next message for me, from each sender in turn, or NULL. */
struct message *mailbox_receive(struct mailbox *mine);
/* Sends what is parked, as far as there is credit. Returns how many are still parked. */
uint32_t mailbox_flush(struct mailbox *mine);
bool mailbox_may_sleep(struct mailbox *mine); /* false: something is there, go on */
void mailbox_awake(struct mailbox *mine);

#endif
