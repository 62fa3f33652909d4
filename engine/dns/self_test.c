/*
 * self_test.c - asks for what must be secure and what must be bogus, and says when it is not.
 *
 * Called by a resolver's thread. Its questions go the way of all others, only that their answers
 * come here. A question that failed (no network yet, a dead server) decides nothing: the result
 * stays what it was, and the next try is soon.
 */
#include "engine/dns/self_test.h"

#include "engine/base/log.h"

#include <errno.h>
#include <string.h>

#define ASK_MS    5000   /* for one question */
#define SOON_MS   1000   /* first pause after a try that decided nothing; doubles … */
#define LATEST_MS 60000  /* … up to this */
#define PASSED_MS 600000 /* pause after all was well */

static const char *const tops[SELF_TEST_TOPS] = {"com", "net", "org", "de", "eu", "arpa",
                                                 "uk",  "nl",  "ch",  "at", "fr", "info"};

static void question_name(struct dns_question *question, const char *text, enum dns_type type)
{
    question->name.length = (uint8_t)strlen(text);
    memcpy(question->name.text, text, strlen(text) + 1);
    question->type = type;
}

bool self_test_read_bogus(struct name *name, const char *bogus_name)
{
    *name = (struct name){0};
    return bogus_name == NULL || *bogus_name == '\0' ||
           name_parse(name, bogus_name, strlen(bogus_name)) == NAME_OK;
}

int self_test_create(struct self_test *test, struct look_ups *look_ups, const char *bogus_name,
                     struct resolver_counts *counts)
{
    memset(test, 0, sizeof *test);
    test->look_ups = look_ups;
    test->counts = counts;
    test->pause_ms = SOON_MS;
    atomic_store_explicit(&test->text, "validation has not been tried yet", memory_order_relaxed);
    question_name(&test->root, "", DNS_SOA);
    for (size_t i = 0; i < SELF_TEST_TOPS; i++)
        question_name(&test->tops[i], tops[i], DNS_SOA);
    test->bogus.type = DNS_A;
    if (!self_test_read_bogus(&test->bogus.name, bogus_name))
        return -EINVAL;
    test->has_bogus = test->bogus.name.length > 0;
    return 0;
}

static void ask(struct self_test *test, struct dns_question *question, uint64_t now_ms)
{
    test->asked++;
    question->deadline_ms = now_ms + ASK_MS;
    look_ups_forget_failure(test->look_ups, &question->name, question->type);
    look_ups_ask(test->look_ups, question, now_ms);
}

uint64_t self_test_turn(struct self_test *test, uint64_t now_ms)
{
    if (test->asked > 0)
        return UINT64_MAX; /* an answer will come */
    if (now_ms < test->again_ms)
        return test->again_ms;
    /* Unless the answers say otherwise. */
    test->again_ms = now_ms + ASK_MS + test->pause_ms;
    test->pause_ms = test->pause_ms * 2 < LATEST_MS ? test->pause_ms * 2 : LATEST_MS;
    ask(test, &test->root, now_ms);
    return UINT64_MAX;
}

/* Relaxed: the result and its text are for people and for whoever polls; nothing is published
 * through them. */
static void conclude(struct self_test *test, enum resolver_self_test result, const char *text,
                     const char *why)
{
    uint32_t before =
        atomic_exchange_explicit(&test->counts->self_test, result, memory_order_relaxed);

    atomic_store_explicit(&test->text, text, memory_order_relaxed);
    if (result == SELF_TEST_FAILED)
        log_warning("dnssec-self-test", "result=failed text=\"%s\" why=\"%s\"", text, why);
    else if (result != before)
        log_notice("dnssec-self-test", "result=%s text=\"%s\"",
                   result == SELF_TEST_PASSED ? "passed" : "pending", text);
}

static void passed(struct self_test *test, uint64_t now_ms, const char *text)
{
    test->again_ms = now_ms + PASSED_MS;
    test->pause_ms = SOON_MS;
    conclude(test, SELF_TEST_PASSED, text, "");
}

/* Nothing was decided. Before the first result that is worth a text of its own. */
static void undecided(struct self_test *test, const char *text)
{
    if (atomic_load_explicit(&test->counts->self_test, memory_order_relaxed) == SELF_TEST_PENDING)
        atomic_store_explicit(&test->text, text, memory_order_relaxed);
}

static void root_answered(struct self_test *test, const struct dns_answer *answer)
{
    uint64_t now_ms = answer->at_ms;

    test->root_seen = true;
    if (answer->kind == DNS_SECURE_DATA) {
        test->root_insecure = false;
        if (test->has_bogus)
            ask(test, &test->bogus, now_ms);
        else
            passed(test, now_ms, "the root is secure; no bogus name is configured to try");
        for (size_t i = 0; i < SELF_TEST_TOPS; i++)
            ask(test, &test->tops[i], now_ms);
    } else if (answer->kind == DNS_BOGUS) {
        conclude(test, SELF_TEST_FAILED,
                 "the root does not validate: look at the clock, the trust "
                 "anchor, and the forwarder",
                 answer->why);
    } else if (answer->kind == DNS_ERROR) {
        undecided(test, "the root could not be asked");
    } else {
        test->root_insecure = true;
        conclude(test, SELF_TEST_FAILED, "the root is not secure: nothing can be validated here",
                 dns_kind_name(answer->kind));
    }
}

static void bogus_answered(struct self_test *test, const struct dns_answer *answer)
{
    if (answer->kind == DNS_BOGUS) {
        test->bogus_passes = false;
        passed(test, answer->at_ms, "the root is secure and the bogus name is bogus");
    } else if (answer->kind == DNS_ERROR) {
        undecided(test, "the bogus name could not be asked");
    } else {
        test->bogus_passes = true;
        conclude(test, SELF_TEST_FAILED,
                 "the name configured as bogus is not bogus: until it is, nothing is believed "
                 "(dns.bogus_name)",
                 dns_kind_name(answer->kind));
    }
}

static bool is_top(const struct self_test *test, const struct dns_question *question)
{
    return question >= test->tops && question < test->tops + SELF_TEST_TOPS;
}

bool self_test_takes(struct self_test *test, struct dns_question *question)
{
    if (question != &test->root && question != &test->bogus && !is_top(test, question))
        return false;
    const struct dns_answer *answer = question->answer;
    test->asked--;
    question->answer = NULL;
    if (question == &test->root)
        root_answered(test, answer);
    else if (question == &test->bogus)
        bogus_answered(test, answer);
    dns_answer_drop(answer);
    return true;
}
