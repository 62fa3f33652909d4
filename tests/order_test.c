/*
 * order_test.c - what users and administrators order, on a real store: what is kept, what is
 * audited, what is refused, and that no import lowers anything (S2, S5, MEM-05).
 */
#include "engine/memory/order.h"
#include "ipc/serve/order_rows.h"
#include "tests/idn_memory.h"
#include "tests/store_support.h"

#define NOW_S 1800000000

static struct scratch scratch;
static struct store *store;
static struct profile_settings named = {.name = (char *)"posteo"};
static struct profiles_settings profiles;
static struct guarantee_settings guarantee;
static int64_t now_s;

/* --- what comes back --- */

static struct {
    unsigned accounts, exceptions, entries, audits, reports;
    char names[64][ACCOUNT_NAME_MAX];
    struct account account;
    struct account_exception exception;
    struct ledger_entry entry;
    struct store_audit audit;
} seen;

static bool see_account(void *context, const char *name, const struct account *account)
{
    (void)context;
    snprintf(seen.names[seen.accounts++ % 64], ACCOUNT_NAME_MAX, "%s", name);
    seen.account = *account;
    return true;
}

static bool see_exception(void *context, const char *name, const char *domain,
                          const struct account_exception *exception)
{
    (void)context, (void)name, (void)domain;
    seen.exception = *exception;
    seen.exceptions++;
    return true;
}

static bool see_entry(void *context, enum ledger_kind kind, const char *name,
                      const struct ledger_entry *entry)
{
    (void)context;
    snprintf(seen.names[seen.entries++ % 64], ACCOUNT_NAME_MAX,
             kind == LEDGER_HOST ? "[%.250s]" : "%.250s", name);
    seen.entry = *entry;
    return true;
}

static bool see_audit(void *context, uint64_t number, const struct store_audit *audit)
{
    (void)context, (void)number;
    if (seen.audits++ == 0)
        seen.audit = *audit; /* the newest */
    return true;
}

static bool see_report(void *context, const struct store_report *report)
{
    (void)context, (void)report;
    seen.reports++;
    return true;
}

static const struct order_rows rows = {.account = see_account,
                                       .exception = see_exception,
                                       .entry = see_entry,
                                       .audit = see_audit,
                                       .report = see_report};

static struct order_done done;

static int apply(const struct order *order)
{
    const bool changes = order_changes((enum order_kind)order->kind);

    memset(&seen, 0, sizeof seen);
    if (changes)
        ck_assert_int_eq(store_begin(store), 0);
    order_apply(store, order, &profiles, &guarantee, &rows, now_s, &done);
    if (changes)
        ck_assert_int_eq(store_commit(store), 0);
    ck_assert_msg(done.result == ORDER_GOOD || done.effect == EFFECT_NONE,
                  "what is refused has no effect");
    return done.result;
}

static struct order order_of(enum order_kind kind, const char *name)
{
    struct order order = {.kind = (uint8_t)kind, .most = 100, .who = "uid 1000"};

    snprintf(order.name, sizeof order.name, "%s", name);
    return order;
}

static struct account account_now(const char *name)
{
    struct account account = {0};

    ck_assert_int_eq(store_account_get(store, name, &account), STORE_FOUND);
    return account;
}

static unsigned audits(void)
{
    const struct order audit = order_of(ORDERS_MEMORY_AUDIT, "");

    ck_assert_int_eq(apply(&audit), ORDER_GOOD);
    return seen.audits;
}

static void set_up(void)
{
    log_quietly();
    scratch = scratch_make("/dev/shm");
    store = scratch_open(&scratch, NULL);
    memset(&guarantee, 0, sizeof guarantee);
    memset(&profiles, 0, sizeof profiles);
    profiles.all[0] = named;
    profiles.count = 1;
    now_s = NOW_S;
}

static void tear_down(void)
{
    store_close(store);
    scratch_remove(&scratch);
}

/* --- users --- */

START_TEST(what_was_accepted_before_a_switch_keeps_what_held_then_S2)
{
    struct order on = order_of(ORDERS_USER_ON, "Anna@Example.org");
    const struct order off = order_of(ORDERS_USER_OFF, "anna@example.org");

    ck_assert_int_eq(apply(&on), ORDER_GOOD);
    ck_assert_int_eq(done.effect, EFFECT_ACCOUNT);
    ck_assert_str_eq(done.name, "anna@example.org");
    ck_assert_uint_eq(account_now("anna@example.org").flags, ACCOUNT_ON);
    ck_assert_str_eq(account_now("anna@example.org").profile, "posteo");
    now_s += 60;
    ck_assert_int_eq(apply(&off), ORDER_GOOD);
    ck_assert_uint_eq(account_now("anna@example.org").flags, ACCOUNT_ON_BEFORE);
    ck_assert_int_eq(account_now("anna@example.org").changed_s, NOW_S + 60);
    ck_assert_uint_eq(audits(), 1); /* switching off is audited, switching on needs no reason */
    ck_assert_str_eq(seen.audit.what, "user-off");
    ck_assert_str_eq(seen.audit.who, "uid 1000");
}
END_TEST

