/*
 * mail_key.c - see mail_key.h. Called by ipc/serve; owns nothing.
 *
 * Failure: OpenSSL's digest can fail only for want of memory, which is told as NAME_NO_MEMORY.
 */
#include "engine/policy/mail_key.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { SHA256_OCTETS = 32, PKIX_EE = 1, DANE_EE = 3 };

/* The local part without its quotes. */
static enum name_status local_part(uint8_t *local, size_t *length, const char *address)
{
    bool quoted = false;
    const char *at = address;

    for (*length = 0; *at != '\0' && (quoted || *at != '@'); at++) {
        if (*at == '"') {
            quoted = !quoted;
            continue;
        }
        if (quoted && *at == '\\' && at[1] != '\0')
            at++; /* a quoted pair */
        if (*length == LIMIT_ADDRESS_INPUT)
            return NAME_LONG;
        local[(*length)++] = (uint8_t)*at;
    }
    if (quoted || (*at == '@' && strchr(at + 1, '@') != NULL))
        return NAME_CHARACTER;
    return *at == '@' && *length > 0 ? NAME_OK : NAME_EMPTY;
}

enum name_status mail_key_digest(uint8_t digest[MAIL_KEY_DIGEST_BYTES], const char *address)
{
    uint8_t local[LIMIT_ADDRESS_INPUT], sha256[SHA256_OCTETS];
    size_t length;
    enum name_status status = local_part(local, &length, address);

    if (status != NAME_OK)
        return status;
    if (EVP_Digest(local, length, sha256, NULL, EVP_sha256(), NULL) != 1)
        return NAME_NO_MEMORY;
    memcpy(digest, sha256, MAIL_KEY_DIGEST_BYTES);
    return NAME_OK;
}

enum name_status mail_key_owner(struct name *owner, enum dns_type type,
                                const uint8_t digest[MAIL_KEY_DIGEST_BYTES], const char *domain)
{
    const char *label = type == DNS_OPENPGPKEY ? "_openpgpkey" : "_smimecert";
    char hex[2 * MAIL_KEY_DIGEST_BYTES + 1], text[sizeof hex + 16 + sizeof owner->text];
    int length;

    CHECK(type == DNS_OPENPGPKEY || type == DNS_SMIMEA);
    for (size_t i = 0; i < MAIL_KEY_DIGEST_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    length = snprintf(text, sizeof text, "%s.%s.%s", hex, label, domain);
    if (length < 0 || (size_t)length >= sizeof text) {
        owner->length = 0;
        return NAME_LONG;
    }
    return name_parse(owner, text, (size_t)length);
}

static bool is_certificate(const struct dns_tlsa *record)
{
    return (record->usage == PKIX_EE || record->usage == DANE_EE) && record->selector == 0 &&
           record->matching_type == 0 && record->size > 0;
}

enum mail_key mail_key_of(const struct dns_answer *answer)
{
    if (dns_is_trouble(answer->kind))
        return MAIL_KEY_UNKNOWN;
    if (answer->kind != DNS_SECURE_DATA)
        return MAIL_KEY_NONE;
    if (answer->type == DNS_OPENPGPKEY)
        return MAIL_KEY_PRESENT;
    for (unsigned i = 0; i < answer->count; i++)
        if (is_certificate(&answer->tlsa[i]))
            return MAIL_KEY_PRESENT;
    return answer->dropped > 0 ? MAIL_KEY_UNKNOWN : MAIL_KEY_NONE;
}
