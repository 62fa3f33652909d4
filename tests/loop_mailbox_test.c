/*
 * loop_mailbox_test.c - messages between threads: order, credit, parking, and that nobody sleeps
 * while there is something for him. The storms are meant to run under ThreadSanitizer too
 * (make check-tsan); a lost wake-up shows as a test that hangs until Check's time limit.
 */
#include "engine/loop/mailbox.h"

#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                     \
    do {                                                       \
        if (!(condition))                                      \
            ck_abort_msg("line %d: %s", __LINE__, #condition); \
    } while (0)

/* --- one thread, step by step --- */

struct letter {
    struct message message;
    unsigned number;
};

static struct letter *letter_of(struct message *message)
{
    return (struct letter *)(void *)((char *)message - offsetof(struct letter, message));
}

static unsigned woken[4];

static void note_wake(void *context, uint16_t to)
{
    (void)context;
    woken[to]++;
}

static struct exchange *exchange;
static struct mailbox *ends[4];

static void open_all(uint16_t threads, uint32_t capacity)
{
    memset(woken, 0, sizeof woken);
    ck_assert_int_eq(exchange_create(&exchange, threads, capacity), 0);
    for (uint16_t i = 0; i < threads; i++)
        ends[i] = mailbox_open(exchange, i, note_wake, NULL);
}

START_TEST(what_does_not_fit_parks_and_keeps_its_order)
{
    uint32_t capacity = (uint32_t)_i;
    struct letter letters[50] = {0};
    unsigned expected = 0;
    open_all(2, capacity);
    for (unsigned i = 0; i < 50; i++) {
        letters[i].number = i;
        mailbox_send(ends[0], 1, &letters[i].message);
    }
    ck_assert_uint_eq(mailbox_flush(ends[0]), 50 - capacity);
    while (expected < 50) {
        struct message *message = mailbox_receive(ends[1]);
        ck_assert_ptr_nonnull(message);
        ck_assert_uint_eq(letter_of(message)->number, expected);
        ck_assert_uint_eq(message->from, 0);
        expected++;
        /* Credit comes back one by one, or (every other time) when the queue has run dry. */
        if (expected % 2 == 0 || expected % capacity == 0)
            (void)mailbox_flush(ends[0]);
    }
    ck_assert_ptr_null(mailbox_receive(ends[1]));
    ck_assert_uint_eq(mailbox_flush(ends[0]), 0);
    exchange_destroy(exchange);
}
END_TEST

START_TEST(a_later_message_never_overtakes_a_parked_one)
{
    struct letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    open_all(2, 1);
    mailbox_send(ends[0], 1, &letters[0].message);
    mailbox_send(ends[0], 1, &letters[1].message); /* parks */
    ck_assert_uint_eq(letter_of(mailbox_receive(ends[1]))->number, 0);
    mailbox_send(ends[0], 1, &letters[2].message); /* there is credit, but 1 is parked */
    ck_assert_ptr_null(mailbox_receive(ends[1]));
    ck_assert_uint_eq(mailbox_flush(ends[0]), 1);
    ck_assert_uint_eq(letter_of(mailbox_receive(ends[1]))->number, 1);
    ck_assert_uint_eq(mailbox_flush(ends[0]), 0);
    ck_assert_uint_eq(letter_of(mailbox_receive(ends[1]))->number, 2);
    exchange_destroy(exchange);
}
END_TEST

START_TEST(senders_are_served_in_turn)
{
    struct letter letters[4][3] = {0};
    unsigned seen[4] = {0};
    open_all(4, 8);
    for (uint16_t from = 0; from < 4; from++) /* 0 writes to itself */
        for (unsigned i = 0; i < 3; i++)
            mailbox_send(ends[from], 0, &letters[from][i].message);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 4; i++)
            seen[mailbox_receive(ends[0])->from]++;
    for (unsigned from = 0; from < 4; from++)
        ck_assert_uint_eq(seen[from], 3);
    ck_assert_ptr_null(mailbox_receive(ends[0]));
    exchange_destroy(exchange);
}
END_TEST

START_TEST(a_sleeper_is_woken_once_and_one_awake_never)
{
    struct letter letters[3] = {0};
    open_all(3, 8);
    mailbox_send(ends[0], 1, &letters[0].message);
    ck_assert_uint_eq(woken[1], 0);
    ck_assert(!mailbox_may_sleep(ends[1])); /* something is there */
    ck_assert_ptr_nonnull(mailbox_receive(ends[1]));
    ck_assert(mailbox_may_sleep(ends[1]));
    mailbox_send(ends[0], 1, &letters[1].message);
    mailbox_send(ends[2], 1, &letters[2].message);
    ck_assert_uint_eq(woken[1], 1);
    mailbox_awake(ends[1]);
    ck_assert_ptr_nonnull(mailbox_receive(ends[1]));
    ck_assert_ptr_nonnull(mailbox_receive(ends[1]));
    ck_assert_uint_eq(woken[0] + woken[2], 0);
    exchange_destroy(exchange);
}
END_TEST

