/*
 * report.c - `mxwardctl report`: what was stopped or held, or would have been, by domain and cause.
 *
 * Called by main. The daemon gives one row a day, domain, cause and source; here they are added up.
 */
#include "tools/mxwardctl/manage.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct line {
    char *domain, *action, *cause, *source;
    bool observed;
    uint64_t count;
};

/* The rows so far; one report a run of the program. */
static struct {
    struct line *lines;
    size_t count, room;
} sum;

static bool is_line(const struct line *line, const json_t *row)
{
    return strcmp(line->domain, text_or(row, "domain", "")) == 0 &&
           strcmp(line->action, text_or(row, "action", "")) == 0 &&
           strcmp(line->cause, text_or(row, "cause", "")) == 0 &&
           strcmp(line->source, text_or(row, "source", "")) == 0 &&
           line->observed == truth_of(row, "observed");
}

static void add(const struct manage *manage, const json_t *row)
{
    struct line *line;

    (void)manage;
    for (size_t i = 0; i < sum.count; i++) {
        if (!is_line(&sum.lines[i], row))
            continue;
        sum.lines[i].count += (uint64_t)number_of(row, "count");
        return;
    }
    if (sum.count == sum.room) {
        size_t room = sum.room ? 2 * sum.room : 64;
        struct line *lines = realloc(sum.lines, room * sizeof *lines);

        if (!lines)
            return;
        sum.lines = lines;
        sum.room = room;
    }
    line = &sum.lines[sum.count++];
    *line = (struct line){.domain = strdup(text_or(row, "domain", "")),
                          .action = strdup(text_or(row, "action", "")),
                          .cause = strdup(text_or(row, "cause", "")),
                          .source = strdup(text_or(row, "source", "")),
                          .observed = truth_of(row, "observed"),
                          .count = (uint64_t)number_of(row, "count")};
    if (!line->domain || !line->action || !line->cause || !line->source) {
        fputs("mxwardctl: no memory\n", stderr);
        exit(INTERNAL);
    }
}

static int more_first(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->domain, y->domain);
}

static void print_all(const struct screen *screen)
{
    char number[32];

    if (sum.count == 0) {
        fputs("nothing was stopped or held\n", screen->out);
        return;
    }
    qsort(sum.lines, sum.count, sizeof *sum.lines, more_first);
    for (size_t i = 0; i < sum.count; i++) {
        const struct line *line = &sum.lines[i];

        fprintf(screen->out, "%9s  ", number_text(line->count, number));
        screen_column(screen, line->domain, 40);
        fprintf(screen->out, "%s%s by %s: ", line->observed ? "would " : "", line->action,
                line->source);
        screen_text(screen, line->cause);
        fputc('\n', screen->out);
    }
}

static const struct manage_action action = {"report", ORDER_REPORT, 0, add, NULL};

int report_run(const struct invocation *invocation)
{
    struct manage manage = {.invocation = invocation, .action = &action};
    const int64_t days = invocation->days ? (int64_t)invocation->days : 7;
    struct mxw_order order;
    int code = ask_open(invocation, &manage.handle);

    if (code != DONE)
        return code;
    screen_init(&manage.screen, invocation, stdout);
    manage_fill(&manage, &order);
    order.until_s = time(NULL) - (days - 1) * 86400;
    code = manage_order(&manage, &order);
    mxw_close(manage.handle);
    if (code == DONE && !invocation->json)
        print_all(&manage.screen);
    return code;
}
