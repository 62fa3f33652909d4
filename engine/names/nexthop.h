/*
 * nexthop.h - what a mail program calls a destination. Pure.
 *
 *   example.org   example.org:587   [mx.example.org]   [mx.example.org]:587   [192.0.2.1]
 *   [IPv6:2001:db8::1]   user@example.org (the recipient's domain)
 *
 * Brackets mean: no MX look-up (MX-16). An address literal has no DANE and no MTA-STS (NAME-07).
 * A port may be a service as Postfix's transports write it: smtp, submission, submissions.
 */
#ifndef MXWARD_NAMES_NEXTHOP_H
#define MXWARD_NAMES_NEXTHOP_H

#include "engine/names/address.h"
#include "engine/names/name.h"

enum next_hop_kind {
    NEXT_HOP_DOMAIN,  /* MX look-up of `name` */
    NEXT_HOP_HOST,    /* [name]: the host itself */
    NEXT_HOP_ADDRESS, /* [literal] */
};

struct next_hop {
    enum next_hop_kind kind;
    uint16_t port;
    struct name name;
    struct address address;
};

#define NEXT_HOP_PORT     25 /* unless another is given */
#define NEXT_HOP_TEXT_MAX (NAME_BYTES_MAX + 16)

/* Split at the last unquoted '@' first (NAME-01). An invalid literal is NAME_IS_ADDRESS. Beyond the
 * end of its name a next hop may hold anything. */
enum name_status next_hop_parse(struct next_hop *next_hop, const char *text, size_t length);
/* A domain at the ordinary port, and nothing else: its text is its name. */
static inline bool next_hop_is_plain(const struct next_hop *next_hop)
{
    return next_hop->kind == NEXT_HOP_DOMAIN && next_hop->port == NEXT_HOP_PORT;
}
/* Is it that canonical domain, at the ordinary port, and nothing else? */
bool next_hop_is_domain(const struct next_hop *next_hop, const char *domain);
/* The canonical text, which is also the key of the table: lower case, port only if not 25. */
size_t next_hop_text(const struct next_hop *next_hop, char text[NEXT_HOP_TEXT_MAX]);

#endif
