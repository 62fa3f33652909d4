/*
 * front.h - the front thread: questions of clients to the shards, and the answers back.
 *
 * Everything but front_run, front_stop and front_set_terms happens in the front's thread, which
 * owns the ring, the native socket's connections and the questions. It never waits for anything but
 * its ring, so a client is answered while TLS and DNS take their time elsewhere.
 *
 * A question is a slot of a fixed pool. It is at the engine until the message comes home, always,
 * exactly once; the slot is given back when it is home and its answer is written or its client has
 * gone. Overload is answered at once: scans first, then all, with "busy"; and a question that is
 * still out when its deadline has passed is answered "late" by the front itself.
 */
#ifndef MXWARD_SERVE_FRONT_H
#define MXWARD_SERVE_FRONT_H

#include "engine/engine.h"
#include "engine/names/places.h"
#include "ipc/serve/native.h"
#include "ipc/serve/work.h"

struct front;

struct front_counts { /* written by the front, read by anyone */
    counter questions, explains, statuses, reloads, configs, decisions, orders, deliveries;
    counter sent, deferred, stopped; /* decisions, as they would be without observe mode */
    counter kept; /* of those from the table: given again as they were (kept.c) */
    counter from_table, answered, refused_name, refused_rights, shed, late, vanished;
    counter late_turns;
    counter heartbeat_ms; /* boot time of the last turn: never older than a second or so */
    counter outstanding, documents; /* now */
    struct histogram answer_us;     /* from taking a request to writing its answer */
};

struct front_settings {
    struct native_settings native;
    uint32_t requests;          /* slots of the pool */
    uint32_t requests_per_user; /* outstanding */
};

/* What an operator may change while it serves. */
struct front_terms {
    struct rights *rights;
    struct places *trusted; /* hops of our own that hand mail on inside */
};
void front_terms_free(struct front_terms *terms); /* NULL is fine */

/* Memory and nothing else. `terms` become the front's. */
int front_create(struct front **front, struct engine *engine, const struct front_settings *settings,
                 int listener, struct front_terms *terms, struct work *work);
/* What still is at the engine keeps the memory alive: then it is left to the process's end. */
void front_destroy(struct front *front);
/* The thread. It creates its ring, tells by front_started, and returns after front_stop. */
void *front_run(void *front);
/* Waits until the thread serves (0) or could not (negative errno and a sentence). Main thread. */
int front_started(struct front *front, char *why, size_t why_size);
void front_stop(struct front *front);                                 /* main thread */
const struct front_counts *front_counts(const struct front *front);   /* any thread */
void front_set_terms(struct front *front, struct front_terms *terms); /* main thread */

#endif
