/*
 * endpoint_play.c - the endpoint script against every host of population.md section 4 that it can
 * meet, in a world of scripts; and each play again with its n-th operation in trouble, its n-th
 * allocation failing, its bytes in pieces of one, and the loop stopped for ten seconds at its n-th
 * turn.
 *
 * Whatever happens: the slot is released once, nothing is in flight and no file is open, there is
 * exactly one evidence, it comes within the budgets, and a failure of ours is never a finding about
 * the peer (law 3).
 *
 * A prober lives through all plays of a test, as in the daemon: what one play leaves behind harms
 * the next.
 */
#include "engine/probe/endpoint.h"

#include "engine/base/clock.h"
#include "tests/plays/world/servers.h"
#include "tests/plays/world/world.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How exactly the play is known beforehand. */
enum {
    EXACT = 0,
    LEAVES = 1, /* the probe may leave before the script has ended */
    HUGE = 2,   /* so many bytes that one by one they do not come in time */
};
/* What else it may be called if bytes come one by one, or if an answer comes too late. */
#define CUT(name)  ((1u + OUTCOME_##name) << 8)
#define LATE(name) ((1u + OUTCOME_##name) << 16)

struct play {
    const char *name;
    const char *scripts[3]; /* one a connection; the last one serves all further ones */
    enum outcome outcome;
    unsigned known; /* EXACT, LEAVES, CUT(…), LATE(…) */
};

