/*
 * finding_test.c - claims about what one host is worth, and about routes.
 *
 * Hosts, evidence and certificates are made by hand: findings look only at facts. The two tables at
 * the end try every pair of outcomes and certificates against a statement of the rules that is much
 * simpler than the code.
 */
#include "engine/facts/age.h"
#include "engine/policy/verdict.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1800000000)

/* A claim made a hundred thousand times: Check writes a message even for a true assertion. */
#define claim(condition, ...)          \
    do {                               \
        if (!(condition))              \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)

/* --- the makings --- */

static struct name name_of(const char *text)
{
    struct name name = {0};

    name.length = (uint8_t)strlen(text);
    memcpy(name.text, text, name.length + 1u);
    return name;
}

/* A certificate that bears these names. */
struct bearing {
    struct certificate certificate;
    const char *names[3];
};

static const struct certificate *bears(struct bearing *bearing, bool common_name, const char *a,
                                       const char *b)
{
    *bearing = (struct bearing){.names = {a, b}};
    bearing->certificate.names = bearing->names;
    bearing->certificate.name_count = (uint16_t)((a != NULL) + (b != NULL));
    bearing->certificate.has_alternative_names = !common_name;
    bearing->certificate.not_before_s = NOW_S - 1000;
    bearing->certificate.not_after_s = NOW_S + 1000;
    return &bearing->certificate;
}

struct scene {
    struct route route;
    struct host_facts host;
    struct evidence evidence[LIMIT_ADDRESSES];
    struct bearing bearing[LIMIT_ADDRESSES];
    struct dns_answer tlsa;
    struct finding finding;
};
static struct scene s; /* large */

static void scene_begin(bool secure_mx)
{
    memset(&s, 0, sizeof s);
    s.route.state = ROUTE_MX;
    s.route.secure = secure_mx;
    s.route.domain = name_of("domain.example");
    s.route.host_count = 1;
    s.route.hosts[0].name = name_of("mx.host.example");
    s.host.name = s.route.hosts[0].name;
    s.host.port = 25;
    s.host.state = HOST_RESOLVED;
    s.host.secure = true;
    s.host.tlsa_state = TLSA_ABSENT;
}

/* The host has TLSA records, `usable` of them usable. */
static void scene_tlsa(uint8_t usable)
{
    s.host.tlsa_state = TLSA_PRESENT;
    s.host.usable = usable;
    s.host.base = s.host.name;
    s.host.tlsa = &s.tlsa;
    s.tlsa.count = 1;
}

static struct evidence *endpoint(enum outcome outcome)
{
    unsigned i = s.host.endpoint_count++;
    struct evidence *evidence = &s.evidence[i];

    s.host.endpoints[i].evidence = evidence;
    s.host.endpoints[i].secure = true;
    evidence->outcome = outcome;
    evidence->key.address.family = 4;
    evidence->key.address.bytes[0] = 192;
    evidence->key.address.bytes[3] = (uint8_t)(i + 1);
    evidence->ended_wall_s = NOW_S - 60;
    evidence->pkix = -1;
    if (outcome == OUTCOME_TLS_OK) {
        evidence->tls_version = 0x0304;
        evidence->chain_count = 1;
        evidence->chain[0] = bears(&s.bearing[i], false, "nobody.example", NULL);
        evidence->pkix = 20;
    }
    return evidence;
}

/* An endpoint with TLS and a certificate: PKIX result, names. */
static struct evidence *endpoint_with(int pkix, const char *a, const char *b)
{
    struct evidence *evidence = endpoint(OUTCOME_TLS_OK);

    evidence->chain[0] = bears(&s.bearing[s.host.endpoint_count - 1], false, a, b);
    evidence->pkix = pkix;
    return evidence;
}

static void record(struct evidence *evidence, unsigned usage, enum tlsa_fate fate, int verify)
{
    evidence->tlsa[evidence->tlsa_count++] = (struct tlsa_result){
        .fate = fate, .usage = (uint8_t)usage, .selector = 1, .matching_type = 1, .verify = verify};
}

/* The look-up of one family failed. */
static void family_missed(bool ours)
{
    s.host.addresses_unseen = true;
    s.host.addresses_unseen_ours = ours;
    snprintf(s.host.why, sizeof s.host.why,
             "resolving its addresses: AAAA mx.host.example: failed");
}

static const struct finding *found(void)
{
    char text[512];

    finding_of_host(&s.finding, &s.route, &s.host, NOW_S);
    claim(finding_explain(&s.finding, text, sizeof text) > 10 && s.finding.why[0] != '\0', "%s",
          text);
    for (const char *c = text; *c != '\0'; c++)
        claim(*c >= 0x20 && *c < 0x7f, "%s", text);
    return &s.finding;
}

static enum finding_kind kind(void)
{
    return found()->kind;
}

/* --- names (DANE-31..33, TLS-21, TLS-22) --- */

START_TEST(an_unsigned_mx_vouches_for_nobody_TLS_21_PIT_05)
{
    const struct {
        bool secure;
        const char *name;
        enum finding_kind kind;
    } rows[] = {
        {true, "mx.host.example", FINDING_VERIFIED},
        {true, "domain.example", FINDING_VERIFIED},
        {true, "*.host.example", FINDING_VERIFIED},
        {true, "expanded.example", FINDING_VERIFIED},
        {true, "other.example", FINDING_ENCRYPTED},
        {false, "mx.host.example", FINDING_ENCRYPTED}, /* a forged MX has a valid one, too */
        {false, "domain.example", FINDING_VERIFIED},
        {false, "expanded.example", FINDING_ENCRYPTED},
        {false, "other.example", FINDING_ENCRYPTED},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scene_begin(rows[i].secure);
        s.route.expanded = name_of("expanded.example");
        endpoint_with(0, rows[i].name, NULL);
        ck_assert_msg(kind() == rows[i].kind, "row %zu: %s", i, finding_kind_name(s.finding.kind));
        if (rows[i].kind == FINDING_VERIFIED && rows[i].name[0] != '*')
            ck_assert_str_eq(s.finding.name.text, rows[i].name);
        ck_assert_int_eq(s.finding.level,
                         rows[i].kind == FINDING_VERIFIED ? LEVEL_VERIFIED : LEVEL_ENCRYPT);
        ck_assert(s.finding.conclusive);
    }
}
END_TEST

START_TEST(a_common_name_serves_dane_and_not_pkix_TLS_22_DANE_34)
{
    scene_begin(true);
    endpoint_with(0, NULL, NULL)->chain[0] = bears(&s.bearing[0], true, "mx.host.example", NULL);
    ck_assert_int_eq(kind(), FINDING_ENCRYPTED);
    scene_tlsa(1);
    record(&s.evidence[0], 2, TLSA_MATCH, 0);
    ck_assert_int_eq(kind(), FINDING_DANE);
}
END_TEST

START_TEST(untrusted_or_meanwhile_expired_certificates_prove_nothing_TLS_25)
{
    scene_begin(true);
    endpoint_with(20, "mx.host.example", NULL);
    ck_assert_int_eq(kind(), FINDING_ENCRYPTED);
    ck_assert_ptr_nonnull(strstr(s.finding.why, "unable to get local issuer"));
    s.evidence[0].pkix = 0;
    ck_assert_int_eq(kind(), FINDING_VERIFIED);
    s.bearing[0].certificate.not_after_s = NOW_S; /* since it was probed */
    ck_assert_int_eq(kind(), FINDING_ENCRYPTED);
    ck_assert_ptr_nonnull(strstr(s.finding.why, "expired"));
}
END_TEST