START_TEST(off_said_twice_and_a_removal_release_nothing_that_was_accepted_before)
{
    struct order order = order_of(ORDERS_USER_ON, "anna@example.org");

    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order.kind = ORDERS_USER_REMOVE;
    ck_assert_int_eq(apply(&order), ORDER_INVALID); /* it is on */
    order.kind = ORDERS_USER_OFF;
    for (now_s = NOW_S + 20; now_s <= NOW_S + 30; now_s += 10)
        ck_assert_int_eq(apply(&order), ORDER_GOOD);
    const struct account account = account_now("anna@example.org");
    ck_assert_uint_eq(account.flags, ACCOUNT_ON_BEFORE);
    ck_assert_int_eq(account.changed_s, NOW_S + 20);
    order.kind = ORDERS_USER_REMOVE;
    ck_assert_int_eq(apply(&order), ORDER_INVALID); /* its mail is still queued */
    now_s = NOW_S + 20 + LIMIT_QUEUE_LIFE_S;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
}
END_TEST

START_TEST(another_profile_of_who_is_on_is_audited)
{
    struct order order = order_of(ORDERS_USER_ON, "anna@example.org");

    profiles.all[1].name = (char *)"mailbox";
    profiles.count = 2;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    snprintf(order.profile, sizeof order.profile, "mailbox");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_int_eq(apply(&order), ORDER_GOOD); /* the same once more is no change */
    ck_assert_uint_eq(audits(), 1);
    ck_assert_str_eq(seen.audit.what, "user-profile");
}
END_TEST

static void profiles_make(void)
{
    static const char *const names[] = {"posteo", "mailbox", "strict", "slow"};

    for (size_t i = 0; i < 4; i++)
        profiles.all[i] = (struct profile_settings){.name = (char *)(uintptr_t)names[i]};
    profiles.all[0].window_ms = 60000; /* posteo: encrypt, evidence of a minute */
    profiles.all[0].minimum = 1;
    profiles.all[1].window_ms = 60000; /* mailbox: nothing of its own */
    profiles.all[2].minimum = 3;       /* strict: more than all others */
    profiles.all[3].minimum = 3;       /* slow: more than posteo, on older evidence */
    profiles.all[3].window_ms = 600000;
    profiles.count = 4;
}

static int profile_order(const char *profile)
{
    struct order order = order_of(ORDERS_USER_ON, "anna@example.org");

    snprintf(order.profile, sizeof order.profile, "%s", profile);
    return apply(&order);
}

START_TEST(what_was_accepted_before_a_weaker_profile_keeps_the_old_one_S2)
{
    struct account account;

    profiles_make();
    ck_assert_int_eq(profile_order("posteo"), ORDER_GOOD);
    now_s += 60;
    ck_assert_int_eq(profile_order("mailbox"), ORDER_GOOD);
    account = account_now("anna@example.org");
    ck_assert_str_eq(account.profile, "mailbox");
    ck_assert_str_eq(account.before, "posteo");
    ck_assert_int_eq(account.before_s, NOW_S + 60);
    now_s += 60; /* a stronger one covers what is queued, and needs nothing beside it */
    ck_assert_int_eq(profile_order("strict"), ORDER_GOOD);
    account = account_now("anna@example.org");
    ck_assert_str_eq(account.before, "");
    now_s += 60;
    ck_assert_int_eq(profile_order("posteo"), ORDER_GOOD);
    now_s += 60; /* the stronger of two stays, for both */
    ck_assert_int_eq(profile_order("mailbox"), ORDER_GOOD);
    account = account_now("anna@example.org");
    ck_assert_str_eq(account.before, "strict");
    ck_assert_int_eq(account.before_s, now_s);
    now_s += LIMIT_QUEUE_LIFE_S; /* nothing of then is queued any more */
    ck_assert_int_eq(profile_order("posteo"), ORDER_GOOD);
    ck_assert_str_eq(account_now("anna@example.org").before, "");
}
END_TEST

START_TEST(a_way_round_by_switching_off_keeps_the_old_profile_too_S2)
{
    const struct order off = order_of(ORDERS_USER_OFF, "anna@example.org");

    profiles_make();
    ck_assert_int_eq(profile_order("posteo"), ORDER_GOOD);
    now_s += 60;
    ck_assert_int_eq(apply(&off), ORDER_GOOD);
    now_s += 60;
    ck_assert_int_eq(profile_order("mailbox"), ORDER_GOOD);
    ck_assert_str_eq(account_now("anna@example.org").before, "posteo");
    ck_assert_int_eq(account_now("anna@example.org").before_s, now_s);
}
END_TEST

START_TEST(two_profiles_that_do_not_cover_each_other_are_not_both_left)
{
    profiles_make();
    ck_assert_int_eq(profile_order("posteo"), ORDER_GOOD);
    ck_assert_int_eq(profile_order("slow"), ORDER_GOOD);
    ck_assert_str_eq(account_now("anna@example.org").before, "posteo");
    ck_assert_int_eq(profile_order("mailbox"), ORDER_INVALID);
    ck_assert_str_eq(account_now("anna@example.org").profile, "slow");
    ck_assert_int_eq(profile_order("strict"), ORDER_GOOD);
}
END_TEST

START_TEST(an_account_of_its_own_begins_as_what_held_for_its_domain_S2)
{
    struct order order = order_of(ORDERS_USER_ON, "@example.org");

    profiles_make();
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    now_s += 60;
    order = order_of(ORDERS_USER_OFF, "anna@example.org");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(account_now("anna@example.org").flags, ACCOUNT_ON_BEFORE);
    ck_assert_int_eq(account_now("anna@example.org").changed_s, now_s);
    guarantee.delimiter = (char *)"+";
    order = order_of(ORDERS_USER_ON, "bert+x@example.org");
    snprintf(order.profile, sizeof order.profile, "mailbox");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_str_eq(account_now("bert+x@example.org").before, "posteo");
}
END_TEST

