/*
 * keeper_full_test.c - a daemon that starts on a full disk: it starts, says so, serves with what it
 * has, lowers nothing, and writes what it owes when there is room again (law 3, MEM-08). On a small
 * tmpfs of its own; where there can be none it says so and exits 77.
 */
#include "tests/keeper_support.h"
#include "tests/small_disk.h"

static void ballast_add(void)
{
    static const uint8_t page[4096];
    char path[100];

    snprintf(path, sizeof path, "%s/state/ballast", directory);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CLAIM(descriptor >= 0);
    while (write(descriptor, page, sizeof page) == (ssize_t)sizeof page)
        ;
    close(descriptor);
}

static void ballast_remove(void)
{
    char path[100];

    snprintf(path, sizeof path, "%s/state/ballast", directory);
    CLAIM(unlink(path) == 0);
}

/* In the store one waits for its second sighting; in the table it, and another, are raised. */
static void set_up(void)
{
    const int64_t now_s = clock_wall_s();
    struct ledger_entry entry = seen_at(LEDGER_DOMAIN, now_s - 90000);
    const struct floor floor = floor_seen(now_s);
    const struct next_hop both = hop_of("both.example"), alone = hop_of("alone.example");
    char path[100];

    directory_make();
    snprintf(path, sizeof path, "%s/state", directory);
    CLAIM(mkdir(path, 0750) == 0 && small_disk_mount(path, "2m"));
    struct store *store = memory_open();
    entry.proofs = 0;
    entry.handshakes = 1;
    entry.first_seen_s = entry.last_seen_s;
    CLAIM(store_begin(store) == 0);
    put(store, LEDGER_DOMAIN, "both.example", &entry);
    put(store, LEDGER_DOMAIN, "later.example", &entry);
    CLAIM(store_commit(store) == 0);
    store_close(store);
    struct publisher *publisher = table_open();
    CLAIM(publisher_put_floor(publisher, &both, &floor) == 0);
    CLAIM(publisher_put_floor(publisher, &alone, &floor) == 0);
    publisher_close(publisher);
    ballast_add();
}

static void tear_down(void)
{
    char path[100];

    snprintf(path, sizeof path, "%s/state", directory);
    small_disk_unmount(path);
    directory_remove();
}

static uint64_t unsaved(void)
{
    return counter_read(&engine_keeper_counts(engine)->unsaved);
}

START_TEST(a_daemon_starts_on_a_full_disk_says_so_and_lowers_nothing_MEM_08)
{
    engine_begin();
    ck_assert_uint_eq(unsaved(), 2);
    ck_assert(alarm_says("cannot be written"));
    ck_assert_int_eq(table_level("both.example"), LEVEL_ENCRYPT);
    ck_assert_int_eq(table_level("alone.example"), LEVEL_ENCRYPT);
    wait_beats(2500);
    ck_assert_uint_eq(unsaved(), 2);
    ck_assert_int_eq(table_level("both.example"), LEVEL_ENCRYPT);
    engine_end();
}
END_TEST

START_TEST(what_it_owes_is_written_when_there_is_room_again_MEM_08)
{
    const uint64_t until_ms = clock_boot_ms() + WAIT_MS;
    struct ledger_entry entry;

    engine_begin();
    ck_assert_uint_eq(unsaved(), 2);
    ballast_remove();
    while (unsaved() > 0 && clock_boot_ms() < until_ms)
        usleep(20000);
    ck_assert_uint_eq(unsaved(), 0);
    engine_end();
    struct store *store = memory_open();
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "both.example", &entry) == STORE_FOUND);
    ck_assert_int_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "alone.example", &entry) == STORE_FOUND);
    ck_assert_int_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    store_close(store);
}
END_TEST

/* --- a disk that runs full while the daemon works --- */

static uint8_t table_rule(const char *text)
{
    const struct next_hop next_hop = hop_of(text);
    struct table_reader *reader;
    struct floor floor;

    CLAIM(table_writer_reader(engine_table(engine), &reader) == 0);
    CLAIM(publisher_floor(reader, &next_hop, clock_boot_ms(), &floor));
    table_reader_close(reader);
    return floor.rule;
}

static bool users_has(const char *name)
{
    char text[TABLE_KEY_MAX];
    union record record;
    struct table_key key;

    CLAIM(account_key(&key, text, name));
    return table_writer_get_record(engine_users(engine), &key, &record);
}

static void run_full(void)
{
    ballast_remove();
    engine_begin();
    front_begin();
    ck_assert_uint_eq(unsaved(), 0);
    ballast_add();
}

