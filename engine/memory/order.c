/*
 * order.c - orders of users and administrators, applied to the store (see order.h).
 *
 * One function for each order, a table that says which; the pieces they share stand before them.
 * Every lowering (switching off, exempting, setting lower) leaves a line in the audit, in the same
 * batch.
 */
#include "engine/memory/order.h"

#include "engine/names/mail_address.h"
#include "engine/names/nexthop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct applying {
    struct store *store;
    const struct order *order;
    const struct profiles_settings *profiles;
    const struct guarantee_settings *guarantee;
    const struct order_rows *rows;
    int64_t now_s;
    struct order_done *done;
    uint32_t left;     /* rows that may still be given */
    bool left_absence; /* the new account was off with its domain, and is not so any more */
};

/* --- how it ends --- */

__attribute__((format(printf, 3, 4))) static void end(struct applying *a, int result,
                                                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(a->done->sentence, sizeof a->done->sentence, format, arguments);
    va_end(arguments);
    a->done->result = (__typeof__(a->done->result))result;
}

/* True: it went well; else the order ends as trouble. */
static bool stored(struct applying *a, int status)
{
    if (status == 0)
        return true;
    end(a, ORDER_TROUBLE, "the memory cannot be written: %s", strerror(-status));
    return false;
}

static bool audited(struct applying *a, const char *what, const char *name, const char *reason)
{
    struct store_audit audit = {.kind = a->order->kind < ORDERS_MEMORY_SHOW ? AUDIT_USER
                                                                            : AUDIT_ADMINISTRATOR,
                                .at_s = a->now_s};

    snprintf(audit.who, sizeof audit.who, "%s", a->order->who);
    snprintf(audit.what, sizeof audit.what, "%s", what);
    snprintf(audit.name, sizeof audit.name, "%s", name);
    snprintf(audit.reason, sizeof audit.reason, "%s", reason);
    return stored(a, store_audit_add(a->store, &audit));
}

/* --- names --- */

/* Want of memory says nothing about a name (law 3). */
static void misnamed(struct applying *a, enum name_status status, const char *otherwise)
{
    if (status == NAME_NO_MEMORY)
        end(a, ORDER_TROUBLE, "%s", name_status_text(status));
    else
        end(a, ORDER_INVALID, "%s", otherwise);
}

static bool name_of_account(struct applying *a)
{
    char ascii[ACCOUNT_NAME_MAX];
    const enum name_status status = mail_address_to_ascii(ascii, sizeof ascii, a->order->name);

    if (status == NAME_OK && account_name(a->done->name, ascii, strlen(ascii)) > 0)
        return true;
    misnamed(a, status, "not an account: an address, a login name, or @domain is expected");
    return false;
}

static bool name_of_domain(struct applying *a, const char *text, char out[256])
{
    struct name name;
    enum name_status status = name_parse(&name, text, strlen(text));

    if (status != NAME_OK) {
        misnamed(a, status, name_status_text(status));
        return false;
    }
    snprintf(out, 256, "%s", name.text);
    return true;
}

/* "example.org" is a mail domain, "[mx.example.org]" a mail host. */
static bool name_of_entry(struct applying *a, const char *text)
{
    struct next_hop next_hop;
    enum name_status status = next_hop_parse(&next_hop, text, strlen(text));

    if (status == NAME_OK && next_hop.kind != NEXT_HOP_ADDRESS && next_hop.port == 25) {
        a->done->entry_kind = next_hop.kind == NEXT_HOP_HOST ? LEDGER_HOST : LEDGER_DOMAIN;
        snprintf(a->done->name, sizeof a->done->name, "%s", next_hop.name.text);
        return true;
    }
    misnamed(a, status,
             status != NAME_OK ? name_status_text(status)
                               : "only mail domains and [mail hosts] at port 25 are remembered");
    return false;
}

/* --- accounts --- */

static const struct profile_settings *profile_find(const struct applying *a, const char *name)
{
    for (size_t i = 0; i < a->profiles->count; i++)
        if (strcmp(a->profiles->all[i].name, name) == 0)
            return &a->profiles->all[i];
    return NULL;
}

static bool profile_exists(const struct applying *a, const char *name)
{
    return profile_find(a, name) != NULL;
}

/* The names whose records hold for `name` while it has none (shm/account.h): the `turn`th, or "".
 * Which login name an address belongs to is not known here. */
