/*
 * host.c - the host script (see host.h): from a host name and port to the facts of the host.
 *
 * The life of a round is the table HOST_STEPS; each step is two adjacent functions in table order,
 * x_begin (asks) and x_resume (digests, called when everything asked has come home), and one driver
 * changes the step. Steps only move forward. Questions and endpoint requests are embedded in the
 * round, which is therefore kept until the last of them is back; they come back always (resolver.h,
 * endpoints.h), so a round needs no timer of its own.
 *
 * The rules of TLSA discovery stand here and nowhere else: DANE-01..10, DANE-14..16, DNS-04,
 * DNS-05, MX-03, MX-04, MX-14, NAME-07, DANE-35/TLS-17 (which name is sent as SNI).
 *
 * Out of jobs, rounds or memory: the request is answered at once with HOST_TROUBLE, ours.
 */
#include "engine/probe/host.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/base/log.h"
#include "engine/dns/asking.h"
#include "engine/facts/age.h"
#include "engine/loop/pool.h"
#include "engine/loop/registry.h"
#include "engine/policy/dane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host_job {
    struct registry_entry entry; /* first: see registry.h */
    struct name name;
    uint16_t port;
    bool literal;
    struct address address;
    struct join join;
    const struct host_facts *facts; /* of the last round that ended; NULL: none */
    uint32_t epoch;                 /* of the settings under which it was made */
    uint64_t dns_until_ms;          /* end of the TTLs behind `facts` */
    uint64_t good_until_ms;         /* for requests that do not ask for freshness */
    uint64_t failed_until_ms;       /* for all: some endpoint failed (FRESH-02) */
};

struct host_round {
    struct join_round join;
    struct host_job *job;
    uint8_t step;
    uint8_t in_flight;
    uint32_t epoch;        /* of the settings when it began */
    uint64_t disproved_ms; /* when a delivery disproved what an endpoint said, meanwhile; 0: none */
    bool try_expanded, try_original;       /* TLSA base domain candidates */
    struct host_facts *facts;              /* being gathered */
    const struct dns_answer *addresses[2]; /* A, AAAA */
    struct dns_question questions[2];
    uint8_t request_count;
    struct endpoint_request requests[LIMIT_ADDRESSES];
};

struct hosts {
    struct mailbox *mailbox;
    struct owners owners;
    struct host_settings settings;
    struct registry *jobs;
    struct pool *rounds;
    struct host_facts *exhausted; /* the answer when nothing can be taken */
    uint32_t epoch;               /* of the settings: facts of an older one do not serve */
    bool stopping;
    struct hosts_counts counts;
};

enum host_turn {
    TURN_WAIT, /* something asked is not back yet */
    TURN_NEXT,
    TURN_END, /* enough is known */
};

/*
 *   step            function        "trouble while ..."
 */
/* clang-format off */
#define HOST_STEPS(X)                                                    \
    X(ADDRESSES,     addresses,     "resolving its addresses")           \
    X(ALIAS,         alias,         "asking whether its alias is signed") \
    X(TLSA_EXPANDED, tlsa_expanded, "resolving TLSA at its expanded name") \
    X(TLSA_ORIGINAL, tlsa_original, "resolving its TLSA records")        \
    X(ENDPOINTS,     endpoints,     "probing its addresses")
/* clang-format on */

enum host_step {
#define X(NAME, function, doing) STEP_##NAME,
    HOST_STEPS(X)
#undef X
        STEP_END
};

/* --- asking --- */

static void host_question(struct hosts *hosts, struct host_round *round, unsigned which,
                          const struct name *name, enum dns_type type)
{
    struct dns_question *question = &round->questions[which];

    question->message.kind = MESSAGE_DNS_HOST;
    question->token = (struct ring_token){.slot = pool_slot(hosts->rounds, round),
                                          .generation = pool_generation(hosts->rounds, round)};
    question->name = *name;
    question->type = type;
    question->deadline_ms = clock_boot_ms() + hosts->settings.dns_ms;
    round->in_flight++;
    dns_ask(hosts->mailbox, hosts->settings.answers, owner_resolver(&hosts->owners, name),
            question);
}

/* Takes the answer out of a question that has come home: the caller owns the reference. */
static const struct dns_answer *host_answer(struct host_round *round, unsigned which)
{
    const struct dns_answer *answer = round->questions[which].answer;

    round->questions[which].answer = NULL;
    return answer;
}

