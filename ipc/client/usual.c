/*
 * usual.c - see usual.h.
 */
#include "ipc/client/usual.h"

#include "ipc/client/decision.h"
#include "shm/freshness.h"

#include <assert.h>
#include <string.h>

/* --- cases --- */

/* Of the message, above its facts. */
enum {
    HAS_PROFILE = 1 << 0,
    SWITCHED_OFF = 1 << 1,
    OBSERVE = 1 << 2,
    ENFORCED = 1 << 3,
    STALE = 1 << 4,
    NO_HOSTS = 1 << 5, /* of the verdict, as the next three */
    ALL_GOOD = 1 << 6,
    HAS_MATCH = 1 << 7,
    HAS_PINS = 1 << 8,
};

/* What is past its time, ruled, about an alias or an address, or asks for more than an answer. */
static bool fits(const struct decision *decision, const struct known *known, uint64_t now_ms)
{
    return known->there && now_ms < known->verdict.valid_until_ms &&
           known->verdict.floor.rule == RULE_NONE && decision->alias_mode == ALIAS_NONE &&
           !decision->has_alias && !decision->has_recipient_floor && !decision->want_keys &&
           decision->openpgp == MAIL_KEY_NOT_ASKED && decision->smime == MAIL_KEY_NOT_ASKED &&
           decision->next_hop.kind != NEXT_HOP_ADDRESS;
}

static uint32_t bits_of(const struct decision *decision, const struct known *known)
{
    const struct verdict *verdict = &known->verdict;

    return (decision->has_profile ? HAS_PROFILE : 0u) |
           (decision->switched_off ? SWITCHED_OFF : 0u) | (decision->observe ? OBSERVE : 0u) |
           (decision->enforced ? ENFORCED : 0u) | (known->stale ? STALE : 0u) |
           (verdict->hosts == 0 ? NO_HOSTS : 0u) |
           (verdict->hosts_good == verdict->hosts ? ALL_GOOD : 0u) |
           (verdict->match[0] != '\0' ? HAS_MATCH : 0u) |
           (verdict->pins.count != 0 ? HAS_PINS : 0u);
}

static uint64_t pack(uint32_t number, unsigned a, unsigned b, unsigned c, unsigned d)
{
    return number | (uint64_t)a << 32 | (uint64_t)b << 40 | (uint64_t)c << 48 | (uint64_t)d << 56;
}
static_assert(LEVEL_AUTHENTICATED <= UINT8_MAX && CLASS_COUNT <= UINT8_MAX &&
                  CONCLUSION_COUNT <= UINT8_MAX && CAUSE_COUNT <= UINT8_MAX,
              "a byte each");

static unsigned byte(uint64_t word, unsigned index)
{
    return (uint8_t)(word >> (32 + 8 * index));
}

/* All but the profile. */
static void case_of(struct usual_case *what, const struct decision *decision,
                    const struct known *known)
{
    const struct verdict *verdict = &known->verdict;
    const struct floor *floor = &verdict->floor;

    what->message = decision->facts | (uint64_t)bits_of(decision, known) << 32;
    what->verdict =
        pack(verdict->flags, verdict->class, verdict->level, verdict->conclusion, verdict->cause);
    what->memory = pack(0, floor->level, floor->hosts_level, floor->proof, floor->flags);
}

static bool case_is(const struct usual_case *what, const struct usual_case *numbers,
                    const struct decision *decision)
{
    return ((what->message ^ numbers->message) | (what->verdict ^ numbers->verdict) |
            (what->memory ^ numbers->memory)) == 0 &&
           (!decision->has_profile || profile_is(&what->profile, &decision->profile));
}

/* --- the answer to a case --- */

static void case_verdict(struct verdict *verdict, const struct usual_case *what)
{
    const uint32_t bits = (uint32_t)(what->message >> 32);

    *verdict = (struct verdict){
        .class = (enum tls_class)byte(what->verdict, 0),
        .level = (enum level)byte(what->verdict, 1),
        .conclusion = (enum conclusion)byte(what->verdict, 2),
        .cause = (enum cause)byte(what->verdict, 3),
        .flags = (uint32_t)what->verdict,
        .hosts = bits & NO_HOSTS ? 0 : 1,
        .valid_until_ms = UINT64_MAX,
        .match = {bits & HAS_MATCH ? '?' : '\0'},
        .pins.count = bits & HAS_PINS ? 1 : 0,
        .floor = {.level = (uint8_t)byte(what->memory, 0),
                  .hosts_level = (uint8_t)byte(what->memory, 1),
                  .proof = (uint8_t)byte(what->memory, 2),
                  .flags = (uint8_t)byte(what->memory, 3)},
    };
    verdict->hosts_good = bits & ALL_GOOD ? verdict->hosts : (uint8_t)(verdict->hosts + 1);
}

