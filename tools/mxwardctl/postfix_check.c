/*
 * postfix_check.c - `mxwardctl postfix-check`: reads an installed Postfix's settings and says what
 * is missing or weakens the guarantee, with the line to change. Changes nothing itself.
 *
 * Called by main. Exit code 0 if nothing breaks or weakens, 1 if something does, 78 if Postfix's
 * configuration cannot be read.
 */
#include "tools/mxwardctl/document.h"
#include "tools/mxwardctl/postfix_findings.h"

#include <stdlib.h>

static const enum style styles[] = {[SEVERITY_BREAKS] = STYLE_BAD,
                                    [SEVERITY_WEAKENS] = STYLE_DOUBT,
                                    [SEVERITY_ADVICE] = STYLE_BOLD,
                                    [SEVERITY_UNSEEN] = STYLE_FAINT,
                                    [SEVERITY_FINE] = STYLE_GOOD};

static void print_detail(const struct screen *screen, const char *title, const char *text)
{
    if (!text[0])
        return;
    fprintf(screen->out, "         %-8s", title);
    screen_text(screen, text);
    fputc('\n', screen->out);
}

static void print_finding(const struct screen *screen, const struct finding *finding)
{
    screen_style(screen, styles[finding->severity]);
    screen_column(screen, postfix_severity_name(finding->severity), 9);
    screen_style(screen, STYLE_PLAIN);
    if (finding->service[0]) {
        screen_text(screen, finding->service);
        fputs(": ", screen->out);
    }
    screen_text(screen, finding->wrong);
    fputc('\n', screen->out);
    if (finding->severity == SEVERITY_FINE)
        return;
    if (finding->severity != SEVERITY_UNSEEN)
        print_detail(screen, "why:", finding->why);
    print_detail(screen, "change:", finding->change);
}

static void print_json(const struct finding *finding)
{
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "severity",
                            postfix_severity_name(finding->severity), "rule", finding->rule,
                            "service", finding->service, "finding", finding->wrong, "why",
                            finding->why, "change", finding->change);
    char *text = row ? json_dumps(row, JSON_COMPACT) : NULL;

    puts(text ? text : "{\"severity\":\"unseen\",\"finding\":\"not UTF-8, or no memory\"}");
    free(text);
    json_decref(row);
}

/* The gravest first. */
static void print_all(const struct invocation *invocation, const struct findings *findings)
{
    size_t counts[SEVERITY_FINE + 1] = {0};
    struct screen screen;

    screen_init(&screen, invocation, stdout);
    for (unsigned severity = 0; severity <= SEVERITY_FINE; severity++)
        for (size_t i = 0; i < findings->count; i++) {
            if (findings->rows[i].severity != severity)
                continue;
            counts[severity]++;
            if (invocation->json)
                print_json(&findings->rows[i]);
            else
                print_finding(&screen, &findings->rows[i]);
        }
    if (findings->cut)
        fputs("mxwardctl: there are more findings than are shown\n", stderr);
    if (!invocation->json)
        printf("\n%zu break the guarantee, %zu weaken it, %zu are advice, %zu are fine\n",
               counts[SEVERITY_BREAKS], counts[SEVERITY_WEAKENS], counts[SEVERITY_ADVICE],
               counts[SEVERITY_FINE]);
}

static int code_of(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->rows[i].severity <= SEVERITY_WEAKENS)
            return NOT_MET;
    return findings->cut ? NOT_MET : DONE;
}

int postfix_check_run(const struct invocation *invocation)
{
    struct findings *findings = calloc(1, sizeof *findings);
    struct postfix_site *site = NULL;
    int code = findings ? postfix_site_read(invocation, &site) : INTERNAL;

    if (code == DONE) {
        postfix_findings(site, findings);
        print_all(invocation, findings);
        code = code_of(findings);
    }
    postfix_site_free(site);
    free(findings);
    return code;
}
