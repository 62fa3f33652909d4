/*
 * many.c - many questions in one call, and the recipients of a message: see mxward.h.
 *
 * Bounded: of questions a window is outstanding, of recipients there are at most MXW_MANY. Each
 * gets exactly one answer.
 */
#include "ipc/client/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW        128 /* of mxw_check_many, unless told */
#define WINDOW_MAX    4096
#define BUSY_TRIES    100 /* a busy question is asked again that often */
#define BUSY_SLEEP_MS 50

/* --- questions --- */

enum slot_state { SLOT_FREE, SLOT_TO_SEND, SLOT_SENT };

struct slot {
    enum slot_state state;
    size_t place; /* in the questions */
    uint64_t id;
};

struct many {
    struct mxw *m;
    const struct mxw_question *questions;
    size_t stride; /* bytes of a question: by the caller's size */
    size_t count, next, done;
    unsigned window, busy;
    struct slot *slots;
    mxw_answer *answer;
    void *context;
};

static int many_done(struct many *many, struct slot *slot, const struct mxw_result *result)
{
    slot->state = SLOT_FREE;
    many->busy = 0;
    many->done++;
    return -many->answer(many->context, slot->place, result);
}

static int many_send(struct many *many, struct slot *slot)
{
    struct mxw_result result = {.size = sizeof result, .status = MXW_INVALID};
    const void *question = (const char *)many->questions + slot->place * many->stride;
    int status = check_send(many->m, question, &slot->id);

    if (status == MXW_OK)
        slot->state = SLOT_SENT;
    if (status != MXW_INVALID)
        return status;
    snprintf(result.sentence, sizeof result.sentence, "%s", mxw_reason(many->m));
    return many_done(many, slot, &result);
}

/* Sends what there is to send, as far as there is room. */
static int many_fill(struct many *many)
{
    for (unsigned i = 0; i < many->window; i++) {
        struct slot *slot = &many->slots[i];
        int status = MXW_OK;

        if (slot->state == SLOT_FREE && many->next < many->count) {
            slot->place = many->next++;
            slot->state = SLOT_TO_SEND;
        }
        if (slot->state == SLOT_TO_SEND)
            status = many_send(many, slot);
        if (status == MXW_FULL)
            return MXW_OK; /* the rest when some answers were received */
        if (status != MXW_OK)
            return status;
    }
    return MXW_OK;
}

static int many_answered(struct many *many, const struct mxw_result *result)
{
    const struct timespec pause = {.tv_nsec = BUSY_SLEEP_MS * 1000000};
    unsigned i = 0;

    while (i < many->window &&
           (many->slots[i].state != SLOT_SENT || many->slots[i].id != result->id))
        i++;
    if (i == many->window)
        return MXW_OK;
    if (result->status == MXW_BUSY && many->busy++ < BUSY_TRIES) {
        many->slots[i].state = SLOT_TO_SEND;
        nanosleep(&pause, NULL);
        return MXW_OK;
    }
    return many_done(many, &many->slots[i], result);
}

static int many_run(struct many *many, int wait_ms)
{
    struct mxw_result result = {.size = sizeof result};
    int status = MXW_OK, losses = 0;

    while (many->done < many->count && status == MXW_OK) {
        status = many_fill(many);
        if (status == MXW_OK && many->m->outstanding > 0)
            status = handle_receive(many->m, &result, handle_now_ms() + wait_ms);
        else if (status == MXW_OK)
            continue;
        if (status == MXW_OK)
            status = many_answered(many, &result);
        if (status != MXW_UNREACHABLE || losses++ > 0)
            continue;
        for (unsigned i = 0; i < many->window; i++) /* those that were out: again, once */
            if (many->slots[i].state == SLOT_SENT)
                many->slots[i].state = SLOT_TO_SEND;
        status = MXW_OK;
    }
    return status;
}

