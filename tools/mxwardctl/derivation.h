/*
 * derivation.h - one decision in full, for people: what `mxwardctl decide --explain` prints.
 */
#ifndef MXWARDCTL_DERIVATION_H
#define MXWARDCTL_DERIVATION_H

#include "tools/mxwardctl/document.h"

/* `root`: the daemon's document. What is not in it is left out. */
void derivation_print(const struct screen *screen, const json_t *root);

#endif
