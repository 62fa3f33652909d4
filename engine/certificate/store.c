/*
 * store.c - the shared store: each certificate once, all bounded, and the memory of PKIX results.
 *
 * STRIPES small locks; a certificate is found by XXH3 of its DER under a secret seed, so that no
 * peer can aim at a bucket, and compared whole; its SHA-256 is computed once, when it is parsed (a
 * digest for each probe would cost more than all the rest here). A lock covers a walk along a
 * bucket, a list move, or an eviction of at most EVICT_LOOK candidates; parsing, hashing and
 * verifying are done outside. Each stripe has its share of the room.
 *
 * Why eviction is safe: under the stripe's lock a count of 1 is the store's own, and new references
 * come only from certificate_intern under that lock or from somebody who has one already. So an
 * entry with count 1 can be unlinked and dropped.
 *
 * A certificate is mostly verified right after it was added, and reading it again costs a third of
 * that. So each stripe keeps the last that it took as OpenSSL has read it, until somebody verifies
 * it, the next comes, or it is evicted. Those of authorities stay in their entries (x509.h).
 *
 * What is held is counted where the count of an entry leaves 1 (under the lock) and comes back to
 * it (certificate_drop, anywhere), so for a moment it may say too much, never too little. Those met
 * on the way to one that can go are put last, so that they do not stand in the way again.
 *
 * PKIX results: a fixed table of sets of PKIX_WAYS slots, striped the same way; the oldest slot of
 * a set is overwritten. A result is good from when it was found until the first of: age
 * CERTIFICATE_PKIX_S, a not_before or not_after of any certificate involved (roots too), a reload
 * of the roots, or a wall clock that went backwards.
 */
#include "engine/certificate/x509.h"

#include "engine/base/check.h"
#include "engine/base/reference.h"
#include "engine/certificate/openssl_memory.h"
#include "engine/certificate/signed_paths.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <xxhash.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define STRIPES            16
#define EVICT_LOOK         256  /* candidates looked at to make room for one */
#define BYTES_TYPICAL      4096 /* of a certificate with all its facts: sizes the buckets */
#define PKIX_SETS          4096 /* a power of two */
#define PKIX_WAYS          4    /* 4096 * 4 * 64 bytes = 1 MiB */
#define CERTIFICATE_PKIX_S 3600 /* seconds a PKIX result is used again */
#define TRUST_FILES_MAX    4096 /* looked at in a directory of roots */

struct stripe {
    pthread_mutex_t lock;
    struct certificate_entry **buckets;
    struct certificate_entry *newest, *oldest;
    size_t bytes;
    uint64_t kept;
    _Atomic size_t held[2]; /* bytes that others have: of usual certificates, of large ones */
    const struct certificate_entry *last; /* added, and not verified since; NULL: none */
    X509 *last_x509;
};

struct pkix_slot {
    uint8_t chain[SHA256_BYTES]; /* digest of the digests */
    int64_t from_s, until_s;     /* until_s 0: empty */
    uint32_t generation;         /* of the roots */
    int32_t result;
};

struct certificate_store {
    EVP_MD *sha256; /* fetched once: an implicit fetch costs more than the digest */
    uint64_t seed;
    size_t stripe_bytes_max;
    uint64_t bucket_mask;
    struct stripe stripes[STRIPES];
    pthread_mutex_t trust_lock;
    X509_STORE *trust; /* NULL: none loaded */
    uint32_t trust_generation;
    pthread_mutex_t pkix_locks[STRIPES];
    struct pkix_slot *pkix;
    struct signed_paths *signed_paths;
    _Atomic uint64_t interned, parsed, evicted, refused, pkix_asked, pkix_verified;
};

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* --- start and stop --- */

static size_t buckets_for(size_t bytes_max)
{
    size_t buckets = 16;

    while (buckets < bytes_max / STRIPES / BYTES_TYPICAL)
        buckets *= 2;
    return buckets;
}

