/*
 * pins.c - the keys that stand for all mail hosts of a domain, as of now (struct pins). Pure.
 *
 * There is such a set exactly when every host that may get mail either
 *   - has usable TLSA records, all of them `3 1 1` (DANE-22, DANE-26): then those keys, whatever
 *     was seen there, for they are what the DNS says; or
 *   - has no TLSA records, and was seen to do TLS >= 1.2 at all its addresses, conclusively: then
 *     the keys of the leaves seen;
 * and when nothing is unknown: no host over the limit, none whose absence is not proved (law 2),
 * and not more keys than VERDICT_PINS_MAX. Else there is none: half a set would shut out a host
 * that meets what is asked. Nor is there one where no host has usable TLSA records: what is only
 * seen replaces no text (`encrypt` says as much), and would fill the table.
 *
 * Digest agility (DANE-25) needs no look here: what outclasses a `3 1 1` is a usable `3 1 2`, and
 * with that the set is not of `3 1 1` alone. `3 0 1` is a digest of a certificate, not of a key.
 *
 * A set of keys is never remembered (MEM-03): it is made anew with each verdict and ends with it.
 */
#include "engine/policy/verdict.h"

#include "engine/policy/dane.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof((struct pins *)NULL)->sha256[0] == SHA256_BYTES, "digests are SHA-256");

static bool pins_add(struct pins *pins, const uint8_t *sha256)
{
    for (unsigned i = 0; i < pins->count; i++)
        if (memcmp(pins->sha256[i], sha256, SHA256_BYTES) == 0)
            return true;
    if (pins->count == VERDICT_PINS_MAX)
        return false;
    memcpy(pins->sha256[pins->count++], sha256, SHA256_BYTES);
    return true;
}

/* Records that nobody looked at may be of any form. */
static bool pins_add_tlsa(struct pins *pins, const struct dns_answer *tlsa)
{
    bool any = false;

    if (tlsa->dropped > 0 || tlsa->count > LIMIT_TLSA)
        return false;
    for (unsigned i = 0; i < tlsa->count; i++) {
        const struct dns_tlsa *record = &tlsa->tlsa[i];

        if (!dane_record_usable(record))
            continue;
        if (!dane_record_is_key_digest(record) || !pins_add(pins, record->data))
            return false;
        any = true;
    }
    return any;
}

static bool pins_add_leaves(struct pins *pins, const struct host_facts *host)
{
    if (host->endpoint_count == 0 || host->endpoints_dropped > 0)
        return false;
    for (unsigned i = 0; i < host->endpoint_count; i++) {
        const struct evidence *evidence = host->endpoints[i].evidence;

        if (outcome_says(evidence->outcome) != SAYS_ENCRYPTS || evidence->chain_count == 0 ||
            !pins_add(pins, evidence->chain[0]->spki_sha256))
            return false;
    }
    return true;
}

static bool pins_add_host(struct pins *pins, const struct host_facts *host,
                          const struct finding *finding, bool *dane)
{
    if (host == NULL)
        return false;
    if (finding->kind == FINDING_EXCLUDED)
        return host->secure; /* else nobody signed that no mail goes there */
    if (host->state != HOST_RESOLVED)
        return false;
    switch (host->tlsa_state) {
    case TLSA_PRESENT:
        *dane = true;
        return pins_add_tlsa(pins, host->tlsa);
    case TLSA_ABSENT:
    case TLSA_NOT_LOOKED:
        return finding->conclusive && pins_add_leaves(pins, host);
    case TLSA_TROUBLE:
        break;
    }
    return false;
}

void pins_of_hosts(struct pins *pins, const struct route *route,
                   const struct host_facts *const *hosts, const struct finding *findings)
{
    bool whole = !route->hosts_cut, dane = false;

    memset(pins, 0, sizeof *pins);
    for (unsigned i = 0; i < route->host_count && whole; i++)
        whole = pins_add_host(pins, hosts[i], &findings[i], &dane);
    if (!whole || !dane)
        memset(pins, 0, sizeof *pins);
}
