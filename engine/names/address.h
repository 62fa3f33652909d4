/*
 * address.h - IP addresses: text, prefix, and whether a probe may go there. Pure.
 */
#ifndef MXWARD_NAMES_ADDRESS_H
#define MXWARD_NAMES_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
    uint8_t family;    /* 4 or 6; 0: none */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four, the rest is zero */
};

#define ADDRESS_TEXT_MAX 46

bool address_parse(struct address *address, const char *text, size_t length);
const char *address_text(const struct address *address, char text[ADDRESS_TEXT_MAX]);
bool address_equal(const struct address *a, const struct address *b);
/* The /24 or /48 that politeness and endpoint ownership are counted by, host bits zero. */
struct address address_prefix(const struct address *address);
uint64_t address_hash(const struct address *address);
/* Loopback, private, link-local, multicast, documentation, unspecified, 0/8, 240/4 … : never probed
 * unless the configuration allows it (the lab). */
bool address_is_reserved(const struct address *address);
/* Of those, the ones that a mail program in the same network may reach: RFC 1918, 6598, 4193 and
 * 8215, and IPv4 addresses in the form of IPv6 that are such, or not reserved. */
bool address_is_private(const struct address *address);
/* 127/8, ::1, ::ffff:127/104: what is said there crosses no network. */
bool address_is_loopback(const struct address *address);
socklen_t address_to_socket(const struct address *address, uint16_t port,
                            struct sockaddr_storage *out);

#endif
