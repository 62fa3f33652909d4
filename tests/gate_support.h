/*
 * gate_support.h - a gate in a thread of its own, with real sockets and real tables, and a daemon
 * that is played by the test: it says what the test wants, when the test wants it, or nothing.
 *
 * The gate's clients and the daemon are all in the test's thread, so every order of events is the
 * test's own. A domain's verdict, and its evidence, is what the test puts into the table.
 */
#ifndef MXWARD_TESTS_GATE_SUPPORT_H
#define MXWARD_TESTS_GATE_SUPPORT_H

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "ipc/gate/gate.h"
#include "ipc/gate/limits.h"
#include "ipc/wire/frame.h"
#include "ipc/wire/socketmap.h"
#include "shm/answer.h"
#include "shm/layout.h"
#include "tests/table_support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>

#define EPOCH       7
#define WAIT_MS     5000
#define DEADLINE_MS 400
#define STEADY_MS   500

static char directory[64], run_path[80], users_path[90], gate_path[90], daemon_path[90];
static struct table_writer *verdicts, *users; /* NULL: not there */
static struct gate_options options;
static struct gate *gate;
static int gate_listener = -1, gate_created_error, gate_run_error;
static pthread_t gate_thread;
static sem_t gate_created, gate_may_go;

/* --- sockets --- */

static inline struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

static inline int listen_at(const char *path)
{
    const struct sockaddr_un address = address_of(path);
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    unlink(path);
    ck_assert_int_eq(bind(descriptor, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(descriptor, 64), 0);
    return descriptor;
}

static inline bool wait_for(int descriptor, short events, int wait_ms)
{
    struct pollfd wait = {.fd = descriptor, .events = events};

    return poll(&wait, 1, wait_ms) == 1;
}

static inline void send_bytes(int descriptor, const void *bytes, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        const ssize_t n =
            send(descriptor, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            sent += (size_t)n;
        else
            CLAIM(wait_for(descriptor, POLLOUT, WAIT_MS));
    }
}

/* --- tables --- */

static inline void put_record(struct table_writer *writer, bool packed, union record *record,
                              const struct table_key *key)
{
    ck_assert(packed);
    ck_assert_int_eq(table_writer_put_record(writer, key, record), 0);
}

static inline void put_profile(const struct profile *profile)
{
    union record record;
    struct table_key key;

    put_record(users, account_profile_pack(&record, &key, profile, clock_boot_ms()), &record, &key);
}

static inline void put_account(const char *name, const struct account *account)
{
    union record record;
    struct table_key key;

    put_record(users, account_pack(&record, &key, name, account, clock_boot_ms()), &record, &key);
}

static inline void put_alias(const char *name, const struct account_alias *alias)
{
    union record record;
    struct table_key key;

    put_record(users, account_alias_pack(&record, &key, name, alias, clock_boot_ms()), &record,
               &key);
}

static inline void put_settings(const struct account_settings *settings)
{
    union record record;
    struct table_key key;

    put_record(users, account_settings_pack(&record, &key, settings, clock_boot_ms()), &record,
               &key);
}

static inline void table_lives(struct table_writer *writer)
{
    struct table_clock clock;

    ck_assert_int_eq(table_clock_read(&clock), 0);
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++) {
        table_writer_heartbeat(writer, (uint16_t)partition, &clock);
        table_writer_set_complete(writer, (uint16_t)partition, true);
    }
}

static inline struct table_writer *table_make(const char *path)
{
    struct scratch scratch = {0};
    struct table_opened opened;

    ck_assert_int_eq(mkdir(path, 0755), 0);
    snprintf(scratch.directory, sizeof scratch.directory, "%s", path);
    ck_assert_int_eq(table_clock_read(&scratch.clock), 0);
    return scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
}

static inline void verdicts_make(void)
{
    verdicts = table_make(run_path);
    table_writer_set_settings(verdicts, EPOCH);
    table_lives(verdicts);
}