int certificate_store_create(struct certificate_store **out, size_t bytes_max)
{
    struct certificate_store *store = calloc(1, sizeof *store);
    size_t buckets = buckets_for(bytes_max);
    bool complete;

    if (store == NULL)
        return -ENOMEM;
    store->stripe_bytes_max = bytes_max / STRIPES;
    store->bucket_mask = buckets - 1;
    x509_begin();
    complete = openssl_load_all(NULL) && x509_library_open() == 0;
    store->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    store->pkix = calloc(PKIX_SETS * PKIX_WAYS, sizeof *store->pkix);
    store->signed_paths = signed_paths_create();
    complete = complete && store->sha256 != NULL && store->pkix != NULL &&
               store->signed_paths != NULL &&
               getrandom(&store->seed, sizeof store->seed, 0) == (ssize_t)sizeof store->seed;
    pthread_mutex_init(&store->trust_lock, NULL);
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&store->stripes[i].lock, NULL);
        pthread_mutex_init(&store->pkix_locks[i], NULL);
        store->stripes[i].buckets = calloc(buckets, sizeof *store->stripes[i].buckets);
        complete = complete && store->stripes[i].buckets != NULL;
    }
    if (!complete) {
        certificate_store_destroy(store);
        return -ENOMEM;
    }
    *out = store;
    return 0;
}

void certificate_store_destroy(struct certificate_store *store)
{
    if (store == NULL)
        return;
    for (unsigned i = 0; i < STRIPES; i++) {
        struct certificate_entry *entry = store->stripes[i].newest;

        while (entry != NULL) {
            struct certificate_entry *older = entry->older;

            entry->held = NULL; /* it goes with the stripe */
            certificate_drop(&entry->certificate);
            entry = older;
        }
        X509_free(store->stripes[i].last_x509);
        free(store->stripes[i].buckets);
        pthread_mutex_destroy(&store->stripes[i].lock);
        pthread_mutex_destroy(&store->pkix_locks[i]);
    }
    pthread_mutex_destroy(&store->trust_lock);
    X509_STORE_free(store->trust);
    EVP_MD_free(store->sha256);
    signed_paths_destroy(store->signed_paths);
    free(store->pkix);
    free(store);
}

/* --- a stripe; all of these under its lock --- */

static void stripe_unlink(struct stripe *stripe, struct certificate_entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &stripe->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &stripe->oldest) = entry->newer;
}

static void stripe_link_newest(struct stripe *stripe, struct certificate_entry *entry)
{
    entry->newer = NULL;
    entry->older = stripe->newest;
    *(stripe->newest != NULL ? &stripe->newest->newer : &stripe->oldest) = entry;
    stripe->newest = entry;
}

static bool is_large(const struct certificate_entry *entry)
{
    return entry->bytes > LIMIT_CERTIFICATE_USUAL;
}

static size_t stripe_held(const struct stripe *stripe, bool large)
{
    /* Relaxed: a number that may be old by a moment; whoever adds to it has the lock. */
    return atomic_load_explicit(&stripe->held[large], memory_order_relaxed);
}

/* A reference for somebody else than the store. */
static void stripe_hold(struct certificate_entry *entry)
{
    if (reference_hold(&entry->certificate.references) == 1)
        atomic_fetch_add_explicit(entry->held, entry->bytes, memory_order_relaxed);
}

static struct certificate_entry *stripe_find(struct stripe *stripe, uint64_t bucket,
                                             const uint8_t *der, size_t size)
{
    struct certificate_entry *entry = stripe->buckets[bucket];

    while (entry != NULL &&
           (entry->certificate.der_bytes != size || memcmp(entry->certificate.der, der, size) != 0))
        entry = entry->next;
    if (entry == NULL)
        return NULL;
    stripe_hold(entry);
    stripe_unlink(stripe, entry);
    stripe_link_newest(stripe, entry);
    return entry;
}

static uint64_t bucket_of(const struct certificate_store *store, const uint8_t *der, size_t size,
                          unsigned *stripe)
{
    uint64_t hash = XXH3_64bits_withSeed(der, size, store->seed);

    *stripe = (unsigned)(hash % STRIPES);
    return (hash / STRIPES) & store->bucket_mask;
}

