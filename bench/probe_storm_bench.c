/*
 * probe_storm_bench.c - what does a probe cost, in processor time and in memory?
 *
 * Twin of tests/endpoint_test.c. Ours: full probes (connect, SMTP, STARTTLS, handshake,
 * verification, EHLO, QUIT) against the farm, which is another process, from one loop. The floor:
 * the client's half of a bare OpenSSL handshake with the same keys and chain, in memory, with
 * OpenSSL's defaults; no socket, no SMTP, nothing verified. DNS is not in it.
 *
 * Memory: 10,000 connections held by the farm at the greeting, in the middle of the handshake, and
 * after it; resident bytes each, pool, evidence and everything of OpenSSL included. Each in a
 * process of its own, so that no case lives in what another has left.
 *
 * Most probes meet a chain that the store knows, as a daemon does that asks the same hosts again.
 * The cases named "new leaf" are the other end: each probe meets a leaf that nobody has seen,
 * signed by an issuer that is known (some dozens of issuers sign for nearly all hosts, so those are
 * soon known), among the roots of this system. It is read, verified, and kept in a full store, so
 * that another is put out. Their floor is the same handshake, which reads its certificates anew
 * each time anyway.
 *
 * Instructions: probes and the floor's handshakes (P-256) counted by callgrind. The run with few is
 * taken off, so that only probes count. The bar on processor time is the promise; the one on
 * instructions knows no noise and is tight, so that it falls when a probe gets dearer.
 *
 * Re-checks: the same probes of hosts that give sessions, which are resumed (probe/sessions.h),
 * beside such probes in full.
 *
 * PROBE_STORM_PROBES=n runs n probes and prints nothing, for profilers; PROBE_STORM_NEW=n probes
 * that meet new leaves; PROBE_STORM_RESUMED=n probes that resume; PROBE_STORM_BARE=n the floor's
 * handshakes.
 */
#include "bench/common/bench.h"
#include "bench/common/callgrind.h"
#include "bench/common/farm.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/policy/dane.h"
#include "engine/probe/endpoint.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    STORE_USUAL = 4 << 20, /* bytes */
    STORE_FULL_SOON = 384 << 10,
};

enum {
    PORT = 2625,
    PORT_NEW_LEAVES = 2626,
    PROBES = 400,       /* of a slice */
    AT_ONCE = 64,       /* probes under way in a slice */
    WARM = 50,          /* probes before the first slice: what can be known is known */
    WARM_NEW = 400,     /* … that meet new leaves: until the store is full */
    ADDRESSES = 250,    /* of the hosts, in turn */
    WARM_RESUMED = 300, /* … that resume: until there is a session of each */
    HELD = 10000,       /* connections of a memory case */
    HELD_AT_ONCE = 200, /* on their way to where they are held */
    PATIENCE_MS = 300000,
    COUNTED_FEW = 100, /* probes under callgrind */
    COUNTED_MANY = 400,
};

/* Rows of the farm (tests/farm/behaviours.c). */
enum {
    ROW_GOOD = 1,
    ROW_RSA = 3,
    ROW_TICKETS = 25,
    ROW_NEVER_GREETS = 70,
    ROW_HALF_HELLO = 125,
    ROW_TLS_SILENT = 133
};

static char directory[64]; /* of the farm's certificates */

/* --- ours --- */

struct storm {
    struct ring *ring;
    struct wheel *wheel;
    struct certificate_store *store;
    struct prober *prober;
    struct probe_settings settings;
    struct dns_answer tlsa;
    struct dns_tlsa record;
    uint8_t digest[SHA256_BYTES];
    uint64_t ended[OUTCOME_COUNT];
    uint16_t port;
    bool resumes, warm;
};

