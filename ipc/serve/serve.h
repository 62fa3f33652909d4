/*
 * serve.h - the native socket as the daemon's main() sees it: start, reload, stop, and the little
 * work that only the main thread may do.
 *
 * serve_start opens the socket and starts the front thread, which owns everything on it. Reload and
 * the effective configuration are the main thread's: the front asks through a pipe-like descriptor,
 * main polls it, does the work and answers. All functions here are the main thread's.
 */
#ifndef MXWARD_SERVE_SERVE_H
#define MXWARD_SERVE_SERVE_H

#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>

struct serve;

/* What serve_start and serve_reload would find wrong with the settings, by the same functions: see
 * engine_judge, after which this is asked. */
int serve_judge(const struct configuration *configuration, char *why, size_t why_size);
/* 0, or negative errno with a sentence for the operator in `why`. */
int serve_start(struct serve **serve, struct engine *engine,
                const struct configuration *configuration, char *why, size_t why_size);
/* New rights; bounds and the socket itself need a restart. On failure the old ones go on. */
int serve_reload(struct serve *serve, const struct configuration *configuration, char *why,
                 size_t why_size);
/* No more clients from here on; waits at most LIMIT_SERVE_STOP_MS for what is at the engine. Call
 * it before engine_stop, and serve_free after: what comes home late still has its memory. */
void serve_stop(struct serve *serve);
void serve_free(struct serve *serve);

/* Boot time of the front thread's last sign of life, for the watchdog: at most a second or so ago
 * while it serves. */
uint64_t serve_heartbeat_ms(const struct serve *serve);

/* What a client asked of the main thread. */
enum serve_work {
    SERVE_NOTHING,
    SERVE_RELOAD,           /* answer: done or refused, with a sentence */
    SERVE_CONFIG_EFFECTIVE, /* answer: the text (option_print_effective) */
    SERVE_CONFIG_SAMPLE,    /* answer: the text (option_print_sample) */
};
int serve_work_descriptor(const struct serve *serve); /* readable: serve_work_take */
enum serve_work serve_work_take(struct serve *serve);
/* Exactly once for each work taken. The text is copied, at most FRAME_DOCUMENT_MAX - 1 bytes. */
void serve_work_done(struct serve *serve, bool good, const char *text, size_t size);

#endif