/* What OpenSSL read `entry` from, for the caller; NULL: somebody has it, or it is no more. */
static X509 *stripe_take_x509(struct stripe *stripe, const struct certificate_entry *entry)
{
    X509 *x509 = stripe->last_x509;

    if (stripe->last != entry)
        return NULL;
    stripe->last = NULL;
    stripe->last_x509 = NULL;
    return x509;
}

static void stripe_evict(struct certificate_store *store, struct stripe *stripe,
                         struct certificate_entry *entry)
{
    unsigned unused;
    struct certificate_entry **at = &stripe->buckets[bucket_of(
        store, entry->certificate.der, entry->certificate.der_bytes, &unused)];

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    stripe_unlink(stripe, entry);
    stripe->bytes -= entry->bytes;
    stripe->kept--;
    X509_free(stripe_take_x509(stripe, entry));
    count(&store->evicted);
    certificate_drop(&entry->certificate);
}

/* Could there be room for `fresh` if all went that nobody holds? Large ones take half of it at
 * most, so that they never keep out those that everybody has. */
static bool stripe_may_take(const struct certificate_store *store, const struct stripe *stripe,
                            const struct certificate_entry *fresh)
{
    size_t large = stripe_held(stripe, true), all = stripe_held(stripe, false) + large;

    if (is_large(fresh) && large + fresh->bytes > store->stripe_bytes_max / 2)
        return false;
    return all + fresh->bytes <= store->stripe_bytes_max;
}

/* True if there is room for `fresh`. */
static bool stripe_makes_room(struct certificate_store *store, struct stripe *stripe,
                              const struct certificate_entry *fresh)
{
    if (!stripe_may_take(store, stripe, fresh))
        return false;
    for (unsigned i = 0; i < EVICT_LOOK && stripe->oldest != NULL; i++) {
        struct certificate_entry *entry = stripe->oldest;

        if (stripe->bytes + fresh->bytes <= store->stripe_bytes_max)
            break;
        /* Acquire: partner of the drop that brought it down to the store's own. */
        if (atomic_load_explicit(&entry->certificate.references, memory_order_acquire) == 1) {
            stripe_evict(store, stripe, entry);
        } else {
            stripe_unlink(stripe, entry);
            stripe_link_newest(stripe, entry);
        }
    }
    return stripe->bytes + fresh->bytes <= store->stripe_bytes_max;
}

static void stripe_add(struct stripe *stripe, uint64_t bucket, struct certificate_entry *entry)
{
    entry->held = &stripe->held[is_large(entry)];
    stripe_hold(entry); /* the store's own beside the maker's: from now on it is held */
    entry->next = stripe->buckets[bucket];
    stripe->buckets[bucket] = entry;
    stripe_link_newest(stripe, entry);
    stripe->bytes += entry->bytes;
    stripe->kept++;
}

/* --- interning --- */

static const struct certificate *store_find(struct certificate_store *store, const uint8_t *der,
                                            size_t size)
{
    unsigned which;
    uint64_t bucket = bucket_of(store, der, size, &which);
    struct stripe *stripe = &store->stripes[which];
    struct certificate_entry *entry;

    pthread_mutex_lock(&stripe->lock);
    entry = stripe_find(stripe, bucket, der, size);
    pthread_mutex_unlock(&stripe->lock);
    return entry == NULL ? NULL : &entry->certificate;
}

/* Adds `fresh` and returns it, or the equal one that somebody was quicker with. NULL: no room.
 * Takes `x509`, what it was read from; may be NULL. */
static const struct certificate *store_add(struct certificate_store *store,
                                           struct certificate_entry *fresh, X509 *x509)
{
    const uint8_t *der = fresh->certificate.der;
    size_t size = fresh->certificate.der_bytes;
    unsigned which;
    uint64_t bucket = bucket_of(store, der, size, &which);
    struct stripe *stripe = &store->stripes[which];
    struct certificate_entry *entry;
    bool added;

