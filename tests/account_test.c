/*
 * account_test.c - the users' table: whose guarantee holds for a sender, and that nothing lowers it
 * by not being known.
 */
#include "tests/table_support.h"

#define NOW_S 1800000000
#define HOUR  3600

static struct scratch scratch;
static struct table_writer *writer;
static struct table_reader *reader;

/* --- the table --- */

static void put(struct table_key *key, union record *record)
{
    CLAIM(table_writer_put_record(writer, key, record) == 0);
}

static void put_account(const char *name, const struct account *account)
{
    struct table_key key;
    union record record;

    CLAIM(account_pack(&record, &key, name, account, 1));
    put(&key, &record);
}

/* On since long ago, with this profile. */
static void put_on(const char *name, const char *profile)
{
    struct account account = {.flags = ACCOUNT_ON};

    snprintf(account.profile, sizeof account.profile, "%s", profile);
    put_account(name, &account);
}

static void put_alias_that(const char *name, const struct account_alias *alias)
{
    struct table_key key;
    union record record;

    CLAIM(account_alias_pack(&record, &key, name, alias, 1));
    put(&key, &record);
}

static void put_alias(const char *name, const char *profile)
{
    struct account_alias alias = {.sends = true, .receives = true};

    snprintf(alias.profile, sizeof alias.profile, "%s", profile);
    put_alias_that(name, &alias);
}

static void put_exception(const char *name, const char *domain, int64_t since_s, int64_t until_s)
{
    const struct account_exception exception = {since_s, until_s};
    struct table_key key;
    union record record;

    CLAIM(account_exception_pack(&record, &key, name, domain, &exception, 1));
    put(&key, &record);
}

static void put_profile(const char *name)
{
    struct profile profile = {.minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP, .window_ms = 60000};
    struct table_key key;
    union record record;

    snprintf(profile.name, sizeof profile.name, "%s", name);
    CLAIM(account_profile_pack(&record, &key, &profile, 1));
    put(&key, &record);
}

static void put_settings(const struct account_settings *settings)
{
    struct table_key key;
    union record record;

    CLAIM(account_settings_pack(&record, &key, settings, 1));
    put(&key, &record);
}

static void remove_profile(const char *name)
{
    char text[TABLE_KEY_MAX];
    struct table_key key;

    CLAIM(account_profile_key(&key, text, name));
    CLAIM(table_writer_remove(writer, &key));
}

static void set_complete(bool complete)
{
    for (uint16_t partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(writer, partition, complete);
}

static void set_up(void)
{
    static const char *const profiles[] = {"posteo", "strict", "secure", "standard"};

    scratch = scratch_make();
    writer = scratch_writer(&scratch, TABLE_BYTES_SMALL, NULL);
    reader = scratch_reader(&scratch);
    put_settings(&(struct account_settings){.delimiter = "+-", .alias_profile = "secure"});
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        put_profile(profiles[i]);
    set_complete(true);
}

static void tear_down(void)
{
    table_reader_close(reader);
    table_writer_close(writer);
    scratch_remove(&scratch);
}

/* --- asking --- */

static struct account_demand ask_at(const char *sender, const char *sasl, const char *domain,
                                    int64_t accepted_s, int64_t now_s)
{
    struct account_demand demand;

    memset(&demand, 0x55, sizeof demand);
    account_demand(&demand, reader, sender, sasl, domain, accepted_s, scratch.clock.boot_ms, now_s);
    return demand;
}

/* The same by what was kept of earlier questions. */
static struct account_demand ask_kept(struct account_kept *kept, const char *sender,
                                      uint64_t now_ms)
{
    struct account_demand demand;
    struct account_ahead ahead;

    memset(&demand, 0x55, sizeof demand);
    account_ask(&ahead, sender, reader, kept);
    account_fetch(&ahead, reader, now_ms);
    account_demand_ahead(&demand, reader, &ahead, NULL, "example.net", 0, now_ms, NOW_S);
    return demand;
}

static struct account_demand ask(const char *sender, const char *sasl)
{
    return ask_at(sender, sasl, "example.net", 0, NOW_S);
}

/* "": known, and no guarantee. */
static void expect(const char *sender, const char *sasl, const char *profile)
{
    const struct account_demand demand = ask(sender, sasl);

    ck_assert_msg(demand.known, "%s", sender);
    ck_assert_msg(demand.guaranteed == (profile[0] != '\0'), "%s: %d", sender, demand.guaranteed);
    ck_assert_str_eq(demand.profile.name, profile);
    CLAIM(!demand.switched_off);
}

/* And nothing else is said, which somebody could take for an answer. */
static void expect_unknown(const char *sender, const char *sasl)
{
    const struct account_demand demand = ask(sender, sasl);

    ck_assert_msg(!demand.known, "%s", sender);
    CLAIM(!demand.guaranteed && !demand.alias && !demand.switched_off && !demand.observe);
    ck_assert_str_eq(demand.profile.name, "");
}

/* --- names --- */

static size_t name_of(char name[ACCOUNT_NAME_MAX], const char *text)
{
    return account_name(name, text, strlen(text));
}

static const char *const variants[][2] = {
    {"alice@example.org", "alice@example.org"},
    {"Alice@Example.ORG", "alice@example.org"},
    {"alice@example.org.", "alice@example.org"},
    {"\"alice\"@example.org", "alice@example.org"},
    {"\"AL\\ICE\"@example.org", "alice@example.org"},
    {"alice+news@example.org", "alice+news@example.org"},
    {"\"john smith\"@example.org", "john smith@example.org"},
    {"\"a@b\"@example.org", "a@b@example.org"},
    {"a@b@example.org", "a@b@example.org"},
    {"\"say \\\"hi\\\"\"@example.org", "say \"hi\"@example.org"},
    {"alice@xn--bcher-kva.example", "alice@xn--bcher-kva.example"},
    {"j\303\274rgen@example.org", "j\303\274rgen@example.org"},
    {"alice@[192.0.2.1]", "alice@[192.0.2.1]"},
    {"alice@[IPv6:2001:DB8::1]", "alice@[ipv6:2001:db8::1]"},
    {"alice@mx_1.example.org", "alice@mx_1.example.org"},
    {"Alice", "alice"},
    {"\"Alice\"", "alice"},
    {"@Example.org.", "@example.org"},
    {"@", "@"},
};

START_TEST(all_spellings_of_an_account_are_one_PIT_22_NAME_02)
{
    char name[ACCOUNT_NAME_MAX], again[ACCOUNT_NAME_MAX];

    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        ck_assert_uint_eq(name_of(name, variants[i][0]), strlen(variants[i][1]));
        ck_assert_str_eq(name, variants[i][1]);
        ck_assert_uint_eq(name_of(again, name), strlen(name));
        ck_assert_str_eq(again, name);
    }
}
END_TEST

/* Among them what, unquoted, would be another account, a domain, or everybody. */
START_TEST(what_no_account_can_be_called_has_no_name)
{
    static const char *const none[] = {
        "",
        "alice@",
        "alice@.",
        "alice@example..org",
        "alice@.example.org",
        "alice@example.org..",
        "alice@exa mple.org",
        "alice@b\303\274cher.example",
        "alice@example.org>",
        "al\nice@example.org",
        "al\177ice",
        "\"alice@example.org",
        "\"alice\"example.org",
        "\"alice\\",
        "\"\"@example.org",
        "\"\\\"a\\\"\"@example.org",
        "\"@\"",
        "\"@example.org\"",
        "\"a@b\"",
        "alice@[192.0.2.1",
        "alice@[]",
        "\"",
    };
    char name[ACCOUNT_NAME_MAX];

    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert_msg(name_of(name, none[i]) == 0, "'%s' is '%s'", none[i], name);
        ck_assert_str_eq(name, "");
    }
    ck_assert_uint_eq(account_name(name, "al\0ice", 6), 0);
}
END_TEST

START_TEST(a_name_is_as_long_as_its_key_can_be)
{
    char text[ACCOUNT_NAME_MAX + 1], name[ACCOUNT_NAME_MAX];

    memset(text, 'a', sizeof text);
    memcpy(text + ACCOUNT_NAME_MAX - 1 - 12, "@example.org", 12);
    ck_assert_uint_eq(account_name(name, text, ACCOUNT_NAME_MAX - 1), ACCOUNT_NAME_MAX - 1);
    memset(text, 'a', sizeof text);
    ck_assert_uint_eq(account_name(name, text, ACCOUNT_NAME_MAX - 1), ACCOUNT_NAME_MAX - 1);
    ck_assert_uint_eq(account_name(name, text, ACCOUNT_NAME_MAX), 0);
    memcpy(text + ACCOUNT_NAME_MAX - 12, "@example.org", 12);
    ck_assert_uint_eq(account_name(name, text, ACCOUNT_NAME_MAX), 0);
    text[0] = '@'; /* a domain of 254 bytes */
    text[ACCOUNT_NAME_MAX - 12] = 'a';
    ck_assert_uint_eq(account_name(name, text, ACCOUNT_DOMAIN_MAX), ACCOUNT_DOMAIN_MAX);
    ck_assert_uint_eq(account_name(name, text, ACCOUNT_DOMAIN_MAX + 1), 0);
}
END_TEST

/* --- records --- */

START_TEST(an_account_comes_back_as_it_went_in)
{
    for (uint64_t number = 0; number < 5000; number++) {
        char name[ACCOUNT_NAME_MAX], read[ACCOUNT_NAME_MAX], domain[ACCOUNT_DOMAIN_MAX];
        struct account in, out;
        struct table_key key;
        union record record;
        account_of(&in, number, (uint32_t)number);
        snprintf(name, sizeof name, "user%llu@example.org", (unsigned long long)number);
        memset(&record, 0x55, sizeof record);
        CLAIM(account_pack(&record, &key, name, &in, number));
        record_finish(&record, 1);
        CLAIM(record_is_sound(&record) && record_is_known(&record) && record.head.ledger);
        CLAIM(record_has_key(&record, &key) && record.head.stamp_ms == number);
        CLAIM(record.head.rank == RECORD_RANK_FLOOR);
        CLAIM(record.head.record_bytes <=
              table_class_bytes[in.before[0] != 0 || (in.flags & ACCOUNT_EXCEPTIONS) != 0]);
        memset(&out, 0x55, sizeof out);
        CLAIM(account_unpack(&record, &out) && account_same(&in, &out));
        CLAIM(account_record_names(&record, read, domain));
        CLAIM(strcmp(read, name) == 0 && domain[0] == '\0');
    }
}
END_TEST

