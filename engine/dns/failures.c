/*
 * failures.c - the memory of failed look-ups: sets of four places, chosen by name and type.
 *
 * Called by a resolver's thread. Owns one reference to each answer it holds. Only failures_create
 * can fail (memory).
 */
#include "engine/dns/failures.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#include <errno.h>
#include <stdlib.h>

#define WAYS 4
#define SETS (LIMIT_DNS_FAILURES / WAYS)

struct failures {
    const struct dns_answer *places[SETS][WAYS];
};

static const struct dns_answer **set_of(struct failures *failures, const struct name *name,
                                        enum dns_type type)
{
    return failures->places[(name_hash(name) + (uint64_t)type) % SETS];
}

static bool is_about(const struct dns_answer *answer, const struct name *name, enum dns_type type)
{
    return answer && answer->type == type && name_equal(&answer->owner, name);
}

int failures_create(struct failures **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : -ENOMEM;
}

void failures_destroy(struct failures *failures)
{
    if (!failures)
        return;
    for (size_t set = 0; set < SETS; set++)
        for (size_t way = 0; way < WAYS; way++)
            dns_answer_drop(failures->places[set][way]);
    free(failures);
}

void failures_forget(struct failures *failures, const struct name *name, enum dns_type type)
{
    const struct dns_answer **set = set_of(failures, name, type);

    for (size_t way = 0; way < WAYS; way++) {
        if (is_about(set[way], name, type)) {
            dns_answer_drop(set[way]);
            set[way] = NULL;
        }
    }
}

void failures_remember(struct failures *failures, const struct dns_answer *answer)
{
    const struct dns_answer **set = set_of(failures, &answer->owner, answer->type);
    size_t oldest = 0;

    CHECK(dns_is_trouble(answer->kind) && answer->trouble != DNS_TROUBLE_OURS);
    failures_forget(failures, &answer->owner, answer->type);
    for (size_t way = 1; way < WAYS && set[oldest]; way++)
        if (!set[way] || set[way]->at_ms < set[oldest]->at_ms)
            oldest = way;
    dns_answer_drop(set[oldest]);
    set[oldest] = dns_answer_hold(answer);
}

const struct dns_answer *failures_find(struct failures *failures, const struct name *name,
                                       enum dns_type type, uint64_t now_ms)
{
    const struct dns_answer **set = set_of(failures, name, type);

    for (size_t way = 0; way < WAYS; way++) {
        if (!is_about(set[way], name, type))
            continue;
        if (now_ms - set[way]->at_ms < set[way]->ttl_s * UINT64_C(1000))
            return set[way];
        dns_answer_drop(set[way]);
        set[way] = NULL;
    }
    return NULL;
}
