/*
 * gate_test.c - what mail servers are told, when, and in which order: a whole gate with real
 * sockets and tables, and a daemon that the test plays.
 */
#include "shm/freshness.h"
#include "shm/postfix.h"
#include "tests/gate_support.h"

#include <signal.h>
#include <sys/wait.h>

#define NOT_OFFERED "4.7.4 TLS is required, but was not offered by host mx1.example.net[192.0.2.1]"

/* The daemon answers the one question that is out; checks that there is one. */
static void daemon_says(enum action action, const char *policy)
{
    struct frame_decide asked;
    const uint64_t id = daemon_hears(&asked);

    daemon_answers(id, action, policy);
}

static uint64_t took_ms(uint64_t since_ms)
{
    return clock_boot_ms() - since_ms;
}

/* --- socketmap: which map, which key --- */

START_TEST(a_leading_dot_is_answered_at_once)
{
    static const char *const requests[] = {"policy .example.com", "QUERY .com", "query .com",
                                           "QUERYwithTLSRPT .a.example", "requiretls .com"};
    const int client = client_open();
    struct frame_decide asked;

    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        ck_assert_str_eq(query(client, requests[i]), "NOTFOUND ");
    claim_begins(query(client, "guarantee/strict .example.com"), "PERM ");
    ck_assert_uint_eq(daemon_hears_within(&asked, 50), 0);
    close(client);
}
END_TEST

START_TEST(what_is_no_map_or_no_key_is_said_to_be_none)
{
    static const struct {
        const char *request, *reply;
    } rows[] = {
        {"other example.com", "PERM there is no such map"},
        {"Policy example.com", "PERM there is no such map"},
        {"guarantee/ example.com", "PERM there is no such map"},
        {"guarantee example.com", "PERM there is no such map"},
        {"policy", "PERM a request is"},
        {"policy ", "NOTFOUND "},
        {"policy a..b", "NOTFOUND "},
        {"guarantee/strict ", "PERM this is no next hop"},
        {"guarantee/strict a..b", "PERM "},
        {"guarantee/nobody example.com", "PERM there is no such profile"},
        {"requiretls example.com", "OK enforce"},
        {"dsn ", "NOTFOUND "},
        {"dsn/ 5.7.3 no", "PERM there is no such map"},
        {"sender ", "NOTFOUND "},
        {"sender @example.org", "NOTFOUND "},
    };
    const int client = client_open();

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        claim_begins(query(client, rows[i].request), rows[i].reply);
    say(client, "no netstring");
    close(client);
}
END_TEST

static bool is_never_less_than_encryption(const char *reply)
{
    static const char *const levels[] = {"OK encrypt ", "OK dane-only ", "OK fingerprint ",
                                         "OK verify ",  "OK secure ",    "TEMP ",
                                         "PERM "};

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strncmp(reply, levels[i], strlen(levels[i])) == 0)
            return true;
    return false;
}

/* Whatever the daemon says, right or wrong. */
START_TEST(guarantee_answers_nothing_below_encryption_or_an_error)
{
    const int client = client_open();
    struct postfix_policy policy;
    unsigned rows = 0, texts = 0;
    char request[100];

    for (; postfix_policy_row(&policy, rows); rows++) {
        for (int how = 0; how < 4; how++) {
            struct frame_answer answer = answer_of(how == 0   ? ACTION_SEND
                                                   : how == 1 ? ACTION_DEFER
                                                              : ACTION_STOP,
                                                   policy.text);
            struct frame_decide asked;

            answer.policy_answer = (uint8_t)policy.answer;
            answer.insecure = how == 2;
            snprintf(request, sizeof request, "guarantee/strict row%u-%d.example", rows, how);
            query_send(client, request);
            const uint64_t id = daemon_hears(&asked);
            ck_assert_str_eq(asked.profile, "strict");
            ck_assert_uint_eq(asked.enforced, 1);
            daemon_send(FRAME_ANSWER, id, &answer);
            const char *reply = reply_hear(client);
            ck_assert_msg(is_never_less_than_encryption(reply), "%s: %s", policy.row, reply);
            texts += strncmp(reply, "OK ", 3) == 0;
            if (how == 3) /* refused for another reason: no policy says so */
                claim_begins(reply, "TEMP ");
        }
    }
    ck_assert_uint_gt(rows, 30);
    ck_assert_uint_gt(texts, 20);
    close(client);
}
END_TEST

START_TEST(a_next_hop_in_brackets_is_answered_from_what_is_known_and_looked_at_meanwhile)
{
    const int client = client_open();
    const uint64_t from_ms = clock_boot_ms();
    struct frame_decide asked;

    ck_assert_str_eq(query(client, "policy [mx.example.com]"), "NOTFOUND ");
    claim_begins(query(client, "guarantee/strict [192.0.2.1]:587"), "OK encrypt ");
    ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS);
    daemon_answers(daemon_hears(&asked), ACTION_SEND, NULL);
    ck_assert_str_eq(asked.recipient, "[mx.example.com]");
    daemon_answers(daemon_hears(&asked), ACTION_SEND, NULL);
    ck_assert_str_eq(asked.recipient, "[192.0.2.1]:587");
    query_send(client, "guarantee/strict [mx.example.com]:587"); /* nobody else can tell */
    daemon_answers(daemon_hears(&asked), ACTION_SEND, "encrypt x");
    ck_assert_str_eq(asked.recipient, "[mx.example.com]:587");
    ck_assert_str_eq(reply_hear(client), "OK encrypt x");
    ck_assert_str_eq(query(client, "policy .example"), "NOTFOUND "); /* and nothing came twice */
    close(client);
}
END_TEST

/* --- in order, and all of them --- */

START_TEST(answers_come_in_the_order_of_the_requests)
{
    const int client = client_open();
    struct frame_decide first, third;

    query_send(client, "policy first.example");
    query_send(client, "policy .second.example");
    query_send(client, "policy third.example");
    const uint64_t first_id = daemon_hears(&first), third_id = daemon_hears(&third);
    ck_assert_str_eq(first.recipient, "first.example");
    ck_assert_str_eq(third.recipient, "third.example");
    daemon_answers(third_id, ACTION_SEND, "encrypt third");
    ck_assert(!wait_for(client, POLLIN, 50)); /* it waits for those before it */
    daemon_answers(first_id, ACTION_SEND, "encrypt first");
    ck_assert_str_eq(reply_hear(client), "OK encrypt first");
    ck_assert_str_eq(reply_hear(client), "NOTFOUND ");
    ck_assert_str_eq(reply_hear(client), "OK encrypt third");
    close(client);
}
END_TEST

#define LONG_POLICY_BYTES 760

/* More than the output of a connection holds at once, behind one that comes last. */
START_TEST(answers_that_find_no_room_come_when_there_is_some)
{
    const int client = client_open();
    uint64_t ids[GATE_OUTSTANDING];
    char request[40], policy[LONG_POLICY_BYTES + 1] = "encrypt ";
    struct frame_decide asked;

    memset(policy + 8, 'a', LONG_POLICY_BYTES - 8);
    for (unsigned i = 0; i < GATE_OUTSTANDING; i++) {
        snprintf(request, sizeof request, "policy d%u.example", i);
        query_send(client, request);
    }
    for (unsigned i = 0; i < GATE_OUTSTANDING; i++)
        ids[i] = daemon_hears(&asked);
    for (unsigned i = GATE_OUTSTANDING; i-- > 0;)
        daemon_answers(ids[i], ACTION_SEND, policy);
    for (unsigned i = 0; i < GATE_OUTSTANDING; i++)
        claim_begins(reply_hear(client), "OK encrypt aaa");
    close(client);
}
END_TEST

START_TEST(a_thousand_requests_on_one_connection_are_all_answered)
{
    const int client = client_open();
    struct frame_decide asked;
    char request[40];

    see("known.example", "encrypted");
    for (unsigned i = 0; i < 1000; i++) {
        if (i % 100 == 50)
            snprintf(request, sizeof request, "policy d%u.example", i);
        else
            snprintf(request, sizeof request, "policy %s", i % 2 ? "known.example" : ".known");
        query_send(client, request);
    }
    for (unsigned i = 0; i < 1000; i++) {
        if (i % 100 == 50)
            daemon_answers(daemon_hears(&asked), ACTION_SEND, "dane-only x");
        claim_begins(reply_hear(client), i % 100 == 50 ? "OK dane-only"
                                         : i % 2       ? "OK encrypt "
                                                       : "NOTFOUND ");
    }
    close(client);
}
END_TEST

START_TEST(what_cannot_be_read_ends_the_connection_after_the_answers_before_it)
{
    const int client = client_open();

    query_send(client, "policy first.example");
    say(client, "this is no netstring");
    daemon_says(ACTION_SEND, "encrypt first");
    ck_assert_str_eq(reply_hear(client), "OK encrypt first");
    ck_assert_str_eq(reply_hear(client), "(closed)");
    close(client);
}
END_TEST

START_TEST(who_closes_his_side_gets_his_answers_and_then_the_end)
{
    const int client = client_open();

    query_send(client, "policy first.example");
    query_send(client, "policy .example");
    shutdown(client, SHUT_WR);
    daemon_says(ACTION_SEND, "encrypt first");
    ck_assert_str_eq(reply_hear(client), "OK encrypt first");
    ck_assert_str_eq(reply_hear(client), "NOTFOUND ");
    ck_assert_str_eq(reply_hear(client), "(closed)");
    close(client);
}
END_TEST

START_TEST(who_leaves_while_his_questions_wait_leaves_nothing_behind)
{
    struct frame_decide asked;
    uint64_t ids[8];
    int client;

    for (unsigned i = 0; i < 8; i++) {
        char request[40];

        snprintf(request, sizeof request, "policy d%u.example", i);
        client = client_open();
        query_send(client, request);
        ids[i] = daemon_hears(&asked);
        close(client);
    }
    client = client_open();
    claim_has(line(client, "ping"), "connections=1 ");
    for (unsigned i = 0; i < 8; i++)
        daemon_answers(ids[i], ACTION_SEND, "encrypt x");
    claim_has(line(client, "ping"), "daemon=yes");
    close(client);
}
END_TEST

START_TEST(more_connections_than_there_is_room_for_are_closed_and_harm_nobody)
{
    int clients[80];

    for (unsigned i = 0; i < 80; i++)
        clients[i] = client_open();
    for (unsigned i = 0; i < 64; i++)
        ck_assert_str_eq(query(clients[i], "policy .example"), "NOTFOUND ");
    for (unsigned i = 64; i < 80; i++)
        ck_assert(wait_for(clients[i], POLLIN, WAIT_MS) && recv(clients[i], &(char){0}, 1, 0) <= 0);
    close(clients[0]);
    for (unsigned i = 64; i < 80; i++)
        close(clients[i]);
    for (bool in = false; !in;) { /* until the gate has seen it */
        const int another = client_open();

        say(another, "ping\n");
        in = strcmp(hear(another, END_LINE, WAIT_MS), "(closed)") != 0;
        close(another);
    }
    for (unsigned i = 1; i < 64; i++)
        close(clients[i]);
}
END_TEST

