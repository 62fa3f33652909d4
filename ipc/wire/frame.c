/*
 * frame.c - one encoder, one decoder, and the rows that tell them what each message holds.
 *
 * Called by ipc/serve, ipc/client and the tests; owns nothing, any thread. The rows are the
 * protocol: a field is added by adding a row with the next free tag of its message, never by
 * changing one. Failure is a return value, whatever the bytes are.
 * Known weakness: a row is found by trying the next one first and then all, which is quick because
 * both sides write fields in row order; a hostile order costs rows times fields, both below 64.
 */
#include "ipc/wire/frame.h"

#include "ipc/wire/recipients.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FIELD_HEADER_BYTES 4
#define FIELDS_MAX         256 /* of one frame, unknown ones included */

enum field_type {
    FIELD_NUMBER, /* 1, 2, 4 or 8 bytes in the struct; a negative one of 8 travels as it is */
    FIELD_TEXT,   /* char[] with NUL in the struct, without NUL on the wire */
    FIELD_PART,   /* const void * and, right behind it, its uint16_t size */
};

struct field {
    uint16_t tag;
    uint8_t type; /* enum field_type */
    bool required;
    uint16_t offset, bytes; /* in the struct */
    uint64_t most;          /* greatest number allowed; bytes of a part */
    const char *name;
};

struct layout {
    uint8_t count;
    uint32_t bytes; /* of the struct; 0: there is no such kind */
    const struct field *fields;
    const char *name;
};

#define BYTES_OF(s, m) sizeof(((struct s *)NULL)->m)
#define ANY            UINT64_MAX

#define NUMBER(tag, s, m, most)                                                             \
    {                                                                                       \
        tag, FIELD_NUMBER, false, (uint16_t)offsetof(struct s, m), BYTES_OF(s, m), most, #m \
    }
#define TEXT(tag, s, m, required)                                                           \
    {                                                                                       \
        tag, FIELD_TEXT, required, (uint16_t)offsetof(struct s, m), BYTES_OF(s, m), ANY, #m \
    }
#define PART(tag, s, m, required, most)                                                      \
    {                                                                                        \
        tag, FIELD_PART, required, (uint16_t)offsetof(struct s, m), BYTES_OF(s, m), most, #m \
    }

