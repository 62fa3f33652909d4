/*
 * dns_answer_bench.c - what does a validated look-up cost?
 *
 * Twin of tests/dns_resolver_test.c: the same name service (tests/dns_zones), the same resolver.
 * The floor is libunbound's own asynchronous interface with its thread, with the same options, over
 * the same names, with as many look-ups under way. A slice makes a resolver with an empty cache,
 * fetches the keys of the top (not measured), looks everything up once (cold) and then again
 * several times (warm). CPU is that of this process: asker and resolver, without the name servers,
 * which are other processes.
 *
 * Beside it stands a thread that wakes up a thousand times a second, as a front does to answer from
 * the table: how late it is while the resolver works, and while nothing does.
 *
 * Instructions: both sides counted by callgrind, cold and warm, in processes of their own. They
 * know no noise, so their bars are tight.
 *
 * The names: a third each in signed domains of their own, in unsigned ones, and in one large domain
 * with NSEC3; of each the MX, the address, and the TLSA records.
 */
#include "bench/common/bench.h"
#include "bench/common/callgrind.h"
#include "bench/common/callgrind_ring.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/counter.h"
#include "engine/base/keymap.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/dns/resolver.h"
#include "engine/dns/resolver_context.h"

#include "tests/dns_zones/world.h"

#include <unbound.h>

#include <pthread.h>

enum {
    DOMAINS = 250, /* of each kind */
    LOOK_UPS = 9 * DOMAINS,
    UNDER_WAY = LIMIT_DNS_INSIDE,
    WARM_ROUNDS = 20,
    PATIENCE_MS = 60000,
    ASKER = 0,
    RESOLVER = 1,
};

static struct world world;

static struct work {
    struct name name;
    enum dns_type type;
    bool secure;
} work[LOOK_UPS];

static void work_fill(void)
{
    static const struct {
        const char *letter, *parent;
    } owners[] = {{"s", "post"}, {"u", "post"}, {"n", "crowd.post"}};
    static const struct {
        const char *prefix;
        enum dns_type type;
    } rows[] = {{"", DNS_MX}, {"mx.", DNS_A}, {"_25._tcp.mx.", DNS_TLSA}};

    for (unsigned i = 0; i < LOOK_UPS; i++) {
        unsigned at =
            (unsigned)((uint64_t)i * 1009 % LOOK_UPS); /* mixed; 1009 divides nothing here */
        char text[64];
        snprintf(text, sizeof text, "%s%s%u.%s", rows[i / 3 % 3].prefix, owners[i % 3].letter,
                 i / 9 + 1, owners[i % 3].parent);
        CHECK(name_parse(&work[at].name, text, strlen(text)) == NAME_OK);
        work[at].type = rows[i / 3 % 3].type;
        work[at].secure = i % 3 != 1;
    }
}

/* How many of them, the first ones, and how many under way. */
struct extent {
    unsigned look_ups, under_way;
};
static const struct extent whole = {LOOK_UPS, UNDER_WAY};

/* What one slice cost. */
struct cost {
    struct bench_spent cold, warm;
    double front_late_us; /* 99 % of the front's wake-ups were on time, or late by less than this */
};

static struct resolver_options options(void)
{
    return (struct resolver_options){.root_hints = world.hints, .trust_anchor = world.anchor};
}

/* --- a front beside it --- */

enum { FRONT_PERIOD_NS = 1000000, QUIET_MS = 400 };

static struct front {
    pthread_t thread;
    atomic_bool stop; /* relaxed: only when it is seen matters */
    struct histogram late_us;
} front;

static void *front_run(void *argument)
{
    struct timespec next;

    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!atomic_load_explicit(&front.stop, memory_order_relaxed)) {
        struct timespec now;
        next.tv_nsec += FRONT_PERIOD_NS;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t late_ns =
            (int64_t)(now.tv_sec - next.tv_sec) * 1000000000 + (now.tv_nsec - next.tv_nsec);
        histogram_add(&front.late_us, (uint64_t)(late_ns > 0 ? late_ns / 1000 : 0));
        if (late_ns > FRONT_PERIOD_NS)
            next = now; /* what was missed is not made up for */
    }
    return argument;
}

static void front_start(void)
{
    memset(&front, 0, sizeof front);
    CHECK(pthread_create(&front.thread, NULL, front_run, NULL) == 0);
}

static double front_stop(void)
{
    atomic_store_explicit(&front.stop, true, memory_order_relaxed);
    CHECK(pthread_join(front.thread, NULL) == 0);
    return (double)histogram_quantile_us(&front.late_us, 0.99);
}

static double front_quiet(void)
{
    front_start();
    usleep(QUIET_MS * 1000);
    return front_stop();
}

