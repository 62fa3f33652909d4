/*
 * openssl_memory.c - see openssl_memory.h. Any thread; the note is the thread's own.
 */
#include "engine/certificate/openssl_memory.h"

#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static _Thread_local bool ran_short;

static void *noting(void *memory, size_t size)
{
    if (memory == NULL && size > 0)
        ran_short = true;
    return memory;
}

static void *noting_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return noting(malloc(size), size);
}

static void *noting_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return noting(realloc(memory, size), size);
}

static void plain_free(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

/* Before main: OpenSSL takes these only before its first allocation. */
__attribute__((constructor)) static void note_memory(void)
{
    (void)CRYPTO_set_mem_functions(noting_malloc, noting_realloc, plain_free);
}

bool openssl_ran_short(void)
{
    bool was = ran_short;

    ran_short = false;
    return was;
}

/* --- loading: to ask for all of an operation is to load them --- */

#define NOBODY(type)                                \
    static void no_##type(type *of, void *argument) \
    {                                               \
        (void)of, (void)argument;                   \
    }
NOBODY(EVP_MD)
NOBODY(EVP_CIPHER)
NOBODY(EVP_MAC)
NOBODY(EVP_KDF)
NOBODY(EVP_RAND)
NOBODY(EVP_KEYMGMT)
NOBODY(EVP_KEYEXCH)
NOBODY(EVP_SIGNATURE)
NOBODY(EVP_ASYM_CIPHER)
NOBODY(EVP_KEM)
NOBODY(OSSL_DECODER)

/* The random generators of the context and of this thread are made when first asked. */
static bool start_random(OSSL_LIB_CTX *context)
{
    uint8_t byte;

    return RAND_bytes_ex(context, &byte, 1, 0) == 1 &&
           RAND_priv_bytes_ex(context, &byte, 1, 0) == 1;
}

bool openssl_load_all(OSSL_LIB_CTX *context)
{
    bool random;

    EVP_MD_do_all_provided(context, no_EVP_MD, NULL);
    EVP_CIPHER_do_all_provided(context, no_EVP_CIPHER, NULL);
    EVP_MAC_do_all_provided(context, no_EVP_MAC, NULL);
    EVP_KDF_do_all_provided(context, no_EVP_KDF, NULL);
    EVP_RAND_do_all_provided(context, no_EVP_RAND, NULL);
    EVP_KEYMGMT_do_all_provided(context, no_EVP_KEYMGMT, NULL);
    EVP_KEYEXCH_do_all_provided(context, no_EVP_KEYEXCH, NULL);
    EVP_SIGNATURE_do_all_provided(context, no_EVP_SIGNATURE, NULL);
    EVP_ASYM_CIPHER_do_all_provided(context, no_EVP_ASYM_CIPHER, NULL);
    EVP_KEM_do_all_provided(context, no_EVP_KEM, NULL);
    OSSL_DECODER_do_all_provided(context, no_OSSL_DECODER, NULL);
    random = start_random(context);
    ERR_clear_error();
    return !openssl_ran_short() && random;
}