/* Whatever it is in which the new one lets more through: what is queued keeps the old one. */
START_TEST(a_profile_that_is_milder_in_anything_is_no_cover_for_what_is_queued_S2)
{
    struct profile_settings *strict = &profiles.all[0], *mild = &profiles.all[1];

    profiles_make();
    for (unsigned way = 0; way < 9; way++) {
        *strict = (struct profile_settings){
            .name = strict->name, .minimum = 1, .window_ms = 60000, .refuse_at_rcpt = true};
        *mild = *strict;
        mild->name = (char *)"mailbox";
        mild->minimum -= way == 1;
        mild->window_ms += way == 2;
        mild->observe = way == 3;
        mild->exempt_auto_replies = way == 4;
        mild->exempt_forwards = way == 5;
        mild->allow_tls_required_no = way == 6;
        mild->refuse_at_rcpt = way != 7;
        mild->trouble = way == 8 ? TROUBLE_PASS : TROUBLE_TEMPORARY;
        ck_assert_int_eq(profile_order("posteo"), ORDER_GOOD);
        ck_assert_str_eq(account_now("anna@example.org").before, "");
        ck_assert_int_eq(profile_order("mailbox"), ORDER_GOOD);
        ck_assert_msg(strcmp(account_now("anna@example.org").before, way == 0 ? "" : "posteo") == 0,
                      "way %u", way);
        now_s += LIMIT_QUEUE_LIFE_S + 1;
    }
}
END_TEST

/* As a bit that fell on the disk leaves it. */
static void record_break(const char *name)
{
    struct store_key key;
    struct store_value value;

    ck_assert(store_key_account(&key, name));
    ck_assert_int_eq(store_begin(store), 0);
    ck_assert_int_eq(store_get(store, DATABASE_ACCOUNT, store_key_bytes(&key), &value), 1);
    value.bytes[value.length - 1] ^= 1;
    ck_assert_int_eq(store_change(store), 0);
    ck_assert_int_eq(
        store_put(store, DATABASE_ACCOUNT, store_key_bytes(&key), store_value_bytes(&value), 0), 0);
    ck_assert_int_eq(store_commit(store), 0);
}

static void except_one(const char *name)
{
    struct order order = order_of(ORDERS_USER_EXCEPT, name);

    snprintf(order.domain, sizeof order.domain, "old.example");
    order.until_s = now_s + 60;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
}

static void switch_it(enum order_kind kind, const char *name)
{
    const struct order order = order_of(kind, name);

    ck_assert_int_eq(apply(&order), ORDER_GOOD);
}

/* What a broken one said is not known; that it was on must be assumed, whatever holds above it. */
START_TEST(a_broken_record_is_on_also_where_another_is_made_of_it_MEM_08)
{
    switch_it(ORDERS_USER_ON, "anna@example.org");
    switch_it(ORDERS_USER_ON, "@example.org");
    switch_it(ORDERS_USER_OFF, "@example.org");
    now_s += LIMIT_QUEUE_LIFE_S + 1;
    record_break("anna@example.org");
    except_one("anna@example.org");
    ck_assert_str_eq(account_now("anna@example.org").profile, "strict");
    ck_assert_uint_ne(account_now("anna@example.org").flags & ACCOUNT_ON, 0);
    switch_it(ORDERS_USER_ON, "@");
    switch_it(ORDERS_USER_OFF, "@");
    record_break("@example.org");
    except_one("bert@example.org"); /* below the broken one, and not below who is off */
    ck_assert_str_eq(account_now("bert@example.org").profile, "strict");
    ck_assert_uint_ne(account_now("bert@example.org").flags & ACCOUNT_ON, 0);
}
END_TEST

/* The domain's absence ends with the domain's order; a copy of it in an account would not. */
START_TEST(an_account_of_its_own_takes_no_absence_from_its_domain_S5)
{
    struct order order = order_of(ORDERS_USER_OFF, "@example.org");

    switch_it(ORDERS_USER_ON, "@example.org");
    order.until_s = now_s + 3600;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    except_one("anna@example.org");
    ck_assert_ptr_nonnull(strstr(done.sentence, "on for all others"));
    switch_it(ORDERS_USER_RESUME, "@example.org");
    const struct account account = account_now("anna@example.org");
    ck_assert_uint_eq(account.flags, ACCOUNT_ON | ACCOUNT_EXCEPTIONS);
    ck_assert_str_eq(account.profile, "posteo");
    ck_assert_int_eq(account.off_since_s, 0);
    ck_assert_int_eq(account.off_until_s, 0);
    except_one("bert@example.org"); /* nothing was ended by this one, and nothing is said */
    ck_assert_ptr_null(strstr(done.sentence, "on for all others"));
}
END_TEST

/* Its own absence is its own. */
START_TEST(an_exception_ends_no_absence_of_the_account_itself_S5)
{
    struct order order = order_of(ORDERS_USER_OFF, "anna@example.org");

    switch_it(ORDERS_USER_ON, "anna@example.org");
    order.until_s = now_s + 3600;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    except_one("anna@example.org");
    ck_assert_int_eq(account_now("anna@example.org").off_until_s, now_s + 3600);
    ck_assert_ptr_null(strstr(done.sentence, "on for all others"));
}
END_TEST