/* --- what was told before --- */

START_TEST(an_answer_may_only_become_stricter_for_some_seconds)
{
    const int client = client_open();

    see("a.example", "encrypted");
    claim_begins(query(client, "policy a.example"), "OK encrypt ");
    see("a.example", "none");
    claim_begins(query(client, "policy a.example"), "OK encrypt ");
    see("a.example", "dane");
    claim_begins(query(client, "policy a.example"), "OK dane-only ");
    see("a.example", "encrypted");
    claim_begins(query(client, "policy a.example"), "OK dane-only ");
    claim_begins(query(client, "QUERY a.example"), "OK encrypt "); /* another map */
    claim_has(line(client_open(), "ping"), "steadied=2 ");
    usleep((STEADY_MS + 50) * 1000);
    claim_begins(query(client, "policy a.example"), "OK encrypt ");
    usleep((STEADY_MS + 50) * 1000);
    see("a.example", "none");
    ck_assert_str_eq(query(client, "policy a.example"), "NOTFOUND ");
    close(client);
}
END_TEST

START_TEST(trouble_of_ours_is_not_what_was_told_before)
{
    const int client = client_open();
    struct frame_decide asked;

    query_send(client, "guarantee/dane a.example");
    daemon_faults(daemon_hears(&asked), FRAME_ERROR_BUSY);
    claim_begins(reply_hear(client), "TEMP ");
    see("a.example", "dane");
    claim_begins(query(client, "guarantee/dane a.example"), "OK dane-only ");
    close(client);
}
END_TEST

START_TEST(a_kept_answer_ends_with_its_record)
{
    const int client = client_open(), other = client_open();
    struct table_key key;

    see("a.example", "encrypted");
    ask_until_kept(client, other, "policy a.example", "OK encrypt ");
    see("a.example", "dane");
    claim_begins(query(client, "policy a.example"), "OK dane-only ");
    ask_until_kept(client, other, "policy a.example", "OK dane-only ");
    /* An administrator's refusal is in the same record. */
    table_key_make(&key, "a.example", 9);
    ck_assert_int_eq(table_writer_put_floor(verdicts, &key, &(struct floor){.rule = RULE_REFUSE}),
                     0);
    query_send(client, "policy a.example");
    daemon_says(ACTION_STOP, NULL);
    claim_begins(reply_hear(client), "TEMP ");
    close(client);
    close(other);
}
END_TEST

START_TEST(a_kept_answer_ends_with_the_settings_it_was_made_under)
{
    const int client = client_open(), other = client_open();

    see("a.example", "encrypted");
    ask_until_kept(client, other, "policy a.example", "OK encrypt ");
    table_writer_set_settings(verdicts, EPOCH + 1);
    query_send(client, "policy a.example");
    daemon_says(ACTION_SEND, "dane-only x");
    ck_assert_str_eq(reply_hear(client), "OK dane-only x");
    close(client);
    close(other);
}
END_TEST

START_TEST(a_kept_answer_ends_with_the_window_of_its_profile)
{
    const int client = client_open(), other = client_open();
    struct verdict verdict = verdict_of("encrypted");
    struct frame_decide asked;
    uint64_t id = 0;

    verdict.began_ms = clock_boot_ms() - 60000 + 300;
    put_verdict("a.example", &verdict);
    ask_until_kept(client, other, "guarantee/strict a.example", "OK encrypt ");
    while (clock_boot_ms() < verdict.began_ms + 60001)
        usleep(1000);
    query_send(client, "guarantee/strict a.example");
    id = daemon_hears(&asked);
    daemon_answers(id, ACTION_SEND, "encrypt as seen now");
    ck_assert_str_eq(reply_hear(client), "OK encrypt as seen now");
    close(client);
    close(other);
}
END_TEST

START_TEST(a_kept_answer_ends_with_the_demand_of_its_profile)
{
    const struct profile raised = {
        .name = "strict", .minimum = LEVEL_AUTHENTICATED, .unmet = UNMET_STOP, .window_ms = 60000};
    const int client = client_open(), other = client_open();

    see("a.example", "encrypted");
    ask_until_kept(client, other, "guarantee/strict a.example", "OK encrypt ");
    put_profile(&raised);
    query_send(client, "guarantee/strict a.example");
    daemon_says(ACTION_STOP, NULL);
    claim_begins(reply_hear(client), "TEMP ");
    close(client);
    close(other);
}
END_TEST

/* It stands in the record of the domain, and the answer in that of the way the mail goes (PIT-14).
 */
START_TEST(what_is_ruled_of_the_domain_holds_at_once_for_its_other_ports_too)
{
    const int client = client_open();
    struct table_key key;

    see("a.example:587", "encrypted");
    for (int i = 0; i < 5; i++)
        claim_begins(query(client, "policy a.example:587"), "OK encrypt ");
    table_key_make(&key, "a.example", 9);
    ck_assert_int_eq(table_writer_put_floor(verdicts, &key, &(struct floor){.rule = RULE_REFUSE}),
                     0);
    query_send(client, "policy a.example:587");
    daemon_says(ACTION_STOP, NULL);
    claim_begins(reply_hear(client), "TEMP ");
    close(client);
}
END_TEST

START_TEST(what_one_map_was_told_is_no_answer_of_another)
{
    const int client = client_open();

    see("a.example", "none");
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(query(client, "policy a.example"), "NOTFOUND ");
    query_send(client, "guarantee/strict a.example");
    daemon_says(ACTION_SEND, "encrypt x");
    ck_assert_str_eq(reply_hear(client), "OK encrypt x");
    ck_assert_str_eq(query(client, "policy a.example"), "NOTFOUND ");
    close(client);
}
END_TEST

START_TEST(a_live_profile_is_looked_at_for_every_question)
{
    const int client = client_open();

    for (int i = 0; i < 3; i++) {
        see("a.example", "encrypted");
        query_send(client, "guarantee/live a.example");
        daemon_says(ACTION_SEND, "encrypt x");
        ck_assert_str_eq(reply_hear(client), "OK encrypt x");
    }
    close(client);
}
END_TEST

/* --- a daemon that is slow, stopped or dead --- */

/* Its mail hosts are known; that they do TLS was seen too long ago. */
static void see_long_ago(const char *domain)
{
    struct verdict verdict = verdict_of("encrypted");

    verdict.began_ms = clock_boot_ms() - 61000;
    put_verdict(domain, &verdict);
}

START_TEST(a_stopped_daemon_delays_nobody_beyond_the_deadline)
{
    const int client = client_open();
    uint64_t from_ms = clock_boot_ms();

    see_long_ago("b.example");

    ck_assert_str_eq(query(client, "policy a.example"), "NOTFOUND ");
    ck_assert_uint_ge(took_ms(from_ms), DEADLINE_MS - 20);
    ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS + 1500);
    /* Known to be silent: nobody waits again where the tables will do. */
    from_ms = clock_boot_ms();
    ck_assert_str_eq(query(client, "policy c.example"), "NOTFOUND ");
    claim_begins(query(client, "guarantee/strict b.example"), "OK encrypt ");
    ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS / 2);
    /* What they cannot answer is temporary, and in time. */
    from_ms = clock_boot_ms();
    claim_begins(query(client, "guarantee/dane b.example"), "TEMP ");
    claim_begins(query(client, "guarantee/strict never.example"), "TEMP "); /* not even its hosts */
    ck_assert_uint_lt(took_ms(from_ms), 2 * DEADLINE_MS + 1500);
    claim_has(line(client_open(), "ping"), "daemon=no");
    close(client);
}
END_TEST

START_TEST(a_daemon_that_goes_on_is_asked_again)
{
    const int client = client_open();
    struct frame_decide asked;
    uint64_t id;

    ck_assert_str_eq(query(client, "policy a.example"), "NOTFOUND "); /* silent */
    id = daemon_hears(&asked);
    daemon_answers(id, ACTION_SEND, "encrypt late"); /* nobody waits for it any more */
    for (unsigned tries = 0; strstr(line(client_open(), "ping"), "daemon=yes") == NULL; tries++) {
        ck_assert_uint_lt(tries, 100);
        usleep(2000);
    }
    query_send(client, "policy b.example");
    daemon_says(ACTION_SEND, "encrypt b");
    ck_assert_str_eq(reply_hear(client), "OK encrypt b");
    close(client);
}
END_TEST

START_TEST(a_killed_daemon_is_answered_for_from_the_tables)
{
    const int client = client_open();
    const uint8_t half[] = {0, 0, 0};
    struct frame_decide asked;
    uint64_t from_ms;

    see_long_ago("b.example");
    query_send(client, "policy a.example");
    query_send(client, "guarantee/strict b.example");
    daemon_hears(&asked);
    daemon_hears(&asked);
    send_bytes(played.connection, half, sizeof half); /* amid an answer */
    from_ms = clock_boot_ms();
    daemon_dies();
    ck_assert_str_eq(reply_hear(client), "NOTFOUND ");
    claim_begins(reply_hear(client), "OK encrypt ");
    ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS / 2);
    see("seen.example", "dane");
    claim_begins(query(client, "policy seen.example"), "OK dane-only ");
    ck_assert_str_eq(query(client, "policy c.example"), "NOTFOUND ");
    ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS / 2);
    close(client);
}
END_TEST

START_TEST(what_the_tables_cannot_answer_waits_for_the_next_daemon)
{
    const int client = client_open();
    struct frame_decide asked;

    query_send(client, "guarantee/dane a.example");
    daemon_hears(&asked);
    daemon_dies();
    daemon_listen();
    daemon_accept();
    daemon_answers(daemon_hears(&asked), ACTION_SEND, "dane-only x");
    ck_assert_str_eq(asked.recipient, "a.example");
    ck_assert_str_eq(reply_hear(client), "OK dane-only x");
    close(client);
}
END_TEST

START_TEST(a_daemon_that_has_no_time_or_memory_is_temporary_trouble)
{
    static const enum frame_error faults[] = {FRAME_ERROR_BUSY, FRAME_ERROR_LATE, FRAME_ERROR_OURS,
                                              FRAME_ERROR_KIND, FRAME_ERROR_NOT_PERMITTED};
    const int client = client_open();
    struct frame_decide asked;
    char request[60];

    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        snprintf(request, sizeof request, "guarantee/dane d%zu.example", i);
        query_send(client, request);
        daemon_faults(daemon_hears(&asked), faults[i]);
        claim_begins(reply_hear(client), "TEMP ");
        snprintf(request, sizeof request, "guarantee/strict d%zu.example", i);
        see_long_ago(strchr(request, ' ') + 1);
        query_send(client, request);
        daemon_faults(daemon_hears(&asked), faults[i]);
        claim_begins(reply_hear(client), "OK encrypt "); /* law 1 */
    }
    close(client);
}
END_TEST

