/*
 * mail_key.h - does a recipient publish a key for end-to-end encryption in the DNS? Pure but for
 * OpenSSL's arithmetic; any thread.
 *
 * RFC 7929 (OPENPGPKEY) and RFC 8162 (SMIMEA). What comes of it is told to people and plugins and
 * influences nothing: such a key never stands in for a secure transport (DANE-44).
 */
#ifndef MXWARD_POLICY_MAIL_KEY_H
#define MXWARD_POLICY_MAIL_KEY_H

#include "engine/dns/answer.h"
#include "shm/answer.h"

#define MAIL_KEY_DIGEST_BYTES 28

/*
 * Of the local part of a mail address: the first 28 octets of its SHA-256 (DANE-43). It is taken as
 * it is, unquoted if it is quoted: case and sub-address count (RFC 7929 section 3). It is not
 * brought into Unicode's form NFC: mail programs hand it on as it was typed. NAME_OK; NAME_EMPTY
 * without a local part; NAME_CHARACTER or NAME_LONG if it is none; NAME_NO_MEMORY for our own
 * trouble.
 */
enum name_status mail_key_digest(uint8_t digest[MAIL_KEY_DIGEST_BYTES], const char *address);

/* The name at which the key stands; type: DNS_OPENPGPKEY or DNS_SMIMEA. Anything but NAME_OK leaves
 * no name; NAME_LONG: behind such a domain the DNS has no room for it. */
enum name_status mail_key_owner(struct name *owner, enum dns_type type,
                                const uint8_t digest[MAIL_KEY_DIGEST_BYTES], const char *domain);

/*
 * What the answer to that question comes to (DANE-44): insecure is as if there were none, and what
 * failed is not known. Of SMIMEA records only those count that hold the recipient's certificate
 * itself (usage 1 or 3, selector 0, matching type 0): nobody can encrypt to a digest.
 */
enum mail_key mail_key_of(const struct dns_answer *answer);

#endif
