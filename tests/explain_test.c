/*
 * explain_test.c - domain facts as a JSON document: everything is in it, and no facts, however
 * large or strange, make it anything but one well-formed object within its bound.
 */
#include "ipc/serve/explain.h"
#include "ipc/wire/frame.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS 1000000

static char out[FRAME_DOCUMENT_MAX];

/* Brackets and quotes balance, nothing is left open, and no raw control character is in it. */
static void expect_well_formed(const char *text, size_t length)
{
    int depth = 0;
    bool quoted = false;

    ck_assert_uint_eq(strlen(text), length);
    for (size_t i = 0; i < length; i++) {
        ck_assert_uint_ge((unsigned char)text[i], 0x20);
        if (quoted && text[i] == '\\') {
            i++;
            continue;
        }
        quoted ^= text[i] == '"';
        depth += !quoted && (text[i] == '{' || text[i] == '[');
        depth -= !quoted && (text[i] == '}' || text[i] == ']');
        ck_assert(depth > 0 || i == length - 1);
    }
    ck_assert_int_eq(depth, 0);
}

static void expect(const char *part)
{
    ck_assert_msg(strstr(out, part), "%s is not in:\n%s", part, out);
}

static struct name name_of(const char *text)
{
    struct name name;

    ck_assert_int_eq(name_parse(&name, text, strlen(text)), NAME_OK);
    return name;
}

static const char *const leaf_names[] = {"mx1.example.net", "*.example.org"};
static struct certificate leaf = {.not_before_s = 1700000000,
                                  .not_after_s = 1800000000,
                                  .key_type = KEY_EC,
                                  .key_bits = 256,
                                  .has_alternative_names = true,
                                  .name_count = 2,
                                  .names = leaf_names,
                                  .subject = "CN=mx1.example.net",
                                  .issuer = "CN=Example CA",
                                  .signature = "ecdsa-with-SHA256",
                                  .spki_sha256 = {0xab, 0xcd}};
static struct certificate issuer = {.is_ca = true,
                                    .self_issued = true,
                                    .key_type = KEY_RSA,
                                    .key_bits = 4096,
                                    .subject = "CN=Example CA",
                                    .issuer = "CN=Example CA",
                                    .signature = "sha256WithRSAEncryption"};

static struct dns_tlsa records[] = {
    {.usage = 3, .selector = 1, .matching_type = 1, .size = 32, .data = (const uint8_t[32]){0xfe}},
    {.usage = 3, .selector = 1, .matching_type = 9, .size = 0, .data = (const uint8_t[1]){0}},
};
static struct dns_answer tlsa = {.count = 2, .tlsa = records};

static struct evidence evidence;
static struct host_facts host;
static struct domain_facts facts;

static void make_evidence(void)
{
    evidence = (struct evidence){.began_ms = NOW_MS - 5000,
                                 .ended_ms = NOW_MS - 4900,
                                 .outcome = OUTCOME_TLS_OK,
                                 .step = 7,
                                 .step_us = {1100, 2200},
                                 .smtp_code = 220,
                                 .smtp_text = "2.0.0 go ahead",
                                 .greeting = "mx1 ESMTP \"quoted\"",
                                 .greeted_esmtp = true,
                                 .offered_starttls = true,
                                 .keywords = KEYWORD_REQUIRETLS | KEYWORD_PIPELINING,
                                 .tls_version = 0x0304,
                                 .cipher = "TLS_AES_256_GCM_SHA384",
                                 .group = "X25519",
                                 .signature = "ecdsa_secp256r1_sha256",
                                 .resumed = true,
                                 .proved_ms = NOW_MS - 65000,
                                 .chain_count = 2,
                                 .chain = {&leaf, &issuer},
                                 .pkix = 10,
                                 .tlsa_count = 2,
                                 .tlsa = {{.fate = TLSA_MATCH}, {.fate = TLSA_UNUSABLE}}};
    address_parse(&evidence.key.address, "2001:db8::25", 12);
    evidence.key.port = 25;
    evidence.key.server_name = name_of("mx1.example.net");
    evidence.transcript_size = (uint16_t)snprintf(evidence.transcript, sizeof evidence.transcript,
                                                  "S: 220 mx1\nC: EHLO me\n");
}

