/*
 * front_internal.h - what the front's files share: front.c (requests, homecoming, the loop),
 * questions.c (a question's life and its answer), checks.c (next hops), decisions.c (messages),
 * kept.c (answers given again), keys.c, orders.c, deliveries.c. Inside ipc/serve/ only; everything
 * here is the front thread's.
 */
#ifndef MXWARD_SERVE_FRONT_INTERNAL_H
#define MXWARD_SERVE_FRONT_INTERNAL_H

#include "engine/base/limits.h"
#include "engine/keeper.h"
#include "engine/loop/pool.h"
#include "ipc/decide/known.h"
#include "ipc/serve/front.h"
#include "ipc/serve/kept_entries.h"
#include "ipc/serve/order_rows.h"
#include "ipc/serve/outcome.h"

#include <assert.h>
#include <semaphore.h>
#include <stddef.h>

enum {
    OPERATION_WORK = NATIVE_OPERATION_LAST + 1, /* a byte from the main thread */
    OPERATION_LATE,                             /* timer: a question's time has passed */
    OPERATION_KEYS,                             /* timer: no longer for a recipient's keys */
};

#define TICK_MS       1000                       /* longest sleep */
#define RETRY_MS      200                        /* what a client turned away should wait */
#define DOCUMENT_ROOM (FRAME_DOCUMENT_PART + 64) /* bytes in the output for one part */

struct question {
    struct domain_request request; /* first: the message is the question */
    struct native_answer answer;
    struct native_user *user;
    struct wheel_timer timer;
    uint64_t taken_us;
    uint8_t kind;           /* enum frame_kind */
    bool home;              /* not at the engine, nor at the main thread */
    bool queued;            /* at its client, to be written */
    bool settled;           /* answered, or nobody wants the answer any more */
    bool administers;       /* an administrator's, and nothing but explain: see limits.h */
    bool good;              /* how the main thread's work went */
    enum frame_error fault; /* what to answer instead; FRAME_ERROR_NONE */
    const char *why;        /* for the fault; constant text */
    const char *text;       /* the document; NULL: not made yet */
    uint32_t size, sent;
    uint8_t document;         /* which buffer; LIMIT_FRONT_DOCUMENTS: none */
    bool told;                /* FRAME_DECIDE: the report and the alarm know of it */
    uint16_t place;           /* FRAME_DECIDE: among many recipients; 0: it is the only one */
    struct decision decision; /* FRAME_DECIDE */
    struct front_keys *keys;  /* FRAME_DECIDE: look-ups that it waits for; a slot of the front's */
    uint64_t known_ms; /* FRAME_DECIDE: as of when what is known counts; 0: the time of the answer.
                          So that waiting for keys changes nothing else */
    bool from_table;   /* FRAME_DECIDE: the engine was not asked */
    struct front_order *order;       /* FRAME_ORDER; a slot of the front's */
    struct front_delivery *delivery; /* FRAME_OBSERVE; a slot of the front's */
    bool looks;                      /* FRAME_OBSERVE: `request` is a look that nobody waits for */
};
static_assert(offsetof(struct question, request) == 0 &&
                  offsetof(struct domain_request, message) == 0,
              "a message is its question");

/* An order on its way to the keeper and back. */
struct front_order {
    struct order_request request; /* first: the message is the order */
    struct question *question;
    struct order_document document;
    bool shows; /* its answer is a document */
};

/* What a mail program delivered, on its way round the shards (engine/probe/request.h). */
struct front_delivery {
    struct delivery_report report; /* first: the message is the delivery */
    struct question *question;
};

/* Look-ups of a recipient's keys, on their way to a resolver and back. They live until the last is
 * home; the question may have stopped waiting long before. */
struct front_keys {
    struct dns_question openpgp, smime;
    uint8_t out; /* look-ups that are not home */
    struct wheel_timer timer;
    struct question *question; /* NULL: nobody waits */
};

