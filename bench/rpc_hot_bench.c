/*
 * rpc_hot_bench.c - what does an answer over the native socket cost, when the table has it?
 *
 * Twin of tests/serve_test.c. The daemon's front, started as the daemon starts it (ipc/serve) in a
 * process of its own, over a table and a users' table as they stand, is asked for a thousand
 * domains in turn: what is known of one (check), and what becomes of a message of one of a thousand
 * senders who have the guarantee (decide). The same question comes back soon there, so that its
 * answer is kept; of 65,536 domains and senders in turn (new check, new decide) none does while it
 * is. Beside it, in turn with it in the same run:
 *
 *   skeleton             the same server without the look-up: the floor
 *   redis, memcached     what people would use instead: one GET each, of a value as long as our
 *                        answer, over their Unix sockets, one thread each
 *   epoll, blocking      the plainest echoes; say only
 *
 * One outstanding and 32, of 2 clients and 64. The servers have the first processor, one at a time,
 * and the client the second. Rate is what the client sees, CPU all that the server's process spent.
 */
#include "bench/common/bench.h"
#include "bench/common/process.h"
#include "bench/rpc_hot/client.h"
#include "bench/rpc_hot/servers.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "shm/account.h"
#include "shm/answer.h"
#include "tests/serve_standin.h"

#include <assert.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define VALID_MS  3600000
#define SLICE_MS  150  /* how long a slice is to take, about */
#define EPOCH     7    /* the stand-in's */
#define PROCESSOR 1    /* the client's */
#define RECURRING 1000 /* different questions, which come back while their answers are kept */
#define NEW       HOT_QUESTIONS_MOST
static_assert(NEW >= 4 * LIMIT_FRONT_KEPT, "which do not come back while their answers are kept");

static char directory[] = "/dev/shm/mxward-bench-XXXXXX";

/* --- ours --- */

static void tables_beat(struct engine *engine)
{
    struct table_clock now;

    CHECK(table_clock_read(&now) == 0);
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++) {
        table_writer_heartbeat(engine->table, (uint16_t)partition, &now);
        table_writer_heartbeat(engine->users, (uint16_t)partition, &now);
    }
}

static struct table_writer *table_make(const char *where)
{
    struct table_writer *writer;
    struct table_clock now;
    char why[256] = "";

    mkdir(where, 0700);
    if (table_clock_read(&now) != 0 ||
        table_writer_open(&writer, where, 64 << 20, &now, NULL, why, sizeof why) != 0) {
        bench_say("%s", why);
        exit(1);
    }
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(writer, (uint16_t)partition, true);
    return writer;
}

static void users_fill(struct table_writer *users)
{
    const struct account_settings settings = {.aliases_known = true, .delimiter = "+"};
    const struct profile profile = {
        .name = "guarantee", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP, .window_ms = VALID_MS};
    const struct account account = {.profile = "guarantee", .flags = ACCOUNT_ON, .changed_s = 1};
    union record record;
    struct table_key key;

    CHECK(account_settings_pack(&record, &key, &settings, clock_boot_ms()) &&
          table_writer_put_record(users, &key, &record) == 0);
    CHECK(account_profile_pack(&record, &key, &profile, clock_boot_ms()) &&
          table_writer_put_record(users, &key, &record) == 0);
    for (unsigned i = 0; i < NEW; i++) {
        char name[ACCOUNT_NAME_MAX];

        snprintf(name, sizeof name, "user%u@cluster.example", i);
        CHECK(account_pack(&record, &key, name, &account, clock_boot_ms()) &&
              table_writer_put_record(users, &key, &record) == 0);
    }
}

static void verdicts_fill(struct table_writer *verdicts)
{
    const struct verdict verdict = {.class = CLASS_DANE,
                                    .level = LEVEL_AUTHENTICATED,
                                    .conclusion = CONCLUSION_DEFINITE,
                                    .cause = CAUSE_DANE,
                                    .enforce = ENFORCE_DANE_ONLY,
                                    .flags = VERDICT_MX_SECURE | VERDICT_ALL_HOSTS_DANE |
                                             VERDICT_ALL_HOSTS_TLSA | VERDICT_SOME_HOSTS_DANE |
                                             VERDICT_SOME_HOSTS_TLSA,
                                    .tls_version = 0x304,
                                    .hosts = 2,
                                    .hosts_good = 2,
                                    .began_ms = clock_boot_ms(),
                                    .valid_until_ms = clock_boot_ms() + VALID_MS,
                                    .config_epoch = EPOCH,
                                    .host = "mx1.mail.example.net"};

    table_writer_set_settings(verdicts, EPOCH);
    for (unsigned i = 0; i < NEW; i++) {
        struct table_key key;
        char name[32];

        snprintf(name, sizeof name, "d%u.example", i);
        CHECK(table_key_make(&key, name, strlen(name)) &&
              table_writer_put(verdicts, &key, &verdict) == 0);
    }
}

