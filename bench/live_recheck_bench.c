/*
 * live_recheck_bench.c - how long does a message wait that wants its recipient looked at anew?
 *
 * Twin of tests/lab: build/mxward with all its threads, asked over its native socket, in a network
 * namespace with signed zones served by NSD (tests/dns_zones) and the farm as mail hosts, each of
 * whose answers comes after 5 or after 50 ms. Questions are live and come at fixed times, whatever
 * became of those before (an open loop): a thousand connections' worth of messages through sixteen
 * connections. A question's time begins when it was due, not when it could be sent.
 *
 * The floor is one probe: the same question, when nothing else is asked. Without a politeness
 * budget a question waits for the probe under way, and for the next. With it (the defaults) a probe
 * that may not be made in time is not made, and the answer says `limited`, with the age of what it
 * rests on.
 *
 * DNS is in it, as answered from the resolver's cache: every domain was asked for once before.
 */
#include "bench/common/bench.h"
#include "bench/common/farm.h"
#include "bench/common/process.h"

#include "engine/base/check.h"
#include "ipc/client/mxward.h"
#include "ipc/wire/frame.h"

#include "tests/dns_zones/world.h"

#include <sys/stat.h>
#include <sys/un.h>

enum {
    PORT = 25,
    ENDPOINTS = 100, /* s1.post … */
    DOMAINS = 1000,  /* t1.crowd.post. …, ten at each endpoint */
    CONNECTIONS = 16,
    ALONE = 9, /* probes that the floor is measured with */
    START_MS = 20000,
    DEADLINE_MS = 500, /* where there is a budget: 8,192 questions of a user may wait at once */
    WAIT_MS = 60000,
    QUESTIONS_MOST = 40000,
    ANSWERS_BYTES = 1 << 18, /* of a connection, not yet taken apart */
};

/* One domain, or all of them. */
struct target {
    const char *name, *letter, *zone; /* of its domains */
    unsigned domains, endpoints;
};
static const struct target targets[] = {{"one domain", "s", "post", 1, 1},
                                        {"1,000 domains", "t", "crowd.post", DOMAINS, ENDPOINTS}};
static const struct load {
    unsigned per_s, seconds;
} loads[] = {{1, 4}, {100, 3}, {10000, 3}};
static const unsigned answers_after_ms[] = {5, 50};

static void name_domain(char *name, const struct target *target, unsigned i)
{
    snprintf(name, 64, "%s%u.%s", target->letter, i + 1, target->zone);
}

static struct world world;
static struct farm farm;

/* --- the daemon --- */

static const char settings[] = "daemon {\n"
                               "    run_directory = %s/run\n"
                               "    state_directory = %s/state\n"
                               "    table_size = 16m\n"
                               "    log_level = error\n"
                               "}\n"
                               "dns {\n"
                               "    root_hints = %s\n"
                               "    trust_anchor = %s\n"
                               "    ipv6 = no\n"
                               "}\n"
                               "probe {\n"
                               "    ehlo_name = bench.example\n"
                               "    allow_reserved = yes\n"
                               "    ca_file = %s/root.crt\n"
                               "    ipv6 = no\n"
                               "}\n";
static const char without_budget[] = "politeness {\n"
                                     "    rate_address = 0\n"
                                     "    rate_prefix = 0\n"
                                     "}\n";

static pid_t daemon_start(bool budget)
{
    const char *build = getenv("BUILD"), *directory = farm.directory;
    char program[512], path[128], folder[128];
    snprintf(program, sizeof program, "%s/mxward", build == NULL ? "build" : build);
    snprintf(path, sizeof path, "%s/mxward.conf", directory);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    fprintf(file, settings, directory, directory, world.hints, world.anchor, directory);
    if (!budget)
        fputs(without_budget, file);
    CHECK(fclose(file) == 0);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(folder, sizeof folder, "%s/%s", directory, i == 0 ? "run" : "state");
        (void)mkdir(folder, 0700);
    }
    const char *const words[] = {program, "-c", path, NULL};
    return process_start(words, NULL);
}

