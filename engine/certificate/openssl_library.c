/*
 * openssl_library.c - the default provider of OpenSSL behind a filter.
 *
 * Two library contexts: `whole` holds OpenSSL's default provider; `chosen` holds ours, which has no
 * algorithm of its own. It answers OpenSSL's "what can you do?" with the rows of the default
 * provider that stand in the lists below, and hands over that provider's own context, so that from
 * then on OpenSSL calls the default provider's functions directly: nothing of ours is on the way.
 *
 * Only documented functions are used (provider(7), OSSL_PROVIDER_query_operation(3)). The rows of
 * the default provider are constants of libcrypto, the same for all its instances; so the filtered
 * tables are made once and shared, one for each purpose.
 *
 * Weakness: an algorithm that a future default of libssl wants and that is not listed here would
 * not be offered. tests/tls_test.c compares what is offered with the list that we ask for;
 * tests/certificate_test.c compares what is read and verified with the whole library.
 */
#include "engine/certificate/openssl_library.h"

#include "engine/base/check.h"
#include "engine/certificate/openssl_memory.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct openssl_library {
    OSSL_LIB_CTX *whole, *chosen;
    OSSL_PROVIDER *standard, *filter;
    enum openssl_purpose purpose;
};

/* More rows than this of one operation are never wanted. */
enum { ROWS_MAX = 32, OPERATIONS = OSSL_OP__HIGHEST + 1 };

/* Everything that the default provider has of an operation. */
static const char *const all[] = {NULL};

/* By operation: first names of the algorithms that a TLS 1.0 to 1.3 client uses. */
static const char *const *const tls_client[OPERATIONS] = {
    [OSSL_OP_DIGEST] = (const char *const[]){"MD5", "SHA1", "MD5-SHA1", "SHA2-224", "SHA2-256",
                                             "SHA2-384", "SHA2-512", NULL},
    [OSSL_OP_CIPHER] = (const char *const[]){"NULL", "AES-128-GCM", "AES-256-GCM",
                                             "ChaCha20-Poly1305", "AES-128-CBC", "AES-256-CBC",
                                             "AES-128-CBC-HMAC-SHA1", "AES-256-CBC-HMAC-SHA1",
                                             "AES-128-CBC-HMAC-SHA256", "AES-256-CBC-HMAC-SHA256",
                                             "AES-128-CTR", "AES-256-CTR", "ChaCha20", NULL},
    [OSSL_OP_MAC] = (const char *const[]){"HMAC", NULL},
    [OSSL_OP_KDF] = (const char *const[]){"HKDF", "TLS13-KDF", "TLS1-PRF", NULL},
    [OSSL_OP_RAND] = (const char *const[]){"CTR-DRBG", "SEED-SRC", NULL},
    [OSSL_OP_KEYMGMT] = (const char *const[]){"RSA", "RSA-PSS", "EC", "ED25519", "ED448", "X25519",
                                              "X448", "DH", "HMAC", NULL},
    [OSSL_OP_KEYEXCH] = (const char *const[]){"X25519", "X448", "ECDH", "DH", NULL},
    [OSSL_OP_SIGNATURE] = (const char *const[]){"RSA", "ECDSA", "ED25519", "ED448", "HMAC", NULL},
    [OSSL_OP_ASYM_CIPHER] = (const char *const[]){"RSA", NULL}, /* static RSA */
    [OSSL_OP_DECODER] = (const char *const[]){"RSA", "RSA-PSS", "EC", "ED25519", "ED448", NULL},
};

/* The same for certificates: what the public key in one can be, and the signature on one. The
 * generators are what OpenSSL expects of any context. SHA-1 is how it names a certificate. */
static const char *const *const usual_certificates[OPERATIONS] = {
    [OSSL_OP_DIGEST] = (const char *const[]){"SHA1", "SHA2-256", "SHA2-384", "SHA2-512", NULL},
    [OSSL_OP_CIPHER] = (const char *const[]){"AES-256-CTR", NULL}, /* the generators' */
    [OSSL_OP_RAND] = (const char *const[]){"CTR-DRBG", "SEED-SRC", NULL},
    [OSSL_OP_KEYMGMT] = (const char *const[]){"RSA", "EC", NULL},
    [OSSL_OP_SIGNATURE] = (const char *const[]){"RSA", "ECDSA", NULL},
    [OSSL_OP_DECODER] = (const char *const[]){"RSA", "EC", NULL},
};