static const struct field hello_fields[] = {
    TEXT(1, frame_hello, program, false),
};
static const struct field welcome_fields[] = {
    TEXT(1, frame_welcome, version, false),      NUMBER(2, frame_welcome, rights, ANY),
    NUMBER(3, frame_welcome, requests, ANY),     NUMBER(4, frame_welcome, now_ms, ANY),
    NUMBER(5, frame_welcome, config_epoch, ANY), NUMBER(6, frame_welcome, process, ANY),
    TEXT(7, frame_welcome, table, false),
};
static const struct field question_fields[] = {
    TEXT(1, frame_question, next_hop, true),
    NUMBER(2, frame_question, freshness, FRESHNESS_LIVE),
    NUMBER(3, frame_question, priority, FRAME_SCAN),
    NUMBER(4, frame_question, max_age_ms, ANY),
    NUMBER(5, frame_question, deadline_ms, ANY),
};
static const struct field config_fields[] = {
    NUMBER(1, frame_config, form, CONFIG_SAMPLE),
};
static const struct field verdict_fields[] = {
    TEXT(1, frame_verdict, next_hop, true),
    NUMBER(2, frame_verdict, verdict.class, ANY),
    NUMBER(3, frame_verdict, verdict.level, ANY),
    NUMBER(4, frame_verdict, verdict.conclusion, ANY),
    NUMBER(5, frame_verdict, verdict.cause, ANY),
    NUMBER(6, frame_verdict, verdict.enforce, ANY),
    NUMBER(7, frame_verdict, verdict.flags, ANY),
    NUMBER(8, frame_verdict, verdict.tls_version, ANY),
    NUMBER(9, frame_verdict, verdict.hosts, ANY),
    NUMBER(10, frame_verdict, verdict.hosts_good, ANY),
    NUMBER(11, frame_verdict, verdict.smtp_code, ANY),
    NUMBER(12, frame_verdict, verdict.began_ms, ANY),
    NUMBER(13, frame_verdict, verdict.valid_until_ms, ANY),
    NUMBER(14, frame_verdict, verdict.config_epoch, ANY),
    TEXT(15, frame_verdict, verdict.host, false),
    TEXT(16, frame_verdict, verdict.match, false),
    TEXT(17, frame_verdict, cause, false),
    TEXT(18, frame_verdict, sentence, false),
    TEXT(19, frame_verdict, status_code, false),
    TEXT(20, frame_verdict, policy, false),
    NUMBER(21, frame_verdict, now_ms, ANY),
    NUMBER(22, frame_verdict, ended_wall_s, ANY),
    NUMBER(23, frame_verdict, limited, 1),
    NUMBER(24, frame_verdict, from_table, 1),
    TEXT(25, frame_verdict, verdict.address, false),
    NUMBER(26, frame_verdict, verdict.port, ANY),
};
static const struct field decide_fields[] = {
    TEXT(1, frame_decide, sender, false),
    TEXT(2, frame_decide, sasl, false),
    TEXT(3, frame_decide, recipient, true),
    TEXT(4, frame_decide, next_hop, false),
    TEXT(5, frame_decide, profile, false),
    NUMBER(6, frame_decide, facts, ANY),
    NUMBER(7, frame_decide, accepted_s, ANY),
    NUMBER(8, frame_decide, own_freshness, 1),
    NUMBER(9, frame_decide, freshness, FRESHNESS_LIVE),
    NUMBER(10, frame_decide, max_age_ms, ANY),
    NUMBER(11, frame_decide, deadline_ms, ANY),
    NUMBER(12, frame_decide, explain, 1),
    NUMBER(13, frame_decide, inbound, 1),
    NUMBER(14, frame_decide, client_tls, ANY),
    TEXT(15, frame_decide, client_address, false),
    NUMBER(16, frame_decide, want_keys, 1),
    NUMBER(17, frame_decide, enforced, 1),
};
/* Tags are those of decide, and one for all recipients. */
static const struct field decide_many_fields[] = {
    TEXT(1, frame_decide_many, message.sender, false),
    TEXT(2, frame_decide_many, message.sasl, false),
    TEXT(5, frame_decide_many, message.profile, false),
    NUMBER(6, frame_decide_many, message.facts, ANY),
    NUMBER(7, frame_decide_many, message.accepted_s, ANY),
    NUMBER(8, frame_decide_many, message.own_freshness, 1),
    NUMBER(9, frame_decide_many, message.freshness, FRESHNESS_LIVE),
    NUMBER(10, frame_decide_many, message.max_age_ms, ANY),
    NUMBER(11, frame_decide_many, message.deadline_ms, ANY),
    NUMBER(16, frame_decide_many, message.want_keys, 1),
    NUMBER(17, frame_decide_many, message.enforced, 1),
    PART(18, frame_decide_many, recipients, true, RECIPIENTS_BYTES_MAX),
};
static const struct field answer_fields[] = {
    NUMBER(1, frame_answer, action, ANY),        NUMBER(2, frame_answer, would, ANY),
    NUMBER(3, frame_answer, observed, 1),        NUMBER(4, frame_answer, demand, ANY),
    NUMBER(5, frame_answer, source, ANY),        NUMBER(6, frame_answer, exemption, ANY),
    NUMBER(7, frame_answer, alarm, 1),           NUMBER(8, frame_answer, policy_answer, ANY),
    NUMBER(9, frame_answer, guarantees, ANY),    NUMBER(10, frame_answer, smtp_code, ANY),
    TEXT(11, frame_answer, policy, false),       TEXT(12, frame_answer, code, false),
    TEXT(13, frame_answer, text, false),         TEXT(14, frame_answer, profile, false),
    NUMBER(15, frame_answer, class, ANY),        NUMBER(16, frame_answer, level, ANY),
    NUMBER(17, frame_answer, conclusion, ANY),   NUMBER(18, frame_answer, cause, ANY),
    TEXT(19, frame_answer, host, false),         NUMBER(20, frame_answer, age_ms, ANY),
    NUMBER(21, frame_answer, began_ms, ANY),     NUMBER(22, frame_answer, now_ms, ANY),
    NUMBER(23, frame_answer, limited, 1),        NUMBER(24, frame_answer, from_table, 1),
    NUMBER(25, frame_answer, refuse_at_rcpt, 1), NUMBER(26, frame_answer, openpgp, ANY),
    NUMBER(27, frame_answer, smime, ANY),        NUMBER(28, frame_answer, insecure, 1),
    NUMBER(29, frame_answer, place, ANY),
};
static const struct field order_fields[] = {
    NUMBER(1, frame_order_request, order, ANY),
    TEXT(2, frame_order_request, name, false),
    TEXT(3, frame_order_request, domain, false),
    TEXT(4, frame_order_request, profile, false),
    NUMBER(5, frame_order_request, level, LEVEL_AUTHENTICATED),
    NUMBER(6, frame_order_request, until_s, ANY),
    TEXT(7, frame_order_request, after, false),
    NUMBER(8, frame_order_request, most, ANY),
    TEXT(9, frame_order_request, reason, false),
    TEXT(10, frame_order_request, text, false),
};
static const struct field observe_fields[] = {
    TEXT(1, frame_observe, domain, false),
    TEXT(2, frame_observe, host, true),
    TEXT(3, frame_observe, address, true),
    NUMBER(4, frame_observe, port, ANY),
    NUMBER(5, frame_observe, tls_version, ANY),
    TEXT(6, frame_observe, cipher, false),
    NUMBER(7, frame_observe, trust, OBSERVED_VERIFIED),
    NUMBER(8, frame_observe, delivered_s, ANY),
    TEXT(9, frame_observe, key_sha256, false),
};
static const struct field document_fields[] = {
    NUMBER(1, frame_document, form, ANY),
    NUMBER(2, frame_document, size, FRAME_DOCUMENT_MAX),
    PART(3, frame_document, part, false, FRAME_DOCUMENT_PART),
};
static const struct field done_fields[] = {
    TEXT(1, frame_done, sentence, false),
};
static const struct field fault_fields[] = {
    NUMBER(1, frame_fault, code, ANY),     NUMBER(2, frame_fault, kind, ANY),
    NUMBER(3, frame_fault, retry_ms, ANY), TEXT(4, frame_fault, sentence, false),
    NUMBER(5, frame_fault, place, ANY),
};

