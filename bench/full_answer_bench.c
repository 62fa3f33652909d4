/*
 * full_answer_bench.c - what does a whole answer for a sender and a recipient cost, beside the two
 * look-ups that it cannot do without?
 *
 * Twin of tests/local_test.c. A million domains in the table of verdicts and a million accounts in
 * the users' table, both at 80 % load; sender and recipient in random order, the next made from the
 * last answer. Ours is what the library does without the daemon (ipc/client/local): reading the
 * clocks, the recipient's next hop, the sender's account, alias and profile, the demands, the
 * policy and the text; once with messages that are all alike, and once with eight kinds of them in
 * no order, which only says. The floor is one look-up in each table, overlapped (table_prefetch),
 * with making and hashing the two keys, checking the records, and nothing else.
 *
 * The bar on that ratio is not reached (bench/README says why). Another stands on the instructions
 * of an answer, a tenth above what callgrind counts with two thousand domains.
 *
 * One thread, pinned.
 */
#include "bench/common/bench.h"
#include "bench/common/callgrind.h"
#include "bench/common/table_world.h"
#include "ipc/client/local.h"
#include "shm/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define STEPS   100000u
#define COUNTED 2000u /* answers under callgrind, and as many domains */

static struct table_writer *users_writer;
static struct table_reader *users_reader;
static struct local *local;
static char users_directory[80];
static uint32_t domains = 1000000;

/* --- who asks --- */

#define USER_AT    "user-"
#define USER_BYTES 26

/* "user-xxxxxxxx@mail.example": as many as there are domains, in the same way. */
static void user_name(char name[USER_BYTES + 1], uint32_t number)
{
    char digits[WORLD_NAME_BYTES + 1];

    world_name(digits, number);
    memcpy(name, USER_AT "xxxxxxxx@mail.example", USER_BYTES + 1);
    memcpy(name + 5, digits + 8, 8);
}

static uint32_t user_of(uint64_t value, uint64_t step)
{
    return (uint32_t)world_next(value ^ 0x5555, step, domains);
}

static uint32_t domain_of(uint64_t value, uint64_t step)
{
    return (uint32_t)world_next(value, step, domains);
}

static void put(bool packed, const struct table_key *key, union record *record)
{
    if (!packed || table_writer_put_record(users_writer, key, record) < 0)
        bench_say("a record of the users' table was not put");
}

static void users_fill(void)
{
    const struct profile profile = {
        .name = "standard", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP, .window_ms = UINT32_MAX};
    const struct account_settings settings = {
        .aliases_known = true, .no_aliases = true, .delimiter = "+", .standard = "standard"};
    union record record;
    struct table_key key;

    put(account_profile_pack(&record, &key, &profile, 1), &key, &record);
    put(account_settings_pack(&record, &key, &settings, 1), &key, &record);
    for (uint32_t i = 0; i < domains; i++) {
        const struct account account = {.flags = ACCOUNT_ON, .changed_s = 1};
        char name[USER_BYTES + 1];
        user_name(name, i);
        put(account_pack(&record, &key, name, &account, 1), &key, &record);
    }
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++) {
        table_writer_set_complete(users_writer, (uint16_t)partition, true);
        table_writer_set_complete(world_writer, (uint16_t)partition, true);
    }
    table_writer_set_settings(world_writer, WORLD_EPOCH);
}

static const char *users_make(void)
{
    static char why[256];

    snprintf(users_directory, sizeof users_directory, "%s/users", world_directory);
    if (mkdir(users_directory, 0700) != 0)
        return "no folder for the users' table";
    if (table_writer_open(&users_writer, users_directory, world_bytes(domains) / 2, &world_now,
                          NULL, why, sizeof why) < 0)
        return why;
    users_fill();
    if (table_reader_open(&users_reader, users_directory, &world_now, why, sizeof why) < 0)
        return why;
    return local_open(&local, world_directory) < 0 ? "no memory" : NULL;
}

static void users_end(void)
{
    char path[128];

    local_close(local);
    table_reader_close(users_reader);
    if (users_writer != NULL) {
        unlink(table_writer_path(users_writer));
        snprintf(path, sizeof path, "%s/table.lock", users_directory);
        unlink(path);
    }
    table_writer_close(users_writer);
    rmdir(users_directory);
}

/* --- ours --- */

static uint64_t boot_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What the mail program says of the message: of so many kinds, in no order. */
static void kind_draw(struct frame_decide *asked, uint64_t value, uint64_t step, unsigned kinds)
{
    const uint64_t kind = world_next(value ^ 0x3333, step, kinds);

    asked->facts = kind & (FACT_AUTHENTICATED | FACT_LOCAL_ORIGIN);
    asked->enforced = kind >> 2 & 1;
}

