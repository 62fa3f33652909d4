/*
 * mailbox.c - messages between threads: one queue for each ordered pair, none of them ever waited
 * for.
 *
 * Called by every thread of the daemon, each on its own mailbox. A queue's `tail` is written by its
 * sender only, its `head` by its receiver only; both count messages since the start and never wrap.
 * What does not fit parks on the sender's list for that peer.
 *
 * Two things may be asleep and must be told: a receiver that has messages, and a sender that has
 * parked ones and now has credit. Both are the same protocol (Dekker's), one store and one load on
 * each side, all four sequentially consistent, so that at least one side sees the other:
 *
 *     who brings news                     who goes to sleep (mailbox_may_sleep)
 *     store tail (or head)                store sleeping = 1
 *     load sleeping; if 1: wake           load tail (or head) of every queue; if news: stay awake
 *
 * Sequentially consistent operations stand here instead of a plain store and a fence, because
 * ThreadSanitizer does not model fences; on x86 the store becomes one xchg, which costs the same.
 * Who exchanges `sleeping` from 1 to 0 is the one that wakes, so one sleep costs one wake-up.
 *
 * Failure: only exchange_create can fail (memory). Weakness: mailbox_receive looks at every sender
 * in turn, so an empty look costs one cache hit a thread.
 */
#include "engine/loop/mailbox.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CACHE_LINE 64 /* bytes */

struct queue {
    alignas(CACHE_LINE) _Atomic uint64_t tail; /* sent so far; written by the sender */
    alignas(CACHE_LINE) _Atomic uint64_t head; /* taken so far; written by the receiver */
    _Atomic bool owed; /* the sender has parked messages; written by the sender */
    alignas(CACHE_LINE) struct message *slots[]; /* exchange.slots of them */
};

/* What a sender knows of one peer. */
struct outgoing {
    uint64_t tail, head_seen; /* head_seen may be behind the truth, never ahead */
    struct message *first_parked, **last_parked;
};

/* What a receiver knows of one peer. */
struct incoming {
    uint64_t head, tail_seen;
};

struct mailbox {
    alignas(CACHE_LINE) _Atomic bool sleeping; /* stored by the owner, taken by who wakes it */
    alignas(CACHE_LINE) struct exchange *exchange;
    mailbox_wake *wake;
    void *context;
    uint32_t parked; /* over all peers */
    uint16_t me;
    uint16_t turn; /* the sender to look at next */
    struct outgoing out[LIMIT_THREADS];
    struct incoming in[LIMIT_THREADS];
};

struct exchange {
    uint16_t threads;
    uint32_t capacity; /* messages a queue may hold */
    uint32_t slots;    /* places it has: the next power of two */
    size_t queue_bytes, mapped_bytes;
    uint8_t *queues; /* threads x threads, the sender's row first; touched when first used */
    struct mailbox *mailboxes;
};

static struct queue *queue_at(const struct exchange *exchange, uint16_t from, uint16_t to)
{
    size_t index = (size_t)from * exchange->threads + to;

    return (struct queue *)(void *)(exchange->queues + index * exchange->queue_bytes);
}

