/*
 * known.c - see known.h.
 */
#include "ipc/decide/known.h"

#include "shm/freshness.h"

#include <string.h>

/* A miss in a table that does not hold all floors, or one that cannot be read now: what the ledger
 * holds of it nobody can tell (MEM-08). The rule for that stands in shm/answer. */
static void known_unknown(struct known *known)
{
    known->there = true;
    known->stale = true;
    known->verdict = (struct verdict){
        .class = CLASS_UNKNOWN,
        .conclusion = CONCLUSION_INCONCLUSIVE,
        .floor = {.flags = FLOOR_UNKNOWN},
    };
}

enum frame_error known_begin(struct decision *decision, const struct frame_decide *asked,
                             const struct table_reader *users, const struct table_reader *verdicts,
                             uint64_t arrived_ms, uint64_t now_ms, int64_t now_s, const char **why)
{
    struct account_ahead sender;
    struct table_key recipient;
    char text[NEXT_HOP_TEXT_MAX];
    const enum frame_error error = decide_asked(decision, asked, now_s, why);

    if (error != FRAME_ERROR_NONE)
        return error;
    const bool ahead = verdicts != NULL &&
                       table_key_make(&recipient, text, next_hop_text(&decision->next_hop, text));
    if (ahead)
        table_prefetch(verdicts, &recipient);
    account_prefetch(&sender, users, asked->profile[0] == '\0' ? asked->sender : "");
    if (ahead)
        table_prefetch_record(verdicts, &recipient);
    account_prefetch_record(&sender, users);
    return decide_demand(decision, asked, users, arrived_ms, now_ms, why);
}

void known_from_table(struct known *known, const struct table_reader *table,
                      const struct decision *decision, uint32_t epoch, uint64_t now_ms)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct table_key key;

    memset(known, 0, sizeof *known);
    if (!table || !table_key_make(&key, text, next_hop_text(&decision->next_hop, text))) {
        known_unknown(known);
        return;
    }
    switch (table_read(table, &key, now_ms, &known->verdict)) {
    case TABLE_HIT:
        known->there = true;
        known->stale = !verdict_serves_now(&known->verdict, epoch, decision->not_before_ms, now_ms);
        return;
    case TABLE_ABSENT:
        return;
    case TABLE_MISS:
    case TABLE_UNKNOWN:
        known_unknown(known);
        return;
    }
}

void known_recipient(struct decision *decision, const struct table_reader *table, uint64_t now_ms)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct table_key key;
    struct next_hop own;

    decision->has_recipient_floor =
        decide_goes_elsewhere(decision, &own) && table != NULL &&
        table_key_make(&key, text, next_hop_text(&own, text)) &&
        table_read_floor(table, &key, now_ms, &decision->recipient_floor);
}

bool known_memory_is_unknown(const struct known *known)
{
    return known->there && (known->verdict.floor.flags & FLOOR_UNKNOWN) != 0;
}

const struct verdict *known_verdict(const struct known *known)
{
    return known->there ? &known->verdict : NULL;
}
