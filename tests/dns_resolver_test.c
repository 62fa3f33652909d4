/*
 * dns_resolver_test.c - the resolver against real name servers (standards.md DNS-01..14, DANE-21;
 * issue text of the resolver): NSD in a network namespace, zones signed at test time.
 *
 * Each test starts its own resolver thread with an empty cache; this thread is the asker, with a
 * ring and a mailbox of its own. Skipped (77) only where no namespace can be made.
 */
#include "engine/dns/resolver.h"

#include "engine/base/clock.h"
#include "engine/base/keymap.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"

#include "tests/dns_zones/world.h"

#include <check.h>

enum { ASKER, RESOLVER, THREADS };

static struct world world;

/* --- the asker --- */

struct asker {
    struct ring *ring;
    struct exchange *exchange;
    struct mailbox *mailbox;
    struct resolver *resolver;
    int ring_descriptors[THREADS];
};

static void wake(void *context, uint16_t to)
{
    struct asker *a = context;
    ring_wake(a->ring, a->ring_descriptors[to]);
}

static void nothing_else(void *context, const struct ring_completion *completion)
{
    (void)context, (void)completion;
    ck_abort_msg("no operation of ours is out");
}

static struct resolver_options world_options(void)
{
    return (struct resolver_options){
        .root_hints = world.hints, .trust_anchor = world.anchor, .bogus_name = "bogus.post"};
}

static void asker_open(struct asker *a, const struct resolver_options *options, uint32_t capacity)
{
    struct ring_limits limits = {.submissions = 64};
    char why[256] = "";

    ck_assert_int_eq(ring_create(&a->ring, &limits), 0);
    ck_assert_int_eq(exchange_create(&a->exchange, THREADS, capacity), 0);
    a->mailbox = mailbox_open(a->exchange, ASKER, wake, a);
    a->ring_descriptors[ASKER] = ring_descriptor(a->ring);
    struct resolver_options mine = *options;
    mine.ring_descriptors = a->ring_descriptors;
    int error = resolver_start(&a->resolver, &mine, a->exchange, RESOLVER, why);
    ck_assert_msg(error == 0, "%s", why);
    a->ring_descriptors[RESOLVER] = resolver_descriptor(a->resolver);
}

static void asker_close(struct asker *a)
{
    resolver_stop(a->resolver);
    exchange_destroy(a->exchange);
    ring_destroy(a->ring);
}

static void send_question(struct asker *a, struct dns_question *question)
{
    ck_assert_ptr_null(question->answer);
    mailbox_send(a->mailbox, RESOLVER, &question->message);
}

/* Waits until `count` questions have come home, at most until `until_ms`; returns how many have. */
static unsigned receive_until(struct asker *a, unsigned count, uint64_t until_ms)
{
    unsigned home = 0;

    for (;;) {
        struct message *message;
        while (home < count && (message = mailbox_receive(a->mailbox))) {
            struct dns_question *question = container_of(message, struct dns_question, message);
            ck_assert_ptr_nonnull(question->answer);
            home++;
        }
        mailbox_flush(a->mailbox);
        if (home == count || clock_boot_ms() >= until_ms)
            return home;
        if (mailbox_may_sleep(a->mailbox))
            ck_assert_int_ge(ring_turn(a->ring, until_ms, nothing_else, a), 0);
        mailbox_awake(a->mailbox);
    }
}

static struct dns_question question_of(const char *name, enum dns_type type, uint64_t budget_ms)
{
    struct dns_question question = {.type = type, .deadline_ms = clock_boot_ms() + budget_ms};
    if (*name)
        ck_assert_int_eq(name_parse(&question.name, name, strlen(name)), NAME_OK);
    return question;
}

static const struct dns_answer *ask_within(struct asker *a, const char *name, enum dns_type type,
                                           uint64_t budget_ms)
{
    struct dns_question question = question_of(name, type, budget_ms);
    send_question(a, &question);
    ck_assert_uint_eq(receive_until(a, 1, question.deadline_ms + 3000), 1);
    ck_assert_str_eq(question.answer->owner.text, question.name.text);
    return question.answer;
}

static const struct dns_answer *ask(struct asker *a, const char *name, enum dns_type type)
{
    return ask_within(a, name, type, 10000);
}

static void expect(struct asker *a, const char *name, enum dns_type type, enum dns_kind kind)
{
    const struct dns_answer *answer = ask(a, name, type);
    ck_assert_msg(answer->kind == kind, "%s %s is %s (%s: %s), not %s", name, dns_type_name(type),
                  dns_kind_name(answer->kind), dns_trouble_name(answer->trouble), answer->why,
                  dns_kind_name(kind));
    dns_answer_drop(answer);
}

