/*
 * clock.h - the only place where time is read.
 *
 * Ages and deadlines are boot-time milliseconds (CLOCK_BOOTTIME: goes on during suspend, never
 * backwards); what must survive a reboot, or compares with the world, is wall clock seconds (UTC).
 * Plays link tests/plays/world/clock.c instead, so pure modules take times as arguments and the
 * rest calls these. Any thread.
 */
#ifndef MXWARD_BASE_CLOCK_H
#define MXWARD_BASE_CLOCK_H

#include "engine/base/limits.h"

#include <stdbool.h>
#include <stdint.h>

uint64_t clock_boot_ms(void);
uint64_t clock_boot_us(void);
int64_t clock_wall_s(void);

/* A wall clock that can be right: not before this was written, nor long after (FRESH-06). Pure. */
static inline bool clock_is_sane(int64_t wall_s)
{
    return wall_s >= LIMIT_CLOCK_FIRST_S && wall_s <= LIMIT_CLOCK_LAST_S;
}

/* The kernel's boot id (16 bytes): tells boot-time stamps of different boots apart. */
void clock_boot_id(uint8_t id[16]);

#endif
