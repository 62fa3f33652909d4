/*
 * message.c - the bounds-checked reader of DNS messages.
 *
 * Called by the resolver with each reply. Two walks: the first checks every record of the message
 * and finds what is used (the chain of aliases, the records at its end, the SOA that times an
 * absence); the second copies that into one allocation of exactly the size needed. Names are
 * compared in their wire form, flattened and with A-Z lowered (NAME-05), never as text.
 *
 * A reader that fails sets `broken` and stays there, so that a sequence of reads needs one test.
 *
 * Weakness: each alias scans the answer section again, so the worst message (6,000 records of one
 * long name, 16 aliases) costs some milliseconds. libunbound has done more with it by then.
 */
#include "engine/dns/message.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = 12,
    FLAG_RESPONSE = 0x80,  /* byte 2 */
    FLAG_TRUNCATED = 0x02, /* byte 2 */
    RCODE_MASK = 0x0f,     /* byte 3 */
    RCODE_NONE = 0,
    RCODE_NXDOMAIN = 3,
    CLASS_IN = 1,
    TYPE_OPT = 41,
    LABEL_MAX = 63,
    POINTER_BITS = 0xc0,
    WIRE_NAME_MAX = 255,
};

struct flat_name { /* uncompressed wire form, lower case */
    uint8_t size;
    uint8_t wire[WIRE_NAME_MAX];
};

struct reader {
    const uint8_t *packet;
    size_t size, at;
    bool broken;
};

struct record {
    size_t owner_at, data_at;
    uint32_t ttl_s;
    uint16_t type, class, data_size;
};

/* What the first walk found out. */
struct digest {
    struct reader message;
    size_t answers_at; /* offset and number of the records of the answer section */
    uint16_t answers;
    size_t authority_at;
    uint16_t authority;
    uint8_t rcode; /* with the upper bits of EDNS */

    struct flat_name end; /* of the alias chain */
    uint8_t aliases;
    struct name hops[LIMIT_ALIASES]; /* ends of it before, but for the name asked */
    uint32_t found;                  /* records of the wanted type there */
    uint32_t kept;                   /* of them, the first; of MX the most preferred */
    size_t data_bytes;
    uint32_t ttl_s;
};

enum outcome { OUTCOME_FINE, OUTCOME_MALFORMED, OUTCOME_ALIASES };

/* --- reading the wire --- */

static uint8_t read_u8(struct reader *r)
{
    if (r->broken || r->at >= r->size) {
        r->broken = true;
        return 0;
    }
    return r->packet[r->at++];
}

static uint16_t read_u16(struct reader *r)
{
    uint16_t high = read_u8(r);
    return (uint16_t)(high << 8 | read_u8(r));
}

static uint32_t read_u32(struct reader *r)
{
    uint32_t high = read_u16(r);
    return high << 16 | read_u16(r);
}

