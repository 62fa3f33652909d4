/*
 * names_address_test.c - addresses: texts, prefixes, and the fence around what is not the public
 * internet (standards.md NAME-07, NAME-08).
 *
 * The registries of IANA are written out here once more, row by row with what they say about
 * "globally reachable", independently of the tables in the code.
 */
#include "engine/names/address.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct address parsed(const char *text)
{
    struct address address;
    ck_assert_msg(address_parse(&address, text, strlen(text)), "'%s' is an address", text);
    return address;
}

static const struct {
    const char *text, *canonical;
    uint8_t family;
} texts[] = {
    {"192.0.2.1", "192.0.2.1", 4},
    {"0.0.0.0", "0.0.0.0", 4},
    {"255.255.255.255", "255.255.255.255", 4},
    {"2001:db8::1", "2001:db8::1", 6},
    {"2001:0DB8:0:0:0:0:0:1", "2001:db8::1", 6},
    {"::", "::", 6},
    {"::1", "::1", 6},
    {"::ffff:192.0.2.1", "::ffff:192.0.2.1", 6},
    {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 6},
};

START_TEST(an_address_has_one_text)
{
    struct address address = parsed(texts[_i].text);
    char text[ADDRESS_TEXT_MAX];
    ck_assert_uint_eq(address.family, texts[_i].family);
    ck_assert_str_eq(address_text(&address, text), texts[_i].canonical);
    struct address again = parsed(text);
    ck_assert(address_equal(&address, &again));
    ck_assert_uint_eq(address_hash(&address), address_hash(&again));
}
END_TEST

