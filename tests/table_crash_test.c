/*
 * table_crash_test.c - the writer dies after each of its stores; the reader is held between any two
 * of its loads.
 *
 * The files of the table are compiled into this program with two hooks. `stored` ends the process
 * after the n-th store of an operation, for every n until the operation ends by itself; then a
 * reader reads what is there, and a new writer attaches, and nothing may be torn, wrong, lost or
 * dropped. `loaded` lets the writer run a whole operation after the reader's n-th load, for every
 * n.
 */
#include <stdint.h>

static void stored(void);
static uint64_t loaded(uint64_t value);
#define TABLE_STORED(word)        stored()
#define TABLE_LOADED(word, value) loaded(value)

#include "shm/attach.c"
#include "shm/reader.c"
#include "shm/table_file.c"
#include "shm/writer.c"

#include "tests/table_support.h"

#include <setjmp.h>
#include <sys/wait.h>

#define DIED  42 /* exit status of a writer that the hook ended */
#define KEYS  120
#define BYTES (12u << 20) /* the least: attaching happens thousands of times here */
#define GONE  20          /* keys that were removed again */

static unsigned long stores, die_at, jump_at; /* 0: never */
static jmp_buf stopped;
static void (*between)(void);       /* what the writer does after a load; NULL: nothing */
static unsigned long loads, run_at; /* run_at 0: after every load */
/* And at later loads; ended by one that does nothing. */
static const struct step {
    void (*run)(void);
    unsigned long at;
} * further;

static void stored(void)
{
    if (++stores == die_at)
        _exit(DIED);
    if (stores == jump_at)
        longjmp(stopped, 1);
}

static uint64_t loaded(uint64_t value)
{
    void (*const run)(void) = between;

    if (run == NULL || (++loads != run_at && run_at != 0))
        return value;
    between = NULL; /* the writer loads, too */
    run();
    between = run_at == 0 ? run : NULL;
    if (further != NULL) {
        between = further->run;
        run_at = further->at;
        further = between != NULL ? further + 1 : NULL;
    }
    return value;
}

static struct scratch scratch;
static struct table_writer *writer; /* who is speaking now: parent or child */

