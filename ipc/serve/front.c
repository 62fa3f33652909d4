/*
 * front.c - see front.h. Called by serve.c; owns the ring, the wheel, the connections (native.c),
 * the questions and the document buffers.
 *
 * A question's life:   request ─► at the engine ─► home ─► queued at its client ─► written
 *                              └► refused at once       └► its client has gone
 *
 * and, if its time passes before it is home, "late" is queued meanwhile. `question_settle` is the
 * only place that gives a slot back: when it is home, not queued, and answered or in vain.
 *
 * Of everything that clients share (connections, questions, document buffers) a part is kept for
 * administrators, and what the main thread wrote is copied at once: nobody who reads slowly, or
 * asks for much, keeps them from status, config and reload.
 *
 * Failure: what the engine or the machine cannot do is an error frame, temporary for the client.
 * Known weakness: a document is built in one go in this thread (under a millisecond for a usual
 * domain; some for one with ten hosts and long certificates).
 */
#include "ipc/serve/front.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/loop/mailbox.h"
#include "engine/loop/pool.h"
#include "ipc/serve/explain.h"
#include "ipc/serve/reply.h"
#include "ipc/serve/status.h"
#include "ipc/wire/version.h"
#include "shm/writer.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    OPERATION_WORK = NATIVE_OPERATION_LAST + 1, /* a byte from the main thread */
    OPERATION_LATE,                             /* timer: a question's time has passed */
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
    uint8_t document; /* which buffer; LIMIT_FRONT_DOCUMENTS: none */
};
static_assert(offsetof(struct question, request) == 0 &&
                  offsetof(struct domain_request, message) == 0,
              "a message is its question");

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
    struct table_reader *table; /* NULL: every question goes to a shard */
    struct rights *rights;
    char *documents; /* LIMIT_FRONT_DOCUMENTS of FRAME_DOCUMENT_MAX bytes */
    const struct question *document_of[LIMIT_FRONT_DOCUMENTS]; /* who has it; NULL: free */
    bool documents_wanted, documents_freed;
    struct question *at_main; /* whose work the main thread has */
    bool listening_to_work;
    uint64_t turned_ms;        /* end of the last turn of the ring */
    uint64_t patient_until_ms; /* after a standstill: shards have not had their turn yet */
    struct front_counts counts;

    /* Written by the main thread, taken by the front (acquire/release on the same word). */
    _Atomic(struct rights *) new_rights;
    atomic_bool stop;
    /* Written by the front before it posts `started`. */
    sem_t started;
    int error;
    const char *what;
};

/* --- questions --- */

static struct question *question_of(struct native_answer *answer)
{
    return (struct question *)(void *)((char *)answer - offsetof(struct question, answer));
}

static struct native_client *question_client(struct front *front, const struct question *question)
{
    return native_client_find(front->native, question->request.token);
}

/* Gives the slot back if nobody has it any more. */
static void question_settle(struct front *front, struct question *question)
{
    if (!question->home || question->queued || !question->settled)
        return;
    if (question->request.facts)
        domain_facts_drop(question->request.facts);
    wheel_disarm(front->wheel, &question->timer);
    native_user_count(question->user, -1);
    pool_give(front->questions, question);
    counter_add(&front->counts.outstanding, (uint64_t)-1);
}

/* To its client, or nowhere if that has gone. After it the question may be gone too. */
static void question_answer(struct front *front, struct question *question)
{
    struct native_client *client = question_client(front, question);

    if (client && !question->settled) {
        question->queued = true;
        native_answer(front->native, client, &question->answer);
        return;
    }
    if (!question->settled)
        counter_add(&front->counts.vanished, 1);
    question->settled = true;
    question_settle(front, question);
}

static void question_fault(struct front *front, struct question *question, enum frame_error fault,
                           const char *why)
{
    question->fault = fault;
    question->why = why;
    question_answer(front, question);
}

/* --- documents --- */

/* Who reads slowly keeps a buffer for long (of a full one five minutes, before he is cut off). So
 * the last ones are for administrators alone; and a user may have no more of each kind than he
 * leaves to others. */
