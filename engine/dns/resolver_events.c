/*
 * resolver_events.c - libunbound's events as polls of a ring and timers of a wheel.
 *
 * An event is libunbound's and lives by its calls: new_event … free. A poll is ours: it lives from
 * being submitted until its completion, which may come long after the event has lost interest, been
 * given another socket, or been freed. So an event names its poll and a poll its event, and either
 * side can let go of the other; the token's generation sorts out the rest.
 *
 * What libunbound 1.17.1 does with these functions, and what follows:
 *   - It frees timer events inside their own callback: the memory goes when the callback is back.
 *   - It closes a socket after `del`. A poll on it may not have been submitted yet and then watches
 *     whatever has that descriptor next; its completion finds no event and is dropped.
 *   - An event with PERSIST stays: its poll is armed again after the callback, and the timeout
 *     starts anew (libevent's rule). For UDP that never happens, it is deleted in its callback.
 *   - Errors and hang-ups count as whatever was waited for.
 *   - A timer of zero is how queries are sent; it runs in the same turn of the loop.
 *
 * Failure: no poll free or no memory is an error code to libunbound, which gives that query up.
 */
#include "engine/dns/resolver_events.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/keymap.h"
#include "engine/base/limits.h"
#include "engine/loop/pool.h"

#include <unbound.h>
#include <unbound-event.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/time.h>

typedef void event_callback(int fd, short bits, void *argument);

struct event;

struct watch {           /* a submitted poll */
    struct event *event; /* NULL: nobody waits for it any more */
    bool cancel_owed;    /* the queue had no room to cancel it */
};

struct event {
    struct ub_event base; /* first: libunbound knows only this */
    struct resolver_events *events;
    event_callback *callback;
    void *argument;
    int fd;
    short bits; /* UB_EV_… */
    bool added;
    bool arm_owed;      /* the queue had no room to arm it again */
    bool running, dead; /* in its callback; freed meanwhile */
    struct watch *watch;
    uint64_t timeout_ms; /* of `add`, for arming again */
    struct wheel_timer timer;
    LIST_ENTRY(event) owed; /* in owed_arming while arm_owed */
};

struct resolver_events {
    struct ub_event_base base; /* first */
    struct ring *ring;
    struct wheel *wheel;
    struct pool *watches;
    uint32_t cancels_owed;
    LIST_HEAD(event_list, event) owed_arming;
};

static struct event *event_of(struct ub_event *event)
{
    return container_of(event, struct event, base);
}

/* --- polls --- */

static struct ring_token token_of(const struct resolver_events *events, const struct watch *watch)
{
    return (struct ring_token){.operation = RESOLVER_OPERATION_POLL,
                               .slot = pool_slot(events->watches, watch),
                               .generation = pool_generation(events->watches, watch)};
}

static short poll_bits(short bits)
{
    return (short)((bits & UB_EV_READ ? POLLIN : 0) | (bits & UB_EV_WRITE ? POLLOUT : 0));
}

static int event_arm(struct event *event)
{
    struct resolver_events *events = event->events;

    if (!(event->bits & (UB_EV_READ | UB_EV_WRITE)) || event->fd < 0)
        return 0;
    CHECK(!event->watch);
    struct watch *watch = pool_take(events->watches);
    if (!watch)
        return -ENOBUFS;
    int error = ring_poll(events->ring, token_of(events, watch), event->fd, poll_bits(event->bits));
    if (error < 0) {
        pool_give(events->watches, watch);
        return error;
    }
    watch->event = event;
    event->watch = watch;
    return 0;
}

/* The event no longer waits; its poll goes on until the kernel gives it back. */
static void event_disarm(struct event *event)
{
    struct resolver_events *events = event->events;

    if (event->arm_owed) {
        LIST_REMOVE(event, owed);
        event->arm_owed = false;
    }
    if (!event->watch)
        return;
    event->watch->event = NULL;
    if (ring_cancel(events->ring, token_of(events, event->watch)) < 0) {
        event->watch->cancel_owed = true;
        events->cancels_owed++;
    }
    event->watch = NULL;
}