static void set_up(void)
{
    scratch = scratch_make();
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

static void put(uint64_t number, uint32_t version)
{
    CLAIM(value_put(writer, number, version) == 0);
}

static bool take(uint64_t number)
{
    return value_remove(writer, number);
}

/* --- the state that everything starts from --- */

/* Keys with one home line, more than it has cells. The first CROWD of them are put; CROWD_HOME in
 * the home line, the others elsewhere in the group. */
#define CROWD (TABLE_CELLS + 2)
static uint64_t crowd[CROWD + 3];

static void find_crowd(void)
{
    const struct table_line *home = NULL;
    unsigned found = 0;

    for (uint64_t number = 1000000; found < sizeof crowd / sizeof *crowd; number++) {
        struct numbered numbered;
        value_key(&numbered, number);
        const struct place place = place_of(writer, &numbered.key);
        if (home != NULL && place.home != home)
            continue;
        home = place.home;
        crowd[found++] = number;
    }
}

/* Version 1 of KEYS keys and of the crowd, after some replacing and removing. Leaves the writer
 * open. */
static void prepare(void)
{
    writer = scratch_writer(&scratch, BYTES, NULL);
    find_crowd();
    for (uint64_t number = 0; number < KEYS + GONE; number++)
        put(number, 0);
    for (uint64_t number = 0; number < KEYS; number++)
        put(number, 1);
    for (uint64_t number = KEYS; number < KEYS + GONE; number++)
        CLAIM(take(number));
    for (unsigned i = 0; i < CROWD; i++)
        put(crowd[i], 1);
}

static void close_writer(void)
{
    table_writer_close(writer);
    writer = NULL;
}

/* --- operations --- */

/* The key an operation is about may have its old or its new version meanwhile, or none if it is
 * inserted or removed. Every other key is as it was. */
struct operation {
    const char *name;
    void (*run)(void);
    const uint64_t *subject;
    uint32_t old_version, new_version; /* 0: none */
    uint64_t bytes;                    /* to open with; 0: as before */
    bool opens;                        /* opening is the operation */
    unsigned long stride;              /* of the stores tried; the last ones are all tried */
};

static const uint64_t present = 6, account = 7, absent = KEYS + 3;

static void insert_absent(void)
{
    put(absent, 2);
}
static void insert_overflowing(void)
{
    put(crowd[CROWD], 2);
}
static void replace_present(void)
{
    put(present, 2);
}
static void replace_overflowed(void)
{
    put(crowd[CROWD - 1], 2);
}
/* Until every slot of the size classes concerned was used again. */
static void replace_often(void)
{
    for (unsigned i = 0; i < 80; i++)
        put(present, i % 2 + 1);
}
static void replace_account(void)
{
    put(account, 2);
}
/* The verdict stays, which is what check_key looks at. */
static void put_floor_alone(void)
{
    struct numbered numbered;
    struct verdict verdict;

    numbered_key(&numbered, present);
    value_of(&verdict, present, 1);
    CLAIM(table_writer_put_floor(writer, &numbered.key, &verdict.floor) == 0);
}
static void remove_present(void)
{
    take(present);
}
static void remove_overflowed(void)
{
    take(crowd[CROWD - 1]);
}
static void evict_number(uint64_t number)
{
    struct numbered numbered;
    struct place place;
    union record record;

    value_key(&numbered, number);
    if (find(writer, &numbered.key, &place, &record))
        evict(writer, numbered.key.partition, place.slot);
}
static void evict_present(void)
{
    evict_number(present);
}
static void evict_account(void)
{
    evict_number(account);
}
/* The partition of the account. */
static void complete(bool is)
{
    struct numbered numbered;

    value_key(&numbered, account);
    table_writer_set_complete(writer, numbered.key.partition, is);
}
static void evict_account_of_all(void)
{
    uint32_t version;

    complete(value_get(writer, account, &version));
    evict_account();
}
static void open_again(void)
{
    writer = scratch_writer(&scratch, BYTES, NULL);
}
static void open_larger(void)
{
    writer = scratch_writer(&scratch, 2 * BYTES, NULL);
}

static const struct operation operations[] = {
    {"insert", insert_absent, &absent, 0, 2, 0, false, 1},
    {"insert that overflows its line", insert_overflowing, &crowd[CROWD], 0, 2, 0, false, 1},
    {"replace", replace_present, &present, 1, 2, 0, false, 1},
    {"replace in another line", replace_overflowed, &crowd[CROWD - 1], 1, 2, 0, false, 1},
    {"replace until slots are reused", replace_often, &present, 1, 2, 0, false, 23},
    {"replace an account", replace_account, &account, 1, 2, 0, false, 1},
    {"put a floor", put_floor_alone, &present, 1, 1, 0, false, 1},
    {"remove", remove_present, &present, 1, 0, 0, false, 1},
    {"remove from another line", remove_overflowed, &crowd[CROWD - 1], 1, 0, 0, false, 1},
    {"evict", evict_present, &present, 1, 0, 0, false, 1},
    {"evict an account", evict_account_of_all, &account, 1, 0, 0, false, 1},
    {"attach", open_again, &present, 1, 1, 0, true, 53},
    {"make a successor", open_larger, &present, 1, 1, 2 * BYTES, true, 127},
};
#define OPERATIONS (sizeof operations / sizeof *operations)

static bool version_is_allowed(const struct operation *operation, uint32_t version)
{
    return version == operation->old_version || version == operation->new_version;
}

/* --- what must hold after a death --- */

static void check_key(const struct table_reader *reader, const struct operation *operation,
                      uint64_t number, uint32_t version)
{
    uint32_t read;

    const enum table_outcome outcome = value_read(reader, number, scratch.clock.boot_ms, &read);
    if (outcome == TABLE_UNKNOWN)
        ck_abort_msg("%s: unknown", operation->name);
    /* Its subject is still in the ledger, whatever happens in the table. */
    if (outcome == TABLE_ABSENT && (number == *operation->subject || version != 0))
        ck_abort_msg("%s: absent", operation->name);
    const bool right =
        number == *operation->subject ? version_is_allowed(operation, read) : read == version;
    if (!right)
        ck_abort_msg("%s: %llu has %u", operation->name, (unsigned long long)number, read);
}

static void check_all(const struct table_reader *reader, const struct operation *operation)
{
    for (uint64_t number = 0; number < KEYS; number++)
        check_key(reader, operation, number, 1);
    for (uint64_t number = KEYS; number < KEYS + GONE; number++)
        check_key(reader, operation, number, 0);
    for (unsigned i = 0; i < sizeof crowd / sizeof *crowd; i++)
        check_key(reader, operation, crowd[i], i < CROWD);
}

static uint64_t bytes_of(const struct operation *operation)
{
    return operation->bytes != 0 ? operation->bytes : BYTES;
}

/* Runs the operation in a child that dies after its n-th store. True if it died. */
static bool run_and_die(const struct operation *operation, unsigned long n)
{
    const pid_t child = fork();
    int status;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (!operation->opens)
            open_again();
        stores = 0;
        die_at = n;
        operation->run();
        _exit(0);
    }
    CLAIM(waitpid(child, &status, 0) == child);
    CLAIM(WIFEXITED(status));
    CLAIM(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);
    return WEXITSTATUS(status) == DIED;
}

