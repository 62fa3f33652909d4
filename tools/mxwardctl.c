/*
 * mxwardctl.c - asking and steering the daemon: the table of commands, and main().
 *
 * Data goes to standard output, everything else to standard error. Exit codes are those of
 * command.h. The texts here are what `help` prints, what completion offers, and (in more words)
 * what mxwardctl(8) says.
 */
#include "tools/mxwardctl/command.h"

#include <limits.h>
#include <string.h>

const struct command commands[] = {
    {"check", "DOMAIN|ADDRESS...", 1, 100000,
     OPTIONS_ASK | OPTION_REQUIRE | OPTION_FORWARD | OPTION_PROFILE, check_run,
     "how secure mail to these domains is",
     "One line a domain: symbol, domain, class, level, what users are shown, and why.\n"
     "A name may be a domain, user@domain, domain:port, [host] or [address].\n"
     "Exit code: 0 decided (with --require: and met), 1 not met, 64 a name is none,\n"
     "69 no daemon, 75 undecided, ask again later, 77 not permitted.\n"},
    {"explain", "DOMAIN...", 1, 1000, OPTIONS_ASK | OPTION_REQUIRE, explain_run,
     "everything that led to a verdict",
     "The verdict and the rule that decided; the route; every mail host with its TLSA\n"
     "records, addresses and what was seen there; the certificates; the dialogues.\n"
     "Exit codes are those of check.\n"},
    {"scan", "FILE|-", 1, 1,
     OPTIONS_ASK | OPTION_REQUIRE | OPTION_OUTPUT | OPTION_RESUME | OPTION_WINDOW, scan_run,
     "many domains, one a line, results as JSON lines",
     "Names are made canonical and asked once each; lines that are no names become\n"
     "results of kind \"invalid\". Progress goes to standard error. Ctrl-C prints the\n"
     "summary; a scan with --output can be resumed.\n"
     "Exit code: 0 all answered, 1 some below --require, 75 stopped or some without verdict.\n"},
    {"decide", "SENDER RECIPIENT...", 2, 501,
     OPTIONS_ASK | OPTION_PROFILE | OPTION_SASL | OPTION_FACT | OPTION_EXPLAIN | OPTION_INBOUND |
         OPTION_TLS | OPTION_CLIENT | OPTION_KEYS | OPTION_HOP,
     decide_run, "may this mail leave, and under which policy",
     "One line a recipient: send, defer or stop, and why. SENDER is an address, or <>. With\n"
     "--profile that profile demands, whoever sends. With --inbound: may a client hand in mail\n"
     "for the recipient over its connection?\n"
     "Exit code: 0 all may leave, 1 one is stopped, 75 one must wait, 64 a name is none.\n"},
    {"user", "ACTION [ACCOUNT|FILE]", 1, 2,
     OPTIONS_ALL | OPTION_JSON | OPTION_PROFILE | OPTION_UNTIL | OPTION_DOMAIN | OPTION_REASON,
     user_run, "the sending guarantee of an account",
     "Actions: list; show ACCOUNT; on ACCOUNT [--profile NAME]; off ACCOUNT [--until TIME]\n"
     "[--domain DOMAIN]; resume ACCOUNT [--domain DOMAIN] ends exceptions; remove ACCOUNT;\n"
     "export; import FILE|-. An account is an address, a login name, or @domain for all in it.\n"
     "Exit code: 0 done, 1 there is no such account, 64 wrong, 75 not now, 77 not permitted.\n"},
    {"memory", "ACTION [NAME|FILE] [LEVEL]", 1, 3, OPTIONS_ALL | OPTION_JSON | OPTION_REASON,
     memory_run, "what is remembered of domains and mail hosts",
     "Actions: pending (what an administrator must look at); show NAME; list; audit; export;\n"
     "import FILE|- (by maximum, lowers nothing); set NAME LEVEL --reason TEXT (also lower);\n"
     "copy (make a copy now). NAME is a domain, or [host]. LEVEL: none encrypt verified\n"
     "authenticated.\n"},
    {"rule", "ACTION [NAME] [LEVEL]", 1, 3,
     OPTIONS_ALL | OPTION_JSON | OPTION_UNTIL | OPTION_REASON, rule_run,
     "what an administrator rules about a domain",
     "Actions: list; pin NAME LEVEL: nothing below it, whoever sends; exempt NAME --until TIME:\n"
     "what is remembered demands nothing meanwhile (a sender's own demand stands); refuse NAME:\n"
     "no mail at all; observe NAME: only record; remove NAME. All but list need --reason.\n"},
    {"report", "", 0, 0, OPTIONS_ALL | OPTION_JSON | OPTION_DAYS, report_run,
     "what was, or would have been, stopped or held",
     "By domain and cause, the most frequent first. In observe mode: what would have been.\n"},
    {"postfix-check", "", 0, 0,
     OPTIONS_ALL | OPTION_JSON | OPTION_CONFIG_DIRECTORY | OPTION_POSTCONF | OPTION_RESOLV_CONF,
     postfix_check_run, "what weakens the guarantee in Postfix's settings",
     "Reads the settings in effect (postconf), and what they need around them: sockets, the\n"
     "resolver, files, profiles. Says what breaks or weakens the guarantee, why, and the line to\n"
     "change. Changes nothing. Run it as root, so that it sees what Postfix sees.\n"
     "Exit code: 0 nothing breaks or weakens it, 1 something does, 78 Postfix's settings cannot\n"
     "be read.\n"},
    {"feed", "FILE|-", 1, 1,
     OPTIONS_ALL | OPTION_JSON | OPTION_DRY_RUN | OPTION_FOLLOW | OPTION_FROM_START, feed_run,
     "report what Postfix delivered by TLS, from its log",
     "Deliveries are fresh evidence, and teach the memory; they only ever raise. To follow a log:\n"
     "mxwardctl feed -f /var/log/mail.log, or\n"
     "journalctl -n 0 -fu postfix@- -o short-unix | mxwardctl feed -f -\n"
     "While the daemon is away deliveries wait, 10000 at most. With --follow it may be away when\n"
     "it begins; SIGTERM ends it.\n"
     "Exit code: 0 done, 64 no such file, 69 no daemon, 75 some were dropped, 77 not permitted\n"
     "(listen.observe_users).\n"},
    {"status", "", 0, 0, OPTIONS_ALL | OPTION_JSON, status_run, "how the daemon is",
     "Self-tests, threads, table, counters and times.\n"
     "Exit code: 0 self-tests passed, 1 one failed, 75 one is still running.\n"},
    {"reload", "", 0, 0, OPTIONS_ALL | OPTION_JSON, reload_run, "read the configuration anew",
     "A bad file changes nothing: exit code 78, and the sentence says file and line.\n"},
    {"config", "", 0, 0, OPTIONS_ALL | OPTION_DEFAULTS, config_run,
     "the settings in force, and where each comes from",
     "With --defaults: all settings with their explanations, as a file to start from.\n"},
    {"completion", "bash|zsh|fish", 1, 1, OPTION_HELP, completion_run,
     "completion for a shell, to be sourced",
     "For example: mxwardctl completion bash >/etc/bash_completion.d/mxwardctl\n"},
    {"help", "[COMMAND]", 0, 1, OPTION_HELP, help_run, "this, or more about one command", ""},
    {"version", "", 0, 0, OPTIONS_ALL, version_run, "of this program, and of the daemon if it runs",
     ""},
    {NULL, NULL, 0, 0, 0, NULL, NULL, NULL},
};

const struct command *command_find(const char *name)
{
    for (const struct command *command = commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

int main(int count, char **texts)
{
    struct invocation invocation = {.wait_ms = 60000, .max_age_ms = -1, .required_class = -1};
    int code;

    if (count == 2 && strcmp(texts[1], "--version") == 0)
        return version_run(NULL);
    code = options_parse(&invocation, count, texts);
    if (code != DONE)
        return code;
    if (!invocation.command) {
        help_print(invocation.help ? stdout : stderr);
        return invocation.help ? DONE : USAGE;
    }
    if (invocation.help) {
        help_print_command(invocation.command, stdout);
        return DONE;
    }
    code = invocation.command->run(&invocation);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("mxwardctl: cannot write to standard output\n", stderr);
        return INTERNAL;
    }
    return code;
}
