/*
 * option_play.c - a configuration is loaded while the n-th allocation fails, for every n.
 *
 * A load without memory is refused with a sentence, leaves nothing behind (the sanitizer's run
 * looks for leaks), and the next one is as good as ever. libconfuse's own allocations are its own:
 * it is not linked with the wrappers.
 */
#include "engine/base/option.h"
#include "tests/plays/world/world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    uint64_t number;
    char *text, *other;
    struct option_list list, names;
};
static const struct option_row rows[] = {
    {.name = "number",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct settings, number),
     .maximum = 64,
     .standard = "0"},
    {.name = "text",
     .type = OPTION_TEXT,
     .offset = offsetof(struct settings, text),
     .standard = "some text"},
    {.name = "other", .type = OPTION_TEXT, .offset = offsetof(struct settings, other)},
    {.name = "list",
     .type = OPTION_LIST,
     .offset = offsetof(struct settings, list),
     .standard = "{ a, b }"},
    {.name = "names", .type = OPTION_LIST, .offset = offsetof(struct settings, names)},
};
static const struct option_module module = {"main", NULL, rows, sizeof(rows) / sizeof(rows[0])};
static const struct option_part part = {.module = &module};
static const struct option_table table = {&part, 1, sizeof(struct settings)};

static char folder[] = "/tmp/mxward-option-play-XXXXXX";

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void enter(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    write_file("main.conf", "include('part.conf')\n"
                            "main {\n  number = 7\n  other = x\n  names = { c, d, e }\n}\n");
    write_file("part.conf", "# a part\nmain { text = 'y' list += { z } }\n");
}

static void leave(void)
{
    unlink("main.conf");
    unlink("part.conf");
    ck_assert_int_eq(chdir("/"), 0);
    rmdir(folder);
}

static int load(void **settings, struct option_origin **origin, char why[256])
{
    why[0] = '\0';
    return option_load(&table, "main.conf", settings, origin, why, 256);
}

static void check_settings(const struct settings *settings)
{
    ck_assert_uint_eq(settings->number, 7);
    ck_assert_str_eq(settings->text, "y");
    ck_assert_str_eq(settings->other, "x");
    ck_assert_uint_eq(settings->list.count, 3);
    ck_assert_str_eq(settings->list.texts[2], "z");
    ck_assert_uint_eq(settings->names.count, 3);
}

START_TEST(a_load_without_memory_is_refused_whole_and_leaves_nothing)
{
    void *settings;
    struct option_origin *origin;
    char why[256];
    uint64_t refusals = 0;
    for (uint64_t n = 1;; n++) {
        world_allocations_begin(n);
        int result = load(&settings, &origin, why);
        world_allocations_end();
        if (!world_allocation_failed()) {
            ck_assert_int_eq(result, 0);
            option_free(&table, settings, origin);
            break;
        }
        ck_assert_int_eq(result, -1);
        ck_assert_ptr_null(settings);
        ck_assert_ptr_null(origin);
        ck_assert_msg(strstr(why, "memory") != NULL, "allocation %lu: '%s'", (unsigned long)n, why);
        ck_assert_int_eq(load(&settings, &origin, why), 0);
        check_settings(settings);
        option_free(&table, settings, origin);
        refusals++;
    }
    ck_assert_uint_ge(refusals, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("option play");
    TCase *memory = tcase_create("memory");
    tcase_add_checked_fixture(memory, enter, leave);
    tcase_add_test(memory, a_load_without_memory_is_refused_whole_and_leaves_nothing);
    suite_add_tcase(suite, memory);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