static bool document_allowed(const struct front *front, const struct question *question)
{
    unsigned left = 0, mine = 0, kept = question->administers ? 0 : LIMIT_FRONT_DOCUMENTS_ADMIN;

    for (unsigned i = 0; i < LIMIT_FRONT_DOCUMENTS; i++) {
        const struct question *other = front->document_of[i];

        left += other == NULL;
        mine += other != NULL && other->user == question->user &&
                other->administers == question->administers;
    }
    return left > kept && mine < left - kept;
}

static bool document_take(struct front *front, struct question *question)
{
    if (!document_allowed(front, question)) {
        front->documents_wanted = true;
        return false;
    }
    for (uint8_t i = 0; question->document == LIMIT_FRONT_DOCUMENTS; i++)
        if (front->document_of[i] == NULL)
            question->document = i;
    front->document_of[question->document] = question;
    question->text = front->documents + (size_t)question->document * FRAME_DOCUMENT_MAX;
    counter_add(&front->counts.documents, 1);
    return true;
}

/* The text is no longer needed: it was sent, or nobody wants it. */
static void document_give(struct front *front, struct question *question)
{
    if (question->document == LIMIT_FRONT_DOCUMENTS)
        return;
    front->document_of[question->document] = NULL;
    counter_add(&front->counts.documents, (uint64_t)-1);
    front->documents_freed = true;
    question->document = LIMIT_FRONT_DOCUMENTS;
    question->text = NULL;
}

static bool document_make(struct front *front, struct question *question)
{
    char *out;

    if (!document_take(front, question))
        return false;
    out = front->documents + (size_t)question->document * FRAME_DOCUMENT_MAX;
    if (question->kind == FRAME_EXPLAIN)
        question->size = (uint32_t)explain_write(out, FRAME_DOCUMENT_MAX, question->request.facts,
                                                 clock_boot_ms());
    else
        question->size =
            (uint32_t)status_write(out, FRAME_DOCUMENT_MAX, front->engine,
                                   native_counts(front->native), &front->counts, clock_boot_ms());
    return true;
}

static bool document_write(struct front *front, struct native_client *client,
                           struct question *question)
{
    uint8_t bytes[DOCUMENT_ROOM];
    struct frame_document part = {.form = question->kind == FRAME_CONFIG ? DOCUMENT_TEXT
                                                                         : DOCUMENT_JSON};

    /* A buffer is taken only when all before it is with the kernel: so one that fits into the
     * output is given back at once, and who does not read holds none. */
    if (question->sent == 0 && native_room(client) < LIMIT_CLIENT_OUTPUT)
        return false;
    if (!question->text && !document_make(front, question))
        return false;
    part.size = question->size;
    do {
        uint32_t left = question->size - question->sent;
        bool last = left <= FRAME_DOCUMENT_PART;
        size_t size;

        if (native_room(client) < DOCUMENT_ROOM)
            return false;
        part.part = question->text + question->sent;
        part.part_size = (uint16_t)(last ? left : FRAME_DOCUMENT_PART);
        size = frame_encode(bytes, sizeof bytes, FRAME_DOCUMENT, last ? 0 : FRAME_GOES_ON,
                            question->request.client_id, &part);
        CHECK(size > 0);
        native_put(front->native, client, bytes, size);
        question->sent += part.part_size;
    } while (question->sent < question->size);
    document_give(front, question);
    return true;
}

/* --- writing answers (native's `write` and `drop`) --- */

static bool put(struct front *front, struct native_client *client, uint8_t kind, uint64_t id,
                const void *message)
{
    uint8_t bytes[4096];
    size_t size = frame_encode(bytes, sizeof bytes, kind, 0, id, message);

    CHECK(size > 0);
    if (native_room(client) < size)
        return false;
    native_put(front->native, client, bytes, size);
    return true;
}

static bool put_fault(struct front *front, struct native_client *client, const struct frame *frame,
                      enum frame_error code, const char *sentence)
{
    struct frame_fault fault = {.code = (uint8_t)code, .kind = frame->kind};

    if (code == FRAME_ERROR_BUSY)
        fault.retry_ms = RETRY_MS;
    snprintf(fault.sentence, sizeof fault.sentence, "%s", sentence);
    return put(front, client, FRAME_ERROR, frame->id, &fault);
}

