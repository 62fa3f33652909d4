/*
 * client_test.c - ipc/client against the real native socket over a stand-in engine, and against
 * servers that are none.
 */
#include "tests/serve_standin.h"

#include "ipc/client/mxward.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define WAIT_MS 10000

static struct standin standin;
static struct mxw *mxw;

static void open_client(void)
{
    struct mxw_options options = MXW_OPTIONS_INIT;

    options.socket = standin.socket;
    options.program = "client_test";
    options.connect_ms = 500;
    ck_assert_int_eq(mxw_open(&mxw, &options), MXW_OK);
}

static void set_up(void)
{
    standin_prepare(&standin);
    open_client();
}

static void tear_down(void)
{
    mxw_close(mxw);
    rmdir(standin.directory);
}

static struct mxw_question question_of(const char *next_hop)
{
    struct mxw_question question = MXW_QUESTION_INIT;

    question.next_hop = next_hop;
    return question;
}

START_TEST(a_check_tells_everything_in_numbers_and_words)
{
    struct mxw_question question = question_of("Someone@DANE.example");
    struct mxw_verdict v;

    standin_open(&standin, 64);
    ck_assert_int_eq(mxw_check(mxw, &question, &v, WAIT_MS), MXW_OK);
    ck_assert_str_eq(v.next_hop, "dane.example");
    ck_assert_str_eq(v.class_name, "dane");
    ck_assert_str_eq(v.level_name, "authenticated");
    ck_assert_str_eq(v.sign, "DANE ok");
    ck_assert_str_eq(v.conclusion_name, "definite");
    ck_assert_str_eq(v.enforce_name, "dane-only");
    ck_assert_str_eq(v.tls_name, "TLSv1.3");
    ck_assert_str_eq(v.host, "mx1.example.net");
    ck_assert_uint_ge(v.age_ms, 40);
    ck_assert_int_gt(v.valid_for_ms, 0);
    ck_assert_uint_eq(mxw_about(mxw)->rights,
                      MXW_MAY_QUERY | MXW_MAY_SWITCH | MXW_MAY_ADMINISTER | MXW_MAY_OBSERVE);
    ck_assert_uint_eq(mxw_about(mxw)->requests, 256);
    standin_close(&standin);
}
END_TEST

START_TEST(every_verdict_has_the_words_of_its_class)
{
    static const char *const rows[][4] = {
        {"verified.example", "verified", "SSL ok", "definite"},
        {"encrypted.example", "encrypted", "SSL ok", "definite"},
        {"weak.example", "weak", "no SSL", "definite"},
        {"none.example", "none", "no SSL", "definite"},
        {"failing.example", "failing", "no SSL", "definite"},
        {"what.example", "unknown", "SSL ?", "inconclusive"},
        {"null.example", "failing", "no SSL", "undeliverable"},
    };

    standin_open(&standin, 64);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mxw_question question = question_of(rows[i][0]);
        struct mxw_verdict v;

        ck_assert_int_eq(mxw_check(mxw, &question, &v, WAIT_MS), MXW_OK);
        ck_assert_str_eq(v.class_name, rows[i][1]);
        ck_assert_str_eq(v.sign, rows[i][2]);
        ck_assert_str_eq(v.conclusion_name, rows[i][3]);
    }
    standin_close(&standin);
}
END_TEST

START_TEST(a_bad_name_is_refused_without_a_daemon)
{
    struct mxw_question question = question_of("a..b");
    struct mxw_verdict v;

    ck_assert_int_eq(mxw_check(mxw, &question, &v, 100), MXW_INVALID);
    ck_assert_str_ne(mxw_reason(mxw), "");
    question.next_hop = NULL;
    ck_assert_int_eq(mxw_check(mxw, &question, &v, 100), MXW_INVALID);
    ck_assert_int_eq(mxw_descriptor(mxw), -1);
}
END_TEST

