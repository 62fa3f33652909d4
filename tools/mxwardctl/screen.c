/*
 * screen.c - see screen.h. Used by the commands; owns nothing. Nothing here can fail.
 */
#include "tools/mxwardctl/screen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool says_utf8(const char *name)
{
    const char *value = getenv(name);

    return value && (strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "utf-8") ||
                     strstr(value, "UTF8"));
}

/* The first of the three that is set decides, as in the C library. */
static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);

        if (value && value[0])
            return says_utf8(names[i]);
    }
    return false;
}

void screen_init(struct screen *screen, const struct invocation *invocation, FILE *out)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    struct winsize size;

    *screen = (struct screen){.out = out};
    screen->terminal = isatty(fileno(out));
    screen->unicode = locale_is_utf8();
    if (screen->terminal)
        screen->width =
            ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    screen->color = invocation->color == WHEN_ALWAYS ||
                    (invocation->color == WHEN_AUTO && screen->terminal &&
                     (!no_color || !no_color[0]) && term && strcmp(term, "dumb") != 0);
}

void screen_style(const struct screen *screen, enum style style)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "\033[0m",  [STYLE_GOOD] = "\033[32m",  [STYLE_FAIR] = "\033[36m",
        [STYLE_BAD] = "\033[1;31m", [STYLE_DOUBT] = "\033[33m", [STYLE_FAINT] = "\033[2m",
        [STYLE_BOLD] = "\033[1m",
    };

    if (screen->color)
        fputs(codes[style], screen->out);
}

/* One character's bytes: 1 for ASCII and for what is not UTF-8. */
static size_t character_length(const unsigned char *s)
{
    size_t length = s[0] < 0xc2 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 1;

    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 1;
    return length;
}

/* Returns the columns taken. */
static int put_text(const struct screen *screen, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    int columns = 0;

    for (size_t length; *s; s += length, columns++) {
        bool control = *s < 0x20 || *s == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);

        length = character_length(s);
        if (control || (length == 1 && *s >= 0x80) || (length > 1 && !screen->unicode))
            fputc('?', screen->out);
        else
            fwrite(s, 1, length, screen->out);
    }
    return columns;
}

void screen_text(const struct screen *screen, const char *text)
{
    put_text(screen, text);
}

void screen_column(const struct screen *screen, const char *text, int columns)
{
    int used = put_text(screen, text);

    fprintf(screen->out, "%*s", used < columns ? columns - used : 0, "");
}

void screen_styled(const struct screen *screen, enum style style, const char *text)
{
    screen_style(screen, style);
    put_text(screen, text);
    screen_style(screen, STYLE_PLAIN);
}

static const struct class_look {
    const char *name;
    enum style style;
    const char *symbol, *plain;
} looks[] = {
    {"dane", STYLE_GOOD, "◆", "#"},     {"sts", STYLE_GOOD, "◆", "#"},
    {"verified", STYLE_GOOD, "●", "*"}, {"encrypted", STYLE_FAIR, "○", "+"},
    {"unknown", STYLE_DOUBT, "?", "?"}, {"weak", STYLE_BAD, "⊘", "-"},
    {"none", STYLE_BAD, "⊘", "-"},      {"failing", STYLE_BAD, "✗", "x"},
};

static const struct class_look *look_of(const char *class_name)
{
    static const struct class_look other = {"", STYLE_DOUBT, "?", "?"};

    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++)
        if (strcmp(looks[i].name, class_name) == 0)
            return &looks[i];
    return &other;
}

enum style screen_class_style(const char *class_name)
{
    return look_of(class_name)->style;
}

const char *screen_class_symbol(const struct screen *screen, const char *class_name)
{
    return screen->unicode ? look_of(class_name)->symbol : look_of(class_name)->plain;
}
