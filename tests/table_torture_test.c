/*
 * table_torture_test.c - writers killed and started again without end, readers stopped and woken,
 * and every read checked against all that was ever written.
 *
 *   table_torture_test [SECONDS]       6 unless given; ten minutes are the long form
 *
 * A writer process with one to four threads (another number of shards at each start) puts and
 * removes keys, more than fit, until it is killed with SIGKILL; every few starts it opens another
 * size and so makes a successor; now and then two are started at once, of which one must be told
 * -EBUSY. Readers read all the while: one runs, one is stopped and woken at random, one sleeps from
 * the beginning to the end with the first table mapped.
 *
 * Every value names its key and version (table_support.h), versions come from one counter shared by
 * all writers. So a reader knows that a record is whole, is of its key, was really put, and is not
 * older than one it has seen before. Whoever finds otherwise says what and aborts; exit 1.
 */
#define MUST(condition)                                                                          \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "table_torture_test:%d: does not hold: %s\n", __LINE__, #condition); \
            abort();                                                                             \
        }                                                                                        \
    } while (0)
#define SUPPORT_MUST(condition, ...) MUST(condition)

#include "tests/table_support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum {
    KEYS = 120000,
    READERS = 3, /* running, now and then stopped, asleep */
    NAPPING = 1,
    ASLEEP = 2,
    THREADS_MAX = 4,
    SIZES = 2,
};
static const uint64_t sizes[SIZES] = {TABLE_BYTES_SMALL, 3 * TABLE_BYTES_SMALL / 2};
/* Versions serve as stamps, too: all of them lie in this reader's past. */
#define READ_NOW_MS (1ULL << 40)

/* Between all processes. */
static struct shared {
    atomic_uint version;
    atomic_bool over;
    atomic_ulong puts, starts, busy, attached, kept;
    struct reader_counts {
        atomic_ulong hits, misses, unknown, moves, ready;
    } readers[READERS];
} * shared;

static struct scratch scratch;

static uint64_t random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ULL;
    return scramble(*state);
}