#define LAYOUT(kind, s, f, name) [kind] = {sizeof f / sizeof f[0], sizeof(struct s), f, name}
static const struct layout layouts[UINT8_MAX + 1] = {
    LAYOUT(FRAME_HELLO, frame_hello, hello_fields, "hello"),
    LAYOUT(FRAME_CHECK, frame_question, question_fields, "check"),
    LAYOUT(FRAME_EXPLAIN, frame_question, question_fields, "explain"),
    [FRAME_STATUS] = {0, sizeof(struct frame_empty), NULL, "status"},
    [FRAME_RELOAD] = {0, sizeof(struct frame_empty), NULL, "reload"},
    LAYOUT(FRAME_CONFIG, frame_config, config_fields, "config"),
    LAYOUT(FRAME_DECIDE, frame_decide, decide_fields, "decide"),
    LAYOUT(FRAME_DECIDE_MANY, frame_decide_many, decide_many_fields, "decide-many"),
    LAYOUT(FRAME_ORDER, frame_order_request, order_fields, "order"),
    LAYOUT(FRAME_OBSERVE, frame_observe, observe_fields, "observe"),
    LAYOUT(FRAME_WELCOME, frame_welcome, welcome_fields, "welcome"),
    LAYOUT(FRAME_VERDICT, frame_verdict, verdict_fields, "verdict"),
    LAYOUT(FRAME_DOCUMENT, frame_document, document_fields, "document"),
    LAYOUT(FRAME_DONE, frame_done, done_fields, "done"),
    LAYOUT(FRAME_ANSWER, frame_answer, answer_fields, "answer"),
    LAYOUT(FRAME_ERROR, frame_fault, fault_fields, "error"),
};

