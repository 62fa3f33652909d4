/*
 * dns_asking_test.c - a shard's questions to a resolver (engine/dns/asking): what is asked again,
 * and what is answered from what it was told.
 */
#include "engine/dns/asking.h"

#include "engine/base/clock.h"
#include "engine/base/container.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { SHARD, RESOLVER, THREADS };

static struct exchange *exchange;
static struct mailbox *shard, *resolver;
static struct kept_answers *kept;
static struct dns_question question;

static void no_wake(void *context, uint16_t to)
{
    (void)context, (void)to;
}

static void set_up(void)
{
    ck_assert_int_eq(exchange_create(&exchange, THREADS, 8), 0);
    shard = mailbox_open(exchange, SHARD, no_wake, NULL);
    resolver = mailbox_open(exchange, RESOLVER, no_wake, NULL);
    ck_assert_int_eq(kept_answers_create(&kept, 16), 0);
    question = (struct dns_question){.type = DNS_MX};
    ck_assert_int_eq(name_parse(&question.name, "example.org", 11), NAME_OK);
}

static void tear_down(void)
{
    kept_answers_destroy(kept);
    exchange_destroy(exchange);
}

/* Whether the resolver was asked; it answers so, `age_ms` ago. The answer is dropped at home. */
static bool is_asked(struct kept_answers *by, enum dns_kind kind, uint32_t ttl_s, uint64_t age_ms)
{
    struct message *message;
    bool asked;

    dns_ask(shard, by, RESOLVER, &question);
    message = mailbox_receive(resolver);
    asked = message != NULL;
    if (asked) {
        struct dns_answer *answer = calloc(1, sizeof *answer);

        ck_assert_ptr_eq(message, &question.message);
        ck_assert_ptr_null(question.answer);
        atomic_init(&answer->references, 1);
        answer->kind = kind;
        answer->type = question.type;
        answer->owner = question.name;
        answer->ttl_s = ttl_s;
        answer->at_ms = clock_boot_ms() - age_ms;
        question.answer = answer;
        mailbox_send(resolver, SHARD, message);
    }
    ck_assert_ptr_eq(mailbox_receive(shard), &question.message); /* a message either way */
    ck_assert_ptr_nonnull(question.answer);
    dns_told(shard, by, &question);
    dns_answer_drop(question.answer);
    return asked;
}

START_TEST(an_answer_serves_within_its_TTL_MX_17)
{
    ck_assert(is_asked(kept, DNS_SECURE_DATA, 300, 200000));
    ck_assert(!is_asked(kept, DNS_ERROR, 0, 0));
    ck_assert(!is_asked(kept, DNS_ERROR, 0, 0)); /* what came from here stays here */
    ck_assert(is_asked(NULL, DNS_SECURE_DATA, 300, 0));
    question.type = DNS_A;
    ck_assert(is_asked(kept, DNS_INSECURE_NODATA, 300, 0));
    ck_assert(!is_asked(kept, DNS_ERROR, 0, 0));
    ck_assert_int_eq(name_parse(&question.name, "example.net", 11), NAME_OK);
    ck_assert(is_asked(kept, DNS_INSECURE_NODATA, 300, 0));
}
END_TEST

START_TEST(an_answer_does_not_serve_beyond_its_TTL_DNS_11)
{
    ck_assert(is_asked(kept, DNS_SECURE_DATA, 300, 300000));
    ck_assert(is_asked(kept, DNS_SECURE_NXDOMAIN, 0, 0)); /* for that use only */
    ck_assert(is_asked(kept, DNS_SECURE_NODATA, 300, 0));
    ck_assert(!is_asked(kept, DNS_ERROR, 0, 0));
}
END_TEST

START_TEST(trouble_is_asked_for_anew_DNS_09)
{
    ck_assert(is_asked(kept, DNS_ERROR, 300, 0));
    ck_assert(is_asked(kept, DNS_BOGUS, 300, 0));
    ck_assert(is_asked(kept, DNS_SECURE_DATA, 300, 0));
    ck_assert(!is_asked(kept, DNS_ERROR, 0, 0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dns asking");
    TCase *cases = tcase_create("kept");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, an_answer_serves_within_its_TTL_MX_17);
    tcase_add_test(cases, an_answer_does_not_serve_beyond_its_TTL_DNS_11);
    tcase_add_test(cases, trouble_is_asked_for_anew_DNS_09);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
