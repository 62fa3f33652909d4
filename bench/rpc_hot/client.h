/*
 * client.h - asks a server over its Unix socket as quickly as one thread can: the same code for
 * every protocol, so that what differs is the server.
 *
 * Requests stand ready, one behind the other, so that asking some of them is one send of bytes that
 * are there. All connections are on one ring (engine/loop/ring): sends and receives of a turn enter
 * the kernel together. Of a reply as much is looked at as tells where it ends and that it is the
 * one that was wanted; the first replies of a run are also given to whoever wants to read them.
 */
#ifndef MXWARD_BENCH_RPC_HOT_CLIENT_H
#define MXWARD_BENCH_RPC_HOT_CLIENT_H

#include <stddef.h>
#include <stdint.h>

enum {
    HOT_QUESTIONS_MOST = 65536, /* different ones, asked in turn */
    HOT_REQUEST_BYTES = 256,    /* of one at most */
    HOT_WINDOW_MOST = 32,       /* outstanding of one connection */
    HOT_CONNECTIONS_MOST = 64,  /* at once */
};

struct hot_protocol {
    const char *name;
    /* Writes request `number`, at most HOT_REQUEST_BYTES; returns its size. */
    size_t (*request)(char *out, unsigned number);
    /* The size of the reply to request `number` at the start of `bytes`; 0: not all is there. Ends
     * the program if it is another reply. */
    size_t (*reply)(const uint8_t *bytes, size_t size, unsigned number);
};

struct hot_requests; /* so many requests of a protocol, made beforehand */
struct hot_requests *hot_requests_make(const struct hot_protocol *protocol, unsigned questions);

int hot_connect(const char *path); /* waits until somebody listens there */

struct hot_client;
/* Each connection begins with another question, the first of them with `first`. */
struct hot_client *hot_client_open(const char *path, const struct hot_requests *requests,
                                   unsigned connections, unsigned first);
void hot_client_close(struct hot_client *client);
/* Asks `questions` on each, `window` of them
 * outstanding; ends when all are answered. */
void hot_client_ask(struct hot_client *client, unsigned questions, unsigned window);
uint64_t hot_client_receives(const struct hot_client *client); /* since it was opened */

#endif
