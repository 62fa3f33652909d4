/*
 * options.c - the table of options, and parsing by it (getopt_long, one run for each command).
 *
 * Called by main. An option may stand before the command or after it; each command takes those of
 * its own row in the table of commands and refuses the others by name. Errors go to standard error
 * with what to do.
 */
#include "tools/mxwardctl/command.h"

#include "shm/level.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPTIONS_MAX 32

const struct option_line option_lines[] = {
    {OPTION_SOCKET, 's', "socket", "PATH",
     "the daemon's socket (else $MXWARD_SOCKET, else " MXW_STANDARD_SOCKET ")", NULL},
    {OPTION_WAIT, 't', "timeout", "TIME", "how long to wait for one answer (standard: 60s)", NULL},
    {OPTION_JSON, 'j', "json", NULL, "one JSON object a line, for programs", NULL},
    {OPTION_COLOR, 0, "color", "WHEN", "auto, always or never (standard: auto; see NO_COLOR)",
     "auto always never"},
    {OPTION_LIVE, 'l', "live", NULL, "look anew now, whatever is known", NULL},
    {OPTION_AGE, 'a', "max-age", "TIME", "look anew if what is known is older (60s, 10m, 2h)",
     NULL},
    {OPTION_REQUIRE, 'r', "require", "CLASS",
     "exit 1 unless every domain has at least this class: encrypted, verified, sts, dane",
     "encrypted verified sts dane"},
    {OPTION_OUTPUT, 'o', "output", "FILE", "write results there instead of to standard output",
     NULL},
    {OPTION_RESUME, 0, "resume", NULL,
     "go on with the FILE of --output: ask what has no final result in it", NULL},
    {OPTION_WINDOW, 'w', "window", "NUMBER",
     "questions outstanding at once (standard: what the daemon takes, at most 512)", NULL},
    {OPTION_DEFAULTS, 0, "defaults", NULL,
     "every setting with its explanation and standard value, as a file to start from", NULL},
    {OPTION_PROFILE, 'p', "profile", "NAME", "the profile (see mxwardctl config)", NULL},
    {OPTION_SASL, 0, "sasl", "NAME", "the account that submitted the message", NULL},
    {OPTION_HOP, 0, "next-hop", "NEXTHOP",
     "where it will be sent, if not to the recipient's domain", NULL},
    {OPTION_FACT, 'f', "fact", "WORDS",
     "what the mail server knows of the message, joined by commas: authenticated, local, forward, "
     "tls-report, null-sender, requiretls, auto-submitted, tls-required-no",
     NULL},
    {OPTION_UNTIL, 'u', "until", "TIME",
     "when it ends: 1h, 30d, 2026-12-31, 2026-12-31T18:00 (UTC)", NULL},
    {OPTION_DOMAIN, 'd', "domain", "DOMAIN", "only for mail to this domain", NULL},
    {OPTION_REASON, 0, "reason", "TEXT", "why; it goes into the audit", NULL},
    {OPTION_DAYS, 0, "days", "NUMBER", "so many days back (standard: 7)", NULL},
    {OPTION_FORWARD, 0, "forward", NULL,
     "would mail that a standing forward hands on arrive there under --profile?", NULL},
    {OPTION_EXPLAIN, 'x', "explain", NULL, "the whole derivation", NULL},
    {OPTION_KEYS, 0, "keys", NULL,
     "look whether the recipient publishes an OpenPGP key or S/MIME certificate", NULL},
    {OPTION_INBOUND, 0, "inbound", NULL,
     "mail that comes in: may a client hand it in for this recipient (secure aliases)?", NULL},
    {OPTION_TLS, 0, "tls", "VERSION", "inbound: of the client's connection: none, 1.0 … 1.3",
     "none 1.0 1.1 1.2 1.3"},
    {OPTION_CLIENT, 0, "client", "ADDRESS", "inbound: the client's address", NULL},
    {OPTION_CONFIG_DIRECTORY, 0, "config-directory", "PATH",
     "the folder of Postfix's main.cf (else the one that postconf knows)", NULL},
    {OPTION_POSTCONF, 0, "postconf", "PATH", "the program postconf (else that in $PATH)", NULL},
    {OPTION_RESOLV_CONF, 0, "resolv-conf", "FILE",
     "the resolver's settings that Postfix reads (standard: /etc/resolv.conf)", NULL},
    {OPTION_DRY_RUN, 'n', "dry-run", NULL, "only show what would be reported", NULL},
    {OPTION_FOLLOW, 'f', "follow", NULL, "go on at the end of FILE, also when it is rotated", NULL},
    {OPTION_FROM_START, 0, "from-start", NULL, "with --follow: all of FILE, not only what comes",
     NULL},
    {OPTION_HELP, 'h', "help", NULL, "what this command does", NULL},
};
const size_t option_line_count = sizeof option_lines / sizeof option_lines[0];

