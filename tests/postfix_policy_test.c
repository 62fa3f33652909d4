/*
 * postfix_policy_test.c - claims about the texts that Postfix gets, tried on every combination of
 * up to three hosts (scenes.h) and every demand.
 *
 * Each text is read back by a parser of Postfix 3.7's grammar written here from its description,
 * and then played out: what it guarantees, whether anybody who demands nothing loses a host that
 * would have taken the mail without us, whether DANE is ever put aside.
 */
#include "shm/postfix.h"

#include "tests/scenes.h"

#define DEMANDS (LEVEL_AUTHENTICATED + 1)

/* --- the grammar of smtp_tls_policy_maps, Postfix 3.7 --- */

struct reading {
    enum enforce policy;
    bool tls12, sni;
    char match[VERDICT_MATCH_MAX];
};

static bool is_name_list(const char *text)
{
    size_t label = 0;

    for (; *text != '\0'; text++) {
        if (*text == '.' || *text == ':') {
            if (label == 0)
                return false;
            label = 0;
        } else if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", *text) == NULL) {
            return false;
        } else {
            label++;
        }
    }
    return label > 0;
}

static bool read_attribute(struct reading *reading, char *word)
{
    char *value = strchr(word, '=');

    if (value == NULL)
        return false;
    *value++ = '\0';
    if (strcmp(word, "protocols") == 0 && !reading->tls12) {
        reading->tls12 = strcmp(value, ">=TLSv1.2") == 0;
        return reading->tls12;
    }
    if (strcmp(word, "servername") == 0 && !reading->sni) {
        reading->sni = strcmp(value, "hostname") == 0;
        return reading->sni;
    }
    if (strcmp(word, "match") == 0 && reading->policy == ENFORCE_SECURE_MATCH) {
        snprintf(reading->match, sizeof reading->match, "%s", value);
        return is_name_list(value); /* an empty one is an error, too */
    }
    return false; /* policy_type and its kin came with 3.10 (DEC-09) */
}

/* False: Postfix would call it invalid, and hold the mail. */
static bool read_policy(struct reading *reading, const char *text)
{
    static const struct {
        const char *word;
        enum enforce policy;
    } words[] = {{"encrypt", ENFORCE_ENCRYPT},
                 {"dane", ENFORCE_DANE},
                 {"dane-only", ENFORCE_DANE_ONLY},
                 {"secure", ENFORCE_SECURE_MATCH}};
    char copy[POSTFIX_TEXT_MAX], *rest = copy, *word;

    *reading = (struct reading){.policy = ENFORCE_NOTHING};
    snprintf(copy, sizeof copy, "%s", text);
    word = strsep(&rest, " ");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i].word) == 0)
            reading->policy = words[i].policy;
    if (reading->policy == ENFORCE_NOTHING)
        return false;
    while ((word = strsep(&rest, " ")) != NULL)
        if (!read_attribute(reading, word))
            return false;
    return reading->policy != ENFORCE_SECURE_MATCH || reading->match[0] != '\0';
}

/* --- every combination, every demand --- */

static const char *case_text(const struct scene *scene, enum level demand,
                             const struct postfix_policy *policy)
{
    static char text[POSTFIX_TEXT_MAX + 400];

    snprintf(text, sizeof text, "%s, demand %s: %s \"%s\" (%s)", scene_text(scene),
             level_name(demand), postfix_answer_name(policy->answer), policy->text, policy->rule);
    return text;
}

static void texts_are_read_by_postfix(const struct scene *scene, const struct verdict *verdict)
{
    for (unsigned demand = 0; demand < DEMANDS; demand++) {
        struct postfix_policy policy;
        struct reading reading;

        postfix_policy(&policy, verdict, (enum level)demand);
        claim(strlen(policy.rule) > 5, "%s", scene_text(scene));
        if (policy.answer != POSTFIX_POLICY) { /* an empty policy is an error to Postfix */
            claim(policy.text[0] == '\0' && policy.guarantees == LEVEL_NONE, "%s",
                  case_text(scene, (enum level)demand, &policy));
            continue;
        }
        claim(read_policy(&reading, policy.text), "%s",
              case_text(scene, (enum level)demand, &policy));
        if (policy.guarantees >= LEVEL_ENCRYPT) /* S4, TLS-14 */
            claim(reading.tls12, "%s", case_text(scene, (enum level)demand, &policy));
        if (reading.policy == ENFORCE_ENCRYPT || reading.policy == ENFORCE_SECURE_MATCH)
            claim(reading.sni, "%s", case_text(scene, (enum level)demand, &policy));
    }
}

