/*
 * host.c - the other end of a connection: plays its script line by line (see world.h), with a real
 * OpenSSL server for its TLS.
 *
 * Called by world/ring.c, with the allocations paused. A script that is wrong, and a client that
 * does not keep to it, end the play as failed.
 */
#include "tests/plays/world/world.h"

#include "engine/base/check.h"

#include <openssl/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX ((size_t)1 << 20) /* waiting in one direction */

struct bytes {
    uint8_t *at;
    size_t size;
};

struct host {
    const char *line; /* the next one to play; "": done */
    enum host_connect connect;
    struct bytes heard, said; /* as on the wire */
    struct bytes told;        /* by the client, after decryption */
    uint64_t wait_until_ms;
    bool accepted, waiting, closed, reset, endless, may_quit;
    char line_text[2048];
    SSL *ssl;
    BIO *in, *out;
};

/* --- bytes --- */

static void bytes_add(struct bytes *bytes, const void *more, size_t size)
{
    CHECK(bytes->size + size <= BYTES_MAX);
    if (size == 0)
        return;
    bytes->at = realloc(bytes->at, bytes->size + size);
    CHECK(bytes->at != NULL);
    memcpy(bytes->at + bytes->size, more, size);
    bytes->size += size;
}

static void bytes_drop(struct bytes *bytes, size_t size)
{
    bytes->size -= size;
    memmove(bytes->at, bytes->at + size, bytes->size);
}

/* --- lines --- */

static size_t line_length(const char *line)
{
    return strcspn(line, "\n");
}

static const char *next_line(const char *line)
{
    line += line_length(line);
    return *line == '\n' ? line + 1 : line;
}

static bool line_is(const struct host *host, const char *word)
{
    size_t length = strlen(word);

    return strncmp(host->line, word, length) == 0 &&
           (host->line[length] == '\0' || host->line[length] == '\n' || host->line[length] == ' ');
}

/* What stands behind the first word, as text of its own. */
static const char *argument(struct host *host)
{
    size_t length = line_length(host->line), word = strcspn(host->line, " \n");

    if (word == length) {
        host->line_text[0] = '\0';
        return host->line_text;
    }
    CHECK(length - word - 1 < sizeof host->line_text);
    memcpy(host->line_text, host->line + word + 1, length - word - 1);
    host->line_text[length - word - 1] = '\0';
    return host->line_text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 0x20) - 'a' + 10;
}

/* Undoes the escapes of "S!" in place; returns the size. */
static size_t unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '\\') {
            *to++ = *from;
            continue;
        }
        switch (*++from) {
        case 'r':
            *to++ = '\r';
            break;
        case 'n':
            *to++ = '\n';
            break;
        case 't':
            *to++ = '\t';
            break;
        case '0':
            *to++ = '\0';
            break;
        case 'x':
            *to++ = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
            from += 2;
            break;
        default:
            *to++ = *from;
        }
    }
    return (size_t)(to - text);
}

/* --- create --- */

struct host *host_create(const char *script, bool may_quit)
{
    struct host *host = calloc(1, sizeof *host);

    CHECK(host != NULL);
    host->line = script;
    host->may_quit = may_quit;
    if (line_is(host, "connect")) {
        const char *how = argument(host);
        host->connect = strcmp(how, "refused") == 0       ? HOST_REFUSES
                        : strcmp(how, "unreachable") == 0 ? HOST_UNREACHABLE
                                                          : HOST_SILENT;
        host->line = next_line(host->line);
    }
    return host;
}

void host_free(struct host *host)
{
    if (host == NULL)
        return;
    SSL_free(host->ssl); /* frees the BIOs too */
    free(host->heard.at);
    free(host->said.at);
    free(host->told.at);
    free(host);
}

enum host_connect host_connects(const struct host *host)
{
    return host->connect;
}

bool host_done(const struct host *host)
{
    return *host->line == '\0' || host->endless;
}

/* --- TLS --- */

static struct {
    char name[32];
    SSL_CTX *ctx;
} tls_servers[8];

