/*
 * day_play.c - a mail host is done with our probe address: for a day it keeps it waiting, turns it
 * away, and does not answer, while mail goes on (law 1). A real shard is asked anew again and
 * again; each answer is what a mail server would do with the next message.
 *
 * The first visit finds the host in order, or not even that one. What must be so the whole day: no
 * mail is stopped or held, none leaves under less than what is remembered or demanded, and a host
 * that turns us away is left alone but for a visit an hour. Afterwards the verdict is as before.
 */
#include "shm/answer.h"
#include "tests/plays/world/servers.h"
#include "tests/plays/world/stage.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <check.h>
#include <string.h>

enum {
    MINUTE_MS = 60 * 1000,
#if defined(__SANITIZE_ADDRESS__) /* eight times as long */
    DAY_MS = 6 * 60 * MINUTE_MS,
#else
    DAY_MS = 24 * 60 * MINUTE_MS,
#endif
    TURNED_AWAY = 40,   /* visits of a day: back-off from a minute, doubled to an hour (stage.c) */
    PATIENCE_MS = 6000, /* gate.deadline */
};

#define HOST   "mx.mail.example A secure 192.0.2.1\nmx.mail.example AAAA secure-nodata\n"
#define SIGNED "signed.example MX secure 10 mx.mail.example\n" HOST
#define UNSIGNED                                                                            \
    "signed.example MX insecure 10 mx.mail.example\nmx.mail.example A insecure 192.0.2.1\n" \
    "mx.mail.example AAAA insecure-nodata\n"

#define TARPIT  "wait 1000000\n"
#define DRIPS   "S: 220-mx.example\nwait 9000\nS: 220-slowly\nwait 9000\n" TARPIT
#define TURNED  "S: 421 4.7.0 too many connections from your address\nclose\n"
#define BLOCKED "S: 554 5.7.1 your address is blocked\nclose\n"
#define LATER   GREETS OFFERS "C: STARTTLS\nS: 454 4.7.0 try again later\n" BYE "close\n"
#define REFUSED "connect refused"
#define SILENT  "connect silence"

static const struct day {
    struct scene scene; /* its floor: what was remembered before, and is in each verdict */
    const char
        *ordinary; /* the policy's beginning of who demands nothing; "": the mail server's own */
    const char *guaranteed; /* of a sender whose profile demands encryption */
    uint64_t apart_ms;      /* questions */
    unsigned visits;        /* at most; 0: one a question. Nothing says that fewer are welcome */
    enum tls_class well;    /* again, from some hour on; UNKNOWN: not on this day */
} days[] = {
    {{.name = "known by TLS",
      .zone = UNSIGNED,
      .addresses = {{"192.0.2.1", {WHOLE, TURNED, TARPIT, DRIPS, REFUSED, BLOCKED, LATER, TURNED}}},
      .asks = {{"signed.example", .patience_ms = PATIENCE_MS, .live = true}},
      .floor = LEVEL_ENCRYPT},
     "encrypt ",
     "encrypt ",
     MINUTE_MS,
     TURNED_AWAY,
     CLASS_UNKNOWN},
    {{.name = "known by DANE",
      .zone = SIGNED "_25._tcp.mx.mail.example TLSA secure 3 1 1 leaf\n",
      .addresses = {{"192.0.2.1",
                     {WHOLE, TARPIT, TURNED, SILENT, BLOCKED, DRIPS, REFUSED, TARPIT}}},
      .asks = {{"signed.example", .patience_ms = PATIENCE_MS, .live = true}},
      .floor = LEVEL_AUTHENTICATED},
     "dane-only",
     "dane-only",
     15 * MINUTE_MS,
     0,
     CLASS_UNKNOWN},
    {{.name = "never seen",
      .zone = UNSIGNED,
      .addresses = {{"192.0.2.1",
                     {TURNED, TARPIT, DRIPS, REFUSED, BLOCKED, LATER, SILENT, TURNED}}},
      .asks = {{"signed.example", .patience_ms = PATIENCE_MS, .live = true}},
      .floor = LEVEL_NONE},
     "",
     "encrypt ",
     MINUTE_MS,
     TURNED_AWAY,
     CLASS_UNKNOWN},
    {{.name = "never seen, with TLSA records",
      .zone = SIGNED "_25._tcp.mx.mail.example TLSA secure 3 1 1 leaf\n",
      .addresses = {{"192.0.2.1",
                     {TARPIT, TURNED, SILENT, BLOCKED, DRIPS, REFUSED, LATER, TARPIT}}},
      .asks = {{"signed.example", .patience_ms = PATIENCE_MS, .live = true}},
      .floor = LEVEL_NONE},
     "dane-only",
     "dane-only",
     15 * MINUTE_MS,
     0,
     CLASS_UNKNOWN},
    {{.name = "known by TLS, and well again",
      .zone = UNSIGNED,
      .addresses = {{"192.0.2.1", {WHOLE, TURNED, TARPIT, REFUSED, TURNED, TURNED, TURNED, WHOLE}}},
      .asks = {{"signed.example", .patience_ms = PATIENCE_MS, .live = true}},
      .floor = LEVEL_ENCRYPT},
     "encrypt ",
     "encrypt ",
     DAY_MS / 24,
     0,
     CLASS_VERIFIED},
    {{.name = "known by DANE, and well again",
      .zone = SIGNED "_25._tcp.mx.mail.example TLSA secure 3 1 1 leaf\n",
      .addresses = {{"192.0.2.1", {WHOLE, TURNED, TARPIT, REFUSED, TURNED, TURNED, TURNED, WHOLE}}},
      .asks = {{"signed.example", .patience_ms = PATIENCE_MS, .live = true}},
      .floor = LEVEL_AUTHENTICATED},
     "dane-only",
     "dane-only",
     DAY_MS / 24,
     0,
     CLASS_DANE},
};

