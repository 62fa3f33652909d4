/*
 * keeper.c - see keeper.h. The order of a turn is keeper_turn; what becomes of a message is
 * keeper_message; what happens when a batch ends is batch_end. Read these three first.
 *
 * Memory: all of it taken at keeper_open. A floor to be published is a slot of the pool from the
 * moment it is known: it waits for its batch's end, travels to its shard and comes home. Without a
 * free slot a note is dropped, and an order turned away: the keeper itself never waits for a shard.
 *
 * Failure: an error of the store ends the batch; what it held is lost, said (counter, alarm), and
 * the store is left alone for LIMIT_KEEPER_PAUSE_MS. Notes of that time are dropped: what they
 * teach is seen again with the next look.
 */
#include "engine/keeper.h"

#include "engine/alarm.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/base/log.h"
#include "engine/loop/pool.h"
#include "engine/memory/users.h"
#include "engine/probe/owner.h"
#include "shm/verdict_record.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static_assert(LIMIT_KEEPER_BATCH + 128 <= LIMIT_STORE_CHANGES &&
                  (1 + LIMIT_MX_HOSTS) * (1 + LIMIT_KEEPER_EVENTS) <= 128 &&
                  LIMIT_EXCEPTIONS + 4 <= 128,
              "whatever the last message of a batch brings, the store takes it");

struct keeper {
    struct keeper_counts counts;
    struct store *store;
    struct users *users;
    struct publisher *publisher;
    struct ledger_settings ledger;
    const struct configuration *configuration; /* the settings in force */
    struct owners owners;
    const int *ring_descriptors;
    struct mailbox *mailbox;
    struct ring *ring;
    pthread_t thread;
    bool running;

    bool in_batch;
    uint32_t batch_changes;
    uint64_t batch_until_ms;
    uint64_t pause_until_ms;                             /* after an error of the store */
    struct order_request *orders_first, **orders_last;   /* of the batch, not yet acknowledged */
    struct pool *publishes;                              /* struct floor_publish */
    struct floor_publish *effects_first, **effects_last; /* of the batch */

    uint64_t housekeeping_due_ms;
    int64_t copied_s; /* wall clock: of the last copy, or the start */

    /* Release by the main thread, acquire by the keeper. */
    _Atomic(const struct configuration *) fresh, taken;
    atomic_bool stop;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum { KEEPER_STARTING, KEEPER_RUNNING, KEEPER_FAILED } state; /* under the lock */
    int error;
};

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

static bool has_room(const struct keeper *keeper, uint32_t effects)
{
    return pool_slots(keeper->publishes) - pool_used(keeper->publishes) >= effects;
}

static void effect_add(struct keeper *keeper, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry, bool durable_first,
                       struct order_request *order)
{
    struct floor_publish *effect = pool_take(keeper->publishes);

    CHECK(effect != NULL); /* has_room came first */
    effect->next_hop.kind = kind == LEDGER_HOST ? NEXT_HOP_HOST : NEXT_HOP_DOMAIN;
    effect->next_hop.port = 25;
    /* Names come from entries that were asked for by a parsed name. */
    CHECK(name_parse(&effect->next_hop.name, name, strlen(name)) == NAME_OK);
    ledger_floor(&effect->floor, entry);
    effect->durable_first = durable_first;
    effect->order = order;
    *keeper->effects_last = effect;
    keeper->effects_last = &effect->next;
}

static void order_home(struct keeper *keeper, struct order_request *request)
{
    request->message.kind = MESSAGE_ORDER_DONE;
    mailbox_send(keeper->mailbox, request->message.from, &request->message);
}

static void effect_is_visible(struct keeper *keeper, struct floor_publish *publish)
{
    if (publish->order != NULL)
        order_home(keeper, publish->order);
    pool_give(keeper->publishes, publish);
}

/* The batch has ended. After an error only raises are published: they may be visible before they
 * are durable, and are taken over from the table at the next start. */
