/*
 * servers.h - what stands beside the daemon's front, each in a process of its own on the first
 * processor:
 *
 *   skeleton   ipc/serve/native, ring and wheel as the front turns them, with an owner that answers
 *              every frame with bytes made beforehand: what an answer costs at the least
 *   epoll      one thread, epoll, a read and a write for what is there
 *   blocking   a thread for each connection, a read and a write for what is there
 *   redis, memcached   Debian's, with settings of their own in the bench's folder
 *
 * The first three take and answer the frames of the native socket.
 */
#ifndef MXWARD_BENCH_RPC_HOT_SERVERS_H
#define MXWARD_BENCH_RPC_HOT_SERVERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the three answer to a frame of this kind: a whole frame, into which its id is written. */
#define SERVERS_READY_MAX 2048
struct servers_ready {
    uint8_t kind;
    uint8_t bytes[SERVERS_READY_MAX];
    size_t size;
};
void servers_ready(const struct servers_ready *answers, unsigned count);

/* Runs `serve` in a child on the first processor; it ends with this process. */
pid_t servers_fork(void (*serve)(const char *path), const char *path);
void servers_pin(unsigned processor);

void serve_skeleton(const char *path);
void serve_epoll(const char *path);
void serve_blocking(const char *path);
/* 0: Debian's package is not installed. */
pid_t servers_redis(const char *directory, const char *path);
pid_t servers_memcached(const char *path);

uint64_t servers_cpu_ns(pid_t child); /* of all its threads */

#endif
