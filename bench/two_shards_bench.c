/*
 * two_shards_bench.c - what do two shards cost each other, besides waiting?
 *
 * Twin of tests/lab: the whole engine with its front, resolver, shards and table, asked over its
 * native socket, in a network namespace with signed zones served by NSD (tests/dns_zones) and the
 * farm as mail hosts. Every domain has a mail host of its own in a network of its own, so that
 * domains, hosts and endpoints are spread over the shards. Every question is live: it costs one
 * probe.
 *
 * Callgrind counts the instructions of a process that runs the engine as tools/mxward.c does, and
 * nothing else; this process asks. It is done with one shard and with two, both with one resolver.
 * Counting begins when every domain was looked at once: the start, the self-test, and all that NSD
 * was asked are not in it, and the resolver answers from its cache from then on.
 *
 * Not build/mxward itself, because of how valgrind treats threads that wait in their rings:
 * bench/common/callgrind_ring.h.
 */
#include "bench/common/bench.h"
#include "bench/common/callgrind.h"
#include "bench/common/callgrind_ring.h"
#include "bench/common/farm.h"
#include "bench/common/process.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/engine.h"
#include "ipc/client/mxward.h"
#include "ipc/serve/serve.h"

#include "tests/dns_zones/world.h"

enum {
    PORT = 25,
    DOMAINS = 100,
    QUESTIONS = 300, /* counted */
    WINDOW = 16,     /* of them under way */
    PASSES = 100,
    PASS_S = 2,        /* before: until every domain is known */
    START_MS = 120000, /* under valgrind */
    WAIT_MS = 300000,
};

static struct world world;
static struct farm farm;

/* --- the engine --- */

static const char settings[] = "daemon {\n"
                               "    shards = %u\n"
                               "    resolvers = 1\n"
                               "    run_directory = %s/run\n"
                               "    state_directory = %s\n"
                               "    table_size = 16m\n"
                               "}\n"
                               "dns {\n"
                               "    root_hints = %s\n"
                               "    trust_anchor = %s\n"
                               "    deadline = 60s\n"
                               "    ipv6 = no\n"
                               "}\n"
                               "probe {\n"
                               "    ehlo_name = bench.example\n"
                               "    allow_reserved = yes\n"
                               "    ca_file = %s/root.crt\n"
                               "    connect = 5m\n"
                               "    greeting = 5m\n"
                               "    command = 5m\n"
                               "    handshake = 5m\n"
                               "    goodbye = 5m\n"
                               "    whole = 5m\n"
                               "    heavy_per_turn = 1\n"
                               "    ipv6 = no\n"
                               "}\n"
                               "politeness {\n"
                               "    rate_address = 1000000\n"
                               "    rate_prefix = 1000000\n"
                               "    burst_address = 1000\n"
                               "    burst_prefix = 1000\n"
                               "}\n";

/* Counts between two signals; says on standard output that it has taken one. */
static void count_until_stopped(const sigset_t *signals)
{
    int signal;
    while (sigwait(signals, &signal) == 0 && signal != SIGTERM) {
        if (signal == SIGUSR1)
            CALLGRIND_START_INSTRUMENTATION;
        else
            CALLGRIND_STOP_INSTRUMENTATION;
        CHECK(write(STDOUT_FILENO, ".", 1) == 1);
    }
}

/* What tools/mxward.c does with a good configuration, until SIGTERM. */
static int run_engine(const char *file)
{
    void *configuration;
    struct option_origin *origin;
    struct engine *engine;
    struct serve *serve;
    char why[512] = "";
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGUSR2);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    log_start(LOG_ERROR_LEVEL, "stderr");
    if (option_load(&configuration_table, file, &configuration, &origin, why, sizeof why) != 0 ||
        engine_start(&engine, configuration, why, sizeof why) != 0 ||
        serve_start(&serve, engine, configuration, why, sizeof why) != 0) {
        bench_say("the engine does not start: %s", why);
        return 1;
    }
    count_until_stopped(&signals);
    engine_drain(engine);
    serve_stop(serve);
    engine_stop(engine);
    serve_free(serve);
    option_free(&configuration_table, configuration, origin);
    return 0;
}

static pid_t engine_under_callgrind(unsigned shards, const char *report, int *output)
{
    char program[512] = "", path[128];
    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    snprintf(path, sizeof path, "%s/mxward.conf", farm.directory);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    fprintf(file, settings, shards, farm.directory, farm.directory, world.hints, world.anchor,
            farm.directory);
    CHECK(fclose(file) == 0);
    const char *const words[] = {program, path, NULL};
    return callgrind_start(words, "--instr-atstart=no", report, output);
}

static struct mxw *engine_connect(void)
{
    char socket[128];
    struct mxw_options options = MXW_OPTIONS_INIT;
    struct mxw *handle;
    snprintf(socket, sizeof socket, "%s/run/mxward.sock", farm.directory);
    options.socket = socket;
    options.tables = ""; /* the daemon is measured */
    options.connect_ms = START_MS;
    CHECK(mxw_open(&handle, &options) == MXW_OK);
    for (unsigned waited_ms = 0; waited_ms < START_MS; waited_ms += 100) {
        if (mxw_connect(handle) == MXW_OK)
            return handle;
        usleep(100000);
    }
    bench_say("the engine does not answer: %s", mxw_reason(handle));
    mxw_close(handle);
    return NULL;
}

/* --- asking it --- */