static const struct play plays[] = {
    {"everything is well", {WHOLE}, OUTCOME_TLS_OK, EXACT},
    {"the greeting has many lines and comes slowly",
     {"S: 220-mx.example\nwait 4000\nS: 220-teaser\nwait 4000\nS: 220 go\n" OFFERS STARTS
      "TLS\n" INSIDE BYE},
     OUTCOME_TLS_OK,
     EXACT},
    {"the reply to QUIT never comes", {UNTIL_TLS "TLS\n" INSIDE "C: QUIT"}, OUTCOME_TLS_OK, EXACT},
    {"closed instead of a reply to QUIT",
     {UNTIL_TLS "TLS\n" INSIDE "C: QUIT\nclose"},
     OUTCOME_TLS_OK,
     EXACT},
    {"silent after the handshake", {UNTIL_TLS "TLS\n" EHLO}, OUTCOME_TLS_OK, EXACT},
    {"closed after the handshake", {UNTIL_TLS "TLS\nclose\n"}, OUTCOME_TLS_OK, EXACT},
    {"EHLO refused inside TLS",
     {UNTIL_TLS "TLS\n" EHLO "S: 502 what?\n" BYE},
     OUTCOME_TLS_OK,
     EXACT},

    {"no STARTTLS", {PLAIN}, OUTCOME_NO_STARTTLS, EXACT},
    {"no keyword at all", {GREETS EHLO "S: 250 mx.example\n" BYE}, OUTCOME_NO_STARTTLS, EXACT},
    {"masked by a middlebox",
     {GREETS EHLO "S: 250-mx.example\nS: 250 XXXXXXXA\n" BYE},
     OUTCOME_STARTTLS_MASKED,
     EXACT},
    {"EHLO refused, HELO taken",
     {GREETS EHLO "S: 502 not implemented\nC: HELO probe.example\nS: 250 hello\n" BYE},
     OUTCOME_EHLO_REFUSED,
     LEAVES},

    {"STARTTLS temporarily refused",
     {GREETS OFFERS "C: STARTTLS\nS: 454 4.7.0 TLS not available\n" BYE},
     OUTCOME_STARTTLS_TEMPORARY,
     EXACT},
    {"STARTTLS refused",
     {GREETS OFFERS "C: STARTTLS\nS: 502 no\n" BYE},
     OUTCOME_STARTTLS_REFUSED,
     EXACT},
    {"STARTTLS is a syntax error",
     {GREETS OFFERS "C: STARTTLS\nS: 501 no\n" BYE},
     OUTCOME_STARTTLS_REFUSED,
     EXACT},

    {"injection after 220",
     {GREETS OFFERS "C: STARTTLS\nS! 220 go\\r\\n250-evil\\r\\n\n"},
     OUTCOME_INJECTION,
     LEAVES | CUT(TLS_PLAINTEXT)},
    {"plain text after STARTTLS",
     {UNTIL_TLS "eat\nS: 500 5.5.1 what is this?\n"},
     OUTCOME_TLS_PLAINTEXT,
     LEAVES},
    {"closed in the handshake", {UNTIL_TLS "eat\nclose\n"}, OUTCOME_TLS_CLOSED, LEAVES},
    {"reset in the handshake", {UNTIL_TLS "eat\nreset\n"}, OUTCOME_TLS_CLOSED, LEAVES},
    {"an alert in the handshake",
     {UNTIL_TLS "eat\n" ALERT "close\n", "connect refused"},
     OUTCOME_TLS_ALERT,
     LEAVES},
    {"nonsense in the handshake",
     {UNTIL_TLS "eat\nS! \\x16\\x03\\x03\\x00\\x04\\x63\\x00\\x00\\x00\n"},
     OUTCOME_TLS_FAILED,
     LEAVES},
    {"silence in the handshake", {UNTIL_TLS "eat"}, OUTCOME_TLS_TIMEOUT, LEAVES},
    {"only TLS 1.2", {UNTIL_TLS "TLS 1.2\n" INSIDE BYE}, OUTCOME_TLS_OK, EXACT},
    {"a client certificate is demanded",
     {UNTIL_TLS "TLS demanding\nclose\n"},
     OUTCOME_TLS_ALERT,
     LEAVES | LATE(TLS_OK)}, /* in TLS 1.3 the refusal comes after the handshake */
    {"a chain of 120 KiB", {UNTIL_TLS "TLS huge\n"}, OUTCOME_TLS_TOO_LARGE, LEAVES | HUGE},
    {"only TLS 1.0", {UNTIL_TLS "TLS old\nclose\n"}, OUTCOME_TLS_WEAK, LEAVES},

    {"greeting 451", {"S: 451 4.3.0 later\n" BYE}, OUTCOME_GREETING_TEMPORARY, LEAVES},
    {"greeting 554", {"S: 554 5.7.1 no\n" BYE}, OUTCOME_GREETING_REFUSED, LEAVES},
    {"greeting 421, too many",
     {"S: 421 4.7.0 too many connections\nclose\n"},
     OUTCOME_RATE_LIMITED,
     LEAVES},
    {"no greeting", {"wait 1000000"}, OUTCOME_GREETING_TIMEOUT, LEAVES},
    {"closed before the greeting", {"close"}, OUTCOME_SMTP_CLOSED, LEAVES},
    {"reset before the greeting", {"reset"}, OUTCOME_SMTP_CLOSED, LEAVES},
    {"half a greeting, then silence", {"S! 220-mx"}, OUTCOME_GREETING_TIMEOUT, LEAVES},
    {"another protocol", {"S: SSH-2.0-OpenSSH_9"}, OUTCOME_SMTP_MALFORMED, LEAVES},
    {"TLS at once", {"S! \\x16\\x03\\x01\\x02\\x00"}, OUTCOME_SMTP_MALFORMED, LEAVES},
    {"an endless line",
     {"S! 220-\nendless " HUNDRED_BYTES HUNDRED_BYTES HUNDRED_BYTES "\n"},
     OUTCOME_SMTP_TOO_LONG,
     LEAVES},
    {"an endless reply", {"endless 220-more\\r\\n\n"}, OUTCOME_SMTP_TOO_LONG, LEAVES},

    {"EHLO temporarily refused",
     {GREETS EHLO "S: 451 4.3.0 later\n" BYE},
     OUTCOME_EHLO_TEMPORARY,
     LEAVES},
    {"EHLO refused for rate",
     {GREETS EHLO "S: 421 4.7.0 slow down\nclose\n"},
     OUTCOME_RATE_LIMITED,
     LEAVES},
    {"silent after the greeting", {GREETS EHLO}, OUTCOME_SMTP_TIMEOUT, LEAVES},
    {"closed after EHLO", {GREETS EHLO "close\n"}, OUTCOME_SMTP_CLOSED, LEAVES},
    {"malformed EHLO reply", {GREETS EHLO "S: 250-a\nS: 251 b\n"}, OUTCOME_SMTP_MALFORMED, LEAVES},
    {"silent after STARTTLS", {GREETS OFFERS "C: STARTTLS"}, OUTCOME_SMTP_TIMEOUT, LEAVES},
    {"closed after STARTTLS", {GREETS OFFERS "C: STARTTLS\nclose\n"}, OUTCOME_SMTP_CLOSED, LEAVES},

    {"connection refused", {"connect refused"}, OUTCOME_CONNECT_REFUSED, EXACT},
    {"unreachable", {"connect unreachable"}, OUTCOME_CONNECT_UNREACHABLE, EXACT},
    {"nobody answers", {"connect silence"}, OUTCOME_CONNECT_TIMEOUT, EXACT},
};
#define PLAYS (sizeof plays / sizeof *plays)

