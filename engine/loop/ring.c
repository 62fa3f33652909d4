/*
 * ring.c - the io_uring of one thread; liburing is used here (and in the resolver) and nowhere
 * else.
 *
 * Called by the thread that created the ring, by nobody else. It owns the submission and completion
 * queues, a table of registered files whose free places it keeps itself (so that the place of a new
 * socket is known before the kernel made it), and one ring of provided receive buffers. A buffer
 * goes back to the kernel as soon as the handler has returned.
 *
 * The 64 bits that travel with an operation are the caller's token; the operation number
 * RING_OPERATION_OWN is the ring's: opening (its slot is the place in the file table, where the
 * caller's token waits), closing, cancelling and waking, of which the caller hears nothing.
 *
 * Registered files are used from Linux 6.13 on. Before, one registered file with a receive pending
 * kept back the release of every file closed after it (nodes were freed in order), so that a slow
 * peer would have held thousands of closed connections half open. There, ring_open makes plain
 * descriptors; nobody else sees a difference.
 *
 * Failure: as the header says. What the kernel refuses for a while (-EAGAIN, -EBUSY: no memory for
 * requests, completion queue overflown) is tried again in the next turn, and counted.
 *
 * Weakness: the wait is measured by the monotonic clock; a machine that was suspended wakes late.
 */
#include "engine/loop/ring.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"

#include <liburing.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#define BUFFER_GROUP    0
#define NO_FILE         UINT32_MAX
#define COMPLETIONS_MAX (1u << 16) /* entries of the completion queue */

/* What the ring itself asks for: the generation of a token with RING_OPERATION_OWN. */
enum own { OWN_OPEN, OWN_CLOSE, OWN_CANCEL, OWN_WAKE, OWN_WOKEN };

enum file_state { FILE_FREE, FILE_OPENING, FILE_OPEN };

struct file {
    uint64_t token; /* whose opening it is */
    uint32_t next_free;
    enum file_state state;
};

struct ring {
    struct io_uring uring;
    struct ring_limits limits;
    bool direct; /* sockets are registered files */

    struct file *files; /* limits.files of them */
    uint32_t first_free;

    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    size_t buffer_ring_bytes, buffers_bytes;

    uint32_t in_flight;
    int wakes_owed[LIMIT_THREADS]; /* descriptors whose wake-up the kernel refused */
    uint32_t wakes_owed_count;
    struct ring_counts counts;
};

static uint64_t pack(struct ring_token token)
{
    return (uint64_t)token.operation << 56 | (uint64_t)token.slot << 32 | token.generation;
}

static struct ring_token unpack(uint64_t bits)
{
    return (struct ring_token){.operation = (uint8_t)(bits >> 56),
                               .slot = (uint32_t)(bits >> 32) & RING_SLOT_MAX,
                               .generation = (uint32_t)bits};
}

static uint64_t pack_own(enum own what, uint32_t slot)
{
    return pack((struct ring_token){RING_OPERATION_OWN, slot, what});
}

/* --- create and destroy --- */

/* See the head of this file: "io_uring/rsrc: get rid of per-ring io_rsrc_node list", Linux 6.13. */
static bool kernel_frees_files_at_once(void)
{
    struct utsname name;
    unsigned major = 0, minor = 0;

    if (uname(&name) != 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
        return false;
    return major > 6 || (major == 6 && minor >= 13);
}

static int set_up_queues(struct ring *ring)
{
    const struct ring_limits *limits = &ring->limits;
    /* Two operations of each file may be in flight, and as many completions wait at once. */
    uint64_t completions = 2 * ((uint64_t)limits->submissions + limits->files);
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                 IORING_SETUP_CLAMP,
        .cq_entries = completions > COMPLETIONS_MAX ? COMPLETIONS_MAX : (uint32_t)completions,
    };
    int error = io_uring_queue_init_params(limits->submissions, &ring->uring, &params);
    if (error < 0)
        return error;
    const uint32_t needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;
    if ((params.features & needed) != needed) {
        io_uring_queue_exit(&ring->uring);
        return -EINVAL;
    }
    /* Only spares a look-up of the descriptor at every call; goes on without. */
    (void)io_uring_register_ring_fd(&ring->uring);
    return 0;
}

