/*
 * dane.h - TLSA records against a certificate chain (DANE-21..33). Pure but for OpenSSL's
 * arithmetic.
 *
 * Independent of any recipient domain: says for each record whether it is usable, outclassed by
 * digest agility, and what it matches at which depth; names are checked afterwards by finding.c.
 */
#ifndef MXWARD_POLICY_DANE_H
#define MXWARD_POLICY_DANE_H

#include "engine/certificate/certificate.h"
#include "engine/dns/answer.h"
#include "engine/facts/evidence.h"

bool dane_record_usable(const struct dns_tlsa *record); /* DANE-21..23 */
uint8_t dane_usable_count(const struct dns_answer *tlsa);

/* Fills results[0 .. min(tlsa->count, LIMIT_TLSA)-1]. `chain`: as sent, leaf first; `now_s` for the
 * validity of DANE-TA paths. Returns the count, or negative errno (ours: then nothing is claimed).
 */
int dane_match(const struct dns_answer *tlsa, const struct certificate *const *chain,
               uint8_t chain_count, int64_t now_s, struct tlsa_result *results);

/* XXH3-128 of the RRset in canonical order: part of the endpoint's identity (DANE-40). */
void dane_digest(const struct dns_answer *tlsa, uint8_t digest[16]);

#endif
