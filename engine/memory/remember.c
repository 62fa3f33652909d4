/*
 * remember.c - what a round of looking teaches the memory (see remember.h). Pure.
 */
#include "engine/memory/remember.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct round {
    const struct route *route;
    const struct host_facts *const *hosts;
    const struct finding *findings;
    const struct verdict *verdict;
    uint64_t now_ms;
    int64_t now_s;
};

/* The end of a TTL. A verdict answers the question it was made for whatever that is; memory is not
 * lowered by an absence that nobody vouches for any more (DNS-11), but for a TTL of 0, which is
 * good for what is made of it at once. */
static bool is_over(const struct round *round, uint64_t until_ms)
{
    return until_ms < round->now_ms && round->now_ms - until_ms >= VERDICT_LEAST_MS;
}

static bool route_is_over(const struct round *round)
{
    return round->route->until_ms != 0 && is_over(round, round->route->until_ms);
}

/* --- what was seen at one host --- */

/* TLS by a failing policy proves nothing (MEM-09), its absence does. */
static enum observed host_sees(const struct finding *finding)
{
    if (!finding->conclusive)
        return OBSERVED_NOTHING;
    switch (finding->kind) {
    case FINDING_DANE:
    case FINDING_VERIFIED:
    case FINDING_ENCRYPTED:
        return OBSERVED_HANDSHAKES;
    case FINDING_WEAK:
    case FINDING_CLEAR:
        return OBSERVED_BELOW;
    case FINDING_DANE_FAILS:
        return finding->cause == CAUSE_DANE_NO_TLS ? OBSERVED_BELOW : OBSERVED_NOTHING;
    case FINDING_UNKNOWN:
    case FINDING_DANE_ENFORCED:
    case FINDING_EXCLUDED:
    case FINDING_TROUBLE:
    case FINDING_KIND_COUNT:
        break;
    }
    return OBSERVED_NOTHING;
}

/* What it does was seen by deliveries since, and not by us. */
static bool host_is_renewed(const struct host_facts *host)
{
    for (unsigned i = 0; i < host->endpoint_count; i++)
        if (host->endpoints[i].evidence->looked_ms != 0)
            return true;
    return false;
}

/* By signed answers; any other may be forged for us alone (law 2). */
static bool host_is_none(const struct host_facts *host)
{
    return host->secure && (host->state == HOST_NO_ADDRESS || host->state == HOST_UNUSABLE);
}

static enum host_now host_is_now(const struct round *round, const struct host_facts *host,
                                 enum observed seen)
{
    if (host != NULL && host_is_none(host) && !is_over(round, host->dns_until_ms))
        return HOST_NONE;
    if (seen == OBSERVED_HANDSHAKES)
        return HOST_MEETS;
    return seen == OBSERVED_BELOW ? HOST_BELOW : HOST_UNSEEN;
}

/* Of what was seen; what was not, or not by us, has nothing to say about time either. */
static int64_t oldest_evidence_s(const struct host_facts *host, int64_t oldest_s)
{
    for (unsigned i = 0; i < host->endpoint_count; i++) {
        const struct evidence *evidence = host->endpoints[i].evidence;
        const enum outcome_says says = outcome_says(evidence->outcome);

        if (says != SAYS_INCONCLUSIVE && says != SAYS_OURS &&
            evidence_looked_wall_s(evidence) < oldest_s)
            oldest_s = evidence_looked_wall_s(evidence);
    }
    return oldest_s;
}

static void host_observation(struct observation *observation, const struct round *round, unsigned i)
{
    *observation = (struct observation){.at_s = round->now_s, .evidence_s = round->now_s};
    if (round->hosts[i] == NULL)
        return;
    observation->seen = host_sees(&round->findings[i]);
    if (observation->seen == OBSERVED_HANDSHAKES && host_is_renewed(round->hosts[i]))
        observation->seen = OBSERVED_NOTHING;
    if (observation->seen == OBSERVED_NOTHING)
        return;
    if (observation->seen == OBSERVED_HANDSHAKES)
        observation->reached = LEVEL_ENCRYPT; /* all that a host's entry can ask for */
    observation->cause = round->findings[i].cause;
    observation->evidence_s = oldest_evidence_s(round->hosts[i], round->now_s);
}

/* --- what was seen of the domain --- */

struct tally {
    unsigned may_get_mail, handshakes, below;
    bool renewed;     /* some of the handshakes */
    bool dane;        /* met by a host behind a signed MX */
    bool dane_looked; /* … as a look of ours was the last to see */
};

static struct tally tally_hosts(const struct round *round)
{
    struct tally tally = {0};

