/*
 * tls.c - OpenSSL over memory, as tls.h promises.
 *
 * One BIO serves both directions of a connection: it reads from the copy of what was received and
 * appends to what is to be sent, so there is no buffer besides these two and both are freed as soon
 * as they are empty. OpenSSL's error queue belongs to the thread, not to the connection: it is
 * emptied before each call (begin) and read right after it (explain).
 */
#include "engine/probe/tls.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/certificate/openssl_library.h"
#include "engine/certificate/openssl_memory.h"
#include "engine/probe/tls_hello.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What counts (TLS-15): forward secrecy, AEAD first, no anonymous, no NULL, nothing truncated. */
#define CIPHERS                                                              \
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:" \
    "!aNULL:!eNULL:!PSK:!SRP:!DSS:!AESCCM"
#define CIPHERS_STATIC_RSA ":kRSA+AESGCM:kRSA+AES:!AESCCM"
/* 112 bits: no SHA-1 signatures, no DH below 2048. */
enum { SECURITY_LEVEL = 2 };

/* Bytes of a clear-text answer that go into `why`. */
enum { CLEAR_KEPT = 60 };

typedef int security_callback(const SSL *, const SSL_CTX *, int, int, int, void *, void *);

struct tls_context {
    struct openssl_library *library;
    SSL_CTX *ssl;
    security_callback *standard; /* OpenSSL's own, which SECURITY_LEVEL is about */
    BIO_METHOD *memory;
};

struct tls {
    struct tls_context *context;
    SSL *ssl;
    uint8_t *in; /* received and not yet read by OpenSSL: in[in_at .. in_size-1] */
    size_t in_at, in_size;
    uint8_t *out; /* written by OpenSSL and not yet sent: out[out_at .. out_size-1] */
    size_t out_at, out_size, out_room;
    uint32_t taken; /* bytes since the handshake began, then since it ended */
    bool complete;
    bool resumable;       /* a session of this connection may be kept */
    SSL_SESSION *session; /* of TLS 1.3, the newest that the peer gave; NULL: none */
    struct tls_facts facts;
};

static enum tls_status fail(struct tls *tls, enum tls_failure failure, const char *why);

/* Before whatever may fail: its errors, and its want of memory, are its own. */
static void begin(void)
{
    ERR_clear_error();
    (void)openssl_ran_short();
}

/* --- the BIO --- */

static int memory_read(BIO *bio, char *bytes, size_t size, size_t *got)
{
    struct tls *tls = BIO_get_data(bio);
    size_t there = tls->in_size - tls->in_at;

    BIO_clear_retry_flags(bio);
    *got = size < there ? size : there;
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(bytes, tls->in + tls->in_at, *got);
    tls->in_at += *got;
    if (tls->in_at == tls->in_size) {
        free(tls->in);
        tls->in = NULL;
        tls->in_at = tls->in_size = 0;
    }
    return 1;
}

static int memory_write(BIO *bio, const char *bytes, size_t size, size_t *written)
{
    struct tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *written = 0;
    if (size > LIMIT_TLS_OUT - tls->out_size)
        return 0;
    if (tls->out_size + size > tls->out_room) {
        uint8_t *more = realloc(tls->out, tls->out_size + size);
        if (more == NULL) {
            fail(tls, TLS_FAILURE_OURS, "no memory"); /* before OpenSSL finds a reason of its own */
            return 0;
        }
        tls->out = more;
        tls->out_room = tls->out_size + size;
    }
    memcpy(tls->out + tls->out_size, bytes, size);
    tls->out_size += size;
    *written = size;
    return 1;
}

static long memory_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *memory_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mxward memory");

    if (method != NULL) {
        BIO_meth_set_read_ex(method, memory_read);
        BIO_meth_set_write_ex(method, memory_write);
        BIO_meth_set_ctrl(method, memory_control);
    }
    return method;
}

/* --- the context --- */

/* A prime of anybody's choice comes with an exponent of its length. With a known group ours is
 * short, but OpenSSL checks the peer's number with one of full length, twice: once before it asks
 * here. All of it is one call of ours. */
static bool is_costly(const EVP_PKEY *key, bool *known)
{
    char group[64];
    size_t size = 0;

    *known = EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                            &size) == 1;
    return EVP_PKEY_get_bits(key) > (*known ? LIMIT_DH_GROUP_BITS : LIMIT_DH_BITS);
}

