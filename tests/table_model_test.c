/*
 * table_model_test.c - publish, reuse and move under a weak memory model: the real reader sees
 * everything that C11's release/acquire allows it to see of the real writer's stores.
 *
 * The files of the table are compiled into this program with the hooks of layout.h. A scenario runs
 * the writer and writes down each of its stores; then the reader's look-up is run for every set of
 * stores that may happen before it (every start), with every choice at every load that the model
 * allows (release_acquire.h says why that is exact); and once more, of a look-up whose cell was
 * seen ahead. What must hold, of each execution:
 *
 *   - what is read was the record of that key at one instant between the last store that happened
 *     before the look-up and the last one that it saw: not torn, not wrong, not older, not newer;
 *   - a miss: the key was not in the table when the look ended; absent: nor in the ledger at one
 *     instant since it began;
 *   - no copy that is not whole gets as far as the checksum;
 *   - unknown: every one of TABLE_READ_ATTEMPTS beginnings saw something change.
 *
 * What "was at an instant" is said twice: by the steps of the scenario, and by the same reader over
 * a memory that rests after each store; both must agree. Writers die after every store, and their
 * heirs' stores follow in the same log. TABLE_TORTURE=1: more scenarios die, and more keys look.
 *
 * Stores that no look-up loads are not in the log (heartbeats, counters, segment words).
 *
 * One writer is enough: words of one partition are stored by its thread alone. Two words that
 * look-ups load are not of a partition. `allocated` is stored by any thread, under a mutex, and
 * only grows; the thread whose cell needs it has stored it itself, or has the mutex from who did,
 * so it happens-before the cell, and more of it does no harm. `successor` is stored once, by who
 * opens the next file, with no other thread running.
 *
 * That the checker finds mistakes is shown with planted ones: stores in another order, looks left
 * out, loads and stores relaxed. Each must be found (or, of three that others stand in for, not).
 */
#include <stdint.h>
#include <sys/types.h>

static void stored(const void *word);
static uint64_t loaded(const void *word, uint64_t value);
#define TABLE_STORED(word)        stored(word)
#define TABLE_LOADED(word, value) loaded(word, value)

#include "shm/layout.h"

/* All keys here have one home line; with a mask of 0 they have one tag, too. */
static uint16_t tag_mask = UINT16_MAX;
#define table_tag(hash) ((uint16_t)((hash)&tag_mask))

/* Every table here has the same seed, and the same keys share a line in each. */
static ssize_t fixed_seed(void *buffer, size_t size);
#include <sys/random.h>
#define getrandom(buffer, size, flags) fixed_seed(buffer, size)

/* Whose mappings are which file. */
#define table_file_map    table_file_map_plain
#define table_file_create table_file_create_plain
#define table_file_unmap  table_file_unmap_plain
#include "shm/table_file.c"
#undef table_file_map
#undef table_file_create
#undef table_file_unmap
int table_file_map(struct table_map *map, const char *path, uint64_t generation, bool writable,
                   char *why, size_t why_size);
int table_file_create(struct table_map *map, const char *directory, uint64_t generation,
                      const struct table_geometry *geometry, const struct table_clock *clock,
                      char *why, size_t why_size);
void table_file_unmap(struct table_map *map);

#undef getrandom

#include "shm/attach.c"
#include "shm/writer.c"

/* The reader says when it begins, and what it would believe. */
enum { ATTEMPTS = TABLE_READ_ATTEMPTS };
static unsigned attempt_begins(unsigned attempt);
static bool sound(const union record *record);
#undef TABLE_READ_ATTEMPTS
#define TABLE_READ_ATTEMPTS     attempt_begins(attempt)
#define record_is_sound(record) sound(record)
#include "shm/reader.c"
#undef record_is_sound

#include "tests/release_acquire.h"
#include "tests/table_support.h"

#define BYTES      (12u << 20) /* the least */
#define BYTES_MORE (16u << 20)
#define FILES      2
#define READ_AT_MS (1ULL << 40)

enum { KEYS = 12, STEPS_MAX = 32, NOBODY = -2, UNDECIDED = -1 };
enum kind { HEAD, CELL, SEQUENCE, BODY, COMPLETE, ALLOCATED, SUCCESSOR, NOT_READ };

static struct ra ra;
static struct scratch scratch;
static struct table_writer *writer;
static struct table_reader *opened; /* of the first file; executions have copies of it */
static struct table_reader reader;
static bool recording, reading, refreshing;

static ssize_t fixed_seed(void *buffer, size_t size)
{
    memset(buffer, 0x5b, size);
    return (ssize_t)size;
}

static bool torture(void)
{
    return getenv("TABLE_TORTURE") != NULL;
}

/* --- which word it is --- */

static struct range {
    char *base;
    uint64_t bytes;
    unsigned file;
} ranges[4];
static uint16_t numbers[FILES][BYTES_MORE / 8]; /* of a word in the log, and 1 */
static uint16_t *numbered[RA_WORDS_MAX];
static enum kind kinds[RA_WORDS_MAX];
static struct table_map maps[FILES]; /* the writer's */

static void range_add(const struct table_map *map)
{
    struct range *range = ranges;

    while (range->base != NULL)
        CLAIM(++range < ranges + 4);
    *range = (struct range){map->base, map->geometry.file_bytes,
                            (unsigned)(map->header->generation - 1)};
}

