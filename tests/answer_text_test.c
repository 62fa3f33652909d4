/*
 * answer_text_test.c - single claims about answers: the cases that the services promise, and every
 * word that people and mail programs read.
 */
#include "shm/answer.h"

#include "tests/scenes.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NOW_S        1800000000

static const struct profile posteo = {.name = "posteo",
                                      .minimum = LEVEL_ENCRYPT,
                                      .unmet = UNMET_STOP,
                                      .exempt_auto_replies = true,
                                      .exempt_forwards = true};
static const struct profile mailbox = {
    .name = "mailbox", .minimum = LEVEL_NONE, .unmet = UNMET_HOLD, .allow_tls_required_no = true};
static const struct profile authenticated = {
    .name = "strict", .minimum = LEVEL_AUTHENTICATED, .unmet = UNMET_STOP};

static struct answer answer;
static struct answer_question question;
static struct verdict verdict;

/* What was seen, and who asks. */
static void about(bool secure, const char *a, const char *b, const struct profile *profile)
{
    verdict = verdict_for(secure, a, b);
    verdict.address[0] = '\0';
    question = (struct answer_question){
        .profile = profile, .verdict = &verdict, .now_ms = NOW_MS, .now_s = NOW_S};
}

static void decided(enum action action, const char *code, const char *begins)
{
    answer_decide(&answer, &question);
    claim(answer.action == action && strcmp(answer.code, code) == 0 &&
              strncmp(answer.text, begins, strlen(begins)) == 0,
          "%s %s %s [%s]", action_name(answer.action), answer.code, answer.text,
          answer.policy.text);
}

static void says(const char *words)
{
    claim(strstr(answer.text, words) != NULL, "%s", answer.text);
}

/* --- what the services promise --- */

