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
    tcase_set_timeout(full, 120);
    suite_add_tcase(suite, full);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
