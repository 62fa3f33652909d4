/*
 * orders.c - orders of users and administrators: from the frame to the keeper, and home.
 *
 * An order has a slot of its own until its question is settled. One that shows something writes its
 * rows into a document buffer, in the keeper's thread, while the question holds it. Failure: no
 * slot or buffer is "busy"; whatever the store could not do is the daemon's trouble, and not
 * acknowledged.
 */
#include "ipc/serve/front_internal.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#include <stdio.h>
#include <string.h>

static_assert((int)ORDERS_USER_SHOW == (int)ORDER_USER_SHOW &&
                  (int)ORDERS_USER_EXPORT == (int)ORDER_USER_EXPORT &&
                  (int)ORDERS_MEMORY_SHOW == (int)ORDER_MEMORY_SHOW &&
                  (int)ORDERS_MEMORY_COPY == (int)ORDER_MEMORY_COPY &&
                  (int)ORDERS_RULE_LIST == (int)ORDER_RULE_LIST &&
                  (int)ORDERS_RULE_REMOVE == (int)ORDER_RULE_REMOVE &&
                  (int)ORDERS_REPORT == (int)ORDER_REPORT,
              "the engine's orders are the wire's");

static uint32_t right_for_order(uint8_t order)
{
    return order < ORDER_MEMORY_SHOW ? RIGHT_SWITCH : RIGHT_ADMIN;
}

static bool is_permitted(struct front *front, struct native_client *client,
                         const struct frame *frame, uint8_t order)
{
    if (native_client_peer(client)->rights & right_for_order(order))
        return true;
    counter_add(&front->counts.refused_rights, 1);
    put_fault(front, client, frame, FRAME_ERROR_NOT_PERMITTED,
              "this user may not order that; see switch_users and admin_users in section listen of "
              "mxward.conf");
    return false;
}

static void order_fill(struct order *order, const struct frame_order_request *asked,
                       const struct native_client *client)
{
    *order = (struct order){.kind = asked->order,
                            .level = asked->level,
                            .until_s = asked->until_s,
                            .most = asked->most};
    static_assert(sizeof order->name == sizeof asked->name &&
                      sizeof order->domain == sizeof asked->domain &&
                      sizeof order->profile == sizeof asked->profile &&
                      sizeof order->after == sizeof asked->after &&
                      sizeof order->reason == sizeof asked->reason &&
                      sizeof order->text == sizeof asked->text,
                  "the texts are as long");
    memcpy(order->name, asked->name, sizeof order->name);
    memcpy(order->domain, asked->domain, sizeof order->domain);
    memcpy(order->profile, asked->profile, sizeof order->profile);
    memcpy(order->after, asked->after, sizeof order->after);
    memcpy(order->reason, asked->reason, sizeof order->reason);
    memcpy(order->text, asked->text, sizeof order->text);
    snprintf(order->who, sizeof order->who, "uid %u", native_client_peer(client)->uid);
}

static void order_send(struct front *front, struct question *question, uint64_t arrived_ms)
{
    struct front_order *order = question->order;

    order->request.message.kind = MESSAGE_ORDER_ASK;
    order->request.rows = &order->document.rows;
    wheel_arm(front->wheel, &question->timer, arrived_ms + LIMIT_QUESTION_MS);
    mailbox_send(front->mailbox, owner_keeper(&front->peer.owners), &order->request.message);
}

enum native_taken take_order(struct front *front, struct native_client *client,
                             const struct frame *frame, uint64_t arrived_ms)
{
    char why[FRAME_SENTENCE_MAX];
    struct frame_order_request asked;
    struct question *question;

    if (!frame_decode(&asked, frame, why)) {
        put_fault(front, client, frame, FRAME_ERROR_MALFORMED, why);
        return NATIVE_ANSWERED;
    }
    if (!order_is_known(asked.order)) {
        put_fault(front, client, frame, FRAME_ERROR_KIND, "there is no such order");
        return NATIVE_ANSWERED;
    }
    if (!is_permitted(front, client, frame, asked.order))
        return NATIVE_ANSWERED;
    question = question_take(front, client, frame, PRIORITY_LIVE);
    if (!question)
        return NATIVE_ANSWERED;
    counter_add(&front->counts.orders, 1);
    question->order = pool_take(front->orders);
    if (question->order) {
        question->order->question = question;
        question->order->shows =
            !order_changes((enum order_kind)asked.order) && asked.order != ORDER_MEMORY_COPY;
    }
    if (!question->order || (question->order->shows && !document_take(front, question))) {
        question->home = true;
        question_fault(front, question, FRAME_ERROR_BUSY,
                       "others are giving orders; ask again in a moment");
        return NATIVE_WAITS;
    }
    order_fill(&question->order->request.order, &asked, client);
    if (question->order->shows)
        order_document_begin(&question->order->document,
                             front->documents + (size_t)question->document * FRAME_DOCUMENT_MAX,
                             FRAME_DOCUMENT_MAX, question->order->request.order.most);
    order_send(front, question, arrived_ms);
    return NATIVE_WAITS;
}

static enum frame_error fault_of(const struct order_done *done)
{
    switch (done->result) {
    case ORDER_GOOD:
        return FRAME_ERROR_NONE;
    case ORDER_INVALID:
        return FRAME_ERROR_NAME;
    case ORDER_ABSENT:
        return FRAME_ERROR_ABSENT;
    case ORDER_TROUBLE:
        break;
    }
    return FRAME_ERROR_OURS;
}

/* Late, or its client gone: it was done all the same, and only nobody is told. */
void order_home(struct front *front, struct order_request *request)
{
    struct front_order *order = (struct front_order *)(void *)request;
    struct question *question = order->question;

    CHECK(question && !question->home);
    question->home = true;
    wheel_disarm(front->wheel, &question->timer);
    if (order->shows)
        question->size = (uint32_t)order_document_end(&order->document);
    if (question->settled) { /* "late" was said already */
        document_give(front, question);
        question_settle(front, question);
        return;
    }
    question->fault = fault_of(&request->done);
    question->why = request->done.sentence;
    if (!question->queued)
        question_answer(front, question);
}

/* The question's slot is given back: the order's, too. */
void order_forget(struct front *front, struct question *question)
{
    if (question->order)
        pool_give(front->orders, question->order);
    question->order = NULL;
}
