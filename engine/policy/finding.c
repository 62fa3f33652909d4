/*
 * finding.c - what one host is worth for a route: DANE-11..18, DANE-24, DANE-26, DANE-31..34,
 * TLS-07, TLS-16, TLS-21, TLS-22, PIT-07, RPT-01..06. Pure.
 *
 * A host has several addresses, and they may differ. Without TLSA records a sender without a demand
 * goes where it can, so the weakest that was seen decides; what was not seen decides nothing unless
 * nothing was. With TLSA records the MTA leaves out every address that does not meet them, so one
 * that meets them suffices, and the host fails only if all were seen to fail.
 *
 * An address that was not seen, not tried because there are too many, or not known because the
 * look-up of its family failed, might be the weakest, or the one that meets the records: then the
 * finding is not conclusive, and is made again soon. It keeps its kind all the same. A sender
 * without IPv6 sees half the addresses of most hosts never; were they unknown, nobody would learn
 * anything. And who can hide an address from us that takes mail in clear can as well answer there
 * with TLS of his own, so `encrypted` never held against him, and what does (`verified`) is
 * enforced at the delivery, at whichever address. Known weakness: to hide one address of several
 * makes the class look better than it is, for a sender without a demand. But where it was our own
 * failure that hid it (no memory, no time, no budget), nothing better than what may be there is
 * said: the host is unknown (law 3).
 *
 * Evidence may be an hour old: what expired since counts as expired (FRESH-02). With a clock that
 * cannot be right no certificate is judged by its dates: that is our failure (FRESH-06, law 3).
 */
#include "engine/policy/verdict.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "shm/phrase.h"

#include <stdio.h>
#include <string.h>

enum { USAGE_TA = 2 }; /* DANE-TA; the only usable usage besides DANE-EE */

/* --- why, in phrases --- */

enum why {
    WHY_NOT_LOOKED,
    WHY_DIALOGUE,
    WHY_PKIX_NAMES,
    WHY_PKIX_FAILS,
    WHY_PKIX_OTHER_NAME,
    WHY_PKIX_NO_NAME_COUNTS,
    WHY_TLSA_EE,
    WHY_TLSA_TA,
    WHY_TLSA_OTHER_NAME,
    WHY_TLSA_CHAIN,
    WHY_TLSA_NO_MATCH,
    WHY_TLSA_NO_TLS,
    WHY_TLSA_UNSEEN,
    WHY_TLSA_NOT_ALL,
    WHY_TLSA_RAN_OUT,
    WHY_CLOCK,
    WHY_UNNAMED,
};

static const struct phrase whys[] = {
    [WHY_NOT_LOOKED] = {"it was not looked at", "", ""},
    [WHY_DIALOGUE] = {"at ", ": ", ""},
    [WHY_PKIX_NAMES] = {"at ", " the certificate is trusted and names ", ""},
    [WHY_PKIX_FAILS] = {"at ", " the certificate is not trusted: ", ""},
    [WHY_PKIX_OTHER_NAME] = {"at ", " the certificate is trusted but does not name ", ""},
    [WHY_PKIX_NO_NAME_COUNTS] = {"at ", " TLS, and there is no name to verify", ""},
    [WHY_TLSA_EE] = {"at ", " the certificate matches the TLSA record ", ""},
    [WHY_TLSA_TA] = {"at ", " the certificate is issued under the TLSA record ",
                     ", and a name of it is asked for"},
    [WHY_TLSA_OTHER_NAME] = {"at ",
                             " the certificate is issued under the TLSA record, but does not"
                             " name ",
                             ""},
    [WHY_TLSA_CHAIN] = {"at ", " the TLSA record is met, but not the path below it: ", ""},
    [WHY_TLSA_NO_MATCH] = {"at ", " the certificate matches no TLSA record", ""},
    [WHY_TLSA_NO_TLS] = {"TLSA records ask for TLS, but at ", ": ", ""},
    [WHY_TLSA_UNSEEN] = {"TLSA records ask for TLS; at ", ": ", ""},
    [WHY_TLSA_NOT_ALL] = {"at ", " there are more records or certificates than are looked at", ""},
    [WHY_TLSA_RAN_OUT] = {"at ", " TLSA records that ran out before it was looked at are not met",
                          ""},
    [WHY_CLOCK] = {"at ", " the certificate cannot be judged: this machine's clock is wrong", ""},
    [WHY_UNNAMED] = {"at ", ": ", ", and what it would take instead is not known"},
};

