/*
 * farm.c - see farm.h.
 */
#include "bench/common/farm.h"

#include "bench/common/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *farm_prepare(struct farm *farm)
{
    *farm = (struct farm){.directory = "/tmp/mxward-bench.XXXXXX"};
    if (mkdtemp(farm->directory) == NULL) {
        farm->directory[0] = '\0';
        return "no directory in /tmp";
    }
    const char *const words[] = {"/bin/sh", "tests/lab/certificates", farm->directory, NULL};
    return process_run(words) == 0 ? NULL : "tests/lab/certificates failed";
}

static const char *start(const struct farm *farm, unsigned port, const char *option,
                         const char *more, pid_t *process)
{
    char program[512], number[16], word[6] = "";
    const char *build = getenv("BUILD");
    int output;
    snprintf(program, sizeof program, "%s/tests/farm/farm", build == NULL ? "build" : build);
    snprintf(number, sizeof number, "%u", port);
    const char *const words[] = {program,
                                 "--certificates",
                                 farm->directory,
                                 "--port",
                                 number,
                                 "--wildcard",
                                 "--processes",
                                 "1",
                                 option,
                                 more,
                                 NULL};
    *process = process_start(words, &output);
    ssize_t got = read(output, word, 5);
    close(output);
    return got == 5 && strcmp(word, "ready") == 0 ? NULL : "the farm does not start";
}

const char *farm_start(struct farm *farm, unsigned port)
{
    return start(farm, port, NULL, NULL, &farm->process);
}

const char *farm_start_new_leaves(struct farm *farm, unsigned port)
{
    return start(farm, port, "--new-leaves", NULL, &farm->new_leaves);
}

const char *farm_start_slow(struct farm *farm, unsigned port, unsigned answer_after_ms)
{
    char after[32];
    snprintf(after, sizeof after, "--answer-after=%u", answer_after_ms);
    return start(farm, port, "--tickets", after, &farm->process);
}

void farm_close(struct farm *farm)
{
    process_stop(farm->new_leaves);
    process_stop(farm->process);
    const char *const words[] = {"/bin/rm", "-rf", farm->directory, NULL};
    if (farm->directory[0] != '\0')
        process_run(words);
    *farm = (struct farm){0};
}

bool farm_key_digest(const struct farm *farm, const char *certificate, char digest[65])
{
    char path[128], name[64];
    unsigned selector, type;
    bool found = false;
    snprintf(path, sizeof path, "%s/digests", farm->directory);
    FILE *lines = fopen(path, "re");
    if (lines == NULL)
        return false;
    /* Whole certificates stand there too: more than fits, and not 3 1 1. */
    for (char line[32768]; !found && fgets(line, sizeof line, lines) != NULL;)
        found = sscanf(line, "%63s %u %u %64[0-9a-f]", name, &selector, &type, digest) == 4 &&
                strcmp(name, certificate) == 0 && selector == 1 && type == 1;
    fclose(lines);
    return found;
}
