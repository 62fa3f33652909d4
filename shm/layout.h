/*
 * layout.h - a table in shared memory: the specification, then the structs.
 *
 * The code in this folder follows this comment; static_asserts tie the two together. There are two
 * such tables, each in a directory of its own, with readers (a group) of its own: verdicts with
 * what is remembered and ruled about each domain, and the users' accounts. A table is a cache of
 * the ledger: a miss means "unknown", never "had no TLS" or "has no guarantee". Readers are other
 * processes that may be killed, stopped for a day, or slow at any instruction; the writer may die
 * between any two stores. No reader ever blocks, waits or writes, or sees a torn or a wrong record.
 *
 * FILES
 *
 *   DIRECTORY/table.lock          empty; the writer's OFD lock, taken before anything is mapped
 *   DIRECTORY/table.GENERATION    the table; the highest generation is the current one
 *   DIRECTORY/table.new           a table being built; nobody reads it; renamed when complete
 *
 *   On a tmpfs (or a hugetlbfs of 2 MiB pages, where everything is the same: a table is made of
 * whole chunks), mode 0640, created at the final virtual size, sparse, never truncated. What a
 * reader may touch (everything below `allocated`) is fallocate'd first, so a full tmpfs is -ENOSPC
 * in the writer and never SIGBUS in anybody. Another size or layout is a successor: a file with the
 * next generation, complete before it gets its name; its generation is then stored in the old
 * header and the old name unlinked. Whoever has the old file mapped goes on reading it until it
 * refreshes.
 *
 * BYTE MAP (host byte order; a table never leaves the machine nor outlives the boot)
 *
 *   0                  header                one page
 *   4096               256 partition words   64 bytes each: heartbeat, counters
 *   segments_offset    segment words         4 bytes each: who has the segment, in which size class
 *   index_offset       index lines           64 bytes each, `lines` a partition    (2 MiB aligned)
 *   records_offset     segments              4 KiB each, cut into slots of one size class (aligned)
 *
 *   Partition: the top 8 bits of the XXH3-64 of the key's name part (key.h). Line: key hash
 *   times the table's secret seed, so nobody can choose names that crowd one line. Eight lines
 *   (512 bytes, aligned) are a group: a key lives in its home line or, if that was full, in
 *   another line of the group.
 *
 *   line head      36 bits version | 7 x 4 bits: how many keys at home here live in line home ^ i
 *   cell           16 bits version | 16 bits tag | 32 bits offset of the slot in the file / 64
 *                  (0: empty)
 *   slot           a record (record.h): checksum, sequence, head, key, body
 *   segment word   0: free | 0x5E << 24 | size class << 16 | partition + 1
 *
 *   The cell's version is the low 16 bits of its slot's sequence; the slot's sequence is the 64-bit
 *   word at byte 8 of every slot in every size class. The checksum (XXH3-64) covers all of the
 *   record but itself. The head is the same in records of every kind: lengths, rank, strictness, a
 *   stamp, and whether the record holds what the ledger does. Writer, attach and readers go by it
 *   alone; what the body says is the affair of who packs and unpacks it (verdict_record.h,
 *   account.h).
 *
 * WHO WRITES WHAT
 *
 *   The file has one writer process (OFD lock; a second gets -EBUSY). In it each partition has one
 *   writer thread, which alone stores to the partition's word, lines and slots. Which thread has
 *   which partition is the daemon's affair and not in the file. Growing (segment words,
 * `allocated`) is under one mutex of the writer process. Readers map read-only and write nothing.
 *
 * INVARIANTS (at every instant, also after the writer died there)
 *
 *   I1  A nonzero cell refers to a slot whose record is complete, has the cell's version, and is of
 *       a key that belongs to this partition and group. It lies below `allocated`.
 *   I2  While a cell refers to a slot, no word of that slot changes.
 *   I3  A slot's sequence changes only at reuse, only upwards, before any other word of it.
 *   I4  A slot keeps its place and size class for ever: segment words go from 0 to a value once.
 *   I5  A key that stays in the table is reachable throughout: a replacement is one store to one
 *       cell. Records never move.
 *   I6  A head's count is never less than the number of keys of that home living in that line.
 *   I7  No allocator state is in the file. Free slots are those no cell refers to; free lists, ages
 *       and the order of eviction live in the writer's own memory and are rebuilt at attach.
 *
 * ORDER OF STORES. Every shared word is stored with release and loaded with acquire; there are no
 * fences, so ThreadSanitizer and memory models see everything. [n] is one store.
 *
 *   fill a slot    [1] sequence + 1   [2..] checksum, head, key, body
 *   insert         fill; [a] head: version + 1, and count + 1 if not in the home line; [b] cell
 *   replace        fill another slot; [a] head: version + 1; [b] cell; the old slot is free
 *   remove, evict  [a] head: version + 1; [b] cell = 0; [c] head: count - 1 if not in the home
 *                  line; the slot is free. Evicting what the ledger holds, or not taking it: first
 *                  `complete` + 1, if it is odd
 *   grow           fallocate; [a] allocated; [b] segment word
 *
 *   Freed slots wait in FIFO order, so that a reader has the longest time before its slot changes.
 *   It needs none of it: see below.
 *
 * WHAT A READER DOES
 *
 *   1. head H. The cells of the home line, then of each line whose count in H is not 0. No cell
 *      with the tag: load the head again; the same: MISS, otherwise begin again.
 *   2. A cell C with the tag: bounds-check its offset. Load the sequence: its low bits are not C's
 *      version: begin again. Copy the record word by word, lengths checked against the largest
 *      class and `allocated`. Load the sequence and the cell again: not as before: begin again.
 *   3. The copy is now one record, whole, and was the current one of that cell. Checksum, then the
 *      whole key: another key: next cell. Its own: HIT.
 *      C may have been loaded at any time before (table_prefetch_record): then 2 and 3 come first,
 *      and if they end with a hit, it is one; anything else they find means nothing, and 1 follows.
 *   4. After TABLE_READ_ATTEMPTS beginnings: UNKNOWN. A record that fails its checksum or its
 *      bounds is UNKNOWN, too.
 *   5. After a MISS: load `complete`. Odd: do all of it again; again a MISS, and then `complete` is
 *      as before and the file has no successor: ABSENT, the ledger holds nothing of the key.
 *
 *   Why a copy is never torn: if any copied word was stored by a reuse, its acquire load makes the
 *   sequence store before it visible (fill [1] before [2..]), so the second look at the sequence
 *   differs. Why 16 bits of version are enough: they only save time; what decides is the full
 *   sequence before and after, the cell before and after, and the whole key. (Of a reader that
 *   slept between two loads while its slot was used 65,536 times, and wakes in the middle of the
 *   next, the checksum takes care: UNKNOWN.)
 *   Why a miss is never false: a key that stays is in its cell all the time (I5), and a reader that
 *   came past between a remove and an insert of the same key sees the head changed.
 *   Why ABSENT is true: whoever sees `complete` odd sees all that was put before it became so; and
 *   whoever misses a key because it was evicted sees that `complete` changed before. It only grows,
 *   so that it cannot have been taken back and given again meanwhile.
 *
 * CRASH STORY. The writer dies:
 *
 *   while filling          the slot is unreachable and free at the next attach
 *   insert after [a]       a count is too high: readers look at a line in vain; attach repairs it
 *   replace after [b]      the old slot is unreachable: free
 *   remove after [b]       as insert after [a]
 *   grow after [a]         the segment is unassigned: the next attach or growth takes it
 *   building a successor   table.new is unlinked at the next start
 *   after its rename       the next start takes the highest generation, publishes it in the older
 *                          headers, and unlinks those
 *
 *   Attach trusts nothing: geometry is computed again from the size and compared; each segment
 *   word, cell and head is checked, and each checksum; a cell that fails is cleared; heads are
 *   computed again; of two records of one key the stricter stays (record_is_stricter), the other
 *   cell is cleared. A file that is not sound as a whole, or says that it has a successor and is
 * the newest, is replaced by a successor with what could be read. No partition is complete then.
 * The number of shards plays no part anywhere.
 *
 * CLOCKS. Ages are milliseconds of CLOCK_BOOTTIME; the header has the boot id. The heartbeat brings
 * the writer's idea of wall clock minus boot clock. A reader whose boot id differs, or whose own
 * difference is not within TABLE_CLOCK_SLACK_MS of that, or to whom a stamp lies in the future,
 * answers UNKNOWN.
 *
 * WHEN FULL, a partition evicts within the size class it needs: what is cheapest to learn again
 * first (the rank in the head), among equals what was published first. Above all that can be
 * learned again rank floors, and above them what is authenticated or ruled (MEM-07): nobody can
 * drive out a floor with names of his own that he has probed. A new record that is cheaper than
 * everything there is not kept (-ENOSPC). Each class keeps a few free slots, so that a replacement
 * never has to evict. Every class can get at least one segment of every partition's share.
 *
 * VERSIONS. Bytes 0..63 of the header keep their meaning for ever. Another major: not readable;
 * a writer makes a successor. A greater minor: only appended fields. The format word holds the
 * sizes that two builds could disagree about.
 *
 * KNOWN WEAKNESSES. Someone who truncates the file by force makes readers get SIGBUS. Size classes
 * do not rebalance: a partition whose share went to small records keeps one segment for large ones.
 * Names with the same full XXH3-64 share one line and tag: a group holds 56 of them, readers look
 * at them one by one. The index is allocated whole at creation: an eighth of the size.
 */
