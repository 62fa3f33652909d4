/*
 * servers.c - see servers.h. Whatever is not as expected ends the program.
 */
#include "bench/rpc_hot/servers.h"

#include "bench/common/process.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "ipc/serve/native.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ID_AT    8      /* in a frame */
#define ECHO_OUT 131072 /* answers to all that one read can bring */

static struct servers_ready ready[8];
static unsigned ready_count;

void servers_ready(const struct servers_ready *answers, unsigned count)
{
    CHECK(count <= sizeof ready / sizeof ready[0]);
    memcpy(ready, answers, count * sizeof *answers);
    ready_count = count;
}

void servers_pin(unsigned processor)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    (void)sched_setaffinity(0, sizeof set, &set); /* where it is not allowed, it is noise */
}

pid_t servers_fork(void (*serve)(const char *path), const char *path)
{
    const pid_t parent = getpid(), child = fork();

    CHECK(child >= 0);
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    servers_pin(0);
    serve(path);
    _exit(0);
}

uint64_t servers_cpu_ns(pid_t child)
{
    struct timespec spent;
    clockid_t clock;

    CHECK(clock_getcpuclockid(child, &clock) == 0 && clock_gettime(clock, &spent) == 0);
    return (uint64_t)spent.tv_sec * 1000000000 + (uint64_t)spent.tv_nsec;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    CHECK(descriptor >= 0 && bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0 &&
          listen(descriptor, 128) == 0);
    return descriptor;
}

static struct servers_ready *ready_for(const struct frame *frame)
{
    for (unsigned i = 0; i < ready_count; i++)
        if (ready[i].kind == frame->kind)
            return &ready[i];
    CHECK(!"a frame that nobody asks here");
    return NULL;
}

/* --- the same skeleton --- */

static struct native *native;

static enum native_taken skeleton_request(void *context, struct native_client *client,
                                          const struct frame *frame, uint64_t arrived_ms)
{
    struct servers_ready *answer = ready_for(frame);

    (void)context, (void)arrived_ms;
    memcpy(answer->bytes + ID_AT, &frame->id, sizeof frame->id);
    native_put(native, client, answer->bytes, answer->size);
    return NATIVE_ANSWERED;
}

static bool skeleton_write(void *context, struct native_client *client,
                           struct native_answer *answer)
{
    (void)context, (void)client, (void)answer;
    return true; /* nothing ever waits */
}

static void skeleton_drop(void *context, struct native_answer *answer)
{
    (void)context, (void)answer;
}

static void skeleton_completed(void *context, const struct ring_completion *completion)
{
    (void)context;
    native_completed(native, completion);
}

/* As front.c's loop, but for what it does besides. */
void serve_skeleton(const char *path)
{
    static const struct ring_limits limits = {
        .submissions = 1024, .receive_buffers = 128, .receive_bytes = LIMIT_CLIENT_RECEIVE};
    const struct native_settings settings = {.connections = 256,
                                             .connections_per_user = 256,
                                             .requests = 256,
                                             .idle_ms = 3600000,
                                             .frame_ms = LIMIT_CLIENT_FRAME_MS,
                                             .stall_ms = LIMIT_CLIENT_STALL_MS};
    const struct native_owner owner = {
        .request = skeleton_request, .write = skeleton_write, .drop = skeleton_drop};
    const struct listen_settings nobody = {0};
    struct wheel_timer *timer;
    struct rights *rights;
    struct wheel *wheel;
    struct ring *ring;
    char why[256];

    CHECK(ring_create(&ring, &limits) == 0 && wheel_create(&wheel, clock_boot_ms()) == 0 &&
          rights_load(&rights, &nobody, why, sizeof why) == 0 &&
          native_create(&native, ring, wheel, listen_at(path), &settings, rights, &owner) == 0);
    for (;;) {
        const bool more = native_turn(native);
        const uint64_t next_ms = wheel_next_ms(wheel), tick_ms = clock_boot_ms() + 1000;

        CHECK(ring_turn(ring,
                        more                ? 0
                        : next_ms < tick_ms ? next_ms
                                            : tick_ms,
                        skeleton_completed, NULL) >= 0);
        native_set_now(native, clock_boot_ms());
        while ((timer = wheel_take_due(wheel, clock_boot_ms())) != NULL)
            native_due(native, timer);
    }
}

