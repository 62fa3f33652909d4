/*
 * option_test.c - settings come from rows, files are read whole or not at all, and every refusal
 * says where and what.
 *
 * The table here is the test's own, with a row of each type. tests/configuration_test.c looks at
 * the table of the daemon.
 */
#include "engine/base/limits.h"
#include "engine/base/option.h"

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct alpha {
    uint64_t shards, level, bytes, mode, wait_ms;
    bool ipv6;
    char *directory, *forwarder;
};
struct beta {
    struct option_list users, prefixes;
    uint64_t parallel;
};
struct whole {
    struct alpha alpha;
    struct beta beta;
};

static const char *const levels[] = {"error", "warning", "info", NULL};
static const struct option_row alpha_rows[] = {
    {"shards", OPTION_NUMBER, offsetof(struct alpha, shards), 0, 64, "0",
     "Threads that probe. One for each processor if 0.", NULL, false},
    {"level", OPTION_CHOICE, offsetof(struct alpha, level), 0, 0, "info", "What is logged.", levels,
     true},
    {"bytes", OPTION_SIZE, offsetof(struct alpha, bytes), 4096, (uint64_t)1 << 40, "64m",
     "Size of the table.", NULL, false},
    {"mode", OPTION_MODE, offsetof(struct alpha, mode), 0, 0, "0660", "Mode of the socket.", NULL,
     true},
    {"wait", OPTION_DURATION, offsetof(struct alpha, wait_ms), 10, 86400000, "30s", "How long.",
     NULL, true},
    {"ipv6", OPTION_BOOLEAN, offsetof(struct alpha, ipv6), 0, 0, "yes", "Whether.", NULL, true},
    {"directory", OPTION_TEXT, offsetof(struct alpha, directory), 1, 30, "/run/mxward", "Where.",
     NULL, false},
    {"forwarder", OPTION_TEXT, offsetof(struct alpha, forwarder), 0, 0, NULL, "Whom to ask.", NULL,
     false},
};
static const struct option_row beta_rows[] = {
    {"users", OPTION_LIST, offsetof(struct beta, users), 0, 4, "{ root, \"*\" }", "Who may ask.",
     NULL, true},
    {"prefixes", OPTION_LIST, offsetof(struct beta, prefixes), 0, 0, NULL, "Who is left alone.",
     NULL, false},
    {"parallel", OPTION_NUMBER, offsetof(struct beta, parallel), 1, UINT64_MAX, "2000", "How many.",
     NULL, true},
};
static const struct option_module alpha_module = {"alpha", "The first section.", alpha_rows,
                                                  COUNT(alpha_rows)};
static const struct option_module beta_module = {"beta", "The second section.", beta_rows,
                                                 COUNT(beta_rows)};
static const struct option_part parts[] = {
    {.module = &alpha_module, .offset = offsetof(struct whole, alpha)},
    {.module = &beta_module, .offset = offsetof(struct whole, beta)}};
static const struct option_table table = {parts, COUNT(parts), sizeof(struct whole)};

/* ------------------------------------------------------------------ files */

static char folder[] = "/tmp/mxward-option-XXXXXX";

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void write_bytes(const char *name, const char *bytes, size_t length)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    close(fd);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static struct whole *settings;
static struct option_origin *origin;

static struct whole *load(const char *text)
{
    char why[256] = "";
    void *configuration;
    write_text("main.conf", text);
    int result = option_load(&table, "main.conf", &configuration, &origin, why, sizeof(why));
    ck_assert_msg(result == 0, "%s", why);
    return settings = configuration;
}

static void refused(const char *text, const char *expected)
{
    char why[256] = "";
    void *configuration = &why;
    write_text("main.conf", text);
    int result = option_load(&table, "main.conf", &configuration, &origin, why, sizeof(why));
    ck_assert_int_eq(result, -1);
    ck_assert_ptr_null(configuration);
    ck_assert_ptr_null(origin);
    ck_assert_str_eq(why, expected);
}

static void done(void)
{
    option_free(&table, settings, origin);
    settings = NULL;
    origin = NULL;
}

