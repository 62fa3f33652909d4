/*
 * keeper_internal.h - what the files of the keeper share. The keeper's thread only, but where said.
 *
 *   keeper.c          the thread: messages, orders, copies, settings, start and stop
 *   keeper_batch.c    one commit: what becomes durable, then visible, then acknowledged
 *   keeper_entries.c  the ledger's entries: what is learned, asked for, and grows old
 *   keeper_room.c     room in the ledger for a name that is new
 *   keeper_load.c     at the start: the tables from the store
 *   keeper_profiles.c profiles that accounts have, and the configuration lacks
 *   keeper_raises.c   the store from the table, of what was raised while the store did not take it
 */
#ifndef MXWARD_KEEPER_INTERNAL_H
#define MXWARD_KEEPER_INTERNAL_H

#include "engine/keeper.h"
#include "engine/loop/pool.h"
#include "engine/memory/users.h"
#include "engine/probe/owner.h"

#include <pthread.h>

#define KEEPER_ROOMS 3 /* a new entry needs room in its quotas, and in all */

/* A floor that the table knew first, and the store has not yet. */
struct raise {
    uint8_t kind; /* enum ledger_kind */
    struct floor floor;
    char name[256];
};

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
    int32_t batch_pending; /* so many more are in the review queue when it is durable */
    uint64_t batch_until_ms;
    uint64_t pause_until_ms;                             /* after an error of the store */
    struct order_request *orders_first, **orders_last;   /* of the batch, not yet acknowledged */
    struct order_request *again_first, **again_last;     /* to be taken once more */
    struct pool *publishes;                              /* struct floor_publish */
    struct floor_publish *effects_first, **effects_last; /* of the batch */

    struct raise *raises; /* by kind and name; usually none */
    uint32_t raise_count, raise_room;
    bool accounts_missing; /* they could not be read: again in a while */

    uint64_t housekeeping_due_ms;
    int64_t copied_s; /* wall clock: of the last copy, or the start */

    /* Where the next look for what makes room begins, and in which quota that is. */
    char evict_after[LEDGER_KIND_COUNT][KEEPER_ROOMS][256];

    int64_t sweep_due_s;      /* wall clock */
    int64_t wall_less_boot_s; /* at the start: tells a clock that was set since */
    enum ledger_kind sweep_kind;
    char swept[256];     /* the last name looked at; "": begin */
    atomic_bool vouched; /* by the main thread: signed answers validate now */

    /* Release by the main thread, acquire by the keeper. */
    _Atomic(const struct configuration *) fresh, taken;
    atomic_bool stop;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum { KEEPER_STARTING, KEEPER_RUNNING, KEEPER_FAILED } state; /* under the lock */
    int error;
};

/* --- keeper_batch.c --- */

/* Room for so many effects; without it a note is dropped and an order turned away. */
bool keeper_has_room(const struct keeper *keeper, uint32_t effects);
/* Publishes the floor of an entry when the batch has ended. `rulings`: by how much ledger_ruling of
 * the entry changed. `durable_first`: not if it failed.
 * `order`: who is told when it is visible; NULL: nobody. There must be room. */
void keeper_effect_add(struct keeper *keeper, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry, uint32_t rulings, bool durable_first,
                       struct order_request *order);
void keeper_effect_is_visible(struct keeper *keeper, struct floor_publish *publish);
void keeper_order_home(struct keeper *keeper, struct order_request *request);
/* False: the store does not take anything now. */
bool keeper_batch_begin(struct keeper *keeper);
void keeper_batch_end(struct keeper *keeper);
/* A change that the store did not take may be there in part: the whole batch goes. */
void keeper_batch_abort(struct keeper *keeper, int error);

/* --- keeper.c --- */

/* The account as it is in the store now, with its exceptions. Or negative errno: something of it
 * found no room in the users' table, and senders that it may concern are unknown now. */
int keeper_account_publish(struct keeper *keeper, const struct order_done *done);

/* --- keeper_entries.c --- */

/* Room for one; each new entry of a note may need KEEPER_ROOMS of them. */
void keeper_entry_evict(struct keeper *keeper, enum ledger_kind kind, const char *name);
/* The time, if something vouches for it and it was not set since the start; else 0. */
int64_t keeper_vouched_s(const struct keeper *keeper);
void keeper_note_take(struct keeper *keeper, struct memory_note *note);
void keeper_question_take(struct keeper *keeper, struct floors_question *question);
/* A page of the sweep, if it is time for one. */
void keeper_sweep(struct keeper *keeper);

/* --- keeper_room.c --- */

/* A name not yet known may be learned while its ancestors, and the ledger, have room, or something
 * there makes it (MEM-02, MEM-07). */
bool keeper_make_room(struct keeper *keeper, enum ledger_kind kind, const char *name);

/* --- keeper_load.c --- */

void keeper_load_tables(struct keeper *keeper);
/* Accounts and exceptions alone: the table lacked something (users.h), or it failed before. */
void keeper_load_accounts(struct keeper *keeper);
/* One account, with when the last of its exceptions ends. 0, or negative errno: not there now. */
int keeper_account_put(struct keeper *keeper, const char *name, const struct account *account);

/* --- keeper_profiles.c --- */

struct missing_profiles {
    unsigned count;
    struct {
        char name[PROFILE_NAME_MAX];
        uint64_t accounts;
    } named[LIMIT_PROFILES_NAMED];
    uint64_t others; /* accounts of those that are not named */
};

/* Adds the account, if the configuration lacks a profile it needs. */
void keeper_profiles_look(struct missing_profiles *missing, const struct keeper *keeper,
                          const struct account *account);
/* To the log and by an alarm, if there are any. */
void keeper_profiles_tell(const struct missing_profiles *missing);
/* All accounts of the store, after a reload: blocks for a second or so for each million. */
void keeper_profiles_check(struct keeper *keeper);

/* --- keeper_raises.c --- */

/* Main thread, at the start: finds them, and writes them if the store takes them. */
void keeper_raises_look(struct keeper *keeper);
/* One more that is about to be visible alone; false: no room. Then, once: sort. */
bool keeper_raise_add(struct keeper *keeper, const struct next_hop *next_hop,
                      const struct floor *floor);
void keeper_raises_sort(struct keeper *keeper);
/* Outside of a batch. 0: all are durable now. */
int keeper_raises_write(struct keeper *keeper);
/* What the store says of it, and what is not written yet. */
void keeper_raise_keep(const struct keeper *keeper, enum ledger_kind kind, const char *name,
                       struct ledger_entry *entry);
void keeper_raises_free(struct keeper *keeper);

#endif