/* A new writer finds everything in order, does the operation again, and that holds. */
static void take_over(const struct operation *operation)
{
    struct table_opened opened;
    struct table_facts facts;

    writer = scratch_writer(&scratch, bytes_of(operation), &opened);
    struct table_reader *reader = scratch_reader(&scratch);
    CLAIM(opened.dropped == 0);
    CLAIM(opened.repeated == 0);
    table_writer_facts(writer, &facts);
    CLAIM(facts.records == opened.kept);
    check_all(reader, operation);
    if (!operation->opens) {
        struct operation done = *operation;
        done.run();
        done.old_version = done.new_version;
        check_all(reader, &done);
    }
    table_reader_close(reader);
    close_writer();
}

/* --- trying all deaths --- */

static void copy_file(const char *from, const char *to)
{
    static char buffer[1 << 16];
    struct stat status;
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

    CLAIM(in >= 0 && out >= 0 && fstat(in, &status) == 0);
    CLAIM(ftruncate(out, status.st_size) == 0);
    for (off_t at = 0; (at = lseek(in, at, SEEK_DATA)) >= 0 && at < status.st_size;) {
        const ssize_t got = pread(in, buffer, sizeof buffer, at);
        CLAIM(got > 0 && pwrite(out, buffer, (size_t)got, at) == got);
        at += got;
    }
    close(in);
    close(out);
}

/* The prepared table, and nothing else, in the directory. */
static void restore(const struct scratch *original)
{
    char from[128], to[128];

    for (unsigned generation = 1; generation < 4; generation++) {
        snprintf(to, sizeof to, "%s/table.%u", scratch.directory, generation);
        unlink(to);
    }
    snprintf(from, sizeof from, "%s/table.1", original->directory);
    snprintf(to, sizeof to, "%s/table.1", scratch.directory);
    copy_file(from, to);
}

static unsigned long stores_of(const struct operation *operation)
{
    if (!operation->opens)
        open_again();
    stores = 0;
    operation->run();
    const unsigned long count = stores;
    close_writer();
    return count;
}

static void die_once(const struct operation *operation, const struct scratch *original,
                     unsigned long n)
{
    restore(original);
    struct table_reader *early = scratch_reader(&scratch);
    CLAIM(run_and_die(operation, n));
    check_all(early, operation);
    struct table_reader *late = scratch_reader(&scratch);
    check_all(late, operation);
    table_reader_close(late);
    take_over(operation);
    ck_assert_int_ge(table_reader_refresh(early, &scratch.clock), 0);
    check_all(early, operation);
    table_reader_close(early);
}

START_TEST(a_writer_may_die_after_any_store)
{
    const struct operation *operation = &operations[_i];
    struct scratch original = scratch_make();
    char from[128], to[128];

    prepare();
    close_writer();
    snprintf(from, sizeof from, "%s/table.1", scratch.directory);
    snprintf(to, sizeof to, "%s/table.1", original.directory);
    copy_file(from, to);
    const unsigned long count = stores_of(operation);
    ck_assert_uint_gt(count, 2);
    for (unsigned long n = 1; n <= count; n += n + 12 >= count ? 1 : operation->stride)
        die_once(operation, &original, n);
    scratch_remove(&original);
}
END_TEST

/* --- the writer between any two loads of a reader --- */

