/*
 * world_play.c - the world of plays itself: it plays its scripts, moves the clock, and catches who
 * breaks the contract of ring.h. A play that cannot fail would prove nothing.
 */
#include "tests/plays/world/world.h"

#include "engine/base/clock.h"
#include "engine/loop/pool.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPEN = 1, CONNECT, RECEIVE, SEND };

static struct ring *ring;
static struct ring_completion last;
static char text[4096];

static void note(void *context, const struct ring_completion *completion)
{
    (void)context;
    last = *completion;
    text[0] = '\0';
    if (completion->data != NULL) {
        memcpy(text, completion->data, (size_t)completion->result);
        text[completion->result] = '\0';
    }
    last.data = NULL;
}

static struct ring_token token(uint8_t operation)
{
    return (struct ring_token){operation, 1, 1};
}

static void begin(const char *script, enum world_trouble trouble, unsigned trouble_at)
{
    struct world_options options = {
        .scripts = {script}, .trouble = trouble, .trouble_at = trouble_at};
    struct ring_limits limits = {64, 16, 16, 4096, false};

    world_begin(&options);
    if (ring == NULL)
        ck_assert_int_eq(ring_create(&ring, &limits), 0);
}

static int turn(void)
{
    return ring_turn(ring, clock_boot_ms() + 60000, note, NULL);
}

static const struct sockaddr_in address = {.sin_family = AF_INET};

static ring_file connected(void)
{
    ck_assert_int_eq(ring_open(ring, token(OPEN), AF_INET), 0);
    ck_assert_int_eq(turn(), 1);
    ring_file file = last.result;
    ck_assert_int_eq(
        ring_connect(ring, token(CONNECT), file, (const struct sockaddr *)&address, sizeof address),
        0);
    ck_assert_int_eq(turn(), 1);
    return file;
}

START_TEST(a_script_is_played_line_by_line_while_the_clock_goes)
{
    begin("wait 300\n"
          "S: 220 mx\n"
          "C: EHLO *\n"
          "S! 250 \\x4f\\r\\n\n"
          "close",
          TROUBLE_NONE, 0);
    ring_file file = connected();
    ck_assert_int_eq(last.result, 0);
    uint64_t began_ms = clock_boot_ms();
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE), file), 0);
    ck_assert_int_eq(turn(), 1);
    ck_assert_str_eq(text, "220 mx\r\n");
    ck_assert_uint_eq(clock_boot_ms() - began_ms, 300);
    ck_assert_int_eq(ring_send(ring, token(SEND), file, "EHLO me\r\n", 9), 0);
    ck_assert_int_eq(turn(), 1);
    ck_assert_int_eq(last.result, 9);
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE), file), 0);
    ck_assert_int_eq(turn(), 1);
    ck_assert_str_eq(text, "250 O\r\n");
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE), file), 0);
    ck_assert_int_eq(turn(), 1);
    ck_assert_int_eq(last.result, 0);
    ring_close(ring, file);
    ck_assert(world_script_done(0));
    world_end();
    ck_assert_ptr_null(world_failed());
}
END_TEST

START_TEST(a_client_that_says_the_wrong_thing_fails_the_play)
{
    begin("C: QUIT", TROUBLE_NONE, 0);
    ring_file file = connected();
    ck_assert_int_eq(ring_send(ring, token(SEND), file, "QUIR\r\n", 6), 0);
    (void)turn();
    ck_assert_ptr_nonnull(world_failed());
}
END_TEST

START_TEST(memory_changed_in_flight_fails_the_play)
{
    char bytes[] = "HELLO\r\n";
    begin("C: *", TROUBLE_NONE, 0);
    ring_file file = connected();
    ck_assert_int_eq(ring_send(ring, token(SEND), file, bytes, 7), 0);
    bytes[0] = 'J';
    (void)turn();
    ck_assert_ptr_nonnull(world_failed());
}
END_TEST

START_TEST(closing_in_flight_closing_twice_and_leaking_fail_the_play)
{
    begin("wait 10", TROUBLE_NONE, 0);
    ring_file file = connected();
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE), file), 0);
    ring_close(ring, file);
    ck_assert_ptr_nonnull(world_failed());

    begin("wait 10", TROUBLE_NONE, 0);
    file = connected();
    ring_close(ring, file);
    ring_close(ring, file);
    ck_assert_ptr_nonnull(world_failed());

    begin("wait 10", TROUBLE_NONE, 0);
    (void)connected();
    world_end();
    ck_assert_ptr_nonnull(world_failed());
}
END_TEST

