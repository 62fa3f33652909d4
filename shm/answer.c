/*
 * answer.c - what is demanded, against what is known. See answer.h.
 *
 * In order: every source raises its demand (a table), every exemption takes some out (a table), the
 * strictest that is left chooses the policy, and definite, fresh evidence against one of them stops
 * or holds the mail. What was not seen does neither (law 1): then the mail goes under a policy that
 * enforces the strictest demand at the delivery, or waits because no text can say it.
 *
 *   failed  = fresh, conclusive, and below the demand (or: nothing will be delivered to any host)
 *   met     = fresh, conclusive, and not below it
 *   neither = not known
 *
 * Order of what decides: a TLS report, which is never stopped (RPT-15); an administrator's refusal;
 * other mail that must arrive; a look-up that failed (DEC-05); a domain that gets no mail; a demand
 * that failed; a demand that cannot be expressed.
 *
 * Who is stopped at once: whose own demand says so, if it is seen not to be met; who sends to a
 * domain whose signed records say that it gets no mail. An unsigned "no such domain" can be forged:
 * it stops those whose demand says stop, and holds the others (PIT-04). A message without a sender
 * can be told to nobody, so whatever demands something of it, it waits (MSG-01); and that
 * REQUIRETLS is not offered keeps no such message (RTLS-06).
 * The texts are in answer_text.c.
 */
#include "shm/answer.h"

#include "shm/answer_internal.h"

#include <assert.h>
#include <string.h>

/* --- the matter --- */

static const struct verdict nothing_known = {
    .class = CLASS_UNKNOWN, .conclusion = CONCLUSION_INCONCLUSIVE, .cause = CAUSE_NONE};

/* Is the next hop's own name one of the names, which ':' joins? */
static bool names_hold(const char *names, const char *own)
{
    const size_t length = strlen(own);

    while (*names != '\0') {
        const size_t next = strcspn(names, ":");

        if (next == length && memcmp(names, own, length) == 0)
            return true;
        names += next + (names[next] == ':');
    }
    return false;
}

/* The names of mail hosts (and of an alias's target) are vouched for by signed records that have
 * run out, and the MTA does not look at them again: it would take an old host for a new one
 * (DEC-08). The name of the domain itself stands for it whatever the DNS says, and an unsigned MX
 * record gave no other (DANE-31, TLS-21). */
static void expire_names(struct verdict *verdict, const char *own)
{
    const bool stays = own != NULL && own[0] != '\0' && names_hold(verdict->match, own);

    if ((verdict->flags & VERDICT_MX_SECURE) == 0)
        return;
    memset(verdict->match, 0, sizeof verdict->match);
    if (stays) /* it was there, so it fits */
        memcpy(verdict->match, own, strlen(own));
}

/* An address needs no look-up to be known for what it is: the one host, without TLSA records. */
static void matter_is_address(struct matter *matter)
{
    const char *name = matter->question->next_hop;

    if (name == NULL || name[0] != '\0' || matter->verdict->hosts > 0)
        return;
    if (matter->verdict != &matter->remains)
        matter->remains = *matter->verdict;
    matter->remains.hosts = 1;
    matter->verdict = &matter->remains;
}

/* A look-up that failed, some time ago: no error of now, which alone holds mail of who demands
 * nothing (law 1, DNS-09). */
bool answer_trouble_is_over(const struct answer_question *question)
{
    return question->verdict != NULL && question->verdict->conclusion == CONCLUSION_TEMPORARY &&
           question->now_ms >= question->verdict->valid_until_ms;
}

/* Past its time a verdict is no evidence any more, and its keys are nobody's (FRESH-01, MEM-03). A
 * policy that the MTA checks against the DNS of the delivery still holds: DANE, encryption. */
static void matter_expire(struct matter *matter)
{
    const struct answer_question *question = matter->question;
    const struct verdict *verdict = question->verdict;

    if (answer_trouble_is_over(question)) {
        matter->remains = nothing_known;
        matter->remains.floor = verdict->floor;
    } else if (verdict->pins.count > 0 || verdict->match[0] != '\0') {
        matter->remains = *verdict;
        matter->remains.pins.count = 0;
        expire_names(&matter->remains, question->next_hop);
    } else {
        return;
    }
    matter->verdict = &matter->remains;
}

