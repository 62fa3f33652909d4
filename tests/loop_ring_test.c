/*
 * loop_ring_test.c - the ring on this kernel: loopback TCP and Unix sockets, both with registered
 * files and with plain descriptors (a loop test's _i: 0 registered, 1 plain).
 *
 * Exits 77 where io_uring cannot be had, except that the sentences for that case are tested always.
 */
#include "engine/loop/ring.h"

#include "engine/base/clock.h"

#include <check.h>
#include <arpa/inet.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPEN = 1, CONNECT, RECEIVE, SEND, ACCEPT };

/* --- what came out of turns --- */

struct seen {
    struct ring_completion done;
    uint8_t bytes[256]; /* copied while valid */
};

struct log {
    struct seen seen[1024];
    unsigned count;
};

static void note(void *context, const struct ring_completion *completion)
{
    struct log *log = context;

    ck_assert_uint_lt(log->count, 1024);
    struct seen *seen = &log->seen[log->count++];
    seen->done = *completion;
    if (completion->data != NULL) {
        ck_assert_int_gt(completion->result, 0);
        size_t size = (size_t)completion->result;
        memcpy(seen->bytes, completion->data,
               size < sizeof seen->bytes ? size : sizeof seen->bytes);
    }
}

static struct log seen;

static struct ring *new_ring(struct ring_limits limits)
{
    struct ring *ring;

    ck_assert_int_eq(ring_create(&ring, &limits), 0);
    return ring;
}

static struct ring *usual_ring(int plain)
{
    return new_ring((struct ring_limits){64, 64, 16, 4096, plain != 0});
}

/* Turns until `count` completions were seen in all, or two seconds. */
static void turn_until(struct ring *ring, unsigned count)
{
    uint64_t limit_ms = clock_boot_ms() + 2000;

    while (seen.count < count && clock_boot_ms() < limit_ms)
        ck_assert_int_ge(ring_turn(ring, limit_ms, note, &seen), 0);
    ck_assert_uint_ge(seen.count, count);
}

static void expect_nothing_more(struct ring *ring)
{
    unsigned before = seen.count;

    ck_assert_int_eq(ring_turn(ring, clock_boot_ms() + 20, note, &seen), 0);
    ck_assert_uint_eq(seen.count, before);
}

static struct ring_token token(uint8_t operation, uint32_t slot, uint32_t generation)
{
    return (struct ring_token){operation, slot, generation};
}

static const struct ring_completion *last(void)
{
    return &seen.seen[seen.count - 1].done;
}

/* --- the other side: plain blocking sockets --- */

static int listener(struct sockaddr_in *address, int backlog)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof *address;

    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(descriptor, (struct sockaddr *)address, size), 0);
    ck_assert_int_eq(listen(descriptor, backlog), 0);
    ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)address, &size), 0);
    return descriptor;
}

static ring_file open_file(struct ring *ring, uint32_t slot)
{
    unsigned before = seen.count;

    ck_assert_int_eq(ring_open(ring, token(OPEN, slot, 1), AF_INET), 0);
    turn_until(ring, before + 1);
    ck_assert_int_eq(last()->token.operation, OPEN);
    ck_assert_uint_eq(last()->token.slot, slot);
    ck_assert_int_ge(last()->result, 0);
    return last()->result;
}

/* A connected ring_file; the other end in *peer. */
static ring_file connected(struct ring *ring, uint32_t slot, int listening,
                           const struct sockaddr_in *address, int *peer)
{
    ring_file file = open_file(ring, slot);

    ck_assert_int_eq(ring_connect(ring, token(CONNECT, slot, 1), file,
                                  (const struct sockaddr *)address, sizeof *address),
                     0);
    turn_until(ring, seen.count + 1);
    ck_assert_int_eq(last()->token.operation, CONNECT);
    ck_assert_int_eq(last()->result, 0);
    *peer = accept(listening, NULL, NULL);
    ck_assert_int_ge(*peer, 0);
    return file;
}

static bool peer_sees_end(int peer)
{
    char byte;
    struct timeval two_seconds = {.tv_sec = 2};

    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &two_seconds, sizeof two_seconds);
    return read(peer, &byte, 1) == 0;
}

/* --- dialogue --- */

