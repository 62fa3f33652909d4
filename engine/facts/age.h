/*
 * age.h - how long evidence may be used where nobody asked for fresher (FRESH-02). Pure.
 *
 * Success is evidence of capability and keeps; failure is evidence of now; what was our own fault
 * is no evidence at all. What may be enforced at delivery never depends on these: they only say
 * when to look again.
 */
#ifndef MXWARD_FACTS_AGE_H
#define MXWARD_FACTS_AGE_H

#include "engine/facts/evidence.h"

#define AGE_GOOD_MS (60ull * 60 * 1000) /* a completed handshake */
#define AGE_BAD_MS  (5ull * 60 * 1000)  /* anything the peer did, or did not do */

/* There are usable TLSA records, and what was shown meets none: a failure, for all that the
 * handshake was completed. It may be mended any moment, and stops mail until then. */
static inline bool evidence_meets_no_tlsa(const struct evidence *evidence)
{
    bool usable = false;

    for (unsigned i = 0; i < evidence->tlsa_count; i++) {
        if (evidence->tlsa[i].fate == TLSA_MATCH)
            return false;
        usable |= evidence->tlsa[i].fate != TLSA_UNUSABLE;
    }
    return usable;
}

static inline uint64_t evidence_good_until_ms(const struct evidence *evidence)
{
    switch (outcome_says(evidence->outcome)) {
    case SAYS_ENCRYPTS:
        return evidence->began_ms + (evidence_meets_no_tlsa(evidence) ? AGE_BAD_MS : AGE_GOOD_MS);
    case SAYS_WEAK:
    case SAYS_CLEAR:
    case SAYS_REFUSES:
    case SAYS_BROKEN:
    case SAYS_INCONCLUSIVE:
        return evidence->began_ms + AGE_BAD_MS;
    case SAYS_OURS:
        break;
    }
    return 0;
}

/* Whoever lets evidence be old means what was seen to work: that something failed is evidence of
 * now alone, and would stop mail of hours later (FRESH-02). What is ours says nothing of a peer:
 * who asked is told, and nobody after him (law 3). */
static inline uint64_t evidence_failed_until_ms(const struct evidence *evidence)
{
    const uint64_t until_ms = evidence_good_until_ms(evidence);

    return until_ms == 0 || until_ms == evidence->began_ms + AGE_BAD_MS ? until_ms : UINT64_MAX;
}

#endif
