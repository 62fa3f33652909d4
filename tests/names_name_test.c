/*
 * names_name_test.c - one grammar, one canonical form (standards.md NAME-02..06, NAME-08, NAME-09;
 * PIT-22, PIT-23).
 *
 * Tables of what goes in and what must come out. The Turkish locale is made on the spot with
 * localedef, because the trap it sets (tolower('I') is not 'i') shows only there.
 */
#include "engine/names/name.h"

#include <check.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct name parsed(const char *text)
{
    struct name name;
    enum name_status status = name_parse(&name, text, strlen(text));
    ck_assert_msg(status == NAME_OK, "'%s': %s", text, name_status_text(status));
    ck_assert_uint_eq(name.length, strlen(name.text));
    return name;
}

static enum name_status refused(const char *text, size_t length)
{
    struct name name;
    memset(&name, 'x', sizeof(name));
    enum name_status status = name_parse(&name, text, length);
    if (status != NAME_OK) {
        ck_assert_uint_eq(name.length, 0);
        ck_assert_str_eq(name.text, "");
    }
    return status;
}

static const struct {
    const char *text, *canonical;
} spellings[] = {
    /* case and the trailing dot */
    {"example.org", "example.org"},
    {"EXAMPLE.org.", "example.org"},
    {"MiXeD.Example.ORG", "mixed.example.org"},
    /* dot-less domains are legal (NAME-04) */
    {"ai", "ai"},
    {"VA.", "va"},
    /* underscores (NAME-06), digits, hyphens inside, two hyphens in the third place */
    {"mx_1.example.org", "mx_1.example.org"},
    {"_25._tcp.mx.example.org", "_25._tcp.mx.example.org"},
    {"3com.com", "3com.com"},
    {"163.com", "163.com"},
    {"r3---sn-4g5e.example", "r3---sn-4g5e.example"},
    {"4.3.2.1.in-addr.arpa", "4.3.2.1.in-addr.arpa"},
    {"1.2.3.4.example", "1.2.3.4.example"},
    {"localhost.example", "localhost.example"},
    {"notlocalhost", "notlocalhost"},
    /* U-labels, A-labels, and every mixture are one name (NAME-02) */
    {"Bücher.S.Test.", "xn--bcher-kva.s.test"},
    {"bücher.s.test", "xn--bcher-kva.s.test"},
    {"BÜCHER.S.TEST", "xn--bcher-kva.s.test"},
    {"xn--bcher-kva.s.test", "xn--bcher-kva.s.test"},
    {"XN--BCHER-KVA.S.TEST", "xn--bcher-kva.s.test"},
    {"bu\xcc\x88"
     "cher.s.test",
     "xn--bcher-kva.s.test"}, /* decomposed: NFC */
    {"b\xc3\xbc\xc2\xad"
     "cher.s.test",
     "xn--bcher-kva.s.test"}, /* a soft hyphen is mapped to nothing */
    {"bücher\xe3\x80\x82s\xef\xbc\x8etest", "xn--bcher-kva.s.test"},  /* U+3002, U+FF0E */
    {"bücher\xef\xbd\xa1s.test\xe3\x80\x82", "xn--bcher-kva.s.test"}, /* U+FF61, and at the end */
    {"\xef\xbd\x85xample.org", "example.org"},                        /* full-width e */
    {"mx\xef\xbc\xbf"
     "1.test",
     "mx_1.test"}, /* a full-width low line in a label that is ASCII once mapped */
    {"_dmarc.bücher.test", "_dmarc.xn--bcher-kva.test"},
    {"r3---sn.bücher.test", "r3---sn.xn--bcher-kva.test"},
    /* non-transitional: sharp s and final sigma are letters of their own */
    {"straße.de", "xn--strae-oqa.de"},
    {"xn--strae-oqa.de", "xn--strae-oqa.de"},
    {"strasse.de", "strasse.de"},
    {"βόλος.com", "xn--nxasmm1c.com"},
    /* other scripts */
    {"почта.рф", "xn--80a1acny.xn--p1ai"},
    {"邮箱.中国", "xn--c0zu34b.xn--fiqs8s"},
    {"مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv"},
};

