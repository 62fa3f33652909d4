/*
 * reader.c - "what a reader does" of layout.h. See reader.h.
 */
#include "shm/reader.h"

#include "shm/table_file.h"
#include "shm/verdict_record.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Between finding a name and opening it the table may have got a successor. */
#define OPEN_ATTEMPTS 4

struct table_reader {
    struct table_map map;
    uint64_t seed;
    bool clocks_agree;
    bool borrowed; /* the mapping is the writer's, and so are the clocks */
    dev_t device;  /* of the file that is mapped */
    ino_t inode;
    char directory[PATH_MAX - 32];
};

/* A table that was mapped just now, and whose file it is. */
struct mapped {
    struct table_map map;
    dev_t device;
    ino_t inode;
};

/* --- the hot path --- */

enum look {
    LOOK_HIT,
    LOOK_OTHER,  /* not this key */
    LOOK_AGAIN,  /* something changed while we looked */
    LOOK_BROKEN, /* it does not change, and it is not a record */
};

/* Step 2 and 3 of layout.h, of the cell that is held. In line: of a hit it is all there is. */
__attribute__((always_inline)) static inline enum look
look_at_record(const struct table_reader *reader, const struct table_key *key,
               const struct table_ahead *held, union record *record)
{
    const uint64_t allocated = table_allocated(&reader->map);
    const uint64_t offset = table_cell_offset(held->value);

    if (offset < reader->map.geometry.records_offset || offset + TABLE_SLOT_MIN > allocated)
        return LOOK_BROKEN;
    const _Atomic uint64_t *slot = table_slot(&reader->map, offset);
    __builtin_prefetch((const char *)slot + 64);
    const uint64_t sequence = table_load(&slot[RECORD_SEQUENCE]);
    if (!table_cell_has_version(held->value, sequence))
        return LOOK_AGAIN;
    const bool copied = table_slot_copy(&reader->map, offset, allocated, record);
    /* The copy's loads were acquire: if any of them saw a later use, so do these. */
    if (table_load(&slot[RECORD_SEQUENCE]) != sequence || table_load(held->cell) != held->value)
        return LOOK_AGAIN;
    if (!copied || record->head.sequence != sequence || !record_is_sound(record))
        return LOOK_BROKEN;
    return record_has_key(record, key) ? LOOK_HIT : LOOK_OTHER;
}

static enum look look_in_line(const struct table_reader *reader, const struct table_key *key,
                              const struct table_line *line, struct table_ahead *held,
                              union record *record)
{
    const uint16_t tag = table_tag(key->hash);
    uint64_t cells[TABLE_CELLS];
    unsigned candidates = 0;

    /* No branch for each cell: which one matches cannot be predicted. */
#pragma GCC unroll 7
    for (unsigned i = 0; i < TABLE_CELLS; i++) {
        cells[i] = table_load(&line->cells[i]);
        candidates |= (unsigned)(table_cell_tag(cells[i]) == tag) << i;
    }
    for (; candidates != 0; candidates &= candidates - 1) {
        const unsigned i = (unsigned)__builtin_ctz(candidates);
        if (cells[i] == 0) /* the tag is 0, too */
            continue;
        held->cell = &line->cells[i];
        held->value = cells[i];
        const enum look look = look_at_record(reader, key, held, record);
        if (look != LOOK_OTHER)
            return look;
    }
    return LOOK_OTHER;
}

static const struct table_line *home_of(const struct table_reader *reader,
                                        const struct table_key *key)
{
    const uint64_t lines = reader->map.geometry.lines;
    return &reader->map.lines[key->partition * lines + table_home(key->hash, reader->seed, lines)];
}

/* Step 1 of layout.h; LOOK_OTHER is a miss that counts. */
static enum look look_once(const struct table_reader *reader, const struct table_key *key,
                           struct table_ahead *held, union record *record)
{
    const uint64_t head = table_load(&held->home->head);
    enum look look = look_in_line(reader, key, held->home, held, record);

