/*
 * sentence.c - see sentence.h: a row for each cause, and one for each policy.
 */
#include "shm/sentence.h"

#include "shm/must.h"
#include "shm/phrase.h"

#include <assert.h>
#include <stdio.h>

/* --- causes --- */

/*
 * Codes are those of mail that is held: class 4, except where no later try can change anything
 * (CODE-14). Between `before` and `after` stands the host; `after` NULL: no host is named.
 */
static const struct cause_row {
    const char *name, *code, *before, *after;
} causes[] = {
    [CAUSE_NONE] = {"none", "4.3.0", "nothing is known yet", NULL},
    [CAUSE_NOT_LOOKED] = {"not-looked", "4.3.0", "not every mail host was looked at", NULL},
    [CAUSE_DANE] = {"dane", "4.7.0", "every mail host that can get mail is authenticated by DANE",
                    NULL},
    [CAUSE_DANE_INSECURE_MX] = {"dane-insecure-mx", "4.7.5", "non DNSSEC destination: host ",
                                " is authenticated by DANE, but the MX record that names it is not"
                                " signed"},
    [CAUSE_VERIFIED] = {"verified", "4.7.0",
                        "the certificate of every mail host is trusted and bears a name that is"
                        " vouched for",
                        NULL},
    [CAUSE_ENCRYPTED] = {"encrypted", "4.7.5", "Server certificate not verified: host ",
                         " encrypts, and no more"},
    [CAUSE_ENCRYPTED_TLSA_UNUSABLE] = {"encrypted-tlsa-unusable", "4.7.5",
                                       "TLSA records unusable: host ",
                                       " must encrypt and does, and no more"},
    [CAUSE_WEAK_TLS] = {"weak-tls", "4.7.5", "Cannot start TLS: handshake failure: host ",
                        " does not do TLS 1.2 or later"},
    [CAUSE_NO_STARTTLS] = {"no-starttls", "4.7.4", "TLS is required, but was not offered by host ",
                           ""},
    [CAUSE_STARTTLS_REFUSED] = {"starttls-refused", "4.7.4", "TLS is required, but host ",
                                " refused to start TLS"},
    [CAUSE_TLS_BROKEN] = {"tls-broken", "4.7.5", "Cannot start TLS: handshake failure with host ",
                          ""},
    [CAUSE_DANE_FAILS] = {"dane-fails", "4.7.5", "Server certificate not verified: host ",
                          " does not match its TLSA records"},
    [CAUSE_DANE_NO_TLS] = {"dane-no-tls", "4.7.4", "TLS is required by TLSA records, but host ",
                           " does not do it"},
    [CAUSE_UNREACHABLE] = {"unreachable", "4.4.1", "no answer from host ",
                           ": its TLS could not be seen"},
    [CAUSE_RATE_LIMITED] = {"rate-limited", "4.4.1", "host ",
                            " limits connections: its TLS could not be seen"},
    [CAUSE_OURS] = {"ours", "4.3.0", "mxward itself could not look, or not in time", NULL},
    [CAUSE_MX_TROUBLE] = {"mx-trouble", "4.4.3", "MX lookup error", NULL},
    [CAUSE_MX_BOGUS] = {"mx-bogus", "4.4.3", "MX lookup error: DNSSEC validation failed", NULL},
    [CAUSE_ADDRESS_TROUBLE] = {"address-trouble", "4.4.3", "address lookup error for host ", ""},
    [CAUSE_TLSA_TROUBLE] = {"tlsa-trouble", "4.7.5", "TLSA lookup error for ", ""},
    [CAUSE_DNS_BOGUS] = {"dns-bogus", "4.7.5", "DNSSEC validation failed for host ", ""},
    [CAUSE_NULL_MX] = {"null-mx", "5.1.10", "Recipient address has null MX", NULL},
    [CAUSE_NO_DOMAIN] = {"no-domain", "5.1.2", "Domain not found", NULL},
    [CAUSE_NO_HOST] = {"no-host", "4.4.4", "no address found for mail host ", ""},
    [CAUSE_ALIAS_LOOP] = {"alias-loop", "4.4.6", "the aliases of the domain lead nowhere", NULL},
    [CAUSE_STS] = {"sts", "4.7.0", "every mail host meets the domain's MTA-STS policy", NULL},
    [CAUSE_STS_FAILS] = {"sts-fails", "4.7.5", "no mail host meets the domain's MTA-STS policy",
                         NULL},
    [CAUSE_LOOP] = {"loop", "5.4.6", "mail for the domain loops back to myself", NULL},
};
static_assert(sizeof causes / sizeof *causes == CAUSE_COUNT, "one row for each cause");