static void effects_send(struct keeper *keeper, int error)
{
    struct floor_publish *effect = keeper->effects_first, *next;

    keeper->effects_first = NULL;
    keeper->effects_last = &keeper->effects_first;
    for (; effect != NULL; effect = next) {
        next = effect->next;
        if (error != 0 && (effect->durable_first || effect->order != NULL)) {
            pool_give(keeper->publishes, effect);
            continue;
        }
        effect->message.kind = MESSAGE_FLOOR_ASK;
        mailbox_send(keeper->mailbox, owner_of_next_hop(&keeper->owners, &effect->next_hop),
                     &effect->message);
    }
}

/* --- batches --- */

/* False: the store does not take anything now. */
static bool batch_begin(struct keeper *keeper)
{
    int error;

    if (keeper->in_batch)
        return true;
    if (clock_boot_ms() < keeper->pause_until_ms)
        return false;
    error = store_begin(keeper->store);
    if (error != 0) {
        store_failed(keeper, error);
        return false;
    }
    keeper->in_batch = true;
    keeper->batch_changes = 0;
    keeper->batch_until_ms = clock_boot_ms() + LIMIT_KEEPER_BATCH_MS;
    counter_add(&keeper->counts.batches, 1);
    return true;
}

static void account_publish(struct keeper *keeper, const struct order_done *done);

/* The orders of a batch: visible first, then acknowledged. Those whose effect travels to a shard
 * are acknowledged when it is back. */
static void orders_end(struct keeper *keeper, int error)
{
    struct order_request *request = keeper->orders_first, *next;

    keeper->orders_first = NULL;
    keeper->orders_last = &keeper->orders_first;
    for (; request != NULL; request = next) {
        next = request->next;
        if (error != 0) {
            request->done.result = ORDER_TROUBLE;
            snprintf(request->done.sentence, sizeof request->done.sentence,
                     "the memory cannot be written: %s", strerror(-error));
        }
        if (error == 0 && request->done.effect == EFFECT_ENTRY)
            continue;
        if (error == 0 && request->done.effect == EFFECT_ACCOUNT)
            account_publish(keeper, &request->done);
        order_home(keeper, request);
    }
}

/* What was in it is durable, or (error) lost. */
static void batch_is_over(struct keeper *keeper, int error)
{
    keeper->in_batch = false;
    if (error != 0)
        store_failed(keeper, error);
    counter_add(&keeper->counts.changes, error == 0 ? keeper->batch_changes : 0);
    orders_end(keeper, error);
    effects_send(keeper, error);
}

static void batch_end(struct keeper *keeper)
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
static void batch_abort(struct keeper *keeper, int error)
{
    store_abort(keeper->store);
    batch_is_over(keeper, error);
}

/* --- notes --- */

static void event_count(struct keeper *keeper, enum ledger_event event, const char *name,
                        const char *reason)
{
    switch (event) {
    case LEDGER_RAISED:
        counter_add(&keeper->counts.raised, 1);
        log_info("memory-raised", "name=%s %s", name, reason);
        return;
    case LEDGER_WAITING:
        counter_add(&keeper->counts.waiting, 1);
        return;
    case LEDGER_CONTRADICTED:
        counter_add(&keeper->counts.contradicted, 1);
        counter_add(&keeper->counts.pending, 1);
        alarm_raise(ALARM_CONTRADICTED, name, "%s", reason);
        return;
    case LEDGER_MET_AGAIN:
        counter_add(&keeper->counts.met_again, 1);
        counter_add(&keeper->counts.pending, (uint64_t)-1);
        log_notice("memory-met-again", "name=%s %s", name, reason);
        return;
    case LEDGER_LOWERED:
        counter_add(&keeper->counts.lowered, 1);
        log_notice("memory-lowered", "name=%s %s", name, reason);
        return;
    case LEDGER_EXPIRED:
    case LEDGER_RULE_OVER:
        counter_add(&keeper->counts.expired, 1);
        log_notice("memory-expired", "name=%s %s", name, reason);
        return;
    case LEDGER_UNCHANGED:
    case LEDGER_CONFIRMED:
    case LEDGER_DISMISSED:
    case LEDGER_EVENT_COUNT:
        return;
    }
}