static const struct {
    const char *text;
    size_t length;
} not_addresses[] = {
    {"", 0},
    {"1.2.3", 5},
    {"1.2.3.4.5", 9},
    {"256.0.0.1", 9},
    {"01.2.3.4", 8}, /* octal to inet_aton, decimal to people: neither */
    {"1.2.3.4 ", 8},
    {" 1.2.3.4", 8},
    {"0x7f.0.0.1", 10},
    {"2130706433", 10},
    {"2001:db8::1::", 13},
    {"2001:db8", 8},
    {"fe80::1%eth0", 12},
    {"[::1]", 5},
    {"1.2.3.4\0", 8},
    {"::1\0x", 5},
    {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", 49},
    {"example.org", 11},
};

START_TEST(what_is_no_address_is_refused)
{
    struct address address;
    memset(&address, 0x55, sizeof(address));
    ck_assert(!address_parse(&address, not_addresses[_i].text, not_addresses[_i].length));
    ck_assert_uint_eq(address.family, 0);
}
END_TEST

START_TEST(only_length_bytes_are_read)
{
    struct address address;
    ck_assert(address_parse(&address, "192.0.2.15", 9));
    char text[ADDRESS_TEXT_MAX];
    ck_assert_str_eq(address_text(&address, text), "192.0.2.1");
}
END_TEST

START_TEST(families_differ_even_with_the_same_bytes)
{
    struct address four = {.family = 4, .bytes = {1, 2, 3, 4}}, six = four, none = {0};
    six.family = 6;
    ck_assert(!address_equal(&four, &six));
    ck_assert_uint_ne(address_hash(&four), address_hash(&six));
    char text[ADDRESS_TEXT_MAX];
    ck_assert_str_eq(address_text(&none, text), "");
    ck_assert(address_is_reserved(&none));
}
END_TEST

START_TEST(the_prefix_is_24_or_48_bits)
{
    static const char *const cases[][2] = {{"192.0.2.255", "192.0.2.0"},
                                           {"10.20.30.40", "10.20.30.0"},
                                           {"2001:db8:1:ffff:ffff:ffff:ffff:ffff", "2001:db8:1::"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address address = parsed(cases[i][0]), prefix = address_prefix(&address);
        char text[ADDRESS_TEXT_MAX];
        ck_assert_str_eq(address_text(&prefix, text), cases[i][1]);
    }
}
END_TEST

START_TEST(a_socket_address_has_family_port_and_bytes_in_network_order)
{
    struct sockaddr_storage storage;
    struct address four = parsed("192.0.2.1"), six = parsed("2001:db8::1");
    ck_assert_uint_eq(address_to_socket(&four, 25, &storage), sizeof(struct sockaddr_in));
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)&storage;
    ck_assert_int_eq(ipv4->sin_family, AF_INET);
    ck_assert_uint_eq(ntohs(ipv4->sin_port), 25);
    ck_assert_uint_eq(ntohl(ipv4->sin_addr.s_addr), 0xc0000201);
    ck_assert_uint_eq(address_to_socket(&six, 65535, &storage), sizeof(struct sockaddr_in6));
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&storage;
    ck_assert_int_eq(ipv6->sin6_family, AF_INET6);
    ck_assert_uint_eq(ntohs(ipv6->sin6_port), 65535);
    ck_assert_mem_eq(&ipv6->sin6_addr, six.bytes, 16);
    ck_assert_uint_eq(ipv6->sin6_scope_id, 0);
}
END_TEST

/* First and last address of each block, and the neighbours on both sides where they are public. */
static const struct {
    const char *before, *first, *last, *after;
} blocks[] = {
    /* IANA IPv4 Special-Purpose Address Registry: globally reachable false, or not applicable */
    {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
    {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
    {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
    {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
    {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
    {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
    {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
    {NULL, "192.0.0.0", "192.0.0.7", NULL},     /* service continuity, DS-Lite */
    {NULL, "192.0.0.8", "192.0.0.8", NULL},     /* dummy */
    {NULL, "192.0.0.9", "192.0.0.10", NULL},    /* PCP, TURN anycast: of the local network */
    {NULL, "192.0.0.170", "192.0.0.171", NULL}, /* NAT64 discovery */
    {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
    {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
    {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
    {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
    {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
    {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
    {"223.255.255.255", "224.0.0.0", "239.255.255.255", NULL},
    {NULL, "240.0.0.0", "255.255.255.254", NULL},
    {NULL, "255.255.255.255", "255.255.255.255", NULL},
    /* IANA IPv6 Special-Purpose Address Registry */
    {NULL, "::", "::", NULL},
    {NULL, "::1", "::1", NULL},
    {NULL, "::192.0.2.1", "::255.255.255.255", NULL},         /* v4-compatible, deprecated */
    {NULL, "::ffff:0.0.0.0", "::ffff:255.255.255.255", NULL}, /* v4-mapped, whatever is inside */
    {NULL, "::ffff:8.8.8.8", "::ffff:127.0.0.1", NULL},
    {NULL, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", NULL},
    {NULL, "100::", "100::ffff:ffff:ffff:ffff", NULL},
    {NULL, "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", NULL},
    {"2000:ffff::", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"},
    {NULL, "2001::1", "2001:0:ffff::", NULL},          /* Teredo */
    {NULL, "2001:1::1", "2001:1::3", NULL},            /* anycast services */
    {NULL, "2001:2::", "2001:2:0:ffff::", NULL},       /* benchmarks */
    {NULL, "2001:3::", "2001:3:ffff::", NULL},         /* AMT */
    {NULL, "2001:4:112::", "2001:4:112:ffff::", NULL}, /* AS112 */
    {NULL, "2001:10::", "2001:1f:ffff::", NULL},       /* ORCHID */
    {NULL, "2001:20::", "2001:2f:ffff::", NULL},       /* ORCHIDv2 */
    {NULL, "2001:30::", "2001:3f:ffff::", NULL},       /* drone identifiers */
    {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
     "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
    {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
     "3fff:1000::"},
    {NULL, "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {NULL, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {NULL, "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {NULL, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL}, /* site-local, deprecated */
    {NULL, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    /* never delegated: all but 2000::/3 */
    {NULL, "4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {NULL, "200::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"},
    /* addresses that stand for an IPv4 address */
    {NULL, "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8"},
    {NULL, "2002:7f00:1::", "2002:c0a8:1::1", "2002:808:808::1"},
};

START_TEST(nothing_of_the_special_purpose_registries_is_probed)
{
    struct address first = parsed(blocks[_i].first), last = parsed(blocks[_i].last);
    ck_assert_msg(address_is_reserved(&first), "%s", blocks[_i].first);
    ck_assert_msg(address_is_reserved(&last), "%s", blocks[_i].last);
    if (blocks[_i].before != NULL) {
        struct address before = parsed(blocks[_i].before);
        ck_assert_msg(!address_is_reserved(&before), "%s", blocks[_i].before);
    }
    if (blocks[_i].after != NULL) {
        struct address after = parsed(blocks[_i].after);
        ck_assert_msg(!address_is_reserved(&after), "%s", blocks[_i].after);
    }
}
END_TEST

static const char *const public_addresses[] = {
    "1.1.1.1",         "8.8.8.8",         "185.67.36.61", "99.255.255.255",
    "192.31.196.1",    "192.52.193.1",    "192.175.48.1", "2a05:bc0:1000::61:1",
    "2606:4700::1111", "2620:4f:8000::1", "2400::1",      "3fff:ffff::1",
    "2003::1",
};

START_TEST(private_are_the_addresses_of_somebodys_own_network)
{
    static const char *const are[] = {
        "10.0.0.0", "10.255.255.255", "100.64.0.1",   "172.16.0.1",      "192.168.0.1",
        "fc00::1",  "fdff:ffff::1",   "64:ff9b:1::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"};
    static const char *const others[] = {
        "127.0.0.1",       "0.0.0.0",      "9.255.255.255",    "172.32.0.1",
        "224.0.0.1",       "192.0.2.10",   "fe80::1",          "::1",
        "2606:4700::1111", "64:ff9b:2::1", "::ffff:127.0.0.1", "::fffe:8.8.8.8"};
    for (size_t i = 0; i < sizeof are / sizeof *are; i++) {
        struct address address = parsed(are[i]);
        ck_assert_msg(address_is_private(&address) && address_is_reserved(&address), "%s", are[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct address address = parsed(others[i]);
        ck_assert_msg(!address_is_private(&address), "%s", others[i]);
    }
}
END_TEST

START_TEST(loopback_is_this_machine_alone)
{
    static const char *const are[] = {"127.0.0.0", "127.255.255.255", "::1", "::ffff:127.0.0.1"};
    static const char *const others[] = {
        "126.255.255.255", "128.0.0.0", "0.0.0.0",         "::", "::2", "1::1",
        "::127.0.0.1",     "7f00::",    "::ffff:128.0.0.1"};
    for (size_t i = 0; i < sizeof are / sizeof *are; i++) {
        struct address address = parsed(are[i]);
        ck_assert_msg(address_is_loopback(&address), "%s", are[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct address address = parsed(others[i]);
        ck_assert_msg(!address_is_loopback(&address), "%s", others[i]);
    }
    ck_assert(!address_is_loopback(&(struct address){0}));
}
END_TEST

START_TEST(public_addresses_are_probed)
{
    struct address address = parsed(public_addresses[_i]);
    ck_assert_msg(!address_is_reserved(&address), "%s", public_addresses[_i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names/address");
    TCase *values = tcase_create("values");
    tcase_add_loop_test(values, an_address_has_one_text, 0, COUNT(texts));
    tcase_add_loop_test(values, what_is_no_address_is_refused, 0, COUNT(not_addresses));
    tcase_add_test(values, only_length_bytes_are_read);
    tcase_add_test(values, families_differ_even_with_the_same_bytes);
    tcase_add_test(values, the_prefix_is_24_or_48_bits);
    tcase_add_test(values, a_socket_address_has_family_port_and_bytes_in_network_order);
    suite_add_tcase(suite, values);

    TCase *fence = tcase_create("fence");
    tcase_add_loop_test(fence, nothing_of_the_special_purpose_registries_is_probed, 0,
                        COUNT(blocks));
    tcase_add_test(fence, private_are_the_addresses_of_somebodys_own_network);
    tcase_add_test(fence, loopback_is_this_machine_alone);
    tcase_add_loop_test(fence, public_addresses_are_probed, 0, COUNT(public_addresses));
    suite_add_tcase(suite, fence);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