static void serve_ours(const char *path)
{
    struct standin s;
    char users[128];

    (void)path; /* in its folder */
    standin_prepare(&s);
    rmdir(s.directory);
    snprintf(s.directory, sizeof s.directory, "%s", directory);
    snprintf(s.socket, sizeof s.socket, "%s/mxward.sock", directory);
    s.configuration.listen.connections = s.configuration.listen.connections_per_user = 256;
    s.engine = standin_start(64);
    s.engine->table = table_make(directory);
    snprintf(users, sizeof users, "%s/users", directory);
    s.engine->users = table_make(users);
    users_fill(s.engine->users);
    verdicts_fill(s.engine->table);
    tables_beat(s.engine);
    standin_open(&s, 64);
    while (getppid() > 1) {
        usleep(500000);
        tables_beat(s.engine);
    }
    standin_close(&s);
}

/* --- protocols --- */

enum { CHECKS, DECISIONS, NEW_CHECKS, NEW_DECISIONS, KINDS, ANSWERS = NEW_CHECKS };

static bool is_check(unsigned kind)
{
    return kind == CHECKS || kind == NEW_CHECKS;
}

static unsigned questions_of(unsigned kind)
{
    return kind == CHECKS || kind == DECISIONS ? RECURRING : NEW;
}

static size_t check_request(char *out, unsigned number)
{
    struct frame_question question = {.freshness = FRESHNESS_ANY};

    snprintf(question.next_hop, sizeof question.next_hop, "d%u.example", number);
    return frame_encode(out, HOT_REQUEST_BYTES, FRAME_CHECK, 0, number + 1, &question);
}

static size_t decide_request(char *out, unsigned number)
{
    struct frame_decide asked = {.facts = 1};

    snprintf(asked.sender, sizeof asked.sender, "user%u@cluster.example", number);
    snprintf(asked.sasl, sizeof asked.sasl, "user%u@cluster.example", number);
    snprintf(asked.recipient, sizeof asked.recipient, "anna@d%u.example", number);
    return frame_encode(out, HOT_REQUEST_BYTES, FRAME_DECIDE, 0, number + 1, &asked);
}

static void unexpected(const char *whose, const void *bytes, size_t size)
{
    bench_say("%s: unexpected: %.*s", whose, size > 200 ? 200 : (int)size, (const char *)bytes);
    exit(1);
}

/* A frame is 16 bytes: u32 size, version, kind, flags, u64 id. */
static size_t frame_reply(const uint8_t *bytes, size_t size, unsigned number, uint8_t kind)
{
    uint32_t whole;
    uint64_t id;

    if (size < FRAME_HEADER_BYTES)
        return 0;
    memcpy(&whole, bytes, sizeof whole);
    memcpy(&id, bytes + 8, sizeof id);
    if (bytes[5] != kind || id != number + 1)
        unexpected("the native socket", bytes, size);
    return size < whole ? 0 : whole;
}

static size_t check_reply(const uint8_t *bytes, size_t size, unsigned number)
{
    return frame_reply(bytes, size, number, FRAME_VERDICT);
}

static size_t decide_reply_size(const uint8_t *bytes, size_t size, unsigned number)
{
    return frame_reply(bytes, size, number, FRAME_ANSWER);
}

/* What a store of keys and values is asked: by the domain, or by sender and domain. */
static int store_key(char *out, unsigned kind, unsigned number)
{
    return is_check(kind) ? sprintf(out, "d%u.example", number)
                          : sprintf(out, "user%u@cluster.example:d%u.example", number, number);
}

static size_t redis_request(char *out, unsigned kind, unsigned number)
{
    char key[HOT_REQUEST_BYTES];

    return (size_t)sprintf(out, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", store_key(key, kind, number),
                           key);
}

static size_t redis_request_check(char *out, unsigned number)
{
    return redis_request(out, CHECKS, number);
}

static size_t redis_request_decide(char *out, unsigned number)
{
    return redis_request(out, DECISIONS, number);
}