/* A question that waits is found by its number, however many were asked and answered meanwhile. */
START_TEST(a_slow_answer_is_not_lost_among_thousands_of_others)
{
    struct frame_decide asked;
    uint64_t slow_id;
    int slow, client;

    options.deadline_ms = 20000;
    gate_again();
    slow = client_open();
    client = client_open();
    query_send(slow, "guarantee/dane slow.example");
    slow_id = daemon_hears(&asked);
    for (uint64_t id = slow_id; id < slow_id + 4097;) {
        query_send(client, "guarantee/live a.example");
        id = daemon_hears(&asked);
        daemon_answers(id, ACTION_SEND, "encrypt x");
        reply_hear(client);
    }
    daemon_answers(slow_id, ACTION_SEND, "dane-only at last");
    ck_assert_str_eq(reply_hear(slow), "OK dane-only at last");
    close(slow);
    close(client);
}
END_TEST

#define MANY_CLIENTS 16

/* The daemon's socket takes nothing for a moment. */
START_TEST(questions_that_found_no_room_are_asked_when_there_is_some)
{
    int clients[MANY_CLIENTS];
    char request[400], label[60];
    struct frame_decide asked;
    unsigned count = 0;
    uint64_t id;

    memset(label, 'a', sizeof label);
    for (unsigned i = 0; i < MANY_CLIENTS; i++) {
        clients[i] = client_open();
        for (unsigned n = 0; n < GATE_OUTSTANDING; n++) {
            snprintf(request, sizeof request, "guarantee/dane d%u-%u.%.60s.%.60s.%.60s.example", i,
                     n, label, label, label);
            query_send(clients[i], request);
        }
    }
    usleep(100000);
    while (count < MANY_CLIENTS * GATE_OUTSTANDING &&
           (id = daemon_hears_within(&asked, 1000)) != 0) {
        daemon_answers(id, ACTION_SEND, "dane-only x");
        count++;
    }
    ck_assert_uint_eq(count, MANY_CLIENTS * GATE_OUTSTANDING);
    for (unsigned i = 0; i < MANY_CLIENTS; i++) {
        for (unsigned n = 0; n < GATE_OUTSTANDING; n++)
            ck_assert_str_eq(reply_hear(clients[i]), "OK dane-only x");
        close(clients[i]);
    }
}
END_TEST

START_TEST(protocols_share_one_socket)
{
    const int map = client_open(), policy = client_open(), text = client_open();

    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(query(map, "policy .example"), "NOTFOUND ");
        ck_assert_str_eq(rcpt(policy, "submission", "a@example.org", "b@example.com", ""), "DUNNO");
        claim_begins(line(text, "ping"), "status=ok ");
    }
    close(map);
    close(policy);
    close(text);
}
END_TEST

/* --- sender --- */

static void put_accounts(void)
{
    put_account("strict@example.org", &(struct account){.flags = ACCOUNT_ON, .profile = "strict"});
    put_account("hold@example.org", &(struct account){.flags = ACCOUNT_ON, .profile = "hold"});
    put_account("watch@example.org", &(struct account){.flags = ACCOUNT_ON, .profile = "watch"});
    put_account("mild@example.org", &(struct account){.flags = ACCOUNT_ON, .profile = "mild"});
    put_account("pass@example.org", &(struct account){.flags = ACCOUNT_ON, .profile = "pass"});
    put_account("off@example.org", &(struct account){.profile = "strict"});
    put_account("but@example.org", &(struct account){.flags = ACCOUNT_ON | ACCOUNT_EXCEPTIONS,
                                                     .exceptions_until_s = INT64_MAX,
                                                     .profile = "strict"});
    put_alias("me@secure.example.org", &(struct account_alias){.sends = true, .receives = true});
}

static void put_exception(const char *name, const char *domain)
{
    const struct account_exception exception = {.since_s = 1, .until_s = INT64_MAX};
    union record record;
    struct table_key key;

    put_record(users,
               account_exception_pack(&record, &key, name, domain, &exception, clock_boot_ms()),
               &record, &key);
}

START_TEST(a_sender_has_the_transport_of_his_profile)
{
    static const struct {
        const char *sender, *reply;
    } rows[] = {
        {"strict@example.org", "OK guarantee-strict:"},
        {"Strict+list@EXAMPLE.org", "OK guarantee-strict:"},
        {"watch@example.org", "NOTFOUND "}, /* only observed */
        {"mild@example.org", "NOTFOUND "},  /* demands nothing */
        {"off@example.org", "NOTFOUND "},
        {"else@example.org", "NOTFOUND "},
        {"<>", "NOTFOUND "},
        {"\"<>\"", "NOTFOUND "},
        {"@example.org", "NOTFOUND "},
        {"me@secure.example.org", "OK guarantee-strict:"},
        {"but@example.org", "OK by-recipient:[127.0.0.1]:10026"},
    };
    const int client = client_open();
    char request[100];

    put_accounts();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(request, sizeof request, "sender %s", rows[i].sender);
        ck_assert_str_eq(query(client, request), rows[i].reply);
        snprintf(request, sizeof request, "sender/only %s", rows[i].sender);
        ck_assert_str_eq(query(client, request),
                         strcmp(rows[i].reply, "NOTFOUND ") == 0 ? "OK DUNNO" : rows[i].reply);
    }
    close(client);
}
END_TEST

START_TEST(a_sender_with_an_exception_goes_by_recipient)
{
    const int map = client_open(), policy = client_open(), text = client_open();

    put_accounts();
    put_exception("but@example.org", "free.example");
    ck_assert_str_eq(query(map, "sender but@example.org"), "OK by-recipient:[127.0.0.1]:10026");
    ck_assert_str_eq(rcpt(policy, "route", "but@example.org", "x@free.example", ""),
                     "FILTER smtp:");
    ck_assert_str_eq(rcpt(policy, "route", "but@example.org", "x@other.example", ""),
                     "FILTER guarantee-strict:");
    ck_assert_str_eq(rcpt(policy, "route", "else@example.org", "x@other.example", ""),
                     "FILTER smtp:");
    ck_assert_str_eq(line(text, "sender sender=but@example.org"),
                     "status=ok profile=strict exceptions=yes");
    ck_assert_str_eq(line(text, "sender sender=strict@example.org"),
                     "status=ok profile=strict exceptions=no");
    ck_assert_str_eq(line(text, "sender sender=\"\""), "status=ok profile=\"\" exceptions=no");
    close(map);
    close(policy);
    close(text);
}
END_TEST

START_TEST(a_sender_of_whom_nothing_can_be_known_is_temporary_trouble)
{
    const int map = client_open(), policy = client_open(), text = client_open();

    claim_begins(query(map, "sender strict@example.org"), "TEMP ");
    claim_begins(rcpt(policy, "route", "a@example.org", "x@other.example", ""),
                 "DEFER_IF_PERMIT 4.3.0 ");
    claim_begins(line(text, "sender sender=a@example.org"), "status=temporary ");
    claim_begins(query(map, "guarantee/strict a.example"), "TEMP ");
    claim_begins(query(map, "policy a.example"), "TEMP "); /* whether all is only observed */
    close(map);
    close(policy);
    close(text);
}
END_TEST

/* --- dsn --- */

/* As smtp(8) does: the policy of the next hop, then the failure. */
static const char *failure(int client, const char *profile, const char *next_hop, const char *text)
{
    char request[400];

    snprintf(request, sizeof request, "guarantee/%s %s", profile, next_hop);
    query_send(client, request);
    struct frame_decide asked;
    const uint64_t id = daemon_hears_within(&asked, 50);
    if (id != 0)
        daemon_answers(id, ACTION_SEND, "encrypt x");
    claim_begins(reply_hear(client), "OK ");
    snprintf(request, sizeof request, "dsn/%s %s", profile, text);
    return query(client, request);
}

START_TEST(a_failure_is_final_only_with_fresh_evidence_of_the_same_delivery)
{
    const int client = client_open(), other = client_open();
    struct verdict verdict = verdict_of("none");

    see("none.example", "none");
    see("good.example", "encrypted");
    see("unknown.example", "unknown");
    ck_assert_str_eq(query(client, "dsn/strict " NOT_OFFERED), "NOTFOUND "); /* of what? */
    claim_begins(failure(client, "strict", "none.example", NOT_OFFERED), "OK 5.7.4 ");
    /* Postfix opens another connection after ten seconds. */
    claim_begins(query(other, "dsn/strict " NOT_OFFERED), "OK 5.7.4 ");
    ck_assert_str_eq(query(client, "dsn/hold " NOT_OFFERED), "NOTFOUND "); /* another profile */
    ck_assert_str_eq(failure(client, "hold", "none.example", NOT_OFFERED), "NOTFOUND ");
    ck_assert_str_eq(query(client, "dsn/strict " NOT_OFFERED), "NOTFOUND "); /* another delivery */
    ck_assert_str_eq(failure(client, "strict", "good.example", NOT_OFFERED), "NOTFOUND ");
    ck_assert_str_eq(failure(client, "strict", "unknown.example", NOT_OFFERED), "NOTFOUND ");
    ck_assert_str_eq(failure(client, "strict", "nobody.example", NOT_OFFERED), "NOTFOUND ");
    verdict.began_ms = clock_boot_ms() - 60001;
    put_verdict("none.example", &verdict);
    ck_assert_str_eq(failure(client, "strict", "none.example", NOT_OFFERED), "NOTFOUND ");
    see("none.example", "none");
    claim_begins(failure(client, "strict", "none.example", NOT_OFFERED), "OK 5.7.4 ");
    see("none.example", "encrypted"); /* mended meanwhile */
    ck_assert_str_eq(query(client, "dsn/strict " NOT_OFFERED), "NOTFOUND ");
    close(client);
    close(other);
}
END_TEST

/* It would know what was switched or ruled meanwhile, and a notice cannot be taken back (law 3). */
START_TEST(while_the_daemon_is_away_no_failure_is_final)
{
    const int client = client_open();

    see("none.example", "none");
    claim_begins(failure(client, "strict", "none.example", NOT_OFFERED), "OK 5.7.4 ");
    daemon_dies();
    usleep(100000);
    ck_assert_str_eq(query(client, "dsn/strict " NOT_OFFERED), "NOTFOUND ");
    close(client);
}
END_TEST

START_TEST(evidence_that_is_final_is_as_young_as_the_delivery_and_the_window_say)
{
    const int client = client_open();
    struct verdict verdict = verdict_of("none");

    /* Fresh when the delivery began, whatever the time since. */
    verdict.began_ms = clock_boot_ms() - 60000 + 400;
    put_verdict("none.example", &verdict);
    claim_begins(failure(client, "strict", "none.example", NOT_OFFERED), "OK 5.7.4 ");
    while (clock_boot_ms() < verdict.began_ms + 60001)
        usleep(1000);
    claim_begins(query(client, "dsn/strict " NOT_OFFERED), "OK 5.7.4 ");
    /* A look for every message: one from before does not count. */
    see("live.example", "none");
    ck_assert_str_eq(failure(client, "live", "live.example", NOT_OFFERED), "NOTFOUND ");
    verdict = verdict_of("none");
    verdict.began_ms = clock_boot_ms();
    put_verdict("live.example", &verdict);
    claim_begins(query(client, "dsn/live " NOT_OFFERED), "OK 5.7.4 ");
    close(client);
}
END_TEST

