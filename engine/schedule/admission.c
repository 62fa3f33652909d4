/*
 * admission.c - the window of jobs that one shard lets run.
 *
 * Called once a turn and before each start, by the shard. No memory, no failure, no clock.
 *
 * Weakness: the window counts jobs, not their weight; a handshake with a large key weighs more.
 */
#include "engine/schedule/admission.h"

#include "engine/base/check.h"

#define LAG_HIGH_MS   100 /* from here on we are late: shrink */
#define LAG_SEVERE_MS 500 /* … and from here on at once by half */
#define LAG_LOW_MS    50  /* up to here there is room to grow */
#define CHANGE_MS     100 /* between two changes: a shrunken window needs time to show */
#define LEAST_PART    64  /* the window never gets smaller than this part of the whole */
#define GROWTH_PART   128 /* from the least back to the whole takes 12.8 s */

/* In percent of the window, by class. */
static const uint32_t shares[ADMIT_CLASSES] = {
    [ADMIT_LIVE] = 100,
    [ADMIT_ASKED] = 90,
    [ADMIT_REFRESH] = 70,
    [ADMIT_SCAN] = 50,
};

static uint32_t at_least_one(uint32_t n)
{
    return n > 0 ? n : 1;
}

void admission_start(struct admission *admission, uint32_t most, uint64_t now_ms)
{
    *admission = (struct admission){.most = at_least_one(most),
                                    .least = at_least_one(most / LEAST_PART),
                                    .window = at_least_one(most),
                                    .changed_ms = now_ms};
}

static void shrink(struct admission *admission, uint64_t lag_ms)
{
    uint32_t kept =
        lag_ms >= LAG_SEVERE_MS ? admission->window / 2 : admission->window - admission->window / 4;

    admission->window = kept > admission->least ? kept : admission->least;
}

static void grow(struct admission *admission)
{
    uint32_t step = at_least_one(admission->most / GROWTH_PART);
    uint32_t room = admission->most - admission->window;

    admission->window += step < room ? step : room;
}

void admission_observe(struct admission *admission, uint64_t lag_ms, uint32_t running,
                       uint64_t now_ms)
{
    if (now_ms - admission->changed_ms < CHANGE_MS)
        return;
    if (lag_ms >= LAG_HIGH_MS) {
        shrink(admission, lag_ms);
        admission->changed_ms = now_ms;
    } else if (lag_ms <= LAG_LOW_MS && running >= admission->window / 2) {
        /* A window that nobody fills says nothing about what we could bear. */
        grow(admission);
        admission->changed_ms = now_ms;
    }
}

uint32_t admission_allowed(const struct admission *admission, enum admission_class which)
{
    CHECK(which < ADMIT_CLASSES);
    return at_least_one((uint32_t)((uint64_t)admission->window * shares[which] / 100));
}
