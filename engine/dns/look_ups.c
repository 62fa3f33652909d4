/*
 * look_ups.c - the way of a question, as the head of look_ups.h draws it.
 *
 * Called by a resolver's thread alone. Owns a fixed pool of look-ups (as many as questions held,
 * plus the abandoned), the index of those under way, and the memory of failures. Running out of any
 * of it is DNS_TROUBLE_OURS for the question.
 *
 * Weakness: somebody with hundreds of domains whose names are dead may occupy all places inside
 * for its servers' time-outs (some 5 s each, until libunbound knows the servers are dead); the
 * questions of others wait behind it and may end as "ours", never as a finding.
 */
#include "engine/dns/look_ups.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/dns/kept.h"
#include "engine/dns/turns.h"
#include "engine/loop/pool.h"

#include <errno.h>
#include <stdlib.h>

struct look_ups {
    struct look_ups_limits limits;
    struct look_ups_world world;
    struct wheel *wheel;
    struct resolver_counts *counts;

    struct pool *pool;
    struct keymap under_way;
    struct kept_answers *failures;
    struct turns *turns; /* the look-ups that wait to be begun */
    TAILQ_HEAD(look_up_list, look_up) done;
    uint32_t held, inside, abandoned;
    uint64_t still_ms; /* when this thread was last found to have stood still; 0: never */
    bool beginning;    /* in world.begin: nothing may be replied now */
};

int look_ups_create(struct look_ups **out, const struct look_ups_limits *limits,
                    const struct look_ups_world *world, struct wheel *wheel,
                    struct resolver_counts *counts)
{
    struct look_ups *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    *l = (struct look_ups){.limits = *limits, .world = *world, .wheel = wheel, .counts = counts};
    TAILQ_INIT(&l->done);
    uint32_t look_ups = limits->held + limits->inside + limits->abandoned;
    int error = pool_create(&l->pool, "dns look-ups", sizeof(struct look_up), look_ups);
    if (error == 0)
        error = keymap_create(&l->under_way, look_ups);
    if (error == 0)
        error = turns_create(&l->turns, look_ups);
    if (error == 0)
        error = kept_answers_create(&l->failures, LIMIT_DNS_FAILURES);
    if (error < 0) {
        look_ups_destroy(l);
        return error;
    }
    *out = l;
    return 0;
}

void look_ups_destroy(struct look_ups *l)
{
    if (!l)
        return;
    CHECK(l->held == 0 && TAILQ_EMPTY(&l->done));
    kept_answers_destroy(l->failures);
    turns_destroy(l->turns);
    if (l->under_way.buckets)
        keymap_destroy(&l->under_way);
    if (l->pool)
        pool_destroy(l->pool);
    free(l);
}

/* --- questions --- */

static void publish(struct look_ups *l)
{
    /* Relaxed: figures for `status`, nothing is read because of them. */
    atomic_store_explicit(&l->counts->held, l->held, memory_order_relaxed);
    atomic_store_explicit(&l->counts->inside, l->inside + l->abandoned, memory_order_relaxed);
}

/* Sends it home; takes over the reference. */
static void question_reply(struct look_ups *l, struct dns_question *question,
                           const struct dns_answer *answer)
{
    CHECK(!l->beginning);
    question->answer = answer;
    counter_add(&l->counts->answered, 1);
    l->world.reply(l->world.context, question);
}

static void question_refuse(struct look_ups *l, struct dns_question *question, uint64_t now_ms,
                            const char *why)
{
    counter_add(&l->counts->refused, 1);
    question_reply(
        l, question,
        dns_answer_failure(&question->name, question->type, DNS_TROUBLE_OURS, 0, now_ms, why));
}

static void question_attach(struct look_ups *l, struct dns_question *question,
                            struct look_up *look_up)
{
    TAILQ_INSERT_TAIL(&look_up->askers, question, entry);
    question->look_up = look_up;
    question->timer = (struct wheel_timer){.token.operation = LOOK_UPS_OPERATION_DEADLINE};
    wheel_arm(l->wheel, &question->timer, question->deadline_ms);
    l->held++;
}

static void question_detach(struct look_ups *l, struct dns_question *question)
{
    TAILQ_REMOVE(&question->look_up->askers, question, entry);
    question->look_up = NULL;
    wheel_disarm(l->wheel, &question->timer);
    l->held--;
}

/* --- look-ups --- */

static uint64_t key_hash(const struct name *name, enum dns_type type)
{
    return name_hash(name) + (uint64_t)type;
}

static struct look_up *look_up_find(struct look_ups *l, const struct name *name, enum dns_type type)
{
    struct keymap_link *link = keymap_first(&l->under_way, key_hash(name, type));

    for (; link; link = keymap_next(link)) {
        struct look_up *look_up = container_of(link, struct look_up, link);
        if (look_up->type == type && name_equal(&look_up->name, name))
            return look_up;
    }
    return NULL;
}

static struct look_up *look_up_make(struct look_ups *l, const struct name *name, enum dns_type type)
{
    struct look_up *look_up = pool_take(l->pool);

