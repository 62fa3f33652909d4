/*
 * writer_internal.h - what writer.c (put, remove, grow) and attach.c (open, rebuild, move into a
 * successor) share. Inside shm/ only.
 */
#ifndef MXWARD_SHM_WRITER_INTERNAL_H
#define MXWARD_SHM_WRITER_INTERNAL_H

#include "shm/slots.h"
#include "shm/table_file.h"
#include "shm/writer.h"

#include <limits.h>
#include <pthread.h>

/* The writer's own copy of a segment word: what it trusts. */
struct segment_note {
    uint8_t class_plus_one; /* 0: free */
    uint8_t partition;
};

/* Of one partition; its thread only. */
struct writer_partition {
    _Alignas(64) struct slot_class classes[TABLE_CLASSES];
    uint32_t segments;
};

struct table_writer {
    struct table_map map;
    int lock_descriptor, descriptor; /* -1: none */
    char path[PATH_MAX];

    /* Growing. The mutex is held by no reader and for no longer than one fallocate. */
    pthread_mutex_t growing;
    uint64_t next_segment;    /* no free one is before it */
    _Atomic uint32_t pause;   /* look-ups for room until the next try, after a full tmpfs */
    _Atomic uint32_t changes; /* table_writer_changes */

    /* Indexed by slot and by segment; a partition's thread touches those of its own segments. */
    struct slot_note *notes;
    struct segment_note *segments;
    struct writer_partition partitions[TABLE_PARTITIONS];
};

/* Adds a segment's slots to the free ones of its partition. */
void writer_own_segment(struct table_writer *writer, uint64_t segment, unsigned partition,
                        unsigned size_class);
struct slot_class *writer_class_of(struct table_writer *writer, uint32_t slot);
uint64_t writer_slot_offset(const struct table_writer *writer, uint32_t slot);
/* The slot at an offset, if it is one of the partition's; SLOT_NONE otherwise. */
uint32_t writer_slot_at(const struct table_writer *writer, unsigned partition, uint64_t offset);

#endif
