/*
 * library_test.c - libmxward between tables and daemon: which of them answers, what is left when
 * one or both are away, many recipients in one call, fork, and callers of other versions.
 *
 * The tables are real. The daemon is a thread of the test: what it says depends on the recipient's
 * domain, and everything that it was asked is counted.
 *
 *   daemon.…   sent, "as the daemon says"      busy.…   turned away
 *   mute.…     no answer                       name.…   not a name
 *   later.…    as a later daemon: fields that this library does not know, and an action
 */
#include "ipc/client/mxward.h"
#include "ipc/wire/recipients.h"
#include "tests/gate_support.h"

#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define TABLE_ONLY 0
#define CLIENTS    8

/* The last two: of an earlier version, or with one answer to a question about many. */
enum manner { ANSWERS, KEEPS_SILENT, HANGS_UP_ONCE, KNOWS_NO_MANY, BUSY_FOR_MANY };

static struct {
    pthread_t thread;
    int listener, stop, clients[CLIENTS];
    uint8_t input[CLIENTS][1 << 16];
    size_t size[CLIENTS];
    _Atomic enum manner manner;
    _Atomic unsigned connections, questions;
    _Atomic unsigned asked, deadline_ms; /* recipients; of the last message */
} server = {.listener = -1};

static struct mxw *mxw;
static struct mxw_decision decision;

/* --- the daemon --- */

