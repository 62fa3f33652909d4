/*
 * postfix_policy_test.c - claims about the texts that Postfix gets, tried on every combination of
 * up to three hosts (scenes.h) and every demand.
 *
 * Each text is read back by a parser of Postfix 3.7's grammar (policy_reading.h), and then played
 * out: what it guarantees, whether anybody who demands nothing loses a host that
 * would have taken the mail without us, whether DANE is ever put aside. The keys that a text lists
 * must be those of all hosts, and lose neither DANE nor encryption anywhere.
 */
#include "shm/postfix.h"

#include "tests/policy_reading.h"

#define DEMANDS (LEVEL_AUTHENTICATED + 1)

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
        claim(policy.with_tlsa[0] != '\0' && policy.without_tlsa[0] != '\0' &&
                  policy.price[0] != '\0',
              "%s", policy.row);
        claim(read_policy(&reading, policy.text), "%s",
              case_text(scene, (enum level)demand, &policy));
        if (policy.guarantees >= LEVEL_ENCRYPT) /* S4, TLS-14 */
            claim(reading.tls12, "%s", case_text(scene, (enum level)demand, &policy));
        if (reading.policy == ENFORCE_ENCRYPT || reading.policy == ENFORCE_SECURE_MATCH ||
            reading.policy == PLAY_KEYS)
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
        if (reading.policy == ENFORCE_DANE) /* to a host without records any more: `may` (DEC-10) */
            claim(policy.guarantees <= LEVEL_OPPORTUNISTIC, "%s",
                  case_text(scene, (enum level)demand, &policy));
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

/* Whatever another resolver tells the MTA: who is claimed to be authenticated is named, or must be
 * by records that the MTA validates itself, at every host. */
static void hosts_are_named(const struct scene *scene, const struct verdict *verdict)
{
    for (unsigned demand = 0; demand < DEMANDS; demand++) {
        struct postfix_policy policy;

        postfix_policy(&policy, verdict, (enum level)demand);
        if (policy.answer == POSTFIX_POLICY && policy.guarantees > LEVEL_ENCRYPT)
            claim(strncmp(policy.text, "dane-only", 9) == 0 ||
                      strstr(policy.text, " match=") != NULL,
                  "%s", case_text(scene, (enum level)demand, &policy));
    }
}

START_TEST(what_is_called_authenticated_does_not_hang_on_one_resolver_PIT_06)
{
    all_scenes(hosts_are_named);
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
    /* It would turn TLS 1.0 into clear text at a host that has lost its records by the delivery. */
    claim(reading.policy != ENFORCE_DANE || !reading.tls12, "%s",
          case_text(scene, LEVEL_NONE, &policy));
}

START_TEST(who_demands_nothing_loses_no_host)
{
    all_scenes(nobody_loses_a_host);
}
END_TEST

/* --- lists of keys --- */

/* Are these the keys of all hosts that may get mail, and no others? */
static bool keys_are_those_of_the_hosts(const struct reading *reading, const struct scene *scene)
{
    unsigned hosts = 0;

    for (unsigned i = 0; i < scene->count; i++) {
        uint8_t key[32];
        bool listed = false;

        if (at(scene, i)->excluded)
            continue;
        hosts++;
        memset(key, (int)i + 1, sizeof key);
        for (unsigned k = 0; k < reading->keys; k++)
            listed |= memcmp(reading->key[k], key, sizeof key) == 0;
        if (!listed)
            return false;
    }
    return hosts == reading->keys;
}

/* A host whose TLSA records are met, and none that fails. */
static bool dane_takes_the_mail(const struct scene *scene)
{
    bool met = false;

    for (unsigned i = 0; i < scene->count; i++) {
        met |= at(scene, i)->tlsa == USABLE && at(scene, i)->sight >= MEETS_DANE;
        if (at(scene, i)->tlsa == USABLE && at(scene, i)->sight == FAILS)
            return false;
    }
    return met;
}

