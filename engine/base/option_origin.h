/*
 * option_origin.h - where each setting came from. For option*.c only.
 */
#ifndef MXWARD_BASE_OPTION_ORIGIN_H
#define MXWARD_BASE_OPTION_ORIGIN_H

#include "engine/base/option.h"
#include "engine/base/option_file.h"

struct option_origin {
    struct option_file_text source;
    /* Of all rows in the table's order, those of a titled part once for each place in its array;
     * line 0: the default. */
    struct option_position *positions;
};

struct option_origin *option_origin_create(const struct option_table *table); /* NULL: no memory */
void option_origin_destroy(struct option_origin *origin);
/* The place of `row`, which stands in `part` of the table; `index`: which of a titled part's. */
struct option_position *option_origin_at(const struct option_table *table,
                                         const struct option_origin *origin,
                                         const struct option_part *part, size_t index,
                                         const struct option_row *row);

/* --- the settings of a part: one, or those of each title --- */
size_t option_part_count(const struct option_part *part, const void *configuration);
void *option_part_at(const struct option_part *part, const void *configuration, size_t index);
/* The title of a titled part's settings; NULL for others. */
const char *option_part_title(const struct option_part *part, const void *settings);
/* Those of `title`, made with defaults and presets if need be. NULL: no memory, or `most` are there
 * (`*full`). */
void *option_part_find(const struct option_part *part, void *configuration, const char *title,
                       size_t *index, bool *full);

#endif
