/*
 * resolver.c - a resolver's thread: its loop, its mailbox, and libunbound inside it.
 *
 * The thread makes and destroys all it uses (ring, wheel, event base, context, look-ups); the
 * starter waits until that has worked. One turn of the loop:
 *
 *   what the ring and the wheel report ─► libunbound's callbacks ─► look-ups done ─► replies
 *   questions from the mailbox ─► look-ups begun, some of which libunbound answers at once ─►
 * replies sleep, unless something is left to do
 *
 * Deadlines are looked at after the completions of the turn were taken, so an answer that is there
 * is never called late. A look-up is begun only from the loop, never from a callback of libunbound:
 * they share one packet buffer.
 *
 * Weakness: one callback of libunbound may take a third of a second, when the keys of a zone arrive
 * that hundreds of look-ups wait for; LIMIT_DNS_INSIDE and the self-test's fetching of keys keep it
 * to some ten milliseconds. Nothing but look-ups runs on this thread.
 */
#include "engine/dns/resolver.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/dns/look_ups.h"
#include "engine/dns/message.h"
#include "engine/dns/resolver_context.h"
#include "engine/dns/resolver_events.h"
#include "engine/dns/self_test.h"

#include <unbound.h>
#include <unbound-event.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    OPERATION_STOP = 4, /* the others are those of the events and the look-ups */
    RING_ENTRIES = 1024,
    DRAIN_TURNS = 8,      /* of the ring, when its batch was full */
    STOP_FLUSH_MS = 1000, /* how long parked replies are offered at the end */
    WHY_BYTES = 256,
    STANDARD_HELD = 4096,
};

struct resolver {
    pthread_t thread;
    sem_t ready;
    int error; /* of the start; why says more */
    char *why;
    struct resolver_options options; /* the caller's texts, used during the start only */
    struct exchange *exchange;
    const int *ring_descriptors;
    uint16_t me;

    int stop_event;       /* eventfd: wakes the thread to stop */
    atomic_bool stopping; /* release: resolver_stop; acquire: the loop */
    bool stopped;         /* the thread's own: callbacks mean nothing any more */

    struct ring *ring;
    struct wheel *wheel;
    struct mailbox *mailbox;
    struct resolver_events *events;
    struct ub_ctx *context;
    struct look_ups *look_ups;
    uint64_t grace_until_ms;
    uint64_t turn_ms; /* when this turn of the loop began */
    uint64_t due_ms;  /* when it was to begin at the latest */
    struct self_test self_test;
    struct resolver_counts counts;
};

/* --- look-ups in libunbound --- */

/* Of its own questions the self-test must see the answers as they are. */
static bool is_of_self_test(const struct resolver *r, const struct dns_answer *answer)
{
    return answer->owner.length == 0 ||
           (r->self_test.has_bogus && name_equal(&answer->owner, &r->self_test.bogus.name));
}

/* An answer that is insecure only because we cannot validate would lower somebody; one that is
 * secure from a validator that takes the bogus for good would expose somebody (DNS-08). */
static const struct dns_answer *guard(const struct resolver *r, const struct dns_answer *answer)
{
    const char *why = NULL;

    if (r->self_test.bogus_passes)
        why = "the name configured as bogus validates: nothing else can be believed";
    else if (r->self_test.root_insecure && !dns_is_secure(answer->kind))
        why = "the root is not secure: nothing can be validated";
    if (why == NULL || dns_is_trouble(answer->kind) || is_of_self_test(r, answer))
        return answer;
    const struct dns_answer *guarded =
        dns_answer_failure(&answer->owner, answer->type, DNS_TROUBLE_OURS, 0, answer->at_ms, why);
    dns_answer_drop(answer);
    return guarded;
}

