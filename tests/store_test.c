/*
 * store_test.c - the store says what was put into it, in order, within its bounds, and of what is
 * broken that it is broken (MEM-05, MEM-07, MEM-08).
 */
#include "tests/store_support.h"

#include "engine/names/name.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <sys/wait.h>

static struct scratch scratch;

static void set_up(void)
{
    log_quietly();
    scratch = scratch_make("/dev/shm");
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

/* A name of `length` bytes with labels of up to `label` bytes. */
static const char *name_of_length(char *name, size_t length, size_t label)
{
    for (size_t i = 0; i < length; i++)
        name[i] = (i + 1) % (label + 1) == 0 && i + 1 < length ? '.' : (char)('a' + i % 26);
    name[length] = '\0';
    return name;
}

/* --- what is put comes back --- */

#define LATEST_S INT64_C(253402300799) /* the year 9999 */
static const struct ledger_entry extremes[] = {
    {0},
    {.proofs = LEDGER_PROOF(PROOF_HANDSHAKES) | LEDGER_PROOF(PROOF_DANE) | LEDGER_PROOF(PROOF_STS),
     .set_level = LEVEL_AUTHENTICATED,
     .flags = LEDGER_UNREADABLE | LEDGER_OBSERVE,
     .contradiction = CAUSE_COUNT - 1,
     .rule = RULE_PIN,
     .rule_level = LEVEL_AUTHENTICATED,
     .epoch = UINT32_MAX,
     .rule_epoch = UINT32_MAX,
     .handshakes = UINT32_MAX,
     .absences = UINT32_MAX,
     .first_seen_s = LATEST_S,
     .last_seen_s = LATEST_S,
     .used_s = LATEST_S,
     .lowered_s = LATEST_S,
     .contradicted_s = LATEST_S,
     .absence_s = LATEST_S,
     .insecure_s = LATEST_S,
     .rule_until_s = LATEST_S},
    ENTRY_ENCRYPT,
};

/* Of a host only handshakes are remembered. */
static struct ledger_entry extreme_of(size_t number, int kind)
{
    struct ledger_entry entry = extremes[number % (sizeof extremes / sizeof extremes[0])];

    entry.kind = (uint8_t)kind;
    if (kind != LEDGER_HOST)
        return entry;
    entry.proofs &= LEDGER_PROOF(PROOF_HANDSHAKES);
    entry.insecure_s = 0;
    if (entry.set_level > LEVEL_ENCRYPT)
        entry.set_level = LEVEL_ENCRYPT;
    return entry;
}

START_TEST(entries_at_their_extremes_come_back_after_a_restart)
{
    static const size_t lengths[] = {1, 2, 63, 64, 127, 252, 253};
    struct store *store = scratch_open(&scratch, NULL);
    char name[NAME_BYTES_MAX + 1];

    for (int again = 0; again < 2; again++) {
        for (size_t n = 0; n < sizeof lengths / sizeof lengths[0]; n++)
            for (size_t label = 1; label < 64; label += 31)
                for (int kind = 0; kind < 2; kind++) {
                    struct ledger_entry entry, expected = extreme_of(n, kind);
                    name_of_length(name, lengths[n], label);
                    CLAIM(store_begin(store) == 0);
                    if (again == 0)
                        CLAIM(store_entry_put(store, (enum ledger_kind)kind, name, &expected) == 0);
                    CLAIM(store_entry_get(store, (enum ledger_kind)kind, name, &entry) ==
                          STORE_FOUND);
                    CLAIM(entry_same(&entry, &expected));
                    CLAIM(store_commit(store) == 0);
                }
        store_close(store);
        store = scratch_open(&scratch, NULL);
    }
    store_close(store);
}
END_TEST

START_TEST(kinds_of_entries_do_not_mix)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct ledger_entry entry;

    put_batch(store, 1, 1, 7);
    CLAIM(store_entry_get(store, LEDGER_HOST, "mx1.d1.example", &entry) == STORE_ABSENT);
    CLAIM(ledger_is_empty(&entry) && entry.flags == 0 && entry.kind == LEDGER_HOST);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx1.d1.example", &entry) == STORE_FOUND);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_entry_remove(store, LEDGER_HOST, "mx1.d1.example") == 0);
    CLAIM(store_commit(store) == 0);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx1.d1.example", &entry) == STORE_FOUND);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_entry_remove(store, LEDGER_DOMAIN, "mx1.d1.example") == 0);
    CLAIM(store_commit(store) == 0);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx1.d1.example", &entry) == STORE_ABSENT);
    store_close(store);
}
END_TEST

/* A number that no build reads, a name that is none: said before it is written, not when it is
 * read. */
START_TEST(what_could_not_be_read_is_not_written)
{
    struct store *store = scratch_open(&scratch, NULL);
    const struct ledger_entry bad[] = {{.set_level = LEVEL_AUTHENTICATED + 1},
                                       {.proofs = LEDGER_PROOF(PROOF_COUNT)},
                                       {.contradiction = CAUSE_COUNT},
                                       {.rule = RULE_COUNT},
                                       {.rule = RULE_PIN, .rule_level = LEVEL_AUTHENTICATED + 1}};
    const struct account unterminated = {.profile = "0123456789abcdef0123456789abcdef"};
    const struct ledger_entry good = ENTRY_ENCRYPT;
    char name[ACCOUNT_NAME_MAX + 2];
    struct ledger_entry entry;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CLAIM(store_begin(store) == 0);
        CLAIM(store_entry_put(store, LEDGER_DOMAIN, "good.example", &good) == 0);
        CLAIM(store_entry_put(store, LEDGER_DOMAIN, "bad.example", &bad[i]) == -EINVAL);
        CLAIM(store_commit(store) == -EINVAL);
    }
    CLAIM(store_begin(store) == 0);
    CLAIM(store_entry_put(store, LEDGER_DOMAIN, "", &good) == -EINVAL);
    CLAIM(store_commit(store) == -EINVAL);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_entry_put(store, LEDGER_DOMAIN, name_of_length(name, 254, 60), &good) == -EINVAL);
    store_abort(store);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_account_put(store, "a@example.org", &unterminated) == -EINVAL);
    store_abort(store);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_account_put(store, name_of_length(name, ACCOUNT_NAME_MAX, 60),
                            &(struct account){0}) == -EINVAL);
    store_abort(store);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "good.example", &entry) == STORE_ABSENT);
    /* Asked for what cannot be a name, it does not say "nothing is remembered". */
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, name_of_length(name, 254, 60), &entry) ==
          STORE_ERROR);
    CLAIM(entry_is_unreadable(&entry));
    store_close(store);
}
END_TEST

