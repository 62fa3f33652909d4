/*
 * users.c - see users.h. What comes from the configuration is remembered by name, so that what is
 * configured no more can be taken out.
 */
#include "engine/memory/users.h"

#include "engine/base/clock.h"
#include "shm/account.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct users {
    struct table_writer *writer;
    size_t profile_count, alias_count;
    bool lacks; /* something that is configured could not be put */
    char profiles[LIMIT_PROFILES][PROFILE_NAME_MAX];
    char (*aliases)[ACCOUNT_NAME_MAX]; /* LIMIT_ALIAS_PATTERNS */
};

/* The group is asked for by name, at start: -EINVAL with a sentence if there is none. */
static int directory_make(const char *directory, const char *group, char *why, size_t why_size)
{
    const struct group *entry = group != NULL ? getgrnam(group) : NULL;

    if (group != NULL && entry == NULL) {
        snprintf(why, why_size, "guarantee.users_group: there is no group '%s'", group);
        return -EINVAL;
    }
    if (mkdir(directory, 0750) != 0 && errno != EEXIST) {
        const int error = -errno;

        snprintf(why, why_size, "cannot make %s: %s", directory, strerror(-error));
        return error;
    }
    /* The set-group-id bit hands the group on to the table's files. */
    if (entry != NULL &&
        (chown(directory, (uid_t)-1, entry->gr_gid) != 0 || chmod(directory, 02750) != 0)) {
        const int error = -errno;

        snprintf(why, why_size, "guarantee.users_group: cannot give %s to group '%s': %s",
                 directory, group, strerror(-error));
        return error;
    }
    return 0;
}

int users_open(struct users **out, const char *run_directory, const char *group,
               uint64_t table_bytes, char *why, size_t why_size)
{
    struct users *users = calloc(1, sizeof *users);
    struct table_opened opened;
    struct table_clock clock;
    char directory[512];
    int error = users == NULL ? -ENOMEM : table_clock_read(&clock);

    if (error == 0) {
        users->aliases = calloc(LIMIT_ALIAS_PATTERNS, sizeof *users->aliases);
        error = users->aliases == NULL ? -ENOMEM : 0;
    }
    snprintf(directory, sizeof directory, "%s/users", run_directory);
    if (error == 0)
        error = directory_make(directory, group, why, why_size);
    if (error == 0)
        error = table_writer_open(&users->writer, directory, table_bytes, &clock, &opened, why,
                                  why_size);
    if (error != 0) {
        if (users != NULL)
            free(users->aliases);
        free(users);
        return error;
    }
    *out = users;
    return 0;
}

void users_close(struct users *users)
{
    table_writer_close(users->writer);
    free(users->aliases);
    free(users);
}

/* --- what is left of a daemon before us --- */

struct clearing {
    struct table_writer *writer;
};

static void clear_one(void *context, const union record *record)
{
    struct clearing *clearing = context;
    struct table_key key;

    if (record_key(record, &key))
        table_writer_remove(clearing->writer, &key);
}

void users_clear(struct users *users)
{
    struct clearing clearing = {users->writer};

    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++) {
        table_writer_set_complete(users->writer, (uint16_t)partition, false);
        table_writer_for_each(users->writer, (uint16_t)partition, clear_one, &clearing);
    }
}

/* --- putting --- */

static int put(struct users *users, const struct table_key *key, union record *record)
{
    return table_writer_put_record(users->writer, key, record);
}

int users_put(struct users *users, const char *name, const struct account *account)
{
    struct table_key key;
    union record record;

    if (!account_pack(&record, &key, name, account, clock_boot_ms()))
        return -EINVAL;
    return put(users, &key, &record);
}

int users_put_exception(struct users *users, const char *name, const char *domain,
                        const struct account_exception *exception)
{
    struct table_key key;
    union record record;

    if (!account_exception_pack(&record, &key, name, domain, exception, clock_boot_ms()))
        return -EINVAL;
    return put(users, &key, &record);
}

void users_remove(struct users *users, const char *name)
{
    char text[TABLE_KEY_MAX];
    struct table_key key;

    if (account_key(&key, text, name))
        table_writer_remove(users->writer, &key);
}

void users_remove_exception(struct users *users, const char *name, const char *domain)
{
    char text[TABLE_KEY_MAX];
    struct table_key key;

    if (account_exception_key(&key, text, name, domain))
        table_writer_remove(users->writer, &key);
}

void users_complete(struct users *users, bool complete)
{
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(users->writer, (uint16_t)partition, complete && !users->lacks);
}

/* --- what is configured --- */

static int put_profile(struct users *users, const struct profile_settings *settings)
{
    struct profile profile;
    struct table_key key;
    union record record;

    profile_of_settings(&profile, settings);
    if (!account_profile_pack(&record, &key, &profile, clock_boot_ms()))
        return -EINVAL;
    return put(users, &key, &record);
}

static void take_profile(struct users *users, const char *name)
{
    char text[TABLE_KEY_MAX];
    struct table_key key;

    if (account_profile_key(&key, text, name))
        table_writer_remove(users->writer, &key);
}

