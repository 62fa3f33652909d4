/*
 * table_torture_test.c - writers killed and started again without end, readers stopped and woken,
 * and every read checked against all that was ever written.
 *
 *   table_torture_test [SECONDS]       6 unless given; 600 are the long form, which goes on until
 *                                      10,000 writers were killed, at most twice as long
 *
 * A writer process with one to four threads (another number of shards at each start) puts and
 * removes keys, more than fit, until it is killed with SIGKILL; every few starts it opens another
 * size and so makes a successor; now and then two are started at once, of which one must be told
 * -EBUSY. Seven readers read all the while, six of them stopped and woken at random; an eighth
 * sleeps from the beginning to the end with the first table mapped. The table lies in a tmpfs of
 * its own, which is full now and then: then growing ends with -ENOSPC, and so does a successor.
 * Where no tmpfs can be mounted it says so, and goes on; with LAB_MUST_RUN it fails.
 *
 * Every value names its key and version (table_support.h). Versions of a key are counted before a
 * put, and when it has ended. So a reader knows that a record is whole, is of its key, was really
 * put, is not older than one it has seen before, and not older than what had been put when it began
 * to look. Whoever finds otherwise says what and aborts; exit 1.
 */
#define MUST(condition)                                                                          \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "table_torture_test:%d: does not hold: %s\n", __LINE__, #condition); \
            abort();                                                                             \
        }                                                                                        \
    } while (0)
#define SUPPORT_MUST(condition, ...) MUST(condition)

#include "tests/small_disk.h"
#include "tests/table_support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>

enum {
    KEYS = 120000,
    READERS = 8,
    NAPPING = 1, /* from here on now and then stopped */
    ASLEEP = 7,
    LONG_SECONDS = 600, /* the long form */
    LONG_KILLS = 10000,
    THREADS_MAX = 4,
    SIZES = 2,
};
static const uint64_t sizes[SIZES] = {TABLE_BYTES_SMALL, 3 * TABLE_BYTES_SMALL / 2};
/* Versions serve as stamps, too: all of them lie in this reader's past. */
#define READ_NOW_MS (1ULL << 40)

/* Between all processes. */
static struct shared {
    /* Of each key, the versions whose putting has begun, and the last that was put. */
    atomic_uint begun[KEYS], put[KEYS];
    atomic_bool over;
    atomic_ulong puts, refused, starts, kills, busy, attached, kept, full;
    struct reader_counts {
        atomic_ulong hits, misses, unknown, moves, ready, stops;
    } readers[READERS];
} * shared;

static struct scratch scratch;
static bool may_be_full; /* a tmpfs of our own */

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
        const uint32_t version = atomic_fetch_add(&shared->begun[number], 1) + 1;
        const int status = value_put(writer, number, version);
        MUST(status == 0 || status == -ENOSPC);
        atomic_fetch_add(status == 0 ? &shared->puts : &shared->refused, 1);
        if (status == 0)
            atomic_store(&shared->put[number], version);
    }
    return NULL;
}

/* Tells `ready` whether the table was free, and whether there was room. */
static void tell(int ready, int status)
{
    const char *answer = status == 0 ? "y" : status == -EBUSY ? "n" : "f";

    MUST(write(ready, answer, 1) == 1);
    if (status != 0)
        _exit(0);
}