START_TEST(accounts_at_their_extremes_come_back_after_a_restart)
{
    static const size_t lengths[] = {1, 5, 255, 318, 319};
    struct account accounts[] = {
        {.profile = ""},
        {.profile = "0123456789abcdef0123456789abcde",
         .flags = UINT32_MAX,
         .changed_s = INT64_MAX,
         .off_since_s = INT64_MIN,
         .off_until_s = INT64_MAX,
         .before = "0123456789abcdef0123456789abcde",
         .before_s = INT64_MIN},
        {.profile = "posteo", .flags = ACCOUNT_ON, .changed_s = INT64_MIN, .off_since_s = -1},
    };
    struct store *store = scratch_open(&scratch, NULL);
    char name[ACCOUNT_NAME_MAX];

    for (int again = 0; again < 2; again++) {
        for (size_t n = 0; n < sizeof lengths / sizeof lengths[0]; n++) {
            struct account account;
            CLAIM(store_begin(store) == 0);
            name_of_length(name, lengths[n], 50);
            if (again == 0)
                CLAIM(store_account_put(store, name, &accounts[n % 3]) == 0);
            CLAIM(store_commit(store) == 0);
            CLAIM(store_account_get(store, name, &account) == STORE_FOUND);
            CLAIM(account_same(&account, &accounts[n % 3]));
        }
        store_close(store);
        store = scratch_open(&scratch, NULL);
    }
    store_close(store);
}
END_TEST

/* --- order and ranges --- */

struct heard {
    unsigned count, most;
    char names[64][NAME_BYTES_MAX + 1];
};

static bool hear(void *context, enum ledger_kind kind, const char *name,
                 const struct ledger_entry *entry)
{
    struct heard *heard = context;

    (void)kind, (void)entry;
    CLAIM(heard->count < 64);
    snprintf(heard->names[heard->count++], NAME_BYTES_MAX + 1, "%s", name);
    return heard->count < heard->most;
}

static const char *const family[] = {
    /* in the order of their reversed labels */
    "com",
    "example-x.com", /* before: '-' is less than '.', and still nothing of example.com's */
    "mx.example-x.com",
    "example.com",
    "a.example.com",
    "b.a.example.com",
    "mx.example.com",
    "examplea.com",
    "a.de",
};
#define FAMILY (sizeof family / sizeof family[0])

static struct store *open_family(void)
{
    struct store *store = scratch_open(&scratch, NULL);
    const struct ledger_entry entry = ENTRY_ENCRYPT;

    CLAIM(store_begin(store) == 0);
    for (size_t i = 0; i < FAMILY; i++)
        CLAIM(store_entry_put(store, LEDGER_DOMAIN, family[(i * 5 + 3) % FAMILY], &entry) == 0);
    CLAIM(store_commit(store) == 0);
    return store;
}

START_TEST(entries_come_in_the_order_of_their_reversed_names)
{
    struct store *store = open_family();
    struct heard all = {.most = 64}, some = {.most = 2}, rest = {.most = 64}, none = {.most = 64};

    CLAIM(store_each(store, LEDGER_DOMAIN, NULL, hear, &all) == 0);
    ck_assert_uint_eq(all.count, FAMILY);
    for (size_t i = 0; i < FAMILY; i++)
        ck_assert_str_eq(all.names[i], family[i]);
    CLAIM(store_each(store, LEDGER_DOMAIN, "example.com", hear, &some) == 0);
    ck_assert_uint_eq(some.count, 2);
    ck_assert_str_eq(some.names[0], "a.example.com");
    ck_assert_str_eq(some.names[1], "b.a.example.com");
    CLAIM(store_each(store, LEDGER_DOMAIN, "not.there.example.com", hear, &rest) == 0);
    ck_assert_uint_eq(rest.count, 2);
    ck_assert_str_eq(rest.names[0], "examplea.com");
    CLAIM(store_each(store, LEDGER_HOST, NULL, hear, &none) == 0);
    ck_assert_uint_eq(none.count, 0);
    store_close(store);
}
END_TEST

/* MEM-02: the cap of learned entries; nobody else's count. */
START_TEST(a_domain_is_counted_with_all_below_it_and_nothing_else)
{
    struct store *store = open_family();

    ck_assert_uint_eq(store_entry_count(store, LEDGER_DOMAIN, "example.com", 100), 4);
    ck_assert_uint_eq(store_entry_count(store, LEDGER_DOMAIN, "new.deep.example.com", 100), 0);
    ck_assert_uint_eq(store_entry_count(store, LEDGER_DOMAIN, "example-x.com", 100), 2);
    ck_assert_uint_eq(store_entry_count(store, LEDGER_DOMAIN, "example.com", 3), 3);
    ck_assert_uint_eq(store_entry_count(store, LEDGER_DOMAIN, "example.com", 0), 0);
    ck_assert_uint_eq(store_entry_count(store, LEDGER_DOMAIN, "xample.com", 100), 0);
    ck_assert_uint_eq(store_entry_count(store, LEDGER_HOST, "example.com", 100), 0);
    store_close(store);
}
END_TEST

/* --- exceptions --- */

struct heard_exceptions {
    unsigned count;
    char last[ACCOUNT_NAME_MAX + 1 + NAME_BYTES_MAX + 1];
    int64_t until_s;
};

static bool hear_exception(void *context, const char *name, const char *domain,
                           const struct account_exception *exception)
{
    struct heard_exceptions *heard = context;

    heard->count++;
    snprintf(heard->last, sizeof heard->last, "%s>%s", name, domain);
    heard->until_s = exception->until_s;
    return true;
}

static unsigned exceptions_of(struct store *store, const char *name)
{
    struct heard_exceptions heard = {0};

    CLAIM(store_exceptions_each(store, name, hear_exception, &heard) == 0);
    return heard.count;
}

START_TEST(an_account_goes_with_its_exceptions_and_no_others)
{
    static const char *const accounts[] = {"a@example.org", "a@example.org>", "a@example.or", "@"};
    struct store *store = scratch_open(&scratch, NULL);
    const struct account account = {.profile = "posteo", .flags = ACCOUNT_ON};
    struct account read;

    CLAIM(store_begin(store) == 0);
    for (size_t i = 0; i < 4; i++) {
        CLAIM(store_account_put(store, accounts[i], &account) == 0);
        for (int n = 0; n < 5; n++) {
            char domain[32];
            snprintf(domain, sizeof domain, "d%d.example", n);
            CLAIM(store_exception_put(store, accounts[i], domain,
                                      &(struct account_exception){n, n + 100}) == 0);
        }
    }
    CLAIM(store_exception_remove(store, accounts[1], "d3.example") == 0);
    CLAIM(store_exception_remove(store, accounts[1], "other.example") == 0);
    CLAIM(store_commit(store) == 0);
    ck_assert_uint_eq(exceptions_of(store, NULL), 19);
    ck_assert_uint_eq(exceptions_of(store, accounts[0]), 5);
    ck_assert_uint_eq(exceptions_of(store, accounts[1]), 4);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_account_remove(store, accounts[0]) == 0);
    CLAIM(store_account_remove(store, "nobody@example.org") == 0);
    CLAIM(store_commit(store) == 0);
    CLAIM(store_account_get(store, accounts[0], &read) == STORE_ABSENT);
    CLAIM(read.profile[0] == '\0' && read.flags == 0);
    ck_assert_uint_eq(exceptions_of(store, accounts[0]), 0);
    ck_assert_uint_eq(exceptions_of(store, accounts[1]), 4);
    ck_assert_uint_eq(exceptions_of(store, accounts[2]), 5);
    ck_assert_uint_eq(exceptions_of(store, NULL), 14);
    store_close(store);
}
END_TEST

