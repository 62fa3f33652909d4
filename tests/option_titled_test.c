/*
 * option_titled_test.c - sections with a title: many of a kind, some ready-made.
 *
 * Like option_test.c with a table of its own; what both kinds of sections share is tested there.
 */
#include "engine/base/option.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MOST         3

struct profile_settings {
    char *title;
    uint64_t level, wait_ms;
    char *reason;
};
struct whole {
    uint64_t alone;
    struct profile_settings profiles[MOST];
    size_t profile_count;
};

static const char *const levels[] = {"none", "encrypt", "verified", NULL};
static const struct option_row alone_rows[] = {
    {.name = "alone", .type = OPTION_NUMBER, .standard = "1", .help = "A number."}};
static const struct option_row profile_rows[] = {
    {.name = "level",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct profile_settings, level),
     .standard = "none",
     .help = "The least.",
     .choices = levels,
     .live = true},
    {.name = "wait",
     .type = OPTION_DURATION,
     .offset = offsetof(struct profile_settings, wait_ms),
     .standard = "60s",
     .help = "How long.",
     .live = true},
    {.name = "reason",
     .type = OPTION_TEXT,
     .offset = offsetof(struct profile_settings, reason),
     .help = "Why.",
     .live = true},
};
static const struct option_module alone_module = {"section", "One.", alone_rows, COUNT(alone_rows)};
static const struct option_module profile_module = {"profile", "Many.", profile_rows,
                                                    COUNT(profile_rows)};
static const struct option_preset presets[] = {{"hard", "level", "verified"},
                                               {"hard", "wait", "1s"},
                                               {"soft", "reason", "none asked"},
                                               {NULL, NULL, NULL}};
static const struct option_part parts[] = {
    {.module = &alone_module, .offset = offsetof(struct whole, alone)},
    {.module = &profile_module,
     .offset = offsetof(struct whole, profiles),
     .most = MOST,
     .stride = sizeof(struct profile_settings),
     .count_offset = offsetof(struct whole, profile_count),
     .presets = presets},
};
static const struct option_table table = {parts, COUNT(parts), sizeof(struct whole)};

static char folder[] = "/tmp/mxward-titled-XXXXXX";

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void remove_folder(void)
{
    unlink("main.conf");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}

static struct whole *settings;
static struct option_origin *origin;

static int load(const char *text, char why[256])
{
    void *configuration;
    FILE *out = fopen("main.conf", "w");

    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
    why[0] = '\0';
    int result = option_load(&table, "main.conf", &configuration, &origin, why, 256);
    settings = configuration;
    return result;
}

static void load_good(const char *text)
{
    char why[256];

    ck_assert_msg(load(text, why) == 0, "%s", why);
}

static void done(void)
{
    option_free(&table, settings, origin);
}

static const struct profile_settings *titled(const char *title)
{
    for (size_t i = 0; i < settings->profile_count; i++)
        if (strcmp(settings->profiles[i].title, title) == 0)
            return &settings->profiles[i];
    ck_abort_msg("there is no '%s'", title);
    return NULL;
}

