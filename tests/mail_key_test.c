/*
 * mail_key_test.c - where a recipient's key stands in the DNS, and what the answer comes to
 * (standards.md DANE-43, DANE-44).
 */
#include "engine/policy/mail_key.h"

#include "engine/base/limits.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define HUGH "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6"

/* --- names --- */

static const char *owner_of(enum dns_type type, const char *address)
{
    static struct name owner;
    uint8_t digest[MAIL_KEY_DIGEST_BYTES];

    ck_assert_int_eq(mail_key_digest(digest, address), NAME_OK);
    ck_assert_int_eq(mail_key_owner(&owner, type, digest, strrchr(address, '@') + 1), NAME_OK);
    return owner.text;
}

/* The example of RFC 7929 section 3 and of RFC 8162 section 3. */
START_TEST(a_key_stands_under_the_digest_of_the_local_part_DANE_43)
{
    ck_assert_str_eq(owner_of(DNS_OPENPGPKEY, "hugh@example.com"), HUGH "._openpgpkey.example.com");
    ck_assert_str_eq(owner_of(DNS_SMIMEA, "hugh@example.com"), HUGH "._smimecert.example.com");
    ck_assert_str_eq(owner_of(DNS_SMIMEA, "hugh@EXAMPLE.com."), HUGH "._smimecert.example.com");
}
END_TEST

START_TEST(case_and_sub_address_of_the_local_part_count_DANE_43)
{
    static const char *const others[] = {"Hugh@example.com", "hugh+list@example.com",
                                         "hugh.@example.com", "h.ugh@example.com",
                                         "\"hugh \"@example.com"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_int_ne(strncmp(owner_of(DNS_OPENPGPKEY, others[i]), HUGH, strlen(HUGH)), 0);
}
END_TEST

START_TEST(a_quoted_local_part_is_unquoted_first_DANE_43)
{
    ck_assert_str_eq(owner_of(DNS_OPENPGPKEY, "\"hugh\"@example.com"),
                     HUGH "._openpgpkey.example.com");
    ck_assert_str_eq(owner_of(DNS_OPENPGPKEY, "\"h\\ug\\h\"@example.com"),
                     HUGH "._openpgpkey.example.com");
    /* printf '%s' 'a@"b\' | sha256sum */
    ck_assert_str_eq(
        owner_of(DNS_OPENPGPKEY, "\"a@\\\"b\\\\\"@example.com"),
        "9a6792a144b064a63da3a77b191536d0b3f6144100691843e0ff2158._openpgpkey.example.com");
}
END_TEST

START_TEST(letters_beyond_ascii_are_taken_as_utf_8_DANE_43)
{
    /* printf '%s' 'jürgen' | sha256sum */
    ck_assert_str_eq(
        owner_of(DNS_OPENPGPKEY, "jürgen@bücher.test"),
        "19b720a911fced55aecd96bf4ddcada1c69be5a96dc523d5be336b8e._openpgpkey.xn--bcher-kva.test");
}
END_TEST

START_TEST(what_is_no_address_has_no_key)
{
    static const struct {
        const char *address;
        enum name_status status;
    } rows[] = {
        {"example.com", NAME_EMPTY},
        {"@example.com", NAME_EMPTY},
        {"\"\"@example.com", NAME_EMPTY},
        {"", NAME_EMPTY},
        {"\"hugh@example.com", NAME_CHARACTER},
        {"a@b@example.com", NAME_CHARACTER},
    };
    uint8_t digest[MAIL_KEY_DIGEST_BYTES];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(mail_key_digest(digest, rows[i].address) == rows[i].status, "%s",
                      rows[i].address);
}
END_TEST

START_TEST(a_local_part_that_no_address_has_is_refused_in_bounds)
{
    char address[LIMIT_ADDRESS_INPUT + 32];
    uint8_t digest[MAIL_KEY_DIGEST_BYTES];

    memset(address, 'a', LIMIT_ADDRESS_INPUT);
    snprintf(address + LIMIT_ADDRESS_INPUT, 32, "@example.com");
    ck_assert_int_eq(mail_key_digest(digest, address), NAME_OK);
    snprintf(address + LIMIT_ADDRESS_INPUT, 32, "a@example.com");
    ck_assert_int_eq(mail_key_digest(digest, address), NAME_LONG);
}
END_TEST

/* 253 octets are the most; 56 digits, the label and two dots take 69 or 68 of them. */
START_TEST(behind_a_long_domain_there_is_no_room_for_a_key)
{
    static const uint8_t digest[MAIL_KEY_DIGEST_BYTES];
    char domain[300];
    struct name owner;

    for (size_t length = 180; length <= 253; length++) {
        memset(domain, 'a', length);
        domain[length] = '\0';
        for (size_t i = 40; i < length - 1; i += 40)
            domain[i] = '.';
        ck_assert_int_eq(mail_key_owner(&owner, DNS_OPENPGPKEY, digest, domain),
                         length + 69 <= NAME_BYTES_MAX ? NAME_OK : NAME_LONG);
        ck_assert_int_eq(mail_key_owner(&owner, DNS_SMIMEA, digest, domain),
                         length + 68 <= NAME_BYTES_MAX ? NAME_OK : NAME_LONG);
    }
}
END_TEST

/* --- answers --- */

START_TEST(only_a_secure_key_is_one_and_trouble_is_unknown_DANE_44)
{
    static const struct {
        enum dns_kind kind;
        enum mail_key key;
    } rows[] = {
        {DNS_ERROR, MAIL_KEY_UNKNOWN},        {DNS_BOGUS, MAIL_KEY_UNKNOWN},
        {DNS_SECURE_DATA, MAIL_KEY_PRESENT},  {DNS_SECURE_NODATA, MAIL_KEY_NONE},
        {DNS_SECURE_NXDOMAIN, MAIL_KEY_NONE}, {DNS_INSECURE_DATA, MAIL_KEY_NONE},
        {DNS_INSECURE_NODATA, MAIL_KEY_NONE}, {DNS_INSECURE_NXDOMAIN, MAIL_KEY_NONE},
    };
    static const struct dns_tlsa certificate = {.usage = 3, .size = 1, .data = (uint8_t *)"c"};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool data = dns_has_data(rows[i].kind);
        const struct dns_answer openpgp = {
            .kind = rows[i].kind, .type = DNS_OPENPGPKEY, .count = data};
        const struct dns_answer smime = {
            .kind = rows[i].kind, .type = DNS_SMIMEA, .count = data, .tlsa = &certificate};

        ck_assert_int_eq(mail_key_of(&openpgp), rows[i].key);
        ck_assert_int_eq(mail_key_of(&smime), rows[i].key);
    }
}
END_TEST

