/*
 * resolver_context.h - a libunbound context with our settings.
 *
 * Options, log and random numbers of libunbound belong to the whole process, the last context made
 * wins: contexts are made, finalised and deleted one at a time here, all with the same options.
 */
#ifndef MXWARD_DNS_RESOLVER_CONTEXT_H
#define MXWARD_DNS_RESOLVER_CONTEXT_H

#include "engine/dns/resolver.h"

#include <stddef.h>

struct ub_ctx;
struct ub_event_base;

/* 0, or -errno and a sentence in `why` (-ENOKEY: no usable trust anchor). `base` may be NULL: a
 * context for libunbound's own threads, for comparison. */
int resolver_context_create(struct ub_ctx **context, const struct resolver_options *options,
                            struct ub_event_base *base, char *why, size_t why_size);
/* Calls back every look-up that is still under way, contrary to unbound.h. */
void resolver_context_delete(struct ub_ctx *context);

#endif
