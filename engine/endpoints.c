/*
 * endpoints.c - see endpoints.h. One shard's thread; no lock.
 *
 * A job is in one of four conditions: idle (no waiters), running (the prober has it), ready (in the
 * queue of its priority, for room among the parallel probes), or delayed (its timer says when
 * politeness allows it). The timer also rings at the earliest deadline of its waiters.
 *
 * Known weakness: a request that has to give up early is found by walking the job's waiters, which
 * are few (one for each host and round that uses the endpoint).
 */
#include "engine/endpoints.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/base/log.h"
#include "engine/facts/age.h"
#include "engine/loop/registry.h"
#include "engine/schedule/admission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum condition { IDLE, READY, DELAYED, RUNNING };

struct endpoint_job {
    struct registry_entry entry;     /* first: see registry.h */
    TAILQ_ENTRY(endpoint_job) ready; /* while READY */
    struct endpoint_key key;
    const struct dns_answer *tlsa; /* one reference while there are waiters */
    const struct evidence *last;   /* newest that is evidence at all; NULL: none */
    struct waiters waiters;
    struct wheel_timer timer;
    enum condition condition;
    enum priority priority; /* most urgent of the waiters */
};

TAILQ_HEAD(endpoint_jobs, endpoint_job);

struct endpoints {
    struct mailbox *mailbox;
    struct wheel *wheel;
    struct prober *prober;
    struct politeness *politeness;
    struct endpoint_jobs ready[PRIORITIES];
    struct registry *jobs;
    struct admission admission; /* of probes; shrinks as the loop's lag grows */
    bool stopping;
    uint64_t reloaded_ms;       /* evidence must have begun later; 0: no reload yet */
    struct evidence *exhausted; /* the answer when nothing can be taken */
    struct endpoints_counts counts;
};

/* --- answering --- */

static void request_answer(struct endpoints *endpoints, struct endpoint_request *request,
                           const struct evidence *evidence)
{
    uint16_t asker = request->message.from;

    request->evidence = evidence_hold(evidence);
    request->message.kind = MESSAGE_ENDPOINT_DONE;
    mailbox_send(endpoints->mailbox, asker, &request->message);
}

/* Evidence that no probe made: why there is none. Falls back to the shared one without memory. */
static const struct evidence *evidence_of_ours(struct endpoints *endpoints,
                                               const struct endpoint_key *key, enum outcome outcome,
                                               const char *detail)
{
    struct evidence *evidence = calloc(1, sizeof *evidence);

    if (evidence == NULL)
        return evidence_hold(endpoints->exhausted);
    atomic_init(&evidence->references, 1);
    evidence->key = *key;
    evidence->outcome = outcome;
    evidence->began_ms = evidence->ended_ms = clock_boot_ms();
    evidence->ended_wall_s = clock_wall_s();
    evidence->pkix = -1;
    snprintf(evidence->detail, sizeof evidence->detail, "%s", detail);
    return evidence;
}

/* Of the settings that hold now: it began after the last reload (one in the same millisecond may be
 * of either side, and is looked at again). */
static bool is_of_these_settings(const struct endpoints *endpoints, const struct evidence *evidence)
{
    return endpoints->reloaded_ms == 0 || evidence->began_ms > endpoints->reloaded_ms;
}

static bool evidence_serves(const struct endpoints *endpoints, const struct evidence *evidence,
                            uint64_t not_before_ms, uint64_t now_ms)
{
    if (evidence == NULL || !is_of_these_settings(endpoints, evidence))
        return false;
    return not_before_ms == 0
               ? now_ms < evidence_good_until_ms(evidence)
               : evidence->began_ms >= not_before_ms && now_ms < evidence_failed_until_ms(evidence);
}

/* What was seen with a resumed session is not what this one asks for. */
static bool is_too_little(const struct endpoint_request *request, const struct evidence *evidence)
{
    return request->in_full && evidence != NULL && evidence->resumed;
}

/* Answers the waiters for whom `serves` holds, and the evidence is enough; the others keep waiting,
 * in order. */
