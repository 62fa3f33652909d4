/*
 * writer.c - put, remove, evict and grow, in the order of stores of layout.h. See writer.h.
 */
#include "shm/writer.h"

#include "shm/verdict_record.h"
#include "shm/writer_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After a full tmpfs, so many look-ups for room pass before the next try. */
#define GROW_PAUSE 1024

/* --- slots, segments --- */

static unsigned segment_slots(unsigned size_class)
{
    return TABLE_SEGMENT_BYTES / table_class_bytes[size_class];
}

void writer_own_segment(struct table_writer *writer, uint64_t segment, unsigned partition,
                        unsigned size_class)
{
    struct writer_partition *own = &writer->partitions[partition];

    writer->segments[segment] =
        (struct segment_note){(uint8_t)(size_class + 1), (uint8_t)partition};
    own->segments++;
    own->classes[size_class].segments++;
    own->classes[size_class].slots += segment_slots(size_class);
}

static unsigned slot_class_number(const struct table_writer *writer, uint32_t slot)
{
    return writer->segments[(slot - 1) / TABLE_SEGMENT_SLOTS].class_plus_one - 1u;
}

struct slot_class *writer_class_of(struct table_writer *writer, uint32_t slot)
{
    const struct segment_note *segment = &writer->segments[(slot - 1) / TABLE_SEGMENT_SLOTS];
    return &writer->partitions[segment->partition].classes[segment->class_plus_one - 1];
}

uint64_t writer_slot_offset(const struct table_writer *writer, uint32_t slot)
{
    const uint64_t segment = (slot - 1) / TABLE_SEGMENT_SLOTS;
    const uint64_t place = (slot - 1) % TABLE_SEGMENT_SLOTS;

    return writer->map.geometry.records_offset + segment * TABLE_SEGMENT_BYTES +
           place * table_class_bytes[slot_class_number(writer, slot)];
}

uint32_t writer_slot_at(const struct table_writer *writer, unsigned partition, uint64_t offset)
{
    const struct table_geometry *geometry = &writer->map.geometry;

    if (offset < geometry->records_offset)
        return SLOT_NONE;
    const uint64_t segment = (offset - geometry->records_offset) / TABLE_SEGMENT_BYTES;
    const uint64_t within = (offset - geometry->records_offset) % TABLE_SEGMENT_BYTES;
    if (segment >= geometry->segments || writer->segments[segment].class_plus_one == 0 ||
        writer->segments[segment].partition != partition)
        return SLOT_NONE;
    const unsigned size_class = writer->segments[segment].class_plus_one - 1u;
    const uint64_t place = within / table_class_bytes[size_class];
    if (within % table_class_bytes[size_class] != 0 || place >= segment_slots(size_class))
        return SLOT_NONE;
    return (uint32_t)(segment * TABLE_SEGMENT_SLOTS + place + 1);
}

/* --- the partition's word: one writer, so load and store are enough --- */

static struct table_partition *word_of(const struct table_writer *writer, unsigned partition)
{
    return &writer->map.partitions[partition];
}

static void count_add(_Atomic uint64_t *count, uint64_t difference)
{
    table_store(count, table_load(count) + difference);
}

/* Partitions have threads of their own. Release: behind what was stored; the partner is the load in
 * table_writer_changes. */
static void has_changed(struct table_writer *writer)
{
    atomic_fetch_add_explicit(&writer->changes, 1, memory_order_release);
}

/* Only upwards: a reader between two looks sees every change. */
void table_writer_set_complete(struct table_writer *writer, uint16_t partition, bool complete)
{
    _Atomic uint64_t *word = &word_of(writer, partition)->complete;

    if (table_is_complete(table_load(word)) == complete)
        return;
    count_add(word, 1);
    has_changed(writer);
}

void table_writer_set_settings(struct table_writer *writer, uint32_t settings)
{
    table_store(&table_header_of(&writer->map)->settings, settings);
}

void table_writer_set_rulings(struct table_writer *writer, uint32_t rulings)
{
    table_store(&table_header_of(&writer->map)->rulings, rulings);
}

/* --- growing --- */

/* Every class must still be able to get its first segment. */
static bool may_grow(const struct table_writer *writer, unsigned partition, unsigned size_class)
{
    const struct writer_partition *own = &writer->partitions[partition];
    uint64_t promised = 0;

    for (unsigned other = 0; other < TABLE_CLASSES; other++)
        promised += other != size_class && own->classes[other].segments == 0;
    return own->segments + promised < writer->map.geometry.quota;
}

