/*
 * orders.c - `mxwardctl reload` and `mxwardctl config`: what the daemon's main thread does for an
 * administrator. Called by main.
 */
#include "tools/mxwardctl/command.h"

#include "ipc/wire/json.h"

#include <string.h>

static void say_json(const char *status, const char *sentence)
{
    char line[2048];
    struct json json;

    json_start(&json, line, sizeof line);
    json_put_text(&json, "status", status);
    json_put_text(&json, "sentence", sentence);
    json_finish(&json);
    puts(line);
}

int reload_run(const struct invocation *invocation)
{
    struct mxw *handle;
    int code = ask_open(invocation, &handle), status;

    if (code != DONE)
        return code;
    status = mxw_reload(handle, invocation->wait_ms);
    if (invocation->json)
        say_json(mxw_status_name(status), mxw_reason(handle));
    else if (status == MXW_OK)
        printf("reloaded: %s\n", mxw_reason(handle));
    else if (status == MXW_REFUSED)
        fprintf(stderr, "mxwardctl: refused, the old settings stay in force: %s\n",
                mxw_reason(handle));
    code = ask_exit_code(status);
    if (status != MXW_OK && status != MXW_REFUSED)
        code = ask_failed(handle, status);
    mxw_close(handle);
    return code;
}

int config_run(const struct invocation *invocation)
{
    const char *text;
    size_t length;
    struct mxw *handle;
    int code = ask_open(invocation, &handle), status;

    if (code != DONE)
        return code;
    status = mxw_config(handle, invocation->defaults, &text, &length, invocation->wait_ms);
    if (status == MXW_OK)
        fwrite(text, 1, length, stdout);
    else
        code = ask_failed(handle, status);
    mxw_close(handle);
    return code;
}