static const char *endpoint_text(const struct host_facts *host, unsigned index,
                                 char text[ADDRESS_TEXT_MAX])
{
    return address_text(&host->endpoints[index].evidence->key.address, text);
}

static void say(struct finding *finding, const struct host_facts *host, enum why why,
                const char *what)
{
    char address[ADDRESS_TEXT_MAX] = "";

    if (finding->endpoint != FINDING_NO_ENDPOINT)
        endpoint_text(host, finding->endpoint, address);
    phrase_fill(finding->why, sizeof finding->why, &whys[why], address, what);
}

/* --- reference identifiers --- */

static void names_add(struct reference_names *names, const struct name *name)
{
    for (unsigned i = 0; i < names->count; i++)
        if (name_equal(&names->names[i], name))
            return;
    if (name->length > 0 && names->count < sizeof names->names / sizeof *names->names)
        names->names[names->count++] = *name;
}

/* A signed MX (or a configured host) vouches for its hosts; else only the domain stands for itself
 * (TLS-21, DANE-32). */
static void names_of_route(struct reference_names *names, const struct route *route)
{
    names_add(names, &route->domain);
    if (route->secure)
        names_add(names, &route->expanded);
}

static void pkix_names(struct reference_names *names, const struct route *route,
                       const struct host_facts *host)
{
    names->count = 0;
    if (route->secure)
        names_add(names, &host->name);
    names_of_route(names, route);
}

static void dane_names(struct reference_names *names, const struct route *route,
                       const struct host_facts *host)
{
    names->count = 0;
    names_add(names, &host->base); /* DANE-31 (1) */
    if (route->secure)
        names_of_route(names, route); /* DANE-31 (2), (3); DANE-33 */
}

static bool host_has_usable_tlsa(const struct host_facts *host)
{
    return host->tlsa_state == TLSA_PRESENT && host->usable > 0;
}

void reference_names(struct reference_names *names, const struct route *route,
                     const struct host_facts *host)
{
    if (host_has_usable_tlsa(host))
        dane_names(names, route, host);
    else
        pkix_names(names, route, host);
}

static const struct name *leaf_bears(const struct evidence *evidence,
                                     const struct reference_names *names, bool allow_common_name)
{
    for (unsigned i = 0; i < names->count; i++)
        if (certificate_names_host(evidence->chain[0], names->names[i].text, allow_common_name))
            return &names->names[i];
    return NULL;
}

/* --- the clock (FRESH-06) --- */

/* Dates were compared when the endpoint was probed, and are again now. */
static bool dates_are_known(const struct evidence *evidence, int64_t now_s)
{
    return clock_is_sane(evidence->ended_wall_s) && clock_is_sane(now_s);
}

/* --- one endpoint, by PKIX --- */

/* From weak to strong; UNSEEN beside the scale. */
enum grade { GRADE_UNSEEN, GRADE_CLEAR, GRADE_WEAK, GRADE_ENCRYPTED, GRADE_VERIFIED };

static enum grade grade_of(const struct evidence *evidence)
{
    switch (outcome_says(evidence->outcome)) {
    case SAYS_ENCRYPTS:
        return GRADE_ENCRYPTED;
    case SAYS_WEAK:
        return GRADE_WEAK;
    case SAYS_CLEAR:
    case SAYS_REFUSES: /* TLS-07: an opportunistic sender goes on in clear */
    case SAYS_BROKEN:
        return GRADE_CLEAR;
    case SAYS_INCONCLUSIVE:
    case SAYS_OURS:
        break;
    }
    return GRADE_UNSEEN;
}

static bool pkix_is_fine(const struct evidence *evidence, int64_t now_s)
{
    return evidence->pkix == 0 && evidence->chain_count > 0 && dates_are_known(evidence, now_s) &&
           certificate_valid_at(evidence->chain[0], now_s);
}

/* It could not be asked in full: the issuer may stand where we stopped looking, or the name. */
static bool pkix_is_partial(const struct evidence *evidence)
{
    if (evidence->pkix != 0)
        return evidence->pkix < 0 ||
               (evidence->chain_cut && certificate_pkix_defect(evidence->pkix) == PKIX_UNTRUSTED);
    return evidence->chain_count > 0 && evidence->chain[0]->names_dropped > 0;
}