/* A record that an older build wrote ends before the field: its exceptions may last for ever. */
START_TEST(exceptions_of_a_record_that_does_not_say_when_they_end_do_not_end)
{
    struct account in = {.profile = "posteo", .flags = ACCOUNT_ON | ACCOUNT_ON_BEFORE}, out;
    struct table_key key;
    union record record;

    for (unsigned before = 0; before < 2; before++) {
        snprintf(in.before, sizeof in.before, "%s", before ? "strict" : "");
        in.exceptions_until_s = 7; /* says nothing: there are none */
        CLAIM(account_pack(&record, &key, "alice", &in, 1));
        CLAIM(account_unpack(&record, &out) && out.exceptions_until_s == 0);
        record.bytes[RECORD_HEAD_BYTES + 24] |= ACCOUNT_EXCEPTIONS;
        CLAIM(account_unpack(&record, &out) && out.exceptions_until_s == INT64_MAX);
        ck_assert_str_eq(out.before, in.before);
    }
}
END_TEST

START_TEST(the_longest_exception_comes_back_as_it_went_in)
{
    const struct account_exception in = {INT64_MIN, INT64_MAX};
    char name[ACCOUNT_NAME_MAX], domain[ACCOUNT_DOMAIN_MAX], text[TABLE_KEY_MAX];
    char read[ACCOUNT_NAME_MAX], read_domain[ACCOUNT_DOMAIN_MAX];
    struct account_exception out;
    struct table_key key, alone;
    union record record;

    memset(name, '>', sizeof name);
    memset(domain, 'd', sizeof domain);
    CLAIM(!account_exception_pack(&record, &key, name, "example.net", &in, 1));
    name[ACCOUNT_NAME_MAX - 1] = '\0';
    CLAIM(!account_exception_pack(&record, &key, name, domain, &in, 1));
    domain[ACCOUNT_DOMAIN_MAX - 1] = '\0';
    CLAIM(account_exception_pack(&record, &key, name, domain, &in, 1));
    record_finish(&record, 1);
    CLAIM(account_exception_unpack(&record, &out));
    CLAIM(out.since_s == in.since_s && out.until_s == in.until_s);
    CLAIM(account_record_names(&record, read, read_domain));
    ck_assert_str_eq(read, name);
    ck_assert_str_eq(read_domain, domain);
    CLAIM(account_exception_key(&alone, text, name, domain) && record_has_key(&record, &alone));
    CLAIM(!account_exception_pack(&record, &key, name, "a>b", &in, 1));
    CLAIM(!account_exception_pack(&record, &key, "", "example.net", &in, 1));
    CLAIM(!account_exception_pack(&record, &key, "alice", "", &in, 1));
}
END_TEST

/* Each of the flags by itself, so that none stands for another. */
START_TEST(a_profile_comes_back_as_it_went_in)
{
    for (unsigned i = 0; i < 64; i++) {
        const struct profile in = {.name = "strict",
                                   .minimum = (enum level)(i % (LEVEL_AUTHENTICATED + 1)),
                                   .unmet = i % 3 == 0 ? UNMET_HOLD : UNMET_STOP,
                                   .window_ms = i * 0x1234567,
                                   .observe = i & 1,
                                   .exempt_auto_replies = i & 2,
                                   .exempt_forwards = i & 4,
                                   .allow_tls_required_no = i & 8,
                                   .refuse_at_rcpt = i & 16,
                                   .trouble = i & 32 ? TROUBLE_PASS : TROUBLE_TEMPORARY};
        struct profile out;
        struct table_key key;
        union record record;
        CLAIM(account_profile_pack(&record, &key, &in, 1));
        memset(&out, 0, sizeof out);
        CLAIM(account_profile_unpack(&record, &out));
        CLAIM(strcmp(out.name, in.name) == 0 && out.minimum == in.minimum);
        CLAIM(out.unmet == in.unmet && out.window_ms == in.window_ms && out.observe == in.observe);
        CLAIM(out.exempt_auto_replies == in.exempt_auto_replies);
        CLAIM(out.exempt_forwards == in.exempt_forwards);
        CLAIM(out.allow_tls_required_no == in.allow_tls_required_no);
        CLAIM(out.refuse_at_rcpt == in.refuse_at_rcpt && out.trouble == in.trouble);
    }
}
END_TEST

