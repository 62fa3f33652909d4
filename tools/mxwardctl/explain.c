/*
 * explain.c - `mxwardctl explain`: everything that led to a verdict, as a tree for people.
 *
 * Called by main. Reads the document that mxward-socket(7) describes; --json passes it through.
 * Order: the verdict and the rule that decided, how the domain's mail is routed, each host with its
 * addresses, the certificates once each, and at the end what was said on each connection.
 */
#include "tools/mxwardctl/document.h"
#include "tools/mxwardctl/result.h"

#include "shm/level.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INDENT_MAX 32          /* bytes */
#define TTL_MAX_S  (7 * 86400) /* greater ones are none: no look-up was needed */

/* Where in the tree we are: what stands before each line of this level. */
struct branch {
    const struct screen *screen;
    char before[INDENT_MAX];
};

static void begin_line(const struct branch *branch)
{
    screen_style(branch->screen, STYLE_FAINT);
    fputs(branch->before, branch->screen->out);
    screen_style(branch->screen, STYLE_PLAIN);
}

__attribute__((format(printf, 2, 3))) static void line(const struct branch *branch,
                                                       const char *format, ...)
{
    char text[2048];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    begin_line(branch);
    screen_text(branch->screen, text);
    fputc('\n', branch->screen->out);
}

/* The level below `parent`; `last`: no sibling follows. Leaves its first line begun. */
static struct branch begin_child(const struct branch *parent, bool last)
{
    const struct screen *screen = parent->screen;
    const char *turn = screen->unicode ? (last ? "└─ " : "├─ ") : (last ? "`- " : "|- ");
    const char *down = last ? "   " : screen->unicode ? "│  " : "|  ";
    struct branch child = {.screen = screen};

    begin_line(parent);
    screen_style(screen, STYLE_FAINT);
    fputs(turn, screen->out);
    screen_style(screen, STYLE_PLAIN);
    snprintf(child.before, sizeof child.before, "%s%s", parent->before, down);
    return child;
}

/* The texts of an array, joined by blanks. */
static const char *joined(const json_t *array, char *text, size_t size)
{
    size_t used = 0, i;
    const json_t *item;

    text[0] = 0;
    json_array_foreach(array, i, item)
    {
        int n = snprintf(text + used, size - used, "%s%s", i ? " " : "",
                         json_string_value(item) ? json_string_value(item) : "?");

        if (n < 0 || (size_t)n >= size - used)
            break;
        used += (size_t)n;
    }
    return text;
}

/* `text` without `before`, which the reader has just seen, and what joins the two. */
static const char *behind(const char *text, const char *before)
{
    size_t length = strlen(before);

    if (strncmp(text, before, length) != 0 || !text[length])
        return text;
    text += length;
    return text + strspn(text, ";: ");
}

/* --- the verdict --- */

static void print_head(const struct screen *screen, const json_t *root)
{
    const char *class_word = text_or(root, "class", "unknown");
    enum style style = screen_class_style(class_word);

    screen_style(screen, style);
    fprintf(screen->out, "%s ", screen_class_symbol(screen, class_word));
    screen_style(screen, STYLE_PLAIN);
    screen_styled(screen, STYLE_BOLD, text_or(root, "next_hop", "?"));
    fputs("  ", screen->out);
    screen_styled(screen, style, class_word);
    fputs("  ", screen->out);
    screen_text(screen, text_or(root, "level", "?"));
    fputs("  ", screen->out);
    screen_text(screen, text_or(root, "sign", "SSL ?"));
    fputc('\n', screen->out);
}

