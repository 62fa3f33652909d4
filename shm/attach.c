/*
 * attach.c - opening the table for writing: take over what a dead writer left, or make a new file.
 *
 * What is in the file is checked as if a stranger had written it (layout.h, crash story): a crash
 * of the writer leaves it valid, but a bit may have flipped, and a mistake of an earlier version
 * may be in it. Readers read on all the while.
 */
#include "shm/writer_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- memory of the writer's own --- */

static void *reserve(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static size_t notes_bytes(const struct table_geometry *geometry)
{
    return (geometry->segments * TABLE_SEGMENT_SLOTS + 1) * sizeof(struct slot_note);
}

static void books_free(struct table_writer *writer, const struct table_geometry *geometry)
{
    if (writer->notes != NULL)
        munmap(writer->notes, notes_bytes(geometry));
    if (writer->segments != NULL)
        munmap(writer->segments, geometry->segments * sizeof(struct segment_note));
    writer->notes = NULL;
    writer->segments = NULL;
}

/* Empty lists; pages come as they are touched. */
static int books_start(struct table_writer *writer, const struct table_geometry *geometry)
{
    memset(writer->partitions, 0, sizeof writer->partitions);
    writer->next_segment = 0;
    writer->notes = reserve(notes_bytes(geometry));
    writer->segments = reserve(geometry->segments * sizeof(struct segment_note));
    if (writer->notes != NULL && writer->segments != NULL)
        return 0;
    books_free(writer, geometry);
    return -ENOMEM;
}

/* --- rebuilding a partition --- */

/* A record found in a group, until its place among the others is clear. */
struct found {
    uint64_t stamp_ms, hash;
    _Atomic uint64_t *cell;
    uint32_t slot;
    uint8_t line, away; /* in the group; from its home */
    uint8_t rank;
};

struct rebuild {
    struct table_writer *writer;
    struct table_opened *opened;
    unsigned partition;
    struct found *records; /* of the partition, as many as it has slots */
    size_t count;
};

/* Reads what a cell refers to; false if it is not a record of this group with this version. */
static bool cell_examine(const struct rebuild *rebuild, uint64_t first_line, unsigned line,
                         uint64_t cell, struct found *found)
{
    const struct table_writer *writer = rebuild->writer;
    const struct table_geometry *geometry = &writer->map.geometry;
    const uint64_t offset = table_cell_offset(cell);
    union record record;
    struct table_key key;

    const uint32_t slot = writer_slot_at(writer, rebuild->partition, offset);
    if (slot == SLOT_NONE || writer->notes[slot].listed ||
        !table_slot_copy(&writer->map, offset, table_allocated(&writer->map), &record) ||
        !record_is_sound(&record) || !table_cell_has_version(cell, record.head.sequence) ||
        !record_is_known(&record) || !record_key(&record, &key))
        return false;
    const unsigned size_class =
        writer->segments[(slot - 1) / TABLE_SEGMENT_SLOTS].class_plus_one - 1u;
    const uint64_t home = table_home(key.hash, writer->map.header->seed, geometry->lines);
    if (record.head.record_bytes > table_class_bytes[size_class] ||
        key.partition != rebuild->partition || table_tag(key.hash) != table_cell_tag(cell) ||
        home / TABLE_GROUP != first_line / TABLE_GROUP)
        return false;
    *found = (struct found){
        .stamp_ms = record.head.stamp_ms,
        .hash = key.hash,
        .slot = slot,
        .line = (uint8_t)line,
        .away = (uint8_t)((home ^ (first_line + line)) % TABLE_GROUP),
        .rank = record.head.rank,
    };
    return true;
}

/* Are both of one key? Then both records are copied. */
static bool same_key(const struct table_writer *writer, const struct found *a,
                     const struct found *b, union record *one, union record *other)
{
    const uint64_t end = writer->map.geometry.file_bytes;
    struct table_key key;

    return a->hash == b->hash &&
           table_slot_copy(&writer->map, writer_slot_offset(writer, a->slot), end, one) &&
           table_slot_copy(&writer->map, writer_slot_offset(writer, b->slot), end, other) &&
           record_key(one, &key) && record_has_key(other, &key);
}

/* Adds a record of the group that begins at `group_start` in the list, unless its key is there
 * already: then the stricter stays and the other's cell is cleared. */
static void keep(struct rebuild *rebuild, size_t group_start, const struct found *found)
{
    struct slot_note *notes = rebuild->writer->notes;

    for (size_t i = group_start; i < rebuild->count; i++) {
        struct found *other = &rebuild->records[i];
        union record record, present;
        if (!same_key(rebuild->writer, found, other, &record, &present))
            continue;
        rebuild->opened->repeated++;
        if (!record_is_stricter(&record, &present)) {
            table_store(found->cell, 0);
            return;
        }
        table_store(other->cell, 0);
        notes[other->slot].listed = 0;
        *other = *found;
        notes[found->slot].listed = 1;
        return;
    }
    notes[found->slot].listed = 1;
    rebuild->records[rebuild->count++] = *found;
}

static void group_heads(struct table_line *lines, const struct found *found, size_t count)
{
    uint64_t counts[TABLE_GROUP] = {0};

    for (size_t i = 0; i < count; i++) {
        if (found[i].away != 0)
            counts[found[i].line ^ found[i].away] += table_head_one(found[i].away);
    }
    for (unsigned i = 0; i < TABLE_GROUP; i++) {
        const uint64_t head = table_load(&lines[i].head);
        if ((head & TABLE_HEAD_COUNTS) != counts[i])
            table_store(&lines[i].head,
                        ((head & ~TABLE_HEAD_COUNTS) + TABLE_HEAD_VERSION) | counts[i]);
    }
}

static void group_rebuild(struct rebuild *rebuild, uint64_t first_line)
{
    const struct table_writer *writer = rebuild->writer;
    struct table_line *lines =
        &writer->map.lines[rebuild->partition * writer->map.geometry.lines + first_line];
    const size_t group_start = rebuild->count;

    for (unsigned i = 0; i < TABLE_GROUP * TABLE_CELLS; i++) {
        _Atomic uint64_t *cell = &lines[i / TABLE_CELLS].cells[i % TABLE_CELLS];
        const uint64_t value = table_load(cell);
        struct found found;
        if (value == 0)
            continue;
        if (!cell_examine(rebuild, first_line, i / TABLE_CELLS, value, &found)) {
            rebuild->opened->dropped++;
            table_store(cell, 0);
            continue;
        }
        found.cell = cell;
        keep(rebuild, group_start, &found);
    }
    group_heads(lines, &rebuild->records[group_start], rebuild->count - group_start);
}

static int by_age(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->stamp_ms > y->stamp_ms) - (x->stamp_ms < y->stamp_ms);
}

