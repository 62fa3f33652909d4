/*
 * keeper_test.c - what time alone brings to the memory, in a whole engine: rules that ran out end,
 * what was not used for long is forgotten, and neither happens by a clock that nothing vouches for
 * (MEM-05, FRESH-06).
 */
#include "engine/base/clock.h"
#include "engine/keeper.h"
#include "shm/reader.h"
#include "tests/idn_memory.h"
#include "tests/store_support.h"

#define YEAR_S  (INT64_C(366) * 86400)
#define WAIT_MS 20000

static char directory[64];
static const char *zone = "example"; /* of the mail domains that are remembered */

/* --- the memory as a daemon before us left it --- */

static void put(struct store *store, enum ledger_kind kind, const char *name,
                const struct ledger_entry *entry)
{
    ck_assert_msg(ledger_is_sound(entry), "%s", name);
    ck_assert_int_eq(store_entry_put(store, kind, name, entry), 0);
}

static struct ledger_entry seen_at(enum ledger_kind kind, int64_t at_s)
{
    return (struct ledger_entry){.kind = (uint8_t)kind,
                                 .proofs = LEDGER_PROOF(PROOF_HANDSHAKES),
                                 .handshakes = 2,
                                 .first_seen_s = at_s - 86400,
                                 .last_seen_s = at_s,
                                 .used_s = at_s};
}

static struct store *memory_open(void)
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

/* A sweep takes so many at once; one more and it needs a second page. */
enum { OLD = LIMIT_SWEEP_CHANGES + 1 };

static void memory_make(void)
{
    const int64_t now_s = clock_wall_s();
    struct store *store = memory_open();
    struct ledger_entry entry;
    char name[64];

    ck_assert_int_eq(store_begin(store), 0);
    for (unsigned i = 0; i < OLD; i++) {
        snprintf(name, sizeof name, "old%u.%s", i, zone);
        entry = seen_at(LEDGER_DOMAIN, now_s - 10 * YEAR_S);
        put(store, LEDGER_DOMAIN, name, &entry);
    }
    entry = seen_at(LEDGER_DOMAIN, now_s - 86400);
    put(store, LEDGER_DOMAIN, "fresh.example", &entry);
    entry.rule = RULE_EXEMPT;
    entry.rule_epoch = 1;
    entry.rule_until_s = now_s - 60;
    put(store, LEDGER_DOMAIN, "ruled.example", &entry);
    entry.rule_until_s = now_s + 86400;
    put(store, LEDGER_DOMAIN, "still.example", &entry);
    entry = seen_at(LEDGER_HOST, now_s - 10 * YEAR_S);
    put(store, LEDGER_HOST, "mx.old.example", &entry);
    ck_assert_int_eq(store_commit(store), 0);
    store_close(store);
}

/* --- an engine on it, which asks nobody --- */

static void *configuration;
static struct option_origin *origin;
static struct engine *engine;

static void engine_begin(void)
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
            "table_size = 16m }\n"
            "dns { forwarder = '127.0.0.1@9' trust_anchor = %s/anchor }\n",
            directory, directory, directory);
    fclose(file);
    ck_assert_msg(
        option_load(&configuration_table, path, &configuration, &origin, why, sizeof why) == 0 &&
            engine_start(&engine, configuration, why, sizeof why) == 0,
        "%s", why);
}

static void engine_end(void)
{
    engine_drain(engine);
    engine_stop(engine);
    option_free(&configuration_table, configuration, origin);
}

/* Until the keeper has lived so long: its sweep goes once a second. */
static void wait_beats(uint64_t beats_ms)
{
    const uint64_t from_ms = clock_boot_ms();

    while (counter_read(&engine_keeper_counts(engine)->heartbeat_ms) < from_ms + beats_ms) {
        ck_assert_msg(clock_boot_ms() < from_ms + WAIT_MS, "the keeper stands still");
        usleep(20000);
    }
}

static uint64_t expired(void)
{
    return counter_read(&engine_keeper_counts(engine)->expired);
}

static enum store_read found(struct store *store, enum ledger_kind kind, const char *name,
                             struct ledger_entry *entry)
{
    return store_entry_get(store, kind, name, entry);
}

