/*
 * reader.h - reading the table: no lock, no system call, no write, no wait.
 *
 * For MTA processes (through ipc/client) and the daemon's front. A handle belongs to one thread at
 * a time; open one for each. After fork the child may go on with its copy. The table may vanish, be
 * replaced, be full of garbage, and its writer may be dead: every answer is then UNKNOWN or an
 * older record, whose age is in it.
 *
 * Known weakness: a table truncated by force under a reader's feet is a SIGBUS.
 */
#ifndef MXWARD_SHM_READER_H
#define MXWARD_SHM_READER_H

#include "shm/record.h"
#include "shm/verdict.h"

#include <stdatomic.h>

struct table_reader;

enum table_outcome {
    TABLE_HIT,
    TABLE_MISS,    /* not in the table, which does not hold everything: means unknown */
    TABLE_UNKNOWN, /* could not be read reliably, or the clocks disagree */
    TABLE_ABSENT,  /* not in the table, and the ledger holds nothing of the key */
};

/* Opens the current table of `directory`. -ENOENT: there is none; -EPROTO: it is not one that this
 * build can read; `why` gets a sentence. */
int table_reader_open(struct table_reader **reader, const char *directory,
                      const struct table_clock *clock, char *why, size_t why_size);
void table_reader_close(struct table_reader *reader);

/* Looks for a record of any kind and copies it: sound, of this key, still to be unpacked. `now_ms`
 * is the boot clock: a record from the future is not believed. */
enum table_outcome table_find(const struct table_reader *reader, const struct table_key *key,
                              uint64_t now_ms, union record *record);
/* A verdict, with what is remembered and ruled. It is written on a hit only, as verdict_unpack
 * does; after anything else it has no meaning. */
enum table_outcome table_read(const struct table_reader *reader, const struct table_key *key,
                              uint64_t now_ms, struct verdict *verdict);

/*
 * Exactly what table_read says of each of `count` keys, one after the other; sooner, because their
 * misses overlap: the lines of some keys, and the records of others, are on their way while one is
 * looked up, TABLE_AHEAD in all. Keys may repeat. `verdicts` and `outcomes` have room for
 * `count`; a verdict has a meaning after TABLE_HIT alone.
 */
void table_read_many(const struct table_reader *reader, const struct table_key *keys, size_t count,
                     uint64_t now_ms, struct verdict *verdicts, enum table_outcome *outcomes);

/*
 * A look-up in three steps, for who has keys of several tables, or something else to do meanwhile:
 * the first asks memory for the key's line, the second waits for it and asks for the record that it
 * names, the third is the look-up, which says what it would without the others: it believes nothing
 * of what they found. After a hit `cell` and `value` are where the record is. Means nothing any
 * more after table_reader_refresh or _close.
 */
struct table_ahead {
    const struct table_line *home;
    const _Atomic uint64_t *cell; /* that could be the key's; NULL: none was seen */
    uint64_t value;               /* of the cell, as it was seen */
};
void table_prefetch(struct table_ahead *ahead, const struct table_reader *reader,
                    const struct table_key *key);
void table_prefetch_record(struct table_ahead *ahead, const struct table_reader *reader,
                           const struct table_key *key);
enum table_outcome table_find_ahead(struct table_ahead *ahead, const struct table_reader *reader,
                                    const struct table_key *key, uint64_t now_ms,
                                    union record *record);
/* The same, but TABLE_MISS where that says TABLE_ABSENT: for who need not know, at half the cost.
 */
enum table_outcome table_find_once(struct table_ahead *ahead, const struct table_reader *reader,
                                   const struct table_key *key, uint64_t now_ms,
                                   union record *record);
enum table_outcome table_read_ahead(struct table_ahead *ahead, const struct table_reader *reader,
                                    const struct table_key *key, uint64_t now_ms,
                                    struct verdict *verdict);

/* What is remembered and ruled of the key alone. False: nobody can tell here, ask the daemon. All
 * zero: nothing is. */
bool table_read_floor(const struct table_reader *reader, const struct table_key *key,
                      uint64_t now_ms, struct floor *floor);

/* Where a key's record was found: for who keeps what he made of a record, and wants to know whether
 * there is another one by now. Means nothing any more after table_reader_refresh or _close. */
struct table_place {
    const _Atomic uint64_t *cell;
    uint64_t value;
};
/* False: there is no record. To be called before the record is read. */
bool table_place_find(const struct table_reader *reader, const struct table_key *key,
                      uint64_t now_ms, struct table_place *place);
/* The record is still the one that was there: one load. A slot that is used again changes its
 * version; only after 65,536 uses of one slot it could be taken for the same, so who keeps
 * something for more than a second or two looks anew. */
static inline bool table_place_holds(const struct table_place *place)
{
    return atomic_load_explicit(place->cell, memory_order_acquire) == place->value;
}

/*
 * Off the hot path, at least once a second (TABLE_REFRESH_MS): that is how long a reader may go on
 * with a table that has a successor. Compares the clocks, and moves to a successor if one was
 * published. Returns 0: the same table; 1: moved; negative errno: stays with
 * the old one.
 */
int table_reader_refresh(struct table_reader *reader, const struct table_clock *clock);

/* The table's file is not there any more under its name: its writer was stopped, and another one
 * begins, or will begin, a table that this one knows nothing of. One system call, as refresh. */
bool table_reader_is_gone(const struct table_reader *reader);

/* Whether the key's partition holds all that the ledger does. What a miss means is in its outcome.
 */
bool table_reader_complete(const struct table_reader *reader, const struct table_key *key);
/* A successor was published: what is read here may be out of date until the next refresh. */
bool table_reader_is_over(const struct table_reader *reader);
/* By which epoch verdicts are fresh (table_epoch); 0: by none. Of the verdicts' table. */
uint32_t table_reader_epoch(const struct table_reader *reader);
/* Boot clock of the last sign of life of the key's writer. */
uint64_t table_reader_heartbeat_ms(const struct table_reader *reader, const struct table_key *key);

/* Inside shm/ only: a reader over a mapping that somebody else keeps. */
struct table_map;
int table_reader_over(struct table_reader **reader, const struct table_map *map);

struct table_facts {
    uint64_t generation, file_bytes;
    uint64_t allocated_bytes;   /* really there */
    uint64_t records, capacity; /* capacity: records of the smallest class that fit */
    uint64_t evicted, refused;  /* since the file was made */
    uint64_t writers;           /* attached since the file was made */
    uint64_t chunks, huge;      /* of 2 MiB, of index and records; those that are one huge page */
    uint64_t heartbeat_ms;      /* the oldest of all partitions */
    uint16_t complete;          /* partitions */
    bool clocks_agree;
};
/* Which pages there are: "huge", "small", or "mixed". */
const char *table_pages_name(const struct table_facts *facts);
void table_reader_facts(const struct table_reader *reader, struct table_facts *facts);
void table_map_facts(const struct table_map *map, struct table_facts *facts);

#endif
