/*
 * dns_events_test.c - the event base that libunbound is given, driven as libunbound drives it and
 * as it well might: real sockets, a real ring, a real wheel.
 *
 * The cases are the traps found with libunbound 1.17.1: events freed in their own callback, sockets
 * closed and their descriptors used again while a poll is under way, timeouts that start anew,
 * errors that count as what was waited for, and a submission queue without room.
 */
#include "engine/dns/resolver_events.h"

#include "engine/base/clock.h"

#include <unbound-event.h>

#include <check.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct ring *ring;
static struct wheel *wheel;
static struct resolver_events *events;

/* What an event's callback saw, and what it is to do. */
struct seen {
    struct ub_event *event;
    unsigned calls;
    short bits;
    enum { NOTHING, READ_ONE, DELETE, FREE, AGAIN } manner;
    int fd;
};

static void called_back(int fd, short bits, void *argument)
{
    struct seen *seen = argument;
    char byte;

    seen->calls++;
    seen->bits = bits;
    seen->fd = fd;
    if (seen->manner == READ_ONE)
        ck_assert_int_eq(read(fd, &byte, 1), 1);
    if (seen->manner == DELETE)
        seen->event->vmt->del(seen->event);
    if (seen->manner == FREE)
        seen->event->vmt->free(seen->event);
    if (seen->manner == AGAIN && seen->calls < 3) {
        struct timeval tv = {.tv_usec = 1000};
        seen->event->vmt->add_timer(seen->event, NULL, called_back, seen, &tv);
    }
}

static void completed(void *context, const struct ring_completion *completion)
{
    (void)context;
    ck_assert_uint_eq(completion->token.operation, RESOLVER_OPERATION_POLL);
    resolver_events_completed(events, completion);
}

static void run_for(uint64_t ms)
{
    uint64_t end_ms = clock_boot_ms() + ms;
    do {
        struct wheel_timer *timer;
        while ((timer = wheel_take_due(wheel, clock_boot_ms())))
            resolver_events_due(events, timer);
        resolver_events_retry(events);
        uint64_t next_ms = wheel_next_ms(wheel);
        ck_assert_int_ge(ring_turn(ring, next_ms < end_ms ? next_ms : end_ms, completed, NULL), 0);
    } while (clock_boot_ms() < end_ms);
}

static void open_base(uint32_t submissions, uint32_t sockets)
{
    struct ring_limits limits = {.submissions = submissions};
    ck_assert_int_eq(ring_create(&ring, &limits), 0);
    ck_assert_int_eq(wheel_create(&wheel, clock_boot_ms()), 0);
    ck_assert_int_eq(resolver_events_create(&events, ring, wheel, sockets), 0);
}

static void close_base(void)
{
    run_for(20); /* what was cancelled comes home */
    ck_assert_uint_eq(ring_in_flight(ring), 0);
    resolver_events_destroy(events);
    wheel_destroy(wheel);
    ring_destroy(ring);
}

static void make_event(struct seen *seen, int fd, short bits)
{
    struct ub_event_base *base = resolver_events_base(events);
    seen->event = base->vmt->new_event(base, fd, bits, called_back, seen);
    ck_assert_ptr_nonnull(seen->event);
    ck_assert_uint_eq(seen->event->magic, UB_EVENT_MAGIC);
}