/* Keys of MACs and key derivations are in no certificate. */
static const char *const *const all_certificates[OPERATIONS] = {
    [OSSL_OP_DIGEST] = all,
    [OSSL_OP_CIPHER] = (const char *const[]){"AES-256-CTR", NULL}, /* the generators' */
    [OSSL_OP_RAND] = (const char *const[]){"CTR-DRBG", "SEED-SRC", NULL},
    [OSSL_OP_KEYMGMT] = (const char *const[]){"RSA", "RSA-PSS", "DSA", "EC", "SM2", "ED25519",
                                              "ED448", "X25519", "X448", "DH", "DHX", NULL},
    [OSSL_OP_SIGNATURE] =
        (const char *const[]){"RSA", "DSA", "ECDSA", "SM2", "ED25519", "ED448", NULL},
    [OSSL_OP_DECODER] = all,
};

static const char *const *const *const wanted[OPENSSL_PURPOSES] = {
    [OPENSSL_TLS_CLIENT] = tls_client,
    [OPENSSL_USUAL_CERTIFICATES] = usual_certificates,
    [OPENSSL_ALL_CERTIFICATES] = all_certificates};

/* Decoders come in many kinds; a certificate has its key in this one. */
static const char *const decoder_properties[] = {"input=der", "structure=SubjectPublicKeyInfo"};

static OSSL_ALGORITHM chosen_rows[OPENSSL_PURPOSES][OPERATIONS][ROWS_MAX + 1];

/* The library that is being loaded by this thread: OpenSSL's call has no room for an argument. */
static _Thread_local struct openssl_library *loading;

static bool first_name_is(const char *names, const char *name)
{
    size_t length = strlen(name);
    return strncmp(names, name, length) == 0 && (names[length] == '\0' || names[length] == ':');
}

static bool is_wanted(enum openssl_purpose purpose, int operation, const OSSL_ALGORITHM *row)
{
    const char *const *names = wanted[purpose][operation];
    bool listed = names == all;
    for (size_t i = 0; names[i] != NULL && !listed; i++)
        listed = first_name_is(row->algorithm_names, names[i]);
    for (size_t i = 0; operation == OSSL_OP_DECODER && listed && i < 2; i++)
        listed = strstr(row->property_definition, decoder_properties[i]) != NULL;
    return listed;
}

static void choose_rows(enum openssl_purpose purpose, const OSSL_PROVIDER *standard)
{
    for (int operation = 0; operation < OPERATIONS; operation++) {
        int no_cache = 0, kept = 0;
        const OSSL_ALGORITHM *row =
            wanted[purpose][operation] == NULL
                ? NULL
                : OSSL_PROVIDER_query_operation(standard, operation, &no_cache);
        CHECK(no_cache == 0); /* else the rows are not constants */
        for (; row != NULL && row->algorithm_names != NULL; row++) {
            if (!is_wanted(purpose, operation, row))
                continue;
            CHECK(kept < ROWS_MAX);
            chosen_rows[purpose][operation][kept++] = *row;
        }
    }
}

/* --- the provider: what OpenSSL calls --- */

static const OSSL_ALGORITHM *query(enum openssl_purpose purpose, int operation, int *no_cache)
{
    *no_cache = 0;
    if (operation < 0 || operation >= OPERATIONS ||
        chosen_rows[purpose][operation][0].algorithm_names == NULL)
        return NULL;
    return chosen_rows[purpose][operation];
}

/* `context` is the default provider's and does not know the purpose. */
static const OSSL_ALGORITHM *query_tls_client(void *context, int operation, int *no_cache)
{
    (void)context;
    return query(OPENSSL_TLS_CLIENT, operation, no_cache);
}

static const OSSL_ALGORITHM *query_usual(void *context, int operation, int *no_cache)
{
    (void)context;
    return query(OPENSSL_USUAL_CERTIFICATES, operation, no_cache);
}

static const OSSL_ALGORITHM *query_all(void *context, int operation, int *no_cache)
{
    (void)context;
    return query(OPENSSL_ALL_CERTIFICATES, operation, no_cache);
}