START_TEST(every_text_is_of_postfix_37s_grammar_DEC_09_PIT_23)
{
    all_scenes(texts_are_read_by_postfix);
}
END_TEST

static void promises_are_kept(const struct scene *scene, const struct verdict *verdict)
{
    for (unsigned demand = 0; demand < DEMANDS; demand++) {
        struct postfix_policy policy;
        struct reading reading;

        postfix_policy(&policy, verdict, (enum level)demand);
        if (demand > LEVEL_OPPORTUNISTIC)
            claim(policy.answer != POSTFIX_DEFAULT, "%s", /* would be clear text */
                  case_text(scene, (enum level)demand, &policy));
        if (policy.answer != POSTFIX_POLICY)
            continue;
        claim(read_policy(&reading, policy.text), "%s", policy.text);
        if (policy.guarantees > LEVEL_OPPORTUNISTIC)
            claim(guaranteed(reading.policy, scene) >= policy.guarantees, "%s",
                  case_text(scene, (enum level)demand, &policy));
        if (demand > LEVEL_OPPORTUNISTIC)
            claim(policy.guarantees >= demand, "%s", case_text(scene, (enum level)demand, &policy));
        if (reading.policy == ENFORCE_DANE_ONLY) /* it would stop all mail (DANE-18) */
            claim(scene->secure, "%s", case_text(scene, (enum level)demand, &policy));
    }
}

START_TEST(no_text_promises_more_than_postfix_enforces_and_none_less_than_is_demanded)
{
    all_scenes(promises_are_kept);
}
END_TEST

/* Who demands nothing gets what they would have got, wherever a host was seen (an MTA that honours
 * TLSA records by itself is the measure). */
static void nobody_loses_a_host(const struct scene *scene, const struct verdict *verdict)
{
    struct postfix_policy policy;
    struct reading reading;

    postfix_policy(&policy, verdict, LEVEL_NONE);
    if (policy.answer == POSTFIX_HOLD)
        claim(verdict->conclusion == CONCLUSION_TEMPORARY, "%s",
              case_text(scene, LEVEL_NONE, &policy));
    if (policy.answer != POSTFIX_POLICY)
        return;
    claim(read_policy(&reading, policy.text), "%s", policy.text);
    for (unsigned i = 0; i < scene->count; i++)
        claim(!goes(ENFORCE_NOTHING, at(scene, i), scene->secure) ||
                  goes(reading.policy, at(scene, i), scene->secure),
              "%s", case_text(scene, LEVEL_NONE, &policy));
    if (reading.policy == ENFORCE_DANE && reading.tls12) /* would turn TLS 1.0 into clear text */
        claim(guaranteed(ENFORCE_DANE, scene) >= LEVEL_ENCRYPT, "%s",
              case_text(scene, LEVEL_NONE, &policy));
}

START_TEST(who_demands_nothing_loses_no_host)
{
    all_scenes(nobody_loses_a_host);
}
END_TEST

/* DANE is put aside only behind an unsigned MX record, for a sender who gets more or who is
 * promised encryption, and never at a host that was seen to fail it. */
static void dane_is_kept(const struct scene *scene, const struct verdict *verdict)
{
    for (unsigned demand = 0; demand < DEMANDS; demand++) {
        struct postfix_policy policy;
        struct reading reading;

        postfix_policy(&policy, verdict, (enum level)demand);
        if (policy.answer != POSTFIX_POLICY)
            continue;
        claim(read_policy(&reading, policy.text), "%s", policy.text);
        if (scene->secure)
            claim(respects(reading.policy, scene), "%s",
                  case_text(scene, (enum level)demand, &policy));
        for (unsigned i = 0; i < scene->count; i++)
            if (at(scene, i)->tlsa == USABLE && at(scene, i)->sight == FAILS)
                claim(!ignores_tlsa(reading.policy, at(scene, i), scene->secure), "%s",
                      case_text(scene, (enum level)demand, &policy));
    }
}

START_TEST(dane_is_never_replaced_by_less_behind_a_signed_mx_DANE_11)
{
    all_scenes(dane_is_kept);
}
END_TEST

