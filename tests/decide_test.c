/*
 * decide_test.c - from a request to whose demand counts and how fresh the evidence must be (S1, S3,
 * S13), on a real users' table. What the demands then lead to is answer_table_test's.
 */
#include "ipc/serve/outcome.h"
#include "tests/table_support.h"

#include <check.h>

#define NOW_MS 1000000
#define NOW_S  1800000000

static struct scratch scratch;
static struct table_writer *writer;
static struct table_reader *users;

/* --- a users' table --- */

static void put(bool packed, union record *record, const struct table_key *key)
{
    ck_assert(packed);
    ck_assert_int_eq(table_writer_put_record(writer, key, record), 0);
}

static void put_account(const char *name, const struct account *account)
{
    union record record;
    struct table_key key;

    put(account_pack(&record, &key, name, account, NOW_MS), &record, &key);
}

static void put_alias(const char *name)
{
    const struct account_alias alias = {.sends = true, .receives = true};
    union record record;
    struct table_key key;

    put(account_alias_pack(&record, &key, name, &alias, NOW_MS), &record, &key);
}

static void put_profile(const char *name, uint32_t window_ms)
{
    struct profile profile = {
        .minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP, .window_ms = window_ms};
    union record record;
    struct table_key key;

    snprintf(profile.name, sizeof profile.name, "%s", name);
    put(account_profile_pack(&record, &key, &profile, NOW_MS), &record, &key);
}

static void put_settings_with(const char *standard, bool observe, bool aliases_known)
{
    struct account_settings settings = {.observe = observe,
                                        .aliases_known = aliases_known,
                                        .delimiter = "+",
                                        .alias_profile = "alias"};
    union record record;
    struct table_key key;

    snprintf(settings.standard, sizeof settings.standard, "%s", standard);
    put(account_settings_pack(&record, &key, &settings, NOW_MS), &record, &key);
}

static void put_settings(const char *standard, bool observe)
{
    put_settings_with(standard, observe, false);
}

static void complete(bool is)
{
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(writer, (uint16_t)partition, is);
}

static void set_up(void)
{
    struct table_opened opened;

    scratch = scratch_make();
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, &opened);
    put_settings("standard", false);
    put_profile("standard", 3600000);
    put_profile("posteo", 0);
    put_profile("alias", 60000);
    put_account("anna@example.org", &(struct account){.flags = ACCOUNT_ON, .profile = "posteo"});
    put_account("bert@example.org", &(struct account){0});
    put_alias("@secure.example.org");
    put_account("anna@xn--bcher-kva.example",
                &(struct account){.flags = ACCOUNT_ON, .profile = "posteo"});
    put_account("anna@secure.example.org",
                &(struct account){.flags = ACCOUNT_ON, .profile = "posteo"});
    complete(true);
    users = scratch_reader(&scratch);
}

static void tear_down(void)
{
    table_reader_close(users);
    table_writer_close(writer);
    scratch_remove(&scratch);
}

/* --- questions --- */

static struct frame_decide request(const char *sender, const char *sasl)
{
    struct frame_decide asked = {.recipient = "carl@example.com"};

    snprintf(asked.sender, sizeof asked.sender, "%s", sender);
    snprintf(asked.sasl, sizeof asked.sasl, "%s", sasl);
    return asked;
}

static enum frame_error begin(struct decision *decision, const struct frame_decide *asked)
{
    const char *why = NULL;
    const enum frame_error error =
        decide_begin(decision, asked, users, NOW_MS, NOW_MS, NOW_S, &why);

    ck_assert((error != FRAME_ERROR_NONE) == (why != NULL));
    return error;
}

