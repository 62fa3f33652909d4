/*
 * keeper.h - the thread that keeps what must last: it applies observations and orders to the store
 * in batches, publishes what became durable, and only then acknowledges.
 *
 *   shards ── notes, questions ──►┐                       ┌──► users' table (its own to write)
 *                                 │ keeper ─► store (LMDB)│
 *   front ── orders, reports ────►┘   one batch at a time └──► floors, published by the shards
 *
 * A batch is at most LIMIT_KEEPER_BATCH changes or LIMIT_KEEPER_BATCH_MS. Order: commit, publish,
 * acknowledge. Raising what is remembered need not wait for the disk (a raise that was lost is
 * learned again, and taken over from the table at the next start); lowering and switching do.
 * When the disk fails, nothing is acknowledged, the alarm is raised, and what is known goes on
 * being used from the tables.
 *
 * Messages are embedded in who sends them and always come home.
 */
#ifndef MXWARD_KEEPER_H
#define MXWARD_KEEPER_H

#include "engine/base/counter.h"
#include "engine/engine.h"
#include "engine/memory/order.h"
#include "engine/memory/remember.h"
#include "engine/probe/request.h"
#include "engine/publish.h"

/* Shard → keeper: what a round of looking taught. MESSAGE_NOTE_ASK, home as MESSAGE_NOTE_DONE. */
struct memory_note {
    struct message message;
    struct ring_token token; /* the asker's */
    struct next_hop next_hop;
    struct remembered taught;
};

/* Shard → keeper: floors that the table does not hold. Home with `floors` filled. */
struct floors_question {
    struct message message;
    struct ring_token token;
    uint8_t count; /* the domain first, then its hosts */
    struct next_hop next_hops[1 + LIMIT_MX_HOSTS];
    struct floor floors[1 + LIMIT_MX_HOSTS];
};

/* Keeper → shard: the floor of a domain or host of the shard's partitions, to be published. */
struct floor_publish {
    struct message message;
    struct next_hop next_hop;
    struct floor floor;
    /* The keeper's: */
    uint32_t rulings;            /* what becomes of publisher_epoch with it */
    bool durable_first;          /* a lowering: not published when its batch failed */
    struct order_request *order; /* who is told when it is visible */
    struct floor_publish *next;  /* of the batch, until it ends */
};

/* Front → keeper. MESSAGE_ORDER_ASK, home as MESSAGE_ORDER_DONE. */
struct order_request {
    struct message message;
    struct ring_token token;
    struct order order;
    const struct order_rows *rows; /* called in the keeper's thread */
    struct order_done done;
    /* The keeper's: */
    struct order_request *next;
    bool again; /* taken for the second time */
};

/* Front → keeper: something was stopped or held, or would have been. */
struct report_note {
    struct message message;
    struct ring_token token;
    struct store_report report;
};

struct keeper_counts { /* written by the keeper, read by anyone */
    counter notes, questions, orders, reports;
    counter raised, contradicted, met_again, lowered, waiting, expired;
    counter refused; /* not learned: the registrable domain has its fill */
    counter evicted; /* made room for others (MEM-07) */
    counter dropped; /* notes that found no room or no store: seen again at the next look */
    counter batches, changes, failed; /* failed: batches that the store did not take */
    counter broken;                   /* values that failed their checksum */
    counter copies, copy_failures;
    counter pending; /* now in the review queue */
    counter unsaved; /* now: raised floors that the table has, and the store has not taken yet */
    counter heartbeat_ms;
    struct histogram commit_us;
};

struct keeper;

/* Main thread, before any shard runs: opens the store and the users' table, and loads both tables.
 */
int keeper_open(struct keeper **keeper, const struct configuration *configuration,
                struct publisher *publisher, char *why, size_t why_size);
/* Starts the thread, which is `me` in the exchange. */
int keeper_start(struct keeper *keeper, struct exchange *exchange, const struct owners *owners,
                 const int *ring_descriptors, char *why, size_t why_size);
int keeper_descriptor(const struct keeper *keeper);
/* As shard_reload: 0: taken, the old settings may be freed. */
int keeper_reload(struct keeper *keeper, const struct configuration *configuration);
/* Any thread, after the shards have started: whether signed answers validate now, with the clock as
 * it is (DNS-08). Only then anything is forgotten for age. False until said. */
void keeper_vouch(struct keeper *keeper, bool clock_is_right);
/* Everything that was sent is home. Commits what is open, ends the thread. */
void keeper_stop(struct keeper *keeper);
void keeper_close(struct keeper *keeper);

const struct keeper_counts *keeper_counts(const struct keeper *keeper);
const struct table_writer *keeper_users(const struct keeper *keeper);

#endif