    pthread_mutex_lock(&stripe->lock);
    entry = stripe_find(stripe, bucket, der, size);
    added = entry == NULL && stripe_makes_room(store, stripe, fresh);
    if (added)
        stripe_add(stripe, bucket, fresh);
    if (added && x509 != NULL) {
        X509 *before = stripe->last_x509;

        stripe->last = fresh;
        stripe->last_x509 = x509;
        x509 = before;
    }
    pthread_mutex_unlock(&stripe->lock);
    X509_free(x509);
    if (added)
        return &fresh->certificate;
    certificate_drop(&fresh->certificate);
    if (entry != NULL)
        return &entry->certificate;
    count(&store->refused);
    return NULL;
}

const struct certificate *certificate_intern(struct certificate_store *store, const uint8_t *der,
                                             size_t size, int *error)
{
    uint8_t sha256[SHA256_BYTES];
    const struct certificate *found;
    struct certificate_entry *fresh;
    X509 *x509;

    *error = 0;
    if (size == 0 || size > LIMIT_CERTIFICATE_BYTES)
        return NULL;
    count(&store->interned);
    found = store_find(store, der, size);
    if (found != NULL)
        return found;
    if (EVP_Digest(der, size, sha256, NULL, store->sha256, NULL) != 1) {
        *error = -ENOMEM;
        return NULL;
    }
    fresh = certificate_parse(der, size, sha256, &x509, error);
    if (fresh == NULL)
        return NULL;
    count(&store->parsed);
    found = store_add(store, fresh, x509);
    if (found == NULL)
        *error = -ENOBUFS;
    return found;
}

bool certificate_store_is_crowded(struct certificate_store *store)
{
    size_t most = store->stripe_bytes_max;

    for (unsigned i = 0; i < STRIPES; i++) {
        size_t large = stripe_held(&store->stripes[i], true);

        if (large > most / 8 * 3 || large + stripe_held(&store->stripes[i], false) > most / 4 * 3)
            return true;
    }
    return false;
}

/* --- roots --- */

static int trust_roots(X509_STORE *trust)
{
    return sk_X509_OBJECT_num(X509_STORE_get0_objects(trust));
}

/* OpenSSL decodes a certificate's extensions at first use, and remembers a failure: here, not in a
 * verification that happens to lack memory. */
static void trust_decode(X509_STORE *trust)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(trust);

    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *root = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

        if (root != NULL)
            X509_check_purpose(root, -1, 0);
    }
}

/* False: it cannot be read, or brought none. */
static bool trust_add_file(X509_STORE *trust, const char *path)
{
    return X509_STORE_load_file_ex(trust, path, x509_library(), NULL) == 1;
}

/* True if any file brought a root, new or known. */
static bool trust_add_directory(X509_STORE *trust, const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    char file[4096];
    bool any = false;

    if (directory == NULL)
        return false;
    for (unsigned i = 0; i < TRUST_FILES_MAX && (entry = readdir(directory)) != NULL; i++)
        if (entry->d_name[0] != '.' &&
            snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < (int)sizeof file)
            any |= trust_add_file(trust, file); /* what is no certificate adds none */
    closedir(directory);
    return any;
}

static void trust_add_system(X509_STORE *trust)
{
    static const char debian_bundle[] = "/etc/ssl/certs/ca-certificates.crt";
    const char *file = getenv(X509_get_default_cert_file_env());
    const char *directory = getenv(X509_get_default_cert_dir_env());

    trust_add_file(trust, file != NULL ? file : X509_get_default_cert_file());
    if (file == NULL && directory == NULL && trust_roots(trust) == 0)
        trust_add_file(trust, debian_bundle);
    if (directory != NULL || trust_roots(trust) == 0)
        trust_add_directory(trust, directory != NULL ? directory : X509_get_default_cert_dir());
}

