/*
 * nexthop.c - from what a mail program calls a destination to a next hop, and back to its key.
 *
 * Pure, any thread, no allocation but libidn2's. Failure is a name_status; the next hop is then all
 * zero. next_hop_text is the inverse: parsing it gives the same next hop (a test holds it to that).
 */
#include "engine/names/nexthop.h"

#include "engine/base/limits.h"
#include "shm/letters.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint16_t port;
} services[] = {{"smtp", NEXT_HOP_PORT}, {"submission", 587}, {"submissions", 465}, {"smtps", 465}};

/* ASCII only, whatever the locale: strncasecmp would follow it (NAME-05). */
static bool begins_with_ipv6_tag(const char *text, size_t length)
{
    static const char tag[] = "ipv6:";
    if (length < 5)
        return false;
    for (size_t i = 0; i < 5; i++)
        if ((text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]) != tag[i])
            return false;
    return true;
}

static bool parse_port(uint16_t *port, const char *text, size_t length)
{
    unsigned value = 0;
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
        if (strlen(services[i].name) == length && memcmp(services[i].name, text, length) == 0) {
            *port = services[i].port;
            return true;
        }
    if (length == 0 || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

/* The byte after the last '@' outside quotes (NAME-01); `text` if there is none; NULL if a quote is
 * never closed. */
static const char *after_last_at(const char *text, size_t length, bool *has_at)
{
    const char *found = memchr(text, '"', length) == NULL ? memrchr(text, '@', length) : NULL;
    bool quoted = false;
    *has_at = found != NULL;
    if (found != NULL)
        return found + 1; /* nearly every address */
    found = text;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') {
            quoted = !quoted;
        } else if (quoted && text[i] == '\\') {
            i++; /* a quoted pair */
        } else if (!quoted && text[i] == '@') {
            found = text + i + 1;
            *has_at = true;
        }
    }
    return quoted ? NULL : found;
}

/* The inside of brackets: an address literal (RFC 5321 section 4.1.3), or a host if this is a next
 * hop and not a mail address. */
static enum name_status parse_bracketed(struct next_hop *next_hop, const char *text, size_t length,
                                        bool of_mail_address)
{
    if (begins_with_ipv6_tag(text, length)) {
        next_hop->kind = NEXT_HOP_ADDRESS;
        return address_parse(&next_hop->address, text + 5, length - 5) &&
                       next_hop->address.family == 6
                   ? NAME_OK
                   : NAME_IS_ADDRESS;
    }
    if (address_parse(&next_hop->address, text, length)) {
        next_hop->kind = NEXT_HOP_ADDRESS;
        /* A mail address needs the tag; transports are often written without it. */
        return next_hop->address.family == 4 || !of_mail_address ? NAME_OK : NAME_IS_ADDRESS;
    }
    if (of_mail_address)
        return NAME_IS_ADDRESS; /* NAME-07: an invalid literal */
    next_hop->kind = NEXT_HOP_HOST;
    return name_parse(&next_hop->name, text, length);
}

static enum name_status parse_brackets(struct next_hop *next_hop, const char *text, size_t length,
                                       bool of_mail_address)
{
    const char *end = memchr(text, ']', length);
    if (end == NULL)
        return NAME_CHARACTER;
    size_t inside = (size_t)(end - text) - 1, rest = length - inside - 2;
    if (rest > 0 &&
        (of_mail_address || end[1] != ':' || !parse_port(&next_hop->port, end + 2, rest - 1)))
        return NAME_CHARACTER;
    return parse_bracketed(next_hop, text + 1, inside, of_mail_address);
}

