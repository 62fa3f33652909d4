/*
 * politeness_test.c - budgets, rates and back-off under a clock that the test moves; the opt-out
 * list; and random histories against the invariants that matter to the receivers.
 */
#include "engine/schedule/politeness.h"

#include "engine/names/places.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                     \
    do {                                                       \
        if (!(condition))                                      \
            ck_abort_msg("line %d: %s", __LINE__, #condition); \
    } while (0)

enum { START_MS = 1000000 };

static struct politeness *politeness;
static uint64_t now_ms, at_ms;

static struct politeness_settings usual(void)
{
    return (struct politeness_settings){.per_address = 2,
                                        .per_prefix = 5,
                                        .rate_address = 60,
                                        .rate_prefix = 0,
                                        .burst_address = 3,
                                        .burst_prefix = 1,
                                        .back_off_ms = 60000,
                                        .back_off_max_ms = 3600000};
}

static void begin_with(struct politeness_settings settings, uint32_t addresses_max)
{
    char why[200] = "";

    now_ms = START_MS;
    ck_assert_int_eq(politeness_create(&politeness, &settings, addresses_max, why, sizeof why), 0);
}

static void set_up(void)
{
    begin_with(usual(), 1000);
}

static void tear_down(void)
{
    politeness_destroy(politeness);
}

static struct address address_of(const char *text)
{
    struct address address;

    ck_assert(address_parse(&address, text, strlen(text)));
    return address;
}

static enum permission ask(const char *text)
{
    struct address address = address_of(text);

    at_ms = 0;
    return politeness_begin(politeness, &address, now_ms, &at_ms);
}

static struct evidence evidence_of(enum outcome outcome, uint16_t code, const char *text)
{
    struct evidence evidence = {
        .outcome = outcome, .smtp_code = code, .began_ms = now_ms, .ended_ms = now_ms};

    snprintf(evidence.smtp_text, sizeof evidence.smtp_text, "%s", text);
    return evidence;
}

static void end(const char *text, const struct evidence *evidence)
{
    struct address address = address_of(text);

    politeness_ended(politeness, &address, evidence, now_ms);
}

static void end_ok(const char *text)
{
    struct evidence evidence = evidence_of(OUTCOME_TLS_OK, 0, "");

    end(text, &evidence);
}

/* A probe that is told to slow down. */
static void be_refused(const char *text)
{
    ck_assert_int_eq(ask(text), PERMIT_NOW);
    struct evidence evidence = evidence_of(OUTCOME_RATE_LIMITED, 421, "4.7.0 too many");
    end(text, &evidence);
}

static uint64_t backed_off(const char *text)
{
    struct address address = address_of(text);
    uint64_t until_ms = politeness_backed_off_until(politeness, &address);

    return until_ms > now_ms ? until_ms - now_ms : 0;
}

/* --- budgets --- */

START_TEST(an_address_never_has_more_connections_than_allowed)
{
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
    ck_assert_uint_gt(at_ms, now_ms);
    ck_assert_uint_le(at_ms, now_ms + 60000);
    ck_assert_int_eq(ask("192.0.2.2"), PERMIT_NOW); /* another address */
    end("192.0.2.1", NULL);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
}
END_TEST

START_TEST(a_prefix_never_has_more_connections_than_allowed)
{
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.2"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.3"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.4"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.5"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.6"), PERMIT_LATER);
    ck_assert_int_eq(ask("192.0.3.6"), PERMIT_NOW); /* another /24 */
    end("192.0.2.3", NULL);
    ck_assert_int_eq(ask("192.0.2.6"), PERMIT_NOW);
}
END_TEST

START_TEST(an_ipv6_prefix_is_a_48)
{
    static const char *const same[] = {"2001:db8:1::1", "2001:db8:1:2::1", "2001:db8:1:ffff::1",
                                       "2001:db8:1:3::1", "2001:db8:1:4::1"};
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(ask(same[i]), PERMIT_NOW);
    ck_assert_int_eq(ask("2001:db8:1:5::1"), PERMIT_LATER);
    ck_assert_int_eq(ask("2001:db8:2::1"), PERMIT_NOW);
}
END_TEST

START_TEST(the_network_address_and_its_prefix_are_two_things)
{
    ck_assert_int_eq(ask("192.0.2.0"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.0"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.0"), PERMIT_LATER);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert_uint_eq(politeness_tracked(politeness), 3);
}
END_TEST

START_TEST(later_because_of_connections_shrinks_as_they_are_seen_to_be_short)
{
    for (int i = 0; i < 100; i++) {
        now_ms += 1000;
        ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
        struct evidence evidence = evidence_of(OUTCOME_TLS_OK, 0, "");
        now_ms += 40;
        evidence.ended_ms = now_ms;
        end("192.0.2.1", &evidence);
    }
    now_ms += 10000;
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
    ck_assert_uint_ge(at_ms, now_ms + 10);
    ck_assert_uint_le(at_ms, now_ms + 100);
}
END_TEST

/* --- rate --- */

START_TEST(a_burst_is_followed_by_the_rate)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
        end_ok("192.0.2.1");
    }
    for (int i = 0; i < 10; i++) { /* 60 a minute: one a second */
        ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
        ck_assert_uint_eq(at_ms, now_ms + 1000);
        now_ms = at_ms - 1;
        ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
        now_ms++;
        ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
        end_ok("192.0.2.1");
    }
    now_ms += 2000; /* two of three are back */
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    end_ok("192.0.2.1");
    end_ok("192.0.2.1");
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
    now_ms += 1000000; /* never more than the burst */
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(ask("192.0.2.1"), i < 3 ? PERMIT_NOW : PERMIT_LATER);
        if (i < 3)
            end_ok("192.0.2.1");
    }
}
END_TEST