int table_file_map(struct table_map *map, const char *path, uint64_t generation, bool writable,
                   char *why, size_t why_size)
{
    const int status = table_file_map_plain(map, path, generation, writable, why, why_size);

    if (status >= 0)
        range_add(map);
    if (status >= 0 && writable)
        maps[generation - 1] = *map;
    return status;
}

int table_file_create(struct table_map *map, const char *directory, uint64_t generation,
                      const struct table_geometry *geometry, const struct table_clock *clock,
                      char *why, size_t why_size)
{
    const int status =
        table_file_create_plain(map, directory, generation, geometry, clock, why, why_size);

    if (status >= 0) {
        range_add(map);
        maps[generation - 1] = *map;
    }
    return status;
}

/* The first file stays mapped for the next execution. */
void table_file_unmap(struct table_map *map)
{
    if (reading && map->base == opened->map.base) {
        *map = (struct table_map){0};
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (map->base != NULL && ranges[i].base == map->base)
            ranges[i] = (struct range){0};
    }
    table_file_unmap_plain(map);
}

/* Its file and offset. A header mapped alone is that of a table that gets a successor. */
static uint64_t locate(const void *word, unsigned *file)
{
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t offset = (uint64_t)((const char *)word - ranges[i].base);
        if (ranges[i].base != NULL && offset < ranges[i].bytes) {
            *file = ranges[i].file;
            return offset;
        }
    }
    const uint64_t offset = (uintptr_t)word % sizeof(struct table_header);
    const struct table_header *header = (const void *)((const char *)word - offset);
    CLAIM(header->magic == TABLE_MAGIC);
    *file = (unsigned)(header->generation - 1);
    return offset;
}

/* For geometry and segment words. The first file's writer may be gone. */
static const struct table_map *map_of(unsigned file)
{
    return file == 0 ? &opened->map : &maps[file];
}

static enum kind kind_of(unsigned file, uint64_t offset)
{
    const struct table_map *map = map_of(file);
    const struct table_geometry *geometry = &map->geometry;

    if (offset == offsetof(struct table_header, allocated))
        return ALLOCATED;
    if (offset == offsetof(struct table_header, successor))
        return SUCCESSOR;
    if (offset < sizeof(struct table_header))
        return NOT_READ;
    if (offset < geometry->segments_offset)
        return offset % 64 == offsetof(struct table_partition, complete) ? COMPLETE : NOT_READ;
    if (offset < geometry->index_offset)
        return NOT_READ;
    if (offset < geometry->records_offset)
        return offset % 64 == 0 ? HEAD : CELL;
    const uint64_t segment = (offset - geometry->records_offset) / TABLE_SEGMENT_BYTES;
    const unsigned size_class = atomic_load(&map->segments[segment]) >> 16 & 0xff;
    return offset % TABLE_SEGMENT_BYTES % table_class_bytes[size_class] == 8 ? SEQUENCE : BODY;
}

/* --- writing the log --- */

static char *shadow; /* of the first file, up to `allocated`, as it was when recording began */
static uint64_t shadow_bytes;
static unsigned die_at; /* stores; 0: never */
static jmp_buf died;

static void stored(const void *word)
{
    uint64_t value, initial = 0;
    unsigned file;

    if (!recording)
        return;
    const uint64_t offset = locate(word, &file);
    const enum kind kind = kind_of(file, offset);
    if (kind == NOT_READ)
        return;
    uint16_t *number = &numbers[file][offset / 8];
    if (*number == 0) {
        if (file == 0 && offset < shadow_bytes)
            memcpy(&initial, shadow + offset, 8);
        *number = (uint16_t)(ra_word(&ra, initial) + 1);
        numbered[*number - 1] = number;
        kinds[*number - 1] = kind;
    }
    memcpy(&value, word, 8);
    ra_record(&ra, *number - 1u, value);
    if (ra.stores == die_at)
        longjmp(died, 1);
}

static void begin_recording(void)
{
    shadow_bytes = table_load(&writer->map.header->allocated);
    shadow = malloc(shadow_bytes);
    CLAIM(shadow != NULL);
    memcpy(shadow, writer->map.base, shadow_bytes);
    opened = scratch_reader(&scratch);
    recording = true;
}

/* --- keys and values --- */

static struct {
    char text[32];
    struct table_key key;
} keys[KEYS];

static void find_keys(void)
{
    const struct table_line *home = NULL;
    static unsigned found;

    for (uint64_t number = 0; found < KEYS; number++) {
        const int length = snprintf(keys[found].text, sizeof keys[found].text, "k%llu.example",
                                    (unsigned long long)number);
        table_key_make(&keys[found].key, keys[found].text, (size_t)length);
        const struct place place = place_of(writer, &keys[found].key);
        if (home != NULL && place.home != home)
            continue;
        home = place.home;
        found++;
    }
}

/* Versions say themselves what is particular about them. */
enum { OF_LEDGER = 32, LARGE = 64 };