START_TEST(a_dialogue_over_loopback_goes_through)
{
    struct ring *ring = usual_ring(_i);
    struct sockaddr_in address;
    int peer, listening = listener(&address, 5);
    char got[16];
    ring_file file = connected(ring, 7, listening, &address, &peer);
    ck_assert_int_eq((file & RING_FILE_DIRECT) != 0, _i == 0 && ring_uses_direct_files(ring));

    ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 7, 3), file), 0);
    expect_nothing_more(ring);
    ck_assert_uint_eq(ring_in_flight(ring), 1);
    ck_assert_int_eq(write(peer, "220 hello\r\n", 11), 11);
    turn_until(ring, seen.count + 1);
    ck_assert_int_eq(last()->result, 11);
    ck_assert_uint_eq(last()->token.generation, 3);
    ck_assert_uint_eq(last()->flags, 0);
    ck_assert_mem_eq(seen.seen[seen.count - 1].bytes, "220 hello\r\n", 11);

    ck_assert_int_eq(ring_send(ring, token(SEND, 7, 4), file, "QUIT\r\n", 6), 0);
    turn_until(ring, seen.count + 1);
    ck_assert_int_eq(last()->result, 6);
    ck_assert_int_eq(read(peer, got, sizeof got), 6);

    close(peer);
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 7, 5), file), 0);
    turn_until(ring, seen.count + 1);
    ck_assert_int_eq(last()->result, 0);
    ck_assert_ptr_null(last()->data);
    ck_assert_uint_eq(ring_in_flight(ring), 0);
    ring_close(ring, file);
    ring_destroy(ring);
}
END_TEST

START_TEST(a_refused_connection_is_its_errno)
{
    struct ring *ring = usual_ring(_i);
    struct sockaddr_in address;
    int listening = listener(&address, 5);
    close(listening);
    ring_file file = open_file(ring, 0);
    ck_assert_int_eq(
        ring_connect(ring, token(CONNECT, 0, 1), file, (struct sockaddr *)&address, sizeof address),
        0);
    turn_until(ring, 2);
    ck_assert_int_eq(last()->result, -ECONNREFUSED);
    ring_close(ring, file);
    ring_destroy(ring);
}
END_TEST

START_TEST(sending_into_a_closed_connection_is_an_errno_not_a_signal)
{
    struct ring *ring = usual_ring(_i);
    struct sockaddr_in address;
    int peer, listening = listener(&address, 5);
    ring_file file = connected(ring, 0, listening, &address, &peer);
    close(peer);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ring_send(ring, token(SEND, 0, 1), file, "x", 1), 0);
        turn_until(ring, seen.count + 1);
        usleep(10000); /* the reset needs to come back */
    }
    ck_assert(last()->result == -EPIPE || last()->result == -ECONNRESET);
    ring_close(ring, file);
    ring_destroy(ring);
}
END_TEST

START_TEST(a_bound_file_connects_from_its_source)
{
    struct ring *ring = usual_ring(_i);
    struct sockaddr_in address, from;
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000005)};
    socklen_t size = sizeof from;
    int listening = listener(&address, 5);
    ring_file file = ring_open_bound(ring, AF_INET, (struct sockaddr *)&source, sizeof source);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(
        ring_connect(ring, token(CONNECT, 0, 1), file, (struct sockaddr *)&address, sizeof address),
        0);
    turn_until(ring, 1);
    int peer = accept(listening, (struct sockaddr *)&from, &size);
    ck_assert_uint_eq(from.sin_addr.s_addr, source.sin_addr.s_addr);
    ring_close(ring, file);
    ck_assert_int_eq(ring_turn(ring, 0, note, &seen), 0);
    ck_assert(peer_sees_end(peer));

    source.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 is not ours */
    ck_assert_int_eq(ring_open_bound(ring, AF_INET, (struct sockaddr *)&source, sizeof source),
                     -EADDRNOTAVAIL);
    ring_destroy(ring);
}
END_TEST

START_TEST(a_close_reaches_the_peer_while_another_file_still_waits)
{
    struct ring *ring = usual_ring(_i);
    struct sockaddr_in address;
    int slow, peer, listening = listener(&address, 5);
    ring_file waiting = connected(ring, 1, listening, &address, &slow);
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 1, 1), waiting), 0);
    ring_file file = connected(ring, 2, listening, &address, &peer);
    ring_close(ring, file);
    ck_assert_int_eq(ring_turn(ring, 0, note, &seen), 0);
    ck_assert(peer_sees_end(peer));
    ring_destroy(ring);
}
END_TEST

