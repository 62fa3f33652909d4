/*
 * configuration_fuzz.c - any bytes as a configuration file.
 *
 * Properties: a load gives settings or one line of refusal that begins with the file, never both;
 * what is accepted prints as a file that reads back the same; and no load, however it ended,
 * changes how the next one reads (libconfuse's scanner has global state).
 *
 * The files stand in a folder of their own; inputs that include from elsewhere are passed over.
 */
#include "engine/base/check.h"
#include "engine/base/option.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct settings {
    uint64_t number, duration, size, mode, choice;
    bool boolean;
    char *text;
    struct option_list list, names;
};

static const char *const choices[] = {"error", "notice", "trace", NULL};
static const struct option_row rows[] = {
    {.name = "number",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct settings, number),
     .maximum = 64,
     .standard = "0"},
    {.name = "duration",
     .type = OPTION_DURATION,
     .offset = offsetof(struct settings, duration),
     .standard = "10s"},
    {.name = "size",
     .type = OPTION_SIZE,
     .offset = offsetof(struct settings, size),
     .standard = "4k"},
    {.name = "mode",
     .type = OPTION_MODE,
     .offset = offsetof(struct settings, mode),
     .standard = "0660"},
    {.name = "choice",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct settings, choice),
     .standard = "notice",
     .choices = choices},
    {.name = "boolean",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct settings, boolean),
     .standard = "yes"},
    {.name = "text",
     .type = OPTION_TEXT,
     .offset = offsetof(struct settings, text),
     .maximum = 40,
     .standard = "x"},
};
static const struct option_row list_rows[] = {
    {.name = "list",
     .type = OPTION_LIST,
     .offset = offsetof(struct settings, list),
     .standard = "{ a, b }"},
    {.name = "names",
     .type = OPTION_LIST,
     .offset = offsetof(struct settings, names),
     .maximum = 3},
};
static const struct option_module first = {"first", NULL, rows, sizeof(rows) / sizeof(rows[0])};
static const struct option_module second = {"second", NULL, list_rows, 2};
static const struct option_part parts[] = {{.module = &first}, {.module = &second}};
static const struct option_table table = {parts, 2, sizeof(struct settings)};

static char folder[] = "/tmp/mxward-fuzz-XXXXXX";
static FILE *nowhere;

static void clean_up(void)
{
    static const char *const names[] = {"main.conf", "again.conf", "part.conf"};
    char path[64];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "we");
    CHECK(file != NULL);
    CHECK(fwrite(bytes, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    static const char part[] = "second { list += { part } }\n";
    (void)count;
    (void)arguments;
    nowhere = fopen("/dev/null", "we");
    CHECK(nowhere != NULL);
    CHECK(mkdtemp(folder) != NULL);
    CHECK(atexit(clean_up) == 0);
    char path[64];
    snprintf(path, sizeof(path), "%s/part.conf", folder);
    write_file(path, part, sizeof(part) - 1);
    return 0;
}

static int load(const char *name, void **settings, struct option_origin **origin)
{
    char path[64], why[512] = "";
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int result = option_load(&table, path, settings, origin, why, sizeof(why));
    CHECK((result == 0) == (*settings != NULL));
    CHECK((result == 0) == (*origin != NULL));
    if (result == 0)
        CHECK(why[0] == '\0');
    else
        CHECK(strncmp(why, "/tmp/", 5) == 0 && strstr(why, ": ") != NULL);
    return result;
}

static void check_reads_back(const void *settings, const struct option_origin *origin)
{
    char *text = NULL;
    size_t size = 0;
    void *again;
    struct option_origin *again_origin;
    char path[64];
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    option_print_effective(&table, settings, origin, out);
    CHECK(fclose(out) == 0);
    snprintf(path, sizeof(path), "%s/again.conf", folder);
    write_file(path, text, size);
    CHECK(load("again.conf", &again, &again_origin) == 0);
    CHECK(option_compare(&table, settings, again, nowhere) == 0);
    option_free(&table, again, again_origin);
    free(text);
}

/* A load of a file that is good, and always read the same. */
static void check_next_load(void)
{
    void *settings;
    struct option_origin *origin;
    CHECK(load("part.conf", &settings, &origin) == 0);
    const struct settings *read = settings;
    CHECK(read->list.count == 3 && strcmp(read->list.texts[2], "part") == 0);
    option_free(&table, settings, origin);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    void *settings;
    struct option_origin *origin;
    char path[64];
    if (memmem(bytes, size, "include", 7) != NULL && memchr(bytes, '/', size) != NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/main.conf", folder);
    write_file(path, bytes, size);
    if (load("main.conf", &settings, &origin) == 0) {
        check_reads_back(settings, origin);
        option_free(&table, settings, origin);
    }
    check_next_load();
    return 0;
}
