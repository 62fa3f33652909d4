/*
 * store_mend_test.c - whatever is damaged in the file: nothing remembered reads as another's, or as
 * absent, without being said; what is sound stays as it was; and what cannot be mended is refused
 * (MEM-08).
 *
 * One database with a copy that is older than it is damaged in many ways: each time it is opened,
 * and everything in it is looked at. STORE_TORTURE=1: every byte, and all else oftener.
 */
#include "tests/store_support.h"

#define DOMAINS  400u
#define ACCOUNTS 60u
#define FRESHER  40u /* of both: changed after the copy */
#define LATEST   10u /* of both: changed by the last batch */

enum { VERSION_COPY = 2, VERSION_FRESH = 3, VERSION_LAST = 5 };

static struct scratch scratch;
static uint8_t *image;
static size_t image_bytes;

static uint32_t version_of(unsigned number)
{
    return number < LATEST ? VERSION_LAST : number < FRESHER ? VERSION_FRESH : VERSION_COPY;
}

static void put_all(struct store *store, unsigned from, unsigned until, uint32_t version)
{
    CLAIM(store_begin(store) == 0);
    for (unsigned i = from; i < until; i++) {
        struct numbered numbered;
        const struct account account = account_of(i, version);
        put_numbered(store, i, version);
        if (i < ACCOUNTS)
            CLAIM(store_account_put(store, numbered_account(&numbered, i), &account) == 0);
    }
    CLAIM(store_commit(store) == 0);
}

static void image_read(void)
{
    struct stat status;
    const int descriptor = open(scratch_path(&scratch, STORE_FILE), O_RDONLY | O_CLOEXEC);

    CLAIM(descriptor >= 0 && fstat(descriptor, &status) == 0);
    image_bytes = (size_t)status.st_size;
    image = malloc(image_bytes);
    CLAIM(image != NULL && read(descriptor, image, image_bytes) == (ssize_t)image_bytes);
    close(descriptor);
}

