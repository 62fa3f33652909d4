/*
 * smtp.c - the pure SMTP client machine of smtp.h.
 *
 * One function looks at each byte (take), one at each complete line (line_ends); everything else is
 * a leaf. Peers' mistakes end in SMTP_MALFORMED or SMTP_TOO_LONG, never in a CHECK.
 */
#include "engine/probe/smtp.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/facts/evidence.h"

#include <string.h>

/* Behind the code: '-' goes on, space or the end of the line ends (TLS-01). */
enum { CODE_DIGITS = 3, SEPARATOR_AT = 3 };

static const char not_a_separator[] = "neither a space nor a hyphen behind the code";

/* A mask is at least this long: Cisco writes XXXXXXXA over STARTTLS, and asterisks over greetings.
 */
enum { MASK_LETTERS_MIN = 5 };

static const struct {
    const char *word;
    uint32_t bit;
} keywords[] = {
    {"STARTTLS", KEYWORD_STARTTLS},
    {"REQUIRETLS", KEYWORD_REQUIRETLS},
    {"SMTPUTF8", KEYWORD_SMTPUTF8},
    {"8BITMIME", KEYWORD_8BITMIME},
    {"PIPELINING", KEYWORD_PIPELINING},
    {"SIZE", KEYWORD_SIZE},
    {"CHUNKING", KEYWORD_CHUNKING},
    {"DSN", KEYWORD_DSN},
    {"AUTH", KEYWORD_AUTH},
    {"ENHANCEDSTATUSCODES", KEYWORD_ENHANCEDSTATUSCODES},
    {"MT-PRIORITY", KEYWORD_MT_PRIORITY},
    {"LIMITS", KEYWORD_LIMITS},
};

/* Lower case; as they stand in replies seen in the field (population.md section 4). */
static const char *const rate_words[] = {
    "too many",   "too fast",         "too often",    "too frequent",
    "rate limit", "rate-limit",       "ratelimit",    "throttl",
    "slow down",  "excessive",        "per minute",   "limit exceeded",
    "per hour",   "connection limit", "simultaneous", "connections from your",
    "concurrent", "temporarily def",  "unusual rate", "exceeded the",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ASCII only: a locale must not decide what STARTTLS is (NAME-05's reason). */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool word_is(const char *text, size_t length, const char *word)
{
    for (size_t i = 0; i < length; i++) {
        if (word[i] == '\0' || lower(text[i]) != lower(word[i]))
            return false;
    }
    return word[length] == '\0';
}

static bool contains_lower(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = text; *at != '\0'; at++) {
        size_t i = 0;
        while (i < size && lower(at[i]) == word[i])
            i++;
        if (i == size)
            return true;
    }
    return false;
}

void smtp_start(struct smtp *smtp)
{
    *smtp = (struct smtp){.question = SMTP_GREETING};
}

void smtp_forget(struct smtp *smtp)
{
    smtp_start(smtp);
}

void smtp_expect(struct smtp *smtp, enum smtp_question question)
{
    CHECK(!smtp->ended);
    smtp->question = question;
    smtp->code = 0;
    smtp->enhanced_class = 0;
    smtp->enhanced_subject = smtp->enhanced_detail = 0;
    smtp->lines = 0;
    smtp->line_size = smtp->line_kept = 0;
    smtp->reply_size = 0;
    if (question == SMTP_EHLO) {
        smtp->keywords = 0;
        smtp->masked = false;
    }
}

/* --- one complete line --- */

/* "5.7.1 text": the class equals the code's first digit, else it is text (RFC 2034 section 4). */
static void read_enhanced(struct smtp *smtp, const char *text)
{
    if (!is_digit(text[0]) || text[0] - '0' != smtp->code / 100 || text[1] != '.')
        return;
    unsigned parts[2] = {0, 0};
    const char *at = text + 2;
    for (int part = 0; part < 2; part++) {
        int digits = 0;
        for (; is_digit(*at) && digits < 3; digits++)
            parts[part] = parts[part] * 10 + (unsigned)(*at++ - '0');
        bool last = part == 1;
        if (digits == 0 || (last ? *at != ' ' && *at != '\0' : *at != '.'))
            return;
        at += !last;
    }
    smtp->enhanced_class = (uint8_t)(smtp->code / 100);
    smtp->enhanced_subject = (uint16_t)parts[0];
    smtp->enhanced_detail = (uint16_t)parts[1];
}

/* "XXXXXXXA": every letter but perhaps the last is X. Real extensions have a name after one X. */
static bool is_masked_keyword(const char *word, size_t length)
{
    if (length < MASK_LETTERS_MIN)
        return false;
    for (size_t i = 0; i + 1 < length; i++) {
        if (word[i] != 'X')
            return false;
    }
    return true;
}

/* "220 **************0*2****": asterisks with the odd 0, 2 or blank between. */
static bool is_masked_greeting(const char *text)
{
    size_t stars = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '*')
            stars++;
        else if (strchr("02 .", *at) == NULL)
            return false;
    }
    return stars >= MASK_LETTERS_MIN;
}

/* A keyword is a whole word (TLS-05): "STARTTLSX" and "STARTTLS.example" are not STARTTLS. */
static void read_keyword(struct smtp *smtp, const char *text)
{
    size_t length = strcspn(text, " \t");
    /* "AUTH=LOGIN" is an old way of writing AUTH. */
    if (length > 5 && word_is(text, 5, "AUTH="))
        length = 4;
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (word_is(text, length, keywords[i].word))
            smtp->keywords |= keywords[i].bit;
    }
    if (is_masked_keyword(text, length))
        smtp->masked = true;
}

