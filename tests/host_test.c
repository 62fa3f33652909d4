/*
 * host_test.c - the host script against a scripted DNS: which TLSA base domain, which name as SNI,
 * when a host must not be used at all. The test plays the resolver and the endpoint jobs at the
 * other ends of the mailboxes; nothing of the network is involved.
 */
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/probe/host.h"

#include "engine/facts/age.h"

#include "tests/past_clock.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- what the test plays --- */

enum { SHARD, RESOLVER, FRONT, THREADS };

/* What the scripted DNS says. Not listed: INSECURE_NXDOMAIN for everything else. */
struct line {
    const char *name;
    enum dns_type type;
    enum dns_kind kind;
    const char *canonical; /* NULL: no alias */
    uint16_t count;
};

static struct exchange *exchange;
static struct mailbox *shard, *resolver, *front;
static struct hosts *hosts;
static const struct line *script;
static char asked[64][300];
static unsigned asked_count;
static struct endpoint_key probed[64];
static struct name found_by[64][2]; /* first and last name of each */
static unsigned probed_count;
static enum outcome outcome_of_probes;
static enum dns_trouble trouble_of_errors; /* set by a test */
static uint64_t evidence_began_ms;
static uint64_t looked_ms_ago; /* renewed since by deliveries; 0: it was not */
static enum tlsa_fate fate_of_record = TLSA_UNUSABLE; /* of the one there is */
static bool reserved;            /* all addresses are such that nobody is connected to … */
static bool in_our_network;      /* … but those who live there */
static bool ipv4_in_our_network; /* … only of that family */
static uint8_t tlsa_usage;       /* of the one record that is read; 1 is of no use (DANE-23) */
static uint16_t tlsa_dropped;    /* records beside it that are not */
static uint32_t data_ttl_s, absence_ttl_s; /* of records, of denials */
static bool hold_endpoints;                /* endpoint requests stay where they are */
static struct endpoint_request *held[64];
static unsigned held_count;
static bool resumes;      /* who is not asked in full looks at a resumed session */
static int delivery_went; /* enum message_kind of the report that came by last */

static void no_wake(void *context, uint16_t to)
{
    (void)context, (void)to;
}

static void set_up(void)
{
    struct owners owners = {.shards = 1, .resolvers = 1};
    struct host_settings settings = {
        .ipv4 = true, .ipv6 = true, .allow_reserved = true, .dns_ms = 1000};

    ck_assert_int_eq(exchange_create(&exchange, THREADS, 64), 0);
    shard = mailbox_open(exchange, SHARD, no_wake, NULL);
    resolver = mailbox_open(exchange, RESOLVER, no_wake, NULL);
    front = mailbox_open(exchange, FRONT, no_wake, NULL);
    ck_assert_int_eq(hosts_create(&hosts, shard, &owners, &settings, 16, 16), 0);
    asked_count = probed_count = held_count = 0;
    outcome_of_probes = OUTCOME_TLS_OK;
    evidence_began_ms = 0;
    hold_endpoints = reserved = in_our_network = ipv4_in_our_network = resumes = false;
    tlsa_usage = 3;
    tlsa_dropped = 0;
    data_ttl_s = absence_ttl_s = 60;
}

static void tear_down(void)
{
    hosts_destroy(hosts);
    exchange_destroy(exchange);
}

static const struct address *addresses_of(uint8_t family)
{
    static struct address addresses[2][64];
    struct address *of = addresses[family == 6];

    for (unsigned i = 0; i < 64; i++)
        of[i] =
            (struct address){.family = family,
                             .bytes = {family == 4      ? in_our_network || ipv4_in_our_network ? 10
                                                          : reserved                            ? 127
                                                                                                : 192
                                       : in_our_network ? 0xfd
                                       : reserved       ? 0xfe
                                                        : 0x20,
                                       family == 6 && reserved ? 0x80 : 0, 0, (uint8_t)(i + 1)}};
    return of;
}

static const struct dns_answer *answer_made(const struct dns_question *question)
{
    static const uint8_t digest[32] = {1};
    static struct dns_tlsa record = {
        .usage = 3, .selector = 1, .matching_type = 1, .size = 32, .data = digest};
    struct dns_answer *answer = calloc(1, sizeof *answer);
    const struct line *line = script;

    atomic_init(&answer->references, 1);
    answer->kind = DNS_INSECURE_NXDOMAIN;
    answer->type = question->type;
    answer->owner = answer->canonical = question->name;
    answer->ttl_s = 60;
    answer->at_ms = clock_boot_ms();
    while (line->name != NULL &&
           (line->type != question->type || strcmp(line->name, question->name.text) != 0))
        line++;
    if (line->name == NULL)
        return answer;
    answer->kind = line->kind;
    answer->ttl_s = dns_is_absent(line->kind) ? absence_ttl_s : data_ttl_s;
    answer->trouble = line->kind == DNS_ERROR ? trouble_of_errors : DNS_TROUBLE_NONE;
    answer->count = line->count;
    if (line->canonical != NULL) {
        answer->aliases = 1;
        ck_assert_int_eq(name_parse(&answer->canonical, line->canonical, strlen(line->canonical)),
                         NAME_OK);
    }
    if (question->type == DNS_A)
        answer->addresses = addresses_of(4);
    else if (question->type == DNS_AAAA)
        answer->addresses = addresses_of(6);
    else if (question->type == DNS_TLSA) {
        record.usage = tlsa_usage;
        answer->tlsa = &record;
        answer->dropped = tlsa_dropped;
    }
    return answer;
}

static void answer_question(struct dns_question *question)
{
    snprintf(asked[asked_count++], sizeof asked[0], "%s %s", dns_type_name(question->type),
             question->name.text);
    question->answer = answer_made(question);
    mailbox_send(resolver, SHARD, &question->message);
}

static bool endpoint_in_full; /* what the last request said */

