/*
 * freshness.h - is a published verdict young enough? Pure; the same in daemon and library.
 *
 * Success is evidence of capability and keeps; failure is evidence of now (FRESH-02). What is
 * enforced at the delivery never depends on these: they say when to look again.
 */
#ifndef MXWARD_SHM_FRESHNESS_H
#define MXWARD_SHM_FRESHNESS_H

#include "shm/verdict.h"

#define VERDICT_GOOD_MS    (60ull * 60 * 1000) /* TLS at every host that matters */
#define VERDICT_BAD_MS     (5ull * 60 * 1000)  /* anything the peers did, or did not do */
#define VERDICT_TROUBLE_MS (30ull * 1000)      /* a failed look-up is believed (DNS-09) */

/* How long ago its evidence was looked for. */
static inline uint64_t verdict_age_ms(const struct verdict *verdict, uint64_t now_ms)
{
    return now_ms > verdict->began_ms ? now_ms - verdict->began_ms : 0;
}
/* When to look again, in ms after began_ms (FRESH-02). */
uint64_t verdict_refresh_ms(const struct verdict *verdict);
/* Is it as young as is asked for? `not_before_ms` 0: as it stays good. Whoever lets it be older
 * means what was seen to work; a failure, or what was not seen, is looked at again (FRESH-02). Not
 * asked here: valid_until_ms, config_epoch. */
bool verdict_serves(const struct verdict *verdict, uint64_t not_before_ms, uint64_t now_ms);
/* The same, and never beyond the life of its DNS part, nor across a change of the settings:
 * `epoch` is that of now (table_reader_epoch). */
bool verdict_serves_now(const struct verdict *verdict, uint32_t epoch, uint64_t not_before_ms,
                        uint64_t now_ms);
/* For who keeps an answer that was made now of a verdict that serves: until then the same question
 * would find the verdict young enough again; a second at most. 0: a live question, never. */
uint64_t verdict_keeps_until(const struct verdict *verdict, uint64_t not_before_ms,
                             uint64_t now_ms);

#endif