START_TEST(direct_files_run_out_as_enfile_and_come_back_with_the_close)
{
    struct ring *ring = new_ring((struct ring_limits){8, 2, 0, 0, false});
    if (!ring_uses_direct_files(ring)) {
        ring_destroy(ring);
        return;
    }
    ring_file first = open_file(ring, 1);
    (void)open_file(ring, 2);
    ck_assert_int_eq(ring_open(ring, token(OPEN, 3, 1), AF_INET), -ENFILE);
    ck_assert_int_eq(ring_open_bound(ring, AF_INET, NULL, 0), -ENFILE);
    ring_close(ring, first);
    ck_assert_int_eq(open_file(ring, 3), first); /* close and open go down in one submission */
    ck_assert_int_eq(ring_open(ring, token(OPEN, 3, 1), AF_INET), -ENFILE);
    ring_destroy(ring);
}
END_TEST

START_TEST(an_opening_that_fails_gives_its_place_back)
{
    struct ring *ring = new_ring((struct ring_limits){8, 1, 0, 0, _i != 0});
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ring_open(ring, token(OPEN, 1, 1), 12345), 0);
        turn_until(ring, seen.count + 1);
        ck_assert_int_eq(last()->result, -EAFNOSUPPORT);
    }
    ck_assert_uint_eq(ring_in_flight(ring), 0);
    ck_assert_int_ge(open_file(ring, 1), 0);
    ring_destroy(ring);
}
END_TEST

/* --- time --- */

START_TEST(a_turn_sleeps_until_its_time_and_not_at_all_with_zero)
{
    struct ring *ring = usual_ring(0);
    uint64_t began_ms = clock_boot_ms();
    ck_assert_int_eq(ring_turn(ring, began_ms + 50, note, &seen), 0);
    uint64_t slept_ms = clock_boot_ms() - began_ms;
    ck_assert_uint_ge(slept_ms, 49);
    ck_assert_uint_lt(slept_ms, 1000);
    began_ms = clock_boot_ms();
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(ring_turn(ring, i % 2 == 0 ? 0 : began_ms, note, &seen), 0);
    ck_assert_uint_lt(clock_boot_ms() - began_ms, 500);
    ring_destroy(ring);
}
END_TEST

static void ignore(int signal)
{
    (void)signal;
}

START_TEST(a_signal_ends_the_sleep_and_is_no_error)
{
    struct ring *ring = usual_ring(0);
    struct sigaction action = {.sa_handler = ignore};
    sigaction(SIGUSR1, &action, NULL);
    pid_t me = getpid(), child = fork();
    if (child == 0) {
        usleep(50000);
        kill(me, SIGUSR1);
        _exit(0);
    }
    ck_assert_int_eq(ring_turn(ring, clock_boot_ms() + 5000, note, &seen), 0);
    waitpid(child, NULL, 0);
    ring_destroy(ring);
}
END_TEST

/* --- cancelling --- */

START_TEST(a_cancelled_receive_completes_once_and_its_file_can_be_closed)
{
    struct ring *ring = usual_ring(_i);
    struct sockaddr_in address;
    int peer, listening = listener(&address, 5);
    ring_file file = connected(ring, 9, listening, &address, &peer);
    seen.count = 0;
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 9, 1), file), 0);
    ck_assert_int_eq(ring_cancel(ring, token(RECEIVE, 9, 1)), 0);
    turn_until(ring, 1);
    ck_assert_int_eq(last()->result, -ECANCELED);
    ck_assert_uint_eq(ring_in_flight(ring), 0);
    expect_nothing_more(ring);
    ring_close(ring, file);
    ck_assert_int_eq(ring_turn(ring, 0, note, &seen), 0);
    ck_assert(peer_sees_end(peer));
    ring_destroy(ring);
}
END_TEST