static void server_say(int client, uint8_t kind, uint64_t id, const void *message)
{
    uint8_t frame[FRAME_ANSWER_MAX];
    const size_t size = frame_encode(frame, sizeof frame, kind, 0, id, message);

    CLAIM(size > 0);
    for (size_t sent = 0; sent < size;) {
        const ssize_t n = send(client, frame + sent, size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

static void server_fault(int client, const struct frame *frame, enum frame_error code,
                         uint16_t place)
{
    const struct frame_fault fault = {.code = (uint8_t)code,
                                      .kind = frame->kind,
                                      .place = place,
                                      .sentence = "as the daemon says"};

    server_say(client, FRAME_ERROR, frame->id, &fault);
}

/* Its tag is behind all that we know, and it may be skipped (ipc/wire/frame.h). */
static void server_says_more(int client, uint64_t id, struct frame_answer answer)
{
    static const uint8_t field[] = {0xfe, 0x7f, 3, 0, 'n', 'e', 'w'};
    uint8_t frame[FRAME_ANSWER_MAX];
    const size_t size =
        frame_encode(frame, sizeof frame - sizeof field, FRAME_ANSWER, 0, id, &answer);
    const uint32_t whole = (uint32_t)(size + sizeof field);

    CLAIM(size > 0);
    memcpy(frame + size, field, sizeof field);
    memcpy(frame, &whole, sizeof whole);
    CLAIM(send(client, frame, whole, MSG_NOSIGNAL) == (ssize_t)whole);
}

static void server_decide(int client, const struct frame *frame, const struct frame_decide *asked,
                          uint16_t place)
{
    struct frame_answer answer = answer_of(ACTION_SEND, "encrypt by=daemon");
    const char *domain = strchr(asked->recipient, '@');

    answer.place = place;
    atomic_store(&server.deadline_ms, asked->deadline_ms);
    atomic_fetch_add(&server.asked, 1);
    domain = domain != NULL ? domain + 1 : asked->recipient;
    if (strncmp(domain, "mute.", 5) == 0)
        return;
    if (strncmp(domain, "later.", 6) == 0) {
        answer.action = answer.would = ACTION_COUNT + 4;
        answer.source = 200;
        server_says_more(client, frame->id, answer);
        return;
    }
    if (strncmp(domain, "busy.", 5) == 0)
        server_fault(client, frame, FRAME_ERROR_BUSY, place);
    else if (strncmp(domain, "name.", 5) == 0)
        server_fault(client, frame, FRAME_ERROR_NAME, place);
    else
        server_say(client, FRAME_ANSWER, frame->id, &answer);
}

static bool server_hangs_up(void)
{
    if (server.manner != HANGS_UP_ONCE || atomic_load(&server.asked) != 5)
        return false;
    server.manner = ANSWERS;
    return true;
}

/* The last first: they come in any order. False: it hangs up. */
static bool server_decide_many(int client, const struct frame *frame)
{
    struct recipient recipients[RECIPIENTS_MAX];
    struct frame_decide_many many;
    unsigned count = 0;
    size_t at = 0;

    CLAIM(frame_decode(&many, frame, NULL));
    CLAIM(recipients_count(many.recipients, many.recipients_size, FRAME_ADDRESS_MAX - 1) > 1);
    while (recipients_take(&recipients[count], many.recipients, many.recipients_size, &at))
        if (++count == RECIPIENTS_MAX)
            break;
    for (; count > 0 && !server_hangs_up(); count--) {
        struct frame_decide asked = many.message;

        memcpy(asked.recipient, recipients[count - 1].address, recipients[count - 1].address_size);
        memcpy(asked.next_hop, recipients[count - 1].next_hop, recipients[count - 1].next_hop_size);
        server_decide(client, frame, &asked, (uint16_t)count);
    }
    return count == 0;
}

static bool server_take(int client, const struct frame *frame)
{
    const struct frame_welcome welcome = {
        .version = "played", .rights = RIGHT_QUERY, .requests = 256, .config_epoch = EPOCH};
    const struct verdict verdict = verdict_of("dane");
    struct frame_verdict reply = {.verdict = verdict, .now_ms = clock_boot_ms()};
    struct frame_decide asked;

    atomic_fetch_add(&server.questions, frame->kind != FRAME_HELLO);
    if (frame->kind == FRAME_HELLO) {
        server_say(client, FRAME_WELCOME, frame->id, &welcome);
    } else if (frame->kind == FRAME_CHECK) {
        atomic_fetch_add(&server.asked, 1);
        snprintf(reply.next_hop, sizeof reply.next_hop, "daemon.example");
        server_say(client, FRAME_VERDICT, frame->id, &reply);
    } else if (frame->kind == FRAME_DECIDE) {
        CLAIM(frame_decode(&asked, frame, NULL));
        server_decide(client, frame, &asked, 0);
    } else if (server.manner == KNOWS_NO_MANY) {
        server_fault(client, frame, FRAME_ERROR_KIND, 0);
    } else if (server.manner == BUSY_FOR_MANY) {
        server_fault(client, frame, FRAME_ERROR_BUSY, 0);
    } else {
        return server_decide_many(client, frame);
    }
    return true;
}

static void server_drop(unsigned i)
{
    close(server.clients[i]);
    server.clients[i] = -1;
    server.size[i] = 0;
}

static void server_read(unsigned i)
{
    uint8_t *input = server.input[i];
    const ssize_t n =
        recv(server.clients[i], input + server.size[i], sizeof server.input[i] - server.size[i], 0);
    struct frame frame;
    size_t used;

    if (n <= 0) {
        server_drop(i);
        return;
    }
    server.size[i] += (size_t)n;
    while (server.manner != KEEPS_SILENT &&
           frame_take(&frame, input, server.size[i], FRAME_REQUEST_MAX, &used) == FRAME_WHOLE) {
        if (server_hangs_up() || !server_take(server.clients[i], &frame)) {
            server_drop(i);
            return;
        }
        server.size[i] -= used;
        memmove(input, input + used, server.size[i]);
    }
}

static void server_accept(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (server.clients[i] >= 0)
            continue;
        server.clients[i] = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
        atomic_fetch_add(&server.connections, 1);
        return;
    }
    CLAIM(!"too many clients");
}

static void *server_run(void *context)
{
    struct pollfd polled[CLIENTS + 2];

    for (;;) {
        polled[CLIENTS] = (struct pollfd){.fd = server.listener, .events = POLLIN};
        polled[CLIENTS + 1] = (struct pollfd){.fd = server.stop, .events = POLLIN};
        for (unsigned i = 0; i < CLIENTS; i++)
            polled[i] = (struct pollfd){.fd = server.clients[i], .events = POLLIN};
        poll(polled, CLIENTS + 2, -1);
        if (polled[CLIENTS + 1].revents)
            return context;
        if (polled[CLIENTS].revents)
            server_accept();
        for (unsigned i = 0; i < CLIENTS; i++)
            if (polled[i].revents && server.clients[i] >= 0)
                server_read(i);
    }
}

static int stop_writes;

static void server_begin(void)
{
    int ends[2];

    CLAIM(pipe(ends) == 0);
    server.stop = ends[0];
    stop_writes = ends[1];
    server.listener = listen_at(daemon_path);
    for (unsigned i = 0; i < CLIENTS; i++)
        server.clients[i] = -1;
    ck_assert_int_eq(pthread_create(&server.thread, NULL, server_run, NULL), 0);
}

static void server_end(void)
{
    if (server.listener < 0)
        return;
    close(stop_writes);
    pthread_join(server.thread, NULL);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (server.clients[i] >= 0)
            server_drop(i);
    close(server.listener);
    close(server.stop);
    unlink(daemon_path);
    server.listener = -1;
}

/* --- the world --- */

static void library_open(void)
{
    struct mxw_options with = MXW_OPTIONS_INIT;

    with.socket = daemon_path;
    with.program = "library_test";
    with.tables = run_path;
    ck_assert_int_eq(mxw_open(&mxw, &with), MXW_OK);
}

static void set_up_all(void)
{
    world_make();
    verdicts_make();
    users_make();
    server_begin();
    library_open();
}

static void set_up_without_daemon(void)
{
    world_make();
    verdicts_make();
    users_make();
    library_open();
}

static void set_up_nothing(void)
{
    world_make();
    library_open();
}

static void tear_down(void)
{
    mxw_close(mxw);
    server_end();
    world_end();
}

static struct mxw_message message_to(const char *recipient, const char *profile)
{
    struct mxw_message message = MXW_MESSAGE_INIT;

    message.sender = "me@example.org";
    message.recipient = recipient;
    message.profile = profile;
    return message;
}

static int decide(const char *recipient, const char *profile, int wait_ms)
{
    const struct mxw_message message = message_to(recipient, profile);

    memset(&decision, 0x55, sizeof decision); /* whatever it was: it is filled */
    return mxw_decide(mxw, &message, &decision, wait_ms);
}

static void see_of_before(const char *domain, const char *what, uint64_t ago_ms)
{
    struct verdict verdict = verdict_of(what);

    verdict.began_ms = clock_boot_ms() - ago_ms;
    put_verdict(domain, &verdict);
}

static void expect_temporary(void)
{
    ck_assert_int_eq(decision.action, MXW_DEFER);
    ck_assert_str_eq(decision.action_name, "defer");
    ck_assert_uint_eq(decision.smtp_code, 451);
    claim_begins(decision.code, "4.");
    ck_assert_str_ne(decision.text, "");
    ck_assert_ptr_null(strchr(decision.text, '/')); /* nothing of this machine */
    ck_assert_int_ne(decision.policy_kind, MXW_POLICY_DEFAULT);
    ck_assert(decision.limited);
}

/* There is not even a table that could say more. */
static void expect_nothing_known(void)
{
    expect_temporary();
    ck_assert_str_eq(decision.code, "4.3.0");
    ck_assert_int_eq(decision.policy_kind, MXW_POLICY_NONE);
    ck_assert_int_eq(decision.age_ms, -1);
}

/* --- who answers --- */

static void child_ends_well(pid_t child)
{
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child: %d", status);
}

START_TEST(what_the_table_knows_is_answered_without_the_daemon)
{
    see("a.example", "encrypted");
    ck_assert_int_eq(decide("x@a.example", "strict", WAIT_MS), MXW_OK);
    ck_assert_int_eq(decision.action, MXW_SEND);
    ck_assert(decision.from_table && !decision.limited);
    claim_begins(decision.policy, "encrypt ");
    ck_assert_uint_eq(server.connections, 0);
    ck_assert_int_eq(mxw_descriptor(mxw), -1);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they make some themselves \
                                                                     */
/* Only read, write and exit are allowed from here on; the clock is the vDSO's, where it is. */
static pid_t child_without_system_calls(int calls)
{
    const struct mxw_message message = message_to("x@a.example", "strict");
    const pid_t child = fork();
    struct timespec now;

    if (child != 0)
        return child;
    if (mxw_decide(mxw, &message, &decision, WAIT_MS) != MXW_OK ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        _exit(1);
    clock_gettime(CLOCK_BOOTTIME, &now);
    for (int i = 0; i < calls; i++)
        if (mxw_decide(mxw, &message, &decision, WAIT_MS) != MXW_OK || !decision.from_table)
            syscall(SYS_exit, 2);
    syscall(SYS_exit, 0);
    return -1;
}

START_TEST(an_answer_from_the_table_needs_no_system_call)
{
    int status;

    see("a.example", "encrypted");
    ck_assert_int_gt(waitpid(child_without_system_calls(0), &status, 0), 0);
    if (WIFSIGNALED(status)) /* here even the clock is a system call */
        return;
    child_ends_well(child_without_system_calls(1000));
}
END_TEST
#endif

START_TEST(the_daemon_is_asked_for_the_rest)
{
    static const struct {
        const char *recipient, *profile, *seen;
        uint64_t ago_ms;
        bool want_keys;
    } rows[] = {
        {"x@daemon.example", "strict", NULL, 0, false},            /* nothing is known */
        {"x@daemon.example", "strict", "encrypted", 61000, false}, /* beyond its window */
        {"x@daemon.example", "live", "encrypted", 40, false},
        {"x@daemon.example", "strict", "none", 40, false}, /* somebody must be told */
        {"x@daemon.example", "strict", "encrypted", 40, true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mxw_message message = message_to(rows[i].recipient, rows[i].profile);

        message.want_keys = rows[i].want_keys;
        if (rows[i].seen != NULL)
            see_of_before("daemon.example", rows[i].seen, rows[i].ago_ms);
        ck_assert_int_eq(mxw_decide(mxw, &message, &decision, WAIT_MS), MXW_OK);
        ck_assert_str_eq(decision.policy, "encrypt by=daemon");
        ck_assert(!decision.from_table);
        ck_assert_uint_eq(server.asked, i + 1);
    }
    ck_assert_uint_eq(server.connections, 1);
}
END_TEST

START_TEST(without_tables_only_the_daemon_answers)
{
    struct mxw_options with = MXW_OPTIONS_INIT;

    see("daemon.example", "encrypted");
    mxw_close(mxw);
    with.socket = daemon_path;
    with.tables = "";
    ck_assert_int_eq(mxw_open(&mxw, &with), MXW_OK);
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    ck_assert(!decision.from_table);
    ck_assert_int_eq(decide("x@daemon.example", "strict", TABLE_ONLY), MXW_TIMEOUT);
    expect_nothing_known();
    ck_assert_int_eq(decide("x@busy.example", "strict", WAIT_MS), MXW_BUSY);
    expect_nothing_known();
    ck_assert_str_eq(decision.text, "as the daemon says");
}
END_TEST

/* daemon.run_directory, unless it is set otherwise. */
START_TEST(tables_are_looked_for_beside_the_socket)
{
    struct mxw_options with = MXW_OPTIONS_INIT;
    char beside[120];

    see("a.example", "encrypted");
    snprintf(beside, sizeof beside, "%s/mxward.sock", run_path);
    mxw_close(mxw);
    with.socket = beside;
    ck_assert_int_eq(mxw_open(&mxw, &with), MXW_OK);
    ck_assert_int_eq(decide("x@a.example", "strict", TABLE_ONLY), MXW_OK);
}
END_TEST

START_TEST(tables_that_come_later_are_found_within_a_second)
{
    ck_assert_int_eq(decide("x@a.example", "strict", TABLE_ONLY), MXW_TIMEOUT);
    expect_nothing_known();
    ck_assert_int_eq(decide("x@a.example", "strict", 100), MXW_UNREACHABLE);
    expect_nothing_known();
    verdicts_make();
    users_make();
    see("a.example", "encrypted");
    usleep(1050000);
    ck_assert_int_eq(decide("x@a.example", "strict", TABLE_ONLY), MXW_OK);
}
END_TEST

START_TEST(a_check_is_answered_by_a_verdict_as_fresh_as_asked_for)
{
    struct mxw_question question = MXW_QUESTION_INIT;
    struct mxw_verdict verdict;

    see("a.example", "encrypted");
    question.next_hop = "Somebody@A.example";
    ck_assert_int_eq(mxw_check(mxw, &question, &verdict, WAIT_MS), MXW_OK);
    ck_assert_str_eq(verdict.next_hop, "a.example");
    ck_assert_str_eq(verdict.class_name, "encrypted");
    ck_assert(verdict.from_table);
    ck_assert_int_ne(verdict.ended_s, 0);
    ck_assert_uint_eq(server.connections, 0);
    question.freshness = MXW_LIVE;
    ck_assert_int_eq(mxw_check(mxw, &question, &verdict, WAIT_MS), MXW_OK);
    ck_assert(!verdict.from_table);
    question.freshness = MXW_MAX_AGE;
    question.max_age_ms = 1;
    ck_assert_int_eq(mxw_check(mxw, &question, &verdict, WAIT_MS), MXW_OK);
    ck_assert(!verdict.from_table);
    server_end();
    ck_assert_int_eq(mxw_check(mxw, &question, &verdict, WAIT_MS), MXW_UNREACHABLE);
    question.max_age_ms = 60000;
    ck_assert_int_eq(mxw_check(mxw, &question, &verdict, WAIT_MS), MXW_OK);
}
END_TEST

/* --- the daemon is away --- */

START_TEST(without_a_daemon_the_table_sends_under_a_policy_and_stops_nobody)
{
    static const struct {
        const char *seen;
        uint64_t ago_ms;
        const char *profile;
        int status, action;
        bool limited;
        const char *policy;
    } rows[] = {
        {"encrypted", 40, "strict", MXW_OK, MXW_SEND, false, "encrypt "},
        {"encrypted", 61000, "strict", MXW_OK, MXW_SEND, true, "encrypt "}, /* law 1 */
        {"encrypted", 40, "live", MXW_OK, MXW_SEND, true, "encrypt "},
        {"none", 40, "strict", MXW_UNREACHABLE, MXW_DEFER, true, "encrypt "}, /* law 3 */
        {"none", 61000, "strict", MXW_OK, MXW_SEND, true, "encrypt "}, /* enforced at delivery */
        {"none", 61000, "", MXW_OK, MXW_SEND, false, ""},
        {"unknown", 40, "strict", MXW_OK, MXW_SEND, false, "encrypt "},
        {"none", 40, "hold", MXW_OK, MXW_DEFER, false, "encrypt "},
        {"none", 61000, "dane", MXW_UNREACHABLE, MXW_DEFER, true, ""}, /* no text says it */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        see_of_before("a.example", rows[i].seen, rows[i].ago_ms);
        ck_assert_int_eq(decide("x@a.example", rows[i].profile, WAIT_MS), rows[i].status);
        ck_assert_msg(decision.action == rows[i].action, "row %zu: %s %s", i, decision.action_name,
                      decision.text);
        ck_assert_msg(!decision.limited == !rows[i].limited, "row %zu", i);
        claim_begins(decision.policy, rows[i].policy);
        ck_assert(decision.from_table);
    }
}
END_TEST

/* However fresh the evidence is, and whoever is not asked: the daemon's word alone stops mail. */
START_TEST(a_stop_is_temporary_until_the_daemon_says_it)
{
    const struct mxw_message message = message_to("x@a.example", "strict");
    uint64_t id;

    see("a.example", "none");
    ck_assert_int_eq(decide("x@a.example", "strict", 100), MXW_UNREACHABLE);
    expect_temporary();
    ck_assert_str_eq(decision.code, "4.7.4");
    ck_assert_str_eq(decision.would_name, "defer");
    ck_assert(decision.insecure);
    ck_assert_int_eq(decide("x@a.example", "strict", TABLE_ONLY), MXW_TIMEOUT);
    expect_temporary();
    ck_assert_int_eq(mxw_start(mxw), MXW_UNREACHABLE);
    ck_assert_int_eq(mxw_send_message(mxw, &message, &id), MXW_UNREACHABLE);
}
END_TEST

START_TEST(what_nobody_can_tell_is_temporary_and_never_sent_nor_bounced)
{
    uint64_t began_ms;

    ck_assert_int_eq(decide("x@nobody.example", "dane", 100), MXW_UNREACHABLE);
    expect_temporary();
    began_ms = clock_boot_ms();
    ck_assert_ptr_nonnull(strstr(mxw_reason(mxw), "is mxward running"));
    ck_assert_int_eq(decide("x@nobody.example", "dane", TABLE_ONLY), MXW_TIMEOUT);
    expect_temporary();
    ck_assert_uint_lt(clock_boot_ms() - began_ms, 1000);
}
END_TEST

START_TEST(what_is_no_name_or_profile_is_said_for_good_and_only_that)
{
    see("a.example", "encrypted");
    ck_assert_int_eq(decide("x@a..b", "strict", WAIT_MS), MXW_INVALID);
    ck_assert_int_eq(decision.action, MXW_DEFER);
    ck_assert_int_eq(decide("x@a.example", "no-such-profile", WAIT_MS), MXW_INVALID);
    ck_assert_int_eq(decide(NULL, "strict", WAIT_MS), MXW_INVALID);
}
END_TEST

/* Who is trusted the daemon knows, and not the library. */
START_TEST(mail_that_comes_in_is_let_in_by_the_table_and_refused_by_the_daemon_alone_S13)
{
    struct mxw_message message = MXW_MESSAGE_INIT;
    const struct account_alias alias = {.receives = true, .profile = "strict"};

    put_alias("me@secure.example.org", &alias);
    message.inbound = 1;
    message.recipient = "me@example.org";
    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, WAIT_MS), MXW_OK);
    ck_assert_int_eq(decision.action, MXW_SEND);
    message.recipient = "me@secure.example.org";
    message.client_tls = 0x0304;
    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, WAIT_MS), MXW_OK);
    ck_assert_int_eq(decision.action, MXW_SEND);
    message.client_tls = 0;
    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, 100), MXW_UNREACHABLE);
    expect_temporary();
}
END_TEST

