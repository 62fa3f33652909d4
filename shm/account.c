/*
 * account.c - records of the users' table, packed and read; and what they say of a sender.
 */
#include "shm/account.h"

#include "shm/account_record.h"

#include <stdio.h>
#include <string.h>

/* --- names --- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

size_t account_name(char *name, const char *text, size_t length)
{
    size_t used = 0;

    if (length >= 2 && text[0] == '<' && text[length - 1] == '>') {
        text++;
        length -= 2;
    }
    if (length > 0 && text[0] == '"') { /* a quoted local part: unquoted */
        size_t i = 1;

        for (; i < length && text[i] != '"'; i++) {
            if (text[i] == '\\' && ++i == length)
                return 0;
            if (used + 1 >= ACCOUNT_NAME_MAX)
                return 0;
            name[used++] = lower(text[i]);
        }
        if (i == length || (i + 1 < length && text[i + 1] != '@'))
            return 0;
        text += i + 1;
        length -= i + 1;
    }
    if (length >= ACCOUNT_NAME_MAX - used)
        return 0;
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f || text[i] == '>')
            return 0;
        name[used++] = lower(text[i]);
    }
    if (used > 1 && name[used - 1] == '.' && memchr(name, '@', used) != NULL)
        used--;
    name[used] = '\0';
    return used;
}

/* --- reading --- */

/* False: not known. `*there` says whether there is such a record. */
static bool find(const struct table_reader *users, char kind, const char *name, const char *domain,
                 uint64_t now_ms, union record *record, bool *there)
{
    char text[ACCOUNT_KEY_MAX];
    struct table_key key;

    if (!account_key(&key, text, kind, name, domain))
        return false;
    switch (table_find(users, &key, now_ms, record)) {
    case TABLE_HIT:
        *there = true;
        return true;
    case TABLE_ABSENT:
        *there = false;
        return true;
    case TABLE_MISS:
    case TABLE_UNKNOWN:
        break;
    }
    return false;
}

static bool profile_find(const struct table_reader *users, const char *name, uint64_t now_ms,
                         struct profile *profile, bool *there)
{
    union record record;

    return find(users, 'p', name, NULL, now_ms, &record, there) &&
           (!*there || account_unpack_profile(&record, profile));
}

static bool settings_find(const struct table_reader *users, uint64_t now_ms,
                          struct account_settings *settings)
{
    union record record;
    bool there;

    return find(users, 's', "", NULL, now_ms, &record, &there) && there &&
           account_unpack_settings(&record, settings);
}

/* One place where an account may stand. */
static bool account_at(const struct table_reader *users, const char *name, uint64_t now_ms,
                       struct account *account, bool *there)
{
    union record record;

    if (name[0] == '\0') {
        *there = false;
        return true;
    }
    return find(users, 'a', name, NULL, now_ms, &record, there) &&
           (!*there || account_unpack(&record, account));
}

#define PLACES 5

struct places_of_account {
    unsigned count;
    char names[PLACES][ACCOUNT_NAME_MAX];
};

/* Address, address without its sub-address, SASL name, domain, everybody. */
static bool places_make(struct places_of_account *places, const struct account_settings *settings,
                        const char *sender, const char *sasl)
{
    char *address = places->names[0], *at;

    places->count = 0;
    if (account_name(address, sender, strlen(sender)) > 0 && (at = strrchr(address, '@')) != NULL) {
        const size_t base = strcspn(address, settings->delimiter);

        places->count++;
        if (settings->delimiter[0] != '\0' && base > 0 && base < (size_t)(at - address))
            snprintf(places->names[places->count++], ACCOUNT_NAME_MAX, "%.*s%s", (int)base, address,
                     at);
    } else {
        at = NULL;
    }
    if (sasl != NULL && account_name(places->names[places->count], sasl, strlen(sasl)) > 0)
        places->count++;
    if (at != NULL)
        snprintf(places->names[places->count++], ACCOUNT_NAME_MAX, "%s", at);
    snprintf(places->names[places->count++], ACCOUNT_NAME_MAX, "@");
    return true;
}

/* --- the demand --- */

static bool applies(int64_t since_s, int64_t until_s, int64_t accepted_s, int64_t now_s)
{
    return until_s > now_s && since_s <= accepted_s;
}