static void job_answer_if(struct endpoints *endpoints, struct endpoint_job *job,
                          const struct evidence *evidence,
                          bool (*serves)(const struct endpoint_request *, const struct evidence *,
                                         uint64_t),
                          uint64_t now_ms)
{
    struct waiters waiting = {0};
    struct waiter *waiter;

    waiters_move(&waiting, &job->waiters);
    while ((waiter = waiters_take(&waiting)) != NULL) {
        struct endpoint_request *request = container_of(waiter, struct endpoint_request, waiter);

        if (serves(request, evidence, now_ms) && !is_too_little(request, evidence))
            request_answer(endpoints, request, evidence);
        else
            waiters_add(&job->waiters, waiter);
    }
}

static bool began_in_time(const struct endpoint_request *request, const struct evidence *evidence,
                          uint64_t now_ms)
{
    (void)now_ms;
    return evidence->began_ms >= request->not_before_ms;
}

static bool must_answer_now(const struct endpoint_request *request, const struct evidence *evidence,
                            uint64_t now_ms)
{
    (void)evidence;
    return request->deadline_ms <= now_ms;
}

static bool anyone(const struct endpoint_request *request, const struct evidence *evidence,
                   uint64_t now_ms)
{
    (void)request, (void)evidence, (void)now_ms;
    return true;
}

/* --- conditions --- */

static uint64_t job_first_deadline(const struct endpoint_job *job)
{
    uint64_t first_ms = UINT64_MAX;

    for (const struct waiter *w = job->waiters.first; w != NULL; w = w->next) {
        uint64_t deadline_ms = container_of(w, struct endpoint_request, waiter)->deadline_ms;

        if (deadline_ms < first_ms)
            first_ms = deadline_ms;
    }
    return first_ms;
}

static void job_watch_deadlines(struct endpoints *endpoints, struct endpoint_job *job)
{
    uint64_t first_ms = job_first_deadline(job);

    if (first_ms != UINT64_MAX)
        wheel_arm(endpoints->wheel, &job->timer, first_ms);
}

static void job_leave(struct endpoints *endpoints, struct endpoint_job *job)
{
    if (job->condition == READY) {
        TAILQ_REMOVE(&endpoints->ready[job->priority], job, ready);
        counter_add(&endpoints->counts.waiting_for_room, (uint64_t)-1);
    } else if (job->condition == DELAYED) {
        counter_add(&endpoints->counts.waiting_for_politeness, (uint64_t)-1);
    }
    wheel_disarm(endpoints->wheel, &job->timer);
    job->condition = IDLE;
}

static void job_to_ready(struct endpoints *endpoints, struct endpoint_job *job)
{
    job_leave(endpoints, job);
    job->priority = PRIORITY_SCAN;
    for (const struct waiter *w = job->waiters.first; w != NULL; w = w->next) {
        enum priority priority = container_of(w, struct endpoint_request, waiter)->priority;

        if (priority < job->priority)
            job->priority = priority;
    }
    job->condition = READY;
    TAILQ_INSERT_TAIL(&endpoints->ready[job->priority], job, ready);
    counter_add(&endpoints->counts.waiting_for_room, 1);
    job_watch_deadlines(endpoints, job);
}

static void job_to_delayed(struct endpoints *endpoints, struct endpoint_job *job, uint64_t at_ms)
{
    uint64_t first_ms = job_first_deadline(job);

    job_leave(endpoints, job);
    job->condition = DELAYED;
    counter_add(&endpoints->counts.waiting_for_politeness, 1);
    wheel_arm(endpoints->wheel, &job->timer, first_ms < at_ms ? first_ms : at_ms);
}

/* No waiters: the TLSA set they brought is not needed any more. */
static void job_to_idle(struct endpoints *endpoints, struct endpoint_job *job)
{
    job_leave(endpoints, job);
    dns_answer_drop(job->tlsa);
    job->tlsa = NULL;
}

static bool job_wants_it_in_full(const struct endpoint_job *job)
{
    for (const struct waiter *w = job->waiters.first; w != NULL; w = w->next)
        if (container_of(w, struct endpoint_request, waiter)->in_full)
            return true;
    return false;
}

/* --- giving up: older evidence while it is good (its age says so), or why there is none --- */