START_TEST(a_prefix_has_a_rate_of_its_own)
{
    struct politeness_settings settings = usual();
    settings.rate_prefix = 6; /* one in ten seconds */
    tear_down();
    begin_with(settings, 1000);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    end_ok("192.0.2.1");
    ck_assert_int_eq(ask("192.0.2.2"), PERMIT_LATER);
    ck_assert_uint_eq(at_ms, now_ms + 10000);
    ck_assert_int_eq(ask("192.0.3.2"), PERMIT_NOW);
}
END_TEST

START_TEST(a_permission_refused_takes_nothing)
{
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
    end_ok("192.0.2.1");
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW); /* the third of the burst is still there */
}
END_TEST

START_TEST(rate_zero_is_no_limit_for_the_lab)
{
    struct politeness_settings settings = usual();
    settings.rate_address = 0;
    tear_down();
    begin_with(settings, 1000);
    for (int i = 0; i < 10000; i++) {
        ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
        end_ok("192.0.2.1");
    }
}
END_TEST

/* --- the second connection of a probe --- */

static bool again(const char *text)
{
    struct address address = address_of(text);

    return politeness_again(politeness, &address, now_ms);
}

START_TEST(a_second_connection_is_paid_for_like_the_first)
{
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert(again("192.0.2.1"));
    end_ok("192.0.2.1");
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW); /* the third of the burst */
    ck_assert(!again("192.0.2.1"));
    end_ok("192.0.2.1");
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
    ck_assert_uint_eq(at_ms, now_ms + 1000);
    now_ms += 1000;
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW); /* what was refused took nothing */
}
END_TEST

START_TEST(a_second_connection_is_paid_for_by_the_prefix_too)
{
    struct politeness_settings settings = usual();
    settings.rate_prefix = 6; /* one in ten seconds */
    settings.burst_prefix = 2;
    tear_down();
    begin_with(settings, 1000);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert(again("192.0.2.1"));
    ck_assert(!again("192.0.2.1"));
    ck_assert_int_eq(ask("192.0.2.2"), PERMIT_LATER);
    ck_assert_uint_eq(at_ms, now_ms + 10000);
}
END_TEST