/* With the mutex: makes the file safe to touch up to `end`. */
static int allocate_to(struct table_writer *writer, uint64_t end)
{
    struct table_header *header = table_header_of(&writer->map);
    const uint64_t allocated = table_load(&header->allocated);

    if (end <= allocated)
        return 0;
    const uint64_t next = allocated + TABLE_CHUNK_BYTES;
    const int status = table_file_allocate(writer->descriptor, allocated, next);
    if (status < 0)
        return status;
    const uint64_t huge = table_file_huge(&writer->map, writer->descriptor, allocated, next);
    if (huge > 0)
        table_store(&header->huge, table_load(&header->huge) + huge);
    table_store(&header->allocated, next);
    return 0;
}

/* With the mutex: a segment for the partition, written into its word; -ENOSPC. */
static int64_t segment_take(struct table_writer *writer, unsigned partition, unsigned size_class)
{
    const struct table_geometry *geometry = &writer->map.geometry;
    _Atomic uint32_t *words = writer->map.segments;
    uint64_t segment = writer->next_segment;

    while (segment < geometry->segments &&
           atomic_load_explicit(&words[segment], memory_order_acquire) != 0)
        segment++;
    writer->next_segment = segment;
    if (segment == geometry->segments)
        return -ENOSPC;
    const int status =
        allocate_to(writer, geometry->records_offset + (segment + 1) * TABLE_SEGMENT_BYTES);
    if (status < 0)
        return status;
    /* Pairs with attach; readers do not look at segment words. */
    atomic_store_explicit(&words[segment], table_segment_word(size_class, partition),
                          memory_order_release);
    TABLE_STORED(&words[segment]);
    writer->next_segment = segment + 1;
    return (int64_t)segment;
}

static bool grow(struct table_writer *writer, unsigned partition, unsigned size_class)
{
    struct writer_partition *own = &writer->partitions[partition];

    if (!may_grow(writer, partition, size_class))
        return false;
    const uint32_t pause = atomic_load_explicit(&writer->pause, memory_order_relaxed);
    if (pause > 0) {
        /* Only paces tries: a lost update is a try more or less. */
        atomic_store_explicit(&writer->pause, pause - 1, memory_order_relaxed);
        return false;
    }
    pthread_mutex_lock(&writer->growing);
    const int64_t segment = segment_take(writer, partition, size_class);
    pthread_mutex_unlock(&writer->growing);
    if (segment < 0) {
        atomic_store_explicit(&writer->pause, GROW_PAUSE, memory_order_relaxed);
        return false;
    }
    writer_own_segment(writer, (uint64_t)segment, partition, size_class);
    for (unsigned place = 0; place < segment_slots(size_class); place++)
        slots_add_free(&own->classes[size_class], writer->notes,
                       (uint32_t)((uint64_t)segment * TABLE_SEGMENT_SLOTS + place + 1));
    table_store(&word_of(writer, partition)->segments, own->segments);
    return true;
}

/* --- finding --- */

/* Where a key is, or would go. */
struct place {
    struct table_line *home;
    unsigned away;          /* the line is home ^ away */
    _Atomic uint64_t *cell; /* NULL: nowhere */
    uint32_t slot;          /* of the record there; SLOT_NONE: none */
    uint16_t tag;
};

static struct table_line *line_of(const struct table_writer *writer, struct table_line *home,
                                  unsigned away)
{
    const size_t number = (size_t)(home - writer->map.lines);
    return &writer->map.lines[number ^ away];
}

static struct place place_of(const struct table_writer *writer, const struct table_key *key)
{
    const struct table_geometry *geometry = &writer->map.geometry;
    const uint64_t home = table_home(key->hash, writer->map.header->seed, geometry->lines);

    return (struct place){
        .home = &writer->map.lines[key->partition * geometry->lines + home],
        .tag = table_tag(key->hash),
    };
}

/* A copy of a published record: nobody but this thread could change it. */
static bool record_copy(const struct table_writer *writer, uint64_t cell, union record *record)
{
    return table_slot_copy(&writer->map, table_cell_offset(cell), writer->map.geometry.file_bytes,
                           record);
}

