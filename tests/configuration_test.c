/*
 * configuration_test.c - the table of all settings is sound, and everything starts with no file.
 */
#include "engine/engine.h"

#include "engine/base/limits.h"
#include "engine/base/log.h"

#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct configuration *defaults(struct option_origin **origin)
{
    char why[256] = "";
    void *configuration;
    int result = option_load(&configuration_table, NULL, &configuration, origin, why, sizeof(why));
    ck_assert_msg(result == 0, "%s", why);
    return configuration;
}

START_TEST(every_default_is_sane_without_a_file)
{
    struct option_origin *origin;
    struct configuration *c = defaults(&origin);
    ck_assert_str_eq(c->daemon.run_directory, "/run/mxward");
    ck_assert_str_eq(c->daemon.state_directory, "/var/lib/mxward");
    ck_assert_uint_eq(c->daemon.log_level, LOG_NOTICE_LEVEL);
    ck_assert_ptr_null(c->dns.forwarder);
    ck_assert_str_eq(c->dns.trust_anchor, "/usr/share/dns/root.key");
    ck_assert(c->probe.ipv4);
    ck_assert(c->probe.ipv6);
    ck_assert_msg(!c->probe.allow_reserved, "never into the operator's own network unasked");
    ck_assert_uint_ge(c->politeness.per_address, 1);
    ck_assert_uint_le(c->politeness.per_address, c->politeness.per_prefix);
    ck_assert_uint_eq(c->politeness.opt_out.count, 0);
    ck_assert_uint_eq(c->listen.mode, 0660);
    ck_assert_uint_eq(c->listen.switch_users.count, 0);
    ck_assert_uint_eq(c->listen.admin_users.count, 0);
    option_free(&configuration_table, c, origin);
}
END_TEST

static void expect_choices(const struct option_module *module, const char *name,
                           const char *const *words, size_t count)
{
    size_t rows = 0;

    for (size_t i = 0; i < module->row_count; i++) {
        if (strcmp(module->rows[i].name, name) != 0)
            continue;
        rows++;
        for (size_t w = 0; w < count; w++)
            ck_assert_str_eq(module->rows[i].choices[w], words[w]);
        ck_assert_ptr_null(module->rows[i].choices[count]);
    }
    ck_assert_uint_eq(rows, 1);
}

START_TEST(choices_stand_in_the_order_of_their_enum)
{
    static const char *const levels[] = {[LOG_ERROR_LEVEL] = "error",
                                         [LOG_WARNING_LEVEL] = "warning",
                                         [LOG_NOTICE_LEVEL] = "notice",
                                         [LOG_INFO_LEVEL] = "info",
                                         [LOG_TRACE_LEVEL] = "trace"};
    static const char *const unmets[] = {[UNMET_HOLD] = "hold", [UNMET_STOP] = "stop"};
    static const char *const troubles[] = {
        [TROUBLE_TEMPORARY] = "temporary", [TROUBLE_PASS] = "pass"};

    expect_choices(configuration_table.parts[0].module, "log_level", levels, 5);
    expect_choices(&profile_option_module, "unmet", unmets, 2);
    expect_choices(&profile_option_module, "trouble", troubles, 2);
}
END_TEST

static size_t size_of(enum option_type type)
{
    switch (type) {
    case OPTION_BOOLEAN:
        return sizeof(bool);
    case OPTION_TEXT:
        return sizeof(char *);
    case OPTION_LIST:
        return sizeof(struct option_list);
    case OPTION_NUMBER:
    case OPTION_DURATION:
    case OPTION_SIZE:
    case OPTION_MODE:
    case OPTION_CHOICE:
        return sizeof(uint64_t);
    }
    return 0;
}

static void check_name(const char *name)
{
    ck_assert_uint_ge(strlen(name), 2);
    ck_assert_uint_lt(strlen(name), LIMIT_OPTION_NAME);
    ck_assert_msg(name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0', "%s", name);
}

static void check_help(const char *name, const char *help)
{
    ck_assert_msg(help != NULL && strlen(help) >= 10, "%s has no help", name);
    ck_assert_msg(help[strlen(help) - 1] == '.', "%s: the help is no sentence: %s", name, help);
    ck_assert_msg(isupper((unsigned char)help[0]) || strncmp(help, "mxward", 6) == 0, "%s: %s",
                  name, help);
}

START_TEST(every_row_has_a_place_a_name_a_range_and_a_help_of_its_own)
{
    char *taken = calloc(1, configuration_table.size);
    ck_assert_ptr_nonnull(taken);
    for (size_t p = 0; p < configuration_table.part_count; p++) {
        const struct option_part *part = &configuration_table.parts[p];
        check_name(part->module->section);
        check_help(part->module->section, part->module->help);
        for (size_t i = 0; i < part->module->row_count; i++) {
            const struct option_row *row = &part->module->rows[i];
            check_name(row->name);
            check_help(row->name, row->help);
            ck_assert_uint_le(row->minimum, row->maximum);
            ck_assert_int_eq(row->choices != NULL, row->type == OPTION_CHOICE);
            for (size_t byte = 0; byte < size_of(row->type); byte++) {
                size_t at = part->offset + row->offset + byte;
                ck_assert_uint_lt(at, configuration_table.size);
                ck_assert_msg(taken[at] == 0, "%s shares its place", row->name);
                taken[at] = 1;
            }
            for (size_t other = 0; other < i; other++)
                ck_assert_str_ne(row->name, part->module->rows[other].name);
        }
    }
    free(taken);
}
END_TEST

/* What is printed, read back. */
START_TEST(the_sample_reads_back_as_the_defaults)
{
    char folder[] = "/tmp/mxward-configuration-XXXXXX", why[256] = "";
    struct option_origin *origin, *fresh_origin;
    struct configuration *running = defaults(&origin);
    void *fresh;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    option_print_sample(&configuration_table, out);
    ck_assert_int_eq(fclose(out), 0);
    for (char *at = text; (at = strstr(at, "\n    #")) != NULL; at++)
        if (at[6] != ' ')
            at[5] = ' ';
    out = fopen("sample.conf", "we");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
    int result =
        option_load(&configuration_table, "sample.conf", &fresh, &fresh_origin, why, sizeof(why));
    ck_assert_msg(result == 0, "%s", why);
    FILE *nowhere = fopen("/dev/null", "we");
    ck_assert_ptr_nonnull(nowhere);
    ck_assert_uint_eq(option_compare(&configuration_table, running, fresh, nowhere), 0);
    fclose(nowhere);
    option_free(&configuration_table, running, origin);
    option_free(&configuration_table, fresh, fresh_origin);
    free(text);
    unlink("sample.conf");
    ck_assert_int_eq(chdir("/"), 0);
    rmdir(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("configuration");
    TCase *table = tcase_create("table");
    tcase_add_test(table, every_default_is_sane_without_a_file);
    tcase_add_test(table, choices_stand_in_the_order_of_their_enum);
    tcase_add_test(table, every_row_has_a_place_a_name_a_range_and_a_help_of_its_own);
    tcase_add_test(table, the_sample_reads_back_as_the_defaults);
    suite_add_tcase(suite, table);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