static void check_defaults(const struct whole *whole)
{
    ck_assert_uint_eq(whole->alpha.shards, 0);
    ck_assert_uint_eq(whole->alpha.level, 2);
    ck_assert_uint_eq(whole->alpha.bytes, 64u << 20);
    ck_assert_uint_eq(whole->alpha.mode, 0660);
    ck_assert_uint_eq(whole->alpha.wait_ms, 30000);
    ck_assert(whole->alpha.ipv6);
    ck_assert_str_eq(whole->alpha.directory, "/run/mxward");
    ck_assert_ptr_null(whole->alpha.forwarder);
    ck_assert_uint_eq(whole->beta.users.count, 2);
    ck_assert_str_eq(whole->beta.users.texts[0], "root");
    ck_assert_str_eq(whole->beta.users.texts[1], "*");
    ck_assert_uint_eq(whole->beta.prefixes.count, 0);
    ck_assert_uint_eq(whole->beta.parallel, 2000);
}

/* ------------------------------------------------------------------ values */

START_TEST(without_a_file_everything_has_its_default)
{
    char why[256] = "";
    void *configuration;
    ck_assert_int_eq(option_load(&table, NULL, &configuration, &origin, why, sizeof(why)), 0);
    check_defaults(configuration);
    option_free(&table, configuration, origin);
    check_defaults(load(""));
    done();
    check_defaults(load("# nothing but words\n\n// more\n/* and\n * more */\nalpha { }\n"));
    done();
}
END_TEST

START_TEST(every_type_is_read)
{
    load("alpha {\n"
         "  shards = 8\n  level = WARNING\n  bytes = 2g\n  mode = 600\n  wait = 500ms\n"
         "  ipv6 = no\n  directory = /var/lib/x//y\n  forwarder = \"127.0.0.1 @ 53\"\n}\n"
         "beta { users = { a, 'b c', \"d\\\"e\" } parallel = 18446744073709551615 }");
    ck_assert_uint_eq(settings->alpha.shards, 8);
    ck_assert_uint_eq(settings->alpha.level, 1);
    ck_assert_uint_eq(settings->alpha.bytes, (uint64_t)2 << 30);
    ck_assert_uint_eq(settings->alpha.mode, 0600);
    ck_assert_uint_eq(settings->alpha.wait_ms, 500);
    ck_assert(!settings->alpha.ipv6);
    ck_assert_str_eq(settings->alpha.directory, "/var/lib/x//y");
    ck_assert_str_eq(settings->alpha.forwarder, "127.0.0.1 @ 53");
    ck_assert_uint_eq(settings->beta.users.count, 3);
    ck_assert_str_eq(settings->beta.users.texts[0], "a");
    ck_assert_str_eq(settings->beta.users.texts[1], "b c");
    ck_assert_str_eq(settings->beta.users.texts[2], "d\"e");
    ck_assert_uint_eq(settings->beta.parallel, UINT64_MAX);
    done();
}
END_TEST

static const struct {
    const char *text;
    uint64_t value;
} durations[] =
    {
        {"10ms", 10},     {"10s", 10000}, {"5m", 300000},       {"2h", 7200000},
        {"1d", 86400000}, {"10S", 10000}, {"86400s", 86400000},
},
  sizes[] = {
      {"4096", 4096}, {"4k", 4096}, {"512K", 524288}, {"64m", 67108864}, {"1t", (uint64_t)1 << 40},
};

START_TEST(durations_and_sizes_have_units)
{
    char text[64];
    for (size_t i = 0; i < COUNT(durations); i++) {
        snprintf(text, sizeof(text), "alpha { wait = %s }", durations[i].text);
        ck_assert_uint_eq(load(text)->alpha.wait_ms, durations[i].value);
        done();
    }
    for (size_t i = 0; i < COUNT(sizes); i++) {
        snprintf(text, sizeof(text), "alpha { bytes = %s }", sizes[i].text);
        ck_assert_uint_eq(load(text)->alpha.bytes, sizes[i].value);
        done();
    }
}
END_TEST