static uint64_t ours(uint64_t value, unsigned steps, unsigned kinds)
{
    static struct frame_decide asked;
    static struct local_outcome out;
    unsigned wrong = 0;

    memcpy(asked.recipient, "someone@", 8);
    for (uint64_t step = 0; step < steps; step++) {
        user_name(asked.sender, user_of(value, step));
        world_name(asked.recipient + 8, domain_of(value, step));
        kind_draw(&asked, value, step, kinds);
        local_begin(local, &out, &asked); /* as ipc/client/tables does */
        const uint64_t now_ms = boot_ms();
        local_fetch(local, &out, now_ms);
        local_look_on(local, &out, &asked, now_ms, time(NULL));
        wrong += out.error != FRAME_ERROR_NONE || !local_is_enough(&out) ||
                 out.answer.asked.decision.by != ACCOUNT_BY_SENDER;
        value = world_value(&out.answer.known.verdict);
    }
    if (wrong > 0)
        bench_say("%u answers were not what they must be", wrong);
    return value;
}

/* --- the floor --- */

static uint64_t floor_two(uint64_t value)
{
    static struct verdict verdict;
    union record record;
    unsigned missed = 0;

    for (uint64_t step = 0; step < STEPS; step++) {
        char name[WORLD_NAME_BYTES + 1], user[1 + USER_BYTES + 1];
        struct table_key domain_key, user_key;
        struct table_ahead domain_ahead, user_ahead;
        world_name(name, domain_of(value, step));
        user[0] = 'a';
        user_name(user + 1, user_of(value, step));
        table_key_make(&domain_key, name, WORLD_NAME_BYTES);
        table_prefetch(&domain_ahead, world_reader, &domain_key);
        table_key_make(&user_key, user, 1 + USER_BYTES);
        table_prefetch(&user_ahead, users_reader, &user_key);
        table_prefetch_record(&domain_ahead, world_reader, &domain_key);
        table_prefetch_record(&user_ahead, users_reader, &user_key);
        missed += table_find_ahead(&user_ahead, users_reader, &user_key, world_now.boot_ms,
                                   &record) != TABLE_HIT;
        missed += table_read_ahead(&domain_ahead, world_reader, &domain_key, world_now.boot_ms,
                                   &verdict) != TABLE_HIT;
        value = world_value(&verdict);
    }
    if (missed > 0)
        bench_say("%u misses among the hits", missed);
    return value;
}

/* --- measuring --- */

static void measure(const struct bench_case *what, unsigned kinds)
{
    static volatile uint64_t sink;
    struct bench_pairs pairs = {0};

    sink = ours(1, STEPS, kinds) + floor_two(1); /* page tables */
    for (unsigned pair = 0; pair < bench_pairs_wanted(); pair++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            const enum bench_side side = bench_side(pair, turn);
            const struct bench_watch watch = bench_start(side);
            sink += side == BENCH_OURS ? ours(pair, STEPS, kinds) : floor_two(pair);
            const struct bench_spent spent = bench_stop(&watch);
            bench_add(&pairs, side, (double)spent.thread_ns / STEPS);
        }
    }
    bench_report(what, &pairs);
}

/* All messages alike, as the target has it; and of eight kinds, whose answers are kept but do not
 * come one after the other (ipc/client/usual). */
static void measure_both(void)
{
    measure(&(struct bench_case){"full_answer", "sender and recipient", "ns", BENCH_AT_MOST, 1.1},
            1);
    measure(
        &(struct bench_case){"full_answer", "the same, of eight kinds", "ns", BENCH_JUST_SAY, 0},
        8);
}

/* --- instructions --- */

static void measure_instructions(const char *self)
{
    const struct bench_case what = {"full_answer", "instructions of an answer", "instructions",
                                    BENCH_AT_MOST, 3660};
    const double instructions = callgrind_count(self, bench_planted_count(COUNTED));

    if (instructions > 0)
        bench_report_once(&what, instructions / COUNTED, 0);
    else
        bench_unmeasured(&what, "there is no valgrind");
}

static void be_counted(unsigned answers)
{
    ours(1, COUNTED, 1); /* what is done once */
    CALLGRIND_START_INSTRUMENTATION;
    ours(2, answers, 1);
    CALLGRIND_STOP_INSTRUMENTATION;
}

/* With a number: for ourselves under callgrind. */
int main(int count, char **words)
{
    const bool is_counted = count > 1;

    domains = is_counted ? COUNTED : domains;
    const char *why = world_make(domains);
    if (why == NULL)
        why = users_make();
    if (why == NULL && is_counted)
        be_counted((unsigned)strtoul(words[1], NULL, 10));
    else if (why == NULL)
        measure_both();
    users_end();
    world_end();
    if (why != NULL)
        return bench_impossible(why);
    if (!is_counted)
        measure_instructions(words[0]);
    return bench_finish();
}