/* Lists: records by rank and age; every slot that no cell refers to is free. */
static void partition_lists(struct rebuild *rebuild)
{
    struct table_writer *writer = rebuild->writer;

    qsort(rebuild->records, rebuild->count, sizeof *rebuild->records, by_age);
    for (size_t i = 0; i < rebuild->count; i++) {
        const struct found *found = &rebuild->records[i];
        slots_add_record(writer_class_of(writer, found->slot), writer->notes, found->slot,
                         found->rank);
    }
}

static void segment_free_slots(struct table_writer *writer, uint64_t segment)
{
    const unsigned size_class = writer->segments[segment].class_plus_one - 1u;

    for (unsigned place = 0; place < TABLE_SEGMENT_BYTES / table_class_bytes[size_class]; place++) {
        const uint32_t slot = (uint32_t)(segment * TABLE_SEGMENT_SLOTS + place + 1);
        if (!writer->notes[slot].listed)
            slots_add_free(writer_class_of(writer, slot), writer->notes, slot);
    }
}

/* --- attaching --- */

/* The words of segments that are taken, checked. Nothing is trusted before this. */
static int segments_rebuild(struct table_writer *writer)
{
    const struct table_geometry *geometry = &writer->map.geometry;
    const uint64_t allocated = table_load(&writer->map.header->allocated);

    /* It says that it is over, and is the newest: readers would never be content with it. */
    if (table_load(&writer->map.header->successor) != 0)
        return -EPROTO;
    if (allocated < geometry->records_offset || allocated > geometry->file_bytes ||
        allocated % TABLE_CHUNK_BYTES != 0)
        return -EPROTO;
    /* If somebody punched holes, they are filled now or not at all. */
    const int status = table_file_allocate(writer->descriptor, 0, allocated);
    if (status < 0)
        return status;
    for (uint64_t segment = 0; segment < geometry->segments; segment++) {
        const uint32_t word =
            atomic_load_explicit(&writer->map.segments[segment], memory_order_acquire);
        if (word == 0)
            continue;
        const unsigned size_class = word >> 16 & 0xff, partition = (word & 0xffff) - 1;
        if (size_class >= TABLE_CLASSES || partition >= TABLE_PARTITIONS ||
            word != table_segment_word(size_class, partition) ||
            geometry->records_offset + (segment + 1) * TABLE_SEGMENT_BYTES > allocated ||
            writer->partitions[partition].segments == geometry->quota)
            return -EPROTO;
        writer_own_segment(writer, segment, partition, size_class);
    }
    return 0;
}

