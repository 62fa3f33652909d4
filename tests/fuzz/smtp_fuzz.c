/*
 * smtp_fuzz.c - hostile bytes against the pure SMTP machine.
 *
 * The first byte chooses how the rest is cut. Properties: the events, and everything that can be
 * seen at them, do not depend on the cut; nothing is read beyond what was given; the text is always
 * terminated within its buffer; a reply's code is one of 200..599; no limit is passed; after a
 * refusal nothing is taken.
 */
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/probe/smtp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Everything visible, folded (FNV-1a): two runs that differ anywhere differ here. */
struct fold {
    uint64_t hash;
    unsigned events;
};

static void fold_bytes(struct fold *fold, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        fold->hash = (fold->hash ^ at[i]) * 0x100000001b3u;
}

static void fold_event(struct fold *fold, enum smtp_event event, const struct smtp *smtp,
                       size_t consumed)
{
    const char *line = smtp_line(smtp), *text = smtp_text(smtp);
    CHECK(memchr(line, '\0', SMTP_LINE_KEPT + 1) != NULL);
    CHECK(text >= line && text <= line + SMTP_LINE_KEPT);
    CHECK(smtp->lines <= LIMIT_SMTP_LINES);
    CHECK(smtp->reply_size <= LIMIT_SMTP_REPLY + 1);
    CHECK(smtp->dialogue_size <= LIMIT_SMTP_DIALOGUE + 1);
    if (event == SMTP_LINE || event == SMTP_REPLY) {
        CHECK(smtp->code >= 200 && smtp->code <= 599);
        fold_bytes(fold, line, strlen(line));
        (void)smtp_is_rate_signal(smtp, text);
    }
    uint64_t seen[] = {event,
                       consumed,
                       smtp->code,
                       smtp->keywords,
                       smtp->masked,
                       smtp->bare_lf,
                       smtp->lines,
                       smtp->enhanced_class,
                       smtp->enhanced_subject,
                       smtp->enhanced_detail};
    fold_bytes(fold, seen, sizeof seen);
    fold->events++;
}

/* A private copy of exactly the piece, so that a read beyond it is caught. */
static enum smtp_event feed_piece(struct smtp *smtp, const uint8_t *bytes, size_t size,
                                  size_t *used)
{
    uint8_t *piece = malloc(size);
    CHECK(piece != NULL);
    memcpy(piece, bytes, size);
    enum smtp_event event = smtp_feed(smtp, piece, size, used);
    free(piece);
    CHECK(*used <= size);
    CHECK(event != SMTP_MORE || *used == size);
    return event;
}

static struct fold play(const uint8_t *bytes, size_t size, size_t piece)
{
    static const enum smtp_question asked[] = {SMTP_EHLO, SMTP_OTHER, SMTP_EHLO, SMTP_OTHER};
    struct fold fold = {.hash = 0xcbf29ce484222325u};
    struct smtp smtp;
    smtp_start(&smtp);
    size_t at = 0;
    while (at < size && !smtp.ended) {
        size_t give = size - at < piece ? size - at : piece, used = 0;
        enum smtp_event event = feed_piece(&smtp, bytes + at, give, &used);
        at += used;
        if (event == SMTP_MORE)
            continue;
        fold_event(&fold, event, &smtp, at);
        if (event == SMTP_REPLY)
            smtp_expect(&smtp, asked[fold.events % 4]);
    }
    return fold;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    struct fold whole = play(bytes + 1, size - 1, size);
    struct fold cut = play(bytes + 1, size - 1, (size_t)bytes[0] % 61 + 1);
    CHECK(whole.hash == cut.hash && whole.events == cut.events);
    return 0;
}
