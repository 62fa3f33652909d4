/*
 * endpoints_test.c - the endpoint jobs with a prober and a politeness that the test plays: who
 * shares a probe, who gets older evidence, who is told that there is none.
 */
#include "engine/base/clock.h"
#include "engine/facts/age.h"
#include "engine/base/container.h"
#include "engine/endpoints.h"

#include "tests/past_clock.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARD, FRONT, THREADS };
#define PROBES 64

/* --- the played prober and politeness: the same symbols as the real ones --- */

static struct {
    bool running;
    uint64_t job;
    struct evidence *evidence;
} probes[PROBES];
static unsigned started, running, cancelled, ended_politely;
static const struct evidence *ended[PROBES];
static uint64_t ended_jobs[PROBES];
static unsigned ended_count;
static bool no_room;
static enum permission permission;
static uint64_t permitted_at_ms;
static struct address order[PROBES]; /* in which probes began */
static prober_may_again *may_again;
static void *may_again_context;
static struct address asked_again;
static const struct dns_answer *came_by; /* of the next request; its owner is the MX host */
static const char *opted_out;            /* an MX host; NULL: none has */

int prober_start(struct prober *prober, const struct endpoint_key *key,
                 const struct dns_answer *tlsa, uint64_t job)
{
    struct evidence *evidence;

    (void)prober, (void)tlsa;
    if (no_room)
        return -EAGAIN;
    evidence = calloc(1, sizeof *evidence);
    atomic_init(&evidence->references, 1);
    evidence->key = *key;
    evidence->began_ms = clock_boot_ms();
    order[started] = key->address;
    probes[started].running = true;
    probes[started].job = job;
    probes[started++].evidence = evidence;
    running++;
    return 0;
}

static unsigned sessions_forgotten;

void prober_forget_session(struct prober *prober, const struct endpoint_key *key)
{
    (void)prober, (void)key;
    sessions_forgotten++;
}

void prober_ask_again(struct prober *prober, prober_may_again *may, void *context)
{
    (void)prober;
    may_again = may;
    may_again_context = context;
}

uint32_t prober_running(const struct prober *prober)
{
    (void)prober;
    return running;
}

void prober_cancel_all(struct prober *prober)
{
    (void)prober;
    cancelled++;
}

const struct evidence *prober_take_ended(struct prober *prober, uint64_t *job)
{
    (void)prober;
    if (ended_count == 0)
        return NULL;
    *job = ended_jobs[--ended_count];
    return ended[ended_count];
}

enum permission politeness_begin(struct politeness *politeness, const struct address *address,
                                 uint64_t now_ms, uint64_t *at_ms)
{
    (void)politeness, (void)address;
    *at_ms = permission == PERMIT_LATER ? permitted_at_ms : now_ms;
    return permission;
}

bool politeness_opted_out(const struct politeness *politeness, const struct endpoint_key *key,
                          const struct dns_answer *found)
{
    (void)politeness, (void)key;
    return opted_out != NULL && found != NULL && strcmp(found->owner.text, opted_out) == 0;
}

bool politeness_again(struct politeness *politeness, const struct address *address, uint64_t now_ms)
{
    (void)politeness, (void)now_ms;
    asked_again = *address;
    return permission == PERMIT_NOW;
}

void politeness_ended(struct politeness *politeness, const struct address *address,
                      const struct evidence *evidence, uint64_t now_ms)
{
    (void)politeness, (void)address, (void)evidence, (void)now_ms;
    ended_politely++;
}

static void probe_ends(unsigned which, enum outcome outcome)
{
    ck_assert(probes[which].running);
    probes[which].running = false;
    running--;
    probes[which].evidence->outcome = outcome;
    ended[ended_count] = probes[which].evidence;
    ended_jobs[ended_count++] = probes[which].job;
}

/* --- the world around --- */

static struct exchange *exchange;
static struct mailbox *shard, *front;
static struct wheel *wheel;
static struct endpoints *endpoints;
static struct endpoint_request requests[PROBES];

static void no_wake(void *context, uint16_t to)
{
    (void)context, (void)to;
}