static void matter_make(struct matter *matter, const struct answer_question *question)
{
    const struct verdict *verdict = question->verdict;

    matter->question = question;
    matter->verdict = verdict != NULL ? verdict : &nothing_known;
    matter->expired = verdict != NULL && question->now_ms >= verdict->valid_until_ms;
    matter->fresh = verdict != NULL && !question->stale && !matter->expired;
    if (matter->expired)
        matter_expire(matter);
    matter_is_address(matter);
}

static bool facts_are(const struct matter *matter, uint32_t facts)
{
    return (matter->question->facts & facts) == facts;
}

/* By a clock that cannot be right nothing has run out; but an exemption is then believed only if it
 * has no end (FRESH-06). */
static bool floor_rules(const struct floor *floor, enum rule rule, int64_t now_s)
{
    if (floor->rule != rule)
        return false;
    if (floor->rule_until_s == 0)
        return true;
    if (now_s < RULE_CLOCK_FIRST_S || now_s > RULE_CLOCK_LAST_S)
        return rule != RULE_EXEMPT;
    return now_s < (int64_t)floor->rule_until_s;
}

static bool rule_is(const struct matter *matter, enum rule rule)
{
    return floor_rules(&matter->verdict->floor, rule, matter->question->now_s);
}

static bool is_refused(const struct matter *matter)
{
    const struct floor *recipient = matter->question->recipient_floor;

    return rule_is(matter, RULE_REFUSE) ||
           (recipient != NULL && floor_rules(recipient, RULE_REFUSE, matter->question->now_s));
}

static bool memory_is_unknown(const struct matter *matter)
{
    return (matter->verdict->floor.flags & FLOOR_UNKNOWN) != 0;
}

/* --- the sources of demands --- */

/* A number of a later build is held for the strictest. */
static enum level level_of(uint8_t number)
{
    return number <= LEVEL_AUTHENTICATED ? (enum level)number : LEVEL_AUTHENTICATED;
}

static void raise_memory(const struct matter *matter, struct demand *demand)
{
    const struct floor *floor = &matter->verdict->floor;
    enum level domain = level_of(floor->level), hosts = level_of(floor->hosts_level);

    demand->level = domain > hosts ? domain : hosts;
    if ((floor->flags & (FLOOR_UNREADABLE | FLOOR_UNKNOWN)) != 0 && demand->level < LEVEL_ENCRYPT)
        demand->level = LEVEL_ENCRYPT; /* MEM-08; see memory_may_ask_more */
}

static void raise_sts(const struct matter *matter, struct demand *demand)
{
    if (matter->verdict->class == CLASS_STS || matter->verdict->cause == CAUSE_STS_FAILS)
        demand->level = LEVEL_AUTHENTICATED;
}

/* Mandatory anyway, whoever sends (DANE-11). */
static void raise_dane(const struct matter *matter, struct demand *demand)
{
    static const uint32_t needed = VERDICT_MX_SECURE | VERDICT_ALL_HOSTS_DANE;

    if ((matter->verdict->flags & needed) == needed)
        demand->level = LEVEL_AUTHENTICATED;
}

static void raise_rule(const struct matter *matter, struct demand *demand)
{
    if (rule_is(matter, RULE_PIN))
        demand->level = level_of(matter->verdict->floor.rule_level);
}

/* RTLS-02: a host named by a signed MX record (of now) and verified, or the domain authenticated.
 */
static void raise_requiretls(const struct matter *matter, struct demand *demand)
{
    const bool is_signed = (matter->verdict->flags & VERDICT_MX_SECURE) != 0 && !matter->expired;

    if (!facts_are(matter, FACT_REQUIRETLS))
        return;
    demand->level = is_signed ? LEVEL_VERIFIED : LEVEL_AUTHENTICATED;
    demand->unmet = UNMET_STOP;
}

static void raise_profile(const struct profile *profile, struct demand *demand)
{
    if (profile == NULL)
        return;
    demand->level = profile->minimum;
    demand->unmet = profile->unmet;
}