int mxw_check_many(struct mxw *m, const struct mxw_question *questions, size_t count,
                   unsigned window, int wait_ms, mxw_answer *answer, void *context)
{
    struct many many = {.m = m,
                        .questions = questions,
                        .count = count,
                        .window = window == 0           ? WINDOW
                                  : window > WINDOW_MAX ? WINDOW_MAX
                                                        : window,
                        .answer = answer,
                        .context = context};
    int status;

    HANDLE_ENTER(m, MXW_USAGE);
    handle_own(m);
    if (m->outstanding > 0)
        return handle_fail(m, MXW_USAGE, "other questions are outstanding: use mxw_send");
    many.stride = count > 0 ? layout_size(questions) : 1;
    if (many.stride == 0)
        return handle_fail(m, MXW_USAGE, LAYOUT_UNKNOWN);
    many.slots = calloc(many.window, sizeof *many.slots);
    if (!many.slots)
        return handle_fail(m, MXW_MEMORY, "no memory");
    status = many_run(&many, wait_ms);
    if (status != MXW_OK) /* what is still out belongs to nobody */
        handle_disconnect(m);
    free(many.slots);
    return status;
}

/* --- recipients --- */

enum asked { ASKED_NOT_YET, ASKED_SENT, ASKED_ANSWERED };

struct recipients {
    struct mxw *m;
    const char *messages;
    size_t stride; /* bytes of a message: by the caller's size */
    size_t count, next, left;
    int64_t until_ms;
    uint64_t arrived_ms; /* boot clock */
    mxw_answer *answer;
    void *context;
    int stopped;       /* what `answer` returned */
    bool heard;        /* the daemon has answered something */
    uint64_t first_id; /* of those that are out on this connection */
    size_t sent;
    uint16_t place_of[MXW_MANY]; /* by id, from first_id on */
    uint8_t state[MXW_MANY];     /* enum asked */
    struct mxw_result result;
};

static int recipient_encode(struct recipients *all, size_t place, struct frame_decide *asked)
{
    return message_encode(all->m, asked, (const void *)(all->messages + place * all->stride));
}

/* all->result has the decision. */
static void recipient_answer(struct recipients *all, size_t place, int status)
{
    struct mxw_result *result = &all->result;

    result->status = status;
    result->decided = status == MXW_OK;
    if (status == MXW_OK)
        result->sentence[0] = 0;
    all->state[place] = ASKED_ANSWERED;
    all->left--;
    all->stopped = all->answer(all->context, place, result);
}

static void recipient_fails(struct recipients *all, size_t place, int status)
{
    struct mxw_result *result = &all->result;

    snprintf(result->sentence, sizeof result->sentence, "%s", mxw_reason(all->m));
    recipient_answer(all, place, status);
}

/* Nobody says more of this one. `why`: for the sender of the mail. */
static void recipient_settle(struct recipients *all, size_t place, int status, const char *why)
{
    struct frame_decide asked;

    if (recipient_encode(all, place, &asked) == MXW_OK)
        status =
            tables_instead(all->m, &all->result.decision, &asked, all->arrived_ms, status, why);
    recipient_fails(all, place, status);
}

/* Those that can be answered without the daemon, before anybody waits for it. */
static void recipients_known(struct recipients *all)
{
    const bool silent = tables_silent(all->m, handle_now_ms());
    struct local_outcome out;
    struct frame_decide asked;

    for (size_t place = 0; place < all->count && all->stopped == 0; place++) {
        int status = recipient_encode(all, place, &asked);

        if (status != MXW_OK) {
            decision_temporary(&all->result.decision, mxw_reason(all->m));
            recipient_fails(all, place, status);
        } else if (tables_look(all->m, &out, &asked, all->arrived_ms) &&
                   (local_is_enough(&out) || (silent && tables_stand(&out)))) {
            recipient_fails(all, place, tables_give(all->m, &out, &all->result.decision));
        }
    }
}

/* Sends what there is to send, as far as there is room. */
static int recipients_send(struct recipients *all)
{
    struct frame_decide asked;
    int status = handle_connect(all->m, all->until_ms);
    uint64_t id;

    for (; status == MXW_OK && all->next < all->count; all->next++) {
        if (all->state[all->next] == ASKED_ANSWERED)
            continue;
        recipient_encode(all, all->next, &asked);
        tables_deadline(&asked, all->until_ms - handle_now_ms());
        status = handle_send(all->m, FRAME_DECIDE, &asked, &id, all->until_ms);
        if (status != MXW_OK)
            break;
        if (all->sent == 0)
            all->first_id = id;
        all->place_of[all->sent++] = (uint16_t)all->next;
        all->state[all->next] = ASKED_SENT;
    }
    return status == MXW_FULL ? MXW_OK : status; /* the rest when some answers were received */
}