/* "$LENGTH\r\n" and so many bytes, and "\r\n". */
static size_t redis_reply(const uint8_t *bytes, size_t size, unsigned number)
{
    size_t length = 0, at = 1;

    (void)number;
    if (bytes[0] != '$' || (size > 1 && bytes[1] == '-'))
        unexpected("redis", bytes, size);
    while (at < size && bytes[at] >= '0' && bytes[at] <= '9')
        length = length * 10 + bytes[at++] - '0';
    return at == size || at + length + 4 > size ? 0 : at + length + 4;
}

static size_t memcached_request_check(char *out, unsigned number)
{
    char key[HOT_REQUEST_BYTES];

    store_key(key, CHECKS, number);
    return (size_t)sprintf(out, "get %s\r\n", key);
}

static size_t memcached_request_decide(char *out, unsigned number)
{
    char key[HOT_REQUEST_BYTES];

    store_key(key, DECISIONS, number);
    return (size_t)sprintf(out, "get %s\r\n", key);
}

/* "VALUE KEY FLAGS LENGTH\r\n", so many bytes, and "\r\nEND\r\n". */
static size_t memcached_reply(const uint8_t *bytes, size_t size, unsigned number)
{
    const uint8_t *line = memchr(bytes, '\n', size);
    size_t length = 0, digit = 1, at;

    (void)number;
    if (bytes[0] != 'V')
        unexpected("memcached", bytes, size);
    if (line == NULL)
        return 0;
    for (const uint8_t *byte = line - 2; *byte != ' '; byte--, digit *= 10)
        length += digit * (size_t)(*byte - '0');
    at = (size_t)(line + 1 - bytes) + length + 7;
    return at > size ? 0 : at;
}

/* --- who is measured --- */

enum { OURS, SKELETON, REDIS, MEMCACHED, EPOLL, BLOCKING, SIDES };

static struct side {
    const char *name, *socket;
    struct hot_protocol protocols[KINDS];
    pid_t process; /* 0: it cannot be had */
    char path[96];
    struct hot_requests *requests[KINDS];
} sides[SIDES] = {
    [OURS] = {"ours",
              "mxward.sock",
              {{"check", check_request, check_reply},
               {"decide", decide_request, decide_reply_size},
               {"new check", check_request, check_reply},
               {"new decide", decide_request, decide_reply_size}}},
    [SKELETON] = {"the skeleton",
                  "skeleton.sock",
                  {{"check", check_request, check_reply},
                   {"decide", decide_request, decide_reply_size},
                   {"new check", check_request, check_reply},
                   {"new decide", decide_request, decide_reply_size}}},
    [REDIS] = {"redis",
               "redis.sock",
               {{"check", redis_request_check, redis_reply},
                {"decide", redis_request_decide, redis_reply},
                {"new check", redis_request_check, redis_reply},
                {"new decide", redis_request_decide, redis_reply}}},
    [MEMCACHED] = {"memcached",
                   "memcached.sock",
                   {{"check", memcached_request_check, memcached_reply},
                    {"decide", memcached_request_decide, memcached_reply},
                    {"new check", memcached_request_check, memcached_reply},
                    {"new decide", memcached_request_decide, memcached_reply}}},
    [EPOLL] = {"an epoll echo",
               "epoll.sock",
               {{"check", check_request, check_reply},
                {"decide", decide_request, decide_reply_size},
                {"new check", check_request, check_reply},
                {"new decide", decide_request, decide_reply_size}}},
    [BLOCKING] = {"blocking echoes",
                  "blocking.sock",
                  {{"check", check_request, check_reply},
                   {"decide", decide_request, decide_reply_size},
                   {"new check", check_request, check_reply},
                   {"new decide", decide_request, decide_reply_size}}},
};

static struct servers_ready ready[ANSWERS];

/* One answer of ours, so that everybody's are as long; and it must be from the table. */
static void answer_learn(unsigned kind)
{
    const int descriptor = hot_connect(sides[OURS].path);
    char request[HOT_REQUEST_BYTES];
    const size_t size = sides[OURS].protocols[kind].request(request, RECURRING / 2);
    union {
        struct frame_verdict verdict;
        struct frame_answer answer;
    } said;
    struct frame frame;
    ssize_t got;
    size_t used;

    CHECK(send(descriptor, request, size, MSG_NOSIGNAL) == (ssize_t)size);
    got = recv(descriptor, ready[kind].bytes, sizeof ready[kind].bytes, 0);
    CHECK(got > 0 && frame_take(&frame, ready[kind].bytes, (size_t)got, FRAME_ANSWER_MAX, &used) ==
                         FRAME_WHOLE);
    CHECK(frame_decode(&said, &frame, NULL));
    CHECK(is_check(kind) ? said.verdict.from_table && said.verdict.verdict.class == CLASS_DANE
                         : said.answer.from_table && said.answer.action == ACTION_SEND &&
                               said.answer.source != DEMAND_NOBODY);
    ready[kind].kind = is_check(kind) ? FRAME_CHECK : FRAME_DECIDE;
    ready[kind].size = (size_t)got;
    bench_say("an answer (%s) has %zu bytes", sides[OURS].protocols[kind].name, ready[kind].size);
    close(descriptor);
}