static void read_text(struct smtp *smtp, const char *text)
{
    bool first = smtp->lines == 0;

    if (first)
        read_enhanced(smtp, text);
    if (smtp->question == SMTP_GREETING) {
        smtp->masked |= first && is_masked_greeting(text);
        smtp->says_esmtp |= contains_lower(text, "esmtp"); /* a teaser may come before it */
    }
    if (smtp->question == SMTP_EHLO && !first && smtp->code / 100 == 2)
        read_keyword(smtp, text);
}

static enum smtp_event refuse(struct smtp *smtp, enum smtp_event event, const char *why)
{
    smtp->ended = true;
    smtp->line[smtp->line_kept] = '\0';
    smtp->why = why;
    return event;
}

/* The line feed has come. `line` holds the line without it, cut; line_size is its true size. */
static enum smtp_event line_ends(struct smtp *smtp)
{
    size_t kept = smtp->line_kept;
    bool whole = smtp->line_size == kept + 1; /* nothing was cut off */
    size_t carriages = 0;
    while (carriages < kept && smtp->line[kept - 1 - carriages] == '\r')
        carriages++;
    if (whole) {
        smtp->bare_lf |= carriages == 0;
        kept -= carriages;
    }
    smtp->line[kept] = '\0';
    smtp->line_kept = (uint16_t)kept;

    if (kept < CODE_DIGITS)
        return refuse(smtp, SMTP_MALFORMED, "a line without a code");
    if (kept > SEPARATOR_AT && smtp->line[SEPARATOR_AT] != ' ' && smtp->line[SEPARATOR_AT] != '-')
        return refuse(smtp, SMTP_MALFORMED, not_a_separator);
    uint16_t code = (uint16_t)((smtp->line[0] - '0') * 100 + (smtp->line[1] - '0') * 10 +
                               (smtp->line[2] - '0'));
    if (smtp->lines == 0)
        smtp->code = code;
    else if (code != smtp->code)
        return refuse(smtp, SMTP_MALFORMED, "lines of one reply with different codes");

    read_text(smtp, smtp_text(smtp));
    smtp->lines++;
    if (kept > SEPARATOR_AT && smtp->line[SEPARATOR_AT] == '-') {
        if (smtp->lines >= LIMIT_SMTP_LINES)
            return refuse(smtp, SMTP_TOO_LONG, "too many lines in one reply");
        return SMTP_LINE;
    }
    return SMTP_REPLY;
}

/* --- one byte --- */

/* Says early what can never become a reply, so that nobody waits for the end of such a line. */
static const char *wrong_byte(uint16_t at, char byte)
{
    if (byte == '\n' || (byte == '\r' && at >= CODE_DIGITS))
        return NULL; /* line_ends judges */
    if (at == 0 && (byte < '2' || byte > '5'))
        return "a code outside 2xx to 5xx";
    if (at > 0 && at < CODE_DIGITS && !is_digit(byte))
        return "no code of three digits";
    if (at == SEPARATOR_AT && byte != ' ' && byte != '-')
        return not_a_separator;
    return NULL;
}

static const char *over_limit(const struct smtp *smtp)
{
    if (smtp->line_size > LIMIT_SMTP_LINE)
        return "a line over the limit";
    if (smtp->reply_size > LIMIT_SMTP_REPLY)
        return "a reply over the limit";
    if (smtp->dialogue_size > LIMIT_SMTP_DIALOGUE)
        return "a dialogue over the limit";
    return NULL;
}

static enum smtp_event take(struct smtp *smtp, char byte)
{
    if (smtp->line_size == 0)
        smtp->line_kept = 0; /* the line before was still readable until now */
    const char *wrong = wrong_byte(smtp->line_size, byte);
    smtp->line_size++;
    smtp->reply_size++;
    smtp->dialogue_size++;
    if (wrong != NULL)
        return refuse(smtp, SMTP_MALFORMED, wrong);
    wrong = over_limit(smtp);
    if (wrong != NULL)
        return refuse(smtp, SMTP_TOO_LONG, wrong);
    if (byte == '\n') {
        enum smtp_event event = line_ends(smtp);
        smtp->line_size = 0;
        return event;
    }
    if (smtp->line_kept < SMTP_LINE_KEPT)
        smtp->line[smtp->line_kept++] = byte;
    return SMTP_MORE;
}

enum smtp_event smtp_feed(struct smtp *smtp, const uint8_t *bytes, size_t size, size_t *used)
{
    CHECK(!smtp->ended);
    enum smtp_event event = SMTP_MORE;
    size_t at = 0;
    while (at < size && event == SMTP_MORE)
        event = take(smtp, (char)bytes[at++]);
    *used = at;
    return event;
}

/* --- what replies mean, and commands --- */

bool smtp_is_rate_signal(const struct smtp *smtp, const char *text)
{
    if (smtp->code < 400)
        return false;
    if (smtp->enhanced_class == 4 && smtp->enhanced_subject == 7)
        return true;
    for (size_t i = 0; i < sizeof rate_words / sizeof *rate_words; i++) {
        if (contains_lower(text, rate_words[i]))
            return true;
    }
    return false;
}

size_t smtp_command(char *out, size_t size, const char *verb, const char *argument)
{
    size_t verb_size = strlen(verb);
    size_t argument_size = argument == NULL ? 0 : strlen(argument);
    size_t whole = verb_size + (argument == NULL ? 0 : 1 + argument_size) + 2;
    if (whole > size)
        return 0;
    for (size_t i = 0; i < argument_size; i++) {
        if (argument[i] <= ' ' || argument[i] > '~')
            return 0;
    }
    memcpy(out, verb, verb_size);
    if (argument != NULL) {
        out[verb_size] = ' ';
        memcpy(out + verb_size + 1, argument, argument_size);
    }
    memcpy(out + whole - 2, "\r\n", 2);
    return whole;
}