static bool audit_count(void *context, uint64_t number, const struct store_audit *audit)
{
    unsigned *audits = context;

    (void)number;
    ck_assert_str_eq(audit->who, "ledger");
    ++*audits;
    return true;
}

static void set_up(void)
{
    log_quietly();
    snprintf(directory, sizeof directory, "/dev/shm/mxward-keeper-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    memory_make();
}

static void tear_down(void)
{
    char command[100];

    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(nothing_grows_old_by_a_clock_that_nothing_vouches_for_FRESH_06)
{
    engine_begin();
    wait_beats(2500);
    ck_assert_uint_eq(expired(), 0);
    engine_end();
}
END_TEST

START_TEST(rules_end_and_what_nobody_used_for_long_is_forgotten_MEM_05)
{
    const uint64_t until_ms = clock_boot_ms() + WAIT_MS;
    struct ledger_entry entry;
    unsigned audits = 0;
    char name[64];

    engine_begin();
    engine_vouch(engine, true);
    while (expired() < OLD + 2 && clock_boot_ms() < until_ms)
        usleep(20000);
    ck_assert_uint_eq(expired(), OLD + 2);
    engine_end();

    struct store *store = memory_open();
    for (unsigned i = 0; i < OLD; i++) {
        snprintf(name, sizeof name, "old%u.example", i);
        if (found(store, LEDGER_DOMAIN, name, &entry) != STORE_ABSENT)
            ck_assert_msg(ledger_level(&entry) == LEVEL_NONE, "%s is still remembered", name);
    }
    if (found(store, LEDGER_HOST, "mx.old.example", &entry) != STORE_ABSENT)
        ck_assert_int_eq(ledger_level(&entry), LEVEL_NONE);
    ck_assert_int_eq(found(store, LEDGER_DOMAIN, "fresh.example", &entry), STORE_FOUND);
    ck_assert_int_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    ck_assert_int_eq(found(store, LEDGER_DOMAIN, "ruled.example", &entry), STORE_FOUND);
    ck_assert_int_eq(entry.rule, RULE_NONE);
    ck_assert_int_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    ck_assert_int_eq(found(store, LEDGER_DOMAIN, "still.example", &entry), STORE_FOUND);
    ck_assert_int_eq(entry.rule, RULE_EXEMPT);
    ck_assert_int_eq(store_audit_each(store, 1000, audit_count, &audits), 0);
    ck_assert_uint_eq(audits, OLD + 2);
    store_close(store);
}
END_TEST

static bool is_in_table(const char *name)
{
    struct table_reader *reader;
    struct table_clock clock;
    union record record;
    struct table_key key;
    char path[100], why[300];

    snprintf(path, sizeof path, "%s/run", directory);
    ck_assert_int_eq(table_clock_read(&clock), 0);
    ck_assert_int_eq(table_reader_open(&reader, path, &clock, why, sizeof why), 0);
    ck_assert(table_key_make(&key, name, strlen(name)));
    bool there = table_find(reader, &key, clock_boot_ms(), &record) == TABLE_HIT;
    table_reader_close(reader);
    return there;
}

/* Law 2: what is remembered is read into the table, which is then said to be whole. Law 3: and what
 * becomes of it later does not end the daemon. */
START_TEST(internationalised_names_are_remembered_also_without_memory_for_libidn2)
{
    const uint64_t until_ms = clock_boot_ms() + WAIT_MS;

    zone = "xn--bcher-kva.example";
    tear_down();
    set_up();
    idn_memory(0);
    engine_begin();
    ck_assert(is_in_table("old0.xn--bcher-kva.example"));
    engine_vouch(engine, true);
    while (expired() < OLD + 2 && clock_boot_ms() < until_ms)
        usleep(20000);
    ck_assert_uint_eq(expired(), OLD + 2);
    engine_end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keeper");
    TCase *time = tcase_create("time");

    tcase_add_checked_fixture(time, set_up, tear_down);
    tcase_add_test(time, nothing_grows_old_by_a_clock_that_nothing_vouches_for_FRESH_06);
    tcase_add_test(time, rules_end_and_what_nobody_used_for_long_is_forgotten_MEM_05);
    tcase_add_test(time, internationalised_names_are_remembered_also_without_memory_for_libidn2);
    tcase_set_timeout(time, 120);
    suite_add_tcase(suite, time);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