/* Whether it was there before (_i), or takes the connection and no more. */
START_TEST(a_daemon_that_keeps_silent_costs_a_wait_once_and_not_each_time)
{
    uint64_t began_ms, took_ms;

    see_of_before("a.example", "encrypted", 61000);
    if (_i == 1)
        ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    server.manner = KEEPS_SILENT;
    began_ms = clock_boot_ms();
    ck_assert_int_eq(decide("x@a.example", "strict", 300), MXW_OK);
    took_ms = clock_boot_ms() - began_ms;
    ck_assert_uint_ge(took_ms, 290);
    ck_assert_uint_lt(took_ms, 800);
    ck_assert_int_eq(decision.action, MXW_SEND);
    ck_assert(decision.limited);
    began_ms = clock_boot_ms();
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(decide("x@a.example", "strict", 300), MXW_OK);
    ck_assert_uint_lt(clock_boot_ms() - began_ms, 280);
    ck_assert_int_ne(decide("x@nobody.example", "dane", 50), MXW_OK); /* it must wait */
    expect_temporary();
    mxw_disconnect(mxw);
    server.manner = ANSWERS;
    usleep(1400000);
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    ck_assert(!decision.from_table);
}
END_TEST

START_TEST(a_daemon_that_keeps_silent_costs_who_only_sends_a_wait_once)
{
    const struct mxw_message message = message_to("x@a.example", "strict");
    struct mxw_options with = MXW_OPTIONS_INIT;
    uint64_t began_ms, id;

    see_of_before("a.example", "encrypted", 61000);
    mxw_close(mxw);
    with.socket = daemon_path;
    with.tables = run_path;
    with.connect_ms = 200;
    ck_assert_int_eq(mxw_open(&mxw, &with), MXW_OK);
    server.manner = KEEPS_SILENT;
    began_ms = clock_boot_ms();
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(mxw_send_message(mxw, &message, &id), MXW_OK);
    ck_assert_uint_lt(clock_boot_ms() - began_ms, 390);
    ck_assert_uint_eq(mxw_ready(mxw), 5);
}
END_TEST

