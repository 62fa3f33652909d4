/*
 * order.h - what users and administrators change or look at: accounts, memory, rules, report.
 *
 *   order + store ─► changed store (in the caller's batch), rows for who asked, and effects
 *
 * Applied by the keeper's thread inside its batch. An effect says what must be published once the
 * batch is durable: nothing is visible or acknowledged before (a lowering must not outrun the
 * disk). Pure but for the store: time and settings are arguments.
 */
#ifndef MXWARD_MEMORY_ORDER_H
#define MXWARD_MEMORY_ORDER_H

#include "engine/memory/settings.h"
#include "engine/memory/store.h"

/* The numbers are those of the wire (ipc/wire/frame.h, enum frame_order). */
enum order_kind {
    ORDERS_USER_SHOW = 1,
    ORDERS_USER_LIST = 2,
    ORDERS_USER_ON = 3,
    ORDERS_USER_OFF = 4,
    ORDERS_USER_EXCEPT = 5,
    ORDERS_USER_RESUME = 6,
    ORDERS_USER_REMOVE = 7,
    ORDERS_USER_IMPORT = 8,
    ORDERS_USER_EXPORT = 9, /* accounts, then exceptions */
    ORDERS_MEMORY_SHOW = 16,
    ORDERS_MEMORY_LIST = 17,
    ORDERS_MEMORY_PENDING = 18,
    ORDERS_MEMORY_SET = 19,
    ORDERS_MEMORY_IMPORT = 20,
    ORDERS_MEMORY_AUDIT = 21,
    ORDERS_MEMORY_COPY = 22, /* the keeper's own: not inside a batch */
    ORDERS_RULE_LIST = 32,
    ORDERS_RULE_PIN = 33,
    ORDERS_RULE_EXEMPT = 34,
    ORDERS_RULE_REFUSE = 35,
    ORDERS_RULE_OBSERVE = 36,
    ORDERS_RULE_REMOVE = 37,
    ORDERS_REPORT = 48,
};

#define ORDER_ROWS_MOST 1000 /* of one order; lists go on behind the last one */
#define ORDER_TEXT_MAX                                                         \
    768 /* bytes with NUL: an account and a domain of full length, and numbers \
         */

/* Bytes, with NUL, of what says where a list goes on: the name of an account or an entry, what
 * exception_cursor and report_cursor write, or the number of a row of the audit. */
#define ORDER_AFTER_MAX 608

struct order {
    uint8_t kind;                /* enum order_kind */
    char name[512], domain[256]; /* as they came */
    char profile[64];
    uint8_t level; /* enum level */
    int64_t until_s;
    char after[ORDER_AFTER_MAX];
    uint32_t most;
    char reason[256];
    char text[ORDER_TEXT_MAX];
    char who[64]; /* for the audit: "uid 1000" */
};

/* Rows go to whoever made the order; each returns false when there is no room for more. */
struct order_rows {
    void *context;
    bool (*account)(void *context, const char *name, const struct account *account);
    bool (*exception)(void *context, const char *name, const char *domain,
                      const struct account_exception *exception);
    bool (*entry)(void *context, enum ledger_kind kind, const char *name,
                  const struct ledger_entry *entry);
    bool (*audit)(void *context, uint64_t number, const struct store_audit *audit);
    bool (*report)(void *context, const struct store_report *report);
};

/* What to publish when the batch is durable: an account with its exceptions, or an entry. */
enum order_effect { EFFECT_NONE, EFFECT_ACCOUNT, EFFECT_ENTRY };
struct order_done {
    enum {
        ORDER_GOOD,    /* done, or shown */
        ORDER_INVALID, /* it makes no sense; final */
        ORDER_ABSENT,  /* there is no such account, entry or rule */
        ORDER_TROUBLE, /* the store or the users' table could not; nothing is acknowledged */
    } result;
    char sentence[256];
    enum order_effect effect;
    int pending;      /* EFFECT_ENTRY: 1, it is contradicted now; -1, no more; 0, as it was */
    uint32_t rulings; /* EFFECT_ENTRY: by how much its ledger_ruling changed */
    enum ledger_kind entry_kind;
    char name[ACCOUNT_NAME_MAX]; /* canonical: account, or name of the entry */
    /* EFFECT_ACCOUNT: exceptions that are there no more, by recipient domain. */
    unsigned gone_count;
    char gone[LIMIT_EXCEPTIONS][256];
};

/* Whether it writes: then store_begin comes first. */
bool order_changes(enum order_kind kind);
bool order_is_known(unsigned kind);
void order_apply(struct store *store, const struct order *order,
                 const struct profiles_settings *profiles,
                 const struct guarantee_settings *guarantee, const struct order_rows *rows,
                 int64_t now_s, struct order_done *done);

/* --- entries and accounts as text: one line of key=value, for export and import --- */
/* "example.org level=encrypt proof=dane …"; returns the length. What reads them says NAME_OK, or
 * NAME_NO_MEMORY, or anything else: nobody wrote such a line. */
size_t entry_text(char *text, enum ledger_kind kind, const char *name,
                  const struct ledger_entry *entry);
enum name_status entry_read(enum ledger_kind *kind, char name[256], struct ledger_entry *entry,
                            const char *text);
size_t account_text(char *text, const char *name, const struct account *account);
size_t exception_text(char *text, const char *name, const char *domain,
                      const struct account_exception *exception);
/* Where a list goes on behind this row; and back again, false: it is none of these. */
void exception_cursor(char after[ORDER_AFTER_MAX], const char *name, const char *domain);
bool exception_cursor_read(char name[ACCOUNT_NAME_MAX], char domain[256], const char *after);
void report_cursor(char after[ORDER_AFTER_MAX], const struct store_report *report);
bool report_cursor_read(struct store_report *report, const char *after);
/* `domain` is "" for an account, else `exception` is filled. */
enum name_status account_read(char name[ACCOUNT_NAME_MAX], struct account *account,
                              char domain[256], struct account_exception *exception,
                              const char *text);

#endif