static char *printed(void (*print)(FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(out);
    print(out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

static void print_sample(FILE *out)
{
    option_print_sample(&table, out);
}

static void print_effective(FILE *out)
{
    option_print_effective(&table, settings, origin, out);
}

static void print_bare(FILE *out)
{
    option_print_effective(&table, settings, NULL, out);
}

START_TEST(ready_made_titles_are_there_without_a_file_with_their_own_values)
{
    load_good("");
    ck_assert_uint_eq(settings->profile_count, 2);
    ck_assert_uint_eq(titled("hard")->level, 2);
    ck_assert_uint_eq(titled("hard")->wait_ms, 1000);
    ck_assert_ptr_null(titled("hard")->reason);
    ck_assert_uint_eq(titled("soft")->level, 0);
    ck_assert_uint_eq(titled("soft")->wait_ms, 60000);
    ck_assert_str_eq(titled("soft")->reason, "none asked");
    done();
}
END_TEST

START_TEST(a_file_changes_a_ready_made_one_and_adds_its_own)
{
    load_good("profile \"hard\" { wait = 2s }\nprofile own { level = encrypt reason = 'a b' }\n");
    ck_assert_uint_eq(settings->profile_count, 3);
    ck_assert_uint_eq(titled("hard")->level, 2);
    ck_assert_uint_eq(titled("hard")->wait_ms, 2000);
    ck_assert_uint_eq(titled("own")->level, 1);
    ck_assert_uint_eq(titled("own")->wait_ms, 60000);
    ck_assert_str_eq(titled("own")->reason, "a b");
    done();
}
END_TEST

START_TEST(a_title_without_a_value_is_there_with_the_defaults)
{
    load_good("profile empty { }\n");
    ck_assert_uint_eq(titled("empty")->wait_ms, 60000);
    done();
}
END_TEST

static const struct {
    const char *text, *why;
} refusals[] = {
    {"profile \"a\" { }\nprofile \"b\" { }\n",
     "main.conf:2: there are more than 3 sections 'profile'"},
    {"profile \"a\" { levle = none }\n",
     "main.conf:1: there is no option 'levle'; did you mean 'level'?"},
    {"profile \"a\" {\n level = lots\n}\n",
     "main.conf:2: option 'level': 'lots' is not one of: none, encrypt, verified"},
};

START_TEST(what_is_wrong_in_one_is_refused_with_file_and_line)
{
    char why[256];

    ck_assert_int_eq(load(refusals[_i].text, why), -1);
    ck_assert_str_eq(why, refusals[_i].why);
    ck_assert_ptr_null(settings);
}
END_TEST

START_TEST(a_title_twice_and_no_title_at_all_are_refused)
{
    char why[256];

    ck_assert_int_eq(load("profile a { wait = 1s }\nprofile a { wait = 2s }\n", why), -1);
    ck_assert_msg(strncmp(why, "main.conf:2: ", 13) == 0, "%s", why);
    ck_assert_int_eq(load("profile { wait = 1s }\n", why), -1);
    ck_assert_msg(strncmp(why, "main.conf:1: ", 13) == 0, "%s", why);
    ck_assert_int_eq(load("section \"a\" { alone = 2 }\n", why), -1);
}
END_TEST

START_TEST(the_effective_configuration_names_titles_and_origins_and_reads_back_the_same)
{
    load_good("profile \"hard\" {\n wait = 2s\n}\nprofile own { level = encrypt }\n");
    char *first = printed(print_effective), *bare = printed(print_bare);

    ck_assert_ptr_nonnull(strstr(first, "profile \"hard\" {\n    level = verified  # default\n"
                                        "    wait = 2s  # main.conf:2\n"));
    ck_assert_ptr_nonnull(strstr(first, "profile \"own\" {\n    level = encrypt  # main.conf:4\n"));
    done();
    load_good(bare);
    char *again = printed(print_bare);
    ck_assert_str_eq(bare, again);
    done();
    free(first);
    free(bare);
    free(again);
}
END_TEST

START_TEST(the_sample_names_the_ready_made_ones_and_changes_nothing)
{
    char *sample = printed(print_sample), *bare, *again;

    ck_assert_ptr_nonnull(strstr(sample, "profile \"hard\" {\n"));
    ck_assert_ptr_nonnull(strstr(sample, "    #level = verified\n"));
    ck_assert_ptr_nonnull(strstr(sample, "profile \"soft\" {\n    #level = none\n"));
    load_good("");
    bare = printed(print_bare);
    done();
    load_good(strstr(sample, "\nsection")); /* without its include of files that are not here */
    again = printed(print_bare);
    done();
    ck_assert_str_eq(bare, again);
    free(sample);
    free(bare);
    free(again);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/option, titled sections");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, make_folder, remove_folder);
    tcase_add_test(all, ready_made_titles_are_there_without_a_file_with_their_own_values);
    tcase_add_test(all, a_file_changes_a_ready_made_one_and_adds_its_own);
    tcase_add_test(all, a_title_without_a_value_is_there_with_the_defaults);
    tcase_add_loop_test(all, what_is_wrong_in_one_is_refused_with_file_and_line, 0,
                        COUNT(refusals));
    tcase_add_test(all, a_title_twice_and_no_title_at_all_are_refused);
    tcase_add_test(all,
                   the_effective_configuration_names_titles_and_origins_and_reads_back_the_same);
    tcase_add_test(all, the_sample_names_the_ready_made_ones_and_changes_nothing);
    suite_add_tcase(suite, all);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