START_TEST(what_is_wrong_with_the_connection_is_said_with_the_remedy)
{
    struct mxw_question question = question_of("dane.example");
    struct mxw_verdict v;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int stale;

    ck_assert_int_eq(mxw_check(mxw, &question, &v, 100), MXW_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(mxw_reason(mxw), "does not exist: is mxward running"));
    ck_assert_ptr_nonnull(strstr(mxw_reason(mxw), standin.socket));
    snprintf(address.sun_path, sizeof address.sun_path, "%s", standin.socket);
    stale = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(mxw_check(mxw, &question, &v, 100), MXW_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(mxw_reason(mxw), "mxward is not running"));
    close(stale);
    unlink(standin.socket);
}
END_TEST

START_TEST(a_call_that_gave_up_leaves_no_answer_behind)
{
    struct mxw_question slow = question_of("slow-300.example"), fast = question_of("none.example");
    struct mxw_verdict v;

    standin_open(&standin, 64);
    ck_assert_int_eq(mxw_check(mxw, &slow, &v, 30), MXW_TIMEOUT);
    usleep(500000); /* the late answer is in the socket now */
    ck_assert_int_eq(mxw_check(mxw, &fast, &v, WAIT_MS), MXW_OK);
    ck_assert_str_eq(v.next_hop, "none.example");
    standin_close(&standin);
}
END_TEST

START_TEST(a_question_may_be_late_by_its_own_deadline)
{
    struct mxw_question held = question_of("hold.example");
    struct mxw_verdict v;

    standin_open(&standin, 64);
    atomic_store(&standin.engine->hold, true);
    held.deadline_ms = 20;
    ck_assert_int_eq(mxw_check(mxw, &held, &v, WAIT_MS), MXW_LATE);
    standin_close(&standin);
}
END_TEST

START_TEST(a_restarted_daemon_is_found_again)
{
    struct mxw_question question = question_of("dane.example");
    struct mxw_verdict v;

    for (int i = 0; i < 3; i++) {
        standin_open(&standin, 64);
        ck_assert_int_eq(mxw_check(mxw, &question, &v, WAIT_MS), MXW_OK);
        ck_assert_int_eq(mxw_check(mxw, &question, &v, WAIT_MS), MXW_OK);
        standin_close(&standin);
        mkdir(standin.directory, 0755);
    }
    ck_assert_int_eq(mxw_check(mxw, &question, &v, 100), MXW_UNREACHABLE);
}
END_TEST

/* --- many --- */

struct tally {
    size_t answers, invalid, other;
    uint8_t seen[6000];
};

static int count_answer(void *context, size_t place, const struct mxw_result *result)
{
    struct tally *tally = context;

    ck_assert_uint_eq(tally->seen[place]++, 0);
    tally->answers++;
    if (result->status == MXW_INVALID)
        tally->invalid++;
    else if (result->status != MXW_OK)
        tally->other++;
    else
        ck_assert_str_eq(result->verdict.class_name, place % 3 ? "dane" : "none");
    return 0;
}

/* More than fit into any buffer on the way, with windows from one to all. */
START_TEST(many_questions_each_get_their_own_answer)
{
    static const unsigned windows[] = {1, 7, 0, 4096};
    static struct mxw_question questions[6000];
    size_t count = windows[_i] == 1 ? 500 : 6000;
    struct tally *tally = calloc(1, sizeof *tally);

    standin.configuration.listen.requests_per_connection = 4096;
    standin_open(&standin, 64);
    for (size_t i = 0; i < count; i++)
        questions[i] = question_of(i % 100 == 50 ? "not a domain"
                                   : i % 3       ? "dane.example"
                                                 : "none.example");
    ck_assert_int_eq(
        mxw_check_many(mxw, questions, count, windows[_i], WAIT_MS, count_answer, tally), MXW_OK);
    ck_assert_uint_eq(tally->answers, count);
    ck_assert_uint_eq(tally->invalid, count / 100);
    ck_assert_uint_eq(tally->other, 0);
    free(tally);
    standin_close(&standin);
}
END_TEST

