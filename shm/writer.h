/*
 * writer.h - a table's one writer: open (or attach to what a dead daemon left), put, remove.
 *
 * The daemon's. Verdicts are in one directory, the users' accounts (account.h) in another; this is
 * the same for both. One process has the table (OFD lock); in it every partition has one thread,
 * which alone calls the functions that name a key or partition. Opening and closing: one thread, no
 * other running. Environment errors are negative errnos; a table that cannot take a record
 * (-ENOSPC) has no older record of that key either, so what is read is never older than what was
 * put.
 *
 * layout.h is the specification. Known weakness: growing by 2 MiB happens in the thread that needs
 * it and takes about a millisecond.
 */
#ifndef MXWARD_SHM_WRITER_H
#define MXWARD_SHM_WRITER_H

#include "shm/reader.h"

struct table_writer;

/* What opening found. */
struct table_opened {
    bool attached;     /* went on with an existing file; otherwise a fresh one */
    uint64_t kept;     /* records found and kept, also when moved into a successor */
    uint64_t dropped;  /* cells that referred to no valid record */
    uint64_t repeated; /* second records of a key: the stricter stayed */
};

/*
 * Opens the current table of `directory`, or makes one of at most `bytes`. Another size, layout or
 * boot leads to a successor with the same records (after another boot: without). -EBUSY: another
 * writer has it; -ENOSPC: the tmpfs is full; -EINVAL: `bytes` is too small or too large. `why` gets
 * a sentence.
 */
int table_writer_open(struct table_writer **writer, const char *directory, uint64_t bytes,
                      const struct table_clock *clock, struct table_opened *opened, char *why,
                      size_t why_size);
void table_writer_close(struct table_writer *writer);

/*
 * Partition's thread only. `record` was packed with this key, of whatever kind; the writer finishes
 * it. 0, or -ENOSPC: not kept, and an older record of the key is removed.
 */
int table_writer_put_record(struct table_writer *writer, const struct table_key *key,
                            union record *record);
/*
 * Partition's thread only. A verdict, with the floor that is in it, as it is: a zeroed one takes
 * away what was remembered there. So whoever puts a verdict has its floor from the ledger, or from
 * table_writer_get where the partition is complete. As table_writer_put_record; -EINVAL: the
 * verdict or key cannot be packed, a mistake of the caller's, and nothing has changed.
 */
int table_writer_put(struct table_writer *writer, const struct table_key *key,
                     const struct verdict *verdict);
/*
 * Partition's thread only. The floor alone: the verdict that is there stays as it is, age included.
 * Where there is none, an unknown one takes its place (CAUSE_NOT_LOOKED, of the time 0: never
 * fresh), and goes again with the floor. Errors as table_writer_put.
 */
int table_writer_put_floor(struct table_writer *writer, const struct table_key *key,
                           const struct floor *floor);
/* Partition's thread only. True if there was one. What the ledger holds must be gone from there, or
 * the partition is complete no longer: say so before. */
bool table_writer_remove(struct table_writer *writer, const struct table_key *key);
/* Partition's thread only: what it put last. False: nothing, or not readable by this build. */
bool table_writer_get_record(const struct table_writer *writer, const struct table_key *key,
                             union record *record);
bool table_writer_get(const struct table_writer *writer, const struct table_key *key,
                      struct verdict *verdict);

/* For table_reader_epoch; each by one thread of the writer at a time. */
void table_writer_set_settings(struct table_writer *writer, uint32_t settings);
void table_writer_set_rulings(struct table_writer *writer, uint32_t rulings);

/* Partition's thread only, once a second: "this partition's writer lives". */
void table_writer_heartbeat(struct table_writer *writer, uint16_t partition,
                            const struct table_clock *clock);
/* Partition's thread only: whether all that the ledger holds of this partition is here, so that a
 * miss means that it holds nothing. Evicting or refusing a record with a floor or rule (in the
 * users' table: any), and attaching, take it back. */
void table_writer_set_complete(struct table_writer *writer, uint16_t partition, bool complete);

/* Partition's thread only: every record, in no order. The callback may remove the record it is
 * shown (its key is in it), and nothing else, and must not put. Returns their number. */
typedef void table_visit(void *context, const union record *record);
uint64_t table_writer_for_each(const struct table_writer *writer, uint16_t partition,
                               table_visit *visit, void *context);

/* Any thread: another number after each change that a put, a removal or a loss of completeness made
 * visible. Who was told of a change by its thread finds the number that goes with it or a later
 * one. So what was made of many records is still the same as long as the number is, if it was read
 * before them. Wraps. */
uint32_t table_writer_changes(const struct table_writer *writer);

/* Any thread. */
void table_writer_facts(const struct table_writer *writer, struct table_facts *facts);
const char *table_writer_path(const struct table_writer *writer);

/* A reader over the writer's own mapping, for threads of this process (the front). It needs no
 * refresh, and must be closed before the writer is. */
int table_writer_reader(const struct table_writer *writer, struct table_reader **reader);

#endif
