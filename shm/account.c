/*
 * account.c - records of the users' table, and what they say of a sender. See account.h.
 */
#include "shm/account.h"

#include "shm/letters.h"

#include <string.h>

/* --- names --- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* What a byte of a domain becomes; 0: none has it. */
static const char of_domain[256] = {
    ['-'] = '-', ['.'] = '.', ['_'] = '_', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3',
    ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a',
    ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h',
    ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o',
    ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v',
    ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c',
    ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j',
    ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q',
    ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x',
    ['Y'] = 'y', ['Z'] = 'z',
};

/* Into `name`, canonical; false: it cannot be a domain. */
static bool domain_fill(char *name, const char *text, size_t length)
{
    char before = '.';

    for (size_t i = 0; i < length; i++) {
        const char c = of_domain[(unsigned char)text[i]];
        if (c == 0 || (c == '.' && before == '.'))
            return false;
        name[i] = before = c;
    }
    return before != '.';
}

/* The inside of the brackets: as a domain, but with ':' and without '_'. */
static bool literal_fill(char *name, const char *text, size_t length)
{
    char before = '.';

    for (size_t i = 0; i < length; i++) {
        const char c = text[i] == ':' ? ':' : of_domain[(unsigned char)text[i]];
        if (c == 0 || c == '_' || (c == '.' && before == '.'))
            return false;
        name[i] = before = c;
    }
    return before != '.';
}

/* Appends a domain to a name of `used` bytes; the new length, or 0. */
static size_t domain_append(char *name, size_t used, const char *text, size_t length)
{
    const bool literal = length > 2 && text[0] == '[' && text[length - 1] == ']';
    char *end = name + used;

    if (!literal && length > 1 && text[length - 1] == '.')
        length--;
    if (length == 0 || length >= ACCOUNT_DOMAIN_MAX || used + length >= ACCOUNT_NAME_MAX)
        return 0;
    if (!literal)
        return domain_fill(end, text, length) ? used + length : 0;
    end[0] = '[';
    end[length - 1] = ']';
    return literal_fill(end + 1, text + 1, length - 2) ? used + length : 0;
}

/* A local part that is written without quotes, up to `end`. Its length, or SIZE_MAX. */
static size_t plain_part(char *name, const char *text, size_t end)
{
    if (end >= ACCOUNT_NAME_MAX)
        return SIZE_MAX;
    bool control = false;
    for (size_t i = 0; i < end; i++) {
        control |= is_control(text[i]);
        name[i] = lower(text[i]);
    }
    return control ? SIZE_MAX : end;
}

static size_t quoted_part(char *name, const char *text, size_t length, size_t *rest)
{
    size_t used = 0, i = 1;

    for (; i < length && text[i] != '"'; i++) {
        if (text[i] == '\\' && ++i == length)
            return SIZE_MAX;
        if (is_control(text[i]) || used == ACCOUNT_NAME_MAX - 1)
            return SIZE_MAX;
        name[used++] = lower(text[i]);
    }
    if (i++ == length || used == 0 || name[0] == '"')
        return SIZE_MAX;
    *rest = i;
    return used;
}

/* The local part of `text` into `name`, unquoted; `*rest` is where the domain's @ or the end is.
 * Returns its length, SIZE_MAX if it cannot be one. */
static size_t local_part(char *name, const char *text, size_t length, size_t *rest)
{
    if (text[0] == '"')
        return quoted_part(name, text, length, rest);
    const char *at = memrchr(text, '@', length);
    *rest = at != NULL ? (size_t)(at - text) : length;
    return plain_part(name, text, *rest);
}

static size_t name_fill(char *name, const char *text, size_t length)
{
    size_t rest = 0;

    const size_t used = length > 0 ? local_part(name, text, length, &rest) : SIZE_MAX;
    if (used == SIZE_MAX || (rest < length && text[rest] != '@'))
        return 0;
    if (rest == length) /* a bare name; what was quoted must not become an address */
        return memchr(name, '@', used) == NULL ? used : 0;
    name[used] = '@';
    if (length == 1)
        return 1; /* everybody */
    return domain_append(name, used + 1, text + rest + 1, length - rest - 1);
}

/* Nearly every address, in one look: not in quotes, and a domain without empty labels. 0: whatever
 * it is, name_fill says it. */
static size_t name_is_usual(char name[ACCOUNT_NAME_MAX], const char *text, size_t length)
{
    struct letters letters;

    if (length == 0 || !letters_look(&letters, name, text, length) || letters.ats == 0 ||
        (letters.quotes & 1) != 0 || letters.controls != 0)
        return 0;
    const unsigned at = LETTERS_MAX - 1 - (unsigned)__builtin_clzll(letters.ats);
    const uint64_t local = letters_first(at + 1), domain = letters_first(length) & ~local;
    const uint64_t beside = letters.dots << 1 | 1ULL << at << 1 | 1ULL << (length - 1);
    if (at == 0 || domain == 0 || (domain & ~letters.names) != 0 ||
        (beside & letters.dots & domain) != 0)
        return 0;
    return length;
}

size_t account_name(char name[ACCOUNT_NAME_MAX], const char *text, size_t length)
{
    size_t used = name_is_usual(name, text, length);

    if (used == 0)
        used = name_fill(name, text, length);

    name[used] = '\0';
    return used;
}

/* --- keys --- */

/* `text` has room for a letter and the name. */
static bool key_make(struct table_key *key, char *text, char letter, const char *name,
                     size_t length)
{
    text[0] = letter;
    if (name != text + 1) /* or it was made there */
        memcpy(text + 1, name, length);
    return table_key_make(key, text, 1 + length);
}

bool account_key(struct table_key *key, char text[TABLE_KEY_MAX], const char *name)
{
    const size_t length = strnlen(name, ACCOUNT_NAME_MAX);
    return length > 0 && length < ACCOUNT_NAME_MAX && key_make(key, text, 'a', name, length);
}

bool account_alias_key(struct table_key *key, char text[TABLE_KEY_MAX], const char *name)
{
    const size_t length = strnlen(name, ACCOUNT_NAME_MAX);
    return length > 0 && length < ACCOUNT_NAME_MAX && key_make(key, text, 'l', name, length);
}

bool account_profile_key(struct table_key *key, char text[TABLE_KEY_MAX], const char *name)
{
    const size_t length = strnlen(name, PROFILE_NAME_MAX);
    return length > 0 && length < PROFILE_NAME_MAX && key_make(key, text, 'p', name, length);
}

