/*
 * endpoint.h - the endpoint script: one connection to one address, from connect to goodbye, as a
 * table of named steps with one driver. Yields evidence.
 *
 * A prober belongs to one shard. The shard gives it completions and due timers, and takes the ended
 * probes at the end of the turn. It never decides whether a probe may start, or connect once more
 * (schedule does), nor what its evidence means (policy does).
 */
#ifndef MXWARD_PROBE_ENDPOINT_H
#define MXWARD_PROBE_ENDPOINT_H

#include "engine/base/counter.h"
#include "engine/base/option.h"
#include "engine/certificate/certificate.h"
#include "engine/facts/evidence.h"
#include "engine/loop/ring.h"
#include "engine/loop/wheel.h"

struct probe_settings {
    char *ehlo_name; /* NULL: the machine's host name */
    char *source_ipv4, *source_ipv6;
    uint64_t connect_ms, greeting_ms, command_ms, handshake_ms, goodbye_ms, whole_ms;
    uint64_t parallel;       /* probes at once in the whole daemon */
    uint64_t heavy_per_turn; /* handshake steps in one turn of a shard */
    bool ipv4, ipv6, allow_reserved;
    bool
        weak_check; /* one more connection to a peer that refuses TLS 1.2, to name what it offers */
    bool static_rsa; /* key exchange without forward secrecy counts as TLS (TLS-15) */
    bool resumption; /* of TLS sessions (probe/sessions.h), so long after a full handshake: */
    uint64_t full_handshake_ms;
    char *ca_file, *ca_directory;
};
extern const struct option_module
    probe_option_module; /* section "probe"; offset filled by engine */

struct prober_counts {
    counter started, ended[OUTCOME_COUNT], bytes_in, bytes_out, stale_completions;
    struct histogram step_us[ENDPOINT_STEP_COUNT], whole_us;
    counter in_flight;         /* operations of the ring now */
    counter handshakes;        /* completed */
    counter resumed;           /* of these, with a session of an earlier probe */
    counter resumption_failed; /* a session was offered, and the handshake failed: done in full,
                                  if there is time and a budget */
    counter timeouts_ours;     /* findings that were not made because the loop was late (law 3) */
    counter weak_checks;       /* second connections */
    counter weak_checks_left_out;
};

struct prober;

/* Operations 1..15 of the shard's ring tokens belong to the prober (RING_OPERATION_* in
 * endpoint.c). */
#define PROBER_OPERATION_FIRST 1
#define PROBER_OPERATION_LAST  15

int prober_create(struct prober **prober, struct ring *ring, struct wheel *wheel,
                  struct certificate_store *certificates, const struct probe_settings *settings,
                  uint32_t probes_max, uint32_t sessions_max, char *why, size_t why_size);
/* 0; -EINVAL or -ENOMEM with a sentence that begins with the setting: what prober_create says. */
int prober_judge(const struct probe_settings *settings, char *why, size_t why_size);
/* Whoever permitted a probe is asked again before each further connection of it (weak_check; in
 * full, where a resumed session failed), when the one before is closed. Without anybody to ask
 * there is none. */
typedef bool prober_may_again(void *context, uint64_t job);
void prober_ask_again(struct prober *prober, prober_may_again *may, void *context);
/* Nothing may be in flight: prober_cancel_all and turn until prober_running() == 0 first. */
void prober_destroy(struct prober *prober);
uint32_t prober_running(const struct prober *prober); /* also the ended ones that were not taken */
const struct prober_counts *prober_counts(const struct prober *prober);
void prober_reload(struct prober *prober, const struct probe_settings *settings);
/* The next probe of this endpoint is in full. */
void prober_forget_session(struct prober *prober, const struct endpoint_key *key);
/* Forgets up to `most` of the kept sessions, with the certificates that their proofs hold. */
uint32_t prober_forget_sessions(struct prober *prober, uint32_t most);

/* Starts a probe for `job` (opaque to the prober: the shard's number). 0; -EAGAIN: no slot;
 * -ENOMEM: both ours. `tlsa` may be NULL; the prober takes its own reference. */
int prober_start(struct prober *prober, const struct endpoint_key *key,
                 const struct dns_answer *tlsa, uint64_t job);
void prober_cancel_all(struct prober *prober); /* every probe ends with OURS_CANCELLED */

void prober_completed(struct prober *prober, const struct ring_completion *completion);
void prober_due(struct prober *prober, struct wheel_timer *timer);
/* The loop overslept or was stopped from `since_ms` until `until_ms`: what fails in a probe that
 * was running then is ours, not the peer's (law 3). To be called before the completions and timers
 * that came in that time are handed over. */
void prober_loop_was_late(struct prober *prober, uint64_t since_ms, uint64_t until_ms);
/* Runs at most settings.heavy_per_turn parked handshake steps; true if some are left (do not
 * sleep). */
bool prober_run_heavy(struct prober *prober);
/* "connect", "greeting", …: what evidence.step and the histograms are numbered by. */
const char *endpoint_step_name(unsigned step);
/* An ended probe: its evidence (one reference for the caller) and job, or NULL. */
const struct evidence *prober_take_ended(struct prober *prober, uint64_t *job);

#endif