static_assert(sizeof verdict_fields / sizeof verdict_fields[0] < 64, "seen fields are one word");
static_assert(sizeof(enum tls_class) <= 8, "enums are numbers of at most 8 bytes");
static_assert(offsetof(struct frame_document, part_size) ==
                  offsetof(struct frame_document, part) + sizeof(void *),
              "a part's size stands right behind its pointer");
static_assert(offsetof(struct frame_decide_many, recipients_size) ==
                  offsetof(struct frame_decide_many, recipients) + sizeof(void *),
              "also that of the recipients");
static_assert(sizeof(struct frame_decide_many) + RECIPIENTS_BYTES_MAX +
                      sizeof decide_many_fields / sizeof decide_many_fields[0] *
                          FIELD_HEADER_BYTES <=
                  FRAME_REQUEST_MAX,
              "and many recipients fit into a frame");
static_assert(FRAME_DOCUMENT_PART + 64 <= FRAME_ANSWER_MAX, "a part fits into a frame");
static_assert(FRAME_NEXT_HOP_MAX + 64 <= FRAME_REQUEST_MAX, "a question fits into a frame");
static_assert(sizeof(struct frame_order_request) +
                      sizeof order_fields / sizeof order_fields[0] * FIELD_HEADER_BYTES <=
                  FRAME_REQUEST_MAX,
              "an order fits into a frame");
static_assert(sizeof(struct frame_decide) +
                      sizeof decide_fields / sizeof decide_fields[0] * FIELD_HEADER_BYTES <=
                  FRAME_REQUEST_MAX,
              "so does a message to be decided");

static_assert(sizeof(struct frame_observe) + 16 * FIELD_HEADER_BYTES <= FRAME_REQUEST_MAX,
              "and a delivery");

static const struct layout *layout_find(uint8_t kind)
{
    return layouts[kind].bytes > 0 ? &layouts[kind] : NULL;
}

/* The machine's own form is the wire's: mxward runs on little endian machines only. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they are");

/* Numbers have 1, 2, 4 or 8 bytes, in structs and on the wire. */
static uint64_t little_read(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;

    switch (size) {
    case 1:
        return *bytes;
    case 2:
        memcpy(&value, bytes, 2);
        break;
    case 4:
        memcpy(&value, bytes, 4);
        break;
    default:
        memcpy(&value, bytes, 8);
        break;
    }
    return value;
}

static void little_write(uint8_t *bytes, size_t size, uint64_t value)
{
    switch (size) {
    case 1:
        *bytes = (uint8_t)value;
        break;
    case 2:
        memcpy(bytes, &value, 2);
        break;
    case 4:
        memcpy(bytes, &value, 4);
        break;
    default:
        memcpy(bytes, &value, 8);
        break;
    }
}

enum frame_status frame_take(struct frame *frame, const uint8_t *bytes, size_t size, size_t most,
                             size_t *used)
{
    uint64_t whole;

    if (size < 4)
        return FRAME_MORE;
    whole = little_read(bytes, 4);
    if (whole < FRAME_HEADER_BYTES || whole > most)
        return FRAME_LOST;
    if (size < whole)
        return FRAME_MORE;
    frame->version = bytes[4];
    frame->kind = bytes[5];
    frame->flags = (uint16_t)little_read(bytes + 6, 2);
    frame->id = little_read(bytes + 8, 8);
    frame->body = bytes + FRAME_HEADER_BYTES;
    frame->size = whole - FRAME_HEADER_BYTES;
    *used = whole;
    return FRAME_WHOLE;
}

/* --- encoding --- */

struct writer {
    uint8_t *out;
    size_t size, used;
    bool failed;
};

static void write_field(struct writer *w, uint16_t tag, const void *bytes, size_t size)
{
    if (w->failed || size > UINT16_MAX || w->size - w->used < FIELD_HEADER_BYTES + size) {
        w->failed = true;
        return;
    }
    little_write(w->out + w->used, 2, tag);
    little_write(w->out + w->used + 2, 2, size);
    memcpy(w->out + w->used + FIELD_HEADER_BYTES, bytes, size);
    w->used += FIELD_HEADER_BYTES + size;
}