/* A domain has no '>', so where it begins is clear, whatever is in the local part. */
bool account_exception_key(struct table_key *key, char text[TABLE_KEY_MAX], const char *name,
                           const char *domain)
{
    const size_t name_bytes = strnlen(name, ACCOUNT_NAME_MAX);
    const size_t length = strnlen(domain, ACCOUNT_DOMAIN_MAX);

    if (name_bytes == 0 || name_bytes == ACCOUNT_NAME_MAX || length == 0 ||
        length == ACCOUNT_DOMAIN_MAX || memchr(domain, '>', length) != NULL)
        return false;
    text[0] = 'x';
    memcpy(text + 1, name, name_bytes);
    text[1 + name_bytes] = '>';
    memcpy(text + 1 + name_bytes + 1, domain, length);
    return table_key_make(key, text, 1 + name_bytes + 1 + length);
}
static_assert(1 + (ACCOUNT_NAME_MAX - 1) + 1 + (ACCOUNT_DOMAIN_MAX - 1) <= TABLE_KEY_MAX,
              "the longest exception has a key");

bool account_settings_key(struct table_key *key, char text[TABLE_KEY_MAX])
{
    return key_make(key, text, 's', "", 0);
}

static bool bytes_copy(char *to, size_t size, const char *from, size_t length)
{
    if (length >= size || memchr(from, 0, length) != NULL)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

bool account_record_names(const union record *record, char name[ACCOUNT_NAME_MAX],
                          char domain[ACCOUNT_DOMAIN_MAX])
{
    static const char letters[RECORD_KIND_COUNT] = {[RECORD_ACCOUNT] = 'a',
                                                    [RECORD_EXCEPTION] = 'x',
                                                    [RECORD_PROFILE] = 'p',
                                                    [RECORD_SETTINGS] = 's',
                                                    [RECORD_ALIAS] = 'l'};
    struct table_key key;

    name[0] = domain[0] = '\0';
    if (!record_key(record, &key) || !record_is_known(record) ||
        key.text[0] != letters[record->head.kind])
        return false;
    const char *text = key.text + 1, *end = key.text + key.length;
    if (record->head.kind != RECORD_EXCEPTION)
        return bytes_copy(name, ACCOUNT_NAME_MAX, text, (size_t)(end - text));
    const char *mark = memrchr(text, '>', (size_t)(end - text));
    return mark != NULL && bytes_copy(name, ACCOUNT_NAME_MAX, text, (size_t)(mark - text)) &&
           bytes_copy(domain, ACCOUNT_DOMAIN_MAX, mark + 1, (size_t)(end - mark - 1));
}

/* --- bodies: a fixed part, and texts in the tail --- */

struct account_fixed {
    int64_t changed_s, off_since_s, off_until_s;
    uint32_t flags;
    uint8_t profile_bytes;
    uint8_t before_bytes; /* a record that ends before this has none */
    int64_t before_s;
    int64_t exceptions_until_s; /* nor this: then it is not known */
};
#define ACCOUNT_FIXED_LEAST  29
#define ACCOUNT_FIXED_BEFORE 40
#define ACCOUNT_FLAGS        (ACCOUNT_ON | ACCOUNT_ON_BEFORE | ACCOUNT_EXCEPTIONS)

struct exception_fixed {
    int64_t since_s, until_s;
};

struct alias_fixed {
    uint8_t sends, receives, profile_bytes;
};

struct profile_fixed {
    uint32_t window_ms;
    uint8_t minimum, unmet;
    uint8_t observe : 1, exempt_auto_replies : 1, exempt_forwards : 1, allow_tls_required_no : 1,
        refuse_at_rcpt : 1, trouble : 1;
};
#define PROFILE_FIXED_BYTES 7

struct settings_fixed {
    uint8_t observe, delimiter_bytes, standard_bytes, alias_bytes, aliases_known;
    uint8_t no_aliases; /* a record that ends before this does not say so */
};
#define SETTINGS_FIXED_LEAST 5

static_assert(offsetof(struct account_fixed, profile_bytes) == ACCOUNT_FIXED_LEAST - 1,
              "the least");
static_assert(offsetof(struct account_fixed, exceptions_until_s) == ACCOUNT_FIXED_BEFORE,
              "what was before it");
static_assert(offsetof(struct settings_fixed, no_aliases) == SETTINGS_FIXED_LEAST,
              "what was before it");
static_assert(offsetof(struct profile_fixed, unmet) == PROFILE_FIXED_BYTES - 2, "flags are last");
static_assert(RECORD_HEAD_BYTES + sizeof(struct account_fixed) + ACCOUNT_NAME_MAX +
                          2 * PROFILE_NAME_MAX <=
                      TABLE_SLOT_MAX &&
                  RECORD_HEAD_BYTES + sizeof(struct exception_fixed) + TABLE_KEY_MAX <=
                      TABLE_SLOT_MAX,
              "every record fits");

/* A record with its key and fixed part; the tail is still to be filled. */
static bool begin(union record *record, struct table_key *key, const struct record_about *about,
                  const void *fixed, size_t fixed_bytes, size_t tail_bytes)
{
    if (!record_begin(record, about, key, fixed_bytes, tail_bytes))
        return false;
    memcpy(record_fixed(record), fixed, fixed_bytes);
    return record_key(record, key);
}

static bool fixed_take(const union record *record, enum record_kind kind, void *fixed, size_t bytes)
{
    if (record->head.kind != kind || record_fixed_bytes(record) < bytes)
        return false;
    record_take(record, RECORD_HEAD_BYTES, fixed, bytes);
    return true;
}

/* The next text of the tail. */
static bool text_take(const union record *record, size_t *at, char *text, size_t size,
                      size_t length)
{
    const size_t tail_at = (size_t)record->head.key_at + record->head.key_bytes;

    if (length > record_tail_bytes(record) - *at ||
        !bytes_copy(text, size, record->bytes + tail_at + *at, length))
        return false;
    *at += length;
    return true;
}

/* --- accounts --- */

bool account_pack(union record *record, struct table_key *key, const char *name,
                  const struct account *account, uint64_t now_ms)
{
    const bool held = (account->flags & ACCOUNT_ON) != 0;
    const size_t profile_bytes = strnlen(account->profile, PROFILE_NAME_MAX - 1);
    const size_t before_bytes = strnlen(account->before, PROFILE_NAME_MAX - 1);
    const struct record_about about = {.kind = RECORD_ACCOUNT,
                                       .stamp_ms = now_ms,
                                       .rank = RECORD_RANK_FLOOR,
                                       .strictness = !held                       ? 0
                                                     : account->off_until_s != 0 ? 1
                                                                                 : 2,
                                       .ledger = true};
    const struct account_fixed fixed = {.changed_s = account->changed_s,
                                        .off_since_s = account->off_since_s,
                                        .off_until_s = account->off_until_s,
                                        .flags = account->flags,
                                        .profile_bytes = (uint8_t)profile_bytes,
                                        .before_bytes = (uint8_t)before_bytes,
                                        .before_s = account->before_s,
                                        .exceptions_until_s = account->exceptions_until_s};
    const size_t fixed_bytes = (account->flags & ACCOUNT_EXCEPTIONS) != 0 ? sizeof fixed
                               : before_bytes > 0                         ? ACCOUNT_FIXED_BEFORE
                                                                          : ACCOUNT_FIXED_LEAST;
    char text[TABLE_KEY_MAX];

    if (!account_key(key, text, name) ||
        !begin(record, key, &about, &fixed, fixed_bytes, profile_bytes + before_bytes))
        return false;
    memcpy(record_tail(record), account->profile, profile_bytes);
    memcpy(record_tail(record) + profile_bytes, account->before, before_bytes);
    return true;
}

#define FIXED_AT(member) (RECORD_HEAD_BYTES + offsetof(struct account_fixed, member))
static_assert(FIXED_AT(flags) % 4 == 0, "read where it lies; the times are in two words each");

bool account_unpack(const union record *record, struct account *account)
{
    const size_t there = record_fixed_bytes(record);
    const bool has_before = there >= ACCOUNT_FIXED_BEFORE;
    size_t at = 0;

    if (record->head.kind != RECORD_ACCOUNT || there < ACCOUNT_FIXED_LEAST)
        return false;
    const uint8_t profile_bytes = (uint8_t)record->bytes[FIXED_AT(profile_bytes)];
    const uint8_t before_bytes = has_before ? (uint8_t)record->bytes[FIXED_AT(before_bytes)] : 0;
    memcpy(&account->flags, record->bytes + FIXED_AT(flags), sizeof account->flags);
    account->profile[0] = account->before[0] = '\0'; /* as in nearly all */
    if ((account->flags & ~(uint32_t)ACCOUNT_FLAGS) != 0 ||
        (profile_bytes > 0 &&
         !text_take(record, &at, account->profile, sizeof account->profile, profile_bytes)) ||
        (before_bytes > 0 &&
         !text_take(record, &at, account->before, sizeof account->before, before_bytes)))
        return false;
    account->changed_s = (int64_t)record_number(record, FIXED_AT(changed_s));
    account->off_since_s = (int64_t)record_number(record, FIXED_AT(off_since_s));
    account->off_until_s = (int64_t)record_number(record, FIXED_AT(off_until_s));
    account->before_s = has_before ? (int64_t)record_number(record, FIXED_AT(before_s)) : 0;
    account->exceptions_until_s = 0;
    if ((account->flags & ACCOUNT_EXCEPTIONS) != 0)
        account->exceptions_until_s =
            there >= sizeof(struct account_fixed)
                ? (int64_t)record_number(record, FIXED_AT(exceptions_until_s))
                : INT64_MAX;
    return true;
}

/* --- exceptions --- */

bool account_exception_pack(union record *record, struct table_key *key, const char *name,
                            const char *domain, const struct account_exception *exception,
                            uint64_t now_ms)
{
    const struct record_about about = {
        .kind = RECORD_EXCEPTION, .stamp_ms = now_ms, .rank = RECORD_RANK_FLOOR, .ledger = true};
    const struct exception_fixed fixed = {exception->since_s, exception->until_s};
    char text[TABLE_KEY_MAX];

    return account_exception_key(key, text, name, domain) &&
           begin(record, key, &about, &fixed, sizeof fixed, 0);
}

bool account_exception_unpack(const union record *record, struct account_exception *exception)
{
    struct exception_fixed fixed;

    if (!fixed_take(record, RECORD_EXCEPTION, &fixed, sizeof fixed))
        return false;
    *exception = (struct account_exception){fixed.since_s, fixed.until_s};
    return true;
}

/* --- aliases --- */

bool account_alias_pack(union record *record, struct table_key *key, const char *name,
                        const struct account_alias *alias, uint64_t now_ms)
{
    const size_t profile_bytes = strnlen(alias->profile, PROFILE_NAME_MAX - 1);
    const struct record_about about = {.kind = RECORD_ALIAS,
                                       .stamp_ms = now_ms,
                                       .rank = RECORD_RANK_SETTINGS,
                                       .strictness = (unsigned)alias->sends + alias->receives,
                                       .ledger = true};
    const struct alias_fixed fixed = {alias->sends, alias->receives, (uint8_t)profile_bytes};
    char text[TABLE_KEY_MAX];

    if (!account_alias_key(key, text, name) ||
        !begin(record, key, &about, &fixed, sizeof fixed, profile_bytes))
        return false;
    memcpy(record_tail(record), alias->profile, profile_bytes);
    return true;
}

bool account_alias_unpack(const union record *record, struct account_alias *alias)
{
    struct alias_fixed fixed;
    size_t at = 0;

    if (!fixed_take(record, RECORD_ALIAS, &fixed, sizeof fixed) || fixed.sends > 1 ||
        fixed.receives > 1 ||
        !text_take(record, &at, alias->profile, sizeof alias->profile, fixed.profile_bytes))
        return false;
    alias->sends = fixed.sends;
    alias->receives = fixed.receives;
    return true;
}

enum alias_mode account_alias_mode(const struct account_alias *alias)
{
    if (!alias->sends && !alias->receives)
        return ALIAS_OFF;
    return alias->sends && alias->receives && alias->profile[0] == '\0' ? ALIAS_ON : ALIAS_EXPERT;
}

/* --- profiles --- */

bool account_profile_pack(union record *record, struct table_key *key,
                          const struct profile *profile, uint64_t now_ms)
{
    const struct record_about about = {.kind = RECORD_PROFILE,
                                       .stamp_ms = now_ms,
                                       .rank = RECORD_RANK_SETTINGS,
                                       .strictness = (unsigned)profile->minimum,
                                       .ledger = true};
    const struct profile_fixed fixed = {.window_ms = profile->window_ms,
                                        .minimum = (uint8_t)profile->minimum,
                                        .unmet = (uint8_t)profile->unmet,
                                        .observe = profile->observe,
                                        .exempt_auto_replies = profile->exempt_auto_replies,
                                        .exempt_forwards = profile->exempt_forwards,
                                        .allow_tls_required_no = profile->allow_tls_required_no,
                                        .refuse_at_rcpt = profile->refuse_at_rcpt,
                                        .trouble = profile->trouble == TROUBLE_PASS};
    char text[TABLE_KEY_MAX];

    return account_profile_key(key, text, profile->name) &&
           begin(record, key, &about, &fixed, PROFILE_FIXED_BYTES, 0);
}

bool account_profile_unpack(const union record *record, struct profile *profile)
{
    char name[ACCOUNT_NAME_MAX], domain[ACCOUNT_DOMAIN_MAX];
    struct profile_fixed fixed;

    if (!fixed_take(record, RECORD_PROFILE, &fixed, PROFILE_FIXED_BYTES) ||
        fixed.minimum > LEVEL_AUTHENTICATED || fixed.unmet > UNMET_STOP ||
        !account_record_names(record, name, domain) ||
        !bytes_copy(profile->name, sizeof profile->name, name, strlen(name)))
        return false;
    profile->minimum = (enum level)fixed.minimum;
    profile->unmet = (enum unmet)fixed.unmet;
    profile->window_ms = fixed.window_ms;
    profile->observe = fixed.observe;
    profile->exempt_auto_replies = fixed.exempt_auto_replies;
    profile->exempt_forwards = fixed.exempt_forwards;
    profile->allow_tls_required_no = fixed.allow_tls_required_no;
    profile->refuse_at_rcpt = fixed.refuse_at_rcpt;
    profile->trouble = fixed.trouble ? TROUBLE_PASS : TROUBLE_TEMPORARY;
    return true;
}

/* --- settings --- */

bool account_settings_pack(union record *record, struct table_key *key,
                           const struct account_settings *settings, uint64_t now_ms)
{
    const size_t delimiter_bytes = strnlen(settings->delimiter, sizeof settings->delimiter - 1);
    const size_t standard_bytes = strnlen(settings->standard, PROFILE_NAME_MAX - 1);
    const size_t alias_bytes = strnlen(settings->alias_profile, PROFILE_NAME_MAX - 1);
    const struct record_about about = {.kind = RECORD_SETTINGS,
                                       .stamp_ms = now_ms,
                                       .rank = RECORD_RANK_SETTINGS,
                                       .strictness = !settings->observe,
                                       .ledger = true};
    const struct settings_fixed fixed = {settings->observe,       (uint8_t)delimiter_bytes,
                                         (uint8_t)standard_bytes, (uint8_t)alias_bytes,
                                         settings->aliases_known, settings->no_aliases};
    char text[TABLE_KEY_MAX];

    if (!account_settings_key(key, text) || !begin(record, key, &about, &fixed, sizeof fixed,
                                                   delimiter_bytes + standard_bytes + alias_bytes))
        return false;
    char *tail = record_tail(record);
    memcpy(tail, settings->delimiter, delimiter_bytes);
    memcpy(tail + delimiter_bytes, settings->standard, standard_bytes);
    memcpy(tail + delimiter_bytes + standard_bytes, settings->alias_profile, alias_bytes);
    return true;
}

bool account_settings_unpack(const union record *record, struct account_settings *settings)
{
    const bool is_whole = record_fixed_bytes(record) >= sizeof(struct settings_fixed);
    struct settings_fixed fixed = {0};
    size_t at = 0;

    if (!fixed_take(record, RECORD_SETTINGS, &fixed,
                    is_whole ? sizeof fixed : SETTINGS_FIXED_LEAST) ||
        fixed.observe > 1 || fixed.aliases_known > 1 || fixed.no_aliases > 1 ||
        !text_take(record, &at, settings->delimiter, sizeof settings->delimiter,
                   fixed.delimiter_bytes) ||
        !text_take(record, &at, settings->standard, sizeof settings->standard,
                   fixed.standard_bytes) ||
        !text_take(record, &at, settings->alias_profile, sizeof settings->alias_profile,
                   fixed.alias_bytes))
        return false;
    settings->observe = fixed.observe;
    settings->aliases_known = fixed.aliases_known;
    settings->no_aliases = fixed.no_aliases;
    return true;
}

/* --- the demand --- */

const char *account_by_name(enum account_by by)
{
    static const char *const names[] = {
        [ACCOUNT_BY_NOBODY] = "nobody",       [ACCOUNT_BY_SENDER] = "sender",
        [ACCOUNT_BY_SUBMITTER] = "submitter", [ACCOUNT_BY_BOTH] = "sender-and-submitter",
        [ACCOUNT_BY_DOMAIN] = "domain",       [ACCOUNT_BY_STANDARD] = "standard",
        [ACCOUNT_BY_NAME] = "mail-server",
    };

    return (size_t)by < sizeof names / sizeof *names ? names[by] : "?";
}

/* Sender or submitter, as the MTA says it. */
struct who {
    const char *text;
    size_t length;
};

/* Without the brackets that it has in SMTP. */
static struct who sender_of(const char *text)
{
    const size_t length = strlen(text);

    if (length >= 2 && text[0] == '<' && text[length - 1] == '>')
        return (struct who){text + 1, length - 2};
    return (struct who){text, length};
}

struct found {
    bool there;
    enum account_by by;
    const char *name; /* in the key that it was looked for by, or in: */
    char key[1 + ACCOUNT_NAME_MAX];
    struct account account;
};

/* What was found so far. `sender` is also what many share: "@example.org", "@". */
struct search {
    const struct table_reader *users;
    uint64_t now_ms;
    const struct account_settings *settings;
    struct account_kept *kept; /* NULL: nothing is */
    bool alias_found;
    bool profile_absent; /* one was looked for that certainly is not there */
    struct account_alias alias;
    struct found sender, submitter; /* nothing of one that is not there is set */
};

static void search_begin(struct search *search, const struct table_reader *users,
                         const struct account_settings *settings, struct account_kept *kept,
                         uint64_t now_ms)
{
    search->settings = settings;
    search->kept = kept;
    search->users = users;
    search->now_ms = now_ms;
    search->alias_found = search->profile_absent = false;
    search->sender.there = search->submitter.there = false;
}

/* HIT, ABSENT, or anything else: unknown. */
static enum table_outcome find(const struct search *search, const struct table_key *key,
                               union record *record)
{
    return table_find(search->users, key, search->now_ms, record);
}

/* Is there an account of this key, whose text is terminated and stays, and what is it? False:
 * unknown. */
static bool search_account_of(struct search *search, struct found *into,
                              const struct table_key *key, struct table_ahead *ahead,
                              enum account_by by)
{
    union record record;

    if (into->there)
        return true;
    const enum table_outcome outcome =
        table_find_ahead(ahead, search->users, key, search->now_ms, &record);
    if (outcome == TABLE_ABSENT)
        return true;
    if (outcome != TABLE_HIT || !account_unpack(&record, &into->account))
        return false;
    into->there = true;
    into->by = by;
    into->name = key->text + 1;
    return true;
}

/* Is it a secure alias? The closest counts. False: unknown. */
static bool search_alias_of(struct search *search, const struct table_key *key,
                            struct table_ahead *ahead)
{
    union record record;

    if (search->alias_found)
        return true;
    const bool known = search->settings->aliases_known;
    const enum table_outcome outcome =
        known ? table_find_once(ahead, search->users, key, search->now_ms, &record)
              : table_find_ahead(ahead, search->users, key, search->now_ms, &record);
    if (outcome == TABLE_ABSENT || (outcome == TABLE_MISS && known))
        return true;
    search->alias_found = true;
    return outcome == TABLE_HIT && account_alias_unpack(&record, &search->alias);
}

/* The same of names that nothing was fetched for; what is no name is in no record. */
static bool search_account_name(struct search *search, struct found *into, const char *name,
                                size_t length, enum account_by by)
{
    struct table_ahead ahead;
    struct table_key key;

    if (length == 0 || into->there || !key_make(&key, into->key, 'a', name, length))
        return true;
    into->key[1 + length] = '\0';
    table_prefetch(&ahead, search->users, &key);
    return search_account_of(search, into, &key, &ahead, by);
}

static bool search_alias_name(struct search *search, const char *name, size_t length)
{
    char text[1 + ACCOUNT_NAME_MAX];
    struct table_ahead ahead;
    struct table_key key;

    if (length == 0 || search->alias_found || search->settings->no_aliases ||
        !key_make(&key, text, 'l', name, length))
        return true;
    table_prefetch(&ahead, search->users, &key);
    return search_alias_of(search, &key, &ahead);
}

/* What is before the first of the characters, of which there is seldom more than one; `length`: all
 * of it. */
static size_t user_part(const char *name, size_t length, const char *delimiter)
{
    if (delimiter[0] == '\0')
        return length;
    if (delimiter[1] != '\0')
        return strcspn(name, delimiter);
    const char *at = memchr(name, delimiter[0], length);
    return at != NULL ? (size_t)(at - name) : length;
}

/* Cuts the sub-address where the MTA does: behind the user, in the local part, not at its
 * beginning. The new length; 0: there is none. */
static size_t cut_sub_address(char cut[ACCOUNT_NAME_MAX], const char *name, size_t length,
                              size_t user_bytes)
{
    if (user_bytes == 0 || user_bytes == length)
        return 0;
    const char *at = memrchr(name, '@', length);
    const size_t local_bytes = at != NULL ? (size_t)(at - name) : length;
    if (user_bytes >= local_bytes)
        return 0;
    memcpy(cut, name, user_bytes);
    memcpy(cut + user_bytes, name + local_bytes, length - local_bytes + 1);
    return user_bytes + length - local_bytes;
}

/* A person's: records of domains and of everybody are not found under what somebody calls himself.
 * Its length; 0: it is none. */
static size_t person_name(char name[ACCOUNT_NAME_MAX], const struct who *who)
{
    const size_t length = account_name(name, who->text, who->length);

    return length > 0 && (name[0] != '@' || memrchr(name, '@', length) != name) ? length : 0;
}

/* The last @ and what follows it; empty if there is none. */
static struct who domain_of(const struct who *who)
{
    const char *at = who->length > 0 ? memrchr(who->text, '@', who->length) : NULL;
    return (struct who){at, at != NULL ? (size_t)(who->text + who->length - at) : 0};
}

/* The name of all of a domain, "@example.org"; its length, 0: there is none. A person's name that
 * is canonical already has it as it is. */
static size_t domain_name(char name[ACCOUNT_NAME_MAX], const struct who *who, const char *person,
                          size_t person_bytes)
{
    const struct who canonical = {person, person_bytes};
    const struct who domain = domain_of(person_bytes > 0 ? &canonical : who);
    size_t length = domain.length;

    if (person_bytes == 0)
        length = account_name(name, domain.text, length);
    else if (length > 0)
        memcpy(name, domain.text, length + 1);
    return length > 1 ? length : 0;
}

static void ask_alias(struct account_ahead *ahead, const struct table_reader *users)
{
    ahead->alias_asked = true;
    key_make(&ahead->alias_key, ahead->alias, 'l', ahead->account + 1, ahead->name_bytes);
    table_prefetch(&ahead->alias_ahead, users, &ahead->alias_key);
}

/* What is kept may be read anew while a message waits for its turn: then there may be aliases that
 * nobody had asked for. */
static bool search_sender_alias(struct search *search, struct account_ahead *sender)
{
    if (search->settings->no_aliases)
        return true;
    if (!sender->alias_asked)
        ask_alias(sender, search->users);
    return search_alias_of(search, &sender->alias_key, &sender->alias_ahead);
}

static bool search_sender(struct search *search, struct account_ahead *sender)
{
    const char *name = sender->account + 1;
    char cut[ACCOUNT_NAME_MAX];

    if (sender->name_bytes == 0)
        return true;
    if (!search_sender_alias(search, sender) ||
        !search_account_of(search, &search->sender, &sender->account_key, &sender->account_ahead,
                           ACCOUNT_BY_SENDER))
        return false;
    const size_t length = cut_sub_address(cut, name, sender->name_bytes, sender->user_bytes);
    return length == 0 ||
           (search_alias_name(search, cut, length) &&
            search_account_name(search, &search->sender, cut, length, ACCOUNT_BY_SENDER));
}

static bool has_own(const struct search *search)
{
    return search->sender.there || search->submitter.there;
}

/* Records of many are for who is in none of his own. */
static bool search_many(struct search *search, const char *name, size_t length)
{
    return has_own(search) ||
           search_account_name(search, &search->sender, name, length, ACCOUNT_BY_DOMAIN);
}

static bool search_domain(struct search *search, const struct account_ahead *sender)
{
    const struct who who = {sender->sender, sender->sender_bytes};
    char name[ACCOUNT_NAME_MAX];

    if (search->settings->no_aliases && has_own(search))
        return true;
    const size_t length = domain_name(name, &who, sender->account + 1, sender->name_bytes);
    return search_alias_name(search, name, length) && search_many(search, name, length);
}

static bool search_sasl(struct search *search, const struct who *sasl)
{
    char name[ACCOUNT_NAME_MAX];

    if (sasl->length == 0)
        return true;
    const size_t length = person_name(name, sasl);
    return search_account_name(search, &search->submitter, name, length, ACCOUNT_BY_SUBMITTER);
}

/* Who is in no record of his own has that of his domain, whatever address he sends by. */
static bool search_sasl_domain(struct search *search, const struct who *sasl)
{
    char name[ACCOUNT_NAME_MAX];

    if (sasl->length == 0)
        return true;
    const size_t length = domain_name(name, sasl, NULL, 0);

    if (length == 0 || search->submitter.there ||
        (search->sender.there &&
         (search->sender.by == ACCOUNT_BY_SENDER || strcmp(search->sender.name, name) == 0)))
        return true;
    return search_account_name(search, &search->submitter, name, length, ACCOUNT_BY_DOMAIN);
}

/* The order of account.h. False: unknown. */
static bool search_account(struct search *search, struct account_ahead *sender,
                           const struct who *sasl)
{
    return search_sender(search, sender) && search_sasl(search, sasl) &&
           search_domain(search, sender) && search_sasl_domain(search, sasl) &&
           search_many(search, "@", 1);
}

/* Only engine/names can make A-labels of it. */
static bool domain_is_ascii(const struct who *who)
{
    const struct who domain = domain_of(who);

    for (size_t i = 0; i < domain.length; i++) {
        if ((unsigned char)domain.text[i] >= 0x80)
            return false;
    }
    return true;
}

/* --- settings and profiles, which nearly every message needs --- */

void account_kept_clear(struct account_kept *kept)
{
    kept->since_ms = 0;
    kept->settings_place.cell = NULL;
    kept->settings.no_aliases = false; /* as a hint it is read all the same */
    for (unsigned i = 0; i < ACCOUNT_KEPT_PROFILES; i++)
        kept->profile_places[i].cell = NULL;
    kept->next = 0;
}

static void kept_renew(struct account_kept *kept, uint64_t now_ms)
{
    if (now_ms - kept->since_ms < ACCOUNT_KEPT_MS)
        return;
    account_kept_clear(kept);
    kept->since_ms = now_ms;
}

static bool is_kept(const struct table_place *place)
{
    return place->cell != NULL && table_place_holds(place);
}

/* Where the record was found, by a look-up with `ahead` that was a hit. */
static struct table_place place_of(const struct table_ahead *ahead)
{
    return (struct table_place){ahead->cell, ahead->value};
}

/* Into what is kept, or `room`. NULL: unknown, also where the table has a successor. */
static const struct account_settings *read_settings(const struct table_reader *users,
                                                    struct account_kept *kept, uint64_t now_ms,
                                                    struct account_settings *room)
{
    struct account_settings *settings = kept != NULL ? &kept->settings : room, read;
    char text[TABLE_KEY_MAX];
    union record record;
    struct table_ahead ahead;
    struct table_key key;

    if (users == NULL || table_reader_is_over(users))
        return NULL;
    if (kept != NULL && is_kept(&kept->settings_place))
        return &kept->settings;
    account_settings_key(&key, text);
    table_prefetch(&ahead, users, &key);
    const bool there = table_find_ahead(&ahead, users, &key, now_ms, &record) == TABLE_HIT &&
                       account_settings_unpack(&record, &read);
    if (there) /* else those of before, which others may be looking at, stay whole */
        *settings = read;
    if (kept != NULL)
        kept->settings_place = there ? place_of(&ahead) : (struct table_place){NULL, 0};
    return there ? settings : NULL;
}

static bool profile_kept(const struct account_kept *kept, const char *name, struct profile *profile)
{
    for (unsigned i = 0; i < ACCOUNT_KEPT_PROFILES; i++) {
        if (!is_kept(&kept->profile_places[i]) || strcmp(kept->profiles[i].name, name) != 0)
            continue;
        *profile = kept->profiles[i];
        return true;
    }
    return false;
}

static void profile_keep(struct account_kept *kept, const struct profile *profile,
                         const struct table_ahead *ahead)
{
    const unsigned at = kept->next++ % ACCOUNT_KEPT_PROFILES;

    kept->profiles[at] = *profile;
    kept->profile_places[at] = place_of(ahead);
}

static bool read_profile(struct search *search, const char *name, struct profile *profile)
{
    char text[TABLE_KEY_MAX];
    union record record;
    struct table_ahead ahead;
    struct table_key key;

    if (search->kept != NULL && profile_kept(search->kept, name, profile))
        return true;
    if (!account_profile_key(&key, text, name))
        return false;
    table_prefetch(&ahead, search->users, &key);
    const enum table_outcome outcome =
        table_find_ahead(&ahead, search->users, &key, search->now_ms, &record);
    search->profile_absent |= outcome == TABLE_ABSENT;
    if (outcome != TABLE_HIT || !account_profile_unpack(&record, profile))
        return false;
    if (search->kept != NULL)
        profile_keep(search->kept, profile, &ahead);
    return true;
}

/* --- time: in the same second the stricter holds --- */

struct moment {
    int64_t accepted_s, now_s;
    bool accepted_known; /* otherwise it is accepted now, under what holds now */
};

static struct moment moment_of(int64_t accepted_s, int64_t now_s)
{
    if (accepted_s == 0)
        return (struct moment){now_s, now_s, false};
    return (struct moment){accepted_s < now_s ? accepted_s : now_s, now_s, true};
}

/* Made before the message was accepted, and not over. */
static bool is_off(int64_t since_s, int64_t until_s, const struct moment *moment)
{
    const bool before =
        moment->accepted_known ? since_s < moment->accepted_s : since_s <= moment->now_s;
    return before && moment->now_s < until_s;
}

static bool is_on(const struct account *account, const struct moment *moment)
{
    const bool earlier = moment->accepted_known ? moment->accepted_s <= account->changed_s
                                                : moment->now_s < account->changed_s;
    return (account->flags & ACCOUNT_ON) != 0 ||
           (earlier && (account->flags & ACCOUNT_ON_BEFORE) != 0);
}

/* Did the user switch off for this domain? False: unknown. */
static bool read_exception(const struct search *search, const struct found *found,
                           const char *domain, const struct moment *moment, bool *off)
{
    char text[TABLE_KEY_MAX];
    union record record;
    struct table_key key;
    struct account_exception exception;

    if (!account_exception_key(&key, text, found->name, domain))
        return true;
    const enum table_outcome outcome = find(search, &key, &record);
    if (outcome == TABLE_ABSENT)
        return true;
    if (outcome != TABLE_HIT || !account_exception_unpack(&record, &exception))
        return false;
    *off = is_off(exception.since_s, exception.until_s, moment);
    return true;
}

static const char *first_of(const char *name, const char *otherwise)
{
    return name[0] != '\0' ? name : otherwise;
}

/* What either of both demands; how it ends when that is not met is the earlier one's. It has the
 * name of the one that demands more, by which the mail server finds what enforces it. */
static void add_demand(struct profile *profile, const struct profile *earlier)
{
    const bool names = profile->observe != earlier->observe ? !profile->observe
                                                            : profile->minimum > earlier->minimum;
    struct profile both = *earlier;

    if (names)
        memcpy(both.name, profile->name, sizeof both.name);
    if (profile->minimum > both.minimum)
        both.minimum = profile->minimum;
    if (profile->window_ms < both.window_ms)
        both.window_ms = profile->window_ms;
    both.observe &= profile->observe;
    both.exempt_auto_replies &= profile->exempt_auto_replies;
    both.exempt_forwards &= profile->exempt_forwards;
    both.allow_tls_required_no &= profile->allow_tls_required_no;
    both.refuse_at_rcpt |= profile->refuse_at_rcpt;
    if (profile->trouble < both.trouble)
        both.trouble = profile->trouble;
    *profile = both;
}

/* False: unknown. */
static bool fill_profile(struct profile *profile, struct search *search,
                         const struct account *account, const struct moment *moment)
{
    struct profile earlier;

    if (!read_profile(search, first_of(account->profile, search->settings->standard), profile))
        return false;
    if (account->before[0] == '\0' || !moment->accepted_known ||
        moment->accepted_s > account->before_s)
        return true;
    if (!read_profile(search, account->before, &earlier))
        return false;
    add_demand(profile, &earlier);
    return true;
}

/* One account's guarantee. False: unknown. */
static bool fill_account(struct account_demand *demand, struct search *search,
                         const struct found *found, const char *domain, const struct moment *moment)
{
    const struct account *account = &found->account;

    demand->by = found->by;
    if (!is_on(account, moment))
        return true;
    demand->guaranteed = true;
    demand->exceptions_until_s = account->exceptions_until_s;
    demand->switched_off = is_off(account->off_since_s, account->off_until_s, moment);
    return fill_profile(&demand->profile, search, account, moment) &&
           (demand->switched_off || (account->flags & ACCOUNT_EXCEPTIONS) == 0 ||
            read_exception(search, found, domain, moment, &demand->switched_off));
}

/* --- two accounts --- */

/* In force, how much, how soon. */
int account_profile_compare(const struct profile *a, const struct profile *b)
{
    if (a->observe != b->observe)
        return b->observe - a->observe;
    if (a->minimum != b->minimum)
        return a->minimum > b->minimum ? 1 : -1;
    return (a->unmet == UNMET_STOP) - (b->unmet == UNMET_STOP);
}

/* What the milder of two demands, besides. */
static void profile_narrow(struct profile *profile, const struct profile *milder)
{
    if (milder->observe && !profile->observe)
        return;
    if (milder->window_ms < profile->window_ms)
        profile->window_ms = milder->window_ms;
    if (milder->trouble < profile->trouble)
        profile->trouble = milder->trouble;
    profile->allow_tls_required_no &= milder->allow_tls_required_no;
    if (milder->minimum <= LEVEL_OPPORTUNISTIC)
        return;
    profile->exempt_auto_replies &= milder->exempt_auto_replies;
    profile->exempt_forwards &= milder->exempt_forwards;
}

/* Here and now, and whether there is one at all. */
static int rank(const struct account_demand *demand)
{
    return !demand->guaranteed ? 0 : demand->switched_off ? 1 : 2;
}

static void join(struct account_demand *demand, const struct account_demand *submitter)
{
    const int ranks = rank(demand) - rank(submitter);
    struct profile milder = submitter->profile;

    if (ranks != 0) {
        if (ranks < 0)
            *demand = *submitter;
        return;
    }
    if (demand->guaranteed)
        demand->by = ACCOUNT_BY_BOTH;
    if (submitter->exceptions_until_s > demand->exceptions_until_s)
        demand->exceptions_until_s = submitter->exceptions_until_s;
    if (account_profile_compare(&demand->profile, &submitter->profile) < 0) {
        milder = demand->profile;
        demand->profile = submitter->profile;
    }
    profile_narrow(&demand->profile, &milder);
}

static bool fill_standard(struct account_demand *demand, struct search *search)
{
    demand->by = ACCOUNT_BY_STANDARD;
    if (search->settings->standard[0] == '\0')
        return true;
    demand->guaranteed = true;
    return read_profile(search, search->settings->standard, &demand->profile);
}

/* Of the guarantee alone: what is said of an alias stays. */
static bool fill_both(struct account_demand *demand, struct search *search, const char *domain,
                      const struct moment *moment)
{
    struct account_demand sender = {0}, submitter = {0};

    if (!fill_account(&sender, search, &search->sender, domain, moment) ||
        !fill_account(&submitter, search, &search->submitter, domain, moment))
        return false;
    join(&sender, &submitter);
    demand->guaranteed = sender.guaranteed;
    demand->switched_off = sender.switched_off;
    demand->exceptions_until_s = sender.exceptions_until_s;
    demand->profile = sender.profile;
    demand->by = sender.by;
    return true;
}

static bool fill_guarantee(struct account_demand *demand, struct search *search, const char *domain,
                           const struct moment *moment)
{
    if (!has_own(search))
        return fill_standard(demand, search);
    if (search->sender.there && search->submitter.there)
        return fill_both(demand, search, domain, moment);
    return fill_account(demand, search, search->sender.there ? &search->sender : &search->submitter,
                        domain, moment);
}

static bool fill_alias(struct account_demand *demand, struct search *search)
{
    if (!search->alias_found)
        return true;
    demand->alias = account_alias_mode(&search->alias);
    demand->alias_receives = search->alias.receives;
    demand->alias_sends = search->alias.sends;
    return !demand->alias_sends ||
           read_profile(search, first_of(search->alias.profile, search->settings->alias_profile),
                        &demand->alias_profile);
}

/* False: unknown. */
static bool fill(struct account_demand *demand, struct search *search, struct account_ahead *sender,
                 const struct who *sasl, const char *domain, const struct moment *moment)
{
    const struct who who = {sender->sender, sender->sender_bytes};

    if (search->settings == NULL || table_reader_is_over(search->users))
        return false;
    demand->observe = search->settings->observe;
    if (who.length == 0 && sasl->length == 0)
        return true; /* nobody's */
    /* The domain of what has a canonical name is ASCII. */
    return (sender->name_bytes > 0 || domain_is_ascii(&who)) && domain_is_ascii(sasl) &&
           search_account(search, sender, sasl) && fill_alias(demand, search) &&
           fill_guarantee(demand, search, domain, moment);
}

/* A name was made. Whether there are aliases is not known before the settings are: what was kept of
 * them is a hint. */
static void ask_account(struct account_ahead *ahead, const struct table_reader *users,
                        struct account_kept *kept)
{
    key_make(&ahead->account_key, ahead->account, 'a', ahead->account + 1, ahead->name_bytes);
    if (users == NULL)
        return;
    table_prefetch(&ahead->account_ahead, users, &ahead->account_key);
    if (kept == NULL || !kept->settings.no_aliases)
        ask_alias(ahead, users);
}

bool account_ask_usual(struct account_ahead *ahead, const char *sender,
                       const struct table_reader *users, struct account_kept *kept)
{
    const size_t length = strlen(sender);

    if (name_is_usual(ahead->account + 1, sender, length) == 0)
        return false;
    ahead->account[1 + length] = '\0';
    ahead->sender = sender;
    ahead->sender_bytes = ahead->name_bytes = length;
    ahead->kept = kept;
    ahead->alias_asked = false;
    ask_account(ahead, users, kept);
    return true;
}

void account_ask(struct account_ahead *ahead, const char *sender, const struct table_reader *users,
                 struct account_kept *kept)
{
    const struct who from = sender_of(sender);

    ahead->sender = from.text;
    ahead->sender_bytes = from.length;
    ahead->kept = kept;
    ahead->alias_asked = false;
    ahead->name_bytes = person_name(ahead->account + 1, &from);
    if (ahead->name_bytes > 0)
        ask_account(ahead, users, kept);
}

void account_fetch(struct account_ahead *ahead, const struct table_reader *users, uint64_t now_ms)
{
    if (ahead->kept != NULL)
        kept_renew(ahead->kept, now_ms);
    ahead->settings = read_settings(users, ahead->kept, now_ms, &ahead->settings_read);
    if (ahead->name_bytes == 0 || ahead->settings == NULL)
        return;
    if (!ahead->alias_asked && !ahead->settings->no_aliases)
        ask_alias(ahead, users);
    ahead->user_bytes =
        user_part(ahead->account + 1, ahead->name_bytes, ahead->settings->delimiter);
    table_prefetch_record(&ahead->account_ahead, users, &ahead->account_key);
}

/* Zero, by a few stores: all of it at once is the processor's slow way for more than that. */
static void demand_clear(struct account_demand *demand)
{
    static const struct profile none;

    memset(demand, 0, offsetof(struct account_demand, profile));
    demand->profile = none;
    demand->alias_profile = none;
}

void account_demand_ahead(struct account_demand *demand, const struct table_reader *users,
                          struct account_ahead *sender, const char *sasl, const char *domain,
                          int64_t accepted_s, uint64_t now_ms, int64_t now_s)
{
    const struct moment moment = moment_of(accepted_s, now_s);
    const struct who submitter = {sasl, sasl != NULL ? strlen(sasl) : 0};
    struct search search;

    search_begin(&search, users, sender->settings, sender->kept, now_ms);
    demand_clear(demand);
    demand->known = fill(demand, &search, sender, &submitter, domain, &moment);
    if (!demand->known)
        *demand = (struct account_demand){.profile_absent = search.profile_absent};
}

void account_demand(struct account_demand *demand, const struct table_reader *users,
                    const char *sender, const char *sasl, const char *domain, int64_t accepted_s,
                    uint64_t now_ms, int64_t now_s)
{
    struct account_ahead ahead;

    account_ask(&ahead, sender, users, NULL);
    account_fetch(&ahead, users, now_ms);
    account_demand_ahead(demand, users, &ahead, sasl, domain, accepted_s, now_ms, now_s);
}

/* The order of account.h, of aliases alone. False: unknown. */
static bool fill_inbound(struct account_demand *demand, struct search *search,
                         const struct who *recipient)
{
    char name[ACCOUNT_NAME_MAX], other[ACCOUNT_NAME_MAX];

    if (!domain_is_ascii(recipient))
        return false;
    demand->observe = search->settings->observe;
    const size_t length = person_name(name, recipient);
    if (!search_alias_name(search, name, length) ||
        (length > 0 &&
         !search_alias_name(search, other,
                            cut_sub_address(other, name, length,
                                            user_part(name, length, search->settings->delimiter)))))
        return false;
    return search_alias_name(search, other, domain_name(other, recipient, name, length)) &&
           fill_alias(demand, search);
}

void account_demand_inbound(struct account_demand *demand, const struct table_reader *users,
                            const char *recipient, uint64_t now_ms)
{
    const struct who to = sender_of(recipient);
    struct account_settings settings;
    struct search search;

    search_begin(&search, users, read_settings(users, NULL, now_ms, &settings), NULL, now_ms);
    *demand = (struct account_demand){0};
    demand->known = search.settings != NULL && fill_inbound(demand, &search, &to);
    if (!demand->known)
        *demand = (struct account_demand){0};
}

void account_demand_of_profile(struct account_demand *demand, const struct table_reader *users,
                               const char *name, uint64_t now_ms, bool *there)
{
    struct account_settings settings;
    char text[TABLE_KEY_MAX];
    struct search search;
    union record record;
    struct table_key key;

    search_begin(&search, users, read_settings(users, NULL, now_ms, &settings), NULL, now_ms);
    *demand = (struct account_demand){0};
    *there = true;
    if (search.settings == NULL)
        return;
    *there = account_profile_key(&key, text, name) && find(&search, &key, &record) != TABLE_ABSENT;
    if (!*there || !read_profile(&search, name, &demand->profile))
        return;
    demand->observe = search.settings->observe;
    demand->known = demand->guaranteed = true;
    demand->by = ACCOUNT_BY_NAME;
}
