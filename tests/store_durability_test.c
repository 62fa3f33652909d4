/*
 * store_durability_test.c - what the store has acknowledged is there, whatever happens to the
 * process, the disk or the memory; and a batch is there whole or not at all.
 *
 * The work is a sequence of numbered changes: of eleven, ten raise an entry, and one switches an
 * account, with a row in the audit. Which change belongs to which batch follows from the numbers,
 * so that from one number, the last acknowledged, all that must be there is known.
 *
 * 1,000 kills and 1,000 crashes of the disk, each in at least 100,000 raises and 10,000 switches: a
 * minute. STORE_TORTURE=1: as many kills where a sync takes its time, too.
 */
#include "tests/shim/disk.h"
#include "tests/shim/memory.h"
#include "tests/store_support.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define DOMAINS  3000u
#define ACCOUNTS 300u
#define BATCH    40u /* changes of one batch at most */

/* At least. A sanitizer makes all of it some times as slow, and is there for other mistakes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KILLS = 60, CRASHES = 150, RAISES = 6000 };
#else
enum { KILLS = 1000, CRASHES = 1000, RAISES = 100000 };
#endif

static struct scratch scratch;

static bool torture(void)
{
    return getenv("STORE_TORTURE") != NULL;
}

static void set_up(void)
{
    log_quietly();
    scratch = scratch_make("/dev/shm");
}

/* On a real disk, where a sync takes its time. */
static void set_up_on_disk(void)
{
    set_up();
    rmdir(scratch.directory);
    scratch = scratch_make("/var/tmp");
}

static void tear_down(void)
{
    disk_fail(DISK_OPEN, 0, 0, false);
    disk_watch(NULL);
    scratch_remove(&scratch);
}

/* --- the work --- */

static bool is_switch(uint32_t change)
{
    return change % 11 == 10;
}

static uint32_t batch_end(uint32_t begin)
{
    return begin + 1 + (uint32_t)(scramble(begin) % BATCH);
}

static int do_change(struct store *store, uint32_t change)
{
    struct numbered numbered;
    const struct store_audit audit = {.at_s = change, .who = "uid 1000", .what = "user-off"};

    if (!is_switch(change)) {
        const uint64_t number = scramble(change) % DOMAINS;
        const struct ledger_entry entry = entry_of(number, change);
        return store_entry_put(store, LEDGER_DOMAIN, numbered_domain(&numbered, number), &entry);
    }
    const uint64_t number = scramble(change) % ACCOUNTS;
    const struct account account = account_of(number, change);
    const int status = store_account_put(store, numbered_account(&numbered, number), &account);
    return status == 0 ? store_audit_add(store, &audit) : status;
}

/* One batch; returns its end, or its begin if it was not written. */
static uint32_t do_batch(struct store *store, uint32_t begin, int *status)
{
    const uint32_t end = batch_end(begin);

    *status = store_begin(store);
    if (*status != 0)
        return begin;
    for (uint32_t change = begin; change < end; change++)
        do_change(store, change);
    *status = store_commit(store);
    return *status == 0 ? end : begin;
}

/* What must be there: the last change of each entry and account; 0: none. */
struct model {
    uint32_t next; /* number of the next change */
    uint32_t raises, switches;
    uint32_t domains[DOMAINS], accounts[ACCOUNTS];
    uint32_t last_switch;
};

static void model_advance(struct model *model, uint32_t end)
{
    for (; model->next < end; model->next++) {
        const uint32_t change = model->next;
        if (is_switch(change)) {
            model->accounts[scramble(change) % ACCOUNTS] = model->last_switch = change;
            model->switches++;
        } else {
            model->domains[scramble(change) % DOMAINS] = change;
            model->raises++;
        }
    }
}

static bool hear_last(void *context, uint64_t number, const struct store_audit *audit)
{
    (void)number;
    *(uint32_t *)context = (uint32_t)audit->at_s;
    return false;
}