START_TEST(the_account_then_the_login_name_then_the_standard_says_what_is_demanded)
{
    static const struct {
        const char *sender, *sasl, *profile, *alias;
    } rows[] = {
        {"anna@example.org", "", "posteo", NULL},
        {"Anna+shop@EXAMPLE.org.", "", "posteo", NULL},
        {"bert@example.org", "", NULL, NULL},                     /* is off */
        {"else@example.org", "anna@example.org", "posteo", NULL}, /* by the login name */
        {"else@example.org", "", "standard", NULL},               /* in no record */
        {"<>", "", NULL, NULL},                                   /* nobody's */
        {"", "", NULL, NULL},                                     /* the same */
        {"<>", "anna@example.org", "posteo", NULL},               /* who is logged in stays bound */
        {"bert@secure.example.org", "bert@example.org", NULL, "alias"},
        {"bert@secure.example.org", "anna@example.org", "posteo", "alias"},
        {"anna@b\xc3\xbc"
         "cher.example",
         "", "posteo", NULL}, /* NAME-03 */
        {"anna@B\xc3\x9c"
         "CHER.example",
         "", "posteo", NULL},
        {"anna@\xff\xfe.example", "", "standard", NULL}, /* no domain at all */
        {"anna@\xff\xfe.example", "anna@example.org", "posteo", NULL},
        {"anna@example.org@\xff", "", "standard", NULL}, /* not cut down to another's */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct frame_decide asked = request(rows[i].sender, rows[i].sasl);
        struct decision decision;

        ck_assert_msg(begin(&decision, &asked) == FRAME_ERROR_NONE, "row %zu", i);
        ck_assert_msg(decision.has_profile == (rows[i].profile != NULL), "row %zu", i);
        ck_assert_msg(decision.has_alias == (rows[i].alias != NULL), "row %zu", i);
        if (decision.has_profile)
            ck_assert_str_eq(decision.profile.name, rows[i].profile);
        if (decision.has_alias)
            ck_assert_str_eq(decision.alias.name, rows[i].alias);
    }
}
END_TEST

START_TEST(what_cannot_be_known_of_the_sender_is_temporary_and_never_no_demand)
{
    const struct frame_decide somebody = request("else@example.org", "");
    const struct frame_decide anna = request("anna@example.org", "");
    struct decision decision;
    const char *why;

    ck_assert_int_eq(decide_begin(&decision, &anna, NULL, NOW_MS, NOW_MS, NOW_S, &why),
                     FRAME_ERROR_OURS);
    complete(false);
    ck_assert_int_eq(begin(&decision, &somebody), FRAME_ERROR_OURS);
    /* Her account is there, but a secure alias of her domain may be missing. */
    ck_assert_int_eq(begin(&decision, &anna), FRAME_ERROR_OURS);
    complete(true);
    ck_assert_int_eq(begin(&decision, &somebody), FRAME_ERROR_NONE);
    put_account("dora@example.org", &(struct account){.flags = ACCOUNT_ON, .profile = "gone"});
    const struct frame_decide dora = request("dora@example.org", "");
    ck_assert_int_eq(begin(&decision, &dora), FRAME_ERROR_OURS); /* its profile is not there */
}
END_TEST

/* An administrator's mistake: to ask again helps only when it is mended, and who asks is told. */
START_TEST(a_profile_that_is_not_configured_is_said_and_temporary)
{
    const struct frame_decide dora = request("dora@example.org", "");
    struct frame_decide emil = request("anna@example.org", "emil@example.org");
    struct decision decision;
    const char *why = "";

    put_account("dora@example.org", &(struct account){.flags = ACCOUNT_ON, .profile = "gone"});
    put_account("emil@example.org",
                &(struct account){
                    .flags = ACCOUNT_ON, .profile = "posteo", .before = "gone", .before_s = NOW_S});
    ck_assert_int_eq(decide_begin(&decision, &dora, users, NOW_MS, NOW_MS, NOW_S, &why),
                     FRAME_ERROR_OURS);
    ck_assert_ptr_nonnull(strstr(why, "profile is not configured"));
    emil.accepted_s = NOW_S - 60;
    ck_assert_int_eq(decide_begin(&decision, &emil, users, NOW_MS, NOW_MS, NOW_S, &why),
                     FRAME_ERROR_OURS);
    ck_assert_ptr_nonnull(strstr(why, "profile is not configured"));
    complete(false); /* then it may only not be there yet */
    ck_assert_int_eq(decide_begin(&decision, &dora, users, NOW_MS, NOW_MS, NOW_S, &why),
                     FRAME_ERROR_OURS);
    ck_assert_ptr_null(strstr(why, "configured"));
}
END_TEST