bool duration_parse(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno || end == text || text[0] < '0' || text[0] > '9' || number > 1000000000)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *ms = (int64_t)number * units[i].ms;
            return true;
        }
    }
    return false;
}

int class_parse(const char *text)
{
    for (int i = 0; i < CLASS_COUNT; i++)
        if (strcmp(text, class_name((enum tls_class)i)) == 0)
            return i;
    return -1;
}

int level_parse(const char *text)
{
    for (int i = 0; i <= LEVEL_AUTHENTICATED; i++)
        if (strcmp(text, level_name((enum level)i)) == 0)
            return i;
    return -1;
}

bool until_parse(const char *text, int64_t now_s, int64_t *until_s)
{
    struct tm time = {0};
    int64_t ms;
    const char *end;

    if (duration_parse(text, &ms)) {
        *until_s = now_s + ms / 1000;
        return true;
    }
    end = strptime(text, "%Y-%m-%dT%H:%M", &time);
    if (!end) {
        time = (struct tm){0};
        end = strptime(text, "%Y-%m-%d", &time);
    }
    if (!end || *end)
        return false;
    *until_s = timegm(&time);
    return true;
}

static int wrong(const char *option, const char *value, const char *wanted)
{
    fprintf(stderr, "mxwardctl: --%s: '%s' is not %s\n", option, value, wanted);
    return USAGE;
}

static int take_time(const char *option, const char *value, int64_t least, int64_t most,
                     int64_t *ms)
{
    if (!duration_parse(value, ms) || *ms < least || *ms > most)
        return wrong(option, value, "a time like 500ms, 10s, 5m or 2h");
    return DONE;
}

static int take_color(struct invocation *invocation, const char *value)
{
    static const char *const words[] = {"auto", "always", "never"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(value, words[i]) == 0) {
            invocation->color = (enum when)i;
            return DONE;
        }
    }
    return wrong("color", value, "auto, always or never");
}

static int take_window(struct invocation *invocation, const char *value)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(value, &end, 10);
    if (errno || *end || end == value || number < 1 || number > 4096)
        return wrong("window", value, "a number from 1 to 4096");
    invocation->window = (unsigned)number;
    return DONE;
}

static int take_class(struct invocation *invocation, const char *value)
{
    invocation->required_class = class_parse(value);
    if (invocation->required_class < CLASS_ENCRYPTED)
        return wrong("require", value, "one of encrypted, verified, sts, dane");
    return DONE;
}

static const struct {
    const char *word;
    uint32_t fact;
} fact_words[] = {
    {"authenticated", MXW_AUTHENTICATED},
    {"local", MXW_LOCAL_ORIGIN},
    {"forward", MXW_FORWARD},
    {"tls-report", MXW_TLS_REPORT},
    {"null-sender", MXW_NULL_SENDER},
    {"requiretls", MXW_REQUIRETLS},
    {"auto-submitted", MXW_AUTO_SUBMITTED},
    {"tls-required-no", MXW_TLS_REQUIRED_NO},
};

