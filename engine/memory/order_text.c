/*
 * order_text.c - entries of the memory and accounts as lines of key=value, for export and import.
 *
 * What is written is read back the same. Reading trusts nothing: a line from another machine, or a
 * person, ends in an entry whose every field is in its range, or in "no".
 */
#include "engine/memory/order.h"

#include "engine/names/mail_address.h"
#include "engine/names/nexthop.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 24 /* of a line */

/* --- fields of an entry: name in the text, place, width, most --- */

#define FIELD(name, s, member, most)                                                           \
    {                                                                                          \
        name, (uint16_t)offsetof(struct s, member), (uint16_t)sizeof(((struct s *)0)->member), \
            most                                                                               \
    }
struct text_field {
    const char *name;
    uint16_t offset, bytes;
    uint64_t most;
};

#define TIME_MOST UINT64_C(253402300799) /* the year 9999 */

static const struct text_field entry_fields[] = {
    FIELD("proofs", ledger_entry, proofs, UINT8_MAX),
    FIELD("set", ledger_entry, set_level, LEVEL_AUTHENTICATED),
    FIELD("flags", ledger_entry, flags, UINT8_MAX),
    FIELD("cause", ledger_entry, contradiction, CAUSE_COUNT - 1),
    FIELD("rule", ledger_entry, rule, RULE_COUNT - 1),
    FIELD("rule-level", ledger_entry, rule_level, LEVEL_AUTHENTICATED),
    FIELD("rule-until", ledger_entry, rule_until_s, TIME_MOST),
    FIELD("rule-epoch", ledger_entry, rule_epoch, UINT32_MAX),
    FIELD("epoch", ledger_entry, epoch, UINT32_MAX),
    FIELD("handshakes", ledger_entry, handshakes, UINT32_MAX),
    FIELD("absences", ledger_entry, absences, UINT32_MAX),
    FIELD("first", ledger_entry, first_seen_s, TIME_MOST),
    FIELD("last", ledger_entry, last_seen_s, TIME_MOST),
    FIELD("used", ledger_entry, used_s, TIME_MOST),
    FIELD("lowered", ledger_entry, lowered_s, TIME_MOST),
    FIELD("contradicted", ledger_entry, contradicted_s, TIME_MOST),
    FIELD("absence", ledger_entry, absence_s, TIME_MOST),
    FIELD("insecure", ledger_entry, insecure_s, TIME_MOST),
};

static const struct text_field account_fields[] = {
    FIELD("flags", account, flags, ACCOUNT_ON | ACCOUNT_ON_BEFORE | ACCOUNT_EXCEPTIONS),
    FIELD("changed", account, changed_s, TIME_MOST),
    FIELD("off-since", account, off_since_s, TIME_MOST),
    FIELD("off-until", account, off_until_s, TIME_MOST),
    FIELD("before-until", account, before_s, TIME_MOST),
};

static const struct text_field exception_fields[] = {
    FIELD("since", account_exception, since_s, TIME_MOST),
    FIELD("until", account_exception, until_s, TIME_MOST),
};

#define FIELDS(array) (array), sizeof(array) / sizeof *(array)

/* --- writing --- */

static uint64_t field_get(const struct text_field *field, const void *object)
{
    uint64_t value = 0;

    memcpy(&value, (const char *)object + field->offset, field->bytes);
    return value;
}

static size_t fields_write(char *text, size_t used, const struct text_field *fields, size_t count,
                           const void *object)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t value = field_get(&fields[i], object);
        int length;

        if (value == 0)
            continue;
        length =
            snprintf(text + used, ORDER_TEXT_MAX - used, " %s=%" PRIu64, fields[i].name, value);
        if (length < 0 || (size_t)length >= ORDER_TEXT_MAX - used)
            break; /* cannot be: names and numbers are shorter than the room (tests) */
        used += (size_t)length;
    }
    return used;
}

size_t entry_text(char *text, enum ledger_kind kind, const char *name,
                  const struct ledger_entry *entry)
{
    int length = snprintf(text, ORDER_TEXT_MAX, kind == LEDGER_HOST ? "[%s]" : "%s", name);

    return fields_write(text, (size_t)length, FIELDS(entry_fields), entry);
}

