/*
 * serve_keys_test.c - a recipient's keys on their way through the front (S14, DANE-43, DANE-44):
 * when they are looked up, how long an answer waits for them, and that nobody else waits.
 *
 * The front, the socket and the client are real; the engine, and what it knows of keys, is the
 * stand-in. The bound of the wait is its own measure; everything else is waited for.
 */
#include "tests/serve_standin.h"

#include "ipc/client/mxward.h"
#include "tests/table_support.h"

#include <check.h>

#define WAIT_MS 10000
#define HUGH    "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6"

static struct standin standin;
static struct scratch scratch, users;
static struct mxw *mxw;

/* --- the world --- */

static struct table_writer *writer_for(struct scratch *where)
{
    struct table_opened opened;

    *where = scratch_make();
    return scratch_writer(where, TABLE_BYTES_SMALL, &opened);
}

static void put_users(struct table_writer *writer)
{
    const struct account_settings settings = {.delimiter = "+", .standard = "posteo"};
    const struct profile profile = {
        .name = "posteo", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP, .window_ms = 60000};
    const struct profile nothing = {.name = "nothing"};
    union record record;
    struct table_key key;

    ck_assert(account_settings_pack(&record, &key, &settings, clock_boot_ms()));
    ck_assert_int_eq(table_writer_put_record(writer, &key, &record), 0);
    ck_assert(account_profile_pack(&record, &key, &profile, clock_boot_ms()));
    ck_assert_int_eq(table_writer_put_record(writer, &key, &record), 0);
    ck_assert(account_profile_pack(&record, &key, &nothing, clock_boot_ms()));
    ck_assert_int_eq(table_writer_put_record(writer, &key, &record), 0);
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(writer, (uint16_t)partition, true);
}

static void put_verdict(const char *domain, enum level level, enum cause cause)
{
    const struct verdict verdict = {.class = level == LEVEL_NONE ? CLASS_NONE : CLASS_ENCRYPTED,
                                    .level = level,
                                    .conclusion = CONCLUSION_DEFINITE,
                                    .cause = cause,
                                    .host = "mx.example.net",
                                    .began_ms = clock_boot_ms() - 1000,
                                    .valid_until_ms = clock_boot_ms() + 600000,
                                    .config_epoch = 7};
    struct table_key key;

    ck_assert(table_key_make(&key, domain, strlen(domain)));
    ck_assert_int_eq(table_writer_put(standin.engine->table, &key, &verdict), 0);
}

static void set_up(void)
{
    struct mxw_options options = MXW_OPTIONS_INIT;

    standin_prepare(&standin);
    standin.engine = standin_start(64);
    standin.engine->table = writer_for(&scratch);
    standin.engine->users = writer_for(&users);
    put_users(standin.engine->users);
    put_verdict("clear.example", LEVEL_NONE, CAUSE_NO_STARTTLS);
    put_verdict("tls.example", LEVEL_ENCRYPT, CAUSE_ENCRYPTED);
    atomic_store(&standin.engine->openpgp, DNS_SECURE_DATA);
    atomic_store(&standin.engine->smime, DNS_SECURE_NXDOMAIN);
    standin_open(&standin, 64);
    options.socket = standin.socket;
    ck_assert_int_eq(mxw_open(&mxw, &options), MXW_OK);
}

static void tear_down(void)
{
    struct table_writer *table = standin.engine->table, *accounts = standin.engine->users;

    const uint64_t began_ms = clock_boot_ms();

    mxw_close(mxw);
    standin_close(&standin);
    /* Else something did not come home, and was waited for until the end. */
    ck_assert_uint_lt(clock_boot_ms() - began_ms, LIMIT_SERVE_STOP_MS);
    table_writer_close(table);
    table_writer_close(accounts);
    scratch_remove(&scratch);
    scratch_remove(&users);
}

/* --- asking --- */