static struct mxw *daemon_connect(void)
{
    char socket[128];
    struct mxw_options options = MXW_OPTIONS_INIT;
    struct mxw *handle;
    snprintf(socket, sizeof socket, "%s/run/mxward.sock", farm.directory);
    options.socket = socket;
    options.connect_ms = START_MS;
    CHECK(mxw_open(&handle, &options) == MXW_OK);
    for (unsigned waited_ms = 0; waited_ms < START_MS; waited_ms += 50) {
        if (mxw_connect(handle) == MXW_OK)
            return handle;
        usleep(50000);
    }
    bench_say("the daemon does not answer: %s", mxw_reason(handle));
    mxw_close(handle);
    return NULL;
}

/* What the daemon has counted, all shards together. */
static unsigned counted(struct mxw *handle, const char *name)
{
    char word[64];
    const char *text;
    size_t length;
    unsigned sum = 0;
    snprintf(word, sizeof word, "\"%s\":", name);
    CHECK(mxw_daemon_status(handle, &text, &length, WAIT_MS) == MXW_OK);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
        sum += (unsigned)atoi(at + strlen(word));
    return sum;
}

/* Processor time of a process so far, in milliseconds. */
static double processor_ms(pid_t process)
{
    char path[64];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    CHECK(fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                 &system) == 2);
    fclose(file);
    return (double)(user + system) * 1000 / (double)sysconf(_SC_CLK_TCK);
}

/* --- one question after the other --- */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool ask_one(struct mxw *handle, const char *name, int freshness,
                    struct mxw_verdict *verdict)
{
    struct mxw_question question = MXW_QUESTION_INIT;
    question.next_hop = name;
    question.freshness = freshness;
    question.deadline_ms = WAIT_MS;
    *verdict = (struct mxw_verdict){.size = sizeof *verdict};
    return mxw_check(handle, &question, verdict, WAIT_MS) == MXW_OK;
}

/* --- many, at their times --- */

struct line {
    int socket;
    size_t in_size, out_at, out_size;
    uint8_t in[ANSWERS_BYTES], out[ANSWERS_BYTES];
};

struct drive {
    struct line lines[CONNECTIONS];
    uint8_t frames[DOMAINS][512]; /* a question about each domain; the id is written into it */
    size_t frame_bytes;
    uint64_t due_us[QUESTIONS_MOST];
    uint64_t held_until_us[QUESTIONS_MOST]; /* an answer that came, if a slowdown is planted */
    uint64_t held_due_us[QUESTIONS_MOST];
    double waited_ms[QUESTIONS_MOST];
    unsigned asked, held, answered, limited, wrong;
};
static struct drive *drive;

static int line_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/run/mxward.sock", farm.directory);
    CHECK(connect(line, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(fcntl(line, F_SETFL, O_NONBLOCK) == 0);
    return line;
}

static void drive_begin(const struct target *target, unsigned deadline_ms)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        drive->lines[i].in_size = drive->lines[i].out_at = drive->lines[i].out_size = 0;
        drive->lines[i].socket = line_open();
    }
    for (unsigned i = 0; i < target->domains; i++) {
        struct frame_question question = {.freshness = FRESHNESS_LIVE, .deadline_ms = deadline_ms};
        name_domain(question.next_hop, target, i);
        CHECK(frame_encode(drive->frames[i], sizeof drive->frames[i], FRAME_CHECK, 0, 0,
                           &question) > 0);
    }
    drive->asked = drive->held = drive->answered = drive->limited = drive->wrong = 0;
}

static void drive_end(void)
{
    for (unsigned i = 0; i < CONNECTIONS; i++)
        close(drive->lines[i].socket);
}