static void name_above(const struct applying *a, unsigned turn, char above[ACCOUNT_NAME_MAX])
{
    const char *name = a->done->name, *at = strrchr(name, '@');
    const size_t local = at != NULL ? (size_t)(at - name) : strlen(name);
    const size_t user =
        strcspn(name, a->guarantee->delimiter != NULL ? a->guarantee->delimiter : "");

    above[0] = '\0';
    if (turn == 0 && user > 0 && user < local)
        snprintf(above, ACCOUNT_NAME_MAX, "%.*s%s", (int)user, name, at != NULL ? at : "");
    if (turn == 1 && at != NULL && at != name)
        snprintf(above, ACCOUNT_NAME_MAX, "%s", at);
    if (turn == 2 && strcmp(name, "@") != 0)
        snprintf(above, ACCOUNT_NAME_MAX, "@");
}

/* The guarantee that holds for a name without a record: on, if its domain or everybody is. An
 * absence of theirs stays theirs: a copy of it would not end when they are switched on again. */
static enum store_read account_inherit(struct applying *a, struct account *account)
{
    const char *standard = a->guarantee->standard;
    enum store_read read = STORE_ABSENT;
    char above[ACCOUNT_NAME_MAX];

    for (unsigned turn = 0; turn < 3 && read == STORE_ABSENT; turn++) {
        name_above(a, turn, above);
        if (above[0] != '\0')
            read = store_account_get(a->store, above, account);
    }
    if (read == STORE_ABSENT) {
        *account = (struct account){.flags = standard != NULL ? ACCOUNT_ON : 0};
        snprintf(account->profile, sizeof account->profile, "%s", standard != NULL ? standard : "");
    }
    a->left_absence = (account->flags & ACCOUNT_ON) != 0 && a->now_s < account->off_until_s;
    account->off_since_s = account->off_until_s = 0;
    account->flags &= ACCOUNT_ON | ACCOUNT_ON_BEFORE; /* its exceptions are not ours */
    return read;
}

/* A new account is what it would be without a record; a broken one reads as on. */
static bool account_take(struct applying *a, struct account *account)
{
    enum store_read read = store_account_get(a->store, a->done->name, account);

    if (read == STORE_ABSENT)
        read = account_inherit(a, account);
    if (read != STORE_ERROR)
        return true;
    end(a, ORDER_TROUBLE, "the memory cannot be read");
    return false;
}

/* --- profiles --- */

/* Demands of both what `of` does, and exempts no more. False also if one of them is not known. */
static bool covers(const struct applying *a, const char *name, const char *of)
{
    const struct profile_settings *x = profile_find(a, name), *y = profile_find(a, of);
    struct profile strict, other;

    if (x == NULL || y == NULL)
        return strcmp(name, of) == 0;
    profile_of_settings(&strict, x);
    profile_of_settings(&other, y);
    return strict.minimum >= other.minimum && strict.window_ms <= other.window_ms &&
           strict.observe <= other.observe &&
           strict.exempt_auto_replies <= other.exempt_auto_replies &&
           strict.exempt_forwards <= other.exempt_forwards &&
           strict.allow_tls_required_no <= other.allow_tls_required_no &&
           strict.refuse_at_rcpt >= other.refuse_at_rcpt && strict.trouble <= other.trouble;
}

/* Mail may be queued that was accepted with the guarantee. */
static bool was_guaranteed(const struct applying *a, const struct account *account)
{
    return (account->flags & ACCOUNT_ON) != 0 ||
           ((account->flags & ACCOUNT_ON_BEFORE) != 0 &&
            a->now_s < account->changed_s + LIMIT_QUEUE_LIFE_S);
}

/*
 * `account` gets the profile `name`; what was accepted before keeps the one that held then (S2):
 * not longer than mail is queued, and not if the new one asks as much. There is room for one.
 * False: there would be two, neither of which covers the other.
 */
static bool profile_change(struct applying *a, struct account *account, const char *name)
{
    const char *standard = a->guarantee->standard;
    const char *had = account->profile[0] != '\0' || standard == NULL ? account->profile : standard;
    const bool keeps_had = had[0] != '\0' && was_guaranteed(a, account) && !covers(a, name, had);
    const bool keeps_before = account->before[0] != '\0' &&
                              a->now_s < account->before_s + LIMIT_QUEUE_LIFE_S &&
                              !covers(a, name, account->before);

    if (keeps_had && keeps_before && !covers(a, had, account->before) &&
        !covers(a, account->before, had)) {
        end(a, ORDER_INVALID,
            "queued mail keeps the profiles '%s' and '%s', and no more of them: wait %d days, or "
            "take a profile that demands as much",
            account->before, had, LIMIT_QUEUE_LIFE_S / 86400);
        return false;
    }
    if (keeps_had && (!keeps_before || covers(a, had, account->before)))
        snprintf(account->before, sizeof account->before, "%s", had);
    if (keeps_had)
        account->before_s = a->now_s;
    if (!keeps_had && !keeps_before) {
        account->before[0] = '\0';
        account->before_s = 0;
    }
    snprintf(account->profile, sizeof account->profile, "%s", name);
    return true;
}