/* The lab's root among those of this system: a path is looked for among as many as a daemon has. */
static void roots_write(const char *roots)
{
    char lab[600], line[256];
    snprintf(lab, sizeof lab, "%s/root.crt", directory);
    const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt", lab};
    FILE *out = fopen(roots, "we");
    CHECK(out != NULL);
    for (unsigned i = 0; i < 2; i++) {
        FILE *in = fopen(files[i], "re");
        CHECK(in != NULL);
        while (fgets(line, sizeof line, in) != NULL)
            fputs(line, out);
        fclose(in);
    }
    CHECK(fclose(out) == 0);
}

/* Probes that meet new leaves have a small store, which is soon full: from then on each of them
 * puts a certificate out, as in a daemon that has run. There is room for four times those under
 * way. */
static struct certificate_store *store_open(uint16_t port)
{
    size_t bytes = port == PORT_NEW_LEAVES ? STORE_FULL_SOON : STORE_USUAL;
    char ca_file[600];
    struct certificate_store *store;
    snprintf(ca_file, sizeof ca_file, "%s/roots.crt", directory);
    if (access(ca_file, R_OK) != 0)
        roots_write(ca_file);
    CHECK(certificate_store_create(&store, bytes) == 0);
    CHECK(certificate_trust_load(store, ca_file, NULL) == 0);
    return store;
}

/* What the record says of the farm's usual key. */
static void read_digest(uint8_t digest[SHA256_BYTES])
{
    struct farm farm = {.process = 0};
    char text[65];
    snprintf(farm.directory, sizeof farm.directory, "%s", directory);
    CHECK(farm_key_digest(&farm, "good", text));
    for (unsigned i = 0; i < SHA256_BYTES; i++)
        CHECK(sscanf(text + 2 * i, "%2hhx", &digest[i]) == 1);
}

static void storm_open(struct storm *storm, struct certificate_store *store, uint32_t probes,
                       uint16_t port, bool resumes)
{
    struct ring_limits limits = {
        .submissions = 4096, .files = probes + 16, .receive_buffers = 1024, .receive_bytes = 4096};
    char why[256] = "";
    memset(storm, 0, sizeof *storm);
    storm->settings = (struct probe_settings){.ehlo_name = (char *)(uintptr_t) "bench.example",
                                              .connect_ms = PATIENCE_MS,
                                              .greeting_ms = PATIENCE_MS,
                                              .command_ms = PATIENCE_MS,
                                              .handshake_ms = PATIENCE_MS,
                                              .goodbye_ms = PATIENCE_MS,
                                              .whole_ms = PATIENCE_MS,
                                              .heavy_per_turn = 16,
                                              .allow_reserved = true,
                                              .resumption = resumes,
                                              .full_handshake_ms = PATIENCE_MS};
    read_digest(storm->digest);
    storm->record = (struct dns_tlsa){
        .usage = 3, .selector = 1, .matching_type = 1, .size = SHA256_BYTES, .data = storm->digest};
    atomic_init(&storm->tlsa.references, 1);
    storm->tlsa.kind = DNS_SECURE_DATA;
    storm->tlsa.type = DNS_TLSA;
    storm->tlsa.count = 1;
    storm->tlsa.tlsa = &storm->record;
    storm->store = store;
    storm->port = port;
    storm->resumes = resumes;
    CHECK(ring_create(&storm->ring, &limits) == 0);
    CHECK(wheel_create(&storm->wheel, clock_boot_ms()) == 0);
    CHECK(prober_create(&storm->prober, storm->ring, storm->wheel, storm->store, &storm->settings,
                        probes, ADDRESSES, why, sizeof why) == 0);
}

static void storm_close(struct storm *storm)
{
    prober_destroy(storm->prober);
    wheel_destroy(storm->wheel);
    ring_destroy(storm->ring);
}

static void storm_start(struct storm *storm, unsigned row, unsigned number)
{
    struct endpoint_key key = {.port = storm->port};
    char text[32];
    snprintf(text, sizeof text, "127.64.%u.%u", row, number % ADDRESSES + 1);
    CHECK(address_parse(&key.address, text, strlen(text)));
    CHECK(name_parse(&key.server_name, "mx.farm.lab", 11) == NAME_OK);
    CHECK(prober_start(storm->prober, &key, &storm->tlsa, 0) == 0);
}

