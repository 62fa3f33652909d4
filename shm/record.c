/*
 * record.c - packing and unpacking. See record.h.
 */
#include "shm/record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

static uint64_t checksum(const union record *record)
{
    return XXH3_64bits(record->bytes + sizeof record->fixed.checksum,
                       record->fixed.record_bytes - sizeof record->fixed.checksum);
}

size_t record_bytes(const struct table_key *key, const struct verdict *verdict)
{
    return RECORD_FIXED_BYTES + key->length + strnlen(verdict->host, sizeof verdict->host - 1) +
           strnlen(verdict->match, sizeof verdict->match - 1);
}

/* Evidence never counts as valid for longer than was said: cut, not wrapped. */
static uint32_t valid_for(const struct verdict *verdict)
{
    if (verdict->valid_until_ms <= verdict->began_ms)
        return 0;
    const uint64_t valid_ms = verdict->valid_until_ms - verdict->began_ms;
    return valid_ms < UINT32_MAX ? (uint32_t)valid_ms : UINT32_MAX;
}

size_t record_pack(union record *record, uint64_t sequence, const struct table_key *key,
                   const struct verdict *verdict)
{
    const size_t host_bytes = strnlen(verdict->host, sizeof verdict->host - 1);
    const size_t match_bytes = strnlen(verdict->match, sizeof verdict->match - 1);
    const size_t bytes = RECORD_FIXED_BYTES + key->length + host_bytes + match_bytes;
    const size_t words = (bytes + 7) / 8;

    record->words[words - 1] = 0;
    record->fixed = (struct record_fixed){
        .sequence = sequence,
        .record_bytes = (uint16_t)bytes,
        .fixed_bytes = RECORD_FIXED_BYTES,
        .key_bytes = (uint16_t)key->length,
        .match_bytes = (uint16_t)match_bytes,
        .host_bytes = (uint8_t)host_bytes,
        .class = (uint8_t)verdict->class,
        .level = (uint8_t)verdict->level,
        .conclusion = (uint8_t)verdict->conclusion,
        .cause = (uint8_t)verdict->cause,
        .enforce = (uint8_t)verdict->enforce,
        .hosts = verdict->hosts,
        .hosts_good = verdict->hosts_good,
        .flags = verdict->flags,
        .config_epoch = verdict->config_epoch,
        .tls_version = verdict->tls_version,
        .smtp_code = verdict->smtp_code,
        .valid_for_ms = valid_for(verdict),
        .began_ms = verdict->began_ms,
    };
    char *text = record->bytes + RECORD_FIXED_BYTES;
    memcpy(text, key->text, key->length);
    memcpy(text + key->length, verdict->host, host_bytes);
    memcpy(text + key->length + host_bytes, verdict->match, match_bytes);
    record->fixed.checksum = checksum(record);
    return words;
}

size_t record_words(const struct record_fixed *fixed)
{
    const size_t bytes = fixed->record_bytes;

    if (bytes > TABLE_SLOT_MAX || fixed->fixed_bytes < RECORD_FIXED_BYTES ||
        (size_t)fixed->fixed_bytes + fixed->key_bytes + fixed->host_bytes + fixed->match_bytes >
            bytes ||
        fixed->match_bytes >= VERDICT_MATCH_MAX)
        return 0;
    return (bytes + 7) / 8;
}

bool record_is_sound(const union record *record)
{
    return record_words(&record->fixed) != 0 && checksum(record) == record->fixed.checksum;
}

bool record_has_key(const union record *record, const struct table_key *key)
{
    return record->fixed.key_bytes == key->length &&
           memcmp(record->bytes + record->fixed.fixed_bytes, key->text, key->length) == 0;
}

bool record_key(const union record *record, struct table_key *key)
{
    return table_key_make(key, record->bytes + record->fixed.fixed_bytes, record->fixed.key_bytes);
}

/* Numbers from a later build. */
static bool numbers_are_known(const struct record_fixed *fixed)
{
    return fixed->class < CLASS_COUNT && fixed->level <= LEVEL_AUTHENTICATED &&
           fixed->conclusion < CONCLUSION_COUNT && fixed->cause < CAUSE_COUNT &&
           fixed->enforce < ENFORCE_COUNT;
}

bool record_unpack(const union record *record, struct verdict *verdict)
{
    const struct record_fixed *fixed = &record->fixed;

    if (!numbers_are_known(fixed))
        return false;
    verdict->class = (enum tls_class)fixed->class;
    verdict->level = (enum level)fixed->level;
    verdict->conclusion = (enum conclusion)fixed->conclusion;
    verdict->cause = (enum cause)fixed->cause;
    verdict->enforce = (enum enforce)fixed->enforce;
    verdict->flags = fixed->flags;
    verdict->tls_version = fixed->tls_version;
    verdict->hosts = fixed->hosts;
    verdict->hosts_good = fixed->hosts_good;
    verdict->smtp_code = fixed->smtp_code;
    verdict->began_ms = fixed->began_ms;
    verdict->valid_until_ms = fixed->began_ms + fixed->valid_for_ms;
    verdict->config_epoch = fixed->config_epoch;

    const char *host = record->bytes + fixed->fixed_bytes + fixed->key_bytes;
    memcpy(verdict->host, host, fixed->host_bytes);
    verdict->host[fixed->host_bytes] = '\0';
    memcpy(verdict->match, host + fixed->host_bytes, fixed->match_bytes);
    verdict->match[fixed->match_bytes] = '\0';
    return true;
}

static const uint8_t class_rank[CLASS_COUNT] = {
    [CLASS_UNKNOWN] = 0,   /* nothing was learned */
    [CLASS_NONE] = 2,      /* a probe */
    [CLASS_WEAK] = 3,      /* a probe to the end */
    [CLASS_ENCRYPTED] = 4, /* may hold a floor */
    [CLASS_FAILING] = 5,   /* a published policy */
    [CLASS_VERIFIED] = 6,  /* a policy fetched, or names vouched for */
    [CLASS_STS] = 6,       [CLASS_DANE] = 7,
};

unsigned record_rank(const struct verdict *verdict)
{
    if (verdict->conclusion == CONCLUSION_UNDELIVERABLE)
        return 1; /* one DNS look-up */
    if (verdict->conclusion == CONCLUSION_TEMPORARY || verdict->class >= CLASS_COUNT)
        return 0;
    return class_rank[verdict->class];
}