static void print_evidence(const struct branch *b, const json_t *root)
{
    char age[32], valid[32];
    json_int_t valid_ms = number_of(root, "valid_for_ms");

    if (is_there(root, "age_ms"))
        line(b, "evidence   %s, %s old, DNS part %s%s; %lld of %lld hosts reach the level",
             text_or(root, "conclusion", "?"), span_text(number_of(root, "age_ms"), age),
             valid_ms > 0 ? "valid for " : "has run out",
             valid_ms > 0 ? span_text(valid_ms, valid) : "",
             (long long)number_of(root, "hosts_good"),
             (long long)number_of(root, "hosts_evaluated"));
    else
        line(b, "evidence   %s", text_or(root, "conclusion", "?"));
    if (truth_of(root, "limited"))
        line(b, "           not as fresh as asked: the politeness budget of a host is spent");
}

/* What Postfix is told: once for a sender who demands nothing, and for the guarantees. */
static void print_postfix(const struct branch *b, const json_t *policies)
{
    const json_t *row;
    size_t i;

    json_array_foreach(policies, i, row)
    {
        const char *answer = text_or(row, "answer", "?");

        line(b, "%s %s: %s", i ? "          " : "Postfix   ", text_or(row, "demand", "?"),
             text_or(row, "policy", answer));
    }
}

static void print_verdict(const struct screen *screen, const json_t *root)
{
    struct branch b = {.screen = screen, .before = "  "};
    char flags[512];

    print_head(screen, root);
    line(&b, "%s", text_or(root, "sentence", "?"));
    line(&b, "decided by %s; %s", text_or(root, "cause", "?"),
         behind(text_or(root, "rule", "-"), text_or(root, "sentence", "?")));
    if (text_of(root, "match"))
        line(&b, "enforce    %s, names %s", text_or(root, "enforce", "?"), text_of(root, "match"));
    else
        line(&b, "enforce    %s", text_or(root, "enforce", "?"));
    print_postfix(&b, json_object_get(root, "postfix"));
    if (text_of(root, "status_code"))
        line(&b, "if held    status code %s", text_of(root, "status_code"));
    print_evidence(&b, root);
    joined(json_object_get(root, "flags"), flags, sizeof flags);
    if (flags[0])
        line(&b, "flags      %s", flags);
}

/* --- an endpoint --- */

static void print_tls(const struct branch *b, const json_t *tls)
{
    const json_t *pkix = json_object_get(tls, "pkix"), *records = json_object_get(tls, "tlsa"),
                 *chain = json_object_get(tls, "chain"), *item;
    char text[256] = "";
    size_t i, used = 0;

    if (text_of(tls, "version"))
        line(b, "%s %s%s%s%s%s", text_of(tls, "version"), text_or(tls, "cipher", "?"),
             text_of(tls, "group") ? ", key exchange " : "", text_or(tls, "group", ""),
             text_of(tls, "signature") ? ", signed with " : "", text_or(tls, "signature", ""));
    if (json_is_true(json_object_get(tls, "resumed")))
        line(b, "resumed: certificate and signature are of a full handshake, %lld s before",
             (long long)number_of(tls, "certificate_age_ms") / 1000);
    if (number_of(tls, "alert"))
        line(b, "the server sent TLS alert %lld", (long long)number_of(tls, "alert"));
    json_array_foreach(chain, i, item)
    {
        if (used < sizeof text - 24)
            used += (size_t)snprintf(text + used, sizeof text - used, " [%lld]",
                                     (long long)json_integer_value(item));
    }
    if (used)
        line(b, "certificate%s%s, %s%s", json_array_size(chain) > 1 ? "s" : "", text,
             json_is_object(pkix) ? "PKIX: " : "PKIX not asked",
             json_is_object(pkix) ? text_or(pkix, "text", "?") : "");
    json_array_foreach(records, i, item)
    {
        const char *verify = text_of(item, "verify");

        line(b, "TLSA record %zu: %s%s%s", i + 1, text_or(item, "fate", "?"), verify ? ": " : "",
             verify ? verify : "");
    }
}

