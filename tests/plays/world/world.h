/*
 * world.h - a world of text scripts for plays: the same symbols as engine/loop/ring.h and
 * engine/base/clock.h, but the kernel, the network, the mail hosts and the time are here. (The
 * other ends of mailboxes, the resolver and the table, are in names.h.)
 *
 * A play gives the world one script for each connection, in the order of connecting (the last one
 * serves all further connections), or such a list for each address; runs the code under test, and
 * asks afterwards. A script has one action a line:
 *
 *     connect refused      first line only; also: unreachable, silence. Without it: accepted
 *     S: 220 mx ESMTP      the host says this line, CR LF added
 *     S! 220-mx\r\n        the host says exactly this; \r \n \t \\ \0 \xNN are understood
 *     C: EHLO probe        the client must say exactly this line; a * at the end: anything
 *     eat                  the client's next bytes, whatever they are, are swallowed
 *     TLS                  a real OpenSSL server takes its part of the handshake; from here on S
 *     TLS name             and C are inside TLS. The name chooses the server (world_tls_server)
 *     goodbye              close_notify
 *     wait 250             so many milliseconds pass before the next line
 *     endless TEXT         the host says TEXT (escapes as with S!) again for each receive
 *     close, reset         the connection ends
 *
 * A script that has ended stays silent. What the client says against the script ends the play as
 * failed (world_failed() says why); so does every breach of ring.h: memory that changed before its
 * completion, a file closed while in use or twice, more operations than there can be, waiting for
 * nobody.
 *
 * Trouble: the same play runs again with its n-th operation in trouble, or its n-th allocation
 * failing, for all n until the play ends before the n-th.
 *
 * One thread. Allocations of the world itself never fail and are not counted.
 */
#ifndef MXWARD_TESTS_PLAYS_WORLD_H
#define MXWARD_TESTS_PLAYS_WORLD_H

#include "engine/loop/ring.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_START_MS   UINT64_C(5000000)
#define WORLD_SCRIPTS    8
#define WORLD_ADDRESSES  24
#define WORLD_VISITS     8
#define WORLD_LATENCY_MS 1 /* from a send to the answer, and to connect */

/* What happens to the n-th operation submitted. */
enum world_trouble {
    TROUBLE_NONE,
    TROUBLE_REFUSED,   /* it is not taken: -EAGAIN */
    TROUBLE_CANCELLED, /* it completes with -ECANCELED though nobody asked */
    TROUBLE_NO_MEMORY, /* it completes with -ENOMEM */
    TROUBLE_LATE,      /* it completes only when cancelled */
    TROUBLE_RACE, /* likewise, and then with its real result, for the cancelling came too late */
    TROUBLE_SLOW_CANCEL, /* likewise, with -ECANCELED, half a second after the cancelling */
    TROUBLE_NO_BUFFER,   /* a receive completes with -ENOBUFS; others as usual */
    TROUBLE_COUNT
};
const char *world_trouble_name(enum world_trouble trouble);

/* --- the play's side --- */

struct world_address {
    const char *address;               /* as text; NULL ends the list */
    const char *scripts[WORLD_VISITS]; /* for each connection to it; up to the first NULL */
};

struct world_options {
    const char *scripts[WORLD_SCRIPTS]; /* up to the first NULL; used if there are no addresses */
    struct world_address addresses[WORLD_ADDRESSES];
    size_t receive_max; /* bytes a receive brings at most; 0: 4096 */
    size_t send_max;    /* bytes a send takes at most; 0: all */
    enum world_trouble trouble;
    unsigned trouble_at; /* n of the operation, from 1 */
    bool may_quit;       /* the client may say QUIT instead of what the script expects */
    unsigned turns_max;  /* of the ring, before it counts as going round in circles; 0: 200,000 */
};

/* Forgets everything before, but the clock goes on: a prober may live through many plays. */
void world_begin(const struct world_options *options);
/* Why the play failed, or NULL. */
const char *world_failed(void);
void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Checks that nothing is left: operations, files. Then frees the world. */
void world_end(void);

unsigned world_operations(void);  /* submitted so far */
unsigned world_connections(void); /* made so far */
unsigned world_files_open(void);
unsigned world_in_flight(void);              /* operations now */
bool world_script_done(unsigned connection); /* every line was played */
const char *world_transcript(void);          /* of all connections, for messages */
void world_pass(uint64_t span_ms);           /* time goes by: we were stopped, or slept */

/* Others who live in the world, such as the far ends of mailboxes, all in the ring's thread:
 * `begin` is called once a turn of the ring; `play` then, before completions are handed over,
 * whenever the clock has moved; `next_ms` tells when it wants to play on (UINT64_MAX: never by
 * itself). Each may be NULL. Forgotten by world_begin. */
struct world_party {
    void *context;
    void (*begin)(void *context);
    void (*play)(void *context);
    uint64_t (*next_ms)(void *context);
};
void world_invite(const struct world_party *party);
void world_calm(void); /* no more trouble, and each host begins with its first script again */
void world_wake(void); /* the ring's turn ends, as by ring_wake of another thread */

/* The server that "TLS name" uses; "" for "TLS". The world takes the reference. */
void world_tls_server(const char *name, SSL_CTX *ctx);

/* --- allocations of the code under test (malloc, calloc, realloc, mmap, …, OpenSSL's) --- */

enum world_memory {
    WORLD_MEMORY_ALL,
    WORLD_MEMORY_OWN, /* of our own code */
    WORLD_MEMORY_OPENSSL,
    WORLD_MEMORY_COUNT
};
void world_allocations_begin(uint64_t fail_at); /* counts from 1; 0: none fails */
void world_allocations_begin_of(enum world_memory whose, uint64_t fail_at); /* … only these */
void world_allocations_last(void);      /* after begin: not only the n-th fails, but all after it */
uint64_t world_allocations_end(void);   /* how many of them */
bool world_allocation_failed(void);     /* since world_allocations_begin */
void world_allocation_fails_next(void); /* whoever asks next, counted or not, paused or not */
/* Between these the world's own allocations are neither counted nor failed; they nest. */
void world_allocations_pause(void);
void world_allocations_resume(void);

/* MXWARD_PLAYS=whole: plays that would leave out some n take every one. */
bool world_plays_whole(void);

/* From now on the pools of this name ("": all) are made for one object; NULL: as before. */
void world_pool_of_one(const char *name);

/* --- between the world's own files --- */

struct host; /* the other end of one connection */

enum host_connect { HOST_ACCEPTS, HOST_REFUSES, HOST_UNREACHABLE, HOST_SILENT };

struct host *host_create(const char *script, bool may_quit);
void host_free(struct host *host);
enum host_connect host_connects(const struct host *host);
void host_accept(struct host *host, uint64_t now_ms);
/* Plays on, as far as it can at this time. */
void host_play(struct host *host, uint64_t now_ms);
uint64_t host_next_ms(const struct host *host); /* when it wants to play on; UINT64_MAX: not */
void host_take(struct host *host, const uint8_t *bytes, size_t size, uint64_t now_ms);
/* > 0: bytes given; 0: the end; -EAGAIN: nothing now; -ECONNRESET. */
int host_give(struct host *host, uint8_t *bytes, size_t size);
bool host_done(const struct host *host);
SSL_CTX *host_tls_server(const char *name);
void host_tls_servers_free(void);

void world_note(const char *who, const void *bytes, size_t size); /* into the transcript */
void world_clock_set(uint64_t now_ms);

#endif
