/*
 * store_pages.h - LMDB's file, looked at page by page before LMDB is let near it.
 *
 * LMDB trusts its pages. A damaged one ends in a signal, or, worse, in a look-up that misses what
 * is there: something remembered would be forgotten in silence. So each page that a snapshot
 * reaches is checked here, by reading the file: that it is the page it says, that all its nodes lie
 * inside it, that its keys are in order and within what the page above says of it, that no page is
 * used twice or is free besides, and that the counts are right. A page that can be read may still
 * hold a damaged value: that is what the checksum of each value is for.
 *
 * The format is that of LMDB 0.9 (data version 1) on a little-endian machine of 64 bits; only what
 * the store uses of it: named databases without duplicates, values smaller than half a page.
 *
 * A file holds two snapshots, one for each meta page: the newest state, and the one before.
 */
#ifndef MXWARD_MEMORY_STORE_PAGES_H
#define MXWARD_MEMORY_STORE_PAGES_H

#include "engine/memory/store_key.h"

struct pages;

struct pages_snapshot {
    bool readable; /* the meta page may be true; nothing behind it was looked at */
    bool empty;    /* there is nothing behind it: as LMDB makes a new file */
    uint64_t transaction;
};

/* Takes `descriptor`, in any case. A file in which no meta page can be read is opened, too.
 * -ENOMEM, or why the file cannot be read at all. */
int pages_open(struct pages **pages, int descriptor);
void pages_close(struct pages *pages); /* NULL: nothing */

const struct pages_snapshot *pages_snapshot(const struct pages *pages, unsigned slot);

/* All that the snapshot reaches, and that it has exactly the databases of these names. -EBADMSG:
 * not sound, `why` says what is first; -ENOMEM. */
int pages_check(struct pages *pages, unsigned slot, const char *const *names, unsigned name_count,
                char *why, size_t why_size);

/*
 * What can be read of one named database (NULL: the values that stand in the main database itself),
 * from `low` to before `high` (bytes NULL: no end), in order. A part that cannot be read is given
 * to `gap`, by its bounds, instead of its items (or among others: where the bounds themselves are
 * in doubt, they are all that was asked for); a database that cannot be found is one gap. Either
 * returns 0, or a negative errno, which ends it. Bytes are valid during the call only.
 */
struct pages_visitor {
    int (*item)(void *context, struct store_bytes key, struct store_bytes value);
    int (*gap)(void *context, struct store_bytes low, struct store_bytes high);
    void *context;
};
int pages_walk(struct pages *pages, unsigned slot, const char *database, struct store_bytes low,
               struct store_bytes high, const struct pages_visitor *visitor);

#endif