START_TEST(waiting_for_nobody_for_ever_fails_the_play)
{
    begin("", TROUBLE_NONE, 0);
    ring_file file = connected();
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE), file), 0);
    ck_assert_int_eq(ring_turn(ring, UINT64_MAX, note, NULL), 0);
    ck_assert_ptr_nonnull(world_failed());
}
END_TEST

START_TEST(a_cancelled_operation_ends_once_as_its_trouble_says)
{
    static const struct {
        enum world_trouble trouble;
        int result;
        uint64_t after_ms;
    } cases[] = {{TROUBLE_NONE, -ECANCELED, 0},
                 {TROUBLE_LATE, -ECANCELED, 0},
                 {TROUBLE_RACE, 5, 0},
                 {TROUBLE_SLOW_CANCEL, -ECANCELED, 500}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(i == 0 ? "wait 100000\n" : "S: 220", cases[i].trouble, 3);
        ring_file file = connected();
        ck_assert_int_eq(ring_receive(ring, token(RECEIVE), file), 0);
        ck_assert_int_eq(ring_turn(ring, clock_boot_ms() + 2000, note, NULL), 0);
        uint64_t began_ms = clock_boot_ms();
        ck_assert_int_eq(ring_cancel(ring, token(RECEIVE)), 0);
        ck_assert_int_eq(turn(), 1);
        ck_assert_int_eq(last.result, cases[i].result);
        ck_assert_uint_eq(clock_boot_ms() - began_ms, cases[i].after_ms);
        ring_close(ring, file);
        world_end();
        ck_assert_ptr_null(world_failed());
    }
}
END_TEST

/* Keeps the compiler from leaving out an allocation that nobody uses. */
static void *used(void *memory)
{
    __asm__ __volatile__("" : : "r"(memory) : "memory");
    return memory;
}

START_TEST(the_nth_allocation_fails_and_no_other)
{
    for (uint64_t n = 0; n < 5; n++) {
        void *got[4];
        world_allocations_begin(n);
        for (unsigned i = 0; i < 4; i++)
            got[i] = used(i % 2 == 0 ? malloc(10) : calloc(1, 10));
        world_allocations_pause();
        free(used(malloc(10)));
        world_allocations_resume();
        uint64_t count = world_allocations_end();
        ck_assert_uint_eq(count, 4); /* Check itself allocates: it is asked afterwards */
        ck_assert_int_eq(world_allocation_failed(), n > 0);
        for (unsigned i = 0; i < 4; i++) {
            ck_assert_int_eq(got[i] == NULL, n == i + 1);
            free(got[i]);
        }
    }
}
END_TEST

START_TEST(after_the_nth_allocation_all_fail_if_wanted)
{
    void *got[4];
    world_allocations_begin(2);
    world_allocations_last();
    for (unsigned i = 0; i < 4; i++)
        got[i] = used(malloc(10));
    world_allocations_end();
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(got[i] == NULL, i > 0);
        free(got[i]);
    }
}
END_TEST

START_TEST(a_pool_that_is_named_holds_one)
{
    static const char *const smalls[] = {NULL, "other", "this", ""};
    for (unsigned i = 0; i < 4; i++) {
        struct pool *pool;
        world_pool_of_one(smalls[i]);
        ck_assert_int_eq(pool_create(&pool, "this", 8, 3), 0);
        ck_assert_uint_eq(pool_slots(pool), i < 2 ? 3 : 1);
        pool_destroy(pool);
    }
    world_pool_of_one(NULL);
}
END_TEST

static ring_file connected_to(const char *address_text, int *result)
{
    struct sockaddr_in to = {.sin_family = AF_INET};

    ck_assert_int_eq(inet_pton(AF_INET, address_text, &to.sin_addr), 1);
    ck_assert_int_eq(ring_open(ring, token(OPEN), AF_INET), 0);
    ck_assert_int_eq(turn(), 1);
    ring_file file = last.result;
    ck_assert_int_eq(
        ring_connect(ring, token(CONNECT), file, (const struct sockaddr *)&to, sizeof to), 0);
    (void)turn();
    *result = last.result;
    return file;
}