static uint64_t counted(const counter *value)
{
    return counter_read(value);
}

/* --- kinds --- */

START_TEST(every_kind_comes_from_real_servers_DNS_01)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    expect(&a, "secure.post", DNS_MX, DNS_SECURE_DATA);
    expect(&a, "mx1.secure.post", DNS_A, DNS_SECURE_DATA);
    expect(&a, "mx1.secure.post", DNS_AAAA, DNS_SECURE_DATA);
    expect(&a, "_25._tcp.mx1.secure.post", DNS_TLSA, DNS_SECURE_DATA);
    expect(&a, "secure.post", DNS_TXT, DNS_SECURE_DATA);
    expect(&a, "", DNS_SOA, DNS_SECURE_DATA);
    expect(&a, "mx2.secure.post", DNS_AAAA, DNS_SECURE_NODATA);
    expect(&a, "_25._tcp.mx2.secure.post", DNS_TLSA, DNS_SECURE_NXDOMAIN);
    expect(&a, "nobody.secure.post", DNS_MX, DNS_SECURE_NXDOMAIN);
    expect(&a, "hashed.post", DNS_MX, DNS_SECURE_DATA);
    expect(&a, "nobody.hashed.post", DNS_MX, DNS_SECURE_NXDOMAIN);
    expect(&a, "hashed.post", DNS_TXT, DNS_SECURE_NODATA);
    expect(&a, "insecure.post", DNS_MX, DNS_INSECURE_DATA);
    expect(&a, "insecure.post", DNS_TXT, DNS_INSECURE_NODATA);
    expect(&a, "nobody.insecure.post", DNS_MX, DNS_INSECURE_NXDOMAIN);
    expect(&a, "plain.open", DNS_MX, DNS_INSECURE_DATA); /* NSEC3 opt-out */
    expect(&a, "bogus.post", DNS_MX, DNS_BOGUS);
    expect(&a, "mx.bogus.post", DNS_A, DNS_BOGUS);
    asker_close(&a);
}
END_TEST

START_TEST(records_arrive_whole)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);

    const struct dns_answer *answer = ask(&a, "secure.post", DNS_MX);
    ck_assert_uint_eq(answer->count, 2);
    unsigned first = answer->mx[0].preference == 10 ? 0 : 1;
    ck_assert_uint_eq(answer->mx[first].preference, 10);
    ck_assert_str_eq(answer->mx[first].exchange.text, "mx1.secure.post");
    ck_assert_uint_eq(answer->mx[1 - first].preference, 20);
    ck_assert_uint_le(answer->ttl_s, 300);
    ck_assert_uint_ge(answer->ttl_s, 295);
    dns_answer_drop(answer);

    answer = ask(&a, "_25._tcp.mx1.secure.post", DNS_TLSA);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->tlsa[0].usage, 3);
    ck_assert_uint_eq(answer->tlsa[0].size, 32);
    ck_assert_uint_le(answer->ttl_s, 120);
    dns_answer_drop(answer);

    answer = ask(&a, "secure.post", DNS_TXT);
    ck_assert_mem_eq(answer->text[0].data, "v=spf1 -all", 11);
    dns_answer_drop(answer);

    answer = ask(&a, "null.secure.post", DNS_MX);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(answer->mx[0].exchange.length, 0);
    dns_answer_drop(answer);

    answer = ask(&a, "odd.secure.post", DNS_MX);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert(!answer->mx[0].usable);
    dns_answer_drop(answer);

    answer = ask(&a, "many.secure.post", DNS_MX);
    ck_assert_uint_eq(answer->count, 398);
    dns_answer_drop(answer);

    answer = ask(&a, "nobody.secure.post", DNS_MX); /* DNS-10: the SOA's minimum */
    ck_assert_uint_le(answer->ttl_s, 300);
    ck_assert_uint_gt(answer->ttl_s, 0);
    dns_answer_drop(answer);
    asker_close(&a);
}
END_TEST

START_TEST(an_answer_too_large_for_a_packet_comes_over_tcp)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    const struct dns_answer *answer = ask(&a, "_25._tcp.big.secure.post", DNS_TLSA);
    ck_assert_str_eq(dns_kind_name(answer->kind), "secure data");
    ck_assert_uint_eq(answer->count, LIMIT_TLSA);
    ck_assert_uint_eq(answer->count + answer->dropped, 40);
    dns_answer_drop(answer);
    asker_close(&a);
}
END_TEST

