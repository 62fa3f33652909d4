/*
 * kept.c - see kept.h. Sets of four places, chosen by name and type. Owns one reference to each
 * answer it holds.
 */
#include "engine/dns/kept.h"

#include "engine/base/check.h"

#include <errno.h>
#include <stdlib.h>

#define WAYS 4

struct kept_answers {
    uint32_t sets;
    const struct dns_answer *places[][WAYS];
};

static const struct dns_answer **set_of(struct kept_answers *kept, const struct name *name,
                                        enum dns_type type)
{
    return kept->places[(name_hash(name) + (uint64_t)type) % kept->sets];
}

static bool is_about(const struct dns_answer *answer, const struct name *name, enum dns_type type)
{
    return answer && answer->type == type && name_equal(&answer->owner, name);
}

int kept_answers_create(struct kept_answers **out, uint32_t most)
{
    const uint32_t sets = (most + WAYS - 1) / WAYS;

    CHECK(most > 0);
    *out = calloc(1, sizeof **out + sets * sizeof *(*out)->places);
    if (!*out)
        return -ENOMEM;
    (*out)->sets = sets;
    return 0;
}

void kept_answers_destroy(struct kept_answers *kept)
{
    if (!kept)
        return;
    for (size_t set = 0; set < kept->sets; set++)
        for (size_t way = 0; way < WAYS; way++)
            dns_answer_drop(kept->places[set][way]);
    free(kept);
}

void kept_answers_forget(struct kept_answers *kept, const struct name *name, enum dns_type type)
{
    const struct dns_answer **set = set_of(kept, name, type);

    for (size_t way = 0; way < WAYS; way++) {
        if (is_about(set[way], name, type)) {
            dns_answer_drop(set[way]);
            set[way] = NULL;
        }
    }
}

void kept_answers_put(struct kept_answers *kept, const struct dns_answer *answer)
{
    const struct dns_answer **set = set_of(kept, &answer->owner, answer->type);
    size_t oldest = 0;

    (void)dns_answer_hold(answer); /* it may be the one that is forgotten */
    kept_answers_forget(kept, &answer->owner, answer->type);
    for (size_t way = 1; way < WAYS && set[oldest]; way++)
        if (!set[way] || set[way]->at_ms < set[oldest]->at_ms)
            oldest = way;
    dns_answer_drop(set[oldest]);
    set[oldest] = answer;
}

const struct dns_answer *kept_answers_find(struct kept_answers *kept, const struct name *name,
                                           enum dns_type type, uint64_t now_ms)
{
    const struct dns_answer **set = set_of(kept, name, type);

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
