/*
 * keeper_room.c - room for a name that is new: in its quotas (ledger_quotas) and in the whole
 * ledger (memory.entries), or made by what is cheapest to lose (ledger_worth). MEM-02, MEM-07.
 *
 * What is cheapest is not searched for in all of the ledger: LIMIT_EVICT_LOOKS entries are looked
 * at, and the next look goes on behind them, round and round. So each comes by in its turn, and of
 * those that come by together the cheapest goes, of equal ones the one that was used longest ago.
 * Nothing that is KEPT goes, whoever comes by. Where nothing else does, the new name is not
 * learned.
 */
#include "engine/keeper_internal.h"

#include <stdio.h>
#include <string.h>

struct eviction {
    const struct keeper *keeper;
    const struct name *within; /* NULL: anywhere */
    int64_t now_s;             /* 0: nothing vouches for it */
    unsigned looked;
    bool left_range;
    enum ledger_worth worth; /* of the best so far; KEPT: none */
    int64_t last_use_s;
    char best[256], last[256];
};

static bool evict_look(void *context, enum ledger_kind kind, const char *text,
                       const struct ledger_entry *entry)
{
    struct eviction *eviction = context;
    struct name name;

    (void)kind;
    if (eviction->within != NULL &&
        (!name_from_canonical(&name, text) || !name_is_within(&name, eviction->within))) {
        eviction->left_range = true;
        return false;
    }
    const enum ledger_worth worth = ledger_worth(entry, eviction->now_s, &eviction->keeper->ledger);
    const int64_t last_use_s = ledger_last_use_s(entry);

    snprintf(eviction->last, sizeof eviction->last, "%s", text);
    if (worth < eviction->worth ||
        (worth == eviction->worth && worth != LEDGER_KEPT && last_use_s < eviction->last_use_s)) {
        eviction->worth = worth;
        eviction->last_use_s = last_use_s;
        snprintf(eviction->best, sizeof eviction->best, "%s", text);
    }
    return ++eviction->looked < LIMIT_EVICT_LOOKS;
}

/* Behind the place that the last look ended at; if that is not below the ancestor, from there. */
static const char *evict_from(const char *after, const struct name *within)
{
    struct name name;

    if (within == NULL)
        return after[0] != '\0' ? after : NULL;
    return name_from_canonical(&name, after) && name_is_within(&name, within) ? after
                                                                              : within->text;
}

/* False: nothing there may go. */
static bool evict_one(struct keeper *keeper, enum ledger_kind kind, const struct name *within,
                      char after[256])
{
    struct eviction eviction = {.keeper = keeper,
                                .within = within,
                                .now_s = keeper_vouched_s(keeper),
                                .worth = LEDGER_KEPT};
    int error = store_each(keeper->store, kind, evict_from(after, within), evict_look, &eviction);

    if (error == 0 && (eviction.left_range || eviction.looked < LIMIT_EVICT_LOOKS)) {
        /* The end: from the beginning again, what is left of the look. */
        eviction.left_range = false;
        error = store_each(keeper->store, kind, within != NULL ? within->text : NULL, evict_look,
                           &eviction);
    }
    snprintf(after, 256, "%s", eviction.last);
    if (error != 0 || eviction.worth == LEDGER_KEPT)
        return false;
    keeper_entry_evict(keeper, kind, eviction.best);
    return true;
}

bool keeper_make_room(struct keeper *keeper, enum ledger_kind kind, const char *text)
{
    struct ledger_quota quotas[2];
    struct name name;
    bool room = true;

    if (!name_from_canonical(&name, text))
        return false;
    const unsigned count = ledger_quotas(quotas, kind, &name, &keeper->ledger);
    for (unsigned i = 0; i < count && room; i++)
        room = store_entry_count(keeper->store, kind, quotas[i].ancestor.text, quotas[i].most) <
                   quotas[i].most ||
               evict_one(keeper, kind, &quotas[i].ancestor, keeper->evict_after[kind][i]);
    room = room && (store_entries(keeper->store, kind) < keeper->ledger.entries ||
                    evict_one(keeper, kind, NULL, keeper->evict_after[kind][KEEPER_ROOMS - 1]));
    counter_add(&keeper->counts.refused, !room);
    return room;
}