    if (!look_up)
        return NULL;
    look_up->owner = l;
    look_up->context = l->world.context;
    look_up->name = *name;
    look_up->type = type;
    look_up->state = LOOK_UP_WAITING;
    TAILQ_INIT(&look_up->askers);
    turns_join(l->turns, look_up);
    keymap_add(&l->under_way, &look_up->link, key_hash(name, type));
    return look_up;
}

static void look_up_release(struct look_up *look_up)
{
    struct look_ups *l = look_up->owner;

    CHECK(TAILQ_EMPTY(&look_up->askers));
    dns_answer_drop(look_up->answer);
    keymap_remove(&l->under_way, &look_up->link);
    turns_leave(l->turns, look_up);
    pool_give(l->pool, look_up);
}

static void look_up_become(struct look_up *look_up, enum look_up_state state)
{
    struct look_ups *l = look_up->owner;
    bool was_inside = look_up->state == LOOK_UP_INSIDE, is_inside = state == LOOK_UP_INSIDE;
    bool was_abandoned = look_up->state == LOOK_UP_ABANDONED;
    bool is_abandoned = state == LOOK_UP_ABANDONED;

    look_up->state = state;
    l->inside = l->inside + is_inside - was_inside;
    l->abandoned = l->abandoned + is_abandoned - was_abandoned;
    look_up->domain->inside = look_up->domain->inside + is_inside - was_inside;
    look_up->domain->abandoned = look_up->domain->abandoned + is_abandoned - was_abandoned;
}

/* Somebody waits for it again, or nobody does any more. */
static void look_up_revive(struct look_up *look_up)
{
    if (look_up->state == LOOK_UP_ABANDONED)
        look_up_become(look_up, LOOK_UP_INSIDE);
}

static void look_up_leave(struct look_up *look_up)
{
    struct look_ups *l = look_up->owner;

    if (!TAILQ_EMPTY(&look_up->askers))
        return;
    if (look_up->state == LOOK_UP_WAITING) {
        turns_cancel(l->turns, look_up);
        look_up_release(look_up);
    } else if (look_up->state == LOOK_UP_INSIDE) {
        look_up_become(look_up, LOOK_UP_ABANDONED);
    }
}

/* --- asking --- */

void look_ups_ask(struct look_ups *l, struct dns_question *question, uint64_t now_ms)
{
    counter_add(&l->counts->asked, 1);
    if (question->deadline_ms <= now_ms) {
        question_refuse(l, question, now_ms, "no time was left to ask");
        return;
    }
    const struct dns_answer *failure =
        kept_answers_find(l->failures, &question->name, question->type, now_ms);
    if (failure) {
        counter_add(&l->counts->cached_failures, 1);
        question_reply(l, question, dns_answer_hold(failure));
        return;
    }
    struct look_up *look_up = look_up_find(l, &question->name, question->type);
    if (look_up)
        counter_add(&l->counts->shared, 1);
    else if (l->held < l->limits.held)
        look_up = look_up_make(l, &question->name, question->type);
    if (!look_up || l->held >= l->limits.held) {
        question_refuse(l, question, now_ms, "the resolver has too many questions already");
        return;
    }
    look_up_revive(look_up);
    question_attach(l, question, look_up);
    publish(l);
}

/* NULL: nothing waits that there is room for. */
static struct look_up *look_up_next(struct look_ups *l)
{
    uint32_t all = l->limits.inside + l->limits.abandoned;

    if (l->inside >= l->limits.inside || l->inside + l->abandoned >= all)
        return NULL;
    return turns_next(l->turns, l->limits.inside - l->inside, all - l->inside - l->abandoned);
}

static void look_up_begin(struct look_ups *l, struct look_up *look_up, uint64_t now_ms)
{
    look_up_become(look_up, LOOK_UP_INSIDE);
    look_up->begun_ms = now_ms;
    counter_add(&l->counts->look_ups, 1);
    l->beginning = true;
    int error = l->world.begin(l->world.context, look_up);
    l->beginning = false;
    if (error < 0)
        look_up_answer(look_up, dns_answer_failure(&look_up->name, look_up->type, DNS_TROUBLE_OURS,
                                                   0, now_ms, "the look-up could not be begun"));
}

bool look_ups_begin(struct look_ups *l, uint64_t now_ms)
{
    for (unsigned begun = 0; begun < LIMIT_DNS_STARTS; begun++) {
        struct look_up *look_up = look_up_next(l);
        if (!look_up)
            return false;
        look_up_begin(l, look_up, now_ms);
    }
    return true;
}

/* --- answering --- */

void look_up_answer(struct look_up *look_up, const struct dns_answer *answer)
{
    struct look_ups *l = look_up->owner;

    CHECK(look_up->state == LOOK_UP_INSIDE || look_up->state == LOOK_UP_ABANDONED);
    look_up_become(look_up, LOOK_UP_DONE);
    look_up->answer = answer;
    TAILQ_INSERT_TAIL(&l->done, look_up, entry);
}

void look_ups_stood_still(struct look_ups *l, uint64_t now_ms)
{
    l->still_ms = now_ms;
}