static int may_be_used(const SSL *ssl, const SSL_CTX *context, int operation, int bits, int nid,
                       void *other, void *argument)
{
    struct tls *tls = argument;
    char why[80];
    bool known;

    if (operation == SSL_SECOP_TMP_DH && other != NULL && is_costly(other, &known)) {
        snprintf(why, sizeof why, "a Diffie-Hellman prime of %s%d bits",
                 known ? "" : "its own, of ", EVP_PKEY_get_bits(other));
        fail(tls, TLS_FAILURE_COSTLY, why);
        return 0;
    }
    return tls->context->standard(ssl, context, operation, bits, nid, other, argument);
}

/* The chain is judged later and elsewhere, so OpenSSL's own attempt (without roots it fails, and
 * with them it would be done again for each connection) is not made. */
static int chain_is_judged_later(X509_STORE_CTX *chain, void *nothing)
{
    (void)chain, (void)nothing;
    return 1;
}

/* RFC 5246 section 7.4.1.3: type, length, version, random, session, suite. */
enum { AT_VERSION = 4, AT_SESSION = 38 };

static void note_server_hello(struct tls_facts *facts, SSL *ssl, const uint8_t *message,
                              size_t size)
{
    size_t at_suite = AT_SESSION + 1u + message[AT_SESSION];

    if (at_suite + 2 > size)
        return;
    facts->chosen = (uint16_t)(message[AT_VERSION] << 8 | message[AT_VERSION + 1]);
    facts->chosen_suite = (uint16_t)(message[at_suite] << 8 | message[at_suite + 1]);
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, message + at_suite);
    const char *name =
        cipher != NULL ? SSL_CIPHER_get_name(cipher) : tls_suite_name(facts->chosen_suite);
    facts->chosen_name = name == NULL ? "" : name;
}

/* Alerts and ServerHellos, as they come in. */
static void message_seen(int written, int version, int type, const void *bytes, size_t size,
                         SSL *ssl, void *argument)
{
    struct tls *tls = argument;
    const uint8_t *message = bytes;

    (void)version;
    if (written || tls == NULL)
        return;
    if (type == SSL3_RT_HANDSHAKE && size > AT_SESSION && message[0] == SSL3_MT_SERVER_HELLO)
        note_server_hello(&tls->facts, ssl, message, size);
    if (type == SSL3_RT_ALERT && size == 2) {
        /* In TLS 1.3 the level says nothing (RFC 8446 section 6); before a ServerHello it is no TLS
         * 1.3 yet, whatever SSL_version says. */
        bool levels = tls->facts.chosen == 0 || SSL_version(ssl) != TLS1_3_VERSION;
        bool warning = levels && message[0] == SSL3_AL_WARNING;
        if (!warning && message[1] != SSL_AD_CLOSE_NOTIFY && message[1] != SSL_AD_USER_CANCELLED)
            tls->facts.alert = message[1];
    }
}

/* TLS 1.3 gives sessions when the handshake is over, as many as it likes. 1: it is ours now. */
static int session_given(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_get_app_data(ssl);

    if (!tls->resumable || SSL_version(ssl) != TLS1_3_VERSION)
        return 0;
    SSL_SESSION_free(tls->session);
    tls->session = session;
    return 1;
}

static SSL_CTX *make_context(OSSL_LIB_CTX *library, bool static_rsa)
{
    SSL_CTX *ssl = SSL_CTX_new_ex(library, NULL, TLS_client_method());

    if (ssl == NULL)
        return NULL;
    SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
    /* Padded as Postfix pads it: a ClientHello of 256 to 511 bytes makes some hosts hang (RFC
     * 7685), which mail programs would deliver to. */
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_TLSEXT_PADDING);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, session_given);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, chain_is_judged_later, NULL);
    SSL_CTX_set_msg_callback(ssl, message_seen);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(ssl, static_rsa ? CIPHERS CIPHERS_STATIC_RSA : CIPHERS) == 1)
        return ssl;
    SSL_CTX_free(ssl);
    return NULL;
}

