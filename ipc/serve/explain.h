/*
 * explain.h - everything that led to a verdict, as one JSON document.
 *
 * Its members are described in mxward-socket(7); they are only ever added to. What a peer said is
 * in it escaped, as the evidence keeps it.
 */
#ifndef MXWARD_SERVE_EXPLAIN_H
#define MXWARD_SERVE_EXPLAIN_H

#include "engine/domain.h"

#include <stddef.h>

/* Returns the length; `size` >= JSON_BYTES_MIN. `limited`: for who asks, the facts are (struct
 * domain_request). Any thread. */
size_t explain_write(char *out, size_t size, const struct domain_facts *facts, bool limited,
                     uint64_t now_ms);

#endif