START_TEST(a_profile_that_the_mta_names_holds_whoever_sends)
{
    struct frame_decide asked = request("bert@example.org", "");
    struct decision decision;

    snprintf(asked.profile, sizeof asked.profile, "posteo");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert(decision.has_profile);
    ck_assert_str_eq(decision.profile.name, "posteo");
    snprintf(asked.profile, sizeof asked.profile, "nonesuch");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NAME);
    complete(false); /* then it may only not be there yet */
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_OURS);
}
END_TEST

START_TEST(the_profile_says_how_fresh_unless_the_request_does)
{
    struct frame_decide asked = request("anna@example.org", "");
    struct decision decision;

    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_uint_eq(decision.not_before_ms, NOW_MS); /* a live look for every message (S3) */
    asked = request("bert@secure.example.org", "bert@example.org");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_uint_eq(decision.not_before_ms, NOW_MS - 60000); /* of the alias */
    asked = request("bert@secure.example.org", "anna@example.org");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_uint_eq(decision.not_before_ms, NOW_MS); /* the more impatient */
    asked = request("bert@example.org", "");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_uint_eq(decision.not_before_ms, 0); /* nobody is impatient */
    asked = request("else@example.org", "");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_uint_eq(decision.not_before_ms, 1); /* a window longer than the machine is up */
    asked.own_freshness = 1;
    asked.freshness = FRESHNESS_MAX_AGE;
    asked.max_age_ms = 10;
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_uint_eq(decision.not_before_ms, NOW_MS - 10);
}
END_TEST

START_TEST(the_next_hop_of_the_mta_is_looked_at_and_the_recipient_stays_the_recipient)
{
    struct frame_decide asked = request("anna@example.org", "");
    struct decision decision;

    snprintf(asked.next_hop, sizeof asked.next_hop, "[relay.example.net]:587");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_int_eq(decision.next_hop.kind, NEXT_HOP_HOST);
    ck_assert_uint_eq(decision.next_hop.port, 587);
    ck_assert_str_eq(decision.domain, "example.com");
    snprintf(asked.next_hop, sizeof asked.next_hop, "a..b");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NAME);
    asked.next_hop[0] = '\0';
    snprintf(asked.recipient, sizeof asked.recipient, "carl@-bad-");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NAME);
    snprintf(asked.recipient, sizeof asked.recipient, "carl@[192.0.2.1]");
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_str_eq(decision.domain, "");
}
END_TEST

START_TEST(the_null_sender_is_a_fact_of_the_envelope_MSG_01)
{
    struct frame_decide asked = request("<>", "anna@example.org");
    struct decision decision;

    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_uint_eq(decision.facts, FACT_NULL_SENDER);
    asked = request("", "anna@example.org"); /* not told is not null */
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    ck_assert_uint_eq(decision.facts, 0);
}
END_TEST

/* --- replies --- */

static struct frame_answer reply_of(const struct verdict *verdict, uint32_t facts, bool observe)
{
    struct decision decision = {.domain = "example.com",
                                .has_profile = true,
                                .profile = {.minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP},
                                .observe = observe,
                                .facts = facts,
                                .now_s = NOW_S};
    struct frame_answer reply;
    struct answer answer;

    decide_answer(&answer, &decision, verdict, false, NOW_MS);
    decide_reply(&reply, &decision, &answer, verdict, NOW_MS);
    return reply;
}