typedef bool who_is_given_up(const struct endpoint_request *, const struct evidence *, uint64_t);

/* False: nobody is left who may have to hear why there is none. */
static bool job_answer_older(struct endpoints *endpoints, struct endpoint_job *job,
                             who_is_given_up *who, uint64_t now_ms)
{
    if (job->last == NULL || !is_of_these_settings(endpoints, job->last) ||
        clock_boot_ms() >= evidence_good_until_ms(job->last))
        return true;
    job_answer_if(endpoints, job, job->last, who, now_ms);
    return job_wants_it_in_full(job);
}

static void job_give_up(struct endpoints *endpoints, struct endpoint_job *job, enum outcome outcome,
                        const char *detail, who_is_given_up *who, uint64_t now_ms)
{
    const struct evidence *evidence;

    if (!job_answer_older(endpoints, job, who, now_ms))
        return;
    evidence = evidence_of_ours(endpoints, &job->key, outcome, detail);
    job_answer_if(endpoints, job, evidence, who, now_ms);
    evidence_drop(evidence);
}

/* --- who asked not to be probed ---
 *
 * Hosts of different names share a job where they are the same endpoint, but each has asked for
 * itself, so it is the request that is refused and not the job: a probe for the others goes out,
 * and none for this one. It gets none of their evidence either: what is answered would depend on
 * who else had been asked for lately. */

static bool refuse_opted_out(struct endpoints *endpoints, struct endpoint_request *request)
{
    const struct evidence *evidence;

    if (!politeness_opted_out(endpoints->politeness, &request->key, request->found))
        return false;
    counter_add(&endpoints->counts.opted_out, 1);
    evidence = evidence_of_ours(endpoints, &request->key, OUTCOME_OPTED_OUT,
                                "the address or name is on the opt-out list");
    request_answer(endpoints, request, evidence);
    evidence_drop(evidence);
    return true;
}

/* The list may have been changed since they asked. False: nobody is left to connect for. */
static bool job_is_wanted(struct endpoints *endpoints, struct endpoint_job *job)
{
    struct waiters waiting = {0};
    struct waiter *waiter;

    waiters_move(&waiting, &job->waiters);
    while ((waiter = waiters_take(&waiting)) != NULL)
        if (!refuse_opted_out(endpoints, container_of(waiter, struct endpoint_request, waiter)))
            waiters_add(&job->waiters, waiter);
    return job->waiters.first != NULL;
}

/* --- starting --- */

static bool later_than_allowed(const struct endpoint_request *request,
                               const struct evidence *evidence, uint64_t at_ms)
{
    (void)evidence;
    return request->deadline_ms <= at_ms;
}

static void job_delay(struct endpoints *endpoints, struct endpoint_job *job, uint64_t at_ms)
{
    struct waiter *before = job->waiters.first;

    job_give_up(endpoints, job, OUTCOME_LIMITED, "the politeness budget for this address is spent",
                later_than_allowed, at_ms);
    if (before != job->waiters.first)
        counter_add(&endpoints->counts.limited, 1);
    if (job->waiters.first == NULL)
        job_to_idle(endpoints, job);
    else
        job_to_delayed(endpoints, job, at_ms);
}

static void job_start(struct endpoints *endpoints, struct endpoint_job *job)
{
    uint64_t now_ms = clock_boot_ms(), at_ms = now_ms;
    int error;

    if (!job_is_wanted(endpoints, job)) { /* by now */
        job_to_idle(endpoints, job);
        return;
    }
    if (politeness_begin(endpoints->politeness, &job->key.address, now_ms, &at_ms) ==
        PERMIT_LATER) {
        job_delay(endpoints, job, at_ms > now_ms ? at_ms : now_ms + 1);
        return;
    }
    if (job_wants_it_in_full(job))
        prober_forget_session(endpoints->prober, &job->key);
    error =
        prober_start(endpoints->prober, &job->key, job->tlsa, registry_slot(endpoints->jobs, job));
    if (error != 0) {
        politeness_ended(endpoints->politeness, &job->key.address, NULL, now_ms);
        job_give_up(endpoints, job, OUTCOME_OURS_RESOURCES, "no room for another probe", anyone,
                    now_ms);
        job_to_idle(endpoints, job);
        return;
    }
    job_leave(endpoints, job);
    job->condition = RUNNING;
    job_watch_deadlines(endpoints, job);
    counter_add(&endpoints->counts.probes, 1);
}