static void value_pack(union record *record, unsigned key, unsigned version)
{
    const struct record_about about = {.kind = RECORD_VERDICT,
                                       .stamp_ms = version,
                                       .rank = 3,
                                       .ledger = (version & OF_LEDGER) != 0};
    uint64_t salt = ra_mix(key * 1000 + version);

    CLAIM(record_begin(record, &about, &keys[key].key, 24, (version & LARGE) != 0 ? 90 : 20));
    const size_t alike = (version & LARGE) != 0 ? 80 : 0; /* or there are too many mixtures */
    for (size_t i = 0; i < record_fixed_bytes(record); i++)
        record_fixed(record)[i] = (char)(salt = ra_mix(salt));
    for (size_t i = 0; i < record_tail_bytes(record); i++)
        record_tail(record)[i] = i < alike ? 'a' : (char)(salt = ra_mix(salt));
}

static bool value_is_right(const union record *record, unsigned key)
{
    union record expected;

    value_pack(&expected, key, (unsigned)record->head.stamp_ms);
    return expected.head.record_bytes == record->head.record_bytes &&
           memcmp(&expected.words[2], &record->words[2], (record_words(&record->head) - 2) * 8) ==
               0;
}

/* --- the steps of a scenario --- */

/* Within its stores a step takes a key from what it was to `after`, at one instant. */
static struct step {
    unsigned file, key, after, from, to;
    bool died; /* or not at all */
} steps[STEPS_MAX], doing;
static unsigned step_count;
static unsigned initially[KEYS];
/* What the ledger holds, and from where on. */
static struct mark {
    unsigned key, from;
    bool holds;
} marks[STEPS_MAX];
static unsigned mark_count;

static void step_begin(unsigned key, unsigned after)
{
    doing = (struct step){
        (unsigned)(writer->map.header->generation - 1), key, after, ra.stores, 0, false};
}

static void step_end(bool by_death)
{
    if (!recording) {
        initially[doing.key] = doing.after;
        return;
    }
    CLAIM(step_count < STEPS_MAX);
    doing.to = ra.stores;
    doing.died = by_death;
    steps[step_count++] = doing;
}

static void ledger(unsigned key, bool holds)
{
    CLAIM(mark_count < STEPS_MAX);
    marks[mark_count++] = (struct mark){key, ra.stores, holds};
}

/* The slot freed last is used next: the worst for a reader. */
static void reuse_soon(unsigned partition)
{
    for (unsigned c = 0; c < TABLE_CLASSES; c++) {
        struct slot_class *class = &writer->partitions[partition].classes[c];
        for (uint32_t left = class->free.count; left > 1; left--)
            slots_add_free(class, writer->notes, slots_take_free(class, writer->notes));
    }
}

static void put(unsigned key, unsigned version)
{
    union record record;

    value_pack(&record, key, version);
    reuse_soon(keys[key].key.partition);
    step_begin(key, version);
    CLAIM(table_writer_put_record(writer, &keys[key].key, &record) == 0);
    step_end(false);
}

static void take(unsigned key)
{
    step_begin(key, 0);
    CLAIM(table_writer_remove(writer, &keys[key].key));
    step_end(false);
}

static void drive_out(unsigned key)
{
    struct place place;
    union record record;

    CLAIM(find(writer, &keys[key].key, &place, &record));
    step_begin(key, 0);
    evict(writer, keys[key].key.partition, place.slot);
    step_end(false);
}

static void complete(bool is)
{
    table_writer_set_complete(writer, keys[0].key.partition, is);
}

/* Keys from `first` to `last` in version 1. */
static void fill(unsigned first, unsigned last)
{
    for (unsigned key = first; key <= last; key++)
        put(key, 1);
}

/* --- scenarios: before `begin_recording` is what there was --- */

static void nothing(void) {}
static void three(void)
{
    fill(0, 2);
}
static void others(void)
{
    fill(1, 3);
}
static void full_line(void)
{
    fill(1, TABLE_CELLS);
}
static void overflowing(void)
{
    fill(1, TABLE_CELLS);
    put(0, 1);
}
static void complete_ledger(void)
{
    fill(1, 2);
    put(0, 1 | OF_LEDGER);
    ledger(0, true);
    complete(true);
}
static void complete_without(void)
{
    fill(1, 2);
    complete(true);
}

