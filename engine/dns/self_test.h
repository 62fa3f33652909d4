/*
 * self_test.h - does validation work here (DNS-08)? And the keys fetched before the first rush.
 *
 * Asks the root, which must be secure; then, if one is configured, a name that must be bogus; and
 * along with it the most used top-level domains, only so that their keys are there: when they are
 * not, hundreds of look-ups wake up in one callback. Once passed it asks again every ten minutes,
 * until then within a minute. One thread, but for the two results, which anybody may read.
 */
#ifndef MXWARD_DNS_SELF_TEST_H
#define MXWARD_DNS_SELF_TEST_H

#include "engine/dns/look_ups.h"

#define SELF_TEST_TOPS      12
#define SELF_TEST_QUESTIONS (SELF_TEST_TOPS + 2) /* at most held at once */

struct self_test {
    struct look_ups *look_ups;
    struct dns_question root, bogus, tops[SELF_TEST_TOPS];
    bool has_bogus;
    bool root_seen;     /* the root has answered something, once */
    bool root_insecure; /* it answered without a signature that we can check: we cannot validate */
    bool bogus_passes; /* the bogus name was taken for good: nothing that validates means a thing */
    uint8_t asked;     /* questions out */
    uint64_t again_ms;
    uint64_t pause_ms;              /* before the next try */
    const char *_Atomic text;       /* constant texts only */
    struct resolver_counts *counts; /* its self_test is the result */
};

/* The setting dns.bogus_name. NULL and "": there is none, the name is empty. False: it is no name.
 */
bool self_test_read_bogus(struct name *name, const char *bogus_name);
/* `bogus_name` may be NULL; 0, or -EINVAL when it is no name. */
int self_test_create(struct self_test *test, struct look_ups *look_ups, const char *bogus_name,
                     struct resolver_counts *counts);
/* Asks when it is time to; returns when to call again. */
uint64_t self_test_turn(struct self_test *test, uint64_t now_ms);
/* Whether the question is one of its own; then it was taken care of. */
bool self_test_takes(struct self_test *test, struct dns_question *question);

#endif
