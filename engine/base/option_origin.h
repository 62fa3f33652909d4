/*
 * option_origin.h - where each setting came from. For option*.c only.
 */
#ifndef MXWARD_BASE_OPTION_ORIGIN_H
#define MXWARD_BASE_OPTION_ORIGIN_H

#include "engine/base/option.h"
#include "engine/base/option_file.h"

struct option_origin {
    struct option_file_text source;
    struct option_position *positions; /* of all rows in the table's order; line 0: the default */
};

struct option_origin *option_origin_create(const struct option_table *table); /* NULL: no memory */
void option_origin_destroy(struct option_origin *origin);
/* The place of `row`, which stands in `part` of the table. */
struct option_position *option_origin_at(const struct option_table *table,
                                         const struct option_origin *origin,
                                         const struct option_part *part,
                                         const struct option_row *row);

#endif