static void make_pair(int pair[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void put(int fd)
{
    ck_assert_int_eq(write(fd, "x", 1), 1);
}

#define DO(seen, what, ...) ((seen).event->vmt->what((seen).event __VA_OPT__(, ) __VA_ARGS__))

START_TEST(the_tables_are_complete_and_marked)
{
    open_base(64, 8);
    struct ub_event_base *base = resolver_events_base(events);
    ck_assert_uint_eq(base->magic, UB_EVENT_MAGIC);
    ck_assert(base->vmt->free && base->vmt->dispatch && base->vmt->loopexit &&
              base->vmt->new_event && base->vmt->new_signal);
    struct seen seen = {0};
    make_event(&seen, -1, UB_EV_READ);
    const struct ub_event_vmt *t = seen.event->vmt;
    ck_assert(t->add_bits && t->del_bits && t->set_fd && t->free && t->add && t->del &&
              t->add_timer && t->del_timer && t->add_signal && t->del_signal);
    DO(seen, free);
    close_base();
}
END_TEST

START_TEST(a_persistent_event_fires_as_long_as_there_is_something)
{
    struct seen seen = {.manner = READ_ONE};
    int pair[2];
    open_base(64, 8);
    make_pair(pair);
    make_event(&seen, pair[0], UB_EV_READ | UB_EV_PERSIST);
    run_for(5);
    ck_assert_uint_eq(seen.calls, 0); /* not added yet */
    ck_assert_int_eq(DO(seen, add, NULL), 0);
    put(pair[1]);
    put(pair[1]);
    put(pair[1]);
    run_for(20);
    ck_assert_uint_eq(seen.calls, 3);
    ck_assert_int_eq(seen.bits, UB_EV_READ);
    ck_assert_int_eq(seen.fd, pair[0]);
    DO(seen, del);
    put(pair[1]);
    run_for(20);
    ck_assert_uint_eq(seen.calls, 3);
    DO(seen, free);
    close_base();
}
END_TEST

START_TEST(an_event_that_is_not_persistent_fires_once)
{
    struct seen seen = {0};
    int pair[2];
    open_base(64, 8);
    make_pair(pair);
    make_event(&seen, pair[0], UB_EV_READ | UB_EV_TIMEOUT);
    struct timeval tv = {.tv_usec = 10000};
    ck_assert_int_eq(DO(seen, add, &tv), 0);
    put(pair[1]);
    run_for(30);
    ck_assert_uint_eq(seen.calls, 1);
    ck_assert_int_eq(seen.bits, UB_EV_READ); /* and its timeout is gone */
    DO(seen, free);
    close_base();
}
END_TEST

START_TEST(an_event_deleted_or_freed_in_its_own_callback_stays_quiet)
{
    for (int manner = DELETE; manner <= FREE; manner++) {
        struct seen seen = {.manner = manner == DELETE ? DELETE : FREE};
        int pair[2];
        open_base(64, 8);
        make_pair(pair);
        make_event(&seen, pair[0], UB_EV_READ | UB_EV_PERSIST);
        ck_assert_int_eq(DO(seen, add, NULL), 0);
        put(pair[1]); /* never read: it would fire again and again */
        run_for(20);
        ck_assert_uint_eq(seen.calls, 1);
        if (manner == DELETE)
            DO(seen, free);
        close_base();
    }
}
END_TEST

START_TEST(a_timer_of_zero_runs_in_this_turn_and_may_be_freed_in_it)
{
    struct seen seen = {.manner = FREE};
    struct timeval zero = {0};
    open_base(64, 8);
    make_event(&seen, -1, UB_EV_TIMEOUT);
    DO(seen, add_timer, NULL, called_back, &seen, &zero);
    struct wheel_timer *timer = wheel_take_due(wheel, clock_boot_ms());
    ck_assert_ptr_nonnull(timer);
    resolver_events_due(events, timer);
    ck_assert_uint_eq(seen.calls, 1);
    ck_assert_int_eq(seen.bits, UB_EV_TIMEOUT);
    close_base();
}
END_TEST

START_TEST(a_timer_waits_and_can_be_set_again_from_inside)
{
    struct seen seen = {.manner = AGAIN};
    struct timeval tv = {.tv_usec = 20001};
    open_base(64, 8);
    make_event(&seen, -1, UB_EV_TIMEOUT);
    uint64_t start_us = clock_boot_us();
    DO(seen, add_timer, NULL, called_back, &seen, &tv);
    while (seen.calls == 0)
        run_for(1);
    ck_assert_uint_ge(clock_boot_us() - start_us, 20000);
    run_for(20);
    ck_assert_uint_eq(seen.calls, 3);
    DO(seen, add_timer, NULL, called_back, &seen, &tv);
    DO(seen, del_timer);
    run_for(40);
    ck_assert_uint_eq(seen.calls, 3);
    DO(seen, free);
    close_base();
}
END_TEST

START_TEST(activity_starts_the_timeout_of_a_persistent_event_anew)
{
    struct seen seen = {.manner = READ_ONE};
    struct timeval tv = {.tv_usec = 300000};
    int pair[2];
    open_base(64, 8);
    make_pair(pair);
    make_event(&seen, pair[0], UB_EV_READ | UB_EV_PERSIST | UB_EV_TIMEOUT);
    ck_assert_int_eq(DO(seen, add, &tv), 0);
    for (unsigned i = 0; i < 4; i++) {
        run_for(150);
        put(pair[1]);
    }
    run_for(10);
    ck_assert_uint_eq(seen.calls, 4); /* 600 ms, and no timeout */
    ck_assert_int_eq(seen.bits, UB_EV_READ);
    seen.manner = NOTHING;
    run_for(330);
    ck_assert_uint_eq(seen.calls, 5);
    ck_assert_int_eq(seen.bits, UB_EV_TIMEOUT);
    DO(seen, free);
    close_base();
}
END_TEST

START_TEST(an_end_or_an_error_counts_as_what_was_waited_for)
{
    struct seen reads = {.manner = DELETE}, writes = {.manner = DELETE}, bad = {.manner = DELETE};
    int pair[2];
    open_base(64, 8);
    make_pair(pair);
    make_event(&reads, pair[0], UB_EV_READ | UB_EV_PERSIST);
    ck_assert_int_eq(DO(reads, add, NULL), 0);
    close(pair[1]);
    run_for(10);
    ck_assert_uint_eq(reads.calls, 1);
    ck_assert_int_eq(reads.bits, UB_EV_READ);

    int refused = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    make_event(&writes, refused, UB_EV_WRITE | UB_EV_PERSIST); /* not connected: hung up */
    ck_assert_int_eq(DO(writes, add, NULL), 0);
    run_for(10);
    ck_assert_uint_eq(writes.calls, 1);
    ck_assert_int_eq(writes.bits, UB_EV_WRITE);

    make_event(&bad, 900, UB_EV_READ | UB_EV_PERSIST); /* no such descriptor */
    ck_assert_int_eq(DO(bad, add, NULL), 0);
    run_for(10);
    ck_assert_uint_eq(bad.calls, 1);
    ck_assert_int_eq(bad.bits, UB_EV_READ);
    DO(reads, free);
    DO(writes, free);
    DO(bad, free);
    close_base();
}
END_TEST

START_TEST(a_poll_on_a_descriptor_used_again_reaches_nobody)
{
    struct seen old = {0}, fresh = {.manner = READ_ONE};
    int first[2], second[2];
    open_base(64, 8);
    make_pair(first);
    make_event(&old, first[0], UB_EV_READ | UB_EV_PERSIST);
    ck_assert_int_eq(DO(old, add, NULL), 0); /* queued, not submitted */
    DO(old, del);
    close(first[0]);
    make_pair(second); /* takes the same number */
    int reused = second[0] == first[0] ? second[0] : second[1];
    ck_assert_int_eq(reused, first[0]);
    make_event(&fresh, reused, UB_EV_READ | UB_EV_PERSIST);
    ck_assert_int_eq(DO(fresh, add, NULL), 0);
    put(reused == second[0] ? second[1] : second[0]);
    run_for(20);
    ck_assert_uint_eq(old.calls, 0);
    ck_assert_uint_eq(fresh.calls, 1);
    DO(old, free);
    DO(fresh, free);
    close_base();
}
END_TEST

START_TEST(an_event_moves_to_another_socket_as_libunbound_moves_it)
{
    struct seen seen = {.manner = READ_ONE};
    struct timeval tv = {.tv_usec = 40000}; /* of its first life only */
    int first[2], second[2];
    open_base(64, 8);
    make_pair(first);
    make_pair(second);
    make_event(&seen, first[0], UB_EV_READ | UB_EV_PERSIST | UB_EV_TIMEOUT);
    ck_assert_int_eq(DO(seen, add, &tv), 0);
    run_for(2);
    DO(seen, del);
    DO(seen, del_bits, UB_EV_TIMEOUT);
    DO(seen, set_fd, second[0]);
    ck_assert_int_eq(DO(seen, add, NULL), 0);
    put(first[1]);
    put(second[1]);
    run_for(80);
    ck_assert_uint_eq(seen.calls, 1);
    ck_assert_int_eq(seen.bits, UB_EV_READ);
    ck_assert_int_eq(seen.fd, second[0]);
    DO(seen, del);
    DO(seen, del_bits, UB_EV_READ);
    DO(seen, add_bits, UB_EV_WRITE);
    seen.manner = DELETE;
    ck_assert_int_eq(DO(seen, add, NULL), 0);
    run_for(20);
    ck_assert_uint_eq(seen.calls, 2);
    ck_assert_int_eq(seen.bits, UB_EV_WRITE);
    DO(seen, free);
    close_base();
}
END_TEST

START_TEST(when_no_place_is_free_adding_fails_and_works_again_later)
{
    enum { SOCKETS = 4 };
    struct seen seen[2 * SOCKETS + 1] = {0};
    int pairs[2 * SOCKETS + 1][2];
    open_base(64, SOCKETS); /* room for twice as many polls */
    for (unsigned i = 0; i <= 2 * SOCKETS; i++) {
        make_pair(pairs[i]);
        make_event(&seen[i], pairs[i][0], UB_EV_READ | UB_EV_PERSIST);
        ck_assert_int_eq(DO(seen[i], add, NULL), i < 2 * SOCKETS ? 0 : -1);
    }
    DO(seen[0], del);
    run_for(20);
    ck_assert_int_eq(DO(seen[2 * SOCKETS], add, NULL), 0);
    for (unsigned i = 0; i <= 2 * SOCKETS; i++)
        DO(seen[i], free);
    close_base();
}
END_TEST

START_TEST(many_events_through_a_tiny_submission_queue_all_fire)
{
    enum { MANY = 200 };
    static struct seen seen[MANY];
    int pairs[MANY][2];
    open_base(4, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        seen[i].manner = i % 2 ? READ_ONE : DELETE;
        make_pair(pairs[i]);
        make_event(&seen[i], pairs[i][0], UB_EV_READ | UB_EV_PERSIST);
        ck_assert_int_eq(DO(seen[i], add, NULL), 0);
    }
    for (unsigned i = 0; i < MANY; i++)
        put(pairs[i][1]);
    run_for(100);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(seen[i].calls, 1);
        DO(seen[i], free);
    }
    close_base();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dns events");
    TCase *tests = tcase_create("events");
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, the_tables_are_complete_and_marked);
    tcase_add_test(tests, a_persistent_event_fires_as_long_as_there_is_something);
    tcase_add_test(tests, an_event_that_is_not_persistent_fires_once);
    tcase_add_test(tests, an_event_deleted_or_freed_in_its_own_callback_stays_quiet);
    tcase_add_test(tests, a_timer_of_zero_runs_in_this_turn_and_may_be_freed_in_it);
    tcase_add_test(tests, a_timer_waits_and_can_be_set_again_from_inside);
    tcase_add_test(tests, activity_starts_the_timeout_of_a_persistent_event_anew);
    tcase_add_test(tests, an_end_or_an_error_counts_as_what_was_waited_for);
    tcase_add_test(tests, a_poll_on_a_descriptor_used_again_reaches_nobody);
    tcase_add_test(tests, an_event_moves_to_another_socket_as_libunbound_moves_it);
    tcase_add_test(tests, when_no_place_is_free_adding_fails_and_works_again_later);
    tcase_add_test(tests, many_events_through_a_tiny_submission_queue_all_fire);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