/* --- ours --- */

struct ours {
    struct ring *ring;
    struct exchange *exchange;
    struct mailbox *mailbox;
    struct resolver *resolver;
    int descriptors[2];
    struct dns_question questions[UNDER_WAY];
};

static void ours_wake(void *context, uint16_t to)
{
    struct ours *o = context;
    ring_wake(o->ring, o->descriptors[to]);
}

static void ours_completed(void *context, const struct ring_completion *completion)
{
    (void)context, (void)completion;
}

static void ours_ask(struct ours *o, struct dns_question *question, const struct work *w)
{
    question->name = w->name;
    question->type = w->type;
    question->token.slot = (uint32_t)(w - work);
    question->deadline_ms = clock_boot_ms() + PATIENCE_MS;
    question->answer = NULL;
    mailbox_send(o->mailbox, RESOLVER, &question->message);
}

static void ours_check(struct dns_question *question)
{
    bool secure = work[question->token.slot].secure;
    CHECK(question->answer->kind == (secure ? DNS_SECURE_DATA : DNS_INSECURE_DATA));
    dns_answer_drop(question->answer);
}

static void ours_sleep(struct ours *o)
{
    mailbox_flush(o->mailbox);
    uint64_t until_ms = mailbox_may_sleep(o->mailbox) ? clock_boot_ms() + PATIENCE_MS : 0;
    CHECK(ring_turn(o->ring, until_ms, ours_completed, o) >= 0);
    mailbox_awake(o->mailbox);
}

static void ours_round(struct ours *o, struct extent extent)
{
    unsigned asked = 0, home = 0;

    for (; asked < extent.under_way && asked < extent.look_ups; asked++)
        ours_ask(o, &o->questions[asked], &work[asked]);
    while (home < extent.look_ups) {
        struct message *message;
        while ((message = mailbox_receive(o->mailbox))) {
            struct dns_question *question = container_of(message, struct dns_question, message);
            ours_check(question);
            home++;
            if (asked < extent.look_ups)
                ours_ask(o, question, &work[asked++]);
        }
        if (home < extent.look_ups)
            ours_sleep(o);
    }
}

static void ours_open(struct ours *o)
{
    struct ring_limits limits = {.submissions = 64};
    struct resolver_options mine = options();
    char why[256];

    CHECK(ring_create(&o->ring, &limits) == 0);
    CHECK(exchange_create(&o->exchange, 2, 1024) == 0);
    o->mailbox = mailbox_open(o->exchange, ASKER, ours_wake, o);
    o->descriptors[ASKER] = ring_descriptor(o->ring);
    mine.ring_descriptors = o->descriptors;
    CHECK(resolver_start(&o->resolver, &mine, o->exchange, RESOLVER, why) == 0);
    o->descriptors[RESOLVER] = resolver_descriptor(o->resolver);
}

static void ours_close(struct ours *o)
{
    resolver_stop(o->resolver);
    exchange_destroy(o->exchange);
    ring_destroy(o->ring);
}

static void ours_prime(struct ours *o)
{
    struct work top = {.type = DNS_SOA};
    struct dns_question *question = &o->questions[0];
    struct message *message;

    CHECK(name_parse(&top.name, "post", 4) == NAME_OK);
    ours_ask(o, question, &top);
    while (!(message = mailbox_receive(o->mailbox)))
        ours_sleep(o);
    CHECK(question->answer->kind == DNS_SECURE_DATA);
    dns_answer_drop(question->answer);
}

static struct cost ours_slice(void)
{
    static struct ours o;
    struct cost cost;

    memset(&o, 0, sizeof o);
    ours_open(&o);
    ours_prime(&o);
    front_start();
    struct bench_watch watch = bench_start(BENCH_OURS);
    ours_round(&o, whole);
    cost.cold = bench_stop(&watch);
    cost.front_late_us = front_stop();
    watch = bench_start(BENCH_OURS);
    for (unsigned round = 0; round < WARM_ROUNDS; round++)
        ours_round(&o, whole);
    cost.warm = bench_stop(&watch);
    const struct resolver_counts *counts = resolver_counts(o.resolver);
    bench_say("  ours: slowest per cent of answers %llu us and more",
              (unsigned long long)histogram_quantile_us(&counts->answer_us, 0.99));
    ours_close(&o);
    return cost;
}

/* --- libunbound's own --- */

struct theirs {
    struct ub_ctx *context;
    unsigned asked, home;
};
static struct theirs *theirs_now; /* one at a time; the callbacks' argument is the work */