static void keys_are_right(const struct scene *scene, const struct verdict *verdict)
{
    claim((verdict->pins.count > 0) == keys_say_it(scene), "%s: %u keys", scene_text(scene),
          verdict->pins.count);
    for (unsigned demand = 0; demand < DEMANDS; demand++) {
        struct postfix_policy policy;
        struct reading reading;

        postfix_policy(&policy, verdict, (enum level)demand);
        if (policy.answer != POSTFIX_POLICY)
            continue;
        claim(read_policy(&reading, policy.text), "%s", policy.text);
        if (reading.policy != PLAY_KEYS)
            continue;
        claim(keys_are_those_of_the_hosts(&reading, scene), "%s",
              case_text(scene, (enum level)demand, &policy));
        /* Who demands nothing is not held by what a probe saw: there is a host besides (law 1). */
        claim(demand > LEVEL_OPPORTUNISTIC || every_host_has_usable_tlsa(scene) ||
                  dane_takes_the_mail(scene),
              "%s", case_text(scene, (enum level)demand, &policy));
        /* Names behind an unsigned MX record may be an attacker's, with keys of his own. */
        claim(scene->secure || policy.guarantees <= LEVEL_DANE_INSECURE_MX, "%s",
              case_text(scene, (enum level)demand, &policy));
    }
}

START_TEST(the_keys_listed_are_those_of_every_host_that_may_get_mail_MEM_03_PIT_05)
{
    all_scenes(keys_are_right);
}
END_TEST

/* What the issue asks for: at a host with usable TLSA records nothing but what they say, at the
 * others nothing but TLS, and no host lost that does it. */
static void keys_lose_neither(const struct scene *scene, const struct verdict *verdict)
{
    const enum enforce wanted = ENFORCE_DANE_ELSE_ENCRYPT;
    struct postfix_policy policy;
    struct reading reading;

    if (!keys_say_it(scene) || verdict->conclusion == CONCLUSION_TEMPORARY ||
        verdict->conclusion == CONCLUSION_UNDELIVERABLE)
        return;
    postfix_policy(&policy, verdict, LEVEL_ENCRYPT);
    claim(policy.answer == POSTFIX_POLICY && read_policy(&reading, policy.text), "%s",
          case_text(scene, LEVEL_ENCRYPT, &policy));
    claim(respects(reading.policy, scene), "%s", case_text(scene, LEVEL_ENCRYPT, &policy));
    for (unsigned i = 0; i < scene->count; i++) {
        claim(goes(reading.policy, at(scene, i), scene->secure) ==
                  goes(wanted, at(scene, i), scene->secure),
              "%s: host %u", case_text(scene, LEVEL_ENCRYPT, &policy), i + 1);
        claim(worst(reading.policy, at(scene, i), scene->secure) >= ENCRYPTED, "%s: host %u",
              case_text(scene, LEVEL_ENCRYPT, &policy), i + 1);
    }
}

START_TEST(with_keys_nobody_who_demands_encryption_loses_a_host_or_dane_DANE_11_DANE_17)
{
    all_scenes(keys_lose_neither);
}
END_TEST

/* Which hosts get mail, as the comment of postfix.c has it: D has TLSA records and meets them, F
 * has some and fails, O has none and does TLS, C has none and does not. */
START_TEST(the_four_texts_differ_in_whom_they_lose_and_whom_they_pass_over)
{
    static const struct {
        enum enforce policy;
        bool secure;
        const char *get_mail, *dane_put_aside; /* at these hosts */
    } rows[] = {
        {ENFORCE_DANE, true, "D O C", ""},     {ENFORCE_DANE, false, "D O C", ""},
        {ENFORCE_DANE_ONLY, true, "D", ""},    {ENFORCE_DANE_ONLY, false, "", ""},
        {ENFORCE_ENCRYPT, true, "D O", "D F"}, {ENFORCE_ENCRYPT, false, "D O", "D F"},
        {PLAY_KEYS, true, "D O", ""},          {PLAY_KEYS, false, "D O", ""},
        {ENFORCE_NOTHING, true, "D O C", ""},
    };
    static const struct {
        char letter;
        const char *situation;
    } hosts[] = {{'D', "dane"}, {'F', "dane-fails"}, {'O', "encrypted"}, {'C', "clear"}};

    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t h = 0; h < sizeof hosts / sizeof *hosts; h++)
            for (size_t i = 0; i < SITUATIONS; i++) {
                if (strcmp(situations[i].name, hosts[h].situation) != 0)
                    continue;
                ck_assert_int_eq(goes(rows[r].policy, &situations[i], rows[r].secure),
                                 strchr(rows[r].get_mail, hosts[h].letter) != NULL);
                ck_assert_int_eq(ignores_tlsa(rows[r].policy, &situations[i], rows[r].secure),
                                 strchr(rows[r].dane_put_aside, hosts[h].letter) != NULL);
            }
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