/* What happens to one entry, from its first event to its last. */
struct change {
    enum ledger_kind kind;
    const char *name;
    struct ledger_entry before, after;
    bool write, publish, lowers;
    unsigned event_count;
    struct {
        enum ledger_event event;
        char reason[LEDGER_REASON];
    } events[LIMIT_KEEPER_EVENTS];
};

/* True: the same may have more to say. */
static bool change_event(struct change *change, enum ledger_event event, const char *reason)
{
    if (event == LEDGER_UNCHANGED)
        return false;
    change->write = true;
    if (event == LEDGER_CONFIRMED)
        return true;
    change->publish |= event != LEDGER_WAITING && event != LEDGER_DISMISSED;
    change->lowers |= ledger_event_lowers(event);
    change->events[change->event_count].event = event;
    snprintf(change->events[change->event_count].reason, LEDGER_REASON, "%s", reason);
    return ++change->event_count < LIMIT_KEEPER_EVENTS;
}

/* `used_s`: when somebody asked about it, whatever was seen. */
static void change_observe(struct change *change, const struct observation *observation,
                           int64_t used_s, const struct ledger_settings *settings)
{
    char reason[LEDGER_REASON] = "";

    change_event(change, ledger_use(&change->after, used_s), reason);
    while (
        change_event(change, ledger_observe(&change->after, observation, settings, reason), reason))
        ;
}

static int audit_lowering(struct keeper *keeper, const struct change *change, unsigned index)
{
    struct store_audit audit = {.at_s = clock_wall_s()};

    snprintf(audit.who, sizeof audit.who, "ledger");
    snprintf(audit.what, sizeof audit.what, "%s", ledger_event_name(change->events[index].event));
    snprintf(audit.name, sizeof audit.name, "%s", change->name);
    snprintf(audit.reason, sizeof audit.reason, "%s", change->events[index].reason);
    return store_audit_add(keeper->store, &audit);
}

/* False: the store failed, and the batch is gone. */
static bool change_write(struct keeper *keeper, const struct change *change)
{
    int error = 0;

    if (!batch_begin(keeper))
        return false;
    if (ledger_is_empty(&change->after))
        error = store_entry_remove(keeper->store, change->kind, change->name);
    else
        error = store_entry_put(keeper->store, change->kind, change->name, &change->after);
    for (unsigned i = 0; error == 0 && i < change->event_count; i++)
        if (ledger_event_lowers(change->events[i].event))
            error = audit_lowering(keeper, change, i);
    if (error != 0) {
        batch_abort(keeper, error);
        return false;
    }
    keeper->batch_changes += 1 + change->event_count; /* audit lines, at most */
    return true;
}

/* A name not yet known may be learned while its ancestors have room (MEM-02, MEM-07). */
static bool may_learn(struct keeper *keeper, enum ledger_kind kind, const char *text)
{
    struct ledger_quota quotas[2];
    struct name name;
    unsigned count;

    if (name_parse(&name, text, strlen(text)) != NAME_OK)
        return false;
    count = ledger_quotas(quotas, kind, &name, &keeper->ledger);
    for (unsigned i = 0; i < count; i++) {
        if (store_entry_count(keeper->store, kind, quotas[i].ancestor.text, quotas[i].most) <
            quotas[i].most)
            continue;
        counter_add(&keeper->counts.refused, 1);
        return false;
    }
    return true;
}

