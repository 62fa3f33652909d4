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
    const struct next_hop *next_hop = &decision->next_hop;
    const char *text = next_hop->name.text;
    size_t length = next_hop->name.length;

    if (!next_hop_is_plain(next_hop)) {
        length = next_hop_text(next_hop, ahead->text);
        text = ahead->text;
    }
    ahead->there = verdicts != NULL && table_key_make(&ahead->key, text, length);
    if (ahead->there)
        table_prefetch(&ahead->record, verdicts, &ahead->key);
}

/* The recipient first: who sends it is read while his line comes. */
void known_ask(struct known_begun *begun, const struct frame_decide *asked,
               const struct known_tables *tables)
{
    begun->why = "";
    begun->error = decide_asked(&begun->decision, asked, &begun->why);
    if (begun->error != FRAME_ERROR_NONE)
        return;
    ahead_begin(&begun->recipient, tables->verdicts, &begun->decision);
    decide_sent_by(&begun->sender, asked, tables->users, tables->kept);
}

void known_fetch(struct known_begun *begun, const struct known_tables *tables, uint64_t now_ms)
{
    if (begun->error != FRAME_ERROR_NONE)
        return;
    if (begun->recipient.there)
        table_prefetch_record(&begun->recipient.record, tables->verdicts, &begun->recipient.key);
    decide_sender_fetch(&begun->sender, tables->users, now_ms);
}

void known_read(struct known *known, const struct table_reader *table, struct known_ahead *ahead,
                uint64_t now_ms)
{
    known->there = known->stale = false;
    if (!ahead->there) {
        known_unknown(known);
        return;
    }
    switch (table_read_ahead(&ahead->record, table, &ahead->key, now_ms, &known->verdict)) {
    case TABLE_HIT:
        known->there = true;
        return;
    case TABLE_ABSENT:
        return;
    case TABLE_MISS:
    case TABLE_UNKNOWN:
        known_unknown(known);
        return;
    }
}

void known_judge(struct known *known, const struct decision *decision, uint32_t epoch,
                 uint64_t now_ms)
{
    if (known->there && !known->stale)
        known->stale = !verdict_serves_now(&known->verdict, epoch, decision->not_before_ms, now_ms);
}

void known_from_table(struct known *known, const struct table_reader *table,
                      const struct decision *decision, struct known_ahead *ahead, uint32_t epoch,
                      uint64_t now_ms)
{
    struct known_ahead anew;

    if (ahead == NULL) {
        ahead_begin(&anew, table, decision);
        ahead = &anew;
    }
    known_read(known, table, ahead, now_ms);
    known_judge(known, decision, epoch, now_ms);
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
