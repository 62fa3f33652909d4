/*
 * account_way.c - by which of the mail server's transports a message leaves; see account.h. Pure,
 * over what account_demand says: what is enforced is said here, in profile_in_force, alone.
 */
#include "shm/account.h"

#include <string.h>

/* Whether it needs a transport that enforces it. */
static bool is_enforced(const struct account_demand *demand, const struct profile *profile)
{
    return !demand->observe && !profile->observe && profile->minimum > LEVEL_OPPORTUNISTIC;
}

/* NULL: mail of this demand goes the ordinary way. */
static const struct profile *profile_in_force(const struct account_demand *demand)
{
    const struct profile *own = &demand->profile, *alias = &demand->alias_profile;
    const bool own_holds = demand->guaranteed && !demand->switched_off && is_enforced(demand, own);
    const bool alias_holds = demand->alias_sends && is_enforced(demand, alias);

    if (!own_holds)
        return alias_holds ? alias : NULL;
    return alias_holds && account_profile_compare(alias, own) > 0 ? alias : own;
}

static void path_fill(struct account_path *path, const struct account_demand *demand)
{
    const struct profile *profile = demand->known ? profile_in_force(demand) : NULL;

    *path = (struct account_path){.known = demand->known};
    if (profile == NULL)
        return;
    path->way = WAY_PROFILE;
    memcpy(path->profile, profile->name, sizeof path->profile);
}

/* Would an exception of his make a difference? That of a secure alias takes nothing from it. */
static bool differs_by_recipient(const struct account_demand *demand)
{
    struct account_demand excepted = *demand;

    excepted.switched_off = true;
    const struct profile *kept = profile_in_force(&excepted);
    return kept == NULL ? profile_in_force(demand) != NULL
                        : strcmp(kept->name, profile_in_force(demand)->name) != 0;
}

void account_way_of_sender(struct account_path *path, const struct table_reader *users,
                           const char *sender, uint64_t now_ms, int64_t now_s)
{
    struct account_demand demand;

    account_demand(&demand, users, sender, NULL, "", 0, now_ms, now_s);
    path_fill(path, &demand);
    if (now_s < demand.exceptions_until_s && differs_by_recipient(&demand))
        path->way = WAY_BY_RECIPIENT;
}

void account_way_of_message(struct account_path *path, const struct table_reader *users,
                            const char *sender, const char *sasl, const char *domain,
                            int64_t accepted_s, uint64_t now_ms, int64_t now_s)
{
    struct account_demand demand;

    account_demand(&demand, users, sender, sasl, domain, accepted_s, now_ms, now_s);
    path_fill(path, &demand);
}
