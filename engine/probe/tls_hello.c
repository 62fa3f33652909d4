/*
 * tls_hello.c - see tls_hello.h. RFC 5246 section 7.4.1 and RFC 6066 section 3 for the bytes.
 *
 * The table of suites is the offer, the names and the judgement in one; it stays below 64 rows,
 * because some old peers read no further.
 */
#include "engine/probe/tls_hello.h"

#include "engine/base/check.h"

#include <string.h>

/* STRONG means: fine with TLS 1.2, and offered because TLS 1.0 has it too. */
enum strength { STRONG, WEAK };

static const struct suite {
    uint16_t number;
    enum strength strength;
    const char *name;
} suites[] = {
    {0xc014, STRONG, "ECDHE-RSA-AES256-SHA"},
    {0xc013, STRONG, "ECDHE-RSA-AES128-SHA"},
    {0xc00a, STRONG, "ECDHE-ECDSA-AES256-SHA"},
    {0xc009, STRONG, "ECDHE-ECDSA-AES128-SHA"},
    {0x0039, STRONG, "DHE-RSA-AES256-SHA"},
    {0x0033, STRONG, "DHE-RSA-AES128-SHA"},
    /* no forward secrecy */
    {0x009d, WEAK, "AES256-GCM-SHA384"},
    {0x009c, WEAK, "AES128-GCM-SHA256"},
    {0x003d, WEAK, "AES256-SHA256"},
    {0x003c, WEAK, "AES128-SHA256"},
    {0x0035, WEAK, "AES256-SHA"},
    {0x002f, WEAK, "AES128-SHA"},
    {0x0084, WEAK, "CAMELLIA256-SHA"},
    {0x0041, WEAK, "CAMELLIA128-SHA"},
    {0x0096, WEAK, "SEED-SHA"},
    {0x0007, WEAK, "IDEA-CBC-SHA"},
    /* DSA keys */
    {0x0038, WEAK, "DHE-DSS-AES256-SHA"},
    {0x0032, WEAK, "DHE-DSS-AES128-SHA"},
    {0x0013, WEAK, "DHE-DSS-DES-CBC3-SHA"},
    /* 3DES and RC4 */
    {0xc012, WEAK, "ECDHE-RSA-DES-CBC3-SHA"},
    {0xc008, WEAK, "ECDHE-ECDSA-DES-CBC3-SHA"},
    {0x0016, WEAK, "DHE-RSA-DES-CBC3-SHA"},
    {0x000a, WEAK, "DES-CBC3-SHA"},
    {0xc011, WEAK, "ECDHE-RSA-RC4-SHA"},
    {0xc007, WEAK, "ECDHE-ECDSA-RC4-SHA"},
    {0x0005, WEAK, "RC4-SHA"},
    {0x0004, WEAK, "RC4-MD5"},
    /* single DES and export keys */
    {0x0015, WEAK, "DHE-RSA-DES-CBC-SHA"},
    {0x0009, WEAK, "DES-CBC-SHA"},
    {0x0014, WEAK, "EXP-DHE-RSA-DES-CBC-SHA"},
    {0x0008, WEAK, "EXP-DES-CBC-SHA"},
    {0x0006, WEAK, "EXP-RC2-CBC-MD5"},
    {0x0003, WEAK, "EXP-RC4-MD5"},
    /* anonymous */
    {0x00a7, WEAK, "ADH-AES256-GCM-SHA384"},
    {0x00a6, WEAK, "ADH-AES128-GCM-SHA256"},
    {0x006d, WEAK, "ADH-AES256-SHA256"},
    {0x006c, WEAK, "ADH-AES128-SHA256"},
    {0x003a, WEAK, "ADH-AES256-SHA"},
    {0x0034, WEAK, "ADH-AES128-SHA"},
    {0xc019, WEAK, "AECDH-AES256-SHA"},
    {0xc018, WEAK, "AECDH-AES128-SHA"},
    {0x001b, WEAK, "ADH-DES-CBC3-SHA"},
    {0x0018, WEAK, "ADH-RC4-MD5"},
    {0xc016, WEAK, "AECDH-RC4-SHA"},
    /* no encryption */
    {0xc010, WEAK, "ECDHE-RSA-NULL-SHA"},
    {0xc006, WEAK, "ECDHE-ECDSA-NULL-SHA"},
    {0x003b, WEAK, "NULL-SHA256"},
    {0x0002, WEAK, "NULL-SHA"},
    {0x0001, WEAK, "NULL-MD5"},
};
enum { SUITES = sizeof suites / sizeof *suites };
static_assert(SUITES < 63, "with renegotiation_info below 64");

enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, CLIENT_HELLO = 1, SERVER_HELLO = 2 };
enum { ALERT_CLOSE = 0 };

/* --- writing --- */

struct writer {
    uint8_t *at, *end;
};

static void put(struct writer *w, const void *bytes, size_t size)
{
    CHECK((size_t)(w->end - w->at) >= size);
    memcpy(w->at, bytes, size);
    w->at += size;
}

static void put16(struct writer *w, size_t value)
{
    const uint8_t bytes[] = {(uint8_t)(value >> 8), (uint8_t)value};
    put(w, bytes, 2);
}

/* Leaves room for a length of two bytes; close_length fills it in. */
static uint8_t *open_length(struct writer *w)
{
    uint8_t *length = w->at;
    put16(w, 0);
    return length;
}

static void close_length(const struct writer *w, uint8_t *length)
{
    size_t size = (size_t)(w->at - length) - 2;
    length[0] = (uint8_t)(size >> 8);
    length[1] = (uint8_t)size;
}

static void put_suites(struct writer *w)
{
    uint8_t *length = open_length(w);
    for (int i = 0; i < SUITES; i++)
        put16(w, suites[i].number);
    put16(w, 0x00ff); /* renegotiation_info (RFC 5746 section 3.3) */
    close_length(w, length);
}

static void put_extensions(struct writer *w, const struct name *server_name)
{
    /* Groups x25519, P-256, P-384, P-521; uncompressed points; every signature there was. */
    static const uint8_t fixed[] = {
        0x00, 0x0a, 0x00, 0x0a, 0x00, 0x08, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x18, 0x00, 0x19, //
        0x00, 0x0b, 0x00, 0x02, 0x01, 0x00,                                                 //
        0x00, 0x0d, 0x00, 0x20, 0x00, 0x1e, 0x06, 0x01, 0x06, 0x03, 0x05, 0x01, 0x05, 0x03, //
        0x04, 0x01, 0x04, 0x03, 0x03, 0x01, 0x03, 0x03, 0x02, 0x01, 0x02, 0x03, 0x04, 0x02, //
        0x02, 0x02, 0x08, 0x04, 0x08, 0x05, 0x01, 0x01};
    uint8_t *all = open_length(w);
    if (server_name->length > 0) {
        put16(w, 0); /* server_name */
        uint8_t *extension = open_length(w);
        uint8_t *list = open_length(w);
        put(w, "\0", 1); /* host_name */
        put16(w, server_name->length);
        put(w, server_name->text, server_name->length);
        close_length(w, list);
        close_length(w, extension);
    }
    put(w, fixed, sizeof fixed);
    close_length(w, all);
}

size_t tls_hello_write(uint8_t out[TLS_HELLO_MAX], const struct name *server_name,
                       const uint8_t random[32])
{
    static const uint8_t head[] = {RECORD_HANDSHAKE, 3, 1}; /* 3.1: understood by everybody */
    static const uint8_t message[] = {CLIENT_HELLO, 0};
    static const uint8_t no_session_and_version[] = {3, 3};
    static const uint8_t no_compression[] = {1, 0};
    struct writer w = {.at = out, .end = out + TLS_HELLO_MAX};

    put(&w, head, sizeof head);
    uint8_t *record = open_length(&w);
    put(&w, message, sizeof message);
    uint8_t *body = open_length(&w);
    put(&w, no_session_and_version, 2);
    put(&w, random, 32);
    put(&w, "\0", 1); /* no session */
    put_suites(&w);
    put(&w, no_compression, 2);
    put_extensions(&w, server_name);
    close_length(&w, body);
    close_length(&w, record);
    return (size_t)(w.at - out);
}