START_TEST(what_the_disk_did_not_take_is_neither_visible_nor_acknowledged)
{
    run_full();
    ck_assert_int_eq(order_give(ORDERS_RULE_PIN, "both.example"), ORDER_TROUBLE);
    ck_assert_uint_eq(table_rule("both.example"), RULE_NONE);
    usleep(LIMIT_KEEPER_PAUSE_MS * 1000 +
           100000); /* again a batch that is begun, not turned away */
    ck_assert_int_eq(order_give(ORDERS_USER_ON, "anna@example.org"), ORDER_TROUBLE);
    ck_assert(!users_has("anna@example.org"));
    ck_assert_uint_ge(counter_read(&engine_keeper_counts(engine)->failed), 2);
    wait_beats(500);
    ck_assert_uint_eq(table_rule("both.example"), RULE_NONE);
    ck_assert_int_eq(table_level("both.example"), LEVEL_ENCRYPT);
    engine_end();
    struct store *store = memory_open();
    struct ledger_entry entry;
    struct account account;
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "both.example", &entry) == STORE_FOUND);
    ck_assert_int_eq(entry.rule, RULE_NONE);
    CLAIM(store_account_get(store, "anna@example.org", &account) == STORE_ABSENT);
    store_close(store);
}
END_TEST

START_TEST(what_is_acknowledged_is_visible_and_durable)
{
    run_full();
    ballast_remove();
    ck_assert_int_eq(order_give(ORDERS_RULE_PIN, "both.example"), ORDER_GOOD);
    ck_assert_uint_eq(table_rule("both.example"), RULE_PIN); /* at once */
    ck_assert_int_eq(order_give(ORDERS_USER_ON, "anna@example.org"), ORDER_GOOD);
    ck_assert(users_has("anna@example.org"));
    engine_end();
    struct store *store = memory_open();
    struct ledger_entry entry;
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "both.example", &entry) == STORE_FOUND);
    ck_assert_int_eq(entry.rule, RULE_PIN);
    store_close(store);
}
END_TEST

static uint64_t count_now(const counter *count)
{
    return counter_read(count);
}

/* Seen without TLS on a full disk: the queue of contradictions has what the store has. */
START_TEST(a_contradiction_that_was_not_written_is_not_counted_as_pending_MEM_05)
{
    static struct memory_note note;
    const struct keeper_counts *counts;

    run_full();
    counts = engine_keeper_counts(engine);
    for (unsigned i = 0; i < 3; i++) {
        note_send(&note, "both.example", OBSERVED_BELOW, clock_wall_s());
        wait_home(1);
        usleep(LIMIT_KEEPER_PAUSE_MS * 1000 + 100000);
    }
    ck_assert_uint_ge(count_now(&counts->failed), 3);
    ck_assert_uint_eq(count_now(&counts->pending), 0);
    ballast_remove();
    note_send(&note, "both.example", OBSERVED_BELOW, clock_wall_s());
    wait_home(1);
    wait_beats(500);
    ck_assert_uint_eq(count_now(&counts->pending), 1);
    engine_end();
}
END_TEST

/* Seen on a full disk for the second time: what it demands then is not lost when an order about it
 * is taken later. */
START_TEST(a_raise_that_was_not_written_is_written_before_anything_else_MEM_08)
{
    static struct memory_note note;

    run_full();
    ck_assert_int_eq(table_level("later.example"), LEVEL_NONE);
    note_send(&note, "later.example", OBSERVED_HANDSHAKES, clock_wall_s());
    wait_home(1);
    wait_beats(500);
    ck_assert_int_eq(table_level("later.example"), LEVEL_ENCRYPT);
    ck_assert_uint_eq(unsaved(), 1);
    ballast_remove();
    usleep(LIMIT_KEEPER_PAUSE_MS * 1000 + 100000);
    ck_assert_int_eq(order_give(ORDERS_RULE_PIN, "later.example"), ORDER_GOOD);
    ck_assert_int_eq(table_level("later.example"), LEVEL_ENCRYPT);
    ck_assert_uint_eq(unsaved(), 0);
    engine_end();
    struct store *store = memory_open();
    struct ledger_entry entry;
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "later.example", &entry) == STORE_FOUND);
    ck_assert_int_eq(ledger_level(&entry), LEVEL_ENCRYPT);
    store_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keeper on a full disk");
    TCase *full = tcase_create("full");

    if (!small_disk_allow()) {
        printf("keeper_full_test: may not mount a tmpfs here\n");
        return 77;
    }
    tcase_add_checked_fixture(full, set_up, tear_down);
    tcase_add_test(full, a_daemon_starts_on_a_full_disk_says_so_and_lowers_nothing_MEM_08);
    tcase_add_test(full, what_it_owes_is_written_when_there_is_room_again_MEM_08);
    tcase_add_test(full, what_the_disk_did_not_take_is_neither_visible_nor_acknowledged);
    tcase_add_test(full, what_is_acknowledged_is_visible_and_durable);
    tcase_add_test(full, a_contradiction_that_was_not_written_is_not_counted_as_pending_MEM_05);
    tcase_add_test(full, a_raise_that_was_not_written_is_written_before_anything_else_MEM_08);
    tcase_set_timeout(full, 120);
    suite_add_tcase(suite, full);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