START_TEST(each_address_has_scripts_of_its_own_one_a_visit)
{
    static const struct {
        const char *address;
        int result;
    } visits[] = {{"192.0.2.1", -ECONNREFUSED}, {"192.0.2.2", 0}, {"192.0.2.1", -EHOSTUNREACH}};
    struct world_options options = {
        .addresses = {{"192.0.2.1", {"connect refused", "connect unreachable"}},
                      {"192.0.2.2", {"S: 220"}}}};
    int result;
    begin("", TROUBLE_NONE, 0);
    world_begin(&options);
    for (size_t i = 0; i < sizeof visits / sizeof *visits; i++) {
        ring_close(ring, connected_to(visits[i].address, &result));
        ck_assert_int_eq(result, visits[i].result);
    }
    world_calm(); /* and from the beginning */
    ring_close(ring, connected_to("192.0.2.1", &result));
    ck_assert_int_eq(result, -ECONNREFUSED);
    ck_assert_ptr_null(world_failed());
    ring_close(ring, connected_to("192.0.2.3", &result));
    ck_assert_ptr_nonnull(world_failed()); /* nobody lives there */
}
END_TEST

static unsigned begun, played;
static uint64_t wants_ms;

static void party_begins(void *context)
{
    (void)context;
    begun++;
}

static void party_plays(void *context)
{
    (void)context;
    played++;
    if (clock_boot_ms() >= wants_ms)
        world_wake();
}

static uint64_t party_next_ms(void *context)
{
    (void)context;
    return wants_ms;
}

START_TEST(a_party_moves_the_clock_and_ends_the_turn)
{
    static const struct world_party party = {
        .begin = party_begins, .play = party_plays, .next_ms = party_next_ms};
    begin("", TROUBLE_NONE, 0);
    world_invite(&party);
    uint64_t began_ms = clock_boot_ms();
    wants_ms = began_ms + 300;
    ck_assert_int_eq(ring_turn(ring, began_ms + 1000, note, NULL), 0);
    ck_assert_uint_eq(clock_boot_ms(), began_ms + 300);
    ck_assert_uint_eq(begun, 1);
    ck_assert_uint_ge(played, 2);
    ck_assert_ptr_null(world_failed());
}
END_TEST

START_TEST(plain_descriptors_are_real)
{
    int ends[2];
    char byte = 'x';
    begin("", TROUBLE_NONE, 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(ring_receive(ring, token(RECEIVE), ends[0]), 0);
    ck_assert_int_eq(ring_turn(ring, clock_boot_ms() + 10, note, NULL), 0);
    ck_assert_int_eq(send(ends[1], "hello", 5, 0), 5);
    ck_assert_int_eq(turn(), 1);
    ck_assert_str_eq(text, "hello");
    ck_assert_int_eq(ring_send(ring, token(SEND), ends[0], &byte, 1), 0);
    ck_assert_int_eq(turn(), 1);
    ck_assert_int_eq(recv(ends[1], &byte, 1, MSG_DONTWAIT), 1);
    ring_close(ring, ends[0]);
    ck_assert_int_eq(recv(ends[1], &byte, 1, MSG_DONTWAIT), 0);
    close(ends[1]);
    ck_assert_ptr_null(world_failed());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plays/world");
    TCase *tests = tcase_create("world");
    tcase_add_test(tests, a_script_is_played_line_by_line_while_the_clock_goes);
    tcase_add_test(tests, a_client_that_says_the_wrong_thing_fails_the_play);
    tcase_add_test(tests, memory_changed_in_flight_fails_the_play);
    tcase_add_test(tests, closing_in_flight_closing_twice_and_leaking_fail_the_play);
    tcase_add_test(tests, waiting_for_nobody_for_ever_fails_the_play);
    tcase_add_test(tests, a_cancelled_operation_ends_once_as_its_trouble_says);
    tcase_add_test(tests, the_nth_allocation_fails_and_no_other);
    tcase_add_test(tests, after_the_nth_allocation_all_fail_if_wanted);
    tcase_add_test(tests, a_pool_that_is_named_holds_one);
    tcase_add_test(tests, each_address_has_scripts_of_its_own_one_a_visit);
    tcase_add_test(tests, a_party_moves_the_clock_and_ends_the_turn);
    tcase_add_test(tests, plain_descriptors_are_real);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
