/*
 * keeper.c - see keeper.h. The order of a turn is keeper_turn; what becomes of a message is
 * keeper_message; what happens when a batch ends is keeper_batch_end. Read these three first.
 *
 * Memory: all of it taken at keeper_open. A floor to be published is a slot of the pool from the
 * moment it is known: it waits for its batch's end, travels to its shard and comes home. Without a
 * free slot a note is dropped, and an order turned away: the keeper itself never waits for a shard.
 *
 * Failure: an error of the store ends the batch; what it held is lost, said (counter, alarm), and
 * the store is left alone for LIMIT_KEEPER_PAUSE_MS. Notes of that time are dropped: what they
 * teach is seen again with the next look. A map that was full is no error: it grows, and the orders
 * of the batch are taken once more.
 */
#include "engine/keeper_internal.h"

#include "engine/alarm.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static_assert(LIMIT_KEEPER_BATCH + 256 <= LIMIT_STORE_CHANGES &&
                  (1 + LIMIT_MX_HOSTS) * (1 + LIMIT_KEEPER_EVENTS + 2 * KEEPER_ROOMS) <= 256 &&
                  LIMIT_EXCEPTIONS + 4 <= 256,
              "whatever the last message of a batch brings, the store takes it");

/* --- orders --- */

struct publishing {
    struct keeper *keeper;
    int error; /* the first */
};

static bool exception_publish(void *context, const char *name, const char *domain,
                              const struct account_exception *exception)
{
    struct publishing *publishing = context;
    const int error = users_put_exception(publishing->keeper->users, name, domain, exception);

    if (publishing->error == 0)
        publishing->error = error;
    return true;
}

/* Exceptions before the account that says that there are some: until it does, the guarantee holds.
 */
int keeper_account_publish(struct keeper *keeper, const struct order_done *done)
{
    struct publishing publishing = {.keeper = keeper};
    struct account account;

    for (unsigned i = 0; i < done->gone_count; i++)
        users_remove_exception(keeper->users, done->name, done->gone[i]);
    if (store_account_get(keeper->store, done->name, &account) == STORE_ABSENT) {
        users_remove(keeper->users, done->name);
        return 0;
    }
    const int unread =
        store_exceptions_each(keeper->store, done->name, exception_publish, &publishing);
    const int unput = keeper_account_put(keeper, done->name, &account);
    return unput != 0 ? unput : unread != 0 ? unread : publishing.error;
}

static void order_trouble(struct keeper *keeper, struct order_request *request)
{
    request->done.result = ORDER_TROUBLE;
    snprintf(request->done.sentence, sizeof request->done.sentence,
             "the memory cannot be written now; see mxwardctl status");
    keeper_order_home(keeper, request);
}

static void entry_effect(struct keeper *keeper, struct order_request *request)
{
    struct ledger_entry entry = {0};

    store_entry_get(keeper->store, request->done.entry_kind, request->done.name, &entry);
    keeper_effect_add(keeper, request->done.entry_kind, request->done.name, &entry,
                      request->done.rulings, true, request);
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
        keeper_order_home(keeper, request);
        return;
    }
    if (!changes) {
        keeper_batch_end(keeper); /* what is shown is durable */
    } else if (!keeper_has_room(keeper, 1) || !keeper_batch_begin(keeper)) {
        order_trouble(keeper, request);
        return;
    }
    order_apply(keeper->store, &request->order, &keeper->configuration->profiles,
                &keeper->configuration->guarantee, request->rows, clock_wall_s(), &request->done);
    if (!changes || request->done.result == ORDER_INVALID || request->done.result == ORDER_ABSENT) {
        keeper_order_home(keeper, request);
        return;
    }
    keeper->batch_changes += LIMIT_EXCEPTIONS + 4; /* at most: an account and its exceptions */
    request->next = NULL;
    *keeper->orders_last = request;
    keeper->orders_last = &request->next;
    if (request->done.result == ORDER_TROUBLE)
        keeper_batch_abort(keeper, -EIO);
    else if (request->done.effect == EFFECT_ENTRY)
        entry_effect(keeper, request);
}

static void report_take(struct keeper *keeper, struct report_note *note)
{
    counter_add(&keeper->counts.reports, 1);
    if (keeper_batch_begin(keeper) && store_report_add(keeper->store, &note->report) == 0)
        keeper->batch_changes++;
    note->message.kind = MESSAGE_REPORT_DONE;
    mailbox_send(keeper->mailbox, note->message.from, &note->message);
}