/* What `verdict_of("none")` was seen so long ago, and holds for so long. */
static void see_for(const char *domain, uint64_t ago_ms, uint64_t valid_ms)
{
    struct verdict verdict = verdict_of("none");

    verdict.began_ms = clock_boot_ms() - ago_ms;
    verdict.valid_until_ms = verdict.began_ms + valid_ms;
    put_verdict(domain, &verdict);
}

/* A TTL that runs out while the mail host takes its time takes nothing from what was seen. */
START_TEST(evidence_that_held_when_the_policy_was_given_is_final_DNS_11)
{
    const int client = client_open();

    see_for("none.example", 0, 200);
    claim_begins(failure(client, "strict", "none.example", NOT_OFFERED), "OK 5.7.4 ");
    usleep(250000); /* the host greets late */
    claim_begins(query(client, "dsn/strict " NOT_OFFERED), "OK 5.7.4 ");
    see("none.example", "encrypted"); /* mended meanwhile */
    ck_assert_str_eq(query(client, "dsn/strict " NOT_OFFERED), "NOTFOUND ");
    see("none.example", "unknown");
    ck_assert_str_eq(query(client, "dsn/strict " NOT_OFFERED), "NOTFOUND ");
    close(client);
}
END_TEST

START_TEST(evidence_that_did_not_hold_when_the_policy_was_given_is_not_final_FRESH_01_FRESH_02)
{
    const struct profile patient = {
        .name = "patient", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP, .window_ms = 3600000};
    const int client = client_open();

    see_for("none.example", 1000, 900); /* over before */
    ck_assert_str_eq(failure(client, "strict", "none.example", NOT_OFFERED), "NOTFOUND ");
    see_for("none.example", 0, 200);
    claim_begins(failure(client, "strict", "none.example", NOT_OFFERED), "OK 5.7.4 ");
    usleep(5000);
    see_for("none.example", 0, 0); /* what a delivery disproved meanwhile */
    ck_assert_str_eq(query(client, "dsn/strict " NOT_OFFERED), "NOTFOUND ");
    put_profile(&patient);
    see_for("old.example", VERDICT_BAD_MS - 200, VERDICT_GOOD_MS); /* a failure: not for long */
    claim_begins(failure(client, "patient", "old.example", NOT_OFFERED), "OK 5.7.4 ");
    usleep(300000);
    ck_assert_str_eq(query(client, "dsn/patient " NOT_OFFERED), "NOTFOUND ");
    close(client);
}
END_TEST

START_TEST(a_look_up_that_failed_long_ago_holds_no_ordinary_mail_FRESH_01_DNS_09)
{
    const int client = client_open();
    struct verdict verdict = verdict_of("none");

    verdict.conclusion = CONCLUSION_TEMPORARY;
    verdict.class = CLASS_UNKNOWN;
    verdict.cause = CAUSE_MX_TROUBLE;
    verdict.began_ms = clock_boot_ms() - 600000;
    verdict.valid_until_ms = verdict.began_ms + 30000;
    put_verdict("trouble.example", &verdict);
    daemon_dies();
    ck_assert_str_eq(query(client, "policy trouble.example"), "NOTFOUND ");
    close(client);
}
END_TEST

START_TEST(the_look_that_was_made_for_a_delivery_is_fresh_for_it)
{
    const int client = client_open(), other = client_open();
    struct verdict verdict = verdict_of("none");
    struct frame_decide asked;
    uint64_t id;

    query_send(client, "guarantee/live live.example");
    id = daemon_hears(&asked);
    verdict.began_ms = clock_boot_ms();
    put_verdict("live.example", &verdict);
    usleep(20000); /* it takes its time, and the gate has others to serve */
    query(other, "policy .parent.example");
    daemon_answers(id, ACTION_SEND, "encrypt x");
    claim_begins(reply_hear(client), "OK encrypt ");
    claim_begins(query(client, "dsn/live " NOT_OFFERED), "OK 5.7.4 ");
    close(client);
    close(other);
}
END_TEST

START_TEST(a_failure_in_another_process_is_another_delivery)
{
    const int client = client_open();
    int status;

    see("none.example", "none");
    claim_begins(failure(client, "strict", "none.example", NOT_OFFERED), "OK 5.7.4 ");
    const pid_t child = fork();
    if (child == 0) {
        const int own = client_open();

        _exit(strcmp(query(own, "dsn/strict " NOT_OFFERED), "NOTFOUND ") == 0 ? 0 : 1);
    }
    ck_assert(waitpid(child, &status, 0) == child && status == 0);
    close(client);
}
END_TEST

START_TEST(a_temporary_text_stays_temporary)
{
    static const struct {
        const char *text;
        bool is_final;
    } rows[] = {
        {NOT_OFFERED, true},
        /* The status code is that of the host's reply. */
        {"4.7.0 TLS is required, but host mx.example[192.0.2.1] refused to start TLS: 454 4.7.0 no",
         true},
        {"5.5.1 TLS is required, but host mx.example[192.0.2.1] refused to start TLS: 502 5.5.1 no",
         true},
        {"4.0.0 TLS is required, but host mx.example[192.0.2.1] refused to start TLS: 454", true},
        {"4.7.5 Server certificate not trusted", true},
        {"4.7.5 Server certificate not verified", true},
        {"4.7.5 Cannot start TLS: handshake failure", true},
        {"4.7.0 TLS is required, but host mx.example[192.0.2.1] refused to start TLS: 454 4.7.0 no",
         true}, /* the code is the host's */
        {"4.7.1 host mx.example said: 450 4.7.1 TLS is required, but host mx", false},
        {"TLS is required, but host mx.example[192.0.2.1] refused to start TLS", false},
        /* Our own. */
        {"4.7.4 TLS is required, but our TLS engine is unavailable", false},
        {"4.7.4 TLS is required, but unavailable", false},
        {"4.7.5 client TLS configuration problem", false},
        {"4.7.5 TLSA lookup error for mx1.example.net:25", false},
        {"4.7.5 non DNSSEC destination", false},
        {"4.3.5 Server configuration error", false},
        {"4.3.0 mail transport unavailable", false},
        /* Anybody's. */
        {"4.4.1 connect to mx1.example.net[192.0.2.1]:25: Connection timed out", false},
        {"4.4.2 lost connection with mx1.example.net[192.0.2.1] while sending MAIL FROM", false},
        {"4.4.3 Host or domain name not found. Name service error", false},
        {"4.7.1 host mx1.example.net said: 450 4.7.1 greylisted, TLS is required", false},
        {"5.1.1 host mx1.example.net said: 550 no such user", false},
        {"2.0.0 sent", false},
        {"4.7.4", false},
        {"", false},
        {" " NOT_OFFERED, false},
    };
    const int client = client_open();
    char request[300];

    see("none.example", "none");
    failure(client, "strict", "none.example", "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(request, sizeof request, "dsn/strict %s", rows[i].text);
        const char *reply = query(client, request);
        ck_assert_msg(strncmp(reply, rows[i].is_final ? "OK 5.7.4 " : "NOTFOUND ", 9) == 0,
                      "%s: %s", rows[i].text, reply);
    }
    close(client);
}
END_TEST

/* TLS-07: who is on the way can refuse STARTTLS for good in the host's name. */
START_TEST(a_refusal_for_good_is_final_only_by_evidence)
{
#define REFUSED \
    " TLS is required, but host mx.example[192.0.2.1] refused to start TLS: 554 5.7.3 no"
    const int client = client_open();

    see("good.example", "encrypted");
    see("none.example", "none");
    ck_assert_str_eq(query(client, "dsn/strict 5.7.3" REFUSED), "OK 4.7.4" REFUSED); /* of what? */
    ck_assert_str_eq(failure(client, "strict", "good.example", "5.7.3" REFUSED),
                     "OK 4.7.4" REFUSED);
    ck_assert_str_eq(failure(client, "strict", "unknown.example", "5.7.3" REFUSED),
                     "OK 4.7.4" REFUSED);
    ck_assert_str_eq(failure(client, "hold", "none.example", "5.7.3" REFUSED), "OK 4.7.4" REFUSED);
    claim_begins(failure(client, "strict", "none.example", "5.7.3" REFUSED), "OK 5.7.4 ");
    ck_assert_str_eq(failure(client, "strict", "good.example", "4.7.3" REFUSED), "NOTFOUND ");
    ck_assert_str_eq(failure(client, "strict", "good.example", "5.1.1 no such user"), "NOTFOUND ");
    close(client);
#undef REFUSED
}
END_TEST

/* Mail without a guarantee, too: where DANE or memory demands encryption, one injected line would
 * return it. */
START_TEST(without_a_profile_a_refusal_for_good_is_temporary_and_all_else_not_found_at_once)
{
#define REFUSED \
    " TLS is required, but host mx.example[192.0.2.1] refused to start TLS: 554 5.7.3 no"
    static const char *const others[] = {
        NOT_OFFERED,
        "4.7.0" REFUSED,
        "2.0.0 250 2.0.0 Ok: queued as 4VfX",
        "2.0.0" REFUSED,
        "5.1.1 host mx.example[192.0.2.1] said: 550 5.1.1 no such user",
        "5.7.1 host mx.example[192.0.2.1] said: 550 5.7.1 TLS is required, but host mx",
        "5.7.3",
        "",
    };
    const int client = client_open();
    struct frame_decide asked;
    char request[300];

    see("none.example", "none");
    for (int round = 0; round < 2; round++) {
        ck_assert_str_eq(query(client, "dsn 5.7.3" REFUSED), "OK 4.7.4" REFUSED);
        ck_assert_str_eq(query(client, "dsn 5.0.0" REFUSED), "OK 4.7.4" REFUSED);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            snprintf(request, sizeof request, "dsn %s", others[i]);
            ck_assert_str_eq(query(client, request), "NOTFOUND ");
        }
        /* Nothing is final here, whatever is known, and whichever delivery went before. */
        claim_begins(failure(client, "strict", "none.example", "5.7.3" REFUSED), "OK 5.7.4 ");
    }
    ck_assert_uint_eq(daemon_hears_within(&asked, 50), 0);
    close(client);
#undef REFUSED
}
END_TEST

/* RFC 8689, section 4.2.1 returns what cannot be met; that nobody could tell in time is no such
 * thing (law 3), and one line of somebody on the way is no evidence (TLS-07). */
