/*
 * ask.c - what the commands share in asking the daemon: opening, questions, failures.
 *
 * Used by every command. Sentences about failures come from the client library, which says what to
 * do; here they get the program's name and an exit code.
 */
#include "tools/mxwardctl/command.h"

#include <stdlib.h>

int ask_exit_code(int status)
{
    switch ((enum mxw_status)status) {
    case MXW_OK:
        return DONE;
    case MXW_UNREACHABLE:
        return UNREACHABLE;
    case MXW_NOT_PERMITTED:
        return NOT_PERMITTED;
    case MXW_TIMEOUT:
    case MXW_BUSY:
    case MXW_LATE:
    case MXW_TROUBLE:
    case MXW_MEMORY:
        return UNDECIDED;
    case MXW_INVALID:
        return USAGE;
    case MXW_REFUSED:
        return CONFIGURATION;
    case MXW_ABSENT:
        return NOT_MET;
    case MXW_PROTOCOL:
    case MXW_USAGE:
    case MXW_FULL:
        break;
    }
    return INTERNAL;
}

int ask_failed(const struct mxw *handle, int status)
{
    if (status == MXW_TIMEOUT)
        fprintf(stderr, "mxwardctl: no answer in time; allow more with --timeout\n");
    else
        fprintf(stderr, "mxwardctl: %s\n", mxw_reason(handle));
    return ask_exit_code(status);
}

const char *ask_socket(const struct invocation *invocation)
{
    const char *path = getenv("MXWARD_SOCKET");

    if (invocation->socket)
        return invocation->socket;
    return path && path[0] ? path : NULL;
}

int ask_prepare(const struct invocation *invocation, struct mxw **handle)
{
    struct mxw_options options = MXW_OPTIONS_INIT;
    int status;

    options.socket = ask_socket(invocation);
    options.program = "mxwardctl";
    options.tables = ""; /* what the daemon says */
    status = mxw_open(handle, &options);
    if (status != MXW_OK) {
        fprintf(stderr, "mxwardctl: %s\n",
                status == MXW_USAGE ? "the socket's path is too long" : "no memory");
        return status == MXW_USAGE ? USAGE : ask_exit_code(status);
    }
    return DONE;
}

int ask_open(const struct invocation *invocation, struct mxw **handle)
{
    int code = ask_prepare(invocation, handle);
    int status = code == DONE ? mxw_connect(*handle) : MXW_OK;

    if (status != MXW_OK) {
        code = ask_failed(*handle, status);
        mxw_close(*handle);
        *handle = NULL;
    }
    return code;
}

void ask_fill(const struct invocation *invocation, struct mxw_question *question,
              const char *next_hop)
{
    *question = (struct mxw_question)MXW_QUESTION_INIT;
    question->next_hop = next_hop;
    question->deadline_ms = (uint32_t)invocation->wait_ms;
    if (invocation->live) {
        question->freshness = MXW_LIVE;
    } else if (invocation->max_age_ms >= 0) {
        question->freshness = MXW_MAX_AGE;
        question->max_age_ms = (uint32_t)invocation->max_age_ms;
    }
}