START_TEST(every_spelling_of_a_domain_has_one_canonical_form_NAME_02)
{
    struct name name = parsed(spellings[_i].text);
    ck_assert_str_eq(name.text, spellings[_i].canonical);
}
END_TEST

START_TEST(a_canonical_name_is_its_own_canonical_form_PIT_22)
{
    struct name once = parsed(spellings[_i].text), twice = parsed(once.text);
    ck_assert(name_equal(&once, &twice));
    ck_assert_uint_eq(name_hash(&once), name_hash(&twice));
}
END_TEST

#define TEXT(literal) literal, sizeof(literal) - 1
static const struct {
    const char *text;
    size_t length;
    enum name_status status;
} refusals[] = {
    {TEXT(""), NAME_EMPTY},
    {TEXT("."), NAME_EMPTY},
    {TEXT("\xe3\x80\x82"), NAME_EMPTY},
    /* exactly one trailing dot, and no empty label anywhere */
    {TEXT("example.org.."), NAME_LABEL_EMPTY},
    {TEXT(".."), NAME_LABEL_EMPTY},
    {TEXT(".example.org"), NAME_LABEL_EMPTY},
    {TEXT("example..org"), NAME_LABEL_EMPTY},
    {TEXT("bücher\xe3\x80\x82.test"), NAME_LABEL_EMPTY},
    /* bytes that no host name has (NAME-05, PIT-23) */
    {TEXT("exam\0ple.org"), NAME_CHARACTER},
    {TEXT("example.org\0"), NAME_CHARACTER},
    {TEXT("exa mple.org"), NAME_CHARACTER},
    {TEXT("example.org "), NAME_CHARACTER},
    {TEXT("example.org\n"), NAME_CHARACTER},
    {TEXT("exam\\.ple.org"), NAME_CHARACTER},
    {TEXT("a:b"), NAME_CHARACTER},
    {TEXT("a@b.org"), NAME_CHARACTER},
    {TEXT("{x}.org"), NAME_CHARACTER},
    {TEXT("*.example.org"), NAME_CHARACTER},
    {TEXT("[example.org]"), NAME_CHARACTER},
    {TEXT("example.org/x"), NAME_CHARACTER},
    {TEXT("ex%ample.org"), NAME_CHARACTER},
    {TEXT("ex!ample.org"), NAME_CHARACTER},
    {TEXT("\x7f.org"), NAME_CHARACTER},
    /* hyphens at the edge of a label are no LDH label */
    {TEXT("-example.org"), NAME_CHARACTER},
    {TEXT("example-.org"), NAME_CHARACTER},
    {TEXT("example.org-"), NAME_CHARACTER},
    /* what cannot become A-labels is a permanent address error (NAME-03) */
    {TEXT("xn--\\ü.test"), NAME_IDNA},
    {TEXT("xn--a.test"), NAME_IDNA},
    {TEXT("xn--.test"), NAME_IDNA},
    {TEXT("xn--abc-.test"), NAME_IDNA}, /* decodes to plain ASCII */
    {TEXT("xn--ascii-.test"), NAME_IDNA},
    {TEXT("xn--b\xc3\xbc"
          "cher-kva.test"),
     NAME_IDNA},
    {TEXT("xn--_x-wka.test"), NAME_IDNA}, /* an underscore inside a U-label */
    {TEXT("ü_x.test"), NAME_IDNA},
    {TEXT("ü x.test"), NAME_IDNA},
    {TEXT("ü\xef\xbc\xbfx.test"), NAME_IDNA}, /* a full-width low line */
    {TEXT("-ü.test"), NAME_IDNA},
    {TEXT("üa--a.test"), NAME_IDNA},
    {TEXT("♥.test"), NAME_IDNA}, /* valid in UTS 46, disallowed in IDNA2008 */
    {TEXT("xn--g6h.test"), NAME_IDNA},
    {TEXT("\xd7\x90"
          "a.test"),
     NAME_IDNA}, /* Bidi: alef, then Latin */
    {TEXT("a\xe2\x80\x8d"
          "b.test"),
     NAME_IDNA}, /* a joiner out of context */
    {TEXT("\xcc\x88"
          "a.test"),
     NAME_IDNA}, /* begins with a combining mark */
    {TEXT("\xe2\x92\x88"
          "com"),
     NAME_IDNA},                            /* U+2488, DIGIT ONE FULL STOP */
    {TEXT("\xc2\xad.test"), NAME_IDNA},     /* a soft hyphen alone maps to nothing */
    {TEXT("\xff\xfe.test"), NAME_IDNA},     /* not UTF-8 */
    {TEXT("\xc0\xae.test"), NAME_IDNA},     /* an overlong '.' */
    {TEXT("\xed\xa0\x80.test"), NAME_IDNA}, /* a surrogate */
    {TEXT("a\xc3"), NAME_IDNA},             /* cut off */
    /* addresses are not names (NAME-08) */
    {TEXT("192.0.2.1"), NAME_IS_ADDRESS},
    {TEXT("192.0.2.1."), NAME_IS_ADDRESS},
    {TEXT("1.2.3"), NAME_IS_ADDRESS},
    {TEXT("2130706433"), NAME_IS_ADDRESS},
    {TEXT("0x7f.1"), NAME_IS_ADDRESS},
    {TEXT("0X7F000001"), NAME_IS_ADDRESS},
    {TEXT("127.0.0.0x1"), NAME_IS_ADDRESS},
    {TEXT("999.999.999.999"), NAME_IS_ADDRESS},
    {TEXT("mail.123"), NAME_IS_ADDRESS},
    {TEXT("１.２.３.４"), NAME_IS_ADDRESS},
    {TEXT("2001:db8::1"), NAME_IS_ADDRESS},
    {TEXT("::ffff:192.0.2.1"), NAME_IS_ADDRESS},
    /* not ours to decide (NAME-09) */
    {TEXT("localhost"), NAME_LOCAL},
    {TEXT("LocalHost."), NAME_LOCAL},
    {TEXT("mail.localhost"), NAME_LOCAL},
};