static struct mxw_message message_to(const char *recipient, bool want_keys)
{
    struct mxw_message message = MXW_MESSAGE_INIT;

    message.sender = "anna@example.org";
    message.recipient = recipient;
    message.want_keys = want_keys;
    return message;
}

static struct mxw_decision decided(const char *recipient, bool want_keys, enum mxw_action action)
{
    const struct mxw_message message = message_to(recipient, want_keys);
    struct mxw_decision decision;

    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, WAIT_MS), MXW_OK);
    ck_assert_msg(decision.action == (int)action, "%s: %s %s", recipient, decision.action_name,
                  decision.text);
    return decision;
}

static void expect_keys(const struct mxw_decision *decision, const char *openpgp, const char *smime)
{
    ck_assert_str_eq(decision->openpgp_name, openpgp);
    ck_assert_str_eq(decision->smime_name, smime);
}

static unsigned keys_asked(void)
{
    return atomic_load(&standin.engine->keys_asked);
}

static void wait_until_keys_kept(unsigned count)
{
    for (int i = 0; i < WAIT_MS && atomic_load(&standin.engine->keys_kept) != count; i++)
        usleep(1000);
    ck_assert_uint_eq(atomic_load(&standin.engine->keys_kept), count);
}

/* --- when --- */

START_TEST(keys_are_looked_up_on_request_whatever_the_answer_is_DANE_43)
{
    struct mxw_decision decision = decided("hugh@encrypted.example", true, MXW_SEND);

    expect_keys(&decision, "present", "none");
    ck_assert(!decision.from_table); /* the engine was asked */
    decision = decided("hugh@TLS.example", true, MXW_SEND);
    expect_keys(&decision, "present", "none");
    ck_assert(decision.from_table);
    ck_assert_ptr_null(strstr(decision.text, "publishes"));
    ck_assert_uint_eq(keys_asked(), 4); /* acquires the names that the stand-in released with it */
    ck_assert_str_eq(standin.engine->key_names[0], HUGH "._openpgpkey.tls.example");
    ck_assert_str_eq(standin.engine->key_names[1], HUGH "._smimecert.tls.example");
}
END_TEST

START_TEST(without_a_request_they_are_looked_up_for_what_is_not_sent_for_want_of_security_S14)
{
    struct mxw_decision decision = decided("hugh@tls.example", false, MXW_SEND);

    expect_keys(&decision, "not-asked", "not-asked");
    ck_assert_uint_eq(keys_asked(), 0);
    for (int cold = 0; cold < 2; cold++) {
        decision = decided(cold ? "hugh@none.example" : "hugh@clear.example", false, MXW_STOP);
        expect_keys(&decision, "present", "none");
        ck_assert_ptr_nonnull(strstr(decision.text, "; the recipient publishes an OpenPGP key"));
    }
    ck_assert_uint_eq(keys_asked(), 4);
    decision = decided("hugh@null.example", false, MXW_STOP); /* takes no mail at all */
    expect_keys(&decision, "not-asked", "not-asked");
    ck_assert_uint_eq(keys_asked(), 4);
}
END_TEST

START_TEST(a_recipient_that_is_only_a_domain_has_no_keys)
{
    struct mxw_decision decision = decided("tls.example", true, MXW_SEND);

    expect_keys(&decision, "not-asked", "not-asked");
    decision = decided("clear.example", true, MXW_STOP);
    expect_keys(&decision, "not-asked", "not-asked");
    ck_assert_uint_eq(keys_asked(), 0);
}
END_TEST