START_TEST(requiretls_returns_mail_only_by_evidence)
{
#define LEVEL                                                                            \
    " Sender requested REQUIRETLS, but my configured TLS security level 'may' disables " \
    "certificate matching. The last attempted server was mx1.example.net"
    static const char *const temporary[] = {
        LEVEL,
        " Sender requested REQUIRETLS, but TLS service was not offered by host mx1.example.net",
        " Sender requested REQUIRETLS, but host mx1.example.net[192.0.2.1] refused to start TLS: "
        "554 no",
    };
    static const char *const final[] = {
        " Sender requested REQUIRETLS, but no server was found that supports REQUIRETLS. The last "
        "attempted server was mx1.example.net",
        " Sender requested REQUIRETLS, but no matching server certificate was found. The last "
        "attempted server was mx1.example.net",
        " host mx1.example.net said: 550 5.7.10 Sender requested REQUIRETLS, but my configured TLS "
        "security level",
    };
    static const struct {
        const char *next_hop;
        bool returned;
    } rows[] = {{"none.example", true},     {"encrypted.example", true}, {"dane.example", false},
                {"unknown.example", false}, {"trouble.example", false},  {"nobody.example", false},
                {"old.example", false}};
    const int client = client_open(), other = client_open();
    struct verdict old = verdict_of("encrypted");
    char request[300], wanted[300];

    see("none.example", "none");
    see("encrypted.example", "encrypted");
    see("dane.example", "dane");
    see("unknown.example", "unknown");
    see("trouble.example", "trouble");
    old.valid_until_ms = clock_boot_ms() - 1;
    put_verdict("old.example", &old);
    ck_assert_str_eq(query(client, "dsn 5.7.10" LEVEL), "OK 4.7.10" LEVEL); /* of what? */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(request, sizeof request, "requiretls %s", rows[i].next_hop);
        ck_assert_str_eq(query(client, request), "OK enforce");
        for (size_t j = 0; j < sizeof temporary / sizeof *temporary; j++) {
            snprintf(request, sizeof request, "dsn 5.7.10%s", temporary[j]);
            snprintf(wanted, sizeof wanted, "%s%s", rows[i].returned ? "NOTFOUND " : "OK 4.7.10",
                     rows[i].returned ? "" : temporary[j]);
            ck_assert_msg(strcmp(query(other, request), wanted) == 0, "%s: %s", rows[i].next_hop,
                          request);
        }
        for (size_t j = 0; j < sizeof final / sizeof *final; j++) {
            snprintf(request, sizeof request, "dsn 5.7.30%s", final[j]);
            ck_assert_str_eq(query(client, request), "NOTFOUND ");
        }
        ck_assert_str_eq(query(client, "dsn 4.7.10" LEVEL), "NOTFOUND ");
    }
    close(client);
    close(other);
}
END_TEST

START_TEST(requiretls_under_a_guarantee_returns_mail_only_by_evidence)
{
    const int client = client_open();
    struct frame_decide asked;

    see("encrypted.example", "encrypted");
    see("dane.example", "dane");
    see("old.example", "encrypted");
    ck_assert_str_eq(query(client, "requiretls dane.example"), "OK enforce");
    ck_assert_str_eq(failure(client, "strict", "dane.example", "5.7.10" LEVEL), "OK 4.7.10" LEVEL);
    ck_assert_str_eq(query(client, "requiretls encrypted.example"), "OK enforce");
    ck_assert_str_eq(failure(client, "strict", "encrypted.example", "5.7.10" LEVEL), "NOTFOUND ");
    ck_assert_str_eq(failure(client, "strict", "nobody.example", "5.7.10" LEVEL),
                     "OK 4.7.10" LEVEL);
    /* By its profile's window. */
    ck_assert_str_eq(failure(client, "live", "old.example", "5.7.10" LEVEL), "OK 4.7.10" LEVEL);
    ck_assert_uint_eq(daemon_hears_within(&asked, 50), 0);
    close(client);
#undef LEVEL
}
END_TEST

START_TEST(the_help_of_the_settings_stands_behind_a_final_text)
{
    int client;

    options.help = "See https://example.org/guarantee";
    gate_again();
    client = client_open();
    see("none.example", "none");
    claim_has(failure(client, "strict", "none.example", NOT_OFFERED),
              " See https://example.org/guarantee");
    close(client);
}
END_TEST

/* --- policy delegation --- */

START_TEST(a_secure_alias_takes_mail_over_encrypted_connections_only_S13)
{
    const int client = client_open();

    put_accounts();
    claim_begins(rcpt(client, "inbound", "x@else.example", "me@secure.example.org", ""),
                 "530 5.7.0 ");
    claim_begins(rcpt(client, "", "x@else.example", "me@secure.example.org", ""), "530 5.7.0 ");
    claim_begins(rcpt(client, "inbound", "x@else.example", "me@secure.example.org",
                      "encryption_protocol=TLSv1.1\n"),
                 "550 5.7.10 ");
    ck_assert_str_eq(rcpt(client, "inbound", "x@else.example", "me@secure.example.org",
                          "encryption_protocol=TLSv1.2\n"),
                     "DUNNO");
    ck_assert_str_eq(rcpt(client, "inbound", "x@else.example", "else@example.org", ""), "DUNNO");
    ck_assert_str_eq(rcpt(client, "inbound", "x@else.example", "no address", ""), "DUNNO");
    close(client);
}
END_TEST

START_TEST(a_login_in_clear_text_does_not_open_a_secure_alias_S13)
{
    static const char *const recipients[] = {"me@secure.example.org",
                                             "me%secure.example.org@example.org"};
    const int client = client_open();

    put_accounts();
    for (size_t i = 0; i < sizeof recipients / sizeof *recipients; i++) {
        claim_begins(rcpt(client, "submission", "else@example.org", recipients[i],
                          "sasl_username=else@example.org\n"),
                     "530 5.7.0 ");
        claim_begins(rcpt(client, "", "else@example.org", recipients[i],
                          "sasl_username=else@example.org\nencryption_protocol=TLSv1\n"),
                     "550 5.7.10 ");
        ck_assert_str_eq(rcpt(client, "submission", "else@example.org", recipients[i],
                              "sasl_username=else@example.org\nencryption_protocol=TLSv1.2\n"),
                         "DUNNO");
        ck_assert_str_eq(rcpt(client, "submission", "else@example.org", recipients[i],
                              "sasl_username=else@example.org\nclient_address=127.0.0.1\n"),
                         "DUNNO");
        claim_begins(rcpt(client, "inbound", "else@example.org", recipients[i],
                          "client_address=127.0.0.1\n"),
                     "530 5.7.0 ");
        /* What his login demands is not shed by leaving TLS away, either. */
        claim_begins(
            rcpt(client, "submission", "<>", recipients[i], "sasl_username=strict@example.org\n"),
            "550 5.7.1 ");
    }
    close(client);
}
END_TEST

/* Mail servers deliver these to another address than the one that is written. */
/* guarantee.trusted_hops, and all else that a reload takes. */
START_TEST(other_options_hold_from_the_reload_on)
{
    static const char hop[] = "client_address=192.0.2.7\n";
    char *text = (char[]){"192.0.2.0/24"}, why[200];
    const struct option_list list = {1, &text};
    struct gate_options fresh = options;
    const int client = client_open(), map = client_open();
    struct places *trusted;

    put_accounts();
    claim_begins(rcpt(client, "inbound", "x@else.example", "me@secure.example.org", hop),
                 "530 5.7.0 ");
    ck_assert_str_eq(query(map, "sender strict@example.org"), "OK guarantee-strict:");
    ck_assert_int_eq(places_create(&trusted, &list, "hops", why, sizeof why), 0);
    fresh.trusted = trusted;
    fresh.transport_prefix = "sure-";
    ck_assert_int_eq(gate_reload(gate, &fresh), 0);
    ck_assert_str_eq(rcpt(client, "inbound", "x@else.example", "me@secure.example.org", hop),
                     "DUNNO");
    ck_assert_str_eq(query(map, "sender strict@example.org"), "OK sure-strict:");
    struct gate_options soon = fresh;
    soon.idle_ms = 1;
    ck_assert_int_eq(gate_reload(gate, &soon), 0);
    query(map, "sender strict@example.org");
    ck_assert_str_eq(hear(map, END_LINE, WAIT_MS), "(closed)");
    gate_end();
    places_destroy(trusted);
    close(client);
    close(map);
}
END_TEST

START_TEST(an_address_that_is_unwound_may_be_a_secure_alias_S13)
{
    static const char *const recipients[] = {
        "me%secure.example.org@example.org", "secure.example.org!me@example.org",
        "me@secure.example.org@example.org", "@x:me@secure.example.org"};
    const int client = client_open();

    put_accounts();
    for (size_t i = 0; i < sizeof recipients / sizeof *recipients; i++) {
        claim_begins(rcpt(client, "inbound", "x@else.example", recipients[i], ""), "530 5.7.0 ");
        ck_assert_str_eq(rcpt(client, "inbound", "x@else.example", recipients[i],
                              "encryption_protocol=TLSv1.3\n"),
                         "DUNNO");
    }
    ck_assert_str_eq(rcpt(client, "inbound", "x@else.example", "a%b@example.org", ""), "DUNNO");
    ck_assert_str_eq(rcpt(client, "inbound", "x@else.example", "a!b@example.org", ""), "DUNNO");
    close(client);
}
END_TEST

/* The transport is chosen by the sender alone, as it is written (MSG-01). */
START_TEST(nobody_sheds_the_guarantee_of_his_login_by_another_sender)
{
    static const char *const senders[] = {"", "<>", "else@example.org",
                                          "strict%example.org@example.org"};
    const int client = client_open();

    put_accounts();
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        claim_begins(rcpt(client, "submission", senders[i], "x@free.example",
                          "sasl_username=strict@example.org\n"),
                     "550 5.7.1 ");
        ck_assert_str_eq(rcpt(client, "submission", senders[i], "x@free.example",
                              "sasl_username=else@example.org\n"),
                         "DUNNO");
    }
    close(client);
}
END_TEST

/* Who writes another sender's address, one with a guarantee, has what that one demands: less of it
 * is refused, and more is not. */
START_TEST(a_milder_guarantee_of_the_sender_sheds_that_of_the_login)
{
    static const struct {
        const char *sasl, *sender, *reply;
    } rows[] = {
        {"dane@example.org", "strict@example.org", "550 5.7.1 "},
        {"dane@example.org", "mild@example.org", "550 5.7.1 "},
        {"strict@example.org", "hold@example.org", "550 5.7.1 "}, /* told, not held */
        {"strict@example.org", "off@example.org", "550 5.7.1 "},
        {"hold@example.org", "watch@example.org", "550 5.7.1 "}, /* nothing is enforced */
        {"strict@example.org", "dane@example.org", "DUNNO"},
        {"hold@example.org", "strict@example.org", "DUNNO"},
        {"strict@example.org", "strict+x@example.org", "DUNNO"},
        {"mild@example.org", "else@example.org", "DUNNO"},
        {"watch@example.org", "", "DUNNO"},
        {"off@example.org", "else@example.org", "DUNNO"},
    };
    const int client = client_open();
    char sasl[80];

    put_accounts();
    put_account("dane@example.org", &(struct account){.flags = ACCOUNT_ON, .profile = "dane"});
    see("good.example", "dane"); /* so that who is looked at here is let in */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(sasl, sizeof sasl, "sasl_username=%s\n", rows[i].sasl);
        claim_begins(rcpt(client, "submission", rows[i].sender, "x@good.example", sasl),
                     rows[i].reply);
    }
    close(client);
}
END_TEST