/* Its folder is taken away and made again; of the users' table it is the same one. */
static inline void verdicts_of_another_daemon(void)
{
    char command[200];

    table_writer_close(verdicts);
    snprintf(command, sizeof command, "cd '%s' && mv users ../users && rm -r ../run", run_path);
    ck_assert_int_eq(system(command), 0);
    verdicts_make();
    snprintf(command, sizeof command, "cd '%s' && mv users run", directory);
    ck_assert_int_eq(system(command), 0);
}

/*
 *   strict   encryption, told at once; refuses at RCPT        hold   encryption, held
 *   live     as strict, with a look for every message         pass   as strict; trouble lets in
 *   dane     nothing below authenticated                      watch  as strict, only observed
 *   mild     demands nothing
 */
static inline void profiles_put(void)
{
    static const struct profile all[] = {
        {.name = "strict",
         .minimum = LEVEL_ENCRYPT,
         .unmet = UNMET_STOP,
         .window_ms = 60000,
         .refuse_at_rcpt = true},
        {.name = "live", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP, .window_ms = 0},
        {.name = "dane", .minimum = LEVEL_AUTHENTICATED, .unmet = UNMET_STOP, .window_ms = 60000},
        {.name = "hold", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_HOLD, .window_ms = 60000},
        {.name = "pass",
         .minimum = LEVEL_ENCRYPT,
         .unmet = UNMET_STOP,
         .window_ms = 60000,
         .refuse_at_rcpt = true,
         .trouble = TROUBLE_PASS},
        {.name = "watch",
         .minimum = LEVEL_ENCRYPT,
         .unmet = UNMET_STOP,
         .window_ms = 60000,
         .refuse_at_rcpt = true,
         .observe = true},
        {.name = "mild", .minimum = LEVEL_NONE, .window_ms = 60000},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        put_profile(&all[i]);
}

static inline void users_make(void)
{
    users = table_make(users_path);
    put_settings(&(struct account_settings){
        .aliases_known = true, .delimiter = "+", .alias_profile = "strict"});
    profiles_put();
    table_lives(users);
}

/* What the next verdict is put as; the words are the names of classes. */
static inline struct verdict verdict_of(const char *what)
{
    static const struct {
        const char *what;
        struct verdict verdict;
    } rows[] = {
        {"dane",
         {.class = CLASS_DANE,
          .level = LEVEL_AUTHENTICATED,
          .cause = CAUSE_DANE,
          .enforce = ENFORCE_DANE_ONLY,
          .hosts_good = 1,
          .flags = VERDICT_MX_SECURE | VERDICT_ALL_HOSTS_DANE | VERDICT_SOME_HOSTS_DANE |
                   VERDICT_ALL_HOSTS_TLSA | VERDICT_SOME_HOSTS_TLSA}},
        {"encrypted",
         {.class = CLASS_ENCRYPTED,
          .level = LEVEL_ENCRYPT,
          .cause = CAUSE_ENCRYPTED,
          .enforce = ENFORCE_ENCRYPT,
          .hosts_good = 1}},
        {"none", {.class = CLASS_NONE, .cause = CAUSE_NO_STARTTLS}},
        {"unknown",
         {.class = CLASS_UNKNOWN,
          .conclusion = CONCLUSION_INCONCLUSIVE,
          .cause = CAUSE_UNREACHABLE}},
        {"trouble",
         {.class = CLASS_UNKNOWN, .conclusion = CONCLUSION_TEMPORARY, .cause = CAUSE_MX_TROUBLE}},
    };
    struct verdict verdict = {0};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].what, what) == 0)
            verdict = rows[i].verdict;
    verdict.hosts = 1;
    verdict.tls_version = verdict.level >= LEVEL_ENCRYPT ? 0x0304 : 0;
    verdict.began_ms = clock_boot_ms() - 40;
    verdict.valid_until_ms = clock_boot_ms() + 60000;
    verdict.config_epoch = EPOCH;
    snprintf(verdict.host, sizeof verdict.host, "mx1.example.net");
    return verdict;
}

