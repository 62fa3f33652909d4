/*
 * route.c - from an MX answer to the list of hosts (MX-01..09, MX-15, MX-18).
 *
 * An error is never absence (MX-11), bogus is never insecure (MX-12), and a domain with any MX
 * record never falls back to itself (MX-07). A host listed twice is kept at its best preference.
 * Equal preferences stand in canonical order here: whoever delivers draws the lot (MX-02), and a
 * verdict must not depend on it.
 *
 * A host of our own takes itself and all that are not better out of the list (MX-15): mail that
 * comes to it is meant to go to the better ones, or it goes round in circles. A [host] is taken as
 * it is, because the administrator named it. An address that nobody signed may be forged to be
 * ours, for us alone, so what it takes away counts as not looked at; name such a host by its name.
 */
#include "engine/policy/verdict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void route_failed(struct route *route, const struct dns_answer *answer)
{
    route->state = answer->kind == DNS_BOGUS                ? ROUTE_BOGUS
                   : answer->trouble == DNS_TROUBLE_ALIASES ? ROUTE_ALIAS_LOOP
                                                            : ROUTE_TROUBLE;
    route->ours = answer->trouble == DNS_TROUBLE_OURS;
    route->secure = false;
    snprintf(route->why, sizeof route->why, "MX %s: %s", route->domain.text,
             answer->why[0] != '\0' ? answer->why : dns_kind_name(answer->kind));
}

/* --- our own hosts (MX-15) --- */

int own_add(struct own *own, const char *text)
{
    size_t length = strlen(text);

    if (own->name_count + own->address_count >= LIMIT_OWN)
        return -EINVAL;
    if (address_parse(&own->addresses[own->address_count], text, length)) {
        own->address_count++;
        return 0;
    }
    enum name_status status = name_parse(&own->names[own->name_count], text, length);
    if (status != NAME_OK)
        return status == NAME_NO_MEMORY ? -ENOMEM : -EINVAL;
    own->name_count++;
    return 0;
}

int own_read(struct own *own, const struct option_list *list, char *why, size_t why_size)
{
    own->name_count = own->address_count = 0;
    for (size_t i = 0; i < list->count; i++) {
        int error = own_add(own, list->texts[i]);

        if (error == -ENOMEM)
            snprintf(why, why_size, "daemon.own: no memory for the list");
        else if (error != 0)
            snprintf(why, why_size,
                     "daemon.own: \"%s\" is neither a host name nor an address, or one too many",
                     list->texts[i]);
        if (error != 0)
            return error;
    }
    return 0;
}

static bool own_has_name(const struct own *own, const struct name *name)
{
    for (unsigned i = 0; own != NULL && i < own->name_count; i++)
        if (name_equal(&own->names[i], name))
            return true;
    return false;
}

static bool own_has_host(const struct own *own, const struct host_facts *host)
{
    for (unsigned i = 0; host != NULL && i < host->endpoint_count; i++)
        for (unsigned k = 0; k < own->address_count; k++)
            if (address_equal(&own->addresses[k], &host->endpoints[i].evidence->key.address))
                return true;
    return false;
}

static void route_loops(struct route *route)
{
    route->state = ROUTE_LOOP;
    route->host_count = 0;
    snprintf(route->why, sizeof route->why, "mail for %s would come back to this cluster",
             route->domain.text);
}

/* The answer holds only as long as the addresses that say so. */
static void route_rests_on(struct route *route, const struct host_facts *host)
{
    route->hosts_cut |= !host->secure;
    if (host->dns_until_ms < route->until_ms)
        route->until_ms = host->dns_until_ms;
}

void route_without_loops(struct route *route, const struct host_facts *const *hosts,
                         const struct own *own)
{
    unsigned first = 0, better = 0;

    if (route->state != ROUTE_MX && route->state != ROUTE_IMPLICIT)
        return;
    while (first < route->host_count && !own_has_host(own, hosts[first]))
        first++;
    if (first == route->host_count)
        return;
    while (route->hosts[better].preference < route->hosts[first].preference)
        better++;
    route_rests_on(route, hosts[first]);
    route->host_count = (uint8_t)better;
    if (better == 0)
        route_loops(route);
}

/* No MX record: the domain itself is the host (MX-05, DANE-04). */
static void route_implicit(struct route *route, const struct own *own)
{
    if (own_has_name(own, &route->domain)) {
        route_loops(route);
        return;
    }
    route->state = ROUTE_IMPLICIT;
    route->host_count = 1;
    route->hosts[0].name = route->domain;
}

