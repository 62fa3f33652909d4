/*
 * local_test.c - the library's own answers from the tables: which tables it finds and when, and
 * what their answers are worth.
 */
#include "ipc/client/local.h"
#include "tests/gate_support.h"

static struct local *local;
static struct local_outcome out;

static void set_up_tables(void)
{
    world_make();
    verdicts_make();
    users_make();
    ck_assert_int_eq(local_open(&local, run_path), 0);
}

static void set_up_nothing(void)
{
    world_make();
    ck_assert_int_eq(local_open(&local, run_path), 0);
}

static void tear_down(void)
{
    local_close(local);
    world_end();
}

static enum frame_error decide_at(const char *domain, const char *profile, uint64_t arrived_ms)
{
    struct frame_decide asked = {0};

    snprintf(asked.recipient, sizeof asked.recipient, "%s", domain);
    snprintf(asked.profile, sizeof asked.profile, "%s", profile);
    local_look(local, &out, &asked, arrived_ms, clock_boot_ms(), clock_wall_s());
    return out.error;
}

static enum frame_error decide(const char *domain, const char *profile)
{
    return decide_at(domain, profile, clock_boot_ms());
}

/* The answer from the tables, where there is one. */
static const char *policy(const char *domain, const char *profile)
{
    ck_assert_int_eq(decide(domain, profile), FRAME_ERROR_NONE);
    return out.decision.policy_kind == MXW_POLICY_TEXT ? out.decision.policy : "";
}

static bool is_enough(const char *domain, const char *profile)
{
    ck_assert_int_eq(decide(domain, profile), FRAME_ERROR_NONE);
    return local_is_enough(&out);
}

/* --- what is there --- */

START_TEST(without_a_table_of_users_nobody_knows_who_demands_what)
{
    ck_assert_int_eq(decide("a.example", ""), FRAME_ERROR_OURS);
    ck_assert_int_eq(decide("a.example", "strict"), FRAME_ERROR_OURS);
    ck_assert_int_eq(decide("a..b", ""), FRAME_ERROR_NAME);
    ck_assert_ptr_null(local_users(local));
    ck_assert_ptr_null(local_verdicts(local));
}
END_TEST

START_TEST(without_a_table_of_verdicts_nobody_knows_what_is_remembered)
{
    ck_assert_int_eq(mkdir(run_path, 0755), 0);
    users_make();
    local_refresh(local);
    ck_assert(!is_enough("a.example", ""));
    claim_begins(policy("a.example", ""), "encrypt "); /* law 2: never less than it may be */
    claim_begins(policy("a.example", "strict"), "");
    ck_assert_int_ne(out.decision.action, MXW_SEND);
    ck_assert(out.decision.limited && out.decision.from_table);
}
END_TEST

START_TEST(tables_that_come_later_are_found_at_the_next_look)
{
    ck_assert_int_eq(decide("a.example", ""), FRAME_ERROR_OURS);
    verdicts_make();
    users_make();
    see("a.example", "dane");
    ck_assert_int_eq(decide("a.example", ""), FRAME_ERROR_OURS);
    local_refresh(local);
    claim_begins(policy("a.example", ""), "dane-only ");
    ck_assert(local_is_enough(&out));
}
END_TEST

START_TEST(a_profile_that_is_not_there_is_a_wrong_name)
{
    ck_assert_int_eq(decide("a.example", "nobody"), FRAME_ERROR_NAME);
}
END_TEST

/* --- what is enough --- */

START_TEST(enough_is_fresh_evidence_under_which_the_mail_may_go)
{
    struct verdict verdict;
    struct table_key key;

    see("good.example", "encrypted");
    see("none.example", "none");
    ck_assert(is_enough("good.example", "strict"));
    ck_assert(!out.decision.limited && out.decision.from_table);
    ck_assert(is_enough("none.example", ""));
    ck_assert(!is_enough("none.example", "strict"));
    ck_assert_int_eq(out.decision.action, MXW_STOP);
    ck_assert(!is_enough("nobody.example", "strict"));
    ck_assert(!is_enough("good.example", "live"));
    verdict = verdict_of("encrypted");
    verdict.began_ms = clock_boot_ms() - 60100; /* beyond the window of `strict` */
    put_verdict("good.example", &verdict);
    ck_assert(!is_enough("good.example", "strict"));
    ck_assert(out.decision.limited && out.decision.action == MXW_SEND); /* law 1 */
    ck_assert(is_enough("good.example", ""));
    verdict.valid_until_ms = clock_boot_ms() - 1; /* the DNS said no more */
    put_verdict("good.example", &verdict);
    ck_assert(!is_enough("good.example", ""));
    /* An administrator must be told. */
    see("none.example", "none");
    table_key_make(&key, "none.example", 12);
    ck_assert_int_eq(table_writer_put_floor(verdicts, &key,
                                            &(struct floor){.level = LEVEL_ENCRYPT,
                                                            .proof = PROOF_HANDSHAKES,
                                                            .flags = FLOOR_CONTRADICTED}),
                     0);
    ck_assert(!is_enough("none.example", ""));
}
END_TEST