START_TEST(a_connect_that_hangs_can_be_cancelled)
{
    struct ring *ring = usual_ring(_i);
    struct sockaddr_in address;
    int listening = listener(&address, 0);
    (void)listening;
    /* Fill the backlog: what comes after gets no answer to its SYN. */
    for (int i = 0; i < 4; i++) {
        int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler, (struct sockaddr *)&address, sizeof address);
    }
    ring_file file = open_file(ring, 0);
    ck_assert_int_eq(
        ring_connect(ring, token(CONNECT, 0, 1), file, (struct sockaddr *)&address, sizeof address),
        0);
    expect_nothing_more(ring);
    ck_assert_int_eq(ring_cancel(ring, token(CONNECT, 0, 1)), 0);
    turn_until(ring, 2);
    ck_assert_int_eq(last()->result, -ECANCELED);
    ring_close(ring, file);
    ring_destroy(ring);
}
END_TEST

START_TEST(cancelling_what_has_ended_is_silent)
{
    struct ring *ring = usual_ring(_i);
    ck_assert_int_eq(ring_cancel(ring, token(RECEIVE, 1, 1)), 0);
    expect_nothing_more(ring);
    ck_assert_uint_eq(ring_in_flight(ring), 0);
    ring_destroy(ring);
}
END_TEST

START_TEST(a_late_completion_carries_the_generation_of_its_own_life)
{
    struct ring *ring = usual_ring(_i);
    struct sockaddr_in address;
    int peer, listening = listener(&address, 5);
    ring_file file = connected(ring, 9, listening, &address, &peer);
    seen.count = 0;
    /* The slot's second owner begins before the first owner's completion came home. */
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 9, 1), file), 0);
    ck_assert_int_eq(ring_turn(ring, 0, note, &seen), 0);
    ck_assert_int_eq(ring_cancel(ring, token(RECEIVE, 9, 1)), 0);
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 9, 2), file), 0);
    ck_assert_int_eq(write(peer, "x", 1), 1);
    turn_until(ring, 2);
    unsigned by_generation[3] = {0};
    for (unsigned i = 0; i < 2; i++)
        by_generation[seen.seen[i].done.token.generation]++;
    ck_assert_uint_eq(by_generation[1], 1);
    ck_assert_uint_eq(by_generation[2], 1);
    ring_destroy(ring);
}
END_TEST

START_TEST(a_ring_destroyed_in_the_middle_lets_go_of_everything)
{
    struct ring *ring = usual_ring(_i);
    struct sockaddr_in address;
    int peer, listening = listener(&address, 5);
    ring_file file = connected(ring, 1, listening, &address, &peer);
    size_t size = 8 << 20; /* more than the socket takes */
    char *bytes = calloc(1, size);
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 1, 1), file), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(ring_send(ring, token(SEND, 1, 1), file, bytes, size), 0);
    ck_assert_int_ge(ring_turn(ring, 0, note, &seen), 0);
    ring_destroy(ring);
    free(bytes); /* nobody may read it now: AddressSanitizer and the kernel agree */
    close(peer);
}
END_TEST

/* --- bounds --- */

static int pairs[512][2];

static void make_pairs(unsigned count, int type)
{
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(socketpair(AF_UNIX, type, 0, pairs[i]), 0);
}

START_TEST(buffers_that_run_out_are_enobufs_and_asking_again_gets_everything)
{
    enum { SOCKETS = 16, BUFFERS = 4 };
    struct ring *ring = new_ring((struct ring_limits){64, 0, BUFFERS, 64, false});
    bool got[SOCKETS] = {false};
    unsigned all = 0, without = 0;
    make_pairs(SOCKETS, SOCK_STREAM);
    for (uint32_t i = 0; i < SOCKETS; i++) {
        ck_assert_int_eq(write(pairs[i][1], "abc", 3), 3);
        ck_assert_int_eq(ring_receive(ring, token(RECEIVE, i, 1), pairs[i][0]), 0);
    }
    for (unsigned looked = 0; all < SOCKETS; looked++) {
        turn_until(ring, looked + 1);
        struct ring_completion done = seen.seen[looked].done;
        if (done.result == -ENOBUFS) {
            without++;
            ck_assert_ptr_null(done.data);
            ck_assert_int_eq(ring_receive(ring, done.token, pairs[done.token.slot][0]), 0);
            continue;
        }
        ck_assert_int_eq(done.result, 3);
        ck_assert_mem_eq(seen.seen[looked].bytes, "abc", 3);
        ck_assert(!got[done.token.slot]);
        got[done.token.slot] = true;
        all++;
    }
    ck_assert_uint_gt(without, 0);
    ck_assert_uint_eq(counter_read(&ring_counts(ring)->no_buffers), without);
    ring_destroy(ring);
}
END_TEST

