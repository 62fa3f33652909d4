/*
 * verdict_record.c - packing and unpacking. See verdict_record.h.
 */
#include "shm/verdict_record.h"

#include <string.h>

/* Read where it lies, field by field: a copy would cross the words that were just stored. */
struct __attribute__((may_alias)) fixed {
    uint32_t flags;
    uint32_t config_epoch;
    uint32_t valid_for_ms; /* after the stamp; longer than 49 days is cut to it */
    uint16_t tls_version;
    uint8_t class : 4, level : 4;
    uint8_t conclusion : 4, enforce : 4;
    uint8_t cause;
    uint8_t host_bytes;
    uint8_t hosts;
    uint8_t hosts_good;
    uint8_t parts;
};
#define FIXED_BYTES 21 /* without the padding of the struct */
static_assert(offsetof(struct fixed, parts) == FIXED_BYTES - 1, "the last one");
static_assert(CLASS_COUNT <= 16 && LEVEL_AUTHENTICATED < 16 && CONCLUSION_COUNT <= 16 &&
                  ENFORCE_COUNT <= 16,
              "half a byte each");

/* What of the tail is there. */
enum {
    PARTS_PINS = 7, /* their number */
    PART_FLOOR = 1 << 3,
    PART_FLOOR_TIMES = 1 << 4,
    PART_REPLY = 1 << 5,
    PART_MATCH = 1 << 6,
};
static_assert(VERDICT_PINS_MAX <= PARTS_PINS, "their number fits");

struct floor_part {
    uint8_t level : 4, hosts_level : 4;
    uint8_t proof : 4, rule : 4;
    uint8_t rule_level;
    uint8_t flags;
    uint32_t seen_at_s;
};
struct floor_times {
    uint32_t rule_until_s;
    uint32_t contradicted_at_s;
};
static_assert(sizeof(struct floor_part) == 8 && sizeof(struct floor_times) == 8, "no padding");
static_assert(PROOF_COUNT <= 16 && RULE_COUNT <= 16, "half a byte each");
#define FLOOR_FLAGS (FLOOR_CONTRADICTED | FLOOR_UNREADABLE | FLOOR_OBSERVE)

#define PIN_BYTES sizeof((struct pins *)NULL)->sha256[0]
static_assert(RECORD_HEAD_BYTES + FIXED_BYTES + VERDICT_KEY_MAX + sizeof(struct floor_part) +
                      sizeof(struct floor_times) + 2 * sizeof(uint16_t) +
                      VERDICT_PINS_MAX * PIN_BYTES + 255 + VERDICT_MATCH_MAX - 1 <=
                  TABLE_SLOT_MAX,
              "every verdict fits");

/* --- the tail, piece by piece; lengths are checked before the first --- */

static char *give(char *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
    return to + bytes;
}

/* Of all parts but the texts. */
static size_t parts_bytes(unsigned parts)
{
    return (parts & PART_FLOOR ? sizeof(struct floor_part) : 0) +
           (parts & PART_FLOOR_TIMES ? sizeof(struct floor_times) : 0) +
           (parts & PART_REPLY ? sizeof(uint16_t) : 0) +
           (parts & PART_MATCH ? sizeof(uint16_t) : 0) + (parts & PARTS_PINS) * PIN_BYTES;
}

/* --- numbers --- */

bool floor_is_empty(const struct floor *floor)
{
    return (floor->level | floor->hosts_level | floor->proof | floor->flags | floor->rule |
            floor->rule_level) == 0 &&
           (floor->rule_until_s | floor->contradicted_at_s | floor->seen_at_s) == 0;
}

static bool floor_is_known(const struct floor *floor)
{
    return floor->level <= LEVEL_AUTHENTICATED && floor->hosts_level <= LEVEL_AUTHENTICATED &&
           floor->rule_level <= LEVEL_AUTHENTICATED && floor->proof < PROOF_COUNT &&
           floor->rule < RULE_COUNT && (floor->flags & ~FLOOR_FLAGS) == 0;
}

static bool verdict_is_known(const struct verdict *verdict)
{
    return verdict->class < CLASS_COUNT && verdict->level <= LEVEL_AUTHENTICATED &&
           verdict->conclusion < CONCLUSION_COUNT && verdict->cause < CAUSE_COUNT &&
           verdict->enforce < ENFORCE_COUNT;
}

/* Evidence never counts as valid for longer than was said: cut, not wrapped. */
static uint32_t valid_for(const struct verdict *verdict)
{
    if (verdict->valid_until_ms <= verdict->began_ms)
        return 0;
    const uint64_t valid_ms = verdict->valid_until_ms - verdict->began_ms;
    return valid_ms < UINT32_MAX ? (uint32_t)valid_ms : UINT32_MAX;
}

/* --- packing --- */

