/*
 * signed_paths.c - see signed_paths.h.
 *
 * A path is what OpenSSL has built above the leaf, the root included, named by the SHA-256 of the
 * SHA-256 of each certificate. It is remembered when OpenSSL's own check has found all signatures
 * and dates right; in that moment the path ends at a trusted root, so no peer can fill the table
 * with paths of his own making. A slot is found by the first bytes of the digest.
 */
#include "engine/certificate/signed_paths.h"

#include "engine/base/limits.h"
#include "engine/certificate/certificate.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 1024,                /* of 32 bytes; a few hundred paths exist */
    PATH_MOST = LIMIT_CHAIN + 4, /* what LIMIT_CHAIN + 2 between leaf and root allow */
};

struct signed_paths {
    EVP_MD *sha256; /* fetched once */
    pthread_mutex_t lock;
    uint8_t slots[SLOTS][SHA256_BYTES]; /* all zero: empty */
    _Atomic uint64_t known;
};

struct signed_paths *signed_paths_create(void)
{
    struct signed_paths *paths = calloc(1, sizeof *paths);

    if (paths == NULL)
        return NULL;
    pthread_mutex_init(&paths->lock, NULL);
    paths->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (paths->sha256 != NULL)
        return paths;
    signed_paths_destroy(paths);
    return NULL;
}

void signed_paths_destroy(struct signed_paths *paths)
{
    if (paths == NULL)
        return;
    EVP_MD_free(paths->sha256);
    pthread_mutex_destroy(&paths->lock);
    free(paths);
}

uint64_t signed_paths_known(struct signed_paths *paths)
{
    return atomic_load_explicit(&paths->known, memory_order_relaxed);
}

/* --- the table --- */

static uint8_t *slot_of(struct signed_paths *paths, const uint8_t path[SHA256_BYTES])
{
    return paths->slots[(path[0] << 8 | path[1]) % SLOTS];
}

static bool is_known(struct signed_paths *paths, const uint8_t path[SHA256_BYTES])
{
    bool known;

    pthread_mutex_lock(&paths->lock);
    known = memcmp(slot_of(paths, path), path, SHA256_BYTES) == 0;
    pthread_mutex_unlock(&paths->lock);
    return known;
}

static void remember(struct signed_paths *paths, const uint8_t path[SHA256_BYTES])
{
    pthread_mutex_lock(&paths->lock);
    memcpy(slot_of(paths, path), path, SHA256_BYTES);
    pthread_mutex_unlock(&paths->lock);
}

/* --- one verification --- */

/* Names what stands above the leaf. False: it is nothing that spares a signature, or no memory. */
static bool path_digest(const struct signed_paths *paths, const STACK_OF(X509) * built,
                        uint8_t path[SHA256_BYTES])
{
    uint8_t digests[PATH_MOST][SHA256_BYTES];
    int count = sk_X509_num(built);

    if (count < 3 || count > PATH_MOST) /* with two, only the leaf is signed by another */
        return false;
    for (int i = 1; i < count; i++)
        if (X509_digest(sk_X509_value(built, i), paths->sha256, digests[i - 1], NULL) != 1)
            return false;
    return EVP_Digest(digests, (size_t)(count - 1) * SHA256_BYTES, path, NULL, paths->sha256,
                      NULL) == 1;
}

/* By OpenSSL's comparison, to the second; what it cannot read is not valid. */
static bool all_are_valid(const STACK_OF(X509) * built, int64_t now_s)
{
    time_t now = (time_t)now_s;

    for (int i = 0; i < sk_X509_num(built); i++)
        if (X509_cmp_time(X509_get0_notBefore(sk_X509_value(built, i)), &now) >= 0 ||
            X509_cmp_time(X509_get0_notAfter(sk_X509_value(built, i)), &now) <= 0)
            return false;
    return true;
}

/* Was it signed, and may it have been, by who stands above it? */
static bool leaf_is_signed(const STACK_OF(X509) * built)
{
    X509 *leaf = sk_X509_value(built, 0), *issuer = sk_X509_value(built, 1);
    EVP_PKEY *key = X509_get0_pubkey(issuer);

    return key != NULL && X509_check_issued(issuer, leaf) == X509_V_OK &&
           X509_verify(leaf, key) == 1;
}

/* OpenSSL calls this last but for the constraints on names, when the path is built and is good but
 * for signatures and dates. */
static int check(X509_STORE_CTX *context)
{
    const struct signed_paths_use *use = X509_STORE_CTX_get_app_data(context);
    const STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(context);
    uint8_t path[SHA256_BYTES];
    bool named = path_digest(use->paths, built, path);
    int right;

    if (named && is_known(use->paths, path) && all_are_valid(built, use->now_s) &&
        leaf_is_signed(built)) {
        atomic_fetch_add_explicit(&use->paths->known, 1, memory_order_relaxed);
        return 1;
    }
    right = use->check(context);
    if (named && right == 1)
        remember(use->paths, path);
    return right;
}

int signed_paths_attach(struct signed_paths *paths, X509_STORE_CTX *context, int64_t now_s,
                        struct signed_paths_use *use)
{
    *use = (struct signed_paths_use){
        .paths = paths, .check = X509_STORE_CTX_get_verify(context), .now_s = now_s};
    if (X509_STORE_CTX_set_app_data(context, use) != 1)
        return -ENOMEM;
    X509_STORE_CTX_set_verify(context, check);
    return 0;
}
