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

/*
 * A copy of a record was stored word by word a moment ago. A load that crosses two of these words
 * waits until both have left the processor's store buffer: until everything before them is done,
 * loads from memory that have nothing to do with it included. So what lies unaligned in a record is
 * read by whole words, and put together from two.
 */
struct stream {
    const uint64_t *word; /* the next */
    uint64_t held;        /* the one before */
    unsigned low, high;   /* bits: of `held` to be dropped, of the next to be kept less one */
};

static inline struct stream stream_at(const union record *record, size_t at)
{
    const unsigned low = (unsigned)(at % 8 * 8);
    return (struct stream){&record->words[at / 8 + 1], record->words[at / 8], low, 63 - low};
}

/* The next eight bytes, in the order of a little-endian load. */
static inline uint64_t stream_next(struct stream *stream)
{
    const uint64_t next = *stream->word++;
    const uint64_t bytes = stream->held >> stream->low | next << 1 << stream->high;

    stream->held = next;
    return bytes;
}

static inline uint64_t load(const char *text)
{
    uint64_t word;

    memcpy(&word, text, 8);
    return word;
}

#define WORDS_CAN_BE_JOINED (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

bool record_has_key(const union record *record, const struct table_key *key)
{
    const size_t at = record->head.key_at;
    const char *text = key->text;
    size_t left = key->length;
    uint64_t differs = 0;

    if (record->head.key_bytes != left)
        return false;
    if (!WORDS_CAN_BE_JOINED || left < 8)
        return memcmp(record->bytes + at, text, left) == 0;
    struct stream stream = stream_at(record, at);
    for (; left > 8; left -= 8, text += 8)
        differs |= stream_next(&stream) ^ load(text);
    /* The last one to eight, beside a load that ends where the key does. */
    const unsigned others = (unsigned)(64 - 8 * left);
    return (differs | (stream_next(&stream) << others ^ load(text + left - 8)) >> others) == 0;
}

void record_take(const union record *record, size_t at, void *to, size_t bytes)
{
    struct stream stream = stream_at(record, at);
    uint64_t before = 0, last;
    char *end = to;

    if (!WORDS_CAN_BE_JOINED || bytes < 8) {
        memcpy(to, record->bytes + at, bytes);
        return;
    }
    for (; bytes > 8; bytes -= 8, end += 8) {
        before = stream_next(&stream);
        memcpy(end, &before, 8);
    }
    /* The last one to eight, behind what was before them. */
    const unsigned bits = (unsigned)(8 * bytes);
    last = stream_next(&stream) << (64 - bits) | before >> (bits - 1) >> 1;
    memcpy(end + bytes - 8, &last, 8);
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
