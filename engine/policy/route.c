/*
 * route.c - from an MX answer to the list of hosts (MX-01..09, MX-18).
 *
 * An error is never absence (MX-11), bogus is never insecure (MX-12), and a domain with any MX
 * record never falls back to itself (MX-07). A host listed twice is kept at its best preference.
 * Equal preferences stand in canonical order here: whoever delivers draws the lot (MX-02), and a
 * verdict must not depend on it.
 */
#include "engine/policy/verdict.h"

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

/* No MX record: the domain itself is the host (MX-05, DANE-04). */
static void route_implicit(struct route *route)
{
    route->state = ROUTE_IMPLICIT;
    route->host_count = 1;
    route->hosts[0].name = route->domain;
}

/* --- MX records --- */

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

static void route_hosts(struct route *route, const struct dns_answer *answer)
{
    const struct dns_mx *mx = NULL;

    while ((mx = mx_next(answer, mx)) != NULL) {
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

static void route_from_records(struct route *route, const struct dns_answer *answer)
{
    unsigned roots = 0, unusable = 0;

    for (unsigned i = 0; i < answer->count; i++) {
        roots += mx_is_root(&answer->mx[i]);
        unusable += !mx_is_root(&answer->mx[i]) && !answer->mx[i].usable;
    }
    route->state = ROUTE_MX;
    route->hosts_cut = answer->dropped > 0;
    route->hosts_unusable = unusable > 0;
    route_hosts(route, answer);
    if (route->host_count > 0) /* a `.` beside others is the publisher's error: ignored (MX-09) */
        return;
    if (roots > 0 && unusable == 0 && !route->hosts_cut) {
        route->state = ROUTE_NULL_MX; /* MX-08; any preference (MX-09) */
        return;
    }
    route->state = route->hosts_cut ? ROUTE_TROUBLE : ROUTE_UNUSABLE;
    route->ours = route->hosts_cut; /* what we did not read may well be a host */
    snprintf(route->why, sizeof route->why, "no MX record of %s names a host", route->domain.text);
}

void route_from_mx(struct route *route, const struct name *domain, const struct dns_answer *answer)
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
        route_implicit(route);
        break;
    case DNS_SECURE_DATA:
    case DNS_INSECURE_DATA:
        route_from_records(route, answer);
        break;
    }
}