START_TEST(a_second_connection_takes_the_place_of_the_first)
{
    struct politeness_settings settings = usual();
    settings.per_address = settings.per_prefix = 1;
    tear_down();
    begin_with(settings, 1000);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert(again("192.0.2.1"));
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER); /* still one, and no more */
    end_ok("192.0.2.1");
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
}
END_TEST

START_TEST(no_second_connection_while_the_address_backs_off)
{
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    be_refused("192.0.2.1"); /* another probe is told to slow down */
    ck_assert(!again("192.0.2.1"));
    end_ok("192.0.2.1");
}
END_TEST

/* --- back-off --- */

START_TEST(a_rate_signal_leaves_the_address_alone_for_the_back_off)
{
    be_refused("192.0.2.1");
    ck_assert_uint_eq(backed_off("192.0.2.1"), 60000);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
    ck_assert_uint_eq(at_ms, now_ms + 60000);
    ck_assert_int_eq(ask("192.0.2.2"), PERMIT_NOW); /* the neighbour is somebody else, perhaps */
    now_ms += 59999;
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
    now_ms++;
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
}
END_TEST

START_TEST(each_further_signal_doubles_up_to_the_maximum)
{
    uint64_t expected_ms = 60000;
    for (int i = 0; i < 12; i++) {
        be_refused("192.0.2.1");
        ck_assert_uint_eq(backed_off("192.0.2.1"), expected_ms);
        now_ms += expected_ms;
        expected_ms = expected_ms * 2 < 3600000 ? expected_ms * 2 : 3600000;
    }
}
END_TEST

START_TEST(connections_under_way_at_the_signal_do_not_double_it)
{
    struct evidence first, second;
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    first = evidence_of(OUTCOME_RATE_LIMITED, 421, "");
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    second = evidence_of(OUTCOME_RATE_LIMITED, 421, "");
    now_ms += 100;
    end("192.0.2.1", &first);
    now_ms += 100;
    end("192.0.2.1", &second);
    ck_assert_uint_eq(backed_off("192.0.2.1"), 60000 - 100);
}
END_TEST

START_TEST(success_and_silence_take_the_doubling_back)
{
    for (int i = 0; i < 3; i++) { /* 60, 120, 240 seconds */
        be_refused("192.0.2.1");
        now_ms += backed_off("192.0.2.1");
    }
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    end_ok("192.0.2.1");
    be_refused("192.0.2.1"); /* would be 480: one success */
    ck_assert_uint_eq(backed_off("192.0.2.1"), 240000);
    now_ms += 240000;
    now_ms += 240000 + 120000 + 60000; /* as long in silence as it took to get here */
    be_refused("192.0.2.1");
    ck_assert_uint_eq(backed_off("192.0.2.1"), 60000);
}
END_TEST

START_TEST(a_failure_that_says_nothing_about_rate_changes_nothing)
{
    be_refused("192.0.2.1");
    now_ms += 60000;
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    struct evidence evidence = evidence_of(OUTCOME_CONNECT_TIMEOUT, 0, "");
    end("192.0.2.1", &evidence);
    be_refused("192.0.2.1");
    ck_assert_uint_eq(backed_off("192.0.2.1"), 120000);
}
END_TEST

START_TEST(a_prefix_backs_off_when_a_second_address_of_it_complains)
{
    be_refused("192.0.2.1");
    ck_assert_int_eq(ask("192.0.2.9"), PERMIT_NOW);
    struct evidence evidence = evidence_of(OUTCOME_RATE_LIMITED, 421, "");
    end("192.0.2.9", &evidence);
    ck_assert_int_eq(ask("192.0.2.77"), PERMIT_LATER); /* never asked before */
    ck_assert_uint_eq(at_ms, now_ms + 60000);
    ck_assert_int_eq(ask("192.0.3.77"), PERMIT_NOW);
}
END_TEST