#ifndef MXWARD_SHM_LAYOUT_H
#define MXWARD_SHM_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_MAGIC 0x656c6261746d786dULL /* "mxmtable" */
#define TABLE_MAJOR 2
#define TABLE_MINOR 2

#define TABLE_PARTITIONS    256
#define TABLE_KEY_MAX       576 /* bytes */
#define TABLE_CELLS         7   /* of a line */
#define TABLE_GROUP         8   /* lines */
#define TABLE_SEGMENT_BYTES 4096u
#define TABLE_CHUNK_BYTES   (2u << 20) /* the file grows by this: one huge page */
#define TABLE_CLASSES       5
#define TABLE_SLOT_MIN      128u  /* bytes; slots of every class are multiples of 64 */
#define TABLE_SLOT_MAX      1344u /* bytes */
#define TABLE_SEGMENT_SLOTS (TABLE_SEGMENT_BYTES / TABLE_SLOT_MIN)
#define TABLE_QUOTA_MIN     8     /* segments of a partition: one for each class, and some */
#define TABLE_QUOTA_MAX     65536 /* 64 GiB of records in all */

#define TABLE_READ_ATTEMPTS  8    /* beginnings of one look-up, then UNKNOWN */
#define TABLE_CLOCK_SLACK_MS 5000 /* wall minus boot, reader against writer */
#define TABLE_FUTURE_MS      2000 /* a stamp so far ahead of the reader's clock is not believed */
#define TABLE_REFRESH_MS     1000 /* readers look for a successor at least so often */
#define TABLE_SUCCESSORS_MAX 8    /* followed in one refresh */
#define TABLE_AHEAD_GROUP    4 /* look-ups of a batch that take each of their three steps together */
#define TABLE_AHEAD          16 /* room for those under way: three groups, and a power of two */

