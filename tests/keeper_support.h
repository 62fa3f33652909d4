/*
 * keeper_support.h - a whole engine that asks nobody, on a memory and a table that a test prepares.
 */
#ifndef MXWARD_TESTS_KEEPER_SUPPORT_H
#define MXWARD_TESTS_KEEPER_SUPPORT_H

#include "engine/alarm.h"
#include "engine/base/clock.h"
#include "engine/keeper.h"
#include "engine/loop/mailbox.h"
#include "engine/loop/ring.h"
#include "engine/probe/owner.h"
#include "engine/publish.h"
#include "tests/store_support.h"

#define YEAR_S  (INT64_C(366) * 86400)
#define WAIT_MS 20000

static char directory[64];
static unsigned table_mib = 16;
static struct mailbox *front;
static struct ring *front_ring;

/* --- the memory as a daemon before us left it --- */

static inline void put(struct store *store, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry)
{
    ck_assert_msg(ledger_is_sound(entry), "%s", name);
    ck_assert_int_eq(store_entry_put(store, kind, name, entry), 0);
}

static inline struct ledger_entry seen_at(enum ledger_kind kind, int64_t at_s)
{
    return (struct ledger_entry){.kind = (uint8_t)kind,
                                 .proofs = LEDGER_PROOF(PROOF_HANDSHAKES),
                                 .handshakes = 2,
                                 .first_seen_s = at_s - 86400,
                                 .last_seen_s = at_s,
                                 .used_s = at_s};
}

static inline struct store *memory_open(void)
{
    char path[100];
    const struct store_settings settings = {.directory = path, .copies = 3};
    struct store_opened opened;
    struct store *store;
    char why[300];

    snprintf(path, sizeof path, "%s/state", directory);
    mkdir(path, 0750);
    snprintf(path, sizeof path, "%s/state/memory", directory);
    ck_assert_msg(store_open(&store, &settings, &opened, why, sizeof why) == 0, "%s", why);
    return store;
}

/* --- an engine on it, which asks nobody --- */

static void *configuration;
static struct option_origin *origin;
static struct engine *engine;

/* `more`: settings of the test's own. */
static inline void configuration_read(const char *more, void **fresh, struct option_origin **from)
{
    char path[100], why[512] = "";
    FILE *file;

    snprintf(path, sizeof path, "%s/anchor", directory);
    file = fopen(path, "we");
    fputs(". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n",
          file);
    fclose(file);
    snprintf(path, sizeof path, "%s/mxward.conf", directory);
    file = fopen(path, "we");
    fprintf(file,
            "daemon { run_directory = %s/run state_directory = %s/state shards = 2 resolvers = 1\n"
            "table_size = %um }\n"
            "dns { forwarder = '127.0.0.1@9' trust_anchor = %s/anchor }\n%s",
            directory, directory, table_mib, directory, more);
    fclose(file);
    ck_assert_msg(option_load(&configuration_table, path, fresh, from, why, sizeof why) == 0, "%s",
                  why);
}

static inline void engine_begin_with(const char *more)
{
    char why[512] = "";

    configuration_read(more, &configuration, &origin);
    ck_assert_msg(engine_start(&engine, configuration, why, sizeof why) == 0, "%s", why);
}

static inline void engine_reload_with(const char *more)
{
    struct option_origin *from;
    char why[512] = "";
    void *fresh;

    configuration_read(more, &fresh, &from);
    ck_assert_msg(engine_reload(engine, fresh, why, sizeof why) == 0, "%s", why);
    option_free(&configuration_table, configuration, origin);
    configuration = fresh;
    origin = from;
}

static inline void engine_begin(void)
{
    engine_begin_with("");
}

static inline void engine_end(void)
{
    engine_drain(engine);
    engine_stop(engine);
    if (front_ring != NULL)
        ring_destroy(front_ring);
    front_ring = NULL;
    option_free(&configuration_table, configuration, origin);
}

/* Until the keeper has lived so long: its sweep goes once a second. */
static inline void wait_beats(uint64_t beats_ms)
{
    const uint64_t from_ms = clock_boot_ms();

    while (counter_read(&engine_keeper_counts(engine)->heartbeat_ms) < from_ms + beats_ms) {
        ck_assert_msg(clock_boot_ms() < from_ms + WAIT_MS, "the keeper stands still");
        usleep(20000);
    }
}

/* --- the table --- */

