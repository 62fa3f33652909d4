/*
 * record.h - a verdict as it lies in a slot, and back. Pure; any thread.
 *
 *   0   checksum      XXH3-64 of all that follows
 *   8   sequence      of the slot: makes a record of an earlier use another record
 *   16  lengths       record, fixed part, key, host, match
 *   ..  facts         the rest of the fixed part
 *   56  key, host, match, without terminators
 *
 * 128 bytes leave 72 for key and host, which holds nearly all domains. A later minor version
 * appends to the fixed part: `fixed_bytes` says where the texts begin, and an older reader passes
 * over what it does not know. Numbers it does not know make the record unreadable for it: UNKNOWN,
 * never a guess. Unpacking trusts nothing, also not after the checksum.
 */
#ifndef MXWARD_SHM_RECORD_H
#define MXWARD_SHM_RECORD_H

#include "shm/key.h"
#include "shm/verdict.h"

struct record_fixed {
    uint64_t checksum;
    uint64_t sequence;
    uint16_t record_bytes; /* from the checksum to the end of the last text */
    uint16_t fixed_bytes;  /* where the texts begin */
    uint16_t key_bytes;
    uint16_t match_bytes;
    uint8_t host_bytes;
    uint8_t class;
    uint8_t level;
    uint8_t conclusion;
    uint8_t cause;
    uint8_t enforce;
    uint8_t hosts;
    uint8_t hosts_good;
    uint32_t flags;
    uint32_t config_epoch;
    uint16_t tls_version;
    uint16_t smtp_code;
    uint32_t valid_for_ms; /* after began_ms; longer than 49 days is cut to it */
    uint64_t began_ms;
};
#define RECORD_FIXED_BYTES 56
static_assert(sizeof(struct record_fixed) == RECORD_FIXED_BYTES, "no padding");
static_assert(offsetof(struct record_fixed, sequence) == 8, "the same in every size class");
static_assert(offsetof(struct record_fixed, key_bytes) == 20, "no hole before");
static_assert(offsetof(struct record_fixed, flags) == 32, "no hole before");
static_assert(offsetof(struct record_fixed, began_ms) == 48, "no hole before");

#define RECORD_WORDS_MAX (TABLE_SLOT_MAX / 8)
#define RECORD_SEQUENCE  1 /* index of the word */

/* A private copy of a slot, and what pack makes. */
union record {
    struct record_fixed fixed;
    uint64_t words[RECORD_WORDS_MAX];
    char bytes[TABLE_SLOT_MAX];
};
static_assert(RECORD_FIXED_BYTES + TABLE_KEY_MAX + 255 + VERDICT_MATCH_MAX - 1 <= TABLE_SLOT_MAX,
              "every verdict fits");

/* Fills `record`, padded with zero to a whole word; returns its words. */
size_t record_pack(union record *record, uint64_t sequence, const struct table_key *key,
                   const struct verdict *verdict);
/* Bytes that record_pack will need. */
size_t record_bytes(const struct table_key *key, const struct verdict *verdict);

/* Words to copy of a slot, from its lengths; 0 if they cannot be those of a record. */
size_t record_words(const struct record_fixed *fixed);
/* After the copy: are lengths and checksum right? */
bool record_is_sound(const union record *record);
/* Of a sound record. */
bool record_has_key(const union record *record, const struct table_key *key);
/* False if the key in it cannot be one. The key points into the record. */
bool record_key(const union record *record, struct table_key *key);
/* Of a sound record. False: it says something that this build does not know. */
bool record_unpack(const union record *record, struct verdict *verdict);

/* What it costs to learn a verdict again, 0 (nothing was learned) to RECORD_RANKS - 1. */
#define RECORD_RANKS 8
unsigned record_rank(const struct verdict *verdict);

#endif