struct heard_accounts {
    unsigned count, strict;
    char names[8][32];
};

static bool hear_account(void *context, const char *name, const struct account *account)
{
    struct heard_accounts *heard = context;

    CLAIM(heard->count < 8);
    heard->strict += account_is_strict(account);
    snprintf(heard->names[heard->count++], sizeof heard->names[0], "%s", name);
    return true;
}

START_TEST(accounts_come_in_the_order_of_their_names)
{
    static const char *const names[] = {"@", "@example.org", "a@example.org", "sasl",
                                        "z@a.example"};
    struct store *store = scratch_open(&scratch, NULL);
    struct heard_accounts all = {0}, rest = {0};

    CLAIM(store_begin(store) == 0);
    for (unsigned i = 0; i < 5; i++) {
        const struct account account = account_of(i, i);
        CLAIM(store_account_put(store, names[(i * 3 + 1) % 5], &account) == 0);
    }
    CLAIM(store_commit(store) == 0);
    CLAIM(store_accounts_each(store, NULL, hear_account, &all) == 0);
    ck_assert_uint_eq(all.count, 5);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_str_eq(all.names[i], names[i]);
    CLAIM(store_accounts_each(store, "b@example.org", hear_account, &rest) == 0);
    ck_assert_uint_eq(rest.count, 2);
    ck_assert_str_eq(rest.names[0], "sasl");
    CLAIM(store_begin(store) == 0);
    CLAIM(store_account_remove(store, "sasl") == 0);
    CLAIM(store_commit(store) == 0);
    rest.count = 0;
    CLAIM(store_accounts_each(store, "b@example.org", hear_account, &rest) == 0);
    ck_assert_uint_eq(rest.count, 1);
    store_close(store);
}
END_TEST

/* An account and a domain of full length are 573 bytes; LMDB takes 511. */
START_TEST(names_longer_than_a_key_of_lmdb_are_kept_whole)
{
    struct store *store = scratch_open(&scratch, NULL);
    char account[ACCOUNT_NAME_MAX], domain[NAME_BYTES_MAX + 1];
    struct heard_exceptions heard = {0};

    name_of_length(account, ACCOUNT_NAME_MAX - 1, 60);
    for (size_t length = 150; length <= NAME_BYTES_MAX; length++) {
        name_of_length(domain, length, 62);
        CLAIM(store_begin(store) == 0);
        CLAIM(store_exception_put(store, account, domain,
                                  &(struct account_exception){1, (int64_t)length}) == 0);
        CLAIM(store_commit(store) == 0);
    }
    store_close(store);
    store = scratch_open(&scratch, NULL);
    ck_assert_uint_eq(exceptions_of(store, account), NAME_BYTES_MAX - 149);
    name_of_length(domain, NAME_BYTES_MAX - 1, 62);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_exception_remove(store, account, domain) == 0);
    CLAIM(store_exception_put(store, account, name_of_length(domain, NAME_BYTES_MAX, 62),
                              &(struct account_exception){2, 7777}) == 0);
    CLAIM(store_commit(store) == 0);
    CLAIM(store_exceptions_each(store, account, hear_exception, &heard) == 0);
    ck_assert_uint_eq(heard.count, NAME_BYTES_MAX - 150);
    store_close(store);
}
END_TEST

/* Never by a hash alone: two names of one hash are made by putting one's value in the other's
 * place. */
START_TEST(two_long_names_with_one_hash_are_two_names)
{
    struct store *store = scratch_open(&scratch, NULL);
    const struct account_exception exception = {1, 2};
    char account[ACCOUNT_NAME_MAX], mine[NAME_BYTES_MAX + 1], other[NAME_BYTES_MAX + 1];
    struct store_key key, other_key;
    struct store_value value;
    uint8_t room[STORE_KEY_SHORT];

    name_of_length(account, ACCOUNT_NAME_MAX - 1, 60);
    name_of_length(mine, NAME_BYTES_MAX, 62);
    name_of_length(other, NAME_BYTES_MAX, 62);
    other[NAME_BYTES_MAX - 1] ^= 1;
    CLAIM(store_key_exception(&key, account, mine));
    CLAIM(store_key_exception(&other_key, account, other));
    store_value_of_exception(&value, &other_key, &exception);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_change(store) == 0);
    CLAIM(store_put(store, DATABASE_EXCEPTION, store_key_short(store_key_bytes(&key), room),
                    store_value_bytes(&value), 0) == 0);
    CLAIM(store_commit(store) == 0);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_exception_remove(store, account, mine) == 0);
    CLAIM(store_commit(store) == 0);
    ck_assert_uint_eq(exceptions_of(store, account), 1);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_exception_put(store, account, mine, &exception) == -EEXIST);
    CLAIM(store_commit(store) == -EEXIST);
    ck_assert_uint_eq(exceptions_of(store, account), 1);
    store_close(store);
}
END_TEST

START_TEST(exceptions_of_an_account_are_bounded)
{
    struct store *store = scratch_open(&scratch, NULL);
    const struct account_exception exception = {1, 2};
    char domain[32];

    CLAIM(store_begin(store) == 0);
    for (int i = 0; i < LIMIT_STORE_EXCEPTIONS; i++) {
        snprintf(domain, sizeof domain, "d%d.example", i);
        CLAIM(store_exception_put(store, "a@example.org", domain, &exception) == 0);
    }
    CLAIM(store_exception_put(store, "b@example.org", domain, &exception) == 0);
    CLAIM(store_exception_put(store, "a@example.org", domain, &exception) == 0);
    CLAIM(store_commit(store) == 0);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_exception_put(store, "a@example.org", "more.example", &exception) == -EDQUOT);
    CLAIM(store_commit(store) == -EDQUOT);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_account_remove(store, "a@example.org") == 0);
    CLAIM(store_commit(store) == 0);
    ck_assert_uint_eq(exceptions_of(store, NULL), 1);
    store_close(store);
}
END_TEST

/* --- batches --- */

START_TEST(a_batch_is_all_or_nothing_and_reads_its_own_changes)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct ledger_entry entry;

    CLAIM(store_begin(store) == 0);
    put_numbered(store, 1, 1);
    put_numbered(store, 2, 1);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx1.d1.example", &entry) == STORE_FOUND);
    ck_assert_uint_eq(store_entry_count(store, LEDGER_DOMAIN, "d2.example", 9), 1);
    store_abort(store);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx1.d1.example", &entry) == STORE_ABSENT);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_commit(store) == 0);
    put_batch(store, 1, 2, 1);
    CLAIM(store_begin(store) == 0);
    put_numbered(store, 1, 2);
    store_close(store); /* in the middle of a batch */
    store = scratch_open(&scratch, NULL);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx1.d1.example", &entry) == STORE_FOUND);
    CLAIM(entry_is_of(&entry, 1) && entry.handshakes == 1);
    store_close(store);
    store_close(NULL);
}
END_TEST