START_TEST(settings_come_back_as_they_went_in)
{
    static const struct account_settings rows[] = {
        {0},
        {.observe = true, .delimiter = "+"},
        {.delimiter = "+-=.#/!", .standard = "posteo", .alias_profile = "secure"},
        {.standard = "a-profile-with-31-bytes-in-name", .alias_profile = "x"},
        {.aliases_known = true, .delimiter = "+"},
        {.aliases_known = true, .no_aliases = true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct account_settings out;
        struct table_key key;
        union record record;
        CLAIM(account_settings_pack(&record, &key, &rows[i], 1));
        memset(&out, 0x55, sizeof out);
        CLAIM(account_settings_unpack(&record, &out));
        CLAIM(out.observe == rows[i].observe && out.aliases_known == rows[i].aliases_known);
        CLAIM(out.no_aliases == rows[i].no_aliases);
        ck_assert_str_eq(out.delimiter, rows[i].delimiter);
        ck_assert_str_eq(out.standard, rows[i].standard);
        ck_assert_str_eq(out.alias_profile, rows[i].alias_profile);
    }
}
END_TEST

/* Bytes of the fixed parts that hold numbers, and the least that this build does not know. */
START_TEST(what_a_later_build_says_is_unreadable_not_guessed)
{
    const struct account on = {.flags = ACCOUNT_ON};
    const struct profile strict = {.name = "strict"};
    const struct account_settings settings = {.delimiter = "+"};
    struct account account;
    struct profile profile;
    struct account_settings read;
    struct table_key key;
    union record record;

    CLAIM(account_pack(&record, &key, "alice", &on, 1) && account_unpack(&record, &account));
    record.bytes[RECORD_HEAD_BYTES + 24] |= 16; /* another flag */
    CLAIM(!account_unpack(&record, &account));
    CLAIM(account_pack(&record, &key, "alice", &on, 1));
    record.bytes[RECORD_HEAD_BYTES + 28] = 1; /* a profile's name beyond the end */
    CLAIM(!account_unpack(&record, &account));
    CLAIM(account_profile_pack(&record, &key, &strict, 1));
    CLAIM(account_profile_unpack(&record, &profile));
    record.bytes[RECORD_HEAD_BYTES + 4] = LEVEL_AUTHENTICATED + 1;
    CLAIM(!account_profile_unpack(&record, &profile));
    record.bytes[RECORD_HEAD_BYTES + 4] = LEVEL_AUTHENTICATED;
    record.bytes[RECORD_HEAD_BYTES + 5] = UNMET_STOP + 1;
    CLAIM(!account_profile_unpack(&record, &profile));
    CLAIM(account_settings_pack(&record, &key, &settings, 1));
    CLAIM(account_settings_unpack(&record, &read));
    record.bytes[RECORD_HEAD_BYTES] = 2;
    CLAIM(!account_settings_unpack(&record, &read));
    record.bytes[RECORD_HEAD_BYTES] = 0;
    record.bytes[RECORD_HEAD_BYTES + 5] = 2; /* whether there are aliases */
    CLAIM(!account_settings_unpack(&record, &read));
    record.head.kind = RECORD_PROFILE;
    CLAIM(!account_settings_unpack(&record, &read) && !account_profile_unpack(&record, &profile));
}
END_TEST

/* --- whose guarantee --- */

START_TEST(address_sub_address_sasl_domain_everybody_is_the_order_S1)
{
    put_on("@", "standard");
    expect("alice+news@example.org", "alice-sasl", "standard");
    put_on("@example.org", "secure");
    expect("alice+news@example.org", "alice-sasl", "secure");
    put_on("alice-sasl", "strict");
    expect("alice+news@example.org", "alice-sasl", "strict");
    put_on("alice@example.org", "posteo");
    expect("alice+news@example.org", "alice-sasl", "posteo");
    put_on("alice+news@example.org", "secure");
    expect("alice+news@example.org", "alice-sasl", "secure");
    /* Others are not concerned. */
    expect("bob@example.org", NULL, "secure");
    expect("bob@example.com", "", "standard");
    expect("alice@sub.example.org", NULL, "standard");
}
END_TEST

START_TEST(an_account_that_is_off_is_found_and_has_no_guarantee)
{
    put_on("@example.org", "posteo");
    put_account("alice@example.org", &(struct account){.profile = "posteo"});
    expect("alice@example.org", "alice", "");
    expect("bob@example.org", NULL, "posteo");
}
END_TEST

START_TEST(who_is_in_no_record_has_the_standard_profile)
{
    expect("alice@example.org", "alice", "");
    put_settings(&(struct account_settings){.standard = "standard"});
    expect("alice@example.org", "alice", "standard");
    put_on("bob@example.org", ""); /* on, with no profile of his own */
    expect("bob@example.org", NULL, "standard");
    put_account("@", &(struct account){0});
    expect("alice@example.org", "alice", "");
}
END_TEST

START_TEST(all_that_a_profile_says_is_in_the_demand)
{
    put_on("alice@example.org", "posteo");
    const struct account_demand demand = ask("alice@example.org", NULL);

    CLAIM(demand.profile.minimum == LEVEL_ENCRYPT && demand.profile.unmet == UNMET_STOP);
    CLAIM(demand.profile.window_ms == 60000 && !demand.observe && !demand.alias);
    put_settings(&(struct account_settings){.observe = true});
    CLAIM(ask("alice@example.org", NULL).observe);
    CLAIM(ask("nobody@example.com", NULL).observe);
    CLAIM(ask("<>", NULL).observe);
}
END_TEST

START_TEST(the_sub_address_is_cut_at_the_first_delimiter_and_not_at_the_beginning)
{
    put_on("alice@example.org", "posteo");
    put_on("news", "strict");
    expect("alice+a-b+c@example.org", NULL, "posteo");
    expect("alice-a@example.org", NULL, "posteo");
    expect("news+x", NULL, "strict");
    expect("+alice@example.org", NULL, "");
    expect("alice@example.org+x", NULL, ""); /* not in the domain */
    put_on("@example.com", "strict");
    expect("+alice@example.com", "news", "strict");
    put_on("carol", "posteo");
    expect("+alice@example.com", "carol", "posteo"); /* the domain has its turn later */
    put_on("alice-smith@example.org", "strict");
    expect("alice-smith@example.org", NULL, "strict");
    put_settings(&(struct account_settings){.delimiter = ""});
    expect("alice+a@example.org", NULL, "");
}
END_TEST

START_TEST(no_spelling_of_the_sender_escapes_the_guarantee_PIT_22)
{
    put_on("alice@example.org", "posteo");
    put_on("@example.com", "strict");
    put_on("carol", "secure");
    static const char *const spellings[] = {
        "alice@example.org",     "ALICE@EXAMPLE.ORG",       "alice@example.org.",
        "\"alice\"@example.org", "\"a\\lice\"@Example.org", "\"alice+x\"@example.org",
        "<Alice@example.org>",
    };
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        expect(spellings[i], NULL, "posteo");
    /* What no account can be called is nobody's own, but it is of its domain and submitter. */
    static const char *const odd[] = {"\"\"@example.com", "a\001b@example.com", "@example.com",
                                      "\"a@EXAMPLE.com.", "\"\\\"q\\\"\"@example.com"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        expect(odd[i], NULL, "strict");
    char longest[2000];
    memset(longest, 'a', sizeof longest);
    snprintf(longest + 1000, sizeof longest - 1000, "@example.com");
    expect(longest, NULL, "strict");
    expect("a\001b@example.net", "CAROL", "secure");
    expect("alice@", "carol", "secure");
    expect("@", "carol", "secure");
}
END_TEST

/* Nobody calls himself a domain or everybody and finds that record. */
START_TEST(records_of_many_are_not_found_as_a_persons)
{
    put_account("@", &(struct account){0});
    put_account("@example.com", &(struct account){0});
    put_on("@example.org", "posteo");
    expect("bob@example.org", "@", "posteo");
    expect("bob@example.org", "@example.com", "posteo");
    expect("bob@example.org", "\"@example.com\"", "posteo");
}
END_TEST

static void put_graded(const char *name, enum level minimum, uint32_t window_ms, bool observe)
{
    const struct profile profile = {.minimum = minimum,
                                    .unmet = UNMET_STOP,
                                    .window_ms = window_ms,
                                    .observe = observe,
                                    .exempt_forwards = minimum == LEVEL_VERIFIED,
                                    .allow_tls_required_no = minimum == LEVEL_VERIFIED};
    struct profile named = profile;
    struct table_key key;
    union record record;

    snprintf(named.name, sizeof named.name, "%s", name);
    CLAIM(account_profile_pack(&record, &key, &named, 1));
    put(&key, &record);
}

/* Nobody sheds the guarantee of the account that submits by choosing a sender address, nor that of
 * the address by how he logs in. */
START_TEST(of_the_address_and_the_submitter_the_stricter_holds_S1)
{
    struct account_demand demand;

    put_graded("mild", LEVEL_ENCRYPT, 5000, false);
    put_graded("hard", LEVEL_VERIFIED, 60000, false);
    put_graded("tried", LEVEL_AUTHENTICATED, 60000, true);
    put_graded("nothing", LEVEL_NONE, 60000, false);
    put_on("login", "hard");
    put_on("lax", "nothing");
    put_account("bob@example.org", &(struct account){0});
    put_on("alice@example.org", "mild");
    put_on("carol@example.org", "tried");
    put_on("list@example.org", "hard");
    put_account("off", &(struct account){0});
    expect("bob@example.org", NULL, "");
    expect("bob@example.org", "login", "hard"); /* the address is off, its user is not */
    expect("list@example.org", "off", "hard");
    expect("list@example.org", "lax", "hard");
    expect("list@example.org", "alice@example.org", "hard");
    expect("alice@example.org", "login", "hard");
    demand = ask("alice@example.org", "login");
    ck_assert_uint_eq(demand.profile.window_ms, 5000); /* the more impatient */
    /* What one of both does not grant is not granted. */
    CLAIM(!demand.profile.exempt_forwards && !demand.profile.allow_tls_required_no);
    demand = ask("bob@example.org", "login");
    CLAIM(demand.profile.exempt_forwards && demand.profile.allow_tls_required_no);
    demand = ask("login", "lax"); /* who demands nothing has nothing to exempt */
    CLAIM(demand.profile.exempt_forwards && !demand.profile.allow_tls_required_no);
    expect("carol@example.org", "alice@example.org", "mild"); /* what is in force */
    expect("bob@example.org", "unknown", "");
    /* The login's record must be known, too. */
    table_writer_set_complete(writer, table_key_partition("aunknown", 8), false);
    expect_unknown("bob@example.org", "unknown");
}
END_TEST

/* Nor that of his domain, if he has no record of his own. */
START_TEST(nobody_sheds_his_domains_guarantee_by_another_sender_S1)
{
    put_graded("mild", LEVEL_ENCRYPT, 5000, false);
    put_graded("hard", LEVEL_VERIFIED, 60000, false);
    put_on("@example.org", "hard");
    put_on("@example.com", "mild");
    expect("alice@elsewhere.example", "alice@example.org", "hard");
    expect("<>", "alice@example.org", "hard");
    expect("alice@example.com", "alice@example.org", "hard");
    expect("alice@example.org", "alice@example.com", "hard");
    ck_assert_int_eq(ask("alice@example.org", "alice@example.org").by, ACCOUNT_BY_DOMAIN);
    put_on("@", "standard");
    expect("alice@elsewhere.example", "alice@example.org", "hard");
    expect("alice@elsewhere.example", "alice@elsewhere.example", "standard");
    /* His own record, of either name, goes before that of many. */
    put_account("alice@example.org", &(struct account){0});
    expect("alice@elsewhere.example", "alice@example.org", "");
    expect("alice@example.org", "login@example.org", "");
    /* The domain's record must be known, too. */
    expect("alice@example.com", "carol@example.net", "mild");
    table_writer_set_complete(writer, table_key_partition("a@example.net", 13), false);
    expect_unknown("alice@example.com", "carol@example.net");
}
END_TEST

START_TEST(an_exception_of_one_account_leaves_the_others_guarantee_S5)
{
    struct account except = {.flags = ACCOUNT_ON | ACCOUNT_EXCEPTIONS, .profile = "strict"},
                   off = {.flags = ACCOUNT_ON,
                          .profile = "secure",
                          .off_since_s = NOW_S - HOUR,
                          .off_until_s = NOW_S + HOUR};
    struct account_demand demand;

    put_account("alice@example.org", &except);
    put_exception("alice@example.org", "example.net", NOW_S - HOUR, NOW_S + HOUR);
    put_on("login", "posteo");
    put_account("away", &off);
    demand = ask("alice@example.org", NULL);
    CLAIM(demand.guaranteed && demand.switched_off);
    expect("alice@example.org", "login", "posteo");
    expect("login", "away", "posteo");
    demand = ask("alice@example.org", "away"); /* both are off here */
    CLAIM(demand.known && demand.guaranteed && demand.switched_off);
    demand = ask_at("alice@example.org", "away", "example.com", 0, NOW_S);
    CLAIM(demand.guaranteed && !demand.switched_off);
    ck_assert_str_eq(demand.profile.name, "strict");
}
END_TEST

START_TEST(by_which_record_the_guarantee_holds_is_told)
{
    put_settings(&(struct account_settings){.standard = "standard"});
    ck_assert_int_eq(ask("alice@example.org", NULL).by, ACCOUNT_BY_STANDARD);
    put_on("@", "posteo");
    ck_assert_int_eq(ask("alice@example.org", NULL).by, ACCOUNT_BY_DOMAIN);
    put_on("@example.org", "posteo");
    ck_assert_int_eq(ask("alice@example.org", "alice").by, ACCOUNT_BY_DOMAIN);
    put_on("alice", "posteo");
    ck_assert_int_eq(ask("alice@example.org", "alice").by, ACCOUNT_BY_SUBMITTER);
    put_on("alice@example.org", "posteo");
    ck_assert_int_eq(ask("alice@example.org", "alice").by, ACCOUNT_BY_BOTH);
    ck_assert_int_eq(ask("alice@example.org", NULL).by, ACCOUNT_BY_SENDER);
    put_account("alice@example.org", &(struct account){0});
    ck_assert_int_eq(ask("alice@example.org", "alice").by, ACCOUNT_BY_SUBMITTER);
    ck_assert_int_eq(ask("alice@example.org", NULL).by, ACCOUNT_BY_SENDER); /* off, by that */
    ck_assert_int_eq(ask("<>", NULL).by, ACCOUNT_BY_NOBODY);
}
END_TEST

/* Only engine/names can tell what it is in A-labels. */
START_TEST(a_domain_that_is_not_ascii_is_unknown)
{
    expect_unknown("alice@b\303\274cher.example", NULL);
    expect_unknown("alice@example.org", "alice@b\303\274cher.example");
    expect("j\303\274rgen@example.org", NULL, "");
}
END_TEST

START_TEST(the_null_sender_is_nobodys_unless_somebody_submitted_it)
{
    put_on("@", "standard");
    put_on("alice", "posteo");
    put_account("bob", &(struct account){0});
    expect("<>", NULL, "");
    expect("<>", "", "");
    expect("", NULL, "");
    CLAIM(!ask("<>", NULL).alias);
    /* A read receipt: submitted with a password, so it is the account's (MSG-05). */
    expect("<>", "alice", "posteo");
    expect("", "alice", "posteo");
    expect("<>", "bob", "");
    expect("<>", "carol", "standard");
}
END_TEST

/* --- names --- */

/* One trailing dot is dropped, but from a text that is not read at once. */
START_TEST(a_name_read_at_once_is_what_it_is_read_byte_by_byte)
{
    static const char bytes[] = "aabZ09..-_@@\"\\[]: \x7f\xc3\x01";
    uint64_t state = 1;
    unsigned good = 0;

    for (unsigned round = 0; round < 300000; round++) {
        char text[80], name[ACCOUNT_NAME_MAX], other[ACCOUNT_NAME_MAX];
        size_t length = 0;
        const size_t most = 1 + round % 70;
        for (; length < most; length++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[length] = round % 3 == 0 ? "a.b@cZ"[(state >> 33) % 6]
                                          : bytes[(state >> 33) % (sizeof bytes - 1)];
        }
        if (text[length - 1] == '.' || text[length - 1] == '@' || text[length - 1] == ']' ||
            memchr(text, '@', length) == NULL)
            continue;
        text[length] = '.';
        const size_t bytes_of_name = account_name(name, text, length);
        CLAIM(account_name(other, text, length + 1) == bytes_of_name);
        ck_assert_str_eq(name, other);
        good += bytes_of_name > 0;
    }
    CLAIM(good > 10000);
}
END_TEST

/* --- secure aliases --- */

START_TEST(a_secure_alias_demands_and_its_owners_guarantee_holds_besides_S13)
{
    put_alias("@secure.example.org", "");
    put_on("alice@example.org", "posteo");
    put_account("bob@example.org", &(struct account){0});

    struct account_demand demand = ask("me@secure.example.org", "alice@example.org");
    CLAIM(demand.known && demand.alias_sends && demand.guaranteed);
    ck_assert_str_eq(demand.alias_profile.name, "secure");
    ck_assert_str_eq(demand.profile.name, "posteo");
    demand = ask("me@secure.example.org", "bob@example.org");
    CLAIM(demand.known && demand.alias_sends && !demand.guaranteed);
    demand = ask("me+x@SECURE.example.org", NULL);
    CLAIM(demand.known && demand.alias_sends && !demand.guaranteed);
    demand = ask("alice@example.org", "alice@example.org");
    CLAIM(demand.known && !demand.alias_sends && demand.guaranteed);
}
END_TEST

/* Only who is told that there is none looks for none. */
START_TEST(settings_of_an_earlier_build_let_aliases_be_looked_for_S13)
{
    const struct account_settings none = {.aliases_known = true, .no_aliases = true};
    struct account_settings read;
    struct table_key key;
    union record record;

    CLAIM(account_settings_pack(&record, &key, &none, 1));
    record.bytes[RECORD_HEAD_BYTES + 5] = 's'; /* the key comes where the last byte was */
    record.head.key_at = RECORD_HEAD_BYTES + 5;
    record.head.record_bytes = RECORD_HEAD_BYTES + 6;
    memset(&read, 0x55, sizeof read);
    CLAIM(account_settings_unpack(&record, &read) && read.aliases_known && !read.no_aliases);
    put_alias("me@secure.example.org", "strict");
    put_settings(&(struct account_settings){.aliases_known = true});
    CLAIM(ask("me@secure.example.org", NULL).alias_sends);
    put_settings(&none);
    CLAIM(!ask("me@secure.example.org", NULL).alias_sends);
}
END_TEST

START_TEST(an_alias_is_the_senders_never_the_submitters_S13)
{
    put_alias("carol", "strict");
    put_alias("carol@secure.example.org", "strict");
    put_alias("@secure.example.org", "secure"); /* the closer one counts */
    put_on("@example.org", "posteo");
    /* Its record is no account: neither on nor off. */
    struct account_demand demand = ask("carol@example.org", "carol");
    CLAIM(demand.known && !demand.alias_sends && demand.guaranteed);
    demand = ask("carol+x@secure.example.org", "carol");
    CLAIM(demand.known && demand.alias_sends && !demand.guaranteed);
    ck_assert_str_eq(demand.alias_profile.name, "strict");
}
END_TEST

/* Also where an account of the same domain comes first in the order. */
START_TEST(an_account_before_it_does_not_hide_an_alias_S13)
{
    put_alias("@secure.example.org", "strict");
    put_on("alice@example.org", "posteo");
    put_account("me@secure.example.org", &(struct account){0});
    const struct account_demand demand = ask("me@secure.example.org", "alice@example.org");

    CLAIM(demand.known && demand.alias_sends && demand.guaranteed); /* by the login */
    ck_assert_str_eq(demand.alias_profile.name, "strict");
    CLAIM(!ask("me@secure.example.org", "bob@example.org").guaranteed);
}
END_TEST

START_TEST(an_alias_works_in_the_ways_it_is_set_to_S13)
{
    static const struct {
        const char *sender;
        enum alias_mode mode;
        bool receives;
        const char *profile; /* that it sends under; NULL: it demands nothing */
    } rows[] = {
        {"me@secure.example.org", ALIAS_ON, true, "secure"},
        {"off@secure.example.org", ALIAS_OFF, false, NULL},
        {"off+x@secure.example.org", ALIAS_OFF, false, NULL},
        {"out@secure.example.org", ALIAS_EXPERT, false, "strict"},
        {"in@secure.example.org", ALIAS_EXPERT, true, NULL},
        {"both@secure.example.org", ALIAS_EXPERT, true, "posteo"},
        {"me@example.org", ALIAS_NONE, false, NULL},
    };

    put_alias("@secure.example.org", "");
    put_alias_that("off@secure.example.org", &(struct account_alias){0});
    put_alias_that("out@secure.example.org",
                   &(struct account_alias){.sends = true, .profile = "strict"});
    put_alias_that("in@secure.example.org", &(struct account_alias){.receives = true});
    put_alias("both@secure.example.org", "posteo");
    put_on("alice", "posteo");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct account_demand demand = ask(rows[i].sender, "alice");

        ck_assert_msg(demand.known && demand.alias == rows[i].mode, "row %zu", i);
        ck_assert_msg(demand.alias_receives == rows[i].receives, "row %zu", i);
        ck_assert_msg(demand.alias_sends == (rows[i].profile != NULL), "row %zu", i);
        ck_assert_str_eq(demand.alias_profile.name, rows[i].profile != NULL ? rows[i].profile : "");
        CLAIM(demand.guaranteed); /* whatever the alias does, its owner's guarantee holds */
    }
    /* The account of that address is no alias's affair: it is not hidden by one that is off. */
    put_on("off@secure.example.org", "posteo");
    expect("off@secure.example.org", NULL, "posteo");
}
END_TEST

START_TEST(an_alias_comes_back_as_it_went_in)
{
    const struct account_alias in = {.sends = true, .profile = "strict"};
    char name[ACCOUNT_NAME_MAX], domain[ACCOUNT_DOMAIN_MAX];
    struct account_alias out;
    struct account account;
    struct table_key key;
    union record record;

    CLAIM(account_alias_pack(&record, &key, "@secure.example.org", &in, 1));
    CLAIM(account_alias_unpack(&record, &out) && out.sends && !out.receives);
    ck_assert_str_eq(out.profile, "strict");
    CLAIM(account_record_names(&record, name, domain));
    ck_assert_str_eq(name, "@secure.example.org");
    CLAIM(!account_unpack(&record, &account));
}
END_TEST

/* --- switching off, and on again --- */

static bool is_off(int64_t accepted_s, int64_t now_s)
{
    const struct account_demand demand =
        ask_at("alice@example.org", NULL, "example.net", accepted_s, now_s);

    CLAIM(demand.known && demand.guaranteed);
    ck_assert_str_eq(demand.profile.name, "posteo");
    return demand.switched_off;
}

START_TEST(an_exception_is_for_one_domain_and_ends_by_itself_S5)
{
    const int64_t since = NOW_S - HOUR, until = NOW_S + HOUR;

    put_exception("alice@example.org", "example.net", since, until);
    put_on("alice@example.org", "posteo");
    CLAIM(!is_off(0, NOW_S)); /* the account does not say that there are exceptions */
    put_account("alice@example.org",
                &(struct account){.profile = "posteo", .flags = ACCOUNT_ON | ACCOUNT_EXCEPTIONS});
    CLAIM(is_off(0, NOW_S));
    CLAIM(is_off(0, since) && is_off(0, until - 1));
    CLAIM(!is_off(0, since - 1) && !is_off(0, until));
    CLAIM(!ask_at("alice@example.org", NULL, "example.com", 0, NOW_S).switched_off);
    CLAIM(!ask_at("alice@example.org", NULL, "sub.example.net", 0, NOW_S).switched_off);
    CLAIM(ask_at("ALICE+x@example.org", NULL, "example.net", 0, NOW_S).switched_off);
    CLAIM(!ask_at("bob@example.org", NULL, "example.net", 0, NOW_S).switched_off);
}
END_TEST

START_TEST(off_for_all_ends_by_itself_S5)
{
    const int64_t since = NOW_S - HOUR, until = NOW_S + HOUR;

    put_account("alice@example.org", &(struct account){.profile = "posteo",
                                                       .flags = ACCOUNT_ON,
                                                       .off_since_s = since,
                                                       .off_until_s = until});
    CLAIM(is_off(0, NOW_S) && is_off(0, until - 1) && !is_off(0, until) && !is_off(0, since - 1));
    CLAIM(ask_at("alice@example.org", NULL, "example.com", 0, NOW_S).switched_off);
    /* An exception that is over does not switch on again. */
    put_exception("alice@example.org", "example.net", since - 10, since - 5);
    put_account("alice@example.org", &(struct account){.profile = "posteo",
                                                       .flags = ACCOUNT_ON | ACCOUNT_EXCEPTIONS,
                                                       .off_since_s = since,
                                                       .off_until_s = until});
    CLAIM(is_off(0, NOW_S) && !is_off(0, until));
}
END_TEST

/* Under which the message was accepted: also if it waits for days. */
START_TEST(what_was_accepted_before_an_exception_keeps_the_guarantee_S5)
{
    const int64_t since = NOW_S - HOUR, until = NOW_S + HOUR;
    struct account account = {.profile = "posteo", .flags = ACCOUNT_ON | ACCOUNT_EXCEPTIONS};

    put_exception("alice@example.org", "example.net", since, until);
    put_account("alice@example.org", &account);
    CLAIM(!is_off(since - 1, NOW_S));
    CLAIM(!is_off(since, NOW_S)); /* in the same second the stricter */
    CLAIM(is_off(since + 1, NOW_S) && is_off(NOW_S, NOW_S));
    CLAIM(!is_off(since + 1, until));
    CLAIM(is_off(NOW_S + HOUR, NOW_S)); /* accepted in the future is accepted now */
    CLAIM(!is_off(NOW_S + HOUR, since));
    CLAIM(!is_off(-1, NOW_S));
    account.flags = ACCOUNT_ON;
    account.off_since_s = since;
    account.off_until_s = until;
    put_account("alice@example.org", &account);
    CLAIM(!is_off(since, NOW_S) && is_off(since + 1, NOW_S) && !is_off(since + 1, until));
}
END_TEST

static bool guaranteed(uint32_t flags, int64_t accepted_s, int64_t now_s)
{
    put_account("alice@example.org",
                &(struct account){.profile = "posteo", .flags = flags, .changed_s = NOW_S - HOUR});
    const struct account_demand demand =
        ask_at("alice@example.org", NULL, "example.net", accepted_s, now_s);
    CLAIM(demand.known);
    return demand.guaranteed;
}

START_TEST(a_message_from_before_the_switch_has_the_guarantee_that_was_or_is_on_S1)
{
    const int64_t before = NOW_S - HOUR - 1, changed = NOW_S - HOUR, after = NOW_S - HOUR + 1;

    CLAIM(guaranteed(ACCOUNT_ON_BEFORE, before, NOW_S)); /* switched off */
    CLAIM(guaranteed(ACCOUNT_ON_BEFORE, changed, NOW_S));
    CLAIM(!guaranteed(ACCOUNT_ON_BEFORE, after, NOW_S));
    CLAIM(!guaranteed(ACCOUNT_ON_BEFORE, 0, NOW_S));
    CLAIM(!guaranteed(ACCOUNT_ON_BEFORE, 0, changed));
    CLAIM(guaranteed(ACCOUNT_ON_BEFORE, 0, before)); /* the clock was set back: it was on */
    CLAIM(guaranteed(ACCOUNT_ON, before, NOW_S));    /* switched on */
    CLAIM(guaranteed(ACCOUNT_ON, after, NOW_S));
    CLAIM(guaranteed(ACCOUNT_ON, 0, NOW_S));
    CLAIM(!guaranteed(0, before, NOW_S));
}
END_TEST

static struct profile profile_at(int64_t accepted_s)
{
    const struct account_demand demand =
        ask_at("alice@example.org", NULL, "example.net", accepted_s, NOW_S);
    CLAIM(demand.known && demand.guaranteed);
    return demand.profile;
}

START_TEST(a_message_from_before_a_weaker_profile_has_the_demands_of_both_S2)
{
    const struct profile weak = {.name = "weak",
                                 .window_ms = 1000,
                                 .observe = true,
                                 .exempt_forwards = true,
                                 .allow_tls_required_no = true};
    struct table_key key;
    union record record;

    CLAIM(account_profile_pack(&record, &key, &weak, 1));
    put(&key, &record);
    put_account("alice@example.org", &(struct account){.profile = "weak",
                                                       .flags = ACCOUNT_ON,
                                                       .before = "posteo",
                                                       .before_s = NOW_S - HOUR});
    for (int64_t at_s = NOW_S - HOUR - 1; at_s <= NOW_S - HOUR; at_s++) {
        const struct profile both = profile_at(at_s);

        ck_assert_str_eq(both.name, "posteo");
        CLAIM(both.minimum == LEVEL_ENCRYPT && both.unmet == UNMET_STOP && both.window_ms == 1000);
        CLAIM(!both.observe && !both.exempt_forwards && !both.allow_tls_required_no);
    }
    ck_assert_str_eq(profile_at(NOW_S - HOUR + 1).name, "weak");
    ck_assert_str_eq(profile_at(0).name, "weak");
    remove_profile("posteo"); /* what held is not known now: not a guess, and not the weaker one */
    CLAIM(!ask_at("alice@example.org", NULL, "example.net", NOW_S - HOUR, NOW_S).known);
    ck_assert_str_eq(profile_at(0).name, "weak");
}
END_TEST

/* --- two profiles: each thing by itself --- */

static void put_open(const char *name, const struct profile *profile)
{
    struct profile named = *profile;
    struct table_key key;
    union record record;

    snprintf(named.name, sizeof named.name, "%s", name);
    CLAIM(account_profile_pack(&record, &key, &named, 1));
    put(&key, &record);
}

static void put_before(const char *profile, const char *before)
{
    struct account account = {.flags = ACCOUNT_ON, .before_s = NOW_S};

    snprintf(account.profile, sizeof account.profile, "%s", profile);
    snprintf(account.before, sizeof account.before, "%s", before);
    put_account("changed@example.org", &account);
}

static void both_grant_nothing_more(const struct profile *both)
{
    CLAIM(both->minimum == LEVEL_VERIFIED && both->window_ms == 1000 && !both->observe);
    CLAIM(!both->exempt_auto_replies && !both->exempt_forwards && !both->allow_tls_required_no);
    CLAIM(both->refuse_at_rcpt && both->trouble == TROUBLE_TEMPORARY);
}

/* `shut` differs from `open` in one thing, and is the stricter; whichever of the two it is. */
START_TEST(what_either_of_two_profiles_does_not_grant_is_not_granted_S1_S2)
{
    const struct profile shut = {
        .minimum = LEVEL_VERIFIED, .unmet = UNMET_STOP, .window_ms = 1000, .refuse_at_rcpt = true};

    for (unsigned way = 0; way < 8; way++) {
        struct profile open = shut;
        struct account_demand demand;

        open.minimum = way == 0 ? LEVEL_ENCRYPT : open.minimum;
        open.window_ms = way == 1 ? 60000 : open.window_ms;
        open.observe = way == 2;
        open.exempt_auto_replies = way == 3;
        open.exempt_forwards = way == 4;
        open.allow_tls_required_no = way == 5;
        open.refuse_at_rcpt = way != 6;
        open.trouble = way == 7 ? TROUBLE_PASS : TROUBLE_TEMPORARY;
        put_open("open", &open);
        put_open("shut", &shut);
        put_on("open@example.org", "open");
        put_on("shut@example.org", "shut");
        for (unsigned turned = 0; turned < 2; turned++) {
            demand = ask(turned ? "open@example.org" : "shut@example.org",
                         turned ? "shut@example.org" : "open@example.org");
            CLAIM(demand.guaranteed && demand.by == ACCOUNT_BY_BOTH);
            demand.profile.refuse_at_rcpt |= way == 6; /* where, and not what is demanded */
            both_grant_nothing_more(&demand.profile);
            put_before(turned ? "open" : "shut", turned ? "shut" : "open");
            demand = ask_at("changed@example.org", NULL, "example.net", NOW_S - 1, NOW_S);
            CLAIM(demand.guaranteed);
            both_grant_nothing_more(&demand.profile);
        }
    }
}
END_TEST

/* A profile that is only tried out takes nothing from one in force, and adds nothing to it. */
START_TEST(a_profile_that_only_observes_changes_nothing_of_one_in_force_S1)
{
    const struct profile tried = {.minimum = LEVEL_AUTHENTICATED, .observe = true},
                         force = {.minimum = LEVEL_ENCRYPT,
                                  .unmet = UNMET_STOP,
                                  .window_ms = 60000,
                                  .exempt_auto_replies = true,
                                  .exempt_forwards = true,
                                  .allow_tls_required_no = true};

    put_open("tried", &tried);
    put_open("force", &force);
    put_on("tried@example.org", "tried");
    put_on("force@example.org", "force");
    for (unsigned turned = 0; turned < 2; turned++) {
        const struct profile both = ask(turned ? "tried@example.org" : "force@example.org",
                                        turned ? "force@example.org" : "tried@example.org")
                                        .profile;

        ck_assert_str_eq(both.name, "force");
        CLAIM(both.minimum == LEVEL_ENCRYPT && both.window_ms == 60000 && !both.observe);
        CLAIM(both.exempt_auto_replies && both.exempt_forwards && both.allow_tls_required_no);
    }
}
END_TEST

/* The mail server finds by the name what enforces it: what was only tried out would enforce
 * nothing, and the milder one too little. */
START_TEST(of_a_profile_and_the_one_before_the_name_is_of_the_one_that_demands_more_S2)
{
    static const struct {
        struct profile earlier, later;
        const char *name;
    } rows[] = {
        {{.minimum = LEVEL_ENCRYPT}, {.minimum = LEVEL_ENCRYPT}, "earlier"},
        {{.minimum = LEVEL_VERIFIED}, {.minimum = LEVEL_ENCRYPT}, "earlier"},
        {{.minimum = LEVEL_ENCRYPT}, {.minimum = LEVEL_VERIFIED}, "later"},
        {{.minimum = LEVEL_VERIFIED, .observe = true}, {.minimum = LEVEL_ENCRYPT}, "later"},
        {{.minimum = LEVEL_ENCRYPT}, {.minimum = LEVEL_VERIFIED, .observe = true}, "earlier"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_open("earlier", &rows[i].earlier);
        put_open("later", &rows[i].later);
        put_before("later", "earlier");
        const struct account_demand demand =
            ask_at("changed@example.org", NULL, "example.net", NOW_S - 1, NOW_S);
        ck_assert_msg(strcmp(demand.profile.name, rows[i].name) == 0, "row %zu", i);
    }
}
END_TEST

/* --- ways --- */

static struct account_path way_at(const char *sender, int64_t now_s)
{
    struct account_path path;

    memset(&path, 0x55, sizeof path);
    account_way_of_sender(&path, reader, sender, scratch.clock.boot_ms, now_s);
    return path;
}

static struct account_path way_to(const char *sender, const char *sasl, const char *domain)
{
    struct account_path path;

    memset(&path, 0x55, sizeof path);
    account_way_of_message(&path, reader, sender, sasl, domain, 0, scratch.clock.boot_ms, NOW_S);
    return path;
}

static bool is_way(const struct account_path *path, enum account_way way, const char *profile)
{
    return path->known && path->way == way && strcmp(path->profile, profile) == 0;
}

static void put_ways(void)
{
    put_graded("mild", LEVEL_ENCRYPT, 5000, false);
    put_graded("hard", LEVEL_VERIFIED, 60000, false);
    put_graded("tried", LEVEL_AUTHENTICATED, 60000, true);
    put_graded("nothing", LEVEL_NONE, 60000, false);
    put_graded("likely", LEVEL_OPPORTUNISTIC, 60000, false);
    put_alias("@hard.example", "hard");
    put_alias("@mild.example", "mild");
    put_alias("@tried.example", "tried");
    put_alias("@nothing.example", "nothing");
    put_alias_that("@deaf.example", &(struct account_alias){.receives = true, .profile = "hard"});
}

static void put_excepted(const char *name, const char *profile, int64_t until_s)
{
    struct account account = {.flags = ACCOUNT_ON | ACCOUNT_EXCEPTIONS,
                              .exceptions_until_s = until_s};

    snprintf(account.profile, sizeof account.profile, "%s", profile);
    put_exception(name, "example.net", NOW_S - HOUR, until_s);
    put_account(name, &account);
}

/* What the account "x@DOMAIN" has, and by which way its mail leaves; `excepted`: with an exception
 * that is not over, and then to that domain. */
static const struct {
    const char *name, *profile; /* NULL: it is in no record */
    enum account_way way;
    const char *by;
    enum account_way excepted;
    enum account_way excepted_to;
    const char *to;
} ways[] = {
    {"x@example.org", NULL, WAY_ORDINARY, "", WAY_ORDINARY, WAY_ORDINARY, ""},
    {"x@example.org", "nothing", WAY_ORDINARY, "", WAY_ORDINARY, WAY_ORDINARY, ""},
    {"x@example.org", "likely", WAY_ORDINARY, "", WAY_ORDINARY, WAY_ORDINARY, ""},
    {"x@example.org", "tried", WAY_ORDINARY, "", WAY_ORDINARY, WAY_ORDINARY, ""},
    {"x@example.org", "mild", WAY_PROFILE, "mild", WAY_BY_RECIPIENT, WAY_ORDINARY, ""},
    {"x@hard.example", NULL, WAY_PROFILE, "hard", WAY_PROFILE, WAY_PROFILE, "hard"},
    {"x@hard.example", "mild", WAY_PROFILE, "hard", WAY_PROFILE, WAY_PROFILE, "hard"},
    {"x@hard.example", "hard", WAY_PROFILE, "hard", WAY_PROFILE, WAY_PROFILE, "hard"},
    {"x@hard.example", "tried", WAY_PROFILE, "hard", WAY_PROFILE, WAY_PROFILE, "hard"},
    {"x@mild.example", "hard", WAY_PROFILE, "hard", WAY_BY_RECIPIENT, WAY_PROFILE, "mild"},
    {"x@mild.example", "posteo", WAY_PROFILE, "posteo", WAY_BY_RECIPIENT, WAY_PROFILE, "mild"},
    {"x@tried.example", NULL, WAY_ORDINARY, "", WAY_ORDINARY, WAY_ORDINARY, ""},
    {"x@tried.example", "mild", WAY_PROFILE, "mild", WAY_BY_RECIPIENT, WAY_ORDINARY, ""},
    {"x@nothing.example", NULL, WAY_ORDINARY, "", WAY_ORDINARY, WAY_ORDINARY, ""},
    {"x@nothing.example", "mild", WAY_PROFILE, "mild", WAY_BY_RECIPIENT, WAY_ORDINARY, ""},
    {"x@deaf.example", NULL, WAY_ORDINARY, "", WAY_ORDINARY, WAY_ORDINARY, ""},
};

static void expect_way(size_t row, struct account_path path, enum account_way way, const char *by)
{
    ck_assert_msg(is_way(&path, way, by), "row %zu: known %d, way %d, '%s'", row, path.known,
                  (int)path.way, path.profile);
}

START_TEST(who_demands_by_account_or_alias_has_the_way_of_the_stricter_S1_S13)
{
    put_ways();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char text[TABLE_KEY_MAX];
        struct table_key key;

        if (ways[i].profile != NULL)
            put_on(ways[i].name, ways[i].profile);
        expect_way(i, way_at(ways[i].name, NOW_S), ways[i].way, ways[i].by);
        expect_way(i, way_to(ways[i].name, NULL, "example.net"), ways[i].way, ways[i].by);
        CLAIM(account_key(&key, text, ways[i].name));
        table_writer_remove(writer, &key);
    }
}
END_TEST

START_TEST(an_exception_sends_by_recipient_where_it_makes_a_difference_S5)
{
    put_ways();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char text[TABLE_KEY_MAX];
        struct table_key key;

        if (ways[i].profile != NULL)
            put_excepted(ways[i].name, ways[i].profile, NOW_S + 1);
        expect_way(i, way_at(ways[i].name, NOW_S), ways[i].excepted, ways[i].by);
        expect_way(i, way_to(ways[i].name, NULL, "example.net"), ways[i].excepted_to, ways[i].to);
        expect_way(i, way_to(ways[i].name, NULL, "example.com"), ways[i].way, ways[i].by);
        /* Over, by itself. */
        expect_way(i, way_at(ways[i].name, NOW_S + 1), ways[i].way, ways[i].by);
        CLAIM(account_key(&key, text, ways[i].name));
        table_writer_remove(writer, &key);
    }
}
END_TEST

