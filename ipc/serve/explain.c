/*
 * explain.c - domain facts as JSON, from the verdict down to each connection's dialogue.
 *
 * Called by front.c; owns nothing, keeps nothing, cannot fail: what does not fit is left out whole
 * and the document says "truncated". Top-down: the verdict and what decided it, the route, each
 * host with its TLSA records and endpoints, and at the end the certificates, each once; endpoints
 * name them by their place in that list. Times are ages against the daemon's clock at the answer.
 */
#include "ipc/serve/explain.h"

#include "engine/base/clock.h"
#include "engine/policy/dane.h"
#include "engine/probe/endpoint.h"
#include "ipc/serve/reply.h"
#include "ipc/wire/json.h"
#include "shm/postfix.h"
#include "shm/sentence.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CERTIFICATES_MAX (LIMIT_MX_HOSTS * LIMIT_ADDRESSES * LIMIT_CHAIN)

/* The certificates of all endpoints, each once, in the order they are met. */
struct certificates {
    uint32_t count;
    const struct certificate *list[CERTIFICATES_MAX];
};

struct explain {
    struct json json;
    uint64_t now_ms;
    bool limited; /* for who asks */
    struct certificates certificates;
};

static uint32_t certificate_place(struct certificates *certificates,
                                  const struct certificate *certificate)
{
    uint32_t i = 0;

    while (i < certificates->count && certificates->list[i] != certificate)
        i++;
    if (i == certificates->count)
        certificates->list[certificates->count++] = certificate;
    return i;
}

/* --- words --- */

#define WORD(names, index) ((size_t)(index) < sizeof names / sizeof names[0] ? names[index] : "?")

static const char *const next_hop_kinds[] = {
    [NEXT_HOP_DOMAIN] = "domain", [NEXT_HOP_HOST] = "host", [NEXT_HOP_ADDRESS] = "address"};
