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

#include "tests/table_deaths.h"

#include <setjmp.h>
#include <sys/wait.h>

#define DIED 42                               /* exit status of a writer that the hook ended */
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

/* --- trying all deaths --- */

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
    struct table_reader *early = before_death(original);

    CLAIM(run_and_die(operation, n));
    after_death(operation, early);
}

START_TEST(a_writer_may_die_after_any_store)
{
    const struct operation *operation = &operations[_i];
    struct scratch original = prepared();
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
