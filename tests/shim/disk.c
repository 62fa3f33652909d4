/*
 * disk.c - see disk.h. Everything ends in the system call itself.
 */
#include "tests/shim/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define DESCRIPTORS 256 /* more are not watched */

static const char *watched_text;
static struct {
    bool watched, dsync;
} descriptors[DESCRIPTORS];

static bool recording;
static struct disk_event *events;
static size_t event_count, event_room;

static enum disk_call fail_call;
static unsigned fail_in; /* 0: nothing fails */
static int fail_error;
static bool fail_shortly, fail_came;

void disk_watch(const char *text)
{
    watched_text = text;
}

void disk_record(bool on)
{
    recording = on;
}

static void add_event(enum disk_event_kind kind, uint64_t offset, const void *bytes, size_t length)
{
    if (event_count == event_room) {
        event_room = event_room * 2 + 1024;
        events = realloc(events, event_room * sizeof *events);
        if (events == NULL)
            abort();
    }
    uint8_t *copy = NULL;
    if (length > 0) {
        copy = malloc(length);
        if (copy == NULL)
            abort();
        memcpy(copy, bytes, length);
    }
    events[event_count++] = (struct disk_event){kind, offset, length, copy};
}

void disk_mark(uint64_t number)
{
    add_event(DISK_MARK, number, NULL, 0);
}

const struct disk_event *disk_events(size_t *count)
{
    *count = event_count;
    return events;
}

void disk_forget(void)
{
    for (size_t i = 0; i < event_count; i++)
        free(events[i].bytes);
    event_count = 0;
}

void disk_fail(enum disk_call call, unsigned nth, int error, bool shortly)
{
    fail_call = call;
    fail_in = nth;
    fail_error = error;
    fail_shortly = shortly;
    fail_came = false;
}

bool disk_failed(void)
{
    return fail_came;
}

static bool is_watched(int descriptor)
{
    return descriptor >= 0 && descriptor < DESCRIPTORS && descriptors[descriptor].watched;
}

/* Is it this call that fails? */
static bool fails(enum disk_call call)
{
    if (fail_in == 0 || call != fail_call || --fail_in > 0)
        return false;
    fail_came = true;
    errno = fail_error;
    return true;
}

/* --- the calls --- */

int open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    va_start(arguments, flags);
    if (flags & (O_CREAT | O_TMPFILE))
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    const bool watched = watched_text != NULL && strstr(path, watched_text) != NULL;
    if (watched && fails(DISK_OPEN))
        return -1;
    const int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        descriptors[descriptor].watched = watched;
        descriptors[descriptor].dsync = (flags & O_DSYNC) != 0;
    }
    return descriptor;
}

int close(int descriptor)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS)
        descriptors[descriptor].watched = false;
    return (int)syscall(SYS_close, descriptor);
}

/* Records a write that was done, at its place in the file. */
static void note_write(int descriptor, uint64_t offset, const void *bytes, ssize_t done)
{
    if (!recording || done <= 0)
        return;
    add_event(DISK_WRITE, offset, bytes, (size_t)done);
    if (descriptors[descriptor].dsync)
        add_event(DISK_SAFE, 0, NULL, 0);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset)
{
    const bool watched = is_watched(descriptor);

    if (watched && fails(DISK_PWRITE)) {
        if (!fail_shortly)
            return -1;
        length /= 2;
    }
    const ssize_t done = syscall(SYS_pwrite64, descriptor, bytes, length, offset);
    if (watched)
        note_write(descriptor, (uint64_t)offset, bytes, done);
    return done;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    const bool watched = is_watched(descriptor);

    if (watched && fails(DISK_WRITEV)) {
        if (!fail_shortly)
            return -1;
        count = (count + 1) / 2;
    }
    uint64_t offset = watched ? (uint64_t)lseek(descriptor, 0, SEEK_CUR) : 0;
    const ssize_t done = syscall(SYS_writev, descriptor, parts, count);
    ssize_t left = watched ? done : 0;
    for (int i = 0; i < count && left > 0; i++) {
        const ssize_t part = left < (ssize_t)parts[i].iov_len ? left : (ssize_t)parts[i].iov_len;
        note_write(descriptor, offset, parts[i].iov_base, part);
        offset += (uint64_t)part;
        left -= part;
    }
    return done;
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    if (is_watched(descriptor) && fails(DISK_STREAM)) {
        if (!fail_shortly || length < 2)
            return -1;
        length /= 2;
    }
    return syscall(SYS_write, descriptor, bytes, length);
}

static int flush(int descriptor, long call)
{
    if (is_watched(descriptor) && fails(DISK_FLUSH))
        return -1;
    const int result = (int)syscall(call, descriptor);
    if (result == 0 && recording && is_watched(descriptor))
        add_event(DISK_SYNC, 0, NULL, 0);
    return result;
}

int fdatasync(int descriptor)
{
    return flush(descriptor, SYS_fdatasync);
}

int fsync(int descriptor)
{
    return flush(descriptor, SYS_fsync);
}

int ftruncate(int descriptor, off_t length)
{
    if (is_watched(descriptor) && fails(DISK_TRUNCATE))
        return -1;
    return (int)syscall(SYS_ftruncate, descriptor, length);
}
