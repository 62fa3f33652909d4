/*
 * freshness.c - see freshness.h.
 */
#include "shm/freshness.h"

uint64_t verdict_refresh_ms(const struct verdict *verdict)
{
    if (verdict->conclusion == CONCLUSION_TEMPORARY || verdict->cause == CAUSE_OURS)
        return VERDICT_TROUBLE_MS;
    if (verdict->conclusion == CONCLUSION_DEFINITE && verdict->class >= CLASS_ENCRYPTED)
        return VERDICT_GOOD_MS;
    return VERDICT_BAD_MS;
}

bool verdict_serves(const struct verdict *verdict, uint64_t not_before_ms, uint64_t now_ms)
{
    const uint64_t refresh_ms = verdict_refresh_ms(verdict);

    if (not_before_ms != 0 && refresh_ms == VERDICT_GOOD_MS)
        return verdict->began_ms >= not_before_ms;
    return verdict->began_ms >= not_before_ms && now_ms < verdict->began_ms + refresh_ms;
}

bool verdict_serves_now(const struct verdict *verdict, uint32_t epoch, uint64_t not_before_ms,
                        uint64_t now_ms)
{
    if (now_ms >= verdict->valid_until_ms || verdict->config_epoch != epoch)
        return false;
    return verdict_serves(verdict, not_before_ms, now_ms);
}

uint64_t verdict_keeps_until(const struct verdict *verdict, uint64_t not_before_ms, uint64_t now_ms)
{
    const uint64_t refresh_ms = verdict_refresh_ms(verdict);
    uint64_t until_ms = now_ms + 1000;

    if (not_before_ms >= now_ms)
        return 0;
    if (verdict->valid_until_ms < until_ms)
        until_ms = verdict->valid_until_ms;
    if ((not_before_ms == 0 || refresh_ms != VERDICT_GOOD_MS) &&
        verdict->began_ms + refresh_ms < until_ms)
        until_ms = verdict->began_ms + refresh_ms;
    if (not_before_ms != 0 && verdict->began_ms + (now_ms - not_before_ms) < until_ms)
        until_ms = verdict->began_ms + (now_ms - not_before_ms);
    return until_ms;
}