/* A local part that was quoted may have spaces: as in a URI then. */
static size_t name_write(char *text, const char *name)
{
    size_t used = 0;

    for (; *name != '\0' && used < ORDER_TEXT_MAX - 4; name++) {
        if (*name == '%' || (*name >= 0 && *name <= ' ') || *name == 0x7f)
            used += (size_t)snprintf(text + used, 4, "%%%02X", (unsigned)*name);
        else
            text[used++] = *name;
    }
    text[used] = '\0';
    return used;
}

static enum name_status fields_are(bool good)
{
    return good ? NAME_OK : NAME_CHARACTER;
}

static int hexadecimal(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum name_status name_read(char name[ACCOUNT_NAME_MAX], const char *text)
{
    char plain[ORDER_TEXT_MAX], ascii[ACCOUNT_NAME_MAX];
    size_t used = 0;

    for (; *text != '\0' && used < sizeof plain - 1; text++) {
        if (*text != '%') {
            plain[used++] = *text;
            continue;
        }
        const int high = hexadecimal(text[1]), low = high < 0 ? -1 : hexadecimal(text[2]);

        if (low < 0 || (high == 0 && low == 0))
            return NAME_CHARACTER;
        plain[used++] = (char)(high * 16 + low);
        text += 2;
    }
    plain[used] = '\0';
    const enum name_status status = mail_address_to_ascii(ascii, sizeof ascii, plain);
    if (status == NAME_OK && account_name(name, ascii, strlen(ascii)) == 0)
        return NAME_CHARACTER;
    return status;
}

size_t account_text(char *text, const char *name, const struct account *account)
{
    size_t used = name_write(text, name);

    used += (size_t)snprintf(text + used, ORDER_TEXT_MAX - used, " profile=%s",
                             account->profile[0] != '\0' ? account->profile : "-");
    if (account->before[0] != '\0')
        used += (size_t)snprintf(text + used, ORDER_TEXT_MAX - used, " before=%s", account->before);
    return fields_write(text, used, FIELDS(account_fields), account);
}

size_t exception_text(char *text, const char *name, const char *domain,
                      const struct account_exception *exception)
{
    size_t used = name_write(text, name);

    used += (size_t)snprintf(text + used, ORDER_TEXT_MAX - used, " except=%s", domain);
    if (used >= ORDER_TEXT_MAX)
        used = ORDER_TEXT_MAX - 1; /* a name all of spaces: not exported whole */
    return fields_write(text, used, FIELDS(exception_fields), exception);
}

/* --- reading --- */

struct words {
    char copy[ORDER_TEXT_MAX];
    size_t count;
    char *names[WORDS_MAX], *values[WORDS_MAX]; /* names[0]: the line's first word, whole */
};

static bool words_split(struct words *words, const char *text)
{
    char *rest = words->copy, *word;

    words->count = 0;
    if (strlen(text) >= sizeof words->copy)
        return false;
    memcpy(words->copy, text, strlen(text) + 1);
    while ((word = strsep(&rest, " \t\r\n")) != NULL) {
        if (*word == '\0')
            continue;
        if (words->count == WORDS_MAX)
            return false;
        words->names[words->count] = word;
        words->values[words->count] = NULL;
        if (words->count > 0) {
            char *value = strchr(word, '=');

            if (value == NULL)
                return false;
            *value = '\0';
            words->values[words->count] = value + 1;
        }
        words->count++;
    }
    return words->count > 0;
}

static bool field_set(const struct text_field *field, void *object, const char *text)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || value > field->most)
        return false;
    memcpy((char *)object + field->offset, &value, field->bytes);
    return true;
}

static bool fields_read(const struct words *words, size_t from, const struct text_field *fields,
                        size_t count, void *object)
{
    for (size_t w = from; w < words->count; w++) {
        size_t i = 0;

        while (i < count && strcmp(fields[i].name, words->names[w]) != 0)
            i++;
        if (i == count || !field_set(&fields[i], object, words->values[w]))
            return false;
    }
    return true;
}