/* `bears` learns the name that counted. The CN never does (TLS-22). */
static enum grade endpoint_grade(const struct evidence *evidence,
                                 const struct reference_names *names, int64_t now_s,
                                 const struct name **bears)
{
    enum grade grade = grade_of(evidence);

    *bears = NULL;
    if (grade != GRADE_ENCRYPTED || !pkix_is_fine(evidence, now_s))
        return grade;
    *bears = leaf_bears(evidence, names, false);
    return *bears != NULL ? GRADE_VERIFIED : GRADE_ENCRYPTED;
}

/* --- what the endpoints say together --- */

struct survey {
    unsigned seen, unseen, ours;
    uint8_t first_ours;
    bool temporary;     /* the deciding one was refused for now (454), or is only perhaps so weak */
    bool pkix_unknown;  /* at an endpoint that encrypts, PKIX or names could not be asked in full */
    bool clock_wrong;   /* … because nobody knows what time it is */
    enum grade weakest; /* of those seen */
    uint8_t decides;    /* the weakest seen; else the first unseen */
    const struct name *bears;
};

static void survey_endpoint(struct survey *survey, const struct evidence *evidence, uint8_t index,
                            enum grade grade, const struct name *bears)
{
    if (outcome_says(evidence->outcome) == SAYS_OURS && survey->ours++ == 0)
        survey->first_ours = index;
    if (grade == GRADE_UNSEEN) {
        if (survey->seen + survey->unseen == 0)
            survey->decides = index;
        survey->unseen++;
        return;
    }
    if (grade == GRADE_ENCRYPTED && pkix_is_partial(evidence))
        survey->pkix_unknown = true;
    if (survey->seen == 0 || grade < survey->weakest) {
        survey->weakest = grade;
        survey->decides = index;
        survey->bears = bears;
        survey->temporary =
            evidence->outcome == OUTCOME_STARTTLS_TEMPORARY || evidence_is_unnamed(evidence);
    }
    survey->seen++;
}

/* `tls_only`: endpoints without TLS get no mail, so they do not count as seen (DANE-12). */
static struct survey survey_host(const struct host_facts *host, const struct reference_names *names,
                                 int64_t now_s, bool tls_only)
{
    struct survey survey = {.decides = FINDING_NO_ENDPOINT, .first_ours = FINDING_NO_ENDPOINT};

    for (uint8_t i = 0; i < host->endpoint_count; i++) {
        const struct evidence *evidence = host->endpoints[i].evidence;
        const struct name *bears;
        enum grade grade = endpoint_grade(evidence, names, now_s, &bears);

        if (tls_only && (grade == GRADE_CLEAR || grade == GRADE_WEAK))
            continue;
        survey_endpoint(&survey, evidence, i, grade, bears);
        survey.clock_wrong |= grade == GRADE_ENCRYPTED && !dates_are_known(evidence, now_s);
    }
    return survey;
}

/* Facts that go with every finding of a host that was looked at. */
static void finding_facts(struct finding *finding, const struct host_facts *host)
{
    unsigned encrypting = 0, requiretls = 0;

    for (unsigned i = 0; i < host->endpoint_count; i++) {
        const struct evidence *evidence = host->endpoints[i].evidence;

        if (grade_of(evidence) != GRADE_ENCRYPTED)
            continue;
        encrypting++;
        requiretls += (evidence->keywords & KEYWORD_REQUIRETLS) != 0;
        if (finding->tls_version == 0 || evidence->tls_version < finding->tls_version)
            finding->tls_version = evidence->tls_version;
    }
    finding->requiretls = encrypting > 0 && requiretls == encrypting;
}

static void finding_decided_by(struct finding *finding, const struct host_facts *host,
                               uint8_t endpoint)
{
    finding->endpoint = endpoint;
    if (endpoint != FINDING_NO_ENDPOINT)
        finding->outcome = host->endpoints[endpoint].evidence->outcome;
}

/* --- causes --- */

static enum cause cause_of_unseen(enum outcome outcome)
{
    switch (outcome_says(outcome)) {
    case SAYS_OURS:
        return CAUSE_OURS;
    case SAYS_REFUSES: /* for now */
        return CAUSE_STARTTLS_REFUSED;
    case SAYS_ENCRYPTS:
    case SAYS_WEAK:
    case SAYS_CLEAR:
    case SAYS_BROKEN:
    case SAYS_INCONCLUSIVE:
        break;
    }
    if (outcome == OUTCOME_RATE_LIMITED)
        return CAUSE_RATE_LIMITED;
    if (outcome == OUTCOME_OPTED_OUT || outcome == OUTCOME_RESERVED_ADDRESS)
        return CAUSE_NOT_LOOKED;
    return CAUSE_UNREACHABLE;
}

