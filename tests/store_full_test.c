/*
 * store_full_test.c - a disk that runs full: nothing acknowledged is lost, nothing is damaged, it
 * is said, and it goes on when there is room again. On a small tmpfs of its own; where there can be
 * none it says so and exits 77.
 */
#include "tests/small_disk.h"
#include "tests/store_support.h"

static struct scratch scratch;

static void set_up(void)
{
    log_quietly();
    scratch = scratch_make("/dev/shm");
}

static void mount_disk(const char *size)
{
    CLAIM(small_disk_mount(scratch.directory, size));
}

static void tear_down(void)
{
    small_disk_unmount(scratch.directory);
    rmdir(scratch.directory);
}

/* Takes all room that is left but for `spare` pages. */
static void take_room(unsigned spare)
{
    static const uint8_t page[4096];
    const int descriptor =
        open(scratch_path(&scratch, "ballast"), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0600);

    CLAIM(descriptor >= 0);
    while (write(descriptor, page, sizeof page) == (ssize_t)sizeof page)
        ;
    struct stat status;
    CLAIM(fstat(descriptor, &status) == 0);
    CLAIM(ftruncate(descriptor, (status.st_size / 4096 - spare) * 4096) == 0);
    close(descriptor);
}

static void give_room(void)
{
    CLAIM(unlink(scratch_path(&scratch, "ballast")) == 0);
}

/* Entries 0 to `count` - 1 are there, and no others. */
static void claim_entries(struct store *store, unsigned count)
{
    struct numbered numbered;
    struct ledger_entry entry;

    for (unsigned i = 0; i < count; i++) {
        CLAIM(store_entry_get(store, LEDGER_DOMAIN, numbered_domain(&numbered, i), &entry) ==
              STORE_FOUND);
        CLAIM(entry_is_of(&entry, i));
    }
    CLAIM(store_rows(store, DATABASE_DOMAIN) == count);
}

static int try_batch(struct store *store, unsigned first, unsigned count)
{
    CLAIM(store_begin(store) == 0);
    for (unsigned i = 0; i < count; i++)
        put_numbered(store, first + i, 1);
    return store_commit(store);
}

START_TEST(a_full_disk_refuses_a_batch_and_keeps_all_others)
{
    unsigned written = 0;
    int status = 0;

    mount_disk("3m");
    struct store *store = scratch_open(&scratch, NULL);
    while ((status = try_batch(store, written, 100)) == 0)
        written += 100;
    CLAIM(status == -ENOSPC);
    CLAIM(strstr(store_trouble(store), "No space") != NULL);
    ck_assert_uint_gt(written, 3000);
    claim_entries(store, written);
    for (int i = 0; i < 20; i++)
        CLAIM(try_batch(store, written, 100) == -ENOSPC);
    claim_entries(store, written);
    store_close(store);
    store = scratch_open(&scratch, NULL); /* it opens on a full disk */
    claim_entries(store, written);
    store_close(store);
}
END_TEST

START_TEST(it_goes_on_when_there_is_room_again)
{
    mount_disk("4m");
    struct store *store = scratch_open(&scratch, NULL);
    CLAIM(try_batch(store, 0, 1000) == 0);
    for (unsigned spare = 0; spare < 10; spare++) {
        take_room(spare);
        const int status = try_batch(store, 1000, 3000);
        CLAIM(status == -ENOSPC);
        claim_entries(store, 1000);
        give_room();
    }
    CLAIM(store_trouble(store)[0] != '\0');
    CLAIM(try_batch(store, 1000, 3000) == 0);
    CLAIM(store_trouble(store)[0] == '\0');
    store_close(store);
    store = scratch_open(&scratch, NULL);
    claim_entries(store, 4000);
    store_close(store);
}
END_TEST

START_TEST(no_room_for_a_copy_leaves_the_older_ones)
{
    char why[256];

    mount_disk("3m");
    struct store *store = scratch_open(&scratch, NULL);
    CLAIM(try_batch(store, 0, 2000) == 0);
    CLAIM(store_copy(store, 1767225600, why, sizeof why) == 0);
    for (unsigned spare = 0; spare < 60; spare += 7) {
        take_room(spare);
        CLAIM(store_copy(store, 1767225600, why, sizeof why) == -ENOSPC);
        CLAIM(strstr(why, "No space") != NULL);
        CLAIM(scratch_count(&scratch, "copy.") == 1);
        give_room();
    }
    CLAIM(store_copy(store, 1767225600, why, sizeof why) == 0);
    CLAIM(scratch_count(&scratch, "copy.") == 2);
    store_close(store);
}
END_TEST

