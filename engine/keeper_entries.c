/*
 * keeper_entries.c - the entries of the ledger as the keeper changes them: what a look taught, what
 * a shard asks for, what grows old. The rules are engine/memory/ledger's.
 *
 * Failure: without room or without a store nothing is learned now; the next look teaches it again.
 */
#include "engine/keeper_internal.h"

#include "engine/alarm.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <stdio.h>
#include <string.h>

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
        alarm_raise(ALARM_CONTRADICTED, name, "%s", reason);
        return;
    case LEDGER_MET_AGAIN:
        counter_add(&keeper->counts.met_again, 1);
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
    struct store_audit audit = {.kind = AUDIT_LEDGER, .at_s = clock_wall_s()};

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

    if (!keeper_batch_begin(keeper))
        return false;
    if (ledger_is_empty(&change->after))
        error = store_entry_remove(keeper->store, change->kind, change->name);
    else
        error = store_entry_put(keeper->store, change->kind, change->name, &change->after);
    for (unsigned i = 0; error == 0 && i < change->event_count; i++)
        if (ledger_event_lowers(change->events[i].event))
            error = audit_lowering(keeper, change, i);
    if (error != 0) {
        keeper_batch_abort(keeper, error);
        return false;
    }
    keeper->batch_changes += 1 + change->event_count; /* audit lines, at most */
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

/* Into the batch, and what must be said and published of it. */
static void change_apply(struct keeper *keeper, const struct change *change)
{
    if (!change_write(keeper, change))
        return;
    keeper->batch_pending +=
        (int)ledger_is_pending(&change->after) - (int)ledger_is_pending(&change->before);
    for (unsigned i = 0; i < change->event_count; i++)
        event_count(keeper, change->events[i].event, change->name, change->events[i].reason);
    if (change->publish)
        keeper_effect_add(keeper, change->kind, change->name, &change->after,
                          ledger_ruling(&change->after, change->name) -
                              ledger_ruling(&change->before, change->name),
                          change->lowers, NULL);
}

void keeper_entry_evict(struct keeper *keeper, enum ledger_kind kind, const char *name)
{
    struct change change = {.kind = kind, .name = name};
    char reason[LEDGER_REASON] = "";
    bool there;

    if (!entry_fetch(keeper, &change, &there) || !there)
        return;
    change.after = change.before;
    change_event(&change, ledger_evict(&change.after, reason), reason);
    counter_add(&keeper->counts.evicted, 1);
    change_apply(keeper, &change);
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
    if (change.write &&
        (there || (!ledger_is_empty(&change.after) && keeper_make_room(keeper, kind, name))))
        change_apply(keeper, &change);
}

void keeper_note_take(struct keeper *keeper, struct memory_note *note)
{
    const bool room = keeper_has_room(keeper, (1 + LIMIT_MX_HOSTS) * (1 + KEEPER_ROOMS));

    counter_add(&keeper->counts.notes, 1);
    counter_add(&keeper->counts.dropped, !room);
    if (room && note->next_hop.kind == NEXT_HOP_DOMAIN)
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
    keeper_raise_keep(keeper, kind, next_hop->name.text, &entry);
    ledger_floor(floor, &entry);
}

/* What a batch that is open changes must not be seen before it is durable. */
void keeper_question_take(struct keeper *keeper, struct floors_question *question)
{
    keeper_batch_end(keeper);
    counter_add(&keeper->counts.questions, 1);
    for (unsigned i = 0; i < question->count; i++)
        floor_read(keeper, &question->next_hops[i], &question->floors[i]);
    question->message.kind = MESSAGE_FLOORS_DONE;
    mailbox_send(keeper->mailbox, question->message.from, &question->message);
}

/* --- what time alone brings --- */

/*
 * The sweep: once a day through the whole ledger, LIMIT_SWEEP_LOOKS entries a second. What time
 * brings is believed to a clock only that signed answers validate with, and that has not been set
 * since we started: a clock set forward would forget what is remembered.
 */
struct sweep_page {
    const struct keeper *keeper;
    int64_t now_s;
    unsigned looked, count;
    char names[LIMIT_SWEEP_CHANGES][256];
    char last[256]; /* where the next page goes on */
};

static bool sweep_look(void *context, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry)
{
    struct sweep_page *page = context;
    struct ledger_entry copy = *entry;

    (void)kind;
    snprintf(page->last, sizeof page->last, "%s", name);
    if (ledger_age(&copy, page->now_s, &page->keeper->ledger, NULL) != LEDGER_UNCHANGED)
        snprintf(page->names[page->count++], sizeof page->names[0], "%s", name);
    return ++page->looked < LIMIT_SWEEP_LOOKS && page->count < LIMIT_SWEEP_CHANGES;
}

static void entry_age(struct keeper *keeper, enum ledger_kind kind, const char *name, int64_t now_s)
{
    struct change change = {.kind = kind, .name = name};
    char reason[LEDGER_REASON] = "";
    bool there;

    if (!entry_fetch(keeper, &change, &there) || !there)
        return;
    change.after = change.before;
    while (change_event(&change, ledger_age(&change.after, now_s, &keeper->ledger, reason), reason))
        ;
    if (change.write)
        change_apply(keeper, &change);
}

int64_t keeper_vouched_s(const struct keeper *keeper)
{
    const int64_t now_s = clock_wall_s();
    const int64_t set_s = now_s - (int64_t)(clock_boot_ms() / 1000) - keeper->wall_less_boot_s;

    /* Acquire: partner is the store in keeper_vouch. With it come the rings of the shards, which
     * started after the keeper, and to which the sweep is the first to send unasked. */
    return atomic_load_explicit(&keeper->vouched, memory_order_acquire) &&
                   set_s > -LIMIT_SWEEP_CLOCK_S && set_s < LIMIT_SWEEP_CLOCK_S
               ? now_s
               : 0;
}

void keeper_sweep(struct keeper *keeper)
{
    struct sweep_page page = {.keeper = keeper, .now_s = keeper_vouched_s(keeper)};
    const enum ledger_kind kind = keeper->sweep_kind;

    if (page.now_s == 0 || page.now_s < keeper->sweep_due_s ||
        !keeper_has_room(keeper, LIMIT_SWEEP_CHANGES))
        return;
    keeper_batch_end(keeper);
    if (store_each(keeper->store, kind, keeper->swept[0] != '\0' ? keeper->swept : NULL, sweep_look,
                   &page) != 0)
        return;
    for (unsigned i = 0; i < page.count; i++)
        entry_age(keeper, kind, page.names[i], page.now_s);
    snprintf(keeper->swept, sizeof keeper->swept, "%s", page.last);
    if (page.looked == LIMIT_SWEEP_LOOKS || page.count == LIMIT_SWEEP_CHANGES)
        return;
    keeper->swept[0] = '\0'; /* the end of this kind */
    keeper->sweep_kind = kind == LEDGER_DOMAIN ? LEDGER_HOST : LEDGER_DOMAIN;
    if (kind == LEDGER_HOST)
        keeper->sweep_due_s = page.now_s + LIMIT_SWEEP_APART_S;
}
