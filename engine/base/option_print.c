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

static size_t part_rows(const struct option_part *part)
{
    return part->module->row_count * (part->most > 0 ? part->most : 1);
}

struct option_origin *option_origin_create(const struct option_table *table)
{
    size_t rows = 0;
    for (size_t p = 0; p < table->part_count; p++)
        rows += part_rows(&table->parts[p]);
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
                                         const struct option_part *part, size_t index,
                                         const struct option_row *row)
{
    size_t place = index * part->module->row_count + (size_t)(row - part->module->rows);
    for (const struct option_part *before = table->parts; before < part; before++)
        place += part_rows(before);
    return &origin->positions[place];
}

/* ------------------------------------------------------------------ parts */

size_t option_part_count(const struct option_part *part, const void *configuration)
{
    if (part->most == 0)
        return 1;
    return *(const size_t *)(const void *)((const char *)configuration + part->count_offset);
}

void *option_part_at(const struct option_part *part, const void *configuration, size_t index)
{
    return (char *)(uintptr_t)configuration + part->offset + index * part->stride;
}

const char *option_part_title(const struct option_part *part, const void *settings)
{
    return part->most == 0 ? NULL : *(char *const *)settings;
}

/* The row as the title's preset has it. */
static struct option_row preset_row(const struct option_part *part, const char *title,
                                    const struct option_row *row)
{
    struct option_row own = *row;
    for (const struct option_preset *p = part->presets; p != NULL && p->title != NULL; p++)
        if (strcmp(p->title, title) == 0 && strcmp(p->row, row->name) == 0)
            own.standard = p->value;
    return own;
}

static int part_defaults(const struct option_part *part, const char *title, void *settings)
{
    for (size_t i = 0; i < part->module->row_count; i++) {
        struct option_row row = preset_row(part, title, &part->module->rows[i]);
        if (option_value_set_default(&row, settings) != 0)
            return -1;
    }
    return 0;
}

void *option_part_find(const struct option_part *part, void *configuration, const char *title,
                       size_t *index, bool *full)
{
    size_t *count = (size_t *)(void *)((char *)configuration + part->count_offset);
    *full = false;
    for (*index = 0; *index < *count; ++*index) {
        void *settings = option_part_at(part, configuration, *index);
        if (strcmp(option_part_title(part, settings), title) == 0)
            return settings;
    }
    *full = *count == part->most;
    if (*full)
        return NULL;
    char **settings = option_part_at(part, configuration, *count);
    *settings = strdup(title);
    if (*settings == NULL)
        return NULL;
    ++*count; /* from here on option_free finds it */
    return part_defaults(part, title, settings) == 0 ? settings : NULL;
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

static void print_sample_row(const struct option_row *row, FILE *out)
{
    print_prose(row->help, "    #", out);
    fputs("    # Value: ", out);
    option_value_print_domain(row, out);
    fprintf(out, ".%s\n    #%s = ", row->live ? "" : " Needs a restart.", row->name);
    print_standard(row, out);
    fputc('\n', out);
}

static void print_sample_section(const struct option_module *module, FILE *out)
{
    fprintf(out, "%s {\n", module->section);
    for (size_t i = 0; i < module->row_count; i++) {
        if (i > 0)
            fputc('\n', out);
        print_sample_row(&module->rows[i], out);
    }
    fputs("}\n", out);
}

/* Every ready-made title with its values; what they mean once, with the first. Without any: one as
 * an example, all of it a comment. */
static void print_sample_titled(const struct option_part *part, FILE *out)
{
    const struct option_module *module = part->module;
    const struct option_preset *p = part->presets;
    const char *last = NULL;

    if (p == NULL) {
        fprintf(out, "#%s \"NAME\" {\n", module->section);
        for (size_t i = 0; i < module->row_count; i++)
            print_sample_row(&module->rows[i], out);
        fputs("#}\n", out);
        return;
    }
    for (; p->title != NULL; p++) {
        if (last != NULL && strcmp(last, p->title) == 0)
            continue;
        fprintf(out, "%s%s \"%s\" {\n", last == NULL ? "" : "\n", module->section, p->title);
        for (size_t i = 0; i < module->row_count; i++) {
            struct option_row row = preset_row(part, p->title, &module->rows[i]);
            if (last == NULL) {
                print_sample_row(&row, out);
                continue;
            }
            fprintf(out, "    #%s = ", row.name);
            print_standard(&row, out);
            fputc('\n', out);
        }
        fputs("}\n", out);
        last = p->title;
    }
}

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
        if (table->parts[p].most > 0)
            print_sample_titled(&table->parts[p], out);
        else
            print_sample_section(module, out);
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
        fprintf(out, ".Ss %s%s\n", module->section, table->parts[p].most > 0 ? " \"NAME\"" : "");
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
            fprintf(out, "  %s.%s%s = ", module->section, table->parts[p].most > 0 ? "NAME." : "",
                    row->name);
            print_standard(row, out);
            fputc('\n', out);
            print_prose(row->help, "     ", out);
        }
    }
}

/* ------------------------------------------------------------------ what is in force */

static void print_effective_settings(const struct option_table *table,
                                     const struct option_part *part, const void *settings,
                                     size_t index, const struct option_origin *origin, FILE *out)
{
    const char *title = option_part_title(part, settings);
    if (title == NULL)
        fprintf(out, "%s {\n", part->module->section);
    else
        fprintf(out, "%s \"%s\" {\n", part->module->section, title);
    for (size_t i = 0; i < part->module->row_count; i++) {
        const struct option_row *row = &part->module->rows[i];
        const struct option_position *at =
            origin == NULL ? NULL : option_origin_at(table, origin, part, index, row);
        fprintf(out, "    %s = ", row->name);
        option_value_print(row, settings, out);
        if (at == NULL)
            fputs("\n", out);
        else if (at->line == 0)
            fputs("  # default\n", out);
        else
            fprintf(out, "  # %s:%u\n", origin->source.files[at->file], at->line);
    }
    fputs("}\n", out);
}

void option_print_effective(const struct option_table *table, const void *configuration,
                            const struct option_origin *origin, FILE *out)
{
    bool first = true;
    for (size_t p = 0; p < table->part_count; p++) {
        const struct option_part *part = &table->parts[p];
        for (size_t i = 0; i < option_part_count(part, configuration); i++) {
            fputs(first ? "" : "\n", out);
            print_effective_settings(table, part, option_part_at(part, configuration, i), i, origin,
                                     out);
            first = false;
        }
    }
}

/* Titled sections take effect on reload: all their rows are `live`. */
size_t option_compare(const struct option_table *table, const void *running, const void *fresh,
                      FILE *out)
{
    size_t count = 0;
    for (size_t p = 0; p < table->part_count; p++) {
        const struct option_part *part = &table->parts[p];
        const char *old = (const char *)running + part->offset;
        const char *new = (const char *)fresh + part->offset;
        for (size_t i = 0; part->most == 0 && i < part->module->row_count; i++) {
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