/* Puts every slot of the subject's partition to another use. */
static void churn(unsigned rounds)
{
    const struct operation *operation = &operations[2];
    struct numbered numbered, other;
    unsigned done = 0;

    value_key(&numbered, *operation->subject);
    for (uint64_t number = 2000000; done < rounds; number++) {
        value_key(&other, number);
        if (other.key.partition != numbered.key.partition)
            continue;
        put(number, (uint32_t)number);
        take(number);
        done++;
    }
}

static void remove_and_churn(void)
{
    remove_present();
    churn(150);
}
static void replace_and_churn(void)
{
    put(present, 2);
    churn(150);
}
static void remove_churn_and_insert(void)
{
    remove_and_churn();
    put(present, 2);
}
static void remove_home_and_insert_elsewhere(void)
{
    /* The subject goes from another line of the group to its home line. */
    take(crowd[CROWD - 1]);
    take(crowd[0]);
    put(crowd[CROWD - 1], 2);
}

struct interleaving {
    void (*run)(void);
    const uint64_t *subject;
    uint32_t before, after; /* versions; 0: not there */
    bool may_miss;          /* absent at some instant */
};
static const struct interleaving interleavings[] = {
    {replace_present, &present, 1, 2, false},
    {replace_account, &account, 1, 2, false},
    {put_floor_alone, &present, 1, 1, false},
    {replace_often, &present, 1, 2, false},
    {replace_and_churn, &present, 1, 2, false},
    {remove_present, &present, 1, 0, true},
    {remove_and_churn, &present, 1, 0, true},
    {remove_churn_and_insert, &present, 1, 2, true},
    {evict_present, &present, 1, 0, true},
    {insert_absent, &absent, 0, 2, true},
    {insert_overflowing, &crowd[CROWD], 0, 2, true},
    {replace_overflowed, &crowd[CROWD - 1], 1, 2, false},
    {remove_overflowed, &crowd[CROWD - 1], 1, 0, true},
    {remove_home_and_insert_elsewhere, &crowd[CROWD - 1], 1, 2, true},
};
#define INTERLEAVINGS (sizeof interleavings / sizeof *interleavings)

/* Reads the subject; its version, 0 for a miss. */
static uint32_t read_subject(const struct table_reader *reader, uint64_t subject,
                             enum table_outcome *outcome)
{
    uint32_t version;

    *outcome = value_read(reader, subject, scratch.clock.boot_ms, &version);
    return version;
}

/* One read with the writer running after the n-th load (0: after each). Returns the loads. What is
 * read is what was there at the last load: old only if the writer ran after all of them. */
static unsigned long read_interleaved(const struct table_reader *reader,
                                      const struct interleaving *interleaving, unsigned long n,
                                      unsigned long undisturbed)
{
    /* A miss asks last whether the partition is complete. */
    const unsigned long decisive = undisturbed - (interleaving->before == 0);
    enum table_outcome outcome;

    loads = 0;
    run_at = n;
    between = interleaving->run;
    const uint32_t version = read_subject(reader, *interleaving->subject, &outcome);
    between = NULL;
    if (n == 0) {
        CLAIM(outcome != TABLE_MISS || interleaving->may_miss);
        CLAIM(outcome != TABLE_HIT || version == 1 || version == 2);
    } else {
        CLAIM(outcome != TABLE_UNKNOWN);
        CLAIM(version == (n < decisive ? interleaving->after : interleaving->before));
    }
    return loads;
}

/* As it was before the interleaving. */
static void reset_subject(void)
{
    take(absent);
    take(crowd[CROWD]);
    put(present, 1);
    put(account, 1);
    for (unsigned i = 0; i < CROWD; i++)
        put(crowd[i], 1);
}

static void rest(void) {}

static unsigned long loads_undisturbed(const struct table_reader *reader, uint64_t subject)
{
    enum table_outcome outcome;

    loads = 0;
    run_at = 0;
    between = rest;
    read_subject(reader, subject, &outcome);
    between = NULL;
    return loads;
}

START_TEST(the_writer_may_run_between_any_two_loads)
{
    const struct interleaving *interleaving = &interleavings[_i];

    prepare();
    struct table_reader *reader = scratch_reader(&scratch);
    unsigned long undisturbed = 8; /* a head, seven cells, at least */
    for (unsigned long n = 1; n <= undisturbed; n++) {
        reset_subject();
        undisturbed = loads_undisturbed(reader, *interleaving->subject);
        ck_assert_uint_gt(undisturbed, 8);
        if (n <= undisturbed)
            read_interleaved(reader, interleaving, n, undisturbed);
    }
    reset_subject();
    read_interleaved(reader, interleaving, 0, undisturbed);
    table_reader_close(reader);
    close_writer();
}
END_TEST