/* --- switches --- */

static void account_put(struct applying *a, const struct account *account, const char *sentence)
{
    if (!stored(a, store_account_put(a->store, a->done->name, account)))
        return;
    a->done->effect = EFFECT_ACCOUNT;
    end(a, ORDER_GOOD, "%s", sentence);
}

/* What was accepted before the change keeps what held then (ACCOUNT_ON_BEFORE, shm/account.h). */
static void account_switch(struct applying *a, struct account *account, bool on)
{
    const bool was_on = (account->flags & ACCOUNT_ON) != 0;

    if (was_on == on) /* said again: the real switch keeps its time, and what held before it */
        return;
    account->flags &= ~(uint32_t)(ACCOUNT_ON | ACCOUNT_ON_BEFORE);
    account->flags |= (on ? ACCOUNT_ON : 0u) | (was_on ? ACCOUNT_ON_BEFORE : 0u);
    account->changed_s = a->now_s;
}

static void user_on(struct applying *a)
{
    const char *profile = a->order->profile;
    char before[PROFILE_NAME_MAX];
    struct account account;

    if (!name_of_account(a) || !account_take(a, &account))
        return;
    memcpy(before, account.profile, sizeof before);
    if (profile[0] == '\0') /* it keeps the one it had */
        profile = before[0] != '\0' ? before : "posteo";
    if (!profile_exists(a, profile)) {
        end(a, ORDER_INVALID, "there is no profile '%.31s'", profile);
        return;
    }
    const bool changes = (account.flags & ACCOUNT_ON) != 0 && strcmp(before, profile) != 0;
    if (!profile_change(a, &account, profile))
        return;
    account_switch(a, &account, true);
    account.off_since_s = account.off_until_s = 0;
    if (!changes || audited(a, "user-profile", a->done->name, a->order->reason))
        account_put(a, &account, "on");
}

static void user_off(struct applying *a)
{
    const int64_t until_s = a->order->until_s;
    struct account account;

    if (!name_of_account(a) || !account_take(a, &account))
        return;
    if (until_s != 0 && until_s <= a->now_s) {
        end(a, ORDER_INVALID, "that time has passed already");
        return;
    }
    if (until_s != 0 && (account.flags & ACCOUNT_ON) == 0) { /* nothing would switch it on then */
        end(a, ORDER_INVALID, "it is off already, without an end; switch it on first");
        return;
    }
    if (until_s != 0) { /* on again by itself (S5) */
        account.off_since_s = a->now_s;
        account.off_until_s = until_s;
    } else {
        account_switch(a, &account, false);
    }
    if (audited(a, "user-off", a->done->name, a->order->reason))
        account_put(a, &account, until_s != 0 ? "off until that time" : "off");
}

/* --- exceptions --- */

static bool exception_gather(void *context, const char *name, const char *domain,
                             const struct account_exception *exception)
{
    struct order_done *done = context;

    (void)name;
    (void)exception;
    snprintf(done->gone[done->gone_count++], sizeof done->gone[0], "%s", domain);
    return done->gone_count < LIMIT_EXCEPTIONS;
}

/* Those it has, into `gone`; false: trouble. */
static bool exceptions_gather(struct applying *a)
{
    a->done->gone_count = 0;
    return stored(a, store_exceptions_each(a->store, a->done->name, exception_gather, a->done));
}

struct fitting {
    const char *domain;
    int64_t now_s;
    unsigned count;
    bool there;
    char over[256]; /* one that is over: it makes room; "": none */
};

static bool exception_count(void *context, const char *name, const char *domain,
                            const struct account_exception *exception)
{
    struct fitting *fitting = context;

    (void)name;
    fitting->count++;
    fitting->there |= strcmp(domain, fitting->domain) == 0;
    if (exception->until_s <= fitting->now_s)
        snprintf(fitting->over, sizeof fitting->over, "%s", domain);
    return true; /* there are never many more than LIMIT_EXCEPTIONS */
}