/* A probe never vetoes: what can be expressed is expressed, whatever was seen (law 1). */
static void what_can_be_said_is_said(const struct scene *scene, const struct verdict *verdict)
{
    static const enum enforce texts[] = {ENFORCE_ENCRYPT, ENFORCE_DANE, ENFORCE_DANE_ONLY};

    if (verdict->conclusion == CONCLUSION_TEMPORARY ||
        verdict->conclusion == CONCLUSION_UNDELIVERABLE)
        return;
    for (unsigned demand = LEVEL_ENCRYPT; demand < DEMANDS; demand++) {
        struct postfix_policy policy;

        postfix_policy(&policy, verdict, (enum level)demand);
        if (policy.answer == POSTFIX_POLICY)
            continue;
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            claim((texts[t] == ENFORCE_DANE && !scene->secure) ||               /* DEC-10 */
                      (texts[t] == ENFORCE_DANE_ONLY && !any(scene, USABLE)) || /* nobody */
                      guaranteed(texts[t], scene) < demand || !respects(texts[t], scene),
                  "%s", case_text(scene, (enum level)demand, &policy));
    }
}

START_TEST(mail_is_held_only_where_no_text_can_express_the_demand_DEC_05)
{
    all_scenes(what_can_be_said_is_said);
}
END_TEST

/* --- the table, row by row --- */

struct table_row {
    bool secure;
    const char *a, *b;
    enum level demand;
    const char *text; /* "": default; NULL: hold */
};

#define ENCRYPT_TEXT "encrypt protocols=>=TLSv1.2 servername=hostname"
#define ONLY_TEXT    "dane-only protocols=>=TLSv1.2"

