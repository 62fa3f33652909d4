/*
 * names_memory_test.c - a name that could not be read for want of memory is not called invalid:
 * whoever asks is told that it is our own fault, and temporary (law 3); and nothing that was in
 * force is taken away (law 2).
 */
#include "engine/memory/users.h"
#include "engine/names/places.h"
#include "engine/policy/verdict.h"
#include "ipc/client/mxward.h"
#include "tests/idn_memory.h"
#include "tests/serve_standin.h"
#include "tests/shim/memory.h"
#include "tests/table_support.h"

#include <check.h>
#include <errno.h>

#define WAIT_MS 10000
#define DOMAIN  "dane.b\303\274cher.example"
#define A_LABEL "dane.xn--bcher-kva.example"

static void set_up(void)
{
    idn_memory(INT_MAX);
}

/* --- the grammar itself: libidn2's own allocations fail, each in turn --- */

START_TEST(whichever_allocation_of_libidn2_fails_the_name_is_not_at_fault_NAME_03)
{
    unsigned nth = 0, without = 0;
    bool failed = memory_can_fail();
    struct name name;

    ck_assert_int_eq(name_parse(&name, DOMAIN, strlen(DOMAIN)), NAME_OK);
    while (failed) {
        ck_assert_uint_lt(++nth, 1000);
        memory_fail(nth, 0);
        enum name_status status = name_parse(&name, DOMAIN, strlen(DOMAIN));
        failed = memory_failed();
        memory_fail(0, 0);
        /* It can do without some. */
        ck_assert(status == NAME_OK || (failed && status == NAME_NO_MEMORY));
        ck_assert_str_eq(name.text, status == NAME_OK ? A_LABEL : "");
        without += status == NAME_NO_MEMORY;
    }
    ck_assert(without > 0 || !memory_can_fail());
}
END_TEST

START_TEST(a_canonical_name_needs_no_memory)
{
    static const char *const none[] = {"",          ".",       "a..b",    ".a",        "a.",
                                       "A.example", "a b.c",   "-a.b",    "192.0.2.1", "localhost",
                                       DOMAIN,      "a.0x7f.", "a.b\xff", "[a.b]"};
    struct name name;

    idn_memory(0);
    ck_assert(name_from_canonical(&name, A_LABEL));
    ck_assert_str_eq(name.text, A_LABEL);
    ck_assert_uint_eq(name.length, strlen(A_LABEL));
    ck_assert(name_from_canonical(&name, "post"));
    ck_assert(name_from_canonical(&name, "_25._tcp.mx_1.example"));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_msg(!name_from_canonical(&name, none[i]) && name.length == 0, "%s", none[i]);
}
END_TEST

/* --- settings --- */

START_TEST(a_list_of_the_settings_is_not_wrong_for_want_of_memory)
{
    const char *texts[] = {DOMAIN};
    const struct option_list list = {.count = 1, .texts = (char **)(uintptr_t)texts};
    struct places *places = NULL;
    char why[200] = "";
    struct own own;

    idn_memory(0);
    ck_assert_int_eq(places_create(&places, &list, "x.y", why, sizeof why), -ENOMEM);
    ck_assert_str_eq(why, "x.y: no memory for the list");
    ck_assert_int_eq(own_read(&own, &list, why, sizeof why), -ENOMEM);
    ck_assert_str_eq(why, "daemon.own: no memory for the list");
    idn_memory(INT_MAX);
    ck_assert_int_eq(places_create(&places, &list, "x.y", why, sizeof why), 0);
    places_destroy(places);
    ck_assert_int_eq(own_read(&own, &list, why, sizeof why), 0);
}
END_TEST

/* --- the users' table: an alias demands TLS of what is sent by it --- */

static struct account_demand demand_of(const struct table_reader *reader, const char *sender)
{
    struct account_demand demand = {0};

    account_demand(&demand, reader, sender, "", "example.net", 0, clock_boot_ms(), 1800000000);
    return demand;
}

static bool is_there(const struct table_reader *reader, const char *alias)
{
    char text[TABLE_KEY_MAX];
    union record record;
    struct table_key key;

    ck_assert(account_alias_key(&key, text, alias));
    return table_find(reader, &key, clock_boot_ms(), &record) == TABLE_HIT;
}