static void raise_alias(const struct matter *matter, struct demand *demand)
{
    raise_profile(matter->question->alias, demand);
}

static void raise_account(const struct matter *matter, struct demand *demand)
{
    raise_profile(matter->question->profile, demand);
}

/* In the order of the enum; what is not set is no demand, and holds the mail. */
static void (*const sources[])(const struct matter *, struct demand *) = {
    [DEMAND_MEMORY] = raise_memory,
    [DEMAND_STS] = raise_sts,
    [DEMAND_DANE] = raise_dane,
    [DEMAND_RULE] = raise_rule,
    [DEMAND_REQUIRETLS] = raise_requiretls,
    [DEMAND_ALIAS] = raise_alias,
    [DEMAND_PROFILE] = raise_account,
};
static_assert(sizeof sources / sizeof *sources == DEMAND_SOURCE_COUNT, "one for each source");

/* --- the exemptions (S8, MSG-05, RTLS-07, RPT-15, PIT-19) --- */

static bool is_tls_report(const struct matter *matter)
{
    return facts_are(matter, FACT_TLS_REPORT | FACT_LOCAL_ORIGIN);
}

static bool is_exempt_by_rule(const struct matter *matter)
{
    return rule_is(matter, RULE_EXEMPT);
}

/* The header is a claim; who submitted the message is a fact, and may be allowed to make it. On the
 * envelope REQUIRETLS overrides it. */
static bool may_do_without(const struct matter *matter)
{
    const struct profile *profile = matter->question->profile;

    return facts_are(matter, FACT_TLS_REQUIRED_NO | FACT_AUTHENTICATED) &&
           !facts_are(matter, FACT_REQUIRETLS) && profile != NULL && profile->allow_tls_required_no;
}

static bool is_switched_off(const struct matter *matter)
{
    return matter->question->switched_off;
}

static bool is_auto_reply(const struct matter *matter)
{
    const struct profile *profile = matter->question->profile;

    return profile != NULL && profile->exempt_auto_replies &&
           facts_are(matter, FACT_LOCAL_ORIGIN) &&
           (matter->question->facts & (FACT_NULL_SENDER | FACT_AUTO_SUBMITTED)) != 0;
}

static bool is_forward(const struct matter *matter)
{
    const struct profile *profile = matter->question->profile;

    return profile != NULL && profile->exempt_forwards && facts_are(matter, FACT_FORWARD);
}

#define OF(source) (1u << (source))
static const struct exemption_row {
    enum exemption exemption;
    uint32_t takes_out; /* demands of these sources */
    bool (*applies)(const struct matter *matter);
} exemptions[] = {
    {EXEMPTION_TLS_REPORT, ~0u, is_tls_report},
    {EXEMPTION_RULE, OF(DEMAND_MEMORY), is_exempt_by_rule},
    {EXEMPTION_TLS_REQUIRED_NO, OF(DEMAND_MEMORY) | OF(DEMAND_DANE) | OF(DEMAND_STS),
     may_do_without},
    {EXEMPTION_USER, OF(DEMAND_PROFILE), is_switched_off},
    {EXEMPTION_AUTO_REPLY, OF(DEMAND_PROFILE), is_auto_reply},
    {EXEMPTION_FORWARD, OF(DEMAND_PROFILE), is_forward},
};

static enum exemption exemption_from(const struct matter *matter, enum demand_source source)
{
    for (size_t i = 0; i < sizeof exemptions / sizeof *exemptions; i++)
        if ((exemptions[i].takes_out & OF(source)) != 0 && exemptions[i].applies(matter))
            return exemptions[i].exemption;
    return EXEMPTION_NONE;
}

/* --- demands against evidence --- */

static bool level_is_reached(const struct verdict *verdict, const struct demand *demand)
{
    return verdict->level >= demand->level && verdict->class != CLASS_FAILING;
}

/* What REQUIRETLS asks for beyond a level: that a host offers it. Not of a message without a
 * sender, which is not to be dropped for want of it (RTLS-06). */