/* False: nothing may be learned now. A broken one is said, and reads as "TLS required" (MEM-08). */
static bool entry_fetch(struct keeper *keeper, struct change *change, bool *there)
{
    *there = true;
    switch (store_entry_get(keeper->store, change->kind, change->name, &change->before)) {
    case STORE_FOUND:
        return true;
    case STORE_BROKEN:
        counter_add(&keeper->counts.broken, 1);
        alarm_raise(ALARM_STORE, change->name, "a record of the memory is broken: TLS is required");
        return true;
    case STORE_ABSENT:
        *there = false;
        change->before = (struct ledger_entry){.kind = (uint8_t)change->kind};
        return true;
    case STORE_ERROR:
        break;
    }
    return false;
}

static void entry_observe(struct keeper *keeper, enum ledger_kind kind, const char *name,
                          const struct observation *observation, int64_t used_s)
{
    struct change change = {.kind = kind, .name = name};
    bool there;

    if (!entry_fetch(keeper, &change, &there))
        return;
    change.after = change.before;
    change_observe(&change, observation, used_s, &keeper->ledger);
    if (!change.write || (!there && ledger_is_empty(&change.after)) ||
        (!there && !may_learn(keeper, kind, name)) || !change_write(keeper, &change))
        return;
    for (unsigned i = 0; i < change.event_count; i++)
        event_count(keeper, change.events[i].event, name, change.events[i].reason);
    if (change.publish)
        effect_add(keeper, kind, name, &change.after, change.lowers, NULL);
}

static void note_take(struct keeper *keeper, struct memory_note *note)
{
    const bool room = has_room(keeper, 1 + LIMIT_MX_HOSTS);

    counter_add(&keeper->counts.notes, 1);
    counter_add(&keeper->counts.dropped, !room);
    if (room)
        entry_observe(keeper, LEDGER_DOMAIN, note->next_hop.name.text, &note->taught.domain,
                      note->taught.at_s);
    for (unsigned i = 0; room && i < note->taught.host_count; i++)
        entry_observe(keeper, LEDGER_HOST, note->taught.hosts[i].name.text,
                      &note->taught.hosts[i].observation, note->taught.at_s);
    note->message.kind = MESSAGE_NOTE_DONE;
    mailbox_send(keeper->mailbox, note->message.from, &note->message);
}

/* --- questions --- */

/* An entry that cannot be read at all is not known to be absent: TLS is required (MEM-08). */
static void floor_read(struct keeper *keeper, const struct next_hop *next_hop, struct floor *floor)
{
    const enum ledger_kind kind = next_hop->kind == NEXT_HOP_HOST ? LEDGER_HOST : LEDGER_DOMAIN;
    struct ledger_entry entry;

    switch (store_entry_get(keeper->store, kind, next_hop->name.text, &entry)) {
    case STORE_FOUND:
    case STORE_BROKEN:
        break;
    case STORE_ABSENT:
        entry = (struct ledger_entry){.kind = (uint8_t)kind};
        break;
    case STORE_ERROR:
        ledger_unreadable(&entry, kind);
        break;
    }
    ledger_floor(floor, &entry);
}

/* What a batch that is open changes must not be seen before it is durable. */
static void question_take(struct keeper *keeper, struct floors_question *question)
{
    batch_end(keeper);
    counter_add(&keeper->counts.questions, 1);
    for (unsigned i = 0; i < question->count; i++)
        floor_read(keeper, &question->next_hops[i], &question->floors[i]);
    question->message.kind = MESSAGE_FLOORS_DONE;
    mailbox_send(keeper->mailbox, question->message.from, &question->message);
}

/* --- orders --- */

static bool exception_publish(void *context, const char *name, const char *domain,
                              const struct account_exception *exception)
{
    struct keeper *keeper = context;

    users_put_exception(keeper->users, name, domain, exception);
    return true;
}

/* The account as it is in the store now, with its exceptions. */
static void account_publish(struct keeper *keeper, const struct order_done *done)
{
    struct account account;

    for (unsigned i = 0; i < done->gone_count; i++)
        users_remove_exception(keeper->users, done->name, done->gone[i]);
    if (store_account_get(keeper->store, done->name, &account) == STORE_ABSENT) {
        users_remove(keeper->users, done->name);
        return;
    }
    store_exceptions_each(keeper->store, done->name, exception_publish, keeper);
    users_put(keeper->users, done->name, &account);
}

