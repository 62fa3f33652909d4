/*
 * clock.c - the clock of plays, in place of engine/base/clock.c: it stands still until the world
 * moves it.
 */
#include "tests/plays/world/world.h"

#include "engine/base/clock.h"

#include <string.h>

#define WALL_START_S INT64_C(1800000000) /* 2027-01-15: PKI_NOW_S of tests/pki.h */

static uint64_t boot_ms = WORLD_START_MS;

void world_clock_set(uint64_t now_ms)
{
    boot_ms = now_ms;
}

void world_pass(uint64_t span_ms)
{
    boot_ms += span_ms;
}

uint64_t clock_boot_ms(void)
{
    return boot_ms;
}

uint64_t clock_boot_us(void)
{
    return boot_ms * 1000;
}

int64_t clock_wall_s(void)
{
    return WALL_START_S + (int64_t)((boot_ms - WORLD_START_MS) / 1000);
}

void clock_boot_id(uint8_t id[16])
{
    memset(id, 7, 16);
}
