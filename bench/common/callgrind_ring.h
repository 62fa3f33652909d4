/*
 * callgrind_ring.h - threads with rings under callgrind, and when to count them.
 *
 * Included by benchmarks that run themselves under callgrind with more than one thread. Valgrind
 * lets one thread run at a time, and (3.19) does not let go while that thread waits in
 * io_uring_enter: the first thread with nothing to do stops all others. So the one function in
 * which a ring waits is defined here, before the library's own is looked for: under valgrind it
 * waits in poll, where valgrind does let go, and then enters without waiting.
 *
 * Start with "--instr-atstart=no"; the process says itself, for all its threads, when it counts.
 */
#ifndef MXWARD_BENCH_COMMON_CALLGRIND_RING_H
#define MXWARD_BENCH_COMMON_CALLGRIND_RING_H

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else /* nor is there valgrind, and nobody is under it */
#define RUNNING_ON_VALGRIND             0
#define CALLGRIND_START_INSTRUMENTATION (void)0
#define CALLGRIND_STOP_INSTRUMENTATION  (void)0
#endif

typedef int callgrind_ring_wait(struct io_uring *ring, struct io_uring_cqe **completion,
                                unsigned wanted, struct __kernel_timespec *patience,
                                sigset_t *signals);

/* Signalled by the kernel when the thread's ring has something to do; a ring itself cannot be
 * waited for with poll, since its work is deferred until its thread enters (DEFER_TASKRUN). */
static int callgrind_ring_event(struct io_uring *ring)
{
    static _Thread_local int event = -1; /* each thread has one ring, for its whole life */
    if (event < 0) {
        event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        CHECK(event >= 0 && io_uring_register_eventfd(ring, event) == 0);
    }
    return event;
}

/* Until there is a completion; -ETIME: there is none. */
static int callgrind_ring_poll(struct io_uring *ring, struct io_uring_cqe **completion,
                               uint64_t until_ms)
{
    struct pollfd waits = {.fd = callgrind_ring_event(ring), .events = POLLIN};
    int submitted = io_uring_submit_and_get_events(ring);
    while (submitted >= 0 && io_uring_peek_cqe(ring, completion) != 0) {
        uint64_t now_ms = clock_boot_ms(), left_ms = until_ms - now_ms, signalled;
        if (now_ms >= until_ms)
            return -ETIME;
        /* Taken before the look: what comes after the look signals anew. */
        if (poll(&waits, 1, left_ms < 1000 ? (int)left_ms : 1000) == 1)
            (void)!read(waits.fd, &signalled, sizeof signalled);
        (void)io_uring_get_events(ring);
    }
    return submitted;
}

/* liburing's, as far as engine/loop/ring.c needs it. */
int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **completion,
                                     unsigned wanted, struct __kernel_timespec *patience,
                                     sigset_t *signals)
{
    static _Atomic(callgrind_ring_wait *) own; /* relaxed: whoever looks finds the same */
    if (RUNNING_ON_VALGRIND && wanted == 1)
        return callgrind_ring_poll(ring, completion,
                                   patience == NULL
                                       ? UINT64_MAX
                                       : clock_boot_ms() + (uint64_t)(patience->tv_sec * 1000 +
                                                                      patience->tv_nsec / 1000000));
    callgrind_ring_wait *wait = atomic_load_explicit(&own, memory_order_relaxed);
    if (wait == NULL) {
        void *found = dlsym(RTLD_NEXT, "io_uring_submit_and_wait_timeout");
        CHECK(found != NULL);
        memcpy(&wait, &found, sizeof wait);
        atomic_store_explicit(&own, wait, memory_order_relaxed);
    }
    return wait(ring, completion, wanted, patience, signals);
}

#endif