START_TEST(evidence_of_other_settings_or_rulings_is_stale)
{
    struct verdict verdict = verdict_of("encrypted");

    see("a.example", "encrypted");
    ck_assert(is_enough("a.example", ""));
    table_writer_set_settings(verdicts, EPOCH + 2);
    ck_assert(!is_enough("a.example", ""));
    verdict.config_epoch = EPOCH + 2;
    put_verdict("a.example", &verdict);
    ck_assert(is_enough("a.example", ""));
    table_writer_set_rulings(verdicts, 12345);
    ck_assert(!is_enough("a.example", ""));
    ck_assert_uint_eq(table_reader_epoch(local_verdicts(local)), table_epoch(EPOCH + 2, 12345));
    table_writer_set_settings(verdicts, 0); /* not told yet: nothing is fresh */
    verdict.config_epoch = 0;
    put_verdict("a.example", &verdict);
    ck_assert_uint_eq(table_reader_epoch(local_verdicts(local)), 0);
}
END_TEST

/* The question came before the profile was published again; it is answered now. */
START_TEST(a_question_that_waited_is_answered_by_the_profiles_of_now)
{
    const uint64_t arrived_ms = clock_boot_ms() - TABLE_FUTURE_MS - 1000;

    see("a.example", "encrypted");
    ck_assert_int_eq(decide_at("a.example", "strict", arrived_ms), FRAME_ERROR_NONE);
    ck_assert(local_is_enough(&out));
}
END_TEST

/* Whose demand stops it says whether that is told at RCPT. */
START_TEST(a_secure_alias_refuses_at_RCPT_where_its_profile_asks_S13)
{
    static const struct {
        const char *alias, *account;
        int refuses;
    } rows[] = {{"strict", "hold", 1}, {"live", "hold", 0}, {"strict", "", 1}, {"live", "", 0}};
    struct frame_decide asked = {.sender = "me@secure.example.org", .recipient = "x@none.example"};

    see("none.example", "none");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct account_alias alias = {.sends = true};
        struct account account = {.flags = rows[i].account[0] != '\0' ? ACCOUNT_ON : 0};

        snprintf(alias.profile, sizeof alias.profile, "%s", rows[i].alias);
        snprintf(account.profile, sizeof account.profile, "%s", rows[i].account);
        put_alias(asked.sender, &alias);
        put_account(asked.sender, &account);
        see("none.example", "none");
        const uint64_t now_ms = clock_boot_ms();
        struct verdict verdict = verdict_of("none");
        verdict.began_ms = now_ms;
        put_verdict("none.example", &verdict);
        local_look(local, &out, &asked, now_ms, now_ms, clock_wall_s());
        ck_assert_int_eq(out.error, FRAME_ERROR_NONE);
        ck_assert_int_eq(out.decision.action, MXW_STOP);
        ck_assert_str_eq(out.decision.source_name,
                         rows[i].account[0] != '\0' ? "profile" : "alias");
        ck_assert_int_eq(out.decision.refuse_at_rcpt, rows[i].refuses);
    }
}
END_TEST

/* Not enough where somebody must be told, or keys are wanted. Without the daemon mail may go, and
 * nobody is stopped. */
START_TEST(what_is_not_enough_may_send_mail_without_the_daemon_and_never_stops_it)
{
    struct frame_decide asked = {
        .recipient = "x@good.example", .profile = "strict", .want_keys = 1};
    const uint64_t now_ms = clock_boot_ms();

    see("none.example", "none");
    see("good.example", "encrypted");
    ck_assert(!is_enough("none.example", "strict"));
    ck_assert_int_eq(out.decision.action, MXW_STOP);
    ck_assert(!local_will_do(&out, false));
    ck_assert(local_will_do(&out, true)); /* its policy is enforced at the delivery */
    ck_assert(!is_enough("none.example", "hold"));
    ck_assert_int_eq(out.decision.action, MXW_DEFER);
    ck_assert(local_will_do(&out, false)); /* temporary, as the daemon would say */
    local_look(local, &out, &asked, now_ms, clock_boot_ms(), clock_wall_s());
    ck_assert(!local_is_enough(&out) && local_will_do(&out, false));
    ck_assert_int_eq(out.decision.openpgp, MXW_KEY_UNKNOWN); /* never "none" */
    ck_assert_int_eq(out.decision.smime, MXW_KEY_UNKNOWN);
    ck_assert(!is_enough("good.example", "live"));
    ck_assert(!is_enough("nobody.example", "strict"));
    ck_assert_int_eq(decide("a..b", "strict"), FRAME_ERROR_NAME);
    ck_assert(local_is_enough(&out) && !local_will_do(&out, true));
}
END_TEST

