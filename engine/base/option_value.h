/*
 * option_value.h - one value of one row: from text, to text, compared, freed. For option*.c only.
 *
 * `settings` is the module's struct; row->offset finds the field.
 */
#ifndef MXWARD_BASE_OPTION_VALUE_H
#define MXWARD_BASE_OPTION_VALUE_H

#include "engine/base/option.h"

/* All but OPTION_LIST. 0, or -1 with a sentence about the text in `why` (no file, no option name).
 * -ENOMEM if there is no memory. */
int option_value_parse(const struct option_row *row, void *settings, const char *text, char *why,
                       size_t why_size);
/* OPTION_LIST: replaces the list by copies. 0 or -ENOMEM. */
int option_value_set_list(const struct option_row *row, void *settings, size_t count,
                          const char *const *texts);
/* Checks the size of a list or the value just parsed against the row's range. */
int option_value_check(const struct option_row *row, const void *settings, char *why,
                       size_t why_size);
/* The row's default into zeroed settings. 0 or -ENOMEM; a default that does not parse is ours. */
int option_value_set_default(const struct option_row *row, void *settings);
void option_value_free(const struct option_row *row, void *settings);
bool option_value_equal(const struct option_row *row, const void *a, const void *b);

/* As it would be written in the file. */
void option_value_print(const struct option_row *row, const void *settings, FILE *out);
/* "a number, 1..64", "one of: a b c": what may be written. */
void option_value_print_domain(const struct option_row *row, FILE *out);
/* Splits a default of a list, "{ a, b }", into at most `max` texts; `copy` is cut into pieces. */
size_t option_value_split(char *copy, const char **texts, size_t max);

#endif