static void order_trouble(struct keeper *keeper, struct order_request *request)
{
    request->done.result = ORDER_TROUBLE;
    snprintf(request->done.sentence, sizeof request->done.sentence,
             "the memory cannot be written now; see mxwardctl status");
    order_home(keeper, request);
}

static void entry_effect(struct keeper *keeper, struct order_request *request)
{
    struct ledger_entry entry = {0};

    store_entry_get(keeper->store, request->done.entry_kind, request->done.name, &entry);
    effect_add(keeper, request->done.entry_kind, request->done.name, &entry, true, request);
}

static void copy_make(struct keeper *keeper);

static void order_take(struct keeper *keeper, struct order_request *request)
{
    const bool changes = order_changes((enum order_kind)request->order.kind);

    counter_add(&keeper->counts.orders, 1);
    if (request->order.kind == ORDERS_MEMORY_COPY) {
        const uint64_t failures = counter_read(&keeper->counts.copy_failures);

        copy_make(keeper);
        const bool good = counter_read(&keeper->counts.copy_failures) == failures;
        request->done = (struct order_done){.result = good ? ORDER_GOOD : ORDER_TROUBLE};
        snprintf(request->done.sentence, sizeof request->done.sentence, "%s",
                 good ? "copied" : "the copy failed; see mxwardctl status");
        order_home(keeper, request);
        return;
    }
    if (!changes) {
        batch_end(keeper); /* what is shown is durable */
    } else if (!has_room(keeper, 1) || !batch_begin(keeper)) {
        order_trouble(keeper, request);
        return;
    }
    order_apply(keeper->store, &request->order, &keeper->configuration->profiles,
                &keeper->configuration->guarantee, request->rows, clock_wall_s(), &request->done);
    if (!changes || request->done.result == ORDER_INVALID || request->done.result == ORDER_ABSENT) {
        order_home(keeper, request);
        return;
    }
    keeper->batch_changes += LIMIT_EXCEPTIONS + 4; /* at most: an account and its exceptions */
    request->next = NULL;
    *keeper->orders_last = request;
    keeper->orders_last = &request->next;
    if (request->done.result == ORDER_TROUBLE)
        batch_abort(keeper, -EIO);
    else if (request->done.effect == EFFECT_ENTRY)
        entry_effect(keeper, request);
}

static void report_take(struct keeper *keeper, struct report_note *note)
{
    counter_add(&keeper->counts.reports, 1);
    if (batch_begin(keeper) && store_report_add(keeper->store, &note->report) == 0)
        keeper->batch_changes++;
    note->message.kind = MESSAGE_REPORT_DONE;
    mailbox_send(keeper->mailbox, note->message.from, &note->message);
}

static void keeper_message(struct keeper *keeper, struct message *message)
{
    switch ((enum message_kind)message->kind) {
    case MESSAGE_NOTE_ASK:
        note_take(keeper, container_of(message, struct memory_note, message));
        return;
    case MESSAGE_FLOORS_ASK:
        question_take(keeper, container_of(message, struct floors_question, message));
        return;
    case MESSAGE_ORDER_ASK:
        order_take(keeper, container_of(message, struct order_request, message));
        return;
    case MESSAGE_REPORT_ASK:
        report_take(keeper, container_of(message, struct report_note, message));
        return;
    case MESSAGE_FLOOR_DONE:
        effect_is_visible(keeper, container_of(message, struct floor_publish, message));
        return;
    case MESSAGE_DNS_HOST:
    case MESSAGE_DNS_DOMAIN:
    case MESSAGE_ENDPOINT_ASK:
    case MESSAGE_ENDPOINT_DONE:
    case MESSAGE_HOST_ASK:
    case MESSAGE_HOST_DONE:
    case MESSAGE_DOMAIN_ASK:
    case MESSAGE_DOMAIN_DONE:
    case MESSAGE_CONTROL:
    case MESSAGE_NOTE_DONE:
    case MESSAGE_FLOORS_DONE:
    case MESSAGE_FLOOR_ASK:
    case MESSAGE_ORDER_DONE:
    case MESSAGE_REPORT_DONE:
    case MESSAGE_DNS_FRONT:
        break;
    }
    CHECK(!"a message that the keeper does not get");
}

