/*
 * note.h - writing down in the evidence what a dialogue said: texts, transcript, detail. Pure.
 *
 * Everything remote is escaped to printable ASCII (CODE-12) and cut to its field; nothing can fail.
 * Only the probe that makes the evidence calls these, before it is handed out.
 */
#ifndef MXWARD_PROBE_NOTE_H
#define MXWARD_PROBE_NOTE_H

#include "engine/facts/evidence.h"

#include <stdarg.h>

/* "S: line" or "C: line" (no line end in `line`), or a remark of ours, "-- remark". */
enum note_speaker { NOTE_SERVER, NOTE_CLIENT, NOTE_REMARK };
void note_line(struct evidence *evidence, enum note_speaker speaker, const char *line);
/* The beginning of a reply: forgets the one before. */
void note_reply_begins(struct evidence *evidence);
/* One line of a reply: its code, and its text joined to what is there. */
void note_reply_line(struct evidence *evidence, uint16_t code, const char *text);
void note_greeting(struct evidence *evidence, const char *text); /* the first line decides */
/* Replaces the detail by a sentence, escaped. */
void note_detail(struct evidence *evidence, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

#endif
