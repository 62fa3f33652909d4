/*
 * dane.h - TLSA records against a certificate chain (DANE-21..30). Pure but for OpenSSL's
 * arithmetic; any thread.
 *
 * Independent of any recipient domain: says for each record whether it is usable, outclassed by
 * digest agility, and what it matches at which depth; names are checked afterwards by finding.c.
 * Any one TLSA_MATCH satisfies the set (DANE-24).
 *
 * Stricter or wider than OpenSSL's own SSL_dane_* only where the standards ask for it, each with
 * its test in tests/dane_test.c: usages 0 and 1 are unusable (DANE-23); DANE-EE looks at nothing
 * but the leaf, not even at the strength of its key (DANE-26); names are not looked at here.
 */
#ifndef MXWARD_POLICY_DANE_H
#define MXWARD_POLICY_DANE_H

#include "engine/certificate/certificate.h"
#include "engine/dns/answer.h"
#include "engine/facts/evidence.h"

/* DANE-21..23. Without memory to parse a full certificate or key: true, which is the stricter. */
bool dane_record_usable(const struct dns_tlsa *record);
/* `3 1 1`: its data is the SHA-256 of the leaf's key, and that is all it asks (DANE-26). Of a
 * usable record. */
bool dane_record_is_key_digest(const struct dns_tlsa *record);
uint8_t dane_usable_count(const struct dns_answer *tlsa);

/* Fills results[0 .. min(tlsa->count, LIMIT_TLSA)-1]. `chain`: as sent, leaf first, at least one;
 * `now_s` for the validity of DANE-TA paths. Returns the count, or negative errno (ours: then
 * nothing is claimed). */
int dane_match(const struct dns_answer *tlsa, const struct certificate *const *chain,
               uint8_t chain_count, int64_t now_s, struct tlsa_result *results);

/* XXH3-128 of the RRset in canonical order: part of the endpoint's identity (DANE-40). */
void dane_digest(const struct dns_answer *tlsa, uint8_t digest[16]);

#endif