static int set_up_files(struct ring *ring)
{
    uint32_t count = ring->limits.files;

    ring->first_free = NO_FILE;
    if (count == 0)
        return 0;
    CHECK(count < RING_FILE_DIRECT && count <= RING_SLOT_MAX);
    ring->files = calloc(count, sizeof *ring->files);
    if (ring->files == NULL)
        return -ENOMEM;
    for (uint32_t i = count; i-- > 0;) {
        ring->files[i].next_free = ring->first_free;
        ring->first_free = i;
    }
    return ring->direct ? io_uring_register_files_sparse(&ring->uring, count) : 0;
}

static void give_buffer(struct ring *ring, uint32_t id)
{
    uint32_t count = ring->limits.receive_buffers;
    uint8_t *buffer = ring->buffers + (size_t)id * ring->limits.receive_bytes;

    io_uring_buf_ring_add(ring->buffer_ring, buffer, ring->limits.receive_bytes, (uint16_t)id,
                          io_uring_buf_ring_mask(count), 0);
    io_uring_buf_ring_advance(ring->buffer_ring, 1);
}

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static int set_up_buffers(struct ring *ring)
{
    uint32_t count = ring->limits.receive_buffers;

    if (count == 0)
        return 0;
    CHECK((count & (count - 1)) == 0 && count <= 1u << 15 && ring->limits.receive_bytes > 0);
    ring->buffer_ring_bytes = count * sizeof(struct io_uring_buf);
    ring->buffers_bytes = (size_t)count * ring->limits.receive_bytes;
    ring->buffer_ring = map(ring->buffer_ring_bytes);
    ring->buffers = map(ring->buffers_bytes);
    if (ring->buffer_ring == NULL || ring->buffers == NULL)
        return -ENOMEM;
    struct io_uring_buf_reg reg = {
        .ring_addr = (uintptr_t)ring->buffer_ring, .ring_entries = count, .bgid = BUFFER_GROUP};
    int error = io_uring_register_buf_ring(&ring->uring, &reg, 0);
    if (error < 0)
        return error;
    io_uring_buf_ring_init(ring->buffer_ring);
    for (uint32_t id = 0; id < count; id++)
        give_buffer(ring, id);
    return 0;
}

static void free_memory(struct ring *ring)
{
    if (ring->buffer_ring != NULL)
        munmap(ring->buffer_ring, ring->buffer_ring_bytes);
    if (ring->buffers != NULL)
        munmap(ring->buffers, ring->buffers_bytes);
    free(ring->files);
    free(ring);
}

int ring_create(struct ring **out, const struct ring_limits *limits)
{
    CHECK(limits->submissions > 0 && (limits->submissions & (limits->submissions - 1)) == 0);
    struct ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return -ENOMEM;
    ring->limits = *limits;
    ring->direct = limits->files > 0 && !limits->plain_files && kernel_frees_files_at_once();
    int error = set_up_queues(ring);
    if (error < 0) {
        free(ring);
        return error;
    }
    error = set_up_files(ring);
    if (error == 0)
        error = set_up_buffers(ring);
    if (error < 0) {
        io_uring_queue_exit(&ring->uring);
        free_memory(ring);
        return error;
    }
    *out = ring;
    return 0;
}

