/*
 * memory.c - `mxwardctl memory` and `mxwardctl rule`: what is remembered, and what is ruled. Called
 * by main.
 */
#include "tools/mxwardctl/manage.h"

static void print_entry(const struct manage *manage, const json_t *row)
{
    const struct screen *screen = &manage->screen;
    char time[32];

    screen_column(screen, text_or(row, "name", "?"), 40);
    screen_column(screen, text_or(row, "level", "?"), 15);
    screen_column(screen, text_or(row, "proof", "?"), 15);
    fprintf(screen->out, "last seen %s", manage_time(number_of(row, "last_seen_s"), time));
    if (truth_of(row, "pending"))
        fprintf(screen->out, "; contradicted since %s: %s",
                manage_time(number_of(row, "contradicted_s"), time), text_or(row, "cause", "?"));
    if (truth_of(row, "unreadable"))
        fputs("; its record was broken: TLS is required", screen->out);
    fputc('\n', screen->out);
}

static void print_audit(const struct manage *manage, const json_t *row)
{
    char time[32];

    fprintf(manage->screen.out, "%s  ", manage_time(number_of(row, "at_s"), time));
    screen_column(&manage->screen, text_or(row, "who", "?"), 12);
    screen_column(&manage->screen, text_or(row, "what", "?"), 13);
    screen_text(&manage->screen, text_or(row, "name", ""));
    fputs("  ", manage->screen.out);
    screen_text(&manage->screen, text_or(row, "reason", ""));
    fputc('\n', manage->screen.out);
}

static void print_rule(const struct manage *manage, const json_t *row)
{
    const struct screen *screen = &manage->screen;
    char time[32];

    screen_column(screen, text_or(row, "name", "?"), 40);
    screen_text(screen, text_or(row, "rule", ""));
    if (is_there(row, "rule_level"))
        fprintf(screen->out, " %s", text_of(row, "rule_level"));
    if (is_there(row, "rule_until_s"))
        fprintf(screen->out, " until %s", manage_time(number_of(row, "rule_until_s"), time));
    if (truth_of(row, "observe"))
        fputs(" observe", screen->out);
    fputc('\n', screen->out);
}

static int with_level(const struct manage *manage)
{
    struct mxw_order order;
    int level = level_parse(manage->words[1]);

    if (level < 0) {
        fprintf(stderr, "mxwardctl: '%s' is no level: none, encrypt, verified, authenticated\n",
                manage->words[1]);
        return USAGE;
    }
    manage_fill(manage, &order);
    order.level = level;
    return manage_order(manage, &order);
}

static int import(const struct manage *manage)
{
    return manage_import(manage, ORDER_MEMORY_IMPORT, manage->words[0]);
}

static const struct manage_action memory_actions[] = {
    {"pending", ORDER_MEMORY_PENDING, 0, print_entry, NULL},
    {"show", ORDER_MEMORY_SHOW, 1, print_entry, NULL},
    {"list", ORDER_MEMORY_LIST, 0, print_entry, NULL},
    {"audit", ORDER_MEMORY_AUDIT, 0, print_audit, NULL},
    {"set", ORDER_MEMORY_SET, 2, NULL, with_level},
    {"export", ORDER_MEMORY_LIST, 0, manage_print_line, NULL},
    {"import", ORDER_MEMORY_IMPORT, 1, NULL, import},
    {"copy", ORDER_MEMORY_COPY, 0, NULL, NULL},
    {NULL, 0, 0, NULL, NULL},
};

static const struct manage_action rule_actions[] = {
    {"list", ORDER_RULE_LIST, 0, print_rule, NULL},
    {"pin", ORDER_RULE_PIN, 2, NULL, with_level},
    {"exempt", ORDER_RULE_EXEMPT, 1, NULL, NULL},
    {"refuse", ORDER_RULE_REFUSE, 1, NULL, NULL},
    {"observe", ORDER_RULE_OBSERVE, 1, NULL, NULL},
    {"remove", ORDER_RULE_REMOVE, 1, NULL, NULL},
    {NULL, 0, 0, NULL, NULL},
};

int memory_run(const struct invocation *invocation)
{
    return manage_run(invocation, memory_actions);
}

int rule_run(const struct invocation *invocation)
{
    return manage_run(invocation, rule_actions);
}
