/*
 * places.h - a list of prefixes of addresses and of domain names with all below them: who asked not
 * to be probed, which hops are our own. Pure; immutable once made.
 *
 * Written in the configuration as 192.0.2.0/24, 2001:db8::/48, 192.0.2.7 (one address), or
 * example.org (the name and everything below).
 */
#ifndef MXWARD_NAMES_PLACES_H
#define MXWARD_NAMES_PLACES_H

#include "engine/base/option.h"
#include "engine/names/address.h"
#include "engine/names/name.h"

#include <stdbool.h>
#include <stddef.h>

struct places;

/* `setting` is where the list stands: sentences begin with it. 0; -EINVAL with a sentence in `why`;
 * -ENOMEM. */
int places_create(struct places **places, const struct option_list *list, const char *setting,
                  char *why, size_t why_size);
void places_destroy(struct places *places);
bool places_has_address(const struct places *places, const struct address *address);
bool places_has_name(const struct places *places, const struct name *name);

#endif