static unsigned parts_of(const struct verdict *verdict)
{
    const struct floor *floor = &verdict->floor;
    unsigned parts = verdict->pins.count;

    if (!floor_is_empty(floor))
        parts |= PART_FLOOR;
    if (floor->rule_until_s != 0 || floor->contradicted_at_s != 0)
        parts |= PART_FLOOR_TIMES;
    if (verdict->smtp_code != 0)
        parts |= PART_REPLY;
    if (verdict->match[0] != '\0')
        parts |= PART_MATCH;
    return parts;
}

static void fixed_pack(union record *record, const struct verdict *verdict, unsigned parts,
                       size_t host_bytes)
{
    const struct fixed fixed = {
        .flags = verdict->flags,
        .config_epoch = verdict->config_epoch,
        .valid_for_ms = valid_for(verdict),
        .tls_version = verdict->tls_version,
        .class = verdict->class & 15u,
        .level = verdict->level & 15u,
        .conclusion = verdict->conclusion & 15u,
        .enforce = verdict->enforce & 15u,
        .cause = (uint8_t)verdict->cause,
        .host_bytes = (uint8_t)host_bytes,
        .hosts = verdict->hosts,
        .hosts_good = verdict->hosts_good,
        .parts = (uint8_t)parts,
    };
    memcpy(record_fixed(record), &fixed, FIXED_BYTES);
}

static char *floor_pack(char *tail, const struct floor *floor, unsigned parts)
{
    const struct floor_part part = {
        .level = floor->level & 15u,
        .hosts_level = floor->hosts_level & 15u,
        .proof = floor->proof & 15u,
        .rule = floor->rule & 15u,
        .rule_level = floor->rule_level,
        .flags = floor->flags,
        .seen_at_s = floor->seen_at_s,
    };
    const struct floor_times times = {floor->rule_until_s, floor->contradicted_at_s};

    if (parts & PART_FLOOR)
        tail = give(tail, &part, sizeof part);
    return parts & PART_FLOOR_TIMES ? give(tail, &times, sizeof times) : tail;
}

bool verdict_pack(union record *record, const struct table_key *key, const struct verdict *verdict)
{
    const size_t host_bytes = strnlen(verdict->host, sizeof verdict->host - 1);
    const size_t match_bytes = strnlen(verdict->match, sizeof verdict->match - 1);
    const uint16_t match_length = (uint16_t)match_bytes;
    const unsigned parts = parts_of(verdict);
    const struct record_about about = {
        .kind = RECORD_VERDICT,
        .stamp_ms = verdict->began_ms,
        .rank = verdict_rank(verdict),
        .strictness = verdict_strictness(verdict),
        .ledger = !floor_is_empty(&verdict->floor),
    };

    if (key->length > VERDICT_KEY_MAX || !verdict_is_known(verdict) ||
        !floor_is_known(&verdict->floor) || verdict->pins.count > VERDICT_PINS_MAX ||
        !record_begin(record, &about, key, FIXED_BYTES,
                      parts_bytes(parts) + host_bytes + match_bytes))
        return false;
    fixed_pack(record, verdict, parts, host_bytes);
    char *tail = floor_pack(record_tail(record), &verdict->floor, parts);
    if (parts & PART_REPLY)
        tail = give(tail, &verdict->smtp_code, sizeof verdict->smtp_code);
    if (parts & PART_MATCH)
        tail = give(tail, &match_length, sizeof match_length);
    tail = give(tail, verdict->pins.sha256, verdict->pins.count * PIN_BYTES);
    tail = give(tail, verdict->host, host_bytes);
    give(tail, verdict->match, match_bytes);
    return true;
}

/* --- unpacking --- */

static bool fixed_unpack(const struct fixed *fixed, uint64_t stamp_ms, struct verdict *verdict)
{
    verdict->class = (enum tls_class)fixed->class;
    verdict->level = (enum level)fixed->level;
    verdict->conclusion = (enum conclusion)fixed->conclusion;
    verdict->cause = (enum cause)fixed->cause;
    verdict->enforce = (enum enforce)fixed->enforce;
    verdict->flags = fixed->flags;
    verdict->tls_version = fixed->tls_version;
    verdict->hosts = fixed->hosts;
    verdict->hosts_good = fixed->hosts_good;
    verdict->began_ms = stamp_ms;
    verdict->valid_until_ms = stamp_ms + fixed->valid_for_ms;
    verdict->config_epoch = fixed->config_epoch;
    return verdict_is_known(verdict);
}

/* A record, and how much of its tail has been read. */
struct tail {
    const union record *record;
    size_t at;
};

static void take(void *to, struct tail *tail, size_t bytes)
{
    record_take(tail->record, tail->at, to, bytes);
    tail->at += bytes;
}

