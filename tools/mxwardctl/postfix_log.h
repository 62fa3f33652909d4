/*
 * postfix_log.h - deliveries by TLS, read from lines of Postfix's log. Pure: no file, no clock.
 *
 *   "Verified TLS connection established to HOST[ADDRESS]:25: TLSv1.3 with cipher …"
 *   "QUEUEID: to=<USER@DOMAIN>, relay=HOST[ADDRESS]:25, delay=…, dsn=2.…, status=sent (…"
 *
 * Both by the same process, one right behind the other: Postfix does not say in the second line
 * over which connection (after a failure inside TLS it may come again in clear text). So a
 * connection is forgotten at any other line of its process (but the one about EHLO keywords that
 * are discarded), at another queue ID, when it is reused ("conn_use="), and after
 * POSTFIX_LOG_KEEP_S. Before it sends in clear text what failed inside TLS, Postfix says that and
 * why: such a line.
 *
 * Lines hold text of remote servers and of senders. Only what Postfix itself puts in fixed places
 * counts, read from the start of the message; a recipient with any byte that is not plain ends the
 * reading. Of "subject_CN=…, fingerprint=…, pkey_fingerprint=…" (smtp_tls_loglevel 2; since 3.9
 * "pkey fingerprint") the end counts, because the names before it are the peer's.
 */
#ifndef MXWARDCTL_POSTFIX_LOG_H
#define MXWARDCTL_POSTFIX_LOG_H

#include "ipc/client/mxward.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POSTFIX_LOG_PROCESSES 1024 /* connections remembered; the oldest goes */
#define POSTFIX_LOG_KEEP_S    600
#define POSTFIX_LOG_LINE      4096 /* bytes; a longer line is skipped */

struct postfix_connection {
    uint64_t process; /* of host name, program and pid; 0: free */
    int64_t at_s;
    char host[256], address[64];
    unsigned port, tls_version;
    int trust;    /* enum mxw_trust; MXW_CLEAR: only the key is known yet */
    bool greeted; /* a line about its EHLO was read */
    char cipher[64], queue_id[32], key_sha256[65];
};
struct postfix_log {
    struct postfix_connection connections[POSTFIX_LOG_PROCESSES];
};
struct postfix_delivery {
    struct postfix_connection connection;
    char domain[256];
};

/* One line, without its end, and what time it is now (for times that name no year). True: it is a
 * delivery by TLS. `log` begins zeroed. */
bool postfix_log_line(struct postfix_log *log, const char *line, size_t size, int64_t now_s,
                      struct postfix_delivery *delivery);

#endif
