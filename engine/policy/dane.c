/*
 * dane.c - TLSA records against a chain (see dane.h).
 *
 * Usable? (a table) → outclassed? (digest agility) → EE: compare the leaf; TA: find the record's
 * certificate in what was sent, and verify the path from the leaf to it with that certificate as
 * the only anchor. One path is verified at most once for each certificate sent, and PATHS_MAX in
 * all: chain and records may be of one hand, and with keys of 16,384 bits, and as many names and
 * constraints on names as OpenSSL compares, a path takes 200 ms, in one call for which everybody
 * waits. What one more anchor would say is not known then, and that is ours. An anchor to which no
 * path leads costs next to nothing, and is not counted.
 *
 * Records come from the DNS, certificates from a mail host: nothing about them is asserted.
 */
#include "engine/policy/dane.h"

#include "engine/base/check.h"
#include "engine/certificate/x509.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <xxhash.h>

#include <errno.h>
#include <string.h>

enum { USAGE_TA = 2, USAGE_EE = 3 };
enum { SELECTOR_CERTIFICATE = 0, SELECTOR_KEY = 1 };
enum { MATCHING_FULL = 0, MATCHING_SHA256 = 1, MATCHING_SHA512 = 2 };

#define SHA512_BYTES 64
#define PATHS_MAX    3 /* that reach their anchor, for one set of records */

/* --- usable, outclassed --- */

