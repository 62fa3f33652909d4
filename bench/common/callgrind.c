/*
 * callgrind.c - see callgrind.h.
 */
#include "bench/common/callgrind.h"

#include "bench/common/process.h"
#include "engine/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MOST 8

pid_t callgrind_start(const char *const *words, const char *option, const char *report, int *output)
{
    const char *all[5 + WORDS_MOST + 1] = {"valgrind", "--tool=callgrind",
                                           "--callgrind-out-file=/dev/null"};
    char log[512];
    unsigned count = 3;
    snprintf(log, sizeof log, "--log-file=%s", report);
    all[count++] = log;
    if (option != NULL)
        all[count++] = option;
    for (unsigned i = 0; words[i] != NULL; i++) {
        CHECK(i < WORDS_MOST);
        all[count++] = words[i];
    }
    return process_start(all, output);
}

double callgrind_end(pid_t child, const char *report)
{
    double counted = 0;
    char line[512];
    if (process_wait(child) != 0)
        return 0;
    FILE *lines = fopen(report, "re");
    while (lines != NULL && fgets(line, sizeof line, lines) != NULL) {
        const char *at = strstr(line, "Collected : ");
        if (at != NULL)
            counted = strtod(at + strlen("Collected : "), NULL);
    }
    if (lines != NULL)
        fclose(lines);
    unlink(report);
    return counted;
}
