/*
 * work.c - see work.h. Called by front.c (front thread) and serve.c (main thread).
 *
 * Failure: only work_open can fail. A byte that does not fit into the socket pair is not needed:
 * the other side has one waiting already.
 */
#include "ipc/serve/work.h"

#include "engine/base/check.h"
#include "ipc/wire/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

int work_open(struct work *work)
{
    int ends[2];
    void *text = mmap(NULL, FRAME_DOCUMENT_MAX, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (text == MAP_FAILED)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        int error = errno;

        munmap(text, FRAME_DOCUMENT_MAX);
        return -error;
    }
    *work = (struct work){.front_end = ends[0], .main_end = ends[1], .text = text};
    return 0;
}

void work_close(struct work *work)
{
    if (!work->text)
        return;
    close(work->front_end);
    close(work->main_end);
    munmap(work->text, FRAME_DOCUMENT_MAX);
    work->text = NULL;
}

static void tell(int end)
{
    (void)!send(end, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool work_ask(struct work *work, enum serve_work kind)
{
    /* Acquire: partner is our own release in work_release. */
    if (atomic_load_explicit(&work->state, memory_order_acquire) != WORK_IDLE)
        return false;
    work->kind = kind;
    /* Releases kind to work_take. */
    atomic_store_explicit(&work->state, WORK_ASKED, memory_order_release);
    tell(work->front_end);
    return true;
}

bool work_is_done(struct work *work)
{
    /* Acquire: partner is the release in work_done. */
    return atomic_load_explicit(&work->state, memory_order_acquire) == WORK_DONE;
}

void work_release(struct work *work)
{
    CHECK(work_is_done(work));
    atomic_store_explicit(&work->state, WORK_IDLE, memory_order_release);
}

enum serve_work work_take(struct work *work)
{
    char bytes[64];

    while (recv(work->main_end, bytes, sizeof bytes, MSG_DONTWAIT) == (ssize_t)sizeof bytes)
        ;
    /* Acquire: partner is the release in work_ask. */
    if (atomic_load_explicit(&work->state, memory_order_acquire) != WORK_ASKED)
        return SERVE_NOTHING;
    atomic_store_explicit(&work->state, WORK_TAKEN, memory_order_relaxed); /* ours alone */
    return work->kind;
}

void work_done(struct work *work, bool good, const char *text, size_t size)
{
    CHECK(atomic_load_explicit(&work->state, memory_order_relaxed) == WORK_TAKEN);
    work->good = good;
    work->size = size < FRAME_DOCUMENT_MAX ? size : FRAME_DOCUMENT_MAX - 1;
    memcpy(work->text, text, work->size);
    work->text[work->size] = 0;
    /* Releases good, text and size to work_is_done. */
    atomic_store_explicit(&work->state, WORK_DONE, memory_order_release);
    work_wake_front(work);
}

void work_wake_front(struct work *work)
{
    tell(work->main_end);
}