/* False: it says something that this build does not know. */
static bool floor_unpack(struct tail *tail, unsigned parts, struct floor *floor)
{
    struct floor_part part = {0};
    struct floor_times times = {0};

    if (parts & PART_FLOOR)
        take(&part, tail, sizeof part);
    if (parts & PART_FLOOR_TIMES)
        take(&times, tail, sizeof times);
    *floor = (struct floor){
        .level = part.level,
        .hosts_level = part.hosts_level,
        .proof = part.proof,
        .flags = part.flags,
        .rule = part.rule,
        .rule_level = part.rule_level,
        .rule_until_s = times.rule_until_s,
        .contradicted_at_s = times.contradicted_at_s,
        .seen_at_s = part.seen_at_s,
    };
    return floor_is_known(floor);
}

/* What is not in every record; `left`: bytes of the tail beyond these and the host. */
static bool parts_unpack(struct tail *tail, unsigned parts, size_t left, struct verdict *verdict,
                         uint16_t *match_bytes)
{
    if (!floor_unpack(tail, parts, &verdict->floor))
        return false;
    if (parts & PART_REPLY)
        take(&verdict->smtp_code, tail, sizeof verdict->smtp_code);
    if (parts & PART_MATCH)
        take(match_bytes, tail, sizeof *match_bytes);
    verdict->pins.count = parts & PARTS_PINS;
    if (verdict->pins.count > 0)
        take(verdict->pins.sha256, tail, verdict->pins.count * PIN_BYTES);
    return *match_bytes < VERDICT_MATCH_MAX && *match_bytes <= left;
}

bool verdict_unpack(const union record *record, struct verdict *verdict)
{
    struct tail tail = {record, (size_t)record->head.key_at + record->head.key_bytes};
    const size_t tail_bytes = record_tail_bytes(record);
    const struct fixed *fixed = (const void *)(record->bytes + RECORD_HEAD_BYTES);
    const unsigned parts = fixed->parts;
    uint16_t match_bytes = 0;

    if (record->head.kind != RECORD_VERDICT || record_fixed_bytes(record) < FIXED_BYTES)
        return false;
    const size_t known_bytes = fixed->host_bytes + (parts != 0 ? parts_bytes(parts) : 0);
    verdict->smtp_code = 0;
    verdict->pins.count = 0;
    verdict->floor = (struct floor){0};
    if (known_bytes > tail_bytes || !fixed_unpack(fixed, record->head.stamp_ms, verdict) ||
        (parts != 0 &&
         !parts_unpack(&tail, parts, tail_bytes - known_bytes, verdict, &match_bytes)))
        return false;
    take(verdict->host, &tail, fixed->host_bytes);
    verdict->host[fixed->host_bytes] = '\0';
    if (match_bytes > 0)
        take(verdict->match, &tail, match_bytes);
    verdict->match[match_bytes] = '\0';
    verdict->address[0] = '\0';
    verdict->port = 0;
    return true;
}

/* --- what it is worth --- */

static const uint8_t class_rank[CLASS_COUNT] = {
    [CLASS_UNKNOWN] = 0,   /* nothing was learned */
    [CLASS_NONE] = 2,      /* a probe */
    [CLASS_WEAK] = 3,      /* a probe to the end */
    [CLASS_ENCRYPTED] = 4, /* may become a floor */
    [CLASS_FAILING] = 5,   /* a published policy */
    [CLASS_VERIFIED] = 6,  /* a policy fetched, or names vouched for */
    [CLASS_STS] = 6,       [CLASS_DANE] = RECORD_RANK_SEEN,
};

static unsigned floor_level(const struct floor *floor)
{
    return floor->level > floor->hosts_level ? floor->level : floor->hosts_level;
}

unsigned verdict_rank(const struct verdict *verdict)
{
    const struct floor *floor = &verdict->floor;

    /* A level that could not be read may have been the highest. */
    if (floor_level(floor) >= LEVEL_AUTHENTICATED || floor->rule != RULE_NONE ||
        (floor->flags & (FLOOR_UNREADABLE | FLOOR_OBSERVE)) != 0)
        return RECORD_RANK_AUTHENTICATED;
    if (!floor_is_empty(floor))
        return RECORD_RANK_FLOOR;
    if (verdict->conclusion == CONCLUSION_UNDELIVERABLE)
        return 1; /* one DNS look-up */
    if (verdict->conclusion == CONCLUSION_TEMPORARY || verdict->class >= CLASS_COUNT)
        return 0;
    return class_rank[verdict->class];
}

unsigned verdict_strictness(const struct verdict *verdict)
{
    const struct floor *floor = &verdict->floor;
    const unsigned remembered = floor_level(floor);
    unsigned strictness = verdict->level > remembered ? verdict->level : remembered;

    if (floor->rule == RULE_REFUSE)
        return LEVEL_AUTHENTICATED + 1;
    if (floor->rule == RULE_PIN && floor->rule_level > strictness)
        strictness = floor->rule_level;
    if ((floor->flags & FLOOR_UNREADABLE) != 0 && strictness < LEVEL_ENCRYPT)
        strictness = LEVEL_ENCRYPT;
    return strictness;
}