START_TEST(yes_and_no_have_three_spellings)
{
    static const char *const words[][2] = {
        {"yes", "no"}, {"true", "false"}, {"on", "off"}, {"YES", "No"}};
    char text[64];
    for (size_t i = 0; i < COUNT(words); i++)
        for (int no = 0; no < 2; no++) {
            snprintf(text, sizeof(text), "alpha { ipv6 = %s }", words[i][no]);
            ck_assert_int_eq(load(text)->alpha.ipv6, no == 0);
            done();
        }
}
END_TEST

START_TEST(the_last_word_counts_and_sections_may_come_again)
{
    load("alpha { shards = 1\n shards = 2 }\nbeta { parallel = 3 }\nalpha { ipv6 = no }\n");
    ck_assert_uint_eq(settings->alpha.shards, 2);
    ck_assert(!settings->alpha.ipv6);
    ck_assert_uint_eq(settings->beta.parallel, 3);
    done();
}
END_TEST

static const struct {
    const char *text, *joined;
} lists[] = {
    {"beta { }", "root *"},
    {"beta { users = { } }", ""},
    {"beta { users = { a } }", "a"},
    {"beta { users = a }", "a"},
    {"beta { users = {\n a,\n b # two\n } }", "a b"},
    {"beta { users += { a } }", "root * a"},
    {"beta { users += a }", "root * a"},
    {"beta { users = { } users += { a } }", "a"},
    {"beta { users = { a } }\nbeta { users += { b } }", "a b"},
    {"beta { users = { a } }\nbeta { users = { b } }", "b"},
    {"beta { users = { a } }\nbeta { users = { } }", ""},
    {"beta { users = { a } }\nbeta { parallel = 1 }", "a"},
};

START_TEST(a_list_is_replaced_by_equals_and_lengthened_by_plus_equals)
{
    char joined[256] = "";
    load(lists[_i].text);
    for (size_t i = 0; i < settings->beta.users.count; i++) {
        strcat(joined, i > 0 ? " " : "");
        strcat(joined, settings->beta.users.texts[i]);
    }
    ck_assert_str_eq(joined, lists[_i].joined);
    done();
}
END_TEST

START_TEST(an_empty_text_is_no_text)
{
    ck_assert_ptr_null(load("alpha { forwarder = x\n forwarder = '' }")->alpha.forwarder);
    done();
}
END_TEST

/* ------------------------------------------------------------------ refusals */