/* --- copies, and what time alone brings --- */

/* Blocks this thread for a second or so for each million entries: nobody waits for it but orders.
 */
static void copy_make(struct keeper *keeper)
{
    char why[256] = "";

    batch_end(keeper);
    keeper->copied_s = clock_wall_s();
    if (store_copy(keeper->store, keeper->copied_s, why, sizeof why) == 0) {
        counter_add(&keeper->counts.copies, 1);
        return;
    }
    counter_add(&keeper->counts.copy_failures, 1);
    alarm_raise(ALARM_STORE, "", "the nightly copy of the memory failed: %s", why);
}

static void keeper_housekeeping(struct keeper *keeper, uint64_t now_ms)
{
    if (now_ms < keeper->housekeeping_due_ms)
        return;
    keeper->housekeeping_due_ms = now_ms + 1000;
    atomic_store_explicit(&keeper->counts.heartbeat_ms, now_ms, memory_order_relaxed);
    users_heartbeat(keeper->users);
    if (clock_wall_s() - keeper->copied_s >= LIMIT_COPY_APART_S ||
        clock_wall_s() < keeper->copied_s)
        copy_make(keeper);
}

/* --- settings --- */

/* True: accounts of the store must be put (users.h). */
static bool keeper_take_configuration(struct keeper *keeper, const struct configuration *fresh)
{
    bool accounts_wanted;

    keeper->configuration = fresh;
    ledger_of_settings(&keeper->ledger, &fresh->memory);
    if (users_configure(keeper->users, &fresh->guarantee, &fresh->profiles, &accounts_wanted) != 0)
        log_error("users-table", "there is no room for all profiles and aliases");
    return accounts_wanted;
}

static int accounts_load(struct keeper *keeper);

static void keeper_look_for_settings(struct keeper *keeper)
{
    /* Acquire: partner is the store in keeper_reload. */
    const struct configuration *fresh =
        atomic_exchange_explicit(&keeper->fresh, NULL, memory_order_acq_rel);

    if (fresh == NULL)
        return;
    batch_end(keeper);
    if (keeper_take_configuration(keeper, fresh) && accounts_load(keeper) != 0)
        log_error("users-table", "the accounts cannot be read; senders are asked to come again");
    atomic_store_explicit(&keeper->taken, fresh, memory_order_release);
}

int keeper_reload(struct keeper *keeper, const struct configuration *configuration)
{
    const struct timespec a_little = {.tv_nsec = 10000000};

    atomic_store_explicit(&keeper->fresh, configuration, memory_order_release);
    for (unsigned waited = 0; waited < LIMIT_STOP_MS; waited += 10) {
        if (atomic_load_explicit(&keeper->taken, memory_order_acquire) == configuration)
            return 0;
        nanosleep(&a_little, NULL);
    }
    return -ETIMEDOUT;
}

/* --- the turn --- */

static void keeper_completed(void *context, const struct ring_completion *completion)
{
    (void)context;
    (void)completion;
    CHECK(!"the keeper's ring only wakes it");
}

static uint64_t keeper_sleep_until(struct keeper *keeper, bool more, uint64_t now_ms)
{
    if (more || !mailbox_may_sleep(keeper->mailbox))
        return 0;
    return keeper->in_batch ? keeper->batch_until_ms : now_ms + LIMIT_SLEEP_MS;
}

