/*
 * manage.h - what user, memory, rule and report share: actions as a table, orders sent, lists read
 * page by page.
 */
#ifndef MXWARDCTL_MANAGE_H
#define MXWARDCTL_MANAGE_H

#include "tools/mxwardctl/document.h"

#include "ipc/wire/frame.h"

struct manage;

struct manage_action {
    const char *word;
    enum frame_order order;
    int words; /* after the action: exactly so many */
    /* NULL: it is told by the daemon's sentence. Else for each row of the answer. */
    void (*print)(const struct manage *manage, const json_t *row);
    int (*run)(const struct manage *manage); /* NULL: send the order, print the rows */
};

struct manage {
    const struct invocation *invocation;
    const struct manage_action *action;
    struct mxw *handle;
    struct screen screen;
    char **words; /* after the action */
};

/* Finds the action among `actions` (ends with a NULL word), runs it; returns the exit code. */
int manage_run(const struct invocation *invocation, const struct manage_action *actions);
/* Sends it, and prints every row of every page. `name`, `text` may be NULL. */
int manage_order(const struct manage *manage, struct mxw_order *order);
void manage_fill(const struct manage *manage, struct mxw_order *order);
/* Lines of a file (or "-"), each as the text of an order of `kind`: 0 or the gravest exit code. */
int manage_import(const struct manage *manage, enum frame_order kind, const char *path);
/* "2026-11-29 20:27 UTC"; "-" for 0. */
const char *manage_time(json_int_t time_s, char text[32]);
void manage_print_line(const struct manage *manage, const json_t *row); /* its "line": export */

#endif