/* Is there room for one for `domain`? One that has ended by itself gives its own. */
static bool exception_fits(struct applying *a, const char *domain)
{
    struct fitting fitting = {.domain = domain, .now_s = a->now_s};

    if (!stored(a, store_exceptions_each(a->store, a->done->name, exception_count, &fitting)))
        return false;
    if (fitting.there || fitting.count < LIMIT_EXCEPTIONS)
        return true;
    if (fitting.over[0] == '\0') {
        end(a, ORDER_INVALID, "the account has %d exceptions already; end some first",
            LIMIT_EXCEPTIONS);
        return false;
    }
    snprintf(a->done->gone[0], sizeof a->done->gone[0], "%s", fitting.over);
    a->done->gone_count = 1;
    return true;
}

static bool exception_put(struct applying *a, const char *domain,
                          const struct account_exception *exception)
{
    return (a->done->gone_count == 0 ||
            stored(a, store_exception_remove(a->store, a->done->name, a->done->gone[0]))) &&
           stored(a, store_exception_put(a->store, a->done->name, domain, exception));
}

static void user_except(struct applying *a)
{
    const struct account_exception exception = {a->now_s, a->order->until_s};
    struct account account;
    char domain[256], sentence[300];

    if (!name_of_account(a) || !name_of_domain(a, a->order->domain, domain) ||
        !account_take(a, &account) || !exception_fits(a, domain))
        return;
    if (a->order->until_s <= a->now_s) {
        end(a, ORDER_INVALID, "an exception needs a time at which it ends, in the future");
        return;
    }
    account.flags |= ACCOUNT_EXCEPTIONS;
    snprintf(sentence, sizeof sentence, "off for mail to %.170s until that time%s", domain,
             a->left_absence ? "; on for all others, also while its domain is off" : "");
    if (audited(a, "user-except", a->done->name, domain) && exception_put(a, domain, &exception))
        account_put(a, &account, sentence);
}

static void user_resume(struct applying *a)
{
    struct account account;
    char domain[256] = "";

    if (!name_of_account(a) || !account_take(a, &account))
        return;
    if (a->order->domain[0] != '\0') {
        if (!name_of_domain(a, a->order->domain, domain))
            return;
        snprintf(a->done->gone[0], sizeof a->done->gone[0], "%s", domain);
        a->done->gone_count = 1;
    } else {
        if (!exceptions_gather(a))
            return;
        account.off_since_s = account.off_until_s = 0;
        account.flags &= ~(uint32_t)ACCOUNT_EXCEPTIONS;
    }
    for (unsigned i = 0; i < a->done->gone_count; i++)
        if (!stored(a, store_exception_remove(a->store, a->done->name, a->done->gone[i])))
            return;
    account_put(a, &account,
                domain[0] != '\0' ? "the exception has ended" : "all exceptions have ended");
}

static void user_remove(struct applying *a)
{
    struct account account;

    if (!name_of_account(a))
        return;
    if (store_account_get(a->store, a->done->name, &account) == STORE_ABSENT) {
        end(a, ORDER_ABSENT, "there is no such account");
        return;
    }
    /* Without the record nobody would know what queued mail was accepted under. */
    if (was_guaranteed(a, &account)) {
        end(a, ORDER_INVALID,
            "switch it off first, and remove it %d days later: its queued mail keeps the guarantee",
            LIMIT_QUEUE_LIFE_S / 86400);
        return;
    }
    if (!exceptions_gather(a) || !audited(a, "user-remove", a->done->name, a->order->reason) ||
        !stored(a, store_account_remove(a->store, a->done->name)))
        return;
    a->done->effect = EFFECT_ACCOUNT;
    end(a, ORDER_GOOD, "removed");
}

static bool exception_shown(void *context, const char *name, const char *domain,
                            const struct account_exception *exception)
{
    struct applying *a = context;

    if (a->left == 0 || !a->rows->exception(a->rows->context, name, domain, exception))
        return false;
    return --a->left > 0;
}

/* Of the account that is shown. */
static bool own_exception_shown(void *context, const char *name, const char *domain,
                                const struct account_exception *exception)
{
    const struct applying *a = context;

    return strcmp(name, a->done->name) == 0 && exception_shown(context, name, domain, exception);
}

static bool account_shown(void *context, const char *name, const struct account *account)
{
    struct applying *a = context;

    if (a->left == 0 || !a->rows->account(a->rows->context, name, account))
        return false;
    return --a->left > 0;
}