void ring_destroy(struct ring *ring)
{
    if (ring == NULL)
        return;
    (void)io_uring_submit(&ring->uring); /* what is queued: closings and wake-ups */
    if (ring->in_flight > 0) {
        /* The kernel lets go of everybody's memory before this returns. */
        struct io_uring_sync_cancel_reg all = {.flags = IORING_ASYNC_CANCEL_ANY |
                                                        IORING_ASYNC_CANCEL_ALL,
                                               .timeout = {.tv_sec = -1, .tv_nsec = -1}};
        (void)io_uring_register_sync_cancel(&ring->uring, &all);
    }
    io_uring_queue_exit(&ring->uring);
    free_memory(ring);
}

int ring_descriptor(const struct ring *ring)
{
    return ring->uring.ring_fd;
}

uint32_t ring_in_flight(const struct ring *ring)
{
    return ring->in_flight;
}

const struct ring_counts *ring_counts(const struct ring *ring)
{
    return &ring->counts;
}

bool ring_uses_direct_files(const struct ring *ring)
{
    return ring->direct;
}

/* --- submitting --- */

/* Hands over to the kernel what is queued; what it does not take now, it is offered again. */
static void submit(struct ring *ring)
{
    int result = io_uring_submit(&ring->uring);

    if (result < 0)
        counter_add(&ring->counts.refused, 1);
}

static struct io_uring_sqe *entry(struct ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

    if (sqe != NULL)
        return sqe;
    counter_add(&ring->counts.queue_full, 1);
    submit(ring);
    return io_uring_get_sqe(&ring->uring);
}

static int kernel_file(ring_file file)
{
    CHECK(file >= 0);
    return file & ~RING_FILE_DIRECT;
}

static bool is_direct(ring_file file)
{
    return (file & RING_FILE_DIRECT) != 0;
}

/* The last of each submitting function: names the file and the operation. */
static int finish(struct ring *ring, struct io_uring_sqe *sqe, struct ring_token token,
                  ring_file file)
{
    CHECK(token.operation != RING_OPERATION_OWN && token.slot <= RING_SLOT_MAX);
    if (is_direct(file))
        sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, pack(token));
    ring->in_flight++;
    return 0;
}

static uint32_t take_file(struct ring *ring, enum file_state state)
{
    uint32_t index = ring->first_free;

    if (index != NO_FILE) {
        ring->first_free = ring->files[index].next_free;
        ring->files[index].state = state;
    }
    return index;
}

static void give_file(struct ring *ring, uint32_t index)
{
    struct file *file = &ring->files[index];

    CHECK(index < ring->limits.files && file->state != FILE_FREE);
    file->state = FILE_FREE;
    file->next_free = ring->first_free;
    ring->first_free = index;
}

int ring_open(struct ring *ring, struct ring_token token, int family)
{
    CHECK(token.operation != RING_OPERATION_OWN && token.slot <= RING_SLOT_MAX);
    if (ring->direct && ring->first_free == NO_FILE)
        return -ENFILE;
    struct io_uring_sqe *sqe = entry(ring);
    if (sqe == NULL)
        return -EAGAIN;
    if (ring->direct) {
        uint32_t index = take_file(ring, FILE_OPENING);
        io_uring_prep_socket_direct(sqe, family, SOCK_STREAM, 0, index, 0);
        ring->files[index].token = pack(token);
        io_uring_sqe_set_data64(sqe, pack_own(OWN_OPEN, index));
    } else {
        io_uring_prep_socket(sqe, family, SOCK_STREAM | SOCK_CLOEXEC, 0, 0);
        io_uring_sqe_set_data64(sqe, pack(token));
    }
    ring->in_flight++;
    return 0;
}

