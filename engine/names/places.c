/*
 * places.c - the list as two sorted arrays.
 *
 * Made at start and at reload, asked before every probe. A name costs one binary
 * search a label, an address one for each prefix length that occurs in the list. Addresses are
 * compared as IPv4-mapped IPv6, so one array holds both families and 10.0.0.0/8 is 104 bits long.
 *
 * Failure: a text that is neither prefix nor name refuses the whole list, so that a slip of the pen
 * is seen by the operator and not by who asked to be left alone.
 */
#include "engine/names/places.h"

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

struct places {
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

static int add(struct places *places, const char *text, const char *setting, char *why,
               size_t why_size)
{
    struct prefix *prefix = &places->prefixes[places->prefix_count];
    struct name *name = &places->names[places->name_count];

    if (parse_prefix(prefix, text)) {
        places->lengths[prefix->bits] = true;
        places->prefix_count++;
        return 0;
    }
    /* Zeroed first: names are compared as text, and prefixes as bytes. */
    *name = (struct name){0};
    enum name_status status =
        strchr(text, '/') == NULL ? name_parse(name, text, strlen(text)) : NAME_CHARACTER;
    if (status == NAME_OK) {
        places->name_count++;
        return 0;
    }
    if (status == NAME_NO_MEMORY) {
        snprintf(why, why_size, "%s: no memory for the list", setting);
        return -ENOMEM;
    }
    snprintf(why, why_size,
             "%s: \"%s\" is neither a prefix (192.0.2.0/24, 2001:db8::/48) nor a "
             "domain name: %s",
             setting, text, name_status_text(status));
    return -EINVAL;
}

int places_create(struct places **out, const struct option_list *list, const char *setting,
                  char *why, size_t why_size)
{
    struct places *places = calloc(1, sizeof *places);
    int error = 0;

    if (places == NULL) {
        snprintf(why, why_size, "%s: no memory for the list", setting);
        return -ENOMEM;
    }
    places->prefixes = calloc(list->count + 1, sizeof *places->prefixes);
    places->names = calloc(list->count + 1, sizeof *places->names);
    if (places->prefixes == NULL || places->names == NULL) {
        snprintf(why, why_size, "%s: no memory for the list", setting);
        error = -ENOMEM;
    }
    for (size_t i = 0; error == 0 && i < list->count; i++)
        error = add(places, list->texts[i], setting, why, why_size);
    if (error != 0) {
        places_destroy(places);
        return error;
    }
    qsort(places->prefixes, places->prefix_count, sizeof *places->prefixes, compare_prefixes);
    qsort(places->names, places->name_count, sizeof *places->names, compare_names);
    *out = places;
    return 0;
}

void places_destroy(struct places *places)
{
    if (places == NULL)
        return;
    free(places->prefixes);
    free(places->names);
    free(places);
}

bool places_has_address(const struct places *places, const struct address *address)
{
    unsigned least = address->family == 4 ? MAPPED : 0;

    if (places->prefix_count == 0)
        return false;
    for (unsigned bits = least; bits <= WIDTH; bits++) {
        if (!places->lengths[bits])
            continue;
        struct prefix prefix = prefix_of(address, bits);
        if (bsearch(&prefix, places->prefixes, places->prefix_count, sizeof prefix,
                    compare_prefixes) != NULL)
            return true;
    }
    return false;
}

static int compare_text_with_name(const void *text, const void *name)
{
    return strcmp(text, ((const struct name *)name)->text);
}

bool places_has_name(const struct places *places, const struct name *name)
{
    const char *text = name->text;

    while (places->name_count > 0 && *text != '\0') {
        if (bsearch(text, places->names, places->name_count, sizeof *places->names,
                    compare_text_with_name) != NULL)
            return true;
        const char *dot = strchr(text, '.');
        if (dot == NULL)
            break;
        text = dot + 1;
    }
    return false;
}