START_TEST(a_pkix_result_that_we_owe_is_not_conclusive)
{
    scene_begin(true);
    endpoint_with(-1, "mx.host.example", NULL);
    ck_assert_int_eq(kind(), FINDING_ENCRYPTED);
    ck_assert(!s.finding.conclusive);
    s.evidence[0].pkix = 0;
    s.bearing[0].names[0] = "other.example";
    ck_assert(found()->conclusive);
    s.bearing[0].certificate.names_dropped = 1; /* the name may be among those not read */
    ck_assert(!found()->conclusive);
    s.bearing[0].certificate.names_dropped = 0;
    s.evidence[0].pkix = 20; /* no issuer */
    ck_assert(found()->conclusive);
    s.evidence[0].chain_cut = true; /* it may be among those not looked at */
    ck_assert(!found()->conclusive);
    s.evidence[0].pkix = 10; /* expired, whoever issued it */
    ck_assert(found()->conclusive);
}
END_TEST

START_TEST(reference_identifiers_are_those_of_DANE_31_to_33)
{
    struct reference_names names;

    scene_begin(true);
    scene_tlsa(1);
    s.route.expanded = name_of("expanded.example");
    s.host.base = name_of("base.example");
    reference_names(&names, &s.route, &s.host);
    ck_assert_uint_eq(names.count, 3);
    ck_assert_str_eq(names.names[0].text, "base.example");
    ck_assert_str_eq(names.names[1].text, "domain.example");
    ck_assert_str_eq(names.names[2].text, "expanded.example");
    s.route.secure = false; /* DANE-32 */
    reference_names(&names, &s.route, &s.host);
    ck_assert_uint_eq(names.count, 1);
    ck_assert_str_eq(names.names[0].text, "base.example");
    s.route.secure = true; /* DANE-33: [alias], base is its expanded form */
    s.route.state = ROUTE_HOST;
    s.route.expanded = (struct name){0};
    s.route.domain = s.host.name;
    reference_names(&names, &s.route, &s.host);
    ck_assert_uint_eq(names.count, 2);
    ck_assert_str_eq(names.names[1].text, "mx.host.example");
}
END_TEST

START_TEST(an_address_literal_never_gets_above_encrypt_NAME_07)
{
    scene_begin(false);
    s.route.state = ROUTE_HOST;
    s.route.domain = (struct name){0};
    s.host.name = (struct name){0};
    endpoint_with(0, "mx.host.example", NULL);
    ck_assert_int_eq(kind(), FINDING_ENCRYPTED);
    ck_assert_int_eq(s.finding.level, LEVEL_ENCRYPT);
}
END_TEST

/* --- DANE at a host --- */

