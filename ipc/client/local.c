/*
 * local.c - see local.h.
 *
 * A daemon that was stopped takes its folder away, and the next one begins a table that the old one
 * knows nothing of. So a table whose file is gone, or whose writer shows no life, is looked for
 * again by its name.
 */
#include "ipc/client/local.h"

#include "ipc/client/decision.h"
#include "shm/layout.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENT_MS 5000 /* a writer shows life once a second */

struct local {
    struct table_reader *verdicts, *users; /* NULL: not there */
    char directory[PATH_MAX], users_directory[PATH_MAX];
};

int local_open(struct local **out, const char *directory)
{
    struct local *local = calloc(1, sizeof *local);

    if (local == NULL)
        return -ENOMEM;
    /* What does not fit is no folder that a table could be in. */
    snprintf(local->directory, sizeof local->directory, "%s", directory);
    if (snprintf(local->users_directory, sizeof local->users_directory, "%s/users", directory) >=
        (int)sizeof local->users_directory)
        local->users_directory[0] = '\0';
    local_refresh(local);
    *out = local;
    return 0;
}

void local_close(struct local *local)
{
    if (local == NULL)
        return;
    if (local->verdicts != NULL)
        table_reader_close(local->verdicts);
    if (local->users != NULL)
        table_reader_close(local->users);
    free(local);
}

static uint64_t heartbeat_of(const struct table_reader *reader)
{
    struct table_facts facts;

    table_reader_facts(reader, &facts);
    return facts.heartbeat_ms;
}

static void table_refresh(struct table_reader **reader, const char *directory,
                          const struct table_clock *clock)
{
    struct table_reader *other;
    char why[256];

    if (*reader != NULL) {
        table_reader_refresh(*reader, clock);
        if (heartbeat_of(*reader) + SILENT_MS > clock->boot_ms && !table_reader_is_gone(*reader))
            return;
    }
    if (table_reader_open(&other, directory, clock, why, sizeof why) != 0)
        return; /* an older table is better than none: its ages are in it */
    if (*reader == NULL || heartbeat_of(other) > heartbeat_of(*reader)) {
        if (*reader != NULL)
            table_reader_close(*reader);
        *reader = other;
    } else {
        table_reader_close(other);
    }
}

void local_refresh(struct local *local)
{
    struct table_clock clock;

    if (table_clock_read(&clock) != 0)
        return;
    table_refresh(&local->verdicts, local->directory, &clock);
    table_refresh(&local->users, local->users_directory, &clock);
}

const struct table_reader *local_users(const struct local *local)
{
    return local->users;
}

const struct table_reader *local_verdicts(const struct local *local)
{
    return local->verdicts;
}

enum frame_error local_decide(const struct local *local, struct local_answer *out,
                              const struct frame_decide *asked, uint64_t arrived_ms,
                              uint64_t now_ms, int64_t now_s, const char **why)
{
    const struct table_reader *verdicts = local->verdicts;
    const uint32_t epoch = verdicts != NULL ? table_reader_epoch(verdicts) : 0;
    enum frame_error error =
        known_begin(&out->decision, asked, local->users, verdicts, arrived_ms, now_ms, now_s, why);

    if (error != FRAME_ERROR_NONE)
        return error;
    known_recipient(&out->decision, verdicts, now_ms);
    known_from_table(&out->known, verdicts, &out->decision, epoch, now_ms);
    decide_answer(&out->answer, &out->decision, known_verdict(&out->known), out->known.stale,
                  now_ms);
    return FRAME_ERROR_NONE;
}

void local_read(struct mxw_decision *decision, const struct local_answer *answer, uint64_t now_ms)
{
    struct frame_answer reply;

    decide_reply(&reply, &answer->decision, &answer->answer, known_verdict(&answer->known), now_ms);
    reply.limited = answer->known.stale || !answer->known.there;
    reply.from_table = true;
    decision_read(decision, &reply);
}

bool local_is_enough(const struct local_answer *answer)
{
    return answer->known.there && !answer->known.stale && answer->answer.would == ACTION_SEND &&
           !answer->answer.alarm && !answer->decision.want_keys;
}
