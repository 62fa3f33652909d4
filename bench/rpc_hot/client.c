/*
 * client.c - see client.h. Whatever is not as expected ends the program: then nothing is measured.
 */
#include "bench/rpc_hot/client.h"

#include "bench/common/bench.h"

#include "engine/base/check.h"
#include "engine/loop/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RECEIVE_BYTES 16384
#define HELD_BYTES    (2 * RECEIVE_BYTES)

enum { OPERATION_SEND = 1, OPERATION_RECEIVE };

/* The first HOT_WINDOW_MOST stand behind the last once more, so that a window is never cut. */
struct hot_requests {
    const struct hot_protocol *protocol;
    unsigned questions;
    size_t starts[HOT_QUESTIONS_MOST + HOT_WINDOW_MOST + 1];
    char bytes[(HOT_QUESTIONS_MOST + HOT_WINDOW_MOST) * HOT_REQUEST_BYTES];
};

struct connection {
    int descriptor;
    unsigned asked, answered, wanted; /* since the connection was made */
    unsigned outstanding_most;
    size_t sending; /* bytes; 0: none */
    size_t held;    /* bytes of an unfinished reply */
    uint8_t bytes[HELD_BYTES];
};

struct hot_client {
    const struct hot_requests *requests;
    struct ring *ring;
    unsigned count, running;
    uint64_t receives;
    struct connection connections[];
};

struct hot_requests *hot_requests_make(const struct hot_protocol *protocol, unsigned questions)
{
    struct hot_requests *requests = calloc(1, sizeof *requests);
    size_t used = 0;

    CHECK(requests != NULL && questions >= HOT_WINDOW_MOST && questions <= HOT_QUESTIONS_MOST);
    requests->protocol = protocol;
    requests->questions = questions;
    for (unsigned i = 0; i < questions + HOT_WINDOW_MOST; i++) {
        requests->starts[i] = used;
        used += protocol->request(requests->bytes + used, i % questions);
    }
    requests->starts[questions + HOT_WINDOW_MOST] = used;
    return requests;
}

int hot_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    CHECK(descriptor >= 0);
    for (int i = 0; connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0; i++) {
        CHECK(i < 500);
        usleep(10000);
    }
    return descriptor;
}

static struct ring_token token_of(const struct hot_client *client,
                                  const struct connection *connection, uint8_t operation)
{
    return (struct ring_token){operation, (uint32_t)(connection - client->connections), 0};
}

struct hot_client *hot_client_open(const char *path, const struct hot_requests *requests,
                                   unsigned connections, unsigned first)
{
    static const struct ring_limits limits = {
        .submissions = 256, .receive_buffers = 128, .receive_bytes = RECEIVE_BYTES};
    struct hot_client *client =
        calloc(1, sizeof *client + connections * sizeof *client->connections);

    CHECK(client != NULL && connections <= HOT_CONNECTIONS_MOST);
    client->requests = requests;
    client->count = connections;
    CHECK(ring_create(&client->ring, &limits) == 0);
    for (unsigned i = 0; i < connections; i++) {
        struct connection *connection = &client->connections[i];

        connection->descriptor = hot_connect(path);
        connection->asked = connection->answered = connection->wanted =
            first % requests->questions + i * (requests->questions / connections);
        CHECK(ring_receive_multishot(client->ring, token_of(client, connection, OPERATION_RECEIVE),
                                     connection->descriptor) == 0);
    }
    return client;
}

void hot_client_close(struct hot_client *client)
{
    ring_destroy(client->ring);
    for (unsigned i = 0; i < client->count; i++)
        close(client->connections[i].descriptor);
    free(client);
}

/* As many as are outstanding less than may be. One send at a time keeps their order. */
static void ask(struct hot_client *client, struct connection *connection)
{
    const struct hot_requests *requests = client->requests;
    const unsigned first = connection->asked % requests->questions;
    unsigned count = connection->outstanding_most - (connection->asked - connection->answered);

    if (count > connection->wanted - connection->asked)
        count = connection->wanted - connection->asked;
    if (connection->sending > 0 || count == 0)
        return;
    connection->asked += count;
    connection->sending = requests->starts[first + count] - requests->starts[first];
    CHECK(ring_send(client->ring, token_of(client, connection, OPERATION_SEND),
                    connection->descriptor, requests->bytes + requests->starts[first],
                    connection->sending) == 0);
}

/* Returns how many bytes were whole replies. */
static size_t replies_take(const struct hot_client *client, struct connection *connection,
                           const uint8_t *bytes, size_t size)
{
    const struct hot_requests *requests = client->requests;
    size_t at = 0, reply;

    while (at < size &&
           (reply = requests->protocol->reply(bytes + at, size - at,
                                              connection->answered % requests->questions)) > 0) {
        connection->answered++;
        at += reply;
    }
    return at;
}

/* Parsed where they came, but for what was cut. */
static void received(const struct hot_client *client, struct connection *connection,
                     const uint8_t *bytes, size_t size)
{
    size_t used;

    if (connection->held > 0) {
        CHECK(connection->held + size <= HELD_BYTES);
        memcpy(connection->bytes + connection->held, bytes, size);
        size += connection->held;
        used = replies_take(client, connection, connection->bytes, size);
        memmove(connection->bytes, connection->bytes + used, size - used);
    } else {
        used = replies_take(client, connection, bytes, size);
        memcpy(connection->bytes, bytes + used, size - used);
    }
    connection->held = size - used;
    CHECK(connection->held < RECEIVE_BYTES);
}

static void completed(void *context, const struct ring_completion *completion)
{
    struct hot_client *client = context;
    struct connection *connection = &client->connections[completion->token.slot];
    const bool ran = connection->answered < connection->wanted;

    if (completion->token.operation == OPERATION_SEND) {
        CHECK(completion->result == (int32_t)connection->sending); /* it fits into the socket */
        connection->sending = 0;
    } else {
        if (!(completion->flags & RING_MORE))
            CHECK(ring_receive_multishot(client->ring, completion->token, connection->descriptor) ==
                  0);
        client->receives++;
        if (completion->result > 0)
            received(client, connection, completion->data, (size_t)completion->result);
        else
            CHECK(completion->result < 0); /* no buffer was free; the server has not gone */
    }
    ask(client, connection);
    client->running -= ran && connection->answered == connection->wanted;
}

void hot_client_ask(struct hot_client *client, unsigned questions, unsigned window)
{
    CHECK(window > 0 && window <= HOT_WINDOW_MOST);
    client->running = client->count;
    for (unsigned i = 0; i < client->count; i++) {
        client->connections[i].wanted += questions;
        client->connections[i].outstanding_most = window;
        ask(client, &client->connections[i]);
    }
    while (client->running > 0)
        CHECK(ring_turn(client->ring, UINT64_MAX, completed, client) >= 0);
}

uint64_t hot_client_receives(const struct hot_client *client)
{
    return client->receives;
}