START_TEST(a_batch_over_its_bound_is_refused_whole)
{
    struct store *store = scratch_open(&scratch, NULL);
    const struct ledger_entry entry = ENTRY_ENCRYPT;
    struct ledger_entry read;

    CLAIM(store_begin(store) == 0);
    for (unsigned i = 0; i < LIMIT_STORE_CHANGES; i++)
        put_numbered(store, i, 1);
    CLAIM(store_entry_put(store, LEDGER_DOMAIN, "more.example", &entry) == -E2BIG);
    CLAIM(store_commit(store) == -E2BIG);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx1.d1.example", &read) == STORE_ABSENT);
    put_batch(store, 0, LIMIT_STORE_CHANGES, 1);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx1.d1.example", &read) == STORE_FOUND);
    store_close(store);
}
END_TEST

/* Room is made before a batch begins: the largest, of the longest names, always fits. */
START_TEST(the_map_grows_before_a_batch_of_the_largest_kind)
{
    const struct store_settings settings = {
        .directory = scratch.directory, .map_bytes = 1 << 20, .copies = 1};
    struct store_opened opened;
    struct store *store;
    char why[256], name[NAME_BYTES_MAX + 1];
    const struct ledger_entry entry = ENTRY_ENCRYPT;

    CLAIM(store_open(&store, &settings, &opened, why, sizeof why) == 0);
    for (unsigned batch = 0; batch < 8; batch++) {
        CLAIM(store_begin(store) == 0);
        for (unsigned i = 0; i < LIMIT_STORE_CHANGES; i++) {
            const int head = snprintf(name, sizeof name, "%016llx.",
                                      (unsigned long long)scramble(batch * 10000 + i));
            name_of_length(name + head, sizeof name - 1 - (size_t)head, 50);
            CLAIM(store_entry_put(store, LEDGER_DOMAIN, name, &entry) == 0);
        }
        CLAIM(store_commit(store) == 0);
    }
    CLAIM(store->map_bytes > (64 << 20));
    store_close(store);
    store = scratch_open(&scratch, &opened);
    ck_assert_uint_eq(opened.entries, 8 * LIMIT_STORE_CHANGES);
    store_close(store);
}
END_TEST

/* What a caller does who did not get the room. */
START_TEST(a_batch_that_filled_the_map_is_done_again)
{
    const struct store_settings settings = {
        .directory = scratch.directory, .map_bytes = 256 << 10, .copies = 1};
    struct store_opened opened;
    struct store *store;
    struct ledger_entry entry;
    char why[256];
    unsigned again = 0;

    CLAIM(store_open(&store, &settings, &opened, why, sizeof why) == 0);
    store->room_bytes = 4096;
    for (uint32_t batch = 0; batch < 4; batch++) {
        int status;
        do {
            CLAIM(store_begin(store) == 0);
            for (unsigned i = 0; i < LIMIT_STORE_CHANGES; i++) {
                struct numbered numbered;
                entry = entry_of(batch * 10000 + i, 1);
                store_entry_put(store, LEDGER_DOMAIN, numbered_domain(&numbered, batch * 10000 + i),
                                &entry);
            }
            status = store_commit(store);
            again += status == -EAGAIN;
        } while (status == -EAGAIN && again < 100);
        CLAIM(status == 0);
    }
    ck_assert_uint_gt(again, 0);
    store_close(store);
    store = scratch_open(&scratch, &opened);
    ck_assert_uint_eq(opened.entries, 4 * LIMIT_STORE_CHANGES);
    store_close(store);
}
END_TEST

/* Also of one that was given up before its end. */
START_TEST(a_batch_that_filled_the_map_and_was_aborted_has_room_the_next_time)
{
    const struct store_settings settings = {
        .directory = scratch.directory, .map_bytes = 256 << 10, .copies = 1};
    struct store_opened opened;
    struct store *store;
    char why[256];
    int status = 0;

    CLAIM(store_open(&store, &settings, &opened, why, sizeof why) == 0);
    store->room_bytes = 4096;
    CLAIM(store_begin(store) == 0);
    for (uint32_t i = 0; i < LIMIT_STORE_CHANGES && status == 0; i++) {
        struct numbered numbered;
        const struct ledger_entry entry = entry_of(i, 1);
        status = store_entry_put(store, LEDGER_DOMAIN, numbered_domain(&numbered, i), &entry);
    }
    CLAIM(status == -EAGAIN);
    const uint64_t before = store->map_bytes;
    CLAIM(store_abort(store) == -EAGAIN);
    CLAIM(store_begin(store) == 0);
    ck_assert_uint_gt(store->map_bytes, before);
    CLAIM(store_abort(store) == 0);
    store_close(store);
}
END_TEST

START_TEST(a_second_writer_is_kept_out)
{
    struct store *store = scratch_open(&scratch, NULL), *second;
    struct store_opened opened;

    CLAIM(scratch_try(&scratch, &second, &opened, false) == -EBUSY);
    CLAIM(strstr(scratch_why, "another process") != NULL);
    const pid_t child = fork();
    if (child == 0)
        _exit(scratch_try(&scratch, &second, &opened, false) == -EBUSY ? 0 : 1);
    int status;
    CLAIM(waitpid(child, &status, 0) == child && status == 0);
    store_close(store);
    store_close(scratch_open(&scratch, NULL));
}
END_TEST

/* --- audit and report --- */

struct heard_audit {
    unsigned count;
    uint64_t first, last;
    struct store_audit audit;
};

static bool hear_audit(void *context, uint64_t number, const struct store_audit *audit)
{
    struct heard_audit *heard = context;

    if (heard->count++ == 0) {
        heard->first = number;
        heard->audit = *audit;
    } else {
        CLAIM(number == heard->last - 1);
    }
    heard->last = number;
    return true;
}

START_TEST(the_audit_is_read_newest_first_and_is_whole)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct store_audit audit = {.at_s = INT64_MIN};
    struct heard_audit heard = {0};

    memset(audit.who, 'w', sizeof audit.who - 1);
    memset(audit.what, 'x', sizeof audit.what - 1);
    memset(audit.name, 'y', sizeof audit.name - 1);
    memset(audit.reason, 'z', sizeof audit.reason - 1);
    for (int i = 0; i < 5; i++) {
        CLAIM(store_begin(store) == 0);
        CLAIM(store_audit_add(store, i == 4 ? &audit : &(struct store_audit){.at_s = i}) == 0);
        CLAIM(store_commit(store) == 0);
    }
    store_close(store);
    store = scratch_open(&scratch, NULL);
    CLAIM(store_audit_each(store, 0, 3, hear_audit, &heard) == 0);
    ck_assert_uint_eq(heard.count, 3);
    ck_assert_uint_eq(heard.first, 5);
    CLAIM(heard.audit.at_s == INT64_MIN && strcmp(heard.audit.who, audit.who) == 0 &&
          strcmp(heard.audit.what, audit.what) == 0 && strcmp(heard.audit.name, audit.name) == 0 &&
          strcmp(heard.audit.reason, audit.reason) == 0);
    store_close(store);
}
END_TEST