static void host_uses_for(struct host_facts *facts, const struct dns_answer *answer, uint32_t ttl_s)
{
    uint64_t until_ms = answer->at_ms + (uint64_t)ttl_s * 1000;

    if (ttl_s < facts->ttl_s)
        facts->ttl_s = ttl_s;
    if (until_ms < facts->dns_until_ms)
        facts->dns_until_ms = until_ms;
}

static void host_uses_ttl(struct host_facts *facts, const struct dns_answer *answer)
{
    host_uses_for(facts, answer, answer->ttl_s);
}

/* A family that is absent may come any moment after that (MX-17). Many servers deny it without an
 * SOA: that holds as long as a failure, or nothing about the host would. */
static void host_lacks_family(struct host_facts *facts, const struct dns_answer *answer)
{
    host_uses_for(facts, answer,
                  answer->ttl_s > LIMIT_DNS_FAILURE_TTL_S ? answer->ttl_s
                                                          : LIMIT_DNS_FAILURE_TTL_S);
}

static void host_says(struct host_facts *facts, const char *doing, const struct dns_answer *answer)
{
    snprintf(facts->why, sizeof facts->why, "%s: %s %s: %s", doing, dns_type_name(answer->type),
             answer->owner.text,
             answer->why[0] != '\0' ? answer->why : dns_kind_name(answer->kind));
}

static void host_trouble(struct host_facts *facts, const char *doing,
                         const struct dns_answer *answer)
{
    if (answer->kind == DNS_BOGUS)
        facts->bogus = true;
    if (answer->trouble == DNS_TROUBLE_OURS)
        facts->ours = true;
    host_says(facts, doing, answer);
}

/* --- ADDRESSES: A and AAAA at once; neither family may hide the other (MX-04, DANE-16). Both are
 * asked also where one is not probed: what we did not ask would look like absent --- */

static enum host_turn addresses_begin(struct hosts *hosts, struct host_round *round)
{
    struct host_job *job = round->job;

    if (job->literal) /* NAME-07: no look-up at all */
        return TURN_NEXT;
    host_question(hosts, round, 0, &job->name, DNS_A);
    host_question(hosts, round, 1, &job->name, DNS_AAAA);
    return TURN_WAIT;
}

/* No address of either family: trouble if any family could not be asked, else there is none. */
static enum host_turn addresses_none(struct host_round *round)
{
    struct host_facts *facts = round->facts;

    facts->state = HOST_NO_ADDRESS;
    facts->secure = true; /* of the denials */
    snprintf(facts->why, sizeof facts->why, "it has no address");
    for (unsigned i = 0; i < 2; i++) {
        const struct dns_answer *answer = round->addresses[i];

        if (answer == NULL)
            continue;
        host_uses_ttl(facts, answer);
        facts->secure = facts->secure && dns_is_secure(answer->kind);
        if (dns_is_trouble(answer->kind)) {
            facts->state = HOST_TROUBLE;
            host_trouble(facts, "resolving its addresses", answer);
        }
    }
    return TURN_END;
}

static bool family_is_probed(const struct hosts *hosts, unsigned family)
{
    return family == 0 ? hosts->settings.ipv4 : hosts->settings.ipv6;
}

/* The other family has some: they are used, but they may not be all (DANE-16). */
static void addresses_missed(struct host_facts *facts, const struct dns_answer *answer)
{
    facts->addresses_unseen = true;
    facts->addresses_unseen_ours |= answer->trouble == DNS_TROUBLE_OURS;
    host_says(facts, "resolving its addresses", answer);
}

static enum host_turn addresses_resume(struct hosts *hosts, struct host_round *round)
{
    struct host_facts *facts = round->facts;
    const struct dns_answer *data = NULL;
    bool all_secure = true;

    for (unsigned i = 0; i < 2; i++) {
        const struct dns_answer *answer = round->addresses[i] = host_answer(round, i);

        if (answer != NULL && dns_is_trouble(answer->kind) && family_is_probed(hosts, i))
            addresses_missed(facts, answer);
        if (answer != NULL && dns_is_absent(answer->kind))
            host_lacks_family(facts, answer);
        if (answer == NULL || !dns_has_data(answer->kind))
            continue;
        host_uses_ttl(facts, answer);
        all_secure = all_secure && dns_is_secure(answer->kind);
        facts->alias = facts->alias || answer->aliases > 0;
        data = answer;
    }
    if (data == NULL)
        return addresses_none(round);
    facts->state = HOST_RESOLVED;
    facts->secure = all_secure;
    if (!facts->alias) {
        round->try_original = all_secure; /* DANE-02, DANE-06 */
    } else if (all_secure) {              /* DANE-07: every hop is signed */
        facts->expanded = data->canonical;
        round->try_expanded = true;
        round->try_original = true;
    }
    return TURN_NEXT;
}