static const struct {
    const char *text, *why;
} refusals[] = {
    /* values; the line is right behind comments and inside sections */
    {"# a\n// b\n/* c\n d */\nalpha {\n  # e\n  wait = 10x\n}\n",
     "main.conf:7: option 'wait': '10x' is not a duration (500ms, 10s, 5m, 2h, 30d), 10ms..1d"},
    {"alpha { wait = 10 }", "main.conf:1: option 'wait': '10' is not a duration (500ms, 10s, 5m, "
                            "2h, 30d), 10ms..1d"},
    {"alpha {\n wait = 9ms }", "main.conf:2: option 'wait': out of range: 10ms..1d"},
    {"alpha {\n wait = 2d }", "main.conf:2: option 'wait': out of range: 10ms..1d"},
    {"alpha { wait = 99999999999999999999s }",
     "main.conf:1: option 'wait': '99999999999999999999s' is not a duration (500ms, 10s, 5m, 2h, "
     "30d), 10ms..1d"},
    {"alpha { wait = 18446744073709551615d }",
     "main.conf:1: option 'wait': '18446744073709551615d' is not a duration (500ms, 10s, 5m, 2h, "
     "30d), 10ms..1d"},
    {"alpha { shards = 65 }", "main.conf:1: option 'shards': out of range: 0..64"},
    {"alpha { shards = -1 }", "main.conf:1: option 'shards': '-1' is not a number, 0..64"},
    {"alpha { shards = 1.5 }", "main.conf:1: option 'shards': '1.5' is not a number, 0..64"},
    {"alpha { shards = '' }", "main.conf:1: option 'shards': '' is not a number, 0..64"},
    {"alpha { shards = ' 1' }", "main.conf:1: option 'shards': ' 1' is not a number, 0..64"},
    {"alpha { shards = 0x10 }", "main.conf:1: option 'shards': '0x10' is not a number, 0..64"},
    {"beta { parallel = 0 }", "main.conf:1: option 'parallel': out of range: 1 or more"},
    {"beta { parallel = 18446744073709551616 }",
     "main.conf:1: option 'parallel': '18446744073709551616' is not a number, 1 or more"},
    {"alpha { bytes = 1k }", "main.conf:1: option 'bytes': out of range: 4k..1t"},
    {"alpha { bytes = 64mb }", "main.conf:1: option 'bytes': '64mb' is not a size in bytes (4096, "
                               "512k, 64m, 2g), 4k..1t"},
    {"alpha { mode = 0888 }",
     "main.conf:1: option 'mode': '0888' is not an octal file mode (0660)"},
    {"alpha { mode = 10000 }",
     "main.conf:1: option 'mode': '10000' is not an octal file mode (0660)"},
    {"alpha { ipv6 = maybe }", "main.conf:1: option 'ipv6': 'maybe' is not yes or no"},
    {"alpha { level = inf }",
     "main.conf:1: option 'level': 'inf' is not one of: error, warning, info"},
    {"alpha { directory = /012345678901234567890123456789 }",
     "main.conf:1: option 'directory': out of range: 1..30 bytes"},
    {"alpha { directory = '' }", "main.conf:1: option 'directory': out of range: 1..30 bytes"},
    {"beta {\n users = { a, b, c, d, e }\n}",
     "main.conf:3: option 'users': out of range: 0..4 texts"},
    /* names */
    {"alpha {\n  shrads = 1\n}",
     "main.conf:2: there is no option 'shrads'; did you mean 'shards'?"},
    {"alpha {\n\n  shard = 1\n}",
     "main.conf:3: there is no option 'shard'; did you mean 'shards'?"},
    {"alpha { zzzzz = 1 }", "main.conf:1: there is no option 'zzzzz'"},
    {"alpha { parallel = 1 }", "main.conf:1: 'parallel' belongs into the section 'beta'"},
    {"shards = 1", "main.conf:1: 'shards' belongs into the section 'alpha'"},
    {"\nalhpa { }", "main.conf:2: there is no section 'alhpa'; did you mean 'alpha'?"},
    {"nonsense { }", "main.conf:1: there is no section 'nonsense'"},
    {"alpha { a-name-that-is-much-longer-than-any-name-of-ours-and-goes-on-and-on-without-end = 1 "
     "}",
     "main.conf:1: there is no option "
     "'a-name-that-is-much-longer-than-any-name-of-ours-and-goes-on-and'"},
    {"include = 5", "main.conf:1: there is no section 'include'"},
    /* grammar */
    {"alpha {\n  shards 5\n}", "main.conf:2: missing equal sign after option 'shards'"},
    {"alpha {\n  shards = \n}", "main.conf:3: unexpected token '}'"},
    {"alpha = 5", "main.conf:1: missing opening brace for section 'alpha'"},
    {"alpha {\n shards += 5 }", "main.conf:2: attempt to append to non-list option 'shards'"},
    {"alpha { shards = { 1 } }", "main.conf:1: unexpected token '{'"},
    {"beta { users = a, b }", "main.conf:1: unexpected token ','"},
    {"alpha", "main.conf:1: premature end of file"},
    /* what libconfuse would let through */
    {"alpha {\n  shards = 1\n\n# end\n", "main.conf:1: the '{' on this line is never closed"},
    {"beta {\n  users = { a,\n", "main.conf:2: the '{' on this line is never closed"},
    {"alpha { }\n}\n", "main.conf:2: this '}' closes nothing"},
    {"alpha {\n forwarder = \"a\nb\"\n}", "main.conf:2: a quoted text must end on its line"},
    {"alpha {\n forwarder = 'a\n}", "main.conf:2: a quoted text must end on its line"},
    {"alpha {\n forwarder = \"a\\\nb\"\n}",
     "main.conf:2: only \\\\ and the quote itself can be escaped in a quoted text"},
    {"alpha { forwarder = \"a\\999\" }",
     "main.conf:1: only \\\\ and the quote itself can be escaped in a quoted text"},
    {"alpha { }\n/* never\nclosed", "main.conf:2: the comment that begins here is never closed"},
    {"beta { users = * }", "main.conf:1: '*' and '+' must be in quotes, as in \"*\""},
    {"alpha { forwarder = a*\n level = info }",
     "main.conf:1: '*' and '+' must be in quotes, as in \"*\""},
    {"alpha { shards = +1 }", "main.conf:1: '*' and '+' must be in quotes, as in \"*\""},
    {"alpha { forwarder = ${HOME} }",
     "main.conf:1: the environment is not looked into: '${' must be quoted"},
    {"alpha { forwarder = x${HOME} }",
     "main.conf:1: the environment is not looked into: '${' must be quoted"},
    {"alpha { forwarder = \"${HOME}\" }",
     "main.conf:1: the environment is not looked into; write '${' in single quotes"},
    {"alpha {\x01 }", "main.conf:1: a control character"},
    {"alpha { forwarder = '\x1b' }", "main.conf:1: a control character in a quoted text"},
    {"{{{{{{{{{}}}}}}}}}", "main.conf:1: braces are nested too deep"},
    /* includes */
    {"\ninclude('absent.conf')", "main.conf:2: there is no file 'absent.conf'"},
    {"include(absent.conf)", "main.conf:1: include() takes one name in quotes"},
    {"include()", "main.conf:1: include() takes one name in quotes"},
    {"include('a', 'b')", "main.conf:1: include() takes one name in quotes"},
    {"include('a.conf'", "main.conf:1: include(\"FILE\") must end on its line"},
    {"include('a.conf') alpha { }", "main.conf:1: include() stands on a line of its own"},
    {"alpha {\n include('a.conf')\n}", "main.conf:2: include() stands outside of sections"},
    {"include('main.conf')", "main.conf:1: files include each other too deep"},
    {"include('/dev/null')", "/dev/null: not a regular file"},
    {"include('.')", ".: not a regular file"},
};