void world_tls_server(const char *name, SSL_CTX *ctx)
{
    for (size_t i = 0; i < sizeof tls_servers / sizeof *tls_servers; i++) {
        if (tls_servers[i].ctx != NULL && strcmp(tls_servers[i].name, name) != 0)
            continue;
        SSL_CTX_free(tls_servers[i].ctx);
        snprintf(tls_servers[i].name, sizeof tls_servers[i].name, "%s", name);
        tls_servers[i].ctx = ctx;
        return;
    }
    CHECK(ctx == NULL); /* too many servers */
}

SSL_CTX *host_tls_server(const char *name)
{
    for (size_t i = 0; i < sizeof tls_servers / sizeof *tls_servers; i++)
        if (tls_servers[i].ctx != NULL && strcmp(tls_servers[i].name, name) == 0)
            return tls_servers[i].ctx;
    return NULL;
}

void host_tls_servers_free(void)
{
    for (size_t i = 0; i < sizeof tls_servers / sizeof *tls_servers; i++) {
        SSL_CTX_free(tls_servers[i].ctx);
        tls_servers[i].ctx = NULL;
    }
}

static void tls_carry_out(struct host *host)
{
    char bytes[4096];
    int got;

    while ((got = BIO_read(host->out, bytes, sizeof bytes)) > 0)
        bytes_add(&host->said, bytes, (size_t)got);
}

static void tls_carry_in(struct host *host)
{
    if (host->heard.size > 0) {
        int taken = BIO_write(host->in, host->heard.at, (int)host->heard.size);
        CHECK(taken == (int)host->heard.size);
        host->heard.size = 0;
    }
}

static void tls_begin(struct host *host, const char *name)
{
    SSL_CTX *ctx = host_tls_server(name);

    if (ctx == NULL) {
        world_fail("no TLS server \"%s\"", name);
        return;
    }
    host->ssl = SSL_new(ctx);
    host->in = BIO_new(BIO_s_mem());
    host->out = BIO_new(BIO_s_mem());
    CHECK(host->ssl != NULL && host->in != NULL && host->out != NULL);
    SSL_set_bio(host->ssl, host->in, host->out);
    SSL_set_accept_state(host->ssl);
}

/* True: the handshake is over, well or not (then the server's alert is on its way). */
static bool tls_handshake_over(struct host *host)
{
    tls_carry_in(host);
    ERR_clear_error();
    int result = SSL_do_handshake(host->ssl);
    int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(host->ssl, result);
    ERR_clear_error();
    tls_carry_out(host);
    if (why == SSL_ERROR_WANT_READ)
        return false;
    if (why != SSL_ERROR_NONE)
        world_note("*", "the server's handshake failed", 29);
    return true;
}

static void tls_read(struct host *host)
{
    char bytes[4096];
    int got;

    tls_carry_in(host);
    ERR_clear_error();
    while ((got = SSL_read(host->ssl, bytes, sizeof bytes)) > 0)
        bytes_add(&host->told, bytes, (size_t)got);
    ERR_clear_error();
    tls_carry_out(host);
}

/* --- playing --- */

static void say(struct host *host, const char *text, size_t size)
{
    world_note("S", text, size);
    if (host->ssl == NULL) {
        bytes_add(&host->said, text, size);
        return;
    }
    ERR_clear_error();
    if (SSL_write(host->ssl, text, (int)size) != (int)size)
        world_note("*", "could not say it inside TLS", 27);
    ERR_clear_error();
    tls_carry_out(host);
}

static void say_line(struct host *host)
{
    bool exact = host->line[1] == '!' || host->endless;
    char text[sizeof host->line_text + 2];
    size_t size;

    snprintf(text, sizeof text, "%s", argument(host));
    size = exact ? unescape(text) : strlen(text);
    if (!exact) {
        memcpy(text + size, "\r\n", 2);
        size += 2;
    }
    say(host, text, size);
}