START_TEST(security_of_an_alias_is_that_of_the_whole_chain_and_each_hop_can_be_asked_DNS_04)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    const struct dns_answer *answer = ask(&a, "far.secure.post", DNS_A);
    ck_assert_str_eq(dns_kind_name(answer->kind), "insecure data");
    ck_assert_str_eq(answer->canonical.text, "host.insecure.post");
    ck_assert_uint_eq(answer->aliases, 1);
    dns_answer_drop(answer);
    answer = ask(&a, "far.secure.post", DNS_CNAME);
    ck_assert_str_eq(dns_kind_name(answer->kind), "secure data");
    ck_assert_str_eq(answer->canonical.text, "host.insecure.post");
    dns_answer_drop(answer);

    expect(&a, "near.insecure.post", DNS_A, DNS_INSECURE_DATA);
    expect(&a, "near.insecure.post", DNS_CNAME, DNS_INSECURE_DATA);
    expect(&a, "mx1.secure.post", DNS_A, DNS_SECURE_DATA);
    expect(&a, "mx1.secure.post", DNS_CNAME, DNS_SECURE_NODATA);

    answer = ask(&a, "alias.secure.post", DNS_A);
    ck_assert_str_eq(dns_kind_name(answer->kind), "secure data");
    ck_assert_str_eq(answer->canonical.text, "mx1.secure.post");
    dns_answer_drop(answer);
    answer = ask(&a, "_25._tcp.mx3.secure.post", DNS_TLSA); /* DANE-05 */
    ck_assert_str_eq(dns_kind_name(answer->kind), "secure data");
    ck_assert_str_eq(answer->canonical.text, "_25._tcp.mx1.secure.post");
    dns_answer_drop(answer);
    asker_close(&a);
}
END_TEST

START_TEST(an_alias_asked_for_with_a_cold_cache_is_found_DNS_03)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    const struct dns_answer *answer = ask(&a, "alias.secure.post", DNS_CNAME);
    ck_assert_str_eq(dns_kind_name(answer->kind), "secure data");
    ck_assert_str_eq(answer->canonical.text, "mx1.secure.post");
    dns_answer_drop(answer);
    asker_close(&a);
}
END_TEST

START_TEST(an_alias_loop_is_an_error_MX_01)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    expect(&a, "loop1.secure.post", DNS_A, DNS_ERROR);
    asker_close(&a);
}
END_TEST

/* --- failures --- */

START_TEST(servers_that_fail_or_refuse_are_errors_never_absence_DNS_02)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    static const char *const names[] = {"failing.post", "refused.post"};
    for (int i = 0; i < 2; i++) {
        const struct dns_answer *answer = ask(&a, names[i], DNS_MX);
        ck_assert_str_eq(dns_kind_name(answer->kind), "error");
        ck_assert_int_eq(answer->trouble, DNS_TROUBLE_SERVFAIL);
        dns_answer_drop(answer);
    }
    asker_close(&a);
}
END_TEST

START_TEST(tlsa_failures_below_a_sound_host_are_seen_DANE_15)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    expect(&a, "f.secure.post", DNS_A, DNS_SECURE_DATA);
    expect(&a, "_25._tcp.f.secure.post", DNS_TLSA, DNS_ERROR);
    expect(&a, "b.secure.post", DNS_A, DNS_SECURE_DATA);
    expect(&a, "_25._tcp.b.secure.post", DNS_TLSA, DNS_BOGUS);
    const struct dns_answer *answer = ask_within(&a, "_25._tcp.t.secure.post", DNS_TLSA, 1000);
    ck_assert_str_eq(dns_trouble_name(answer->trouble), "timeout");
    dns_answer_drop(answer);
    asker_close(&a);
}
END_TEST

START_TEST(a_silent_server_ends_at_our_deadline_DNS_13)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    const struct resolver_counts *counts = resolver_counts(a.resolver);
    expect(&a, "post", DNS_SOA, DNS_SECURE_DATA); /* past the start */
    for (uint64_t budget_ms = 100; budget_ms <= 900; budget_ms += 400) {
        uint64_t start_ms = clock_boot_ms();
        const struct dns_answer *answer = ask_within(&a, "silent.post", DNS_MX, budget_ms);
        uint64_t took_ms = clock_boot_ms() - start_ms;
        /* On a machine so busy that the thread itself is late, it takes the blame. */
        if (counted(&counts->late) == 0)
            ck_assert_int_eq(answer->trouble, DNS_TROUBLE_TIMEOUT);
        ck_assert_uint_ge(took_ms, budget_ms - 1);
        ck_assert_uint_le(took_ms, budget_ms + 2000);
        dns_answer_drop(answer);
    }
    ck_assert_uint_eq(counted(&counts->timed_out) + counted(&counts->late), 3);
    /* All three shared one look-up, which goes on without them. */
    ck_assert_uint_eq(counted(&counts->shared), 2);
    asker_close(&a);
}
END_TEST