static bool write_verdict(struct front *front, struct native_client *client,
                          const struct question *question)
{
    struct frame_verdict reply;

    reply_facts(&reply, question->request.facts, clock_boot_ms());
    return put(front, client, FRAME_VERDICT, question->request.client_id, &reply);
}

/* What the main thread answered to a reload; without its words if there was no room for them. */
static bool write_reload(struct front *front, struct native_client *client,
                         struct question *question)
{
    struct frame frame = {.kind = FRAME_RELOAD, .id = question->request.client_id};
    const char *words = question->good ? "the settings are in force; the log says more"
                                       : "the settings are refused; the log says why";
    struct frame_done done = {0};
    bool written;

    snprintf(done.sentence, sizeof done.sentence, "%s", question->text ? question->text : words);
    written = question->good
                  ? put(front, client, FRAME_DONE, frame.id, &done)
                  : put_fault(front, client, &frame, FRAME_ERROR_CONFIGURATION, done.sentence);
    if (written)
        document_give(front, question);
    return written;
}

static bool write_answer(struct front *front, struct native_client *client,
                         struct question *question)
{
    struct frame frame = {.kind = question->kind, .id = question->request.client_id};

    if (question->fault)
        return put_fault(front, client, &frame, question->fault, question->why);
    if (question->kind == FRAME_CHECK)
        return write_verdict(front, client, question);
    if (question->kind == FRAME_RELOAD)
        return write_reload(front, client, question);
    return document_write(front, client, question);
}

static bool front_write(void *context, struct native_client *client, struct native_answer *answer)
{
    struct front *front = context;
    struct question *question = question_of(answer);

    if (!write_answer(front, client, question))
        return false;
    histogram_add(&front->counts.answer_us, clock_boot_us() - question->taken_us);
    counter_add(&front->counts.answered, 1);
    question->queued = false;
    question->settled = true;
    question_settle(front, question);
    return true;
}

static void front_drop(void *context, struct native_answer *answer)
{
    struct front *front = context;
    struct question *question = question_of(answer);

    document_give(front, question);
    counter_add(&front->counts.vanished, 1);
    question->queued = false;
    question->settled = true;
    question_settle(front, question);
}

/* --- taking requests (native's `request`) --- */

/* How full the pool of questions may be for one of this priority. The last are for administrators.
 */
static bool has_room(const struct front *front, const struct native_user *user,
                     enum priority priority, bool administers)
{
    uint32_t used = pool_used(front->questions), slots = front->settings.requests;

    if (administers)
        return used < slots;
    if (native_user_requests(user) >= front->settings.requests_per_user)
        return false;
    if (priority == PRIORITY_LIVE)
        return used < slots - slots / LIMIT_ADMIN_QUESTIONS;
    if (priority == PRIORITY_ASKED)
        return used < slots - slots / 16;
    return used < slots - slots / 4;
}

/* NULL: turned away, and the client was told. */
static struct question *question_take(struct front *front, struct native_client *client,
                                      const struct frame *frame, enum priority priority)
{
    struct native_user *user = native_client_user(client);
    bool administers = frame->kind != FRAME_CHECK && frame->kind != FRAME_EXPLAIN &&
                       (native_client_peer(client)->rights & RIGHT_ADMIN);
    struct question *question =
        has_room(front, user, priority, administers) ? pool_take(front->questions) : NULL;

    if (!question) {
        counter_add(&front->counts.shed, 1);
        put_fault(front, client, frame, FRAME_ERROR_BUSY,
                  "too many questions are waiting; ask again in a moment");
        return NULL;
    }
    question->request.token = native_client_token(front->native, client);
    question->request.client_id = frame->id;
    question->request.priority = priority;
    question->user = user;
    question->kind = frame->kind;
    question->administers = administers;
    question->taken_us = clock_boot_us();
    question->document = LIMIT_FRONT_DOCUMENTS;
    question->timer.token =
        (struct ring_token){OPERATION_LATE, pool_slot(front->questions, question),
                            pool_generation(front->questions, question)};
    native_user_count(user, 1);
    counter_add(&front->counts.outstanding, 1);
    return question;
}