    if (look == LOOK_OTHER && (head & TABLE_HEAD_COUNTS) != 0) {
        const size_t number = (size_t)(held->home - reader->map.lines);
        for (unsigned away = 1; look == LOOK_OTHER && away < TABLE_GROUP; away++) {
            if (table_head_count(head, away) > 0)
                look = look_in_line(reader, key, &reader->map.lines[number ^ away], held, record);
        }
    }
    if (look == LOOK_OTHER && table_load(&held->home->head) != head)
        return LOOK_AGAIN;
    return look;
}

/* From the beginning, until nothing changes meanwhile. */
static enum look look_from_home(const struct table_reader *reader, const struct table_key *key,
                                struct table_ahead *held, union record *record)
{
    enum look look = LOOK_AGAIN;

    for (unsigned attempt = 0; look == LOOK_AGAIN && attempt < TABLE_READ_ATTEMPTS; attempt++)
        look = look_once(reader, key, held, record);
    return look;
}

static enum table_outcome outcome_of(enum look look, const union record *record, uint64_t now_ms)
{
    if (look == LOOK_OTHER)
        return TABLE_MISS;
    return look == LOOK_HIT && record->head.stamp_ms <= now_ms + TABLE_FUTURE_MS ? TABLE_HIT
                                                                                 : TABLE_UNKNOWN;
}

/* What was seen ahead is a load of the cell that happened earlier, and no more: the record is
 * looked at as ever. Only a hit needs nothing else. */
static inline enum table_outcome look(struct table_ahead *held, const struct table_reader *reader,
                                      const struct table_key *key, uint64_t now_ms,
                                      union record *record)
{
    enum look look = LOOK_AGAIN;

    if (held->cell != NULL)
        look = look_at_record(reader, key, held, record);
    if (look != LOOK_HIT)
        look = look_from_home(reader, key, held, record);
    return outcome_of(look, record, now_ms);
}

static _Atomic uint64_t *completeness(const struct table_reader *reader,
                                      const struct table_key *key)
{
    return &reader->map.partitions[key->partition].complete;
}

/* Step 5 of layout.h: a second look, so that a hit pays nothing for it. */
static enum table_outcome look_again(struct table_ahead *held, const struct table_reader *reader,
                                     const struct table_key *key, uint64_t now_ms,
                                     union record *record)
{
    const uint64_t complete = table_load(completeness(reader, key));

    if (!table_is_complete(complete))
        return TABLE_MISS;
    held->cell = NULL;
    const enum table_outcome outcome = look(held, reader, key, now_ms, record);
    if (outcome != TABLE_MISS || table_load(completeness(reader, key)) != complete ||
        table_reader_is_over(reader))
        return outcome;
    return TABLE_ABSENT;
}

enum table_outcome table_find_once(struct table_ahead *ahead, const struct table_reader *reader,
                                   const struct table_key *key, uint64_t now_ms,
                                   union record *record)
{
    return reader->clocks_agree ? look(ahead, reader, key, now_ms, record) : TABLE_UNKNOWN;
}

enum table_outcome table_find_ahead(struct table_ahead *ahead, const struct table_reader *reader,
                                    const struct table_key *key, uint64_t now_ms,
                                    union record *record)
{
    const enum table_outcome outcome = table_find_once(ahead, reader, key, now_ms, record);
    return outcome == TABLE_MISS ? look_again(ahead, reader, key, now_ms, record) : outcome;
}

enum table_outcome table_find(const struct table_reader *reader, const struct table_key *key,
                              uint64_t now_ms, union record *record)
{
    struct table_ahead ahead = {.home = home_of(reader, key)};

    return table_find_ahead(&ahead, reader, key, now_ms, record);
}

bool table_place_find(const struct table_reader *reader, const struct table_key *key,
                      uint64_t now_ms, struct table_place *place)
{
    struct table_ahead ahead = {.home = home_of(reader, key)};
    union record record;

    if (!reader->clocks_agree || look(&ahead, reader, key, now_ms, &record) != TABLE_HIT)
        return false;
    *place = (struct table_place){ahead.cell, ahead.value};
    return true;
}

enum table_outcome table_read_ahead(struct table_ahead *ahead, const struct table_reader *reader,
                                    const struct table_key *key, uint64_t now_ms,
                                    struct verdict *verdict)
{
    union record record;
    const enum table_outcome outcome = table_find_ahead(ahead, reader, key, now_ms, &record);