START_TEST(the_audit_is_bounded_and_forgets_the_oldest)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct heard_audit heard = {0};
    const unsigned more = 3000;

    for (unsigned i = 0; i < LIMIT_STORE_AUDIT + more;) {
        CLAIM(store_begin(store) == 0);
        for (unsigned n = 0; n < LIMIT_STORE_CHANGES && i < LIMIT_STORE_AUDIT + more; n++, i++)
            CLAIM(store_audit_add(store, &(struct store_audit){.at_s = i, .what = "lowered"}) == 0);
        CLAIM(store_commit(store) == 0);
    }
    CLAIM(store_audit_each(store, 0, UINT64_MAX, hear_audit, &heard) == 0);
    ck_assert_uint_eq(heard.count, LIMIT_STORE_AUDIT);
    ck_assert_uint_eq(heard.first, LIMIT_STORE_AUDIT + more);
    ck_assert_uint_eq(heard.last, more + 1);
    store_close(store);
}
END_TEST

static void audit_fill(struct store *store, enum audit_kind kind, unsigned count)
{
    for (unsigned i = 0; i < count;) {
        CLAIM(store_begin(store) == 0);
        for (unsigned n = 0; n < LIMIT_STORE_CHANGES && i < count; n++, i++)
            CLAIM(store_audit_add(store, &(struct store_audit){.kind = kind, .at_s = i}) == 0);
        CLAIM(store_commit(store) == 0);
    }
}

struct heard_kinds {
    unsigned count[AUDIT_KINDS];
    uint64_t last;
};

static bool hear_kind(void *context, uint64_t number, const struct store_audit *audit)
{
    struct heard_kinds *heard = context;

    CLAIM(heard->last == 0 || number < heard->last);
    heard->last = number;
    heard->count[audit->kind]++;
    return true;
}

START_TEST(no_kind_of_audit_rows_pushes_out_another_MEM_05)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct heard_kinds heard = {0}, page = {0};
    uint64_t before = 0;

    audit_fill(store, AUDIT_ADMINISTRATOR, 3);
    audit_fill(store, AUDIT_LEDGER, LIMIT_STORE_AUDIT_LEDGER + 10);
    store_close(store); /* what it knew of the numbers of rows is gone */
    store = scratch_open(&scratch, NULL);
    audit_fill(store, AUDIT_USER, LIMIT_STORE_AUDIT_USERS + 10);
    audit_fill(store, AUDIT_ADMINISTRATOR, 2);
    audit_fill(store, AUDIT_LEDGER, 5);
    CLAIM(store_audit_each(store, 0, UINT64_MAX, hear_kind, &heard) == 0);
    ck_assert_uint_eq(heard.count[AUDIT_ADMINISTRATOR], 5);
    ck_assert_uint_eq(heard.count[AUDIT_USER], LIMIT_STORE_AUDIT_USERS);
    ck_assert_uint_eq(heard.count[AUDIT_LEDGER], LIMIT_STORE_AUDIT_LEDGER);
    ck_assert_uint_eq(heard.last, 1);
    for (unsigned pages = 0; pages < 1000; pages++) { /* page by page it is the same */
        CLAIM(store_audit_each(store, before, 999, hear_kind, &page) == 0);
        if (page.last == before)
            break;
        before = page.last;
    }
    ck_assert_uint_eq(page.last, heard.last);
    for (unsigned i = 0; i < AUDIT_KINDS; i++)
        ck_assert_uint_eq(page.count[i], heard.count[i]);
    store_close(store);
}
END_TEST

struct heard_report {
    unsigned rows, days;
    uint32_t first_day, last_day;
    uint64_t total, others;
    struct store_report last;
};

static bool hear_report(void *context, const struct store_report *report)
{
    struct heard_report *heard = context;

    CLAIM(heard->rows == 0 || report->day >= heard->last_day);
    if (heard->rows++ == 0)
        heard->first_day = report->day;
    heard->days += heard->rows == 1 || report->day != heard->last_day;
    heard->last_day = report->day;
    heard->total += report->count;
    heard->others += report->domain[0] == '\0' ? report->count : 0;
    heard->last = *report;
    return true;
}

static struct heard_report report_of(struct store *store, uint32_t from_day)
{
    struct heard_report heard = {0};

    CLAIM(store_report_each(store, from_day, NULL, hear_report, &heard) == 0);
    return heard;
}

START_TEST(reports_are_counted_by_day_domain_and_cause)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct store_report report = {
        .day = 20000, .action = 2, .observed = 1, .cause = 8, .source = 7, .count = 3};

    memset(report.domain, 'd', sizeof report.domain - 1);
    for (int i = 0; i < 2; i++) {
        CLAIM(store_begin(store) == 0);
        CLAIM(store_report_add(store, &report) == 0);
        CLAIM(store_report_add(store, &report) == 0);
        report.day++;
        CLAIM(store_report_add(store, &report) == 0);
        report.day--;
        CLAIM(store_commit(store) == 0);
        store_close(store);
        store = scratch_open(&scratch, NULL);
    }
    struct heard_report heard = report_of(store, 0);
    ck_assert_uint_eq(heard.rows, 2);
    ck_assert_uint_eq(heard.total, 18);
    heard = report_of(store, 20001);
    ck_assert_uint_eq(heard.rows, 1);
    CLAIM(heard.last.day == 20001 && heard.last.action == 2 && heard.last.observed == 1 &&
          heard.last.cause == 8 && heard.last.source == 7 && heard.last.count == 6 &&
          strcmp(heard.last.domain, report.domain) == 0);
    /* A count that would run over stays at its end. */
    CLAIM(store_begin(store) == 0);
    report.day = 20001;
    report.count = UINT64_MAX - 1;
    CLAIM(store_report_add(store, &report) == 0);
    CLAIM(store_commit(store) == 0);
    CLAIM(report_of(store, 20001).last.count == UINT64_MAX);
    store_close(store);
}
END_TEST

/* Somebody mails to a million of his own domains: the day's rows end, the counting does not. */
START_TEST(the_report_of_a_day_is_bounded_and_loses_no_count)
{
    struct store *store = scratch_open(&scratch, NULL);
    const unsigned all = LIMIT_STORE_REPORT_DAY + 2000;
    struct store_report report = {.day = 20000, .action = 1, .count = 1};

    for (unsigned i = 0; i < all;) {
        CLAIM(store_begin(store) == 0);
        for (unsigned n = 0; n < 1000 && i < all; n++, i++) {
            snprintf(report.domain, sizeof report.domain, "d%u.example", i);
            CLAIM(store_report_add(store, &report) == 0);
        }
        if (i % 3000 == 0) { /* what a batch that is not written has counted is not counted */
            store_abort(store);
            CLAIM(store_begin(store) == 0);
            i -= 1000;
            for (unsigned n = 0; n < 1000; n++, i++) {
                snprintf(report.domain, sizeof report.domain, "d%u.example", i);
                CLAIM(store_report_add(store, &report) == 0);
            }
        }
        CLAIM(store_commit(store) == 0);
    }
    const struct heard_report heard = report_of(store, 0);
    ck_assert_uint_eq(heard.rows, LIMIT_STORE_REPORT_DAY + 1);
    ck_assert_uint_eq(heard.total, all);
    ck_assert_uint_eq(heard.others, 2000);
    store_close(store);
}
END_TEST

