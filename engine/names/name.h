/*
 * name.h - one grammar and one canonical form for domain names. Pure.
 *
 * NAME-01..10 live here and in nexthop.h and nowhere else: every key of a cache, a table, a rule or
 * a DNS query is made by these functions first (PIT-22).
 */
#ifndef MXWARD_NAMES_NAME_H
#define MXWARD_NAMES_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NAME_BYTES_MAX 253 /* octets of the text form without the trailing dot (NAME-02) */

/* Canonical: A-labels, lower-case ASCII, no trailing dot, NUL after the last byte. */
struct name {
    uint8_t length; /* without the NUL; 0: none */
    char text[NAME_BYTES_MAX + 1];
};

/* Into `text`, terminated, by chunks that may reach beyond its end: no call, and no waiting for
 * what was written a byte at a time. */
static inline void name_text_give(char text[NAME_BYTES_MAX + 1], const struct name *name)
{
    const size_t chunk = 32;
    size_t at = 0;

    for (; at <= name->length && at + chunk <= sizeof name->text; at += chunk)
        memcpy(text + at, name->text + at, chunk);
    for (; at <= name->length; at++)
        text[at] = name->text[at];
}

enum name_status {
    NAME_OK,
    NAME_EMPTY,       /* no name at all */
    NAME_LABEL_EMPTY, /* two dots together, or a leading dot */
    NAME_LABEL_LONG,  /* a label over 63 octets */
    NAME_LONG,        /* over 253 octets */
    NAME_CHARACTER,   /* a byte that no host name has (NUL, space, control, not LDH or underscore),
                       * or a hyphen at the edge of a label */
    NAME_IDNA,        /* not convertible to A-labels: a permanent address error (NAME-03) */
    NAME_IS_ADDRESS,  /* an IP address, or looks like one (NAME-08) */
    NAME_LOCAL,       /* localhost, or no domain: not ours to decide (NAME-09) */
    NAME_NO_MEMORY,   /* ours, so temporary: says nothing about the name */
};

/* From anything a person, a mail program or a file may say (UTF-8, any case, one trailing dot).
 * Anything but NAME_OK leaves a name of length 0. */
enum name_status name_parse(struct name *name, const char *text, size_t length);
/* The same for nearly every name, in one look. False: whatever it is, name_parse says it; the name
 * has no meaning then. */
bool name_is_usual(struct name *name, const char *text, size_t length);
/* From a text that one of the other two made: nothing is mapped, so it needs no memory. False: it
 * is none of these. */
bool name_from_canonical(struct name *name, const char *text);
/* From a DNS wire name already uncompressed to labels (length octets, the root's is the last of
 * `size`): strict LDH plus underscore; no IDNA mapping. Escapes nothing: odd bytes are
 * NAME_CHARACTER (NAME-05). The root alone gives NAME_OK with length 0. */
enum name_status name_from_wire(struct name *name, const uint8_t *wire, size_t size);
/* Presentation to wire, for queries. Returns the size (<= 255), or 0 when `size` is too small. */
size_t name_to_wire(const struct name *name, uint8_t *wire, size_t size);

const char *name_status_text(enum name_status status); /* a sentence for people */
bool name_equal(const struct name *a, const struct name *b);
bool name_is_within(const struct name *name, const struct name *ancestor); /* or equal */
/* XXH3-64 of the canonical text: the one hash of names, everywhere. */
uint64_t name_hash(const struct name *name);
/* The last `labels` of it, or all there are. */
struct name name_last_labels(const struct name *name, unsigned labels);
/* What caps and resolver affinity are counted by: the last two labels (no public suffix list: a cap
 * may be too strict for co.uk, never too lax). */
struct name name_registrable(const struct name *name);

#endif