static EVP_PKEY *key_of_record(const struct dns_tlsa *record)
{
    const uint8_t *at = record->data;
    EVP_PKEY *key = x509_read_key(&at, record->size);

    if (key != NULL && at != record->data + record->size) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static X509 *certificate_of_record(const struct dns_tlsa *record)
{
    const uint8_t *at = record->data;
    X509 *x509 = x509_read(&at, record->size);

    if (x509 != NULL && (at != record->data + record->size || X509_get0_pubkey(x509) == NULL)) {
        X509_free(x509);
        x509 = NULL;
    }
    return x509;
}

/* Full(0): the data must be a certificate or a key, with an algorithm that we know. */
static bool full_data_parses(const struct dns_tlsa *record)
{
    bool parses;

    x509_begin();
    if (record->selector == SELECTOR_CERTIFICATE) {
        X509 *x509 = certificate_of_record(record);

        parses = x509 != NULL;
        X509_free(x509);
    } else {
        EVP_PKEY *key = key_of_record(record);

        parses = key != NULL;
        EVP_PKEY_free(key);
    }
    return x509_out_of_memory() || parses;
}

bool dane_record_usable(const struct dns_tlsa *record)
{
    if (record->usage != USAGE_TA && record->usage != USAGE_EE) /* DANE-23: 0 and 1 too */
        return false;
    if (record->selector != SELECTOR_CERTIFICATE && record->selector != SELECTOR_KEY)
        return false;
    switch (record->matching_type) {
    case MATCHING_FULL:
        return record->size > 0 && full_data_parses(record);
    case MATCHING_SHA256:
        return record->size == SHA256_BYTES;
    case MATCHING_SHA512:
        return record->size == SHA512_BYTES;
    default:
        return false;
    }
}

bool dane_record_is_key_digest(const struct dns_tlsa *record)
{
    return record->usage == USAGE_EE && record->selector == SELECTOR_KEY &&
           record->matching_type == MATCHING_SHA256;
}

static unsigned tlsa_count(const struct dns_answer *tlsa)
{
    return tlsa->count < LIMIT_TLSA ? tlsa->count : LIMIT_TLSA;
}

uint8_t dane_usable_count(const struct dns_answer *tlsa)
{
    uint8_t usable = 0;

    for (unsigned i = 0; i < tlsa_count(tlsa); i++)
        usable = (uint8_t)(usable + dane_record_usable(&tlsa->tlsa[i]));
    return usable;
}

/* Digest agility (DANE-25): SHA-512 outclasses SHA-256 of the same usage and selector. */
static bool outclassed(const struct dns_answer *tlsa, const struct tlsa_result *results,
                       unsigned which)
{
    const struct dns_tlsa *record = &tlsa->tlsa[which];

    if (record->matching_type != MATCHING_SHA256)
        return false;
    for (unsigned i = 0; i < tlsa_count(tlsa); i++)
        if (results[i].fate != TLSA_UNUSABLE && tlsa->tlsa[i].usage == record->usage &&
            tlsa->tlsa[i].selector == record->selector &&
            tlsa->tlsa[i].matching_type == MATCHING_SHA512)
            return true;
    return false;
}

/* --- one chain, looked at as often as the records need --- */

struct path {
    bool verified;    /* the rest is known */
    bool reached;     /* the anchor stands in the path built */
    int result;       /* X509_V_* */
    int anchor_dates; /* X509_V_*, of the dates of an anchor that is an intermediate */
    uint8_t depth;    /* of the anchor, if reached */
};

struct matching {
    const struct certificate *const *chain;
    uint8_t chain_count;
    int64_t now_s;
    STACK_OF(X509) * sent; /* made when first needed */
    struct path paths[LIMIT_CHAIN];
    unsigned reached; /* paths that reached their anchor so far */
    bool matched;     /* a record is met, which suffices (DANE-24) */
    int topmost;      /* index of the last certificate of the path that can be built; -1: not yet */
    uint8_t topmost_depth;
};

static int matching_parse(struct matching *matching)
{
    if (matching->sent == NULL)
        matching->sent = certificate_stack(matching->chain, 0, matching->chain_count);
    return matching->sent != NULL ? 0 : -ENOMEM;
}

/*
 * Dates are checked below the anchor (DANE-28), and of a self-signed one: an intermediate that is
 * an anchor is trusted for its key. So OpenSSL's own DANE has it, by which the MTA delivers.
 */
static int dates_of_anchor(int ok, X509_STORE_CTX *context)
{
    const STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(context);
    int error = X509_STORE_CTX_get_error(context);
    X509 *current = X509_STORE_CTX_get_current_cert(context);

    if (ok || current == NULL || built == NULL ||
        X509_STORE_CTX_get_error_depth(context) != sk_X509_num(built) - 1 ||
        (error != X509_V_ERR_CERT_HAS_EXPIRED && error != X509_V_ERR_CERT_NOT_YET_VALID) ||
        X509_check_issued(current, current) == X509_V_OK)
        return ok;
    *(int *)X509_STORE_CTX_get_app_data(context) = error;
    return 1;
}

/* Builds and verifies the path from the leaf with `anchor` as all that is trusted (NULL: nothing);
 * `last` learns where it ended. */
static int path_verify(struct matching *matching, X509 *anchor, struct path *path, X509 **last)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new_ex(x509_library(), NULL);
    int result = -ENOMEM, anchor_dates = X509_V_OK;

    if (store != NULL && context != NULL &&
        (anchor == NULL || X509_STORE_add_cert(store, anchor) == 1) &&
        X509_STORE_CTX_init(context, store, sk_X509_value(matching->sent, 0), matching->sent) ==
            1 &&
        X509_STORE_CTX_set_app_data(context, &anchor_dates) == 1) {
        X509_STORE_CTX_set_verify_cb(context, dates_of_anchor);
        result = certificate_verify(context, X509_LEVEL_DANE, matching->now_s,
                                    X509_V_FLAG_PARTIAL_CHAIN);
    }
    if (result >= 0) {
        const STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(context);
        int count = built == NULL ? 0 : sk_X509_num(built);

        *path = (struct path){.verified = true, .result = result, .anchor_dates = anchor_dates};
        for (int i = count - 1; i >= 0 && anchor != NULL && !path->reached; i--) {
            path->reached = X509_cmp(sk_X509_value(built, i), anchor) == 0;
            path->depth = (uint8_t)i;
        }
        if (last != NULL) {
            *last = count > 0 ? sk_X509_value(built, count - 1) : NULL;
            path->depth = (uint8_t)(count > 0 ? count - 1 : 0);
        }
        result = 0;
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return result;
}

/* The path to this anchor. -E2BIG: it is one too many; but if a record is met already no more is
 * needed, and it counts as not reached. */
static int path_to_anchor(struct matching *matching, X509 *anchor, struct path *path)
{
    int error;

    *path = (struct path){0};
    if (matching->reached == PATHS_MAX)
        return matching->matched ? 0 : -E2BIG;
    error = path_verify(matching, anchor, path, NULL);
    matching->reached += error == 0 && path->reached;
    return error;
}

/* The path with the sent certificate `which` as the anchor. */
static int path_to_sent(struct matching *matching, unsigned which)
{
    int error = matching_parse(matching);

    if (error != 0 || matching->paths[which].verified)
        return error;
    return path_to_anchor(matching, sk_X509_value(matching->sent, (int)which),
                          &matching->paths[which]);
}

/* --- comparing --- */

static int bytes_match(const struct dns_tlsa *record, const uint8_t *bytes, size_t size,
                       const uint8_t sha256[SHA256_BYTES], bool *equal)
{
    uint8_t sha512[SHA512_BYTES];

    switch (record->matching_type) {
    case MATCHING_FULL:
        *equal = record->size == size && memcmp(record->data, bytes, size) == 0;
        return 0;
    case MATCHING_SHA256:
        *equal = memcmp(record->data, sha256, SHA256_BYTES) == 0;
        return 0;
    default:
        if (EVP_Digest(bytes, size, sha512, NULL, EVP_sha512(), NULL) != 1)
            return -ENOMEM;
        *equal = memcmp(record->data, sha512, SHA512_BYTES) == 0;
        return 0;
    }
}

/* Is the record about the sent certificate `which`? */
static int record_is_about(struct matching *matching, const struct dns_tlsa *record, unsigned which,
                           bool *about)
{
    const struct certificate *certificate = matching->chain[which];
    uint8_t *spki = NULL;
    int size = 0, error = 0;

    if (record->selector == SELECTOR_CERTIFICATE)
        return bytes_match(record, certificate->der, certificate->der_bytes, certificate->sha256,
                           about);
    if (record->matching_type != MATCHING_SHA256) { /* that digest is known without parsing */
        error = matching_parse(matching);
        if (error == 0)
            size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(sk_X509_value(matching->sent, (int)which)),
                                   &spki);
        if (error != 0 || size <= 0)
            return -ENOMEM;
    }
    error = bytes_match(record, spki, (size_t)size, certificate->spki_sha256, about);
    OPENSSL_free(spki);
    return error;
}

