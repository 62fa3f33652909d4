/*
 * dane_test.c - claims about TLSA matching, and OpenSSL's own DANE as the oracle.
 *
 * The oracle is a real handshake in memory between two SSLs: the client has SSL_dane_* set up as
 * DANE-38 says (no name checks for DANE-EE, DANE-27), no roots, the same time and the same security
 * level as ours. Every chain below is tried with every single record that can be made of its
 * certificates, and with thousands of random sets. Where we differ, the row of `differences` says
 * which rule demands it; any other difference fails.
 */
#include "engine/policy/dane.h"

#include "tests/pki.h"

#include <check.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define HOST "mx.example"

/* --- certificates and chains --- */

enum which {
    LEAF,
    CA,
    ROOT,
    OTHER, /* a root of its own */
    WHICH_COUNT
};

#define CHAIN_MAX 5
struct chain {
    const char *name;
    X509 *parts[WHICH_COUNT]; /* what records are made of */
    EVP_PKEY *leaf_key;
    unsigned count;
    X509 *sent[CHAIN_MAX];
};

#define CHAINS_MAX 40
static struct chain chains[CHAINS_MAX];
static unsigned chain_count;
static EVP_PKEY *leaf_key, *ca_key, *root_key, *other_key, *weak_key;
static X509 *other;
static struct certificate_store *store;

/* What differs from the sound chain; zero is sound. */
struct defects {
    struct pki_spec leaf, ca, root;
    EVP_PKEY *leaf_key;
    bool self_signed;
    bool forged; /* the leaf's signature is not its issuer's */
};

static X509 *part(const struct pki_spec *defect, struct pki_spec base)
{
    base.not_before_s = defect->not_before_s;
    base.not_after_s = defect->not_after_s;
    base.extended_usage = defect->extended_usage;
    base.name_constraints = defect->name_constraints;
    base.constraints = defect->constraints;
    base.digest = defect->digest;
    return pki_certificate(&base);
}

static struct chain *chain_new(const char *name, const struct defects *defects)
{
    struct chain *chain = &chains[chain_count++];

    PKI_NEEDS(chain_count <= CHAINS_MAX);
    chain->name = name;
    chain->leaf_key = defects->leaf_key != NULL ? defects->leaf_key : leaf_key;
    chain->parts[ROOT] =
        part(&defects->root, (struct pki_spec){.key = root_key, .common_name = "root", .ca = true});
    chain->parts[CA] = part(&defects->ca, (struct pki_spec){.key = ca_key,
                                                            .common_name = "ca",
                                                            .ca = true,
                                                            .issuer = chain->parts[ROOT],
                                                            .issuer_key = root_key});
    chain->parts[LEAF] = part(
        &defects->leaf, (struct pki_spec){.key = chain->leaf_key,
                                          .common_name = "leaf",
                                          .alternative = "DNS:" HOST,
                                          .issuer = defects->self_signed ? NULL : chain->parts[CA],
                                          .issuer_key = defects->self_signed ? NULL
                                                        : defects->forged    ? other_key
                                                                             : ca_key});
    chain->parts[OTHER] = other;
    return chain;
}

static void chain_sends(struct chain *chain, const enum which *which, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        chain->sent[chain->count++] = chain->parts[which[i]];
}
#define SENDS(chain, ...)                                 \
    chain_sends(chain, (const enum which[]){__VA_ARGS__}, \
                sizeof((const enum which[]){__VA_ARGS__}) / sizeof(enum which))