/* --- the stage --- */

enum {
    CONNECT_MS = 5000,
    GREETING_MS = 10000,
    COMMAND_MS = 6000,
    HANDSHAKE_MS = 7000,
    GOODBYE_MS = 1000,
    WHOLE_MS = 40000,
    LATE_MS = 10000, /* for how long a stopped loop is stopped */
    JOB = 4711,
};

static char ehlo_name[] = "probe.example";
static struct probe_settings settings;
static struct ring *ring;
static struct wheel *wheel;
static struct certificate_store *certificates;
static struct prober *prober;

static bool may_again(void *context, uint64_t job)
{
    (void)context;
    return job == JOB;
}

static void set_up(void)
{
    struct ring_limits limits = {64, 16, 16, 4096, false};
    char why[200] = "";

    settings = (struct probe_settings){.ehlo_name = ehlo_name,
                                       .connect_ms = CONNECT_MS,
                                       .greeting_ms = GREETING_MS,
                                       .command_ms = COMMAND_MS,
                                       .handshake_ms = HANDSHAKE_MS,
                                       .goodbye_ms = GOODBYE_MS,
                                       .whole_ms = WHOLE_MS,
                                       .parallel = 4,
                                       .heavy_per_turn = 2,
                                       .ipv4 = true,
                                       .ipv6 = true,
                                       .allow_reserved = true,
                                       .weak_check = true,
                                       .resumption = true,
                                       .full_handshake_ms = 180000};
    ck_assert_int_eq(ring_create(&ring, &limits), 0);
    ck_assert_int_eq(wheel_create(&wheel, clock_boot_ms()), 0);
    ck_assert_int_eq(certificate_store_create(&certificates, 1 << 20), 0);
    servers_make();
    servers_trust(certificates);
    ck_assert_msg(
        prober_create(&prober, ring, wheel, certificates, &settings, 2, 8, why, sizeof why) == 0,
        "%s", why);
    prober_ask_again(prober, may_again, NULL);
}

static void tear_down(void)
{
    prober_destroy(prober);
    certificate_store_destroy(certificates);
    wheel_destroy(wheel);
    ring_destroy(ring);
    host_tls_servers_free();
}

/* --- one run --- */

struct run {
    const struct play *play;
    const char *trouble; /* for messages */
    uint64_t n;
    struct world_options world; /* its scripts are the play's */
    uint64_t fail_allocation;   /* 0: none */
    unsigned stop_at_turn;      /* 0: never */
    uint64_t cancel_at_turn;    /* 0: never */
};

struct result {
    bool started; /* prober_start took it */
    unsigned evidences, turns;
    enum outcome outcome;
    bool unnamed; /* what it would take instead is not known */
    char detail[160];
    uint64_t lasted_ms, allocations;
    bool allocation_failed;
    unsigned operations;
};

static void completed(void *context, const struct ring_completion *completion)
{
    prober_completed(context, completion);
}