static void write_number(struct writer *w, const struct field *field, const uint8_t *member)
{
    const uint64_t value = little_read(member, field->bytes);
    const size_t width = value > UINT32_MAX   ? 8
                         : value > UINT16_MAX ? 4
                         : value > UINT8_MAX  ? 2
                                              : 1;

    if (value > field->most)
        w->failed = true;
    if (value != 0)
        write_field(w, field->tag, &value, width); /* its low bytes come first */
}

static void write_text(struct writer *w, const struct field *field, const uint8_t *member)
{
    const uint8_t *end = memchr(member, 0, field->bytes);

    if (!end || (field->required && end == member))
        w->failed = true;
    else if (end != member)
        write_field(w, field->tag, member, (size_t)(end - member));
}

static void write_part(struct writer *w, const struct field *field, const uint8_t *member)
{
    const void *part;
    uint16_t size;

    memcpy(&part, member, sizeof part);
    memcpy(&size, member + sizeof part, sizeof size);
    if (size > field->most || (field->required && size == 0))
        w->failed = true;
    if (size)
        write_field(w, field->tag, part, size);
}

size_t frame_encode(void *out, size_t size, uint8_t kind, uint16_t flags, uint64_t id,
                    const void *message)
{
    const struct layout *layout = layout_find(kind);
    struct writer w = {.out = out, .size = size, .used = FRAME_HEADER_BYTES};

    if (!layout || size < FRAME_HEADER_BYTES)
        return 0;
    for (unsigned i = 0; i < layout->count && !w.failed; i++) {
        const struct field *field = &layout->fields[i];
        const uint8_t *member = (const uint8_t *)message + field->offset;

        if (field->type == FIELD_TEXT)
            write_text(&w, field, member);
        else if (field->type == FIELD_PART)
            write_part(&w, field, member);
        else
            write_number(&w, field, member);
    }
    if (w.failed)
        return 0;
    little_write(w.out, 4, w.used);
    w.out[4] = FRAME_VERSION;
    w.out[5] = kind;
    little_write(w.out + 6, 2, flags);
    little_write(w.out + 8, 8, id);
    return w.used;
}

/* --- decoding --- */

static bool fault(char *why, const char *what, const char *name, unsigned tag)
{
    if (why && name)
        snprintf(why, FRAME_SENTENCE_MAX, "field %s (tag %u) %s", name, tag, what);
    else if (why)
        snprintf(why, FRAME_SENTENCE_MAX, "field with tag %u %s", tag, what);
    return false;
}

static bool read_number(const struct field *field, uint8_t *member, const uint8_t *bytes,
                        size_t size, char *why)
{
    uint64_t value;

    if (size != 1 && size != 2 && size != 4 && size != 8)
        return fault(why, "is not a number of 1, 2, 4 or 8 bytes", field->name, field->tag);
    value = little_read(bytes, size);
    if (value > field->most || (field->bytes < 8 && value >> (8 * field->bytes)))
        return fault(why, "is greater than allowed", field->name, field->tag);
    little_write(member, field->bytes, value);
    return true;
}

static bool read_text(const struct field *field, uint8_t *member, const uint8_t *bytes, size_t size,
                      char *why)
{
    if (size >= field->bytes)
        return fault(why, "is too long", field->name, field->tag);
    if (memchr(bytes, 0, size))
        return fault(why, "has a NUL in it", field->name, field->tag);
    memcpy(member, bytes, size);
    member[size] = 0;
    return true;
}

static bool read_field(const struct field *field, uint8_t *message, const uint8_t *bytes,
                       size_t size, char *why)
{
    uint8_t *member = message + field->offset;
    uint16_t part_size = (uint16_t)size;

    if (field->type == FIELD_TEXT)
        return read_text(field, member, bytes, size, why);
    if (field->type != FIELD_PART)
        return read_number(field, member, bytes, size, why);
    if (size > field->most)
        return fault(why, "is too long", field->name, field->tag);
    memcpy(member, &bytes, sizeof bytes);
    memcpy(member + sizeof bytes, &part_size, sizeof part_size);
    return true;
}

/* The row for `tag`, looking from `hint` on and around; count: there is none. */
static unsigned row_find(const struct layout *layout, uint16_t tag, unsigned hint)
{
    for (unsigned i = 0; i < layout->count; i++) {
        unsigned row = (hint + i) % layout->count;

        if (layout->fields[row].tag == tag)
            return row;
    }
    return layout->count;
}

