/*
 * message.h - from the wire to an answer. Pure: no socket, no clock.
 *
 * The resolver hands over what libunbound called back with; the tests and the fuzzer hand over what
 * they please. Every byte of the packet is hostile: a packet that is not wholly well formed is an
 * error (temporary), never absence and never data. The order of the tests is that of DNS-01, with
 * the callback's own traps: bogus first (rcode is 0 then, and the bogus data is in the packet);
 * with another rcode than 0 the packet is rubbish and not looked at; a remembered SERVFAIL comes
 * with rcode 0 and is seen only in the packet.
 */
#ifndef MXWARD_DNS_MESSAGE_H
#define MXWARD_DNS_MESSAGE_H

#include "engine/dns/answer.h"

#include <stddef.h>

enum dns_security { /* the callback's `sec` */
                    DNS_SECURITY_INSECURE = 0,
                    DNS_SECURITY_BOGUS = 1,
                    DNS_SECURITY_SECURE = 2,
};

struct dns_reply {
    int rcode;
    int security; /* enum dns_security; anything else is an error */
    bool limited; /* was_ratelimited (DNS-14) */
    const uint8_t *packet;
    size_t size;
    const char *why_bogus; /* may be NULL */
};

/*
 * The answer to (owner, type), one reference for the caller; copies what it needs of the packet.
 * Never NULL (see dns_answer_failure).
 */
const struct dns_answer *dns_message_read(const struct name *owner, enum dns_type type,
                                          const struct dns_reply *reply, uint64_t now_ms);

#endif
