/*
 * verdict_record.h - a verdict as the body of a record, and back. Pure; any thread.
 *
 * The fixed part is 21 bytes. Most of a verdict is in few records, so it is in the tail, and only
 * where there is something to say, in this order:
 *
 *   floor         8 bytes: levels, proof, rule, flags, when the level was last confirmed
 *   floor times   8 bytes: until when the rule holds, since when it is contradicted
 *   reply         2 bytes: the code that decided
 *   match length  2 bytes
 *   pins          32 bytes each
 *   host, match   without terminators
 *
 * So 128 bytes leave 71 for key and host of a domain that is remembered, 79 of another. Times are
 * seconds of the wall clock, unlike all others in the table: they come from the ledger.
 */
#ifndef MXWARD_SHM_VERDICT_RECORD_H
#define MXWARD_SHM_VERDICT_RECORD_H

#include "shm/record.h"
#include "shm/verdict.h"

#define VERDICT_KEY_MAX 270 /* bytes: a canonical next hop */

/* False if it has a longer key, or a number that a record cannot hold: a mistake of the caller's.
 */
bool verdict_pack(union record *record, const struct table_key *key, const struct verdict *verdict);
/* Of a sound record. False: it is of another kind, or says something that this build does not know.
 * Beyond the terminators of its texts, and beyond the last pin, `verdict` is left as it was. */
bool verdict_unpack(const union record *record, struct verdict *verdict);

/* All zero: nothing remembered, nothing ruled. */
bool floor_is_empty(const struct floor *floor);

/* What it costs to lose it (record.h). */
unsigned verdict_rank(const struct verdict *verdict);
/* The highest level that any part of it demands or reaches; one more if it lets no mail pass. */
unsigned verdict_strictness(const struct verdict *verdict);

#endif