/* Bytes of a slot, by size class. The typical record is in the first (verdict_record.h). */
static const uint16_t table_class_bytes[TABLE_CLASSES] = {128, 192, 320, 640, 1344};

struct table_header {
    /* For ever: readable by every version. */
    uint64_t magic;
    uint32_t major, minor;
    uint64_t file_bytes;
    uint64_t generation;
    _Atomic uint64_t successor; /* generation; 0: none. Set once, when this file is over. */
    uint64_t reserved[3];
    /* Constant since creation, under `checksum`. */
    uint64_t format;
    uint64_t seed;  /* odd; secret of who may read: table_home */
    uint64_t quota; /* segments a partition may have; all geometry follows from it */
    uint8_t boot_id[16];
    uint64_t reserved_constant[2];
    uint64_t checksum; /* XXH3-64 of bytes 0..31 and of 64 up to here */
    /* Changing. */
    _Atomic uint64_t allocated; /* file offset: everything below may be touched */
    _Atomic uint64_t huge;      /* chunks that are one huge page, the index included */
    _Atomic uint64_t writers;   /* attached so far: a change tells of a restart */
    /* Of the verdicts' table: by what evidence is made, for table_epoch. */
    _Atomic uint64_t settings; /* epoch of the settings; 0: not told yet, and nothing is fresh */
    _Atomic uint64_t rulings;  /* what administrators say of mail hosts, summed up */
    uint64_t reserved_changing[3];
    uint8_t unused[4096 - 192];
};
static_assert(sizeof(struct table_header) == 4096, "the header is a page");
static_assert(offsetof(struct table_header, successor) == 32, "for ever");
static_assert(offsetof(struct table_header, format) == 64, "the constant part has its line");
static_assert(offsetof(struct table_header, checksum) == 120, "the last word of the constant part");
static_assert(offsetof(struct table_header, allocated) == 128,
              "changing words have their own line");

