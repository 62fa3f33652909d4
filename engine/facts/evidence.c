/*
 * evidence.c - the words of outcomes, what they say about a peer, and the life of evidence.
 *
 * The tables come from the list in evidence.h, so a new outcome has its row or does not compile.
 * Evidence is made by probe/endpoint (calloc, one reference, each certificate of its chain held)
 * and given back by the last evidence_drop, on whatever thread that is. Nothing here can fail.
 */
#include "engine/facts/evidence.h"

#include "engine/base/check.h"
#include "engine/base/reference.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static const struct outcome_row {
    const char *name;
    enum outcome_says says;
    enum tls_report report;
} outcome_rows[] = {
#define X(NAME, text, says, report) [OUTCOME_##NAME] = {text, SAYS_##says, REPORT_##report},
    OUTCOMES(X)
#undef X
};
static_assert(sizeof outcome_rows / sizeof *outcome_rows == OUTCOME_COUNT, "one row for each");

/* RFC 8460 section 4.3. */
static const char *const report_names[] = {
    [REPORT_NONE] = "",
    [REPORT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
    [REPORT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
    [REPORT_CERTIFICATE_EXPIRED] = "certificate-expired",
    [REPORT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
    [REPORT_VALIDATION_FAILURE] = "validation-failure",
    [REPORT_TLSA_INVALID] = "tlsa-invalid",
    [REPORT_DNSSEC_INVALID] = "dnssec-invalid",
    [REPORT_DANE_REQUIRED] = "dane-required",
    [REPORT_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
    [REPORT_STS_POLICY_INVALID] = "sts-policy-invalid",
    [REPORT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};
#define REPORT_COUNT (sizeof report_names / sizeof *report_names)

static const struct outcome_row *outcome_row(enum outcome outcome)
{
    CHECK((size_t)outcome < OUTCOME_COUNT);
    return &outcome_rows[outcome];
}

const char *outcome_name(enum outcome outcome)
{
    return outcome_row(outcome)->name;
}

enum outcome_says outcome_says(enum outcome outcome)
{
    return outcome_row(outcome)->says;
}

enum tls_report outcome_report(enum outcome outcome)
{
    return outcome_row(outcome)->report;
}

const char *tls_report_name(enum tls_report report)
{
    CHECK((size_t)report < REPORT_COUNT);
    return report_names[report];
}

uint64_t endpoint_key_hash(const struct endpoint_key *key)
{
    return address_hash(&key->address) ^ name_hash(&key->server_name) * 3 ^
           XXH3_64bits(key->tlsa_digest, sizeof key->tlsa_digest) * 5 ^ key->port;
}

bool endpoint_key_equal(const struct endpoint_key *a, const struct endpoint_key *b)
{
    return a->port == b->port && address_equal(&a->address, &b->address) &&
           name_equal(&a->server_name, &b->server_name) &&
           memcmp(a->tlsa_digest, b->tlsa_digest, sizeof a->tlsa_digest) == 0;
}

const struct evidence *evidence_renew(const struct evidence *evidence, uint64_t began_ms,
                                      int64_t at_s)
{
    struct evidence *fresh = malloc(sizeof *fresh);

    if (fresh == NULL)
        return NULL;
    memcpy(fresh, evidence, sizeof *fresh);
    atomic_init(&fresh->references, 1);
    for (unsigned i = 0; i < fresh->chain_count; i++)
        certificate_hold(fresh->chain[i]);
    fresh->looked_ms = evidence_looked_ms(evidence);
    fresh->looked_wall_s = evidence_looked_wall_s(evidence);
    fresh->began_ms = fresh->ended_ms = began_ms;
    fresh->ended_wall_s = at_s;
    return fresh;
}

const struct evidence *evidence_hold(const struct evidence *evidence)
{
    reference_hold(&evidence->references);
    return evidence;
}

void evidence_drop(const struct evidence *evidence)
{
    struct evidence *mine = (struct evidence *)(uintptr_t)evidence;

    if (mine == NULL || !reference_drop(&mine->references))
        return;
    CHECK(mine->chain_count <= LIMIT_CHAIN);
    for (unsigned i = 0; i < mine->chain_count; i++)
        certificate_drop(mine->chain[i]);
    free(mine);
}