START_TEST(reply_codes_are_those_of_the_standards_and_agree_CODE_01_CODE_09_CODE_12_RTLS_04)
{
    static const struct {
        enum conclusion conclusion;
        enum cause cause;
        uint32_t facts;
        uint16_t smtp_code;
        const char *code;
    } rows[] = {
        {CONCLUSION_DEFINITE, CAUSE_NO_STARTTLS, 0, 550, "5.7.4"},
        {CONCLUSION_DEFINITE, CAUSE_NO_STARTTLS, FACT_NULL_SENDER, 451, "4.7.4"},
        {CONCLUSION_DEFINITE, CAUSE_NO_STARTTLS, FACT_REQUIRETLS, 550, "5.7.30"},
        {CONCLUSION_TEMPORARY, CAUSE_MX_TROUBLE, 0, 451, "4.4.3"},
        {CONCLUSION_UNDELIVERABLE, CAUSE_NULL_MX, 0, 556, "5.1.10"}, /* RFC 7505 */
        {CONCLUSION_UNDELIVERABLE, CAUSE_NULL_MX, FACT_NULL_SENDER, 451, "4.1.10"},
        {CONCLUSION_UNDELIVERABLE, CAUSE_NO_DOMAIN, 0, 550, "5.1.2"},
        {CONCLUSION_INCONCLUSIVE, CAUSE_UNREACHABLE, 0, 250, "2.0.0"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct verdict verdict = {.conclusion = rows[i].conclusion,
                                        .cause = rows[i].cause,
                                        .host = "mx.example.com",
                                        .began_ms = NOW_MS - 1,
                                        .valid_until_ms = NOW_MS + 1};
        struct frame_answer reply = reply_of(&verdict, rows[i].facts, false);

        ck_assert_msg(reply.smtp_code == rows[i].smtp_code && strcmp(reply.code, rows[i].code) == 0,
                      "row %zu: %u %s", i, reply.smtp_code, reply.code);
        reply = reply_of(&verdict, rows[i].facts, true); /* observed: both say that it goes */
        ck_assert_uint_eq(reply.smtp_code, 250);
        ck_assert_str_eq(reply.code, "2.0.0");
        ck_assert_int_eq(reply.action, ACTION_SEND);
        ck_assert_int_eq(reply.would, rows[i].smtp_code == 250   ? ACTION_SEND
                                      : rows[i].smtp_code == 451 ? ACTION_DEFER
                                                                 : ACTION_STOP);
    }
}
END_TEST

/* --- the derivation --- */

static void derivation_says(const char *document, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(strstr(document, words[i]) != NULL, "not there: %s\n%s", words[i], document);
}

START_TEST(the_derivation_has_every_demand_the_evidence_the_row_and_what_would_change_it)
{
    static const char *const words[] = {
        "\"action\":\"stop\"",
        "\"smtp_code\":550,\"code\":\"5.7.4\",\"would_code\":\"5.7.4\"",
        "\"decided_by\":\"profile\"",
        /* what the mail server is told, what that does, and what it costs */
        "\"row\":\"encryption\"",
        "\"with_tlsa\":\"TLS 1.2 or later, whoever answers\"",
        "\"without_tlsa\":\"TLS 1.2 or later, whoever answers\"",
        "\"price\":\"hosts without TLS 1.2 get nothing\"",
        /* who asks */
        "\"by\":\"sender\"",
        "\"facts\":[\"authenticated\",\"auto-submitted\"]",
        /* every demand, and what became of it */
        ("{\"source\":\"memory\",\"level\":\"encrypt\",\"when_unmet\":\"hold\","
         "\"met\":false,\"failed\":true,\"decides\":false,\"left_out\":\"rule\"}"),
        ("{\"source\":\"profile\",\"level\":\"encrypt\",\"when_unmet\":\"stop\","
         "\"met\":false,\"failed\":true,\"decides\":true,\"left_out\":null}"),
        /* on what evidence */
        "\"conclusion\":\"definite\"",
        "\"valid_for_ms\":1000",
        "\"proof\":\"handshakes\"",
        "\"rule\":\"exempt\"",
        "\"would_change\":\"It would go if at least \\\"encrypt\\\" were seen there",
    };
    const struct verdict verdict = {
        .conclusion = CONCLUSION_DEFINITE,
        .cause = CAUSE_NO_STARTTLS,
        .host = "mx.example.com",
        .began_ms = NOW_MS - 1,
        .valid_until_ms = NOW_MS + 1000,
        .floor = {.level = LEVEL_ENCRYPT, .proof = PROOF_HANDSHAKES, .rule = RULE_EXEMPT}};
    struct frame_decide asked = request("anna@example.org", "");
    struct decision decision;
    struct answer answer;
    char document[16384];

    asked.facts = FACT_AUTHENTICATED | FACT_AUTO_SUBMITTED;
    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    decision.has_recipient_floor = true;
    decision.recipient_floor = (struct floor){.rule = RULE_PIN, .rule_level = LEVEL_ENCRYPT};
    decide_answer(&answer, &decision, &verdict, false, NOW_MS);
    decide_explain(document, sizeof document, &decision, &answer, &verdict, false, NOW_MS);
    derivation_says(document, words, sizeof words / sizeof *words);
    /* Of the recipient's domain, where it is sent elsewhere. */
    ck_assert_ptr_nonnull(strstr(document, "\"recipient_rule\":\"pin\""));
}
END_TEST

/* A line for what was stopped or held, or would have been, by whom it was, and for nothing else. */
START_TEST(the_report_says_whose_demand_stopped_it)
{
    struct verdict verdict = {.conclusion = CONCLUSION_DEFINITE,
                              .cause = CAUSE_NO_STARTTLS,
                              .began_ms = NOW_MS - 1,
                              .valid_until_ms = NOW_MS + 1000,
                              .floor = {.level = LEVEL_AUTHENTICATED, .proof = PROOF_DANE}};
    const struct frame_decide asked = request("anna@example.org", "");
    struct store_report report;
    struct decision decision;
    struct answer answer;

    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    decide_answer(&answer, &decision, &verdict, false, NOW_MS);
    ck_assert(decide_report(&report, &decision, &answer, &verdict));
    ck_assert_int_eq(report.action, ACTION_STOP);
    ck_assert_int_eq(answer.source, DEMAND_MEMORY); /* demands more, and would only hold it */
    ck_assert_int_eq(report.source, DEMAND_PROFILE);
    ck_assert_int_eq(report.cause, CAUSE_NO_STARTTLS);
    ck_assert_str_eq(report.domain, "example.com");
    ck_assert_uint_eq(report.count, 1);
    ck_assert(!report.observed);
    decision.observe = true;
    decide_answer(&answer, &decision, &verdict, false, NOW_MS);
    ck_assert(decide_report(&report, &decision, &answer, &verdict));
    ck_assert(report.action == ACTION_STOP && report.observed);
    verdict.conclusion = CONCLUSION_TEMPORARY;
    decide_answer(&answer, &decision, &verdict, false, NOW_MS);
    ck_assert(decide_report(&report, &decision, &answer, &verdict));
    ck_assert_int_eq(report.source, DEMAND_NOBODY);
    verdict = (struct verdict){.conclusion = CONCLUSION_INCONCLUSIVE, .hosts = 1};
    decide_answer(&answer, &decision, &verdict, false, NOW_MS);
    ck_assert(!decide_report(&report, &decision, &answer, &verdict));
}
END_TEST

START_TEST(the_next_hops_own_name_outlives_what_its_records_say_DEC_08)
{
    const struct verdict verdict = {.flags = VERDICT_MX_SECURE,
                                    .began_ms = NOW_MS - 2,
                                    .valid_until_ms = NOW_MS - 1,
                                    .match = "mx.example.net:example.com"};
    struct frame_decide asked = request("anna@example.org", "");
    struct decision decision;
    struct answer answer;

    ck_assert_int_eq(begin(&decision, &asked), FRAME_ERROR_NONE);
    decision.has_profile = true;
    decision.profile = (struct profile){.minimum = LEVEL_VERIFIED};
    decide_answer(&answer, &decision, &verdict, false, NOW_MS);
    ck_assert_str_eq(answer.policy.text,
                     "secure match=example.com protocols=>=TLSv1.2 servername=hostname");
}
END_TEST

START_TEST(a_secure_alias_takes_mail_over_encrypted_connections_only)
{
    static const char *const hops[] = {"10.1.0.0/16"};
    static const struct {
        const char *recipient, *client;
        uint16_t tls, code;
    } rows[] = {
        {"anna@example.org", "192.0.2.1", 0, 250}, /* not an alias */
        {"bert@secure.example.org", "192.0.2.1", 0, 530},
        {"bert@secure.example.org", "192.0.2.1", 0x0301, 550},
        {"bert@secure.example.org", "192.0.2.1", 0x0303, 250},
        {"bert@secure.example.org", "192.0.2.1", 0x0304, 250},
        {"bert@secure.example.org", "10.1.2.3", 0, 250},
        {"bert@secure.example.org", "10.2.2.3", 0, 530},
        {"bert@secure.example.org", "", 0, 530},
        {"bert@secure.example.org", "unknown", 0, 530},
        {"bert@SECURE.example.org.", "192.0.2.1", 0, 530},
    };
    const struct option_list list = {.texts = (char **)hops, .count = 1};
    struct places *trusted;
    char why[200];

    ck_assert_int_eq(places_create(&trusted, &list, "hops", why, sizeof why), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct frame_decide asked = {.inbound = 1, .client_tls = rows[i].tls};
        struct frame_answer reply;
        const char *sentence = NULL;

        snprintf(asked.recipient, sizeof asked.recipient, "%s", rows[i].recipient);
        snprintf(asked.client_address, sizeof asked.client_address, "%s", rows[i].client);
        ck_assert_int_eq(decide_inbound(&reply, &asked, users, trusted, NOW_MS, &sentence), 0);
        ck_assert_msg(reply.smtp_code == rows[i].code, "row %zu: %u", i, reply.smtp_code);
        ck_assert_msg((reply.action == ACTION_SEND) == (rows[i].code == 250), "row %zu", i);
    }
    places_destroy(trusted);
}
END_TEST

/* Whatever a mail server makes of them, and nothing else. bert@secure.example.org is an alias. */
START_TEST(an_address_that_is_unwound_is_refused_only_if_it_may_be_an_alias_S13)
{
    static const struct {
        const char *recipient;
        uint16_t code;
    } rows[] = {
        {"bert%secure.example.org@example.org", 530},
        {"bert+x%secure.example.org@example.org", 530},
        {"secure.example.org!bert@example.org", 530},
        {"bert@secure.example.org@example.org", 530},
        {"@a.example,@b.example:bert@secure.example.org", 530},
        {"@a.example:bert%secure.example.org@example.org", 530},
        {"bert%secure.example.org%example.net@example.org", 530},
        {"example.net!secure.example.org!bert@example.org", 530},
        {"secure.example.org!bert%example.net@example.org", 530},
        {"example.net!bert%secure.example.org@example.org", 530},
        {"\"bert%secure.example.org\"@example.org", 530},
        {"\"bert@secure.example.org\"@example.org", 530},
        {"\"bert\"%secure.example.org@example.org", 530},
        {"\"bert\\@secure.example.org\"@example.org", 530},
        {"bert%secure.example.org", 530}, /* not even a domain */
        {"secure.example.org!bert", 530},
        {"anna%example.net@secure.example.org", 530}, /* as it is written */
        {"a%b@example.org", 250},
        {"a!b@example.org", 250},
        {"a%b%c!d@example.org", 250},
        {"\"a@b\"@example.org", 250},
        {"@a.example:anna@example.org", 250},
        {"bert%example.net@example.org", 250},
        {"secure.example.org!anna!example.net@example.org", 530}, /* the whole domain is one */
        {"example.net!anna!secure.example.org@example.org", 250},
        {"a%%b!!c@@example.org", 250},
        {"a%b%c%d%e%f%g%h%i%j%k%l%m%n%o%p%q%r%s%t%u@example.org", 250},
        {"bert%secure.example.org%b%c%d%e%f%g%h%i%j%k%l%m%n%o%p%q%r%s%t%u@example.org", 530},
        {"%@example.org", 250},
        {"!", 250},
        {"@", 250},
        {"", 250},
        /* longer than is looked at */
        {"a%b!c%d!e%f!g%h!i%j!k%l!m%n@example.org", 530},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct frame_decide asked = {.inbound = 1};
        struct frame_answer reply;
        const char *why = NULL;

        snprintf(asked.recipient, sizeof asked.recipient, "%s", rows[i].recipient);
        ck_assert_int_eq(decide_inbound(&reply, &asked, users, NULL, NOW_MS, &why), 0);
        ck_assert_msg(reply.smtp_code == rows[i].code, "%s: %u", rows[i].recipient,
                      reply.smtp_code);
    }
    /* Where nothing is known of aliases, neither is of these. */
    struct frame_decide asked = {.inbound = 1, .recipient = "a%b@example.org"};
    struct frame_answer reply;
    const char *why = NULL;
    ck_assert_int_eq(decide_inbound(&reply, &asked, NULL, NULL, NOW_MS, &why), FRAME_ERROR_OURS);
}
END_TEST

START_TEST(an_alias_that_is_only_observed_takes_all_mail_and_says_so)
{
    struct frame_decide asked = {.inbound = 1, .recipient = "bert@secure.example.org"};
    struct frame_answer reply;
    const char *why = NULL;

    put_settings("standard", true);
    ck_assert_int_eq(decide_inbound(&reply, &asked, users, NULL, NOW_MS, &why), 0);
    ck_assert_uint_eq(reply.smtp_code, 250);
    ck_assert(reply.observed && reply.would == ACTION_STOP);
    ck_assert_int_eq(decide_inbound(&reply, &asked, NULL, NULL, NOW_MS, &why), FRAME_ERROR_OURS);
    ck_assert_ptr_nonnull(why);
}
END_TEST

/* Accounts that found no room in the table are no reason to turn away what comes in (law 3). */
START_TEST(mail_that_comes_in_needs_no_accounts_S13)
{
    static const struct {
        const char *recipient;
        uint16_t code;
    } rows[] = {{"anna@example.org", 250},
                {"nobody@example.org", 250},
                {"bert@secure.example.org", 530},
                {"bert+x@secure.example.org", 530}};

    put_settings_with("gone", false, true);
    complete(false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct frame_decide asked = {.inbound = 1};
        struct frame_answer reply;
        const char *why = NULL;

        snprintf(asked.recipient, sizeof asked.recipient, "%s", rows[i].recipient);
        ck_assert_msg(decide_inbound(&reply, &asked, users, NULL, NOW_MS, &why) == 0, "%s: %s",
                      rows[i].recipient, why);
        ck_assert_uint_eq(reply.smtp_code, rows[i].code);
    }
    put_settings_with("standard", false, false); /* not all aliases are known */
    struct frame_decide asked = {.inbound = 1, .recipient = "anna@example.org"};
    struct frame_answer reply;
    const char *why = NULL;
    ck_assert_int_eq(decide_inbound(&reply, &asked, users, NULL, NOW_MS, &why), FRAME_ERROR_OURS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decide");
    TCase *claims = tcase_create("claims");

    tcase_add_checked_fixture(claims, set_up, tear_down);
    tcase_add_test(claims, the_account_then_the_login_name_then_the_standard_says_what_is_demanded);
    tcase_add_test(claims, what_cannot_be_known_of_the_sender_is_temporary_and_never_no_demand);
    tcase_add_test(claims, a_profile_that_is_not_configured_is_said_and_temporary);
    tcase_add_test(claims, a_profile_that_the_mta_names_holds_whoever_sends);
    tcase_add_test(claims, the_profile_says_how_fresh_unless_the_request_does);
    tcase_add_test(claims,
                   the_next_hop_of_the_mta_is_looked_at_and_the_recipient_stays_the_recipient);
    tcase_add_test(claims, the_null_sender_is_a_fact_of_the_envelope_MSG_01);
    tcase_add_test(
        claims, reply_codes_are_those_of_the_standards_and_agree_CODE_01_CODE_09_CODE_12_RTLS_04);
    tcase_add_test(claims,
                   the_derivation_has_every_demand_the_evidence_the_row_and_what_would_change_it);
    tcase_add_test(claims, the_report_says_whose_demand_stopped_it);
    tcase_add_test(claims, the_next_hops_own_name_outlives_what_its_records_say_DEC_08);
    tcase_add_test(claims, a_secure_alias_takes_mail_over_encrypted_connections_only);
    tcase_add_test(claims, an_address_that_is_unwound_is_refused_only_if_it_may_be_an_alias_S13);
    tcase_add_test(claims, an_alias_that_is_only_observed_takes_all_mail_and_says_so);
    tcase_add_test(claims, mail_that_comes_in_needs_no_accounts_S13);
    suite_add_tcase(suite, claims);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