static void make_facts(void)
{
    make_evidence();
    host = (struct host_facts){.name = name_of("mx1.example.net"),
                               .port = 25,
                               .began_ms = NOW_MS - 5000,
                               .ttl_s = 3600,
                               .state = HOST_RESOLVED,
                               .secure = true,
                               .base = name_of("mx1.example.net"),
                               .tlsa_state = TLSA_PRESENT,
                               .usable = 1,
                               .tlsa = &tlsa,
                               .endpoint_count = 1,
                               .endpoints = {{&evidence, true}}};
    facts = (struct domain_facts){
        .hosts = {&host},
        .findings = {{.kind = FINDING_DANE,
                      .level = LEVEL_AUTHENTICATED,
                      .cause = CAUSE_DANE,
                      .outcome = OUTCOME_TLS_OK,
                      .conclusive = true,
                      .tls_version = 0x0304,
                      .why = "TLSA record 1 matches"}},
        .verdict = {.class = CLASS_DANE,
                    .level = LEVEL_AUTHENTICATED,
                    .cause = CAUSE_DANE,
                    .enforce = ENFORCE_DANE_ONLY,
                    .flags = VERDICT_MX_SECURE | VERDICT_ALL_HOSTS_DANE | VERDICT_ALL_HOSTS_TLSA,
                    .tls_version = 0x0304,
                    .hosts = 2,
                    .hosts_good = 1,
                    .began_ms = NOW_MS - 5000,
                    .valid_until_ms = NOW_MS + 60000,
                    .host = "mx1.example.net"},
        .ended_wall_s = 1700000000};
    ck_assert_int_eq(next_hop_parse(&facts.next_hop, "example.org", 11), NAME_OK);
    facts.route = (struct route){.state = ROUTE_MX,
                                 .secure = true,
                                 .domain = name_of("example.org"),
                                 .ttl_s = 300,
                                 .host_count = 2};
    facts.route.hosts[0].preference = 10;
    facts.route.hosts[0].name = name_of("mx1.example.net");
    facts.route.hosts[1].preference = 20;
    facts.route.hosts[1].name = name_of("mx2.example.net");
}

START_TEST(everything_that_led_to_the_verdict_is_in_it)
{
    make_facts();
    expect_well_formed(out, explain_write(out, sizeof out, &facts, true, NOW_MS));
    expect("\"next_hop\":\"example.org\",\"kind\":\"domain\",\"port\":25,\"class\":\"dane\","
           "\"level\":\"authenticated\",\"sign\":\"DANE ok\",\"conclusion\":\"definite\"");
    expect("\"flags\":[\"mx-secure\",\"all-hosts-dane\",\"all-hosts-tlsa\"]");
    expect("\"limited\":true");
    expect("\"age_ms\":5000,\"valid_for_ms\":60000,\"ended\":\"2023-11-14T22:13:20Z\"");
    expect("\"postfix\":[{\"demand\":\"none\",");
    expect("{\"name\":\"mx1.example.net\",\"preference\":10,\"evaluated\":true,\"finding\":{");
    expect("{\"name\":\"mx2.example.net\",\"preference\":20,\"evaluated\":false}");
    expect("\"why\":\"TLSA record 1 matches\"");
    expect("\"tlsa\":{\"state\":\"present\",\"base\":\"mx1.example.net\",\"usable\":1,"
           "\"records\":[{\"usage\":3,\"selector\":1,\"matching_type\":1,\"data\":\"fe00");
    expect("\"data\":\"\",\"data_bytes\":0,\"usable\":false}");
    expect("\"address\":\"2001:db8::25\",\"port\":25,\"secure\":true,"
           "\"server_name\":\"mx1.example.net\",\"outcome\":\"tls-ok\",\"says\":\"encrypts\"");
    expect("\"greeting\":\"mx1 ESMTP \\\"quoted\\\"\"");
    expect("\"keywords\":[\"REQUIRETLS\",\"PIPELINING\"]");
    expect("\"version\":\"TLSv1.3\",\"cipher\":\"TLS_AES_256_GCM_SHA384\",\"group\":\"X25519\","
           "\"signature\":\"ecdsa_secp256r1_sha256\","
           "\"resumed\":true,\"certificate_age_ms\":65000");
    expect("\"pkix\":{\"code\":10,\"text\":\"");
    expect("\"chain\":[0,1],\"tlsa\":[{\"fate\":\"match\",\"depth\":0,\"verify\":null},"
           "{\"fate\":\"unusable\"");
    expect("\"transcript\":\"S: 220 mx1\\nC: EHLO me\\n\"");
    expect("\"steps\":[{\"name\":\"connect\",\"us\":1100},{\"name\":\"greeting\",\"us\":2200}");
    expect("{\"subject\":\"CN=mx1.example.net\",\"issuer\":\"CN=Example CA\","
           "\"names\":[\"mx1.example.net\",\"*.example.org\"],\"alternative_names\":true");
    expect("\"key\":\"EC\",\"key_bits\":256,\"signature\":\"ecdsa-with-SHA256\","
           "\"not_before\":\"2023-11-14T22:13:20Z\",\"not_after\":\"2027-01-15T08:00:00Z\"");
    expect("\"spki_sha256\":\"abcd00");
    ck_assert_ptr_null(strstr(out, "truncated"));
}
END_TEST