static enum cause cause_of_clear(enum outcome outcome)
{
    switch (outcome_says(outcome)) {
    case SAYS_REFUSES:
        return CAUSE_STARTTLS_REFUSED;
    case SAYS_BROKEN:
        return CAUSE_TLS_BROKEN;
    case SAYS_WEAK:
        return CAUSE_WEAK_TLS;
    case SAYS_ENCRYPTS:
    case SAYS_CLEAR:
    case SAYS_INCONCLUSIVE:
    case SAYS_OURS:
        break;
    }
    return CAUSE_NO_STARTTLS;
}

/* RPT-03, RPT-04. */
static enum tls_report report_of_pkix(int result)
{
    switch (certificate_pkix_defect(result)) {
    case PKIX_EXPIRED:
        return REPORT_CERTIFICATE_EXPIRED;
    case PKIX_NOT_YET_VALID:
    case PKIX_NOT_LOOKED:
        return REPORT_VALIDATION_FAILURE;
    case PKIX_FINE:
    case PKIX_SELF_SIGNED:
    case PKIX_WRONG_PURPOSE:
    case PKIX_REVOKED:
    case PKIX_WEAK:
    case PKIX_UNTRUSTED:
        break;
    }
    return REPORT_CERTIFICATE_NOT_TRUSTED;
}

/* Addresses that nobody looked at: over the limit, private, or of a family whose look-up failed
 * (DANE-16). */
static bool has_more_addresses(const struct host_facts *host)
{
    return host->endpoints_dropped > 0 || host->addresses_unseen;
}

static enum cause cause_of_more(const struct host_facts *host)
{
    if (host->addresses_unseen_ours)
        return CAUSE_OURS;
    return host->endpoints_dropped > 0 ? CAUSE_NOT_LOOKED : CAUSE_ADDRESS_TROUBLE;
}

/* --- a host without usable TLSA records --- */

/* An address that was not seen could change nothing: the weakest there can be was seen. */
static bool survey_is_whole(const struct survey *survey, const struct host_facts *host,
                            bool tls_only)
{
    return (survey->unseen == 0 && !has_more_addresses(host)) ||
           survey->weakest == (tls_only ? GRADE_ENCRYPTED : GRADE_CLEAR);
}

/* Part of the host was not seen for reasons of our own, and what was seen is better than what may
 * be there: then nothing is said (law 3). */
static bool survey_is_ours(const struct survey *survey, const struct host_facts *host,
                           bool tls_only)
{
    return (survey->ours > 0 || host->addresses_unseen_ours) && survey->weakest > GRADE_WEAK &&
           !survey_is_whole(survey, host, tls_only);
}

static void say_encrypted(struct finding *finding, const struct host_facts *host,
                          const struct reference_names *names, int64_t now_s)
{
    const struct evidence *evidence = host->endpoints[finding->endpoint].evidence;

    if (!dates_are_known(evidence, now_s))
        say(finding, host, WHY_CLOCK, "");
    else if (names->count == 0)
        say(finding, host, WHY_PKIX_NO_NAME_COUNTS, "");
    else if (evidence->pkix != 0)
        say(finding, host, WHY_PKIX_FAILS, certificate_pkix_text(evidence->pkix));
    else if (!pkix_is_fine(evidence, now_s))
        say(finding, host, WHY_PKIX_FAILS, "certificate has expired");
    else
        say(finding, host, WHY_PKIX_OTHER_NAME, names->names[0].text);
}