START_TEST(an_import_of_a_weaker_profile_keeps_the_old_one_S2)
{
    const struct order off = order_of(ORDERS_USER_OFF, "anna@example.org");
    struct order import = order_of(ORDERS_USER_IMPORT, "");

    profiles_make();
    ck_assert_int_eq(profile_order("posteo"), ORDER_GOOD);
    ck_assert_int_eq(apply(&off), ORDER_GOOD);
    snprintf(import.text, sizeof import.text, "anna@example.org profile=mailbox flags=1");
    ck_assert_int_eq(apply(&import), ORDER_GOOD);
    ck_assert_str_eq(account_now("anna@example.org").profile, "mailbox");
    ck_assert_str_eq(account_now("anna@example.org").before, "posteo");
}
END_TEST

START_TEST(a_list_of_any_length_is_read_page_by_page)
{
    static char text[1 << 20];
    struct order order = order_of(ORDERS_USER_LIST, "");
    struct order_document document;
    unsigned pages = 0, count = 0;

    ck_assert_int_eq(store_begin(store), 0);
    for (unsigned i = 0; i < 2 * ORDER_ROWS_MOST + 1; i++) {
        char name[40];
        snprintf(name, sizeof name, "user%05u@example.org", i);
        ck_assert_int_eq(store_account_put(store, name, &(struct account){.flags = ACCOUNT_ON}), 0);
    }
    ck_assert_int_eq(store_commit(store), 0);
    order.most = 0;
    do {
        order_document_begin(&document, text, sizeof text, order.most);
        order_apply(store, &order, &profiles, &guarantee, &document.rows, now_s, &done);
        ck_assert_int_eq(done.result, ORDER_GOOD);
        ck_assert_uint_gt(order_document_end(&document), 0);
        count += document.count;
        snprintf(order.after, sizeof order.after, "%s", document.next);
    } while (document.next[0] != '\0' && ++pages < 10);
    ck_assert_uint_eq(count, 2 * ORDER_ROWS_MOST + 1);
}
END_TEST

START_TEST(off_for_a_time_leaves_the_account_on_S5)
{
    struct order order = order_of(ORDERS_USER_ON, "anna@example.org");

    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order.kind = ORDERS_USER_OFF;
    order.until_s = NOW_S; /* not in the future */
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    order.until_s = NOW_S + 3600;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    const struct account account = account_now("anna@example.org");
    ck_assert_uint_eq(account.flags, ACCOUNT_ON);
    ck_assert_int_eq(account.off_since_s, NOW_S);
    ck_assert_int_eq(account.off_until_s, NOW_S + 3600);
    order.kind = ORDERS_USER_RESUME;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_int_eq(account_now("anna@example.org").off_until_s, 0);
}
END_TEST

START_TEST(a_new_account_is_what_it_was_without_a_record)
{
    struct order order = order_of(ORDERS_USER_EXCEPT, "anna@example.org");

    guarantee.standard = (char *)"posteo"; /* everybody is on */
    snprintf(order.domain, sizeof order.domain, "old.example");
    order.until_s = NOW_S + 60;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(account_now("anna@example.org").flags, ACCOUNT_ON | ACCOUNT_EXCEPTIONS);
}
END_TEST

START_TEST(exceptions_are_bounded_and_need_an_end)
{
    struct order order = order_of(ORDERS_USER_EXCEPT, "anna@example.org");

    snprintf(order.domain, sizeof order.domain, "d.example");
    ck_assert_int_eq(apply(&order), ORDER_INVALID); /* for ever */
    for (unsigned i = 0; i < LIMIT_EXCEPTIONS; i++) {
        snprintf(order.domain, sizeof order.domain, "d%u.example", i);
        order.until_s = NOW_S + 60;
        ck_assert_int_eq(apply(&order), ORDER_GOOD);
    }
    snprintf(order.domain, sizeof order.domain, "more.example");
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    snprintf(order.domain, sizeof order.domain, "d0.example"); /* one it has can be prolonged */
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order.kind = ORDERS_USER_SHOW;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(seen.exceptions, LIMIT_EXCEPTIONS);
    order.kind = ORDERS_USER_RESUME;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(done.gone_count, 1);
    ck_assert_str_eq(done.gone[0], "d0.example");
    order.domain[0] = '\0';
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(done.gone_count, LIMIT_EXCEPTIONS - 1);
    ck_assert_uint_eq(account_now("anna@example.org").flags & ACCOUNT_EXCEPTIONS, 0);
}
END_TEST

/* What has ended by itself is in nobody's way. */
START_TEST(an_exception_that_is_over_makes_room_for_another_S5)
{
    struct order order = order_of(ORDERS_USER_EXCEPT, "anna@example.org");

    for (unsigned i = 0; i < LIMIT_EXCEPTIONS; i++) {
        snprintf(order.domain, sizeof order.domain, "d%u.example", i);
        order.until_s = NOW_S + (i == 3 ? 60 : 3600);
        ck_assert_int_eq(apply(&order), ORDER_GOOD);
    }
    snprintf(order.domain, sizeof order.domain, "more.example");
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    now_s = NOW_S + 60;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(done.gone_count, 1);
    ck_assert_str_eq(done.gone[0], "d3.example");
    snprintf(order.domain, sizeof order.domain, "another.example");
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    ck_assert_uint_eq(done.gone_count, 0);
    order = order_of(ORDERS_USER_SHOW, "anna@example.org");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(seen.exceptions, LIMIT_EXCEPTIONS);
}
END_TEST