static uint64_t not_before(const struct frame_question *asked, uint64_t arrived_ms)
{
    if (asked->freshness == FRESHNESS_LIVE)
        return arrived_ms;
    if (asked->freshness == FRESHNESS_MAX_AGE)
        return arrived_ms > asked->max_age_ms ? arrived_ms - asked->max_age_ms : 1;
    return 0;
}

static enum priority priority_of(const struct frame_question *asked)
{
    if (asked->priority == FRAME_SCAN)
        return PRIORITY_SCAN;
    return asked->freshness == FRESHNESS_LIVE ? PRIORITY_LIVE : PRIORITY_ASKED;
}

static uint64_t deadline_of(const struct frame_question *asked, uint64_t arrived_ms)
{
    uint64_t wait_ms = asked->deadline_ms ? asked->deadline_ms : LIMIT_QUESTION_MS;

    return arrived_ms + (wait_ms < LIMIT_QUESTION_MOST_MS ? wait_ms : LIMIT_QUESTION_MOST_MS);
}

/* The same rule as the domain jobs' (FRESH-02): the freshness asked for, else the verdict's own
 * age; never beyond the life of its DNS part, nor across a change of the settings. */
static bool serves(const struct verdict *verdict, uint32_t epoch, uint64_t not_before_ms,
                   uint64_t now_ms)
{
    if (now_ms >= verdict->valid_until_ms || verdict->config_epoch != epoch)
        return false;
    return not_before_ms == 0 ? now_ms < verdict->began_ms + verdict_refresh_ms(verdict)
                              : verdict->began_ms >= not_before_ms;
}

/* A hit in the table is answered on the spot. False: ask the shard. */
static bool answer_from_table(struct front *front, struct native_client *client,
                              const struct frame *frame, const struct next_hop *next_hop,
                              uint64_t not_before_ms)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct frame_verdict reply;
    struct verdict verdict = {0}; /* a record does not hold all of it */
    struct table_key key;
    uint64_t now_ms = clock_boot_ms();

    if (!front->table || frame->kind != FRAME_CHECK ||
        !table_key_make(&key, text, next_hop_text(next_hop, text)) ||
        table_read(front->table, &key, now_ms, &verdict) != TABLE_HIT ||
        !serves(&verdict, engine_config_epoch(front->engine), not_before_ms, now_ms))
        return false;
    reply_verdict(&reply, next_hop, &verdict, now_ms);
    reply.from_table = true;
    reply.ended_wall_s = clock_wall_s() - (int64_t)((now_ms - verdict.began_ms) / 1000);
    counter_add(&front->counts.questions, 1);
    counter_add(&front->counts.from_table, 1);
    put(front, client, FRAME_VERDICT, frame->id, &reply);
    return true;
}

/* check and explain. */
static enum native_taken take_question(struct front *front, struct native_client *client,
                                       const struct frame *frame, uint64_t arrived_ms)
{
    char why[FRAME_SENTENCE_MAX];
    struct frame_question asked;
    struct next_hop next_hop;
    struct question *question;
    enum name_status status;

    if (!frame_decode(&asked, frame, why)) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, why);
        return NATIVE_ANSWERED;
    }
    status = next_hop_parse(&next_hop, asked.next_hop, strlen(asked.next_hop));
    if (status != NAME_OK) {
        counter_add(&front->counts.refused_name, 1);
        put_fault(front, client, frame, FRAME_ERROR_NAME, name_status_text(status));
        return NATIVE_ANSWERED;
    }
    if (answer_from_table(front, client, frame, &next_hop, not_before(&asked, arrived_ms)))
        return NATIVE_ANSWERED;
    question = question_take(front, client, frame, priority_of(&asked));
    if (!question)
        return NATIVE_ANSWERED;
    counter_add(frame->kind == FRAME_CHECK ? &front->counts.questions : &front->counts.explains, 1);
    question->request.message.kind = MESSAGE_DOMAIN_ASK;
    question->request.next_hop = next_hop;
    question->request.not_before_ms = not_before(&asked, arrived_ms);
    question->request.deadline_ms = deadline_of(&asked, arrived_ms);
    wheel_arm(front->wheel, &question->timer,
              question->request.deadline_ms + LIMIT_QUESTION_LATE_MS);
    mailbox_send(front->mailbox, owner_of_next_hop(&front->peer.owners, &next_hop),
                 &question->request.message);
    return NATIVE_WAITS;
}