START_TEST(complaints_far_apart_are_of_two_hosts_not_of_a_prefix)
{
    be_refused("192.0.2.1");
    now_ms += 61000;
    be_refused("192.0.2.9");
    ck_assert_int_eq(ask("192.0.2.77"), PERMIT_NOW);
}
END_TEST

/* --- what is a rate signal --- */

static const struct {
    enum outcome outcome;
    uint16_t code;
    const char *text;
    bool signal;
} signals[] = {
    /* seen in the field (population.md section 4) */
    {OUTCOME_GREETING_TEMPORARY, 421, "4.7.0 too many connections", true},
    {OUTCOME_GREETING_TEMPORARY, 421, "#4.4.5 Too many connections to this host.", true},
    {OUTCOME_GREETING_TEMPORARY, 421, "Too many timeouts. Expected removal in 3.2 days", true},
    {OUTCOME_GREETING_TEMPORARY, 450, "4.3.2 try again", true},
    {OUTCOME_EHLO_TEMPORARY, 421, "service not available", true},
    {OUTCOME_STARTTLS_TEMPORARY, 421, "4.3.0 closing", true},
    {OUTCOME_GREETING_TEMPORARY, 451, "4.7.1 please slow down", true},
    {OUTCOME_GREETING_TEMPORARY, 451, "4.7.650 rate limit exceeded [S775]", true},
    {OUTCOME_GREETING_TEMPORARY, 452, "4.7.28 unusual rate", true},
    {OUTCOME_GREETING_REFUSED, 554, "5.7.1 Too many connections from your host", true},
    {OUTCOME_EHLO_REFUSED, 550, "Requested action not taken: THROTTLED", true},
    {OUTCOME_RATE_LIMITED, 0, "", true},
    /* not about rate */
    {OUTCOME_STARTTLS_TEMPORARY, 454, "4.7.0 TLS not available due to local problem", false},
    {OUTCOME_STARTTLS_TEMPORARY, 454, "4.7.0 too many TLS sessions", true},
    {OUTCOME_GREETING_TEMPORARY, 451, "4.3.0 local error", false},
    {OUTCOME_GREETING_REFUSED, 554, "5.7.1 You are listed at a blocklist", false},
    {OUTCOME_GREETING_REFUSED, 554, "No SMTP service here", false},
    {OUTCOME_STARTTLS_REFUSED, 502, "5.5.2 not implemented", false},
    {OUTCOME_NO_STARTTLS, 250, "too many words in this banner", false},
    {OUTCOME_TLS_OK, 221, "bye", false},
    {OUTCOME_TLS_OK, 0, "", false},
    {OUTCOME_CONNECT_REFUSED, 0, "", false},
    {OUTCOME_CONNECT_TIMEOUT, 0, "", false},
    {OUTCOME_OURS_LATE, 421, "too many connections", false},
};

START_TEST(only_what_means_slow_down_is_a_rate_signal)
{
    struct evidence evidence = evidence_of(signals[_i].outcome, signals[_i].code, signals[_i].text);
    ck_assert_msg(politeness_is_rate_signal(&evidence) == signals[_i].signal, "%d %u %s",
                  signals[_i].outcome, signals[_i].code, signals[_i].text);
}
END_TEST

START_TEST(to_be_slowed_down_at_the_second_connection_is_a_rate_signal)
{
    struct evidence evidence = evidence_of(OUTCOME_TLS_ALERT, 0, "");
    for (int naming = NAMING_NONE; naming <= NAMING_OURS; naming++) {
        evidence.naming = (enum naming)naming;
        ck_assert_int_eq(politeness_is_rate_signal(&evidence), naming == NAMING_SLOWED);
    }
}
END_TEST

START_TEST(no_rate_signal_is_ever_read_as_absence_of_tls)
{
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        struct evidence evidence = evidence_of((enum outcome)outcome, 0, "");
        if (politeness_is_rate_signal(&evidence))
            ck_assert_int_eq(outcome_says((enum outcome)outcome), SAYS_INCONCLUSIVE);
    }
}
END_TEST