START_TEST(orders_that_make_no_sense_change_nothing)
{
    struct order order = order_of(ORDERS_USER_ON, "anna@example.org");

    snprintf(order.profile, sizeof order.profile, "nonesuch");
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    order = order_of(ORDERS_USER_ON, "an\nna@example.org");
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    order = order_of(ORDERS_USER_SHOW, "anna@example.org");
    ck_assert_int_eq(apply(&order), ORDER_ABSENT);
    order = order_of(ORDERS_USER_REMOVE, "anna@example.org");
    ck_assert_int_eq(apply(&order), ORDER_ABSENT);
    order = order_of(ORDERS_RULE_REMOVE, "example.org");
    ck_assert_int_eq(apply(&order), ORDER_ABSENT);
    order = order_of(ORDERS_RULE_PIN, "[192.0.2.1]");
    order.level = LEVEL_ENCRYPT;
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    order = order_of(ORDERS_RULE_PIN, "example.org"); /* without a reason */
    order.level = LEVEL_ENCRYPT;
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    order = order_of(ORDERS_RULE_EXEMPT, "example.org"); /* without an end */
    snprintf(order.reason, sizeof order.reason, "because");
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    order = order_of(ORDERS_RULE_OBSERVE, "example.org"); /* without a reason */
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    ck_assert_uint_eq(audits(), 0);
}
END_TEST

/* Who reads "off until that time" takes it for on again then (S5). */
START_TEST(what_is_off_for_good_is_not_said_to_be_off_for_a_time_S5)
{
    struct order order = order_of(ORDERS_USER_ON, "anna@example.org");

    snprintf(order.profile, sizeof order.profile, "posteo");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order = order_of(ORDERS_USER_OFF, "anna@example.org");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order.until_s = NOW_S + 3600;
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
    ck_assert_ptr_nonnull(strstr(done.sentence, "off already"));
}
END_TEST

START_TEST(what_a_host_cannot_be_set_to_is_not_said_to_be_set_PIT_05)
{
    struct order order = order_of(ORDERS_MEMORY_SET, "[mx.example.org]");

    order.level = LEVEL_AUTHENTICATED;
    snprintf(order.reason, sizeof order.reason, "because");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_ptr_nonnull(strstr(done.sentence, "set to encrypt"));
    order.level = LEVEL_ENCRYPT;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_str_eq(done.sentence, "set");
}
END_TEST

START_TEST(lists_go_on_behind_the_last_that_was_seen)
{
    struct order order;

    for (unsigned i = 0; i < 25; i++) {
        char name[40];
        snprintf(name, sizeof name, "user%02u@example.org", i);
        order = order_of(ORDERS_USER_ON, name);
        ck_assert_int_eq(apply(&order), ORDER_GOOD);
    }
    order = order_of(ORDERS_USER_LIST, "");
    order.most = 10;
    for (unsigned page = 0; page < 3; page++) {
        ck_assert_int_eq(apply(&order), ORDER_GOOD);
        ck_assert_uint_eq(seen.accounts, page < 2 ? 10 : 5);
        for (unsigned i = 0; i < seen.accounts; i++) {
            char name[40];
            snprintf(name, sizeof name, "user%02u@example.org", page * 10 + i);
            ck_assert_str_eq(seen.names[i], name);
        }
        snprintf(order.after, sizeof order.after, "%s", seen.names[seen.accounts - 1]);
    }
}
END_TEST

/* --- export and import --- */

static struct {
    unsigned rows, pages, lines;
    char line[200][ORDER_TEXT_MAX];
} exported;

/* Each row's member "line", as it stands in the document. */
static void lines_take(const char *text)
{
    static const char mark[] = "\"line\":\"";

    for (const char *at = text; (at = strstr(at, mark)) != NULL;) {
        at += sizeof mark - 1;
        const size_t length = strcspn(at, "\"");
        snprintf(exported.line[exported.lines++ % 200], ORDER_TEXT_MAX, "%.*s", (int)length, at);
    }
}

/* Page by page, to the end. */
static void list_all(enum order_kind kind, const char *name, uint32_t most)
{
    static char text[1 << 20];
    struct order order = order_of(kind, name);
    struct order_document document;

    memset(&exported, 0, sizeof exported);
    order.most = most;
    do {
        order_document_begin(&document, text, sizeof text, order.most);
        order_apply(store, &order, &profiles, &guarantee, &document.rows, now_s, &done);
        ck_assert_msg(done.result == ORDER_GOOD, "%s", done.sentence);
        ck_assert_uint_gt(order_document_end(&document), 0);
        exported.rows += document.count;
        lines_take(text);
        memcpy(order.after, document.next, sizeof order.after);
        ck_assert_uint_lt(exported.pages++, 500);
    } while (order.after[0] != '\0');
}

/* One of two accounts has exceptions, and there is an exception at the end of every page size. */
static void accounts_make(void)
{
    struct order order;

    for (unsigned i = 0; i < 3; i++) {
        char name[40];
        snprintf(name, sizeof name, "user%u@example.org", i);
        order = order_of(ORDERS_USER_ON, name);
        ck_assert_int_eq(apply(&order), ORDER_GOOD);
    }
    for (unsigned i = 0; i < 10; i++) {
        order = order_of(ORDERS_USER_EXCEPT, i % 2 ? "user0@example.org" : "user2@example.org");
        snprintf(order.domain, sizeof order.domain, "d%u.example", i);
        order.until_s = NOW_S + 1000 + i;
        ck_assert_int_eq(apply(&order), ORDER_GOOD);
    }
}