static enum native_taken take_hello(struct front *front, struct native_client *client,
                                    const struct frame *frame)
{
    char why[FRAME_SENTENCE_MAX], program[2 * FRAME_WORD_MAX];
    struct frame_hello hello;
    struct frame_welcome welcome = {.version = MXWARD_VERSION,
                                    .rights = native_client_peer(client)->rights,
                                    .requests = front->settings.native.requests,
                                    .now_ms = clock_boot_ms(),
                                    .config_epoch = engine_config_epoch(front->engine),
                                    .process = (uint32_t)getpid()};

    if (engine_table(front->engine))
        snprintf(welcome.table, sizeof welcome.table, "%s",
                 table_writer_path(engine_table(front->engine)));
    if (!frame_decode(&hello, frame, why)) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, why);
        return NATIVE_ANSWERED;
    }
    log_escape(program, sizeof program, hello.program, strlen(hello.program));
    log_info("client", "uid=%u pid=%d program=\"%s\"", native_client_peer(client)->uid,
             native_client_peer(client)->pid, program);
    put(front, client, FRAME_WELCOME, frame->id, &welcome);
    return NATIVE_ANSWERED;
}

static enum native_taken take_status(struct front *front, struct native_client *client,
                                     const struct frame *frame)
{
    struct question *question = question_take(front, client, frame, PRIORITY_LIVE);

    if (!question)
        return NATIVE_ANSWERED;
    counter_add(&front->counts.statuses, 1);
    question->home = true;
    question_answer(front, question);
    return NATIVE_WAITS;
}

/* reload and config: the main thread's work. */
static enum native_taken take_work(struct front *front, struct native_client *client,
                                   const struct frame *frame, enum serve_work what,
                                   uint64_t arrived_ms)
{
    struct question *question;

    question = question_take(front, client, frame, PRIORITY_LIVE);
    if (!question)
        return NATIVE_ANSWERED;
    if (front->at_main || !work_ask(front->work, what)) {
        question->home = true;
        question_fault(front, question, FRAME_ERROR_BUSY,
                       "a reload or another look at the configuration is under way; ask again");
        return NATIVE_WAITS;
    }
    front->at_main = question;
    counter_add(what == SERVE_RELOAD ? &front->counts.reloads : &front->counts.configs, 1);
    wheel_arm(front->wheel, &question->timer, arrived_ms + LIMIT_QUESTION_MS);
    return NATIVE_WAITS;
}

static enum native_taken take_config(struct front *front, struct native_client *client,
                                     const struct frame *frame, uint64_t arrived_ms)
{
    char why[FRAME_SENTENCE_MAX];
    struct frame_config config;

    if (!frame_decode(&config, frame, why)) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, why);
        return NATIVE_ANSWERED;
    }
    return take_work(front, client, frame,
                     config.form == CONFIG_SAMPLE ? SERVE_CONFIG_SAMPLE : SERVE_CONFIG_EFFECTIVE,
                     arrived_ms);
}

/* What has no fields of its own may still carry some that must be understood. */
static bool is_understood(struct front *front, struct native_client *client,
                          const struct frame *frame)
{
    char why[FRAME_SENTENCE_MAX];
    struct frame_empty nothing;

    if (frame_decode(&nothing, frame, why))
        return true;
    put_fault(front, client, frame, FRAME_ERROR_MALFORMED, why);
    return false;
}

static uint32_t right_for(uint8_t kind)
{
    return kind == FRAME_RELOAD || kind == FRAME_CONFIG ? RIGHT_ADMIN : RIGHT_QUERY;
}