/* One that the table may answer, on its way through front.c or decisions.c. */
struct kept_question {
    struct native_client *client;
    const struct frame *frame;
    struct kept_when when; /* see kept.c */
    uint64_t hash;         /* 0: its answer is never kept */
    bool there;            /* `place` is that of its record */
    struct table_place place;
    uint64_t until_ms; /* its answer may be given again; 0: it may not */
};

/* What is known of a frame before its turn. */
struct ahead {
    uint64_t hash;            /* by which its answer is kept; 0: it never is */
    struct kept_entry *entry; /* probably it is there; NULL: it is not */
};

struct front {
    struct engine *engine;
    struct front_settings settings;
    int listener;
    struct work *work;
    struct engine_front peer;
    struct ring *ring;
    struct wheel *wheel;
    struct mailbox *mailbox;
    struct native *native;
    struct pool *questions;
    struct pool *orders;                       /* struct front_order */
    struct pool *deliveries;                   /* struct front_delivery */
    uint32_t delivery_looks;                   /* questions that look */
    struct pool *reports;                      /* struct report_note */
    struct pool *keys;                         /* struct front_keys */
    struct table_reader *table;                /* NULL: every question goes to a shard */
    struct table_reader *users;                /* NULL: what senders demand is not known */
    struct account_kept kept_users;            /* the writer's own mapping: never refreshed */
    struct kept *kept_verdicts, *kept_answers; /* see kept.c */
    struct checkings *checkings;               /* see checks.c */
    struct askings *askings;                   /* see decisions.c */
    const struct frame *frames; /* native's: the next ones, as many as `ahead_count` */
    struct ahead ahead[LIMIT_CLIENT_BATCH];
    unsigned ahead_count;
    unsigned ahead_at;     /* the one whose turn it is */
    unsigned ahead_read;   /* those before it, where no answer is kept, were read */
    struct kept_when when; /* see kept.c; as of when the next frames were made ready */
    struct front_terms *terms;
    char *documents; /* LIMIT_FRONT_DOCUMENTS of FRAME_DOCUMENT_MAX bytes */
    const struct question *document_of[LIMIT_FRONT_DOCUMENTS]; /* who has it; NULL: free */
    bool documents_wanted, documents_freed;
    struct question *at_main; /* whose work the main thread has */
    bool listening_to_work;
    uint64_t turned_ms;        /* end of the last turn of the ring */
    uint64_t now_ms;           /* the same, for all that is done until the next: one look a turn */
    int64_t now_s;             /* wall clock, with it */
    uint32_t seconds;          /* how often that has changed */
    uint64_t patient_until_ms; /* after a standstill: shards have not had their turn yet */
    struct front_counts counts;

    /* Written by the main thread, taken by the front (acquire/release on the same word). */
    _Atomic(struct front_terms *) new_terms;
    atomic_bool stop;
    /* Written by the front before it posts `started`. */
    sem_t started;
    int error;
    const char *what;
};

/* --- questions.c --- */
struct question *question_of(struct native_answer *answer);
struct native_client *question_client(struct front *front, const struct question *question);
void question_settle(struct front *front, struct question *question);
void question_answer(struct front *front, struct question *question);
void question_fault(struct front *front, struct question *question, enum frame_error fault,
                    const char *why);
/* How many of so many places may be taken when one of this priority comes. */
uint32_t questions_for(enum priority priority, uint32_t slots);
/* Has it room? Without telling the client. */
struct question *question_try(struct front *front, struct native_client *client,
                              const struct frame *frame, enum priority priority);
/* NULL: turned away, and the client was told. */
struct question *question_take(struct front *front, struct native_client *client,
                               const struct frame *frame, enum priority priority);
void question_send(struct front *front, struct question *question, const struct next_hop *next_hop,
                   uint64_t not_before_ms, uint64_t deadline_ms);
