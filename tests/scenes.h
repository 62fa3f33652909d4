/*
 * scenes.h - every combination of hosts that a verdict can be about, and policies played out on it.
 *
 * For the tests of verdicts and of policy texts; header only. A scene is up to four hosts, each in
 * one of the situations below, behind a signed or an unsigned MX record. Playing a policy says, for
 * a host in a situation, what is the worst that may happen to mail there whatever the host turns
 * out to be, whether mail would go there if it is as it was seen, and whether a published TLSA
 * record is passed over. It knows nothing of how verdicts are made.
 */
#ifndef MXWARD_TESTS_SCENES_H
#define MXWARD_TESTS_SCENES_H

#include "engine/policy/verdict.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A claim made a million times: Check itself writes a message for each assertion, even a true one.
 */
#define claim(condition, ...)          \
    do {                               \
        if (!(condition))              \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)

#define NOW_MS 10000000u

static inline struct name name_of(const char *text)
{
    struct name name = {0};

    name.length = (uint8_t)strlen(text);
    memcpy(name.text, text, name.length + 1u);
    return name;
}

/* --- the situations of a host --- */

enum tlsa { NO_TLSA, USABLE, UNUSABLE, TLSA_FAILED };

/* What a probe saw, from weak to strong. */
enum sight { UNSEEN, FAILS, CLEAR, WEAK, ENCRYPTS, MEETS_DANE, VERIFIES };

static const struct situation {
    const char *name;
    enum finding_kind kind;
    enum tlsa tlsa;
    enum sight sight;
    bool excluded, proved; /* no address that can be used; by signed answers */
    bool trouble;
    bool no_facts;
    bool not_conclusive;
    bool only_insecure_mx;
    bool by_issuer; /* usable TLSA records, but `2 1 1`: no list of keys says the same */
} situations[] = {
    {"unknown", FINDING_UNKNOWN, NO_TLSA, UNSEEN, 0, 0, 0, 0, 0, 0, 0},
    {"unknown+unusable", FINDING_UNKNOWN, UNUSABLE, UNSEEN, 0, 0, 0, 0, 0, 0, 0},
    {"no-facts", FINDING_UNKNOWN, NO_TLSA, UNSEEN, 0, 0, 0, 1, 0, 0, 0},
    {"dane", FINDING_DANE, USABLE, MEETS_DANE, 0, 0, 0, 0, 0, 0, 0},
    {"dane-enforced", FINDING_DANE_ENFORCED, USABLE, UNSEEN, 0, 0, 0, 0, 0, 0, 0},
    {"dane-fails", FINDING_DANE_FAILS, USABLE, FAILS, 0, 0, 0, 0, 0, 0, 0},
    {"unusable-no-tls", FINDING_DANE_FAILS, UNUSABLE, FAILS, 0, 0, 0, 0, 0, 0, 0},
    {"verified", FINDING_VERIFIED, NO_TLSA, VERIFIES, 0, 0, 0, 0, 0, 0, 0},
    {"verified+dane", FINDING_VERIFIED, USABLE, VERIFIES, 0, 0, 0, 0, 0, 1, 0},
    {"verified+unusable", FINDING_VERIFIED, UNUSABLE, VERIFIES, 0, 0, 0, 0, 0, 0, 0},
    {"encrypted", FINDING_ENCRYPTED, NO_TLSA, ENCRYPTS, 0, 0, 0, 0, 0, 0, 0},
    {"encrypted, unsure", FINDING_ENCRYPTED, NO_TLSA, ENCRYPTS, 0, 0, 0, 0, 1, 0, 0},
    {"encrypted+unusable", FINDING_ENCRYPTED, UNUSABLE, ENCRYPTS, 0, 0, 0, 0, 0, 0, 0},
    {"weak", FINDING_WEAK, NO_TLSA, WEAK, 0, 0, 0, 0, 0, 0, 0},
    {"clear", FINDING_CLEAR, NO_TLSA, CLEAR, 0, 0, 0, 0, 0, 0, 0},
    {"excluded", FINDING_EXCLUDED, NO_TLSA, UNSEEN, 1, 1, 0, 0, 0, 0, 0},
    {"excluded, not proved", FINDING_EXCLUDED, NO_TLSA, UNSEEN, 1, 0, 0, 0, 0, 0, 0},
    {"address-trouble", FINDING_TROUBLE, TLSA_FAILED, UNSEEN, 0, 0, 1, 0, 0, 0, 0},
    {"tlsa-trouble", FINDING_TROUBLE, TLSA_FAILED, UNSEEN, 0, 0, 1, 0, 0, 0, 0},
    {"reserved", FINDING_EXCLUDED, NO_TLSA, UNSEEN, 1, 1, 0, 0, 0, 0, 0},
    {"reserved, not proved", FINDING_EXCLUDED, NO_TLSA, UNSEEN, 1, 0, 0, 0, 0, 0, 0},
    {"dane by issuer", FINDING_DANE, USABLE, MEETS_DANE, 0, 0, 0, 0, 0, 0, 1},
};
#define SITUATIONS (sizeof situations / sizeof *situations)
#define HOSTS_MAX  4

