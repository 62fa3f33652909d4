/*
 * option.h - every setting is one row: name, type, range, default, help.
 *
 * A module exports its own rows and a plain struct of settings; the sample file, the manual's
 * table, `mxward --help`, shell completion and the parser all read the same rows
 * (tests/option_test.c compares). A file is parsed into a new struct and swapped in whole, or
 * refused whole with file, line and a "did you mean". What a row cannot know (does this user exist,
 * is there a certificate in this file) the module judges afterwards (engine_judge, serve_judge).
 * Only the main thread loads; others read the settings they were given.
 */
#ifndef MXWARD_BASE_OPTION_H
#define MXWARD_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_BOOLEAN,  /* bool; yes/no/true/false/on/off */
    OPTION_NUMBER,   /* uint64_t */
    OPTION_DURATION, /* uint64_t milliseconds; 500ms 10s 5m 2h 30d */
    OPTION_SIZE,     /* uint64_t bytes; 512k 64m 2g */
    OPTION_MODE,     /* uint64_t; octal file mode */
    OPTION_TEXT,     /* char *, NULL if empty; owned by the settings */
    OPTION_LIST,     /* struct option_list of texts */
    OPTION_CHOICE,   /* uint64_t: index into `choices` */
};

struct option_list {
    size_t count;
    char **texts;
};

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset;              /* in the module's settings struct */
    uint64_t minimum, maximum;  /* of the value; of a text, its bytes; of a list, its texts. 0, 0:
                                   any */
    const char *standard;       /* the default, as it would be written in the file; NULL: none */
    const char *help;           /* one or two sentences, for people */
    const char *const *choices; /* OPTION_CHOICE: NULL-terminated */
    bool live;                  /* takes effect on reload; others need a restart */
};

/* One section of the file: `section { name = value … }`. */
struct option_module {
    const char *section;
    const char *help;
    const struct option_row *rows;
    size_t row_count;
};

/* A value that a ready-made titled section has instead of its row's default. */
struct option_preset {
    const char *title, *row, *value;
};

/*
 * A section that stands once in the file, or (`most` > 0) many times with a title:
 * `section "title" { … }`. Then `offset` is that of an array of `most` settings, each beginning
 * with `char *title`, and `count_offset` that of their number (size_t). Titles named in `presets`
 * are there from the start, in that order; a file may change their values.
 */
struct option_part {
    const struct option_module *module;
    size_t offset; /* of the module's settings in the whole configuration */
    size_t most, stride, count_offset;
    const struct option_preset *presets; /* ends with a NULL title; NULL: none */
};

struct option_table {
    const struct option_part *parts;
    size_t part_count;
    size_t size; /* of the whole configuration struct */
};

/* What a setting came from: "default", or "file:line". */
struct option_origin;

/*
 * Allocates the whole configuration with defaults, then reads `path` (NULL: defaults only) with its
 * includes. Returns 0, or -1 with a sentence in `why` that begins with file:line.
 */
int option_load(const struct option_table *table, const char *path, void **configuration,
                struct option_origin **origin, char *why, size_t why_size);
void option_free(const struct option_table *table, void *configuration,
                 struct option_origin *origin);

void option_print_sample(const struct option_table *table, FILE *out); /* commented mxward.conf */
void option_print_manual(const struct option_table *table, FILE *out); /* mdoc list */
void option_print_help(const struct option_table *table, FILE *out);
/* The effective configuration; with origins unless `origin` is NULL. */
void option_print_effective(const struct option_table *table, const void *configuration,
                            const struct option_origin *origin, FILE *out);
/*
 * What a module says about a setting of its own begins with that setting, "section.option". Puts
 * before it where the file has it, "file:line: "; a default, and any other sentence, stays as it
 * is.
 */
void option_locate(const struct option_table *table, const struct option_origin *origin, char *why,
                   size_t why_size);
/* Prints every difference that needs a restart to take effect; returns their number. */
size_t option_compare(const struct option_table *table, const void *running, const void *fresh,
                      FILE *out);

#endif
