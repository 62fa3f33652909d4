/*
 * farm.h - the lab's mail hosts (tests/farm) for a benchmark: certificates, and one process that
 * listens on all loopback addresses.
 *
 *   directory/root.crt       the authority to trust
 *   directory/NAME.pem       chain and key of a host (tests/lab/certificates)
 *   directory/digests        their TLSA digests
 *
 * Programs run from the tree's root; the farm is the one of $BUILD.
 */
#ifndef MXWARD_BENCH_COMMON_FARM_H
#define MXWARD_BENCH_COMMON_FARM_H

#include <stdbool.h>
#include <sys/types.h>

struct farm {
    char directory[64];        /* in /tmp; what else a benchmark puts there is removed with it */
    pid_t process, new_leaves; /* 0: not started */
};

/* Both: NULL, or why it cannot be had. farm_close follows in any case. */
const char *farm_prepare(struct farm *farm); /* directory and certificates */
const char *farm_start(struct farm *farm, unsigned port);
/* A second one, whose hosts show a certificate never seen before in each session. */
const char *farm_start_new_leaves(struct farm *farm, unsigned port);
/* Instead of farm_start: hosts that give sessions to resume, and answer after so long. */
const char *farm_start_slow(struct farm *farm, unsigned port, unsigned answer_after_ms);
void farm_close(struct farm *farm);
/* The SHA-256 of a certificate's key, in hexadecimal: what its TLSA record 3 1 1 says. */
bool farm_key_digest(const struct farm *farm, const char *certificate, char digest[65]);

#endif
