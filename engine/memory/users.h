/*
 * users.h - the users' table as its one writer sees it: accounts, exceptions, profiles, settings.
 *
 * A table file of its own below RUN_DIRECTORY/users (mode 0750, its own group), so that who may ask
 * for verdicts does not learn who has which switch. Every record in it comes from the store or the
 * configuration; it is filled anew at start. The keeper's thread only (before it runs: main's).
 *
 * A table that is full, or a tmpfs that is, makes the partition incomplete: readers then answer
 * "unknown", never "no guarantee", and the daemon asks the store.
 */
#ifndef MXWARD_MEMORY_USERS_H
#define MXWARD_MEMORY_USERS_H

#include "engine/memory/settings.h"
#include "shm/writer.h"

struct users;

int users_open(struct users **users, const char *run_directory, const char *group,
               uint64_t table_bytes, char *why, size_t why_size);
void users_close(struct users *users);
/* Nothing that a daemon before us put: what the store has no more must not be found. */
void users_clear(struct users *users);

/* 0, or negative errno: it is not there now. */
int users_put(struct users *users, const char *name, const struct account *account);
int users_put_exception(struct users *users, const char *name, const char *domain,
                        const struct account_exception *exception);
void users_remove(struct users *users, const char *name);
void users_remove_exception(struct users *users, const char *name, const char *domain);

/* Profiles, aliases and settings as configured; what was configured before and is no more, goes.
 * `*accounts_wanted`: the last call ended in an error, and what the store has must be put again.
 * The table is not complete after an error, until this was called again and went well: what is not
 * in it may be what could not be put. */
int users_configure(struct users *users, const struct guarantee_settings *guarantee,
                    const struct profiles_settings *profiles, bool *accounts_wanted);

/* Everything of the store is there: a miss means that there is no such account. */
void users_complete(struct users *users, bool complete);
void users_heartbeat(struct users *users);
const struct table_writer *users_table(const struct users *users);

#endif