START_TEST(rows_of_days_long_past_go)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct store_report report = {.action = 1, .domain = "a.example", .count = 1};

    for (uint32_t day = 20000; day < 20000 + 2 * LIMIT_STORE_REPORT_DAYS; day++) {
        CLAIM(store_begin(store) == 0);
        report.day = day;
        CLAIM(store_report_add(store, &report) == 0);
        CLAIM(store_commit(store) == 0);
    }
    const struct heard_report heard = report_of(store, 0);
    ck_assert_uint_eq(heard.rows, LIMIT_STORE_REPORT_DAYS);
    ck_assert_uint_eq(heard.first_day, 20000 + LIMIT_STORE_REPORT_DAYS);
    /* A clock that was wrong once, in the past, removes nothing. */
    CLAIM(store_begin(store) == 0);
    report.day = 3;
    CLAIM(store_report_add(store, &report) == 0);
    CLAIM(store_commit(store) == 0);
    ck_assert_uint_eq(report_of(store, 0).rows, LIMIT_STORE_REPORT_DAYS + 1);
    store_close(store);
}
END_TEST

/* --- what is broken --- */

/* Every bit of each kind of value, one by one: DAMAGED, never something else. */
static void flip_all(enum store_database database, const struct store_value *value)
{
    struct store_value_view view;

    CLAIM(store_value_check(&view, database, store_value_bytes(value)) == VALUE_SOUND);
    for (size_t bit = 0; bit < value->length * 8; bit++) {
        struct store_value flipped = *value;
        flipped.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CLAIM(store_value_check(&view, database, store_value_bytes(&flipped)) == VALUE_DAMAGED);
    }
    for (size_t length = 0; length < value->length; length++)
        CLAIM(store_value_check(&view, database, (struct store_bytes){value->bytes, length}) ==
              VALUE_DAMAGED);
    for (int other = 0; other < DATABASE_COUNT; other++)
        CLAIM(other == (int)database ||
              store_value_check(&view, (enum store_database)other, store_value_bytes(value)) ==
                  VALUE_DAMAGED);
}

START_TEST(a_value_with_one_bit_flipped_is_broken)
{
    const struct ledger_entry entry = entry_of(3, 9);
    const struct account account = account_of(3, 9);
    const struct store_audit audit = {.who = "uid 0", .what = "lowered", .reason = "said so"};
    struct store_key key;
    struct store_value value;

    CLAIM(store_key_name(&key, "mx.example.org"));
    store_value_of_entry(&value, LEDGER_DOMAIN, &key, &entry);
    flip_all(DATABASE_DOMAIN, &value);
    const struct ledger_entry host = extreme_of(1, LEDGER_HOST);
    store_value_of_entry(&value, LEDGER_HOST, &key, &host);
    flip_all(DATABASE_HOST, &value);
    CLAIM(store_key_account(&key, "a@example.org"));
    store_value_of_account(&value, &key, &account);
    flip_all(DATABASE_ACCOUNT, &value);
    CLAIM(store_key_exception(&key, "a@example.org", "example.com"));
    store_value_of_exception(&value, &key, &(struct account_exception){1, 2});
    flip_all(DATABASE_EXCEPTION, &value);
    store_key_number(&key, 77);
    store_value_of_audit(&value, &key, &audit);
    flip_all(DATABASE_AUDIT, &value);
    store_value_of_number(&value, DATABASE_REPORT, &key, 5);
    flip_all(DATABASE_REPORT, &value);
    store_value_of_quarantine(&value, &key, DATABASE_AUDIT, store_key_bytes(&key),
                              store_key_bytes(&key));
    flip_all(DATABASE_QUARANTINE, &value);
}
END_TEST

/* Changes what LMDB holds under a key, behind the store's back. */
static void spoil_value(struct store *store, enum store_database database,
                        const struct store_key *key, size_t byte)
{
    struct store_value value;
    uint8_t room[STORE_KEY_SHORT];
    const struct store_bytes cut = store_key_short(store_key_bytes(key), room);

    CLAIM(store_get(store, database, cut, &value) == 1);
    value.bytes[byte % value.length] ^= 0x10;
    CLAIM(store_begin(store) == 0);
    CLAIM(store_change(store) == 0);
    CLAIM(store_put(store, database, cut, store_value_bytes(&value), 0) == 0);
    CLAIM(store_commit(store) == 0);
}

static struct store *open_with_one_of_each(void)
{
    struct store *store = scratch_open(&scratch, NULL);
    const struct account account = account_of(1, 2); /* off */

    put_batch(store, 1, 20, 5);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_account_put(store, "a@example.org", &account) == 0);
    CLAIM(store_exception_put(store, "a@example.org", "example.com",
                              &(struct account_exception){1, INT64_MAX}) == 0);
    CLAIM(store_audit_add(store, &(struct store_audit){.at_s = 1, .what = "rule"}) == 0);
    CLAIM(store_report_add(store, &(struct store_report){.day = 20000, .count = 2}) == 0);
    CLAIM(store_commit(store) == 0);
    return store;
}

struct heard_quarantine {
    unsigned count;
    char databases[256];
    size_t bytes;
};

static bool hear_quarantined(void *context, uint64_t number,
                             const struct store_quarantined *quarantined)
{
    struct heard_quarantine *heard = context;

    (void)number;
    if (heard->count++ < 4) {
        strncat(heard->databases, quarantined->database, 20);
        strncat(heard->databases, " ", 2);
    }
    heard->bytes += quarantined->value_bytes + quarantined->key_bytes;
    return true;
}

static bool hear_state(void *context, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry)
{
    unsigned *unreadable = context;

    (void)kind, (void)name;
    *unreadable += entry_is_unreadable(entry);
    return true;
}

/* MEM-08, in the middle of work: read as broken, and what is put heals it. */
START_TEST(a_broken_value_reads_as_tls_required_level_unknown)
{
    struct store *store = open_with_one_of_each();
    struct store_key key;
    struct ledger_entry entry;
    struct account account;
    unsigned unreadable = 0;

    CLAIM(store_key_name(&key, "mx3.d3.example"));
    spoil_value(store, DATABASE_DOMAIN, &key, 40);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx3.d3.example", &entry) == STORE_BROKEN);
    CLAIM(entry_is_unreadable(&entry));
    CLAIM(store_each(store, LEDGER_DOMAIN, NULL, hear_state, &unreadable) == 0);
    ck_assert_uint_eq(unreadable, 1);
    CLAIM(store_key_account(&key, "a@example.org"));
    spoil_value(store, DATABASE_ACCOUNT, &key, 33);
    CLAIM(store_account_get(store, "a@example.org", &account) == STORE_BROKEN);
    CLAIM(account_is_strict(&account));
    struct heard_accounts accounts = {0};
    CLAIM(store_accounts_each(store, NULL, hear_account, &accounts) == 0);
    CLAIM(accounts.count == 1 && accounts.strict == 1);
    CLAIM(store_key_exception(&key, "a@example.org", "example.com"));
    spoil_value(store, DATABASE_EXCEPTION, &key, 37);
    ck_assert_uint_eq(exceptions_of(store, "a@example.org"), 0);
    put_batch(store, 3, 1, 6);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx3.d3.example", &entry) == STORE_FOUND);
    CLAIM(entry_is_of(&entry, 3));
    store_close(store);
}
END_TEST

