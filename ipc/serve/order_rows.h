/*
 * order_rows.h - the rows of an order (accounts, entries, audit, report) as one JSON document.
 *
 * Written in the keeper's thread, while the order is applied, into memory that is the order's until
 * it is home. What does not fit ends the list: `next` then says where to go on. Members are
 * described in mxward-socket(7); they are only ever added to.
 */
#ifndef MXWARD_SERVE_ORDER_ROWS_H
#define MXWARD_SERVE_ORDER_ROWS_H

#include "engine/memory/order.h"
#include "ipc/wire/json.h"

struct order_document {
    struct order_rows rows; /* what the order is given */
    struct json json;
    size_t size; /* of `out` */
    char *out;
    uint32_t count, most;       /* rows; a page has no more than `most` */
    char next[ORDER_AFTER_MAX]; /* the last name written, if there was no room for more; "": all was
                                   written */
    char last[ORDER_AFTER_MAX];
};

/* `most` as in the order: 0, or more than ORDER_ROWS_MOST: so many. */
void order_document_begin(struct order_document *document, char *out, size_t size, uint32_t most);
/* After the order is home. Returns the length. */
size_t order_document_end(struct order_document *document);

#endif
