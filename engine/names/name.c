/*
 * name.c - the one place where a text or a wire name becomes a canonical name.
 *
 * Everything that takes a domain calls this first, so that case, dots, Unicode forms and A-labels
 * of one domain share one key (NAME-02, PIT-22). Pure, any thread; nothing depends on the locale
 * (NAME-05): bytes are compared and lowered as ASCII here, and libidn2 works on UTF-8 by tables.
 *
 * A text is cut into labels at '.' and at the three other full stops of UTS 46. A plain ASCII label
 * is taken as it is; a label that is not ASCII or begins with "xn--" goes through libidn2 (UTS 46
 * non-transitional mapping, then IDNA2008's tests and the round trip of A-labels). Labels go there
 * one by one, because libidn2 would apply the tests for U-labels ("r3---sn") to their plain
 * neighbours too. The only failure that is ours is memory inside libidn2: NAME_NO_MEMORY.
 *
 * Weakness: the Bidi rule is tested in each label, not across the whole name (RFC 5893 section 2
 * would also refuse a plain label such as "3com" below a right-to-left one).
 */
#include "engine/names/name.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/names/address.h"
#include "shm/letters.h"

#include <assert.h>
#include <idn2.h>
#include <string.h>
#include <xxhash.h>

#define LABEL_MAX 63

/* ------------------------------------------------------------------ bytes, never the locale */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

/* What a byte of a label becomes; 0: none has it. */
static const char of_label[256] = {
    ['-'] = '-', ['_'] = '_', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',
    ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b',
    ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',
    ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p',
    ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',
    ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',
    ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',
    ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',
    ['Z'] = 'z',
};

static bool is_label_byte(char c)
{
    return of_label[(unsigned char)c] == c && c != 0;
}

/* Not ASCII, or claims to be an A-label. */
static bool needs_conversion(const char *label, size_t length)
{
    unsigned char all = 0;
    for (size_t i = 0; i < length; i++)
        all |= (unsigned char)label[i];
    return all >= 0x80 || (length >= 4 && lower(label[0]) == 'x' && lower(label[1]) == 'n' &&
                           label[2] == '-' && label[3] == '-');
}

/* ------------------------------------------------------------------ one canonical label */

static enum name_status append_label(struct name *name, const char *label, size_t length)
{
    if (length == 0)
        return NAME_LABEL_EMPTY;
    if (length > LABEL_MAX)
        return NAME_LABEL_LONG;
    size_t used = name->length;
    size_t dot = used > 0 ? 1 : 0;
    if (used + dot + length > NAME_BYTES_MAX)
        return NAME_LONG;
    if (label[0] == '-' || label[length - 1] == '-')
        return NAME_CHARACTER;
    if (dot)
        name->text[used++] = '.';
    for (size_t i = 0; i < length; i++) {
        const char c = of_label[(unsigned char)label[i]];
        if (c == 0)
            return NAME_CHARACTER;
        name->text[used++] = c;
    }
    name->length = (uint8_t)used;
    name->text[used] = '\0';
    return NAME_OK;
}

/* Every ASCII byte of a label that holds more than ASCII must be a letter, a digit or a hyphen. */
static bool ascii_is_ldh(const char *label, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)label[i] < 0x80 && (!is_label_byte(lower(label[i])) || label[i] == '_'))
            return false;
    return true;
}

static enum name_status idna_status(int result)
{
    switch (result) {
    case IDN2_OK:
        return NAME_OK;
    case IDN2_MALLOC:
        return NAME_NO_MEMORY;
    case IDN2_TOO_BIG_LABEL:
    case IDN2_TOO_BIG_DOMAIN:
    case IDN2_PUNYCODE_BIG_OUTPUT:
        return NAME_LABEL_LONG;
    default:
        return NAME_IDNA;
    }
}

/* Never with IDN2_USE_STD3_ASCII_RULES: libidn2 2.3.3 then drops what is not LDH without a word
 * (u-umlaut, low line, x becomes the A-label of u-umlaut, x: another domain), so LDH is tested
 * here, before and after (a full-width low line is mapped to '_'). */
static enum name_status append_converted(struct name *name, const char *label, size_t length)
{
    uint8_t text[LIMIT_NAME_INPUT + 1];
    uint8_t *converted = NULL;
    CHECK(length <= LIMIT_NAME_INPUT);
    if (!ascii_is_ldh(label, length))
        return NAME_IDNA;
    memcpy(text, label, length);
    text[length] = '\0';
    enum name_status status =
        idna_status(idn2_lookup_u8(text, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL));
    if (status != NAME_OK)
        return status;
    const char *a_label = (const char *)converted;
    size_t size = strlen(a_label);
    if (needs_conversion(a_label, size) && !ascii_is_ldh(a_label, size))
        status = NAME_IDNA;
    else
        status = append_label(name, a_label, size);
    idn2_free(converted);
    /* A mapping to nothing, or to something with a byte that no label has (U+2488 is "1."). */
    return status == NAME_LABEL_EMPTY || status == NAME_CHARACTER ? NAME_IDNA : status;
}

/* ------------------------------------------------------------------ texts */