/* --- opt-out --- */

static const char *const opted[] = {"192.0.2.0/24",       "198.51.100.7",
                                    "2001:db8:5::/48",    "Example.ORG.",
                                    "10.0.0.0/9",         "mail.b\303\274cher.example",
                                    "2001:db8:6:7::1/128"};

/* The list is read only. */
static struct option_list list_of(const char *const *texts, size_t count)
{
    return (struct option_list){.count = count, .texts = (char **)(uintptr_t)texts};
}

static const struct {
    const char *address, *name;
    bool out;
} opt_outs[] = {
    {"192.0.2.0", "mx.test.example", true},
    {"192.0.2.255", "mx.test.example", true},
    {"192.0.3.0", "mx.test.example", false},
    {"198.51.100.7", "mx.test.example", true},
    {"198.51.100.6", "mx.test.example", false},
    {"10.127.255.255", "mx.test.example", true},
    {"10.128.0.0", "mx.test.example", false},
    {"2001:db8:5::1", "mx.test.example", true},
    {"2001:db8:5:ffff:ffff:ffff:ffff:ffff", "mx.test.example", true},
    {"2001:db8:6::1", "mx.test.example", false},
    {"2001:db8:6:7::1", "mx.test.example", true},
    {"2001:db8:6:7::2", "mx.test.example", false},
    {"203.0.113.1", "example.org", true},
    {"203.0.113.1", "mx.example.org", true},
    {"203.0.113.1", "a.b.c.example.org", true},
    {"203.0.113.1", "notexample.org", false},
    {"203.0.113.1", "org", false},
    {"203.0.113.1", "example.org.net", false},
    {"203.0.113.1", "mail.xn--bcher-kva.example", true},
    {"203.0.113.1", "xn--bcher-kva.example", false},
    {"::c000:201", "mx.test.example", false}, /* an IPv6 address that ends like 192.0.2.1 */
};

static void begin_with_opt_outs(void)
{
    struct politeness_settings settings = usual();
    settings.opt_out = list_of(opted, sizeof opted / sizeof *opted);
    tear_down();
    begin_with(settings, 1000);
}

static struct name name_of(const char *text)
{
    struct name name;

    ck_assert_int_eq(name_parse(&name, text, strlen(text)), NAME_OK);
    return name;
}

START_TEST(who_opted_out_by_address_or_by_the_name_sent_is_known)
{
    struct endpoint_key key = {.address = address_of(opt_outs[_i].address),
                               .server_name = name_of(opt_outs[_i].name)};

    begin_with_opt_outs();
    ck_assert_int_eq(politeness_opted_out(politeness, &key, NULL), opt_outs[_i].out);
    ck_assert_uint_eq(politeness_tracked(politeness), 0);
}
END_TEST

/* The name sent is one of them at the most: the TLSA base domain, or the MX host (DANE-35). */
START_TEST(a_host_opts_out_by_any_of_its_names)
{
    static const char *const names[][4] = {
        {"mx.example.org", "b.test.example", "c.test.example", "d.test.example"},
        {"a.test.example", "mx.example.org", "c.test.example", "d.test.example"},
        {"a.test.example", "b.test.example", "mx.example.org", "d.test.example"},
        {"a.test.example", "b.test.example", "c.test.example", "mx.example.org"},
        {"a.test.example", "b.test.example", "c.test.example", "d.test.example"},
    };
    struct name hops[] = {name_of(names[_i][1]), name_of(names[_i][2])};
    struct dns_answer found = {.kind = DNS_INSECURE_DATA,
                               .owner = name_of(names[_i][0]),
                               .aliases = 3,
                               .hops = hops,
                               .canonical = name_of(names[_i][3])};
    struct endpoint_key key = {.address = address_of("203.0.113.1"),
                               .server_name = name_of("sent.test.example")};

    begin_with_opt_outs();
    ck_assert_int_eq(politeness_opted_out(politeness, &key, &found), _i < 4);
    ck_assert(!politeness_opted_out(politeness, &key, NULL));
}
END_TEST