static void insert_one(void)
{
    put(0, 2);
}
static void insert_two(void)
{
    put(0, 2);
    put(1, 2);
}
static void replace_one(void)
{
    put(0, 2);
}
static void replace_again(void)
{
    put(0, 2);
    put(0, 3);
    put(0, 4);
}
static void replace_by_turns(void)
{
    put(0, 2);
    put(1, 2);
    put(0, 3);
    put(2, 2);
}
static void replace_larger(void)
{
    put(0, 2 | LARGE);
    put(0, 3);
    put(0, 4 | LARGE);
}
static void remove_for_another(void)
{
    take(0);
    put(4, 2);
    take(4);
    put(0, 3);
}
static void remove_and_back(void)
{
    take(0);
    put(0, 2);
    take(0);
    put(0, 3);
}
static void remove_one(void)
{
    take(0);
}
static void evict_one(void)
{
    drive_out(0);
}
/* From another line of the group to the home line and back. */
static void move(void)
{
    take(1);
    take(0);
    put(0, 2);
    put(1, 2);
    take(0);
    put(8, 2);
    put(0, 3);
}
static void move_home(void)
{
    take(0);
    take(1);
    put(0, 2);
}
static void evict_and_back(void)
{
    drive_out(0);
    put(0, 2 | OF_LEDGER);
    complete(true);
    drive_out(0);
    put(0, 3 | OF_LEDGER);
    complete(true);
}
static void evict_of_ledger(void)
{
    drive_out(0);
}
static void forget_and_learn(void)
{
    ledger(0, false);
    take(0);
    put(0, 2 | OF_LEDGER);
    ledger(0, true);
    drive_out(0);
}
static void learn(void)
{
    put(0, 2 | OF_LEDGER);
    ledger(0, true);
    put(0, 3 | OF_LEDGER);
}
/* 65,536 uses of a slot, all but the last of them as one store. The cell is the same again. */
static void wrap(void)
{
    struct place place;
    union record record;

    CLAIM(find(writer, &keys[0].key, &place, &record));
    _Atomic uint64_t *slot = table_slot(&writer->map, writer_slot_offset(writer, place.slot));
    const uint64_t cell = table_load(place.cell);
    put(0, 2);
    table_store(&slot[RECORD_SEQUENCE], record.head.sequence + 65535);
    put(0, 3);
    CLAIM(table_load(place.cell) == cell);
}
/* The old file says that it holds everything; what is learned goes into the next. */
static void succeed_and_learn(void)
{
    put(0, 2);
    table_writer_close(writer);
    writer = scratch_writer(&scratch, BYTES_MORE, NULL);
    put(0, 3);
    put(3, 2 | OF_LEDGER);
    ledger(3, true);
    put(0, 4);
}
/* What follows a death. */
static void go_on(void)
{
    put(0, 9);
    put(1, 9);
    take(0);
}

