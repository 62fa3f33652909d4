/*
 * store_audit.c - see store.h: the audit, the report, and what stands in the quarantine.
 */
#include "engine/memory/store_internal.h"

#include "engine/base/check.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* --- the first key of a database --- */

static bool note_key(void *context, struct store_bytes key, struct store_bytes value)
{
    struct store_key *noted = context;

    (void)value;
    noted->length = key.length;
    memcpy(noted->bytes, key.bytes, key.length);
    return false;
}

/* At or behind `from` (empty: of all). `key` has length 0 if there is none. */
static int first_key(struct store *store, enum store_database database, struct store_bytes from,
                     struct store_key *key)
{
    key->length = 0;
    return store_walk(store, database, from, true, note_key, key);
}

/* --- the audit --- */

/* Rows of all kinds are numbered in one sequence; those of a kind are one range of keys. */
#define KIND_SHIFT  62
#define NUMBER_MOST ((UINT64_C(1) << KIND_SHIFT) - 1)

static const uint64_t audit_most[AUDIT_KINDS] = {
    [AUDIT_ADMINISTRATOR] = LIMIT_STORE_AUDIT,
    [AUDIT_USER] = LIMIT_STORE_AUDIT_USERS,
    [AUDIT_LEDGER] = LIMIT_STORE_AUDIT_LEDGER,
};

static void audit_key(struct store_key *key, enum audit_kind kind, uint64_t number)
{
    store_key_number(key, (uint64_t)kind << KIND_SHIFT | number);
}

static bool audit_of_key(struct store_bytes key, enum audit_kind *kind, uint64_t *number)
{
    uint64_t whole;

    if (!store_key_to_number(key, &whole) || whole >> KIND_SHIFT >= AUDIT_KINDS)
        return false;
    *kind = (enum audit_kind)(whole >> KIND_SHIFT);
    *number = whole & NUMBER_MOST;
    return true;
}

/* The newest row of a kind with a number below `before` (0: of all). */
struct newest {
    enum audit_kind kind;
    uint64_t number; /* 0: there is none */
    struct store_value value;
};

static bool note_newest(void *context, struct store_bytes key, struct store_bytes value)
{
    struct newest *newest = context;
    enum audit_kind kind;
    uint64_t number;

    if (audit_of_key(key, &kind, &number) && kind == newest->kind) {
        newest->number = number;
        store_value_copy(&newest->value, value);
    }
    return false;
}

static int newest_find(struct store *store, struct newest *newest, uint64_t before)
{
    struct store_key below;

    audit_key(&below, newest->kind, before == 0 || before > NUMBER_MOST ? NUMBER_MOST : before);
    newest->number = 0;
    return store_walk_back(store, DATABASE_AUDIT, store_key_bytes(&below), note_newest, newest);
}

static bool count_kind(void *context, struct store_bytes key, struct store_bytes value)
{
    uint64_t *rows = context, number;
    enum audit_kind kind;

    (void)value;
    if (audit_of_key(key, &kind, &number))
        rows[kind]++;
    return true;
}

/* Once after opening, and after a batch that was not written: the sum of the quotas at most. */
static int know_audit(struct store *store)
{
    if (store->audit_known)
        return 0;
    memset(store->audit_rows, 0, sizeof store->audit_rows);
    const int status = store_walk(store, DATABASE_AUDIT, (struct store_bytes){0}, true, count_kind,
                                  store->audit_rows);
    store->audit_known = status == 0;
    return status;
}

/* The oldest rows of the kind over its quota go, a few at a time: one row comes, so a few are
 * enough. */
static int trim_audit(struct store *store, enum audit_kind kind)
{
    struct store_key from, key;
    enum audit_kind found;
    uint64_t number;
    int status = 0;

    audit_key(&from, kind, 0);
    for (unsigned i = 0; i < LIMIT_STORE_TRIM && store->audit_rows[kind] > audit_most[kind]; i++) {
        status = first_key(store, DATABASE_AUDIT, store_key_bytes(&from), &key);
        if (status != 0 || !audit_of_key(store_key_bytes(&key), &found, &number) || found != kind)
            break;
        status = store_delete(store, DATABASE_AUDIT, store_key_bytes(&key));
        store->audit_rows[kind]--;
    }
    return status;
}