static void image_write(const char *name, const uint8_t *bytes, size_t length)
{
    const int descriptor =
        open(scratch_path(&scratch, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CLAIM(descriptor >= 0 && write(descriptor, bytes, length) == (ssize_t)length);
    close(descriptor);
}

static void set_up(void)
{
    char why[256];

    log_quietly();
    scratch = scratch_make("/dev/shm");
    struct store *store = scratch_open(&scratch, NULL);
    put_all(store, 0, DOMAINS, 1);
    put_all(store, 0, DOMAINS, VERSION_COPY);
    CLAIM(store_copy(store, 1767225600, why, sizeof why) == 0);
    put_all(store, 0, FRESHER, VERSION_FRESH);
    put_all(store, 0, LATEST, VERSION_FRESH + 1);
    put_all(store, 0, LATEST, VERSION_LAST);
    store_close(store);
    image_read();
}

static void tear_down(void)
{
    free(image);
    scratch_remove(&scratch);
}

static void remove_all_but_copies(void)
{
    DIR *files = opendir(scratch.directory);

    for (struct dirent *entry; (entry = readdir(files)) != NULL;)
        if (strncmp(entry->d_name, "copy.", 5) != 0)
            unlink(scratch_path(&scratch, entry->d_name));
    closedir(files);
}

static void remove_copies(void)
{
    unlink(scratch_path(&scratch, "copy.1.20260101T000000Z"));
}

struct seen {
    unsigned current, old, unreadable;
};

/* Looks at everything. An older version than the last is one that some snapshot or copy had. */
static struct seen look(struct store *store)
{
    struct seen seen = {0};

    for (unsigned i = 0; i < DOMAINS; i++) {
        struct numbered numbered;
        struct ledger_entry entry;
        struct account account;
        const enum store_read read =
            store_entry_get(store, LEDGER_DOMAIN, numbered_domain(&numbered, i), &entry);
        CLAIM(read == STORE_FOUND || read == STORE_BROKEN);
        CLAIM(entry_is_unreadable(&entry) ||
              (read == STORE_FOUND && entry_is_of(&entry, i) && entry.handshakes >= VERSION_COPY &&
               entry.handshakes <= version_of(i)));
        seen.unreadable += entry_is_unreadable(&entry);
        seen.old += !entry_is_unreadable(&entry) && entry.handshakes != version_of(i);
        seen.current += entry.handshakes == version_of(i);
        if (i >= ACCOUNTS)
            continue;
        const enum store_read second =
            store_account_get(store, numbered_account(&numbered, i), &account);
        CLAIM(second == STORE_FOUND || second == STORE_BROKEN);
        CLAIM(account_is_strict(&account) ||
              (second == STORE_FOUND && account_is_of(&account, i) &&
               account.changed_s >= VERSION_COPY && account.changed_s <= version_of(i)));
        seen.unreadable += account_is_strict(&account);
        seen.old += !account_is_strict(&account) && account.changed_s != version_of(i);
        seen.current += account.changed_s == version_of(i);
    }
    return seen;
}

/* Opens what was damaged; it must work, and be sound the next time. */
static char first_why[sizeof scratch_why];

static struct seen open_and_look(struct store_opened *opened)
{
    struct store_opened again;
    struct store *store = scratch_open(&scratch, opened);
    const struct seen seen = look(store);

    snprintf(first_why, sizeof first_why, "%s", scratch_why);

    CLAIM(opened->fresh == false && opened->lost == 0);
    /* Silence means that everything is as it was. */
    CLAIM(opened->recovered ||
          (seen.old == 0 && seen.unreadable == opened->broken - opened->repaired));
    CLAIM(opened->recovered || opened->broken > 0 || scratch_why[0] == '\0');
    CLAIM(!opened->recovered || scratch_why[0] != '\0');
    CLAIM(scratch_count(&scratch, "broken.") == opened->recovered);
    for (uint32_t version = 1; version < 4; version++) /* so that what was free is used again */
        put_batch(store, 5000, 3, version);
    store_close(store);
    store = scratch_open(&scratch, &again);
    CLAIM(!again.recovered && again.broken == 0);
    store_close(store);
    return seen;
}

static struct seen try_damaged(const uint8_t *bytes, size_t length, struct store_opened *opened)
{
    remove_all_but_copies();
    image_write(STORE_FILE, bytes, length);
    return open_and_look(opened);
}

/* --- single bytes --- */

static unsigned stride(unsigned some)
{
    return getenv("STORE_TORTURE") != NULL ? 1 : some;
}

START_TEST(one_damaged_byte_loses_nothing_in_silence)
{
    struct store_opened opened;
    unsigned cases = 0, mended = 0, broken = 0, most = 0, old = 0;

    for (size_t at = 0; at < image_bytes; at += 1 + scramble(at) % (2 * stride(320) - 1)) {
        const uint8_t was = image[at];
        image[at] = (uint8_t)(was ^ (1u << scramble(at * 3) % 8));
        const struct seen seen = try_damaged(image, image_bytes, &opened);
        image[at] = was;
        cases++;
        mended += opened.recovered;
        broken += opened.broken > 0;
        old += seen.old > 0;
        most = seen.unreadable > most ? seen.unreadable : most;
    }
    /* It does happen, or the test looks at nothing; and a byte is a value, not a page. */
    ck_assert_uint_gt(cases, 100);
    ck_assert_uint_gt(mended, cases / 100);
    ck_assert_uint_gt(broken, cases / 10);
    ck_assert_uint_le(most, 1);
    printf("one byte: %u cases, %u mended (%u with older values), %u with a broken value\n", cases,
           mended, old, broken);
}
END_TEST

/* Both meta pages, every byte, many bits: an older state never comes back in silence. */
START_TEST(a_damaged_meta_page_brings_nothing_old_back)
{
    struct store_opened opened;
    unsigned mended = 0;

    for (size_t page = 0; page < 2; page++)
        for (size_t at = 0; at < 160; at++)
            for (unsigned way = (unsigned)at % stride(4); way < 9; way += stride(4)) {
                uint8_t *byte = &image[page * 4096 + at];
                const uint8_t was = *byte;
                *byte = (uint8_t)(way < 8 ? was ^ 1u << way : ~(unsigned)was);
                const struct seen seen = try_damaged(image, image_bytes, &opened);
                *byte = was;
                mended += opened.recovered;
                /* At most the last batch is missing, and then it was said. */
                CLAIM(seen.unreadable == 0 && seen.old <= 2 * LATEST);
            }
    ck_assert_uint_gt(mended, 300);
}
END_TEST

/* Where LMDB says since when pages are free: a wrong one is not seen in what is read, but in what
 * is written after it. */
START_TEST(a_damaged_list_of_free_pages_is_noticed_before_it_is_used)
{
    struct store_opened opened;
    unsigned mended = 0, lists = 0;
    uint64_t transactions[2], root;

    for (size_t page = 0; page < 2; page++)
        memcpy(&transactions[page], image + page * 4096 + 144, sizeof transactions[page]);
    memcpy(&root, image + (transactions[1] > transactions[0]) * 4096 + 80, sizeof root);
    uint8_t *const leaf = image + root * 4096;
    uint16_t lower;
    memcpy(&lower, leaf + 12, sizeof lower);
    for (size_t i = 0; i < (lower - 16u) / 2; i++) {
        uint16_t at;
        memcpy(&at, leaf + 16 + i * 2, sizeof at);
        lists++;
        for (unsigned bit = 0; bit < 64; bit++) {
            leaf[at + 8 + bit / 8] ^= (uint8_t)(1u << bit % 8);
            const struct seen seen = try_damaged(image, image_bytes, &opened);
            leaf[at + 8 + bit / 8] ^= (uint8_t)(1u << bit % 8);
            CLAIM(seen.unreadable == 0 && seen.old == 0);
            mended += opened.recovered;
        }
    }
    ck_assert_uint_gt(lists, 0);
    ck_assert_uint_ge(mended, lists * 56); /* few are numbers that could be */
}
END_TEST

/* --- pages --- */

START_TEST(each_page_may_be_zero_noise_or_another_page)
{
    const size_t pages = image_bytes / 4096;
    uint8_t kept[4096];
    struct store_opened opened;
    unsigned mended = 0, from_copy = 0;

    for (size_t page = 0; page < pages; page++)
        for (unsigned way = 0; way < 3; way++) {
            uint8_t *bytes = image + page * 4096;
            memcpy(kept, bytes, sizeof kept);
            for (size_t i = 0; i < sizeof kept; i++)
                bytes[i] = way == 0   ? 0
                           : way == 1 ? (uint8_t)scramble(page * 4096 + i)
                                      : image[(page + 1) % pages * 4096 + i];
            try_damaged(image, image_bytes, &opened);
            memcpy(bytes, kept, sizeof kept);
            mended += opened.recovered;
            from_copy += opened.from_copy > 0;
            /* One page of one database. What is elsewhere stays. */
            CLAIM(opened.gaps <= 7);
        }
    ck_assert_uint_gt(mended, pages);
    ck_assert_uint_gt(from_copy, 10);
}
END_TEST

/* The parts that can be read are as they were, although the copy is older. */
START_TEST(a_damaged_leaf_costs_only_what_stood_in_it)
{
    const size_t pages = image_bytes / 4096;
    struct store_opened opened;
    unsigned tried = 0;

    for (size_t page = 2; page < pages; page++) {
        uint8_t kept[4096];
        uint16_t flags;
        uint8_t *bytes = image + page * 4096;
        memcpy(&flags, bytes + 10, sizeof flags);
        if (flags != 2) /* a leaf */
            continue;
        memcpy(kept, bytes, sizeof kept);
        memset(bytes + 16, 0xa5, 64);
        const struct seen seen = try_damaged(image, image_bytes, &opened);
        memcpy(bytes, kept, sizeof kept);
        if (opened.gaps != 1)
            continue;
        tried++;
        CLAIM(seen.unreadable == 0);
        CLAIM(seen.old < 45); /* a leaf holds no more */
    }
    ck_assert_uint_gt(tried, 5);
}
END_TEST

START_TEST(a_file_may_end_anywhere)
{
    struct store_opened opened;

    for (size_t length = 0; length < image_bytes; length += 61 * stride(25)) {
        try_damaged(image, length, &opened);
        /* Free pages at the end are nobody's loss. */
        CLAIM(opened.recovered || length > image_bytes / 2);
    }
}
END_TEST

START_TEST(much_damage_at_once_is_mended_too)
{
    uint8_t *bytes = malloc(image_bytes);
    struct store_opened opened;
    uint64_t seed = 1;

    CLAIM(bytes != NULL);
    for (unsigned n = 0; n < 4000 / stride(20); n++) {
        memcpy(bytes, image, image_bytes);
        for (uint64_t i = 0, pieces = 1 + scramble(seed++) % 8; i < pieces; i++) {
            const size_t at = scramble(seed++) % image_bytes;
            const size_t most = 1 + scramble(seed++) % 300;
            for (size_t k = 0; k < most && at + k < image_bytes; k++)
                bytes[at + k] = (uint8_t)scramble(seed++);
        }
        try_damaged(bytes, image_bytes, &opened);
    }
    free(bytes);
}
END_TEST

/* A key and its value, both: whose it was, nobody knows. It must not be absent. */
static void damage_key_and_value(void)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct store_key key;
    struct store_value value;

    CLAIM(store_key_name(&key, "mx2.d100.example"));
    CLAIM(store_get(store, DATABASE_DOMAIN, store_key_bytes(&key), &value) == 1);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_change(store) == 0);
    CLAIM(store_delete(store, DATABASE_DOMAIN, store_key_bytes(&key)) == 0);
    key.bytes[key.length - 2] = '!';
    value.bytes[5] ^= 1;
    value.bytes[value.length - 20] ^= 1;
    CLAIM(store_put(store, DATABASE_DOMAIN, store_key_bytes(&key), store_value_bytes(&value), 0) ==
          0);
    CLAIM(store_commit(store) == 0);
    put_batch(store, 3000, 1, 1); /* so that the snapshot before has it as well */
    store_close(store);
}

