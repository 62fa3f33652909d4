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
#include "ipc/serve/front_internal.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/loop/mailbox.h"
#include "engine/loop/pool.h"
#include "ipc/serve/explain.h"
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

/* --- taking requests (native's `request`) --- */

uint64_t deadline_of(uint32_t deadline_ms, uint64_t arrived_ms)
{
    uint64_t wait_ms = deadline_ms ? deadline_ms : LIMIT_QUESTION_MS;

    return arrived_ms + (wait_ms < LIMIT_QUESTION_MOST_MS ? wait_ms : LIMIT_QUESTION_MOST_MS);
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

/* What an order needs beyond this, orders.c says. */
static uint32_t right_for(uint8_t kind)
{
    if (kind == FRAME_RELOAD || kind == FRAME_CONFIG)
        return RIGHT_ADMIN;
    if (kind == FRAME_OBSERVE)
        return RIGHT_OBSERVE;
    return kind == FRAME_ORDER ? RIGHT_SWITCH : RIGHT_QUERY;
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
                  frame->kind == FRAME_OBSERVE
                      ? "this user may not report deliveries; see observe_users in section listen "
                        "of mxward.conf"
                      : "this user may not ask that; see admin_users in section listen of "
                        "mxward.conf");
        return NATIVE_ANSWERED;
    }
    switch ((enum frame_kind)frame->kind) {
    case FRAME_HELLO:
        return take_hello(front, client, frame);
    case FRAME_CHECK:
    case FRAME_EXPLAIN:
        return take_check(front, client, frame, arrived_ms);
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
        return take_decide(front, client, frame, arrived_ms);
    case FRAME_DECIDE_MANY:
        return take_decide_many(front, client, frame, arrived_ms);
    case FRAME_ORDER:
        return take_order(front, client, frame, arrived_ms);
    case FRAME_OBSERVE:
        return take_delivery(front, client, frame, arrived_ms);
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
    delivery_looked(front, question);
    wheel_disarm(front->wheel, &question->timer);
    if (question->queued) /* what is late was not written yet: so it is not late */
        question->fault = FRAME_ERROR_NONE;
    else if (question->kind != FRAME_DECIDE || !keys_wait(front, question))
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
    if (question->kind == FRAME_DECIDE) { /* evidence that did not come in time is missing */
        question_answer(front, question);
        return;
    }
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

static void take_new_terms(struct front *front)
{
    /* Acquire: partner is the exchange in front_set_terms. */
    struct front_terms *terms =
        atomic_exchange_explicit(&front->new_terms, NULL, memory_order_acq_rel);

    if (!terms)
        return;
    native_set_rights(front->native, terms->rights);
    front_terms_free(front->terms);
    front->terms = terms;
}

static void front_completed(void *context, const struct ring_completion *completion)
{
    struct front *front = context;

    if (completion->token.operation != OPERATION_WORK) {
        native_completed(front->native, completion);
        return;
    }
    front->listening_to_work = false;
    take_new_terms(front);
    work_home(front);
}

/* --- the loop --- */

static void front_message(struct front *front, struct message *message)
{
    switch (message->kind) {
    case MESSAGE_DOMAIN_DONE:
        question_home(front, (struct question *)(void *)message);
        return;
    case MESSAGE_ORDER_DONE:
        order_home(front, container_of(message, struct order_request, message));
        return;
    case MESSAGE_DELIVERY_DONE:
        delivery_home(front, container_of(message, struct delivery_report, message));
        return;
    case MESSAGE_REPORT_DONE:
        report_home(front, container_of(message, struct report_note, message));
        return;
    case MESSAGE_DNS_FRONT:
        keys_home(front, container_of(message, struct dns_question, message));
        return;
    default:
        CHECK(!"a message that the front does not get");
    }
}

static bool take_messages(struct front *front)
{
    for (int taken = 0; taken < LIMIT_FRONT_MESSAGES; taken++) {
        struct message *message = mailbox_receive(front->mailbox);

        if (!message)
            return false;
        front_message(front, message);
    }
    return true;
}

static void take_timers(struct front *front, uint64_t now_ms)
{
    struct wheel_timer *timer;

    while ((timer = wheel_take_due(front->wheel, now_ms))) {
        if (timer->token.operation == OPERATION_LATE)
            question_late(front, timer);
        else if (timer->token.operation == OPERATION_KEYS)
            keys_late(front, timer);
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
    uint64_t next_ms = wheel_next_ms(front->wheel), tick_ms = front->now_ms + TICK_MS;

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

/* The clocks, once a turn: behind all that was reaped in it. */
static void look_at_the_clocks(struct front *front)
{
    const int64_t now_s = clock_wall_s();

    front->now_ms = clock_boot_ms();
    if (now_s != front->now_s)
        front->seconds++;
    front->now_s = now_s;
    native_set_now(front->native, front->now_ms);
}

static int front_turn(struct front *front)
{
    bool more = take_messages(front);
    int result;

    more |= documents_again(front);
    more |= native_turn(front->native); /* behind what answers: a client's go out together */
    mailbox_flush(front->mailbox);
    listen_to_work(front);
    result = ring_turn(front->ring, sleep_until(front, more), front_completed, front);
    mailbox_awake(front->mailbox);
    look_at_the_clocks(front);
    notice_lateness(front, front->now_ms);
    /* Timers count only when everything that came before them was looked at. */
    if (result < RING_BATCH && !take_messages(front))
        take_timers(front, front->now_ms);
    return result < 0 ? result : 0;
}

/* Nobody is left to answer; what is at the engine is waited for, but not for ever. */
static void front_wind_up(struct front *front)
{
    uint64_t until_ms = clock_boot_ms() + LIMIT_SERVE_STOP_MS;
    struct wheel_timer bound = {.token.operation = NATIVE_OPERATION_LAST};

    native_stop(front->native);
    while ((native_running(front->native) || pool_used(front->reports) > 0 ||
            pool_used(front->keys) > 0 || pool_used(front->questions) > (front->at_main != NULL)) &&
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
        .submissions = 1024, .receive_buffers = 128, .receive_bytes = LIMIT_CLIENT_RECEIVE};
    struct native_owner owner = {.context = front,
                                 .request = front_request,
                                 .ahead = kept_ahead,
                                 .at_once = kept_answers,
                                 .write = front_write,
                                 .drop = front_drop};
    int error = ring_create(&front->ring, &limits);

    if (error) {
        front->what = ring_why_unavailable(error);
        return error;
    }
    front->what = "no memory for the native socket";
    error = wheel_create(&front->wheel, clock_boot_ms());
    if (!error)
        error = native_create(&front->native, front->ring, front->wheel, front->listener,
                              &front->settings.native, front->terms->rights, &owner);
    if (error)
        return error;
    front->peer = engine_front(front->engine);
    engine_front_ring(front->engine, ring_descriptor(front->ring));
    front->mailbox = mailbox_open(front->peer.exchange, front->peer.me, wake_shard, front);
    if (engine_table(front->engine) &&
        table_writer_reader(engine_table(front->engine), &front->table) != 0)
        front->table = NULL; /* no memory: shards answer */
    if (engine_users(front->engine) &&
        table_writer_reader(engine_users(front->engine), &front->users) != 0)
        front->users = NULL;
    account_kept_clear(&front->kept_users);
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
    if (front->users)
        table_reader_close(front->users);
    if (front->wheel)
        wheel_destroy(front->wheel);
    if (front->ring)
        ring_destroy(front->ring);
}

void *front_run(void *context)
{
    struct front *front = context;
    int result = front_set_up(front);

    if (result == 0)
        look_at_the_clocks(front);
    front->turned_ms = front->now_ms;
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

static int pools_create(struct front *front, uint32_t requests)
{
    int error = pool_create(&front->questions, "questions", sizeof(struct question), requests);

    if (!error)
        error =
            pool_create(&front->orders, "orders", sizeof(struct front_order), LIMIT_FRONT_ORDERS);
    if (!error)
        error = pool_create(&front->deliveries, "deliveries", sizeof(struct front_delivery),
                            LIMIT_FRONT_DELIVERIES);
    if (!error)
        error = pool_create(&front->reports, "lines for the report", sizeof(struct report_note),
                            LIMIT_FRONT_REPORTS);
    if (!error)
        error = pool_create(&front->keys, "keys of recipients", sizeof(struct front_keys),
                            LIMIT_FRONT_KEYS);
    if (!error)
        error = kept_create(front);
    if (!error)
        error = decisions_create(front);
    if (!error)
        error = checks_create(front);
    return error;
}

static void pools_destroy(struct front *front)
{
    if (front && front->questions)
        pool_destroy(front->questions);
    if (front && front->orders)
        pool_destroy(front->orders);
    if (front && front->deliveries)
        pool_destroy(front->deliveries);
    if (front && front->reports)
        pool_destroy(front->reports);
    if (front && front->keys)
        pool_destroy(front->keys);
    if (front) {
        checks_destroy(front);
        decisions_destroy(front);
        kept_destroy(front);
    }
}

void front_terms_free(struct front_terms *terms)
{
    if (!terms)
        return;
    rights_free(terms->rights);
    if (terms->trusted)
        places_destroy(terms->trusted);
    free(terms);
}

int front_create(struct front **out, struct engine *engine, const struct front_settings *settings,
                 int listener, struct front_terms *terms, struct work *work)
{
    struct front *front = calloc(1, sizeof *front);
    void *documents =
        mmap(NULL, (size_t)LIMIT_FRONT_DOCUMENTS * FRAME_DOCUMENT_MAX, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int error = front && documents != MAP_FAILED ? 0 : -ENOMEM;

    if (!error)
        error = pools_create(front, settings->requests);
    if (error) {
        if (documents != MAP_FAILED)
            munmap(documents, (size_t)LIMIT_FRONT_DOCUMENTS * FRAME_DOCUMENT_MAX);
        pools_destroy(front);
        free(front);
        return error;
    }
    front->engine = engine;
    front->settings = *settings;
    front->listener = listener;
    front->terms = terms;
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
    front_terms_free(atomic_load_explicit(&front->new_terms, memory_order_acquire));
    front_terms_free(front->terms);
    munmap(front->documents, (size_t)LIMIT_FRONT_DOCUMENTS * FRAME_DOCUMENT_MAX);
    sem_destroy(&front->started);
    pools_destroy(front);
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

void front_set_terms(struct front *front, struct front_terms *terms)
{
    /* Releases them to take_new_terms; what the front never saw comes back to us. */
    front_terms_free(atomic_exchange_explicit(&front->new_terms, terms, memory_order_acq_rel));
    work_wake_front(front->work);
}
