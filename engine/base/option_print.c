/*
 * option_print.c - everything people read about the settings, printed from the rows: the sample
 * file, the manual's tables, --help, the effective configuration, and what a reload cannot change.
 *
 * Any thread that owns the stream. Failures of the stream are the caller's to find (ferror).
 */
#include "engine/base/option.h"

#include "engine/base/option_origin.h"
#include "engine/base/option_value.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 92 /* columns of prose in the sample file */

/* ------------------------------------------------------------------ origins */

struct option_origin *option_origin_create(const struct option_table *table)
{
    size_t rows = 0;
    for (size_t p = 0; p < table->part_count; p++)
        rows += table->parts[p].module->row_count;
    struct option_origin *origin = calloc(1, sizeof(*origin));
    if (origin == NULL)
        return NULL;
    origin->positions = calloc(rows + 1, sizeof(*origin->positions));
    if (origin->positions != NULL)
        return origin;
    free(origin);
    return NULL;
}

void option_origin_destroy(struct option_origin *origin)
{
    if (origin == NULL)
        return;
    option_file_free(&origin->source);
    free(origin->positions);
    free(origin);
}

struct option_position *option_origin_at(const struct option_table *table,
                                         const struct option_origin *origin,
                                         const struct option_part *part,
                                         const struct option_row *row)
{
    size_t index = (size_t)(row - part->module->rows);
    for (const struct option_part *before = table->parts; before < part; before++)
        index += before->module->row_count;
    return &origin->positions[index];
}

/* ------------------------------------------------------------------ pieces */

/* Prose in lines of at most WIDTH columns, each with `begin` before it. */
static void print_prose(const char *text, const char *begin, FILE *out)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column == 0)
            column = (size_t)fprintf(out, "%s", begin);
        else if (column + 1 + word > WIDTH)
            column = (size_t)fprintf(out, "\n%s", begin) - 1;
        column += (size_t)fprintf(out, " %.*s", (int)word, text);
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* The default as it would be written in a file (which quotes what must be quoted). */
static void print_standard(const struct option_row *row, FILE *out)
{
    struct option_row alone = *row;
    union {
        uint64_t number;
        struct option_list list;
    } settings;
    memset(&settings, 0, sizeof(settings));
    alone.offset = 0;
    if (option_value_set_default(&alone, &settings) == 0)
        option_value_print(&alone, &settings, out);
    option_value_free(&alone, &settings);
}

/* ------------------------------------------------------------------ sample, manual, help */

void option_print_sample(const struct option_table *table, FILE *out)
{
    fputs("# mxward.conf - every setting, with its default. Nothing here is needed to start.\n"
          "# See mxward.conf(5); `mxward -t` checks a file.\n\n"
          "include(\"conf.d/*.conf\")\n",
          out);
    for (size_t p = 0; p < table->part_count; p++) {
        const struct option_module *module = table->parts[p].module;
        fputc('\n', out);
        print_prose(module->help, "#", out);
        fprintf(out, "%s {\n", module->section);
        for (size_t i = 0; i < module->row_count; i++) {
            const struct option_row *row = &module->rows[i];
            if (i > 0)
                fputc('\n', out);
            print_prose(row->help, "    #", out);
            fputs("    # Value: ", out);
            option_value_print_domain(row, out);
            fprintf(out, ".%s\n    #%s = ", row->live ? "" : " Needs a restart.", row->name);
            print_standard(row, out);
            fputc('\n', out);
        }
        fputs("}\n", out);
    }
}

/* Text for mdoc: no line begins with a control character, and each sentence has its own line. */
static void print_mdoc(const char *text, FILE *out)
{
    bool begin = true;
    for (; *text != '\0'; text++) {
        if (begin && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        begin = false;
        if (*text == '\\') {
            fputs("\\e", out);
        } else if (text[0] == '.' && text[1] == ' ') {
            fputs(".\n", out);
            text++;
            begin = true;
        } else {
            fputc(*text, out);
        }
    }
    fputc('\n', out);
}

static void print_mdoc_row(const struct option_row *row, FILE *out)
{
    char *domain = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&domain, &size);
    if (memory == NULL)
        return;
    fputs("Value: ", memory);
    option_value_print_domain(row, memory);
    fputs(". Default: ", memory);
    if (row->type == OPTION_TEXT && row->standard == NULL)
        fputs("none", memory);
    else
        print_standard(row, memory);
    fputs(row->live ? "." : ". Takes effect at a restart.", memory);
    if (fclose(memory) == 0) {
        fprintf(out, ".It Ic %s\n", row->name);
        print_mdoc(row->help, out);
        fputs(".br\n", out);
        print_mdoc(domain, out);
    }
    free(domain);
}

void option_print_manual(const struct option_table *table, FILE *out)
{
    for (size_t p = 0; p < table->part_count; p++) {
        const struct option_module *module = table->parts[p].module;
        fprintf(out, ".Ss %s\n", module->section);
        print_mdoc(module->help, out);
        fputs(".Bl -tag -width Ds\n", out);
        for (size_t i = 0; i < module->row_count; i++)
            print_mdoc_row(&module->rows[i], out);
        fputs(".El\n", out);
    }
}

void option_print_help(const struct option_table *table, FILE *out)
{
    for (size_t p = 0; p < table->part_count; p++) {
        const struct option_module *module = table->parts[p].module;
        fprintf(out, "%s%s:", p == 0 ? "" : "\n", module->section);
        print_prose(module->help, "", out);
        for (size_t i = 0; i < module->row_count; i++) {
            const struct option_row *row = &module->rows[i];
            fprintf(out, "  %s.%s = ", module->section, row->name);
            print_standard(row, out);
            fputc('\n', out);
            print_prose(row->help, "     ", out);
        }
    }
}

/* ------------------------------------------------------------------ what is in force */

void option_print_effective(const struct option_table *table, const void *configuration,
                            const struct option_origin *origin, FILE *out)
{
    for (size_t p = 0; p < table->part_count; p++) {
        const struct option_part *part = &table->parts[p];
        fprintf(out, "%s%s {\n", p == 0 ? "" : "\n", part->module->section);
        for (size_t i = 0; i < part->module->row_count; i++) {
            const struct option_row *row = &part->module->rows[i];
            const struct option_position *at =
                origin == NULL ? NULL : option_origin_at(table, origin, part, row);
            fprintf(out, "    %s = ", row->name);
            option_value_print(row, (const char *)configuration + part->offset, out);
            if (at == NULL)
                fputs("\n", out);
            else if (at->line == 0)
                fputs("  # default\n", out);
            else
                fprintf(out, "  # %s:%u\n", origin->source.files[at->file], at->line);
        }
        fputs("}\n", out);
    }
}

size_t option_compare(const struct option_table *table, const void *running, const void *fresh,
                      FILE *out)
{
    size_t count = 0;
    for (size_t p = 0; p < table->part_count; p++) {
        const struct option_part *part = &table->parts[p];
        const char *old = (const char *)running + part->offset;
        const char *new = (const char *)fresh + part->offset;
        for (size_t i = 0; i < part->module->row_count; i++) {
            const struct option_row *row = &part->module->rows[i];
            if (row->live || option_value_equal(row, old, new))
                continue;
            fprintf(out, "%s.%s = ", part->module->section, row->name);
            option_value_print(row, new, out);
            fputs(" needs a restart; running with ", out);
            option_value_print(row, old, out);
            fputc('\n', out);
            count++;
        }
    }
    return count;
}