static void finding_seen(struct finding *finding, const struct host_facts *host,
                         const struct survey *survey, const struct reference_names *names,
                         int64_t now_s)
{
    finding->conclusive = survey->ours == 0 && !survey->temporary && !survey->pkix_unknown &&
                          !survey->clock_wrong &&
                          survey_is_whole(survey, host, finding->tls_required_by_tlsa);
    switch (survey->weakest) {
    case GRADE_VERIFIED:
        finding->kind = FINDING_VERIFIED;
        finding->level = LEVEL_VERIFIED;
        finding->cause = CAUSE_VERIFIED;
        finding->name = *survey->bears;
        say(finding, host, WHY_PKIX_NAMES, survey->bears->text);
        return;
    case GRADE_ENCRYPTED:
        finding->kind = FINDING_ENCRYPTED;
        finding->level = LEVEL_ENCRYPT;
        finding->cause = survey->clock_wrong             ? CAUSE_OURS
                         : finding->tls_required_by_tlsa ? CAUSE_ENCRYPTED_TLSA_UNUSABLE
                                                         : CAUSE_ENCRYPTED;
        say_encrypted(finding, host, names, now_s);
        return;
    case GRADE_WEAK:
        finding->kind = FINDING_WEAK;
        finding->level = LEVEL_OPPORTUNISTIC; /* TLS-16 */
        break;
    case GRADE_CLEAR:
    case GRADE_UNSEEN:
        finding->kind = FINDING_CLEAR;
        finding->level = LEVEL_NONE;
        break;
    }
    finding->cause = cause_of_clear(finding->outcome);
    finding->report = outcome_report(finding->outcome);
    say(finding, host,
        evidence_is_unnamed(host->endpoints[finding->endpoint].evidence) ? WHY_UNNAMED
                                                                         : WHY_DIALOGUE,
        outcome_name(finding->outcome));
}

/* It has no address that may be looked at (a family is switched off, or they are reserved): a
 * choice, which host.c put into words. */
static void finding_no_address_to_look_at(struct finding *finding, const struct host_facts *host)
{
    finding->cause = CAUSE_NOT_LOOKED;
    snprintf(finding->why, sizeof finding->why, "%s", host->why);
}

static void finding_unseen(struct finding *finding, const struct host_facts *host)
{
    finding->kind = FINDING_UNKNOWN;
    finding->level = finding->tls_required_by_tlsa ? LEVEL_ENCRYPT : LEVEL_NONE;
    if (finding->endpoint == FINDING_NO_ENDPOINT) {
        finding_no_address_to_look_at(finding, host);
        return;
    }
    if (grade_of(host->endpoints[finding->endpoint].evidence) != GRADE_UNSEEN &&
        has_more_addresses(host))
        finding->cause = cause_of_more(host);
    else
        finding->cause = cause_of_unseen(finding->outcome);
    say(finding, host, WHY_DIALOGUE, outcome_name(finding->outcome));
}

static void finding_ours(struct finding *finding, const struct host_facts *host,
                         const struct survey *survey)
{
    finding->kind = FINDING_UNKNOWN;
    finding->level = finding->tls_required_by_tlsa ? LEVEL_ENCRYPT : LEVEL_NONE;
    finding->cause = CAUSE_OURS;
    finding->tls_version = 0;
    finding->requiretls = false;
    finding_decided_by(finding, host, survey->first_ours);
    if (survey->ours > 0)
        say(finding, host, WHY_DIALOGUE, outcome_name(finding->outcome));
    else
        snprintf(finding->why, sizeof finding->why, "%s", host->why);
}

/* TLSA records are there, none usable, and no address does TLS: no mail may go there (DANE-12). */
static void finding_lacks_tls(struct finding *finding, const struct host_facts *host)
{
    finding->kind = FINDING_DANE_FAILS;
    finding->level = LEVEL_ENCRYPT;
    finding->cause = CAUSE_DANE_NO_TLS;
    finding->report = REPORT_TLSA_INVALID; /* RPT-05 */
    finding->conclusive = true;
    finding_decided_by(finding, host, 0);
    say(finding, host, WHY_TLSA_NO_TLS, outcome_name(finding->outcome));
}

/* 454 is for now, and addresses not looked at may be better: nothing definite may rest on that. */
static bool may_do_tls(const struct host_facts *host)
{
    if (has_more_addresses(host))
        return true;
    for (unsigned i = 0; i < host->endpoint_count; i++)
        if (host->endpoints[i].evidence->outcome == OUTCOME_STARTTLS_TEMPORARY)
            return true;
    return false;
}

