/*
 * work.h - what the front asks of the main thread: one piece of work at a time, handed to and fro.
 *
 * `state` says whose turn it is and hands over all other fields (release by who gives, acquire by
 * who takes); a byte on a socket pair tells the other thread to look. The same byte, from the main
 * thread, tells the front to look at its other news (stop, new rights).
 */
#ifndef MXWARD_SERVE_WORK_H
#define MXWARD_SERVE_WORK_H

#include "ipc/serve/serve.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum work_state { WORK_IDLE, WORK_ASKED, WORK_TAKEN, WORK_DONE };

struct work {
    int front_end, main_end; /* a socket pair */
    atomic_int state;        /* enum work_state */
    enum serve_work kind;
    bool good;
    char *text; /* FRAME_DOCUMENT_MAX bytes */
    size_t size;
};

int work_open(struct work *work);
void work_close(struct work *work);
/* Front. False: the main thread is busy with another. */
bool work_ask(struct work *work, enum serve_work kind);
bool work_is_done(struct work *work); /* then kind, good, text, size are the front's … */
void work_release(struct work *work); /* … until here */
/* Main thread. */
enum serve_work work_take(struct work *work);
void work_done(struct work *work, bool good, const char *text, size_t size);
void work_wake_front(struct work *work);

#endif