static inline void put_verdict(const char *domain, const struct verdict *verdict)
{
    struct table_key key;

    ck_assert(table_key_make(&key, domain, strlen(domain)));
    ck_assert_int_eq(table_writer_put(verdicts, &key, verdict), 0);
}

static inline void see(const char *domain, const char *what)
{
    const struct verdict verdict = verdict_of(what);

    put_verdict(domain, &verdict);
}

/* --- the gate --- */

static void *gate_main(void *context)
{
    (void)context;
    gate_created_error = gate_create(&gate, &options);
    sem_post(&gate_created);
    if (gate_created_error != 0)
        return NULL;
    gate_run_error = gate_run(gate);
    while (sem_wait(&gate_may_go) != 0) /* not under the feet of who stops it */
        continue;
    gate_destroy(gate);
    return NULL;
}

static inline void gate_begin(void)
{
    sem_init(&gate_created, 0, 0);
    sem_init(&gate_may_go, 0, 0);
    gate_listener = listen_at(gate_path);
    options.listeners = &gate_listener;
    options.listener_count = 1;
    ck_assert_int_eq(pthread_create(&gate_thread, NULL, gate_main, NULL), 0);
    while (sem_wait(&gate_created) != 0)
        continue;
    ck_assert_int_eq(gate_created_error, 0);
}

static inline void gate_end(void)
{
    gate_stop(gate);
    sem_post(&gate_may_go);
    pthread_join(gate_thread, NULL);
    ck_assert_int_eq(gate_run_error, 0);
    close(gate_listener);
    gate = NULL;
}

/* --- its clients --- */

static inline int client_open(void)
{
    const struct sockaddr_un address = address_of(gate_path);
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CLAIM(descriptor >= 0);
    CLAIM(connect(descriptor, (const struct sockaddr *)&address, sizeof address) == 0);
    return descriptor;
}

static inline void say(int client, const char *text)
{
    send_bytes(client, text, strlen(text));
}

/* Everything up to the end of what is one answer; "" if the connection was closed, or nothing came
 * in time (then *late). */
enum answer_end { END_LINE, END_EMPTY_LINE, END_NETSTRING };

static inline bool answer_is_whole(const char *text, size_t length, enum answer_end end)
{
    if (end == END_NETSTRING) {
        const char *colon = memchr(text, ':', length);

        return colon != NULL && length == (size_t)(colon - text) + 2 + strtoul(text, NULL, 10);
    }
    return (end == END_LINE && length > 0 && text[length - 1] == '\n') ||
           (end == END_EMPTY_LINE && length > 1 && memcmp(text + length - 2, "\n\n", 2) == 0);
}

static inline const char *hear(int client, enum answer_end end, int wait_ms)
{
    static char text[8192];
    size_t length = 0;

    while (!answer_is_whole(text, length, end)) {
        if (!wait_for(client, POLLIN, wait_ms))
            return "(nothing came)";
        CLAIM(length < sizeof text - 1);
        if (recv(client, text + length, 1, 0) != 1)
            return "(closed)";
        text[++length] = '\0';
    }
    if (end == END_NETSTRING) { /* the payload */
        char *payload = strchr(text, ':') + 1;

        text[length - 1] = '\0';
        return payload;
    }
    text[length - (end == END_LINE ? 1 : 2)] = '\0';
    return text;
}

/* Socketmap: "NAME key". */
static inline void query_send(int client, const char *request)
{
    char netstring[11000];

    snprintf(netstring, sizeof netstring, "%zu:%s,", strlen(request), request);
    say(client, netstring);
}

static inline const char *reply_hear(int client)
{
    return hear(client, END_NETSTRING, WAIT_MS);
}

static inline const char *query(int client, const char *request)
{
    query_send(client, request);
    return reply_hear(client);
}

static inline const char *line(int client, const char *request)
{
    say(client, request);
    say(client, "\n");
    return hear(client, END_LINE, WAIT_MS);
}