static int take_facts(struct invocation *invocation, const char *value)
{
    const size_t count = sizeof fact_words / sizeof fact_words[0];

    while (*value) {
        size_t length = strcspn(value, ","), i = 0;

        while (i < count && (strlen(fact_words[i].word) != length ||
                             strncmp(fact_words[i].word, value, length) != 0))
            i++;
        if (i == count)
            return wrong("fact", value, "a fact (see --help)");
        invocation->facts |= fact_words[i].fact;
        value += length + (value[length] == ',');
    }
    return DONE;
}

static int take_tls(struct invocation *invocation, const char *value)
{
    static const struct {
        const char *word;
        unsigned version;
    } words[] = {{"none", 0}, {"1.0", 0x0301}, {"1.1", 0x0302}, {"1.2", 0x0303}, {"1.3", 0x0304}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(value, words[i].word) != 0)
            continue;
        invocation->client_tls = words[i].version;
        return DONE;
    }
    return wrong("tls", value, "none, 1.0, 1.1, 1.2 or 1.3");
}

static int take_days(struct invocation *invocation, const char *value)
{
    char *end;
    unsigned long number = strtoul(value, &end, 10);

    if (*end || end == value || number < 1 || number > 3650)
        return wrong("days", value, "a number from 1 to 3650");
    invocation->days = (unsigned)number;
    return DONE;
}

/* Options that only say yes, or name something. False: it is another kind. */
static bool take_plain(struct invocation *invocation, enum option_bit bit, const char *value)
{
    const struct {
        enum option_bit bit;
        bool *flag;
        const char **text;
    } plain[] = {
        {OPTION_JSON, &invocation->json, NULL},
        {OPTION_LIVE, &invocation->live, NULL},
        {OPTION_RESUME, &invocation->resume, NULL},
        {OPTION_DEFAULTS, &invocation->defaults, NULL},
        {OPTION_HELP, &invocation->help, NULL},
        {OPTION_FORWARD, &invocation->forward, NULL},
        {OPTION_EXPLAIN, &invocation->explain, NULL},
        {OPTION_INBOUND, &invocation->inbound, NULL},
        {OPTION_KEYS, &invocation->keys, NULL},
        {OPTION_DRY_RUN, &invocation->dry_run, NULL},
        {OPTION_FOLLOW, &invocation->follow, NULL},
        {OPTION_FROM_START, &invocation->from_start, NULL},
        {OPTION_SOCKET, NULL, &invocation->socket},
        {OPTION_OUTPUT, NULL, &invocation->output},
        {OPTION_PROFILE, NULL, &invocation->profile},
        {OPTION_SASL, NULL, &invocation->sasl},
        {OPTION_DOMAIN, NULL, &invocation->domain},
        {OPTION_REASON, NULL, &invocation->reason},
        {OPTION_CLIENT, NULL, &invocation->client},
        {OPTION_HOP, NULL, &invocation->next_hop},
        {OPTION_CONFIG_DIRECTORY, NULL, &invocation->config_directory},
        {OPTION_POSTCONF, NULL, &invocation->postconf},
        {OPTION_RESOLV_CONF, NULL, &invocation->resolv_conf},
    };

    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (plain[i].bit != bit)
            continue;
        if (plain[i].flag)
            *plain[i].flag = true;
        else if (plain[i].text)
            *plain[i].text = value;
        return true;
    }
    return false;
}

static int take_until(struct invocation *invocation, const char *value)
{
    if (until_parse(value, time(NULL), &invocation->until_s))
        return DONE;
    return wrong("until", value, "a time like 1h, 30d, 2026-12-31 or 2026-12-31T18:00");
}

static int take_timeout(struct invocation *invocation, const char *value)
{
    int64_t ms = 0;
    int result = take_time("timeout", value, 1, 3600000, &ms);

    invocation->wait_ms = (int)ms;
    return result;
}

static int take_max_age(struct invocation *invocation, const char *value)
{
    return take_time("max-age", value, 0, UINT32_MAX, &invocation->max_age_ms);
}