static void completed(void *context, const struct ring_completion *done)
{
    struct storm *storm = context;
    prober_completed(storm->prober, done);
}

/* One turn of the loop, as a shard does it; returns how many probes ended. */
static unsigned storm_turn(struct storm *storm)
{
    struct wheel_timer *timer;
    const struct evidence *evidence;
    uint64_t job;
    unsigned ended = 0;
    bool busy = prober_run_heavy(storm->prober);
    uint64_t now_ms = clock_boot_ms();
    CHECK(ring_turn(storm->ring, busy ? 0 : now_ms + 100, completed, storm) >= 0);
    while ((timer = wheel_take_due(storm->wheel, now_ms)) != NULL)
        prober_due(storm->prober, timer);
    while ((evidence = prober_take_ended(storm->prober, &job)) != NULL) {
        storm->ended[evidence->outcome]++;
        if (evidence->outcome == OUTCOME_TLS_OK)
            CHECK(evidence->chain_count > 0 && evidence->pkix == 0 && evidence->tlsa_count == 1);
        evidence_drop(evidence);
        ended++;
    }
    return ended;
}

static void storm_run(struct storm *storm, unsigned row, unsigned probes)
{
    unsigned started = 0, ended = 0;
    uint64_t before = storm->ended[OUTCOME_TLS_OK];
    uint64_t verified = certificate_store_counts(storm->store).pkix_verified;
    uint64_t resumed = counter_read(&prober_counts(storm->prober)->resumed);
    while (ended < probes) {
        while (started < probes && started - ended < AT_ONCE)
            storm_start(storm, row, started++);
        ended += storm_turn(storm);
    }
    CHECK(storm->ended[OUTCOME_TLS_OK] - before == probes);
    if (storm->port == PORT_NEW_LEAVES)
        CHECK(certificate_store_counts(storm->store).pkix_verified - verified == probes);
    if (storm->resumes && storm->warm)
        CHECK(counter_read(&prober_counts(storm->prober)->resumed) - resumed == probes);
}

/* The number is fixed, so that it is the same in two runs of which one is taken off. */
static void storm_warm(struct storm *storm, unsigned row)
{
    storm_run(storm, row,
              storm->resumes                   ? WARM_RESUMED
              : storm->port == PORT_NEW_LEAVES ? WARM_NEW
                                               : WARM);
    storm->warm = true;
    if (storm->port == PORT_NEW_LEAVES)
        CHECK(certificate_store_counts(storm->store).evicted > 0);
}

/* --- the floor --- */

struct bare {
    SSL_CTX *client, *server;
    double clock_ns; /* what reading the clock costs, and is taken off */
};

static double thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void bare_open(struct bare *bare, const char *certificate)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s.pem", directory, certificate);
    bare->server = SSL_CTX_new(TLS_server_method());
    bare->client = SSL_CTX_new(TLS_client_method());
    CHECK(SSL_CTX_use_certificate_chain_file(bare->server, path) == 1);
    CHECK(SSL_CTX_use_PrivateKey_file(bare->server, path, SSL_FILETYPE_PEM) == 1);
    SSL_CTX_set_options(bare->server, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(bare->server, 0); /* as the farm */
    double start = thread_ns();
    for (int i = 0; i < 1000; i++)
        (void)thread_ns();
    bare->clock_ns = (thread_ns() - start) / 1001;
}

static void bare_close(struct bare *bare)
{
    SSL_CTX_free(bare->client);
    SSL_CTX_free(bare->server);
}

static SSL *bare_new(SSL_CTX *ctx)
{
    SSL *ssl = SSL_new(ctx);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    return ssl;
}

static bool carry(SSL *from, SSL *to)
{
    char bytes[16384];
    int size = BIO_read(SSL_get_wbio(from), bytes, sizeof bytes);
    return size > 0 && BIO_write(SSL_get_rbio(to), bytes, size) == size;
}