/* --- DANE-EE: the leaf and nothing else (DANE-26) --- */

static int match_leaf(struct matching *matching, const struct dns_tlsa *record,
                      struct tlsa_result *result)
{
    bool about;
    int error = record_is_about(matching, record, 0, &about);

    if (error == 0 && about)
        result->fate = TLSA_MATCH;
    return error;
}

/* --- DANE-TA (DANE-28, DANE-29) --- */

/* An anchor must stand above the leaf: a leaf is no authority for itself. */
static void result_from_path(struct tlsa_result *result, const struct path *path)
{
    if (!path->reached || path->depth == 0)
        return;
    result->fate = path->result == X509_V_OK ? TLSA_MATCH : TLSA_CHAIN_FAILS;
    result->depth = path->depth;
    result->verify = path->result;
}

/* `2 0 0`, its certificate not sent: it is an anchor all the same. */
static int match_unsent_certificate(struct matching *matching, const struct dns_tlsa *record,
                                    struct tlsa_result *result)
{
    X509 *anchor = certificate_of_record(record);
    struct path path;
    int error = anchor == NULL ? -ENOMEM : matching_parse(matching);

    if (error == 0)
        error = path_to_anchor(matching, anchor, &path);
    if (error == 0)
        result_from_path(result, &path);
    X509_free(anchor);
    return error;
}

/* The last certificate of the path that can be built from what was sent. */
static int topmost_find(struct matching *matching)
{
    struct path path;
    X509 *last;
    int error = matching_parse(matching);

    if (error != 0 || matching->topmost >= 0)
        return error;
    error = path_verify(matching, NULL, &path, &last);
    if (error != 0)
        return error;
    matching->topmost = 0;
    matching->topmost_depth = path.depth;
    for (int i = 0; last != NULL && i < matching->chain_count; i++)
        if (X509_cmp(sk_X509_value(matching->sent, i), last) == 0)
            matching->topmost = i;
    return 0;
}

/* `2 1 0`, a bare key that no sent certificate has: it must have signed the topmost one. */
static int match_bare_key(struct matching *matching, const struct dns_tlsa *record,
                          struct tlsa_result *result)
{
    EVP_PKEY *key = key_of_record(record);
    int error = key == NULL ? -ENOMEM : topmost_find(matching);

    if (error == 0 && X509_verify(sk_X509_value(matching->sent, matching->topmost), key) == 1) {
        const struct path *path = &matching->paths[matching->topmost];

        error = path_to_sent(matching, (unsigned)matching->topmost);
        if (error == 0 && path->verified) {
            result->verify = path->result != X509_V_OK ? path->result : path->anchor_dates;
            result->fate = result->verify == X509_V_OK ? TLSA_MATCH : TLSA_CHAIN_FAILS;
            result->depth = matching->topmost_depth;
        }
    }
    EVP_PKEY_free(key);
    return error;
}

