/*
 * dane_fuzz.c - hostile certificates and hostile TLSA records, against each other.
 *
 * The first two bytes say how long the certificate is; it is interned and, if it is one, becomes
 * the leaf of a chain whose other certificate is always the same. The rest is records: usage,
 * selector, matching type, two bytes of length, data. Properties: names and texts of a certificate
 * are clean; the number of usable records is that of the results; nothing usable has another usage
 * than 2 or 3; a match by digest is one; the digest of the set does not depend on its order.
 */
#include "engine/base/check.h"
#include "engine/policy/dane.h"
#include "tests/pki.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerInitialize(int *count, char ***arguments);

static struct certificate_store *store;
static const struct certificate *ca, *leaf;

static const struct certificate *certificate_of(X509 *x509)
{
    size_t size;
    uint8_t *der = pki_der(x509, &size);
    int error;
    const struct certificate *certificate = certificate_intern(store, der, size, &error);

    CHECK(certificate != NULL);
    OPENSSL_free(der);
    return certificate;
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    EVP_PKEY *key = pki_key_ec();
    X509 *root = pki_certificate(&(struct pki_spec){.key = key, .common_name = "ca", .ca = true});
    X509 *below = pki_certificate(&(struct pki_spec){
        .key = key, .alternative = "DNS:mx.example", .issuer = root, .issuer_key = key});

    (void)count;
    (void)arguments;
    CHECK(certificate_store_create(&store, 1 << 20) == 0);
    ca = certificate_of(root);
    leaf = certificate_of(below);
    X509_free(root);
    X509_free(below);
    EVP_PKEY_free(key);
    return 0;
}

static void certificate_is_clean(const struct certificate *certificate)
{
    CHECK(certificate->name_count <= LIMIT_CERTIFICATE_NAMES);
    for (unsigned i = 0; i < certificate->name_count; i++) {
        const char *name = certificate->names[i];
        const char *plain = name[0] == '*' ? name + 1 : name;

        CHECK(name[0] != '\0');
        CHECK(strspn(plain, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(plain));
        if (plain == name && certificate->has_alternative_names)
            CHECK(certificate_names_host(certificate, name, false));
    }
    for (const char *c = certificate->subject; *c != '\0'; c++)
        CHECK(*c >= 0x20 && *c < 0x7f);
    for (const char *c = certificate->issuer; *c != '\0'; c++)
        CHECK(*c >= 0x20 && *c < 0x7f);
}

/* Records point into the input, which is a private copy of exactly its size. */
static void records_read(struct dns_answer *answer, struct dns_tlsa *records, const uint8_t *bytes,
                         size_t size)
{
    while (size >= 5 && answer->count < LIMIT_TLSA) {
        size_t length = (size_t)bytes[3] << 8 | bytes[4];

        if (length > size - 5)
            length = size - 5;
        records[answer->count++] = (struct dns_tlsa){.usage = bytes[0],
                                                     .selector = bytes[1],
                                                     .matching_type = bytes[2],
                                                     .size = (uint16_t)length,
                                                     .data = bytes + 5};
        bytes += 5 + length;
        size -= 5 + length;
    }
    answer->tlsa = records;
}

static void results_are_sound(const struct dns_answer *answer, const struct certificate *first)
{
    const struct certificate *chain[2] = {first, ca};
    struct tlsa_result results[LIMIT_TLSA];
    uint8_t usable = dane_usable_count(answer);
    int count = dane_match(answer, chain, 2, PKI_NOW_S, results);

    if (count == -E2BIG) /* more anchors than are tried */
        return;
    CHECK(count == answer->count);
    for (int i = 0; i < count; i++) {
        const struct dns_tlsa *record = &answer->tlsa[i];

        if (results[i].fate == TLSA_UNUSABLE)
            continue;
        usable--;
        CHECK(record->usage == 2 || record->usage == 3);
        if (results[i].fate == TLSA_MATCH && record->usage == 3 && record->matching_type == 1)
            CHECK(memcmp(record->data, record->selector == 0 ? first->sha256 : first->spki_sha256,
                         SHA256_BYTES) == 0);
    }
    CHECK(usable == 0);
}

static void digest_is_of_the_set(struct dns_answer *answer, struct dns_tlsa *records)
{
    uint8_t forward[16], backward[16];

    dane_digest(answer, forward);
    for (unsigned i = 0; i < answer->count / 2u; i++) {
        struct dns_tlsa swap = records[i];

        records[i] = records[answer->count - 1u - i];
        records[answer->count - 1u - i] = swap;
    }
    dane_digest(answer, backward);
    CHECK(memcmp(forward, backward, sizeof forward) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct dns_answer answer = {.kind = DNS_SECURE_DATA, .type = DNS_TLSA};
    struct dns_tlsa records[LIMIT_TLSA];
    const struct certificate *hostile = NULL;
    size_t length;
    int error;

    if (size < 2)
        return 0;
    length = (size_t)bytes[0] << 8 | bytes[1];
    bytes += 2;
    size -= 2;
    if (length > size)
        length = size;
    hostile = certificate_intern(store, bytes, length, &error);
    CHECK(error == 0);
    records_read(&answer, records, bytes + length, size - length);
    if (hostile != NULL) {
        certificate_is_clean(hostile);
        results_are_sound(&answer, hostile);
    }
    results_are_sound(&answer, leaf);
    digest_is_of_the_set(&answer, records);
    certificate_drop(hostile);
    return 0;
}