struct scene {
    unsigned count;
    unsigned which[HOSTS_MAX];
    bool secure, cut;
};

static inline const struct situation *at(const struct scene *scene, unsigned i)
{
    return &situations[scene->which[i]];
}

static inline bool scene_is_possible(const struct scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++)
        if (scene->secure && at(scene, i)->only_insecure_mx)
            return false;
    return true;
}

static inline const char *scene_text(const struct scene *scene)
{
    static char text[256];

    snprintf(text, sizeof text, "%s MX%s:", scene->secure ? "secure" : "insecure",
             scene->cut ? ", cut" : "");
    for (unsigned i = 0; i < scene->count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " {%s}", at(scene, i)->name);
    return text;
}

/* --- from a scene to a verdict --- */

static struct host_facts facts[HOSTS_MAX][SITUATIONS];
static struct finding findings[2][SITUATIONS]; /* by secure */
static struct dns_answer tlsa_answer;          /* of every host whose records are unusable */
static struct name host_names[HOSTS_MAX], domain;

/* Each host has a key of its own; its SHA-256 is the host's number, from 1, in every byte. */
static struct making {
    struct certificate leaf;
    struct dns_tlsa key, issuer;
    struct dns_answer keys, issuers;
    struct evidence encrypts, does_not;
} makings[HOSTS_MAX];

static inline enum cause cause_for(const struct situation *situation, bool secure)
{
    switch (situation->kind) {
    case FINDING_UNKNOWN:
    case FINDING_DANE_ENFORCED:
        return CAUSE_UNREACHABLE;
    case FINDING_DANE:
        return secure ? CAUSE_DANE : CAUSE_DANE_INSECURE_MX;
    case FINDING_DANE_FAILS:
        return situation->tlsa == USABLE ? CAUSE_DANE_FAILS : CAUSE_DANE_NO_TLS;
    case FINDING_VERIFIED:
        return CAUSE_VERIFIED;
    case FINDING_ENCRYPTED:
        return situation->tlsa == UNUSABLE ? CAUSE_ENCRYPTED_TLSA_UNUSABLE : CAUSE_ENCRYPTED;
    case FINDING_WEAK:
        return CAUSE_WEAK_TLS;
    case FINDING_CLEAR:
        return CAUSE_NO_STARTTLS;
    case FINDING_EXCLUDED:
        return CAUSE_NO_HOST;
    case FINDING_TROUBLE:
        return strcmp(situation->name, "tlsa-trouble") == 0 ? CAUSE_TLSA_TROUBLE
                                                            : CAUSE_ADDRESS_TROUBLE;
    case FINDING_KIND_COUNT:
        break;
    }
    return CAUSE_NONE;
}

static inline void making_make(struct making *making, unsigned host)
{
    struct evidence *const both[] = {&making->encrypts, &making->does_not};

    memset(making->leaf.spki_sha256, (int)host + 1, SHA256_BYTES);
    making->key = (struct dns_tlsa){3, 1, 1, SHA256_BYTES, making->leaf.spki_sha256};
    making->issuer = (struct dns_tlsa){2, 1, 1, SHA256_BYTES, making->leaf.spki_sha256};
    making->keys.count = making->issuers.count = 1;
    making->keys.tlsa = &making->key;
    making->issuers.tlsa = &making->issuer;
    for (unsigned i = 0; i < 2; i++) {
        both[i]->smtp_code = 454;
        both[i]->key.address.family = 4;
        both[i]->key.address.bytes[0] = 192;
    }
    making->encrypts.outcome = OUTCOME_TLS_OK;
    making->encrypts.chain_count = 1;
    making->encrypts.chain[0] = &making->leaf;
    making->does_not.outcome = OUTCOME_NO_STARTTLS;
}