/* Behind a row that was shown: the account's own, or an exception's. */
static void user_show_more(struct applying *a)
{
    char name[ACCOUNT_NAME_MAX], domain[256];
    int status;

    if (strcmp(a->order->after, a->done->name) == 0)
        status = store_exceptions_each(a->store, a->done->name, exception_shown, a);
    else if (exception_cursor_read(name, domain, a->order->after) &&
             strcmp(name, a->done->name) == 0)
        status = store_exceptions_after(a->store, name, domain, own_exception_shown, a);
    else {
        end(a, ORDER_INVALID, "the list does not go on there");
        return;
    }
    if (stored(a, status))
        end(a, ORDER_GOOD, "shown");
}

static void user_show(struct applying *a)
{
    struct account account;

    if (!name_of_account(a))
        return;
    if (a->order->after[0] != '\0') {
        user_show_more(a);
        return;
    }
    if (store_account_get(a->store, a->done->name, &account) == STORE_ABSENT) {
        end(a, ORDER_ABSENT, "the account has no record: %s",
            a->guarantee->standard != NULL ? "it has the standard profile" : "it demands nothing");
        return;
    }
    if (a->rows->account(a->rows->context, a->done->name, &account))
        a->left--;
    if (stored(a, store_exceptions_each(a->store, a->done->name, exception_shown, a)))
        end(a, ORDER_GOOD, "shown");
}

/* Accounts, then the exceptions of all: so an import finds the account before them. */
static void user_export(struct applying *a)
{
    const char *after = a->order->after[0] != '\0' ? a->order->after : NULL;
    char name[ACCOUNT_NAME_MAX], domain[256];
    int status = 0;

    if (after != NULL && exception_cursor_read(name, domain, after)) {
        status = store_exceptions_after(a->store, name, domain, exception_shown, a);
    } else {
        status = store_accounts_each(a->store, after, account_shown, a);
        if (status == 0 && a->left > 0)
            status = store_exceptions_each(a->store, NULL, exception_shown, a);
    }
    if (stored(a, status))
        end(a, ORDER_GOOD, "listed");
}

static void user_list(struct applying *a)
{
    const char *after = a->order->after[0] != '\0' ? a->order->after : NULL;

    if (stored(a, store_accounts_each(a->store, after, account_shown, a)))
        end(a, ORDER_GOOD, "listed");
}

/* An import never switches off what is on here: who wants that says so (user off). What is on here
 * stays as it is; what was accepted here keeps what held. */
static void user_import_account(struct applying *a, const struct account *imported)
{
    struct account account;

    if (!account_take(a, &account)) /* what is broken reads as on */
        return;
    const bool was_on = (account.flags & ACCOUNT_ON) != 0;
    if (was_on && (imported->flags & ACCOUNT_ON) == 0) {
        end(a, ORDER_GOOD, "is on here, and stays on");
        return;
    }
    if (!profile_exists(a, imported->profile) ||
        (imported->before[0] != '\0' && !profile_exists(a, imported->before))) {
        end(a, ORDER_INVALID, "there is no profile '%.31s'",
            !profile_exists(a, imported->profile) ? imported->profile : imported->before);
        return;
    }
    /* Aliases are configured, and whether there are exceptions is known here. */
    const uint32_t exceptions = account.flags & ACCOUNT_EXCEPTIONS;
    const uint32_t flags = imported->flags & (ACCOUNT_ON | ACCOUNT_ON_BEFORE);
    if (was_on) {
        account.flags |= flags;
    } else if (was_guaranteed(a, &account)) { /* switched off here not long ago */
        if (!profile_change(a, &account, imported->profile))
            return;
        account_switch(a, &account, (flags & ACCOUNT_ON) != 0);
    } else {
        account = *imported;
        account.flags = flags | exceptions;
    }
    account_put(a, &account, "imported");
}

static bool exception_of_domain(void *context, const char *name, const char *domain,
                                const struct account_exception *exception)
{
    struct {
        const char *domain;
        struct account_exception found;
    } *wanted = context;

    (void)name;
    if (strcmp(domain, wanted->domain) != 0)
        return true;
    wanted->found = *exception;
    return false;
}

/* Of two exceptions for one domain what both say holds: the later beginning, the earlier end. A new
 * one begins now: what was accepted before is not released by it. Twice is once. */
