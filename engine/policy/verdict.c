/*
 * verdict.c - from the findings of the hosts to the verdict of the domain: MX-05..13, MX-17, MX-18,
 * DANE-17, DEC-01..03, FRESH-01, FRESH-02, PIT-13. Pure.
 *
 * Class: the least of what a sender without a demand may meet. A host that fails its own TLSA
 * records meets nobody: it counts for nothing, unless there is no other (failing). A host that was
 * not seen counts as unknown, unless its TLSA records bound what may happen there.
 *
 * Level and enforcement: the strongest policy that some host was seen to meet; a host that does not
 * meet it is left out by it. Two rules bound that choice:
 *   - a host with usable TLSA records is never offered anything less than DANE (DANE-11, DEC-03),
 * so a PKIX policy is not used beside a host that fails or hides;
 *   - with an unsigned MX record nothing is `dane-only`: it would stop all mail (peers know this
 *     one), and no promise rests on the host's name (MX-13).
 * So making a host inconclusive, or denying it without a signature, never raises class (above
 * unknown) or level: tests/verdict_test.c.
 */
#include "engine/policy/verdict.h"

#include "engine/base/check.h"
#include "engine/facts/age.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static_assert(VERDICT_GOOD_MS == AGE_GOOD_MS && VERDICT_BAD_MS == AGE_BAD_MS,
              "a verdict keeps as long as its evidence");

#define VALID_MAX_MS (24ull * 60 * 60 * 1000) /* however long the TTLs are (DNS-11) */

#define NO_HOST LIMIT_MX_HOSTS /* no host decided */

/* --- one host in the whole --- */

/* What the TLSA records of a host ask of everybody who sends there. */
enum need { NEED_NOTHING, NEED_TLS, NEED_DANE, NEED_UNKNOWN };

struct standing {
    bool mail_may_go; /* false: excluded */
    bool seen;        /* somebody who sends there would find what we found */
    bool failing;     /* nobody gets through */
    enum need need;
    enum tls_class class; /* what a sender without a demand meets there, at worst */
    enum level level;     /* seen to be reached */
};

static enum need need_of(const struct host_facts *host)
{
    if (host == NULL || host->state == HOST_TROUBLE)
        return NEED_UNKNOWN;
    switch (host->tlsa_state) {
    case TLSA_NOT_LOOKED:
    case TLSA_ABSENT:
        return NEED_NOTHING;
    case TLSA_TROUBLE:
        return NEED_UNKNOWN;
    case TLSA_PRESENT:
        break;
    }
    return host->usable > 0 ? NEED_DANE : NEED_TLS;
}

/*
 *                     seen   failing  class              level reached
 * With an insecure MX, DANE at the host is worth `encrypted` to the domain (MX-13, PIT-05).
 */
static struct standing standing_of(const struct route *route, const struct host_facts *host,
                                   const struct finding *finding)
{
    static const struct standing by_kind[FINDING_KIND_COUNT] = {
        [FINDING_UNKNOWN] = {true, false, false, 0, CLASS_UNKNOWN, LEVEL_NONE},
        [FINDING_DANE] = {true, true, false, 0, CLASS_DANE, LEVEL_AUTHENTICATED},
        [FINDING_DANE_ENFORCED] = {true, false, false, 0, CLASS_DANE, LEVEL_NONE},
        [FINDING_DANE_FAILS] = {true, true, true, 0, CLASS_FAILING, LEVEL_NONE},
        [FINDING_VERIFIED] = {true, true, false, 0, CLASS_VERIFIED, LEVEL_VERIFIED},
        [FINDING_ENCRYPTED] = {true, true, false, 0, CLASS_ENCRYPTED, LEVEL_ENCRYPT},
        [FINDING_WEAK] = {true, true, false, 0, CLASS_WEAK, LEVEL_OPPORTUNISTIC},
        [FINDING_CLEAR] = {true, true, false, 0, CLASS_NONE, LEVEL_NONE},
        [FINDING_EXCLUDED] = {false, true, false, 0, CLASS_UNKNOWN, LEVEL_NONE},
        [FINDING_TROUBLE] = {true, false, false, 0, CLASS_UNKNOWN, LEVEL_NONE},
    };
    struct standing standing = by_kind[host == NULL ? FINDING_UNKNOWN : finding->kind];

    standing.need = need_of(host);
    if (host == NULL)
        return standing;
    if (standing.class == CLASS_DANE && !route->secure)
        standing.class = CLASS_ENCRYPTED;
    if (standing.level == LEVEL_AUTHENTICATED && !route->secure)
        standing.level = LEVEL_DANE_INSECURE_MX;
    if (finding->kind == FINDING_UNKNOWN && standing.need == NEED_TLS)
        standing.class = CLASS_ENCRYPTED; /* nothing less goes there (DANE-12) */
    return standing;
}

