/*
 * address.c - IP addresses as values.
 *
 * Pure, any thread, no allocation. address_is_reserved is the fence around "never probe into the
 * operator's own network because a stranger's DNS says so": its two tables are IANA's registries of
 * special-purpose addresses (RFC 6890 and successors), everything there that is not globally
 * reachable, plus multicast and what was never delegated.
 */
#include "engine/names/address.h"

#include "engine/base/check.h"

#include <arpa/inet.h>
#include <string.h>
#include <xxhash.h>

struct prefix {
    uint8_t bytes[16];
    uint8_t bits;
};

/* IANA IPv4 Special-Purpose Address Registry, and multicast. Anycast services of the local network
 * inside 192.0.0.0/24 (PCP, TURN) are local too. The AS112 and AMT blocks are reachable: not here.
 */
static const struct prefix reserved_ipv4[] = {
    {{0}, 8},             /* this network (RFC 791) */
    {{10}, 8},            /* private (RFC 1918) */
    {{100, 64}, 10},      /* carrier NAT (RFC 6598) */
    {{127}, 8},           /* loopback (RFC 1122) */
    {{169, 254}, 16},     /* link-local (RFC 3927) */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments (RFC 6890) */
    {{192, 0, 2}, 24},    /* documentation 1 (RFC 5737) */
    {{192, 88, 99}, 24},  /* 6to4 relays, deprecated (RFC 7526) */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks (RFC 2544) */
    {{198, 51, 100}, 24}, /* documentation 2 */
    {{203, 0, 113}, 24},  /* documentation 3 */
    {{224}, 4},           /* multicast (RFC 5771) */
    {{240}, 4},           /* reserved (RFC 1112), with 255.255.255.255 */
};

/* Of them, those of somebody's own network. */
static const struct prefix private_ipv4[] = {
    {{10}, 8}, {{100, 64}, 10}, {{172, 16}, 12}, {{192, 168}, 16}};
static const struct prefix private_ipv6[] = {
    {{0xfc}, 7},                         /* unique local (RFC 4193) */
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48} /* translation to IPv4 of the local kind (RFC 8215) */
};

/* IANA IPv6 Special-Purpose Address Registry within 2000::/3. Everything outside of 2000::/3 is not
 * global unicast: loopback, unspecified, v4-mapped, 64:ff9b:1::/48, 100::/64, 100:0:0:1::/64,
 * 5f00::/16, fc00::/7, fe80::/10, fec0::/10, ff00::/8 and the unassigned rest. Inside 2001::/23 are
 * Teredo, benchmarks, ORCHID and anycast blocks: no address there is a mail host's. */
static const struct prefix reserved_ipv6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments (RFC 2928) */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation (RFC 3849) */
    {{0x3f, 0xff}, 20},             /* documentation (RFC 9637) */
};

/* Nobody should publish such an address, but Linux connects to the IPv4 address in it. */
static const struct prefix ipv4_mapped = {{[10] = 0xff, 0xff}, 96}; /* RFC 4291 section 2.5.5.2 */

/* Addresses that stand for an IPv4 address: judged by it. */
static const struct prefix nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96}; /* RFC 6052: last four bytes */
static const struct prefix six_to_four = {{0x20, 0x02}, 16};       /* RFC 3056: bytes 2 to 5 */
static const struct prefix global_unicast_ipv6 = {{0x20}, 3};      /* RFC 4291 section 2.4 */

bool address_parse(struct address *address, const char *text, size_t length)
{
    char copy[ADDRESS_TEXT_MAX];
    memset(address, 0, sizeof(*address));
    if (length == 0 || length >= sizeof(copy) || memchr(text, '\0', length) != NULL)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET, copy, address->bytes) == 1)
        address->family = 4;
    else if (inet_pton(AF_INET6, copy, address->bytes) == 1)
        address->family = 6;
    else
        memset(address, 0, sizeof(*address));
    return address->family != 0;
}

const char *address_text(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    text[0] = '\0';
    if (address->family != 0)
        CHECK(inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, text,
                        ADDRESS_TEXT_MAX) != NULL);
    return text;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

struct address address_prefix(const struct address *address)
{
    struct address prefix = {.family = address->family};
    memcpy(prefix.bytes, address->bytes, address->family == 4 ? 3 : 6);
    return prefix;
}

uint64_t address_hash(const struct address *address)
{
    uint8_t key[sizeof(address->bytes) + 1];
    key[0] = address->family;
    memcpy(key + 1, address->bytes, sizeof(address->bytes));
    return XXH3_64bits(key, sizeof(key));
}

static bool has_prefix(const uint8_t *bytes, const struct prefix *prefix)
{
    size_t whole = prefix->bits / 8u;
    unsigned rest = prefix->bits % 8u;
    if (memcmp(bytes, prefix->bytes, whole) != 0)
        return false;
    return rest == 0 || (bytes[whole] ^ prefix->bytes[whole]) >> (8u - rest) == 0;
}

static bool in_any(const uint8_t *bytes, const struct prefix *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (has_prefix(bytes, &prefixes[i]))
            return true;
    return false;
}

static bool is_reserved_ipv4(const uint8_t *bytes)
{
    return in_any(bytes, reserved_ipv4, sizeof(reserved_ipv4) / sizeof(reserved_ipv4[0]));
}

static bool is_reserved_ipv6(const uint8_t *bytes)
{
    if (has_prefix(bytes, &nat64))
        return is_reserved_ipv4(bytes + 12);
    if (has_prefix(bytes, &six_to_four))
        return is_reserved_ipv4(bytes + 2);
    return !has_prefix(bytes, &global_unicast_ipv6) ||
           in_any(bytes, reserved_ipv6, sizeof(reserved_ipv6) / sizeof(reserved_ipv6[0]));
}

bool address_is_reserved(const struct address *address)
{
    if (address->family == 4)
        return is_reserved_ipv4(address->bytes);
    if (address->family == 6)
        return is_reserved_ipv6(address->bytes);
    return true; /* none at all */
}

static bool is_private_ipv4(const uint8_t *bytes)
{
    return in_any(bytes, private_ipv4, sizeof(private_ipv4) / sizeof(private_ipv4[0]));
}

bool address_is_private(const struct address *address)
{
    const uint8_t *bytes = address->bytes;

    if (address->family == 4)
        return is_private_ipv4(bytes);
    if (address->family != 6)
        return false;
    if (has_prefix(bytes, &ipv4_mapped))
        return is_private_ipv4(bytes + 12) || !is_reserved_ipv4(bytes + 12);
    return in_any(bytes, private_ipv6, sizeof(private_ipv6) / sizeof(private_ipv6[0]));
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t ipv6[16] = {[15] = 1};
    static const uint8_t mapped[13] = {[10] = 0xff, 0xff, 127};

    if (address->family == 4)
        return address->bytes[0] == 127;
    return address->family == 6 && (memcmp(address->bytes, ipv6, sizeof ipv6) == 0 ||
                                    memcmp(address->bytes, mapped, sizeof mapped) == 0);
}

socklen_t address_to_socket(const struct address *address, uint16_t port,
                            struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (address->family == 4) {
        struct sockaddr_in *ipv4 = (struct sockaddr_in *)out;
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons(port);
        memcpy(&ipv4->sin_addr, address->bytes, 4);
        return sizeof(*ipv4);
    }
    CHECK(address->family == 6);
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)out;
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(port);
    memcpy(&ipv6->sin6_addr, address->bytes, 16);
    return sizeof(*ipv6);
}
