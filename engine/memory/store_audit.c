/*
 * store_audit.c - see store.h: the audit, the report, and what stands in the quarantine.
 */
#include "engine/memory/store_internal.h"

#include "engine/base/check.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* --- the first and the last key of a database --- */

static bool note_key(void *context, struct store_bytes key, struct store_bytes value)
{
    struct store_key *noted = context;

    (void)value;
    noted->length = key.length;
    memcpy(noted->bytes, key.bytes, key.length);
    return false;
}

/* `key` has length 0 if there is none. */
static int first_key(struct store *store, enum store_database database, struct store_key *key)
{
    key->length = 0;
    return store_walk(store, database, (struct store_bytes){0}, true, note_key, key);
}

static int last_key(struct store *store, enum store_database database, struct store_key *key)
{
    key->length = 0;
    return store_walk_back(store, database, note_key, key);
}

/* The oldest rows over the bound go, a few at a time: one row comes, so a few are enough. */
static int trim(struct store *store, enum store_database database, uint64_t most)
{
    struct store_key key;
    int status = 0;

    for (unsigned i = 0; i < LIMIT_STORE_TRIM && status == 0; i++) {
        if (store_rows(store, database) <= most)
            break;
        status = first_key(store, database, &key);
        if (status == 0 && key.length > 0)
            status = store_delete(store, database, store_key_bytes(&key));
    }
    return status;
}

/* --- the audit --- */

int store_audit_add(struct store *store, const struct store_audit *audit)
{
    struct store_key key;
    struct store_value value;
    uint64_t last = 0;

    if (store_change(store) != 0)
        return store->spoiled;
    int status = last_key(store, DATABASE_AUDIT, &key);
    if (status != 0)
        return store_spoil(store, status);
    if (key.length > 0)
        store_key_to_number(store_key_bytes(&key), &last);
    store_key_number(&key, last + 1);
    store_value_of_audit(&value, &key, audit);
    status = store_put_value(store, DATABASE_AUDIT, &key, &value);
    return status == 0 ? trim(store, DATABASE_AUDIT, LIMIT_STORE_AUDIT) : status;
}

struct each_audit {
    uint64_t left;
    store_each_audit *call;
    void *context;
};

static bool give_audit(void *context, struct store_bytes key, struct store_bytes value)
{
    struct each_audit *each = context;
    struct store_value_view view;
    struct store_audit audit;
    uint64_t number;

    (void)key;
    if (each->left == 0)
        return false;
    if (store_value_open(&view, DATABASE_AUDIT, value) != VALUE_SOUND ||
        !store_key_to_number(view.key, &number) ||
        store_value_to_audit(view.payload, &audit) != VALUE_SOUND)
        return true;
    each->left--;
    return each->call(each->context, number, &audit);
}

int store_audit_each(struct store *store, uint64_t most, store_each_audit *each, void *context)
{
    struct each_audit all = {most, each, context};

    return store_walk_back(store, DATABASE_AUDIT, give_audit, &all);
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
        status = first_key(store, DATABASE_REPORT, &key);
        if (status != 0 || !report_of_key(store_key_bytes(&key), &oldest) ||
            day < LIMIT_STORE_REPORT_DAYS || oldest.day > day - LIMIT_STORE_REPORT_DAYS)
            break;
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
        status = trim(store, DATABASE_REPORT, LIMIT_STORE_REPORT);
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

int store_report_each(struct store *store, uint32_t from_day, store_each_report *each,
                      void *context)
{
    struct each_report all = {each, context};
    struct store_key key;

    report_day_key(&key, from_day);
    return store_walk(store, DATABASE_REPORT, store_key_bytes(&key), true, give_report, &all);
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