static bool exception_holds(const struct table_reader *users, const char *name, const char *domain,
                            int64_t accepted_s, uint64_t now_ms, int64_t now_s, bool *holds)
{
    struct account_exception exception;
    union record record;
    bool there;

    *holds = false;
    if (!find(users, 'x', name, domain, now_ms, &record, &there))
        return false;
    if (!there)
        return true;
    if (!account_unpack_exception(&record, &exception))
        return false;
    *holds = applies(exception.since_s, exception.until_s, accepted_s, now_s);
    return true;
}

/* What was accepted under the guarantee keeps it, whatever was switched since. */
static bool is_on(const struct account *account, int64_t accepted_s)
{
    if (accepted_s >= account->changed_s)
        return (account->flags & ACCOUNT_ON) != 0;
    return (account->flags & (ACCOUNT_ON | ACCOUNT_ON_BEFORE)) != 0;
}

static bool demand_of_account(struct account_demand *demand, const struct table_reader *users,
                              const char *name, const struct account *account, const char *domain,
                              int64_t accepted_s, uint64_t now_ms, int64_t now_s)
{
    bool there, excepted = false;

    if (!is_on(account, accepted_s))
        return true;
    if (!profile_find(users, account->profile, now_ms, &demand->profile, &there) || !there)
        return false;
    if ((account->flags & ACCOUNT_EXCEPTIONS) != 0 && domain[0] != '\0' &&
        !exception_holds(users, name, domain, accepted_s, now_ms, now_s, &excepted))
        return false;
    demand->guaranteed = true;
    demand->switched_off =
        excepted || applies(account->off_since_s, account->off_until_s, accepted_s, now_s);
    return true;
}

static bool demand_of_alias(struct account_demand *demand, const struct table_reader *users,
                            const struct account_settings *settings, const struct account *account,
                            uint64_t now_ms)
{
    const char *name = account->profile[0] != '\0' ? account->profile : settings->alias_profile;
    bool there;

    demand->alias = true;
    return profile_find(users, name, now_ms, &demand->alias_profile, &there) && there;
}

static bool demand_make(struct account_demand *demand, const struct table_reader *users,
                        const char *sender, const char *sasl, const char *domain,
                        int64_t accepted_s, uint64_t now_ms, int64_t now_s)
{
    struct places_of_account places;
    struct account_settings settings;
    struct account account;
    bool there;

    if (!settings_find(users, now_ms, &settings))
        return false;
    demand->observe = settings.observe;
    places_make(&places, &settings, sender, sasl);
    for (unsigned i = 0; i < places.count; i++) {
        if (!account_at(users, places.names[i], now_ms, &account, &there))
            return false;
        if (!there)
            continue;
        if ((account.flags & ACCOUNT_ALIAS) == 0)
            return demand_of_account(demand, users, places.names[i], &account, domain, accepted_s,
                                     now_ms, now_s);
        if (!demand->alias && !demand_of_alias(demand, users, &settings, &account, now_ms))
            return false;
    }
    /* The null sender is nobody's account. */
    if (settings.standard[0] == '\0' || places.count == 1)
        return true;
    demand->guaranteed = true;
    return profile_find(users, settings.standard, now_ms, &demand->profile, &there) && there;
}

void account_demand(struct account_demand *demand, const struct table_reader *users,
                    const char *sender, const char *sasl, const char *domain, int64_t accepted_s,
                    uint64_t now_ms, int64_t now_s)
{
    memset(demand, 0, sizeof *demand);
    if (accepted_s == 0 || accepted_s > now_s)
        accepted_s = now_s;
    demand->known = demand_make(demand, users, sender, sasl, domain, accepted_s, now_ms, now_s);
}

void account_demand_of_profile(struct account_demand *demand, const struct table_reader *users,
                               const char *name, uint64_t now_ms)
{
    struct account_settings settings;
    bool there = false;

    memset(demand, 0, sizeof *demand);
    if (!settings_find(users, now_ms, &settings) ||
        !profile_find(users, name, now_ms, &demand->profile, &there))
        return;
    demand->observe = settings.observe;
    demand->known = demand->guaranteed = there;
    demand->no_profile = !there;
}