START_TEST(a_buffer_holds_its_bytes_until_the_handler_returns_and_not_longer)
{
    struct ring *ring = new_ring((struct ring_limits){64, 0, 1, 8, false});
    make_pairs(1, SOCK_STREAM);
    for (unsigned round = 0; round < 300; round++) { /* one buffer: it must come back each time */
        char text[8];
        snprintf(text, sizeof text, "%07u", round);
        ck_assert_int_eq(write(pairs[0][1], text, 7), 7);
        ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 0, round), pairs[0][0]), 0);
        seen.count = 0;
        turn_until(ring, 1);
        ck_assert_int_eq(last()->result, 7);
        ck_assert_mem_eq(seen.seen[0].bytes, text, 7);
    }
    ring_destroy(ring);
}
END_TEST

START_TEST(more_submissions_than_the_queue_holds_all_go_through)
{
    struct ring *ring = new_ring((struct ring_limits){4, 0, 512, 64, false});
    make_pairs(300, SOCK_STREAM);
    for (uint32_t i = 0; i < 300; i++)
        ck_assert_int_eq(ring_receive(ring, token(RECEIVE, i, 1), pairs[i][0]), 0);
    ck_assert_uint_eq(ring_in_flight(ring), 300);
    ck_assert_uint_gt(counter_read(&ring_counts(ring)->queue_full), 0);
    for (uint32_t i = 0; i < 300; i++)
        ck_assert_int_eq(write(pairs[i][1], "x", 1), 1);
    turn_until(ring, 300);
    for (unsigned i = 0; i < 300; i++)
        ck_assert_int_eq(seen.seen[i].done.result, 1);
    ck_assert_uint_eq(ring_in_flight(ring), 0);
    ring_destroy(ring);
}
END_TEST

START_TEST(a_completion_queue_that_overflows_loses_nothing)
{
    enum { SOCKETS = 200 };
    /* 2 x 4 entries for completions. */
    struct ring *ring = new_ring((struct ring_limits){4, 0, 512, 64, false});
    bool got[SOCKETS] = {false};
    make_pairs(SOCKETS, SOCK_STREAM);
    for (uint32_t i = 0; i < SOCKETS; i++) {
        ck_assert_int_eq(write(pairs[i][1], "x", 1), 1);
        ck_assert_int_eq(ring_receive(ring, token(RECEIVE, i, 1), pairs[i][0]), 0);
    }
    turn_until(ring, SOCKETS);
    for (unsigned i = 0; i < SOCKETS; i++) {
        ck_assert_int_eq(seen.seen[i].done.result, 1);
        ck_assert(!got[seen.seen[i].done.token.slot]);
        got[seen.seen[i].done.token.slot] = true;
    }
    ck_assert_uint_gt(counter_read(&ring_counts(ring)->overflows), 0);
    expect_nothing_more(ring);
    ring_destroy(ring);
}
END_TEST

START_TEST(one_turn_takes_everything_that_is_there_up_to_a_batch)
{
    enum { SOCKETS = RING_BATCH - 6 };
    struct ring *ring = new_ring((struct ring_limits){512, 0, 512, 64, false});
    make_pairs(SOCKETS, SOCK_STREAM);
    for (uint32_t i = 0; i < SOCKETS; i++)
        ck_assert_int_eq(ring_receive(ring, token(RECEIVE, i, 1), pairs[i][0]), 0);
    expect_nothing_more(ring);
    for (uint32_t i = 0; i < SOCKETS; i++)
        ck_assert_int_eq(write(pairs[i][1], "x", 1), 1);
    ck_assert_int_eq(ring_turn(ring, 0, note, &seen), SOCKETS);
    ring_destroy(ring);
}
END_TEST