static void damage(size_t offset)
{
    const uint8_t noise[64] = {0xa5};
    const int descriptor = open(scratch_path(&scratch, STORE_FILE), O_WRONLY | O_CLOEXEC);

    CLAIM(descriptor >= 0 &&
          pwrite(descriptor, noise, sizeof noise, (off_t)offset) == (ssize_t)sizeof noise);
    close(descriptor);
}

/* It needs the room of another database; without it the damaged one stays, and nothing begins. */
START_TEST(no_room_to_mend_is_an_error_that_changes_nothing)
{
    struct store_opened opened;
    struct store *store;
    char why[256];

    mount_disk("3m");
    store = scratch_open(&scratch, NULL);
    CLAIM(try_batch(store, 0, 2000) == 0);
    CLAIM(store_copy(store, 1767225600, why, sizeof why) == 0);
    store_close(store);
    damage(4096 + 16); /* a meta page */
    for (unsigned spare = 0; spare < 60; spare += 7) {
        take_room(spare);
        CLAIM(scratch_try(&scratch, &store, &opened, false) == -ENOSPC);
        CLAIM(strstr(scratch_why, "could not be made again") != NULL);
        CLAIM(access(scratch_path(&scratch, STORE_NEW), F_OK) != 0);
        CLAIM(scratch_count(&scratch, "broken.") == 0);
        give_room();
    }
    store = scratch_open(&scratch, &opened);
    CLAIM(opened.recovered);
    claim_entries(store, 2000);
    store_close(store);
}
END_TEST

/* The quarantine is good to have; without room the value reads as broken where it is. */
START_TEST(no_room_for_the_quarantine_is_no_reason_not_to_open)
{
    struct store_opened opened;
    struct store *store;
    struct store_key key;
    struct store_value value;
    struct ledger_entry entry;

    mount_disk("3m");
    store = scratch_open(&scratch, NULL);
    CLAIM(try_batch(store, 0, 2000) == 0);
    CLAIM(store_key_name(&key, "mx3.d3.example"));
    CLAIM(store_get(store, DATABASE_DOMAIN, store_key_bytes(&key), &value) == 1);
    value.bytes[value.length - 20] ^= 1;
    CLAIM(store_begin(store) == 0 && store_change(store) == 0);
    CLAIM(store_put(store, DATABASE_DOMAIN, store_key_bytes(&key), store_value_bytes(&value), 0) ==
          0);
    CLAIM(store_commit(store) == 0);
    store_close(store);
    /* Without a hole in the file either. */
    struct stat status;
    CLAIM(stat(scratch_path(&scratch, STORE_FILE), &status) == 0);
    const int descriptor = open(scratch_path(&scratch, STORE_FILE), O_WRONLY | O_CLOEXEC);
    CLAIM(descriptor >= 0 && fallocate(descriptor, 0, 0, status.st_size) == 0);
    close(descriptor);
    for (unsigned spare = 0; spare < 3; spare++) {
        take_room(spare);
        CLAIM(scratch_try(&scratch, &store, &opened, false) == 0);
        const enum store_read read =
            store_entry_get(store, LEDGER_DOMAIN, "mx3.d3.example", &entry);
        CLAIM(read == STORE_BROKEN || read == STORE_FOUND);
        CLAIM(entry_is_unreadable(&entry));
        CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx4.d4.example", &entry) == STORE_FOUND);
        store_close(store);
        give_room();
    }
    store = scratch_open(&scratch, &opened);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx3.d3.example", &entry) == STORE_FOUND);
    CLAIM(entry_is_unreadable(&entry));
    store_close(store);
}
END_TEST

START_TEST(no_room_for_a_first_database_leaves_none)
{
    struct store_opened opened;
    struct store *store;

    mount_disk("3m");
    for (unsigned spare = 0; spare < 2; spare++) {
        take_room(spare);
        CLAIM(scratch_try(&scratch, &store, &opened, false) < 0);
        CLAIM(scratch_why[0] != '\0');
        CLAIM(access(scratch_path(&scratch, STORE_FILE), F_OK) != 0);
        give_room();
    }
    store = scratch_open(&scratch, &opened);
    CLAIM(opened.fresh);
    store_close(store);
}
END_TEST

int main(void)
{
    if (!small_disk_allow()) {
        fputs("no mount namespace for a small tmpfs\n", stderr);
        return 77;
    }
    Suite *suite = suite_create("store on a full disk");
    TCase *cases = tcase_create("full");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 280);
    tcase_add_test(cases, a_full_disk_refuses_a_batch_and_keeps_all_others);
    tcase_add_test(cases, it_goes_on_when_there_is_room_again);
    tcase_add_test(cases, no_room_for_a_copy_leaves_the_older_ones);
    tcase_add_test(cases, no_room_to_mend_is_an_error_that_changes_nothing);
    tcase_add_test(cases, no_room_for_the_quarantine_is_no_reason_not_to_open);
    tcase_add_test(cases, no_room_for_a_first_database_leaves_none);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