static enum native_taken front_request(void *context, struct native_client *client,
                                       const struct frame *frame, uint64_t arrived_ms)
{
    struct front *front = context;

    if (frame->version != FRAME_VERSION) {
        put_fault(front, client, frame, FRAME_ERROR_VERSION,
                  "this daemon speaks version 1 of the protocol");
        return NATIVE_ANSWERED;
    }
    if (!(native_client_peer(client)->rights & right_for(frame->kind))) {
        counter_add(&front->counts.refused_rights, 1);
        put_fault(front, client, frame, FRAME_ERROR_NOT_PERMITTED,
                  "this user may not ask that; see admin_users in section listen of mxward.conf");
        return NATIVE_ANSWERED;
    }
    switch ((enum frame_kind)frame->kind) {
    case FRAME_HELLO:
        return take_hello(front, client, frame);
    case FRAME_CHECK:
    case FRAME_EXPLAIN:
        return take_question(front, client, frame, arrived_ms);
    case FRAME_STATUS:
        return is_understood(front, client, frame) ? take_status(front, client, frame)
                                                   : NATIVE_ANSWERED;
    case FRAME_RELOAD:
        return is_understood(front, client, frame)
                   ? take_work(front, client, frame, SERVE_RELOAD, arrived_ms)
                   : NATIVE_ANSWERED;
    case FRAME_CONFIG:
        return take_config(front, client, frame, arrived_ms);
    case FRAME_DECIDE:
    case FRAME_ORDER:
    case FRAME_WELCOME:
    case FRAME_VERDICT:
    case FRAME_ANSWER:
    case FRAME_DOCUMENT:
    case FRAME_DONE:
    case FRAME_ERROR:
        break;
    }
    put_fault(front, client, frame, FRAME_ERROR_KIND, "there is no such request");
    return NATIVE_ANSWERED;
}

/* --- what comes home --- */

static void question_home(struct front *front, struct question *question)
{
    CHECK(!question->home && question->request.facts);
    question->home = true;
    wheel_disarm(front->wheel, &question->timer);
    if (question->queued) /* "late" was not written yet: so it is not late */
        question->fault = FRAME_ERROR_NONE;
    else
        question_answer(front, question);
}

static void question_late(struct front *front, struct wheel_timer *timer)
{
    struct question *question =
        pool_find(front->questions, timer->token.slot, timer->token.generation);

    CHECK(question && !question->home);
    if (clock_boot_ms() < front->patient_until_ms) {
        wheel_arm(front->wheel, timer, front->patient_until_ms);
        return;
    }
    counter_add(&front->counts.late, 1);
    question_fault(front, question, FRAME_ERROR_LATE,
                   "not known before the deadline; ask again, or allow more time");
}

/* Into a buffer of ours if there is one: who reads it slowly must not keep the main thread's only
 * text, and with it reload and config, from the others. */
static void work_copy(struct front *front, struct question *question)
{
    const struct work *work = front->work;

    question->good = work->good;
    if (!document_take(front, question))
        return;
    question->size = (uint32_t)work->size;
    memcpy(front->documents + (size_t)question->document * FRAME_DOCUMENT_MAX, work->text,
           work->size + 1);
}

static void work_home(struct front *front)
{
    struct question *question = front->at_main;

    if (!question || !work_is_done(front->work))
        return;
    front->at_main = NULL;
    question->home = true;
    wheel_disarm(front->wheel, &question->timer);
    if (!question->queued && !question->settled && question_client(front, question))
        work_copy(front, question);
    work_release(front->work);
    if (question->queued) /* "late" is on its way, and the text is not needed */
        return;
    if (question->kind != FRAME_CONFIG || question->settled)
        question_answer(front, question);
    else if (!question->good)
        question_fault(front, question, FRAME_ERROR_OURS, "the configuration cannot be shown now");
    else if (!question->text)
        question_fault(front, question, FRAME_ERROR_BUSY,
                       "others are reading the configuration slowly; ask again");
    else
        question_answer(front, question);
}

static void listen_to_work(struct front *front)
{
    struct ring_token token = {.operation = OPERATION_WORK};

    if (!front->listening_to_work)
        front->listening_to_work = ring_receive(front->ring, token, front->work->front_end) == 0;
}

static void take_new_rights(struct front *front)
{
    /* Acquire: partner is the exchange in front_set_rights. */
    struct rights *rights =
        atomic_exchange_explicit(&front->new_rights, NULL, memory_order_acq_rel);

    if (!rights)
        return;
    native_set_rights(front->native, rights);
    rights_free(front->rights);
    front->rights = rights;
}

