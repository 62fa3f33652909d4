/*
 * tables.c - what a handle answers from the tables: see mxward.h. The rules of when they are
 * enough, and when they will do, are local.h's; here is the order in which table and daemon are
 * asked.
 *
 * Failure: what is wrong with the tables is as if there were none; the daemon is asked.
 */
#include "ipc/client/handle.h"

#include "ipc/client/decision.h"
#include "ipc/decide/verdict_reply.h"

#include <string.h>
#include <time.h>

uint64_t tables_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A tick late at most, as the mail program's own time() is, and a tenth of the cost. */
static int64_t wall_s(void)
{
    return time(NULL);
}

/* Off the hot path, once a second at most: a program that does not ask needs no tables. True: what
 * was asked of them must be asked anew. */
static bool tables_follow(struct mxw *m, uint64_t now_ms)
{
    if (now_ms - m->looked_ms < TABLES_REFRESH_MS && !local_follow(m->local))
        return false;
    if (now_ms - m->looked_ms >= TABLES_REFRESH_MS)
        local_refresh(m->local);
    m->looked_ms = now_ms;
    return true;
}

bool tables_look(struct mxw *m, struct local_outcome *out, const struct frame_decide *asked,
                 uint64_t arrived_ms)
{
    uint64_t now_ms;

    if (!m->local)
        return false;
    local_begin(m->local, out, asked);
    now_ms = tables_now_ms(); /* what is needed comes from memory meanwhile */
    if (tables_follow(m, now_ms))
        local_begin(m->local, out, asked);
    local_fetch(m->local, out, now_ms);
    local_look_on(m->local, out, asked, arrived_ms, wall_s());
    return true;
}

void tables_look_ahead(struct mxw *m, struct local_outcome *outs, const struct frame_decide *asked,
                       unsigned count)
{
    const uint64_t now_ms = tables_now_ms();

    if (!m->local)
        return;
    (void)tables_follow(m, now_ms); /* nothing is asked yet */
    for (unsigned i = 0; i < count; i++)
        local_begin(m->local, &outs[i], &asked[i]);
    for (unsigned i = 0; i < count; i++)
        local_fetch(m->local, &outs[i], now_ms);
}

bool tables_look_on(const struct mxw *m, struct local_outcome *out,
                    const struct frame_decide *asked, uint64_t arrived_ms)
{
    if (!m->local)
        return false;
    out->now_ms = tables_now_ms(); /* between two of them the program did as it liked */
    local_look_on(m->local, out, asked, arrived_ms, wall_s());
    return true;
}

bool tables_stand(const struct local_outcome *out)
{
    return local_is_enough(out) || local_will_do(out, false);
}

bool tables_silent(const struct mxw *m, int64_t now_ms)
{
    return now_ms < m->silent_ms;
}

int tables_give(struct mxw *m, const struct local_outcome *out, struct mxw_decision *decision)
{
    if (out->error == FRAME_ERROR_NONE) {
        *decision = out->decision;
        return MXW_OK;
    }
    decision_temporary(decision, out->why);
    return handle_fail(m, MXW_INVALID, "%s", out->why);
}

int tables_instead(struct mxw *m, struct mxw_decision *decision, const struct frame_decide *asked,
                   uint64_t arrived_ms, int status, const char *why)
{
    struct local_outcome out;

    if (!tables_look(m, &out, asked, arrived_ms)) {
        decision_temporary(decision, why);
        return status;
    }
    if (tables_stand(&out))
        return tables_give(m, &out, decision);
    if (out.error == FRAME_ERROR_NONE && !out.inbound) {
        *decision = out.decision; /* its text says more than that we were away */
        decision_hold(decision);
    } else {
        decision_temporary(decision, why);
    }
    return status;
}

void tables_deadline(struct frame_decide *asked, int64_t left_ms)
{
    if (asked->deadline_ms == 0 && left_ms > 0 && left_ms < DAEMON_DEADLINE_MS)
        asked->deadline_ms = (uint32_t)(left_ms - left_ms / 8);
}

/* --- one message --- */

/* What the daemon says; MXW_OK, MXW_INVALID, or why it says nothing. */
static int decide_ask(struct mxw *m, struct frame_decide *asked, struct mxw_result *result,
                      int64_t until_ms)
{
    int status;

    tables_deadline(asked, until_ms - handle_now_ms());
    result->sentence[0] = 0;
    status = handle_ask(m, FRAME_DECIDE, asked, result, until_ms);
    if (handle_is_trouble(status) && result->sentence[0] == 0 && handle_now_ms() >= until_ms)
        m->silent_ms = until_ms + SILENCE_MS;
    return status;
}

/* The same; a daemon that is away is waited for as long as nobody else can tell. */
static int decide_ask_patiently(struct mxw *m, struct frame_decide *asked,
                                struct mxw_result *result, uint64_t arrived_ms, int64_t until_ms)
{
    int status = decide_ask(m, asked, result, until_ms);
    struct local_outcome out;

    while (status == MXW_UNREACHABLE && !tables_silent(m, handle_now_ms()) &&
           !(tables_look(m, &out, asked, arrived_ms) && tables_stand(&out)) &&
           handle_await(m, until_ms))
        status = decide_ask(m, asked, result, until_ms);
    return status;
}