/* What is given must bring a root, each of the two: what cannot be read would be missed later. */
static int trust_add(X509_STORE *trust, const char *ca_file, const char *ca_directory, char *why,
                     size_t why_size)
{
    if (ca_file != NULL)
        trust_add_file(trust, ca_file);
    if (ca_file != NULL && trust_roots(trust) == 0) {
        snprintf(why, why_size,
                 "probe.ca_file: no certificate can be read from %s (PEM, and readable for the "
                 "daemon's user?)",
                 ca_file);
        return -EINVAL;
    }
    if (ca_directory != NULL && !trust_add_directory(trust, ca_directory)) {
        snprintf(why, why_size,
                 "probe.ca_directory: no certificate can be read from the files in %s (PEM, and "
                 "readable for the daemon's user?)",
                 ca_directory);
        return -EINVAL;
    }
    if (ca_file != NULL || ca_directory != NULL)
        return 0;
    trust_add_system(trust);
    if (trust_roots(trust) > 0)
        return 0;
    snprintf(why, why_size,
             "this system has no certificate authorities to trust: install "
             "ca-certificates, or set probe.ca_file");
    return -ENOENT;
}

static int trust_read(X509_STORE **trust, const char *ca_file, const char *ca_directory, char *why,
                      size_t why_size)
{
    int error;

    x509_begin();
    *trust = X509_STORE_new();
    error = *trust == NULL ? -ENOMEM : trust_add(*trust, ca_file, ca_directory, why, why_size);
    if (error == 0)
        trust_decode(*trust);
    if (x509_out_of_memory() || error == -ENOMEM) { /* roots may be missing, and nobody says so */
        snprintf(why, why_size, "no memory for the certificate authorities");
        error = -ENOMEM;
    }
    if (error != 0)
        X509_STORE_free(*trust);
    return error;
}

int certificate_trust_judge(const char *ca_file, const char *ca_directory, char *why,
                            size_t why_size)
{
    X509_STORE *trust;
    int error = trust_read(&trust, ca_file, ca_directory, why, why_size);

    if (error == 0)
        X509_STORE_free(trust);
    return error;
}

int certificate_trust_load(struct certificate_store *store, const char *ca_file,
                           const char *ca_directory)
{
    X509_STORE *trust, *old;
    char why[256];
    int error = trust_read(&trust, ca_file, ca_directory, why, sizeof why);

    if (error != 0)
        return error;
    pthread_mutex_lock(&store->trust_lock);
    old = store->trust;
    store->trust = trust;
    store->trust_generation++;
    pthread_mutex_unlock(&store->trust_lock);
    X509_STORE_free(old); /* verifications under way hold their own reference */
    return 0;
}

static X509_STORE *trust_hold(struct certificate_store *store, uint32_t *generation)
{
    X509_STORE *trust;

    pthread_mutex_lock(&store->trust_lock);
    trust = store->trust;
    *generation = store->trust_generation;
    if (trust != NULL && X509_STORE_up_ref(trust) != 1)
        trust = NULL;
    pthread_mutex_unlock(&store->trust_lock);
    return trust;
}

/* --- PKIX --- */

/* Moves *until_s down to the next moment after now_s at which the certificate changes validity. */
static void pkix_bound(int64_t *until_s, int64_t now_s, int64_t moment_s)
{
    if (moment_s > now_s && moment_s < *until_s)
        *until_s = moment_s;
}

static void pkix_bound_x509(int64_t *until_s, int64_t now_s, const X509 *x509)
{
    const ASN1_TIME *times[2] = {X509_get0_notBefore(x509), X509_get0_notAfter(x509)};
    struct tm tm;

    for (unsigned i = 0; i < 2; i++)
        if (ASN1_TIME_to_tm(times[i], &tm) == 1)
            pkix_bound(until_s, now_s, (int64_t)timegm(&tm));
}

