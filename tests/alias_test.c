/*
 * alias_test.c - secure aliases from the line in the configuration to what they do: off, on, expert
 * (S13, issue item 5). How a sender's record is found is account_test's.
 */
#include "engine/base/clock.h"
#include "engine/memory/users.h"
#include "ipc/serve/outcome.h"
#include "tests/table_support.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>

#define NOW_S 1800000000

/* --- the grammar --- */

START_TEST(an_alias_is_a_name_and_how_it_works)
{
    static const struct {
        const char *text, *name, *profile;
        enum alias_mode mode;
        bool sends, receives;
    } rows[] = {
        {"@secure.example.org", "@secure.example.org", "", ALIAS_ON, true, true},
        {" @Secure.Example.ORG. \ton ", "@secure.example.org", "", ALIAS_ON, true, true},
        {"me@secure.example.org off", "me@secure.example.org", "", ALIAS_OFF, false, false},
        {"me@b\xc3\xbc"
         "cher.example expert",
         "me@xn--bcher-kva.example", "", ALIAS_ON, true, true},
        {"me@x.example expert send=hard", "me@x.example", "hard", ALIAS_EXPERT, true, true},
        {"me@x.example expert receive=any", "me@x.example", "", ALIAS_EXPERT, true, false},
        {"me@x.example expert receive=encrypted send=nothing", "me@x.example", "", ALIAS_EXPERT,
         false, true},
        {"me@x.example expert send=hard receive=any", "me@x.example", "hard", ALIAS_EXPERT, true,
         false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[ACCOUNT_NAME_MAX];
        struct account_alias alias;

        ck_assert_msg(alias_read(name, &alias, rows[i].text) == NAME_OK, "row %zu", i);
        ck_assert_str_eq(name, rows[i].name);
        ck_assert_str_eq(alias.profile, rows[i].profile);
        ck_assert_msg(account_alias_mode(&alias) == rows[i].mode, "row %zu", i);
        ck_assert_msg(alias.sends == rows[i].sends && alias.receives == rows[i].receives, "row %zu",
                      i);
    }
}
END_TEST

START_TEST(what_is_no_alias_is_refused_and_never_half_believed)
{
    static const char *const texts[] = {
        "",
        "@",
        "secure.example.org",
        "@secure.example.org of",
        "@secure.example.org on off",
        "@secure.example.org on send=hard",
        "@secure.example.org off receive=any",
        "@secure.example.org expert send=",
        "@secure.example.org expert send=hard send=mild",
        "@secure.example.org expert receive=tls",
        "@secure.example.org send=hard",
        "@secure.example.org expert send=0123456789012345678901234567890123456789",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char name[ACCOUNT_NAME_MAX];
        struct account_alias alias;

        ck_assert_msg(alias_read(name, &alias, texts[i]) != NAME_OK, "\"%s\"", texts[i]);
    }
}
END_TEST

/* --- the configuration --- */

static struct profiles_settings profiles;

static void profiles_make(void)
{
    static char names[][8] = {"strict", "hard"};

    memset(&profiles, 0, sizeof profiles);
    for (size_t i = 0; i < 2; i++) {
        profiles.all[i].name = names[i];
        profiles.all[i].minimum = i == 0 ? 1 : 2; /* encrypt, verified */
        profiles.all[i].unmet = UNMET_STOP;
    }
    profiles.count = 2;
}

static struct guarantee_settings guarantee_of(char **texts, size_t count)
{
    static char strict[] = "strict", plus[] = "+";

    return (struct guarantee_settings){
        .alias_profile = strict, .delimiter = plus, .aliases = {.texts = texts, .count = count}};
}

static int judged(char **texts, size_t count, const char *says)
{
    const struct guarantee_settings guarantee = guarantee_of(texts, count);
    char why[300] = "";
    const int error = memory_settings_judge(&guarantee, &profiles, why, sizeof why);

    ck_assert_msg(strstr(why, says) != NULL, "%s", why);
    return error;
}

START_TEST(bad_aliases_are_named_when_the_file_is_read)
{
    char good[] = "@secure.example.org", hard[] = "me@secure.example.org expert send=hard",
         unknown[] = "me@secure.example.org expert send=none",
         twice[] = "me@secure.example.org off", wrong[] = "me@secure.example.org maybe";

    ck_assert_int_eq(judged((char *[]){good, hard}, 2, ""), 0);
    ck_assert_int_ne(judged((char *[]){unknown}, 1, "there is no profile 'none'"), 0);
    ck_assert_int_ne(judged((char *[]){hard, twice}, 2, "me@secure.example.org is there twice"), 0);
    ck_assert_int_ne(judged((char *[]){wrong}, 1, "'me@secure.example.org maybe'"), 0);
}
END_TEST

/* --- what they do --- */

static struct scratch scratch, below;
static struct users *users;
static struct table_reader *reader;

static void set_up(void)
{
    char why[300] = "";

    profiles_make();
    scratch = below = scratch_make();
    snprintf(below.directory, sizeof below.directory, "%.50s/users", scratch.directory);
    ck_assert_msg(users_open(&users, scratch.directory, NULL, TABLE_BYTES_SMALL, why, sizeof why) ==
                      0,
                  "%s", why);
    reader = scratch_reader(&below);
}

static void tear_down(void)
{
    table_reader_close(reader);
    users_close(users);
    scratch_remove(&below);
    scratch_remove(&scratch);
}

static void configure(char **texts, size_t count)
{
    const struct guarantee_settings guarantee = guarantee_of(texts, count);

    bool wanted;

    ck_assert_int_eq(users_configure(users, &guarantee, &profiles, &wanted), 0);
    users_complete(users, true);
    users_heartbeat(users);
}

static struct decision sent_by(const char *sender)
{
    struct frame_decide asked = {.recipient = "carl@example.com"};
    struct decision decision;
    const char *why = "";

    snprintf(asked.sender, sizeof asked.sender, "%s", sender);
    ck_assert_msg(decide_begin(&decision, &asked, reader, clock_boot_ms(), clock_boot_ms(), NOW_S,
                               &why) == FRAME_ERROR_NONE,
                  "%s", why);
    return decision;
}

static struct answer answer_to(const struct decision *decision)
{
    const struct verdict clear = {.class = CLASS_NONE,
                                  .conclusion = CONCLUSION_DEFINITE,
                                  .cause = CAUSE_NO_STARTTLS,
                                  .host = "mx.example.com",
                                  .began_ms = clock_boot_ms(),
                                  .valid_until_ms = clock_boot_ms() + 60000};
    struct answer answer;

    decide_answer(&answer, decision, &clear, false, clock_boot_ms());
    return answer;
}

static uint16_t received_by(const char *recipient, const char *says)
{
    struct frame_decide asked = {.inbound = 1};
    struct frame_answer reply;
    const char *why = "";

    snprintf(asked.recipient, sizeof asked.recipient, "%s", recipient);
    ck_assert_int_eq(decide_inbound(&reply, &asked, reader, NULL, clock_boot_ms(), &why), 0);
    ck_assert_msg(strstr(reply.text, says) != NULL, "%s", reply.text);
    return reply.smtp_code;
}

static char all[] = "@secure.example.org", off[] = "off@secure.example.org off",
            out[] = "out@secure.example.org expert send=hard receive=any",
            in[] = "in@secure.example.org expert send=nothing";

START_TEST(each_way_of_an_alias_is_as_it_is_set_and_said_S13)
{
    struct decision decision;
    struct answer answer;

    configure((char *[]){all, off, out, in}, 4);

    decision = sent_by("me@secure.example.org");
    answer = answer_to(&decision);
    ck_assert_int_eq(answer.action, ACTION_STOP);
    ck_assert_ptr_nonnull(strstr(answer.text, "the sender's secure alias (strict) demands"));
    ck_assert_uint_eq(received_by("me@secure.example.org", "STARTTLS"), 530);

    decision = sent_by("off@secure.example.org");
    answer = answer_to(&decision);
    ck_assert_int_eq(answer.action, ACTION_SEND);
    ck_assert_ptr_nonnull(strstr(answer.text, "; the sender's secure alias is off"));
    ck_assert_uint_eq(received_by("off@secure.example.org", "a secure alias that is off"), 250);

    decision = sent_by("out@secure.example.org");
    answer = answer_to(&decision);
    ck_assert_int_eq(answer.action, ACTION_STOP);
    ck_assert_int_eq(answer.demand, LEVEL_VERIFIED);
    ck_assert_uint_eq(received_by("out@secure.example.org", "takes mail over any connection"), 250);

    decision = sent_by("in@secure.example.org");
    answer = answer_to(&decision);
    ck_assert_int_eq(answer.action, ACTION_SEND);
    ck_assert_ptr_nonnull(
        strstr(answer.text, "; the sender's secure alias demands nothing of what it sends"));
    ck_assert_uint_eq(received_by("in@secure.example.org", "STARTTLS"), 530);
}
END_TEST

START_TEST(a_reload_changes_how_an_alias_works_and_takes_out_what_is_none_any_more)
{
    configure((char *[]){all, off}, 2);
    ck_assert(!sent_by("off@secure.example.org").has_alias);
    configure((char *[]){all}, 1); /* then the pattern holds for it */
    ck_assert(sent_by("off@secure.example.org").has_alias);
    configure(NULL, 0);
    ck_assert(!sent_by("off@secure.example.org").has_alias);
    ck_assert_uint_eq(received_by("me@secure.example.org", "not a secure alias"), 250);
    configure((char *[]){all}, 1);
    ck_assert(sent_by("me@secure.example.org").has_alias);
}
END_TEST

/* --- while they change --- */

static atomic_bool over;

/* How often an alias stood in the table while the settings said that there is none. */
static void *watch(void *context)
{
    uintptr_t lost = 0;

    (void)context;
    while (!atomic_load(&over)) {
        char alias_text[TABLE_KEY_MAX], settings_text[TABLE_KEY_MAX];
        struct table_key alias_key, settings_key;
        struct account_settings settings;
        struct table_place place;
        union record record;

        account_alias_key(&alias_key, alias_text, all);
        account_settings_key(&settings_key, settings_text);
        if (table_place_find(reader, &alias_key, clock_boot_ms(), &place) &&
            table_find(reader, &settings_key, clock_boot_ms(), &record) == TABLE_HIT &&
            account_settings_unpack(&record, &settings) && settings.no_aliases)
            lost += table_place_holds(&place);
    }
    return (void *)lost;
}

START_TEST(nobody_is_told_that_there_are_no_aliases_while_there_is_one_S13)
{
    pthread_t watcher;
    void *lost;

    configure(NULL, 0);
    ck_assert_int_eq(pthread_create(&watcher, NULL, watch, NULL), 0);
    for (unsigned i = 0; i < 20000; i++)
        configure((char *[]){all}, i % 2);
    atomic_store(&over, true);
    ck_assert_int_eq(pthread_join(watcher, &lost), 0);
    ck_assert_ptr_null(lost);
}
END_TEST

START_TEST(the_derivation_says_how_the_senders_alias_works)
{
    struct decision decision;
    struct answer answer;
    char document[16384];

    configure((char *[]){all, off, out}, 3);
    decision = sent_by("out@secure.example.org");
    answer = answer_to(&decision);
    ck_assert_uint_gt(
        decide_explain(document, sizeof document, &decision, &answer, NULL, false, clock_boot_ms()),
        0);
    ck_assert_ptr_nonnull(strstr(document, "\"alias\":\"expert\",\"alias_profile\":\"hard\""));
    decision = sent_by("off@secure.example.org");
    answer = answer_to(&decision);
    decide_explain(document, sizeof document, &decision, &answer, NULL, false, clock_boot_ms());
    ck_assert_ptr_nonnull(strstr(document, "\"alias\":\"off\",\"alias_profile\":null"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secure aliases");
    TCase *words = tcase_create("words"), *ways = tcase_create("ways");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(words, profiles_make, NULL);
    tcase_add_test(words, an_alias_is_a_name_and_how_it_works);
    tcase_add_test(words, what_is_no_alias_is_refused_and_never_half_believed);
    tcase_add_test(words, bad_aliases_are_named_when_the_file_is_read);
    tcase_add_checked_fixture(ways, set_up, tear_down);
    tcase_add_test(ways, each_way_of_an_alias_is_as_it_is_set_and_said_S13);
    tcase_add_test(ways, a_reload_changes_how_an_alias_works_and_takes_out_what_is_none_any_more);
    tcase_add_test(ways, nobody_is_told_that_there_are_no_aliases_while_there_is_one_S13);
    tcase_add_test(ways, the_derivation_says_how_the_senders_alias_works);
    suite_add_tcase(suite, words);
    suite_add_tcase(suite, ways);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