static void nap_ms(unsigned long ms)
{
    const struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- a writer --- */

static struct table_writer *writer;

struct shard {
    unsigned number, shards;
    uint64_t seed;
};

/* Until somebody kills us. A few keys are hot, so that slots come round quickly. */
static void *write_shard(void *argument)
{
    const struct shard *shard = argument;
    uint64_t random = shard->seed;

    for (;;) {
        const uint64_t draw = random_next(&random);
        const uint64_t number = draw % 4 == 0 ? draw / 8 % 200 : draw / 8 % KEYS;
        struct numbered numbered;
        value_key(&numbered, number);
        if (numbered.key.partition % shard->shards != shard->number)
            continue;
        if (draw % 97 == 0) {
            table_writer_remove(writer, &numbered.key);
            table_writer_heartbeat(writer, numbered.key.partition, &scratch.clock);
            continue;
        }
        const int status = value_put(writer, number, atomic_fetch_add(&shared->version, 1) + 1);
        MUST(status == 0 || status == -ENOSPC);
        atomic_fetch_add(&shared->puts, 1);
    }
    return NULL;
}

/* The daemon's life until SIGKILL. `ready` is told whether the table was free. */
_Noreturn static void writer_main(uint64_t seed, uint64_t bytes, int ready)
{
    struct table_opened opened;
    struct shard shards[THREADS_MAX];
    pthread_t thread;
    char why[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int status = table_writer_open(&writer, scratch.directory, bytes, &scratch.clock, &opened,
                                         why, sizeof why);
    if (status != -EBUSY && status != 0)
        fprintf(stderr, "%s\n", why);
    MUST(status == 0 || status == -EBUSY);
    MUST(write(ready, status == 0 ? "y" : "n", 1) == 1);
    if (status == -EBUSY)
        _exit(0);
    /* A killed writer leaves nothing to repair. Into a smaller successor not everything may fit. */
    MUST(!opened.attached || opened.dropped == 0);
    MUST(opened.repeated == 0);
    atomic_fetch_add(&shared->attached, opened.attached);
    atomic_fetch_add(&shared->kept, opened.kept);
    const unsigned count = (unsigned)(seed % THREADS_MAX) + 1;
    for (unsigned i = 0; i < count; i++) {
        shards[i] = (struct shard){i, count, seed * THREADS_MAX + i};
        if (i > 0)
            MUST(pthread_create(&thread, NULL, write_shard, &shards[i]) == 0);
    }
    write_shard(&shards[0]);
    _exit(0);
}

/* --- a reader --- */

static void check(uint64_t number, uint32_t version, uint32_t *seen)
{
    if (version < seen[number] || version > atomic_load(&shared->version)) {
        fprintf(stderr, "%llu: version %u after version %u\n", (unsigned long long)number, version,
                seen[number]);
        abort();
    }
    seen[number] = version;
}

_Noreturn static void reader_main(unsigned which)
{
    static uint32_t seen[KEYS];
    struct reader_counts *counts = &shared->readers[which];
    struct table_reader *reader = scratch_reader(&scratch);
    uint64_t random = which;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    atomic_store(&counts->ready, 1);
    if (which == ASLEEP)
        raise(SIGSTOP);
    for (unsigned long reads = 0; !atomic_load(&shared->over) || reads < 2 * KEYS; reads++) {
        const uint64_t draw = random_next(&random);
        const uint64_t number = draw % 2 == 0 ? draw / 8 % 200 : draw / 8 % KEYS;
        uint32_t version;
        const enum table_outcome outcome = value_read(reader, number, READ_NOW_MS, &version);
        MUST(outcome != TABLE_ABSENT);
        if (outcome == TABLE_HIT)
            check(number, version, seen);
        atomic_fetch_add(outcome == TABLE_HIT    ? &counts->hits
                         : outcome == TABLE_MISS ? &counts->misses
                                                 : &counts->unknown,
                         1);
        if (reads % 5000 == 4999)
            atomic_fetch_add(&counts->moves, table_reader_refresh(reader, &scratch.clock) == 1);
    }
    table_reader_close(reader);
    _exit(0);
}

/* --- who kills --- */

static pid_t start_writer(uint64_t seed, uint64_t bytes, int ready)
{
    const pid_t child = fork();

    MUST(child >= 0);
    if (child == 0)
        writer_main(seed, bytes, ready);
    atomic_fetch_add(&shared->starts, 1);
    return child;
}

static void kill_writer(pid_t child)
{
    int status;

    kill(child, SIGKILL);
    MUST(waitpid(child, &status, 0) == child);
    MUST((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
         (WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

/* Two at once: exactly one gets the table. */
static void start_two(uint64_t seed, uint64_t bytes, int ready[2])
{
    char answers[2];
    const pid_t one = start_writer(seed, bytes, ready[1]);
    const pid_t other = start_writer(seed + 1, bytes, ready[1]);

    for (unsigned got = 0; got < 2;) {
        const ssize_t n = read(ready[0], answers + got, 2 - got);
        MUST(n > 0);
        got += (unsigned)n;
    }
    MUST((answers[0] == 'y') != (answers[1] == 'y'));
    atomic_fetch_add(&shared->busy, 1);
    kill_writer(one);
    kill_writer(other);
}

/* One life of a writer, killed at any moment: also while it opens. */
static void one_life(uint64_t draw, int ready[2])
{
    const uint64_t bytes = sizes[draw % 11 == 0];
    char answer;

    if (draw % 31 == 0) {
        start_two(draw, bytes, ready);
        return;
    }
    const pid_t child = start_writer(draw, bytes, ready[1]);
    if (draw % 5 == 0)
        nap_ms(draw / 64 % 8);
    else {
        MUST(read(ready[0], &answer, 1) == 1 && answer == 'y');
        nap_ms(draw / 64 % 80);
    }
    kill_writer(child);
    if (draw % 5 == 0) { /* it may have answered before it died */
        MUST(write(ready[1], "e", 1) == 1);
        do
            MUST(read(ready[0], &answer, 1) == 1);
        while (answer != 'e');
    }
}

static void readers_start(pid_t readers[READERS])
{
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = fork();
        MUST(readers[i] >= 0);
        if (readers[i] == 0)
            reader_main(i);
        while (atomic_load(&shared->readers[i].ready) == 0)
            nap_ms(1);
    }
}

static void readers_end(pid_t readers[READERS])
{
    atomic_store(&shared->over, true);
    for (unsigned i = 0; i < READERS; i++) {
        int status;
        kill(readers[i], SIGCONT);
        MUST(waitpid(readers[i], &status, 0) == readers[i]);
        MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void report(void)
{
    printf("table torture: %lu writers started (%lu attached, %lu pairs at once), %lu puts\n",
           atomic_load(&shared->starts), atomic_load(&shared->attached), atomic_load(&shared->busy),
           atomic_load(&shared->puts));
    for (unsigned i = 0; i < READERS; i++) {
        struct reader_counts *counts = &shared->readers[i];
        printf("  reader %u: %lu hits, %lu misses, %lu unknown, %lu successors followed\n", i,
               atomic_load(&counts->hits), atomic_load(&counts->misses),
               atomic_load(&counts->unknown), atomic_load(&counts->moves));
        MUST(atomic_load(&counts->hits) > 0);
        MUST(atomic_load(&counts->unknown) <= atomic_load(&counts->hits) / 1000);
    }
    MUST(atomic_load(&shared->attached) > 0 && atomic_load(&shared->puts) > 0);
}

int main(int argc, char **argv)
{
    const unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 6;
    const uint64_t end_ms = monotonic_ms() + seconds * 1000;
    uint64_t random = end_ms;
    pid_t readers[READERS];
    int ready[2];
    bool stopped = false;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(shared != MAP_FAILED && pipe(ready) == 0);
    scratch = scratch_make();
    table_writer_close(scratch_writer(&scratch, sizes[0], NULL));
    one_life(1, ready);
    readers_start(readers);
    while (monotonic_ms() < end_ms) {
        const uint64_t draw = random_next(&random);
        if (draw >> 60 < 5) {
            kill(readers[NAPPING], stopped ? SIGCONT : SIGSTOP);
            stopped = !stopped;
        }
        one_life(draw >> 4, ready);
    }
    readers_end(readers);
    report();
    scratch_remove(&scratch);
    return EXIT_SUCCESS;
}
