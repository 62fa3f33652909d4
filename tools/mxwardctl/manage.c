/*
 * manage.c - see manage.h. With --json each row is printed as it came, one a line.
 */
#include "tools/mxwardctl/manage.h"

#include "tools/mxwardctl/result.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_MOST 1000

const char *manage_time(json_int_t time_s, char text[32])
{
    const time_t time = (time_t)time_s;
    struct tm parts;

    if (time_s == 0 || !gmtime_r(&time, &parts) ||
        strftime(text, 32, "%Y-%m-%d %H:%M UTC", &parts) == 0)
        return "-";
    return text;
}

void manage_print_line(const struct manage *manage, const json_t *row)
{
    fputs(text_or(row, "line", ""), manage->screen.out);
    fputc('\n', manage->screen.out);
}

void manage_fill(const struct manage *manage, struct mxw_order *order)
{
    const struct invocation *invocation = manage->invocation;

    *order = (struct mxw_order)MXW_ORDER_INIT;
    order->order = (int)manage->action->order;
    order->name = manage->action->words > 0 ? manage->words[0] : NULL;
    order->domain = invocation->domain;
    order->profile = invocation->profile;
    order->until_s = invocation->until_s;
    order->reason = invocation->reason;
    order->most = PAGE_MOST;
}

static void rows_print(const struct manage *manage, const json_t *rows)
{
    const json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        if (!manage->invocation->json) {
            manage->action->print(manage, row);
            continue;
        }
        char *text = json_dumps(row, JSON_COMPACT);

        if (text)
            puts(text);
        free(text);
    }
}

/* The daemon's sentence, and which time it was that --until came to. */
static void say_done(const struct manage *manage, const struct mxw_order *order)
{
    char time[32];

    fputs(mxw_reason(manage->handle), manage->screen.out);
    if (order->until_s != 0)
        fprintf(manage->screen.out, " (%s)", manage_time(order->until_s, time));
    fputc('\n', manage->screen.out);
}

/* One page; `next` is where the following one begins ("": it was the last). */
static int page(const struct manage *manage, const struct mxw_order *order,
                char next[FRAME_AFTER_MAX])
{
    const char *text;
    size_t length;
    json_t *root;
    int status = mxw_order(manage->handle, order, &text, &length, manage->invocation->wait_ms);

    next[0] = 0;
    if (status != MXW_OK) {
        return ask_failed(manage->handle, status);
    }
    if (length == 0) {
        say_done(manage, order);
        return DONE;
    }
    root = document_parse(text, length);
    if (!root)
        return INTERNAL;
    if (manage->action->print)
        rows_print(manage, json_object_get(root, "rows"));
    snprintf(next, FRAME_AFTER_MAX, "%s", text_or(root, "next", ""));
    json_decref(root);
    return DONE;
}

int manage_order(const struct manage *manage, struct mxw_order *order)
{
    char next[FRAME_AFTER_MAX] = "", after[FRAME_AFTER_MAX];
    int code;

    do {
        code = page(manage, order, next);
        memcpy(after, next, sizeof after);
        order->after = after;
    } while (code == DONE && next[0]);
    order->after = NULL;
    return code;
}

int manage_import(const struct manage *manage, enum frame_order kind, const char *path)
{
    const bool standard = strcmp(path, "-") == 0;
    FILE *in = standard ? stdin : fopen(path, "r");
    char *line = NULL;
    size_t size = 0, number = 0, good = 0;
    ssize_t length;
    int code = DONE;

    if (!in) {
        fprintf(stderr, "mxwardctl: cannot read %s\n", path);
        return USAGE;
    }
    while ((length = getline(&line, &size, in)) > 0) {
        struct mxw_order order = MXW_ORDER_INIT;
        const char *text;
        size_t text_length;
        int status;

        number++;
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == 0 || line[0] == '#')
            continue;
        order.order = (int)kind;
        order.text = line;
        status =
            mxw_order(manage->handle, &order, &text, &text_length, manage->invocation->wait_ms);
        good += status == MXW_OK;
        if (status == MXW_OK)
            continue;
        fprintf(stderr, "mxwardctl: line %zu: %s\n", number, mxw_reason(manage->handle));
        code = exit_code_worse(code, ask_exit_code(status));
        if (status != MXW_INVALID)
            break;
    }
    free(line);
    if (!standard)
        fclose(in);
    fprintf(stderr, "mxwardctl: %zu imported\n", good);
    return code;
}

static int actions_usage(const struct invocation *invocation, const struct manage_action *actions)
{
    fprintf(stderr, "mxwardctl %s: actions are", invocation->command->name);
    for (; actions->word; actions++)
        fprintf(stderr, " %s", actions->word);
    fprintf(stderr, "; see: mxwardctl help %s\n", invocation->command->name);
    return USAGE;
}

static int words_usage(const struct invocation *invocation, const struct manage_action *action)
{
    static const char *const takes[] = {"nothing", "one word (a name, or a file)",
                                        "two words (a name and a level)"};

    fprintf(stderr,
            "mxwardctl: %s %s takes %s behind it, and there are %d; see: mxwardctl help %s\n",
            invocation->command->name, action->word, takes[action->words],
            invocation->word_count - 1, invocation->command->name);
    return USAGE;
}

int manage_run(const struct invocation *invocation, const struct manage_action *actions)
{
    struct manage manage = {.invocation = invocation, .words = invocation->words + 1};
    struct mxw_order order;
    int code;

    for (const struct manage_action *action = actions; action->word; action++)
        if (invocation->word_count > 0 && strcmp(action->word, invocation->words[0]) == 0)
            manage.action = action;
    if (!manage.action)
        return actions_usage(invocation, actions);
    if (manage.action->words != invocation->word_count - 1)
        return words_usage(invocation, manage.action);
    code = ask_open(invocation, &manage.handle);
    if (code != DONE)
        return code;
    screen_init(&manage.screen, invocation, stdout);
    manage_fill(&manage, &order);
    code = manage.action->run ? manage.action->run(&manage) : manage_order(&manage, &order);
    mxw_close(manage.handle);
    return code;
}
