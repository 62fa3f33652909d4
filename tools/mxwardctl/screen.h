/*
 * screen.h - what a terminal can show: colour, symbols, width. Colour and symbols never say
 * anything that the words beside them do not.
 */
#ifndef MXWARDCTL_SCREEN_H
#define MXWARDCTL_SCREEN_H

#include "tools/mxwardctl/command.h"

enum style { STYLE_PLAIN, STYLE_GOOD, STYLE_FAIR, STYLE_BAD, STYLE_DOUBT, STYLE_FAINT, STYLE_BOLD };

struct screen {
    FILE *out;
    bool color;   /* --color, NO_COLOR, TERM, and whether it is a terminal */
    bool unicode; /* by LC_ALL, LC_CTYPE, LANG */
    bool terminal;
    int width; /* columns; 0: not a terminal */
};

void screen_init(struct screen *screen, const struct invocation *invocation, FILE *out);
void screen_style(const struct screen *screen, enum style style);
/* Text from the daemon: control characters, which it should not have, become '?'. */
void screen_text(const struct screen *screen, const char *text);
/* The same, padded with blanks to `columns` (in characters). */
void screen_column(const struct screen *screen, const char *text, int columns);
void screen_styled(const struct screen *screen, enum style style, const char *text);

enum style screen_class_style(const char *class_name);
const char *screen_class_symbol(const struct screen *screen, const char *class_name);

#endif