int tls_context_create(struct tls_context **out, bool static_rsa, char *why, size_t why_size)
{
    struct tls_context *context = calloc(1, sizeof *context);

    if (context == NULL)
        return -ENOMEM;
    begin();
    context->library = openssl_library_open(OPENSSL_TLS_CLIENT);
    context->memory = memory_method();
    if (context->library != NULL && context->memory != NULL)
        context->ssl = make_context(openssl_library_context(context->library), static_rsa);
    if (context->ssl != NULL && !openssl_ran_short()) {
        context->standard = SSL_CTX_get_security_callback(context->ssl);
        *out = context;
        return 0;
    }
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    snprintf(why, why_size, "OpenSSL cannot be set up: %s", reason == NULL ? "no memory" : reason);
    ERR_clear_error();
    tls_context_destroy(context);
    return -EIO;
}

void tls_context_destroy(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->memory);
    openssl_library_close(context->library);
    free(context);
}

/* --- one connection --- */

static bool attach_memory(struct tls *tls)
{
    BIO *bio = BIO_new(tls->context->memory);

    if (bio == NULL)
        return false;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio); /* takes the one reference for both directions */
    return true;
}

struct tls *tls_open(struct tls_context *context, const struct name *server_name)
{
    struct tls *tls = calloc(1, sizeof *tls);

    if (tls == NULL)
        return NULL;
    ERR_clear_error();
    tls->context = context;
    tls->facts.cipher = tls->facts.chosen_name = "";
    tls->ssl = SSL_new(context->ssl);
    if (tls->ssl != NULL && attach_memory(tls) && SSL_set_app_data(tls->ssl, tls) == 1 &&
        (server_name->length == 0 ||
         SSL_set_tlsext_host_name(tls->ssl, (const void *)server_name->text) == 1)) {
        SSL_set_msg_callback_arg(tls->ssl, tls);
        SSL_set0_security_ex_data(tls->ssl, tls);
        SSL_set_security_callback(tls->ssl, may_be_used);
        SSL_set_connect_state(tls->ssl);
        return tls;
    }
    tls_close(tls);
    ERR_clear_error();
    return NULL;
}

void tls_close(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_SESSION_free(tls->session);
    SSL_free(tls->ssl);
    free(tls->in);
    free(tls->out);
    free(tls);
}

const struct tls_facts *tls_facts(const struct tls *tls)
{
    return &tls->facts;
}

static enum tls_status fail(struct tls *tls, enum tls_failure failure, const char *why)
{
    if (tls->facts.failure == TLS_FAILURE_NONE) {
        tls->facts.failure = failure;
        snprintf(tls->facts.why, sizeof tls->facts.why, "%s", why);
    }
    return TLS_BROKEN;
}

/* --- what went wrong --- */

/* OpenSSL's reasons for refusing something that a lower floor would take. */
static bool is_below_the_floor(int reason)
{
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_DH_KEY_TOO_SMALL:
    case SSL_R_WRONG_SIGNATURE_TYPE:
    case SSL_R_WRONG_CIPHER_RETURNED:
    case SSL_R_UNKNOWN_CIPHER_RETURNED:
    case SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED:
    case SSL_R_WRONG_CURVE:
        return true;
    default:
        return false;
    }
}

static enum tls_status short_of_memory(struct tls *tls)
{
    ERR_clear_error();
    return fail(tls, TLS_FAILURE_OURS, "no memory");
}

/* After a call that failed: reads and empties the thread's queue. */
static enum tls_status explain(struct tls *tls)
{
    unsigned long first = ERR_peek_error();
    int reason = ERR_GET_REASON(first);
    const char *text = ERR_reason_error_string(first);

    ERR_clear_error();
    if (text == NULL)
        text = "no reason given";
    if (openssl_ran_short())
        return short_of_memory(tls);
    if (tls->facts.alert != 0)
        return fail(tls, TLS_FAILURE_ALERT, tls_alert_name(tls->facts.alert));
    if (ERR_GET_LIB(first) != ERR_LIB_SSL)
        return fail(tls, TLS_FAILURE_GARBLED, text);
    if (tls->facts.chosen != 0 && tls->facts.chosen < TLS1_2_VERSION)
        return fail(tls, TLS_FAILURE_BELOW, tls_version_name(tls->facts.chosen));
    /* In TLS 1.3 nothing weak can be chosen, only what was not offered. */
    if (is_below_the_floor(reason) && tls->facts.chosen_suite >> 8 != 0x13 &&
        tls->facts.chosen != 0)
        return fail(tls, TLS_FAILURE_BELOW, text);
    if (reason == SSL_R_EXCESSIVE_MESSAGE_SIZE)
        return fail(tls, TLS_FAILURE_TOO_LARGE, "a certificate chain over 100 KiB");
    return fail(tls, TLS_FAILURE_GARBLED, text);
}

