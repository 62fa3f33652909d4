/*
 * status.h - the state of the daemon as one JSON document: self-tests, threads, table, counters,
 * histograms. Its members are described in mxward-socket(7); they are only ever added to.
 */
#ifndef MXWARD_SERVE_STATUS_H
#define MXWARD_SERVE_STATUS_H

#include "ipc/serve/front.h"

#include <stddef.h>

/* Returns the length; `size` >= JSON_BYTES_MIN. Front thread. */
size_t status_write(char *out, size_t size, const struct engine *engine,
                    const struct native_counts *native, const struct front_counts *front,
                    uint64_t now_ms);

#endif