/* --- ALIAS: the chain is not secure as a whole; is its first link? (DNS-04, DANE-08, DANE-09) ---
 */

static enum host_turn alias_begin(struct hosts *hosts, struct host_round *round)
{
    if (!round->facts->alias || round->facts->secure)
        return TURN_NEXT;
    host_question(hosts, round, 0, &round->job->name, DNS_CNAME);
    return TURN_WAIT;
}

static enum host_turn alias_resume(struct hosts *hosts, struct host_round *round)
{
    const struct dns_answer *answer = host_answer(round, 0);
    struct host_facts *facts = round->facts;
    enum host_turn turn = TURN_NEXT;

    (void)hosts;
    host_uses_ttl(facts, answer);
    if (!dns_has_data(answer->kind)) { /* an error, or no longer an alias: retry later (DNS-05) */
        facts->state = HOST_TROUBLE;
        host_trouble(facts, "asking whether its alias is signed", answer);
        turn = TURN_END;
    } else if (dns_is_secure(answer->kind)) {
        round->try_original = true;
    }
    dns_answer_drop(answer);
    return turn;
}

/* --- TLSA: at the expanded name, then at the original one (DANE-07); never after trouble --- */

/* _<port>._tcp.<base> (DANE-01). False: no such name can exist. */
static bool tlsa_owner(struct name *owner, uint16_t port, const struct name *base)
{
    int length = snprintf(owner->text, sizeof owner->text, "_%u._tcp.%s", port, base->text);

    if (length < 0 || length > NAME_BYTES_MAX)
        return false;
    owner->length = (uint8_t)length;
    return true;
}

static enum host_turn tlsa_ask(struct hosts *hosts, struct host_round *round,
                               const struct name *base)
{
    struct name owner;

    if (!tlsa_owner(&owner, round->job->port, base))
        return TURN_NEXT;
    round->facts->base = *base;
    if (round->facts->tlsa_state == TLSA_NOT_LOOKED)
        round->facts->tlsa_denied = true; /* until an answer is not signed */
    round->facts->tlsa_state = TLSA_ABSENT;
    host_question(hosts, round, 0, &owner, DNS_TLSA);
    return TURN_WAIT;
}

/* None of the records that were read is usable, but there are more: whether DANE is demanded or
 * only TLS (DANE-12) is not known. */
static enum host_turn tlsa_not_all_read(struct host_facts *facts, const struct dns_answer *answer)
{
    facts->tlsa_state = TLSA_TROUBLE;
    snprintf(facts->why, sizeof facts->why, "it has %u TLSA records, more than are looked at",
             (unsigned)answer->count + answer->dropped);
    dns_answer_drop(answer);
    return TURN_END;
}

static enum host_turn tlsa_digest(struct host_round *round)
{
    const struct dns_answer *answer = host_answer(round, 0);
    struct host_facts *facts = round->facts;

    host_uses_ttl(facts, answer);
    facts->tlsa_denied &= dns_is_secure(answer->kind) && dns_is_absent(answer->kind);
    if (answer->kind == DNS_SECURE_DATA) {
        facts->usable = dane_usable_count(answer);
        if (facts->usable == 0 && answer->dropped > 0)
            return tlsa_not_all_read(facts, answer);
        facts->tlsa_state = TLSA_PRESENT;
        facts->tlsa = answer; /* the reference moves */
        round->try_original = false;
        return TURN_NEXT;
    }
    if (dns_is_trouble(
            answer->kind)) { /* DANE-10, DANE-15: unreachable, and nothing weaker tried */
        facts->tlsa_state = TLSA_TROUBLE;
        host_trouble(facts, "resolving its TLSA records", answer);
        dns_answer_drop(answer);
        return TURN_END;
    }
    /* Denied, or an RRset that is not signed all the way (DANE-05, DANE-14). */
    facts->base = (struct name){0};
    dns_answer_drop(answer);
    return TURN_NEXT;
}