    return outcome == TABLE_HIT && !verdict_unpack(&record, verdict) ? TABLE_UNKNOWN : outcome;
}

enum table_outcome table_read(const struct table_reader *reader, const struct table_key *key,
                              uint64_t now_ms, struct verdict *verdict)
{
    struct table_ahead ahead = {.home = home_of(reader, key)};

    return table_read_ahead(&ahead, reader, key, now_ms, verdict);
}

/* --- many look-ups at once --- */

void table_prefetch(struct table_ahead *ahead, const struct table_reader *reader,
                    const struct table_key *key)
{
    *ahead = (struct table_ahead){.home = home_of(reader, key)};
    __builtin_prefetch(ahead->home);
}

/* A key in another line of its group (one in a hundred at 80 %) waits when it is looked up. With a
 * branch for each cell the processor guesses that it is not this one, and goes on to the next key
 * while the line is on its way. */
void table_prefetch_record(struct table_ahead *ahead, const struct table_reader *reader,
                           const struct table_key *key)
{
    const uint16_t tag = table_tag(key->hash);

#pragma GCC unroll 7
    for (unsigned i = 0; i < TABLE_CELLS; i++) {
        const uint64_t cell = table_load(&ahead->home->cells[i]);
        if (table_cell_tag(cell) != tag || cell == 0)
            continue;
        const uint64_t offset = table_cell_offset(cell);
        if (offset + TABLE_SLOT_MIN > reader->map.geometry.file_bytes)
            continue;
        ahead->cell = &ahead->home->cells[i];
        ahead->value = cell;
        __builtin_prefetch(table_slot(&reader->map, offset));
        __builtin_prefetch((const char *)table_slot(&reader->map, offset) + 64);
    }
}

/* One of several look-ups; `ahead` is used by one after the other. */
struct batch {
    const struct table_reader *reader;
    const struct table_key *keys;
    size_t count;
    struct table_ahead ahead[TABLE_AHEAD];
};

/* The keys of a group from first to end; of a group that is not there, none. */
static size_t group_first(const struct batch *batch, size_t group)
{
    const size_t first = group * TABLE_AHEAD_GROUP;
    return first < batch->count ? first : batch->count;
}

static void ask_lines(struct batch *batch, size_t group)
{
    const size_t end = group_first(batch, group + 1);

    for (size_t i = group_first(batch, group); i < end; i++)
        table_prefetch(&batch->ahead[i % TABLE_AHEAD], batch->reader, &batch->keys[i]);
}

static void ask_records(struct batch *batch, size_t group)
{
    const size_t end = group_first(batch, group + 1);

    for (size_t i = group_first(batch, group); i < end; i++)
        table_prefetch_record(&batch->ahead[i % TABLE_AHEAD], batch->reader, &batch->keys[i]);
}

/* Asking may wait for an address to be translated, and what is asked for close together waits at
 * once; but a processor has only so much under way, and beyond that waits, too (bench/README). So
 * it goes by groups: the lines of one, the records of the one before, then that before is read. */
void table_read_many(const struct table_reader *reader, const struct table_key *keys, size_t count,
                     uint64_t now_ms, struct verdict *verdicts, enum table_outcome *outcomes)
{
    struct batch batch;

    batch.reader = reader;
    batch.keys = keys;
    batch.count = count;
    for (size_t group = 0, read = 0; read < count; group++) {
        ask_lines(&batch, group);
        if (group >= 1)
            ask_records(&batch, group - 1);
        if (group < 2)
            continue;
        for (const size_t end = group_first(&batch, group - 1); read < end; read++)
            outcomes[read] = table_read_ahead(&batch.ahead[read % TABLE_AHEAD], reader, &keys[read],
                                              now_ms, &verdicts[read]);
    }
}
static_assert(TABLE_AHEAD >= 3 * TABLE_AHEAD_GROUP, "three groups are under way");

bool table_read_floor(const struct table_reader *reader, const struct table_key *key,
                      uint64_t now_ms, struct floor *floor)
{
    struct verdict verdict;

    *floor = (struct floor){0};
    switch (table_read(reader, key, now_ms, &verdict)) {
    case TABLE_HIT:
        *floor = verdict.floor;
        return true;
    case TABLE_ABSENT:
        return true;
    case TABLE_MISS:
    case TABLE_UNKNOWN:
        break;
    }
    return false;
}

