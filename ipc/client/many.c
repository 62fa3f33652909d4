/*
 * many.c - many questions in one call, and the recipients of a message: see mxward.h.
 *
 * Bounded: of questions a window is outstanding, of recipients there are at most MXW_MANY. Each
 * gets exactly one answer.
 */
#include "ipc/client/handle.h"

#include "ipc/wire/recipients.h"

#include <stddef.h>
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

/* A question that is out: about those in the order of their sending from `start` on. */
struct together {
    uint16_t start, count; /* 1: it is a message of its own, and its answer has no place */
};

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
    uint64_t first_id; /* of the questions on this connection */
    unsigned sent, questions;
    /* Twice as many: a daemon that knows no questions about many is asked for each anew. */
    struct together together[2 * MXW_MANY]; /* by id, from first_id on */
    uint16_t place_of[2 * MXW_MANY];        /* in the order of their sending */
    uint8_t state[MXW_MANY];                /* enum asked */
    struct mxw_result result;
};

_Static_assert(READY_BYTES >= RECIPIENTS_BYTES_MAX, "where nothing is ready, recipients fit");
_Static_assert(MXW_MANY <= RECIPIENTS_MAX, "one question is enough, unless they are long");

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

/* Encodes the next ones, LOCAL_AHEAD at most, from `*place` on; who cannot be encoded is answered.
 */
static unsigned recipients_read(struct recipients *all, size_t *place, struct frame_decide *asked,
                                size_t *places)
{
    unsigned count = 0;

    for (; *place < all->count && count < LOCAL_AHEAD && all->stopped == 0; ++*place) {
        int status = recipient_encode(all, *place, &asked[count]);

        if (status == MXW_OK) {
            places[count++] = *place;
        } else {
            decision_temporary(&all->result.decision, mxw_reason(all->m));
            recipient_fails(all, *place, status);
        }
    }
    return count;
}

/* Those that can be answered without the daemon, before anybody waits for it. */
static void recipients_known(struct recipients *all)
{
    const bool silent = tables_silent(all->m, handle_now_ms());
    struct frame_decide asked[LOCAL_AHEAD];
    struct local_outcome outs[LOCAL_AHEAD];
    size_t places[LOCAL_AHEAD], place = 0;

    while (place < all->count && all->stopped == 0) {
        const unsigned count = recipients_read(all, &place, asked, places);

        tables_look_ahead(all->m, outs, asked, count);
        for (unsigned i = 0; i < count && all->stopped == 0; i++)
            if (tables_look_on(all->m, &outs[i], &asked[i], all->arrived_ms) &&
                (local_is_enough(&outs[i]) || (silent && tables_stand(&outs[i]))))
                recipient_fails(all, places[i],
                                tables_give(all->m, &outs[i], &all->result.decision));
    }
}

/* --- asking the daemon --- */

/* Is it the same message, but for its recipient and his next hop? */
static bool is_same(const struct frame_decide *a, const struct frame_decide *b)
{
    const size_t before = offsetof(struct frame_decide, recipient),
                 behind = offsetof(struct frame_decide, profile);

    return memcmp(a, b, before) == 0 &&
           memcmp((const char *)a + behind, (const char *)b + behind, sizeof *a - behind) == 0;
}
_Static_assert(offsetof(struct frame_decide, next_hop) > offsetof(struct frame_decide, recipient) &&
                   offsetof(struct frame_decide, profile) > offsetof(struct frame_decide, next_hop),
               "recipient and next hop stand together");

/* Collects those from all->next on that go into one question with it; returns where it ends.
 * Nothing is ready amid this call, so its buffer takes them. */
static size_t recipients_collect(struct recipients *all, struct frame_decide *first,
                                 struct together *together, size_t *bytes)
{
    const int64_t left_ms = all->until_ms - handle_now_ms();
    struct frame_decide asked;
    size_t end = all->next;

    *together = (struct together){.start = (uint16_t)all->sent};
    *bytes = 0;
    for (size_t place = all->next; place < all->count; place++) {
        if (all->state[place] != ASKED_NOT_YET) /* or it is out, in another frame */
            continue;
        recipient_encode(all, place, &asked);
        tables_deadline(&asked, left_ms);
        if (together->count == 0)
            *first = asked;
        if (!is_same(first, &asked) || !recipients_put(all->m->ready, RECIPIENTS_BYTES_MAX, bytes,
                                                       asked.recipient, asked.next_hop))
            break;
        all->place_of[together->start + together->count++] = (uint16_t)place;
        end = place + 1;
        if (all->m->alone || first->inbound)
            break;
    }
    return end;
}

