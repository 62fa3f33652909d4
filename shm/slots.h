/*
 * slots.h - the writer's own bookkeeping of slots: which are free, and who goes first when full.
 * Inside shm/ only; nothing of it is in shared memory (layout.h I7).
 *
 * Every slot of a partition is in exactly one list of its size class: the free slots in the order
 * in which they were freed, or the records of one rank in the order in which they were published.
 * So reuse is FIFO, and the first of the lowest rank is the cheapest to learn again. All operations
 * are a few stores. A partition's thread touches only notes of the partition's own slots.
 */
#ifndef MXWARD_SHM_SLOTS_H
#define MXWARD_SHM_SLOTS_H

#include "shm/record.h"

/* Slots are numbered through the file from 1: segment * TABLE_SEGMENT_SLOTS + place + 1. */
#define SLOT_NONE 0u

struct slot_note {
    uint32_t previous, next;
    uint8_t rank_plus_one; /* 0: free */
    uint8_t listed;        /* 1: in a list */
};

struct slot_list {
    uint32_t first, last, count;
};

/* Of one partition and size class. */
struct slot_class {
    struct slot_list free;
    struct slot_list ranks[RECORD_RANKS];
    uint32_t slots;    /* all */
    uint32_t segments; /* they came from */
};

/* At the end of the free slots: waits longest. */
void slots_add_free(struct slot_class *class, struct slot_note *notes, uint32_t slot);
/* A record just published. */
void slots_add_record(struct slot_class *class, struct slot_note *notes, uint32_t slot,
                      unsigned rank);
void slots_remove(struct slot_class *class, struct slot_note *notes, uint32_t slot);
/* The free slot that waited longest, taken out of its list; SLOT_NONE if there is none. */
uint32_t slots_take_free(struct slot_class *class, struct slot_note *notes);
/* The record that is cheapest to learn again, of at most this rank; SLOT_NONE if there is none. */
uint32_t slots_cheapest(const struct slot_class *class, unsigned rank_max);

/* Free slots kept back for replacements. */
static inline uint32_t slots_reserve(const struct slot_class *class)
{
    return 1 + class->slots / 64;
}

#endif