static inline struct publisher *table_open(void)
{
    struct publisher *publisher;
    char path[100], why[300] = "";

    snprintf(path, sizeof path, "%s/run", directory);
    mkdir(path, 0755);
    ck_assert_msg(publisher_open(&publisher, path, (uint64_t)table_mib << 20, why, sizeof why) == 0,
                  "%s", why);
    return publisher;
}

static inline struct next_hop hop_of(const char *text)
{
    struct next_hop next_hop;

    ck_assert_int_eq(next_hop_parse(&next_hop, text, strlen(text)), NAME_OK);
    return next_hop;
}

/* As a daemon before us published it. */
static inline struct floor floor_seen(int64_t at_s)
{
    return (struct floor){
        .level = LEVEL_ENCRYPT, .proof = PROOF_HANDSHAKES, .seen_at_s = (uint32_t)at_s};
}

static inline enum level table_level(const char *text)
{
    const struct next_hop next_hop = hop_of(text);
    struct table_reader *reader;
    struct floor floor;

    ck_assert_int_eq(table_writer_reader(engine_table(engine), &reader), 0);
    const bool known = publisher_floor(reader, &next_hop, clock_boot_ms(), &floor);
    table_reader_close(reader);
    ck_assert_msg(known, "%s", text);
    return (enum level)floor.level;
}

/* Is there an alarm that says this? */
static inline bool alarm_says(const char *words)
{
    struct alarm alarms[LIMIT_ALARMS];
    const size_t count = alarm_recent(alarms, LIMIT_ALARMS);

    for (size_t i = 0; i < count; i++)
        if (strstr(alarms[i].sentence, words) != NULL)
            return true;
    return false;
}

/* --- the front's place in the exchange is ours --- */

static inline void front_wakes_nobody(void *context, uint16_t to)
{
    (void)context, (void)to; /* who sleeps looks up soon */
}

static inline void front_begin(void)
{
    static const struct ring_limits limits = {
        .submissions = 16, .receive_buffers = 1, .receive_bytes = 64};
    const struct engine_front place = engine_front(engine);

    ck_assert_int_eq(ring_create(&front_ring, &limits), 0);
    engine_front_ring(engine, ring_descriptor(front_ring));
    front = mailbox_open(place.exchange, place.me, front_wakes_nobody, NULL);
}

static inline void to_keeper(struct message *message, enum message_kind kind)
{
    const struct owners owners = engine_owners(engine);

    message->kind = (uint16_t)kind;
    mailbox_send(front, owner_keeper(&owners), message);
}

/* Until so many are home. */
static inline void wait_home(unsigned count)
{
    const uint64_t until_ms = clock_boot_ms() + WAIT_MS;

    while (count > 0) {
        ck_assert_msg(clock_boot_ms() < until_ms, "%u messages did not come home", count);
        mailbox_flush(front);
        if (mailbox_receive(front) != NULL)
            count--;
        else
            usleep(2000);
    }
}

/* What a round of looking at a domain taught. */
static inline void note_send(struct memory_note *note, const char *domain, enum observed seen,
                             int64_t at_s)
{
    *note = (struct memory_note){
        .next_hop = hop_of(domain),
        .taught = {.at_s = at_s,
                   .domain = {.seen = seen,
                              .cause = seen == OBSERVED_BELOW ? CAUSE_NO_STARTTLS : CAUSE_NONE,
                              .at_s = at_s,
                              .evidence_s = at_s}}};
    to_keeper(&note->message, MESSAGE_NOTE_ASK);
}

/* --- orders --- */

static struct order_request request;

static inline bool no_account(void *context, const char *name, const struct account *account)
{
    (void)context, (void)name, (void)account;
    return true;
}

static inline bool no_exception(void *context, const char *name, const char *domain,
                                const struct account_exception *exception)
{
    (void)context, (void)name, (void)domain, (void)exception;
    return true;
}

/* Gives the order, and how it ended when it is home. */
static inline int order_give(enum order_kind kind, const char *name)
{
    static const struct order_rows no_rows = {.account = no_account, .exception = no_exception};

    request = (struct order_request){.order = {.kind = (uint8_t)kind,
                                               .level = LEVEL_VERIFIED,
                                               .reason = "because",
                                               .who = "uid 0"},
                                     .rows = &no_rows};
    snprintf(request.order.name, sizeof request.order.name, "%s", name);
    to_keeper(&request.message, MESSAGE_ORDER_ASK);
    wait_home(1);
    return request.done.result;
}

static inline void directory_make(void)
{
    log_quietly();
    snprintf(directory, sizeof directory, "/dev/shm/mxward-keeper-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static inline void directory_remove(void)
{
    char command[100];

    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ck_assert_int_eq(system(command), 0);
}

#endif