ring_file ring_open_bound(struct ring *ring, int family, const struct sockaddr *source,
                          socklen_t size)
{
    int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return -errno;
    if (source != NULL && bind(descriptor, source, size) != 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    if (!ring->direct)
        return descriptor;
    uint32_t index = take_file(ring, FILE_OPEN);
    int result = index == NO_FILE
                     ? -ENFILE
                     : io_uring_register_files_update(&ring->uring, index, &descriptor, 1);
    close(descriptor);
    if (result == 1)
        return (ring_file)index | RING_FILE_DIRECT;
    if (index != NO_FILE)
        give_file(ring, index);
    return result < 0 ? result : -EAGAIN;
}

int ring_connect(struct ring *ring, struct ring_token token, ring_file file,
                 const struct sockaddr *address, socklen_t size)
{
    struct io_uring_sqe *sqe = entry(ring);

    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_connect(sqe, kernel_file(file), address, size);
    return finish(ring, sqe, token, file);
}

static int receive(struct ring *ring, struct ring_token token, ring_file file, bool multishot)
{
    struct io_uring_sqe *sqe = entry(ring);

    if (sqe == NULL)
        return -EAGAIN;
    CHECK(ring->limits.receive_buffers > 0);
    if (multishot)
        io_uring_prep_recv_multishot(sqe, kernel_file(file), NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, kernel_file(file), NULL, 0, 0);
    /* The answer of a peer is hardly ever there already: wait first, spare the failing attempt. */
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    return finish(ring, sqe, token, file);
}

int ring_receive(struct ring *ring, struct ring_token token, ring_file file)
{
    return receive(ring, token, file, false);
}

int ring_receive_multishot(struct ring *ring, struct ring_token token, ring_file file)
{
    return receive(ring, token, file, true);
}

int ring_send(struct ring *ring, struct ring_token token, ring_file file, const void *bytes,
              size_t size)
{
    struct io_uring_sqe *sqe = entry(ring);

    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_send(sqe, kernel_file(file), bytes, size, MSG_NOSIGNAL);
    return finish(ring, sqe, token, file);
}

int ring_accept_multishot(struct ring *ring, struct ring_token token, ring_file listener)
{
    struct io_uring_sqe *sqe = entry(ring);

    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_multishot_accept(sqe, kernel_file(listener), NULL, NULL, SOCK_CLOEXEC);
    return finish(ring, sqe, token, listener);
}

int ring_poll(struct ring *ring, struct ring_token token, ring_file file, short events)
{
    struct io_uring_sqe *sqe = entry(ring);

    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_poll_add(sqe, kernel_file(file), (unsigned)(unsigned short)events);
    return finish(ring, sqe, token, file);
}

int ring_cancel(struct ring *ring, struct ring_token token)
{
    struct io_uring_sqe *sqe = entry(ring);

    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_cancel64(sqe, pack(token), IORING_ASYNC_CANCEL_ALL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, pack_own(OWN_CANCEL, 0));
    return 0;
}

void ring_close(struct ring *ring, ring_file file)
{
    int number = kernel_file(file);
    struct io_uring_sqe *sqe = entry(ring);

    if (sqe != NULL) {
        if (is_direct(file))
            io_uring_prep_close_direct(sqe, (unsigned)number);
        else
            io_uring_prep_close(sqe, number);
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
        io_uring_sqe_set_data64(sqe, pack_own(OWN_CLOSE, 0));
    } else if (is_direct(file)) {
        int none = -1;
        (void)io_uring_register_files_update(&ring->uring, (unsigned)number, &none, 1);
    } else {
        close(number);
    }
    /* Its place may be used again at once: entries are begun in the order they were queued. */
    if (is_direct(file))
        give_file(ring, (uint32_t)number);
}

/* --- waking --- */

static void owe_wake(struct ring *ring, int descriptor)
{
    for (uint32_t i = 0; i < ring->wakes_owed_count; i++)
        if (ring->wakes_owed[i] == descriptor)
            return;
    if (ring->wakes_owed_count < LIMIT_THREADS)
        ring->wakes_owed[ring->wakes_owed_count++] = descriptor;
}

static bool queue_wake(struct ring *ring, int descriptor)
{
    struct io_uring_sqe *sqe = entry(ring);

    if (sqe == NULL)
        return false;
    io_uring_prep_msg_ring(sqe, descriptor, 0, pack_own(OWN_WOKEN, 0), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, pack_own(OWN_WAKE, (uint32_t)descriptor & RING_SLOT_MAX));
    return true;
}

int ring_wake(struct ring *mine, int other_descriptor)
{
    if (!queue_wake(mine, other_descriptor)) {
        owe_wake(mine, other_descriptor); /* a wake-up is never lost: again in the next turn */
        return 0;
    }
    /* At once: the peer sleeps, and this thread may go on to something long. */
    submit(mine);
    return 0;
}

static void pay_wakes(struct ring *ring)
{
    uint32_t count = ring->wakes_owed_count;

    ring->wakes_owed_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!queue_wake(ring, ring->wakes_owed[i]))
            owe_wake(ring, ring->wakes_owed[i]);
}