START_TEST(a_value_that_is_nobodys_is_looked_for_in_the_copy)
{
    struct store_opened opened;

    damage_key_and_value();
    const struct seen seen = open_and_look(&opened);
    CLAIM(opened.recovered && opened.gaps == 1 && opened.from_copy == 1);
    CLAIM(strstr(first_why, "keys") != NULL);
    CLAIM(seen.old == 0 && seen.unreadable == 0);
}
END_TEST

START_TEST(a_value_that_is_nobodys_and_in_no_copy_is_refused)
{
    struct store_opened opened;
    struct store *store;

    damage_key_and_value();
    remove_copies();
    CLAIM(scratch_try(&scratch, &store, &opened, false) == -EBADMSG);
    CLAIM(scratch_try(&scratch, &store, &opened, true) == 0);
    CLAIM(opened.recovered && opened.lost == 1 && opened.entries == DOMAINS);
    store_close(store);
}
END_TEST

/* --- without what is needed --- */

static void damage_all_leaves(uint8_t *bytes)
{
    for (size_t page = 2; page < image_bytes / 4096; page++)
        memset(bytes + page * 4096 + 16, 0xa5, 64);
}

START_TEST(without_a_copy_it_is_refused_with_a_sentence_and_not_begun_anew)
{
    struct store_opened opened;
    struct store *store;

    remove_copies();
    remove_all_but_copies();
    damage_all_leaves(image);
    image_write(STORE_FILE, image, image_bytes);
    for (int i = 0; i < 2; i++) {
        CLAIM(scratch_try(&scratch, &store, &opened, false) == -EBADMSG);
        CLAIM(store == NULL && strstr(scratch_why, "no good copy") != NULL);
        CLAIM(strstr(scratch_why, "Put a copy") != NULL);
        CLAIM(access(scratch_path(&scratch, STORE_NEW), F_OK) != 0);
    }
    /* The administrator takes the loss, once. */
    CLAIM(scratch_try(&scratch, &store, &opened, true) == 0);
    CLAIM(opened.recovered && opened.lost > 0 && !opened.fresh);
    ck_assert_uint_eq(scratch_count(&scratch, "broken."), 1);
    put_batch(store, 1, 5, 1);
    store_close(store);
    store = scratch_open(&scratch, &opened);
    CLAIM(!opened.recovered && opened.entries == 5);
    store_close(store);
}
END_TEST