static void set_up(void)
{
    ck_assert_int_eq(exchange_create(&exchange, THREADS, 64), 0);
    shard = mailbox_open(exchange, SHARD, no_wake, NULL);
    front = mailbox_open(exchange, FRONT, no_wake, NULL);
    ck_assert_int_eq(wheel_create(&wheel, clock_boot_ms()), 0);
    ck_assert_int_eq(endpoints_create(&endpoints, shard, wheel, NULL, NULL, 32, 8), 0);
    permission = PERMIT_NOW;
    opted_out = NULL;
    came_by = NULL;
}

static void tear_down(void)
{
    endpoints_destroy(endpoints);
    wheel_destroy(wheel);
    exchange_destroy(exchange);
}

static void ask(unsigned which, uint8_t host, uint64_t not_before_ms, uint64_t patience_ms,
                enum priority priority)
{
    struct endpoint_request *request = &requests[which];
    struct message *message;

    *request = (struct endpoint_request){
        .message.kind = MESSAGE_ENDPOINT_ASK,
        .key = {.address = {.family = 4, .bytes = {192, 0, 2, host}}, .port = 25},
        .found = came_by,
        .not_before_ms = not_before_ms,
        .waiter.not_before_ms = not_before_ms,
        .deadline_ms = clock_boot_ms() + patience_ms,
        .priority = priority,
    };
    mailbox_send(front, SHARD, &request->message);
    message = mailbox_receive(shard);
    endpoints_ask(endpoints, container_of(message, struct endpoint_request, message));
}

