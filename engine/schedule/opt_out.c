/*
 * opt_out.c - the opt-out list as two sorted arrays.
 *
 * Made by politeness at start and at reload; asked before every probe. A name costs one binary
 * search a label, an address one for each prefix length that occurs in the list. Addresses are
 * compared as IPv4-mapped IPv6, so one array holds both families and 10.0.0.0/8 is 104 bits long.
 *
 * Failure: a text that is neither prefix nor name refuses the whole list, so that a slip of the pen
 * is seen by the operator and not by who asked to be left alone.
 */
#include "engine/schedule/opt_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH  128u /* bits of an address as IPv6 */
#define MAPPED 96u  /* … of which an IPv4 one fixes these */

struct prefix {
    uint8_t bits; /* compared first: see compare_prefixes */
    uint8_t bytes[16];
};

struct opt_out {
    struct prefix *prefixes;
    struct name *names;
    size_t prefix_count, name_count;
    bool lengths[WIDTH + 1]; /* that occur among the prefixes */
};

static int compare_prefixes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct prefix));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* The first `bits` of the address as IPv6, the rest zero. */
static struct prefix prefix_of(const struct address *address, unsigned bits)
{
    struct prefix prefix = {.bits = (uint8_t)bits};

    if (address->family == 4) {
        prefix.bytes[10] = prefix.bytes[11] = 0xff;
        memcpy(prefix.bytes + 12, address->bytes, 4);
    } else {
        memcpy(prefix.bytes, address->bytes, 16);
    }
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
        if (kept < 8)
            prefix.bytes[i] &= (uint8_t)(0xff00u >> kept);
    }
    return prefix;
}

/* "ADDRESS" or "ADDRESS/LENGTH" */
static bool parse_prefix(struct prefix *prefix, const char *text)
{
    const char *slash = strchr(text, '/');
    struct address address;

    if (!address_parse(&address, text, slash != NULL ? (size_t)(slash - text) : strlen(text)))
        return false;
    unsigned most = address.family == 4 ? WIDTH - MAPPED : WIDTH, length = most;
    if (slash != NULL) {
        char *end;
        if (slash[1] < '0' || slash[1] > '9')
            return false;
        unsigned long given = strtoul(slash + 1, &end, 10);
        if (*end != '\0' || given > most)
            return false;
        length = (unsigned)given;
    }
    *prefix = prefix_of(&address, WIDTH - most + length);
    return true;
}

static int add(struct opt_out *opt_out, const char *text, char *why, size_t why_size)
{
    struct prefix *prefix = &opt_out->prefixes[opt_out->prefix_count];
    struct name *name = &opt_out->names[opt_out->name_count];

    if (parse_prefix(prefix, text)) {
        opt_out->lengths[prefix->bits] = true;
        opt_out->prefix_count++;
        return 0;
    }
    /* Zeroed first: names are compared as text, and prefixes as bytes. */
    *name = (struct name){0};
    enum name_status status =
        strchr(text, '/') == NULL ? name_parse(name, text, strlen(text)) : NAME_CHARACTER;
    if (status == NAME_OK) {
        opt_out->name_count++;
        return 0;
    }
    snprintf(why, why_size,
             "politeness.opt_out: \"%s\" is neither a prefix (192.0.2.0/24, 2001:db8::/48) nor a "
             "domain name: %s",
             text, name_status_text(status));
    return -EINVAL;
}

int opt_out_create(struct opt_out **out, const struct option_list *list, char *why, size_t why_size)
{
    struct opt_out *opt_out = calloc(1, sizeof *opt_out);
    int error = 0;

    if (opt_out == NULL)
        return -ENOMEM;
    opt_out->prefixes = calloc(list->count + 1, sizeof *opt_out->prefixes);
    opt_out->names = calloc(list->count + 1, sizeof *opt_out->names);
    if (opt_out->prefixes == NULL || opt_out->names == NULL)
        error = -ENOMEM;
    for (size_t i = 0; error == 0 && i < list->count; i++)
        error = add(opt_out, list->texts[i], why, why_size);
    if (error != 0) {
        opt_out_destroy(opt_out);
        return error;
    }
    qsort(opt_out->prefixes, opt_out->prefix_count, sizeof *opt_out->prefixes, compare_prefixes);
    qsort(opt_out->names, opt_out->name_count, sizeof *opt_out->names, compare_names);
    *out = opt_out;
    return 0;
}

void opt_out_destroy(struct opt_out *opt_out)
{
    if (opt_out == NULL)
        return;
    free(opt_out->prefixes);
    free(opt_out->names);
    free(opt_out);
}

bool opt_out_has_address(const struct opt_out *opt_out, const struct address *address)
{
    unsigned least = address->family == 4 ? MAPPED : 0;

    if (opt_out->prefix_count == 0)
        return false;
    for (unsigned bits = least; bits <= WIDTH; bits++) {
        if (!opt_out->lengths[bits])
            continue;
        struct prefix prefix = prefix_of(address, bits);
        if (bsearch(&prefix, opt_out->prefixes, opt_out->prefix_count, sizeof prefix,
                    compare_prefixes) != NULL)
            return true;
    }
    return false;
}

static int compare_text_with_name(const void *text, const void *name)
{
    return strcmp(text, ((const struct name *)name)->text);
}

bool opt_out_has_name(const struct opt_out *opt_out, const struct name *name)
{
    const char *text = name->text;

    while (opt_out->name_count > 0 && *text != '\0') {
        if (bsearch(text, opt_out->names, opt_out->name_count, sizeof *opt_out->names,
                    compare_text_with_name) != NULL)
            return true;
        const char *dot = strchr(text, '.');
        if (dot == NULL)
            break;
        text = dot + 1;
    }
    return false;
}