START_TEST(what_is_no_domain_is_refused_by_its_own_reason_NAME_02_03_05_08_09)
{
    enum name_status status = refused(refusals[_i].text, refusals[_i].length);
    ck_assert_msg(status == refusals[_i].status, "'%s': %s", refusals[_i].text,
                  name_status_text(status));
}
END_TEST

/* `count` labels of `label` octets each, joined by dots, then `last` octets. */
static size_t long_name(char *out, size_t label, size_t count, size_t last)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        memset(out + used, 'a', label);
        used += label;
        out[used++] = '.';
    }
    memset(out + used, 'b', last);
    out[used + last] = '\0';
    return used + last;
}

START_TEST(the_limits_of_63_and_253_octets_hold_exactly_NAME_02)
{
    char text[600];
    ck_assert_int_eq(refused(text, long_name(text, 63, 1, 3)), NAME_OK);
    ck_assert_int_eq(refused(text, long_name(text, 64, 1, 3)), NAME_LABEL_LONG);
    ck_assert_int_eq(refused(text, long_name(text, 63, 3, 61)), NAME_OK); /* 253 */
    ck_assert_int_eq(refused(text, long_name(text, 63, 3, 62)), NAME_LONG);
    size_t length = long_name(text, 63, 3, 61);
    text[length] = '.';
    ck_assert_int_eq(refused(text, length + 1), NAME_OK); /* the root's dot does not count */
    ck_assert_int_eq(refused(text, long_name(text, 1, 126, 1)), NAME_OK);
    ck_assert_int_eq(refused(text, long_name(text, 1, 127, 1)), NAME_LONG);
}
END_TEST

