/*
 * note.c - see note.h.
 */
#include "engine/probe/note.h"

#include "engine/base/log.h"

#include <stdio.h>
#include <string.h>

/* Stands on a line of its own in place of the first one that does not fit; nothing follows it. No
 * other line can look like it, because each has a head. */
static const char cut[] = "...\n";
enum { CUT = sizeof cut - 1 };

static bool is_cut(const struct evidence *evidence)
{
    size_t used = evidence->transcript_size;
    const char *end = evidence->transcript + used;

    return used > CUT && end[-CUT - 1] == '\n' && memcmp(end - CUT, cut, CUT) == 0;
}

void note_line(struct evidence *evidence, enum note_speaker speaker, const char *line)
{
    static const char *const heads[] = {
        [NOTE_SERVER] = "S: ", [NOTE_CLIENT] = "C: ", [NOTE_REMARK] = "-- "};
    char text[400];
    size_t size = log_escape(text, sizeof text, line, strlen(line));
    size_t room = sizeof evidence->transcript - 1 - evidence->transcript_size;
    char *at = evidence->transcript + evidence->transcript_size;

    if (is_cut(evidence))
        return;
    if (3 + size + 1 + CUT > room) { /* room for the mark is always left */
        memcpy(at, cut, CUT + 1);
        evidence->transcript_size = (uint16_t)(evidence->transcript_size + CUT);
        return;
    }
    memcpy(at, heads[speaker], 3);
    memcpy(at + 3, text, size);
    memcpy(at + 3 + size, "\n", 2);
    evidence->transcript_size = (uint16_t)(evidence->transcript_size + 3 + size + 1);
}

void note_reply_begins(struct evidence *evidence)
{
    evidence->smtp_code = 0;
    evidence->smtp_text[0] = '\0';
}

void note_reply_line(struct evidence *evidence, uint16_t code, const char *text)
{
    size_t used = strlen(evidence->smtp_text);

    evidence->smtp_code = code;
    if (used > 0 && used + 1 < sizeof evidence->smtp_text && text[0] != '\0')
        evidence->smtp_text[used++] = ' ';
    log_escape(evidence->smtp_text + used, sizeof evidence->smtp_text - used, text, strlen(text));
}

void note_greeting(struct evidence *evidence, const char *text)
{
    if (evidence->greeting[0] == '\0')
        log_escape(evidence->greeting, sizeof evidence->greeting, text, strlen(text));
}

void note_detail(struct evidence *evidence, const char *format, va_list arguments)
{
    char text[sizeof evidence->detail];

    vsnprintf(text, sizeof text, format, arguments);
    log_escape(evidence->detail, sizeof evidence->detail, text, strlen(text));
}