/* The client's half: functions that stay what they are, so that callgrind can count them alone. */

__attribute__((noinline)) static SSL *bare_client_begin(const struct bare *bare)
{
    SSL *client = bare_new(bare->client);
    SSL_set_connect_state(client);
    SSL_set_tlsext_host_name(client, (void *)(uintptr_t) "mx.farm.lab");
    return client;
}

__attribute__((noinline)) static bool bare_client_step(SSL *client, SSL *server)
{
    ERR_clear_error();
    SSL_do_handshake(client);
    return carry(client, server);
}

__attribute__((noinline)) static bool bare_client_end(SSL *client)
{
    SSL_free(client);
    return true; /* so that it is no jump into SSL_free */
}

/* Nanoseconds that the client's half took. */
static double bare_handshake(const struct bare *bare)
{
    SSL *server = bare_new(bare->server);
    SSL_set_accept_state(server);
    double spent = -thread_ns();
    SSL *client = bare_client_begin(bare);
    spent += thread_ns() - bare->clock_ns;
    for (int i = 0; i < 4 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
        spent -= thread_ns();
        bare_client_step(client, server);
        spent += thread_ns() - bare->clock_ns;
        SSL_do_handshake(server);
        carry(server, client);
    }
    CHECK(SSL_is_init_finished(client) && SSL_is_init_finished(server));
    spent -= thread_ns();
    bare_client_end(client);
    spent += thread_ns() - bare->clock_ns;
    SSL_free(server);
    return spent;
}

/* --- processor time --- */

static void measure_cpu(const char *name, unsigned row, const char *certificate, uint16_t port)
{
    struct bench_pairs pairs = {0};
    struct storm storm;
    struct bare bare;
    storm_open(&storm, store_open(port), AT_ONCE, port, false);
    bare_open(&bare, certificate);
    storm_warm(&storm, row);
    for (unsigned i = 0; i < 50; i++)
        (void)bare_handshake(&bare);
    for (unsigned i = 0; i < bench_pairs_wanted(); i++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            enum bench_side side = bench_side(i, turn);
            if (side == BENCH_OURS) {
                struct bench_watch watch = bench_start(side);
                storm_run(&storm, row, PROBES);
                bench_add(&pairs, side, (double)bench_stop(&watch).cpu_ns / 1000 / PROBES);
            } else {
                double spent = 0;
                for (unsigned n = 0; n < PROBES; n++)
                    spent += bare_handshake(&bare);
                bench_add(&pairs, side, spent / 1000 / PROBES);
            }
        }
    }
    bench_report(&(struct bench_case){"probe_storm", name, "us CPU a probe", BENCH_AT_MOST, 1.35},
                 &pairs);
    bare_close(&bare);
    storm_close(&storm);
    certificate_store_destroy(storm.store);
}

/* What is saved: the same hosts, looked at by two probers, of which one resumes. */
static void measure_resumed(void)
{
    struct bench_pairs pairs = {0};
    struct storm storms[2];
    for (enum bench_side side = BENCH_OURS; side <= BENCH_FLOOR; side++) {
        storm_open(&storms[side], store_open(PORT), AT_ONCE, PORT, side == BENCH_OURS);
        storm_warm(&storms[side], ROW_TICKETS);
    }
    for (unsigned i = 0; i < bench_pairs_wanted(); i++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            enum bench_side side = bench_side(i, turn);
            struct bench_watch watch = bench_start(side);
            storm_run(&storms[side], ROW_TICKETS, PROBES);
            bench_add(&pairs, side, (double)bench_stop(&watch).cpu_ns / 1000 / PROBES);
        }
    }
    bench_report(&(struct bench_case){"probe_storm", "re-check, P-256, resumed", "us CPU a probe",
                                      BENCH_AT_MOST, 0.75},
                 &pairs);
    for (enum bench_side side = BENCH_OURS; side <= BENCH_FLOOR; side++) {
        storm_close(&storms[side]);
        certificate_store_destroy(storms[side].store);
    }
}