static void keeper_message(struct keeper *keeper, struct message *message)
{
    switch ((enum message_kind)message->kind) {
    case MESSAGE_NOTE_ASK:
        keeper_note_take(keeper, container_of(message, struct memory_note, message));
        return;
    case MESSAGE_FLOORS_ASK:
        keeper_question_take(keeper, container_of(message, struct floors_question, message));
        return;
    case MESSAGE_ORDER_ASK:
        container_of(message, struct order_request, message)->again = false;
        order_take(keeper, container_of(message, struct order_request, message));
        return;
    case MESSAGE_REPORT_ASK:
        report_take(keeper, container_of(message, struct report_note, message));
        return;
    case MESSAGE_FLOOR_DONE:
        keeper_effect_is_visible(keeper, container_of(message, struct floor_publish, message));
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
    case MESSAGE_DELIVERY_HOST:
    case MESSAGE_DELIVERY_ENDPOINT:
    case MESSAGE_DELIVERY_SEEN:
    case MESSAGE_DELIVERY_DOMAIN:
    case MESSAGE_DELIVERY_DONE:
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

    keeper_batch_end(keeper);
    keeper->copied_s = clock_wall_s();
    if (store_copy(keeper->store, keeper->copied_s, why, sizeof why) == 0) {
        counter_add(&keeper->counts.copies, 1);
        return;
    }
    counter_add(&keeper->counts.copy_failures, 1);
    alarm_raise(ALARM_STORE, "", "the nightly copy of the memory failed: %s", why);
}

void keeper_vouch(struct keeper *keeper, bool clock_is_right)
{
    atomic_store_explicit(&keeper->vouched, clock_is_right, memory_order_release);
}

/* What the disk did not let us do at the start. While raises wait no batch is open. */
static void start_finish(struct keeper *keeper)
{
    if (keeper->raise_count > 0 && keeper_batch_begin(keeper)) {
        keeper_batch_end(keeper);
        log_notice("memory-written", "the floors that stood in the table alone are durable now");
    }
    if (keeper->accounts_missing) {
        keeper_batch_end(keeper);
        keeper_load_accounts(keeper);
    }
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
    start_finish(keeper);
    keeper_sweep(keeper);
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

static void keeper_look_for_settings(struct keeper *keeper)
{
    /* Acquire: partner is the store in keeper_reload. */
    const struct configuration *fresh =
        atomic_exchange_explicit(&keeper->fresh, NULL, memory_order_acq_rel);

    if (fresh == NULL)
        return;
    keeper_batch_end(keeper);
    if (keeper_take_configuration(keeper, fresh))
        keeper_load_accounts(keeper);
    else
        keeper_profiles_check(keeper);
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
    if (more || keeper->again_first != NULL || !mailbox_may_sleep(keeper->mailbox))
        return 0;
    return keeper->in_batch ? keeper->batch_until_ms : now_ms + LIMIT_SLEEP_MS;
}

/* An order that is to be taken once more, else a message; false: there is neither. */
static bool keeper_take_one(struct keeper *keeper)
{
    struct order_request *again = keeper->again_first;
    struct message *message;

    if (again != NULL) {
        keeper->again_first = again->next;
        if (keeper->again_first == NULL)
            keeper->again_last = &keeper->again_first;
        order_take(keeper, again);
        return true;
    }
    message = mailbox_receive(keeper->mailbox);
    if (message != NULL)
        keeper_message(keeper, message);
    return message != NULL;
}

/* Messages until the batch is full; returns how many. */
static unsigned keeper_take(struct keeper *keeper)
{
    unsigned taken = 0;

    while (taken < LIMIT_KEEPER_BATCH && keeper->batch_changes < LIMIT_KEEPER_BATCH &&
           keeper_take_one(keeper))
        taken++;
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
        keeper_batch_end(keeper);
    keeper_look_for_settings(keeper);
    keeper_housekeeping(keeper, now_ms);
    mailbox_flush(keeper->mailbox);
    if (stop && taken == 0 && keeper->again_first == NULL && pool_used(keeper->publishes) == 0)
        return false;
    CHECK(ring_turn(keeper->ring, keeper_sleep_until(keeper, taken > 0 || stop, now_ms),
                    keeper_completed, keeper) >= 0);
    mailbox_awake(keeper->mailbox);
    return true;
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
    if (configuration->memory.accept_loss) /* the next damage would pass without a word */
        alarm_raise(ALARM_STORE, "",
                    "memory.accept_loss is set: what is lost for good is gone on without; take it "
                    "out of the settings");
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
    keeper->again_last = &keeper->again_first;
    keeper->effects_last = &keeper->effects_first;
    keeper->wall_less_boot_s = clock_wall_s() - (int64_t)(clock_boot_ms() / 1000);
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->changed, NULL);
    error = keeper_open_stores(keeper, why, why_size);
    if (error == 0)
        error = pool_create(&keeper->publishes, "floors on their way", sizeof(struct floor_publish),
                            LIMIT_KEEPER_EFFECTS);
    if (error == 0) {
        users_clear(keeper->users);
        keeper_take_configuration(keeper, configuration);
        keeper_load_tables(keeper);
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
    keeper_raises_free(keeper);
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