START_TEST(the_texts_are_exactly_these)
{
    static const struct table_row rows[] = {
        {true, "dane", NULL, LEVEL_NONE, ONLY_TEXT},
        {true, "dane", "dane-enforced", LEVEL_NONE, ONLY_TEXT},
        {true, "dane", "verified", LEVEL_NONE, "dane servername=hostname"},
        {true, "dane", "weak", LEVEL_NONE, "dane servername=hostname"},
        {true, "dane", "excluded, not proved", LEVEL_NONE, "dane servername=hostname"},
        {true, "dane", "encrypted+unusable", LEVEL_NONE, "dane protocols=>=TLSv1.2"},
        {false, "dane", NULL, LEVEL_NONE, ENCRYPT_TEXT},
        {false, "dane-fails", NULL, LEVEL_NONE, "dane servername=hostname"},
        {false, "dane", "clear", LEVEL_NONE, "dane servername=hostname"},
        {true, "encrypted", NULL, LEVEL_NONE, ENCRYPT_TEXT},
        {true, "verified", NULL, LEVEL_NONE, ENCRYPT_TEXT},
        {true, "encrypted+unusable", NULL, LEVEL_NONE, ENCRYPT_TEXT},
        {true, "unknown+unusable", NULL, LEVEL_NONE, ENCRYPT_TEXT},
        {true, "clear", NULL, LEVEL_NONE, ""},
        {true, "weak", NULL, LEVEL_NONE, ""},
        {true, "unknown", NULL, LEVEL_NONE, ""},
        {true, "excluded", NULL, LEVEL_NONE, ""},
        {true, "tlsa-trouble", NULL, LEVEL_NONE, NULL},

        {true, "dane", "encrypted", LEVEL_ENCRYPT, ONLY_TEXT},
        {true, "dane-fails", "encrypted", LEVEL_ENCRYPT, ONLY_TEXT},
        {false, "dane", "encrypted", LEVEL_ENCRYPT, ENCRYPT_TEXT},
        {false, "dane-fails", "encrypted", LEVEL_ENCRYPT, NULL},
        {true, "encrypted", "tlsa-trouble", LEVEL_ENCRYPT, NULL},
        {true, "clear", NULL, LEVEL_ENCRYPT, ENCRYPT_TEXT},
        {true, "unknown", NULL, LEVEL_ENCRYPT, ENCRYPT_TEXT},
        {true, "excluded", NULL, LEVEL_ENCRYPT, NULL},

        {true, "verified", NULL, LEVEL_VERIFIED,
         "secure match=mx1.host.example:domain.example protocols=>=TLSv1.2 servername=hostname"},
        {false, "verified", NULL, LEVEL_VERIFIED,
         "secure match=domain.example protocols=>=TLSv1.2 servername=hostname"},
        {false, "unknown", NULL, LEVEL_VERIFIED,
         "secure match=domain.example protocols=>=TLSv1.2 servername=hostname"},
        {false, "dane-enforced", NULL, LEVEL_VERIFIED, NULL},
        {true, "dane", "verified", LEVEL_VERIFIED, ONLY_TEXT},

        {true, "dane", "clear", LEVEL_AUTHENTICATED, ONLY_TEXT},
        {true, "dane-enforced", "clear", LEVEL_AUTHENTICATED, ONLY_TEXT},
        {false, "dane", NULL, LEVEL_AUTHENTICATED, NULL},
        {true, "verified", NULL, LEVEL_AUTHENTICATED, NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict verdict = verdict_for(rows[i].secure, rows[i].a, rows[i].b);
        struct postfix_policy policy;

        postfix_policy(&policy, &verdict, rows[i].demand);
        claim(strcmp(policy.text, rows[i].text != NULL ? rows[i].text : "") == 0,
              "row %zu: \"%s\" (%s)", i, policy.text, policy.rule);
        ck_assert_int_eq(policy.answer, rows[i].text == NULL      ? POSTFIX_HOLD
                                        : rows[i].text[0] == '\0' ? POSTFIX_DEFAULT
                                                                  : POSTFIX_POLICY);
    }
}
END_TEST

static void no_dane_text(const struct scene *scene, const struct verdict *verdict)
{
    struct verdict unsafe = *verdict;

    unsafe.flags |= VERDICT_POSTFIX_UNSAFE_TLSA;
    for (unsigned demand = 0; demand < DEMANDS; demand++) {
        struct postfix_policy policy;

        postfix_policy(&policy, &unsafe, (enum level)demand);
        claim(strncmp(policy.text, "dane", 4) != 0, "%s",
              case_text(scene, (enum level)demand, &policy));
        claim(policy.answer != POSTFIX_POLICY || policy.guarantees >= demand, "%s",
              case_text(scene, (enum level)demand, &policy));
    }
}

START_TEST(a_host_with_a_tlsa_record_without_data_never_gets_dane_from_us)
{
    struct dns_tlsa empty = {.usage = 3, .selector = 1, .matching_type = 1};
    struct verdict verdict;

    tlsa_answer.count = 1;
    tlsa_answer.tlsa = &empty;
    verdict = verdict_for(true, "encrypted+unusable", NULL);
    ck_assert_uint_ne(verdict.flags & VERDICT_POSTFIX_UNSAFE_TLSA, 0);
    tlsa_answer.count = 0;
    all_scenes(no_dane_text);
}
END_TEST

START_TEST(the_longest_set_of_names_fits_the_text)
{
    struct verdict verdict = verdict_for(true, "verified", NULL);
    struct postfix_policy policy;
    struct reading reading;

    memset(verdict.match, 'a', sizeof verdict.match - 1);
    postfix_policy(&policy, &verdict, LEVEL_VERIFIED);
    ck_assert(read_policy(&reading, policy.text));
    ck_assert(reading.sni && reading.tls12);
    ck_assert_uint_eq(strlen(reading.match), sizeof verdict.match - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("postfix policy");
    TCase *all = tcase_create("every combination"), *table = tcase_create("the table");
    SRunner *runner;
    int failed;

    makings_make();
    tcase_add_test(all, every_text_is_of_postfix_37s_grammar_DEC_09_PIT_23);
    tcase_add_test(all, no_text_promises_more_than_postfix_enforces_and_none_less_than_is_demanded);
    tcase_add_test(all, who_demands_nothing_loses_no_host);
    tcase_add_test(all, dane_is_never_replaced_by_less_behind_a_signed_mx_DANE_11);
    tcase_add_test(all, mail_is_held_only_where_no_text_can_express_the_demand_DEC_05);
    tcase_set_timeout(all, 120);
    tcase_add_test(table, the_texts_are_exactly_these);
    tcase_add_test(table, a_host_with_a_tlsa_record_without_data_never_gets_dane_from_us);
    tcase_add_test(table, the_longest_set_of_names_fits_the_text);
    tcase_set_timeout(table, 120);
    suite_add_tcase(suite, all);
    suite_add_tcase(suite, table);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