/* --- turning --- */

/* The ring's own completions: those of openings become the caller's. True: report it. */
static bool own_completed(struct ring *ring, struct ring_completion *completion)
{
    uint32_t slot = completion->token.slot;

    switch ((enum own)completion->token.generation) {
    case OWN_OPEN:
        CHECK(slot < ring->limits.files && ring->files[slot].state == FILE_OPENING);
        completion->token = unpack(ring->files[slot].token);
        if (completion->result >= 0) {
            ring->files[slot].state = FILE_OPEN;
            completion->result = (ring_file)slot | RING_FILE_DIRECT;
        } else {
            give_file(ring, slot);
        }
        return true;
    case OWN_WAKE: /* only failures are reported; others than these: the peer's ring is gone */
        if (completion->result == -ENOMEM || completion->result == -EOVERFLOW ||
            completion->result == -EAGAIN)
            owe_wake(ring, (int)slot);
        counter_add(&ring->counts.refused, 1);
        return false;
    case OWN_WOKEN:
        counter_add(&ring->counts.woken, 1);
        return false;
    case OWN_CANCEL: /* -ENOENT: it had ended by itself */
    case OWN_CLOSE:
        return false;
    }
    CHECK(completion == NULL); /* nobody asked for it */
    return false;
}

/* Hands over one completion; true if it was the caller's. */
static bool hand_over(struct ring *ring, const struct io_uring_cqe *cqe, ring_handler *handler,
                      void *context)
{
    struct ring_completion completion = {.token = unpack(cqe->user_data),
                                         .result = cqe->res,
                                         .flags = cqe->flags & IORING_CQE_F_MORE ? RING_MORE : 0};
    bool buffered = (cqe->flags & IORING_CQE_F_BUFFER) != 0;
    uint32_t buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

    if (completion.token.operation == RING_OPERATION_OWN && !own_completed(ring, &completion))
        return false;
    if (completion.flags == 0) {
        CHECK(ring->in_flight > 0);
        ring->in_flight--;
    }
    if (buffered && completion.result > 0)
        completion.data = ring->buffers + (size_t)buffer * ring->limits.receive_bytes;
    if (completion.result == -ENOBUFS)
        counter_add(&ring->counts.no_buffers, 1);
    handler(context, &completion);
    if (buffered)
        give_buffer(ring, buffer);
    return true;
}

/* Enters the kernel: submits, and sleeps if nothing is there. 0 or -errno. */
static int enter(struct ring *ring, uint64_t until_ms)
{
    uint64_t now_ms = until_ms == 0 || until_ms == UINT64_MAX ? 0 : clock_boot_ms();

    if (io_uring_cq_ready(&ring->uring) > 0 || until_ms <= now_ms)
        return io_uring_submit_and_get_events(&ring->uring);
    struct io_uring_cqe *cqe;
    struct __kernel_timespec wait = {.tv_sec = (int64_t)((until_ms - now_ms) / 1000),
                                     .tv_nsec = (int64_t)((until_ms - now_ms) % 1000) * 1000000};
    return io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1,
                                            until_ms == UINT64_MAX ? NULL : &wait, NULL);
}