static inline void facts_make(struct host_facts *host, const struct situation *situation,
                              const struct making *making)
{
    bool tls = situation->sight >= ENCRYPTS || situation->not_conclusive;

    host->port = 25;
    host->began_ms = NOW_MS - 5000;
    host->ended_ms = NOW_MS - 1000;
    host->dns_until_ms = NOW_MS + 200000;
    host->secure = situation->proved;
    host->state = strncmp(situation->name, "reserved", 8) == 0      ? HOST_UNUSABLE
                  : situation->excluded                             ? HOST_NO_ADDRESS
                  : strcmp(situation->name, "address-trouble") == 0 ? HOST_TROUBLE
                                                                    : HOST_RESOLVED;
    host->tlsa_state = situation->tlsa == TLSA_FAILED ? TLSA_TROUBLE
                       : situation->tlsa == NO_TLSA   ? TLSA_ABSENT
                                                      : TLSA_PRESENT;
    host->usable = situation->tlsa == USABLE;
    host->tlsa = host->tlsa_state != TLSA_PRESENT ? NULL
                 : situation->tlsa != USABLE      ? &tlsa_answer
                 : situation->by_issuer           ? &making->issuers
                                                  : &making->keys;
    host->endpoint_count = 1;
    host->endpoints[0].evidence = tls ? &making->encrypts : &making->does_not;
}

static inline void makings_make(void)
{
    domain = name_of("domain.example");
    for (unsigned h = 0; h < HOSTS_MAX; h++) {
        char text[32];

        snprintf(text, sizeof text, "mx%u.host.example", h + 1);
        host_names[h] = name_of(text);
        making_make(&makings[h], h);
        for (size_t i = 0; i < SITUATIONS; i++)
            facts_make(&facts[h][i], &situations[i], &makings[h]);
    }
    for (size_t i = 0; i < SITUATIONS; i++)
        for (unsigned secure = 0; secure < 2; secure++)
            findings[secure][i] = (struct finding){
                .kind = situations[i].kind,
                .cause = cause_for(&situations[i], secure != 0),
                .conclusive = situations[i].sight != UNSEEN && !situations[i].not_conclusive,
                .tls_version = situations[i].sight >= ENCRYPTS ? 0x0304 : 0,
            };
}

/* When all of it was seen, by the wall clock. */
static inline void makings_seen_at(int64_t wall_s)
{
    for (unsigned h = 0; h < HOSTS_MAX; h++)
        makings[h].encrypts.ended_wall_s = makings[h].does_not.ended_wall_s = wall_s;
}

static inline struct route scene_route(const struct scene *scene)
{
    struct route route = {.state = ROUTE_MX,
                          .secure = scene->secure,
                          .domain = domain,
                          .hosts_cut = scene->cut,
                          .ttl_s = 300,
                          .until_ms = NOW_MS + 300000,
                          .host_count = (uint8_t)scene->count};

    for (unsigned i = 0; i < scene->count; i++)
        route.hosts[i].name = host_names[i];
    return route;
}

/* What a round has found out when it ends. */
struct round_facts {
    struct route route;
    const struct host_facts *hosts[LIMIT_MX_HOSTS];
    struct finding findings[LIMIT_MX_HOSTS];
};

static inline void scene_facts(const struct scene *scene, struct round_facts *round)
{
    memset(round, 0, sizeof *round);
    round->route = scene_route(scene);
    memset(round->findings, 0xa5, sizeof round->findings); /* without facts it is not looked at */
    for (unsigned i = 0; i < scene->count; i++) {
        if (at(scene, i)->no_facts)
            continue;
        round->hosts[i] = &facts[i][scene->which[i]];
        round->findings[i] = findings[scene->secure][scene->which[i]];
    }
}

static inline struct verdict verdict_of(const struct scene *scene)
{
    struct round_facts round;
    struct verdict verdict;

    scene_facts(scene, &round);
    verdict_of_domain(&verdict, &round.route, round.hosts, round.findings, NOW_MS);
    return verdict;
}