/* --- MX records --- */

#define NO_PREFERENCE (UINT16_MAX + 1u)

static bool mx_is_root(const struct dns_mx *mx)
{
    return mx->exchange.length == 0;
}

static int mx_compare(const struct dns_mx *a, const struct dns_mx *b)
{
    if (a->preference != b->preference)
        return a->preference < b->preference ? -1 : 1;
    return strcmp(a->exchange.text, b->exchange.text);
}

static bool route_has_host(const struct route *route, const struct name *name)
{
    for (unsigned i = 0; i < route->host_count; i++)
        if (name_equal(&route->hosts[i].name, name))
            return true;
    return false;
}

/* The next record of the order, after `after` (NULL: the first); NULL: no more. */
static const struct dns_mx *mx_next(const struct dns_answer *answer, const struct dns_mx *after)
{
    const struct dns_mx *next = NULL;

    for (unsigned i = 0; i < answer->count; i++) {
        const struct dns_mx *mx = &answer->mx[i];

        if (!mx->usable || (after != NULL && mx_compare(mx, after) <= 0))
            continue;
        if (next == NULL || mx_compare(mx, next) < 0)
            next = mx;
    }
    return next;
}

/* The best preference of our own; NO_PREFERENCE: none. */
static uint32_t mx_own(const struct dns_answer *answer, const struct own *own)
{
    uint32_t best = NO_PREFERENCE;

    for (unsigned i = 0; i < answer->count; i++)
        if (answer->mx[i].usable && answer->mx[i].preference < best &&
            own_has_name(own, &answer->mx[i].exchange))
            best = answer->mx[i].preference;
    return best;
}

static void route_hosts(struct route *route, const struct dns_answer *answer, uint32_t own)
{
    const struct dns_mx *mx = NULL;

    while ((mx = mx_next(answer, mx)) != NULL && mx->preference < own) {
        if (route_has_host(route, &mx->exchange))
            continue;
        if (route->host_count == LIMIT_MX_HOSTS) {
            route->hosts_cut = true; /* MX-18 */
            return;
        }
        route->hosts[route->host_count].preference = mx->preference;
        route->hosts[route->host_count++].name = mx->exchange;
    }
}

static void route_from_records(struct route *route, const struct dns_answer *answer,
                               const struct own *own)
{
    unsigned roots = 0, unusable = 0;
    uint32_t own_preference = mx_own(answer, own);

    for (unsigned i = 0; i < answer->count; i++) {
        roots += mx_is_root(&answer->mx[i]);
        unusable += !mx_is_root(&answer->mx[i]) && !answer->mx[i].usable;
    }
    route->state = ROUTE_MX;
    route->hosts_cut = answer->dropped > 0;
    route->hosts_unusable = unusable > 0;
    route_hosts(route, answer, own_preference);
    if (route->host_count > 0) /* a `.` beside others is the publisher's error: ignored (MX-09) */
        return;
    if (own_preference != NO_PREFERENCE && !route->hosts_cut) {
        route_loops(route);
        return;
    }
    if (roots > 0 && unusable == 0 && !route->hosts_cut) {
        route->state = ROUTE_NULL_MX; /* MX-08; any preference (MX-09) */
        return;
    }
    route->state = route->hosts_cut ? ROUTE_TROUBLE : ROUTE_UNUSABLE;
    route->ours = route->hosts_cut; /* what we did not read may well be a host */
    snprintf(route->why, sizeof route->why, "no MX record of %s names a host", route->domain.text);
}

void route_from_mx(struct route *route, const struct name *domain, const struct dns_answer *answer,
                   const struct own *own)
{
    *route = (struct route){.domain = *domain,
                            .ttl_s = answer->ttl_s,
                            .until_ms = answer->at_ms + (uint64_t)answer->ttl_s * 1000,
                            .secure = dns_is_secure(answer->kind)};
    if (route->secure && answer->aliases > 0 && !name_equal(&answer->canonical, domain))
        route->expanded = answer->canonical;
    switch (answer->kind) {
    case DNS_ERROR:
    case DNS_BOGUS:
        route_failed(route, answer);
        break;
    case DNS_SECURE_NXDOMAIN:
    case DNS_INSECURE_NXDOMAIN:
        route->state = ROUTE_NO_DOMAIN;
        break;
    case DNS_SECURE_NODATA:
    case DNS_INSECURE_NODATA:
        route_implicit(route, own);
        break;
    case DNS_SECURE_DATA:
    case DNS_INSECURE_DATA:
        route_from_records(route, answer, own);
        break;
    }
}