/* Length of the full stop at `text`, or 0: U+002E, U+3002, U+FF0E, U+FF61 (UTS 46 section 4). */
static size_t full_stop(const char *text, size_t length)
{
    if (length >= 1 && text[0] == '.')
        return 1;
    if (length >= 3 &&
        (memcmp(text, "\xe3\x80\x82", 3) == 0 || memcmp(text, "\xef\xbc\x8e", 3) == 0 ||
         memcmp(text, "\xef\xbd\xa1", 3) == 0))
        return 3;
    return 0;
}

/* Where the label at `begin` ends. All full stops but '.' begin with a byte that is not ASCII. */
static size_t label_end(const char *text, size_t begin, size_t length)
{
    size_t end = begin;
    while (end < length && text[end] != '.' &&
           ((unsigned char)text[end] < 0x80 || full_stop(text + end, length - end) == 0))
        end++;
    return end;
}

/* One label from `begin` to `end`, whatever is in it. */
static enum name_status append_any(struct name *name, const char *text, size_t begin, size_t end)
{
    return needs_conversion(text + begin, end - begin)
               ? append_converted(name, text + begin, end - begin)
               : append_label(name, text + begin, end - begin);
}

/* Nearly every label: nothing but letters, digits, hyphens and low lines up to a '.' or the end, no
 * A-label, and room for it. Looked at once for all of that, and appended. Where it ends, or
 * `begin`: it is not such a one, and append_any says what it is. */
static size_t append_plain(struct name *name, const char *text, size_t begin, size_t length)
{
    const size_t used = name->length + (name->length > 0 ? 1u : 0u);
    char *label = name->text + used;
    size_t most = NAME_BYTES_MAX - used, bytes = 0;

    if (name->length >= NAME_BYTES_MAX)
        return begin;
    if (most > LABEL_MAX)
        most = LABEL_MAX;
    if (most > length - begin)
        most = length - begin;
    for (char c; bytes < most && (c = of_label[(unsigned char)text[begin + bytes]]) != 0; bytes++)
        label[bytes] = c;
    const bool is_whole = begin + bytes == length || text[begin + bytes] == '.';
    const bool is_a_label = bytes >= 4 && memcmp(label, "xn--", 4) == 0;
    if (!is_whole || bytes == 0 || is_a_label || label[0] == '-' || label[bytes - 1] == '-') {
        name->text[name->length] = '\0';
        return begin;
    }
    if (used > name->length)
        label[-1] = '.';
    label[bytes] = '\0';
    name->length = (uint8_t)(used + bytes);
    return begin + bytes;
}

static enum name_status parse_labels(struct name *name, const char *text, size_t length)
{
    size_t begin = 0;
    while (begin <= length) {
        size_t end = append_plain(name, text, begin, length);
        if (end == begin) {
            end = label_end(text, begin, length);
            enum name_status status = append_any(name, text, begin, end);
            if (status != NAME_OK)
                return status;
        }
        if (end == length)
            break;
        begin = end + full_stop(text + end, length - end);
        if (begin == length)
            break; /* exactly one trailing full stop: the root */
    }
    return NAME_OK;
}

/* No top-level domain is a number (RFC 3696 section 2), and inet_aton(3) reads "0x7f.1". */
static bool looks_like_ipv4(const struct name *name)
{
    const char *last = strrchr(name->text, '.');
    last = last != NULL ? last + 1 : name->text;
    if (last[0] == '0' && last[1] == 'x') {
        last += 2;
        while (is_hex(*last))
            last++;
    } else {
        while (is_digit(*last))
            last++;
    }
    return *last == '\0';
}

static bool is_localhost(const struct name *name)
{
    static const struct name localhost = {.length = 9, .text = "localhost"};
    return name_is_within(name, &localhost); /* RFC 6761 section 6.3 */
}

/* What a grammatical name still may not be. */
static enum name_status judge(const struct name *name)
{
    if (looks_like_ipv4(name))
        return NAME_IS_ADDRESS;
    if (is_localhost(name))
        return NAME_LOCAL;
    return NAME_OK;
}

static enum name_status finish(struct name *name, enum name_status status)
{
    if (status == NAME_OK && name->length > 0)
        status = judge(name);
    if (status != NAME_OK)
        memset(name, 0, sizeof(*name));
    return status;
}

/* A few labels of letters, digits, hyphens and low lines, no A-label (nor another with two hyphens
 * together), the last one a word, but not "localhost". */
bool name_is_usual(struct name *name, const char *text, size_t length)
{
    struct letters letters;
    if (!letters_look(&letters, name->text, text, length) || letters.dots == 0)
        return false;
    /* What is beside a dot, and both ends. */
    const uint64_t edges = letters.dots << 1 | letters.dots >> 1 | 1 | 1ULL << (length - 1);
    const unsigned last = LETTERS_MAX - (unsigned)__builtin_clzll(letters.dots);
    if (letters.names != letters_first(length) || (edges & (letters.dots | letters.hyphens)) != 0 ||
        (letters.hyphens & letters.hyphens << 1) != 0)
        return false;
    const char first = name->text[last];
    if (first < 'a' || first > 'z' || (first == 'l' && length - last == strlen("localhost")))
        return false;
    name->length = (uint8_t)length;
    name->text[length] = '\0';
    return true;
}
static_assert(LETTERS_MAX <= NAME_BYTES_MAX, "there is room, and with a dot no label is too long");

