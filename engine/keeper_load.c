/*
 * keeper_load.c - the tables from the store: floors for the shards' partitions, accounts for the
 * users' table. Main thread before the keeper runs; the accounts again by the keeper.
 */
#include "engine/keeper_internal.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "shm/verdict_record.h"

#include <string.h>

/* --- loading the tables --- */

struct loading {
    struct keeper *keeper;
    uint64_t floors, refused;
    int error;
};

static bool entry_load(void *context, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry)
{
    struct loading *loading = context;
    struct next_hop next_hop = {.kind = kind == LEDGER_HOST ? NEXT_HOP_HOST : NEXT_HOP_DOMAIN,
                                .port = 25};
    struct floor floor;

    ledger_floor(&floor, entry);
    if (ledger_is_pending(entry))
        counter_add(&loading->keeper->counts.pending, 1);
    /* Also one that demands nothing: the table may hold what was taken back since. */
    if (name_from_canonical(&next_hop.name, name)) {
        loading->floors++;
        loading->refused += publisher_put_floor(loading->keeper->publisher, &next_hop, &floor) != 0;
    }
    return true;
}

static bool account_load(void *context, const char *name, const struct account *account)
{
    struct loading *loading = context;

    if (users_put(loading->keeper->users, name, account) != 0)
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

/* A floor that is in the table and not in the store: its raise was visible before it was durable
 * (keeper.h). One of an earlier epoch was lowered since. */
static void raise_take_over(void *context, const union record *record)
{
    struct loading *loading = context;
    struct keeper *keeper = loading->keeper;
    struct table_key key;
    struct verdict verdict;
    struct next_hop next_hop;
    struct ledger_entry entry;
    enum ledger_kind kind;

    if (loading->error != 0 || !record_key(record, &key) || !verdict_unpack(record, &verdict) ||
        verdict.floor.level == LEVEL_NONE ||
        next_hop_parse(&next_hop, key.text, key.length) != NAME_OK || next_hop.port != 25 ||
        next_hop.kind == NEXT_HOP_ADDRESS)
        return;
    kind = next_hop.kind == NEXT_HOP_HOST ? LEDGER_HOST : LEDGER_DOMAIN;
    if (store_entry_get(keeper->store, kind, next_hop.name.text, &entry) == STORE_ABSENT)
        entry = (struct ledger_entry){.kind = (uint8_t)kind};
    if (!ledger_take_over(&entry, &verdict.floor))
        return;
    loading->error = store_entry_put(keeper->store, kind, next_hop.name.text, &entry);
    counter_add(&keeper->counts.raised, loading->error == 0);
}

static int raises_take_over(struct keeper *keeper)
{
    struct loading loading = {.keeper = keeper};

    for (unsigned partition = 0; partition < TABLE_PARTITIONS && loading.error == 0; partition++) {
        loading.error = store_begin(keeper->store);
        if (loading.error != 0)
            break;
        table_writer_for_each(publisher_table(keeper->publisher), (uint16_t)partition,
                              raise_take_over, &loading);
        if (loading.error == 0)
            loading.error = store_commit(keeper->store);
        else
            store_abort(keeper->store);
    }
    return loading.error;
}

int keeper_load_accounts(struct keeper *keeper)
{
    struct loading loading = {.keeper = keeper};
    /* Exceptions first, then the account that says that there are some (shm/account.h). */
    int error = store_exceptions_each(keeper->store, NULL, exception_load, &loading);

    if (error == 0)
        error = store_accounts_each(keeper->store, NULL, account_load, &loading);
    users_complete(keeper->users, error == 0 && loading.refused == 0);
    return error;
}

int keeper_load_tables(struct keeper *keeper)
{
    struct loading loading = {.keeper = keeper};
    const uint64_t began_ms = clock_boot_ms();
    int error = raises_take_over(keeper);

    if (error == 0)
        error = store_each(keeper->store, LEDGER_DOMAIN, NULL, entry_load, &loading);
    if (error == 0)
        error = store_each(keeper->store, LEDGER_HOST, NULL, entry_load, &loading);
    if (error != 0)
        return error;
    if (loading.refused == 0)
        publisher_complete(keeper->publisher);
    else
        log_warning("table-full", "%llu of %llu remembered floors found no room in the table",
                    (unsigned long long)loading.refused, (unsigned long long)loading.floors);
    error = keeper_load_accounts(keeper);
    log_notice("memory-loaded", "floors=%llu ms=%llu", (unsigned long long)loading.floors,
               (unsigned long long)(clock_boot_ms() - began_ms));
    return error;
}
