/*
 * known.h - what the table of verdicts knows of a decision's next hop. Pure, but for reading the
 * table; the same in daemon and library.
 */
#ifndef MXWARD_DECIDE_KNOWN_H
#define MXWARD_DECIDE_KNOWN_H

#include "ipc/decide/decide.h"
#include "shm/reader.h"

/* What is known of a next hop, and of what is remembered of it. */
struct known {
    bool there; /* else: nothing is known, and nothing remembered; `verdict` means nothing */
    bool stale; /* older than was asked for, or past its time */
    struct verdict verdict;
};

/* The next hop's record on its way. Good as long as the table is not refreshed or closed. */
struct known_ahead {
    bool there;           /* there is a table, and the next hop has a key */
    struct table_key key; /* its text is the name in the decision, or `text` */
    struct table_ahead record;
    char text[NEXT_HOP_TEXT_MAX];
};

/* Where to look. */
struct known_tables {
    const struct table_reader *users, *verdicts; /* NULL: not there */
    struct account_kept *kept;                   /* of `users`; NULL: nothing is */
};

/* A message before anybody knows whose demand counts: what is asked about, and its records on their
 * way. It is not moved, and what was asked stays where it is, until it is dealt with. */
struct known_begun {
    enum frame_error error; /* FRAME_ERROR_NONE; else `why`, and nothing behind has a meaning */
    const char *why;
    struct decision decision;
    struct known_ahead recipient;
    struct decide_sender sender;
};
/*
 * First known_ask, which makes the keys and asks memory for them; then, after something else that
 * has to be done, known_fetch, which waits for that and asks for the records; then decide_demand
 * and known_from_table. So the misses of both tables overlap, and those of several messages, if
 * each step is taken for all of them before the next. All without a refresh in between.
 */
void known_ask(struct known_begun *begun, const struct frame_decide *asked,
               const struct known_tables *tables);
void known_fetch(struct known_begun *begun, const struct known_tables *tables, uint64_t now_ms);

/* `table` NULL: there is none, and nobody can tell what is remembered. `ahead`: what known_ask made
 * of this table, just now; NULL: nothing. `epoch`: of now (table_epoch); a verdict with another one
 * is stale. */
void known_from_table(struct known *known, const struct table_reader *table,
                      const struct decision *decision, struct known_ahead *ahead, uint32_t epoch,
                      uint64_t now_ms);
/* The same in two steps, for who reads the record before he knows what is demanded. */
void known_read(struct known *known, const struct table_reader *table, struct known_ahead *ahead,
                uint64_t now_ms);
void known_judge(struct known *known, const struct decision *decision, uint32_t epoch,
                 uint64_t now_ms);
/* What is ruled of the recipient's own domain, where the next hop is another, into the decision.
 * Where nothing is known of it (the table is being filled) nothing is refused: the way that the
 * mail goes has its own floor. */
void known_recipient(struct decision *decision, const struct table_reader *table, uint64_t now_ms);
bool known_memory_is_unknown(const struct known *known);
/* NULL: nothing is known. */
const struct verdict *known_verdict(const struct known *known);

#endif
