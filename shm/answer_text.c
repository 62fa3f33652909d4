/*
 * answer_text.c - the words of an answer: code, sentence, names, and what would change it. Pure.
 *
 * Postfix's own words come first, where it has some (CODE-01..07); then host, cause and age of the
 * evidence, and who demands what; of plain encryption it is always said that it prevents no more
 * than listening (law 4). Nothing of it was said by a peer (CODE-12). What is too long is cut in
 * front of the demand, never in it.
 */
#include "shm/answer_internal.h"
#include "shm/must.h"
#include "shm/phrase.h"
#include "shm/sentence.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- names --- */

static const char *const action_names[] = {
    [ACTION_SEND] = "send", [ACTION_DEFER] = "defer", [ACTION_STOP] = "stop"};
static_assert(sizeof action_names / sizeof *action_names == ACTION_COUNT, "one for each");

static const struct source_words {
    const char *name, *who;
} sources[] = {
    [DEMAND_NOBODY] = {"nobody", "nobody"},
    [DEMAND_MEMORY] = {"memory", "what is remembered of the domain"},
    [DEMAND_STS] = {"sts", "the domain's MTA-STS policy"},
    [DEMAND_DANE] = {"dane", "the domain's DANE policy"},
    [DEMAND_RULE] = {"rule", "a rule of the administrator"},
    [DEMAND_REQUIRETLS] = {"requiretls", "REQUIRETLS on the message"},
    [DEMAND_ALIAS] = {"alias", "the sender's secure alias"},
    [DEMAND_PROFILE] = {"profile", "the sender's guarantee"},
};
static_assert(sizeof sources / sizeof *sources == DEMAND_SOURCE_COUNT, "one for each");

static const struct exemption_words {
    const char *name, *why;
} exemptions[] = {
    [EXEMPTION_NONE] = {"none", ""},
    [EXEMPTION_AUTO_REPLY] = {"auto-reply", "an automatic reply made here"},
    [EXEMPTION_FORWARD] = {"forward", "a standing forward of the account"},
    [EXEMPTION_TLS_REPORT] = {"tls-report", "a TLS report made here"},
    [EXEMPTION_TLS_REQUIRED_NO] = {"tls-required-no", "the sender says TLS-Required: No, and may"},
    [EXEMPTION_USER] = {"user", "the sender has switched the guarantee off here"},
    [EXEMPTION_RULE] = {"rule", "the administrator exempts the domain from what is remembered"},
};
static_assert(sizeof exemptions / sizeof *exemptions == EXEMPTION_COUNT, "one for each");

const char *action_name(enum action action)
{
    MUST((size_t)action < ACTION_COUNT);
    return action_names[action];
}

const char *demand_source_name(enum demand_source source)
{
    MUST((size_t)source < DEMAND_SOURCE_COUNT);
    return sources[source].name;
}

const char *exemption_name(enum exemption exemption)
{
    MUST((size_t)exemption < EXEMPTION_COUNT);
    return exemptions[exemption].name;
}

static const char *const mail_keys[] = {
    [MAIL_KEY_NOT_ASKED] = "not-asked",
    [MAIL_KEY_NONE] = "none",
    [MAIL_KEY_PRESENT] = "present",
    [MAIL_KEY_UNKNOWN] = "unknown",
};
static_assert(sizeof mail_keys / sizeof *mail_keys == MAIL_KEY_COUNT, "one for each");

const char *mail_key_name(enum mail_key key)
{
    MUST((size_t)key < MAIL_KEY_COUNT);
    return mail_keys[key];
}

static const char *const alias_modes[] = {
    [ALIAS_NONE] = "none", [ALIAS_OFF] = "off", [ALIAS_ON] = "on", [ALIAS_EXPERT] = "expert"};
static_assert(sizeof alias_modes / sizeof *alias_modes == ALIAS_MODE_COUNT, "one for each");

const char *alias_mode_name(enum alias_mode mode)
{
    MUST((size_t)mode < ALIAS_MODE_COUNT);
    return alias_modes[mode];
}

/* --- pieces --- */