bool table_reader_complete(const struct table_reader *reader, const struct table_key *key)
{
    return reader->clocks_agree && table_is_complete(table_load(completeness(reader, key)));
}

bool table_reader_is_over(const struct table_reader *reader)
{
    return table_load(&reader->map.header->successor) != 0;
}

/* Who sees the rulings' sum sees the floors that it is about: stored after them. */
uint32_t table_reader_epoch(const struct table_reader *reader)
{
    const struct table_header *header = reader->map.header;

    return table_epoch((uint32_t)table_load(&header->settings),
                       (uint32_t)table_load(&header->rulings));
}

uint64_t table_reader_heartbeat_ms(const struct table_reader *reader, const struct table_key *key)
{
    return table_load(&reader->map.partitions[key->partition].heartbeat_ms);
}

/* --- opening and following --- */

/* Against the partition that gave the last sign of life. */
static bool clocks_agree(const struct table_map *map, const struct table_clock *clock)
{
    uint64_t heartbeat_ms = 0, offset_ms = 0;

    if (memcmp(map->header->boot_id, clock->boot_id, sizeof clock->boot_id) != 0)
        return false;
    for (unsigned i = 0; i < TABLE_PARTITIONS; i++) {
        const uint64_t beat_ms = table_load(&map->partitions[i].heartbeat_ms);
        if (beat_ms < heartbeat_ms)
            continue;
        heartbeat_ms = beat_ms;
        offset_ms = table_load(&map->partitions[i].clock_offset_ms);
    }
    const uint64_t apart_ms = table_clock_offset(clock) - offset_ms + TABLE_CLOCK_SLACK_MS;
    return heartbeat_ms <= clock->boot_ms + TABLE_FUTURE_MS &&
           apart_ms <= 2 * (uint64_t)TABLE_CLOCK_SLACK_MS;
}

static int map_generation(struct mapped *mapped, const char *directory, uint64_t generation,
                          char *why, size_t why_size)
{
    struct stat file;
    char path[PATH_MAX];
    int status = table_file_path(path, sizeof path, directory, generation);

    if (status < 0)
        return status;
    status = table_file_map(&mapped->map, path, generation, false, why, why_size);
    if (status < 0)
        return status;
    if (fstat(status, &file) != 0)
        file = (struct stat){0}; /* then it counts as gone, and is looked for again */
    mapped->device = file.st_dev;
    mapped->inode = file.st_ino;
    close(status); /* the mapping stays */
    return 0;
}

static int map_newest(struct mapped *mapped, const char *directory, char *why, size_t why_size)
{
    int status = -ENOENT;

    for (unsigned attempt = 0; attempt < OPEN_ATTEMPTS && status == -ENOENT; attempt++) {
        const int64_t newest = table_file_newest(directory);
        if (newest <= 0)
            table_why(why, why_size, "%s: %s", directory,
                      newest == 0 ? "there is no table" : strerror((int)-newest));
        if (newest < 0)
            return (int)newest;
        if (newest == 0) /* or its name came, and the old one went, while names were read */
            continue;
        status = map_generation(mapped, directory, (uint64_t)newest, why, why_size);
    }
    return status;
}

/* The end of the chain of successors, if there is a chain: mapped into `next`. Returns 1, 0, or an
 * error. The names between may be gone, so the newest file is as good. */
static int map_successor(struct mapped *next, const struct table_map *map, const char *directory)
{
    uint64_t generation = table_load(&map->header->successor);
    int status = 0;

    for (unsigned hop = 0; generation != 0 && hop < TABLE_SUCCESSORS_MAX; hop++) {
        struct mapped found;
        status = map_generation(&found, directory, generation, NULL, 0);
        if (status == -ENOENT)
            status = map_newest(&found, directory, NULL, 0);
        if (status < 0)
            break;
        table_file_unmap(&next->map);
        *next = found;
        generation = table_load(&found.map.header->successor);
    }
    return next->map.base != NULL ? 1 : status;
}