/* Is the store exactly so? */
static bool model_holds(const struct model *model, struct store *store)
{
    uint32_t last_switch = 0;

    for (unsigned i = 0; i < DOMAINS; i++) {
        struct numbered numbered;
        struct ledger_entry entry;
        const enum store_read read =
            store_entry_get(store, LEDGER_DOMAIN, numbered_domain(&numbered, i), &entry);
        CLAIM(read == STORE_ABSENT || (read == STORE_FOUND && entry_is_of(&entry, i)));
        if (entry.handshakes != model->domains[i])
            return false;
    }
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct numbered numbered;
        struct account account;
        const enum store_read read =
            store_account_get(store, numbered_account(&numbered, i), &account);
        CLAIM(read == STORE_ABSENT || (read == STORE_FOUND && account_is_of(&account, i)));
        if (account.changed_s != model->accounts[i])
            return false;
    }
    CLAIM(store_audit_each(store, 0, 1, hear_last, &last_switch) == 0);
    return last_switch == model->last_switch;
}

/* All up to `acknowledged` is there, and then the next batch, or not: nothing between. The model is
 * then what is there. */
static void model_settle(struct model *model, struct store *store, uint32_t acknowledged)
{
    model_advance(model, acknowledged);
    if (model_holds(model, store))
        return;
    model_advance(model, batch_end(acknowledged));
    ck_assert_msg(model_holds(model, store), "acknowledged up to %u, and that is not what is there",
                  acknowledged);
}

static struct store *open_after_crash(void)
{
    struct store_opened opened;
    struct store *store = scratch_open(&scratch, &opened);

    /* A crash is no damage: nothing had to be mended. */
    ck_assert_msg(!opened.recovered && opened.broken == 0, "%s", scratch_why);
    return store;
}

/* --- kill -9 --- */

/* Works until it is killed, and says after each batch how far it is. */
static _Noreturn void work(int acknowledge, uint32_t next)
{
    struct store_opened opened;
    struct store *store;
    int status = scratch_try(&scratch, &store, &opened, false);

    while (status == 0) {
        next = do_batch(store, next, &status);
        if (status == 0 && write(acknowledge, &next, sizeof next) != (ssize_t)sizeof next)
            status = -EPIPE;
    }
    _exit(3);
}

/* Lets it work for some batches and part of others, or kills it while it opens. */
static uint32_t kill_somewhere(uint32_t next, uint64_t seed, unsigned within_us)
{
    int ends[2], status;
    uint32_t acknowledged = next;

    CLAIM(pipe2(ends, O_CLOEXEC) == 0);
    const pid_t child = fork();
    CLAIM(child >= 0);
    if (child == 0)
        work(ends[1], next);
    close(ends[1]);
    const unsigned batches = (unsigned)(seed % 12);
    for (unsigned i = 0; i < batches; i++)
        if (read(ends[0], &acknowledged, sizeof acknowledged) != (ssize_t)sizeof acknowledged)
            break;
    const struct timespec delay = {.tv_nsec = (long)(scramble(seed) % (within_us * 1000u))};
    nanosleep(&delay, NULL);
    CLAIM(kill(child, SIGKILL) == 0);
    CLAIM(waitpid(child, &status, 0) == child);
    ck_assert_msg(WIFSIGNALED(status), "it ended by itself: %d", WEXITSTATUS(status));
    while (read(ends[0], &acknowledged, sizeof acknowledged) == (ssize_t)sizeof acknowledged)
        ;
    close(ends[0]);
    return acknowledged;
}

/* At least so many kills, and raises, with one switch to ten of these. */
static void kill_often(const char *where, unsigned kills_wanted, uint32_t raises_wanted,
                       unsigned within_us)
{
    static struct model model = {.next = 1};
    unsigned kills = 0, unacknowledged = 0;

    store_close(scratch_open(&scratch, NULL));
    for (; kills < kills_wanted || model.raises < raises_wanted; kills++) {
        const uint32_t acknowledged = kill_somewhere(model.next, scramble(kills + 77), within_us);
        struct store *store = open_after_crash();
        model_settle(&model, store, acknowledged);
        unacknowledged += model.next > acknowledged;
        store_close(store);
    }
    printf("kill -9 %s: %u kills, %u raises, %u switches; %u batches were there unacknowledged\n",
           where, kills, model.raises, model.switches, unacknowledged);
    ck_assert_uint_ge(model.switches, raises_wanted / 10);
}