static const struct day *today;
static struct {
    unsigned answers, definite;
    enum tls_class last;
} seen;

static void check_mail(unsigned n, const struct stage_answer *found, const struct profile *profile,
                       const char *policy)
{
    struct answer answer;
    const bool is_text = policy[0] != '\0';

    answer_decide(&answer, &(struct answer_question){.profile = profile,
                                                     .verdict = &found->verdict,
                                                     .next_hop = "signed.example",
                                                     .stale = found->limited,
                                                     .now_ms = clock_boot_ms(),
                                                     .now_s = clock_wall_s()});
    ck_assert_msg(answer.action == ACTION_SEND, "%s, %u: %s (%s)", today->scene.name, n,
                  action_name(answer.action), answer.text);
    ck_assert_msg(answer.policy.answer == (is_text ? POSTFIX_POLICY : POSTFIX_DEFAULT) &&
                      strncmp(answer.policy.text, policy, strlen(policy)) == 0,
                  "%s, %u: \"%s\" instead of \"%s\"", today->scene.name, n, answer.policy.text,
                  policy);
}

static void heard(unsigned n, uint64_t at_ms, const struct stage_answer *answer)
{
    static const struct profile strict = {
        .name = "strict", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP};

    (void)at_ms;
    ck_assert_msg(answer->took_ms <= PATIENCE_MS + 100, "%s, %u: %lu ms", today->scene.name, n,
                  (unsigned long)answer->took_ms);
    ck_assert_uint_eq(answer->verdict.floor.level, today->scene.floor);
    ck_assert_uint_eq(answer->verdict.floor.flags & FLOOR_UNKNOWN, 0);
    seen.answers++;
    seen.definite += answer->verdict.conclusion == CONCLUSION_DEFINITE && !answer->limited;
    seen.last = answer->verdict.class;
    check_mail(n, answer, NULL, today->ordinary);
    check_mail(n, answer, &strict, today->guaranteed);
}

START_TEST(a_probe_address_that_is_limited_for_a_day_stops_no_mail_law_1)
{
    const struct stage_series series = {.count = (unsigned)(DAY_MS / days[_i].apart_ms),
                                        .apart_ms = days[_i].apart_ms,
                                        .heard = heard};
    struct stage_result result;
    const struct stage_run run = {.scene = &days[_i].scene, .series = &series};

    today = &days[_i];
    memset(&seen, 0, sizeof seen);
    stage_play(&run, &result);
    ck_assert_msg(world_failed() == NULL, "%s", world_failed());
    ck_assert_uint_eq(seen.answers, series.count);
    ck_assert_uint_ge(result.connections, 8); /* it was visited, and each time turned away */
    if (today->well != CLASS_UNKNOWN) {
        ck_assert_uint_ge(seen.definite, series.count / 2);
        ck_assert_int_eq(seen.last, today->well);
    } else {
        ck_assert_uint_le(result.connections, today->visits > 0 ? today->visits : series.count);
        ck_assert_uint_le(seen.definite, 1);
    }
}
END_TEST

static void set_up(void)
{
    log_set_level(LOG_ERROR_LEVEL);
    servers_make();
}

static void tear_down(void)
{
    host_tls_servers_free();
}

int main(void)
{
    Suite *suite = suite_create("plays/day");
    TCase *tests = tcase_create("day");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_probe_address_that_is_limited_for_a_day_stops_no_mail_law_1, 0,
                        sizeof days / sizeof *days);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
