/*
 * status.c - `mxwardctl status`: the daemon's state on one page.
 *
 * Called by main. Reads the document that mxward-socket(7) describes; --json passes it through.
 * Exit code 0 if every self-test passed, 75 if one is still running, 1 if one failed.
 */
#include "tools/mxwardctl/document.h"

#include <string.h>
#include <time.h>

#define TITLE_COLUMNS  16
#define NUMBER_COLUMNS 13

static void heading(const struct screen *screen, const char *text)
{
    fputc('\n', screen->out);
    screen_styled(screen, STYLE_BOLD, text);
    fputc('\n', screen->out);
}

/* --- self-tests --- */

static int print_self_tests(const struct screen *screen, const json_t *tests)
{
    const json_t *test;
    int code = DONE;
    size_t i;

    heading(screen, "Self-tests");
    json_array_foreach(tests, i, test)
    {
        const json_t *good = json_object_get(test, "good");
        enum style style = json_is_true(good)    ? STYLE_GOOD
                           : json_is_false(good) ? STYLE_BAD
                                                 : STYLE_DOUBT;

        fputs("  ", screen->out);
        screen_style(screen, style);
        screen_column(screen,
                      json_is_true(good)    ? "passed"
                      : json_is_false(good) ? "FAILED"
                                            : "running",
                      8);
        screen_style(screen, STYLE_PLAIN);
        screen_text(screen, text_or(test, "name", "?"));
        if (is_there(test, "resolver"))
            fprintf(screen->out, " (resolver %lld)", (long long)number_of(test, "resolver"));
        fputs(": ", screen->out);
        screen_text(screen, text_or(test, "text", ""));
        fputc('\n', screen->out);
        if (json_is_false(good))
            code = NOT_MET;
        else if (!json_is_true(good) && code == DONE)
            code = UNDECIDED;
    }
    return code;
}

/* --- alarms --- */

static void print_alarms(const struct screen *screen, const json_t *alarms)
{
    const json_t *alarm;
    char age[32];
    size_t i;

    if (json_array_size(alarms) == 0)
        return;
    heading(screen, "Alarms, the newest first");
    json_array_foreach(alarms, i, alarm)
    {
        const int64_t ago_s = time(NULL) - number_of(alarm, "at_s");

        fputs("  ", screen->out);
        screen_style(screen, STYLE_BAD);
        screen_column(screen, text_or(alarm, "kind", "?"), 14);
        screen_style(screen, STYLE_PLAIN);
        fprintf(screen->out, "%s ago: ", span_text(1000 * ago_s, age));
        if (is_there(alarm, "domain")) {
            screen_text(screen, text_of(alarm, "domain"));
            fputs(": ", screen->out);
        }
        screen_text(screen, text_or(alarm, "sentence", ""));
        fputc('\n', screen->out);
    }
}

/* --- counters --- */

/* "key_of_two" as "key of two". */
static void print_key(const struct screen *screen, const char *key, int columns)
{
    char text[64];

    snprintf(text, sizeof text, "%s", key);
    for (char *c = text; *c; c++)
        if (*c == '_')
            *c = ' ';
    screen_column(screen, text, columns);
}

static bool is_shown(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) != 0;
}

/* Columns that the longest name of those shown needs. */
static int key_columns(json_t *object)
{
    const char *key;
    json_t *value;
    int columns = 12;

    json_object_foreach(object, key, value)
    {
        if (is_shown(value) && (int)strlen(key) > columns)
            columns = (int)strlen(key);
    }
    return columns;
}

/* Numbers of one object, as many to a line as fit; zeros are left out. */
static void print_numbers(const struct screen *screen, const char *title, json_t *object)
{
    int key_width = key_columns(object), cell = key_width + NUMBER_COLUMNS + 3, shown = 0;
    int width = screen->width ? screen->width : 100;
    int columns = (width - TITLE_COLUMNS) / cell > 1 ? (width - TITLE_COLUMNS) / cell : 1;
    const char *key;
    json_t *value;
    char text[32];

    json_object_foreach(object, key, value)
    {
        if (!is_shown(value))
            continue;
        if (shown % columns == 0) {
            fputs("  ", screen->out);
            screen_style(screen, STYLE_FAINT);
            screen_column(screen, shown == 0 ? title : "", TITLE_COLUMNS - 2);
            screen_style(screen, STYLE_PLAIN);
        }
        print_key(screen, key, key_width);
        fprintf(screen->out, "%*s", NUMBER_COLUMNS,
                number_text((uint64_t)json_integer_value(value), text));
        fputs(++shown % columns == 0 ? "\n" : "   ", screen->out);
    }
    if (shown % columns)
        fputc('\n', screen->out);
}

static void print_counters(const struct screen *screen, const json_t *root)
{
    static const struct {
        const char *key, *title;
    } rows[] = {{"classes", "verdicts"},
                {"conclusions", "conclusions"},
                {"outcomes", "outcomes"},
                {"domains", "domains"},
                {"hosts", "hosts"},
                {"endpoints", "endpoints"},
                {"probes", "probes"},
                {"dns", "DNS"},
                {"certificates", "certificates"},
                {"memory", "memory"},
                {"alarm_counts", "alarms"},
                {"front", "questions"},
                {"socket", "socket"}};

    heading(screen, "Counters since the start (zeros are left out)");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        print_numbers(screen, rows[i].title, json_object_get(root, rows[i].key));
}