enum name_status entry_read(enum ledger_kind *kind, char name[256], struct ledger_entry *entry,
                            const char *text)
{
    struct words words;
    struct next_hop next_hop;

    if (!words_split(&words, text))
        return NAME_CHARACTER;
    const enum name_status status =
        next_hop_parse(&next_hop, words.names[0], strlen(words.names[0]));
    if (status != NAME_OK)
        return status;
    if (next_hop.kind == NEXT_HOP_ADDRESS || next_hop.port != 25)
        return NAME_IS_ADDRESS;
    *kind = next_hop.kind == NEXT_HOP_HOST ? LEDGER_HOST : LEDGER_DOMAIN;
    *entry = (struct ledger_entry){.kind = (uint8_t)*kind};
    snprintf(name, 256, "%s", next_hop.name.text);
    /* Each field is in its range; together they must be an entry that some history leads to. */
    return fields_are(fields_read(&words, 1, FIELDS(entry_fields), entry) &&
                      ledger_is_sound(entry));
}

enum name_status account_read(char name[ACCOUNT_NAME_MAX], struct account *account,
                              char domain[256], struct account_exception *exception,
                              const char *text)
{
    struct words words;
    struct name parsed;
    enum name_status status;

    if (!words_split(&words, text) || words.count < 2)
        return NAME_CHARACTER;
    status = name_read(name, words.names[0]);
    if (status != NAME_OK)
        return status;
    domain[0] = '\0';
    memset(account, 0, sizeof *account);
    memset(exception, 0, sizeof *exception);
    if (strcmp(words.names[1], "except") == 0) {
        status = name_parse(&parsed, words.values[1], strlen(words.values[1]));
        if (status != NAME_OK)
            return status;
        snprintf(domain, 256, "%s", parsed.text);
        return fields_are(fields_read(&words, 2, FIELDS(exception_fields), exception));
    }
    if (strcmp(words.names[1], "profile") != 0 ||
        strlen(words.values[1]) >= sizeof account->profile)
        return NAME_CHARACTER;
    if (strcmp(words.values[1], "-") != 0)
        snprintf(account->profile, sizeof account->profile, "%s", words.values[1]);
    const bool before = words.count > 2 && strcmp(words.names[2], "before") == 0;
    if (before && strlen(words.values[2]) >= sizeof account->before)
        return NAME_CHARACTER;
    if (before)
        snprintf(account->before, sizeof account->before, "%s", words.values[2]);
    return fields_are(fields_read(&words, before ? 3 : 2, FIELDS(account_fields), account));
}

/* --- where lists go on --- */

/* No name has a control character. */
void exception_cursor(char after[ORDER_AFTER_MAX], const char *name, const char *domain)
{
    static_assert(ACCOUNT_NAME_MAX + 256 <= ORDER_AFTER_MAX, "both fit");
    snprintf(after, ORDER_AFTER_MAX, "%.*s\t%.255s", ACCOUNT_NAME_MAX - 1, name, domain);
}

bool exception_cursor_read(char name[ACCOUNT_NAME_MAX], char domain[256], const char *after)
{
    const char *tab = strchr(after, '\t');

    if (tab == NULL || tab == after || tab - after >= ACCOUNT_NAME_MAX || strlen(tab + 1) >= 256)
        return false;
    memcpy(name, after, (size_t)(tab - after));
    name[tab - after] = '\0';
    snprintf(domain, 256, "%s", tab + 1);
    return true;
}

void report_cursor(char after[ORDER_AFTER_MAX], const struct store_report *report)
{
    snprintf(after, ORDER_AFTER_MAX, "%" PRIu32 " %u %u %u %u %s", report->day, report->action,
             report->observed, report->cause, report->source, report->domain);
}

bool report_cursor_read(struct store_report *report, const char *after)
{
    unsigned long numbers[5];
    char *end;

    for (size_t i = 0; i < 5; i++) {
        if (*after < '0' || *after > '9')
            return false;
        numbers[i] = strtoul(after, &end, 10);
        if (*end != ' ' || numbers[i] > (i == 0 ? UINT32_MAX : UINT8_MAX))
            return false;
        after = end + 1;
    }
    if (strlen(after) >= sizeof report->domain)
        return false;
    *report = (struct store_report){.day = (uint32_t)numbers[0],
                                    .action = (uint8_t)numbers[1],
                                    .observed = (uint8_t)numbers[2],
                                    .cause = (uint8_t)numbers[3],
                                    .source = (uint8_t)numbers[4]};
    snprintf(report->domain, sizeof report->domain, "%s", after);
    return true;
}