static bool is_absent(const struct field *field, const uint8_t *message)
{
    uint16_t part_size;

    if (field->type != FIELD_PART)
        return message[field->offset] == 0;
    memcpy(&part_size, message + field->offset + sizeof(void *), sizeof part_size);
    return part_size == 0;
}

static bool required_are_there(const struct layout *layout, const uint8_t *message, char *why)
{
    for (unsigned i = 0; i < layout->count; i++)
        if (layout->fields[i].required && is_absent(&layout->fields[i], message))
            return fault(why, "is missing", layout->fields[i].name, layout->fields[i].tag);
    return true;
}

static bool decode_fields(const struct layout *layout, uint8_t *message, const struct frame *frame,
                          char *why)
{
    uint64_t seen = 0;
    size_t at = 0;
    unsigned fields = 0, hint = 0;

    while (at < frame->size) {
        uint16_t tag, size;
        unsigned row;

        if (++fields > FIELDS_MAX || frame->size - at < FIELD_HEADER_BYTES)
            return fault(why, "is cut off, or one field too many", NULL, 0);
        tag = (uint16_t)little_read(frame->body + at, 2);
        size = (uint16_t)little_read(frame->body + at + 2, 2);
        at += FIELD_HEADER_BYTES;
        if (frame->size - at < size)
            return fault(why, "reaches beyond its frame", NULL, tag);
        row = row_find(layout, tag, hint);
        if (row == layout->count && tag >= FRAME_TAG_CRITICAL)
            return fault(why, "is not known here and must be", NULL, tag);
        if (row < layout->count) {
            if (seen >> row & 1)
                return fault(why, "is there twice", layout->fields[row].name, tag);
            seen |= 1ull << row;
            hint = row + 1;
            if (!read_field(&layout->fields[row], message, frame->body + at, size, why))
                return false;
        }
        at += size;
    }
    return required_are_there(layout, message, why);
}

bool frame_decode(void *message, const struct frame *frame, char *why)
{
    const struct layout *layout = layout_find(frame->kind);

    if (frame->version != FRAME_VERSION || !layout) {
        if (why)
            snprintf(why, FRAME_SENTENCE_MAX, "version %u, kind %u is not spoken here",
                     (unsigned)frame->version, (unsigned)frame->kind);
        return false;
    }
    memset(message, 0, layout->bytes);
    return decode_fields(layout, message, frame, why);
}

size_t frame_number_place(const void *frame, size_t size, size_t member)
{
    const uint8_t *bytes = frame;
    const struct layout *layout = layout_find(bytes[5]);
    size_t at = FRAME_HEADER_BYTES;
    unsigned row = 0;

    while (row < layout->count && layout->fields[row].offset != member)
        row++;
    while (row < layout->count && at < size) {
        const size_t field_bytes = little_read(bytes + at + 2, 2);

        if (little_read(bytes + at, 2) == layout->fields[row].tag)
            return field_bytes == 8 ? at + FIELD_HEADER_BYTES : 0;
        at += FIELD_HEADER_BYTES + field_bytes;
    }
    return 0;
}

size_t frame_field_bytes(const void *frame, size_t size, size_t at)
{
    size_t bytes;

    if (at > size || size - at < FIELD_HEADER_BYTES)
        return 0;
    bytes = FIELD_HEADER_BYTES + little_read((const uint8_t *)frame + at + FRAME_TAG_BYTES, 2);
    return bytes <= size - at ? bytes : 0;
}

size_t frame_bytes_max(uint8_t kind)
{
    const struct layout *layout = layout_find(kind);
    size_t bytes = FRAME_HEADER_BYTES;

    if (!layout)
        return 0;
    for (unsigned i = 0; i < layout->count; i++) {
        const struct field *field = &layout->fields[i];
        size_t most = field->type == FIELD_TEXT   ? field->bytes - 1u
                      : field->type == FIELD_PART ? field->most
                                                  : 8;

        bytes += FIELD_HEADER_BYTES + most;
    }
    return bytes;
}