/* libunbound's callback: the packet is gone when it returns. */
static void look_up_called_back(void *argument, int rcode, void *packet, int size, int security,
                                char *why_bogus, int limited)
{
    struct look_up *look_up = argument;
    struct resolver *r = look_up->context;

    if (r->stopped)
        return;
    struct dns_reply reply = {.rcode = rcode,
                              .security = security,
                              .limited = limited != 0,
                              .packet = packet,
                              .size = size > 0 ? (size_t)size : 0,
                              .why_bogus = why_bogus};
    const struct dns_answer *answer =
        dns_message_read(&look_up->name, look_up->type, &reply, clock_boot_ms());
    look_up_answer(look_up, guard(r, answer));
}

static int look_up_hand_over(void *context, struct look_up *look_up)
{
    struct resolver *r = context;
    const char *name = look_up->name.length > 0 ? look_up->name.text : ".";

    int error = ub_resolve_event(r->context, name, (int)look_up->type, 1, look_up,
                                 look_up_called_back, NULL);
    return error == UB_NOERROR ? 0 : -ENOMEM;
}

static void question_home(void *context, struct dns_question *question)
{
    struct resolver *r = context;

    if (self_test_takes(&r->self_test, question))
        return;
    histogram_add(&r->counts.answer_us, clock_boot_us() - question->arrived_us);
    mailbox_send(r->mailbox, question->message.from, &question->message);
}

/* --- the loop --- */

static void wake_peer(void *context, uint16_t to)
{
    struct resolver *r = context;

    (void)ring_wake(r->ring, r->ring_descriptors[to]);
}

static void ring_reported(void *context, const struct ring_completion *completion)
{
    struct resolver *r = context;

    if (completion->token.operation == RESOLVER_OPERATION_POLL)
        resolver_events_completed(r->events, completion);
    else
        CHECK(completion->token.operation == OPERATION_STOP);
}

/* True: more are due. */
static bool run_timers(struct resolver *r, uint64_t now_ms)
{
    struct wheel_timer *timer;

    for (unsigned count = 0; count < LIMIT_DNS_TIMERS; count++) {
        timer = wheel_take_due(r->wheel, now_ms);
        if (!timer)
            return false;
        if (timer->token.operation == LOOK_UPS_OPERATION_DEADLINE)
            look_ups_due(r->look_ups, timer, now_ms);
        else
            resolver_events_due(r->events, timer);
    }
    return true;
}

/* The clock is read after each is received: one without time must not seem to have a little. */
static void take_questions(struct resolver *r)
{
    struct message *message;

    for (unsigned count = 0; count < LIMIT_DNS_QUESTIONS; count++) {
        message = mailbox_receive(r->mailbox);
        if (!message)
            return;
        struct dns_question *question = container_of(message, struct dns_question, message);
        question->arrived_us = clock_boot_us();
        look_ups_ask(r->look_ups, question, question->arrived_us / 1000);
    }
}