static int decide(struct mxw *m, const struct mxw_message *message, struct mxw_decision *decision,
                  int wait_ms)
{
    const uint64_t arrived_ms = tables_now_ms();
    const int64_t begun_ms = wait_ms > 0 ? handle_now_ms() : 0;
    struct mxw_result result = {.size = sizeof result};
    struct local_outcome out;
    struct frame_decide asked;
    bool known;
    int status = message_encode(m, &asked, message);

    if (status != MXW_OK) {
        decision_temporary(decision, m->reason);
        return status;
    }
    known = tables_look(m, &out, &asked, arrived_ms);
    if (known && (local_is_enough(&out) ||
                  (wait_ms > 0 && tables_silent(m, begun_ms) && tables_stand(&out))))
        return tables_give(m, &out, decision);
    if (wait_ms <= 0) {
        status = handle_fail(m, MXW_TIMEOUT, "the daemon was not to be asked");
        return tables_instead(m, decision, &asked, arrived_ms, status, LOCAL_AWAY);
    }
    handle_own(m);
    status = decide_ask_patiently(m, &asked, &result, arrived_ms, begun_ms + wait_ms);
    if (status == MXW_OK)
        *decision = result.decision;
    else if (handle_is_trouble(status))
        status = tables_instead(m, decision, &asked, arrived_ms, status,
                                result.sentence[0] ? result.sentence : LOCAL_AWAY);
    else
        decision_temporary(decision, m->reason);
    return status;
}

int mxw_decide(struct mxw *m, const struct mxw_message *message, struct mxw_decision *decision,
               int wait_ms)
{
    struct mxw *entered = handle_enter(m);
    int status;

    if (entered == NULL) {
        decision_temporary(decision, "the handle is in use by another call");
        return MXW_USAGE;
    }
    status = decide(m, message, decision, wait_ms);
    handle_leave(&entered);
    return status;
}

/* --- one next hop --- */

static bool check_table(struct mxw *m, const struct frame_question *asked,
                        const struct next_hop *next_hop, struct frame_verdict *reply)
{
    const uint64_t now_ms = tables_now_ms();

    if (!m->local)
        return false;
    (void)tables_follow(m, now_ms);
    return local_verdict(m->local, reply, next_hop,
                         question_not_before(asked->freshness, asked->max_age_ms, now_ms), now_ms,
                         wall_s());
}

int mxw_check(struct mxw *m, const struct mxw_question *question, struct mxw_verdict *verdict,
              int wait_ms)
{
    HANDLE_ENTER(m, MXW_USAGE);
    struct mxw_result result = {.size = sizeof result};
    struct frame_question asked;
    struct frame_verdict reply;
    struct next_hop next_hop;
    int status = question_encode(m, &asked, &next_hop, question);

    if (status != MXW_OK)
        return status;
    if (check_table(m, &asked, &next_hop, &reply)) {
        verdict_read(verdict, &reply);
        return MXW_OK;
    }
    handle_own(m);
    status = handle_ask(m, FRAME_CHECK, &asked, &result, handle_now_ms() + wait_ms);
    if (status == MXW_OK)
        *verdict = result.verdict;
    return status;
}

/* --- without waiting --- */

/* As if it had come from the daemon. */
static int ready_put(struct mxw *m, uint8_t kind, const void *reply, uint64_t *id)
{
    for (;;) {
        const size_t size = frame_encode(m->ready + m->ready_end, READY_BYTES - m->ready_end, kind,
                                         0, m->next_id, reply);

        if (size > 0) {
            m->ready_end += (uint32_t)size;
            m->ready_count++;
            m->outstanding++;
            *id = m->next_id++;
            return MXW_OK;
        }
        if (m->ready_start == 0)
            return handle_fail(m, MXW_FULL, "answers must be received before more can be sent");
        memmove(m->ready, m->ready + m->ready_start, m->ready_end - m->ready_start);
        m->ready_end -= m->ready_start;
        m->ready_start = 0;
    }
}

static int decided_put(struct mxw *m, const struct local_outcome *out, uint64_t *id)
{
    struct frame_answer reply;

    local_reply(out, &reply);
    return ready_put(m, FRAME_ANSWER, &reply, id);
}

int check_send(struct mxw *m, const struct mxw_question *question, uint64_t *id)
{
    struct frame_question asked;
    struct frame_verdict reply;
    struct next_hop next_hop;
    int status = question_encode(m, &asked, &next_hop, question);

    if (status != MXW_OK)
        return status;
    handle_own(m);
    if (check_table(m, &asked, &next_hop, &reply))
        return ready_put(m, FRAME_VERDICT, &reply, id);
    return handle_send(m, FRAME_CHECK, &asked, id, handle_now_ms() + m->connect_ms);
}

int mxw_send(struct mxw *m, const struct mxw_question *question, uint64_t *id)
{
    HANDLE_ENTER(m, MXW_USAGE);
    return check_send(m, question, id);
}

int mxw_send_message(struct mxw *m, const struct mxw_message *message, uint64_t *id)
{
    HANDLE_ENTER(m, MXW_USAGE);
    const int64_t now_ms = handle_now_ms();
    const uint64_t arrived_ms = tables_now_ms();
    struct local_outcome out;
    struct frame_decide asked;
    bool known, stands, others;
    int status = message_encode(m, &asked, message);

    if (status != MXW_OK)
        return status;
    handle_own(m);
    known = tables_look(m, &out, &asked, arrived_ms);
    if (known && out.error == FRAME_ERROR_NAME)
        return handle_fail(m, MXW_INVALID, "%s", out.why);
    stands = known && tables_stand(&out);
    if (known && (local_is_enough(&out) || (stands && tables_silent(m, now_ms))))
        return decided_put(m, &out, id);
    others = m->outstanding > m->ready_count;
    status = handle_send(m, FRAME_DECIDE, &asked, id, now_ms + m->connect_ms);
    if (status == MXW_OK && known)
        pending_keep(m, *id, &asked, arrived_ms);
    if (others && m->fd < 0) /* whoever waits for those must be told that they are lost */
        return status;
    return stands && handle_is_trouble(status) ? decided_put(m, &out, id) : status;
}