START_TEST(only_what_is_secure_is_told_and_nothing_else_changes_DANE_44)
{
    static const struct {
        enum dns_kind kind;
        const char *name;
    } rows[] = {
        {DNS_ERROR, "unknown"},          {DNS_BOGUS, "unknown"},      {DNS_INSECURE_DATA, "none"},
        {DNS_INSECURE_NXDOMAIN, "none"}, {DNS_SECURE_NODATA, "none"}, {DNS_SECURE_DATA, "present"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mxw_decision decision;
        const bool present = strcmp(rows[i].name, "present") == 0;

        atomic_store(&standin.engine->openpgp, DNS_SECURE_NODATA);
        atomic_store(&standin.engine->smime, (int)rows[i].kind);
        decision = decided("hugh@clear.example", false, MXW_STOP);
        expect_keys(&decision, "none", rows[i].name);
        ck_assert_str_eq(decision.code, "5.7.4");
        ck_assert_str_eq(decision.source_name, "profile");
        ck_assert_int_eq(strstr(decision.text, "an S/MIME certificate") != NULL, present);
        decision = decided("hugh@tls.example", true, MXW_SEND);
        expect_keys(&decision, "none", rows[i].name);
    }
}
END_TEST

START_TEST(the_derivation_shows_them)
{
    const struct mxw_message message = message_to("hugh@none.example", false);
    const char *text;
    size_t length;

    ck_assert_int_eq(mxw_explain_message(mxw, &message, &text, &length, WAIT_MS), MXW_OK);
    ck_assert_ptr_nonnull(strstr(text, "\"openpgp\":\"present\",\"smime\":\"none\""));
    ck_assert_ptr_nonnull(strstr(text, "; the recipient publishes an OpenPGP key"));
}
END_TEST

/* --- how long --- */

START_TEST(an_answer_waits_no_longer_than_its_bound_and_says_the_same_DANE_44)
{
    uint64_t began_ms;
    struct mxw_decision decision;

    atomic_store(&standin.engine->hold_keys, true);
    for (int cold = 0; cold < 2; cold++) {
        began_ms = clock_boot_ms();
        decision = decided(cold ? "hugh@none.example" : "hugh@clear.example", false, MXW_STOP);
        expect_keys(&decision, "unknown", "unknown");
        ck_assert_uint_ge(clock_boot_ms() - began_ms, LIMIT_KEY_LOOK_UP_MS);
        ck_assert_uint_lt(clock_boot_ms() - began_ms, LIMIT_KEY_LOOK_UP_MS + 1500);
    }
    wait_until_keys_kept(4); /* they come home to nobody */
    atomic_store(&standin.engine->hold_keys, false);
    wait_until_keys_kept(0);
    decision = decided("hugh@clear.example", false, MXW_STOP);
    expect_keys(&decision, "present", "none");
}
END_TEST

START_TEST(a_deadline_of_the_request_is_shorter_still)
{
    struct mxw_message message = message_to("hugh@clear.example", true);
    struct mxw_decision decision;
    uint64_t began_ms = clock_boot_ms();

    message.deadline_ms = 100;
    atomic_store(&standin.engine->hold_keys, true);
    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, WAIT_MS), MXW_OK);
    ck_assert_int_eq(decision.action, MXW_STOP);
    expect_keys(&decision, "unknown", "unknown");
    ck_assert_uint_lt(clock_boot_ms() - began_ms, LIMIT_KEY_LOOK_UP_MS);
}
END_TEST

START_TEST(keys_that_come_first_wait_for_the_verdict)
{
    const struct mxw_message message = message_to("hugh@hold.example", true);
    struct mxw_result result = {.size = sizeof result};
    uint64_t id;

    atomic_store(&standin.engine->hold, true);
    ck_assert_int_eq(mxw_send_message(mxw, &message, &id), MXW_OK);
    ck_assert_int_eq(mxw_flush(mxw), MXW_OK);
    for (int i = 0; i < WAIT_MS && keys_asked() < 2; i++)
        usleep(1000);
    wait_until_keys_kept(0);
    ck_assert_int_eq(mxw_receive(mxw, &result, 50), MXW_TIMEOUT);
    atomic_store(&standin.engine->hold, false);
    ck_assert_int_eq(mxw_receive(mxw, &result, WAIT_MS), MXW_OK);
    ck_assert_uint_eq(result.id, id);
    expect_keys(&result.decision, "present", "none");
}
END_TEST