static const struct scenario {
    const char *name;
    void (*before)(void), (*run)(void);
    unsigned lookers; /* keys that are looked for */
    bool one_tag;     /* of all keys */
    bool dies;        /* for every store of `run`: death after it, an heir, go_on */
    bool moves;       /* there is a successor */
    bool wraps;       /* copies may be torn; the checksum finds it */
    bool absent;      /* some look-up says so, and none of the others */
    bool long_only;
} scenarios[] = {
    {.name = "insert", .before = others, .run = insert_one, .lookers = 3},
    {.name = "the first of a table: grow, insert",
     .before = nothing,
     .run = insert_two,
     .lookers = 2},
    {.name = "insert into another line", .before = full_line, .run = insert_one, .lookers = 2},
    {.name = "replace", .before = three, .run = replace_again, .lookers = 2},
    {.name = "replace in slots of others", .before = three, .run = replace_by_turns, .lookers = 3},
    {.name = "replace in another line", .before = overflowing, .run = replace_again, .lookers = 2},
    {.name = "replace in another size", .before = three, .run = replace_larger, .lookers = 1},
    {.name = "remove, and another key in slot and cell",
     .before = three,
     .run = remove_for_another,
     .lookers = 5},
    {.name = "the same, of one tag",
     .before = three,
     .run = remove_for_another,
     .lookers = 5,
     .one_tag = true},
    {.name = "remove and bring back", .before = three, .run = remove_and_back, .lookers = 1},
    {.name = "move home and away", .before = overflowing, .run = move, .lookers = 2},
    {.name = "move home and away, of one tag",
     .before = overflowing,
     .run = move,
     .lookers = 2,
     .one_tag = true,
     .long_only = true},
    {.name = "evict what the ledger holds, and back",
     .before = complete_ledger,
     .run = evict_and_back,
     .lookers = 2},
    {.name = "forget and learn",
     .before = complete_ledger,
     .run = forget_and_learn,
     .lookers = 1,
     .absent = true},
    {.name = "learn", .before = complete_without, .run = learn, .lookers = 2, .absent = true},
    {.name = "65,536 uses of a slot", .before = three, .run = wrap, .lookers = 1, .wraps = true},
    {.name = "a successor",
     .before = complete_without,
     .run = succeed_and_learn,
     .lookers = 4,
     .moves = true,
     .absent = true},
    {.name = "die inserting", .before = others, .run = insert_one, .lookers = 2, .dies = true},
    {.name = "die growing", .before = nothing, .run = insert_one, .lookers = 1, .dies = true},
    {.name = "die inserting into another line",
     .before = full_line,
     .run = insert_one,
     .lookers = 1,
     .dies = true},
    {.name = "die replacing", .before = three, .run = replace_one, .lookers = 2, .dies = true},
    {.name = "die replacing in another line",
     .before = overflowing,
     .run = replace_one,
     .lookers = 2,
     .dies = true,
     .long_only = true},
    {.name = "die removing", .before = three, .run = remove_one, .lookers = 2, .dies = true},
    {.name = "die removing from another line",
     .before = overflowing,
     .run = remove_one,
     .lookers = 2,
     .dies = true},
    {.name = "die evicting",
     .before = three,
     .run = evict_one,
     .lookers = 2,
     .dies = true,
     .long_only = true},
    {.name = "die evicting what the ledger holds",
     .before = complete_ledger,
     .run = evict_of_ledger,
     .lookers = 1,
     .dies = true},
    {.name = "die bringing it back",
     .before = complete_ledger,
     .run = evict_and_back,
     .lookers = 1,
     .dies = true,
     .long_only = true},
    {.name = "die moving", .before = overflowing, .run = move_home, .lookers = 2, .dies = true},
    {.name = "die reusing",
     .before = three,
     .run = remove_for_another,
     .lookers = 2,
     .dies = true,
     .long_only = true},
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

/* --- a reader's load --- */

enum mutation {
    NONE,
    /* Looks left out: the load sees what the first one saw. */
    NO_SECOND_HEAD,
    NO_SECOND_COMPLETE,
    NO_SUCCESSOR,
    NO_SECOND_SEQUENCE,
    NO_SECOND_CELL,
    NO_SECOND_SEQUENCE_NOR_CELL,
    /* Loads relaxed, or the stores they read. */
    RELAXED_RECORD,
    RELAXED_CELL,
    RELAXED_COMPLETE,
    RELAXED_HEAD,
};
static enum mutation mutation;
static const struct scenario *scenario;
static unsigned attempts;             /* begun in this look */
static uint64_t complete_seen;        /* in this look-up; 0: not looked at */
static uint8_t looks[RA_WORDS_MAX];   /* in this attempt; of `complete`: in this look-up */
static uint64_t firsts[RA_WORDS_MAX]; /* what the first one saw */
static bool complete_looked;
static unsigned missed_at; /* the last store that the last look may have read */

static unsigned attempt_begins(unsigned attempt)
{
    attempts = attempt;
    if (!reading)
        return ATTEMPTS;
    for (unsigned word = 0; word < ra.words; word++) {
        if (kinds[word] != COMPLETE)
            looks[word] = 0;
    }
    ra_merge(&ra, attempt | (complete_looked ? 1u : 0u) << 8 | complete_seen << 16);
    return ATTEMPTS;
}

static bool look_is_left_out(enum kind kind, unsigned look)
{
    const bool both = mutation == NO_SECOND_SEQUENCE_NOR_CELL;

    if (kind == SEQUENCE) /* the second is the copy's */
        return look == 3 && (both || mutation == NO_SECOND_SEQUENCE);
    return look == 2 && ((kind == CELL && (both || mutation == NO_SECOND_CELL)) ||
                         (kind == HEAD && mutation == NO_SECOND_HEAD) ||
                         (kind == COMPLETE && mutation == NO_SECOND_COMPLETE));
}

static bool load_is_relaxed(enum kind kind, unsigned look)
{
    if (mutation == RELAXED_RECORD) /* all that is copied */
        return kind == BODY || (kind == SEQUENCE && look == 2);
    return (kind == CELL && mutation == RELAXED_CELL) ||
           (kind == HEAD && mutation == RELAXED_HEAD) ||
           (kind == COMPLETE && mutation == RELAXED_COMPLETE);
}

static uint64_t see(unsigned number)
{
    const enum kind kind = kinds[number];
    const unsigned look = ++looks[number];

    if (look_is_left_out(kind, look))
        return firsts[number];
    if (mutation == NO_SUCCESSOR && kind == SUCCESSOR && !refreshing)
        return 0;
    const uint64_t value = ra_load(&ra, number, load_is_relaxed(kind, look));
    if (look == 1)
        firsts[number] = value;
    return value;
}

static uint64_t loaded(const void *word, uint64_t value)
{
    unsigned file;

    if (!reading)
        return value;
    const uint64_t offset = locate(word, &file);
    const unsigned number = numbers[file][offset / 8];
    if (number != 0) /* somebody stored to it */
        value = see(number - 1u);
    const struct table_geometry *geometry = &map_of(file)->geometry;
    if (offset >= geometry->index_offset && offset < geometry->records_offset && offset % 64 == 0) {
        missed_at = ra_end(&ra); /* if it is the last head of a look */
        ra_note(&ra, missed_at);
    }
    if (!complete_looked && offset < geometry->segments_offset &&
        kind_of(file, offset) == COMPLETE) {
        complete_looked = true;
        complete_seen = value;
    }
    return value;
}

static bool sound(const union record *record)
{
    const bool is = record_is_sound(record);

    if (reading && !is && !scenario->wraps)
        ra_fault(&ra, "a torn copy came as far as the checksum");
    return is;
}

/* --- what a look-up says, and what it may say --- */

static unsigned subject; /* key */
static bool ahead_first; /* looked up in steps: its cell was seen before */
/* The version at rest after each store: 0: not there; UNDECIDED. */
static int16_t at_rest[FILES][RA_STORES_MAX + 1];
static unsigned outcomes[4];

static enum table_outcome look_up(int *version)
{
    union record record;

    memset(looks, 0, ra.words);
    complete_seen = 0;
    complete_looked = false;
    reading = true;
    struct table_ahead ahead;
    if (ahead_first) {
        table_prefetch(&ahead, &reader, &keys[subject].key);
        table_prefetch_record(&ahead, &reader, &keys[subject].key);
    }
    const enum table_outcome outcome =
        ahead_first ? table_find_ahead(&ahead, &reader, &keys[subject].key, READ_AT_MS, &record)
                    : table_find(&reader, &keys[subject].key, READ_AT_MS, &record);
    reading = false;
    *version = outcome == TABLE_HIT ? (int)record.head.stamp_ms : 0;
    if (outcome == TABLE_HIT && !value_is_right(&record, subject))
        ra_fault(&ra, "a record that was never put");
    return outcome;
}

static bool was_at_rest(unsigned file, unsigned from, unsigned to, int version)
{
    for (unsigned at = from; at <= to; at++) {
        if (at_rest[file][at] == version)
            return true;
    }
    return false;
}

static bool ledger_always_held(unsigned from, unsigned to)
{
    bool held = false;

    for (unsigned i = 0; i < mark_count; i++) {
        const struct mark *mark = &marks[i];
        if (mark->key != subject)
            continue;
        if (mark->from > to)
            break;
        if (!held && mark->from > from)
            return false;
        if (!mark->holds && mark->from >= from)
            return false;
        held = mark->holds;
    }
    return held;
}

static void judge(unsigned file, unsigned from, enum table_outcome outcome, int version)
{
    const unsigned to = ra_end(&ra);

    outcomes[outcome]++;
    switch (outcome) {
    case TABLE_HIT:
        if (!was_at_rest(file, from, to, version))
            ra_fault(&ra, "a record that was not the current one at any instant");
        return;
    case TABLE_ABSENT:
        if (ledger_always_held(from, to))
            ra_fault(&ra, "absent, and the ledger held it all the time");
        /* fallthrough */
    case TABLE_MISS:
        if (at_rest[file][missed_at] != 0)
            ra_fault(&ra, "missed, and it was there when the look ended");
        return;
    case TABLE_UNKNOWN:
        if (attempts != ATTEMPTS && !scenario->wraps)
            ra_fault(&ra, "unknown, though nothing changed");
    }
}

static unsigned successor_stored(void)
{
    for (unsigned at = 1; at <= ra.stores; at++) {
        if (kinds[ra.log[at].word] == SUCCESSOR)
            return at;
    }
    return 0;
}

static unsigned looking_at; /* file */
static unsigned long moves;

static void run_look(unsigned start)
{
    int version;
    const enum table_outcome outcome = look_up(&version);

    judge(looking_at, start, outcome, version);
}

/* Whoever moves knows all that happened before the successor was said, and looks from there on as
 * everybody who opens the new file; whoever stays looks as before. */
static void run_refresh(unsigned start)
{
    const unsigned published = successor_stored();

    reader = *opened;
    reading = refreshing = true;
    const int moved = table_reader_refresh(&reader, &scratch.clock);
    reading = refreshing = false;
    if (moved < 0 || moved != (ra.seen >= published))
        ra_fault(&ra, "a refresh that does not follow what was seen");
    if (moved != 1 && start >= published)
        ra_fault(&ra, "a successor is not followed");
    moves += moved == 1;
    if (moved == 1)
        table_file_unmap(&reader.map);
}

/* --- at rest --- */

static void rest_everywhere(unsigned file, unsigned from)
{
    for (unsigned at = 0; at < from; at++)
        at_rest[file][at] = NOBODY;
    for (unsigned at = from; at <= ra.stores; at++) {
        int version;
        ra_freeze(&ra, at);
        const enum table_outcome outcome = look_up(&version);
        at_rest[file][at] = (int16_t)(outcome == TABLE_UNKNOWN ? UNDECIDED : version);
        if (outcome == TABLE_UNKNOWN)
            ra_fault(&ra, "at rest, and unknown");
    }
}

/* Does what is at rest follow the steps? Returns the last version. */
static int follow_steps(unsigned file, int now, unsigned from)
{
    unsigned at = from;

    for (unsigned i = 0; i < step_count; i++) {
        const struct step *step = &steps[i];
        if (step->file != file || step->key != subject)
            continue;
        for (; at <= step->from; at++) {
            if (at_rest[file][at] != now)
                ra_fault(&ra, "something happened to a key that nothing happened to");
        }
        for (; at <= step->to; at++) {
            if (at_rest[file][at] == (int)step->after)
                now = (int)step->after;
            if (at_rest[file][at] != now)
                ra_fault(&ra, "neither the old nor the new record, or both by turns");
        }
        if (now != (int)step->after && !step->died)
            ra_fault(&ra, "a step without effect");
    }
    for (; at <= ra.stores; at++) {
        if (at_rest[file][at] != now)
            ra_fault(&ra, "a key changed after its last step");
    }
    return now;
}

/* The last version. */
static int check_key(unsigned file, int before, unsigned first)
{
    looking_at = file;
    rest_everywhere(file, first);
    const int last = follow_steps(file, before, first);
    ra_explore(&ra, first, run_look);
    ahead_first = true;
    ra_explore(&ra, first, run_look);
    ahead_first = false;
    return last;
}

/* --- a scenario --- */

static void check_move(unsigned key_version)
{
    struct table_reader *next = scratch_reader(&scratch);

    ra_explore(&ra, 0, run_refresh);
    reader = *next;
    check_key(1, (int)key_version, successor_stored());
    reader = *opened;
    table_reader_close(next);
}

/* Of the log as it is now. Stops at the first fault. */
static const char *check_log(void)
{
    ra_index(&ra);
    ra.fault = NULL;
    for (subject = 0; subject < scenario->lookers && ra.fault == NULL; subject++) {
        reader = *opened;
        const int last = check_key(0, (int)initially[subject], 0);
        if (scenario->moves)
            check_move((unsigned)last);
    }
    reading = false;
    return ra.fault;
}

/* Records; false if the death came too late to happen. */
static bool record_scenario(unsigned death)
{
    scratch = scratch_make();
    tag_mask = scenario->one_tag ? 0 : UINT16_MAX;
    writer = scratch_writer(&scratch, BYTES, NULL);
    find_keys();
    scenario->before();
    begin_recording();
    die_at = death;
    if (setjmp(died) == 0) {
        scenario->run();
        die_at = 0;
        return death == 0;
    }
    die_at = 0;
    step_end(true);
    table_writer_close(writer);
    struct table_opened attached;
    writer = scratch_writer(&scratch, BYTES, &attached);
    CLAIM(attached.attached && attached.dropped + attached.repeated == 0);
    go_on();
    return true;
}

static void forget_scenario(void)
{
    recording = false;
    table_reader_close(opened);
    table_writer_close(writer);
    scratch_remove(&scratch);
    free(shadow);
    memset(ranges, 0, sizeof ranges);
    for (unsigned word = 0; word < ra.words; word++)
        *numbered[word] = 0;
    memset(initially, 0, sizeof initially);
    ra.stores = ra.words = 0;
    step_count = mark_count = 0;
}

static void report(unsigned long executions, unsigned long states)
{
    printf("%-42s %9lu executions, %9lu states (%u stores; %u hits, %u misses, %u absent, %u "
           "unknown)\n",
           scenario->name, ra.executions - executions, ra.states - states, ra.stores,
           outcomes[TABLE_HIT], outcomes[TABLE_MISS], outcomes[TABLE_ABSENT],
           outcomes[TABLE_UNKNOWN]);
    fflush(stdout);
}

static void check_scenario(void)
{
    const unsigned long executions = ra.executions, states = ra.states;
    unsigned stores = 0;
    bool more = true;

    for (unsigned death = scenario->dies; more; death++) {
        more = record_scenario(death) && scenario->dies;
        recording = false;
        if (more || !scenario->dies) {
            const char *fault = check_log();
            ck_assert_msg(fault == NULL, "%s (death after %u): key %u: %s", scenario->name, death,
                          subject - 1, fault);
            stores = ra.stores;
        }
        forget_scenario();
    }
    ra.stores = stores;
    report(executions, states);
    CLAIM((outcomes[TABLE_ABSENT] > 0) == scenario->absent);
}

START_TEST(every_execution_that_the_memory_model_allows_is_right)
{
    scenario = &scenarios[_i];
    if (scenario->long_only && !torture())
        return;
    check_scenario();
}
END_TEST

/* --- planted mistakes: the log in another order --- */

/* The store at `from` happens right after the one that is at `to`, or, if that is earlier, at its
 * place. */
static void store_moves(unsigned from, unsigned to)
{
    const struct ra_store store = ra.log[from];

    for (; from < to; from++)
        ra.log[from] = ra.log[from + 1];
    for (; from > to; from--)
        ra.log[from] = ra.log[from - 1];
    ra.log[to] = store;
}

static enum kind kind_at(unsigned at)
{
    return at >= 1 && at <= ra.stores ? kinds[ra.log[at].word] : NOT_READ;
}

/* The store before, to the same word. */
static uint64_t value_before(unsigned at)
{
    const unsigned word = ra.log[at].word;

    while (--at > 0) {
        if (ra.log[at].word == word)
            return ra.log[at].value;
    }
    return ra.initial[word];
}

static void cell_before_record(void)
{
    for (unsigned at = 1; at <= ra.stores; at++) {
        unsigned to = at;
        if (kind_at(at) != CELL || ra.log[at].value == 0)
            continue;
        while (kind_at(to) != SEQUENCE && to > 1)
            to--;
        store_moves(at, to);
    }
}

static void sequence_after_record(void)
{
    for (unsigned at = ra.stores; at >= 1; at--) {
        unsigned to = at;
        while (kind_at(at) == SEQUENCE && kind_at(to + 1) == BODY)
            to++;
        store_moves(at, to);
    }
}

static void head_never_raised(void)
{
    for (unsigned at = 1; at <= ra.stores; at++) {
        if (kind_at(at) == HEAD)
            ra.log[at].value = (ra.log[at].value & TABLE_HEAD_COUNTS) |
                               (ra.initial[ra.log[at].word] & ~TABLE_HEAD_COUNTS);
    }
}

static void head_after_cell(void)
{
    for (unsigned at = 1; at < ra.stores; at++) {
        if (kind_at(at) == HEAD && kind_at(at + 1) == CELL)
            store_moves(at, at + 1), at++;
    }
}

static void count_lowered_before_cell(void)
{
    for (unsigned at = 3; at <= ra.stores; at++) {
        if (kind_at(at) == HEAD && kind_at(at - 1) == CELL && ra.log[at - 1].value == 0 &&
            (ra.log[at].value & TABLE_HEAD_COUNTS) < (value_before(at) & TABLE_HEAD_COUNTS))
            store_moves(at, at - 1);
    }
}

static void complete_after_removal(void)
{
    for (unsigned at = ra.stores; at >= 1; at--) {
        unsigned to = at;
        if (kind_at(at) != COMPLETE || table_is_complete(ra.log[at].value))
            continue;
        while (to < ra.stores && (kind_at(to) != CELL || ra.log[to].value != 0))
            to++;
        store_moves(at, to);
    }
}

static void complete_before_record(void)
{
    for (unsigned at = 1; at <= ra.stores; at++) {
        unsigned to = at;
        if (kind_at(at) != COMPLETE || !table_is_complete(ra.log[at].value))
            continue;
        while (to > 1 && kind_at(to) != SEQUENCE)
            to--;
        store_moves(at, to);
    }
}

static void complete_taken_back(void)
{
    for (unsigned at = 1; at <= ra.stores; at++) {
        if (kind_at(at) == COMPLETE)
            ra.log[at].value %= 2;
    }
}

static void allocated_after_cell(void)
{
    for (unsigned at = ra.stores; at >= 1; at--) {
        unsigned to = at;
        while (kind_at(at) == ALLOCATED && kind_at(to) != CELL && to < ra.stores)
            to++;
        store_moves(at, to);
    }
}

static void successor_after_learning(void)
{
    const unsigned at = successor_stored();

    if (at > 0)
        store_moves(at, ra.stores);
}

static void as_it_is(void) {}

static const struct mutant {
    const char *name;
    void (*change)(void); /* of the log */
    enum mutation mutation;
    const char *found_in; /* scenario; NULL: harmless, something else stands in for it */
} mutants[] = {
    {"the cell before the record", cell_before_record, NONE, "insert"},
    {"the sequence after the record, and no second look at the cell", sequence_after_record,
     NO_SECOND_CELL, "replace"},
    {"the head's version never raised", head_never_raised, NONE,
     "the first of a table: grow, insert"},
    {"the head after the cell", head_after_cell, NONE, "move home and away"},
    {"`complete` taken back after the eviction", complete_after_removal, NONE,
     "evict what the ledger holds, and back"},
    {"`complete` given before the record is there", complete_before_record, NONE,
     "evict what the ledger holds, and back"},
    {"`complete` a flag, and not a counter", complete_taken_back, NONE,
     "evict what the ledger holds, and back"},
    {"`allocated` after the cell", allocated_after_cell, NONE,
     "the first of a table: grow, insert"},
    {"the successor said after more was learned", successor_after_learning, NONE, "a successor"},
    {"no second look at the head", as_it_is, NO_SECOND_HEAD, "the first of a table: grow, insert"},
    {"no second look at `complete`", as_it_is, NO_SECOND_COMPLETE,
     "evict what the ledger holds, and back"},
    {"no look at the successor", as_it_is, NO_SUCCESSOR, "a successor"},
    {"no second look at the cell", as_it_is, NO_SECOND_CELL, "65,536 uses of a slot"},
    {"no second look at sequence and cell", as_it_is, NO_SECOND_SEQUENCE_NOR_CELL, "replace"},
    {"the record copied relaxed", as_it_is, RELAXED_RECORD, "replace"},
    {"cells loaded or stored relaxed", as_it_is, RELAXED_CELL, "insert"},
    {"`complete` loaded or stored relaxed", as_it_is, RELAXED_COMPLETE,
     "evict what the ledger holds, and back"},
    {"heads loaded or stored relaxed", as_it_is, RELAXED_HEAD,
     "the first of a table: grow, insert"},
    /* The cell changed before its slot was used again: who sees a word of that use, sees it. */
    {"the sequence after the record", sequence_after_record, NONE, NULL},
    {"no second look at the sequence", as_it_is, NO_SECOND_SEQUENCE, NULL},
    /* Readers take that for the removal. Who dies between the two brings the key back. */
    {"the count lowered before the cell is empty", count_lowered_before_cell, NONE, NULL},
};
#define MUTANTS (sizeof mutants / sizeof *mutants)

static const char *look_for(const struct mutant *mutant)
{
    const char *fault = NULL;

    for (unsigned i = 0; i < SCENARIOS && fault == NULL; i++) {
        scenario = &scenarios[i];
        const bool here = mutant->found_in != NULL ? strcmp(mutant->found_in, scenario->name) == 0
                                                   : torture() || i % 4 == 3;
        if (scenario->dies || scenario->long_only || !here)
            continue;
        CLAIM(record_scenario(0));
        recording = false;
        mutant->change();
        mutation = mutant->mutation;
        fault = check_log();
        mutation = NONE;
        forget_scenario();
    }
    return fault;
}

START_TEST(a_planted_mistake_is_found)
{
    const struct mutant *mutant = &mutants[_i];
    const char *fault = look_for(mutant);

    printf("planted: %-45s %s%s%s\n", mutant->name, fault != NULL ? scenario->name : "",
           fault != NULL ? ": " : "", fault != NULL ? fault : "nothing found");
    fflush(stdout);
    ck_assert_msg((fault == NULL) == (mutant->found_in == NULL), "%s: %s", mutant->name,
                  fault == NULL ? "not found" : fault);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table under release/acquire");
    TCase *cases = tcase_create("model");

    tcase_set_timeout(cases, torture() ? 7200 : 240);
    tcase_add_loop_test(cases, every_execution_that_the_memory_model_allows_is_right, 0, SCENARIOS);
    tcase_add_loop_test(cases, a_planted_mistake_is_found, 0, MUTANTS);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