START_TEST(a_long_silence_is_remembered_and_a_short_one_is_not)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    const struct resolver_counts *counts = resolver_counts(a.resolver);
    dns_answer_drop(ask_within(&a, "silent.post", DNS_MX, 300));
    dns_answer_drop(ask_within(&a, "silent.post", DNS_MX, LIMIT_DNS_PATIENCE_MS));
    ck_assert_uint_eq(counted(&counts->cached_failures), 0);
    uint64_t start_ms = clock_boot_ms();
    const struct dns_answer *answer = ask(&a, "silent.post", DNS_MX);
    ck_assert_uint_lt(clock_boot_ms() - start_ms, 100);
    ck_assert_int_eq(answer->kind, DNS_ERROR);
    ck_assert_uint_eq(counted(&counts->cached_failures), 1);
    dns_answer_drop(answer);
    asker_close(&a);
}
END_TEST

START_TEST(failures_are_asked_once_and_then_remembered_DNS_09)
{
    struct asker a;
    struct resolver_options options = world_options();
    options.bogus_name = NULL;
    asker_open(&a, &options, 16);
    static const struct {
        const char *name;
        enum world_server server;
        enum dns_kind kind;
    } rows[] = {{"counted.post", WORLD_RELAY, DNS_BOGUS},
                {"failing.post", WORLD_FAILING, DNS_ERROR}};
    for (int i = 0; i < 2; i++) {
        const struct dns_answer *first = ask(&a, rows[i].name, DNS_MX);
        ck_assert_str_eq(dns_kind_name(first->kind), dns_kind_name(rows[i].kind));
        unsigned asked = atomic_load(&world.shared->asked[rows[i].server]);
        ck_assert_uint_gt(asked, 0);
        for (int again = 0; again < 100; again++) {
            const struct dns_answer *answer = ask(&a, rows[i].name, DNS_MX);
            ck_assert_ptr_eq(answer, first); /* the very same, with its age */
            dns_answer_drop(answer);
        }
        ck_assert_uint_eq(atomic_load(&world.shared->asked[rows[i].server]), asked);
        dns_answer_drop(first);
    }
    ck_assert_uint_eq(counted(&resolver_counts(a.resolver)->cached_failures), 200);
    asker_close(&a);
}
END_TEST

START_TEST(a_servfail_from_libunbounds_own_cache_is_an_error_too_DNS_02)
{
    /* Two types of one broken zone: libunbound answers the second from what it remembers of the
     * servers, and the same type again, past our own memory (another resolver's would do), as a
     * cached message with callback rcode 0. */
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    expect(&a, "refused.post", DNS_MX, DNS_ERROR);
    expect(&a, "refused.post", DNS_A, DNS_ERROR);
    expect(&a, "refused.post", DNS_TLSA, DNS_ERROR);
    expect(&a, "refused.post", DNS_MX, DNS_ERROR);
    asker_close(&a);
}
END_TEST

START_TEST(what_has_run_out_is_not_served_when_the_servers_are_gone_DNS_12)
{
    struct asker a;
    struct resolver_options options = world_options();
    atomic_store(&world.shared->fickle_is_silent, false);
    asker_open(&a, &options, 16);
    expect(&a, "fleeting.post", DNS_MX, DNS_INSECURE_DATA);
    atomic_store(&world.shared->fickle_is_silent, true);
    nanosleep(&(struct timespec){.tv_sec = 2, .tv_nsec = 200000000}, NULL);
    const struct dns_answer *answer = ask_within(&a, "fleeting.post", DNS_MX, 1500);
    ck_assert_str_eq(dns_kind_name(answer->kind), "error");
    dns_answer_drop(answer);
    atomic_store(&world.shared->fickle_is_silent, false);
    asker_close(&a);
}
END_TEST

/* --- bounds --- */

enum { CROWD = 1000 };
static struct dns_question crowd[CROWD];

static void crowd_drop(void)
{
    for (unsigned i = 0; i < CROWD; i++) {
        dns_answer_drop(crowd[i].answer);
        crowd[i].answer = NULL;
    }
}

