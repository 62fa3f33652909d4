/*
 * usual_test.c - what is said of a usual message is what would be said of it alone
 * (ipc/client/usual).
 *
 * Messages, profiles and verdicts are drawn at random, of few numbers each, so that cases come
 * again and others take their places meanwhile. Beside each stands what decide_answer, decide_reply
 * and decision_read make of it.
 */
#include "ipc/client/decision.h"
#include "ipc/client/usual.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS   5000000u
#define MESSAGES 300000

static struct usual usual;

static unsigned below(unsigned count)
{
    return (unsigned)random() % count;
}

static bool rarely(void)
{
    return below(16) == 0;
}

/* --- what there may be --- */

static void floor_draw(struct floor *floor)
{
    *floor = (struct floor){
        .level = (uint8_t)(rarely() ? below(LEVEL_AUTHENTICATED + 1) : 0),
        .hosts_level = (uint8_t)(rarely() ? below(LEVEL_AUTHENTICATED + 1) : 0),
        .proof = (uint8_t)(rarely() ? below(PROOF_COUNT) : 0),
        .flags = (uint8_t)(rarely() ? below(16) : 0),
        .rule = (uint8_t)(rarely() ? below(RULE_COUNT) : RULE_NONE),
        .rule_level = (uint8_t)below(LEVEL_AUTHENTICATED + 1),
        .rule_until_s = rarely() ? below(UINT32_MAX) : 0,
        .contradicted_at_s = below(UINT32_MAX),
        .seen_at_s = below(UINT32_MAX),
    };
}

static void verdict_draw(struct verdict *verdict)
{
    memset(verdict, 0x55, sizeof *verdict);
    verdict->class = (enum tls_class)below(CLASS_COUNT);
    verdict->level = (enum level)below(LEVEL_AUTHENTICATED + 1);
    verdict->conclusion = (enum conclusion)(rarely() ? below(CONCLUSION_COUNT) : 0);
    verdict->cause = (enum cause)below(CAUSE_COUNT);
    verdict->enforce = (enum enforce)below(ENFORCE_COUNT);
    verdict->flags = rarely() ? below(1 << 16) : 1u << below(16);
    verdict->tls_version = (uint16_t)below(0x305);
    verdict->hosts = (uint8_t)below(3);
    verdict->hosts_good = (uint8_t)below(3);
    verdict->smtp_code = (uint16_t)below(600);
    verdict->began_ms = rarely() ? 0 : NOW_MS - 1000 + below(2000);
    verdict->valid_until_ms = rarely() ? NOW_MS - below(2) : NOW_MS + 1 + below(1000);
    snprintf(verdict->host, sizeof verdict->host, "mx%u.example.org", below(100));
    snprintf(verdict->match, sizeof verdict->match, "%s",
             below(4) == 0 ? "a.example:b.example" : "");
    verdict->pins.count = (uint8_t)(below(4) == 0 ? 1 + below(VERDICT_PINS_MAX) : 0);
    verdict->address[0] = '\0';
    floor_draw(&verdict->floor);
}

static void profile_draw(struct profile *profile)
{
    memset(profile, 0, sizeof *profile);
    snprintf(profile->name, sizeof profile->name, "profile-%u", below(2));
    profile->minimum = (enum level)below(LEVEL_AUTHENTICATED + 1);
    profile->unmet = below(2) == 0 ? UNMET_HOLD : UNMET_STOP;
    profile->observe = rarely();
    profile->exempt_auto_replies = rarely();
    profile->exempt_forwards = rarely();
    profile->allow_tls_required_no = rarely();
    profile->refuse_at_rcpt = rarely();
}

static void decision_draw(struct decision *decision)
{
    memset(decision, 0, sizeof *decision);
    decision->has_profile = below(4) != 0;
    decision->switched_off = rarely();
    decision->observe = rarely();
    decision->enforced = rarely();
    decision->facts = rarely() ? below(1 << 10) & FACTS_KNOWN : 0;
    decision->now_s = RULE_CLOCK_FIRST_S + below(1000);
    decision->want_keys = rarely();
    decision->openpgp = rarely() ? MAIL_KEY_PRESENT : MAIL_KEY_NOT_ASKED;
    decision->has_alias = rarely();
    decision->alias_mode = rarely() ? ALIAS_OFF : ALIAS_NONE;
    decision->has_recipient_floor = rarely();
    floor_draw(&decision->recipient_floor);
    profile_draw(&decision->profile);
    profile_draw(&decision->alias);
    ck_assert_int_eq(
        next_hop_parse(&decision->next_hop, rarely() ? "[192.0.2.1]" : "example.org", 11), NAME_OK);
}

