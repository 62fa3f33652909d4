/*
 * gate.c - the gate's loop: see gate.h. The order of a turn is gate_turn().
 *
 * Owns the ring and everything on it. A client's protocol is told by its first bytes, once.
 */
#include "ipc/gate/gate_internal.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct ring_limits ring_limits = {
    .submissions = 1024, .receive_buffers = 256, .receive_bytes = GATE_RECEIVE};

#define SLEEP_MS   1000                                /* the heartbeat is not older */
#define FULL_TURNS (2 * GATE_CONNECTIONS / RING_BATCH) /* see all that can be there at once */

void gate_transport(const struct gate *gate, const char *profile, char *out, size_t size)
{
    snprintf(out, size, "%s%s:", gate->options->transport_prefix, profile);
}

/* --- clients --- */

static struct stream_taken client_take(void *context, struct stream *stream, const char *bytes,
                                       size_t size, bool ended)
{
    struct gate *gate = context;
    struct client *client = stream_state(stream);

    if (!client->known) {
        client->protocol = protocol_of(bytes, size);
        if (client->protocol == PROTOCOL_MORE && !ended)
            return (struct stream_taken){0};
        if (client->protocol == PROTOCOL_MORE)
            client->protocol = PROTOCOL_LINE;
        client->known = true;
    }
    switch (client->protocol) {
    case PROTOCOL_SOCKETMAP:
        return maps_take(gate, stream, bytes, size);
    case PROTOCOL_DELEGATION:
        return delegate_take(gate, stream, bytes, size);
    case PROTOCOL_LINE:
    case PROTOCOL_MORE:
        break;
    }
    return lines_take(gate, stream, bytes, size, ended);
}

static void client_room(void *context, struct stream *stream)
{
    asking_room(context, stream);
}

static void client_gone(void *context, struct stream *stream)
{
    asking_gone(context, stream);
}

/* --- a turn --- */

static void completed(void *context, const struct ring_completion *completion)
{
    struct gate *gate = context;
    const uint8_t operation = completion->token.operation;

    if (operation >= STREAM_OPERATION_FIRST && operation <= STREAM_OPERATION_LAST)
        streams_completed(gate->streams, completion);
    else if (operation >= LINK_OPERATION_FIRST && operation <= LINK_OPERATION_LAST)
        link_completed(gate->link, completion);
}

static void timer_due(struct gate *gate, struct wheel_timer *timer)
{
    const uint8_t operation = timer->token.operation;

    if (operation == GATE_OPERATION_DEADLINE) {
        asking_due(gate, timer);
    } else if (operation == GATE_OPERATION_REFRESH) {
        local_refresh(gate->local);
        gate->moved++;
        wheel_arm(gate->wheel, &gate->refresh, gate->now_ms + GATE_REFRESH_MS);
    } else if (operation >= LINK_OPERATION_FIRST && operation <= LINK_OPERATION_LAST) {
        link_due(gate->link, timer);
    } else {
        streams_due(gate->streams, timer);
    }
}

static void clocks_read(struct gate *gate)
{
    const int64_t now_s = clock_wall_s();

    gate->now_ms = clock_boot_ms();
    if (now_s != gate->now_s)
        gate->moved++; /* rules and exceptions end by the second: no answer is kept into another */
    gate->now_s = now_s;
    atomic_store_explicit(&gate->heartbeat_ms, gate->now_ms, memory_order_relaxed);
}

static void options_take(struct gate *gate)
{
    const struct gate_options *fresh;

    if (atomic_load_explicit(&gate->fresh, memory_order_relaxed) == NULL)
        return;
    fresh = atomic_exchange_explicit(&gate->fresh, NULL, memory_order_acquire);
    if (fresh == NULL) /* taken back */
        return;
    gate->options = fresh;
    local_trust(gate->local, fresh->trusted);
    recent_set_steady(gate->recent, fresh->steady_ms);
    streams_set_idle(gate->streams, fresh->idle_ms);
    gate->moved++; /* what is kept was said under the old ones */
    sem_post(&gate->taken);
}

static int gate_turn(struct gate *gate, bool busy)
{
    const uint64_t next_ms = wheel_next_ms(gate->wheel), most_ms = gate->now_ms + SLEEP_MS;
    struct wheel_timer *timer;
    int count = ring_turn(gate->ring,
                          busy                ? 0
                          : next_ms < most_ms ? next_ms
                                              : most_ms,
                          completed, gate);

    clocks_read(gate);
    if (count < 0)
        return count;
    options_take(gate);
    /* Deadlines only when all that came was seen; and nobody who never pauses puts them off. */
    if (count == RING_BATCH && ++gate->full_turns < FULL_TURNS)
        return 0;
    gate->full_turns = 0;
    while ((timer = wheel_take_due(gate->wheel, gate->now_ms)) != NULL)
        timer_due(gate, timer);
    return 0;
}