/* The first bytes of an answer: a TLS record begins with its type and the major version 3. Text
 * means that the peer, or somebody between, went on in clear. */
static bool looks_like_a_record(const uint8_t *bytes, size_t size)
{
    return bytes[0] >= SSL3_RT_CHANGE_CIPHER_SPEC && bytes[0] <= SSL3_RT_APPLICATION_DATA &&
           (size < 2 || bytes[1] == SSL3_VERSION_MAJOR);
}

static bool is_printable(uint8_t byte)
{
    return byte >= ' ' && byte <= '~';
}

static void refuse_first_bytes(struct tls *tls, const uint8_t *bytes, size_t size)
{
    char text[CLEAR_KEPT + 1];
    size_t kept = 0;

    while (kept < size && kept < CLEAR_KEPT && is_printable(bytes[kept])) {
        text[kept] = (char)bytes[kept];
        kept++;
    }
    text[kept] = '\0';
    bool clear = kept == CLEAR_KEPT || kept == size || bytes[kept] == '\r' || bytes[kept] == '\n';
    if (clear)
        fail(tls, TLS_FAILURE_PLAINTEXT, text);
    else
        fail(tls, TLS_FAILURE_GARBLED, "not a TLS record");
}

/* --- bytes in and out --- */

int tls_take(struct tls *tls, const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    if (size > LIMIT_HANDSHAKE_BYTES - tls->taken) {
        fail(tls, TLS_FAILURE_TOO_LARGE, "more bytes than any handshake needs");
        return -EMSGSIZE;
    }
    if (!tls->facts.answered && !looks_like_a_record(bytes, size))
        refuse_first_bytes(tls, bytes, size);
    tls->facts.answered = true;
    tls->taken += (uint32_t)size;
    if (tls->in_at > 0) {
        memmove(tls->in, tls->in + tls->in_at, tls->in_size - tls->in_at);
        tls->in_size -= tls->in_at;
        tls->in_at = 0;
    }
    uint8_t *more = realloc(tls->in, tls->in_size + size);
    if (more == NULL)
        return -ENOMEM;
    tls->in = more;
    memcpy(tls->in + tls->in_size, bytes, size);
    tls->in_size += size;
    return 0;
}

const uint8_t *tls_out(const struct tls *tls, size_t *size)
{
    *size = tls->out_size - tls->out_at;
    return *size == 0 ? NULL : tls->out + tls->out_at;
}

void tls_sent(struct tls *tls, size_t size)
{
    CHECK(size <= tls->out_size - tls->out_at);
    tls->out_at += size;
    if (tls->out_at == tls->out_size) {
        free(tls->out);
        tls->out = NULL;
        tls->out_at = tls->out_size = tls->out_room = 0;
    }
}

/* --- facts of a completed handshake --- */

static void note_group(struct tls *tls)
{
    char *out = tls->facts.group;
    size_t size = sizeof tls->facts.group;
    int group = (int)SSL_get_negotiated_group(tls->ssl);
    const char *name = group > 0 ? SSL_group_to_name(tls->ssl, group) : NULL;
    EVP_PKEY *key = NULL;

    if (name != NULL) {
        snprintf(out, size, "%s", name);
    } else if (SSL_get_peer_tmp_key(tls->ssl, &key) == 1) {
        snprintf(out, size, "DH %d", EVP_PKEY_get_bits(key));
        EVP_PKEY_free(key);
    }
}

static const char *signature_name(int type)
{
    switch (type) {
    case EVP_PKEY_RSA:
        return "RSA";
    case EVP_PKEY_RSA_PSS:
        return "RSA-PSS";
    case EVP_PKEY_EC:
        return "ECDSA";
    case EVP_PKEY_ED25519:
        return "Ed25519";
    case EVP_PKEY_ED448:
        return "Ed448";
    case EVP_PKEY_DSA:
        return "DSA";
    default:
        return "other";
    }
}