START_TEST(a_sender_asleep_on_parked_messages_is_woken_by_credit)
{
    struct letter letters[2] = {0};
    open_all(2, 1);
    mailbox_send(ends[0], 1, &letters[0].message);
    mailbox_send(ends[0], 1, &letters[1].message);
    ck_assert(mailbox_may_sleep(ends[0]));
    ck_assert_ptr_nonnull(mailbox_receive(ends[1]));
    ck_assert_uint_eq(woken[0], 1);
    mailbox_awake(ends[0]);
    ck_assert(!mailbox_may_sleep(ends[0])); /* credit that is not used yet keeps awake */
    ck_assert_uint_eq(mailbox_flush(ends[0]), 0);
    ck_assert(mailbox_may_sleep(ends[0]));
    ck_assert_ptr_eq(mailbox_receive(ends[1]), &letters[1].message);
    ck_assert_uint_eq(woken[0], 1); /* nothing parked: credit is no news */
    exchange_destroy(exchange);
}
END_TEST

/* --- storms --- */

enum { THREADS_MAX = 4, WINDOW = 48 };
enum kind { KIND_QUESTION, KIND_ANSWER, KIND_BYE };

struct parcel {
    struct message message;
    uint64_t number; /* of its sender to this receiver */
    bool out;
    unsigned char body[32]; /* written by whoever holds it: TSan sees a wrong hand-over */
};

struct worker {
    struct exchange *exchange;
    struct mailbox *mailbox;
    struct storm *storm;
    uint16_t me;
    struct parcel parcels[WINDOW];
    struct message byes[THREADS_MAX];
    uint64_t sent[THREADS_MAX], answered[THREADS_MAX], received[THREADS_MAX];
    uint64_t total_sent, total_answered, sleeps, random;
    unsigned byes_received;
    bool said_bye;
};

struct storm {
    uint16_t threads;
    uint64_t each; /* questions a thread asks */
    sem_t wake[THREADS_MAX];
    struct worker workers[THREADS_MAX];
};

static void post_wake(void *context, uint16_t to)
{
    sem_post(&((struct storm *)context)->wake[to]);
}

static uint32_t worker_random(struct worker *worker, uint32_t bound)
{
    worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((worker->random >> 33) % bound);
}

static void worker_take(struct worker *worker, struct message *message)
{
    uint16_t from = message->from;

    if (message->kind == KIND_BYE) {
        worker->byes_received++;
        return;
    }
    struct parcel *parcel =
        (struct parcel *)(void *)((char *)message - offsetof(struct parcel, message));
    memset(parcel->body, worker->me, sizeof parcel->body);
    if (message->kind == KIND_QUESTION) {
        REQUIRE(parcel->number == worker->received[from]++); /* order, none lost */
        message->kind = KIND_ANSWER;
        mailbox_send(worker->mailbox, from, message);
        return;
    }
    REQUIRE(parcel->out && parcel->number == worker->answered[from]++);
    parcel->out = false;
    worker->total_answered++;
}

static void worker_ask(struct worker *worker)
{
    for (unsigned i = 0; i < WINDOW && worker->total_sent < worker->storm->each; i++) {
        struct parcel *parcel = &worker->parcels[i];
        if (parcel->out || worker_random(worker, 4) == 0)
            continue;
        uint16_t to = (uint16_t)worker_random(worker, worker->storm->threads);
        *parcel = (struct parcel){
            .message.kind = KIND_QUESTION, .number = worker->sent[to]++, .out = true};
        worker->total_sent++;
        mailbox_send(worker->mailbox, to, &parcel->message);
    }
}

static void worker_say_bye(struct worker *worker)
{
    worker->said_bye = true;
    for (uint16_t to = 0; to < worker->storm->threads; to++) {
        worker->byes[to].kind = KIND_BYE;
        mailbox_send(worker->mailbox, to, &worker->byes[to]);
    }
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    struct storm *storm = worker->storm;

    for (;;) {
        struct message *message;
        unsigned budget = worker_random(worker, 100);
        while (budget-- > 0 && (message = mailbox_receive(worker->mailbox)) != NULL)
            worker_take(worker, message);
        worker_ask(worker);
        if (!worker->said_bye && worker->total_answered == storm->each)
            worker_say_bye(worker);
        uint32_t parked = mailbox_flush(worker->mailbox);
        if (worker->byes_received == storm->threads && parked == 0)
            return NULL;
        /* Asks for more in the next turn, so must not sleep: nobody will wake for that. */
        if (worker->total_sent < storm->each && worker->total_sent - worker->total_answered == 0)
            continue;
        if (!mailbox_may_sleep(worker->mailbox))
            continue;
        worker->sleeps++;
        while (sem_wait(&storm->wake[worker->me]) != 0)
            ;
        mailbox_awake(worker->mailbox);
    }
}