/*
 * While this thread stood still libunbound's timers ran out: it counted the servers as silent, and
 * a zone whose keys it was fetching as bogus. It remembers both, so look-ups begun soon afterwards
 * may fail of it too.
 */
static bool is_after_standstill(const struct look_ups *l, const struct look_up *look_up)
{
    return l->still_ms > 0 && look_up->begun_ms <= l->still_ms + LIMIT_DNS_STILL_GRACE_MS;
}

static bool may_come_of_silence(const struct dns_answer *answer)
{
    return answer->kind == DNS_BOGUS || answer->trouble == DNS_TROUBLE_SERVFAIL;
}

static void blame(struct look_ups *l, struct look_up *look_up)
{
    const struct dns_answer *answer = look_up->answer;

    if (!may_come_of_silence(answer) || !is_after_standstill(l, look_up))
        return;
    look_up->answer =
        dns_answer_failure(&look_up->name, look_up->type, DNS_TROUBLE_OURS, 0, answer->at_ms,
                           "the resolver stood still during the look-up, or shortly before");
    dns_answer_drop(answer);
}

static void remember(struct look_ups *l, const struct look_up *look_up)
{
    const struct dns_answer *answer = look_up->answer;

    if (!dns_is_trouble(answer->kind)) {
        kept_answers_forget(l->failures, &look_up->name, look_up->type);
        return;
    }
    counter_add(answer->kind == DNS_BOGUS ? &l->counts->bogus : &l->counts->failed, 1);
    if (answer->trouble != DNS_TROUBLE_OURS)
        kept_answers_put(l->failures, answer);
}

void look_ups_reply(struct look_ups *l)
{
    struct look_up *look_up;
    struct dns_question *question;

    while ((look_up = TAILQ_FIRST(&l->done))) {
        TAILQ_REMOVE(&l->done, look_up, entry);
        blame(l, look_up);
        remember(l, look_up);
        while ((question = TAILQ_FIRST(&look_up->askers))) {
            question_detach(l, question);
            question_reply(l, question, dns_answer_hold(look_up->answer));
        }
        look_up_release(look_up);
    }
    publish(l);
}

/* --- deadlines --- */

/*
 * Who is to blame for a deadline: the servers only if they had the question for a while and this
 * thread looked in time and did not stand still meanwhile. Only then is it remembered, so that one
 * asker in a hurry does not make a failure for all.
 */
static const struct dns_answer *late_answer(struct look_ups *l, const struct dns_question *question,
                                            uint64_t due_ms, uint64_t now_ms)
{
    const struct look_up *look_up = question->look_up;

    if (now_ms - due_ms > LIMIT_DNS_LATE_MS) {
        counter_add(&l->counts->late, 1);
        return dns_answer_failure(&question->name, question->type, DNS_TROUBLE_OURS, 0, now_ms,
                                  "the resolver was late");
    }
    if (look_up->state == LOOK_UP_WAITING)
        return dns_answer_failure(&question->name, question->type, DNS_TROUBLE_OURS, 0, now_ms,
                                  "the resolver was too busy to ask in time");
    if (is_after_standstill(l, look_up)) {
        counter_add(&l->counts->late, 1);
        return dns_answer_failure(&question->name, question->type, DNS_TROUBLE_OURS, 0, now_ms,
                                  "the resolver stood still while it was asking");
    }
    counter_add(&l->counts->timed_out, 1);
    const struct dns_answer *answer =
        dns_answer_failure(&question->name, question->type, DNS_TROUBLE_TIMEOUT, 0, now_ms,
                           "the name servers did not answer in time");
    if (answer->trouble == DNS_TROUBLE_TIMEOUT &&
        now_ms - look_up->begun_ms >= LIMIT_DNS_PATIENCE_MS)
        kept_answers_put(l->failures, answer);
    return answer;
}

void look_ups_due(struct look_ups *l, struct wheel_timer *timer, uint64_t now_ms)
{
    struct dns_question *question = container_of(timer, struct dns_question, timer);
    struct look_up *look_up = question->look_up;

    if (look_up->state == LOOK_UP_DONE)
        return; /* its answer is about to go out */
    const struct dns_answer *answer = late_answer(l, question, timer->due_ms, now_ms);
    question_detach(l, question);
    look_up_leave(look_up);
    question_reply(l, question, answer);
    publish(l);
}

void look_ups_forget_failure(struct look_ups *l, const struct name *name, enum dns_type type)
{
    kept_answers_forget(l->failures, name, type);
}

void look_ups_stop(struct look_ups *l, uint64_t now_ms)
{
    look_ups_reply(l);
    for (uint32_t slot = 0; slot < pool_slots(l->pool) && l->held > 0; slot++) {
        struct look_up *look_up = pool_at(l->pool, slot);
        struct dns_question *question;
        if (!look_up)
            continue;
        while ((question = TAILQ_FIRST(&look_up->askers))) {
            question_detach(l, question);
            question_refuse(l, question, now_ms, "the resolver is stopping");
        }
        look_up_leave(look_up);
    }
    publish(l);
}