START_TEST(of_three_recipients_each_has_an_answer_of_its_own_S1_S2_DEC_04)
{
    about(true, "clear", NULL, &posteo);
    decided(ACTION_STOP, "5.7.4", "TLS is required, but was not offered by host mx1.host.example");
    ck_assert_str_eq(answer.text,
                     "TLS is required, but was not offered by host mx1.host.example (seen 5 s ago);"
                     " the sender's guarantee (posteo) demands encryption, which prevents listening"
                     " only");
    about(true, "encrypted", NULL, &posteo);
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery, at each mail host: ");
    ck_assert_str_eq(answer.policy.text, "encrypt protocols=>=TLSv1.2 servername=hostname");
    about(true, "dane", NULL, &posteo);
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery, at each mail host: DANE (");
    ck_assert_str_eq(answer.policy.text, "dane-only protocols=>=TLSv1.2");
    ck_assert_int_eq(answer.source, DEMAND_DANE); /* the strictest (DEC-02) */
}
END_TEST

START_TEST(old_tls_does_not_count_and_is_not_let_in_at_the_delivery_S4)
{
    about(true, "weak", NULL, &posteo);
    decided(ACTION_STOP, "5.7.5",
            "Cannot start TLS: handshake failure: host mx1.host.example does"
            " not do TLS 1.2 or later");
    ck_assert_ptr_nonnull(strstr(answer.policy.text, "protocols=>=TLSv1.2"));
}
END_TEST

START_TEST(an_exception_of_the_user_takes_out_the_guarantee_and_no_more_S5)
{
    about(true, "clear", NULL, &posteo);
    question.switched_off = true;
    decided(ACTION_SEND, "2.0.0",
            "exempt: the sender has switched the guarantee off here; the mail"
            " program does what it does by itself");
    ck_assert_int_eq(answer.exemption, EXEMPTION_USER);
    verdict.floor.level = LEVEL_ENCRYPT;
    decided(ACTION_DEFER, "4.7.4", "TLS is required, but was not offered by host");
    says("what is remembered of the domain demands encryption");
    ck_assert(answer.alarm);
    question.alias = &posteo;
    decided(ACTION_STOP, "5.7.4", "TLS is required, but was not offered by host");
    says("the sender's secure alias (posteo) demands encryption");
}
END_TEST

START_TEST(the_cause_reads_as_posteo_promises_it_S7_CODE_01)
{
    about(true, "clear", NULL, &posteo);
    snprintf(verdict.address, sizeof verdict.address, "192.0.2.1");
    decided(ACTION_STOP, "5.7.4",
            "TLS is required, but was not offered by host mx1.host.example[192.0.2.1] (seen ");
}
END_TEST

START_TEST(automatic_replies_and_forwards_are_exempt_by_facts_of_the_mta_alone_S8_MSG_05)
{
    static const struct {
        uint32_t facts;
        enum exemption exemption;
    } rows[] = {
        {FACT_LOCAL_ORIGIN | FACT_AUTO_SUBMITTED, EXEMPTION_AUTO_REPLY},
        {FACT_LOCAL_ORIGIN | FACT_NULL_SENDER, EXEMPTION_AUTO_REPLY},
        {FACT_FORWARD, EXEMPTION_FORWARD},
        {FACT_AUTO_SUBMITTED, EXEMPTION_NONE},
        {FACT_NULL_SENDER, EXEMPTION_NONE},
        {FACT_LOCAL_ORIGIN, EXEMPTION_NONE},
        {FACT_AUTHENTICATED | FACT_AUTO_SUBMITTED, EXEMPTION_NONE},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        about(true, "clear", NULL, &posteo);
        question.facts = rows[i].facts;
        answer_decide(&answer, &question);
        ck_assert_int_eq(answer.exemption, rows[i].exemption);
        ck_assert_int_eq(answer.action, rows[i].exemption != EXEMPTION_NONE ? ACTION_SEND
                                        : (rows[i].facts & FACT_NULL_SENDER) != 0
                                            ? ACTION_DEFER /* MSG-01 */
                                            : ACTION_STOP);
        verdict.floor.level = LEVEL_ENCRYPT; /* what is remembered still is (MSG-05) */
        answer_decide(&answer, &question);
        ck_assert_int_ne(answer.action, ACTION_SEND);
    }
}
END_TEST

START_TEST(without_an_authenticated_connection_no_mail_goes_where_tlsa_records_are_S9_CODE_04)
{
    about(true, "dane-fails", NULL, NULL);
    decided(ACTION_DEFER, "4.7.5",
            "Server certificate not verified: host mx1.host.example does not match its TLSA"
            " records (seen 5 s ago); the domain's DANE policy demands an authenticated mail host");
    ck_assert_str_eq(answer.policy.text, "dane-only protocols=>=TLSv1.2");
    question.profile = &posteo;
    decided(ACTION_STOP, "5.7.5", "Server certificate not verified: host mx1.host.example");
    says("the sender's guarantee (posteo)");
}
END_TEST

START_TEST(what_was_remembered_and_is_gone_is_held_and_alarms_S10_MEM_05)
{
    about(true, "clear", NULL, &mailbox);
    verdict.floor = (struct floor){.level = LEVEL_ENCRYPT, .proof = PROOF_HANDSHAKES};
    decided(ACTION_DEFER, "4.7.4", "TLS is required, but was not offered by host mx1.host.example");
    ck_assert(answer.alarm);
    ck_assert_int_eq(answer.source, DEMAND_MEMORY);
    verdict.floor.rule = RULE_PIN; /* of equals the last is named */
    verdict.floor.rule_level = LEVEL_ENCRYPT;
    decided(ACTION_DEFER, "4.7.4", "TLS is required, but was not offered by host mx1.host.example");
    says("a rule of the administrator demands encryption");
    verdict.floor.rule = RULE_EXEMPT;
    decided(ACTION_SEND, "2.0.0", "exempt: the administrator exempts the domain");
    ck_assert(!answer.alarm);
    verdict.floor.rule_until_s = NOW_S; /* it has run out */
    decided(ACTION_DEFER, "4.7.4", "TLS is required");
    question.observe = true;
    answer_decide(&answer, &question);
    ck_assert_int_eq(answer.action, ACTION_SEND);
    ck_assert_int_eq(answer.would, ACTION_DEFER);
}
END_TEST

START_TEST(a_host_that_never_could_gets_plain_text_S11)
{
    about(true, "clear", NULL, &mailbox);
    decided(ACTION_SEND, "2.0.0", "the mail program does what it does by itself");
    ck_assert_int_eq(answer.policy.answer, POSTFIX_DEFAULT);
    ck_assert_int_eq(answer.source, DEMAND_NOBODY);
}
END_TEST

START_TEST(a_secure_alias_demands_for_itself_S13)
{
    about(true, "clear", NULL, NULL);
    question.alias = &posteo;
    question.facts = FACT_LOCAL_ORIGIN | FACT_AUTO_SUBMITTED; /* exempts accounts, not aliases */
    decided(ACTION_STOP, "5.7.4", "TLS is required");
    ck_assert_int_eq(answer.source, DEMAND_ALIAS);
}
END_TEST

START_TEST(old_evidence_shapes_the_policy_and_stops_nothing_S3_FRESH_03)
{
    about(true, "clear", NULL, &posteo);
    question.stale = true;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    ck_assert_str_eq(answer.policy.text, "encrypt protocols=>=TLSv1.2 servername=hostname");
    question.stale = false;
    question.now_ms = verdict.valid_until_ms; /* its records have run out (FRESH-01) */
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
}
END_TEST

START_TEST(a_look_up_that_failed_and_is_over_holds_nobody_who_demands_nothing_FRESH_01_DNS_09)
{
    char change[300];

    about(true, "clear", NULL, NULL);
    verdict = (struct verdict){.class = CLASS_UNKNOWN,
                               .conclusion = CONCLUSION_TEMPORARY,
                               .cause = CAUSE_MX_TROUBLE,
                               .began_ms = verdict.began_ms,
                               .valid_until_ms = verdict.valid_until_ms};
    question.now_ms = verdict.valid_until_ms - 1;
    decided(ACTION_DEFER, "4.4.3", "");
    question.now_ms = verdict.valid_until_ms;
    decided(ACTION_SEND, "2.0.0", "");
    question.profile = &posteo;
    decided(ACTION_DEFER, "4.3.0",
            "nothing is known yet; the domain's mail hosts are not known yet");
    answer_change(&answer, &question, change, sizeof change);
    ck_assert_str_eq(change, "It would go if its mail hosts were known: they are looked up again.");
}
END_TEST

START_TEST(keys_end_with_the_verdict_FRESH_01_MEM_03)
{
    about(false, "dane", "encrypted", &posteo);
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery, at each mail host: one of the listed");
    question.now_ms = verdict.valid_until_ms - 1;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery, at each mail host: one of the listed");
    question.now_ms = verdict.valid_until_ms;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery, at each mail host: TLS 1.2 or later");
    ck_assert_ptr_null(strstr(answer.policy.text, "fingerprint"));
}
END_TEST

/* Names that a signed MX record gave are vouched for as long as it is (DEC-08); the domain's own
 * name stands for it whatever the DNS says. */
START_TEST(names_of_a_signed_mx_record_end_with_the_verdict_FRESH_01_DEC_08)
{
    static const char both[] = "secure match=mx1.host.example:domain.example "
                               "protocols=>=TLSv1.2 servername=hostname",
                      own[] = "secure match=domain.example "
                              "protocols=>=TLSv1.2 servername=hostname";
    const struct profile verified = {.minimum = LEVEL_VERIFIED, .unmet = UNMET_STOP};

    about(true, "verified", NULL, &verified);
    question.next_hop = "domain.example";
    question.stale = true;
    question.now_ms = verdict.valid_until_ms - 1;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    ck_assert_str_eq(answer.policy.text, both);
    question.now_ms = verdict.valid_until_ms;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    ck_assert_str_eq(answer.policy.text, own);
    question.next_hop = "main.example"; /* ends as one of them does, and is none */
    decided(ACTION_DEFER, "4.7.5", "client TLS configuration problem");
    question.next_hop = ""; /* an address */
    decided(ACTION_DEFER, "4.7.5", "client TLS configuration problem");
    question.next_hop = NULL;
    decided(ACTION_DEFER, "4.7.5", "client TLS configuration problem");

    about(false, "verified", NULL, &verified); /* its names are the domain's own */
    question.now_ms = verdict.valid_until_ms;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    ck_assert_str_eq(answer.policy.text, own);
}
END_TEST

START_TEST(requiretls_rests_on_no_signature_that_has_run_out_RTLS_02_FRESH_01)
{
    about(true, "verified", NULL, NULL);
    verdict.flags |= VERDICT_REQUIRETLS_SOME;
    question.facts = FACT_REQUIRETLS;
    question.next_hop = "domain.example";
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    question.now_ms = verdict.valid_until_ms;
    decided(ACTION_DEFER, "4.7.5", "client TLS configuration problem");
    ck_assert_int_eq(answer.demand, LEVEL_AUTHENTICATED);

    about(true, "dane", NULL, NULL); /* what the mail program asks for again */
    question.facts = FACT_REQUIRETLS;
    question.now_ms = verdict.valid_until_ms;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    ck_assert_str_eq(answer.policy.text, "dane-only protocols=>=TLSv1.2");
}
END_TEST

/* Encryption alone would pass over TLSA records that may be there, and that a Postfix without us
 * would look at (DANE-15). An address has none. */
START_TEST(without_a_record_who_demands_something_waits_DEC_05)
{
    char change[512];

    about(true, "clear", NULL, &posteo);
    question.verdict = NULL;
    decided(ACTION_DEFER, "4.3.0", "nothing is known yet; the domain's mail hosts are not known");
    ck_assert_ptr_null(strstr(answer.text, "ago"));
    ck_assert_str_eq(answer.policy.text, "");
    ck_assert_uint_gt(answer_change(&answer, &question, change, sizeof change), 0);
    ck_assert_str_eq(change, "It would go if its mail hosts were known: they are looked up again.");
    question.next_hop = ""; /* an address */
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    ck_assert_str_eq(answer.policy.text, "encrypt protocols=>=TLSv1.2 servername=hostname");
    question.profile = &authenticated;
    decided(ACTION_DEFER, "4.3.0", "nothing is known yet; no policy text can express the demand");
    question.profile = &mailbox;
    question.next_hop = NULL;
    decided(ACTION_SEND, "2.0.0", "the mail program does");
}
END_TEST

/* What is remembered is kept longer than what was seen. */
START_TEST(what_is_remembered_of_a_domain_whose_hosts_are_not_known_is_held_DEC_05_MEM_05)
{
    about(true, "clear", NULL, NULL);
    verdict = (struct verdict){.class = CLASS_UNKNOWN,
                               .conclusion = CONCLUSION_INCONCLUSIVE,
                               .floor.level = LEVEL_ENCRYPT};
    question.stale = true;
    decided(ACTION_DEFER, "4.3.0", "nothing is known yet; the domain's mail hosts are not known");
    verdict.hosts = 1; /* none of them with TLSA records */
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
}
END_TEST

/* The ledger was not read in time (MEM-08): it may hold more than encryption (law 2). */
START_TEST(what_nobody_can_tell_of_memory_holds_who_demands_something_MEM_08_DEC_05)
{
    char change[512];

    about(true, "unknown", NULL, &posteo);
    verdict = (struct verdict){.class = CLASS_UNKNOWN,
                               .conclusion = CONCLUSION_INCONCLUSIVE,
                               .floor.flags = FLOOR_UNKNOWN};
    question.stale = true;
    decided(ACTION_DEFER, "4.3.0",
            "nothing is known yet; what is remembered of the domain could not be read");
    says("; the sender's guarantee (posteo) demands encryption");
    ck_assert_int_eq(answer.decided_by, DEMAND_PROFILE);
    ck_assert_uint_gt(answer_change(&answer, &question, change, sizeof change), 0);
    ck_assert_str_eq(change, "It would go if what is remembered of the domain could be read: it is "
                             "tried again.");
    question.facts = FACT_REQUIRETLS;
    question.profile = NULL;
    decided(ACTION_DEFER, "4.3.0",
            "nothing is known yet; what is remembered of the domain could not be read");

    question.facts = 0; /* who demands nothing does not wait (law 3), nor go in clear (law 2) */
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    says("; what may be remembered of the domain demands encryption");
    ck_assert_str_eq(answer.policy.text, "encrypt protocols=>=TLSv1.2 servername=hostname");
    question.profile = &posteo;
    question.switched_off = true;
    decided(ACTION_SEND, "2.0.0", "exempt: the sender has switched");
    question.switched_off = false;
    question.facts = FACT_TLS_REPORT | FACT_LOCAL_ORIGIN;
    decided(ACTION_SEND, "2.0.0", "exempt: a TLS report");
    ck_assert_str_eq(answer.policy.text, "may");
}
END_TEST

/* --- ends of routes --- */

START_TEST(domains_that_take_no_mail_end_at_their_own_code_MX_08_CODE_08_CODE_09)
{
    static const struct {
        enum route_state state;
        enum action action;
        const char *code, *begins;
    } rows[] = {
        {ROUTE_NULL_MX, ACTION_STOP, "5.1.10", "Recipient address has null MX"},
        {ROUTE_NO_DOMAIN, ACTION_STOP, "5.1.2", "Domain not found"},
        {ROUTE_LOOP, ACTION_STOP, "5.4.6", "mail for the domain loops back to myself"},
        {ROUTE_UNUSABLE, ACTION_DEFER, "4.4.4", "no address found for mail host"},
        {ROUTE_TROUBLE, ACTION_DEFER, "4.4.3", "MX lookup error"},
        {ROUTE_BOGUS, ACTION_DEFER, "4.4.3", "MX lookup error: DNSSEC validation failed"},
        {ROUTE_ALIAS_LOOP, ACTION_DEFER, "4.4.6", "the aliases of the domain lead nowhere"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct route route = {
            .state = rows[i].state, .domain = domain, .until_ms = NOW_MS + 500000, .secure = true};
        bool temporary = rows[i].code[0] == '4' && rows[i].state != ROUTE_UNUSABLE;

        about(true, "clear", NULL, &posteo);
        verdict_of_domain(&verdict, &route, NULL, NULL, NOW_MS);
        decided(rows[i].action, rows[i].code, rows[i].begins);
        question.facts = FACT_REQUIRETLS; /* trouble stays temporary (RTLS-05) */
        decided(rows[i].action, rows[i].code, rows[i].begins);
        question.facts = 0;
        question.profile = NULL; /* without a demand the MTA says it itself */
        answer_decide(&answer, &question);
        ck_assert_int_eq(answer.action, temporary ? ACTION_DEFER : ACTION_SEND);
        ck_assert_int_eq(answer.policy.answer, temporary ? POSTFIX_HOLD : POSTFIX_DEFAULT);
        question.profile = &posteo; /* old: no proof any more, but no default either */
        question.stale = true;
        answer_decide(&answer, &question);
        ck_assert_int_eq(answer.action, ACTION_DEFER);
        ck_assert_int_eq(answer.code[0], '4');
    }
}
END_TEST

START_TEST(a_tlsa_look_up_that_failed_is_temporary_for_everybody_CODE_05_DANE_15)
{
    about(true, "tlsa-trouble", NULL, NULL);
    decided(ACTION_DEFER, "4.7.5", "TLSA lookup error for mx1.host.example:25");
    question.profile = &posteo;
    decided(ACTION_DEFER, "4.7.5", "TLSA lookup error for mx1.host.example:25");
}
END_TEST

/* --- what no text can say --- */

START_TEST(what_no_text_can_say_waits_and_tells_why_CODE_07)
{
    about(true, "dane by issuer", NULL, NULL);
    verdict.flags |= VERDICT_POSTFIX_UNSAFE_TLSA;
    decided(ACTION_DEFER, "4.7.5",
            "client TLS configuration problem (seen 5 s ago); a TLSA record without data: DANE"
            " would end Postfix 3.7; the domain's DANE policy demands an authenticated mail host");
    about(true, "encrypted, unsure", NULL, &authenticated);
    decided(ACTION_DEFER, "4.7.5", "Server certificate not verified: host mx1.host.example");
    says("no policy text can express the demand for this domain");
}
END_TEST

START_TEST(mandatory_dane_that_is_not_there_is_said_in_postfixs_words_CODE_06)
{
    about(true, "verified", NULL, &authenticated);
    decided(ACTION_STOP, "5.7.5", "no TLSA records found: ");
    about(false, "verified", NULL, &authenticated);
    decided(ACTION_STOP, "5.7.5", "non DNSSEC destination: ");
    about(false, "dane", NULL, &authenticated);
    decided(ACTION_STOP, "5.7.5", "non DNSSEC destination: host mx1.host.example");
    about(true, "encrypted+unusable", NULL, &authenticated);
    decided(ACTION_STOP, "5.7.5", "TLSA records unusable: host mx1.host.example");
}
END_TEST

/* --- REQUIRETLS --- */

START_TEST(requiretls_has_the_words_and_codes_of_postfix_RTLS_02_RTLS_04)
{
    static const struct {
        bool secure;
        const char *host, *code, *begins;
    } rows[] = {
        {true, "clear", "5.7.30",
         "Sender requested REQUIRETLS, but TLS service was not offered by host mx1.host.example"},
        {true, "weak", "5.7.10",
         "Sender requested REQUIRETLS, but host mx1.host.example refused to start TLS"},
        {true, "encrypted", "5.7.10",
         "Sender requested REQUIRETLS, but no matching server certificate was found. The last"
         " attempted server was mx1.host.example"},
        {true, "dane-fails", "5.7.10",
         "Sender requested REQUIRETLS, but no matching server certificate was found. The last"
         " attempted server was mx1.host.example"},
        {true, "verified", "5.7.30",
         "Sender requested REQUIRETLS, but no server was found that supports REQUIRETLS. The last"
         " attempted server was mx1.host.example"},
        {true, "dane", "5.7.30",
         "Sender requested REQUIRETLS, but no server was found that supports REQUIRETLS."},
        {false, "verified", "5.7.10",
         "Sender requested REQUIRETLS, but no signed MX record names host mx1.host.example"},
        {false, "dane", "5.7.10",
         "Sender requested REQUIRETLS, but no signed MX record names host mx1.host.example"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        about(rows[i].secure, rows[i].host, NULL, &posteo);
        question.facts = FACT_REQUIRETLS;
        decided(ACTION_STOP, rows[i].code, rows[i].begins);
        says("REQUIRETLS on the message demands");
    }
}
END_TEST

START_TEST(requiretls_is_sent_where_it_is_offered_and_to_what_was_not_seen_RTLS_02)
{
    about(true, "verified", NULL, NULL);
    question.facts = FACT_REQUIRETLS;
    verdict.flags |= VERDICT_REQUIRETLS_SOME;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    ck_assert_ptr_eq(strstr(answer.policy.text, "secure match=mx1.host.example:domain.example "),
                     answer.policy.text);
    about(true, "dane", "dane-enforced", NULL); /* the other one may offer it */
    question.facts = FACT_REQUIRETLS;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery, at each mail host: DANE");
    about(true, "unknown", NULL, NULL);
    question.facts = FACT_REQUIRETLS;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    about(false, "unknown", NULL, NULL); /* a name that nobody vouches for is not enough */
    question.facts = FACT_REQUIRETLS;
    decided(ACTION_DEFER, "4.4.1", "no answer from host mx1.host.example");
}
END_TEST

START_TEST(tls_required_no_is_for_submitters_who_may_and_never_below_their_own_demand_RTLS_07)
{
    static const uint32_t said = FACT_AUTHENTICATED | FACT_TLS_REQUIRED_NO;
    struct profile holds = posteo;

    about(true, "dane-fails", NULL, &mailbox);
    verdict.floor = (struct floor){.level = LEVEL_AUTHENTICATED, .proof = PROOF_DANE};
    question.facts = said;
    decided(ACTION_SEND, "2.0.0", "exempt: the sender says TLS-Required: No, and may");
    ck_assert_str_eq(answer.policy.text, "may");
    question.facts = FACT_TLS_REQUIRED_NO; /* from outside, under this sender's name */
    decided(ACTION_DEFER, "4.7.5", "Server certificate not verified");
    question.facts = said | FACT_REQUIRETLS;
    decided(ACTION_STOP, "5.7.10", "Sender requested REQUIRETLS");
    holds.allow_tls_required_no = true;
    question.profile = &holds;
    question.facts = said;
    decided(ACTION_STOP, "5.7.5", "Server certificate not verified");
    ck_assert_int_eq(answer.demand, LEVEL_ENCRYPT);
    question.profile = &posteo; /* may not */
    decided(ACTION_STOP, "5.7.5", "Server certificate not verified");
    ck_assert_int_eq(answer.demand, LEVEL_AUTHENTICATED);
}
END_TEST

/* --- reports, refusals --- */

START_TEST(a_tls_report_made_here_is_never_stopped_RPT_15)
{
    static const char *const hosts[] = {"clear", "dane-fails", "tlsa-trouble", "excluded",
                                        "unknown"};

    for (size_t i = 0; i < COUNT(hosts); i++) {
        about(true, hosts[i], NULL, &authenticated);
        question.alias = &posteo;
        verdict.floor = (struct floor){.level = LEVEL_AUTHENTICATED, .proof = PROOF_DANE};
        question.facts = FACT_TLS_REPORT | FACT_LOCAL_ORIGIN;
        decided(ACTION_SEND, "2.0.0", "exempt: a TLS report made here");
        ck_assert_str_eq(answer.policy.text, "may");
        ck_assert_int_eq(answer.source, DEMAND_NOBODY);
        question.facts = FACT_TLS_REPORT; /* anybody can say that */
        answer_decide(&answer, &question);
        ck_assert_str_ne(answer.policy.text, "may");
        verdict.floor.rule = RULE_REFUSE;
        decided(ACTION_STOP, "5.7.1", "mail to this domain is refused by a rule");
        question.facts = FACT_TLS_REPORT | FACT_LOCAL_ORIGIN;
        decided(ACTION_SEND, "2.0.0", "exempt: a TLS report made here");
        ck_assert_str_eq(answer.policy.text, "may");
    }
}
END_TEST

/* --- what can be forged, who cannot be told --- */

static void about_route(enum route_state state, bool secure, const struct profile *profile)
{
    struct route route = {
        .state = state, .domain = domain, .until_ms = NOW_MS + 500000, .secure = secure};

    about(true, "clear", NULL, profile);
    verdict_of_domain(&verdict, &route, NULL, NULL, NOW_MS);
}

START_TEST(what_nobody_signed_bounces_nothing_that_was_to_be_held_PIT_04_CODE_09)
{
    static const struct {
        enum route_state state;
        const char *stopped, *held;
    } rows[] = {{ROUTE_NULL_MX, "5.1.10", "4.1.10"},
                {ROUTE_NO_DOMAIN, "5.1.2", "4.1.2"},
                {ROUTE_LOOP, "5.4.6", "4.4.6"}};
    struct profile holds = posteo;

    holds.unmet = UNMET_HOLD;
    for (size_t i = 0; i < COUNT(rows); i++) {
        about_route(rows[i].state, true, &holds); /* signed: nobody can have forged it */
        decided(ACTION_STOP, rows[i].stopped, "");
        about_route(rows[i].state, false, &holds);
        decided(ACTION_DEFER, rows[i].held, "");
        says("the sender's guarantee (posteo) demands");
        about_route(rows[i].state, false, &posteo); /* the sender chose to be told at once */
        decided(ACTION_STOP, rows[i].stopped, "");
        about_route(rows[i].state, false, NULL); /* what is remembered holds */
        verdict.floor.level = LEVEL_ENCRYPT;
        decided(ACTION_DEFER, rows[i].held, "");
        question.facts = FACT_REQUIRETLS;
        decided(ACTION_STOP, rows[i].stopped, "");
    }
}
END_TEST

START_TEST(a_message_without_a_sender_waits_whoever_demands_MSG_01)
{
    about(true, "clear", NULL, &posteo);
    question.facts = FACT_NULL_SENDER | FACT_AUTHENTICATED; /* a SASL user's guarantee holds */
    decided(ACTION_DEFER, "4.7.4", "TLS is required, but was not offered by host mx1.host.example");
    says("; it has no sender who could be told, and waits");
    question.facts = FACT_NULL_SENDER | FACT_REQUIRETLS;
    decided(ACTION_DEFER, "4.7.30", "Sender requested REQUIRETLS, but TLS service was not offered");
    says("; it has no sender who could be told, and waits");
    verdict.floor.rule = RULE_REFUSE;
    decided(ACTION_DEFER, "4.7.1", "mail to this domain is refused by a rule");
    about_route(ROUTE_NULL_MX, false, &posteo);
    question.facts = FACT_NULL_SENDER;
    decided(ACTION_DEFER, "4.1.10", "Recipient address has null MX");
    about_route(ROUTE_NULL_MX, true, &posteo); /* no policy, but the domain's own word */
    question.facts = FACT_NULL_SENDER;
    decided(ACTION_STOP, "5.1.10", "Recipient address has null MX");
    about(true, "clear", NULL, &posteo); /* everybody else is told at once */
    decided(ACTION_STOP, "5.7.4", "TLS is required");
    ck_assert_ptr_null(strstr(answer.text, "no sender"));
}
END_TEST

/* MSG-03, MSG-04: what a message looks like is no fact; nothing but what the mail server asserts of
 * its own doing makes a forward or an automatic reply of it. MSG-06: the strictest of all wins. */
START_TEST(what_a_message_looks_like_exempts_nothing_MSG_03_MSG_04_MSG_05_MSG_06)
{
    static const uint32_t outside[] = {
        FACT_AUTO_SUBMITTED, FACT_AUTO_SUBMITTED | FACT_TLS_REQUIRED_NO,
        FACT_TLS_REPORT | FACT_AUTO_SUBMITTED, FACT_AUTHENTICATED | FACT_AUTO_SUBMITTED};

    for (size_t i = 0; i < COUNT(outside); i++) {
        about(true, "clear", NULL, &posteo);
        question.facts = outside[i];
        decided(ACTION_STOP, "5.7.4", "TLS is required");
        ck_assert_int_eq(answer.exemption, EXEMPTION_NONE);
    }
    about(true, "clear", NULL, &posteo);
    question.facts = FACT_FORWARD | FACT_LOCAL_ORIGIN | FACT_AUTO_SUBMITTED;
    decided(ACTION_SEND, "2.0.0", "exempt: an automatic reply");
    verdict.floor.level = LEVEL_ENCRYPT; /* what is quoted in a reply is as secret as before */
    decided(ACTION_DEFER, "4.7.4", "TLS is required");
    question.alias = &posteo;
    decided(ACTION_STOP, "5.7.4", "TLS is required");
}
END_TEST

START_TEST(a_bounce_goes_where_requiretls_is_not_offered_RTLS_06)
{
    about(true, "verified", NULL, NULL);
    question.facts = FACT_REQUIRETLS;
    decided(ACTION_STOP, "5.7.30", "Sender requested REQUIRETLS, but no server was found");
    question.facts = FACT_REQUIRETLS | FACT_NULL_SENDER;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery"); /* and as well protected */
    ck_assert_ptr_eq(strstr(answer.policy.text, "secure match="), answer.policy.text);
    ck_assert_int_eq(answer.source, DEMAND_REQUIRETLS);
    about(true, "encrypted", NULL, NULL); /* but not to a host that nobody vouches for */
    question.facts = FACT_REQUIRETLS | FACT_NULL_SENDER;
    decided(ACTION_DEFER, "4.7.10", "Sender requested REQUIRETLS, but no matching server");
}
END_TEST

START_TEST(a_refusal_of_the_recipients_domain_holds_whatever_the_next_hop_PIT_14)
{
    struct floor recipient = {.rule = RULE_REFUSE};

    about(true, "dane", NULL, NULL);
    question.recipient_floor = &recipient;
    decided(ACTION_STOP, "5.7.1", "mail to this domain is refused by a rule");
    ck_assert_int_eq(answer.source, DEMAND_RULE);
    recipient.rule_until_s = NOW_S; /* over */
    decided(ACTION_SEND, "2.0.0", "enforced");
    recipient = (struct floor){.rule = RULE_PIN, .rule_level = LEVEL_AUTHENTICATED};
    about(true, "encrypted", NULL, NULL); /* levels are those of the next hop */
    question.recipient_floor = &recipient;
    decided(ACTION_SEND, "2.0.0", "enforced");
}
END_TEST

/* A domain that is only observed is refused nothing, by whatever way its mail goes. */
START_TEST(a_refusal_of_a_domain_that_is_only_observed_is_only_told_PIT_14)
{
    struct floor recipient = {.rule = RULE_REFUSE, .flags = FLOOR_OBSERVE};

    about(true, "dane", NULL, NULL);
    question.recipient_floor = &recipient;
    answer_decide(&answer, &question);
    ck_assert_int_eq(answer.action, ACTION_SEND);
    ck_assert_int_eq(answer.would, ACTION_STOP);
    ck_assert(answer.observed);
    ck_assert_ptr_eq(strstr(answer.policy.text, "dane-only"), answer.policy.text);
    about(true, "clear", NULL, &posteo); /* the next hop is not only observed */
    question.recipient_floor = &recipient;
    decided(ACTION_STOP, "5.7.4", "TLS is required");
    ck_assert(!answer.observed);
    about(true, "dane", NULL, NULL);
    question.recipient_floor = &recipient;
    verdict.floor.rule = RULE_REFUSE; /* nor is this rule */
    decided(ACTION_STOP, "5.7.1", "mail to this domain is refused by a rule");
}
END_TEST

START_TEST(a_clock_that_cannot_be_right_ends_no_rule_and_keeps_no_exemption_FRESH_06)
{
    static const int64_t wrong[] = {0, 86400, INT64_C(4000000000)};

    for (size_t i = 0; i < COUNT(wrong); i++) {
        about(true, "clear", NULL, NULL);
        verdict.floor = (struct floor){.level = LEVEL_ENCRYPT,
                                       .proof = PROOF_HANDSHAKES,
                                       .rule = RULE_EXEMPT,
                                       .rule_until_s = NOW_S + 60};
        decided(ACTION_SEND, "2.0.0", "exempt: the administrator");
        question.now_s = wrong[i];
        decided(ACTION_DEFER, "4.7.4", "TLS is required");
        verdict.floor.rule_until_s = 0; /* without end: no clock is asked */
        decided(ACTION_SEND, "2.0.0", "exempt: the administrator");
        verdict.floor.rule = RULE_REFUSE;
        verdict.floor.rule_until_s = NOW_S + 60;
        decided(ACTION_STOP, "5.7.1", "mail to this domain is refused");
        verdict.floor.level = LEVEL_NONE;
        verdict.floor.rule = RULE_PIN;
        verdict.floor.rule_level = LEVEL_ENCRYPT;
        decided(ACTION_DEFER, "4.7.4", "TLS is required");
    }
}
END_TEST

/* --- words --- */

START_TEST(ages_are_said_in_units_for_people)
{
    static const struct {
        uint64_t age_ms;
        const char *words;
    } rows[] = {{0, "(seen 0 s ago)"},        {119999, "(seen 119 s ago)"},
                {120000, "(seen 2 min ago)"}, {7199999, "(seen 119 min ago)"},
                {7200000, "(seen 2 h ago)"},  {400ull * 3600 * 1000, "(seen 400 h ago)"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        about(true, "clear", NULL, &posteo);
        question.now_ms = 2000000000;
        verdict.began_ms = question.now_ms - rows[i].age_ms;
        verdict.valid_until_ms = question.now_ms + 1;
        decided(ACTION_STOP, "5.7.4", "TLS is required");
        says(rows[i].words);
    }
    verdict.began_ms = question.now_ms + 5; /* never an age below zero */
    decided(ACTION_STOP, "5.7.4", "TLS is required");
    says("(seen 0 s ago)");
}
END_TEST

START_TEST(a_text_that_is_too_long_is_cut_before_the_demand_CODE_12)
{
    struct profile long_name = posteo;

    memset(long_name.name, 'n', sizeof long_name.name - 1);
    about(false, "dane", NULL, &authenticated);
    memset(verdict.host, 'h', sizeof verdict.host - 1);
    memset(verdict.address, '9', sizeof verdict.address - 1);
    question.profile = &long_name;
    long_name.minimum = LEVEL_AUTHENTICATED;
    decided(ACTION_STOP, "5.7.5", "non DNSSEC destination: host hhhhh");
    ck_assert_uint_eq(strlen(answer.text), ANSWER_TEXT_MAX - 1);
    says("ago); the sender's guarantee (nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn) demands an authenticated"
         " mail host");
    question.openpgp = question.smime = MAIL_KEY_PRESENT;
    decided(ACTION_STOP, "5.7.5", "non DNSSEC destination: host hhhhh");
    ck_assert_uint_eq(strlen(answer.text), ANSWER_TEXT_MAX - 1);
    says("ago); the sender's guarantee (nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn) demands an authenticated"
         " mail host; the recipient publishes an OpenPGP key and an S/MIME certificate in signed"
         " DNS: the message itself can be encrypted");
}
END_TEST

START_TEST(a_key_of_the_recipient_is_told_with_what_is_not_sent_S14_DANE_44)
{
    static const struct {
        enum mail_key openpgp, smime;
        const char *words;
    } rows[] = {
        {MAIL_KEY_PRESENT, MAIL_KEY_NONE, "an OpenPGP key"},
        {MAIL_KEY_UNKNOWN, MAIL_KEY_PRESENT, "an S/MIME certificate"},
        {MAIL_KEY_PRESENT, MAIL_KEY_PRESENT, "an OpenPGP key and an S/MIME certificate"},
        {MAIL_KEY_UNKNOWN, MAIL_KEY_NONE, NULL},
        {MAIL_KEY_NOT_ASKED, MAIL_KEY_NOT_ASKED, NULL},
    };
    char words[128];

    about(true, "clear", NULL, &posteo);
    for (size_t i = 0; i < COUNT(rows); i++) {
        question.openpgp = rows[i].openpgp;
        question.smime = rows[i].smime;
        decided(ACTION_STOP, "5.7.4", "TLS is required, but was not offered by host ");
        snprintf(words, sizeof words, "; the recipient publishes %s in signed DNS: ",
                 rows[i].words != NULL ? rows[i].words : "");
        ck_assert_int_eq(strstr(answer.text, words) != NULL, rows[i].words != NULL);
        ck_assert_int_eq(strstr(answer.text, "publishes") != NULL, rows[i].words != NULL);
    }
    about(true, "encrypted", NULL, &posteo);
    question.openpgp = MAIL_KEY_PRESENT;
    decided(ACTION_SEND, "2.0.0", "enforced at the delivery");
    ck_assert_ptr_null(strstr(answer.text, "publishes"));
}
END_TEST

START_TEST(every_demand_is_listed_with_what_became_of_it)
{
    about(true, "dane", NULL, &posteo);
    verdict.floor = (struct floor){.level = LEVEL_AUTHENTICATED,
                                   .proof = PROOF_DANE,
                                   .rule = RULE_PIN,
                                   .rule_level = LEVEL_VERIFIED};
    question.alias = &posteo;
    question.facts = FACT_REQUIRETLS | FACT_FORWARD;
    answer_decide(&answer, &question);
    ck_assert_uint_eq(answer.demand_count, 6);
    for (unsigned i = 1; i < answer.demand_count; i++)
        ck_assert_int_gt(answer.demands[i].source, answer.demands[i - 1].source);
    ck_assert_int_eq(answer.demands[3].source, DEMAND_REQUIRETLS);
    ck_assert(answer.demands[3].failed && !answer.demands[3].met);
    ck_assert(answer.demands[0].met && !answer.demands[0].failed);
    ck_assert_int_eq(answer.demands[5].exemption, EXEMPTION_FORWARD);
    question.stale = true;
    answer_decide(&answer, &question);
    for (unsigned i = 0; i < answer.demand_count; i++)
        ck_assert(!answer.demands[i].met && !answer.demands[i].failed);
}
END_TEST

START_TEST(who_decided_is_told_where_it_is_not_the_strictest)
{
    about(true, "dane-fails", NULL, &posteo);
    decided(ACTION_STOP, "5.7.5", "Server certificate not verified");
    ck_assert_int_eq(answer.source, DEMAND_DANE);
    ck_assert_int_eq(answer.decided_by, DEMAND_PROFILE); /* whose "stop" it is */
    question.profile = NULL;
    decided(ACTION_DEFER, "4.7.5", "Server certificate not verified");
    ck_assert_int_eq(answer.decided_by, DEMAND_DANE);
    about(true, "dane", NULL, &posteo);
    decided(ACTION_SEND, "2.0.0", "enforced");
    ck_assert_int_eq(answer.decided_by, DEMAND_NOBODY);
    verdict.floor.rule = RULE_REFUSE;
    decided(ACTION_STOP, "5.7.1", "mail to this domain is refused");
    ck_assert_int_eq(answer.decided_by, DEMAND_RULE);
}
END_TEST

START_TEST(nothing_is_said_twice)
{
    about(true, "encrypted", NULL, &posteo);
    decided(ACTION_SEND, "2.0.0", "");
    ck_assert_str_eq(answer.text,
                     "enforced at the delivery, at each mail host: TLS 1.2 or later, whoever"
                     " answers; the sender's guarantee (posteo) demands encryption, which prevents"
                     " listening only");
    question.profile = NULL;
    decided(ACTION_SEND, "2.0.0", "");
    ck_assert_str_eq(answer.text, "enforced at the delivery, at each mail host: TLS 1.2 or later,"
                                  " whoever answers; that prevents listening only");
}
END_TEST

static const char *change(void)
{
    static char text[512];

    answer_decide(&answer, &question);
    ck_assert_uint_eq(answer_change(&answer, &question, text, sizeof text), strlen(text));
    return text;
}

START_TEST(what_would_change_the_answer_is_said)
{
    char small[8];

    about(true, "encrypted", NULL, &posteo);
    ck_assert_str_eq(change(), "It would not go if \"dane-insecure-mx\" were demanded.");
    about(true, "dane", NULL, &posteo);
    ck_assert_str_eq(change(), "It would go as well if more were demanded.");
    about(true, "clear", NULL, &posteo);
    ck_assert_str_eq(change(),
                     "It would go if at least \"encrypt\" were seen there, or if the sender"
                     " switches the guarantee off for this domain.");
    question.observe = true;
    ck_assert_ptr_eq(strstr(change(), "Without observe mode it would be stopped. "), change());
    about(true, "clear", NULL, NULL);
    verdict.floor.level = LEVEL_ENCRYPT;
    ck_assert_ptr_nonnull(strstr(change(), "or if the administrator decides"));
    verdict.floor.rule = RULE_REFUSE;
    ck_assert_ptr_nonnull(strstr(change(), "withdrew the rule that refuses"));
    about(true, "tlsa-trouble", NULL, NULL);
    ck_assert_ptr_nonnull(strstr(change(), "if the look-up succeeded"));
    about(true, "verified", NULL, NULL);
    question.facts = FACT_REQUIRETLS;
    ck_assert_str_eq(change(), "It would go if a mail host offered REQUIRETLS, or without it.");
    about(true, "encrypted", NULL, NULL);
    question.facts = FACT_REQUIRETLS;
    ck_assert_str_eq(change(), "It would go if at least \"verified\" were seen there, or without"
                               " REQUIRETLS.");
    about(true, "dane by issuer", NULL, NULL); /* met, and cannot be said */
    verdict.flags |= VERDICT_POSTFIX_UNSAFE_TLSA;
    ck_assert_str_eq(change(), "It would go if a policy text could say what is demanded (a TLSA"
                               " record without data: DANE would end Postfix 3.7), or if the domain"
                               " withdraws its TLSA records.");
    about(true, "clear", NULL, &posteo);
    question.switched_off = true;
    ck_assert_ptr_eq(strstr(change(), "Without the exemption it would be stopped. "), change());
    verdict.floor.level = LEVEL_ENCRYPT;
    verdict.floor.rule = RULE_EXEMPT;
    question.profile = NULL;
    question.switched_off = false;
    ck_assert_ptr_eq(strstr(change(), "Without the exemption it would wait. "), change());
    about(true, "encrypted", NULL, &posteo);
    question.switched_off = true;
    ck_assert_ptr_null(strstr(change(), "Without the exemption"));
    about(true, "excluded", NULL, &posteo);
    ck_assert_ptr_nonnull(strstr(change(), "if the domain took mail"));
    ck_assert_uint_eq(answer_change(&answer, &question, small, sizeof small), sizeof small - 1);
}
END_TEST

START_TEST(names_are_words_and_tell_all_apart)
{
    for (unsigned i = 0; i < DEMAND_SOURCE_COUNT; i++)
        for (unsigned j = 0; j < i; j++)
            ck_assert_str_ne(demand_source_name((enum demand_source)i),
                             demand_source_name((enum demand_source)j));
    for (unsigned i = 0; i < EXEMPTION_COUNT; i++)
        for (unsigned j = 0; j < i; j++)
            ck_assert_str_ne(exemption_name((enum exemption)i), exemption_name((enum exemption)j));
    for (unsigned i = 0; i < MAIL_KEY_COUNT; i++)
        for (unsigned j = 0; j < i; j++)
            ck_assert_str_ne(mail_key_name((enum mail_key)i), mail_key_name((enum mail_key)j));
    ck_assert_str_eq(action_name(ACTION_SEND), "send");
    ck_assert_str_eq(action_name(ACTION_DEFER), "defer");
    ck_assert_str_eq(action_name(ACTION_STOP), "stop");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answer texts");
    TCase *promises = tcase_create("promises"), *ends = tcase_create("ends"),
          *words = tcase_create("words");
    SRunner *runner;
    int failed;

    makings_make();
    tcase_add_test(promises, of_three_recipients_each_has_an_answer_of_its_own_S1_S2_DEC_04);
    tcase_add_test(promises, old_tls_does_not_count_and_is_not_let_in_at_the_delivery_S4);
    tcase_add_test(promises, an_exception_of_the_user_takes_out_the_guarantee_and_no_more_S5);
    tcase_add_test(promises, the_cause_reads_as_posteo_promises_it_S7_CODE_01);
    tcase_add_test(promises,
                   automatic_replies_and_forwards_are_exempt_by_facts_of_the_mta_alone_S8_MSG_05);
    tcase_add_test(
        promises,
        without_an_authenticated_connection_no_mail_goes_where_tlsa_records_are_S9_CODE_04);
    tcase_add_test(promises, what_was_remembered_and_is_gone_is_held_and_alarms_S10_MEM_05);
    tcase_add_test(promises, a_host_that_never_could_gets_plain_text_S11);
    tcase_add_test(promises, a_secure_alias_demands_for_itself_S13);
    tcase_add_test(promises, old_evidence_shapes_the_policy_and_stops_nothing_S3_FRESH_03);
    tcase_add_test(
        promises,
        a_look_up_that_failed_and_is_over_holds_nobody_who_demands_nothing_FRESH_01_DNS_09);
    tcase_add_test(promises, keys_end_with_the_verdict_FRESH_01_MEM_03);
    tcase_add_test(promises, names_of_a_signed_mx_record_end_with_the_verdict_FRESH_01_DEC_08);
    tcase_add_test(promises, requiretls_rests_on_no_signature_that_has_run_out_RTLS_02_FRESH_01);
    tcase_add_test(promises,
                   what_nobody_can_tell_of_memory_holds_who_demands_something_MEM_08_DEC_05);
    tcase_add_test(promises, without_a_record_who_demands_something_waits_DEC_05);
    tcase_add_test(promises,
                   what_is_remembered_of_a_domain_whose_hosts_are_not_known_is_held_DEC_05_MEM_05);
    tcase_add_test(ends, domains_that_take_no_mail_end_at_their_own_code_MX_08_CODE_08_CODE_09);
    tcase_add_test(ends, a_tlsa_look_up_that_failed_is_temporary_for_everybody_CODE_05_DANE_15);
    tcase_add_test(ends, what_no_text_can_say_waits_and_tells_why_CODE_07);
    tcase_add_test(ends, mandatory_dane_that_is_not_there_is_said_in_postfixs_words_CODE_06);
    tcase_add_test(ends, requiretls_has_the_words_and_codes_of_postfix_RTLS_02_RTLS_04);
    tcase_add_test(ends, requiretls_is_sent_where_it_is_offered_and_to_what_was_not_seen_RTLS_02);
    tcase_add_test(
        ends, tls_required_no_is_for_submitters_who_may_and_never_below_their_own_demand_RTLS_07);
    tcase_add_test(ends, a_tls_report_made_here_is_never_stopped_RPT_15);
    tcase_add_test(ends, what_nobody_signed_bounces_nothing_that_was_to_be_held_PIT_04_CODE_09);
    tcase_add_test(ends, a_message_without_a_sender_waits_whoever_demands_MSG_01);
    tcase_add_test(ends, what_a_message_looks_like_exempts_nothing_MSG_03_MSG_04_MSG_05_MSG_06);
    tcase_add_test(ends, a_bounce_goes_where_requiretls_is_not_offered_RTLS_06);
    tcase_add_test(ends, a_refusal_of_the_recipients_domain_holds_whatever_the_next_hop_PIT_14);
    tcase_add_test(ends, a_refusal_of_a_domain_that_is_only_observed_is_only_told_PIT_14);
    tcase_add_test(ends, a_clock_that_cannot_be_right_ends_no_rule_and_keeps_no_exemption_FRESH_06);
    tcase_add_test(words, ages_are_said_in_units_for_people);
    tcase_add_test(words, a_key_of_the_recipient_is_told_with_what_is_not_sent_S14_DANE_44);
    tcase_add_test(words, a_text_that_is_too_long_is_cut_before_the_demand_CODE_12);
    tcase_add_test(words, every_demand_is_listed_with_what_became_of_it);
    tcase_add_test(words, who_decided_is_told_where_it_is_not_the_strictest);
    tcase_add_test(words, nothing_is_said_twice);
    tcase_add_test(words, what_would_change_the_answer_is_said);
    tcase_add_test(words, names_are_words_and_tell_all_apart);
    suite_add_tcase(suite, promises);
    suite_add_tcase(suite, ends);
    suite_add_tcase(suite, words);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