static struct endpoint_key the_key(void)
{
    struct endpoint_key key = {.port = 25};

    ck_assert(address_parse(&key.address, "192.0.2.25", 10));
    ck_assert_int_eq(name_parse(&key.server_name, "mx.example", 10), NAME_OK);
    return key;
}

static void take_ended(struct result *result)
{
    const struct evidence *evidence;
    uint64_t job = 0;

    while ((evidence = prober_take_ended(prober, &job)) != NULL) {
        result->evidences++;
        result->outcome = evidence->outcome;
        result->unnamed = evidence_is_unnamed(evidence);
        memcpy(result->detail, evidence->detail, sizeof result->detail);
        if (job != JOB)
            world_fail("the evidence is of another job");
        if (evidence->ended_ms < evidence->began_ms)
            world_fail("it ended before it began");
        evidence_drop(evidence);
    }
}

/* One turn of the loop as the shard does it. */
static void turn(const struct run *run, struct result *result)
{
    uint64_t before_ms = clock_boot_ms();
    struct wheel_timer *timer;
    bool busy = prober_run_heavy(prober);

    take_ended(result);
    if (result->evidences > 0)
        return;
    result->turns++;
    if (result->turns == run->cancel_at_turn)
        prober_cancel_all(prober);
    if (result->turns == run->stop_at_turn) {
        world_pass(LATE_MS);
        prober_loop_was_late(prober, before_ms, clock_boot_ms());
    }
    (void)ring_turn(ring, busy ? 0 : wheel_next_ms(wheel), completed, prober);
    while ((timer = wheel_take_due(wheel, clock_boot_ms())) != NULL)
        prober_due(prober, timer);
    take_ended(result);
}

static struct result play_once(const struct run *run)
{
    struct result result = {0};
    struct world_options options = run->world;
    struct endpoint_key key = the_key();

    for (size_t i = 0; i < 3; i++)
        options.scripts[i] = run->play->scripts[i];
    options.may_quit = run->trouble != NULL;
    world_begin(&options);
    uint64_t began_ms = clock_boot_ms();
    world_allocations_begin(run->fail_allocation);
    result.started = prober_start(prober, &key, NULL, JOB) == 0;
    while (result.started && result.evidences == 0 && world_failed() == NULL)
        turn(run, &result);
    result.allocations = world_allocations_end();
    result.allocation_failed = world_allocation_failed();
    result.operations = world_operations();
    result.lasted_ms = clock_boot_ms() - began_ms;
    if (prober_running(prober) != 0)
        world_fail("the slot was not released");
    if (ring_in_flight(ring) != 0)
        world_fail("%u operations are in flight", ring_in_flight(ring));
    if (wheel_next_ms(wheel) != UINT64_MAX)
        world_fail("a timer is still armed");
    return result;
}

static void require(const struct run *run, const struct result *result, bool holds,
                    const char *claim)
{
    if (holds)
        return;
    fprintf(stderr, "%s", world_transcript());
    ck_abort_msg("play \"%s\", %s at %llu: %s (%s: %s; %u evidences, %llu ms, %s)", run->play->name,
                 run->trouble != NULL ? run->trouble : "undisturbed", (unsigned long long)run->n,
                 claim, result->started ? outcome_name(result->outcome) : "not started",
                 result->detail, result->evidences, (unsigned long long)result->lasted_ms,
                 world_failed() != NULL ? world_failed() : "the world is well");
}
#define REQUIRE(condition) require(&run, &result, condition, #condition)

/* What holds for every run, whatever the trouble. */
static void check_run(const struct run *r, const struct result *of)
{
    struct run run = *r;
    struct result result = *of;
    uint64_t most_ms = WHOLE_MS + GOODBYE_MS + 1000 + (run.stop_at_turn > 0 ? LATE_MS : 0);
    bool script_done = world_connections() == 0 || world_script_done(0);

    world_end();
    REQUIRE(world_failed() == NULL);
    REQUIRE(result.evidences == (result.started ? 1 : 0));
    REQUIRE(result.lasted_ms <= most_ms);
    if (run.trouble == NULL) {
        REQUIRE(result.started);
        REQUIRE(result.outcome == run.play->outcome);
        REQUIRE(script_done || (run.play->known & LEAVES) != 0);
    }
}