START_TEST(a_thousand_questions_at_once_are_all_answered_rightly)
{
    static const struct {
        const char *under;
        enum dns_type type;
        enum dns_kind kind;
    } rows[] = {
        {"secure.post", DNS_MX, DNS_SECURE_NXDOMAIN},
        {"insecure.post", DNS_MX, DNS_INSECURE_NXDOMAIN},
        {"hashed.post", DNS_TLSA, DNS_SECURE_NXDOMAIN},
        {"bogus.post", DNS_A, DNS_BOGUS},
        {"refused.post", DNS_A, DNS_ERROR},
    };
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 1); /* the smallest mailbox: parking both ways */
    for (unsigned i = 0; i < CROWD; i++) {
        char name[64];
        snprintf(name, sizeof name, "n%u.%s", i / 2, rows[i / 2 % 5].under); /* each name twice */
        crowd[i] = question_of(name, rows[i / 2 % 5].type, 30000);
        send_question(&a, &crowd[i]);
    }
    ck_assert_uint_eq(receive_until(&a, CROWD, clock_boot_ms() + 40000), CROWD);
    for (unsigned i = 0; i < CROWD; i++)
        ck_assert_msg(crowd[i].answer->kind == rows[i / 2 % 5].kind, "%s: %s (%s: %s)",
                      crowd[i].name.text, dns_kind_name(crowd[i].answer->kind),
                      dns_trouble_name(crowd[i].answer->trouble), crowd[i].answer->why);
    crowd_drop();
    /* The count follows the answers by a moment. */
    for (int i = 0; i < 100 && atomic_load(&resolver_counts(a.resolver)->held) > 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    unsigned held = atomic_load(&resolver_counts(a.resolver)->held);
    ck_assert_uint_eq(held, 0);
    asker_close(&a);
}
END_TEST

START_TEST(more_than_the_cap_is_refused_at_once_and_the_rest_served)
{
    struct asker a;
    struct resolver_options options = world_options();
    options.outstanding = 50;
    asker_open(&a, &options, CROWD);
    expect(&a, "post", DNS_SOA, DNS_SECURE_DATA);
    for (unsigned i = 0; i < 200; i++) {
        char name[64];
        snprintf(name, sizeof name, "n%u.silent.post", i);
        crowd[i] = question_of(name, DNS_A, 1000);
        send_question(&a, &crowd[i]);
    }
    uint64_t start_ms = clock_boot_ms();
    unsigned refused = receive_until(&a, 200, start_ms + 400);
    ck_assert_uint_ge(refused, 130);
    ck_assert_uint_le(refused, 150); /* the self-test may hold some of the fifty places */
    ck_assert_uint_eq(refused + receive_until(&a, 200 - refused, start_ms + 3000), 200);
    unsigned timed_out = 0; /* of those held, the ones that were begun in time */
    for (unsigned i = 0; i < 200; i++)
        timed_out += crowd[i].answer->trouble == DNS_TROUBLE_TIMEOUT;
    ck_assert_uint_gt(timed_out, 0);
    ck_assert_uint_le(timed_out, 64);
    crowd_drop();
    expect(&a, "secure.post", DNS_MX, DNS_SECURE_DATA); /* and nothing is stuck */
    asker_close(&a);
}
END_TEST

START_TEST(dead_names_do_not_keep_the_places_inside)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, CROWD);
    for (unsigned i = 0; i < 400; i++) {
        char name[64];
        snprintf(name, sizeof name, "n%u.silent.post", i);
        crowd[i] = question_of(name, DNS_A, 700);
        send_question(&a, &crowd[i]);
    }
    ck_assert_uint_eq(receive_until(&a, 400, clock_boot_ms() + 4000), 400);
    crowd_drop();
    uint64_t start_ms = clock_boot_ms();
    expect(&a, "secure.post", DNS_MX, DNS_SECURE_DATA);
    ck_assert_uint_lt(clock_boot_ms() - start_ms, 1000);
    asker_close(&a);
}
END_TEST

START_TEST(stopping_answers_what_is_outstanding)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, CROWD);
    for (unsigned i = 0; i < 500; i++) {
        char name[64];
        snprintf(name, sizeof name, "n%u.silent.post", i);
        crowd[i] = question_of(name, DNS_A, 60000);
        send_question(&a, &crowd[i]);
    }
    ck_assert_uint_eq(receive_until(&a, 500, clock_boot_ms() + 200), 0);
    resolver_stop(a.resolver);
    ck_assert_uint_eq(receive_until(&a, 500, clock_boot_ms() + 100), 500);
    for (unsigned i = 0; i < 500; i++) {
        ck_assert_int_eq(crowd[i].answer->trouble, DNS_TROUBLE_OURS);
        ck_assert_uint_eq(crowd[i].answer->ttl_s, 0);
    }
    crowd_drop();
    exchange_destroy(a.exchange);
    ring_destroy(a.ring);
}
END_TEST

/* Stops this process for a while. */
static void stand_still(unsigned ms)
{
    pid_t me = getpid(), helper = fork();
    if (helper == 0) {
        kill(me, SIGSTOP);
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
        kill(me, SIGCONT);
        _exit(0);
    }
    waitpid(helper, NULL, 0);
}