/* How many requests came home, all of them with this outcome; drops what they carry. */
static unsigned came_home(enum outcome outcome)
{
    struct message *message;
    unsigned count = 0;

    while ((message = mailbox_receive(front)) != NULL) {
        const struct endpoint_request *request =
            container_of(message, struct endpoint_request, message);

        ck_assert_int_eq(message->kind, MESSAGE_ENDPOINT_DONE);
        ck_assert_str_eq(outcome_name(request->evidence->outcome), outcome_name(outcome));
        evidence_drop(request->evidence);
        count++;
    }
    return count;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void timers(void)
{
    struct wheel_timer *timer;

    while ((timer = wheel_take_due(wheel, clock_boot_ms())) != NULL)
        endpoints_due(endpoints, timer);
}

START_TEST(fifty_live_requests_cost_two_probes_FRESH_03_PIT_17)
{
    ask(0, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1);
    sleep_ms(3);
    for (unsigned i = 1; i < 50; i++)
        ask(i, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1); /* what began earlier serves only the first */
    ck_assert_uint_eq(started, 2);
    probe_ends(1, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 49);
    ck_assert_uint_eq(started, 2);
    ck_assert_uint_eq(ended_politely, 2);
}
END_TEST

START_TEST(good_evidence_serves_again_without_a_probe_FRESH_02)
{
    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
    ask(1, 1, 0, 1000, PRIORITY_ASKED);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
    ck_assert_uint_eq(started, 1);
}
END_TEST

/* Evidence of ten minutes ago, and a delivery to the same address now. */
static enum delivery_effect delivered_after(enum outcome outcome, uint8_t host)
{
    const struct endpoint_key key = {.address = {.family = 4, .bytes = {192, 0, 2, host}},
                                     .port = 25};
    const struct delivery delivery = {.address = key.address,
                                      .port = 25,
                                      .tls_version = 0x0304,
                                      .trust = DELIVERY_VERIFIED,
                                      .at_s = clock_wall_s()};

    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    probes[0].evidence->began_ms -= 600000;
    probes[0].evidence->tls_version = 0x0304;
    probe_ends(0, outcome);
    endpoints_turn(endpoints);
    return endpoints_delivery(endpoints, &key, &delivery);
}

START_TEST(a_delivery_renews_evidence_and_saves_the_probe)
{
    uint64_t window_ms = 60000;

    ck_assert_int_eq(delivered_after(OUTCOME_TLS_OK, 1), DELIVERY_RENEWS);
    came_home(OUTCOME_TLS_OK);
    ask(1, 1, clock_boot_ms() - window_ms, 1000, PRIORITY_ASKED);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
    ck_assert_uint_eq(started, 1);
    ask(2, 1, clock_boot_ms(), 1000, PRIORITY_LIVE); /* it may have begun before this came */
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 2);
    probe_ends(1, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
}
END_TEST

START_TEST(a_delivery_elsewhere_or_under_other_settings_renews_nothing)
{
    const struct delivery delivery = {.address = {.family = 4, .bytes = {192, 0, 2, 1}},
                                      .port = 25,
                                      .tls_version = 0x0304,
                                      .trust = DELIVERY_VERIFIED,
                                      .at_s = clock_wall_s()};
    const struct endpoint_key key = {.address = delivery.address, .port = 25};

    ck_assert_int_eq(delivered_after(OUTCOME_TLS_OK, 2), DELIVERY_SAYS_NOTHING);
    endpoints_reload(endpoints);
    ck_assert_int_eq(endpoints_delivery(endpoints, &key, &delivery), DELIVERY_SAYS_NOTHING);
    ck_assert_uint_eq(endpoints_counts(endpoints)->renewed, 0);
    came_home(OUTCOME_TLS_OK);
}
END_TEST

START_TEST(tls_at_a_delivery_has_the_next_question_look_anew_where_there_was_none)
{
    ck_assert_int_eq(delivered_after(OUTCOME_NO_STARTTLS, 1), DELIVERY_DISPROVES);
    came_home(OUTCOME_NO_STARTTLS);
    ask(1, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 2);
    probe_ends(1, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
}
END_TEST

START_TEST(after_a_reload_no_look_under_the_old_settings_serves)
{
    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
    ask(1, 2, 0, 60000, PRIORITY_ASKED); /* under way when the settings change */
    endpoints_turn(endpoints);
    endpoints_reload(endpoints);
    sleep_ms(2);
    ask(2, 1, 0, 1000, PRIORITY_ASKED);
    probe_ends(1, OUTCOME_NO_STARTTLS);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 0);
    ck_assert_uint_eq(started, 4); /* both again */
    probe_ends(2, OUTCOME_TLS_OK);
    probe_ends(3, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 2);
}
END_TEST

START_TEST(our_own_failure_is_no_evidence_and_older_evidence_stays_law_3)
{
    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    came_home(OUTCOME_TLS_OK);
    sleep_ms(2);
    ask(1, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    probe_ends(1, OUTCOME_OURS_LATE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_OURS_LATE), 1);
    ask(2, 1, 0, 1000, PRIORITY_ASKED);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
}
END_TEST

START_TEST(a_spent_budget_answers_limited_at_once_when_patience_is_shorter)
{
    permission = PERMIT_LATER;
    permitted_at_ms = clock_boot_ms() + 5000;
    ask(0, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 0);
    ck_assert_uint_eq(came_home(OUTCOME_LIMITED), 1);
}
END_TEST

START_TEST(a_spent_budget_answers_a_live_request_with_older_evidence_and_its_age)
{
    uint64_t old_ms;

    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    came_home(OUTCOME_TLS_OK);
    old_ms = probes[0].evidence->began_ms;
    sleep_ms(2);
    permission = PERMIT_LATER;
    permitted_at_ms = clock_boot_ms() + 5000;
    ask(1, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(requests[1].evidence->began_ms, old_ms);
    ck_assert_uint_lt(old_ms, requests[1].not_before_ms);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
}
END_TEST

/* Others wait for the budget, and it is known that it comes too late for this one. */
START_TEST(who_comes_while_others_wait_for_the_budget_is_told_at_once_too)
{
    permission = PERMIT_LATER;
    permitted_at_ms = clock_boot_ms() + 5000;
    ask(0, 1, clock_boot_ms(), 10000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_LIMITED), 0);
    ask(1, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_LIMITED), 1);
    permission = PERMIT_NOW; /* who is patient gets a look */
    ask(2, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 2);
}
END_TEST