static void note_signature(struct tls *tls)
{
    int type = NID_undef, digest = NID_undef;

    if (SSL_get_peer_signature_type_nid(tls->ssl, &type) != 1 || type == NID_undef)
        return;
    if (SSL_get_peer_signature_nid(tls->ssl, &digest) != 1)
        digest = NID_undef;
    snprintf(tls->facts.signature, sizeof tls->facts.signature, "%s%s%s", signature_name(type),
             digest == NID_undef ? "" : "-", digest == NID_undef ? "" : OBJ_nid2sn(digest));
}

static enum tls_status completed(struct tls *tls)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);

    tls->complete = true;
    tls->taken = (uint32_t)(tls->in_size - tls->in_at);
    tls->facts.version = (uint16_t)SSL_version(tls->ssl);
    tls->facts.cipher = SSL_CIPHER_get_name(cipher);
    tls->facts.resumed = SSL_session_reused(tls->ssl) == 1;
    note_group(tls);
    if (!tls->facts.resumed)
        note_signature(tls);
    ERR_clear_error(); /* asking for what is not there may have filled it */
    return TLS_DONE;
}

/* --- the calls that do something --- */

enum tls_status tls_handshake(struct tls *tls)
{
    if (tls->facts.failure != TLS_FAILURE_NONE)
        return TLS_BROKEN;
    begin();
    int result = SSL_do_handshake(tls->ssl);
    int status = SSL_get_error(tls->ssl, result);
    /* Even if OpenSSL could go on without: what the peer makes of that is not the peer's doing. */
    if (openssl_ran_short())
        return short_of_memory(tls);
    if (status == SSL_ERROR_NONE)
        return completed(tls);
    return status == SSL_ERROR_WANT_READ ? TLS_WAIT : explain(tls);
}

enum tls_status tls_read(struct tls *tls, uint8_t *bytes, size_t size, size_t *got)
{
    CHECK(tls->complete);
    *got = 0;
    if (tls->facts.failure != TLS_FAILURE_NONE)
        return TLS_BROKEN;
    begin();
    int result = SSL_read_ex(tls->ssl, bytes, size, got);
    if (result == 1)
        return TLS_DONE;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        return explain(tls);
    }
}

int tls_write(struct tls *tls, const void *bytes, size_t size)
{
    size_t written = 0;

    CHECK(tls->complete);
    if (tls->facts.failure != TLS_FAILURE_NONE)
        return -EIO;
    begin();
    if (SSL_write_ex(tls->ssl, bytes, size, &written) == 1)
        return 0;
    explain(tls);
    return -EIO;
}

void tls_say_goodbye(struct tls *tls)
{
    if (!tls->complete || tls->facts.failure != TLS_FAILURE_NONE)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl); /* 0: ours is on its way, the peer's is not awaited */
    ERR_clear_error();
}

static const struct certificate *intern(X509 *x509, struct certificate_store *store, int *error)
{
    unsigned char *der = NULL;
    int size = i2d_X509(x509, &der);

    if (size <= 0) {
        *error = -ENOMEM; /* it was parsed a moment ago; nothing else can fail */
        return NULL;
    }
    const struct certificate *certificate = certificate_intern(store, der, (size_t)size, error);
    OPENSSL_free(der);
    return certificate;
}

int tls_chain(const struct tls *tls, struct certificate_store *store,
              const struct certificate *chain[LIMIT_CHAIN], unsigned *sent)
{
    STACK_OF(X509) *peer = SSL_get_peer_cert_chain(tls->ssl);
    int count = peer == NULL ? 0 : sk_X509_num(peer);
    int kept = 0;

    CHECK(tls->complete);
    *sent = (unsigned)count;
    for (int i = 0; i < count && i < LIMIT_CHAIN; i++) {
        int error = 0;
        const struct certificate *certificate = intern(sk_X509_value(peer, i), store, &error);
        if (certificate == NULL && error != 0) {
            while (kept > 0)
                certificate_drop(chain[--kept]);
            return error;
        }
        if (certificate == NULL)
            break; /* over our limits: what stands behind it in the chain is of no use either */
        chain[kept++] = certificate;
    }
    return kept;
}