static bool is_ours(const struct result *result)
{
    return !result->started || outcome_says(result->outcome) == SAYS_OURS;
}

/* It is refused, and we do not say that this is all: to name what is weak was left to us. */
static bool is_left_open(const struct run *run, const struct result *result)
{
    return run->play->outcome == OUTCOME_TLS_WEAK && result->outcome == OUTCOME_TLS_ALERT &&
           result->unnamed;
}

static bool is_timeout(enum outcome outcome)
{
    return outcome == OUTCOME_CONNECT_TIMEOUT || outcome == OUTCOME_GREETING_TIMEOUT ||
           outcome == OUTCOME_SMTP_TIMEOUT || outcome == OUTCOME_TLS_TIMEOUT;
}

/* --- plays --- */

START_TEST(each_host_gets_its_finding)
{
    struct run run = {.play = &plays[_i]};
    struct result result = play_once(&run);
    check_run(&run, &result);
}
END_TEST

START_TEST(the_finding_does_not_depend_on_how_bytes_are_cut)
{
    static const size_t pieces[] = {1, 2, 7, 100};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct run run = {.play = &plays[_i],
                          .trouble = "pieces of",
                          .n = pieces[i],
                          .world = {.receive_max = pieces[i], .send_max = pieces[i]}};
        struct result result = play_once(&run);
        check_run(&run, &result);
        bool too_slow = (run.play->known & HUGE) != 0 && result.lasted_ms >= HANDSHAKE_MS;
        REQUIRE(result.outcome == run.play->outcome ||
                result.outcome + 1u == (run.play->known >> 8 & 0xff) ||
                (too_slow && (is_timeout(result.outcome) || is_ours(&result))));
    }
}
END_TEST

/* Law 3: what we could not do is ours; what never came may look like a slow peer; nothing else. */
static void in_trouble(const struct play *play, enum world_trouble trouble)
{
    bool delays =
        trouble == TROUBLE_LATE || trouble == TROUBLE_RACE || trouble == TROUBLE_SLOW_CANCEL;
    struct result result = {.operations = 1};

    /* Up to the first n that is not reached: what is in trouble may be the last operation. */
    for (unsigned n = 1; result.operations >= n - 1; n++) {
        struct run run = {.play = play,
                          .trouble = world_trouble_name(trouble),
                          .n = n,
                          .world = {.trouble = trouble, .trouble_at = n}};
        result = play_once(&run);
        check_run(&run, &result);
        bool same = result.outcome == play->outcome;
        REQUIRE(same || is_ours(&result) || is_left_open(&run, &result) ||
                (delays && (is_timeout(result.outcome) ||
                            result.outcome + 1u == (play->known >> 16 & 0xff))));
        REQUIRE(same || trouble != TROUBLE_NO_BUFFER); /* it can just ask again */
    }
}

START_TEST(an_operation_in_trouble_is_never_a_finding_about_the_peer)
{
    for (int trouble = TROUBLE_REFUSED; trouble < TROUBLE_COUNT; trouble++)
        in_trouble(&plays[_i], (enum world_trouble)trouble);
}
END_TEST

START_TEST(an_allocation_that_fails_is_never_a_finding_about_the_peer)
{
    struct result result = {.allocation_failed = true};
    /* The whole dialogue of the first play, and fewer and fewer of the others', which are alike. */
    bool every = _i == 0 || world_plays_whole();
    for (uint64_t n = 1; result.allocation_failed; n += every ? 1 : 1 + n / 100) {
        struct run run = {
            .play = &plays[_i], .trouble = "allocation failed", .n = n, .fail_allocation = n};
        result = play_once(&run);
        check_run(&run, &result);
        REQUIRE(result.outcome == run.play->outcome || is_ours(&result) ||
                is_left_open(&run, &result));
    }
    struct run run = {.play = &plays[_i]}; /* and nothing is the worse for it */
    result = play_once(&run);
    check_run(&run, &result);
}
END_TEST

