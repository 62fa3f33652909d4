/*
 * serve.c - the native socket as one object for the daemon's main(): see serve.h.
 *
 * Main thread. Owns the socket's file, the front's thread and the hand-over of work. Settings are
 * bounded here by limits.h. Failure: nothing is left behind, and `why` is for the operator.
 */
#include "ipc/serve/serve.h"

#include "engine/base/limits.h"
#include "ipc/serve/front.h"
#include "ipc/socket/listener.h"
#include "ipc/serve/rights.h"
#include "ipc/serve/work.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct serve {
    struct listener listener;
    struct work work;
    struct front *front;
    pthread_t thread;
    bool running;
};

static uint32_t bounded(uint64_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : (uint32_t)value;
}

static struct front_settings settings_of(const struct listen_settings *listen)
{
    uint64_t idle_ms = listen->idle_ms ? listen->idle_ms : UINT32_MAX;

    return (struct front_settings){
        .native = {.connections = bounded(listen->connections, 1, LIMIT_CLIENTS),
                   .connections_per_user = bounded(listen->connections_per_user, 1, LIMIT_CLIENTS),
                   .requests = bounded(listen->requests_per_connection, 1, LIMIT_CLIENT_REQUESTS),
                   .idle_ms = idle_ms,
                   .frame_ms = idle_ms < LIMIT_CLIENT_FRAME_MS ? idle_ms : LIMIT_CLIENT_FRAME_MS,
                   .stall_ms = idle_ms < LIMIT_CLIENT_STALL_MS ? idle_ms : LIMIT_CLIENT_STALL_MS},
        .requests = LIMIT_FRONT_REQUESTS,
        .requests_per_user = LIMIT_FRONT_REQUESTS / 2,
    };
}

#define SOCKET_PATH_MAX 512

/* Where the socket is to be. True: in the run_directory, which the engine makes if need be. */
static bool socket_path(char path[SOCKET_PATH_MAX], const struct configuration *configuration)
{
    const char *directory = configuration->daemon.run_directory;
    size_t length = strlen(directory);

    if (configuration->listen.socket)
        snprintf(path, SOCKET_PATH_MAX, "%s", configuration->listen.socket);
    else
        snprintf(path, SOCKET_PATH_MAX, "%s/mxward.sock", directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/' &&
           !strchr(path + length + 1, '/');
}

static struct listener_wish wish_of(const char *path, const struct listen_settings *listen)
{
    return (struct listener_wish){
        .path = path,
        .path_setting = "listen.socket",
        .group_setting = "listen.group",
        .mode = (mode_t)listen->mode,
        .group = listen->group,
        .backlog = (int)bounded(listen->connections, 16, LIMIT_CLIENTS),
    };
}

int serve_judge(const struct configuration *configuration, char *why, size_t why_size)
{
    char path[SOCKET_PATH_MAX];
    struct listener_wish wish;
    struct rights *rights;
    bool comes = socket_path(path, configuration);
    int error = rights_load(&rights, &configuration->listen, why, why_size);

    if (error)
        return error;
    rights_free(rights);
    wish = wish_of(path, &configuration->listen);
    return listener_judge(&wish, comes, why, why_size);
}

static int open_listener(struct serve *serve, const struct configuration *configuration, char *why,
                         size_t why_size)
{
    char path[SOCKET_PATH_MAX];
    struct listener_wish wish;

    socket_path(path, configuration);
    wish = wish_of(path, &configuration->listen);
    return listener_open(&serve->listener, &wish, why, why_size);
}

static int start_front(struct serve *serve, struct engine *engine,
                       const struct configuration *configuration, struct front_terms *terms,
                       char *why, size_t why_size)
{
    struct front_settings settings = settings_of(&configuration->listen);
    int error = front_create(&serve->front, engine, &settings, serve->listener.descriptor, terms,
                             &serve->work);

    if (error) {
        front_terms_free(terms);
        snprintf(why, why_size, "no memory for the native socket");
        return error;
    }
    error = -pthread_create(&serve->thread, NULL, front_run, serve->front);
    if (error) {
        snprintf(why, why_size, "cannot start the front thread: %s", strerror(-error));
        return error;
    }
    pthread_setname_np(serve->thread, "front");
    error = front_started(serve->front, why, why_size);
    if (error)
        pthread_join(serve->thread, NULL);
    else
        serve->running = true;
    return error;
}

static int terms_load(struct front_terms **out, const struct configuration *configuration,
                      char *why, size_t why_size)
{
    struct front_terms *terms = calloc(1, sizeof *terms);
    int error;

    *out = NULL;
    if (!terms) {
        snprintf(why, why_size, "no memory for the native socket");
        return -ENOMEM;
    }
    error = rights_load(&terms->rights, &configuration->listen, why, why_size);
    if (!error)
        error = places_create(&terms->trusted, &configuration->guarantee.trusted_hops,
                              "guarantee.trusted_hops", why, why_size);
    if (error) {
        front_terms_free(terms);
        terms = NULL;
    }
    *out = terms;
    return error;
}

int serve_start(struct serve **out, struct engine *engine,
                const struct configuration *configuration, char *why, size_t why_size)
{
    struct serve *serve = calloc(1, sizeof *serve);
    struct front_terms *terms = NULL;
    int error;

    if (!serve) {
        snprintf(why, why_size, "no memory for the native socket");
        return -ENOMEM;
    }
    serve->listener.descriptor = -1;
    error = terms_load(&terms, configuration, why, why_size);
    if (!error) {
        error = work_open(&serve->work);
        if (error)
            snprintf(why, why_size, "cannot make a socket pair: %s", strerror(-error));
    }
    if (!error)
        error = open_listener(serve, configuration, why, why_size);
    if (error)
        front_terms_free(terms);
    else
        error = start_front(serve, engine, configuration, terms, why, why_size);
    if (error) {
        serve_free(serve);
        return error;
    }
    *out = serve;
    return 0;
}

int serve_reload(struct serve *serve, const struct configuration *configuration, char *why,
                 size_t why_size)
{
    struct front_terms *terms;
    int error = terms_load(&terms, configuration, why, why_size);

    if (!error)
        front_set_terms(serve->front, terms);
    return error;
}

void serve_stop(struct serve *serve)
{
    if (!serve || !serve->running)
        return;
    front_stop(serve->front);
    pthread_join(serve->thread, NULL);
    serve->running = false;
    listener_close(&serve->listener);
}

void serve_free(struct serve *serve)
{
    if (!serve)
        return;
    serve_stop(serve);
    listener_close(&serve->listener);
    front_destroy(serve->front);
    work_close(&serve->work);
    free(serve);
}

uint64_t serve_heartbeat_ms(const struct serve *serve)
{
    return counter_read(&front_counts(serve->front)->heartbeat_ms);
}

int serve_work_descriptor(const struct serve *serve)
{
    return serve->work.main_end;
}

enum serve_work serve_work_take(struct serve *serve)
{
    return work_take(&serve->work);
}

void serve_work_done(struct serve *serve, bool good, const char *text, size_t size)
{
    work_done(&serve->work, good, text, size);
}