static int stop_at_third(void *context, size_t place, const struct mxw_result *result)
{
    (void)place;
    (void)result;
    return ++*(int *)context == 3 ? 77 : 0;
}

START_TEST(the_callback_may_stop)
{
    struct mxw_question questions[50], again = question_of("none.example");
    struct mxw_verdict v;
    int calls = 0;

    standin_open(&standin, 64);
    for (size_t i = 0; i < 50; i++)
        questions[i] = question_of("dane.example");
    ck_assert_int_eq(mxw_check_many(mxw, questions, 50, 10, WAIT_MS, stop_at_third, &calls), -77);
    ck_assert_int_eq(calls, 3);
    ck_assert_int_eq(mxw_check(mxw, &again, &v, WAIT_MS), MXW_OK);
    ck_assert_str_eq(v.class_name, "none");
    standin_close(&standin);
}
END_TEST

START_TEST(sending_without_receiving_ends_in_full_and_loses_nothing)
{
    struct mxw_question question = question_of("dane.example");
    struct mxw_result result = {.size = sizeof result};
    unsigned sent = 0, got = 0;
    uint64_t id;
    int status = MXW_OK;

    standin_open(&standin, 64);
    while (sent < 100000 && (status = mxw_send(mxw, &question, &id)) == MXW_OK)
        sent++;
    ck_assert_str_eq(mxw_status_name(status), "full");
    ck_assert_uint_eq(mxw_outstanding(mxw), sent);
    ck_assert_int_eq(mxw_check(mxw, &question, &result.verdict, 100), MXW_USAGE);
    while (mxw_outstanding(mxw) > 0) {
        ck_assert_int_eq(mxw_receive(mxw, &result, WAIT_MS), MXW_OK);
        ck_assert_int_eq(result.status, MXW_OK);
        got++;
    }
    ck_assert_uint_eq(got, sent);
    ck_assert_int_eq(mxw_receive(mxw, &result, 0), MXW_USAGE);
    standin_close(&standin);
}
END_TEST

/* In any order with questions; what was taken of it is said in its sentence. */
START_TEST(observations_are_sent_and_answered_like_questions)
{
    struct mxw_observation observation = MXW_OBSERVATION_INIT;
    struct mxw_question question = question_of("dane.example");
    struct mxw_result result = {.size = sizeof result};
    uint64_t ids[3];

    standin_open(&standin, 64);
    ck_assert_int_eq(mxw_send_observation(mxw, &observation, &ids[0]), MXW_INVALID);
    observation.host = "mx.example.org";
    observation.address = "192.0.2.1";
    observation.tls_version = 0x0304;
    observation.trust = MXW_VERIFIED;
    observation.delivered_s = clock_wall_s();
    ck_assert_int_eq(mxw_send_observation(mxw, &observation, &ids[0]), MXW_OK);
    ck_assert_int_eq(mxw_send(mxw, &question, &ids[1]), MXW_OK);
    observation.address = "nowhere";
    ck_assert_int_eq(mxw_send_observation(mxw, &observation, &ids[2]), MXW_OK);
    ck_assert_uint_eq(mxw_outstanding(mxw), 3);
    while (mxw_outstanding(mxw) > 0) {
        ck_assert_int_eq(mxw_receive(mxw, &result, WAIT_MS), MXW_OK);
        ck_assert_int_eq(result.status, result.id == ids[2] ? MXW_INVALID : MXW_OK);
        ck_assert_int_eq(result.taken, result.id == ids[0]);
        ck_assert(!result.decided);
        if (result.id == ids[0])
            ck_assert_ptr_nonnull(strstr(result.sentence, "fresh evidence again"));
        if (result.id == ids[1])
            ck_assert_str_eq(result.verdict.class_name, "dane");
    }
    standin_close(&standin);
}
END_TEST

