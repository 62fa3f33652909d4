/*
 * signed_paths.h - what authorities have signed for each other, checked once.
 *
 * Some dozens of intermediates sign for nearly all mail hosts. That such a one was signed by the
 * next, and that by its root, is a fact about bytes: it has no date, and asks for no trust. So it
 * is remembered, for each path of authorities by the digest of the whole, and the next leaf below
 * the same path costs one signature instead of two or three.
 *
 * Nothing else is remembered. OpenSSL builds each path anew, from the roots that are trusted now,
 * and checks purposes, constraints and strengths as ever; the dates of all and the leaf's signature
 * are checked here. Only what is all right is decided here: whatever is wrong, or not known, is
 * left to OpenSSL's own function, so that it is OpenSSL who says what is wrong.
 *
 * The table is fixed; a path takes the place of another that falls on it. Any thread.
 */
#ifndef MXWARD_CERTIFICATE_SIGNED_PATHS_H
#define MXWARD_CERTIFICATE_SIGNED_PATHS_H

#include <openssl/x509_vfy.h>

#include <stdatomic.h>
#include <stdint.h>

struct signed_paths;

struct signed_paths *signed_paths_create(void);        /* NULL: no memory */
void signed_paths_destroy(struct signed_paths *paths); /* NULL is fine */

/* For one verification, while its context lives; filled by signed_paths_attach. */
struct signed_paths_use {
    struct signed_paths *paths;
    X509_STORE_CTX_verify_fn check; /* OpenSSL's own: all signatures and dates */
    int64_t now_s;
};

/* After X509_STORE_CTX_init, before X509_verify_cert at `now_s`. Takes the context's application
 * data. -ENOMEM: nothing was changed, all will be checked. */
int signed_paths_attach(struct signed_paths *paths, X509_STORE_CTX *context, int64_t now_s,
                        struct signed_paths_use *use);

/* How often a path was known. */
uint64_t signed_paths_known(struct signed_paths *paths);

#endif