static void line_flush(struct line *line)
{
    while (line->out_at < line->out_size) {
        ssize_t sent = send(line->socket, line->out + line->out_at, line->out_size - line->out_at,
                            MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        line->out_at += (size_t)sent;
    }
    line->out_at = line->out_size = 0;
}

static void drive_ask(const struct target *target, uint64_t due_us)
{
    struct line *line = &drive->lines[drive->asked % CONNECTIONS];
    uint8_t *frame = drive->frames[drive->asked % target->domains];
    uint64_t id = drive->asked;
    uint32_t size;
    memcpy(&size, frame, sizeof size);
    memcpy(frame + 8, &id, sizeof id);
    CHECK(size <= sizeof line->out - line->out_size);
    memcpy(line->out + line->out_size, frame, size);
    line->out_size += size;
    drive->due_us[drive->asked++] = due_us;
}

/* The first of them. */
static void say_wrong(const char *what, const char *why)
{
    if (drive->wrong++ == 0)
        bench_say("%s: %s", what, why);
}

/* A planted slowdown: each answer really waits a share longer. Without one none does. */
static void answer_is_held(uint64_t due_us)
{
    const uint64_t came_us = now_us();
    drive->held_due_us[drive->held] = due_us;
    drive->held_until_us[drive->held++] =
        came_us + (came_us - due_us) * (bench_planted_count(100) - 100) / 100;
}

/* First come, first let go. */
static void answers_let_go(void)
{
    while (drive->answered < drive->held && drive->held_until_us[drive->answered] <= now_us()) {
        drive->waited_ms[drive->answered] =
            (double)(now_us() - drive->held_due_us[drive->answered]) / 1000;
        drive->answered++;
    }
}

static void answer_came(const struct frame *frame)
{
    static struct frame_verdict verdict;
    static struct frame_fault fault;
    char why[FRAME_SENTENCE_MAX];
    CHECK(frame->id < drive->asked);
    answer_is_held(drive->due_us[frame->id]);
    if (frame->kind != FRAME_VERDICT || !frame_decode(&verdict, frame, why))
        say_wrong("no verdict", frame->kind == FRAME_ERROR && frame_decode(&fault, frame, why)
                                    ? fault.sentence
                                    : "nor an error");
    else if (verdict.verdict.level != LEVEL_AUTHENTICATED)
        say_wrong(verdict.cause, verdict.sentence);
    else
        drive->limited += verdict.limited;
}

static void line_hear(struct line *line)
{
    ssize_t got;
    while ((got = recv(line->socket, line->in + line->in_size, sizeof line->in - line->in_size,
                       0)) > 0) {
        struct frame frame;
        size_t at = 0, used = 0;
        line->in_size += (size_t)got;
        while (frame_take(&frame, line->in + at, line->in_size - at, FRAME_ANSWER_MAX, &used) ==
               FRAME_WHOLE) {
            answer_came(&frame);
            at += used;
        }
        memmove(line->in, line->in + at, line->in_size - at);
        line->in_size -= at;
    }
    CHECK(got != 0); /* the daemon does not hang up */
}

/* All that is due is asked, and all that came is taken; then sleeps a little. */
static void drive_turn(const struct target *target, uint64_t start_us, const struct load *load)
{
    const unsigned questions = load->per_s * load->seconds;
    struct pollfd waits[CONNECTIONS];
    while (drive->asked < questions) {
        uint64_t due_us = start_us + (uint64_t)drive->asked * 1000000 / load->per_s;
        if (due_us > now_us())
            break;
        drive_ask(target, due_us);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        line_flush(&drive->lines[i]);
        waits[i] = (struct pollfd){
            .fd = drive->lines[i].socket,
            .events = (short)(POLLIN | (drive->lines[i].out_size > 0 ? POLLOUT : 0))};
    }
    CHECK(poll(waits, CONNECTIONS, 1) >= 0);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        if (waits[i].revents != 0)
            line_hear(&drive->lines[i]);
    answers_let_go();
}

/* False: not every question was answered. */
static bool drive_run(const struct target *target, const struct load *load, unsigned deadline_ms)
{
    const unsigned questions = load->per_s * load->seconds;
    uint64_t start_us, give_up_us;
    drive_begin(target, deadline_ms);
    start_us = now_us();
    give_up_us = start_us + (load->seconds * UINT64_C(1000) + deadline_ms + 5000) * 1000;
    while (drive->answered < questions && now_us() < give_up_us)
        drive_turn(target, start_us, load);
    drive_end();
    return drive->answered == questions;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; of few questions the 99th of a hundred is the last. */
static double waited_ms(double part)
{
    unsigned at = (unsigned)((double)drive->answered * part);
    qsort(drive->waited_ms, drive->answered, sizeof drive->waited_ms[0], compare_doubles);
    return drive->waited_ms[at < drive->answered ? at : drive->answered - 1];
}

/* --- the cases --- */

struct setting {
    struct mxw *handle;
    pid_t daemon;
    unsigned after_ms;
    bool budget;
};

/* One probe, alone: the median of its times in milliseconds, and the least. */
static double alone_ms(const struct setting *setting, double *least_ms)
{
    double times[ALONE];
    struct mxw_verdict verdict;
    *least_ms = WAIT_MS;
    for (unsigned i = 0; i < ALONE; i++) {
        uint64_t start_us = now_us();
        CHECK(ask_one(setting->handle, "s1.post", MXW_LIVE, &verdict));
        times[i] = (double)(now_us() - start_us) / 1000;
        if (times[i] < *least_ms)
            *least_ms = times[i];
    }
    return bench_median(times, ALONE);
}

static void say(const struct setting *setting, const struct target *target, const struct load *load,
                unsigned probes, unsigned resumed, double busy_ms)
{
    bench_say("%2u ms, %s, %s, %5u/s: 50 %% %.1f ms, 99 %% %.1f ms, all %.1f ms; %u probes, %u "
              "resumed; %u limited, %u wrong; %.0f %% of a processor",
              setting->after_ms, setting->budget ? "budget" : "no budget", target->name,
              load->per_s, waited_ms(0.5), waited_ms(0.99), waited_ms(1), probes, resumed,
              drive->limited, drive->wrong, busy_ms / load->seconds / 10);
}

static void name_case(char name[128], const struct setting *setting, const struct target *target,
                      const struct load *load, const char *what)
{
    snprintf(name, 128, "%u ms, %s, %u/s%s: %s", setting->after_ms, target->name, load->per_s,
             setting->budget ? ", with budget" : "", what);
}

static void judge_without(const struct setting *setting, const struct target *target,
                          const struct load *load, unsigned probes, double alone, double least)
{
    char name[128];
    const double most = target->endpoints * (load->seconds * 1000.0 / least + 2);
    /* Where least else is in it the bar is tight, so that a fifth more turns it. */
    const bool quiet = target->domains == 1 && load->per_s == 100 && setting->after_ms == 50;
    name_case(name, setting, target, load, "99 % wait");
    bench_report_once(
        &(struct bench_case){"live_recheck", name, "ms", BENCH_AT_MOST, quiet ? 2.2 : 2.5},
        waited_ms(0.99), alone);
    name_case(name, setting, target, load, "probes in a probe's time at an endpoint");
    bench_report_once(&(struct bench_case){"live_recheck", name, "probes", BENCH_AT_MOST, 1},
                      probes / most, 0);
}

static void judge_with(const struct setting *setting, const struct target *target,
                       const struct load *load, unsigned deadline_ms)
{
    char name[128];
    name_case(name, setting, target, load, "longest wait");
    bench_report_once(&(struct bench_case){"live_recheck", name, "ms", BENCH_AT_MOST, 1},
                      waited_ms(1), deadline_ms);
    name_case(name, setting, target, load, "limited");
    bench_report_once(&(struct bench_case){"live_recheck", name, "answers", BENCH_JUST_SAY, 0},
                      drive->limited, 0);
}

static void measure_case(const struct setting *setting, const struct target *target,
                         const struct load *load)
{
    const unsigned deadline_ms = setting->budget ? DEADLINE_MS : WAIT_MS;
    double least = 0, alone = setting->budget ? 0 : alone_ms(setting, &least);
    const unsigned before = counted(setting->handle, "tls-ok"),
                   resumed_before = counted(setting->handle, "resumed");
    const double busy_before = processor_ms(setting->daemon);
    const bool whole = drive_run(target, load, deadline_ms);
    const double busy_ms = processor_ms(setting->daemon) - busy_before;
    const unsigned probes = counted(setting->handle, "tls-ok") - before,
                   resumed = counted(setting->handle, "resumed") - resumed_before;
    if (!whole || drive->wrong > 0) {
        char name[128];
        name_case(name, setting, target, load, "answers");
        bench_say("%u of %u answered, %u of them wrong", drive->answered,
                  load->per_s * load->seconds, drive->wrong);
        (void)bench_unmeasured(&(struct bench_case){"live_recheck", name, "", BENCH_AT_MOST, 1},
                               "not every question was answered as it should be");
        return;
    }
    say(setting, target, load, probes, resumed, busy_ms);
    if (setting->budget)
        judge_with(setting, target, load, deadline_ms);
    else
        judge_without(setting, target, load, probes, alone, least);
}

/* Every domain is known, and so are its look-ups. */
static bool warm_up(struct mxw *handle)
{
    for (unsigned t = 0; t < 2; t++)
        for (unsigned i = 0; i < targets[t].domains; i++) {
            struct mxw_verdict verdict;
            char name[64];
            unsigned attempts = 0;
            name_domain(name, &targets[t], i);
            do {
                if (!ask_one(handle, name, MXW_ANY, &verdict) || attempts++ > 20)
                    return false;
            } while (verdict.level != LEVEL_AUTHENTICATED);
        }
    return true;
}

/* False: it does not run. */
static bool measure_setting(unsigned after_ms, bool budget)
{
    struct setting setting = {
        .daemon = daemon_start(budget), .after_ms = after_ms, .budget = budget};
    setting.handle = daemon_connect();
    bool runs = setting.handle != NULL && warm_up(setting.handle);
    for (size_t t = 0; t < sizeof targets / sizeof *targets && runs; t++)
        for (size_t l = 0; l < sizeof loads / sizeof *loads; l++)
            measure_case(&setting, &targets[t], &loads[l]);
    mxw_close(setting.handle);
    process_stop(setting.daemon);
    return runs;
}

/* BENCH_ONLY="50 0": hosts that answer after 50 ms, without a budget. For ourselves. */
static bool is_wanted(unsigned after_ms, bool budget)
{
    unsigned only_ms, only_budget;
    const char *only = getenv("BENCH_ONLY");
    return only == NULL || sscanf(only, "%u %u", &only_ms, &only_budget) != 2 ||
           (only_ms == after_ms && only_budget == budget);
}

static int measure(void)
{
    for (size_t i = 0; i < sizeof answers_after_ms / sizeof *answers_after_ms; i++) {
        const char *why = farm_start_slow(&farm, PORT, answers_after_ms[i]);
        if (why != NULL)
            return bench_impossible(why);
        for (unsigned budget = 0; budget < 2; budget++)
            if (is_wanted(answers_after_ms[i], budget != 0) &&
                !measure_setting(answers_after_ms[i], budget != 0))
                return bench_impossible("the daemon does not answer");
        process_stop(farm.process);
        farm.process = 0;
    }
    return bench_finish();
}

static const char *open_everything(void)
{
    char digest[65];
    const char *why = farm_prepare(&farm);
    if (why == NULL && !farm_key_digest(&farm, "good", digest))
        why = "the certificate has no digest";
    if (why == NULL)
        why = world_open_together(&world, ENDPOINTS, digest, DOMAINS);
    return why;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    drive = calloc(1, sizeof *drive);
    CHECK(drive != NULL);
    const char *why = open_everything();
    int status = why == NULL ? measure() : bench_impossible(why);
    world_close(&world);
    farm_close(&farm);
    free(drive);
    return status;
}