static void answer_endpoint(struct endpoint_request *request)
{
    struct evidence *evidence = calloc(1, sizeof *evidence);

    atomic_init(&evidence->references, 1);
    endpoint_in_full = request->in_full;
    evidence->resumed = resumes && !request->in_full;
    evidence->outcome = outcome_of_probes;
    evidence->looked_ms = looked_ms_ago != 0 ? clock_boot_ms() - looked_ms_ago : 0;
    evidence->tlsa_count = 1;
    evidence->tlsa[0].fate = fate_of_record;
    evidence->key = request->key;
    evidence->began_ms = evidence_began_ms != 0 ? evidence_began_ms : clock_boot_ms();
    request->evidence = evidence;
    request->message.kind = MESSAGE_ENDPOINT_DONE;
    mailbox_send(shard, SHARD, &request->message);
}

/* Carries messages until nothing moves. */
static void run(void)
{
    struct message *message;
    bool moved = true;

    while (moved) {
        moved = false;
        while ((message = mailbox_receive(resolver)) != NULL) {
            answer_question(container_of(message, struct dns_question, message));
            moved = true;
        }
        while ((message = mailbox_receive(shard)) != NULL) {
            moved = true;
            if (message->kind == MESSAGE_DNS_HOST) {
                hosts_dns(hosts, container_of(message, struct dns_question, message));
            } else if (message->kind == MESSAGE_HOST_ASK) {
                hosts_ask(hosts, container_of(message, struct host_request, message));
            } else if (message->kind == MESSAGE_ENDPOINT_DONE) {
                hosts_endpoint(hosts, container_of(message, struct endpoint_request, message));
            } else if (message->kind == MESSAGE_DELIVERY_ENDPOINT ||
                       message->kind == MESSAGE_DELIVERY_DOMAIN) {
                delivery_went = message->kind;
            } else {
                struct endpoint_request *request =
                    container_of(message, struct endpoint_request, message);

                ck_assert_int_eq(message->kind, MESSAGE_ENDPOINT_ASK);
                if (request->found != NULL) {
                    found_by[probed_count][0] = request->found->owner;
                    found_by[probed_count][1] = request->found->canonical;
                }
                probed[probed_count++] = request->key;
                if (hold_endpoints)
                    held[held_count++] = request;
                else
                    answer_endpoint(request);
            }
        }
    }
}

static void ask(struct host_request *request, const char *name, uint64_t not_before_ms)
{
    *request = (struct host_request){.message.kind = MESSAGE_HOST_ASK,
                                     .port = 25,
                                     .not_before_ms = not_before_ms,
                                     .deadline_ms = clock_boot_ms() + 10000,
                                     .priority = PRIORITY_ASKED};
    ck_assert_int_eq(name_parse(&request->host, name, strlen(name)), NAME_OK);
    mailbox_send(front, SHARD, &request->message);
}

/* The facts of `name` by this script; the caller drops them. */
static const struct host_facts *facts_by(const struct line *lines, const char *name)
{
    static struct host_request request;
    struct message *message;

    script = lines;
    ask(&request, name, 0);
    run();
    message = mailbox_receive(front);
    ck_assert_ptr_eq(message, &request.message);
    ck_assert_int_eq(message->kind, MESSAGE_HOST_DONE);
    ck_assert_ptr_nonnull(request.facts);
    return request.facts;
}

static bool was_asked(const char *question)
{
    for (unsigned i = 0; i < asked_count; i++)
        if (strcmp(asked[i], question) == 0)
            return true;
    return false;
}

START_TEST(who_wants_it_in_full_gets_endpoints_in_full_TLS_24)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                                        {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, NULL, 0},
                                        {"_25._tcp.mx.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    static struct host_request request;

    host_facts_drop(facts_by(lines, "mx.s.lab"));
    ck_assert(!endpoint_in_full);
    ask(&request, "mx.s.lab", clock_boot_ms() + 1);
    request.in_full = true;
    run();
    ck_assert_ptr_eq(mailbox_receive(front), &request.message);
    ck_assert(endpoint_in_full);
    host_facts_drop(request.facts);
}
END_TEST

/* What is known already, and a look that is under way, whatever its age may be. */
START_TEST(facts_of_a_resumed_session_do_not_serve_who_wants_it_in_full_TLS_24)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1}, {0}};
    static struct host_request waits, in_full, again;

    resumes = true;
    script = lines;
    ask(&waits, "mx.s.lab", 0);
    hold_endpoints = true;
    run();
    ask(&in_full, "mx.s.lab", 0);
    in_full.in_full = true;
    run();
    ck_assert_uint_eq(held_count, 2);
    ck_assert(!held[0]->in_full && held[1]->in_full);
    answer_endpoint(held[0]);
    run();
    ck_assert_ptr_eq(mailbox_receive(front), &waits.message);
    ck_assert_ptr_null(mailbox_receive(front));
    hold_endpoints = false;
    ask(&again, "mx.s.lab", 0); /* the resumed one is known by now */
    again.in_full = _i != 0;
    run();
    ck_assert_ptr_eq(mailbox_receive(front), _i != 0 ? NULL : &again.message);
    answer_endpoint(held[1]);
    run();
    ck_assert_ptr_eq(mailbox_receive(front), &in_full.message);
    ck_assert_ptr_eq(mailbox_receive(front), _i != 0 ? &again.message : NULL);
    ck_assert(waits.facts->endpoints[0].evidence->resumed);
    ck_assert(!in_full.facts->endpoints[0].evidence->resumed);
    ck_assert_int_eq(again.facts->endpoints[0].evidence->resumed, _i == 0);
    ck_assert_uint_eq(probed_count, 2);
    host_facts_drop(waits.facts);
    host_facts_drop(in_full.facts);
    host_facts_drop(again.facts);
}
END_TEST

START_TEST(a_secure_host_is_its_own_base_domain_and_sni_DANE_06_DANE_35)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                                        {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, NULL, 0},
                                        {"_25._tcp.mx.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->state, HOST_RESOLVED);
    ck_assert(facts->secure);
    ck_assert_int_eq(facts->tlsa_state, TLSA_PRESENT);
    ck_assert_uint_eq(facts->usable, 1);
    ck_assert_str_eq(facts->base.text, "mx.s.lab");
    ck_assert_uint_eq(facts->endpoint_count, 1);
    ck_assert_str_eq(probed[0].server_name.text, "mx.s.lab");
    ck_assert_uint_eq(facts->ttl_s, 60);
    host_facts_drop(facts);
}
END_TEST