/* Messages until the batch is full; returns how many. */
static unsigned keeper_take(struct keeper *keeper)
{
    struct message *message;
    unsigned taken = 0;

    while (taken < LIMIT_KEEPER_BATCH && keeper->batch_changes < LIMIT_KEEPER_BATCH &&
           (message = mailbox_receive(keeper->mailbox)) != NULL) {
        keeper_message(keeper, message);
        taken++;
    }
    return taken;
}

/* False: the thread ends. */
static bool keeper_turn(struct keeper *keeper)
{
    /* Acquire: partner is the store in keeper_stop. */
    const bool stop = atomic_load_explicit(&keeper->stop, memory_order_acquire);
    const unsigned taken = keeper_take(keeper);
    const uint64_t now_ms = clock_boot_ms();

    if (stop || keeper->batch_changes >= LIMIT_KEEPER_BATCH || now_ms >= keeper->batch_until_ms)
        batch_end(keeper);
    keeper_look_for_settings(keeper);
    keeper_housekeeping(keeper, now_ms);
    mailbox_flush(keeper->mailbox);
    if (stop && taken == 0 && pool_used(keeper->publishes) == 0)
        return false;
    CHECK(ring_turn(keeper->ring, keeper_sleep_until(keeper, taken > 0 || stop, now_ms),
                    keeper_completed, keeper) >= 0);
    mailbox_awake(keeper->mailbox);
    return true;
}

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
    if (floor.level == LEVEL_NONE && floor.rule == RULE_NONE && floor.flags == 0)
        return true; /* waiting for its second sighting: demands nothing */
    if (name_parse(&next_hop.name, name, strlen(name)) == NAME_OK) {
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

static int accounts_load(struct keeper *keeper)
{
    struct loading loading = {.keeper = keeper};
    /* Exceptions first, then the account that says that there are some (shm/account.h). */
    int error = store_exceptions_each(keeper->store, NULL, exception_load, &loading);

    if (error == 0)
        error = store_accounts_each(keeper->store, NULL, account_load, &loading);
    users_complete(keeper->users, error == 0 && loading.refused == 0);
    return error;
}

static int tables_load(struct keeper *keeper)
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
    error = accounts_load(keeper);
    log_notice("memory-loaded", "floors=%llu ms=%llu", (unsigned long long)loading.floors,
               (unsigned long long)(clock_boot_ms() - began_ms));
    return error;
}

/* --- start and stop --- */

static int keeper_open_stores(struct keeper *keeper, char *why, size_t why_size)
{
    const struct configuration *configuration = keeper->configuration;
    char directory[4096];
    struct store_settings settings = {.directory = directory,
                                      .map_bytes = configuration->memory.map_bytes,
                                      .copies = (unsigned)configuration->memory.copies,
                                      .accept_loss = configuration->memory.accept_loss};
    struct store_opened opened;
    int error;

    snprintf(directory, sizeof directory, "%s/memory", configuration->daemon.state_directory);
    if (mkdir(configuration->daemon.state_directory, 0750) != 0 && errno != EEXIST) {
        error = -errno;
        snprintf(why, why_size, "cannot make %s: %s (daemon.state_directory)",
                 configuration->daemon.state_directory, strerror(-error));
        return error;
    }
    error = store_open(&keeper->store, &settings, &opened, why, why_size);
    if (error != 0)
        return error;
    log_notice("memory-opened", "entries=%llu accounts=%llu broken=%llu fresh=%d",
               (unsigned long long)opened.entries, (unsigned long long)opened.accounts,
               (unsigned long long)opened.broken, opened.fresh);
    counter_add(&keeper->counts.broken, opened.broken);
    if (why[0] != '\0') /* mended, or values are broken: TLS is required there */
        alarm_raise(ALARM_STORE, "", "%s", why);
    why[0] = '\0';
    keeper->copied_s = clock_wall_s();
    return users_open(&keeper->users, configuration->daemon.run_directory,
                      configuration->guarantee.users_group, configuration->daemon.table_bytes, why,
                      why_size);
}