/* --- what a miss means, with the writer between any two loads --- */

/* The ledger holds the account all the time, the table now and then. */
static void evict_and_bring_back(void)
{
    evict_account();
    put(account, 1);
    complete(true);
}
static void evict_bring_back_and_evict(void)
{
    evict_and_bring_back();
    evict_account();
}
static void bring_back(void)
{
    put(account, 1);
    complete(true);
}
static void forget(void)
{
    take(account);
}
static void learn(void)
{
    put(account, 2);
}

struct meaning {
    void (*run)(void);
    bool there;      /* in the table when the reader begins */
    bool may_absent; /* the ledger did not hold it at some instant */
};
static const struct meaning meanings[] = {
    {evict_and_bring_back, true, false},
    {evict_bring_back_and_evict, true, false},
    {evict_account, true, false},
    {bring_back, false, false},
    {forget, true, true},
    {learn, false, true},
};
#define MEANINGS (sizeof meanings / sizeof *meanings)

static void reset_meaning(const struct meaning *meaning)
{
    put(account, 1);
    complete(true);
    if (meaning->there)
        return;
    if (meaning->may_absent)
        forget();
    else
        evict_account();
}

/* The writer runs after the n-th load (0: after each). False if there are not so many. */
static bool read_meaning(const struct table_reader *reader, const struct meaning *meaning,
                         unsigned long n, enum table_outcome *outcome)
{
    reset_meaning(meaning);
    loads = 0;
    run_at = n;
    between = meaning->run;
    read_subject(reader, account, outcome);
    const bool ran = between == NULL || n == 0; /* all of it */
    between = NULL;
    further = NULL;
    return ran;
}

START_TEST(what_the_ledger_holds_is_never_absent)
{
    const struct meaning *meaning = &meanings[_i];
    enum table_outcome outcome;
    unsigned long n = 0;
    unsigned absences = 0;

    prepare();
    struct table_reader *reader = scratch_reader(&scratch);
    for (bool ran = true; ran; n++) {
        ran = read_meaning(reader, meaning, n, &outcome);
        CLAIM(outcome != TABLE_ABSENT || meaning->may_absent);
        CLAIM(n == 0 || outcome != TABLE_UNKNOWN);
        absences += outcome == TABLE_ABSENT;
    }
    ck_assert_uint_gt(n, 8);
    CLAIM((absences > 0) == meaning->may_absent);
    table_reader_close(reader);
    close_writer();
}
END_TEST

/* Brought back, driven out and brought back, each between two loads. */
START_TEST(what_comes_and_goes_is_never_absent)
{
    struct step steps[] = {{evict_account, 0}, {bring_back, 0}, {NULL, 0}};
    const struct meaning evicted = {bring_back, false, false};
    enum table_outcome outcome;
    unsigned long tried = 0;

    prepare();
    struct table_reader *reader = scratch_reader(&scratch);
    bool any = true;
    for (unsigned long first = 1; any; first++) {
        any = false;
        bool ran = true;
        for (steps[0].at = first + 1; ran; steps[0].at++) {
            steps[1].at = steps[0].at;
            do {
                steps[1].at++;
                further = steps;
                ran = read_meaning(reader, &evicted, first, &outcome);
                CLAIM(outcome != TABLE_ABSENT);
                any |= ran;
                tried++;
            } while (ran);
            ran = steps[1].at > steps[0].at + 1;
        }
    }
    ck_assert_uint_gt(tried, 500);
    table_reader_close(reader);
    close_writer();
}
END_TEST

/* The next record of this size class goes into this slot. */
static void make_next(uint32_t slot)
{
    struct slot_class *class = writer_class_of(writer, slot);

    while (class->free.first != slot)
        slots_add_free(class, writer->notes, slots_take_free(class, writer->notes));
}

/* The slot a reader looks at becomes another key's, but the writer stops in the middle. */
static unsigned long stop_at;