/* The probe's first connection is closed; its place is still taken (prober_may_again). */
static bool job_may_again(void *context, uint64_t slot)
{
    struct endpoints *endpoints = context;
    struct endpoint_job *job = registry_at(endpoints->jobs, (uint32_t)slot);

    CHECK(job != NULL && job->condition == RUNNING); /* a running job is never forgotten */
    if (job->waiters.first != NULL && !job_is_wanted(endpoints, job))
        return false;
    return politeness_again(endpoints->politeness, &job->key.address, clock_boot_ms());
}

static const enum admission_class admission_of[PRIORITIES] = {
    [PRIORITY_LIVE] = ADMIT_LIVE,
    [PRIORITY_ASKED] = ADMIT_ASKED,
    [PRIORITY_REFRESH] = ADMIT_REFRESH,
    [PRIORITY_SCAN] = ADMIT_SCAN,
};

static void endpoints_start_ready(struct endpoints *endpoints)
{
    for (int priority = PRIORITY_LIVE; priority < PRIORITIES; priority++) {
        struct endpoint_job *job;

        while (prober_running(endpoints->prober) <
                   admission_allowed(&endpoints->admission, admission_of[priority]) &&
               (job = TAILQ_FIRST(&endpoints->ready[priority])) != NULL) {
            job_leave(endpoints, job);
            job_start(endpoints, job);
        }
    }
}

/* --- ending --- */

static void job_learns(struct endpoint_job *job, const struct evidence *evidence)
{
    if (outcome_says(evidence->outcome) == SAYS_OURS)
        return; /* no evidence: what we knew before stays (unknown never lowers) */
    evidence_drop(job->last);
    job->last = evidence_hold(evidence);
}

/* Those the probe was for. Not who came to it and wants it in full: it was not. */
static bool asked_before(const struct endpoint_request *request, const struct evidence *evidence,
                         uint64_t began_ms)
{
    (void)evidence;
    return request->not_before_ms <= began_ms && !request->in_full;
}

/* What it found; or, where there was no budget for its second connection, what would have been
 * answered without the first. */
static void job_answer(struct endpoints *endpoints, struct endpoint_job *job,
                       const struct evidence *evidence, uint64_t now_ms)
{
    if (!is_of_these_settings(endpoints, evidence))
        return;
    if (evidence->outcome != OUTCOME_LIMITED) {
        job_answer_if(endpoints, job, evidence, began_in_time, now_ms);
        return;
    }
    counter_add(&endpoints->counts.limited, 1);
    if (job_answer_older(endpoints, job, asked_before, evidence->began_ms))
        job_answer_if(endpoints, job, evidence, asked_before, evidence->began_ms);
}

static void job_ended(struct endpoints *endpoints, struct endpoint_job *job,
                      const struct evidence *evidence)
{
    uint64_t now_ms = clock_boot_ms();

    CHECK(job->condition == RUNNING);
    job->condition = IDLE;
    wheel_disarm(endpoints->wheel, &job->timer);
    politeness_ended(endpoints->politeness, &job->key.address, evidence, now_ms);
    job_learns(job, evidence);
    job_answer(endpoints, job, evidence, now_ms);
    if (endpoints->stopping)
        job_give_up(endpoints, job, OUTCOME_OURS_CANCELLED, "mxward is stopping", anyone, now_ms);
    if (job->waiters.first == NULL)
        job_to_idle(endpoints, job);
    else
        job_to_ready(endpoints, job);
}

void endpoints_turn(struct endpoints *endpoints)
{
    const struct evidence *evidence;
    uint64_t slot;

    while ((evidence = prober_take_ended(endpoints->prober, &slot)) != NULL) {
        struct endpoint_job *job = registry_at(endpoints->jobs, (uint32_t)slot);

        CHECK(job != NULL); /* a running job is never forgotten */
        job_ended(endpoints, job, evidence);
        evidence_drop(evidence);
    }
    endpoints_start_ready(endpoints);
}