START_TEST(an_opt_out_that_is_neither_prefix_nor_name_is_refused_with_its_text)
{
    static const char *const wrong[] = {
        "192.0.2.0/33",  "192.0.2.0/", "192.0.2.0/x",    "example..org", "/24",           "::/129",
        "192.0.2.0/24 ", "192.0.2",    "-1.2.3.4/8",     "a b.org",      "192.0.2.0/ 24", "",
        "example.org/8", "1::2::3",    "192.0.2.0/24/24"};
    char why[300] = "";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct politeness_settings settings = usual();
        settings.opt_out = list_of(&wrong[i], 1);
        ck_assert_msg(politeness_reload(politeness, &settings, why, sizeof why) == -EINVAL, "%s",
                      wrong[i]);
        ck_assert_ptr_nonnull(strstr(why, "opt_out"));
        ck_assert_ptr_nonnull(strstr(why, wrong[i]));
        why[0] = '\0'; /* judged without a politeness to change, in the same words */
        ck_assert_int_eq(politeness_judge(&settings, why, sizeof why), -EINVAL);
        ck_assert_ptr_eq(strstr(why, "politeness.opt_out: "), why);
        ck_assert_ptr_nonnull(strstr(why, wrong[i]));
    }
}
END_TEST

START_TEST(a_reload_that_is_refused_leaves_everything_as_it_was)
{
    static const char *const one[] = {"192.0.2.0/24"}, *const bad[] = {"?"};
    const struct endpoint_key key = {.address = address_of("192.0.2.1")};
    char why[300];
    struct politeness_settings settings = usual();
    settings.opt_out = list_of(one, 1);
    ck_assert_int_eq(politeness_reload(politeness, &settings, why, sizeof why), 0);
    ck_assert(politeness_opted_out(politeness, &key, NULL));
    settings.opt_out = list_of(bad, 1);
    settings.per_address = 1;
    ck_assert_int_eq(politeness_reload(politeness, &settings, why, sizeof why), -EINVAL);
    ck_assert(politeness_opted_out(politeness, &key, NULL));
    ck_assert_int_eq(ask("203.0.113.1"), PERMIT_NOW);
    ck_assert_int_eq(ask("203.0.113.1"), PERMIT_NOW);
    settings = usual();
    ck_assert_int_eq(politeness_judge(&settings, why, sizeof why), 0);
    settings.back_off_max_ms = settings.back_off_ms - 1;
    ck_assert_int_eq(politeness_reload(politeness, &settings, why, sizeof why), -EINVAL);
    ck_assert_int_eq(politeness_judge(&settings, why, sizeof why), -EINVAL);
}
END_TEST

START_TEST(a_reload_keeps_connections_and_back_offs)
{
    char why[300];
    struct politeness_settings settings = usual();
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    be_refused("198.51.100.1");
    settings.per_address = 1;
    ck_assert_int_eq(politeness_reload(politeness, &settings, why, sizeof why), 0);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
    ck_assert_uint_eq(backed_off("198.51.100.1"), 60000);
    end("192.0.2.1", NULL);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
}
END_TEST

/* --- the table --- */

static const char *nth_address(unsigned n)
{
    static char text[ADDRESS_TEXT_MAX];

    snprintf(text, sizeof text, "10.%u.%u.1", n / 256 % 256, n % 256); /* each its own /24 */
    return text;
}

START_TEST(the_table_is_bounded_and_forgets_idle_entries_first)
{
    tear_down();
    begin_with(usual(), 20);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW); /* stays open */
    be_refused("198.51.100.1");                     /* stays backed off */
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert_int_eq(ask(nth_address(i)), PERMIT_NOW);
        end_ok(nth_address(i));
        ck_assert_uint_le(politeness_tracked(politeness), 20);
    }
    ck_assert_uint_eq(backed_off("198.51.100.1"), 60000);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER); /* it remembered the first one */
}
END_TEST