int store_audit_add(struct store *store, const struct store_audit *audit)
{
    struct newest newest;
    struct store_key key;
    struct store_value value;
    uint64_t last = 0;
    int status = 0;

    CHECK((unsigned)audit->kind < AUDIT_KINDS);
    if (store_change(store) != 0)
        return store->spoiled;
    for (newest.kind = 0; newest.kind < AUDIT_KINDS && status == 0; newest.kind++) {
        status = newest_find(store, &newest, 0);
        last = newest.number > last ? newest.number : last;
    }
    if (status == 0)
        status = know_audit(store);
    if (status != 0)
        return store_spoil(store, status);
    audit_key(&key, audit->kind, last + 1);
    store_value_of_audit(&value, &key, audit);
    status = store_put_value(store, DATABASE_AUDIT, &key, &value);
    store->audit_rows[audit->kind]++;
    return status == 0 ? trim_audit(store, audit->kind) : status;
}

/* False: the row cannot be read, and is passed over. */
static bool audit_read(const struct newest *newest, struct store_audit *audit)
{
    struct store_value_view view;

    if (store_value_open(&view, DATABASE_AUDIT, store_value_bytes(&newest->value)) != VALUE_SOUND ||
        store_value_to_audit(view.payload, audit) != VALUE_SOUND)
        return false;
    audit->kind = newest->kind;
    return true;
}

int store_audit_each(struct store *store, uint64_t before, uint64_t most, store_each_audit *each,
                     void *context)
{
    struct newest newest[AUDIT_KINDS];
    struct store_audit audit;
    int status = 0;

    for (unsigned i = 0; i < AUDIT_KINDS && status == 0; i++) {
        newest[i].kind = (enum audit_kind)i;
        status = newest_find(store, &newest[i], before);
    }
    while (status == 0 && most > 0) {
        struct newest *next = &newest[0];

        for (unsigned i = 1; i < AUDIT_KINDS; i++)
            if (newest[i].number > next->number)
                next = &newest[i];
        if (next->number == 0)
            break;
        if (audit_read(next, &audit)) {
            most--;
            if (!each(context, next->number, &audit))
                break;
        }
        /* Of number 1 there is none before. */
        if (next->number == 1)
            next->number = 0;
        else
            status = newest_find(store, next, next->number);
    }
    return status;
}

/* --- the report --- */

#define REPORT_HEAD 8 /* bytes of a key before the domain */

static void report_day_key(struct store_key *key, uint32_t day)
{
    const uint32_t big = htobe32(day);

    memcpy(key->bytes, &big, sizeof big);
    key->length = sizeof big;
}

static void report_key(struct store_key *key, const struct store_report *report)
{
    const size_t length = strnlen(report->domain, sizeof report->domain - 1);

    report_day_key(key, report->day);
    key->bytes[key->length++] = report->action;
    key->bytes[key->length++] = report->observed;
    key->bytes[key->length++] = report->cause;
    key->bytes[key->length++] = report->source;
    memcpy(key->bytes + key->length, report->domain, length);
    key->length += length;
}

static bool report_of_key(struct store_bytes key, struct store_report *report)
{
    uint32_t big;

    if (key.length < REPORT_HEAD || key.length - REPORT_HEAD >= sizeof report->domain)
        return false;
    memcpy(&big, key.bytes, sizeof big);
    *report = (struct store_report){.day = be32toh(big),
                                    .action = key.bytes[4],
                                    .observed = key.bytes[5],
                                    .cause = key.bytes[6],
                                    .source = key.bytes[7]};
    memcpy(report->domain, key.bytes + REPORT_HEAD, key.length - REPORT_HEAD);
    return true;
}

static bool count_day(void *context, struct store_bytes key, struct store_bytes value)
{
    struct store *store = context;
    struct store_key day;

    (void)value;
    report_day_key(&day, store->report_day);
    if (!store_bytes_begin(key, store_key_bytes(&day)))
        return false;
    store->report_rows++;
    return true; /* no day has many more than LIMIT_STORE_REPORT_DAY */
}

static int know_day(struct store *store, uint32_t day)
{
    struct store_key key;

    if (store->report_known && store->report_day == day)
        return 0;
    store->report_day = day;
    store->report_rows = 0;
    report_day_key(&key, day);
    const int status =
        store_walk(store, DATABASE_REPORT, store_key_bytes(&key), true, count_day, store);
    store->report_known = status == 0;
    return status;
}

/* Rows of days long past, seen from `day`. */
static int trim_days(struct store *store, uint32_t day)
{
    struct store_key key;
    struct store_report oldest;
    int status = 0;

    for (unsigned i = 0; i < LIMIT_STORE_TRIM && status == 0; i++) {
        status = first_key(store, DATABASE_REPORT, (struct store_bytes){0}, &key);
        if (status != 0 || !report_of_key(store_key_bytes(&key), &oldest) ||
            day < LIMIT_STORE_REPORT_DAYS || oldest.day > day - LIMIT_STORE_REPORT_DAYS)
            break;
        status = store_delete(store, DATABASE_REPORT, store_key_bytes(&key));
    }
    return status;
}