START_TEST(nobody_waits_for_the_keys_of_another)
{
    const struct mxw_message message = message_to("hugh@clear.example", true);
    struct mxw_result result = {.size = sizeof result};
    uint64_t id, other;
    struct mxw_message plain = message_to("hugh@tls.example", false);

    atomic_store(&standin.engine->hold_keys, true);
    ck_assert_int_eq(mxw_send_message(mxw, &message, &id), MXW_OK);
    ck_assert_int_eq(mxw_send_message(mxw, &plain, &other), MXW_OK);
    ck_assert_int_eq(mxw_receive(mxw, &result, WAIT_MS), MXW_OK);
    ck_assert_uint_eq(result.id, other);
    atomic_store(&standin.engine->hold_keys, false);
    ck_assert_int_eq(mxw_receive(mxw, &result, WAIT_MS), MXW_OK);
    ck_assert_uint_eq(result.id, id);
    expect_keys(&result.decision, "present", "none");
}
END_TEST

/* More than there are slots for: those without one say "unknown", and all are answered. */
START_TEST(look_ups_are_bounded_and_every_message_is_answered)
{
    const unsigned count = LIMIT_FRONT_KEYS + 200;
    const struct mxw_message message = message_to("hugh@clear.example", true);
    struct mxw_result result = {.size = sizeof result};
    struct mxw *many[8];
    unsigned unknown = 0, present = 0;
    uint64_t id;

    atomic_store(&standin.engine->hold_keys, true);
    for (unsigned m = 0; m < 8; m++) {
        struct mxw_options options = MXW_OPTIONS_INIT;

        options.socket = standin.socket;
        ck_assert_int_eq(mxw_open(&many[m], &options), MXW_OK);
        for (unsigned i = 0; i < count / 8; i++)
            ck_assert_int_eq(mxw_send_message(many[m], &message, &id), MXW_OK);
        ck_assert_int_eq(mxw_flush(many[m]), MXW_OK);
    }
    for (int i = 0; i < WAIT_MS && keys_asked() < 2 * LIMIT_FRONT_KEYS; i++)
        usleep(1000);
    atomic_store(&standin.engine->hold_keys, false);
    for (unsigned m = 0; m < 8; m++) {
        for (unsigned i = 0; i < count / 8; i++) {
            ck_assert_int_eq(mxw_receive(many[m], &result, WAIT_MS), MXW_OK);
            ck_assert_int_eq(result.decision.action, MXW_STOP);
            unknown += result.decision.openpgp == MXW_KEY_UNKNOWN;
            present += result.decision.openpgp == MXW_KEY_PRESENT;
        }
        mxw_close(many[m]);
    }
    ck_assert_uint_eq(unknown + present, count);
    ck_assert_uint_ge(unknown, 1);
    ck_assert_uint_ge(present, 1);
}
END_TEST

START_TEST(a_client_may_vanish_while_keys_are_looked_up)
{
    struct mxw_message message = message_to("hugh@clear.example", true);
    struct mxw_decision decision;
    uint64_t id;

    atomic_store(&standin.engine->hold_keys, true);
    ck_assert_int_eq(mxw_send_message(mxw, &message, &id), MXW_OK);
    ck_assert_int_eq(mxw_flush(mxw), MXW_OK);
    wait_until_keys_kept(2);
    mxw_disconnect(mxw);
    atomic_store(&standin.engine->hold_keys, false);
    wait_until_keys_kept(0);
    decision = decided("hugh@clear.example", true, MXW_STOP);
    expect_keys(&decision, "present", "none");
}
END_TEST

/* --- besides keys: what else the front looks up for a message --- */