/* For this recipient the login has no guarantee to shed. */
START_TEST(where_the_login_has_an_exception_another_sender_sheds_nothing)
{
    const int client = client_open();

    put_accounts();
    put_exception("but@example.org", "free.example");
    ck_assert_str_eq(rcpt(client, "submission", "else@example.org", "x@free.example",
                          "sasl_username=but@example.org\n"),
                     "DUNNO");
    claim_begins(rcpt(client, "submission", "else@example.org", "x@other.example",
                      "sasl_username=but@example.org\n"),
                 "550 5.7.1 ");
    close(client);
}
END_TEST

static const char *long_address(char prefix)
{
    static char text[FRAME_ADDRESS_MAX + 40];

    memset(text, 'a', FRAME_ADDRESS_MAX);
    text[0] = prefix;
    snprintf(text + FRAME_ADDRESS_MAX, 40, "@example.org");
    return text;
}

/* RFC 5321 section 4.5.3.1.3: a path ends after 256 octets. Law 3: that is no reason to turn others
 * away. */
START_TEST(an_address_that_is_too_long_concerns_only_who_needs_it)
{
    const int client = client_open();
    char sasl[FRAME_ADDRESS_MAX + 80], request[FRAME_ADDRESS_MAX + 80];

    put_accounts();
    snprintf(sasl, sizeof sasl, "sasl_username=%s\n", long_address('s'));
    ck_assert_str_eq(rcpt(client, "inbound", long_address('x'), "x@example.org", ""), "DUNNO");
    claim_begins(rcpt(client, "inbound", long_address('x'), "me@secure.example.org", ""),
                 "530 5.7.0 ");
    ck_assert_str_eq(rcpt(client, "inbound", "x@y.example", "x@example.org", sasl), "DUNNO");
    /* It may be a secure alias with an extension. */
    claim_begins(rcpt(client, "inbound", "x@y.example", long_address('m'), ""), "501 5.1.3 ");
    /* Whose sender is this? Whose account, without a context? */
    claim_begins(rcpt(client, "submission", long_address('s'), "x@free.example",
                      "sasl_username=strict@example.org\n"),
                 "DEFER_IF_PERMIT 4.3.0 ");
    claim_begins(rcpt(client, "submission", "strict@example.org", long_address('x'), ""),
                 "DEFER_IF_PERMIT 4.3.0 ");
    claim_begins(rcpt(client, "", "else@example.org", "x@free.example", sasl),
                 "DEFER_IF_PERMIT 4.3.0 ");
    claim_begins(rcpt(client, "route", long_address('s'), "x@free.example", ""),
                 "DEFER_IF_PERMIT 4.3.0 ");
    snprintf(request, sizeof request, "sender %s", long_address('s'));
    claim_begins(query(client_open(), request), "TEMP the address is too long");
    close(client);
}
END_TEST

START_TEST(at_RCPT_is_refused_only_what_is_seen_not_to_be_met_and_where_the_profile_asks)
{
    static const struct {
        const char *sender;
        enum action action;
        bool insecure, limited, refuse;
        const char *reply;
    } rows[] = {
        {"strict", ACTION_STOP, true, false, true, "550 5.7.4 as the daemon says"},
        {"strict", ACTION_STOP, true, true, true, "DUNNO"},   /* not as fresh as asked */
        {"strict", ACTION_STOP, false, false, true, "DUNNO"}, /* not for want of security */
        {"strict", ACTION_DEFER, true, false, true, "DUNNO"},
        {"strict", ACTION_STOP, true, false, false, "DUNNO"},
        {"strict", ACTION_SEND, false, false, true, "DUNNO"},
        {"watch", ACTION_SEND, true, false, true, "DUNNO"},
    };
    const int client = client_open();
    struct frame_decide asked;
    char sender[40], recipient[40];

    put_accounts();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct frame_answer answer = answer_of(rows[i].action, "encrypt x");

        answer.insecure = rows[i].insecure;
        answer.limited = rows[i].limited;
        answer.refuse_at_rcpt = rows[i].refuse;
        snprintf(sender, sizeof sender, "%s@example.org", rows[i].sender);
        snprintf(recipient, sizeof recipient, "x@d%zu.example", i);
        rcpt_send(client, "submission", sender, recipient, "sasl_username=anna\n");
        daemon_send(FRAME_ANSWER, daemon_hears(&asked), &answer);
        ck_assert_uint_eq(asked.facts, FACT_AUTHENTICATED);
        const char *reply = hear(client, END_EMPTY_LINE, WAIT_MS);
        ck_assert_msg(strcmp(reply + 7, rows[i].reply) == 0, "%zu: %s", i, reply);
    }
    /* Of those nothing has to be looked at here. */
    ck_assert_str_eq(rcpt(client, "submission", "hold@example.org", "x@y.example", ""), "DUNNO");
    ck_assert_str_eq(rcpt(client, "submission", "else@example.org", "x@y.example", ""), "DUNNO");
    ck_assert_str_eq(rcpt(client, "submission", "<>", "x@y.example", ""), "DUNNO");
    ck_assert_str_eq(rcpt(client, "submission", "strict@example.org", "a..b", ""), "DUNNO");
    ck_assert_uint_eq(daemon_hears_within(&asked, 20), 0);
    close(client);
}
END_TEST

static const char *submitted(int client, const char *sender, const char *recipient)
{
    return rcpt(client, "submission", sender, recipient, "sasl_username=anna\n");
}

START_TEST(delegation_never_refuses_for_our_own_trouble)
{
    const int client = client_open();
    struct frame_decide asked;
    uint64_t from_ms;

    put_accounts();
    rcpt_send(client, "submission", "strict@example.org", "x@a.example", "sasl_username=anna\n");
    daemon_faults(daemon_hears(&asked), FRAME_ERROR_OURS);
    claim_begins(hear(client, END_EMPTY_LINE, WAIT_MS), "action=DEFER_IF_PERMIT 4.3.0 ");
    /* It is silent: by the deadline, each time that the tables will not do. */
    from_ms = clock_boot_ms();
    claim_begins(submitted(client, "strict@example.org", "x@b.example"), "DEFER_IF_PERMIT 4.3.0 ");
    ck_assert_uint_ge(took_ms(from_ms), DEADLINE_MS - 20);
    ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS + 1500);
    from_ms = clock_boot_ms();
    claim_begins(submitted(client, "strict@example.org", "x@c.example"), "DEFER_IF_PERMIT 4.3.0 ");
    ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS + 1500);
    ck_assert_str_eq(submitted(client, "watch@example.org", "x@c.example"), "DUNNO");
    see("good.example", "encrypted"); /* here nothing is missing */
    ck_assert_str_eq(submitted(client, "strict@example.org", "x@good.example"), "DUNNO");
    daemon_dies();
    claim_begins(submitted(client, "strict@example.org", "x@d.example"), "DEFER_IF_PERMIT 4.3.0 ");
    see("none.example", "none"); /* a stop is the daemon's to say, however fresh the evidence is */
    claim_begins(submitted(client, "strict@example.org", "x@none.example"),
                 "DEFER_IF_PERMIT 4.3.0 ");
    claim_begins(rcpt(client, "other", "a@b.example", "x@a.example", ""),
                 "DEFER_IF_PERMIT 4.3.0 policy_context");
    say(client, "request=something\nprotocol_state=RCPT\n\n");
    claim_begins(hear(client, END_EMPTY_LINE, WAIT_MS), "action=DEFER_IF_PERMIT 4.3.0 ");
    say(client, "request=smtpd_access_policy\nprotocol_state=DATA\nsender=a@b.example\n\n");
    ck_assert_str_eq(hear(client, END_EMPTY_LINE, WAIT_MS), "action=DUNNO");
    close(client);
}
END_TEST

START_TEST(delegation_without_a_table_of_users_is_temporary)
{
    const int client = client_open();

    claim_begins(rcpt(client, "inbound", "x@else.example", "me@secure.example.org", ""),
                 "DEFER_IF_PERMIT 4.3.0 ");
    claim_begins(submitted(client, "strict@example.org", "x@a.example"), "DEFER_IF_PERMIT 4.3.0 ");
    /* Whether a guarantee is shed cannot be told: refused for good is nobody (law 3). */
    claim_begins(
        rcpt(client, "submission", "", "x@a.example", "sasl_username=strict@example.org\n"),
        "DEFER_IF_PERMIT 4.3.0 ");
    ck_assert_str_eq(rcpt(client, "inbound", "x@else.example", "", ""), "DUNNO");
    close(client);
}
END_TEST

START_TEST(trouble_pass_lets_mail_in)
{
    const int client = client_open();
    struct frame_decide asked;

    put_accounts();
    rcpt_send(client, "submission", "pass@example.org", "x@a.example", "sasl_username=anna\n");
    daemon_faults(daemon_hears(&asked), FRAME_ERROR_OURS);
    ck_assert_str_eq(hear(client, END_EMPTY_LINE, WAIT_MS), "action=DUNNO");
    ck_assert_str_eq(submitted(client, "pass@example.org", "x@b.example"), "DUNNO"); /* silent */
    daemon_dies();
    ck_assert_str_eq(submitted(client, "pass@example.org", "x@c.example"), "DUNNO");
    close(client);
}
END_TEST

/* --- lines --- */

START_TEST(what_is_asked_by_line_is_answered_or_refused_in_words)
{
    static const struct {
        const char *request, *answer;
    } rows[] = {
        {"what", "status=invalid text=\"there is no such request"},
        {"decide", "status=invalid text=\"the recipient or the next hop is missing\""},
        {"decide recipient=a..b", "status=invalid "},
        {"decide recipient=x@a.example profile=nobody", "status=invalid "},
        {"decide recipient=x@a.example facts=authenticated,odd", "status=invalid text=\"facts has"},
        {"decide recipient=x@a.example Sender=strict@example.org", "status=invalid "},
        {"decide recipient=x@a.example live=1", "status=invalid "},
        {"decide recipient=x@known.example keys=true", "status=invalid "},
        {"policy", "status=invalid "},
        {"policy next_hop=a.example profile=strict", "status=invalid "},
        {"policy next_hop=a.example sender=a@example.org", "status=invalid "},
        {"policy next_hop=a.example recipient=x@b.example", "status=invalid "},
        {"guarantee next_hop=a.example", "status=invalid "},
        {"guarantee next_hop=a.example profile=strict facts=tls-report", "status=invalid "},
        {"sender", "status=invalid "},
        {"inbound tls=TLSv1.3", "status=invalid "},
        {"observe host=mx.a.example address=192.0.2.1",
         "status=invalid text=\"deliveries are not taken here"},
        {"inbound recipient=me@secure.example.org",
         "status=ok action=stop delivery=default code=5.7.0 smtp=530 "},
        {"inbound recipient=me@secure.example.org tls=TLSv1.3", "status=ok action=send "},
        {"policy next_hop=known.example", "status=ok action=send delivery=encrypt code=2.0.0 "},
        {"guarantee next_hop=known.example profile=strict",
         "status=ok action=send delivery=encrypt code=2.0.0 "},
        {"decide recipient=x@known.example sender=strict@example.org",
         "status=ok action=send delivery=encrypt "},
        {"decide recipient=x@none.example sender=\"\"", "status=ok action=send delivery=default "},
        {"guarantee next_hop=none.example profile=mild", "status=temporary "},
    };
    const int client = client_open();

    put_accounts();
    see("known.example", "encrypted");
    see("none.example", "none");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *answer = line(client, rows[i].request);
        ck_assert_msg(strncmp(answer, rows[i].answer, strlen(rows[i].answer)) == 0, "%s: %s",
                      rows[i].request, answer);
    }
    close(client);
}
END_TEST