static void user_import_exception(struct applying *a, const char *domain,
                                  const struct account_exception *imported)
{
    struct {
        const char *domain;
        struct account_exception found;
    } known = {.domain = domain};
    struct account_exception both = *imported;
    struct account account;

    if (!exception_fits(a, domain) || !account_take(a, &account) ||
        !stored(a, store_exceptions_each(a->store, a->done->name, exception_of_domain, &known)))
        return;
    const bool there = known.found.until_s != 0;
    if (there && known.found.until_s < both.until_s)
        both.until_s = known.found.until_s;
    if (there ? known.found.since_s > both.since_s : a->now_s > both.since_s)
        both.since_s = there ? known.found.since_s : a->now_s;
    if ((!there && both.until_s <= a->now_s) ||
        (there && both.since_s == known.found.since_s && both.until_s == known.found.until_s)) {
        end(a, ORDER_GOOD, there ? "is so here already" : "is over already");
        return;
    }
    account.flags |= ACCOUNT_EXCEPTIONS;
    if (audited(a, "user-except", a->done->name, domain) && exception_put(a, domain, &both))
        account_put(a, &account, "imported");
}

static void user_import(struct applying *a)
{
    struct account account;
    struct account_exception exception;
    char domain[256];

    const enum name_status status =
        account_read(a->done->name, &account, domain, &exception, a->order->text);
    if (status != NAME_OK)
        misnamed(a, status, "not an account as `user export` writes it");
    else if (domain[0] != '\0')
        user_import_exception(a, domain, &exception);
    else
        user_import_account(a, &account);
}

/* --- the memory --- */

static bool has_reason(struct applying *a)
{
    if (a->order->reason[0] == '\0')
        end(a, ORDER_INVALID, "say why (--reason): it goes into the audit");
    return a->order->reason[0] != '\0';
}

static bool entry_take(struct applying *a, struct ledger_entry *entry, bool *there)
{
    switch (store_entry_get(a->store, a->done->entry_kind, a->done->name, entry)) {
    case STORE_FOUND:
    case STORE_BROKEN:
        *there = true;
        a->done->pending = -(int)ledger_is_pending(entry);
        a->done->rulings = 0u - ledger_ruling(entry, a->done->name);
        return true;
    case STORE_ABSENT:
        *there = false;
        *entry = (struct ledger_entry){.kind = (uint8_t)a->done->entry_kind};
        return true;
    case STORE_ERROR:
        break;
    }
    end(a, ORDER_TROUBLE, "the memory cannot be read");
    return false;
}

static void entry_put(struct applying *a, const struct ledger_entry *entry, const char *sentence)
{
    if (!stored(a, store_entry_put(a->store, a->done->entry_kind, a->done->name, entry)))
        return;
    a->done->pending += ledger_is_pending(entry);
    a->done->rulings += ledger_ruling(entry, a->done->name);
    a->done->effect = EFFECT_ENTRY;
    end(a, ORDER_GOOD, "%s", sentence);
}

static void memory_show(struct applying *a)
{
    struct ledger_entry entry;
    bool there;

    if (!name_of_entry(a, a->order->name) || !entry_take(a, &entry, &there))
        return;
    if (!there) {
        end(a, ORDER_ABSENT, "nothing is remembered of it");
        return;
    }
    a->rows->entry(a->rows->context, a->done->entry_kind, a->done->name, &entry);
    end(a, ORDER_GOOD, "shown");
}

static bool entry_shown(void *context, enum ledger_kind kind, const char *name,
                        const struct ledger_entry *entry)
{
    struct applying *a = context;

    if (a->left == 0 || !a->rows->entry(a->rows->context, kind, name, entry))
        return false;
    return --a->left > 0;
}

static bool pending_shown(void *context, enum ledger_kind kind, const char *name,
                          const struct ledger_entry *entry)
{
    if (!ledger_is_pending(entry) && (entry->flags & LEDGER_UNREADABLE) == 0)
        return true;
    return entry_shown(context, kind, name, entry);
}

static bool rule_shown(void *context, enum ledger_kind kind, const char *name,
                       const struct ledger_entry *entry)
{
    if (entry->rule == RULE_NONE && (entry->flags & LEDGER_OBSERVE) == 0)
        return true;
    return entry_shown(context, kind, name, entry);
}