/* However the clock was set: a detour is no lowering. */
START_TEST(by_a_clock_before_the_exception_was_made_the_way_is_by_recipient)
{
    put_excepted("alice@example.org", "posteo", NOW_S + HOUR);
    expect_way(0, way_at("alice@example.org", NOW_S - 2 * HOUR), WAY_BY_RECIPIENT, "posteo");
    expect_way(0, way_at("alice@example.org", 0), WAY_BY_RECIPIENT, "posteo");
}
END_TEST

START_TEST(all_spellings_and_sub_addresses_have_the_way_of_the_account)
{
    put_excepted("alice@example.org", "posteo", NOW_S + HOUR);
    put_on("@example.org", "strict");
    expect_way(0, way_at("ALICE+news@Example.org", NOW_S), WAY_BY_RECIPIENT, "posteo");
    expect_way(1, way_at("<\"alice\"@example.org>", NOW_S), WAY_BY_RECIPIENT, "posteo");
    expect_way(2, way_at("bob@example.org", NOW_S), WAY_PROFILE, "strict");
    put_excepted("@example.org", "strict", NOW_S + HOUR);
    expect_way(3, way_at("bob@example.org", NOW_S), WAY_BY_RECIPIENT, "strict");
    put_on("alice@example.org", "posteo"); /* her own record stands before her domain's */
    expect_way(4, way_at("alice@example.org", NOW_S), WAY_PROFILE, "posteo");
}
END_TEST