/* --- all hosts --- */

struct census {
    const struct route *route;
    const struct host_facts *const *hosts;
    const struct finding *findings;
    struct standing standing[LIMIT_MX_HOSTS];
    unsigned may_go; /* hosts not excluded */
    unsigned seen_good, seen, unseen, failing, trouble;
    unsigned need[NEED_UNKNOWN + 1];
    unsigned unseen_under_dane; /* of the unseen: TLSA protects them all the same */
    unsigned failing_dane;      /* of the failing: those with usable TLSA records */
    bool unproved;              /* an excluded host, and nothing signed says that it is none */
    bool unsure;                /* a finding that says it is not conclusive */
    enum level best;            /* reached by any host */
    bool dane_seen, verified_seen;
};

static void census_add(struct census *census, unsigned i)
{
    const struct finding *finding = &census->findings[i];
    const struct host_facts *host = census->hosts[i];
    struct standing *standing = &census->standing[i];

    *standing = standing_of(census->route, host, finding);
    if (!standing->mail_may_go) {
        census->unproved |= !host->secure;
        return;
    }
    census->may_go++;
    census->need[standing->need]++;
    census->failing += standing->failing;
    census->failing_dane += standing->failing && standing->need == NEED_DANE;
    census->seen += standing->seen;
    census->seen_good += standing->seen && !standing->failing;
    census->unseen += !standing->seen;
    if (host == NULL)
        return;
    census->trouble += finding->kind == FINDING_TROUBLE;
    census->unseen_under_dane += finding->kind == FINDING_DANE_ENFORCED;
    census->unsure |= standing->seen && !finding->conclusive;
    census->verified_seen |= finding->kind == FINDING_VERIFIED;
    census->dane_seen |= finding->kind == FINDING_DANE;
    if (standing->level > census->best)
        census->best = standing->level;
}

static void census_take(struct census *census, const struct route *route,
                        const struct host_facts *const *hosts, const struct finding *findings)
{
    *census = (struct census){.route = route, .hosts = hosts, .findings = findings};
    for (unsigned i = 0; i < route->host_count; i++)
        census_add(census, i);
}

/*
 * There are hosts that nothing is known of: those over the limit (MX-18), and those whose absence,
 * or whose useless address, nothing signed vouches for. Such an answer may be forged for us alone,
 * and mail go there in clear: it counts like a host that was not seen (law 2).
 */
static bool rest_is_unknown(const struct census *census)
{
    return census->route->hosts_cut || census->unproved;
}

/* Every host that may get mail has usable TLSA records, and there is no host we know nothing of. */
static bool all_need_dane(const struct census *census)
{
    return census->may_go > 0 && census->need[NEED_DANE] == census->may_go &&
           !rest_is_unknown(census);
}

static bool all_need_tls(const struct census *census)
{
    return census->may_go > 0 &&
           census->need[NEED_DANE] + census->need[NEED_TLS] == census->may_go &&
           !rest_is_unknown(census);
}

/* --- class, and the host that decided it --- */

