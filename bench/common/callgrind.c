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

double callgrind_count(const char *self, unsigned number)
{
    char report[] = "/tmp/mxward-bench-XXXXXX", word[16];
    const int file = mkstemp(report);

    if (file < 0)
        return 0;
    close(file);
    snprintf(word, sizeof word, "%u", number);
    const char *const words[] = {self, word, NULL};
    const double instructions =
        callgrind_end(callgrind_start(words, "--instr-atstart=no", report, NULL), report);
    unlink(report);
    return instructions;
}
