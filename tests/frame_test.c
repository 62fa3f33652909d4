/*
 * frame_test.c - the native socket's frames and the JSON writer, as pure functions.
 *
 * Round trips of random messages of every kind, every cut and every flipped bit of a frame, and the
 * bounds. Random numbers come from a fixed seed, so a failure can be repeated.
 */
#include "ipc/wire/frame.h"
#include "ipc/wire/recipients.h"
#include "ipc/wire/json.h"
#include "shm/sentence.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t kinds[] = {FRAME_HELLO,    FRAME_CHECK,  FRAME_EXPLAIN, FRAME_STATUS,
                                FRAME_RELOAD,   FRAME_CONFIG, FRAME_WELCOME, FRAME_VERDICT,
                                FRAME_DOCUMENT, FRAME_DONE,   FRAME_ERROR,   FRAME_DECIDE,
                                FRAME_ORDER,    FRAME_ANSWER, FRAME_OBSERVE, FRAME_DECIDE_MANY};
#define KINDS (sizeof kinds / sizeof kinds[0])

union message {
    struct frame_hello hello;
    struct frame_welcome welcome;
    struct frame_question question;
    struct frame_empty empty;
    struct frame_config config;
    struct frame_verdict verdict;
    struct frame_document document;
    struct frame_done done;
    struct frame_fault fault;
    struct frame_decide decide;
    struct frame_decide_many many;
    struct frame_order_request order;
    struct frame_answer answer;
    struct frame_observe observe;
};

static uint64_t seed = 0x2545f4914f6cdd1dull;

static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* 0 often, and all widths. */
static uint64_t random_number(uint64_t most)
{
    uint64_t value = random_next() % 4 ? random_next() >> (random_next() % 64) : 0;

    return most == UINT64_MAX ? value : value % (most + 1);
}

static void random_text(char *text, size_t size, bool required)
{
    size_t length = random_next() % 3 == 0 ? size - 1 : random_next() % size;

    if (required && length == 0)
        length = 1;
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(1 + random_next() % 255);
    text[length] = 0;
}

static void random_verdict(struct frame_verdict *v)
{
    v->verdict.class = (enum tls_class)random_number(7);
    v->verdict.level = (enum level)random_number(5);
    v->verdict.conclusion = (enum conclusion)random_number(3);
    v->verdict.cause = (enum cause)random_number(CAUSE_COUNT - 1);
    v->verdict.enforce = (enum enforce)random_number(4);
    v->verdict.flags = (uint32_t)random_number(UINT32_MAX);
    v->verdict.tls_version = (uint16_t)random_number(UINT16_MAX);
    v->verdict.hosts = (uint8_t)random_number(UINT8_MAX);
    v->verdict.hosts_good = (uint8_t)random_number(UINT8_MAX);
    v->verdict.smtp_code = (uint16_t)random_number(UINT16_MAX);
    v->verdict.began_ms = random_number(UINT64_MAX);
    v->verdict.valid_until_ms = random_number(UINT64_MAX);
    v->verdict.config_epoch = (uint32_t)random_number(UINT32_MAX);
    random_text(v->verdict.host, sizeof v->verdict.host, false);
    random_text(v->verdict.match, sizeof v->verdict.match, false);
    random_text(v->verdict.address, sizeof v->verdict.address, false);
    v->verdict.port = (uint16_t)random_number(UINT16_MAX);
    random_text(v->next_hop, sizeof v->next_hop, true);
    random_text(v->cause, sizeof v->cause, false);
    random_text(v->sentence, sizeof v->sentence, false);
    random_text(v->status_code, sizeof v->status_code, false);
    random_text(v->policy, sizeof v->policy, false);
    v->now_ms = random_number(UINT64_MAX);
    v->ended_wall_s = (int64_t)random_number(UINT64_MAX);
    v->limited = random_number(1);
    v->from_table = random_number(1);
}