static enum host_turn tlsa_expanded_begin(struct hosts *hosts, struct host_round *round)
{
    return round->try_expanded ? tlsa_ask(hosts, round, &round->facts->expanded) : TURN_NEXT;
}

static enum host_turn tlsa_expanded_resume(struct hosts *hosts, struct host_round *round)
{
    (void)hosts;
    return tlsa_digest(round);
}

static enum host_turn tlsa_original_begin(struct hosts *hosts, struct host_round *round)
{
    return round->try_original ? tlsa_ask(hosts, round, &round->job->name) : TURN_NEXT;
}

static enum host_turn tlsa_original_resume(struct hosts *hosts, struct host_round *round)
{
    (void)hosts;
    return tlsa_digest(round);
}

/* --- ENDPOINTS: one request for each address, families balanced (MX-03, MX-04) --- */

static void endpoints_missed(struct host_facts *facts, unsigned count)
{
    unsigned missed = facts->endpoints_dropped + count;

    facts->endpoints_dropped = (uint8_t)(missed > UINT8_MAX ? UINT8_MAX : missed);
}

static void endpoint_add(struct hosts *hosts, struct host_round *round,
                         const struct dns_answer *found, const struct address *address)
{
    struct host_facts *facts = round->facts;
    unsigned index = round->request_count;
    struct endpoint_request *request = &round->requests[index];

    if (!hosts->settings.allow_reserved && address_is_reserved(address)) {
        if (address_is_private(address)) /* mail may go there */
            endpoints_missed(facts, 1);
        return;
    }
    *request = (struct endpoint_request){
        .message.kind = MESSAGE_ENDPOINT_ASK,
        .token = {.operation = (uint8_t)index,
                  .slot = pool_slot(hosts->rounds, round),
                  .generation = pool_generation(hosts->rounds, round)},
        .key = {.address = *address, .port = round->job->port},
        .found = found,
        .not_before_ms = round->join.not_before_ms,
        .deadline_ms = round->join.deadline_ms,
        .priority = (enum priority)round->join.priority,
        .in_full = round->join.in_full,
    };
    if (facts->tlsa_state == TLSA_PRESENT) {
        request->tlsa = facts->tlsa;
        dane_digest(facts->tlsa, request->key.tlsa_digest);
    }
    if (facts->usable > 0)
        request->key.server_name = facts->base; /* DANE-35 */
    else if (!round->job->literal)
        request->key.server_name = round->job->name; /* TLS-17 */
    facts->endpoints[index].secure = found != NULL && dns_is_secure(found->kind);
    round->request_count++;
}

static void endpoints_choose(struct hosts *hosts, struct host_round *round)
{
    const struct dns_answer *of[2] = {NULL, NULL};
    unsigned count[2] = {0, 0}, total = 0;

    for (unsigned i = 0; i < 2; i++) {
        if (family_is_probed(hosts, i) && round->addresses[i] != NULL &&
            dns_has_data(round->addresses[i]->kind)) {
            of[i] = round->addresses[i];
            count[i] = of[i]->count;
            total += count[i] + of[i]->dropped;
        }
    }
    /* Alternate families in the order given, until the cap is reached or both are used up. */
    for (unsigned i = 0; i < 2u * LIMIT_ADDRESSES && round->request_count < LIMIT_ADDRESSES; i++)
        for (unsigned family = 0; family < 2; family++)
            if (i < count[family] && round->request_count < LIMIT_ADDRESSES)
                endpoint_add(hosts, round, of[family], &of[family]->addresses[i]);
    if (total > LIMIT_ADDRESSES)
        endpoints_missed(round->facts, total - LIMIT_ADDRESSES);
}

static bool any_is_private(const struct dns_answer *answer)
{
    for (unsigned i = 0; i < answer->count; i++)
        if (address_is_private(&answer->addresses[i]))
            return true;
    return false;
}

/* Nobody to ask. It is no host only if every address there may be was seen to be one that nobody
 * can reach; a look-up that failed is trouble, and what lies in a family that is switched off, in
 * somebody's own network, or over the limit, is not looked at: mail may go there. */
static enum host_turn endpoints_none(const struct hosts *hosts, struct host_round *round)
{
    struct host_facts *facts = round->facts;
    bool off = false, private = false;