START_TEST(usable_records_make_dane_mandatory_DANE_11)
{
    static const struct {
        enum outcome outcome;
        enum tls_report report;
    } rows[] = {
        {OUTCOME_NO_STARTTLS, REPORT_STARTTLS_NOT_SUPPORTED},
        {OUTCOME_STARTTLS_REFUSED, REPORT_STARTTLS_NOT_SUPPORTED},
        {OUTCOME_TLS_FAILED, REPORT_VALIDATION_FAILURE},
        {OUTCOME_TLS_WEAK, REPORT_VALIDATION_FAILURE},
        {OUTCOME_INJECTION, REPORT_VALIDATION_FAILURE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scene_begin(true);
        scene_tlsa(1);
        endpoint(rows[i].outcome);
        ck_assert_int_eq(kind(), FINDING_DANE_FAILS);
        ck_assert_int_eq(s.finding.cause, CAUSE_DANE_NO_TLS);
        ck_assert_int_eq(s.finding.report, rows[i].report);
        ck_assert_int_eq(s.finding.level, LEVEL_AUTHENTICATED); /* still enforced */
        ck_assert(s.finding.conclusive);
    }
}
END_TEST

START_TEST(dane_ee_asks_for_no_name_and_no_date_DANE_26)
{
    scene_begin(true);
    scene_tlsa(1);
    record(endpoint_with(10, "other.example", NULL), 3, TLSA_MATCH, 0);
    s.bearing[0].certificate.not_after_s = NOW_S - 1;
    ck_assert_int_eq(kind(), FINDING_DANE);
    ck_assert_int_eq(s.finding.level, LEVEL_AUTHENTICATED);
    ck_assert_int_eq(s.finding.report, REPORT_NONE);
}
END_TEST

START_TEST(dane_ta_asks_for_a_name_and_a_date_DANE_28_DANE_31)
{
    scene_begin(true);
    scene_tlsa(1);
    record(endpoint_with(20, "mx.host.example", NULL), 2, TLSA_MATCH, 0);
    ck_assert_int_eq(kind(), FINDING_DANE);
    s.bearing[0].names[0] = "domain.example";
    ck_assert_int_eq(kind(), FINDING_DANE);
    s.bearing[0].names[0] = "other.example";
    ck_assert_int_eq(kind(), FINDING_DANE_FAILS);
    ck_assert_int_eq(s.finding.cause, CAUSE_DANE_FAILS);
    ck_assert_int_eq(s.finding.report, REPORT_CERTIFICATE_HOST_MISMATCH); /* RPT-02 */
    s.bearing[0].names[0] = "mx.host.example";
    s.bearing[0].certificate.not_after_s = NOW_S;
    ck_assert_int_eq(kind(), FINDING_DANE_FAILS);
    ck_assert_int_eq(s.finding.report, REPORT_CERTIFICATE_EXPIRED); /* RPT-03 */
}
END_TEST

START_TEST(behind_an_unsigned_mx_only_the_host_is_a_name_DANE_32)
{
    scene_begin(false);
    scene_tlsa(1);
    record(endpoint_with(20, "domain.example", NULL), 2, TLSA_MATCH, 0);
    ck_assert_int_eq(kind(), FINDING_DANE_FAILS);
    s.bearing[0].names[0] = "mx.host.example";
    ck_assert_int_eq(kind(), FINDING_DANE);
    ck_assert_int_eq(s.finding.level, LEVEL_DANE_INSECURE_MX); /* MX-13 */
    ck_assert_int_eq(s.finding.cause, CAUSE_DANE_INSECURE_MX);
}
END_TEST

START_TEST(half_dane_with_a_trusted_certificate_of_the_domain_is_verified_TLS_21)
{
    scene_begin(false);
    scene_tlsa(1);
    record(endpoint_with(0, "domain.example", NULL), 3, TLSA_MATCH, 0);
    ck_assert_int_eq(kind(), FINDING_VERIFIED);
    ck_assert_str_eq(s.finding.name.text, "domain.example");
    record(endpoint_with(0, "mx.host.example", NULL), 3, TLSA_MATCH, 0); /* not everywhere */
    ck_assert_int_eq(kind(), FINDING_DANE);
    ck_assert_int_eq(s.finding.level, LEVEL_DANE_INSECURE_MX);
}
END_TEST

START_TEST(any_record_and_any_address_suffice_DANE_24)
{
    struct evidence *second;

    scene_begin(true);
    scene_tlsa(2);
    record(endpoint_with(20, "x.example", NULL), 3, TLSA_NO_MATCH, 0);
    record(&s.evidence[0], 2, TLSA_CHAIN_FAILS, 10);
    ck_assert_int_eq(kind(), FINDING_DANE_FAILS);
    ck_assert_int_eq(s.finding.report, REPORT_CERTIFICATE_EXPIRED);
    second = endpoint_with(20, "x.example", NULL);
    record(second, 3, TLSA_NO_MATCH, 0);
    record(second, 3, TLSA_MATCH, 0);
    ck_assert_int_eq(kind(), FINDING_DANE);
    ck_assert_uint_eq(s.finding.endpoint, 1);
    ck_assert_ptr_nonnull(strstr(s.finding.why, "3 1 1"));
}
END_TEST

START_TEST(what_was_not_seen_under_dane_is_enforced_and_not_failing_DEC_05)
{
    scene_begin(true);
    scene_tlsa(1);
    endpoint(OUTCOME_CONNECT_TIMEOUT);
    ck_assert_int_eq(kind(), FINDING_DANE_ENFORCED);
    ck_assert_int_eq(s.finding.cause, CAUSE_UNREACHABLE);
    ck_assert_int_eq(s.finding.level, LEVEL_AUTHENTICATED);
    ck_assert(!s.finding.conclusive);
    endpoint(OUTCOME_NO_STARTTLS); /* one address of two */
    ck_assert_int_eq(kind(), FINDING_DANE_ENFORCED);
    ck_assert_int_eq(s.finding.report, REPORT_NONE);
}
END_TEST

START_TEST(where_we_stopped_looking_a_mismatch_proves_nothing)
{
    scene_begin(true);
    scene_tlsa(1);
    record(endpoint_with(20, "x.example", NULL), 3, TLSA_NO_MATCH, 0);
    ck_assert_int_eq(kind(), FINDING_DANE_FAILS);
    s.tlsa.dropped = 1; /* records over the limit */
    ck_assert_int_eq(kind(), FINDING_DANE_ENFORCED);
    ck_assert_int_eq(s.finding.cause, CAUSE_OURS);
    s.tlsa.dropped = 0;
    s.tlsa.count = LIMIT_TLSA + 1;
    ck_assert_int_eq(kind(), FINDING_DANE_ENFORCED);
    s.tlsa.count = 1;
    s.evidence[0].chain_cut = true; /* the rest of the chain may hold an anchor */
    ck_assert_int_eq(kind(), FINDING_DANE_FAILS);
    record(&s.evidence[0], 2, TLSA_NO_MATCH, 0);
    ck_assert_int_eq(kind(), FINDING_DANE_ENFORCED);
    s.evidence[0].chain_cut = false; /* all was looked at, and only the leaf kept */
    ck_assert_int_eq(kind(), FINDING_DANE_FAILS);
    s.evidence[0].tlsa[1].fate = TLSA_MATCH;
    ck_assert_int_eq(kind(), FINDING_DANE_FAILS); /* by name … */
    s.bearing[0].certificate.names_dropped = 1;   /* … but there were more */
    ck_assert_int_eq(kind(), FINDING_DANE_ENFORCED);
    s.evidence[0].tlsa_count = 0; /* the matching itself had no memory */
    ck_assert_int_eq(kind(), FINDING_DANE_ENFORCED);
}
END_TEST

START_TEST(unusable_records_demand_tls_and_no_more_DANE_12)
{
    scene_begin(true);
    scene_tlsa(0);
    endpoint_with(20, "x.example", NULL);
    ck_assert_int_eq(kind(), FINDING_ENCRYPTED);
    ck_assert_int_eq(s.finding.cause, CAUSE_ENCRYPTED_TLSA_UNUSABLE);
    ck_assert(s.finding.tls_required_by_tlsa);
    endpoint(OUTCOME_NO_STARTTLS); /* an address that is not used */
    ck_assert_int_eq(kind(), FINDING_ENCRYPTED);
    s.evidence[0].outcome = OUTCOME_TLS_WEAK;
    ck_assert_int_eq(kind(), FINDING_DANE_FAILS);
    ck_assert_int_eq(s.finding.cause, CAUSE_DANE_NO_TLS);
    ck_assert_int_eq(s.finding.report, REPORT_TLSA_INVALID); /* RPT-05 */
    ck_assert_int_eq(s.finding.level, LEVEL_ENCRYPT);
    s.evidence[0].outcome = OUTCOME_CONNECT_REFUSED;
    ck_assert_int_eq(kind(), FINDING_UNKNOWN);
    ck_assert_int_eq(s.finding.level, LEVEL_ENCRYPT);
}
END_TEST

/* --- look-ups --- */

START_TEST(a_failed_look_up_is_trouble_whatever_else_is_known_DANE_15)
{
    scene_begin(true);
    endpoint_with(0, "mx.host.example", NULL);
    s.host.tlsa_state = TLSA_TROUBLE;
    strcpy(s.host.why, "resolving its TLSA records: TLSA _25._tcp.mx.host.example: SERVFAIL");
    ck_assert_int_eq(kind(), FINDING_TROUBLE);
    ck_assert_int_eq(s.finding.cause, CAUSE_TLSA_TROUBLE);
    ck_assert_int_eq(s.finding.report, REPORT_NONE);
    ck_assert(!s.finding.conclusive);
    s.host.bogus = true;
    ck_assert_int_eq(kind(), FINDING_TROUBLE);
    ck_assert_int_eq(s.finding.cause, CAUSE_DNS_BOGUS);
    ck_assert_int_eq(s.finding.report, REPORT_DNSSEC_INVALID); /* RPT-06 */
    s.host.ours = true;
    ck_assert_int_eq(kind(), FINDING_TROUBLE);
    ck_assert_int_eq(s.finding.cause, CAUSE_OURS);
    ck_assert_int_eq(s.finding.report, REPORT_NONE);
    s.host.ours = s.host.bogus = false;
    s.host.tlsa_state = TLSA_NOT_LOOKED;
    s.host.state = HOST_TROUBLE;
    ck_assert_int_eq(kind(), FINDING_TROUBLE);
    ck_assert_int_eq(s.finding.cause, CAUSE_ADDRESS_TROUBLE);
}
END_TEST

START_TEST(a_host_without_address_is_excluded_MX_07)
{
    scene_begin(true);
    s.host.state = HOST_NO_ADDRESS;
    strcpy(s.host.why, "it has no address");
    ck_assert_int_eq(kind(), FINDING_EXCLUDED);
    ck_assert_int_eq(s.finding.cause, CAUSE_NO_HOST);
    ck_assert(s.finding.conclusive);
}
END_TEST

START_TEST(a_host_without_facts_is_unknown)
{
    struct finding finding;

    scene_begin(true);
    finding_of_host(&finding, &s.route, NULL, NOW_S);
    ck_assert_int_eq(finding.kind, FINDING_UNKNOWN);
    ck_assert_int_eq(finding.cause, CAUSE_NOT_LOOKED);
    ck_assert(!finding.conclusive);
    ck_assert_int_eq(((struct finding){0}).kind, FINDING_UNKNOWN); /* and so is a forgotten one */
}
END_TEST

/* --- several addresses (PIT-07) --- */

START_TEST(without_tlsa_the_weakest_address_that_was_seen_decides_PIT_07)
{
    scene_begin(true);
    endpoint_with(0, "mx.host.example", NULL);
    ck_assert_int_eq(kind(), FINDING_VERIFIED);
    endpoint_with(20, "mx.host.example", NULL);
    ck_assert_int_eq(kind(), FINDING_ENCRYPTED);
    ck_assert_uint_eq(s.finding.endpoint, 1);
    endpoint(OUTCOME_TLS_WEAK);
    ck_assert_int_eq(kind(), FINDING_WEAK);
    endpoint(OUTCOME_NO_STARTTLS);
    ck_assert_int_eq(kind(), FINDING_CLEAR);
    ck_assert_uint_eq(s.finding.endpoint, 3);
    ck_assert_ptr_nonnull(strstr(s.finding.why, "192.0.0.4"));
}
END_TEST

START_TEST(an_unreachable_family_says_nothing_about_the_host_and_is_looked_at_again)
{
    scene_begin(true);
    endpoint(OUTCOME_CONNECT_UNREACHABLE);
    endpoint_with(0, "mx.host.example", NULL);
    ck_assert_int_eq(kind(), FINDING_VERIFIED);
    ck_assert(!s.finding.conclusive); /* what hides may be the weakest */
}
END_TEST

/* Not even what was seen elsewhere: the one that we did not look at may take mail in clear. */
START_TEST(an_address_that_we_failed_to_look_at_leaves_nothing_good_to_say_law_3)
{
    for (int family = 0; family < 2; family++) {
        scene_begin(true);
        endpoint_with(0, "mx.host.example", NULL);
        if (family == 0)
            endpoint(OUTCOME_OURS_LATE);
        else
            family_missed(true);
        ck_assert_int_eq(kind(), FINDING_UNKNOWN);
        ck_assert_int_eq(s.finding.cause, CAUSE_OURS);
        ck_assert(!s.finding.conclusive);
        ck_assert_uint_eq(s.finding.tls_version, 0);
        endpoint(OUTCOME_NO_STARTTLS); /* nothing is worse */
        ck_assert_int_eq(kind(), FINDING_CLEAR);
        scene_begin(true);
        scene_tlsa(1);
        record(endpoint_with(20, NULL, NULL), 3, TLSA_MATCH, 0);
        if (family == 0)
            endpoint(OUTCOME_OURS_LATE);
        else
            family_missed(true);
        ck_assert_int_eq(kind(), FINDING_DANE); /* nothing less goes there */
        ck_assert(s.finding.conclusive);
    }
}
END_TEST

/* DANE-16: what there is is used, and nothing definite rests on there being no more. */
START_TEST(a_family_that_could_not_be_looked_up_may_have_other_addresses_DANE_16)
{
    scene_begin(true);
    family_missed(false);
    endpoint_with(0, "mx.host.example", NULL);
    ck_assert_int_eq(kind(), FINDING_VERIFIED);
    ck_assert(!s.finding.conclusive);
    scene_begin(true);
    family_missed(false);
    scene_tlsa(1);
    record(endpoint_with(0, "mx.host.example", NULL), 3, TLSA_NO_MATCH, 0);
    ck_assert_int_eq(kind(), FINDING_DANE_ENFORCED);
    ck_assert(!s.finding.conclusive);
    scene_begin(true);
    family_missed(false);
    scene_tlsa(0); /* unusable: TLS is asked for all the same */
    endpoint(OUTCOME_NO_STARTTLS);
    ck_assert_int_eq(kind(), FINDING_UNKNOWN);
    ck_assert_int_eq(s.finding.cause, CAUSE_ADDRESS_TROUBLE);
    family_missed(true);
    ck_assert_int_eq(kind(), FINDING_UNKNOWN);
    ck_assert_int_eq(s.finding.cause, CAUSE_OURS);
}
END_TEST

START_TEST(a_refusal_whose_weakness_has_no_name_yet_is_not_the_last_word)
{
    for (int naming = NAMING_NONE; naming <= NAMING_OURS; naming++) {
        bool named = naming == NAMING_NONE || naming == NAMING_ANSWERED;
        scene_begin(true);
        endpoint(OUTCOME_TLS_ALERT)->naming = (enum naming)naming;
        ck_assert_int_eq(kind(), FINDING_CLEAR);
        ck_assert_int_eq(s.finding.conclusive, named);
        ck_assert_int_eq(strstr(s.finding.why, "is not known") == NULL, named);
        scene_begin(true);
        scene_tlsa(1);
        endpoint(OUTCOME_TLS_ALERT)->naming = (enum naming)naming;
        ck_assert_int_eq(kind(), FINDING_DANE_FAILS); /* weak or none: both are too little */
        ck_assert(s.finding.conclusive);
    }
}
END_TEST

/* Addresses of a family that is switched off, or reserved: a choice, no failure of ours that would
 * keep the verdict out of the table (law 3). */
START_TEST(a_host_with_no_address_to_look_at_is_unknown_by_choice_and_not_by_failure)
{
    for (unsigned usable = 0; usable < 2; usable++) {
        scene_begin(true);
        if (usable > 0)
            scene_tlsa(1);
        snprintf(s.host.why, sizeof s.host.why, "it has only addresses of another family");
        ck_assert_int_eq(kind(), usable > 0 ? FINDING_DANE_ENFORCED : FINDING_UNKNOWN);
        ck_assert_int_eq(s.finding.cause, CAUSE_NOT_LOOKED);
        ck_assert_str_eq(s.finding.why, s.host.why);
        ck_assert(!s.finding.conclusive);
    }
}
END_TEST

START_TEST(an_address_that_was_not_seen_leaves_nothing_definite_that_it_could_change)
{
    static const struct {
        enum outcome seen;
        uint8_t tlsa; /* 0: none, 1: unusable, 2: usable */
        int pkix;
        enum finding_kind kind;
        bool conclusive;
    } rows[] = {
        {OUTCOME_TLS_OK, 0, 0, FINDING_VERIFIED, false},
        {OUTCOME_TLS_OK, 0, 20, FINDING_ENCRYPTED, false},
        {OUTCOME_TLS_WEAK, 0, 0, FINDING_WEAK, false},
        {OUTCOME_NO_STARTTLS, 0, 0, FINDING_CLEAR, true}, /* nothing is worse */
        {OUTCOME_TLS_OK, 1, 0, FINDING_VERIFIED, false},
        {OUTCOME_TLS_OK, 1, 20, FINDING_ENCRYPTED, true}, /* nothing less goes there (DANE-12) */
        {OUTCOME_NO_STARTTLS, 1, 0, FINDING_UNKNOWN, false},
        {OUTCOME_TLS_OK, 2, 0, FINDING_DANE, true}, /* the others must match, too (DANE-11) */
        {OUTCOME_NO_STARTTLS, 2, 0, FINDING_DANE_ENFORCED, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned hidden = 0; hidden < 3; hidden++) {
            scene_begin(true);
            if (rows[i].tlsa > 0)
                scene_tlsa(rows[i].tlsa - 1);
            if (rows[i].seen == OUTCOME_TLS_OK)
                record(endpoint_with(rows[i].pkix, "mx.host.example", NULL), 3, TLSA_MATCH, 0);
            else
                endpoint(rows[i].seen);
            if (hidden == 2)
                s.host.addresses_unseen = true; /* its look-up failed (DANE-16) */
            else if (hidden == 1)
                s.host.endpoints_dropped = 1;
            else
                endpoint(OUTCOME_CONNECT_TIMEOUT);
            ck_assert_msg(kind() == rows[i].kind, "row %zu, %u: %s", i, hidden,
                          finding_kind_name(s.finding.kind));
            ck_assert_msg(s.finding.conclusive == rows[i].conclusive, "row %zu, %u", i, hidden);
            ck_assert_int_ne(s.finding.cause, CAUSE_OURS);
        }
}
END_TEST

/* Records may be exchanged as soon as their TTL is over: then they must be asked for again first.
 */
START_TEST(records_that_ran_out_before_the_probe_began_prove_no_mismatch_DANE_42)
{
    for (unsigned late = 0; late < 2; late++) {
        scene_begin(true);
        scene_tlsa(1);
        record(endpoint_with(0, "mx.host.example", NULL), 3, TLSA_NO_MATCH, 0);
        s.evidence[0].began_ms = 5000 + late;
        s.host.dns_until_ms = 5000;
        ck_assert_int_eq(kind(), late ? FINDING_DANE_ENFORCED : FINDING_DANE_FAILS);
        ck_assert_int_eq(s.finding.conclusive, !late);
        ck_assert_int_eq(s.finding.report, late ? REPORT_NONE : REPORT_TLSA_INVALID);
        s.evidence[0].tlsa[0].fate = TLSA_MATCH; /* a match is enforced at the delivery */
        ck_assert_int_eq(kind(), FINDING_DANE);
    }
}
END_TEST

/* A completed handshake keeps, but not as a reason to stop mail for an hour. */
START_TEST(a_certificate_that_meets_no_tlsa_record_is_evidence_of_now_FRESH_02)
{
    static const struct {
        enum tlsa_fate first, second;
        uint64_t keeps_ms;
    } rows[] = {
        {TLSA_NO_MATCH, TLSA_MATCH, AGE_GOOD_MS},      {TLSA_NO_MATCH, TLSA_NO_MATCH, AGE_BAD_MS},
        {TLSA_CHAIN_FAILS, TLSA_NO_MATCH, AGE_BAD_MS}, {TLSA_UNUSABLE, TLSA_NO_MATCH, AGE_BAD_MS},
        {TLSA_UNUSABLE, TLSA_UNUSABLE, AGE_GOOD_MS},   {TLSA_OUTCLASSED, TLSA_MATCH, AGE_GOOD_MS},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scene_begin(true);
        struct evidence *evidence = endpoint_with(0, "mx.host.example", NULL);

        evidence->began_ms = 1000;
        ck_assert_uint_eq(evidence_good_until_ms(evidence), 1000 + AGE_GOOD_MS); /* no TLSA */
        record(evidence, 3, rows[i].first, 0);
        record(evidence, 2, rows[i].second, 0);
        ck_assert_msg(evidence_good_until_ms(evidence) == 1000 + rows[i].keeps_ms, "row %zu", i);
    }
}
END_TEST

/* --- the clock (FRESH-06) --- */

START_TEST(with_a_wrong_clock_no_certificate_is_judged_FRESH_06)
{
    static const int64_t wrong[] = {0, INT64_C(1767225599), INT64_C(4000000000), -5};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        for (unsigned usage = 0; usage <= 3; usage++)
            for (int pkix = 0; pkix <= 10; pkix += 10) {
                scene_begin(true);
                if (usage >= 2)
                    scene_tlsa(1);
                endpoint_with(pkix, "mx.host.example", NULL)->ended_wall_s = wrong[i];
                if (usage >= 2)
                    record(&s.evidence[0], usage,
                           pkix != 0 && usage == 2 ? TLSA_CHAIN_FAILS : TLSA_MATCH, pkix);
                if (usage == 3) { /* asks for no date (DANE-26) */
                    ck_assert_int_eq(kind(), FINDING_DANE);
                    ck_assert(s.finding.conclusive);
                    continue;
                }
                ck_assert_int_eq(kind(), usage == 2 ? FINDING_DANE_ENFORCED : FINDING_ENCRYPTED);
                ck_assert_int_eq(s.finding.cause, CAUSE_OURS);
                ck_assert_int_eq(s.finding.report, REPORT_NONE);
                ck_assert(!s.finding.conclusive);
                ck_assert_ptr_nonnull(strstr(s.finding.why, "clock"));
            }
}
END_TEST

START_TEST(a_clock_that_went_wrong_since_the_probe_counts_too_FRESH_06)
{
    scene_begin(true);
    endpoint_with(0, "mx.host.example", NULL);
    finding_of_host(&s.finding, &s.route, &s.host, 1000);
    ck_assert_int_eq(s.finding.kind, FINDING_ENCRYPTED);
    ck_assert_int_eq(s.finding.cause, CAUSE_OURS);
    ck_assert(!s.finding.conclusive);
    s.host.tlsa_state = TLSA_TROUBLE; /* no signature is valid in 1970 */
    s.host.bogus = true;
    snprintf(s.host.why, sizeof s.host.why, "its TLSA records are bogus");
    finding_of_host(&s.finding, &s.route, &s.host, 1000);
    ck_assert_int_eq(s.finding.cause, CAUSE_OURS);
    ck_assert_int_eq(s.finding.report, REPORT_NONE);
    ck_assert_int_eq(found()->cause, CAUSE_DNS_BOGUS);
}
END_TEST

START_TEST(a_refusal_for_now_is_no_last_word_TLS_07)
{
    scene_begin(true);
    endpoint(OUTCOME_STARTTLS_TEMPORARY);
    ck_assert_int_eq(kind(), FINDING_CLEAR);
    ck_assert_int_eq(s.finding.cause, CAUSE_STARTTLS_REFUSED);
    ck_assert(!s.finding.conclusive);
    scene_tlsa(1);
    ck_assert_int_eq(kind(), FINDING_DANE_ENFORCED);
    ck_assert_int_eq(s.finding.cause, CAUSE_STARTTLS_REFUSED);
    s.host.usable = 0;
    ck_assert_int_eq(kind(), FINDING_UNKNOWN);
}
END_TEST

START_TEST(facts_of_the_addresses_are_joined)
{
    scene_begin(true);
    endpoint(OUTCOME_TLS_OK)->keywords = KEYWORD_REQUIRETLS;
    endpoint(OUTCOME_TLS_OK)->tls_version = 0x0303;
    found();
    ck_assert_uint_eq(s.finding.tls_version, 0x0303);
    ck_assert(!s.finding.requiretls);
    s.evidence[1].keywords = KEYWORD_REQUIRETLS;
    ck_assert(found()->requiretls);
}
END_TEST

/* --- every pair of endpoints, against a simpler statement --- */

/* One endpoint as the rules see it. */
struct glance {
    enum outcome outcome;
    int pkix;         /* TLS_OK: 0 or 20 */
    const char *name; /* TLS_OK: the certificate's */
    unsigned usage;   /* of the one record: fate below */
    enum tlsa_fate fate;
};

static const char *const glance_names[] = {"mx.host.example", "domain.example", "other.example"};

static unsigned glances_make(struct glance *glances)
{
    unsigned count = 0;

    for (unsigned o = 0; o < OUTCOME_COUNT; o++) {
        if (o != OUTCOME_TLS_OK) {
            glances[count++] = (struct glance){.outcome = (enum outcome)o};
            continue;
        }
        for (unsigned pkix = 0; pkix <= 20; pkix += 20)
            for (unsigned n = 0; n < 3; n++)
                for (unsigned usage = 2; usage <= 3; usage++)
                    for (unsigned fate = TLSA_NO_MATCH; fate <= TLSA_MATCH; fate++)
                        glances[count++] = (struct glance){.outcome = OUTCOME_TLS_OK,
                                                           .pkix = (int)pkix,
                                                           .name = glance_names[n],
                                                           .usage = usage,
                                                           .fate = (enum tlsa_fate)fate};
    }
    return count;
}

static void glance_add(const struct glance *glance)
{
    struct evidence *evidence;

    if (glance->outcome != OUTCOME_TLS_OK) {
        endpoint(glance->outcome);
        return;
    }
    evidence = endpoint_with(glance->pkix, glance->name, NULL);
    record(evidence, glance->usage, glance->fate, 0);
}

/* Without TLSA: 0 clear, 1 weak, 2 encrypted, 3 verified, -1 not seen. */
static int simple_strength(const struct glance *glance, bool secure)
{
    switch (outcome_says(glance->outcome)) {
    case SAYS_ENCRYPTS:
        if (glance->pkix == 0 && (strcmp(glance->name, "domain.example") == 0 ||
                                  (secure && strcmp(glance->name, "mx.host.example") == 0)))
            return 3;
        return 2;
    case SAYS_WEAK:
        return 1;
    case SAYS_CLEAR:
    case SAYS_REFUSES:
    case SAYS_BROKEN:
        return 0;
    case SAYS_INCONCLUSIVE:
    case SAYS_OURS:
        break;
    }
    return -1;
}

/* With TLSA: 1 met, 0 not met, -1 not seen. */
static int simple_dane(const struct glance *glance, bool secure)
{
    if (glance->outcome == OUTCOME_STARTTLS_TEMPORARY)
        return -1;
    if (glance->outcome != OUTCOME_TLS_OK)
        return simple_strength(glance, secure) < 0 ? -1 : 0;
    if (glance->fate != TLSA_MATCH)
        return 0;
    if (glance->usage == 3)
        return 1;
    return strcmp(glance->name, "mx.host.example") == 0 ||
           (secure && strcmp(glance->name, "domain.example") == 0);
}

static bool simple_ours(const struct glance *const pair[2])
{
    return outcome_says(pair[0]->outcome) == SAYS_OURS ||
           outcome_says(pair[1]->outcome) == SAYS_OURS;
}

static enum finding_kind simple_plain_kind(const struct glance *const pair[2], bool secure)
{
    static const enum finding_kind kinds[] = {FINDING_CLEAR, FINDING_WEAK, FINDING_ENCRYPTED,
                                              FINDING_VERIFIED};
    int a = simple_strength(pair[0], secure), b = simple_strength(pair[1], secure);

    if ((a < 0 && b < 0) || (simple_ours(pair) && (a > 1 || b > 1)))
        return FINDING_UNKNOWN;
    return kinds[a < 0 ? b : b < 0 ? a : a < b ? a : b];
}

static enum finding_kind simple_dane_kind(const struct glance *const pair[2], bool secure)
{
    int a = simple_dane(pair[0], secure), b = simple_dane(pair[1], secure);

    if (a == 1 || b == 1) {
        bool verified = !secure;

        for (unsigned i = 0; i < 2; i++)
            if (simple_dane(pair[i], secure) == 1 && simple_strength(pair[i], secure) < 3)
                verified = false;
        return verified ? FINDING_VERIFIED : FINDING_DANE;
    }
    return a < 0 || b < 0 ? FINDING_DANE_ENFORCED : FINDING_DANE_FAILS;
}

static enum finding_kind simple_unusable_kind(const struct glance *const pair[2], bool secure)
{
    int least = 9;
    bool unseen = false;

    for (unsigned i = 0; i < 2; i++) {
        int strength = simple_strength(pair[i], secure);

        unseen = unseen || strength < 0 || pair[i]->outcome == OUTCOME_STARTTLS_TEMPORARY;
        if (strength >= 2 && strength < least)
            least = strength;
    }
    if (least == 3 && simple_ours(pair))
        return FINDING_UNKNOWN;
    if (least < 9)
        return least == 3 ? FINDING_VERIFIED : FINDING_ENCRYPTED;
    return unseen ? FINDING_UNKNOWN : FINDING_DANE_FAILS;
}

START_TEST(every_pair_of_addresses_is_worth_what_the_simple_rules_say)
{
    static struct glance glances[OUTCOME_COUNT + 32];
    unsigned count = glances_make(glances), tried = 0;

    for (unsigned a = 0; a < count; a++)
        for (unsigned b = 0; b < count; b++)
            for (unsigned form = 0; form < 6; form++) {
                const struct glance *pair[2] = {&glances[a], &glances[b]};
                bool secure = form % 2 != 0;
                unsigned tlsa = form / 2; /* none, unusable, usable */
                enum finding_kind expected = tlsa == 0   ? simple_plain_kind(pair, secure)
                                             : tlsa == 1 ? simple_unusable_kind(pair, secure)
                                                         : simple_dane_kind(pair, secure);

                scene_begin(secure);
                if (tlsa > 0)
                    scene_tlsa((uint8_t)(tlsa - 1));
                glance_add(pair[0]);
                glance_add(pair[1]);
                ck_assert_msg(
                    kind() == expected, "%s + %s, tlsa %u, secure %d: %s, expected %s (%s)",
                    outcome_name(pair[0]->outcome), outcome_name(pair[1]->outcome), tlsa, secure,
                    finding_kind_name(s.finding.kind), finding_kind_name(expected), s.finding.why);
                claim(s.finding.conclusive || s.finding.report == REPORT_NONE ||
                          s.finding.kind == FINDING_CLEAR || s.finding.kind == FINDING_WEAK,
                      "%s", s.finding.why);
                tried++;
            }
    ck_assert_uint_gt(tried, 15000);
}
END_TEST

/* --- outcomes --- */

START_TEST(an_inconclusive_outcome_is_never_reported_and_every_other_failure_is_RPT_01_to_12)
{
    for (unsigned o = 0; o < OUTCOME_COUNT; o++) {
        enum outcome_says says = outcome_says((enum outcome)o);
        bool reported = outcome_report((enum outcome)o) != REPORT_NONE;
        bool silent = says == SAYS_ENCRYPTS || says == SAYS_INCONCLUSIVE || says == SAYS_OURS;

        ck_assert_msg(reported != silent, "%s", outcome_name((enum outcome)o));
        for (unsigned other = 0; other < o; other++)
            ck_assert_str_ne(outcome_name((enum outcome)o), outcome_name((enum outcome)other));
    }
}
END_TEST

/* --- routes (MX-01..09, MX-18) --- */

static struct dns_answer mx_answer;
static struct own own; /* nothing, unless a test says so */
static struct dns_mx mx_records[600];

static void mx_begin(enum dns_kind kind_)
{
    memset(&mx_answer, 0, sizeof mx_answer);
    memset(mx_records, 0, sizeof mx_records);
    mx_answer.kind = kind_;
    mx_answer.type = DNS_MX;
    mx_answer.ttl_s = 300;
    mx_answer.at_ms = 1000;
    mx_answer.owner = mx_answer.canonical = name_of("domain.example");
    mx_answer.mx = mx_records;
}

static void mx_add(uint16_t preference, const char *exchange, bool usable)
{
    mx_records[mx_answer.count++] =
        (struct dns_mx){.preference = preference, .exchange = name_of(exchange), .usable = usable};
}

static const struct route *routed(void)
{
    struct name domain = name_of("domain.example");

    route_from_mx(&s.route, &domain, &mx_answer, &own);
    return &s.route;
}

START_TEST(every_kind_of_answer_has_its_route_MX_05_MX_11_MX_12)
{
    static const struct {
        enum dns_kind kind;
        enum route_state state;
        bool secure;
        unsigned hosts;
    } rows[] = {
        {DNS_ERROR, ROUTE_TROUBLE, false, 0},
        {DNS_BOGUS, ROUTE_BOGUS, false, 0},
        {DNS_SECURE_DATA, ROUTE_MX, true, 1},
        {DNS_INSECURE_DATA, ROUTE_MX, false, 1},
        {DNS_SECURE_NODATA, ROUTE_IMPLICIT, true, 1},
        {DNS_INSECURE_NODATA, ROUTE_IMPLICIT, false, 1},
        {DNS_SECURE_NXDOMAIN, ROUTE_NO_DOMAIN, true, 0},
        {DNS_INSECURE_NXDOMAIN, ROUTE_NO_DOMAIN, false, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mx_begin(rows[i].kind);
        if (dns_has_data(rows[i].kind))
            mx_add(10, "mx.example", true);
        routed();
        ck_assert_int_eq(s.route.state, rows[i].state);
        ck_assert_int_eq(s.route.secure, rows[i].secure);
        ck_assert_uint_eq(s.route.host_count, rows[i].hosts);
        ck_assert_uint_eq(s.route.until_ms, 301000);
    }
    mx_begin(DNS_SECURE_NODATA);
    ck_assert_str_eq(routed()->hosts[0].name.text, "domain.example");
    mx_begin(DNS_ERROR);
    mx_answer.trouble = DNS_TROUBLE_ALIASES;
    ck_assert_int_eq(routed()->state, ROUTE_ALIAS_LOOP); /* MX-01 */
    mx_answer.trouble = DNS_TROUBLE_OURS;
    ck_assert(routed()->ours);
}
END_TEST

START_TEST(null_mx_is_a_root_alone_MX_08_MX_09)
{
    mx_begin(DNS_SECURE_DATA);
    mx_add(0, "", false);
    ck_assert_int_eq(routed()->state, ROUTE_NULL_MX);
    mx_records[0].preference = 10;
    ck_assert_int_eq(routed()->state, ROUTE_NULL_MX);
    mx_add(10, "mx.example", true);
    ck_assert_int_eq(routed()->state, ROUTE_MX); /* the root is ignored */
    ck_assert_uint_eq(s.route.host_count, 1);
    mx_records[1].usable = false;
    ck_assert_int_eq(routed()->state, ROUTE_UNUSABLE);
}
END_TEST

START_TEST(names_that_no_host_has_are_left_out_and_never_replaced_by_the_domain_MX_07)
{
    mx_begin(DNS_SECURE_DATA);
    mx_add(5, "192.0.2.1", false);
    ck_assert_int_eq(routed()->state, ROUTE_UNUSABLE);
    ck_assert_uint_eq(s.route.host_count, 0);
    mx_add(10, "mx.example", true);
    ck_assert_int_eq(routed()->state, ROUTE_MX);
    ck_assert(s.route.hosts_unusable);
    ck_assert(!s.route.hosts_cut);
}
END_TEST

START_TEST(hosts_ascend_once_each_and_are_cut_at_the_limit_MX_02_MX_18)
{
    mx_begin(DNS_SECURE_DATA);
    mx_add(20, "b.example", true);
    mx_add(10, "c.example", true);
    mx_add(10, "a.example", true);
    mx_add(5, "b.example", true);
    mx_add(10, "c.example", true);
    routed();
    ck_assert_uint_eq(s.route.host_count, 3);
    ck_assert_str_eq(s.route.hosts[0].name.text, "b.example");
    ck_assert_str_eq(s.route.hosts[1].name.text, "a.example");
    ck_assert_str_eq(s.route.hosts[2].name.text, "c.example");
    ck_assert_uint_eq(s.route.hosts[0].preference, 5);
    ck_assert(!s.route.hosts_cut);
    mx_begin(DNS_SECURE_DATA);
    for (unsigned i = 0; i < 398; i++) {
        char text[32];

        snprintf(text, sizeof text, "mx%03u.example", 397 - i);
        mx_add(10, text, true);
    }
    routed();
    ck_assert_uint_eq(s.route.host_count, LIMIT_MX_HOSTS);
    ck_assert(s.route.hosts_cut);
    ck_assert_str_eq(s.route.hosts[0].name.text, "mx000.example");
    ck_assert_str_eq(s.route.hosts[LIMIT_MX_HOSTS - 1].name.text, "mx009.example");
}
END_TEST

START_TEST(records_that_were_not_read_are_hosts_that_were_cut_MX_18)
{
    mx_begin(DNS_SECURE_DATA);
    mx_add(10, "mx.example", true);
    mx_answer.dropped = 1;
    ck_assert(routed()->hosts_cut);
    mx_records[0].usable = false;
    ck_assert_int_eq(routed()->state, ROUTE_TROUBLE); /* maybe a host: nothing final */
}
END_TEST

/* --- our own hosts (MX-15) --- */

static void ours(const char *text)
{
    ck_assert_int_eq(own_add(&own, text), 0);
}

static void three_hosts(void)
{
    mx_begin(DNS_SECURE_DATA);
    mx_add(30, "c.example", true);
    mx_add(10, "a.example", true);
    mx_add(20, "b.example", true);
    mx_add(20, "b2.example", true);
}

START_TEST(an_own_name_drops_its_preference_and_all_worse_ones_MX_15)
{
    static const struct {
        const char *own;
        unsigned hosts;
    } rows[] = {
        {"A.Example.", 0}, {"b.example", 1}, {"b2.example", 1}, {"c.example", 3}, {"d.example", 4}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        own = (struct own){0};
        ours(rows[i].own);
        three_hosts();
        ck_assert_uint_eq(routed()->host_count, rows[i].hosts);
        ck_assert_int_eq(s.route.state, rows[i].hosts > 0 ? ROUTE_MX : ROUTE_LOOP);
        ck_assert(!s.route.hosts_cut);
        if (rows[i].hosts > 0)
            ck_assert_str_eq(s.route.hosts[0].name.text, "a.example");
    }
    own = (struct own){0};
    ours("domain.example");
    mx_begin(DNS_INSECURE_NODATA);
    ck_assert_int_eq(routed()->state, ROUTE_LOOP);
    ck_assert_uint_eq(s.route.host_count, 0);
    mx_begin(DNS_ERROR); /* an error stays one (MX-11) */
    ck_assert_int_eq(routed()->state, ROUTE_TROUBLE);
    own = (struct own){0};
}
END_TEST

START_TEST(records_not_read_may_be_better_than_our_own_MX_15_MX_18)
{
    ours("a.example");
    three_hosts();
    mx_answer.dropped = 1;
    ck_assert_int_eq(routed()->state, ROUTE_TROUBLE);
    ck_assert(s.route.ours);
    own = (struct own){0};
}
END_TEST

START_TEST(an_own_address_drops_its_preference_and_all_worse_ones_MX_15)
{
    struct host_facts others = {.state = HOST_RESOLVED, .secure = true, .dns_until_ms = UINT64_MAX};

    for (unsigned which = 0; which < 4; which++)
        for (unsigned signed_ = 0; signed_ < 2; signed_++) {
            static const unsigned left[] = {0, 1, 1, 3};
            const struct host_facts *hosts[4] = {&others, NULL, &others, &others};

            own = (struct own){0};
            three_hosts();
            routed();
            s.host = (struct host_facts){
                .state = HOST_RESOLVED, .secure = signed_ != 0, .dns_until_ms = 5000};
            endpoint(OUTCOME_TLS_OK);
            endpoint(OUTCOME_CONNECT_REFUSED);
            hosts[which] = &s.host;
            ours("192.0.0.9");
            route_without_loops(&s.route, hosts, &own);
            ck_assert_uint_eq(s.route.host_count, 4);
            ours("192.0.0.2"); /* also of several, and though it does not answer */
            route_without_loops(&s.route, hosts, &own);
            ck_assert_uint_eq(s.route.host_count, left[which]);
            ck_assert_int_eq(s.route.state, which == 0 ? ROUTE_LOOP : ROUTE_MX);
            ck_assert_int_eq(s.route.hosts_cut, !signed_); /* may be forged */
            ck_assert_uint_eq(s.route.until_ms, 5000);     /* MX-17 */
        }
    s.route = (struct route){.state = ROUTE_HOST, .host_count = 1}; /* named by the administrator */
    route_without_loops(&s.route, (const struct host_facts *[]){&s.host}, &own);
    ck_assert_uint_eq(s.route.host_count, 1);
    own = (struct own){0};
}
END_TEST

START_TEST(own_hosts_are_names_or_addresses_and_bounded)
{
    char text[32];

    ck_assert_int_eq(own_add(&own, ""), -EINVAL);
    ck_assert_int_eq(own_add(&own, "two words"), -EINVAL);
    ck_assert_int_eq(own_add(&own, "192.0.2.300"), -EINVAL);
    ours("2001:db8::1");
    ck_assert_uint_eq(own.address_count, 1);
    for (unsigned i = 1; i < LIMIT_OWN; i++) {
        snprintf(text, sizeof text, "mx%u.example", i);
        ours(text);
    }
    ck_assert_int_eq(own_add(&own, "one-more.example"), -EINVAL);
    ck_assert_int_eq(own_add(&own, "192.0.2.1"), -EINVAL);
    own = (struct own){0};
}
END_TEST

START_TEST(an_own_host_that_is_neither_is_refused_with_its_text_MX_15)
{
    char *texts[] = {(char *)(uintptr_t) "mx.example", (char *)(uintptr_t) "192.0.2.300",
                     (char *)(uintptr_t) "192.0.2.3"};
    struct option_list list = {3, texts};
    char why[200] = "";

    ck_assert_int_eq(own_read(&own, &list, why, sizeof why), -EINVAL);
    ck_assert_ptr_eq(strstr(why, "daemon.own: \"192.0.2.300\" is neither"), why);
    texts[1] = (char *)(uintptr_t) "mx2.example";
    for (int again = 0; again < 2; again++) { /* a second reading does not add to the first */
        ck_assert_int_eq(own_read(&own, &list, why, sizeof why), 0);
        ck_assert_uint_eq(own.name_count, 2);
        ck_assert_uint_eq(own.address_count, 1);
    }
    own = (struct own){0};
}
END_TEST

START_TEST(only_a_secure_alias_is_a_name_of_the_domain_DANE_31)
{
    mx_begin(DNS_SECURE_DATA);
    mx_add(10, "mx.example", true);
    mx_answer.aliases = 1;
    mx_answer.canonical = name_of("real.example");
    ck_assert_str_eq(routed()->expanded.text, "real.example");
    mx_answer.kind = DNS_INSECURE_DATA;
    ck_assert_uint_eq(routed()->expanded.length, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("finding");
    TCase *names = tcase_create("names"), *dane = tcase_create("dane"),
          *hosts = tcase_create("hosts"), *routes = tcase_create("routes");
    SRunner *runner;
    int failed;

    tcase_add_test(names, an_unsigned_mx_vouches_for_nobody_TLS_21_PIT_05);
    tcase_add_test(names, a_common_name_serves_dane_and_not_pkix_TLS_22_DANE_34);
    tcase_add_test(names, untrusted_or_meanwhile_expired_certificates_prove_nothing_TLS_25);
    tcase_add_test(names, a_pkix_result_that_we_owe_is_not_conclusive);
    tcase_add_test(names, reference_identifiers_are_those_of_DANE_31_to_33);
    tcase_add_test(names, an_address_literal_never_gets_above_encrypt_NAME_07);
    tcase_add_test(dane, usable_records_make_dane_mandatory_DANE_11);
    tcase_add_test(dane, dane_ee_asks_for_no_name_and_no_date_DANE_26);
    tcase_add_test(dane, dane_ta_asks_for_a_name_and_a_date_DANE_28_DANE_31);
    tcase_add_test(dane, behind_an_unsigned_mx_only_the_host_is_a_name_DANE_32);
    tcase_add_test(dane, half_dane_with_a_trusted_certificate_of_the_domain_is_verified_TLS_21);
    tcase_add_test(dane, any_record_and_any_address_suffice_DANE_24);
    tcase_add_test(dane, what_was_not_seen_under_dane_is_enforced_and_not_failing_DEC_05);
    tcase_add_test(dane, where_we_stopped_looking_a_mismatch_proves_nothing);
    tcase_add_test(dane, unusable_records_demand_tls_and_no_more_DANE_12);
    tcase_add_test(hosts, a_failed_look_up_is_trouble_whatever_else_is_known_DANE_15);
    tcase_add_test(hosts, a_host_without_address_is_excluded_MX_07);
    tcase_add_test(hosts, a_host_without_facts_is_unknown);
    tcase_add_test(hosts, without_tlsa_the_weakest_address_that_was_seen_decides_PIT_07);
    tcase_add_test(hosts, an_unreachable_family_says_nothing_about_the_host_and_is_looked_at_again);
    tcase_add_test(hosts, an_address_that_we_failed_to_look_at_leaves_nothing_good_to_say_law_3);
    tcase_add_test(hosts, a_family_that_could_not_be_looked_up_may_have_other_addresses_DANE_16);
    tcase_add_test(hosts, a_refusal_whose_weakness_has_no_name_yet_is_not_the_last_word);
    tcase_add_test(hosts,
                   a_host_with_no_address_to_look_at_is_unknown_by_choice_and_not_by_failure);
    tcase_add_test(hosts,
                   an_address_that_was_not_seen_leaves_nothing_definite_that_it_could_change);
    tcase_add_test(hosts, records_that_ran_out_before_the_probe_began_prove_no_mismatch_DANE_42);
    tcase_add_test(hosts, a_certificate_that_meets_no_tlsa_record_is_evidence_of_now_FRESH_02);
    tcase_add_test(hosts, with_a_wrong_clock_no_certificate_is_judged_FRESH_06);
    tcase_add_test(hosts, a_clock_that_went_wrong_since_the_probe_counts_too_FRESH_06);
    tcase_add_test(hosts, a_refusal_for_now_is_no_last_word_TLS_07);
    tcase_add_test(hosts, facts_of_the_addresses_are_joined);
    tcase_add_test(hosts, every_pair_of_addresses_is_worth_what_the_simple_rules_say);
    tcase_add_test(
        hosts, an_inconclusive_outcome_is_never_reported_and_every_other_failure_is_RPT_01_to_12);
    tcase_set_timeout(hosts, 60);
    tcase_add_test(routes, every_kind_of_answer_has_its_route_MX_05_MX_11_MX_12);
    tcase_add_test(routes, null_mx_is_a_root_alone_MX_08_MX_09);
    tcase_add_test(routes,
                   names_that_no_host_has_are_left_out_and_never_replaced_by_the_domain_MX_07);
    tcase_add_test(routes, hosts_ascend_once_each_and_are_cut_at_the_limit_MX_02_MX_18);
    tcase_add_test(routes, records_that_were_not_read_are_hosts_that_were_cut_MX_18);
    tcase_add_test(routes, an_own_name_drops_its_preference_and_all_worse_ones_MX_15);
    tcase_add_test(routes, records_not_read_may_be_better_than_our_own_MX_15_MX_18);
    tcase_add_test(routes, an_own_address_drops_its_preference_and_all_worse_ones_MX_15);
    tcase_add_test(routes, an_own_host_that_is_neither_is_refused_with_its_text_MX_15);
    tcase_add_test(routes, own_hosts_are_names_or_addresses_and_bounded);
    tcase_add_test(routes, only_a_secure_alias_is_a_name_of_the_domain_DANE_31);
    suite_add_tcase(suite, names);
    suite_add_tcase(suite, dane);
    suite_add_tcase(suite, hosts);
    suite_add_tcase(suite, routes);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