START_TEST(the_daemon_is_told_to_answer_in_time)
{
    struct mxw_message message = message_to("x@daemon.example", "strict");

    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, 4000), MXW_OK);
    ck_assert_uint_gt(server.deadline_ms, 3000);
    ck_assert_uint_le(server.deadline_ms, 3500);
    message.deadline_ms = 77; /* the caller's own */
    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, 4000), MXW_OK);
    ck_assert_uint_eq(server.deadline_ms, 77);
    message.deadline_ms = 0;
    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, 100000), MXW_OK);
    ck_assert_uint_eq(server.deadline_ms, 0); /* the daemon's own is shorter */
}
END_TEST

START_TEST(what_the_daemon_turns_away_the_table_answers_if_it_can)
{
    ck_assert_int_eq(decide("x@busy.example", "dane", WAIT_MS), MXW_BUSY);
    expect_temporary();
    see_of_before("busy.example", "encrypted", 61000);
    ck_assert_int_eq(decide("x@busy.example", "strict", WAIT_MS), MXW_OK);
    ck_assert_int_eq(decision.action, MXW_SEND);
    ck_assert(decision.limited);
    ck_assert_int_eq(decide("x@name.example", "strict", WAIT_MS), MXW_INVALID);
}
END_TEST

/* --- event loops --- */

static unsigned drain(int wait_ms)
{
    struct mxw_result result = {.size = sizeof result};
    unsigned count = 0;

    while (mxw_outstanding(mxw) > 0 && mxw_receive(mxw, &result, wait_ms) == MXW_OK) {
        ck_assert_int_eq(result.status, MXW_OK);
        ck_assert(result.decided);
        count++;
    }
    return count;
}

START_TEST(an_event_loop_gets_the_tables_answers_the_same_way)
{
    struct mxw_message known = message_to("x@a.example", "strict"),
                       unknown = message_to("x@daemon.example", "strict");
    struct mxw_question question = MXW_QUESTION_INIT;
    struct mxw_result result = {.size = sizeof result};
    uint64_t ids[4];

    see("a.example", "encrypted");
    question.next_hop = "a.example";
    ck_assert_int_eq(mxw_start(mxw), MXW_OK);
    ck_assert_int_eq(mxw_send_message(mxw, &unknown, &ids[0]), MXW_OK);
    ck_assert_int_eq(mxw_send_message(mxw, &known, &ids[1]), MXW_OK);
    ck_assert_int_eq(mxw_send(mxw, &question, &ids[2]), MXW_OK);
    ck_assert_uint_eq(mxw_outstanding(mxw), 3);
    ck_assert_uint_eq(mxw_ready(mxw), 2);
    ck_assert_int_eq(mxw_receive(mxw, &result, 0), MXW_OK);
    ck_assert_uint_eq(result.id, ids[1]);
    ck_assert(result.decided && result.decision.from_table);
    ck_assert_int_eq(mxw_receive(mxw, &result, 0), MXW_OK);
    ck_assert_uint_eq(result.id, ids[2]);
    ck_assert_str_eq(result.verdict.class_name, "encrypted");
    ck_assert_uint_eq(mxw_ready(mxw), 0);
    ck_assert_int_eq(mxw_flush(mxw), MXW_OK);
    ck_assert(wait_for(mxw_descriptor(mxw), POLLIN, WAIT_MS));
    while (mxw_receive(mxw, &result, 0) == MXW_TIMEOUT)
        ck_assert(wait_for(mxw_descriptor(mxw), POLLIN, WAIT_MS));
    ck_assert_uint_eq(result.id, ids[0]);
    ck_assert_str_eq(result.decision.policy, "encrypt by=daemon");
    ck_assert_int_eq(mxw_process(mxw), MXW_OK);
}
END_TEST

