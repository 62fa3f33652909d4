/*
 * seen.h - a set of domain names, whole, for scans: no name is asked twice.
 *
 * One thread. Grows as names come in, up to SEEN_BYTES_MAX of text.
 */
#ifndef MXWARDCTL_SEEN_H
#define MXWARDCTL_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEEN_BYTES_MAX (UINT64_C(4) << 30)

struct seen;

struct seen *seen_create(void); /* NULL: no memory */
void seen_free(struct seen *seen);
/* 1: new, and added; 0: was there; -1: no memory or full. */
int seen_add(struct seen *seen, const char *name);
bool seen_has(const struct seen *seen, const char *name);
size_t seen_count(const struct seen *seen);

#endif
