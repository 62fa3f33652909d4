/*
 * command.h - mxwardctl's commands and options as two tables, and what a command is given.
 *
 * Parsing, usage texts and shell completion all read the same rows. A command is a function that
 * takes the parsed invocation and returns an exit code (sysexits, ecosystem of mail programs).
 */
#ifndef MXWARDCTL_COMMAND_H
#define MXWARDCTL_COMMAND_H

#include "ipc/client/mxward.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes. */
enum {
    DONE = 0,           /* all answered, and all meet what was required */
    NOT_MET = 1,        /* some do not meet the class required */
    USAGE = 64,         /* the command line, or a name on it, is wrong */
    UNREACHABLE = 69,   /* no daemon */
    INTERNAL = 70,      /* a fault of ours, or of the machine */
    UNDECIDED = 75,     /* temporary: ask again later */
    NOT_PERMITTED = 77, /* this user may not */
    CONFIGURATION = 78, /* the configuration is bad, or Postfix's cannot be read */
};

/* Options, as bits: a command says which it takes. */
enum option_bit {
    OPTION_SOCKET = 1 << 0,
    OPTION_WAIT = 1 << 1,
    OPTION_JSON = 1 << 2,
    OPTION_COLOR = 1 << 3,
    OPTION_LIVE = 1 << 4,
    OPTION_AGE = 1 << 5,
    OPTION_REQUIRE = 1 << 6,
    OPTION_OUTPUT = 1 << 7,
    OPTION_RESUME = 1 << 8,
    OPTION_WINDOW = 1 << 9,
    OPTION_DEFAULTS = 1 << 10,
    OPTION_HELP = 1 << 11,
    OPTION_PROFILE = 1 << 12,
    OPTION_SASL = 1 << 13,
    OPTION_FACT = 1 << 14,
    OPTION_UNTIL = 1 << 15,
    OPTION_DOMAIN = 1 << 16,
    OPTION_REASON = 1 << 17,
    OPTION_DAYS = 1 << 18,
    OPTION_FORWARD = 1 << 19,
    OPTION_EXPLAIN = 1 << 20,
    OPTION_INBOUND = 1 << 21,
    OPTION_TLS = 1 << 22,
    OPTION_CLIENT = 1 << 23,
    OPTION_KEYS = 1 << 24,
    OPTION_HOP = 1 << 25,
    OPTION_CONFIG_DIRECTORY = 1 << 26,
    OPTION_POSTCONF = 1 << 27,
    OPTION_RESOLV_CONF = 1 << 28,
    OPTION_DRY_RUN = 1 << 29,
    OPTION_FOLLOW = 1 << 30,
    OPTION_FROM_START = 1u << 31, /* the last of 32 */
};
#define OPTIONS_ALL (OPTION_SOCKET | OPTION_WAIT | OPTION_COLOR | OPTION_HELP)
#define OPTIONS_ASK (OPTIONS_ALL | OPTION_JSON | OPTION_LIVE | OPTION_AGE)

enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER };

struct command;

struct invocation {
    const struct command *command;
    const char *socket;
    int wait_ms; /* for one answer */
    bool json, live, resume, defaults, help, forward, explain, inbound, keys, dry_run;
    bool follow, from_start;
    enum when color;
    int64_t max_age_ms; /* -1: any */
    int required_class; /* enum tls_class; -1: none */
    const char *output; /* NULL: standard output */
    unsigned window;    /* questions outstanding in a scan; 0: what the daemon takes */
    const char *profile, *sasl, *domain, *reason; /* NULL: not given */
    uint32_t facts;                               /* enum mxw_fact, added */
    int64_t until_s;                              /* wall clock; 0: not given */
    unsigned days;
    unsigned client_tls; /* 0x0303: TLS 1.2; 0: none */
    const char *client, *next_hop;
    const char *config_directory, *postconf, *resolv_conf; /* Postfix's; NULL: the standard ones */
    char **words;                                          /* what is left of the command line */
    int word_count;
};

struct command {
    const char *name;
    const char *words; /* "DOMAIN…", for the usage line */
    int words_least, words_most;
    uint32_t options;
    int (*run)(const struct invocation *);
    const char *summary; /* half a line */
    const char *help;    /* some lines more */
};

struct option_line {
    enum option_bit bit;
    char letter;          /* 0: none */
    const char *name;     /* long */
    const char *argument; /* NULL: takes none */
    const char *help;
    const char *choices; /* words for completion, separated by blanks; NULL: none */
};

extern const struct command commands[]; /* ends with name NULL */
extern const struct option_line option_lines[];
extern const size_t option_line_count;

const struct command *command_find(const char *name); /* NULL */

/* options.c: returns DONE, or USAGE after having said why. */
int options_parse(struct invocation *invocation, int count, char **texts);
bool duration_parse(const char *text, int64_t *ms); /* 500ms 10s 5m 2h 30d, or seconds */
int class_parse(const char *text);                  /* -1 */
int level_parse(const char *text);                  /* -1 */
/* "1h" or "30d" from now, 2026-12-31, or 2026-12-31T18:00 (UTC). */
bool until_parse(const char *text, int64_t now_s, int64_t *until_s);

/* help.c */
void help_print(FILE *out);
void help_print_command(const struct command *command, FILE *out);
int help_run(const struct invocation *invocation);
int completion_run(const struct invocation *invocation);
int version_run(const struct invocation *invocation);

/* The commands. */
int check_run(const struct invocation *invocation);
int explain_run(const struct invocation *invocation);
int scan_run(const struct invocation *invocation);
int status_run(const struct invocation *invocation);
int reload_run(const struct invocation *invocation);
int config_run(const struct invocation *invocation);
int decide_run(const struct invocation *invocation);
int user_run(const struct invocation *invocation);
int memory_run(const struct invocation *invocation);
int rule_run(const struct invocation *invocation);
int feed_run(const struct invocation *invocation);
int report_run(const struct invocation *invocation);
int postfix_check_run(const struct invocation *invocation);

/* ask.c: what the commands share in asking. */
const char *ask_socket(const struct invocation *invocation); /* NULL: the standard one */
/* Both: exit code, said. The second connects, too. */
int ask_prepare(const struct invocation *invocation, struct mxw **handle);
int ask_open(const struct invocation *invocation, struct mxw **handle);
void ask_fill(const struct invocation *invocation, struct mxw_question *question,
              const char *next_hop);
int ask_exit_code(int status); /* of a mxw_status */
/* Says on standard error what happened, and returns the exit code. */
int ask_failed(const struct mxw *handle, int status);

#endif