START_TEST(a_loop_that_was_stopped_blames_nobody)
{
    struct result result = {.turns = 1};
    for (unsigned n = 1;; n++) {
        struct run run = {.play = &plays[_i], .trouble = "loop stopped", .n = n, .stop_at_turn = n};
        result = play_once(&run);
        check_run(&run, &result);
        if (result.turns < n)
            break; /* it had ended before */
        REQUIRE(is_ours(&result) || result.outcome == run.play->outcome);
        REQUIRE(outcome_says(result.outcome) != SAYS_INCONCLUSIVE);
        REQUIRE(!is_timeout(result.outcome));
    }
}
END_TEST

START_TEST(a_probe_can_be_cancelled_at_any_turn)
{
    struct result result = {.turns = 1};
    for (unsigned n = 1; result.turns >= n - 1; n++) {
        struct run run = {
            .play = &plays[_i], .trouble = "all cancelled", .n = n, .cancel_at_turn = n};
        result = play_once(&run);
        check_run(&run, &result);
        REQUIRE(result.outcome == OUTCOME_OURS_CANCELLED || result.outcome == run.play->outcome ||
                is_left_open(&run, &result));
    }
}
END_TEST

/* --- any script at all --- */

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}

/* What a host may do next: sensible, silly and hostile things. */
static const char *const deeds[] = {
    "S: 220 mx.example ESMTP\n",
    "S! 220-more\\r\\n\n",
    "S: 250-mx.example\nS: 250-STARTTLS\nS: 250 SIZE\n",
    "S: 250 mx.example\n",
    "S: 421 4.7.0 too many\n",
    "S: 454 4.7.0 later\n",
    "S: 554 no\n",
    "S!  250\\x00\\xff\\r\\n\n",
    "S! \\x16\\x03\\x03\\x40\\x00\\x02\n",
    "S! \\x15\\x03\\x03\\x00\\x02\\x01\\x00\n",
    "S: a text of no meaning at all that is longer than what most hosts have to say about it\n",
    "eat\n",
    "eat\n",
    "eat\n",
    "wait 1\n",
    "wait 900\n",
    "wait 20000\n",
    "TLS\n",
    "TLS 1.2\n",
    "close\n",
    "reset\n",
    "endless \\x00\n",
    "endless 250-x\\r\\n\n",
};

static void random_script(char *script, size_t size)
{
    size_t at = 0;

    script[0] = '\0';
    if (random_below(3) > 0) /* else strangers hardly ever get as far as TLS */
        at += (size_t)snprintf(script, size, GREETS "eat\nS: 250-mx\nS: 250 STARTTLS\neat\n");
    if (random_below(3) > 0 && at > 0)
        at += (size_t)snprintf(script + at, size - at, "S: 220 go\nTLS\n");
    for (unsigned i = random_below(8); i > 0; i--)
        at += (size_t)snprintf(script + at, size - at, "%s",
                               deeds[random_below(sizeof deeds / sizeof *deeds)]);
}

START_TEST(no_script_makes_a_probe_outlive_its_budgets_or_break_a_rule)
{
    static char scripts[2][4096];
    unsigned handshakes = 0;
    random_state = (uint64_t)_i + 1;
    for (unsigned n = 0; n < 500; n++) {
        random_script(scripts[0], sizeof scripts[0]);
        random_script(scripts[1], sizeof scripts[1]);
        struct play play = {.name = scripts[0], .scripts = {scripts[0], scripts[1]}};
        struct run run = {.play = &play,
                          .trouble = "a random script",
                          .n = n,
                          .world = {.receive_max = random_below(3) == 0 ? 1 + random_below(9) : 0,
                                    .send_max = random_below(3) == 0 ? 1 + random_below(99) : 0,
                                    .trouble = (enum world_trouble)random_below(TROUBLE_COUNT),
                                    .trouble_at = 1 + random_below(40)},
                          .fail_allocation = random_below(2) * random_below(2000),
                          .stop_at_turn = random_below(4) == 0 ? 1 + random_below(20) : 0,
                          .cancel_at_turn = random_below(8) == 0 ? 1 + random_below(20) : 0};
        struct result result = play_once(&run);
        check_run(&run, &result);
        bool encrypts = result.started && outcome_says(result.outcome) == SAYS_ENCRYPTS;
        REQUIRE(!encrypts || strstr(scripts[0], "TLS\n") != NULL ||
                strstr(scripts[0], "TLS 1.2\n") != NULL);
        handshakes += encrypts;
    }
    ck_assert_uint_gt(handshakes, 10); /* the scripts are not all nonsense */
}
END_TEST