    for (unsigned i = 0; i < round->route->host_count; i++) {
        const struct finding *finding = &round->findings[i];
        enum observed seen;
        bool renewed, dane;

        if (round->hosts[i] == NULL) {
            tally.may_get_mail++;
            continue;
        }
        if (finding->kind == FINDING_EXCLUDED)
            continue;
        seen = host_sees(finding);
        renewed = host_is_renewed(round->hosts[i]);
        dane = round->route->secure && finding->kind == FINDING_DANE;
        tally.may_get_mail++;
        tally.handshakes += seen == OBSERVED_HANDSHAKES;
        tally.below += seen == OBSERVED_BELOW;
        tally.renewed |= seen == OBSERVED_HANDSHAKES && renewed;
        tally.dane |= dane;
        tally.dane_looked |= dane && !renewed;
    }
    return tally;
}

static enum observed domain_sees(const struct round *round, const struct tally *tally)
{
    const struct verdict *verdict = round->verdict;

    if (tally->dane)
        return OBSERVED_DANE;
    if (verdict->conclusion != CONCLUSION_DEFINITE)
        return OBSERVED_NOTHING;
    if (tally->handshakes == tally->may_get_mail)
        return tally->renewed ? OBSERVED_NOTHING : OBSERVED_HANDSHAKES;
    if (tally->below == tally->may_get_mail)
        return OBSERVED_BELOW;
    if (verdict->class == CLASS_FAILING)
        return OBSERVED_NOTHING; /* somebody does TLS, and nobody meets what was published */
    return verdict->level >= LEVEL_ENCRYPT ? OBSERVED_PARTLY : OBSERVED_BELOW;
}

/* --- what the owner states --- */

/* What a host says about DANE, if anything. */
enum host_says {
    HOST_SAYS_DENIED,
    HOST_SAYS_INSECURE,
    HOST_SAYS_TLSA,
    HOST_SAYS_NOTHING, /* it could have TLSA records: nobody else can speak for it */
    HOST_SAYS_NONE,    /* proved to be no host */
    HOST_SAYS_COUNT
};

static enum host_says host_says(const struct host_facts *host)
{
    if (host == NULL || host->state == HOST_TROUBLE)
        return HOST_SAYS_NOTHING;
    if (host_is_none(host))
        return HOST_SAYS_NONE;
    if (host->state != HOST_RESOLVED) /* a denial without signature: from an unsigned zone */
        return HOST_SAYS_INSECURE;
    switch (host->tlsa_state) {
    case TLSA_TROUBLE:
        return HOST_SAYS_NOTHING;
    case TLSA_PRESENT:
        return HOST_SAYS_TLSA;
    case TLSA_NOT_LOOKED: /* signed addresses, and still not: there was no name to ask for */
        return host->secure ? HOST_SAYS_NOTHING : HOST_SAYS_INSECURE;
    case TLSA_ABSENT:
        break;
    }
    return host->secure && host->tlsa_denied ? HOST_SAYS_DENIED : HOST_SAYS_INSECURE;
}

static enum statement domain_states(const struct round *round)
{
    const struct route *route = round->route;
    bool said[HOST_SAYS_COUNT] = {false};

    if (route->host_count == 0) /* no mail goes anywhere, or the MX look-up failed or was bogus */
        return STATED_NOTHING;
    if (!route->secure)
        return STATED_INSECURE;
    for (unsigned i = 0; i < route->host_count; i++)
        said[host_says(round->hosts[i])] = true;
    if (said[HOST_SAYS_TLSA])
        return STATED_TLSA;
    if (said[HOST_SAYS_NOTHING] || route->hosts_cut)
        return STATED_NOTHING;
    if (said[HOST_SAYS_INSECURE])
        return STATED_INSECURE;
    return said[HOST_SAYS_DENIED] ? STATED_TLSA_DENIED : STATED_NOTHING;
}

/* As long as all that it rests on holds. */
static enum statement domain_states_now(const struct round *round)
{
    const enum statement statement = domain_states(round);

    if (statement != STATED_INSECURE && statement != STATED_TLSA_DENIED) /* what lowers */
        return statement;
    if (route_is_over(round))
        return STATED_NOTHING;
    for (unsigned i = 0; round->route->secure && i < round->route->host_count; i++)
        if (is_over(round, round->hosts[i]->dns_until_ms))
            return STATED_NOTHING;
    return statement;
}

static void domain_observation(struct observation *observation, const struct round *round)
{
    const struct tally tally = tally_hosts(round);

    *observation = (struct observation){.at_s = round->now_s, .evidence_s = round->now_s};
    if (round->route->state != ROUTE_MX && round->route->state != ROUTE_IMPLICIT)
        return;
    observation->said = domain_states_now(round);
    observation->seen = domain_sees(round, &tally);
    observation->delivered = tally.dane && !tally.dane_looked;
    if (observation->seen == OBSERVED_NOTHING)
        return;
    if (round->verdict->class != CLASS_FAILING) /* else nobody reaches the level asked for */
        observation->reached = round->verdict->level;
    observation->cause = round->verdict->cause;
    for (unsigned i = 0; i < round->route->host_count; i++)
        if (round->hosts[i] != NULL)
            observation->evidence_s = oldest_evidence_s(round->hosts[i], observation->evidence_s);
}

/* --- the round --- */