    for (unsigned i = 0; i < 2; i++) {
        const struct dns_answer *answer = round->addresses[i];

        if (answer != NULL && dns_is_trouble(answer->kind)) {
            facts->state = HOST_TROUBLE;
            host_trouble(facts, "resolving its addresses", answer);
            return TURN_END;
        }
        off |= answer != NULL && dns_has_data(answer->kind) && !family_is_probed(hosts, i);
        private |= answer != NULL && dns_has_data(answer->kind) && any_is_private(answer);
    }
    if (!off && !private && facts->endpoints_dropped == 0 && !round->job->literal)
        facts->state = HOST_UNUSABLE;
    snprintf(facts->why, sizeof facts->why, "%s",
             off ? "it has addresses of a family that is switched off, and no others to look at"
             : private ? "its addresses are private, and probe.allow_reserved is off"
                       : "nobody can reach its addresses: they are reserved");
    return TURN_END;
}

static enum host_turn endpoints_begin(struct hosts *hosts, struct host_round *round)
{
    if (round->job->literal) {
        round->facts->state = HOST_RESOLVED;
        endpoint_add(hosts, round, NULL, &round->job->address);
    } else {
        endpoints_choose(hosts, round);
    }
    if (round->request_count == 0)
        return endpoints_none(hosts, round);
    round->in_flight = round->request_count;
    for (unsigned i = 0; i < round->request_count; i++)
        mailbox_send(hosts->mailbox,
                     owner_of_endpoint(&hosts->owners, &round->requests[i].key.address),
                     &round->requests[i].message);
    return TURN_WAIT;
}

static enum host_turn endpoints_resume(struct hosts *hosts, struct host_round *round)
{
    struct host_facts *facts = round->facts;

    (void)hosts;
    facts->began_ms = UINT64_MAX; /* from here on the evidence says it; there is some */
    for (unsigned i = 0; i < round->request_count; i++) {
        facts->endpoints[i].evidence = round->requests[i].evidence; /* the reference moves */
        if (facts->endpoints[i].evidence->began_ms < facts->began_ms)
            facts->began_ms = facts->endpoints[i].evidence->began_ms;
    }
    facts->endpoint_count = round->request_count;
    return TURN_END;
}

/* --- the driver --- */

static const struct host_row {
    const char *name, *doing;
    enum host_turn (*begin)(struct hosts *, struct host_round *);
    enum host_turn (*resume)(struct hosts *, struct host_round *);
} host_rows[] = {
#define X(NAME, function, doing) {#NAME, doing, function##_begin, function##_resume},
    HOST_STEPS(X)
#undef X
};
static_assert(sizeof host_rows / sizeof *host_rows == STEP_END, "one row for each step");

static void round_end(struct hosts *hosts, struct host_round *round);

static void round_drive(struct hosts *hosts, struct host_round *round, enum host_turn turn)
{
    while (turn != TURN_WAIT) {
        CHECK(round->in_flight == 0);
        if (hosts->stopping && turn == TURN_NEXT) {
            round->facts->state = HOST_TROUBLE;
            round->facts->ours = true;
            turn = TURN_END;
        }
        round->step = turn == TURN_END ? STEP_END : (uint8_t)(round->step + 1);
        if (round->step == STEP_END) {
            round_end(hosts, round);
            return;
        }
        log_trace("host-step", "host=%s port=%u step=%s", round->job->name.text, round->job->port,
                  host_rows[round->step].name);
        turn = host_rows[round->step].begin(hosts, round);
    }
    CHECK(round->in_flight > 0); /* waiting for nobody would be waiting for ever */
}

/* One of the things a round asked for is home. */
static void round_came_home(struct hosts *hosts, struct ring_token token)
{
    struct host_round *round = pool_find(hosts->rounds, token.slot, token.generation);

    CHECK(round != NULL); /* a round is kept until everything it asked is back */
    CHECK(round->in_flight > 0);
    if (--round->in_flight == 0)
        round_drive(hosts, round, host_rows[round->step].resume(hosts, round));
}

void hosts_dns(struct hosts *hosts, struct dns_question *question)
{
    if (dns_is_trouble(question->answer->kind))
        counter_add(&hosts->counts.dns_trouble, 1);
    dns_told(hosts->mailbox, hosts->settings.answers, question);
    round_came_home(hosts, question->token);
}

void hosts_endpoint(struct hosts *hosts, struct endpoint_request *done)
{
    round_came_home(hosts, done->token);
}

/* --- joining, answering --- */