static void theirs_called_back(void *argument, int error, struct ub_result *result)
{
    const struct work *w = argument;

    CHECK(error == 0 && result->havedata && !result->bogus && !result->secure == !w->secure);
    ub_resolve_free(result);
    theirs_now->home++;
}

static void theirs_ask(struct theirs *t, struct work *w)
{
    CHECK(ub_resolve_async(t->context, w->name.text, (int)w->type, 1, w, theirs_called_back,
                           NULL) == 0);
    t->asked++;
}

static void theirs_round(struct theirs *t, struct extent extent)
{
    struct pollfd answers = {.fd = ub_fd(t->context), .events = POLLIN};

    t->asked = t->home = 0;
    while (t->home < extent.look_ups) {
        while (t->asked < extent.look_ups && t->asked - t->home < extent.under_way)
            theirs_ask(t, &work[t->asked]);
        CHECK(poll(&answers, 1, PATIENCE_MS) == 1);
        CHECK(ub_process(t->context) == 0);
    }
}

static void theirs_open(struct theirs *t)
{
    struct resolver_options same = options();
    struct ub_result *result;
    char why[256];

    theirs_now = t;
    CHECK(resolver_context_create(&t->context, &same, NULL, why, sizeof why) == 0);
    CHECK(ub_resolve(t->context, "post", DNS_SOA, 1, &result) == 0 && result->secure);
    ub_resolve_free(result);
}

static struct cost theirs_slice(void)
{
    struct theirs t = {0};
    struct cost cost;

    theirs_open(&t);
    cost.front_late_us = front_quiet();
    front_start(); /* it is in their account as in ours */
    struct bench_watch watch = bench_start(BENCH_FLOOR);
    theirs_round(&t, whole);
    cost.cold = bench_stop(&watch);
    (void)front_stop();
    watch = bench_start(BENCH_FLOOR);
    for (unsigned round = 0; round < WARM_ROUNDS; round++)
        theirs_round(&t, whole);
    cost.warm = bench_stop(&watch);
    resolver_context_delete(t.context);
    return cost;
}

/* --- comparing --- */

enum { COLD_CPU, COLD_RATE, WARM_CPU, WARM_RATE, FRONT, METRICS };

/* Promises: cold no dearer than libunbound's own, warm half as dear. The warm floor is cheap or
 * dear by half, as libunbound's thread and its asker come to lie on one processor or on two. */
static const struct bench_case cases[METRICS] = {
    [COLD_CPU] = {"dns_answer", "cold: CPU per look-up", "us", BENCH_AT_MOST, 1.0},
    [COLD_RATE] = {"dns_answer", "cold: look-ups", "per s", BENCH_AT_LEAST, 1.0},
    [WARM_CPU] = {"dns_answer", "warm: CPU per look-up", "us", BENCH_AT_MOST, 0.5},
    [WARM_RATE] = {"dns_answer", "warm: look-ups", "per s", BENCH_AT_LEAST, 2.0},
    [FRONT] = {"dns_answer", "cold: a front beside it late by, 99 %", "us", BENCH_JUST_SAY, 0},
};

static struct bench_pairs results[METRICS];

static void keep(enum bench_side side, const struct cost *cost)
{
    const double cold = LOOK_UPS, warm = (double)LOOK_UPS * WARM_ROUNDS;

    bench_add(&results[COLD_CPU], side, (double)cost->cold.cpu_ns / 1000 / cold);
    bench_add(&results[COLD_RATE], side, cold * 1e9 / (double)cost->cold.wall_ns);
    bench_add(&results[WARM_CPU], side, (double)cost->warm.cpu_ns / 1000 / warm);
    bench_add(&results[WARM_RATE], side, warm * 1e9 / (double)cost->warm.wall_ns);
    bench_add(&results[FRONT], side, cost->front_late_us);
    bench_say("%s: cold %.1f us CPU, %.0f/s; warm %.2f us CPU, %.0f/s",
              side == BENCH_OURS ? "ours  " : "theirs", (double)cost->cold.cpu_ns / 1000 / cold,
              cold * 1e9 / (double)cost->cold.wall_ns, (double)cost->warm.cpu_ns / 1000 / warm,
              warm * 1e9 / (double)cost->warm.wall_ns);
}

/* --- instructions --- */

/* Few look-ups, and few of them under way: valgrind is slow, and a resolver that stands still for a
 * second blames itself for what it did not find. The bars stand a tenth above what was measured
 * (bench/README), so that a fifth more work makes them fall. */
enum { COUNTED = 250, COUNTED_UNDER_WAY = 4, COUNTED_ROUNDS = 20, TRIES = 5 };