/* --- the oracle: playing policies --- */

/* A text that only Postfix has: each host must show one of the keys that stand for all of them. */
#define PLAY_KEYS ENFORCE_COUNT

/* What may happen to mail at a host, from bad to good. */
enum happens { IN_CLEAR, ENCRYPTED, HALF_DANE, VERIFIED, AUTHENTICATED, NOTHING_GOES };

static inline enum happens under_dane(bool secure)
{
    return secure ? AUTHENTICATED : HALF_DANE;
}

/* Mail can go there for all that is known: an answer without a signature may be forged. */
static inline bool may_exist(const struct situation *situation)
{
    return !situation->excluded || !situation->proved;
}

/* The worst under this policy, whatever the host turns out to be at the delivery. */
static inline enum happens worst(enum enforce policy, const struct situation *situation,
                                 bool secure)
{
    if (!may_exist(situation))
        return NOTHING_GOES;
    switch (policy) {
    case ENFORCE_NOTHING: /* an MTA that honours TLSA records */
    case ENFORCE_DANE:
        return situation->tlsa == USABLE     ? under_dane(secure)
               : situation->tlsa == UNUSABLE ? ENCRYPTED
                                             : IN_CLEAR;
    case ENFORCE_DANE_ONLY:
        return secure ? AUTHENTICATED : NOTHING_GOES;
    case ENFORCE_DANE_ELSE_ENCRYPT:
        return situation->tlsa == USABLE ? under_dane(secure) : ENCRYPTED;
    case ENFORCE_ENCRYPT:
        return ENCRYPTED;
    case ENFORCE_SECURE_MATCH:
        return VERIFIED;
    case PLAY_KEYS: /* more only if no key was merely seen: `guaranteed` */
        return ENCRYPTED;
    }
    return IN_CLEAR;
}

/* Would mail go there, if the host is as it was seen? */
static inline bool goes(enum enforce policy, const struct situation *situation, bool secure)
{
    if (situation->excluded || situation->sight == UNSEEN || situation->sight == FAILS)
        return false;
    switch (policy) {
    case ENFORCE_NOTHING:
    case ENFORCE_DANE:
        return true;
    case ENFORCE_DANE_ONLY:
        return secure && situation->tlsa == USABLE;
    case ENFORCE_DANE_ELSE_ENCRYPT:
    case ENFORCE_ENCRYPT:
        return situation->sight >= ENCRYPTS;
    case ENFORCE_SECURE_MATCH:
        return situation->sight == VERIFIES;
    case PLAY_KEYS:
        return situation->tlsa == USABLE ? situation->sight >= MEETS_DANE
                                         : situation->sight >= ENCRYPTS;
    }
    return false;
}

/* Does the policy put something else in the place of DANE at a host that has, or may have, it? */
static inline bool ignores_tlsa(enum enforce policy, const struct situation *situation, bool secure)
{
    bool met = situation->sight == MEETS_DANE || situation->sight == VERIFIES;
    bool unknown = situation->tlsa == TLSA_FAILED || situation->no_facts; /* it may have some */

    if (situation->excluded || (situation->tlsa != USABLE && !unknown))
        return false;
    if (policy == ENFORCE_ENCRYPT)
        return true;
    if (policy != ENFORCE_SECURE_MATCH)
        return false;
    /* Behind an unsigned MX the domain's own certificate is more than DANE at a host that meets it.
     */
    return unknown || secure || !met;
}

static const enum level level_of[] = {
    [IN_CLEAR] = LEVEL_NONE,
    [ENCRYPTED] = LEVEL_ENCRYPT,
    [HALF_DANE] = LEVEL_DANE_INSECURE_MX,
    [VERIFIED] = LEVEL_VERIFIED,
    [AUTHENTICATED] = LEVEL_AUTHENTICATED,
};

/* Is there a list of keys that shuts nobody out, and puts DANE aside nowhere? */
static inline bool keys_say_it(const struct scene *scene)
{
    bool dane = false;

    for (unsigned i = 0; i < scene->count; i++) {
        const struct situation *host = at(scene, i);

        if (host->excluded && host->proved)
            continue;
        if (host->excluded || host->trouble || host->no_facts || host->tlsa == UNUSABLE ||
            (host->tlsa == USABLE && host->by_issuer) ||
            (host->tlsa == NO_TLSA && (host->sight < ENCRYPTS || host->not_conclusive)))
            return false;
        dane |= host->tlsa == USABLE;
    }
    return dane && !scene->cut;
}