START_TEST(an_export_has_the_exceptions_and_is_whole_page_by_page_S5)
{
    accounts_make();
    for (uint32_t most = 1; most < 15; most++) {
        list_all(ORDERS_USER_EXPORT, "", most);
        ck_assert_uint_eq(exported.rows, 13);
        ck_assert_uint_eq(exported.lines, 13);
        list_all(ORDERS_USER_SHOW, "user2@example.org", most);
        ck_assert_uint_eq(exported.rows, 6);
    }
}
END_TEST

static unsigned exceptions_of(const char *name)
{
    const struct order show = order_of(ORDERS_USER_SHOW, name);

    ck_assert_int_eq(apply(&show), ORDER_GOOD);
    return seen.exceptions;
}

static void import_all(void)
{
    for (unsigned i = 0; i < exported.lines; i++) {
        struct order order = order_of(ORDERS_USER_IMPORT, "");

        snprintf(order.text, sizeof order.text, "%s", exported.line[i]);
        ck_assert_msg(apply(&order) == ORDER_GOOD, "%s: %s", order.text, done.sentence);
    }
}

START_TEST(what_was_exported_is_imported_and_twice_is_once_S5)
{
    accounts_make();
    list_all(ORDERS_USER_EXPORT, "", 0);
    store_close(store);
    scratch_empty(&scratch);
    store = scratch_open(&scratch, NULL);
    now_s += 60;
    import_all();
    ck_assert_uint_eq(exceptions_of("user0@example.org"), 5);
    ck_assert_uint_eq(exceptions_of("user1@example.org"), 0);
    ck_assert_uint_eq(exceptions_of("user2@example.org"), 5);
    ck_assert_int_eq(seen.exception.since_s, now_s); /* releases nothing accepted before */
    const unsigned lines = audits();
    now_s += 60;
    import_all();
    ck_assert_uint_eq(exceptions_of("user2@example.org"), 5);
    ck_assert_int_eq(seen.exception.since_s, now_s - 60);
    ck_assert_uint_eq(audits(), lines);
}
END_TEST

START_TEST(an_import_makes_no_exception_longer_S5)
{
    struct order order = order_of(ORDERS_USER_EXCEPT, "anna@example.org");

    snprintf(order.domain, sizeof order.domain, "d.example");
    order.until_s = NOW_S + 100;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order = order_of(ORDERS_USER_IMPORT, "");
    snprintf(order.text, sizeof order.text, "anna@example.org except=d.example since=1 until=%d",
             NOW_S + 1000);
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(exceptions_of("anna@example.org"), 1);
    ck_assert_int_eq(seen.exception.since_s, NOW_S);
    ck_assert_int_eq(seen.exception.until_s, NOW_S + 100);
    order = order_of(ORDERS_USER_IMPORT, "");
    snprintf(order.text, sizeof order.text, "anna@example.org except=d.example since=1 until=%d",
             NOW_S + 50);
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(exceptions_of("anna@example.org"), 1);
    ck_assert_int_eq(seen.exception.until_s, NOW_S + 50);
}
END_TEST

START_TEST(audit_and_report_are_whole_page_by_page)
{
    struct store_report report = {.day = NOW_S / 86400, .action = 1, .count = 1};

    ck_assert_int_eq(store_begin(store), 0);
    for (unsigned i = 0; i < 2 * ORDER_ROWS_MOST + 1; i++) {
        const struct store_audit audit = {.kind = i % AUDIT_KINDS, .at_s = i};
        snprintf(report.domain, sizeof report.domain, i == 0 ? "" : "d%u.example", i % 500);
        report.cause = (uint8_t)(i / 500);
        report.source = (uint8_t)(i / 1000);
        ck_assert_int_eq(store_audit_add(store, &audit), 0);
        if (i % 2 == 0)
            ck_assert_int_eq(store_report_add(store, &report), 0);
    }
    ck_assert_int_eq(store_commit(store), 0);
    for (uint32_t most = 0; most < 100; most += 33) {
        list_all(ORDERS_MEMORY_AUDIT, "", most);
        ck_assert_uint_eq(exported.rows, 2 * ORDER_ROWS_MOST + 1);
        list_all(ORDERS_REPORT, "", most);
        ck_assert_uint_eq(exported.rows, ORDER_ROWS_MOST + 1);
    }
}
END_TEST

START_TEST(an_import_switches_nobody_off_and_makes_no_alias)
{
    struct order order = order_of(ORDERS_USER_ON, "anna@example.org");

    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order = order_of(ORDERS_USER_IMPORT, "");
    snprintf(order.text, sizeof order.text, "anna@example.org profile=posteo changed=7");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(account_now("anna@example.org").flags, ACCOUNT_ON);
    snprintf(order.text, sizeof order.text, "bert@example.org profile=posteo flags=5 changed=7");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_uint_eq(account_now("bert@example.org").flags, ACCOUNT_ON);
    snprintf(order.text, sizeof order.text,
             "anna@example.org profile=posteo flags=1 off-since=1 off-until=253402300799");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_int_eq(account_now("anna@example.org").off_until_s, 0);
    snprintf(order.text, sizeof order.text, "anna@example.org except=x.example since=1 until=%lld",
             (long long)NOW_S + 60);
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    struct order show = order_of(ORDERS_USER_SHOW, "anna@example.org");
    ck_assert_int_eq(apply(&show), ORDER_GOOD);
    ck_assert_int_eq(seen.exception.since_s, NOW_S); /* not before: queued mail is not released */
    snprintf(order.text, sizeof order.text, "carl@example.org profile=nonesuch flags=1");
    ck_assert_int_eq(apply(&order), ORDER_INVALID);
}
END_TEST