/* Accepting a loss loses what is lost, and no more. */
START_TEST(what_can_be_read_is_kept_when_a_loss_is_accepted)
{
    struct store_opened opened;
    struct store *store;
    unsigned kept = 0, lossy = 0;

    remove_copies();
    for (size_t page = 2; page < image_bytes / 4096; page++) {
        uint8_t saved[64];
        uint8_t *bytes = image + page * 4096 + 16;
        remove_all_but_copies();
        memcpy(saved, bytes, sizeof saved);
        memset(bytes, 0xa5, sizeof saved);
        image_write(STORE_FILE, image, image_bytes);
        memcpy(bytes, saved, sizeof saved);
        CLAIM(scratch_try(&scratch, &store, &opened, true) == 0);
        if (opened.lost > 0) {
            lossy++;
            kept += opened.entries >= DOMAINS - 45;
        }
        store_close(store);
    }
    ck_assert_uint_gt(lossy, 5);
    ck_assert_uint_ge(kept + 1, lossy); /* but for the root of the tree */
}
END_TEST

START_TEST(a_database_that_is_gone_comes_back_from_the_copy)
{
    struct store_opened opened;
    struct store *store;

    remove_all_but_copies();
    store = scratch_open(&scratch, &opened);
    CLAIM(opened.recovered && !opened.fresh && opened.from_copy == DOMAINS + ACCOUNTS);
    CLAIM(strstr(scratch_why, "was gone") != NULL && strstr(scratch_why, "copy.1.") != NULL);
    const struct seen seen = look(store);
    CLAIM(seen.old == 2 * FRESHER && seen.unreadable == 0);
    store_close(store);
}
END_TEST

