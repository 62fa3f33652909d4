/*
 * alarm_test.c - alarms: each is counted, the same again within a minute is said once, the newest
 * are kept, and the command runs for them, one at a time and not more often than its pause.
 */
#include "engine/alarm.h"
#include "engine/base/limits.h"
#include "tests/store_support.h"

#include <signal.h>
#include <sys/wait.h>

static struct scratch scratch;
static char command[100];

static void set_up(void)
{
    log_quietly();
    scratch = scratch_make("/dev/shm");
    snprintf(command, sizeof command, "%s/command", scratch.directory);
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

/* A program that writes its arguments, one a line, and a line "end"; then what `more` says. */
static void command_make(const char *more)
{
    FILE *file = fopen(command, "we");

    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "#!/bin/sh\nfor word; do echo \"$word\"; done >>%s/said\necho end >>%s/said\n%s\n",
            scratch.directory, scratch.directory, more);
    fclose(file);
    ck_assert_int_eq(chmod(command, 0700), 0);
}

/* What all its runs so far wrote. */
static const char *said(void)
{
    static char text[4096];
    FILE *file = fopen(scratch_path(&scratch, "said"), "re");
    size_t length = 0;

    if (file != NULL) {
        length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[length] = '\0';
    return text;
}

static unsigned runs(void)
{
    unsigned count = 0;

    for (const char *at = said(); (at = strstr(at, "end\n")) != NULL; at++)
        count++;
    return count;
}

static void wait_runs(unsigned count)
{
    for (unsigned i = 0; i < 1000 && runs() < count; i++)
        usleep(10000);
    ck_assert_uint_eq(runs(), count);
    usleep(20000); /* it ends after its last word */
}

START_TEST(each_alarm_counts_and_repeats_within_a_minute_are_said_once)
{
    struct alarm recent[4];

    for (unsigned i = 0; i < 3; i++)
        alarm_raise(ALARM_HELD, "a.example", "held %u", i);
    alarm_raise(ALARM_HELD, "b.example", "held too");
    alarm_raise(ALARM_CONTRADICTED, "a.example", "contradicted");
    ck_assert_uint_eq(alarm_count(ALARM_HELD), 4);
    ck_assert_uint_eq(alarm_count(ALARM_CONTRADICTED), 1);
    ck_assert_uint_eq(alarm_count(ALARM_SELF_TEST), 0);
    ck_assert_uint_eq(alarm_count(ALARM_STORE), 0);
    ck_assert_uint_eq(alarm_recent(recent, 4), 3);
    ck_assert_int_eq(recent[0].kind, ALARM_CONTRADICTED);
    ck_assert_str_eq(recent[1].domain, "b.example");
    ck_assert_str_eq(recent[2].sentence, "held 0");
}
END_TEST

START_TEST(the_newest_alarms_are_kept_and_no_more_than_the_bound)
{
    struct alarm recent[LIMIT_ALARMS + 1];
    char domain[32];

    for (unsigned i = 0; i < 3 * LIMIT_ALARMS; i++) {
        snprintf(domain, sizeof domain, "d%u.example", i);
        alarm_raise(ALARM_HELD, domain, "held");
    }
    ck_assert_uint_eq(alarm_recent(recent, LIMIT_ALARMS + 1), LIMIT_ALARMS);
    snprintf(domain, sizeof domain, "d%u.example", 3 * LIMIT_ALARMS - 1);
    ck_assert_str_eq(recent[0].domain, domain);
    ck_assert_uint_eq(alarm_count(ALARM_HELD), 3 * LIMIT_ALARMS);
}
END_TEST

START_TEST(the_command_gets_kind_domain_sentence_and_number_and_is_no_line_of_a_shell)
{
    command_make("");
    alarm_turn(command, 0, 1000); /* nothing has happened */
    alarm_raise(ALARM_STORE, "", "the disk; rm -rf $HOME `id` \"is\" full");
    alarm_turn(command, 0, 2000);
    wait_runs(1);
    ck_assert_str_eq(said(), "store\n\nthe disk; rm -rf $HOME `id` \"is\" full\n1\nend\n");
    for (uint64_t now_ms = 3000; now_ms < 9000; now_ms += 1000)
        alarm_turn(command, 0, now_ms);
    usleep(50000);
    ck_assert_uint_eq(runs(), 1); /* it was told */
}
END_TEST

START_TEST(what_comes_within_the_pause_is_said_together_after_it)
{
    command_make("");
    alarm_raise(ALARM_HELD, "a.example", "held");
    alarm_turn(command, 5000, 1000);
    wait_runs(1);
    alarm_raise(ALARM_HELD, "b.example", "held");
    alarm_raise(ALARM_HELD, "c.example", "held");
    for (uint64_t now_ms = 2000; now_ms < 6000; now_ms += 500)
        alarm_turn(command, 5000, now_ms);
    usleep(50000);
    ck_assert_uint_eq(runs(), 1);
    alarm_turn(command, 5000, 6000);
    wait_runs(2);
    ck_assert_ptr_nonnull(strstr(said(), "end\nheld\nc.example\nheld\n2\nend\n"));
}
END_TEST

/* No second one beside it, and it does not keep the next from us for ever. */
START_TEST(a_command_that_hangs_is_killed_and_the_next_one_runs)
{
    command_make("exec sleep 1000");
    alarm_raise(ALARM_HELD, "a.example", "held");
    alarm_turn(command, 0, 1000);
    wait_runs(1);
    alarm_raise(ALARM_HELD, "b.example", "held");
    alarm_turn(command, 0, 1000 + LIMIT_ALARM_COMMAND_MS - 1);
    usleep(50000);
    ck_assert_uint_eq(runs(), 1);
    alarm_turn(command, 0, 1000 + LIMIT_ALARM_COMMAND_MS);
    usleep(100000); /* the signal arrives */
    command_make("");
    alarm_turn(command, 0, 2000 + LIMIT_ALARM_COMMAND_MS);
    wait_runs(2);
}
END_TEST

START_TEST(a_command_that_is_not_there_is_no_harm_and_without_one_nothing_runs)
{
    alarm_raise(ALARM_HELD, "a.example", "held");
    alarm_turn(command, 0, 1000);
    alarm_raise(ALARM_HELD, "b.example", "held");
    alarm_turn(NULL, 0, 2000);
    command_make("");
    alarm_turn(command, 0, 3000); /* what was before it is not said late */
    usleep(50000);
    ck_assert_uint_eq(runs(), 0);
    alarm_raise(ALARM_HELD, "c.example", "held");
    alarm_turn(command, 0, 4000);
    wait_runs(1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alarm");
    TCase *claims = tcase_create("claims");

    tcase_add_checked_fixture(claims, set_up, tear_down);
    tcase_add_test(claims, each_alarm_counts_and_repeats_within_a_minute_are_said_once);
    tcase_add_test(claims, the_newest_alarms_are_kept_and_no_more_than_the_bound);
    tcase_add_test(claims,
                   the_command_gets_kind_domain_sentence_and_number_and_is_no_line_of_a_shell);
    tcase_add_test(claims, what_comes_within_the_pause_is_said_together_after_it);
    tcase_add_test(claims, a_command_that_hangs_is_killed_and_the_next_one_runs);
    tcase_add_test(claims, a_command_that_is_not_there_is_no_harm_and_without_one_nothing_runs);
    tcase_set_timeout(claims, 60);
    suite_add_tcase(suite, claims);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