static void random_decide(struct frame_decide *d)
{
    random_text(d->sender, sizeof d->sender, false);
    random_text(d->sasl, sizeof d->sasl, false);
    random_text(d->recipient, sizeof d->recipient, true);
    random_text(d->next_hop, sizeof d->next_hop, false);
    random_text(d->profile, sizeof d->profile, false);
    d->facts = (uint32_t)random_number(UINT32_MAX);
    d->accepted_s = (int64_t)random_number(UINT64_MAX);
    d->own_freshness = (uint8_t)random_number(1);
    d->freshness = (uint8_t)random_number(FRESHNESS_LIVE);
    d->max_age_ms = (uint32_t)random_number(UINT32_MAX);
    d->deadline_ms = (uint32_t)random_number(UINT32_MAX);
    d->explain = (uint8_t)random_number(1);
    d->inbound = (uint8_t)random_number(1);
    d->client_tls = (uint16_t)random_number(UINT16_MAX);
    random_text(d->client_address, sizeof d->client_address, false);
    d->want_keys = (uint8_t)random_number(1);
    d->enforced = (uint8_t)random_number(1);
}

/* What is of one recipient, and of mail that comes in, is not in it. */
static void random_many(struct frame_decide_many *m)
{
    static const char recipients[RECIPIENTS_BYTES_MAX] = "any bytes";

    random_decide(&m->message);
    memset(m->message.recipient, 0, sizeof m->message.recipient);
    memset(m->message.next_hop, 0, sizeof m->message.next_hop);
    memset(m->message.client_address, 0, sizeof m->message.client_address);
    m->message.explain = m->message.inbound = 0;
    m->message.client_tls = 0;
    m->recipients = recipients;
    m->recipients_size = (uint16_t)(1 + random_number(RECIPIENTS_BYTES_MAX - 1));
}

static void random_answer(struct frame_answer *a)
{
    a->place = (uint16_t)random_number(UINT16_MAX);
    a->action = (uint8_t)random_number(2);
    a->would = (uint8_t)random_number(2);
    a->observed = (uint8_t)random_number(1);
    a->demand = (uint8_t)random_number(UINT8_MAX);
    a->source = (uint8_t)random_number(UINT8_MAX);
    a->exemption = (uint8_t)random_number(UINT8_MAX);
    a->alarm = (uint8_t)random_number(1);
    a->policy_answer = (uint8_t)random_number(UINT8_MAX);
    a->guarantees = (uint8_t)random_number(UINT8_MAX);
    a->smtp_code = (uint16_t)random_number(UINT16_MAX);
    random_text(a->policy, sizeof a->policy, false);
    random_text(a->code, sizeof a->code, false);
    random_text(a->text, sizeof a->text, false);
    random_text(a->profile, sizeof a->profile, false);
    a->class = (uint8_t)random_number(UINT8_MAX);
    a->level = (uint8_t)random_number(UINT8_MAX);
    a->conclusion = (uint8_t)random_number(UINT8_MAX);
    a->cause = (uint16_t)random_number(UINT16_MAX);
    random_text(a->host, sizeof a->host, false);
    a->age_ms = random_number(UINT64_MAX);
    a->began_ms = random_number(UINT64_MAX);
    a->now_ms = random_number(UINT64_MAX);
    a->limited = random_number(1);
    a->openpgp = (uint8_t)random_number(UINT8_MAX);
    a->smime = (uint8_t)random_number(UINT8_MAX);
    a->from_table = random_number(1);
    a->refuse_at_rcpt = random_number(1);
    a->insecure = random_number(1);
}

static void random_order(struct frame_order_request *o)
{
    o->order = (uint8_t)random_number(UINT8_MAX);
    random_text(o->name, sizeof o->name, false);
    random_text(o->domain, sizeof o->domain, false);
    random_text(o->profile, sizeof o->profile, false);
    o->level = (uint8_t)random_number(LEVEL_AUTHENTICATED);
    o->until_s = (int64_t)random_number(UINT64_MAX);
    random_text(o->after, sizeof o->after, false);
    o->most = (uint32_t)random_number(UINT32_MAX);
    random_text(o->reason, sizeof o->reason, false);
    random_text(o->text, sizeof o->text, false);
}

static void random_observe(struct frame_observe *m)
{
    random_text(m->domain, sizeof m->domain, false);
    random_text(m->host, sizeof m->host, true);
    random_text(m->address, sizeof m->address, true);
    random_text(m->cipher, sizeof m->cipher, false);
    random_text(m->key_sha256, sizeof m->key_sha256, false);
    m->port = (uint16_t)random_number(UINT16_MAX);
    m->tls_version = (uint16_t)random_number(UINT16_MAX);
    m->trust = (uint8_t)random_number(OBSERVED_VERIFIED);
    m->delivered_s = (int64_t)random_number(UINT64_MAX);
}

