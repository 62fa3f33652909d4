/*
 * user.c - `mxwardctl user`: the sending guarantee of an account. Called by main.
 */
#include "tools/mxwardctl/manage.h"

#include <string.h>

static void print_account(const struct manage *manage, const json_t *row)
{
    const struct screen *screen = &manage->screen;
    char time[32];

    if (is_there(row, "except")) {
        fputs("  not for mail to ", screen->out);
        screen_text(screen, text_or(row, "except", "?"));
        fprintf(screen->out, " until %s\n", manage_time(number_of(row, "until_s"), time));
        return;
    }
    screen_column(screen, text_or(row, "account", "?"), 40);
    screen_style(screen, truth_of(row, "on") ? STYLE_GOOD : STYLE_FAINT);
    screen_column(screen, truth_of(row, "on") ? "on" : "off", 5);
    screen_style(screen, STYLE_PLAIN);
    screen_text(screen, text_or(row, "profile", "-"));
    if (is_there(row, "off_until_s"))
        fprintf(screen->out, " (off until %s)", manage_time(number_of(row, "off_until_s"), time));
    fputc('\n', screen->out);
}

/* Off for one recipient domain is an exception; for all it is off. */
static int off(const struct manage *manage)
{
    struct mxw_order order;

    manage_fill(manage, &order);
    order.order = manage->invocation->domain ? ORDER_USER_EXCEPT : ORDER_USER_OFF;
    return manage_order(manage, &order);
}

static int import(const struct manage *manage)
{
    return manage_import(manage, ORDER_USER_IMPORT, manage->words[0]);
}

static const struct manage_action actions[] = {
    {"list", ORDER_USER_LIST, 0, print_account, NULL},
    {"show", ORDER_USER_SHOW, 1, print_account, NULL},
    {"on", ORDER_USER_ON, 1, NULL, NULL},
    {"off", ORDER_USER_OFF, 1, NULL, off},
    {"resume", ORDER_USER_RESUME, 1, NULL, NULL},
    {"remove", ORDER_USER_REMOVE, 1, NULL, NULL},
    {"export", ORDER_USER_EXPORT, 0, manage_print_line, NULL},
    {"import", ORDER_USER_IMPORT, 1, NULL, import},
    {NULL, 0, 0, NULL, NULL},
};

/* Who writes `on --domain` or `on --until` would believe in a guarantee that is not the one he
 * gets. */
static const char *misplaced(const struct invocation *invocation)
{
    const char *action = invocation->word_count > 0 ? invocation->words[0] : "";
    const bool is_off = strcmp(action, "off") == 0, is_resume = strcmp(action, "resume") == 0;

    if (invocation->domain && !is_off && !is_resume)
        return "--domain goes with off and resume only: a guarantee is for all domains";
    if (invocation->until_s != 0 && !is_off)
        return "--until goes with off only";
    if (invocation->domain && is_off && invocation->until_s == 0)
        return "off --domain needs --until: when it ends, such as 1h";
    return NULL;
}

int user_run(const struct invocation *invocation)
{
    const char *why = misplaced(invocation);

    if (why) {
        fprintf(stderr, "mxwardctl: user: %s\n", why);
        return USAGE;
    }
    return manage_run(invocation, actions);
}