START_TEST(a_refusal_of_the_recipients_domain_holds_on_every_way_PIT_14)
{
    const struct floor refused = {.rule = RULE_REFUSE};
    struct mxw_message message = message_to("carl@refused.example", false);
    struct mxw_decision decision;
    struct table_key key;

    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(standin.engine->table, (uint16_t)partition, true);
    message.next_hop = "tls.example";
    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, WAIT_MS), MXW_OK);
    ck_assert_int_eq(decision.action, MXW_SEND);
    ck_assert(table_key_make(&key, "refused.example", strlen("refused.example")));
    ck_assert_int_eq(table_writer_put_floor(standin.engine->table, &key, &refused), 0);
    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, WAIT_MS), MXW_OK);
    ck_assert_int_eq(decision.action, MXW_STOP);
    ck_assert_str_eq(decision.code, "5.7.1");
}
END_TEST

static void decided_late(const char *recipient, const char *profile, enum mxw_action action,
                         const char *text)
{
    struct mxw_message message = message_to(recipient, false);
    struct mxw_decision decision;

    message.profile = profile;
    message.deadline_ms = 50;
    ck_assert_int_eq(mxw_decide(mxw, &message, &decision, WAIT_MS), MXW_OK);
    ck_assert_msg(decision.action == (int)action && strstr(decision.text, text) != NULL,
                  "%s of %s: %s %s", recipient, profile, decision.action_name, decision.text);
}

/* The table is not known to hold all of the ledger, and the engine is late, or fails. */
START_TEST(what_the_table_may_not_hold_is_not_taken_for_nothing_remembered_MEM_08)
{
    atomic_store(&standin.engine->hold, true);
    decided_late("carl@hold.example", "posteo", MXW_DEFER, "could not be read in time");
    decided_late("carl@hold.example", "nothing", MXW_SEND, "may be remembered");
    decided_late("carl@ours.example", "posteo", MXW_SEND, "enforced at the delivery");
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(standin.engine->table, (uint16_t)partition, true);
    decided_late("carl@hold.example", "posteo", MXW_DEFER, "mail hosts are not known yet");
    decided_late("carl@hold.example", "nothing", MXW_SEND, "does by itself");
}
END_TEST

START_TEST(stopping_waits_for_look_ups_under_way)
{
    const struct mxw_message message = message_to("hugh@clear.example", true);
    uint64_t id;

    atomic_store(&standin.engine->hold_keys, true);
    ck_assert_int_eq(mxw_send_message(mxw, &message, &id), MXW_OK);
    ck_assert_int_eq(mxw_flush(mxw), MXW_OK);
    wait_until_keys_kept(2); /* the rest is tear_down's: what comes home finds its slot */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keys through the front");
    TCase *tests = tcase_create("keys");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, keys_are_looked_up_on_request_whatever_the_answer_is_DANE_43);
    tcase_add_test(
        tests, without_a_request_they_are_looked_up_for_what_is_not_sent_for_want_of_security_S14);
    tcase_add_test(tests, a_recipient_that_is_only_a_domain_has_no_keys);
    tcase_add_test(tests, only_what_is_secure_is_told_and_nothing_else_changes_DANE_44);
    tcase_add_test(tests, the_derivation_shows_them);
    tcase_add_test(tests, an_answer_waits_no_longer_than_its_bound_and_says_the_same_DANE_44);
    tcase_add_test(tests, a_deadline_of_the_request_is_shorter_still);
    tcase_add_test(tests, keys_that_come_first_wait_for_the_verdict);
    tcase_add_test(tests, nobody_waits_for_the_keys_of_another);
    tcase_add_test(tests, look_ups_are_bounded_and_every_message_is_answered);
    tcase_add_test(tests, a_client_may_vanish_while_keys_are_looked_up);
    tcase_add_test(tests, a_refusal_of_the_recipients_domain_holds_on_every_way_PIT_14);
    tcase_add_test(tests, what_the_table_may_not_hold_is_not_taken_for_nothing_remembered_MEM_08);
    tcase_add_test(tests, stopping_waits_for_look_ups_under_way);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