/* --- timers --- */

/* Rounded up; what the clock has already used of this millisecond (under one) may be missing. */
static uint64_t milliseconds(const struct timeval *tv)
{
    return (uint64_t)tv->tv_sec * 1000 + ((uint64_t)tv->tv_usec + 999) / 1000;
}

static void event_arm_timer(struct event *event, uint64_t timeout_ms)
{
    event->timeout_ms = timeout_ms;
    wheel_arm(event->events->wheel, &event->timer, clock_boot_ms() + timeout_ms);
}

/* --- the table that libunbound calls --- */

static void event_add_bits(struct ub_event *ub, short bits)
{
    event_of(ub)->bits |= bits;
}

static void event_del_bits(struct ub_event *ub, short bits)
{
    event_of(ub)->bits &= (short)~bits;
}

static void event_set_fd(struct ub_event *ub, int fd)
{
    event_of(ub)->fd = fd;
}

static int event_del(struct ub_event *ub)
{
    struct event *event = event_of(ub);

    event->added = false;
    event_disarm(event);
    wheel_disarm(event->events->wheel, &event->timer);
    return 0;
}

static int event_add(struct ub_event *ub, struct timeval *tv)
{
    struct event *event = event_of(ub);

    (void)event_del(ub);
    event->timeout_ms = 0;
    if (event_arm(event) < 0)
        return -1;
    event->added = true;
    if (tv && event->bits & UB_EV_TIMEOUT)
        event_arm_timer(event, milliseconds(tv));
    return 0;
}

static void event_release(struct event *event)
{
    if (event->running)
        event->dead = true; /* event_run frees it */
    else
        free(event);
}

static void event_free(struct ub_event *ub)
{
    (void)event_del(ub);
    event_release(event_of(ub));
}

static int event_add_timer(struct ub_event *ub, struct ub_event_base *base,
                           event_callback *callback, void *argument, struct timeval *tv)
{
    struct event *event = event_of(ub);

    (void)base; /* there is only one */
    event->callback = callback;
    event->argument = argument;
    event->bits = UB_EV_TIMEOUT;
    event->added = true;
    event_arm_timer(event, milliseconds(tv));
    return 0;
}

static int event_no_signal_add(struct ub_event *ub, struct timeval *tv)
{
    (void)ub, (void)tv;
    return -1;
}

static int event_no_signal_del(struct ub_event *ub)
{
    (void)ub;
    return -1;
}

static struct ub_event_vmt event_table = {
    .add_bits = event_add_bits,
    .del_bits = event_del_bits,
    .set_fd = event_set_fd,
    .free = event_free,
    .add = event_add,
    .del = event_del,
    .add_timer = event_add_timer,
    .del_timer = event_del,
    .add_signal = event_no_signal_add,
    .del_signal = event_no_signal_del,
};

static struct ub_event *base_new_event(struct ub_event_base *base, int fd, short bits,
                                       event_callback *callback, void *argument)
{
    struct event *event = calloc(1, sizeof *event);

    if (!event)
        return NULL;
    event->base.magic = UB_EVENT_MAGIC;
    event->base.vmt = &event_table;
    event->events = container_of(base, struct resolver_events, base);
    event->callback = callback;
    event->argument = argument;
    event->fd = fd;
    event->bits = bits;
    event->timer.token.operation = RESOLVER_OPERATION_TIMER;
    return &event->base;
}

/* The library worker never runs a loop of its own, takes no signals and frees no base; the table
 * must be full nevertheless. */
static void base_free(struct ub_event_base *base)
{
    (void)base;
}

static int base_dispatch(struct ub_event_base *base)
{
    (void)base;
    return -1;
}

static int base_loopexit(struct ub_event_base *base, struct timeval *tv)
{
    (void)base, (void)tv;
    return -1;
}

static struct ub_event *base_no_signal(struct ub_event_base *base, int fd, event_callback *callback,
                                       void *argument)
{
    (void)base, (void)fd, (void)callback, (void)argument;
    return NULL;
}

