/*
 * account_way.c - see account_way.h. One rule for both questions.
 */
#include "shm/account_way.h"

#include <string.h>

/* It is enforced, and by a transport of its own. */
static bool needs_transport(const struct profile *profile)
{
    return !profile->observe && profile->minimum > LEVEL_OPPORTUNISTIC;
}

/* Of two that need one. */
static const struct profile *stricter(const struct profile *account, const struct profile *alias)
{
    if (account == NULL || alias == NULL)
        return account != NULL ? account : alias;
    if (alias->minimum != account->minimum)
        return alias->minimum > account->minimum ? alias : account;
    return alias->unmet == UNMET_STOP && account->unmet != UNMET_STOP ? alias : account;
}

static void path_of(struct account_path *path, const struct account_demand *demand)
{
    const bool account_counts =
        demand->guaranteed && !demand->switched_off && needs_transport(&demand->profile);
    const bool alias_counts = demand->alias_sends && needs_transport(&demand->alias_profile);
    const struct profile *profile = stricter(account_counts ? &demand->profile : NULL,
                                             alias_counts ? &demand->alias_profile : NULL);

    *path = (struct account_path){.known = demand->known};
    if (!demand->known || demand->observe || profile == NULL)
        return;
    path->way = WAY_PROFILE;
    memcpy(path->profile, profile->name, sizeof path->profile);
    if (account_counts && demand->has_exceptions)
        path->way = WAY_BY_RECIPIENT;
}

void account_way_of_sender(struct account_path *path, const struct table_reader *users,
                           const char *sender, uint64_t now_ms, int64_t now_s)
{
    struct account_demand demand;

    account_demand(&demand, users, sender, NULL, "", 0, now_ms, now_s);
    path_of(path, &demand);
}

void account_way_of_message(struct account_path *path, const struct table_reader *users,
                            const char *sender, const char *sasl, const char *domain,
                            int64_t accepted_s, uint64_t now_ms, int64_t now_s)
{
    struct account_demand demand;

    account_demand(&demand, users, sender, sasl, domain, accepted_s, now_ms, now_s);
    path_of(path, &demand);
    if (path->way == WAY_BY_RECIPIENT)
        path->way = WAY_PROFILE;
}