START_TEST(a_lost_connection_is_told_once_and_is_never_an_answer_PIT_16)
{
    struct mxw_question held = question_of("slow-200.example");
    struct mxw_result result = {.size = sizeof result};
    uint64_t id;

    standin_open(&standin, 64);
    ck_assert_int_eq(mxw_send(mxw, &held, &id), MXW_OK);
    ck_assert_int_eq(mxw_send(mxw, &held, &id), MXW_OK);
    standin_close(&standin);
    ck_assert_int_eq(mxw_receive(mxw, &result, WAIT_MS), MXW_UNREACHABLE);
    ck_assert_uint_eq(mxw_outstanding(mxw), 0);
    ck_assert_int_eq(mxw_receive(mxw, &result, 0), MXW_USAGE);
}
END_TEST

/* --- documents and orders --- */

static void *main_thread(void *context)
{
    struct pollfd poll_fd = {.fd = serve_work_descriptor(standin.serve), .events = POLLIN};

    for (int answered = 0; answered < 3;) {
        enum serve_work what = SERVE_NOTHING;

        if (poll(&poll_fd, 1, WAIT_MS) > 0)
            what = serve_work_take(standin.serve);
        if (what == SERVE_NOTHING)
            continue;
        if (what == SERVE_RELOAD)
            serve_work_done(standin.serve, answered == 0, answered ? "x.conf:3: no" : "taken",
                            answered ? 12 : 5);
        else
            serve_work_done(standin.serve, true, "listen {\n}\n", 11);
        answered++;
    }
    return context;
}

START_TEST(documents_and_orders)
{
    struct mxw_question question = question_of("dane.example");
    pthread_t thread;
    const char *text;
    size_t length;

    standin_open(&standin, 64);
    ck_assert_int_eq(mxw_explain(mxw, &question, &text, &length, WAIT_MS), MXW_OK);
    ck_assert_uint_eq(strlen(text), length);
    ck_assert_ptr_nonnull(strstr(text, "\"transcript\""));
    ck_assert_int_eq(mxw_daemon_status(mxw, &text, &length, WAIT_MS), MXW_OK);
    ck_assert_ptr_nonnull(strstr(text, "\"self_tests\""));
    pthread_create(&thread, NULL, main_thread, NULL);
    ck_assert_int_eq(mxw_reload(mxw, WAIT_MS), MXW_OK);
    ck_assert_str_eq(mxw_reason(mxw), "taken");
    ck_assert_int_eq(mxw_reload(mxw, WAIT_MS), MXW_REFUSED);
    ck_assert_str_eq(mxw_reason(mxw), "x.conf:3: no");
    ck_assert_int_eq(mxw_config(mxw, 0, &text, &length, WAIT_MS), MXW_OK);
    ck_assert_str_eq(text, "listen {\n}\n");
    pthread_join(thread, NULL);
    standin_close(&standin);
}
END_TEST

/* --- servers that are none --- */

/* A server that takes one connection, says `bytes`, and then nothing, or closes. */
struct odd {
    const void *bytes;
    size_t size;
    bool closes;
    int listener;
};

static void *odd_run(void *context)
{
    struct odd *odd = context;
    int fd = accept(odd->listener, NULL, NULL);
    char drop[4096];

    (void)!send(fd, odd->bytes, odd->size, MSG_NOSIGNAL);
    if (odd->closes)
        shutdown(fd, SHUT_RDWR);
    while (recv(fd, drop, sizeof drop, 0) > 0)
        ;
    close(fd);
    return NULL;
}

static int check_at_odd(struct odd *odd)
{
    struct mxw_question question = question_of("dane.example");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct mxw_verdict v;
    pthread_t thread;
    int status;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", standin.socket);
    odd->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(odd->listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(odd->listener, 4), 0);
    pthread_create(&thread, NULL, odd_run, odd);
    status = mxw_check(mxw, &question, &v, 300);
    mxw_disconnect(mxw);
    pthread_join(thread, NULL);
    close(odd->listener);
    unlink(standin.socket);
    return status;
}

