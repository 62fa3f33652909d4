/*
 * keeper_raises.c - floors that are in the table and not in the store: raises that were visible
 * before they were durable (keeper.h), left by a daemon that died or whose disk was full, or made
 * while the disk is full.
 *
 * Looked for at the start, by the main thread; written a batch at a time. What the store does not
 * take then is kept, and so is what it does not take later; it stays above whatever the store says:
 * nothing is written before it (keeper_batch_begin), and questions are answered with it. Written
 * when the store takes it again.
 *
 * Memory: at most LIMIT_KEEPER_RAISES of them, taken when there are any. More stay in the table,
 * and are looked for again at the next start; made later, they are not published.
 */
#include "engine/keeper_internal.h"

#include "engine/alarm.h"
#include "engine/base/check.h"
#include "shm/verdict_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(LIMIT_KEEPER_RAISES % LIMIT_KEEPER_BATCH == 0, "a look ends with a full batch");

static int by_name(const void *left, const void *right)
{
    const struct raise *a = left, *b = right;

    return a->kind != b->kind ? (a->kind > b->kind) - (a->kind < b->kind)
                              : strcmp(a->name, b->name);
}

/* --- writing --- */

/* The first `count` in one batch. */
static int raises_commit(struct keeper *keeper, uint32_t count)
{
    int error = store_begin(keeper->store);

    if (error != 0)
        return error;
    for (uint32_t i = 0; i < count; i++) {
        const struct raise *raise = &keeper->raises[i];
        const enum ledger_kind kind = (enum ledger_kind)raise->kind;
        struct ledger_entry entry;

        store_entry_get(keeper->store, kind, raise->name, &entry);
        if (ledger_take_over(&entry, &raise->floor))
            store_entry_put(keeper->store, kind, raise->name, &entry); /* else the commit says it */
    }
    return store_commit(keeper->store);
}

int keeper_raises_write(struct keeper *keeper)
{
    while (keeper->raise_count > 0) {
        const uint32_t count =
            keeper->raise_count < LIMIT_KEEPER_BATCH ? keeper->raise_count : LIMIT_KEEPER_BATCH;
        int error = raises_commit(keeper, count);

        if (error == -EAGAIN) /* the map has grown */
            error = raises_commit(keeper, count);
        if (error != 0)
            return error;
        keeper->raise_count -= count;
        memmove(keeper->raises, keeper->raises + count,
                keeper->raise_count * sizeof *keeper->raises);
        counter_add(&keeper->counts.raised, count);
        atomic_store_explicit(&keeper->counts.unsaved, keeper->raise_count, memory_order_relaxed);
    }
    return 0;
}

void keeper_raise_keep(const struct keeper *keeper, enum ledger_kind kind, const char *name,
                       struct ledger_entry *entry)
{
    struct raise wanted = {.kind = (uint8_t)kind};

    if (keeper->raise_count == 0 || strlen(name) >= sizeof wanted.name)
        return;
    memcpy(wanted.name, name, strlen(name) + 1);
    const struct raise *raise =
        bsearch(&wanted, keeper->raises, keeper->raise_count, sizeof *keeper->raises, by_name);
    if (raise == NULL)
        return;
    while (raise > keeper->raises && by_name(raise - 1, &wanted) == 0)
        raise--;
    for (; raise < keeper->raises + keeper->raise_count && by_name(raise, &wanted) == 0; raise++)
        ledger_take_over(entry, &raise->floor);
}

/* --- room --- */

static bool raises_grow(struct keeper *keeper)
{
    if (keeper->raise_count < keeper->raise_room)
        return true;
    if (keeper->raise_room == LIMIT_KEEPER_RAISES)
        return false;
    struct raise *more =
        realloc(keeper->raises, (keeper->raise_room + LIMIT_KEEPER_BATCH) * sizeof *keeper->raises);
    if (more == NULL)
        return false;
    keeper->raises = more;
    keeper->raise_room += LIMIT_KEEPER_BATCH;
    return true;
}