START_TEST(a_table_full_of_connections_says_later_and_recovers)
{
    tear_down();
    begin_with(usual(), 20);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(ask(nth_address(i)), PERMIT_NOW);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_LATER);
    ck_assert_uint_gt(at_ms, now_ms);
    end(nth_address(3), NULL);
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
}
END_TEST

START_TEST(a_table_full_of_back_offs_says_later_until_they_end)
{
    tear_down();
    begin_with(usual(), 20);
    unsigned refused = 0;
    for (unsigned i = 0; i < 200; i++) {
        if (ask(nth_address(i)) != PERMIT_NOW)
            continue;
        struct evidence evidence = evidence_of(OUTCOME_RATE_LIMITED, 421, "");
        end(nth_address(i), &evidence);
        refused++;
    }
    ck_assert_uint_ge(refused, 10);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_eq(backed_off(nth_address(i)), 60000);
    now_ms += 60000;
    ck_assert_int_eq(ask("192.0.2.1"), PERMIT_NOW);
}
END_TEST

/* --- random histories --- */

enum { HOSTS = 12, HISTORY = 200000 };

struct history {
    unsigned open[HOSTS], open_prefix[2];
    uint64_t refused_until_ms[HOSTS];
    uint64_t began_ms[HOSTS][8]; /* of the open ones */
    uint64_t permits[HOSTS];
};

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}

static struct address host_address(unsigned host)
{
    return (struct address){.family = 4,
                            .bytes = {192, 0, host < HOSTS / 2 ? 2 : 3, (uint8_t)(host + 1)}};
}

static void history_begin(struct history *history, unsigned host)
{
    struct address address = host_address(host);

    if (politeness_begin(politeness, &address, now_ms, &at_ms) == PERMIT_LATER) {
        REQUIRE(at_ms > now_ms);
        return;
    }
    REQUIRE(now_ms >= history->refused_until_ms[host]);
    history->began_ms[host][history->open[host]] = now_ms;
    history->open[host]++;
    history->open_prefix[host < HOSTS / 2]++;
    history->permits[host]++;
    REQUIRE(history->open[host] <= 2 && history->open_prefix[host < HOSTS / 2] <= 5);
    /* One a second, and three at once. */
    REQUIRE(history->permits[host] <= 3 + (now_ms - START_MS) / 1000);
}

static void history_again(struct history *history, unsigned host)
{
    struct address address = host_address(host);

    if (history->open[host] == 0 || !politeness_again(politeness, &address, now_ms))
        return;
    REQUIRE(now_ms >= history->refused_until_ms[host]);
    history->permits[host]++;
    REQUIRE(history->permits[host] <= 3 + (now_ms - START_MS) / 1000);
}

static void history_end(struct history *history, unsigned host)
{
    struct address address = host_address(host);

    if (history->open[host] == 0)
        return;
    uint64_t began_ms = history->began_ms[host][--history->open[host]];
    history->open_prefix[host < HOSTS / 2]--;
    struct evidence evidence = evidence_of(OUTCOME_TLS_OK, 0, "");
    if (random_below(20) == 0)
        evidence = evidence_of(OUTCOME_GREETING_TEMPORARY, 421, "4.7.0");
    evidence.began_ms = began_ms;
    politeness_ended(politeness, &address, random_below(10) == 0 ? NULL : &evidence, now_ms);
    uint64_t until_ms = politeness_backed_off_until(politeness, &address);
    REQUIRE(until_ms >= history->refused_until_ms[host] || until_ms <= now_ms);
    REQUIRE(until_ms <= now_ms + 3600000);
    if (until_ms > now_ms)
        history->refused_until_ms[host] = until_ms;
}