/* Questions of others wait for the root, for a while. */
static bool may_begin(const struct resolver *r, uint64_t now_ms)
{
    return r->self_test.root_seen || now_ms >= r->grace_until_ms;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Before anything of this turn is replied, so that a standstill is known to whoever blames. */
static void watch_clock(struct resolver *r, uint64_t due_ms, uint64_t now_ms)
{
    if (now_ms <= due_ms || now_ms - due_ms <= LIMIT_DNS_STILL_MS)
        return;
    look_ups_stood_still(r->look_ups, now_ms);
    log_notice("resolver-stood-still", "late_ms=%" PRIu64 " blames_nobody_for_s=%" PRIu64,
               now_ms - due_ms, LIMIT_DNS_STILL_GRACE_MS / 1000);
}

static void sleep_or_poll(struct resolver *r, uint64_t until_ms)
{
    uint64_t now_ms = clock_boot_ms();

    watch_clock(r, r->turn_ms, now_ms);
    if (until_ms > now_ms && !mailbox_may_sleep(r->mailbox))
        until_ms = 0;
    r->due_ms = until_ms > now_ms ? until_ms : now_ms;
    for (unsigned turns = 0; turns < DRAIN_TURNS; turns++) {
        int handed = ring_turn(r->ring, turns == 0 ? until_ms : 0, ring_reported, r);
        CHECK(handed >= 0);
        if (handed < RING_BATCH)
            break;
    }
    mailbox_awake(r->mailbox);
}

static void turn(struct resolver *r)
{
    uint64_t now_ms = clock_boot_ms();

    watch_clock(r, r->due_ms, now_ms);
    r->turn_ms = now_ms;
    look_ups_reply(r->look_ups);
    bool more = run_timers(r, now_ms);
    uint64_t until_ms = self_test_turn(&r->self_test, now_ms);
    take_questions(r);
    if (may_begin(r, now_ms))
        more |= look_ups_begin(r->look_ups, now_ms);
    else
        until_ms = earlier(until_ms, r->grace_until_ms);
    look_ups_reply(r->look_ups);
    mailbox_flush(r->mailbox);
    resolver_events_retry(r->events);
    sleep_or_poll(r, more ? 0 : earlier(until_ms, wheel_next_ms(r->wheel)));
}

/* --- life --- */

static int listen_for_stop(struct resolver *r)
{
    struct ring_token token = {.operation = OPERATION_STOP};
    return ring_poll(r->ring, token, r->stop_event, POLLIN);
}

static int set_up_loop(struct resolver *r)
{
    const struct ring_limits limits = {.submissions = RING_ENTRIES};
    int error = ring_create(&r->ring, &limits);

    if (error < 0) {
        (void)snprintf(r->why, WHY_BYTES, "%s", ring_why_unavailable(error));
        return error;
    }
    error = wheel_create(&r->wheel, clock_boot_ms());
    if (error == 0)
        error = resolver_events_create(&r->events, r->ring, r->wheel,
                                       LIMIT_DNS_UDP_SOCKETS + LIMIT_DNS_TCP_SOCKETS);
    if (error == 0)
        error = listen_for_stop(r);
    if (error < 0)
        (void)snprintf(r->why, WHY_BYTES, "no memory for a resolver");
    return error;
}

static void say_bogus_name(char *why, size_t why_size, const char *bogus_name)
{
    (void)snprintf(why, why_size, "dns.bogus_name: \"%s\" is no domain name", bogus_name);
}

static int set_up_look_ups(struct resolver *r)
{
    uint32_t held = r->options.outstanding ? r->options.outstanding : STANDARD_HELD;
    const struct look_ups_limits limits = {
        .held = held + SELF_TEST_QUESTIONS,
        .inside = held < LIMIT_DNS_INSIDE ? held : LIMIT_DNS_INSIDE,
        .abandoned = LIMIT_DNS_ABANDONED,
    };
    const struct look_ups_world world = {
        .context = r, .begin = look_up_hand_over, .reply = question_home};
    int error = look_ups_create(&r->look_ups, &limits, &world, r->wheel, &r->counts);

    if (error < 0) {
        (void)snprintf(r->why, WHY_BYTES, "no memory for a resolver");
        return error;
    }
    error = self_test_create(&r->self_test, r->look_ups, r->options.bogus_name, &r->counts);
    if (error < 0)
        say_bogus_name(r->why, WHY_BYTES, r->options.bogus_name);
    return error;
}

static int set_up(struct resolver *r)
{
    int error = set_up_loop(r);

    if (error == 0)
        error = set_up_look_ups(r);
    if (error == 0)
        error = resolver_context_create(&r->context, &r->options, resolver_events_base(r->events),
                                        r->why, WHY_BYTES);
    if (error < 0)
        return error;
    r->mailbox = mailbox_open(r->exchange, r->me, wake_peer, r);
    uint64_t now_ms = clock_boot_ms();
    r->due_ms = now_ms;
    r->grace_until_ms = now_ms + RESOLVER_GRACE_MS;
    (void)self_test_turn(&r->self_test, now_ms);
    (void)look_ups_begin(r->look_ups, now_ms);
    return 0;
}

/* Everything held goes home; what is parked is offered for a while, should its asker be slow. */
static void answer_all(struct resolver *r)
{
    uint64_t now_ms = clock_boot_ms(), until_ms = now_ms + STOP_FLUSH_MS;
    struct message *message;

    while ((message = mailbox_receive(r->mailbox)))
        look_ups_ask(r->look_ups, container_of(message, struct dns_question, message), now_ms);
    look_ups_stop(r->look_ups, now_ms);
    while (mailbox_flush(r->mailbox) > 0 && now_ms < until_ms) {
        now_ms = clock_boot_ms();
        CHECK(ring_turn(r->ring, now_ms + 10, ring_reported, r) >= 0);
    }
}

static void tear_down(struct resolver *r)
{
    r->stopped = true;
    if (r->mailbox)
        answer_all(r);
    if (r->context)
        resolver_context_delete(r->context);
    look_ups_destroy(r->look_ups);
    resolver_events_destroy(r->events);
    wheel_destroy(r->wheel);
    ring_destroy(r->ring);
}

static void *resolver_run(void *argument)
{
    struct resolver *r = argument;

    (void)pthread_setname_np(pthread_self(), "resolver");
    r->error = set_up(r);
    r->why = NULL;
    int error =
        r->error; /* after the post a failed starter reads it and frees nothing before join */
    CHECK(sem_post(&r->ready) == 0);
    if (error == 0)
        while (!atomic_load_explicit(&r->stopping, memory_order_acquire))
            turn(r);
    tear_down(r);
    return NULL;
}

static void resolver_free(struct resolver *r)
{
    if (r->stop_event >= 0)
        close(r->stop_event);
    (void)sem_destroy(&r->ready);
    free(r);
}

int resolver_start(struct resolver **out, const struct resolver_options *options,
                   struct exchange *exchange, uint16_t me, char *why)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (!r) {
        (void)snprintf(why, WHY_BYTES, "no memory for a resolver");
        return -ENOMEM;
    }
    r->options = *options;
    r->why = why;
    r->exchange = exchange;
    r->ring_descriptors = options->ring_descriptors;
    r->me = me;
    CHECK(sem_init(&r->ready, 0, 0) == 0);
    r->stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = r->stop_event < 0 ? errno : pthread_create(&r->thread, NULL, resolver_run, r);
    if (error != 0) {
        (void)snprintf(why, WHY_BYTES, "cannot start a resolver thread: %s", strerror(error));
        resolver_free(r);
        return -error;
    }
    while (sem_wait(&r->ready) != 0)
        CHECK(errno == EINTR);
    error = r->error;
    if (error < 0) {
        (void)pthread_join(r->thread, NULL);
        resolver_free(r);
        return error;
    }
    *out = r;
    return 0;
}

int resolver_judge(const struct resolver_options *options, char *why, size_t why_size)
{
    struct ub_ctx *context;
    struct name bogus;

    if (!self_test_read_bogus(&bogus, options->bogus_name)) {
        say_bogus_name(why, why_size, options->bogus_name);
        return -EINVAL;
    }
    int error = resolver_context_create(&context, options, NULL, why, why_size);
    if (error == 0)
        resolver_context_delete(context);
    return error;
}

int resolver_descriptor(const struct resolver *resolver)
{
    return ring_descriptor(resolver->ring);
}

void resolver_stop(struct resolver *r)
{
    uint64_t one = 1;

    if (!r)
        return;
    atomic_store_explicit(&r->stopping, true, memory_order_release);
    CHECK(write(r->stop_event, &one, sizeof one) == (ssize_t)sizeof one);
    CHECK(pthread_join(r->thread, NULL) == 0);
    resolver_free(r);
}

const struct resolver_counts *resolver_counts(const struct resolver *resolver)
{
    return &resolver->counts;
}

const char *resolver_self_test_text(const struct resolver *resolver)
{
    /* Relaxed: the texts are constants. */
    return atomic_load_explicit(&resolver->self_test.text, memory_order_relaxed);
}
