/*
 * derivation.c - `explain` of one decision: who asked, every demand with its source and what became
 * of it, the evidence, the row of the policy table, the exact text for the mail server, and what
 * would change it. Pure; JSON for mxwardctl and for who writes a hook.
 */
#include "ipc/serve/outcome.h"

#include "engine/memory/ledger.h"
#include "ipc/wire/json.h"
#include "shm/sentence.h"

static void write_demands(struct json *json, const struct answer *answer)
{
    json_put_array(json, "demands");
    for (unsigned i = 0; i < answer->demand_count; i++) {
        const struct demand *demand = &answer->demands[i];

        json_put_object(json, NULL);
        json_put_text(json, "source", demand_source_name(demand->source));
        json_put_text(json, "level", level_name(demand->level));
        json_put_text(json, "when_unmet", demand->unmet == UNMET_STOP ? "stop" : "hold");
        json_put_boolean(json, "met", demand->met);
        json_put_boolean(json, "failed", demand->failed);
        json_put_boolean(json, "decides", demand->source == answer->decided_by);
        json_put_text(json, "left_out",
                      demand->exemption != EXEMPTION_NONE ? exemption_name(demand->exemption)
                                                          : NULL);
        json_end(json);
    }
    json_end(json);
}

/* The words of mxwardctl decide --fact. */
static void write_facts(struct json *json, uint32_t facts)
{
    static const struct {
        uint32_t fact;
        const char *word;
    } words[] = {
        {FACT_AUTHENTICATED, "authenticated"},
        {FACT_LOCAL_ORIGIN, "local"},
        {FACT_FORWARD, "forward"},
        {FACT_TLS_REPORT, "tls-report"},
        {FACT_NULL_SENDER, "null-sender"},
        {FACT_REQUIRETLS, "requiretls"},
        {FACT_AUTO_SUBMITTED, "auto-submitted"},
        {FACT_TLS_REQUIRED_NO, "tls-required-no"},
    };

    json_put_array(json, "facts");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((facts & words[i].fact) != 0)
            json_put_text(json, NULL, words[i].word);
    json_end(json);
}

static void write_sender(struct json *json, const struct decision *decision)
{
    json_put_object(json, "sender");
    json_put_text(json, "profile", decision->has_profile ? decision->profile.name : NULL);
    json_put_text(json, "by", account_by_name(decision->by));
    json_put_boolean(json, "switched_off", decision->switched_off);
    json_put_text(json, "alias",
                  decision->alias_mode != ALIAS_NONE ? alias_mode_name(decision->alias_mode)
                                                     : NULL);
    json_put_text(json, "alias_profile", decision->has_alias ? decision->alias.name : NULL);
    json_put_boolean(json, "observe", decision->observe);
    write_facts(json, decision->facts);
    json_end(json);
}

static void write_rule(struct json *json, const char *key, const struct floor *floor)
{
    json_put_text(json, key, rule_name((enum rule)floor->rule));
}

static void write_floor(struct json *json, const struct floor *floor)
{
    json_put_object(json, "memory");
    json_put_text(json, "level", level_name((enum level)floor->level));
    json_put_text(json, "hosts_level", level_name((enum level)floor->hosts_level));
    json_put_text(json, "proof", proof_name((enum proof)floor->proof));
    json_put_unsigned(json, "seen_at_s", floor->seen_at_s);
    json_put_boolean(json, "contradicted", (floor->flags & FLOOR_CONTRADICTED) != 0);
    json_put_unsigned(json, "contradicted_at_s", floor->contradicted_at_s);
    json_put_boolean(json, "unreadable", (floor->flags & FLOOR_UNREADABLE) != 0);
    json_put_boolean(json, "unknown", (floor->flags & FLOOR_UNKNOWN) != 0);
    json_put_boolean(json, "observe", (floor->flags & FLOOR_OBSERVE) != 0);
    write_rule(json, "rule", floor);
    json_put_text(json, "rule_level",
                  floor->rule == RULE_PIN ? level_name((enum level)floor->rule_level) : NULL);
    json_put_unsigned(json, "rule_until_s", floor->rule_until_s);
    json_end(json);
}

