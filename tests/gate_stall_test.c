/*
 * gate_stall_test.c - clients of the gate that do not read, or do not go on. Apart because it waits
 * as long as they are waited for.
 */
#include "tests/gate_support.h"

static uint64_t took_ms(uint64_t since_ms)
{
    return clock_boot_ms() - since_ms;
}

static void fill(int client)
{
    while (send(client, "ping\n", 5, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        continue;
}

static bool is_cut_off(int client)
{
    char bytes[4096];
    ssize_t n;

    do
        n = recv(client, bytes, sizeof bytes, MSG_DONTWAIT);
    while (n > 0);
    return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* One reads nothing, one begins a request and does not end it, one reads a little now and then. */
START_TEST(a_client_that_reads_nothing_is_cut_off)
{
    const int deaf = client_open(), half = client_open(), slow = client_open();
    const uint64_t from_ms = clock_boot_ms();
    char bytes[30000];

    say(half, "20:policy exam");
    while (took_ms(from_ms) < GATE_STALL_MS + 1500) {
        if (took_ms(from_ms) < 1000)
            fill(deaf);
        fill(slow);
        usleep(100000);
        ck_assert_int_gt(recv(slow, bytes, sizeof bytes, MSG_DONTWAIT), 0);
    }
    ck_assert(is_cut_off(half));
    ck_assert(is_cut_off(deaf));
    ck_assert(!is_cut_off(slow));
    close(deaf);
    close(half);
    close(slow);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("the gate's patience");
    TCase *tests = tcase_create("patience");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, world_end);
    tcase_add_test(tests, a_client_that_reads_nothing_is_cut_off);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