size_t frame_struct_bytes(uint8_t kind)
{
    const struct layout *layout = layout_find(kind);

    return layout ? layout->bytes : 0;
}

/* --- words --- */

const char *frame_kind_name(uint8_t kind)
{
    const struct layout *layout = layout_find(kind);

    return layout ? layout->name : "?";
}

const char *frame_error_name(uint8_t code)
{
    static const char *const names[] = {
        [FRAME_ERROR_NONE] = "none",
        [FRAME_ERROR_MALFORMED] = "malformed",
        [FRAME_ERROR_LOST] = "framing-lost",
        [FRAME_ERROR_VERSION] = "version",
        [FRAME_ERROR_KIND] = "kind",
        [FRAME_ERROR_NAME] = "invalid-name",
        [FRAME_ERROR_NOT_PERMITTED] = "not-permitted",
        [FRAME_ERROR_BUSY] = "busy",
        [FRAME_ERROR_LATE] = "late",
        [FRAME_ERROR_OURS] = "ours",
        [FRAME_ERROR_CONFIGURATION] = "configuration",
        [FRAME_ERROR_ABSENT] = "absent",
    };

    return code < sizeof names / sizeof names[0] ? names[code] : "error";
}

const char *frame_conclusion_name(unsigned conclusion)
{
    static const char *const names[] = {
        [CONCLUSION_DEFINITE] = "definite",
        [CONCLUSION_INCONCLUSIVE] = "inconclusive",
        [CONCLUSION_TEMPORARY] = "temporary",
        [CONCLUSION_UNDELIVERABLE] = "undeliverable",
    };

    return conclusion < sizeof names / sizeof names[0] ? names[conclusion] : "?";
}

const char *frame_enforce_name(unsigned enforce)
{
    static const char *const names[] = {
        [ENFORCE_NOTHING] = "nothing",     [ENFORCE_ENCRYPT] = "encrypt",
        [ENFORCE_DANE] = "dane",           [ENFORCE_DANE_ONLY] = "dane-only",
        [ENFORCE_SECURE_MATCH] = "secure", [ENFORCE_DANE_ELSE_ENCRYPT] = "dane-else-encrypt",
    };

    return enforce < sizeof names / sizeof names[0] ? names[enforce] : "?";
}

const char *frame_tls_name(unsigned version)
{
    switch (version) {
    case 0:
        return "";
    case 0x0002:
        return "SSLv2";
    case 0x0300:
        return "SSLv3";
    case 0x0301:
        return "TLSv1";
    case 0x0302:
        return "TLSv1.1";
    case 0x0303:
        return "TLSv1.2";
    case 0x0304:
        return "TLSv1.3";
    default:
        return "?";
    }
}

const char *frame_flag_name(unsigned index, uint32_t *bit)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } flags[] = {
        {VERDICT_MX_SECURE, "mx-secure"},
        {VERDICT_IMPLICIT_MX, "implicit-mx"},
        {VERDICT_ALL_HOSTS_DANE, "all-hosts-dane"},
        {VERDICT_SOME_HOSTS_DANE, "some-hosts-dane"},
        {VERDICT_HOSTS_CUT, "hosts-cut"},
        {VERDICT_REQUIRETLS_ALL, "requiretls-all"},
        {VERDICT_REQUIRETLS_SOME, "requiretls-some"},
        {VERDICT_MIXED, "mixed"},
        {VERDICT_POSTFIX_UNSAFE_TLSA, "postfix-unsafe-tlsa"},
        {VERDICT_TLS13_ALL, "tls13-all"},
        {VERDICT_TLS12_ONLY_SOME, "tls12-only-some"},
        {VERDICT_SOME_HOSTS_FAIL_DANE, "some-hosts-fail-dane"},
        {VERDICT_TLSA_UNKNOWN_SOME, "tlsa-unknown-some"},
        {VERDICT_ALL_HOSTS_TLSA, "all-hosts-tlsa"},
        {VERDICT_SOME_HOSTS_TLSA, "some-hosts-tlsa"},
        {VERDICT_RESUMED, "resumed"},
    };

    if (index >= sizeof flags / sizeof flags[0])
        return NULL;
    *bit = flags[index].bit;
    return flags[index].name;
}