static void finding_plain(struct finding *finding, const struct route *route,
                          const struct host_facts *host, int64_t now_s)
{
    struct reference_names names;
    struct survey survey;

    finding->tls_required_by_tlsa = host->tlsa_state == TLSA_PRESENT;
    pkix_names(&names, route, host);
    survey = survey_host(host, &names, now_s, finding->tls_required_by_tlsa);
    finding_facts(finding, host);
    finding_decided_by(finding, host, survey.decides);
    if (survey.seen > 0 && survey_is_ours(&survey, host, finding->tls_required_by_tlsa)) {
        finding_ours(finding, host, &survey);
    } else if (survey.seen > 0) {
        finding_seen(finding, host, &survey, &names, now_s);
    } else if (survey.unseen == 0 && host->endpoint_count > 0 && !may_do_tls(host)) {
        finding_lacks_tls(finding, host);
    } else {
        if (survey.unseen == 0 && host->endpoint_count > 0)
            finding_decided_by(finding, host, 0);
        finding_unseen(finding, host);
    }
}

/* --- a host with usable TLSA records (DANE-11) --- */

/* What an endpoint is worth under them; ordered by how much it decides. */
enum dane_grade { DANE_UNSEEN, DANE_NO_TLS, DANE_MISMATCH, DANE_MATCH };

struct dane_look {
    enum dane_grade grade;
    enum why why;
    const char *what; /* for `why`, if `record` is empty */
    enum tls_report report;
    char record[16]; /* the one that is met: "3 1 1" */
};

static void look_record(struct dane_look *look, const struct evidence *evidence, unsigned index)
{
    const struct tlsa_result *result = &evidence->tlsa[index];

    snprintf(look->record, sizeof look->record, "%u %u %u", result->usage, result->selector,
             result->matching_type);
}

/* The records, or the chain, went on where we stopped looking: a mismatch proves nothing. */
static bool look_is_partial(const struct host_facts *host, const struct evidence *evidence)
{
    if (evidence->tlsa_count == 0 || host->tlsa->dropped > 0 || host->tlsa->count > LIMIT_TLSA)
        return true;
    if (!evidence->chain_cut)
        return false;
    for (unsigned i = 0; i < evidence->tlsa_count; i++)
        if (evidence->tlsa[i].usage == USAGE_TA && evidence->tlsa[i].fate != TLSA_UNUSABLE)
            return true;
    return false;
}

/* With a wrong clock DANE-TA says nothing; DANE-EE asks for no date (DANE-26). */
static bool look_needs_clock(const struct evidence *evidence)
{
    for (unsigned i = 0; i < evidence->tlsa_count; i++)
        if (evidence->tlsa[i].fate == TLSA_CHAIN_FAILS ||
            (evidence->tlsa[i].fate == TLSA_MATCH && evidence->tlsa[i].usage == USAGE_TA))
            return true;
    return false;
}

/* One record that the chain meets: does the leaf bear a name (only DANE-TA asks, DANE-26)? */
static void look_match(struct dane_look *look, const struct evidence *evidence, unsigned index,
                       const struct reference_names *names, int64_t now_s)
{
    if (evidence->tlsa[index].usage != USAGE_TA) {
        look->grade = DANE_MATCH;
        look->why = WHY_TLSA_EE;
        look_record(look, evidence, index);
    } else if (!dates_are_known(evidence, now_s)) {
        look->why = WHY_CLOCK;
    } else if (!certificate_valid_at(evidence->chain[0], now_s)) { /* since it was seen */
        look->why = WHY_TLSA_CHAIN;
        look->what = "certificate has expired";
        look->report = REPORT_CERTIFICATE_EXPIRED;
    } else if (leaf_bears(evidence, names, true) != NULL) {
        look->grade = DANE_MATCH;
        look->why = WHY_TLSA_TA;
        look_record(look, evidence, index);
    } else if (evidence->chain[0]->names_dropped > 0) {
        look->grade = DANE_UNSEEN;
        look->why = WHY_TLSA_NOT_ALL;
    } else {
        look->why = WHY_TLSA_OTHER_NAME;
        look->what = names->count > 0 ? names->names[0].text : "";
        look->report = REPORT_CERTIFICATE_HOST_MISMATCH; /* RPT-02 */
    }
}