static int together_send(struct recipients *all, const struct frame_decide *first,
                         const struct together *together, size_t bytes)
{
    struct frame_decide_many many = {.recipients = all->m->ready,
                                     .recipients_size = (uint16_t)bytes};
    uint64_t id;
    int status;

    if (together->count > 1)
        many.message = *first; /* its own recipient is not looked at */
    status = together->count > 1 ? handle_send(all->m, FRAME_DECIDE_MANY, &many, &id, all->until_ms)
                                 : handle_send(all->m, FRAME_DECIDE, first, &id, all->until_ms);
    if (status != MXW_OK)
        return status;
    if (all->questions == 0)
        all->first_id = id;
    all->m->outstanding += together->count - 1u;
    all->together[all->questions++] = *together;
    for (unsigned i = 0; i < together->count; i++)
        all->state[all->place_of[all->sent++]] = ASKED_SENT;
    return MXW_OK;
}

/* Sends what there is to send, as far as there is room. */
static int recipients_send(struct recipients *all)
{
    int status = handle_connect(all->m, all->until_ms);

    while (status == MXW_OK && all->next < all->count) {
        struct together together;
        struct frame_decide first;
        size_t bytes;
        const size_t end = recipients_collect(all, &first, &together, &bytes);

        if (together.count == 0) /* the rest is answered */
            all->next = all->count;
        else
            status = together_send(all, &first, &together, bytes);
        if (status == MXW_OK && together.count > 0)
            all->next = end;
    }
    return status == MXW_FULL ? MXW_OK : status; /* the rest when some answers were received */
}

/* --- its answers --- */

/* To the one at this place of the array. */
static void recipient_told(struct recipients *all, size_t place)
{
    struct mxw_result *result = &all->result;
    const int status = result->status;
    char why[sizeof result->sentence];

    if (!handle_is_trouble(status)) {
        recipient_answer(all, place, status);
        return;
    }
    memcpy(why, result->sentence, sizeof why);
    handle_fail(all->m, status, "%s", why);
    recipient_settle(all, place, status, why);
}

/* One answer for all that are still out of a question: none of them was looked at. */
static void together_told(struct recipients *all, const struct together *together)
{
    const struct mxw_result result = all->result;
    const bool unknown = all->m->fault == FRAME_ERROR_KIND; /* to an earlier daemon */

    all->m->outstanding++; /* it was counted as one's */
    all->m->alone |= unknown;
    for (unsigned i = 0; i < together->count && all->stopped == 0; i++) {
        const size_t place = all->place_of[together->start + i];

        if (all->state[place] != ASKED_SENT)
            continue;
        all->m->outstanding--;
        if (unknown) {
            all->state[place] = ASKED_NOT_YET;
            all->next = place < all->next ? place : all->next;
        } else {
            all->result = result;
            recipient_told(all, place);
        }
    }
}

/* Whose answer came; false: nobody's who waits for one. */
static bool recipient_of(const struct recipients *all, const struct together *together,
                         size_t *place)
{
    const unsigned nth = all->m->place;

    if (together->count == 1 ? nth != 0 : nth == 0 || nth > together->count)
        return false;
    *place = all->place_of[together->start + (nth > 0 ? nth - 1 : 0)];
    return all->state[*place] == ASKED_SENT;
}

static int recipients_receive(struct recipients *all)
{
    struct mxw_result *result = &all->result;
    const struct together *together = NULL;
    int status = handle_receive(all->m, result, all->until_ms);
    size_t place;

    if (status != MXW_OK)
        return status;
    all->heard = true;
    if (result->id - all->first_id < all->questions)
        together = &all->together[result->id - all->first_id];
    if (together != NULL && together->count > 1 && all->m->place == 0 && result->status != MXW_OK) {
        together_told(all, together);
    } else if (together != NULL && recipient_of(all, together, &place)) {
        recipient_told(all, place);
    } else {
        handle_disconnect(all->m);
        return handle_fail(all->m, MXW_PROTOCOL, "an answer came that nobody had asked for");
    }
    return MXW_OK;
}

/* The daemon was restarted meanwhile: those that were out go again. */
static void recipients_again(struct recipients *all)
{
    for (size_t place = 0; place < all->count; place++)
        if (all->state[place] == ASKED_SENT)
            all->state[place] = ASKED_NOT_YET;
    all->next = all->sent = all->questions = 0;
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