static const struct {
    uint16_t threads;
    uint32_t capacity;
    uint64_t each;
} storms[] = {{2, 1, 200000}, {3, 1, 100000}, {4, 1, 100000},   {4, 2, 100000},
              {4, 3, 100000}, {2, 7, 200000}, {4, 1024, 100000}};

START_TEST(a_storm_loses_nothing_keeps_order_and_never_sleeps_through_news)
{
    static struct storm storm;
    pthread_t threads[THREADS_MAX];
    uint64_t sleeps = 0;
    memset(&storm, 0, sizeof storm);
    storm.threads = storms[_i].threads;
    storm.each = storms[_i].each;
    ck_assert_int_eq(exchange_create(&exchange, storm.threads, storms[_i].capacity), 0);
    for (uint16_t i = 0; i < storm.threads; i++) {
        struct worker *worker = &storm.workers[i];
        *worker = (struct worker){.storm = &storm, .me = i, .random = i + 1u};
        worker->mailbox = mailbox_open(exchange, i, post_wake, &storm);
        sem_init(&storm.wake[i], 0, 0);
    }
    for (uint16_t i = 0; i < storm.threads; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, worker_run, &storm.workers[i]), 0);
    for (uint16_t i = 0; i < storm.threads; i++)
        pthread_join(threads[i], NULL);
    for (uint16_t i = 0; i < storm.threads; i++) {
        for (uint16_t j = 0; j < storm.threads; j++)
            ck_assert_uint_eq(storm.workers[i].sent[j], storm.workers[j].received[i]);
        sleeps += storm.workers[i].sleeps;
    }
    ck_assert_uint_gt(sleeps, 0); /* else it proved nothing about waking */
    exchange_destroy(exchange);
}
END_TEST

/* Two threads hand one message to and fro, sleeping between: each wake-up counts. */
struct player {
    struct storm *storm;
    struct mailbox *mailbox;
    struct message *ball; /* the first to serve has it */
    uint16_t me;
    unsigned rallies;
};

static void *player_run(void *argument)
{
    struct player *player = argument;

    if (player->ball != NULL)
        mailbox_send(player->mailbox, 1, player->ball);
    for (unsigned i = 0; i < player->rallies;) {
        struct message *message = mailbox_receive(player->mailbox);
        if (message != NULL) {
            i++;
            mailbox_send(player->mailbox, (uint16_t)!player->me, message);
        } else if (mailbox_may_sleep(player->mailbox)) {
            while (sem_wait(&player->storm->wake[player->me]) != 0)
                ;
            mailbox_awake(player->mailbox);
        }
    }
    return NULL;
}

START_TEST(a_ball_goes_to_and_fro_without_a_lost_wake_up)
{
    static struct storm storm;
    struct message ball = {0};
    struct player players[2];
    pthread_t threads[2];
    ck_assert_int_eq(exchange_create(&exchange, 2, 1), 0);
    for (uint16_t i = 0; i < 2; i++) {
        sem_init(&storm.wake[i], 0, 0);
        players[i] = (struct player){&storm, mailbox_open(exchange, i, post_wake, &storm),
                                     i == 0 ? &ball : NULL, i, 100000};
    }
    for (uint16_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, player_run, &players[i]), 0);
    for (uint16_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    exchange_destroy(exchange);
}
END_TEST

int main(void)
{
    TCase *steps = tcase_create("steps");
    tcase_add_loop_test(steps, what_does_not_fit_parks_and_keeps_its_order, 1, 6);
    tcase_add_test(steps, a_later_message_never_overtakes_a_parked_one);
    tcase_add_test(steps, senders_are_served_in_turn);
    tcase_add_test(steps, a_sleeper_is_woken_once_and_one_awake_never);
    tcase_add_test(steps, a_sender_asleep_on_parked_messages_is_woken_by_credit);
    TCase *threads = tcase_create("threads");
    tcase_set_timeout(threads, 60);
    tcase_add_loop_test(threads, a_storm_loses_nothing_keeps_order_and_never_sleeps_through_news, 0,
                        sizeof storms / sizeof *storms);
    tcase_add_test(threads, a_ball_goes_to_and_fro_without_a_lost_wake_up);
    Suite *suite = suite_create("loop/mailbox");
    suite_add_tcase(suite, steps);
    suite_add_tcase(suite, threads);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