/* True: the client's line was there (and right, or the play has failed). */
static bool hear_line(struct host *host)
{
    struct bytes *bytes = host->ssl != NULL ? &host->told : &host->heard;
    const uint8_t *end = bytes->size > 0 ? memchr(bytes->at, '\n', bytes->size) : NULL;

    if (end == NULL)
        return false;
    size_t size = (size_t)(end - bytes->at) + 1;
    const char *expected = argument(host);
    size_t length = strlen(expected);
    bool prefix = length > 0 && expected[length - 1] == '*';
    world_note("C", bytes->at, size);
    if (host->may_quit && size == 6 && memcmp(bytes->at, "QUIT\r\n", 6) == 0)
        host->line = "QUIT\nS: 221 bye\nclose"; /* goes on behind the first line */
    else if (size < 2 || bytes->at[size - 2] != '\r')
        world_fail("the client ends a line without CR LF");
    else if (prefix ? size - 2 < length - 1 || memcmp(bytes->at, expected, length - 1) != 0
                    : size - 2 != length || memcmp(bytes->at, expected, length) != 0)
        world_fail("expected \"%s\", the client said \"%.*s\"", expected, (int)size - 2,
                   (const char *)bytes->at);
    bytes_drop(bytes, size);
    return true;
}

static bool eat(struct host *host)
{
    struct bytes *bytes = host->ssl != NULL ? &host->told : &host->heard;

    if (bytes->size == 0)
        return false;
    bytes->size = 0;
    return true;
}

static bool wait_over(struct host *host, uint64_t now_ms)
{
    if (!host->waiting) {
        host->waiting = true;
        host->wait_until_ms = now_ms + strtoull(argument(host), NULL, 10);
    }
    if (now_ms < host->wait_until_ms)
        return false;
    host->waiting = false;
    return true;
}

/* One line; false: it has to wait. */
static bool play_line(struct host *host, uint64_t now_ms)
{
    if (line_is(host, "S:") || line_is(host, "S!")) {
        say_line(host);
    } else if (line_is(host, "C:")) {
        return hear_line(host);
    } else if (line_is(host, "eat")) {
        return eat(host);
    } else if (line_is(host, "wait")) {
        return wait_over(host, now_ms);
    } else if (line_is(host, "TLS")) {
        if (host->ssl == NULL)
            tls_begin(host, argument(host));
        return host->ssl == NULL || tls_handshake_over(host);
    } else if (line_is(host, "goodbye")) {
        (void)SSL_shutdown(host->ssl);
        tls_carry_out(host);
    } else if (line_is(host, "close")) {
        host->closed = true;
    } else if (line_is(host, "reset")) {
        host->reset = true;
    } else if (line_is(host, "endless")) {
        host->endless = true;
        return false;
    } else {
        world_fail("no such action: %.*s", (int)line_length(host->line), host->line);
    }
    return true;
}

void host_accept(struct host *host, uint64_t now_ms)
{
    host->accepted = true;
    host_play(host, now_ms);
}

void host_play(struct host *host, uint64_t now_ms)
{
    if (!host->accepted)
        return;
    if (host->ssl != NULL && SSL_is_init_finished(host->ssl))
        tls_read(host);
    while (*host->line != '\0' && world_failed() == NULL && play_line(host, now_ms))
        host->line = next_line(host->line);
}

uint64_t host_next_ms(const struct host *host)
{
    return host->waiting ? host->wait_until_ms : UINT64_MAX;
}

void host_take(struct host *host, const uint8_t *bytes, size_t size, uint64_t now_ms)
{
    if (!host->closed && !host->reset)
        bytes_add(&host->heard, bytes, size);
    host_play(host, now_ms);
}

int host_give(struct host *host, uint8_t *bytes, size_t size)
{
    if (host->endless && host->said.size == 0)
        say_line(host);
    if (host->said.size == 0)
        return host->reset ? -ECONNRESET : host->closed ? 0 : -EAGAIN;
    size_t given = host->said.size < size ? host->said.size : size;
    memcpy(bytes, host->said.at, given);
    bytes_drop(&host->said, given);
    return (int)given;
}