static bool offer_is_asked(const struct matter *matter, const struct demand *demand)
{
    return demand->source == DEMAND_REQUIRETLS && !facts_are(matter, FACT_NULL_SENDER);
}

static bool is_reached(const struct matter *matter, const struct demand *demand)
{
    return level_is_reached(matter->verdict, demand) &&
           (!offer_is_asked(matter, demand) ||
            (matter->verdict->flags & VERDICT_REQUIRETLS_SOME) != 0);
}

/* Every host that may get mail was seen to be verified, and no text can say so: its names do not
 * fit, or one with TLSA records stands beside it. A demand that is not expressed is not failed (law
 * 1). */
static bool is_only_unsaid(const struct verdict *verdict, const struct demand *demand)
{
    return verdict->class == CLASS_VERIFIED && demand->level <= LEVEL_VERIFIED &&
           verdict->level < demand->level;
}

/* A conclusive verdict speaks of levels; that no host offers REQUIRETLS is known only if none
 * stayed unseen. */
static bool is_known(const struct matter *matter, const struct demand *demand)
{
    const struct verdict *verdict = matter->verdict;

    if (demand->source == DEMAND_MEMORY && memory_is_unknown(matter))
        return false;
    if (verdict->conclusion == CONCLUSION_UNDELIVERABLE)
        return true;
    if (verdict->conclusion != CONCLUSION_DEFINITE || is_only_unsaid(verdict, demand))
        return false;
    return is_reached(matter, demand) || !level_is_reached(verdict, demand) ||
           verdict->hosts_good == verdict->hosts;
}

static void answer_demands(struct answer *answer, const struct matter *matter)
{
    enum level left_out = LEVEL_NONE;

    for (unsigned source = DEMAND_NOBODY + 1; source < DEMAND_SOURCE_COUNT; source++) {
        struct demand demand = {.source = (enum demand_source)source, .unmet = UNMET_HOLD};
        bool known;

        sources[source](matter, &demand);
        if (demand.level <= LEVEL_OPPORTUNISTIC)
            continue;
        if (facts_are(matter, FACT_NULL_SENDER))
            demand.unmet = UNMET_HOLD; /* MSG-01 */
        known = matter->fresh && is_known(matter, &demand);
        demand.met = known && is_reached(matter, &demand);
        demand.failed = known && !demand.met;
        demand.exemption = exemption_from(matter, demand.source);
        answer->demands[answer->demand_count++] = demand;
        if (demand.exemption != EXEMPTION_NONE && demand.level >= left_out) {
            left_out = demand.level;
            answer->exemption = demand.exemption;
        }
        if (demand.exemption == EXEMPTION_NONE && demand.level >= answer->demand) {
            answer->demand = demand.level;
            answer->source = demand.source;
        }
    }
}

/* The strictest demand that counts and passes `test` (NULL: any). */
static const struct demand *strictest(const struct answer *answer,
                                      bool (*test)(const struct demand *demand))
{
    const struct demand *found = NULL;

    for (unsigned i = 0; i < answer->demand_count; i++) {
        const struct demand *demand = &answer->demands[i];

        if (demand->exemption == EXEMPTION_NONE && (test == NULL || test(demand)) &&
            (found == NULL || demand->level >= found->level))
            found = demand;
    }
    return found;
}

static bool has_failed(const struct demand *demand)
{
    return demand->failed;
}

static bool says_stop(const struct demand *demand)
{
    return demand->unmet == UNMET_STOP;
}

static bool stops(const struct demand *demand)
{
    return demand->failed && says_stop(demand);
}

/* As in Postfix, that REQUIRETLS failed is said before anything else. */
static bool is_requiretls(const struct demand *demand)
{
    return demand->failed && demand->source == DEMAND_REQUIRETLS;
}

/* --- the decision --- */

/* Nothing is demanded, and nothing that the domain publishes is asked for either. */
static bool is_released(const struct answer *answer, const struct matter *matter)
{
    return is_tls_report(matter) || (may_do_without(matter) && answer->source == DEMAND_NOBODY);
}