/* Usable TLSA records ask for DANE, others for TLS (DANE-12). Without a text an MTA whose own level
 * is `may` would send there in clear. */
static void tlsa_is_not_left_to_chance(const struct scene *scene, const struct verdict *verdict)
{
    struct postfix_policy policy;

    if (verdict->conclusion == CONCLUSION_TEMPORARY ||
        verdict->conclusion == CONCLUSION_UNDELIVERABLE ||
        (!any(scene, USABLE) && !any(scene, UNUSABLE)))
        return;
    postfix_policy(&policy, verdict, LEVEL_NONE);
    claim(policy.answer == POSTFIX_POLICY, "%s", case_text(scene, LEVEL_NONE, &policy));
}

START_TEST(where_a_host_has_tlsa_records_nobody_is_left_to_the_mtas_own_level_DANE_11_DANE_12)
{
    all_scenes(tlsa_is_not_left_to_chance);
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

#define BYTES_8(b)   b ":" b ":" b ":" b ":" b ":" b ":" b ":" b
#define KEY(b)       BYTES_8(b) ":" BYTES_8(b) ":" BYTES_8(b) ":" BYTES_8(b)
#define KEYS(list)   "fingerprint match=" list " protocols=>=TLSv1.2 servername=hostname"
#define ENCRYPT_TEXT "encrypt protocols=>=TLSv1.2 servername=hostname"
#define ONLY_TEXT    "dane-only protocols=>=TLSv1.2"

static const struct table_row table_rows[] = {
    {true, "dane", NULL, LEVEL_NONE, ONLY_TEXT},
    {true, "dane", "dane-enforced", LEVEL_NONE, ONLY_TEXT},
    {true, "dane", "verified", LEVEL_NONE, KEYS(KEY("01") "|" KEY("02"))},
    {true, "dane-enforced", "verified", LEVEL_NONE, "dane servername=hostname"},
    {true, "dane-fails", "verified", LEVEL_NONE, "dane servername=hostname"},
    {true, "dane by issuer", "verified", LEVEL_NONE, "dane servername=hostname"},
    {true, "dane", "weak", LEVEL_NONE, "dane servername=hostname"},
    {true, "dane", "excluded, not proved", LEVEL_NONE, "dane servername=hostname"},
    {true, "dane", "encrypted+unusable", LEVEL_NONE, "dane servername=hostname"},
    {false, "dane", NULL, LEVEL_NONE, KEYS(KEY("01"))},
    {false, "dane", "dane", LEVEL_NONE, KEYS(KEY("01") "|" KEY("02"))},
    {false, "dane-fails", NULL, LEVEL_NONE, KEYS(KEY("01"))},
    {false, "dane", "encrypted", LEVEL_NONE, KEYS(KEY("01") "|" KEY("02"))},
    {false, "dane-enforced", "encrypted", LEVEL_NONE, ENCRYPT_TEXT},
    {false, "dane by issuer", NULL, LEVEL_NONE, ENCRYPT_TEXT},
    {false, "dane-fails", "encrypted", LEVEL_NONE, "dane servername=hostname"},
    {false, "dane", "clear", LEVEL_NONE, "dane servername=hostname"},
    {true, "encrypted", NULL, LEVEL_NONE, ENCRYPT_TEXT},
    {true, "verified", NULL, LEVEL_NONE, ENCRYPT_TEXT},
    {true, "encrypted+unusable", NULL, LEVEL_NONE, ENCRYPT_TEXT},
    {true, "unknown+unusable", NULL, LEVEL_NONE, ENCRYPT_TEXT},
    {true, "unusable-no-tls", "clear", LEVEL_NONE, "dane servername=hostname"},
    {true, "encrypted+unusable", "clear", LEVEL_NONE, "dane servername=hostname"},
    {false, "encrypted+unusable", "weak", LEVEL_NONE, "dane servername=hostname"},
    {true, "unusable-no-tls", "encrypted", LEVEL_NONE, ENCRYPT_TEXT},
    {true, "clear", NULL, LEVEL_NONE, ""},
    {true, "weak", NULL, LEVEL_NONE, ""},
    {true, "unknown", NULL, LEVEL_NONE, ""},
    {true, "excluded", NULL, LEVEL_NONE, ""},
    {true, "tlsa-trouble", NULL, LEVEL_NONE, NULL},

    {true, "dane", "encrypted", LEVEL_ENCRYPT, KEYS(KEY("01") "|" KEY("02"))},
    {true, "dane-fails", "encrypted", LEVEL_ENCRYPT, KEYS(KEY("01") "|" KEY("02"))},
    {true, "dane", "excluded", LEVEL_ENCRYPT, ONLY_TEXT},
    {true, "dane", "dane-enforced", LEVEL_ENCRYPT, ONLY_TEXT},
    {true, "dane", "unknown", LEVEL_ENCRYPT, ONLY_TEXT},
    {true, "dane", "encrypted, unsure", LEVEL_ENCRYPT, ONLY_TEXT},
    {true, "dane by issuer", "encrypted", LEVEL_ENCRYPT, ONLY_TEXT},
    {false, "dane", NULL, LEVEL_ENCRYPT, KEYS(KEY("01"))},
    {false, "dane", "encrypted", LEVEL_ENCRYPT, KEYS(KEY("01") "|" KEY("02"))},
    {false, "dane-enforced", "encrypted", LEVEL_ENCRYPT, KEYS(KEY("01") "|" KEY("02"))},
    {false, "dane-fails", "encrypted", LEVEL_ENCRYPT, KEYS(KEY("01") "|" KEY("02"))},
    {false, "dane-fails", "weak", LEVEL_ENCRYPT, NULL},
    {false, "dane", "clear", LEVEL_ENCRYPT, ENCRYPT_TEXT},
    {false, "dane by issuer", "encrypted", LEVEL_ENCRYPT, ENCRYPT_TEXT},
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
    {false, "dane", NULL, LEVEL_DANE_INSECURE_MX, KEYS(KEY("01"))},
    {false, "dane", "encrypted", LEVEL_DANE_INSECURE_MX,
     "secure match=domain.example "
     "protocols=>=TLSv1.2 "
     "servername=hostname"},
    {false, "dane", NULL, LEVEL_VERIFIED,
     "secure match=domain.example protocols=>=TLSv1.2 servername=hostname"},

    {true, "dane", "clear", LEVEL_AUTHENTICATED, ONLY_TEXT},
    {true, "dane-enforced", "clear", LEVEL_AUTHENTICATED, ONLY_TEXT},
    {false, "dane", NULL, LEVEL_AUTHENTICATED, NULL},
    {true, "verified", NULL, LEVEL_AUTHENTICATED, NULL},
};

START_TEST(the_texts_are_exactly_these)
{
    for (size_t i = 0; i < sizeof table_rows / sizeof *table_rows; i++) {
        const struct table_row *row = &table_rows[i];
        struct verdict verdict = verdict_for(row->secure, row->a, row->b);
        struct postfix_policy policy;

        postfix_policy(&policy, &verdict, row->demand);
        claim(strcmp(policy.text, row->text != NULL ? row->text : "") == 0, "row %zu: \"%s\" (%s)",
              i, policy.text, policy.rule);
        ck_assert_int_eq(policy.answer, row->text == NULL      ? POSTFIX_HOLD
                                        : row->text[0] == '\0' ? POSTFIX_DEFAULT
                                                               : POSTFIX_POLICY);
    }
}
END_TEST

/* Without DANE, too, none is passed over behind a signed MX record, none at a host that fails, and
 * the list of keys says it wherever there is one. */
static void dane_is_kept_all_the_same(const struct scene *scene, enum level demand,
                                      const struct postfix_policy *policy)
{
    struct reading reading;

    if (policy->answer != POSTFIX_POLICY)
        return;
    claim(read_policy(&reading, policy->text), "%s", policy->text);
    claim(!scene->secure || respects(reading.policy, scene), "%s",
          case_text(scene, demand, policy));
    for (unsigned i = 0; i < scene->count; i++)
        claim(at(scene, i)->tlsa != USABLE || at(scene, i)->sight != FAILS ||
                  !ignores_tlsa(reading.policy, at(scene, i), scene->secure),
              "%s", case_text(scene, demand, policy));
    claim(demand >= LEVEL_DANE_INSECURE_MX || !keys_say_it(scene) || reading.policy == PLAY_KEYS,
          "%s", case_text(scene, demand, policy));
}

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
        claim(policy.answer != POSTFIX_HOLD || demand > LEVEL_OPPORTUNISTIC ||
                  verdict->conclusion == CONCLUSION_TEMPORARY,
              "%s", case_text(scene, (enum level)demand, &policy));
        dane_is_kept_all_the_same(scene, (enum level)demand, &policy);
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

START_TEST(the_longest_set_of_keys_fits_the_text)
{
    struct verdict verdict = verdict_for(false, "dane", "encrypted");
    struct postfix_policy policy;
    struct reading reading;

    for (unsigned i = 0; i < VERDICT_PINS_MAX; i++)
        memset(verdict.pins.sha256[i], 0xf0 + (int)i, sizeof verdict.pins.sha256[i]);
    verdict.pins.count = VERDICT_PINS_MAX;
    postfix_policy(&policy, &verdict, LEVEL_ENCRYPT);
    ck_assert(read_policy(&reading, policy.text));
    ck_assert(reading.sni && reading.tls12);
    ck_assert_uint_eq(reading.keys, VERDICT_PINS_MAX);
    ck_assert_mem_eq(reading.key[VERDICT_PINS_MAX - 1], verdict.pins.sha256[VERDICT_PINS_MAX - 1],
                     32);
}
END_TEST

/* --- the keys of a host, in detail --- */

/* A host with these records alone, behind an unsigned MX record. */
static unsigned keys_of_records(struct dns_tlsa *records, uint16_t count, uint16_t dropped)
{
    struct scene scene = {.count = 1};
    struct verdict verdict;
    struct dns_answer answer = {.count = count, .dropped = dropped, .tlsa = records};

    scene.which[0] = 3;
    ck_assert_str_eq(at(&scene, 0)->name, "dane");
    facts[0][3].tlsa = &answer;
    verdict = verdict_of(&scene);
    makings_make();
    return verdict.pins.count;
}

START_TEST(only_a_set_of_3_1_1_is_a_list_of_keys_DANE_25_DANE_26)
{
    static const uint8_t a[64] = {1}, b[64] = {2};
    const struct dns_tlsa key = {3, 1, 1, 32, a}, other = {3, 1, 1, 32, b},
                          strong = {3, 1, 2, 64, b}, certificate = {3, 0, 1, 32, b},
                          authority = {2, 1, 1, 32, b}, usage = {1, 1, 1, 32, b},
                          short_ = {3, 1, 1, 31, b}, empty = {3, 1, 1, 0, b};

    ck_assert_uint_eq(keys_of_records((struct dns_tlsa[]){key}, 1, 0), 1);
    ck_assert_uint_eq(keys_of_records((struct dns_tlsa[]){key, other}, 2, 0), 2);
    ck_assert_uint_eq(keys_of_records((struct dns_tlsa[]){key, key}, 2, 0), 1);
    /* Unusable ones stand for nothing (DANE-21..23). */
    ck_assert_uint_eq(keys_of_records((struct dns_tlsa[]){usage, key, short_, empty}, 4, 0), 1);
    ck_assert_uint_eq(keys_of_records((struct dns_tlsa[]){usage}, 1, 0), 0);
    /* Here a key alone would be less, or more, than what the records say. */
    ck_assert_uint_eq(keys_of_records((struct dns_tlsa[]){key, strong}, 2, 0), 0);
    ck_assert_uint_eq(keys_of_records((struct dns_tlsa[]){key, certificate}, 2, 0), 0);
    ck_assert_uint_eq(keys_of_records((struct dns_tlsa[]){authority, key}, 2, 0), 0);
    /* Not all was looked at. */
    ck_assert_uint_eq(keys_of_records((struct dns_tlsa[]){key}, 1, 1), 0);
}
END_TEST

START_TEST(a_list_that_does_not_fit_is_not_begun)
{
    static uint8_t digests[VERDICT_PINS_MAX + 1][32];
    struct dns_tlsa records[VERDICT_PINS_MAX + 1];

    for (unsigned i = 0; i <= VERDICT_PINS_MAX; i++) {
        digests[i][0] = (uint8_t)i;
        records[i] = (struct dns_tlsa){3, 1, 1, 32, digests[i]};
    }
    ck_assert_uint_eq(keys_of_records(records, VERDICT_PINS_MAX, 0), VERDICT_PINS_MAX);
    ck_assert_uint_eq(keys_of_records(records, VERDICT_PINS_MAX + 1, 0), 0);
}
END_TEST

START_TEST(the_key_of_every_address_is_listed_and_one_unseen_address_ends_the_list)
{
    static struct certificate second = {.spki_sha256 = {0xaa}};
    static struct evidence there, bare;
    struct scene scene = {.count = 2};
    struct host_facts *host;
    struct verdict verdict;

    for (unsigned i = 0; i < SITUATIONS; i++) {
        scene.which[0] = strcmp(situations[i].name, "dane") == 0 ? i : scene.which[0];
        scene.which[1] = strcmp(situations[i].name, "encrypted") == 0 ? i : scene.which[1];
    }
    host = &facts[1][scene.which[1]];
    there = makings[1].encrypts;
    there.chain[0] = &second;
    host->endpoints[1].evidence = &there;
    host->endpoint_count = 2;
    verdict = verdict_of(&scene);
    ck_assert_uint_eq(verdict.pins.count, 3);
    ck_assert_uint_eq(verdict.pins.sha256[2][0], 0xaa);
    bare = there;
    bare.outcome = OUTCOME_CONNECT_TIMEOUT;
    host->endpoints[1].evidence = &bare;
    ck_assert_uint_eq(verdict_of(&scene).pins.count, 0);
    host->endpoint_count = 1;
    host->endpoints_dropped = 1;
    ck_assert_uint_eq(verdict_of(&scene).pins.count, 0);
    host->endpoints_dropped = 0;
    ck_assert_uint_eq(verdict_of(&scene).pins.count, 2);
}
END_TEST

START_TEST(where_no_host_has_usable_records_nothing_is_listed_MEM_03)
{
    ck_assert_uint_eq(verdict_for(true, "encrypted", "verified").pins.count, 0);
    ck_assert_uint_eq(verdict_for(false, "encrypted", NULL).pins.count, 0);
}
END_TEST

/* --- records without data, the memory, mail that must arrive --- */

START_TEST(keys_stand_in_for_dane_where_it_would_end_postfix)
{
    struct verdict all = verdict_for(true, "dane", "dane-enforced"),
                   some = verdict_for(true, "dane-fails", "encrypted"),
                   unsigned_ = verdict_for(false, "dane", NULL);
    struct postfix_policy policy;

    all.flags |= VERDICT_POSTFIX_UNSAFE_TLSA;
    some.flags |= VERDICT_POSTFIX_UNSAFE_TLSA;
    unsigned_.flags |= VERDICT_POSTFIX_UNSAFE_TLSA;
    for (unsigned demand = 0; demand < DEMANDS; demand++) {
        postfix_policy(&policy, &all, (enum level)demand);
        ck_assert_str_eq(policy.text, KEYS(KEY("01") "|" KEY("02")));
        ck_assert_int_eq(policy.guarantees, LEVEL_AUTHENTICATED);
    }
    postfix_policy(&policy, &some, LEVEL_ENCRYPT);
    ck_assert_str_eq(policy.text, KEYS(KEY("01") "|" KEY("02")));
    ck_assert_int_eq(policy.guarantees, LEVEL_ENCRYPT);
    some.pins.count = 0;
    postfix_policy(&policy, &some, LEVEL_ENCRYPT);
    ck_assert_int_eq(policy.answer, POSTFIX_HOLD);
    postfix_policy(&policy, &unsigned_, LEVEL_NONE);
    ck_assert_int_eq(policy.guarantees, LEVEL_DANE_INSECURE_MX);
    ck_assert_str_eq(policy.text, KEYS(KEY("01")));
}
END_TEST

START_TEST(what_is_remembered_as_dane_can_be_demanded_without_any_evidence_MEM_05)
{
    static const char *const hidden[] = {"unknown", "no-facts", "encrypted, unsure"};

    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        for (unsigned secure = 0; secure < 2; secure++) {
            struct verdict verdict = verdict_for(secure != 0, hidden[i], NULL);
            struct postfix_policy policy;

            postfix_policy(&policy, &verdict, LEVEL_AUTHENTICATED);
            ck_assert_int_eq(policy.answer, POSTFIX_HOLD);
            verdict.floor.level = LEVEL_AUTHENTICATED;
            verdict.floor.proof = PROOF_STS;
            postfix_policy(&policy, &verdict, LEVEL_AUTHENTICATED);
            ck_assert_int_eq(policy.answer, POSTFIX_HOLD);
            verdict.floor.proof = PROOF_DANE;
            postfix_policy(&policy, &verdict, LEVEL_AUTHENTICATED);
            ck_assert_str_eq(policy.text, ONLY_TEXT);
            ck_assert_int_eq(policy.guarantees, LEVEL_AUTHENTICATED);
        }
}
END_TEST

START_TEST(mail_that_must_arrive_is_sent_with_may_RPT_15_RTLS_07)
{
    struct postfix_policy policy;
    struct reading reading;

    postfix_policy_released(&policy);
    ck_assert_str_eq(policy.text, "may");
    ck_assert(read_policy(&reading, policy.text));
    ck_assert(reading.may);
    ck_assert_int_lt(policy.guarantees, LEVEL_ENCRYPT);
    for (unsigned demand = 0; demand < DEMANDS; demand++) { /* and nothing else ever is */
        struct verdict verdict = verdict_for(true, "clear", NULL);

        postfix_policy(&policy, &verdict, (enum level)demand);
        ck_assert_str_ne(policy.text, "may");
    }
}
END_TEST

/* --- no row in vain --- */

#define ROWS_MAX 64
static unsigned long decided[ROWS_MAX];

static unsigned row_number(const char *name)
{
    struct postfix_policy row;

    for (unsigned i = 0; postfix_policy_row(&row, i); i++)
        if (strcmp(row.row, name) == 0)
            return i;
    ck_abort_msg("no row %s", name);
}

static void count_rows(const struct scene *scene, const struct verdict *verdict)
{
    (void)scene;
    for (unsigned variant = 0; variant < 6; variant++)
        for (unsigned demand = 0; demand < DEMANDS; demand++) {
            struct verdict changed = *verdict;
            struct postfix_policy policy;

            if (variant % 2 != 0)
                changed.flags |= VERDICT_POSTFIX_UNSAFE_TLSA;
            if (variant / 2 == 2)
                changed.floor.flags = FLOOR_UNKNOWN;
            if (variant / 2 == 1)
                changed.floor = (struct floor){.level = LEVEL_AUTHENTICATED, .proof = PROOF_DANE};
            postfix_policy(&policy, &changed, (enum level)demand);
            decided[row_number(policy.row)]++;
        }
}

/* Every other scene has an answer of the MX look-up. */
START_TEST(encryption_is_not_demanded_of_hosts_that_nobody_has_looked_up_DANE_15)
{
    struct verdict verdict = {.class = CLASS_UNKNOWN,
                              .conclusion = CONCLUSION_INCONCLUSIVE,
                              .floor.level = LEVEL_ENCRYPT};
    struct postfix_policy policy;

    postfix_policy(&policy, &verdict, LEVEL_NONE); /* Postfix does DANE by itself */
    ck_assert_int_eq(policy.answer, POSTFIX_DEFAULT);
    postfix_policy(&policy, &verdict, LEVEL_ENCRYPT);
    ck_assert_int_eq(policy.answer, POSTFIX_HOLD);
    ck_assert_str_eq(policy.row, "encryption-hosts-unknown");
    verdict.hosts = 1;
    postfix_policy(&policy, &verdict, LEVEL_ENCRYPT);
    ck_assert_int_eq(policy.answer, POSTFIX_POLICY);
}
END_TEST

START_TEST(every_row_decides_somewhere_and_has_a_name_of_its_own)
{
    const struct verdict no_hosts = {.conclusion = CONCLUSION_INCONCLUSIVE};
    struct postfix_policy row;

    memset(decided, 0, sizeof decided);
    postfix_policy_released(&row);
    decided[row_number(row.row)]++;
    postfix_policy(&row, &no_hosts, LEVEL_ENCRYPT);
    decided[row_number(row.row)]++;
    for (unsigned hosts = 1; hosts <= 2; hosts++)
        every_scene(hosts, count_rows);
    for (unsigned i = 0; postfix_policy_row(&row, i); i++) {
        ck_assert_uint_lt(i, ROWS_MAX);
        ck_assert_uint_eq(row_number(row.row), i);
        claim(decided[i] > 0, "%s never decides", row.row);
        ck_assert_uint_eq(strspn(row.row, "abcdefghijklmnopqrstuvwxyz-"), strlen(row.row));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("postfix policy");
    TCase *all = tcase_create("every combination"), *table = tcase_create("the table"),
          *keys = tcase_create("keys");
    SRunner *runner;
    int failed;

    makings_make();
    tcase_add_test(all, every_text_is_of_postfix_37s_grammar_DEC_09_PIT_23);
    tcase_add_test(all, no_text_promises_more_than_postfix_enforces_and_none_less_than_is_demanded);
    tcase_add_test(all, what_is_called_authenticated_does_not_hang_on_one_resolver_PIT_06);
    tcase_add_test(all, who_demands_nothing_loses_no_host);
    tcase_add_test(all, dane_is_never_replaced_by_less_behind_a_signed_mx_DANE_11);
    tcase_add_test(
        all, where_a_host_has_tlsa_records_nobody_is_left_to_the_mtas_own_level_DANE_11_DANE_12);
    tcase_add_test(all, mail_is_held_only_where_no_text_can_express_the_demand_DEC_05);
    tcase_add_test(all, the_keys_listed_are_those_of_every_host_that_may_get_mail_MEM_03_PIT_05);
    tcase_add_test(all,
                   with_keys_nobody_who_demands_encryption_loses_a_host_or_dane_DANE_11_DANE_17);
    tcase_set_timeout(all, 120);
    tcase_add_test(table, the_texts_are_exactly_these);
    tcase_add_test(table, a_host_with_a_tlsa_record_without_data_never_gets_dane_from_us);
    tcase_add_test(table, the_longest_set_of_names_fits_the_text);
    tcase_add_test(table, the_longest_set_of_keys_fits_the_text);
    tcase_add_test(table, the_four_texts_differ_in_whom_they_lose_and_whom_they_pass_over);
    tcase_add_test(table, encryption_is_not_demanded_of_hosts_that_nobody_has_looked_up_DANE_15);
    tcase_add_test(table, every_row_decides_somewhere_and_has_a_name_of_its_own);
    tcase_add_test(keys, only_a_set_of_3_1_1_is_a_list_of_keys_DANE_25_DANE_26);
    tcase_add_test(keys, a_list_that_does_not_fit_is_not_begun);
    tcase_add_test(keys, the_key_of_every_address_is_listed_and_one_unseen_address_ends_the_list);
    tcase_add_test(keys, where_no_host_has_usable_records_nothing_is_listed_MEM_03);
    tcase_add_test(keys, keys_stand_in_for_dane_where_it_would_end_postfix);
    tcase_add_test(table, what_is_remembered_as_dane_can_be_demanded_without_any_evidence_MEM_05);
    tcase_add_test(table, mail_that_must_arrive_is_sent_with_may_RPT_15_RTLS_07);
    tcase_set_timeout(table, 120);
    suite_add_tcase(suite, all);
    suite_add_tcase(suite, table);
    suite_add_tcase(suite, keys);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
