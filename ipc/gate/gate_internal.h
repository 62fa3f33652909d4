/*
 * gate_internal.h - what the gate's files share. All in the gate's thread.
 *
 *   stream ─► gate.c: which protocol? ─► maps.c, delegate.c, lines.c: what is asked?
 *          ─► asking.c: the one way to an answer ─► render of the protocol ─► stream, in order
 */
#ifndef MXWARD_GATE_GATE_INTERNAL_H
#define MXWARD_GATE_GATE_INTERNAL_H

#include "engine/loop/pool.h"
#include "ipc/client/local.h"
#include "ipc/gate/deliveries.h"
#include "ipc/gate/gate.h"
#include "ipc/gate/limits.h"
#include "ipc/gate/link.h"
#include "ipc/decide/recent.h"
#include "ipc/gate/stream.h"
#include "ipc/wire/protocol.h"
#include "shm/account.h"

#include <semaphore.h>
#include <stdatomic.h>

/* What became of a question. */
struct outcome {
    const struct mxw_decision *decision; /* NULL: there is none */
    bool invalid;                        /* not a name or profile: final; else our trouble */
    bool trouble;    /* ours: what the tables know is less than was asked for, and nobody who
                      * could tell more did */
    const char *why; /* of trouble, or without a decision: a sentence */
};

struct ask;
/* Writes the whole answer; returns its bytes (at most GATE_ANSWER). */
typedef size_t ask_render(struct gate *gate, struct ask *ask, const struct outcome *outcome,
                          char *out, size_t size);

/* Who asks what, and how he wants to be told. */
struct ask {
    struct frame_decide asked;
    ask_render *render;
    bool at_once;        /* from the tables, whatever they know; the daemon only looks meanwhile */
    bool is_policy;      /* of a map: may only become stricter, and may be kept */
    bool guaranteed;     /* the map of a profile */
    bool passes_trouble; /* mail is let in where nobody can tell */
    uint8_t strictness;  /* of policies: of what was rendered, for who keeps it */
    pid_t process;
    uint64_t arrived_ms; /* boot clock: from when on a look is fresh for who asked */
    uint16_t key_size;   /* of policies: map and key, as they came */
    char key[RECENT_KEY_MAX];
};

/* One that waits: for the daemon, or for those before it on its connection. */
struct question {
    struct question *next;    /* on the same connection */
    struct question *next_id; /* of those that were sent: in the same place of `by_id` */
    struct stream *stream;    /* NULL: it has gone */
    struct ask ask;
    struct wheel_timer timer;
    uint64_t arrived_ms, id; /* id: libmxward's */
    bool sent, answered;
    uint32_t reply_size;
    char reply[GATE_ANSWER];
};

struct client {
    bool known; /* which protocol it speaks */
    enum protocol protocol;
    struct question *first, *last; /* in order of arrival */
};

/* A profile's record, for answers that were made by it. */
struct watched {
    char profile[PROFILE_NAME_MAX];
    struct table_place place;
    bool there;
    uint32_t moved;   /* the gate's, when the place was found */
    uint32_t changes; /* of all that are watched, when it was */
};

struct gate_counts {
    counter asked, kept, from_table, from_daemon, late, trouble, steadied, refused;
    counter filters_final, filters_left;
};

#define IDS 2048 /* places for those that were sent, by libmxward's id; a power of two */

struct gate {
    const struct gate_options *options;
    /* Options to be taken; NULL: none. Released by gate_reload, acquired by a turn, which then
     * posts `taken`. */
    _Atomic(const struct gate_options *) fresh;
    sem_t taken;
    struct ring *ring;
    struct wheel *wheel;
    struct streams *streams;
    struct link *link;
    struct local *local;
    struct recent *recent;
    struct deliveries *deliveries;
    struct pool *questions;
    struct question *by_id[IDS];
    struct wheel_timer refresh;
    uint32_t moved; /* tables were looked for: places are void */
    struct watched watched[GATE_PROFILES];
    uint32_t watched_next, watched_changes;
    uint32_t full_turns;
    uint64_t now_ms;
    int64_t now_s;
    uint32_t sample; /* socketmap requests since one was logged */
    _Atomic uint64_t heartbeat_ms;
    _Atomic bool stop;
    int wake; /* eventfd */
    struct gate_counts counts;
};

/* Operations of the ring's tokens and timers that belong to the gate itself. */
enum { GATE_OPERATION_DEADLINE = 16, GATE_OPERATION_REFRESH, GATE_OPERATION_WAKE };

/* --- asking.c --- */
void asking_answer(struct gate *gate, struct stream *stream, const struct ask *ask);
/* Without asking anybody. In order with those that wait. */
void asking_say(struct gate *gate, struct stream *stream, const char *bytes, size_t size);
void asking_room(struct gate *gate, struct stream *stream);
/* The users' table of now; NULL: there is none. */
const struct table_reader *asking_users(struct gate *gate);
/* Changes when tables were looked for, or the record of the profile is another: what was made by it
 * is then void. `profile` "": nobody demands anything. */
uint32_t asking_moved(struct gate *gate, const char *profile);
void asking_gone(struct gate *gate, struct stream *stream);
void asking_due(struct gate *gate, struct wheel_timer *timer);
extern const struct link_owner asking_link_owner; /* context to be filled in */

/* --- maps.c, delegate.c, lines.c: one request --- */
struct stream_taken maps_take(struct gate *gate, struct stream *stream, const char *bytes,
                              size_t size);
struct stream_taken delegate_take(struct gate *gate, struct stream *stream, const char *bytes,
                                  size_t size);
struct stream_taken lines_take(struct gate *gate, struct stream *stream, const char *bytes,
                               size_t size, bool ended);

/* What a mail server would enforce with Postfix's text is never less than encryption. */
bool gate_is_mandatory(const char *policy);
/* The transport of a profile, as Postfix's maps want it. */
void gate_transport(const struct gate *gate, const char *profile, char *out, size_t size);

#endif