/* Policy delegation; `more`: further lines. */
static inline void rcpt_send(int client, const char *context, const char *sender,
                             const char *recipient, const char *more)
{
    char text[2000];

    snprintf(text, sizeof text,
             "request=smtpd_access_policy\nprotocol_state=RCPT\nsender=%s\nrecipient=%s\n"
             "policy_context=%s\n%s\n",
             sender, recipient, context, more);
    say(client, text);
}

static inline const char *rcpt(int client, const char *context, const char *sender,
                               const char *recipient, const char *more)
{
    const char *answer;

    rcpt_send(client, context, sender, recipient, more);
    answer = hear(client, END_EMPTY_LINE, WAIT_MS);
    return strncmp(answer, "action=", 7) == 0 ? answer + 7 : answer;
}

#define claim_begins(text, beginning)                                                 \
    do {                                                                              \
        const char *claimed_text = (text);                                            \
        ck_assert_msg(strncmp(claimed_text, beginning, strlen(beginning)) == 0, "%s", \
                      claimed_text);                                                  \
    } while (0)
#define claim_has(text, words)                                                  \
    do {                                                                        \
        const char *claimed_text = (text);                                      \
        ck_assert_msg(strstr(claimed_text, words) != NULL, "%s", claimed_text); \
    } while (0)

static inline uint64_t kept(int client)
{
    const char *at = strstr(line(client, "ping"), "kept=");

    ck_assert_ptr_nonnull(at);
    return strtoull(at + 5, NULL, 10);
}

/* Until an answer is kept: places are void whenever the tables are looked for. */
static inline void ask_until_kept(int client, int other, const char *request, const char *beginning)
{
    const uint64_t before = kept(other);

    for (unsigned tries = 0; kept(other) == before; tries++) {
        ck_assert_uint_lt(tries, 10);
        claim_begins(query(client, request), beginning);
    }
}

/* --- the daemon, played by the test --- */

static struct {
    int listener, connection; /* -1: none */
    uint8_t input[1 << 16];
    size_t size, used; /* bytes; of them taken */
} played = {.listener = -1, .connection = -1};

static inline void daemon_listen(void)
{
    played.listener = listen_at(daemon_path);
}

static inline void daemon_send(uint8_t kind, uint64_t id, const void *message)
{
    uint8_t frame[FRAME_ANSWER_MAX];
    const size_t size = frame_encode(frame, sizeof frame, kind, 0, id, message);

    CLAIM(size > 0);
    send_bytes(played.connection, frame, size);
}

/* The next frame; its bytes are good until the next call. False: none came in time. */
static inline bool daemon_frame(struct frame *frame, int wait_ms)
{
    memmove(played.input, played.input + played.used, played.size - played.used);
    played.size -= played.used;
    played.used = 0;
    for (;;) {
        ssize_t n;

        if (frame_take(frame, played.input, played.size, FRAME_REQUEST_MAX, &played.used) ==
            FRAME_WHOLE)
            return true;
        if (!wait_for(played.connection, POLLIN, wait_ms))
            return false;
        n = recv(played.connection, played.input + played.size, sizeof played.input - played.size,
                 0);
        if (n <= 0)
            return false;
        played.size += (size_t)n;
    }
}

/* The gate comes, and is made welcome. */
static inline void daemon_accept(void)
{
    const struct frame_welcome welcome = {
        .version = "played", .rights = RIGHT_QUERY, .requests = 256, .config_epoch = EPOCH};
    struct frame frame;

    CLAIM(wait_for(played.listener, POLLIN, WAIT_MS));
    played.connection = accept4(played.listener, NULL, NULL, SOCK_CLOEXEC);
    CLAIM(played.connection >= 0);
    CLAIM(daemon_frame(&frame, WAIT_MS) && frame.kind == FRAME_HELLO);
    daemon_send(FRAME_WELCOME, frame.id, &welcome);
}