static void chains_make(void)
{
    const struct defects sound = {0};
    const int64_t past_s = PKI_NOW_S - 1, future_s = PKI_NOW_S + 1;

    SENDS(chain_new("whole", &sound), LEAF, CA, ROOT);
    SENDS(chain_new("root not sent", &sound), LEAF, CA);
    SENDS(chain_new("leaf alone", &sound), LEAF);
    SENDS(chain_new("misordered", &sound), LEAF, ROOT, CA);
    SENDS(chain_new("a stranger in it", &sound), LEAF, OTHER, CA, ROOT);
    SENDS(chain_new("everything twice", &sound), LEAF, LEAF, CA, CA, ROOT);
    SENDS(chain_new("ca missing", &sound), LEAF, ROOT);
    SENDS(chain_new("self-signed", &(struct defects){.self_signed = true}), LEAF);
    SENDS(chain_new("self-signed, twice", &(struct defects){.self_signed = true}), LEAF, LEAF);
    SENDS(chain_new("leaf expired", &(struct defects){.leaf.not_after_s = past_s}), LEAF, CA, ROOT);
    SENDS(chain_new("leaf of tomorrow", &(struct defects){.leaf.not_before_s = future_s}), LEAF, CA,
          ROOT);
    SENDS(chain_new("ca expired", &(struct defects){.ca.not_after_s = past_s}), LEAF, CA, ROOT);
    SENDS(chain_new("ca expired, root not sent", &(struct defects){.ca.not_after_s = past_s}), LEAF,
          CA);
    SENDS(chain_new("root expired", &(struct defects){.root.not_after_s = past_s}), LEAF, CA, ROOT);
    SENDS(chain_new("ca is none", &(struct defects){.ca.constraints = "critical,CA:FALSE"}), LEAF,
          CA, ROOT);
    SENDS(chain_new("ca says nothing", &(struct defects){.ca.constraints = ""}), LEAF, CA, ROOT);
    SENDS(chain_new("root's path is short",
                    &(struct defects){.root.constraints = "critical,CA:TRUE,pathlen:0"}),
          LEAF, CA, ROOT);
    SENDS(chain_new("leaf for clients", &(struct defects){.leaf.extended_usage = "clientAuth"}),
          LEAF, CA, ROOT);
    SENDS(chain_new("ca for clients", &(struct defects){.ca.extended_usage = "clientAuth"}), LEAF,
          CA, ROOT);
    SENDS(chain_new("name not permitted",
                    &(struct defects){.ca.name_constraints = "permitted;DNS:other.example"}),
          LEAF, CA, ROOT);
    SENDS(chain_new("leaf by SHA-1", &(struct defects){.leaf.digest = EVP_sha1()}), LEAF, CA, ROOT);
    SENDS(chain_new("ca by SHA-1", &(struct defects){.ca.digest = EVP_sha1()}), LEAF, CA, ROOT);
    SENDS(chain_new("forged leaf", &(struct defects){.forged = true}), LEAF, CA, ROOT);
    SENDS(chain_new("weak key", &(struct defects){.leaf_key = weak_key}), LEAF, CA, ROOT);
    SENDS(chain_new("weak key, expired",
                    &(struct defects){.leaf_key = weak_key, .leaf.not_after_s = past_s}),
          LEAF, CA, ROOT);
}

static void all_make(void)
{
    leaf_key = pki_key_ec();
    ca_key = pki_key_ec();
    root_key = pki_key_ec();
    other_key = pki_key_ec();
    weak_key = pki_key_rsa(768);
    other =
        pki_certificate(&(struct pki_spec){.key = other_key, .common_name = "other", .ca = true});
    chains_make();
}

static void all_free(void)
{
    for (unsigned i = 0; i < chain_count; i++)
        for (unsigned p = LEAF; p < OTHER; p++)
            X509_free(chains[i].parts[p]);
    X509_free(other);
    EVP_PKEY_free(leaf_key);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(weak_key);
}

static struct chain *chain_named(const char *name)
{
    for (unsigned i = 0; i < chain_count; i++)
        if (strcmp(chains[i].name, name) == 0)
            return &chains[i];
    ck_abort_msg("no chain %s", name);
    return NULL;
}

static void store_make(void)
{
    ck_assert_int_eq(certificate_store_create(&store, 16 << 20), 0);
}

static void store_free(void)
{
    certificate_store_destroy(store);
}

/* --- records and sets --- */

struct set {
    struct dns_answer answer;
    struct dns_tlsa records[LIMIT_TLSA + 4];
    uint8_t data[LIMIT_TLSA + 4][2048];
};

static void set_begin(struct set *set)
{
    memset(&set->answer, 0, sizeof set->answer);
    atomic_init(&set->answer.references, 1);
    set->answer.kind = DNS_SECURE_DATA;
    set->answer.type = DNS_TLSA;
    set->answer.tlsa = set->records;
}

static struct dns_tlsa *set_add(struct set *set, unsigned usage, unsigned selector,
                                unsigned matching_type, const void *data, size_t size)
{
    unsigned i = set->answer.count++;

    ck_assert_uint_le(size, sizeof set->data[i]);
    if (size > 0)
        memcpy(set->data[i], data, size);
    set->records[i] = (struct dns_tlsa){.usage = (uint8_t)usage,
                                        .selector = (uint8_t)selector,
                                        .matching_type = (uint8_t)matching_type,
                                        .size = (uint16_t)size,
                                        .data = set->data[i]};
    return &set->records[i];
}

/* A record about `x509`; `wrong`: about nobody. */
static void set_add_about(struct set *set, unsigned usage, unsigned selector,
                          unsigned matching_type, X509 *x509, bool wrong)
{
    uint8_t *bytes = NULL, digest[EVP_MAX_MD_SIZE];
    int size = selector == 0 ? i2d_X509(x509, &bytes)
                             : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &bytes);
    unsigned digest_size = 0;

    ck_assert_int_gt(size, 0);
    if (matching_type == 0) {
        struct dns_tlsa *record = set_add(set, usage, selector, 0, bytes, (size_t)size);

        if (wrong) /* parses all the same: the last byte is in a signature or in a key's point */
            set->data[set->answer.count - 1][record->size - 1] ^= 1;
    } else {
        EVP_Digest(bytes, (size_t)size, digest, &digest_size,
                   matching_type == 1 ? EVP_sha256() : EVP_sha512(), NULL);
        digest[0] = (uint8_t)(digest[0] ^ wrong);
        set_add(set, usage, selector, matching_type, digest, digest_size);
    }
    OPENSSL_free(bytes);
}