START_TEST(nobody_can_encrypt_to_a_digest_or_to_an_issuer_DANE_44)
{
    static const struct {
        struct dns_tlsa record;
        enum mail_key key;
    } rows[] = {
        {{.usage = 3, .selector = 0, .matching_type = 0, .size = 9}, MAIL_KEY_PRESENT},
        {{.usage = 1, .selector = 0, .matching_type = 0, .size = 9}, MAIL_KEY_PRESENT},
        {{.usage = 2, .selector = 0, .matching_type = 0, .size = 9}, MAIL_KEY_NONE},
        {{.usage = 0, .selector = 0, .matching_type = 0, .size = 9}, MAIL_KEY_NONE},
        {{.usage = 3, .selector = 1, .matching_type = 0, .size = 9}, MAIL_KEY_NONE},
        {{.usage = 3, .selector = 0, .matching_type = 1, .size = 32}, MAIL_KEY_NONE},
        {{.usage = 3, .selector = 0, .matching_type = 0, .size = 0}, MAIL_KEY_NONE},
        {{.usage = 3, .selector = 255, .matching_type = 255, .size = 0}, MAIL_KEY_NONE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_tlsa records[2] = {{.usage = 3, .selector = 1, .matching_type = 1, .size = 32},
                                      rows[i].record};
        struct dns_answer answer = {
            .kind = DNS_SECURE_DATA, .type = DNS_SMIMEA, .count = 2, .tlsa = records};

        ck_assert_int_eq(mail_key_of(&answer), rows[i].key);
        answer.dropped = 1; /* what was not looked at may be one */
        ck_assert_int_eq(mail_key_of(&answer),
                         rows[i].key == MAIL_KEY_NONE ? MAIL_KEY_UNKNOWN : MAIL_KEY_PRESENT);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mail keys");
    TCase *tests = tcase_create("mail keys");

    tcase_add_test(tests, a_key_stands_under_the_digest_of_the_local_part_DANE_43);
    tcase_add_test(tests, case_and_sub_address_of_the_local_part_count_DANE_43);
    tcase_add_test(tests, a_quoted_local_part_is_unquoted_first_DANE_43);
    tcase_add_test(tests, letters_beyond_ascii_are_taken_as_utf_8_DANE_43);
    tcase_add_test(tests, what_is_no_address_has_no_key);
    tcase_add_test(tests, a_local_part_that_no_address_has_is_refused_in_bounds);
    tcase_add_test(tests, behind_a_long_domain_there_is_no_room_for_a_key);
    tcase_add_test(tests, only_a_secure_key_is_one_and_trouble_is_unknown_DANE_44);
    tcase_add_test(tests, nobody_can_encrypt_to_a_digest_or_to_an_issuer_DANE_44);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