START_TEST(who_wants_it_in_full_is_not_served_by_a_resumed_session_TLS_24)
{
    ask(0, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ask(1, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    requests[1].in_full = true; /* it waits already */
    ck_assert_uint_eq(sessions_forgotten, 0);
    probes[0].evidence->resumed = true;
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
    ck_assert_uint_eq(started, 2);
    ck_assert_uint_eq(sessions_forgotten, 1);
    probe_ends(1, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
}
END_TEST

/* A look that resumed a session, some time ago. */
static void look_by_a_session(void)
{
    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    probes[0].evidence->resumed = true;
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
    sleep_ms(2);
}

/* Whether the budget is spent, there is no room, its time is up, or the daemon stops. */
START_TEST(who_wants_it_in_full_is_never_put_off_with_a_resumed_session_TLS_24)
{
    static const enum outcome outcomes[] = {OUTCOME_LIMITED, OUTCOME_OURS_RESOURCES,
                                            OUTCOME_LIMITED, OUTCOME_OURS_CANCELLED};

    look_by_a_session();
    permission = _i == 1 ? PERMIT_NOW : PERMIT_LATER;
    permitted_at_ms = clock_boot_ms() + (_i < 2 ? 5000 : 20);
    no_room = _i == 1;
    ask(1, 1, clock_boot_ms(), _i < 2 ? 1000 : 25, PRIORITY_LIVE);
    ask(2, 1, clock_boot_ms(), _i < 2 ? 1000 : 25, PRIORITY_LIVE);
    requests[2].in_full = true;
    endpoints_turn(endpoints);
    if (_i == 2) {
        sleep_ms(30);
        timers();
    } else if (_i == 3) {
        endpoints_stop(endpoints);
    }
    struct message *message = mailbox_receive(front);
    ck_assert_ptr_eq(message, &requests[1].message);
    ck_assert(requests[1].evidence->resumed);
    evidence_drop(requests[1].evidence);
    ck_assert_uint_eq(came_home(outcomes[_i]), 1); /* the other */
    ck_assert_uint_eq(started, 1);
}
END_TEST

/* The probe, which has found nothing, says why; who asked is told what is known. */
START_TEST(a_session_that_failed_without_a_budget_for_more_leaves_what_was_known_law_3)
{
    const bool known = _i == 0;

    if (known)
        look_by_a_session();
    ask(1, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, known ? 2 : 1);
    ask(2, 1, clock_boot_ms(), 1000,
        PRIORITY_LIVE); /* came to it, and wants more than it was for */
    requests[2].in_full = true;
    probe_ends(started - 1, OUTCOME_LIMITED);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(known ? OUTCOME_TLS_OK : OUTCOME_LIMITED), 1);
    ck_assert_uint_eq(counter_read(&endpoints_counts(endpoints)->limited), 1);
    ck_assert_uint_eq(started, known ? 3 : 2);
    probe_ends(started - 1, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
    ck_assert(!requests[2].evidence->resumed);
}
END_TEST

/* Who lets evidence be old gets an old success, never an old failure. */
START_TEST(a_failure_serves_for_minutes_however_old_evidence_may_be_FRESH_02)
{
    static const struct {
        enum outcome outcome;
        uint64_t age_ms;
        bool serves;
    } rows[] = {{OUTCOME_TLS_OK, AGE_BAD_MS + 1, true},
                {OUTCOME_NO_STARTTLS, AGE_BAD_MS - 10000, true},
                {OUTCOME_NO_STARTTLS, AGE_BAD_MS + 1, false},
                {OUTCOME_GREETING_TIMEOUT, AGE_BAD_MS + 1, false}};

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const unsigned before = started;

        ask(0, (uint8_t)(10 + i), 0, 1000, PRIORITY_ASKED);
        endpoints_turn(endpoints);
        ck_assert_uint_eq(started, before + 1);
        probe_ends(before, rows[i].outcome);
        endpoints_turn(endpoints);
        came_home(rows[i].outcome);
        probes[before].evidence->began_ms -= rows[i].age_ms;
        ask(1, (uint8_t)(10 + i), 1, 1000, PRIORITY_ASKED);
        endpoints_turn(endpoints);
        ck_assert_msg((started == before + 1) == rows[i].serves, "row %u", i);
        if (!rows[i].serves) {
            probe_ends(before + 1, rows[i].outcome);
            endpoints_turn(endpoints);
        }
        came_home(rows[i].outcome);
    }
}
END_TEST

START_TEST(a_patient_request_waits_for_politeness_and_is_then_probed)
{
    permission = PERMIT_LATER;
    permitted_at_ms = clock_boot_ms() + 20;
    ask(0, 1, 0, 5000, PRIORITY_SCAN);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 0);
    ck_assert_uint_eq(came_home(OUTCOME_LIMITED), 0);
    permission = PERMIT_NOW;
    sleep_ms(30);
    timers();
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1);
    probe_ends(0, OUTCOME_NO_STARTTLS);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_NO_STARTTLS), 1);
}
END_TEST