static void request_answer(struct hosts *hosts, struct waiter *waiter,
                           const struct host_facts *facts)
{
    struct host_request *request = container_of(waiter, struct host_request, waiter);
    uint16_t asker = request->message.from;

    request->facts = host_facts_hold(facts);
    request->message.kind = MESSAGE_HOST_DONE;
    mailbox_send(hosts->mailbox, asker, &request->message);
}

static struct host_facts *facts_begin(const struct host_job *job)
{
    struct host_facts *facts = calloc(1, sizeof *facts);

    if (facts == NULL)
        return NULL;
    atomic_init(&facts->references, 1);
    facts->name = job->name;
    facts->port = job->port;
    facts->began_ms = clock_boot_ms();
    facts->ttl_s = UINT32_MAX;
    facts->dns_until_ms = UINT64_MAX;
    return facts;
}

/* Starts a round for these waiters, or answers them all that we have no room. */
static void round_begin(struct hosts *hosts, struct host_job *job, struct waiters *waiters)
{
    struct host_facts *facts = facts_begin(job);
    struct host_round *round = facts == NULL ? NULL : pool_take(hosts->rounds);
    struct waiter *waiter;

    if (round == NULL) {
        free(facts);
        counter_add(&hosts->counts.no_room, 1);
        while ((waiter = waiters_take(waiters)) != NULL)
            request_answer(hosts, waiter, hosts->exhausted);
        return;
    }
    round->job = job;
    round->facts = facts;
    waiters_move(&round->join.waiters, waiters);
    join_begin(&job->join, &round->join);
    counter_add(&hosts->counts.rounds, 1);
    round->epoch = hosts->epoch;
    round->step = STEP_ADDRESSES;
    round_drive(hosts, round, host_rows[STEP_ADDRESSES].begin(hosts, round));
}

/* Keeps the facts for later requests; says until when. */
static void job_learns(struct host_job *job, const struct host_facts *facts, uint32_t epoch)
{
    job->epoch = epoch;
    uint64_t dns_until_ms = facts->dns_until_ms;
    uint64_t good_until_ms = dns_until_ms;

    if (facts->state == HOST_TROUBLE || facts->tlsa_state == TLSA_TROUBLE ||
        facts->addresses_unseen_ours)
        dns_until_ms = good_until_ms = 0; /* the resolver remembers failures; nothing to keep */
    else if (facts->addresses_unseen &&
             facts->ended_ms + LIMIT_DNS_FAILURE_TTL_S * UINT64_C(1000) < good_until_ms)
        good_until_ms = facts->ended_ms + LIMIT_DNS_FAILURE_TTL_S * UINT64_C(1000);
    if (dns_until_ms < good_until_ms)
        good_until_ms = dns_until_ms;
    job->failed_until_ms = UINT64_MAX;
    for (unsigned i = 0; i < facts->endpoint_count; i++) {
        uint64_t until_ms = evidence_good_until_ms(facts->endpoints[i].evidence);

        if (until_ms < good_until_ms)
            good_until_ms = until_ms;
        until_ms = evidence_failed_until_ms(facts->endpoints[i].evidence);
        if (until_ms < job->failed_until_ms)
            job->failed_until_ms = until_ms;
    }
    host_facts_drop(job->facts);
    job->facts = host_facts_hold(facts);
    job->dns_until_ms = dns_until_ms;
    job->good_until_ms = good_until_ms;
}

static bool any_is_resumed(const struct host_facts *facts)
{
    for (unsigned i = 0; i < facts->endpoint_count; i++)
        if (facts->endpoints[i].evidence->resumed)
            return true;
    return false;
}

static bool job_serves(const struct hosts *hosts, const struct host_job *job,
                       const struct host_request *request, uint64_t now_ms)
{
    if (job->facts == NULL || job->epoch != hosts->epoch || now_ms >= job->dns_until_ms ||
        (request->in_full && any_is_resumed(job->facts)))
        return false;
    return request->not_before_ms == 0
               ? now_ms < job->good_until_ms
               : job->facts->began_ms >= request->not_before_ms && now_ms < job->failed_until_ms;
}

struct job_now {
    const struct hosts *hosts;
    const struct host_job *job;
    uint64_t now_ms;
};

static bool round_serves(void *context, const struct waiter *waiter)
{
    const struct job_now *now = context;

    return job_serves(now->hosts, now->job, container_of(waiter, struct host_request, waiter),
                      now->now_ms);
}