START_TEST(the_base_domain_is_sni_only_where_its_records_are_usable_DANE_35_TLS_17)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, "real.s.lab", 1},
                                        {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, "real.s.lab", 0},
                                        {"_25._tcp.real.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};

    tlsa_usage = _i == 0 ? 3 : 1;
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->tlsa_state, TLSA_PRESENT);
    ck_assert_str_eq(facts->base.text, "real.s.lab");
    ck_assert_str_eq(probed[0].server_name.text, _i == 0 ? "real.s.lab" : "mx.s.lab");
    host_facts_drop(facts);
}
END_TEST

START_TEST(facts_hold_no_longer_than_the_denial_of_a_family_MX_17)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                                        {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, NULL, 0},
                                        {"_25._tcp.mx.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    static const struct {
        uint32_t absence_s, facts_s;
    } rows[] = {{7200, 3600}, {300, 300}, {0, LIMIT_DNS_FAILURE_TTL_S}};

    data_ttl_s = 3600;
    absence_ttl_s = rows[_i].absence_s;
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_uint_eq(facts->ttl_s, rows[_i].facts_s);
    ck_assert_uint_le(facts->dns_until_ms, facts->ended_ms + rows[_i].facts_s * UINT64_C(1000));
    host_facts_drop(facts);
}
END_TEST

/* The order of records is not signed: those read may be the useless ones, by somebody's choice. */
START_TEST(useless_records_prove_nothing_about_those_not_read_DANE_12)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                                        {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, NULL, 0},
                                        {"_25._tcp.mx.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    static const struct {
        uint8_t usage, dropped;
        enum tlsa_state state;
    } rows[] = {{1, 0, TLSA_PRESENT}, {1, 1, TLSA_TROUBLE}, {3, 1, TLSA_PRESENT}};

    tlsa_usage = rows[_i].usage;
    tlsa_dropped = rows[_i].dropped;
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->tlsa_state, rows[_i].state);
    ck_assert_uint_eq(probed_count, rows[_i].state == TLSA_PRESENT);
    host_facts_drop(facts);
}
END_TEST

START_TEST(an_insecure_host_is_never_asked_for_tlsa_DANE_02)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1},
                                        {"mx.u.lab", DNS_AAAA, DNS_INSECURE_NODATA, NULL, 0},
                                        {"_25._tcp.mx.u.lab", DNS_TLSA, DNS_ERROR, NULL, 0},
                                        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.u.lab");

    ck_assert_int_eq(facts->tlsa_state, TLSA_NOT_LOOKED);
    ck_assert(!was_asked("TLSA _25._tcp.mx.u.lab"));
    ck_assert_uint_eq(facts->endpoint_count, 1);
    ck_assert_str_eq(probed[0].server_name.text, "mx.u.lab"); /* TLS-17 */
    host_facts_drop(facts);
}
END_TEST

START_TEST(trouble_with_tlsa_makes_the_host_unusable_and_nothing_is_probed_DANE_15)
{
    static const enum dns_kind troubles[] = {DNS_ERROR, DNS_BOGUS};
    struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                           {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, NULL, 0},
                           {"_25._tcp.mx.s.lab", DNS_TLSA, troubles[_i], NULL, 0},
                           {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->tlsa_state, TLSA_TROUBLE);
    ck_assert_int_eq(facts->bogus, troubles[_i] == DNS_BOGUS);
    ck_assert_uint_eq(probed_count, 0);
    ck_assert_str_ne(facts->why, "");
    host_facts_drop(facts);
}
END_TEST

START_TEST(proved_absence_of_tlsa_leaves_ordinary_tls_DANE_14)
{
    static const enum dns_kind denials[] = {DNS_SECURE_NODATA, DNS_SECURE_NXDOMAIN,
                                            DNS_INSECURE_NODATA, DNS_INSECURE_DATA};
    struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                           {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, NULL, 0},
                           {"_25._tcp.mx.s.lab", DNS_TLSA, denials[_i], NULL, 1},
                           {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->tlsa_state, TLSA_ABSENT);
    ck_assert_int_eq(facts->tlsa_denied, dns_is_secure(denials[_i])); /* MEM-04 */
    ck_assert_uint_eq(facts->base.length, 0);
    ck_assert_uint_eq(facts->endpoint_count, 1);
    host_facts_drop(facts);
}
END_TEST

START_TEST(a_secure_alias_is_asked_at_the_expanded_name_first_DANE_07)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, "host.s.lab", 1},
                                        {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, "host.s.lab", 0},
                                        {"_25._tcp.host.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {"_25._tcp.mx.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_str_eq(facts->base.text, "host.s.lab");
    ck_assert_str_eq(facts->expanded.text, "host.s.lab");
    ck_assert(!was_asked("TLSA _25._tcp.mx.s.lab"));
    ck_assert(!was_asked("CNAME mx.s.lab"));
    host_facts_drop(facts);
}
END_TEST

/* They may have asked not to be probed by any of them (schedule/politeness). */
START_TEST(a_request_says_by_which_names_its_address_was_found)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, "host.s.lab", 1},
                                        {"mx.s.lab", DNS_AAAA, DNS_SECURE_DATA, "host.s.lab", 1},
                                        {"_25._tcp.host.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_uint_eq(probed_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_str_eq(probed[i].server_name.text, "host.s.lab");
        ck_assert_str_eq(found_by[i][0].text, "mx.s.lab");
        ck_assert_str_eq(found_by[i][1].text, "host.s.lab");
    }
    host_facts_drop(facts);
}
END_TEST