/* 300 questions, of which two thirds have servers that never answer. */
static void ask_crowd(struct asker *a, uint64_t budget_ms)
{
    for (unsigned i = 0; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "n%u.%s", i, i % 3 ? "silent.post" : "secure.post");
        crowd[i] = question_of(name, DNS_A, budget_ms);
        send_question(a, &crowd[i]);
    }
    mailbox_flush(a->mailbox);
}

static void crowd_blames_nobody(void)
{
    for (unsigned i = 0; i < 300; i++) {
        const struct dns_answer *answer = crowd[i].answer;
        if (i % 3 == 0 && answer->kind == DNS_SECURE_NXDOMAIN)
            continue;
        ck_assert_msg(answer->kind == DNS_ERROR && answer->trouble == DNS_TROUBLE_OURS,
                      "%s: %s (%s: %s)", crowd[i].name.text, dns_kind_name(answer->kind),
                      dns_trouble_name(answer->trouble), answer->why);
        ck_assert_uint_eq(answer->ttl_s, 0);
    }
}

/* Our own failure says "ask again"; on a busy machine we stand still more than once. */
static void expect_soon(struct asker *a, const char *name, enum dns_type type, enum dns_kind kind)
{
    const struct dns_answer *answer = ask(a, name, type);

    for (unsigned tries = 0;
         tries < 200 && dns_is_trouble(answer->kind) && answer->trouble == DNS_TROUBLE_OURS;
         tries++) {
        dns_answer_drop(answer);
        usleep(100000);
        answer = ask(a, name, type);
    }
    ck_assert_msg(answer->kind == kind, "%s is %s: %s", name, dns_kind_name(answer->kind),
                  answer->why);
    dns_answer_drop(answer);
}

START_TEST(a_daemon_that_was_stopped_blames_nobody)
{
    static const unsigned stops_ms[] = {1500, 2950, 3000, 3100, 4500};
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, CROWD);
    const struct resolver_counts *counts = resolver_counts(a.resolver);
    expect(&a, "post", DNS_SOA, DNS_SECURE_DATA);
    ask_crowd(&a, 3000);
    stand_still(stops_ms[_i]);
    ck_assert_uint_eq(receive_until(&a, 300, clock_boot_ms() + 4000), 300);
    crowd_blames_nobody();
    crowd_drop();
    ask_crowd(&a, 3000); /* what libunbound learned of it is nobody's fault either */
    ck_assert_uint_eq(receive_until(&a, 300, clock_boot_ms() + 4000), 300);
    crowd_blames_nobody();
    crowd_drop();
    ck_assert_uint_eq(counted(&counts->timed_out), 0);
    ck_assert_uint_eq(counted(&counts->cached_failures), 0);
    expect_soon(&a, "secure.post", DNS_MX, DNS_SECURE_DATA);
    asker_close(&a);
}
END_TEST

START_TEST(a_question_without_time_is_refused)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    const struct dns_answer *answer = ask_within(&a, "secure.post", DNS_MX, 0);
    ck_assert_int_eq(answer->trouble, DNS_TROUBLE_OURS);
    dns_answer_drop(answer);
    asker_close(&a);
}
END_TEST

START_TEST(resolvers_beside_each_other_do_not_disturb_each_other)
{
    struct asker a[3];
    struct resolver_options options = world_options();
    for (int i = 0; i < 3; i++)
        asker_open(&a[i], &options, 16);
    for (int i = 0; i < 3; i++) {
        expect(&a[i], "secure.post", DNS_MX, DNS_SECURE_DATA);
        expect(&a[i], "bogus.post", DNS_MX, DNS_BOGUS);
    }
    asker_close(&a[1]);
    expect(&a[0], "insecure.post", DNS_MX, DNS_INSECURE_DATA);
    expect(&a[2], "mx1.secure.post", DNS_A, DNS_SECURE_DATA);
    asker_close(&a[0]);
    asker_close(&a[2]);
}
END_TEST

/* --- the self-test --- */

static enum resolver_self_test self_test_result(struct asker *a, uint64_t budget_ms)
{
    uint64_t until_ms = clock_boot_ms() + budget_ms;
    uint32_t result = SELF_TEST_PENDING;

    while (result == SELF_TEST_PENDING && clock_boot_ms() < until_ms) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        result = atomic_load(&resolver_counts(a->resolver)->self_test);
    }
    return (enum resolver_self_test)result;
}

START_TEST(the_self_test_passes_where_validation_works_DNS_08)
{
    struct asker a;
    struct resolver_options options = world_options();
    asker_open(&a, &options, 16);
    ck_assert_int_eq(self_test_result(&a, 5000), SELF_TEST_PASSED);
    ck_assert_str_eq(resolver_self_test_text(a.resolver),
                     "the root is secure and the bogus name is bogus");
    asker_close(&a);
}
END_TEST

