/*
 * record.c - heads, keys and checksums of records. See record.h.
 */
#include "shm/record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

/* Over whole words: they were just copied one by one, and reading across two of them would wait. */
static uint64_t checksum(const union record *record)
{
    return XXH3_64bits(&record->words[1],
                       (record_words(&record->head) - 1) * sizeof *record->words);
}

bool record_begin(union record *record, const struct record_about *about,
                  const struct table_key *key, size_t fixed_bytes, size_t tail_bytes)
{
    const size_t key_at = RECORD_HEAD_BYTES + fixed_bytes;
    const size_t bytes = key_at + key->length + tail_bytes;

    if (bytes > TABLE_SLOT_MAX || fixed_bytes > RECORD_FIXED_MAX)
        return false;
    record->words[(bytes - 1) / 8] = 0;
    record->head = (struct record_head){
        .stamp_ms = about->stamp_ms < RECORD_STAMP_MAX_MS ? about->stamp_ms & RECORD_STAMP_MAX_MS
                                                          : RECORD_STAMP_MAX_MS,
        .record_bytes = (uint16_t)bytes,
        .key_bytes = key->length & 0x3ffu,
        .kind = about->kind & 15u,
        .ledger = about->ledger,
        .key_at = (uint8_t)key_at,
        .rank = about->rank & 15u,
        .strictness = about->strictness & 15u,
    };
    memcpy(record->bytes + key_at, key->text, key->length);
    return true;
}

size_t record_finish(union record *record, uint64_t sequence)
{
    record->head.sequence = sequence;
    record->head.checksum = checksum(record);
    return record_words(&record->head);
}

bool record_is_sound(const union record *record)
{
    return record_words(&record->head) != 0 && checksum(record) == record->head.checksum;
}

bool record_is_known(const union record *record)
{
    return record->head.kind > RECORD_NONE && record->head.kind < RECORD_KIND_COUNT &&
           record->head.rank < RECORD_RANKS;
}

bool record_key(const union record *record, struct table_key *key)
{
    return table_key_make(key, record->bytes + record->head.key_at, record->head.key_bytes);
}

bool record_is_stricter(const union record *record, const union record *other)
{
    if (record->head.strictness != other->head.strictness)
        return record->head.strictness > other->head.strictness;
    return record->head.stamp_ms > other->head.stamp_ms;
}