/* --- memory --- */

/* How many probes have come to where they are held: they have been in the step before. */
static uint64_t arrived(const struct storm *storm, unsigned step_before)
{
    return histogram_count(&prober_counts(storm->prober)->step_us[step_before]);
}

/* In a child: resident bytes of each held connection. */
static double hold(unsigned row, unsigned step_before)
{
    struct storm storm;
    storm_open(&storm, store_open(PORT), HELD + AT_ONCE, PORT, false);
    storm_run(&storm, ROW_GOOD, 200); /* what the library and the store keep for good */
    uint64_t already = arrived(&storm, step_before);
    uint64_t before = bench_resident_bytes();
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    unsigned started = 0;
    while (arrived(&storm, step_before) - already < HELD && clock_boot_ms() < give_up_ms) {
        while (started < HELD && started - (arrived(&storm, step_before) - already) < HELD_AT_ONCE)
            storm_start(&storm, row, started++);
        CHECK(storm_turn(&storm) == 0); /* nobody may end */
    }
    CHECK(arrived(&storm, step_before) - already == HELD);
    /* Whoever has just arrived still has something to send and to receive. */
    for (uint64_t until_ms = clock_boot_ms() + 3000; clock_boot_ms() < until_ms;)
        CHECK(storm_turn(&storm) == 0);
    bench_plant_memory(bench_resident_bytes() - before);
    return (double)(bench_resident_bytes() - before) / HELD;
}

static bool raise_limit(void)
{
    struct rlimit limit = {.rlim_cur = HELD + 2000, .rlim_max = HELD + 2000};
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur >= limit.rlim_cur)
        return true;
    if (now.rlim_max > limit.rlim_max)
        limit.rlim_max = now.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void measure_memory(const char *name, unsigned row, unsigned step_before, double kib_most)
{
    const struct bench_case what = {"probe_storm", name, "KiB resident", BENCH_AT_MOST, kib_most};
    int ends[2], status = 0;
    double bytes = 0;
    if (!raise_limit()) {
        (void)bench_unmeasured(&what, "not enough descriptors to be had");
        return;
    }
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bytes = hold(row, step_before);
        _exit(write(ends[1], &bytes, sizeof bytes) == sizeof bytes ? 0 : 1);
    }
    close(ends[1]);
    bool said = read(ends[0], &bytes, sizeof bytes) == sizeof bytes;
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child && said && status == 0);
    bench_report_once(&what, bytes / 1024, 0);
}

/* --- instructions --- */

static int run_probes(unsigned probes, uint16_t port, bool resume)
{
    const unsigned row = resume ? ROW_TICKETS : ROW_GOOD;
    struct storm storm;
    storm_open(&storm, store_open(port), AT_ONCE, port, resume);
    storm_warm(&storm, row);
    storm_run(&storm, row, probes);
    storm_close(&storm);
    certificate_store_destroy(storm.store);
    return 0;
}

static int run_bare(unsigned handshakes)
{
    struct bare bare;
    bare_open(&bare, "good");
    for (unsigned i = 0; i < handshakes; i++)
        (void)bare_handshake(&bare);
    bare_close(&bare);
    return 0;
}

static const char *const variables[] = {"PROBE_STORM_PROBES", "PROBE_STORM_NEW",
                                        "PROBE_STORM_RESUMED", "PROBE_STORM_BARE"};
enum counted { COUNTED_PROBES, COUNTED_NEW, COUNTED_RESUMED, COUNTED_BARE };

/* What callgrind counts of this program with so many operations; 0: it did not run. */
static double count_run(enum counted what, unsigned operations)
{
    char program[512] = "", number[16], report[600];
    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    snprintf(number, sizeof number, "%u",
             what == COUNTED_BARE ? operations : bench_planted_count(operations));
    snprintf(report, sizeof report, "%s/callgrind", directory);
    setenv(variables[what], number, 1);
    setenv("PROBE_STORM_DIRECTORY", directory, 1);
    const char *const words[] = {program, NULL};
    pid_t child = callgrind_start(
        words, what == COUNTED_BARE ? "--toggle-collect=bare_client_*" : NULL, report, NULL);
    unsetenv(variables[what]);
    return callgrind_end(child, report);
}