/* A kill takes nothing from what was written, so memory serves as the disk. */
START_TEST(nothing_acknowledged_is_lost_when_the_process_is_killed)
{
    kill_often("in memory", KILLS, RAISES, 500);
}
END_TEST

/* Where a sync takes its time, and so more kills come in the middle of one. */
START_TEST(nothing_acknowledged_is_lost_when_the_process_is_killed_in_a_sync)
{
    kill_often("on a disk", torture() ? 1000 : 60, torture() ? 100000 : 0, 2500);
}
END_TEST

/* --- a crash of the disk --- */

/* What is on the disk for sure, and what may be. */
struct image {
    uint8_t *bytes;
    size_t length, room;
};

static void image_put(struct image *image, uint64_t offset, const uint8_t *bytes, size_t length)
{
    const size_t end = (size_t)offset + length;

    if (end > image->room) {
        image->bytes = realloc(image->bytes, end * 2);
        CLAIM(image->bytes != NULL);
        memset(image->bytes + image->room, 0, end * 2 - image->room);
        image->room = end * 2;
    }
    memcpy(image->bytes + offset, bytes, length);
    image->length = end > image->length ? end : image->length;
}

static struct image image_read(void)
{
    struct image image = {0};
    uint8_t bytes[65536];
    uint64_t offset = 0;
    ssize_t got;
    const int descriptor = open(scratch_path(&scratch, STORE_FILE), O_RDONLY | O_CLOEXEC);

    CLAIM(descriptor >= 0);
    while ((got = read(descriptor, bytes, sizeof bytes)) > 0) {
        image_put(&image, offset, bytes, (size_t)got);
        offset += (uint64_t)got;
    }
    close(descriptor);
    return image;
}

