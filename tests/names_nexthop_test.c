/*
 * names_nexthop_test.c - destinations as mail programs write them (standards.md NAME-01,
 * NAME-07..10, MX-16).
 */
#include "engine/names/nexthop.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define TEXT(literal) literal, sizeof(literal) - 1

static const struct {
    const char *text;
    enum next_hop_kind kind;
    uint16_t port;
    const char *key;
} destinations[] = {
    {"example.org", NEXT_HOP_DOMAIN, 25, "example.org"},
    {"Example.ORG.", NEXT_HOP_DOMAIN, 25, "example.org"},
    {"example.org:587", NEXT_HOP_DOMAIN, 587, "example.org:587"},
    {"example.org.:587", NEXT_HOP_DOMAIN, 587, "example.org:587"},
    {"example.org:25", NEXT_HOP_DOMAIN, 25, "example.org"},
    {"example.org:smtp", NEXT_HOP_DOMAIN, 25, "example.org"},
    {"example.org:submission", NEXT_HOP_DOMAIN, 587, "example.org:587"},
    {"example.org:00025", NEXT_HOP_DOMAIN, 25, "example.org"},
    {"ai", NEXT_HOP_DOMAIN, 25, "ai"},
    {"postmaster.example", NEXT_HOP_DOMAIN, 25, "postmaster.example"},
    {"bücher.test:2525", NEXT_HOP_DOMAIN, 2525, "xn--bcher-kva.test:2525"},
    /* brackets: no MX look-up (MX-16) */
    {"[mx.example.org]", NEXT_HOP_HOST, 25, "[mx.example.org]"},
    {"[MX.Example.org.]:587", NEXT_HOP_HOST, 587, "[mx.example.org]:587"},
    {"[mx.example.org]:submissions", NEXT_HOP_HOST, 465, "[mx.example.org]:465"},
    {"[mx.example.org]:smtps", NEXT_HOP_HOST, 465, "[mx.example.org]:465"},
    {"[bücher.test]", NEXT_HOP_HOST, 25, "[xn--bcher-kva.test]"},
    /* literals (NAME-07) */
    {"[192.0.2.1]", NEXT_HOP_ADDRESS, 25, "[192.0.2.1]"},
    {"[192.0.2.1]:2525", NEXT_HOP_ADDRESS, 2525, "[192.0.2.1]:2525"},
    {"[IPv6:2001:db8::1]", NEXT_HOP_ADDRESS, 25, "[IPv6:2001:db8::1]"},
    {"[ipv6:2001:DB8:0::0:1]:587", NEXT_HOP_ADDRESS, 587, "[IPv6:2001:db8::1]:587"},
    {"[2001:db8::1]", NEXT_HOP_ADDRESS, 25, "[IPv6:2001:db8::1]"},
    {"[127.0.0.1]", NEXT_HOP_ADDRESS, 25, "[127.0.0.1]"},
    /* mail addresses: the last unquoted '@' (NAME-01) */
    {"user@example.org", NEXT_HOP_DOMAIN, 25, "example.org"},
    {"user@Example.ORG.", NEXT_HOP_DOMAIN, 25, "example.org"},
    {"\"a@b\"@S.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"\"a\\\"@evil.test\"@s.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"\"a\\\\\"@s.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"a@evil.test@s.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"user%evil.test@s.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"evil.test!user@s.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"@relay.test:user@s.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"@s.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"user:with:colons@s.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"[user]@s.test", NEXT_HOP_DOMAIN, 25, "s.test"},
    {"jörg@bücher.test", NEXT_HOP_DOMAIN, 25, "xn--bcher-kva.test"}, /* NAME-10 */
    {"user@bücher.test", NEXT_HOP_DOMAIN, 25, "xn--bcher-kva.test"},
    {"user@ai", NEXT_HOP_DOMAIN, 25, "ai"},
    {"postmaster@example.org", NEXT_HOP_DOMAIN, 25, "example.org"},
    {"user@[192.0.2.1]", NEXT_HOP_ADDRESS, 25, "[192.0.2.1]"},
    {"user@[IPv6:2001:db8::1]", NEXT_HOP_ADDRESS, 25, "[IPv6:2001:db8::1]"},
};

START_TEST(a_destination_has_a_kind_a_port_and_one_key)
{
    struct next_hop next_hop;
    char key[NEXT_HOP_TEXT_MAX];
    const char *text = destinations[_i].text;
    enum name_status status = next_hop_parse(&next_hop, text, strlen(text));
    ck_assert_msg(status == NAME_OK, "'%s': %s", text, name_status_text(status));
    ck_assert_int_eq(next_hop.kind, destinations[_i].kind);
    ck_assert_uint_eq(next_hop.port, destinations[_i].port);
    ck_assert_uint_eq(next_hop_text(&next_hop, key), strlen(destinations[_i].key));
    ck_assert_str_eq(key, destinations[_i].key);
}
END_TEST

static void same(const struct next_hop *a, const struct next_hop *b)
{
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_uint_eq(a->port, b->port);
    ck_assert_uint_eq(a->name.length, b->name.length);
    ck_assert_str_eq(a->name.text, b->name.text);
    ck_assert(address_equal(&a->address, &b->address));
}

START_TEST(a_key_means_the_destination_it_was_made_of_PIT_22)
{
    struct next_hop once, twice;
    char key[NEXT_HOP_TEXT_MAX], again[NEXT_HOP_TEXT_MAX];
    const char *text = destinations[_i].text;
    ck_assert_int_eq(next_hop_parse(&once, text, strlen(text)), NAME_OK);
    size_t length = next_hop_text(&once, key);
    ck_assert_int_eq(next_hop_parse(&twice, key, length), NAME_OK);
    same(&once, &twice);
    next_hop_text(&twice, again);
    ck_assert_str_eq(key, again);
}
END_TEST

static const struct {
    const char *text;
    size_t length;
    enum name_status status;
} refusals[] = {
    {TEXT(""), NAME_EMPTY},
    {TEXT(":25"), NAME_EMPTY},
    {TEXT("[]"), NAME_EMPTY},
    {TEXT("[]:25"), NAME_EMPTY},
    /* local, or nobody's (NAME-09) */
    {TEXT("user@"), NAME_LOCAL},
    {TEXT("@"), NAME_LOCAL},
    {TEXT("user@localhost"), NAME_LOCAL},
    {TEXT("localhost:25"), NAME_LOCAL},
    {TEXT("[localhost]"), NAME_LOCAL},
    {TEXT("postmaster"), NAME_LOCAL},
    {TEXT("Postmaster"), NAME_LOCAL},
    {TEXT("user@postmaster"), NAME_LOCAL},
    /* ports */
    {TEXT("example.org:"), NAME_CHARACTER},
    {TEXT("example.org:0"), NAME_CHARACTER},
    {TEXT("example.org:65536"), NAME_CHARACTER},
    {TEXT("example.org:99999"), NAME_CHARACTER},
    {TEXT("example.org:000025"), NAME_CHARACTER},
    {TEXT("example.org:-1"), NAME_CHARACTER},
    {TEXT("example.org:25x"), NAME_CHARACTER},
    {TEXT("example.org:SMTP "), NAME_CHARACTER},
    {TEXT("example.org:25:25"), NAME_CHARACTER},
    {TEXT("[mx.example.org]:"), NAME_CHARACTER},
    {TEXT("[mx.example.org]25"), NAME_CHARACTER},
    {TEXT("[mx.example.org]:25 "), NAME_CHARACTER},
    {TEXT("[mx.example.org"), NAME_CHARACTER},
    {TEXT("mx.example.org]"), NAME_CHARACTER},
    {TEXT("[[mx.example.org]]"), NAME_CHARACTER},
    {TEXT("user@example.org:587"), NAME_CHARACTER}, /* a mail address has no port */
    {TEXT("user@[192.0.2.1]:587"), NAME_CHARACTER},
    {TEXT("user@[192.0.2.1]x"), NAME_CHARACTER},
    /* literals (NAME-07: an invalid one is a permanent error) and bare addresses (NAME-08) */
    {TEXT("192.0.2.1"), NAME_IS_ADDRESS},
    {TEXT("192.0.2.1:25"), NAME_IS_ADDRESS},
    {TEXT("user@192.0.2.1"), NAME_IS_ADDRESS},
    {TEXT("2001:db8::1"), NAME_IS_ADDRESS},
    {TEXT("[999.0.2.1]"), NAME_IS_ADDRESS},
    {TEXT("[192.0.2]"), NAME_IS_ADDRESS},
    {TEXT("[IPv6:192.0.2.1]"), NAME_IS_ADDRESS},
    {TEXT("[IPv6:]"), NAME_IS_ADDRESS},
    {TEXT("[IPv6:2001:db8::1::]"), NAME_IS_ADDRESS},
    {TEXT("[IPv6:fe80::1%eth0]"), NAME_IS_ADDRESS},
    {TEXT("user@[2001:db8::1]"), NAME_IS_ADDRESS}, /* the tag is missing */
    {TEXT("user@[example.org]"), NAME_IS_ADDRESS},
    {TEXT("user@[]"), NAME_IS_ADDRESS},
    {TEXT("user@[x400:c=de]"), NAME_IS_ADDRESS},
    /* quotes that never close, and quotes in the domain */
    {TEXT("\"user@example.org"), NAME_CHARACTER},
    {TEXT("user@\"example.org\""), NAME_CHARACTER},
    {TEXT("\"user\\"), NAME_CHARACTER},
    /* other bytes */
    {TEXT("<user@example.org>"), NAME_CHARACTER},
    {TEXT("user@example.org(home)"), NAME_CHARACTER},
    {TEXT("user@exa\0mple.org"), NAME_CHARACTER},
    {TEXT("[mx.example.org\0]"), NAME_CHARACTER},
    {TEXT("user@exam..ple.org"), NAME_LABEL_EMPTY},
    {TEXT("user@xn--a.test"), NAME_IDNA},
    {TEXT("a.test, b.test"), NAME_CHARACTER},
};

START_TEST(what_is_no_destination_is_refused_by_its_own_reason_NAME_07_08_09)
{
    static const struct next_hop nothing;
    struct next_hop next_hop;
    memset(&next_hop, 0x55, sizeof(next_hop));
    enum name_status status = next_hop_parse(&next_hop, refusals[_i].text, refusals[_i].length);
    ck_assert_msg(status == refusals[_i].status, "'%s': %s", refusals[_i].text,
                  name_status_text(status));
    ck_assert_mem_eq(&next_hop, &nothing, sizeof(nothing));
}
END_TEST

START_TEST(the_longest_destination_fits_its_text)
{
    char text[NEXT_HOP_TEXT_MAX + 4] = "[", key[NEXT_HOP_TEXT_MAX];
    struct next_hop next_hop;
    for (int i = 0; i < 3; i++)
        memset(text + 1 + i * 64, 'a', 63), text[64 + i * 64] = '.';
    memset(text + 1 + 192, 'b', 61);
    strcpy(text + 1 + 253, "]:65535");
    ck_assert_int_eq(next_hop_parse(&next_hop, text, strlen(text)), NAME_OK);
    ck_assert_uint_eq(next_hop_text(&next_hop, key), strlen(text));
    ck_assert_str_eq(key, text);
}
END_TEST

START_TEST(an_endless_local_part_is_refused_before_it_is_read)
{
    char text[4096];
    struct next_hop next_hop;
    memset(text, 'a', sizeof(text));
    memcpy(text + sizeof(text) - 7, "@s.test", 7);
    ck_assert_int_eq(next_hop_parse(&next_hop, text, sizeof(text)), NAME_LONG);
    ck_assert_int_eq(next_hop_parse(&next_hop, text + sizeof(text) - 2048, 2048), NAME_OK);
}
END_TEST

/* An ideographic full stop is a dot, but of a text that is not read at once. */
START_TEST(an_address_read_at_once_is_what_it_is_read_byte_by_byte)
{
    static const char bytes[] = "aaabzZ09.....--_@@@\"\\: xn";
    uint64_t state = 1;
    unsigned good = 0;

    for (unsigned round = 0; round < 200000; round++) {
        char text[80], wide[3 * sizeof text];
        struct next_hop next_hop, other;
        size_t length = 0, wide_length = 0;
        const size_t most = 1 + round % 70;
        for (; length < most; length++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[length] = round % 3 == 0 ? "a.b@cZ"[(state >> 33) % 6]
                                          : bytes[(state >> 33) % (sizeof bytes - 1)];
        }
        for (size_t i = 0; i < length; i++) {
            const size_t size = text[i] == '.' ? 3 : 1;
            memcpy(wide + wide_length, text[i] == '.' ? "\xe3\x80\x82" : text + i, size);
            wide_length += size;
        }
        memset(&next_hop, 'x', sizeof(next_hop));
        const enum name_status status = next_hop_parse(&next_hop, text, length);
        ck_assert_int_eq(status, next_hop_parse(&other, wide, wide_length));
        same(&next_hop, &other);
        good += status == NAME_OK;
    }
    ck_assert_uint_gt(good, 10000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names/nexthop");
    TCase *grammar = tcase_create("grammar");
    tcase_add_loop_test(grammar, a_destination_has_a_kind_a_port_and_one_key, 0,
                        COUNT(destinations));
    tcase_add_loop_test(grammar, a_key_means_the_destination_it_was_made_of_PIT_22, 0,
                        COUNT(destinations));
    tcase_add_loop_test(grammar, what_is_no_destination_is_refused_by_its_own_reason_NAME_07_08_09,
                        0, COUNT(refusals));
    tcase_add_test(grammar, the_longest_destination_fits_its_text);
    tcase_add_test(grammar, an_address_read_at_once_is_what_it_is_read_byte_by_byte);
    tcase_add_test(grammar, an_endless_local_part_is_refused_before_it_is_read);
    suite_add_tcase(suite, grammar);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