struct table_partition {
    _Atomic uint64_t heartbeat_ms;    /* boot clock */
    _Atomic uint64_t clock_offset_ms; /* wall minus boot, as two's complement */
    _Atomic uint64_t complete;        /* odd: all that the ledger holds is here; grows */
    _Atomic uint64_t records;
    _Atomic uint64_t segments;
    _Atomic uint64_t evicted;
    _Atomic uint64_t refused; /* puts that ended with -ENOSPC */
    uint64_t reserved;
};
static_assert(sizeof(struct table_partition) == 64, "a line of its own: no false sharing");

static inline bool table_is_complete(uint64_t complete)
{
    return complete % 2 == 1;
}

struct table_line {
    _Atomic uint64_t head;
    _Atomic uint64_t cells[TABLE_CELLS];
};
static_assert(sizeof(struct table_line) == 64, "a look-up that misses costs one cache line");

/* Two builds that disagree about any of these refuse each other's files. */
#define TABLE_FORMAT                                                                    \
    (((uint64_t)sizeof(struct table_header) << 48) | (uint64_t)TABLE_PARTITIONS << 36 | \
     (uint64_t)TABLE_CELLS << 32 | (uint64_t)TABLE_SEGMENT_BYTES << 16 |                \
     (uint64_t)TABLE_CLASSES << 12 | TABLE_SLOT_MAX)

/* All offsets and counts of a file, from its quota alone. */
struct table_geometry {
    uint64_t quota;
    uint64_t lines;    /* of a partition; a multiple of TABLE_GROUP */
    uint64_t segments; /* of the file */
    uint64_t segments_offset, index_offset, records_offset, file_bytes;
};