/* The oldest rows over the bound, likewise. */
static int trim_report(struct store *store)
{
    struct store_key key;
    int status = 0;

    for (unsigned i = 0; i < LIMIT_STORE_TRIM && status == 0; i++) {
        if (store_rows(store, DATABASE_REPORT) <= LIMIT_STORE_REPORT)
            break;
        status = first_key(store, DATABASE_REPORT, (struct store_bytes){0}, &key);
        if (status == 0 && key.length > 0)
            status = store_delete(store, DATABASE_REPORT, store_key_bytes(&key));
    }
    return status;
}

/* The count of a row; a broken one begins again. */
static int report_count(struct store *store, const struct store_key *key, uint64_t *count,
                        bool *there)
{
    struct store_value value;
    struct store_value_view view;
    const enum store_read read = store_find(store, DATABASE_REPORT, key, &value, &view);

    *count = 0;
    *there = read != STORE_ABSENT;
    if (read == STORE_FOUND)
        store_value_to_number(view.payload, count);
    return read == STORE_ERROR ? -EIO : 0;
}

static int report_find(struct store *store, const struct store_report *report,
                       struct store_key *key, uint64_t *count)
{
    struct store_report others = *report;
    bool there;

    report_key(key, report);
    int status = report_count(store, key, count, &there);
    if (status == 0)
        status = know_day(store, report->day);
    if (status == 0 && !there && store->report_rows >= LIMIT_STORE_REPORT_DAY) {
        others.domain[0] = '\0';
        report_key(key, &others);
        status = report_count(store, key, count, &there);
    }
    store->report_rows += status == 0 && !there;
    return status;
}

int store_report_add(struct store *store, const struct store_report *report)
{
    struct store_key key;
    struct store_value value;
    uint64_t count;

    if (store_change(store) != 0)
        return store->spoiled;
    int status = report_find(store, report, &key, &count);
    if (status != 0)
        return store_spoil(store, status);
    count = report->count <= UINT64_MAX - count ? count + report->count : UINT64_MAX;
    store_value_of_number(&value, DATABASE_REPORT, &key, count);
    status = store_put_value(store, DATABASE_REPORT, &key, &value);
    if (status == 0)
        status = trim_days(store, report->day);
    if (status == 0)
        status = trim_report(store);
    return store_spoil(store, status);
}

struct each_report {
    store_each_report *call;
    void *context;
};

static bool give_report(void *context, struct store_bytes key, struct store_bytes value)
{
    const struct each_report *each = context;
    struct store_value_view view;
    struct store_report report;

    (void)key;
    if (store_value_open(&view, DATABASE_REPORT, value) != VALUE_SOUND ||
        !report_of_key(view.key, &report) ||
        store_value_to_number(view.payload, &report.count) != VALUE_SOUND)
        return true;
    return each->call(each->context, &report);
}

int store_report_each(struct store *store, uint32_t from_day, const struct store_report *after,
                      store_each_report *each, void *context)
{
    struct each_report all = {each, context};
    struct store_key key;

    if (after != NULL && after->day >= from_day)
        report_key(&key, after);
    else
        report_day_key(&key, from_day);
    return store_walk(store, DATABASE_REPORT, store_key_bytes(&key), false, give_report, &all);
}

/* --- the quarantine --- */

struct each_quarantined {
    store_each_quarantined *call;
    void *context;
};

static bool give_quarantined(void *context, struct store_bytes key, struct store_bytes value)
{
    const struct each_quarantined *each = context;
    struct store_value_view view;
    enum store_database database;
    struct store_bytes old_key, old_value;
    uint64_t number;

    (void)key;
    if (store_value_open(&view, DATABASE_QUARANTINE, value) != VALUE_SOUND ||
        !store_key_to_number(view.key, &number) ||
        store_value_to_quarantine(view.payload, &database, &old_key, &old_value) != VALUE_SOUND)
        return true;
    const struct store_quarantined quarantined = {store_database_name(database), old_key.bytes,
                                                  old_key.length, old_value.bytes,
                                                  old_value.length};
    return each->call(each->context, number, &quarantined);
}

int store_quarantine_each(struct store *store, store_each_quarantined *each, void *context)
{
    struct each_quarantined all = {each, context};

    return store_walk(store, DATABASE_QUARANTINE, (struct store_bytes){0}, true, give_quarantined,
                      &all);
}
