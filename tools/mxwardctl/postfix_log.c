/*
 * postfix_log.c - deliveries by TLS, read from lines of Postfix's log (see postfix_log.h). Pure but
 * for the time zone, which the C library knows.
 */
#include "tools/mxwardctl/postfix_log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400

/* --- reading from the left --- */

static bool skip(const char **at, const char *text)
{
    size_t length = strlen(text);

    if (strncmp(*at, text, length) != 0)
        return false;
    *at += length;
    return true;
}

/* At least one byte of those that `is` takes, at most size - 1. */
static bool take(const char **at, char *out, size_t size, bool (*is)(unsigned char))
{
    size_t length = 0;

    while ((*at)[length] != 0 && is((unsigned char)(*at)[length]))
        if (++length >= size)
            return false;
    memcpy(out, *at, length);
    out[length] = 0;
    *at += length;
    return length > 0;
}

static bool is_letter_or_digit(unsigned char c)
{
    return isdigit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}
static bool is_host(unsigned char c)
{
    return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_';
}
static bool is_address(unsigned char c)
{
    return isxdigit(c) || c == '.' || c == ':';
}
static bool is_word(unsigned char c)
{
    return is_letter_or_digit(c) || c == '-' || c == '_';
}
static bool is_tag(unsigned char c)
{
    return is_host(c) || c == '/';
}
static bool is_digit(unsigned char c)
{
    return isdigit(c);
}
static bool is_value(unsigned char c) /* of fields that Postfix fills by itself */
{
    return is_letter_or_digit(c) || strchr("./:!?_-", c) != NULL;
}
static bool is_local(unsigned char c) /* atext of RFC 5322, and UTF-8 */
{
    return is_letter_or_digit(c) || c >= 0x80 || strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL;
}

/* "HOST[ADDRESS]:PORT" */
static bool take_peer(const char **at, struct postfix_connection *peer)
{
    char port[6];

    if (!take(at, peer->host, sizeof peer->host, is_host) || !skip(at, "[") ||
        !take(at, peer->address, sizeof peer->address, is_address) || !skip(at, "]:") ||
        !take(at, port, sizeof port, is_digit))
        return false;
    peer->port = (unsigned)strtoul(port, NULL, 10);
    return peer->port <= UINT16_MAX;
}

/* --- the head of a line --- */

static int64_t utc_s(const struct tm *broken, char sign, int offset_minutes)
{
    struct tm copy = *broken;

    return (int64_t)timegm(&copy) - (sign == '-' ? -60 : 60) * offset_minutes;
}

/* "2026-11-30T07:01:23.123456+00:00", "…Z", "…+0000" */
static bool time_rfc3339(const char **at, int64_t *s)
{
    struct tm broken = {0};
    const char *end = strptime(*at, "%Y-%m-%dT%H:%M:%S", &broken);
    int hours, minutes;
    char sign;

    if (end == NULL)
        return false;
    if (*end == '.')
        for (end++; isdigit((unsigned char)*end); end++)
            ;
    if (*end == 'Z') {
        *s = utc_s(&broken, '+', 0);
        *at = end + 1;
        return true;
    }
    sign = *end;
    if ((sign != '+' && sign != '-') || (sscanf(end + 1, "%2d:%2d", &hours, &minutes) != 2 &&
                                         sscanf(end + 1, "%2d%2d", &hours, &minutes) != 2))
        return false;
    *s = utc_s(&broken, sign, hours * 60 + minutes);
    *at = strchr(end, ' ');
    return *at != NULL;
}

/* "1796022083.123456": journalctl -o short-unix */
static bool time_unix(const char **at, int64_t *s)
{
    char digits[12];

    if (!take(at, digits, sizeof digits, is_digit) || strlen(digits) < 9)
        return false;
    *s = strtoll(digits, NULL, 10);
    if (skip(at, "."))
        while (isdigit((unsigned char)**at))
            ++*at;
    return true;
}

/* "Nov 30 07:01:23": syslog and postlogd; local time, of the last twelve months. */
static bool time_syslog(const char **at, int64_t now_s, int64_t *s)
{
    const time_t now = (time_t)now_s;
    struct tm here, broken = {0};
    const char *end;

    localtime_r(&now, &here);
    end = strptime(*at, "%b %d %H:%M:%S", &broken);
    if (end == NULL)
        return false;
    broken.tm_isdst = -1;
    broken.tm_year = here.tm_year;
    *s = (int64_t)mktime(&broken);
    if (*s > now_s + DAY_S) {
        broken.tm_isdst = -1;
        broken.tm_year = here.tm_year - 1;
        *s = (int64_t)mktime(&broken);
    }
    *at = end;
    return true;
}