/* Of the hosts that mail may reach. */
static void census_class(const struct census *census, enum tls_class *class)
{
    *class = CLASS_DANE;
    for (unsigned i = 0; i < census->route->host_count; i++) {
        const struct standing *standing = &census->standing[i];

        if (standing->mail_may_go && !standing->failing && standing->class < *class)
            *class = standing->class;
    }
    if (census->seen_good == 0)
        *class = census->may_go > 0 && census->unseen == 0 ? CLASS_FAILING : CLASS_UNKNOWN;
    if (*class > CLASS_UNKNOWN && rest_is_unknown(census))
        *class = CLASS_UNKNOWN;
}

static unsigned first_host(const struct census *census, enum tls_class class, bool seen)
{
    for (unsigned i = 0; i < census->route->host_count; i++) {
        const struct standing *standing = &census->standing[i];

        if (standing->mail_may_go && standing->seen == seen && standing->class == class)
            return i;
    }
    return NO_HOST;
}

static unsigned first_unseen(const struct census *census)
{
    for (unsigned i = 0; i < census->route->host_count; i++)
        if (!census->standing[i].seen)
            return i;
    return NO_HOST;
}

/* One that is not proved to be none, if there is one. */
static unsigned first_excluded(const struct census *census)
{
    for (unsigned i = 0; i < census->route->host_count; i++)
        if (!census->standing[i].mail_may_go && !(census->unproved && census->hosts[i]->secure))
            return i;
    return NO_HOST;
}

/* The host that stands for the class, one that was seen if there is one; NO_HOST: hosts over the
 * limit decided. */
static unsigned census_decides(const struct census *census, enum tls_class class)
{
    unsigned decides = first_host(census, class, true);

    if (decides == NO_HOST)
        decides = first_host(census, class, false);
    if (decides != NO_HOST || class != CLASS_UNKNOWN || census->route->hosts_cut)
        return decides;
    return census->unseen > 0 && !census->unproved ? first_unseen(census) : first_excluded(census);
}

/* --- level and what enforces it --- */

/* A PKIX policy would replace DANE at hosts that have it: only where that lowers nothing. Who may
 * have it, for all we know, counts as one who has: that its look-up failed, or was never made
 * (DANE-15), is no answer (law 2). */
static bool match_is_allowed(const struct census *census)
{
    if (census->need[NEED_UNKNOWN] > 0)
        return false;
    return census->route->secure ? census->need[NEED_DANE] == 0
                                 : census->failing_dane == 0 && census->unseen_under_dane == 0;
}

static void enforce(struct verdict *verdict, enum enforce enforce, enum level level)
{
    verdict->enforce = enforce;
    verdict->level = level;
}

static void verdict_enforce(struct verdict *verdict, const struct census *census)
{
    bool dane = census->need[NEED_DANE] > 0, maybe_dane = dane || census->need[NEED_UNKNOWN] > 0;

    if (census->route->secure && (census->dane_seen || all_need_dane(census)))
        enforce(verdict, ENFORCE_DANE_ONLY, LEVEL_AUTHENTICATED);
    else if (census->verified_seen && verdict->match[0] != '\0')
        enforce(verdict, ENFORCE_SECURE_MATCH, LEVEL_VERIFIED);
    else if (all_need_dane(census))
        enforce(verdict, ENFORCE_DANE_ELSE_ENCRYPT, LEVEL_DANE_INSECURE_MX);
    else if (census->best >= LEVEL_ENCRYPT || all_need_tls(census))
        enforce(verdict, maybe_dane ? ENFORCE_DANE_ELSE_ENCRYPT : ENFORCE_ENCRYPT, LEVEL_ENCRYPT);
    else if (dane || census->need[NEED_TLS] > 0)
        enforce(verdict, ENFORCE_DANE, LEVEL_OPPORTUNISTIC);
    else
        enforce(verdict, ENFORCE_NOTHING, census->best);
}

/* --- names for `secure` (PIT-23, MX-18, TLS-21) --- */