static bool find_in_line(const struct table_writer *writer, const struct table_key *key,
                         struct place *place, unsigned away, union record *record)
{
    struct table_line *line = line_of(writer, place->home, away);

    for (unsigned i = 0; i < TABLE_CELLS; i++) {
        const uint64_t cell = table_load(&line->cells[i]);
        if (cell == 0 || table_cell_tag(cell) != place->tag || !record_copy(writer, cell, record) ||
            !record_has_key(record, key))
            continue;
        place->away = away;
        place->cell = &line->cells[i];
        place->slot = writer_slot_at(writer, key->partition, table_cell_offset(cell));
        return true;
    }
    return false;
}

static bool find(const struct table_writer *writer, const struct table_key *key,
                 struct place *place, union record *record)
{
    *place = place_of(writer, key);
    const uint64_t head = table_load(&place->home->head);

    if (find_in_line(writer, key, place, 0, record))
        return true;
    for (unsigned away = 1; away < TABLE_GROUP; away++) {
        if (table_head_count(head, away) > 0 && find_in_line(writer, key, place, away, record))
            return true;
    }
    return false;
}

/* --- taking out --- */

static void head_store(struct table_line *home, uint64_t change)
{
    table_store(&home->head, table_load(&home->head) + change);
}

/* "remove, evict" of layout.h, without what becomes of the slot. */
static void unpublish(struct table_writer *writer, unsigned partition, const struct place *place)
{
    head_store(place->home, TABLE_HEAD_VERSION);
    table_store(place->cell, 0);
    if (place->away != 0)
        head_store(place->home, TABLE_HEAD_VERSION - table_head_one(place->away));
    count_add(&word_of(writer, partition)->records, (uint64_t)-1);
}

static void take_out(struct table_writer *writer, unsigned partition, const struct place *place)
{
    struct slot_class *class = writer_class_of(writer, place->slot);

    unpublish(writer, partition, place);
    if (writer->notes[place->slot].listed)
        slots_remove(class, writer->notes, place->slot);
    slots_add_free(class, writer->notes, place->slot);
}

/* Our own lists and lines say different things: going on could serve a wrong record. The next start
 * rebuilds both. */
_Noreturn static void books_disagree(void)
{
    fputs("mxward: the table's lists and lines disagree\n", stderr);
    abort();
}

/* A record this writer published is always found by its own key. */
static void evict(struct table_writer *writer, unsigned partition, uint32_t slot)
{
    union record record, found;
    struct table_key key;
    struct place place;
    const uint64_t offset = writer_slot_offset(writer, slot);

    if (!table_slot_copy(&writer->map, offset, writer->map.geometry.file_bytes, &record) ||
        !record_key(&record, &key) || !find(writer, &key, &place, &found))
        books_disagree(); /* a mistake of ours */
    if (record.head.ledger)
        table_writer_set_complete(writer, (uint16_t)partition, false); /* before it can be missed */
    count_add(&word_of(writer, partition)->evicted, 1);
    take_out(writer, partition, &place);
}

/* --- room --- */

static unsigned class_for(size_t bytes)
{
    unsigned size_class = 0;

    while (table_class_bytes[size_class] < bytes)
        size_class++;
    return size_class;
}

/* A slot without taking anything from anybody. */
static uint32_t slot_spare(struct table_writer *writer, unsigned partition, unsigned size_class,
                           bool replacing)
{
    struct slot_class *classes = writer->partitions[partition].classes;

    if (classes[size_class].free.count > slots_reserve(&classes[size_class]) ||
        grow(writer, partition, size_class) || replacing) {
        const uint32_t slot = slots_take_free(&classes[size_class], writer->notes);
        if (slot != SLOT_NONE)
            return slot;
    }
    for (unsigned larger = size_class + 1; larger < TABLE_CLASSES; larger++) {
        if (classes[larger].free.count > slots_reserve(&classes[larger]))
            return slots_take_free(&classes[larger], writer->notes);
    }
    return SLOT_NONE;
}