static const struct cause_row *cause_row(enum cause cause)
{
    MUST((size_t)cause < CAUSE_COUNT);
    return &causes[cause];
}

const char *cause_name(enum cause cause)
{
    return cause_row(cause)->name;
}

const char *verdict_status_code(const struct verdict *verdict)
{
    return cause_row(verdict->cause)->code;
}

void verdict_host_words(const struct verdict *verdict, char *text, size_t size)
{
    if (verdict->host[0] == '\0')
        snprintf(text, size, "of the domain");
    else if (verdict->cause == CAUSE_TLSA_TROUBLE && verdict->port != 0)
        snprintf(text, size, "%s:%u", verdict->host, verdict->port);
    else if (verdict->address[0] != '\0')
        snprintf(text, size, "%s[%s]", verdict->host, verdict->address);
    else
        snprintf(text, size, "%s", verdict->host);
}

size_t verdict_sentence(const struct verdict *verdict, char *text, size_t size)
{
    const struct cause_row *row = cause_row(verdict->cause);
    char host[320], reply[16] = "";

    if (row->after == NULL)
        return phrase_fill(text, size, &(struct phrase){row->before, "", ""}, "", "");
    verdict_host_words(verdict, host, sizeof host);
    if (verdict->cause == CAUSE_STARTTLS_REFUSED && verdict->smtp_code != 0)
        snprintf(reply, sizeof reply, ": %u", verdict->smtp_code);
    return phrase_fill(text, size, &(struct phrase){row->before, row->after, ""}, host, reply);
}

/* --- the rule that decided about a domain --- */

static const struct enforce_row {
    const char *name, *rule;
} enforces[] = {
    [ENFORCE_NOTHING] = {"nothing", "there is nothing to enforce"},
    [ENFORCE_ENCRYPT] = {"encrypt",
                         "TLS 1.2 or later at every host or no mail, which protects against"
                         " listening only"},
    [ENFORCE_DANE] = {"dane",
                      "DANE where there are usable TLSA records, elsewhere what the mail program"
                      " does by itself (DEC-10)"},
    [ENFORCE_DANE_ONLY] = {"dane-only",
                           "only hosts that meet their TLSA records, named by a signed MX record"
                           " (DANE-17, DEC-07)"},
    [ENFORCE_SECURE_MATCH] = {"secure",
                              "only hosts with a trusted certificate that bears one of the names"
                              " listed (TLS-21, DEC-08)"},
    [ENFORCE_DANE_ELSE_ENCRYPT] = {"dane-else-encrypt",
                                   "DANE where there are usable TLSA records, TLS 1.2 or later"
                                   " elsewhere (DANE-11, DEC-03)"},
};
static_assert(sizeof enforces / sizeof *enforces == ENFORCE_COUNT, "one row for each");

const char *enforce_name(enum enforce enforce)
{
    MUST((size_t)enforce < ENFORCE_COUNT);
    return enforces[enforce].name;
}

size_t verdict_explain(const struct verdict *verdict, char *text, size_t size)
{
    static const char *const conclusions[] = {
        [CONCLUSION_DEFINITE] = "",
        [CONCLUSION_INCONCLUSIVE] = " (not all was seen)",
        [CONCLUSION_TEMPORARY] = " (for now)",
        [CONCLUSION_UNDELIVERABLE] = " (final)",
    };
    char sentence[512], cause[600];

    MUST((size_t)verdict->conclusion < CONCLUSION_COUNT);
    MUST((size_t)verdict->enforce < ENFORCE_COUNT);
    verdict_sentence(verdict, sentence, sizeof sentence);
    phrase_fill(cause, sizeof cause, &(struct phrase){"", "", "; to be enforced: "}, sentence,
                conclusions[verdict->conclusion]);
    return phrase_fill(text, size, &(struct phrase){"", "", ""}, cause,
                       enforces[verdict->enforce].rule);
}