START_TEST(who_is_in_no_record_has_the_way_of_the_standard_profile)
{
    expect_way(0, way_at("alice@example.org", NOW_S), WAY_ORDINARY, "");
    put_settings(&(struct account_settings){.standard = "standard"});
    expect_way(1, way_at("alice@example.org", NOW_S), WAY_PROFILE, "standard");
    put_settings(&(struct account_settings){.standard = "standard", .observe = true});
    put_excepted("bob@example.org", "posteo", NOW_S + HOUR);
    expect_way(2, way_at("alice@example.org", NOW_S), WAY_ORDINARY, "");
    expect_way(3, way_at("bob@example.org", NOW_S), WAY_ORDINARY, "");
}
END_TEST

START_TEST(who_is_off_or_nobody_has_the_ordinary_way)
{
    struct account account = {.profile = "posteo",
                              .flags = ACCOUNT_ON | ACCOUNT_EXCEPTIONS,
                              .exceptions_until_s = NOW_S + HOUR,
                              .off_since_s = NOW_S - HOUR,
                              .off_until_s = NOW_S + 60};

    put_account("alice@example.org", &account);
    expect_way(0, way_at("alice@example.org", NOW_S), WAY_ORDINARY, "");
    expect_way(1, way_at("alice@example.org", NOW_S + 60), WAY_BY_RECIPIENT, "posteo");
    account.flags = ACCOUNT_EXCEPTIONS;
    put_account("alice@example.org", &account);
    expect_way(2, way_at("alice@example.org", NOW_S + 60), WAY_ORDINARY, "");
    put_settings(&(struct account_settings){.standard = "standard"});
    expect_way(3, way_at("", NOW_S), WAY_ORDINARY, "");
    expect_way(4, way_at("<>", NOW_S), WAY_ORDINARY, "");
    expect_way(5, way_to("<>", NULL, "example.net"), WAY_ORDINARY, "");
    put_on("login", "strict");
    expect_way(6, way_to("<>", "login", "example.net"), WAY_PROFILE, "strict");
}
END_TEST