/* --- sessions --- */

/* The library's form of a session is a SEQUENCE in which [3] is the peer's certificate. Offered, it
 * is of no use, and reading it would cost more than the whole resumed handshake. */
enum { TAG_PEER = 3 };

/* `out` may be `der`. The size; 0: it is not as it should be. */
static size_t without_peer_by(uint8_t kept[LIMIT_SESSION_BYTES], uint8_t *out, const uint8_t *der,
                              size_t size)
{
    const unsigned char *at = der;
    size_t used = 0;
    long left = (long)size, length;
    int tag, class;

    if (ASN1_get_object(&at, &length, &tag, &class, left) & 0x80 || tag != V_ASN1_SEQUENCE)
        return 0;
    for (const unsigned char *end = at + length; at < end;) {
        const unsigned char *begin = at;
        if (ASN1_get_object(&at, &length, &tag, &class, end - at) & 0x80)
            return 0;
        at += length;
        if (class == V_ASN1_CONTEXT_SPECIFIC && tag == TAG_PEER)
            continue;
        if ((size_t)(at - begin) > LIMIT_SESSION_BYTES - used)
            return 0;
        memcpy(kept + used, begin, (size_t)(at - begin));
        used += (size_t)(at - begin);
    }
    unsigned char *write = out;
    if ((size_t)ASN1_object_size(1, (int)used, V_ASN1_SEQUENCE) > LIMIT_SESSION_BYTES)
        return 0;
    ASN1_put_object(&write, 1, (int)used, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(write, kept, used);
    return (size_t)(write - out) + used;
}

static size_t without_peer(uint8_t *out, const uint8_t *der, size_t size)
{
    uint8_t kept[LIMIT_SESSION_BYTES]; /* the session's secret, too */
    const size_t used = without_peer_by(kept, out, der, size);

    OPENSSL_cleanse(kept, sizeof kept);
    return used;
}

/* The one that a next connection may offer; NULL: none. */
static SSL_SESSION *given_session(const struct tls *tls)
{
    SSL_SESSION *session = tls->session;

    if (!tls->resumable || tls->facts.failure != TLS_FAILURE_NONE)
        return NULL;
    if (tls->facts.version != TLS1_3_VERSION)
        session = SSL_get_extms_support(tls->ssl) == 1 ? SSL_get0_session(tls->ssl) : NULL;
    return session != NULL && SSL_SESSION_is_resumable(session) ? session : NULL;
}

size_t tls_session(const struct tls *tls, uint8_t bytes[LIMIT_SESSION_BYTES])
{
    CHECK(tls->complete);
    ERR_clear_error();
    SSL_SESSION *session = given_session(tls);
    uint8_t *der = NULL;
    int size = session == NULL ? 0 : i2d_SSL_SESSION(session, &der);
    size_t kept = size <= 0 ? 0 : without_peer(bytes, der, (size_t)size);
    if (size > 0)
        OPENSSL_clear_free(der, (size_t)size);
    ERR_clear_error();
    return kept;
}

bool tls_resume(struct tls *tls, const uint8_t *bytes, size_t size)
{
    CHECK(!tls->complete);
    tls->resumable = true;
    SSL_clear_options(tls->ssl, SSL_OP_NO_TICKET);
    if (size == 0)
        return true;
    ERR_clear_error();
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &bytes, (long)size);
    bool offered = session != NULL && SSL_set_session(tls->ssl, session) == 1;
    SSL_SESSION_free(session);
    ERR_clear_error();
    (void)openssl_ran_short(); /* it only makes the handshake a full one */
    return offered;
}

/* --- words --- */

const char *tls_version_name(uint16_t version)
{
    switch (version) {
    case 0x0002:
        return "SSLv2";
    case SSL3_VERSION:
        return "SSLv3";
    case TLS1_VERSION:
        return "TLSv1";
    case TLS1_1_VERSION:
        return "TLSv1.1";
    case TLS1_2_VERSION:
        return "TLSv1.2";
    case TLS1_3_VERSION:
        return "TLSv1.3";
    default:
        return "unknown";
    }
}

const char *tls_alert_name(uint8_t alert)
{
    return SSL_alert_desc_string_long(alert);
}
