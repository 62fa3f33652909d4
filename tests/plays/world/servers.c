/*
 * servers.c - see servers.h. Everything is made afresh, so nothing in a play depends on a file.
 */
#include "tests/plays/world/servers.h"

#include "engine/base/check.h"
#include "tests/pki.h"
#include "tests/plays/world/names.h"
#include "tests/plays/world/world.h"

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <unistd.h>

static X509 *root;

static SSL_CTX *tls_server(int most, EVP_PKEY *key, X509 *leaf, X509 *issuer)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    PKI_NEEDS(ctx != NULL);
    SSL_CTX_set_security_level(ctx, 0);
    PKI_NEEDS(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION) == 1);
    PKI_NEEDS(SSL_CTX_set_max_proto_version(ctx, most) == 1);
    PKI_NEEDS(SSL_CTX_use_certificate(ctx, leaf) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
    if (issuer != NULL)
        PKI_NEEDS(X509_up_ref(issuer) == 1 && SSL_CTX_add0_chain_cert(ctx, issuer) == 1);
    return ctx;
}

/* Some 10 KiB of names. */
static X509 *big_certificate(EVP_PKEY *key)
{
    char names[16384];
    size_t size = 0;

    for (int i = 0; i < 300; i++)
        size += (size_t)snprintf(names + size, sizeof names - size, "%sDNS:%032d.example",
                                 i == 0 ? "" : ",", i);
    return pki_certificate(
        &(struct pki_spec){.common_name = "big", .alternative = names, .key = key});
}

static void make_blobs(const X509 *leaf)
{
    uint8_t digest[SHA256_DIGEST_LENGTH] = {0}, *der = NULL;
    size_t size;

    world_blob("other", digest, sizeof digest);
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
    PKI_NEEDS(length > 0);
    world_blob("leaf", SHA256(der, (size_t)length, digest), sizeof digest);
    OPENSSL_free(der);
    der = pki_der(root, &size);
    world_blob("root", SHA256(der, size, digest), sizeof digest);
    OPENSSL_free(der);
}

static void make_stranger(void)
{
    EVP_PKEY *key = pki_key_ec();
    X509 *leaf = pki_certificate(&(struct pki_spec){
        .common_name = "stranger", .alternative = "DNS:*.mail.example", .key = key});

    world_tls_server("stranger", tls_server(TLS1_3_VERSION, key, leaf, NULL));
    X509_free(leaf);
    EVP_PKEY_free(key);
}

void servers_make(void)
{
    EVP_PKEY *root_key = pki_key_ec(), *key = pki_key_ec();

    X509_free(root);
    root = pki_certificate(&(struct pki_spec){.common_name = "root", .ca = true, .key = root_key});
    X509 *leaf = pki_certificate(
        &(struct pki_spec){.common_name = "mx.example",
                           .alternative = "DNS:mx.example,DNS:*.mail.example,DNS:signed.example",
                           .key = key,
                           .issuer = root,
                           .issuer_key = root_key});
    SSL_CTX *demanding = tls_server(TLS1_3_VERSION, key, leaf, root);
    SSL_CTX *huge = tls_server(TLS1_3_VERSION, key, leaf, root);

    SSL_CTX_set_verify(demanding, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    for (int i = 0; i < 12; i++)
        PKI_NEEDS(SSL_CTX_add0_chain_cert(huge, big_certificate(root_key)) == 1);
    world_tls_server("", tls_server(TLS1_3_VERSION, key, leaf, root));
    world_tls_server("1.2", tls_server(TLS1_2_VERSION, key, leaf, root));
    world_tls_server("old", tls_server(TLS1_VERSION, key, leaf, root));
    world_tls_server("demanding", demanding);
    world_tls_server("huge", huge);
    make_stranger();
    make_blobs(leaf);
    X509_free(leaf);
    EVP_PKEY_free(key);
    EVP_PKEY_free(root_key);
}

void servers_trust(struct certificate_store *certificates)
{
    char path[] = "/tmp/mxward-play-XXXXXX";
    int descriptor = mkstemp(path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");

    PKI_NEEDS(file != NULL && PEM_write_X509(file, root) == 1);
    PKI_NEEDS(fclose(file) == 0);
    PKI_NEEDS(certificate_trust_load(certificates, path, NULL) == 0);
    unlink(path);
}