static struct ub_event_base_vmt base_table = {
    .free = base_free,
    .dispatch = base_dispatch,
    .loopexit = base_loopexit,
    .new_event = base_new_event,
    .new_signal = base_no_signal,
};

/* --- running --- */

static void event_run(struct event *event, short bits)
{
    CHECK(!event->running);
    event->running = true;
    event->callback(event->fd, bits, event->argument);
    event->running = false;
    if (event->dead) {
        free(event);
        return;
    }
    if (!event->added || !(event->bits & UB_EV_PERSIST))
        return;
    if (!event->watch && !event->arm_owed && event_arm(event) < 0) {
        event->arm_owed = true;
        LIST_INSERT_HEAD(&event->events->owed_arming, event, owed);
    }
    if (event->timeout_ms > 0 && !wheel_armed(&event->timer))
        event_arm_timer(event, event->timeout_ms);
}

void resolver_events_completed(struct resolver_events *events,
                               const struct ring_completion *completion)
{
    struct watch *watch =
        pool_find(events->watches, completion->token.slot, completion->token.generation);
    CHECK(watch); /* each poll completes exactly once */
    struct event *event = watch->event;

    if (watch->cancel_owed)
        events->cancels_owed--;
    pool_give(events->watches, watch);
    if (!event)
        return;
    event->watch = NULL;
    short ready = 0;
    if (completion->result < 0 || completion->result & (POLLERR | POLLHUP | POLLNVAL))
        ready = event->bits & (UB_EV_READ | UB_EV_WRITE);
    if (completion->result > 0)
        ready |= (short)((completion->result & POLLIN ? UB_EV_READ : 0) |
                         (completion->result & POLLOUT ? UB_EV_WRITE : 0));
    wheel_disarm(events->wheel, &event->timer);
    event->added = event->bits & UB_EV_PERSIST;
    event_run(event, ready & event->bits);
}

void resolver_events_due(struct resolver_events *events, struct wheel_timer *timer)
{
    struct event *event = container_of(timer, struct event, timer);

    (void)events;
    if (!(event->bits & UB_EV_PERSIST)) {
        event->added = false;
        event_disarm(event);
    }
    event_run(event, UB_EV_TIMEOUT);
}

static void retry_cancels(struct resolver_events *events)
{
    for (uint32_t slot = 0; slot < pool_slots(events->watches) && events->cancels_owed > 0;
         slot++) {
        struct watch *watch = pool_at(events->watches, slot);
        if (!watch || !watch->cancel_owed)
            continue;
        if (ring_cancel(events->ring, token_of(events, watch)) < 0)
            return;
        watch->cancel_owed = false;
        events->cancels_owed--;
    }
}

void resolver_events_retry(struct resolver_events *events)
{
    struct event *event;

    while ((event = LIST_FIRST(&events->owed_arming)) && event_arm(event) == 0) {
        LIST_REMOVE(event, owed);
        event->arm_owed = false;
    }
    if (events->cancels_owed > 0)
        retry_cancels(events);
}

/* --- life --- */

int resolver_events_create(struct resolver_events **out, struct ring *ring, struct wheel *wheel,
                           uint32_t sockets)
{
    struct resolver_events *events = calloc(1, sizeof *events);
    if (!events)
        return -ENOMEM;
    /* A cancelled poll holds its place until the kernel gives it back: twice as many. */
    int error = pool_create(&events->watches, "dns sockets", sizeof(struct watch), 2 * sockets);
    if (error < 0) {
        free(events);
        return error;
    }
    events->base.magic = UB_EVENT_MAGIC;
    events->base.vmt = &base_table;
    events->ring = ring;
    events->wheel = wheel;
    LIST_INIT(&events->owed_arming);
    *out = events;
    return 0;
}

void resolver_events_destroy(struct resolver_events *events)
{
    if (!events)
        return;
    pool_destroy(events->watches);
    free(events);
}

struct ub_event_base *resolver_events_base(struct resolver_events *events)
{
    return &events->base;
}