static inline bool every_host_has_usable_tlsa(const struct scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++)
        if (may_exist(at(scene, i)) && at(scene, i)->tlsa != USABLE)
            return false;
    return !scene->cut;
}

static inline bool nobody(const struct scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++)
        if (!at(scene, i)->excluded)
            return false;
    return !scene->cut;
}

/* The level that a policy guarantees for the whole; LEVEL_NONE with nobody to send to. */
static inline enum level guaranteed(enum enforce policy, const struct scene *scene)
{
    static const struct situation unread = {
        "cut", FINDING_UNKNOWN, NO_TLSA, UNSEEN, 0, 0, 0, 0, 0, 0, 0};
    enum happens least = NOTHING_GOES;

    if (nobody(scene))
        return LEVEL_NONE;
    if (policy == PLAY_KEYS && every_host_has_usable_tlsa(scene))
        return level_of[under_dane(scene->secure)];
    for (unsigned i = 0; i < scene->count; i++)
        if (worst(policy, at(scene, i), scene->secure) < least)
            least = worst(policy, at(scene, i), scene->secure);
    if (scene->cut && worst(policy, &unread, scene->secure) < least)
        least = worst(policy, &unread, scene->secure);
    return least == NOTHING_GOES ? LEVEL_NONE : level_of[least];
}

static inline bool respects(enum enforce policy, const struct scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++)
        if (ignores_tlsa(policy, at(scene, i), scene->secure))
            return false;
    return true;
}

static inline bool delivers(enum enforce policy, const struct scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++)
        if (goes(policy, at(scene, i), scene->secure))
            return true;
    return false;
}

static inline bool any(const struct scene *scene, enum tlsa tlsa)
{
    for (unsigned i = 0; i < scene->count; i++)
        if (!at(scene, i)->excluded && at(scene, i)->tlsa == tlsa)
            return true;
    return false;
}

static inline bool any_sight(const struct scene *scene, enum sight sight)
{
    for (unsigned i = 0; i < scene->count; i++)
        if (at(scene, i)->sight == sight)
            return true;
    return false;
}

/* --- every combination --- */

typedef void (*trial)(const struct scene *scene, const struct verdict *verdict);

static unsigned long tried;

static inline void try_scene(const struct scene *scene, trial trial_)
{
    struct verdict verdict;

    if (!scene_is_possible(scene))
        return;
    verdict = verdict_of(scene);
    trial_(scene, &verdict);
    tried++;
}

static inline void every_scene(unsigned hosts, trial trial_)
{
    unsigned long combinations = 1;

    for (unsigned i = 0; i < hosts; i++)
        combinations *= SITUATIONS;
    for (unsigned form = 0; form < 4; form++)
        for (unsigned long n = 0; n < combinations; n++) {
            struct scene scene = {.count = hosts, .secure = form % 2 != 0, .cut = form / 2 != 0};
            unsigned long rest = n;

            for (unsigned i = 0; i < hosts; i++, rest /= SITUATIONS)
                scene.which[i] = (unsigned)(rest % SITUATIONS);
            try_scene(&scene, trial_);
        }
}

static inline void all_scenes(trial trial_)
{
    tried = 0;
    for (unsigned hosts = 1; hosts <= 3; hosts++)
        every_scene(hosts, trial_);
    ck_assert_uint_gt(tried, 20000);
}

/* One or two hosts, by the names of their situations. */
static inline struct scene scene_of(bool secure, const char *a, const char *b)
{
    struct scene scene = {.secure = secure};

    for (unsigned i = 0; i < SITUATIONS; i++)
        if (strcmp(situations[i].name, a) == 0)
            scene.which[scene.count++] = i;
    for (unsigned i = 0; b != NULL && i < SITUATIONS; i++)
        if (strcmp(situations[i].name, b) == 0)
            scene.which[scene.count++] = i;
    ck_assert_uint_eq(scene.count, b != NULL ? 2 : 1);
    return scene;
}

static inline struct verdict verdict_for(bool secure, const char *a, const char *b)
{
    struct scene scene = scene_of(secure, a, b);

    return verdict_of(&scene);
}

#endif