static bool match_add(char match[VERDICT_MATCH_MAX], size_t *used, const struct name *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t colon = *used > 0;

    if (name->length == 0)
        return true;
    if (*used + colon + name->length >= VERDICT_MATCH_MAX ||
        strspn(name->text, allowed) != name->length)
        return false;
    if (colon)
        match[(*used)++] = ':';
    memcpy(match + *used, name->text, name->length + 1u);
    *used += name->length;
    return true;
}

/* A set that does not fit is not claimed. */
static void verdict_match(struct verdict *verdict, const struct census *census)
{
    const struct route *route = census->route;
    size_t used = 0;
    bool fits = match_is_allowed(census) && census->may_go > 0;

    for (unsigned i = 0; i < route->host_count && route->secure && fits; i++)
        if (census->standing[i].mail_may_go && !name_equal(&route->hosts[i].name, &route->domain))
            fits = match_add(verdict->match, &used, &route->hosts[i].name);
    fits = fits && match_add(verdict->match, &used, &route->domain);
    if (fits && route->secure)
        fits = match_add(verdict->match, &used, &route->expanded);
    if (!fits)
        verdict->match[0] = '\0';
}

/* --- how sure --- */

static enum conclusion census_conclusion(const struct census *census, enum tls_class class)
{
    bool unseen_matters =
        census->unseen >
        (census->dane_seen && census->route->secure ? census->unseen_under_dane : 0);

    if (census->may_go == 0)
        return census->route->hosts_cut ? CONCLUSION_INCONCLUSIVE : CONCLUSION_UNDELIVERABLE;
    if (census->trouble == census->may_go)
        return CONCLUSION_TEMPORARY;
    if (unseen_matters || census->unsure || rest_is_unknown(census) || class == CLASS_UNKNOWN)
        return CONCLUSION_INCONCLUSIVE;
    return CONCLUSION_DEFINITE;
}

/* --- flags and counts --- */

static bool tlsa_without_data(const struct host_facts *host)
{
    if (host->tlsa == NULL)
        return false;
    for (unsigned i = 0; i < host->tlsa->count; i++)
        if (host->tlsa->tlsa[i].size == 0)
            return true;
    return false;
}

static void flag_if(struct verdict *verdict, bool condition, uint32_t flag)
{
    if (condition)
        verdict->flags |= flag;
}

static bool is_resumed(const struct host_facts *host)
{
    for (unsigned i = 0; i < host->endpoint_count; i++)
        if (host->endpoints[i].evidence->resumed)
            return true;
    return false;
}

static void verdict_tls_flags(struct verdict *verdict, const struct census *census)
{
    unsigned encrypting = 0, tls13 = 0, requiretls = 0;

    for (unsigned i = 0; i < census->route->host_count; i++) {
        const struct finding *finding = &census->findings[i];

        if (census->hosts[i] == NULL || !census->standing[i].mail_may_go)
            continue;
        flag_if(verdict, tlsa_without_data(census->hosts[i]), VERDICT_POSTFIX_UNSAFE_TLSA);
        flag_if(verdict, is_resumed(census->hosts[i]), VERDICT_RESUMED);
        requiretls += finding->requiretls;
        if (finding->tls_version == 0)
            continue;
        encrypting++;
        tls13 += finding->tls_version >= 0x0304;
        if (verdict->tls_version == 0 || finding->tls_version < verdict->tls_version)
            verdict->tls_version = finding->tls_version;
    }
    flag_if(verdict, encrypting > 0 && tls13 == encrypting, VERDICT_TLS13_ALL);
    flag_if(verdict, tls13 < encrypting, VERDICT_TLS12_ONLY_SOME);
    flag_if(verdict, requiretls > 0, VERDICT_REQUIRETLS_SOME);
    flag_if(verdict, requiretls > 0 && requiretls == census->may_go && !rest_is_unknown(census),
            VERDICT_REQUIRETLS_ALL);
}

static bool hosts_differ(const struct census *census)
{
    const struct standing *first = NULL;

    for (unsigned i = 0; i < census->route->host_count; i++) {
        const struct standing *standing = &census->standing[i];

        if (!standing->mail_may_go)
            continue;
        if (first == NULL)
            first = standing;
        else if (standing->level != first->level || standing->class != first->class)
            return true;
    }
    return false;
}