/* Accepted before the exception, or under the stricter profile: what held then holds (S2, S5). */
START_TEST(the_way_of_a_message_is_of_when_it_was_accepted_S2_S5)
{
    struct account_path path;

    put_excepted("alice@example.org", "posteo", NOW_S + HOUR);
    account_way_of_message(&path, reader, "alice@example.org", NULL, "example.net",
                           NOW_S - 2 * HOUR, scratch.clock.boot_ms, NOW_S);
    CLAIM(is_way(&path, WAY_PROFILE, "posteo"));
    put_graded("nothing", LEVEL_NONE, 60000, false);
    put_before("nothing", "posteo");
    expect_way(0, way_to("changed@example.org", NULL, "example.net"), WAY_ORDINARY, "");
    account_way_of_message(&path, reader, "changed@example.org", NULL, "example.net", NOW_S - 1,
                           scratch.clock.boot_ms, NOW_S);
    CLAIM(is_way(&path, WAY_PROFILE, "posteo"));
}
END_TEST

static bool is_unknown(const struct account_path *path)
{
    return !path->known && path->way == WAY_ORDINARY && path->profile[0] == '\0';
}

START_TEST(the_way_is_unknown_exactly_where_the_demand_is)
{
    struct account_path path;

    put_on("alice@example.org", "posteo");
    path = way_at("j\303\274rgen@b\303\274cher.example", NOW_S);
    CLAIM(is_unknown(&path));
    account_way_of_sender(&path, NULL, "alice@example.org", scratch.clock.boot_ms, NOW_S);
    CLAIM(is_unknown(&path));
    account_way_of_message(&path, NULL, "", NULL, "example.net", 0, scratch.clock.boot_ms, NOW_S);
    CLAIM(is_unknown(&path));
    remove_profile("posteo");
    path = way_at("alice@example.org", NOW_S);
    CLAIM(is_unknown(&path));
    path = way_to("alice@example.org", NULL, "example.net");
    CLAIM(is_unknown(&path));
    set_complete(false);
    path = way_at("bob@example.org", NOW_S);
    CLAIM(is_unknown(&path));
}
END_TEST

