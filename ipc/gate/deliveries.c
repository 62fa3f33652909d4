/*
 * deliveries.c - see deliveries.h.
 */
#include "ipc/gate/deliveries.h"

#include "ipc/gate/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct deliveries {
    struct delivery all[GATE_DELIVERIES];
};

int deliveries_create(struct deliveries **deliveries)
{
    *deliveries = calloc(1, sizeof **deliveries);
    return *deliveries != NULL ? 0 : -ENOMEM;
}

void deliveries_destroy(struct deliveries *deliveries)
{
    free(deliveries);
}

void deliveries_note(struct deliveries *deliveries, pid_t process, const char *profile,
                     const char *next_hop, uint64_t asked_ms, uint64_t now_ms)
{
    struct delivery *delivery = &deliveries->all[(uint32_t)process % GATE_DELIVERIES];

    if (process <= 0)
        return;
    *delivery = (struct delivery){0};
    if (next_hop == NULL)
        return;
    delivery->process = process;
    delivery->asked_ms = asked_ms;
    delivery->answered_ms = now_ms;
    snprintf(delivery->profile, sizeof delivery->profile, "%s", profile);
    snprintf(delivery->next_hop, sizeof delivery->next_hop, "%s", next_hop);
}

const struct delivery *deliveries_find(const struct deliveries *deliveries, pid_t process,
                                       const char *profile, uint64_t now_ms)
{
    const struct delivery *delivery = &deliveries->all[(uint32_t)process % GATE_DELIVERIES];

    if (process <= 0 || delivery->process != process || strcmp(delivery->profile, profile) != 0 ||
        now_ms >= delivery->asked_ms + GATE_DELIVERY_MS)
        return NULL;
    return delivery;
}