START_TEST(a_turn_hands_over_a_batch_at_most)
{
    struct ring *ring = new_ring((struct ring_limits){512, 0, 0, 0, false});
    make_pairs(8, SOCK_STREAM);
    for (uint32_t i = 0; i < 400; i++) /* sends complete while they are submitted */
        ck_assert_int_eq(ring_send(ring, token(SEND, i, 1), pairs[i % 8][0], "x", 1), 0);
    int most = 0;
    while (seen.count < 400) {
        int handed = ring_turn(ring, clock_boot_ms() + 1000, note, &seen);
        ck_assert_int_gt(handed, 0);
        ck_assert_int_le(handed, RING_BATCH);
        most = handed > most ? handed : most;
    }
    ck_assert_int_eq(most, RING_BATCH);
    ring_destroy(ring);
}
END_TEST

static void submit_from_handler(void *context, const struct ring_completion *completion)
{
    struct ring *ring = context;

    note(&seen, completion);
    /* Every completion asks for more than the queue of 2 holds. */
    for (uint32_t i = 0; i < 3 && seen.count < 100; i++)
        ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 100 + i, seen.count), pairs[0][0]), 0);
}

START_TEST(a_handler_may_submit_more_than_the_queue_holds)
{
    struct ring *ring = new_ring((struct ring_limits){2, 0, 16, 1, false});
    char bytes[1000] = {0};
    make_pairs(1, SOCK_STREAM);
    ck_assert_int_eq(write(pairs[0][1], bytes, sizeof bytes), sizeof bytes);
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE, 0, 1), pairs[0][0]), 0);
    for (int turns = 0; ring_in_flight(ring) > 0 && turns < 1000; turns++)
        ck_assert_int_ge(ring_turn(ring, clock_boot_ms() + 1000, submit_from_handler, ring), 0);
    ck_assert_uint_eq(ring_in_flight(ring), 0);
    ck_assert_uint_ge(seen.count, 100);
    ring_destroy(ring);
}
END_TEST

/* --- multishot --- */

START_TEST(multishot_accept_and_receive_serve_many_unix_clients)
{
    enum { CLIENTS = 20, ROUNDS = 10 };
    struct ring *ring = usual_ring(_i);
    struct sockaddr_un_fake {
        sa_family_t family;
        char path[32];
    } address = {.family = AF_UNIX};
    snprintf(address.path + 1, sizeof address.path - 1, "mxward-ring-test-%d", getpid());
    int listening = socket(AF_UNIX, SOCK_STREAM, 0), clients[CLIENTS], served[CLIENTS];
    ck_assert_int_eq(bind(listening, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listening, CLIENTS), 0);
    ck_assert_int_eq(ring_accept_multishot(ring, token(ACCEPT, 0, 1), listening), 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(clients[i], (struct sockaddr *)&address, sizeof address), 0);
    }
    turn_until(ring, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        ck_assert_uint_eq(seen.seen[i].done.flags, RING_MORE);
        served[i] = seen.seen[i].done.result;
        ck_assert_int_eq(ring_receive_multishot(ring, token(RECEIVE, i, 1), served[i]), 0);
    }
    ck_assert_uint_eq(ring_in_flight(ring), CLIENTS + 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        seen.count = 0;
        for (int i = 0; i < CLIENTS; i++)
            ck_assert_int_eq(write(clients[i], "ask", 3), 3);
        for (unsigned looked = 0, good = 0; good < CLIENTS; looked++) {
            turn_until(ring, looked + 1);
            struct ring_completion done = seen.seen[looked].done;
            if (done.result > 0) {
                good++;
                ck_assert_mem_eq(seen.seen[looked].bytes, "ask", 3);
            } else {
                ck_assert_int_eq(done.result, -ENOBUFS);
            }
            if (done.flags == 0)
                ck_assert_int_eq(ring_receive_multishot(ring, done.token, served[done.token.slot]),
                                 0);
        }
    }
    seen.count = 0;
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    turn_until(ring, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        ck_assert_int_eq(seen.seen[i].done.result, 0);
        ck_assert_uint_eq(seen.seen[i].done.flags, 0); /* the last of its token */
        ring_close(ring, served[seen.seen[i].done.token.slot]);
    }
    ck_assert_int_eq(ring_cancel(ring, token(ACCEPT, 0, 1)), 0);
    turn_until(ring, CLIENTS + 1);
    ck_assert_int_eq(last()->result, -ECANCELED);
    ck_assert_uint_eq(ring_in_flight(ring), 0);
    ring_destroy(ring);
}
END_TEST

