/*
 * serve_hot_test.c - answers from the tables over the native socket: those that are given again as
 * they were (ipc/serve/kept), which are never other than a new one would be; and one message to
 * many recipients, each answered as if it had been asked for alone.
 *
 * Everything is real but the engine: socket, front thread, a table of verdicts and one of users.
 */
#include "tests/serve_standin.h"

#include "ipc/serve/front_internal.h"
#include "ipc/wire/recipients.h"
#include "shm/account.h"
#include "shm/answer.h"

#include <check.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define WAIT_MS 10000
#define EPOCH   7 /* the stand-in's */

static struct standin standin;
static struct table_clock now;
static int connection;
static uint64_t next_id;
static size_t held, done; /* bytes of the input; of these, heard */
static uint8_t input[FRAME_ANSWER_MAX * 4];

/* --- tables --- */

static struct table_writer *table_make(const char *directory)
{
    struct table_writer *writer;
    char why[256];

    mkdir(directory, 0700);
    ck_assert_int_eq(table_clock_read(&now), 0);
    ck_assert_int_eq(table_writer_open(&writer, directory, 64u << 20, &now, NULL, why, sizeof why),
                     0);
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(writer, (uint16_t)partition, true);
    return writer;
}

static void put_verdict(const char *domain, enum tls_class class, uint64_t age_ms)
{
    const struct verdict verdict = {
        .class = class,
        .level = class == CLASS_NONE ? LEVEL_NONE : LEVEL_VERIFIED,
        .conclusion = CONCLUSION_DEFINITE,
        .cause = class == CLASS_NONE ? CAUSE_NO_STARTTLS : CAUSE_VERIFIED,
        .enforce = class == CLASS_NONE ? ENFORCE_NOTHING : ENFORCE_SECURE_MATCH,
        .match = "mx.example.net",
        .host = "mx.example.net",
        .began_ms = clock_boot_ms() - age_ms,
        .valid_until_ms = clock_boot_ms() + 600000,
        .config_epoch = EPOCH};
    struct table_key key;

    ck_assert(table_key_make(&key, domain, strlen(domain)));
    ck_assert_int_eq(table_writer_put(standin.engine->table, &key, &verdict), 0);
}

static void put_account(const char *name, uint32_t flags)
{
    const struct account account = {.profile = "strict", .flags = flags, .changed_s = 1};
    union record record;
    struct table_key key;

    ck_assert(account_pack(&record, &key, name, &account, clock_boot_ms()));
    ck_assert_int_eq(table_writer_put_record(standin.engine->users, &key, &record), 0);
}

static void put_users(void)
{
    const struct account_settings settings = {.aliases_known = true, .delimiter = "+"};
    const struct profile profile = {
        .name = "strict", .minimum = LEVEL_VERIFIED, .unmet = UNMET_STOP, .window_ms = 60000};
    union record record;
    struct table_key key;

    ck_assert(account_settings_pack(&record, &key, &settings, clock_boot_ms()));
    ck_assert_int_eq(table_writer_put_record(standin.engine->users, &key, &record), 0);
    ck_assert(account_profile_pack(&record, &key, &profile, clock_boot_ms()));
    ck_assert_int_eq(table_writer_put_record(standin.engine->users, &key, &record), 0);
}

static void set_up(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char users[100];

    standin_prepare(&standin);
    standin.engine = standin_start(64);
    standin.engine->table = table_make(standin.directory);
    snprintf(users, sizeof users, "%s/users", standin.directory);
    standin.engine->users = table_make(users);
    put_users();
    standin_open(&standin, 64);
    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", standin.socket);
    ck_assert_int_eq(connect(connection, (struct sockaddr *)&address, sizeof address), 0);
}

static void tear_down(void)
{
    struct table_writer *table = standin.engine->table, *users = standin.engine->users;
    char command[128];

    close(connection);
    snprintf(command, sizeof command, "rm -rf %s", standin.directory);
    standin_close(&standin);
    table_writer_close(table);
    table_writer_close(users);
    ck_assert_int_eq(system(command), 0);
}

/* --- asking --- */