static void round_end(struct hosts *hosts, struct host_round *round)
{
    struct host_job *job = round->job;
    struct host_facts *facts = round->facts;
    struct waiters served = {0}, next;
    struct waiter *waiter;
    bool more;

    if (facts->ttl_s == UINT32_MAX)
        facts->ttl_s = job->literal ? UINT32_MAX / 1000 : 0;
    facts->ended_ms = clock_boot_ms();
    if (facts->began_ms >= round->disproved_ms) /* else it may have been told before that */
        job_learns(job, facts, round->epoch);
    waiters_move(&served, &round->join.waiters);
    join_serve(&job->join, round_serves, &(struct job_now){hosts, job, facts->ended_ms}, &served);
    more = join_end(&job->join, &round->join, &next);
    while ((waiter = waiters_take(&served)) != NULL)
        request_answer(hosts, waiter, facts);
    for (unsigned i = 0; i < 2; i++)
        dns_answer_drop(round->addresses[i]);
    host_facts_drop(facts);
    pool_give(hosts->rounds, round);
    if (more)
        round_begin(hosts, job, &next);
}

static uint64_t job_hash(const struct host_request *request)
{
    return name_hash(&request->host) * 31 + request->port +
           (request->literal ? address_hash(&request->address) : 0);
}

static bool job_is(const void *object, const void *key)
{
    const struct host_job *job = object;
    const struct host_request *request = key;

    return job->port == request->port && job->literal == request->literal &&
           name_equal(&job->name, &request->host) &&
           (!job->literal || address_equal(&job->address, &request->address));
}

static void job_begin(void *object, const void *key)
{
    struct host_job *job = object;
    const struct host_request *request = key;

    job->name = request->host;
    job->port = request->port;
    job->literal = request->literal;
    job->address = request->address;
}

static bool job_idle(const void *object)
{
    return join_idle(&((const struct host_job *)object)->join);
}

static void job_forget(void *object)
{
    host_facts_drop(((struct host_job *)object)->facts);
}

static const struct registry_kind job_kind = {
    .name = "host jobs",
    .bytes = sizeof(struct host_job),
    .is = job_is,
    .begin = job_begin,
    .idle = job_idle,
    .forget = job_forget,
};

void hosts_ask(struct hosts *hosts, struct host_request *request)
{
    struct host_job *job =
        hosts->stopping ? NULL : registry_find(hosts->jobs, request, job_hash(request));
    struct waiters alone = {0};

    request->waiter = (struct waiter){.not_before_ms = request->not_before_ms,
                                      .deadline_ms = request->deadline_ms,
                                      .priority = (uint8_t)request->priority,
                                      .in_full = request->in_full};
    if (job == NULL) {
        counter_add(&hosts->counts.no_room, 1);
        request_answer(hosts, &request->waiter, hosts->exhausted);
    } else if (job_serves(hosts, job, request, clock_boot_ms())) {
        counter_add(&hosts->counts.served_from_facts, 1);
        request_answer(hosts, &request->waiter, job->facts);
    } else if (join_request(&job->join, &request->waiter) == JOIN_START) {
        waiters_add(&alone, &request->waiter);
        round_begin(hosts, job, &alone);
    } else {
        counter_add(&hosts->counts.joined, 1);
    }
}

/* --- deliveries --- */

static struct host_job *delivery_job(const struct hosts *hosts,
                                     const struct delivery_report *report)
{
    const struct host_request key = {.host = report->delivery.host, .port = report->delivery.port};

    return registry_look(hosts->jobs, &key, job_hash(&key));
}

static bool is_below(const struct evidence *evidence, uint64_t now_ms)
{
    const enum outcome_says says = outcome_says(evidence->outcome);

    return (says == SAYS_WEAK || says == SAYS_CLEAR || says == SAYS_REFUSES ||
            says == SAYS_BROKEN) &&
           now_ms < evidence_good_until_ms(evidence);
}

/* TLS that mail can go by. */
static bool is_tls(const struct evidence *evidence, uint64_t now_ms)
{
    return outcome_says(evidence->outcome) == SAYS_ENCRYPTS && !evidence_meets_no_tlsa(evidence) &&
           now_ms < evidence_good_until_ms(evidence);
}

/* By ourselves, and not long ago: what deliveries have renewed since would only be their own word
 * again. */