/* Two MX hosts that are aliases of one: the same address, and the same name is sent. */
static const struct dns_answer by_mx_one = {.owner = {.length = 6, .text = "mx.one"}};
static const struct dns_answer by_mx_two = {.owner = {.length = 6, .text = "mx.two"}};

START_TEST(who_opted_out_is_never_probed)
{
    opted_out = "mx.one";
    came_by = &by_mx_one;
    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    ck_assert_uint_eq(came_home(OUTCOME_OPTED_OUT), 1);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 0);
    ck_assert_uint_eq(endpoints_counts(endpoints)->opted_out, 1);
}
END_TEST

/* Whether the probe for the other one comes before, runs, or comes after. */
START_TEST(of_two_hosts_at_one_endpoint_each_opts_out_for_itself_only)
{
    opted_out = "mx.one";
    came_by = &by_mx_two;
    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    came_by = &by_mx_one;
    ask(1, 1, 0, 1000, PRIORITY_ASKED); /* while it waits */
    ck_assert_uint_eq(came_home(OUTCOME_OPTED_OUT), 1);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1);
    ask(2, 1, 0, 1000, PRIORITY_ASKED);
    ask(3, 1, clock_boot_ms(), 1000, PRIORITY_LIVE);
    ck_assert_uint_eq(came_home(OUTCOME_OPTED_OUT), 2);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
    ask(4, 1, 0, 1000, PRIORITY_ASKED);
    ck_assert_uint_eq(came_home(OUTCOME_OPTED_OUT), 1);
    came_by = &by_mx_two;
    ask(5, 1, 0, 1000, PRIORITY_ASKED); /* what was said of the first is no evidence */
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1);
}
END_TEST

START_TEST(who_opts_out_while_waiting_is_not_probed)
{
    came_by = &by_mx_one;
    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    opted_out = "mx.one";
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 0);
    ck_assert_uint_eq(came_home(OUTCOME_OPTED_OUT), 1);

    opted_out = NULL;
    ask(1, 1, 0, 1000, PRIORITY_ASKED);
    came_by = &by_mx_two;
    ask(2, 1, 0, 1000, PRIORITY_ASKED);
    opted_out = "mx.one";
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1); /* for the other one */
    ck_assert_uint_eq(came_home(OUTCOME_OPTED_OUT), 1);
    ck_assert(may_again(may_again_context, probes[0].job));
    opted_out = "mx.two";
    ck_assert(!may_again(may_again_context, probes[0].job)); /* no second connection, for nobody */
    ck_assert_uint_eq(came_home(OUTCOME_OPTED_OUT), 1);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 0);
}
END_TEST

START_TEST(politeness_is_asked_again_before_the_second_connection_of_a_probe)
{
    ask(0, 7, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1);
    ck_assert(may_again(may_again_context, probes[0].job));
    ck_assert(address_equal(&asked_again, &requests[0].key.address));
    permission = PERMIT_LATER;
    ck_assert(!may_again(may_again_context, probes[0].job));
    probe_ends(0, OUTCOME_TLS_ALERT);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_ALERT), 1);
    ck_assert_uint_eq(ended_politely, 1);
}
END_TEST

START_TEST(every_request_is_answered_at_its_deadline_while_the_probe_goes_on)
{
    ask(0, 1, clock_boot_ms(), 10, PRIORITY_LIVE);
    ask(1, 1, clock_boot_ms(), 5000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1);
    sleep_ms(20);
    timers();
    ck_assert_uint_eq(came_home(OUTCOME_OURS_RESOURCES), 1);
    ask(2, 1, 0, 10, PRIORITY_LIVE);
    sleep_ms(20);
    timers();
    ck_assert_uint_eq(came_home(OUTCOME_OURS_RESOURCES), 1);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
}
END_TEST

