/*
 * native_test.c - turns among the connections of the native socket (ipc/serve/native), counted: the
 * test turns the ring itself, and its owner answers at once.
 *
 * The bound: a turn takes at most LIMIT_CLIENT_BATCH frames of each connection, so that one request
 * is answered in the turn behind the one in which its bytes were reaped, whatever others have sent.
 */
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "ipc/serve/native.h"
#include "ipc/socket/listener.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PIPELINED = 1000, FLOODERS = 3 };

static struct ring *ring;
static struct wheel *wheel;
static struct native *native;
static struct rights *rights;
static struct listener listener;
static unsigned answered[FLOODERS + 1]; /* by the client's id */

static enum native_taken request(void *context, struct native_client *client,
                                 const struct frame *frame, uint64_t arrived_ms)
{
    uint8_t bytes[64];
    const struct frame_done done = {0};
    const size_t size = frame_encode(bytes, sizeof bytes, FRAME_DONE, 0, frame->id, &done);

    (void)context, (void)arrived_ms;
    answered[frame->id]++;
    native_put(native, client, bytes, size);
    return NATIVE_ANSWERED;
}

static bool write_none(void *context, struct native_client *client, struct native_answer *answer)
{
    (void)context, (void)client, (void)answer;
    return true;
}

static void drop_none(void *context, struct native_answer *answer)
{
    (void)context, (void)answer;
}

static void set_up(void)
{
    static const struct ring_limits limits = {
        .submissions = 64, .receive_buffers = 64, .receive_bytes = LIMIT_CLIENT_RECEIVE};
    const struct native_settings settings = {.connections = 16,
                                             .connections_per_user = 16,
                                             .requests = 16,
                                             .idle_ms = 60000,
                                             .frame_ms = 10000,
                                             .stall_ms = 10000};
    const struct native_owner owner = {.request = request, .write = write_none, .drop = drop_none};
    const struct listen_settings nobody = {0};
    char why[256], path[64];
    struct listener_wish wish = {.path = path,
                                 .path_setting = "path",
                                 .owner_setting = "owner",
                                 .group_setting = "group",
                                 .mode = 0600,
                                 .backlog = 16};

    snprintf(path, sizeof path, "/tmp/mxward-native-%d.sock", (int)getpid());
    ck_assert_int_eq(listener_open(&listener, &wish, why, sizeof why), 0);
    ck_assert_int_eq(ring_create(&ring, &limits), 0);
    ck_assert_int_eq(wheel_create(&wheel, clock_boot_ms()), 0);
    ck_assert_int_eq(rights_load(&rights, &nobody, why, sizeof why), 0);
    ck_assert_int_eq(
        native_create(&native, ring, wheel, listener.descriptor, &settings, rights, &owner), 0);
}

static void completed(void *context, const struct ring_completion *completion)
{
    (void)context;
    native_completed(native, completion);
}

/* Reaps all that is there, without waiting. */
static void reap(void)
{
    ck_assert_int_ge(ring_turn(ring, 0, completed, NULL), 0);
    native_set_now(native, clock_boot_ms());
}

static void tear_down(void)
{
    do {
        native_stop(native);
        native_turn(native);
        reap();
    } while (native_running(native) > 0);
    native_destroy(native);
    wheel_destroy(wheel);
    ring_destroy(ring);
    rights_free(rights);
    listener_close(&listener);
}

static int client_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", listener.path);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static void client_ask(int client, uint64_t id, unsigned count)
{
    static uint8_t bytes[PIPELINED * FRAME_HEADER_BYTES];
    const struct frame_empty nothing = {0};
    size_t used = 0;

    for (unsigned i = 0; i < count; i++)
        used += frame_encode(bytes + used, sizeof bytes - used, FRAME_STATUS, 0, id, &nothing);
    ck_assert_int_eq(send(client, bytes, used, MSG_NOSIGNAL), (ssize_t)used);
}

START_TEST(who_sends_a_thousand_requests_delays_anothers_single_one_by_no_turn)
{
    int flooders[FLOODERS], one = client_open();
    unsigned before[FLOODERS];

    memset(answered, 0, sizeof answered);
    for (unsigned i = 0; i < FLOODERS; i++)
        client_ask(flooders[i] = client_open(), i, PIPELINED);
    for (unsigned turn = 0; turn < 4; turn++) { /* accepted, received, and some were answered */
        reap();
        native_turn(native);
    }
    ck_assert_uint_gt(answered[0], 0);
    ck_assert_uint_lt(answered[0], PIPELINED);
    client_ask(one, FLOODERS, 1);
    memcpy(before, answered, sizeof before);
    reap();
    native_turn(native);
    ck_assert_uint_eq(answered[FLOODERS], 1);
    for (unsigned i = 0; i < FLOODERS; i++)
        ck_assert_uint_le(answered[i], before[i] + LIMIT_CLIENT_BATCH);
    for (unsigned turn = 0; turn < PIPELINED && answered[0] < PIPELINED; turn++) {
        reap();
        native_turn(native);
    }
    for (unsigned i = 0; i < FLOODERS; i++) {
        ck_assert_uint_eq(answered[i], PIPELINED);
        close(flooders[i]);
    }
    close(one);
}
END_TEST

START_TEST(what_is_answered_in_a_turn_goes_out_in_one_piece)
{
    const int client = client_open();
    uint8_t bytes[4096];

    memset(answered, 0, sizeof answered);
    client_ask(client, 1, LIMIT_CLIENT_BATCH);
    for (unsigned turn = 0; turn < 4 && answered[1] == 0; turn++) {
        reap();
        native_turn(native);
    }
    ck_assert_uint_eq(answered[1], LIMIT_CLIENT_BATCH);
    ck_assert_int_eq(recv(client, bytes, sizeof bytes, MSG_DONTWAIT),
                     LIMIT_CLIENT_BATCH * FRAME_HEADER_BYTES);
    close(client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("native");
    TCase *tcase = tcase_create("turns");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, who_sends_a_thousand_requests_delays_anothers_single_one_by_no_turn);
    tcase_add_test(tcase, what_is_answered_in_a_turn_goes_out_in_one_piece);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