static void random_message(uint8_t kind, union message *m)
{
    static uint8_t part[FRAME_DOCUMENT_PART];

    memset(m, 0, sizeof *m);
    switch (kind) {
    case FRAME_HELLO:
        random_text(m->hello.program, sizeof m->hello.program, false);
        break;
    case FRAME_CHECK:
    case FRAME_EXPLAIN:
        random_text(m->question.next_hop, sizeof m->question.next_hop, true);
        m->question.freshness = (uint8_t)random_number(FRESHNESS_LIVE);
        m->question.priority = (uint8_t)random_number(FRAME_SCAN);
        m->question.max_age_ms = (uint32_t)random_number(UINT32_MAX);
        m->question.deadline_ms = (uint32_t)random_number(UINT32_MAX);
        break;
    case FRAME_CONFIG:
        m->config.form = (uint8_t)random_number(CONFIG_SAMPLE);
        break;
    case FRAME_WELCOME:
        random_text(m->welcome.version, sizeof m->welcome.version, false);
        m->welcome.rights = (uint32_t)random_number(7);
        m->welcome.requests = (uint32_t)random_number(UINT32_MAX);
        m->welcome.now_ms = random_number(UINT64_MAX);
        m->welcome.config_epoch = (uint32_t)random_number(UINT32_MAX);
        m->welcome.process = (uint32_t)random_number(UINT32_MAX);
        random_text(m->welcome.table, sizeof m->welcome.table, false);
        break;
    case FRAME_VERDICT:
        random_verdict(&m->verdict);
        break;
    case FRAME_DOCUMENT:
        m->document.form = (uint8_t)random_number(1);
        m->document.part_size = (uint16_t)random_number(FRAME_DOCUMENT_PART);
        m->document.part = m->document.part_size ? part : NULL;
        m->document.size = (uint32_t)random_number(FRAME_DOCUMENT_MAX);
        break;
    case FRAME_DECIDE:
        random_decide(&m->decide);
        break;
    case FRAME_DECIDE_MANY:
        random_many(&m->many);
        break;
    case FRAME_ANSWER:
        random_answer(&m->answer);
        break;
    case FRAME_ORDER:
        random_order(&m->order);
        break;
    case FRAME_OBSERVE:
        random_observe(&m->observe);
        break;
    case FRAME_DONE:
        random_text(m->done.sentence, sizeof m->done.sentence, false);
        break;
    case FRAME_ERROR:
        m->fault.code = (uint8_t)random_number(UINT8_MAX);
        m->fault.kind = (uint8_t)random_number(UINT8_MAX);
        m->fault.place = (uint16_t)random_number(UINT16_MAX);
        m->fault.retry_ms = (uint32_t)random_number(UINT32_MAX);
        random_text(m->fault.sentence, sizeof m->fault.sentence, false);
        break;
    default:
        break;
    }
}

