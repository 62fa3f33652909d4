/*
 * dns_message_test.c - what a DNS reply is read as (standards.md DNS-01..04, DNS-10, DNS-11,
 * DNS-14, DANE-21, NAME-05, MX-01, MX-08).
 *
 * Messages are put together byte by byte here, so that every departure from the grammar can be
 * written down. Each answer is checked for being one allocation of exactly its size by the address
 * sanitizer's build (nothing may lie outside), and whatever is cut off or flipped must end in some
 * answer, never in a crash and never in an absence that the whole message does not say.
 */
#include "engine/dns/message.h"

#include "engine/base/limits.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW_MS 1000000

/* --- memory that runs out --- */

/* Allocations that still succeed; -1: all. Only this thread allocates here. The sanitizers bring
 * their own malloc, so there the tests of this run without it. */
static long allocations_left = -1;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CAN_RUN_OUT 1
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);

static bool runs_out(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *malloc(size_t size)
{
    return runs_out() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return runs_out() ? NULL : __libc_calloc(count, size);
}
#else
#define CAN_RUN_OUT 0
#endif

/* --- a message being put together --- */

struct wire {
    uint8_t bytes[LIMIT_DNS_MESSAGE + 1000];
    size_t size;
};

static struct wire wire; /* the one at work: tests run one after the other */

static void put_u8(unsigned value)
{
    ck_assert_uint_lt(wire.size, sizeof wire.bytes);
    wire.bytes[wire.size++] = (uint8_t)value;
}

static void put_u16(unsigned value)
{
    put_u8(value >> 8 & 255);
    put_u8(value & 255);
}

static void put_u32(uint32_t value)
{
    put_u16(value >> 16);
    put_u16(value & 65535);
}

/* "a.b" as labels; "\DDD" is one byte; "@N" at the start of a label is a pointer to offset N. */
static void put_name(const char *text)
{
    while (*text && *text != '@') {
        size_t length_at = wire.size;
        put_u8(0);
        while (*text && *text != '.') {
            if (*text == '\\') {
                put_u8((unsigned)(text[1] - '0') * 100 + (unsigned)(text[2] - '0') * 10 +
                       (unsigned)(text[3] - '0'));
                text += 4;
            } else {
                put_u8((uint8_t)*text++);
            }
        }
        wire.bytes[length_at] = (uint8_t)(wire.size - length_at - 1);
        text += *text == '.';
    }
    if (*text == '@')
        put_u16(0xc000u | (unsigned)atoi(text + 1));
    else
        put_u8(0);
}

enum section { ANSWER = 6, AUTHORITY = 8, ADDITIONAL = 10 }; /* offset of the count */

static void begin(const char *name, unsigned type)
{
    wire.size = 0;
    put_u16(0);
    put_u16(0x8180);
    put_u16(1);
    put_u16(0);
    put_u32(0);
    put_name(name);
    put_u16(type);
    put_u16(1);
}

static void count_record(enum section section)
{
    unsigned count = (unsigned)wire.bytes[section] << 8 | wire.bytes[section + 1];
    count++;
    wire.bytes[section] = (uint8_t)(count >> 8);
    wire.bytes[section + 1] = (uint8_t)count;
}

/* A record up to its data; close_record sets the length. */
static size_t open_record(enum section section, const char *owner, unsigned type, uint32_t ttl_s)
{
    count_record(section);
    put_name(owner);
    put_u16(type);
    put_u16(1);
    put_u32(ttl_s);
    put_u16(0);
    return wire.size;
}

static void close_record(size_t data_at)
{
    size_t size = wire.size - data_at;
    wire.bytes[data_at - 2] = (uint8_t)(size >> 8);
    wire.bytes[data_at - 1] = (uint8_t)size;
}

static void put_mx(const char *owner, unsigned preference, const char *exchange, uint32_t ttl_s)
{
    size_t at = open_record(ANSWER, owner, DNS_MX, ttl_s);
    put_u16(preference);
    put_name(exchange);
    close_record(at);
}

static void put_cname(const char *owner, const char *target, uint32_t ttl_s)
{
    size_t at = open_record(ANSWER, owner, DNS_CNAME, ttl_s);
    put_name(target);
    close_record(at);
}

static void put_data(enum section section, const char *owner, unsigned type, uint32_t ttl_s,
                     const char *bytes, size_t size)
{
    size_t at = open_record(section, owner, type, ttl_s);
    for (size_t i = 0; i < size; i++)
        put_u8((uint8_t)bytes[i]);
    close_record(at);
}

static void put_a(const char *owner, const char *bytes, uint32_t ttl_s)
{
    put_data(ANSWER, owner, DNS_A, ttl_s, bytes, 4);
}

static void put_soa(enum section section, const char *owner, uint32_t ttl_s, uint32_t minimum_s)
{
    size_t at = open_record(section, owner, DNS_SOA, ttl_s);
    put_name("ns.example");
    put_name("postmaster.example");
    for (int i = 0; i < 4; i++)
        put_u32(3600);
    put_u32(minimum_s);
    close_record(at);
}

static void set_rcode(unsigned rcode)
{
    wire.bytes[3] = (uint8_t)((wire.bytes[3] & 0xf0) | rcode);
}

static struct name named(const char *text)
{
    struct name name = {.length = (uint8_t)strlen(text)};
    memcpy(name.text, text, strlen(text));
    return name;
}

/* Reads a copy of exactly the message's size, so that the sanitizer sees a byte too many. */
static const struct dns_answer *read_as(const char *owner, enum dns_type type, int rcode,
                                        int security, bool limited)
{
    uint8_t *copy = malloc(wire.size ? wire.size : 1);
    memcpy(copy, wire.bytes, wire.size);
    struct dns_reply reply = {.rcode = rcode,
                              .security = security,
                              .limited = limited,
                              .packet = copy,
                              .size = wire.size};
    struct name name = named(owner);
    const struct dns_answer *answer = dns_message_read(&name, type, &reply, NOW_MS);
    free(copy);
    ck_assert_ptr_nonnull(answer);
    ck_assert_int_eq(answer->type, type);
    return answer;
}

static const struct dns_answer *read_secure(const char *owner, enum dns_type type)
{
    return read_as(owner, type, 0, DNS_SECURITY_SECURE, false);
}

static void expect_malformed(const char *owner, enum dns_type type)
{
    const struct dns_answer *answer = read_secure(owner, type);
    ck_assert_str_eq(dns_kind_name(answer->kind), "error");
    ck_assert_str_eq(dns_trouble_name(answer->trouble), "malformed answer");
    ck_assert_uint_eq(answer->count, 0);
    ck_assert_uint_eq(answer->ttl_s, LIMIT_DNS_FAILURE_TTL_S);
    dns_answer_drop(answer);
}

/* --- DNS-01..03: exactly one kind, in this order --- */

/* What the packet holds, for the whole table. */
enum content { DATA, NOTHING, ALIAS_ONLY, CONTENTS };

static void put_content(enum content content)
{
    begin("mx.example", DNS_A);
    if (content == DATA)
        put_a("@12", "\xc0\x00\x02\x01", 300);
    if (content == ALIAS_ONLY)
        put_cname("@12", "other.example", 300);
    if (content != DATA)
        put_soa(AUTHORITY, "example", 300, 300);
}

static enum dns_kind expected_kind(int rcode, int security, bool limited, unsigned packet_rcode,
                                   enum content content)
{
    if (security == DNS_SECURITY_BOGUS)
        return DNS_BOGUS;
    if (limited || rcode != 0)
        return DNS_ERROR;
    if (packet_rcode != 0 && packet_rcode != 3)
        return DNS_ERROR;
    bool secure = security == DNS_SECURITY_SECURE;
    if (content == DATA)
        return secure ? DNS_SECURE_DATA : DNS_INSECURE_DATA;
    if (packet_rcode == 3)
        return secure ? DNS_SECURE_NXDOMAIN : DNS_INSECURE_NXDOMAIN;
    return secure ? DNS_SECURE_NODATA : DNS_INSECURE_NODATA;
}

START_TEST(every_reply_has_exactly_one_kind_DNS_01)
{
    for (int rcode = 0; rcode < 12; rcode++)
        for (int security = 0; security < 3; security++)
            for (int limited = 0; limited < 2; limited++)
                for (unsigned in_packet = 0; in_packet < 16; in_packet++)
                    for (enum content content = DATA; content < CONTENTS; content++) {
                        put_content(content);
                        set_rcode(in_packet);
                        const struct dns_answer *answer =
                            read_as("mx.example", DNS_A, rcode, security, limited);
                        ck_assert_str_eq(dns_kind_name(answer->kind),
                                         dns_kind_name(expected_kind(rcode, security, limited,
                                                                     in_packet, content)));
                        ck_assert_int_eq(answer->kind == DNS_ERROR,
                                         answer->trouble != DNS_TROUBLE_NONE);
                        ck_assert_int_eq(dns_has_data(answer->kind), answer->count > 0);
                        dns_answer_drop(answer);
                    }
}
END_TEST

START_TEST(a_servfail_is_never_absence_DNS_02)
{
    /* libunbound's remembered SERVFAIL: callback rcode 0, insecure, no records (the trap). */
    begin("_25._tcp.mx.example", DNS_TLSA);
    set_rcode(2);
    const struct dns_answer *answer = read_as("_25._tcp.mx.example", DNS_TLSA, 0, 0, false);
    ck_assert_int_eq(answer->kind, DNS_ERROR);
    ck_assert_int_eq(answer->trouble, DNS_TROUBLE_SERVFAIL);
    ck_assert_uint_eq(answer->rcode, 2);
    ck_assert_str_eq(answer->why, "SERVFAIL");
    ck_assert(!dns_is_absent(answer->kind));
    dns_answer_drop(answer);
}
END_TEST

START_TEST(a_bogus_answer_shows_none_of_its_data)
{
    put_content(DATA);
    uint8_t *copy = malloc(wire.size);
    memcpy(copy, wire.bytes, wire.size);
    struct dns_reply reply = {.security = DNS_SECURITY_BOGUS,
                              .packet = copy,
                              .size = wire.size,
                              .why_bogus = "signature\nexpired \xff"};
    struct name name = named("mx.example");
    const struct dns_answer *answer = dns_message_read(&name, DNS_A, &reply, NOW_MS);
    free(copy);
    ck_assert_int_eq(answer->kind, DNS_BOGUS);
    ck_assert_uint_eq(answer->count, 0);
    ck_assert_ptr_null(answer->addresses);
    ck_assert_uint_eq(answer->ttl_s, LIMIT_DNS_FAILURE_TTL_S);
    for (const char *c = answer->why; *c; c++)
        ck_assert(*c >= ' ' && *c <= '~');
    dns_answer_drop(answer);
}
END_TEST

START_TEST(a_packet_of_a_failed_look_up_is_not_even_read)
{
    struct dns_reply reply = {.rcode = 2, .packet = (const uint8_t *)1, .size = 65535};
    struct name name = named("mx.example");
    const struct dns_answer *answer = dns_message_read(&name, DNS_A, &reply, NOW_MS);
    ck_assert_int_eq(answer->trouble, DNS_TROUBLE_SERVFAIL);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(a_rate_limited_reply_is_an_error_DNS_14)
{
    put_content(DATA);
    const struct dns_answer *answer = read_as("mx.example", DNS_A, 0, 2, true);
    ck_assert_int_eq(answer->trouble, DNS_TROUBLE_LIMITED);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(an_alias_that_was_asked_for_is_data_even_under_nxdomain_DNS_03)
{
    begin("mx.example", DNS_CNAME);
    put_cname("@12", "other.example", 300);
    set_rcode(3);
    const struct dns_answer *answer = read_secure("mx.example", DNS_CNAME);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->aliases, 1);
    ck_assert_str_eq(answer->canonical.text, "other.example");
    ck_assert_str_eq(answer->owner.text, "mx.example");
    dns_answer_drop(answer);
}
END_TEST

START_TEST(an_extended_rcode_is_an_error)
{
    begin("mx.example", DNS_A);
    put_data(ADDITIONAL, "", 41, 0x01000000, "", 0); /* BADVERS: 16, low four bits 0 */
    const struct dns_answer *answer = read_secure("mx.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_ERROR);
    ck_assert_int_eq(answer->trouble, DNS_TROUBLE_SERVFAIL);
    dns_answer_drop(answer);

    begin("mx.example", DNS_A);
    put_data(ADDITIONAL, "", 41, 0x00008000, "", 0); /* just the DO flag */
    answer = read_secure("mx.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_SECURE_NODATA);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(an_unknown_security_state_is_an_error)
{
    put_content(NOTHING);
    const struct dns_answer *answer = read_as("mx.example", DNS_A, 0, 7, false);
    ck_assert_int_eq(answer->kind, DNS_ERROR);
    dns_answer_drop(answer);
    answer = read_as("mx.example", DNS_A, 0, -1, false);
    ck_assert_int_eq(answer->kind, DNS_ERROR);
    dns_answer_drop(answer);
}
END_TEST

/* --- records --- */

START_TEST(mx_records_are_read_with_their_preference)
{
    begin("Example.ORG", DNS_MX); /* libunbound keeps the case of the question */
    put_mx("@12", 10, "MX1.example.org", 300);
    put_mx("example.org", 20, "mx2.@12", 200);
    put_mx("EXAMPLE.org", 65535, "mx_3.example.net", 400);
    const struct dns_answer *answer = read_secure("example.org", DNS_MX);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->count, 3);
    ck_assert_uint_eq(answer->dropped, 0);
    ck_assert_uint_eq(answer->ttl_s, 200);
    ck_assert_uint_eq(answer->at_ms, NOW_MS);
    ck_assert_uint_eq(answer->mx[0].preference, 10);
    ck_assert_str_eq(answer->mx[0].exchange.text, "mx1.example.org");
    ck_assert_uint_eq(answer->mx[1].preference, 20);
    ck_assert_str_eq(answer->mx[1].exchange.text, "mx2.example.org");
    ck_assert_uint_eq(answer->mx[2].preference, 65535);
    ck_assert_str_eq(answer->mx[2].exchange.text, "mx_3.example.net");
    for (int i = 0; i < 3; i++)
        ck_assert(answer->mx[i].usable);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(the_null_mx_is_the_root_MX_08)
{
    begin("example.org", DNS_MX);
    put_mx("@12", 0, "", 300);
    const struct dns_answer *answer = read_secure("example.org", DNS_MX);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->mx[0].exchange.length, 0);
    ck_assert(!answer->mx[0].usable);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(an_mx_that_no_host_can_have_is_present_but_unusable_NAME_05)
{
    static const struct {
        const char *wire, *text;
    } odd[] = {
        {"mx\\000.example", "mx\\x00.example"},
        {"m\\032x.example", "m x.example"},
        {"m\\046x.example", "m.x.example"},
        {"m\\064x.example", "m@x.example"},
        {"m\\255.example", "m\\xFF.example"},
        {"192.0.2.1", "192.0.2.1"},
        {"localhost", "localhost"},
        {"m\\013\\010x.example", "m\\x0D\\x0Ax.example"},
        {"m\\123x\\125.example", "m{x}.example"},
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        begin("example.org", DNS_MX);
        put_mx("@12", 5, odd[i].wire, 300);
        const struct dns_answer *answer = read_secure("example.org", DNS_MX);
        ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
        ck_assert_uint_eq(answer->count, 1);
        ck_assert_msg(!answer->mx[0].usable, "%s", odd[i].wire);
        ck_assert_str_eq(answer->mx[0].exchange.text, odd[i].text);
        ck_assert_uint_eq(answer->mx[0].exchange.length, strlen(odd[i].text));
        dns_answer_drop(answer);
    }
}
END_TEST

START_TEST(the_longest_odd_name_still_fits_as_text)
{
    char text[1024] = "";
    for (int label = 0; label < 3; label++) {
        for (int i = 0; i < 63; i++)
            strcat(text, "\\000");
        strcat(text, ".");
    }
    for (int i = 0; i < 61; i++)
        strcat(text, "\\000");
    begin("example.org", DNS_MX);
    put_mx("@12", 5, text, 300);
    const struct dns_answer *answer = read_secure("example.org", DNS_MX);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->mx[0].exchange.length, strlen(answer->mx[0].exchange.text));
    ck_assert_uint_le(answer->mx[0].exchange.length, NAME_BYTES_MAX);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(three_hundred_and_ninety_eight_mx_are_all_kept)
{
    begin("example.org", DNS_MX);
    for (int i = 0; i < 398; i++) {
        char exchange[64];
        snprintf(exchange, sizeof exchange, "mx%d.@12", i);
        put_mx("@12", (unsigned)i, exchange, 300);
    }
    const struct dns_answer *answer = read_secure("example.org", DNS_MX);
    ck_assert_uint_eq(answer->count, 398);
    ck_assert_uint_eq(answer->dropped, 0);
    ck_assert_str_eq(answer->mx[397].exchange.text, "mx397.example.org");
    dns_answer_drop(answer);
}
END_TEST

START_TEST(of_too_many_mx_the_most_preferred_are_kept_MX_18)
{
    begin("example.org", DNS_MX);
    for (int i = 0; i < 2000; i++) {
        char exchange[64];
        snprintf(exchange, sizeof exchange, "mx%d.@12", i);
        put_mx("@12", (unsigned)((2000 - i) / 2), exchange, 300); /* pairs, best last */
    }
    const struct dns_answer *answer = read_secure("example.org", DNS_MX);
    ck_assert_uint_eq(answer->count, LIMIT_MX_RECORDS);
    ck_assert_uint_eq(answer->dropped, 2000 - LIMIT_MX_RECORDS);
    for (unsigned i = 0; i < answer->count; i++) /* preferences 0 (once), 1 …: 512 fit below 256 */
        ck_assert_uint_le(answer->mx[i].preference, LIMIT_MX_RECORDS / 2);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(of_too_many_equal_mx_some_are_kept_and_the_rest_counted)
{
    begin("example.org", DNS_MX);
    for (int i = 0; i < 600; i++) {
        char exchange[64];
        snprintf(exchange, sizeof exchange, "mx%d.@12", i);
        put_mx("@12", 10, exchange, 300);
    }
    const struct dns_answer *answer = read_secure("example.org", DNS_MX);
    ck_assert_uint_eq(answer->count, LIMIT_MX_RECORDS);
    ck_assert_uint_eq(answer->dropped, 600 - LIMIT_MX_RECORDS);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(addresses_of_both_families_are_read)
{
    begin("mx.example", DNS_A);
    put_a("@12", "\xc0\x00\x02\x01", 300);
    put_a("@12", "\xc0\x00\x02\x02", 300);
    const struct dns_answer *answer = read_secure("mx.example", DNS_A);
    ck_assert_uint_eq(answer->count, 2);
    ck_assert_uint_eq(answer->addresses[1].family, 4);
    ck_assert_mem_eq(answer->addresses[1].bytes, "\xc0\x00\x02\x02\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    dns_answer_drop(answer);

    begin("mx.example", DNS_AAAA);
    put_data(ANSWER, "@12", DNS_AAAA, 300, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    answer = read_secure("mx.example", DNS_AAAA);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->addresses[0].family, 6);
    ck_assert_uint_eq(answer->addresses[0].bytes[15], 1);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(too_many_addresses_are_counted_as_dropped)
{
    begin("mx.example", DNS_A);
    for (int i = 0; i < LIMIT_ADDRESS_RECORDS + 5; i++)
        put_a("@12", "\xc0\x00\x02\x01", 300);
    const struct dns_answer *answer = read_secure("mx.example", DNS_A);
    ck_assert_uint_eq(answer->count, LIMIT_ADDRESS_RECORDS);
    ck_assert_uint_eq(answer->dropped, 5);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(tlsa_records_too_short_are_present_DANE_21)
{
    begin("_25._tcp.mx.example", DNS_TLSA);
    for (size_t size = 0; size <= 5; size++)
        put_data(ANSWER, "@12", DNS_TLSA, 300, "\x03\x01\x01\xaa\xbb", size);
    const struct dns_answer *answer = read_secure("_25._tcp.mx.example", DNS_TLSA);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->count, 6);
    static const struct dns_tlsa expected[] = {
        {.usage = 3, .selector = 1, .matching_type = 1, .size = 0},
        {.usage = 3, .selector = 1, .matching_type = 1, .size = 1},
        {.usage = 3, .selector = 1, .matching_type = 1, .size = 2},
        {.usage = 3, .selector = 1, .matching_type = 255, .size = 0},
        {.usage = 3, .selector = 255, .matching_type = 255, .size = 0},
        {.usage = 255, .selector = 255, .matching_type = 255, .size = 0},
    };
    for (int i = 0; i < 6; i++) {
        ck_assert_uint_eq(answer->tlsa[i].usage, expected[i].usage);
        ck_assert_uint_eq(answer->tlsa[i].selector, expected[i].selector);
        ck_assert_uint_eq(answer->tlsa[i].matching_type, expected[i].matching_type);
        ck_assert_uint_eq(answer->tlsa[i].size, expected[i].size);
    }
    ck_assert_mem_eq(answer->tlsa[2].data, "\xaa\xbb", 2);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(tlsa_records_stand_in_one_order_however_the_set_is_turned_round_DANE_40)
{
    static const char *const set[] = {"\x03\x01\x01\xbb", "\x02\x00\x01\xcc", "\x03\x01\x01\xaa"};
    for (unsigned turned = 0; turned < 3; turned++) {
        begin("_25._tcp.mx.example", DNS_TLSA);
        for (unsigned i = 0; i < 3; i++)
            put_data(ANSWER, "@12", DNS_TLSA, 300, set[(i + turned) % 3], 4);
        const struct dns_answer *answer = read_secure("_25._tcp.mx.example", DNS_TLSA);
        ck_assert_uint_eq(answer->count, 3);
        ck_assert_mem_eq(answer->tlsa[0].data, "\xcc", 1);
        ck_assert_mem_eq(answer->tlsa[1].data, "\xaa", 1);
        ck_assert_mem_eq(answer->tlsa[2].data, "\xbb", 1);
        dns_answer_drop(answer);
    }
}
END_TEST

START_TEST(an_smimea_record_has_the_layout_of_tlsa_DANE_44)
{
    begin("user._smimecert.example", DNS_SMIMEA);
    put_data(ANSWER, "@12", DNS_SMIMEA, 300, "\x03\x00\x00\xaa\xbb", 5);
    put_data(ANSWER, "@12", DNS_TLSA, 300, "\x03\x01\x01\xcc", 4); /* was not asked for */
    const struct dns_answer *answer = read_secure("user._smimecert.example", DNS_SMIMEA);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->tlsa[0].usage, 3);
    ck_assert_uint_eq(answer->tlsa[0].selector, 0);
    ck_assert_uint_eq(answer->tlsa[0].matching_type, 0);
    ck_assert_uint_eq(answer->tlsa[0].size, 2);
    ck_assert_mem_eq(answer->tlsa[0].data, "\xaa\xbb", 2);
    dns_answer_drop(answer);
}
END_TEST

/* They stay with the host's job: a stranger must not fill our memory with them. */
START_TEST(of_large_tlsa_records_the_first_are_kept_and_the_rest_is_counted)
{
    static const struct {
        unsigned size, records, kept;
    } rows[] = {{9000, 3, 1}, {5000, 4, 3}, {20000, 2, 0}, {3 + LIMIT_TLSA_DATA, 1, 1}};
    static char data[20000] = "\x03\x00\x00";

    begin("_25._tcp.mx.example", DNS_TLSA);
    for (unsigned i = 0; i < rows[_i].records; i++)
        put_data(ANSWER, "@12", DNS_TLSA, 300, data, rows[_i].size);
    const struct dns_answer *answer = read_secure("_25._tcp.mx.example", DNS_TLSA);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->count, rows[_i].kept);
    ck_assert_uint_eq(answer->dropped, rows[_i].records - rows[_i].kept);
    for (unsigned i = 0; i < answer->count; i++)
        ck_assert_uint_eq(answer->tlsa[i].size, rows[_i].size - 3);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(of_openpgp_keys_it_is_told_that_there_is_one_DANE_44)
{
    begin("user._openpgpkey.example", DNS_OPENPGPKEY);
    put_data(ANSWER, "@12", DNS_OPENPGPKEY, 300, "\x99\x01", 2);
    put_data(ANSWER, "@12", DNS_OPENPGPKEY, 300, "\x99\x02", 2);
    const struct dns_answer *answer = read_secure("user._openpgpkey.example", DNS_OPENPGPKEY);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->dropped, 1);
    dns_answer_drop(answer);

    begin("user._openpgpkey.example", DNS_OPENPGPKEY);
    put_data(ANSWER, "@12", DNS_OPENPGPKEY, 300, "", 0);
    expect_malformed("user._openpgpkey.example", DNS_OPENPGPKEY);
}
END_TEST

START_TEST(too_many_tlsa_records_are_counted_and_take_no_room)
{
    begin("_25._tcp.mx.example", DNS_TLSA);
    char data[35] = "\x03\x01\x01";
    for (int i = 0; i < LIMIT_TLSA + 7; i++) {
        data[3] = (char)i;
        put_data(ANSWER, "@12", DNS_TLSA, 300, data, sizeof data);
    }
    const struct dns_answer *answer = read_secure("_25._tcp.mx.example", DNS_TLSA);
    ck_assert_uint_eq(answer->count, LIMIT_TLSA);
    ck_assert_uint_eq(answer->dropped, 7);
    for (unsigned i = 0; i < LIMIT_TLSA; i++)
        ck_assert_uint_eq(answer->tlsa[i].data[0], i);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(the_strings_of_a_text_record_are_joined_STS_02)
{
    begin("_mta-sts.example", DNS_TXT);
    put_data(ANSWER, "@12", DNS_TXT, 300, "\x07v=STSv1\x00\x07; id=1;", 17);
    put_data(ANSWER, "@12", DNS_TXT, 300, "", 0); /* no string at all: empty, and present */
    put_data(ANSWER, "@12", DNS_TXT, 300, "\x00", 1);
    const struct dns_answer *answer = read_as("_mta-sts.example", DNS_TXT, 0, 0, false);
    ck_assert_int_eq(answer->kind, DNS_INSECURE_DATA);
    ck_assert_uint_eq(answer->count, 3);
    ck_assert_uint_eq(answer->text[0].size, 14);
    ck_assert_mem_eq(answer->text[0].data, "v=STSv1; id=1;", 14);
    ck_assert_uint_eq(answer->text[1].size, 0);
    ck_assert_uint_eq(answer->text[2].size, 0);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(the_largest_message_of_text_fits)
{
    begin("example.org", DNS_TXT);
    char *data = malloc(60000);
    for (int at = 0; at < 60000; at++)
        data[at] = (char)(at % 256 == 0 ? 255 : 't');
    data[59904] = 95; /* 234 strings of 255, one of 95 */
    put_data(ANSWER, "@12", DNS_TXT, 300, data, 60000);
    free(data);
    const struct dns_answer *answer = read_secure("example.org", DNS_TXT);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->text[0].size, 60000 - 235);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(an_soa_is_present_or_not)
{
    begin("example.org", DNS_SOA);
    put_soa(ANSWER, "@12", 900, 60);
    const struct dns_answer *answer = read_secure("example.org", DNS_SOA);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->ttl_s, 900);
    dns_answer_drop(answer);

    begin("", DNS_SOA); /* the root */
    put_soa(ANSWER, "", 900, 60);
    answer = read_secure("", DNS_SOA);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    dns_answer_drop(answer);
}
END_TEST

/* --- the chain of aliases --- */

START_TEST(aliases_are_followed_inside_the_message)
{
    begin("a.example", DNS_A);
    put_a("c.example", "\xc0\x00\x02\x01", 700); /* any order */
    put_cname("b.example", "C.example", 50);
    put_cname("@12", "b.EXAMPLE", 600);
    put_a("stranger.example", "\xc0\x00\x02\x09", 5); /* of no concern, nor is its TTL */
    put_cname("stranger.example", "a.example", 5);
    const struct dns_answer *answer = read_secure("a.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->aliases, 2);
    ck_assert_uint_eq(dns_hop_count(answer), 1);
    ck_assert_str_eq(answer->hops[0].text, "b.example");
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->addresses[0].bytes[3], 1);
    ck_assert_str_eq(answer->canonical.text, "c.example");
    ck_assert_str_eq(answer->owner.text, "a.example");
    ck_assert_uint_eq(answer->ttl_s, 50);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(records_of_other_owners_types_and_classes_are_ignored)
{
    begin("a.example", DNS_A);
    put_a("b.example", "\xc0\x00\x02\x01", 300);
    put_a("xa.example", "\xc0\x00\x02\x01", 300);
    put_a("a.example.org", "\xc0\x00\x02\x01", 300);
    put_data(ANSWER, "@12", DNS_AAAA, 300, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    put_data(ANSWER, "@12", 46, 1, "signature", 9);
    put_a("@12", "\xc0\x00\x02\x01", 300);
    wire.bytes[wire.size - 11] = 3;                                /* class CH */
    put_data(AUTHORITY, "@12", DNS_A, 300, "\xc0\x00\x02\x01", 4); /* not an answer */
    put_data(ADDITIONAL, "@12", DNS_A, 300, "\xc0\x00\x02\x01", 4);
    const struct dns_answer *answer = read_secure("a.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_SECURE_NODATA);
    ck_assert_uint_eq(answer->count, 0);
    ck_assert_str_eq(answer->canonical.text, "a.example");
    dns_answer_drop(answer);
}
END_TEST

START_TEST(an_alias_without_the_record_is_absence_at_its_end)
{
    begin("a.example", DNS_AAAA);
    put_cname("@12", "b.example", 30);
    put_soa(AUTHORITY, "example", 300, 120);
    const struct dns_answer *answer = read_secure("a.example", DNS_AAAA);
    ck_assert_int_eq(answer->kind, DNS_SECURE_NODATA);
    ck_assert_str_eq(answer->canonical.text, "b.example");
    ck_assert_uint_eq(answer->aliases, 1);
    ck_assert_uint_eq(answer->ttl_s, 30);
    dns_answer_drop(answer);

    set_rcode(3);
    answer = read_secure("a.example", DNS_AAAA);
    ck_assert_int_eq(answer->kind, DNS_SECURE_NXDOMAIN);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(alias_loops_are_an_error_MX_01)
{
    begin("a.example", DNS_A);
    put_cname("@12", "b.example", 300);
    put_cname("b.example", "a.example", 300);
    const struct dns_answer *answer = read_secure("a.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_ERROR);
    ck_assert_int_eq(answer->trouble, DNS_TROUBLE_ALIASES);
    dns_answer_drop(answer);

    begin("a.example", DNS_A);
    put_cname("@12", "a.example", 300);
    answer = read_secure("a.example", DNS_A);
    ck_assert_int_eq(answer->trouble, DNS_TROUBLE_ALIASES);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(sixteen_aliases_are_followed_and_seventeen_are_not_MX_01)
{
    for (unsigned aliases = 15; aliases <= 18; aliases++) {
        begin("n0.example", DNS_A);
        for (unsigned i = 0; i < aliases; i++) {
            char from[32], to[32];
            snprintf(from, sizeof from, "n%u.example", i);
            snprintf(to, sizeof to, "n%u.example", i + 1);
            put_cname(from, to, 300);
        }
        char last[32];
        snprintf(last, sizeof last, "n%u.example", aliases);
        put_a(last, "\xc0\x00\x02\x01", 300);
        const struct dns_answer *answer = read_secure("n0.example", DNS_A);
        if (aliases <= LIMIT_ALIASES) {
            ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
            ck_assert_uint_eq(answer->aliases, aliases);
            for (unsigned i = 0; i < dns_hop_count(answer); i++) {
                char hop[32];
                snprintf(hop, sizeof hop, "n%u.example", i + 1);
                ck_assert_str_eq(answer->hops[i].text, hop);
            }
            ck_assert_uint_eq(dns_hop_count(answer), aliases - 1);
            ck_assert_str_eq(answer->canonical.text, last);
        } else {
            ck_assert_int_eq(answer->trouble, DNS_TROUBLE_ALIASES);
        }
        dns_answer_drop(answer);
    }
}
END_TEST

/* Of a name on the way, what a host may be called is kept: "below example.org" must still be seen.
 */
START_TEST(an_alias_of_an_odd_name_leads_on)
{
    begin("a.example", DNS_A);
    put_cname("@12", "odd one.b.example", 60);
    put_cname("odd one.b.example", "c.example", 60);
    put_a("c.example", "\xc0\x00\x02\x01", 60);
    const struct dns_answer *answer = read_secure("a.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(dns_hop_count(answer), 1);
    ck_assert_str_eq(answer->hops[0].text, "b.example");
    dns_answer_drop(answer);
}
END_TEST

START_TEST(two_different_aliases_at_one_name_are_malformed)
{
    begin("a.example", DNS_A);
    put_cname("@12", "b.example", 300);
    put_cname("@12", "B.example", 300); /* the same once more is harmless */
    const struct dns_answer *answer = read_secure("a.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_SECURE_NODATA);
    dns_answer_drop(answer);
    put_cname("@12", "c.example", 300);
    expect_malformed("a.example", DNS_A);

    begin("a.example", DNS_CNAME);
    put_cname("@12", "b.example", 300);
    put_cname("@12", "c.example", 300);
    expect_malformed("a.example", DNS_CNAME);
}
END_TEST

START_TEST(an_alias_to_a_name_no_host_can_have_is_an_error_NAME_05)
{
    static const char *const targets[] = {"b\\000.example", "b c.example", "192.0.2.1",
                                          "localhost"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        begin("a.example", DNS_A);
        put_cname("@12", targets[i], 300);
        put_a(targets[i], "\xc0\x00\x02\x01", 300);
        expect_malformed("a.example", DNS_A);
    }
    begin("a.example", DNS_A); /* on the way it may be what it likes */
    put_cname("@12", "b\\000.example", 300);
    put_cname("b\\000.example", "c.example", 300);
    put_a("c.example", "\xc0\x00\x02\x01", 300);
    const struct dns_answer *answer = read_secure("a.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_str_eq(answer->canonical.text, "c.example");
    dns_answer_drop(answer);
}
END_TEST

/* --- times to live --- */

START_TEST(positive_times_are_clamped_DNS_11)
{
    static const struct {
        uint32_t ttl_s, expected_s;
    } rows[] = {{0, 1},          {1, 1},         {86399, 86399},
                {86400, 86400},  {86401, 86400}, {0x7fffffff, 86400},
                {0x80000000, 1}, {0xffffffff, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin("mx.example", DNS_A);
        put_a("@12", "\xc0\x00\x02\x01", rows[i].ttl_s);
        const struct dns_answer *answer = read_secure("mx.example", DNS_A);
        ck_assert_uint_eq(answer->ttl_s, rows[i].expected_s);
        dns_answer_drop(answer);
    }
}
END_TEST

START_TEST(negative_times_are_the_least_of_ttl_and_minimum_and_capped_DNS_10)
{
    static const struct {
        uint32_t ttl_s, minimum_s, a_s, tlsa_s;
    } rows[] = {
        {300, 60, 60, 60},           {60, 300, 60, 60}, {5000, 5000, 5000, 3600},
        {86400, 86400, 10800, 3600}, {0, 300, 0, 0},    {0x80000001, 300, 0, 0},
        {300, 0xffffffff, 300, 300},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static const enum dns_type types[] = {DNS_A, DNS_TLSA, DNS_TXT, DNS_MX};
        for (int t = 0; t < 4; t++) {
            begin("mx.example", types[t]);
            put_soa(AUTHORITY, "example", rows[i].ttl_s, rows[i].minimum_s);
            const struct dns_answer *answer = read_secure("mx.example", types[t]);
            bool proof = types[t] == DNS_TLSA || types[t] == DNS_TXT;
            ck_assert_uint_eq(answer->ttl_s, proof ? rows[i].tlsa_s : rows[i].a_s);
            dns_answer_drop(answer);
        }
    }
}
END_TEST

START_TEST(an_absence_without_an_soa_of_its_zone_is_not_kept_DNS_10)
{
    begin("mx.example", DNS_A);
    const struct dns_answer *answer = read_secure("mx.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_SECURE_NODATA);
    ck_assert_uint_eq(answer->ttl_s, 0);
    dns_answer_drop(answer);

    begin("mx.example", DNS_A);
    put_soa(AUTHORITY, "other.example", 300, 300);
    put_soa(AUTHORITY, "x.example", 300, 300);
    put_soa(AUTHORITY, "y.mx.example", 300, 300);
    answer = read_secure("mx.example", DNS_A);
    ck_assert_uint_eq(answer->ttl_s, 0);
    dns_answer_drop(answer);

    static const char *const zones[] = {"", "example", "mx.example"};
    for (int i = 0; i < 3; i++) {
        begin("mx.example", DNS_A);
        put_soa(AUTHORITY, zones[i], 300, 300);
        answer = read_secure("mx.example", DNS_A);
        ck_assert_uint_eq(answer->ttl_s, 300);
        dns_answer_drop(answer);
    }
}
END_TEST

/* --- hostile messages --- */

START_TEST(compression_loops_end)
{
    begin("mx.example", DNS_A);
    size_t at = wire.size;
    char self[16];
    snprintf(self, sizeof self, "@%zu", at); /* to itself */
    put_a(self, "\xc0\x00\x02\x01", 300);
    expect_malformed("mx.example", DNS_A);

    begin("mx.example", DNS_A);
    snprintf(self, sizeof self, "a.@%zu", at); /* labels, then back to them */
    put_a(self, "\xc0\x00\x02\x01", 300);
    expect_malformed("mx.example", DNS_A);

    begin("mx.example", DNS_A);
    snprintf(self, sizeof self, "@%zu", at + 16); /* forward */
    put_a(self, "\xc0\x00\x02\x01", 300);
    put_a("@12", "\xc0\x00\x02\x01", 300);
    expect_malformed("mx.example", DNS_A);

    begin("mx.example", DNS_A);
    put_a("@3", "\xc0\x00\x02\x01", 300); /* into the header */
    expect_malformed("mx.example", DNS_A);
    begin("mx.example", DNS_A);
    put_a("@0", "\xc0\x00\x02\x01", 300); /* the identifier is zero: the root, one could say */
    expect_malformed("mx.example", DNS_A);

    begin("mx.example",
          DNS_A); /* the ladder: each pointer to the one before is legal, and bounded */
    char step[16];
    snprintf(step, sizeof step, "@12");
    for (int i = 0; i < 2000; i++) {
        size_t here = wire.size;
        put_a(step, "\xc0\x00\x02\x01", 300);
        snprintf(step, sizeof step, "@%zu", here);
    }
    const struct dns_answer *answer = read_secure("mx.example", DNS_A);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->count + answer->dropped, 2000);
    dns_answer_drop(answer);
}
END_TEST

START_TEST(names_over_255_bytes_are_malformed)
{
    char label[65], text[300] = "";
    memset(label, 'a', 63);
    label[63] = '.';
    label[64] = 0;
    for (int i = 0; i < 3; i++)
        strcat(text, label);
    char legal[600], over[600];
    snprintf(legal, sizeof legal, "%s%.61s", text, label); /* 3 * 64 + 62 + 1 = 255 */
    snprintf(over, sizeof over, "%s%.62s", text, label);
    begin("mx.example", DNS_MX);
    put_mx("@12", 1, legal, 300);
    const struct dns_answer *answer = read_secure("mx.example", DNS_MX);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    ck_assert_uint_eq(answer->mx[0].exchange.length, 253);
    dns_answer_drop(answer);
    put_mx("@12", 1, over, 300);
    expect_malformed("mx.example", DNS_MX);
}
END_TEST

START_TEST(reserved_label_types_are_malformed)
{
    begin("mx.example", DNS_A);
    size_t at = wire.size;
    put_a("a.example", "\xc0\x00\x02\x01", 300);
    wire.bytes[at] = 0x40;
    expect_malformed("mx.example", DNS_A);
    wire.bytes[at] = 0x80;
    expect_malformed("mx.example", DNS_A);
}
END_TEST

START_TEST(data_that_does_not_fit_its_length_is_malformed)
{
    static const struct {
        enum dns_type type;
        size_t size;
        const char *bytes;
    } rows[] = {
        {DNS_A, 0, ""},
        {DNS_A, 3, "\1\2\3"},
        {DNS_A, 5, "\1\2\3\4\5"},
        {DNS_AAAA, 4, "\1\2\3\4"},
        {DNS_AAAA, 17, "\1\2\3\4\5\6\7\1\2\3\4\5\6\7\1\2\3"},
        {DNS_MX, 0, ""},
        {DNS_MX, 1, "\0"},
        {DNS_MX, 2, "\0\1"},
        {DNS_MX, 4, "\0\1\1a"},     /* no root */
        {DNS_MX, 3, "\0\1\xc0"},    /* half a pointer */
        {DNS_MX, 6, "\0\1\1a\0\0"}, /* bytes behind the name */
        {DNS_CNAME, 0, ""},
        {DNS_CNAME, 2, "\1a"},
        {DNS_CNAME, 4, "\1a\0\0"},
        {DNS_TXT, 1, "\1"},
        {DNS_TXT, 4, "\2ab\1"},
        {DNS_SOA, 2, "\0\0"},
        {DNS_SOA, 21, "\0\0aaaabbbbccccdddd\0\0\1"},
        {DNS_SOA, 23, "\0\0aaaabbbbccccdddd\0\0\0\1x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin("mx.example", rows[i].type);
        put_data(ANSWER, "@12", rows[i].type, 300, rows[i].bytes, rows[i].size);
        put_data(ANSWER, "other.example", 99, 300, "some bytes that come after it", 29);
        expect_malformed("mx.example", rows[i].type);
    }
}
END_TEST

START_TEST(a_malformed_soa_does_not_time_an_absence)
{
    begin("mx.example", DNS_A);
    put_data(AUTHORITY, "example", DNS_SOA, 300, "\0\0short", 7);
    expect_malformed("mx.example", DNS_A);
}
END_TEST

START_TEST(a_message_about_something_else_is_malformed)
{
    begin("my.example", DNS_A);
    expect_malformed("mx.example", DNS_A);
    begin("mx.example", DNS_AAAA);
    expect_malformed("mx.example", DNS_A);
    begin("mx.example", DNS_A);
    wire.bytes[wire.size - 1] = 3; /* class CH */
    expect_malformed("mx.example", DNS_A);
    begin("mx.example", DNS_A);
    wire.bytes[5] = 0; /* no question */
    expect_malformed("mx.example", DNS_A);
    begin("mx.example", DNS_A);
    wire.bytes[5] = 2;
    expect_malformed("mx.example", DNS_A);
    begin("mx.example", DNS_A);
    wire.bytes[2] = 0; /* a query */
    expect_malformed("mx.example", DNS_A);
    begin("mx.example", DNS_A);
    put_a("@12", "\xc0\x00\x02\x01", 300);
    wire.bytes[2] |= 2; /* truncated (MX-11) */
    expect_malformed("mx.example", DNS_A);
    begin("mx.example", DNS_A);
    put_u8(0); /* a byte too many */
    expect_malformed("mx.example", DNS_A);
    wire.size = 0;
    expect_malformed("mx.example", DNS_A);
}
END_TEST

START_TEST(counts_that_promise_more_than_there_is_are_malformed)
{
    for (int section = ANSWER; section <= ADDITIONAL; section += 2) {
        begin("mx.example", DNS_A);
        wire.bytes[section + 1] = 1;
        expect_malformed("mx.example", DNS_A);
        wire.bytes[section] = 255;
        wire.bytes[section + 1] = 255;
        expect_malformed("mx.example", DNS_A);
    }
}
END_TEST

static void put_everything(void)
{
    begin("a.example", DNS_MX);
    put_cname("@12", "b.example", 300);
    put_mx("b.example", 10, "mx.@12", 300);
    put_mx("b.example", 20, "", 300);
    put_data(ANSWER, "b.example", 46, 300, "signature", 9);
    put_soa(AUTHORITY, "example", 300, 300);
    put_data(ADDITIONAL, "", 41, 0x8000, "", 0);
}

START_TEST(a_message_cut_off_anywhere_is_malformed)
{
    put_everything();
    size_t whole = wire.size;
    const struct dns_answer *answer = read_secure("a.example", DNS_MX);
    ck_assert_int_eq(answer->kind, DNS_SECURE_DATA);
    dns_answer_drop(answer);
    for (size_t size = 0; size < whole; size++) {
        put_everything();
        wire.size = size;
        expect_malformed("a.example", DNS_MX);
    }
}
END_TEST

START_TEST(a_message_with_any_bit_turned_ends_in_some_answer)
{
    put_everything();
    size_t bits = wire.size * 8;
    for (size_t bit = 0; bit < bits; bit++) {
        put_everything();
        wire.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const struct dns_answer *answer = read_secure("a.example", DNS_MX);
        ck_assert(answer->count == 0 || dns_has_data(answer->kind));
        ck_assert_uint_le(answer->ttl_s, LIMIT_DNS_TTL_S);
        dns_answer_drop(answer);
    }
}
END_TEST

START_TEST(the_worst_message_is_read_in_time)
{
    /* Sixteen aliases over thousands of records whose owner is long and nearly right. */
    begin("n0.example", DNS_A);
    for (int i = 0; i < LIMIT_ALIASES; i++) {
        char from[32], to[32];
        snprintf(from, sizeof from, "n%d.example", i);
        snprintf(to, sizeof to, "n%d.example", i + 1);
        put_cname(from, to, 300);
    }
    char owner[600] = "";
    for (int i = 0; i < 120; i++)
        strcat(owner, "a.");
    strcat(owner, "example");
    size_t here = wire.size;
    put_data(ANSWER, owner, DNS_A, 300, "\1\2\3\4", 4);
    char pointer[16];
    snprintf(pointer, sizeof pointer, "@%zu", here);
    while (wire.size < LIMIT_DNS_MESSAGE - 32)
        put_a(pointer, "\1\2\3\4", 300);
    clock_t start = clock();
    const struct dns_answer *answer = read_secure("n0.example", DNS_A);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    ck_assert_int_eq(answer->kind, DNS_SECURE_NODATA);
    ck_assert_msg(seconds < 1.0, "%.3f s", seconds);
    dns_answer_drop(answer);
}
END_TEST

/* --- holding and dropping --- */

START_TEST(an_answer_lives_until_the_last_drop)
{
    put_content(DATA);
    const struct dns_answer *answer = read_secure("mx.example", DNS_A);
    ck_assert_ptr_eq(dns_answer_hold(answer), answer);
    dns_answer_drop(answer);
    ck_assert_uint_eq(answer->count, 1); /* the sanitizer's build would tell */
    dns_answer_drop(answer);
    dns_answer_drop(NULL);
}
END_TEST

/* Every sort of reply, again and again with the n-th allocation failing: always an answer, always
 * ours, never data, never absence. */
START_TEST(without_memory_every_reply_is_still_answered_as_ours)
{
    static const struct {
        int rcode, security;
        bool limited;
    } replies[] = {{0, 2, false}, {0, 1, false}, {2, 0, false}, {0, 0, true}};
    struct name name = named("a.example");
    put_everything();
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct dns_reply reply = {.rcode = replies[i].rcode,
                                  .security = replies[i].security,
                                  .limited = replies[i].limited,
                                  .packet = wire.bytes,
                                  .size = wire.size};
        const struct dns_answer *whole = dns_message_read(&name, DNS_MX, &reply, NOW_MS);
        for (long n = 0; n < 2; n++) {
            allocations_left = n;
            const struct dns_answer *answer = dns_message_read(&name, DNS_MX, &reply, NOW_MS);
            bool ran_out = allocations_left < 0;
            allocations_left = -1;
            ck_assert_int_eq(answer->type, DNS_MX);
            ck_assert_int_eq(answer->kind, ran_out ? DNS_ERROR : whole->kind);
            ck_assert(!ran_out || answer->trouble == DNS_TROUBLE_OURS);
            ck_assert(n > 0 || ran_out);
            dns_answer_drop(answer);
        }
        dns_answer_drop(whole);
    }
    for (int i = 0; i < 10000; i++) { /* the static answer is never used up */
        allocations_left = 0;
        const struct dns_answer *answer =
            dns_answer_failure(&name, DNS_TLSA, DNS_TROUBLE_TIMEOUT, 0, NOW_MS, "late");
        allocations_left = -1;
        ck_assert_int_eq(answer->trouble, DNS_TROUBLE_OURS);
        ck_assert_int_eq(answer->type, DNS_TLSA);
        dns_answer_drop(answer);
    }
}
END_TEST

START_TEST(a_failure_of_ours_is_not_for_keeping)
{
    struct name name = named("mx.example");
    const struct dns_answer *answer =
        dns_answer_failure(&name, DNS_MX, DNS_TROUBLE_OURS, 0, NOW_MS, "too many questions");
    ck_assert_int_eq(answer->kind, DNS_ERROR);
    ck_assert_uint_eq(answer->ttl_s, 0);
    ck_assert_str_eq(answer->why, "too many questions");
    dns_answer_drop(answer);
    answer = dns_answer_failure(&name, DNS_MX, DNS_TROUBLE_NONE, 0, NOW_MS, "expired");
    ck_assert_int_eq(answer->kind, DNS_BOGUS);
    ck_assert_uint_eq(answer->ttl_s, 60);
    dns_answer_drop(answer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dns message");
    TCase *tests = tcase_create("message");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_reply_has_exactly_one_kind_DNS_01);
    tcase_add_test(tests, a_servfail_is_never_absence_DNS_02);
    tcase_add_test(tests, a_bogus_answer_shows_none_of_its_data);
    tcase_add_test(tests, a_packet_of_a_failed_look_up_is_not_even_read);
    tcase_add_test(tests, a_rate_limited_reply_is_an_error_DNS_14);
    tcase_add_test(tests, an_alias_that_was_asked_for_is_data_even_under_nxdomain_DNS_03);
    tcase_add_test(tests, an_extended_rcode_is_an_error);
    tcase_add_test(tests, an_unknown_security_state_is_an_error);
    tcase_add_test(tests, mx_records_are_read_with_their_preference);
    tcase_add_test(tests, the_null_mx_is_the_root_MX_08);
    tcase_add_test(tests, an_mx_that_no_host_can_have_is_present_but_unusable_NAME_05);
    tcase_add_test(tests, the_longest_odd_name_still_fits_as_text);
    tcase_add_test(tests, three_hundred_and_ninety_eight_mx_are_all_kept);
    tcase_add_test(tests, of_too_many_mx_the_most_preferred_are_kept_MX_18);
    tcase_add_test(tests, of_too_many_equal_mx_some_are_kept_and_the_rest_counted);
    tcase_add_test(tests, addresses_of_both_families_are_read);
    tcase_add_test(tests, too_many_addresses_are_counted_as_dropped);
    tcase_add_test(tests, tlsa_records_too_short_are_present_DANE_21);
    tcase_add_test(tests, tlsa_records_stand_in_one_order_however_the_set_is_turned_round_DANE_40);
    tcase_add_test(tests, an_smimea_record_has_the_layout_of_tlsa_DANE_44);
    tcase_add_test(tests, of_openpgp_keys_it_is_told_that_there_is_one_DANE_44);
    tcase_add_loop_test(tests, of_large_tlsa_records_the_first_are_kept_and_the_rest_is_counted, 0,
                        4);
    tcase_add_test(tests, too_many_tlsa_records_are_counted_and_take_no_room);
    tcase_add_test(tests, the_strings_of_a_text_record_are_joined_STS_02);
    tcase_add_test(tests, the_largest_message_of_text_fits);
    tcase_add_test(tests, an_soa_is_present_or_not);
    tcase_add_test(tests, aliases_are_followed_inside_the_message);
    tcase_add_test(tests, records_of_other_owners_types_and_classes_are_ignored);
    tcase_add_test(tests, an_alias_without_the_record_is_absence_at_its_end);
    tcase_add_test(tests, alias_loops_are_an_error_MX_01);
    tcase_add_test(tests, sixteen_aliases_are_followed_and_seventeen_are_not_MX_01);
    tcase_add_test(tests, an_alias_of_an_odd_name_leads_on);
    tcase_add_test(tests, two_different_aliases_at_one_name_are_malformed);
    tcase_add_test(tests, an_alias_to_a_name_no_host_can_have_is_an_error_NAME_05);
    tcase_add_test(tests, positive_times_are_clamped_DNS_11);
    tcase_add_test(tests, negative_times_are_the_least_of_ttl_and_minimum_and_capped_DNS_10);
    tcase_add_test(tests, an_absence_without_an_soa_of_its_zone_is_not_kept_DNS_10);
    tcase_add_test(tests, compression_loops_end);
    tcase_add_test(tests, names_over_255_bytes_are_malformed);
    tcase_add_test(tests, reserved_label_types_are_malformed);
    tcase_add_test(tests, data_that_does_not_fit_its_length_is_malformed);
    tcase_add_test(tests, a_malformed_soa_does_not_time_an_absence);
    tcase_add_test(tests, a_message_about_something_else_is_malformed);
    tcase_add_test(tests, counts_that_promise_more_than_there_is_are_malformed);
    tcase_add_test(tests, a_message_cut_off_anywhere_is_malformed);
    tcase_add_test(tests, a_message_with_any_bit_turned_ends_in_some_answer);
    tcase_add_test(tests, the_worst_message_is_read_in_time);
    tcase_add_test(tests, an_answer_lives_until_the_last_drop);
    if (CAN_RUN_OUT)
        tcase_add_test(tests, without_memory_every_reply_is_still_answered_as_ours);
    else
        fprintf(stderr, "the tests without memory need a malloc of their own: not in this build\n");
    tcase_add_test(tests, a_failure_of_ours_is_not_for_keeping);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
