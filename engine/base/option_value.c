/*
 * option_value.c - texts to values and back, by the type of the row.
 *
 * Pure but for memory; nothing here knows files. What the operator wrote wrong comes back as a
 * sentence; a default that is wrong is our mistake and ends in CHECK, at the first start after it
 * was written. Digits and letters are compared as ASCII, whatever the locale.
 */
#include "engine/base/option_value.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};
/* From the largest to the smallest: a value is printed in the first that divides it. */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                             {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit size_units[] = {{"t", (uint64_t)1 << 40}, {"g", 1 << 30}, {"m", 1 << 20},
                                         {"k", 1 << 10},           {"", 1},        {NULL, 0}};

/* The caller keeps the constness of what it was given. */
static void *field_of(const struct option_row *row, const void *settings)
{
    return (char *)(uintptr_t)settings + row->offset;
}

static uint64_t *number_of(const struct option_row *row, const void *settings)
{
    return field_of(row, settings);
}

static bool *boolean_of(const struct option_row *row, const void *settings)
{
    return field_of(row, settings);
}

static char **text_of(const struct option_row *row, const void *settings)
{
    return field_of(row, settings);
}

static struct option_list *list_of(const struct option_row *row, const void *settings)
{
    return field_of(row, settings);
}

/* ------------------------------------------------------------------ words and numbers */

static bool same_word(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        char lower = *a >= 'A' && *a <= 'Z' ? (char)(*a - 'A' + 'a') : *a;
        if (lower != *b)
            return false;
    }
    return *a == *b;
}

/* Digits in `base` at *text, which moves behind them. False if there are none, or too many. */
static bool parse_digits(const char **text, unsigned base, uint64_t *value)
{
    const char *at = *text;
    *value = 0;
    for (; *at >= '0' && *at < (char)('0' + base); at++) {
        if (__builtin_mul_overflow(*value, base, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*at - '0'), value))
            return false;
    }
    bool any = at != *text;
    *text = at;
    return any;
}

static bool parse_with_unit(const char *text, const struct unit *units, uint64_t *value)
{
    if (!parse_digits(&text, 10, value))
        return false;
    if (*value == 0 && *text == '\0')
        return true; /* nothing needs no unit */
    for (; units->name != NULL; units++)
        if (same_word(text, units->name))
            return !__builtin_mul_overflow(*value, units->factor, value);
    return false;
}