static bool take_time(const char **at, int64_t now_s, int64_t *s)
{
    const char *begin = *at;

    if (time_rfc3339(at, s))
        return true;
    *at = begin;
    if (time_syslog(at, now_s, s))
        return true;
    *at = begin;
    return time_unix(at, s);
}

static uint64_t hash(uint64_t seed, const char *text)
{
    for (; *text; text++)
        seed = (seed ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return seed;
}

/* Time, host name, "…/smtp[pid]: "; whatever syslog_name is before it. */
static bool take_head(const char **at, int64_t now_s, int64_t *at_s, uint64_t *process)
{
    char host[256], tag[128], pid[12];
    const char *program;

    if (!take_time(at, now_s, at_s) || !skip(at, " ") || !take(at, host, sizeof host, is_host) ||
        !skip(at, " ") || !take(at, tag, sizeof tag, is_tag) || !skip(at, "[") ||
        !take(at, pid, sizeof pid, is_digit) || !skip(at, "]: "))
        return false;
    program = strrchr(tag, '/');
    if (program == NULL || strcmp(program, "/smtp") != 0)
        return false;
    *process = hash(hash(hash(hash(UINT64_C(0xcbf29ce484222325), host), "/"), tag), pid) | 1;
    return true;
}

/* --- processes --- */

static struct postfix_connection *find(struct postfix_log *log, uint64_t process)
{
    for (size_t i = 0; i < POSTFIX_LOG_PROCESSES; i++)
        if (log->connections[i].process == process)
            return &log->connections[i];
    return NULL;
}

static struct postfix_connection *slot(struct postfix_log *log, uint64_t process)
{
    struct postfix_connection *oldest = find(log, process);

    for (size_t i = 0; oldest == NULL || i < POSTFIX_LOG_PROCESSES; i++) {
        if (oldest != NULL && oldest->process == process)
            return oldest;
        if (oldest == NULL || log->connections[i].at_s < oldest->at_s)
            oldest = &log->connections[i];
    }
    return oldest;
}

/* --- messages --- */

static bool take_trust(const char **at, int *trust)
{
    static const struct {
        const char *word;
        int trust;
    } words[] = {{"Verified", MXW_VERIFIED},
                 {"Trusted", MXW_TRUSTED},
                 {"Untrusted", MXW_ENCRYPTED},
                 {"Anonymous", MXW_ENCRYPTED}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (skip(at, words[i].word)) {
            *trust = words[i].trust;
            return true;
        }
    return false;
}

static unsigned version_of(const char *text)
{
    static const struct {
        const char *text;
        unsigned version;
    } versions[] = {
        {"TLSv1", 0x0301}, {"TLSv1.1", 0x0302}, {"TLSv1.2", 0x0303}, {"TLSv1.3", 0x0304}};

    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (strcmp(text, versions[i].text) == 0)
            return versions[i].version;
    return 0;
}

static bool take_established(const char *at, struct postfix_connection *connection)
{
    char version[16];

    if (!take_trust(&at, &connection->trust) || !skip(&at, " TLS connection established to ") ||
        !take_peer(&at, connection) || !skip(&at, ": ") ||
        !take(&at, version, sizeof version, is_host) || !skip(&at, " with cipher ") ||
        !take(&at, connection->cipher, sizeof connection->cipher, is_word))
        return false;
    connection->tls_version = version_of(version);
    return connection->tls_version != 0;
}

static bool ends_with(const char *text, size_t size, const char *end)
{
    return size >= strlen(end) && strncmp(text + size - strlen(end), end, strlen(end)) == 0;
}

/* The last 32 bytes "AA:BB:…" of a line that begins as Postfix begins it. */
static bool take_key(const char *at, struct postfix_connection *connection)
{
    const size_t digits = 95;
    const char *key;
    size_t out = 0, before;

    if (!take_peer(&at, connection) || !skip(&at, ": subject_CN=") || strlen(at) < digits)
        return false;
    before = strlen(at) - digits;
    key = at + before;
    if (!ends_with(at, before, ", pkey_fingerprint=") &&
        !ends_with(at, before, ", pkey fingerprint=")) /* since Postfix 3.9 */
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (i % 3 == 2 ? key[i] != ':' : !isxdigit((unsigned char)key[i]))
            return false;
        if (i % 3 != 2)
            connection->key_sha256[out++] = (char)(key[i] | 0x20);
    }
    connection->key_sha256[out] = 0;
    return true;
}

static bool take_recipient(const char **at, char *domain, size_t size)
{
    char local[320];

    return skip(at, "<") && take(at, local, sizeof local, is_local) && skip(at, "@") &&
           take(at, domain, size, is_host) && skip(at, ">");
}

/* Since Postfix 3.11: "LEVEL/…", each with what became of it. In clear it is "none" or "may:none";
 * "!" was not met, "?" is not known. */
static bool was_by_tls(const char *value)
{
    const size_t level = strcspn(value, "/");

    return strchr(value, '!') == NULL && memchr(value, '?', level) == NULL &&
           !ends_with(value, level, "none");
}

/* Fields between relay and status, each ", name=value"; false: not sent by a connection of its own.
 */
static bool take_fields(const char *at)
{
    char name[32], value[128];
    bool delivered = false;

    while (!skip(&at, ", status=sent (")) {
        if (!skip(&at, ", ") || !take(&at, name, sizeof name, is_word) || !skip(&at, "=") ||
            !take(&at, value, sizeof value, is_value))
            return false;
        if (strcmp(name, "conn_use") == 0)
            return false;
        if (strcmp(name, "tls") == 0 && !was_by_tls(value))
            return false;
        if (strcmp(name, "dsn") == 0)
            delivered = strncmp(value, "2.", 2) == 0;
    }
    return delivered;
}

static bool is_delivery_of(const char *at, struct postfix_connection *connection, char *domain,
                           size_t size)
{
    struct postfix_connection relay = {0};
    char queue_id[sizeof connection->queue_id], original[256];

    if (!take(&at, queue_id, sizeof queue_id, is_word) || !skip(&at, ": to=") ||
        !take_recipient(&at, domain, size) ||
        (skip(&at, ", orig_to=") && !take_recipient(&at, original, sizeof original)) ||
        !skip(&at, ", relay=") || !take_peer(&at, &relay) || !take_fields(at))
        return false;
    if (connection->queue_id[0] == 0)
        memcpy(connection->queue_id, queue_id, sizeof queue_id);
    return strcmp(connection->queue_id, queue_id) == 0 &&
           strcmp(connection->host, relay.host) == 0 &&
           strcmp(connection->address, relay.address) == 0 && connection->port == relay.port;
}

/* Postfix says so once for each EHLO, where it is told to (smtp_discard_ehlo_keywords): the one
 * inside TLS belongs to the connection, another one to the next. */
static bool is_ehlo_inside(const char *at, struct postfix_connection *connection)
{
    const bool first = !connection->greeted && connection->queue_id[0] == 0;

    connection->greeted = true;
    return first && connection->trust != MXW_CLEAR && skip(&at, "discarding EHLO keywords: ");
}

static void connection_begins(struct postfix_log *log, const struct postfix_connection *fresh)
{
    struct postfix_connection *known = slot(log, fresh->process);
    char key[sizeof known->key_sha256] = "";

    if (known->process == fresh->process && known->trust == MXW_CLEAR &&
        strcmp(known->host, fresh->host) == 0 && strcmp(known->address, fresh->address) == 0)
        memcpy(key, known->key_sha256, sizeof key);
    *known = *fresh;
    memcpy(known->key_sha256, key, sizeof key);
}

bool postfix_log_line(struct postfix_log *log, const char *line, size_t size, int64_t now_s,
                      struct postfix_delivery *delivery)
{
    char text[POSTFIX_LOG_LINE];
    const char *at = text;
    struct postfix_connection fresh = {0}, *known;

    if (size >= sizeof text || memchr(line, 0, size) != NULL)
        return false;
    memcpy(text, line, size);
    text[size] = 0;
    if (!take_head(&at, now_s, &fresh.at_s, &fresh.process))
        return false;
    known = find(log, fresh.process);
    if (known != NULL && known->trust != MXW_CLEAR && fresh.at_s >= known->at_s &&
        fresh.at_s - known->at_s <= POSTFIX_LOG_KEEP_S &&
        is_delivery_of(at, known, delivery->domain, sizeof delivery->domain)) {
        delivery->connection = *known;
        return true;
    }
    if (take_established(at, &fresh)) {
        connection_begins(log, &fresh);
        return false;
    }
    if (take_key(at, &fresh)) {
        fresh.trust = MXW_CLEAR;
        *slot(log, fresh.process) = fresh;
    } else if (known != NULL && !is_ehlo_inside(at, known)) {
        memset(known, 0, sizeof *known);
    }
    return false;
}