static void case_decision(struct decision *decision, const struct usual_case *what)
{
    const uint32_t bits = (uint32_t)(what->message >> 32);

    *decision = (struct decision){
        .has_profile = bits & HAS_PROFILE,
        .switched_off = bits & SWITCHED_OFF,
        .observe = bits & OBSERVE,
        .enforced = bits & ENFORCED,
        .facts = (uint32_t)what->message,
        .next_hop.name = {1, "?"},
        .profile = what->profile,
    };
}

/* Says what becomes of who is of this case; what is told of his domain alone is left empty. */
static void answer_make(struct usual_answer *usual)
{
    struct decision decision;
    struct frame_answer reply;
    struct verdict verdict;
    struct answer answer;

    case_verdict(&verdict, &usual->what);
    case_decision(&decision, &usual->what);
    const bool stale = (usual->what.message >> 32 & STALE) != 0;
    decide_answer(&answer, &decision, &verdict, stale, 0);
    decide_reply(&reply, &decision, &answer, &verdict, 0);
    reply.limited = stale;
    reply.from_table = true;
    decision_read(&usual->decision, &reply);
    usual->plain =
        answer.action == ACTION_SEND && answer.would == ACTION_SEND && !answer.policy.names_hosts;
    usual->policy_bytes = strlen(usual->decision.policy) + 1;
    usual->text_bytes = strlen(usual->decision.text) + 1;
}

static struct usual_answer *answer_to(struct usual *usual, const struct decision *decision,
                                      const struct known *known)
{
    const uint64_t golden = 0x9e3779b97f4a7c15;
    struct usual_answer *row, *answer;
    struct usual_case what;

    case_of(&what, decision, known);
    const uint64_t mixed = ((what.message * golden ^ what.verdict) * golden ^ what.memory) * golden;
    row = usual->answers[mixed >> (64 - USUAL_BITS)];
    for (answer = row; answer < row + USUAL_WAYS; answer++)
        if (answer->number != 0 && case_is(&answer->what, &what, decision))
            return answer;
    if (decision->has_profile)
        what.profile = decision->profile;
    else
        memset(&what.profile, 0, sizeof what.profile);
    answer = &row[usual->made % USUAL_WAYS]; /* any, but not the same one again and again */
    answer->what = what;
    answer->number = ++usual->made;
    answer_make(answer);
    return answer;
}

/* --- saying it --- */

/* A text of `bytes` in an array of whole chunks: without a call. */
#define CHUNK 32
static void text_give(char *to, const char *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += CHUNK)
        memcpy(to + at, from + at, CHUNK);
}

#define OF(member) ((struct mxw_decision *)NULL)->member
static_assert(sizeof OF(policy) % CHUNK == 0 && sizeof OF(text) % CHUNK == 0 &&
                  sizeof OF(reserved) % CHUNK == 0,
              "whole chunks");
static_assert(sizeof OF(code) >= sizeof((struct answer *)NULL)->code &&
                  sizeof OF(profile) >= PROFILE_NAME_MAX,
              "what is copied of the shorter texts");

/* From one member up to, and without, another. */
#define GIVE(from, to)                                                \
    memcpy((char *)out + offsetof(struct mxw_decision, from),         \
           (const char *)given + offsetof(struct mxw_decision, from), \
           offsetof(struct mxw_decision, to) - offsetof(struct mxw_decision, from))

/* Nothing of what is beyond the end of a text. */
static void answer_give(struct mxw_decision *out, const struct usual_answer *answer)
{
    const struct mxw_decision *given = &answer->decision;

    GIVE(size, policy);
    text_give(out->policy, given->policy, answer->policy_bytes);
    GIVE(guarantees, code);
    memcpy(out->code, given->code, sizeof((struct answer *)NULL)->code);
    text_give(out->text, given->text, answer->text_bytes);
    memcpy(out->profile, given->profile, PROFILE_NAME_MAX);
    GIVE(class_name, host);
    GIVE(age_ms, reserved);
    text_give((char *)out->reserved, (const char *)given->reserved, sizeof out->reserved);
}

uint64_t usual_expect(const struct usual *usual, struct mxw_decision *out)
{
    if (usual->last == NULL || !usual->last->plain)
        return 0;
    answer_give(out, usual->last);
    return usual->last->number;
}

bool usual_decide(struct usual *usual, struct mxw_decision *out, uint64_t expected,
                  const struct decision *decision, const struct known *known, uint64_t now_ms)
{
    if (!fits(decision, known, now_ms))
        return false;
    const struct usual_answer *answer = answer_to(usual, decision, known);
    if (!answer->plain)
        return false;
    if (answer->number != expected)
        answer_give(out, answer);
    usual->last = answer;
    decision_evidence(out, known->verdict.host, known->verdict.began_ms != 0,
                      verdict_age_ms(&known->verdict, now_ms));
    return true;
}