START_TEST(where_the_bogus_name_is_not_bogus_nothing_is_believed_DNS_08)
{
    static const char *const names[] = {"secure.post", "insecure.post", "nobody.secure.post"};
    struct asker a;
    struct resolver_options options = world_options();
    options.bogus_name = "mx1.secure.post";
    asker_open(&a, &options, 16);
    ck_assert_int_eq(self_test_result(&a, 5000), SELF_TEST_FAILED);
    for (int i = 0; i < 3; i++) {
        const struct dns_answer *answer = ask(&a, names[i], DNS_MX);
        ck_assert_msg(dns_is_trouble(answer->kind), "%s", dns_kind_name(answer->kind));
        ck_assert_int_eq(answer->trouble, DNS_TROUBLE_OURS);
        dns_answer_drop(answer);
    }
    asker_close(&a);
}
END_TEST

START_TEST(with_a_wrong_trust_anchor_nothing_is_secure_and_nothing_absent_DNS_08)
{
    struct asker a;
    struct resolver_options options = world_options();
    options.trust_anchor = world.other_anchor;
    asker_open(&a, &options, 16);
    ck_assert_int_eq(self_test_result(&a, 5000), SELF_TEST_FAILED);
    static const char *const names[] = {"secure.post", "insecure.post", "nobody.secure.post"};
    for (int i = 0; i < 3; i++) {
        const struct dns_answer *answer = ask(&a, names[i], DNS_MX);
        ck_assert_msg(dns_is_trouble(answer->kind), "%s", dns_kind_name(answer->kind));
        dns_answer_drop(answer);
    }
    asker_close(&a);
}
END_TEST

START_TEST(where_the_root_is_insecure_no_insecure_answer_counts_DNS_08)
{
    struct asker a;
    char path[160];
    struct resolver_options options = world_options();
    snprintf(path, sizeof path, "%s/elsewhere", world.folder);
    FILE *file = fopen(path, "w"); /* an anchor, but not of the root */
    fputs("elsewhere. IN DS 1 13 2 "
          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
          file);
    fclose(file);
    options.trust_anchor = path;
    asker_open(&a, &options, 16);
    ck_assert_int_eq(self_test_result(&a, 5000), SELF_TEST_FAILED);
    static const char *const names[] = {"secure.post", "insecure.post", "nobody.secure.post"};
    for (int i = 0; i < 3; i++) {
        const struct dns_answer *answer = ask(&a, names[i], DNS_MX);
        ck_assert_int_eq(answer->kind, DNS_ERROR);
        ck_assert_int_eq(answer->trouble, DNS_TROUBLE_OURS);
        dns_answer_drop(answer);
    }
    asker_close(&a);
}
END_TEST

/* By the start and by the judgement that is asked before, in the same words. */
static void refused(const struct resolver_options *options, struct exchange *exchange,
                    const char *said)
{
    struct resolver *resolver;
    char why[256] = "", judged[256] = "";

    ck_assert_int_lt(resolver_start(&resolver, options, exchange, RESOLVER, why), 0);
    ck_assert_msg(strstr(why, said) == why, "%s", why);
    ck_assert_int_lt(resolver_judge(options, judged, sizeof judged), 0);
    ck_assert_str_eq(judged, why);
}

START_TEST(without_a_trust_anchor_it_does_not_start_DNS_06)
{
    struct exchange *exchange;
    int descriptors[THREADS] = {0};
    char why[256], path[160];
    struct resolver_options options = world_options();
    options.ring_descriptors = descriptors;
    ck_assert_int_eq(exchange_create(&exchange, THREADS, 4), 0);

    ck_assert_int_eq(resolver_judge(&options, why, sizeof why), 0);
    options.trust_anchor = "/nonexistent";
    refused(&options, exchange, "dns.trust_anchor: cannot read /nonexistent: ");
    snprintf(path, sizeof path, "%s/empty", world.folder);
    FILE *file = fopen(path, "w");
    fputs("; . IN DS commented out\n", file);
    fclose(file);
    options.trust_anchor = path;
    refused(&options, exchange, "dns.trust_anchor: ");
    file = fopen(path, "w");
    fputs(". IN DS 1 8 2 nothing\n", file);
    fclose(file);
    refused(&options, exchange, "dns.trust_anchor: ");

    options.trust_anchor = world.anchor;
    options.forwarder = "nonsense";
    refused(&options, exchange, "dns.forwarder: \"nonsense\" is neither");
    options.forwarder = "127.0.0.1@65589"; /* 53, in 16 bits */
    refused(&options, exchange, "dns.forwarder: \"127.0.0.1@65589\" is neither");
    options.forwarder = NULL;
    options.root_hints = "/nonexistent";
    refused(&options, exchange, "dns.root_hints: ");
    options.root_hints = world.hints;
    options.bogus_name = "not a name";
    refused(&options, exchange, "dns.bogus_name: \"not a name\" is no domain name");
    exchange_destroy(exchange);
}
END_TEST

