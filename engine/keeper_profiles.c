/*
 * keeper_profiles.c - profiles that accounts of the store have, and the configuration lacks.
 *
 * What such a sender demands is unknown, so his mail is deferred until the profile is configured
 * again, or he has another (law 2). Only an administrator can end that: it is said at the start and
 * at each reload, in the log and by an alarm. Bounded: LIMIT_PROFILES_NAMED names, the rest
 * counted.
 */
#include "engine/keeper_internal.h"

#include "engine/alarm.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <stdio.h>
#include <string.h>

static bool is_configured(const struct profiles_settings *profiles, const char *name)
{
    for (size_t i = 0; i < profiles->count; i++)
        if (strcmp(profiles->all[i].name, name) == 0)
            return true;
    return false;
}

static void add(struct missing_profiles *missing, const char *name)
{
    unsigned i = 0;

    while (i < missing->count && strcmp(missing->named[i].name, name) != 0)
        i++;
    if (i == LIMIT_PROFILES_NAMED) {
        missing->others++;
        return;
    }
    if (i == missing->count)
        snprintf(missing->named[missing->count++].name, PROFILE_NAME_MAX, "%s", name);
    missing->named[i].accounts++;
}

/* Only what a message can still be asked about: not what is off, and was long enough. */
void keeper_profiles_look(struct missing_profiles *missing, const struct keeper *keeper,
                          const struct account *account)
{
    const struct profiles_settings *profiles = &keeper->configuration->profiles;
    const int64_t queued_s = clock_wall_s() - LIMIT_QUEUE_LIFE_S; /* accepted then, at the latest */
    const bool was_on = (account->flags & ACCOUNT_ON_BEFORE) != 0 && queued_s < account->changed_s;

    if ((account->flags & ACCOUNT_ON) == 0 && !was_on)
        return;
    if (account->profile[0] != '\0' && !is_configured(profiles, account->profile))
        add(missing, account->profile);
    else if (account->before[0] != '\0' && queued_s < account->before_s &&
             !is_configured(profiles, account->before))
        add(missing, account->before);
}

void keeper_profiles_tell(const struct missing_profiles *missing)
{
    char text[256] = "";
    size_t used = 0;

    if (missing->count == 0)
        return;
    for (unsigned i = 0; i < missing->count; i++) {
        const unsigned long long accounts = missing->named[i].accounts;

        log_warning("profile-missing", "profile=%s accounts=%llu is not configured",
                    missing->named[i].name, accounts);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s'%s' (%llu account%s)",
                                 i > 0 ? ", " : "", missing->named[i].name, accounts,
                                 accounts == 1 ? "" : "s");
        used = used < sizeof text ? used : sizeof text - 1;
    }
    if (missing->others > 0)
        snprintf(text + used, sizeof text - used, ", %llu accounts of others",
                 (unsigned long long)missing->others);
    alarm_raise(ALARM_PROFILE, "", "senders are deferred, their profile is not configured: %s",
                text);
}

struct looking {
    const struct keeper *keeper;
    struct missing_profiles missing;
};

static bool account_look(void *context, const char *name, const struct account *account)
{
    struct looking *looking = context;

    (void)name;
    keeper_profiles_look(&looking->missing, looking->keeper, account);
    return true;
}

/* What cannot be read is said by who reads it in earnest. */
void keeper_profiles_check(struct keeper *keeper)
{
    struct looking looking = {.keeper = keeper};

    store_accounts_each(keeper->store, NULL, account_look, &looking);
    keeper_profiles_tell(&looking.missing);
}