START_TEST(servers_that_are_none_are_recognised)
{
    uint8_t bytes[256];
    struct frame_done done = {.sentence = "?"};
    struct odd silent = {"", 0, false, 0}, closing = {"", 0, true, 0},
               talkative = {"220 mx ESMTP, who are you?\r\n", 28, false, 0},
               strange = {bytes, 0, false, 0};

    ck_assert_int_eq(check_at_odd(&silent), MXW_UNREACHABLE);
    ck_assert_int_eq(check_at_odd(&closing), MXW_UNREACHABLE);
    ck_assert_int_eq(check_at_odd(&talkative), MXW_PROTOCOL);
    strange.size = frame_encode(bytes, sizeof bytes, FRAME_DONE, 0, UINT64_MAX, &done);
    ck_assert_int_eq(check_at_odd(&strange), MXW_PROTOCOL);
}
END_TEST

/* --- header fields --- */

START_TEST(automatic_is_any_word_but_no_MSG_02)
{
    static const struct {
        const char *value;
        bool automatic;
    } rows[] = {
        {NULL, false},
        {"", false},
        {"  ", false},
        {"no", false},
        {"No", false},
        {" \r\n\tNO (a person (really) wrote it)", false},
        {"no; why=because", false},
        {"auto-generated", true},
        {"auto-replied", true},
        {"Auto-Replied (vacation); owner-email=\"me@example.org\"", true},
        {"(made by \\( a machine) auto-notified;x=y", true},
        {"none", true},
        {"yes", true},
        {"auto-replied and more", false}, /* no grammar: it claims nothing */
        {"(auto-replied", false},
        {"auto-replied (", false},
        {";auto-replied", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg((mxw_is_automatic(rows[i].value) != 0) == rows[i].automatic, "row %zu", i);
}
END_TEST

START_TEST(tls_is_not_required_by_one_word_alone_RTLS_07)
{
    static const struct {
        const char *value;
        bool not_required;
    } rows[] = {{NULL, false},           {"", false},      {"no", true},
                {" No (please) ", true}, {"NO", true},     {"yes", false},
                {"no; x=y", false},      {"no no", false}, {"(no", false}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg((mxw_says_tls_not_required(rows[i].value) != 0) == rows[i].not_required,
                      "row %zu", i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client");
    TCase *tcase = tcase_create("client");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_check_tells_everything_in_numbers_and_words);
    tcase_add_test(tcase, automatic_is_any_word_but_no_MSG_02);
    tcase_add_test(tcase, tls_is_not_required_by_one_word_alone_RTLS_07);
    tcase_add_test(tcase, every_verdict_has_the_words_of_its_class);
    tcase_add_test(tcase, a_bad_name_is_refused_without_a_daemon);
    tcase_add_test(tcase, what_is_wrong_with_the_connection_is_said_with_the_remedy);
    tcase_add_test(tcase, a_call_that_gave_up_leaves_no_answer_behind);
    tcase_add_test(tcase, a_question_may_be_late_by_its_own_deadline);
    tcase_add_test(tcase, a_restarted_daemon_is_found_again);
    tcase_add_loop_test(tcase, many_questions_each_get_their_own_answer, 0, 4);
    tcase_add_test(tcase, the_callback_may_stop);
    tcase_add_test(tcase, sending_without_receiving_ends_in_full_and_loses_nothing);
    tcase_add_test(tcase, observations_are_sent_and_answered_like_questions);
    tcase_add_test(tcase, a_lost_connection_is_told_once_and_is_never_an_answer_PIT_16);
    tcase_add_test(tcase, documents_and_orders);
    tcase_add_test(tcase, servers_that_are_none_are_recognised);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