START_TEST(what_is_wrong_is_refused_with_file_line_and_sentence)
{
    refused(refusals[_i].text, refusals[_i].why);
}
END_TEST

START_TEST(after_any_refusal_the_next_load_is_as_good_as_the_first)
{
    for (size_t i = 0; i < COUNT(refusals); i++) {
        refused(refusals[i].text, refusals[i].why);
        load("alpha { forwarder = \"x y\" }\nbeta { users = { 'a' } }");
        ck_assert_str_eq(settings->alpha.forwarder, "x y");
        ck_assert_str_eq(settings->beta.users.texts[0], "a");
        done();
    }
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
    char why[256] = "";
    void *configuration;
    static const char text[] = "alpha {\n}\0 beta { }\n";
    write_bytes("main.conf", text, sizeof(text) - 1);
    ck_assert_int_eq(option_load(&table, "main.conf", &configuration, &origin, why, sizeof(why)),
                     -1);
    ck_assert_str_eq(why, "main.conf:2: a control character");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_refused)
{
    char why[256] = "";
    void *configuration;
    ck_assert_int_eq(option_load(&table, "none.conf", &configuration, &origin, why, sizeof(why)),
                     -1);
    ck_assert_str_eq(why, "none.conf: No such file or directory");
    ck_assert_int_eq(mkfifo("fifo.conf", 0600), 0);
    ck_assert_int_eq(option_load(&table, "fifo.conf", &configuration, &origin, why, sizeof(why)),
                     -1);
    ck_assert_str_eq(why, "fifo.conf: not a regular file");
}
END_TEST

START_TEST(a_file_of_any_size_ends_in_a_sentence)
{
    char why[256] = "";
    void *configuration;
    size_t size = LIMIT_CONFIGURATION_BYTES + 1;
    char *big = malloc(size);
    ck_assert_ptr_nonnull(big);
    memset(big, '\n', size);
    write_bytes("main.conf", big, size);
    ck_assert_int_eq(option_load(&table, "main.conf", &configuration, &origin, why, sizeof(why)),
                     -1);
    ck_assert_str_eq(why, "main.conf: the file is too large");
    /* Three of half that size are too large together. */
    write_bytes("half.conf", big, size / 2);
    refused("include('half.conf')\ninclude('half.conf')\ninclude('half.conf')\n",
            "half.conf:1: the configuration is too large");
    free(big);
}
END_TEST

