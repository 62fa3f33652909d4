/*
 * answer_table_test.c - every demand against every verdict: half a million rows against a statement
 * of the rules that is written down here once more, as plainly as they can be said, and properties
 * that follow from the four laws.
 *
 * Verdicts are those of the scenes (scenes.h) and of routes without hosts. Policy texts are read
 * back by the grammar of policy_reading.h and played out on the scene, so that "fails closed at the
 * delivery" is a claim about Postfix, not about our own words.
 */
#include "shm/answer.h"

#include "tests/policy_reading.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NOW_S        1800000000

/* --- what is known --- */

#define KNOWN_MAX 4096
static struct known {
    char name[200];
    bool nothing;  /* not even a record */
    bool no_hosts; /* of a route without hosts: nothing to play on */
    struct scene scene;
    struct verdict verdict;
} known[KNOWN_MAX];
static unsigned known_count, known_single; /* those before known_single have at most one host */

static struct known *known_add(const char *name)
{
    struct known *one = &known[known_count++];

    ck_assert_uint_le(known_count, KNOWN_MAX);
    memset(one, 0, sizeof *one);
    snprintf(one->name, sizeof one->name, "%s", name);
    return one;
}

static void known_add_scene(const struct scene *scene, const struct verdict *verdict)
{
    struct known *one;

    if (scene->cut && scene->count == 1) /* with two hosts suffices */
        return;
    one = known_add(scene_text(scene));
    one->scene = *scene;
    one->verdict = *verdict;
}