START_TEST(no_history_breaks_a_budget_a_rate_or_a_back_off_PIT_17)
{
    struct history history = {0};
    random_state = (uint64_t)_i;
    tear_down();
    begin_with(usual(), _i % 2 == 0 ? 1000 : 16); /* a table that is far too small, too */
    for (unsigned step = 0; step < HISTORY; step++) {
        unsigned host = random_below(HOSTS);
        now_ms += random_below(10) == 0 ? random_below(3000) : random_below(50);
        if (random_below(8) == 0)
            history_again(&history, host);
        else if (random_below(2) == 0)
            history_begin(&history, host);
        else
            history_end(&history, host);
        REQUIRE(politeness_tracked(politeness) <= 1000);
    }
    uint64_t permits = 0;
    for (unsigned host = 0; host < HOSTS; host++)
        permits += history.permits[host];
    ck_assert_uint_gt(permits, HISTORY / 1000); /* it was not all refused */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule/politeness");
    TCase *tests = tcase_create("politeness");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_address_never_has_more_connections_than_allowed);
    tcase_add_test(tests, a_prefix_never_has_more_connections_than_allowed);
    tcase_add_test(tests, an_ipv6_prefix_is_a_48);
    tcase_add_test(tests, the_network_address_and_its_prefix_are_two_things);
    tcase_add_test(tests, later_because_of_connections_shrinks_as_they_are_seen_to_be_short);
    tcase_add_test(tests, a_burst_is_followed_by_the_rate);
    tcase_add_test(tests, a_prefix_has_a_rate_of_its_own);
    tcase_add_test(tests, a_permission_refused_takes_nothing);
    tcase_add_test(tests, rate_zero_is_no_limit_for_the_lab);
    tcase_add_test(tests, a_second_connection_is_paid_for_like_the_first);
    tcase_add_test(tests, a_second_connection_is_paid_for_by_the_prefix_too);
    tcase_add_test(tests, a_second_connection_takes_the_place_of_the_first);
    tcase_add_test(tests, no_second_connection_while_the_address_backs_off);
    tcase_add_test(tests, a_rate_signal_leaves_the_address_alone_for_the_back_off);
    tcase_add_test(tests, each_further_signal_doubles_up_to_the_maximum);
    tcase_add_test(tests, connections_under_way_at_the_signal_do_not_double_it);
    tcase_add_test(tests, success_and_silence_take_the_doubling_back);
    tcase_add_test(tests, a_failure_that_says_nothing_about_rate_changes_nothing);
    tcase_add_test(tests, a_prefix_backs_off_when_a_second_address_of_it_complains);
    tcase_add_test(tests, complaints_far_apart_are_of_two_hosts_not_of_a_prefix);
    tcase_add_loop_test(tests, only_what_means_slow_down_is_a_rate_signal, 0,
                        sizeof signals / sizeof *signals);
    tcase_add_test(tests, to_be_slowed_down_at_the_second_connection_is_a_rate_signal);
    tcase_add_test(tests, no_rate_signal_is_ever_read_as_absence_of_tls);
    tcase_add_loop_test(tests, a_host_opts_out_by_any_of_its_names, 0, 5);
    tcase_add_loop_test(tests, who_opted_out_by_address_or_by_the_name_sent_is_known, 0,
                        sizeof opt_outs / sizeof *opt_outs);
    tcase_add_test(tests, an_opt_out_that_is_neither_prefix_nor_name_is_refused_with_its_text);
    tcase_add_test(tests, a_reload_that_is_refused_leaves_everything_as_it_was);
    tcase_add_test(tests, a_reload_keeps_connections_and_back_offs);
    tcase_add_test(tests, the_table_is_bounded_and_forgets_idle_entries_first);
    tcase_add_test(tests, a_table_full_of_connections_says_later_and_recovers);
    tcase_add_test(tests, a_table_full_of_back_offs_says_later_until_they_end);
    tcase_add_loop_test(tests, no_history_breaks_a_budget_a_rate_or_a_back_off_PIT_17, 1, 5);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