/* Millions of instructions of one operation; 0: not to be had. */
static double count_each(enum counted what)
{
    double few = count_run(what, COUNTED_FEW);
    double many = count_run(what, COUNTED_MANY);
    return few == 0 || many == 0 ? 0 : (many - few) / (COUNTED_MANY - COUNTED_FEW) / 1e6;
}

/* The bars that a small slowdown turns. They stand a tenth above what was measured (bench/README).
 */
static void measure_instructions(void)
{
    static const struct bench_case cases[] = {
        [COUNTED_PROBES] = {"probe_storm", "probe, P-256: instructions", "million a probe",
                            BENCH_AT_MOST, 0.76},
        [COUNTED_NEW] = {"probe_storm", "probe, P-256, new leaf: instructions", "million a probe",
                         BENCH_AT_MOST, 1.06},
        [COUNTED_RESUMED] = {"probe_storm", "re-check, P-256, resumed: instructions",
                             "million a probe", BENCH_AT_MOST, 0.47},
    };
    double floor = count_each(COUNTED_BARE);
    for (enum counted what = COUNTED_PROBES; what <= COUNTED_RESUMED; what++) {
        double ours = floor == 0 ? 0 : count_each(what);
        if (ours == 0)
            (void)bench_unmeasured(&cases[what], "valgrind does not run here");
        else
            bench_report_once(&cases[what], ours, floor);
    }
}

static int measure(void)
{
    /* Memory first: the children are forked before this process has anything. */
    measure_memory("held at the greeting", ROW_NEVER_GREETS, 0, 6);
    measure_memory("held in the handshake", ROW_HALF_HELLO, 3, 72);
    measure_memory("held after the handshake", ROW_TLS_SILENT, 5, 36);
    measure_cpu("probe, P-256", ROW_GOOD, "good", PORT);
    measure_cpu("probe, RSA-2048", ROW_RSA, "rsa2048", PORT);
    measure_cpu("probe, P-256, new leaf", ROW_GOOD, "good", PORT_NEW_LEAVES);
    measure_cpu("probe, RSA-2048, new leaf", ROW_RSA, "rsa2048", PORT_NEW_LEAVES);
    measure_resumed();
    measure_instructions();
    return bench_finish();
}

/* For profilers, and for ourselves under callgrind. */
static bool run_one_side(int *status)
{
    for (enum counted what = COUNTED_PROBES; what <= COUNTED_BARE; what++) {
        const char *number = getenv(variables[what]);
        if (number == NULL)
            continue;
        unsigned operations = (unsigned)atoi(number);
        *status = what == COUNTED_BARE
                      ? run_bare(operations)
                      : run_probes(operations, what == COUNTED_NEW ? PORT_NEW_LEAVES : PORT,
                                   what == COUNTED_RESUMED);
        return true;
    }
    return false;
}

int main(void)
{
    struct farm farm;
    int status;
    signal(SIGPIPE, SIG_IGN);
    const char *given = getenv("PROBE_STORM_DIRECTORY"); /* the farm runs, with what is there */
    if (given != NULL) {
        snprintf(directory, sizeof directory, "%s", given);
        return run_one_side(&status) ? status : measure();
    }
    const char *why = farm_prepare(&farm);
    if (why == NULL)
        why = farm_start(&farm, PORT);
    if (why == NULL)
        why = farm_start_new_leaves(&farm, PORT_NEW_LEAVES);
    snprintf(directory, sizeof directory, "%s", farm.directory);
    if (why != NULL)
        status = bench_impossible(why);
    else if (!run_one_side(&status))
        status = measure();
    farm_close(&farm);
    return status;
}