/* --- tables --- */

static void print_times(const struct screen *screen, const json_t *times)
{
    static const char *const columns[] = {"mean_us", "p50_us", "p90_us", "p99_us", "p999_us"};
    const json_t *row;
    char text[32];
    size_t i;

    heading(screen, "Times (ms)");
    fprintf(screen->out, "  %-24s%12s%10s%10s%10s%10s%10s\n", "", "count", "mean", "50 %", "90 %",
            "99 %", "99.9 %");
    json_array_foreach(times, i, row)
    {
        if (number_of(row, "count") == 0)
            continue;
        fputs("  ", screen->out);
        screen_column(screen, text_or(row, "name", "?"), 24);
        fprintf(screen->out, "%12s", number_text((uint64_t)number_of(row, "count"), text));
        for (size_t k = 0; k < sizeof columns / sizeof columns[0]; k++)
            fprintf(screen->out, "%10.2f", (double)number_of(row, columns[k]) / 1000);
        fputc('\n', screen->out);
    }
}

static void print_threads(const struct screen *screen, const json_t *shards)
{
    const json_t *shard;
    char turns[32], late[32];
    size_t i;

    heading(screen, "Shards");
    fprintf(screen->out, "  %-8s%14s%14s%14s%18s%12s\n", "", "silent ms", "turns", "late turns",
            "longest turn ms", "probes now");
    json_array_foreach(shards, i, shard)
    {
        bool silent = number_of(shard, "silent_ms") > 2000;

        fprintf(screen->out, "  %-8zu", i);
        screen_style(screen, silent ? STYLE_BAD : STYLE_PLAIN);
        fprintf(screen->out, "%14lld", (long long)number_of(shard, "silent_ms"));
        screen_style(screen, STYLE_PLAIN);
        fprintf(screen->out, "%14s%14s%18.1f%12lld%s\n",
                number_text((uint64_t)number_of(shard, "turns"), turns),
                number_text((uint64_t)number_of(shard, "late_turns"), late),
                (double)number_of(shard, "longest_turn_us") / 1000,
                (long long)number_of(shard, "probes_in_flight"), silent ? "  silent!" : "");
    }
}

static void print_table(const struct screen *screen, const json_t *table)
{
    char records[32], capacity[32];

    if (!json_is_object(table))
        return;
    heading(screen, "Table");
    fputs("  ", screen->out);
    screen_text(screen, text_or(table, "path", "?"));
    fprintf(screen->out, ", generation %lld, %.1f of %.1f MiB\n",
            (long long)number_of(table, "generation"),
            (double)number_of(table, "allocated_bytes") / (1 << 20),
            (double)number_of(table, "file_bytes") / (1 << 20));
    fprintf(screen->out, "  %s verdicts (room for about %s), %lld evicted, %lld refused\n",
            number_text((uint64_t)number_of(table, "records"), records),
            number_text((uint64_t)number_of(table, "capacity"), capacity),
            (long long)number_of(table, "evicted"), (long long)number_of(table, "refused"));
    fprintf(screen->out, "  pages: %s, %lld of %lld chunks of 2 MiB are huge\n",
            text_or(table, "pages", "?"), (long long)number_of(table, "huge_chunks"),
            (long long)number_of(table, "chunks"));
    if (!truth_of(table, "clocks_agree"))
        screen_styled(screen, STYLE_BAD, "  the clocks disagree: readers answer unknown\n");
}

static int show(const struct invocation *invocation, const char *text, size_t length)
{
    struct screen screen;
    const json_t *threads;
    json_t *root = document_parse(text, length);
    char up[32];
    int code;

    if (!root)
        return INTERNAL;
    screen_init(&screen, invocation, stdout);
    threads = json_object_get(root, "threads");
    screen_styled(&screen, STYLE_BOLD, "mxward ");
    screen_styled(&screen, STYLE_BOLD, text_or(root, "version", "?"));
    fprintf(screen.out, ", process %lld, up %s, configuration %lld; %lld shards, %lld resolvers\n",
            (long long)number_of(root, "process"), span_text(1000 * number_of(root, "up_s"), up),
            (long long)number_of(root, "config_epoch"), (long long)number_of(threads, "shards"),
            (long long)number_of(threads, "resolvers"));
    code = print_self_tests(&screen, json_object_get(root, "self_tests"));
    print_alarms(&screen, json_object_get(root, "alarms"));
    print_threads(&screen, json_object_get(root, "shards"));
    print_table(&screen, json_object_get(root, "table"));
    print_counters(&screen, root);
    print_times(&screen, json_object_get(root, "times"));
    json_decref(root);
    return code;
}

int status_run(const struct invocation *invocation)
{
    const char *text;
    size_t length;
    struct mxw *handle;
    int code = ask_open(invocation, &handle), status;

    if (code != DONE)
        return code;
    status = mxw_daemon_status(handle, &text, &length, invocation->wait_ms);
    if (status != MXW_OK) {
        code = ask_failed(handle, status);
    } else if (invocation->json) {
        fwrite(text, 1, length, stdout);
        fputc('\n', stdout);
    } else {
        code = show(invocation, text, length);
    }
    mxw_close(handle);
    return code;
}