static void ask(uint8_t kind, const void *message)
{
    uint8_t bytes[FRAME_REQUEST_MAX];
    const size_t size = frame_encode(bytes, sizeof bytes, kind, 0, ++next_id, message);

    ck_assert_uint_gt(size, 0);
    ck_assert_int_eq(send(connection, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* The next frame, decoded; `frame->body` is void with the next call. */
static void hear(struct frame *frame, void *message)
{
    size_t used;

    memmove(input, input + done, held - done);
    held -= done;
    while (frame_take(frame, input, held, FRAME_ANSWER_MAX, &used) == FRAME_MORE) {
        struct pollfd readable = {.fd = connection, .events = POLLIN};
        ssize_t got;

        ck_assert_msg(poll(&readable, 1, WAIT_MS) == 1, "nothing came in time");
        got = recv(connection, input + held, sizeof input - held, 0);
        ck_assert_int_gt(got, 0);
        held += (size_t)got;
    }
    ck_assert(frame_decode(message, frame, NULL));
    done = used;
}

static struct frame_verdict check(const char *domain, uint8_t freshness, uint32_t max_age_ms)
{
    struct frame_question question = {.freshness = freshness, .max_age_ms = max_age_ms};
    struct frame_verdict verdict;
    struct frame frame;

    snprintf(question.next_hop, sizeof question.next_hop, "%s", domain);
    ask(FRAME_CHECK, &question);
    hear(&frame, &verdict);
    ck_assert_uint_eq(frame.kind, FRAME_VERDICT);
    ck_assert_uint_eq(frame.id, next_id);
    ck_assert_str_eq(verdict.next_hop, domain);
    return verdict;
}

static struct frame_answer decide(const char *sender, const char *recipient)
{
    struct frame_decide asked = {0};
    struct frame_answer answer;
    struct frame frame;

    snprintf(asked.sender, sizeof asked.sender, "%s", sender);
    snprintf(asked.recipient, sizeof asked.recipient, "%s", recipient);
    ask(FRAME_DECIDE, &asked);
    hear(&frame, &answer);
    ck_assert_uint_eq(frame.kind, FRAME_ANSWER);
    ck_assert_uint_eq(frame.id, next_id);
    return answer;
}

/* How many answers were given again, as the status tells. */
static unsigned long kept(void)
{
    struct frame_empty nothing = {0};
    struct frame_document part;
    unsigned long number = ULONG_MAX;
    struct frame frame;

    ask(FRAME_STATUS, &nothing);
    do {
        char text[FRAME_DOCUMENT_PART + 1];
        const char *front, *at;

        hear(&frame, &part);
        memcpy(text, part.part, part.part_size);
        text[part.part_size] = '\0';
        front = strstr(text, "\"front\":{");
        at = front != NULL ? strstr(front, "\"kept\":") : NULL;
        if (at != NULL)
            number = strtoul(at + 7, NULL, 10);
    } while (frame.flags & FRAME_GOES_ON);
    ck_assert_uint_ne(number, ULONG_MAX);
    return number;
}

/* The beginning of a second of the wall clock, so that what follows is in the same one. */
static void wait_for_second(void)
{
    const int64_t second = clock_wall_s();

    while (clock_wall_s() == second)
        usleep(1000);
}

/* --- claims --- */

START_TEST(the_same_question_gets_the_same_answer_with_its_own_id_and_times)
{
    struct frame_verdict first, second;

    put_verdict("good.example", CLASS_VERIFIED, 5000);
    check("good.example", FRESHNESS_ANY, 0);
    wait_for_second();
    first = check("good.example", FRESHNESS_ANY, 0);
    usleep(50000);
    second = check("good.example", FRESHNESS_ANY, 0);
    ck_assert_uint_eq(kept(), 1);
    ck_assert_uint_ge(second.now_ms, first.now_ms + 50);
    ck_assert_uint_le(second.now_ms, clock_boot_ms());
    second.now_ms = first.now_ms;
    ck_assert_mem_eq(&first, &second, sizeof first);
    ck_assert(first.from_table);
}
END_TEST

START_TEST(an_answer_tells_the_age_of_its_evidence_each_time)
{
    struct frame_answer first, second;

    put_verdict("good.example", CLASS_VERIFIED, 65000); /* soon another width on the wire */
    decide("anna@here.example", "bert@good.example");
    wait_for_second();
    first = decide("anna@here.example", "bert@good.example");
    usleep(600000);
    second = decide("anna@here.example", "bert@good.example");
    ck_assert_uint_eq(kept(), 1);
    ck_assert_uint_ge(first.age_ms, 65000);
    ck_assert_uint_eq(second.age_ms, second.now_ms - second.began_ms);
    ck_assert_uint_ge(second.age_ms, first.age_ms + 600);
    second.now_ms = first.now_ms;
    second.age_ms = first.age_ms;
    ck_assert_mem_eq(&first, &second, sizeof first);
}
END_TEST

START_TEST(another_record_makes_what_is_kept_void)
{
    put_verdict("good.example", CLASS_VERIFIED, 5000);
    check("good.example", FRESHNESS_ANY, 0);
    decide("", "bert@good.example");
    wait_for_second();
    ck_assert_int_eq(check("good.example", FRESHNESS_ANY, 0).verdict.class, CLASS_VERIFIED);
    put_verdict("good.example", CLASS_NONE, 1000);
    ck_assert_int_eq(check("good.example", FRESHNESS_ANY, 0).verdict.class, CLASS_NONE);
    ck_assert_int_eq(decide("", "bert@good.example").class, CLASS_NONE);
    put_verdict("good.example", CLASS_VERIFIED, 500);
    ck_assert_int_eq(decide("", "bert@good.example").class, CLASS_VERIFIED);
    ck_assert_uint_eq(kept(), 0);
}
END_TEST

START_TEST(who_switches_the_guarantee_on_has_it_with_the_next_message)
{
    put_verdict("clear.example", CLASS_NONE, 5000);
    decide("anna@here.example", "bert@clear.example");
    wait_for_second();
    ck_assert_int_eq(decide("anna@here.example", "bert@clear.example").action, ACTION_SEND);
    ck_assert_int_eq(decide("anna@here.example", "bert@clear.example").action, ACTION_SEND);
    ck_assert_uint_eq(kept(), 1);
    put_account("anna@here.example", ACCOUNT_ON);
    ck_assert_int_eq(decide("anna@here.example", "bert@clear.example").action, ACTION_STOP);
    ck_assert_int_eq(decide("anna@here.example", "bert@clear.example").action, ACTION_STOP);
    ck_assert_uint_eq(kept(), 1); /* and what must be told is told each time */
    put_account("anna@here.example", 0);
    ck_assert_int_eq(decide("anna@here.example", "bert@clear.example").action, ACTION_SEND);
}
END_TEST

START_TEST(what_is_kept_grows_no_older_than_was_asked_for_FRESH_02)
{
    put_verdict("good.example", CLASS_VERIFIED, 5000);
    check("good.example", FRESHNESS_MAX_AGE, 5300);
    wait_for_second();
    put_verdict("good.example", CLASS_VERIFIED, 5000);
    ck_assert(check("good.example", FRESHNESS_MAX_AGE, 5300).from_table);
    ck_assert(check("good.example", FRESHNESS_MAX_AGE, 5300).from_table);
    ck_assert_uint_eq(kept(), 1);
    usleep(350000);
    ck_assert(!check("good.example", FRESHNESS_MAX_AGE, 5300).from_table);
    ck_assert(!check("good.example", FRESHNESS_LIVE, 0).from_table);
    ck_assert(!check("good.example", FRESHNESS_LIVE, 0).from_table);
    ck_assert_uint_eq(kept(), 1);
}
END_TEST

START_TEST(an_answer_is_kept_when_its_question_comes_the_second_time)
{
    put_verdict("good.example", CLASS_VERIFIED, 5000);
    wait_for_second();
    for (unsigned long times = 0; times < 4; times++) {
        check("good.example", FRESHNESS_ANY, 0);
        ck_assert_uint_eq(kept(), times < 2 ? 0 : times - 1);
    }
    wait_for_second();
    check("good.example", FRESHNESS_ANY, 0); /* not kept any more, but not the first time */
    check("good.example", FRESHNESS_ANY, 0);
    ck_assert_uint_eq(kept(), 3);
}
END_TEST

START_TEST(what_came_together_is_answered_one_by_one_whatever_is_kept)
{
    static const char *const domains[] = {"good.example", "clear.example", "good.example", "a..b",
                                          "slow-1.example"};
    struct frame_question question = {0};
    uint8_t bytes[16384], expected[100];
    const uint64_t first = next_id + 1;
    size_t size = 0;

    put_verdict("good.example", CLASS_VERIFIED, 5000);
    put_verdict("clear.example", CLASS_NONE, 5000);
    for (unsigned i = 0; i < 100; i++) { /* hits, misses and faults in each group */
        const unsigned which = (i * i + i / 7) % 5;

        snprintf(question.next_hop, sizeof question.next_hop, "%s", domains[which]);
        expected[i] = (uint8_t)(which == 1   ? CLASS_NONE
                                : which == 4 ? CLASS_UNKNOWN
                                : which == 3 ? UINT8_MAX
                                             : CLASS_VERIFIED);
        size +=
            frame_encode(bytes + size, sizeof bytes - size, FRAME_CHECK, 0, ++next_id, &question);
    }
    ck_assert_int_eq(send(connection, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
    for (unsigned i = 0; i < 100; i++) {
        union {
            struct frame_verdict verdict;
            struct frame_fault fault;
        } said;
        struct frame frame;

        hear(&frame, &said);
        ck_assert_uint_eq(expected[frame.id - first],
                          frame.kind == FRAME_VERDICT ? said.verdict.verdict.class : UINT8_MAX);
        expected[frame.id - first] = UINT8_MAX - 1; /* each once */
    }
    ck_assert_uint_ge(kept(), 10);
}
END_TEST

START_TEST(nothing_is_kept_into_another_second)
{
    put_verdict("good.example", CLASS_VERIFIED, 5000);
    wait_for_second();
    check("good.example", FRESHNESS_ANY, 0);
    wait_for_second();
    check("good.example", FRESHNESS_ANY, 0);
    ck_assert_uint_eq(kept(), 0);
}
END_TEST

/* --- who is shed first --- */

START_TEST(scans_are_shed_before_refreshes_before_what_is_asked_before_live)
{
    static const struct {
        enum priority priority;
        uint32_t of_16, of_1024;
    } rows[] = {
        {PRIORITY_SCAN, 12, 768},
        {PRIORITY_REFRESH, 14, 896},
        {PRIORITY_ASKED, 15, 960},
        {PRIORITY_LIVE, 16, 1008},
    };

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_uint_eq(questions_for(rows[i].priority, 16), rows[i].of_16);
        ck_assert_uint_eq(questions_for(rows[i].priority, 1024), rows[i].of_1024);
    }
}
END_TEST

START_TEST(who_would_be_answered_by_what_is_known_only_has_it_renewed)
{
    put_verdict("clear.example", CLASS_NONE, 400000); /* a failure is looked at again (FRESH-02) */
    put_account("anna@here.example", ACCOUNT_ON);
    decide("carl@here.example", "bert@clear.example");
    ck_assert_uint_eq(atomic_load(&standin.engine->refreshes), 1);
    decide("anna@here.example", "bert@clear.example"); /* demands evidence of the last minute */
    decide("carl@here.example", "bert@verified-new.example"); /* nothing is known */
    ck_assert_uint_eq(atomic_load(&standin.engine->asked), 3);
    ck_assert_uint_eq(atomic_load(&standin.engine->refreshes), 1);
}
END_TEST

/* --- many recipients --- */

static char recipients[RECIPIENTS_BYTES_MAX];
static size_t recipients_size;

static void add_recipient(const char *address, const char *next_hop)
{
    ck_assert(recipients_put(recipients, sizeof recipients, &recipients_size, address, next_hop));
}

static void ask_many(const char *sender)
{
    struct frame_decide_many many = {.recipients = recipients,
                                     .recipients_size = (uint16_t)recipients_size};

    snprintf(many.message.sender, sizeof many.message.sender, "%s", sender);
    ask(FRAME_DECIDE_MANY, &many);
    recipients_size = 0;
}

/* Answers by place; `faults` gets what was refused. Each place must come exactly once. */
static void hear_many(struct frame_answer *answers, uint8_t *faults, unsigned count)
{
    for (unsigned heard = 0; heard < count; heard++) {
        union {
            struct frame_answer answer;
            struct frame_fault fault;
        } said;
        struct frame frame;
        unsigned place;

        hear(&frame, &said);
        ck_assert_uint_eq(frame.id, next_id);
        place = frame.kind == FRAME_ANSWER ? said.answer.place : said.fault.place;
        ck_assert_uint_ge(place, 1);
        ck_assert_uint_le(place, count);
        ck_assert_msg(faults[place - 1] == UINT8_MAX, "place %u twice", place);
        faults[place - 1] = frame.kind == FRAME_ANSWER ? 0 : said.fault.code;
        if (frame.kind != FRAME_ANSWER)
            ck_assert_uint_eq(said.fault.kind, FRAME_DECIDE_MANY); /* what was asked */
        if (frame.kind == FRAME_ANSWER)
            answers[place - 1] = said.answer;
    }
}

START_TEST(each_of_many_recipients_is_answered_as_if_it_were_alone)
{
    static struct frame_answer answers[6];
    uint8_t faults[6];
    struct frame_answer alone;

    put_verdict("good.example", CLASS_VERIFIED, 5000);
    put_verdict("clear.example", CLASS_NONE, 5000);
    put_account("anna@here.example", ACCOUNT_ON);
    add_recipient("bert@good.example", NULL);
    add_recipient("bert@clear.example", NULL);
    add_recipient("not a domain", NULL);
    add_recipient("carl@verified-not-known-here.example", NULL); /* the engine is asked */
    add_recipient("bert@clear.example", "good.example");         /* goes another way */
    add_recipient("bert@good.example", NULL);                    /* once more */
    memset(faults, UINT8_MAX, sizeof faults);
    ask_many("anna@here.example");
    hear_many(answers, faults, 6);
    ck_assert_int_eq(answers[0].action, ACTION_SEND);
    ck_assert_int_eq(answers[1].action, ACTION_STOP);
    ck_assert_int_eq(faults[2], FRAME_ERROR_NAME);
    ck_assert_int_eq(answers[3].class, CLASS_VERIFIED);
    ck_assert(!answers[3].from_table);
    ck_assert_int_eq(answers[4].action, ACTION_SEND);
    ck_assert_int_eq(answers[5].action, ACTION_SEND);
    for (unsigned i = 0; i < 2; i++) {
        alone = decide("anna@here.example", i == 0 ? "bert@good.example" : "bert@clear.example");
        alone.place = (uint16_t)(i + 1);
        alone.now_ms = answers[i].now_ms;
        alone.age_ms = answers[i].age_ms;
        if (i == 0)
            ck_assert_mem_eq(&alone, &answers[i], sizeof alone);
        ck_assert_int_eq(alone.action, answers[i].action);
    }
}
END_TEST

START_TEST(five_hundred_recipients_come_in_one_frame)
{
    static struct frame_answer answers[RECIPIENTS_MAX];
    static uint8_t faults[RECIPIENTS_MAX];
    char address[64];

    for (unsigned i = 0; i < RECIPIENTS_MAX; i++) {
        snprintf(address, sizeof address, "d%u.example", i);
        if (i % 2 == 0)
            put_verdict(address, i % 4 == 0 ? CLASS_VERIFIED : CLASS_NONE, 5000);
        snprintf(address, sizeof address,
                 i % 2 == 0 ? "somebody@d%u.example" : "slow-5.d%u.example", i);
        add_recipient(address, NULL);
    }
    ck_assert_uint_eq(recipients_count(recipients, recipients_size, 511), RECIPIENTS_MAX);
    memset(faults, UINT8_MAX, sizeof faults);
    ask_many("anna@here.example");
    hear_many(answers, faults, RECIPIENTS_MAX);
    for (unsigned i = 0; i < RECIPIENTS_MAX; i++) {
        ck_assert_int_eq(faults[i], 0);
        ck_assert_int_eq(answers[i].class, i % 2 != 0   ? CLASS_UNKNOWN
                                           : i % 4 == 0 ? CLASS_VERIFIED
                                                        : CLASS_NONE);
        ck_assert_int_eq(answers[i].from_table, i % 2 == 0);
    }
    ck_assert_uint_eq(kept(), 0);
}
END_TEST

START_TEST(recipients_that_cannot_be_read_are_one_fault)
{
    struct frame_fault fault;
    struct frame frame;

    add_recipient("bert@good.example", NULL);
    recipients_size--; /* the last byte of its next hop's size is missing */
    ask_many("anna@here.example");
    hear(&frame, &fault);
    ck_assert_uint_eq(frame.kind, FRAME_ERROR);
    ck_assert_uint_eq(fault.code, FRAME_ERROR_MALFORMED);
    ck_assert_uint_eq(fault.place, 0);
    put_verdict("good.example", CLASS_VERIFIED, 5000);
    ck_assert_int_eq(decide("anna@here.example", "bert@good.example").action, ACTION_SEND);
}
END_TEST

static void reconnect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", standin.socket);
    ck_assert_int_eq(connect(connection, (struct sockaddr *)&address, sizeof address), 0);
}

static void wait_for_kept(unsigned count)
{
    for (int i = 0; i < WAIT_MS && atomic_load(&standin.engine->kept) < count; i++)
        usleep(1000);
    ck_assert_uint_eq(atomic_load(&standin.engine->kept), count);
}

/* A user may have so many questions waiting; each connection of these tests has 256. */
START_TEST(recipients_beyond_what_a_user_may_ask_are_answered_by_what_is_known_each_once)
{
    const unsigned connections = LIMIT_FRONT_REQUESTS / 2 / 256;
    static struct frame_answer answers[300];
    static uint8_t faults[300];
    int held_open[64];
    char address[64];

    ck_assert_uint_lt(connections, sizeof held_open / sizeof held_open[0]);
    put_account("anna@here.example", ACCOUNT_ON);
    atomic_store(&standin.engine->hold, true);
    for (unsigned i = 0; i < connections; i++) {
        for (unsigned j = 0; j < 256; j++)
            add_recipient("bert@hold.example", NULL);
        ask_many("anna@here.example");
        wait_for_kept(256 * (i + 1));
        held_open[i] = connection;
        reconnect();
    }
    for (unsigned i = 0; i < 300; i++) {
        snprintf(address, sizeof address, i % 3 ? "bert@hold.d%u.example" : "no domain %u", i);
        add_recipient(address, NULL);
    }
    memset(faults, UINT8_MAX, sizeof faults);
    ask_many("anna@here.example");
    hear_many(answers, faults, 300);
    for (unsigned i = 0; i < 300; i++) {
        ck_assert_uint_eq(faults[i], i % 3 ? 0 : FRAME_ERROR_NAME);
        if (i % 3) { /* of whom nothing is known: enforced at the delivery, and nobody is stopped */
            ck_assert_int_ne(answers[i].action, ACTION_STOP);
            ck_assert(answers[i].from_table);
        }
    }
    ck_assert_uint_eq(atomic_load(&standin.engine->kept), 256 * connections);
    for (unsigned i = 0; i < connections; i++)
        close(held_open[i]);
}
END_TEST

START_TEST(one_with_many_recipients_waits_for_room_and_takes_turns)
{
    static struct frame_answer answers[300];
    static uint8_t faults[300];
    char address[64];

    atomic_store(&standin.engine->hold, true);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(address, sizeof address, "hold.d%u.example", i);
        add_recipient(address, NULL);
    }
    ask_many("anna@here.example");
    for (int i = 0; i < WAIT_MS && atomic_load(&standin.engine->kept) < 256; i++)
        usleep(1000);
    const clock_t before = clock();
    usleep(200000); /* no more, and nobody looks at it again and again meanwhile */
    ck_assert_int_lt(clock() - before, CLOCKS_PER_SEC / 10);
    ck_assert_uint_eq(atomic_load(&standin.engine->kept), 256);
    atomic_store(&standin.engine->hold, false);
    memset(faults, UINT8_MAX, sizeof faults);
    hear_many(answers, faults, 300);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answers from the tables");
    TCase *tcase = tcase_create("given again");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_same_question_gets_the_same_answer_with_its_own_id_and_times);
    tcase_add_test(tcase, an_answer_tells_the_age_of_its_evidence_each_time);
    tcase_add_test(tcase, another_record_makes_what_is_kept_void);
    tcase_add_test(tcase, who_switches_the_guarantee_on_has_it_with_the_next_message);
    tcase_add_test(tcase, what_is_kept_grows_no_older_than_was_asked_for_FRESH_02);
    tcase_add_test(tcase, an_answer_is_kept_when_its_question_comes_the_second_time);
    tcase_add_test(tcase, what_came_together_is_answered_one_by_one_whatever_is_kept);
    tcase_add_test(tcase, nothing_is_kept_into_another_second);
    tcase_add_test(tcase, who_would_be_answered_by_what_is_known_only_has_it_renewed);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("order");
    tcase_add_test(tcase, scans_are_shed_before_refreshes_before_what_is_asked_before_live);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("many recipients");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_of_many_recipients_is_answered_as_if_it_were_alone);
    tcase_add_test(tcase, five_hundred_recipients_come_in_one_frame);
    tcase_add_test(tcase, recipients_that_cannot_be_read_are_one_fault);
    tcase_add_test(tcase,
                   recipients_beyond_what_a_user_may_ask_are_answered_by_what_is_known_each_once);
    tcase_add_test(tcase, one_with_many_recipients_waits_for_room_and_takes_turns);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
