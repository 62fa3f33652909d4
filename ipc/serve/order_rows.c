/*
 * order_rows.c - see order_rows.h. Called by the keeper (rows) and front.c (begin, end).
 */
#include "ipc/serve/order_rows.h"

#include "shm/answer.h"
#include "shm/sentence.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ROW_ROOM 8192 /* bytes that one row takes at most */

/* False: no room for another row. */
static bool row_begin(struct order_document *document, const char *name)
{
    if (document->json.size < document->json.used + ROW_ROOM) {
        memcpy(document->next, document->last, sizeof document->next);
        return false;
    }
    snprintf(document->last, sizeof document->last, "%s", name);
    document->count++;
    json_put_object(&document->json, NULL);
    return true;
}

/* Of what can be listed page by page: a full page says where the next one goes on. */
static void row_end(struct order_document *document)
{
    json_end(&document->json);
    if (document->count == document->most)
        memcpy(document->next, document->last, sizeof document->next);
}

static void put_time(struct json *json, const char *key, int64_t time_s)
{
    if (time_s == 0)
        json_put_null(json, key);
    else
        json_put_number(json, key, time_s);
}

static bool row_account(void *context, const char *name, const struct account *account)
{
    struct order_document *document = context;
    struct json *json = &document->json;
    char text[ORDER_TEXT_MAX];

    if (!row_begin(document, name))
        return false;
    json_put_text(json, "account", name);
    json_put_text(json, "profile", account->profile[0] != '\0' ? account->profile : NULL);
    json_put_boolean(json, "on", (account->flags & ACCOUNT_ON) != 0);
    put_time(json, "changed_s", account->changed_s);
    put_time(json, "off_since_s", account->off_since_s);
    put_time(json, "off_until_s", account->off_until_s);
    account_text(text, name, account);
    json_put_text(json, "line", text);
    row_end(document);
    return true;
}

static bool row_exception(void *context, const char *name, const char *domain,
                          const struct account_exception *exception)
{
    struct order_document *document = context;
    struct json *json = &document->json;
    char text[ORDER_TEXT_MAX], cursor[ORDER_AFTER_MAX];

    exception_cursor(cursor, name, domain);
    if (!row_begin(document, cursor))
        return false;
    json_put_text(json, "account", name);
    json_put_text(json, "except", domain);
    put_time(json, "since_s", exception->since_s);
    put_time(json, "until_s", exception->until_s);
    exception_text(text, name, domain, exception);
    json_put_text(json, "line", text);
    row_end(document);
    return true;
}

static void put_rule(struct json *json, const struct ledger_entry *entry)
{
    json_put_text(json, "rule",
                  entry->rule != RULE_NONE ? rule_name((enum rule)entry->rule) : NULL);
    json_put_text(json, "rule_level",
                  entry->rule == RULE_PIN ? level_name((enum level)entry->rule_level) : NULL);
    put_time(json, "rule_until_s", entry->rule_until_s);
    json_put_boolean(json, "observe", (entry->flags & LEDGER_OBSERVE) != 0);
}

static bool row_entry(void *context, enum ledger_kind kind, const char *name,
                      const struct ledger_entry *entry)
{
    struct order_document *document = context;
    struct json *json = &document->json;
    char text[ORDER_TEXT_MAX], next_hop[300];

    snprintf(next_hop, sizeof next_hop, kind == LEDGER_HOST ? "[%s]" : "%s", name);
    if (!row_begin(document, next_hop))
        return false;
    json_put_text(json, "name", next_hop);
    json_put_text(json, "level", level_name(ledger_level(entry)));
    json_put_text(json, "proof", proof_name(ledger_proof(entry)));
    json_put_boolean(json, "pending", ledger_is_pending(entry));
    json_put_boolean(json, "unreadable", (entry->flags & LEDGER_UNREADABLE) != 0);
    json_put_text(json, "cause",
                  ledger_is_pending(entry) ? cause_name((enum cause)entry->contradiction) : NULL);
    put_time(json, "first_seen_s", entry->first_seen_s);
    put_time(json, "last_seen_s", entry->last_seen_s);
    put_time(json, "contradicted_s", entry->contradicted_s);
    json_put_unsigned(json, "handshakes", entry->handshakes);
    put_rule(json, entry);
    entry_text(text, kind, name, entry);
    json_put_text(json, "line", text);
    row_end(document);
    return true;
}

static bool row_audit(void *context, uint64_t number, const struct store_audit *audit)
{
    struct order_document *document = context;
    struct json *json = &document->json;

    char cursor[ORDER_AFTER_MAX];

    snprintf(cursor, sizeof cursor, "%llu", (unsigned long long)number);
    if (!row_begin(document, cursor))
        return false;
    json_put_unsigned(json, "number", number);
    json_put_number(json, "at_s", audit->at_s);
    json_put_text(json, "who", audit->who);
    json_put_text(json, "what", audit->what);
    json_put_text(json, "name", audit->name);
    json_put_text(json, "reason", audit->reason);
    row_end(document);
    return true;
}

static bool row_report(void *context, const struct store_report *report)
{
    struct order_document *document = context;
    struct json *json = &document->json;

    char cursor[ORDER_AFTER_MAX];

    report_cursor(cursor, report);
    if (!row_begin(document, cursor))
        return false;
    json_put_unsigned(json, "day", report->day);
    json_put_text(json, "domain", report->domain);
    json_put_text(json, "action", action_name((enum action)report->action));
    json_put_boolean(json, "observed", report->observed != 0);
    json_put_text(json, "cause", cause_name((enum cause)report->cause));
    json_put_text(json, "source", demand_source_name((enum demand_source)report->source));
    json_put_unsigned(json, "count", report->count);
    row_end(document);
    return true;
}

void order_document_begin(struct order_document *document, char *out, size_t size, uint32_t most)
{
    *document = (struct order_document){
        .rows = {.context = document,
                 .account = row_account,
                 .exception = row_exception,
                 .entry = row_entry,
                 .audit = row_audit,
                 .report = row_report},
        .out = out,
        .size = size,
        .most = most != 0 && most < ORDER_ROWS_MOST ? most : ORDER_ROWS_MOST,
    };
    json_start(&document->json, out, size);
    json_put_array(&document->json, "rows");
}

size_t order_document_end(struct order_document *document)
{
    json_end(&document->json);
    json_put_unsigned(&document->json, "count", document->count);
    json_put_text(&document->json, "next", document->next[0] != '\0' ? document->next : NULL);
    return json_finish(&document->json);
}