static int put_settings(struct users *users, const struct guarantee_settings *guarantee,
                        bool aliases_known)
{
    struct account_settings settings = {.observe = guarantee->observe,
                                        .aliases_known = aliases_known,
                                        .no_aliases = guarantee->aliases.count == 0};
    struct table_key key;
    union record record;

    snprintf(settings.delimiter, sizeof settings.delimiter, "%s",
             guarantee->delimiter != NULL ? guarantee->delimiter : "");
    snprintf(settings.standard, sizeof settings.standard, "%s",
             guarantee->standard != NULL ? guarantee->standard : "");
    snprintf(settings.alias_profile, sizeof settings.alias_profile, "%s", guarantee->alias_profile);
    if (!account_settings_pack(&record, &key, &settings, clock_boot_ms()))
        return -EINVAL;
    return put(users, &key, &record);
}

static void take_settings(struct users *users)
{
    char text[TABLE_KEY_MAX];
    struct table_key key;

    account_settings_key(&key, text);
    table_writer_remove(users->writer, &key);
}

static bool is_configured(const struct profiles_settings *profiles, const char *name)
{
    for (size_t i = 0; i < profiles->count; i++)
        if (strcmp(profiles->all[i].name, name) == 0)
            return true;
    return false;
}

static int configure_profiles(struct users *users, const struct profiles_settings *profiles)
{
    int error = 0;

    for (size_t i = 0; i < users->profile_count; i++)
        if (!is_configured(profiles, users->profiles[i]))
            take_profile(users, users->profiles[i]);
    users->profile_count = profiles->count;
    for (size_t i = 0; i < profiles->count; i++) {
        snprintf(users->profiles[i], PROFILE_NAME_MAX, "%s", profiles->all[i].name);
        error = error != 0 ? error : put_profile(users, &profiles->all[i]);
    }
    return error;
}

static int put_alias(struct users *users, const char *name, const struct account_alias *alias)
{
    struct table_key key;
    union record record;

    if (!account_alias_pack(&record, &key, name, alias, clock_boot_ms()))
        return -EINVAL;
    return put(users, &key, &record);
}

static void take_alias(struct users *users, const char *name)
{
    char text[TABLE_KEY_MAX];
    struct table_key key;

    if (account_alias_key(&key, text, name))
        table_writer_remove(users->writer, &key);
}

/* One that cannot be read for want of memory may be it. */
static bool may_stay(const struct option_list *aliases, const char *name)
{
    char wanted[ACCOUNT_NAME_MAX];
    struct account_alias alias;

    for (size_t i = 0; i < aliases->count; i++) {
        const enum name_status status = alias_read(wanted, &alias, aliases->texts[i]);

        if (status == NAME_NO_MEMORY || (status == NAME_OK && strcmp(wanted, name) == 0))
            return true;
    }
    return false;
}

/* Those that are no more are taken out. */
static void take_aliases(struct users *users, const struct option_list *aliases)
{
    size_t stay = 0;

    for (size_t i = 0; i < users->alias_count; i++) {
        if (may_stay(aliases, users->aliases[i]))
            memmove(users->aliases[stay++], users->aliases[i], ACCOUNT_NAME_MAX);
        else
            take_alias(users, users->aliases[i]);
    }
    users->alias_count = stay;
}

static bool is_alias(const struct users *users, const char *name)
{
    for (size_t i = 0; i < users->alias_count; i++)
        if (strcmp(users->aliases[i], name) == 0)
            return true;
    return false;
}

static int configure_aliases(struct users *users, const struct option_list *aliases)
{
    int error = 0;

    take_aliases(users, aliases);
    for (size_t i = 0; i < aliases->count; i++) {
        char name[ACCOUNT_NAME_MAX];
        struct account_alias alias;
        const enum name_status status = alias_read(name, &alias, aliases->texts[i]);

        if (status == NAME_NO_MEMORY)
            error = -ENOMEM;
        if (status != NAME_OK)
            continue; /* memory_settings_judge refuses all others */
        if (!is_alias(users, name) && users->alias_count < LIMIT_ALIAS_PATTERNS)
            memcpy(users->aliases[users->alias_count++], name, sizeof name);
        error = error != 0 ? error : put_alias(users, name, &alias);
    }
    return error;
}

/* Who was told that there are no aliases looks for none: taken back before the first one is put,
 * and if that cannot be said, nothing is said at all, which is "unknown". Where there were some
 * before, nobody was told so, and a reload makes nothing unknown meanwhile. */
static void announce_aliases(struct users *users, const struct guarantee_settings *guarantee)
{
    if (guarantee->aliases.count > 0 && users->alias_count == 0 &&
        put_settings(users, guarantee, false) != 0)
        take_settings(users);
}

int users_configure(struct users *users, const struct guarantee_settings *guarantee,
                    const struct profiles_settings *profiles, bool *accounts_wanted)
{
    /* Profiles before who names them; nobody reads a name that is not there yet as "nothing". */
    const int of_profiles = configure_profiles(users, profiles);
    announce_aliases(users, guarantee);
    const int of_aliases = configure_aliases(users, &guarantee->aliases);
    const int of_settings = put_settings(users, guarantee, of_aliases == 0);
    const int error = of_profiles != 0 ? of_profiles : of_aliases != 0 ? of_aliases : of_settings;

    if (of_settings != 0) /* what the old ones say of aliases may be true no more */
        take_settings(users);
    *accounts_wanted = users->lacks;
    users->lacks = error != 0;
    if (users->lacks)
        users_complete(users, false);
    return error;
}

/* --- the rest --- */

void users_heartbeat(struct users *users)
{
    struct table_clock clock;

    if (table_clock_read(&clock) != 0)
        return;
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_heartbeat(users->writer, (uint16_t)partition, &clock);
}

const struct table_writer *users_table(const struct users *users)
{
    return users->writer;
}