void endpoints_due(struct endpoints *endpoints, struct wheel_timer *timer)
{
    struct endpoint_job *job = container_of(timer, struct endpoint_job, timer);
    uint64_t now_ms = clock_boot_ms();
    bool delayed = job->condition == DELAYED;

    counter_add(&endpoints->counts.late, 1);
    job_give_up(endpoints, job, delayed ? OUTCOME_LIMITED : OUTCOME_OURS_RESOURCES,
                delayed ? "the politeness budget for this address is spent"
                        : "mxward had no time for this probe",
                must_answer_now, now_ms);
    if (job->condition == RUNNING) {
        job_watch_deadlines(endpoints, job);
    } else if (job->waiters.first == NULL) {
        job_to_idle(endpoints, job);
    } else {
        job_to_ready(endpoints, job); /* politeness is asked again when it is its turn */
    }
}

/* --- asking --- */

static bool job_is(const void *object, const void *key)
{
    return endpoint_key_equal(&((const struct endpoint_job *)object)->key, key);
}

static void job_begin(void *object, const void *key)
{
    ((struct endpoint_job *)object)->key = *(const struct endpoint_key *)key;
}

static bool job_idle(const void *object)
{
    return ((const struct endpoint_job *)object)->condition == IDLE;
}

static void job_forget(void *object)
{
    struct endpoint_job *job = object;

    CHECK(job->waiters.first == NULL);
    evidence_drop(job->last);
}

static const struct registry_kind job_kind = {
    .name = "endpoint jobs",
    .bytes = sizeof(struct endpoint_job),
    .is = job_is,
    .begin = job_begin,
    .idle = job_idle,
    .forget = job_forget,
};

static struct endpoint_job *job_of(struct endpoints *endpoints, const struct endpoint_key *key)
{
    struct endpoint_job *job = registry_find(endpoints->jobs, key, endpoint_key_hash(key));

    if (job != NULL)
        job->timer.token =
            (struct ring_token){.operation = ENDPOINTS_OPERATION_TIMER,
                                .slot = registry_slot(endpoints->jobs, job),
                                .generation = registry_generation(endpoints->jobs, job)};
    return job;
}

void endpoints_ask(struct endpoints *endpoints, struct endpoint_request *request)
{
    struct endpoint_job *job;

    counter_add(&endpoints->counts.asked, 1);
    if (!endpoints->stopping && refuse_opted_out(endpoints, request))
        return;
    job = endpoints->stopping ? NULL : job_of(endpoints, &request->key);
    if (job == NULL) {
        counter_add(&endpoints->counts.no_room, 1);
        request_answer(endpoints, request, endpoints->exhausted);
        return;
    }
    if (evidence_serves(endpoints, job->last, request->not_before_ms, clock_boot_ms()) &&
        !is_too_little(request, job->last)) {
        counter_add(&endpoints->counts.served, 1);
        request_answer(endpoints, request, job->last);
        return;
    }
    if (job->tlsa == NULL && request->tlsa != NULL)
        job->tlsa = dns_answer_hold(request->tlsa);
    waiters_add(&job->waiters, &request->waiter);
    if (job->condition == RUNNING) {
        counter_add(&endpoints->counts.shared, 1);
        if (!wheel_armed(&job->timer) || request->deadline_ms < job->timer.due_ms)
            wheel_arm(endpoints->wheel, &job->timer, request->deadline_ms);
    } else if (job->condition == READY && request->priority >= job->priority) {
        /* In its place: who is asked about more often than the queue moves would never begin. */
        job_watch_deadlines(endpoints, job);
    } else {
        /* Again, if its urgency has grown; politeness, if that is what it waits for, says whether
         * the one that came is to wait too. */
        job_to_ready(endpoints, job);
    }
}

/* --- deliveries --- */