/* With an address to connect from, the socket is made in another way. */
START_TEST(a_bound_probe_is_as_safe_as_any)
{
    static char source[] = "192.0.2.1";
    settings.source_ipv4 = source;
    prober_reload(prober, &settings);
    struct run run = {.play = &plays[0]};
    struct result result = play_once(&run);
    check_run(&run, &result);
    for (int trouble = TROUBLE_REFUSED; trouble < TROUBLE_COUNT; trouble++)
        in_trouble(&plays[0], (enum world_trouble)trouble);
}
END_TEST

START_TEST(a_reserved_address_is_never_connected_to)
{
    struct run run = {.play = &plays[0]};
    settings.allow_reserved = false;
    prober_reload(prober, &settings);
    struct result result = play_once(&run);
    ck_assert_uint_eq(result.evidences, 1);
    ck_assert_int_eq(result.outcome, OUTCOME_RESERVED_ADDRESS);
    ck_assert_uint_eq(result.operations, 0);
}
END_TEST

START_TEST(without_a_free_slot_a_probe_is_refused_and_others_go_on)
{
    struct endpoint_key key = the_key();
    struct world_options options = {.scripts = {WHOLE}};
    struct result result = {0};
    struct run run = {.play = &plays[0]};
    world_begin(&options);
    ck_assert_int_eq(prober_start(prober, &key, NULL, JOB), 0);
    ck_assert_int_eq(prober_start(prober, &key, NULL, JOB), 0);
    ck_assert_int_eq(prober_start(prober, &key, NULL, JOB), -EAGAIN);
    while (prober_running(prober) > 0 && world_failed() == NULL) {
        result.evidences = 0;
        turn(&run, &result);
        if (result.evidences > 0)
            ck_assert_int_eq(result.outcome, OUTCOME_TLS_OK);
    }
    world_end();
    ck_assert_msg(world_failed() == NULL, "%s", world_failed());
    ck_assert_uint_eq(world_connections(), 0); /* world_end forgets them */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plays/endpoint");
    TCase *tests = tcase_create("endpoint");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, world_plays_whole() ? 7200 : 200);
    tcase_add_loop_test(tests, each_host_gets_its_finding, 0, PLAYS);
    tcase_add_loop_test(tests, the_finding_does_not_depend_on_how_bytes_are_cut, 0, PLAYS);
    tcase_add_loop_test(tests, an_operation_in_trouble_is_never_a_finding_about_the_peer, 0, PLAYS);
    tcase_add_loop_test(tests, an_allocation_that_fails_is_never_a_finding_about_the_peer, 0,
                        PLAYS);
    tcase_add_loop_test(tests, a_loop_that_was_stopped_blames_nobody, 0, PLAYS);
    tcase_add_loop_test(tests, a_probe_can_be_cancelled_at_any_turn, 0, PLAYS);
    tcase_add_loop_test(tests, no_script_makes_a_probe_outlive_its_budgets_or_break_a_rule, 0, 4);
    tcase_add_test(tests, a_bound_probe_is_as_safe_as_any);
    tcase_add_test(tests, a_reserved_address_is_never_connected_to);
    tcase_add_test(tests, without_a_free_slot_a_probe_is_refused_and_others_go_on);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
