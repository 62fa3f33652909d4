/*
 * answer.c - answers that have no records, the counting of all answers, and their words.
 *
 * An answer is one allocation, made by message.c or by dns_answer_failure here, given back by the
 * last dns_answer_drop. For the day without memory there is one static answer of each type, so
 * whoever asks always gets an answer: DNS_ERROR, ours. Any thread; nothing here can fail.
 */
#include "engine/dns/answer.h"

#include "engine/base/check.h"
#include "engine/base/reference.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"

#include <stdlib.h>
#include <string.h>

/* Holds a reference for itself that nobody drops, so it is never freed. at_ms is 0: before any
 * question, hence older than any freshness asked for. */
#define EXHAUSTED(record_type)                                                                \
    {                                                                                         \
        .references = 1, .kind = DNS_ERROR, .trouble = DNS_TROUBLE_OURS, .type = record_type, \
        .why = "out of memory"                                                                \
    }
static struct dns_answer exhausted[] = {
    EXHAUSTED(DNS_A),    EXHAUSTED(DNS_CNAME),  EXHAUSTED(DNS_SOA),
    EXHAUSTED(DNS_MX),   EXHAUSTED(DNS_TXT),    EXHAUSTED(DNS_AAAA),
    EXHAUSTED(DNS_TLSA), EXHAUSTED(DNS_SMIMEA), EXHAUSTED(DNS_OPENPGPKEY),
};

static const struct dns_answer *answer_exhausted(enum dns_type type)
{
    for (size_t i = 0; i < sizeof exhausted / sizeof *exhausted; i++)
        if (exhausted[i].type == type)
            return dns_answer_hold(&exhausted[i]);
    check_failed(__FILE__, __LINE__, "a type of enum dns_type");
}

const struct dns_answer *dns_answer_hold(const struct dns_answer *answer)
{
    reference_hold(&answer->references);
    return answer;
}

void dns_answer_drop(const struct dns_answer *answer)
{
    if (answer != NULL && reference_drop(&answer->references))
        free((struct dns_answer *)(uintptr_t)answer);
}

const struct dns_answer *dns_answer_failure(const struct name *owner, enum dns_type type,
                                            enum dns_trouble trouble, uint8_t rcode,
                                            uint64_t now_ms, const char *why)
{
    struct dns_answer *answer = calloc(1, sizeof *answer);
    if (!answer)
        return answer_exhausted(type);
    atomic_init(&answer->references, 1);
    answer->kind = trouble == DNS_TROUBLE_NONE ? DNS_BOGUS : DNS_ERROR;
    answer->trouble = trouble;
    answer->rcode = rcode;
    /* What is our own fault says nothing about the peer and is not remembered. */
    answer->ttl_s = trouble == DNS_TROUBLE_OURS ? 0 : LIMIT_DNS_FAILURE_TTL_S;
    answer->at_ms = now_ms;
    answer->type = type;
    answer->owner = *owner;
    answer->canonical = *owner;
    log_escape(answer->why, sizeof answer->why, why, strlen(why));
    return answer;
}

int dns_tlsa_compare(const struct dns_tlsa *a, const struct dns_tlsa *b)
{
    const uint8_t head_a[3] = {a->usage, a->selector, a->matching_type};
    const uint8_t head_b[3] = {b->usage, b->selector, b->matching_type};
    size_t common = a->size < b->size ? a->size : b->size;
    int order = memcmp(head_a, head_b, sizeof head_a);

    if (order == 0 && common > 0)
        order = memcmp(a->data, b->data, common);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

const char *dns_kind_name(enum dns_kind kind)
{
    switch (kind) {
    case DNS_ERROR:
        return "error";
    case DNS_BOGUS:
        return "bogus";
    case DNS_SECURE_DATA:
        return "secure data";
    case DNS_SECURE_NODATA:
        return "secure absence of the type";
    case DNS_SECURE_NXDOMAIN:
        return "secure absence of the name";
    case DNS_INSECURE_DATA:
        return "insecure data";
    case DNS_INSECURE_NODATA:
        return "insecure absence of the type";
    case DNS_INSECURE_NXDOMAIN:
        return "insecure absence of the name";
    }
    check_failed(__FILE__, __LINE__, "a kind of enum dns_kind");
}

const char *dns_trouble_name(enum dns_trouble trouble)
{
    switch (trouble) {
    case DNS_TROUBLE_NONE:
        return "none";
    case DNS_TROUBLE_SERVFAIL:
        return "server failure";
    case DNS_TROUBLE_TIMEOUT:
        return "timeout";
    case DNS_TROUBLE_MALFORMED:
        return "malformed answer";
    case DNS_TROUBLE_LIMITED:
        return "rate limited";
    case DNS_TROUBLE_OURS:
        return "our own";
    case DNS_TROUBLE_ALIASES:
        return "alias loop";
    }
    check_failed(__FILE__, __LINE__, "a trouble of enum dns_trouble");
}

const char *dns_type_name(enum dns_type type)
{
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_CNAME:
        return "CNAME";
    case DNS_SOA:
        return "SOA";
    case DNS_MX:
        return "MX";
    case DNS_TXT:
        return "TXT";
    case DNS_AAAA:
        return "AAAA";
    case DNS_TLSA:
        return "TLSA";
    case DNS_SMIMEA:
        return "SMIMEA";
    case DNS_OPENPGPKEY:
        return "OPENPGPKEY";
    }
    check_failed(__FILE__, __LINE__, "a type of enum dns_type");
}
