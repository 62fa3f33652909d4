/*
 * postfix_log_fuzz.c - any bytes as lines of Postfix's log.
 *
 * Properties: whatever is taken for a delivery is made of plain bytes and sane numbers; a line
 * before it said that a TLS connection to that very host, address and port was established; the
 * line itself says that it was sent there; and what a remote server replied, which is the rest of
 * the line, changes nothing.
 */
#include "tools/mxwardctl/postfix_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1796022088)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void must_be_plain(const char *text, size_t size, const char *others)
{
    must(text[0] != 0 && memchr(text, 0, size) != NULL);
    for (; *text; text++)
        must((*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
             (*text >= 'A' && *text <= 'Z') || strchr(others, *text) != NULL);
}

/* In memory of exactly `size` bytes, so that a read beyond it is caught. */
static bool read_exactly(struct postfix_log *log, const char *line, size_t size,
                         struct postfix_delivery *delivery)
{
    char *copy = malloc(size + 1);
    must(copy != NULL);
    memcpy(copy + 1, line, size);
    bool taken = postfix_log_line(log, copy + 1, size, NOW_S, delivery);
    free(copy);
    return taken;
}

static void must_be_sane(const struct postfix_delivery *delivery)
{
    const struct postfix_connection *seen = &delivery->connection;

    must_be_plain(delivery->domain, sizeof delivery->domain, ".-_");
    must_be_plain(seen->host, sizeof seen->host, ".-_");
    must_be_plain(seen->address, sizeof seen->address, ".:");
    must_be_plain(seen->cipher, sizeof seen->cipher, "-_");
    must_be_plain(seen->queue_id, sizeof seen->queue_id, "-_");
    must(seen->port <= UINT16_MAX && seen->trust > MXW_CLEAR && seen->trust <= MXW_VERIFIED);
    must(seen->tls_version >= 0x0301 && seen->tls_version <= 0x0304);
    must(seen->key_sha256[0] == 0 || strlen(seen->key_sha256) == 64);
    must(strspn(seen->key_sha256, "0123456789abcdef") == strlen(seen->key_sha256));
}

/* `before` is everything up to the line. */
static void must_be_said(const struct postfix_delivery *delivery, const char *before, size_t size,
                         const char *line, size_t length)
{
    const struct postfix_connection *seen = &delivery->connection;
    char words[512];
    int written = snprintf(words, sizeof words,
                           " TLS connection established to %s[%s]:", seen->host, seen->address);

    must(memmem(before, size, words, (size_t)written) != NULL);
    written = snprintf(words, sizeof words, ", relay=%s[%s]:", seen->host, seen->address);
    must(memmem(line, length, words, (size_t)written) != NULL);
    written = snprintf(words, sizeof words, "@%s>", delivery->domain);
    must(memmem(line, length, words, (size_t)written) != NULL);
}

/* The line again, up to where the reply begins. */
static void reply_counts_for_nothing(const struct postfix_log *log, const char *line, size_t length,
                                     const struct postfix_delivery *delivery)
{
    static const char sent[] = ", status=sent (";
    static struct postfix_log again;
    const char *end = memmem(line, length, sent, strlen(sent));
    struct postfix_delivery same = {0};

    must(end != NULL);
    again = *log;
    must(read_exactly(&again, line, (size_t)(end - line) + strlen(sent), &same));
    must(strcmp(same.domain, delivery->domain) == 0);
    must(strcmp(same.connection.host, delivery->connection.host) == 0);
    must(strcmp(same.connection.address, delivery->connection.address) == 0);
    must(strcmp(same.connection.key_sha256, delivery->connection.key_sha256) == 0);
    must(same.connection.at_s == delivery->connection.at_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct postfix_log log;
    const char *text = (const char *)data;
    size_t at = 0;

    setenv("TZ", "UTC", 0);
    memset(&log, 0, sizeof log);
    while (at < size) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        const size_t length = end != NULL ? (size_t)(end - line) : size - at;
        struct postfix_delivery delivery = {0};

        if (read_exactly(&log, line, length, &delivery)) {
            must_be_sane(&delivery);
            must_be_said(&delivery, text, at, line, length);
            reply_counts_for_nothing(&log, line, length, &delivery);
        }
        at += length + 1;
    }
    return 0;
}