static int configure(struct users *users, const char *alias, bool *wanted)
{
    const char *texts[] = {alias};
    static struct profiles_settings profiles = {.all = {{.name = (char *)(uintptr_t) "strict"}},
                                                .count = 1};
    const struct guarantee_settings guarantee = {
        .aliases = {.count = alias != NULL, .texts = (char **)(uintptr_t)texts},
        .alias_profile = (char *)(uintptr_t) "strict"};

    *wanted = false;
    return users_configure(users, &guarantee, &profiles, wanted);
}

START_TEST(an_alias_stays_and_a_new_one_is_not_taken_for_nobody_S13)
{
    static const char one[] = "@sec.b\303\274cher.example", two[] = "@b\303\274cher.example";
    struct scratch run = scratch_make(), inside = run;
    struct table_reader *reader;
    struct users *users;
    char why[200] = "";
    bool wanted;

    snprintf(inside.directory, sizeof inside.directory, "%.40s/users", run.directory);
    ck_assert_msg(users_open(&users, run.directory, NULL, TABLE_BYTES_SMALL, why, sizeof why) == 0,
                  "%s", why);
    ck_assert_int_eq(configure(users, one, &wanted), 0);
    users_complete(users, true);
    users_heartbeat(users);
    reader = scratch_reader(&inside);
    ck_assert(demand_of(reader, "a@sec.xn--bcher-kva.example").alias);
    ck_assert(!demand_of(reader, "a@xn--bcher-kva.example").alias);

    idn_memory(0);
    ck_assert_int_eq(configure(users, two, &wanted), -ENOMEM);
    users_complete(users, true); /* the accounts are all there; that is not everything */
    ck_assert(!demand_of(reader, "a@xn--bcher-kva.example").known);
    ck_assert(is_there(reader, "@sec.xn--bcher-kva.example"));

    idn_memory(INT_MAX);
    ck_assert_int_eq(configure(users, two, &wanted), 0);
    ck_assert(wanted);
    users_complete(users, true);
    ck_assert(demand_of(reader, "a@xn--bcher-kva.example").alias);
    ck_assert(!is_there(reader, "@sec.xn--bcher-kva.example"));
    ck_assert(demand_of(reader, "a@example.org").known);
    table_reader_close(reader);
    users_close(users);
    scratch_remove(&inside);
    scratch_remove(&run);
}
END_TEST

/* --- who asks --- */

static struct standin standin;

static struct mxw *client_of(const struct standin *s)
{
    struct mxw_options options = MXW_OPTIONS_INIT;
    struct mxw *mxw;

    options.socket = s->socket;
    ck_assert_int_eq(mxw_open(&mxw, &options), MXW_OK);
    return mxw;
}

static int check(struct mxw *mxw)
{
    struct mxw_question question = MXW_QUESTION_INIT;
    struct mxw_verdict verdict;

    question.next_hop = DOMAIN;
    return mxw_check(mxw, &question, &verdict, WAIT_MS);
}

static int decide(struct mxw *mxw)
{
    struct mxw_message message = MXW_MESSAGE_INIT;
    struct mxw_decision decision;

    message.recipient = "anna@" DOMAIN;
    return mxw_decide(mxw, &message, &decision, WAIT_MS);
}

/* The client library reads the name first, and sends A-labels; the daemon reads those again. */
START_TEST(neither_library_nor_daemon_call_a_name_invalid_that_they_have_no_memory_for)
{
    struct mxw *mxw;

    standin_prepare(&standin);
    standin_open(&standin, 64);
    mxw = client_of(&standin);
    ck_assert_int_eq(check(mxw), MXW_OK);
    idn_memory(0);
    ck_assert_int_eq(check(mxw), MXW_MEMORY);
    ck_assert_str_eq(mxw_reason(mxw), "out of memory");
    idn_memory(1);
    ck_assert_int_eq(check(mxw), MXW_TROUBLE);
    idn_memory(0);
    ck_assert_int_eq(decide(mxw), MXW_TROUBLE);
    idn_memory(INT_MAX);
    ck_assert_int_eq(check(mxw), MXW_OK);
    mxw_close(mxw);
    standin_close(&standin);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names without memory");
    TCase *cases = tcase_create("claims");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(cases, set_up, NULL);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, whichever_allocation_of_libidn2_fails_the_name_is_not_at_fault_NAME_03);
    tcase_add_test(cases, a_canonical_name_needs_no_memory);
    tcase_add_test(cases, a_list_of_the_settings_is_not_wrong_for_want_of_memory);
    tcase_add_test(cases, an_alias_stays_and_a_new_one_is_not_taken_for_nobody_S13);
    tcase_add_test(cases,
                   neither_library_nor_daemon_call_a_name_invalid_that_they_have_no_memory_for);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