/* False: nobody was asked by that id. */
static bool recipient_of(const struct recipients *all, uint64_t id, size_t *place)
{
    const uint64_t nth = id - all->first_id;

    if (nth >= all->sent)
        return false;
    *place = all->place_of[nth];
    return all->state[*place] == ASKED_SENT;
}

static int recipients_receive(struct recipients *all)
{
    struct mxw_result *result = &all->result;
    int status = handle_receive(all->m, result, all->until_ms);
    char why[sizeof result->sentence];
    size_t place = 0;

    if (status != MXW_OK)
        return status;
    all->heard = true;
    if (!recipient_of(all, result->id, &place)) {
        handle_disconnect(all->m);
        return handle_fail(all->m, MXW_PROTOCOL, "an answer came that nobody had asked for");
    }
    if (!handle_is_trouble(result->status)) {
        recipient_answer(all, place, result->status);
        return MXW_OK;
    }
    memcpy(why, result->sentence, sizeof why);
    handle_fail(all->m, result->status, "%s", why);
    recipient_settle(all, place, result->status, why);
    return MXW_OK;
}

/* The daemon was restarted meanwhile: those that were out go again. */
static void recipients_again(struct recipients *all)
{
    for (size_t place = 0; place < all->count; place++)
        if (all->state[place] == ASKED_SENT)
            all->state[place] = ASKED_NOT_YET;
    all->next = all->sent = 0;
}

/* Is there one that only the daemon can tell of? Then one that is away is waited for. */
static bool recipients_await(struct recipients *all)
{
    struct local_outcome out;
    struct frame_decide asked;

    if (tables_silent(all->m, handle_now_ms()))
        return false;
    for (size_t place = 0; place < all->count; place++)
        if (all->state[place] != ASKED_ANSWERED && recipient_encode(all, place, &asked) == MXW_OK &&
            !(tables_look(all->m, &out, &asked, all->arrived_ms) && tables_stand(&out)))
            return handle_await(all->m, all->until_ms);
    return false;
}

static int recipients_ask(struct recipients *all)
{
    bool again = all->m->fd >= 0;
    int status = MXW_OK;

    while (all->left > 0 && all->stopped == 0 && status == MXW_OK) {
        status = recipients_send(all);
        if (status == MXW_OK)
            status = recipients_receive(all);
        if (status == MXW_UNREACHABLE && (again || recipients_await(all))) {
            again = false;
            recipients_again(all);
            status = MXW_OK;
        }
    }
    if (status != MXW_OK && !all->heard && handle_now_ms() >= all->until_ms)
        all->m->silent_ms = all->until_ms + SILENCE_MS;
    return status;
}

int mxw_decide_many(struct mxw *m, const struct mxw_message *messages, size_t count, int wait_ms,
                    mxw_answer *answer, void *context)
{
    struct recipients all = {.m = m,
                             .messages = (const char *)messages,
                             .count = count,
                             .left = count,
                             .until_ms = handle_now_ms() + wait_ms,
                             .arrived_ms = tables_now_ms(),
                             .answer = answer,
                             .context = context,
                             .result = {.size = sizeof all.result}};
    int status;

    HANDLE_ENTER(m, MXW_USAGE);
    handle_own(m);
    if (m->outstanding > 0)
        return handle_fail(m, MXW_USAGE, "other questions are outstanding: use mxw_send_message");
    if (count > MXW_MANY)
        return handle_fail(m, MXW_USAGE, "%zu recipients at once; %d are the most", count,
                           MXW_MANY);
    all.stride = count > 0 ? layout_size(messages) : 1;
    if (all.stride == 0)
        return handle_fail(m, MXW_USAGE, LAYOUT_UNKNOWN);
    recipients_known(&all);
    status = wait_ms > 0 ? recipients_ask(&all)
                         : handle_fail(m, MXW_TIMEOUT, "the daemon was not to be asked");
    for (size_t place = 0; place < count && all.stopped == 0; place++)
        if (all.state[place] != ASKED_ANSWERED)
            recipient_settle(&all, place, status, LOCAL_AWAY);
    handle_give_up(m);
    return -all.stopped;
}
