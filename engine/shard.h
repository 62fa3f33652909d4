/*
 * shard.h - one shard: a thread with a ring, the jobs it owns, and their order in a turn.
 *
 * Created and joined by engine.c. Everything inside belongs to the shard's thread; other threads
 * reach it by messages only, and read its report (counters, relaxed).
 */
#ifndef MXWARD_SHARD_H
#define MXWARD_SHARD_H

#include "engine/certificate/certificate.h"
#include "engine/engine.h"
#include "engine/publish.h"

struct shard_start {
    uint16_t index;
    struct owners owners;
    struct exchange *exchange;
    const int *ring_descriptors; /* by thread number; complete before the first message */
    struct certificate_store *certificates;
    struct publisher *publisher;
    const struct configuration *configuration; /* lives until the shard has started */
    uint32_t config_epoch;                     /* of it, not 0 */
};

struct shard;

/* Starts the thread and waits until it runs. 0 or -errno; `why` gets a sentence. */
int shard_start(struct shard **shard, const struct shard_start *start, char *why, size_t why_size);
int shard_descriptor(const struct shard *shard);
/* The shard takes the new settings at its next turn; 0: it has, and the old ones may be freed.
 * -ETIMEDOUT: it has not yet, keep both. */
int shard_reload(struct shard *shard, const struct configuration *configuration,
                 uint32_t config_epoch);
/* From now on it answers everything and starts nothing. All shards first, then wait until all are
 * idle (requests travel between them), then shard_stop. */
void shard_drain(struct shard *shard);
bool shard_is_idle(const struct shard *shard);
/* Ends the thread, frees. */
void shard_stop(struct shard *shard);
const struct shard_report *shard_report(const struct shard *shard);

#endif