static void known_add_routes(void)
{
    static const struct {
        const char *name;
        enum route_state state;
        bool secure;
    } rows[] = {
        {"null MX", ROUTE_NULL_MX, true},
        {"no domain", ROUTE_NO_DOMAIN, true},
        {"no host", ROUTE_UNUSABLE, true},
        {"loop", ROUTE_LOOP, true},
        {"MX trouble", ROUTE_TROUBLE, true},
        {"MX bogus", ROUTE_BOGUS, true},
        {"null MX, unsigned", ROUTE_NULL_MX, false},
        {"no domain, unsigned", ROUTE_NO_DOMAIN, false},
        {"loop, unsigned", ROUTE_LOOP, false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct route route = {.state = rows[i].state,
                              .domain = domain,
                              .until_ms = NOW_MS + 500000,
                              .secure = rows[i].secure};
        struct known *one = known_add(rows[i].name);

        one->no_hosts = true;
        verdict_of_domain(&one->verdict, &route, NULL, NULL, NOW_MS);
    }
}

static void known_make(void)
{
    struct known *one;

    makings_make();
    known_count = 0;
    one = known_add("nothing");
    one->nothing = one->no_hosts = true;
    known_add_routes();
    every_scene(1, known_add_scene);
    for (unsigned i = known_count; i-- > 0;) { /* some that offer REQUIRETLS, everywhere */
        if (known[i].no_hosts || known[i].verdict.hosts_good == 0)
            continue;
        one = known_add(known[i].name);
        one->scene = known[i].scene;
        one->verdict = known[i].verdict;
        one->verdict.flags |= VERDICT_REQUIRETLS_ALL | VERDICT_REQUIRETLS_SOME;
    }
    one = known_add("MTA-STS"); /* as it will come with its issue */
    one->no_hosts = true;
    one->verdict = verdict_for(true, "verified", NULL);
    one->verdict.class = CLASS_STS;
    one->verdict.level = LEVEL_AUTHENTICATED;
    known_single = known_count;
    every_scene(2, known_add_scene);
}

/* --- the questions --- */

/* What the account, the alias, the memory, the administrator and the message say. */
static const struct profile profiles[] = {
    {.name = "nothing", .minimum = LEVEL_NONE, .unmet = UNMET_STOP},
    {.name = "posteo",
     .minimum = LEVEL_ENCRYPT,
     .unmet = UNMET_STOP,
     .exempt_auto_replies = true,
     .exempt_forwards = true},
    {.name = "hold", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_HOLD, .allow_tls_required_no = true},
    {.name = "mailbox", .minimum = LEVEL_NONE, .unmet = UNMET_HOLD, .allow_tls_required_no = true},
    {.name = "names", .minimum = LEVEL_VERIFIED, .unmet = UNMET_STOP},
    {.name = "half", .minimum = LEVEL_DANE_INSECURE_MX, .unmet = UNMET_HOLD},
    {.name = "strict", .minimum = LEVEL_AUTHENTICATED, .unmet = UNMET_STOP},
};
#define PROFILES (COUNT(profiles) + 1) /* and none */
static const struct profile strict_alias = {
    .name = "alias", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP};

static const struct floor floors[] = {
    {0},
    {.level = LEVEL_ENCRYPT, .proof = PROOF_HANDSHAKES},
    {.level = LEVEL_AUTHENTICATED, .proof = PROOF_DANE},
    {.level = LEVEL_AUTHENTICATED, .proof = PROOF_STS},
    {.hosts_level = LEVEL_ENCRYPT},
    {.flags = FLOOR_UNREADABLE},
    {.flags = FLOOR_UNKNOWN},
    {.level = LEVEL_ENCRYPT, .proof = PROOF_HANDSHAKES, .flags = FLOOR_CONTRADICTED},
    {.level = LEVEL_AUTHENTICATED, .proof = PROOF_DANE, .rule = RULE_EXEMPT},
    {.level = LEVEL_ENCRYPT, .rule = RULE_EXEMPT, .rule_until_s = NOW_S - 1},
    {.rule = RULE_PIN, .rule_level = LEVEL_ENCRYPT},
    {.rule = RULE_PIN, .rule_level = LEVEL_AUTHENTICATED, .rule_until_s = NOW_S + 1},
    {.rule = RULE_PIN, .rule_level = LEVEL_AUTHENTICATED, .rule_until_s = NOW_S},
    {.rule = RULE_REFUSE},
    {.rule = RULE_REFUSE, .rule_until_s = NOW_S - 1},
};

static const uint32_t messages[] = {
    0,
    FACT_AUTHENTICATED,
    FACT_REQUIRETLS,
    FACT_AUTO_SUBMITTED,
    FACT_NULL_SENDER,
    FACT_LOCAL_ORIGIN,
    FACT_LOCAL_ORIGIN | FACT_AUTO_SUBMITTED,
    FACT_LOCAL_ORIGIN | FACT_NULL_SENDER,
    FACT_FORWARD,
    FACT_TLS_REPORT,
    FACT_TLS_REPORT | FACT_LOCAL_ORIGIN,
    FACT_TLS_REQUIRED_NO,
    FACT_TLS_REQUIRED_NO | FACT_AUTHENTICATED,
    FACT_TLS_REQUIRED_NO | FACT_AUTHENTICATED | FACT_REQUIRETLS,
    FACT_NULL_SENDER | FACT_AUTHENTICATED,
    FACT_NULL_SENDER | FACT_REQUIRETLS,
};

struct row {
    const struct known *known;
    const struct profile *profile, *alias;
    const struct floor *floor;
    uint32_t facts;
    bool stale, switched_off;
};

/* The question, and the verdict that it points to. */
static struct answer_question question_of(const struct row *row, struct verdict *verdict)
{
    *verdict = row->known->verdict;
    verdict->floor = *row->floor;
    return (struct answer_question){
        .profile = row->profile,
        .alias = row->alias,
        .switched_off = row->switched_off,
        .facts = row->facts,
        .verdict = row->known->nothing ? NULL : verdict,
        .next_hop = domain.text,
        .stale = row->stale,
        .now_ms = NOW_MS,
        .now_s = NOW_S,
    };
}

static const char *row_text(const struct row *row, const struct answer *answer)
{
    static char text[2048];

    snprintf(text, sizeof text,
             "%s%s; profile %s%s%s, floor %zu, facts %x: %s %s, demand %s of %s, \"%s\" [%s], %s",
             row->known->name, row->stale ? ", stale" : "",
             row->profile != NULL ? row->profile->name : "-", row->switched_off ? " (off)" : "",
             row->alias != NULL ? ", alias" : "", (size_t)(row->floor - floors), row->facts,
             action_name(answer->action), answer->code, level_name(answer->demand),
             demand_source_name(answer->source), answer->policy.text, answer->policy.row,
             answer->text);
    return text;
}

typedef void (*check)(const struct row *row, const struct answer_question *question,
                      const struct answer *answer);

/* A sanitizer looks for wrong accesses, and is slow: a seventh of the rows is enough for it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ROW_STEP = 7 };
#else
enum { ROW_STEP = 1 };
#endif

static unsigned long rows_tried;

static void try_row(const struct row *row, check check_)
{
    struct verdict verdict;

    if (rows_tried++ % ROW_STEP != 0)
        return;
    struct answer_question question = question_of(row, &verdict);
    struct answer answer;

    answer_decide(&answer, &question);
    check_(row, &question, &answer);
}

/* Everything that differs but for what is known. */
static void try_message(struct row *row, check check_)
{
    for (unsigned p = 0; p < PROFILES; p++)
        for (unsigned bits = 0; bits < 8; bits++) {
            row->profile = p < COUNT(profiles) ? &profiles[p] : NULL;
            row->alias = (bits & 1) != 0 ? &strict_alias : NULL;
            row->stale = (bits & 2) != 0;
            row->switched_off = (bits & 4) != 0;
            if (!row->switched_off || row->profile != NULL)
                try_row(row, check_);
        }
}

/* Every message under every floor, but not for each verdict: a quarter of those in turn. */
static bool is_in_turn(size_t k, size_t f, size_t m)
{
    return f < 3 || m < 2 || (k + f + m) % 4 == 0;
}

static void every_row(check check_)
{
    rows_tried = 0;
    for (unsigned k = 0; k < known_single; k++)
        for (size_t f = 0; f < COUNT(floors); f++)
            for (size_t m = 0; m < COUNT(messages); m++) {
                struct row row = {.known = &known[k], .floor = &floors[f], .facts = messages[m]};

                /* Without a record there is no floor. */
                if (known[k].nothing ? f == 0 : is_in_turn(k, f, m))
                    try_message(&row, check_);
            }
    for (unsigned k = known_single; k < known_count; k++) /* two hosts: without the rest */
        try_message(&(struct row){.known = &known[k], .floor = &floors[k % 3]}, check_);
    ck_assert_uint_gt(rows_tried, 400000);
}

/* --- the rules, once more --- */

struct expected {
    enum level demand[DEMAND_SOURCE_COUNT]; /* LEVEL_NONE: none, or left out */
    bool stop[DEMAND_SOURCE_COUNT];
    bool must_arrive; /* `may` */
    enum action action;
};

static bool rule_holds(const struct row *row, enum rule rule)
{
    return !row->known->nothing && row->floor->rule == rule &&
           (row->floor->rule_until_s == 0 || row->floor->rule_until_s > NOW_S);
}

static bool all(const struct row *row, uint32_t wanted)
{
    return (row->facts & wanted) == wanted;
}

/* Who demands what, before anything is left out. */
static void expect_demands(struct expected *e, const struct row *row)
{
    const struct verdict *verdict = &row->known->verdict;
    const struct floor *floor = row->floor;
    bool secure = (verdict->flags & VERDICT_MX_SECURE) != 0;

    if (row->profile != NULL) {
        e->demand[DEMAND_PROFILE] = row->profile->minimum;
        e->stop[DEMAND_PROFILE] = row->profile->unmet == UNMET_STOP;
    }
    if (row->alias != NULL) {
        e->demand[DEMAND_ALIAS] = LEVEL_ENCRYPT;
        e->stop[DEMAND_ALIAS] = true;
    }
    if (all(row, FACT_REQUIRETLS)) {
        e->demand[DEMAND_REQUIRETLS] = secure ? LEVEL_VERIFIED : LEVEL_AUTHENTICATED;
        e->stop[DEMAND_REQUIRETLS] = true;
    }
    if (row->known->nothing)
        return;
    if (rule_holds(row, RULE_PIN))
        e->demand[DEMAND_RULE] = (enum level)floor->rule_level;
    e->demand[DEMAND_MEMORY] =
        (enum level)(floor->level > floor->hosts_level ? floor->level : floor->hosts_level);
    if ((floor->flags & (FLOOR_UNREADABLE | FLOOR_UNKNOWN)) != 0)
        e->demand[DEMAND_MEMORY] = LEVEL_ENCRYPT;
    if (strcmp(row->known->name, "MTA-STS") == 0)
        e->demand[DEMAND_STS] = LEVEL_AUTHENTICATED;
    if (!row->known->no_hosts && row->known->scene.secure && !nobody(&row->known->scene) &&
        every_host_has_usable_tlsa(&row->known->scene))
        e->demand[DEMAND_DANE] = LEVEL_AUTHENTICATED;
}

static bool is_report(const struct row *row)
{
    return all(row, FACT_TLS_REPORT | FACT_LOCAL_ORIGIN);
}

/* MSG-01: a message without a sender can be told to nobody, so no demand stops it at once. */
static void expect_patience(struct expected *e, const struct row *row)
{
    if (all(row, FACT_NULL_SENDER))
        memset(e->stop, 0, sizeof e->stop);
}

/* What is left out, and why: S8, MSG-05, RTLS-07, RPT-15, RULE_EXEMPT, the user's exception. */
static void expect_exemptions(struct expected *e, const struct row *row)
{
    const struct profile *profile = row->profile;
    bool no_tls_needed = all(row, FACT_TLS_REQUIRED_NO | FACT_AUTHENTICATED) &&
                         !all(row, FACT_REQUIRETLS) && profile != NULL &&
                         profile->allow_tls_required_no;
    bool automatic =
        all(row, FACT_LOCAL_ORIGIN) && (row->facts & (FACT_AUTO_SUBMITTED | FACT_NULL_SENDER)) != 0;

    if (rule_holds(row, RULE_EXEMPT))
        e->demand[DEMAND_MEMORY] = LEVEL_NONE;
    if (row->switched_off || (profile != NULL && profile->exempt_auto_replies && automatic) ||
        (profile != NULL && profile->exempt_forwards && all(row, FACT_FORWARD)))
        e->demand[DEMAND_PROFILE] = LEVEL_NONE;
    if (no_tls_needed)
        e->demand[DEMAND_MEMORY] = e->demand[DEMAND_DANE] = e->demand[DEMAND_STS] = LEVEL_NONE;
    if (is_report(row))
        memset(e->demand, 0, sizeof e->demand);
    e->must_arrive = no_tls_needed || is_report(row);
    for (unsigned s = 0; s < DEMAND_SOURCE_COUNT; s++)
        e->must_arrive &= e->demand[s] == LEVEL_NONE;
}

/* Nobody could tell what is remembered: then no evidence is for or against it. */
static bool is_forgotten(const struct row *row)
{
    return (row->floor->flags & FLOOR_UNKNOWN) != 0;
}

/* Fresh and conclusive evidence says that it is less. */
static bool expect_failure(const struct row *row, unsigned source, enum level level)
{
    const struct verdict *verdict = &row->known->verdict;

    if (row->known->nothing || row->stale || verdict->conclusion != CONCLUSION_DEFINITE)
        return false;
    if (source == DEMAND_MEMORY && is_forgotten(row))
        return false;
    if (verdict->class == CLASS_VERIFIED && verdict->level < level && level <= LEVEL_VERIFIED)
        return false; /* it is there, and only cannot be said */
    if (verdict->level < level || verdict->class == CLASS_FAILING)
        return true;
    /* A bounce is not dropped because REQUIRETLS is not offered on the way back (RTLS-06). */
    return source == DEMAND_REQUIRETLS && !all(row, FACT_NULL_SENDER) &&
           (verdict->flags & VERDICT_REQUIRETLS_SOME) == 0 && verdict->hosts_good == verdict->hosts;
}

/* That a domain takes no mail can be forged where it is not signed: then it stops who asked to be
 * told at once, and nobody else (PIT-04). */
static enum action expect_undeliverable(const struct row *row, bool demanded, bool stop_asked)
{
    const struct verdict *verdict = &row->known->verdict;

    if (!demanded)
        return ACTION_SEND;
    if (row->stale || verdict->cause == CAUSE_NO_HOST)
        return ACTION_DEFER;
    return (verdict->flags & VERDICT_MX_SECURE) != 0 || stop_asked ? ACTION_STOP : ACTION_DEFER;
}

static enum action expect_action(const struct expected *e, const struct row *row,
                                 const struct answer *answer)
{
    bool demanded = false, stop_asked = false, stop = false, failed = false;

    for (unsigned s = 0; s < DEMAND_SOURCE_COUNT; s++) {
        demanded |= e->demand[s] != LEVEL_NONE;
        stop_asked |= e->demand[s] != LEVEL_NONE && e->stop[s];
        if (e->demand[s] != LEVEL_NONE && expect_failure(row, s, e->demand[s])) {
            failed = true;
            stop |= e->stop[s];
        }
    }
    if (is_report(row)) /* never stopped (RPT-15) */
        return ACTION_SEND;
    if (rule_holds(row, RULE_REFUSE))
        return all(row, FACT_NULL_SENDER) ? ACTION_DEFER : ACTION_STOP;
    if (e->must_arrive)
        return ACTION_SEND;
    if (!row->known->nothing && row->known->verdict.conclusion == CONCLUSION_TEMPORARY)
        return ACTION_DEFER;
    if (!row->known->nothing && row->known->verdict.conclusion == CONCLUSION_UNDELIVERABLE)
        return expect_undeliverable(row, demanded, stop_asked);
    if (stop)
        return ACTION_STOP;
    return failed || answer->policy.answer == POSTFIX_HOLD ? ACTION_DEFER : ACTION_SEND;
}

static void answer_is_expected(const struct row *row, const struct answer_question *question,
                               const struct answer *answer)
{
    struct expected e = {0};
    enum level demand = LEVEL_NONE;
    enum demand_source source = DEMAND_NOBODY;
    bool contradicted;

    (void)question;
    expect_demands(&e, row);
    expect_exemptions(&e, row);
    expect_patience(&e, row);
    for (unsigned s = 0; s < DEMAND_SOURCE_COUNT; s++)
        if (e.demand[s] > LEVEL_NONE && e.demand[s] >= demand) {
            demand = e.demand[s];
            source = (enum demand_source)s;
        }
    if (rule_holds(row, RULE_REFUSE) && !is_report(row))
        source = DEMAND_RULE;
    claim(answer->demand == demand && answer->source == source, "expected %s of %s: %s",
          level_name(demand), demand_source_name(source), row_text(row, answer));
    claim(answer->action == expect_action(&e, row, answer) && answer->would == answer->action,
          "expected %s: %s", action_name(expect_action(&e, row, answer)), row_text(row, answer));
    claim((strcmp(answer->policy.text, "may") == 0) == e.must_arrive, "%s", row_text(row, answer));
    contradicted = e.demand[DEMAND_MEMORY] > LEVEL_NONE && !is_forgotten(row) &&
                   ((row->floor->flags & FLOOR_CONTRADICTED) != 0 ||
                    (row->known->verdict.conclusion == CONCLUSION_UNDELIVERABLE && !row->stale) ||
                    expect_failure(row, DEMAND_MEMORY, e.demand[DEMAND_MEMORY]));
    claim(answer->alarm == contradicted && !answer->observed, "%s", row_text(row, answer));
}

START_TEST(every_answer_is_as_the_rules_say_DEC_01_to_06_S1_S9_S10_S11_S13)
{
    every_row(answer_is_expected);
}
END_TEST

/* --- the laws --- */

static bool read_answer(struct reading *reading, const struct answer *answer)
{
    return answer->policy.answer == POSTFIX_POLICY && read_policy(reading, answer->policy.text);
}

/* Law 1, and DEC-06, PIT-01: what is demanded is enforced where the mail is delivered, whatever any
 * host turns out to be there. */
static void what_is_sent_is_enforced(const struct row *row, const struct answer_question *question,
                                     const struct answer *answer)
{
    struct reading reading;

    (void)question;
    if (answer->action != ACTION_SEND || answer->demand < LEVEL_ENCRYPT)
        return;
    claim(read_answer(&reading, answer), "%s", row_text(row, answer));
    claim(reading.tls12 && !reading.may, "%s", row_text(row, answer));
    claim(answer->policy.guarantees >= answer->demand, "%s", row_text(row, answer));
    if (!row->known->no_hosts) {
        enum level least = guaranteed(reading.policy, &row->known->scene);

        claim(least == LEVEL_NONE ? reading.policy == ENFORCE_DANE_ONLY : least >= answer->demand,
              "%s", row_text(row, answer));
    }
    if (row->known->nothing)
        claim(reading.policy == ENFORCE_ENCRYPT, "%s", row_text(row, answer));
}

START_TEST(send_under_a_demand_carries_a_policy_that_fails_closed_at_delivery_PIT_01_S4)
{
    every_row(what_is_sent_is_enforced);
}
END_TEST

/* Law 1: what is not known stops nothing, and holds only what no text can say. */
static void unknown_vetoes_nothing(const struct row *row, const struct answer_question *question,
                                   const struct answer *answer)
{
    const struct verdict *verdict = question->verdict;

    if (rule_holds(row, RULE_REFUSE) ||
        (verdict != NULL && verdict->conclusion == CONCLUSION_TEMPORARY))
        return;
    if (verdict != NULL && !row->stale && verdict->conclusion != CONCLUSION_INCONCLUSIVE)
        return;
    claim(answer->action != ACTION_STOP, "%s", row_text(row, answer));
    claim(answer->action != ACTION_DEFER || answer->policy.answer == POSTFIX_HOLD, "%s",
          row_text(row, answer));
}

START_TEST(what_is_unknown_or_old_vetoes_nothing_DEC_05_PIT_03_PIT_04_S3)
{
    every_row(unknown_vetoes_nothing);
}
END_TEST

/* A look-up that failed some time ago is no error of now: who is asked about is as unknown as who
 * was never looked up, and what is remembered of him holds (law 1, DNS-09). */
static void trouble_that_is_over_vetoes_nothing(const struct row *row,
                                                const struct answer_question *question,
                                                const struct answer *answer)
{
    const struct verdict unknown = {.class = CLASS_UNKNOWN,
                                    .conclusion = CONCLUSION_INCONCLUSIVE,
                                    .valid_until_ms = question->verdict->valid_until_ms,
                                    .floor = question->verdict->floor};
    struct answer_question never = *question;
    struct answer expected;

    never.verdict = &unknown;
    answer_decide(&expected, &never);
    claim(answer->action == expected.action, "%s", row_text(row, answer));
    claim(strcmp(answer->policy.text, expected.policy.text) == 0, "%s", row_text(row, answer));
    if (answer->demand <= LEVEL_OPPORTUNISTIC && !rule_holds(row, RULE_REFUSE))
        claim(answer->action == ACTION_SEND, "%s", row_text(row, answer));
}

/* What the DNS said has run out: nothing is stopped by it, no key and no host's name is kept, and
 * what is sent is enforced as before, by what the MTA itself looks up (FRESH-01, DEC-08). */
static void what_has_expired_is_not_used(const struct row *row,
                                         const struct answer_question *question,
                                         const struct answer *answer)
{
    struct answer_question later = *question;
    struct answer seen;
    struct reading reading;

    if (question->verdict == NULL || row->stale)
        return;
    later.now_ms = question->verdict->valid_until_ms;
    answer_decide(&seen, &later);
    claim(seen.action != ACTION_STOP || rule_holds(row, RULE_REFUSE), "%s", row_text(row, &seen));
    claim(seen.demand >= answer->demand, "%s", row_text(row, &seen));
    if (question->verdict->conclusion == CONCLUSION_TEMPORARY)
        trouble_that_is_over_vetoes_nothing(row, &later, &seen);
    for (unsigned i = 0; i < seen.demand_count; i++)
        claim(!seen.demands[i].met && !seen.demands[i].failed, "%s", row_text(row, &seen));
    if (seen.policy.answer != POSTFIX_POLICY)
        return;
    claim(read_answer(&reading, &seen), "%s", row_text(row, &seen));
    claim(reading.policy != PLAY_KEYS, "%s", row_text(row, &seen));
    claim(reading.policy != ENFORCE_SECURE_MATCH || strcmp(reading.match, domain.text) == 0, "%s",
          row_text(row, &seen));
    if (seen.action == ACTION_SEND && seen.demand >= LEVEL_ENCRYPT)
        claim(seen.policy.guarantees >= seen.demand, "%s", row_text(row, &seen));
}

START_TEST(what_has_expired_names_no_host_and_no_key_and_stops_nothing_FRESH_01_DEC_08_MEM_03)
{
    every_row(what_has_expired_is_not_used);
}
END_TEST

/* A stop has a definite cause (PIT-04), and temporary trouble is never more than that (RTLS-05). */
/* And nobody is stopped who cannot be told, but where signed records say that the domain takes no
 * mail (MSG-01, RTLS-06). */
static void stops_are_definite(const struct row *row, const struct answer_question *question,
                               const struct answer *answer)
{
    const struct verdict *verdict = question->verdict;

    if (answer->action != ACTION_STOP)
        return;
    claim(!rule_holds(row, RULE_REFUSE) || !all(row, FACT_NULL_SENDER), "%s",
          row_text(row, answer));
    if (rule_holds(row, RULE_REFUSE))
        return;
    claim(verdict != NULL && !row->stale &&
              (verdict->conclusion == CONCLUSION_DEFINITE ||
               verdict->conclusion == CONCLUSION_UNDELIVERABLE),
          "%s", row_text(row, answer));
    /* That no text can say it is no evidence against the hosts (law 1). */
    claim(verdict->conclusion != CONCLUSION_DEFINITE || verdict->class != CLASS_VERIFIED ||
              answer->demand > LEVEL_VERIFIED || (row->facts & FACT_REQUIRETLS) != 0,
          "%s", row_text(row, answer));
    claim(!all(row, FACT_NULL_SENDER) || (verdict->conclusion == CONCLUSION_UNDELIVERABLE &&
                                          (verdict->flags & VERDICT_MX_SECURE) != 0),
          "%s", row_text(row, answer));
}

START_TEST(only_definite_fresh_evidence_stops_and_nobody_who_cannot_be_told_PIT_04_RTLS_05_MSG_01)
{
    every_row(stops_are_definite);
}
END_TEST

static bool memory_counts(const struct answer *answer)
{
    return answer->demand_count > 0 && answer->demands[0].source == DEMAND_MEMORY &&
           answer->demands[0].exemption == EXEMPTION_NONE;
}

/* Law 2: what is remembered may be the strictest, so who demands anything gets that, or waits; law
 * 3: who demands nothing does not wait for what we cannot tell. */
static void what_is_forgotten_is_feared(const struct row *row,
                                        const struct answer_question *question,
                                        const struct answer *answer)
{
    const enum conclusion conclusion =
        question->verdict != NULL ? question->verdict->conclusion : CONCLUSION_INCONCLUSIVE;

    if (!is_forgotten(row) || !memory_counts(answer) || answer->action == ACTION_STOP)
        return;
    if (answer->source > DEMAND_MEMORY && answer->action == ACTION_SEND)
        claim(answer->policy.guarantees == LEVEL_AUTHENTICATED, "%s", row_text(row, answer));
    if (answer->source == DEMAND_MEMORY && conclusion == CONCLUSION_INCONCLUSIVE &&
        (question->verdict->flags & (VERDICT_MX_SECURE | VERDICT_SOME_HOSTS_FAIL_DANE)) == 0)
        claim(answer->action == ACTION_SEND && answer->policy.guarantees >= LEVEL_ENCRYPT, "%s",
              row_text(row, answer));
    claim(!answer->alarm, "%s", row_text(row, answer));
}

START_TEST(what_cannot_be_told_of_memory_holds_only_who_demands_something_MEM_08_DEC_05)
{
    every_row(what_is_forgotten_is_feared);
}
END_TEST

/* The policy is there whatever the action: an MTA that tries all the same is not less safe. */
static void the_policy_is_always_there(const struct row *row,
                                       const struct answer_question *question,
                                       const struct answer *answer)
{
    struct postfix_policy policy;

    if (question->verdict == NULL || strcmp(answer->policy.text, "may") == 0)
        return;
    postfix_policy(&policy, question->verdict,
                   is_forgotten(row) && answer->source > DEMAND_MEMORY && memory_counts(answer)
                       ? LEVEL_AUTHENTICATED
                       : answer->demand);
    claim(policy.answer == answer->policy.answer && strcmp(policy.text, answer->policy.text) == 0,
          "%s", row_text(row, answer));
    if (answer->demand >= LEVEL_ENCRYPT)
        claim(answer->policy.answer != POSTFIX_DEFAULT, "%s", row_text(row, answer));
}

START_TEST(the_policy_stands_beside_every_action)
{
    every_row(the_policy_is_always_there);
}
END_TEST

static bool is_same(const struct answer *a, const struct answer *b)
{
    return a->action == b->action && a->demand == b->demand && a->source == b->source &&
           a->exemption == b->exemption && a->alarm == b->alarm &&
           a->demand_count == b->demand_count && strcmp(a->code, b->code) == 0 &&
           strcmp(a->text, b->text) == 0 && strcmp(a->policy.text, b->policy.text) == 0;
}

/* Law 2 and PIT-19: what a message says of itself changes nothing by itself. */
static void claims_lower_nothing(const struct row *row, const struct answer_question *question,
                                 const struct answer *answer)
{
    static const uint32_t claims[] = {FACT_AUTO_SUBMITTED, FACT_TLS_REQUIRED_NO,
                                      FACT_AUTO_SUBMITTED | FACT_TLS_REQUIRED_NO};
    struct answer_question other = *question;
    struct answer with;

    if ((row->facts & (FACT_LOCAL_ORIGIN | FACT_AUTHENTICATED)) != 0)
        return;
    for (size_t i = 0; i < COUNT(claims); i++) {
        other.facts = row->facts | claims[i];
        answer_decide(&with, &other);
        claim(is_same(&with, answer), "claiming %x: %s", claims[i], row_text(row, answer));
    }
}

START_TEST(no_exemption_rests_on_what_the_message_claims_MSG_05_PIT_19)
{
    every_row(claims_lower_nothing);
}
END_TEST

/* Nor does any asserted fact lower what an alias, an administrator or REQUIRETLS demands (MSG-06).
 */
static void others_demands_stay(const struct row *row, const struct answer_question *question,
                                const struct answer *answer)
{
    enum level least = LEVEL_NONE;

    (void)question;
    if (all(row, FACT_TLS_REPORT | FACT_LOCAL_ORIGIN))
        return;
    if (row->alias != NULL)
        least = LEVEL_ENCRYPT;
    if (rule_holds(row, RULE_PIN) && row->floor->rule_level > least)
        least = (enum level)row->floor->rule_level;
    if (all(row, FACT_REQUIRETLS) && least < LEVEL_VERIFIED)
        least = LEVEL_VERIFIED;
    claim(answer->demand >= least, "%s", row_text(row, answer));
}

START_TEST(an_exemption_takes_out_one_demand_and_the_strictest_of_the_others_counts_MSG_06_RTLS_07)
{
    every_row(others_demands_stay);
}
END_TEST

/* --- observe --- */

static void observing_enforces_nothing(const struct row *row,
                                       const struct answer_question *question,
                                       const struct answer *answer)
{
    struct answer_question other = *question;
    struct verdict verdict = row->known->verdict;
    struct answer seen;

    for (unsigned way = 0; way < 2; way++) {
        other = *question;
        verdict = question->verdict != NULL ? *question->verdict : verdict;
        if (way == 0) {
            other.observe = true;
        } else if (way == 1 && question->verdict != NULL) {
            verdict.floor.flags |= FLOOR_OBSERVE;
            other.verdict = &verdict;
        } else {
            continue;
        }
        answer_decide(&seen, &other);
        claim(seen.observed && seen.action == ACTION_SEND &&
                  seen.policy.answer == POSTFIX_DEFAULT && seen.policy.text[0] == '\0',
              "way %u: %s", way, row_text(row, answer));
        claim(seen.would == answer->action && seen.alarm == answer->alarm &&
                  seen.demand == answer->demand && strcmp(seen.code, answer->code) == 0 &&
                  strcmp(seen.text, answer->text) == 0,
              "way %u: %s, observed: %s", way, row_text(row, answer), seen.text);
    }
}

/* What memory, DANE, an administrator and the message demand is enforced as without the profile. */
static void an_observing_profile_takes_nothing_away(const struct row *row,
                                                    const struct answer_question *question,
                                                    const struct answer *answer)
{
    struct answer_question other = *question, without = *question;
    struct profile profile, alias = strict_alias;
    struct answer seen, enforced;

    if (row->profile == NULL)
        return;
    profile = *row->profile;
    profile.observe = alias.observe = true;
    other.profile = &profile;
    other.alias = row->alias != NULL ? &alias : NULL;
    without.profile = without.alias = NULL;
    answer_decide(&seen, &other);
    answer_decide(&enforced, &without);
    claim(seen.action == enforced.action && seen.policy.answer == enforced.policy.answer &&
              strcmp(seen.policy.text, enforced.policy.text) == 0,
          "%s", row_text(row, answer));
    if (enforced.action != ACTION_SEND)
        claim(!seen.observed && strcmp(seen.text, enforced.text) == 0, "%s", row_text(row, answer));
    else
        claim(seen.would == answer->action && strcmp(seen.code, answer->code) == 0 &&
                  strcmp(seen.text, answer->text) == 0 &&
                  (seen.observed || answer->action == ACTION_SEND),
              "%s, observed: %s", row_text(row, answer), seen.text);
}

START_TEST(an_observing_profile_enforces_what_a_sender_without_one_gets)
{
    every_row(an_observing_profile_takes_nothing_away);
}
END_TEST

START_TEST(observe_enforces_nothing_and_records_what_would_have_been)
{
    every_row(observing_enforces_nothing);
}
END_TEST

START_TEST(an_alias_in_force_is_not_observed_because_the_account_is)
{
    struct verdict verdict = verdict_for(true, "clear", NULL);
    struct profile profile = {.observe = true, .minimum = LEVEL_ENCRYPT};
    struct answer_question question = {
        .profile = &profile, .alias = &strict_alias, .verdict = &verdict, .now_ms = NOW_MS};
    struct answer answer;

    answer_decide(&answer, &question);
    ck_assert(!answer.observed);
    ck_assert_int_eq(answer.action, ACTION_STOP);
    question.alias = NULL;
    answer_decide(&answer, &question);
    ck_assert(answer.observed);
    ck_assert_int_eq(answer.action, ACTION_SEND);
    ck_assert_int_eq(answer.would, ACTION_DEFER);
}
END_TEST

/* --- codes and texts --- */

static void words_fit(const struct row *row, const struct answer_question *question,
                      const struct answer *answer)
{
    static const char of_action[] = {
        [ACTION_SEND] = '2', [ACTION_DEFER] = '4', [ACTION_STOP] = '5'};
    unsigned class_, subject, detail;
    char change[512];

    claim(sscanf(answer->code, "%u.%u.%u", &class_, &subject, &detail) == 3, "%s",
          row_text(row, answer));
    claim(answer->code[0] == of_action[answer->would], "%s", row_text(row, answer));
    claim(strcmp(answer->code + 1, ".7.11") != 0, "%s", row_text(row, answer)); /* CODE-11 */
    claim(strlen(answer->text) > 20 && strlen(answer->text) < 512, "%s", row_text(row, answer));
    for (const char *c = answer->text; *c != '\0'; c++)
        claim(*c >= 0x20 && *c < 0x7f, "%s", row_text(row, answer));      /* CODE-12 */
    if (answer->demand == LEVEL_ENCRYPT && !rule_holds(row, RULE_REFUSE)) /* law 4 */
        claim(strstr(answer->text, "prevents listening only") != NULL, "%s", row_text(row, answer));
    if (answer->demand > LEVEL_ENCRYPT && answer->action == ACTION_SEND)
        claim(strstr(answer->text, "listening") == NULL, "%s", row_text(row, answer));
    claim(answer_change(answer, question, change, sizeof change) > 20 && strlen(change) < 511, "%s",
          row_text(row, answer));
}

START_TEST(every_text_is_printable_bounded_and_claims_no_more_than_is_enforced_CODE_11_CODE_12)
{
    every_row(words_fit);
}
END_TEST

static void keys_change_the_text_alone(const struct row *row,
                                       const struct answer_question *question,
                                       const struct answer *answer)
{
    struct answer_question other = *question;
    struct answer seen;
    const char *found;

    for (unsigned keys = 1; keys < MAIL_KEY_COUNT * MAIL_KEY_COUNT; keys++) {
        other.openpgp = (enum mail_key)(keys / MAIL_KEY_COUNT);
        other.smime = (enum mail_key)(keys % MAIL_KEY_COUNT);
        answer_decide(&seen, &other);
        claim(seen.action == answer->action && seen.would == answer->would &&
                  seen.observed == answer->observed && seen.demand == answer->demand &&
                  seen.source == answer->source && seen.exemption == answer->exemption &&
                  seen.insecure == answer->insecure && seen.alarm == answer->alarm &&
                  seen.demand_count == answer->demand_count &&
                  seen.policy.answer == answer->policy.answer &&
                  seen.policy.guarantees == answer->policy.guarantees &&
                  strcmp(seen.policy.text, answer->policy.text) == 0 &&
                  strcmp(seen.code, answer->code) == 0,
              "keys %u: %s", keys, row_text(row, answer));
        claim(!answer->insecure || answer->would != ACTION_SEND, "%s", row_text(row, answer));
        found = strstr(seen.text, "; the recipient publishes ");
        claim((found != NULL) == (answer->insecure && (other.openpgp == MAIL_KEY_PRESENT ||
                                                       other.smime == MAIL_KEY_PRESENT)),
              "keys %u: %s", keys, row_text(row, &seen));
        if (found != NULL)
            claim(strcmp(seen.text + strlen(seen.text) - 10, " encrypted") == 0 &&
                      strlen(seen.text) < ANSWER_TEXT_MAX,
                  "keys %u: %s", keys, row_text(row, &seen));
        else
            claim(strcmp(seen.text, answer->text) == 0, "keys %u: %s", keys, row_text(row, &seen));
    }
}

START_TEST(a_key_of_the_recipient_changes_the_text_and_nothing_else_DANE_44)
{
    every_row(keys_change_the_text_alone);
}
END_TEST

/* X.7.4: no TLS; X.7.5: not the right one; REQUIRETLS has its own (RTLS-04). */
static void codes_are_right(const struct row *row, const struct answer_question *question,
                            const struct answer *answer)
{
    const struct verdict *verdict = question->verdict;
    const char *rest = answer->code + 2;
    bool no_tls;

    if (answer->action == ACTION_SEND || verdict == NULL || row->stale ||
        rule_holds(row, RULE_REFUSE) || verdict->conclusion != CONCLUSION_DEFINITE)
        return;
    no_tls = verdict->cause == CAUSE_NO_STARTTLS || verdict->cause == CAUSE_STARTTLS_REFUSED ||
             verdict->cause == CAUSE_DANE_NO_TLS;
    if (all(row, FACT_REQUIRETLS) && strstr(answer->text, "REQUIRETLS, but") != NULL)
        claim(strcmp(rest, "7.10") == 0 || strcmp(rest, "7.30") == 0, "%s", row_text(row, answer));
    else
        claim(strcmp(rest, no_tls ? "7.4" : "7.5") == 0, "%s", row_text(row, answer));
}

START_TEST(codes_tell_missing_tls_from_tls_that_is_not_enough_CODE_01_to_07_RTLS_04)
{
    every_row(codes_are_right);
}
END_TEST

/* --- more evidence --- */

/* The scene with host `i` in the first situation of these TLSA records and this sight. */
static bool scene_with(struct scene *other, const struct scene *scene, unsigned i, enum tlsa tlsa,
                       enum sight sight)
{
    *other = *scene;
    for (unsigned s = 0; s < SITUATIONS; s++)
        if (situations[s].tlsa == tlsa && situations[s].sight == sight && !situations[s].excluded &&
            !situations[s].trouble && !situations[s].no_facts && !situations[s].not_conclusive) {
            other->which[i] = s;
            return scene_is_possible(other);
        }
    return false;
}

/* What an answer guarantees at the delivery, as far as it was asked for: what is not sent is safe,
 * and who asks for encryption need not get DANE where more hosts can be had without. */
static enum level secured(const struct answer *answer, enum level most)
{
    enum level asked = answer->demand < LEVEL_ENCRYPT ? most : answer->demand;

    if (answer->action != ACTION_SEND)
        return LEVEL_AUTHENTICATED;
    return answer->policy.guarantees < asked ? answer->policy.guarantees : asked;
}

static struct answer answer_to(const struct scene *scene, enum level minimum,
                               const struct floor *floor)
{
    struct profile profile = {.name = "any", .minimum = minimum, .unmet = UNMET_STOP};
    struct verdict verdict = verdict_of(scene);
    struct answer_question question = {
        .profile = &profile, .verdict = &verdict, .now_ms = NOW_MS, .now_s = NOW_S};
    struct answer answer;

    verdict.floor = *floor;
    answer_decide(&answer, &question);
    return answer;
}

static void stronger_is_not_lower(const struct scene *scene, unsigned i, enum tlsa tlsa,
                                  enum sight sight)
{
    struct scene stronger;
    enum level most = LEVEL_AUTHENTICATED; /* to who demands nothing */

    if (!scene_with(&stronger, scene, i, tlsa, sight))
        return;
    /* TLSA records at one host, DANE must be used there, and no list of keys says what the others
     * must do: then nobody promises anything for those (postfix.c, "known weakness"). */
    if (tlsa != at(scene, i)->tlsa && !keys_say_it(&stronger))
        most = LEVEL_OPPORTUNISTIC;
    for (size_t f = 0; f < COUNT(floors); f++)
        for (unsigned minimum = LEVEL_NONE; minimum <= LEVEL_AUTHENTICATED; minimum++) {
            struct answer before = answer_to(scene, (enum level)minimum, &floors[f]),
                          after = answer_to(&stronger, (enum level)minimum, &floors[f]);
            char text[256];

            if (minimum == LEVEL_OPPORTUNISTIC || before.action != ACTION_SEND)
                continue;
            snprintf(text, sizeof text, "%s", scene_text(scene));
            claim(after.demand >= before.demand, "%s to %s, floor %zu", text, scene_text(&stronger),
                  f);
            claim(secured(&after, most) >= secured(&before, most),
                  "%s: %s; to %s: %s; minimum %s, floor %zu", text, before.policy.text,
                  scene_text(&stronger), after.policy.text, level_name((enum level)minimum), f);
        }
}

/* More seen at a host, or TLSA records found where none were. */
static void more_lowers_nothing(const struct scene *scene, const struct verdict *verdict)
{
    (void)verdict;
    for (unsigned i = 0; i < scene->count; i++) {
        const struct situation *host = at(scene, i);

        if (host->excluded || host->trouble || host->no_facts)
            continue;
        for (enum sight sight = host->sight > ENCRYPTS ? host->sight : ENCRYPTS; sight <= VERIFIES;
             sight++) {
            stronger_is_not_lower(scene, i, host->tlsa, sight);
            if (host->tlsa == NO_TLSA)
                stronger_is_not_lower(scene, i, USABLE, sight);
        }
        if (host->tlsa == NO_TLSA && host->sight == UNSEEN)
            stronger_is_not_lower(scene, i, USABLE, UNSEEN);
    }
}

START_TEST(more_evidence_never_lowers_the_guarantee_DEC_02)
{
    tried = 0;
    every_scene(1, more_lowers_nothing);
    every_scene(2, more_lowers_nothing);
    ck_assert_uint_gt(tried, 1500);
}
END_TEST

/* The strictest demand but that of the TLSA records, which can be hidden. */
static enum level demand_of_others(const struct answer *answer)
{
    enum level strictest = LEVEL_NONE;

    for (unsigned i = 0; i < answer->demand_count; i++)
        if (answer->demands[i].exemption == EXEMPTION_NONE &&
            answer->demands[i].source != DEMAND_DANE && answer->demands[i].level > strictest)
            strictest = answer->demands[i].level;
    return strictest;
}

/* Law 2: hiding hosts takes nothing from what is remembered, ruled or asked for. */
static void hiding_lowers_nothing(const struct scene *scene, const struct verdict *verdict)
{
    (void)verdict;
    for (unsigned i = 0; i < scene->count; i++)
        for (size_t f = 0; f < COUNT(floors); f++)
            for (unsigned minimum = LEVEL_NONE; minimum <= LEVEL_AUTHENTICATED; minimum++) {
                struct scene hidden = *scene;
                struct answer before = answer_to(scene, (enum level)minimum, &floors[f]), after;

                hidden.which[i] = 2;
                after = answer_to(&hidden, (enum level)minimum, &floors[f]);
                claim(after.demand >= demand_of_others(&before), "%s, floor %zu", scene_text(scene),
                      f);
                claim(after.action != ACTION_SEND || after.demand < LEVEL_ENCRYPT ||
                          after.policy.guarantees >= after.demand,
                      "%s, floor %zu: %s", scene_text(scene), f, after.policy.text);
            }
}

START_TEST(what_is_hidden_lowers_nothing_that_is_demanded_PIT_03_PIT_12)
{
    ck_assert_str_eq(situations[2].name, "no-facts");
    tried = 0;
    every_scene(1, hiding_lowers_nothing);
    every_scene(2, hiding_lowers_nothing);
    ck_assert_uint_gt(tried, 1500);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answer table");
    TCase *rows = tcase_create("every row"), *laws = tcase_create("laws");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(rows, known_make, NULL);
    tcase_add_checked_fixture(laws, known_make, NULL);
    tcase_add_test(rows, every_answer_is_as_the_rules_say_DEC_01_to_06_S1_S9_S10_S11_S13);
    tcase_add_test(rows, the_policy_stands_beside_every_action);
    tcase_add_test(rows,
                   what_cannot_be_told_of_memory_holds_only_who_demands_something_MEM_08_DEC_05);
    tcase_add_test(rows, observe_enforces_nothing_and_records_what_would_have_been);
    tcase_add_test(rows, an_observing_profile_enforces_what_a_sender_without_one_gets);
    tcase_add_test(rows, an_alias_in_force_is_not_observed_because_the_account_is);
    tcase_add_test(
        rows, every_text_is_printable_bounded_and_claims_no_more_than_is_enforced_CODE_11_CODE_12);
    tcase_add_test(rows, a_key_of_the_recipient_changes_the_text_and_nothing_else_DANE_44);
    tcase_add_test(rows, codes_tell_missing_tls_from_tls_that_is_not_enough_CODE_01_to_07_RTLS_04);
    tcase_set_timeout(rows, 240);
    tcase_add_test(laws,
                   send_under_a_demand_carries_a_policy_that_fails_closed_at_delivery_PIT_01_S4);
    tcase_add_test(laws, what_is_unknown_or_old_vetoes_nothing_DEC_05_PIT_03_PIT_04_S3);
    tcase_add_test(
        laws, what_has_expired_names_no_host_and_no_key_and_stops_nothing_FRESH_01_DEC_08_MEM_03);
    tcase_add_test(
        laws,
        only_definite_fresh_evidence_stops_and_nobody_who_cannot_be_told_PIT_04_RTLS_05_MSG_01);
    tcase_add_test(laws, no_exemption_rests_on_what_the_message_claims_MSG_05_PIT_19);
    tcase_add_test(
        laws,
        an_exemption_takes_out_one_demand_and_the_strictest_of_the_others_counts_MSG_06_RTLS_07);
    tcase_add_test(laws, more_evidence_never_lowers_the_guarantee_DEC_02);
    tcase_add_test(laws, what_is_hidden_lowers_nothing_that_is_demanded_PIT_03_PIT_12);
    tcase_set_timeout(laws, 240);
    suite_add_tcase(suite, rows);
    suite_add_tcase(suite, laws);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