/* Any record that is met suffices (DANE-24); a reason nearer to success is kept over others. */
static void look_at_chain(struct dane_look *look, const struct host_facts *host,
                          const struct evidence *evidence, const struct reference_names *names,
                          int64_t now_s)
{
    look->grade = DANE_MISMATCH;
    look->why = WHY_TLSA_NO_MATCH;
    look->what = "";
    look->report = REPORT_TLSA_INVALID; /* RPT-05 */
    for (unsigned i = 0; i < evidence->tlsa_count && look->grade != DANE_MATCH; i++) {
        const struct tlsa_result *result = &evidence->tlsa[i];

        if (result->fate == TLSA_MATCH && evidence->chain_count > 0) {
            look_match(look, evidence, i, names, now_s);
        } else if (result->fate == TLSA_CHAIN_FAILS && look->why == WHY_TLSA_NO_MATCH) {
            look->why = WHY_TLSA_CHAIN;
            look->what = certificate_pkix_text(result->verify);
            look->report = report_of_pkix(result->verify);
        }
    }
    if (look->grade == DANE_MATCH)
        return;
    if (look_is_partial(host, evidence)) {
        look->grade = DANE_UNSEEN;
        look->why = WHY_TLSA_NOT_ALL;
    } else if (evidence->began_ms > host->dns_until_ms) { /* they may be others by now: DANE-42 */
        look->grade = DANE_UNSEEN;
        look->why = WHY_TLSA_RAN_OUT;
        look->what = "";
    } else if (!dates_are_known(evidence, now_s) && look_needs_clock(evidence)) {
        look->grade = DANE_UNSEEN;
        look->why = WHY_CLOCK;
        look->what = "";
    }
}

static void look_at(struct dane_look *look, const struct host_facts *host, unsigned index,
                    const struct reference_names *names, int64_t now_s)
{
    const struct evidence *evidence = host->endpoints[index].evidence;

    *look = (struct dane_look){
        .grade = DANE_UNSEEN, .why = WHY_TLSA_UNSEEN, .what = outcome_name(evidence->outcome)};
    switch (grade_of(evidence)) {
    case GRADE_ENCRYPTED:
    case GRADE_VERIFIED:
        look_at_chain(look, host, evidence, names, now_s);
        return;
    case GRADE_WEAK:
    case GRADE_CLEAR:
        if (evidence->outcome == OUTCOME_STARTTLS_TEMPORARY)
            return;
        look->grade = DANE_NO_TLS;
        look->why = WHY_TLSA_NO_TLS;
        look->report = outcome_report(evidence->outcome);
        return;
    case GRADE_UNSEEN:
        return;
    }
}

static enum cause cause_of_look(const struct dane_look *look, enum outcome outcome)
{
    if (look->grade == DANE_MISMATCH)
        return CAUSE_DANE_FAILS;
    if (look->grade == DANE_NO_TLS)
        return CAUSE_DANE_NO_TLS;
    return look->why == WHY_TLSA_NOT_ALL || look->why == WHY_TLSA_RAN_OUT || look->why == WHY_CLOCK
               ? CAUSE_OURS
               : cause_of_unseen(outcome);
}

/*
 * Half-DANE, but every matching address also has a trusted certificate for the domain itself: then
 * the domain is authenticated without help from the unsigned MX record (TLS-21).
 */
static const struct name *also_verified(const struct route *route, const struct host_facts *host,
                                        const enum dane_grade *grades, int64_t now_s)
{
    struct reference_names names;
    const struct name *found = NULL;

    pkix_names(&names, route, host);
    for (unsigned i = 0; i < host->endpoint_count; i++) {
        const struct name *bears;

        if (grades[i] != DANE_MATCH)
            continue;
        if (endpoint_grade(host->endpoints[i].evidence, &names, now_s, &bears) != GRADE_VERIFIED)
            return NULL;
        found = bears;
    }
    if (found == NULL)
        return NULL;
    return name_equal(found, &route->domain) ? &route->domain : &route->expanded;
}

static void finding_dane_met(struct finding *finding, const struct route *route,
                             const struct host_facts *host, const enum dane_grade *grades,
                             int64_t now_s)
{
    const struct name *verified = route->secure ? NULL : also_verified(route, host, grades, now_s);

    finding->kind = FINDING_DANE;
    finding->cause = route->secure ? CAUSE_DANE : CAUSE_DANE_INSECURE_MX;
    finding->conclusive = true;
    if (verified == NULL)
        return;
    finding->kind = FINDING_VERIFIED;
    finding->level = LEVEL_VERIFIED;
    finding->cause = CAUSE_VERIFIED;
    finding->name = *verified;
}