static void decide_undeliverable(const struct answer *answer, const struct matter *matter,
                                 struct decision *decision)
{
    const bool is_signed = (matter->verdict->flags & VERDICT_MX_SECURE) != 0;
    const struct demand *impatient = strictest(answer, says_stop);

    decision->why = WHY_VERDICT;
    decision->action = ACTION_DEFER;
    if (answer->source == DEMAND_NOBODY)
        *decision = (struct decision){.action = ACTION_SEND, .why = WHY_SENT};
    else if (!matter->fresh || matter->verdict->cause == CAUSE_NO_HOST)
        return;
    else if (is_signed)
        decision->action = ACTION_STOP;
    else if (impatient != NULL)
        *decision = (struct decision){ACTION_STOP, WHY_VERDICT, impatient};
}

static void decide_by_demands(struct answer *answer, struct decision *decision)
{
    const struct demand *found = strictest(answer, is_requiretls);

    if (found == NULL)
        found = strictest(answer, stops);
    if (found == NULL)
        found = strictest(answer, has_failed);
    if (found != NULL) {
        decision->action = found->unmet == UNMET_STOP ? ACTION_STOP : ACTION_DEFER;
        decision->why = found->source == DEMAND_REQUIRETLS ? WHY_REQUIRETLS : WHY_FAILED;
        decision->demand = found;
        return;
    }
    decision->demand = strictest(answer, NULL);
    if (answer->policy.answer == POSTFIX_HOLD)
        *decision = (struct decision){ACTION_DEFER, WHY_INEXPRESSIBLE, decision->demand};
}

static struct decision decide(struct answer *answer, const struct matter *matter, bool released)
{
    struct decision decision = {.action = ACTION_SEND, .why = WHY_SENT};

    if (is_refused(matter) && !is_tls_report(matter)) {
        answer->source = DEMAND_RULE;
        decision.action = facts_are(matter, FACT_NULL_SENDER) ? ACTION_DEFER : ACTION_STOP;
        decision.why = WHY_REFUSED;
        return decision;
    }
    if (released)
        return decision;
    decision.demand = strictest(answer, NULL);
    if (matter->verdict->conclusion == CONCLUSION_TEMPORARY) {
        decision.action = ACTION_DEFER;
        decision.why = WHY_VERDICT;
    } else if (matter->verdict->conclusion == CONCLUSION_UNDELIVERABLE) {
        decide_undeliverable(answer, matter, &decision);
    } else {
        decide_by_demands(answer, &decision);
    }
    return decision;
}

/* --- observe, alarm --- */

/* Everything, or everything to this domain. */
static bool is_observed(const struct matter *matter)
{
    return matter->question->observe || (matter->verdict->floor.flags & FLOOR_OBSERVE) != 0;
}

/* Of two profiles in play, one in force suffices. */
static bool profiles_observe(const struct answer_question *question)
{
    const struct profile *profile = question->profile, *alias = question->alias;

    return (profile != NULL || alias != NULL) && (profile == NULL || profile->observe) &&
           (alias == NULL || alias->observe);
}

static void answer_observe(struct answer *answer)
{
    answer->observed = true;
    answer->action = ACTION_SEND;
    postfix_policy_none(&answer->policy, "observed", "observe mode: nothing is enforced");
}

/* A profile that only observes takes nothing away: what everybody else demands (memory, DANE, an
 * administrator, the message) is enforced as for a sender without a profile. */
static void answer_observe_profiles(struct answer *answer, const struct answer_question *question)
{
    struct answer_question others = *question;
    struct answer enforced;

    others.profile = others.alias = NULL; /* so this goes no deeper */
    answer_decide(&enforced, &others);
    if (enforced.action != ACTION_SEND) {
        *answer = enforced;
        return;
    }
    answer->observed = answer->would != ACTION_SEND || answer->demand != enforced.demand;
    answer->action = ACTION_SEND;
    answer->policy = enforced.policy;
}

/* Refused by nothing but a rule for the recipient's domain, which is only observed. */
static bool is_refusal_observed(const struct matter *matter, const struct decision *decision)
{
    const struct floor *recipient = matter->question->recipient_floor;

    return decision->why == WHY_REFUSED && !rule_is(matter, RULE_REFUSE) &&
           (recipient->flags & FLOOR_OBSERVE) != 0;
}