/* TLS groups. They are constants too; `standard` of any library would do, but OpenSSL asks while
 * SSL_CTX_new runs, long after loading, so a process-wide one answers. */
static OSSL_PROVIDER *capable;

static int get_capabilities(void *context, const char *capability, OSSL_CALLBACK *callback,
                            void *argument)
{
    (void)context;
    return OSSL_PROVIDER_get_capabilities(capable, capability, callback, argument);
}

static void tear_down(void *context)
{
    (void)context; /* the default provider's, who frees it himself */
}

#define TEARS_DOWN                                             \
    {                                                          \
        OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))tear_down \
    }
#define ANSWERS_QUERIES(function)                                      \
    {                                                                  \
        OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))(function) \
    }

static const OSSL_DISPATCH for_tls_client[] = {
    TEARS_DOWN,
    ANSWERS_QUERIES(query_tls_client),
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))get_capabilities},
    {0, NULL}};
static const OSSL_DISPATCH for_usual_certificates[] = {
    TEARS_DOWN, ANSWERS_QUERIES(query_usual), {0, NULL}};
static const OSSL_DISPATCH for_all_certificates[] = {
    TEARS_DOWN, ANSWERS_QUERIES(query_all), {0, NULL}};

static int initialise(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
                      const OSSL_DISPATCH **ours, void **context)
{
    static const OSSL_DISPATCH *const functions[OPENSSL_PURPOSES] = {
        [OPENSSL_TLS_CLIENT] = for_tls_client,
        [OPENSSL_USUAL_CERTIFICATES] = for_usual_certificates,
        [OPENSSL_ALL_CERTIFICATES] = for_all_certificates};

    (void)handle, (void)core;
    *ours = functions[loading->purpose];
    *context = OSSL_PROVIDER_get0_provider_ctx(loading->standard);
    return 1;
}

/* --- open and close --- */

/* Once a process, by whoever opens the first library; but again if that failed. The provider behind
 * `capable` stays for good: OpenSSL's own default one, which every process has anyway. */
static bool prepare(const OSSL_PROVIDER *standard)
{
    static pthread_mutex_t preparing = PTHREAD_MUTEX_INITIALIZER;
    bool prepared;

    pthread_mutex_lock(&preparing);
    if (capable == NULL) {
        capable = OSSL_PROVIDER_load(NULL, "default");
        for (enum openssl_purpose purpose = 0; capable != NULL && purpose < OPENSSL_PURPOSES;
             purpose++)
            choose_rows(purpose, standard);
    }
    prepared = capable != NULL;
    pthread_mutex_unlock(&preparing);
    return prepared;
}

static bool load(struct openssl_library *library)
{
    library->whole = OSSL_LIB_CTX_new();
    library->chosen = OSSL_LIB_CTX_new();
    if (library->whole == NULL || library->chosen == NULL)
        return false;
    library->standard = OSSL_PROVIDER_load(library->whole, "default");
    if (library->standard == NULL || !prepare(library->standard))
        return false;
    loading = library;
    if (OSSL_PROVIDER_add_builtin(library->chosen, "mxward", initialise) == 1)
        library->filter = OSSL_PROVIDER_load(library->chosen, "mxward");
    loading = NULL;
    return library->filter != NULL && openssl_load_all(library->whole) &&
           openssl_load_all(library->chosen);
}

struct openssl_library *openssl_library_open(enum openssl_purpose purpose)
{
    struct openssl_library *library = calloc(1, sizeof *library);

    if (library != NULL)
        library->purpose = purpose;
    if (library != NULL && !load(library)) {
        openssl_library_close(library);
        return NULL;
    }
    return library;
}

void openssl_library_close(struct openssl_library *library)
{
    if (library == NULL)
        return;
    /* Inside out: what was made of `chosen` calls functions with `whole`'s context. */
    if (library->filter != NULL)
        OSSL_PROVIDER_unload(library->filter);
    OSSL_LIB_CTX_free(library->chosen);
    if (library->standard != NULL)
        OSSL_PROVIDER_unload(library->standard);
    OSSL_LIB_CTX_free(library->whole);
    free(library);
}

OSSL_LIB_CTX *openssl_library_context(const struct openssl_library *library)
{
    return library->chosen;
}