static void write_evidence(struct json *json, const struct verdict *verdict, bool stale,
                           uint64_t now_ms)
{
    char sentence[FRAME_SENTENCE_MAX];

    json_put_object(json, "evidence");
    json_put_boolean(json, "known", verdict != NULL);
    if (verdict != NULL) {
        const uint64_t until_ms = verdict->valid_until_ms;

        json_put_text(json, "class", class_name(verdict->class));
        json_put_text(json, "level", level_name(verdict->level));
        json_put_text(json, "conclusion", frame_conclusion_name(verdict->conclusion));
        json_put_text(json, "cause", cause_name(verdict->cause));
        json_put_text(json, "host", verdict->host[0] != '\0' ? verdict->host : NULL);
        verdict_sentence(verdict, sentence, sizeof sentence);
        json_put_text(json, "sentence", sentence);
        json_put_unsigned(json, "age_ms",
                          now_ms > verdict->began_ms ? now_ms - verdict->began_ms : 0);
        json_put_unsigned(json, "valid_for_ms", until_ms > now_ms ? until_ms - now_ms : 0);
        json_put_boolean(json, "stale", stale);
        write_floor(json, &verdict->floor);
    }
    json_end(json);
}

static void write_policy(struct json *json, const struct postfix_policy *policy)
{
    json_put_object(json, "policy");
    json_put_text(json, "answer", postfix_answer_name(policy->answer));
    json_put_text(json, "text", policy->text[0] != '\0' ? policy->text : NULL);
    json_put_text(json, "guarantees", level_name(policy->guarantees));
    json_put_text(json, "row", policy->row);
    json_put_text(json, "rule", policy->rule);
    json_put_text(json, "with_tlsa", policy->with_tlsa);
    json_put_text(json, "without_tlsa", policy->without_tlsa);
    json_put_text(json, "price", policy->price);
    json_end(json);
}

static void write_answer(struct json *json, const struct answer *answer)
{
    json_put_text(json, "action", action_name(answer->action));
    json_put_text(json, "would", action_name(answer->would));
    json_put_boolean(json, "observed", answer->observed);
    json_put_unsigned(json, "smtp_code", decide_smtp_code(answer));
    json_put_text(json, "code", decide_code(answer));
    json_put_text(json, "would_code", answer->code);
    json_put_text(json, "text", answer->text);
    json_put_text(json, "demand", level_name(answer->demand));
    json_put_text(json, "source", demand_source_name(answer->source));
    json_put_text(json, "decided_by", demand_source_name(answer->decided_by));
    json_put_boolean(json, "alarm", answer->alarm);
    write_policy(json, &answer->policy);
}

size_t decide_explain(char *out, size_t size, const struct decision *decision,
                      const struct answer *answer, const struct verdict *verdict, bool stale,
                      uint64_t now_ms)
{
    const struct answer_question question = decide_question(decision, verdict, stale, now_ms);
    char text[NEXT_HOP_TEXT_MAX], change[ANSWER_TEXT_MAX];
    struct json json;

    json_start(&json, out, size);
    next_hop_text(&decision->next_hop, text);
    json_put_text(&json, "domain", decision->domain);
    json_put_text(&json, "next_hop", text);
    if (decision->has_recipient_floor)
        write_rule(&json, "recipient_rule", &decision->recipient_floor);
    write_answer(&json, answer);
    answer_change(answer, &question, change, sizeof change);
    json_put_text(&json, "would_change", change);
    json_put_text(&json, "openpgp", mail_key_name(decision->openpgp));
    json_put_text(&json, "smime", mail_key_name(decision->smime));
    write_sender(&json, decision);
    write_demands(&json, answer);
    write_evidence(&json, verdict, stale, now_ms);
    return json_finish(&json);
}