/* --- waking --- */

START_TEST(a_wake_up_before_the_sleep_is_not_lost)
{
    struct ring *ring = usual_ring(0);
    uint64_t began_ms = clock_boot_ms();
    ck_assert_int_eq(ring_wake(ring, ring_descriptor(ring)), 0);
    ck_assert_int_eq(ring_turn(ring, began_ms + 5000, note, &seen), 0);
    ck_assert_uint_lt(clock_boot_ms() - began_ms, 1000);
    ck_assert_uint_eq(counter_read(&ring_counts(ring)->woken), 1);
    expect_nothing_more(ring);
    ring_destroy(ring);
}
END_TEST

START_TEST(waking_a_ring_that_is_gone_does_no_harm)
{
    struct ring *ring = usual_ring(0), *other = usual_ring(0);
    int descriptor = ring_descriptor(other);
    ring_destroy(other);
    ck_assert_int_eq(ring_wake(ring, descriptor), 0);
    expect_nothing_more(ring);
    expect_nothing_more(ring);
    ring_destroy(ring);
}
END_TEST

/* Two threads, each with its own ring, wake each other in turn; neither ever times out. */
struct waker {
    pthread_barrier_t *ready;
    int *descriptors; /* of both */
    int me, rounds;
    const char *failed;
};

static void *wake_in_turn(void *argument)
{
    struct waker *waker = argument;
    struct ring *ring;
    struct ring_limits limits = {8, 0, 0, 0, false};

    if (ring_create(&ring, &limits) != 0)
        return waker->failed = "no ring", NULL;
    waker->descriptors[waker->me] = ring_descriptor(ring);
    pthread_barrier_wait(waker->ready);
    for (int round = 0; round < waker->rounds; round++) {
        if (waker->me == 0)
            ring_wake(ring, waker->descriptors[1]);
        uint64_t woken = counter_read(&ring_counts(ring)->woken);
        uint64_t limit_ms = clock_boot_ms() + 5000;
        while (counter_read(&ring_counts(ring)->woken) == woken)
            if (ring_turn(ring, limit_ms, note, NULL) < 0 || clock_boot_ms() >= limit_ms)
                return waker->failed = "a wake-up was lost", NULL;
        if (waker->me == 1)
            ring_wake(ring, waker->descriptors[0]);
    }
    pthread_barrier_wait(waker->ready);
    ring_destroy(ring);
    return NULL;
}