static const struct bench_case counted_cases[2] = {
    {"dns_answer", "cold: instructions", "thousand a look-up", BENCH_AT_MOST, 1.09},
    {"dns_answer", "warm: instructions", "thousand a look-up", BENCH_AT_MOST, 0.95},
};

/* In a process of its own, under callgrind. `rounds` 0: the first round, with an empty cache. */
static int run_counted(enum bench_side side, unsigned look_ups, unsigned rounds)
{
    static struct ours o;
    struct theirs t = {0};
    struct extent extent = {look_ups, COUNTED_UNDER_WAY};

    if (side == BENCH_OURS) {
        ours_open(&o);
        ours_prime(&o);
    } else {
        theirs_open(&t);
    }
    if (rounds == 0)
        CALLGRIND_START_INSTRUMENTATION;
    for (unsigned round = 0; round <= rounds; round++) {
        if (side == BENCH_OURS)
            ours_round(&o, extent);
        else
            theirs_round(&t, extent);
        if (round == 0 && rounds > 0)
            CALLGRIND_START_INSTRUMENTATION;
    }
    CALLGRIND_STOP_INSTRUMENTATION;
    if (side == BENCH_OURS)
        ours_close(&o);
    else
        resolver_context_delete(t.context);
    return 0;
}

/* What callgrind counts; 0: it did not run. */
static double count_instructions(enum bench_side side, unsigned look_ups, unsigned rounds)
{
    char program[512] = "", report[128], numbers[3][16];
    double counted = 0;

    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    snprintf(report, sizeof report, "%s/callgrind", world.folder);
    snprintf(numbers[0], sizeof numbers[0], "%d", (int)side);
    snprintf(numbers[1], sizeof numbers[1], "%u", look_ups);
    snprintf(numbers[2], sizeof numbers[2], "%u", rounds);
    const char *const words[] = {program, world.folder, numbers[0], numbers[1], numbers[2], NULL};
    for (unsigned try = 0; counted == 0 && try < TRIES; try++)
        counted = callgrind_end(callgrind_start(words, "--instr-atstart=no", report, NULL), report);
    return counted;
}

static void measure_instructions(void)
{
    for (unsigned warm = 0; warm < 2; warm++) {
        double each[2];
        for (enum bench_side side = BENCH_OURS; side <= BENCH_FLOOR; side++) {
            const bool ours = side == BENCH_OURS;
            unsigned look_ups = !warm && ours ? bench_planted_count(COUNTED) : COUNTED;
            unsigned rounds = !warm  ? 0
                              : ours ? bench_planted_count(COUNTED_ROUNDS)
                                     : COUNTED_ROUNDS;
            double counted = count_instructions(side, look_ups, rounds);
            if (counted == 0) {
                bench_say("instructions cannot be counted here");
                return;
            }
            each[side] = counted / COUNTED / (warm ? COUNTED_ROUNDS : 1) / 1e3;
        }
        (void)bench_report_once(&counted_cases[warm], each[BENCH_OURS], each[BENCH_FLOOR]);
    }
}

/* Rates compare how two programs share processors with all others: beside much other work they say
 * nothing, and are only told. */
static bool rates_count(void)
{
    double load = 0;
    if (getloadavg(&load, 1) != 1 || load <= (double)sysconf(_SC_NPROCESSORS_ONLN) + 1)
        return true;
    bench_say("this machine has other work (load %.1f): the bars on rates are not held", load);
    return false;
}

static void measure_time(bool with_rates)
{
    for (unsigned pair = 0; pair < bench_pairs_wanted(); pair++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            enum bench_side side = bench_side(pair, turn);
            struct cost cost = side == BENCH_OURS ? ours_slice() : theirs_slice();
            keep(side, &cost);
        }
    }
    for (unsigned i = 0; i < METRICS; i++) {
        struct bench_case what = cases[i];
        if (what.sense == BENCH_AT_LEAST && !with_rates)
            what.sense = BENCH_JUST_SAY;
        (void)bench_report(&what, &results[i]);
    }
}

int main(int count, char **words)
{
    log_start(LOG_WARNING_LEVEL, "stderr");
    work_fill();
    if (count == 5) {
        snprintf(world.hints, sizeof world.hints, "%s/hints", words[1]);
        snprintf(world.anchor, sizeof world.anchor, "%s/anchor", words[1]);
        return run_counted((enum bench_side)atoi(words[2]), (unsigned)atoi(words[3]),
                           (unsigned)atoi(words[4]));
    }
    const bool with_rates = rates_count(); /* before we make work ourselves */
    const char *why = world_open(&world, DOMAINS, NULL);
    if (why)
        return bench_impossible(why);
    measure_instructions();
    measure_time(with_rates);
    world_close(&world);
    return bench_finish();
}