static void partition_rebuild(struct rebuild *rebuild, const struct table_clock *clock)
{
    struct table_writer *writer = rebuild->writer;
    struct table_partition *word = &writer->map.partitions[rebuild->partition];

    /* Before anything is dropped. */
    table_writer_set_complete(writer, (uint16_t)rebuild->partition, false);
    rebuild->count = 0;
    for (uint64_t line = 0; line < writer->map.geometry.lines; line += TABLE_GROUP)
        group_rebuild(rebuild, line);
    partition_lists(rebuild);
    table_store(&word->records, rebuild->count);
    table_store(&word->segments, writer->partitions[rebuild->partition].segments);
    table_writer_heartbeat(writer, (uint16_t)rebuild->partition, clock);
    rebuild->opened->kept += rebuild->count;
}

/* -EPROTO: not sound as a whole, make a successor. */
static int attach(struct table_writer *writer, const struct table_clock *clock,
                  struct table_opened *opened)
{
    const struct table_geometry *geometry = &writer->map.geometry;
    struct rebuild rebuild = {.writer = writer, .opened = opened};
    int status = books_start(writer, geometry);

    if (status < 0)
        return status;
    status = segments_rebuild(writer);
    rebuild.records = reserve(geometry->lines * TABLE_CELLS * sizeof(struct found));
    if (status == 0 && rebuild.records == NULL)
        status = -ENOMEM;
    for (; status == 0 && rebuild.partition < TABLE_PARTITIONS; rebuild.partition++)
        partition_rebuild(&rebuild, clock);
    for (uint64_t segment = 0; status == 0 && segment < geometry->segments; segment++) {
        if (writer->segments[segment].class_plus_one != 0)
            segment_free_slots(writer, segment);
    }
    if (rebuild.records != NULL)
        munmap(rebuild.records, geometry->lines * TABLE_CELLS * sizeof(struct found));
    if (status < 0)
        books_free(writer, geometry);
    opened->attached = status == 0;
    return status;
}

/* --- a successor --- */

/* What can be read of the old table, into the new one. */
static void move_records(struct table_writer *writer, const struct table_map *old,
                         struct table_opened *opened)
{
    const uint64_t allocated = table_allocated(old);

    for (uint64_t i = 0; i < TABLE_PARTITIONS * old->geometry.lines * TABLE_CELLS; i++) {
        const uint64_t cell = table_load(&old->lines[i / TABLE_CELLS].cells[i % TABLE_CELLS]);
        union record record, present;
        struct table_key key;
        if (cell == 0)
            continue;
        if (!table_slot_copy(old, table_cell_offset(cell), allocated, &record) ||
            !record_is_sound(&record) || !record_is_known(&record) || !record_key(&record, &key)) {
            opened->dropped++;
            continue;
        }
        const bool repeated = table_writer_get_record(writer, &key, &present);
        opened->repeated += repeated;
        if (repeated && !record_is_stricter(&record, &present))
            continue;
        if (table_writer_put_record(writer, &key, &record) < 0)
            opened->dropped++;
        else
            opened->kept += !repeated;
    }
}

/* A new file of the next generation, with the old one's records if there is an old one. */
static int succeed(struct table_writer *writer, const char *directory, uint64_t generation,
                   const struct table_geometry *geometry, const struct table_map *old,
                   const struct table_clock *clock, struct table_opened *opened, char *why,
                   size_t why_size)
{
    int status = books_start(writer, geometry);

    if (status < 0)
        return status;
    writer->descriptor =
        table_file_create(&writer->map, directory, generation, geometry, clock, why, why_size);
    if (writer->descriptor < 0) {
        books_free(writer, geometry);
        return writer->descriptor;
    }
    status = table_file_lock(writer->descriptor);
    if (status < 0)
        return status;
    if (old != NULL)
        move_records(writer, old, opened);
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_heartbeat(writer, (uint16_t)partition, clock);
    return table_file_name(directory, generation, why, why_size);
}

