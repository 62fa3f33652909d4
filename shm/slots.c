/*
 * slots.c - see slots.h.
 */
#include "shm/slots.h"

static void list_append(struct slot_list *list, struct slot_note *notes, uint32_t slot)
{
    notes[slot].previous = list->last;
    notes[slot].next = SLOT_NONE;
    notes[slot].listed = 1;
    if (list->last != SLOT_NONE)
        notes[list->last].next = slot;
    else
        list->first = slot;
    list->last = slot;
    list->count++;
}

static struct slot_list *list_of(struct slot_class *class, const struct slot_note *note)
{
    return note->rank_plus_one == 0 ? &class->free : &class->ranks[note->rank_plus_one - 1];
}

void slots_add_free(struct slot_class *class, struct slot_note *notes, uint32_t slot)
{
    notes[slot].rank_plus_one = 0;
    list_append(&class->free, notes, slot);
}

void slots_add_record(struct slot_class *class, struct slot_note *notes, uint32_t slot,
                      unsigned rank)
{
    notes[slot].rank_plus_one = (uint8_t)(rank + 1);
    list_append(&class->ranks[rank], notes, slot);
}

void slots_remove(struct slot_class *class, struct slot_note *notes, uint32_t slot)
{
    struct slot_note *note = &notes[slot];
    struct slot_list *list = list_of(class, note);

    if (note->previous != SLOT_NONE)
        notes[note->previous].next = note->next;
    else
        list->first = note->next;
    if (note->next != SLOT_NONE)
        notes[note->next].previous = note->previous;
    else
        list->last = note->previous;
    note->listed = 0;
    list->count--;
}

uint32_t slots_take_free(struct slot_class *class, struct slot_note *notes)
{
    const uint32_t slot = class->free.first;

    if (slot != SLOT_NONE)
        slots_remove(class, notes, slot);
    return slot;
}

uint32_t slots_cheapest(const struct slot_class *class, unsigned rank_max)
{
    for (unsigned rank = 0; rank <= rank_max && rank < RECORD_RANKS; rank++) {
        if (class->ranks[rank].first != SLOT_NONE)
            return class->ranks[rank].first;
    }
    return SLOT_NONE;
}