static void verdict_flags(struct verdict *verdict, const struct census *census)
{
    const struct route *route = census->route;

    flag_if(verdict, route->secure, VERDICT_MX_SECURE);
    flag_if(verdict, route->state == ROUTE_IMPLICIT, VERDICT_IMPLICIT_MX);
    flag_if(verdict, route->hosts_cut, VERDICT_HOSTS_CUT);
    flag_if(verdict, all_need_dane(census), VERDICT_ALL_HOSTS_DANE);
    flag_if(verdict, all_need_tls(census), VERDICT_ALL_HOSTS_TLSA);
    flag_if(verdict, census->need[NEED_DANE] > 0, VERDICT_SOME_HOSTS_DANE);
    flag_if(verdict, census->need[NEED_DANE] + census->need[NEED_TLS] > 0, VERDICT_SOME_HOSTS_TLSA);
    flag_if(verdict, census->failing_dane > 0, VERDICT_SOME_HOSTS_FAIL_DANE);
    flag_if(verdict, census->need[NEED_UNKNOWN] > 0, VERDICT_TLSA_UNKNOWN_SOME);
    flag_if(verdict, hosts_differ(census), VERDICT_MIXED);
    verdict_tls_flags(verdict, census);
}

/* Hosts seen to reach the verdict's level. */
static uint8_t census_good(const struct census *census, enum level level)
{
    uint8_t good = 0;

    for (unsigned i = 0; i < census->route->host_count; i++) {
        const struct standing *standing = &census->standing[i];

        good = (uint8_t)(good + (standing->mail_may_go && standing->seen && !standing->failing &&
                                 standing->level >= level));
    }
    return good;
}

/* --- the host that decided --- */

static void verdict_names_host(struct verdict *verdict, const struct census *census, unsigned which)
{
    const struct host_facts *host = census->hosts[which];
    const struct finding *finding = &census->findings[which];
    const struct evidence *evidence;

    snprintf(verdict->host, sizeof verdict->host, "%s", census->route->hosts[which].name.text);
    if (host == NULL) {
        verdict->cause = CAUSE_NOT_LOOKED;
        return;
    }
    verdict->cause = finding->cause;
    verdict->port = host->port;
    if (finding->endpoint >= host->endpoint_count)
        return;
    evidence = host->endpoints[finding->endpoint].evidence;
    verdict->smtp_code = evidence->smtp_code;
    address_text(&evidence->key.address, verdict->address);
}

/* --- time --- */

static void earlier(uint64_t *moment_ms, uint64_t other_ms)
{
    if (other_ms < *moment_ms)
        *moment_ms = other_ms;
}

static uint64_t host_until_ms(const struct host_facts *host, const struct finding *finding)
{
    if (finding->kind == FINDING_TROUBLE)
        return host->ended_ms + VERDICT_TROUBLE_MS;
    return host->dns_until_ms; /* MX-17 */
}

/* A look takes no longer than a question may. What ran out before that is of no look of now: the
 * machine was suspended amid it. */
void verdict_answers_now(struct verdict *verdict, uint64_t now_ms)
{
    if (verdict->valid_until_ms < now_ms + VERDICT_LEAST_MS &&
        now_ms <= verdict->valid_until_ms + LIMIT_QUESTION_MOST_MS)
        verdict->valid_until_ms = now_ms + VERDICT_LEAST_MS;
}