/* The daemon's life until SIGKILL. */
_Noreturn static void writer_main(uint64_t seed, uint64_t bytes, int ready)
{
    struct table_opened opened;
    struct shard shards[THREADS_MAX];
    pthread_t thread;
    char why[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int status = table_writer_open(&writer, scratch.directory, bytes, &scratch.clock, &opened,
                                         why, sizeof why);
    if (status != 0 && status != -EBUSY && (status != -ENOSPC || !may_be_full))
        fprintf(stderr, "%s\n", why);
    MUST(status == 0 || status == -EBUSY || (status == -ENOSPC && may_be_full));
    tell(ready, status);
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

/* `least`: what had been put before the look began. A table that is over by now may be older. */
static void check(const struct table_reader *reader, uint64_t number, uint32_t version,
                  uint32_t least, uint32_t *seen)
{
    if (version < seen[number] || version > atomic_load(&shared->begun[number]) ||
        (version < least && !table_reader_is_over(reader))) {
        fprintf(stderr, "%llu: version %u after version %u, with %u put and %u begun\n",
                (unsigned long long)number, version, seen[number], least,
                atomic_load(&shared->begun[number]));
        abort();
    }
    seen[number] = version;
}

static void read_one(const struct table_reader *reader, struct reader_counts *counts, uint64_t draw)
{
    static uint32_t seen[KEYS];
    const uint64_t number = draw % 2 == 0 ? draw / 8 % 200 : draw / 8 % KEYS;
    const uint32_t least = atomic_load(&shared->put[number]);
    uint32_t version;
    const enum table_outcome outcome = value_read(reader, number, READ_NOW_MS, &version);

    MUST(outcome != TABLE_ABSENT);
    if (outcome == TABLE_HIT)
        check(reader, number, version, least, seen);
    atomic_fetch_add(outcome == TABLE_HIT    ? &counts->hits
                     : outcome == TABLE_MISS ? &counts->misses
                                             : &counts->unknown,
                     1);
}

_Noreturn static void reader_main(unsigned which)
{
    struct reader_counts *counts = &shared->readers[which];
    struct table_reader *reader = scratch_reader(&scratch);
    uint64_t random = which;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpriority(PRIO_PROCESS, 0, 10); /* there are more of us than processors */
    atomic_store(&counts->ready, 1);
    if (which == ASLEEP)
        raise(SIGSTOP);
    for (unsigned long reads = 0; !atomic_load(&shared->over) || reads < 2 * KEYS; reads++) {
        read_one(reader, counts, random_next(&random));
        if (reads % 5000 != 4999)
            continue;
        atomic_fetch_add(&counts->moves, table_reader_refresh(reader, &scratch.clock) == 1);
        if (which >= NAPPING && !atomic_load(&shared->over))
            nap_ms(10); /* or writers hardly live */
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
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    MUST(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    atomic_fetch_add(&shared->kills, killed);
}

/* Two at once: exactly one gets the table, if there is room. */
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
    const bool full = answers[0] == 'f' || answers[1] == 'f';
    MUST(answers[0] != 'y' || answers[1] != 'y');
    MUST(full || answers[0] == 'y' || answers[1] == 'y');
    atomic_fetch_add(&shared->full, full);
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
        MUST(read(ready[0], &answer, 1) == 1 && (answer == 'y' || answer == 'f'));
        atomic_fetch_add(&shared->full, answer == 'f');
        nap_ms(draw / 64 % 40);
    }
    kill_writer(child);
    if (draw % 5 == 0) { /* it may have answered before it died */
        MUST(write(ready[1], "e", 1) == 1);
        do
            MUST(read(ready[0], &answer, 1) == 1);
        while (answer != 'e');
    }
}

/* --- a tmpfs that is full now and then --- */

static void disk_mount(void)
{
    may_be_full = small_disk_allow() && small_disk_mount(scratch.directory, "64m");
    if (may_be_full)
        return;
    fputs("table torture: no tmpfs of its own can be mounted here, so none is full\n", stderr);
    MUST(getenv("LAB_MUST_RUN") == NULL);
}

/* Takes all room but a little, or gives it back. */
static void disk_fill(bool fill, uint64_t leave)
{
    char path[128];
    struct statvfs disk;

    snprintf(path, sizeof path, "%s/balloon", scratch.directory);
    unlink(path);
    if (!fill || !may_be_full)
        return;
    const int balloon = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    MUST(balloon >= 0 && fstatvfs(balloon, &disk) == 0);
    const uint64_t room = disk.f_bavail * disk.f_frsize;
    if (room > leave)
        MUST(fallocate(balloon, 0, 0, (off_t)(room - leave)) == 0);
    close(balloon);
}

/* --- readers, stopped and woken --- */

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

/* One of those that nap. */
static void reader_toggle(const pid_t readers[READERS], uint64_t draw)
{
    static bool stopped[READERS];
    const unsigned which = NAPPING + (unsigned)(draw % (ASLEEP - NAPPING));

    kill(readers[which], stopped[which] ? SIGCONT : SIGSTOP);
    stopped[which] = !stopped[which];
    atomic_fetch_add(&shared->readers[which].stops, stopped[which]);
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

static void report(unsigned long seconds)
{
    printf(
        "table torture: %lu s, %lu writers started, %lu killed (%lu attached, %lu pairs at once, "
        "%lu without room), %lu puts, %lu refused\n",
        seconds, atomic_load(&shared->starts), atomic_load(&shared->kills),
        atomic_load(&shared->attached), atomic_load(&shared->busy), atomic_load(&shared->full),
        atomic_load(&shared->puts), atomic_load(&shared->refused));
    for (unsigned i = 0; i < READERS; i++) {
        struct reader_counts *counts = &shared->readers[i];
        printf("  reader %u: %lu hits, %lu misses, %lu unknown, %lu successors followed, stopped "
               "%lu times%s\n",
               i, atomic_load(&counts->hits), atomic_load(&counts->misses),
               atomic_load(&counts->unknown), atomic_load(&counts->moves),
               atomic_load(&counts->stops), i == ASLEEP ? ", asleep until the end" : "");
        MUST(atomic_load(&counts->hits) > 0);
        MUST(atomic_load(&counts->unknown) <= atomic_load(&counts->hits) / 1000);
    }
    MUST(atomic_load(&shared->attached) > 0 && atomic_load(&shared->puts) > 0);
}

/* Until the time is over; in the long form also until enough were killed, or twice the time is. */
static bool goes_on(uint64_t begun_ms, unsigned long seconds)
{
    const uint64_t passed_ms = monotonic_ms() - begun_ms;

    return passed_ms < seconds * 1000 ||
           (seconds >= LONG_SECONDS && atomic_load(&shared->kills) < LONG_KILLS &&
            passed_ms < 2 * seconds * 1000);
}

int main(int argc, char **argv)
{
    const unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 6;
    const uint64_t begun_ms = monotonic_ms();
    uint64_t random = begun_ms;
    pid_t readers[READERS];
    int ready[2];

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(shared != MAP_FAILED && pipe(ready) == 0);
    scratch = scratch_make();
    disk_mount();
    table_writer_close(scratch_writer(&scratch, sizes[0], NULL));
    one_life(1, ready);
    readers_start(readers);
    while (goes_on(begun_ms, seconds)) {
        const uint64_t draw = random_next(&random);
        if (draw >> 60 < 8)
            reader_toggle(readers, draw >> 8);
        if ((draw >> 56) % 16 == 0)
            disk_fill((draw >> 52) % 2 == 0, draw % (4u << 20));
        one_life(draw >> 4, ready);
    }
    readers_end(readers);
    report((monotonic_ms() - begun_ms) / 1000);
    if (may_be_full)
        small_disk_unmount(scratch.directory);
    scratch_remove(&scratch);
    return EXIT_SUCCESS;
}