int keeper_open(struct keeper **out, const struct configuration *configuration,
                struct publisher *publisher, char *why, size_t why_size)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    int error;

    if (keeper == NULL)
        return -ENOMEM;
    keeper->configuration = configuration;
    keeper->publisher = publisher;
    keeper->orders_last = &keeper->orders_first;
    keeper->effects_last = &keeper->effects_first;
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->changed, NULL);
    error = keeper_open_stores(keeper, why, why_size);
    if (error == 0)
        error = pool_create(&keeper->publishes, "floors on their way", sizeof(struct floor_publish),
                            LIMIT_KEEPER_EFFECTS);
    if (error == 0) {
        users_clear(keeper->users);
        keeper_take_configuration(keeper, configuration);
        error = tables_load(keeper);
        if (error != 0)
            snprintf(why, why_size, "cannot load the memory: %s", strerror(-error));
    }
    if (error != 0) {
        keeper_close(keeper);
        return error;
    }
    *out = keeper;
    return 0;
}

static void keeper_wake(void *context, uint16_t to)
{
    struct keeper *keeper = context;

    ring_wake(keeper->ring, keeper->ring_descriptors[to]);
}

static void *keeper_run(void *context)
{
    static const struct ring_limits limits = {
        .submissions = 256, .receive_buffers = 1, .receive_bytes = 64};
    struct keeper *keeper = context;
    int error = ring_create(&keeper->ring, &limits);

    pthread_setname_np(pthread_self(), "keeper");
    pthread_mutex_lock(&keeper->lock);
    keeper->error = error;
    keeper->state = error == 0 ? KEEPER_RUNNING : KEEPER_FAILED;
    pthread_cond_signal(&keeper->changed);
    pthread_mutex_unlock(&keeper->lock);
    if (error == 0)
        while (keeper_turn(keeper))
            ;
    if (keeper->ring != NULL)
        ring_destroy(keeper->ring);
    return NULL;
}

int keeper_start(struct keeper *keeper, struct exchange *exchange, const struct owners *owners,
                 const int *ring_descriptors, char *why, size_t why_size)
{
    int error;

    keeper->owners = *owners;
    keeper->ring_descriptors = ring_descriptors;
    keeper->mailbox = mailbox_open(exchange, owner_keeper(owners), keeper_wake, keeper);
    error = -pthread_create(&keeper->thread, NULL, keeper_run, keeper);
    if (error == 0) {
        pthread_mutex_lock(&keeper->lock);
        while (keeper->state == KEEPER_STARTING)
            pthread_cond_wait(&keeper->changed, &keeper->lock);
        error = keeper->error;
        pthread_mutex_unlock(&keeper->lock);
        if (error != 0)
            pthread_join(keeper->thread, NULL);
    }
    if (error != 0)
        snprintf(why, why_size, "cannot start the thread of the memory: %s", strerror(-error));
    keeper->running = error == 0;
    return error;
}

int keeper_descriptor(const struct keeper *keeper)
{
    return ring_descriptor(keeper->ring);
}

void keeper_stop(struct keeper *keeper)
{
    if (!keeper->running)
        return;
    atomic_store_explicit(&keeper->stop, true, memory_order_release);
    pthread_join(keeper->thread, NULL);
    keeper->running = false;
}

void keeper_close(struct keeper *keeper)
{
    if (keeper->publishes != NULL)
        pool_destroy(keeper->publishes);
    if (keeper->users != NULL)
        users_close(keeper->users);
    if (keeper->store != NULL)
        store_close(keeper->store);
    pthread_mutex_destroy(&keeper->lock);
    pthread_cond_destroy(&keeper->changed);
    free(keeper);
}

const struct keeper_counts *keeper_counts(const struct keeper *keeper)
{
    return &keeper->counts;
}

const struct table_writer *keeper_users(const struct keeper *keeper)
{
    return users_table(keeper->users);
}