static void same_decision(const struct mxw_decision *a, const struct mxw_decision *b)
{
    ck_assert_int_eq(a->action, b->action);
    ck_assert_int_eq(a->would, b->would);
    ck_assert_str_eq(a->policy, b->policy);
    ck_assert_str_eq(a->code, b->code);
    ck_assert_str_eq(a->text, b->text);
    ck_assert_str_eq(a->profile, b->profile);
    ck_assert_str_eq(a->host, b->host);
    ck_assert_mem_eq(&a->limited, &b->limited, sizeof *a - offsetof(struct mxw_decision, limited));
}

START_TEST(several_messages_are_looked_at_as_each_alone)
{
    struct frame_decide asked[LOCAL_AHEAD] = {
        {.recipient = "x@good.example", .profile = "strict"},
        {.recipient = "x@a..b", .profile = "strict"},
        {.recipient = "me@secure.example.org", .inbound = 1, .client_tls = 0x0303},
        {.recipient = "x@none.example", .profile = "strict", .want_keys = 1},
    };
    static struct local_outcome outs[LOCAL_AHEAD];
    const uint64_t now_ms = clock_boot_ms();

    see("none.example", "none");
    see("good.example", "encrypted");
    for (unsigned i = 0; i < LOCAL_AHEAD; i++)
        local_begin(local, &outs[i], &asked[i]);
    for (unsigned i = 0; i < LOCAL_AHEAD; i++)
        local_fetch(local, &outs[i], now_ms);
    for (unsigned i = 0; i < LOCAL_AHEAD; i++) {
        struct mxw_decision alone;
        enum frame_error error;

        memset(&out, 0, sizeof out);
        local_look(local, &out, &asked[i], now_ms, now_ms, clock_wall_s());
        alone = out.decision;
        error = out.error;
        local_look_on(local, &outs[i], &asked[i], now_ms, clock_wall_s());
        ck_assert_int_eq(outs[i].error, error);
        if (error == FRAME_ERROR_NONE)
            same_decision(&outs[i].decision, &alone);
    }
}
END_TEST

START_TEST(who_comes_in_is_refused_only_where_it_is_known_who_is_trusted_S13)
{
    struct frame_decide asked = {.recipient = "me@secure.example.org", .inbound = 1};
    const struct account_alias alias = {.receives = true, .profile = "strict"};

    put_alias(asked.recipient, &alias);
    for (int known = 0; known < 2; known++) {
        const uint64_t now_ms = clock_boot_ms();

        if (known)
            local_trust(local, NULL);
        asked.client_tls = 0;
        local_look(local, &out, &asked, now_ms, now_ms, clock_wall_s());
        ck_assert_int_eq(out.decision.action, MXW_STOP);
        ck_assert_int_eq(local_is_enough(&out), known);
        asked.client_tls = 0x0303;
        local_look(local, &out, &asked, now_ms, now_ms, clock_wall_s());
        ck_assert_int_eq(out.decision.action, MXW_SEND);
        ck_assert(local_is_enough(&out));
    }
}
END_TEST

/* --- tables of another daemon --- */

static void heartbeat_of_before(struct table_writer *writer, uint64_t ago_ms)
{
    struct table_clock clock;

    ck_assert_int_eq(table_clock_read(&clock), 0);
    clock.boot_ms -= ago_ms;
    clock.wall_ms -= (int64_t)ago_ms;
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_heartbeat(writer, (uint16_t)partition, &clock);
}

START_TEST(the_table_of_a_daemon_that_shows_no_life_gives_way_to_anothers)
{
    see("a.example", "encrypted");
    heartbeat_of_before(verdicts, 6000);
    local_refresh(local);
    claim_begins(policy("a.example", ""), "encrypt "); /* an older table is better than none */
    verdicts_of_another_daemon();
    see("a.example", "dane");
    claim_begins(policy("a.example", ""), "encrypt ");
    local_refresh(local);
    claim_begins(policy("a.example", ""), "dane-only ");
}
END_TEST

