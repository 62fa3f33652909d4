/*
 * help.c - usage texts and shell completion, both from the tables of commands and options.
 *
 * Called by main and as commands. Nothing here knows a command by name.
 */
#include "tools/mxwardctl/command.h"

#include "ipc/wire/version.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN 26

void help_print(FILE *out)
{
    fputs("usage: mxwardctl COMMAND [options] [words]\n\n", out);
    for (const struct command *command = commands; command->name; command++)
        fprintf(out, "  %-13s %-18s %s\n", command->name, command->words, command->summary);
    fputs("\nMore about one: mxwardctl help COMMAND. Everything: man mxwardctl.\n", out);
}

void help_print_command(const struct command *command, FILE *out)
{
    fprintf(out, "usage: mxwardctl %s [options]%s%s\n\n%s\n", command->name,
            command->words[0] ? " " : "", command->words, command->help);
    for (size_t i = 0; i < option_line_count; i++) {
        const struct option_line *line = &option_lines[i];
        char left[64];

        if (!(command->options & line->bit))
            continue;
        snprintf(left, sizeof left, "%c%c%c --%s%s%s", line->letter ? '-' : ' ',
                 line->letter ? line->letter : ' ', line->letter ? ',' : ' ', line->name,
                 line->argument ? " " : "", line->argument ? line->argument : "");
        fprintf(out, "  %-*s %s\n", COLUMN, left, line->help);
    }
}

int help_run(const struct invocation *invocation)
{
    const struct command *command;

    if (invocation->word_count == 0) {
        help_print(stdout);
        return DONE;
    }
    command = command_find(invocation->words[0]);
    if (!command) {
        fprintf(stderr, "mxwardctl: there is no command '%s'; see: mxwardctl help\n",
                invocation->words[0]);
        return USAGE;
    }
    help_print_command(command, stdout);
    return DONE;
}

int version_run(const struct invocation *invocation)
{
    struct mxw_options options = MXW_OPTIONS_INIT;
    struct mxw *handle;

    printf("mxwardctl %s\n", MXWARD_VERSION);
    if (!invocation)
        return DONE;
    options.socket = ask_socket(invocation);
    options.program = "mxwardctl";
    options.tables = ""; /* what the daemon says */
    options.connect_ms = 1000;
    if (mxw_open(&handle, &options) != MXW_OK)
        return DONE;
    if (mxw_connect(handle) == MXW_OK)
        printf("mxward %s (process %u)\n", mxw_about(handle)->version, mxw_about(handle)->process);
    mxw_close(handle);
    return DONE;
}

/* --- completion --- */

/* All options of a command, for bash and zsh's compatible mode. */
static void print_options(const struct command *command)
{
    for (size_t i = 0; i < option_line_count; i++)
        if (command->options & option_lines[i].bit)
            printf(" --%s", option_lines[i].name);
}

static void print_bash(void)
{
    fputs("_mxwardctl()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    case $prev in\n",
          stdout);
    for (size_t i = 0; i < option_line_count; i++) {
        const struct option_line *line = &option_lines[i];

        if (line->choices)
            printf("    --%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", line->name,
                   line->choices);
        else if (line->argument &&
                 (strcmp(line->argument, "FILE") == 0 || strcmp(line->argument, "PATH") == 0))
            printf("    --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", line->name);
    }
    fputs("    esac\n    case ${COMP_WORDS[1]} in\n", stdout);
    for (const struct command *command = commands; command->name; command++) {
        printf("    %s) [[ $cur == -* ]] && COMPREPLY=($(compgen -W '", command->name);
        print_options(command);
        fputs("' -- \"$cur\"))", stdout);
        if (strstr(command->words, "FILE"))
            fputs(" || COMPREPLY=($(compgen -f -- \"$cur\"))", stdout);
        fputs(" ;;\n", stdout);
    }
    fputs("    esac\n    if [[ $COMP_CWORD == 1 ]]; then\n        COMPREPLY=($(compgen -W '",
          stdout);
    for (const struct command *command = commands; command->name; command++)
        printf("%s ", command->name);
    fputs("' -- \"$cur\"))\n    fi\n}\ncomplete -F _mxwardctl mxwardctl\n", stdout);
}

static void print_fish(void)
{
    fputs("complete -c mxwardctl -f\n", stdout);
    for (const struct command *command = commands; command->name; command++)
        printf("complete -c mxwardctl -n __fish_use_subcommand -a %s -d \"%s\"\n", command->name,
               command->summary);
    for (const struct command *command = commands; command->name; command++) {
        for (size_t i = 0; i < option_line_count; i++) {
            const struct option_line *line = &option_lines[i];

            if (!(command->options & line->bit))
                continue;
            printf("complete -c mxwardctl -n '__fish_seen_subcommand_from %s' -l %s", command->name,
                   line->name);
            if (line->letter)
                printf(" -s %c", line->letter);
            if (line->argument)
                fputs(line->choices ? " -x" : " -r -F", stdout);
            if (line->choices)
                printf(" -a '%s'", line->choices);
            putchar('\n');
        }
        if (strstr(command->words, "FILE"))
            printf("complete -c mxwardctl -n '__fish_seen_subcommand_from %s' -F\n", command->name);
    }
}

int completion_run(const struct invocation *invocation)
{
    const char *shell = invocation->words[0];

    if (strcmp(shell, "fish") == 0) {
        print_fish();
    } else if (strcmp(shell, "zsh") == 0) {
        fputs("autoload -U +X bashcompinit && bashcompinit\n", stdout);
        print_bash();
    } else if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else {
        fprintf(stderr, "mxwardctl: completion is there for bash, zsh and fish, not for '%s'\n",
                shell);
        return USAGE;
    }
    return DONE;
}