START_TEST(an_event_loop_without_a_daemon_lives_on_the_table)
{
    struct mxw_message stale = message_to("x@a.example", "strict"),
                       unknown = message_to("x@nobody.example", "dane");
    uint64_t id;

    see_of_before("a.example", "encrypted", 61000);
    ck_assert_int_eq(mxw_start(mxw), MXW_UNREACHABLE);
    ck_assert_int_eq(mxw_send_message(mxw, &stale, &id), MXW_OK);
    ck_assert_int_eq(mxw_send_message(mxw, &unknown, &id), MXW_UNREACHABLE);
    ck_assert_int_eq(mxw_send_message(mxw, &stale, &id), MXW_OK);
    ck_assert_uint_eq(mxw_outstanding(mxw), 2); /* none is lost with the connection */
    ck_assert_uint_eq(drain(0), 2);
}
END_TEST

START_TEST(answers_of_the_table_that_nobody_receives_end_in_full_and_none_is_lost)
{
    struct mxw_message known = message_to("x@a.example", "strict");
    unsigned sent = 0;
    int status;
    uint64_t id;

    see("a.example", "encrypted");
    while ((status = mxw_send_message(mxw, &known, &id)) == MXW_OK && sent < 100000)
        sent++;
    ck_assert_int_eq(status, MXW_FULL);
    ck_assert_uint_eq(mxw_ready(mxw), sent);
    ck_assert_uint_eq(drain(0), sent);
    ck_assert_int_eq(mxw_send_message(mxw, &known, &id), MXW_OK);
}
END_TEST

START_TEST(trouble_of_the_daemon_is_made_good_by_the_table_also_in_an_event_loop)
{
    static const struct {
        const char *seen, *profile;
        uint64_t ago_ms;
        int status, action;
    } rows[] = {
        {"encrypted", "strict", 61000, MXW_OK, MXW_SEND},
        {"none", "dane", 61000, MXW_BUSY, MXW_DEFER},
        {"none", "strict", 40, MXW_BUSY, MXW_DEFER}, /* a stop is the daemon's to say */
    };
    struct mxw_result result = {.size = sizeof result};
    uint64_t ids[2];

    ck_assert_int_eq(mxw_start(mxw), MXW_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct mxw_message busy = message_to("x@busy.example", rows[i].profile),
                                 known = message_to("x@daemon.example", rows[i].profile);

        see_of_before("busy.example", rows[i].seen, rows[i].ago_ms);
        ck_assert_int_eq(mxw_send_message(mxw, &known, &ids[0]), MXW_OK);
        ck_assert_int_eq(mxw_send_message(mxw, &busy, &ids[1]), MXW_OK);
        for (int j = 0; j < 2; j++) {
            ck_assert_int_eq(mxw_receive(mxw, &result, WAIT_MS), MXW_OK);
            ck_assert_uint_eq(result.id, ids[j]);
        }
        ck_assert_int_eq(result.status, rows[i].status);
        ck_assert_int_eq(result.decision.action, rows[i].action);
        ck_assert_int_eq(result.decided, result.status == MXW_OK);
        ck_assert(result.decision.from_table && result.decision.limited);
        ck_assert_int_eq(result.sentence[0] != '\0', result.status != MXW_OK);
        ck_assert_uint_eq(mxw_outstanding(mxw), 0);
    }
}
END_TEST

/* --- many recipients --- */

static struct many {
    struct mxw_message messages[MXW_MANY];
    char recipients[MXW_MANY][40];
    unsigned told[MXW_MANY], table, daemon, temporary, invalid, calls;
    int stop_at;
} many;

static int count_one(void *context, size_t place, const struct mxw_result *result)
{
    struct many *all = context;

    ck_assert_uint_lt(place, MXW_MANY);
    all->told[place]++;
    if (result->status == MXW_OK && result->decision.from_table)
        all->table++;
    else if (result->status == MXW_OK)
        all->daemon++;
    else if (result->status == MXW_INVALID)
        all->invalid++;
    else
        all->temporary += result->decision.action == MXW_DEFER;
    if (result->status == MXW_OK) /* by its place */
        ck_assert_int_eq(strncmp(all->recipients[place], "x@daemon", 8) == 0,
                         !result->decision.from_table);
    return ++all->calls == (unsigned)all->stop_at ? 7 : 0;
}

/* `domains`: the recipients' in turn, NULL at the end. For those with "dane" in them an
 * authenticated host is demanded, which no policy can enforce without evidence. */
static int decide_many(const char *const *domains, size_t count, int wait_ms)
{
    size_t kinds = 0;
    int status;

    while (domains[kinds] != NULL)
        kinds++;
    memset(many.told, 0, sizeof many.told);
    many.table = many.daemon = many.temporary = many.invalid = many.calls = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(many.recipients[i], sizeof many.recipients[i], "x@%s", domains[i % kinds]);
        many.messages[i] = message_to(many.recipients[i],
                                      strstr(domains[i % kinds], ".dane.") ? "dane" : "strict");
    }
    status = mxw_decide_many(mxw, many.messages, count, wait_ms, count_one, &many);
    for (size_t i = 0; status == MXW_OK && i < count; i++)
        ck_assert_uint_eq(many.told[i], 1);
    ck_assert_uint_eq(mxw_outstanding(mxw), 0);
    return status;
}

START_TEST(every_recipient_of_500_gets_its_answer_whoever_knows_it)
{
    static const char *const domains[] = {"a.example",         "daemon.example", "a..b",
                                          "busy.dane.example", "daemon.example", NULL};

    see("a.example", "encrypted");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(decide_many(domains, MXW_MANY, WAIT_MS), MXW_OK);
        ck_assert_uint_eq(many.table, 100);
        ck_assert_uint_eq(many.daemon, 200);
        ck_assert_uint_eq(many.invalid, 100);
        ck_assert_uint_eq(many.temporary, 100);
    }
    ck_assert_uint_eq(server.connections, 1);
    ck_assert_uint_eq(server.asked, 600);
}
END_TEST

START_TEST(recipients_of_one_message_are_asked_for_in_one_question)
{
    static const char *const domains[] = {"daemon.example", "a.example", "name.example",
                                          "busy.example", NULL};

    see("a.example", "encrypted");
    see_of_before("busy.example", "encrypted", 61000);
    ck_assert_int_eq(decide_many(domains, MXW_MANY, WAIT_MS), MXW_OK);
    ck_assert_uint_eq(many.daemon, 125);
    ck_assert_uint_eq(many.table, 250); /* what was turned away is made good by it */
    ck_assert_uint_eq(many.invalid, 125);
    ck_assert_uint_eq(server.asked, 375);
    ck_assert_uint_eq(server.questions, 1);
    ck_assert_int_eq(decide_many(domains, 1, WAIT_MS), MXW_OK); /* one alone is no such question */
    ck_assert_uint_eq(server.questions, 2);
}
END_TEST

START_TEST(an_earlier_daemon_is_asked_for_each_recipient_alone)
{
    static const char *const domains[] = {"daemon.example", "name.example", NULL};

    server.manner = KNOWS_NO_MANY;
    for (unsigned i = 1; i <= 2; i++) {
        ck_assert_int_eq(decide_many(domains, MXW_MANY, WAIT_MS), MXW_OK);
        ck_assert_uint_eq(many.daemon, 250);
        ck_assert_uint_eq(many.invalid, 250);
        ck_assert_uint_eq(server.questions, 1 + i * MXW_MANY); /* it was tried once */
    }
    ck_assert_uint_eq(server.connections, 1);
}
END_TEST