START_TEST(a_certificate_that_many_endpoints_show_is_there_once)
{
    const char *first;

    make_facts();
    host.endpoint_count = 8;
    for (int i = 1; i < 8; i++)
        host.endpoints[i] = (struct host_endpoint){&evidence, true};
    expect_well_formed(out, explain_write(out, sizeof out, &facts, true, NOW_MS));
    first = strstr(out, "CN=mx1.example.net");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "CN=mx1.example.net"));
}
END_TEST

/* Every bound reached at once: ten hosts, eight addresses each, eight certificates of a hundred
 * long names, all different. */
START_TEST(the_largest_facts_end_in_a_truncated_object)
{
    static char long_name[254];
    static const char *names[LIMIT_CERTIFICATE_NAMES];
    static struct certificate certificates[LIMIT_MX_HOSTS * LIMIT_ADDRESSES * LIMIT_CHAIN];
    static struct evidence many[LIMIT_MX_HOSTS * LIMIT_ADDRESSES];
    static struct host_facts hosts[LIMIT_MX_HOSTS];
    size_t certificate = 0, endpoint = 0;

    make_facts();
    memset(long_name, 'a', sizeof long_name - 1);
    for (size_t i = 0; i < LIMIT_CERTIFICATE_NAMES; i++)
        names[i] = long_name;
    facts.route.host_count = LIMIT_MX_HOSTS;
    for (size_t h = 0; h < LIMIT_MX_HOSTS; h++) {
        hosts[h] = host;
        hosts[h].endpoint_count = LIMIT_ADDRESSES;
        facts.hosts[h] = &hosts[h];
        facts.findings[h] = facts.findings[0];
        facts.route.hosts[h] = facts.route.hosts[0];
        for (size_t e = 0; e < LIMIT_ADDRESSES; e++) {
            many[endpoint] = evidence;
            many[endpoint].chain_count = LIMIT_CHAIN;
            memset(many[endpoint].transcript, '"', LIMIT_TRANSCRIPT);
            many[endpoint].transcript_size = LIMIT_TRANSCRIPT;
            for (size_t c = 0; c < LIMIT_CHAIN; c++, certificate++) {
                certificates[certificate] = leaf;
                certificates[certificate].name_count = LIMIT_CERTIFICATE_NAMES;
                certificates[certificate].names = names;
                many[endpoint].chain[c] = &certificates[certificate];
            }
            hosts[h].endpoints[e] = (struct host_endpoint){&many[endpoint++], false};
        }
    }
    expect_well_formed(out, explain_write(out, sizeof out, &facts, true, NOW_MS));
    expect("\"class\":\"dane\"");
    expect("\"truncated\":true}");
    for (size_t size = 64; size < 20000; size += 611)
        expect_well_formed(out, explain_write(out, size, &facts, true, NOW_MS));
}
END_TEST

START_TEST(facts_without_hosts_are_explained_too)
{
    static const enum route_state states[] = {ROUTE_NULL_MX, ROUTE_NO_DOMAIN,  ROUTE_TROUBLE,
                                              ROUTE_BOGUS,   ROUTE_ALIAS_LOOP, ROUTE_UNUSABLE};

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        memset(&facts, 0, sizeof facts);
        next_hop_parse(&facts.next_hop, "[192.0.2.1]:2525", 16);
        facts.route.state = states[i];
        expect_well_formed(out, explain_write(out, sizeof out, &facts, true, NOW_MS));
        expect("\"next_hop\":\"[192.0.2.1]:2525\",\"kind\":\"address\",\"port\":2525");
        expect("\"hosts\":[],\"certificates\":[]}");
        expect(route_state_name(states[i]));
    }
}
END_TEST

/* A host whose every enum is out of range, as after a future change forgotten here. */
START_TEST(numbers_without_a_word_are_shown_as_question_marks)
{
    make_facts();
    host.state = (enum host_state)99;
    host.tlsa_state = (enum tlsa_state)99;
    evidence.tlsa[0].fate = (enum tlsa_fate)99;
    leaf.key_type = (enum key_type)99;
    expect_well_formed(out, explain_write(out, sizeof out, &facts, true, NOW_MS));
    expect("\"state\":\"?\"");
    expect("\"fate\":\"?\"");
    expect("\"key\":\"?\"");
    leaf.key_type = KEY_EC;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("explain");
    TCase *tcase = tcase_create("explain");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, everything_that_led_to_the_verdict_is_in_it);
    tcase_add_test(tcase, a_certificate_that_many_endpoints_show_is_there_once);
    tcase_add_test(tcase, the_largest_facts_end_in_a_truncated_object);
    tcase_add_test(tcase, facts_without_hosts_are_explained_too);
    tcase_add_test(tcase, numbers_without_a_word_are_shown_as_question_marks);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