static bool parse_boolean(const char *text, bool *value)
{
    static const char *const words[][2] = {{"yes", "no"}, {"true", "false"}, {"on", "off"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        for (size_t no = 0; no < 2; no++)
            if (same_word(text, words[i][no])) {
                *value = no == 0;
                return true;
            }
    return false;
}

static bool parse_choice(const struct option_row *row, const char *text, uint64_t *value)
{
    for (*value = 0; row->choices[*value] != NULL; ++*value)
        if (same_word(text, row->choices[*value]))
            return true;
    return false;
}

static int set_text(const struct option_row *row, void *settings, const char *text)
{
    char *copy = text[0] != '\0' ? strdup(text) : NULL;
    if (copy == NULL && text[0] != '\0')
        return -ENOMEM;
    free(*text_of(row, settings));
    *text_of(row, settings) = copy;
    return 0;
}

static bool parse_scalar(const struct option_row *row, void *settings, const char *text)
{
    const char *rest = text;
    switch (row->type) {
    case OPTION_BOOLEAN:
        return parse_boolean(text, boolean_of(row, settings));
    case OPTION_NUMBER:
        return parse_digits(&rest, 10, number_of(row, settings)) && *rest == '\0';
    case OPTION_MODE:
        return parse_digits(&rest, 8, number_of(row, settings)) && *rest == '\0' &&
               *number_of(row, settings) <= 07777;
    case OPTION_DURATION:
        return parse_with_unit(text, duration_units, number_of(row, settings));
    case OPTION_SIZE:
        return parse_with_unit(text, size_units, number_of(row, settings));
    case OPTION_CHOICE:
        return parse_choice(row, text, number_of(row, settings));
    case OPTION_TEXT:
    case OPTION_LIST:
        break;
    }
    return false;
}

/* ------------------------------------------------------------------ sentences */

static const char *type_text(enum option_type type)
{
    switch (type) {
    case OPTION_BOOLEAN:
        return "yes or no";
    case OPTION_NUMBER:
        return "a number";
    case OPTION_DURATION:
        return "a duration (500ms, 10s, 5m, 2h, 30d)";
    case OPTION_SIZE:
        return "a size in bytes (4096, 512k, 64m, 2g)";
    case OPTION_MODE:
        return "an octal file mode (0660)";
    case OPTION_TEXT:
        return "a text";
    case OPTION_LIST:
        return "a list";
    case OPTION_CHOICE:
        return "one of";
    }
    return "a value";
}

static void print_with_unit(uint64_t value, const struct unit *units, FILE *out)
{
    while (units[1].name != NULL && (value == 0 || value % units->factor != 0))
        units++;
    fprintf(out, "%" PRIu64 "%s", value / units->factor, units->name);
}

static void print_number(enum option_type type, uint64_t value, FILE *out)
{
    if (type == OPTION_DURATION)
        print_with_unit(value, duration_units, out);
    else if (type == OPTION_SIZE)
        print_with_unit(value, size_units, out);
    else if (type == OPTION_MODE)
        fprintf(out, "%04" PRIo64, value);
    else
        fprintf(out, "%" PRIu64, value);
}

static bool has_range(const struct option_row *row)
{
    return row->minimum != 0 || row->maximum != 0;
}

static void print_range(const struct option_row *row, FILE *out)
{
    print_number(row->type, row->minimum, out);
    if (row->maximum == UINT64_MAX) {
        fputs(" or more", out);
    } else {
        fputs("..", out);
        print_number(row->type, row->maximum, out);
    }
    if (row->type == OPTION_TEXT)
        fputs(" bytes", out);
    if (row->type == OPTION_LIST)
        fputs(" texts", out);
}

void option_value_print_domain(const struct option_row *row, FILE *out)
{
    fputs(type_text(row->type), out);
    for (size_t i = 0; row->type == OPTION_CHOICE && row->choices[i] != NULL; i++)
        fprintf(out, "%s%s", i == 0 ? ": " : ", ", row->choices[i]);
    if (has_range(row)) {
        fputs(", ", out);
        print_range(row, out);
    }
}

/* `print` to a string. What does not fit is cut. */
static void sentence(char *why, size_t why_size, const char *begin, const struct option_row *row,
                     void (*print)(const struct option_row *, FILE *))
{
    memset(why, 0, why_size);
    FILE *out = why_size > 1 ? fmemopen(why, why_size - 1, "w") : NULL;
    if (out == NULL)
        return;
    fputs(begin, out);
    print(row, out);
    fclose(out);
}

/* ------------------------------------------------------------------ the row's value */

int option_value_parse(const struct option_row *row, void *settings, const char *text, char *why,
                       size_t why_size)
{
    char begin[160];
    CHECK(row->type != OPTION_LIST);
    if (row->type == OPTION_TEXT) {
        if (set_text(row, settings, text) != 0)
            return -ENOMEM;
    } else if (!parse_scalar(row, settings, text)) {
        snprintf(begin, sizeof(begin), "'%.100s' is not ", text);
        sentence(why, why_size, begin, row, option_value_print_domain);
        return -1;
    }
    return option_value_check(row, settings, why, why_size);
}

int option_value_check(const struct option_row *row, const void *settings, char *why,
                       size_t why_size)
{
    uint64_t value = 0;
    if (!has_range(row) || row->type == OPTION_BOOLEAN || row->type == OPTION_CHOICE)
        return 0;
    if (row->type == OPTION_LIST)
        value = list_of(row, settings)->count;
    else if (row->type != OPTION_TEXT)
        value = *number_of(row, settings);
    else if (*text_of(row, settings) != NULL)
        value = strlen(*text_of(row, settings));
    if (value >= row->minimum && value <= row->maximum)
        return 0;
    sentence(why, why_size, "out of range: ", row, print_range);
    return -1;
}

int option_value_set_list(const struct option_row *row, void *settings, size_t count,
                          const char *const *texts)
{
    CHECK(row->type == OPTION_LIST);
    option_value_free(row, settings);
    struct option_list *list = list_of(row, settings);
    if (count == 0)
        return 0;
    list->texts = calloc(count, sizeof(*list->texts));
    if (list->texts == NULL)
        return -ENOMEM;
    for (; list->count < count; list->count++)
        if ((list->texts[list->count] = strdup(texts[list->count])) == NULL)
            return -ENOMEM;
    return 0;
}

size_t option_value_split(char *copy, const char **texts, size_t max)
{
    size_t count = 0;
    for (char *save = NULL, *text = strtok_r(copy, "{}, \"", &save); text != NULL && count < max;
         text = strtok_r(NULL, "{}, \"", &save))
        texts[count++] = text;
    return count;
}

int option_value_set_default(const struct option_row *row, void *settings)
{
    char why[160], copy[256];
    const char *texts[16], *standard = row->standard != NULL ? row->standard : "";
    if (row->type == OPTION_LIST) {
        CHECK(strlen(standard) < sizeof(copy));
        memcpy(copy, standard, strlen(standard) + 1);
        size_t count = option_value_split(copy, texts, sizeof(texts) / sizeof(texts[0]));
        return option_value_set_list(row, settings, count, texts);
    }
    int result = row->type == OPTION_TEXT
                     ? set_text(row, settings, standard)
                     : option_value_parse(row, settings, standard, why, sizeof(why));
    CHECK(result != -1);
    return result;
}

void option_value_free(const struct option_row *row, void *settings)
{
    if (row->type == OPTION_TEXT) {
        free(*text_of(row, settings));
        *text_of(row, settings) = NULL;
    }
    if (row->type == OPTION_LIST) {
        struct option_list *list = list_of(row, settings);
        for (size_t i = 0; i < list->count; i++)
            free(list->texts[i]);
        free(list->texts);
        *list = (struct option_list){0};
    }
}

static bool equal_texts(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

bool option_value_equal(const struct option_row *row, const void *a, const void *b)
{
    if (row->type == OPTION_BOOLEAN)
        return *boolean_of(row, a) == *boolean_of(row, b);
    if (row->type == OPTION_TEXT)
        return equal_texts(*text_of(row, a), *text_of(row, b));
    if (row->type != OPTION_LIST)
        return *number_of(row, a) == *number_of(row, b);
    const struct option_list *list = list_of(row, a), *other = list_of(row, b);
    if (list->count != other->count)
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (!equal_texts(list->texts[i], other->texts[i]))
            return false;
    return true;
}

/* Quoted where the file needs it. */
static void print_text(const char *text, FILE *out)
{
    bool plain = text[0] != '\0' && strncmp(text, "//", 2) != 0 &&
                 text[strcspn(text, " \t#\"'={}()+,*$\\")] == '\0';
    if (plain) {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

void option_value_print(const struct option_row *row, const void *settings, FILE *out)
{
    const struct option_list *list;
    switch (row->type) {
    case OPTION_BOOLEAN:
        fputs(*boolean_of(row, settings) ? "yes" : "no", out);
        break;
    case OPTION_TEXT:
        print_text(*text_of(row, settings) != NULL ? *text_of(row, settings) : "", out);
        break;
    case OPTION_LIST:
        list = list_of(row, settings);
        fputs("{", out);
        for (size_t i = 0; i < list->count; i++) {
            fputs(i == 0 ? " " : ", ", out);
            print_text(list->texts[i], out);
        }
        fputs(" }", out);
        break;
    case OPTION_CHOICE:
        fputs(row->choices[*number_of(row, settings)], out);
        break;
    case OPTION_NUMBER:
    case OPTION_DURATION:
    case OPTION_SIZE:
    case OPTION_MODE:
        print_number(row->type, *number_of(row, settings), out);
        break;
    }
}