/* The look that decides: a match, else what could not be seen, else the nearest miss. */
static bool look_decides(const struct dane_look *look, const struct dane_look *so_far)
{
    static const unsigned weight[] = {
        [DANE_UNSEEN] = 3, [DANE_NO_TLS] = 1, [DANE_MISMATCH] = 2, [DANE_MATCH] = 4};

    return weight[look->grade] > weight[so_far->grade];
}

static void finding_dane(struct finding *finding, const struct route *route,
                         const struct host_facts *host, int64_t now_s)
{
    enum dane_grade grades[LIMIT_ADDRESSES];
    struct dane_look decided = {.grade = DANE_UNSEEN};
    struct reference_names names;
    uint8_t at = FINDING_NO_ENDPOINT;

    dane_names(&names, route, host);
    for (uint8_t i = 0; i < host->endpoint_count; i++) {
        struct dane_look look;

        look_at(&look, host, i, &names, now_s);
        grades[i] = look.grade;
        if (at == FINDING_NO_ENDPOINT || look_decides(&look, &decided)) {
            decided = look;
            at = i;
        }
    }
    finding_facts(finding, host);
    finding_decided_by(finding, host, at);
    finding->level = route->secure ? LEVEL_AUTHENTICATED : LEVEL_DANE_INSECURE_MX;
    if (at == FINDING_NO_ENDPOINT) {
        finding->kind = FINDING_DANE_ENFORCED;
        finding_no_address_to_look_at(finding, host);
        return;
    }
    say(finding, host, decided.why, decided.record[0] != '\0' ? decided.record : decided.what);
    if (decided.grade == DANE_MATCH) {
        finding_dane_met(finding, route, host, grades, now_s);
        return;
    }
    if (decided.grade != DANE_UNSEEN && has_more_addresses(host)) { /* one of those may do */
        finding->kind = FINDING_DANE_ENFORCED;
        finding->cause = cause_of_more(host);
        return;
    }
    finding->kind = decided.grade == DANE_UNSEEN ? FINDING_DANE_ENFORCED : FINDING_DANE_FAILS;
    finding->conclusive = decided.grade != DANE_UNSEEN;
    finding->cause = cause_of_look(&decided, finding->outcome);
    finding->report = finding->conclusive ? decided.report : REPORT_NONE;
}

/* --- look-ups that failed, hosts that are none --- */

/* With a wrong clock every signature is bogus: ours, too (FRESH-06). */
static void finding_trouble(struct finding *finding, const struct host_facts *host, int64_t now_s)
{
    bool ours = host->ours || (host->bogus && !clock_is_sane(now_s));

    finding->kind = FINDING_TROUBLE;
    finding->cause = ours                          ? CAUSE_OURS
                     : host->bogus                 ? CAUSE_DNS_BOGUS
                     : host->state == HOST_TROUBLE ? CAUSE_ADDRESS_TROUBLE
                                                   : CAUSE_TLSA_TROUBLE;
    finding->report = host->bogus && !ours ? REPORT_DNSSEC_INVALID : REPORT_NONE; /* RPT-06 */
    snprintf(finding->why, sizeof finding->why, "%s", host->why);
}

void finding_of_host(struct finding *finding, const struct route *route,
                     const struct host_facts *host, int64_t now_s)
{
    *finding = (struct finding){.endpoint = FINDING_NO_ENDPOINT, .outcome = OUTCOME_OURS_CANCELLED};
    if (host == NULL) {
        finding->cause = CAUSE_NOT_LOOKED;
        phrase_fill(finding->why, sizeof finding->why, &whys[WHY_NOT_LOOKED], "", "");
        return;
    }
    CHECK(host->endpoint_count <= LIMIT_ADDRESSES);
    switch (host->state) {
    case HOST_NO_ADDRESS:
    case HOST_UNUSABLE:
        finding->kind = FINDING_EXCLUDED;
        finding->cause = CAUSE_NO_HOST;
        finding->conclusive = true;
        snprintf(finding->why, sizeof finding->why, "%s", host->why);
        return;
    case HOST_TROUBLE:
        finding_trouble(finding, host, now_s);
        return;
    case HOST_RESOLVED:
        break;
    }
    if (host->tlsa_state == TLSA_TROUBLE) /* DANE-15 */
        finding_trouble(finding, host, now_s);
    else if (host_has_usable_tlsa(host))
        finding_dane(finding, route, host, now_s);
    else
        finding_plain(finding, route, host, now_s);
}