enum name_status name_parse(struct name *name, const char *text, size_t length)
{
    struct address address;
    if (name_is_usual(name, text, length))
        return NAME_OK;
    name->length = 0;
    name->text[0] = '\0';
    if (length == 0 || full_stop(text, length) == length)
        return NAME_EMPTY;
    if (length > LIMIT_NAME_INPUT)
        return NAME_LONG;
    enum name_status status = parse_labels(name, text, length);
    if (status == NAME_CHARACTER && address_parse(&address, text, length))
        status = NAME_IS_ADDRESS; /* 2001:db8::1 */
    return finish(name, status);
}

bool name_from_canonical(struct name *name, const char *text)
{
    enum name_status status = text[0] != '\0' ? NAME_OK : NAME_EMPTY;
    memset(name, 0, sizeof(*name));
    for (const char *label = text; status == NAME_OK && label != NULL;) {
        const char *dot = strchr(label, '.');
        status = append_label(name, label, dot != NULL ? (size_t)(dot - label) : strlen(label));
        label = dot != NULL ? dot + 1 : NULL;
    }
    if (status == NAME_OK && strcmp(name->text, text) != 0)
        status = NAME_CHARACTER; /* upper case */
    return finish(name, status) == NAME_OK;
}

/* ------------------------------------------------------------------ wire */

enum name_status name_from_wire(struct name *name, const uint8_t *wire, size_t size)
{
    enum name_status status = NAME_OK;
    size_t at = 0;
    memset(name, 0, sizeof(*name));
    while (status == NAME_OK && at < size && wire[at] != 0) {
        size_t length = wire[at];
        if (length > LABEL_MAX) /* also compression pointers: ours to resolve before */
            status = NAME_LABEL_LONG;
        else if (length >= size - at)
            status = NAME_LABEL_EMPTY; /* cut off: the root is missing */
        else
            status = append_label(name, (const char *)wire + at + 1, length);
        at += 1 + length;
    }
    if (status == NAME_OK && at + 1 != size)
        status = NAME_LABEL_EMPTY;
    return finish(name, status);
}

size_t name_to_wire(const struct name *name, uint8_t *wire, size_t size)
{
    size_t need = name->length == 0 ? 1 : (size_t)name->length + 2;
    if (size < need)
        return 0;
    size_t length_at = 0, at = 1;
    for (size_t i = 0; i < name->length; i++) {
        if (name->text[i] == '.') {
            wire[length_at] = (uint8_t)(at - length_at - 1);
            length_at = at++;
        } else {
            wire[at++] = (uint8_t)name->text[i];
        }
    }
    if (name->length > 0) {
        wire[length_at] = (uint8_t)(at - length_at - 1);
        length_at = at;
    }
    wire[length_at] = 0;
    return need;
}

/* ------------------------------------------------------------------ names among themselves */

const char *name_status_text(enum name_status status)
{
    switch (status) {
    case NAME_OK:
        return "a domain name";
    case NAME_EMPTY:
        return "there is no domain name";
    case NAME_LABEL_EMPTY:
        return "the domain name has an empty label (two dots together, or one at the start)";
    case NAME_LABEL_LONG:
        return "a label of the domain name is longer than 63 octets";
    case NAME_LONG:
        return "the domain name is longer than 253 octets";
    case NAME_CHARACTER:
        return "the domain name has a character that no mail domain has";
    case NAME_IDNA:
        return "the internationalised domain name is not valid (IDNA2008)";
    case NAME_IS_ADDRESS:
        return "an IP address is not a domain name (a literal is written in brackets)";
    case NAME_LOCAL:
        return "the address is local to the machine";
    case NAME_NO_MEMORY:
        return "out of memory";
    }
    return "unknown";
}

bool name_equal(const struct name *a, const struct name *b)
{
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

bool name_is_within(const struct name *name, const struct name *ancestor)
{
    if (ancestor->length == 0)
        return true; /* the root */
    if (name->length <= ancestor->length)
        return name_equal(name, ancestor);
    size_t at = (size_t)name->length - ancestor->length;
    return name->text[at - 1] == '.' &&
           memcmp(name->text + at, ancestor->text, ancestor->length) == 0;
}

uint64_t name_hash(const struct name *name)
{
    return XXH3_64bits(name->text, name->length);
}

struct name name_last_labels(const struct name *name, unsigned labels)
{
    struct name last = {0};
    size_t begin = name->length;
    for (unsigned dots = 0; begin > 0; begin--)
        if (name->text[begin - 1] == '.' && ++dots == labels)
            break;
    last.length = (uint8_t)(name->length - begin);
    memcpy(last.text, name->text + begin, last.length);
    return last;
}

struct name name_registrable(const struct name *name)
{
    return name_last_labels(name, 2);
}
