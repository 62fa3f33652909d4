/*
 * record.h - what all records have in common, as they lie in a slot: head, key, checksum. Pure; any
 * thread.
 *
 *   0   checksum    XXH3-64 of all that follows, to the end of the last word
 *   8   sequence    of the slot: makes a record of an earlier use another record
 *   16  head        lengths, kind, and what attach and eviction go by without knowing the kind
 *   28  fixed part  of the body
 *   ..  key         without terminator
 *   ..  tail        of the body: what is not in every record, or has no fixed length
 *
 * What is in a body is the affair of who packs it: verdict_record.h, account.h. A later minor
 * version appends to the fixed part or to the tail, and an older reader passes over what it does
 * not know. Numbers it does not know make the record unreadable for it: UNKNOWN, never a guess.
 * Unpacking trusts nothing, also not after the checksum.
 */
#ifndef MXWARD_SHM_RECORD_H
#define MXWARD_SHM_RECORD_H

#include "shm/key.h"

#include <string.h>

/* Append only. */
enum record_kind {
    RECORD_NONE,
    RECORD_VERDICT, /* verdict_record.h */
    RECORD_ACCOUNT, /* account.h, and the next three */
    RECORD_EXCEPTION,
    RECORD_PROFILE,
    RECORD_SETTINGS,
    RECORD_ALIAS, /* account.h, too */
    RECORD_KIND_COUNT
};

/* What it costs to lose a record: 0 (nothing was learned) to RECORD_RANKS - 1. Up to
 * RECORD_RANK_SEEN it can be learned again by looking; from there on losing it would lower
 * something, until it comes back from the ledger (MEM-07). */
enum {
    RECORD_RANK_SEEN = 7,
    RECORD_RANK_FLOOR = 8,         /* a floor below `authenticated`; an account, an exception */
    RECORD_RANK_AUTHENTICATED = 9, /* a higher floor, or what an administrator ruled */
    RECORD_RANK_SETTINGS = 10,     /* nearly every look-up needs it */
    RECORD_RANKS
};

struct record_head {
    uint64_t checksum;
    uint64_t sequence;
    uint64_t stamp_ms : 48;     /* boot clock: when looking began, or when it was put */
    uint64_t record_bytes : 16; /* from the checksum to the end of the tail */
    uint16_t key_bytes : 10;
    uint16_t kind : 4;   /* enum record_kind */
    uint16_t ledger : 1; /* holds what the ledger does: without it the partition is not complete */
    uint16_t : 1;
    uint8_t key_at; /* where the key begins: after the fixed part */
    uint8_t rank : 4;
    uint8_t strictness : 4; /* of two records of a key the stricter stays */
};
#define RECORD_HEAD_BYTES   28 /* the body goes on in the padding of the struct */
#define RECORD_FIXED_MAX    (UINT8_MAX - RECORD_HEAD_BYTES)
#define RECORD_STAMP_MAX_MS ((1ULL << 48) - 1)
static_assert(offsetof(struct record_head, sequence) == 8, "the same in every size class");
static_assert(offsetof(struct record_head, key_at) == 26, "the bit fields lie close");
static_assert(sizeof(struct record_head) == 32, "no hole, four bytes of padding");
static_assert(TABLE_KEY_MAX < 1 << 10 && RECORD_KIND_COUNT <= 1 << 4 && RECORD_RANKS <= 1 << 4,
              "the bit fields hold everything");

#define RECORD_WORDS_MAX (TABLE_SLOT_MAX / 8)
#define RECORD_SEQUENCE  1 /* index of the word */

/* A private copy of a slot, and what is packed. */
union record {
    struct record_head head;
    uint64_t words[RECORD_WORDS_MAX + 1]; /* one more, that may be loaded and means nothing */
    char bytes[TABLE_SLOT_MAX];
};

/* --- packing --- */