START_TEST(a_forwarder_is_used_and_what_it_says_validated)
{
    struct asker a;
    struct resolver_options options = world_options();
    options.root_hints = NULL;
    options.forwarder = "127.0.0.56@53";
    asker_open(&a, &options, 16);
    expect(&a, "secure.post", DNS_MX, DNS_SECURE_DATA);
    expect(&a, "insecure.post", DNS_MX, DNS_INSECURE_DATA);
    expect(&a, "bogus.post", DNS_MX, DNS_BOGUS);
    ck_assert_int_eq(self_test_result(&a, 5000), SELF_TEST_PASSED);
    asker_close(&a);
}
END_TEST

START_TEST(without_any_server_questions_still_end_in_time)
{
    struct asker a;
    struct resolver_options options = world_options();
    options.root_hints = NULL;
    options.forwarder = "127.0.0.61@53"; /* the silent one */
    asker_open(&a, &options, 16);
    uint64_t start_ms = clock_boot_ms();
    const struct dns_answer *answer = ask_within(&a, "secure.post", DNS_MX, 800);
    ck_assert_int_eq(answer->kind, DNS_ERROR);
    ck_assert_uint_lt(clock_boot_ms() - start_ms, 1100);
    dns_answer_drop(answer);
    ck_assert_int_eq(atomic_load(&resolver_counts(a.resolver)->self_test), SELF_TEST_PENDING);
    asker_close(&a);
}
END_TEST

int main(void)
{
    const char *why = world_open(&world, 0, NULL);
    if (why) {
        fprintf(stderr, "dns_resolver_test cannot run here: %s\n", why);
        return 77;
    }
    log_start(LOG_ERROR_LEVEL, "stderr");
    Suite *suite = suite_create("dns resolver");
    TCase *tests = tcase_create("resolver");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_kind_comes_from_real_servers_DNS_01);
    tcase_add_test(tests, records_arrive_whole);
    tcase_add_test(tests, an_answer_too_large_for_a_packet_comes_over_tcp);
    tcase_add_test(
        tests, security_of_an_alias_is_that_of_the_whole_chain_and_each_hop_can_be_asked_DNS_04);
    tcase_add_test(tests, an_alias_asked_for_with_a_cold_cache_is_found_DNS_03);
    tcase_add_test(tests, an_alias_loop_is_an_error_MX_01);
    tcase_add_test(tests, servers_that_fail_or_refuse_are_errors_never_absence_DNS_02);
    tcase_add_test(tests, tlsa_failures_below_a_sound_host_are_seen_DANE_15);
    tcase_add_test(tests, a_silent_server_ends_at_our_deadline_DNS_13);
    tcase_add_test(tests, a_long_silence_is_remembered_and_a_short_one_is_not);
    tcase_add_test(tests, failures_are_asked_once_and_then_remembered_DNS_09);
    tcase_add_test(tests, a_servfail_from_libunbounds_own_cache_is_an_error_too_DNS_02);
    tcase_add_test(tests, what_has_run_out_is_not_served_when_the_servers_are_gone_DNS_12);
    tcase_add_test(tests, a_thousand_questions_at_once_are_all_answered_rightly);
    tcase_add_test(tests, more_than_the_cap_is_refused_at_once_and_the_rest_served);
    tcase_add_test(tests, dead_names_do_not_keep_the_places_inside);
    tcase_add_test(tests, stopping_answers_what_is_outstanding);
    tcase_add_loop_test(tests, a_daemon_that_was_stopped_blames_nobody, 0, 5);
    tcase_add_test(tests, a_question_without_time_is_refused);
    tcase_add_test(tests, resolvers_beside_each_other_do_not_disturb_each_other);
    tcase_add_test(tests, the_self_test_passes_where_validation_works_DNS_08);
    tcase_add_test(tests, where_the_bogus_name_is_not_bogus_nothing_is_believed_DNS_08);
    tcase_add_test(tests, with_a_wrong_trust_anchor_nothing_is_secure_and_nothing_absent_DNS_08);
    tcase_add_test(tests, where_the_root_is_insecure_no_insecure_answer_counts_DNS_08);
    tcase_add_test(tests, without_a_trust_anchor_it_does_not_start_DNS_06);
    tcase_add_test(tests, a_forwarder_is_used_and_what_it_says_validated);
    tcase_add_test(tests, without_any_server_questions_still_end_in_time);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    world_close(&world);
    return failed == 0 ? 0 : 1;
}