/* --- reading --- */

/* Offsets in what a peer sends first: a record with (the beginning of) a message. */
enum { AT_MESSAGE = 5, AT_VERSION = 9, AT_SESSION = 43, SESSION_MAX = 32 };

static enum tls_answer read_alert(struct tls_hello *hello)
{
    if (hello->kept < 7)
        return TLS_ANSWER_MORE;
    hello->alert = hello->bytes[6];
    return TLS_ANSWER_REFUSED;
}

static enum tls_answer read_server_hello(struct tls_hello *hello)
{
    const uint8_t *bytes = hello->bytes;

    if (hello->kept > AT_MESSAGE && bytes[AT_MESSAGE] != SERVER_HELLO)
        return TLS_ANSWER_OTHER;
    if (hello->kept > AT_VERSION && bytes[AT_VERSION] != 3)
        return TLS_ANSWER_OTHER;
    if (hello->kept <= AT_SESSION)
        return TLS_ANSWER_MORE;
    if (bytes[AT_SESSION] > SESSION_MAX)
        return TLS_ANSWER_OTHER;
    size_t at_suite = AT_SESSION + 1u + bytes[AT_SESSION];
    if (hello->kept < at_suite + 2)
        return TLS_ANSWER_MORE;
    hello->version = (uint16_t)(bytes[AT_VERSION] << 8 | bytes[AT_VERSION + 1]);
    hello->suite = (uint16_t)(bytes[at_suite] << 8 | bytes[at_suite + 1]);
    return TLS_ANSWER_HELLO;
}

/* A warning before the ServerHello (about the server's name) is skipped. */
static bool skip_warning(struct tls_hello *hello)
{
    static const uint8_t length_two[] = {0, 2};
    if (hello->kept < 7 || hello->bytes[0] != RECORD_ALERT || hello->bytes[5] != 1 ||
        hello->bytes[6] == ALERT_CLOSE || memcmp(hello->bytes + 3, length_two, 2) != 0)
        return false;
    hello->kept = (uint8_t)(hello->kept - 7);
    memmove(hello->bytes, hello->bytes + 7, hello->kept);
    return true;
}

static enum tls_answer judge(struct tls_hello *hello)
{
    if (hello->kept > 0 && hello->bytes[0] != RECORD_ALERT && hello->bytes[0] != RECORD_HANDSHAKE)
        return TLS_ANSWER_OTHER;
    if (hello->kept > 1 && hello->bytes[1] != 3)
        return TLS_ANSWER_OTHER;
    if (hello->kept == 0)
        return TLS_ANSWER_MORE;
    return hello->bytes[0] == RECORD_ALERT ? read_alert(hello) : read_server_hello(hello);
}

enum tls_answer tls_hello_read(struct tls_hello *hello, const uint8_t *bytes, size_t size)
{
    enum tls_answer answer = TLS_ANSWER_MORE;

    for (size_t at = 0; at < size && answer == TLS_ANSWER_MORE; at++) {
        CHECK(hello->kept < sizeof hello->bytes); /* judge decides before it is full */
        hello->bytes[hello->kept++] = bytes[at];
        if (!skip_warning(hello))
            answer = judge(hello);
    }
    return answer;
}

/* --- words --- */

static const struct suite *find_suite(uint16_t number)
{
    for (int i = 0; i < SUITES; i++) {
        if (suites[i].number == number)
            return &suites[i];
    }
    return NULL;
}

bool tls_suite_is_weak(uint16_t number)
{
    const struct suite *suite = find_suite(number);
    return suite != NULL && suite->strength == WEAK;
}

const char *tls_suite_name(uint16_t number)
{
    const struct suite *suite = find_suite(number);
    return suite == NULL ? NULL : suite->name;
}
