/*
 * publish.h - from verdicts to the table in shared memory.
 *
 * One publisher for the daemon; each shard calls it for the partitions it owns and no others (a
 * partition has one writer, shm/layout.h). A full table or tmpfs is the environment's: counted,
 * logged, and the verdict is still given to whoever asked.
 */
#ifndef MXWARD_PUBLISH_H
#define MXWARD_PUBLISH_H

#include "engine/names/nexthop.h"
#include "shm/reader.h"
#include "shm/writer.h"

struct publisher;

/* Opens, creates or goes on with the table below `directory`. -EBUSY: another daemon has it. */
int publisher_open(struct publisher **publisher, const char *directory, uint64_t table_bytes,
                   char *why, size_t why_size);
void publisher_close(struct publisher *publisher);
/* Called by the shard that owns the next hop's partition. The floor in the verdict is what will be
 * there. */
void publisher_put(struct publisher *publisher, const struct next_hop *next_hop,
                   const struct verdict *verdict);
/* What was put last; also by a daemon before this one. Called by the same shard. */
bool publisher_get(const struct publisher *publisher, const struct next_hop *next_hop,
                   struct verdict *verdict);
/* Called by the same shard (before shards run: by main). What is remembered or ruled has changed:
 * the verdict stays, and so does what the hosts add. 0, or -ENOSPC. */
int publisher_put_floor(struct publisher *publisher, const struct next_hop *next_hop,
                        const struct floor *floor);
/*
 * What administrators say of mail hosts: the sum of ledger_ruling over all of them, for verdicts,
 * which hold what the floors of their hosts demanded. Added by the keeper alone, when the floors
 * are visible; a verdict that bears another epoch is made anew, from the evidence that is there.
 */
void publisher_rulings_add(struct publisher *publisher, uint32_t change);
/* Main thread, when all shards have taken the settings: what other processes read in the table is
 * fresh by these. */
void publisher_settings(struct publisher *publisher, uint32_t config_epoch);
/* Any thread. Of a verdict: before the floors of its hosts are read. Never 0. */
uint32_t publisher_epoch(const struct publisher *publisher, uint32_t config_epoch);
/* Main thread, before shards run: all floors of the ledger are in the table. */
void publisher_complete(struct publisher *publisher);
/* The floor of any next hop, for one thread with a reader of its own. False: not known, ask the
 * keeper. All zero: nothing is remembered. */
bool publisher_floor(const struct table_reader *reader, const struct next_hop *next_hop,
                     uint64_t now_ms, struct floor *floor);
/* Shows readers that the writers of the shard's partitions live; once a second or so. */
void publisher_heartbeat(struct publisher *publisher, uint16_t shard, uint16_t shards);
/* For the front's reader and for `status`. */
const struct table_writer *publisher_table(const struct publisher *publisher);

#endif