START_TEST(a_short_buffer_for_the_sentence_is_enough_not_to_crash)
{
    void *configuration;
    write_text("main.conf", "alpha { wait = 10x }");
    for (size_t size = 0; size < 64; size++) {
        char *why = malloc(size + 1);
        ck_assert_ptr_nonnull(why);
        why[size] = 'x';
        ck_assert_int_eq(option_load(&table, "main.conf", &configuration, &origin, why, size), -1);
        ck_assert_int_eq(why[size], 'x');
        ck_assert(size == 0 || memchr(why, '\0', size) != NULL);
        free(why);
    }
}
END_TEST

/* ------------------------------------------------------------------ includes and origins */

START_TEST(includes_are_read_in_place_in_order_and_relative_to_their_file)
{
    mkdir("conf.d", 0700);
    write_text("conf.d/20.conf", "alpha { shards = 20 }\ninclude(\"deeper/*.conf\")\n");
    write_text("conf.d/10.conf", "alpha { shards = 10 level = error }\n");
    write_text("conf.d/ignored.txt", "nonsense");
    mkdir("conf.d/deeper", 0700);
    write_text("conf.d/deeper/a.conf", "beta {\n  parallel = 7\n}\n");
    load("include('conf.d/*.conf') # all\ninclude(\"nothing.d/*.conf\")\nalpha { mode = 0644 }\n");
    ck_assert_uint_eq(settings->alpha.shards, 20);
    ck_assert_uint_eq(settings->alpha.level, 0);
    ck_assert_uint_eq(settings->beta.parallel, 7);
    ck_assert_uint_eq(settings->alpha.mode, 0644);
    done();
}
END_TEST

START_TEST(an_error_inside_an_include_names_the_included_file)
{
    write_text("part.conf", "# one\nbeta {\n  paralel = 7\n}\n");
    refused("alpha { }\n\ninclude('part.conf')\n",
            "part.conf:3: there is no option 'paralel'; did you mean 'parallel'?");
    /* and after an include the lines go on as if it were one line */
    write_text("part.conf", "# one\n# two\n# three\n");
    refused("alpha { }\ninclude('part.conf')\nalpha {\n x = 1 }\n",
            "main.conf:4: there is no option 'x'");
    /* an include cannot leave a section open for the file after it */
    write_text("part.conf", "alpha {\n");
    refused("include('part.conf')\n shards = 1 }\n",
            "part.conf:1: the '{' on this line is never closed");
}
END_TEST