static void reuse_and_stop(void)
{
    struct numbered numbered, other;
    const struct verdict verdict = {.config_epoch = 77};
    struct place place;
    union record record;
    static uint64_t number = 2000000; /* another key each time: the books of the last are torn */

    numbered_key(&numbered, present);
    CLAIM(find(writer, &numbered.key, &place, &record));
    put(present, 2);
    make_next(place.slot);
    do {
        numbered_key(&other, number++);
    } while (other.key.partition != numbered.key.partition);
    stores = 0;
    if (setjmp(stopped) == 0) {
        jump_at = stop_at;
        table_writer_put(writer, &other.key, &verdict);
    }
    jump_at = 0;
}

START_TEST(a_reader_resumes_while_its_slot_is_half_rewritten)
{
    struct numbered numbered;
    const struct verdict small = {.config_epoch = 1};

    numbered_key(&numbered, present);
    prepare();
    struct table_reader *reader = scratch_reader(&scratch);
    table_writer_put(writer, &numbered.key, &small);
    const unsigned long undisturbed = loads_undisturbed(reader, absent) + 20;
    for (unsigned long n = 1; n <= undisturbed; n++) {
        for (stop_at = 1; stop_at < 20; stop_at++) {
            struct verdict verdict;
            table_writer_put(writer, &numbered.key, &small);
            loads = 0;
            run_at = n;
            between = reuse_and_stop;
            const enum table_outcome outcome =
                table_read(reader, &numbered.key, scratch.clock.boot_ms, &verdict);
            between = NULL;
            CLAIM(outcome == TABLE_HIT);
            CLAIM(verdict_same(&verdict, &(struct verdict){.config_epoch = 1}) ||
                  (verdict.config_epoch == 2 && value_is_of(&verdict, present)));
        }
        close_writer(); /* its books are torn, the table is not */
        open_again();
    }
    table_reader_close(reader);
    close_writer();
}
END_TEST

/* 65,536 uses later a slot has the same low bits in its sequence as the cell that a reader holds.
 * All but the last of these uses are one store here. */
static void wrap_versions(void)
{
    struct numbered numbered, other;
    const struct verdict verdict = {.config_epoch = 77};
    struct place place;
    union record record;

    numbered_key(&numbered, present);
    CLAIM(find(writer, &numbered.key, &place, &record));
    _Atomic uint64_t *slot = table_slot(&writer->map, table_cell_offset(table_load(place.cell)));
    const uint64_t until = record.head.sequence + 65536;
    put(present, 2);
    table_store(&slot[RECORD_SEQUENCE], until - 1);
    for (uint64_t number = 2000000; table_load(&slot[RECORD_SEQUENCE]) != until; number++) {
        numbered_key(&other, number);
        if (other.key.partition == numbered.key.partition)
            CLAIM(table_writer_put(writer, &other.key, &verdict) == 0);
    }
}

START_TEST(a_slot_reused_65536_times_is_still_another_record)
{
    struct numbered numbered;
    const struct verdict small = {.config_epoch = 1};
    struct verdict verdict;

    numbered_key(&numbered, present);
    bool ran = true;
    for (unsigned long n = 1; ran; n++) {
        prepare();
        struct table_reader *reader = scratch_reader(&scratch);
        table_writer_put(writer, &numbered.key, &small);
        loads = 0;
        run_at = n;
        between = wrap_versions;
        const enum table_outcome outcome =
            table_read(reader, &numbered.key, scratch.clock.boot_ms, &verdict);
        ran = between == NULL;
        between = NULL;
        CLAIM(outcome == TABLE_HIT);
        CLAIM(verdict.config_epoch == 1 ||
              (verdict.config_epoch == 2 && value_is_of(&verdict, present)));
        table_reader_close(reader);
        close_writer();
        scratch_remove(&scratch);
        scratch = scratch_make();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table crash");
    TCase *cases = tcase_create("crash");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 240);
    tcase_add_loop_test(cases, a_writer_may_die_after_any_store, 0, OPERATIONS);
    tcase_add_loop_test(cases, the_writer_may_run_between_any_two_loads, 0, INTERLEAVINGS);
    tcase_add_loop_test(cases, what_the_ledger_holds_is_never_absent, 0, MEANINGS);
    tcase_add_test(cases, what_comes_and_goes_is_never_absent);
    tcase_add_test(cases, a_reader_resumes_while_its_slot_is_half_rewritten);
    tcase_add_test(cases, a_slot_reused_65536_times_is_still_another_record);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