/* --- unknown never lowers --- */

/* --- what is kept of earlier questions --- */

static void profile_or_settings_change(unsigned round)
{
    static const char *const names[] = {"posteo", "strict", "secure", "standard", "other"};
    const char *name = names[scramble(round) % 5];
    struct profile profile = {.minimum = scramble(round + 1) % (LEVEL_AUTHENTICATED + 1),
                              .unmet = scramble(round + 2) % 2,
                              .window_ms = (uint32_t)round};
    struct account_settings settings = {.observe = scramble(round + 3) % 2,
                                        .aliases_known = scramble(round + 4) % 2,
                                        .delimiter = "+"};
    struct table_key key;
    union record record;

    switch (scramble(round + 5) % 4) {
    case 0:
        snprintf(settings.standard, sizeof settings.standard, "%s", name);
        put_settings(&settings);
        return;
    case 1: {
        char text[TABLE_KEY_MAX];
        CLAIM(account_profile_key(&key, text, "posteo"));
        table_writer_remove(writer, &key); /* if it is there */
        return;
    }
    default:
        snprintf(profile.name, sizeof profile.name, "%s", name);
        CLAIM(account_profile_pack(&record, &key, &profile, 1));
        put(&key, &record);
    }
}

static bool demand_same(const struct account_demand *a, const struct account_demand *b)
{
    return a->known == b->known && a->profile_absent == b->profile_absent &&
           a->guaranteed == b->guaranteed && a->observe == b->observe && a->by == b->by &&
           strcmp(a->profile.name, b->profile.name) == 0 &&
           a->profile.minimum == b->profile.minimum && a->profile.unmet == b->profile.unmet &&
           a->profile.window_ms == b->profile.window_ms;
}

/* Of several messages at hand the first may have seen settings that the next one reads anew. */
START_TEST(an_alias_that_comes_while_a_message_waits_for_its_turn_is_found_S13)
{
    const uint64_t now_ms = scratch.clock.boot_ms;
    struct account_ahead first, next;
    struct account_demand demand;
    struct account_kept kept;

    memset(&first, 0x55, sizeof first);
    account_kept_clear(&kept);
    put_settings(&(struct account_settings){
        .aliases_known = true, .no_aliases = true, .alias_profile = "secure"});
    CLAIM(!ask_kept(&kept, "me@secure.example.org", now_ms).alias_sends);
    account_ask(&first, "me@secure.example.org", reader, &kept);
    account_fetch(&first, reader, now_ms);
    CLAIM(!first.alias_asked);
    put_settings(&(struct account_settings){.aliases_known = true, .alias_profile = "secure"});
    put_alias("@secure.example.org", "");
    account_ask(&next, "you@secure.example.org", reader, &kept);
    account_fetch(&next, reader, now_ms);
    account_demand_ahead(&demand, reader, &first, NULL, "example.net", 0, now_ms, NOW_S);
    CLAIM(demand.known && demand.alias_sends);
    account_demand_ahead(&demand, reader, &next, NULL, "example.net", 0, now_ms, NOW_S);
    CLAIM(demand.known && demand.alias_sends);
}
END_TEST

/* Settings and profiles change, go and come back while others of them are kept. */
START_TEST(what_is_kept_says_what_the_table_says_at_every_instant)
{
    static const char *const senders[] = {"alice@example.org", "bob@example.org",
                                          "carol@example.org", "dave@example.org"};
    uint64_t now_ms = scratch.clock.boot_ms;
    struct account_kept kept;
    unsigned known = 0, unknown = 0;

    account_kept_clear(&kept);
    put_on(senders[0], "posteo");
    put_on(senders[1], "strict");
    put_on(senders[2], "other");
    for (unsigned round = 0; round < 20000; round++) {
        const char *sender = senders[scramble(round + 6) % 4];
        if (round % 3 == 0)
            profile_or_settings_change(round);
        now_ms += scramble(round + 7) % 200;
        const struct account_demand demand = ask(sender, NULL);
        const struct account_demand same = ask_kept(&kept, sender, now_ms);
        ck_assert_msg(demand_same(&demand, &same), "round %u, %s", round, sender);
        known += demand.known;
        unknown += !demand.known;
    }
    CLAIM(known > 5000 && unknown > 1000);
}
END_TEST

/* Cells repeat after 65,536 uses of a slot: nothing is kept for as long as that could take. */
START_TEST(nothing_is_kept_for_longer_than_a_second)
{
    const uint64_t now_ms = scratch.clock.boot_ms;
    struct account_kept kept;

    account_kept_clear(&kept);
    put_on("alice@example.org", "posteo");
    CLAIM(ask_kept(&kept, "alice@example.org", now_ms).profile.minimum == LEVEL_ENCRYPT);
    kept.profiles[0].minimum = LEVEL_NONE; /* as if the cell were the same again */
    CLAIM(ask_kept(&kept, "alice@example.org", now_ms + 1).profile.minimum == LEVEL_NONE);
    CLAIM(ask_kept(&kept, "alice@example.org", now_ms + ACCOUNT_KEPT_MS).profile.minimum ==
          LEVEL_ENCRYPT);
}
END_TEST

static void put_everything(void)
{
    put_alias("@secure.example.org", "");
    put_account("alice@example.org",
                &(struct account){.profile = "posteo", .flags = ACCOUNT_ON | ACCOUNT_EXCEPTIONS});
}

static void expect_no_demand(const char *sender, const char *sasl)
{
    const struct account_demand demand = ask(sender, sasl);
    CLAIM(demand.known && !demand.guaranteed && !demand.alias);
}

/* Each partition that a look-up meets, by itself: none is passed over. */
START_TEST(a_miss_where_not_everything_is_there_is_unknown)
{
    static const char *const looked_for[] = {
        "abob+x@example.org", "abob@example.org", "abob-sasl",     "a@example.org",
        "lbob+x@example.org", "lbob@example.org", "l@example.org", "a@",
    };
    put_everything();
    expect_no_demand("bob+x@example.org", "bob-sasl");
    for (size_t i = 0; i < sizeof looked_for / sizeof *looked_for; i++) {
        const uint16_t partition = table_key_partition(looked_for[i], strlen(looked_for[i]));
        table_writer_set_complete(writer, partition, false);
        expect_unknown("bob+x@example.org", "bob-sasl");
        table_writer_set_complete(writer, partition, true);
        expect_no_demand("bob+x@example.org", "bob-sasl");
    }
}
END_TEST

START_TEST(a_missing_exception_where_not_everything_is_there_is_unknown)
{
    static const char key[] = "xalice@example.org>example.net";
    const uint16_t partition = table_key_partition(key, strlen(key));

    put_everything();
    expect("alice@example.org", NULL, "posteo");
    table_writer_set_complete(writer, partition, false);
    expect_unknown("alice@example.org", NULL);
}
END_TEST

/* While a restarted daemon has not yet said that all is there, what is there is good. */
START_TEST(what_is_there_is_known_although_not_everything_is)
{
    put_on("alice@example.org", "posteo");
    set_complete(false);
    expect_unknown("alice+x@example.org", NULL);
    expect_unknown("bob@example.org", NULL);
    /* Whether the domain is an alias is not known: an account's record does not say it. */
    expect_unknown("alice@example.org", NULL);
    put_account("@example.org", &(struct account){0});
    expect_unknown("alice@example.org", NULL);
    put_settings(&(struct account_settings){.aliases_known = true});
    expect("alice@example.org", NULL, "posteo");
    put_alias("@example.org", "secure");
    CLAIM(ask("alice@example.org", NULL).alias_sends);
}
END_TEST

START_TEST(a_profile_that_is_not_there_is_unknown_not_none)
{
    put_everything();
    expect("alice@example.org", NULL, "posteo");
    CLAIM(ask("me@secure.example.org", NULL).alias);
    remove_profile("posteo");
    expect_unknown("alice@example.org", NULL);
    CLAIM(ask("me@secure.example.org", NULL).alias);
    remove_profile("secure");
    expect_unknown("me@secure.example.org", NULL);
    expect_no_demand("bob@example.org", NULL);
    put_settings(&(struct account_settings){0});
    expect_unknown("me@secure.example.org", NULL); /* an alias without any profile */
    put_on("bob@example.org", "");
    expect_unknown("bob@example.org", NULL);
}
END_TEST