/* MEM-08, after a restart: what was broken stays so, also in a walk, and what it was is kept. */
START_TEST(broken_values_go_into_the_quarantine_and_are_not_absent)
{
    struct store *store = open_with_one_of_each();
    struct store_opened opened;
    struct store_key key;
    struct ledger_entry entry;
    struct account account;
    struct heard_quarantine heard = {0};
    struct heard_audit audit = {0};

    CLAIM(store_key_name(&key, "mx3.d3.example"));
    spoil_value(store, DATABASE_DOMAIN, &key, 40);
    CLAIM(store_key_account(&key, "a@example.org"));
    spoil_value(store, DATABASE_ACCOUNT, &key, 33);
    CLAIM(store_key_exception(&key, "a@example.org", "example.com"));
    spoil_value(store, DATABASE_EXCEPTION, &key, 37);
    store_key_number(&key, 1);
    spoil_value(store, DATABASE_AUDIT, &key, 37);
    for (int i = 0; i < 2; i++) {
        store_close(store);
        store = scratch_open(&scratch, &opened);
        ck_assert_uint_eq(opened.broken, i == 0 ? 4 : 0);
        ck_assert_uint_eq(opened.repaired, 0);
        ck_assert_uint_eq(opened.entries, 20);
        ck_assert_uint_eq(opened.accounts, 1);
        CLAIM((strstr(scratch_why, "quarantine") != NULL) == (i == 0));
        CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx3.d3.example", &entry) == STORE_FOUND);
        CLAIM(entry_is_unreadable(&entry));
        CLAIM(store_account_get(store, "a@example.org", &account) == STORE_FOUND);
        CLAIM(account_is_strict(&account));
        ck_assert_uint_eq(exceptions_of(store, "a@example.org"), 0);
    }
    CLAIM(store_audit_each(store, 0, 9, hear_audit, &audit) == 0);
    ck_assert_uint_eq(audit.count, 0);
    CLAIM(store_quarantine_each(store, hear_quarantined, &heard) == 0);
    ck_assert_uint_eq(heard.count, 4);
    ck_assert_str_eq(heard.databases, "domain account exception audit ");
    ck_assert_uint_gt(heard.bytes, 4 * 40);
    store_close(store);
}
END_TEST

/* A thousand broken ones: in parts, none forgotten, and the quarantine is bounded. */
START_TEST(many_broken_values_are_all_found)
{
    struct store *store = scratch_open(&scratch, NULL);
    const unsigned count = LIMIT_STORE_QUARANTINE + 300;
    struct store_opened opened;
    struct heard_quarantine heard = {0};
    unsigned unreadable = 0;

    put_batch(store, 0, LIMIT_STORE_CHANGES, 1);
    put_batch(store, LIMIT_STORE_CHANGES, count + 50 - LIMIT_STORE_CHANGES, 1);
    CLAIM(store_begin(store) == 0);
    for (unsigned i = 0; i < count; i++) {
        struct numbered numbered;
        struct store_key key;
        struct store_value value;
        CLAIM(store_key_name(&key, numbered_domain(&numbered, i)));
        CLAIM(store_get(store, DATABASE_DOMAIN, store_key_bytes(&key), &value) == 1);
        value.bytes[value.length - 1 - i % value.length] ^= 1;
        CLAIM(store_put(store, DATABASE_DOMAIN, store_key_bytes(&key), store_value_bytes(&value),
                        0) == 0);
    }
    CLAIM(store_change(store) == 0);
    CLAIM(store_commit(store) == 0);
    store_close(store);
    store = scratch_open(&scratch, &opened);
    ck_assert_uint_eq(opened.broken, count);
    ck_assert_uint_eq(opened.entries, count + 50);
    CLAIM(store_each(store, LEDGER_DOMAIN, NULL, hear_state, &unreadable) == 0);
    /* Where it was the key inside of the value, LMDB's key put it right. */
    ck_assert_uint_gt(opened.repaired, 500);
    ck_assert_uint_eq(unreadable, count - opened.repaired);
    CLAIM(store_quarantine_each(store, hear_quarantined, &heard) == 0);
    ck_assert_uint_eq(heard.count, LIMIT_STORE_QUARANTINE);
    store_close(store);
}
END_TEST

/* The value knows its key: what stands under a damaged one is put right. */
START_TEST(a_value_under_a_damaged_key_goes_back_to_its_own)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct store_opened opened;
    struct store_key key;
    struct store_value value;
    struct ledger_entry entry;

    put_batch(store, 1, 20, 5);
    CLAIM(store_key_name(&key, "mx3.d3.example"));
    CLAIM(store_get(store, DATABASE_DOMAIN, store_key_bytes(&key), &value) == 1);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_change(store) == 0);
    CLAIM(store_delete(store, DATABASE_DOMAIN, store_key_bytes(&key)) == 0);
    key.bytes[9] ^= 1;
    CLAIM(store_put(store, DATABASE_DOMAIN, store_key_bytes(&key), store_value_bytes(&value), 0) ==
          0);
    CLAIM(store_commit(store) == 0);
    /* Whoever asks for the damaged key gets no other's entry. */
    char name[NAME_BYTES_MAX + 1];
    CLAIM(store_key_to_name(store_key_bytes(&key), name));
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, name, &entry) == STORE_BROKEN);
    CLAIM(entry_is_unreadable(&entry));
    store_close(store);
    store = scratch_open(&scratch, &opened);
    ck_assert_uint_eq(opened.broken, 1);
    ck_assert_uint_eq(opened.repaired, 1);
    ck_assert_uint_eq(opened.entries, 20);
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx3.d3.example", &entry) == STORE_FOUND);
    CLAIM(entry_is_of(&entry, 3));
    CLAIM(store_entry_get(store, LEDGER_DOMAIN, name, &entry) == STORE_ABSENT);
    store_close(store);
}
END_TEST

/* Seals a value again after it was changed, as a later build would have written it. */
static void reseal(struct store_value *value)
{
    const uint64_t hash = XXH3_64bits(value->bytes, value->length - 8);

    memcpy(value->bytes + value->length - 8, &hash, sizeof hash);
}