START_TEST(accounts_of_any_name_are_read_back_as_they_were_written)
{
    static const char *const names[] = {"anna@example.org",
                                        "@example.org",
                                        "@",
                                        "anna",
                                        "a b@example.org",
                                        "a%20b@example.org",
                                        "a=b@example.org",
                                        "\xc3\xa4@example.org"};
    const struct account account = {.flags = ACCOUNT_ON,
                                    .profile = "posteo",
                                    .changed_s = 253402300799,
                                    .off_since_s = 1,
                                    .off_until_s = 2,
                                    .before = "strict",
                                    .before_s = 3};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[ORDER_TEXT_MAX], name[ACCOUNT_NAME_MAX], domain[256];
        struct account_exception exception;
        struct account read;

        account_text(text, names[i], &account);
        ck_assert_msg(account_read(name, &read, domain, &exception, text) == NAME_OK, "%s", text);
        ck_assert_str_eq(name, names[i]);
        ck_assert_str_eq(domain, "");
        ck_assert(read.flags == account.flags && read.changed_s == account.changed_s &&
                  read.off_since_s == 1 && read.off_until_s == 2 &&
                  strcmp(read.profile, account.profile) == 0 &&
                  strcmp(read.before, "strict") == 0 && read.before_s == 3);
        exception_text(text, names[i], "other.example",
                       &(struct account_exception){.since_s = 3, .until_s = 4});
        ck_assert_msg(account_read(name, &read, domain, &exception, text) == NAME_OK, "%s", text);
        ck_assert_str_eq(domain, "other.example");
        ck_assert(exception.since_s == 3 && exception.until_s == 4);
    }
}
END_TEST

/* Law 3: nothing is wrong with the order, and nothing of it is done. */
START_TEST(an_order_whose_name_there_is_no_memory_for_is_trouble_and_not_invalid)
{
    static const struct {
        enum order_kind kind;
        const char *name, *text;
    } orders[] = {
        {ORDERS_USER_ON, "anna@b\303\274cher.example", ""},
        {ORDERS_USER_EXCEPT, "anna@example.org", ""},
        {ORDERS_USER_IMPORT, "", "anna@b\303\274cher.example profile=posteo"},
        {ORDERS_USER_IMPORT, "", "anna@example.org except=xn--bcher-kva.example until=1900000000"},
        {ORDERS_MEMORY_SHOW, "b\303\274cher.example", ""},
        {ORDERS_MEMORY_IMPORT, "", "xn--bcher-kva.example proofs=1"},
    };
    struct order order = order_of(orders[_i].kind, orders[_i].name);

    snprintf(order.text, sizeof order.text, "%s", orders[_i].text);
    snprintf(order.domain, sizeof order.domain, "b\303\274cher.example");
    order.until_s = NOW_S + 1000;
    idn_memory(0);
    ck_assert_msg(apply(&order) == ORDER_TROUBLE, "%d: %s", done.result, done.sentence);
    ck_assert_str_eq(done.sentence, "out of memory");
    idn_memory(INT_MAX);
    ck_assert_msg(apply(&order) != ORDER_TROUBLE, "%s", done.sentence);
}
END_TEST

START_TEST(lines_that_nobody_wrote_are_refused)
{
    static const char *const lines[] = {
        "",
        " ",
        "anna@example.org",
        "anna@example.org flags=1",
        "anna@example.org profile",
        "anna@example.org profile=posteo flags=16",
        "anna@example.org profile=posteo flags=-1",
        "anna@example.org profile=posteo changed=99999999999999",
        "a%0@b.c profile=posteo",
        "a%00@b.c profile=posteo",
        "anna@example.org profile=posteo level=3",
        "anna@example.org except=a..b until=3",
        "anna@example.org profile=a1234567890123456789012345678901"};
    static const char *const entries[] = {"",
                                          "a..b proofs=2",
                                          "[192.0.2.1] proofs=2",
                                          "example.org:26 proofs=2",
                                          "example.org proofs=256",
                                          "example.org set=9",
                                          "example.org rule=77",
                                          "example.org nonsense=1",
                                          "[mx.example.org] set=4 epoch=1"};
    char name[ACCOUNT_NAME_MAX], domain[256];
    struct account_exception exception;
    struct ledger_entry entry;
    struct account account;
    enum ledger_kind kind;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_assert_msg(account_read(name, &account, domain, &exception, lines[i]) != NAME_OK, "%s",
                      lines[i]);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        ck_assert_msg(entry_read(&kind, domain, &entry, entries[i]) != NAME_OK, "%s", entries[i]);
}
END_TEST