START_TEST(two_rings_wake_each_other_without_loss)
{
    pthread_barrier_t ready;
    pthread_t threads[2];
    int descriptors[2];
    struct waker wakers[2] = {{&ready, descriptors, 0, 20000, NULL},
                              {&ready, descriptors, 1, 20000, NULL}};
    pthread_barrier_init(&ready, NULL, 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, wake_in_turn, &wakers[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(wakers[i].failed == NULL, "%s", wakers[i].failed);
    }
}
END_TEST

/* --- unavailable --- */

/* In a child: io_uring_setup answers with `error`, as a container's seccomp profile makes it. */
static void without_io_uring(int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static const struct {
    int error;
    const char *says, *remedy;
} blocked[] = {
    {EPERM, "io_uring", "io_uring_setup"},
    {ENOSYS, "io_uring", "6.1"},
};

START_TEST(a_blocked_io_uring_says_so_with_the_remedy)
{
    struct ring *ring = NULL;
    struct ring_limits limits = {8, 8, 8, 64, false};
    without_io_uring(blocked[_i].error);
    int error = ring_create(&ring, &limits);
    ck_assert_int_eq(error, -blocked[_i].error);
    ck_assert_ptr_null(ring);
    const char *sentence = ring_why_unavailable(error);
    ck_assert_ptr_nonnull(strstr(sentence, blocked[_i].says));
    ck_assert_ptr_nonnull(strstr(sentence, blocked[_i].remedy));
}
END_TEST

START_TEST(every_error_of_creation_has_a_sentence)
{
    static const int errors[] = {EPERM, EACCES, ENOSYS, EINVAL, ENOMEM, EMFILE, ENFILE, EIO};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        ck_assert_ptr_nonnull(strstr(ring_why_unavailable(-errors[i]), "io_uring"));
        ck_assert_ptr_eq(ring_why_unavailable(errors[i]), ring_why_unavailable(-errors[i]));
    }
}
END_TEST

START_TEST(files_over_the_descriptor_limit_are_refused_at_creation)
{
    struct ring *ring = NULL;
    struct ring_limits limits = {8, 1 << 22, 8, 64, false};
    int error = ring_create(&ring, &limits);
    if (error == 0) /* plain files: there is no table */
        ring_destroy(ring);
    else
        ck_assert(error == -EMFILE || error == -ENOMEM);
}
END_TEST

static void empty_log(void)
{
    seen.count = 0;
}

int main(void)
{
    Suite *suite = suite_create("loop/ring");
    TCase *unavailable = tcase_create("unavailable");
    tcase_add_loop_test(unavailable, a_blocked_io_uring_says_so_with_the_remedy, 0, 2);
    tcase_add_test(unavailable, every_error_of_creation_has_a_sentence);
    suite_add_tcase(suite, unavailable);

    struct ring *ring;
    struct ring_limits limits = {8, 8, 8, 64, false};
    int error = ring_create(&ring, &limits);
    TCase *tests = tcase_create("ring");
    tcase_add_checked_fixture(tests, empty_log, NULL);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_dialogue_over_loopback_goes_through, 0, 2);
    tcase_add_loop_test(tests, a_refused_connection_is_its_errno, 0, 2);
    tcase_add_loop_test(tests, sending_into_a_closed_connection_is_an_errno_not_a_signal, 0, 2);
    tcase_add_loop_test(tests, a_bound_file_connects_from_its_source, 0, 2);
    tcase_add_loop_test(tests, a_close_reaches_the_peer_while_another_file_still_waits, 0, 2);
    tcase_add_test(tests, direct_files_run_out_as_enfile_and_come_back_with_the_close);
    tcase_add_loop_test(tests, an_opening_that_fails_gives_its_place_back, 0, 2);
    tcase_add_test(tests, a_turn_sleeps_until_its_time_and_not_at_all_with_zero);
    tcase_add_test(tests, a_signal_ends_the_sleep_and_is_no_error);
    tcase_add_loop_test(tests, a_cancelled_receive_completes_once_and_its_file_can_be_closed, 0, 2);
    tcase_add_loop_test(tests, a_connect_that_hangs_can_be_cancelled, 0, 2);
    tcase_add_loop_test(tests, cancelling_what_has_ended_is_silent, 0, 2);
    tcase_add_loop_test(tests, a_late_completion_carries_the_generation_of_its_own_life, 0, 2);
    tcase_add_loop_test(tests, a_ring_destroyed_in_the_middle_lets_go_of_everything, 0, 2);
    tcase_add_test(tests, buffers_that_run_out_are_enobufs_and_asking_again_gets_everything);
    tcase_add_test(tests, a_buffer_holds_its_bytes_until_the_handler_returns_and_not_longer);
    tcase_add_test(tests, more_submissions_than_the_queue_holds_all_go_through);
    tcase_add_test(tests, a_completion_queue_that_overflows_loses_nothing);
    tcase_add_test(tests, one_turn_takes_everything_that_is_there_up_to_a_batch);
    tcase_add_test(tests, a_turn_hands_over_a_batch_at_most);
    tcase_add_test(tests, a_handler_may_submit_more_than_the_queue_holds);
    tcase_add_loop_test(tests, multishot_accept_and_receive_serve_many_unix_clients, 0, 2);
    tcase_add_test(tests, a_wake_up_before_the_sleep_is_not_lost);
    tcase_add_test(tests, waking_a_ring_that_is_gone_does_no_harm);
    tcase_add_test(tests, two_rings_wake_each_other_without_loss);
    tcase_add_test(tests, files_over_the_descriptor_limit_are_refused_at_creation);
    if (error == 0) {
        ring_destroy(ring);
        suite_add_tcase(suite, tests);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (failed == 0 && error != 0) {
        fprintf(stderr, "the ring's own tests cannot run here: %s\n", ring_why_unavailable(error));
        return 77;
    }
    return failed != 0;
}