static void image_write(const struct image *image)
{
    const int descriptor =
        open(scratch_path(&scratch, STORE_FILE), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CLAIM(descriptor >= 0 &&
          write(descriptor, image->bytes, image->length) == (ssize_t)image->length);
    close(descriptor);
}

enum survival { SURVIVES_NOTHING, SURVIVES_ALL, SURVIVES_SOME, SURVIVES_SECTORS, SURVIVALS };

/* Of a write that is not safe: all, nothing, or any of its sectors of 512 bytes. */
static void image_maybe(struct image *image, const struct disk_event *event, enum survival survival,
                        uint64_t *seed)
{
    if (survival == SURVIVES_NOTHING ||
        (survival == SURVIVES_SOME && (*seed = scramble(*seed + 1)) % 2))
        return;
    if (survival != SURVIVES_SECTORS) {
        image_put(image, event->offset, event->bytes, event->length);
        return;
    }
    for (size_t at = 0; at < event->length;) {
        size_t part = 512 - (event->offset + at) % 512;
        part = part < event->length - at ? part : event->length - at;
        if ((*seed = scramble(*seed + 1)) % 2)
            image_put(image, event->offset + at, event->bytes + at, part);
        at += part;
    }
}

/* The events before `cut` on top of `image`: what was synced, and of the rest what survives.
 * Returns the last mark. */
static uint32_t crash(struct image *image, const struct disk_event *events, size_t cut,
                      enum survival survival, uint64_t seed, uint32_t mark)
{
    size_t synced = 0;

    for (size_t i = 0; i < cut; i++) {
        if (events[i].kind == DISK_SYNC)
            synced = i;
        if (events[i].kind == DISK_MARK)
            mark = (uint32_t)events[i].offset;
    }
    for (size_t i = 0; i < cut; i++) {
        if (events[i].kind != DISK_WRITE)
            continue;
        if (i < synced || (i + 1 < cut && events[i + 1].kind == DISK_SAFE))
            image_put(image, events[i].offset, events[i].bytes, events[i].length);
        else
            image_maybe(image, &events[i], survival, &seed);
    }
    return mark;
}

/* Some batches, recorded; the store is closed again, which writes nothing. */
static void record(uint32_t next, unsigned batches)
{
    int status;

    disk_watch(STORE_FILE);
    struct store *store = open_after_crash();
    disk_record(true);
    for (unsigned i = 0; i < batches; i++) {
        next = do_batch(store, next, &status);
        CLAIM(status == 0);
        disk_mark(next);
    }
    disk_record(false);
    store_close(store);
    disk_watch(NULL);
}

START_TEST(nothing_acknowledged_is_lost_when_the_disk_forgets_what_was_not_synced)
{
    static struct model model = {.next = 1};
    unsigned crashes = 0, lost = 0;

    store_close(scratch_open(&scratch, NULL));
    for (; crashes < CRASHES || model.raises < RAISES; crashes++) {
        const uint64_t seed = scramble(crashes + 4711);
        struct image image = image_read();
        size_t count;
        record(model.next, 1 + (unsigned)(seed % 16));
        const struct disk_event *events = disk_events(&count);
        const size_t cut = scramble(seed) % (count + 1);
        const uint32_t acknowledged =
            crash(&image, events, cut, (enum survival)(seed / 64 % SURVIVALS), seed, model.next);
        lost += acknowledged < (uint32_t)events[count - 1].offset;
        disk_forget();
        image_write(&image);
        free(image.bytes);
        struct store *store = open_after_crash();
        model_settle(&model, store, acknowledged);
        store_close(store);
    }
    printf("unsynced writes dropped: %u crashes, %u raises, %u switches\n", crashes, model.raises,
           model.switches);
    ck_assert_uint_gt(lost, crashes / 4); /* else nothing was cut off */
    ck_assert_uint_ge(model.switches, RAISES / 10);
}
END_TEST

/* After each single write and sync, in every way. */
START_TEST(a_crash_after_any_write_leaves_a_whole_state)
{
    static struct model base, model;
    size_t count, writes = 0, safe = 0, syncs = 0;
    int status;

    struct store *store = scratch_open(&scratch, NULL);
    base = (struct model){.next = 1};
    for (int i = 0; i < 40; i++)
        model_advance(&base, do_batch(store, base.next, &status));
    store_close(store);
    const struct image before = image_read();
    record(base.next, torture() ? 40 : 8);
    const struct disk_event *events = disk_events(&count);
    for (size_t cut = 0; cut <= count; cut++)
        for (enum survival survival = 0; survival < SURVIVALS; survival++) {
            struct image image = {0};
            image_put(&image, 0, before.bytes, before.length);
            const uint32_t acknowledged =
                crash(&image, events, cut, survival, cut * 31 + survival, base.next);
            image_write(&image);
            free(image.bytes);
            store = open_after_crash();
            model = base;
            model_settle(&model, store, acknowledged);
            store_close(store);
        }
    for (size_t i = 0; i < count; i++) {
        writes += events[i].kind == DISK_WRITE;
        safe += events[i].kind == DISK_SAFE;
        syncs += events[i].kind == DISK_SYNC;
    }
    /* A batch: data, one sync, and the meta page through O_DSYNC. */
    ck_assert_uint_eq(safe, torture() ? 40 : 8);
    ck_assert_uint_eq(syncs, torture() ? 40 : 8);
    ck_assert_uint_gt(writes, 3 * syncs);
    free(before.bytes);
    disk_forget();
}
END_TEST

/* The proof of the test: a store that acknowledged before it synced would be caught. */
START_TEST(a_crash_that_forgets_synced_writes_is_noticed)
{
    static struct model model;
    struct store_opened opened;
    size_t count;
    unsigned noticed = 0;

    store_close(scratch_open(&scratch, NULL));
    const struct image before = image_read();
    record(1, 12);
    const struct disk_event *events = disk_events(&count);
    for (size_t left_out = 0; left_out < count; left_out++) {
        struct image image = {0};
        struct store *store;
        if (events[left_out].kind != DISK_WRITE)
            continue;
        image_put(&image, 0, before.bytes, before.length);
        for (size_t i = 0; i < count; i++)
            if (i != left_out && events[i].kind == DISK_WRITE)
                image_put(&image, events[i].offset, events[i].bytes, events[i].length);
        image_write(&image);
        free(image.bytes);
        model = (struct model){.next = 1};
        model_advance(&model, (uint32_t)events[count - 1].offset);
        if (scratch_try(&scratch, &store, &opened, false) != 0) {
            noticed++;
            continue;
        }
        noticed += opened.recovered || !model_holds(&model, store);
        store_close(store);
    }
    ck_assert_uint_gt(noticed, 3);
    free(before.bytes);
    disk_forget();
}
END_TEST

/* --- calls that fail --- */

static void fill(struct store *store, struct model *model, unsigned batches)
{
    int status = 0;

    for (unsigned i = 0; i < batches && status == 0; i++)
        model_advance(model, do_batch(store, model->next, &status));
    CLAIM(status == 0);
}

/* With one call failing: nothing is acknowledged, nothing is lost, and it goes on. */
static bool one_failure(enum disk_call call, unsigned nth, int error, bool shortly)
{
    static struct model model;
    int status;

    scratch_empty(&scratch);
    disk_watch(STORE_FILE);
    struct store *store = scratch_open(&scratch, NULL);
    model = (struct model){.next = 1};
    fill(store, &model, 6);
    disk_fail(call, nth, error, shortly);
    const uint32_t end = do_batch(store, model.next, &status);
    const bool came = disk_failed();
    disk_fail(call, 0, 0, false);
    CLAIM((status != 0) == came);
    CLAIM((store_trouble(store)[0] != '\0') == came);
    if (came) {
        CLAIM(status == (shortly ? -EIO : -error));
        /* What is not acknowledged may be there after all, if the disk failed at the very end; but
         * whole. To read, it may need to be opened again, which a batch does. */
        CLAIM(store_begin(store) == 0);
        store_abort(store);
        model_settle(&model, store, end);
    } else {
        model_advance(&model, end);
    }
    fill(store, &model, 3);
    CLAIM(store_trouble(store)[0] == '\0');
    CLAIM(model_holds(&model, store));
    store_close(store);
    disk_watch(NULL);
    store = open_after_crash();
    CLAIM(model_holds(&model, store));
    store_close(store);
    return came;
}

START_TEST(a_write_or_a_sync_that_fails_loses_nothing)
{
    static const enum disk_call calls[] = {DISK_PWRITE, DISK_WRITEV, DISK_FLUSH};
    unsigned came = 0;

    for (size_t call = 0; call < sizeof calls / sizeof calls[0]; call++)
        for (int error = 0; error < 2; error++)
            for (int shortly = 0; shortly <= (calls[call] != DISK_FLUSH); shortly++)
                for (unsigned nth = 1; nth < 100; nth++) {
                    if (!one_failure(calls[call], nth, error ? EIO : ENOSPC, shortly))
                        break;
                    came++;
                }
    ck_assert_uint_gt(came, 12);
}
END_TEST

/* When nothing can be opened any more, it says so, and comes back by itself. */
START_TEST(a_store_that_cannot_be_opened_again_is_unknown_until_it_can)
{
    static struct model model;
    struct ledger_entry entry;
    struct account account;
    int status;

    disk_watch(STORE_FILE);
    struct store *store = scratch_open(&scratch, NULL);
    model = (struct model){.next = 1};
    fill(store, &model, 6);
    /* The meta page is written last, by pwrite, and through the descriptor that syncs. */
    for (unsigned nth = 1; status = 0, nth < 100; nth++) {
        disk_fail(DISK_PWRITE, nth, EIO, false);
        model_advance(&model, do_batch(store, model.next, &status));
        disk_fail(DISK_OPEN, 1, EMFILE, false);
        if (status != 0 && store_begin(store) != 0)
            break;
        if (store->batch != NULL)
            store_abort(store);
    }
    CLAIM(status == -EIO);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx0.d0.example", &entry) == STORE_ERROR);
    CLAIM(entry_is_unreadable(&entry));
    CLAIM(store_account_get(store, "a@example.org", &account) == STORE_ERROR);
    CLAIM(account_is_strict(&account));
    CLAIM(store_each(store, LEDGER_DOMAIN, NULL, NULL, NULL) < 0);
    CLAIM(store_trouble(store)[0] != '\0');
    disk_fail(DISK_OPEN, 0, 0, false);
    CLAIM(store_begin(store) == 0);
    store_abort(store);
    model_settle(&model, store, model.next);
    fill(store, &model, 3);
    CLAIM(model_holds(&model, store));
    store_close(store);
}
END_TEST

START_TEST(a_copy_that_cannot_be_written_is_no_copy)
{
    static const enum disk_call calls[] = {DISK_OPEN, DISK_STREAM, DISK_FLUSH};
    static struct model model;
    char why[256];
    unsigned came = 0;

    struct store *store = scratch_open(&scratch, NULL);
    model = (struct model){.next = 1};
    fill(store, &model, 60);
    CLAIM(store_copy(store, 1767225600, why, sizeof why) == 0);
    disk_watch("copy.new");
    for (size_t call = 0; call < sizeof calls / sizeof calls[0]; call++)
        for (unsigned nth = 1; nth < 50; nth++) {
            disk_fail(calls[call], nth, ENOSPC, false);
            const int status = store_copy(store, 1767225600, why, sizeof why);
            if (!disk_failed())
                break;
            came++;
            CLAIM(status == -ENOSPC && strstr(why, "No space") != NULL);
            CLAIM(access(scratch_path(&scratch, STORE_COPY_NEW), F_OK) != 0);
            CLAIM(model_holds(&model, store));
            fill(store, &model, 1);
        }
    disk_fail(DISK_OPEN, 0, 0, false);
    ck_assert_uint_ge(came, 3);
    store_close(store);
}
END_TEST

/* --- memory that runs out --- */

/* One life with an allocation failing somewhere: an error or not; what was acknowledged is there.
 */
static bool one_allocation(unsigned nth, unsigned more)
{
    static struct model model;
    struct store_opened opened;
    struct store *store;
    char why[256];
    int status;

    scratch_empty(&scratch);
    model = (struct model){.next = 1};
    memory_fail(nth, more);
    status = scratch_try(&scratch, &store, &opened, false);
    CLAIM(status == 0 || (status == -ENOMEM && store == NULL && scratch_why[0] != '\0'));
    for (int i = 0; i < 3 && store != NULL; i++) {
        const uint32_t end = do_batch(store, model.next, &status);
        CLAIM(status == 0 || status == -ENOMEM);
        model_advance(&model, end);
        status = store_copy(store, 1767225600, why, sizeof why);
        CLAIM(status == 0 || status == -ENOMEM);
    }
    const bool came = memory_failed();
    memory_fail(0, 0);
    store_close(store);
    store = open_after_crash();
    CLAIM(model_holds(&model, store));
    store_close(store);
    return came;
}

START_TEST(an_allocation_that_fails_is_an_error_and_no_damage)
{
    unsigned came = 0;

    if (!memory_can_fail())
        return;
    for (unsigned more = 0; more < 3; more++)
        for (unsigned nth = 1; one_allocation(nth, more * 7); nth++)
            came++;
    ck_assert_uint_gt(came, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store, durable");
    TCase *cases = tcase_create("durability"), *on_disk = tcase_create("kill");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_checked_fixture(on_disk, set_up_on_disk, tear_down);
    tcase_set_timeout(cases, torture() ? 3600 : 280);
    tcase_set_timeout(on_disk, torture() ? 3600 : 280);
    tcase_add_test(on_disk, nothing_acknowledged_is_lost_when_the_process_is_killed_in_a_sync);
    tcase_add_test(cases, nothing_acknowledged_is_lost_when_the_process_is_killed);
    tcase_add_test(cases, nothing_acknowledged_is_lost_when_the_disk_forgets_what_was_not_synced);
    tcase_add_test(cases, a_crash_after_any_write_leaves_a_whole_state);
    tcase_add_test(cases, a_crash_that_forgets_synced_writes_is_noticed);
    tcase_add_test(cases, a_write_or_a_sync_that_fails_loses_nothing);
    tcase_add_test(cases, a_store_that_cannot_be_opened_again_is_unknown_until_it_can);
    tcase_add_test(cases, a_copy_that_cannot_be_written_is_no_copy);
    tcase_add_test(cases, an_allocation_that_fails_is_an_error_and_no_damage);
    suite_add_tcase(suite, on_disk);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