/* A slot for a record of this rank; what is cheaper to learn again, or as cheap and older, goes. */
static uint32_t slot_take(struct table_writer *writer, unsigned partition, unsigned size_class,
                          unsigned rank, bool replacing)
{
    struct slot_class *classes = writer->partitions[partition].classes;
    uint32_t slot = slot_spare(writer, partition, size_class, replacing);

    for (unsigned c = size_class; slot == SLOT_NONE && c < TABLE_CLASSES; c++) {
        const uint32_t victim = slots_cheapest(&classes[c], rank);
        if (victim == SLOT_NONE)
            continue;
        evict(writer, partition, victim);
        slot = slots_take_free(&classes[c], writer->notes);
    }
    return slot;
}

static bool free_cell(const struct table_writer *writer, struct place *place)
{
    for (unsigned away = 0; away < TABLE_GROUP; away++) {
        struct table_line *line = line_of(writer, place->home, away);
        for (unsigned i = 0; i < TABLE_CELLS; i++) {
            if (table_load(&line->cells[i]) != 0)
                continue;
            place->away = away;
            place->cell = &line->cells[i];
            return true;
        }
    }
    return false;
}

/* A cell in the key's group, if need be that of the cheapest record there. */
static bool cell_take(struct table_writer *writer, unsigned partition, struct place *place,
                      unsigned rank)
{
    uint32_t cheapest = SLOT_NONE;

    if (free_cell(writer, place))
        return true;
    for (unsigned i = 0; i < TABLE_GROUP * TABLE_CELLS; i++) {
        struct table_line *line = line_of(writer, place->home, i / TABLE_CELLS);
        const uint64_t cell = table_load(&line->cells[i % TABLE_CELLS]);
        const uint32_t slot = writer_slot_at(writer, partition, table_cell_offset(cell));
        if (cheapest == SLOT_NONE ||
            writer->notes[slot].rank_plus_one < writer->notes[cheapest].rank_plus_one)
            cheapest = slot;
    }
    if (writer->notes[cheapest].rank_plus_one > rank + 1)
        return false;
    evict(writer, partition, cheapest);
    return free_cell(writer, place);
}

/* --- putting --- */

/* "fill" of layout.h; returns the cell for it. */
static uint64_t slot_fill(struct table_writer *writer, uint32_t slot, uint16_t tag,
                          union record *record)
{
    const uint64_t offset = writer_slot_offset(writer, slot);
    _Atomic uint64_t *words = table_slot(&writer->map, offset);
    const uint64_t sequence = table_load(&words[RECORD_SEQUENCE]) + 1;
    const size_t count = record_finish(record, sequence);

    /* First, so that whoever copies any of the words below sees that the slot is another. */
    table_store(&words[RECORD_SEQUENCE], sequence);
    for (size_t i = 0; i < count; i++) {
        if (i != RECORD_SEQUENCE)
            table_store(&words[i], record->words[i]);
    }
    return table_cell(offset, tag, sequence);
}

/* `ledger`: what the ledger holds is not here, or about to go. */
static int refuse(struct table_writer *writer, unsigned partition, bool ledger)
{
    if (ledger)
        table_writer_set_complete(writer, (uint16_t)partition, false);
    count_add(&word_of(writer, partition)->refused, 1);
    return -ENOSPC;
}

/* The old record's slot is in no list meanwhile, so it is not evicted for its own replacement. */
static int replace(struct table_writer *writer, const struct table_key *key, union record *record,
                   const struct place *place, bool ledger)
{
    const unsigned rank = record->head.rank;
    struct slot_class *old_class = writer_class_of(writer, place->slot);

    slots_remove(old_class, writer->notes, place->slot);
    const uint32_t slot =
        slot_take(writer, key->partition, class_for(record->head.record_bytes), rank, true);
    if (slot == SLOT_NONE) {
        const int status = refuse(writer, key->partition, ledger || record->head.ledger);
        take_out(writer, key->partition, place);
        return status;
    }
    const uint64_t cell = slot_fill(writer, slot, place->tag, record);
    head_store(place->home, TABLE_HEAD_VERSION);
    table_store(place->cell, cell); /* pairs with the reader's load of the cell */
    slots_add_record(writer_class_of(writer, slot), writer->notes, slot, rank);
    slots_add_free(old_class, writer->notes, place->slot);
    return 0;
}

static int insert(struct table_writer *writer, const struct table_key *key, union record *record,
                  struct place *place)
{
    const unsigned rank = record->head.rank;
    const uint32_t slot =
        slot_take(writer, key->partition, class_for(record->head.record_bytes), rank, false);