START_TEST(a_full_prober_is_ours_and_temporary)
{
    no_room = true;
    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_OURS_RESOURCES), 1);
    no_room = false;
    ask(1, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 1);
    probe_ends(0, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 1);
}
END_TEST

/* Eight probes run and fill the window; three more wait. */
static void fill_the_window(void)
{
    for (unsigned i = 0; i < 8; i++)
        ask(i, (uint8_t)(100 + i), 0, 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 8);
    ask(8, 1, 0, 1000, PRIORITY_SCAN);
    ask(9, 2, 0, 1000, PRIORITY_ASKED);
    ask(10, 3, 0, 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 8);
}

START_TEST(when_room_is_scarce_live_goes_before_scan)
{
    fill_the_window();
    for (unsigned i = 0; i < 8; i++)
        probe_ends(i, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 8);
    ck_assert_uint_eq(started, 11);
    ck_assert_uint_eq(order[8].bytes[3], 3);
    ck_assert_uint_eq(order[9].bytes[3], 2);
    ck_assert_uint_eq(order[10].bytes[3], 1);
    for (unsigned i = 8; i < 11; i++)
        probe_ends(i, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 3);
}
END_TEST

START_TEST(who_is_asked_about_again_keeps_its_place)
{
    fill_the_window();
    ask(11, 4, 0, 1000, PRIORITY_LIVE);
    ask(12, 3, 0, 1000, PRIORITY_LIVE); /* it stands before 4, and stays there */
    ask(13, 3, 0, 1000, PRIORITY_SCAN);
    ask(14, 1, 0, 1000, PRIORITY_LIVE); /* urgent by now: behind both */
    for (unsigned i = 0; i < 8; i++)
        probe_ends(i, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 8);
    ck_assert_uint_eq(started, 12);
    ck_assert_uint_eq(order[8].bytes[3], 3);
    ck_assert_uint_eq(order[9].bytes[3], 4);
    ck_assert_uint_eq(order[10].bytes[3], 1);
    for (unsigned i = 8; i < 12; i++)
        probe_ends(i, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 7);
}
END_TEST

START_TEST(a_loop_that_lags_starts_fewer_probes)
{
    for (unsigned i = 0; i < 8; i++)
        ask(i, (uint8_t)(100 + i), 0, 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    for (unsigned i = 0; i < 20; i++) {
        sleep_ms(60);
        endpoints_observe(endpoints, 2000);
    }
    for (unsigned i = 0; i < 8; i++)
        probe_ends(i, OUTCOME_TLS_OK);
    for (unsigned i = 8; i < 16; i++)
        ask(i, (uint8_t)(100 + i), 0, 1000, PRIORITY_LIVE);
    endpoints_turn(endpoints);
    ck_assert_uint_ge(started, 9); /* never none */
    ck_assert_uint_lt(started, 16);
    endpoints_stop(endpoints);
    for (unsigned i = 8; i < started; i++)
        probe_ends(i, OUTCOME_OURS_CANCELLED);
    endpoints_turn(endpoints);
}
END_TEST

START_TEST(stopping_answers_everybody_and_starts_nothing)
{
    ask(0, 1, 0, 1000, PRIORITY_ASKED);
    endpoints_turn(endpoints);
    ask(1, 2, 0, 1000, PRIORITY_ASKED); /* ready, not started yet */
    endpoints_stop(endpoints);
    ck_assert_uint_eq(cancelled, 1);
    ck_assert_uint_eq(came_home(OUTCOME_OURS_CANCELLED), 1);
    ask(2, 3, 0, 1000, PRIORITY_ASKED);
    ck_assert_uint_eq(came_home(OUTCOME_OURS_RESOURCES), 1);
    probe_ends(0, OUTCOME_OURS_CANCELLED);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_OURS_CANCELLED), 1);
    ck_assert_uint_eq(started, 1);
}
END_TEST