static void verdict_times(struct verdict *verdict, const struct route *route,
                          const struct host_facts *const *hosts, const struct finding *findings,
                          uint64_t now_ms)
{
    bool failed = route->state == ROUTE_TROUBLE || route->state == ROUTE_BOGUS ||
                  route->state == ROUTE_ALIAS_LOOP;

    verdict->began_ms = now_ms;
    verdict->valid_until_ms = now_ms + (failed ? VERDICT_TROUBLE_MS : VALID_MAX_MS);
    if (!failed && route->until_ms != 0)
        earlier(&verdict->valid_until_ms, route->until_ms);
    for (unsigned i = 0; i < route->host_count; i++) {
        if (hosts[i] == NULL) {
            earlier(&verdict->valid_until_ms, now_ms + VERDICT_TROUBLE_MS);
            continue;
        }
        earlier(&verdict->began_ms, hosts[i]->began_ms);
        earlier(&verdict->valid_until_ms, host_until_ms(hosts[i], &findings[i]));
    }
    verdict_answers_now(verdict, now_ms);
}

/* --- routes without hosts --- */

static const struct {
    enum conclusion conclusion;
    enum cause cause;
} by_route[] = {
    [ROUTE_MX] = {CONCLUSION_INCONCLUSIVE, CAUSE_NOT_LOOKED},
    [ROUTE_IMPLICIT] = {CONCLUSION_INCONCLUSIVE, CAUSE_NOT_LOOKED},
    [ROUTE_HOST] = {CONCLUSION_INCONCLUSIVE, CAUSE_NOT_LOOKED},
    [ROUTE_NULL_MX] = {CONCLUSION_UNDELIVERABLE, CAUSE_NULL_MX},
    [ROUTE_NO_DOMAIN] = {CONCLUSION_UNDELIVERABLE, CAUSE_NO_DOMAIN},
    [ROUTE_TROUBLE] = {CONCLUSION_TEMPORARY, CAUSE_MX_TROUBLE},
    [ROUTE_BOGUS] = {CONCLUSION_TEMPORARY, CAUSE_MX_BOGUS},
    [ROUTE_ALIAS_LOOP] = {CONCLUSION_TEMPORARY, CAUSE_ALIAS_LOOP},
    [ROUTE_UNUSABLE] = {CONCLUSION_UNDELIVERABLE, CAUSE_NO_HOST},
    [ROUTE_LOOP] = {CONCLUSION_UNDELIVERABLE, CAUSE_LOOP},
};

static void verdict_without_hosts(struct verdict *verdict, const struct route *route)
{
    verdict->class = CLASS_UNKNOWN;
    verdict->conclusion = by_route[route->state].conclusion;
    verdict->cause = route->ours ? CAUSE_OURS : by_route[route->state].cause;
    /* An address of our own that nobody signed may be forged, whoever signed the MX record: then
     * the end is no better proved than by an unsigned one (PIT-04). */
    flag_if(verdict, route->secure && !route->hosts_cut, VERDICT_MX_SECURE);
}

static void verdict_from_census(struct verdict *verdict, const struct census *census)
{
    unsigned decides;

    census_class(census, &verdict->class);
    verdict->conclusion = census_conclusion(census, verdict->class);
    verdict->cause = CAUSE_NOT_LOOKED;
    decides = census_decides(census, verdict->class);
    if (decides != NO_HOST)
        verdict_names_host(verdict, census, decides);
    verdict_match(verdict, census);
    verdict_enforce(verdict, census);
    verdict_flags(verdict, census);
    pins_of_hosts(&verdict->pins, census->route, census->hosts, census->findings);
    verdict->hosts_good = census_good(census, verdict->level);
    for (unsigned i = 0; i < census->route->host_count; i++)
        verdict->hosts = (uint8_t)(verdict->hosts + (census->hosts[i] != NULL));
}

void verdict_of_domain(struct verdict *verdict, const struct route *route,
                       const struct host_facts *const *hosts, const struct finding *findings,
                       uint64_t now_ms)
{
    struct census census;

    CHECK(route->host_count <= LIMIT_MX_HOSTS);
    memset(verdict, 0, sizeof *verdict); /* also what lies between the fields */
    verdict_times(verdict, route, hosts, findings, now_ms);
    if (route->host_count == 0) {
        verdict_without_hosts(verdict, route);
        return;
    }
    census_take(&census, route, hosts, findings);
    verdict_from_census(verdict, &census);
}