static X509 *pkix_leaf(struct certificate_store *store, const struct certificate *leaf)
{
    unsigned which;
    X509 *x509;

    (void)bucket_of(store, leaf->der, leaf->der_bytes, &which);
    pthread_mutex_lock(&store->stripes[which].lock);
    x509 = stripe_take_x509(&store->stripes[which], certificate_entry(leaf));
    pthread_mutex_unlock(&store->stripes[which].lock);
    return x509 != NULL ? x509 : certificate_x509(leaf);
}

static int pkix_verify(struct certificate_store *store, X509_STORE *trust,
                       const struct certificate *const *chain, uint8_t chain_count, int64_t now_s,
                       int64_t *until_s)
{
    struct signed_paths_use use;
    X509_STORE_CTX *context;
    STACK_OF(X509) * untrusted;
    X509 *leaf;
    int result = -ENOMEM;

    x509_begin();
    context = X509_STORE_CTX_new_ex(x509_library(), NULL);
    untrusted = certificate_stack(chain, 1, chain_count);
    leaf = pkix_leaf(store, chain[0]);

    *until_s = now_s + CERTIFICATE_PKIX_S;
    for (unsigned i = 0; i < chain_count; i++) {
        pkix_bound(until_s, now_s, chain[i]->not_before_s);
        pkix_bound(until_s, now_s, chain[i]->not_after_s);
    }
    if (context != NULL && untrusted != NULL && leaf != NULL &&
        X509_STORE_CTX_init(context, trust, leaf, untrusted) == 1 &&
        signed_paths_attach(store->signed_paths, context, now_s, &use) == 0) {
        const STACK_OF(X509) * path;

        result = certificate_verify(context, X509_LEVEL_PKIX, now_s, 0);
        path = X509_STORE_CTX_get0_chain(context);
        for (int i = 0; path != NULL && i < sk_X509_num(path); i++)
            pkix_bound_x509(until_s, now_s, sk_X509_value(path, i));
    }
    X509_STORE_CTX_free(context);
    sk_X509_pop_free(untrusted, X509_free);
    X509_free(leaf);
    return result;
}

static bool pkix_chain_digest(const struct certificate_store *store,
                              const struct certificate *const *chain, uint8_t chain_count,
                              uint8_t digest[SHA256_BYTES])
{
    uint8_t digests[LIMIT_CHAIN][SHA256_BYTES];

    for (unsigned i = 0; i < chain_count; i++)
        memcpy(digests[i], chain[i]->sha256, SHA256_BYTES);
    return EVP_Digest(digests, chain_count * sizeof digests[0], digest, NULL, store->sha256,
                      NULL) == 1;
}

/* The slot of this chain, or, for writing, the one to overwrite: the one that ends first. */
static struct pkix_slot *pkix_slot(struct pkix_slot *set, const uint8_t digest[SHA256_BYTES],
                                   bool for_writing)
{
    struct pkix_slot *first = &set[0];

    for (unsigned i = 0; i < PKIX_WAYS; i++) {
        if (set[i].until_s != 0 && memcmp(set[i].chain, digest, SHA256_BYTES) == 0)
            return &set[i];
        if (set[i].until_s < first->until_s)
            first = &set[i];
    }
    return for_writing ? first : NULL;
}

/* Where the results of a chain are kept. */
struct pkix_place {
    uint8_t digest[SHA256_BYTES];
    struct pkix_slot *set;
    pthread_mutex_t *lock;
};

static void pkix_place(struct certificate_store *store, struct pkix_place *place)
{
    uint64_t set = XXH3_64bits_withSeed(place->digest, SHA256_BYTES, store->seed) % PKIX_SETS;

    place->set = &store->pkix[set * PKIX_WAYS];
    place->lock = &store->pkix_locks[set % STRIPES];
}

static bool pkix_remembered(const struct pkix_place *place, uint32_t generation, int64_t now_s,
                            int *result)
{
    const struct pkix_slot *slot;
    bool found;

    pthread_mutex_lock(place->lock);
    slot = pkix_slot(place->set, place->digest, false);
    found = slot != NULL && slot->generation == generation && now_s >= slot->from_s &&
            now_s < slot->until_s;
    if (found)
        *result = slot->result;
    pthread_mutex_unlock(place->lock);
    return found;
}