static void use(struct table_reader *reader, const struct mapped *mapped)
{
    reader->map = mapped->map;
    reader->seed = mapped->map.header->seed;
    reader->device = mapped->device;
    reader->inode = mapped->inode;
}

bool table_reader_is_gone(const struct table_reader *reader)
{
    struct stat file;
    char path[PATH_MAX];

    if (reader->borrowed ||
        table_file_path(path, sizeof path, reader->directory, reader->map.header->generation) < 0)
        return false;
    if (stat(path, &file) != 0)
        return errno == ENOENT;
    return file.st_dev != reader->device || file.st_ino != reader->inode;
}

int table_reader_refresh(struct table_reader *reader, const struct table_clock *clock)
{
    struct mapped next = {0};
    int status = 0;

    if (reader->borrowed)
        return 0;
    if (table_load(&reader->map.header->successor) != 0)
        status = map_successor(&next, &reader->map, reader->directory);
    if (status > 0) {
        table_file_unmap(&reader->map);
        use(reader, &next);
    }
    reader->clocks_agree = clocks_agree(&reader->map, clock);
    return status;
}

int table_reader_open(struct table_reader **opened, const char *directory,
                      const struct table_clock *clock, char *why, size_t why_size)
{
    struct table_reader *reader = calloc(1, sizeof *reader);
    struct mapped newest = {0};
    int status = reader == NULL ? -ENOMEM : 0;

    table_why(why, why_size, "%s", "");
    if (status == 0 && strlen(directory) >= sizeof reader->directory)
        status = -ENAMETOOLONG;
    if (status == 0)
        status = map_newest(&newest, directory, why, why_size);
    if (status < 0) {
        if (why_size > 0 && why[0] == '\0')
            table_why(why, why_size, "%s: %s", directory, strerror(-status));
        free(reader);
        return status;
    }
    snprintf(reader->directory, sizeof reader->directory, "%s", directory);
    use(reader, &newest);
    table_reader_refresh(reader, clock); /* a successor that cannot be opened: stay */
    *opened = reader;
    return 0;
}

int table_reader_over(struct table_reader **opened, const struct table_map *map)
{
    struct table_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL)
        return -ENOMEM;
    reader->map = *map;
    reader->seed = map->header->seed;
    reader->borrowed = true;
    reader->clocks_agree = true;
    *opened = reader;
    return 0;
}

void table_reader_close(struct table_reader *reader)
{
    if (reader == NULL)
        return;
    if (!reader->borrowed)
        table_file_unmap(&reader->map);
    free(reader);
}

/* --- facts --- */

void table_map_facts(const struct table_map *map, struct table_facts *facts)
{
    *facts = (struct table_facts){
        .generation = map->header->generation,
        .file_bytes = map->geometry.file_bytes,
        .allocated_bytes = table_load(&map->header->allocated),
        .capacity = map->geometry.segments * TABLE_SEGMENT_SLOTS,
        .writers = table_load(&map->header->writers),
        .huge = table_load(&map->header->huge),
        .heartbeat_ms = UINT64_MAX,
        .clocks_agree = true,
    };
    facts->chunks = (table_allocated(map) - map->geometry.index_offset) / TABLE_CHUNK_BYTES;
    for (unsigned i = 0; i < TABLE_PARTITIONS; i++) {
        const struct table_partition *word = &map->partitions[i];
        const uint64_t heartbeat_ms = table_load(&word->heartbeat_ms);
        facts->records += table_load(&word->records);
        facts->evicted += table_load(&word->evicted);
        facts->refused += table_load(&word->refused);
        facts->complete =
            (uint16_t)(facts->complete + table_is_complete(table_load(&word->complete)));
        if (heartbeat_ms < facts->heartbeat_ms)
            facts->heartbeat_ms = heartbeat_ms;
    }
}

void table_reader_facts(const struct table_reader *reader, struct table_facts *facts)
{
    table_map_facts(&reader->map, facts);
    facts->clocks_agree = reader->clocks_agree;
}

const char *table_pages_name(const struct table_facts *facts)
{
    if (facts->huge == 0)
        return "small";
    return facts->huge < facts->chunks ? "mixed" : "huge";
}
