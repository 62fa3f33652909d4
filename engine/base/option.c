/*
 * option.c - loads a configuration: defaults of the rows, then the files, through libconfuse.
 *
 * Called at start, at reload and by `mxward -t`, on the main thread only: libconfuse's scanner and
 * its callbacks know one load at a time (`loading`). The result is one allocation plus its texts,
 * freed by option_free; a load that fails leaves nothing behind. The first error ends the load and
 * is one sentence, "file:line: …"; errors of the machine (no memory) read the same.
 *
 * What comes after what: option_file reads and checks the files as text, libconfuse parses that
 * text into sections and values, after_value and after_section below take each value over into the
 * settings at the moment it is parsed, so that its line is still known. Lists are taken over at the
 * end of their section, after `=` and `+=` have done their work.
 */
#include "engine/base/option.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/option_file.h"
#include "engine/base/option_origin.h"
#include "engine/base/option_value.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static struct loading {
    const struct option_table *table;
    struct option_origin *origin;
    char *configuration;
    char *why;
    size_t why_size;
    bool failed; /* only the first sentence counts */
} * loading;

/* ------------------------------------------------------------------ sentences */

static void refuse(unsigned line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void refuse(unsigned line, const char *format, ...)
{
    struct option_position at = option_file_position(&loading->origin->source, line);
    if (loading->failed)
        return;
    loading->failed = true;
    int used = snprintf(loading->why, loading->why_size,
                        "%s:%u: ", loading->origin->source.files[at.file], at.line);
    if (used < 0 || (size_t)used >= loading->why_size)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(loading->why + used, loading->why_size - (size_t)used, format, arguments);
    va_end(arguments);
}

/* Edits (insert, delete, replace, swap neighbours) between two names; at most LIMIT_OPTION_NAME. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][LIMIT_OPTION_NAME + 1];
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > LIMIT_OPTION_NAME || b_size > LIMIT_OPTION_NAME)
        return LIMIT_OPTION_NAME;
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_size; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            unsigned best = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                two_above[j - 2] + 1 < best)
                best = two_above[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a_size % 3][b_size];
}

struct guess {
    const char *wrong, *best;
    unsigned distance;
};

static void consider(struct guess *guess, const char *candidate)
{
    unsigned d = distance(guess->wrong, candidate);
    if (d < guess->distance) {
        guess->distance = d;
        guess->best = candidate;
    }
}

static const struct option_part *find_part(const struct option_table *table, const char *section)
{
    for (size_t i = 0; i < table->part_count; i++)
        if (strcmp(table->parts[i].module->section, section) == 0)
            return &table->parts[i];
    return NULL;
}

static const struct option_row *find_row(const struct option_module *module, const char *name)
{
    for (size_t i = 0; i < module->row_count; i++)
        if (strcmp(module->rows[i].name, name) == 0)
            return &module->rows[i];
    return NULL;
}

/* An option that stands in the wrong section, or in none. */
static const char *section_of(const char *name)
{
    for (size_t i = 0; i < loading->table->part_count; i++)
        if (find_row(loading->table->parts[i].module, name) != NULL)
            return loading->table->parts[i].module->section;
    return NULL;
}

static void refuse_unknown(const cfg_t *cfg, const char *name)
{
    const struct option_part *part = find_part(loading->table, cfg->name);
    const char *elsewhere = section_of(name), *what = part != NULL ? "option" : "section";
    /* A third of the letters may be wrong, and one in any name. */
    struct guess guess = {.wrong = name, .distance = (unsigned)strlen(name) / 3 + 2};
    for (size_t i = 0; part != NULL && i < part->module->row_count; i++)
        consider(&guess, part->module->rows[i].name);
    for (size_t i = 0; part == NULL && i < loading->table->part_count; i++)
        consider(&guess, loading->table->parts[i].module->section);
    if (elsewhere != NULL)
        refuse((unsigned)cfg->line, "'%.64s' belongs into the section '%s'", name, elsewhere);
    else if (guess.best != NULL)
        refuse((unsigned)cfg->line, "there is no %s '%.64s'; did you mean '%s'?", what, name,
               guess.best);
    else
        refuse((unsigned)cfg->line, "there is no %s '%.64s'", what, name);
}

static void confuse_error(cfg_t *cfg, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void confuse_error(cfg_t *cfg, const char *format, va_list arguments)
{
    static const char unknown[] = "no such option";
    char text[256];
    if (strncmp(format, unknown, sizeof(unknown) - 1) == 0) {
        refuse_unknown(cfg, va_arg(arguments, const char *));
        return;
    }
    vsnprintf(text, sizeof(text), format, arguments);
    refuse((unsigned)cfg->line, "%s", text);
}

/* ------------------------------------------------------------------ values as they are parsed */

/* The settings that a section of the file is about. */
struct target {
    const struct option_part *part;
    char *settings; /* NULL: refused already */
    size_t index;   /* of a titled part */
};

static struct target target_of(const cfg_t *section)
{
    struct target target = {.part = find_part(loading->table, section->name)};
    bool full = false;
    CHECK(target.part != NULL);
    if (target.part->most == 0) {
        target.settings = loading->configuration + target.part->offset;
        return target;
    }
    target.settings =
        option_part_find(target.part, loading->configuration, section->title, &target.index, &full);
    if (target.settings == NULL && full)
        refuse((unsigned)section->line, "there are more than %zu sections '%s'", target.part->most,
               section->name);
    else if (target.settings == NULL)
        refuse((unsigned)section->line, "out of memory");
    return target;
}

static struct option_position *origin_of(const struct target *target, const struct option_row *row)
{
    return option_origin_at(loading->table, loading->origin, target->part, target->index, row);
}

static int after_value(cfg_t *cfg, cfg_opt_t *opt)
{
    char why[256] = "";
    const struct target target = target_of(cfg);
    if (target.settings == NULL)
        return -1;
    const struct option_row *row = find_row(target.part->module, opt->name);
    CHECK(row != NULL);
    *origin_of(&target, row) = option_file_position(&loading->origin->source, (unsigned)cfg->line);
    if (row->type == OPTION_LIST)
        return 0; /* see after_section */
    int result =
        option_value_parse(row, target.settings, cfg_opt_getnstr(opt, 0), why, sizeof(why));
    if (result != 0)
        refuse((unsigned)cfg->line, "option '%s': %s", row->name,
               result == -ENOMEM ? "out of memory" : why);
    return result;
}

static int take_list(const struct target *target, const struct option_row *row, cfg_opt_t *opt,
                     unsigned line)
{
    char why[256] = "";
    unsigned count = cfg_opt_size(opt);
    void *settings = target->settings;
    struct option_position *origin = origin_of(target, row);
    const char **texts = calloc(count + 1, sizeof(*texts));
    for (unsigned i = 0; texts != NULL && i < count; i++)
        texts[i] = cfg_opt_getnstr(opt, i);
    int result = texts != NULL ? option_value_set_list(row, settings, count, texts) : -ENOMEM;
    free(texts);
    if (result == 0)
        result = option_value_check(row, settings, why, sizeof(why));
    if (result != 0)
        refuse(line, "option '%s': %s", row->name, result == -ENOMEM ? "out of memory" : why);
    /* libconfuse calls nothing for `name = {}`: the section's end is the nearest line known. */
    if (count == 0 || origin->line == 0)
        *origin = option_file_position(&loading->origin->source, line);
    return result;
}

static int after_section(cfg_t *cfg, cfg_opt_t *opt)
{
    /* Titles are there once each, so the section that just ended is the last. */
    cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    CHECK(section != NULL);
    const struct target target = target_of(section);
    if (target.settings == NULL)
        return -1;
    for (size_t i = 0; i < target.part->module->row_count; i++) {
        const struct option_row *row = &target.part->module->rows[i];
        cfg_opt_t *value = cfg_getopt(section, row->name);
        CHECK(value != NULL);
        if (row->type != OPTION_LIST || (value->flags & CFGF_MODIFIED) == 0)
            continue;
        value->flags &= ~CFGF_MODIFIED;
        if (take_list(&target, row, value, (unsigned)cfg->line) != 0)
            return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------ the table for libconfuse */

static cfg_opt_t *describe_section(const struct option_module *module)
{
    cfg_opt_t *options = calloc(module->row_count + 1, sizeof(*options));
    for (size_t i = 0; options != NULL && i < module->row_count; i++) {
        options[i].name = module->rows[i].name;
        options[i].type = CFGT_STR;
        options[i].flags = CFGF_NODEFAULT;
        if (module->rows[i].type == OPTION_LIST)
            options[i].flags |= CFGF_LIST;
        options[i].validcb = after_value;
    }
    return options;
}

static void free_description(cfg_opt_t *sections)
{
    for (size_t i = 0; sections != NULL && sections[i].name != NULL; i++)
        free(sections[i].subopts);
    free(sections);
}

static cfg_opt_t *describe(const struct option_table *table)
{
    cfg_opt_t *sections = calloc(table->part_count + 1, sizeof(*sections));
    for (size_t i = 0; sections != NULL && i < table->part_count; i++) {
        sections[i].name = table->parts[i].module->section;
        sections[i].type = CFGT_SEC;
        if (table->parts[i].most > 0)
            sections[i].flags = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
        sections[i].subopts = describe_section(table->parts[i].module);
        sections[i].validcb = after_section;
        if (sections[i].subopts == NULL) {
            free_description(sections);
            return NULL;
        }
    }
    return sections;
}

/* `+=` adds to the default, so libconfuse must know it. (Titled sections have no lists.) */
static int seed_lists(const struct option_table *table, cfg_t *root)
{
    for (size_t p = 0; p < table->part_count; p++) {
        const struct option_part *part = &table->parts[p];
        cfg_t *section = part->most > 0 ? NULL : cfg_getsec(root, part->module->section);
        for (size_t i = 0; section != NULL && i < part->module->row_count; i++) {
            const struct option_row *row = &part->module->rows[i];
            if (row->type != OPTION_LIST)
                continue;
            const struct option_list *list =
                (const struct option_list *)(void *)(loading->configuration + part->offset +
                                                     row->offset);
            cfg_opt_t *option = cfg_getopt(section, row->name);
            for (size_t t = 0; t < list->count; t++)
                if (cfg_opt_setnstr(option, list->texts[t], (unsigned)t) != CFG_SUCCESS)
                    return -1;
            option->flags &= ~CFGF_MODIFIED;
        }
    }
    return 0;
}

static int parse_text(const struct option_table *table, const char *text)
{
    cfg_opt_t *sections = describe(table);
    cfg_t *root = sections != NULL ? cfg_init(sections, CFGF_NONE) : NULL;
    int result = -1;
    free_description(sections); /* cfg_init copies it */
    if (root != NULL) {
        cfg_set_error_function(root, confuse_error);
        if (seed_lists(table, root) == 0)
            result = cfg_parse_buf(root, text) == CFG_SUCCESS ? 0 : -1;
    }
    cfg_free(root);
    if (result != 0)
        refuse(1, "out of memory"); /* unless there is a better sentence already */
    return result;
}

/* ------------------------------------------------------------------ where a setting stands */

/* The row that `why` begins with the name of, and its part; NULL: it begins otherwise. */
static const struct option_row *row_of_sentence(const struct option_table *table, const char *why,
                                                const struct option_part **part)
{
    char name[LIMIT_OPTION_NAME + 1];
    size_t section = strcspn(why, ". "), length;

    if (why[section] != '.' || section >= sizeof(name))
        return NULL;
    memcpy(name, why, section);
    name[section] = '\0';
    *part = find_part(table, name);
    why += section + 1;
    length = strcspn(why, ": ");
    if (*part == NULL || length >= sizeof(name))
        return NULL;
    memcpy(name, why, length);
    name[length] = '\0';
    return find_row((*part)->module, name);
}

void option_locate(const struct option_table *table, const struct option_origin *origin, char *why,
                   size_t why_size)
{
    const struct option_part *part;
    const struct option_row *row = row_of_sentence(table, why, &part);
    if (row == NULL || part->most > 0)
        return;
    const struct option_position *at = option_origin_at(table, origin, part, 0, row);
    char *sentence = at->line != 0 ? strdup(why) : NULL;
    if (sentence == NULL) /* a default; or no memory, and it has its name at least */
        return;
    snprintf(why, why_size, "%s:%u: %s", origin->source.files[at->file], at->line, sentence);
    free(sentence);
}

/* ------------------------------------------------------------------ load and free */

static int set_defaults(const struct option_table *table, char *configuration)
{
    for (size_t p = 0; p < table->part_count; p++) {
        const struct option_part *part = &table->parts[p];
        const struct option_preset *preset = part->presets;
        size_t index;
        bool full;
        for (; preset != NULL && preset->title != NULL; preset++)
            if (option_part_find(part, configuration, preset->title, &index, &full) == NULL)
                return -ENOMEM;
        for (size_t i = 0; part->most == 0 && i < part->module->row_count; i++)
            if (option_value_set_default(&part->module->rows[i], configuration + part->offset) != 0)
                return -ENOMEM;
    }
    return 0;
}

static int load(const struct option_table *table, const char *path, struct loading *state)
{
    if (state->configuration == NULL || state->origin == NULL ||
        set_defaults(table, state->configuration) != 0) {
        snprintf(state->why, state->why_size, "%s:1: out of memory", path != NULL ? path : "-");
        return -1;
    }
    if (path == NULL)
        return 0;
    if (option_file_read(&state->origin->source, path, state->why, state->why_size) != 0)
        return -1;
    if (state->origin->source.text == NULL)
        return 0; /* an empty file */
    loading = state;
    int result = parse_text(table, state->origin->source.text);
    loading = NULL;
    return result;
}

int option_load(const struct option_table *table, const char *path, void **configuration,
                struct option_origin **origin, char *why, size_t why_size)
{
    struct loading state = {
        .table = table,
        .origin = option_origin_create(table),
        .configuration = calloc(1, table->size),
        .why = why,
        .why_size = why_size,
    };
    int result = load(table, path, &state);
    if (result != 0) {
        option_free(table, state.configuration, state.origin);
        state.configuration = NULL;
        state.origin = NULL;
    }
    *configuration = state.configuration;
    *origin = state.origin;
    return result;
}

void option_free(const struct option_table *table, void *configuration,
                 struct option_origin *origin)
{
    for (size_t p = 0; configuration != NULL && p < table->part_count; p++) {
        const struct option_part *part = &table->parts[p];
        for (size_t n = 0; n < option_part_count(part, configuration); n++) {
            char *settings = option_part_at(part, configuration, n);
            for (size_t i = 0; i < part->module->row_count; i++)
                option_value_free(&part->module->rows[i], settings);
            if (part->most > 0)
                free(*(char **)(void *)settings);
        }
    }
    free(configuration);
    option_origin_destroy(origin);
}