static void wake_wait(struct gate *gate)
{
    ring_poll(gate->ring, (struct ring_token){.operation = GATE_OPERATION_WAKE}, gate->wake,
              POLLIN);
}

int gate_run(struct gate *gate)
{
    bool busy = false;
    int error = 0;

    wake_wait(gate);
    while (error == 0 && !atomic_load_explicit(&gate->stop, memory_order_relaxed)) {
        error = gate_turn(gate, busy);
        busy = streams_turn(gate->streams);
        link_turn(gate->link);
    }
    streams_stop(gate->streams);
    link_stop(gate->link);
    for (uint64_t until_ms = clock_boot_ms() + GATE_STOP_MS;
         error == 0 && streams_running(gate->streams) + link_running(gate->link) > 0 &&
         clock_boot_ms() < until_ms;) {
        error = gate_turn(gate, false);
        streams_turn(gate->streams);
    }
    return error;
}

int gate_reload(struct gate *gate, const struct gate_options *options)
{
    const uint64_t until_ms = clock_boot_ms() + GATE_RELOAD_MS;

    atomic_store_explicit(&gate->fresh, options, memory_order_release);
    while (sem_trywait(&gate->taken) != 0) {
        const struct gate_options *mine = options;

        /* If they are gone they are being taken just now. */
        if (clock_boot_ms() >= until_ms &&
            atomic_compare_exchange_strong_explicit(&gate->fresh, &mine, NULL, memory_order_relaxed,
                                                    memory_order_relaxed))
            return -ETIMEDOUT;
        poll(NULL, 0, 10);
    }
    return 0;
}

void gate_stop(struct gate *gate)
{
    const uint64_t one = 1;

    atomic_store_explicit(&gate->stop, true, memory_order_relaxed);
    (void)!write(gate->wake, &one, sizeof one);
}

uint64_t gate_heartbeat_ms(const struct gate *gate)
{
    return atomic_load_explicit(&gate->heartbeat_ms, memory_order_relaxed);
}

/* --- life --- */

static int open_streams(struct gate *gate)
{
    const struct gate_options *options = gate->options;
    const struct stream_settings settings = {.connections = options->connections,
                                             .idle_ms = options->idle_ms};
    const struct stream_owner owner = {.context = gate,
                                       .take = client_take,
                                       .room = client_room,
                                       .gone = client_gone,
                                       .state_bytes = sizeof(struct client)};
    int error = streams_create(&gate->streams, gate->ring, gate->wheel, &settings, &owner);

    for (uint32_t i = 0; error == 0 && i < options->listener_count; i++)
        streams_listen(gate->streams, options->listeners[i]);
    return error;
}

static int open_parts(struct gate *gate)
{
    struct link_owner owner = asking_link_owner;
    int error = local_open(&gate->local, gate->options->run_directory);

    owner.context = gate;
    if (error == 0)
        local_trust(gate->local, gate->options->trusted);
    if (error == 0)
        error = recent_create(&gate->recent, GATE_RECENT, gate->options->steady_ms);
    if (error == 0)
        error = deliveries_create(&gate->deliveries);
    if (error == 0)
        error = pool_create(&gate->questions, "questions", sizeof(struct question), GATE_QUESTIONS);
    if (error == 0)
        error = ring_create(&gate->ring, &ring_limits);
    if (error == 0)
        error = wheel_create(&gate->wheel, gate->now_ms);
    if (error == 0)
        error =
            link_create(&gate->link, gate->ring, gate->wheel, gate->options->daemon_socket, &owner);
    return error != 0 ? error : open_streams(gate);
}

int gate_create(struct gate **out, const struct gate_options *options)
{
    struct gate *gate = calloc(1, sizeof *gate);
    int error;

    if (gate == NULL)
        return -ENOMEM;
    gate->options = options;
    sem_init(&gate->taken, 0, 0);
    clocks_read(gate);
    gate->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    error = gate->wake < 0 ? -errno : open_parts(gate);
    if (error != 0) {
        gate_destroy(gate);
        return error;
    }
    gate->refresh.token.operation = GATE_OPERATION_REFRESH;
    wheel_arm(gate->wheel, &gate->refresh, gate->now_ms + GATE_REFRESH_MS);
    *out = gate;
    return 0;
}

/* After gate_run has ended, or before it began. */
void gate_destroy(struct gate *gate)
{
    if (gate == NULL)
        return;
    if (gate->ring != NULL)
        ring_destroy(gate->ring);
    streams_destroy(gate->streams);
    link_destroy(gate->link);
    if (gate->wheel != NULL)
        wheel_destroy(gate->wheel);
    if (gate->questions != NULL)
        pool_destroy(gate->questions);
    deliveries_destroy(gate->deliveries);
    recent_destroy(gate->recent);
    local_close(gate->local);
    if (gate->wake >= 0)
        close(gate->wake);
    free(gate);
}