/* Of structs that were zero before they were filled: padding is the same, too. */
static bool same_bytes(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

static bool same_message(uint8_t kind, const union message *a, const union message *b)
{
    if (kind == FRAME_DOCUMENT)
        return a->document.form == b->document.form && a->document.size == b->document.size &&
               a->document.part_size == b->document.part_size &&
               (a->document.part_size == 0 ||
                memcmp(a->document.part, b->document.part, a->document.part_size) == 0);
    if (kind == FRAME_DECIDE_MANY)
        return same_bytes(&a->many.message, &b->many.message, sizeof a->many.message) &&
               a->many.recipients_size == b->many.recipients_size &&
               memcmp(a->many.recipients, b->many.recipients, a->many.recipients_size) == 0;
    if (kind != FRAME_VERDICT)
        return memcmp(a, b, frame_struct_bytes(kind)) == 0;
    return a->verdict.verdict.class == b->verdict.verdict.class &&
           a->verdict.verdict.level == b->verdict.verdict.level &&
           a->verdict.verdict.conclusion == b->verdict.verdict.conclusion &&
           a->verdict.verdict.cause == b->verdict.verdict.cause &&
           a->verdict.verdict.enforce == b->verdict.verdict.enforce &&
           a->verdict.verdict.flags == b->verdict.verdict.flags &&
           a->verdict.verdict.tls_version == b->verdict.verdict.tls_version &&
           a->verdict.verdict.hosts == b->verdict.verdict.hosts &&
           a->verdict.verdict.hosts_good == b->verdict.verdict.hosts_good &&
           a->verdict.verdict.smtp_code == b->verdict.verdict.smtp_code &&
           a->verdict.verdict.began_ms == b->verdict.verdict.began_ms &&
           a->verdict.verdict.valid_until_ms == b->verdict.verdict.valid_until_ms &&
           a->verdict.verdict.config_epoch == b->verdict.verdict.config_epoch &&
           strcmp(a->verdict.verdict.host, b->verdict.verdict.host) == 0 &&
           strcmp(a->verdict.verdict.match, b->verdict.verdict.match) == 0 &&
           strcmp(a->verdict.verdict.address, b->verdict.verdict.address) == 0 &&
           a->verdict.verdict.port == b->verdict.verdict.port &&
           strcmp(a->verdict.next_hop, b->verdict.next_hop) == 0 &&
           strcmp(a->verdict.cause, b->verdict.cause) == 0 &&
           strcmp(a->verdict.sentence, b->verdict.sentence) == 0 &&
           strcmp(a->verdict.status_code, b->verdict.status_code) == 0 &&
           strcmp(a->verdict.policy, b->verdict.policy) == 0 &&
           a->verdict.now_ms == b->verdict.now_ms &&
           a->verdict.ended_wall_s == b->verdict.ended_wall_s &&
           a->verdict.limited == b->verdict.limited &&
           a->verdict.from_table == b->verdict.from_table;
}

START_TEST(every_message_comes_back_as_it_was_sent)
{
    static uint8_t bytes[FRAME_REQUEST_MAX];

    for (int round = 0; round < 2000; round++) {
        uint8_t kind = kinds[(size_t)round % KINDS];
        uint64_t id = random_next();
        union message sent, got;
        struct frame frame;
        size_t size, used = 0;
        char why[FRAME_SENTENCE_MAX] = "";

        random_message(kind, &sent);
        size = frame_encode(bytes, sizeof bytes, kind, FRAME_GOES_ON, id, &sent);
        ck_assert_uint_gt(size, 0);
        ck_assert_uint_le(size, frame_bytes_max(kind));
        ck_assert_int_eq(frame_take(&frame, bytes, size, FRAME_REQUEST_MAX, &used), FRAME_WHOLE);
        ck_assert_uint_eq(used, size);
        ck_assert_uint_eq(frame.id, id);
        ck_assert_uint_eq(frame.flags, FRAME_GOES_ON);
        ck_assert_msg(frame_decode(&got, &frame, why), "%s: %s", frame_kind_name(kind), why);
        ck_assert_msg(same_message(kind, &sent, &got), "%s differs", frame_kind_name(kind));
    }
}
END_TEST

START_TEST(what_is_not_whole_is_waited_for)
{
    uint8_t bytes[FRAME_REQUEST_MAX];
    struct frame_question question = {.next_hop = "example.org"};
    size_t size = frame_encode(bytes, sizeof bytes, FRAME_CHECK, 0, 7, &question), used;
    struct frame frame;

    for (size_t part = 0; part < size; part++)
        ck_assert_int_eq(frame_take(&frame, bytes, part, FRAME_REQUEST_MAX, &used), FRAME_MORE);
    ck_assert_int_eq(frame_take(&frame, bytes, size, FRAME_REQUEST_MAX, &used), FRAME_WHOLE);
}
END_TEST

START_TEST(a_size_out_of_bounds_loses_the_framing)
{
    uint8_t bytes[16] = {0};
    struct frame frame;
    size_t used;

    for (uint32_t size = 0; size < FRAME_HEADER_BYTES; size++) {
        bytes[0] = (uint8_t)size;
        ck_assert_int_eq(frame_take(&frame, bytes, 16, FRAME_REQUEST_MAX, &used), FRAME_LOST);
    }
    bytes[0] = (FRAME_REQUEST_MAX + 1) & 0xff;
    bytes[1] = (FRAME_REQUEST_MAX + 1) >> 8;
    ck_assert_int_eq(frame_take(&frame, bytes, 16, FRAME_REQUEST_MAX, &used), FRAME_LOST);
    memset(bytes, 0xff, 4);
    ck_assert_int_eq(frame_take(&frame, bytes, 4, FRAME_REQUEST_MAX, &used), FRAME_LOST);
}
END_TEST

/* A frame of `kind` with one field (or none, when tag is 0). */
static bool decodes(uint8_t kind, uint16_t tag, const void *value, uint16_t size, char *why)
{
    uint8_t body[4096];
    struct frame frame = {.version = FRAME_VERSION, .kind = kind, .body = body};
    union message message;

    if (tag) {
        memcpy(body, &tag, 2);
        memcpy(body + 2, &size, 2);
        memcpy(body + 4, value, size);
        frame.size = size + 4u;
    }
    return frame_decode(&message, &frame, why);
}

START_TEST(unknown_fields_are_skipped_unless_they_are_critical)
{
    char why[FRAME_SENTENCE_MAX];

    ck_assert(decodes(FRAME_STATUS, 99, "abc", 3, why));
    ck_assert(decodes(FRAME_STATUS, FRAME_TAG_CRITICAL - 1, "abc", 3, why));
    ck_assert(!decodes(FRAME_STATUS, FRAME_TAG_CRITICAL, "abc", 3, why));
    ck_assert_str_eq(why, "field with tag 32768 is not known here and must be");
}
END_TEST

START_TEST(a_fault_names_the_field)
{
    char why[FRAME_SENTENCE_MAX], text[FRAME_NEXT_HOP_MAX + 1];

    memset(text, 'a', sizeof text);
    ck_assert(!decodes(FRAME_CHECK, 0, NULL, 0, why));
    ck_assert_str_eq(why, "field next_hop (tag 1) is missing");
    ck_assert(!decodes(FRAME_CHECK, 1, "", 0, why));
    ck_assert_str_eq(why, "field next_hop (tag 1) is missing");
    ck_assert(!decodes(FRAME_CHECK, 1, "a\0b", 3, why));
    ck_assert_str_eq(why, "field next_hop (tag 1) has a NUL in it");
    ck_assert(decodes(FRAME_CHECK, 1, text, FRAME_NEXT_HOP_MAX - 1, why));
    ck_assert(!decodes(FRAME_CHECK, 1, text, FRAME_NEXT_HOP_MAX, why));
    ck_assert_str_eq(why, "field next_hop (tag 1) is too long");
    ck_assert(!decodes(FRAME_CHECK, 2, "\x03", 1, why));
    ck_assert_str_eq(why, "field freshness (tag 2) is greater than allowed");
    ck_assert(!decodes(FRAME_CHECK, 2, "\x01\0\0", 3, why));
    ck_assert_str_eq(why, "field freshness (tag 2) is not a number of 1, 2, 4 or 8 bytes");
    ck_assert(!decodes(FRAME_CHECK, 4, "\0\0\0\0\x01\0\0\0", 8, why));
    ck_assert_str_eq(why, "field max_age_ms (tag 4) is greater than allowed");
}
END_TEST

START_TEST(a_field_twice_or_cut_off_is_a_fault)
{
    static const uint8_t twice[] = {1, 0, 1, 0, 'a', 1, 0, 1, 0, 'b'};
    struct frame frame = {.version = FRAME_VERSION, .kind = FRAME_DONE, .body = twice};
    struct frame_done done;
    char why[FRAME_SENTENCE_MAX];

    for (size_t size = 0; size <= sizeof twice; size++) {
        frame.size = size;
        ck_assert_int_eq(frame_decode(&done, &frame, why), size == 0 || size == 5);
    }
    ck_assert_str_eq(why, "field sentence (tag 1) is there twice");
    frame.size = 5;
    frame.version = FRAME_VERSION + 1;
    ck_assert(!frame_decode(&done, &frame, why));
    frame.version = FRAME_VERSION;
    frame.kind = 0x7f;
    ck_assert(!frame_decode(&done, &frame, NULL));
}
END_TEST

START_TEST(what_does_not_fit_is_not_written)
{
    union message message;
    static uint8_t whole[FRAME_REQUEST_MAX], part[FRAME_REQUEST_MAX];

    for (size_t k = 0; k < KINDS; k++) {
        size_t size;

        random_message(kinds[k], &message);
        size = frame_encode(whole, sizeof whole, kinds[k], 0, 1, &message);
        for (size_t room = 0; room < size; room++) {
            memset(part + room, 0xa5, 16);
            ck_assert_uint_eq(frame_encode(part, room, kinds[k], 0, 1, &message), 0);
            for (int i = 0; i < 16; i++)
                ck_assert_uint_eq(part[room + (size_t)i], 0xa5);
        }
        ck_assert_uint_eq(frame_encode(part, size, kinds[k], 0, 1, &message), size);
    }
    ck_assert_uint_eq(frame_encode(part, sizeof part, 0x7f, 0, 1, &message), 0);
}
END_TEST

START_TEST(no_flipped_bit_reaches_beyond_the_frame)
{
    for (size_t k = 0; k < KINDS; k++) {
        union message message, got;
        uint8_t *bytes = malloc(FRAME_REQUEST_MAX), *exact;
        size_t size;

        random_message(kinds[k], &message);
        size = frame_encode(bytes, FRAME_REQUEST_MAX, kinds[k], 0, 1, &message);
        exact = malloc(size); /* of the very size, for the sanitizer */
        for (size_t bit = 0; bit<size * 8; bit += size> 600 ? 7 : 1) {
            struct frame frame;
            size_t used;

            memcpy(exact, bytes, size);
            exact[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (frame_take(&frame, exact, size, FRAME_REQUEST_MAX, &used) == FRAME_WHOLE)
                frame_decode(&got, &frame, NULL);
        }
        free(exact);
        free(bytes);
    }
}
END_TEST

START_TEST(requests_and_answers_fit_their_bounds)
{
    for (size_t k = 0; k < KINDS; k++)
        ck_assert_uint_le(frame_bytes_max(kinds[k]),
                          kinds[k] < 0x80 ? FRAME_REQUEST_MAX : FRAME_ANSWER_MAX);
    ck_assert_uint_eq(frame_bytes_max(0x7f), 0);
}
END_TEST

START_TEST(recipients_are_read_as_they_were_written_or_not_at_all)
{
    static char bytes[RECIPIENTS_BYTES_MAX];
    struct recipient one;
    size_t used = 0, at = 0;

    ck_assert(recipients_put(bytes, sizeof bytes, &used, "anna@a.example", NULL));
    ck_assert(recipients_put(bytes, sizeof bytes, &used, "b.example", "[relay.example]:587"));
    ck_assert_uint_eq(recipients_count(bytes, used, 511), 2);
    ck_assert(recipients_take(&one, bytes, used, &at));
    ck_assert_uint_eq(one.address_size, 14);
    ck_assert_uint_eq(one.next_hop_size, 0);
    ck_assert(recipients_take(&one, bytes, used, &at));
    ck_assert_mem_eq(one.next_hop, "[relay.example]:587", 19);
    ck_assert(!recipients_take(&one, bytes, used, &at));
    for (size_t size = 0; size < used; size++)
        ck_assert_uint_eq(recipients_count(bytes, size, 511), size == 18);
    ck_assert_uint_eq(recipients_count(bytes, used, 13), 0); /* longer than allowed */
    bytes[3] = '\0';
    ck_assert_uint_eq(recipients_count(bytes, used, 511), 0);
    used = 0;
    for (unsigned i = 0; i < RECIPIENTS_MAX; i++)
        ck_assert(recipients_put(bytes, sizeof bytes, &used, "a", ""));
    ck_assert_uint_eq(recipients_count(bytes, used, 511), RECIPIENTS_MAX);
    ck_assert(recipients_put(bytes, sizeof bytes, &used, "a", ""));
    ck_assert_uint_eq(recipients_count(bytes, used, 511), 0); /* one too many */
    used = sizeof bytes - 4;
    ck_assert(!recipients_put(bytes, sizeof bytes, &used, "a", ""));
    ck_assert_uint_eq(used, sizeof bytes - 4);
}
END_TEST

START_TEST(the_fields_of_a_frame_are_walked_to_its_end_and_not_beyond)
{
    const struct frame_answer answer = {.action = 1, .code = "2.0.0", .host = "mx.example.net"};
    uint8_t bytes[256];
    const size_t size = frame_encode(bytes, sizeof bytes, FRAME_ANSWER, 0, 1, &answer);
    size_t at = FRAME_HEADER_BYTES, field;
    unsigned count = 0;

    for (; (field = frame_field_bytes(bytes, size, at)) > 0; at += field)
        count++;
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(at, size);
    ck_assert_uint_eq(frame_field_bytes(bytes, size, size + 1), 0);
    ck_assert_uint_eq(frame_field_bytes(bytes, size - 1, size - 4 - 14), 0); /* cut: the host */
    ck_assert_uint_eq(frame_field_bytes(bytes, size, size - 3), 0);
}
END_TEST

START_TEST(a_wide_number_is_found_where_it_stands)
{
    struct frame_answer answer = {.now_ms = UINT64_MAX, .age_ms = 7, .code = "2.0.0"}, back;
    uint8_t bytes[256];
    const size_t size = frame_encode(bytes, sizeof bytes, FRAME_ANSWER, 0, 1, &answer);
    const size_t at = frame_number_place(bytes, size, offsetof(struct frame_answer, now_ms));
    const uint64_t now_ms = 123456;
    struct frame frame;
    size_t used;

    ck_assert_uint_gt(at, 0);
    ck_assert_uint_eq(frame_number_place(bytes, size, offsetof(struct frame_answer, age_ms)), 0);
    ck_assert_uint_eq(frame_number_place(bytes, size, offsetof(struct frame_answer, began_ms)), 0);
    ck_assert_uint_eq(frame_number_place(bytes, size, SIZE_MAX), 0);
    memcpy(bytes + at, &now_ms, sizeof now_ms);
    ck_assert_int_eq(frame_take(&frame, bytes, size, sizeof bytes, &used), FRAME_WHOLE);
    ck_assert(frame_decode(&back, &frame, NULL));
    ck_assert_uint_eq(back.now_ms, now_ms);
    ck_assert_uint_eq(back.age_ms, 7);
}
END_TEST

START_TEST(the_words_are_those_of_the_engine)
{
    uint32_t all = 0, bit;

    for (unsigned i = 0; i < ENFORCE_COUNT; i++)
        ck_assert_str_eq(frame_enforce_name(i), enforce_name((enum enforce)i));
    ck_assert_str_eq(frame_enforce_name(ENFORCE_COUNT), "?");
    for (unsigned i = 0; i < CONCLUSION_COUNT; i++)
        ck_assert_str_ne(frame_conclusion_name(i), "?");
    for (unsigned i = 0; frame_flag_name(i, &bit); i++) {
        ck_assert_uint_eq(all & bit, 0);
        all |= bit;
    }
    ck_assert_uint_eq(all, (VERDICT_RESUMED << 1) - 1); /* the last flag of verdict.h */
    ck_assert_str_eq(frame_tls_name(0x0304), "TLSv1.3");
    ck_assert_str_eq(frame_error_name(200), "error");
}
END_TEST

/* --- JSON --- */

START_TEST(a_document_is_written_as_it_is_nested)
{
    char out[512];
    struct json json;

    json_start(&json, out, sizeof out);
    json_put_text(&json, "name", "mx\"1\"\\\n\t");
    json_put_array(&json, "list");
    json_put_number(&json, NULL, -5);
    json_put_unsigned(&json, NULL, UINT64_MAX);
    json_put_object(&json, NULL);
    json_end(&json);
    json_put_array(&json, NULL);
    json_end(&json);
    json_end(&json);
    json_put_boolean(&json, "yes", true);
    json_put_text(&json, "nothing", NULL);
    json_put_hex(&json, "hex", (const uint8_t *)"\x00\xff\x1a", 3);
    json_put_decimal(&json, "half", 0.5);
    json_finish(&json);
    ck_assert_str_eq(out,
                     "{\"name\":\"mx\\\"1\\\"\\\\\\n\\u0009\",\"list\":[-5,18446744073709551615,"
                     "{},[]],\"yes\":true,\"nothing\":null,\"hex\":\"00ff1a\",\"half\":0.500}");
}
END_TEST

START_TEST(hostile_bytes_become_replacement_characters)
{
    char out[256];
    struct json json;

    json_start(&json, out, sizeof out);
    json_put_text(&json, "a", "gr\xc3\xbc\xc3\x9f");       /* good */
    json_put_text(&json, "b", "\xc0\xaf\xed\xa0\x80");     /* overlong, surrogate */
    json_put_text(&json, "c", "\xf4\x90\x80\x80\xe2\x82"); /* too great, cut off */
    json_put_bytes(&json, "d", "\x7f\0x", 3);
    json_finish(&json);
#define R "\xef\xbf\xbd"
    ck_assert_str_eq(out, "{\"a\":\"gr\xc3\xbc\xc3\x9f\",\"b\":\"" R R R R R
                          "\",\"c\":\"" R R R R R R "\",\"d\":\"\\u007f\\u0000x\"}");
}
END_TEST

/* Writes the same small tree into every buffer size; brackets and quotes must always balance. */
START_TEST(a_truncated_document_is_still_one_object)
{
    char full[1024];

    for (size_t size = JSON_BYTES_MIN; size < 400; size++) {
        char *out = malloc(size);
        struct json json;
        size_t length;
        int depth = 0;
        bool text = false;

        json_start(&json, out, size);
        for (int i = 0; i < 3; i++) {
            json_put_object(&json, i == 0 ? "first" : i == 1 ? "second" : "third");
            json_put_text(&json, "text", "0123456789");
            json_put_array(&json, "list");
            for (int k = 0; k < 4; k++)
                json_put_number(&json, NULL, 1000 + k);
            json_end(&json);
            json_end(&json);
        }
        length = json_finish(&json);
        ck_assert_uint_lt(length, size);
        ck_assert_uint_eq(strlen(out), length);
        for (size_t i = 0; i < length; i++) {
            text ^= out[i] == '"';
            depth += !text && (out[i] == '{' || out[i] == '[');
            depth -= !text && (out[i] == '}' || out[i] == ']');
            ck_assert(depth > 0 || i == length - 1);
            ck_assert(text || strncmp(out + i, ",,", 2) != 0);
            ck_assert(text || (strncmp(out + i, ",}", 2) != 0 && strncmp(out + i, "{,", 2) != 0));
        }
        ck_assert_int_eq(depth, 0);
        ck_assert_int_eq(json.truncated, strstr(out, "\"truncated\":true}") != NULL);
        strcpy(full, out);
        free(out);
    }
    ck_assert_ptr_null(strstr(full, "truncated"));
}
END_TEST

START_TEST(nesting_too_deep_is_left_out)
{
    char out[512];
    struct json json;

    json_start(&json, out, sizeof out);
    for (int i = 0; i < JSON_DEPTH_MAX + 5; i++)
        json_put_array(&json, i ? NULL : "deep");
    json_put_number(&json, NULL, 1);
    for (int i = 0; i < JSON_DEPTH_MAX + 5; i++)
        json_end(&json);
    json_put_number(&json, "after", 2);
    json_finish(&json);
    ck_assert_str_eq(out,
                     "{\"deep\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]],\"after\":2,\"truncated\":true}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *frames = tcase_create("frames"), *json = tcase_create("json");
    SRunner *runner;
    int failed;

    tcase_add_test(frames, every_message_comes_back_as_it_was_sent);
    tcase_add_test(frames, what_is_not_whole_is_waited_for);
    tcase_add_test(frames, a_size_out_of_bounds_loses_the_framing);
    tcase_add_test(frames, unknown_fields_are_skipped_unless_they_are_critical);
    tcase_add_test(frames, a_fault_names_the_field);
    tcase_add_test(frames, a_field_twice_or_cut_off_is_a_fault);
    tcase_add_test(frames, what_does_not_fit_is_not_written);
    tcase_add_test(frames, no_flipped_bit_reaches_beyond_the_frame);
    tcase_add_test(frames, requests_and_answers_fit_their_bounds);
    tcase_add_test(frames, recipients_are_read_as_they_were_written_or_not_at_all);
    tcase_add_test(frames, a_wide_number_is_found_where_it_stands);
    tcase_add_test(frames, the_fields_of_a_frame_are_walked_to_its_end_and_not_beyond);
    tcase_add_test(frames, the_words_are_those_of_the_engine);
    tcase_set_timeout(frames, 60);
    suite_add_tcase(suite, frames);
    tcase_add_test(json, a_document_is_written_as_it_is_nested);
    tcase_add_test(json, hostile_bytes_become_replacement_characters);
    tcase_add_test(json, a_truncated_document_is_still_one_object);
    tcase_add_test(json, nesting_too_deep_is_left_out);
    suite_add_tcase(suite, json);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
