/*
 * gate.h - mxward-gate: what mail servers ask, answered from the tables, or by the daemon, or by
 * the deadline with what is known.
 *
 * One thread, one ring. gate_run ends when gate_stop was called.
 */
#ifndef MXWARD_GATE_GATE_H
#define MXWARD_GATE_GATE_H

#include "engine/names/places.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate;

struct gate_options {
    const char *run_directory; /* of the daemon: where the tables are */
    const char *daemon_socket;
    const int *listeners; /* descriptors; they stay the caller's */
    uint32_t listener_count;
    const struct places *trusted; /* guarantee.trusted_hops; may be NULL */
    uint32_t connections;
    uint64_t deadline_ms, steady_ms, idle_ms;
    const char *transport_prefix, *ordinary_transport, *split_transport;
    bool observe;     /* clients may report deliveries */
    const char *help; /* NULL: none */
};

/* The options must live until others are taken (gate_reload). 0, or negative errno. */
int gate_create(struct gate **gate, const struct gate_options *options);
/* Until gate_stop. 0, or the ring's error. */
int gate_run(struct gate *gate);
/*
 * Other options, from the next turn on. Those of before are not used any more when it returns 0,
 * but for what stays as it was created with: run_directory, daemon_socket, listeners, connections.
 * -ETIMEDOUT: the loop does not turn, and nothing has changed. From another thread, one at a time.
 */
int gate_reload(struct gate *gate, const struct gate_options *options);
/* From a signal handler or another thread. */
void gate_stop(struct gate *gate);
void gate_destroy(struct gate *gate);
/* Boot clock of the last turn. Any thread. */
uint64_t gate_heartbeat_ms(const struct gate *gate);

#endif