static bool is_of_another_port(const struct round *round)
{
    for (unsigned i = 0; i < round->route->host_count; i++)
        if (round->hosts[i] != NULL && round->hosts[i]->port != REMEMBERED_PORT)
            return true;
    return false;
}

/* Also by what deliveries renewed: they met it. */
static enum observed host_now_sees(const struct round *round, unsigned i)
{
    return round->hosts[i] == NULL ? OBSERVED_NOTHING : host_sees(&round->findings[i]);
}

static void hosts_observe(struct remembered *remembered, const struct round *round)
{
    for (unsigned i = 0; i < remembered->host_count; i++) {
        host_observation(&remembered->hosts[i].observation, round, i);
        remembered->hosts[i].now = host_is_now(round, round->hosts[i], host_now_sees(round, i));
    }
}

void remember_round(struct remembered *remembered, const struct route *route,
                    const struct host_facts *const *hosts, const struct finding *findings,
                    const struct verdict *verdict, uint64_t now_ms, int64_t now_s)
{
    const struct round round = {route, hosts, findings, verdict, now_ms, now_s};

    CHECK(route->host_count <= LIMIT_MX_HOSTS);
    memset(remembered, 0, sizeof *remembered);
    remembered->hosts_unknown =
        route->host_count == 0 && (!route->secure || route->hosts_cut || route_is_over(&round));
    if (is_of_another_port(&round))
        return;
    remembered->host_count = route->host_count;
    for (unsigned i = 0; i < route->host_count; i++)
        remembered->hosts[i].name = route->hosts[i].name;
    if (!clock_is_sane(now_s))
        return;
    remembered->at_s = now_s;
    if (now_ms >= verdict->valid_until_ms)
        return;
    domain_observation(&remembered->domain, &round);
    hosts_observe(remembered, &round);
}

/* --- what was taught a moment ago --- */

static uint64_t observation_bits(const struct observation *observation)
{
    return (uint64_t)observation->seen | (uint64_t)observation->said << 8 |
           (uint64_t)observation->delivered << 16 | (uint64_t)observation->reached << 24 |
           (uint64_t)observation->cause << 32;
}

/* When it was last confirmed is no difference. */
static uint64_t floor_bits(const struct floor *floor)
{
    return (uint64_t)floor->level | (uint64_t)floor->hosts_level << 8 |
           (uint64_t)floor->proof << 16 | (uint64_t)floor->flags << 24 |
           (uint64_t)floor->rule << 32 | (uint64_t)floor->rule_level << 40;
}

uint64_t remembered_digest(const struct remembered *remembered, const struct floor *floors)
{
    uint64_t words[5 + 4 * LIMIT_MX_HOSTS];
    unsigned count = 0;

    words[count++] = (uint64_t)remembered->hosts_unknown | (uint64_t)remembered->host_count << 8 |
                     (uint64_t)(remembered->at_s != 0) << 16;
    words[count++] = observation_bits(&remembered->domain);
    words[count++] = floor_bits(&floors[0]);
    words[count++] = (uint64_t)floors[0].rule_until_s << 32 | floors[0].contradicted_at_s;
    for (unsigned i = 0; i < remembered->host_count; i++) {
        words[count++] = name_hash(&remembered->hosts[i].name);
        words[count++] = observation_bits(&remembered->hosts[i].observation) |
                         (uint64_t)remembered->hosts[i].now << 56;
        words[count++] = floor_bits(&floors[1 + i]);
        words[count++] = floors[1 + i].contradicted_at_s;
    }
    return XXH3_64bits(words, count * sizeof *words);
}

/* --- a delivery --- */

static bool domain_is_this_host(const struct remembered_look *look, const struct name *host,
                                uint64_t now_ms)
{
    const struct route *route = look->route;

    return (route->state == ROUTE_MX || route->state == ROUTE_IMPLICIT) && route->host_count == 1 &&
           !route->hosts_cut && name_equal(&route->hosts[0].name, host) &&
           now_ms < look->verdict->valid_until_ms &&
           look->verdict->conclusion == CONCLUSION_DEFINITE &&
           host_sees(&look->findings[0]) == OBSERVED_HANDSHAKES;
}

void remember_delivery(struct remembered *remembered, const struct delivery *delivery,
                       bool host_seen, const struct remembered_look *look, uint64_t now_ms,
                       int64_t now_s)
{
    const struct observation sighting = {.seen = OBSERVED_HANDSHAKES,
                                         .reached = LEVEL_ENCRYPT,
                                         .delivered = true,
                                         .at_s = now_s,
                                         .evidence_s = delivery->at_s};

    memset(remembered, 0, sizeof *remembered);
    if (delivery_fault(delivery, now_s) != DELIVERY_GOOD || delivery->host.length == 0)
        return;
    remembered->at_s = now_s;
    if (!host_seen)
        return;
    remembered->host_count = 1;
    remembered->hosts[0].name = delivery->host;
    remembered->hosts[0].observation = sighting;
    remembered->hosts[0].now = HOST_MEETS;
    if (look != NULL && domain_is_this_host(look, &delivery->host, now_ms))
        remembered->domain = sighting;
}