/* Two questions about many are out when it says of the first that it does not know them. */
START_TEST(who_is_out_in_another_question_is_not_asked_for_twice_by_an_earlier_daemon)
{
    const char *domains[MXW_MANY + 1] = {NULL};

    for (unsigned i = 0; i < MXW_MANY; i++)
        domains[i] = i < MXW_MANY / 2 ? "daemon.example" : "daemon.dane.example";
    server.manner = KNOWS_NO_MANY;
    ck_assert_int_eq(decide_many(domains, MXW_MANY, WAIT_MS), MXW_OK);
    ck_assert_uint_eq(many.daemon, MXW_MANY);
    ck_assert_uint_eq(server.questions, 2 + MXW_MANY);
}
END_TEST

START_TEST(one_answer_to_a_question_about_many_is_that_of_each)
{
    static const char *const domains[] = {"a.example", "b.example", NULL};

    see_of_before("a.example", "encrypted", 61000);
    see("b.example", "none");
    server.manner = BUSY_FOR_MANY;
    for (unsigned i = 1; i <= 2; i++) {
        ck_assert_int_eq(decide_many(domains, MXW_MANY, WAIT_MS), MXW_OK);
        ck_assert_uint_eq(many.table, 250);
        ck_assert_uint_eq(many.temporary, 250);
        ck_assert_uint_eq(server.questions, i);
    }
    server.manner = ANSWERS;
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    ck_assert_str_eq(decision.policy, "encrypt by=daemon");
}
END_TEST

START_TEST(what_comes_late_for_some_recipients_leaves_the_others_alone)
{
    static const char *const domains[] = {"a.example", "mute.dane.example", "daemon.example",
                                          "mute.old.example", NULL};
    const uint64_t began_ms = clock_boot_ms();

    see("a.example", "encrypted");
    see_of_before("mute.old.example", "encrypted", 61000);
    ck_assert_int_eq(decide_many(domains, 100, 400), MXW_OK);
    ck_assert_uint_lt(clock_boot_ms() - began_ms, 1000); /* for all of them */
    ck_assert_uint_eq(many.daemon, 25);
    ck_assert_uint_eq(many.table, 50);
    ck_assert_uint_eq(many.temporary, 25);
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    ck_assert_str_eq(decision.policy, "encrypt by=daemon");
}
END_TEST

START_TEST(recipients_are_asked_for_again_when_the_daemon_was_restarted_meanwhile)
{
    static const char *const domains[] = {"daemon.example", NULL};

    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    server.manner = HANGS_UP_ONCE;
    ck_assert_int_eq(decide_many(domains, 40, WAIT_MS), MXW_OK);
    ck_assert_uint_eq(many.daemon, 40);
    ck_assert_uint_eq(server.connections, 2);
}
END_TEST

START_TEST(without_a_daemon_recipients_are_answered_as_far_as_the_table_goes)
{
    static const char *const domains[] = {"a.example", "nobody.dane.example", NULL};

    see_of_before("a.example", "encrypted", 61000);
    ck_assert_int_eq(decide_many(domains, 10, 100), MXW_OK);
    ck_assert_uint_eq(many.table, 5);
    ck_assert_uint_eq(many.temporary, 5);
    ck_assert_int_eq(decide_many(domains, 10, TABLE_ONLY), MXW_OK);
    ck_assert_uint_eq(many.table, 5);
    ck_assert_int_eq(decide_many(domains, 0, WAIT_MS), MXW_OK);
}
END_TEST

/* One message, or many (_i). */
static int decide_one_or_many(bool one, int wait_ms)
{
    static const char *const domains[] = {"daemon.dane.example", NULL};

    return one ? decide("x@daemon.dane.example", "dane", wait_ms)
               : decide_many(domains, 3, wait_ms);
}

static void *server_begins_soon(void *unused)
{
    usleep(300000);
    server_begin();
    return unused;
}

START_TEST(a_daemon_that_is_being_restarted_is_waited_for_where_nobody_else_can_tell)
{
    const bool one = _i == 0;
    pthread_t thread;

    pthread_create(&thread, NULL, server_begins_soon, NULL);
    ck_assert_int_eq(decide_one_or_many(one, 20000), MXW_OK);
    pthread_join(thread, NULL);
    if (one)
        ck_assert_int_eq(decision.action, MXW_SEND);
    else
        ck_assert_uint_eq(many.daemon, 3);
}
END_TEST

START_TEST(a_daemon_that_stays_away_is_waited_for_once_and_not_each_time)
{
    const bool one = _i == 0;
    uint64_t began_ms = clock_boot_ms();

    decide_one_or_many(one, 20000);
    ck_assert_uint_ge(clock_boot_ms() - began_ms, 2900);
    ck_assert_uint_lt(clock_boot_ms() - began_ms, 15000);
    began_ms = clock_boot_ms();
    for (int i = 0; i < 100; i++)
        decide_one_or_many(one, 20000);
    ck_assert_uint_lt(clock_boot_ms() - began_ms, 1000);
    server_begin();
    ck_assert_int_eq(decide_one_or_many(one, 20000), MXW_OK);
}
END_TEST

START_TEST(more_than_500_recipients_are_refused_and_the_callback_may_stop)
{
    static const char *const domains[] = {"a.example", "daemon.example", NULL};

    see("a.example", "encrypted");
    ck_assert_int_eq(decide_many(domains, 10, WAIT_MS), MXW_OK);
    ck_assert_int_eq(mxw_decide_many(mxw, many.messages, MXW_MANY + 1, WAIT_MS, count_one, &many),
                     MXW_USAGE);
    for (many.stop_at = 1; many.stop_at < 10; many.stop_at++) {
        ck_assert_int_eq(decide_many(domains, 10, WAIT_MS), -7);
        ck_assert_uint_eq(many.calls, (unsigned)many.stop_at);
        ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    }
}
END_TEST

/* --- threads --- */

static int ask_amid(void *context, size_t place, const struct mxw_result *result)
{
    struct mxw_decision other;
    const struct mxw_message message = message_to("x@daemon.example", "strict");
    uint64_t id;

    (void)place;
    ck_assert_int_eq(result->status, MXW_OK);
    ck_assert_int_eq(mxw_decide(mxw, &message, &other, WAIT_MS), MXW_USAGE);
    ck_assert_int_eq(other.action, MXW_DEFER);
    ck_assert_int_eq(mxw_send_message(mxw, &message, &id), MXW_USAGE);
    ck_assert_int_eq(mxw_flush(mxw), MXW_USAGE);
    mxw_disconnect(mxw);
    ++*(unsigned *)context;
    return 0;
}

START_TEST(a_call_amid_another_does_nothing_and_says_so)
{
    const struct mxw_message messages[3] = {message_to("x@daemon.example", "strict"),
                                            message_to("y@daemon.example", "strict"),
                                            message_to("z@daemon.example", "strict")};
    unsigned told = 0;

    ck_assert_int_eq(mxw_decide_many(mxw, messages, 3, WAIT_MS, ask_amid, &told), MXW_OK);
    ck_assert_uint_eq(told, 3);
    ck_assert_uint_eq(server.asked, 3);
    ck_assert_uint_eq(server.connections, 1);
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
}
END_TEST