START_TEST(values_of_a_later_version_read_as_broken_and_stay_where_they_are)
{
    struct store *store = open_with_one_of_each();
    struct store_opened opened;
    struct ledger_entry entry;
    struct account account;
    struct store_key key;
    struct store_value values[3];

    CLAIM(store_key_name(&key, "mx3.d3.example"));
    for (int i = 0; i < 2; i++) {
        struct ledger_entry later = entry_of(3, 9);
        store_value_of_entry(&values[i], LEDGER_DOMAIN, &key, &later);
        if (i == 0)
            values[i].bytes[1] = STORE_VALUE_VERSION + 1; /* another layout */
        else
            values[i].bytes[4 + key.length] = 0x80; /* a proof of later */
        reseal(&values[i]);
        CLAIM(store_begin(store) == 0);
        CLAIM(store_change(store) == 0);
        CLAIM(store_put_value(store, DATABASE_DOMAIN, &key, &values[i]) == 0);
        CLAIM(store_commit(store) == 0);
        for (int again = 0; again < 2; again++) {
            CLAIM(store_entry_get(store, LEDGER_DOMAIN, "mx3.d3.example", &entry) == STORE_BROKEN);
            CLAIM(entry_is_unreadable(&entry));
            store_close(store);
            store = scratch_open(&scratch, &opened);
            ck_assert_uint_eq(opened.later, 1);
            ck_assert_uint_eq(opened.broken, 0);
        }
        CLAIM(store_get(store, DATABASE_DOMAIN, store_key_bytes(&key), &values[2]) == 1);
        CLAIM(values[2].length == values[i].length &&
              memcmp(values[2].bytes, values[i].bytes, values[i].length) == 0);
    }
    CLAIM(store_key_account(&key, "a@example.org"));
    CLAIM(store_get(store, DATABASE_ACCOUNT, store_key_bytes(&key), &values[0]) == 1);
    values[0].bytes[1]++;
    reseal(&values[0]);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_change(store) == 0);
    CLAIM(store_put_value(store, DATABASE_ACCOUNT, &key, &values[0]) == 0);
    CLAIM(store_commit(store) == 0);
    CLAIM(store_account_get(store, "a@example.org", &account) == STORE_BROKEN);
    CLAIM(account_is_strict(&account));
    store_close(store);
}
END_TEST

/* The store as a whole of a later version: refused, not "damaged", and not touched. */
START_TEST(a_database_of_a_later_version_is_refused)
{
    struct store *store = scratch_open(&scratch, NULL);
    struct store_opened opened;
    struct store_key key = {.length = 5, .bytes = "state"};
    struct store_value value;

    put_batch(store, 1, 20, 5);
    CLAIM(store_get(store, DATABASE_STATE, store_key_bytes(&key), &value) == 1);
    value.bytes[1]++;
    reseal(&value);
    CLAIM(store_begin(store) == 0);
    CLAIM(store_put_value(store, DATABASE_STATE, &key, &value) == 0);
    CLAIM(mdb_txn_commit(store->batch) == 0);
    store->batch = NULL;
    store_close(store);
    CLAIM(scratch_try(&scratch, &store, &opened, true) == -EPROTO);
    CLAIM(strstr(scratch_why, "later mxward") != NULL);
    ck_assert_uint_eq(scratch_count(&scratch, "broken."), 0);
}
END_TEST

/* --- copies --- */

START_TEST(the_newest_copies_are_kept)
{
    struct store *store = scratch_open(&scratch, NULL);
    char why[256];

    for (uint32_t night = 0; night < 6; night++) {
        put_batch(store, 1, 20, night);
        CLAIM(store_copy(store, 1767225600 + night * INT64_C(86400), why, sizeof why) == 0);
        CLAIM(strstr(why, "copied to") != NULL);
    }
    ck_assert_uint_eq(scratch_count(&scratch, "copy."), 3);
    CLAIM(access(scratch_path(&scratch, "copy.6.20260106T000000Z"), F_OK) == 0);
    CLAIM(access(scratch_path(&scratch, "copy.4.20260104T000000Z"), F_OK) == 0);
    /* A clock that goes back does not make an old copy of the newest. */
    CLAIM(store_copy(store, 1767225600, why, sizeof why) == 0);
    CLAIM(access(scratch_path(&scratch, "copy.7.20260101T000000Z"), F_OK) == 0);
    CLAIM(access(scratch_path(&scratch, "copy.4.20260104T000000Z"), F_OK) != 0);
    store_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *values = tcase_create("values"), *broken = tcase_create("broken");

    tcase_add_checked_fixture(values, set_up, tear_down);
    tcase_add_checked_fixture(broken, set_up, tear_down);
    tcase_set_timeout(values, 280);
    tcase_set_timeout(broken, 280);
    tcase_add_test(values, entries_at_their_extremes_come_back_after_a_restart);
    tcase_add_test(values, kinds_of_entries_do_not_mix);
    tcase_add_test(values, what_could_not_be_read_is_not_written);
    tcase_add_test(values, accounts_at_their_extremes_come_back_after_a_restart);
    tcase_add_test(values, entries_come_in_the_order_of_their_reversed_names);
    tcase_add_test(values, a_domain_is_counted_with_all_below_it_and_nothing_else);
    tcase_add_test(values, an_account_goes_with_its_exceptions_and_no_others);
    tcase_add_test(values, accounts_come_in_the_order_of_their_names);
    tcase_add_test(values, names_longer_than_a_key_of_lmdb_are_kept_whole);
    tcase_add_test(values, two_long_names_with_one_hash_are_two_names);
    tcase_add_test(values, exceptions_of_an_account_are_bounded);
    tcase_add_test(values, a_batch_is_all_or_nothing_and_reads_its_own_changes);
    tcase_add_test(values, a_batch_over_its_bound_is_refused_whole);
    tcase_add_test(values, the_map_grows_before_a_batch_of_the_largest_kind);
    tcase_add_test(values, a_batch_that_filled_the_map_is_done_again);
    tcase_add_test(values, a_batch_that_filled_the_map_and_was_aborted_has_room_the_next_time);
    tcase_add_test(values, a_second_writer_is_kept_out);
    tcase_add_test(values, the_audit_is_read_newest_first_and_is_whole);
    tcase_add_test(values, the_audit_is_bounded_and_forgets_the_oldest);
    tcase_add_test(values, no_kind_of_audit_rows_pushes_out_another_MEM_05);
    tcase_add_test(values, reports_are_counted_by_day_domain_and_cause);
    tcase_add_test(values, the_report_of_a_day_is_bounded_and_loses_no_count);
    tcase_add_test(values, rows_of_days_long_past_go);
    tcase_add_test(values, the_newest_copies_are_kept);
    tcase_add_test(broken, a_value_with_one_bit_flipped_is_broken);
    tcase_add_test(broken, a_broken_value_reads_as_tls_required_level_unknown);
    tcase_add_test(broken, broken_values_go_into_the_quarantine_and_are_not_absent);
    tcase_add_test(broken, many_broken_values_are_all_found);
    tcase_add_test(broken, a_value_under_a_damaged_key_goes_back_to_its_own);
    tcase_add_test(broken, values_of_a_later_version_read_as_broken_and_stay_where_they_are);
    tcase_add_test(broken, a_database_of_a_later_version_is_refused);
    suite_add_tcase(suite, values);
    suite_add_tcase(suite, broken);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