/* What the way demands that the mail goes is enforced all the same. */
static void answer_observe_refusal(struct answer *answer, const struct answer_question *question)
{
    struct answer_question others = *question;
    struct answer enforced;

    others.recipient_floor = NULL; /* so this goes no deeper */
    answer_decide(&enforced, &others);
    if (enforced.action != ACTION_SEND) {
        *answer = enforced;
        return;
    }
    answer->observed = true;
    answer->action = ACTION_SEND;
    answer->policy = enforced.policy;
}

/* A look-up that failed, or a domain that takes no mail, is nobody's demand. */
static enum demand_source decider_of(const struct decision *decision)
{
    if (decision->why == WHY_REFUSED)
        return DEMAND_RULE;
    if (decision->why == WHY_SENT || decision->why == WHY_VERDICT || decision->demand == NULL)
        return DEMAND_NOBODY;
    return decision->demand->source;
}

/*
 * Nobody could tell in time what is remembered and ruled (the ledger is not in memory, and its
 * reading late): it may be the strictest there is, which a text for less would pass over (law 2).
 * So who demands anything gets nothing less than that, or waits until it can be told (DEC-05,
 * MEM-08). Who demands nothing is not held for our failure (law 3): such mail goes under
 * encryption, the most that can be asked for everywhere, which nobody who strips TLS meanwhile gets
 * around. A record that was read and is broken (FLOOR_UNREADABLE) is another matter: waiting mends
 * nothing there, and encryption is what is left.
 */
static bool memory_may_ask_more(const struct answer *answer, const struct matter *matter)
{
    bool counts = false, others = false;

    for (unsigned i = 0; i < answer->demand_count; i++) {
        counts |= answer->demands[i].exemption == EXEMPTION_NONE &&
                  answer->demands[i].source == DEMAND_MEMORY;
        others |= answer->demands[i].exemption == EXEMPTION_NONE &&
                  answer->demands[i].source != DEMAND_MEMORY;
    }
    return memory_is_unknown(matter) && counts && others;
}

static void answer_policy(struct answer *answer, const struct matter *matter, bool released)
{
    if (released)
        postfix_policy_released(&answer->policy);
    else
        postfix_policy(&answer->policy, matter->verdict,
                       memory_may_ask_more(answer, matter) ? LEVEL_AUTHENTICATED : answer->demand);
}

static bool memory_is_contradicted(const struct answer *answer, const struct matter *matter)
{
    bool flagged = (matter->verdict->floor.flags & FLOOR_CONTRADICTED) != 0;

    for (unsigned i = 0; i < answer->demand_count; i++)
        if (answer->demands[i].source == DEMAND_MEMORY)
            return answer->demands[i].exemption == EXEMPTION_NONE &&
                   (answer->demands[i].failed || flagged);
    return false;
}

void answer_decide(struct answer *answer, const struct answer_question *question)
{
    struct matter matter;
    struct decision decision;
    bool released;

    memset(answer, 0, offsetof(struct answer, policy));
    matter_make(&matter, question);
    answer_demands(answer, &matter);
    released = is_released(answer, &matter);
    if (released && answer->exemption == EXEMPTION_NONE)
        answer->exemption =
            is_tls_report(&matter) ? EXEMPTION_TLS_REPORT : EXEMPTION_TLS_REQUIRED_NO;
    answer_policy(answer, &matter, released);
    decision = decide(answer, &matter, released);
    answer->action = answer->would = decision.action;
    answer->decided_by = decider_of(&decision);
    answer->insecure = decision.why == WHY_FAILED || decision.why == WHY_REQUIRETLS;
    answer->alarm = memory_is_contradicted(answer, &matter);
    answer_words(answer, &matter, &decision);
    if (question->enforced)
        return;
    if (is_observed(&matter))
        answer_observe(answer);
    else if (is_refusal_observed(&matter, &decision))
        answer_observe_refusal(answer, question);
    else if (profiles_observe(question))
        answer_observe_profiles(answer, question);
}