START_TEST(the_original_name_is_tried_when_the_expanded_one_has_none_DANE_07)
{
    static const struct line lines[] = {
        {"mx.s.lab", DNS_A, DNS_SECURE_DATA, "host.s.lab", 1},
        {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, "host.s.lab", 0},
        {"_25._tcp.host.s.lab", DNS_TLSA, DNS_SECURE_NXDOMAIN, NULL, 0},
        {"_25._tcp.mx.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->tlsa_state, TLSA_PRESENT);
    ck_assert_str_eq(facts->base.text, "mx.s.lab");
    ck_assert_str_eq(probed[0].server_name.text, "mx.s.lab");
    host_facts_drop(facts);
}
END_TEST

START_TEST(tlsa_records_are_denied_only_if_every_base_domain_is_by_a_signed_answer_MEM_04)
{
    static const enum dns_kind denials[][2] = {{DNS_SECURE_NXDOMAIN, DNS_SECURE_NODATA},
                                               {DNS_SECURE_NXDOMAIN, DNS_INSECURE_NODATA},
                                               {DNS_INSECURE_NXDOMAIN, DNS_SECURE_NODATA},
                                               {DNS_SECURE_NODATA, DNS_ERROR},
                                               {DNS_SECURE_NODATA, DNS_BOGUS},
                                               {DNS_SECURE_NODATA, DNS_SECURE_DATA}};
    const struct line lines[] = {
        {"mx.s.lab", DNS_A, DNS_SECURE_DATA, "host.s.lab", 1},
        {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, "host.s.lab", 0},
        {"_25._tcp.host.s.lab", DNS_TLSA, denials[_i][0], NULL, 0},
        {"_25._tcp.mx.s.lab", DNS_TLSA, denials[_i][1], NULL, _i == 5 ? 1 : 0},
        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->tlsa_denied, _i == 0);
    host_facts_drop(facts);
}
END_TEST

START_TEST(trouble_at_the_expanded_name_is_not_healed_by_the_original_DANE_10)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, "host.s.lab", 1},
                                        {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, "host.s.lab", 0},
                                        {"_25._tcp.host.s.lab", DNS_TLSA, DNS_ERROR, NULL, 0},
                                        {"_25._tcp.mx.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->tlsa_state, TLSA_TROUBLE);
    ck_assert(!was_asked("TLSA _25._tcp.mx.s.lab"));
    ck_assert_uint_eq(probed_count, 0);
    host_facts_drop(facts);
}
END_TEST

START_TEST(an_alias_signed_at_its_first_hop_only_has_the_original_as_base_DNS_04_DANE_08)
{
    static const struct line lines[] = {
        {"mx.s.lab", DNS_A, DNS_INSECURE_DATA, "host.u.lab", 1},
        {"mx.s.lab", DNS_AAAA, DNS_INSECURE_NODATA, "host.u.lab", 0},
        {"mx.s.lab", DNS_CNAME, DNS_SECURE_DATA, NULL, 1},
        {"_25._tcp.mx.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert(!facts->secure);
    ck_assert_int_eq(facts->tlsa_state, TLSA_PRESENT);
    ck_assert_str_eq(facts->base.text, "mx.s.lab");
    ck_assert(!was_asked("TLSA _25._tcp.host.u.lab"));
    host_facts_drop(facts);
}
END_TEST

START_TEST(an_alias_unsigned_at_its_first_hop_has_no_dane_DANE_09)
{
    static const struct line lines[] = {
        {"mx.u.lab", DNS_A, DNS_INSECURE_DATA, "host.s.lab", 1},
        {"mx.u.lab", DNS_AAAA, DNS_INSECURE_NODATA, "host.s.lab", 0},
        {"mx.u.lab", DNS_CNAME, DNS_INSECURE_DATA, NULL, 1},
        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.u.lab");

    ck_assert_int_eq(facts->tlsa_state, TLSA_NOT_LOOKED);
    ck_assert_uint_eq(facts->endpoint_count, 1);
    host_facts_drop(facts);
}
END_TEST

START_TEST(an_error_of_the_extra_alias_query_makes_the_host_unusable_DNS_05)
{
    static const enum dns_kind kinds[] = {DNS_ERROR, DNS_BOGUS, DNS_INSECURE_NODATA};
    struct line lines[] = {{"mx.s.lab", DNS_A, DNS_INSECURE_DATA, "host.u.lab", 1},
                           {"mx.s.lab", DNS_AAAA, DNS_INSECURE_NODATA, "host.u.lab", 0},
                           {"mx.s.lab", DNS_CNAME, kinds[_i], NULL, 0},
                           {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->state, HOST_TROUBLE);
    ck_assert_uint_eq(probed_count, 0);
    host_facts_drop(facts);
}
END_TEST

START_TEST(one_failing_family_does_not_hide_the_other_DANE_16_MX_04)
{
    static const struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                                        {"mx.s.lab", DNS_AAAA, DNS_ERROR, NULL, 0},
                                        {"_25._tcp.mx.s.lab", DNS_TLSA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->tlsa_state, TLSA_PRESENT);
    ck_assert_uint_eq(facts->endpoint_count, 1);
    host_facts_drop(facts);
}
END_TEST

START_TEST(a_failing_family_may_hold_more_addresses_DANE_16)
{
    static const enum dns_kind troubles[] = {DNS_ERROR, DNS_BOGUS, DNS_SECURE_NODATA};
    struct line lines[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                           {"mx.s.lab", DNS_AAAA, troubles[_i], NULL, 0},
                           {0}};
    const struct host_facts *facts = facts_by(lines, "mx.s.lab");

    ck_assert_int_eq(facts->addresses_unseen, _i < 2);
    ck_assert_int_eq(facts->state, HOST_RESOLVED);
    host_facts_drop(facts);
}
END_TEST

/* It is used, but facts and finding know that there may be more, and it is asked for again soon. */
START_TEST(a_family_that_could_not_be_looked_up_is_remembered_as_missing_DANE_16)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1},
                                        {"mx.u.lab", DNS_AAAA, DNS_ERROR, NULL, 0},
                                        {0}};
    static const struct {
        enum dns_trouble trouble;
        unsigned asked;                  /* questions until then */
    } rounds[] = {{DNS_TROUBLE_OURS, 2}, /* our own failure serves nobody */
                  {DNS_TROUBLE_OURS, 4},
                  {DNS_TROUBLE_SERVFAIL, 6},
                  {DNS_TROUBLE_SERVFAIL, 6}};
    struct host_settings only_ipv4 = {.ipv4 = true, .allow_reserved = true, .dns_ms = 1000};

    for (unsigned i = 0; i < 4; i++) {
        trouble_of_errors = rounds[i].trouble;
        const struct host_facts *facts = facts_by(lines, "mx.u.lab");
        ck_assert_int_eq(facts->state, HOST_RESOLVED);
        ck_assert(facts->addresses_unseen);
        ck_assert_int_eq(facts->addresses_unseen_ours, rounds[i].trouble == DNS_TROUBLE_OURS);
        ck_assert_ptr_nonnull(strstr(facts->why, "AAAA"));
        ck_assert_uint_eq(asked_count, rounds[i].asked);
        host_facts_drop(facts);
    }
    hosts_reload(hosts, &only_ipv4);
    const struct host_facts *facts = facts_by(lines, "mx.u.lab");
    ck_assert(!facts->addresses_unseen); /* nobody would look there */
    host_facts_drop(facts);
}
END_TEST

START_TEST(no_address_is_trouble_only_if_a_family_could_not_be_asked_DANE_16)
{
    static const struct line trouble[] = {{"mx.s.lab", DNS_A, DNS_SECURE_NODATA, NULL, 0},
                                          {"mx.s.lab", DNS_AAAA, DNS_BOGUS, NULL, 0},
                                          {0}};
    static const struct line none[] = {{"no.s.lab", DNS_A, DNS_SECURE_NODATA, NULL, 0},
                                       {"no.s.lab", DNS_AAAA, DNS_SECURE_NODATA, NULL, 0},
                                       {0}};
    const struct host_facts *facts = facts_by(trouble, "mx.s.lab");

    ck_assert_int_eq(facts->state, HOST_TROUBLE);
    ck_assert(facts->bogus);
    host_facts_drop(facts);
    facts = facts_by(none, "no.s.lab");
    ck_assert_int_eq(facts->state, HOST_NO_ADDRESS);
    host_facts_drop(facts);
}
END_TEST

START_TEST(a_family_that_is_not_probed_is_asked_for_and_is_not_absence)
{
    static const struct line lines[] = {{"six.s.lab", DNS_A, DNS_SECURE_NODATA, NULL, 0},
                                        {"six.s.lab", DNS_AAAA, DNS_SECURE_DATA, NULL, 1},
                                        {"both.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                                        {"both.s.lab", DNS_AAAA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    struct host_settings settings = {.ipv4 = true, .allow_reserved = true, .dns_ms = 1000};
    const struct host_facts *facts;

    hosts_reload(hosts, &settings);
    facts = facts_by(lines, "six.s.lab");
    ck_assert_int_eq(facts->state, HOST_RESOLVED); /* the MTA may well go there */
    ck_assert_uint_eq(facts->endpoint_count, 0);
    host_facts_drop(facts);
    facts = facts_by(lines, "both.s.lab");
    ck_assert_uint_eq(facts->endpoint_count, 1);
    ck_assert_uint_eq(probed[0].address.family, 4);
    host_facts_drop(facts);
}
END_TEST

/* Addresses that are reserved, and another family that nobody could look at: mail may go there. */
START_TEST(reserved_addresses_say_nothing_about_a_family_that_is_not_known_MX_07_MX_11)
{
    static const struct line lines[] = {{"off.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                                        {"off.s.lab", DNS_AAAA, DNS_SECURE_DATA, NULL, 1},
                                        {"fails.s.lab", DNS_AAAA, DNS_SECURE_DATA, NULL, 1},
                                        {"fails.s.lab", DNS_A, DNS_ERROR, NULL, 0},
                                        {"none.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                                        {"none.s.lab", DNS_AAAA, DNS_SECURE_NODATA, NULL, 0},
                                        {"many.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 40},
                                        {0}};
    static const struct {
        const char *name;
        bool ipv4, ipv6;
        enum host_state state;
        bool in_our_network;
    } rows[] = {
        {"off.s.lab", true, false, HOST_RESOLVED, false},
        {"off.s.lab", true, true, HOST_UNUSABLE, false},
        {"fails.s.lab", true, true, HOST_TROUBLE, false},
        {"none.s.lab", true, true, HOST_UNUSABLE, false},
        {"many.s.lab", true, true, HOST_RESOLVED, false},
        {"none.s.lab", true, true, HOST_RESOLVED, true},
        {"off.s.lab", true, true, HOST_RESOLVED, true},
    };
    struct host_settings settings = {.ipv4 = rows[_i].ipv4, .ipv6 = rows[_i].ipv6, .dns_ms = 1000};
    const struct host_facts *facts;

    reserved = true;
    in_our_network = rows[_i].in_our_network;
    hosts_reload(hosts, &settings);
    facts = facts_by(lines, rows[_i].name);
    ck_assert_int_eq(facts->state, rows[_i].state);
    ck_assert_uint_eq(facts->endpoint_count, 0);
    ck_assert_str_ne(facts->why, "");
    host_facts_drop(facts);
}
END_TEST

/* Others in the same network may deliver there: what was seen of the host is not all of it. */
START_TEST(a_private_address_beside_a_public_one_is_counted_as_not_looked_at)
{
    static const struct line lines[] = {{"mixed.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 2},
                                        {"mixed.s.lab", DNS_AAAA, DNS_SECURE_DATA, NULL, 1},
                                        {0}};
    struct host_settings settings = {.ipv4 = true, .ipv6 = true, .dns_ms = 1000};
    const struct host_facts *facts;

    ipv4_in_our_network = true;
    hosts_reload(hosts, &settings);
    facts = facts_by(lines, "mixed.s.lab");
    ck_assert_int_eq(facts->state, HOST_RESOLVED);
    ck_assert_uint_eq(facts->endpoint_count, 1);
    ck_assert_uint_eq(facts->endpoints_dropped, 2);
    host_facts_drop(facts);
}
END_TEST

START_TEST(facts_found_under_other_settings_do_not_serve)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1}, {0}};
    struct host_settings settings = {.ipv4 = true, .ipv6 = true, .dns_ms = 1000};

    host_facts_drop(facts_by(lines, "mx.u.lab"));
    hosts_reload(hosts, &settings);
    asked_count = 0;
    host_facts_drop(facts_by(lines, "mx.u.lab"));
    ck_assert_uint_gt(asked_count, 0);
}
END_TEST

START_TEST(a_stopping_daemon_ends_its_rounds_after_the_present_step)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1}, {0}};
    static struct host_request request, late;
    struct message *message;

    script = lines;
    ask(&request, "mx.u.lab", 0);
    message = mailbox_receive(shard);
    hosts_ask(hosts, container_of(message, struct host_request, message));
    hosts_stop(hosts);
    ask(&late, "mx.u.lab", 0);
    run();
    ck_assert_ptr_eq(mailbox_receive(front), &late.message);
    ck_assert_ptr_eq(mailbox_receive(front), &request.message);
    ck_assert(request.facts->ours && late.facts->ours);
    ck_assert_uint_eq(probed_count, 0);
    host_facts_drop(request.facts);
    host_facts_drop(late.facts);
}
END_TEST

START_TEST(families_are_balanced_when_the_cap_cuts_MX_04)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 20},
                                        {"mx.u.lab", DNS_AAAA, DNS_INSECURE_DATA, NULL, 20},
                                        {0}};
    const struct host_facts *facts = facts_by(lines, "mx.u.lab");
    unsigned of_six = 0;

    ck_assert_uint_eq(facts->endpoint_count, LIMIT_ADDRESSES);
    ck_assert_uint_eq(facts->endpoints_dropped, 40 - LIMIT_ADDRESSES);
    for (unsigned i = 0; i < probed_count; i++)
        of_six += probed[i].address.family == 6;
    ck_assert_uint_eq(of_six, LIMIT_ADDRESSES / 2);
    host_facts_drop(facts);
}
END_TEST