START_TEST(the_limits_count_octets_of_the_a_label_not_of_the_input)
{
    char text[2048] = "";
    for (int i = 0; i < 57; i++)
        strcat(text, "\xc3\xbc");
    struct name name;
    /* 57 times the same letter is short in Punycode though it is 114 octets of UTF-8. */
    ck_assert_int_eq(name_parse(&name, text, strlen(text)), NAME_OK);
    ck_assert_uint_le(name.length, 63);
    for (int i = 0; i < 60; i++)
        strcat(text, "\xd0\xb6\xe4\xb8\xad");
    ck_assert_int_eq(name_parse(&name, text, strlen(text)), NAME_LABEL_LONG);
    memset(text, 'a', sizeof(text));
    ck_assert_int_eq(name_parse(&name, text, sizeof(text)), NAME_LONG);
}
END_TEST

/* ------------------------------------------------------------------ wire */

static const struct {
    const char *wire;
    size_t size;
    enum name_status status;
    const char *text;
} wires[] = {
    {TEXT("\7example\3org\0"), NAME_OK, "example.org"},
    {TEXT("\7EXAMPLE\3Org\0"), NAME_OK, "example.org"},
    {TEXT("\0"), NAME_OK, ""},
    {TEXT("\4mx_1\1s\4test\0"), NAME_OK, "mx_1.s.test"},
    {TEXT("\6xn--zz\1s\0"), NAME_OK, "xn--zz.s"}, /* no IDNA in DNS answers */
    {TEXT("\4a\0bc\1s\0"), NAME_CHARACTER, ""},
    {TEXT("\3a.b\1s\0"), NAME_CHARACTER, ""}, /* a dot inside a label is not a separator */
    {TEXT("\3a b\1s\0"), NAME_CHARACTER, ""},
    {TEXT("\3a\\b\1s\0"), NAME_CHARACTER, ""},
    {TEXT("\3a\xc3\xbc\1s\0"), NAME_CHARACTER, ""},
    {TEXT("\3mx*\1s\0"), NAME_CHARACTER, ""},
    {TEXT("\003192\0010\0012\0011\0"), NAME_IS_ADDRESS, ""}, /* MX 10 192.0.2.1. */
    {TEXT("\011localhost\0"), NAME_LOCAL, ""},
    /* malformed */
    {TEXT(""), NAME_LABEL_EMPTY, ""},
    {TEXT("\3org"), NAME_LABEL_EMPTY, ""},
    {TEXT("\7org\0"), NAME_LABEL_EMPTY, ""},
    {TEXT("\3org\0\0"), NAME_LABEL_EMPTY, ""},
    {TEXT("\0\3org\0"), NAME_LABEL_EMPTY, ""},
    {TEXT("\xc0\x0c"), NAME_LABEL_LONG, ""},
    {TEXT("\x40"
          "aaa\0"),
     NAME_LABEL_LONG, ""},
};

START_TEST(a_wire_name_is_strict_letters_digits_hyphens_underscores_NAME_05_06)
{
    struct name name;
    enum name_status status =
        name_from_wire(&name, (const uint8_t *)wires[_i].wire, wires[_i].size);
    ck_assert_int_eq(status, wires[_i].status);
    ck_assert_str_eq(name.text, wires[_i].text);
    ck_assert_uint_eq(name.length, strlen(wires[_i].text));
}
END_TEST

START_TEST(a_name_goes_to_the_wire_and_comes_back_the_same)
{
    struct name name = parsed(spellings[_i].text), back;
    uint8_t wire[255];
    size_t size = name_to_wire(&name, wire, sizeof(wire));
    ck_assert_uint_eq(size, (size_t)name.length + 2);
    ck_assert_int_eq(name_from_wire(&back, wire, size), NAME_OK);
    ck_assert(name_equal(&name, &back));
    ck_assert_uint_eq(name_to_wire(&name, wire, size - 1), 0);
}
END_TEST