static bool is_seen(const struct evidence *evidence, uint64_t now_ms)
{
    return now_ms < evidence_looked_ms(evidence) + AGE_GOOD_MS;
}

static void delivery_to_domain(struct hosts *hosts, struct delivery_report *report)
{
    report->message.kind = MESSAGE_DELIVERY_DOMAIN;
    mailbox_send(hosts->mailbox, owner_of_next_hop(&hosts->owners, &report->next_hop),
                 &report->message);
}

void hosts_delivery(struct hosts *hosts, struct delivery_report *report)
{
    const struct host_job *job = delivery_job(hosts, report);
    const struct host_facts *facts = job != NULL && job->epoch == hosts->epoch ? job->facts : NULL;
    const uint64_t now_ms = clock_boot_ms();
    const struct evidence *there = NULL;
    bool below = false, tls;

    for (unsigned i = 0; facts != NULL && i < facts->endpoint_count; i++) {
        const struct evidence *evidence = facts->endpoints[i].evidence;

        below |= is_below(evidence, now_ms);
        if (address_equal(&evidence->key.address, &report->delivery.address))
            there = evidence;
    }
    tls = there != NULL && !below && is_tls(there, now_ms);
    report->host_seen = tls && is_seen(there, now_ms);
    report->host_aged = tls && !report->host_seen;
    if (there == NULL) {
        delivery_to_domain(hosts, report);
        return;
    }
    report->key = there->key;
    report->message.kind = MESSAGE_DELIVERY_ENDPOINT;
    mailbox_send(hosts->mailbox, owner_of_endpoint(&hosts->owners, &there->key.address),
                 &report->message);
}

/* What rests on disproved evidence must not serve either, nor what has it in its hand. */
static void delivery_disproves(struct host_job *job)
{
    for (unsigned i = 0; i < JOIN_ROUNDS; i++)
        if (job->join.rounds[i] != NULL)
            container_of(job->join.rounds[i], struct host_round, join)->disproved_ms =
                clock_boot_ms();
    host_facts_drop(job->facts);
    job->facts = NULL;
}

void hosts_delivery_seen(struct hosts *hosts, struct delivery_report *report)
{
    struct host_job *job = delivery_job(hosts, report);

    if (report->effect == DELIVERY_DISPROVES && job != NULL)
        delivery_disproves(job);
    delivery_to_domain(hosts, report);
}

/* --- start and stop --- */

int hosts_create(struct hosts **out, struct mailbox *mailbox, const struct owners *owners,
                 const struct host_settings *settings, uint32_t jobs_max, uint32_t rounds_max)
{
    struct hosts *hosts = calloc(1, sizeof *hosts);
    int error;

    if (hosts == NULL)
        return -ENOMEM;
    hosts->mailbox = mailbox;
    hosts->owners = *owners;
    hosts->settings = *settings;
    error = registry_create(&hosts->jobs, &job_kind, jobs_max);
    if (error == 0)
        error = pool_create(&hosts->rounds, "host rounds", sizeof(struct host_round), rounds_max);
    if (error == 0 && (hosts->exhausted = facts_begin(&(struct host_job){0})) == NULL)
        error = -ENOMEM;
    if (error != 0) {
        hosts_destroy(hosts);
        return error;
    }
    hosts->exhausted->state = HOST_TROUBLE;
    hosts->exhausted->ours = true;
    hosts->exhausted->ttl_s = 0;
    snprintf(hosts->exhausted->why, sizeof hosts->exhausted->why,
             "mxward has too much to do at the moment");
    *out = hosts;
    return 0;
}

uint32_t hosts_forget(struct hosts *hosts, uint32_t most)
{
    return registry_forget_idle(hosts->jobs, most);
}

void hosts_destroy(struct hosts *hosts)
{
    registry_destroy(hosts->jobs);
    if (hosts->rounds != NULL)
        pool_destroy(hosts->rounds);
    host_facts_drop(hosts->exhausted);
    free(hosts);
}

void hosts_reload(struct hosts *hosts, const struct host_settings *settings)
{
    hosts->settings = *settings;
    hosts->epoch++;
}

void hosts_stop(struct hosts *hosts)
{
    hosts->stopping = true;
}

uint32_t hosts_running(const struct hosts *hosts)
{
    return pool_used(hosts->rounds);
}

const struct hosts_counts *hosts_counts(const struct hosts *hosts)
{
    return &hosts->counts;
}