START_TEST(facts_serve_again_without_a_question_and_live_requests_do_not_use_them_FRESH_03)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1}, {0}};
    static struct host_request request;
    unsigned before;

    host_facts_drop(facts_by(lines, "mx.u.lab"));
    before = asked_count;
    host_facts_drop(facts_by(lines, "mx.u.lab"));
    ck_assert_uint_eq(asked_count, before);
    ask(&request, "mx.u.lab", clock_boot_ms() + 1);
    evidence_began_ms = clock_boot_ms() + 1;
    run();
    ck_assert_ptr_eq(mailbox_receive(front), &request.message);
    ck_assert_uint_gt(asked_count, before);
    ck_assert_uint_ge(request.facts->began_ms, request.not_before_ms);
    host_facts_drop(request.facts);
}
END_TEST

START_TEST(a_probe_that_begins_late_serves_who_came_while_it_waited_FRESH_03)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1}, {0}};
    static struct host_request requests[4];
    const uint64_t first_ms = clock_boot_ms();
    struct message *message;
    unsigned answered = 0;

    script = lines;
    hold_endpoints = true;
    for (unsigned i = 0; i < 4; i++) {
        ask(&requests[i], "mx.u.lab", first_ms + i);
        run();
    }
    ck_assert_uint_eq(held_count, 2);
    evidence_began_ms = first_ms + 2; /* after the third, and before the last came */
    answer_endpoint(held[0]);
    run();
    while ((message = mailbox_receive(front)) != NULL) {
        struct host_request *request = container_of(message, struct host_request, message);

        ck_assert_ptr_eq(request, &requests[answered++]);
        ck_assert_uint_eq(request->facts->began_ms, evidence_began_ms);
        host_facts_drop(request->facts);
    }
    ck_assert_uint_eq(answered, 3);
    ck_assert_uint_eq(held_count, 2);
    evidence_began_ms = first_ms + 3;
    answer_endpoint(held[1]);
    run();
    ck_assert_ptr_eq(mailbox_receive(front), &requests[3].message);
    host_facts_drop(requests[3].facts);
    ck_assert_uint_eq(hosts_running(hosts), 0);
    ck_assert_uint_eq(held_count, 2);
}
END_TEST

