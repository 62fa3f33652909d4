/*
 * keeper_batch.c - one batch of the keeper: commit, then publish, then acknowledge. See keeper.h.
 *
 * Failure: an error of the store ends the batch; what it held is lost, said (counter, alarm), and
 * the store is left alone for LIMIT_KEEPER_PAUSE_MS.
 */
#include "engine/keeper_internal.h"

#include "engine/alarm.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- trouble of the store --- */

static void store_failed(struct keeper *keeper, int error)
{
    counter_add(&keeper->counts.failed, 1);
    if (error == -EAGAIN) /* the map has grown: the next batch fits */
        return;
    keeper->pause_until_ms = clock_boot_ms() + LIMIT_KEEPER_PAUSE_MS;
    alarm_raise(ALARM_STORE, "", "the memory cannot be written: %s", strerror(-error));
}

/* --- effects --- */

bool keeper_has_room(const struct keeper *keeper, uint32_t effects)
{
    return pool_slots(keeper->publishes) - pool_used(keeper->publishes) >= effects;
}

void keeper_effect_add(struct keeper *keeper, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry, uint32_t rulings, bool durable_first,
                       struct order_request *order)
{
    struct floor_publish *effect = pool_take(keeper->publishes);

    CHECK(effect != NULL); /* has_room came first */
    effect->next_hop.kind = kind == LEDGER_HOST ? NEXT_HOP_HOST : NEXT_HOP_DOMAIN;
    effect->next_hop.port = 25;
    /* Names come from entries that were asked for by a parsed name. */
    CHECK(name_from_canonical(&effect->next_hop.name, name));
    ledger_floor(&effect->floor, entry);
    effect->rulings = rulings;
    effect->durable_first = durable_first;
    effect->order = order;
    *keeper->effects_last = effect;
    keeper->effects_last = &effect->next;
}

void keeper_order_home(struct keeper *keeper, struct order_request *request)
{
    request->message.kind = MESSAGE_ORDER_DONE;
    mailbox_send(keeper->mailbox, request->message.from, &request->message);
}

void keeper_effect_is_visible(struct keeper *keeper, struct floor_publish *publish)
{
    if (publish->rulings != 0)
        publisher_rulings_add(keeper->publisher, publish->rulings);
    if (publish->order != NULL)
        keeper_order_home(keeper, publish->order);
    pool_give(keeper->publishes, publish);
}

/* The batch has ended. After an error only raises are published: they may be visible before they
 * are durable, and are written as soon as the store takes something again, before anything else is
 * made of their entries. And only if nothing else was in the batch: a raise may have been made of
 * an entry that an order had lowered. */
static void effects_send(struct keeper *keeper, int error)
{
    struct floor_publish *effect, *next;
    bool all_raise = true;

    for (effect = keeper->effects_first; effect != NULL; effect = effect->next)
        all_raise &= !effect->durable_first && effect->order == NULL;
    effect = keeper->effects_first;
    keeper->effects_first = NULL;
    keeper->effects_last = &keeper->effects_first;
    for (; effect != NULL; effect = next) {
        next = effect->next;
        if (error != 0 &&
            (!all_raise || !keeper_raise_add(keeper, &effect->next_hop, &effect->floor))) {
            pool_give(keeper->publishes, effect);
            continue;
        }
        effect->message.kind = MESSAGE_FLOOR_ASK;
        mailbox_send(keeper->mailbox, owner_of_next_hop(&keeper->owners, &effect->next_hop),
                     &effect->message);
    }
    if (error != 0)
        keeper_raises_sort(keeper);
}

/* --- batches --- */

/* False: the store does not take anything now. */
bool keeper_batch_begin(struct keeper *keeper)
{
    int error;

    if (keeper->in_batch)
        return true;
    if (clock_boot_ms() < keeper->pause_until_ms)
        return false;
    error = keeper_raises_write(keeper); /* first: nothing may be made of an entry without them */
    if (error == 0)
        error = store_begin(keeper->store);
    if (error != 0) {
        store_failed(keeper, error);
        return false;
    }
    keeper->in_batch = true;
    keeper->batch_changes = 0;
    keeper->batch_pending = 0;
    keeper->batch_until_ms = clock_boot_ms() + LIMIT_KEEPER_BATCH_MS;
    counter_add(&keeper->counts.batches, 1);
    return true;
}

/* The map was full, and grows for the next batch: there it is taken once more. False: it was. */
static bool order_waits(struct keeper *keeper, struct order_request *request)
{
    if (request->again)
        return false;
    request->again = true;
    request->next = NULL;
    *keeper->again_last = request;
    keeper->again_last = &request->next;
    return true;
}

/* What is durable and cannot be seen is not acknowledged: nobody could rely on it. */
static void account_effect(struct keeper *keeper, struct order_request *request)
{
    const int error = keeper_account_publish(keeper, &request->done);

    if (error == 0)
        return;
    request->done.result = ORDER_TROUBLE;
    snprintf(request->done.sentence, sizeof request->done.sentence,
             "it is stored, but not in force: the users' table cannot take it (%s); mail it "
             "concerns is deferred. See daemon.table_size",
             strerror(-error));
}

/* The orders of a batch: visible first, then acknowledged. Those whose effect travels to a shard
 * are acknowledged when it is back. */
static void orders_end(struct keeper *keeper, int error)
{
    struct order_request *request = keeper->orders_first, *next;

    keeper->orders_first = NULL;
    keeper->orders_last = &keeper->orders_first;
    for (; request != NULL; request = next) {
        next = request->next;
        if (error == -EAGAIN && order_waits(keeper, request))
            continue;
        if (error != 0) {
            request->done.result = ORDER_TROUBLE;
            snprintf(request->done.sentence, sizeof request->done.sentence,
                     "the memory cannot be written: %s", strerror(-error));
        }
        if (error == 0 && request->done.effect == EFFECT_ENTRY) {
            counter_add(&keeper->counts.pending, (uint64_t)(int64_t)request->done.pending);
            continue;
        }
        if (error == 0 && request->done.effect == EFFECT_ACCOUNT)
            account_effect(keeper, request);
        keeper_order_home(keeper, request);
    }
}

/* What was in it is durable, or (error) lost. */
static void batch_is_over(struct keeper *keeper, int error)
{
    keeper->in_batch = false;
    if (error != 0)
        store_failed(keeper, error);
    counter_add(&keeper->counts.changes, error == 0 ? keeper->batch_changes : 0);
    keeper->batch_changes = 0; /* else a full one would keep the keeper from the next message */
    counter_add(&keeper->counts.pending, error == 0 ? (uint64_t)(int64_t)keeper->batch_pending : 0);
    orders_end(keeper, error);
    effects_send(keeper, error);
}

void keeper_batch_end(struct keeper *keeper)
{
    uint64_t began_us = clock_boot_us();
    int error;

    if (!keeper->in_batch)
        return;
    error = store_commit(keeper->store);
    histogram_add(&keeper->counts.commit_us, clock_boot_us() - began_us);
    batch_is_over(keeper, error);
}

/* A change that the store did not take may be there in part: the whole batch goes. */
void keeper_batch_abort(struct keeper *keeper, int error)
{
    const int spoiled = store_abort(keeper->store); /* the first that went wrong says why */

    batch_is_over(keeper, spoiled != 0 ? spoiled : error);
}