static void print_smtp(const struct branch *b, const json_t *smtp)
{
    char words[256];

    if (number_of(smtp, "code"))
        line(b, "SMTP %lld %s", (long long)number_of(smtp, "code"), text_or(smtp, "text", ""));
    joined(json_object_get(smtp, "keywords"), words, sizeof words);
    line(b, "STARTTLS %s%s%s", truth_of(smtp, "offered_starttls") ? "offered" : "not offered",
         words[0] ? "; inside TLS: " : "", words);
}

static void print_steps(const struct branch *b, const json_t *endpoint)
{
    const json_t *steps = json_object_get(endpoint, "steps"), *step;
    char text[512] = "";
    size_t i, used = 0;

    json_array_foreach(steps, i, step)
    {
        json_int_t us = number_of(step, "us");

        if (us == 0 || used >= sizeof text - 64)
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %.1f ms", used ? ", " : "",
                                 text_or(step, "name", "?"), (double)us / 1000);
    }
    if (used)
        line(b, "%s", text);
}

static void print_endpoint(const struct branch *parent, const json_t *endpoint, bool last)
{
    struct branch b = begin_child(parent, last);
    const struct screen *screen = b.screen;
    const char *says = text_or(endpoint, "says", "?"), *address = text_or(endpoint, "address", "?");
    enum style style = strcmp(says, "encrypts") == 0 ? STYLE_GOOD
                       : strcmp(says, "ours") == 0 || strcmp(says, "inconclusive") == 0
                           ? STYLE_DOUBT
                           : STYLE_BAD;
    char age[32];

    screen_text(screen, address);
    fprintf(screen->out, " port %lld  ", (long long)number_of(endpoint, "port"));
    screen_styled(screen, style, text_or(endpoint, "outcome", "?"));
    fprintf(screen->out, "  in %lld ms", (long long)number_of(endpoint, "took_ms"));
    if (is_there(endpoint, "age_ms"))
        fprintf(screen->out, ", %s ago", span_text(number_of(endpoint, "age_ms"), age));
    fputc('\n', screen->out);
    if (text_of(endpoint, "detail") && strcmp(says, "encrypts") != 0)
        line(&b, "%s", text_of(endpoint, "detail"));
    if (text_of(endpoint, "server_name"))
        line(&b, "name sent (SNI) %s", text_of(endpoint, "server_name"));
    if (is_there(json_object_get(endpoint, "smtp"), "greeting"))
        print_smtp(&b, json_object_get(endpoint, "smtp"));
    print_tls(&b, json_object_get(endpoint, "tls"));
    print_steps(&b, endpoint);
}

/* --- a host --- */

static void print_host_dns(const struct branch *b, const json_t *host)
{
    const json_t *tlsa = json_object_get(host, "tlsa"), *records = json_object_get(tlsa, "records"),
                 *record;
    char names[1200];
    size_t i;

    line(b, "addresses %s%s%s; TLSA %s%s%s", text_or(host, "state", "?"),
         truth_of(host, "secure") ? ", signed" : ", not signed",
         truth_of(host, "alias") ? ", by an alias" : "", text_or(tlsa, "state", "?"),
         text_of(tlsa, "base") ? " at " : "", text_or(tlsa, "base", ""));
    if (text_of(host, "why"))
        line(b, "%s", text_of(host, "why"));
    json_array_foreach(records, i, record)
    {
        line(b, "TLSA %zu: %lld %lld %lld %.64s%s", i + 1, (long long)number_of(record, "usage"),
             (long long)number_of(record, "selector"),
             (long long)number_of(record, "matching_type"), text_or(record, "data", "(no data)"),
             truth_of(record, "usable") ? "" : "  (unusable)");
    }
    joined(json_object_get(host, "reference_names"), names, sizeof names);
    if (names[0])
        line(b, "names that count: %s", names);
}