static void expect(int descriptor, const char *wanted)
{
    char reply[64] = "";

    CHECK(recv(descriptor, reply, strlen(wanted), MSG_WAITALL) == (ssize_t)strlen(wanted) &&
          strcmp(reply, wanted) == 0);
}

static void store_fill(unsigned side, unsigned kind)
{
    const int descriptor = hot_connect(sides[side].path);
    const int size = (int)ready[kind].size;

    for (unsigned i = 0; i < NEW; i++) {
        char key[HOT_REQUEST_BYTES], bytes[HOT_REQUEST_BYTES + SERVERS_READY_MAX + 64];
        const int key_size = store_key(key, kind, i);
        int used = side == REDIS ? sprintf(bytes, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n",
                                           key_size, key, size)
                                 : sprintf(bytes, "set %s 0 0 %d\r\n", key, size);

        memcpy(bytes + used, ready[kind].bytes, ready[kind].size);
        memcpy(bytes + used + size, "\r\n", 2);
        CHECK(send(descriptor, bytes, (size_t)(used + size + 2), MSG_NOSIGNAL) == used + size + 2);
        expect(descriptor, side == REDIS ? "+OK\r\n" : "STORED\r\n");
    }
    close(descriptor);
}

static void sides_start(void)
{
    for (unsigned i = 0; i < SIDES; i++) {
        snprintf(sides[i].path, sizeof sides[i].path, "%s/%s", directory, sides[i].socket);
        for (unsigned kind = 0; kind < KINDS; kind++)
            sides[i].requests[kind] =
                hot_requests_make(&sides[i].protocols[kind], questions_of(kind));
    }
    sides[OURS].process = servers_fork(serve_ours, sides[OURS].path);
    for (unsigned kind = 0; kind < ANSWERS; kind++)
        answer_learn(kind);
    servers_ready(ready, ANSWERS);
    sides[SKELETON].process = servers_fork(serve_skeleton, sides[SKELETON].path);
    if (getenv("BENCH_SKELETON") != NULL) /* for who works at what is between them */
        return;
    sides[EPOLL].process = servers_fork(serve_epoll, sides[EPOLL].path);
    sides[BLOCKING].process = servers_fork(serve_blocking, sides[BLOCKING].path);
    sides[REDIS].process = servers_redis(directory, sides[REDIS].path);
    sides[MEMCACHED].process = servers_memcached(sides[MEMCACHED].path);
    for (unsigned kind = 0; kind < ANSWERS; kind++)
        for (unsigned side = REDIS; side <= MEMCACHED; side++)
            if (sides[side].process > 0)
                store_fill(side, kind);
}

/* --- cases --- */

struct measured {
    double rate, cpu_ns; /* answers a second; of the server, for one answer */
    double busy, client; /* share of the time that the server, the client worked */
    double together;     /* answers that came in one receive */
};