/* --- opening --- */

/* The old file, locked, in writer->map; -EPROTO if it is not a table of this layout. */
static int old_open(struct table_writer *writer, uint64_t generation, char *why, size_t why_size)
{
    writer->descriptor =
        table_file_map(&writer->map, writer->path, generation, true, why, why_size);
    if (writer->descriptor < 0)
        return writer->descriptor;
    const int status = table_file_lock(writer->descriptor);
    if (status < 0)
        table_why(why, why_size, "%s: %s", writer->path,
                  status == -EBUSY ? "another daemon has this table" : strerror(-status));
    return status;
}

static int open_newest(struct table_writer *writer, const char *directory,
                       const struct table_geometry *geometry, const struct table_clock *clock,
                       struct table_opened *opened, char *why, size_t why_size)
{
    const int64_t newest = table_file_newest(directory);
    if (newest < 0) {
        table_why(why, why_size, "%s: %s", directory, strerror((int)-newest));
        return (int)newest;
    }
    int status = table_file_path(writer->path, sizeof writer->path, directory, (uint64_t)newest);
    if (status == 0)
        status = newest > 0 ? old_open(writer, (uint64_t)newest, why, why_size) : -EPROTO;
    if (status < 0 && status != -EPROTO)
        return status;
    const bool readable = status == 0 && memcmp(writer->map.header->boot_id, clock->boot_id,
                                                sizeof clock->boot_id) == 0;
    if (readable && writer->map.geometry.quota == geometry->quota) {
        status = attach(writer, clock, opened);
        if (status != -EPROTO)
            return status;
        *opened = (struct table_opened){0};
    }
    struct table_map old = writer->map;
    const int old_descriptor = writer->descriptor;
    const uint64_t generation = (uint64_t)newest + 1;
    writer->map = (struct table_map){0};
    writer->descriptor = -1;
    status = table_file_path(writer->path, sizeof writer->path, directory, generation);
    if (status == 0)
        status = succeed(writer, directory, generation, geometry, readable ? &old : NULL, clock,
                         opened, why, why_size);
    table_file_unmap(&old);
    if (old_descriptor >= 0)
        close(old_descriptor);
    return status;
}

int table_writer_open(struct table_writer **opened_writer, const char *directory, uint64_t bytes,
                      const struct table_clock *clock, struct table_opened *opened, char *why,
                      size_t why_size)
{
    const struct table_geometry geometry = table_geometry_fit(bytes);
    struct table_opened unused;

    opened = opened != NULL ? opened : &unused;
    *opened = (struct table_opened){0};
    table_why(why, why_size, "%s", "");
    if (geometry.quota == 0) {
        table_why(why, why_size, "a table needs at least %llu bytes",
                  (unsigned long long)table_geometry_of(TABLE_QUOTA_MIN).file_bytes);
        return -EINVAL;
    }
    struct table_writer *writer = aligned_alloc(64, sizeof *writer);
    if (writer == NULL) {
        table_why(why, why_size, "%s: %s", directory, strerror(ENOMEM));
        return -ENOMEM;
    }
    memset(writer, 0, sizeof *writer);
    writer->descriptor = -1;
    pthread_mutex_init(&writer->growing, NULL);
    writer->lock_descriptor = table_file_lock_directory(directory, why, why_size);
    int status = writer->lock_descriptor;
    if (status >= 0)
        status = open_newest(writer, directory, &geometry, clock, opened, why, why_size);
    if (status < 0) {
        if (why_size > 0 && why[0] == '\0')
            table_why(why, why_size, "%s: %s", directory, strerror(-status));
        table_writer_close(writer);
        return status;
    }
    table_file_retire(directory, writer->map.header->generation);
    struct table_header *header = table_header_of(&writer->map);
    table_store(&header->writers, table_load(&header->writers) + 1);
    *opened_writer = writer;
    return 0;
}

void table_writer_close(struct table_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->map.base != NULL)
        books_free(writer, &writer->map.geometry);
    table_file_unmap(&writer->map);
    if (writer->descriptor >= 0)
        close(writer->descriptor);
    if (writer->lock_descriptor >= 0)
        close(writer->lock_descriptor);
    pthread_mutex_destroy(&writer->growing);
    free(writer);
}