/* What a demand asks for, so that nobody takes it for more. */
static const char *level_words(enum level level)
{
    switch (level) {
    case LEVEL_NONE:
    case LEVEL_OPPORTUNISTIC:
        break;
    case LEVEL_ENCRYPT:
        return "encryption, which prevents listening only";
    case LEVEL_DANE_INSECURE_MX:
        return "a mail host authenticated by DANE, even if no signed MX record names it";
    case LEVEL_VERIFIED:
        return "a mail host with a trusted certificate";
    case LEVEL_AUTHENTICATED:
        return "an authenticated mail host";
    }
    return "nothing";
}

struct words {
    char *text;
    size_t size, used;
};

static inline void say_bytes(struct words *words, const char *text, size_t length)
{
    words->used = text_add(words->text, words->size, words->used, text, length);
}

/* A text as it is: what is said of nearly every message is put together of such. */
static inline void say_text(struct words *words, const char *text)
{
    say_bytes(words, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(words->text + words->used, words->size - words->used, format, arguments);
    va_end(arguments);
    MUST(length >= 0);
    words->used += (size_t)length;
    if (words->used >= words->size)
        words->used = words->size - 1;
}

/* " (seen 12 s ago)", if anything was seen. */
static void say_age(struct words *words, const struct matter *matter)
{
    uint64_t now_ms = matter->question->now_ms, began_ms = matter->verdict->began_ms, seconds;

    if (matter->question->verdict == NULL || began_ms == 0)
        return;
    seconds = now_ms > began_ms ? (now_ms - began_ms) / 1000 : 0;
    if (seconds < 120)
        say(words, " (seen %llu s ago)", (unsigned long long)seconds);
    else if (seconds < 120 * 60)
        say(words, " (seen %llu min ago)", (unsigned long long)seconds / 60);
    else
        say(words, " (seen %llu h ago)", (unsigned long long)seconds / 3600);
}

static void say_who(struct words *words, enum demand_source source, const struct matter *matter)
{
    const struct profile *profile = source == DEMAND_PROFILE ? matter->question->profile
                                    : source == DEMAND_ALIAS ? matter->question->alias
                                                             : NULL;

    if (source == DEMAND_MEMORY && (matter->verdict->floor.flags & FLOOR_UNKNOWN) != 0)
        say_text(words, "what may be remembered of the domain");
    else
        say_text(words, sources[source].who);
    if (profile == NULL || profile->name[0] == '\0')
        return;
    say_text(words, " (");
    say_bytes(words, profile->name, strnlen(profile->name, PROFILE_NAME_MAX - 1));
    say_text(words, ")");
}

/* "; the sender's guarantee (posteo) demands encryption, …" */
static void say_demand(struct words *words, const struct demand *demand,
                       const struct matter *matter)
{
    if (demand == NULL)
        return;
    say_text(words, "; ");
    say_who(words, demand->source, matter);
    say_text(words, " demands ");
    say_text(words, level_words(demand->level));
}

/* S14: a way to keep it secret all the same. Not a way to have it sent: transport is demanded of
 * what is encrypted, too (DANE-44). */
static void say_keys(struct words *words, const struct matter *matter)
{
    const bool openpgp = matter->question->openpgp == MAIL_KEY_PRESENT,
               smime = matter->question->smime == MAIL_KEY_PRESENT;

    if (!openpgp && !smime)
        return;
    say(words, "; the recipient publishes %s in signed DNS: the message itself can be encrypted",
        !smime     ? "an OpenPGP key"
        : !openpgp ? "an S/MIME certificate"
                   : "an OpenPGP key and an S/MIME certificate");
}

/* --- codes --- */

/* The class of the code is the action's (CODE-12). */
static void code_make(struct answer *answer, const char *rest)
{
    answer->code[0] = answer->would == ACTION_STOP ? '5' : '4';
    answer->code[1] = '.';
    text_add(answer->code, sizeof answer->code, 2, rest, strlen(rest));
}

/* Of a demand that is not met the code is X.7.4, no TLS, or X.7.5, not the right one (CODE-11).
 * X.7.0 and X.3.0 of a verdict are nobody's fault. */
static void code_from_verdict(struct answer *answer, const struct matter *matter,
                              bool demand_failed)
{
    const char *rest = strchr(verdict_status_code(matter->verdict), '.') + 1;

    if (strcmp(rest, "7.0") == 0 || (demand_failed && strcmp(rest, "7.4") != 0))
        rest = "7.5";
    code_make(answer, rest);
}

/* --- REQUIRETLS (RTLS-04), as Postfix 3.11 says it --- */

static bool mx_is_unsigned(const struct verdict *verdict)
{
    return (verdict->flags & VERDICT_MX_SECURE) == 0;
}

static void words_of_requiretls(struct answer *answer, struct words *words,
                                const struct matter *matter, enum level level)
{
    const struct verdict *verdict = matter->verdict;
    const char *rest = "7.10",
               *before = "no matching server certificate was found. The last attempted"
                         " server was ",
               *after = "";
    char host[320];

    if (verdict->cause == CAUSE_NO_STARTTLS || verdict->cause == CAUSE_DANE_NO_TLS) {
        rest = "7.30";
        before = "TLS service was not offered by host ";
    } else if (verdict->cause == CAUSE_STARTTLS_REFUSED || verdict->cause == CAUSE_TLS_BROKEN ||
               verdict->cause == CAUSE_WEAK_TLS) {
        before = "host ";
        after = " refused to start TLS";
    } else if (verdict->level >= level && verdict->class != CLASS_FAILING) {
        rest = "7.30";
        before = "no server was found that supports REQUIRETLS. The last attempted server was ";
    } else if (mx_is_unsigned(verdict)) {
        before = "no signed MX record names host ";
    }
    verdict_host_words(verdict, host, sizeof host);
    code_make(answer, rest);
    say(words, "Sender requested REQUIRETLS, but %s%s%s", before, host, after);
}

/* --- sentences --- */

/* Words of a verdict that is no failure in itself do not tell why more is not to be had. */
static bool sounds_good(enum cause cause)
{
    return cause == CAUSE_DANE || cause == CAUSE_VERIFIED || cause == CAUSE_STS;
}

static void say_verdict(struct words *words, const struct verdict *verdict)
{
    char sentence[ANSWER_TEXT_MAX];

    say_bytes(words, sentence, verdict_sentence(verdict, sentence, sizeof sentence));
}

static void say_failure(struct words *words, const struct verdict *verdict)
{
    if (sounds_good(verdict->cause)) /* CODE-06 */
        say(words,
            "%s: ", mx_is_unsigned(verdict) ? "non DNSSEC destination" : "no TLSA records found");
    say_verdict(words, verdict);
}

/* CODE-07, where nothing is wrong with the domain. */
static void say_inexpressible(struct words *words, const struct verdict *verdict)
{
    if (sounds_good(verdict->cause))
        say_text(words, "client TLS configuration problem");
    else
        say_verdict(words, verdict);
}

static void say_enforced(struct words *words, const char *with_tlsa, const char *without_tlsa)
{
    say_text(words, "enforced at the delivery, at each mail host: ");
    say_text(words, with_tlsa);
    if (strcmp(with_tlsa, without_tlsa) == 0)
        return;
    say_text(words, " (with TLSA records); ");
    say_text(words, without_tlsa);
    say_text(words, " (without)");
}

static void say_sent(struct words *words, const struct answer *answer, const struct demand *demand)
{
    const struct postfix_policy *policy = &answer->policy;

    if (answer->exemption != EXEMPTION_NONE)
        say(words, "exempt: %s; ", exemptions[answer->exemption].why);
    if (policy->answer == POSTFIX_DEFAULT)
        say_text(words, "the mail program does what it does by itself");
    else
        say_enforced(words, policy->with_tlsa, policy->without_tlsa);
    /* A demand of encryption says it itself. */
    if (policy->guarantees == LEVEL_ENCRYPT && (demand == NULL || demand->level != LEVEL_ENCRYPT))
        say_text(words, "; that prevents listening only");
}

/* The beginning, and the code. */
static void words_begin(struct answer *answer, struct words *words, const struct matter *matter,
                        const struct decision *decision)
{
    switch (decision->why) {
    case WHY_SENT:
        text_add(answer->code, sizeof answer->code, 0, "2.0.0", 5);
        say_sent(words, answer, decision->demand);
        return;
    case WHY_REFUSED:
        code_make(answer, "7.1");
        say_text(words, "mail to this domain is refused by a rule of the administrator");
        return;
    case WHY_VERDICT:
        code_from_verdict(answer, matter, false);
        say_verdict(words, matter->verdict);
        return;
    case WHY_FAILED:
        code_from_verdict(answer, matter, true);
        say_failure(words, matter->verdict);
        return;
    case WHY_REQUIRETLS:
        words_of_requiretls(answer, words, matter, decision->demand->level);
        return;
    case WHY_INEXPRESSIBLE:
        code_from_verdict(answer, matter, false);
        say_inexpressible(words, matter->verdict);
        return;
    }
}

/* MSG-01: what would be stopped for anybody who can be told. */
static void say_nobody_is_told(struct words *words, const struct answer *answer,
                               const struct matter *matter)
{
    if ((matter->question->facts & FACT_NULL_SENDER) != 0 && answer->would == ACTION_DEFER &&
        matter->verdict->conclusion != CONCLUSION_TEMPORARY)
        say_text(words, "; it has no sender who could be told, and waits");
}

/* Nobody must believe that the address protects what it does not (law 4). */
static void say_alias(struct words *words, const struct answer_question *question)
{
    if (question->alias_mode == ALIAS_OFF)
        say_text(words, "; the sender's secure alias is off");
    else if (question->alias_mode == ALIAS_EXPERT && question->alias == NULL)
        say_text(words, "; the sender's secure alias demands nothing of what it sends");
}

/* The rest: how old, what no text can say, who demands what. */
static void words_end(const struct answer *answer, struct words *words, const struct matter *matter,
                      const struct decision *decision)
{
    if (decision->why == WHY_REFUSED) {
        say_nobody_is_told(words, answer, matter);
        return;
    }
    if (decision->why != WHY_SENT)
        say_age(words, matter);
    if (decision->why == WHY_INEXPRESSIBLE)
        say(words, "; %s", answer->policy.rule);
    say_demand(words, decision->demand, matter);
    say_alias(words, matter->question);
    if (decision->why != WHY_INEXPRESSIBLE)
        say_nobody_is_told(words, answer, matter);
    if (answer->insecure)
        say_keys(words, matter);
}

void answer_words(struct answer *answer, const struct matter *matter,
                  const struct decision *decision)
{
    char beginning[2 * ANSWER_TEXT_MAX], end[ANSWER_TEXT_MAX - 128];
    struct words first = {beginning, sizeof beginning, 0}, last = {end, sizeof end, 0};
    size_t room;

    words_begin(answer, &first, matter, decision);
    words_end(answer, &last, matter, decision);
    room = sizeof answer->text - 1 - last.used;
    first.used = text_add(answer->text, sizeof answer->text, 0, beginning,
                          first.used < room ? first.used : room);
    text_add(answer->text, sizeof answer->text, first.used, end, last.used);
}

/* --- what would change it --- */

/* What can be done about a demand, besides meeting it. */
static const char *remedy_of(enum demand_source source)
{
    static const char *const remedies[] = {
        [DEMAND_NOBODY] = "",
        [DEMAND_MEMORY] = "or if the administrator decides that the domain needs it no longer",
        [DEMAND_STS] = "or if the domain withdraws its MTA-STS policy",
        [DEMAND_DANE] = "or if the domain withdraws its TLSA records",
        [DEMAND_RULE] = "or if the administrator changes the rule",
        [DEMAND_REQUIRETLS] = "or without REQUIRETLS",
        [DEMAND_ALIAS] = "or from another address of the sender",
        [DEMAND_PROFILE] = "or if the sender switches the guarantee off for this domain",
    };
    static_assert(sizeof remedies / sizeof *remedies == DEMAND_SOURCE_COUNT, "one for each");

    MUST((size_t)source < DEMAND_SOURCE_COUNT);
    return remedies[source];
}

/* The least level that, demanded now, would not be sent. LEVEL_NONE: there is none. */
static enum level level_too_much(const struct answer_question *question, enum level demanded)
{
    struct profile profile = {.unmet = UNMET_STOP};
    struct answer_question asked = *question;
    struct answer other;

    asked.alias = &profile;
    asked.observe = false;
    for (unsigned level = LEVEL_ENCRYPT; level <= LEVEL_AUTHENTICATED; level++) {
        profile.minimum = (enum level)level;
        answer_decide(&other, &asked);
        if (level > demanded && other.would != ACTION_SEND)
            return (enum level)level;
    }
    return LEVEL_NONE;
}

static void change_of_sent(struct words *words, const struct answer *answer,
                           const struct answer_question *question)
{
    enum level level = level_too_much(question, answer->demand);

    if (level == LEVEL_NONE)
        say(words, "It would go as well if more were demanded.");
    else
        say(words, "It would not go if \"%s\" were demanded.", level_name(level));
}

/* Everything else that it asks for was seen. */
static bool lacks_offer_alone(const struct answer *answer, const struct verdict *verdict)
{
    if (answer->decided_by != DEMAND_REQUIRETLS || verdict == NULL)
        return false;
    for (unsigned i = 0; i < answer->demand_count; i++)
        if (answer->demands[i].source == DEMAND_REQUIRETLS)
            return verdict->level >= answer->demands[i].level && verdict->class != CLASS_FAILING;
    return false;
}

static bool memory_is_unknown(const struct answer_question *question)
{
    return question->verdict != NULL && (question->verdict->floor.flags & FLOOR_UNKNOWN) != 0;
}

static bool hosts_are_unknown(const struct answer *answer, const struct answer_question *question)
{
    return answer->demand <= LEVEL_ENCRYPT &&
           (question->verdict == NULL || answer_trouble_is_over(question) ||
            postfix_hosts_are_unknown(question->verdict));
}

static void change_of_kept(struct words *words, const struct answer *answer,
                           const struct answer_question *question)
{
    enum conclusion conclusion =
        question->verdict != NULL ? question->verdict->conclusion : CONCLUSION_INCONCLUSIVE;

    if (conclusion == CONCLUSION_TEMPORARY && !answer_trouble_is_over(question))
        say(words, "It would go if the look-up succeeded: it is tried again.");
    else if (conclusion == CONCLUSION_UNDELIVERABLE)
        say(words, "It would go if the domain took mail.");
    else if (lacks_offer_alone(answer, question->verdict))
        say(words, "It would go if a mail host offered REQUIRETLS, or without it.");
    else if (!answer->insecure && memory_is_unknown(question))
        say(words, "It would go if what is remembered of the domain could be read: it is tried"
                   " again.");
    else if (!answer->insecure && hosts_are_unknown(answer, question))
        say(words, "It would go if its mail hosts were known: they are looked up again.");
    else if (!answer->insecure)
        say(words, "It would go if a policy text could say what is demanded%s%s%s, %s.",
            answer->observed ? "" : " (", answer->observed ? "" : answer->policy.rule,
            answer->observed ? "" : ")", remedy_of(answer->source));
    else
        say(words, "It would go if at least \"%s\" were seen there, %s.",
            level_name(answer->demand), remedy_of(answer->source));
}

/* The same message, if no exemption applied to it. */
static void change_of_exempt(struct words *words, const struct answer_question *question)
{
    static const uint32_t exempt_by =
        FACT_LOCAL_ORIGIN | FACT_FORWARD | FACT_TLS_REPORT | FACT_TLS_REQUIRED_NO;
    struct answer_question asked = *question;
    struct verdict verdict;
    struct answer other;

    asked.facts &= ~exempt_by;
    asked.switched_off = asked.observe = false;
    if (question->verdict != NULL && question->verdict->floor.rule == RULE_EXEMPT) {
        verdict = *question->verdict;
        verdict.floor.rule = RULE_NONE;
        asked.verdict = &verdict;
    }
    answer_decide(&other, &asked);
    if (other.would != ACTION_SEND)
        say(words, "Without the exemption it would %s. ",
            other.would == ACTION_STOP ? "be stopped" : "wait");
}

size_t answer_change(const struct answer *answer, const struct answer_question *question,
                     char *text, size_t size)
{
    struct words words = {text, size, 0};

    MUST(size > 0);
    text[0] = '\0';
    if (answer->observed && answer->would != ACTION_SEND)
        say(&words, "Without observe mode it would %s. ",
            answer->would == ACTION_STOP ? "be stopped" : "wait");
    if (answer->exemption != EXEMPTION_NONE && answer->would == ACTION_SEND)
        change_of_exempt(&words, question);
    if (strcmp(answer->code + 1, ".7.1") == 0)
        say(&words, "It would go if the administrator withdrew the rule that refuses the domain.");
    else if (answer->would == ACTION_SEND)
        change_of_sent(&words, answer, question);
    else
        change_of_kept(&words, answer, question);
    return words.used;
}