static uint64_t clock_ns(clockid_t which)
{
    struct timespec now;

    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* `questions` of each client are accounted for; ours are more, where a slowdown is planted. */
static struct measured slice(unsigned side, unsigned kind, unsigned clients, unsigned window,
                             unsigned questions)
{
    static unsigned asked[SIDES][KINDS]; /* of each client, in all slices */
    struct hot_client *client =
        hot_client_open(sides[side].path, sides[side].requests[kind], clients, asked[side][kind]);
    uint64_t began_ns, cpu_ns, own_ns, receives;
    struct measured found;

    hot_client_ask(client, RECURRING / clients + window, window); /* what recurs: once */
    cpu_ns = servers_cpu_ns(sides[side].process);
    receives = hot_client_receives(client);
    own_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    began_ns = clock_ns(CLOCK_MONOTONIC);
    hot_client_ask(client, side == OURS ? bench_planted_count(questions) : questions, window);
    const double took_ns = (double)(clock_ns(CLOCK_MONOTONIC) - began_ns),
                 answers = (double)questions * clients;
    cpu_ns = servers_cpu_ns(sides[side].process) - cpu_ns;
    found = (struct measured){answers * 1e9 / took_ns, (double)cpu_ns / answers,
                              (double)cpu_ns / took_ns,
                              (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - own_ns) / took_ns,
                              answers / (double)(hot_client_receives(client) - receives)};
    hot_client_close(client);
    asked[side][kind] += RECURRING / clients + window + questions;
    return found;
}

/* What is answered anew is compared with what people would use; beside the skeleton it only says.
 */
static void report(const char *what, unsigned kind, unsigned side, const struct bench_pairs *rates,
                   const struct bench_pairs *cpus)
{
    char name[2][128];
    const bool peer = side == REDIS || side == MEMCACHED;
    const bool floor = side == SKELETON && questions_of(kind) == RECURRING;
    const struct bench_case rate = {"rpc_hot", name[0], "answers/s",
                                    peer || floor ? BENCH_AT_LEAST : BENCH_JUST_SAY,
                                    peer ? 1.0 : 0.85};
    const struct bench_case cpu = {"rpc_hot", name[1], "ns CPU of the server",
                                   peer ? BENCH_AT_MOST : BENCH_JUST_SAY, 1.0};

    snprintf(name[0], sizeof name[0], "%s, beside %s", what, sides[side].name);
    snprintf(name[1], sizeof name[1], "%s, beside %s, CPU", what, sides[side].name);
    if (sides[side].process > 0) {
        bench_report(&rate, rates);
        bench_report(&cpu, cpus);
        return;
    }
    bench_unmeasured(&rate, "Debian's package is not installed; see tools/bootstrap");
    bench_unmeasured(&cpu, "Debian's package is not installed; see tools/bootstrap");
}

/* All sides in turn, another one first and the other way round each time, so that nobody always
 * comes behind the same; a pair is of one round. */
static void measure(unsigned kind, unsigned clients, unsigned window)
{
    static struct bench_pairs rates[SIDES], cpus[SIDES];
    unsigned questions[SIDES];
    struct measured means[SIDES] = {0};
    const char *only = getenv("BENCH_ONLY"); /* for who works at one */
    char what[64];

    snprintf(what, sizeof what, "%s, %u outstanding, %u clients", sides[OURS].protocols[kind].name,
             window, clients);
    if (only != NULL && strncmp(what, only, strlen(only)) != 0)
        return;
    memset(rates, 0, sizeof rates);
    memset(cpus, 0, sizeof cpus);
    for (unsigned i = 0; i < SIDES; i++)
        if (sides[i].process > 0) {
            const double rate = slice(i, kind, clients, window, 20000 / clients).rate;

            questions[i] = (unsigned)(rate * SLICE_MS / 1000 / clients) + window;
        }
    for (unsigned round = 0; round < bench_pairs_wanted(); round++) {
        struct measured found[SIDES];

        for (unsigned i = 0; i < SIDES; i++) {
            const unsigned side = (round / 2 + (round % 2 ? SIDES - i : i)) % SIDES;

            if (sides[side].process > 0)
                found[side] = slice(side, kind, clients, window, questions[side]);
        }
        for (unsigned i = 0; i < SIDES; i++) {
            if (sides[i].process <= 0)
                continue;
            means[i].busy += 100 * found[i].busy / bench_pairs_wanted();
            means[i].client += 100 * found[i].client / bench_pairs_wanted();
            means[i].together += found[i].together / bench_pairs_wanted();
            bench_add(&rates[i], BENCH_OURS, found[OURS].rate);
            bench_add(&rates[i], BENCH_FLOOR, found[i].rate);
            bench_add(&cpus[i], BENCH_OURS, found[OURS].cpu_ns);
            bench_add(&cpus[i], BENCH_FLOOR, found[i].cpu_ns);
        }
    }
    for (unsigned i = 0; i < SIDES; i++)
        bench_say(
            "%s: %s: the server works %.0f %% of the time, the client %.0f, %.1f answers come "
            "together",
            what, sides[i].name, means[i].busy, means[i].client, means[i].together);
    for (unsigned i = SKELETON; i < SIDES; i++)
        report(what, kind, i, &rates[i], &cpus[i]);
}

int main(void)
{
    const char *words[] = {"rm", "-rf", directory, NULL};

    if (mkdtemp(directory) == NULL)
        return bench_impossible("no /dev/shm");
    log_start(LOG_ERROR_LEVEL, "stderr");
    servers_pin(PROCESSOR);
    sides_start();
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned clients = 2; clients <= HOT_CONNECTIONS_MOST; clients *= 32)
            for (unsigned window = 1; window <= HOT_WINDOW_MOST; window *= 32)
                measure(kind, clients, window);
    for (unsigned i = 0; i < SIDES; i++)
        process_stop(sides[i].process);
    process_run(words);
    return bench_finish();
}