/* Work of the kernel's that waits for us to enter it once more. */
static bool more_is_there(const struct ring *ring)
{
    /* Relaxed: the kernel sets them when it adds work; what it adds later is for a later turn. */
    uint32_t flags = __atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED);

    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* Hands over what stands in the completion queue, at most `most`; returns how many. */
static int reap(struct ring *ring, int most, ring_handler *handler, void *context)
{
    struct io_uring_cqe *cqe;
    int handed = 0;

    while (handed < most && io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
        struct io_uring_cqe copy = *cqe;
        io_uring_cqe_seen(&ring->uring, cqe);
        handed += hand_over(ring, &copy, handler, context);
    }
    return handed;
}

int ring_turn(struct ring *ring, uint64_t until_ms, ring_handler *handler, void *context)
{
    int handed = 0;

    if (ring->wakes_owed_count > 0)
        pay_wakes(ring);
    int result = enter(ring, until_ms);
    if (result == -EAGAIN || result == -EBUSY)
        counter_add(&ring->counts.refused, 1);
    else if (result < 0 && result != -ETIME && result != -EINTR)
        return result;
    /* The kernel finishes some twenty operations each time it is entered: go on until it has no
     * more, so that a deadline is looked at only when the answer really was not there. */
    for (unsigned pass = 0; pass < RING_BATCH; pass++) {
        if (io_uring_cq_has_overflow(&ring->uring))
            counter_add(&ring->counts.overflows, 1);
        handed += reap(ring, RING_BATCH - handed, handler, context);
        if (handed == RING_BATCH || !more_is_there(ring))
            break;
        (void)io_uring_get_events(&ring->uring);
    }
    counter_add(&ring->counts.turns, 1);
    counter_add(&ring->counts.completions, (uint64_t)handed);
    return handed;
}

/* --- unavailable --- */

static int sysctl_io_uring_disabled(void)
{
    char text[8] = "";
    int descriptor = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);

    if (descriptor < 0)
        return 0; /* older than 6.6: no such switch */
    ssize_t got = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    return got > 0 && text[0] >= '0' && text[0] <= '9' ? text[0] - '0' : 0;
}

const char *ring_why_unavailable(int error)
{
    switch (error < 0 ? -error : error) {
    case EPERM:
    case EACCES:
        switch (sysctl_io_uring_disabled()) {
        case 1:
            return "io_uring is reserved to one group on this machine: put mxward's user into the "
                   "group of sysctl kernel.io_uring_group, or set kernel.io_uring_disabled=0";
        case 2:
            return "io_uring is switched off on this machine: set sysctl "
                   "kernel.io_uring_disabled=0 (in /etc/sysctl.d, then sysctl --system)";
        default:
            return "io_uring is forbidden here, most likely by a container's seccomp profile: "
                   "allow io_uring_setup, io_uring_enter and io_uring_register in it (Docker: "
                   "--security-opt seccomp=PROFILE; systemd: SystemCallFilter=@aio)";
        }
    case ENOSYS:
        return "this kernel has no io_uring, or a container's seccomp profile hides it: use a "
               "kernel 6.1 or newer built with CONFIG_IO_URING, or allow io_uring_setup, "
               "io_uring_enter and io_uring_register in the profile";
    case EINVAL:
        return "this kernel's io_uring is too old: Linux 6.1 or newer is needed "
               "(IORING_SETUP_DEFER_TASKRUN, rings of provided buffers)";
    case ENOMEM:
        return "there is no memory for io_uring: raise the memory limit of the service "
               "(systemd: MemoryMax=, LimitMEMLOCK=) or lower probe.parallel";
    case EMFILE:
    case ENFILE:
        return "there are not enough file descriptors for io_uring: raise the limit (systemd: "
               "LimitNOFILE=, sysctl fs.file-max) or lower probe.parallel";
    default:
        return "io_uring could not be set up for a reason not foreseen; see the error named "
               "before this sentence";
    }
}