START_TEST(the_longest_name_and_the_root_fit_their_wire_forms)
{
    char text[600];
    uint8_t wire[255];
    struct name name, root = {0};
    ck_assert_int_eq(name_parse(&name, text, long_name(text, 63, 3, 61)), NAME_OK);
    ck_assert_uint_eq(name_to_wire(&name, wire, sizeof(wire)), 255);
    ck_assert_uint_eq(name_to_wire(&root, wire, sizeof(wire)), 1);
    ck_assert_uint_eq(wire[0], 0);
    ck_assert_uint_eq(name_to_wire(&root, wire, 0), 0);
    /* 255 octets of one-octet labels: one octet more than any name has room for. */
    uint8_t much[300];
    for (size_t i = 0; i < 256; i += 2) {
        much[i] = 1;
        much[i + 1] = 'a';
    }
    much[256] = 0;
    ck_assert_int_eq(name_from_wire(&name, much, 257), NAME_LONG);
    much[254] = 0;
    ck_assert_int_eq(name_from_wire(&name, much, 255), NAME_OK);
    ck_assert_uint_eq(name.length, 253);
}
END_TEST

/* ------------------------------------------------------------------ names among themselves */

START_TEST(within_goes_by_whole_labels)
{
    struct name org = parsed("org"), example = parsed("example.org"), mx = parsed("mx.example.org"),
                other = parsed("myexample.org"), root = {0};
    ck_assert(name_is_within(&mx, &example));
    ck_assert(name_is_within(&mx, &org));
    ck_assert(name_is_within(&example, &example));
    ck_assert(name_is_within(&example, &root));
    ck_assert(name_is_within(&root, &root));
    ck_assert(!name_is_within(&other, &example));
    ck_assert(!name_is_within(&example, &mx));
    ck_assert(!name_is_within(&root, &org));
    ck_assert(!name_equal(&example, &other));
    ck_assert(!name_equal(&org, &root));
}
END_TEST

START_TEST(the_registrable_name_is_the_last_two_labels)
{
    static const char *const cases[][2] = {{"a.b.example.org", "example.org"},
                                           {"example.org", "example.org"},
                                           {"org", "org"},
                                           {"shop.example.co.uk", "co.uk"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct name name = parsed(cases[i][0]), last = name_registrable(&name);
        ck_assert_str_eq(last.text, cases[i][1]);
        ck_assert_uint_eq(last.length, strlen(cases[i][1]));
    }
    struct name root = {0}, last = name_registrable(&root);
    ck_assert_uint_eq(last.length, 0);
}
END_TEST

START_TEST(the_last_labels_are_those_and_no_more_than_there_are)
{
    static const struct {
        unsigned labels;
        const char *last;
    } cases[] = {{1, "uk"},
                 {2, "co.uk"},
                 {3, "example.co.uk"},
                 {4, "shop.example.co.uk"},
                 {9, "shop.example.co.uk"}};
    struct name name = parsed("shop.example.co.uk");

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct name last = name_last_labels(&name, cases[i].labels);
        ck_assert_str_eq(last.text, cases[i].last);
        ck_assert_uint_eq(last.length, strlen(cases[i].last));
    }
}
END_TEST

START_TEST(every_status_has_a_sentence_of_its_own)
{
    for (int a = NAME_OK; a <= NAME_NO_MEMORY; a++)
        for (int b = NAME_OK; b < a; b++)
            ck_assert_str_ne(name_status_text((enum name_status)a),
                             name_status_text((enum name_status)b));
    ck_assert_str_eq(name_status_text((enum name_status)99), "unknown");
}
END_TEST

/* ------------------------------------------------------------------ the Turkish trap */

static void enter_turkish_locale(void)
{
    char directory[] = "/tmp/mxward-locale-XXXXXX", command[256];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(command, sizeof(command), "localedef -i tr_TR -f ISO-8859-9 %s/tr_TR >/dev/null 2>&1",
             directory);
    int status = system(command);
    ck_assert_msg(status == 0, "localedef failed (%d): the Debian package 'locales' is needed",
                  status);
    ck_assert_int_eq(setenv("LOCPATH", directory, 1), 0);
    const char *locale = setlocale(LC_ALL, "tr_TR");
    snprintf(command, sizeof(command), "rm -r %s", directory);
    status = system(command);
    ck_assert_int_eq(status, 0);
    ck_assert_msg(locale != NULL, "cannot enter the locale that localedef made");
    ck_assert_int_ne((unsigned char)'\xfd', 'i');
}

