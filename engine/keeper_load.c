/*
 * keeper_load.c - the tables from the store: floors for the shards' partitions, accounts for the
 * users' table. Main thread before the keeper runs; the accounts again by the keeper.
 */
#include "engine/keeper_internal.h"

#include "engine/alarm.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <string.h>

/* --- loading the tables --- */

struct loading {
    struct keeper *keeper;
    uint64_t floors, refused;
    struct missing_profiles missing;
};

/* While raises are not written, the table may know more than the store: that stays. */
static void floor_to_load(const struct keeper *keeper, const struct next_hop *next_hop,
                          const struct ledger_entry *entry, struct floor *floor)
{
    struct ledger_entry whole = *entry;
    struct verdict known;

    if (keeper->raise_count > 0 && publisher_get(keeper->publisher, next_hop, &known))
        ledger_take_over(&whole, &known.floor);
    ledger_floor(floor, &whole);
}

static bool entry_load(void *context, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry)
{
    struct loading *loading = context;
    struct next_hop next_hop = {.kind = kind == LEDGER_HOST ? NEXT_HOP_HOST : NEXT_HOP_DOMAIN,
                                .port = 25};
    struct floor floor;

    publisher_rulings_add(loading->keeper->publisher, ledger_ruling(entry, name));
    if (ledger_is_pending(entry))
        counter_add(&loading->keeper->counts.pending, 1);
    /* Also one that demands nothing: the table may hold what was taken back since. */
    if (name_from_canonical(&next_hop.name, name)) {
        floor_to_load(loading->keeper, &next_hop, entry, &floor);
        loading->floors++;
        loading->refused += publisher_put_floor(loading->keeper->publisher, &next_hop, &floor) != 0;
    }
    return true;
}

/* --- accounts --- */

static bool exception_end(void *context, const char *name, const char *domain,
                          const struct account_exception *exception)
{
    int64_t *until_s = context;

    (void)name, (void)domain;
    if (exception->until_s > *until_s)
        *until_s = exception->until_s;
    return true;
}

/* What cannot be read may last for ever: that costs a detour, the contrary an exception. */
int keeper_account_put(struct keeper *keeper, const char *name, const struct account *account)
{
    struct account whole = *account;

    whole.exceptions_until_s = 0;
    if ((account->flags & ACCOUNT_EXCEPTIONS) != 0 &&
        store_exceptions_each(keeper->store, name, exception_end, &whole.exceptions_until_s) != 0)
        whole.exceptions_until_s = INT64_MAX;
    return users_put(keeper->users, name, &whole);
}

static bool account_load(void *context, const char *name, const struct account *account)
{
    struct loading *loading = context;

    keeper_profiles_look(&loading->missing, loading->keeper, account);
    if (keeper_account_put(loading->keeper, name, account) != 0)
        loading->refused++;
    return true;
}

static bool exception_load(void *context, const char *name, const char *domain,
                           const struct account_exception *exception)
{
    struct loading *loading = context;

    if (users_put_exception(loading->keeper->users, name, domain, exception) != 0)
        loading->refused++;
    return true;
}

void keeper_load_accounts(struct keeper *keeper)
{
    struct loading loading = {.keeper = keeper};
    /* Exceptions first, then the account that says that there are some (shm/account.h). */
    int error = store_exceptions_each(keeper->store, NULL, exception_load, &loading);

    if (error == 0)
        error = store_accounts_each(keeper->store, NULL, account_load, &loading);
    users_complete(keeper->users, error == 0 && loading.refused == 0);
    keeper->accounts_missing = error != 0;
    keeper_profiles_tell(&loading.missing);
    if (error != 0)
        alarm_raise(ALARM_STORE, "",
                    "the accounts cannot be read: %s; senders are asked to come again",
                    strerror(-error));
}

static int load_floors(struct loading *loading)
{
    int error = store_each(loading->keeper->store, LEDGER_DOMAIN, NULL, entry_load, loading);

    return error != 0 ? error
                      : store_each(loading->keeper->store, LEDGER_HOST, NULL, entry_load, loading);
}

/* Whatever fails: a table that is not complete asks for each miss (keeper_question_take), where
 * what cannot be read is "TLS required, level unknown" (MEM-08). So mail is served (law 3). */
void keeper_load_tables(struct keeper *keeper)
{
    struct loading loading = {.keeper = keeper};
    const uint64_t began_ms = clock_boot_ms();

    keeper_raises_look(keeper);
    const int error = load_floors(&loading);
    if (error != 0)
        alarm_raise(ALARM_STORE, "",
                    "the memory cannot be read: %s; what is not in the table needs TLS",
                    strerror(-error));
    else if (loading.refused == 0)
        publisher_complete(keeper->publisher);
    else
        log_warning("table-full", "%llu of %llu remembered floors found no room in the table",
                    (unsigned long long)loading.refused, (unsigned long long)loading.floors);
    keeper_load_accounts(keeper);
    log_notice("memory-loaded", "floors=%llu ms=%llu", (unsigned long long)loading.floors,
               (unsigned long long)(clock_boot_ms() - began_ms));
}
