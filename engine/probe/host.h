/*
 * host.h - the host script: addresses, TLSA, fan out to endpoints, gather; a table of named steps.
 *
 * Host jobs belong to one shard, found or created by (name, port). DANE-01..10, DANE-14..16,
 * DNS-04/05 and MX-03/04/14 stand in host.c and nowhere else. A job joins: requests with the same
 * or an older not_before share a round; at most two rounds of a host overlap, later requests gather
 * for the next. Facts of an ended round serve later requests as long as their DNS part is within
 * its TTL and their probes began at or after not_before.
 */
#ifndef MXWARD_PROBE_HOST_H
#define MXWARD_PROBE_HOST_H

#include "engine/base/counter.h"
#include "engine/dns/resolver.h"
#include "engine/probe/owner.h"
#include "engine/probe/request.h"

struct host_settings {
    bool ipv4, ipv6, allow_reserved;
    uint64_t dns_ms;              /* budget of one look-up */
    struct kept_answers *answers; /* this thread's; lives as long as the jobs. NULL: none is kept */
};

struct hosts; /* all host jobs of a shard */

/* Operations 16..23 of the shard's tokens (timers and questions) belong to hosts. */
#define HOSTS_OPERATION_FIRST 16
#define HOSTS_OPERATION_LAST  23

struct hosts_counts {
    counter rounds, joined, served_from_facts, no_room, dns_trouble;
};

int hosts_create(struct hosts **hosts, struct mailbox *mailbox, const struct owners *owners,
                 const struct host_settings *settings, uint32_t jobs_max, uint32_t rounds_max);
void hosts_destroy(struct hosts *hosts);
/* From now on every request is answered at once, as ours, and rounds end after their present step.
 */
void hosts_stop(struct hosts *hosts);
void hosts_reload(struct hosts *hosts, const struct host_settings *settings);
/* A MESSAGE_HOST_ASK arrived: it is answered (maybe at once) with MESSAGE_HOST_DONE to
 * message.from. */
void hosts_ask(struct hosts *hosts, struct host_request *request);
void hosts_dns(struct hosts *hosts, struct dns_question *question); /* MESSAGE_DNS_HOST is back */
void hosts_endpoint(struct hosts *hosts, struct endpoint_request *done); /* MESSAGE_ENDPOINT_DONE */
/* MESSAGE_DELIVERY_HOST, and _SEEN: goes on to the endpoint, if one is known, and to the domain. */
void hosts_delivery(struct hosts *hosts, struct delivery_report *report);
void hosts_delivery_seen(struct hosts *hosts, struct delivery_report *report);
uint32_t hosts_forget(struct hosts *hosts, uint32_t most); /* as endpoints_forget */
uint32_t hosts_running(const struct hosts *hosts);
const struct hosts_counts *hosts_counts(const struct hosts *hosts);

#endif