    if (slot == SLOT_NONE)
        return refuse(writer, key->partition, record->head.ledger);
    if (!cell_take(writer, key->partition, place, rank)) {
        slots_add_free(writer_class_of(writer, slot), writer->notes, slot);
        return refuse(writer, key->partition, record->head.ledger);
    }
    const uint64_t cell = slot_fill(writer, slot, place->tag, record);
    head_store(place->home, place->away == 0 ? TABLE_HEAD_VERSION
                                             : TABLE_HEAD_VERSION + table_head_one(place->away));
    table_store(place->cell, cell); /* pairs with the reader's load of the cell */
    slots_add_record(writer_class_of(writer, slot), writer->notes, slot, rank);
    count_add(&word_of(writer, key->partition)->records, 1);
    return 0;
}

int table_writer_put_record(struct table_writer *writer, const struct table_key *key,
                            union record *record)
{
    struct place place;
    union record old;
    const int status = find(writer, key, &place, &old)
                           ? replace(writer, key, record, &place, old.head.ledger)
                           : insert(writer, key, record, &place);

    has_changed(writer); /* what failed has removed something */
    return status;
}

/* --- verdicts --- */

int table_writer_put(struct table_writer *writer, const struct table_key *key,
                     const struct verdict *verdict)
{
    union record record;

    return verdict_pack(&record, key, verdict) ? table_writer_put_record(writer, key, &record)
                                               : -EINVAL;
}

bool table_writer_get(const struct table_writer *writer, const struct table_key *key,
                      struct verdict *verdict)
{
    union record record;

    return table_writer_get_record(writer, key, &record) && verdict_unpack(&record, verdict);
}

/* The place of a verdict where there is a floor alone. */
static const struct verdict not_looked = {
    .class = CLASS_UNKNOWN, .conclusion = CONCLUSION_INCONCLUSIVE, .cause = CAUSE_NOT_LOOKED};

static bool was_looked_at(const struct verdict *verdict)
{
    return verdict->cause != CAUSE_NOT_LOOKED || verdict->began_ms != 0;
}

int table_writer_put_floor(struct table_writer *writer, const struct table_key *key,
                           const struct floor *floor)
{
    struct verdict verdict;

    if (!table_writer_get(writer, key, &verdict))
        verdict = not_looked;
    if (floor_is_empty(floor) && !was_looked_at(&verdict)) {
        table_writer_remove(writer, key);
        return 0;
    }
    verdict.floor = *floor;
    return table_writer_put(writer, key, &verdict);
}

/* --- the rest --- */

bool table_writer_remove(struct table_writer *writer, const struct table_key *key)
{
    struct place place;
    union record record;

    if (!find(writer, key, &place, &record))
        return false;
    take_out(writer, key->partition, &place);
    has_changed(writer);
    return true;
}

bool table_writer_get_record(const struct table_writer *writer, const struct table_key *key,
                             union record *record)
{
    struct place place;

    return find(writer, key, &place, record);
}

void table_writer_heartbeat(struct table_writer *writer, uint16_t partition,
                            const struct table_clock *clock)
{
    table_store(&word_of(writer, partition)->clock_offset_ms, table_clock_offset(clock));
    table_store(&word_of(writer, partition)->heartbeat_ms, clock->boot_ms);
}

uint64_t table_writer_for_each(const struct table_writer *writer, uint16_t partition,
                               table_visit *visit, void *context)
{
    const uint64_t lines = writer->map.geometry.lines;
    const struct table_line *line = &writer->map.lines[partition * lines];
    uint64_t records = 0;

    for (uint64_t i = 0; i < lines * TABLE_CELLS; i++) {
        const uint64_t cell = table_load(&line[i / TABLE_CELLS].cells[i % TABLE_CELLS]);
        union record record;
        if (cell == 0 || !record_copy(writer, cell, &record))
            continue;
        visit(context, &record);
        records++;
    }
    return records;
}

const char *table_writer_path(const struct table_writer *writer)
{
    return writer->path;
}

void table_writer_facts(const struct table_writer *writer, struct table_facts *facts)
{
    table_map_facts(&writer->map, facts);
}

uint32_t table_writer_changes(const struct table_writer *writer)
{
    return atomic_load_explicit(&writer->changes, memory_order_acquire);
}

int table_writer_reader(const struct table_writer *writer, struct table_reader **reader)
{
    return table_reader_over(reader, &writer->map);
}