static int match_authority(struct matching *matching, const struct dns_tlsa *record,
                           struct tlsa_result *result)
{
    int error = 0;

    for (unsigned i = 1; error == 0 && i < matching->chain_count && result->fate != TLSA_MATCH;
         i++) {
        bool about;

        error = record_is_about(matching, record, i, &about);
        if (error == 0 && about)
            error = path_to_sent(matching, i);
        if (error == 0 && about)
            result_from_path(result, &matching->paths[i]);
    }
    if (error != 0 || result->fate != TLSA_NO_MATCH || record->matching_type != MATCHING_FULL)
        return error;
    return record->selector == SELECTOR_CERTIFICATE
               ? match_unsent_certificate(matching, record, result)
               : match_bare_key(matching, record, result);
}

/* All records of one usage. */
static int match_usage(struct matching *matching, const struct dns_answer *tlsa, uint8_t usage,
                       struct tlsa_result *results)
{
    unsigned count = tlsa_count(tlsa);
    int error = 0;

    for (unsigned i = 0; i < count && error == 0; i++) {
        if (results[i].usage != usage || results[i].fate == TLSA_UNUSABLE)
            continue;
        if (outclassed(tlsa, results, i))
            results[i].fate = TLSA_OUTCLASSED;
        else if (usage == USAGE_EE)
            error = match_leaf(matching, &tlsa->tlsa[i], &results[i]);
        else
            error = match_authority(matching, &tlsa->tlsa[i], &results[i]);
        matching->matched |= results[i].fate == TLSA_MATCH;
    }
    return error;
}

int dane_match(const struct dns_answer *tlsa, const struct certificate *const *chain,
               uint8_t chain_count, int64_t now_s, struct tlsa_result *results)
{
    struct matching matching = {
        .chain = chain, .chain_count = chain_count, .now_s = now_s, .topmost = -1};
    unsigned count = tlsa_count(tlsa);
    int error;

    CHECK(chain_count > 0 && chain_count <= LIMIT_CHAIN);
    for (unsigned i = 0; i < count; i++)
        results[i] = (struct tlsa_result){
            .fate = dane_record_usable(&tlsa->tlsa[i]) ? TLSA_NO_MATCH : TLSA_UNUSABLE,
            .usage = tlsa->tlsa[i].usage,
            .selector = tlsa->tlsa[i].selector,
            .matching_type = tlsa->tlsa[i].matching_type,
        };
    x509_begin();
    /* Leaves first: they ask for no path, so no number of paths keeps one from being met. */
    error = match_usage(&matching, tlsa, USAGE_EE, results);
    if (error == 0)
        error = match_usage(&matching, tlsa, USAGE_TA, results);
    sk_X509_pop_free(matching.sent, X509_free);
    if (x509_out_of_memory() && error == 0) /* what did not match may only have lacked memory */
        error = -ENOMEM;
    return error != 0 ? error : (int)count;
}

/* --- identity --- */

/* The records in canonical order, each folded to its head and the hash of its data. */
void dane_digest(const struct dns_answer *tlsa, uint8_t digest[16])
{
    const struct dns_tlsa *sorted[LIMIT_TLSA];
    struct {
        uint8_t head[8];
        XXH128_canonical_t data;
    } folded[LIMIT_TLSA];
    XXH128_canonical_t canonical;
    unsigned count = tlsa_count(tlsa);

    static_assert(sizeof folded[0] == 24, "no padding is hashed");
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i;

        for (; at > 0 && dns_tlsa_compare(sorted[at - 1], &tlsa->tlsa[i]) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &tlsa->tlsa[i];
    }
    for (unsigned i = 0; i < count; i++) {
        const struct dns_tlsa *record = sorted[i];

        memcpy(folded[i].head,
               (const uint8_t[8]){record->usage, record->selector, record->matching_type,
                                  (uint8_t)(record->size >> 8), (uint8_t)record->size},
               sizeof folded[i].head);
        XXH128_canonicalFromHash(&folded[i].data, XXH3_128bits(record->data, record->size));
    }
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(folded, count * sizeof folded[0]));
    memcpy(digest, canonical.digest, sizeof canonical.digest);
}