START_TEST(without_settings_everything_is_unknown)
{
    struct table_key key;

    put_everything();
    CLAIM(table_key_make(&key, "s", 1) && table_writer_remove(writer, &key));
    expect_unknown("alice@example.org", NULL);
    expect_unknown("bob@example.org", NULL);
    expect_unknown("<>", NULL);
}
END_TEST

/* A record of another kind stands for all that cannot be unpacked. */
START_TEST(a_record_that_cannot_be_read_is_unknown)
{
    static const char *const keys[] = {"abob@example.org", "a@", "ppos", "s",
                                       "xalice@example.org>example.net"};
    const char *const senders[] = {"bob@example.org", "carol@example.org", "dave@example.org",
                                   "carol@example.org", "alice@example.org"};
    struct table_key key;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        tear_down();
        set_up();
        put_everything();
        put_on("dave@example.org", "pos");
        CLAIM(table_key_make(&key, keys[i], strlen(keys[i])));
        CLAIM(table_writer_put(writer, &key, &(struct verdict){.cause = CAUSE_DANE}) == 0);
        expect_unknown(senders[i], NULL);
    }
}
END_TEST

START_TEST(no_table_an_old_table_and_other_clocks_are_unknown)
{
    struct table_clock stepped = scratch.clock;
    struct account_demand demand;

    put_on("alice@example.org", "posteo"); /* nothing that is asked for is missing */
    put_account("@example.org", &(struct account){0});
    expect("alice@example.org", NULL, "posteo");
    account_demand(&demand, NULL, "alice@example.org", NULL, "example.net", 0,
                   scratch.clock.boot_ms, NOW_S);
    CLAIM(!demand.known);
    stepped.wall_ms -= HOUR * 1000;
    table_reader_refresh(reader, &stepped);
    expect_unknown("alice@example.org", NULL);
    table_reader_refresh(reader, &scratch.clock);
    expect("alice@example.org", NULL, "posteo");

    table_writer_close(writer);
    expect("alice@example.org", NULL, "posteo"); /* while no daemon runs */
    writer = scratch_writer(&scratch, 2 * TABLE_BYTES_SMALL, NULL);
    put_account("alice@example.org", &(struct account){0});
    expect_unknown("alice@example.org", NULL);
    CLAIM(table_reader_refresh(reader, &scratch.clock) == 1);
    set_complete(true);
    expect_no_demand("alice@example.org", NULL);
}
END_TEST

/* Full of accounts: what each look-up needs stays, and what went is not taken for no guarantee. */
START_TEST(a_full_table_makes_unknown_never_no_guarantee_MEM_07)
{
    struct table_facts facts;
    unsigned known = 0, unknown = 0;
    char name[64];

    table_writer_facts(writer, &facts);
    const uint64_t many = 2 * facts.capacity;
    for (uint64_t i = 0; i < many; i++) {
        snprintf(name, sizeof name, "u%llu@example.org", (unsigned long long)i);
        put_on(name, "posteo");
        snprintf(name, sizeof name, "@d%llu.example.org", (unsigned long long)i);
        if (i % 16 == 0)
            put_account(name, &(struct account){0});
    }
    table_writer_facts(writer, &facts);
    ck_assert_uint_gt(facts.evicted, facts.capacity / 2);
    CLAIM(facts.complete == 0);
    put_account("@example.org", &(struct account){0});
    put_settings(&(struct account_settings){.aliases_known = true});
    put_alias("@secure.example.org", "secure");
    for (uint64_t i = 0; i < many; i += 7) {
        snprintf(name, sizeof name, "u%llu@example.org", (unsigned long long)i);
        const struct account_demand demand = ask(name, NULL);
        CLAIM(!demand.known || demand.guaranteed);
        known += demand.known;
        unknown += !demand.known;
    }
    ck_assert_uint_gt(known, many / 7 / 4);
    ck_assert_uint_gt(unknown, many / 7 / 4);
    for (uint64_t i = 0; i < many; i++) { /* no account takes an alias's place */
        snprintf(name, sizeof name, "v%llu@example.org", (unsigned long long)i);
        put_on(name, "posteo");
    }
    put_on("me@secure.example.org", "posteo");
    CLAIM(ask("me@secure.example.org", NULL).alias_sends);
}
END_TEST

static TCase *cases_of(Suite *suite, const char *name, bool with_table)
{
    TCase *cases = tcase_create(name);

    if (with_table)
        tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 120);
    suite_add_tcase(suite, cases);
    return cases;
}

static void add_tests(Suite *suite)
{
    TCase *cases = cases_of(suite, "names", false);
    tcase_add_test(cases, all_spellings_of_an_account_are_one_PIT_22_NAME_02);
    tcase_add_test(cases, what_no_account_can_be_called_has_no_name);
    tcase_add_test(cases, a_name_is_as_long_as_its_key_can_be);
    cases = cases_of(suite, "records", false);
    tcase_add_test(cases, an_account_comes_back_as_it_went_in);
    tcase_add_test(cases, exceptions_of_a_record_that_does_not_say_when_they_end_do_not_end);
    tcase_add_test(cases, the_longest_exception_comes_back_as_it_went_in);
    tcase_add_test(cases, a_profile_comes_back_as_it_went_in);
    tcase_add_test(cases, settings_come_back_as_they_went_in);
    tcase_add_test(cases, what_a_later_build_says_is_unreadable_not_guessed);
    cases = cases_of(suite, "accounts", true);
    tcase_add_test(cases, address_sub_address_sasl_domain_everybody_is_the_order_S1);
    tcase_add_test(cases, an_account_that_is_off_is_found_and_has_no_guarantee);
    tcase_add_test(cases, who_is_in_no_record_has_the_standard_profile);
    tcase_add_test(cases, all_that_a_profile_says_is_in_the_demand);
    tcase_add_test(cases, the_sub_address_is_cut_at_the_first_delimiter_and_not_at_the_beginning);
    tcase_add_test(cases, no_spelling_of_the_sender_escapes_the_guarantee_PIT_22);
    tcase_add_test(cases, records_of_many_are_not_found_as_a_persons);
    tcase_add_test(cases, of_the_address_and_the_submitter_the_stricter_holds_S1);
    tcase_add_test(cases, nobody_sheds_his_domains_guarantee_by_another_sender_S1);
    tcase_add_test(cases, an_exception_of_one_account_leaves_the_others_guarantee_S5);
    tcase_add_test(cases, by_which_record_the_guarantee_holds_is_told);
    tcase_add_test(cases, a_domain_that_is_not_ascii_is_unknown);
    tcase_add_test(cases, the_null_sender_is_nobodys_unless_somebody_submitted_it);
    cases = cases_of(suite, "aliases", true);
    tcase_add_test(cases, a_secure_alias_demands_and_its_owners_guarantee_holds_besides_S13);
    tcase_add_test(cases, an_alias_works_in_the_ways_it_is_set_to_S13);
    tcase_add_test(cases, a_name_read_at_once_is_what_it_is_read_byte_by_byte);
    tcase_add_test(cases, an_alias_comes_back_as_it_went_in);
    tcase_add_test(cases, settings_of_an_earlier_build_let_aliases_be_looked_for_S13);
    tcase_add_test(cases, an_alias_is_the_senders_never_the_submitters_S13);
    tcase_add_test(cases, an_account_before_it_does_not_hide_an_alias_S13);
    cases = cases_of(suite, "switches", true);
    tcase_add_test(cases, an_exception_is_for_one_domain_and_ends_by_itself_S5);
    tcase_add_test(cases, off_for_all_ends_by_itself_S5);
    tcase_add_test(cases, what_was_accepted_before_an_exception_keeps_the_guarantee_S5);
    tcase_add_test(cases, a_message_from_before_the_switch_has_the_guarantee_that_was_or_is_on_S1);
    tcase_add_test(cases, a_message_from_before_a_weaker_profile_has_the_demands_of_both_S2);
    tcase_add_test(cases, what_either_of_two_profiles_does_not_grant_is_not_granted_S1_S2);
    tcase_add_test(cases, a_profile_that_only_observes_changes_nothing_of_one_in_force_S1);
    tcase_add_test(cases,
                   of_a_profile_and_the_one_before_the_name_is_of_the_one_that_demands_more_S2);
    cases = cases_of(suite, "ways", true);
    tcase_add_test(cases, who_demands_by_account_or_alias_has_the_way_of_the_stricter_S1_S13);
    tcase_add_test(cases, an_exception_sends_by_recipient_where_it_makes_a_difference_S5);
    tcase_add_test(cases, by_a_clock_before_the_exception_was_made_the_way_is_by_recipient);
    tcase_add_test(cases, all_spellings_and_sub_addresses_have_the_way_of_the_account);
    tcase_add_test(cases, who_is_in_no_record_has_the_way_of_the_standard_profile);
    tcase_add_test(cases, who_is_off_or_nobody_has_the_ordinary_way);
    tcase_add_test(cases, the_way_of_a_message_is_of_when_it_was_accepted_S2_S5);
    tcase_add_test(cases, the_way_is_unknown_exactly_where_the_demand_is);
    cases = cases_of(suite, "unknown", true);
    tcase_add_test(cases, a_miss_where_not_everything_is_there_is_unknown);
    tcase_add_test(cases, a_missing_exception_where_not_everything_is_there_is_unknown);
    tcase_add_test(cases, what_is_there_is_known_although_not_everything_is);
    tcase_add_test(cases, a_profile_that_is_not_there_is_unknown_not_none);
    tcase_add_test(cases, without_settings_everything_is_unknown);
    tcase_add_test(cases, what_is_kept_says_what_the_table_says_at_every_instant);
    tcase_add_test(cases, an_alias_that_comes_while_a_message_waits_for_its_turn_is_found_S13);
    tcase_add_test(cases, nothing_is_kept_for_longer_than_a_second);
    tcase_add_test(cases, a_record_that_cannot_be_read_is_unknown);
    tcase_add_test(cases, no_table_an_old_table_and_other_clocks_are_unknown);
    tcase_add_test(cases, a_full_table_makes_unknown_never_no_guarantee_MEM_07);
}

int main(void)
{
    Suite *suite = suite_create("accounts");

    add_tests(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