int exchange_create(struct exchange **out, uint16_t threads, uint32_t capacity)
{
    CHECK(threads > 0 && threads <= LIMIT_THREADS && capacity > 0 && capacity <= 1u << 20);
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return -ENOMEM;
    uint32_t slots = 1;
    while (slots < capacity)
        slots *= 2;
    size_t queue_bytes = sizeof(struct queue) + slots * sizeof(struct message *);
    queue_bytes = (queue_bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    *exchange = (struct exchange){.threads = threads,
                                  .capacity = capacity,
                                  .slots = slots,
                                  .queue_bytes = queue_bytes,
                                  .mapped_bytes = queue_bytes * threads * threads};
    exchange->mailboxes = aligned_alloc(CACHE_LINE, threads * sizeof(struct mailbox));
    void *queues = mmap(NULL, exchange->mapped_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (queues == MAP_FAILED || exchange->mailboxes == NULL) {
        if (queues != MAP_FAILED)
            munmap(queues, exchange->mapped_bytes);
        free(exchange->mailboxes);
        free(exchange);
        return -ENOMEM;
    }
    exchange->queues = queues; /* zero: every head and tail at the start */
    for (uint16_t i = 0; i < threads; i++) {
        exchange->mailboxes[i] = (struct mailbox){.exchange = exchange, .me = i};
        for (uint16_t j = 0; j < threads; j++)
            exchange->mailboxes[i].out[j].last_parked = &exchange->mailboxes[i].out[j].first_parked;
    }
    *out = exchange;
    return 0;
}

void exchange_destroy(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    munmap(exchange->queues, exchange->mapped_bytes);
    free(exchange->mailboxes);
    free(exchange);
}

struct mailbox *mailbox_open(struct exchange *exchange, uint16_t me, mailbox_wake *wake,
                             void *context)
{
    CHECK(me < exchange->threads);
    struct mailbox *mine = &exchange->mailboxes[me];
    mine->wake = wake;
    mine->context = context;
    return mine;
}

/* After news for `to` were stored. Partner: the store of `sleeping` in mailbox_may_sleep. */
static void wake_if_asleep(struct mailbox *mine, uint16_t to)
{
    _Atomic bool *sleeping = &mine->exchange->mailboxes[to].sleeping;

    /* The load is the protocol's; the exchange after it only elects one of several wakers. */
    if (atomic_load_explicit(sleeping, memory_order_seq_cst) &&
        atomic_exchange_explicit(sleeping, false, memory_order_seq_cst))
        mine->wake(mine->context, to);
}

/* False: no credit. */
static bool put(struct mailbox *mine, uint16_t to, struct message *message)
{
    struct exchange *exchange = mine->exchange;
    struct queue *queue = queue_at(exchange, mine->me, to);
    struct outgoing *out = &mine->out[to];

    if (out->tail - out->head_seen == exchange->capacity) {
        /* Acquire side of the store of `head` in mailbox_receive: the slot has been read. */
        out->head_seen = atomic_load_explicit(&queue->head, memory_order_seq_cst);
        if (out->tail - out->head_seen == exchange->capacity)
            return false;
    }
    queue->slots[out->tail & (exchange->slots - 1)] = message;
    out->tail++;
    /* Releases the slot and the message to the load of `tail` in mailbox_receive; and the
     * protocol's store before wake_if_asleep. */
    atomic_store_explicit(&queue->tail, out->tail, memory_order_seq_cst);
    wake_if_asleep(mine, to);
    return true;
}

/* Sends what is parked for one peer, in order, as far as there is credit. */
static void flush_peer(struct mailbox *mine, uint16_t to)
{
    struct outgoing *out = &mine->out[to];

    while (out->first_parked != NULL) {
        struct message *message = out->first_parked;
        struct message *next = message->next; /* after put the message is the receiver's */
        if (!put(mine, to, message))
            return;
        out->first_parked = next;
        mine->parked--;
    }
    out->last_parked = &out->first_parked;
    atomic_store_explicit(&queue_at(mine->exchange, mine->me, to)->owed, false,
                          memory_order_relaxed); /* too long true costs a needless look only */
}

uint16_t mailbox_me(const struct mailbox *mine)
{
    return mine->me;
}

void mailbox_send(struct mailbox *mine, uint16_t to, struct message *message)
{
    CHECK(to < mine->exchange->threads);
    struct outgoing *out = &mine->out[to];

    message->from = mine->me;
    if (out->first_parked == NULL && put(mine, to, message))
        return;
    message->next = NULL;
    if (out->first_parked == NULL)
        /* Before this thread can sleep; read by the receiver after its store of `head`. */
        atomic_store_explicit(&queue_at(mine->exchange, mine->me, to)->owed, true,
                              memory_order_seq_cst);
    *out->last_parked = message;
    out->last_parked = &message->next;
    mine->parked++;
}

uint32_t mailbox_flush(struct mailbox *mine)
{
    for (uint16_t to = 0; mine->parked > 0 && to < mine->exchange->threads; to++)
        if (mine->out[to].first_parked != NULL)
            flush_peer(mine, to);
    return mine->parked;
}

static struct message *receive_from(struct mailbox *mine, uint16_t from)
{
    struct queue *queue = queue_at(mine->exchange, from, mine->me);
    struct incoming *in = &mine->in[from];

    if (in->head == in->tail_seen) {
        /* Acquires what put() released. */
        in->tail_seen = atomic_load_explicit(&queue->tail, memory_order_acquire);
        if (in->head == in->tail_seen)
            return NULL;
    }
    struct message *message = queue->slots[in->head & (mine->exchange->slots - 1)];
    in->head++;
    /* Gives the slot back to put(), and the protocol's store for a sender that sleeps on parked
     * messages. `owed` is stored by it before `sleeping`, so who sees it asleep sees that too; and
     * if it is not seen, the sender has yet to look at `head`, and finds the credit. */
    atomic_store_explicit(&queue->head, in->head, memory_order_seq_cst);
    if (atomic_load_explicit(&queue->owed, memory_order_seq_cst))
        wake_if_asleep(mine, from);
    return message;
}

struct message *mailbox_receive(struct mailbox *mine)
{
    uint16_t threads = mine->exchange->threads;

    for (uint16_t looked = 0; looked < threads; looked++) {
        uint16_t from = mine->turn;
        mine->turn = (uint16_t)(from + 1 == threads ? 0 : from + 1);
        struct message *message = receive_from(mine, from);
        if (message != NULL)
            return message;
    }
    return NULL;
}

/* Something to take, or credit for something parked. The loads are the protocol's. */
static bool news(struct mailbox *mine)
{
    struct exchange *exchange = mine->exchange;

    for (uint16_t peer = 0; peer < exchange->threads; peer++) {
        struct queue *from = queue_at(exchange, peer, mine->me);
        struct queue *to = queue_at(exchange, mine->me, peer);
        if (atomic_load_explicit(&from->tail, memory_order_seq_cst) != mine->in[peer].head)
            return true;
        if (mine->out[peer].first_parked != NULL &&
            mine->out[peer].tail - atomic_load_explicit(&to->head, memory_order_seq_cst) <
                exchange->capacity)
            return true;
    }
    return false;
}

bool mailbox_may_sleep(struct mailbox *mine)
{
    /* Partner: the load in wake_if_asleep. */
    atomic_store_explicit(&mine->sleeping, true, memory_order_seq_cst);
    if (!news(mine))
        return true;
    mailbox_awake(mine);
    return false;
}

void mailbox_awake(struct mailbox *mine)
{
    /* Only saves others a wake-up; a wake-up that comes late is a turn of the loop for nothing. */
    atomic_store_explicit(&mine->sleeping, false, memory_order_relaxed);
}
