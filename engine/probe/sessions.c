/*
 * sessions.c - see sessions.h. A registry (engine/loop/registry.h) whose objects are never busy.
 */
#include "engine/probe/sessions.h"

#include "engine/base/check.h"
#include "engine/facts/age.h"
#include "engine/loop/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct session {
    struct registry_entry entry; /* first: see registry.h */
    struct endpoint_key key;
    const struct evidence *proof; /* one reference; NULL: there is no session, only its place */
    uint64_t failed_ms;           /* when one came to nothing; 0: none has */
    uint16_t size;
    uint8_t bytes[LIMIT_SESSION_BYTES]; /* whoever has them is the peer's partner: see drop */
};
static_assert(LIMIT_SESSION_BYTES <= UINT16_MAX, "a session's size is kept in 16 bits");

struct sessions {
    struct registry *registry;
};

/* --- what may be kept, and offered --- */

/* Matched by a record of its own key or certificate, where names do not matter (DANE-29), or by
 * what vouches for names, and bears the name that was sent. */
static bool certificate_is_its_own(const struct evidence *evidence)
{
    if (evidence_meets_no_tlsa(evidence))
        return false;
    for (unsigned i = 0; i < evidence->tlsa_count; i++)
        if (evidence->tlsa[i].fate == TLSA_MATCH && evidence->tlsa[i].usage == 3)
            return true;
    return evidence_certificate_counts(evidence) &&
           certificate_names_host(evidence->chain[0], evidence->key.server_name.text, false);
}

bool evidence_may_be_resumed(const struct evidence *evidence)
{
    return evidence->outcome == OUTCOME_TLS_OK && !evidence->resumed && evidence->chain_count > 0 &&
           !evidence->chain_cut && certificate_is_its_own(evidence);
}

bool evidence_still_proves(const struct evidence *proof, int64_t now_s)
{
    for (unsigned i = 0; i < proof->chain_count; i++)
        if (!certificate_valid_at(proof->chain[i], now_s))
            return false;
    return true;
}

/* --- keeping --- */

/* The place stays, with what it says of failures, until it is the least recently used. */
static void session_drop(struct session *session)
{
    explicit_bzero(session->bytes, session->size);
    session->size = 0;
    evidence_drop(session->proof);
    session->proof = NULL;
}

static bool session_is(const void *object, const void *key)
{
    return endpoint_key_equal(&((const struct session *)object)->key, key);
}

static void session_begin(void *object, const void *key)
{
    ((struct session *)object)->key = *(const struct endpoint_key *)key;
}

static bool session_idle(const void *object)
{
    (void)object;
    return true;
}

static void session_forget(void *object)
{
    session_drop(object);
}

static const struct registry_kind session_kind = {
    .name = "sessions",
    .bytes = sizeof(struct session),
    .is = session_is,
    .begin = session_begin,
    .idle = session_idle,
    .forget = session_forget,
};

static struct session *session_of(struct sessions *sessions, const struct endpoint_key *key)
{
    struct session *session = registry_find(sessions->registry, key, endpoint_key_hash(key));

    CHECK(session != NULL); /* every one is idle */
    session_drop(session);
    return session;
}

void sessions_keep(struct sessions *sessions, const struct evidence *proof, uint64_t since_ms,
                   const uint8_t *bytes, size_t size)
{
    struct session *session = session_of(sessions, &proof->key);

    CHECK(size > 0 && size <= LIMIT_SESSION_BYTES && evidence_may_be_resumed(proof));
    if (session->failed_ms != 0 && session->failed_ms >= since_ms)
        return;
    memcpy(session->bytes, bytes, size);
    session->size = (uint16_t)size;
    session->proof = evidence_hold(proof);
}

void sessions_failed(struct sessions *sessions, const struct endpoint_key *key, uint64_t now_ms)
{
    session_of(sessions, key)->failed_ms = now_ms;
}

size_t sessions_take(struct sessions *sessions, const struct endpoint_key *key, uint64_t since_ms,
                     int64_t now_s, uint8_t bytes[LIMIT_SESSION_BYTES],
                     const struct evidence **proof)
{
    struct session *session = registry_look(sessions->registry, key, endpoint_key_hash(key));
    size_t size = 0;

    if (session == NULL || session->proof == NULL)
        return 0;
    if (session->proof->began_ms >= since_ms && evidence_still_proves(session->proof, now_s)) {
        size = session->size;
        memcpy(bytes, session->bytes, size);
        *proof = evidence_hold(session->proof);
    }
    session_drop(session);
    return size;
}

void sessions_drop(struct sessions *sessions, const struct endpoint_key *key)
{
    struct session *session = registry_look(sessions->registry, key, endpoint_key_hash(key));

    if (session != NULL)
        session_drop(session);
}

uint32_t sessions_forget(struct sessions *sessions, uint32_t most)
{
    return registry_forget_idle(sessions->registry, most);
}

void sessions_forget_all(struct sessions *sessions)
{
    (void)registry_forget_idle(sessions->registry, registry_count(sessions->registry));
}

/* --- start and stop --- */

int sessions_create(struct sessions **out, uint32_t most)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);

    if (sessions == NULL)
        return -ENOMEM;
    int error = registry_create(&sessions->registry, &session_kind, most);
    if (error != 0) {
        free(sessions);
        return error;
    }
    *out = sessions;
    return 0;
}

void sessions_destroy(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    registry_destroy(sessions->registry);
    free(sessions);
}