static void front_completed(void *context, const struct ring_completion *completion)
{
    struct front *front = context;

    if (completion->token.operation != OPERATION_WORK) {
        native_completed(front->native, completion);
        return;
    }
    front->listening_to_work = false;
    take_new_rights(front);
    work_home(front);
}

/* --- the loop --- */

static bool take_messages(struct front *front)
{
    for (int taken = 0; taken < LIMIT_FRONT_MESSAGES; taken++) {
        struct message *message = mailbox_receive(front->mailbox);

        if (!message)
            return false;
        CHECK(message->kind == MESSAGE_DOMAIN_DONE);
        question_home(front, (struct question *)(void *)message);
    }
    return true;
}

static void take_timers(struct front *front, uint64_t now_ms)
{
    struct wheel_timer *timer;

    while ((timer = wheel_take_due(front->wheel, now_ms))) {
        if (timer->token.operation == OPERATION_LATE)
            question_late(front, timer);
        else
            native_due(front->native, timer);
    }
}

/* Clients that wait for a document buffer, when one was given back. True: again next turn. */
static bool documents_again(struct front *front)
{
    if (!front->documents_freed || !front->documents_wanted)
        return false;
    front->documents_freed = false;
    front->documents_wanted = false;
    native_write_again(front->native);
    return front->documents_freed && front->documents_wanted;
}

/* Never longer than a tick, so that a standstill of ours is noticed as one. */
static uint64_t sleep_until(struct front *front, bool more)
{
    uint64_t next_ms = wheel_next_ms(front->wheel), tick_ms = clock_boot_ms() + TICK_MS;

    if (more)
        return 0;
    if (!front->listening_to_work)
        tick_ms -= TICK_MS - 1; /* the submission queue was full */
    if (!mailbox_may_sleep(front->mailbox))
        return 0;
    return next_ms < tick_ms ? next_ms : tick_ms;
}

/* We stood still (stopped, starved, suspended): what passed meanwhile is nobody's slowness. */
static void notice_lateness(struct front *front, uint64_t now_ms)
{
    uint64_t gap_ms = now_ms - front->turned_ms;

    front->turned_ms = now_ms;
    atomic_store_explicit(&front->counts.heartbeat_ms, now_ms, memory_order_relaxed);
    if (gap_ms < 2 * TICK_MS)
        return;
    counter_add(&front->counts.late_turns, 1);
    front->patient_until_ms = now_ms + TICK_MS;
    native_was_late(front->native, gap_ms - TICK_MS);
}

static int front_turn(struct front *front)
{
    bool more = native_turn(front->native);
    uint64_t now_ms;
    int result;

    more |= take_messages(front);
    more |= documents_again(front);
    mailbox_flush(front->mailbox);
    listen_to_work(front);
    result = ring_turn(front->ring, sleep_until(front, more), front_completed, front);
    mailbox_awake(front->mailbox);
    now_ms = clock_boot_ms();
    notice_lateness(front, now_ms);
    /* Timers count only when everything that came before them was looked at. */
    if (result < RING_BATCH && !take_messages(front))
        take_timers(front, now_ms);
    return result < 0 ? result : 0;
}

/* Nobody is left to answer; what is at the engine is waited for, but not for ever. */
static void front_wind_up(struct front *front)
{
    uint64_t until_ms = clock_boot_ms() + LIMIT_SERVE_STOP_MS;
    struct wheel_timer bound = {.token.operation = NATIVE_OPERATION_LAST};

    native_stop(front->native);
    while (
        (native_running(front->native) || pool_used(front->questions) > (front->at_main != NULL)) &&
        clock_boot_ms() < until_ms) {
        wheel_arm(front->wheel, &bound, clock_boot_ms() + 10);
        if (front_turn(front) < 0)
            break;
        native_stop(front->native); /* again, if a submission queue was full */
    }
    wheel_disarm(front->wheel, &bound);
    if (pool_used(front->questions))
        log_warning("stopped-early", "questions=%u still at the engine",
                    pool_used(front->questions));
}

static void wake_shard(void *context, uint16_t to)
{
    struct front *front = context;

    ring_wake(front->ring, front->peer.ring_descriptors[to]);
}

