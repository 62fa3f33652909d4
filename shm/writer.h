/*
 * writer.h - the table's one writer: open (or attach to what a dead daemon left), put, remove.
 *
 * The daemon's. One process has the table (OFD lock); in it every partition has one thread, which
 * alone calls the functions that name a key or partition. Opening and closing: one thread, no other
 * running. Environment errors are negative errnos; a table that cannot take a record (-ENOSPC) has
 * no older record of that key either, so what is read is never older than what was put.
 *
 * layout.h is the specification. Known weakness: growing by 2 MiB happens in the thread that needs
 * it and takes about a millisecond.
 */
#ifndef MXWARD_SHM_WRITER_H
#define MXWARD_SHM_WRITER_H

#include "shm/key.h"
#include "shm/reader.h"
#include "shm/verdict.h"

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

/* Partition's thread only. 0, or -ENOSPC: not kept, and an older record of the key is removed. */
int table_writer_put(struct table_writer *writer, const struct table_key *key,
                     const struct verdict *verdict);
/* Partition's thread only. True if there was one. */
bool table_writer_remove(struct table_writer *writer, const struct table_key *key);
/* Partition's thread only: what it put last. */
bool table_writer_get(const struct table_writer *writer, const struct table_key *key,
                      struct verdict *verdict);

/* Partition's thread only, once a second: "this partition's writer lives". */
void table_writer_heartbeat(struct table_writer *writer, uint16_t partition,
                            const struct table_clock *clock);
/* Partition's thread only: whether all floors of the ledger are here. Evicting a record of level
 * `encrypt` or more, and attaching, take it back. */
void table_writer_set_complete(struct table_writer *writer, uint16_t partition, bool complete);

/* Partition's thread only: every record, in no order; the callback must not put or remove.
 * Returns their number. */
typedef void table_visit(void *context, const char *key, size_t length,
                         const struct verdict *verdict);
uint64_t table_writer_for_each(const struct table_writer *writer, uint16_t partition,
                               table_visit *visit, void *context);

/* Any thread. */
void table_writer_facts(const struct table_writer *writer, struct table_facts *facts);
const char *table_writer_path(const struct table_writer *writer);

/* A reader over the writer's own mapping, for threads of this process (the front). It needs no
 * refresh, and must be closed before the writer is. */
int table_writer_reader(const struct table_writer *writer, struct table_reader **reader);

#endif
