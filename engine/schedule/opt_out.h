/*
 * opt_out.h - who asked not to be probed: prefixes of addresses, and domain names with all below
 * them. Pure; immutable once made.
 *
 * Written in the configuration as 192.0.2.0/24, 2001:db8::/48, 192.0.2.7 (one address), or
 * example.org (the name and everything below).
 */
#ifndef MXWARD_SCHEDULE_OPT_OUT_H
#define MXWARD_SCHEDULE_OPT_OUT_H

#include "engine/base/option.h"
#include "engine/names/address.h"
#include "engine/names/name.h"

#include <stdbool.h>
#include <stddef.h>

struct opt_out;

/* 0; -EINVAL with a sentence in `why`; -ENOMEM. */
int opt_out_create(struct opt_out **opt_out, const struct option_list *list, char *why,
                   size_t why_size);
void opt_out_destroy(struct opt_out *opt_out);
bool opt_out_has_address(const struct opt_out *opt_out, const struct address *address);
bool opt_out_has_name(const struct opt_out *opt_out, const struct name *name);

#endif
