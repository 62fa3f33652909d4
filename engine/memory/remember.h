/*
 * remember.h - what a round of looking teaches the memory. Pure; any thread.
 *
 *   route + facts + findings + verdict ─► an observation of the domain, and one of each mail host
 *
 * The rules of what counts stand here (MEM-01, MEM-04, MEM-06, MEM-09), those of what becomes of it
 * in ledger.h. Nothing is taught by what is inconclusive, stale or our own doing, nor by a clock
 * that cannot be right (law 2, law 3, FRESH-06).
 *
 * What deliveries have renewed since a look of ours is no further look: TLS is not seen again by
 * it; what else rests on such evidence is as old as the look was. A delivery teaches by itself
 * (remember_delivery).
 *
 * What is seen needs definite evidence: for the domain a definite verdict, for a host a conclusive
 * finding. One thing is conclusive by itself: a host that meets its TLSA records behind a signed MX
 * record authenticates the domain whatever was not seen beside it, because under that demand the
 * mail goes to no other (PIT-13).
 *
 * What is stated needs no look at all, only signed answers about every host there may be: an
 * attacker who hides one host's records must not have the others speak for it. What lowers is
 * stated only as long as those answers hold.
 */
#ifndef MXWARD_MEMORY_REMEMBER_H
#define MXWARD_MEMORY_REMEMBER_H

#include "engine/memory/ledger.h"
#include "engine/policy/delivery.h"
#include "engine/policy/verdict.h"

#define REMEMBERED_PORT 25 /* names are remembered for this port; others teach nothing */

struct remembered {
    int64_t at_s; /* when somebody asked, for ledger_use, whatever was seen; 0: names of another
                     port, or a clock that cannot be right */
    struct observation domain;
    bool hosts_unknown; /* the MX look-up failed, or an answer that nobody signed, or that ran out,
                           says that there are none: what hosts demanded before, they still do
                           (law 2) */
    uint8_t host_count;
    struct {
        struct name name;
        struct observation observation;
        enum host_now now;   /* for ledger_hosts_level */
    } hosts[LIMIT_MX_HOSTS]; /* as in the route */
};

/* `hosts` and `findings` as for verdict_of_domain, which made `verdict`; `now_ms` by the boot
 * clock, `now_s` by the wall clock. A configured [host] has no domain: it teaches its host's entry
 * alone. */
void remember_round(struct remembered *remembered, const struct route *route,
                    const struct host_facts *const *hosts, const struct finding *findings,
                    const struct verdict *verdict, uint64_t now_ms, int64_t now_s);

/* Of all that it teaches but the times, and of what is remembered (`floors`: the domain's, then its
 * hosts'): while it stays the same, the same look teaches nothing new. */
uint64_t remembered_digest(const struct remembered *remembered, const struct floor *floors);

/* What the last look at a domain left, for deliveries to it. */
struct remembered_look {
    const struct route *route;
    const struct finding *findings; /* as in the route */
    const struct verdict *verdict;
};

/*
 * What a delivery teaches: a sighting of TLS, of the same weight and spacing as that of a look, and
 * nothing else (observation.delivered).
 *
 * The host: that it does TLS, if `host_seen`: a look of our own, of the last hour, says that this
 * address of it does, and none of any address that it does not (then a look would not teach it
 * either).
 * For anybody may write to a log who reaches it, and what is remembered holds mail: so a report
 * alone teaches nothing, and a look has the word. The domain: only if the last look
 * at it is still valid and saw that all its mail goes to this host alone, and by TLS, because then
 * what holds of the host holds of the domain. That the MTA verified the certificate is not enough:
 * a log does not say which next hop it was verified for. `look` NULL: nothing is known of it.
 */
void remember_delivery(struct remembered *remembered, const struct delivery *delivery,
                       bool host_seen, const struct remembered_look *look, uint64_t now_ms,
                       int64_t now_s);

#endif
