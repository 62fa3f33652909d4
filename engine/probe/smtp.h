/*
 * smtp.h - the client's side of an SMTP dialogue as a pure machine: bytes in, lines and replies
 * out.
 *
 * Knows no socket, no clock and no TLS; allocates nothing; keeps the beginning of one line and no
 * more, so a peer that talks for ever costs nothing. The endpoint script feeds it what it received,
 * gets one event at a time, and decides. The result does not depend on how the bytes were cut
 * (tests/fuzz/smtp_fuzz.c).
 *
 * TLS-01, TLS-02, TLS-05 and the masks of middleboxes stand here and nowhere else; TLS-08 is the
 * caller's, who sees by `used` what follows the reply to STARTTLS, and TLS-09 is smtp_forget.
 *
 * Tolerated because real hosts do it: bare LF and CR CR LF as line ends, a missing text, bytes over
 * 0x7f in texts. Known weakness: an enhanced status code is read from the first line only.
 */
#ifndef MXWARD_PROBE_SMTP_H
#define MXWARD_PROBE_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes kept of a line, for people; what decides stands in the first 32. */
#define SMTP_LINE_KEPT 250

enum smtp_event {
    SMTP_MORE,      /* every byte was taken and the reply is not complete */
    SMTP_LINE,      /* a line that is not the last is complete: smtp_text(); feed the rest */
    SMTP_REPLY,     /* the last line is complete too; what follows was not looked at */
    SMTP_MALFORMED, /* not a reply (TLS-01): `why` says what; the machine takes no more */
    SMTP_TOO_LONG,  /* over LIMIT_SMTP_LINE, _LINES, _REPLY or _DIALOGUE (TLS-02); likewise */
};

/* What the reply answers: only EHLO's has keywords. */
enum smtp_question { SMTP_GREETING, SMTP_EHLO, SMTP_OTHER };

struct smtp {
    uint16_t code; /* of the reply; 0 before its first line */
    uint8_t enhanced_class;
    uint16_t enhanced_subject, enhanced_detail; /* of its first line; class 0: none */
    enum smtp_question question;
    bool ended;             /* MALFORMED or TOO_LONG was said */
    bool masked;            /* a keyword or a greeting that a middlebox has overwritten */
    bool bare_lf;           /* some line of the dialogue ended without CR */
    bool says_esmtp;        /* the greeting says ESMTP */
    uint32_t keywords;      /* KEYWORD_* of facts/evidence.h, of the last EHLO reply */
    uint16_t lines;         /* complete ones of this reply */
    uint16_t line_size;     /* bytes of the current line so far, its end included */
    uint16_t line_kept;     /* bytes in `line` */
    uint32_t reply_size;    /* bytes of this reply so far */
    uint32_t dialogue_size; /* bytes since smtp_start */
    const char *why;        /* for MALFORMED and TOO_LONG: a constant phrase */
    char line[SMTP_LINE_KEPT + 1];
};

void smtp_start(struct smtp *smtp); /* a new connection; the greeting is expected */
/* TLS starts: whatever was learned in clear never was (TLS-09). Limits begin anew. */
void smtp_forget(struct smtp *smtp);
/* The next reply answers this. Called before each reply but the greeting. */
void smtp_expect(struct smtp *smtp, enum smtp_question question);
/* Takes bytes up to the next event; *used says how many. */
enum smtp_event smtp_feed(struct smtp *smtp, const uint8_t *bytes, size_t size, size_t *used);

/* The current line after SMTP_LINE or SMTP_REPLY: all of it (cut), or what stands behind its code.
 * NUL-terminated, but hostile: escape before showing. */
static inline const char *smtp_line(const struct smtp *smtp)
{
    return smtp->line;
}
static inline const char *smtp_text(const struct smtp *smtp)
{
    return smtp->line + (smtp->line_kept > 4 ? 4 : smtp->line_kept);
}

/* Does a refusal mean "too often" rather than "not at all"? `text`: the whole reply,
 * NUL-terminated. 4.7.x counts, and the words that hosts use. */
bool smtp_is_rate_signal(const struct smtp *smtp, const char *text);

/* Writes "VERB argument CR LF" (argument may be NULL). 0: does not fit, or a byte in the argument
 * would end or split the command; else the size, without a NUL. */
size_t smtp_command(char *out, size_t size, const char *verb, const char *argument);

#endif