/* --- ours --- */

struct outcome_of_match {
    int count;
    bool matched;
    uint32_t depths; /* bit d: a record matched at depth d */
    struct tlsa_result results[LIMIT_TLSA];
};

static void ours(const struct chain *chain, const struct set *set, struct outcome_of_match *out)
{
    const struct certificate *sent[CHAIN_MAX];

    for (unsigned i = 0; i < chain->count; i++) {
        size_t size;
        uint8_t *der = pki_der(chain->sent[i], &size);
        int error;

        sent[i] = certificate_intern(store, der, size, &error);
        ck_assert_ptr_nonnull(sent[i]);
        OPENSSL_free(der);
    }
    *out = (struct outcome_of_match){0};
    out->count = dane_match(&set->answer, sent, (uint8_t)chain->count, PKI_NOW_S, out->results);
    for (int i = 0; i < out->count; i++)
        if (out->results[i].fate == TLSA_MATCH) {
            out->matched = true;
            out->depths |= 1u << out->results[i].depth;
        }
    for (unsigned i = 0; i < chain->count; i++)
        certificate_drop(sent[i]);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

static enum tlsa_fate fate_of(const char *chain, const struct set *set)
{
    struct outcome_of_match outcome;

    ours(chain_named(chain), set, &outcome);
    ck_assert_int_eq(outcome.count, set->answer.count);
    return outcome.results[0].fate;
}

static bool matches(const char *chain, const struct set *set)
{
    struct outcome_of_match outcome;

    ours(chain_named(chain), set, &outcome);
    return outcome.matched;
}

/* --- the oracle --- */

static SSL_CTX *server_context, *client_context;

static void oracle_make(void)
{
    server_context = SSL_CTX_new(TLS_server_method());
    client_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(server_context, 0);
    SSL_CTX_set_security_level(client_context, 1);
    SSL_CTX_set_min_proto_version(client_context, TLS1_2_VERSION);
    PKI_NEEDS(SSL_CTX_dane_enable(client_context) > 0);
    SSL_CTX_dane_set_flags(client_context, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
}

static void oracle_free(void)
{
    SSL_CTX_free(server_context);
    SSL_CTX_free(client_context);
}

static SSL *oracle_server(const struct chain *chain, BIO *in, BIO *out)
{
    SSL *server = SSL_new(server_context);

    ck_assert_int_eq(SSL_use_certificate(server, chain->sent[0]), 1);
    ck_assert_int_eq(SSL_use_PrivateKey(server, chain->leaf_key), 1);
    for (unsigned i = 1; i < chain->count; i++)
        ck_assert_int_eq(SSL_add1_chain_cert(server, chain->sent[i]), 1);
    SSL_set_mode(server, SSL_MODE_NO_AUTO_CHAIN);
    SSL_set_accept_state(server);
    BIO_up_ref(in);
    BIO_up_ref(out);
    SSL_set_bio(server, in, out);
    return server;
}

static SSL *oracle_client(const struct set *set, BIO *in, BIO *out)
{
    SSL *client = SSL_new(client_context);

    ck_assert_int_gt(SSL_dane_enable(client, HOST), 0);
    for (unsigned i = 0; i < set->answer.count; i++) {
        const struct dns_tlsa *record = &set->records[i];
        int added = record->usage < 2
                        ? 0
                        : SSL_dane_tlsa_add(client, record->usage, record->selector,
                                            record->matching_type, record->data, record->size);

        ck_assert_int_ge(added, 0);
        if (record->usage >= 2)
            ck_assert_msg((added == 1) == dane_record_usable(record),
                          "usable? %u %u %u, %u bytes: OpenSSL %d", record->usage, record->selector,
                          record->matching_type, record->size, added);
    }
    X509_VERIFY_PARAM_set_time(SSL_get0_param(client), (time_t)PKI_NOW_S);
    SSL_set_connect_state(client);
    BIO_up_ref(in);
    BIO_up_ref(out);
    SSL_set_bio(client, in, out);
    return client;
}

/* The depth of the match, or -1; `verify` says why not. */
static int oracle(const struct chain *chain, const struct set *set, long *verify)
{
    BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
    SSL *server = oracle_server(chain, to_server, to_client);
    SSL *client = oracle_client(set, to_client, to_server);
    int depth = -1, done = 0;

    BIO_set_mem_eof_return(to_server, -1);
    BIO_set_mem_eof_return(to_client, -1);
    for (unsigned turns = 0; turns < 20 && done != 3; turns++)
        done = (SSL_do_handshake(client) == 1) | (SSL_do_handshake(server) == 1) << 1;
    ck_assert_msg(done == 3, "%s: no handshake", chain->name);
    *verify = SSL_get_verify_result(client);
    if (*verify == X509_V_OK)
        depth = SSL_get0_dane_authority(client, NULL, NULL);
    SSL_free(server);
    SSL_free(client);
    BIO_free(to_server);
    BIO_free(to_client);
    ERR_clear_error();
    return depth;
}

/* Where we say "match" and OpenSSL says something else, because a standard does. */
static const struct difference {
    const char *chain;
    int verify; /* OpenSSL's reason */
    const char *rule;
} differences[] = {
    {"weak key", X509_V_ERR_EE_KEY_TOO_SMALL, "DANE-26: DANE-EE compares the leaf, nothing else"},
    {"weak key, expired", X509_V_ERR_EE_KEY_TOO_SMALL, "DANE-26"},
};

static bool difference_is_demanded(const struct chain *chain,
                                   const struct outcome_of_match *outcome, long verify)
{
    if (!outcome->matched || outcome->depths != 1) /* only DANE-EE */
        return false;
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++)
        if (strcmp(differences[i].chain, chain->name) == 0 && differences[i].verify == verify)
            return true;
    return false;
}

static unsigned compared, agreed_on_match, demanded;

static void compare(const struct chain *chain, const struct set *set)
{
    struct outcome_of_match outcome;
    char text[512] = "";
    long verify;
    int depth = -1;

    ours(chain, set, &outcome);
    ck_assert_int_eq(outcome.count, set->answer.count);
    if (dane_usable_count(&set->answer) == 0) { /* DANE-39: OpenSSL's result means nothing */
        ck_assert(!outcome.matched);
        return;
    }
    depth = oracle(chain, set, &verify);
    compared++;
    if (outcome.matched == (depth >= 0) && (depth < 0 || (outcome.depths >> depth & 1) != 0)) {
        agreed_on_match += outcome.matched;
        return;
    }
    if (difference_is_demanded(chain, &outcome, verify)) {
        demanded++;
        return;
    }
    for (int i = 0; i < outcome.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %u %u %u=%d@%u/%d",
                 set->records[i].usage, set->records[i].selector, set->records[i].matching_type,
                 (int)outcome.results[i].fate, outcome.results[i].depth, outcome.results[i].verify);
    ck_abort_msg("%s:%s: ours %d, OpenSSL depth %d, verify %ld", chain->name, text, outcome.matched,
                 depth, verify);
}

static struct set set; /* large */

START_TEST(every_single_record_is_judged_as_openssl_judges_it)
{
    compared = agreed_on_match = demanded = 0;
    for (unsigned c = 0; c < chain_count; c++)
        for (unsigned usage = 2; usage <= 3; usage++)
            for (unsigned form = 0; form < 6; form++)
                for (unsigned which = 0; which < WHICH_COUNT; which++)
                    for (unsigned wrong = 0; wrong < 2; wrong++) {
                        set_begin(&set);
                        set_add_about(&set, usage, form / 3, form % 3, chains[c].parts[which],
                                      wrong != 0);
                        compare(&chains[c], &set);
                    }
    ck_assert_uint_gt(compared, 1500);
    ck_assert_uint_gt(agreed_on_match, 150);
    ck_assert_uint_gt(demanded, 0);
}
END_TEST

START_TEST(random_sets_are_judged_as_openssl_judges_them)
{
    uint32_t random = 20270115;

    compared = agreed_on_match = demanded = 0;
    for (unsigned round = 0; round < 1500; round++) {
        const struct chain *chain;
        unsigned records;

        random = random * 1664525u + 1013904223u;
        chain = &chains[(random >> 8) % chain_count];
        records = 1 + (random >> 24) % 4;
        set_begin(&set);
        for (unsigned i = 0; i < records; i++) {
            random = random * 1664525u + 1013904223u;
            set_add_about(&set,
                          (random >> 9) % 8 == 0 ? (random >> 12) % 2 : 2 + (random >> 12) % 2,
                          (random >> 13) % 2, (random >> 14) % 3,
                          chain->parts[(random >> 17) % WHICH_COUNT], (random >> 20) % 3 == 0);
        }
        compare(chain, &set);
    }
    ck_assert_uint_gt(compared, 1000);
    ck_assert_uint_gt(agreed_on_match, 200);
}
END_TEST

/* --- usable (DANE-21..23) --- */

START_TEST(usable_is_what_DANE_21_to_23_say)
{
    static const uint8_t data[65] = {1};
    const struct {
        unsigned usage, selector, matching_type;
        size_t size;
        bool usable;
    } rows[] = {
        {3, 1, 1, 32, true},    {3, 0, 2, 64, true},       {2, 1, 1, 32, true},
        {2, 0, 2, 64, true},    {3, 1, 1, 31, false},      {3, 1, 1, 33, false},
        {3, 1, 2, 32, false},   {3, 1, 2, 63, false},      {3, 1, 1, 0, false},
        {3, 1, 1, 1, false},    {3, 1, 0, 0, false},       {3, 1, 0, 32, false},
        {3, 0, 0, 32, false},   {0, 1, 1, 32, false},      {1, 1, 1, 32, false},
        {4, 1, 1, 32, false},   {255, 1, 1, 32, false},    {3, 2, 1, 32, false},
        {3, 255, 1, 32, false}, {3, 1, 3, 32, false},      {3, 1, 255, 32, false},
        {2, 0, 0, 64, false},   {255, 255, 255, 0, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_begin(&set);
        set_add(&set, rows[i].usage, rows[i].selector, rows[i].matching_type, data, rows[i].size);
        ck_assert_msg(dane_record_usable(&set.records[0]) == rows[i].usable, "row %zu", i);
        ck_assert_uint_eq(dane_usable_count(&set.answer), rows[i].usable);
    }
}
END_TEST

START_TEST(full_data_must_be_a_certificate_or_a_key_to_its_last_byte_DANE_22)
{
    const struct chain *chain = chain_named("whole");

    for (unsigned selector = 0; selector < 2; selector++) {
        set_begin(&set);
        set_add_about(&set, 3, selector, 0, chain->parts[LEAF], false);
        ck_assert(dane_record_usable(&set.records[0]));
        set.records[0].size++; /* something follows */
        ck_assert(!dane_record_usable(&set.records[0]));
        for (uint16_t size = 0; size < set.records[0].size - 1; size++) {
            struct dns_tlsa cut = set.records[0];

            cut.size = size;
            ck_assert(!dane_record_usable(&cut));
        }
        set.records[0].size--;
        set.records[0].selector = (uint8_t)(1 - selector); /* the one is not the other */
        ck_assert(!dane_record_usable(&set.records[0]));
    }
}
END_TEST

START_TEST(pkix_usages_never_count_not_even_beside_others_DANE_23)
{
    const struct chain *chain = chain_named("whole");

    set_begin(&set);
    set_add_about(&set, 1, 1, 1, chain->parts[LEAF], false);
    set_add_about(&set, 0, 1, 1, chain->parts[CA], false);
    ck_assert_uint_eq(dane_usable_count(&set.answer), 0);
    ck_assert_int_eq(fate_of("whole", &set), TLSA_UNUSABLE);
    set_add_about(&set, 3, 1, 1, chain->parts[LEAF], true);
    ck_assert(!matches("whole", &set));
}
END_TEST

/* --- digest agility (DANE-25) --- */

struct agility_row {
    struct {
        unsigned usage, selector, matching_type;
        bool wrong;
    } records[3];
    unsigned count;
    bool matches;
};

START_TEST(the_strongest_digest_of_a_usage_and_selector_decides_DANE_25)
{
    static const struct agility_row rows[] = {
        {{{3, 1, 1, false}, {3, 1, 2, true}}, 2, false},
        {{{3, 1, 2, true}, {3, 1, 1, false}}, 2, false},
        {{{3, 1, 1, true}, {3, 1, 2, false}}, 2, true},
        {{{3, 1, 0, false}, {3, 1, 2, true}, {3, 1, 1, true}}, 3, true},
        {{{3, 1, 1, false}, {3, 0, 2, true}}, 2, true}, /* another selector */
        {{{3, 1, 1, false}, {2, 1, 2, true}}, 2, true}, /* another usage */
        {{{3, 1, 0, true}, {3, 1, 1, false}}, 2, true}, /* Full outclasses nothing */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_begin(&set);
        for (unsigned r = 0; r < rows[i].count; r++)
            set_add_about(&set, rows[i].records[r].usage, rows[i].records[r].selector,
                          rows[i].records[r].matching_type, chain_named("whole")->parts[LEAF],
                          rows[i].records[r].wrong);
        ck_assert_msg(matches("whole", &set) == rows[i].matches, "row %zu", i);
        compare(chain_named("whole"), &set);
    }
}
END_TEST

START_TEST(an_unusable_record_outclasses_nothing_DANE_25)
{
    static const uint8_t short_digest[63] = {0};

    set_begin(&set);
    set_add_about(&set, 3, 1, 1, chain_named("whole")->parts[LEAF], false);
    set_add(&set, 3, 1, 2, short_digest, sizeof short_digest);
    ck_assert_int_eq(fate_of("whole", &set), TLSA_MATCH);
}
END_TEST

/* --- DANE-EE, DANE-TA --- */

static void one(unsigned usage, unsigned selector, unsigned matching_type, X509 *x509)
{
    set_begin(&set);
    set_add_about(&set, usage, selector, matching_type, x509, false);
}

START_TEST(dane_ee_looks_at_nothing_but_the_leaf_DANE_26)
{
    for (unsigned c = 0; c < chain_count; c++) { /* expired, forged, weak, for clients: whatever */
        struct outcome_of_match outcome;

        one(3, 1, 1, chains[c].parts[LEAF]);
        ours(&chains[c], &set, &outcome);
        ck_assert_msg(outcome.matched, "%s", chains[c].name);
        ck_assert_uint_eq(outcome.results[0].depth, 0);
    }
    one(3, 1, 1, chain_named("whole")->parts[CA]); /* not the leaf */
    ck_assert_int_eq(fate_of("whole", &set), TLSA_NO_MATCH);
}
END_TEST

START_TEST(dane_ta_enforces_everything_below_the_anchor_DANE_28)
{
    const struct {
        const char *chain;
        enum which about;
        enum tlsa_fate fate;
        int verify;
    } rows[] = {
        {"whole", CA, TLSA_MATCH, X509_V_OK},
        {"whole", ROOT, TLSA_MATCH, X509_V_OK},
        {"whole", LEAF, TLSA_NO_MATCH, X509_V_OK},
        {"root not sent", ROOT, TLSA_NO_MATCH, X509_V_OK}, /* DANE-30: never from elsewhere */
        {"leaf alone", CA, TLSA_NO_MATCH, X509_V_OK},
        {"a stranger in it", OTHER, TLSA_NO_MATCH, X509_V_OK},
        {"self-signed", LEAF, TLSA_NO_MATCH, X509_V_OK},
        {"self-signed, twice", LEAF, TLSA_NO_MATCH, X509_V_OK},
        {"misordered", ROOT, TLSA_MATCH, X509_V_OK},
        {"leaf expired", CA, TLSA_CHAIN_FAILS, X509_V_ERR_CERT_HAS_EXPIRED},
        {"ca expired", CA, TLSA_MATCH, X509_V_OK}, /* an anchor by its key; as OpenSSL has it */
        {"ca expired", ROOT, TLSA_CHAIN_FAILS, X509_V_ERR_CERT_HAS_EXPIRED},
        {"root expired", CA, TLSA_MATCH, X509_V_OK}, /* above the anchor nothing matters */
        {"root expired", ROOT, TLSA_CHAIN_FAILS, X509_V_ERR_CERT_HAS_EXPIRED},
        {"ca is none", ROOT, TLSA_CHAIN_FAILS, X509_V_ERR_INVALID_CA},
        {"root's path is short", CA, TLSA_MATCH, X509_V_OK},
        {"root's path is short", ROOT, TLSA_CHAIN_FAILS, X509_V_ERR_PATH_LENGTH_EXCEEDED},
        {"name not permitted", CA, TLSA_CHAIN_FAILS, X509_V_ERR_PERMITTED_VIOLATION},
        {"leaf for clients", CA, TLSA_CHAIN_FAILS, X509_V_ERR_INVALID_PURPOSE},
        {"forged leaf", CA, TLSA_CHAIN_FAILS, X509_V_ERR_CERT_SIGNATURE_FAILURE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned form = 3; form < 6; form++) {
            struct outcome_of_match outcome;

            one(2, 1, form % 3, chain_named(rows[i].chain)->parts[rows[i].about]);
            if (form % 3 == 0 && rows[i].fate == TLSA_NO_MATCH)
                continue; /* a bare key has rules of its own, below */
            ours(chain_named(rows[i].chain), &set, &outcome);
            ck_assert_msg(outcome.results[0].fate == rows[i].fate &&
                              outcome.results[0].verify == rows[i].verify,
                          "%s, 2 1 %u: fate %d, verify %d", rows[i].chain, form % 3,
                          (int)outcome.results[0].fate, outcome.results[0].verify);
        }
}
END_TEST

START_TEST(a_whole_certificate_in_the_dns_need_not_be_sent_DANE_29)
{
    one(2, 0, 0, chain_named("root not sent")->parts[ROOT]);
    ck_assert(matches("root not sent", &set));
    one(2, 0, 0, chain_named("leaf alone")->parts[CA]);
    ck_assert(matches("leaf alone", &set));
    one(2, 0, 0, chain_named("leaf alone")->parts[ROOT]); /* the ca between is missing */
    ck_assert(!matches("leaf alone", &set));
    one(2, 0, 0, chain_named("leaf expired")->parts[ROOT]);
    ck_assert(!matches("leaf expired", &set));
}
END_TEST

START_TEST(a_bare_key_in_the_dns_must_have_signed_the_topmost_sent_DANE_29)
{
    one(2, 1, 0, chain_named("root not sent")->parts[ROOT]);
    ck_assert(matches("root not sent", &set));
    one(2, 1, 0, chain_named("leaf alone")->parts[CA]);
    ck_assert(matches("leaf alone", &set));
    one(2, 1, 0, chain_named("leaf alone")->parts[ROOT]);
    ck_assert(!matches("leaf alone", &set));
    one(2, 1, 0, chain_named("ca expired, root not sent")->parts[ROOT]);
    ck_assert(!matches("ca expired, root not sent", &set)); /* the topmost must be unexpired */
    one(2, 1, 0, other);
    ck_assert(!matches("root not sent", &set));
    one(2, 1, 1, chain_named("root not sent")->parts[ROOT]); /* a digest cannot be checked */
    ck_assert(!matches("root not sent", &set));
}
END_TEST

START_TEST(any_record_suffices_DANE_24_DANE_41)
{
    const struct chain *chain = chain_named("whole");

    set_begin(&set);
    set_add_about(&set, 3, 1, 1, chain->parts[LEAF], true);
    set_add_about(&set, 2, 0, 1, chain->parts[CA], false);
    ck_assert(matches("whole", &set));
    set_begin(&set);
    set_add_about(&set, 2, 0, 1, chain->parts[CA], true);
    set_add_about(&set, 3, 1, 1, chain->parts[LEAF], false);
    ck_assert(matches("whole", &set));
    set_begin(&set);
    set_add_about(&set, 3, 1, 1, chain->parts[LEAF], false);
    set_add_about(&set, 3, 1, 1, chain->parts[CA], false); /* tomorrow's */
    ck_assert(matches("whole", &set));
}
END_TEST

START_TEST(the_depth_is_that_of_the_anchor_in_the_path)
{
    struct outcome_of_match outcome;
    const struct chain *chain = chain_named("misordered");

    set_begin(&set);
    set_add_about(&set, 2, 1, 1, chain->parts[CA], false);
    set_add_about(&set, 2, 1, 1, chain->parts[ROOT], false);
    ours(chain, &set, &outcome);
    ck_assert_uint_eq(outcome.results[0].depth, 1);
    ck_assert_uint_eq(outcome.results[1].depth, 2);
}
END_TEST

START_TEST(more_records_than_the_limit_are_not_looked_at)
{
    struct outcome_of_match outcome;

    set_begin(&set);
    for (unsigned i = 0; i < LIMIT_TLSA + 3; i++)
        set_add_about(&set, 3, 1, 1, chain_named("whole")->parts[LEAF], i < LIMIT_TLSA);
    ours(chain_named("whole"), &set, &outcome);
    ck_assert_int_eq(outcome.count, LIMIT_TLSA);
    ck_assert(!outcome.matched);
}
END_TEST

/* Else one set of hostile records and certificates keeps a shard busy for seconds. */
START_TEST(so_many_paths_are_verified_and_one_more_says_nothing)
{
    const struct chain *fails = chain_named("ca expired, root not sent");
    const struct chain *chain = chain_named("root not sent");
    struct outcome_of_match outcome;

    for (unsigned anchors = 3; anchors <= LIMIT_TLSA; anchors++) {
        set_begin(&set);
        for (unsigned i = 0; i < anchors; i++)
            set_add_about(&set, 2, 0, 0, fails->parts[ROOT], false);
        ours(fails, &set, &outcome);
        ck_assert_int_eq(outcome.count, anchors == 3 ? 3 : -E2BIG);
    }
    set_begin(&set); /* what is met already needs no more */
    for (unsigned i = 0; i < LIMIT_TLSA - 1; i++)
        set_add_about(&set, 2, 0, 0, chain->parts[ROOT], false);
    set_add_about(&set, 3, 1, 1, chain->parts[LEAF], false);
    ours(chain, &set, &outcome);
    ck_assert_int_eq(outcome.count, LIMIT_TLSA);
    ck_assert_int_eq(outcome.results[2].fate, TLSA_MATCH);
    ck_assert_int_eq(outcome.results[3].fate, TLSA_NO_MATCH);
    ck_assert_int_eq(outcome.results[LIMIT_TLSA - 1].fate, TLSA_MATCH);
    set_begin(&set); /* ... wherever it stands: canonical order has authorities first */
    for (unsigned i = 0; i < LIMIT_TLSA - 1; i++)
        set_add_about(&set, 2, 0, 0, fails->parts[ROOT], false);
    set_add_about(&set, 3, 1, 1, fails->parts[LEAF], false);
    ours(fails, &set, &outcome);
    ck_assert_int_eq(outcome.count, LIMIT_TLSA);
    ck_assert_int_eq(outcome.results[LIMIT_TLSA - 1].fate, TLSA_MATCH);
    set_begin(&set); /* strangers cost nothing */
    for (unsigned i = 0; i < LIMIT_TLSA - 1; i++)
        set_add_about(&set, 2, 0, 0, other, false);
    set_add_about(&set, 2, 1, 1, chain->parts[CA], false);
    ck_assert(matches("root not sent", &set));
}
END_TEST

/* --- anything in a record --- */

START_TEST(no_rdata_ends_the_program_or_matches_by_chance)
{
    uint32_t random = 4711;

    for (unsigned round = 0; round < 4000; round++) {
        const struct chain *chain;
        struct outcome_of_match outcome;
        unsigned records;

        random = random * 1664525u + 1013904223u;
        chain = &chains[(random >> 8) % chain_count];
        records = (random >> 24) % 6;
        set_begin(&set);
        for (unsigned i = 0; i < records; i++) {
            struct dns_tlsa *record;
            uint8_t *data = set.data[i];

            random = random * 1664525u + 1013904223u;
            if (random >> 31 != 0) { /* a damaged full record */
                set_add_about(&set, 2 + (random >> 30 & 1), random >> 29 & 1, 0,
                              chain->parts[(random >> 8) % WHICH_COUNT], false);
                record = &set.records[i];
                data[(random >> 12) % record->size] ^= (uint8_t)(1u << (random >> 5) % 8);
                if ((random >> 7 & 3) == 0)
                    record->size = (uint16_t)((random >> 9) % record->size);
                continue;
            }
            record =
                set_add(&set, (random >> 4) % 6, (random >> 8) % 4, (random >> 12) % 5, NULL, 0);
            record->size = (uint16_t)((random >> 16) % 5 == 0 ? (random >> 20) % 300 : 32);
            for (unsigned b = 0; b < record->size; b++)
                data[b] = (uint8_t)(random >> (b % 24)) ^ (uint8_t)b;
        }
        ours(chain, &set, &outcome);
        ck_assert_int_eq(outcome.count, records);
        /* A whole anchor matches by name and key alone, a bare one by its key alone: a bit that is
         * neither (one that makes the point hybrid, for one) may be another. */
        for (int i = 0; i < outcome.count; i++)
            ck_assert(outcome.results[i].fate != TLSA_MATCH ||
                      (set.records[i].usage == 2 && set.records[i].matching_type == 0));
    }
}
END_TEST

/* --- identity --- */

START_TEST(the_digest_knows_the_set_and_not_its_order_DANE_40)
{
    uint8_t a[16], b[16], c[16];
    struct dns_tlsa swap;

    set_begin(&set);
    for (unsigned i = 0; i < 6; i++)
        set_add_about(&set, 2 + i % 2, i / 3 % 2, i % 3, chain_named("whole")->parts[i % 3], false);
    dane_digest(&set.answer, a);
    for (unsigned i = 0; i < 5; i++) {
        swap = set.records[i];
        set.records[i] = set.records[i + 1];
        set.records[i + 1] = swap;
    }
    dane_digest(&set.answer, b);
    ck_assert_mem_eq(a, b, sizeof a);
    for (unsigned i = 0; i < set.answer.count; i++) {
        struct dns_tlsa *record = &set.records[i];

        ((uint8_t *)(uintptr_t)record->data)[record->size / 2] ^= 1;
        dane_digest(&set.answer, c);
        ck_assert_mem_ne(a, c, sizeof a);
        ((uint8_t *)(uintptr_t)record->data)[record->size / 2] ^= 1;
        record->usage ^= 1;
        dane_digest(&set.answer, c);
        ck_assert_mem_ne(a, c, sizeof a);
        record->usage ^= 1;
    }
    set.answer.count--;
    dane_digest(&set.answer, c);
    ck_assert_mem_ne(a, c, sizeof a);
    set.answer.count = 0;
    dane_digest(&set.answer, c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dane");
    TCase *rules = tcase_create("rules"), *against = tcase_create("against OpenSSL");
    SRunner *runner;
    int failed;

    all_make();
    oracle_make();
    tcase_add_checked_fixture(rules, store_make, store_free);
    tcase_add_test(rules, usable_is_what_DANE_21_to_23_say);
    tcase_add_test(rules, full_data_must_be_a_certificate_or_a_key_to_its_last_byte_DANE_22);
    tcase_add_test(rules, pkix_usages_never_count_not_even_beside_others_DANE_23);
    tcase_add_test(rules, the_strongest_digest_of_a_usage_and_selector_decides_DANE_25);
    tcase_add_test(rules, an_unusable_record_outclasses_nothing_DANE_25);
    tcase_add_test(rules, dane_ee_looks_at_nothing_but_the_leaf_DANE_26);
    tcase_add_test(rules, dane_ta_enforces_everything_below_the_anchor_DANE_28);
    tcase_add_test(rules, a_whole_certificate_in_the_dns_need_not_be_sent_DANE_29);
    tcase_add_test(rules, a_bare_key_in_the_dns_must_have_signed_the_topmost_sent_DANE_29);
    tcase_add_test(rules, any_record_suffices_DANE_24_DANE_41);
    tcase_add_test(rules, the_depth_is_that_of_the_anchor_in_the_path);
    tcase_add_test(rules, more_records_than_the_limit_are_not_looked_at);
    tcase_add_test(rules, so_many_paths_are_verified_and_one_more_says_nothing);
    tcase_add_test(rules, no_rdata_ends_the_program_or_matches_by_chance);
    tcase_add_test(rules, the_digest_knows_the_set_and_not_its_order_DANE_40);
    tcase_set_timeout(rules, 120);
    tcase_add_checked_fixture(against, store_make, store_free);
    tcase_add_test(against, every_single_record_is_judged_as_openssl_judges_it);
    tcase_add_test(against, random_sets_are_judged_as_openssl_judges_them);
    tcase_set_timeout(against, 240);
    suite_add_tcase(suite, rules);
    suite_add_tcase(suite, against);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    oracle_free();
    all_free();
    return failed == 0 ? 0 : 1;
}