/* Evidence of settings that no longer hold is not renewed: it would serve again. */
enum delivery_effect endpoints_delivery(struct endpoints *endpoints, const struct endpoint_key *key,
                                        const struct delivery *delivery)
{
    const struct endpoint_job *found = registry_look(endpoints->jobs, key, endpoint_key_hash(key));
    struct endpoint_job *job = (struct endpoint_job *)(uintptr_t)found;
    const int64_t now_s = clock_wall_s();
    const struct evidence *fresh;
    enum delivery_effect effect;
    uint64_t began_ms;

    if (job == NULL || job->last == NULL || delivery_fault(delivery, now_s) != DELIVERY_GOOD ||
        !is_of_these_settings(endpoints, job->last))
        return DELIVERY_SAYS_NOTHING;
    began_ms = delivery_began_ms(delivery, clock_boot_ms(), now_s);
    effect = delivery_effect(delivery, job->last, began_ms);
    if (effect == DELIVERY_SAYS_NOTHING)
        return effect;
    fresh = NULL;
    if (effect == DELIVERY_RENEWS &&
        (fresh = evidence_renew(job->last, began_ms, delivery->at_s)) == NULL)
        return DELIVERY_SAYS_NOTHING; /* no memory: it only stays as old as it is */
    evidence_drop(job->last);
    job->last = fresh;
    counter_add(fresh != NULL ? &endpoints->counts.renewed : &endpoints->counts.disproved, 1);
    return effect;
}

/* --- start and stop --- */

void endpoints_observe(struct endpoints *endpoints, uint64_t lag_ms)
{
    admission_observe(&endpoints->admission, lag_ms, prober_running(endpoints->prober),
                      clock_boot_ms());
}

int endpoints_create(struct endpoints **out, struct mailbox *mailbox, struct wheel *wheel,
                     struct prober *prober, struct politeness *politeness, uint32_t jobs_max,
                     uint32_t probes_max)
{
    struct endpoints *endpoints = calloc(1, sizeof *endpoints);
    int error;

    if (endpoints == NULL)
        return -ENOMEM;
    endpoints->mailbox = mailbox;
    endpoints->wheel = wheel;
    endpoints->prober = prober;
    endpoints->politeness = politeness;
    admission_start(&endpoints->admission, probes_max, clock_boot_ms());
    for (int priority = 0; priority < PRIORITIES; priority++)
        TAILQ_INIT(&endpoints->ready[priority]);
    error = registry_create(&endpoints->jobs, &job_kind, jobs_max);
    if (error == 0 && (endpoints->exhausted = calloc(1, sizeof *endpoints->exhausted)) == NULL)
        error = -ENOMEM;
    if (error != 0) {
        endpoints_destroy(endpoints);
        return error;
    }
    prober_ask_again(prober, job_may_again, endpoints);
    atomic_init(&endpoints->exhausted->references, 1);
    endpoints->exhausted->outcome = OUTCOME_OURS_RESOURCES;
    endpoints->exhausted->pkix = -1;
    snprintf(endpoints->exhausted->detail, sizeof endpoints->exhausted->detail,
             "mxward has too much to do at the moment");
    *out = endpoints;
    return 0;
}

static void job_stop(void *object, void *context)
{
    struct endpoint_job *job = object;
    struct endpoints *endpoints = context;

    if (job->condition == RUNNING || job->waiters.first == NULL)
        return;
    job_give_up(endpoints, job, OUTCOME_OURS_CANCELLED, "mxward is stopping", anyone, 0);
    job_to_idle(endpoints, job);
}

void endpoints_reload(struct endpoints *endpoints)
{
    endpoints->reloaded_ms = clock_boot_ms();
}

void endpoints_stop(struct endpoints *endpoints)
{
    endpoints->stopping = true;
    registry_each(endpoints->jobs, job_stop, endpoints);
    prober_cancel_all(endpoints->prober);
}

uint32_t endpoints_forget(struct endpoints *endpoints, uint32_t most)
{
    return registry_forget_idle(endpoints->jobs, most);
}

void endpoints_destroy(struct endpoints *endpoints)
{
    registry_destroy(endpoints->jobs);
    evidence_drop(endpoints->exhausted);
    free(endpoints);
}

const struct endpoints_counts *endpoints_counts(const struct endpoints *endpoints)
{
    return &endpoints->counts;
}