/* Domains, then hosts; a list goes on behind `after`, which says by its form which it is. */
static void entries_list(struct applying *a, store_each_entry *each)
{
    const bool goes_on = a->order->after[0] != '\0';
    bool hosts_only = false;
    int status = 0;

    if (goes_on && !name_of_entry(a, a->order->after))
        return;
    hosts_only = goes_on && a->done->entry_kind == LEDGER_HOST;
    if (!hosts_only)
        status = store_each(a->store, LEDGER_DOMAIN, goes_on ? a->done->name : NULL, each, a);
    if (status == 0 && a->left > 0)
        status = store_each(a->store, LEDGER_HOST, hosts_only ? a->done->name : NULL, each, a);
    if (stored(a, status))
        end(a, ORDER_GOOD, "listed");
}

static void memory_list(struct applying *a)
{
    entries_list(a, entry_shown);
}

static void memory_pending(struct applying *a)
{
    entries_list(a, pending_shown);
}

static void rule_list(struct applying *a)
{
    entries_list(a, rule_shown);
}

static void memory_set(struct applying *a)
{
    struct ledger_entry entry;
    bool there;

    if (!name_of_entry(a, a->order->name) || !entry_take(a, &entry, &there))
        return;
    if (!has_reason(a))
        return;
    ledger_set(&entry, (enum level)a->order->level, a->now_s);
    if (audited(a, "memory-set", a->done->name, a->order->reason))
        entry_put(a, &entry,
                  entry.set_level == a->order->level
                      ? "set"
                      : "set to encrypt: of a mail host no more than that is remembered");
}

/* By maximum, and twice is once; but what was taken back elsewhere, later than it was learned here,
 * is taken back here too, and audited. */
static void memory_import(struct applying *a)
{
    struct ledger_entry entry, other;
    char name[256];
    bool there;

    const enum name_status status = entry_read(&a->done->entry_kind, name, &other, a->order->text);
    if (status != NAME_OK) {
        misnamed(a, status, "not an entry as `memory export` writes it");
        return;
    }
    snprintf(a->done->name, sizeof a->done->name, "%s", name);
    if (!entry_take(a, &entry, &there))
        return;
    const enum level before = ledger_level(&entry);
    const uint32_t rule_epoch = entry.rule_epoch;
    ledger_merge(&entry, &other);
    const bool lower = ledger_level(&entry) < before;
    if ((lower || entry.rule_epoch != rule_epoch) &&
        !audited(a, "memory-import", a->done->name,
                 lower ? "it was lowered elsewhere" : "its rule was changed elsewhere"))
        return;
    entry_put(a, &entry, lower ? "merged: it was lowered elsewhere" : "merged");
}

static bool audit_shown(void *context, uint64_t number, const struct store_audit *audit)
{
    struct applying *a = context;

    return a->rows->audit(a->rows->context, number, audit);
}

static void memory_audit(struct applying *a)
{
    const uint64_t before = strtoull(a->order->after, NULL, 10);

    if (stored(a, store_audit_each(a->store, before, a->left, audit_shown, a)))
        end(a, ORDER_GOOD, "listed");
}

/* --- rules --- */

static void rule_set(struct applying *a, enum rule rule, const char *what)
{
    struct ledger_entry entry;
    bool there;

    if (!name_of_entry(a, a->order->name) || !entry_take(a, &entry, &there))
        return;
    if (!has_reason(a))
        return;
    if (a->order->until_s != 0 && a->order->until_s <= a->now_s) {
        end(a, ORDER_INVALID, "that time has passed already");
        return;
    }
    if (rule == RULE_EXEMPT && a->order->until_s == 0) {
        end(a, ORDER_INVALID, "an exemption needs a date at which it ends (--until)");
        return;
    }
    ledger_rule(&entry, rule, (enum level)a->order->level, a->order->until_s);
    if (audited(a, what, a->done->name, a->order->reason))
        entry_put(a, &entry, "ruled");
}

static void rule_pin(struct applying *a)
{
    if (a->order->level < LEVEL_ENCRYPT)
        end(a, ORDER_INVALID, "a pin needs a level: encrypt, verified or authenticated");
    else
        rule_set(a, RULE_PIN, "rule-pin");
}

static void rule_exempt(struct applying *a)
{
    rule_set(a, RULE_EXEMPT, "rule-exempt");
}

static void rule_refuse(struct applying *a)
{
    rule_set(a, RULE_REFUSE, "rule-refuse");
}