static int take_option(struct invocation *invocation, enum option_bit bit, const char *value)
{
    static const struct {
        enum option_bit bit;
        int (*take)(struct invocation *invocation, const char *value);
    } rows[] = {
        {OPTION_WAIT, take_timeout},  {OPTION_COLOR, take_color},   {OPTION_AGE, take_max_age},
        {OPTION_REQUIRE, take_class}, {OPTION_WINDOW, take_window}, {OPTION_FACT, take_facts},
        {OPTION_UNTIL, take_until},   {OPTION_DAYS, take_days},     {OPTION_TLS, take_tls},
    };

    if (take_plain(invocation, bit, value))
        return DONE;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].bit == bit)
            return rows[i].take(invocation, value);
    return USAGE;
}

/* getopt's two forms of the options in `bits`; `letters` begins with "+": stop at the first word,
 * or nothing: options and words may be mixed. */
static void options_for(uint32_t bits, const char *begin, char letters[2 * OPTIONS_MAX + 4],
                        struct option longs[OPTIONS_MAX + 1])
{
    size_t used = strlen(begin), count = 0;

    memcpy(letters, begin, used);
    letters[used++] = ':'; /* we say ourselves what is wrong */
    for (size_t i = 0; i < option_line_count && i < OPTIONS_MAX; i++) {
        const struct option_line *line = &option_lines[i];

        if (!(bits & line->bit))
            continue;
        if (line->letter) {
            letters[used++] = line->letter;
            if (line->argument)
                letters[used++] = ':';
        }
        longs[count++] = (struct option){
            line->name, line->argument ? required_argument : no_argument, NULL, 1000 + (int)i};
    }
    letters[used] = 0;
    longs[count] = (struct option){0};
}

/* A letter may be of several options, of different commands; before the command it is the first's.
 */
static const struct option_line *line_of(int got, uint32_t bits)
{
    if (got >= 1000)
        return &option_lines[got - 1000];
    for (size_t i = 0; i < option_line_count; i++)
        if (option_lines[i].letter == got && (bits & option_lines[i].bit))
            return &option_lines[i];
    return NULL;
}

/* One run of getopt over texts[0 … count-1], whose first is the program or command. */
static int run(struct invocation *invocation, uint32_t bits, const char *begin, int count,
               char **texts)
{
    char letters[2 * OPTIONS_MAX + 4];
    struct option longs[OPTIONS_MAX + 1];
    int got;

    options_for(bits, begin, letters, longs);
    optind = 0; /* GNU: begin anew */
    opterr = 0;
    while ((got = getopt_long(count, texts, letters, longs, NULL)) != -1) {
        const struct option_line *line = line_of(got, bits);
        int result;

        if (got == ':' || got == '?' || !line) {
            fprintf(stderr, "mxwardctl%s%s: %s %s; see: mxwardctl help%s%s\n",
                    invocation->command ? " " : "",
                    invocation->command ? invocation->command->name : "", texts[optind - 1],
                    got == ':' ? "wants a value" : "is not an option here",
                    invocation->command ? " " : "",
                    invocation->command ? invocation->command->name : "");
            return USAGE;
        }
        result = take_option(invocation, line->bit, optarg);
        if (result != DONE)
            return result;
    }
    return DONE;
}

/* An option given before the command must be one of the command's, too. */
int options_parse(struct invocation *invocation, int count, char **texts)
{
    const struct command *command;
    int result = run(invocation, UINT32_MAX, "+", count, texts);

    if (result != DONE)
        return result;
    if (optind >= count)
        return DONE;
    command = command_find(texts[optind]);
    if (!command) {
        fprintf(stderr, "mxwardctl: there is no command '%s'; see: mxwardctl help\n",
                texts[optind]);
        return USAGE;
    }
    invocation->command = command;
    count -= optind;
    texts += optind;
    result = run(invocation, command->options, "", count, texts);
    if (result != DONE)
        return result;
    invocation->words = texts + optind;
    invocation->word_count = count - optind;
    if (invocation->help || (invocation->word_count >= command->words_least &&
                             invocation->word_count <= command->words_most))
        return DONE;
    fprintf(stderr, "usage: mxwardctl %s [options]%s%s; see: mxwardctl help %s\n", command->name,
            command->words[0] ? " " : "", command->words, command->name);
    return USAGE;
}