/* The silence of the daemon is found out by the first, and each has its whole answer in time. */
START_TEST(who_asks_by_line_is_answered_by_the_deadline)
{
    static const struct {
        const char *request, *answer;
    } rows[] = {
        {"decide recipient=x@a.example sender=strict@example.org", "status=ok action=defer "},
        {"decide recipient=x@b.example sender=strict@example.org", "status=ok action=defer "},
        {"guarantee next_hop=c.example profile=dane", "status=ok action=defer "},
        {"policy next_hop=d.example", "status=ok action=send delivery=default "},
        {"decide recipient=x@e.example", "status=ok action=send delivery=default "},
    };
    const int client = client_open();

    put_accounts();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint64_t from_ms = clock_boot_ms();
        const char *answer = line(client, rows[i].request);

        ck_assert_msg(strncmp(answer, rows[i].answer, strlen(rows[i].answer)) == 0, "%s: %s",
                      rows[i].request, answer);
        ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS + 1500);
        if (i == 0)
            ck_assert_uint_ge(took_ms(from_ms), DEADLINE_MS - 20);
    }
    claim_has(line(client, "ping"), "daemon=no");
    close(client);
}
END_TEST

#define OBSERVE "observe host=mx.a.example address=192.0.2.1"

static void daemon_is_told(struct frame_observe *told)
{
    struct frame frame;

    ck_assert(daemon_frame(&frame, WAIT_MS));
    ck_assert_uint_eq(frame.kind, FRAME_OBSERVE);
    ck_assert(frame_decode(told, &frame, NULL));
}

START_TEST(a_delivery_is_told_to_the_daemon_as_it_was_said)
{
    const char key[] = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";
    struct frame_observe told;
    char request[512];
    int client;

    options.observe = true;
    gate_again();
    client = client_open();
    snprintf(request, sizeof request,
             OBSERVE " next_hop=a.example port=2525 tls=TLSv1.3 trust=verified cipher=X "
                     "delivered=1796022083 key=%s",
             key);
    claim_begins(line(client, request), "status=ok ");
    daemon_is_told(&told);
    ck_assert_str_eq(told.domain, "a.example");
    ck_assert_str_eq(told.host, "mx.a.example");
    ck_assert_str_eq(told.address, "192.0.2.1");
    ck_assert_str_eq(told.cipher, "X");
    ck_assert_str_eq(told.key_sha256, key);
    ck_assert_uint_eq(told.port, 2525);
    ck_assert_uint_eq(told.tls_version, 0x0304);
    ck_assert_uint_eq(told.trust, OBSERVED_VERIFIED);
    ck_assert_int_eq(told.delivered_s, 1796022083);
    claim_begins(line(client, OBSERVE), "status=ok "); /* and what was not said is not assumed */
    daemon_is_told(&told);
    ck_assert_str_eq(told.domain, "");
    ck_assert_uint_eq(told.port, 25);
    ck_assert_uint_eq(told.tls_version, 0);
    ck_assert_uint_eq(told.trust, OBSERVED_CLEAR);
    ck_assert_int_le(told.delivered_s, clock_wall_s());
    ck_assert_int_ge(told.delivered_s, clock_wall_s() - 10);
    close(client);
}
END_TEST

START_TEST(a_delivery_that_cannot_be_read_is_told_nobody)
{
    static const char *const requests[] = {
        "observe host=mx.a.example",
        "observe address=192.0.2.1",
        "observe host=\"\" address=192.0.2.1",
        OBSERVE " trust=much",
        OBSERVE " trust=\"\"",
        OBSERVE " port=65536",
        OBSERVE " port=2x",
        OBSERVE " delivered=-1",
        OBSERVE " delivered=99999999999999999999999",
        OBSERVE " sender=a@example.org",
        OBSERVE " key=0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9f",
    };
    struct frame frame;
    int client;

    options.observe = true;
    gate_again();
    client = client_open();
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        const char *answer = line(client, requests[i]);

        ck_assert_msg(strncmp(answer, "status=invalid ", 15) == 0, "%s: %s", requests[i], answer);
    }
    ck_assert(!daemon_frame(&frame, 50));
    close(client);
}
END_TEST

/* The daemon says nothing, then no, and then it is away. */
START_TEST(deliveries_wait_for_nobody_and_leave_room_for_questions)
{
    struct frame_observe told;
    struct frame_decide asked;
    uint64_t id, from_ms;
    int client, asker;

    options.observe = true;
    gate_again();
    client = client_open();
    asker = client_open();
    from_ms = clock_boot_ms();
    for (unsigned i = 0; i < GATE_LINK_OBSERVE; i++)
        claim_begins(line(client, OBSERVE), "status=ok ");
    claim_begins(line(client, OBSERVE), "status=temporary ");
    ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS);
    query_send(asker, "policy b.example");
    for (unsigned i = 0; i < GATE_LINK_OBSERVE; i++)
        daemon_is_told(&told);
    id = daemon_hears(&asked);
    for (uint64_t other = id - GATE_LINK_OBSERVE; other < id; other++)
        daemon_faults(other, FRAME_ERROR_NOT_PERMITTED);
    daemon_answers(id, ACTION_SEND, "encrypt b");
    ck_assert_str_eq(reply_hear(asker), "OK encrypt b");
    daemon_dies();
    while (strstr(line(client_open(), "ping"), "daemon=yes") != NULL)
        usleep(2000);
    claim_begins(line(client, OBSERVE), "status=temporary ");
    close(client);
    close(asker);
}
END_TEST

START_TEST(an_answer_without_a_decision_names_no_action)
{
    const int client = client_open();
    struct frame_decide asked;

    say(client, "guarantee next_hop=a.example profile=dane\n");
    daemon_faults(daemon_hears(&asked), FRAME_ERROR_BUSY);
    const char *answer = hear(client, END_LINE, WAIT_MS);
    claim_begins(answer, "status=ok action=defer delivery=hold ");
    say(client, "decide recipient=x@a.example profile=nobody\n");
    answer = hear(client, END_LINE, WAIT_MS);
    ck_assert_msg(strstr(answer, "action=") == NULL, "%s", answer);
    close(client);
}
END_TEST

/* The longest that a frame can say, and every byte of it needs a backslash. */
START_TEST(an_answer_that_does_not_fit_a_line_is_temporary)
{
    struct frame_answer answer = answer_of(ACTION_SEND, "encrypt x");
    const int client = client_open();
    struct frame_decide asked;

    memset(answer.policy, '"', sizeof answer.policy - 1);
    memcpy(answer.policy, "secure match=", 13);
    memset(answer.text, '"', sizeof answer.text - 1);
    memset(answer.host, '"', sizeof answer.host - 1);
    say(client, "policy next_hop=a.example\n");
    daemon_send(FRAME_ANSWER, daemon_hears(&asked), &answer);
    claim_begins(hear(client, END_LINE, WAIT_MS), "status=temporary ");
    claim_begins(line(client, "ping"), "status=ok ");
    close(client);
}
END_TEST

START_TEST(exim_writes_one_line_closes_its_side_and_reads_to_the_end)
{
    const int client = client_open();

    see("known.example", "encrypted");
    say(client, "policy next_hop=known.example"); /* without a line end */
    shutdown(client, SHUT_WR);
    claim_begins(hear(client, END_LINE, WAIT_MS), "status=ok action=send delivery=encrypt ");
    ck_assert_str_eq(hear(client, END_LINE, WAIT_MS), "(closed)");
    close(client);
}
END_TEST

/* --- observed --- */

START_TEST(who_is_only_observed_is_looked_at_and_enforced_nothing)
{
    const int client = client_open(), map = client_open();
    struct frame_decide asked;

    put_accounts();
    rcpt_send(client, "submission", "watch@example.org", "x@a.example", "");
    daemon_faults(daemon_hears(&asked), FRAME_ERROR_OURS);
    ck_assert_str_eq(hear(client, END_EMPTY_LINE, WAIT_MS), "action=DUNNO");
    ck_assert_str_eq(query(map, "sender watch@example.org"), "NOTFOUND ");
    /* Who routes mail into its transport enforces it. */
    see("known.example", "encrypted");
    claim_begins(query(map, "guarantee/watch known.example"), "OK encrypt ");
    close(client);
    close(map);
}
END_TEST

/* --- tables that come, go, and come anew --- */

START_TEST(tables_that_come_later_are_found)
{
    const int client = client_open();
    unsigned tries = 0;

    claim_begins(query(client, "sender a@example.org"), "TEMP ");
    verdicts_make();
    users_make();
    put_accounts();
    while (strcmp(query(client, "sender strict@example.org"), "OK guarantee-strict:") != 0) {
        ck_assert_uint_lt(++tries, 40);
        usleep(50000);
    }
    see("a.example", "dane");
    claim_begins(query(client, "policy a.example"), "OK dane-only ");
    close(client);
}
END_TEST

START_TEST(tables_that_are_replaced_are_read_anew)
{
    const int client = client_open(), other = client_open();
    const uint64_t from_ms = clock_boot_ms();

    see("a.example", "encrypted");
    ask_until_kept(client, other, "policy a.example", "OK encrypt ");
    verdicts_of_another_daemon();
    see("a.example", "dane");
    while (strncmp(query(client, "policy a.example"), "OK dane-only ", 13) != 0) {
        ck_assert_uint_lt(took_ms(from_ms), 3000);
        usleep(20000);
    }
    close(client);
    close(other);
}
END_TEST

