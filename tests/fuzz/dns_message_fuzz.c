/*
 * dns_message_fuzz.c - any bytes as a reply of the resolver.
 *
 * Input: one byte callback rcode and limited flag, one byte security, one byte type, then the
 * packet. The question is taken from the packet itself where it can be, so that the fuzzer gets
 * past the first test at once. Properties, whatever the bytes are:
 *   - there is an answer, of the type asked;
 *   - data only from a reply that is not bogus, not limited, with rcode 0 in the callback and 0 or
 *     3 in the packet; absence only with 0 or 3; secure only if the callback said so;
 *   - every pointer, count and time inside its bound; every text printable and terminated;
 *   - reading the same bytes again gives the same answer, and reading them as bogus never data.
 */
#include "engine/dns/message.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#include <stdlib.h>
#include <string.h>

static const enum dns_type types[] = {DNS_A,    DNS_CNAME, DNS_SOA,    DNS_MX,        DNS_TXT,
                                      DNS_AAAA, DNS_TLSA,  DNS_SMIMEA, DNS_OPENPGPKEY};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The question's name, if it is a plain one; else any. */
static struct name question_name(const uint8_t *packet, size_t size)
{
    struct name name = {.length = 0};
    size_t at = 12;

    while (at < size && packet[at] != 0 && packet[at] < 64)
        at += 1u + packet[at];
    if (at < size && at >= 12)
        (void)name_from_wire(&name, packet + 12, at - 12 + 1);
    return name;
}

static void check_text(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    CHECK(length < size);
    for (size_t i = 0; i < length; i++)
        CHECK(text[i] >= ' ' && text[i] <= '~');
}

static unsigned use_records(const struct dns_answer *answer)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < answer->count; i++) {
        switch (answer->type) {
        case DNS_MX:
            check_text(answer->mx[i].exchange.text, sizeof answer->mx[i].exchange.text);
            CHECK(answer->mx[i].exchange.length == strlen(answer->mx[i].exchange.text));
            CHECK(!answer->mx[i].usable || answer->mx[i].exchange.length > 0);
            break;
        case DNS_A:
            CHECK(answer->addresses[i].family == 4);
            break;
        case DNS_AAAA:
            CHECK(answer->addresses[i].family == 6);
            break;
        case DNS_SMIMEA:
        case DNS_TLSA:
            for (unsigned j = 0; j < answer->tlsa[i].size; j++)
                sum += answer->tlsa[i].data[j];
            break;
        case DNS_TXT:
            for (unsigned j = 0; j < answer->text[i].size; j++)
                sum += answer->text[i].data[j];
            break;
        case DNS_CNAME:
        case DNS_SOA:
        case DNS_OPENPGPKEY:
            CHECK(answer->count == 1);
            break;
        }
    }
    return sum;
}

static void check_kind(const struct dns_answer *answer, const struct dns_reply *reply)
{
    unsigned in_packet = reply->size >= 12 ? reply->packet[3] & 15 : 99;

    CHECK((answer->kind == DNS_BOGUS) == (reply->security == DNS_SECURITY_BOGUS));
    CHECK((answer->kind == DNS_ERROR) == (answer->trouble != DNS_TROUBLE_NONE));
    if (!dns_is_trouble(answer->kind)) {
        CHECK(reply->rcode == 0 && !reply->limited && (in_packet == 0 || in_packet == 3));
        CHECK(dns_is_secure(answer->kind) == (reply->security == DNS_SECURITY_SECURE));
    }
    CHECK(dns_has_data(answer->kind) == (answer->count + answer->dropped > 0));
    /* Even the first TLSA record may be too large to keep. */
    CHECK(answer->dropped == 0 || answer->count > 0 || answer->type == DNS_TLSA);
    CHECK(answer->ttl_s <= LIMIT_DNS_TTL_S);
    CHECK(!dns_has_data(answer->kind) || answer->ttl_s >= 1);
    CHECK(!dns_is_trouble(answer->kind) || answer->ttl_s <= LIMIT_DNS_FAILURE_TTL_S);
    CHECK(answer->aliases <= LIMIT_ALIASES);
    for (unsigned i = 0; i < dns_hop_count(answer); i++)
        check_text(answer->hops[i].text, sizeof answer->hops[i].text);
    check_text(answer->why, sizeof answer->why);
    check_text(answer->canonical.text, sizeof answer->canonical.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > LIMIT_DNS_MESSAGE)
        return 0;
    struct dns_reply reply = {.rcode = data[0] & 15,
                              .limited = data[0] >> 7,
                              .security = data[1] & 3,
                              .packet = data + 3,
                              .size = size - 3};
    struct name name = question_name(reply.packet, reply.size);
    enum dns_type type = types[data[2] % (sizeof types / sizeof *types)];

    const struct dns_answer *answer = dns_message_read(&name, type, &reply, 1);
    CHECK(answer && answer->type == type);
    check_kind(answer, &reply);
    unsigned sum = use_records(answer);

    const struct dns_answer *again = dns_message_read(&name, type, &reply, 1);
    CHECK(again->kind == answer->kind && again->count == answer->count &&
          again->ttl_s == answer->ttl_s && use_records(again) == sum);
    dns_answer_drop(again);

    reply.security = DNS_SECURITY_BOGUS;
    again = dns_message_read(&name, type, &reply, 1);
    CHECK(again->kind == DNS_BOGUS && again->count == 0);
    dns_answer_drop(again);
    dns_answer_drop(answer);
    return 0;
}