struct record_about {
    enum record_kind kind;
    uint64_t stamp_ms;
    unsigned rank, strictness; /* below 16 */
    bool ledger;
};
/* Head and key of a record whose body the caller then fills; all other bytes of its last word are
 * zero. False if it would not fit the largest slot. */
bool record_begin(union record *record, const struct record_about *about,
                  const struct table_key *key, size_t fixed_bytes, size_t tail_bytes);
/* The last step, the writer's: binds the record to this use of its slot. Returns its words. */
size_t record_finish(union record *record, uint64_t sequence);

/* --- the parts --- */

static inline size_t record_fixed_bytes(const union record *record)
{
    return record->head.key_at - (size_t)RECORD_HEAD_BYTES;
}
static inline size_t record_tail_bytes(const union record *record)
{
    return (size_t)record->head.record_bytes - record->head.key_at - record->head.key_bytes;
}
static inline char *record_fixed(union record *record)
{
    return record->bytes + RECORD_HEAD_BYTES;
}
static inline char *record_tail(union record *record)
{
    return record->bytes + record->head.key_at + record->head.key_bytes;
}

/* --- reading --- */

/*
 * The eight bytes at `at`, as they lie in memory. A copy of a record was stored word by word a
 * moment ago, and a load that crosses two of these words waits until both have left the processor's
 * store buffer: until everything before them is done, loads from memory that have nothing to do
 * with it included. So what lies unaligned is put together from two words.
 */
static inline uint64_t record_number(const union record *record, size_t at)
{
    const uint64_t *word = &record->words[at / 8];
    const unsigned low = (unsigned)(at % 8 * 8);
    uint64_t number;

    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        return word[0] >> low | word[1] << 1 << (63 - low);
    memcpy(&number, record->bytes + at, sizeof number);
    return number;
}

/* `bytes` of the record from `at` on, to somewhere else. */
static inline void record_take(const union record *record, size_t at, void *to, size_t bytes)
{
    char *text = to;
    uint64_t number;

    if (bytes < sizeof number) {
        for (size_t i = 0; i < bytes; i++)
            text[i] = record->bytes[at + i];
        return;
    }
    /* The last eight overlap those before them. */
    for (size_t i = 0; i < bytes - sizeof number; i += sizeof number) {
        number = record_number(record, at + i);
        memcpy(text + i, &number, sizeof number);
    }
    number = record_number(record, at + bytes - sizeof number);
    memcpy(text + bytes - sizeof number, &number, sizeof number);
}

/* Words to copy of a slot, from its lengths; 0 if they cannot be those of a record. */
static inline size_t record_words(const struct record_head *head)
{
    const size_t bytes = head->record_bytes;

    if (bytes > TABLE_SLOT_MAX || head->key_at < RECORD_HEAD_BYTES ||
        (size_t)head->key_at + head->key_bytes > bytes)
        return 0;
    return (bytes + 7) / 8;
}
/* After the copy: are lengths and checksum right? */
bool record_is_sound(const union record *record);
/* Of a sound record: are kind and rank ones that this build knows? The writer asks before it lists
 * what it did not put itself. */
bool record_is_known(const union record *record);
/* Of a sound record. */
static inline bool record_has_key(const union record *record, const struct table_key *key)
{
    const size_t at = record->head.key_at, length = key->length;
    uint64_t differs = 0, number;

    if (record->head.key_bytes != length)
        return false;
    if (length < sizeof number)
        return memcmp(record->bytes + at, key->text, length) == 0;
    for (size_t i = 0; i < length - sizeof number; i += sizeof number) {
        memcpy(&number, key->text + i, sizeof number);
        differs |= record_number(record, at + i) ^ number;
    }
    memcpy(&number, key->text + length - sizeof number, sizeof number);
    return (differs | (record_number(record, at + length - sizeof number) ^ number)) == 0;
}
/* False if the key in it cannot be one. The key points into the record. */
bool record_key(const union record *record, struct table_key *key);
/* Of two sound records of one key: the stricter, of two as strict ones the later. */
bool record_is_stricter(const union record *record, const union record *other);

#endif