static const char *effective(void)
{
    static char text[8192];
    memset(text, 0, sizeof(text));
    FILE *out = fmemopen(text, sizeof(text) - 1, "w");
    ck_assert_ptr_nonnull(out);
    option_print_effective(&table, settings, origin, out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

START_TEST(the_effective_configuration_says_where_each_value_came_from)
{
    write_text("part.conf", "\nbeta { users += { 'x y' } }\n");
    load("alpha {\n  shards = 4\n  forwarder = \"it's\"\n}\ninclude('part.conf')\n"
         "beta {\n prefixes = {}\n}\n");
    ck_assert_str_eq(effective(), "alpha {\n"
                                  "    shards = 4  # main.conf:2\n"
                                  "    level = info  # default\n"
                                  "    bytes = 64m  # default\n"
                                  "    mode = 0660  # default\n"
                                  "    wait = 30s  # default\n"
                                  "    ipv6 = yes  # default\n"
                                  "    directory = /run/mxward  # default\n"
                                  "    forwarder = 'it\\'s'  # main.conf:3\n"
                                  "}\n\n"
                                  "beta {\n"
                                  "    users = { root, '*', 'x y' }  # part.conf:2\n"
                                  "    prefixes = { }  # main.conf:8\n"
                                  "    parallel = 2000  # default\n"
                                  "}\n");
    done();
}
END_TEST

static const char *located(const char *sentence)
{
    static char why[256];

    snprintf(why, sizeof why, "%s", sentence);
    option_locate(&table, origin, why, sizeof why);
    return why;
}

START_TEST(a_sentence_about_a_setting_is_told_its_place)
{
    write_text("part.conf", "\nbeta { users += { 'x y' } }\n");
    load("alpha {\n  shards = 4\n  forwarder = x\n}\ninclude('part.conf')\n");
    ck_assert_str_eq(located("alpha.forwarder: \"x\" is none"),
                     "main.conf:3: alpha.forwarder: \"x\" is none");
    ck_assert_str_eq(located("beta.users: nobody is called x y"),
                     "part.conf:2: beta.users: nobody is called x y");
    ck_assert_str_eq(located("alpha.shards is less"), "main.conf:2: alpha.shards is less");
    static const char *const unchanged[] = {"alpha.level: a default has no place",
                                            "alpha.shard: there is no such setting",
                                            "alpha.shardsx: neither",
                                            "gamma.shards: nor such a section",
                                            "no memory",
                                            "",
                                            ".",
                                            "alpha.",
                                            "alpha",
                                            ".shards: x",
                                            "alpha.shards.more: no"};
    for (size_t i = 0; i < sizeof unchanged / sizeof *unchanged; i++)
        ck_assert_str_eq(located(unchanged[i]), unchanged[i]);
    char small[20] = "alpha.shards: x";
    option_locate(&table, origin, small, sizeof small);
    ck_assert_str_eq(small, "main.conf:2: alpha."); /* cut, and no byte more */
    done();
}
END_TEST

START_TEST(the_effective_configuration_reads_back_the_same)
{
    load("alpha { wait = 90s bytes = 5000 mode = 7 forwarder = 'a\\'b\\\\c ${x} \"y\" #z' ipv6 = "
         "off }\n"
         "beta { users = { '', '+', '//', a//b } prefixes = { '/*', 10.0.0.0/8 } }");
    char first[8192], why[256] = "";
    snprintf(first, sizeof(first), "%s", effective());
    struct whole *before = settings;
    struct option_origin *before_origin = origin;
    load(first);
    ck_assert_uint_eq(settings->alpha.wait_ms, 90000);
    ck_assert_str_eq(settings->alpha.forwarder, "a'b\\c ${x} \"y\" #z");
    ck_assert_uint_eq(settings->beta.users.count, 4);
    FILE *nowhere = fopen("/dev/null", "we");
    ck_assert_ptr_nonnull(nowhere);
    ck_assert_uint_eq(option_compare(&table, before, settings, nowhere), 0);
    fclose(nowhere);
    done();
    option_free(&table, before, before_origin);
    (void)why;
}
END_TEST

/* ------------------------------------------------------------------ what is printed from the rows
 */

static char *printed(void (*print)(const struct option_table *, FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    print(&table, out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

START_TEST(the_sample_is_a_configuration_of_nothing_but_defaults)
{
    char *sample = printed(option_print_sample);
    mkdir("conf.d", 0700);
    check_defaults(load(sample));
    done();
    /* Also with every setting written out. */
    for (char *at = sample; (at = strstr(at, "\n    #")) != NULL; at++)
        if (at[6] != ' ')
            at[5] = ' ';
    ck_assert_ptr_nonnull(strstr(sample, "\n     shards = 0\n"));
    check_defaults(load(sample));
    ck_assert_ptr_null(strstr(effective(), "# default"));
    done();
    free(sample);
}
END_TEST

START_TEST(sample_manual_and_help_name_every_row_with_its_help_and_default)
{
    static void (*const prints[])(const struct option_table *, FILE *) = {
        option_print_sample, option_print_manual, option_print_help};
    for (size_t p = 0; p < COUNT(prints); p++) {
        char *text = printed(prints[p]);
        for (size_t part = 0; part < COUNT(parts); part++)
            for (size_t i = 0; i < parts[part].module->row_count; i++) {
                const struct option_row *row = &parts[part].module->rows[i];
                const char *at = strstr(text, row->name);
                ck_assert_msg(at != NULL, "%s", row->name);
                char first_words[16];
                snprintf(first_words, sizeof(first_words), "%s", row->help);
                ck_assert_msg(strstr(text, first_words) != NULL, "%s", row->help);
                if (row->type != OPTION_LIST && row->standard != NULL)
                    ck_assert_msg(strstr(text, row->standard) != NULL, "%s", row->standard);
            }
        free(text);
    }
}
END_TEST

START_TEST(the_manual_is_mdoc_that_no_help_text_can_break)
{
    static const struct option_row rows[] = {{"odd", OPTION_TEXT, 0, 0, 0, "\\x",
                                              ".Dd is a macro. 'quoted. A \\backslash. End.", NULL,
                                              true}};
    static const struct option_module module = {"odd", "Odd.", rows, 1};
    static const struct option_part part = {.module = &module};
    static const struct option_table odd = {&part, 1, sizeof(char *)};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    option_print_manual(&odd, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_ptr_nonnull(
        strstr(text, "\n\\&.Dd is a macro.\n\\&'quoted.\nA \\ebackslash.\nEnd.\n"));
    free(text);
}
END_TEST

/* ------------------------------------------------------------------ reload */

START_TEST(only_what_needs_a_restart_is_reported)
{
    struct whole *running = load("");
    struct option_origin *running_origin = origin;
    struct whole *fresh = load("alpha { shards = 2 level = error directory = /x }\n"
                               "beta { prefixes = { a } users = { } parallel = 9 }");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    size_t count = option_compare(&table, running, fresh, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(text, "alpha.shards = 2 needs a restart; running with 0\n"
                           "alpha.directory = /x needs a restart; running with /run/mxward\n"
                           "beta.prefixes = { a } needs a restart; running with { }\n");
    free(text);
    done();
    option_free(&table, running, running_origin);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/option");
    TCase *values = tcase_create("values");
    tcase_add_checked_fixture(values, make_folder, remove_folder);
    tcase_add_test(values, without_a_file_everything_has_its_default);
    tcase_add_test(values, every_type_is_read);
    tcase_add_test(values, durations_and_sizes_have_units);
    tcase_add_test(values, yes_and_no_have_three_spellings);
    tcase_add_test(values, the_last_word_counts_and_sections_may_come_again);
    tcase_add_loop_test(values, a_list_is_replaced_by_equals_and_lengthened_by_plus_equals, 0,
                        COUNT(lists));
    tcase_add_test(values, an_empty_text_is_no_text);
    suite_add_tcase(suite, values);

    TCase *wrong = tcase_create("refusals");
    tcase_add_checked_fixture(wrong, make_folder, remove_folder);
    tcase_add_loop_test(wrong, what_is_wrong_is_refused_with_file_line_and_sentence, 0,
                        COUNT(refusals));
    tcase_add_test(wrong, after_any_refusal_the_next_load_is_as_good_as_the_first);
    tcase_add_test(wrong, a_nul_byte_is_refused);
    tcase_add_test(wrong, a_file_that_cannot_be_read_is_refused);
    tcase_add_test(wrong, a_file_of_any_size_ends_in_a_sentence);
    tcase_add_test(wrong, a_short_buffer_for_the_sentence_is_enough_not_to_crash);
    suite_add_tcase(suite, wrong);

    TCase *files = tcase_create("files and prints");
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_test(files, includes_are_read_in_place_in_order_and_relative_to_their_file);
    tcase_add_test(files, an_error_inside_an_include_names_the_included_file);
    tcase_add_test(files, the_effective_configuration_says_where_each_value_came_from);
    tcase_add_test(files, a_sentence_about_a_setting_is_told_its_place);
    tcase_add_test(files, the_effective_configuration_reads_back_the_same);
    tcase_add_test(files, the_sample_is_a_configuration_of_nothing_but_defaults);
    tcase_add_test(files, sample_manual_and_help_name_every_row_with_its_help_and_default);
    tcase_add_test(files, the_manual_is_mdoc_that_no_help_text_can_break);
    tcase_add_test(files, only_what_needs_a_restart_is_reported);
    suite_add_tcase(suite, files);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