/* Gone, and there was one: a first start it is not. */
START_TEST(a_database_that_is_gone_without_a_copy_is_refused)
{
    struct store_opened opened;
    struct store *store;

    remove_copies();
    remove_all_but_copies();
    image_write("broken.4", image, 100);
    CLAIM(scratch_try(&scratch, &store, &opened, false) == -EBADMSG);
    CLAIM(scratch_try(&scratch, &store, &opened, true) == 0);
    CLAIM(opened.recovered && opened.entries == 0);
    store_close(store);
    unlink(scratch_path(&scratch, "broken.4"));
    remove_all_but_copies();
    store = scratch_open(&scratch, &opened);
    CLAIM(opened.fresh && !opened.recovered);
    store_close(store);
}
END_TEST

/* The newest of them that is good. */
START_TEST(a_damaged_copy_is_passed_over)
{
    struct store_opened opened;
    uint8_t noise[9000];

    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)scramble(i);
    image_write("copy.2.20260102T000000Z", noise, sizeof noise);
    damage_all_leaves(image);
    image_write("copy.3.20260103T000000Z", image, image_bytes);
    image_write("copy.4", noise, 0);
    image_write("copy.x.20260104T000000Z", noise, 10);
    const struct seen seen = try_damaged(image, image_bytes, &opened);
    CLAIM(opened.recovered && seen.old > 0);
    ck_assert_msg(strstr(first_why, "copy.1.") != NULL, "%s", first_why);
}
END_TEST

