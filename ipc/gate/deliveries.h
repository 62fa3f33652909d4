/*
 * deliveries.h - what each process of the MTA is delivering just now under a guarantee. One thread.
 *
 * Postfix's smtp_delivery_status_filter tells the status and the text of a failure, and not whose
 * mail it was or where it was to go. But an smtp(8) process makes one delivery at a time, and asks
 * for the policy of its next hop first: so its last question tells the next hop. It is known by its
 * process, because Postfix closes a connection that was idle for ten seconds, and a slow mail host
 * takes longer.
 *
 * A fixed number of processes; one that takes another's place makes that one forgotten, and a
 * failure whose delivery is not known stays what it is: temporary.
 */
#ifndef MXWARD_GATE_DELIVERIES_H
#define MXWARD_GATE_DELIVERIES_H

#include "engine/names/nexthop.h"
#include "shm/profile.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct deliveries;

struct delivery {
    pid_t process; /* 0: nobody */
    uint64_t asked_ms, answered_ms;
    char profile[PROFILE_NAME_MAX];
    char next_hop[NEXT_HOP_TEXT_MAX];
};

int deliveries_create(struct deliveries **deliveries);
void deliveries_destroy(struct deliveries *deliveries);
/* The process asked for the policy of this next hop under this profile, and has it now; next_hop
 * NULL: for another one that is not to be known here. A process of 0 is nobody. */
void deliveries_note(struct deliveries *deliveries, pid_t process, const char *profile,
                     const char *next_hop, uint64_t asked_ms, uint64_t now_ms);
/* NULL: not known, not under this profile, or too long ago. */
const struct delivery *deliveries_find(const struct deliveries *deliveries, pid_t process,
                                       const char *profile, uint64_t now_ms);

#endif