static enum name_status parse_plain(struct next_hop *next_hop, const char *text, size_t length,
                                    bool of_mail_address)
{
    const char *colon = memchr(text, ':', length);
    size_t domain = colon != NULL ? (size_t)(colon - text) : length;
    next_hop->kind = NEXT_HOP_DOMAIN;
    if (colon != NULL && memchr(colon + 1, ':', length - domain - 1) != NULL)
        return name_parse(&next_hop->name, text, length); /* an IPv6 address, or nothing at all */
    if (colon != NULL &&
        (of_mail_address || !parse_port(&next_hop->port, colon + 1, length - domain - 1)))
        return NAME_CHARACTER;
    return name_parse(&next_hop->name, text, domain);
}

static enum name_status parse(struct next_hop *next_hop, const char *text, size_t length)
{
    bool of_mail_address;
    if (length == 0)
        return NAME_EMPTY;
    if (length > LIMIT_ADDRESS_INPUT)
        return NAME_LONG;
    const char *domain = after_last_at(text, length, &of_mail_address);
    if (domain == NULL)
        return NAME_CHARACTER;
    length -= (size_t)(domain - text);
    if (length == 0)
        return NAME_LOCAL; /* NAME-09: "user@" */
    if (domain[0] == '[')
        return parse_brackets(next_hop, domain, length, of_mail_address);
    enum name_status status = parse_plain(next_hop, domain, length, of_mail_address);
    /* NAME-09: RFC 5321 section 4.5.1 lets it stand without a domain. As a domain of its own it
     * does not exist, and must not have a key that reads as something else. */
    if (status == NAME_OK && strcmp(next_hop->name.text, "postmaster") == 0)
        return NAME_LOCAL;
    return status;
}

/* Nearly every recipient, and every domain as a name alone: no quotes, brackets, port. False: the
 * rest says what it is. */
static bool parse_usual(struct next_hop *next_hop, const char *text, size_t length)
{
    const size_t domain = letters_domain(text, length);
    if (domain >= length || !name_is_usual(&next_hop->name, text + domain, length - domain))
        return false;
    next_hop->kind = NEXT_HOP_DOMAIN;
    next_hop->port = NEXT_HOP_PORT;
    memset(&next_hop->address, 0, sizeof(next_hop->address));
    return true;
}

enum name_status next_hop_parse(struct next_hop *next_hop, const char *text, size_t length)
{
    if (parse_usual(next_hop, text, length))
        return NAME_OK;
    memset(next_hop, 0, sizeof(*next_hop));
    next_hop->port = NEXT_HOP_PORT;
    enum name_status status = parse(next_hop, text, length);
    if (status != NAME_OK)
        memset(next_hop, 0, sizeof(*next_hop));
    return status;
}

bool next_hop_is_domain(const struct next_hop *next_hop, const char *domain)
{
    return next_hop_is_plain(next_hop) && strcmp(next_hop->name.text, domain) == 0;
}

size_t next_hop_text(const struct next_hop *next_hop, char text[NEXT_HOP_TEXT_MAX])
{
    char address[ADDRESS_TEXT_MAX];
    int length = 0;

    if (next_hop_is_plain(next_hop)) { /* nearly every one, and once for every message */
        name_text_give(text, &next_hop->name);
        return next_hop->name.length;
    }
    switch (next_hop->kind) {
    case NEXT_HOP_DOMAIN:
        length = snprintf(text, NEXT_HOP_TEXT_MAX, "%s", next_hop->name.text);
        break;
    case NEXT_HOP_HOST:
        length = snprintf(text, NEXT_HOP_TEXT_MAX, "[%s]", next_hop->name.text);
        break;
    case NEXT_HOP_ADDRESS:
        length = snprintf(text, NEXT_HOP_TEXT_MAX, "[%s%s]",
                          next_hop->address.family == 6 ? "IPv6:" : "",
                          address_text(&next_hop->address, address));
        break;
    }
    if (next_hop->port != NEXT_HOP_PORT)
        length += snprintf(text + length, NEXT_HOP_TEXT_MAX - (size_t)length, ":%u",
                           (unsigned)next_hop->port);
    return (size_t)length;
}