/* --- echoes without it --- */

/* What one connection has sent and not yet been answered. */
struct echo {
    int descriptor;
    size_t held;
    uint8_t bytes[LIMIT_CLIENT_INPUT];
};

/* One read, and one write of all that is to be answered. False: the client has gone. */
static bool echo_once(struct echo *echo)
{
    uint8_t out[ECHO_OUT];
    const ssize_t got =
        recv(echo->descriptor, echo->bytes + echo->held, sizeof echo->bytes - echo->held, 0);
    size_t at = 0, size = 0, used;
    struct frame frame;

    if (got <= 0)
        return false;
    echo->held += (size_t)got;
    while (frame_take(&frame, echo->bytes + at, echo->held - at, FRAME_REQUEST_MAX, &used) ==
           FRAME_WHOLE) {
        const struct servers_ready *answer = ready_for(&frame);

        CHECK(size + answer->size <= sizeof out);
        memcpy(out + size, answer->bytes, answer->size);
        memcpy(out + size + ID_AT, &frame.id, sizeof frame.id);
        size += answer->size;
        at += used;
    }
    memmove(echo->bytes, echo->bytes + at, echo->held - at);
    echo->held -= at;
    return size == 0 || send(echo->descriptor, out, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static struct echo *echo_accept(int listener)
{
    struct echo *echo = calloc(1, sizeof *echo);

    CHECK(echo != NULL);
    echo->descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(echo->descriptor >= 0);
    return echo;
}

static void echo_end(struct echo *echo)
{
    close(echo->descriptor);
    free(echo);
}

void serve_epoll(const char *path)
{
    const int listener = listen_at(path), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN}, events[64];

    CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0);
    for (;;) {
        const int count = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < count; i++) {
            struct echo *echo = events[i].data.ptr;

            if (echo == NULL) {
                echo = echo_accept(listener);
                event.data.ptr = echo;
                CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, echo->descriptor, &event) == 0);
            } else if (!echo_once(echo)) {
                echo_end(echo);
            }
        }
    }
}

static void *blocking_thread(void *context)
{
    struct echo *echo = context;

    while (echo_once(echo))
        ;
    echo_end(echo);
    return NULL;
}

void serve_blocking(const char *path)
{
    const int listener = listen_at(path);

    for (;;) {
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, blocking_thread, echo_accept(listener)) == 0 &&
              pthread_detach(thread) == 0);
    }
}

/* --- what people would use instead --- */

/* On the first processor, as ours: a child inherits it. */
static pid_t start_pinned(const char *const *words)
{
    pid_t child;

    servers_pin(0);
    child = process_start(words, NULL);
    servers_pin(1);
    return child;
}

pid_t servers_redis(const char *directory, const char *path)
{
    const char *const look[] = {"redis-server", "--version", NULL};
    const char *const words[] = {"redis-server",
                                 "--port",
                                 "0",
                                 "--unixsocket",
                                 path,
                                 "--save",
                                 "",
                                 "--appendonly",
                                 "no",
                                 "--dir",
                                 directory,
                                 "--loglevel",
                                 "warning",
                                 "--daemonize",
                                 "no",
                                 "--io-threads",
                                 "1",
                                 NULL};

    return process_run(look) == 0 ? start_pinned(words) : 0;
}

pid_t servers_memcached(const char *path)
{
    const char *const look[] = {"memcached", "--version", NULL};
    const char *const words[] = {"memcached", "-t",   "1",  "-m", "256",
                                 "-u",        "root", "-s", path, NULL};

    return process_run(look) == 0 ? start_pinned(words) : 0;
}