struct asking {
    char names[DOMAINS][32];
    bool known[DOMAINS];    /* its verdict is definite */
    unsigned first;         /* domain of the first question under way */
    unsigned authenticated; /* verdicts so far */
};

static int answered(void *context, size_t place, const struct mxw_result *result)
{
    struct asking *asking = context;
    bool good = result->status == MXW_OK && result->verdict.level == LEVEL_AUTHENTICATED;
    asking->known[(asking->first + place) % DOMAINS] = good;
    asking->authenticated += good;
    return 0;
}

/* How many probes it says it has brought to their end; and what it says of each shard. */
static unsigned probes_done(struct mxw *handle)
{
    const char *text, *outcomes, *count, *shards;
    size_t length;
    CHECK(mxw_daemon_status(handle, &text, &length, WAIT_MS) == MXW_OK);
    shards = strstr(text, "\"shards\":[");
    if (shards != NULL)
        bench_say("%.*s", (int)strcspn(shards, "]") + 1, shards);
    outcomes = strstr(text, "\"outcomes\":{");
    count = outcomes == NULL ? NULL : strstr(outcomes, "\"tls-ok\":");
    CHECK(count != NULL);
    return (unsigned)atoi(count + strlen("\"tls-ok\":"));
}

/* `count` live questions, about the domains in turn. True: each was answered. */
static bool ask(struct mxw *handle, struct asking *asking, unsigned first, unsigned count)
{
    struct mxw_question *questions = calloc(count, sizeof *questions);
    CHECK(questions != NULL);
    asking->first = first;
    for (unsigned i = 0; i < count; i++) {
        questions[i] = (struct mxw_question)MXW_QUESTION_INIT;
        questions[i].next_hop = asking->names[(first + i) % DOMAINS];
        questions[i].freshness = MXW_LIVE;
        questions[i].deadline_ms = WAIT_MS;
    }
    int status = mxw_check_many(handle, questions, count, WINDOW, WAIT_MS, answered, asking);
    free(questions);
    return status == MXW_OK;
}

/* Until every verdict is definite. One after the other, and again what went wrong: under valgrind a
 * resolver stands still at times, and what it then could not see is its own failure for a while. */
static bool warm_up(struct mxw *handle, struct asking *asking)
{
    for (unsigned i = 0; i < DOMAINS; i++)
        snprintf(asking->names[i], sizeof asking->names[i], "s%u.post", i + 1);
    for (unsigned pass = 0, missing = DOMAINS; pass < PASSES; pass++) {
        for (unsigned i = 0; i < DOMAINS; i++) {
            if (asking->known[i])
                continue;
            if (!ask(handle, asking, i, 1))
                return false;
            missing -= asking->known[i];
        }
        if (missing == 0)
            return true;
        sleep(PASS_S);
    }
    return false;
}

static bool tell(pid_t child, int signal, int output)
{
    char taken;
    return kill(child, signal) == 0 && read(output, &taken, 1) == 1;
}

/* True: every question was a probe, and every verdict definite. */
static bool ask_and_count(struct mxw *handle, unsigned questions, pid_t child, int output)
{
    struct asking asking = {0};
    if (!warm_up(handle, &asking))
        return false;
    const unsigned before = probes_done(handle);
    asking.authenticated = 0;
    if (!tell(child, SIGUSR1, output) || !ask(handle, &asking, 0, questions) ||
        !tell(child, SIGUSR2, output))
        return false;
    unsigned probes = probes_done(handle) - before;
    bench_say("%u questions, %u probes, %u verdicts", questions, probes, asking.authenticated);
    return asking.authenticated == questions && probes == questions;
}

/* What callgrind counts of the engine with so many questions; 0: it cannot be had. */
static double count_instructions(unsigned shards, unsigned questions)
{
    char report[128];
    int output;
    snprintf(report, sizeof report, "%s/callgrind", farm.directory);
    pid_t child = engine_under_callgrind(shards, report, &output);
    struct mxw *handle = engine_connect();
    bool good = handle != NULL && ask_and_count(handle, questions, child, output);
    mxw_close(handle);
    close(output);
    kill(child, good ? SIGTERM : SIGKILL); /* who did not answer may not hear either */
    double counted = callgrind_end(child, report);
    bench_say("shards: %u; %.1f million instructions", shards, counted / 1e6);
    return good ? counted : 0;
}

static int measure(void)
{
    double each[3] = {0};
    for (unsigned shards = 1; shards <= 2; shards++) {
        double counted =
            count_instructions(shards, shards == 2 ? bench_planted_count(QUESTIONS) : QUESTIONS);
        if (counted == 0)
            return bench_impossible("the engine does not run under valgrind");
        each[shards] = counted / QUESTIONS / 1e6;
    }
    bench_report_once(&(struct bench_case){"two_shards", "the whole engine",
                                           "million instructions a probe", BENCH_AT_MOST, 1.02},
                      each[2], each[1]);
    return bench_finish();
}

static const char *open_everything(void)
{
    char digest[65];
    const char *why = farm_prepare(&farm);
    if (why == NULL && !farm_key_digest(&farm, "good", digest))
        why = "the certificate has no digest";
    if (why == NULL)
        why = world_open(&world, DOMAINS, digest);
    if (why == NULL)
        why = farm_start(&farm, PORT);
    return why;
}

int main(int count, char **words)
{
    if (count == 2)
        return run_engine(words[1]);
    signal(SIGPIPE, SIG_IGN);
    const char *why = open_everything();
    int status = why == NULL ? measure() : bench_impossible(why);
    world_close(&world);
    farm_close(&farm);
    return status;
}
