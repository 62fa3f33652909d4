/*
 * scan_progress.c - how a scan goes, on standard error.
 *
 * Used by scan.c. On a terminal one line is rewritten five times a second; elsewhere a line is
 * written every ten seconds. The time left is estimated from the bytes of the input that are read.
 */
#include "tools/mxwardctl/document.h"
#include "tools/mxwardctl/scan.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define TERMINAL_MS  200
#define ELSEWHERE_MS 10000
#define RATE_MS      2000

int64_t scan_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t scan_done(const struct scan_counts *counts)
{
    uint64_t done = counts->invalid + counts->errors;

    for (int i = 0; i < CLASS_COUNT; i++)
        done += counts->classes[i];
    return done;
}

void scan_progress_begin(struct scan_progress *progress, const struct invocation *invocation)
{
    memset(progress, 0, sizeof *progress);
    screen_init(&progress->screen, invocation, stderr);
    progress->began_ms = progress->rate_ms = progress->told_ms = scan_now_ms();
}

/* The rate of the last seconds, smoothed. */
static void update_rate(struct scan_progress *progress, uint64_t done, int64_t now_ms)
{
    double rate;

    if (now_ms - progress->rate_ms < RATE_MS) {
        if (progress->rate_ms == progress->began_ms && now_ms > progress->began_ms)
            progress->rate = (double)done * 1000 / (double)(now_ms - progress->began_ms);
        return;
    }
    rate = (double)(done - progress->rate_done) * 1000 / (double)(now_ms - progress->rate_ms);
    progress->rate = progress->rate > 0 ? progress->rate * 0.7 + rate * 0.3 : rate;
    progress->rate_ms = now_ms;
    progress->rate_done = done;
}

/* "" when it cannot be told yet. */
static const char *time_left(const struct scan_progress *progress, const struct scan_input *input,
                             int64_t now_ms, char text[32])
{
    int64_t spent_ms = now_ms - progress->began_ms, left_s;
    double part;

    text[0] = 0;
    if (input->total_bytes == 0 || input->read_bytes == 0 || spent_ms < 3000)
        return text;
    part = (double)(input->read_bytes - (input->end - input->start)) / (double)input->total_bytes;
    if (part < 0.001 || part > 1)
        return text;
    left_s = (int64_t)((double)spent_ms * (1 - part) / part / 1000);
    snprintf(text, 32, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, left_s / 3600, left_s / 60 % 60,
             left_s % 60);
    return text;
}

static size_t class_words(const struct scan_counts *counts, char *text, size_t size)
{
    size_t used = 0;

    text[0] = 0;
    for (int i = CLASS_COUNT - 1; i >= 0 && used < size - 40; i--)
        if (counts->classes[i])
            used += (size_t)snprintf(text + used, size - used, " %s %" PRIu64,
                                     class_name((enum tls_class)i), counts->classes[i]);
    if (counts->invalid && used < size - 40)
        used += (size_t)snprintf(text + used, size - used, " invalid %" PRIu64, counts->invalid);
    if (counts->errors && used < size - 40)
        used += (size_t)snprintf(text + used, size - used, " errors %" PRIu64, counts->errors);
    return used;
}

void scan_progress_tick(struct scan_progress *progress, const struct scan_counts *counts,
                        const struct scan_input *input, unsigned outstanding, const char *remark)
{
    char line[512], words[256], left[32], number[32];
    int64_t now_ms = scan_now_ms();
    uint64_t done = scan_done(counts);
    bool terminal = progress->screen.terminal;

    update_rate(progress, done, now_ms);
    if (now_ms - progress->told_ms < (terminal ? TERMINAL_MS : ELSEWHERE_MS))
        return;
    progress->told_ms = now_ms;
    class_words(counts, words, sizeof words);
    time_left(progress, input, now_ms, left);
    snprintf(line, sizeof line, "%s done, %.0f/s%s%s, %u out,%s%s%s", number_text(done, number),
             progress->rate, left[0] ? ", left " : "", left, outstanding, words, remark ? "; " : "",
             remark ? remark : "");
    if (!terminal) {
        fprintf(stderr, "mxwardctl: %s\n", line);
        return;
    }
    if (progress->screen.width > 8 && strlen(line) >= (size_t)progress->screen.width)
        line[progress->screen.width - 1] = 0;
    fprintf(stderr, "\r%s\033[K", line);
    progress->line_open = true;
}

void scan_progress_end(struct scan_progress *progress)
{
    if (progress->line_open)
        fputs("\r\033[K", stderr);
    progress->line_open = false;
}

void scan_summary(struct scan_progress *progress, const struct scan_counts *counts)
{
    int64_t spent_ms = scan_now_ms() - progress->began_ms;
    uint64_t done = scan_done(counts), verdicts = done - counts->invalid - counts->errors;
    char number[32], span[32];

    scan_progress_end(progress);
    fprintf(stderr, "%s answers in %s (%.1f/s)\n", number_text(done, number),
            span_text(spent_ms, span), spent_ms > 0 ? (double)done * 1000 / (double)spent_ms : 0);
    for (int i = CLASS_COUNT - 1; i >= 0; i--)
        if (counts->classes[i])
            fprintf(stderr, "  %-12s%14s%8.2f %%\n", class_name((enum tls_class)i),
                    number_text(counts->classes[i], number),
                    (double)counts->classes[i] * 100 / (double)verdicts);
    if (counts->undecided)
        fprintf(stderr, "  %-12s%14s\n", "undecided", number_text(counts->undecided, number));
    if (counts->invalid)
        fprintf(stderr, "  %-12s%14s\n", "invalid", number_text(counts->invalid, number));
    if (counts->errors)
        fprintf(stderr, "  %-12s%14s\n", "errors", number_text(counts->errors, number));
    if (counts->repeated)
        fprintf(stderr, "  %-12s%14s  (lines passed over)\n", "repeated",
                number_text(counts->repeated, number));
    if (counts->not_met)
        fprintf(stderr, "  %-12s%14s  (below the class required)\n", "not met",
                number_text(counts->not_met, number));
}
