/*
 * disk.h - the disk, as the tests of the store want it: it remembers what was written and what was
 * synced, and it fails when it is told to.
 *
 * disk.c defines open, close, pwrite, writev, write, fdatasync, fsync and ftruncate in the test
 * program itself; the dynamic linker gives them to liblmdb, too, which is what is meant. (The same
 * as a library for LD_PRELOAD, without a second process to look into.) Only files whose path has a
 * certain text in it are watched. One thread, but for LMDB's that writes a copy.
 *
 * What a disk may forget in a crash: a write is safe when an fdatasync or fsync of its file that
 * began after it has returned, or when it has returned through a descriptor with O_DSYNC. All
 * others may be there, or not, each by itself, and sector by sector.
 */
#ifndef MXWARD_TESTS_SHIM_DISK_H
#define MXWARD_TESTS_SHIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_event_kind {
    DISK_WRITE, /* `bytes` at `offset`; safe only after a DISK_SYNC, or DISK_SAFE of it */
    DISK_SAFE,  /* the write before, through O_DSYNC, has returned */
    DISK_SYNC,  /* fdatasync has returned: all before is safe */
    DISK_MARK,  /* the test's own: `offset` is its number */
};
struct disk_event {
    enum disk_event_kind kind;
    uint64_t offset;
    size_t length;
    uint8_t *bytes;
};

/* Watches files whose path contains `text` (NULL: none), from their next open on. */
void disk_watch(const char *text);
/* Records, from now on. */
void disk_record(bool on);
void disk_mark(uint64_t number);
const struct disk_event *disk_events(size_t *count);
void disk_forget(void); /* what was recorded */

/* --- failing --- */
enum disk_call {
    DISK_OPEN,
    DISK_PWRITE,
    DISK_WRITEV,
    DISK_STREAM,
    DISK_FLUSH,
    DISK_TRUNCATE,
    DISK_CALLS
};
/* The `nth` call of this kind (1: the next) on a watched file fails with `error`; `shortly`: a
 * write does half of it instead, which is how a disk runs full. 0: none fails. */
void disk_fail(enum disk_call call, unsigned nth, int error, bool shortly);
/* Has the call that was to fail come? */
bool disk_failed(void);

#endif