/* What was found in the old one is nowhere any more. */
START_TEST(a_table_that_has_a_successor_is_left_at_once_and_for_good)
{
    const int client = client_open();
    struct scratch scratch = {.clock.boot_ms = 0};
    struct table_opened opened;
    char domain[40], request[60];

    snprintf(scratch.directory, sizeof scratch.directory, "%s", run_path);
    ck_assert_int_eq(table_clock_read(&scratch.clock), 0);
    for (uint64_t mib = 18; mib < 30; mib += 2) {
        snprintf(domain, sizeof domain, "d%u.example", (unsigned)mib);
        see(domain, "encrypted");
    }
    for (uint64_t mib = 18; mib < 30; mib += 2) {
        table_writer_close(verdicts);
        verdicts = scratch_writer(&scratch, mib << 20, &opened);
        ck_assert_uint_eq(opened.kept, 6);
        table_writer_set_settings(verdicts, EPOCH);
        table_lives(verdicts);
        snprintf(request, sizeof request, "policy d%u.example", (unsigned)mib);
        for (int i = 0; i < 3; i++)
            claim_begins(query(client, request), "OK encrypt ");
    }
    close(client);
}
END_TEST

/* With the longest name that there can be. */
START_TEST(the_longest_next_hop_gets_no_milder_answer_either)
{
    const int client = client_open();
    char next_hop[300] = "", request[400];

    for (int i = 0; i < 4; i++)
        snprintf(next_hop + strlen(next_hop), sizeof next_hop - strlen(next_hop), "%.*s.",
                 i < 3 ? 63 : 61,
                 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk");
    strcpy(next_hop + strlen(next_hop) - 1, ":10025");
    put_profile(&(struct profile){
        .name = "a-profile-with-as-long-a-name-1", .minimum = LEVEL_ENCRYPT, .window_ms = 60000});
    snprintf(request, sizeof request, "guarantee/a-profile-with-as-long-a-name-1 %s", next_hop);
    see(next_hop, "dane");
    claim_begins(query(client, request), "OK dane-only ");
    see(next_hop, "encrypted");
    claim_begins(query(client, request), "OK dane-only ");
    close(client);
}
END_TEST

static void set_up_without_users(void)
{
    world_make();
    verdicts_make();
    gate_begin();
}

static void set_up_without_tables(void)
{
    world_make();
    gate_begin();
}

/* When, and in which order. */
static void add_times(TCase *tests)
{
    tcase_add_test(tests, a_leading_dot_is_answered_at_once);
    tcase_add_test(tests, what_is_no_map_or_no_key_is_said_to_be_none);
    tcase_add_test(tests, guarantee_answers_nothing_below_encryption_or_an_error);
    tcase_add_test(tests,
                   a_next_hop_in_brackets_is_answered_from_what_is_known_and_looked_at_meanwhile);
    tcase_add_test(tests, answers_come_in_the_order_of_the_requests);
    tcase_add_test(tests, answers_that_find_no_room_come_when_there_is_some);
    tcase_add_test(tests, a_thousand_requests_on_one_connection_are_all_answered);
    tcase_add_test(tests, what_cannot_be_read_ends_the_connection_after_the_answers_before_it);
    tcase_add_test(tests, who_closes_his_side_gets_his_answers_and_then_the_end);
    tcase_add_test(tests, who_leaves_while_his_questions_wait_leaves_nothing_behind);
    tcase_add_test(tests, more_connections_than_there_is_room_for_are_closed_and_harm_nobody);
    tcase_add_test(tests, an_answer_may_only_become_stricter_for_some_seconds);
    tcase_add_test(tests, trouble_of_ours_is_not_what_was_told_before);
    tcase_add_test(tests, a_kept_answer_ends_with_its_record);
    tcase_add_test(tests, a_kept_answer_ends_with_the_settings_it_was_made_under);
    tcase_add_test(tests, a_kept_answer_ends_with_the_window_of_its_profile);
    tcase_add_test(tests, a_kept_answer_ends_with_the_demand_of_its_profile);
    tcase_add_test(tests, what_is_ruled_of_the_domain_holds_at_once_for_its_other_ports_too);
    tcase_add_test(tests, what_one_map_was_told_is_no_answer_of_another);
    tcase_add_test(tests, a_live_profile_is_looked_at_for_every_question);
    tcase_add_test(tests, a_stopped_daemon_delays_nobody_beyond_the_deadline);
    tcase_add_test(tests, a_daemon_that_goes_on_is_asked_again);
    tcase_add_test(tests, a_killed_daemon_is_answered_for_from_the_tables);
    tcase_add_test(tests, what_the_tables_cannot_answer_waits_for_the_next_daemon);
    tcase_add_test(tests, a_daemon_that_has_no_time_or_memory_is_temporary_trouble);
    tcase_add_test(tests, a_slow_answer_is_not_lost_among_thousands_of_others);
    tcase_add_test(tests, questions_that_found_no_room_are_asked_when_there_is_some);
}

/* What is said. */
static void add_words(TCase *tests)
{
    tcase_add_test(tests, protocols_share_one_socket);
    tcase_add_test(tests, a_sender_has_the_transport_of_his_profile);
    tcase_add_test(tests, a_sender_with_an_exception_goes_by_recipient);
    tcase_add_test(tests, while_the_daemon_is_away_no_failure_is_final);
    tcase_add_test(tests, a_failure_is_final_only_with_fresh_evidence_of_the_same_delivery);
    tcase_add_test(tests, evidence_that_is_final_is_as_young_as_the_delivery_and_the_window_say);
    tcase_add_test(tests, a_look_up_that_failed_long_ago_holds_no_ordinary_mail_FRESH_01_DNS_09);
    tcase_add_test(tests, evidence_that_held_when_the_policy_was_given_is_final_DNS_11);
    tcase_add_test(
        tests, evidence_that_did_not_hold_when_the_policy_was_given_is_not_final_FRESH_01_FRESH_02);
    tcase_add_test(tests, the_look_that_was_made_for_a_delivery_is_fresh_for_it);
    tcase_add_test(tests, a_failure_in_another_process_is_another_delivery);
    tcase_add_test(tests, a_temporary_text_stays_temporary);
    tcase_add_test(tests, a_refusal_for_good_is_final_only_by_evidence);
    tcase_add_test(
        tests, without_a_profile_a_refusal_for_good_is_temporary_and_all_else_not_found_at_once);
    tcase_add_test(tests, requiretls_returns_mail_only_by_evidence);
    tcase_add_test(tests, requiretls_under_a_guarantee_returns_mail_only_by_evidence);
    tcase_add_test(tests, the_help_of_the_settings_stands_behind_a_final_text);
    tcase_add_test(tests, a_secure_alias_takes_mail_over_encrypted_connections_only_S13);
    tcase_add_test(tests, a_login_in_clear_text_does_not_open_a_secure_alias_S13);
    tcase_add_test(tests, other_options_hold_from_the_reload_on);
    tcase_add_test(tests, an_address_that_is_unwound_may_be_a_secure_alias_S13);
    tcase_add_test(tests, nobody_sheds_the_guarantee_of_his_login_by_another_sender);
    tcase_add_test(tests, a_milder_guarantee_of_the_sender_sheds_that_of_the_login);
    tcase_add_test(tests, where_the_login_has_an_exception_another_sender_sheds_nothing);
    tcase_add_test(tests, an_address_that_is_too_long_concerns_only_who_needs_it);
    tcase_add_test(tests,
                   at_RCPT_is_refused_only_what_is_seen_not_to_be_met_and_where_the_profile_asks);
    tcase_add_test(tests, delegation_never_refuses_for_our_own_trouble);
    tcase_add_test(tests, trouble_pass_lets_mail_in);
    tcase_add_test(tests, what_is_asked_by_line_is_answered_or_refused_in_words);
    tcase_add_test(tests, who_asks_by_line_is_answered_by_the_deadline);
    tcase_add_test(tests, an_answer_without_a_decision_names_no_action);
    tcase_add_test(tests, an_answer_that_does_not_fit_a_line_is_temporary);
    tcase_add_test(tests, exim_writes_one_line_closes_its_side_and_reads_to_the_end);
    tcase_add_test(tests, who_is_only_observed_is_looked_at_and_enforced_nothing);
    tcase_add_test(tests, tables_that_are_replaced_are_read_anew);
    tcase_add_test(tests, a_table_that_has_a_successor_is_left_at_once_and_for_good);
    tcase_add_test(tests, the_longest_next_hop_gets_no_milder_answer_either);
}

static void add_deliveries(TCase *cases)
{
    tcase_add_test(cases, a_delivery_is_told_to_the_daemon_as_it_was_said);
    tcase_add_test(cases, a_delivery_that_cannot_be_read_is_told_nobody);
    tcase_add_test(cases, deliveries_wait_for_nobody_and_leave_room_for_questions);
}

/* Content filters, and what hands mail on here: no probe goes there, and while nobody can tell
 * anything they must not wait for us. */
START_TEST(this_machine_is_ordinary_at_once_without_any_table)
{
    static const char *const here[] = {
        "policy [127.0.0.1]", "policy [127.0.0.1]:10024", "policy [127.1.2.3]:10026",
        "policy [::1]",       "policy [IPv6:::1]:10024",  "policy [localhost]:10024",
        "policy [LOCALHOST]", "QUERY [127.0.0.1]:10024",  "QUERYwithTLSRPT [::1]",
    };
    static const char *const elsewhere[] = {
        "policy [192.0.2.1]", "policy [127.evil.example]", "policy [localhost.example]:10024",
        "policy [::2]",       "policy localhost.example",
    };
    static const char *const guaranteed[] = {"guarantee/strict [127.0.0.1]:10024",
                                             "guarantee/strict [localhost]"};
    const int client = client_open();
    const uint64_t from_ms = clock_boot_ms();
    struct frame_decide asked;

    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        ck_assert_msg(strcmp(query(client, here[i]), "NOTFOUND ") == 0, "%s", here[i]);
    ck_assert_uint_lt(took_ms(from_ms), DEADLINE_MS);
    ck_assert_uint_eq(daemon_hears_within(&asked, 50), 0);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        claim_begins(query(client, elsewhere[i]), "TEMP ");
    for (size_t i = 0; i < sizeof guaranteed / sizeof *guaranteed; i++)
        ck_assert(is_never_less_than_encryption(query(client, guaranteed[i])));
    close(client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("the gate");
    TCase *with = tcase_create("with a daemon"), *alone = tcase_create("alone"),
          *bare = tcase_create("without tables");
    SRunner *runner;
    int failed;

    tcase_set_timeout(with, 30);
    tcase_add_checked_fixture(with, set_up, world_end);
    tcase_add_checked_fixture(alone, set_up_without_users, world_end);
    tcase_add_checked_fixture(bare, set_up_without_tables, world_end);
    add_times(with);
    add_words(with);
    add_deliveries(with);
    tcase_add_test(alone, a_sender_of_whom_nothing_can_be_known_is_temporary_trouble);
    tcase_add_test(alone, delegation_without_a_table_of_users_is_temporary);
    tcase_add_test(bare, this_machine_is_ordinary_at_once_without_any_table);
    tcase_add_test(bare, tables_that_come_later_are_found);
    suite_add_tcase(suite, with);
    suite_add_tcase(suite, alone);
    suite_add_tcase(suite, bare);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