/* `next_hop`: what to call a host without a name, an address literal. */
static void print_host(const struct branch *parent, const json_t *host, const char *next_hop,
                       bool last)
{
    struct branch b = begin_child(parent, last);
    const json_t *finding = json_object_get(host, "finding"),
                 *endpoints = json_object_get(host, "endpoints"), *endpoint;
    size_t i;

    fprintf(b.screen->out, "%lld ", (long long)number_of(host, "preference"));
    screen_styled(b.screen, STYLE_BOLD, text_or(host, "name", next_hop));
    if (!truth_of(host, "evaluated")) {
        fputs("  not looked at\n", b.screen->out);
        return;
    }
    fputs("  ", b.screen->out);
    screen_text(b.screen, text_or(finding, "kind", "?"));
    fputs(", ", b.screen->out);
    screen_text(b.screen, text_or(finding, "level", "?"));
    fputc('\n', b.screen->out);
    if (text_of(finding, "why") && !strstr(text_or(finding, "rule", ""), text_of(finding, "why")))
        line(&b, "%s", text_of(finding, "why"));
    line(&b, "%s", text_or(finding, "rule", text_or(finding, "cause", "?")));
    if (text_of(finding, "tls_report"))
        line(&b, "TLS-RPT: %s", text_of(finding, "tls_report"));
    print_host_dns(&b, host);
    json_array_foreach(endpoints, i, endpoint)
    {
        print_endpoint(&b, endpoint, i + 1 == json_array_size(endpoints));
    }
}

static void print_route(const struct screen *screen, const json_t *root)
{
    const json_t *route = json_object_get(root, "route"), *hosts = json_object_get(root, "hosts"),
                 *host;
    struct branch b = {.screen = screen, .before = "  "};
    char ttl[40] = "";
    size_t i;

    fputc('\n', screen->out);
    if (number_of(route, "ttl_s") < TTL_MAX_S)
        snprintf(ttl, sizeof ttl, ", TTL %lld s", (long long)number_of(route, "ttl_s"));
    line(&b, "route %s, %s%s%s%s%s", text_or(route, "state", "?"),
         truth_of(route, "secure") ? "signed" : "not signed", ttl,
         text_of(route, "expanded") ? ", alias of " : "", text_or(route, "expanded", ""),
         truth_of(route, "hosts_cut") ? ", more hosts than are looked at" : "");
    if (text_of(route, "why"))
        line(&b, "%s", text_of(route, "why"));
    json_array_foreach(hosts, i, host)
    {
        print_host(&b, host, text_or(root, "next_hop", "?"), i + 1 == json_array_size(hosts));
    }
}

/* --- certificates and dialogues --- */

static const char *days_left(const char *until, char text[64])
{
    struct tm parts = {0};
    time_t end;

    text[0] = 0;
    if (!until || !strptime(until, "%Y-%m-%dT%H:%M:%SZ", &parts))
        return text;
    end = timegm(&parts);
    if (end < time(NULL))
        snprintf(text, 64, " (expired)");
    else
        snprintf(text, 64, " (%lld days left)", (long long)(end - time(NULL)) / 86400);
    return text;
}

static void print_certificates(const struct screen *screen, const json_t *root)
{
    const json_t *certificates = json_object_get(root, "certificates"), *c;
    struct branch b = {.screen = screen, .before = "      "};
    char names[2000], left[64];
    size_t i;

    if (json_array_size(certificates))
        fputs("\n  certificates\n", screen->out);
    json_array_foreach(certificates, i, c)
    {
        fprintf(screen->out, "  [%zu] ", i);
        screen_text(screen, text_or(c, "subject", "?"));
        fputc('\n', screen->out);
        line(&b, "issued by %s%s", text_or(c, "issuer", "?"),
             truth_of(c, "self_issued") ? " (itself)" : "");
        joined(json_object_get(c, "names"), names, sizeof names);
        if (names[0])
            line(&b, "%s %s", truth_of(c, "alternative_names") ? "names" : "common name", names);
        line(&b, "key %s %lld, signed with %s", text_or(c, "key", "?"),
             (long long)number_of(c, "key_bits"), text_or(c, "signature", "?"));
        line(&b, "valid until %s%s", text_or(c, "not_after", "?"),
             days_left(text_of(c, "not_after"), left));
        line(&b, "SPKI SHA-256 %s", text_or(c, "spki_sha256", "?"));
    }
}