bool document_take(struct front *front, struct question *question);
void document_give(struct front *front, struct question *question);
bool put(struct front *front, struct native_client *client, uint8_t kind, uint64_t id,
         const void *message);
bool put_fault(struct front *front, struct native_client *client, const struct frame *frame,
               enum frame_error code, const char *sentence);
bool front_write(void *context, struct native_client *client, struct native_answer *answer);
void front_drop(void *context, struct native_answer *answer);

/* --- front.c --- */
uint64_t deadline_of(uint32_t deadline_ms, uint64_t arrived_ms);

/* --- checks.c --- */
int checks_create(struct front *front); /* 0 or -ENOMEM */
void checks_destroy(struct front *front);
/* As decisions_ahead. */
void checks_ahead(struct front *front, const struct frame *const *frames, unsigned count);
enum native_taken take_check(struct front *front, struct native_client *client,
                             const struct frame *frame, uint64_t arrived_ms);

/* --- decisions.c --- */
int decisions_create(struct front *front); /* 0 or -ENOMEM */
void decisions_destroy(struct front *front);
/* Messages whose turn comes next, at most LIMIT_CLIENT_AHEAD: what their answers are made of comes
 * from memory together. */
void decisions_ahead(struct front *front, const struct frame *const *frames, unsigned count);
enum native_taken take_decide(struct front *front, struct native_client *client,
                              const struct frame *frame, uint64_t arrived_ms);
enum native_taken take_decide_many(struct front *front, struct native_client *client,
                                   const struct frame *frame, uint64_t arrived_ms);
bool write_decision(struct front *front, struct native_client *client, struct question *question);
size_t document_of_decision(struct front *front, struct question *question, char *out, size_t size);
void report_home(struct front *front, struct report_note *note);
/* Everything is known of a question that came home, but it is insecure, or keys were asked for. */
bool decision_lacks_keys(const struct front *front, const struct question *question);

/* --- kept.c --- */
int kept_create(struct front *front); /* 0 or -ENOMEM; kept_destroy follows in any case */
void kept_destroy(struct front *front);
/* native's `ahead`. */
void kept_ahead(void *context, struct native_client *client, const struct frame *frames,
                unsigned count);
/* native's `at_once`: as last time. */
unsigned kept_answers(void *context, struct native_client *client, const struct frame *frames,
                      unsigned count);
/* Before anything is read that the answer is made of; then, before its record is. */
void kept_begin(struct kept_question *question, const struct front *front,
                struct native_client *client, const struct frame *frame);
void kept_look(struct kept_question *question, const struct front *front,
               const struct table_key *key);
/* Answers, and keeps the answer if it may. Fills the reply's times. */
void kept_put_verdict(struct front *front, const struct kept_question *question,
                      struct frame_verdict *reply);
void kept_put_answer(struct front *front, const struct kept_question *question,
                     struct frame_answer *reply);

/* --- keys.c --- */
/* True: the question waits for keys of its recipient, and is answered when they are known or
 * LIMIT_KEY_LOOK_UP_MS have passed. */
bool keys_wait(struct front *front, struct question *question);
void keys_begin(struct front *front, struct question *question);
void keys_home(struct front *front, struct dns_question *found);
void keys_late(struct front *front, struct wheel_timer *timer);
void keys_forget(struct front *front, struct question *question);

/* --- deliveries.c --- */
enum native_taken take_delivery(struct front *front, struct native_client *client,
                                const struct frame *frame, uint64_t arrived_ms);
void delivery_home(struct front *front, struct delivery_report *report);
void delivery_looked(struct front *front, struct question *question); /* its look, if it had one */
void delivery_say(char *sentence, size_t size, const struct delivery_report *report);
void delivery_forget(struct front *front, struct question *question);

/* --- orders.c --- */
enum native_taken take_order(struct front *front, struct native_client *client,
                             const struct frame *frame, uint64_t arrived_ms);
void order_home(struct front *front, struct order_request *request);
void order_forget(struct front *front, struct question *question);

#endif