START_TEST(what_was_our_own_failure_is_looked_at_again_by_the_next_who_asks_FRESH_02)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1}, {0}};
    static struct host_request request;
    const uint64_t not_before_ms = clock_boot_ms() - 1000;

    script = lines;
    outcome_of_probes = OUTCOME_OURS_RESOURCES;
    ask(&request, "mx.u.lab", not_before_ms);
    run();
    ck_assert_ptr_eq(mailbox_receive(front), &request.message);
    host_facts_drop(request.facts);
    outcome_of_probes = OUTCOME_NO_STARTTLS;
    ask(&request, "mx.u.lab", not_before_ms);
    run();
    ck_assert_ptr_eq(mailbox_receive(front), &request.message);
    ck_assert_uint_eq(probed_count, 2);
    ck_assert_int_eq(request.facts->endpoints[0].evidence->outcome, OUTCOME_NO_STARTTLS);
    host_facts_drop(request.facts);
}
END_TEST

START_TEST(a_hundred_askers_share_one_round_and_all_get_an_answer)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1}, {0}};
    static struct host_request requests[100];
    struct message *message;
    unsigned answered = 0;

    script = lines;
    hold_endpoints = true;
    for (unsigned i = 0; i < 100; i++) {
        ask(&requests[i], "mx.u.lab", 0);
        run();
    }
    ck_assert_uint_eq(held_count, 1);
    hold_endpoints = false;
    answer_endpoint(held[0]);
    run();
    while ((message = mailbox_receive(front)) != NULL) {
        host_facts_drop(container_of(message, struct host_request, message)->facts);
        answered++;
        mailbox_flush(shard);
    }
    ck_assert_uint_eq(answered, 100);
    ck_assert_uint_eq(hosts_running(hosts), 0);
}
END_TEST

