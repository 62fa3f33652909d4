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

static void ahead_begin(struct known_ahead *ahead, const struct table_reader *verdicts,
                        const struct decision *decision)
{
    ahead->there =
        verdicts != NULL &&
        table_key_make(&ahead->key, ahead->text, next_hop_text(&decision->next_hop, ahead->text));
    if (ahead->there)
        table_prefetch(&ahead->record, verdicts, &ahead->key);
}

/* Everything that does not depend on memory stands between asking it and needing what it says. */
enum frame_error known_begin(struct decision *decision, struct known_ahead *ahead,
                             const struct frame_decide *asked, const struct known_tables *tables,
                             uint64_t arrived_ms, uint64_t now_ms, int64_t now_s, const char **why)
{
    struct decide_sender sender;
    enum frame_error error;

    decide_sent_by(&sender, asked);
    decide_sender_prefetch(&sender, tables->users, tables->kept, now_ms);
    error = decide_asked(decision, asked, now_s, why);
    if (error != FRAME_ERROR_NONE)
        return error;
    ahead_begin(ahead, tables->verdicts, decision);
    if (ahead->there)
        table_prefetch_record(&ahead->record, tables->verdicts, &ahead->key);
    return decide_demand(decision, &sender, asked, tables->users, arrived_ms, now_ms, why);
}

void known_ask(struct known_begun *begun, const struct frame_decide *asked,
               const struct known_tables *tables, uint64_t now_ms, int64_t now_s)
{
    begun->why = "";
    begun->error = decide_asked(&begun->decision, asked, now_s, &begun->why);
    if (begun->error != FRAME_ERROR_NONE)
        return;
    decide_sent_by(&begun->sender, asked);
    ahead_begin(&begun->recipient, tables->verdicts, &begun->decision);
    decide_sender_prefetch(&begun->sender, tables->users, tables->kept, now_ms);
}

void known_fetch(struct known_begun *begun, const struct table_reader *users,
                 const struct table_reader *verdicts)
{
    if (begun->error != FRAME_ERROR_NONE)
        return;
    if (begun->recipient.there)
        table_prefetch_record(&begun->recipient.record, verdicts, &begun->recipient.key);
    decide_sender_fetch(&begun->sender, users);
}

void known_from_table(struct known *known, const struct table_reader *table,
                      const struct decision *decision, struct known_ahead *ahead, uint32_t epoch,
                      uint64_t now_ms)
{
    struct known_ahead anew;

    known->there = known->stale = false;
    if (ahead == NULL) {
        ahead_begin(&anew, table, decision);
        ahead = &anew;
    }
    if (!ahead->there) {
        known_unknown(known);
        return;
    }
    switch (table_read_ahead(&ahead->record, table, &ahead->key, now_ms, &known->verdict)) {
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