static void pkix_remember(const struct pkix_place *place, const struct pkix_slot *fresh)
{
    pthread_mutex_lock(place->lock);
    *pkix_slot(place->set, place->digest, true) = *fresh;
    pthread_mutex_unlock(place->lock);
}

int certificate_pkix(struct certificate_store *store, const struct certificate *const *chain,
                     uint8_t chain_count, int64_t now_s)
{
    struct pkix_slot fresh = {.from_s = now_s};
    struct pkix_place place;
    X509_STORE *trust;

    CHECK(chain_count > 0 && chain_count <= LIMIT_CHAIN);
    count(&store->pkix_asked);
    if (!pkix_chain_digest(store, chain, chain_count, place.digest))
        return -ENOMEM;
    trust = trust_hold(store, &fresh.generation);
    if (trust == NULL)
        return -ENOENT;
    pkix_place(store, &place);
    if (!pkix_remembered(&place, fresh.generation, now_s, &fresh.result)) {
        count(&store->pkix_verified);
        fresh.result = pkix_verify(store, trust, chain, chain_count, now_s, &fresh.until_s);
        if (fresh.result >= 0) {
            memcpy(fresh.chain, place.digest, SHA256_BYTES);
            pkix_remember(&place, &fresh);
        }
    }
    X509_STORE_free(trust);
    return fresh.result;
}

const char *certificate_pkix_text(int result)
{
    return result < 0 ? "not verified" : X509_verify_cert_error_string(result);
}

enum pkix_defect certificate_pkix_defect(int result)
{
    if (result < 0)
        return PKIX_NOT_LOOKED;
    switch (result) {
    case X509_V_OK:
        return PKIX_FINE;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return PKIX_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return PKIX_NOT_YET_VALID;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return PKIX_SELF_SIGNED;
    case X509_V_ERR_INVALID_PURPOSE:
        return PKIX_WRONG_PURPOSE;
    case X509_V_ERR_CERT_REVOKED:
        return PKIX_REVOKED;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return PKIX_WEAK;
    default:
        return PKIX_UNTRUSTED;
    }
}

const char *pkix_defect_name(enum pkix_defect defect)
{
    static const char *const names[] = {
        [PKIX_FINE] = "fine",
        [PKIX_EXPIRED] = "expired",
        [PKIX_NOT_YET_VALID] = "not-yet-valid",
        [PKIX_SELF_SIGNED] = "self-signed",
        [PKIX_WRONG_PURPOSE] = "wrong-purpose",
        [PKIX_REVOKED] = "revoked",
        [PKIX_WEAK] = "weak",
        [PKIX_UNTRUSTED] = "untrusted",
        [PKIX_NOT_LOOKED] = "not-looked",
    };

    CHECK((size_t)defect < sizeof names / sizeof *names);
    return names[defect];
}

struct certificate_store_counts certificate_store_counts(struct certificate_store *store)
{
    struct certificate_store_counts counts = {
        .interned = atomic_load_explicit(&store->interned, memory_order_relaxed),
        .parsed = atomic_load_explicit(&store->parsed, memory_order_relaxed),
        .evicted = atomic_load_explicit(&store->evicted, memory_order_relaxed),
        .refused = atomic_load_explicit(&store->refused, memory_order_relaxed),
        .pkix_asked = atomic_load_explicit(&store->pkix_asked, memory_order_relaxed),
        .pkix_verified = atomic_load_explicit(&store->pkix_verified, memory_order_relaxed),
        .pkix_known_paths = signed_paths_known(store->signed_paths),
    };

    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&store->stripes[i].lock);
        counts.kept += store->stripes[i].kept;
        counts.bytes += store->stripes[i].bytes;
        counts.held_bytes +=
            stripe_held(&store->stripes[i], false) + stripe_held(&store->stripes[i], true);
        pthread_mutex_unlock(&store->stripes[i].lock);
    }
    return counts;
}