START_TEST(without_room_the_answer_is_ours_and_comes_at_once)
{
    static const struct line lines[] = {{"mx.u.lab", DNS_A, DNS_INSECURE_DATA, NULL, 1}, {0}};
    static struct host_request requests[20];
    unsigned ours = 0;
    struct message *message;
    char name[32];

    script = lines;
    for (unsigned i = 0; i < 20; i++) { /* 16 jobs, each waiting for its resolver */
        snprintf(name, sizeof name, "mx%u.u.lab", i);
        ask(&requests[i], name, 0);
    }
    for (unsigned i = 0; i < 20; i++)
        hosts_ask(hosts, container_of(mailbox_receive(shard), struct host_request, message));
    while ((message = mailbox_receive(front)) != NULL) {
        const struct host_request *request = container_of(message, struct host_request, message);

        ours += request->facts->ours && request->facts->state == HOST_TROUBLE;
        host_facts_drop(request->facts);
    }
    ck_assert_uint_eq(ours, 4);
    run();
    while ((message = mailbox_receive(front)) != NULL)
        host_facts_drop(container_of(message, struct host_request, message)->facts);
    ck_assert_uint_eq(hosts_running(hosts), 0);
}
END_TEST

/* --- deliveries --- */

static const struct line delivered_to[] = {{"mx.s.lab", DNS_A, DNS_SECURE_DATA, NULL, 1},
                                           {"mx.s.lab", DNS_AAAA, DNS_SECURE_NODATA, NULL, 0},
                                           {0}};

/* The host has been looked at. */
static void look_at_host(enum outcome outcome)
{
    outcome_of_probes = outcome;
    host_facts_drop(facts_by(delivered_to, "mx.s.lab"));
}

/* A report of a delivery to 192.0.0.`last` of this host, and where it is sent on to. */
static int delivery_goes(struct delivery_report *report, const char *host, uint8_t last)
{
    *report = (struct delivery_report){
        .delivery = {.address = {.family = 4, .bytes = {192, 0, 0, last}}, .port = 25},
        .next_hop = {.kind = NEXT_HOP_DOMAIN, .port = 25}};
    ck_assert_int_eq(name_parse(&report->delivery.host, host, strlen(host)), NAME_OK);
    report->next_hop.name = report->delivery.host;
    delivery_went = -1;
    hosts_delivery(hosts, report);
    run();
    return delivery_went;
}

START_TEST(a_delivery_goes_to_the_endpoint_that_was_looked_at_or_straight_to_the_domain)
{
    struct delivery_report report;

    ck_assert_int_eq(delivery_goes(&report, "mx.s.lab", 1), MESSAGE_DELIVERY_DOMAIN);
    look_at_host(OUTCOME_TLS_OK);
    ck_assert_int_eq(delivery_goes(&report, "mx.s.lab", 1), MESSAGE_DELIVERY_ENDPOINT);
    ck_assert_mem_eq(&report.key, &probed[0], sizeof report.key);
    ck_assert(report.host_seen);
    ck_assert_int_eq(delivery_goes(&report, "mx.s.lab", 2), MESSAGE_DELIVERY_DOMAIN);
    ck_assert_int_eq(delivery_goes(&report, "other.s.lab", 1), MESSAGE_DELIVERY_DOMAIN);
    hosts_reload(hosts, &(struct host_settings){.ipv4 = true, .dns_ms = 1000});
    ck_assert_int_eq(delivery_goes(&report, "mx.s.lab", 1), MESSAGE_DELIVERY_DOMAIN);
}
END_TEST

START_TEST(a_delivery_knows_whether_a_look_at_its_address_says_the_same)
{
    static const struct {
        enum outcome outcome;
        uint64_t looked_ms_ago; /* 0: just now */
        enum tlsa_fate fate;
        bool seen, aged;
    } rows[] = {{OUTCOME_TLS_OK, 0, TLSA_UNUSABLE, true, false},
                {OUTCOME_NO_STARTTLS, 0, TLSA_UNUSABLE, false, false},
                {OUTCOME_GREETING_TIMEOUT, 0, TLSA_UNUSABLE, false, false},
                {OUTCOME_LIMITED, 0, TLSA_UNUSABLE, false, false},
                {OUTCOME_TLS_OK, AGE_GOOD_MS - 60000, TLSA_UNUSABLE, true, false},
                {OUTCOME_TLS_OK, AGE_GOOD_MS, TLSA_UNUSABLE, false, true},
                {OUTCOME_TLS_OK, 0, TLSA_MATCH, true, false},
                {OUTCOME_TLS_OK, AGE_GOOD_MS, TLSA_MATCH, false, true},
                {OUTCOME_TLS_OK, 0, TLSA_NO_MATCH, false, false},
                {OUTCOME_TLS_OK, AGE_GOOD_MS, TLSA_NO_MATCH, false, false}};
    struct delivery_report report;

    looked_ms_ago = rows[_i].looked_ms_ago;
    fate_of_record = rows[_i].fate;
    look_at_host(rows[_i].outcome);
    delivery_goes(&report, "mx.s.lab", 1);
    ck_assert_int_eq(report.host_seen, rows[_i].seen);
    ck_assert_int_eq(report.host_aged, rows[_i].aged);
    delivery_goes(&report, "mx.s.lab", 2); /* an address that nobody looked at */
    ck_assert(!report.host_seen && !report.host_aged);
}
END_TEST

START_TEST(a_round_that_may_have_in_its_hand_what_a_delivery_disproved_is_not_kept_law_3)
{
    static struct host_request request;
    struct delivery_report report;
    const uint64_t looked_ms = clock_boot_ms();
    bool since = _i == 1;

    look_at_host(OUTCOME_TLS_OK);
    outcome_of_probes = OUTCOME_NO_STARTTLS;
    hold_endpoints = true;
    ask(&request, "mx.s.lab", clock_boot_ms() + 1);
    run();
    ck_assert_uint_eq(held_count, 1);
    delivery_goes(&report, "mx.s.lab", 1);
    report.effect = DELIVERY_DISPROVES;
    hosts_delivery_seen(hosts, &report);
    evidence_began_ms = since ? clock_boot_ms() + 5 : looked_ms - 5;
    hold_endpoints = false;
    answer_endpoint(held[0]);
    run();
    ck_assert_ptr_eq(mailbox_receive(front), &request.message); /* who asked for it has it */
    host_facts_drop(request.facts);
    evidence_began_ms = 0;
    look_at_host(OUTCOME_TLS_OK);
    ck_assert_uint_eq(probed_count, since ? 2 : 3);
}
END_TEST