/* Stopped and started at once: the old table still seems to live, but its file is gone. */
START_TEST(a_table_whose_file_is_gone_gives_way_at_once)
{
    see("a.example", "encrypted");
    verdicts_of_another_daemon();
    see("a.example", "dane");
    table_lives(verdicts);
    local_refresh(local);
    claim_begins(policy("a.example", ""), "dane-only ");
}
END_TEST

/* Upgraded, say: there are users, and here nobody can read what they demand (law 2). */
START_TEST(accounts_of_a_daemon_before_do_not_count_where_those_of_now_cannot_be_read)
{
    char name[PATH_MAX];
    FILE *file;

    see("a.example", "encrypted");
    claim_begins(policy("a.example", "strict"), "");
    snprintf(name, sizeof name, "%s/users/table.1", run_path);
    ck_assert_int_eq(unlink(name), 0);
    table_lives(users);
    local_refresh(local); /* stopped: what he left is all there is */
    ck_assert_ptr_nonnull(local_users(local));
    file = fopen(name, "w");
    ck_assert_ptr_nonnull(file);
    for (unsigned i = 0; i < 65536; i++)
        fputc('x', file);
    fclose(file);
    local_refresh(local);
    ck_assert_ptr_null(local_users(local));
    ck_assert_int_eq(decide("a.example", "strict"), FRAME_ERROR_OURS);
}
END_TEST

/* Smaller and larger: what the daemon's next start brings where daemon.table_size was changed. */
START_TEST(a_successor_of_another_size_is_read_after_one_refresh_and_the_old_one_until_then)
{
    struct scratch scratch = {.clock.boot_ms = 0};
    struct table_opened opened;

    snprintf(scratch.directory, sizeof scratch.directory, "%s", run_path);
    ck_assert_int_eq(table_clock_read(&scratch.clock), 0);
    see("a.example", "encrypted");
    for (uint64_t mib = 32; mib >= 12; mib -= 10) {
        table_writer_close(verdicts);
        verdicts = scratch_writer(&scratch, mib << 20, &opened);
        ck_assert(!opened.attached);
        ck_assert_uint_eq(opened.kept, 1);
        table_writer_set_settings(verdicts, EPOCH);
        table_lives(verdicts);
        see("a.example", "dane");
        claim_begins(policy("a.example", ""), "encrypt ");
        local_refresh(local);
        claim_begins(policy("a.example", ""), "dane-only ");
        see("a.example", "encrypted");
        claim_begins(policy("a.example", ""), "encrypt ");
    }
}
END_TEST

START_TEST(a_table_that_is_older_still_is_not_taken)
{
    see("a.example", "encrypted");
    heartbeat_of_before(verdicts, 6000);
    verdicts_of_another_daemon();
    see("a.example", "dane");
    heartbeat_of_before(verdicts, 7000);
    local_refresh(local);
    claim_begins(policy("a.example", ""), "encrypt ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answers from the tables alone");
    TCase *tables = tcase_create("with tables"), *nothing = tcase_create("without");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tables, set_up_tables, tear_down);
    tcase_add_checked_fixture(nothing, set_up_nothing, tear_down);
    tcase_add_test(nothing, without_a_table_of_users_nobody_knows_who_demands_what);
    tcase_add_test(nothing, without_a_table_of_verdicts_nobody_knows_what_is_remembered);
    tcase_add_test(nothing, tables_that_come_later_are_found_at_the_next_look);
    tcase_add_test(tables, a_profile_that_is_not_there_is_a_wrong_name);
    tcase_add_test(tables, enough_is_fresh_evidence_under_which_the_mail_may_go);
    tcase_add_test(tables, what_is_not_enough_may_send_mail_without_the_daemon_and_never_stops_it);
    tcase_add_test(tables, several_messages_are_looked_at_as_each_alone);
    tcase_add_test(tables, who_comes_in_is_refused_only_where_it_is_known_who_is_trusted_S13);
    tcase_add_test(tables, evidence_of_other_settings_or_rulings_is_stale);
    tcase_add_test(tables, a_question_that_waited_is_answered_by_the_profiles_of_now);
    tcase_add_test(tables, a_secure_alias_refuses_at_RCPT_where_its_profile_asks_S13);
    tcase_add_test(tables, the_table_of_a_daemon_that_shows_no_life_gives_way_to_anothers);
    tcase_add_test(tables, a_table_whose_file_is_gone_gives_way_at_once);
    tcase_add_test(tables,
                   accounts_of_a_daemon_before_do_not_count_where_those_of_now_cannot_be_read);
    tcase_add_test(tables, a_table_that_is_older_still_is_not_taken);
    tcase_add_test(
        tables, a_successor_of_another_size_is_read_after_one_refresh_and_the_old_one_until_then);
    suite_add_tcase(suite, tables);
    suite_add_tcase(suite, nothing);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