static void *decides_with_its_own(void *context)
{
    const char *const recipients[] = {"x@a.example", "x@daemon.example"};
    struct mxw_options with = MXW_OPTIONS_INIT;
    unsigned *wrong = context;
    struct mxw *own;

    with.socket = daemon_path;
    with.tables = run_path;
    *wrong = mxw_open(&own, &with) != MXW_OK;
    for (int i = 0; i < 400 && *wrong == 0; i++) {
        const struct mxw_message message = message_to(recipients[i % 2], "strict");
        struct mxw_decision here;

        *wrong += mxw_decide(own, &message, &here, WAIT_MS) != MXW_OK || here.action != MXW_SEND ||
                  here.from_table != (i % 2 == 0);
    }
    mxw_close(own);
    return context;
}

START_TEST(threads_with_a_handle_each_need_nothing_of_each_other)
{
    pthread_t threads[4];
    unsigned wrong[4];

    see("a.example", "encrypted");
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, decides_with_its_own, &wrong[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(wrong[i], 0);
    }
}
END_TEST

static void *waits_in_the_handle(void *context)
{
    decide("x@mute.example", "strict", 500);
    return context;
}

/* --- fork --- */

/* In the child nothing of Check may be used: it says with its exit code which line was wrong. */
#define CHILD(condition)               \
    do {                               \
        if (!(condition))              \
            _exit(__LINE__ % 251 + 1); \
    } while (0)

START_TEST(after_a_fork_each_side_has_a_connection_of_its_own)
{
    const struct mxw_message slow = message_to("x@mute.example", "strict");
    int descriptor;
    uint64_t id;
    pid_t child;

    see("a.example", "encrypted");
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    ck_assert_int_eq(mxw_send_message(mxw, &slow, &id), MXW_OK);
    descriptor = mxw_descriptor(mxw);
    child = fork();
    if (child == 0) {
        CHILD(mxw_outstanding(mxw) == 0 && mxw_descriptor(mxw) == -1);
        CHILD(decide("x@a.example", "strict", WAIT_MS) == MXW_OK && decision.from_table);
        CHILD(decide("x@daemon.example", "strict", WAIT_MS) == MXW_OK && !decision.from_table);
        CHILD(mxw_descriptor(mxw) == descriptor); /* its copy was closed, so the number was free */
        mxw_close(mxw);
        _exit(0);
    }
    child_ends_well(child);
    ck_assert_uint_eq(server.connections, 2);
    ck_assert_uint_eq(mxw_outstanding(mxw), 1);
    ck_assert_int_eq(mxw_descriptor(mxw), descriptor);
    mxw_disconnect(mxw);
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    ck_assert_uint_eq(server.connections, 3);
}
END_TEST

START_TEST(a_handle_that_another_thread_was_inside_of_is_lost_for_the_child_and_says_so)
{
    pthread_t thread;
    pid_t child;

    ck_assert_int_eq(pthread_create(&thread, NULL, waits_in_the_handle, NULL), 0);
    while (server.asked == 0)
        usleep(1000);
    child = fork();
    if (child == 0) {
        CHILD(decide("x@a.example", "strict", 100) == MXW_USAGE && decision.action == MXW_DEFER);
        mxw_close(mxw);
        _exit(0);
    }
    child_ends_well(child);
    pthread_join(thread, NULL);
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
}
END_TEST

START_TEST(a_parent_that_asks_while_its_child_asks_gets_its_own_answers)
{
    pid_t child;

    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 200; i++)
            CHILD(decide("x@daemon.example", "strict", WAIT_MS) == MXW_OK);
        _exit(0);
    }
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    child_ends_well(child);
    ck_assert_uint_eq(server.connections, 2);
}
END_TEST

/* As daemons do it: the number is another file's then, and must not be closed. */
START_TEST(a_child_that_closed_all_files_loses_none_of_its_new_ones)
{
    pid_t child;

    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    child = fork();
    if (child == 0) {
        const int number = mxw_descriptor(mxw) == -1 ? 0 : -1;
        int other = -1;

        CHILD(number == 0);
        for (int i = 3; i < 100; i++)
            close(i);
        while (other < 50)
            CHILD((other = open("/dev/null", O_RDONLY)) >= 0);
        CHILD(decide("x@daemon.example", "strict", WAIT_MS) == MXW_OK);
        for (int i = 3; i < 50; i++)
            CHILD(fcntl(i, F_GETFD) >= 0);
        mxw_close(mxw);
        for (int i = 3; i < 50; i++)
            CHILD(fcntl(i, F_GETFD) >= 0);
        _exit(0);
    }
    child_ends_well(child);
}
END_TEST

/* --- callers, daemons and tables of other versions --- */

/* Of libmxward.so.0, on 64 bits: what is here stays where it is. */
START_TEST(structs_stay_as_they_are_and_grow_at_their_ends)
{
#if __SIZEOF_POINTER__ == 8
    ck_assert_uint_eq(sizeof(struct mxw_options), 40);
    ck_assert_uint_eq(sizeof(struct mxw_question), 32);
    ck_assert_uint_eq(sizeof(struct mxw_message), 104);
    ck_assert_uint_eq(sizeof(struct mxw_order), 88);
    ck_assert_uint_eq(sizeof(struct mxw_observation), 72);
    ck_assert_uint_eq(sizeof(struct mxw_verdict), 2720);
    ck_assert_uint_eq(sizeof(struct mxw_decision), 1968);
    ck_assert_uint_eq(sizeof(struct mxw_result), 5360);
    ck_assert_uint_eq(offsetof(struct mxw_message, enforced) + sizeof(int),
                      sizeof(struct mxw_message)); /* no padding that an old caller leaves */
    ck_assert_uint_eq(offsetof(struct mxw_question, scan) + sizeof(int),
                      sizeof(struct mxw_question));
    ck_assert_uint_eq(offsetof(struct mxw_options, reserved) + sizeof(int),
                      sizeof(struct mxw_options));
#endif
}
END_TEST

START_TEST(a_caller_of_a_later_version_is_served_as_far_as_he_asks_for_nothing_new)
{
    struct {
        struct mxw_message message;
        uint64_t later;
    } bigger[2] = {{message_to("x@a.example", "strict"), 0}, {message_to("x@a..b", NULL), 0}};

    see("a.example", "encrypted");
    for (int i = 0; i < 2; i++)
        bigger[i].message.size = sizeof bigger[0];
    ck_assert_int_eq(mxw_decide(mxw, &bigger[0].message, &decision, WAIT_MS), MXW_OK);
    many.calls = many.table = many.invalid = 0;
    snprintf(many.recipients[0], sizeof many.recipients[0], "x@a.example");
    ck_assert_int_eq(mxw_decide_many(mxw, &bigger[0].message, 2, WAIT_MS, count_one, &many),
                     MXW_OK);
    ck_assert_uint_eq(many.table, 1);
    ck_assert_uint_eq(many.invalid, 1);
    bigger[0].later = 1;
    ck_assert_int_eq(mxw_decide(mxw, &bigger[0].message, &decision, WAIT_MS), MXW_USAGE);
    ck_assert_int_eq(decision.action, MXW_DEFER);
    for (int i = 0; i < 2; i++) { /* forgotten, or never set: nothing behind it is looked at */
        bigger[0].message.size = i == 0 ? 0 : SIZE_MAX;
        ck_assert_int_eq(mxw_decide(mxw, &bigger[0].message, &decision, WAIT_MS), MXW_USAGE);
        ck_assert_int_eq(mxw_decide_many(mxw, &bigger[0].message, 2, WAIT_MS, count_one, &many),
                         MXW_USAGE);
    }
}
END_TEST