static void known_draw(struct known *known)
{
    known->there = !rarely();
    known->stale = rarely();
    verdict_draw(&known->verdict);
}

/* --- beside it --- */

static void say_alone(struct mxw_decision *out, const struct decision *decision,
                      const struct known *known)
{
    const struct verdict *verdict = known_verdict(known);
    struct frame_answer reply;
    struct answer answer;

    decide_answer(&answer, decision, verdict, known->stale, NOW_MS);
    decide_reply(&reply, decision, &answer, verdict, NOW_MS);
    reply.limited = known->stale || !known->there;
    reply.from_table = true;
    decision_read(out, &reply);
}

/* Beyond the ends of texts there may be anything. */
static void clean(struct mxw_decision *decision)
{
    char *const texts[] = {decision->policy, decision->code, decision->text, decision->profile,
                           decision->host};
    const size_t sizes[] = {sizeof decision->policy, sizeof decision->code, sizeof decision->text,
                            sizeof decision->profile, sizeof decision->host};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t length = strnlen(texts[i], sizes[i]);

        ck_assert_uint_lt(length, sizes[i]);
        memset(texts[i] + length, 0, sizes[i] - length);
    }
}

static bool is_said(const struct decision *decision, const struct known *known)
{
    static struct mxw_decision said, alone;
    static struct {
        struct decision decision;
        struct known known;
        struct mxw_decision out;
    } other;

    memset(&said, 0, sizeof said);
    memset(&alone, 0, sizeof alone);
    const uint64_t expected = below(2) == 0 ? usual_expect(&usual, &said) : 0;
    if (rarely()) { /* another one in between, whose answer may take that one's place */
        decision_draw(&other.decision);
        known_draw(&other.known);
        usual_decide(&usual, &other.out, 0, &other.decision, &other.known, NOW_MS);
    }
    if (!usual_decide(&usual, &said, expected, decision, known, NOW_MS))
        return false;
    say_alone(&alone, decision, known);
    clean(&said);
    clean(&alone);
    ck_assert_str_eq(said.text, alone.text);
    ck_assert_str_eq(said.policy, alone.policy);
    ck_assert_mem_eq(&said, &alone, sizeof said);
    return true;
}

START_TEST(what_is_said_of_a_usual_message_is_what_is_said_of_it_alone)
{
    static struct decision decision;
    static struct known known;
    unsigned said = 0;

    srandom(1);
    for (unsigned i = 0; i < MESSAGES; i++) {
        decision_draw(&decision);
        known_draw(&known);
        said += is_said(&decision, &known);
        said += is_said(&decision, &known); /* now it is kept */
    }
    ck_assert_uint_gt(said, MESSAGES / 20);
}
END_TEST

START_TEST(mail_that_is_not_plainly_sent_is_answered_by_itself)
{
    struct decision decision = {.next_hop.name = {11, "example.org"}};
    struct known known = {.there = true,
                          .verdict = {.class = CLASS_NONE,
                                      .cause = CAUSE_NO_STARTTLS,
                                      .host = "mx.example.org",
                                      .hosts = 1,
                                      .hosts_good = 1,
                                      .valid_until_ms = NOW_MS + 1}};
    static struct mxw_decision out;

    memset(&usual, 0, sizeof usual);
    ck_assert(usual_decide(&usual, &out, 0, &decision, &known, NOW_MS));
    ck_assert_str_eq(out.host, "mx.example.org");
    decision.has_profile = true;
    decision.profile.minimum = LEVEL_ENCRYPT; /* seen not to be met: the text names the host */
    ck_assert(!usual_decide(&usual, &out, 0, &decision, &known, NOW_MS));
    decision.profile.observe = true;
    ck_assert(!usual_decide(&usual, &out, 0, &decision, &known, NOW_MS));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("usual messages");
    TCase *cases = tcase_create("usual messages");
    SRunner *runner;
    int failed;

    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, what_is_said_of_a_usual_message_is_what_is_said_of_it_alone);
    tcase_add_test(cases, mail_that_is_not_plainly_sent_is_answered_by_itself);
    suite_add_tcase(suite, cases);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