static void rule_remove(struct applying *a)
{
    struct ledger_entry entry;
    bool there;

    if (!name_of_entry(a, a->order->name) || !entry_take(a, &entry, &there))
        return;
    if (entry.rule == RULE_NONE && (entry.flags & LEDGER_OBSERVE) == 0) {
        end(a, ORDER_ABSENT, "there is no rule for it");
        return;
    }
    ledger_rule(&entry, RULE_NONE, LEVEL_NONE, 0);
    ledger_rule_observe(&entry, false);
    if (audited(a, "rule-remove", a->done->name, a->order->reason))
        entry_put(a, &entry, "removed");
}

static void rule_observe(struct applying *a)
{
    struct ledger_entry entry;
    bool there;

    if (!name_of_entry(a, a->order->name) || !entry_take(a, &entry, &there))
        return;
    if (!has_reason(a))
        return;
    ledger_rule_observe(&entry, true);
    if (audited(a, "rule-observe", a->done->name, a->order->reason))
        entry_put(a, &entry, "only observed from now on");
}

/* --- report --- */

static bool report_shown(void *context, const struct store_report *report)
{
    struct applying *a = context;

    if (a->left == 0 || !a->rows->report(a->rows->context, report))
        return false;
    return --a->left > 0;
}

static void report_list(struct applying *a)
{
    const int64_t day = a->order->until_s / 86400;
    struct store_report after;
    const bool goes_on = a->order->after[0] != '\0';

    if (goes_on && !report_cursor_read(&after, a->order->after)) {
        end(a, ORDER_INVALID, "the list does not go on there");
        return;
    }
    if (stored(a, store_report_each(a->store, day > 0 ? (uint32_t)day : 0, goes_on ? &after : NULL,
                                    report_shown, a)))
        end(a, ORDER_GOOD, "listed");
}

/* --- the table of orders --- */

static const struct {
    uint8_t kind;
    bool changes;
    void (*apply)(struct applying *);
} orders[] = {
    {ORDERS_USER_SHOW, false, user_show},
    {ORDERS_USER_LIST, false, user_list},
    {ORDERS_USER_ON, true, user_on},
    {ORDERS_USER_OFF, true, user_off},
    {ORDERS_USER_EXCEPT, true, user_except},
    {ORDERS_USER_RESUME, true, user_resume},
    {ORDERS_USER_REMOVE, true, user_remove},
    {ORDERS_USER_IMPORT, true, user_import},
    {ORDERS_USER_EXPORT, false, user_export},
    {ORDERS_MEMORY_SHOW, false, memory_show},
    {ORDERS_MEMORY_LIST, false, memory_list},
    {ORDERS_MEMORY_PENDING, false, memory_pending},
    {ORDERS_MEMORY_SET, true, memory_set},
    {ORDERS_MEMORY_IMPORT, true, memory_import},
    {ORDERS_MEMORY_AUDIT, false, memory_audit},
    {ORDERS_RULE_LIST, false, rule_list},
    {ORDERS_RULE_PIN, true, rule_pin},
    {ORDERS_RULE_EXEMPT, true, rule_exempt},
    {ORDERS_RULE_REFUSE, true, rule_refuse},
    {ORDERS_RULE_OBSERVE, true, rule_observe},
    {ORDERS_RULE_REMOVE, true, rule_remove},
    {ORDERS_REPORT, false, report_list},
};
#define ORDERS (sizeof orders / sizeof *orders)

bool order_is_known(unsigned kind)
{
    for (size_t i = 0; i < ORDERS; i++)
        if (orders[i].kind == kind)
            return true;
    return kind == ORDERS_MEMORY_COPY;
}

bool order_changes(enum order_kind kind)
{
    for (size_t i = 0; i < ORDERS; i++)
        if (orders[i].kind == kind)
            return orders[i].changes;
    return false;
}

void order_apply(struct store *store, const struct order *order,
                 const struct profiles_settings *profiles,
                 const struct guarantee_settings *guarantee, const struct order_rows *rows,
                 int64_t now_s, struct order_done *done)
{
    const uint32_t most =
        order->most != 0 && order->most < ORDER_ROWS_MOST ? order->most : ORDER_ROWS_MOST;
    struct applying a = {.store = store,
                         .order = order,
                         .profiles = profiles,
                         .guarantee = guarantee,
                         .rows = rows,
                         .now_s = now_s,
                         .done = done,
                         .left = most};

    memset(done, 0, sizeof *done);
    done->result = ORDER_INVALID;
    for (size_t i = 0; i < ORDERS; i++)
        if (orders[i].kind == order->kind) {
            orders[i].apply(&a);
            return;
        }
    end(&a, ORDER_INVALID, "there is no such order");
}
