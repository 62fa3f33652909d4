/*
 * watch.c - see watch.h. One thread; uses shm/reader as a mail program would.
 */
#include "tests/farm/watch.h"

#include "shm/reader.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REFRESH_MS  200
#define WRONG_SHOWN 10

struct watch {
    unsigned long reads, hits, misses, unknown, wrong, moved, refused;
    unsigned long long
        newest_ms;          /* greatest began_ms seen: the daemon serves again when it grows */
    unsigned long renewals; /* seconds in which it grew */
};

static unsigned long long boot_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (unsigned long long)t.tv_sec * 1000 + (unsigned long long)t.tv_nsec / 1000000;
}

static bool is_terminated(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

/* Could the daemon have written this about dNNN.storm.lab? */
static bool is_plausible(const struct verdict *v, unsigned number)
{
    char host[64];
    snprintf(host, sizeof host, "h%03u.storm.lab", number);
    return is_terminated(v->host, sizeof v->host) && is_terminated(v->match, sizeof v->match) &&
           (v->host[0] == 0 || strcmp(v->host, host) == 0) && v->match[0] == 0 &&
           v->class <= CLASS_DANE && v->level <= LEVEL_AUTHENTICATED &&
           v->conclusion <= CONCLUSION_UNDELIVERABLE && v->cause < CAUSE_COUNT &&
           v->enforce <= ENFORCE_SECURE_MATCH && v->pins.count <= VERDICT_PINS_MAX &&
           v->hosts <= 1 && v->hosts_good <= v->hosts;
}

static void read_one(struct watch *watch, const struct table_reader *reader, unsigned number,
                     unsigned long long now_ms)
{
    char name[64];
    struct table_key key;
    struct verdict verdict;
    memset(&verdict, 0xee, sizeof verdict);
    int length = snprintf(name, sizeof name, "d%03u.storm.lab", number);
    if (!table_key_make(&key, name, (size_t)length))
        return;
    watch->reads++;
    switch (table_read(reader, &key, now_ms, &verdict)) {
    case TABLE_MISS:
    case TABLE_ABSENT:
        watch->misses++;
        return;
    case TABLE_UNKNOWN:
        watch->unknown++;
        return;
    case TABLE_HIT:
        break;
    }
    watch->hits++;
    if (!is_plausible(&verdict, number)) {
        if (watch->wrong++ < WRONG_SHOWN)
            fprintf(stderr, "watch: %s: class %d level %d host \"%.20s\" is not its record\n", name,
                    (int)verdict.class, (int)verdict.level, verdict.host);
    } else if (verdict.began_ms > watch->newest_ms + 1000) {
        watch->newest_ms = verdict.began_ms;
        watch->renewals++;
    }
}

static struct table_reader *open_reader(const char *directory, const volatile sig_atomic_t *stop)
{
    struct table_reader *reader = NULL;
    struct table_clock clock;
    char why[256];
    while (!*stop) {
        if (table_clock_read(&clock) == 0 &&
            table_reader_open(&reader, directory, &clock, why, sizeof why) == 0)
            return reader;
        usleep(20000);
    }
    return NULL;
}

static void refresh(struct watch *watch, struct table_reader *reader)
{
    struct table_clock clock;
    int result = table_clock_read(&clock) == 0 ? table_reader_refresh(reader, &clock) : -1;
    watch->moved += result == 1;
    watch->refused += result < 0;
}

int watch_table(const char *directory, unsigned names, const volatile sig_atomic_t *stop)
{
    struct watch watch = {0};
    struct table_reader *reader = open_reader(directory, stop);
    unsigned long long refreshed_ms = boot_ms();
    while (!*stop && reader) {
        unsigned long long now_ms = boot_ms();
        for (unsigned i = 0; i < names; i++)
            read_one(&watch, reader, i, now_ms);
        if (now_ms - refreshed_ms >= REFRESH_MS) {
            refresh(&watch, reader);
            refreshed_ms = now_ms;
        }
        usleep(500); /* two cores, and the daemon needs one */
    }
    if (reader)
        table_reader_close(reader);
    printf("reads %lu\nhits %lu\nmisses %lu\nunknown %lu\nwrong %lu\nmoved %lu\nrefused %lu\n"
           "renewals %lu\n",
           watch.reads, watch.hits, watch.misses, watch.unknown, watch.wrong, watch.moved,
           watch.refused, watch.renewals);
    return watch.wrong == 0 && reader ? 0 : 1;
}