static inline uint64_t table_round_up(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* At most four keys a line when every slot is used and of the smallest class: one line in
 * twenty overflows then, one in a hundred at 80 %. */
static inline struct table_geometry table_geometry_of(uint64_t quota)
{
    struct table_geometry g = {.quota = quota,
                               .lines = quota * TABLE_SEGMENT_SLOTS / 4,
                               .segments = quota * TABLE_PARTITIONS};
    g.segments_offset =
        sizeof(struct table_header) + TABLE_PARTITIONS * sizeof(struct table_partition);
    g.index_offset =
        table_round_up(g.segments_offset + g.segments * sizeof(uint32_t), TABLE_CHUNK_BYTES);
    g.records_offset = table_round_up(
        g.index_offset + TABLE_PARTITIONS * g.lines * sizeof(struct table_line), TABLE_CHUNK_BYTES);
    g.file_bytes =
        table_round_up(g.records_offset + g.segments * TABLE_SEGMENT_BYTES, TABLE_CHUNK_BYTES);
    return g;
}
static_assert(TABLE_SEGMENT_SLOTS / 4 % TABLE_GROUP == 0, "a partition's lines are whole groups");

/* The largest table that fits in `bytes`; quota 0 if none does. */
struct table_geometry table_geometry_fit(uint64_t bytes);

/* A file that is mapped; for readers all pages are read-only. */
struct table_map {
    void *base;
    const struct table_header *header;
    struct table_partition *partitions;
    _Atomic uint32_t *segments;
    struct table_line *lines;
    struct table_geometry geometry;
};

/* --- cells, heads and hashes --- */

static inline uint64_t table_cell(uint64_t offset, uint16_t tag, uint64_t sequence)
{
    return offset / 64 | (uint64_t)tag << 32 | sequence << 48;
}
static inline uint64_t table_cell_offset(uint64_t cell)
{
    return (cell & 0xffffffffu) * 64;
}
static inline uint16_t table_cell_tag(uint64_t cell)
{
    return (uint16_t)(cell >> 32);
}
/* Only these bits of the sequence are in a cell. */
static inline bool table_cell_has_version(uint64_t cell, uint64_t sequence)
{
    return (uint16_t)(cell >> 48) == (uint16_t)sequence;
}

/* Bits 0..27: seven counts of four bits; bits 28..63: version. `away` is 1..7: line home ^ away. */
#define TABLE_HEAD_COUNTS  0x0fffffffULL
#define TABLE_HEAD_VERSION (1ULL << 28)
static inline unsigned table_head_count(uint64_t head, unsigned away)
{
    return (unsigned)(head >> (away - 1) * 4) & 15;
}
static inline uint64_t table_head_one(unsigned away)
{
    return 1ULL << (away - 1) * 4;
}
static_assert(TABLE_CELLS <= 15 && (TABLE_GROUP - 1) * 4 == 28, "counts fit under the version");

/* Where a key lives. Multiplying by a secret odd number is a universal hash: whoever does not know
 * it finds no two names that share a line more often than by chance. */
static inline uint64_t table_home(uint64_t hash, uint64_t seed, uint64_t lines)
{
    return (hash * seed >> 32) * lines >> 32;
}
static inline uint16_t table_tag(uint64_t hash)
{
    return (uint16_t)hash;
}

static inline uint32_t table_segment_word(unsigned size_class, unsigned partition)
{
    return 0x5Eu << 24 | size_class << 16 | (partition + 1);
}

/* A verdict that bears another epoch was made under other settings, or holds what hosts no longer
 * demand: it is looked at again. 0: nobody knows yet. */
static inline uint32_t table_epoch(uint32_t settings, uint32_t rulings)
{
    return settings == 0 || rulings == 0 ? settings : (settings + rulings) | 1;
}

/* --- clocks --- */

struct table_clock {
    uint64_t boot_ms; /* CLOCK_BOOTTIME */
    int64_t wall_ms;  /* CLOCK_REALTIME */
    uint8_t boot_id[16];
};
static inline uint64_t table_clock_offset(const struct table_clock *clock)
{
    return (uint64_t)clock->wall_ms - clock->boot_ms;
}
/* This process's clocks. Returns 0 or a negative errno (no boot id to read). */
int table_clock_read(struct table_clock *clock);

/* --- the one way to touch a shared word ---
 *
 * Every access goes through here, so that a test can write down every store, end the writer after
 * any of them, run it between any two loads of a reader, and choose what a load sees (it defines
 * the hooks and compiles these files into itself). */
#ifndef TABLE_STORED
#define TABLE_STORED(word) ((void)(word))
#endif
#ifndef TABLE_LOADED
#define TABLE_LOADED(word, value) (value)
#endif

/* Pairs with table_load by any reader, and with attach. */
static inline void table_store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
    TABLE_STORED(word);
}
/* Pairs with table_store. */
static inline uint64_t table_load(const _Atomic uint64_t *word)
{
    const uint64_t value = atomic_load_explicit(word, memory_order_acquire);
    return TABLE_LOADED(word, value);
}

#endif