/* What the sentence of a refusal says to do. */
START_TEST(a_copy_put_in_the_place_of_the_database_is_taken)
{
    struct store_opened opened;

    remove_all_but_copies();
    char from[400];
    snprintf(from, sizeof from, "%s", scratch_path(&scratch, "copy.1.20260101T000000Z"));
    CLAIM(rename(from, scratch_path(&scratch, STORE_FILE)) == 0);
    struct store *store = scratch_open(&scratch, &opened);
    CLAIM(opened.recovered && opened.gaps == 0);
    CLAIM(strstr(scratch_why, "is a copy") != NULL);
    CLAIM(look(store).old == 2 * FRESHER);
    put_batch(store, 1, 1, VERSION_FRESH);
    store_close(store);
    store = scratch_open(&scratch, &opened);
    CLAIM(!opened.recovered);
    store_close(store);
}
END_TEST

START_TEST(only_some_damaged_files_are_kept_aside)
{
    struct store_opened opened;

    remove_all_but_copies();
    for (int i = 0; i < 8; i++) {
        image[4096 * 2 + 8]++; /* one more thing wrong */
        memset(image, 0, 16);
        image_write(STORE_FILE, image, image_bytes);
        store_close(scratch_open(&scratch, &opened));
        CLAIM(opened.recovered);
    }
    ck_assert_uint_eq(scratch_count(&scratch, "broken."), LIMIT_STORE_BROKEN_FILES);
    CLAIM(access(scratch_path(&scratch, "broken.8"), F_OK) == 0);
}
END_TEST

/* What cannot be opened for another reason is no damage: nothing is made again. */
START_TEST(a_file_that_may_not_be_read_is_an_error_and_no_damage)
{
    struct store_opened opened;
    struct store *store;

    unlink(scratch_path(&scratch, STORE_FILE));
    CLAIM(symlink("/dev/null", scratch_path(&scratch, STORE_FILE)) == 0);
    CLAIM(scratch_try(&scratch, &store, &opened, true) == -ELOOP);
    CLAIM(scratch_why[0] != '\0' && !opened.recovered);
    ck_assert_uint_eq(scratch_count(&scratch, "broken."), 0);
}
END_TEST

START_TEST(half_made_files_are_removed)
{
    struct store_opened opened;

    image_write(STORE_NEW, image, image_bytes / 2);
    image_write(STORE_COPY_NEW, image, image_bytes / 2);
    struct store *store = scratch_open(&scratch, &opened);
    CLAIM(!opened.recovered && look(store).old == 0);
    CLAIM(access(scratch_path(&scratch, STORE_NEW), F_OK) != 0);
    CLAIM(access(scratch_path(&scratch, STORE_COPY_NEW), F_OK) != 0);
    store_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store, damaged");
    TCase *cases = tcase_create("damage");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, getenv("STORE_TORTURE") != NULL ? 3600 : 280);
    tcase_add_test(cases, one_damaged_byte_loses_nothing_in_silence);
    tcase_add_test(cases, a_damaged_meta_page_brings_nothing_old_back);
    tcase_add_test(cases, a_damaged_list_of_free_pages_is_noticed_before_it_is_used);
    tcase_add_test(cases, each_page_may_be_zero_noise_or_another_page);
    tcase_add_test(cases, a_damaged_leaf_costs_only_what_stood_in_it);
    tcase_add_test(cases, a_file_may_end_anywhere);
    tcase_add_test(cases, much_damage_at_once_is_mended_too);
    tcase_add_test(cases, a_value_that_is_nobodys_is_looked_for_in_the_copy);
    tcase_add_test(cases, a_value_that_is_nobodys_and_in_no_copy_is_refused);
    tcase_add_test(cases, without_a_copy_it_is_refused_with_a_sentence_and_not_begun_anew);
    tcase_add_test(cases, what_can_be_read_is_kept_when_a_loss_is_accepted);
    tcase_add_test(cases, a_database_that_is_gone_comes_back_from_the_copy);
    tcase_add_test(cases, a_database_that_is_gone_without_a_copy_is_refused);
    tcase_add_test(cases, a_damaged_copy_is_passed_over);
    tcase_add_test(cases, a_copy_put_in_the_place_of_the_database_is_taken);
    tcase_add_test(cases, only_some_damaged_files_are_kept_aside);
    tcase_add_test(cases, a_file_that_may_not_be_read_is_an_error_and_no_damage);
    tcase_add_test(cases, half_made_files_are_removed);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