/* The next question: its id; 0: none came in time. */
static inline uint64_t daemon_hears_within(struct frame_decide *asked, int wait_ms)
{
    struct frame frame;

    if (!daemon_frame(&frame, wait_ms))
        return 0;
    CLAIM(frame.kind == FRAME_DECIDE && frame_decode(asked, &frame, NULL));
    return frame.id;
}

static inline uint64_t daemon_hears(struct frame_decide *asked)
{
    const uint64_t id = daemon_hears_within(asked, WAIT_MS);

    ck_assert_msg(id != 0, "the daemon was not asked");
    return id;
}

static inline struct frame_answer answer_of(enum action action, const char *policy)
{
    struct frame_answer answer = {
        .action = (uint8_t)action,
        .would = (uint8_t)action,
        .policy_answer = policy != NULL ? POSTFIX_POLICY : POSTFIX_DEFAULT,
        .guarantees = policy != NULL ? LEVEL_ENCRYPT : LEVEL_NONE,
        .smtp_code = action == ACTION_SEND   ? 250
                     : action == ACTION_STOP ? 550
                                             : 451,
        .text = "as the daemon says",
        .class = CLASS_UNKNOWN,
        .now_ms = clock_boot_ms(),
    };

    snprintf(answer.policy, sizeof answer.policy, "%s", policy != NULL ? policy : "");
    snprintf(answer.code, sizeof answer.code, "%s",
             action == ACTION_SEND   ? "2.0.0"
             : action == ACTION_STOP ? "5.7.4"
                                     : "4.7.4");
    return answer;
}

static inline void daemon_answers(uint64_t id, enum action action, const char *policy)
{
    const struct frame_answer answer = answer_of(action, policy);

    daemon_send(FRAME_ANSWER, id, &answer);
}

static inline void daemon_faults(uint64_t id, enum frame_error code)
{
    const struct frame_fault fault = {
        .code = (uint8_t)code, .kind = FRAME_DECIDE, .sentence = "as the daemon says"};

    daemon_send(FRAME_ERROR, id, &fault);
}

static inline void daemon_dies(void)
{
    close(played.connection);
    close(played.listener);
    unlink(daemon_path);
    played.connection = played.listener = -1;
    played.size = played.used = 0;
}

/* Another gate, with options that the test has changed. */
static inline void gate_again(void)
{
    gate_end();
    close(played.connection);
    played.size = played.used = 0;
    gate_begin();
    daemon_accept();
}

/* --- the world --- */

static inline void world_make(void)
{
    log_start(LOG_ERROR_LEVEL, "stderr");
    snprintf(directory, sizeof directory, "/dev/shm/mxward-gate-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(run_path, sizeof run_path, "%s/run", directory);
    snprintf(users_path, sizeof users_path, "%s/users", run_path);
    snprintf(gate_path, sizeof gate_path, "%s/gate.sock", directory);
    snprintf(daemon_path, sizeof daemon_path, "%s/mxward.sock", directory);
    options = (struct gate_options){.run_directory = run_path,
                                    .daemon_socket = daemon_path,
                                    .connections = 64,
                                    .deadline_ms = DEADLINE_MS,
                                    .steady_ms = STEADY_MS,
                                    .idle_ms = 60000,
                                    .transport_prefix = "guarantee-",
                                    .ordinary_transport = "smtp:",
                                    .split_transport = "by-recipient:[127.0.0.1]:10026"};
}

static inline void world_end(void)
{
    char command[100];

    if (gate != NULL)
        gate_end();
    if (verdicts != NULL)
        table_writer_close(verdicts);
    if (users != NULL)
        table_writer_close(users);
    verdicts = users = NULL;
    if (played.connection >= 0)
        close(played.connection);
    if (played.listener >= 0)
        close(played.listener);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ck_assert_int_eq(system(command), 0);
}

/* Tables, and a daemon that has made the gate welcome. */
static inline void set_up(void)
{
    world_make();
    verdicts_make();
    users_make();
    daemon_listen();
    gate_begin();
    daemon_accept();
}

#endif