START_TEST(the_memory_is_merged_by_its_maximum_and_twice_is_once_MEM_05)
{
    struct order order = order_of(ORDERS_MEMORY_SET, "example.org");
    struct ledger_entry before;
    char text[ORDER_TEXT_MAX];

    order.level = LEVEL_AUTHENTICATED;
    ck_assert_int_eq(apply(&order), ORDER_INVALID); /* without a reason */
    snprintf(order.reason, sizeof order.reason, "they told us");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_int_eq(done.effect, EFFECT_ENTRY);
    order = order_of(ORDERS_MEMORY_SHOW, "EXAMPLE.org");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    before = seen.entry;
    ck_assert_int_eq(ledger_level(&before), LEVEL_AUTHENTICATED);
    entry_text(text, LEDGER_DOMAIN, "example.org", &before);
    order = order_of(ORDERS_MEMORY_IMPORT, "");
    snprintf(order.text, sizeof order.text, "%s", text);
    ck_assert_int_eq(apply(&order), ORDER_GOOD);            /* itself */
    snprintf(order.text, sizeof order.text, "example.org"); /* nothing */
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order = order_of(ORDERS_MEMORY_SHOW, "example.org");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert(entry_same(&seen.entry, &before));
    ck_assert_uint_eq(audits(), 1);
}
END_TEST

START_TEST(rules_are_listed_domains_before_hosts_and_end)
{
    struct order order = order_of(ORDERS_RULE_PIN, "[mx.example.org]");

    snprintf(order.reason, sizeof order.reason, "agreed");
    order.level = LEVEL_ENCRYPT;
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order.kind = ORDERS_RULE_REFUSE;
    snprintf(order.name, sizeof order.name, "example.org");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    order.kind = ORDERS_MEMORY_SET; /* not a rule */
    snprintf(order.name, sizeof order.name, "other.example");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    const struct order list = order_of(ORDERS_RULE_LIST, "");
    ck_assert_int_eq(apply(&list), ORDER_GOOD);
    ck_assert_uint_eq(seen.entries, 2);
    ck_assert_str_eq(seen.names[0], "example.org");
    ck_assert_str_eq(seen.names[1], "[mx.example.org]");
    struct order after = list;
    snprintf(after.after, sizeof after.after, "example.org");
    ck_assert_int_eq(apply(&after), ORDER_GOOD);
    ck_assert_uint_eq(seen.entries, 1);
    order.kind = ORDERS_RULE_REMOVE;
    snprintf(order.name, sizeof order.name, "example.org");
    ck_assert_int_eq(apply(&order), ORDER_GOOD);
    ck_assert_int_eq(apply(&list), ORDER_GOOD);
    ck_assert_uint_eq(seen.entries, 1);
    ck_assert_uint_eq(audits(), 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("order");
    TCase *claims = tcase_create("claims");

    tcase_add_checked_fixture(claims, set_up, tear_down);
    tcase_add_test(claims, what_was_accepted_before_a_switch_keeps_what_held_then_S2);
    tcase_add_test(claims, off_said_twice_and_a_removal_release_nothing_that_was_accepted_before);
    tcase_add_test(claims, another_profile_of_who_is_on_is_audited);
    tcase_add_test(claims, what_was_accepted_before_a_weaker_profile_keeps_the_old_one_S2);
    tcase_add_test(claims, a_way_round_by_switching_off_keeps_the_old_profile_too_S2);
    tcase_add_test(claims, two_profiles_that_do_not_cover_each_other_are_not_both_left);
    tcase_add_test(claims, an_account_of_its_own_begins_as_what_held_for_its_domain_S2);
    tcase_add_test(claims, a_profile_that_is_milder_in_anything_is_no_cover_for_what_is_queued_S2);
    tcase_add_test(claims, a_broken_record_is_on_also_where_another_is_made_of_it_MEM_08);
    tcase_add_test(claims, an_account_of_its_own_takes_no_absence_from_its_domain_S5);
    tcase_add_test(claims, an_exception_ends_no_absence_of_the_account_itself_S5);
    tcase_add_test(claims, an_import_of_a_weaker_profile_keeps_the_old_one_S2);
    tcase_add_test(claims, a_list_of_any_length_is_read_page_by_page);
    tcase_add_test(claims, off_for_a_time_leaves_the_account_on_S5);
    tcase_add_test(claims, a_new_account_is_what_it_was_without_a_record);
    tcase_add_test(claims, exceptions_are_bounded_and_need_an_end);
    tcase_add_test(claims, an_exception_that_is_over_makes_room_for_another_S5);
    tcase_add_test(claims, orders_that_make_no_sense_change_nothing);
    tcase_add_test(claims, what_is_off_for_good_is_not_said_to_be_off_for_a_time_S5);
    tcase_add_test(claims, what_a_host_cannot_be_set_to_is_not_said_to_be_set_PIT_05);
    tcase_add_test(claims, lists_go_on_behind_the_last_that_was_seen);
    tcase_add_test(claims, an_import_switches_nobody_off_and_makes_no_alias);
    tcase_add_test(claims, an_export_has_the_exceptions_and_is_whole_page_by_page_S5);
    tcase_add_test(claims, what_was_exported_is_imported_and_twice_is_once_S5);
    tcase_add_test(claims, an_import_makes_no_exception_longer_S5);
    tcase_add_test(claims, audit_and_report_are_whole_page_by_page);
    tcase_add_test(claims, accounts_of_any_name_are_read_back_as_they_were_written);
    tcase_add_loop_test(
        claims, an_order_whose_name_there_is_no_memory_for_is_trouble_and_not_invalid, 0, 6);
    tcase_add_test(claims, lines_that_nobody_wrote_are_refused);
    tcase_add_test(claims, the_memory_is_merged_by_its_maximum_and_twice_is_once_MEM_05);
    tcase_add_test(claims, rules_are_listed_domains_before_hosts_and_end);
    suite_add_tcase(suite, claims);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
