/*
 * admission.h - how many jobs may run now, for each class of urgency. Pure; one shard; times and
 * lag come from the caller.
 *
 * The window shrinks by a part as the loop's lag grows and grows back by a few, slowly, while it is
 * really used (additive increase, multiplicative decrease). Each class may fill the window up to
 * its own share: when there is not room for all, scans wait first, then refreshes, then what a mail
 * asked, and a live question last.
 */
#ifndef MXWARD_SCHEDULE_ADMISSION_H
#define MXWARD_SCHEDULE_ADMISSION_H

#include <stdint.h>

/* The most urgent first. */
enum admission_class { ADMIT_LIVE, ADMIT_ASKED, ADMIT_REFRESH, ADMIT_SCAN, ADMIT_CLASSES };

struct admission {
    uint32_t most, least; /* bounds of the window, in jobs */
    uint32_t window;
    uint64_t changed_ms; /* the window's last change */
};

/* Starts with the whole window of `most` jobs (at least one). */
void admission_start(struct admission *admission, uint32_t most, uint64_t now_ms);
/* Once a turn: the lag is how much longer than it should the loop let something wait (a turn's
 * length, or how late a timer was taken); `running` jobs are admitted now. */
void admission_observe(struct admission *admission, uint64_t lag_ms, uint32_t running,
                       uint64_t now_ms);
/* How many jobs of all classes together may run when the next one is of this class; at least 1. */
uint32_t admission_allowed(const struct admission *admission, enum admission_class which);

#endif
