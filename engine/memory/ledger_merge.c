/*
 * ledger_merge.c - entries of several ledgers put together (see ledger.h). Pure.
 *
 * Each part of an entry is a join semilattice, and so is the whole:
 *
 *   learned   the higher epoch wins whole; in the same one, field by field: union of proofs and
 *             flags, greatest of levels, counts and times (of first_seen_s the earliest), and of
 * the contradiction all four fields from where it began last rule      the higher rule_epoch wins
 * whole; in the same one (two nodes ruled without knowing of each other) the strictest
 *
 * A maximum in a total order, and a field-by-field maximum, are commutative, associative and
 * idempotent; so is a pair of them, and "first by epoch, then by the rest". tests/ledger_test.c
 * tries the three laws on what the argument is about.
 *
 * The later beginning of a contradiction or of "no longer signed" is taken because lowering counts
 * from there: merging brings no lowering nearer.
 */
#include "engine/memory/ledger.h"

#include "engine/base/check.h"

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static uint32_t more(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* 0: never, which is no time at all. */
static int64_t earlier_of_two(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return later(a, b);
    return a < b ? a : b;
}

/* --- what is learned --- */

/* A total order, so that all four fields come from one of the two. */
static int contradiction_compare(const struct ledger_entry *a, const struct ledger_entry *b)
{
    int order = compare(a->contradicted_s, b->contradicted_s);

    if (order == 0)
        order = compare(a->absence_s, b->absence_s);
    if (order == 0)
        order = compare(a->absences, b->absences);
    return order != 0 ? order : compare(a->contradiction, b->contradiction);
}

static void contradiction_join(struct ledger_entry *entry, const struct ledger_entry *other)
{
    if (contradiction_compare(entry, other) >= 0)
        return;
    entry->contradicted_s = other->contradicted_s;
    entry->absence_s = other->absence_s;
    entry->absences = other->absences;
    entry->contradiction = other->contradiction;
}

static void learned_join(struct ledger_entry *entry, const struct ledger_entry *other)
{
    entry->proofs |= other->proofs;
    entry->flags |= other->flags & LEDGER_UNREADABLE;
    if (other->set_level > entry->set_level)
        entry->set_level = other->set_level;
    entry->handshakes = more(entry->handshakes, other->handshakes);
    entry->first_seen_s = earlier_of_two(entry->first_seen_s, other->first_seen_s);
    entry->last_seen_s = later(entry->last_seen_s, other->last_seen_s);
    entry->used_s = later(entry->used_s, other->used_s);
    entry->lowered_s = later(entry->lowered_s, other->lowered_s);
    entry->insecure_s = later(entry->insecure_s, other->insecure_s);
    contradiction_join(entry, other);
}

/* --- the rule --- */

static int rule_strictness(enum rule rule)
{
    static const int strictness[RULE_COUNT] = {
        [RULE_EXEMPT] = 0, [RULE_NONE] = 1, [RULE_PIN] = 2, [RULE_REFUSE] = 3};

    return strictness[rule];
}

/* Of two demands the longer is stricter, of two exemptions the shorter. */
static int until_compare(enum rule rule, int64_t a_s, int64_t b_s)
{
    int order = compare(a_s == 0 ? INT64_MAX : a_s, b_s == 0 ? INT64_MAX : b_s);

    return rule == RULE_EXEMPT ? -order : order;
}

static int rule_compare(const struct ledger_entry *a, const struct ledger_entry *b)
{
    int order = compare(a->rule_epoch, b->rule_epoch);

    if (order == 0)
        order = compare(rule_strictness((enum rule)a->rule), rule_strictness((enum rule)b->rule));
    if (order == 0)
        order = compare(a->rule_level, b->rule_level);
    if (order == 0)
        order = until_compare((enum rule)a->rule, a->rule_until_s, b->rule_until_s);
    /* Last: only to observe is less strict than to enforce. */
    return order != 0 ? order : compare(b->flags & LEDGER_OBSERVE, a->flags & LEDGER_OBSERVE);
}

static void rule_take(struct ledger_entry *entry, const struct ledger_entry *from)
{
    entry->rule = from->rule;
    entry->rule_level = from->rule_level;
    entry->rule_until_s = from->rule_until_s;
    entry->rule_epoch = from->rule_epoch;
    entry->flags = (uint8_t)((entry->flags & ~LEDGER_OBSERVE) | (from->flags & LEDGER_OBSERVE));
}

void ledger_merge(struct ledger_entry *entry, const struct ledger_entry *other)
{
    struct ledger_entry merged = other->epoch > entry->epoch ? *other : *entry;

    CHECK(entry->kind == other->kind);
    if (entry->epoch == other->epoch)
        learned_join(&merged, other);
    rule_take(&merged, rule_compare(entry, other) >= 0 ? entry : other);
    *entry = merged;
}

/* --- raises that the table knew first --- */

static unsigned proofs_of(enum ledger_kind kind, enum proof proof)
{
    switch (proof) {
    case PROOF_DANE:
    case PROOF_STS:
        return kind == LEDGER_HOST ? 0 : LEDGER_PROOF(PROOF_HANDSHAKES) | LEDGER_PROOF(proof);
    case PROOF_HANDSHAKES:
        return LEDGER_PROOF(PROOF_HANDSHAKES);
    case PROOF_NONE:
    case PROOF_ADMINISTRATOR: /* an order is durable before it is visible */
    case PROOF_COUNT:
        break;
    }
    return 0;
}

/* What was lowered since may still stand in the table, if we died in between: it stays lowered. */
bool ledger_take_over(struct ledger_entry *entry, const struct floor *floor)
{
    const struct ledger_entry raised = {
        .kind = entry->kind,
        .proofs = (uint8_t)proofs_of((enum ledger_kind)entry->kind, (enum proof)floor->proof),
        .handshakes = 1,
        .first_seen_s = floor->seen_at_s,
        .last_seen_s = floor->seen_at_s};

    if (raised.proofs == 0 || floor->level <= ledger_level(entry) || floor->seen_at_s == 0 ||
        floor->seen_at_s < entry->lowered_s)
        return false;
    learned_join(entry, &raised);
    return true;
}
