/*
 * derivation.c - see derivation.h. In the order of the decision: answer, who asks, what is
 * demanded, on what evidence, what the mail server is told, and what would change it.
 */
#include "tools/mxwardctl/derivation.h"

#include "tools/mxwardctl/manage.h"

#include <stdio.h>
#include <string.h>

static void begin_line(const struct screen *screen, const char *title)
{
    fputs("  ", screen->out);
    screen_column(screen, title, 14);
}

static void print_line(const struct screen *screen, const char *title, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    begin_line(screen, title);
    screen_text(screen, text);
    fputc('\n', screen->out);
}

static void print_title(const struct screen *screen, const char *title)
{
    screen_styled(screen, STYLE_BOLD, title);
    fputc('\n', screen->out);
}

/* --- the answer --- */

static void print_answer(const struct screen *screen, const json_t *root)
{
    const char *domain = text_or(root, "domain", ""), *next_hop = text_or(root, "next_hop", "?");
    const char *decided_by = text_or(root, "decided_by", "nobody");
    char line[64];

    screen_styled(screen, STYLE_BOLD, domain[0] != '\0' ? domain : next_hop);
    fprintf(screen->out, ": %s\n", text_or(root, "action", "?"));
    if (domain[0] != '\0' && strcmp(domain, next_hop) != 0)
        print_line(screen, "sent by way of", next_hop);
    print_line(screen, "answer", text_of(root, "text"));
    snprintf(line, sizeof line, "%u %.20s", (unsigned)number_of(root, "smtp_code"),
             text_or(root, "code", ""));
    print_line(screen, "codes", line);
    if (truth_of(root, "observed")) {
        snprintf(line, sizeof line, "only; it would %.10s (%.20s)", text_or(root, "would", "?"),
                 text_or(root, "would_code", ""));
        print_line(screen, "observed", line);
    }
    if (strcmp(decided_by, "nobody") != 0)
        print_line(screen, "decided by", decided_by);
    if (truth_of(root, "alarm"))
        print_line(screen, "alarm", "what is remembered is contradicted: see memory pending");
    if (strcmp(text_or(root, "recipient_rule", "none"), "none") != 0)
        print_line(screen, "domain's rule", text_of(root, "recipient_rule"));
}

/* --- who asks --- */

static void print_sender(const struct screen *screen, const json_t *sender)
{
    const json_t *fact;
    size_t i;

    print_title(screen, "Sender");
    begin_line(screen, "guarantee");
    screen_text(screen, text_or(sender, "profile", "none"));
    fprintf(screen->out, " (by: %s)%s\n", text_or(sender, "by", "?"),
            truth_of(sender, "switched_off") ? ", switched off here" : "");
    if (is_there(sender, "alias")) {
        begin_line(screen, "secure alias");
        screen_text(screen, text_or(sender, "alias", "?"));
        if (is_there(sender, "alias_profile"))
            fprintf(screen->out, ", sends under %s", text_of(sender, "alias_profile"));
        fputc('\n', screen->out);
    }
    if (truth_of(sender, "observe"))
        print_line(screen, "observe", "everything is only observed");
    if (json_array_size(json_object_get(sender, "facts")) == 0)
        return;
    begin_line(screen, "facts");
    json_array_foreach(json_object_get(sender, "facts"), i, fact)
        fprintf(screen->out, "%s%s", i > 0 ? ", " : "", json_string_value(fact));
    fputc('\n', screen->out);
}

/* --- demands --- */

static void print_demand(const struct screen *screen, const json_t *demand)
{
    const char *unmet = text_or(demand, "when_unmet", "?");

    begin_line(screen, text_or(demand, "source", "?"));
    screen_column(screen, text_or(demand, "level", "?"), 18);
    if (is_there(demand, "left_out"))
        fprintf(screen->out, "left out: %s", text_of(demand, "left_out"));
    else if (truth_of(demand, "met"))
        fputs("met", screen->out);
    else if (truth_of(demand, "failed"))
        fprintf(screen->out, "seen not to be met: %s", unmet);
    else
        fprintf(screen->out, "not known to be met; %s if it is seen not to be", unmet);
    fprintf(screen->out, "%s\n", truth_of(demand, "decides") ? "  <- decides" : "");
}

