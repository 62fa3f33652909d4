/*
 * check.c - `mxwardctl check`: some domains, asked at once, told in the order given.
 *
 * Called by main. Every domain gets one line as soon as all before it have theirs. The exit code is
 * the gravest of all answers.
 */
#include "tools/mxwardctl/result.h"

#include <stdlib.h>
#include <string.h>

struct check {
    const struct invocation *invocation;
    struct screen screen;
    int name_columns, exit_code;
    struct mxw_result *results;
    bool *answered;
    size_t count, told;
};

static void tell(struct check *check, size_t place)
{
    const struct mxw_result *result = &check->results[place];
    const char *name = check->invocation->words[place];
    char line[RESULT_LINE_MAX];

    if (check->invocation->json)
        fwrite(line, 1, result_json(line, name, NULL, result), stdout);
    else
        result_print(&check->screen, name, check->name_columns, result);
    check->exit_code = exit_code_worse(check->exit_code,
                                       result_exit_code(result, check->invocation->required_class));
}

static int answer(void *context, size_t place, const struct mxw_result *result)
{
    struct check *check = context;

    check->results[place] = *result;
    check->answered[place] = true;
    while (check->told < check->count && check->answered[check->told])
        tell(check, check->told++);
    fflush(stdout);
    return 0;
}

static int ask(struct check *check, struct mxw *handle)
{
    const struct invocation *invocation = check->invocation;
    struct mxw_question *questions = calloc(check->count, sizeof *questions);
    int status;

    if (!questions)
        return INTERNAL;
    for (size_t i = 0; i < check->count; i++) {
        int columns = (int)strlen(invocation->words[i]);

        ask_fill(invocation, &questions[i], invocation->words[i]);
        if (columns > check->name_columns && columns <= 60)
            check->name_columns = columns;
    }
    /* The daemon keeps the deadline; a second more is for the way. */
    status = mxw_check_many(handle, questions, check->count, 0, invocation->wait_ms + 1500, answer,
                            check);
    free(questions);
    for (; check->told < check->count;
         check->told++) /* what is known is told, whatever came after */
        if (check->answered[check->told])
            tell(check, check->told);
    if (status != MXW_OK)
        return exit_code_worse(check->exit_code, ask_failed(handle, status));
    return check->exit_code;
}

int check_run(const struct invocation *invocation)
{
    struct check check = {.invocation = invocation,
                          .name_columns = 12,
                          .exit_code = DONE,
                          .count = (size_t)invocation->word_count};
    struct mxw *handle;
    int code;

    if (invocation->forward)
        return decide_run(invocation);
    code = ask_open(invocation, &handle);
    if (code != DONE)
        return code;
    screen_init(&check.screen, invocation, stdout);
    check.results = calloc(check.count, sizeof *check.results);
    check.answered = calloc(check.count, sizeof *check.answered);
    code = check.results && check.answered ? ask(&check, handle) : INTERNAL;
    if (code == INTERNAL && !check.results)
        fputs("mxwardctl: no memory\n", stderr);
    free(check.results);
    free(check.answered);
    mxw_close(handle);
    return code;
}