START_TEST(facts_that_a_delivery_disproved_serve_nobody)
{
    static const struct {
        enum delivery_effect effect;
        unsigned looks;
    } rows[] = {{DELIVERY_SAYS_NOTHING, 1}, {DELIVERY_RENEWS, 1}, {DELIVERY_DISPROVES, 2}};
    struct delivery_report report;

    look_at_host(OUTCOME_NO_STARTTLS);
    delivery_goes(&report, "mx.s.lab", 1);
    report.effect = rows[_i].effect;
    hosts_delivery_seen(hosts, &report);
    run();
    ck_assert_int_eq(delivery_went, MESSAGE_DELIVERY_DOMAIN);
    look_at_host(OUTCOME_TLS_OK);
    ck_assert_uint_eq(probed_count, rows[_i].looks);
    hosts_delivery_seen(hosts, &report); /* of a host that nobody has looked at, as well */
    delivery_goes(&report, "other.s.lab", 1);
    report.effect = DELIVERY_DISPROVES;
    hosts_delivery_seen(hosts, &report);
    run();
    ck_assert_int_eq(delivery_went, MESSAGE_DELIVERY_DOMAIN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host script");
    TCase *cases = tcase_create("TLSA discovery");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, cases);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, who_wants_it_in_full_gets_endpoints_in_full_TLS_24);
    tcase_add_loop_test(cases, facts_of_a_resumed_session_do_not_serve_who_wants_it_in_full_TLS_24,
                        0, 2);
    tcase_add_test(cases, a_secure_host_is_its_own_base_domain_and_sni_DANE_06_DANE_35);
    tcase_add_loop_test(
        cases, the_base_domain_is_sni_only_where_its_records_are_usable_DANE_35_TLS_17, 0, 2);
    tcase_add_loop_test(cases, facts_hold_no_longer_than_the_denial_of_a_family_MX_17, 0, 3);
    tcase_add_loop_test(cases, useless_records_prove_nothing_about_those_not_read_DANE_12, 0, 3);
    tcase_add_test(cases, an_insecure_host_is_never_asked_for_tlsa_DANE_02);
    tcase_add_loop_test(
        cases, trouble_with_tlsa_makes_the_host_unusable_and_nothing_is_probed_DANE_15, 0, 2);
    tcase_add_loop_test(cases, proved_absence_of_tlsa_leaves_ordinary_tls_DANE_14, 0, 4);
    tcase_add_test(cases, a_secure_alias_is_asked_at_the_expanded_name_first_DANE_07);
    tcase_add_test(cases, a_request_says_by_which_names_its_address_was_found);
    tcase_add_test(cases, the_original_name_is_tried_when_the_expanded_one_has_none_DANE_07);
    tcase_add_loop_test(
        cases, tlsa_records_are_denied_only_if_every_base_domain_is_by_a_signed_answer_MEM_04, 0,
        6);
    tcase_add_test(cases, trouble_at_the_expanded_name_is_not_healed_by_the_original_DANE_10);
    tcase_add_test(cases,
                   an_alias_signed_at_its_first_hop_only_has_the_original_as_base_DNS_04_DANE_08);
    tcase_add_test(cases, an_alias_unsigned_at_its_first_hop_has_no_dane_DANE_09);
    tcase_add_loop_test(cases, an_error_of_the_extra_alias_query_makes_the_host_unusable_DNS_05, 0,
                        3);
    tcase_add_test(cases, one_failing_family_does_not_hide_the_other_DANE_16_MX_04);
    tcase_add_loop_test(cases, a_failing_family_may_hold_more_addresses_DANE_16, 0, 3);
    tcase_add_test(cases, a_family_that_could_not_be_looked_up_is_remembered_as_missing_DANE_16);
    tcase_add_test(cases, no_address_is_trouble_only_if_a_family_could_not_be_asked_DANE_16);
    tcase_add_test(cases, a_family_that_is_not_probed_is_asked_for_and_is_not_absence);
    tcase_add_loop_test(
        cases, reserved_addresses_say_nothing_about_a_family_that_is_not_known_MX_07_MX_11, 0, 7);
    tcase_add_test(cases, a_private_address_beside_a_public_one_is_counted_as_not_looked_at);
    tcase_add_test(cases, facts_found_under_other_settings_do_not_serve);
    tcase_add_test(cases, a_stopping_daemon_ends_its_rounds_after_the_present_step);
    tcase_add_test(cases, families_are_balanced_when_the_cap_cuts_MX_04);
    tcase_add_test(cases,
                   facts_serve_again_without_a_question_and_live_requests_do_not_use_them_FRESH_03);
    tcase_add_test(cases, a_probe_that_begins_late_serves_who_came_while_it_waited_FRESH_03);
    tcase_add_test(cases,
                   what_was_our_own_failure_is_looked_at_again_by_the_next_who_asks_FRESH_02);
    tcase_add_test(cases, a_hundred_askers_share_one_round_and_all_get_an_answer);
    tcase_add_test(cases, without_room_the_answer_is_ours_and_comes_at_once);
    tcase_add_test(cases,
                   a_delivery_goes_to_the_endpoint_that_was_looked_at_or_straight_to_the_domain);
    tcase_add_loop_test(cases, a_delivery_knows_whether_a_look_at_its_address_says_the_same, 0, 10);
    tcase_add_loop_test(
        cases, a_round_that_may_have_in_its_hand_what_a_delivery_disproved_is_not_kept_law_3, 0, 2);
    tcase_add_loop_test(cases, facts_that_a_delivery_disproved_serve_nobody, 0, 3);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