START_TEST(a_turkish_locale_changes_no_name_NAME_05)
{
    enter_turkish_locale();
    struct name name = parsed("MAIL.IIS.Example.INFO");
    ck_assert_str_eq(name.text, "mail.iis.example.info");
    name = parsed("İSTANBUL.example");
    ck_assert_str_eq(name.text, "xn--istanbul-o0e.example");
    name = parsed("XN--BCHER-KVA.INFO");
    ck_assert_str_eq(name.text, "xn--bcher-kva.info");
    ck_assert_int_eq(name_from_wire(&name, (const uint8_t *)"\4INFO\0", 6), NAME_OK);
    ck_assert_str_eq(name.text, "info");
    /* 0xFD is the dotless i of ISO 8859-9, a letter to isalpha(3) there; to us it is no UTF-8. */
    ck_assert_int_eq(refused("\xfd.info", 6), NAME_IDNA);
}
END_TEST

/* A label of ASCII is read at once; behind a full-width full stop everything is read again byte by
 * byte, and both must say the same. */
START_TEST(labels_read_at_once_are_what_they_are_read_one_by_one)
{
    static const char bytes[] = "ab-_.xnXN0189Zz \0";
    uint64_t state = 1;

    for (unsigned round = 0; round < 200000; round++) {
        char text[80], wide[3 * sizeof text];
        struct name name, other;
        size_t length = 0, wide_length = 0;
        const size_t most = 1 + round % 70;
        for (; length < most; length++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[length] = round % 3 == 0 ? "xn-.a"[(state >> 33) % 5]
                                          : bytes[(state >> 33) % (sizeof bytes - 1)];
        }
        for (size_t i = 0; i < length; i++) {
            const size_t size = text[i] == '.' ? 3 : 1;
            memcpy(wide + wide_length, text[i] == '.' ? "\xe3\x80\x82" : text + i, size);
            wide_length += size;
        }
        const enum name_status status = name_parse(&name, text, length);
        ck_assert_int_eq(status, name_parse(&other, wide, wide_length));
        ck_assert_str_eq(name.text, other.text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names/name");
    TCase *text = tcase_create("text");
    tcase_add_loop_test(text, every_spelling_of_a_domain_has_one_canonical_form_NAME_02, 0,
                        COUNT(spellings));
    tcase_add_loop_test(text, a_canonical_name_is_its_own_canonical_form_PIT_22, 0,
                        COUNT(spellings));
    tcase_add_loop_test(text, what_is_no_domain_is_refused_by_its_own_reason_NAME_02_03_05_08_09, 0,
                        COUNT(refusals));
    tcase_add_test(text, the_limits_of_63_and_253_octets_hold_exactly_NAME_02);
    tcase_add_test(text, the_limits_count_octets_of_the_a_label_not_of_the_input);
    tcase_add_test(text, labels_read_at_once_are_what_they_are_read_one_by_one);
    tcase_add_test(text, a_turkish_locale_changes_no_name_NAME_05);
    suite_add_tcase(suite, text);

    TCase *wire = tcase_create("wire");
    tcase_add_loop_test(wire, a_wire_name_is_strict_letters_digits_hyphens_underscores_NAME_05_06,
                        0, COUNT(wires));
    tcase_add_loop_test(wire, a_name_goes_to_the_wire_and_comes_back_the_same, 0, COUNT(spellings));
    tcase_add_test(wire, the_longest_name_and_the_root_fit_their_wire_forms);
    suite_add_tcase(suite, wire);

    TCase *relations = tcase_create("relations");
    tcase_add_test(relations, within_goes_by_whole_labels);
    tcase_add_test(relations, the_registrable_name_is_the_last_two_labels);
    tcase_add_test(relations, the_last_labels_are_those_and_no_more_than_there_are);
    tcase_add_test(relations, every_status_has_a_sentence_of_its_own);
    suite_add_tcase(suite, relations);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