START_TEST(what_a_later_daemon_says_is_understood_as_far_as_it_goes_and_is_never_send)
{
    ck_assert_int_eq(decide("x@later.example", "strict", WAIT_MS), MXW_OK);
    ck_assert_int_eq(decision.action, MXW_DEFER);
    ck_assert_str_eq(decision.source_name, "?");
    ck_assert_str_eq(decision.policy, "encrypt by=daemon");
    ck_assert_uint_eq(server.connections, 1);
}
END_TEST

/* Its number stands at byte 8 for ever (shm/layout.h). */
static void table_becomes_another_major(const char *folder)
{
    const uint32_t major = TABLE_MAJOR + 1;
    char path[200];
    int file;

    snprintf(path, sizeof path, "%s/table.1", folder);
    file = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(pwrite(file, &major, sizeof major, 8), sizeof major);
    close(file);
}

START_TEST(a_table_of_another_major_is_not_read_and_the_daemon_is_asked)
{
    see("daemon.example", "encrypted");
    ck_assert_int_eq(decide("x@daemon.example", "strict", TABLE_ONLY), MXW_OK);
    mxw_close(mxw);
    table_becomes_another_major(run_path);
    library_open();
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    ck_assert_str_eq(decision.policy, "encrypt by=daemon");
    ck_assert_int_eq(decide("x@daemon.example", "strict", TABLE_ONLY), MXW_TIMEOUT);
    mxw_close(mxw);
    table_becomes_another_major(users_path);
    library_open();
    ck_assert_int_eq(decide("x@daemon.example", "strict", WAIT_MS), MXW_OK);
    server_end();
    ck_assert_int_eq(decide("x@daemon.example", "strict", 100), MXW_UNREACHABLE);
    expect_temporary();
}
END_TEST

static Suite *library_suite(void)
{
    Suite *suite = suite_create("libmxward");
    TCase *both = tcase_create("tables and daemon"), *alone = tcase_create("no daemon"),
          *nothing = tcase_create("neither"), *daemon = tcase_create("versions");

    tcase_set_timeout(alone, 30);
    tcase_add_checked_fixture(both, set_up_all, tear_down);
    tcase_add_checked_fixture(daemon, set_up_all, tear_down);
    tcase_add_checked_fixture(alone, set_up_without_daemon, tear_down);
    tcase_add_checked_fixture(nothing, set_up_nothing, tear_down);
    tcase_add_test(both, what_the_table_knows_is_answered_without_the_daemon);
    tcase_add_test(both, the_daemon_is_asked_for_the_rest);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_test(both, an_answer_from_the_table_needs_no_system_call);
#endif
    tcase_add_test(both, without_tables_only_the_daemon_answers);
    tcase_add_test(both, a_check_is_answered_by_a_verdict_as_fresh_as_asked_for);
    tcase_add_loop_test(both, a_daemon_that_keeps_silent_costs_a_wait_once_and_not_each_time, 0, 2);
    tcase_add_test(both, a_daemon_that_keeps_silent_costs_who_only_sends_a_wait_once);
    tcase_add_test(both, the_daemon_is_told_to_answer_in_time);
    tcase_add_test(both, what_the_daemon_turns_away_the_table_answers_if_it_can);
    tcase_add_test(both, an_event_loop_gets_the_tables_answers_the_same_way);
    tcase_add_test(both, trouble_of_the_daemon_is_made_good_by_the_table_also_in_an_event_loop);
    tcase_add_test(both, every_recipient_of_500_gets_its_answer_whoever_knows_it);
    tcase_add_test(both, recipients_of_one_message_are_asked_for_in_one_question);
    tcase_add_test(both, an_earlier_daemon_is_asked_for_each_recipient_alone);
    tcase_add_test(both,
                   who_is_out_in_another_question_is_not_asked_for_twice_by_an_earlier_daemon);
    tcase_add_test(both, one_answer_to_a_question_about_many_is_that_of_each);
    tcase_add_test(both, what_comes_late_for_some_recipients_leaves_the_others_alone);
    tcase_add_test(both, recipients_are_asked_for_again_when_the_daemon_was_restarted_meanwhile);
    tcase_add_test(both, more_than_500_recipients_are_refused_and_the_callback_may_stop);
    tcase_add_test(both, after_a_fork_each_side_has_a_connection_of_its_own);
    tcase_add_test(both, a_call_amid_another_does_nothing_and_says_so);
    tcase_add_test(both, threads_with_a_handle_each_need_nothing_of_each_other);
    tcase_add_test(both,
                   a_handle_that_another_thread_was_inside_of_is_lost_for_the_child_and_says_so);
    tcase_add_test(both, a_parent_that_asks_while_its_child_asks_gets_its_own_answers);
    tcase_add_test(both, a_child_that_closed_all_files_loses_none_of_its_new_ones);
    tcase_add_test(alone, tables_are_looked_for_beside_the_socket);
    tcase_add_test(alone, a_stop_is_temporary_until_the_daemon_says_it);
    tcase_add_test(alone, without_a_daemon_the_table_sends_under_a_policy_and_stops_nobody);
    tcase_add_test(alone, what_nobody_can_tell_is_temporary_and_never_sent_nor_bounced);
    tcase_add_loop_test(
        alone, a_daemon_that_is_being_restarted_is_waited_for_where_nobody_else_can_tell, 0, 2);
    tcase_add_loop_test(alone, a_daemon_that_stays_away_is_waited_for_once_and_not_each_time, 0, 2);
    tcase_add_test(alone, what_is_no_name_or_profile_is_said_for_good_and_only_that);
    tcase_add_test(alone,
                   mail_that_comes_in_is_let_in_by_the_table_and_refused_by_the_daemon_alone_S13);
    tcase_add_test(alone, an_event_loop_without_a_daemon_lives_on_the_table);
    tcase_add_test(alone, answers_of_the_table_that_nobody_receives_end_in_full_and_none_is_lost);
    tcase_add_test(alone, without_a_daemon_recipients_are_answered_as_far_as_the_table_goes);
    tcase_add_test(nothing, tables_that_come_later_are_found_within_a_second);
    tcase_add_test(daemon, structs_stay_as_they_are_and_grow_at_their_ends);
    tcase_add_test(daemon, a_caller_of_a_later_version_is_served_as_far_as_he_asks_for_nothing_new);
    tcase_add_test(daemon,
                   what_a_later_daemon_says_is_understood_as_far_as_it_goes_and_is_never_send);
    tcase_add_test(daemon, a_table_of_another_major_is_not_read_and_the_daemon_is_asked);
    suite_add_tcase(suite, both);
    suite_add_tcase(suite, alone);
    suite_add_tcase(suite, nothing);
    suite_add_tcase(suite, daemon);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(library_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