static void read_skip(struct reader *r, size_t bytes)
{
    if (r->broken || bytes > r->size - r->at)
        r->broken = true;
    else
        r->at += bytes;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

/*
 * Flattens the name here and steps behind it. A pointer must point before the run of labels it ends
 * (RFC 1035 section 4.1.4: a prior occurrence), so the walk strictly descends and ends.
 */
static void read_name(struct reader *r, struct flat_name *name)
{
    size_t resume = 0, run = r->at;

    name->size = 0;
    for (;;) {
        uint8_t length = read_u8(r);
        if (length > LABEL_MAX) {
            size_t target = (size_t)(length & ~POINTER_BITS) << 8 | read_u8(r);
            if ((length & POINTER_BITS) != POINTER_BITS || target < HEADER_BYTES || target >= run)
                r->broken = true;
            resume = resume ? resume : r->at;
            if (r->broken)
                return;
            r->at = run = target;
            continue;
        }
        if (r->broken || length > r->size - r->at || name->size + 1 + length > WIRE_NAME_MAX) {
            r->broken = true;
            return;
        }
        name->wire[name->size++] = length;
        for (unsigned i = 0; i < length; i++)
            name->wire[name->size++] = lower(r->packet[r->at++]);
        if (length == 0)
            break;
    }
    if (resume)
        r->at = resume;
}

static bool flat_equal(const struct flat_name *a, const struct flat_name *b)
{
    return a->size == b->size && memcmp(a->wire, b->wire, a->size) == 0;
}

/* Whether `name` is `ancestor` or lies below it. */
static bool flat_within(const struct flat_name *name, const struct flat_name *ancestor)
{
    size_t at = 0;
    while (name->size - at > ancestor->size)
        at += 1u + name->wire[at];
    return name->size - at == ancestor->size &&
           memcmp(name->wire + at, ancestor->wire, ancestor->size) == 0;
}

/* Steps behind the name here without looking into it. */
static void skip_name(struct reader *r)
{
    uint8_t length = read_u8(r);

    while (length > 0 && length <= LABEL_MAX && !r->broken) {
        read_skip(r, length);
        length = read_u8(r);
    }
    if (length > LABEL_MAX)
        read_skip(r, 1); /* a pointer ends it */
}

/* The record here, stepping behind it. */
static struct record read_record(struct reader *r)
{
    struct record record = {.owner_at = r->at};

    skip_name(r);
    record.type = read_u16(r);
    record.class = read_u16(r);
    uint32_t ttl_s = read_u32(r);
    record.ttl_s = ttl_s >> 31 ? 0 : ttl_s; /* DNS-11 (RFC 2181 section 8) */
    record.data_size = read_u16(r);
    record.data_at = r->at;
    read_skip(r, record.data_size);
    return record;
}

/* A reader that ends where the record's data ends; names in it may still point backward. */
static struct reader data_reader(const struct reader *message, const struct record *record)
{
    struct reader r = {.packet = message->packet,
                       .size = record->data_at + record->data_size,
                       .at = record->data_at};
    return r;
}

static bool data_ended_well(const struct reader *r)
{
    return !r->broken && r->at == r->size;
}

/* Compares in place, label by label: nearly all records differ in the first. The owner's name was
 * read whole in the first walk, so its pointers are known to descend. */
static bool owner_is(const struct reader *message, const struct record *record,
                     const struct flat_name *name)
{
    struct reader r = *message;
    size_t same = 0;

    r.at = record->owner_at;
    while (same < name->size) {
        uint8_t length = read_u8(&r);
        if (length > LABEL_MAX) {
            r.at = (size_t)(length & ~POINTER_BITS) << 8 | read_u8(&r);
            continue;
        }
        if (r.broken || length != name->wire[same++] || length > r.size - r.at)
            return false;
        for (unsigned i = 0; i < length; i++)
            if (lower(r.packet[r.at++]) != name->wire[same++])
                return false;
    }
    return true;
}

/* --- RDATA --- */

/* Bytes that a TXT record's strings come to when joined (STS-02); -1: they do not fit the record.
 * Copies them when `out` is given. */
static int32_t text_join(const struct reader *message, const struct record *record, uint8_t *out)
{
    struct reader r = data_reader(message, record);
    int32_t joined = 0;

    while (r.at < r.size) {
        uint8_t length = read_u8(&r);
        size_t from = r.at;
        read_skip(&r, length);
        if (r.broken)
            return -1;
        if (out)
            memcpy(out + joined, r.packet + from, length);
        joined += length;
    }
    return joined;
}

static bool soa_minimum(const struct reader *message, const struct record *record,
                        uint32_t *minimum_s)
{
    struct reader r = data_reader(message, record);
    struct flat_name ignored;

    read_name(&r, &ignored);
    read_name(&r, &ignored);
    read_skip(&r, 4 * sizeof(uint32_t)); /* serial, refresh, retry, expire */
    *minimum_s = read_u32(&r);
    return data_ended_well(&r);
}

/* One name, or a number of 16 bits and one name. */
static bool data_name(const struct reader *message, const struct record *record,
                      struct flat_name *name, uint16_t *number)
{
    struct reader r = data_reader(message, record);

    if (number)
        *number = read_u16(&r);
    read_name(&r, name);
    return data_ended_well(&r);
}

/* Whether the RDATA of a wanted record is well formed, and what it needs beside the array. */
static bool data_is_well_formed(const struct reader *message, const struct record *record,
                                enum dns_type type, size_t *data_bytes)
{
    struct flat_name name;
    uint32_t minimum_s;
    uint16_t preference;
    int32_t joined;

    switch (type) {
    case DNS_A:
        return record->data_size == 4;
    case DNS_AAAA:
        return record->data_size == 16;
    case DNS_MX:
        return data_name(message, record, &name, &preference);
    case DNS_CNAME:
        return data_name(message, record, &name, NULL);
    case DNS_SOA:
        return soa_minimum(message, record, &minimum_s);
    case DNS_TXT:
        joined = text_join(message, record, NULL);
        *data_bytes = joined > 0 ? (size_t)joined : 0;
        return joined >= 0;
    case DNS_OPENPGPKEY: /* the key itself; only that there is one is asked */
        return record->data_size > 0;
    case DNS_SMIMEA:
    case DNS_TLSA: /* of any length: too short is present, but unusable (DANE-21) */
        *data_bytes = record->data_size > 3 ? record->data_size - 3u : 0;
        return true;
    }
    return false;
}

/* --- first walk --- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Checks `count` records from here on; what EDNS says about the rcode is taken along. */
static void walk_section(struct digest *d, uint16_t count)
{
    for (uint16_t i = 0; i < count && !d->message.broken; i++) {
        struct reader at_owner = d->message;
        struct flat_name owner;
        struct record record = read_record(&d->message);
        read_name(&at_owner, &owner);
        d->message.broken |= at_owner.broken;
        if (record.type == TYPE_OPT && !d->message.broken)
            /* The upper eight bits of the rcode are the first of the TTL field (RFC 6891 section
             * 6.1.3); any of them set means failure, and that is all that is asked. */
            d->rcode |= d->message.packet[record.data_at - 6] ? RCODE_MASK : 0;
    }
}

static bool walk_message(struct digest *d, const struct flat_name *owner, enum dns_type type)
{
    struct reader *r = &d->message;
    struct flat_name asked;

    read_skip(r, 4); /* identifier and flags */
    uint16_t questions = read_u16(r);
    d->answers = read_u16(r);
    d->authority = read_u16(r);
    uint16_t additional = read_u16(r);
    if (questions != 1 || d->answers + d->authority + additional > LIMIT_DNS_RECORDS)
        return false;

    read_name(r, &asked);
    if (read_u16(r) != (uint16_t)type || read_u16(r) != CLASS_IN || r->broken ||
        !flat_equal(&asked, owner))
        return false;
    d->answers_at = r->at;
    walk_section(d, d->answers);
    d->authority_at = r->at;
    walk_section(d, d->authority);
    walk_section(d, additional);
    return !r->broken && r->at == r->size;
}

/* Steps to the next record of `type` at `owner` among the `*left` records from reader r on. */
static bool next_record(struct reader *r, uint16_t *left, const struct flat_name *owner,
                        uint16_t type, struct record *record)
{
    while (*left > 0) {
        (*left)--;
        *record = read_record(r);
        if (record->type == type && record->class == CLASS_IN && owner_is(r, record, owner))
            return true;
    }
    return false;
}

static struct reader answer_section(const struct digest *d, uint16_t *left)
{
    struct reader r = d->message;
    r.at = d->answers_at;
    *left = d->answers;
    return r;
}

static uint32_t records_kept(enum dns_type type)
{
    switch (type) {
    case DNS_MX:
        return LIMIT_MX_RECORDS;
    case DNS_A:
    case DNS_AAAA:
        return LIMIT_ADDRESS_RECORDS;
    case DNS_SMIMEA:
    case DNS_TLSA:
        return LIMIT_TLSA;
    case DNS_TXT:
        return LIMIT_TEXT_RECORDS;
    case DNS_CNAME:
    case DNS_SOA:
    case DNS_OPENPGPKEY:
        return 1;
    }
    return 0;
}

/* Whether the next record is kept, too: those kept are the first, without a gap. */
static bool keeps_next(const struct digest *d, enum dns_type type, size_t data_bytes)
{
    return d->kept == d->found && d->kept < records_kept(type) &&
           (type != DNS_TLSA || d->data_bytes + data_bytes <= LIMIT_TLSA_DATA);
}

/* Counts the wanted records at the present end of the chain. */
static enum outcome find_wanted(struct digest *d, enum dns_type type)
{
    uint16_t left;
    struct reader r = answer_section(d, &left);
    struct record record;

    while (next_record(&r, &left, &d->end, (uint16_t)type, &record)) {
        size_t data_bytes = 0;
        if (!data_is_well_formed(&r, &record, type, &data_bytes))
            return OUTCOME_MALFORMED;
        d->ttl_s = least(d->ttl_s, record.ttl_s);
        if (keeps_next(d, type, data_bytes)) {
            d->data_bytes += data_bytes;
            d->kept++;
        }
        d->found++;
    }
    return OUTCOME_FINE;
}

/* What of a name on the way a host may be called: all of it, or what is behind its odd labels. Only
 * the name at the end must be one that a host can have. */
static struct name hop_name(const struct flat_name *hop)
{
    struct name name = {0};
    size_t at = 0;

    while (at < hop->size && name_from_wire(&name, hop->wire + at, hop->size - at) != NAME_OK)
        at += 1u + hop->wire[at];
    return name;
}

/* Follows the alias at the end of the chain, if there is one. Two different ones at one name make
 * the message worthless: which of them was meant? */
static enum outcome follow_alias(struct digest *d, bool *followed)
{
    uint16_t left;
    struct reader r = answer_section(d, &left);
    struct record record;
    struct flat_name target, other;

    *followed = false;
    while (next_record(&r, &left, &d->end, DNS_CNAME, &record)) {
        if (!data_name(&r, &record, &other, NULL) || (*followed && !flat_equal(&target, &other)))
            return OUTCOME_MALFORMED;
        d->ttl_s = least(d->ttl_s, record.ttl_s);
        target = other;
        *followed = true;
    }
    if (*followed) {
        if (d->aliases > 0)
            d->hops[d->aliases - 1] = hop_name(&d->end);
        d->end = target;
        d->aliases++;
    }
    return OUTCOME_FINE;
}

/* From the name asked along its aliases to the wanted records, or to where there are none. What
 * does not belong to this chain is ignored. */
static enum outcome walk_chain(struct digest *d, enum dns_type type)
{
    bool followed = true;

    if (type == DNS_CNAME) { /* about this one name: its alias is the data */
        enum outcome outcome = follow_alias(d, &followed);
        d->found = d->kept = followed ? 1 : 0;
        return outcome;
    }
    for (unsigned hops = 0; hops <= LIMIT_ALIASES; hops++) {
        enum outcome outcome = find_wanted(d, type);
        if (outcome == OUTCOME_FINE && d->found == 0)
            outcome = follow_alias(d, &followed);
        if (outcome != OUTCOME_FINE || d->found > 0 || !followed)
            return outcome;
    }
    return OUTCOME_ALIASES;
}

/* How long an absence holds: the least of the SOA's TTL and its minimum (DNS-10, RFC 2308 section
 * 5), and of the aliases that led here. Without an SOA of that name's zone, not at all. */
static enum outcome walk_absence(struct digest *d)
{
    struct reader r = d->message;
    uint32_t ttl_s = 0;
    bool timed = false;

    r.at = d->authority_at;
    for (uint16_t i = 0; i < d->authority; i++) {
        struct record record = read_record(&r);
        struct reader at_owner = d->message;
        struct flat_name owner;
        uint32_t minimum_s;
        if (record.type != DNS_SOA || record.class != CLASS_IN)
            continue;
        at_owner.at = record.owner_at;
        read_name(&at_owner, &owner);
        if (!flat_within(&d->end, &owner))
            continue;
        if (!soa_minimum(&r, &record, &minimum_s))
            return OUTCOME_MALFORMED;
        minimum_s = least(minimum_s, record.ttl_s);
        ttl_s = timed ? least(ttl_s, minimum_s) : minimum_s;
        timed = true;
    }
    d->ttl_s = least(d->ttl_s, ttl_s);
    return OUTCOME_FINE;
}

/* --- second walk --- */

static size_t record_bytes(enum dns_type type)
{
    switch (type) {
    case DNS_MX:
        return sizeof(struct dns_mx);
    case DNS_A:
    case DNS_AAAA:
        return sizeof(struct address);
    case DNS_SMIMEA:
    case DNS_TLSA:
        return sizeof(struct dns_tlsa);
    case DNS_TXT:
        return sizeof(struct dns_text);
    case DNS_CNAME:
    case DNS_SOA:
    case DNS_OPENPGPKEY:
        return 0;
    }
    return 0;
}

/* A name that no host can have keeps its text for people, escaped; only usable ones are names. */
static void fill_mx(struct dns_mx *mx, const struct reader *message, const struct record *record)
{
    struct flat_name exchange;

    CHECK(data_name(message, record, &exchange, &mx->preference));
    enum name_status status = name_from_wire(&mx->exchange, exchange.wire, exchange.size);
    mx->usable = status == NAME_OK && mx->exchange.length > 0;
    if (status == NAME_OK)
        return;

    uint8_t text[WIRE_NAME_MAX];
    size_t length = 0;
    for (size_t at = 0; exchange.wire[at] != 0; at += 1u + exchange.wire[at]) {
        if (at > 0)
            text[length++] = '.';
        memcpy(text + length, exchange.wire + at + 1, exchange.wire[at]);
        length += exchange.wire[at];
    }
    mx->exchange.length =
        (uint8_t)log_escape(mx->exchange.text, sizeof mx->exchange.text, text, length);
}

static void fill_address(struct address *address, const struct reader *message,
                         const struct record *record)
{
    address->family = record->data_size == 4 ? 4 : 6;
    memcpy(address->bytes, message->packet + record->data_at, record->data_size);
}

static size_t fill_tlsa(struct dns_tlsa *tlsa, const struct reader *message,
                        const struct record *record, uint8_t *out)
{
    const uint8_t *data = message->packet + record->data_at;
    size_t size = record->data_size;

    tlsa->usage = size > 0 ? data[0] : UINT8_MAX;
    tlsa->selector = size > 1 ? data[1] : UINT8_MAX;
    tlsa->matching_type = size > 2 ? data[2] : UINT8_MAX;
    tlsa->size = (uint16_t)(size > 3 ? size - 3 : 0);
    tlsa->data = out;
    if (tlsa->size > 0)
        memcpy(out, data + 3, tlsa->size);
    return tlsa->size;
}

static size_t fill_text(struct dns_text *text, const struct reader *message,
                        const struct record *record, uint8_t *out)
{
    text->size = (uint16_t)text_join(message, record, out);
    text->data = out;
    return text->size;
}

/* Puts the record into place `index` of the array; returns how many bytes it took of `out`. */
static size_t fill_record(void *array, uint32_t index, enum dns_type type,
                          const struct reader *message, const struct record *record, uint8_t *out)
{
    switch (type) {
    case DNS_MX:
        fill_mx((struct dns_mx *)array + index, message, record);
        return 0;
    case DNS_A:
    case DNS_AAAA:
        fill_address((struct address *)array + index, message, record);
        return 0;
    case DNS_SMIMEA:
    case DNS_TLSA:
        return fill_tlsa((struct dns_tlsa *)array + index, message, record, out);
    case DNS_TXT:
        return fill_text((struct dns_text *)array + index, message, record, out);
    case DNS_CNAME:
    case DNS_SOA:
    case DNS_OPENPGPKEY:
        return 0;
    }
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

/*
 * What is kept when there are too many records: of MX the most preferred, so that what is evaluated
 * is what mail programs use first; of other types the first ones.
 */
struct cut {
    uint32_t below;    /* MX preferences below this are kept, all of them */
    uint32_t at_below; /* … and so many of exactly this one; other types: so many at all */
};

/* Apart from cut_off, because its array of 16 KiB would be touched for every answer. */
__attribute__((noinline)) static struct cut cut_off_mx(const struct digest *d, uint32_t kept)
{
    uint16_t preferences[LIMIT_DNS_RECORDS] = {0}, left;
    uint32_t count = 0, under = 0;
    struct reader r = answer_section(d, &left);
    struct record record;

    while (count < d->found && next_record(&r, &left, &d->end, DNS_MX, &record)) {
        struct reader data = data_reader(&r, &record);
        preferences[count++] = read_u16(&data);
    }
    qsort(preferences, count, sizeof *preferences, compare_numbers);
    while (preferences[under] < preferences[kept - 1])
        under++;
    return (struct cut){.below = preferences[kept - 1], .at_below = kept - under};
}

static struct cut cut_off(const struct digest *d, enum dns_type type)
{
    uint32_t kept = records_kept(type);

    if (type == DNS_MX && d->found > kept)
        return cut_off_mx(d, kept);
    return (struct cut){.at_below = kept};
}

/* Whether this record is among those kept; counts down. */
static bool cut_keeps(struct cut *cut, enum dns_type type, const struct reader *message,
                      const struct record *record)
{
    if (type == DNS_MX && cut->below > 0) {
        struct reader data = data_reader(message, record);
        uint32_t preference = read_u16(&data);
        if (preference != cut->below)
            return preference < cut->below;
    }
    if (cut->at_below == 0)
        return false;
    cut->at_below--;
    return true;
}

static void fill_records(struct dns_answer *answer, const struct digest *d, void *array,
                         uint8_t *data)
{
    uint16_t left;
    struct reader r = answer_section(d, &left);
    struct record record;
    struct cut cut = cut_off(d, answer->type);
    uint32_t index = 0;

    while (index < answer->count &&
           next_record(&r, &left, &d->end, (uint16_t)answer->type, &record)) {
        if (cut_keeps(&cut, answer->type, &r, &record))
            data += fill_record(array, index++, answer->type, &r, &record, data);
    }
    CHECK(index == answer->count);
}

static int compare_tlsa(const void *a, const void *b)
{
    return dns_tlsa_compare(a, b);
}

/* Servers and caches turn sets round; what a probe says of "the second record" holds for whoever
 * asks for the same set later. */
static void order_records(struct dns_answer *answer)
{
    if (answer->type == DNS_TLSA)
        qsort((struct dns_tlsa *)(answer + 1), answer->count, sizeof(struct dns_tlsa),
              compare_tlsa);
}

/* The one allocation: the head, the array, the bytes that the array points into, and the names on
 * the way. NULL: no memory. */
static struct dns_answer *answer_build(const struct digest *d, enum dns_type type)
{
    uint32_t count = d->kept;
    size_t array_bytes = count * record_bytes(type);
    size_t hop_bytes = d->aliases > 1 ? (d->aliases - 1u) * sizeof *d->hops : 0;
    size_t bytes = sizeof(struct dns_answer) + array_bytes + d->data_bytes + hop_bytes;
    struct dns_answer *answer = malloc(bytes);

    CHECK(bytes <= LIMIT_DNS_ANSWER);
    if (!answer)
        return NULL;
    memset(answer, 0, sizeof *answer + array_bytes);
    atomic_init(&answer->references, 1);
    answer->type = type;
    answer->count = (uint16_t)count;
    answer->dropped = (uint16_t)(d->found - count);
    answer->aliases = d->aliases;
    if (array_bytes > 0) {
        answer->mx = (struct dns_mx *)(answer + 1); /* the union: whichever array it is */
        fill_records(answer, d, answer + 1, (uint8_t *)(answer + 1) + array_bytes);
        order_records(answer);
    }
    if (hop_bytes > 0) { /* names are bytes: they stand anywhere */
        void *hops = (uint8_t *)answer + bytes - hop_bytes;
        answer->hops = memcpy(hops, d->hops, hop_bytes);
    }
    return answer;
}

static enum dns_kind kind_of(const struct digest *d, bool secure)
{
    /* Data first: libunbound may say NXDOMAIN with the alias asked for in its hands (DNS-03). */
    if (d->found > 0)
        return secure ? DNS_SECURE_DATA : DNS_INSECURE_DATA;
    if (d->rcode == RCODE_NXDOMAIN)
        return secure ? DNS_SECURE_NXDOMAIN : DNS_INSECURE_NXDOMAIN;
    return secure ? DNS_SECURE_NODATA : DNS_INSECURE_NODATA;
}

static uint32_t clamp_ttl(const struct digest *d, enum dns_type type)
{
    if (d->found > 0) /* DNS-11: zero serves this one use, which takes up to a second */
        return d->ttl_s == 0 ? 1 : least(d->ttl_s, LIMIT_DNS_TTL_S);
    return least(d->ttl_s, type == DNS_TLSA || type == DNS_TXT ? LIMIT_DNS_PROOF_TTL_S
                                                               : LIMIT_DNS_ABSENCE_TTL_S);
}

/* --- the order of DNS-01 --- */

static const char *rcode_name(int rcode)
{
    static const char *const names[] = {"no error",        "FORMERR",  "SERVFAIL", "NXDOMAIN",
                                        "not implemented", "REFUSED",  "YXDOMAIN", "YXRRSET",
                                        "NXRRSET",         "not auth", "not zone"};
    return rcode >= 0 && rcode < (int)(sizeof names / sizeof *names) ? names[rcode] : "odd rcode";
}

static const struct dns_answer *rcode_failure(const struct name *owner, enum dns_type type,
                                              int rcode, uint64_t now_ms)
{
    return dns_answer_failure(owner, type, DNS_TROUBLE_SERVFAIL, (uint8_t)rcode, now_ms,
                              rcode_name(rcode));
}

/* Reads a packet that claims NOERROR or NXDOMAIN, of a reply that is not bogus. */
static const struct dns_answer *packet_read(struct digest *d, const struct name *owner,
                                            enum dns_type type, bool secure, uint64_t now_ms)
{
    struct flat_name asked;
    asked.size = (uint8_t)name_to_wire(owner, asked.wire, sizeof asked.wire);
    d->end = asked;
    d->ttl_s = UINT32_MAX;

    if (!walk_message(d, &asked, type))
        return dns_answer_failure(owner, type, DNS_TROUBLE_MALFORMED, d->rcode, now_ms,
                                  "a message that is not well formed");
    if (d->rcode != RCODE_NONE && d->rcode != RCODE_NXDOMAIN) /* by EDNS */
        return rcode_failure(owner, type, d->rcode, now_ms);
    enum outcome outcome = walk_chain(d, type);
    if (outcome == OUTCOME_FINE && d->found == 0)
        outcome = walk_absence(d);
    if (outcome == OUTCOME_ALIASES)
        return dns_answer_failure(owner, type, DNS_TROUBLE_ALIASES, d->rcode, now_ms,
                                  "an alias loop, or too many aliases");
    if (outcome == OUTCOME_MALFORMED)
        return dns_answer_failure(owner, type, DNS_TROUBLE_MALFORMED, d->rcode, now_ms,
                                  "a record that is not well formed");

    struct dns_answer *answer = answer_build(d, type);
    if (!answer)
        return dns_answer_failure(owner, type, DNS_TROUBLE_OURS, 0, now_ms, "out of memory");
    answer->owner = *owner;
    if (name_from_wire(&answer->canonical, d->end.wire, d->end.size) != NAME_OK) {
        dns_answer_drop(answer);
        return dns_answer_failure(owner, type, DNS_TROUBLE_MALFORMED, d->rcode, now_ms,
                                  "an alias to a name that no host can have");
    }
    answer->kind = kind_of(d, secure);
    answer->rcode = d->rcode;
    answer->ttl_s = clamp_ttl(d, type);
    answer->at_ms = now_ms;
    return answer;
}

const struct dns_answer *dns_message_read(const struct name *owner, enum dns_type type,
                                          const struct dns_reply *reply, uint64_t now_ms)
{
    struct digest d = {.message = {.packet = reply->packet, .size = reply->size}};

    if (reply->security == DNS_SECURITY_BOGUS)
        return dns_answer_failure(owner, type, DNS_TROUBLE_NONE, 0, now_ms,
                                  reply->why_bogus ? reply->why_bogus : "DNSSEC validation failed");
    if (reply->limited)
        return dns_answer_failure(owner, type, DNS_TROUBLE_LIMITED, 0, now_ms, "rate limited");
    if (reply->rcode != RCODE_NONE) /* the packet is rubbish then, whatever it says */
        return rcode_failure(owner, type, reply->rcode, now_ms);
    if (!reply->packet || reply->size < HEADER_BYTES || reply->size > LIMIT_DNS_MESSAGE ||
        !(reply->packet[2] & FLAG_RESPONSE))
        return dns_answer_failure(owner, type, DNS_TROUBLE_MALFORMED, 0, now_ms,
                                  "not an answer at all");
    d.rcode = reply->packet[3] & RCODE_MASK;
    if (d.rcode != RCODE_NONE && d.rcode != RCODE_NXDOMAIN) /* DNS-02; a remembered SERVFAIL */
        return rcode_failure(owner, type, d.rcode, now_ms);
    if (reply->packet[2] & FLAG_TRUNCATED)
        return dns_answer_failure(owner, type, DNS_TROUBLE_MALFORMED, d.rcode, now_ms,
                                  "a truncated message");
    if (reply->security != DNS_SECURITY_SECURE && reply->security != DNS_SECURITY_INSECURE)
        return dns_answer_failure(owner, type, DNS_TROUBLE_OURS, d.rcode, now_ms,
                                  "a security state that is none");
    return packet_read(&d, owner, type, reply->security == DNS_SECURITY_SECURE, now_ms);
}