START_TEST(what_is_only_kept_can_be_forgotten_and_who_waits_is_not)
{
    for (unsigned i = 0; i < 4; i++) {
        ask(i, (uint8_t)i, 0, 1000, PRIORITY_ASKED);
        endpoints_turn(endpoints);
        if (i < 3)
            probe_ends(i, OUTCOME_TLS_OK);
        endpoints_turn(endpoints);
    }
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 3);
    const struct evidence *kept = evidence_hold(probes[0].evidence);
    ck_assert_uint_eq(endpoints_forget(endpoints, 100), 3);
    ck_assert_uint_eq(atomic_load(&kept->references), 1);
    evidence_drop(kept);
    ask(4, 0, 0, 1000, PRIORITY_ASKED); /* has to be seen again */
    endpoints_turn(endpoints);
    ck_assert_uint_eq(started, 5);
    probe_ends(3, OUTCOME_TLS_OK);
    probe_ends(4, OUTCOME_TLS_OK);
    endpoints_turn(endpoints);
    ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 2);
}
END_TEST

START_TEST(jobs_that_nobody_waits_for_make_room_for_new_ones)
{
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 16; i++) {
            ask(i, (uint8_t)(round * 16 + i), 0, 1000, PRIORITY_ASKED);
            endpoints_turn(endpoints);
            probe_ends(started - 1, OUTCOME_TLS_OK);
            endpoints_turn(endpoints);
        }
        ck_assert_uint_eq(came_home(OUTCOME_TLS_OK), 16);
    }
    ck_assert_uint_eq(started, 64);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint jobs");
    TCase *cases = tcase_create("sharing, limits, ends");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, fifty_live_requests_cost_two_probes_FRESH_03_PIT_17);
    tcase_add_test(cases, good_evidence_serves_again_without_a_probe_FRESH_02);
    tcase_add_test(cases, a_delivery_renews_evidence_and_saves_the_probe);
    tcase_add_test(cases, a_delivery_elsewhere_or_under_other_settings_renews_nothing);
    tcase_add_test(cases, tls_at_a_delivery_has_the_next_question_look_anew_where_there_was_none);
    tcase_add_test(cases, after_a_reload_no_look_under_the_old_settings_serves);
    tcase_add_test(cases, our_own_failure_is_no_evidence_and_older_evidence_stays_law_3);
    tcase_add_test(cases, a_spent_budget_answers_limited_at_once_when_patience_is_shorter);
    tcase_add_test(cases, a_spent_budget_answers_a_live_request_with_older_evidence_and_its_age);
    tcase_add_test(cases, who_comes_while_others_wait_for_the_budget_is_told_at_once_too);
    tcase_add_test(cases, who_wants_it_in_full_is_not_served_by_a_resumed_session_TLS_24);
    tcase_add_loop_test(cases, who_wants_it_in_full_is_never_put_off_with_a_resumed_session_TLS_24,
                        0, 4);
    tcase_add_loop_test(
        cases, a_session_that_failed_without_a_budget_for_more_leaves_what_was_known_law_3, 0, 2);
    tcase_add_test(cases, a_failure_serves_for_minutes_however_old_evidence_may_be_FRESH_02);
    tcase_add_test(cases, a_patient_request_waits_for_politeness_and_is_then_probed);
    tcase_add_test(cases, who_opted_out_is_never_probed);
    tcase_add_test(cases, of_two_hosts_at_one_endpoint_each_opts_out_for_itself_only);
    tcase_add_test(cases, who_opts_out_while_waiting_is_not_probed);
    tcase_add_test(cases, politeness_is_asked_again_before_the_second_connection_of_a_probe);
    tcase_add_test(cases, every_request_is_answered_at_its_deadline_while_the_probe_goes_on);
    tcase_add_test(cases, a_full_prober_is_ours_and_temporary);
    tcase_add_test(cases, when_room_is_scarce_live_goes_before_scan);
    tcase_add_test(cases, who_is_asked_about_again_keeps_its_place);
    tcase_add_test(cases, a_loop_that_lags_starts_fewer_probes);
    tcase_add_test(cases, stopping_answers_everybody_and_starts_nothing);
    tcase_add_test(cases, what_is_only_kept_can_be_forgotten_and_who_waits_is_not);
    tcase_add_test(cases, jobs_that_nobody_waits_for_make_room_for_new_ones);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