static void print_transcript(const struct screen *screen, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        char copy[1024];

        snprintf(copy, sizeof copy, "%.*s", (int)(length < 1000 ? length : 1000), text);
        fputs("    ", screen->out);
        screen_styled(screen, copy[0] == 'C' ? STYLE_FAINT : STYLE_PLAIN, copy);
        fputc('\n', screen->out);
        text += length + (text[length] == '\n');
    }
}

static void print_transcripts(const struct screen *screen, const json_t *root)
{
    const json_t *hosts = json_object_get(root, "hosts"), *host, *endpoint;
    size_t i, k;

    json_array_foreach(hosts, i, host)
    {
        json_array_foreach(json_object_get(host, "endpoints"), k, endpoint)
        {
            const char *text = text_of(endpoint, "transcript");

            if (!text || !text[0])
                continue;
            fputs("\n  dialogue with ", screen->out);
            screen_text(screen, text_or(host, "name", ""));
            fputs(text_of(host, "name") ? " " : "", screen->out);
            screen_text(screen, text_or(endpoint, "address", "?"));
            fputc('\n', screen->out);
            print_transcript(screen, text);
        }
    }
}

/* As `check`: 0 decided, 75 not, 1 below the class required. */
static int exit_code_of(const struct invocation *invocation, const json_t *root)
{
    struct mxw_result result = {.status = MXW_OK};
    static const char *const conclusions[] = {"definite", "inconclusive", "temporary",
                                              "undeliverable"};
    const char *conclusion = text_or(root, "conclusion", "inconclusive");

    result.verdict.conclusion = 1;
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(conclusion, conclusions[i]) == 0)
            result.verdict.conclusion = i;
    int class_number = class_parse(text_or(root, "class", "unknown"));

    result.verdict.tls_class = class_number < 0 ? CLASS_UNKNOWN : (unsigned)class_number;
    return result_exit_code(&result, invocation->required_class);
}

static int show(const struct invocation *invocation, const char *text, size_t length)
{
    struct screen screen;
    json_t *root = document_parse(text, length);
    int code;

    if (!root)
        return INTERNAL;
    screen_init(&screen, invocation, stdout);
    if (invocation->json) {
        fwrite(text, 1, length, stdout);
        fputc('\n', stdout);
    } else {
        print_verdict(&screen, root);
        print_route(&screen, root);
        print_certificates(&screen, root);
        print_transcripts(&screen, root);
        if (truth_of(root, "truncated"))
            fputs("\n  (cut: there was more than fits into one answer)\n", stdout);
    }
    code = exit_code_of(invocation, root);
    json_decref(root);
    return code;
}

int explain_run(const struct invocation *invocation)
{
    struct mxw *handle;
    struct screen errors;
    int code = ask_open(invocation, &handle);

    if (code != DONE)
        return code;
    screen_init(&errors, invocation, stderr);
    for (int i = 0; i < invocation->word_count; i++) {
        struct mxw_question question;
        const char *text;
        size_t length;
        int status;

        ask_fill(invocation, &question, invocation->words[i]);
        status = mxw_explain(handle, &question, &text, &length, invocation->wait_ms + 1500);
        if (i > 0 && !invocation->json)
            fputc('\n', stdout);
        if (status == MXW_OK) {
            code = exit_code_worse(code, show(invocation, text, length));
            continue;
        }
        screen_text(&errors, invocation->words[i]); /* it may come from anywhere */
        fputs(": ", stderr);
        code = exit_code_worse(code, ask_failed(handle, status));
        if (status == MXW_UNREACHABLE)
            break;
    }
    mxw_close(handle);
    return code;
}
