/*
 * words.c - every text of policy/: names for machines, sentences for people. Pure.
 *
 * Only texts of ours and canonical names go in; never what a peer said (CODE-12). What is said of a
 * verdict stands in shm/sentence.
 */
#include "engine/policy/verdict.h"

#include "engine/base/check.h"
#include "shm/phrase.h"

/* --- the rule that decided about a host --- */

static const char *const kind_names[] = {
    [FINDING_UNKNOWN] = "unknown",
    [FINDING_DANE] = "dane",
    [FINDING_DANE_ENFORCED] = "dane-enforced",
    [FINDING_DANE_FAILS] = "dane-fails",
    [FINDING_VERIFIED] = "verified",
    [FINDING_ENCRYPTED] = "encrypted",
    [FINDING_WEAK] = "weak",
    [FINDING_CLEAR] = "clear",
    [FINDING_EXCLUDED] = "excluded",
    [FINDING_TROUBLE] = "trouble",
};
static_assert(sizeof kind_names / sizeof *kind_names == FINDING_KIND_COUNT, "one for each kind");

const char *finding_kind_name(enum finding_kind kind)
{
    CHECK((size_t)kind < FINDING_KIND_COUNT);
    return kind_names[kind];
}

/* The first row that fits; CAUSE_NONE fits any cause. */
static const struct rule_row {
    enum finding_kind kind;
    enum cause cause;
    const char *rule;
} rules[] = {
    {FINDING_DANE, CAUSE_DANE,
     "usable TLSA records, signed all the way from the domain: DANE is mandatory, and met (DANE-11,"
     " DANE-24)"},
    {FINDING_DANE, CAUSE_NONE,
     "usable TLSA records are met, but an unsigned MX record names the host: this says nothing "
     "about"
     " the domain (MX-13, DANE-32)"},
    {FINDING_DANE_ENFORCED, CAUSE_NONE,
     "usable TLSA records: mail goes there under DANE or not at all; whether it is met was not seen"
     " (DANE-11, DEC-05)"},
    {FINDING_DANE_FAILS, CAUSE_DANE_FAILS,
     "usable TLSA records, and no certificate that meets one: no mail goes there (DANE-11)"},
    {FINDING_DANE_FAILS, CAUSE_NONE,
     "TLSA records ask for TLS, which is not to be had: no mail goes there (DANE-11, DANE-12)"},
    {FINDING_VERIFIED, CAUSE_NONE,
     "a trusted certificate with a name that is vouched for (TLS-21, TLS-22)"},
    {FINDING_ENCRYPTED, CAUSE_ENCRYPTED_TLSA_UNUSABLE,
     "TLSA records, none of them usable: TLS is mandatory, without authentication (DANE-12)"},
    {FINDING_ENCRYPTED, CAUSE_NONE,
     "TLS, with a certificate that proves nothing about the domain (TLS-21)"},
    {FINDING_WEAK, CAUSE_NONE, "TLS below 1.2 meets no demand (TLS-14, TLS-16)"},
    {FINDING_CLEAR, CAUSE_STARTTLS_REFUSED,
     "TLS offered, then refused: a sender without a demand goes on in clear text (TLS-07)"},
    {FINDING_CLEAR, CAUSE_TLS_BROKEN,
     "TLS begun, not completed: a sender without a demand comes back in clear text (TLS-11)"},
    {FINDING_CLEAR, CAUSE_NONE,
     "no TLS offered: a sender without a demand goes on in clear text (TLS-04, TLS-05)"},
    {FINDING_UNKNOWN, CAUSE_OURS, "not seen, by our own fault: no word about the host (DEC-05)"},
    {FINDING_UNKNOWN, CAUSE_NONE, "not seen: neither secure nor insecure (DEC-05, TLS-18)"},
    {FINDING_EXCLUDED, CAUSE_NONE, "no mail can go there (MX-07)"},
    {FINDING_TROUBLE, CAUSE_OURS, "our own look-up failed: never absence (DNS-02)"},
    {FINDING_TROUBLE, CAUSE_DNS_BOGUS,
     "DNSSEC validation failed: the host must not be used now (DANE-15, MX-12)"},
    {FINDING_TROUBLE, CAUSE_TLSA_TROUBLE,
     "the TLSA look-up failed, which is not absence: the host must not be used now (DANE-15)"},
    {FINDING_TROUBLE, CAUSE_NONE,
     "the address look-up failed, which is not absence: the host cannot be used now (DANE-16)"},
};

static const char *rule_of(const struct finding *finding)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].kind == finding->kind &&
            (rules[i].cause == CAUSE_NONE || rules[i].cause == finding->cause))
            return rules[i].rule;
    check_failed(__FILE__, __LINE__, "every kind of finding has a rule");
}

size_t finding_explain(const struct finding *finding, char *text, size_t size)
{
    return phrase_fill(text, size, &(struct phrase){"", finding->why[0] != '\0' ? ": " : "", ""},
                       rule_of(finding), finding->why);
}

/* --- routes --- */

const char *route_state_name(enum route_state state)
{
    static const char *const names[] = {
        [ROUTE_MX] = "mx",
        [ROUTE_IMPLICIT] = "implicit-mx",
        [ROUTE_HOST] = "host",
        [ROUTE_NULL_MX] = "null-mx",
        [ROUTE_NO_DOMAIN] = "no-domain",
        [ROUTE_TROUBLE] = "trouble",
        [ROUTE_BOGUS] = "bogus",
        [ROUTE_ALIAS_LOOP] = "alias-loop",
        [ROUTE_UNUSABLE] = "unusable",
        [ROUTE_LOOP] = "loop",
    };

    CHECK((size_t)state < sizeof names / sizeof *names);
    return names[state];
}
