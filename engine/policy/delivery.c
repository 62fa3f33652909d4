/*
 * delivery.c - what a delivery that the MTA reports proves (see delivery.h). Pure.
 */
#include "engine/policy/delivery.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/facts/age.h"

#include <string.h>

#define TLS_1_2 0x0303

enum delivery_fault delivery_fault(const struct delivery *delivery, int64_t now_s)
{
    if (!clock_is_sane(now_s))
        return DELIVERY_CLOCK;
    if (delivery->port != DELIVERY_PORT)
        return DELIVERY_OTHER_PORT;
    if (delivery->trust == DELIVERY_CLEAR || delivery->tls_version < TLS_1_2)
        return DELIVERY_NO_TLS;
    if (delivery->at_s > now_s)
        return DELIVERY_FUTURE;
    return now_s - delivery->at_s > DELIVERY_AGE_S ? DELIVERY_OLD : DELIVERY_GOOD;
}

const char *delivery_fault_text(enum delivery_fault fault)
{
    static const char *const texts[DELIVERY_FAULT_COUNT] = {
        [DELIVERY_GOOD] = "it counts",
        [DELIVERY_NO_TLS] = "it did not use TLS 1.2 or later: that proves nothing",
        [DELIVERY_OTHER_PORT] = "it did not go to port 25: that says nothing about a mail host",
        [DELIVERY_OLD] = "it is more than an hour old",
        [DELIVERY_FUTURE] = "it is of a time that has not come yet: whose clock is wrong?",
        [DELIVERY_CLOCK] = "the daemon's clock cannot be right",
    };

    CHECK((unsigned)fault < DELIVERY_FAULT_COUNT);
    return texts[fault];
}

uint64_t delivery_began_ms(const struct delivery *delivery, uint64_t now_ms, int64_t now_s)
{
    const uint64_t ago_ms = (uint64_t)(now_s - delivery->at_s + DELIVERY_BEGAN_S) * 1000;

    return now_ms > ago_ms ? now_ms - ago_ms : 0;
}

static bool shows_the_key(const struct delivery *delivery, const struct evidence *evidence)
{
    return delivery->has_key && evidence->chain_count > 0 &&
           memcmp(delivery->key_sha256, evidence->chain[0]->spki_sha256, SHA256_BYTES) == 0;
}

static bool proves(const struct delivery *delivery, const struct evidence *evidence)
{
    if (delivery->tls_version != evidence->tls_version || evidence_meets_no_tlsa(evidence))
        return false;
    if (shows_the_key(delivery, evidence))
        return true;
    if (delivery->has_key && evidence->chain_count > 0) /* it is another one */
        return false;
    return !evidence_certificate_counts(evidence) || delivery->trust == DELIVERY_VERIFIED;
}

enum delivery_effect delivery_effect(const struct delivery *delivery,
                                     const struct evidence *evidence, uint64_t began_ms)
{
    if (delivery->port != evidence->key.port ||
        !address_equal(&delivery->address, &evidence->key.address) ||
        began_ms <= evidence->began_ms)
        return DELIVERY_SAYS_NOTHING;
    switch (outcome_says(evidence->outcome)) {
    case SAYS_ENCRYPTS:
        return name_equal(&delivery->host, &evidence->key.server_name) &&
                       began_ms - evidence_looked_ms(evidence) < DELIVERY_RENEWS_MS &&
                       proves(delivery, evidence)
                   ? DELIVERY_RENEWS
                   : DELIVERY_SAYS_NOTHING;
    case SAYS_WEAK:
    case SAYS_CLEAR:
    case SAYS_REFUSES:
    case SAYS_BROKEN:
        return DELIVERY_DISPROVES;
    case SAYS_INCONCLUSIVE:
    case SAYS_OURS:
        break;
    }
    return DELIVERY_SAYS_NOTHING;
}
