/*
 * past_clock.h - a clock for tests of what is old: however short the machine has been up, there is
 * a past of a week. Stands in for engine/base/clock; for one file of a test program.
 */
#ifndef MXWARD_TESTS_PAST_CLOCK_H
#define MXWARD_TESTS_PAST_CLOCK_H

#include "engine/base/clock.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#define PAST_MS (UINT64_C(7) * 24 * 60 * 60 * 1000)

uint64_t clock_boot_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return PAST_MS * 1000 + (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_boot_ms(void)
{
    return clock_boot_us() / 1000;
}

int64_t clock_wall_s(void)
{
    return (int64_t)time(NULL);
}

void clock_boot_id(uint8_t id[16])
{
    memset(id, 1, 16);
}

#endif