static int front_set_up(struct front *front)
{
    static const struct ring_limits limits = {
        .submissions = 1024, .receive_buffers = 256, .receive_bytes = LIMIT_CLIENT_RECEIVE};
    struct native_owner owner = {front, front_request, front_write, front_drop};
    int error = ring_create(&front->ring, &limits);

    if (error) {
        front->what = ring_why_unavailable(error);
        return error;
    }
    front->what = "no memory for the native socket";
    error = wheel_create(&front->wheel, clock_boot_ms());
    if (!error)
        error = native_create(&front->native, front->ring, front->wheel, front->listener,
                              &front->settings.native, front->rights, &owner);
    if (error)
        return error;
    front->peer = engine_front(front->engine);
    engine_front_ring(front->engine, ring_descriptor(front->ring));
    front->mailbox = mailbox_open(front->peer.exchange, front->peer.me, wake_shard, front);
    if (engine_table(front->engine) &&
        table_writer_reader(engine_table(front->engine), &front->table) != 0)
        front->table = NULL; /* no memory: shards answer */
    return 0;
}

static void front_tear_down(struct front *front)
{
    /* Clients still held by the kernel (it did not give them back in time) keep their memory. */
    if (front->native && native_running(front->native) == 0)
        native_destroy(front->native);
    front->native = NULL;
    if (front->table)
        table_reader_close(front->table);
    if (front->wheel)
        wheel_destroy(front->wheel);
    if (front->ring)
        ring_destroy(front->ring);
}

void *front_run(void *context)
{
    struct front *front = context;
    int result = front_set_up(front);

    front->turned_ms = clock_boot_ms();
    front->error = result;
    sem_post(&front->started);
    /* Acquire: partner is the store in front_stop. */
    while (result == 0 && !atomic_load_explicit(&front->stop, memory_order_acquire))
        result = front_turn(front);
    if (front->error == 0) {
        if (result)
            log_error("front-stopped", "error=%d: the native socket is closed", -result);
        front_wind_up(front);
    }
    front_tear_down(front);
    return NULL;
}

/* --- for serve.c, main thread --- */

int front_create(struct front **out, struct engine *engine, const struct front_settings *settings,
                 int listener, struct rights *rights, struct work *work)
{
    struct front *front = calloc(1, sizeof *front);
    void *documents =
        mmap(NULL, (size_t)LIMIT_FRONT_DOCUMENTS * FRAME_DOCUMENT_MAX, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int error = front && documents != MAP_FAILED ? 0 : -ENOMEM;

    if (!error)
        error = pool_create(&front->questions, "questions", sizeof(struct question),
                            settings->requests);
    if (error) {
        if (documents != MAP_FAILED)
            munmap(documents, (size_t)LIMIT_FRONT_DOCUMENTS * FRAME_DOCUMENT_MAX);
        free(front);
        return error;
    }
    front->engine = engine;
    front->settings = *settings;
    front->listener = listener;
    front->rights = rights;
    front->work = work;
    front->documents = documents;
    sem_init(&front->started, 0, 0);
    *out = front;
    return 0;
}

void front_destroy(struct front *front)
{
    if (!front)
        return;
    rights_free(atomic_load_explicit(&front->new_rights, memory_order_acquire));
    rights_free(front->rights);
    munmap(front->documents, (size_t)LIMIT_FRONT_DOCUMENTS * FRAME_DOCUMENT_MAX);
    sem_destroy(&front->started);
    pool_destroy(front->questions);
    free(front);
}

int front_started(struct front *front, char *why, size_t why_size)
{
    while (sem_wait(&front->started) != 0)
        ;
    if (front->error)
        snprintf(why, why_size, "%s: %s", strerror(-front->error), front->what);
    return front->error;
}

const struct front_counts *front_counts(const struct front *front)
{
    return &front->counts;
}

void front_stop(struct front *front)
{
    /* Releases nothing but itself; partner is the load in front_run. */
    atomic_store_explicit(&front->stop, true, memory_order_release);
    work_wake_front(front->work);
}

void front_set_rights(struct front *front, struct rights *rights)
{
    /* Releases the set to take_new_rights; one that the front never saw comes back to us. */
    rights_free(atomic_exchange_explicit(&front->new_rights, rights, memory_order_acq_rel));
    work_wake_front(front->work);
}