static void print_demands(const struct screen *screen, const json_t *demands)
{
    const json_t *demand;
    size_t i;

    print_title(screen, "Demands");
    if (json_array_size(demands) == 0)
        print_line(screen, "none", "nobody demands anything of this message");
    json_array_foreach(demands, i, demand) print_demand(screen, demand);
}

/* --- evidence --- */

static void print_memory(const struct screen *screen, const json_t *memory)
{
    const char *rule = text_or(memory, "rule", "none");
    char time[32];

    begin_line(screen, "remembered");
    screen_text(screen, text_or(memory, "level", "none"));
    if (strcmp(text_or(memory, "proof", "none"), "none") != 0)
        fprintf(screen->out, " (by %s, last seen %s)", text_of(memory, "proof"),
                manage_time(number_of(memory, "seen_at_s"), time));
    if (strcmp(text_or(memory, "hosts_level", "none"), "none") != 0)
        fprintf(screen->out, "; its mail hosts: %s", text_of(memory, "hosts_level"));
    fprintf(screen->out, "%s%s%s\n", truth_of(memory, "contradicted") ? "; contradicted" : "",
            truth_of(memory, "unreadable") ? "; unreadable, TLS required" : "",
            truth_of(memory, "observe") ? "; only observed" : "");
    if (strcmp(rule, "none") == 0)
        return;
    begin_line(screen, "rule");
    fprintf(screen->out, "%s%s%s", rule, is_there(memory, "rule_level") ? " " : "",
            text_or(memory, "rule_level", ""));
    if (number_of(memory, "rule_until_s") != 0)
        fprintf(screen->out, " until %s", manage_time(number_of(memory, "rule_until_s"), time));
    fputc('\n', screen->out);
}

static void print_evidence(const struct screen *screen, const json_t *root)
{
    const json_t *evidence = json_object_get(root, "evidence");
    char age[32], valid[32];

    print_title(screen, "Evidence");
    print_line(screen, "seen", text_or(evidence, "sentence", "nothing is known"));
    if (truth_of(evidence, "known")) {
        begin_line(screen, "class");
        fprintf(screen->out, "%s; level %s, %s, cause %s\n", text_or(evidence, "class", "?"),
                text_or(evidence, "level", "?"), text_or(evidence, "conclusion", "?"),
                text_or(evidence, "cause", "?"));
        begin_line(screen, "age");
        fprintf(screen->out, "%s, good for %s%s\n", span_text(number_of(evidence, "age_ms"), age),
                span_text(number_of(evidence, "valid_for_ms"), valid),
                truth_of(evidence, "stale") ? "; older than was asked for, so it stops nobody"
                                            : "");
        print_memory(screen, json_object_get(evidence, "memory"));
    }
    if (strcmp(text_or(root, "openpgp", "not-asked"), "not-asked") == 0)
        return;
    print_line(screen, "OpenPGP key", text_of(root, "openpgp"));
    print_line(screen, "S/MIME", text_of(root, "smime"));
}

/* --- the policy --- */

static void print_policy(const struct screen *screen, const json_t *policy)
{
    const char *answer = text_or(policy, "answer", "");

    print_title(screen, "Policy for the mail server");
    print_line(screen, "text",
               is_there(policy, "text")         ? text_of(policy, "text")
               : strcmp(answer, "default") == 0 ? "none: its own level holds"
                                                : "none can be given: temporary error");
    print_line(screen, "guarantees", text_of(policy, "guarantees"));
    begin_line(screen, "row");
    fprintf(screen->out, "%s: ", text_or(policy, "row", "?"));
    screen_text(screen, text_or(policy, "rule", ""));
    fputc('\n', screen->out);
    print_line(screen, "hosts with", text_of(policy, "with_tlsa"));
    print_line(screen, "without TLSA", text_of(policy, "without_tlsa"));
    print_line(screen, "price", text_of(policy, "price"));
}

void derivation_print(const struct screen *screen, const json_t *root)
{
    print_answer(screen, root);
    print_sender(screen, json_object_get(root, "sender"));
    print_demands(screen, json_object_get(root, "demands"));
    print_evidence(screen, root);
    print_policy(screen, json_object_get(root, "policy"));
    print_title(screen, "What would change it");
    print_line(screen, "", text_of(root, "would_change"));
}