static const char *const host_states[] = {
    [HOST_RESOLVED] = "resolved",
    [HOST_NO_ADDRESS] = "no-address",
    [HOST_TROUBLE] = "trouble",
    [HOST_UNUSABLE] = "unusable",
};
static const char *const tlsa_states[] = {
    [TLSA_NOT_LOOKED] = "not-looked",
    [TLSA_ABSENT] = "absent",
    [TLSA_TROUBLE] = "trouble",
    [TLSA_PRESENT] = "present",
};
static const char *const tlsa_fates[] = {
    [TLSA_UNUSABLE] = "unusable", [TLSA_OUTCLASSED] = "outclassed",   [TLSA_NO_MATCH] = "no-match",
    [TLSA_MATCH] = "match",       [TLSA_CHAIN_FAILS] = "chain-fails",
};
static const char *const says_words[] = {
    [SAYS_ENCRYPTS] = "encrypts", [SAYS_WEAK] = "weak",     [SAYS_CLEAR] = "clear",
    [SAYS_REFUSES] = "refuses",   [SAYS_BROKEN] = "broken", [SAYS_INCONCLUSIVE] = "inconclusive",
    [SAYS_OURS] = "ours",
};
static const char *const namings[] = {
    [NAMING_NONE] = NULL,       [NAMING_ANSWERED] = "answered", [NAMING_UNSEEN] = "unseen",
    [NAMING_SLOWED] = "slowed", [NAMING_OURS] = "ours",
};
static const char *const key_types[] = {
    [KEY_OTHER] = "other",     [KEY_RSA] = "RSA",     [KEY_EC] = "EC",
    [KEY_ED25519] = "Ed25519", [KEY_ED448] = "Ed448", [KEY_DSA] = "DSA",
};
static const struct {
    uint32_t bit;
    const char *name;
} keywords[] = {
    {KEYWORD_STARTTLS, "STARTTLS"},
    {KEYWORD_REQUIRETLS, "REQUIRETLS"},
    {KEYWORD_SMTPUTF8, "SMTPUTF8"},
    {KEYWORD_8BITMIME, "8BITMIME"},
    {KEYWORD_PIPELINING, "PIPELINING"},
    {KEYWORD_SIZE, "SIZE"},
    {KEYWORD_CHUNKING, "CHUNKING"},
    {KEYWORD_DSN, "DSN"},
    {KEYWORD_AUTH, "AUTH"},
    {KEYWORD_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"},
    {KEYWORD_MT_PRIORITY, "MT-PRIORITY"},
    {KEYWORD_LIMITS, "LIMITS"},
};

/* UTC, as in RFC 3339. */
static void write_time(struct json *json, const char *key, int64_t wall_s)
{
    time_t when = (time_t)wall_s;
    struct tm parts;
    char text[40];

    if (wall_s == 0 || !gmtime_r(&when, &parts) ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        json_put_null(json, key);
    else
        json_put_text(json, key, text);
}

static void write_age(struct explain *explain, const char *key, uint64_t since_ms)
{
    if (since_ms == 0 || since_ms > explain->now_ms)
        json_put_null(&explain->json, key);
    else
        json_put_unsigned(&explain->json, key, explain->now_ms - since_ms);
}

/* A name, or null when there is none. */
static void write_name(struct json *json, const char *key, const struct name *name)
{
    json_put_text(json, key, name->length ? name->text : NULL);
}

/* --- the verdict --- */

static void write_verdict(struct explain *explain, const struct domain_facts *facts)
{
    struct json *json = &explain->json;
    const struct verdict *v = &facts->verdict;
    struct frame_verdict words;
    char rule[FRAME_SENTENCE_MAX];
    const char *flag;
    uint32_t bit;

    reply_facts(&words, facts, explain->limited, explain->now_ms);
    json_put_text(json, "next_hop", words.next_hop);
    json_put_text(json, "kind", WORD(next_hop_kinds, facts->next_hop.kind));
    json_put_unsigned(json, "port", facts->next_hop.port);
    json_put_text(json, "class", class_name(v->class));
    json_put_text(json, "level", level_name(v->level));
    json_put_text(json, "sign", sign_name(class_sign(v->class)));
    json_put_text(json, "conclusion", frame_conclusion_name(v->conclusion));
    json_put_text(json, "cause", words.cause);
    verdict_explain(v, rule, sizeof rule);
    json_put_text(json, "rule", rule);
    json_put_text(json, "host", v->host[0] ? v->host : NULL);
    json_put_text(json, "sentence", words.sentence);
    json_put_text(json, "status_code", words.status_code[0] ? words.status_code : NULL);
    json_put_text(json, "enforce", frame_enforce_name(v->enforce));
    json_put_text(json, "match", v->match[0] ? v->match : NULL);
    json_put_text(json, "policy", words.policy[0] ? words.policy : NULL);
    json_put_text(json, "tls", v->tls_version ? frame_tls_name(v->tls_version) : NULL);
    json_put_unsigned(json, "smtp_code", v->smtp_code);
    json_put_unsigned(json, "hosts_evaluated", v->hosts);
    json_put_unsigned(json, "hosts_good", v->hosts_good);
    json_put_array(json, "flags");
    for (unsigned i = 0; (flag = frame_flag_name(i, &bit)); i++)
        if (v->flags & bit)
            json_put_text(json, NULL, flag);
    json_end(json);
    json_put_boolean(json, "limited", explain->limited);
    json_put_unsigned(json, "config_epoch", v->config_epoch);
    write_age(explain, "age_ms", v->began_ms);
    json_put_number(json, "valid_for_ms", (int64_t)(v->valid_until_ms - explain->now_ms));
    write_time(json, "ended", facts->ended_wall_s);
}

/* What Postfix is told, by what the sender demands. */
static void write_postfix(struct json *json, const struct verdict *verdict)
{
    static const enum level demands[] = {LEVEL_NONE, LEVEL_ENCRYPT, LEVEL_DANE_INSECURE_MX,
                                         LEVEL_VERIFIED, LEVEL_AUTHENTICATED};

    json_put_array(json, "postfix");
    for (size_t i = 0; i < sizeof demands / sizeof demands[0]; i++) {
        struct postfix_policy policy;

        postfix_policy(&policy, verdict, demands[i]);
        json_put_object(json, NULL);
        json_put_text(json, "demand", level_name(demands[i]));
        json_put_text(json, "answer", postfix_answer_name(policy.answer));
        json_put_text(json, "policy", policy.answer == POSTFIX_POLICY ? policy.text : NULL);
        json_put_text(json, "guarantees", level_name(policy.guarantees));
        json_put_text(json, "row", policy.row);
        json_put_text(json, "rule", policy.rule);
        if (policy.answer == POSTFIX_POLICY) {
            json_put_text(json, "with_tlsa", policy.with_tlsa);
            json_put_text(json, "without_tlsa", policy.without_tlsa);
            json_put_text(json, "price", policy.price);
        }
        json_end(json);
    }
    json_end(json);
}

static void write_route(struct json *json, const struct route *route)
{
    json_put_object(json, "route");
    json_put_text(json, "state", route_state_name(route->state));
    json_put_boolean(json, "secure", route->secure);
    write_name(json, "domain", &route->domain);
    write_name(json, "expanded", &route->expanded);
    json_put_unsigned(json, "ttl_s", route->ttl_s);
    json_put_boolean(json, "hosts_cut", route->hosts_cut);
    json_put_boolean(json, "hosts_unusable", route->hosts_unusable);
    json_put_boolean(json, "ours", route->ours);
    json_put_text(json, "why", route->why[0] ? route->why : NULL);
    json_end(json);
}

/* --- a host --- */

static void write_finding(struct json *json, const struct finding *finding)
{
    char rule[FRAME_SENTENCE_MAX];

    json_put_object(json, "finding");
    json_put_text(json, "kind", finding_kind_name(finding->kind));
    json_put_text(json, "level", level_name(finding->level));
    json_put_text(json, "cause", cause_name(finding->cause));
    json_put_text(json, "outcome",
                  finding->endpoint != FINDING_NO_ENDPOINT ? outcome_name(finding->outcome) : NULL);
    if (finding->endpoint != FINDING_NO_ENDPOINT)
        json_put_unsigned(json, "endpoint", finding->endpoint);
    else
        json_put_null(json, "endpoint");
    json_put_text(json, "tls_report",
                  finding->report != REPORT_NONE ? tls_report_name(finding->report) : NULL);
    json_put_boolean(json, "conclusive", finding->conclusive);
    json_put_boolean(json, "requiretls", finding->requiretls);
    json_put_boolean(json, "tls_required_by_tlsa", finding->tls_required_by_tlsa);
    json_put_text(json, "tls", finding->tls_version ? frame_tls_name(finding->tls_version) : NULL);
    json_put_text(json, "why", finding->why[0] ? finding->why : NULL);
    finding_explain(finding, rule, sizeof rule);
    json_put_text(json, "rule", rule);
    json_end(json);
}

static void write_tlsa(struct json *json, const struct host_facts *host)
{
    const struct dns_answer *answer = host->tlsa;

    json_put_object(json, "tlsa");
    json_put_text(json, "state", WORD(tlsa_states, host->tlsa_state));
    write_name(json, "base", &host->base);
    json_put_unsigned(json, "usable", host->usable);
    json_put_array(json, "records");
    for (unsigned i = 0; answer && i < answer->count && i < LIMIT_TLSA; i++) {
        const struct dns_tlsa *record = &answer->tlsa[i];

        json_put_object(json, NULL);
        json_put_unsigned(json, "usage", record->usage);
        json_put_unsigned(json, "selector", record->selector);
        json_put_unsigned(json, "matching_type", record->matching_type);
        json_put_hex(json, "data", record->data, record->size < 128 ? record->size : 128);
        json_put_unsigned(json, "data_bytes", record->size);
        json_put_boolean(json, "usable", dane_record_usable(record));
        json_end(json);
    }
    json_end(json);
    json_end(json);
}

/* --- an endpoint --- */

static void write_smtp(struct json *json, const struct evidence *e)
{
    json_put_object(json, "smtp");
    json_put_text(json, "greeting", e->greeting[0] ? e->greeting : NULL);
    json_put_boolean(json, "esmtp", e->greeted_esmtp);
    json_put_boolean(json, "offered_starttls", e->offered_starttls);
    json_put_array(json, "keywords");
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (e->keywords & keywords[i].bit)
            json_put_text(json, NULL, keywords[i].name);
    json_end(json);
    json_put_unsigned(json, "code", e->smtp_code);
    json_put_text(json, "text", e->smtp_text[0] ? e->smtp_text : NULL);
    json_end(json);
}

static void write_tls(struct explain *explain, const struct evidence *e)
{
    struct json *json = &explain->json;

    json_put_object(json, "tls");
    json_put_text(json, "version", e->tls_version ? frame_tls_name(e->tls_version) : NULL);
    json_put_text(json, "cipher", e->cipher[0] ? e->cipher : NULL);
    json_put_text(json, "group", e->group[0] ? e->group : NULL);
    json_put_text(json, "signature", e->signature[0] ? e->signature : NULL);
    json_put_boolean(json, "resumed", e->resumed);
    write_age(explain, "certificate_age_ms", e->resumed ? e->proved_ms : 0);
    json_put_unsigned(json, "alert", e->alert);
    json_put_text(json, "naming", WORD(namings, e->naming));
    if (e->pkix < 0) {
        json_put_null(json, "pkix");
    } else {
        json_put_object(json, "pkix");
        json_put_unsigned(json, "code", (uint64_t)e->pkix);
        json_put_text(json, "text", certificate_pkix_text(e->pkix));
        json_end(json);
    }
    json_put_array(json, "chain");
    for (unsigned i = 0; i < e->chain_count && i < LIMIT_CHAIN; i++)
        if (e->chain[i])
            json_put_unsigned(json, NULL, certificate_place(&explain->certificates, e->chain[i]));
    json_end(json);
    json_put_array(json, "tlsa");
    for (unsigned i = 0; i < e->tlsa_count && i < LIMIT_TLSA; i++) {
        json_put_object(json, NULL);
        json_put_text(json, "fate", WORD(tlsa_fates, e->tlsa[i].fate));
        json_put_unsigned(json, "depth", e->tlsa[i].depth);
        json_put_text(json, "verify",
                      e->tlsa[i].fate == TLSA_CHAIN_FAILS ? certificate_pkix_text(e->tlsa[i].verify)
                                                          : NULL);
        json_end(json);
    }
    json_end(json);
    json_end(json);
}

static void write_steps(struct json *json, const struct evidence *e)
{
    json_put_text(json, "step", endpoint_step_name(e->step));
    json_put_array(json, "steps");
    for (unsigned i = 0; i < ENDPOINT_STEP_COUNT; i++) {
        json_put_object(json, NULL);
        json_put_text(json, "name", endpoint_step_name(i));
        json_put_unsigned(json, "us", e->step_us[i]);
        json_end(json);
    }
    json_end(json);
}

static void write_endpoint(struct explain *explain, const struct host_endpoint *endpoint)
{
    struct json *json = &explain->json;
    const struct evidence *e = endpoint->evidence;
    char text[ADDRESS_TEXT_MAX];

    json_put_object(json, NULL);
    json_put_text(json, "address", address_text(&e->key.address, text));
    json_put_unsigned(json, "port", e->key.port);
    json_put_boolean(json, "secure", endpoint->secure);
    write_name(json, "server_name", &e->key.server_name);
    json_put_text(json, "outcome", outcome_name(e->outcome));
    json_put_text(json, "says", WORD(says_words, outcome_says(e->outcome)));
    json_put_text(json, "detail", e->detail[0] ? e->detail : NULL);
    json_put_number(json, "error", e->error);
    write_age(explain, "age_ms", e->began_ms);
    json_put_unsigned(json, "took_ms", e->ended_ms - e->began_ms);
    write_steps(json, e);
    write_smtp(json, e);
    write_tls(explain, e);
    json_put_bytes(json, "transcript", e->transcript,
                   e->transcript_size < LIMIT_TRANSCRIPT ? e->transcript_size : LIMIT_TRANSCRIPT);
    json_end(json);
}

static void write_reference_names(struct json *json, const struct route *route,
                                  const struct host_facts *host)
{
    struct reference_names names;

    reference_names(&names, route, host);
    json_put_array(json, "reference_names");
    for (unsigned i = 0; i < names.count; i++)
        json_put_text(json, NULL, names.names[i].text);
    json_end(json);
}

static void write_host_facts(struct explain *explain, const struct route *route,
                             const struct host_facts *host)
{
    struct json *json = &explain->json;

    json_put_text(json, "state", WORD(host_states, host->state));
    json_put_unsigned(json, "port", host->port);
    json_put_boolean(json, "secure", host->secure);
    json_put_boolean(json, "alias", host->alias);
    write_name(json, "expanded", &host->expanded);
    json_put_unsigned(json, "ttl_s", host->ttl_s);
    json_put_boolean(json, "bogus", host->bogus);
    write_age(explain, "age_ms", host->began_ms);
    json_put_text(json, "why", host->why[0] ? host->why : NULL);
    write_reference_names(json, route, host);
    write_tlsa(json, host);
    json_put_unsigned(json, "endpoints_dropped", host->endpoints_dropped);
    json_put_boolean(json, "addresses_unseen", host->addresses_unseen);
    json_put_array(json, "endpoints");
    for (unsigned i = 0; i < host->endpoint_count && i < LIMIT_ADDRESSES; i++)
        write_endpoint(explain, &host->endpoints[i]);
    json_end(json);
}

static void write_hosts(struct explain *explain, const struct domain_facts *facts)
{
    struct json *json = &explain->json;

    json_put_array(json, "hosts");
    for (unsigned i = 0; i < facts->route.host_count && i < LIMIT_MX_HOSTS; i++) {
        json_put_object(json, NULL);
        write_name(json, "name", &facts->route.hosts[i].name);
        json_put_unsigned(json, "preference", facts->route.hosts[i].preference);
        json_put_boolean(json, "evaluated", facts->hosts[i] != NULL);
        if (facts->hosts[i]) {
            write_finding(json, &facts->findings[i]);
            write_host_facts(explain, &facts->route, facts->hosts[i]);
        }
        json_end(json);
    }
    json_end(json);
}

/* --- certificates --- */

static void write_certificate(struct json *json, const struct certificate *c)
{
    json_put_object(json, NULL);
    json_put_text(json, "subject", c->subject);
    json_put_text(json, "issuer", c->issuer);
    json_put_array(json, "names");
    for (unsigned i = 0; i < c->name_count && i < LIMIT_CERTIFICATE_NAMES; i++)
        json_put_text(json, NULL, c->names[i]);
    json_end(json);
    json_put_boolean(json, "alternative_names", c->has_alternative_names);
    json_put_unsigned(json, "names_dropped", c->names_dropped);
    json_put_text(json, "key", WORD(key_types, c->key_type));
    json_put_unsigned(json, "key_bits", c->key_bits);
    json_put_text(json, "signature", c->signature);
    write_time(json, "not_before", c->not_before_s);
    write_time(json, "not_after", c->not_after_s);
    json_put_boolean(json, "ca", c->is_ca);
    json_put_boolean(json, "self_issued", c->self_issued);
    json_put_hex(json, "sha256", c->sha256, sizeof c->sha256);
    json_put_hex(json, "spki_sha256", c->spki_sha256, sizeof c->spki_sha256);
    json_end(json);
}

size_t explain_write(char *out, size_t size, const struct domain_facts *facts, bool limited,
                     uint64_t now_ms)
{
    struct explain explain = {.now_ms = now_ms, .limited = limited};

    json_start(&explain.json, out, size);
    write_verdict(&explain, facts);
    write_postfix(&explain.json, &facts->verdict);
    write_route(&explain.json, &facts->route);
    write_hosts(&explain, facts);
    json_put_array(&explain.json, "certificates");
    for (uint32_t i = 0; i < explain.certificates.count; i++)
        write_certificate(&explain.json, explain.certificates.list[i]);
    json_end(&explain.json);
    return json_finish(&explain.json);
}