bool keeper_raise_add(struct keeper *keeper, const struct next_hop *next_hop,
                      const struct floor *floor)
{
    struct raise raise = {.kind = next_hop->kind == NEXT_HOP_HOST ? LEDGER_HOST : LEDGER_DOMAIN,
                          .floor = *floor};

    if (!raises_grow(keeper))
        return false;
    memcpy(raise.name, next_hop->name.text, strlen(next_hop->name.text) + 1);
    keeper->raises[keeper->raise_count++] = raise;
    return true;
}

void keeper_raises_sort(struct keeper *keeper)
{
    if (keeper->raise_count > 0)
        qsort(keeper->raises, keeper->raise_count, sizeof *keeper->raises, by_name);
    atomic_store_explicit(&keeper->counts.unsaved, keeper->raise_count, memory_order_relaxed);
}

/* --- looking --- */

struct looking {
    struct keeper *keeper;
    int error;       /* the store's first; then nothing more is written here */
    uint64_t beyond; /* for which there was no room */
};

/* Room for one more; false: there is none. */
static bool raise_room(struct looking *looking)
{
    struct keeper *keeper = looking->keeper;

    if (keeper->raise_count == LIMIT_KEEPER_BATCH && looking->error == 0)
        looking->error = keeper_raises_write(keeper);
    return raises_grow(keeper);
}

/* A key of ours is canonical: where libidn2 has no memory for an internationalised name, it is read
 * without (law 2). Only such a name comes here, so it is no address; nor does one with a port. */
static bool hop_without_idn(struct next_hop *next_hop, const struct table_key *key)
{
    const bool host = key->length > 2 && key->text[0] == '[' && key->text[key->length - 1] == ']';
    char name[256];

    if (key->length >= sizeof name)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)(key->length - (host ? 2 : 0)),
             key->text + (host ? 1 : 0));
    *next_hop = (struct next_hop){.kind = host ? NEXT_HOP_HOST : NEXT_HOP_DOMAIN, .port = 25};
    return name_from_canonical(&next_hop->name, name);
}

/* One of an earlier epoch was lowered since (ledger_take_over). */
static void raise_look(void *context, const union record *record)
{
    struct looking *looking = context;
    struct table_key key;
    struct verdict verdict;
    struct next_hop next_hop;
    struct ledger_entry entry;

    if (!record_key(record, &key) || !verdict_unpack(record, &verdict) ||
        verdict.floor.level == LEVEL_NONE)
        return;
    enum name_status status = next_hop_parse(&next_hop, key.text, key.length);
    if (status == NAME_NO_MEMORY && hop_without_idn(&next_hop, &key))
        status = NAME_OK;
    if (status != NAME_OK || next_hop.port != 25 || next_hop.kind == NEXT_HOP_ADDRESS)
        return;
    const enum ledger_kind kind = next_hop.kind == NEXT_HOP_HOST ? LEDGER_HOST : LEDGER_DOMAIN;
    store_entry_get(looking->keeper->store, kind, next_hop.name.text, &entry);
    if (!ledger_take_over(&entry, &verdict.floor))
        return;
    if (!raise_room(looking) || !keeper_raise_add(looking->keeper, &next_hop, &verdict.floor))
        looking->beyond++;
}

void keeper_raises_look(struct keeper *keeper)
{
    struct looking looking = {.keeper = keeper};

    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_for_each(publisher_table(keeper->publisher), (uint16_t)partition, raise_look,
                              &looking);
    if (looking.error == 0)
        looking.error = keeper_raises_write(keeper);
    keeper_raises_sort(keeper);
    if (keeper->raise_count == 0) {
        keeper_raises_free(keeper);
        return;
    }
    alarm_raise(ALARM_STORE, "",
                "the memory cannot be written: %s; %llu raised floors stand in the table alone",
                strerror(-looking.error), keeper->raise_count + (unsigned long long)looking.beyond);
}

void keeper_raises_free(struct keeper *keeper)
{
    free(keeper->raises);
    keeper->raises = NULL;
    keeper->raise_count = keeper->raise_room = 0;
}
